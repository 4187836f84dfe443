"""Planning in a process of its own: the event loop keeps turning, and a solver that hangs is killed.

`solve` starts `python -m scheduler.child`, which reads options and problem from its standard input and
writes one answer to its standard output. The child dies with its parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from scheduler.checks import violations
from scheduler.engine import plan_day
from scheduler.engine.machine_code import is_warm
from scheduler.problem import DayProblem, Plan, ProblemInvalid, Step, problem_from_json, to_json
from scheduler.reasons import Reason, explain
from scheduler.repair import ENGINE as REPAIR
from scheduler.repair import repair

_SECONDS = 10.0
_LEAST_S = 0.2
_GRACE_S = 60.0
"""Start, transport and the solver's own lateness, before the child is taken for hung."""
_CLOCKLESS_S = 300.0
_PR_SET_PDEATHSIG = 1
_WARM = "warm"
_LEAST_URGENT = 19

log = logging.getLogger("scheduler.child")

Answered = TypeVar("Answered")


@dataclass(frozen=True, slots=True)
class Solved:
    """A plan the referee has nothing against, and why each visit it leaves out is left out."""

    plan: Plan
    reasons: tuple[Reason, ...]


class SolverFailed(RuntimeError):
    """No plan came of it, and not because of the problem.

    `code` is `timed_out` (the child was killed), `crashed` (it ended without an answer) or
    `broken_plan` (the referee found a broken rule; nothing of such a plan is kept).
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class _Options:
    seconds: float | None
    iterations: int | None
    seed: int
    engine: str
    processes: int
    parent: int
    asked_at: float
    """On the system's monotonic clock, which parent and child share."""
    steps: tuple[Step, ...] | None = None
    """What a search did before and is to do again."""
    is_explained: bool = True


@dataclass(frozen=True, slots=True)
class _Answer:
    solved: Solved | None = None
    refusal: tuple[str, str] | None = None
    """Code and sentence of a `ProblemInvalid`."""
    broken: tuple[str, ...] = ()


async def solve(
    problem: DayProblem,
    *,
    seconds: float | None = None,
    iterations: int | None = None,
    seed: int = 0,
    published: Plan | None = None,
    engine: str = "or-tools",
    processes: int | None = None,
    grace_s: float = _GRACE_S,
) -> Solved:
    """Return a plan with its reasons; the arguments are those of `engine.plan_day`.

    A large day is searched by as many processes as there are cores, unless told.

    The limit counts from this call: the child's start, the referee and the reasons are within it.
    The child is killed `grace_s` after its limit, and at once where the caller is cancelled. Raises
    `ProblemInvalid` where the problem contradicts itself, `SolverFailed` where there is no plan.
    """
    if published is not None:
        problem = problem.with_published(published)
    options = _Options(
        seconds, iterations, seed, engine, processes or _cores(), os.getpid(), time.monotonic()
    )
    limit = _CLOCKLESS_S if iterations is not None else (seconds or _SECONDS)
    return await _asked(options, problem, limit + grace_s)


async def replay(problem: DayProblem, plan: Plan, *, iterations: int | None = None) -> Plan:
    """Return what the engine of `plan` makes of its problem when it does the same again, without a clock.

    A search is told its steps, OR-Tools the `iterations` it was given; a repair needs neither. Raises as
    `solve`.
    """
    is_search = plan.engine == "search"
    options = _Options(
        seconds=None,
        iterations=None if is_search or plan.engine == REPAIR else iterations,
        seed=plan.seed,
        engine=plan.engine,
        processes=1,
        parent=os.getpid(),
        asked_at=time.monotonic(),
        steps=plan.steps if is_search else None,
        is_explained=False,
    )
    return (await _asked(options, problem, _CLOCKLESS_S + _GRACE_S)).plan


async def _asked(options: _Options, problem: DayProblem, limit: float) -> Solved:
    request = msgspec.json.encode(options) + b"\n" + to_json(problem)
    said = await ask("scheduler.child", request, limit, _Answer)
    if said.refusal is not None:
        raise ProblemInvalid(*said.refusal)
    if said.solved is None:
        raise SolverFailed("broken_plan", "The plan breaks a rule: " + " ".join(said.broken))
    return said.solved


async def ask(module: str, request: bytes, limit: float, kind: type[Answered]) -> Answered:
    """Run a module of ours as a process with `request` on its standard input; return what it answers.

    It is killed after `limit` seconds, and at once where the caller is cancelled. Raises `SolverFailed`.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
    )
    try:
        async with asyncio.timeout(limit):
            answer, complaints = await process.communicate(request)
    except TimeoutError:
        raise SolverFailed(
            "timed_out", f"The solver gave no answer {limit:.0f} s after it was asked."
        ) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            # Reads what is left in the pipes too, so that nothing of them outlives the call.
            await process.communicate()
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.DecodeError:
        lines = complaints.decode("utf-8", "replace").strip().splitlines()
        last = lines[-1] if lines else "it said nothing"
        raise SolverFailed(
            "crashed", f"The solver ended with {process.returncode}: {last}"
        ) from None


async def warm() -> None:
    """Have the search compiled for the children to come, in a process of its own that yields to others.

    Returns when that is done, at once where it was before; a caller that is cancelled ends it.
    """
    if is_warm():
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "scheduler.child",
        _WARM,
        str(os.getpid()),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
    )
    try:
        _, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        lines = complaints.decode("utf-8", "replace").strip().splitlines()
        log.warning("the search could not be compiled", extra={"why": (lines or [""])[-1]})


def _cores() -> int:
    """Return how many cores this process may use."""
    mine = getattr(os, "sched_getaffinity", None)
    return len(mine(0)) if mine is not None else os.cpu_count() or 1


def _environment() -> dict[str, str]:
    """Let the child find this package where it was found here, installed or not."""
    here = str(Path(__file__).resolve().parents[1])
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def main() -> None:
    """Answer one request, or compile what later ones need."""
    if sys.argv[1:2] == [_WARM]:
        die_with(int(sys.argv[2]))
        os.nice(_LEAST_URGENT)
        from scheduler.engine import search

        search.warm()
        return
    door, first, rest = open_door()
    options = msgspec.json.decode(first, type=_Options)
    die_with(options.parent)
    with os.fdopen(door, "wb") as out:
        out.write(answer(first, rest))


def answer(first: bytes, data: bytes) -> bytes:
    """Return what is said to a request's first line and its rest."""
    return msgspec.json.encode(_answer(msgspec.json.decode(first, type=_Options), data))


def open_door() -> tuple[int, bytes, bytes]:
    """Return where the answer goes, the request's first line and its rest.

    What libraries print goes to standard error; the answer has its own door.
    """
    door = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    first, _, rest = sys.stdin.buffer.read().partition(b"\n")
    return door, first, rest


def _answer(options: _Options, data: bytes) -> _Answer:
    try:
        problem = problem_from_json(data)
        plan = _planned(options, problem)
    except ProblemInvalid as refusal:
        return _Answer(refusal=(refusal.code, refusal.sentence))
    broken = violations(problem, plan)
    if broken:
        return _Answer(broken=tuple(broken))
    reasons = explain(problem, plan, seconds=_left(options)) if options.is_explained else ()
    return _Answer(solved=Solved(plan, tuple(reasons)))


def _planned(options: _Options, problem: DayProblem) -> Plan:
    if options.engine == REPAIR:
        return repair(problem)
    return plan_day(
        problem,
        seconds=_left(options),
        iterations=options.iterations,
        steps=options.steps,
        seed=options.seed,
        engine=options.engine,
        processes=options.processes,
    )


def _left(options: _Options) -> float | None:
    """Return what is left of the limit since it was asked for; None where there is no clock."""
    if options.iterations is not None or options.steps is not None:
        return None
    return left_of(options.asked_at, _SECONDS if options.seconds is None else options.seconds)


def left_of(asked_at: float, limit: float) -> float:
    """Return what is left of a limit that began in the parent, on the clock that both share."""
    return max(_LEAST_S, asked_at + limit - time.monotonic())


def die_with(parent: int) -> None:
    """Ask the kernel to end this process when its parent's does; elsewhere than on Linux it is left."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before the kernel was asked
        sys.exit(1)


if __name__ == "__main__":
    main()
