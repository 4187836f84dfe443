"""Tails exchanged in the compiled search: two routes that are alike give each other all after a cut.

After Potvin and Rousseau (2-opt*, 1995), around the visits just moved. Strings are too short to carry the
end of a long route over. Only routes of one class do it, which end at one place and may do the same work:
between the homes of different people it does not pay.
"""

from __future__ import annotations

from scheduler.engine.books import BROKEN, QUEUE, Work, touch
from scheduler.engine.columns import (
    AT,
    CLASS,
    EDGE,
    END,
    LEAVES,
    LEFT,
    NEEDED,
    NODE,
    OWNER,
    PLACE,
    STOPS,
    Flat,
    Profile,
    Routes,
)
from scheduler.engine.compiled import compiled
from scheduler.engine.dice import below
from scheduler.engine.instants import drive_s
from scheduler.engine.rides import settle_spare, take, time_route

_TRIES = 20
"""Pairs of visits looked at in one iteration."""
_NEAREST = 10
"""Of a visit's neighbours so many are looked at."""


@compiled
def exchange_tails(
    flat: Flat, routes: Routes, work: Work, touched: int, queued: int, profile: Profile
) -> int:
    """Let a visit near one just moved follow it, with all that follows itself, where that is shorter.

    The rest of the first route then follows what came before that visit. Return touched. Only for days
    without pauses and prices of time, where departures and latest arrivals say all about what fits.
    """
    row, dice = routes.row, work.dice
    for _ in range(_TRIES):
        visit = int(work.visits[below(dice, queued), QUEUE])
        other = int(flat.near[visit, below(dice, _NEAREST)])
        shift = int(routes.shift_of[visit])
        if other < 0 or shift < 0:
            continue
        partner = int(routes.shift_of[other])
        if partner < 0 or partner == shift:
            continue
        if flat.shift[shift, CLASS] != flat.shift[partner, CLASS]:
            continue
        way = drive_s(flat, flat.visit[visit, PLACE], flat.visit[other, PLACE])
        cut = 1
        while row[shift, NODE, cut] != visit:
            cut += 1
        behind = 0
        while row[partner, NODE, behind + 1] != other:
            behind += 1
        saved = row[shift, EDGE, cut + 1] + row[partner, EDGE, behind + 1] - way
        if saved <= 0:
            continue
        back = drive_s(flat, row[partner, AT, behind], row[shift, AT, cut + 1])
        if back >= saved:
            continue
        if row[shift, LEAVES, cut] + way > row[partner, NEEDED, behind + 1]:
            continue
        if row[partner, LEAVES, behind] + back > row[shift, NEEDED, cut + 1]:
            continue
        if not _can_carry(flat, routes, shift, cut, partner, behind):
            continue
        touched = touch(flat, routes, work, shift, touched, profile)
        touched = touch(flat, routes, work, partner, touched, profile)
        _exchange(flat, routes, shift, cut, partner, behind)
        for each in (shift, partner):
            if not time_route(flat, routes, each, profile):
                work.total[BROKEN] = 1
            settle_spare(flat, routes, each)
    return touched


@compiled
def _can_carry(flat: Flat, routes: Routes, shift: int, cut: int, partner: int, behind: int) -> bool:
    """Whether both rows are long enough and both vans have the parts of the other's tail."""
    stops, theirs = routes.sum[shift, STOPS], routes.sum[partner, STOPS]
    longest = max(cut + theirs - behind, behind + stops - cut)
    if longest + 4 > routes.row.shape[2]:
        return False
    owner, other = flat.shift[shift, OWNER], flat.shift[partner, OWNER]
    for part in range(flat.need.shape[1]):
        more = 0
        for at in range(cut + 1, stops + 1):
            more -= flat.need[routes.row[shift, NODE, at], part]
        for at in range(behind + 1, theirs + 1):
            more += flat.need[routes.row[partner, NODE, at], part]
        if more > routes.owner[owner, LEFT + part] or -more > routes.owner[other, LEFT + part]:
            return False
    return True


@compiled
def _exchange(flat: Flat, routes: Routes, shift: int, cut: int, partner: int, behind: int) -> None:
    """Give each of two routes the other's stops after a cut; both have to be timed anew."""
    row = routes.row
    mine, theirs = routes.sum[shift, STOPS] - cut, routes.sum[partner, STOPS] - behind
    for number in range(1, max(mine, theirs) + 1):
        here, there = row[shift, NODE, cut + number], row[partner, NODE, behind + number]
        if number <= theirs:
            _move(flat, routes, there, partner, shift, cut + number)
        if number <= mine:
            _move(flat, routes, here, shift, partner, behind + number)
    routes.sum[shift, STOPS], routes.sum[partner, STOPS] = cut + theirs, behind + mine
    for each in (shift, partner):
        end = routes.sum[each, STOPS] + 1
        row[each, NODE, end], row[each, AT, end] = -1, flat.shift[each, END]


@compiled
def _move(flat: Flat, routes: Routes, visit: int, source: int, target: int, position: int) -> None:
    """Make a visit of one route the stop at a position of another."""
    take(flat, routes, source, visit, -1)
    take(flat, routes, target, visit, 1)
    routes.shift_of[visit] = target
    routes.row[target, NODE, position] = visit
    routes.row[target, AT, position] = flat.visit[visit, PLACE]
