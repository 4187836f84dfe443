"""Stops at depots in the compiled search: put in with a visit whose parts the van lacks, taken out unused.

After such a stop a route has the depot's parts in any number; before it, what its van carries. Another route
of the same technician starts again with the van alone.
"""

from __future__ import annotations

from scheduler.engine.bounds import draw_bounds
from scheduler.engine.columns import (
    AT,
    CLOSES,
    EDGE,
    FIXED_STOPS,
    FOUND,
    IF_USED,
    KIND,
    LABELS,
    LEAVES,
    LEFT,
    LINKS,
    NEEDED,
    NEVER,
    NODE,
    OWNER,
    PACE,
    PLACE,
    RESTS,
    STOPS,
    VISITS,
    Flat,
    Ints,
    Profile,
    Routes,
)
from scheduler.engine.compiled import compiled
from scheduler.engine.dice import Words, uniform
from scheduler.engine.instants import arrival, drive_s, drive_to_s, first_start
from scheduler.engine.places import first_with_parts, may_join, routes_around, time_prices
from scheduler.engine.rides import count_parts, remove_at, settle_spare, take, time_route


@compiled
def drop_refills(flat: Flat, routes: Routes, shift: int, profile: Profile) -> bool:
    """Take out the stops at depots that a route can do without; False where it then cannot be timed."""
    row, owner = routes.row, flat.shift[shift, OWNER]
    first_depot = len(flat.visit) - len(flat.at_depot)
    kept = True
    position = routes.sum[shift, STOPS]
    while position > 0:
        node = row[shift, NODE, position]
        if node >= first_depot:
            remove_at(routes, shift, position)
            count_parts(flat, routes, shift)
            enough = True
            for part in range(flat.need.shape[1]):
                if routes.owner[owner, LEFT + part] < 0:
                    enough = False
            if enough:
                kept = time_route(flat, routes, shift, profile)
            else:
                _put_at(flat, routes, shift, position, node)
                count_parts(flat, routes, shift)
        position -= 1
    return kept


@compiled
def _put_at(flat: Flat, routes: Routes, shift: int, position: int, node: int) -> None:
    """Make a node the stop at a position; the route has to be timed anew."""
    row = routes.row
    for at in range(routes.sum[shift, STOPS] + 1, position - 1, -1):
        row[shift, NODE, at + 1] = row[shift, NODE, at]
        row[shift, AT, at + 1] = row[shift, AT, at]
    row[shift, NODE, position] = node
    row[shift, AT, position] = flat.visit[node, PLACE]
    routes.sum[shift, STOPS] += 1


@compiled
def best_refill(
    flat: Flat,
    routes: Routes,
    visit: int,
    shifts: Ints,
    dice: Words,
    blink: float,
    latest: int,
    profile: Profile,
) -> tuple[int, int, int, int]:
    """Return (price, shift, position after which, depot) of the cheapest place behind a stop at a depot.

    Only where the van lacks something; the shift is -1 where there is no such place.
    """
    best, best_shift, best_position, best_depot = NEVER, -1, 0, -1
    row = routes.row
    here, closes = flat.visit[visit, PLACE], flat.visit[visit, CLOSES]
    first_depot = len(flat.visit) - len(flat.at_depot)
    for number in range(routes_around(flat, routes, visit, shifts)):
        shift = shifts[number, FOUND]
        stops, first = routes.sum[shift, STOPS], flat.shift[shift, FIXED_STOPS]
        beyond = min(first_with_parts(flat, routes, visit, shift), stops + 1)
        if first >= beyond or stops + 4 > row.shape[2] or not may_join(flat, routes, visit, shift):
            continue
        if flat.visit[visit, LINKS] > 0:
            draw_bounds(flat, routes, visit, shift)
        pace, rests = flat.shift[shift, PACE], flat.shift[shift, RESTS]
        work, labels = flat.work[visit, pace], flat.shift[shift, LABELS]
        base = flat.fixed[visit, flat.shift[shift, KIND]]
        if routes.sum[shift, VISITS] == 0:
            base += routes.sum[shift, IF_USED]
        for depot in range(first_depot, len(flat.visit)):
            if not _has_what_lacks(flat, routes, visit, shift, depot - first_depot):
                continue
            store, service = flat.visit[depot, PLACE], flat.work[depot, pace]
            on = drive_s(flat, store, here)
            for position in range(first, beyond):
                if row[shift, LEAVES, position] > closes and labels == 1:
                    break
                out = drive_to_s(flat, store, row[shift, AT, position])
                back = drive_s(flat, here, row[shift, AT, position + 1])
                price = base + out + on + back - row[shift, EDGE, position + 1]
                if price >= best:
                    continue
                start, arrive = NEVER, NEVER
                for i in range(labels):
                    left = row[shift, LEAVES + 2 * i, position]
                    if left >= NEVER:
                        continue
                    for between in range(i, labels):
                        reach = arrival(flat, rests, left, out, i, between)
                        if reach >= NEVER:
                            continue
                        for j in range(between, labels):
                            there = arrival(flat, rests, reach + service, on, between, j)
                            begin = first_start(flat, routes, visit, there, profile)
                            if begin >= NEVER:
                                continue
                            for k in range(j, labels):
                                after = arrival(flat, rests, begin + work, back, j, k)
                                needed = row[shift, NEEDED + 2 * k, position + 1]
                                if after <= needed and after < arrive:
                                    start, arrive = begin, after
                if start >= NEVER:
                    continue
                price += time_prices(
                    flat,
                    routes,
                    shift,
                    position,
                    visit,
                    start,
                    arrive,
                    out + service + on,
                    back,
                    latest,
                    profile,
                )
                if price >= best:
                    continue
                if blink > 0.0 and uniform(dice) < blink:
                    continue
                best, best_shift, best_position, best_depot = price, shift, position, depot
    return best, best_shift, best_position, best_depot


@compiled
def _has_what_lacks(flat: Flat, routes: Routes, visit: int, shift: int, depot: int) -> bool:
    """Whether a depot has all parts of a visit that the van has not."""
    owner = flat.shift[shift, OWNER]
    found = True
    for part in range(flat.need.shape[1]):
        if flat.need[visit, part] > routes.owner[owner, LEFT + part]:
            found = found and flat.at_depot[depot, part] > 0
    return found


@compiled
def insert_refill(
    flat: Flat,
    routes: Routes,
    shift: int,
    position: int,
    depot: int,
    visit: int,
    profile: Profile,
) -> bool:
    """Put a stop at a depot and a visit after a position; False, and nothing changed, where that fails.

    The stop then goes where the way to it is shortest, as far as time allows.
    """
    _put_at(flat, routes, shift, position + 1, depot)
    _put_at(flat, routes, shift, position + 2, visit)
    if not time_route(flat, routes, shift, profile):
        remove_at(routes, shift, position + 2)
        remove_at(routes, shift, position + 1)
        time_route(flat, routes, shift, profile)
        return False
    routes.shift_of[visit] = shift
    take(flat, routes, shift, visit, 1)
    earlier = _shortest_way(flat, routes, shift, position + 1, depot)
    if earlier <= position:
        remove_at(routes, shift, position + 1)
        _put_at(flat, routes, shift, earlier, depot)
        if not time_route(flat, routes, shift, profile):
            remove_at(routes, shift, earlier)
            _put_at(flat, routes, shift, position + 1, depot)
            time_route(flat, routes, shift, profile)
    count_parts(flat, routes, shift)
    if routes.sum[shift, VISITS] == 1:
        settle_spare(flat, routes, shift)
    return True


@compiled
def _shortest_way(flat: Flat, routes: Routes, shift: int, present: int, depot: int) -> int:
    """Return the position up to the present one at which a stop at a depot costs the least driving."""
    row, store = routes.row, flat.visit[depot, PLACE]
    best, found = NEVER, present
    for position in range(flat.shift[shift, FIXED_STOPS] + 1, present + 1):
        after = row[shift, AT, position + 1] if position == present else row[shift, AT, position]
        before = row[shift, AT, position - 1]
        detour = drive_to_s(flat, store, before) + drive_s(flat, store, after)
        detour -= drive_s(flat, before, after)
        if detour <= best:
            best, found = detour, position
    return found
