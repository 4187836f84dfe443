"""Rosters by CP-SAT: a greedy start, then one neighbourhood after another solved again; and a bound.

Seconds of wall clock only end the search: what a neighbourhood becomes is limited by the solver's own
deterministic time, and one that the clock cuts off is thrown away. So a roster that took 412 rounds comes
out again when the same problem is solved with `rounds=412` and no clock, on any machine.
"""

from __future__ import annotations

from scheduler.rosters.problem import Roster, RosterProblem


def solve_roster(
    problem: RosterProblem,
    *,
    seconds: float | None = None,
    rounds: int | None = None,
    seed: int = 0,
) -> Roster:
    """Return a roster that keeps every rule, with a bound below which no such roster costs.

    Give `seconds` of wall clock (60 unless told), or `rounds` of improvement without a clock. A duty that is
    fixed and contradicts the rules is left out and named with what it contradicts. Raises `RosterInvalid`
    where the problem contradicts itself, `ValueError` for a limit that there is not.
    """
    if seconds is not None and rounds is not None:
        raise ValueError("A roster is limited by seconds or by rounds, not by both.")
    if (seconds is not None and seconds <= 0) or (rounds is not None and rounds < 0):
        raise ValueError("A limit is above zero.")
    problem.validate()
    from scheduler.engine.rostering.search import search  # brings OR-Tools, slow to import

    return search(problem, seconds=seconds, rounds=rounds, seed=seed)
