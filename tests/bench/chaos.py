"""Nothing a technician did is lost: real processes, faults, nine oracles; intents and faults accumulate.

    deploy/bench chaos --seconds 600 --seed 1 --resume chaos.json

Each life of at most ten minutes has a database of its own. With `--resume` the lives of several runs add up
in one file until a million intents have met a thousand faults; the file names the revision of each life. Exit
code 0 also where an oracle found something: the figures say so.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.figures import figure, say
from tests.chaos.runner import live
from tests.chaos.sizes import Size

LIFE_S = 600
LONG = Size(
    assets_each=12, round_s=100, fault_every_s=4.5, plan={"per_visit": [300, 700], "burst": 600}
)
"""Long days offline, and more machines than technicians meet twice: most of the work is the phones' own."""
GOAL_INTENTS = 1_000_000
GOAL_FAULTS = 1_000
ZEROS = ("lost", "doubled", "applied twice", "not converged", "violations")


def revision() -> str:
    """Return the commit that is being proved, with a + where files differ from it."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=here, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain") else "")


def scratch() -> Path | None:
    """Return memory that looks like a disk where there is enough: killed processes lose nothing of it."""
    shared = Path("/dev/shm")
    if shared.is_dir() and os.statvfs(shared).f_bavail * os.statvfs(shared).f_frsize > 4 << 30:
        return shared
    return None


def summary(lives: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    intents = sum(life["intents"] for life in lives)
    faults: dict[str, int] = {}
    for life in lives:
        for name, count in life["faults"].items():
            faults[name] = faults.get(name, 0) + count
    totals = {
        name: sum(len(life[name]) if name == "violations" else life[name] for life in lives)
        for name in ZEROS
    }
    figures = [
        figure("intents", intents, "count", GOAL_INTENTS, better="higher"),
        figure(
            "faults", sum(faults.values()), "count", GOAL_FAULTS, better="higher",
            **dict(sorted(faults.items())),
        ),
        *(figure(name, totals[name], "count", 0) for name in ZEROS),
    ]  # fmt: skip
    return {
        "bench": "chaos",
        "seed": seed,
        "cores": os.cpu_count(),
        "figures": figures,
        "lives": lives,
    }


async def run(seconds: float, seed: int, store: str | None, resume: Path | None) -> dict[str, Any]:
    lives: list[dict[str, Any]] = []
    if resume is not None and resume.exists():
        lives = json.loads(resume.read_text())["lives"]
    end = time.monotonic() + seconds
    at = revision()
    while (left := end - time.monotonic()) > 5:
        life_seed = seed + len(lives)
        folder = Path(tempfile.mkdtemp(prefix="fsm-chaos-", dir=scratch()))
        say(f"life {life_seed} begins in {folder}")
        result = await live(
            folder, seed=life_seed, seconds=min(left, LIFE_S), size=LONG, store=store, say=say
        )
        if result.verdict.is_clean:  # else it stays to be looked at, as after a life that broke off
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        lives.append({"revision": at, **result.to_json()})
        if resume is not None:
            unfinished = resume.with_suffix(".new")
            unfinished.write_text(json.dumps(summary(lives, seed), indent=1))
            unfinished.replace(resume)
    return summary(lives, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="of chaos, rests beside (300)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--store", choices=("local", "s3"), help="of photos; else each life's choice"
    )
    parser.add_argument("--resume", type=Path, metavar="FILE", help="add to the lives in FILE")
    options = parser.parse_args()
    result = asyncio.run(run(options.seconds, options.seed, options.store, options.resume))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
