"""One route of the compiled search: when everything on it happens, and what it costs.

The cost is the referee's to the second; `engine.timing` says the same of the same arrangement.
"""

from __future__ import annotations

from scheduler.engine.columns import (
    AT,
    BEGIN,
    BEGUN,
    CLASS,
    COST,
    DRIVE,
    DUE,
    EDGE,
    END,
    FIRST_USE,
    HEAD_FROM,
    HEAD_LENGTH,
    HEAD_TO,
    IDLE,
    IF_USED,
    KIND,
    LABEL,
    LABELS,
    LATEST,
    LEAVES,
    LEFT,
    LONGEST,
    NEEDED,
    NEVER,
    NODE,
    OVERTIME,
    OWNER,
    PACE,
    PLACE,
    PRICED_AFTER,
    PROMISE,
    REST_LENGTH,
    RESTS,
    SHIFT_CLOSES,
    SHIFT_LAST,
    SHIFT_OPENS,
    SLACK,
    SLACK_AFTER,
    START,
    STOPS,
    TAIL_FROM,
    TAIL_LENGTH,
    TAIL_TO,
    VISITS,
    WAITING,
    WORKED,
    Flat,
    Ints,
    Profile,
    Routes,
)
from scheduler.engine.compiled import compiled
from scheduler.engine.instants import (
    arrival,
    departure,
    drive_s,
    first_start,
    is_priced,
    last_start,
    late_price,
    span,
)


@compiled
def _labels(flat: Flat, shift: int, profile: Profile) -> int:
    if len(profile) > 0:
        return flat.shift[shift, LABELS]
    return 1


@compiled
def time_forward(
    flat: Flat, routes: Routes, shift: int, first: int, unchanged: int, profile: Profile
) -> bool:
    """Time a route from position `first` on; False where it cannot be done so.

    From position `unchanged` on it stops where a departure is what it was.
    """
    row = routes.row
    stops = routes.sum[shift, STOPS]
    labels = _labels(flat, shift, profile)
    pace, rests = flat.shift[shift, PACE], flat.shift[shift, RESTS]
    if first == 0:
        row[shift, LEAVES, 0] = flat.shift[shift, SHIFT_OPENS]
        for label in range(1, labels):
            row[shift, LEAVES + 2 * label, 0] = NEVER
        first = 1
    for position in range(first, stops + 2):
        drive = drive_s(flat, row[shift, AT, position - 1], row[shift, AT, position])
        row[shift, EDGE, position] = drive
        here = row[shift, NODE, position]
        same, possible = True, False
        for label in range(labels):
            arrive = NEVER
            for before in range(label + 1):
                left = row[shift, LEAVES + 2 * before, position - 1]
                if left < NEVER:
                    arrive = min(arrive, arrival(flat, rests, left, drive, before, label))
            if position <= stops:
                leave = first_start(flat, routes, here, arrive, profile)
                if leave < NEVER:
                    leave += flat.work[here, pace]
            elif label < labels - 1 or arrive > flat.shift[shift, SHIFT_LAST]:
                leave = NEVER
            else:
                leave = arrive
            if leave != row[shift, LEAVES + 2 * label, position]:
                same = False
                row[shift, LEAVES + 2 * label, position] = leave
            possible = possible or leave < NEVER
        if not possible:
            return False
        if same and position >= unchanged:
            break
    return row[shift, LEAVES + 2 * (labels - 1), stops + 1] < NEVER


@compiled
def time_backward(
    flat: Flat, routes: Routes, shift: int, last: int, unchanged: int, profile: Profile
) -> None:
    """Find the latest arrivals that keep what follows possible, from position `last` down.

    From position `unchanged` down it stops where one is what it was. The route must be possible.
    """
    row = routes.row
    stops = routes.sum[shift, STOPS]
    labels = _labels(flat, shift, profile)
    pace, rests = flat.shift[shift, PACE], flat.shift[shift, RESTS]
    position = last
    if position > stops:
        for label in range(labels):
            by = flat.shift[shift, SHIFT_LAST] if label == labels - 1 else -NEVER
            row[shift, NEEDED + 2 * label, stops + 1] = by
        position = stops
    while position > 0:
        here = row[shift, NODE, position]
        same = True
        for label in range(labels):
            leave = -NEVER
            for after in range(label, labels):
                by = row[shift, NEEDED + 2 * after, position + 1]
                if by > -NEVER:
                    leave = max(
                        leave,
                        departure(flat, rests, by, row[shift, EDGE, position + 1], label, after),
                    )
            if leave > -NEVER:
                leave = last_start(flat, routes, here, leave - flat.work[here, pace], profile)
            if leave != row[shift, NEEDED + 2 * label, position]:
                same = False
                row[shift, NEEDED + 2 * label, position] = leave
        if same and position <= unchanged:
            break
        position -= 1


@compiled
def price_route(flat: Flat, routes: Routes, shift: int, profile: Profile) -> bool:
    """Sum up a timed route. False where it lasts longer than it may."""
    row, total = routes.row, routes.sum
    stops, visits = total[shift, STOPS], len(flat.able)
    kind = flat.shift[shift, KIND]
    drive, prices, count = 0, 0, 0
    for position in range(1, stops + 2):
        drive += row[shift, EDGE, position]
    for position in range(1, stops + 1):
        here = row[shift, NODE, position]
        if here < visits:
            prices += flat.fixed[here, kind]
            count += 1
    kept = True
    if len(profile) > 1:
        timed, kept = _price_times(flat, routes, shift, profile)
        prices += timed
    total[shift, VISITS] = count
    total[shift, DRIVE] = drive
    total[shift, IF_USED] = drive + prices + flat.price[FIRST_USE]
    total[shift, COST] = total[shift, IF_USED] if count else 0
    return kept


@compiled
def begin_times(flat: Flat, routes: Routes, shift: int, profile: Profile) -> None:
    """Write down the timetable of a route that ends first: beginnings, labels, and slack before each."""
    row = routes.row
    stops, visits = routes.sum[shift, STOPS], len(flat.able)
    pace, rests = flat.shift[shift, PACE], flat.shift[shift, RESTS]
    label = _labels(flat, shift, profile) - 1
    for position in range(stops + 1, 0, -1):
        arrive, chosen = NEVER, 0
        for before in range(label + 1):
            left = row[shift, LEAVES + 2 * before, position - 1]
            if left < NEVER:
                other = arrival(flat, rests, left, row[shift, EDGE, position], before, label)
                if other < arrive:
                    arrive, chosen = other, before
        row[shift, LABEL, position] = label
        begin = row[shift, LEAVES + 2 * label, position]
        if position <= stops:
            here = row[shift, NODE, position]
            begin -= flat.work[here, pace]
            if here < visits:
                routes.span[here, BEGUN] = begin
        row[shift, BEGIN, position] = begin
        row[shift, SLACK, position] = begin - arrive
        label = chosen
    row[shift, LABEL, 0] = 0
    row[shift, BEGIN, 0] = flat.shift[shift, SHIFT_OPENS]


@compiled
def _price_times(flat: Flat, routes: Routes, shift: int, profile: Profile) -> tuple[int, bool]:
    """Write down a route's timetable; return what its times cost, and whether it is short enough."""
    row = routes.row
    stops, visits = routes.sum[shift, STOPS], len(flat.able)
    pace, rests = flat.shift[shift, PACE], flat.shift[shift, RESTS]
    begin_times(flat, routes, shift, profile)
    back = row[shift, BEGIN, stops + 1]
    slack, priced = 0, 0
    for position in range(stops + 1, -1, -1):
        here = row[shift, NODE, position]
        slack += row[shift, SLACK, position] if position else 0
        if len(profile) > 1 and 0 <= here < visits and is_priced(flat, here):
            priced += 1
        row[shift, SLACK_AFTER, position] = slack
        row[shift, PRICED_AFTER, position] = priced
    cost = max(0, back - flat.shift[shift, SHIFT_CLOSES]) * flat.price[OVERTIME] // 1000
    latest, busy, idle = 0, 0, 0
    for position in range(1, stops + 1):
        here, begin = row[shift, NODE, position], row[shift, BEGIN, position]
        busy += row[shift, EDGE, position]
        busy += flat.rest[
            rests, row[shift, LABEL, position - 1], row[shift, LABEL, position], REST_LENGTH
        ]
        if here < visits:
            cost += late_price(flat, here, begin)
            latest = max(latest, begin - flat.visit[here, DUE])
        if position < stops:
            busy += flat.work[here, pace]
    routes.sum[shift, LATEST] = latest
    leave = flat.shift[shift, SHIFT_OPENS]
    timed = flat.price[WAITING] > 0 or flat.shift[shift, LONGEST] < NEVER
    if timed and stops > 0:
        waiting = row[shift, BEGIN, stops] - leave - busy
        if waiting > 0:
            later = _latest_leave(flat, routes, shift, profile)
            waiting -= later - leave
            leave = later
        idle = waiting * flat.price[WAITING] // 1000
        cost += idle
    if timed:
        _segments(flat, routes, shift)
    routes.sum[shift, IDLE] = idle
    return cost, back - leave <= flat.shift[shift, LONGEST]


@compiled
def _latest_leave(flat: Flat, routes: Routes, shift: int, profile: Profile) -> int:
    """Return the latest departure that changes neither a price nor the last stop's beginning."""
    row = routes.row
    visits, first_depot = len(flat.able), len(flat.visit) - len(flat.at_depot)
    pace, rests = flat.shift[shift, PACE], flat.shift[shift, RESTS]
    position = routes.sum[shift, STOPS]
    by = row[shift, BEGIN, position]
    while True:
        i, j = row[shift, LABEL, position - 1], row[shift, LABEL, position]
        left = departure(flat, rests, by, row[shift, EDGE, position], i, j)
        if position == 1:
            return left
        position -= 1
        here, begin = row[shift, NODE, position], row[shift, BEGIN, position]
        by = begin
        if here < visits or here >= first_depot:
            bound = left - flat.work[here, pace]
            bound = min(bound, max(flat.visit[here, DUE], begin))
            bound = min(bound, max(flat.visit[here, PROMISE], begin))
            by = max(by, last_start(flat, routes, here, bound, profile))


@compiled
def _segments(flat: Flat, routes: Routes, shift: int) -> None:
    """Find the shortest durations of all beginnings and ends of the route, and when they may begin.

    Segments join in O(1) (Vidal et al. 2013); an end leaves out the way home, on which nobody waits.
    """
    row = routes.row
    stops = routes.sum[shift, STOPS]
    pace = flat.shift[shift, PACE]
    row[shift, HEAD_LENGTH, 0] = 0
    row[shift, HEAD_FROM, 0] = flat.shift[shift, SHIFT_OPENS]
    row[shift, HEAD_TO, 0] = NEVER
    for position in range(1, stops + 1):
        opens, closes = span(flat, routes, row[shift, NODE, position], row[shift, BEGIN, position])
        length = row[shift, HEAD_LENGTH, position - 1] + _leg(flat, routes, shift, position)
        wait = max(0, opens - length - row[shift, HEAD_TO, position - 1])
        row[shift, HEAD_LENGTH, position] = (
            length + wait + flat.work[row[shift, NODE, position], pace]
        )
        row[shift, HEAD_FROM, position] = (
            max(opens - length, row[shift, HEAD_FROM, position - 1]) - wait
        )
        row[shift, HEAD_TO, position] = min(closes - length, row[shift, HEAD_TO, position - 1])
    row[shift, TAIL_LENGTH, stops + 1] = 0
    row[shift, TAIL_FROM, stops + 1] = -NEVER
    row[shift, TAIL_TO, stops + 1] = NEVER
    for position in range(stops, 0, -1):
        opens, closes = span(flat, routes, row[shift, NODE, position], row[shift, BEGIN, position])
        length = flat.work[row[shift, NODE, position], pace]
        if position < stops:
            length += _leg(flat, routes, shift, position + 1)
        wait = max(0, row[shift, TAIL_FROM, position + 1] - length - closes)
        row[shift, TAIL_FROM, position] = (
            max(row[shift, TAIL_FROM, position + 1] - length, opens) - wait
        )
        row[shift, TAIL_TO, position] = min(row[shift, TAIL_TO, position + 1] - length, closes)
        row[shift, TAIL_LENGTH, position] = length + wait + row[shift, TAIL_LENGTH, position + 1]


@compiled
def _leg(flat: Flat, routes: Routes, shift: int, position: int) -> int:
    row, rests = routes.row, flat.shift[shift, RESTS]
    i, j = row[shift, LABEL, position - 1], row[shift, LABEL, position]
    return row[shift, EDGE, position] + flat.rest[rests, i, j, REST_LENGTH]


@compiled
def time_route(flat: Flat, routes: Routes, shift: int, profile: Profile) -> bool:
    """Time and price a whole route; False where it breaks a rule of time."""
    if not time_forward(flat, routes, shift, 0, NEVER, profile):
        return False
    time_backward(flat, routes, shift, routes.sum[shift, STOPS] + 1, -1, profile)
    return price_route(flat, routes, shift, profile)


@compiled
def settle_spare(flat: Flat, routes: Routes, shift: int) -> None:
    """Find again the first unused shift of this one's class."""
    group = flat.shift[shift, CLASS]
    first, beyond = flat.class_from[group], flat.class_from[group + 1]
    if beyond - first == 1:
        routes.spare[group] = shift
        return
    routes.spare[group] = -1
    for member in range(first, beyond):
        if routes.sum[flat.member[member], VISITS] == 0:
            routes.spare[group] = flat.member[member]
            return


@compiled
def take(flat: Flat, routes: Routes, shift: int, visit: int, sign: int) -> None:
    """Take a visit's parts from its technician's van, and count its work; give back with sign -1.

    Where there are depots, `count_parts` has to be asked once the route is as it will be.
    """
    owner = flat.shift[shift, OWNER]
    if len(flat.at_depot) == 0:
        for part in range(flat.need.shape[1]):
            routes.owner[owner, LEFT + part] -= sign * flat.need[visit, part]
    routes.owner[owner, WORKED] += sign * flat.work[visit, flat.shift[shift, PACE]]


@compiled
def count_parts(flat: Flat, routes: Routes, shift: int) -> None:
    """Count again what a route takes from its van: nothing of what it has picked up before."""
    row, owner = routes.row, flat.shift[shift, OWNER]
    visits, first_depot = len(flat.able), len(flat.visit) - len(flat.at_depot)
    if len(flat.at_depot) == 0:
        return
    for part in range(flat.need.shape[1]):
        taken = 0
        for at in range(1, routes.sum[shift, STOPS] + 1):
            node = row[shift, NODE, at]
            if node < visits:
                taken += flat.need[node, part]
            elif node >= first_depot and flat.at_depot[node - first_depot, part]:
                break
        routes.owner[owner, LEFT + part] += routes.taken[shift, part] - taken
        routes.taken[shift, part] = taken


@compiled
def insert(
    flat: Flat, routes: Routes, shift: int, position: int, visit: int, profile: Profile
) -> bool:
    """Put a visit after `position`; False, and nothing changed, where the route would break a rule."""
    row = routes.row
    stops = routes.sum[shift, STOPS]
    labels = _labels(flat, shift, profile)
    for at in range(stops + 1, position, -1):
        row[shift, NODE, at + 1] = row[shift, NODE, at]
        row[shift, AT, at + 1] = row[shift, AT, at]
        row[shift, EDGE, at + 1] = row[shift, EDGE, at]
    for label in range(labels):
        for at in range(stops + 1, position, -1):
            row[shift, LEAVES + 2 * label, at + 1] = row[shift, LEAVES + 2 * label, at]
            row[shift, NEEDED + 2 * label, at + 1] = row[shift, NEEDED + 2 * label, at]
    row[shift, NODE, position + 1] = visit
    row[shift, AT, position + 1] = flat.visit[visit, PLACE]
    routes.sum[shift, STOPS] = stops + 1
    kept = time_forward(flat, routes, shift, position + 1, position + 2, profile)
    if kept:
        time_backward(flat, routes, shift, position + 1, position, profile)
        if len(profile) > 1:
            kept = price_route(flat, routes, shift, profile)
        else:
            routes.sum[shift, VISITS] += 1
    if not kept:
        remove_at(routes, shift, position + 1)
        time_route(flat, routes, shift, profile)
        return False
    routes.shift_of[visit] = shift
    take(flat, routes, shift, visit, 1)
    count_parts(flat, routes, shift)
    if routes.sum[shift, VISITS] == 1:
        settle_spare(flat, routes, shift)
    return True


@compiled
def exchange(
    flat: Flat, routes: Routes, shift: int, position: int, visit: int, profile: Profile
) -> bool:
    """Put a visit in another's place; False, and nothing changed, where the route would break a rule."""
    row = routes.row
    other = row[shift, NODE, position]
    row[shift, NODE, position] = visit
    row[shift, AT, position] = flat.visit[visit, PLACE]
    if not time_route(flat, routes, shift, profile):
        row[shift, NODE, position] = other
        row[shift, AT, position] = flat.visit[other, PLACE]
        time_route(flat, routes, shift, profile)
        return False
    routes.shift_of[other] = -1
    take(flat, routes, shift, other, -1)
    routes.shift_of[visit] = shift
    take(flat, routes, shift, visit, 1)
    count_parts(flat, routes, shift)
    return True


@compiled
def labels_of(flat: Flat, routes: Routes, shift: int, found: Ints) -> None:
    """Write how many pauses lie behind on arrival at each stop of a timed route, and at its end."""
    row = routes.row
    stops, rests = routes.sum[shift, STOPS], flat.shift[shift, RESTS]
    label = flat.shift[shift, LABELS] - 1
    for position in range(stops + 1, 0, -1):
        found[position - 1] = label
        arrive, chosen = NEVER, 0
        for before in range(label + 1):
            left = row[shift, LEAVES + 2 * before, position - 1]
            if left < NEVER:
                other = arrival(flat, rests, left, row[shift, EDGE, position], before, label)
                if other < arrive:
                    arrive, chosen = other, before
        label = chosen


@compiled
def remove_at(routes: Routes, shift: int, position: int) -> None:
    """Take a stop out of the order; the route has to be timed anew."""
    row = routes.row
    for at in range(position, routes.sum[shift, STOPS] + 1):
        row[shift, NODE, at] = row[shift, NODE, at + 1]
        row[shift, AT, at] = row[shift, AT, at + 1]
    routes.sum[shift, STOPS] -= 1


@compiled
def begin_route(flat: Flat, routes: Routes, shift: int, nodes: Ints, profile: Profile) -> bool:
    """Make `nodes` a shift's stops; False where they keep no timetable."""
    row = routes.row
    count = len(nodes)
    row[shift, NODE, 0] = -1
    row[shift, AT, 0] = flat.shift[shift, START]
    for at in range(count):
        row[shift, NODE, at + 1] = nodes[at]
        row[shift, AT, at + 1] = flat.visit[nodes[at], PLACE]
    row[shift, NODE, count + 1] = -1
    row[shift, AT, count + 1] = flat.shift[shift, END]
    routes.sum[shift, STOPS] = count
    return time_route(flat, routes, shift, profile)
