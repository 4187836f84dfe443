"""What a service level promises: the policy a contract pins when its clocks start.

Its stored form:

    {"targets": [{"clock": "response", "priority": 1, "target_s": 14400, "stops_at": "arrival"},
                 {"clock": "restoration", "priority": 1, "target_s": 28800}],
     "pauses": {"parts": ["restoration"], "customer_access": ["response", "restoration"]},
     "reopening": "resume"}

A reason that `pauses` does not name stops no clock. Reasons are codes of the tenant's catalogue.

A clock that is not named promises nothing: a job has only the clocks of its service level. The statutory
repair period is set by law, not agreed: it runs in calendar time from the report, outside opening hours too,
and no pause stops it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

MOST_TARGET_S = 10 * 366 * 24 * 3600
"""Business seconds; a longer promise is a mistake in the unit."""

E = TypeVar("E", bound=StrEnum)

_CODE = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)


class ClockKind(StrEnum):
    """Which promise a clock measures.

    Restoration is the function back; resolution all of the work done, which may be another day.
    """

    RESPONSE = "response"
    ARRIVAL = "arrival"
    RESTORATION = "restoration"
    RESOLUTION = "resolution"
    STATUTORY = "statutory"


class StopsAt(StrEnum):
    """The instant that fulfils a promise; see `ENDS` for which may fulfil which."""

    ACKNOWLEDGED = "acknowledged"
    FIRST_CONTACT = "first_contact"
    ARRIVAL = "arrival"
    RESTORED = "restored"
    WORK_DONE = "work_done"


ENDS: Final[Mapping[ClockKind, tuple[StopsAt, ...]]] = MappingProxyType(
    {
        ClockKind.RESPONSE: (StopsAt.ACKNOWLEDGED, StopsAt.FIRST_CONTACT, StopsAt.ARRIVAL),
        ClockKind.ARRIVAL: (StopsAt.ARRIVAL,),
        ClockKind.RESTORATION: (StopsAt.RESTORED,),
        ClockKind.RESOLUTION: (StopsAt.WORK_DONE,),
        ClockKind.STATUTORY: (StopsAt.RESTORED,),
    }
)
"""What may stop a clock. Where it is one instant alone, a target need not name it."""

ANSWERS: Final = frozenset({ClockKind.RESPONSE, ClockKind.ARRIVAL})
"""Promises to be there; the others are to have it working again, and a reopened job goes on with them."""


class Reopening(StrEnum):
    """What a reopened job does to a clock that had stopped.

    `resume`: the time used before counts, the time in between does not. `new_clock`: the verdict
    stands and a second clock starts with the whole target.
    """

    RESUME = "resume"
    NEW_CLOCK = "new_clock"


class InvalidServiceLevel(ValueError):
    """A policy that cannot be read; `path` leads to the value at fault."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Target:
    """So much business time for one clock at one priority."""

    clock: ClockKind
    priority: int
    target_s: int
    stops_at: StopsAt


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """One version of a service level."""

    targets: tuple[Target, ...]
    pauses: tuple[tuple[str, frozenset[ClockKind]], ...] = ()
    reopening: Reopening = Reopening.RESUME

    def target(self, clock: ClockKind, priority: int) -> Target | None:
        """Return what is promised, or None: that priority has no such promise."""
        for target in self.targets:
            if (target.clock, target.priority) == (clock, priority):
                return target
        return None

    def stops(self, reason: str, clock: ClockKind) -> bool:
        """Say whether a pause for `reason` stops `clock`; none stops what the law sets."""
        return clock is not ClockKind.STATUTORY and any(
            code == reason and clock in clocks for code, clocks in self.pauses
        )


def service_level_from_json(stored: object) -> ServiceLevel:
    """Return the policy of `stored`, or raise `InvalidServiceLevel` naming the path at fault."""
    fields = _object(stored, "", required=("targets",), optional=("pauses", "reopening"))
    listed = fields["targets"]
    if not isinstance(listed, list | tuple) or not listed:
        raise InvalidServiceLevel("targets", "must be a list of at least one target.")
    targets: list[Target] = []
    seen: set[tuple[ClockKind, int]] = set()
    for index, item in enumerate(listed):
        target = _target(item, f"targets[{index}]")
        if (target.clock, target.priority) in seen:
            raise InvalidServiceLevel(
                f"targets[{index}]",
                f"{target.clock} at priority {target.priority} has a target already.",
            )
        seen.add((target.clock, target.priority))
        targets.append(target)
    return ServiceLevel(
        targets=tuple(sorted(targets, key=lambda each: (each.clock, each.priority))),
        pauses=_pauses(fields.get("pauses", {})),
        reopening=_member(Reopening, fields.get("reopening", "resume"), "reopening"),
    )


def service_level_to_json(level: ServiceLevel) -> dict[str, object]:
    """Return the stored form; equal policies give equal JSON, and reading it back gives `level`."""
    return {
        "targets": [
            {
                "clock": target.clock.value,
                "priority": target.priority,
                "target_s": target.target_s,
                "stops_at": target.stops_at.value,
            }
            for target in level.targets
        ],
        "pauses": {code: sorted(clock.value for clock in clocks) for code, clocks in level.pauses},
        "reopening": level.reopening.value,
    }


def _target(item: object, path: str) -> Target:
    fields = _object(item, path, required=("clock", "priority", "target_s"), optional=("stops_at",))
    clock = _member(ClockKind, fields["clock"], f"{path}.clock")
    ends = ENDS[clock]
    if "stops_at" not in fields and len(ends) > 1:
        raise InvalidServiceLevel(f"{path}.stops_at", f"missing; allowed: {', '.join(ends)}.")
    stops_at = _member(StopsAt, fields.get("stops_at", ends[0].value), f"{path}.stops_at")
    if stops_at not in ends:
        raise InvalidServiceLevel(f"{path}.stops_at", f"{clock} stops at {' or '.join(ends)} only.")
    return Target(
        clock=clock,
        priority=_whole(fields["priority"], f"{path}.priority", most=99),
        target_s=_whole(fields["target_s"], f"{path}.target_s", most=MOST_TARGET_S),
        stops_at=stops_at,
    )


def _pauses(value: object) -> tuple[tuple[str, frozenset[ClockKind]], ...]:
    if not isinstance(value, Mapping):
        raise InvalidServiceLevel("pauses", "must be an object of reason codes.")
    pauses: list[tuple[str, frozenset[ClockKind]]] = []
    for code, clocks in value.items():
        path = f"pauses.{code}"
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            raise InvalidServiceLevel(path, "a reason code is lower-case letters, digits and _.")
        if not isinstance(clocks, list | tuple):
            raise InvalidServiceLevel(path, "must be a list of the clocks it stops.")
        kinds = frozenset(
            _member(ClockKind, clock, f"{path}[{index}]") for index, clock in enumerate(clocks)
        )
        if ClockKind.STATUTORY in kinds:
            raise InvalidServiceLevel(path, "no pause stops the statutory repair period.")
        pauses.append((code, kinds))
    return tuple(sorted(pauses, key=lambda pause: pause[0]))


def _object(
    value: object, path: str, *, required: tuple[str, ...], optional: tuple[str, ...]
) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise InvalidServiceLevel(path, "must be an object.")
    prefix = f"{path}." if path else ""
    for key in value:
        if key not in required and key not in optional:
            allowed = ", ".join((*required, *optional))
            raise InvalidServiceLevel(f"{prefix}{key}", f"unknown; allowed: {allowed}.")
    for key in required:
        if key not in value:
            raise InvalidServiceLevel(f"{prefix}{key}", "missing.")
    return value


def _member(kind: type[E], value: object, path: str) -> E:
    if isinstance(value, str):
        try:
            return kind(value)
        except ValueError:
            pass
    allowed = ", ".join(member.value for member in kind)
    raise InvalidServiceLevel(path, f"{value!r} is not allowed; allowed: {allowed}.")


def _whole(value: object, path: str, *, most: int) -> int:
    # bool is an int in Python and a mistake here.
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InvalidServiceLevel(path, f"{value!r} is not a whole number from 1 to {most}.")
    return value
