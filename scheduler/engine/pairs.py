"""Places for two visits at once in the compiled search: on two routes at instants that suit both."""

from __future__ import annotations

from scheduler.engine.bounds import draw_bounds
from scheduler.engine.columns import (
    AT,
    DAY,
    EDGE,
    FIXED_STOPS,
    FOUND,
    GREATEST_GAP,
    IF_USED,
    KIND,
    LEAST,
    NEEDED,
    NEVER,
    ONE_PERSON,
    ORDER,
    OTHER,
    OWNER,
    PACE,
    PEOPLE,
    PLACE,
    RESTS,
    SAME_DAY,
    STOPS,
    VISITS,
    Flat,
    Ints,
    Profile,
    Routes,
)
from scheduler.engine.compiled import compiled
from scheduler.engine.dice import Words, uniform
from scheduler.engine.instants import (
    arrival,
    departure,
    drive_s,
    drive_to_s,
    first_start,
    last_start,
)
from scheduler.engine.places import (
    first_with_parts,
    may_join,
    routes_around,
    soonest,
    time_prices,
)

# Columns of a list of places.
(
    PLACE_PRICE,
    PLACE_SHIFT,
    PLACE_POSITION,
    EARLIEST,
    LATEST_START,
    THERE,
    BACK,
    RESTED,
    RESTED_AFTER,
) = range(9)
PLACE_COLUMNS = 9
MOST_PLACES = 10

PAIR_BLINK = 0.1
"""How often two places that would be the best yet are not seen: more often than one, since nothing else
makes two visits change partners' routes."""


@compiled
def list_places(
    flat: Flat,
    routes: Routes,
    visit: int,
    shifts: Ints,
    places: Ints,
    latest: int,
    profile: Profile,
) -> int:
    """Write the cheapest places of a visit, cheapest first, to `places`; return how many there are."""
    count = 0
    row = routes.row
    here, visits = flat.visit[visit, PLACE], len(flat.able)
    for number in range(routes_around(flat, routes, visit, shifts)):
        shift = shifts[number, FOUND]
        stops = routes.sum[shift, STOPS]
        if stops + 4 > row.shape[2] or not may_join(flat, routes, visit, shift):
            continue
        draw_bounds(flat, routes, visit, shift)
        first = max(flat.shift[shift, FIXED_STOPS], first_with_parts(flat, routes, visit, shift))
        work = flat.work[visit, flat.shift[shift, PACE]]
        rests = flat.shift[shift, RESTS]
        base = flat.fixed[visit, flat.shift[shift, KIND]]
        if routes.sum[shift, VISITS] == 0:
            base += routes.sum[shift, IF_USED]
        for position in range(first, stops + 1):
            there = drive_to_s(flat, here, row[shift, AT, position])
            back = drive_s(flat, here, row[shift, AT, position + 1])
            price = base + there + back - row[shift, EDGE, position + 1]
            if count == MOST_PLACES and price >= places[count - 1, PLACE_PRICE]:
                continue
            start, arrive, j_chosen, k_chosen = soonest(
                flat, routes, shift, position, visit, there, back, profile
            )
            if start >= NEVER:
                continue
            ends = departure(
                flat,
                rests,
                row[shift, NEEDED + 2 * k_chosen, position + 1],
                back,
                j_chosen,
                k_chosen,
            )
            last = last_start(flat, routes, visit, ends - work, profile)
            price += time_prices(
                flat, routes, shift, position, visit, start, arrive, there, back, latest, profile
            )
            if count == MOST_PLACES and price >= places[count - 1, PLACE_PRICE]:
                continue
            at = count if count < MOST_PLACES else MOST_PLACES - 1
            count = min(count + 1, MOST_PLACES)
            while at > 0 and places[at - 1, PLACE_PRICE] > price:
                for column in range(PLACE_COLUMNS):
                    places[at, column] = places[at - 1, column]
                at -= 1
            places[at, PLACE_PRICE], places[at, PLACE_SHIFT] = price, shift
            places[at, PLACE_POSITION], places[at, EARLIEST] = position, start
            places[at, LATEST_START], places[at, THERE], places[at, BACK] = last, there, back
            places[at, RESTED], places[at, RESTED_AFTER] = j_chosen, k_chosen
    return count if visit < visits else 0


@compiled
def price_at(
    flat: Flat,
    routes: Routes,
    visit: int,
    places: Ints,
    number: int,
    start: int,
    latest: int,
    profile: Profile,
) -> int:
    """Return what a listed place costs where work begins at `start`; `NEVER` where it cannot."""
    shift, position = places[number, PLACE_SHIFT], places[number, PLACE_POSITION]
    there, back = places[number, THERE], places[number, BACK]
    if start == places[number, EARLIEST]:
        return places[number, PLACE_PRICE]
    if start > places[number, LATEST_START]:
        return NEVER
    if first_start(flat, routes, visit, start, profile) != start:
        return NEVER
    base = flat.fixed[visit, flat.shift[shift, KIND]]
    if routes.sum[shift, VISITS] == 0:
        base += routes.sum[shift, IF_USED]
    arrive = arrival(
        flat,
        flat.shift[shift, RESTS],
        start + flat.work[visit, flat.shift[shift, PACE]],
        back,
        places[number, RESTED],
        places[number, RESTED_AFTER],
    )
    price = base + there + back - routes.row[shift, EDGE, position + 1]
    return price + time_prices(
        flat, routes, shift, position, visit, start, arrive, there, back, latest, profile
    )


@compiled
def best_pair(
    flat: Flat,
    routes: Routes,
    visit: int,
    link: int,
    mine: Ints,
    theirs: Ints,
    counts: tuple[int, int],
    dice: Words,
    blink: float,
    latest: int,
    profile: Profile,
) -> tuple[int, int, int, int, int]:
    """Return (price, place of this visit, place of its partner, and both beginnings) of the cheapest pair."""
    other = flat.link[link, OTHER]
    best, chosen, chosen_other, begin, begin_other = NEVER, 0, 0, 0, 0
    for one in range(counts[0]):
        shift = mine[one, PLACE_SHIFT]
        work = flat.work[visit, flat.shift[shift, PACE]]
        draw_bounds(flat, routes, visit, shift)
        for two in range(counts[1]):
            if mine[one, PLACE_PRICE] + theirs[two, PLACE_PRICE] >= best:
                break
            partner = theirs[two, PLACE_SHIFT]
            same = flat.shift[shift, OWNER] == flat.shift[partner, OWNER]
            people = flat.link[link, PEOPLE]
            if shift == partner or (people and same != (people == ONE_PERSON)):
                continue
            if flat.link[link, SAME_DAY] and flat.shift[shift, DAY] != flat.shift[partner, DAY]:
                continue
            draw_bounds(flat, routes, other, partner)
            least, most = flat.link[link, LEAST], flat.link[link, GREATEST_GAP]
            if flat.link[link, ORDER] > 0:
                least = max(least, work)
            elif flat.link[link, ORDER] < 0:
                most = min(most, -flat.work[other, flat.shift[partner, PACE]])
            start, start_other = mine[one, EARLIEST], theirs[two, EARLIEST]
            if most < NEVER:
                start = max(start, start_other - most)
            start = first_start(flat, routes, visit, start, profile)
            if start >= NEVER:
                continue
            if least > -NEVER:
                start_other = max(start_other, start + least)
            start_other = first_start(flat, routes, other, start_other, profile)
            if start_other >= NEVER:
                continue
            if most < NEVER and start_other > start + most:
                start = first_start(flat, routes, visit, start_other - most, profile)
                if start >= NEVER or start_other - start < least:
                    continue
            price = price_at(flat, routes, visit, mine, one, start, latest, profile)
            if price >= best:
                continue
            price += price_at(flat, routes, other, theirs, two, start_other, latest, profile)
            if price < best and not (blink > 0.0 and uniform(dice) < PAIR_BLINK):
                best, chosen, chosen_other = price, one, two
                begin, begin_other = start, start_other
    return best, chosen, chosen_other, begin, begin_other
