"""How much of the work each technician is to have: their share of it by the hours they are there.

The hours themselves are no target: on a day with less work than hours everybody is below theirs, and it makes
no difference then who gets what.
"""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.problem import Shift, Visit


def fair_shares(shifts: Iterable[Shift], visits: Iterable[Visit]) -> dict[str, int]:
    """Return the seconds of work to plan for each technician; what is fixed in their days counts for them.

    Nobody's share is more than their hours. Nothing where there are not two to share.
    """
    hours: dict[str, int] = {}
    fixed: dict[str, int] = {}
    for shift in shifts:
        pauses = [each.end - each.start for each in shift.absences if each.place is None]
        pauses += [rest.length_s for rest in shift.breaks]
        there = max(0, shift.closes - shift.opens - sum(pauses))
        busy = sum(each.end - each.start for each in shift.absences if each.place is not None)
        hours[shift.technician] = hours.get(shift.technician, 0) + there
        fixed[shift.technician] = fixed.get(shift.technician, 0) + busy
    at_work = {technician: there for technician, there in hours.items() if there}
    if len(at_work) < 2:
        return {}
    work = sum(visit.duration_s for visit in visits) + sum(fixed.values())
    everybody = sum(at_work.values())
    return {
        technician: max(0, min(there, work * there // everybody) - fixed[technician])
        for technician, there in at_work.items()
    }
