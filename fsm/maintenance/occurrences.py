"""When preventive work falls due by the calendar: RFC 5545 rules in the local time of the site.

A rule gives days; the time of day stands beside it. Both are naive until the end, when the wall clock is
resolved in the site's zone: a time that the clocks skip moves forward over the gap, one that comes twice is
the first (`opening_hours.resolve`). So nine o'clock stays nine o'clock when summer time begins.

`BYMONTHDAY=31` would silently pass over every shorter month. A day after the 28th is therefore kept as
`BYMONTHDAY=28,29,30,31;BYSETPOS=-1`: that day, or the month's last.
"""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from dateutil.rrule import rrule, rrulestr

from fsm.contracts.opening_hours import resolve
from fsm.intervals import instant

_FREQUENCIES: Final = {"DAILY": 3_650, "WEEKLY": 520, "MONTHLY": 120, "YEARLY": 10}
"""Frequency → the longest interval: ten years."""

_PARTS: Final = (
    "FREQ",
    "INTERVAL",
    "BYMONTH",
    "BYMONTHDAY",
    "BYDAY",
    "BYSETPOS",
    "COUNT",
    "UNTIL",
    "WKST",
)
_WEEKDAYS: Final = frozenset({"MO", "TU", "WE", "TH", "FR", "SA", "SU"})
_STEPS: Final = {"DAILY": "days", "WEEKLY": "weeks", "MONTHLY": "months", "YEARLY": "years"}
_LAST_SAFE_DAY: Final = 28
_A_DAY: Final = timedelta(days=1)
_SEARCHED_YEARS: Final = 50
_GREGORIAN_YEARS: Final = 400
"""The calendar repeats after so many years, weekdays included."""


class RuleRefused(ValueError):
    """A rule that cannot be followed; the sentence says what to write instead."""


# --- rules ------------------------------------------------------------------------------------------------


def read_rule(text: str, starts_on: date) -> str:
    """Return a rule in the form that is kept, or raise `RuleRefused`.

    Taken: FREQ (daily to yearly), INTERVAL, BYMONTH, BYMONTHDAY, BYDAY, BYSETPOS, COUNT, UNTIL as a day,
    WKST. `starts_on` is the rule's DTSTART: it gives the day where the rule names none.
    """
    parts = _split(text.strip().upper().removeprefix("RRULE:"))
    frequency = parts.get("FREQ", "")
    if frequency not in _FREQUENCIES:
        raise RuleRefused(f"FREQ must be one of {', '.join(_FREQUENCIES)}.")
    _check_numbers(parts, frequency)
    _check_by(parts, frequency)
    if "COUNT" in parts and "UNTIL" in parts:
        raise RuleRefused("A rule has COUNT or UNTIL, not both.")
    _keep_month_ends(parts, starts_on)
    normal = ";".join(f"{name}={parts[name]}" for name in _PARTS if name in parts)
    _check_that_it_happens(normal, starts_on)
    return normal


def step_of(rule: str) -> relativedelta:
    """Return the distance that a plain rule (FREQ and INTERVAL alone) leaves between two dates.

    Adding it keeps to the end of shorter months: 31 August and six months are 28 February.
    Raises `RuleRefused` for a rule that names days: those do not move with a completion.
    """
    parts = _split(rule)
    if named := sorted(parts.keys() - {"FREQ", "INTERVAL", "WKST"}):
        raise RuleRefused(
            f"Counted from the last completion, a rule is FREQ and INTERVAL alone, without {named[0]}."
        )
    return relativedelta(**{_STEPS[parts["FREQ"]]: int(parts.get("INTERVAL", "1"))})


def read_step(text: str) -> str:
    """Return a plain rule in the form that is kept, or raise `RuleRefused`."""
    parts = _split(text.strip().upper().removeprefix("RRULE:"))
    if parts.get("FREQ", "") not in _FREQUENCIES:
        raise RuleRefused(f"FREQ must be one of {', '.join(_FREQUENCIES)}.")
    _check_numbers(parts, parts["FREQ"])
    normal = f"FREQ={parts['FREQ']};INTERVAL={parts.get('INTERVAL', '1')}"
    step_of(";".join(f"{name}={value}" for name, value in parts.items()))
    return normal


def _split(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for piece in filter(None, text.split(";")):
        name, equals, value = piece.partition("=")
        if name not in _PARTS or not equals or not value:
            raise RuleRefused(
                f"'{piece[:40]}' is not understood here. A rule is made of {', '.join(_PARTS)}; "
                "the time of day stands beside it."
            )
        if name in parts:
            raise RuleRefused(f"{name} is there twice.")
        parts[name] = value
    return parts


def _numbers(parts: dict[str, str], name: str) -> list[int]:
    try:
        return [int(number) for number in parts[name].split(",")] if name in parts else []
    except ValueError:
        raise RuleRefused(f"{name} takes whole numbers.") from None


def _check_numbers(parts: dict[str, str], frequency: str) -> None:
    for name, least, most in (
        ("INTERVAL", 1, _FREQUENCIES[frequency]),
        ("COUNT", 1, 10_000),
        ("BYMONTH", 1, 12),
    ):
        if any(not least <= number <= most for number in _numbers(parts, name)):
            raise RuleRefused(f"{name} must be from {least} to {most}.")
    for name in ("INTERVAL", "COUNT"):
        if len(_numbers(parts, name)) > 1:
            raise RuleRefused(f"{name} is one number.")
    if any(day < -_LAST_SAFE_DAY for day in _numbers(parts, "BYMONTHDAY")):
        raise RuleRefused("Not every month has so many days before its end; -1 is the last.")
    for name, most in (("BYMONTHDAY", 31), ("BYSETPOS", 366)):
        if any(not 1 <= abs(number) <= most for number in _numbers(parts, name)):
            raise RuleRefused(f"{name} must be from 1 to {most}, or from -{most} to -1.")
    if "UNTIL" in parts:
        try:
            datetime.strptime(parts["UNTIL"], "%Y%m%d")  # noqa: DTZ007  # a day has no zone
        except ValueError:
            raise RuleRefused("UNTIL must be a day such as 20271231.") from None
    if parts.get("WKST", "MO") not in _WEEKDAYS:
        raise RuleRefused("WKST must be a weekday: MO, TU, …")


def _check_by(parts: dict[str, str], frequency: str) -> None:
    """Refuse what the frequency gives no sense to, and what dateutil would search for without an end."""
    for day in parts.get("BYDAY", "MO").split(","):
        number = day[:-2]
        if day[-2:] not in _WEEKDAYS or (number and not number.lstrip("+-").isdigit()):
            raise RuleRefused("BYDAY takes weekdays such as MO, or with a number 1MO or -1FR.")
        if number and (not 1 <= abs(int(number)) <= 53 or frequency in ("DAILY", "WEEKLY")):
            raise RuleRefused("A numbered weekday such as 1MO belongs to a month or a year.")
    stated = [name for name in ("BYMONTHDAY", "BYSETPOS") if name in parts]
    if frequency in ("DAILY", "WEEKLY") and stated:
        raise RuleRefused(f"{stated[0]} belongs to FREQ=MONTHLY or FREQ=YEARLY.")
    narrowed = [name for name in ("BYMONTH", "BYDAY") if name in parts]
    if frequency == "WEEKLY":
        narrowed = [name for name in narrowed if name != "BYDAY"]
    if frequency in ("DAILY", "WEEKLY") and narrowed and int(parts.get("INTERVAL", "1")) > 1:
        raise RuleRefused(f"{narrowed[0]} and an INTERVAL above 1 may never meet; use one of them.")


def _keep_month_ends(parts: dict[str, str], starts_on: date) -> None:
    """Rewrite a day after the 28th as that day or the month's last."""
    frequency = parts["FREQ"]
    if frequency not in ("MONTHLY", "YEARLY") or "BYDAY" in parts:
        return
    if "BYMONTHDAY" not in parts:
        if starts_on.day <= _LAST_SAFE_DAY:
            return
        if frequency == "YEARLY" and "BYMONTH" not in parts:
            if (starts_on.month, starts_on.day) != (2, 29):
                return
            parts["BYMONTH"] = "2"
        parts["BYMONTHDAY"] = str(starts_on.day)
    if "BYSETPOS" in parts:
        return
    days = sorted(set(_numbers(parts, "BYMONTHDAY")))
    late = [day for day in days if day > _LAST_SAFE_DAY]
    if not late:
        return
    if len(late) > 1 or days[0] < 0:
        raise RuleRefused(
            "Shorter months have not all of these days. Name one day after the 28th, or -1 for the last."
        )
    if frequency == "YEARLY" and len(_numbers(parts, "BYMONTH")) != 1:
        if int(parts.get("INTERVAL", "1")) > 1:
            raise RuleRefused(
                "A day after the 28th in several months needs FREQ=MONTHLY, or a single BYMONTH."
            )
        parts["FREQ"] = "MONTHLY"
    safe = days[:-1]
    ends = list(range(_LAST_SAFE_DAY, late[0] + 1))
    if _LAST_SAFE_DAY in safe:
        raise RuleRefused(
            "The 28th and a later day are the same day in February. Name one of them."
        )
    parts["BYMONTHDAY"] = ",".join(str(day) for day in [*safe, *ends])
    parts["BYSETPOS"] = ",".join(str(place) for place in [*range(1, len(safe) + 1), -1])


def _check_that_it_happens(rule: str, starts_on: date) -> None:
    """Refuse a rule without a date, such as 30 February.

    dateutil goes on to the year 9999 in search of one. The same days of the last 400 years before that
    are searched instead, for the calendar repeats.
    """
    later = _GREGORIAN_YEARS * ((date.max.year - starts_on.year) // _GREGORIAN_YEARS)
    unbounded = ";".join(
        part for part in rule.split(";") if not part.startswith(("UNTIL", "COUNT"))
    )
    shifted = starts_on.replace(year=starts_on.year + later)
    first = next(iter(_recurrence(unbounded, shifted)), None)
    if first is None or first.year - shifted.year > _SEARCHED_YEARS:
        raise RuleRefused(f"This rule has no date in {_SEARCHED_YEARS} years.")
    if "UNTIL" in rule and next(iter(_recurrence(rule, starts_on)), None) is None:
        raise RuleRefused("The rule ends before its first date.")


def _recurrence(rule: str, starts_on: date) -> rrule:
    recurrence = rrulestr(rule, dtstart=datetime.combine(starts_on, time.min))
    assert isinstance(recurrence, rrule), "one rule, without RDATE or EXDATE"
    return recurrence


# --- expansion --------------------------------------------------------------------------------------------


@lru_cache(maxsize=4_096)
def list_days(rule: str, starts_on: date, first_on: date, last_on: date) -> tuple[date, ...]:
    """Return the days of a rule from `first_on` to `last_on`, both included."""
    found = _recurrence(rule, starts_on).between(
        datetime.combine(first_on, time.min), datetime.combine(last_on, time.min), inc=True
    )
    return tuple(moment.date() for moment in found)


@lru_cache(maxsize=4_096)
def next_day(rule: str, starts_on: date, after: date) -> date | None:
    """Return the first day of a rule after a day; None when it has ended."""
    found = _recurrence(rule, starts_on).after(datetime.combine(after, time.min))
    return None if found is None else found.date()


def expand(
    rule: str, starts_on: date, due_min: int, zone: ZoneInfo, from_at: datetime, to_at: datetime
) -> list[tuple[date, datetime]]:
    """Return (local day, aware UTC instant) of what falls due in [from_at, to_at), in order.

    `due_min` is the minute of the wall clock. Two windows that touch give together what their union gives.
    """
    if to_at <= from_at:
        return []
    # A resolved time may lie a day beyond its date where a zone has left one out.
    first_on = from_at.astimezone(zone).date() - 2 * _A_DAY
    last_on = to_at.astimezone(zone).date() + 2 * _A_DAY
    return [
        (day, at)
        for day in list_days(rule, starts_on, first_on, last_on)
        if from_at <= (at := due_at(day, due_min, zone)) < to_at
    ]


def due_at(day: date, due_min: int, zone: ZoneInfo) -> datetime:
    """Return the instant of a wall-clock minute of a local day, resolved as above."""
    return instant(resolve(day, due_min, zone))


def minute_of(clock: str) -> int:
    """Return the minute of the day of "HH:MM"."""
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


# --- seasons ----------------------------------------------------------------------------------------------

MonthDay = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Pause:
    """Days of every year, both included, in which nothing falls due; it may go over New Year."""

    first: MonthDay
    last: MonthDay

    def holds(self, day: date) -> bool:
        here = (day.month, day.day)
        if self.first <= self.last:
            return self.first <= here <= self.last
        return here >= self.first or here <= self.last


def read_pauses(stored: Sequence[Sequence[str]]) -> tuple[Pause, ...]:
    """Return pauses written as ["11-01", "03-31"]; raise `RuleRefused` where nothing of a year is left."""
    pauses = tuple(Pause(_month_day(one[0]), _month_day(one[1])) for one in stored)
    leap = date(2024, 1, 1)
    if pauses and all(is_paused(pauses, leap + n * _A_DAY) for n in range(366)):
        raise RuleRefused("The pauses leave no day of the year.")
    return pauses


def _month_day(text: str) -> MonthDay:
    month, dash, day = text.partition("-")
    try:
        read = int(month), int(day)
    except ValueError:
        read = (0, 0)
    month_exists = dash and 1 <= read[0] <= 12
    if not month_exists or not 1 <= read[1] <= monthrange(2024, read[0])[1]:
        raise RuleRefused(f"'{text[:20]}' is not a day of the year; write MM-DD, such as 11-01.")
    return read


def is_paused(pauses: Sequence[Pause], day: date) -> bool:
    return any(pause.holds(day) for pause in pauses)


def resumes_on(pauses: Sequence[Pause], day: date) -> date:
    """Return the day itself, or the first after the pauses that hold it."""
    while is_paused(pauses, day):
        day += _A_DAY
    return day
