"""What became of an occurrence, as one would say it on the phone, in English and Russian."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from fsm.maintenance.covering import OccurrenceStatus
from fsm.maintenance.due import TriggerKind

LANGUAGES: Final = ("en", "ru")

_SENTENCES: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "expected": "Due on {due}.",
        "foreseen": "Due about {due}, between {lo} and {hi}, when the counter has run {total}.",
        "some_day": "Due about {due}, {lo} at the earliest, when the counter has run {total}.",
        "ordered": "Due on {due}, in time until {latest}: job {number}.",
        "late": "Was due on {due} and is late since {latest}: job {number}.",
        "done": "Due on {due}, done on {done} with job {number}.",
        "done_late": "Due on {due}, in time until {latest}, done late, on {done}, with job {number}.",
        "covered": "Due on {due}; the larger service of job {number} covers it.",
        "to_be_covered": "Due on {due}; a larger service at that time covers it.",
        "missed": "Was due on {due} and nobody was sent before the next one fell due.",
        "skipped": "Was due on {due} and was skipped: {reason}.",
        "withdrawn": "No longer due: the plan or the equipment has changed.",
    },
    "ru": {
        "expected": "Срок — {due}.",
        "foreseen": "Срок — около {due}, между {lo} и {hi}, при наработке {total}.",
        "some_day": "Срок — около {due}, не раньше {lo}, при наработке {total}.",
        "ordered": "Срок — {due}, допустимо до {latest}: наряд {number}.",
        "late": "Срок был {due}, допустимый срок {latest} прошёл: наряд {number}.",
        "done": "Срок — {due}, выполнено {done} по наряду {number}.",
        "done_late": "Срок — {due}, допустимо до {latest}, выполнено поздно, {done}, по наряду {number}.",
        "covered": "Срок — {due}; входит в большее обслуживание по наряду {number}.",
        "to_be_covered": "Срок — {due}; входит в большее обслуживание в это же время.",
        "missed": "Срок был {due}; до следующего срока никого не направили.",
        "skipped": "Срок был {due}; пропущено: {reason}.",
        "withdrawn": "Больше не требуется: изменился план или оборудование.",
    },
}


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
