"""When a visit may begin for the partners that are planned, in the compiled search."""

from __future__ import annotations

from scheduler.engine.columns import (
    BEGUN,
    CEILING,
    FIRST_LINK,
    FLOOR,
    GREATEST_GAP,
    LEAST,
    LINKS,
    NEVER,
    ORDER,
    OTHER,
    PACE,
    Flat,
    Routes,
)
from scheduler.engine.compiled import compiled


@compiled
def work_of(flat: Flat, routes: Routes, visit: int) -> int:
    """Return how long a planned visit takes."""
    return flat.work[visit, flat.shift[routes.shift_of[visit], PACE]]


@compiled
def draw_bounds(flat: Flat, routes: Routes, visit: int, shift: int) -> None:
    """Set the bounds of a visit on one shift from the present beginnings of its planned partners.

    By whom it is done says how long it takes, and so by when it has to begin to be done before a partner.
    """
    floor, ceiling = -NEVER, NEVER
    first = flat.visit[visit, FIRST_LINK]
    for number in range(first, first + flat.visit[visit, LINKS]):
        other = flat.link[number, OTHER]
        if routes.shift_of[other] < 0:
            continue
        begun = routes.span[other, BEGUN]
        if flat.link[number, GREATEST_GAP] < NEVER:
            floor = max(floor, begun - flat.link[number, GREATEST_GAP])
        if flat.link[number, LEAST] > -NEVER:
            ceiling = min(ceiling, begun - flat.link[number, LEAST])
        if flat.link[number, ORDER] > 0:
            ceiling = min(ceiling, begun - flat.work[visit, flat.shift[shift, PACE]])
        elif flat.link[number, ORDER] < 0:
            floor = max(floor, begun + work_of(flat, routes, other))
    routes.span[visit, FLOOR] = floor
    routes.span[visit, CEILING] = ceiling


@compiled
def free_bounds(routes: Routes, visit: int) -> None:
    routes.span[visit, FLOOR] = -NEVER
    routes.span[visit, CEILING] = NEVER
