"""The shapes that compiled code works on: which number stands where.

*Nodes* are numbered visits first, then pinned stops (absences that have a place), then depots, which may be
in any number of routes. A route is a row: the node and the place of each position, between the sentinels of
its start and its end.

A pause (a break, or an absence without a place) is no node: it is taken on some leg. The pauses of a
shift have one order; a *label* is how many of them lie behind. Taking pauses i … j−1 on a leg means
arriving at max(left + drive + their lengths, `REST_EARLIEST`) if left ≤ `REST_LATEST`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Shorts = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

NEVER = 1 << 50
"""Later than any instant; its negative is earlier."""

# Columns of `Flat.visit`.
PLACE, OPENS, CLOSES, FIRST_WINDOW, LAST_WINDOW = range(5)
DROP, PRICE_OF_DROP, DUE, PROMISE, FIRST_LINK, LINKS = range(5, 11)
KEYS = 11
"""The first of the columns that say in which order removed visits are put back."""
KEY_COUNT = 7
VISIT_COLUMNS = KEYS + KEY_COUNT

# Columns of `Flat.shift`.
START, END, SHIFT_OPENS, SHIFT_CLOSES, SHIFT_LAST, KIND, PACE, OWNER, CLASS, FIXED_STOPS = range(10)
RESTS, LABELS, LONGEST, DAY = range(10, 14)
SHIFT_COLUMNS = 14

# Columns of `Flat.link`: the other visit, how long after this one it begins at least and at most, whether
# it begins after this one ends (1) or ends before this one begins (-1), whose it is, and the rest.
OTHER, LEAST, GREATEST_GAP, ORDER, PEOPLE, SAME_DAY, TOGETHER = range(7)
LINK_COLUMNS = 7
ONE_PERSON, TWO_PEOPLE = 1, 2

# Columns of `Routes.span`: what partners of a visit allow for its beginning, and when it begins.
FLOOR, CEILING, BEGUN = range(3)

# Columns of `Flat.rest`.
REST_LENGTH, REST_EARLIEST, REST_LATEST = range(3)

# Places in `Flat.price`.
WAITING, OVERTIME, FIRST_USE, LATE, GREATEST, PROMISE_BROKEN, PROMISE_LATE = range(7)
BALANCE, TOLERANCE = range(7, 9)
PRICE_COUNT = 9

# Columns of `Routes.sum`.
STOPS, VISITS, COST, DRIVE, IDLE, IF_USED, LATEST = range(7)
SUM_COLUMNS = 7

# Rows of a route in `Routes.row`: its nodes, their places, the drive to each from the one before; then
# its timetable, kept where prices depend on it; then, for each label in turn, the earliest departure and
# the latest arrival that keeps the rest possible.
NODE, AT, EDGE = range(3)
BEGIN, LABEL, SLACK, SLACK_AFTER, PRICED_AFTER = range(3, 8)
HEAD_LENGTH, HEAD_FROM, HEAD_TO, TAIL_LENGTH, TAIL_FROM, TAIL_TO = range(8, 14)
LEAVES, NEEDED = range(14, 16)
ROWS = 14
"""And two more for each label."""

# Columns of `Routes.owner`: parts are from `LEFT` on.
WORKED, CHANGED_AT, LEFT = range(3)

# Columns that `places` uses of a search's notes on shifts.
SEEN, FOUND = 4, 5

NEIGHBOURS = 40

Profile = tuple[int, ...]
"""What kinds of terms a day has, by the *length* of the tuple, which compiled code knows when it is
compiled: plain; breaks; everything, with prices of time."""

PLAIN: Profile = ()
WITH_BREAKS: Profile = (0,)
EVERYTHING: Profile = (0, 0)

Linked = Ints | None
"""Visits that depend on others; None unless the profile is `EVERYTHING`, and what None guards is then not
even compiled."""


class Flat(NamedTuple):
    """The day; read-only."""

    drive: Shorts
    """(places, places), row to column."""
    drive_to: Shorts
    """The same, column to row: a row is what leads *to* a place."""
    visit: Ints
    """(nodes, `VISIT_COLUMNS`)"""
    window: Ints
    """(windows, 2), those of one node together and ascending."""
    shift: Ints
    """(shifts, `SHIFT_COLUMNS`)"""
    able: Bytes
    """(visits, kinds of shift)"""
    fixed: Ints
    """(visits, kinds of shift): prices that depend on the person alone."""
    work: Ints
    """(nodes, paces)"""
    rest: Ints
    """(kinds of rest, labels, labels, 3)"""
    need: Ints
    """(visits, parts)"""
    at_depot: Bytes
    """(depots, parts): which parts can be picked up there; no rows where no visit could use that."""
    near: Ints
    """(visits, `NEIGHBOURS`): other visits by travel, -1 where there are no more."""
    near_class: Ints
    """(visits, …): classes of shifts that are able, by travel, -1 where there are no more."""
    class_from: Ints
    """(classes + 1): where the members of a class begin in `member`."""
    member: Ints
    """Shifts by class; those of one class are alike in everything."""
    link: Ints
    """(links, `LINK_COLUMNS`): those of one visit together, so that each is there from both its ends."""
    price: Ints
    target: Ints
    """(technicians): work wanted, -1 where none is."""


class Routes(NamedTuple):
    """A plan being changed. One row per shift."""

    row: Ints
    """(shifts, rows, capacity): see `ROWS`."""
    sum: Ints
    """(shifts, `SUM_COLUMNS`)"""
    shift_of: Ints
    """(visits): the route a visit is in, -1 where in none."""
    owner: Ints
    """(technicians, `LEFT` + parts): work given to each, and what is left in the van."""
    taken: Ints
    """(shifts, parts): what each route takes from its van; kept where there are depots."""
    span: Ints
    """(nodes, 3): see `FLOOR`."""
    spare: Ints
    """(classes): the shift to try where one of this class is to be begun, -1 where all are in use."""
