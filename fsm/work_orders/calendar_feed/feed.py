"""A technician's visits in iCalendar form (RFC 5545). Pure: equal visits give equal bytes.

Little of persons is in it: what the job is called and where it is, so that a calendar kept elsewhere tells
nobody who the customer's people are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from icalendar import Calendar, Event, vText

CANCELLED_FOR: Final = timedelta(days=30)
"""How long a visit that was taken back stays, as cancelled: a program that was off meanwhile hears of it."""
KEPT_FOR: Final = timedelta(days=90)
"""How long visits that are over stay."""
_REFRESH: Final = timedelta(minutes=15)
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_PRODUCT: Final = "-//FSM//Visits 1//EN"


@dataclass(frozen=True, slots=True)
class CalendarVisit:
    """A visit as the calendar shows it. `sequence` rises with every change of it or of its job."""

    id: UUID
    sequence: int
    changed_at: datetime
    starts_at: datetime
    ends_at: datetime
    number: str
    title: str
    place: str
    is_cancelled: bool


def write_calendar(name: str, visits: Sequence[CalendarVisit]) -> bytes:
    """Return the calendar; instants are UTC, so that no zone has to be told with it."""
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", vText(_line(name)))
    calendar.add("refresh-interval", _REFRESH, parameters={"VALUE": "DURATION"})
    for visit in visits:
        calendar.add_component(_event(visit))
    return bytes(calendar.to_ical(sorted=True))


def entity_tag(content: bytes) -> str:
    return f'"{sha256(content).hexdigest()[:32]}"'


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Return whether a client already has what the tag names (RFC 9110: weak comparison)."""
    if if_none_match is None:
        return False
    held = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return tag in held or "*" in held


def _event(visit: CalendarVisit) -> Event:
    event = Event()
    event.add("uid", str(visit.id))
    event.add("sequence", visit.sequence)
    event.add("dtstamp", _second(visit.changed_at))
    event.add("last-modified", _second(visit.changed_at))
    event.add("dtstart", _second(visit.starts_at))
    event.add("dtend", _second(visit.ends_at))
    event.add("summary", _line(f"{visit.number} {visit.title}"))
    event.add("location", _line(visit.place))
    event.add("status", "CANCELLED" if visit.is_cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT" if visit.is_cancelled else "OPAQUE")
    return event


def _line(text: str) -> str:
    """Return a text without line ends and control characters, which no line of the format may hold."""
    return _CONTROLS.sub(" ", text).strip()


def _second(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)
