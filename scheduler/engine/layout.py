"""A day as flat arrays, for the compiled search; see `columns` for what stands where."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scheduler.engine.columns import (
    BALANCE,
    CEILING,
    CLASS,
    CLOSES,
    DAY,
    DROP,
    DUE,
    END,
    EVERYTHING,
    FIRST_LINK,
    FIRST_USE,
    FIRST_WINDOW,
    FIXED_STOPS,
    FLOOR,
    GREATEST,
    KEYS,
    KIND,
    LABELS,
    LAST_WINDOW,
    LATE,
    LEFT,
    LINK_COLUMNS,
    LINKS,
    LONGEST,
    NEIGHBOURS,
    NEVER,
    NODE,
    ONE_PERSON,
    OPENS,
    OVERTIME,
    OWNER,
    PACE,
    PLACE,
    PLAIN,
    PRICE_COUNT,
    PRICE_OF_DROP,
    PROMISE,
    PROMISE_BROKEN,
    PROMISE_LATE,
    REST_EARLIEST,
    REST_LATEST,
    RESTS,
    ROWS,
    SHIFT_CLOSES,
    SHIFT_COLUMNS,
    SHIFT_LAST,
    SHIFT_OPENS,
    START,
    SUM_COLUMNS,
    TOLERANCE,
    TWO_PEOPLE,
    VISIT_COLUMNS,
    WAITING,
    WITH_BREAKS,
    Bytes,
    Flat,
    Ints,
    Profile,
    Routes,
    Shorts,
)
from scheduler.engine.indexed import FIRST_DEPOT, Extra, IndexedDay, Terms
from scheduler.engine.stocks import depots_of, parts_of
from scheduler.engine.ties import NEVER as NO_GAP
from scheduler.engine.timing import timetable

NEAREST_SHIFTS = 12
_KEPT = 1_000
"""How many times the dearest visit it costs to drop one that people have decided on."""
_FIRST_CAPACITY = 24


@dataclass(frozen=True, slots=True)
class Layout:
    """The arrays of a day, and how to read them back."""

    flat: Flat
    profile: Profile
    labels: int
    stock: Ints
    pinned: list[tuple[int, int]]
    """(shift, number among its extras) of each pinned stop."""
    beginnings: list[list[int]]
    """The nodes each shift begins with, pinned stops included."""
    usable: npt.NDArray[np.bool_]
    """Shifts whose fixed beginning can be kept by the search."""
    orders: list[list[int]]
    """The order in which each shift's extras that have no place are taken."""

    def empty(self, capacity: int | None = None) -> Routes:
        """Return routes without stops, room for `capacity` positions each."""
        shifts, visits = len(self.flat.shift), len(self.flat.able)
        longest = max(map(len, self.beginnings), default=0) + 2
        cap = max(capacity or _FIRST_CAPACITY, longest + 6)
        classes = len(self.flat.class_from) - 1
        row = np.zeros((shifts, ROWS + 2 * self.labels, cap), np.int64)
        row[:, NODE] = -1
        owner = np.zeros((len(self.stock), LEFT + self.stock.shape[1]), np.int64)
        owner[:, LEFT:] = self.stock
        return Routes(
            row=row,
            sum=np.zeros((shifts, SUM_COLUMNS), np.int64),
            shift_of=np.full(visits, -1, np.int64),
            owner=owner,
            taken=np.zeros((shifts, self.stock.shape[1]), np.int64),
            span=self._spans(),
            spare=np.full(classes, -1, np.int64),
        )

    def _spans(self) -> Ints:
        spans = np.zeros((len(self.flat.visit), 3), np.int64)
        spans[:, FLOOR], spans[:, CEILING] = -NEVER, NEVER
        return spans

    def nodes(self, shift_no: int, items: Sequence[int]) -> list[int]:
        """Return the nodes of a route that `timing` wrote as items; pauses are no nodes."""
        visits, depots = len(self.flat.able), len(self.flat.at_depot)
        node_of = {each: visits + number for number, each in enumerate(self.pinned)}
        first_depot = visits + len(self.pinned)
        found: list[int] = []
        for item in items:
            number = -1 - item
            if item >= 0:
                found.append(item)
            elif (shift_no, number) in node_of:
                found.append(node_of[shift_no, number])
            elif 0 <= number - FIRST_DEPOT < depots:
                found.append(first_depot + number - FIRST_DEPOT)
        return found

    def items(self, shift_no: int, nodes: list[int], labels: list[int]) -> tuple[int, ...]:
        """Return a route's nodes as `timing` writes them; `labels` are those on arrival, the end's last."""
        visits = len(self.flat.able)
        items: list[int] = []
        taken = 0
        for node, label in zip([*nodes, -1], labels, strict=True):
            items += [-1 - extra for extra in self.orders[shift_no][taken:label]]
            taken = label
            if node >= visits + len(self.pinned):
                items.append(-1 - FIRST_DEPOT - (node - visits - len(self.pinned)))
            elif node >= visits:
                items.append(-1 - self.pinned[node - visits][1])
            elif node >= 0:
                items.append(node)
        return tuple(items)


def layout(day: IndexedDay, candidates: list[int], left: AbstractSet[int] = frozenset()) -> Layout:
    """Return the arrays of a day on which `candidates` are to be planned, on other shifts than `left`."""
    pinned = [
        (shift, number)
        for shift, terms in enumerate(day.terms)
        for number, extra in enumerate(terms.extras)
        if extra.place is not None
    ]
    orders = [_order(terms) for terms in day.terms]
    beginnings, usable = _beginnings(day, pinned, candidates)
    usable[list(left)] = False
    rest, kinds = _rests(day, orders)
    shift, able, fixed = _shifts(day, candidates, usable, kinds, orders)
    for number, nodes in enumerate(beginnings):
        prefix = len(day.shifts[number].prefix)
        shift[number, FIXED_STOPS] = _fixed_stops(nodes, prefix, len(day.visits))
    classes = _classes(shift, day)
    shift[:, CLASS] = classes
    members = np.argsort(classes, kind="stable").astype(np.int64)
    count = int(classes.max()) + 1 if len(classes) else 0
    visit, window = _nodes(day, pinned, candidates, able, shift[:, KIND])
    need, stock, at_depot = parts_of(day)
    drive = day.problem.travel_s
    symmetric = bool(len(drive) == 0 or _is_symmetric(drive))
    drive_to = drive if symmetric else np.ascontiguousarray(drive.T)
    drive_to.flags.writeable = (
        False  # as the other is: what may be written is another type to numba
    )
    targets = [each.target_work_s for each in day.problem.technicians]
    flat = Flat(
        drive=drive,
        drive_to=drive_to,
        visit=visit,
        window=window,
        shift=shift,
        able=able,
        fixed=fixed,
        work=_work(day, pinned),
        rest=rest,
        need=need,
        at_depot=at_depot,
        near=np.full((len(day.visits), NEIGHBOURS), -1, np.int64),
        near_class=np.full(
            (len(day.visits), min(count, NEAREST_SHIFTS * min(day.problem.days, 4))), -1, np.int64
        ),
        class_from=np.searchsorted(classes[members], np.arange(count + 1)).astype(np.int64),
        member=members,
        link=_links(day, candidates, visit),
        price=_prices(day),
        target=np.array([-1 if each is None else each for each in targets], np.int64),
    )
    labels = max((len(order) for order in orders), default=0) + 1
    return Layout(
        flat, _profile(day, labels, at_depot), labels, stock, pinned, beginnings, usable, orders
    )


def _profile(day: IndexedDay, labels: int, at_depot: Bytes) -> Profile:
    weights = day.weights
    timed = (
        len(at_depot)
        or any(len(starts) > 1 for starts in day.starts)
        or day.problem.crews
        or day.problem.links
        or any(shift.longest_s is not None for shift in day.shifts)
        or weights.waiting_permille
        or (
            (weights.late_permille or weights.greatest_lateness_permille)
            and any(due is not None for due in day.due)
        )
        or any(closes is not None for closes in day.promise_closes)
        or (
            weights.balance_permille
            and any(each.target_work_s is not None for each in day.problem.technicians)
        )
    )
    overtime = weights.overtime_permille and any(terms.last > terms.closes for terms in day.terms)
    if timed or overtime:
        return EVERYTHING
    return WITH_BREAKS if labels > 1 else PLAIN


def _order(terms: Terms) -> list[int]:
    """Return the pauses of a shift in the one order the search takes them in: by the middle of their span."""
    pauses = [number for number, extra in enumerate(terms.extras) if extra.place is None]
    return sorted(pauses, key=lambda n: (terms.extras[n].earliest + terms.extras[n].latest, n))


def _beginnings(
    day: IndexedDay, pinned: list[tuple[int, int]], candidates: list[int]
) -> tuple[list[list[int]], npt.NDArray[np.bool_]]:
    """Return what each shift begins with, and whether it can: its fixed visits and its pinned stops."""
    node_of = {each: len(day.visits) + number for number, each in enumerate(pinned)}
    allowed = set(candidates)
    found: list[list[int]] = []
    usable = np.zeros(len(day.shifts), dtype=np.bool_)
    for number, shift in enumerate(day.shifts):
        prefix = [day.visit_no[each] for each in shift.prefix]
        found.append([])
        if not allowed.issuperset(prefix) or not all(day.able[number, each] for each in prefix):
            continue
        if not prefix:
            usable[number] = True
            stops = [each for each in node_of if each[0] == number]
            stops.sort(key=lambda each: day.terms[number].extras[each[1]].earliest)
            found[-1] = [node_of[each] for each in stops]
            continue
        timed = timetable(day, number, prefix)
        if timed is not None:
            usable[number] = True
            found[-1] = [
                item if item >= 0 else node_of[number, -1 - item]
                for item in timed.items
                if item >= 0 or (number, -1 - item) in node_of
            ]
    return found, usable


def _fixed_stops(nodes: list[int], prefix: int, visits: int) -> int:
    """Return how many positions nothing may be put before: all up to the last fixed visit."""
    seen = 0
    for position, node in enumerate(nodes, start=1):
        seen += node < visits
        if seen == prefix:
            return position if prefix else 0
    return 0


def _rests(day: IndexedDay, orders: list[list[int]]) -> tuple[Ints, list[int]]:
    """Return, per kind of shift, what taking pauses i … j−1 on one leg does to it.

    `REST_LENGTH` is their sum; `REST_EARLIEST` the earliest arrival when all driving is done before;
    `REST_LATEST` the last departure that lets each begin in its span.
    """
    known: dict[tuple[Extra, ...], int] = {}
    kinds = []
    for terms, order in zip(day.terms, orders, strict=True):
        key = tuple(terms.extras[number] for number in order)
        kinds.append(known.setdefault(key, len(known)))
    labels = max((len(order) for order in orders), default=0) + 1
    rest = np.zeros((max(1, len(known)), labels, labels, 3), np.int64)
    rest[:, :, :, REST_EARLIEST] = -NEVER
    rest[:, :, :, REST_LATEST] = NEVER
    for pauses, kind in known.items():
        for i in range(len(pauses)):
            length, begins, latest = 0, -NEVER, NEVER
            for j in range(i, len(pauses)):
                each = pauses[j]
                begins = max(begins, each.earliest)
                latest = min(latest, each.latest - length)
                if begins > each.latest:
                    latest = -NEVER
                length += each.length_s
                begins += each.length_s
                rest[kind, i, j + 1] = length, begins, latest
    return rest, kinds


def _shifts(
    day: IndexedDay,
    candidates: list[int],
    usable: npt.NDArray[np.bool_],
    rests: list[int],
    orders: list[list[int]],
) -> tuple[Ints, Bytes, Ints]:
    """Return the shifts' columns (class and fixed stops left 0); by kind, who may do what at what price."""
    owners = {each.id: number for number, each in enumerate(day.problem.technicians)}
    kinds: dict[tuple[bytes, bytes], int] = {}
    paces: dict[tuple[object, ...], int] = {}
    able: list[Bytes] = []
    fixed: list[Ints] = []
    wanted = np.zeros(len(day.visits), dtype=np.bool_)
    wanted[candidates] = True
    rows = np.zeros((len(day.shifts), SHIFT_COLUMNS), np.int64)
    for number, (shift, terms) in enumerate(zip(day.shifts, day.terms, strict=True)):
        may = day.able[number] & wanted & usable[number]
        key = may.tobytes(), day.fixed[number].tobytes()
        if key not in kinds:
            kinds[key] = len(kinds)
            able.append(may.astype(np.uint8))
            fixed.append(day.fixed[number])
        row = rows[number]
        row[[START, END]] = terms.start_place, terms.end_place
        row[[SHIFT_OPENS, SHIFT_CLOSES, SHIFT_LAST]] = terms.opens, terms.closes, terms.last
        row[KIND] = kinds[key]
        row[PACE] = paces.setdefault(shift.paces, len(paces))
        row[OWNER], row[DAY] = owners[shift.technician], shift.day
        row[RESTS], row[LABELS] = rests[number], len(orders[number]) + 1
        row[LONGEST] = NEVER if shift.longest_s is None else shift.longest_s
    shape = (len(day.visits), max(1, len(kinds)))
    by_visit = np.zeros(shape, np.uint8)
    prices = np.zeros(shape, np.int64)
    for number in range(len(kinds)):
        by_visit[:, number] = able[number]
        prices[:, number] = fixed[number]
    return rows, by_visit, prices


def _classes(shift: Ints, day: IndexedDay) -> Ints:
    """Return the class of each shift; those in one class are interchangeable while unused."""
    known: dict[tuple[object, ...], int] = {}
    shared = {each.id: 0 for each in day.problem.technicians}
    for each in day.shifts:
        shared[each.technician] += 1
    balanced = {each.id for each in day.problem.technicians if each.target_work_s is not None}
    classes = np.zeros(len(shift), np.int64)
    for number, row in enumerate(shift):
        mine = day.shifts[number]
        alone = (
            shared[mine.technician] > 1
            or mine.technician in balanced
            or bool(mine.prefix)
            or any(extra.place is not None for extra in day.terms[number].extras)
        )
        key = (
            tuple(
                int(row[column]) for column in range(SHIFT_COLUMNS) if column not in (OWNER, CLASS)
            ),
            tuple(sorted(day.decisions.stock[mine.technician].items())),
            number if alone else -1,
        )
        classes[number] = known.setdefault(key, len(known))
    return classes


def _nodes(
    day: IndexedDay,
    pinned: list[tuple[int, int]],
    candidates: list[int],
    able: Bytes,
    kinds: Ints,
) -> tuple[Ints, Ints]:
    depots = depots_of(day)
    rows = np.zeros((len(day.visits) + len(pinned) + len(depots), VISIT_COLUMNS), np.int64)
    windows: list[tuple[int, int]] = []
    dear = _KEPT * (max(day.drop, default=0) + 1) if candidates else 0
    shifts_of = np.bincount(kinds, minlength=able.shape[1]) if len(kinds) else np.zeros(1)
    people = able.astype(np.int64) @ shifts_of.astype(np.int64)
    for number in range(len(day.visits)):
        row = rows[number]
        starts = day.starts[number] or ((1, 0),)
        row[PLACE], row[OPENS], row[CLOSES] = day.place[number], starts[0][0], starts[-1][1]
        row[FIRST_WINDOW], row[LAST_WINDOW] = len(windows), len(windows) + len(starts) - 1
        windows += starts
        row[DROP] = day.drop[number]
        row[PRICE_OF_DROP] = day.drop[number] + (dear if day.is_kept(number) else 0)
        due, closes = day.due[number], day.promise_closes[number]
        row[DUE] = NEVER if due is None else due
        row[PROMISE] = NEVER if closes is None else closes
        length = max(1, day.visits[number].duration_s)
        row[KEYS:] = (
            -row[PRICE_OF_DROP],
            sum(closes - opens for opens, closes in starts),
            row[OPENS],
            -row[CLOSES],
            -length,
            -(row[PRICE_OF_DROP] * 60 // length),
            people[number],
        )
    for offset, (shift, number) in enumerate(pinned):
        row = rows[len(day.visits) + offset]
        extra = day.terms[shift].extras[number]
        assert extra.place is not None
        row[PLACE], row[OPENS], row[CLOSES] = extra.place, extra.earliest, extra.earliest
        row[FIRST_WINDOW] = row[LAST_WINDOW] = len(windows)
        windows.append((extra.earliest, extra.earliest))
        row[DUE] = row[PROMISE] = NEVER
    for row, depot in zip(rows[len(day.visits) + len(pinned) :], depots, strict=True):
        row[PLACE], row[OPENS], row[CLOSES] = depot.place, 0, NEVER
        row[FIRST_WINDOW] = row[LAST_WINDOW] = len(windows)
        windows.append((0, NEVER))
        row[DUE] = row[PROMISE] = NEVER
    return rows, np.array(windows or [(0, 0)], np.int64)


def _work(day: IndexedDay, pinned: list[tuple[int, int]]) -> Ints:
    paces: dict[tuple[object, ...], int] = {}
    for number, shift in enumerate(day.shifts):
        paces.setdefault(shift.paces, number)
    depots = depots_of(day)
    count = len(day.visits) + len(pinned) + len(depots)
    work = np.zeros((count, max(1, len(paces))), np.int64)
    for pace, shift_no in enumerate(paces.values()):
        work[: len(day.visits), pace] = [
            day.work_s(shift_no, each) for each in range(len(day.visits))
        ]
    for offset, (shift_no, number) in enumerate(pinned):
        work[len(day.visits) + offset, :] = day.terms[shift_no].extras[number].length_s
    for offset, depot in enumerate(depots):
        work[len(day.visits) + len(pinned) + offset, :] = depot.service_s
    return work


def _links(day: IndexedDay, candidates: list[int], visit: Ints) -> Ints:
    """Return the links between candidates from both ends, and note in `visit` where each one's are."""
    wanted = set(candidates)
    rows: list[tuple[int, ...]] = []
    for number in sorted(wanted & day.linked):
        first = len(rows)
        rows += [
            (
                tie.other,
                tie.least if tie.least > -NO_GAP else -NEVER,
                tie.greatest if tie.greatest < NO_GAP else NEVER,
                tie.order,
                ONE_PERSON if tie.one_person else TWO_PEOPLE if tie.two_people else 0,
                int(tie.same_day),
                int(tie.together),
            )
            for tie in day.ties[number]
            if tie.other in wanted
        ]
        if len(rows) > first:
            visit[number, FIRST_LINK], visit[number, LINKS] = first, len(rows) - first
    return np.array(rows, np.int64).reshape(len(rows), LINK_COLUMNS)


def _prices(day: IndexedDay) -> Ints:
    weights = day.weights
    prices = np.zeros(PRICE_COUNT, np.int64)
    prices[WAITING] = weights.waiting_permille
    prices[OVERTIME] = weights.overtime_permille
    prices[FIRST_USE] = weights.first_use
    prices[LATE] = weights.late_permille
    prices[GREATEST] = weights.greatest_lateness_permille
    prices[PROMISE_BROKEN] = weights.promise_broken
    prices[PROMISE_LATE] = weights.promise_late_permille
    prices[BALANCE] = weights.balance_permille
    prices[TOLERANCE] = weights.balance_tolerance_percent
    return prices


def _is_symmetric(matrix: Shorts) -> bool:
    """Compare in blocks: a comparison of the whole would take a quarter of its memory again."""
    return all(
        np.array_equal(matrix[first : first + 512], matrix[:, first : first + 512].T)
        for first in range(0, len(matrix), 512)
    )
