"""Stored values as a pack's JSON holds them: amounts and ids as texts, instants in UTC. Pure."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import Range
from sqlmodel import SQLModel


def chosen(row: SQLModel, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: plain(getattr(row, name)) for name in names}


def row_of(row: SQLModel) -> dict[str, Any]:
    """Return a stored row as JSON, without the tenant that all of a pack is of."""
    return {
        name: plain(value)
        for name, value in row.model_dump().items()
        if name not in ("tenant_id", "work_order_id")
    }


def plain(value: Any) -> Any:
    match value:
        case UUID() | Decimal():
            return str(value)
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case date():
            return value.isoformat()
        case bytes():
            return value.hex()
        case Range():
            return [plain(value.lower), plain(value.upper)]
    return value
