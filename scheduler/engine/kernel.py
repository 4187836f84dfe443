"""Ruin and recreate, compiled: strings of neighbouring visits are taken out and put back elsewhere.

After Christiaens and Vanden Berghe, Slack Induction by String Removals (2020).
"""

from __future__ import annotations

from math import log
from typing import NamedTuple

import numpy as np

from scheduler.engine.compiled import compiled
from scheduler.engine.dice import Words, below, uniform
from scheduler.engine.layout import (
    AT,
    BALANCE,
    BEGIN,
    CHANGED_AT,
    COST,
    DRIVE,
    END,
    FIXED_STOPS,
    GREATEST,
    KEYS,
    KIND,
    LABELS,
    LATEST,
    LEAVES,
    NODE,
    OWNER,
    PLACE,
    PRICE_OF_DROP,
    START,
    STOPS,
    VISITS,
    WORKED,
    Flat,
    Ints,
    Profile,
    Routes,
)
from scheduler.engine.places import BLINK, best_exchange, best_place
from scheduler.engine.rides import (
    balance_price,
    exchange,
    insert,
    price_route,
    settle_spare,
    take,
    time_route,
)

_STRING = 10
_REMOVED = 15
"""Mean number of visits removed where routes are long."""
_SEED_LEFT_OUT = 0.2
_LEFT_OUT_TRIED = 6
_LOTS = np.array([-1, -1, -1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6], np.int64)
"""Orders in which visits are put back: a column of `KEYS`, or -1 for any order."""

# Columns of `Work.visits`, and of `Work.shifts`.
OUT, OUT_AT, QUEUE, QUEUED = range(4)
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
    visits: Ints
    """(visits, 4): `OUT`, the visits in no route, the first `total[LEFT_OUT]`; `OUT_AT`, where each is in
    that list, -1 where not; `QUEUE`, visits being moved; `QUEUED`, the iteration each was last in it."""
    shifts: Ints
    """(shifts + 1, 6): `TOUCHED`, shifts changed in this iteration; `TOUCHED_AT`, the last in which each
    was; `DIRTY`, shifts that are not as in the best plan; `IS_DIRTY`; `SEEN` and `FOUND` of `places`."""
    total: Ints
    dice: Words


def copied(routes: Routes) -> Routes:
    return Routes(
        routes.row.copy(),
        routes.sum.copy(),
        routes.shift_of.copy(),
        routes.owner.copy(),
        routes.spare.copy(),
    )


def workspace(flat: Flat, routes: Routes, dice: Words) -> Work:
    """Return room for a search on these routes, in which every visit is left out yet."""
    visits = np.zeros((len(flat.able), 4), np.int64)
    visits[:, OUT_AT] = -1
    return Work(
        before=copied(routes),
        best=np.zeros((len(flat.shift), routes.row.shape[2]), np.int64),
        visits=visits,
        shifts=np.zeros((len(flat.shift) + 1, 6), np.int64),
        total=np.zeros(TOTAL_COUNT, np.int64),
        dice=dice,
    )


@compiled
def neighbourhoods(flat: Flat, candidates: Ints, away: Ints) -> None:
    """Fill `near` and `near_class`: the nearest other candidates, and the nearest able classes.

    `away` is room for the distances of as many.
    """
    width = flat.near.shape[1]
    for visit in candidates:
        place, count = flat.visit[visit, PLACE], 0
        for other in candidates:
            if other == visit:
                continue
            there = flat.visit[other, PLACE]
            drive = int(flat.drive[place, there]) + flat.drive_to[place, there]
            if count == width and drive >= away[count - 1]:
                continue
            at = count if count < width else width - 1
            count = min(count + 1, width)
            while at > 0 and away[at - 1] > drive:
                away[at] = away[at - 1]
                flat.near[visit, at] = flat.near[visit, at - 1]
                at -= 1
            away[at] = drive
            flat.near[visit, at] = other
    classes, width = len(flat.class_from) - 1, flat.near_class.shape[1]
    for visit in candidates:
        place, count = flat.visit[visit, PLACE], 0
        for group in range(classes):
            shift = flat.member[flat.class_from[group]]
            if not flat.able[visit, flat.shift[shift, KIND]]:
                continue
            drive = int(flat.drive_to[place, flat.shift[shift, START]])
            drive += flat.drive[place, flat.shift[shift, END]]
            if count == width and drive >= away[count - 1]:
                continue
            at = count if count < width else width - 1
            count = min(count + 1, width)
            while at > 0 and away[at - 1] > drive:
                away[at] = away[at - 1]
                flat.near_class[visit, at] = flat.near_class[visit, at - 1]
                at -= 1
            away[at] = drive
            flat.near_class[visit, at] = group


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
    flat: Flat, routes: Routes, work: Work, count: int, queued: int, profile: Profile
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
        owner = flat.shift[shift, OWNER]
        for column in range(routes.owner.shape[1]):
            routes.owner[owner, column] = work.before.owner[owner, column]
        if was_used != (routes.sum[shift, VISITS] > 0):
            settle_spare(flat, routes, shift)


@compiled
def enqueue(work: Work, visit: int, queued: int) -> int:
    """Put a visit into the queue; return its length."""
    work.visits[queued, QUEUE] = visit
    work.visits[visit, QUEUED] = work.total[TICK]
    return queued + 1


@compiled
def pull_string(
    flat: Flat,
    routes: Routes,
    work: Work,
    shift: int,
    around: int,
    longest: float,
    queued: int,
    profile: Profile,
) -> int:
    """Take a string of visits around a position out of a route; return the queue's length."""
    row, visits, dice = routes.row, len(flat.able), work.dice
    first, last = flat.shift[shift, FIXED_STOPS] + 1, routes.sum[shift, STOPS]
    around = max(around, first)
    if around > last:
        return queued
    stops = last - first + 1
    length = int(1.0 + uniform(dice) * min(float(stops), longest))
    length = min(length, stops)
    kept = 0
    if length > 1 and length < stops and uniform(dice) < 0.5:
        kept = 1
        while length + kept < stops and uniform(dice) < 0.5:
            kept += 1
    whole = length + kept
    lowest, highest = max(first, around - whole + 1), min(around, last - whole + 1)
    begin = lowest + below(dice, highest - lowest + 1)
    skip = begin + 1 + below(dice, length - 1) if kept else begin + whole
    end = begin + whole
    target = begin
    was_used = routes.sum[shift, VISITS] > 0
    for at in range(begin, last + 2):
        here = row[shift, NODE, at]
        taken = at < end and not (skip <= at < skip + kept) and 0 <= here < visits
        if taken:
            routes.shift_of[here] = -1
            take(flat, routes, shift, here, -1)
            queued = enqueue(work, here, queued)
        else:
            row[shift, NODE, target] = here
            row[shift, AT, target] = row[shift, AT, at]
            target += 1
    routes.sum[shift, STOPS] = target - 2
    if not time_route(flat, routes, shift, profile):
        work.total[BROKEN] = 1  # a detour was shorter than the straight way
    if was_used and routes.sum[shift, VISITS] == 0:
        settle_spare(flat, routes, shift)
    return queued


@compiled
def ruin(
    flat: Flat, routes: Routes, work: Work, candidates: Ints, mean_stops: float, profile: Profile
) -> tuple[int, int]:
    """Take strings out of routes around a seed; return how many routes were touched, visits queued."""
    dice, total = work.dice, work.total
    seed = int(candidates[below(dice, len(candidates))])
    if total[LEFT_OUT] > 0 and uniform(dice) < _SEED_LEFT_OUT:
        seed = int(work.visits[below(dice, total[LEFT_OUT]), OUT])
    longest = min(float(_STRING), mean_stops)
    most = max(0.0, 4.0 * _REMOVED / (1.0 + longest) - 1.0)
    wanted = int(uniform(dice) * most) + 1
    touched, queued, added = 0, 0, 0
    for number in range(-1, flat.near.shape[1]):
        visit = seed if number < 0 else int(flat.near[seed, number])
        if visit < 0:
            break
        shift = routes.shift_of[visit]
        if shift < 0:
            if work.visits[visit, QUEUED] != total[TICK] and (
                number < 0 or added < _LEFT_OUT_TRIED
            ):
                added += 1
                queued = enqueue(work, visit, queued)
        elif touched < wanted and work.shifts[shift, TOUCHED_AT] != total[TICK]:
            touched = touch(flat, routes, work, shift, touched, profile)
            at = 1
            while routes.row[shift, NODE, at] != visit:
                at += 1
            queued = pull_string(flat, routes, work, shift, at, longest, queued, profile)
    return touched, queued


@compiled
def sort_queue(flat: Flat, work: Work, queued: int) -> None:
    """Put the queue into the order of a lot."""
    queue, dice = work.visits, work.dice
    for number in range(queued - 1, 0, -1):
        other = below(dice, number + 1)
        queue[number, QUEUE], queue[other, QUEUE] = queue[other, QUEUE], queue[number, QUEUE]
    lot = _LOTS[below(dice, len(_LOTS))]
    if lot < 0:
        return
    column = KEYS + lot
    for number in range(1, queued):
        visit = queue[number, QUEUE]
        key = flat.visit[visit, column]
        at = number
        while at > 0 and flat.visit[queue[at - 1, QUEUE], column] > key:
            queue[at, QUEUE] = queue[at - 1, QUEUE]
            at -= 1
        queue[at, QUEUE] = visit


@compiled
def recreate(
    flat: Flat,
    routes: Routes,
    work: Work,
    touched: int,
    queued: int,
    blink: float,
    latest: int,
    profile: Profile,
) -> tuple[int, int]:
    """Put the queued visits where they cost least, or leave them out; return touched and queued."""
    number = 0
    while number < queued:
        visit = int(work.visits[number, QUEUE])
        number += 1
        price, shift, position = best_place(
            flat, routes, visit, work.shifts, work.dice, blink, latest, profile
        )
        if shift >= 0 and price < flat.visit[visit, PRICE_OF_DROP]:
            touched = touch(flat, routes, work, shift, touched, profile)
            if insert(flat, routes, shift, position, visit, profile):
                if routes.sum[shift, STOPS] + 4 > routes.row.shape[2]:
                    work.total[FULL] = 1
                continue
        price, shift, position = best_exchange(flat, routes, visit, work.shifts, profile)
        if shift < 0:
            continue
        touched = touch(flat, routes, work, shift, touched, profile)
        other = int(routes.row[shift, NODE, position])
        exchanged = exchange(flat, routes, shift, position, visit, profile)
        if exchanged and work.visits[other, QUEUED] != work.total[TICK]:
            queued = enqueue(work, other, queued)
    return touched, queued


@compiled
def _change(
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
            len(profile) > 2
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
def _commit(routes: Routes, work: Work, touched: int, queued: int) -> None:
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
        if not work.shifts[shift, IS_DIRTY]:
            work.shifts[shift, IS_DIRTY] = 1
            work.shifts[total[DIRTY_COUNT], DIRTY] = shift
            total[DIRTY_COUNT] += 1


@compiled
def keep_best(routes: Routes, work: Work) -> None:
    """Make the present plan the best one."""
    total = work.total
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


@compiled
def construct(flat: Flat, routes: Routes, work: Work, queue: Ints, profile: Profile) -> None:
    """Put each visit of `queue` where it costs least, as far as it pays; the rest is left out."""
    for visit in queue:
        work.total[TICK] += 1
        queued = enqueue(work, visit, 0)
        touched, queued = recreate(flat, routes, work, 0, queued, 0.0, 0, profile)
        for number in range(touched):
            price_route(flat, routes, work.shifts[number, TOUCHED], profile)
        _commit(routes, work, touched, queued)


@compiled
def search(
    flat: Flat,
    routes: Routes,
    work: Work,
    candidates: Ints,
    iterations: int,
    temperature: float,
    profile: Profile,
) -> None:
    """Search on for so many iterations at one temperature."""
    total = work.total
    priced = len(profile) > 2 and flat.price[GREATEST] > 0
    mean_stops = mean_drive(routes)[1]
    latest = greatest_lateness(routes) if priced else 0
    for _ in range(iterations):
        total[TICK] += 1
        touched, queued = ruin(flat, routes, work, candidates, mean_stops, profile)
        if total[BROKEN]:
            total[BROKEN] = 0
            restore(flat, routes, work, touched, queued, profile)
            continue
        sort_queue(flat, work, queued)
        touched, queued = recreate(flat, routes, work, touched, queued, BLINK, latest, profile)
        change = _change(flat, routes, work, touched, queued, profile)
        new_latest = latest
        if priced:
            new_latest = greatest_lateness(routes)
            change += (
                new_latest * flat.price[GREATEST] // 1000 - latest * flat.price[GREATEST] // 1000
            )
        if change < 0 or change < -temperature * log(1.0 - uniform(work.dice)):
            total[PRESENT] += change
            latest = new_latest
            _commit(routes, work, touched, queued)
            if total[PRESENT] < total[BEST]:
                keep_best(routes, work)
        else:
            restore(flat, routes, work, touched, queued, profile)
