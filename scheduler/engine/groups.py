"""Putting visits that depend on each other into the plan together, and taking them out together."""

from __future__ import annotations

from scheduler.engine.books import BROKEN, GROUP, QUEUE, QUEUED, TICK, TRIED, Work, enqueue, touch
from scheduler.engine.columns import (
    FIRST_LINK,
    LINKS,
    NEVER,
    OTHER,
    PRICE_OF_DROP,
    TOGETHER,
    Flat,
    Ints,
    Profile,
    Routes,
)
from scheduler.engine.compiled import compiled
from scheduler.engine.links import (
    PLACE_POSITION,
    PLACE_SHIFT,
    best_pair,
    draw_bounds,
    drop_linked,
    free_bounds,
    insert_at,
    list_places,
    may_leave,
    redraw_around,
    time_together,
    worth_of_group,
)
from scheduler.engine.places import best_place
from scheduler.engine.refills import best_refill, insert_refill
from scheduler.engine.rides import insert


@compiled
def pull_partners(
    flat: Flat, routes: Routes, work: Work, touched: int, queued: int, profile: Profile
) -> tuple[int, int]:
    """Take out the partners of all that are queued, and queue those left out that go with them."""
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
            elif flat.link[link, TOGETHER] and work.visits[other, QUEUED] != tick:
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
    draw_bounds(flat, routes, visit)
    price, shift, position = best_place(
        flat, routes, visit, work.shifts, work.dice, blink, latest, profile
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
def put_pair(
    flat: Flat,
    routes: Routes,
    work: Work,
    visit: int,
    link: int,
    touched: int,
    worth: int,
    latest: int,
    profile: Profile,
) -> tuple[int, int]:
    """Put a visit and one partner at once, on two routes; return their price, and touched."""
    other = int(flat.link[link, OTHER])
    mine, theirs = work.places[0], work.places[1]
    draw_bounds(flat, routes, visit)
    draw_bounds(flat, routes, other)
    counts = (
        list_places(flat, routes, visit, work.shifts, mine, latest, profile),
        list_places(flat, routes, other, work.shifts, theirs, latest, profile),
    )
    price, one, two, begin, begin_other = best_pair(
        flat, routes, visit, link, mine, theirs, counts, latest, profile
    )
    free_bounds(routes, visit)
    free_bounds(routes, other)
    if price >= worth:
        return NEVER, touched
    shift, partner = int(mine[one, PLACE_SHIFT]), int(theirs[two, PLACE_SHIFT])
    touched = touch(flat, routes, work, shift, touched, profile)
    touched = touch(flat, routes, work, partner, touched, profile)
    touched = touch_around(flat, routes, work, visit, touched, profile)
    touched = touch_around(flat, routes, work, other, touched, profile)
    position, position_other = int(mine[one, PLACE_POSITION]), int(theirs[two, PLACE_POSITION])
    if not insert_at(flat, routes, shift, position, visit, begin, profile):
        return NEVER, touched
    if not insert_at(flat, routes, partner, position_other, other, begin_other, profile):
        if not drop_linked(flat, routes, visit, profile):
            work.total[BROKEN] = 1
        return NEVER, touched
    if not redraw_around(flat, routes, visit, profile):
        work.total[BROKEN] = 1
    if not redraw_around(flat, routes, other, profile):
        work.total[BROKEN] = 1
    return price, touched


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
    worth = worth_of_group(flat, routes, visit)
    paired, price = -1, NEVER
    first = flat.visit[visit, FIRST_LINK]
    for link in range(first, first + flat.visit[visit, LINKS]):
        if flat.link[link, TOGETHER] and routes.shift_of[flat.link[link, OTHER]] < 0:
            paired = link
            break
    count = 0
    if paired >= 0:
        price, touched = put_pair(
            flat, routes, work, visit, paired, touched, worth, latest, profile
        )
        if price < NEVER:
            work.visits[1, GROUP] = flat.link[paired, OTHER]
            count = 2
    if count == 0:
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
