"""Ruin and recreate over a whole day: `engine="search"`.

The loop is compiled (`engine.kernel`); here the clock is read, the temperature set and the result read
back. A run is a list of steps, each so many iterations at one temperature: the clock only decides how
long the steps are, so that a run told its steps again goes the same way.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np

from scheduler.engine import books, bounds, kernel, links, rides
from scheduler.engine.columns import (
    BEGUN,
    CEILING,
    DROP,
    EVERYTHING,
    LINKS,
    PLAIN,
    PRICE_OF_DROP,
    WITH_BREAKS,
    WORKED,
    Linked,
)
from scheduler.engine.dice import seeded
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.engine.layout import Layout, layout
from scheduler.engine.machine_code import note_warm
from scheduler.engine.timing import Items
from scheduler.problem import DAY_S, Crew, DayProblem, Interval, Shift, Step, Technician, Visit

_CALL_S = 0.04
"""What one call of the kernel should take: the clock is read between two."""
_HOTTEST = 5.0
"""First temperature, in present travel per planned visit."""
_COOLED = 0.001
"""Last temperature, as a share of the first."""
_STEPS = 200
"""Of a run that is limited by iterations."""
_BUILT_AT_ONCE = 64
BUILD = -1.0
"""Temperature of a step that builds: as many visits as it has iterations are put in one by one."""


@dataclass(frozen=True, slots=True)
class Found:
    """The cheapest plan a search came by."""

    orders: list[list[int]]
    """Visits of each shift."""
    items: list[Items | None]
    """The same with what the shift does beside them, as `timing` writes it."""
    bounds: dict[int, Interval]
    """In what a planned visit that depends on others may begin: as it does here, or later if none minds."""
    cost: int
    """Of the whole plan, visits that are no candidates left aside."""
    steps: tuple[Step, ...]


def search(
    day: IndexedDay,
    candidates: Sequence[int],
    *,
    start: Draft,
    deadline: float | None,
    iterations: int | None,
    steps: Sequence[Step] | None,
    seed: int,
) -> Found:
    """Return the cheapest plan found from `start`: by a deadline, or some iterations, or given steps.

    `candidates` fit some shift; the rest is not looked at. `deadline` is on `time.monotonic`'s clock.
    """
    run = run_from(day, candidates, start, seed)
    if steps is not None:
        for step in steps:
            run.step(step)
    else:
        run.build(deadline)
        if deadline is not None:
            run.until(deadline)
        else:
            run.iterate(iterations or 1)
    return run.found()


def run_from(
    day: IndexedDay,
    candidates: Sequence[int],
    start: Draft,
    seed: int,
    elsewhere: AbstractSet[int] = frozenset(),
) -> Run:
    """Return a run that begins with a draft's routes; those it cannot keep are left as they are.

    Shifts that are `elsewhere` are left as well.
    """
    left = set(elsewhere)
    while True:
        wanted = sorted(set(candidates) - {each for shift in left for each in start.orders[shift]})
        run = Run(day, layout(day, wanted, left), wanted, seed)
        refused = run.take_over(start)
        if not refused:
            return run
        for shift in refused:
            # Nobody looks after links there, so that such visits go elsewhere.
            start.set_order(shift, [each for each in start.orders[shift] if each not in day.linked])
        left |= refused


class Run:
    def __init__(self, day: IndexedDay, flat: Layout, candidates: list[int], seed: int) -> None:
        self.day = day
        self.layout = flat
        self.flat = flat.flat
        self.profile = flat.profile
        self.candidates = np.array(candidates, np.int64)
        self.routes = flat.empty()
        self.work = books.workspace(self.flat, self.routes, seeded(seed))
        self.linked: Linked = None
        """Visits that depend on others."""
        if flat.profile == EVERYTHING:
            self.linked = np.flatnonzero(self.flat.visit[:, LINKS])
        self.steps: list[Step] = []
        self.kept: dict[int, list[int]] = {}
        """Orders of shifts that the search leaves as they are."""
        self.queue: list[int] = []
        """Visits that are still to be tried in building."""
        room = max(self.flat.near.shape[1], self.flat.near_class.shape[1])
        kernel.neighbourhoods(self.flat, self.candidates, np.empty(room, np.int64))

    # --- beginning ---

    def take_over(self, start: Draft) -> set[int]:
        """Begin with the routes of a draft; return the shifts whose beginning the search cannot time."""
        refused: set[int] = set()
        for number, beginning in enumerate(self.layout.beginnings):
            timed = start.timed[number]
            if not self.layout.usable[number]:
                self.kept[number] = start.orders[number]
                continue
            wanted = [] if timed is None else [self.layout.nodes(number, timed.items)]
            if not any(self._write(number, nodes) for nodes in (*wanted, beginning)):
                refused.add(number)
        routes, work = self.routes, self.work
        if not self._time_links():
            self.leave_out_linked()
        planned = set(np.flatnonzero(routes.shift_of >= 0).tolist())
        out = [visit for visit in self.candidates.tolist() if visit not in planned]
        work.visits[: len(out), books.OUT] = out
        work.visits[out, books.OUT_AT] = np.arange(len(out))
        work.total[books.LEFT_OUT] = len(out)
        price = self.flat.visit[:, PRICE_OF_DROP]
        self.queue = sorted(out, key=lambda visit: (-int(price[visit]), visit))
        for shift in range(len(self.flat.shift)):
            rides.settle_spare(self.flat, routes, shift)
        self._count()
        return refused

    def _time_links(self) -> bool:
        """Time the routes that links join together; False where as they stand they cannot be."""
        if self.linked is None or not len(self.linked):
            return True
        return links.time_together(self.flat, self.routes, self.linked, self.profile)

    def leave_out_linked(self) -> None:
        """Take visits that depend on others out of the routes: as they stand they cannot all be kept."""
        routes = self.routes
        linked = [] if self.linked is None else self.linked.tolist()
        for visit in linked:
            if routes.shift_of[visit] >= 0 and links.may_leave(self.flat, routes, visit):
                links.drop_linked(self.flat, routes, visit, self.profile)
        for visit in linked:
            bounds.free_bounds(routes, visit)
        for number in range(len(self.flat.shift)):
            rides.time_route(self.flat, routes, number, self.profile)

    def _write(self, number: int, nodes: list[int]) -> bool:
        """Give a shift its stops; False where they keep no timetable, and it then has none."""
        if len(nodes) + 4 > self.routes.row.shape[2]:
            self._grow(len(nodes) + 8)
        row = np.array(nodes, np.int64)
        if not rides.begin_route(self.flat, self.routes, number, row, self.profile):
            rides.begin_route(self.flat, self.routes, number, row[:0], self.profile)
            return False
        for node in nodes:
            if node < len(self.flat.able):
                self.routes.shift_of[node] = number
                rides.take(self.flat, self.routes, number, node, 1)
        rides.count_parts(self.flat, self.routes, number)
        return True

    def _count(self) -> None:
        """Sum up the present plan, and make it the best."""
        total, shifts = self.work.total, len(self.flat.shift)
        total[books.PRESENT] = books.whole_cost(self.flat, self.routes, self.candidates)
        self.work.shifts[:shifts, books.DIRTY] = np.arange(shifts)
        total[books.DIRTY_COUNT] = shifts
        books.keep_best(self.routes, self.work, self.linked)

    # --- steps ---

    def step(self, step: Step) -> None:
        """Do one step of a run, and note it."""
        self.steps.append(step)
        if step.temperature == BUILD:
            now, self.queue = self.queue[: step.iterations], self.queue[step.iterations :]
            queue = np.array(now, np.int64)
            kernel.construct(self.flat, self.routes, self.work, queue, self.linked, self.profile)
            self._count()
        else:
            kernel.search(
                self.flat,
                self.routes,
                self.work,
                self.candidates,
                step.iterations,
                step.temperature,
                self.linked,
                self.profile,
            )
        if self.work.total[books.FULL]:
            self.work.total[books.FULL] = 0
            self._grow(self.routes.row.shape[2] * 2)

    def build(self, deadline: float | None) -> None:
        """Put in what is still out, dearest first, as far as time allows."""
        while self.queue and (deadline is None or time.monotonic() < deadline):
            self.step(Step(min(_BUILT_AT_ONCE, len(self.queue)), BUILD))

    def until(self, deadline: float, *, cooled: float = 0.0) -> None:
        """Search, colder and colder, until the deadline; `cooled` is how far that has gone already."""
        if not len(self.candidates):
            return
        began = now = time.monotonic()
        count = 8.0
        while now < deadline:
            share = cooled + (1 - cooled) * (now - began) / (deadline - began)
            self.step(Step(max(1, int(count)), self._temperature(share)))
            before, now = now, time.monotonic()
            wanted = min(_CALL_S, max(0.001, deadline - now))
            count *= min(4.0, max(0.1, wanted / max(1e-6, now - before)))

    def iterate(self, iterations: int, *, cooled: float = 0.0) -> None:
        """Search for so many iterations."""
        if not len(self.candidates):
            return
        done = 0
        for number in range(1, _STEPS + 1):
            count = iterations * number // _STEPS - done
            if count:
                share = cooled + (1 - cooled) * done / iterations
                self.step(Step(count, self._temperature(share)))
            done += count

    def _temperature(self, share: float) -> float:
        drive, _ = books.mean_drive(self.routes)
        return float(_HOTTEST * drive * _COOLED**share)

    def _grow(self, capacity: int) -> None:
        """Make room for longer routes."""
        row = np.zeros((*self.routes.row.shape[:2], capacity), np.int64)
        row[:, :, : self.routes.row.shape[2]] = self.routes.row
        best = np.zeros((len(self.work.best), capacity), np.int64)
        best[:, : self.work.best.shape[1]] = self.work.best
        self.routes = self.routes._replace(row=row)
        before = self.work.before._replace(row=row.copy())
        self.work = self.work._replace(before=before, best=best)

    # --- result ---

    def found(self) -> Found:
        """Read back the best plan."""
        flat, visits = self.flat, len(self.flat.able)
        orders = [self.kept.get(number, []) for number in range(len(flat.shift))]
        items: list[Items | None] = [None] * len(orders)
        self.routes.shift_of[:] = -1
        self.routes.owner[:, WORKED] = 0
        linked = [] if self.linked is None else self.linked.tolist()
        self.routes.span[linked] = self.work.best_span[linked]
        nodes_of: list[list[int]] = []
        for number in range(len(orders)):
            best = self.work.best[number]
            nodes_of.append([] if number in self.kept else best[1 : best[0] + 1].tolist())
            if number not in self.kept:
                self._write(number, nodes_of[number])
        for number, nodes in enumerate(nodes_of):
            if number in self.kept:
                continue
            orders[number] = [node for node in nodes if node < visits]
            if orders[number]:
                labels = np.empty(len(nodes) + 1, np.int64)
                rides.labels_of(flat, self.routes, number, labels)
                items[number] = self.layout.items(number, nodes, labels.tolist())
        cost = books.whole_cost(flat, self.routes, self.candidates)
        out = [visit for visit in self.candidates.tolist() if self.routes.shift_of[visit] < 0]
        cost -= int((flat.visit[out, PRICE_OF_DROP] - flat.visit[out, DROP]).sum())
        bounds = {
            visit: (int(self.routes.span[visit, BEGUN]), int(self.routes.span[visit, CEILING]))
            for visit in linked
            if self.routes.shift_of[visit] >= 0
        }
        return Found(orders, items, bounds, int(cost), tuple(self.steps))


def warm() -> None:
    """Compile every profile of the kernel, or read it from its cache."""
    visit = Visit("a", 1, 60, ((0, DAY_S),))
    problem = DayProblem(
        first_midnight="2026-01-01T00:00:00+00:00",
        zone="UTC",
        days=1,
        travel_s=np.array([[0, 60], [60, 0]], np.int32),
        travel_m=np.array([[0, 60], [60, 0]], np.int32),
        technicians=(Technician("t"), Technician("u")),
        shifts=(Shift("s", "t", 0, 0, 0, 0, DAY_S), Shift("r", "u", 0, 0, 0, 0, DAY_S)),
        visits=(visit, replace(visit, id="b")),
        crews=(Crew("a", "b"),),
    )
    day = IndexedDay(problem)
    for profile in (PLAIN, WITH_BREAKS, EVERYTHING):
        run = Run(day, replace(layout(day, [0, 1]), profile=profile), [0, 1], 0)
        run.take_over(Draft(day))
        run.build(None)
        run.iterate(1)
        run.found()
        run.leave_out_linked()
    note_warm()
