"""Our own engines, asked as the product asks them."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import fields, replace

from scheduler import engine as engines
from scheduler.checks import violations
from scheduler.problem import DayProblem, Plan, Shift
from tests.bench.scheduler.answers import Answer, Question
from tests.bench.scheduler.cases import tours_of

BEST = "search" if "search" in engines.ENGINES else engines.ENGINES[0]
"""The engine that `ours` stands for."""

OTHERS = tuple(each for each in engines.ENGINES if each not in (BEST, "auto"))
"""`auto` is one of these by the day, so it is none of its own."""

HAS_CORES = "processes" in inspect.signature(engines.plan_day).parameters


def solver(engine: str, **options: int) -> Callable[[Question], Answer]:
    """Return a solver that plans with one of the product's engines."""

    def solve(question: Question) -> Answer:
        problem = as_planned(question)
        plan = engines.plan_day(
            problem, seconds=question.left_s, seed=question.seed, engine=engine, **options
        )
        return Answer(tours_of(plan), None, plan.notes, lambda: _complaints(problem, plan))

    return solve


def as_planned(question: Question) -> DayProblem:
    """Return the problem with the longest duration of its routes, where shifts can have one."""
    problem = question.problem
    if question.longest_s is None or "longest_s" not in {each.name for each in fields(Shift)}:
        return problem
    limit = {"longest_s": question.longest_s}
    return replace(problem, shifts=tuple(replace(each, **limit) for each in problem.shifts))


def prepare(engine: str) -> None:
    """Import and compile before any clock runs, as a worker does when it starts."""
    if engine == "search":
        from scheduler.engine import search

        search.warm()
    else:
        from ortools.constraint_solver import pywrapcp  # noqa: F401

        from scheduler.engine import routing  # noqa: F401


def plan(problem: DayProblem, seconds: float) -> Plan:
    """Return a plan to measure something else on, made by a search that is compiled before it begins."""
    prepare(BEST)
    if BEST == "search":
        engines.plan_day(problem, iterations=1, engine=BEST)
    return engines.plan_day(problem, seconds=seconds, engine=BEST)


def first_solution_s(question: Question, engine: str) -> float | None:
    """Return how long a run takes that ends with its first solution; None where that is not quick.

    The first such run is not the one that counts: it meets what only this kind of day makes compile.
    """
    if engine != "search":
        return None
    problem = as_planned(question)
    took = []
    for _ in range(2):
        began = time.monotonic()
        engines.plan_day(problem, iterations=1, seed=question.seed, engine=engine)
        took.append(time.monotonic() - began)
    return took[1]


def _complaints(problem: DayProblem, plan: Plan) -> tuple[str, ...]:
    return tuple(violations(problem, plan)[:10])
