"""Which studies a run makes: quick, usual or full. Days are chosen by size, never by name."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.figures import Figure, figure
from tests.bench.scheduler.runs import Run
from tests.bench.scheduler.solvers import SOLVERS
from tests.bench.scheduler.studies import (
    EVERYBODY,
    PEERS,
    Days,
    Get,
    Pace,
    Study,
    dispatch_study,
    gap_study,
    spread,
)

SEEDS = 5
_LARGEST = "1000x10000"
_COSTLY = ("ours on two cores",)


def studies(pace: Pace, days: Days, *, seconds: float | None, generated: str | None) -> list[Study]:
    """Return the studies of a run. `generated` is one size of drawn days to look at, and nothing else."""
    if generated is not None:
        own = [name for name in SOLVERS if name.startswith("ours ") and name not in _COSTLY]
        others = dict.fromkeys((*EVERYBODY, *own))
        return [dispatch_study(generated, seconds or 10, seeds=days.seeds(1), peers=others)]
    if pace is Pace.QUICK:
        return list(_quick(days, seconds or 5))
    return list(_usual(days) if pace is Pace.USUAL else _full(days))


def _quick(days: Days, seconds: float) -> Iterator[Study]:
    yield dispatch_study("50x400", seconds, seeds=days.seeds(1), peers=dict.fromkeys(PEERS))
    for collection in sorted(days.by_collection):
        if collection == "dispatch":
            continue
        solvers = ("ours", *PEERS) if collection == "solomon" else ("ours",)
        yield gap_study(
            f"{collection}, {seconds:g} s",
            days,
            days.of(collection)[:1],
            seconds,
            goal=None,
            solvers=solvers,
        )


def _usual(days: Days) -> Iterator[Study]:
    yield _g1(days, default_seeds=1, longer=("vroom",), longer_seeds=1)
    yield _g2(days, seeds=1, peers={"pyvrp": 0.63, "vroom territories": 0.85})
    yield _g3_with_lunch(days)
    yield _g3(days, seeds=1)
    yield from _g4(days, short=4, long=1, largest=1)
    yield _gaps("G5", days, "sdvrptw", 60, 1.0, 1)
    yield _g6(days, 3)
    yield _care(days, 1)
    yield _gaps("", days, "solomon", 10, None, 1)
    if "ours on two cores" in SOLVERS:
        yield _g11(days)


def _full(days: Days) -> Iterator[Study]:
    everything = 10_000
    yield _g1(
        days,
        default_seeds=SEEDS,
        longer=EVERYBODY,
        longer_seeds=SEEDS,
        more=("vroom territories", "pyvrp territories"),
    )
    yield _g2(
        days,
        seeds=SEEDS,
        peers={
            "pyvrp": 0.63,
            "vroom territories": 0.85,
            "vroom": None,
            "pyvrp territories": None,
            "or-tools tuned": None,
        },
    )
    yield _g3_with_lunch(days)
    yield _g3(days, seeds=SEEDS)
    yield from _g4(days, short=everything, long=everything, largest=everything, seeds=SEEDS)
    yield _gaps("G5", days, "sdvrptw", 60, 1.0, everything, seeds=SEEDS)
    yield _g6(days, everything, seeds=SEEDS)
    yield _care(days, everything, seeds=SEEDS)
    yield _gaps("", days, "solomon", 10, None, everything, seeds=SEEDS)
    if "ours on two cores" in SOLVERS:
        yield _g11(days)
    peers = ("ours", *PEERS, "or-tools default")
    for collection, seconds in (("solomon", 10.0), ("gehring-homberger", 60.0), ("sdvrptw", 60.0)):
        yield gap_study(
            f"{collection}, {seconds:g} s",
            days,
            days.of(collection),
            seconds,
            goal=None,
            solvers=peers,
        )
    chosen = [each for each in days.of("dispatch") if _LARGEST not in each.name]
    yield gap_study("dispatch files, 60 s", days, chosen, 60, goal=None, solvers=peers)
    for collection in _CARE:
        yield gap_study(
            f"{collection}, 60 s", days, days.of(collection), 60, goal=None,
            solvers=("ours", "or-tools tuned", "or-tools default"),
        )  # fmt: skip


# --- the goals --------------------------------------------------------------------------------------


def _g1(
    days: Days,
    *,
    default_seeds: int,
    longer: tuple[str, ...],
    longer_seeds: int,
    more: tuple[str, ...] = (),
) -> Study:
    goals = {"vroom": 0.85, "pyvrp": 0.75, "or-tools tuned": 0.62, "or-tools default": None}
    return dispatch_study(
        "50x400",
        10,
        goal="G1",
        seeds=days.seeds(SEEDS),
        peers=goals | dict.fromkeys(more),
        solvers={"or-tools default": default_seeds},
        longer=dict.fromkeys(longer, 60.0),
        longer_seeds=longer_seeds,
    )


def _g2(days: Days, *, seeds: int, peers: dict[str, float | None]) -> Study:
    return dispatch_study(
        "200x2000", 60, goal="G2", seeds=days.seeds(seeds), peers=peers, served=93.0
    )


def _g3(days: Days, *, seeds: int) -> Study:
    return dispatch_study(
        _LARGEST, 60, goal="G3", seeds=days.seeds(seeds), peers={"vroom territories": 0.82}
    )


def _g3_with_lunch(days: Days) -> Study:
    drawn = f"{_LARGEST}-seed{days.first_seed}"
    run = Run("dispatch", f"{drawn}-lunch", f"{drawn}+lunch", "ours", 60, days.first_seed)

    def figures(get: Get) -> list[Figure]:
        outcome = get(run)
        if outcome is None:
            return []
        if outcome.wall_s is None:
            return [figure("G3 with breaks, runs that failed", 1, "runs", 0, why=outcome.why_not)]
        made = figure(
            "G3 with breaks, wall",
            outcome.wall_s,
            "s",
            1.05 * run.seconds + 0.2,
            cost=outcome.cost,
            weighted_served=outcome.served,
            broken=outcome.broken,
        )
        if not outcome.is_plan:
            made["met"] = False
        return [made]

    return Study("G3 with breaks", (run,), figures)


def _g4(days: Days, *, short: int, long: int, largest: int, seeds: int = 1) -> Iterator[Study]:
    found = days.of("gehring-homberger")
    large = [each for each in found if each.path.stat().st_size > _THOUSAND_ROWS]
    small = [each for each in found if each not in large]
    of = "Gehring-Homberger"
    yield gap_study(f"G4 {of} 200/400, 10 s", days, spread(small, short), 10, goal=1.0, seeds=seeds)
    yield gap_study(f"G4 {of} 200/400, 60 s", days, spread(small, long), 60, goal=0.5, seeds=seeds)
    yield gap_study(f"G4 {of} 1,000, 60 s", days, spread(large, largest), 60, goal=1.0, seeds=seeds)


def _gaps(
    goal: str,
    days: Days,
    collection: str,
    seconds: float,
    wanted: float | None,
    count: int,
    seeds: int = 1,
) -> Study:
    name = f"{goal} {collection}, {seconds:g} s".strip()
    chosen = spread(days.of(collection), count)
    return gap_study(name, days, chosen, seconds, goal=wanted, seeds=seeds)


def _g6(days: Days, count: int, seeds: int = 1) -> Study:
    chosen = spread(days.of("pillac-trsp"), count)
    return gap_study(
        "G6 pillac-trsp, 10 s, over the authors' solution",
        days,
        chosen,
        10,
        goal=0.0,
        seeds=seeds,
        value_of="author_sol",
    )


def _care(days: Days, count: int, seeds: int = 1) -> Study:
    found = [each for collection in _CARE for each in spread(days.of(collection), count)]
    if count == 1:
        found = found[:1]
    return gap_study("G7 home care, 60 s", days, found, 60, goal=3.0, seeds=seeds)


def _g11(days: Days) -> Study:
    """Two cores against one with 1.7 times the time: no worse means they are worth 1.7."""
    seed, seconds = days.first_seed, 30.0
    name = f"200x2000-seed{seed}"
    two = Run("dispatch", name, name, "ours on two cores", seconds, seed)
    one = Run("dispatch", name, name, "ours", 1.7 * seconds, seed)

    def figures(get: Get) -> list[Figure]:
        both, alone = get(two), get(one)
        if both is None or alone is None or not both.cost or not alone.cost:
            return []
        return [
            figure(
                "G11 objective on two cores / on one with 1.7 × the time",
                both.cost / alone.cost,
                "ratio",
                1.0,
                broken=[*both.broken, *alone.broken],
            )
        ]

    return Study("G11", (two, one), figures)


_CARE = ("hhcrsp-mankowska", "hhcrsp-italian")
_THOUSAND_ROWS = 50_000
"""Bytes: a file of 1,000 customers is larger, one of 400 smaller."""
