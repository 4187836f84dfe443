"""Stored inputs planned again in another process (G12): the same bytes, or not the same plan."""

from __future__ import annotations

import hashlib
import inspect
import json
import subprocess
import sys

from scheduler.engine import plan_day
from scheduler.problem import Plan, plan_from_json, problem_from_json, to_json
from tests.bench.figures import Figure, figure
from tests.bench.scheduler.dispatch import DispatchDay
from tests.bench.scheduler.generator import LUNCH, dispatch_day
from tests.bench.scheduler.ours import BEST

_IS_TOLD_STEPS = BEST == "search" and "steps" in inspect.signature(plan_day).parameters


def measure(*, is_short: bool) -> list[Figure]:
    seeds = range(1, 2 if is_short else 4)
    same = {}
    for seed in seeds:
        problem = DispatchDay.of(dispatch_day(20, 150, seed)).with_lunch(LUNCH).problem()
        if _IS_TOLD_STEPS:
            plan = plan_day(problem, seconds=2, seed=seed, engine=BEST)
        else:
            plan = plan_day(problem, iterations=3, seed=seed, engine=BEST)
        stored = json.dumps({"problem": to_json(problem).decode(), "plan": to_json(plan).decode()})
        again = subprocess.run(
            [sys.executable, "-m", "tests.bench.scheduler.replay_part"],
            input=stored,
            capture_output=True,
            text=True,
            check=True,
        )
        same[f"seed {seed}"] = again.stdout.strip() == _digest(plan)
    how = "timed runs, by their steps" if _IS_TOLD_STEPS else "runs limited by iterations"
    share = sum(same.values()) / len(same)
    return [
        figure(
            f"G12 replays with identical bytes: {how}", share, "share", 1.0, better="higher", **same
        )
    ]


def _digest(plan: Plan) -> str:
    return hashlib.sha256(to_json(plan)).hexdigest()


def _replay() -> None:
    """Plan what standard input holds as its plan was made, and print the result's digest."""
    stored = json.load(sys.stdin)
    problem = problem_from_json(stored["problem"].encode())
    plan = plan_from_json(stored["plan"].encode())
    if _IS_TOLD_STEPS:
        again = plan_day(problem, seed=plan.seed, engine=plan.engine, steps=plan.steps)
    else:
        again = plan_day(problem, seed=plan.seed, engine=plan.engine, iterations=3)
    print(_digest(again))


if __name__ == "__main__":
    _replay()
