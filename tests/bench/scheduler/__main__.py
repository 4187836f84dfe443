"""Plans of ours, PyVRP, VROOM and OR-Tools for the same days: equal time, one core, one judge.

The default run ends within 20 minutes. `--quick` takes about two; `--full` takes hours, keeps what it has in
a file and goes on from there when called again. README.md beside this says what is measured and where the
public days are.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, say
from tests.bench.scheduler import parts
from tests.bench.scheduler.runs import CHECKOUT, Book, Outcome, Run, make, prepare
from tests.bench.scheduler.sets import folder_of_instances
from tests.bench.scheduler.solvers import SOLVERS
from tests.bench.scheduler.studies import Days, Pace, Study, about_runs
from tests.bench.scheduler.subsets import studies

_USUAL_S = 19 * 60.0
_BESIDES_S = 5.0
"""What a run takes beside its limit: a process, imports, reading, judging."""


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    pace = Pace.FULL if options.full else Pace.QUICK if options.quick else Pace.USUAL
    folder = None if options.generated else folder_of_instances(options.instances)
    days = Days(folder, options.seed)
    wanted = studies(pace, days, seconds=options.seconds, generated=options.generated)
    if options.only:
        named = tuple(options.only.split(","))
        wanted = [study for study in wanted if study.name.startswith(named)]
    solvers = options.solvers.split(",") if options.solvers else list(SOLVERS)
    for name in solvers:
        if name not in SOLVERS:
            sys.exit(f"There is no solver {name}; there are: {', '.join(SOLVERS)}.")
    runs = [
        run
        for run in dict.fromkeys(run for study in wanted for run in study.runs)
        if run.solver in solvers
    ]
    if options.list:
        for run in runs:
            print(run.label)
        return
    file = Path(options.results) if options.results else None
    if file is None and pace is Pace.FULL:
        file = CHECKOUT / "build" / "bench" / "scheduler.jsonl"
    book = Book(file)
    ends = time.monotonic() + _USUAL_S if pace is Pace.USUAL else None
    own = (
        parts.PARTS
        if options.parts == "all"
        else [each for each in options.parts.split(",") if each]
    )
    figures = _parts(own, is_short=pace is Pace.QUICK or options.generated is not None)
    skipped = _make_all(runs, book, ends)
    report = _report(wanted, runs, book, days, figures, skipped)
    report["subset"] = f"{options.generated or pace}: " + "; ".join(each.name for each in wanted)
    for each in report["figures"]:
        say(_line(each))
    print(json.dumps(report, indent=1))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="deploy/bench scheduler", description=__doc__)
    paces = parser.add_mutually_exclusive_group()
    paces.add_argument("--quick", action="store_true", help="about two minutes")
    paces.add_argument("--full", action="store_true", help="everything; resumable")
    paces.add_argument(
        "--generated", metavar="TxV", help="one drawn day of T technicians, V visits"
    )
    parser.add_argument("--instances", metavar="DIR", help="a folder of days in the public formats")
    parser.add_argument("--results", metavar="FILE", help="keep outcomes here, and go on from them")
    parser.add_argument("--solvers", metavar="A,B", help=f"only these of: {', '.join(SOLVERS)}")
    parser.add_argument(
        "--only", metavar="A,B", help="the studies whose names begin so: G5,solomon"
    )
    parser.add_argument("--seconds", type=float, help="limit of a run in --quick and --generated")
    parser.add_argument(
        "--parts", default="all", help=f"which of {', '.join(parts.PARTS)}; '' for none"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="the first of those drawn and planned with (1)"
    )
    parser.add_argument("--list", action="store_true", help="say what would run")
    return parser.parse_args(arguments)


def _parts(names: Sequence[str], *, is_short: bool) -> list[Figure]:
    figures: list[Figure] = []
    for name in names:
        say(f"measuring {name}")
        found = parts.measure(name, is_short=is_short)
        for each in found:
            say(_line(each))
        figures += found
    return figures


def _make_all(runs: Sequence[Run], book: Book, ends: float | None) -> list[str]:
    """Make the runs that the book does not hold; return those there was no time for."""
    skipped = []
    prepare([run for run in runs if book.get(run) is None])
    for number, run in enumerate(runs, 1):
        if (known := book.get(run)) is None:
            if ends is not None and time.monotonic() + run.seconds + _BESIDES_S > ends:
                skipped.append(run.label)
                continue
            known = make(run)
            book.put(run, known)
        say(f"{number}/{len(runs)} {run.label}: {_said(known)}")
    return skipped


def _said(outcome: Outcome) -> str:
    if not outcome.is_plan:
        return "no plan: " + (outcome.error or "; ".join(outcome.broken[:2]))
    served = (
        "" if outcome.served in (None, 1.0) else f", {100 * (outcome.served or 0):.1f} % served"
    )
    return (
        f"{outcome.cost:,.10g}{served}, {outcome.wall_s:.1f} s on the clock "
        f"({outcome.cpu_s:.1f} s of the core), {outcome.peak_mb:.0f} MB"
    )


def _report(
    wanted: Sequence[Study],
    runs: Sequence[Run],
    book: Book,
    days: Days,
    figures: list[Figure],
    skipped: list[str],
) -> dict[str, Any]:
    allowed = set(runs)

    def get(run: Run) -> Outcome | None:
        return book.get(run) if run in allowed else None

    made = [each for study in wanted for each in study.figures(get)]
    made += [*about_runs(runs, get), *figures]
    return {
        "bench": "scheduler",
        "seed": days.first_seed,
        "cores": 1,
        "figures": made,
        "skipped": skipped,
        "runs": [_row(run, outcome, days) for run in runs if (outcome := get(run)) is not None],
    }


def _line(made: Figure) -> str:
    goal = "" if made["goal"] is None else f" (goal {made['goal']:g})"
    mark = {True: "met   ", False: "missed", None: "      "}[made["met"]]
    return f"{mark} {made['name']}: {made['value']:g} {made['unit']}{goal}"


def _row(run: Run, outcome: Outcome, days: Days) -> dict[str, Any]:
    best = days.value(run)
    gap = None
    if best is not None and outcome.is_plan and outcome.cost is not None:
        gap = round(100 * (outcome.cost / best - 1), 3)
    return {
        "set": run.collection,
        "day": run.name,
        "solver": run.solver,
        "seconds": run.seconds,
        "seed": run.seed,
        "cost": outcome.cost,
        "gap_percent": gap,
        "weighted_served": outcome.served,
        "wall_s": outcome.wall_s,
        "cpu_s": outcome.cpu_s,
        "first_s": outcome.first_s,
        "peak_mb": outcome.peak_mb,
        "broken": list(outcome.broken),
        "error": outcome.error,
        "notes": list(outcome.notes),
    }


if __name__ == "__main__":
    main()
