"""A bench's figures: a number with its unit, and whether it is as good as was asked for."""

import sys
from typing import Any, Literal

Figure = dict[str, Any]


def figure(
    name: str,
    value: float,
    unit: str,
    goal: float | None,
    *,
    better: Literal["lower", "higher"] = "lower",
    **detail: object,
) -> Figure:
    """Return a figure as benches print it. Without a goal it can be neither met nor missed."""
    met = None
    if goal is not None:
        met = value <= goal if better == "lower" else value >= goal
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "goal": goal,
        "better": better,
        "met": met,
        "detail": detail,
    }


def say(sentence: str) -> None:
    """Tell how far a bench is: standard output is for its figures."""
    print(sentence, file=sys.stderr, flush=True)
