"""Hours cut to what a problem can hold, so that nobody's rows keep the others from being planned.

A technician is in one shift at a time, overtime included, and works inside the horizon. Rows promise less:
parts of a split day whose overtime reaches into the next one, breaks outside their shift, a night shift
that ends after the days that are planned.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from scheduler.problem import Absence, Shift


def within(shift: Shift, opens: int, last: int) -> tuple[Shift, bool] | None:
    """Return the shift between two seconds, overtime included, and whether all its breaks are in it.

    None where nothing of it is left.
    """
    begins = max(shift.opens, opens)
    ends = min(shift.closes + shift.overtime_limit_s, last)
    if ends <= begins:
        return None
    closes = max(begins, min(shift.closes, ends))
    breaks = tuple(
        replace(rest, earliest=max(rest.earliest, begins))
        for rest in shift.breaks
        if rest.latest >= begins and max(rest.earliest, begins) + rest.length_s <= ends
    )
    cut = replace(
        shift,
        opens=begins,
        closes=closes,
        overtime_limit_s=ends - closes,
        breaks=breaks,
        absences=tuple(_cut(shift.absences, begins, ends)),
    )
    return cut, len(breaks) == len(shift.breaks)


def _cut(absences: Iterable[Absence], begins: int, ends: int) -> Iterable[Absence]:
    for each in absences:
        start, end = max(each.start, begins), min(each.end, ends)
        if start < end:
            yield replace(each, start=start, end=end)
