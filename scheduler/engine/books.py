"""What the compiled search keeps beside its routes: who is left out, what was changed, the best plan."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scheduler.engine.bounds import draw_bounds, free_bounds
from scheduler.engine.columns import (
    BALANCE,
    BEGIN,
    BEGUN,
    CHANGED_AT,
    COST,
    DRIVE,
    GREATEST,
    LABELS,
    LATEST,
    LEAVES,
    NODE,
    OWNER,
    PRICE_OF_DROP,
    STOPS,
    VISITS,
    WORKED,
    Flat,
    Ints,
    Linked,
    Profile,
    Routes,
)
from scheduler.engine.compiled import compiled
from scheduler.engine.dice import Words
from scheduler.engine.instants import balance_price
from scheduler.engine.pairs import MOST_PLACES, PLACE_COLUMNS
from scheduler.engine.rides import price_route, settle_spare

# Columns of `Work.visits`, and of `Work.shifts`.
OUT, OUT_AT, QUEUE, QUEUED, TRIED, GROUP = range(6)
TOUCHED, TOUCHED_AT, DIRTY, IS_DIRTY = range(4)

# Places in `Work.total`.
PRESENT, BEST, TICK, LEFT_OUT, DIRTY_COUNT, FULL, BROKEN = range(7)
TOTAL_COUNT = 7


class Work(NamedTuple):
    """What the search needs beside the routes."""

    before: Routes
    """The routes touched in this iteration as they were."""
    best: Ints
    """(shifts, capacity): the cheapest plan yet, for each shift the number of its stops and the nodes."""
    best_span: Ints
    """`Routes.span` in it, of visits that depend on others."""
    visits: Ints
    """(visits, 6): `OUT`, the visits in no route, the first `total[LEFT_OUT]`; `OUT_AT`, where each is in
    that list, -1 where not; `QUEUE`, visits being moved; `QUEUED`, the iteration each was last in it;
    `TRIED`, in which it was last tried with its partners; `GROUP`, partners that were just put in."""
    shifts: Ints
    """(shifts + 1, 6): `TOUCHED`, shifts changed in this iteration; `TOUCHED_AT`, the last in which each
    was; `DIRTY`, shifts that are not as in the best plan; `IS_DIRTY`; `SEEN` and `FOUND` of `places`."""
    places: Ints
    """(2, `MOST_PLACES`, `PLACE_COLUMNS`) of `pairs`."""
    total: Ints
    dice: Words


def copied(routes: Routes) -> Routes:
    return Routes(
        routes.row.copy(),
        routes.sum.copy(),
        routes.shift_of.copy(),
        routes.owner.copy(),
        routes.taken.copy(),
        routes.span.copy(),
        routes.spare.copy(),
    )


def workspace(flat: Flat, routes: Routes, dice: Words) -> Work:
    """Return room for a search on these routes, in which every visit is left out yet."""
    visits = np.zeros((len(flat.able), 6), np.int64)
    visits[:, OUT_AT] = -1
    return Work(
        before=copied(routes),
        best=np.zeros((len(flat.shift), routes.row.shape[2]), np.int64),
        best_span=routes.span.copy(),
        visits=visits,
        shifts=np.zeros((len(flat.shift) + 1, 6), np.int64),
        places=np.zeros((2, MOST_PLACES, PLACE_COLUMNS), np.int64),
        total=np.zeros(TOTAL_COUNT, np.int64),
        dice=dice,
    )


@compiled
def copy_route(flat: Flat, source: Routes, target: Routes, shift: int, profile: Profile) -> None:
    """Copy what there is of one route."""
    count = source.sum[shift, STOPS] + 2
    rows = LEAVES + 2
    if len(profile) > 0:
        rows = LEAVES + 2 * flat.shift[shift, LABELS]
    for row in range(rows):
        if len(profile) > 1 or row < BEGIN or row >= LEAVES:
            for at in range(count):
                target.row[shift, row, at] = source.row[shift, row, at]
    for column in range(source.sum.shape[1]):
        target.sum[shift, column] = source.sum[shift, column]
    for part in range(source.taken.shape[1]):
        target.taken[shift, part] = source.taken[shift, part]


@compiled
def touch(flat: Flat, routes: Routes, work: Work, shift: int, count: int, profile: Profile) -> int:
    """Remember a route before its first change in this iteration; return how many were touched."""
    tick = work.total[TICK]
    if work.shifts[shift, TOUCHED_AT] == tick:
        return count
    work.shifts[shift, TOUCHED_AT] = tick
    copy_route(flat, routes, work.before, shift, profile)
    owner = flat.shift[shift, OWNER]
    if work.before.owner[owner, CHANGED_AT] != tick:
        for column in range(routes.owner.shape[1]):
            work.before.owner[owner, column] = routes.owner[owner, column]
        work.before.owner[owner, CHANGED_AT] = tick
    work.shifts[count, TOUCHED] = shift
    return count + 1


@compiled
def restore(
    flat: Flat,
    routes: Routes,
    work: Work,
    count: int,
    queued: int,
    linked: Linked,
    profile: Profile,
) -> None:
    """Undo this iteration."""
    visits = len(flat.able)
    for number in range(queued):
        routes.shift_of[work.visits[number, QUEUE]] = -1
    for number in range(count):
        shift = work.shifts[number, TOUCHED]
        was_used = routes.sum[shift, VISITS] > 0
        copy_route(flat, work.before, routes, shift, profile)
        for at in range(1, routes.sum[shift, STOPS] + 1):
            node = routes.row[shift, NODE, at]
            if node < visits:
                routes.shift_of[node] = shift
                if len(profile) > 1:
                    routes.span[node, BEGUN] = routes.row[shift, BEGIN, at]
        owner = flat.shift[shift, OWNER]
        for column in range(routes.owner.shape[1]):
            routes.owner[owner, column] = work.before.owner[owner, column]
        if was_used != (routes.sum[shift, VISITS] > 0):
            settle_spare(flat, routes, shift)
    if linked is not None:
        for visit in linked:
            if routes.shift_of[visit] >= 0:
                draw_bounds(flat, routes, visit, routes.shift_of[visit])
            else:
                free_bounds(routes, visit)


@compiled
def enqueue(work: Work, visit: int, queued: int) -> int:
    """Put a visit into the queue; return its length."""
    work.visits[queued, QUEUE] = visit
    work.visits[visit, QUEUED] = work.total[TICK]
    return queued + 1


@compiled
def change_of(
    flat: Flat, routes: Routes, work: Work, touched: int, queued: int, profile: Profile
) -> int:
    """Return what this iteration adds to the plan's cost, the greatest lateness apart."""
    change, tick = 0, work.total[TICK]
    for number in range(touched):
        shift = work.shifts[number, TOUCHED]
        if len(profile) < 2:
            price_route(flat, routes, shift, profile)
        change += routes.sum[shift, COST] - work.before.sum[shift, COST]
        owner = flat.shift[shift, OWNER]
        if (
            len(profile) > 1
            and flat.target[owner] >= 0
            and work.before.owner[owner, CHANGED_AT] == tick
        ):
            work.before.owner[
                owner, CHANGED_AT
            ] = -tick  # counted once, however many shifts the owner has
            change += balance_price(flat, owner, routes.owner[owner, WORKED])
            change -= balance_price(flat, owner, work.before.owner[owner, WORKED])
    for number in range(queued):
        visit = work.visits[number, QUEUE]
        if routes.shift_of[visit] < 0:
            change += flat.visit[visit, PRICE_OF_DROP]
        if work.visits[visit, OUT_AT] >= 0:
            change -= flat.visit[visit, PRICE_OF_DROP]
    return change


@compiled
def commit(routes: Routes, work: Work, touched: int, queued: int) -> None:
    """Take an accepted iteration into the books."""
    visits, total = work.visits, work.total
    for number in range(queued):
        visit = work.visits[number, QUEUE]
        at = visits[visit, OUT_AT]
        if routes.shift_of[visit] < 0 and at < 0:
            visits[visit, OUT_AT] = total[LEFT_OUT]
            visits[total[LEFT_OUT], OUT] = visit
            total[LEFT_OUT] += 1
        elif routes.shift_of[visit] >= 0 and at >= 0:
            total[LEFT_OUT] -= 1
            last = visits[total[LEFT_OUT], OUT]
            visits[at, OUT] = last
            visits[last, OUT_AT] = at
            visits[visit, OUT_AT] = -1
    for number in range(touched):
        shift = work.shifts[number, TOUCHED]
        if routes.sum[shift, STOPS] + 4 > routes.row.shape[2]:
            total[FULL] = 1
        if not work.shifts[shift, IS_DIRTY]:
            work.shifts[shift, IS_DIRTY] = 1
            work.shifts[total[DIRTY_COUNT], DIRTY] = shift
            total[DIRTY_COUNT] += 1


@compiled
def keep_best(routes: Routes, work: Work, linked: Linked) -> None:
    """Make the present plan the best one.

    Routes with links are timed by their bounds: with others, pauses may come to lie so that one is too long.
    """
    total = work.total
    if linked is not None:
        for visit in linked:
            for column in range(routes.span.shape[1]):
                work.best_span[visit, column] = routes.span[visit, column]
    for number in range(total[DIRTY_COUNT]):
        shift = work.shifts[number, DIRTY]
        stops = routes.sum[shift, STOPS]
        for at in range(1, stops + 1):
            work.best[shift, at] = routes.row[shift, NODE, at]
        work.best[shift, 0] = stops
        work.shifts[shift, IS_DIRTY] = 0
    total[DIRTY_COUNT] = 0
    total[BEST] = total[PRESENT]


@compiled
def greatest_lateness(routes: Routes) -> int:
    latest = 0
    for shift in range(len(routes.sum)):
        if routes.sum[shift, VISITS] > 0:
            latest = max(latest, routes.sum[shift, LATEST])
    return latest


@compiled
def whole_cost(flat: Flat, routes: Routes, candidates: Ints) -> int:
    """Return the plan's cost from its routes, decided visits left out at their higher price."""
    total = 0
    for shift in range(len(routes.sum)):
        total += routes.sum[shift, COST]
    for visit in candidates:
        if routes.shift_of[visit] < 0:
            total += flat.visit[visit, PRICE_OF_DROP]
    if flat.price[BALANCE] > 0:
        for owner in range(len(routes.owner)):
            total += balance_price(flat, owner, routes.owner[owner, WORKED])
    return total + greatest_lateness(routes) * flat.price[GREATEST] // 1000


@compiled
def mean_drive(routes: Routes) -> tuple[float, float]:
    """Return the present travel per planned visit, and the mean number of stops of used routes."""
    drive, visits, used, stops = 0, 0, 0, 0
    for shift in range(len(routes.sum)):
        if routes.sum[shift, VISITS] > 0:
            drive += routes.sum[shift, DRIVE]
            visits += routes.sum[shift, VISITS]
            stops += routes.sum[shift, STOPS]
            used += 1
    return drive / max(1, visits), stops / max(1, used)
