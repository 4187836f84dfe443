"""How big a life is, and how rough: from the short storm of every test run to the long days of the proof."""

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Size:
    """How big a life is, and how rough.

    `fault_every_s` is the mean pause between the runner's own faults, `storm` multiplies the odds of the
    line's or names the one that falls, `disturb` is how often an office changes its mind, about the plan of
    a new visit and about all else. `only` limits the runner's faults to those named; `sure` names faults
    that fall in the first, the second … round whatever the dice say, and there are at least as many rounds.
    Without `faults` nothing breaks but what a plug-in broke.
    """

    firms: int = 2
    technicians: int = 7
    assets_each: int = 3
    offices: int = 1
    crews: int = 2
    second_phones: int = 2
    round_s: float = 75
    fault_every_s: float = 3.0
    storm: float | str = 1.0
    disturb: float = 0.4
    acts: tuple[str, ...] = ()
    most_open: int = 3
    least_intents: int = 100
    faults: bool = True
    only: tuple[str, ...] = ()
    sure: tuple[tuple[str, ...], ...] = ()
    plan: dict[str, Any] = field(default_factory=dict)


SHORT = Size(
    firms=1,
    technicians=4,
    crews=1,
    second_phones=1,
    round_s=10,
    fault_every_s=1.2,
    plan={"per_visit": [20, 60], "burst": 60, "seldom": 3},
)

BRIEF = replace(
    SHORT,
    round_s=4,
    sure=(("store killed",), ("restored from a backup", "store stopped")),
)
"""Two rounds, since there must have been a rest to go back to."""
