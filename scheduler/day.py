"""From rows to a problem.

Instants, zones and changes of clocks are resolved here: a problem counts whole seconds from the first
midnight of its horizon in the company's zone. On a day that has begun, routes start where the technicians
are; what they are at, or on the way to, is fixed. Planned visits that may not move are stops that their
technicians make.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np

from fsm.actors import Actor
from fsm.database import Session
from fsm.technicians.queries import list_skills
from fsm.technicians.shift_pattern import DayRange
from fsm.technicians.working_time import WorkingShift, bounds, list_working
from fsm.tenants.queries import find_own_tenant
from fsm.work_orders.lifecycle import VisitStatus
from fsm.work_orders.tables import WorkOrder
from scheduler import problem as model
from scheduler import rows
from scheduler.roads import roads_of
from scheduler.rows import Planned, Position, Waiting, position_of
from scheduler.scope import Options
from scheduler.tables import Keeps, PlanningTerms, SlotHold, VisitPin
from scheduler.travel import TravelProvider
from scheduler.underway import Underway, continued, workable
from scheduler.weights import find_weights, read_weights

MOST_DAYS = 14

_AT_WORK = (VisitStatus.ON_SITE, VisitStatus.PAUSED)
_CALLED_IN_S = 6 * 3_600
"""Work begun at most this long before a shift belongs to it."""
_RATHER_LATE_S = 4 * 3_600
"""A promised visit is rather made this late than left out."""


@dataclass(slots=True)
class Day:
    """A problem with what leads back from its ids to rows."""

    problem: model.DayProblem
    starts_at: datetime
    """The instant that second 0 stands for."""
    work_orders: dict[str, WorkOrder]
    """By visit id of the problem."""
    planned: dict[str, Planned] = field(default_factory=dict)
    """Visits that are there already and may move, or have begun; by the same id."""
    without_position: list[WorkOrder] = field(default_factory=list)
    """Work that could not be put into the problem at all."""
    notes: list[str] = field(default_factory=list)
    weights_version: int = 0
    live: list[Planned] = field(default_factory=list)
    """Every live visit of the horizon, those that stay where they are too."""

    @property
    def names(self) -> dict[str, str]:
        return {one.id: one.name for one in self.problem.technicians}

    def instant(self, second: int) -> datetime:
        return self.starts_at + timedelta(seconds=second)

    def second(self, moment: datetime) -> int:
        return int((moment - self.starts_at).total_seconds())


class _Places:
    """Positions as rows of the travel matrices, each once."""

    def __init__(self) -> None:
        self.positions: list[Position] = []
        self._rows: dict[Position, int] = {}

    def row(self, position: Position) -> int:
        if position not in self._rows:
            self._rows[position] = len(self.positions)
            self.positions.append(position)
        return self._rows[position]


@dataclass(frozen=True, slots=True)
class _Known:
    """The rows of a horizon."""

    working: list[WorkingShift]
    planned: dict[UUID, list[Planned]]
    waiting: list[Waiting]
    last_places: dict[UUID, Position]
    pins: dict[UUID, VisitPin]
    terms: dict[UUID, PlanningTerms]
    in_time_from: dict[UUID, datetime]
    expected_ends: dict[UUID, datetime]
    holds: dict[UUID, list[tuple[SlotHold, Any]]]
    vans: dict[UUID, dict[str, int]]
    depots: list[rows.Depot]


async def build_day(
    session: Session,
    actor: Actor,
    *,
    starts_on: date,
    ends_on: date,
    now: datetime,
    options: Options | None = None,
    travel: TravelProvider | None = None,
) -> Day:
    """Return the problem of some days: open work and the visits that may move, for those who then work.

    `options` says which planned visits may move and what is supposed to be otherwise.
    """
    options = options or Options()
    tenant = await find_own_tenant(session, actor.tenant_id)
    zone = ZoneInfo(tenant.zone)
    starts_at = datetime.combine(starts_on, time(), zone).astimezone(UTC)
    ends_at = datetime.combine(ends_on + timedelta(days=1), time(), zone).astimezone(UTC)
    known = await _load(
        session, actor, DayRange(starts_on, ends_on), starts_at, ends_at, now, options
    )
    in_force = await find_weights(session, actor)
    weights = read_weights(in_force.weights)
    if options.supposed.weights:
        weights = read_weights(options.supposed.weights, weights)
    length_s = int((ends_at - starts_at).total_seconds())
    nothing = _nothing(starts_at, tenant.zone, starts_on, ends_on, weights)
    day = Day(nothing, starts_at, {}, weights_version=in_force.version)
    day.live = [each for several in known.planned.values() for each in several]
    skills = {skill.code for skill in await list_skills(session, actor)}
    travel = travel or await roads_of(session, actor.tenant_id)
    await _Assembly(day, known, options, now, length_s).assemble(travel, skills)
    return day


async def _load(
    session: Session,
    actor: Actor,
    days: DayRange,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
    options: Options,
) -> _Known:
    only = options.scope.work_orders
    among = None if options.scope.among is None else {UUID(each) for each in options.scope.among}
    planned = await rows.list_planned(session, actor, starts_at, ends_at, among)
    terms = await rows.list_terms(session, actor)
    visits = [each.visit for several in planned.values() for each in several]
    begun = [visit.id for visit in visits if visit.status in rows.BEGUN]
    needs_parts = any(each.parts for each in terms.values())
    vans, depots = await rows.list_stock(session, actor) if needs_parts else ({}, [])
    return _Known(
        working=await list_working(session, actor, days, technician_ids=among),
        planned=planned,
        waiting=await rows.list_waiting(
            session, actor, None if only is None else {UUID(each) for each in only}
        ),
        last_places=await rows.list_last_places(session, actor, now),
        pins=await rows.list_pins(session, actor, [v.id for v in visits if v.is_pinned]),
        terms=terms,
        in_time_from=await rows.list_in_time_from(session, actor, now),
        expected_ends=await rows.list_expected_ends(session, actor, begun),
        holds=await rows.list_holds(session, actor, starts_at, ends_at, now),
        vans=vans,
        depots=depots,
    )


def _nothing(
    starts_at: datetime, zone: str, starts_on: date, ends_on: date, weights: model.Weights
) -> model.DayProblem:
    return model.DayProblem(
        first_midnight=starts_at.astimezone(ZoneInfo(zone)).isoformat(),
        zone=zone,
        days=(ends_on - starts_on).days + 1,
        travel_s=np.zeros((1, 1), dtype=np.int32),
        travel_m=np.zeros((1, 1), dtype=np.int32),
        technicians=(),
        shifts=(),
        visits=(),
        weights=weights,
    )


class _Assembly:
    """One problem being put together."""

    def __init__(
        self, day: Day, known: _Known, options: Options, now: datetime, length_s: int
    ) -> None:
        self.day = day
        self.known = known
        self.scope = options.scope
        self.supposed = options.supposed
        self.breaks_promises = options.breaks_promises
        self.length_s = length_s
        self.now_s = day.second(now)
        self.places = _Places()
        self.visits: list[model.Visit] = []
        self.crews: list[model.Crew] = []
        self.pins: list[model.Pin] = []
        self.published: list[model.Published] = []

    async def assemble(self, travel: TravelProvider, skills: set[str]) -> None:
        known, day = self.known, self.day
        shifts: list[tuple[model.Shift, Underway | None]] = []
        for technician_id, several in _by_technician(known.working).items():
            shifts += self._shifts(technician_id, several)
        first_s = min((shift.opens for shift, _ in shifts), default=0)
        self._waiting(known.waiting, first_s)
        depots = [
            model.Depot(self.places.row(depot.position), depot.parts) for depot in known.depots
        ]
        matrices = await travel.travel(np.array(self.places.positions or [(0.0, 0.0)]))
        day.notes += matrices.notes
        with_travel = replace(
            day.problem,
            travel_s=matrices.seconds,
            travel_m=matrices.metres,
            travel_source=matrices.source,
            skills=tuple(sorted(skills | self._skills_named(shift for shift, _ in shifts))),
        )
        possible = self._possible(with_travel, shifts)
        there = {visit.id for visit in self.visits}
        day.problem = replace(
            with_travel,
            technicians=self._technicians(),
            shifts=tuple(possible),
            visits=tuple(self.visits),
            pins=tuple(pin for pin in self.pins if pin.visit in there),
            crews=tuple(self.crews),
            depots=tuple(depots),
            published=tuple(each for each in self.published if each.visit in there),
            now=self.now_s if self.now_s >= 0 else None,
            may_break_promises=self.breaks_promises,
        )

    def _skills_named(self, shifts: Iterable[model.Shift]) -> set[str]:
        named = {code for visit in self.visits for code, _ in visit.skills}
        return named | {code for shift in shifts for code, _ in shift.skills}

    def _technicians(self) -> tuple[model.Technician, ...]:
        names = {one.technician.id: one.technician.name for one in self.known.working}
        return tuple(
            model.Technician(
                id=str(key),
                name=name,
                stock=tuple(sorted(self.known.vans.get(key, {}).items())),
            )
            for key, name in names.items()
        )

    # --- shifts ---

    def _shifts(
        self, technician_id: UUID, working: Sequence[WorkingShift]
    ) -> list[tuple[model.Shift, Underway | None]]:
        """Return one technician's shifts, the present one from where it stands; past ones are left out."""
        planned = self.known.planned.get(technician_id, [])
        begun = [one for one in planned if one.visit.status in rows.BEGUN]
        if str(technician_id) in self.supposed.absent:
            self.day.notes.append(f"supposed_absent:{working[0].technician.number}")
            for each in planned:
                if each not in begun:
                    self._take_up(each, working[0], None)
            return []
        found: list[tuple[model.Shift, Underway | None]] = []
        present = self._present(working, bool(begun))
        for one in working:
            start = _start_of(one)
            if start is None:
                self.day.notes.append(f"no_home:{one.technician.number}")
                continue
            over = self._closes(one) + one.shift.overtime_s <= self.now_s
            if over and one is not present:
                continue
            shift = self._shift(one, self.places.row(start))
            underway = self._underway(one, shift, begun) if one is present else None
            if over and (underway is None or not underway.visits):
                continue
            fixed: list[Planned] = []
            free: list[Planned] = []
            for each in planned:
                if each in begun or str(each.visit.id) in self.day.planned:
                    continue
                if self._touches(each, shift):
                    (free if self._may_move(each, one, shift) else fixed).append(each)
            for each in free:
                self._take_up(each, one, shift)
            held = self.known.holds.get(technician_id, [])
            shift = replace(shift, absences=self._busy(shift, one, fixed, held))
            found.append((shift if underway is None else continued(shift, underway), underway))
        return found

    def _present(self, working: Sequence[WorkingShift], has_begun: bool) -> WorkingShift | None:
        """Return the shift that the technician is in, or that work begun before or after it belongs to."""
        if self.now_s < 0:
            return None
        begun = [one for one in working if self._opens(one) <= self.now_s]
        if begun:
            return begun[-1]
        first = working[0]
        if has_begun and self._opens(first) - self.now_s < _CALLED_IN_S:
            return first
        return None

    def _opens(self, one: WorkingShift) -> int:
        return self.day.second(bounds(one.shift.during)[0])

    def _closes(self, one: WorkingShift) -> int:
        return self.day.second(bounds(one.shift.during)[1])

    def _shift(self, one: WorkingShift, row: int) -> model.Shift:
        """Return a shift as its row says, without what is planned in it."""
        opens, rest = self._opens(one), one.shift
        breaks = (
            model.Break(
                earliest=opens + rest.break_earliest_s,
                latest=opens + rest.break_latest_s,
                length_s=rest.break_s,
            ),
        )
        return model.Shift(
            id=str(one.shift.id),
            technician=str(one.technician.id),
            day=(one.on - self._first_on()).days,
            start_place=row,
            end_place=row,
            opens=opens,
            closes=self._closes(one),
            overtime_limit_s=rest.overtime_s,
            territory=one.technician.territory or None,
            skills=tuple(sorted((held.code, held.level) for held in one.skills)),
            breaks=breaks if rest.break_s else (),
        )

    def _first_on(self) -> date:
        return datetime.fromisoformat(self.day.problem.first_midnight).date()

    def _touches(self, planned: Planned, shift: model.Shift) -> bool:
        begins = self.day.second(planned.visit.planned_starts_at)
        ends = self.day.second(planned.visit.planned_ends_at)
        return begins < shift.closes + shift.overtime_limit_s and ends > shift.opens

    def _underway(
        self, one: WorkingShift, shift: model.Shift, begun: Sequence[Planned]
    ) -> Underway:
        """Return where a shift stands: at the work in hand, on the way to the next, or between two."""
        since, place = max(shift.opens, self.now_s), shift.start_place
        visits: list[model.Visit] = []
        pins: list[model.Pin] = []
        at_work = sorted(
            (each for each in begun if each.visit.status in _AT_WORK), key=_in_hand_order
        )
        for each in at_work[:-1]:
            self.day.notes.append(f"paused:{each.work_order.number}")
        for each in at_work[-1:]:
            where = position_of(each.site)
            if where is not None:
                place, since = self.places.row(where), self._begun_at(each)
                visits.append(self._begun(each, place, since))
                pins.append(model.Pin(visits[-1].id, shift.technician, start=since, begun=True))
                self._publish(visits[-1], each, shift, start=since)
        last = self.known.last_places.get(one.technician.id)
        if not visits and last is not None:
            place = self.places.row(last)
        travelling = [each for each in begun if each.visit.status == VisitStatus.TRAVELLING]
        for each in travelling:
            where = position_of(each.site)
            if where is None:
                continue
            left_at = each.visit.travel_started_at
            if not visits and left_at is not None:
                since = max(0, min(since, self.day.second(left_at)))
            visits.append(self._on_the_way(each, self.places.row(where)))
            pins.append(model.Pin(visits[-1].id, shift.technician))
            self._publish(visits[-1], each, shift)
        return Underway(place, since, tuple(visits), tuple(pins))

    def _begun_at(self, each: Planned) -> int:
        visit = each.visit
        began = visit.work_started_at or visit.arrived_at or visit.planned_starts_at
        return max(0, min(self.day.second(began), self.now_s))

    def _begun(self, each: Planned, place: int, since: int) -> model.Visit:
        """Return work in hand: it lasts until its expected end, or till now where that is past."""
        planned = each.visit.planned_ends_at - each.visit.planned_starts_at
        end = since + int(planned.total_seconds())
        if (expected := self.known.expected_ends.get(each.visit.id)) is not None:
            end = self.day.second(expected)
        end += (self.supposed.longer_s or {}).get(str(each.visit.id), 0)
        length = max(end, self.now_s) - since
        return model.Visit(
            id=str(each.visit.id),
            place=place,
            duration_s=length,
            windows=((since, since),),
            priority=each.work_order.priority,
            label=each.work_order.number,
        )

    def _on_the_way(self, each: Planned, place: int) -> model.Visit:
        length = each.visit.planned_ends_at - each.visit.planned_starts_at
        return model.Visit(
            id=str(each.visit.id),
            place=place,
            duration_s=int(length.total_seconds()),
            windows=((self.now_s, self.now_s + model.DAY_S),),
            priority=each.work_order.priority,
            promise=self._promise(each),
            label=each.work_order.number,
        )

    def _busy(
        self,
        shift: model.Shift,
        one: WorkingShift,
        fixed: Iterable[Planned],
        held: Iterable[tuple[SlotHold, Any]],
    ) -> tuple[model.Absence, ...]:
        """Return when the technician is taken: absences, visits that stay, slots held for callers.

        Times that overlap are joined, since nobody is in two places; the first place then stands for all.
        """
        opens, closes = shift.opens, shift.closes
        taken: list[tuple[int, int, int | None]] = []
        for absence in one.absences:
            lower, upper = absence.during.lower, absence.during.upper
            starts = opens if lower is None else max(opens, self.day.second(lower))
            ends = closes if upper is None else min(closes, self.day.second(upper))
            taken.append((starts, ends, None))
        spans = [
            (each.visit.planned_starts_at, each.visit.planned_ends_at, each.site) for each in fixed
        ]
        spans += [(hold.starts_at, hold.ends_at, site) for hold, site in held]
        for starts_at, ends_at, site in spans:
            starts, ends = self.day.second(starts_at), self.day.second(ends_at)
            where = position_of(site)
            if starts < closes and ends > opens:
                place = None if where is None else self.places.row(where)
                taken.append((max(starts, opens), min(ends, closes), place))
        joined: list[tuple[int, int, int | None]] = []
        for starts, ends, place in sorted((each for each in taken if each[1] > each[0]), key=_span):
            if joined and starts < joined[-1][1]:
                before = joined[-1]
                joined[-1] = (before[0], max(before[1], ends), before[2])
            else:
                joined.append((starts, ends, place))
        return tuple(model.Absence(start=s, end=e, place=p) for s, e, p in joined)

    def _possible(
        self, nothing: model.DayProblem, shifts: Iterable[tuple[model.Shift, Underway | None]]
    ) -> list[model.Shift]:
        """Return the shifts in which what is fixed can be done; say what gave way, leave out the rest."""
        numbers = {str(one.technician.id): one.technician.number for one in self.known.working}
        kept: list[model.Shift] = []
        for shift, underway in shifts:
            visits = () if underway is None else underway.visits
            pins = () if underway is None else underway.pins
            found = workable(nothing, shift, visits, pins)
            if found is None:
                self.day.notes.append(f"out_of_step:{numbers[shift.technician]}")
                continue
            settled, given_up = found
            if given_up is not None:
                self.day.notes.append(f"{given_up}:{numbers[shift.technician]}")
            kept.append(settled)
            self.visits += visits
            self.pins += pins
        return kept

    # --- visits ---

    def _may_move(self, each: Planned, one: WorkingShift, shift: model.Shift) -> bool:
        """Whether a visit is the run's to move: asked for, no crew's, and not put there against a rule."""
        number, technician = each.work_order, str(one.technician.id)
        if str(number.id) in self.supposed.without:
            return True
        where = position_of(each.site)
        if where is None or number.crew_size > 1:
            return False
        has = dict(shift.skills)
        if any(has.get(str(s["skill"]), 0) < int(s["level"]) for s in number.skills):
            return False
        return self.scope.moves_visit(str(each.visit.id), technician, each.site.region)

    def _take_up(self, each: Planned, one: WorkingShift, shift: model.Shift | None) -> None:
        """Put a planned visit into the problem, with where it is now and what people decided on it."""
        where = position_of(each.site)
        if str(each.work_order.id) in self.supposed.without or where is None:
            return
        row, technician = each.visit, str(one.technician.id)
        starts = self.day.second(row.planned_starts_at)
        length = int((row.planned_ends_at - row.planned_starts_at).total_seconds())
        length += (self.supposed.longer_s or {}).get(str(row.id), 0)
        visit = replace(
            self._of(each.work_order, each.site, self.places.row(where), 0),
            id=str(row.id),
            duration_s=length,
            promise=(promise := self._promise(each)),
            drop_cost=None if promise is None else self._worth(each.work_order.priority),
        )
        if not self.scope.pulls_forward:
            visit = replace(visit, windows=_from_then_on(visit, starts))
        if row.is_pinned:
            pin = self.known.pins.get(row.id)
            locked = (pin is None or pin.keeps == Keeps.BOTH) and starts >= max(0, self.now_s)
            self.pins.append(model.Pin(visit.id, technician, start=starts if locked else None))
            if locked:
                visit = replace(visit, windows=((starts, starts),), promise=None)
        self.visits.append(visit)
        self._publish(visit, each, shift)

    def _publish(
        self,
        visit: model.Visit,
        each: Planned,
        shift: model.Shift | None,
        *,
        start: int | None = None,
    ) -> None:
        self.day.work_orders[visit.id] = each.work_order
        self.day.planned[visit.id] = each
        if start is None:
            start = self.day.second(each.visit.planned_starts_at)
        technician = str(each.visit.technician_id)
        day = start // model.DAY_S if shift is None else shift.day
        self.published.append(model.Published(visit.id, technician, day, start))

    def _worth(self, priority: int) -> int:
        """Return what leaving out a promised visit costs: coming hours late is better than not at all."""
        weights = self.day.problem.weights
        late = _RATHER_LATE_S * weights.promise_late_permille // 1_000
        return weights.unplanned[priority - 1] + weights.promise_broken + late

    def _promise(self, each: Planned) -> model.Promise | None:
        """Return the window that was announced; one that is over already can be kept by nobody."""
        opens_at, closes_at = each.visit.window_starts_at, each.visit.window_ends_at
        if closes_at is None:
            return None
        closes = self.day.second(closes_at)
        if closes < self.now_s and not self.breaks_promises:
            self.day.notes.append(f"promise_over:{each.work_order.number}")
            return None
        opens = 0 if opens_at is None else max(0, self.day.second(opens_at))
        return model.Promise(opens, max(opens, closes))

    def _waiting(self, waiting: Sequence[Waiting], first_s: int) -> None:
        for one in waiting:
            work_order, where = one.work_order, position_of(one.site)
            if str(work_order.id) in self.supposed.without:
                continue
            if self.scope.territory is not None and one.site.region != self.scope.territory:
                continue
            if self._opens_at(work_order) >= self.length_s:
                continue  # preventive work that would be too early on every one of these days
            if where is None:
                self.day.without_position.append(work_order)
                continue
            place = self.places.row(where)
            legs = [
                replace(
                    self._of(work_order, one.site, place, first_s),
                    id=str(work_order.id) if leg == 0 else f"{work_order.id}#{leg + 1}",
                )
                for leg in range(work_order.crew_size)
            ]
            for leg in legs:
                self.day.work_orders[leg.id] = work_order
            self.visits += legs
            self.crews += [model.Crew(a.id, b.id) for a, b in itertools.pairwise(legs)]

    def _of(self, work_order: WorkOrder, site: Any, place: int, first_s: int) -> model.Visit:
        """Return a job as a visit to plan, with what it asks of its planning."""
        opens = min(self._opens_at(work_order), self.length_s - 1)
        windows: tuple[model.Interval, ...] = ((opens, self.length_s - 1),)
        terms = self.known.terms.get(work_order.id)
        if terms is not None:
            windows = self._windows(terms, opens)
        return model.Visit(
            id=str(work_order.id),
            place=place,
            duration_s=work_order.estimate_s,
            windows=windows,
            priority=work_order.priority,
            due=self._due(work_order, max(opens, first_s)),
            required=() if terms is None else tuple(terms.required),
            forbidden=() if terms is None else tuple(terms.forbidden),
            preferred=() if terms is None else tuple(terms.preferred),
            skills=tuple(
                sorted((str(one["skill"]), int(one["level"])) for one in work_order.skills)
            ),
            parts=()
            if terms is None
            else tuple((str(one["part"]), int(one["quantity"])) for one in terms.parts),
            territory=site.region or None,
            label=work_order.number,
        )

    def _opens_at(self, work_order: WorkOrder) -> int:
        """Return from which second on a job may begin: now, or once it is in time."""
        from_at = self.known.in_time_from.get(work_order.id)
        return max(0, self.now_s, 0 if from_at is None else self.day.second(from_at))

    def _windows(self, terms: PlanningTerms, opens: int) -> tuple[model.Interval, ...]:
        """Return the windows that are left from `opens` on; those asked for where none is left."""
        if terms.earliest_at is not None:
            opens = max(opens, self.day.second(terms.earliest_at))
        last = max(opens, self.length_s - 1)
        asked = [
            (
                self.day.second(datetime.fromisoformat(each["opens_at"])),
                self.day.second(datetime.fromisoformat(each["closes_at"])),
            )
            for each in terms.windows
        ]
        left = [(max(a, opens), min(b, last)) for a, b in asked if b >= opens and a <= last]
        return tuple(left) or tuple(asked) or ((opens, last),)

    def _due(self, work_order: WorkOrder, first_s: int) -> int | None:
        """Return by when somebody has to be there: for the response, else in time to restore.

        What is overdue already counts from `first_s`, when somebody could be there at the earliest: a job
        is never left out because it is late in any case.
        """
        due_at = work_order.respond_by
        if due_at is None and work_order.restore_by is not None:
            due_at = work_order.restore_by - timedelta(seconds=work_order.estimate_s)
        if due_at is None:
            return None
        due = max(self.day.second(due_at), first_s)
        return due if due < self.length_s else None


def _from_then_on(visit: model.Visit, starts: int) -> tuple[model.Interval, ...]:
    """Return the windows of a visit that begins no earlier than it was planned, but inside its promise."""
    earliest = starts if visit.promise is None else min(starts, visit.promise.opens)
    left = [(max(opens, earliest), closes) for opens, closes in visit.windows if closes >= earliest]
    return tuple(left) or visit.windows


def _by_technician(working: Iterable[WorkingShift]) -> dict[UUID, list[WorkingShift]]:
    found: dict[UUID, list[WorkingShift]] = {}
    for one in working:
        found.setdefault(one.technician.id, []).append(one)
    return found


def _in_hand_order(each: Planned) -> tuple[bool, datetime]:
    """Order begun work by what is in hand: on site before paused, the one reached last before others."""
    visit = each.visit
    return visit.status == VisitStatus.ON_SITE, visit.arrived_at or visit.planned_starts_at


def _span(taken: tuple[int, int, int | None]) -> tuple[int, int]:
    return taken[0], taken[1]


def _start_of(one: WorkingShift) -> Position | None:
    shift, technician = one.shift, one.technician
    if shift.start_latitude is not None and shift.start_longitude is not None:
        return shift.start_latitude, shift.start_longitude
    if technician.home_latitude is not None and technician.home_longitude is not None:
        return technician.home_latitude, technician.home_longitude
    return None
