"""Visits that depend on each other, in the compiled search: crews, orders and gaps, all or none.

A planned visit carries bounds on its beginning from its partners' present ones (`FLOOR`, `CEILING`), which
the filters of other insertions read: these stay O(1) and cannot break a link. After an iteration all
routes with links are timed together and the bounds drawn anew.
"""

from __future__ import annotations

from scheduler.engine.bounds import draw_bounds, free_bounds, work_of
from scheduler.engine.columns import (
    BEGUN,
    CEILING,
    DAY,
    FIRST_LINK,
    FIXED_STOPS,
    FLOOR,
    GREATEST_GAP,
    LEAST,
    LINKS,
    NEVER,
    NODE,
    ONE_PERSON,
    ORDER,
    OTHER,
    OWNER,
    PEOPLE,
    PRICE_OF_DROP,
    SAME_DAY,
    STOPS,
    TOGETHER,
    VISITS,
    Flat,
    Ints,
    Profile,
    Routes,
)
from scheduler.engine.compiled import compiled
from scheduler.engine.refills import drop_refills
from scheduler.engine.rides import (
    begin_times,
    count_parts,
    insert,
    remove_at,
    settle_spare,
    take,
    time_forward,
    time_route,
)

_ROUNDS = 60
"""Joint timing that has not settled after so many rounds goes in a circle."""


@compiled
def redraw_around(flat: Flat, routes: Routes, visit: int, profile: Profile) -> bool:
    """Draw the bounds of a visit just planned and of its partners, and time their routes with them."""
    kept = True
    first = flat.visit[visit, FIRST_LINK]
    for number in range(first, first + flat.visit[visit, LINKS]):
        other = flat.link[number, OTHER]
        if routes.shift_of[other] >= 0:
            draw_bounds(flat, routes, other, routes.shift_of[other])
            kept = time_route(flat, routes, routes.shift_of[other], profile) and kept
    draw_bounds(flat, routes, visit, routes.shift_of[visit])
    return time_route(flat, routes, routes.shift_of[visit], profile) and kept


@compiled
def is_kept(flat: Flat, routes: Routes, visit: int) -> bool:
    """Whether a planned visit's links to planned partners are kept by the present beginnings."""
    mine, begun = routes.shift_of[visit], routes.span[visit, BEGUN]
    first = flat.visit[visit, FIRST_LINK]
    for number in range(first, first + flat.visit[visit, LINKS]):
        other = flat.link[number, OTHER]
        theirs = routes.shift_of[other]
        if theirs < 0:
            if flat.link[number, TOGETHER]:
                return False
            continue
        gap = routes.span[other, BEGUN] - begun
        if gap < flat.link[number, LEAST] or gap > flat.link[number, GREATEST_GAP]:
            return False
        if flat.link[number, ORDER] > 0 and gap < work_of(flat, routes, visit):
            return False
        if flat.link[number, ORDER] < 0 and -gap < work_of(flat, routes, other):
            return False
        same = flat.shift[theirs, OWNER] == flat.shift[mine, OWNER]
        if flat.link[number, PEOPLE] and same != (flat.link[number, PEOPLE] == ONE_PERSON):
            return False
        if flat.link[number, SAME_DAY] and flat.shift[theirs, DAY] != flat.shift[mine, DAY]:
            return False
    return True


@compiled
def _push(flat: Flat, routes: Routes, visit: int) -> bool:
    """Raise the floors of a planned visit's partners that begin too early for it; whether any rose."""
    begun, rose = routes.span[visit, BEGUN], False
    first = flat.visit[visit, FIRST_LINK]
    for number in range(first, first + flat.visit[visit, LINKS]):
        other = flat.link[number, OTHER]
        if routes.shift_of[other] < 0:
            continue
        least = -NEVER
        if flat.link[number, LEAST] > -NEVER:
            least = begun + flat.link[number, LEAST]
        if flat.link[number, ORDER] > 0:
            least = max(least, begun + work_of(flat, routes, visit))
        if routes.span[other, BEGUN] < least and routes.span[other, FLOOR] < least:
            routes.span[other, FLOOR] = least
            rose = True
    return rose


@compiled
def time_together(flat: Flat, routes: Routes, linked: Ints, profile: Profile) -> bool:
    """Time all routes that links join, each visit as early as all links allow; False: none does.

    The routes must have been remembered before: all of them change.
    """
    for visit in linked:
        free_bounds(routes, visit)
    for round_ in range(_ROUNDS):
        for visit in linked:
            shift = routes.shift_of[visit]
            if shift >= 0 and _is_first(flat, routes, shift, visit):
                if not time_forward(flat, routes, shift, 0, NEVER, profile):
                    return False
                begin_times(flat, routes, shift, profile)
        rose = False
        for visit in linked:
            if routes.shift_of[visit] >= 0:
                rose = _push(flat, routes, visit) or rose
        if not rose:
            break
        if round_ == _ROUNDS - 1:
            return False
    for visit in linked:
        if routes.shift_of[visit] >= 0:
            if not is_kept(flat, routes, visit):
                return False
            draw_bounds(flat, routes, visit, routes.shift_of[visit])
    for visit in linked:
        shift = routes.shift_of[visit]
        if (
            shift >= 0
            and _is_first(flat, routes, shift, visit)
            and not time_route(flat, routes, shift, profile)
        ):
            return False
    return True


@compiled
def _is_first(flat: Flat, routes: Routes, shift: int, visit: int) -> bool:
    """Whether a visit is the first of its route that has links: each route is then timed once."""
    visits = len(flat.able)
    for at in range(1, routes.sum[shift, STOPS] + 1):
        node = routes.row[shift, NODE, at]
        if node == visit:
            return True
        if node < visits and flat.visit[node, LINKS] > 0:
            return False
    return False


@compiled
def insert_at(
    flat: Flat,
    routes: Routes,
    shift: int,
    position: int,
    visit: int,
    begin: int,
    profile: Profile,
) -> bool:
    """Put a visit after a position, to begin at one instant."""
    routes.span[visit, FLOOR] = routes.span[visit, CEILING] = begin
    if insert(flat, routes, shift, position, visit, profile):
        return True
    free_bounds(routes, visit)
    return False


@compiled
def drop_linked(flat: Flat, routes: Routes, visit: int, profile: Profile) -> bool:
    """Take one planned visit out of its route; False where the rest cannot do without it."""
    shift = routes.shift_of[visit]
    at = 1
    while routes.row[shift, NODE, at] != visit:
        at += 1
    routes.shift_of[visit] = -1
    take(flat, routes, shift, visit, -1)
    free_bounds(routes, visit)
    remove_at(routes, shift, at)
    count_parts(flat, routes, shift)
    kept = time_route(flat, routes, shift, profile)
    if len(flat.at_depot) > 0:
        kept = drop_refills(flat, routes, shift, profile) and kept
    if routes.sum[shift, VISITS] == 0:
        settle_spare(flat, routes, shift)
    return kept


@compiled
def may_leave(flat: Flat, routes: Routes, visit: int) -> bool:
    """Whether a planned visit stands behind the fixed beginning of its route."""
    shift = routes.shift_of[visit]
    free = True
    for at in range(1, flat.shift[shift, FIXED_STOPS] + 1):
        free = free and routes.row[shift, NODE, at] != visit
    return free


@compiled
def worth_of_group(flat: Flat, routes: Routes, visit: int) -> int:
    """Return what leaving out a visit and its partners that go with it costs, those planned apart."""
    worth = flat.visit[visit, PRICE_OF_DROP]
    first = flat.visit[visit, FIRST_LINK]
    for number in range(first, first + flat.visit[visit, LINKS]):
        other = flat.link[number, OTHER]
        if flat.link[number, TOGETHER] and routes.shift_of[other] < 0:
            worth += flat.visit[other, PRICE_OF_DROP]
    return worth
