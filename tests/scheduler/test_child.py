"""Planning in a child process: what comes back, and what comes of children that fail."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from scheduler import child
from scheduler.checks import violations
from scheduler.child import SolverFailed, solve
from scheduler.engine import plan_day
from scheduler.engine.machine_code import is_warm
from scheduler.problem import Cause, ProblemInvalid
from tests.scheduler.days import a_day, a_visit


def children() -> set[str]:
    """Return the processes this one has started and not buried."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


async def test_the_child_plans_as_the_engine_does_and_brings_the_reasons() -> None:
    day = a_day((a_visit("a", 1), a_visit("b", 2, skills=(("electric", 1),))))
    solved = await solve(day, iterations=5, seed=3)
    assert solved.plan == plan_day(day, iterations=5, seed=3)
    assert [(each.visit, each.cause) for each in solved.reasons] == [("b", Cause.IMPOSSIBLE)]


async def test_a_published_plan_reaches_the_child() -> None:
    day = a_day((a_visit("a", 1),))
    first = plan_day(day, iterations=5)
    solved = await solve(day, iterations=5, published=first)
    assert violations(day.with_published(first), solved.plan) == []


async def test_a_contradiction_comes_back_as_itself() -> None:
    with pytest.raises(ProblemInvalid) as refused:
        await solve(replace(a_day(()), days=0), iterations=1)
    assert refused.value.code == "horizon"


async def test_a_child_that_hangs_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(child.sys, "executable", _script(tmp_path, "exec sleep 600"))
    before = children()
    with pytest.raises(SolverFailed) as failed:
        await solve(a_day(()), seconds=0.1, grace_s=0.1)
    assert failed.value.code == "timed_out"
    assert children() <= before


async def test_a_child_whose_caller_goes_away_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(child.sys, "executable", _script(tmp_path, "exec sleep 600"))
    before = children()
    task = asyncio.create_task(solve(a_day(()), seconds=60))
    while not children() - before:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() <= before


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("echo 'out of memory' >&2; exit 3", "ended with 3: out of memory"),
        ("exit 0", "it said nothing"),
        ("echo '{\"solved\": 7}'", "ended with 0"),
    ],
)
async def test_a_child_that_ends_without_an_answer_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, does: str, says: str
) -> None:
    monkeypatch.setattr(child.sys, "executable", _script(tmp_path, f"cat >/dev/null; {does}"))
    with pytest.raises(SolverFailed, match=says) as failed:
        await solve(a_day(()), iterations=1)
    assert failed.value.code == "crashed"


async def test_a_plan_that_breaks_a_rule_is_not_handed_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer = """cat >/dev/null; echo '{"broken": ["Visit a is elsewhere."]}'"""
    monkeypatch.setattr(child.sys, "executable", _script(tmp_path, answer))
    with pytest.raises(SolverFailed, match="Visit a is elsewhere") as failed:
        await solve(a_day(()), iterations=1)
    assert failed.value.code == "broken_plan"


def _script(folder: Path, body: str) -> str:
    """Return a program that stands in for the interpreter."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.long
async def test_a_worker_has_the_search_compiled_before_anybody_asks_for_it() -> None:
    await child.warm()
    assert is_warm()
