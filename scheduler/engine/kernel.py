"""Ruin and recreate, compiled: strings of neighbouring visits are taken out and put back elsewhere.

After Christiaens and Vanden Berghe, Slack Induction by String Removals (2020).
"""

from __future__ import annotations

from math import log

import numpy as np

from scheduler.engine.books import (
    BEST,
    BROKEN,
    LEFT_OUT,
    OUT,
    PRESENT,
    QUEUE,
    QUEUED,
    TICK,
    TOUCHED,
    TOUCHED_AT,
    Work,
    change_of,
    commit,
    enqueue,
    greatest_lateness,
    keep_best,
    mean_drive,
    restore,
    touch,
)
from scheduler.engine.columns import (
    AT,
    END,
    FIXED_STOPS,
    GREATEST,
    KEYS,
    KIND,
    LINKS,
    NODE,
    PLACE,
    PRICE_OF_DROP,
    START,
    STOPS,
    VISITS,
    Flat,
    Ints,
    Linked,
    Profile,
    Routes,
)
from scheduler.engine.compiled import compiled
from scheduler.engine.dice import below, uniform
from scheduler.engine.groups import pull_partners, put_group, queue_group, time_links
from scheduler.engine.instants import drive_s, drive_to_s
from scheduler.engine.places import BLINK, best_exchange, best_place
from scheduler.engine.refills import best_refill, drop_refills, insert_refill
from scheduler.engine.rides import (
    count_parts,
    exchange,
    insert,
    price_route,
    settle_spare,
    take,
    time_route,
)
from scheduler.engine.tails import exchange_tails

_STRING = 10
_REMOVED = 15
"""Mean number of visits removed where routes are long."""
_LONG_ROUTE = 20
"""Mean number of stops beyond which routes exchange tails: shorter ones are searched better without."""
_SEED_LEFT_OUT = 0.2
_SEED_LINKED = 0.1
_LEFT_OUT_TRIED = 6
_LOTS = np.array([-1, -1, -1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6], np.int64)
"""Orders in which visits are put back: a column of `KEYS`, or -1 for any order."""


@compiled
def neighbourhoods(flat: Flat, candidates: Ints, away: Ints) -> None:
    """Fill `near` and `near_class`: the nearest other candidates, and the nearest able classes.

    `away` is room for the distances of as many.
    """
    for visit in candidates:
        place, count = flat.visit[visit, PLACE], 0
        for other in candidates:
            if other != visit:
                there = flat.visit[other, PLACE]
                drive = drive_s(flat, place, there) + drive_to_s(flat, place, there)
                count = _keep_nearest(flat.near[visit], away, count, other, drive)
    for visit in candidates:
        place, count = flat.visit[visit, PLACE], 0
        for group in range(len(flat.class_from) - 1):
            shift = flat.member[flat.class_from[group]]
            if flat.able[visit, flat.shift[shift, KIND]]:
                drive = drive_to_s(flat, place, flat.shift[shift, START])
                drive += drive_s(flat, place, flat.shift[shift, END])
                count = _keep_nearest(flat.near_class[visit], away, count, group, drive)


@compiled
def _keep_nearest(nearest: Ints, away: Ints, count: int, number: int, drive: int) -> int:
    """Put a number among the nearest, farthest last, where it is one of them; return how many there are."""
    width = len(nearest)
    if count == width and (width == 0 or drive >= away[count - 1]):
        return count
    at = count if count < width else width - 1
    while at > 0 and away[at - 1] > drive:
        away[at] = away[at - 1]
        nearest[at] = nearest[at - 1]
        at -= 1
    away[at] = drive
    nearest[at] = number
    return min(count + 1, width)


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
    if len(profile) > 1 and len(flat.at_depot) > 0:
        count_parts(flat, routes, shift)
        if not drop_refills(flat, routes, shift, profile):
            work.total[BROKEN] = 1
    if was_used and routes.sum[shift, VISITS] == 0:
        settle_spare(flat, routes, shift)
    return queued


@compiled
def ruin(
    flat: Flat,
    routes: Routes,
    work: Work,
    candidates: Ints,
    mean_stops: float,
    linked: Linked,
    profile: Profile,
) -> tuple[int, int]:
    """Take strings out of routes around a seed; return how many routes were touched, visits queued."""
    dice, total = work.dice, work.total
    seed = int(candidates[below(dice, len(candidates))])
    if total[LEFT_OUT] > 0 and uniform(dice) < _SEED_LEFT_OUT:
        seed = int(work.visits[below(dice, total[LEFT_OUT]), OUT])
    elif linked is not None and len(linked) > 0 and uniform(dice) < _SEED_LINKED:
        seed = int(linked[below(dice, len(linked))])
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
    if linked is not None and len(linked) > 0:
        return pull_partners(flat, routes, work, touched, queued, profile)
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
    linked: Linked,
    profile: Profile,
) -> tuple[int, int]:
    """Put the queued visits where they cost least, or leave them out; return touched and queued."""
    number = 0
    while number < queued:
        visit = int(work.visits[number, QUEUE])
        number += 1
        if linked is not None and flat.visit[visit, LINKS] > 0:
            if routes.shift_of[visit] < 0:  # else it came with a partner
                touched = put_group(flat, routes, work, visit, touched, blink, latest, profile)
            continue
        price, shift, position = best_place(
            flat, routes, visit, work.shifts, -1, work.dice, blink, latest, profile
        )
        if len(profile) > 1 and len(flat.at_depot) > 0:
            refilled, other_shift, behind, depot = best_refill(
                flat, routes, visit, work.shifts, work.dice, blink, latest, profile
            )
            if refilled < price and refilled < flat.visit[visit, PRICE_OF_DROP]:
                touched = touch(flat, routes, work, other_shift, touched, profile)
                if insert_refill(flat, routes, other_shift, behind, depot, visit, profile):
                    continue
        if shift >= 0 and price < flat.visit[visit, PRICE_OF_DROP]:
            touched = touch(flat, routes, work, shift, touched, profile)
            if insert(flat, routes, shift, position, visit, profile):
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
def construct(
    flat: Flat, routes: Routes, work: Work, queue: Ints, linked: Linked, profile: Profile
) -> None:
    """Put each visit of `queue` where it costs least, as far as it pays; the rest is left out."""
    for visit in queue:
        if routes.shift_of[visit] >= 0:
            continue  # it came with a partner
        work.total[TICK] += 1
        queued = enqueue(work, visit, 0)
        if linked is not None and len(linked) > 0:
            queued = queue_group(flat, routes, work, queued)
        touched, queued = recreate(flat, routes, work, 0, queued, 0.0, 0, linked, profile)
        if work.total[BROKEN]:
            work.total[BROKEN] = 0
            restore(flat, routes, work, touched, queued, linked, profile)
            continue
        for number in range(touched):
            price_route(flat, routes, work.shifts[number, TOUCHED], profile)
        commit(routes, work, touched, queued)


@compiled
def search(
    flat: Flat,
    routes: Routes,
    work: Work,
    candidates: Ints,
    iterations: int,
    temperature: float,
    linked: Linked,
    profile: Profile,
) -> None:
    """Search on for so many iterations at one temperature."""
    total = work.total
    priced = len(profile) > 1 and flat.price[GREATEST] > 0
    mean_stops = mean_drive(routes)[1]
    has_long_twins = (
        len(profile) == 0
        and len(flat.class_from) - 1 < len(flat.shift)
        and mean_stops > _LONG_ROUTE
    )
    latest = greatest_lateness(routes) if priced else 0
    for _ in range(iterations):
        total[TICK] += 1
        touched, queued = ruin(flat, routes, work, candidates, mean_stops, linked, profile)
        if total[BROKEN]:
            total[BROKEN] = 0
            restore(flat, routes, work, touched, queued, linked, profile)
            continue
        sort_queue(flat, work, queued)
        touched, queued = recreate(
            flat, routes, work, touched, queued, BLINK, latest, linked, profile
        )
        if linked is not None and len(linked) > 0:
            touched = time_links(flat, routes, work, touched, linked, profile)
        if has_long_twins and queued > 0:
            touched = exchange_tails(flat, routes, work, touched, queued, profile)
        if total[BROKEN]:
            total[BROKEN] = 0
            restore(flat, routes, work, touched, queued, linked, profile)
            continue
        change = change_of(flat, routes, work, touched, queued, profile)
        new_latest = latest
        if priced:
            new_latest = greatest_lateness(routes)
            change += (
                new_latest * flat.price[GREATEST] // 1000 - latest * flat.price[GREATEST] // 1000
            )
        if change < 0 or change < -temperature * log(1.0 - uniform(work.dice)):
            total[PRESENT] += change
            latest = new_latest
            commit(routes, work, touched, queued)
            if total[PRESENT] < total[BEST]:
                keep_best(routes, work, linked)
        else:
            restore(flat, routes, work, touched, queued, linked, profile)
