"""What is measured beside whole plans: urgent visits (G8), reasons (G10), replay (G12)."""

from __future__ import annotations

import importlib

from tests.bench.figures import Figure

PARTS = ("insertion", "urgent", "reasons", "replay")


def measure(name: str, *, is_short: bool) -> list[Figure]:
    """Return the figures of one part; `is_short` takes a small day."""
    if name not in PARTS:
        raise SystemExit(f"There is no part {name}; there are: {', '.join(PARTS)}.")
    module = importlib.import_module(f"tests.bench.scheduler.{name}_part")
    figures: list[Figure] = module.measure(is_short=is_short)
    return figures
