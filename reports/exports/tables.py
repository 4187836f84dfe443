"""Which tables leave the house as files, whose permission each needs, and the SQL of its columns.

Rows go out with the columns of their table, in order of creation, so that whoever loads them elsewhere finds
the names and values that the API gives. What a range holds is two columns, `_from` and `_to`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Uuid,
)
from sqlalchemy.dialects.postgresql import DATERANGE, JSONB, TSTZRANGE
from sqlmodel import SQLModel

from fsm.actors import Actor, Permission
from fsm.assets import tables as assets
from fsm.assets.knowledge.tables import KnownProblem
from fsm.catalogue import tables as catalogue
from fsm.contracts import tables as contracts
from fsm.customers import tables as customers
from fsm.maintenance import tables as maintenance
from fsm.parts import tables as parts
from fsm.problems import Forbidden, NotFound
from fsm.technicians import tables as technicians
from fsm.work_orders import records
from fsm.work_orders import tables as work_orders
from fsm.work_orders.ratings.tables import Rating
from fsm.work_orders.scope_changes.tables import (
    ScopeAnswer,
    ScopeChange,
    ScopeDecision,
    ScopeLine,
    ScopeOffer,
)
from fsm.work_orders.threads.tables import Message
from reports.documents.tables import DocumentWithdrawal, IssuedDocument

#: What a column's cells are: it decides how a file writes them.
TEXT, NUMBER, TRUTH, INSTANT, DAY = "text", "number", "truth", "instant", "day"


@dataclass(frozen=True, slots=True)
class ExportColumn:
    """`sql` is over the row `t` and comes to what `kind` says, or null."""

    name: str
    kind: str
    sql: str


@dataclass(frozen=True, slots=True)
class ExportTable:
    """`reads` are the permissions beside the one to export.

    `customer` is the SQL of whose row it is, for users who see one customer only; None: not for them.
    """

    name: str
    table: str
    reads: tuple[Permission, ...]
    columns: tuple[ExportColumn, ...]
    order: str
    customer: str | None = None

    def check(self, actor: Actor) -> None:
        """Refuse whoever may not take this table out of the house."""
        actor.must(Permission.EXPORT_DATA)
        for permission in self.reads:
            actor.must(permission)
        if actor.customer_id is not None and self.customer is None:
            raise Forbidden(f"A customer's user cannot export {self.name}.")

    def conditions(self, actor: Actor) -> tuple[str, list[object]]:
        """Return the SQL condition with its values: the actor's tenant, and customer where they have one."""
        if actor.customer_id is None:
            return "t.tenant_id = $1", [actor.tenant_id]
        return f"t.tenant_id = $1 and {self.customer} = $2", [actor.tenant_id, actor.customer_id]


_HIDDEN: Final = frozenset(
    {"tenant_id", "status_token_sha256", "visitor", "nonce", "snapshot", "source", "source_id"}
)
"""Columns that are nobody's business outside: keys of secrets, and what would be a document inside a cell."""


def _columns(table: Table, without: frozenset[str]) -> tuple[ExportColumn, ...]:
    found: list[ExportColumn] = []
    for column in table.columns:
        if column.name not in _HIDDEN | without:
            found += _written(column)
    return tuple(found)


def _written(column: Column[object]) -> list[ExportColumn]:
    name, sql = column.name, f't."{column.name}"'
    match column.type:
        case TSTZRANGE():
            return [
                ExportColumn(f"{name}_from", INSTANT, f"lower({sql})"),
                ExportColumn(f"{name}_to", INSTANT, f"upper({sql})"),
            ]
        case DATERANGE():
            return [
                ExportColumn(f"{name}_from", DAY, f"lower({sql})"),
                ExportColumn(f"{name}_to", DAY, f"upper({sql})"),
            ]
        case JSONB():
            return [ExportColumn(name, TEXT, f"{sql}::text")]
        case LargeBinary():
            return [ExportColumn(name, TEXT, f"encode({sql}, 'hex')")]
        case Uuid():
            return [ExportColumn(name, TEXT, f"{sql}::text")]
        case Boolean():
            return [ExportColumn(name, TRUTH, sql)]
        case DateTime():
            return [ExportColumn(name, INSTANT, sql)]
        case Date():
            return [ExportColumn(name, DAY, sql)]
        case Integer() | BigInteger() | Numeric() | Float():
            return [ExportColumn(name, NUMBER, sql)]
    return [ExportColumn(name, TEXT, sql)]


def _export(
    name: str,
    table: type[SQLModel],
    *reads: Permission,
    customer: str | None = None,
    without: tuple[str, ...] = (),
) -> ExportTable:
    stored: Table = table.__table__  # type: ignore[attr-defined]
    key = [column.name for column in stored.primary_key if column.name != "tenant_id"]
    order = ", ".join(f't."{column}"' for column in key)
    columns = _columns(stored, frozenset(without))
    return ExportTable(name, stored.name, reads, columns, order, customer)


_P = Permission
_OWN: Final = "t.customer_id"
_JOBS_OWNER = "select w.customer_id from work_order w where w.tenant_id = t.tenant_id"
_OF_JOB: Final = f"({_JOBS_OWNER} and w.id = t.work_order_id)"
_OF_ASSET: Final = (
    "(select a.customer_id from asset a where a.tenant_id = t.tenant_id and a.id = t.asset_id)"
)

TABLES: Final[Mapping[str, ExportTable]] = MappingProxyType(
    {
        one.name: one
        for one in (
            _export("customers", customers.Customer, _P.READ_CUSTOMERS),
            _export("sites", customers.Site, _P.READ_CUSTOMERS, customer=_OWN),
            _export("contacts", customers.Contact, _P.READ_CUSTOMERS, customer=_OWN),
            _export("asset-models", assets.AssetModel, _P.READ_ASSETS),
            _export("known-problems", KnownProblem, _P.READ_ASSETS),
            _export("assets", assets.Asset, _P.READ_ASSETS, customer=_OWN),
            _export("identifiers", assets.Identifier, _P.READ_ASSETS, customer=_OF_ASSET),
            _export("meters", assets.Meter, _P.READ_ASSETS, customer=_OF_ASSET),
            _export("meter-readings", assets.MeterReading, _P.READ_ASSETS),
            _export("failures", assets.Failure, _P.READ_ASSETS, customer=_OF_ASSET),
            _export("outages", assets.Outage, _P.READ_ASSETS, customer=_OF_ASSET),
            _export("contracts", contracts.Contract, _P.READ_CONTRACTS, customer=_OWN),
            _export("contract-assets", contracts.ContractAsset, _P.READ_CONTRACTS),
            _export("work-types", catalogue.WorkType, _P.READ_WORK_ORDERS),
            _export("reasons", catalogue.Reason, _P.READ_WORK_ORDERS),
            _export("technicians", technicians.Technician, _P.READ_TECHNICIANS),
            _export("shifts", technicians.Shift, _P.READ_TECHNICIANS),
            _export("rates", technicians.Rate, _P.READ_TECHNICIANS, _P.READ_COSTS),
            _export("parts", parts.Part, _P.READ_PARTS),
            _export("part-prices", parts.PartPrice, _P.READ_PARTS, _P.READ_COSTS),
            _export("stock-places", parts.StockPlace, _P.READ_PARTS),
            _export("movements", parts.Movement, _P.READ_PARTS, _P.READ_COSTS),
            _export(
                "service-requests",
                work_orders.ServiceRequest,
                _P.READ_REQUESTS,
                customer=_OWN,
            ),
            _export("work-orders", work_orders.WorkOrder, _P.READ_WORK_ORDERS, customer=_OWN),
            _export("visits", work_orders.Visit, _P.READ_WORK_ORDERS, customer=_OF_JOB),
            _export("pauses", work_orders.Pause, _P.READ_WORK_ORDERS, customer=_OF_JOB),
            _export("clocks", work_orders.Clock, _P.READ_WORK_ORDERS, customer=_OF_JOB),
            _export("reviews", work_orders.Review, _P.READ_WORK_ORDERS),
            _export("answers", records.Answer, _P.READ_WORK_ORDERS, customer=_OF_JOB),
            _export("photos", records.Photo, _P.READ_WORK_ORDERS, customer=_OF_JOB),
            _export("signatures", records.Signature, _P.READ_WORK_ORDERS, customer=_OF_JOB),
            _export("waivers", records.Waiver, _P.READ_WORK_ORDERS),
            _export("time-entries", records.TimeEntry, _P.READ_WORK_ORDERS, _P.READ_PERSON_KPIS),
            _export("parts-used", records.PartUsed, _P.READ_WORK_ORDERS, customer=_OF_JOB),
            _export("messages", Message, _P.READ_WORK_ORDERS, customer=_OF_JOB),
            _export("ratings", Rating, _P.READ_WORK_ORDERS, customer=_OF_JOB),
            _export("notes", records.Note, _P.READ_WORK_ORDERS),
            _export("cost-lines", records.CostLine, _P.READ_COSTS),
            _export("scope-changes", ScopeChange, _P.READ_COSTS, without=("told", "lines")),
            _export("scope-decisions", ScopeDecision, _P.READ_COSTS),
            _export("scope-lines", ScopeLine, _P.READ_COSTS),
            _export(
                "scope-offers",
                ScopeOffer,
                _P.READ_COSTS,
                without=("lines", "prices", "token_sha256"),
            ),
            _export("scope-answers", ScopeAnswer, _P.READ_COSTS, without=("wording",)),
            _export("maintenance-plans", maintenance.MaintenancePlan, _P.READ_WORK_ORDERS),
            _export("documents", IssuedDocument, _P.READ_WORK_ORDERS, _P.READ_COSTS),
            _export("document-withdrawals", DocumentWithdrawal, _P.READ_WORK_ORDERS),
        )
    }
)
"""name → what goes into its file"""


def find_table(name: str) -> ExportTable:
    found = TABLES.get(name)
    if found is None:
        raise NotFound(f"There is no table '{name[:60]}'. There are: {', '.join(TABLES)}.")
    return found
