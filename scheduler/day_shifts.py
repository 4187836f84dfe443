"""Technicians' shifts as the shifts of a problem: where each stands now, and what takes its time already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from fsm.technicians.working_time import WorkingShift
from fsm.work_orders.lifecycle import VisitStatus
from scheduler import problem as model
from scheduler.day_hours import within
from scheduler.day_visits import DayVisits
from scheduler.rows import BEGUN, Held, PickUpStop, Planned, Position, position_of
from scheduler.underway import Underway, continued, workable

_AT_WORK = (VisitStatus.ON_SITE, VisitStatus.PAUSED)
_CALLED_IN_S = 6 * 3_600
"""Work begun at most this long before a shift belongs to it."""


class DayShifts:
    """The shifts of one problem; what they hold goes to its visits."""

    def __init__(self, visits: DayVisits, rates: Mapping[UUID, int]) -> None:
        self.visits = visits
        self.day = visits.day
        self.rows = visits.rows
        self.supposed = visits.supposed
        self.rates = rates
        """Price of a second of each technician's work above the cheapest's, in thousandths."""

    def of(
        self, technician_id: UUID, working: Sequence[WorkingShift]
    ) -> list[tuple[model.Shift, Underway | None]]:
        """Return one technician's shifts, the present one from where it stands; past ones are left out."""
        planned = self.rows.planned.get(technician_id, [])
        begun = [one for one in planned if one.visit.status in BEGUN]
        if str(technician_id) in self.supposed.absent:
            self.day.notes.append(f"supposed_absent:{working[0].technician.number}")
            for each in planned:
                if each not in begun:
                    self.visits.take_up(each, working[0], None)
            return []
        found: list[tuple[model.Shift, Underway | None]] = []
        present = self._present(working, bool(begun))
        for one, following in zip(working, [*working[1:], None], strict=True):
            start = _start_of(one)
            if start is None:
                self.day.notes.append(f"no_home:{one.technician.number}")
                continue
            shift = self._shift(one, following, self.visits.places.row(start))
            if shift is None:
                self.day.notes.append(f"outside_days:{one.technician.number}")
                continue
            over = shift.closes + shift.overtime_limit_s <= self.visits.now_s
            if over and one is not present:
                continue
            underway = self._underway(one, shift, begun) if one is present else None
            if over and (underway is None or not underway.visits):
                continue
            fixed: list[Planned] = []
            free: list[Planned] = []
            for each in planned:
                if each in begun or str(each.visit.id) in self.day.planned:
                    continue
                if self._touches(each, shift):
                    (free if self.visits.may_move(each, one, shift) else fixed).append(each)
            for each in free:
                self.visits.take_up(each, one, shift)
            held = self.rows.holds.get(technician_id, [])
            shift = replace(shift, absences=self._busy(shift, one, fixed, held))
            found.append((shift if underway is None else continued(shift, underway), underway))
        return found

    def _present(self, working: Sequence[WorkingShift], has_begun: bool) -> WorkingShift | None:
        """Return the shift that the technician is in, or that work begun before or after it belongs to."""
        if self.visits.now_s < 0:
            return None
        begun = [one for one in working if self._opens(one) <= self.visits.now_s]
        if begun:
            return begun[-1]
        first = working[0]
        if has_begun and self._opens(first) - self.visits.now_s < _CALLED_IN_S:
            return first
        return None

    def _opens(self, one: WorkingShift) -> int:
        return self.day.second(one.shift.starts_at)

    def _shift(
        self, one: WorkingShift, following: WorkingShift | None, row: int
    ) -> model.Shift | None:
        """Return a shift as its row says, without what is planned in it.

        Its overtime ends where the technician's next shift begins, and all of it with the horizon: None where
        nothing is left of it.
        """
        opens, rest = self._opens(one), one.shift
        breaks = (
            model.Break(
                earliest=opens + rest.break_earliest_s,
                latest=opens + rest.break_latest_s,
                length_s=rest.break_s,
            ),
        )
        person = self.rows.person(one.technician.id)
        shift = model.Shift(
            id=str(one.shift.id),
            technician=str(one.technician.id),
            day=(one.on - self.day.first_on).days,
            start_place=row,
            end_place=row,
            opens=opens,
            closes=self.day.second(rest.ends_at),
            overtime_limit_s=rest.overtime_s,
            longest_s=person.longest_s,
            efficiency_percent=person.efficiency_percent,
            efficiency_by_kind=person.paces,
            rate_permille=self.rates.get(one.technician.id, 0),
            territory=one.technician.territory or None,
            stays_in_territory=person.stays_in_territory,
            skills=tuple(sorted((held.code, held.level) for held in one.skills)),
            breaks=breaks if rest.break_s else (),
        )
        last = self._horizon_s if following is None else self._opens(following)
        return self._cut(shift, one.technician.number, 0, last)

    @property
    def _horizon_s(self) -> int:
        """Return until when a shift may last: a night shift of the last day goes on after it."""
        return (self.day.problem.days + 1) * model.DAY_S

    def _cut(self, shift: model.Shift, number: str, opens: int, last: int) -> model.Shift | None:
        """Return what is left of a shift between two seconds; say where that costs the break."""
        found = within(shift, opens, min(last, self._horizon_s))
        if found is None:
            return None
        cut, has_breaks = found
        if not has_breaks:
            self.day.notes.append(f"no_break:{number}")
        return cut

    def _touches(self, planned: Planned, shift: model.Shift) -> bool:
        begins = self.day.second(planned.visit.planned_starts_at)
        ends = self.day.second(planned.visit.planned_ends_at)
        return begins < shift.closes + shift.overtime_limit_s and ends > shift.opens

    def _underway(
        self, one: WorkingShift, shift: model.Shift, begun: Sequence[Planned]
    ) -> Underway:
        """Return where a shift stands: at the work in hand, on the way to the next, or between two.

        Who was seen on the way has come as far as that.
        """
        since, place = max(shift.opens, self.visits.now_s), shift.start_place
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
                place, since = self.visits.places.row(where), self._begun_at(each)
                visits.append(self._begun(each, place, since))
                pins.append(model.Pin(visits[-1].id, shift.technician, start=since, begun=True))
                self.visits.publish(visits[-1], each, shift, start=since)
        last = self.rows.last_places.get(one.technician.id)
        if not visits and last is not None:
            place = self.visits.places.row(last.position)
        travelling = [each for each in begun if each.visit.status == VisitStatus.TRAVELLING]
        for each in travelling:
            where = position_of(each.site)
            if where is None:
                continue
            left_at = each.visit.travel_started_at
            if not visits and left_at is not None:
                if last is not None and last.is_seen and last.at > left_at:
                    left_at = last.at
                since = max(0, min(since, self.day.second(left_at)))
            visits.append(self._on_the_way(each, self.visits.places.row(where)))
            pins.append(model.Pin(visits[-1].id, shift.technician))
            self.visits.publish(visits[-1], each, shift)
        return Underway(place, since, tuple(visits), tuple(pins))

    def _begun_at(self, each: Planned) -> int:
        visit = each.visit
        began = visit.work_started_at or visit.arrived_at or visit.planned_starts_at
        return max(0, min(self.day.second(began), self.visits.now_s))

    def _begun(self, each: Planned, place: int, since: int) -> model.Visit:
        """Return work in hand: it lasts until its expected end, or till now where that is past."""
        planned = each.visit.planned_ends_at - each.visit.planned_starts_at
        end = since + int(planned.total_seconds())
        if (expected := self.rows.expected_ends.get(each.visit.id)) is not None:
            end = self.day.second(expected)
        end += (self.supposed.longer_s or {}).get(str(each.visit.id), 0)
        length = max(end, self.visits.now_s) - since
        return model.Visit(
            id=str(each.visit.id),
            place=place,
            duration_s=-(-length * self._pace(each) // 100),
            windows=((since, since),),
            priority=each.work_order.priority,
            label=each.work_order.number,
        )

    def _pace(self, each: Planned) -> int:
        """Return the efficiency that the problem counts a begun visit with, whose length is known."""
        return self.rows.person(each.visit.technician_id).efficiency_percent

    def _on_the_way(self, each: Planned, place: int) -> model.Visit:
        length = each.visit.planned_ends_at - each.visit.planned_starts_at
        return model.Visit(
            id=str(each.visit.id),
            place=place,
            duration_s=int(length.total_seconds()) * self._pace(each) // 100,
            windows=((self.visits.now_s, self.visits.now_s + model.DAY_S),),
            priority=each.work_order.priority,
            promise=self.visits.promise(each),
            label=each.work_order.number,
        )

    def _busy(
        self,
        shift: model.Shift,
        one: WorkingShift,
        fixed: Iterable[Planned],
        held: Iterable[Held],
    ) -> tuple[model.Absence, ...]:
        """Return when the technician is taken: absences, visits that stay, slots held for callers.

        What is fetched for visits that stay is fetched where and when it was planned. Such a stop takes a
        second at least; what comes after it begins as much later, since not a second may have been to spare.
        Times that overlap are joined, since nobody is in two places; the first place then stands for all.
        """
        opens, closes = shift.opens, shift.closes
        taken: list[tuple[int, int, int | None]] = []
        for absence in one.absences:
            lower, upper = absence.starts_at, absence.ends_at
            starts = opens if lower is None else max(opens, self.day.second(lower))
            ends = closes if upper is None else min(closes, self.day.second(upper))
            taken.append((starts, ends, None))
        spans = [
            (each.visit.planned_starts_at, each.visit.planned_ends_at, position_of(each.site))
            for each in fixed
        ]
        spans += [(hold.starts_at, hold.ends_at, position_of(hold.site)) for hold in held]
        stops = {
            stop.id: stop
            for each in fixed
            for stop in self.rows.pick_ups.get(each.visit.id, ())
            if stop.latitude is not None and stop.longitude is not None
        }
        for starts_at, ends_at, where in [*spans, *map(_fetching, stops.values())]:
            starts, ends = self.day.second(starts_at), self.day.second(ends_at)
            starts += sum(stop.starts_at < starts_at for stop in stops.values())
            if starts < closes and ends > opens:
                place = None if where is None else self.visits.places.row(where)
                taken.append((max(starts, opens), min(ends, closes), place))
        joined: list[tuple[int, int, int | None]] = []
        for starts, ends, place in sorted((each for each in taken if each[1] > each[0]), key=_span):
            if joined and starts < joined[-1][1]:
                before = joined[-1]
                joined[-1] = (before[0], max(before[1], ends), before[2])
            else:
                joined.append((starts, ends, place))
        return tuple(model.Absence(start=s, end=e, place=p) for s, e, p in joined)

    def possible(
        self, nothing: model.DayProblem, shifts: Iterable[tuple[model.Shift, Underway | None]]
    ) -> list[model.Shift]:
        """Return the shifts in which what is fixed can be done; say what gave way, leave out the rest."""
        numbers = {str(one.technician.id): one.technician.number for one in self.rows.working}
        kept: list[model.Shift] = []
        busy_until: dict[str, int] = {}
        for given, underway in shifts:
            visits = () if underway is None else underway.visits
            pins = () if underway is None else underway.pins
            number = numbers[given.technician]
            # Who works on after one part of a split day begins the next one when that is done.
            opens = busy_until.get(given.technician, given.opens)
            shift = given if given.prefix else self._cut(given, number, opens, self._horizon_s)
            found = None if shift is None else workable(nothing, shift, visits, pins)
            if found is None or _last(found[0]) > self._horizon_s:
                self.day.notes.append(f"out_of_step:{number}")
                continue
            settled, given_up = found
            if given_up is not None:
                self.day.notes.append(f"{given_up}:{number}")
            busy_until[settled.technician] = _last(settled)
            kept.append(settled)
            self.visits.visits += visits
            self.visits.pins += pins
        return kept


def _in_hand_order(each: Planned) -> tuple[bool, datetime]:
    """Order begun work by what is in hand: on site before paused, the one reached last before others."""
    visit = each.visit
    return visit.status == VisitStatus.ON_SITE, visit.arrived_at or visit.planned_starts_at


def _last(shift: model.Shift) -> int:
    return shift.closes + shift.overtime_limit_s


def _fetching(stop: PickUpStop) -> tuple[datetime, datetime, Position | None]:
    assert stop.latitude is not None
    assert stop.longitude is not None
    ends_at = max(stop.ends_at, stop.starts_at + timedelta(seconds=1))
    return stop.starts_at, ends_at, (stop.latitude, stop.longitude)


def _span(taken: tuple[int, int, int | None]) -> tuple[int, int]:
    return taken[0], taken[1]


def _start_of(one: WorkingShift) -> Position | None:
    shift, technician = one.shift, one.technician
    if shift.start_latitude is not None and shift.start_longitude is not None:
        return shift.start_latitude, shift.start_longitude
    if technician.home_latitude is not None and technician.home_longitude is not None:
        return technician.home_latitude, technician.home_longitude
    return None
