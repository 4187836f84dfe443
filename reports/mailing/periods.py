"""Which days a scheduled report is about, and when the next one is due. Pure."""

from datetime import date, timedelta
from enum import StrEnum


class Every(StrEnum):
    """The calendar week from Monday on, or the calendar month."""

    WEEK = "week"
    MONTH = "month"


def next_due(every: Every, after: date) -> date:
    """Return the first day after `after` on which a period begins: then the one before it is over."""
    if every is Every.WEEK:
        return after + timedelta(7 - after.weekday())
    return (after.replace(day=1) + timedelta(32)).replace(day=1)


def days_before(every: Every, due_on: date) -> tuple[date, date]:
    """Return the first and last day of the period that ended the day before `due_on`."""
    last_on = due_on - timedelta(1)
    if every is Every.WEEK:
        return due_on - timedelta(7), last_on
    return last_on.replace(day=1), last_on
