"""Putting visits that depend on each other into the plan together, and taking them out together."""

from __future__ import annotations

from scheduler.engine.books import BROKEN, GROUP, QUEUE, QUEUED, TICK, TRIED, Work, enqueue, touch
from scheduler.engine.bounds import draw_bounds, free_bounds
from scheduler.engine.columns import (
    FIRST_LINK,
    GREATEST_GAP,
    KIND,
    LINKS,
    NEVER,
    ORDER,
    OTHER,
    PEOPLE,
    PRICE_OF_DROP,
    TOGETHER,
    TWO_PEOPLE,
    Flat,
    Ints,
    Profile,
    Routes,
)
from scheduler.engine.compiled import compiled
from scheduler.engine.dice import uniform
from scheduler.engine.links import (
    drop_linked,
    insert_at,
    may_leave,
    redraw_around,
    time_together,
    worth_of_group,
)
from scheduler.engine.pairs import (
    EARLIEST,
    PLACE_POSITION,
    PLACE_PRICE,
    PLACE_SHIFT,
    best_pair,
    list_places,
)
from scheduler.engine.places import best_place, may_join
from scheduler.engine.refills import best_refill, insert_refill
from scheduler.engine.rides import insert

_TOGETHER = 0.5
"""How often visits that may be planned without each other are put in at once."""


@compiled
def pull_partners(
    flat: Flat, routes: Routes, work: Work, touched: int, queued: int, profile: Profile
) -> tuple[int, int]:
    """Take out the partners of all that are queued, and queue those that are left out."""
    tick = work.total[TICK]
    number = 0
    while number < queued:
        visit = int(work.visits[number, QUEUE])
        number += 1
        first = flat.visit[visit, FIRST_LINK]
        for link in range(first, first + flat.visit[visit, LINKS]):
            other = int(flat.link[link, OTHER])
            if routes.shift_of[other] >= 0:
                if may_leave(flat, routes, other):
                    shift = int(routes.shift_of[other])
                    touched = touch(flat, routes, work, shift, touched, profile)
                    if not drop_linked(flat, routes, other, profile):
                        work.total[BROKEN] = 1
                    queued = enqueue(work, other, queued)
            elif work.visits[other, QUEUED] != tick:
                queued = enqueue(work, other, queued)
    return touched, queued


@compiled
def queue_group(flat: Flat, routes: Routes, work: Work, queued: int) -> int:
    """Queue those left out that go with what is queued; return the queue's length."""
    number = 0
    while number < queued:
        visit = int(work.visits[number, QUEUE])
        number += 1
        first = flat.visit[visit, FIRST_LINK]
        for link in range(first, first + flat.visit[visit, LINKS]):
            other = int(flat.link[link, OTHER])
            out = flat.link[link, TOGETHER] and routes.shift_of[other] < 0
            if out and work.visits[other, QUEUED] != work.total[TICK]:
                queued = enqueue(work, other, queued)
    return queued


@compiled
def touch_around(
    flat: Flat, routes: Routes, work: Work, visit: int, touched: int, profile: Profile
) -> int:
    """Remember the routes of a visit's planned partners."""
    first = flat.visit[visit, FIRST_LINK]
    for link in range(first, first + flat.visit[visit, LINKS]):
        shift = int(routes.shift_of[flat.link[link, OTHER]])
        if shift >= 0:
            touched = touch(flat, routes, work, shift, touched, profile)
    return touched


@compiled
def put_one(
    flat: Flat,
    routes: Routes,
    work: Work,
    visit: int,
    touched: int,
    blink: float,
    latest: int,
    profile: Profile,
) -> tuple[int, int]:
    """Put a visit where its planned partners allow; return its price, `NEVER` where nowhere, and touched."""
    price, shift, position = best_place(
        flat, routes, visit, work.shifts, -1, work.dice, blink, latest, profile
    )
    depot = -1
    if len(flat.at_depot) > 0:
        refilled, other, behind, store = best_refill(
            flat, routes, visit, work.shifts, work.dice, blink, latest, profile
        )
        if refilled < price:
            price, shift, position, depot = refilled, other, behind, store
    if shift < 0:
        free_bounds(routes, visit)
        return NEVER, touched
    draw_bounds(flat, routes, visit, shift)
    touched = touch(flat, routes, work, shift, touched, profile)
    touched = touch_around(flat, routes, work, visit, touched, profile)
    if depot >= 0:
        done = insert_refill(flat, routes, shift, position, depot, visit, profile)
    else:
        done = insert(flat, routes, shift, position, visit, profile)
    if not done:
        free_bounds(routes, visit)
        return NEVER, touched
    if not redraw_around(flat, routes, visit, profile):
        work.total[BROKEN] = 1
    return price, touched


@compiled
def best_on_one_route(
    flat: Flat,
    routes: Routes,
    work: Work,
    first: int,
    second: int,
    places: Ints,
    count: int,
    touched: int,
    limit: int,
    latest: int,
    profile: Profile,
) -> tuple[int, int, int, int]:
    """Return (price, number of the first's place, position of the second, touched): both on one route.

    The first is really put into each of its places in turn, so that what the second costs there is exact.
    The price is `NEVER` where no such pair is cheaper than `limit`.
    """
    best, chosen, position = limit, -1, 0
    for number in range(count):
        price, shift = places[number, PLACE_PRICE], int(places[number, PLACE_SHIFT])
        if price >= best:
            break
        if not flat.able[second, flat.shift[shift, KIND]]:
            continue
        if not may_join(flat, routes, second, shift):
            continue
        touched = touch(flat, routes, work, shift, touched, profile)
        after, begin = int(places[number, PLACE_POSITION]), int(places[number, EARLIEST])
        if not insert_at(flat, routes, shift, after, first, begin, profile):
            continue
        more, _, behind = best_place(
            flat, routes, second, work.shifts, shift, work.dice, 0.0, latest, profile
        )
        free_bounds(routes, second)
        if not drop_linked(flat, routes, first, profile):
            work.total[BROKEN] = 1
        if price + more < best:
            best, chosen, position = price + more, number, behind
    return best if chosen >= 0 else NEVER, chosen, position, touched


@compiled
def comes_second(flat: Flat, link: int) -> bool:
    """Whether the visit that a link is seen from begins after the other."""
    return flat.link[link, ORDER] < 0 or flat.link[link, GREATEST_GAP] <= 0


@compiled
def put_pair(
    flat: Flat,
    routes: Routes,
    work: Work,
    visit: int,
    link: int,
    touched: int,
    worth: int,
    blink: float,
    latest: int,
    profile: Profile,
) -> tuple[int, int]:
    """Put a visit and one partner at once where they cost least, on two routes or on one.

    Return their price, and touched.
    """
    other = int(flat.link[link, OTHER])
    mine, theirs = work.places[0], work.places[1]
    counts = (
        list_places(flat, routes, visit, work.shifts, mine, latest, profile),
        list_places(flat, routes, other, work.shifts, theirs, latest, profile),
    )
    price, one, two, begin, begin_other = best_pair(
        flat, routes, visit, link, mine, theirs, counts, work.dice, blink, latest, profile
    )
    free_bounds(routes, visit)
    free_bounds(routes, other)
    shift, partner = int(mine[one, PLACE_SHIFT]), int(theirs[two, PLACE_SHIFT])
    position, position_other = int(mine[one, PLACE_POSITION]), int(theirs[two, PLACE_POSITION])
    if flat.link[link, PEOPLE] != TWO_PEOPLE:
        if comes_second(flat, link):
            visit, other, mine, counts = other, visit, theirs, (counts[1], counts[0])
            shift, partner, position, position_other = partner, shift, position_other, position
            begin, begin_other = begin_other, begin
        limit = min(price, worth)
        on_one, place, behind, touched = best_on_one_route(
            flat,
            routes,
            work,
            visit,
            other,
            mine,
            counts[0],
            touched,
            limit,
            latest,
            profile,
        )
        if on_one < limit:
            price, begin = on_one, int(mine[place, EARLIEST])
            shift = partner = int(mine[place, PLACE_SHIFT])
            position, position_other = int(mine[place, PLACE_POSITION]), behind
            begin_other = NEVER  # as soon as the first allows
    if price >= worth:
        return NEVER, touched
    touched = touch(flat, routes, work, shift, touched, profile)
    touched = touch(flat, routes, work, partner, touched, profile)
    touched = touch_around(flat, routes, work, visit, touched, profile)
    touched = touch_around(flat, routes, work, other, touched, profile)
    if not insert_at(flat, routes, shift, position, visit, begin, profile):
        return NEVER, touched
    if begin_other < NEVER:
        done = insert_at(flat, routes, partner, position_other, other, begin_other, profile)
    else:
        draw_bounds(flat, routes, other, partner)
        done = insert(flat, routes, partner, position_other, other, profile)
    if not done:
        free_bounds(routes, other)
        if not drop_linked(flat, routes, visit, profile):
            work.total[BROKEN] = 1
        return NEVER, touched
    if not redraw_around(flat, routes, visit, profile):
        work.total[BROKEN] = 1
    if not redraw_around(flat, routes, other, profile):
        work.total[BROKEN] = 1
    return price, touched


@compiled
def partner_to_put(flat: Flat, routes: Routes, work: Work, visit: int) -> int:
    """Return the link to a partner that is to be put in at once with a visit, -1 where there is none.

    One that has to come with it; else one that is being moved as well, every other time: put in one
    after the other, the first takes its earliest instant, which may leave the second none.
    """
    found = -1
    first = flat.visit[visit, FIRST_LINK]
    for link in range(first, first + flat.visit[visit, LINKS]):
        other = flat.link[link, OTHER]
        if routes.shift_of[other] < 0:
            if flat.link[link, TOGETHER]:
                return link
            if work.visits[other, QUEUED] == work.total[TICK]:
                found = link
    if found >= 0 and uniform(work.dice) < _TOGETHER:
        return found
    return -1


@compiled
def put_group(
    flat: Flat,
    routes: Routes,
    work: Work,
    visit: int,
    touched: int,
    blink: float,
    latest: int,
    profile: Profile,
) -> int:
    """Put a visit and all that goes with it into the plan, or nothing of it; return touched."""
    tick = work.total[TICK]
    if work.visits[visit, TRIED] == tick:
        return touched
    work.visits[visit, TRIED] = tick
    alone = worth = worth_of_group(flat, routes, visit)
    price, count = NEVER, 0
    paired = partner_to_put(flat, routes, work, visit)
    if paired >= 0 and not flat.link[paired, TOGETHER]:
        worth += worth_of_group(flat, routes, int(flat.link[paired, OTHER]))
    if paired >= 0:
        price, touched = put_pair(
            flat, routes, work, visit, paired, touched, worth, blink, latest, profile
        )
        if price < NEVER:
            work.visits[1, GROUP] = flat.link[paired, OTHER]
            count = 2
    if count == 0:
        worth = alone
        price, touched = put_one(flat, routes, work, visit, touched, blink, latest, profile)
        if price >= NEVER:
            return touched
        count = 1
    work.visits[0, GROUP] = visit
    number, complete = 0, price < worth
    while number < count and complete:
        member = int(work.visits[number, GROUP])
        number += 1
        first = flat.visit[member, FIRST_LINK]
        for link in range(first, first + flat.visit[member, LINKS]):
            other = int(flat.link[link, OTHER])
            if flat.link[link, TOGETHER] and routes.shift_of[other] < 0 and complete:
                work.visits[other, TRIED] = tick
                more, touched = put_one(flat, routes, work, other, touched, blink, latest, profile)
                if more < NEVER:
                    price += more
                    work.visits[count, GROUP] = other
                    count += 1
                complete = more < NEVER and price < worth + flat.visit[other, PRICE_OF_DROP]
    if not complete:
        for number in range(count):
            member = int(work.visits[number, GROUP])
            if not drop_linked(flat, routes, member, profile):
                work.total[BROKEN] = 1
    return touched


@compiled
def time_links(
    flat: Flat, routes: Routes, work: Work, touched: int, linked: Ints, profile: Profile
) -> int:
    """Time all routes with links together; return touched."""
    for visit in linked:
        shift = int(routes.shift_of[visit])
        if shift >= 0:
            touched = touch(flat, routes, work, shift, touched, profile)
    if not time_together(flat, routes, linked, profile):
        work.total[BROKEN] = 1
    return touched
