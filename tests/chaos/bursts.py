"""What a simulated technician does between two moments with a network: bursts of intents on a visit."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.chaos.journal import uuid7
from tests.chaos.snaps import Snap


@dataclass
class Plan:
    """How a device works: intents a burst, intents a visit, the odds of what goes wrong by its own fault."""

    burst: int = 300
    per_visit: tuple[int, int] = (200, 450)
    poison: float = 0.0004
    early_finish: float = 0.05
    photo_bytes: tuple[int, int] = (300, 6_000)
    same_bytes: float = 0.05
    """How often a photo shows exactly what another one does."""
    restarts_counter: bool = False
    """Whether a re-installed app has the same identity and counts from 1 again."""
    checked_photos: int = 3
    idle_s: tuple[float, float] = (0.3, 0.9)
    """How long a phone with nothing to do waits before it asks again."""


@dataclass
class Burst:
    """Intents of one visit as they come about; `seq` is the number of the last one."""

    visit_id: str
    seq: int
    head: int
    """What the phone had read when it made them."""
    boot: str
    clock: Callable[[], datetime]
    part_id: str
    rng: random.Random

    def __post_init__(self) -> None:
        self.intents: list[dict[str, Any]] = []

    def begin_visit(self) -> None:
        self._add("visit.travel")
        self._add("visit.start")

    def finish_visit(self, snap: Snap, early_finish: float) -> None:
        """Answer what is required, take the photo, finish; sometimes first finish without any of it."""
        if self.rng.random() < early_finish:
            self._add("visit.finish", position={"latitude": 48, "longitude": 2})
        self._add("answer.set", item="safe", value=True)
        self._add("answer.set", item="reading", value=self.rng.randint(0, 400))
        photo = self._add(
            "photo.add",
            photo_id=snap.photo_id,
            item="after",
            slot=0,
            sha256=snap.sha256,
            size=len(snap.content),
            mime="image/jpeg",
            captured_at=self.clock().isoformat(timespec="milliseconds"),
        )
        self._add("visit.finish", after=[photo["id"]])

    def step(self, poison: float) -> None:
        """Do one thing that technicians do; with the odds of `poison` one that no server can apply."""
        dice = self.rng.random()
        if dice < poison:
            self._add(self.rng.choice(("visit.dance", "answer.set")))
        elif dice < 0.48:
            self._add("note.add", text=f"note {uuid7()}")
        elif dice < 0.94:
            self._add("answer.set", item=f"remark{self.rng.randint(1, 4)}", value=f"said {uuid7()}")
        elif dice < 0.97:
            start = self.clock() - timedelta(minutes=self.rng.randint(2, 90))
            end = start + timedelta(minutes=1)
            self._add(
                "time.add",
                kind=self.rng.choice(("work", "travel")),
                **{
                    "from": start.isoformat(timespec="seconds"),
                    "to": end.isoformat(timespec="seconds"),
                },
            )
        elif dice < 0.985:
            self._add("part.use", part_id=self.part_id, qty=self.rng.randint(1, 3))
        elif dice < 0.99:
            self._add("visit.pause", reason="shift_end")
            self._add("visit.resume")
        else:
            self._add("visit.delay", minutes=self.rng.randint(1, 60))

    def _add(self, kind: str, /, after: list[str] | None = None, **data: Any) -> dict[str, Any]:
        self.seq += 1
        intent = {
            "id": uuid7(),
            "seq": self.seq,
            "type": kind,
            "base_seq": self.head,
            "occurred_at": self.clock().isoformat(timespec="milliseconds"),
            "mono_ms": time.monotonic_ns() // 1_000_000,
            "boot": self.boot,
            "after": after or [],
            "data": {"visit_id": self.visit_id, **data},
        }
        self.intents.append(intent)
        return intent
