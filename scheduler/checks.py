"""The referee: whether a plan keeps every rule of its problem, and what it costs.

Shares no code with the engines; it knows `problem` alone and does everything again in plain Python,
stop by stop. It runs on every plan before it is stored, so its sentences are for whoever mends an
engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from scheduler.problem import (
    Absence,
    Costs,
    DayProblem,
    Pin,
    Plan,
    Route,
    Shift,
    Stop,
    StopKind,
    Visit,
    digest,
)


def violations(problem: DayProblem, plan: Plan) -> list[str]:
    """Return one sentence per rule the plan breaks; nothing where it may be stored.

    A wrong claim of the plan, such as a time, a distance or a cost, is a broken rule too.
    """
    return list(_Referee(problem).judge(plan))


def cost(problem: DayProblem, plan: Plan) -> Costs:
    """Return what the plan costs by the starts it states, term by term.

    Only routes on shifts, and visits, that the problem has are counted.
    """
    return _Referee(problem).cost(plan)


@dataclass(frozen=True, slots=True)
class _Timing:
    """What a route's stated starts come to."""

    complaints: list[str]
    drive_s: int
    drive_m: int
    work_s: int
    waiting_s: int
    overtime_s: int


class _Referee:
    def __init__(self, problem: DayProblem) -> None:
        self.problem = problem
        self.shifts = {shift.id: shift for shift in problem.shifts}
        self.visits = {visit.id: visit for visit in problem.visits}
        self.pins: dict[str, Pin] = {pin.visit: pin for pin in problem.pins}

    # --- rules ---

    def judge(self, plan: Plan) -> Iterator[str]:
        if plan.problem != digest(self.problem):
            yield "The plan was made for another problem."
        yield from self._each_once(plan)
        for route in plan.routes:
            shift = self.shifts.get(route.shift)
            if shift is None:
                yield f"Shift {route.shift} does not exist."
                continue
            yield from self._route(shift, route)
        yield from self._decisions(plan)
        yield from self._parts(plan)
        yield from self._crews(plan)
        yield from self._links(plan)
        claimed, due = plan.costs, self.cost(plan)
        for each in fields(Costs):
            says, is_ = getattr(claimed, each.name), getattr(due, each.name)
            if says != is_:
                yield f"The plan says its {each.name} costs {says}; it costs {is_}."

    def _each_once(self, plan: Plan) -> Iterator[str]:
        seen: set[str] = set()
        used: set[str] = set()
        for route in plan.routes:
            if route.shift in used:
                yield f"Shift {route.shift} has two routes."
            used.add(route.shift)
            if not any(stop.kind is StopKind.VISIT for stop in route.stops):
                yield f"Shift {route.shift} has a route without a visit."
            for stop in route.stops:
                if stop.kind is not StopKind.VISIT:
                    continue
                if stop.visit not in self.visits:
                    yield f"Visit {stop.visit} does not exist."
                elif stop.visit in seen:
                    yield f"Visit {stop.visit} is planned twice."
                seen.add(stop.visit or "")
        left_out = [each.visit for each in plan.unplanned]
        for visit in left_out:
            if visit in seen:
                yield f"Visit {visit} is both planned and left out."
            if visit not in self.visits:
                yield f"Visit {visit} does not exist."
        if len(set(left_out)) != len(left_out):
            yield "A visit is left out twice."
        for visit in self.visits:
            if visit not in seen and visit not in left_out:
                yield f"Visit {visit} is neither planned nor left out."

    def _route(self, shift: Shift, route: Route) -> Iterator[str]:
        timing = self._time(shift, route)
        yield from timing.complaints
        for name in ("drive_s", "drive_m", "work_s", "waiting_s", "overtime_s"):
            says, is_ = getattr(route, name), getattr(timing, name)
            if says != is_:
                yield f"Shift {shift.id} says {name} {says}; it is {is_}."
        if (route.technician, route.day) != (shift.technician, shift.day):
            yield f"Shift {shift.id} is stated to be another technician's, or on another day."
        if route.leave < shift.opens:
            yield f"Shift {shift.id} leaves at {route.leave}, before it opens at {shift.opens}."
        last = shift.closes + shift.overtime_limit_s
        if route.back > last:
            yield f"Shift {shift.id} is back at {route.back}; {last} is the last instant."
        if shift.longest_s is not None and route.back - route.leave > shift.longest_s:
            away = route.back - route.leave
            yield f"Shift {shift.id} is away for {away} s, longer than {shift.longest_s}."
        yield from self._rests(shift, route)
        order = [stop.visit for stop in route.stops if stop.kind is StopKind.VISIT]
        if tuple(order[: len(shift.prefix)]) != shift.prefix:
            yield f"Shift {shift.id} does not begin with {', '.join(shift.prefix)}."
        for stop in route.stops:
            visit = self.visits.get(stop.visit or "")
            if stop.kind is StopKind.VISIT and visit is not None:
                yield from self._begins(visit, stop)
                yield from self._may(shift, visit)

    def _rests(self, shift: Shift, route: Route) -> Iterator[str]:
        """Check that every break and absence of the shift is in the route once, when it should be."""
        last = shift.closes + shift.overtime_limit_s
        for kind, things in ((StopKind.BREAK, shift.breaks), (StopKind.ABSENCE, shift.absences)):
            taken = [stop for stop in route.stops if stop.kind is kind]
            numbers = sorted(-1 if stop.number is None else stop.number for stop in taken)
            if numbers != list(range(len(things))):
                yield f"Shift {shift.id} has {len(things)} of {kind}; its route has {numbers}."
                continue
            for stop in taken:
                thing = things[stop.number or 0]
                if isinstance(thing, Absence):
                    if (stop.start, stop.end, stop.place) != (thing.start, thing.end, thing.place):
                        yield f"Shift {shift.id} moves its absence at {thing.start}."
                elif not thing.earliest <= stop.start <= thing.latest:
                    yield f"Shift {shift.id} takes its break at {stop.start}, outside its span."
                elif stop.end != stop.start + thing.length_s or stop.place is not None:
                    yield f"Shift {shift.id} changes the length or place of its break."
                elif stop.start < shift.opens or stop.end > last:
                    yield f"Shift {shift.id} takes its break outside its hours."

    def _begins(self, visit: Visit, stop: Stop) -> Iterator[str]:
        pin = self.pins.get(visit.id)
        if pin is not None and pin.start is not None and stop.start != pin.start:
            yield f"Visit {visit.id} is pinned to {pin.start} and begins at {stop.start}."
        if pin is not None and pin.begun:
            return
        if not any(opens <= stop.start <= closes for opens, closes in visit.windows):
            yield f"Visit {visit.id} begins at {stop.start}, outside its windows."
        if visit.promise is not None:
            if stop.start < visit.promise.opens:
                yield f"Visit {visit.id} begins at {stop.start}, before its promise opens."
            if stop.start > visit.promise.closes and not self.problem.may_break_promises:
                yield f"Visit {visit.id} begins at {stop.start}, after its promise."

    def _may(self, shift: Shift, visit: Visit) -> Iterator[str]:
        pin = self.pins.get(visit.id)
        if pin is not None and pin.technician is not None and pin.technician != shift.technician:
            yield f"Visit {visit.id} is pinned to technician {pin.technician}."
        if pin is not None and pin.begun:
            return
        for skill, level in visit.skills:
            has = max((have for name, have in shift.skills if name == skill), default=0)
            if has < level:
                yield f"Visit {visit.id} needs {skill} {level}; shift {shift.id} has {has}."
        if visit.required and shift.technician not in visit.required:
            yield f"Visit {visit.id} requires {' or '.join(visit.required)}."
        if shift.technician in visit.forbidden:
            yield f"Visit {visit.id} forbids technician {shift.technician}."
        if shift.stays_in_territory and _foreign(shift, visit):
            yield f"Visit {visit.id} is outside the territory shift {shift.id} stays in."

    def _decisions(self, plan: Plan) -> Iterator[str]:
        planned = {stop.visit for route in plan.routes for stop in route.stops}
        for pin in self.problem.pins:
            if pin.begun and pin.visit not in planned:
                yield f"Visit {pin.visit} has begun and is not in the plan."

    def _parts(self, plan: Plan) -> Iterator[str]:
        """Check that no van gives what it does not carry, through all its shifts."""
        for technician in self.problem.technicians:
            stock = dict(technician.stock)
            unlimited: set[str] = set()
            routes = [
                route
                for route in plan.routes
                if route.shift in self.shifts
                and self.shifts[route.shift].technician == technician.id
            ]
            for route in sorted(routes, key=lambda each: each.leave):
                for stop in route.stops:
                    if stop.kind is StopKind.PICKUP:
                        unlimited.update(self._picked_up(stop))
                    visit = self.visits.get(stop.visit or "")
                    for part, quantity in () if visit is None else visit.parts:
                        stock[part] = stock.get(part, 0) - quantity
                        if stock[part] < 0 and part not in unlimited:
                            yield (
                                f"Technician {technician.id} has no {part} left for visit "
                                f"{stop.visit}."
                            )

    def _picked_up(self, stop: Stop) -> Sequence[str]:
        if stop.number is None or not 0 <= stop.number < len(self.problem.depots):
            return ()
        return self.problem.depots[stop.number].parts

    def _crews(self, plan: Plan) -> Iterator[str]:
        at = self._whereabouts(plan)
        for crew in self.problem.crews:
            first, second = at.get(crew.first), at.get(crew.second)
            if (first is None) != (second is None):
                yield f"Visits {crew.first} and {crew.second} are a crew; one is left out."
            if first is None or second is None:
                continue
            if first[1].start != second[1].start:
                yield f"Visits {crew.first} and {crew.second} do not begin together."
            if first[0].technician == second[0].technician:
                yield f"Visits {crew.first} and {crew.second} need two people."

    def _links(self, plan: Plan) -> Iterator[str]:
        at = self._whereabouts(plan)
        for link in self.problem.links:
            pair = f"Visits {link.first} and {link.second}"
            first, second = at.get(link.first), at.get(link.second)
            if link.all_or_none and (first is None) != (second is None):
                yield f"{pair} go together; one is left out."
            if link.needs_first and first is None and second is not None:
                yield f"Visit {link.second} is planned without {link.first}, which it needs."
            if first is None or second is None:
                continue
            gap = second[1].start - first[1].start
            if link.ordered and second[1].start < first[1].end:
                yield f"{pair} are out of order."
            if link.least_gap_s is not None and gap < link.least_gap_s:
                yield f"{pair} begin {gap} s apart, less than {link.least_gap_s}."
            if link.greatest_gap_s is not None and gap > link.greatest_gap_s:
                yield f"{pair} begin {gap} s apart, more than {link.greatest_gap_s}."
            same = first[0].technician == second[0].technician
            if link.same_technician and not same:
                yield f"{pair} ask for one technician."
            if link.other_technician and same:
                yield f"{pair} ask for two technicians."
            if link.same_day and first[0].day != second[0].day:
                yield f"{pair} ask for one day."

    def _whereabouts(self, plan: Plan) -> dict[str, tuple[Shift, Stop]]:
        return {
            stop.visit: (self.shifts[route.shift], stop)
            for route in plan.routes
            if route.shift in self.shifts
            for stop in route.stops
            if stop.visit is not None
        }

    # --- time ---

    def _time(self, shift: Shift, route: Route) -> _Timing:
        """Walk the route by its stated starts; complain where a stop cannot be as it says."""
        complaints: list[str] = []
        clock, place = route.leave, shift.start_place
        drive_s = drive_m = work = idle = waiting = 0
        resting: list[Stop] = []

        def drive(target: int) -> int:
            """Return the arrival at `target`, rests on the way included; what is idle is counted."""
            nonlocal clock, drive_s, drive_m, idle
            road = int(self.problem.travel_s[place, target])
            drive_s += road
            drive_m += int(self.problem.travel_m[place, target])
            for rest in resting:
                if rest.start < clock:
                    complaints.append(f"Shift {shift.id} rests at {rest.start}, still busy then.")
                on_the_road = max(0, min(road, rest.start - clock))
                idle += max(0, rest.start - clock) - on_the_road
                road -= on_the_road
                clock = rest.end
            resting.clear()
            return clock + road

        at_home = True
        home_until = shift.opens
        for stop in route.stops:
            what = stop.visit or f"its {stop.kind} {stop.number}"
            if stop.place is None:
                if stop.end < stop.start or stop.arrive != stop.start:
                    complaints.append(f"Shift {shift.id} has a rest that takes no time.")
                if stop.drive_s or stop.drive_m:
                    complaints.append(f"Shift {shift.id} drives to a rest, which has no place.")
                if at_home and stop.end <= route.leave:
                    if stop.start < home_until:
                        complaints.append(f"Shift {shift.id} rests twice at once.")
                    home_until = stop.end
                else:
                    resting.append(stop)
                continue
            at_home = False
            if not 0 <= stop.place < self.problem.travel_s.shape[0]:
                complaints.append(f"Shift {shift.id} goes to place {stop.place}, which is nowhere.")
                continue
            road_s = int(self.problem.travel_s[place, stop.place])
            road_m = int(self.problem.travel_m[place, stop.place])
            if (stop.drive_s, stop.drive_m) != (road_s, road_m):
                complaints.append(f"Shift {shift.id} states a wrong drive to {what}.")
            arrive = drive(stop.place)
            if stop.arrive != arrive:
                complaints.append(f"Shift {shift.id} is at {what} at {arrive}, not {stop.arrive}.")
            if stop.start < arrive:
                complaints.append(f"Shift {shift.id} begins {what} before it is there.")
            length = self._length(shift, stop)
            if length is not None and stop.end != stop.start + length:
                complaints.append(f"Shift {shift.id} is done with {what} at a wrong time.")
            if stop.kind is StopKind.VISIT:
                visit = self.visits.get(stop.visit or "")
                if visit is not None and visit.place != stop.place:
                    complaints.append(f"Visit {visit.id} is elsewhere.")
                work += stop.end - stop.start
            idle += max(0, stop.start - arrive)
            waiting = idle
            clock, place = stop.end, stop.place
        back = drive(shift.end_place)
        if route.back != back:
            complaints.append(f"Shift {shift.id} is back at {back}, not at {route.back}.")
        return _Timing(complaints, drive_s, drive_m, work, waiting, max(0, back - shift.closes))

    def _length(self, shift: Shift, stop: Stop) -> int | None:
        """Return how long a stop with a place lasts, None where it is unknown what it is."""
        if stop.kind is StopKind.VISIT and stop.visit in self.visits:
            visit = self.visits[stop.visit]
            speeds = dict(shift.efficiency_by_kind)
            speed = speeds.get(visit.kind or "", shift.efficiency_percent)
            whole, rest = divmod(visit.duration_s * 100, speed)
            return whole + (1 if rest else 0)
        if stop.kind is StopKind.PICKUP and self._picked_up(stop):
            return self.problem.depots[stop.number or 0].service_s
        return None

    # --- prices ---

    def cost(self, plan: Plan) -> Costs:
        weights = self.problem.weights
        before = {each.visit: each for each in self.problem.published}
        worked = {each.id: 0 for each in self.problem.technicians}
        total = dict.fromkeys((each.name for each in fields(Costs)), 0)
        planned: set[str] = set()
        latest = 0
        for route in plan.routes:
            shift = self.shifts.get(route.shift)
            if shift is None:
                continue
            timing = self._time(shift, route)
            total["travel"] += timing.drive_s
            total["waiting"] += timing.waiting_s * weights.waiting_permille // 1000
            total["overtime"] += timing.overtime_s * weights.overtime_permille // 1000
            total["first_use"] += weights.first_use
            worked[shift.technician] += timing.work_s
            for stop in route.stops:
                visit = self.visits.get(stop.visit or "")
                if visit is None:
                    continue
                planned.add(visit.id)
                for name, price in self._visit_cost(shift, visit, stop):
                    total[name] += price
                was = before.get(visit.id)
                if was is not None and was.technician != shift.technician:
                    total["other_technician"] += weights.other_technician
                if was is not None and was.day != shift.day:
                    total["other_day"] += weights.other_day
                if visit.due is not None:
                    latest = max(latest, stop.start - visit.due)
        total["greatest_lateness"] = latest * weights.greatest_lateness_permille // 1000
        for technician in self.problem.technicians:
            target = technician.target_work_s
            if target is not None:
                away = abs(worked[technician.id] - target)
                free = target * weights.balance_tolerance_percent // 100
                total["balance"] += max(0, away - free) * weights.balance_permille // 1000
        for visit in self.visits.values():
            if visit.id not in planned:
                total["unplanned"] += self._drop_cost(visit)
        return Costs(**total)

    def _visit_cost(self, shift: Shift, visit: Visit, stop: Stop) -> Iterator[tuple[str, int]]:
        weights = self.problem.weights
        levels = dict(shift.skills)
        yield "rate", (stop.end - stop.start) * shift.rate_permille // 1000
        if _foreign(shift, visit):
            yield "foreign_territory", weights.foreign_territory
        for skill, level in visit.skills:
            yield "surplus_level", max(0, levels.get(skill, 0) - level) * weights.surplus_level
        if visit.preferred and shift.technician not in visit.preferred:
            yield "not_preferred", weights.not_preferred
        if visit.due is not None and stop.start > visit.due:
            late = (stop.start - visit.due) * weights.late_permille // 1000
            yield "late", min(late, self._drop_cost(visit))
        pin = self.pins.get(visit.id)
        if (
            visit.promise is not None
            and self.problem.may_break_promises
            and stop.start > visit.promise.closes
            and not (pin is not None and pin.begun)
        ):
            late = (stop.start - visit.promise.closes) * weights.promise_late_permille // 1000
            yield "promise", weights.promise_broken + late

    def _drop_cost(self, visit: Visit) -> int:
        if visit.drop_cost is not None:
            return visit.drop_cost
        return self.problem.weights.unplanned[visit.priority - 1]


def _foreign(shift: Shift, visit: Visit) -> bool:
    return None not in (shift.territory, visit.territory) and shift.territory != visit.territory
