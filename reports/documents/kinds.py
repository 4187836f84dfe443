"""Which documents there are, what their numbers begin with, and who may have them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from fsm.actors import Permission


class DocumentKind(StrEnum):
    ACT = "act"
    TECHNICAL_ACT = "technical_act"
    SERVICE_REPORT = "service_report"
    CONTRACT_STATEMENT = "contract_statement"
    MANAGEMENT_PACK = "management_pack"
    ROUTE_SHEET = "route_sheet"
    INVOICE = "invoice"


@dataclass(frozen=True, slots=True)
class Terms:
    """`prefix` of its numbers; `reads` is needed to have one, beside what the route asks for.

    `is_for_customer`: a customer's user finds those that are about that customer.
    """

    prefix: str
    reads: Permission
    is_for_customer: bool = False


TERMS: Mapping[DocumentKind, Terms] = MappingProxyType(
    {
        DocumentKind.ACT: Terms("ACT", Permission.READ_WORK_ORDERS, is_for_customer=True),
        DocumentKind.TECHNICAL_ACT: Terms("TA", Permission.READ_WORK_ORDERS, is_for_customer=True),
        DocumentKind.SERVICE_REPORT: Terms("SLR", Permission.READ_KPIS),
        DocumentKind.CONTRACT_STATEMENT: Terms("CS", Permission.READ_COSTS),
        DocumentKind.MANAGEMENT_PACK: Terms("MP", Permission.READ_COSTS),
        DocumentKind.ROUTE_SHEET: Terms("RS", Permission.PLAN),
        DocumentKind.INVOICE: Terms("INV", Permission.READ_COSTS),
    }
)


class DocumentState(StrEnum):
    """What an issued document is worth today."""

    VALID = "valid"
    REPLACED = "replaced"
    WITHDRAWN = "withdrawn"


def number_of(kind: DocumentKind, serial: int) -> str:
    """Return the number as it is printed: ACT-17 is the company's seventeenth act."""
    return f"{TERMS[kind].prefix}-{serial}"


def state_of(*, is_withdrawn: bool, is_replaced: bool) -> DocumentState:
    """Return what counts: that something newer stands in its place says more than that it fell."""
    if is_replaced:
        return DocumentState.REPLACED
    return DocumentState.WITHDRAWN if is_withdrawn else DocumentState.VALID
