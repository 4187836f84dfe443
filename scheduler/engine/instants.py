"""Arrivals, beginnings and their prices in the compiled search: what one stop or one leg asks."""

from __future__ import annotations

from scheduler.engine.columns import (
    BALANCE,
    CEILING,
    CLOSES,
    DROP,
    DUE,
    FIRST_WINDOW,
    FLOOR,
    LAST_WINDOW,
    LATE,
    NEVER,
    OPENS,
    PROMISE,
    PROMISE_BROKEN,
    PROMISE_LATE,
    REST_EARLIEST,
    REST_LATEST,
    REST_LENGTH,
    TOLERANCE,
    Flat,
    Profile,
    Routes,
)
from scheduler.engine.compiled import compiled


@compiled
def drive_s(flat: Flat, start: int, end: int) -> int:
    """Return the drive between two places, as wide as all other numbers: another width is another code."""
    return 0 + flat.drive[start, end]


@compiled
def drive_to_s(flat: Flat, end: int, start: int) -> int:
    """Return the same from the table whose rows lead to one place."""
    return 0 + flat.drive_to[end, start]


@compiled
def first_start(flat: Flat, routes: Routes, node: int, arrive: int, profile: Profile) -> int:
    """Return the first instant from `arrive` on in which work may begin; `NEVER` where there is none."""
    if len(profile) > 1:
        arrive = max(arrive, routes.span[node, FLOOR])
        for window in range(flat.visit[node, FIRST_WINDOW], flat.visit[node, LAST_WINDOW] + 1):
            if arrive <= flat.window[window, 1]:
                begin = max(arrive, flat.window[window, 0])
                return begin if begin <= routes.span[node, CEILING] else NEVER
        return NEVER
    if arrive > flat.visit[node, CLOSES]:
        return NEVER
    return max(arrive, flat.visit[node, OPENS])


@compiled
def last_start(flat: Flat, routes: Routes, node: int, bound: int, profile: Profile) -> int:
    """Return the last instant up to `bound` in which work may begin; `-NEVER` where there is none."""
    if len(profile) > 1:
        bound = min(bound, routes.span[node, CEILING])
        window = flat.visit[node, LAST_WINDOW]
        while window >= flat.visit[node, FIRST_WINDOW]:
            if flat.window[window, 0] <= bound:
                begin = min(bound, flat.window[window, 1])
                return begin if begin >= routes.span[node, FLOOR] else -NEVER
            window -= 1
        return -NEVER
    if bound < flat.visit[node, OPENS]:
        return -NEVER
    return min(bound, flat.visit[node, CLOSES])


@compiled
def arrival(flat: Flat, rests: int, left: int, drive: int, i: int, j: int) -> int:
    """Return when a leg begun at `left` ends, with pauses i … j−1 on it; `NEVER` where one is too late."""
    if i == j:
        return left + drive
    if left > flat.rest[rests, i, j, REST_LATEST]:
        return NEVER
    return max(
        left + drive + flat.rest[rests, i, j, REST_LENGTH], flat.rest[rests, i, j, REST_EARLIEST]
    )


@compiled
def departure(flat: Flat, rests: int, by: int, drive: int, i: int, j: int) -> int:
    """Return the last departure that arrives `by` then, pauses i … j−1 on the way; `-NEVER`: none does."""
    if i == j:
        return by - drive
    if flat.rest[rests, i, j, REST_EARLIEST] > by:
        return -NEVER
    return min(
        by - drive - flat.rest[rests, i, j, REST_LENGTH], flat.rest[rests, i, j, REST_LATEST]
    )


@compiled
def late_price(flat: Flat, node: int, start: int) -> int:
    """Return what beginning at `start` costs: the service level's lateness, and a broken promise."""
    total = 0
    late = start - flat.visit[node, DUE]
    if late > 0:
        total = min(late * flat.price[LATE] // 1000, flat.visit[node, DROP])
    late = start - flat.visit[node, PROMISE]
    if late > 0:
        total += flat.price[PROMISE_BROKEN] + late * flat.price[PROMISE_LATE] // 1000
    return total


@compiled
def is_priced(flat: Flat, node: int) -> bool:
    return flat.visit[node, DUE] < NEVER or flat.visit[node, PROMISE] < NEVER


@compiled
def balance_price(flat: Flat, owner: int, worked: int) -> int:
    """Return the price of a technician's work being far from the target."""
    target = flat.target[owner]
    if target < 0:
        return 0
    beyond = abs(worked - target) - target * flat.price[TOLERANCE] // 100
    return max(0, beyond) * flat.price[BALANCE] // 1000


@compiled
def span(flat: Flat, routes: Routes, node: int, begin: int) -> tuple[int, int]:
    """Return the window around a beginning, as far as no price rises in it."""
    opens, closes = flat.visit[node, OPENS], flat.visit[node, CLOSES]
    for window in range(flat.visit[node, FIRST_WINDOW], flat.visit[node, LAST_WINDOW] + 1):
        if flat.window[window, 0] <= begin <= flat.window[window, 1]:
            opens, closes = flat.window[window, 0], flat.window[window, 1]
    opens = max(opens, routes.span[node, FLOOR])
    closes = min(closes, routes.span[node, CEILING])
    closes = min(closes, max(flat.visit[node, DUE], begin))
    return opens, min(closes, max(flat.visit[node, PROMISE], begin))
