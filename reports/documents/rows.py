"""The table inside a document, from the snapshot that the page was made of: for CSV and XLSX. Pure."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from fsm.problems import NotFound
from reports.documents.kinds import DocumentKind
from reports.documents.snapshot import Snapshot

Columns = list[tuple[str, str]]
Rows = list[list[Any]]

_FIGURE: Columns = [
    ("kpi", "text"), ("name", "text"), ("definition", "number"), ("variant", "text"), ("value", "number"),
    ("unit", "text"), ("n", "number"), ("null_reason", "text"), ("interval_low", "number"),
    ("interval_high", "number"), ("excluded", "text"), ("before", "number"), ("as_of", "instant"),
    ("watermark", "number"),
]  # fmt: skip
_LINE: Columns = [
    ("work_order", "text"), ("kind", "text"), ("about", "text"), ("quantity", "number"), ("unit", "text"),
    ("unit_price", "number"), ("net", "number"), ("vat_category", "text"), ("vat_rate", "number"),
    ("payer", "text"), ("posted_on", "day"),
]  # fmt: skip
_ASSET: Columns = [
    ("number", "text"), ("name", "text"), ("fee", "number"), ("billed", "number"), ("recovered", "number"),
    ("cost", "number"), ("credits", "number"), ("margin", "number"),
]  # fmt: skip
_BILLED: Columns = [
    ("number", "text"), ("kind", "text"), ("quantity", "number"), ("unit", "text"), ("amount", "number"),
]  # fmt: skip


def table_of(snapshot: Snapshot) -> tuple[Columns, Rows]:
    """Return the columns and rows of a document's table; a kind without one is `NotFound`."""
    content = snapshot.content
    match DocumentKind(snapshot.kind):
        case DocumentKind.SERVICE_REPORT | DocumentKind.MANAGEMENT_PACK:
            return _FIGURE, [_figure(one) for one in content["figures"]]
        case DocumentKind.INVOICE:
            return _LINE, [_chosen(line, _LINE) for line in content["lines"]]
        case DocumentKind.CONTRACT_STATEMENT if content["is_internal"]:
            return _ASSET, [_chosen(one, _ASSET) for one in content["statement"]["assets"]]
        case DocumentKind.CONTRACT_STATEMENT:
            return _BILLED, [_chosen(one, _BILLED) for one in content["statement"]["billed"]]
    raise NotFound("This kind of document holds no table.")


def _figure(one: Mapping[str, Any]) -> list[Any]:
    result, before = one["result"], one.get("before")
    bounds = result["interval"] or {"low": None, "high": None}
    return [
        one["kpi"],
        one["name"],
        result["definition"],
        one["variant"],
        _number(result["value"]),
        result["unit"],
        result["n"],
        result["null_reason"],
        bounds["low"],
        bounds["high"],
        " ".join(f"{reason}:{count}" for reason, count in sorted(result["excluded"].items())),
        None if before is None else _number(before["value"]),
        datetime.fromisoformat(result["as_of"]),
        result["watermark"],
    ]


def _chosen(row: Mapping[str, Any], columns: Columns) -> list[Any]:
    return [_cell(row[name], kind) for name, kind in columns]


def _cell(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "number":
        return _number(value)
    return date.fromisoformat(value) if kind == "day" else value


def _number(value: Any) -> Any:
    """Return money, which a snapshot holds as text, as the decimal that it is."""
    return Decimal(value) if isinstance(value, str) else value
