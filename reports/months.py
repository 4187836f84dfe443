"""Calendar months of a zone, and the period before a period."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from fsm.intervals import instant, micros
from reports.rows import Period


def month_of(at: datetime, zone: str) -> str:
    """Return the month in which an instant lies, such as "2026-03"."""
    return at.astimezone(ZoneInfo(zone)).strftime("%Y-%m")


def first_of(at: datetime, zone: str) -> date:
    """Return the first day of the month in which an instant lies."""
    return at.astimezone(ZoneInfo(zone)).date().replace(day=1)


def months_of(period: Period, zone: str) -> Iterator[Period]:
    """Yield a window's parts by month of the zone; the first and the last may be cut."""
    begins = period.from_at
    day = first_of(begins, zone)
    while micros(begins) < micros(period.to_at):
        day = _months_later(day, 1)
        ends = min(day_begins(day, zone), period.to_at, key=micros)
        yield Period(begins, ends, period.as_of)
        begins = ends


def day_begins(day: date, zone: str) -> datetime:
    """Return the first instant, UTC, of a day of the zone."""
    return datetime.combine(day, time.min, ZoneInfo(zone)).astimezone(UTC)


def before(period: Period, zone: str) -> Period:
    """Return the period that this one is compared with, known as far as this one is.

    Before whole months of the zone come as many months, before whole days as many days, before anything else
    as much time.
    """
    local = [at.astimezone(ZoneInfo(zone)) for at in (period.from_at, period.to_at)]
    first, end = (at.date() for at in local)
    if any(at.time() != time.min for at in local):
        lasts = micros(period.to_at) - micros(period.from_at)
        begins = instant(micros(period.from_at) - lasts)
    elif first.day == end.day == 1:
        count = (end.year - first.year) * 12 + end.month - first.month
        begins = day_begins(_months_later(first, -count), zone)
    else:
        begins = day_begins(first - (end - first), zone)
    return Period(begins, period.from_at, period.as_of)


def next_month(first: date) -> date:
    """Return the first day of the month after the one that begins on this day."""
    return _months_later(first, 1)


def _months_later(first: date, count: int) -> date:
    years, month = divmod(first.month - 1 + count, 12)
    return date(first.year + years, month + 1, 1)
