"""A roster as a page shows it: what is covered and what is missing, wishes, burdens, what publishing changes.

Everything follows from the problem and the duties, so a roster changed by hand is told in the same way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from fsm.languages import LANGUAGES, by_language
from scheduler.rosters.checks import (
    Breach,
    breaches,
    cost,
    covered,
    is_night,
    met,
    table_of,
)
from scheduler.rosters.hours import hours_of
from scheduler.rosters.problem import WEEK, Conflict, Roster, Rostered, RosterProblem
from scheduler.rosters.sentences import (
    breach_sentence,
    conflict_sentence,
    shortage_sentence,
)
from scheduler.rosters.shortages import shortages

_HOUR = timedelta(hours=1)
_DUTIES = by_language("scheduler/rosters/messages", "duty")


def outcome(
    problem: RosterProblem,
    duties: Sequence[Rostered],
    *,
    bound: int | None = None,
    conflicts: Sequence[Conflict] = (),
    roster: Roster | None = None,
) -> dict[str, Any]:
    """Return the result of a run; `bound` None: changed by hand, so nothing is proved of it."""
    costs = cost(problem, duties)
    gap = None
    if bound is not None:
        gap = 0.0 if costs.total <= bound else (costs.total - bound) / costs.total
    return {
        "costs": msgspec.to_builtins(costs) | {"total": costs.total},
        "bound": bound,
        "gap": None if gap is None else round(gap, 4),
        "search": None if roster is None else msgspec.to_builtins(roster.search),
        "conflicts": [_conflict(problem, each) for each in conflicts],
        "shortages": _shortages(problem, duties),
        "wishes": _wishes(problem, duties),
        "people": _people(problem, duties),
        "cover": _cover(problem, duties),
        "publication": _publication(problem, duties),
    }


def on_day(problem: RosterProblem, day: int) -> date:
    return date.fromisoformat(problem.first_on) + timedelta(days=day)


def said(problem: RosterProblem, found: Sequence[Breach]) -> list[dict[str, Any]]:
    """Return broken rules with their sentences in every language."""
    names = {one.id: one.name for one in problem.technicians}
    return [
        {
            "rule": str(one.rule),
            "technician_id": one.technician,
            "on": on_day(problem, one.day).isoformat(),
            "found": one.found,
            "limit": one.limit,
            "said": {
                language: breach_sentence(
                    one, names[one.technician], on_day(problem, one.day).isoformat(), language
                )
                for language in LANGUAGES
            },
        }
        for one in found
    ]


def _duty_name(problem: RosterProblem, pattern: int | None, language: str) -> str:
    if pattern is None:
        return _DUTIES[language]["off"]
    one = problem.patterns[pattern]
    return _DUTIES[language]["shift"].format(name=one.name or one.id)


def _code(problem: RosterProblem, pattern: int | None) -> str | None:
    return None if pattern is None else problem.patterns[pattern].id


def _conflict(problem: RosterProblem, one: Conflict) -> dict[str, Any]:
    found = breaches(problem, [*one.with_fixed, one.fixed])
    because = next((each for each in found if each.rule is one.rule), None)
    names = {each.id: each.name for each in problem.technicians}
    on = on_day(problem, one.fixed.day).isoformat()
    days = [on_day(problem, each.day).isoformat() for each in one.with_fixed]
    name = names[one.fixed.technician]
    return {
        "technician_id": one.fixed.technician,
        "on": on,
        "pattern": _code(problem, one.fixed.pattern),
        "rule": str(one.rule),
        "with": [
            {"on": day, "pattern": _code(problem, each.pattern)}
            for day, each in zip(days, one.with_fixed, strict=True)
        ],
        "said": {
            language: conflict_sentence(
                _duty_name(problem, one.fixed.pattern, language),
                name,
                on,
                ""
                if because is None
                else breach_sentence(
                    because, name, on_day(problem, because.day).isoformat(), language
                ),
                days,
                language,
            )
            for language in LANGUAGES
        },
    }


def _shortages(problem: RosterProblem, duties: Sequence[Rostered]) -> list[dict[str, Any]]:
    zone = ZoneInfo(problem.zone)
    hours = hours_of(date.fromisoformat(problem.first_on), problem.days, zone)
    found = []
    for one in shortages(problem, duties):
        need = problem.needs[one.need]
        from_at = hours[one.first_hour].starts_at
        until_at = hours[one.last_hour].starts_at + _HOUR
        when = f"{from_at.astimezone(zone):%Y-%m-%d %H:%M}–{until_at.astimezone(zone):%H:%M}"
        found.append(
            {
                "skill": need.skill,
                "level": need.level,
                "from_at": from_at.isoformat(),
                "until_at": until_at.isoformat(),
                "minutes": one.minutes,
                "is_certain": one.is_certain,
                "reasons": [
                    {"code": str(each.code), "technician_ids": list(each.technicians)}
                    for each in one.reasons
                ],
                "said": {
                    language: shortage_sentence(one, need.skill, need.level, when, language)
                    for language in LANGUAGES
                },
            }
        )
    return found


def _wishes(problem: RosterProblem, duties: Sequence[Rostered]) -> list[dict[str, Any]]:
    return [
        {
            "technician_id": wish.technician,
            "on": on_day(problem, wish.day).isoformat(),
            "kind": str(wish.kind),
            "pattern": _code(problem, wish.pattern),
            "weight": wish.weight,
            "is_met": is_met,
        }
        for wish, is_met in zip(problem.wishes, met(problem, duties), strict=True)
    ]


def _people(problem: RosterProblem, duties: Sequence[Rostered]) -> list[dict[str, Any]]:
    """Return for each person the hours of each week against the contract's, and the quarter's burdens."""
    table = table_of(problem)
    mine: dict[str, list[Rostered]] = defaultdict(list)
    for each in duties:
        mine[each.technician].append(each)
    found = []
    for one in problem.technicians:
        paid = [0] * problem.weeks
        burdens = burdens_of(problem, mine[one.id])
        for each in mine[one.id]:
            paid[each.day // WEEK] += table[one.zone, each.day, each.pattern or 0].paid_s
        for standing in one.commitments:
            if 0 <= standing.day < problem.days:
                paid[standing.day // WEEK] += standing.paid_s
        found.append(
            {
                "technician_id": one.id,
                "paid_s": paid,
                "contract_s": list(one.contract_s),
                "weekends": one.done.weekends + len({each["weekend"] for each in burdens} - {None}),
                "nights": one.done.nights + sum(each["is_night"] for each in burdens),
                "undesired": one.done.undesired + sum(each["is_undesired"] for each in burdens),
            }
        )
    return found


def burdens_of(problem: RosterProblem, duties: Sequence[Rostered]) -> list[dict[str, Any]]:
    """Return what each duty counts as in fairness, in their order."""
    table, zone = table_of(problem), {one.id: one.zone for one in problem.technicians}
    found = []
    for each in duties:
        duty = table.get(
            (zone[each.technician], each.day, -1 if each.pattern is None else each.pattern)
        )
        weekend = None if duty is None else problem.weekend_of(each.day)
        found.append(
            {
                "weekend": weekend,
                "is_night": duty is not None and is_night(problem, duty),
                "is_undesired": duty is not None and problem.patterns[duty.pattern].is_undesired,
            }
        )
    return found


def _cover(problem: RosterProblem, duties: Sequence[Rostered]) -> dict[str, Any]:
    """Return wanted and served person-minutes of each need by hour, from the first hour on."""
    first = hours_of(date.fromisoformat(problem.first_on), problem.days, ZoneInfo(problem.zone))[0]
    served = [[0] * problem.hours for _ in problem.needs]
    for one in covered(problem, duties):
        served[one.need][one.hour] = one.served
    return {
        "first_at": first.starts_at.isoformat(),
        "hours": problem.hours,
        "needs": [
            {
                "skill": need.skill,
                "level": need.level,
                "wanted": list(need.minutes),
                "served": served[number],
            }
            for number, need in enumerate(problem.needs)
        ],
    }


def _publication(problem: RosterProblem, duties: Sequence[Rostered]) -> dict[str, Any]:
    """Return what publishing would change of what is published, and its price."""
    before = {(each.technician, each.day): each.pattern for each in problem.published}
    after = {(each.technician, each.day): each.pattern for each in duties}
    days = set(problem.published_days)
    lines: list[dict[str, Any]] = []
    for technician, day in sorted(before.keys() | after.keys()):
        was, now = before.get((technician, day)), after.get((technician, day))
        if was == now or day not in days:
            continue
        is_late = day < problem.late_until
        lines.append(
            {
                "technician_id": technician,
                "on": on_day(problem, day).isoformat(),
                "was": _code(problem, was),
                "becomes": _code(problem, now),
                "is_late": is_late,
                "cost": problem.weights.late_change if is_late else problem.weights.change,
            }
        )
    return {
        "new": sum(day not in days for _, day in after),
        "changes": lines,
        "cost": sum(line["cost"] for line in lines),
    }
