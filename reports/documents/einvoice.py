"""Invoice data as an EN 16931 e-invoice: CII beside the page, or inside it as Factur-X (PDF/A-3).

Needs the extra `einvoice`. What it writes passes the schema of EN 16931; its business rules (schematron) are
not run here. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from fsm.problems import Problem
from reports.documents.snapshot import Snapshot

_PROFILE: Final = "urn:cen.eu:en16931:2017"
_SCHEMA: Final = "FACTUR-X_EN16931"
_COMMERCIAL_INVOICE: Final = "380"
_UNITS: Final[Mapping[str, str]] = {"h": "HUR", "km": "KMT", "kg": "KGM", "m": "MTR", "l": "LTR"}
_PIECE: Final = "C62"
"""UN/ECE recommendation 20."""


class EinvoiceNotSetUp(Problem):
    """The installation lacks what writes e-invoices."""

    code, status, title = "einvoice-not-set-up", 409, "E-invoices are not set up"


@dataclass(frozen=True, slots=True)
class Parties:
    """What an e-invoice says of both sides that the company's records do not: tax numbers, countries."""

    seller_vat: str
    seller_country: str
    buyer_country: str
    due_on: date | None = None


def write_cii(snapshot: Snapshot, parties: Parties) -> bytes:
    """Return the invoice as UN/CEFACT CII, checked against the schema."""
    try:
        from drafthorse.models.accounting import ApplicableTradeTax
        from drafthorse.models.document import Document
        from drafthorse.models.party import TaxRegistration
        from drafthorse.models.payment import PaymentTerms
        from drafthorse.models.tradelines import LineItem
    except ImportError:
        raise EinvoiceNotSetUp("The operator installs the extra 'einvoice' first.") from None
    content, money = snapshot.content, snapshot.content["currency"]
    category, rate = content["vat_category"], Decimal(content["vat_rate"])
    zone = ZoneInfo(snapshot.data["zone"])
    document = Document()
    document.context.guideline_parameter.id = _PROFILE
    document.header.id = snapshot.data["number"]
    document.header.type_code = _COMMERCIAL_INVOICE
    issued_at = datetime.fromisoformat(snapshot.data["issued_at"])
    document.header.issue_date_time = issued_at.astimezone(zone).date()
    agreement, settlement = document.trade.agreement, document.trade.settlement
    agreement.seller.name = content["company"]
    agreement.seller.address.country_id = parties.seller_country
    agreement.seller.tax_registrations.add(TaxRegistration(id=("VA", parties.seller_vat)))
    agreement.buyer.name = content["customer"]["name"]
    agreement.buyer.address.country_id = parties.buyer_country
    if content["customer"]["tax_number"]:
        buyer_tax = TaxRegistration(id=("VA", content["customer"]["tax_number"]))
        agreement.buyer.tax_registrations.add(buyer_tax)
    document.trade.delivery.event.occurrence = date.fromisoformat(content["last_on"])
    settlement.currency_code = money
    if parties.due_on is not None:
        terms = PaymentTerms()
        terms.due = parties.due_on
        settlement.terms.add(terms)
    for place, line in enumerate(content["lines"], start=1):
        document.trade.items.add(_line(LineItem(), place, line))
    tax = ApplicableTradeTax()
    tax.calculated_amount = Decimal(content["vat"])
    tax.basis_amount = Decimal(content["net"])
    tax.type_code = "VAT"
    tax.category_code = category
    tax.rate_applicable_percent = rate
    settlement.trade_tax.add(tax)
    sums = settlement.monetary_summation
    sums.line_total = sums.tax_basis_total = Decimal(content["net"])
    sums.charge_total = sums.allowance_total = Decimal("0.00")
    sums.tax_total = (Decimal(content["vat"]), money)
    sums.grand_total = sums.due_amount = Decimal(content["gross"])
    written: bytes = document.serialize(schema=_SCHEMA)
    return written


def _line(item: Any, place: int, line: Mapping[str, Any]) -> Any:
    item.document.line_id = str(place)
    item.product.name = f"{line['work_order']} {line['kind']}: {line['about']}"
    item.agreement.net.amount = Decimal(line["unit_price"])
    item.agreement.net.basis_quantity = (Decimal("1.0000"), _UNITS.get(line["unit"], _PIECE))
    item.delivery.billed_quantity = (
        Decimal(line["quantity"]),
        _UNITS.get(line["unit"], _PIECE),
    )
    item.settlement.trade_tax.type_code = "VAT"
    item.settlement.trade_tax.category_code = line["vat_category"]
    item.settlement.trade_tax.rate_applicable_percent = Decimal(line["vat_rate"])
    item.settlement.monetary_summation.total_amount = Decimal(line["net"])
    return item


def embed(pdf: bytes, cii: bytes) -> bytes:
    """Return the page with the invoice inside: Factur-X, as PDF/A-3."""
    try:
        from facturx import generate_from_binary
    except ImportError:
        raise EinvoiceNotSetUp("The operator installs the extra 'einvoice' first.") from None
    made: bytes = generate_from_binary(pdf, cii, check_xsd=True, check_schematron=False)
    return made
