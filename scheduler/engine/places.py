"""Where a visit would go in the compiled search: every position of the routes around it, each in O(1)."""

from __future__ import annotations

from scheduler.engine.bounds import draw_bounds
from scheduler.engine.columns import (
    AT,
    BALANCE,
    BEGIN,
    CLOSES,
    DAY,
    DUE,
    EDGE,
    FIRST_LINK,
    FIXED_STOPS,
    FOUND,
    GREATEST,
    HEAD_LENGTH,
    HEAD_TO,
    IDLE,
    IF_USED,
    KIND,
    LABEL,
    LABELS,
    LEAVES,
    LEFT,
    LINKS,
    LONGEST,
    NEEDED,
    NEVER,
    NODE,
    ONE_PERSON,
    OPENS,
    OTHER,
    OVERTIME,
    OWNER,
    PACE,
    PEOPLE,
    PLACE,
    PRICE_OF_DROP,
    PRICED_AFTER,
    REST_LENGTH,
    RESTS,
    SAME_DAY,
    SEEN,
    SHIFT_CLOSES,
    SLACK,
    SLACK_AFTER,
    STOPS,
    TAIL_FROM,
    TAIL_LENGTH,
    VISITS,
    WAITING,
    WORKED,
    Flat,
    Ints,
    Profile,
    Routes,
)
from scheduler.engine.compiled import compiled
from scheduler.engine.dice import Words, uniform
from scheduler.engine.instants import (
    arrival,
    balance_price,
    drive_s,
    drive_to_s,
    first_start,
    is_priced,
    late_price,
    span,
)

BLINK = 0.01
"""How often a place that would be the best yet is not seen."""


@compiled
def routes_around(flat: Flat, routes: Routes, visit: int, shifts: Ints) -> int:
    """Write the routes to try for a visit to `FOUND`, each once; return how many.

    Those its neighbours are in, and the nearest shifts that are able: of a class of shifts that are
    alike, the first unused. `SEEN` has a stamp per shift, the last used in its last row.
    """
    shifts[-1, SEEN] += 1
    count = 0
    for number in range(flat.near.shape[1]):
        other = flat.near[visit, number]
        if other < 0:
            break
        count = _add_route(flat, visit, routes.shift_of[other], shifts, count)
    for number in range(flat.near_class.shape[1]):
        group = flat.near_class[visit, number]
        if group < 0:
            break
        count = _add_route(flat, visit, routes.spare[group], shifts, count)
    return count


@compiled
def _add_route(flat: Flat, visit: int, shift: int, shifts: Ints, count: int) -> int:
    """Note one route, if there is one, it is able and not noted yet; return how many there are."""
    stamp = shifts[-1, SEEN]
    if shift < 0 or shifts[shift, SEEN] == stamp:
        return count
    shifts[shift, SEEN] = stamp
    if not flat.able[visit, flat.shift[shift, KIND]]:
        return count
    shifts[count, FOUND] = shift
    return count + 1


@compiled
def may_join(flat: Flat, routes: Routes, visit: int, shift: int) -> bool:
    """Whether a visit's planned partners allow this shift's person and day."""
    first = flat.visit[visit, FIRST_LINK]
    for number in range(first, first + flat.visit[visit, LINKS]):
        other = routes.shift_of[flat.link[number, OTHER]]
        if other < 0:
            continue
        same = flat.shift[other, OWNER] == flat.shift[shift, OWNER]
        if same != (flat.link[number, PEOPLE] == ONE_PERSON) and flat.link[number, PEOPLE]:
            return False
        if flat.link[number, SAME_DAY] and flat.shift[other, DAY] != flat.shift[shift, DAY]:
            return False
    return True


@compiled
def first_with_parts(flat: Flat, routes: Routes, visit: int, shift: int) -> int:
    """Return the first position after which a visit's parts are there, `NEVER` where that is nowhere.

    From the van they are there at once, else after a stop at a depot that the route makes.
    """
    owner, first = flat.shift[shift, OWNER], 0
    first_depot = len(flat.visit) - len(flat.at_depot)
    for part in range(flat.need.shape[1]):
        if flat.need[visit, part] > routes.owner[owner, LEFT + part]:
            fetched = NEVER
            if len(flat.at_depot) > 0:
                for at in range(routes.sum[shift, STOPS], 0, -1):
                    node = routes.row[shift, NODE, at]
                    if node >= first_depot and flat.at_depot[node - first_depot, part]:
                        fetched = at
            first = max(first, fetched)
    return first


@compiled
def carries_instead(
    flat: Flat, routes: Routes, visit: int, other: int, shift: int, position: int
) -> bool:
    """Whether the parts of a visit are there in the place of another."""
    owner = flat.shift[shift, OWNER]
    first_depot = len(flat.visit) - len(flat.at_depot)
    for part in range(flat.need.shape[1]):
        if flat.need[visit, part] == 0:
            continue
        fetched = False
        if len(flat.at_depot) > 0:
            for at in range(1, position):
                node = routes.row[shift, NODE, at]
                if node >= first_depot and flat.at_depot[node - first_depot, part]:
                    fetched = True
        spare = routes.owner[owner, LEFT + part] + flat.need[other, part]
        if not fetched and flat.need[visit, part] > spare:
            return False
    return True


@compiled
def soonest(
    flat: Flat,
    routes: Routes,
    shift: int,
    position: int,
    visit: int,
    there: int,
    back: int,
    profile: Profile,
) -> tuple[int, int, int, int]:
    """Return (start, arrival at the next stop, label at each) of a visit put after a position.

    Pauses are taken where the next stop is then reached first; `NEVER` where no such route is in time.
    """
    row = routes.row
    labels, rests = flat.shift[shift, LABELS], flat.shift[shift, RESTS]
    work = flat.work[visit, flat.shift[shift, PACE]]
    start, arrive, label, label_after = NEVER, NEVER, 0, 0
    for i in range(labels):
        left = row[shift, LEAVES + 2 * i, position]
        if left >= NEVER:
            continue
        for j in range(i, labels):
            begin = first_start(
                flat, routes, visit, arrival(flat, rests, left, there, i, j), profile
            )
            if begin >= NEVER:
                continue
            for k in range(j, labels):
                reach = arrival(flat, rests, begin + work, back, j, k)
                if reach <= row[shift, NEEDED + 2 * k, position + 1] and reach < arrive:
                    start, arrive, label, label_after = begin, reach, j, k
    return start, arrive, label, label_after


@compiled
def best_place(
    flat: Flat,
    routes: Routes,
    visit: int,
    shifts: Ints,
    only: int,
    dice: Words,
    blink: float,
    latest: int,
    profile: Profile,
) -> tuple[int, int, int]:
    """Return (price, shift, position after which) of the cheapest place; shift -1 where there is none.

    `only` is the one shift to look at, -1 for all around the visit; `latest` is the plan's greatest
    lateness so far.
    """
    best, best_shift, best_position = NEVER, -1, 0
    row = routes.row
    here = flat.visit[visit, PLACE]
    opens, closes = flat.visit[visit, OPENS], flat.visit[visit, CLOSES]
    capacity = row.shape[2]
    count = 1
    if only < 0:
        count = routes_around(flat, routes, visit, shifts)
    else:
        shifts[0, FOUND] = only
    for number in range(count):
        shift = shifts[number, FOUND]
        kind, owner = flat.shift[shift, KIND], flat.shift[shift, OWNER]
        work = flat.work[visit, flat.shift[shift, PACE]]
        stops = routes.sum[shift, STOPS]
        base = flat.fixed[visit, kind]
        if routes.sum[shift, VISITS] == 0:
            base += routes.sum[shift, IF_USED]
        if len(profile) > 1 and flat.target[owner] >= 0 and flat.price[BALANCE] > 0:
            worked = routes.owner[owner, WORKED]
            base += balance_price(flat, owner, worked + work) - balance_price(flat, owner, worked)
        elif base >= best:
            continue
        if stops + 3 > capacity:
            continue
        if len(profile) > 1 and flat.visit[visit, LINKS] > 0:
            if not may_join(flat, routes, visit, shift):
                continue
            draw_bounds(flat, routes, visit, shift)
        first = max(flat.shift[shift, FIXED_STOPS], first_with_parts(flat, routes, visit, shift))
        labels = flat.shift[shift, LABELS] if len(profile) > 0 else 1
        # Work may take the place of idle time, which is then saved.
        most = routes.sum[shift, IDLE] + 1 if len(profile) > 1 and flat.price[WAITING] > 0 else 0
        for position in range(first, stops + 1):
            left, needed = row[shift, LEAVES, position], row[shift, NEEDED, position + 1]
            if len(profile) > 0:
                for label in range(1, labels):
                    left = min(left, row[shift, LEAVES + 2 * label, position])
                    needed = max(needed, row[shift, NEEDED + 2 * label, position + 1])
            if left > closes:
                break
            # Most gaps are too short for the work alone: no drive is looked up for them, which on large
            # days is what takes long.
            if max(left, opens) + work > needed:
                continue
            there = drive_to_s(flat, here, row[shift, AT, position])
            back = drive_s(flat, here, row[shift, AT, position + 1])
            price = base + there + back - row[shift, EDGE, position + 1]
            if price - most >= best:
                continue
            start, arrive = NEVER, NEVER
            if len(profile) == 0:
                start = max(left + there, opens)
                if start > closes or start + work + back > needed:
                    continue
            else:
                start, arrive, _, _ = soonest(
                    flat, routes, shift, position, visit, there, back, profile
                )
                if start >= NEVER:
                    continue
            if len(profile) > 1:
                price += time_prices(
                    flat,
                    routes,
                    shift,
                    position,
                    visit,
                    start,
                    arrive,
                    there,
                    back,
                    latest,
                    profile,
                )
            if price >= best:
                continue
            if blink > 0.0 and uniform(dice) < blink:
                continue
            best, best_shift, best_position = price, shift, position
    return best, best_shift, best_position


@compiled
def time_prices(
    flat: Flat,
    routes: Routes,
    shift: int,
    position: int,
    visit: int,
    start: int,
    arrive: int,
    there: int,
    back: int,
    latest: int,
    profile: Profile,
) -> int:
    """Return about what a visit put after `position` changes in prices that depend on time.

    `NEVER` where the route would last too long. The route is priced to the second once it is there.
    """
    row = routes.row
    stops = routes.sum[shift, STOPS]
    after = position + 1
    price = 0
    # How much later the next stop begins, and the end.
    if after <= stops:
        begin = first_start(flat, routes, row[shift, NODE, after], arrive, profile)
        late = max(0, begin - row[shift, BEGIN, after])
        end = max(0, late - (row[shift, SLACK_AFTER, after] - row[shift, SLACK, after]))
    else:
        late = end = max(0, arrive - row[shift, BEGIN, after])
    home = row[shift, BEGIN, stops + 1]
    closes = flat.shift[shift, SHIFT_CLOSES]
    if home + end > closes:
        price += (home + end - max(home, closes)) * flat.price[OVERTIME] // 1000
    price += late_price(flat, visit, start)
    greatest = latest
    if flat.price[GREATEST] > 0:
        greatest = max(latest, start - flat.visit[visit, DUE])
    if row[shift, PRICED_AFTER, after] > 0 and late > 0:
        push = late
        for at in range(after, stops + 1):
            if at > after:
                push -= row[shift, SLACK, at]
            if push <= 0 or row[shift, PRICED_AFTER, at] == 0:
                break
            here, begin = row[shift, NODE, at], row[shift, BEGIN, at]
            if is_priced(flat, here):
                price += late_price(flat, here, begin + push) - late_price(flat, here, begin)
                if flat.price[GREATEST] > 0:
                    greatest = max(greatest, begin + push - flat.visit[here, DUE])
    price += (greatest - latest) * flat.price[GREATEST] // 1000
    if flat.price[WAITING] > 0 or flat.shift[shift, LONGEST] < NEVER:
        price += _waiting(flat, routes, shift, position, visit, start, there, back)
    return price


@compiled
def _waiting(
    flat: Flat,
    routes: Routes,
    shift: int,
    position: int,
    visit: int,
    start: int,
    there: int,
    back: int,
) -> int:
    """Return the price of the idle time that a visit adds, from the segments before and after it."""
    row = routes.row
    stops = routes.sum[shift, STOPS]
    after = position + 1
    work = flat.work[visit, flat.shift[shift, PACE]]
    opens, closes = span(flat, routes, visit, start)
    rest = flat.rest[
        flat.shift[shift, RESTS], row[shift, LABEL, position], row[shift, LABEL, after], REST_LENGTH
    ]
    length = row[shift, HEAD_LENGTH, position] + there
    if after <= stops:
        length += rest
    wait = max(0, opens - length - row[shift, HEAD_TO, position])
    to = min(closes - length, row[shift, HEAD_TO, position])
    length += wait + work
    wait_after = 0
    if after <= stops:
        length += back
        wait_after = max(0, row[shift, TAIL_FROM, after] - length - to)
        length += wait_after + row[shift, TAIL_LENGTH, after]
        whole = row[shift, HEAD_LENGTH, stops]
        busy = there + back - row[shift, EDGE, after] + work
    else:
        whole = row[shift, HEAD_LENGTH, stops]
        busy = there + work
    longest = flat.shift[shift, LONGEST]
    if longest < NEVER:
        home = row[shift, EDGE, stops + 1] if after <= stops else back
        if length + home > longest:
            return NEVER
    return (length - whole - busy) * flat.price[WAITING] // 1000


@compiled
def best_exchange(
    flat: Flat,
    routes: Routes,
    visit: int,
    shifts: Ints,
    profile: Profile,
) -> tuple[int, int, int]:
    """Return (price, shift, position) of the cheaper visit whose place it pays most to give to this one.

    The price is that of the exchange, the drop cost of the one displaced included.
    """
    best, best_shift, best_position = flat.visit[visit, PRICE_OF_DROP], -1, 0
    row = routes.row
    here = flat.visit[visit, PLACE]
    opens, closes = flat.visit[visit, OPENS], flat.visit[visit, CLOSES]
    visits = len(flat.able)
    worth = flat.visit[visit, PRICE_OF_DROP]
    for number in range(routes_around(flat, routes, visit, shifts)):
        shift = shifts[number, FOUND]
        kind = flat.shift[shift, KIND]
        pace, rests = flat.shift[shift, PACE], flat.shift[shift, RESTS]
        work = flat.work[visit, pace]
        labels = flat.shift[shift, LABELS] if len(profile) > 0 else 1
        stops = routes.sum[shift, STOPS]
        base = flat.fixed[visit, kind]
        for position in range(flat.shift[shift, FIXED_STOPS] + 1, stops + 1):
            other = row[shift, NODE, position]
            if other >= visits or flat.visit[other, PRICE_OF_DROP] >= worth:
                continue
            if flat.visit[other, LINKS] > 0:
                continue
            there = drive_to_s(flat, here, row[shift, AT, position - 1])
            back = drive_s(flat, here, row[shift, AT, position + 1])
            price = (
                base
                + there
                + back
                - row[shift, EDGE, position]
                - row[shift, EDGE, position + 1]
                - flat.fixed[other, kind]
                + flat.visit[other, PRICE_OF_DROP]
            )
            if price >= best:
                continue
            start = NEVER
            for i in range(labels):
                left = row[shift, LEAVES + 2 * i, position - 1]
                if left >= NEVER or left > closes:
                    continue
                for j in range(i, labels):
                    if len(profile) == 0:
                        begin = max(left + there, opens)
                        if begin > closes:
                            continue
                    else:
                        reach = arrival(flat, rests, left, there, i, j)
                        begin = first_start(flat, routes, visit, reach, profile)
                        if begin >= NEVER:
                            continue
                    for k in range(j, labels):
                        reach = arrival(flat, rests, begin + work, back, j, k)
                        if reach <= row[shift, NEEDED + 2 * k, position + 1]:
                            start = min(start, begin)
            if start >= NEVER:
                continue
            if not carries_instead(flat, routes, visit, other, shift, position):
                continue
            if len(profile) > 1:
                price += late_price(flat, visit, start)
                if price >= best:
                    continue
            best, best_shift, best_position = price, shift, position
    return best, best_shift, best_position
