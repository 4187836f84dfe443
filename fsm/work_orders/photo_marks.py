"""What somebody points at in a photo: rings and arrows kept beside the picture, never burnt in. Pure.

A place is told in fractions of the picture as it is shown upright, so that it holds for the picture's small
copies too. There are no words among the marks: those are the note's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, Self

MOST: Final = 20
"""Marks on one photo; more point at nothing."""


class MarkKind(StrEnum):
    RING = "ring"
    ARROW = "arrow"


@dataclass(frozen=True, slots=True)
class Mark:
    """One ring or arrow, at `x` of the width and `y` of the height (0 to 1, from the upper left corner).

    A ring has its centre there, an arrow its point. `size` is the ring's diameter or the arrow's length in
    parts of the longer side (0.02 to 1); `angle` is where the arrow comes from, in degrees clockwise from
    above (0 to 359), 0 for a ring.
    """

    kind: MarkKind
    x: float
    y: float
    size: float
    angle: int = 0

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Self:
        return cls(**{**kept, "kind": MarkKind(kept["kind"])})


def as_kept(marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """Return marks as they are stored and told, the places to a ten-thousandth."""
    return [
        asdict(mark) | {name: round(getattr(mark, name), 4) for name in ("x", "y", "size")}
        for mark in marks
    ]
