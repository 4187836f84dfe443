"""Shifts that have begun: where the technician is, what holds them there, and the rest of their day.

Whatever has happened must be possible in the problem too: a technician who is late, works on after the
end of the shift or missed the break is a fact, and no rule may take the visit from under them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from scheduler.engine.indexed import IndexedDay
from scheduler.engine.timing import timetable
from scheduler.problem import Absence, Break, DayProblem, Pin, Shift, Technician, Visit


@dataclass(frozen=True, slots=True)
class Underway:
    """How a technician's present shift stands. Visits are the problem's, in the order they are made."""

    place: int
    """Where the route begins: at the work in hand, where they were last, or at home."""
    since: int
    """From when they are there; in the past where work is in hand."""
    visits: tuple[Visit, ...]
    pins: tuple[Pin, ...]


def continued(shift: Shift, underway: Underway) -> Shift:
    """Return the shift from where it stands now; what is already over is no longer in it."""
    opens = underway.since
    return replace(
        shift,
        opens=opens,
        closes=max(shift.closes, opens),
        start_place=underway.place,
        prefix=tuple(visit.id for visit in underway.visits),
        breaks=tuple(
            replace(rest, earliest=max(rest.earliest, opens))
            for rest in shift.breaks
            if rest.latest >= opens
        ),
        absences=tuple(
            replace(absence, start=max(absence.start, opens))
            for absence in shift.absences
            if absence.end > opens
        ),
    )


def workable(
    nothing: DayProblem, shift: Shift, visits: Sequence[Visit] = (), pins: Sequence[Pin] = ()
) -> tuple[Shift, str | None] | None:
    """Return the shift so that what is fixed in it can be done, and what had to give way for that.

    What gives way, in this order: fixed times that cannot be reached move later, with overtime as needed;
    the break comes after them; the break is given up; places of what is fixed are passed over. None where
    even that does not help. `nothing` is a problem with the travel and no shifts or visits.
    """
    if not shift.prefix and not shift.absences:
        return shift, None
    for given_up, attempt in _attempts(nothing, shift, visits):
        problem = replace(
            nothing,
            technicians=(Technician(shift.technician),),
            shifts=(attempt,),
            visits=tuple(visits),
            pins=tuple(pins),
            now=None,
        )
        order = range(len(visits))
        if timetable(IndexedDay(problem), 0, order) is not None:
            return attempt, given_up
    return None


def _attempts(
    nothing: DayProblem, shift: Shift, visits: Sequence[Visit]
) -> Iterator[tuple[str | None, Shift]]:
    yield None, shift
    pushed = _pushed(nothing, shift, visits)
    yield "late", pushed
    last = pushed.closes + pushed.overtime_limit_s
    resting_s = sum(rest.length_s for rest in pushed.breaks)
    rested = replace(
        pushed,
        overtime_limit_s=pushed.overtime_limit_s + resting_s,
        longest_s=None if pushed.longest_s is None else pushed.longest_s + resting_s,
        breaks=tuple(Break(rest.earliest, last, rest.length_s) for rest in pushed.breaks),
    )
    yield "break_late", rested
    restless = replace(pushed, breaks=())
    yield "no_break", restless
    yield (
        "no_place",
        replace(
            restless,
            absences=tuple(replace(each, place=None) for each in restless.absences),
        ),
    )


def _pushed(nothing: DayProblem, shift: Shift, visits: Sequence[Visit]) -> Shift:
    """Return the shift with everything fixed as early as it can be, and overtime to get home."""
    drive = nothing.travel_s
    clock, place = shift.opens, shift.start_place
    for visit in visits:
        arrive = clock + int(drive[place, visit.place])
        clock = max(arrive, visit.windows[0][0]) + shift.work_s(visit)
        place = visit.place
    absences = []
    for absence in sorted(shift.absences, key=lambda each: each.start):
        target = place if absence.place is None else absence.place
        start = max(absence.start, clock + int(drive[place, target]))
        if absence.place is None:
            # A pause gives way to work in hand, and ends when it was to end.
            end = absence.end
            if end <= start:
                continue
        else:
            end = start + absence.end - absence.start
        absences.append(Absence(start, end, absence.place))
        clock, place = end, target
    back = clock + int(drive[place, shift.end_place])
    return replace(
        shift,
        absences=tuple(absences),
        overtime_limit_s=max(shift.overtime_limit_s, back - shift.closes),
        longest_s=None if shift.longest_s is None else max(shift.longest_s, back - shift.opens),
    )
