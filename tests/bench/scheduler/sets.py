"""Which days there are: the collections by folder, and what the best plan known of each costs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.scheduler.cases import Case
from tests.bench.scheduler.dispatch import DispatchDay
from tests.bench.scheduler.generator import LUNCH, dispatch_day
from tests.bench.scheduler.hhcrsp import CareDay
from tests.bench.scheduler.pillac import PillacDay
from tests.bench.scheduler.sdvrptw import SdvrptwDay
from tests.bench.scheduler.solomon import SolomonDay

_GENERATED = re.compile(r"(\d+)x(\d+)-seed(\d+)")


@dataclass(frozen=True, slots=True)
class Instance:
    """A file of a collection. `name` is the file's without its last ending, as `best_known` has it."""

    collection: str
    name: str
    path: Path

    def read(self) -> Case:
        reader, _ = _KINDS[_kind_of(self.path) or ""]
        return reader(self.path)


def folder_of_instances(given: str | None) -> Path:
    """Return the folder to read: the one given, else the one beside the checkout's data."""
    if given is not None:
        return Path(given)
    root = os.environ.get("FSM_TEST_DATA")
    if root is None or not (Path(root) / "instances").is_dir():
        raise SystemExit(
            "There are no instances: give --instances DIR (tests/bench/scheduler/README.md says where "
            "the public ones are), or --generated to plan generated days alone."
        )
    return Path(root) / "instances"


def best_known(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Return `best_known.json` of a folder: {collection: {name: {value, …}}}; empty without one."""
    file = folder / "best_known.json"
    if not file.exists():
        return {}
    known: dict[str, dict[str, dict[str, Any]]] = json.loads(file.read_text(encoding="utf-8"))
    return known


def instances(folder: Path) -> Iterator[Instance]:
    """Yield every day that lies in or under a folder, by what is in the file, not by where it lies."""
    for path in sorted(folder.rglob("*")):
        kind = _kind_of(path)
        if kind is None:
            continue
        _, name_of = _KINDS[kind]
        collection = kind
        if kind == "vrptw":
            customers = len(path.read_text(encoding="ascii").splitlines()) - 10
            collection = "solomon" if customers <= 110 else "gehring-homberger"
        elif kind == "hhcrsp":
            collection = f"hhcrsp-{_collection_of_care(path)}"
        yield Instance(collection, name_of(path), path)


def case_named(where: str) -> Case:
    """Return the day at a path, or the generated one of a name such as `50x400-seed3-lunch`."""
    generated = _GENERATED.match(Path(where).name)
    if generated is None:
        path, has_lunch = Path(where.removesuffix("+lunch")), where.endswith("+lunch")
        reader, _ = _KINDS[_kind_of(path) or ""]
        case = reader(path)
    else:
        technicians, visits, seed = (int(number) for number in generated.groups())
        case, has_lunch = (
            DispatchDay.of(dispatch_day(technicians, visits, seed)),
            where.endswith("+lunch"),
        )
    if has_lunch:
        assert isinstance(case, DispatchDay)
        return case.with_lunch(LUNCH)
    return case


def _kind_of(path: Path) -> str | None:
    """Return how a file is read, None where it is no day."""
    if path.suffix == ".vrp":
        return "sdvrptw"
    if path.suffix not in (".txt", ".json") or not path.is_file():
        return None
    with path.open(encoding="utf-8") as file:
        head = file.read(600)
    if path.suffix == ".txt":
        if "CREW COUNT" in head:
            return "pillac-trsp"
        return "vrptw" if "CUST NO." in head else None
    if '"dispatch/1"' in head:
        return "dispatch"
    is_care = not path.name.startswith(("sol-", "best_known")) and _is_care(path)
    return "hhcrsp" if is_care else None


def _is_care(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    return '"central_offices"' in text and '"caregivers"' in text


def _collection_of_care(path: Path) -> str:
    return "mankowska" if "HCSRP" in path.name else "italian"


def _stem(path: Path) -> str:
    return path.stem


def _upper(path: Path) -> str:
    return path.stem.upper()


_KINDS: dict[str, tuple[Callable[[Path], Case], Callable[[Path], str]]] = {
    "vrptw": (SolomonDay.read, _upper),
    "sdvrptw": (SdvrptwDay.read, _stem),
    "pillac-trsp": (PillacDay.read, _stem),
    "hhcrsp": (CareDay.read, _stem),
    "dispatch": (DispatchDay.read, _stem),
}
