"""Rosters in words, in English and Russian: rules broken, fixed duties that cannot be, hours left short."""

from __future__ import annotations

from scheduler.rosters.checks import Breach
from scheduler.rosters.problem import Rule
from scheduler.rosters.shortages import Shortage, Why

LANGUAGES = ("en", "ru")

_RULES: dict[str, dict[Rule, str]] = {
    "en": {
        Rule.ABSENCE: "{name} is absent on {on}.",
        Rule.ONE_A_DAY: "{name} has another shift on {on}.",
        Rule.PATTERN: "{name} cannot be given these hours on {on}.",
        Rule.SHIFT_LENGTH: "The shift of {name} on {on} is paid for {found} h; {limit} h are allowed.",
        Rule.NIGHT_LENGTH: "The night of {name} on {on} is paid for {found} h; {limit} h are allowed.",
        Rule.DAILY_REST: "{name} has {found} h of rest before the shift on {on}; {limit} h are due.",
        Rule.REST_AFTER_NIGHTS: "{name} has {found} h after nights before the shift on {on}; "
        "{limit} h are due.",
        Rule.WEEKLY_REST: "In the week from {on} the longest rest of {name} is {found} h; "
        "{limit} h are due.",
        Rule.WEEK_HOURS: "In the week from {on} {name} works {found} h; {limit} h are allowed.",
        Rule.AVERAGE_HOURS: "Up to the week from {on} {name} works {found} h; over so many weeks "
        "{limit} h are allowed.",
        Rule.DAYS_IN_A_ROW: "{name} works {found} days in a row up to {on}; {limit} are allowed.",
        Rule.NIGHTS_IN_A_ROW: "{name} works {found} nights in a row up to {on}; {limit} are allowed.",
    },
    "ru": {
        Rule.ABSENCE: "{name} отсутствует {on}.",
        Rule.ONE_A_DAY: "У исполнителя {name} {on} уже есть смена.",
        Rule.PATTERN: "Исполнителю {name} нельзя дать эти часы {on}.",
        Rule.SHIFT_LENGTH: "Смена {on}, {name}: {found} ч оплаты при допустимых {limit} ч.",
        Rule.NIGHT_LENGTH: "Ночная смена {on}, {name}: {found} ч оплаты при допустимых {limit} ч.",
        Rule.DAILY_REST: "Перед сменой {on} у исполнителя {name} {found} ч отдыха, положено {limit} ч.",
        Rule.REST_AFTER_NIGHTS: "После ночных смен до смены {on} у исполнителя {name} {found} ч, "
        "положено {limit} ч.",
        Rule.WEEKLY_REST: "На неделе с {on} самый длинный отдых исполнителя {name} — {found} ч, "
        "положено {limit} ч.",
        Rule.WEEK_HOURS: "На неделе с {on} исполнитель {name} работает {found} ч, допустимо {limit} ч.",
        Rule.AVERAGE_HOURS: "По неделю с {on} исполнитель {name} работает {found} ч, за столько недель "
        "допустимо {limit} ч.",
        Rule.DAYS_IN_A_ROW: "{name} работает {found} дн. подряд по {on}, допустимо {limit}.",
        Rule.NIGHTS_IN_A_ROW: "{name} работает {found} ночей подряд по {on}, допустимо {limit}.",
    },
}

_AWAY: dict[str, dict[str, str]] = {
    "en": {
        Rule.ABSENCE: "absent",
        Rule.ONE_A_DAY: "another shift that day",
        Rule.PATTERN: "these hours are not theirs",
        Rule.SHIFT_LENGTH: "the shift would be too long",
        Rule.NIGHT_LENGTH: "the night would be too long",
        Rule.DAILY_REST: "daily rest",
        Rule.REST_AFTER_NIGHTS: "rest after nights",
        Rule.WEEKLY_REST: "weekly rest",
        Rule.WEEK_HOURS: "at the week's maximum hours",
        Rule.AVERAGE_HOURS: "at the maximum average hours",
        Rule.DAYS_IN_A_ROW: "too many days in a row",
        Rule.NIGHTS_IN_A_ROW: "too many nights in a row",
        Why.NOBODY: "nobody has the trade at this level",
        Why.EXPIRED: "certificate expired",
        Why.WORKS: "at work already",
        Why.OTHER_HOURS: "working other hours that day",
        Why.NO_PATTERN: "no shift covers this hour",
        Why.FIXED: "something else is fixed",
        Why.PRICE: "would cost more than the gap",
    },
    "ru": {
        Rule.ABSENCE: "отсутствуют",
        Rule.ONE_A_DAY: "другая смена в этот день",
        Rule.PATTERN: "эти часы им не назначают",
        Rule.SHIFT_LENGTH: "смена была бы слишком длинной",
        Rule.NIGHT_LENGTH: "ночная смена была бы слишком длинной",
        Rule.DAILY_REST: "ежедневный отдых",
        Rule.REST_AFTER_NIGHTS: "отдых после ночных смен",
        Rule.WEEKLY_REST: "еженедельный отдых",
        Rule.WEEK_HOURS: "исчерпаны часы недели",
        Rule.AVERAGE_HOURS: "исчерпаны средние часы",
        Rule.DAYS_IN_A_ROW: "слишком много дней подряд",
        Rule.NIGHTS_IN_A_ROW: "слишком много ночей подряд",
        Why.NOBODY: "нет никого с такой квалификацией",
        Why.EXPIRED: "истёк допуск",
        Why.WORKS: "уже на смене",
        Why.OTHER_HOURS: "работают в другие часы этого дня",
        Why.NO_PATTERN: "ни одна смена не покрывает этот час",
        Why.FIXED: "закреплено другое",
        Why.PRICE: "это дороже, чем нехватка",
    },
}

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "trade": "{skill}, level {level}",
        "anybody": "any trade",
        "short": "{when}: {people} missing for {trade}, {scope}: {why}.",
        "this": "in this roster",
        "any": "in any roster",
        "count": "{what} ({count})",
        "conflict": "{fixed} on {on} for {name} cannot be kept: {why}",
        "against": " It contradicts what is fixed on {days}.",
        "decimal": ".",
    },
    "ru": {
        "trade": "{skill}, уровень {level}",
        "anybody": "любая квалификация",
        "short": "{when}: не хватает {people} ({trade}), {scope}: {why}.",
        "this": "в этом графике",
        "any": "в любом графике",
        "count": "{what} ({count})",
        "conflict": "{fixed} {on}, {name}: сохранить нельзя. {why}",
        "against": " Это противоречит закреплённому на {days}.",
        "decimal": ",",
    },
}

_IN_HOURS = frozenset(Rule) - {Rule.DAYS_IN_A_ROW, Rule.NIGHTS_IN_A_ROW}


def breach_sentence(breach: Breach, name: str, on: str, language: str) -> str:
    """Return which rule is broken, by whom, on which day and by how much."""
    found, limit = str(breach.found), str(breach.limit)
    if breach.rule in _IN_HOURS:
        found, limit = _hours(breach.found, language), _hours(breach.limit, language)
    return _RULES[language][breach.rule].format(name=name, on=on, found=found, limit=limit)


def conflict_sentence(
    fixed: str, name: str, on: str, why: str, against: list[str], language: str
) -> str:
    """Return why something fixed cannot be kept: `why` is the breach's sentence, `against` are days."""
    words = _WORDS[language]
    said = words["conflict"].format(fixed=fixed, name=name, on=on, why=why)
    return said + (words["against"].format(days=", ".join(against)) if against else "")


def shortage_sentence(
    shortage: Shortage, skill: str | None, level: int, when: str, language: str
) -> str:
    """Return who is missing, when, and what keeps how many people away."""
    words = _WORDS[language]
    hours = shortage.last_hour - shortage.first_hour + 1
    people = f"{shortage.minutes / 60 / hours:.2f}".rstrip("0").rstrip(".")
    why = "; ".join(
        words["count"].format(what=_AWAY[language][one.code], count=len(one.technicians))
        if one.technicians
        else _AWAY[language][one.code]
        for one in shortage.reasons
    )
    trade = words["anybody"] if skill is None else words["trade"].format(skill=skill, level=level)
    return words["short"].format(
        when=when,
        people=people.replace(".", words["decimal"]),
        trade=trade,
        scope=words["any" if shortage.is_certain else "this"],
        why=why,
    )


def _hours(seconds: int, language: str) -> str:
    text = f"{seconds / 3_600:.2f}".rstrip("0").rstrip(".")
    return text.replace(".", _WORDS[language]["decimal"])
