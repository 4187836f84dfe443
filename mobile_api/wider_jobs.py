"""A wider job as phones write it: lines, and who agreed. What cannot be read is kept as words. Pure.

lines    {"part_id": "0190…", "qty": 2}  {"kind": "labour", "hours": 1.5}  {"text": "New motor"}
consent  {"name": "Anne Roux", "at": "2026-03-23T09:00:00Z", "photo_id": "0190…"}
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pydantic

from fsm.contracts.coverage import Paid
from fsm.http import Line, Quantity, Short
from fsm.work_orders.scope_changes.rules import Consent, Wanted
from mobile_api.intents import Body, Instant

MOST_WORDS = 300


class _PartLine(Body):
    part_id: UUID
    qty: Quantity = Decimal(1)
    text: Short = ""


class _TimeLine(Body):
    kind: Literal[Paid.LABOUR, Paid.TRAVEL]
    hours: Annotated[Quantity, pydantic.Field(le=10_000)]
    text: Short = ""


class _WordsLine(Body):
    text: Line
    qty: Quantity = Decimal(1)


class _Consent(Body):
    name: Short = ""
    at: Instant | None = None
    photo_id: UUID | None = None


def read_wanted(line: Any) -> Wanted:
    """Return what a line asks for; the office reads and prices what we do not understand."""
    for shape in (_PartLine, _TimeLine, _WordsLine):
        try:
            read = shape.model_validate(line)
        except pydantic.ValidationError:
            continue
        if isinstance(read, _PartLine):
            return Wanted(Paid.PARTS, read.qty, read.part_id, read.text)
        if isinstance(read, _TimeLine):
            return Wanted(read.kind, read.hours, text=read.text)
        return Wanted(Paid.OTHER, read.qty, text=read.text)
    words = line if isinstance(line, str) else msgspec.json.encode(line).decode()
    return Wanted(Paid.OTHER, text=words[:MOST_WORDS])


def read_consent(
    told: Any, told_at: datetime, by_our_clock: Callable[[datetime], datetime]
) -> Consent | None:
    """Return who agreed, as soon as there is a name or a signature; without a time, when it was told."""
    try:
        read = _Consent.model_validate({"name": told} if isinstance(told, str) else told)
    except pydantic.ValidationError:
        return None
    name = read.name.strip()
    if not name and read.photo_id is None:
        return None
    return Consent(name, told_at if read.at is None else by_our_clock(read.at), read.photo_id)
