"""Open work and planned visits as the visits of a problem."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from fsm.technicians.working_time import WorkingShift
from scheduler import problem as model
from scheduler.day import Day, Places
from scheduler.day_rows import DayRows
from scheduler.rows import BEGUN, Job, JobSite, Planned, Terms, Waiting, position_of
from scheduler.scope import Options
from scheduler.tables import Keeps

_RATHER_LATE_S = 4 * 3_600
"""A promised visit is rather made this late than left out."""


class DayVisits:
    """The visits of one problem being collected, with what people decided on them."""

    def __init__(
        self, day: Day, rows: DayRows, options: Options, places: Places, now_s: int, length_s: int
    ) -> None:
        self.day = day
        self.rows = rows
        self.scope = options.scope
        self.supposed = options.supposed
        self.breaks_promises = options.breaks_promises
        self.places = places
        self.now_s = now_s
        self.length_s = length_s
        self.visits: list[model.Visit] = []
        self.crews: list[model.Crew] = []
        self.pins: list[model.Pin] = []
        self.published: list[model.Published] = []
        self.whole_crews = self._whole_crews()
        self.staying = self._staying()

    def _staying(self) -> set[UUID]:
        """Return the jobs that stay because they are linked to those that are asked for."""
        asked = {UUID(each) for each in self.scope.work_orders or ()}
        return {
            bond.other_of(job)
            for bond in (() if self.scope.moves_partners else self.rows.bonds)
            for job in asked & {bond.first_id, bond.second_id}
        }

    def _whole_crews(self) -> dict[UUID, list[Planned]]:
        """Return the crews that may move together, by job: all legs are here, at one time, none begun."""
        legs: dict[UUID, list[Planned]] = {}
        for several in self.rows.planned.values() if self.scope.moves_crews else ():
            for each in several:
                if each.work_order.crew_size > 1:
                    legs.setdefault(each.work_order.id, []).append(each)
        return {
            work_order_id: crew
            for work_order_id, crew in legs.items()
            if len(crew) == crew[0].work_order.crew_size
            and len({each.visit.technician_id for each in crew}) == len(crew)
            and len({each.visit.planned_starts_at for each in crew}) == 1
            and all(each.visit.status not in BEGUN and self._is_asked_for(each) for each in crew)
        }

    def _is_asked_for(self, each: Planned) -> bool:
        technician = str(each.visit.technician_id)
        return self.scope.moves_visit(str(each.visit.id), technician, each.site.region)

    def bind_crews(self) -> None:
        """Bind the legs of crews that were taken up; where one was not, the others stay where they are."""
        numbers = {visit.id: number for number, visit in enumerate(self.visits)}
        pinned = {pin.visit for pin in self.pins}
        for crew in self.whole_crews.values():
            legs = [str(each.visit.id) for each in crew if str(each.visit.id) in numbers]
            if len(legs) == len(crew):
                self.crews += [model.Crew(a, b) for a, b in itertools.pairwise(legs)]
                continue
            for each in crew:
                key, starts = str(each.visit.id), self.day.second(each.visit.planned_starts_at)
                if key in legs and key not in pinned and starts >= max(0, self.now_s):
                    stays = replace(
                        self.visits[numbers[key]], windows=((starts, starts),), promise=None
                    )
                    self.visits[numbers[key]] = stays
                    self.pins.append(model.Pin(key, str(each.visit.technician_id), start=starts))

    def may_move(self, each: Planned, one: WorkingShift, shift: model.Shift) -> bool:
        """Whether a visit is the run's to move: asked for, its crew whole, not put there against a rule."""
        number = each.work_order
        if str(number.id) in self.supposed.without:
            return True
        where = position_of(each.site)
        is_bound = number.crew_size > 1 and number.id not in self.whole_crews
        if where is None or number.id in self.staying:
            return False
        if is_bound and not self.scope.splits_crews:
            return False
        has = dict(shift.skills)
        if any(has.get(str(s["skill"]), 0) < int(s["level"]) for s in number.skills):
            return False
        return self._is_asked_for(each)

    def take_up(self, each: Planned, one: WorkingShift, shift: model.Shift | None) -> None:
        """Put a planned visit into the problem, with where it is now and what people decided on it."""
        where = position_of(each.site)
        if str(each.work_order.id) in self.supposed.without or where is None:
            return
        row, technician = each.visit, str(one.technician.id)
        starts = self.day.second(row.planned_starts_at)
        length = int((row.planned_ends_at - row.planned_starts_at).total_seconds())
        length += (self.supposed.longer_s or {}).get(str(row.id), 0)
        kind = str(each.work_order.work_type_id)
        visit = replace(
            self._of(each.work_order, each.site, self.places.row(where), 0),
            id=str(row.id),
            duration_s=self.rows.person(row.technician_id).nominal_s(length, kind),
            promise=(promise := self.promise(each)),
            drop_cost=self._drop_cost(each.work_order, promise),
        )
        if not self.scope.pulls_forward:
            visit = replace(visit, windows=_from_then_on(visit, starts))
        if row.is_pinned:
            pin = self.rows.pins.get(row.id)
            locked = (pin is None or pin.keeps == Keeps.BOTH) and starts >= max(0, self.now_s)
            self.pins.append(model.Pin(visit.id, technician, start=starts if locked else None))
            if locked:
                visit = replace(visit, windows=((starts, starts),), promise=None)
        self.visits.append(visit)
        self.publish(visit, each, shift)

    def publish(
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

    def _drop_cost(self, work_order: Job, promise: model.Promise | None) -> int | None:
        """Return what leaving a job out costs, None where its priority says it.

        Of what was promised, coming hours late is better than not at all.
        """
        terms = self.rows.terms.get(work_order.id)
        own = None if terms is None else terms.drop_cost
        if promise is None:
            return own
        weights = self.day.problem.weights
        late = _RATHER_LATE_S * weights.promise_late_permille // 1_000
        worth = weights.unplanned[work_order.priority - 1] if own is None else own
        return worth + weights.promise_broken + late

    def promise(self, each: Planned) -> model.Promise | None:
        """Return the window that was announced; one that is over already can be kept by nobody."""
        opens_at, closes_at = each.visit.window_starts_at, each.visit.window_ends_at
        if closes_at is None:
            return None
        closes = self.day.second(closes_at)
        if closes < self.now_s and not self.breaks_promises:
            self.day.notes.append(f"promise_over:{each.work_order.number}")
            return None
        opens = 0 if opens_at is None else max(0, self.day.second(opens_at))
        stated = self.rows.stated.get(each.visit.id)
        return model.Promise(opens, max(opens, closes), stated)

    def wait(self, waiting: Sequence[Waiting], first_s: int) -> None:
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

    def _of(self, work_order: Job, site: JobSite, place: int, first_s: int) -> model.Visit:
        """Return a job as a visit to plan, with what it asks of its planning."""
        opens = min(self._opens_at(work_order), self.length_s - 1)
        windows: tuple[model.Interval, ...] = ((opens, self.length_s - 1),)
        terms = self.rows.terms.get(work_order.id)
        if terms is not None:
            windows = self._windows(terms, opens)
        return model.Visit(
            id=str(work_order.id),
            place=place,
            duration_s=work_order.estimate_s,
            windows=windows,
            priority=work_order.priority,
            drop_cost=self._drop_cost(work_order, None),
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
            kind=str(work_order.work_type_id),
            label=work_order.number,
        )

    def _opens_at(self, work_order: Job) -> int:
        """Return from which second on a job may begin: now, or once it is in time."""
        from_at = self.rows.in_time_from.get(work_order.id)
        return max(0, self.now_s, 0 if from_at is None else self.day.second(from_at))

    def _windows(self, terms: Terms, opens: int) -> tuple[model.Interval, ...]:
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

    def _due(self, work_order: Job, first_s: int) -> int | None:
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
