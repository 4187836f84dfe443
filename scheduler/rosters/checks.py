"""The referee: which rules a roster breaks, what it costs, what it covers.

Shares no code with the engine; it knows `problem` alone and counts everything again in plain Python. It runs
on every roster before it is stored, on every change by hand, and says which fixed duties cannot be kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from scheduler.rosters.problem import (
    HOUR_S,
    WEEK,
    Commitment,
    Conflict,
    Costs,
    Duty,
    Roster,
    Rostered,
    RosterProblem,
    Rule,
    Technician,
    WishKind,
    digest,
)


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule broken by one person's duties, on a day. `found` against `limit`: seconds, days or nights."""

    rule: Rule
    technician: str
    day: int
    found: int = 0
    limit: int = 0


def violations(problem: RosterProblem, roster: Roster) -> list[str]:
    """Return a sentence for whoever mends an engine per broken rule or wrong claim; none: keep it."""
    said = [
        f"{one.technician} breaks {one.rule} on day {one.day}: {one.found} against {one.limit}."
        for one in breaches(problem, roster.duties)
    ]
    if roster.problem != digest(problem):
        said.append("The roster answers another problem.")
    costs = cost(problem, roster.duties)
    if costs != roster.costs:
        said.append(f"The roster claims to cost {roster.costs}, and costs {costs}.")
    if roster.bound > costs.total:
        said.append(f"No roster is said to cost less than {roster.bound}; this one does.")
    have = set(roster.duties)
    lost = {each.fixed for each in roster.conflicts}
    for fixed in problem.fixed:
        if fixed.pattern is None:
            kept = not any(
                (each.technician, each.day) == (fixed.technician, fixed.day) for each in have
            )
        else:
            kept = fixed in have
        if not kept and fixed not in lost:
            said.append(f"{fixed} is neither kept nor named as impossible.")
    return said


def breaches(
    problem: RosterProblem, duties: Iterable[Rostered], only: Collection[str] | None = None
) -> list[Breach]:
    """Return the rules that these duties break, by technician; `only` looks at some of them.

    What a technician's standing shifts break without any of these duties is not counted here.
    """
    mine: dict[str, list[Rostered]] = defaultdict(list)
    for each in duties:
        mine[each.technician].append(each)
    found: list[Breach] = []
    table = table_of(problem)
    for one in problem.technicians:
        if mine.get(one.id) and (only is None or one.id in only):
            found += breaches_of(problem, table, one, mine[one.id])
    return found


Table = dict[tuple[int, int, int], Duty]
"""(zone, day, pattern) → duty."""


def table_of(problem: RosterProblem) -> Table:
    return {(each.zone, each.day, each.pattern): each for each in problem.duties}


def is_night(problem: RosterProblem, each: Duty | Commitment) -> bool:
    """Whether there is enough of the night in a shift to count as one."""
    return each.night_s >= problem.rules_on(each.day).night_least_s > 0


def breaches_of(
    problem: RosterProblem, table: Table, one: Technician, duties: Sequence[Rostered]
) -> list[Breach]:
    """Return the rules that one person's duties break."""
    return _Person(problem, table, one, duties).breaches()


@dataclass(frozen=True, slots=True)
class _Shift:
    day: int
    start: int
    end: int
    paid_s: int
    is_night: bool
    is_ours: bool
    """Given by this roster; the others stand anyway."""


class _Person:
    def __init__(
        self,
        problem: RosterProblem,
        table: Table,
        one: Technician,
        duties: Sequence[Rostered],
    ) -> None:
        self.problem, self.one = problem, one
        self.unknown: list[Breach] = []
        shifts = [self._shift(each, is_ours=False) for each in one.commitments]
        for each in duties:
            duty = table.get((one.zone, each.day, -1 if each.pattern is None else each.pattern))
            if duty is None or (one.patterns is not None and duty.pattern not in one.patterns):
                self.unknown.append(Breach(Rule.PATTERN, one.id, each.day))
            else:
                shifts.append(self._shift(duty, is_ours=True))
        self.shifts = sorted(shifts, key=lambda each: (each.start, each.end))

    def _shift(self, each: Duty | Commitment, *, is_ours: bool) -> _Shift:
        night = is_night(self.problem, each)
        return _Shift(each.day, each.start, each.end, each.paid_s, night, is_ours)

    def breaches(self) -> list[Breach]:
        return [
            *self.unknown,
            *self._facts(),
            *self._lengths(),
            *self._rests(),
            *self._runs(),
            *self._weekly_rests(),
            *self._hours(),
        ]

    def _breach(self, rule: Rule, day: int, found: int = 0, limit: int = 0) -> Breach:
        return Breach(rule, self.one.id, day, found, limit)

    def _facts(self) -> Iterator[Breach]:
        days: dict[int, list[_Shift]] = defaultdict(list)
        for each in self.shifts:
            days[each.day].append(each)
            if each.is_ours and any(
                start < each.end and end > each.start for start, end in self.one.absences
            ):
                yield self._breach(Rule.ABSENCE, each.day)
        for day, shifts in days.items():
            if len(shifts) > 1 and any(each.is_ours for each in shifts):
                yield self._breach(Rule.ONE_A_DAY, day, len(shifts), 1)

    def _lengths(self) -> Iterator[Breach]:
        for each in self.shifts:
            rules = self.problem.rules_on(each.day)
            if not each.is_ours:
                continue
            if each.paid_s > rules.shift_longest_s:
                yield self._breach(Rule.SHIFT_LENGTH, each.day, each.paid_s, rules.shift_longest_s)
            if each.is_night and each.paid_s > rules.night_longest_s:
                yield self._breach(Rule.NIGHT_LENGTH, each.day, each.paid_s, rules.night_longest_s)

    def _rests(self) -> Iterator[Breach]:
        for before, after in zip(self.shifts, self.shifts[1:], strict=False):
            if not (before.is_ours or after.is_ours):
                continue
            rules = self.problem.rules_on(after.day)
            rest = after.start - before.end
            if rest < rules.daily_rest_s:
                yield self._breach(Rule.DAILY_REST, after.day, rest, rules.daily_rest_s)
            elif before.is_night and not after.is_night and rest < rules.rest_after_nights_s:
                yield self._breach(
                    Rule.REST_AFTER_NIGHTS, after.day, rest, rules.rest_after_nights_s
                )

    def _runs(self) -> Iterator[Breach]:
        for rule, shifts in (
            (Rule.DAYS_IN_A_ROW, self.shifts),
            (Rule.NIGHTS_IN_A_ROW, [each for each in self.shifts if each.is_night]),
        ):
            days = {each.day for each in shifts}
            ours = {each.day for each in shifts if each.is_ours}
            for day in sorted(days):
                rules = self.problem.rules_on(day)
                most = rules.days_in_a_row if rule is Rule.DAYS_IN_A_ROW else rules.nights_in_a_row
                length = 0
                while day - length in days:
                    length += 1
                if length > most and any(day - back in ours for back in range(most + 1)):
                    yield self._breach(rule, day, length, most)

    def _weekly_rests(self) -> Iterator[Breach]:
        for week in range(self.problem.weeks):
            opens = self.problem.midnights[week * WEEK]
            closes = self.problem.midnights[(week + 1) * WEEK]
            inside = [each for each in self.shifts if each.start < closes and each.end > opens]
            if not any(each.is_ours for each in inside):
                continue
            longest, free_from = 0, opens
            for each in inside:
                longest = max(longest, each.start - free_from)
                free_from = max(free_from, each.end)
            longest = max(longest, closes - free_from)
            wanted = self.problem.rules[week].weekly_rest_s
            if longest < wanted:
                yield self._breach(Rule.WEEKLY_REST, week * WEEK, longest, wanted)

    def _hours(self) -> Iterator[Breach]:
        worked = [0] * self.problem.weeks
        ours = [False] * self.problem.weeks
        for each in self.shifts:
            week = each.day // WEEK
            if 0 <= week < self.problem.weeks:
                worked[week] += each.paid_s
                ours[week] |= each.is_ours
        past = list(self.one.worked_s)
        for week, rules in enumerate(self.problem.rules):
            if ours[week] and worked[week] > rules.week_longest_s:
                yield self._breach(Rule.WEEK_HOURS, week * WEEK, worked[week], rules.week_longest_s)
            span = (past + worked[: week + 1])[-rules.average_weeks :]
            inside = ours[max(0, week + 1 - rules.average_weeks) : week + 1]
            limit = rules.average_week_s * rules.average_weeks
            if any(inside) and sum(span) > limit:
                yield self._breach(Rule.AVERAGE_HOURS, week * WEEK, sum(span), limit)


def settle_fixed(
    problem: RosterProblem,
) -> tuple[tuple[Rostered, ...], tuple[Conflict, ...]]:
    """Return the fixed duties that the rules allow, earlier ones first, and why the others cannot be."""
    kept: list[Rostered] = []
    conflicts: list[Conflict] = []
    for fixed in sorted(problem.fixed, key=lambda each: (each.technician, each.day)):
        if fixed.pattern is None:
            kept.append(fixed)
            continue
        others = [
            each
            for each in kept
            if each.technician == fixed.technician and each.pattern is not None
        ]
        if not breaches(problem, [*others, fixed]):
            kept.append(fixed)
            continue
        # Rules only ever forbid, so taking out what is not needed for the contradiction leaves a least one.
        for each in list(others):
            fewer = [one for one in others if one != each]
            if breaches(problem, [*fewer, fixed]):
                others = fewer
        rule = breaches(problem, [*others, fixed])[0].rule
        conflicts.append(Conflict(fixed, rule, tuple(others)))
    return tuple(kept), tuple(conflicts)


Given = dict[str, dict[int, Duty]]
"""technician → day → duty."""


# --- prices -----------------------------------------------------------------------------------------------


def cost(problem: RosterProblem, duties: Iterable[Rostered]) -> Costs:
    """Return what these duties cost, term by term. A duty that there is not counts for nothing."""
    given = _given(problem, duties)
    overtime = undertime = weekends = nights = undesired = 0
    weights = problem.weights
    fewest = {
        kind: min((getattr(one.done, kind) for one in problem.technicians), default=0)
        for kind in ("weekends", "nights", "undesired")
    }
    for one in problem.technicians:
        mine = given[one.id]
        minutes = [0] * problem.weeks
        shifts: list[Duty | Commitment] = [*mine.values(), *one.commitments]
        for each in shifts:
            if 0 <= each.day < problem.days:
                minutes[each.day // WEEK] += each.paid_s
        for week, seconds in enumerate(minutes):
            overtime += weights.overtime * max(0, seconds - one.contract_s[week]) // 60
        undertime += weights.undertime * max(0, sum(one.contract_s) - sum(minutes)) // 60
        burdens = {
            "weekends": len({problem.weekend_of(day) for day in mine} - {None}),
            "nights": sum(is_night(problem, each) for each in mine.values()),
            "undesired": sum(problem.patterns[each.pattern].is_undesired for each in mine.values()),
        }
        price = {
            "weekends": weights.weekend,
            "nights": weights.night,
            "undesired": weights.undesired,
        }
        rising = {
            kind: sum(
                price[kind]
                * (getattr(one.done, kind) - fewest[kind] + nth)
                * 100
                // one.share_percent
                for nth in range(1, count + 1)
            )
            for kind, count in burdens.items()
        }
        weekends += rising["weekends"]
        nights += rising["nights"]
        undesired += rising["undesired"]
    return Costs(
        shortage=_shortage(problem, given),
        overtime=overtime,
        undertime=undertime,
        wishes=sum(
            wish.weight * weights.wish
            for wish, is_met in zip(problem.wishes, _met(problem, given), strict=True)
            if not is_met
        ),
        weekends=weekends,
        nights=nights,
        undesired=undesired,
        changes=_changes(problem, given),
    )


def met(problem: RosterProblem, duties: Iterable[Rostered]) -> list[bool]:
    """Return for each wish whether it comes true.

    A day on which somebody has a shift of their own anyway is no day off.
    """
    return _met(problem, _given(problem, duties))


def _met(problem: RosterProblem, given: Given) -> list[bool]:
    standing = {one.id: {each.day for each in one.commitments} for one in problem.technicians}
    found = []
    for wish in problem.wishes:
        duty = given[wish.technician].get(wish.day)
        if wish.kind is WishKind.OFF:
            found.append(duty is None and wish.day not in standing[wish.technician])
            continue
        has = duty is not None and duty.pattern == wish.pattern
        found.append(has if wish.kind is WishKind.WANT else not has)
    return found


def _changes(problem: RosterProblem, given: Given) -> int:
    before = {(each.technician, each.day): each.pattern for each in problem.published}
    total = 0
    for day in problem.published_days:
        price = problem.weights.late_change if day < problem.late_until else problem.weights.change
        for one in problem.technicians:
            duty = given[one.id].get(day)
            now = None if duty is None else duty.pattern
            total += price * (now != before.get((one.id, day)))
    return total


# --- cover ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Covered:
    """One need in one hour, in person-minutes."""

    need: int
    hour: int
    wanted: int
    served: int


def covered(problem: RosterProblem, duties: Iterable[Rostered]) -> list[Covered]:
    """Return what is covered of each need in each hour that has any, dearer needs served first."""
    return _covered(problem, _given(problem, duties))


def _given(problem: RosterProblem, duties: Iterable[Rostered]) -> Given:
    table, zone = table_of(problem), {one.id: one.zone for one in problem.technicians}
    given: Given = {one.id: {} for one in problem.technicians}
    for each in duties:
        duty = table.get(
            (zone[each.technician], each.day, -1 if each.pattern is None else each.pattern)
        )
        if duty is not None:
            given[each.technician][each.day] = duty
    return given


def _shortage(problem: RosterProblem, given: Given) -> int:
    return sum(
        (each.wanted - each.served)
        * (problem.weights.shortage * problem.needs[each.need].price_percent // 100)
        for each in _covered(problem, given)
    )


def _covered(problem: RosterProblem, given: Given) -> list[Covered]:
    present: list[dict[frozenset[int], int]] = [defaultdict(int) for _ in range(problem.hours)]
    for one in problem.technicians:
        shifts: list[Duty | Commitment] = [*given[one.id].values(), *one.commitments]
        for each in shifts:
            for hour in range(each.start // HOUR_S, -(-each.end // HOUR_S)):
                if not 0 <= hour < problem.hours:
                    continue
                minutes = (
                    min(each.end, (hour + 1) * HOUR_S) - max(each.start, hour * HOUR_S)
                ) // 60
                present[hour][serves(problem, one, day_of(problem, hour))] += minutes
    found = []
    for hour, there in enumerate(present):
        wanted = {need: one.minutes[hour] for need, one in enumerate(problem.needs)}
        wanted = {need: minutes for need, minutes in wanted.items() if minutes}
        if wanted:
            served = _served(problem, wanted, dict(there))
            found += [Covered(need, hour, wanted[need], served[need]) for need in wanted]
    return found


def day_of(problem: RosterProblem, hour: int) -> int:
    """Return the day in which an hour of the horizon begins."""
    return bisect_right(problem.midnights, hour * HOUR_S, hi=problem.days) - 1


def serves(problem: RosterProblem, one: Technician, day: int) -> frozenset[int]:
    """Return the needs that somebody can serve on a day, by the skills that hold then."""
    return frozenset(
        number
        for number, need in enumerate(problem.needs)
        if need.skill is None
        or any(
            skill == need.skill and level >= need.level and (until is None or day <= until)
            for skill, level, until in one.skills
        )
    )


def _served(
    problem: RosterProblem, wanted: dict[int, int], there: dict[frozenset[int], int]
) -> dict[int, int]:
    """Return the minutes each need gets: dearest first, each freeing others' helpers where it can."""
    spare = dict(there)
    helps: dict[tuple[frozenset[int], int], int] = defaultdict(int)

    def give(need: int, amount: int, tried: set[frozenset[int]]) -> int:
        """Find up to `amount` minutes for a need, asking helpers of others for theirs; return how many."""
        for who in spare:
            if need not in who or who in tried:
                continue
            tried.add(who)
            if spare[who]:
                part = min(amount, spare[who])
                spare[who] -= part
                helps[who, need] += part
                return part
            for other in sorted(wanted):
                held = helps[who, other]
                if other == need or not held:
                    continue
                part = give(other, min(amount, held), tried)
                if part:
                    helps[who, other] -= part
                    helps[who, need] += part
                    return part
        return 0

    served = dict.fromkeys(wanted, 0)
    for need in sorted(wanted, key=lambda each: (-problem.needs[each].price_percent, each)):
        while served[need] < wanted[need]:
            part = give(need, wanted[need] - served[need], set())
            if not part:
                break
            served[need] += part
    return served
