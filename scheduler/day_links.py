"""What links between jobs ask of the visits of a problem.

Where both jobs are in the problem the link is too. Where only one is, the other is where it is, and leaves
the one so much time, and so many people. Work that has to wait for a job which nobody is sent to stays out.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from scheduler import problem as model
from scheduler.day import HeldBack
from scheduler.day_visits import DayVisits
from scheduler.linking import Bond, LinkedPeople, Room, Spot, breaches, room_after, room_before


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a partner that stays where it is leaves a job."""

    opens: int
    closes: int
    required: frozenset[str] | None
    forbidden: frozenset[str]


def bind_links(visits: DayVisits, shifts: Iterable[model.Shift]) -> list[model.Link]:
    """Return the links of a problem whose visits are collected; bound or held back by those outside it.

    A gap begins when the first job's work ends, which is known once it is known who does it: between people
    of different paces the least gap is counted from the slowest's end, the greatest from the quickest's.
    Where no time is left between the two, the first is for people of like pace only.
    """
    return _Binding(visits, shifts).links()


class _Binding:
    def __init__(self, visits: DayVisits, shifts: Iterable[model.Shift]) -> None:
        people: dict[tuple[object, ...], tuple[model.Shift, set[str]]] = {}
        for shift in shifts:
            alike = people.setdefault((shift.paces, shift.skills), (shift, set()))
            alike[1].add(shift.technician)
        self.people = list(people.values())
        self.visits, self.day, self.rows = visits, visits.day, visits.rows
        self.zone = ZoneInfo(self.day.problem.zone)
        self.there = {each.id: each for each in visits.visits}
        self.pins = {pin.visit: pin for pin in visits.pins}
        self.keys: dict[UUID, list[str]] = {}
        for key in self.there:
            self.keys.setdefault(self.day.work_orders[key].id, []).append(key)
        void = {UUID(each) for each in visits.supposed.without}
        self.bonds = [
            bond
            for bond in self.rows.bonds
            if visits.scope.binds_links
            and void.isdisjoint({bond.first_id, bond.second_id})
            and not self.rows.linked[bond.first_id].is_cancelled
        ]

    def links(self) -> list[model.Link]:
        if not self.bonds:
            return []
        self._hold_back_all()
        for bond in self.bonds:
            for job in (bond.first_id, bond.second_id):
                if job in self.keys and bond.other_of(job) not in self.keys:
                    self._bound(bond, job)
        for bond in self.bonds:
            self._even_out(bond)
        self._hold_back_all()  # whose first was just left out
        self.visits.visits = list(self.there.values())
        return [link for bond in self.bonds for link in self._both(bond)]

    # --- one of them is not there ---

    def _spot(self, job: UUID) -> Spot | None:
        return self.rows.linked[job].spot(self.rows.expected_ends)

    def _hold_back_all(self) -> None:
        # Who waits for work that waits itself is found the next time round.
        while any(self._hold_back(bond) for bond in self.bonds):
            continue

    def _hold_back(self, bond: Bond) -> bool:
        """Leave the second out where it would have to wait for a first that nobody is sent to."""
        keys = self.keys.get(bond.second_id, ())
        if not bond.is_ordered or not keys or bond.first_id in self.keys:
            return False
        if self._spot(bond.first_id) is not None:
            return False
        first = self.rows.linked[bond.first_id].number
        if any(key in self.day.planned for key in keys):
            self._note(f"waits_for:{first}")
            return False
        self._leave_out(bond.second_id, "waits_for", first)
        return True

    def _note(self, note: str) -> None:
        if note not in self.day.notes:
            self.day.notes.append(note)

    def _leave_out(self, job: UUID, why: str, partner: str) -> None:
        gone = self.keys.pop(job)
        self.day.held_back.append(HeldBack(self.day.work_orders[gone[0]], why, partner))
        self.visits.crews = [
            each for each in self.visits.crews if each.first not in gone and each.second not in gone
        ]
        for key in gone:
            del self.there[key], self.day.work_orders[key]

    def _bound(self, bond: Bond, job: UUID) -> None:
        """Leave a job the time and the people that its partner, which stays, leaves it."""
        there = self._spot(bond.other_of(job))
        if there is None:
            return
        number = self.rows.linked[bond.other_of(job)].number
        for key in self.keys[job]:
            visit = self.there[key]
            if self._is_locked(key):
                continue
            narrowed = self._narrowed(visit, self._asked(bond, job, there, visit))
            if narrowed is not None:
                self.there[key] = narrowed
                self.day.bound_to.setdefault(key, set()).add(number)
            elif key in self.day.planned:
                self._note(f"link_broken:{visit.label}")
            else:
                self._leave_out(job, "bound", number)
                return

    def _asked(self, bond: Bond, job: UUID, there: Spot, visit: model.Visit) -> _Asked:
        required = there.technicians if bond.technician == LinkedPeople.SAME else None
        forbidden = there.technicians if bond.technician == LinkedPeople.OTHER else frozenset[str]()
        room = room_after(bond, there)
        if job == bond.first_id:
            visit = replace(visit, forbidden=(*visit.forbidden, *forbidden))
            forbidden |= self._of_other_pace(bond, visit, required)
            visit = replace(visit, forbidden=(*visit.forbidden, *forbidden))
            works = self._works(visit, required)
            room = replace(
                room_before(bond, there, max(works)),
                opens_at=room_before(bond, there, min(works)).opens_at,
            )
        opens, closes = self._seconds(room)
        if bond.is_same_day:
            midnight = datetime.combine(there.begins_at.astimezone(self.zone), time(), self.zone)
            following = datetime.combine(
                midnight.date() + timedelta(days=1), time(), self.zone
            ).astimezone(UTC)
            opens = max(opens, self.day.second(midnight))
            closes = min(closes, self.day.second(following) - 1)
        return _Asked(opens, closes, required, forbidden)

    def _seconds(self, room: Room) -> tuple[int, int]:
        opens = 0 if room.opens_at is None else max(0, self.day.second(room.opens_at))
        last = self.visits.length_s - 1
        return opens, last if room.closes_at is None else self.day.second(room.closes_at)

    def _narrowed(self, visit: model.Visit, asked: _Asked) -> model.Visit | None:
        """Return the visit as its partner leaves it, None where that is nothing."""
        windows = tuple(
            (max(opens, asked.opens), min(closes, asked.closes))
            for opens, closes in visit.windows
            if max(opens, asked.opens) <= min(closes, asked.closes)
        )
        required = visit.required
        if asked.required is not None:
            kept = asked.required & set(required) if required else asked.required
            required = tuple(sorted(kept))
        if not windows or (asked.required is not None and not required):
            return None
        if not self._may_keep(visit.promise, windows):
            return None
        pin = self.pins.get(visit.id)
        if pin is not None and pin.technician is not None:
            return replace(visit, windows=windows)  # who it is was decided by a person
        forbidden = tuple(sorted({*visit.forbidden, *asked.forbidden}))
        return replace(visit, windows=windows, required=required, forbidden=forbidden)

    def _may_keep(self, promise: model.Promise | None, windows: Iterable[model.Interval]) -> bool:
        late = self.visits.breaks_promises
        return promise is None or any(
            closes >= promise.opens and (late or opens <= promise.closes)
            for opens, closes in windows
        )

    def _is_locked(self, key: str) -> bool:
        return key in self.pins and self.pins[key].start is not None

    # --- who does it ---

    def _works(
        self, visit: model.Visit, among: Collection[str] | None = None
    ) -> dict[int, set[str]]:
        """Return who may do a visit, by how long they take; nobody where none of those who work may."""
        pin = self.pins.get(visit.id)
        found: dict[int, set[str]] = {}
        for shift, technicians in self.people:
            if pin is not None and pin.technician is not None:
                who = technicians & {pin.technician}
            elif any(dict(shift.skills).get(skill, 0) < level for skill, level in visit.skills):
                continue
            else:
                who = technicians.difference(visit.forbidden)
                for some in (visit.required or None, among):
                    who = who if some is None else who.intersection(some)
            if who:
                found.setdefault(shift.work_s(visit), set()).update(who)
        return found or {visit.duration_s: set()}

    def _of_other_pace(
        self, bond: Bond, first: model.Visit, among: Collection[str] | None
    ) -> set[str]:
        """Return who may not do the first, so that the gap is kept whoever of the others does it.

        Most people remain, of as many the quicker ones.
        """
        works = self._works(first, among)
        if bond.greatest_gap_s is None:
            return set()
        play = bond.greatest_gap_s - (bond.least_gap_s or 0)
        alike = [
            set().union(*(who for took, who in works.items() if work <= took <= work + play))
            for work in sorted(works)
        ]
        return set().union(*works.values()) - max(alike, key=len)

    # --- both are there ---

    def _even_out(self, bond: Bond) -> None:
        """Leave the first to people whose paces let the gap be kept."""
        seconds = [self.there[key] for key in self.keys.get(bond.second_id, ())]
        if not seconds:
            return
        among = None
        if bond.technician == LinkedPeople.SAME:
            among = set().union(*(who for each in seconds for who in self._works(each).values()))
        legs = self.keys.get(bond.first_id, ())
        for key in legs:
            first = self.there[key]
            everybody = set().union(*self._works(first, among).values())
            others = self._of_other_pace(bond, first, among)
            too_few = len(everybody - others) < len(legs) <= len(everybody)
            if too_few and not any(each.id in self.day.planned for each in seconds):
                # Rather the crew without what comes after it than neither.
                self._leave_out(bond.second_id, "bound", self.rows.linked[bond.first_id].number)
                return
            if others:
                forbidden = tuple(sorted({*first.forbidden, *others}))
                self.there[key] = replace(first, forbidden=forbidden)
                number = self.rows.linked[bond.second_id].number
                self.day.bound_to.setdefault(key, set()).add(number)

    def _both(self, bond: Bond) -> Iterator[model.Link]:
        """Yield a link for each pair of their visits; none where both are locked and so break it."""
        firsts, seconds = (self.keys.get(each, []) for each in (bond.first_id, bond.second_id))
        if firsts and seconds and all(map(self._is_locked, (*firsts, *seconds))):
            spots = self._spot(bond.first_id), self._spot(bond.second_id)
            if breaches(bond, *spots, self.zone):
                self._note(f"link_broken:{self.rows.linked[bond.second_id].number}")
                return
        for first in firsts:
            for second in seconds:
                # One technician's pace is that of somebody who may do both.
                same = bond.technician == LinkedPeople.SAME
                may = self._works(self.there[second]).values() if same else None
                works = self._works(self.there[first], None if may is None else set().union(*may))
                # That the first is done by then is asked of each technician's own end.
                least = _later(bond.least_gap_s or None, max(works))
                greatest = _later(bond.greatest_gap_s, min(works))
                yield model.Link(
                    first,
                    second,
                    ordered=bond.is_ordered,
                    least_gap_s=least,
                    greatest_gap_s=greatest,
                    same_technician=bond.technician == LinkedPeople.SAME,
                    other_technician=bond.technician == LinkedPeople.OTHER,
                    same_day=bond.is_same_day,
                    needs_first=bond.is_ordered,
                )


def _later(gap_s: int | None, work_s: int) -> int | None:
    """Return a gap from the first's beginning."""
    return None if gap_s is None else gap_s + work_s
