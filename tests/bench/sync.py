"""Mobile sync: reading, writing, streams, uploads and thumbnails, each against a peer or a limit of one run.

The parts are modules beside this one, each with a `measure(seconds)` that returns its figures. `--only
pull,stream` runs some of them.
"""

import argparse
import asyncio
import importlib
import json
import os

from tests.bench.figures import say

#: part → its share of the seconds: what must settle gets more
PARTS = {"pull": 2, "lag": 1, "push": 2, "stream": 1, "upload": 2, "photo": 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="seconds of a share (20)")
    parser.add_argument("--only", default=",".join(PARTS), help=f"which of {', '.join(PARTS)}")
    options = parser.parse_args()
    figures = []
    for name in options.only.split(","):
        say(f"measuring {name}")
        part = importlib.import_module(f"tests.bench.{name}_part")
        figures += asyncio.run(part.measure(options.seconds * PARTS[name]))
    result = {"bench": "sync", "cores": os.cpu_count(), "figures": figures}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
