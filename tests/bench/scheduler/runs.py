"""Runs: asked of a child process, judged by the day's own referee, kept in a file where told."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tests.bench.scheduler.cases import Case
from tests.bench.scheduler.sets import case_named
from tests.bench.scheduler.solvers import SOLVERS

CHECKOUT = Path(__file__).resolve().parents[3]
_PATIENCE = 2.0
"""A solver is killed after this many times its limit …"""
_GRACE_S = 60.0
"""… and this, which also covers imports, reading the day and making its first solution."""
_COMPILING_S = 900.0


@dataclass(frozen=True, slots=True)
class Run:
    """One solver on one day. `collection` and `name` are the day's, `where` a path or a drawn day's name."""

    collection: str
    name: str
    where: str
    solver: str
    seconds: float
    seed: int = 1

    @property
    def label(self) -> str:
        return (
            f"{self.collection}/{self.name} · {self.solver} · {self.seconds:g} s · seed {self.seed}"
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run. Without a cost, or with a rule broken, it is no plan."""

    cost: float | None = None
    served: float | None = None
    broken: tuple[str, ...] = ()
    wall_s: float | None = None
    cpu_s: float | None = None
    first_s: float | None = None
    peak_mb: float | None = None
    notes: tuple[str, ...] = ()
    error: str | None = None

    @property
    def is_plan(self) -> bool:
        return self.cost is not None and not self.broken

    @property
    def why_not(self) -> str:
        return self.error or "; ".join(self.broken[:2])


class Book:
    """Outcomes so far. With a file, one line each: what stands there is not run again.

    A line is for one version of the solver on one kind of processor: after a change it is measured anew.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.outcomes: dict[str, Outcome] = {}
        if file is not None and file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                said = {**entry["outcome"]}
                said["broken"], said["notes"] = tuple(said["broken"]), tuple(said["notes"])
                self.outcomes[entry["key"]] = Outcome(**said)

    def get(self, run: Run) -> Outcome | None:
        return self.outcomes.get(_key(run))

    def put(self, run: Run, outcome: Outcome) -> None:
        self.outcomes[_key(run)] = outcome
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            entry = {"key": _key(run), "run": asdict(run), "outcome": asdict(outcome)}
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")


def make(run: Run) -> Outcome:
    """Run it now: in a process that is killed when it does not end by itself."""
    solver = SOLVERS[run.solver]
    if not solver.is_installed:
        return Outcome(error=f"{solver.distribution} is not installed")
    found = _asked(run, _PATIENCE * run.seconds + _GRACE_S)
    return Outcome(error=found["error"]) if "error" in found else _judged(run, found)


def prepare(runs: Sequence[Run]) -> None:
    """Let our own engines be compiled for each kind of day, in processes that may take their time."""
    first = {(run.collection, run.where.endswith("lunch"), run.solver): run for run in runs[::-1]}
    for (collection, has_lunch, solver), run in first.items():
        if SOLVERS[solver].engine is None:
            continue
        # Drawn days of all sizes are of one kind: a small one will do.
        small = replace(run, where="6x30-seed1+lunch" if has_lunch else "6x30-seed1")
        asked = small if collection == "dispatch" else run
        _asked(asked, _COMPILING_S, is_preparation=True)


def _asked(run: Run, patience_s: float, *, is_preparation: bool = False) -> dict[str, Any]:
    """Return what a child answers within its time, or `error` and why not."""
    asked = {
        "where": run.where,
        "solver": run.solver,
        "seconds": run.seconds,
        "seed": run.seed,
        "cores": _cores(SOLVERS[run.solver].cores),
        "is_preparation": is_preparation,
    }
    # Libraries that would start threads on their own are asked not to; the core is one anyway.
    alone = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "outcome.json"
        with subprocess.Popen(
            [sys.executable, "-m", "tests.bench.scheduler.child", file],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **alone, "PYTHONPATH": str(CHECKOUT)},
            start_new_session=True,
        ) as child:
            try:
                _, said = child.communicate(json.dumps(asked), timeout=patience_s)
            except BaseException as stop:
                # With everything it started: some solvers look at no clock, and have children.
                os.killpg(child.pid, signal.SIGKILL)
                if isinstance(stop, subprocess.TimeoutExpired):
                    return {"error": f"killed after {patience_s:.0f} s"}
                raise
        if child.returncode != 0 or not file.exists():
            last = (said.strip() or f"exit code {child.returncode}").splitlines()[-1]
            return {"error": last[:300]}
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found


def _judged(run: Run, found: dict[str, Any]) -> Outcome:
    tours = {int(number): tour for number, tour in found["tours"].items()}
    verdict = _case(run.where).judge(tours)
    return Outcome(
        cost=verdict.cost,
        served=verdict.served,
        broken=(*verdict.broken, *found["complaints"]),
        wall_s=round(found["wall_s"], 3),
        cpu_s=round(found["cpu_s"], 3),
        first_s=None if found["first_s"] is None else round(found["first_s"], 3),
        peak_mb=round(found["peak_mb"], 1),
        notes=tuple(found["notes"]),
    )


@functools.lru_cache(maxsize=4)
def _case(where: str) -> Case:
    return case_named(where)


def _cores(count: int) -> list[int]:
    """Return the cores to run on: the last ones, since the first is the busiest on most machines."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))[-count:]


def _key(run: Run) -> str:
    return f"{run.label} · {_version(run.solver)} · {_processor()}"


@functools.cache
def _version(name: str) -> str:
    distribution = SOLVERS[name].distribution
    if distribution is not None:
        try:
            return f"{distribution} {importlib.metadata.version(distribution)}"
        except importlib.metadata.PackageNotFoundError:
            return f"{distribution} none"
    digest = hashlib.sha256()
    for file in sorted((CHECKOUT / "scheduler").rglob("*.py")):
        digest.update(file.read_bytes())
    return f"sources {digest.hexdigest()[:12]}"


@functools.cache
def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
