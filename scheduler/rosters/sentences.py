"""Rosters in words, in every language: rules broken, fixed duties that cannot be, hours left short."""

from __future__ import annotations

from fsm.languages import by_language
from scheduler.rosters.checks import Breach
from scheduler.rosters.problem import Rule
from scheduler.rosters.shortages import Shortage

_FOLDER = "scheduler/rosters/messages"
_RULES = by_language(_FOLDER, "rule")

_AWAY = by_language(_FOLDER, "away")

_WORDS = by_language(_FOLDER, "word")

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
    return said + (" " + words["against"].format(days=", ".join(against)) if against else "")


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
