"""What is compared: the runs of each study, and the figures they come to."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, figure
from tests.bench.scheduler.runs import Outcome, Run
from tests.bench.scheduler.sets import Instance, best_known, instances

Get = Callable[[Run], Outcome | None]

PEERS = ("vroom", "pyvrp", "or-tools tuned")
_LARGEST, _MOST_MB = "dispatch 1000x10000 with lunch", 1_500
EVERYBODY = (*PEERS, "vroom territories", "pyvrp territories", "or-tools default")


class Pace(StrEnum):
    QUICK = "quick"
    """One day of each set, seconds each: about two minutes."""
    USUAL = "usual"
    """Within 20 minutes."""
    FULL = "full"
    """Every day, every peer, five seeds: hours, in as many sittings as wanted."""


@dataclass(frozen=True, slots=True)
class Study:
    """Runs that belong together, and what they say of a goal."""

    name: str
    runs: tuple[Run, ...]
    figures: Callable[[Get], list[Figure]]


class Days:
    """The days found in a folder, smallest first in each collection, with their best known values."""

    def __init__(self, folder: Path | None, first_seed: int = 1) -> None:
        self.first_seed = first_seed
        found = [] if folder is None else list(instances(folder))
        self.known = {} if folder is None else best_known(folder)
        self.by_collection: dict[str, list[Instance]] = {}
        for each in sorted(found, key=lambda each: (each.path.stat().st_size, each.name)):
            self.by_collection.setdefault(each.collection, []).append(each)

    def seeds(self, count: int) -> range:
        return range(self.first_seed, self.first_seed + count)

    def of(self, collection: str) -> list[Instance]:
        return self.by_collection.get(collection, [])

    def value(self, run: Run, of: str = "value") -> float | None:
        """Return what the best known plan of a run's day costs, None where nobody has said."""
        own = self.known.get(run.collection, {})
        # A folder from elsewhere may sort its days into other collections.
        for entries in (own, *self.known.values()):
            if run.name in entries:
                value = entries[run.name].get(of)
                return None if value is None else float(value)
        return None


def spread(things: Sequence[Instance], count: int) -> list[Instance]:
    """Return so many, evenly from the smallest to the largest."""
    if count >= len(things):
        return list(things)
    if count == 1:
        return [things[len(things) // 2]]
    return [things[round(number * (len(things) - 1) / (count - 1))] for number in range(count)]


# --- gaps to the best plan known --------------------------------------------------------------------


def gap_study(
    name: str,
    days: Days,
    chosen: Iterable[Instance],
    seconds: float,
    *,
    goal: float | None,
    solvers: Sequence[str] = ("ours",),
    seeds: int = 1,
    value_of: str = "value",
) -> Study:
    """Mean gap to the best plan known; `value_of` names another value of `best_known.json` to hold to."""
    runs = tuple(
        Run(each.collection, each.name, str(each.path), solver, seconds, seed)
        for each in chosen
        for seed in days.seeds(seeds)
        for solver in solvers
    )

    def figures(get: Get) -> list[Figure]:
        made: list[Figure] = []
        for solver in solvers:
            made += _mean_gap(
                f"{name}: {solver}",
                [run for run in runs if run.solver == solver],
                get,
                lambda run: days.value(run, value_of),
                goal if solver == "ours" else None,
            )
        own = [run for run in runs if run.solver == "ours"]
        for peer in solvers[1:]:
            pairs = [(run, replace(run, solver=peer)) for run in own]
            made += _ratio(f"{name}: objective / {peer}", pairs, get, None)
        return made

    return Study(name, runs, figures)


def _mean_gap(
    name: str,
    runs: Sequence[Run],
    get: Get,
    best_of: Callable[[Run], float | None],
    goal: float | None,
) -> Iterator[Figure]:
    gaps: dict[str, list[float]] = {}
    without: dict[str, str] = {}
    for run in runs:
        outcome, best = get(run), best_of(run)
        if outcome is None:
            continue
        if not outcome.is_plan or outcome.cost is None:
            without[run.name] = outcome.why_not
        elif best is not None:
            gaps.setdefault(run.name, []).append(100 * (outcome.cost / best - 1))
    if gaps:
        mean = statistics.fmean(statistics.fmean(each) for each in gaps.values())
        by_day = {day: round(statistics.fmean(each), 2) for day, each in gaps.items()}
        made = figure(name, mean, "% above the best known", goal, gaps=by_day)
        # A day without a valid plan has no gap; a goal is not met by leaving it out.
        if goal is not None and without:
            made["met"] = False
        yield made
    if without:
        wanted = None if goal is None else 0
        yield figure(f"{name}, days without a valid plan", len(without), "days", wanted, **without)


# --- dispatch ---------------------------------------------------------------------------------------


def dispatch_study(
    size: str,
    seconds: float,
    *,
    seeds: Sequence[int],
    peers: dict[str, float | None],
    goal: str = "",
    solvers: dict[str, int] | None = None,
    longer: dict[str, float] | None = None,
    longer_seeds: int = 1,
    served: float | None = None,
) -> Study:
    """Objective of ours over that of each peer, on drawn days of one size.

    `peers` and their goals; `solvers` are those that run on fewer seeds than all; `longer` peers also get
    that many seconds, on `longer_seeds` days, against ours with the usual ones; `served` is a goal for the
    weighted share.
    """
    counts = dict.fromkeys(("ours", *peers), len(seeds)) | (solvers or {})
    longer = longer or {}

    def run(seed: int, solver: str, limit: float) -> Run:
        name = f"{size}-seed{seed}"
        return Run("dispatch", name, name, solver, limit, seed)

    runs = [
        run(seed, solver, seconds)
        for number, seed in enumerate(seeds)
        for solver, count in counts.items()
        if number < count
    ]
    runs += [
        run(seed, solver, limit)
        for seed in seeds[:longer_seeds]
        for solver, limit in longer.items()
    ]

    def pairs(peer: str, limit: float) -> list[tuple[Run, Run]]:
        return [(run(seed, "ours", seconds), run(seed, peer, limit)) for seed in seeds]

    def figures(get: Get) -> list[Figure]:
        tag = f"{goal} dispatch {size}, {seconds:g} s".strip()
        made: list[Figure] = []
        for peer, wanted in peers.items():
            made += _ratio(f"{tag}: objective / {peer}", pairs(peer, seconds), get, wanted)
        for peer, limit in longer.items():
            name = f"{tag}: objective / {peer} at {limit:g} s"
            made += _ratio(name, pairs(peer, limit), get, 1.0)
        usual = [each for each in runs if each.seconds == seconds]
        made += _served(f"{tag}: weighted served", usual, get, served)
        return made

    return Study(f"dispatch {size}, {seconds:g} s", tuple(runs), figures)


def _ratio(
    name: str, pairs: Iterable[tuple[Run, Run]], get: Get, goal: float | None
) -> Iterator[Figure]:
    """Yield the mean of our objective over a peer's, of days that both planned; and where ours failed."""
    ratios: dict[str, list[float]] = {}
    ours_failed: dict[str, str] = {}
    peer_failed: dict[str, str] = {}
    for ours, theirs in pairs:
        own, other = get(ours), get(theirs)
        if own is None or other is None:
            continue
        if not own.is_plan:
            ours_failed[ours.name] = own.why_not
        elif not other.is_plan:
            peer_failed[theirs.name] = other.why_not
        elif own.cost is not None and other.cost:
            ratios.setdefault(ours.name, []).append(own.cost / other.cost)
    if ratios:
        by_day = {day: round(statistics.fmean(each), 3) for day, each in ratios.items()}
        mean = statistics.fmean(by_day.values())
        made = figure(name, mean, "ratio", goal, ratios=by_day, without_the_peers_plan=peer_failed)
        if goal is not None and ours_failed:
            made["met"] = False
        yield made
    if ours_failed:
        wanted = None if goal is None else 0
        yield figure(
            f"{name}, days without our plan", len(ours_failed), "days", wanted, **ours_failed
        )


def _served(name: str, runs: Sequence[Run], get: Get, goal: float | None) -> Iterator[Figure]:
    shares: dict[str, list[float]] = {}
    for run in runs:
        outcome = get(run)
        if outcome is not None and outcome.is_plan and outcome.served is not None:
            shares.setdefault(run.solver, []).append(100 * outcome.served)
    means = {solver: round(statistics.fmean(each), 2) for solver, each in shares.items()}
    if "ours" in means:
        yield figure(name, means["ours"], "%", goal, better="higher", by_solver=means)


# --- what a run is like -----------------------------------------------------------------------------


def about_runs(runs: Sequence[Run], get: Get) -> Iterator[Figure]:
    """Yield deadline overrun (G9), first solutions and memory, over all runs there are."""
    done = [(run, outcome) for run in runs if (outcome := get(run)) is not None]
    mine = [(run, outcome) for run, outcome in done if run.solver.startswith("ours")]
    late = {
        run.label: round(outcome.wall_s - (1.05 * run.seconds + 0.2), 3)
        for run, outcome in mine
        if outcome.wall_s is not None
    }
    killed = [run.label for run, outcome in mine if outcome.wall_s is None]
    if late:
        worst = max(late, key=lambda label: late[label])
        made = figure(
            "G9 wall beyond 1.05 × limit + 0.2 s: ours, worst run",
            late[worst],
            "s",
            0.0,
            run=worst,
            runs=len(late),
            failed=killed,
            least_share_of_a_core=_least_share(mine),
        )
        if killed:
            made["met"] = False
        yield made
    for solver in sorted({run.solver for run, _ in done}):
        own = [(run, outcome) for run, outcome in done if run.solver == solver]
        ratios = [each.wall_s / run.seconds for run, each in own if each.wall_s is not None]
        if ratios:
            yield figure(f"wall / limit, worst run: {solver}", max(ratios), "ratio", None)
        if first := _by_size(own, "first_s"):
            middles = {size: round(statistics.median(each), 3) for size, each in first.items()}
            worst = max(middles.values())
            yield figure(f"first solution, slowest size: {solver}", worst, "s", None, **middles)
        if peaks := _by_size(own, "peak_mb"):
            most = {size: max(each) for size, each in peaks.items()}
            yield figure(f"peak memory, largest: {solver}", max(most.values()), "MB", None, **most)
            if solver == "ours" and _LARGEST in most:
                name = "G3 peak memory with breaks: ours"
                yield figure(name, most[_LARGEST], "MB", _MOST_MB)


def _least_share(runs: Sequence[tuple[Run, Outcome]]) -> float:
    """Return how much of its core the worst-off run got: below 0.9, others were using the machine."""
    shares = [each.cpu_s / each.wall_s for _, each in runs if each.cpu_s and each.wall_s]
    return round(min(shares, default=1.0), 2)


def _by_size(done: Sequence[tuple[Run, Outcome]], what: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for run, outcome in done:
        value: Any = getattr(outcome, what)
        if value is not None:
            size = run.collection
            if run.collection == "dispatch":
                size = f"dispatch {run.name.partition('-')[0]}"
                size += " with lunch" if run.name.endswith("lunch") else ""
            found.setdefault(size, []).append(value)
    return dict(sorted(found.items()))
