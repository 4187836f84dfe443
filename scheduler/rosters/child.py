"""Rostering in a process of its own, as planning is (`scheduler.child`): asked once, killed when it hangs."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

import msgspec

from scheduler.child import SolverFailed, ask, die_with, left_of, open_door
from scheduler.engine.rostering import solve_roster
from scheduler.rosters.checks import violations
from scheduler.rosters.outcome import outcome
from scheduler.rosters.problem import (
    Roster,
    RosterInvalid,
    RosterProblem,
    problem_from_json,
    to_json,
)

_GRACE_S = 60.0
"""Start, transport, the referee and the explanation of what is missing."""
_CLOCKLESS_S = 1_500.0
"""For a number of rounds; within the time after which a run is taken for lost (`jobs.LOST_AFTER`)."""


@dataclass(frozen=True, slots=True)
class Solved:
    """A roster the referee has nothing against, and its result as a page shows it."""

    roster: Roster
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Options:
    seconds: float
    rounds: int | None
    seed: int
    parent: int
    asked_at: float


@dataclass(frozen=True, slots=True)
class _Answer:
    solved: Solved | None = None
    refusal: tuple[str, str] | None = None
    broken: tuple[str, ...] = ()


async def solve(
    problem: RosterProblem, *, seconds: float, rounds: int | None = None, seed: int = 0
) -> Solved:
    """Return a roster; `seconds` are the search's, counted from this call, and none with `rounds`.

    Raises `RosterInvalid` where the problem contradicts itself, `SolverFailed` where there is no roster.
    """
    options = _Options(seconds, rounds, seed, os.getpid(), time.monotonic())
    limit = _GRACE_S + (_CLOCKLESS_S if rounds is not None else seconds)
    request = msgspec.json.encode(options) + b"\n" + to_json(problem)
    said = await ask("scheduler.rosters.child", request, limit, _Answer)
    if said.refusal is not None:
        raise RosterInvalid(*said.refusal)
    if said.solved is None:
        raise SolverFailed("broken_plan", "The roster breaks a rule: " + " ".join(said.broken))
    return said.solved


def main() -> None:
    """Answer one request on the door that `ask` reads."""
    door, first, rest = open_door()
    options = msgspec.json.decode(first, type=_Options)
    die_with(options.parent)
    with os.fdopen(door, "wb") as out:
        out.write(msgspec.json.encode(_answer(options, rest)))


def _answer(options: _Options, data: bytes) -> _Answer:
    try:
        problem = problem_from_json(data)
        roster = solve_roster(
            problem,
            seconds=left_of(options.asked_at, options.seconds) if options.rounds is None else None,
            rounds=options.rounds,
            seed=options.seed,
        )
    except RosterInvalid as refusal:
        return _Answer(refusal=(refusal.code, refusal.sentence))
    broken = violations(problem, roster)
    if broken:
        return _Answer(broken=tuple(broken))
    result = outcome(
        problem, roster.duties, bound=roster.bound, conflicts=roster.conflicts, roster=roster
    )
    return _Answer(solved=Solved(roster, result))


if __name__ == "__main__":
    main()
