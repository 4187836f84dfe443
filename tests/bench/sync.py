"""Mobile sync: reading, writing, streams, uploads and thumbnails, each against a peer or a limit of one run.

The parts are modules beside this one, each with `measure(seconds)`. `--only pull,stream` runs some of them.
"""

import argparse
import asyncio
import importlib
import json
import sys
from typing import Any

#: part → its share of the seconds: what must settle gets more
PARTS = {"pull": 2, "lag": 1, "push": 2, "stream": 1, "upload": 2, "photo": 1}


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def figures_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a part's figures, whichever way it gives them: a list, one, or one for each name."""
    if "figures" in found:
        return list(found["figures"])
    if "name" in found:
        return [found]
    return [{"name": name, **one} for name, one in found.items()]


def judged(figure: dict[str, Any]) -> dict[str, Any]:
    """Return a figure with everything that a figure says."""
    goal, better = figure.get("goal"), figure.get("better", "lower")
    met = figure.get("met")
    if met is None and goal is not None:
        met = figure["value"] <= goal if better == "lower" else figure["value"] >= goal
    return {
        "name": figure["name"],
        "value": figure["value"],
        "unit": figure.get("unit", "ratio"),
        "goal": goal,
        "better": better,
        "met": met,
        "detail": figure.get("detail", {}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="seconds of a share (20)")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn at random (1)")
    parser.add_argument("--only", default=",".join(PARTS), help=f"which of {', '.join(PARTS)}")
    options = parser.parse_args()
    figures = []
    for name in options.only.split(","):
        say(f"measuring {name}")
        part = importlib.import_module(f"tests.bench.{name}_part")
        found = asyncio.run(part.measure(options.seconds * PARTS[name]))
        figures += [judged(figure) for figure in figures_of(found)]
    result = {"bench": "sync", "seed": options.seed, "cores": 1, "figures": figures}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
