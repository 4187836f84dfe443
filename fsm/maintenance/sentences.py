"""What became of an occurrence, as one would say it on the phone, in every language."""

from datetime import datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from fsm.languages import LANGUAGES, by_language
from fsm.maintenance.covering import OccurrenceStatus
from fsm.maintenance.due import TriggerKind

_SENTENCES: Final = by_language("fsm/maintenance/messages", "occurrence")


def said(
    status: OccurrenceStatus,
    cause: TriggerKind,
    zone: ZoneInfo,
    now: datetime,
    *,
    due_at: datetime,
    lo_at: datetime,
    hi_at: datetime | None,
    latest_at: datetime,
    meter_total: Decimal | None = None,
    number: str | None = None,
    done_at: datetime | None = None,
    reason: str | None = None,
) -> dict[str, str]:
    """Return the sentence in each language; days are those of the site."""

    def day(at: datetime | None) -> str:
        return "" if at is None else at.astimezone(zone).date().isoformat()

    values = {
        "due": day(due_at),
        "lo": day(lo_at),
        "hi": day(hi_at),
        "latest": day(latest_at),
        "done": day(done_at),
        "total": "" if meter_total is None else f"{meter_total.normalize():f}",
        "number": number or "",
        "reason": reason or "",
    }
    key = _key(status, cause, now, hi_at, latest_at, number, done_at)
    return {language: _SENTENCES[language][key].format(**values) for language in LANGUAGES}


def _key(
    status: OccurrenceStatus,
    cause: TriggerKind,
    now: datetime,
    hi_at: datetime | None,
    latest_at: datetime,
    number: str | None,
    done_at: datetime | None,
) -> str:
    match status:
        case OccurrenceStatus.EXPECTED if cause is TriggerKind.METER:
            return "some_day" if hi_at is None else "foreseen"
        case OccurrenceStatus.COVERED:
            return "to_be_covered" if number is None else "covered"
        case OccurrenceStatus.ORDERED if done_at is not None:
            return "done" if done_at <= latest_at else "done_late"
        case OccurrenceStatus.ORDERED if now > latest_at:
            return "late"
        case _:
            return str(status)
