"""A solved plan in the domain's terms: instants and rows instead of seconds and ids, reasons in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fsm.languages import LANGUAGES, by_language
from scheduler import problem as model
from scheduler.acceptance import Choice, NotTogether
from scheduler.child import Solved
from scheduler.closed_shifts import Failed
from scheduler.day import Day
from scheduler.diff import Kind, Line, Spot, Touch, Why, after_of, before_of, compare
from scheduler.engine.indexed import IndexedDay
from scheduler.fetching import Need, Stops, fetched
from scheduler.reasons import Reason
from scheduler.relaxations import Relaxation
from scheduler.rows import Job
from scheduler.sentences import change_sentence, fetch_sentence, sentence, shift_sentence
from scheduler.weights import priced

_LEFT_OUT = by_language("scheduler/messages", "left_out")


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of the day with what it touches."""

    touch: Touch
    kind: str


def outcome(
    day: Day,
    solved: Solved,
    happened: Sequence[Happened] = (),
    indexed: IndexedDay | None = None,
) -> dict[str, Any]:
    """Return routes, reasons, costs, and the difference from what was published.

    `indexed` is the day's problem where it was looked up before.
    """
    plan = solved.plan
    stops = fetched(day.problem, plan)
    unplanned = [_left_out(each, "no_position") for each in day.without_position]
    unplanned += [_left_out(each.work_order, each.why, each.partner) for each in day.held_back]
    told: set[UUID] = set()
    for reason in solved.reasons:
        work_order = day.work_orders[reason.visit]
        if work_order.id in told:
            continue  # the second leg of a crew says the same as the first
        told.add(work_order.id)
        partners = {*reason.partners, *day.bound_to.get(reason.visit, ())}
        reason = replace(reason, partners=tuple(sorted(partners)))
        unplanned.append(told_reason(reason, str(work_order.id), work_order.number))
    return {
        "routes": [_route(day, route, stops) for route in plan.routes],
        "depots": [{"place_id": str(one.place_id), "name": one.name} for one in day.depots],
        "unplanned": unplanned,
        "costs": costs_as_json(plan.costs),
        "objective": priced(costs_as_json(plan.costs), day.problem.weights),
        "notes": [*plan.notes, *day.notes],
        "travel_source": day.problem.travel_source,
        "difference": difference(day, plan, happened, indexed, stops),
        "seen": {
            str(each.visit.id): [
                str(each.visit.technician_id),
                each.visit.planned_starts_at.isoformat(),
                each.visit.planned_ends_at.isoformat(),
            ]
            for each in day.live
        },
    }


def told_reason(reason: Reason, work_order_id: str, number: str) -> dict[str, Any]:
    """Return why a job stays out. Where `is_brief`, there was no time for `blocking` and `relaxation`."""
    return {
        "work_order_id": work_order_id,
        "key": reason.visit,
        "number": number,
        "code": str(reason.cause),
        "in_any_plan": reason.in_any_plan,
        "among": reason.among,
        "partners": list(reason.partners),
        "is_brief": reason.is_brief,
        "blocking": [[str(rule) for rule in rules] for rules in reason.blocking],
        "relaxation": relaxation(reason.relaxation),
        "said": {language: sentence(reason, language) for language in LANGUAGES},
    }


def told_shifts(day: IndexedDay, failed: Sequence[Failed]) -> list[dict[str, Any]]:
    """Return what keeps a job from each shift of a day, in their order."""
    first = datetime.fromisoformat(day.problem.first_midnight).date()
    told = []
    for shift, each in zip(day.shifts, failed, strict=True):
        name = day.names.get(shift.technician, shift.technician)
        said = {language: shift_sentence(name, each, language) for language in LANGUAGES}
        on = first + timedelta(shift.day)
        told.append({"technician_id": shift.technician, "on": on.isoformat(), "said": said})
    return told


def costs_as_json(costs: model.Costs) -> dict[str, int]:
    return {name: getattr(costs, name) for name in (*model.Costs.__dataclass_fields__, "total")}


def _route(day: Day, route: model.Route, needs: Stops) -> dict[str, Any]:
    stops = [
        {
            **_fetched(day, stop, needs.get((route.shift, number), ())),
            "kind": str(stop.kind),
            "key": stop.visit,
            "work_order_id": str(day.work_orders[stop.visit].id) if stop.visit else None,
            "number": day.work_orders[stop.visit].number if stop.visit else None,
            "visit_id": stop.visit if stop.visit in day.planned else None,
            "arrives_at": day.instant(stop.arrive).isoformat(),
            "starts_at": day.instant(stop.start).isoformat(),
            "ends_at": day.instant(stop.end).isoformat(),
            "travel_s": stop.drive_s,
            "travel_m": stop.drive_m,
        }
        for number, stop in enumerate(route.stops)
    ]
    return {
        "shift_id": route.shift,
        "technician_id": route.technician,
        "technician": day.names.get(route.technician, ""),
        "leaves_at": day.instant(route.leave).isoformat(),
        "back_at": day.instant(route.back).isoformat(),
        "travel_s": route.drive_s,
        "travel_m": route.drive_m,
        "work_s": route.work_s,
        "waiting_s": route.waiting_s,
        "overtime_s": route.overtime_s,
        "stops": stops,
    }


def _fetched(day: Day, stop: model.Stop, needs: Sequence[Need]) -> dict[str, Any]:
    """Return where a stop at a depot is, and what for."""
    if stop.kind is not model.StopKind.PICKUP or stop.number is None:
        return {}
    return {
        "place": day.depots[stop.number].name,
        "parts": [
            {
                "number": day.work_orders[each.visit].number,
                "part": each.part,
                "quantity": each.quantity,
            }
            for each in needs
        ],
    }


def _left_out(work_order: Job, code: str, partner: str | None = None) -> dict[str, Any]:
    """Return why a job could not be looked at in these days at all."""
    return {
        "work_order_id": str(work_order.id),
        "key": None,
        "number": work_order.number,
        "code": code,
        "in_any_plan": partner is None,
        "among": None,
        "partners": [] if partner is None else [partner],
        "is_brief": False,
        "blocking": [],
        "relaxation": None,
        "said": {
            language: texts[code].format(label=work_order.number, partner=partner)
            for language, texts in _LEFT_OUT.items()
        },
    }


def relaxation(found: Relaxation | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "way": str(found.way),
        "technician": found.technician,
        "starts_at": found.starts_at,
        "cost": found.cost,
        "metres": found.metres,
        "minutes": found.minutes,
        "rules": [str(rule) for rule in found.rules],
        "bumped": found.bumped_label,
    }


# --- the difference ---------------------------------------------------------------------------------------


def lines_of(
    problem: model.DayProblem, plan: model.Plan, happened: Sequence[Happened] = ()
) -> list[Line]:
    return compare(problem, before_of(problem), after_of(plan), [each.touch for each in happened])


def difference(
    day: Day,
    plan: model.Plan,
    happened: Sequence[Happened] = (),
    indexed: IndexedDay | None = None,
    stops: Stops | None = None,
) -> dict[str, Any]:
    """Return what the plan changes: lines with a cause each, the groups they form, and the sums.

    A line also tells what is fetched for its visit, by `stops`.
    """
    problem = day.problem
    fetches = _fetches(day, plan, stops or {})
    lines = lines_of(problem, plan, happened)
    choice = Choice(problem, plan, lines, indexed)
    groups = [(group.visits, group.saving) for group in choice.groups()]
    groups += [(visits, None) for visits in _only_retimed(lines)]
    group_of = {visit: number for number, (visits, _) in enumerate(groups) for visit in visits}
    kinds = {each.touch.event: each.kind for each in happened}
    teller = _Teller(problem)
    told = []
    for line in lines:
        number = group_of.get(line.visit)
        entry = teller.line(line, kinds, None if number is None else groups[number][1])
        for language, said in entry["said"].items():
            entry["said"][language] = " ".join(
                [said, *(fetch_sentence(each, language) for each in fetches.get(line.visit, ()))]
            )
        ids = {
            "work_order_id": str(day.work_orders[line.visit].id),
            "visit_id": line.visit if line.visit in day.planned else None,
            "group": number,
            "fetched": fetches.get(line.visit, []),
        }
        told.append({**entry, **ids})
    return {
        "lines": told,
        "groups": [
            {
                "group": number,
                "visits": list(visits),
                "numbers": [day.work_orders[visit].number for visit in visits],
                "saving": saving,
                "price": sum(line.price for line in lines if line.visit in visits),
            }
            for number, (visits, saving) in enumerate(groups)
        ],
        "before": _before(problem, choice),
        "after": _sums(problem, plan),
    }


def _fetches(day: Day, plan: model.Plan, stops: Stops) -> dict[str, list[dict[str, Any]]]:
    """Return by visit what is fetched for it, and where."""
    found: dict[str, list[dict[str, Any]]] = {}
    for route in plan.routes:
        for number, stop in enumerate(route.stops):
            for need in stops.get((route.shift, number), ()):
                place = day.depots[stop.number or 0].name
                told = {"place": place, "part": need.part, "quantity": need.quantity}
                found.setdefault(need.visit, []).append(told)
    return found


def _only_retimed(lines: Sequence[Line]) -> list[tuple[str, ...]]:
    """Return the visits that only begin at another time on routes where nothing else changes."""
    upset = {
        spot.route
        for line in lines
        if line.kind is not Kind.RETIMED
        for spot in (line.before, line.after)
        if spot is not None
    }
    routes: dict[tuple[str, int], list[str]] = {}
    for line in lines:
        if line.kind is Kind.RETIMED and line.after is not None and line.after.route not in upset:
            routes.setdefault(line.after.route, []).append(line.visit)
    return [tuple(visits) for visits in routes.values()]


class _Teller:
    """Tells lines in the words of a problem: numbers of jobs, names, local times."""

    def __init__(self, problem: model.DayProblem) -> None:
        self.midnight = datetime.fromisoformat(problem.first_midnight).astimezone(UTC)
        self.zone = ZoneInfo(problem.zone)
        self.form = "%H:%M" if problem.days == 1 else "%d.%m %H:%M"
        self.names = {one.id: one.name for one in problem.technicians}
        self.labels = {visit.id: visit.label or visit.id for visit in problem.visits}

    def line(
        self, line: Line, kinds: Mapping[str, str] | None = None, saving: int | None = None
    ) -> dict[str, Any]:
        cause = line.cause
        told = {
            "key": line.visit,
            "number": self.labels[line.visit],
            "kind": str(line.kind),
            "changes": [str(each) for each in line.changes],
            "before": self._spot(line.before),
            "after": self._spot(line.after),
            "cause": {
                "why": str(cause.why),
                "event_id": cause.event,
                "event": (kinds or {}).get(cause.event or ""),
                "by": None if cause.by is None else self.labels[cause.by],
                "saving": saving if cause.why is Why.IMPROVEMENT else None,
            },
            "is_at_risk": line.is_at_risk,
            "price": line.price,
        }
        said = {language: change_sentence(told, language) for language in LANGUAGES}
        return {**told, "said": said}

    def _spot(self, spot: Spot | None) -> dict[str, Any] | None:
        if spot is None:
            return None
        at = self.midnight + timedelta(seconds=spot.start)
        return {
            "technician_id": spot.technician,
            "technician": self.names.get(spot.technician, ""),
            "starts_at": at.isoformat(),
            "clock": at.astimezone(self.zone).strftime(self.form),
        }


def compared(
    problem: model.DayProblem,
    plan: model.Plan,
    other_problem: model.DayProblem,
    other: model.Plan,
) -> list[dict[str, Any]]:
    """Return what is otherwise in `plan` than in the other one, for the work that both problems hold."""
    both = {visit.id for visit in problem.visits} & {visit.id for visit in other_problem.visits}
    midnights = [datetime.fromisoformat(each.first_midnight) for each in (problem, other_problem)]
    off_s = int((midnights[1] - midnights[0]).total_seconds())
    off_days = (midnights[1].date() - midnights[0].date()).days
    before = {
        visit: replace(spot, start=spot.start + off_s, day=spot.day + off_days)
        for visit, spot in after_of(other).items()
        if visit in both
    }
    after = {visit: spot for visit, spot in after_of(plan).items() if visit in both}
    teller = _Teller(problem)
    return [teller.line(line) for line in compare(problem, before, after)]


def _sums(problem: model.DayProblem, plan: model.Plan) -> dict[str, Any]:
    promises = {visit.id: visit.promise for visit in problem.visits if visit.promise is not None}
    starts = {stop.visit: stop.start for route in plan.routes for stop in route.stops if stop.visit}
    late = [
        visit
        for visit, promise in promises.items()
        if visit not in starts or starts[visit] > promise.closes
    ]
    return {
        "planned": len(starts),
        "unplanned": len(plan.unplanned),
        "travel_s": sum(route.drive_s for route in plan.routes),
        "travel_m": sum(route.drive_m for route in plan.routes),
        "overtime_s": sum(route.overtime_s for route in plan.routes),
        "promises": len(promises),
        "promises_missed": len(late),
        "costs": costs_as_json(plan.costs),
    }


def _before(problem: model.DayProblem, choice: Choice) -> dict[str, Any] | None:
    """Return the same sums of what was published; None where not all of it keeps a timetable any more."""
    try:
        kept = choice.chosen(frozenset())
    except NotTogether:
        return None
    return None if kept.stays_broken else _sums(problem, kept.plan)
