"""One run of one solver on one day, in a process of its own on one core.

Reads the run as JSON from standard input, writes what came of it to the file named: whoever asked may
kill this process, which is all that stops some solvers.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench.scheduler import ours
from tests.bench.scheduler.answers import NotMadeForThis, Question
from tests.bench.scheduler.sets import case_named
from tests.bench.scheduler.solvers import SOLVERS


def main() -> None:
    asked = json.load(sys.stdin)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, asked["cores"])
    try:
        found = prepare(asked) if asked["is_preparation"] else run(asked)
    except NotMadeForThis as error:
        found = {"error": str(error)}
    Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")


def prepare(asked: dict[str, Any]) -> dict[str, Any]:
    """Have everything compiled that such a day needs, so that no run's patience is spent on it."""
    solver = SOLVERS[asked["solver"]]
    solver.prepare()
    if solver.engine is not None:
        ours.first_solution_s(_question(asked), solver.engine)
    return {}


def run(asked: dict[str, Any]) -> dict[str, Any]:
    """Return tours, times and memory of one run."""
    solver = SOLVERS[asked["solver"]]
    solver.prepare()
    question = _question(asked)
    first_s = None
    if solver.engine is not None:
        first_s = ours.first_solution_s(question, solver.engine)
    question = replace(question, began=time.monotonic())
    spent = time.process_time()
    answer = solver.solve(question)
    wall_s, cpu_s = question.passed_s, time.process_time() - spent
    return {
        "tours": {str(number): tour for number, tour in answer.tours.items()},
        "first_s": first_s if answer.first_s is None else answer.first_s,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "peak_mb": peak_mb(),
        "notes": list(answer.notes),
        "complaints": list(answer.complaints()),
    }


def _question(asked: dict[str, Any]) -> Question:
    case = case_named(asked["where"])
    return Question(
        case.problem(), case.longest_s, case.serves_all, asked["seconds"], asked["seed"]
    )


def peak_mb() -> float:
    """Return the most memory this process held; unlike `getrusage`, not what its parent did before it."""
    status = Path("/proc/self/status")
    if not status.exists():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    held = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
    return int(held.group(1)) / 1024 if held else 0.0


if __name__ == "__main__":
    main()
