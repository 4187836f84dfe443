"""What a simulated technician does between two moments with a network: bursts of intents on a visit."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from tests.chaos.journal import uuid7
from tests.chaos.snaps import Snap


@dataclass
class Plan:
    """How a device works: intents a burst, intents a visit, the odds of what goes wrong by its own fault."""

    burst: int = 300
    per_visit: tuple[int, int] = (200, 450)
    poison: float = 0.0004
    seldom: float = 1.0
    """How many times as often as usual it does what technicians do now and then."""
    early_finish: float = 0.05
    rejects: float = 0.02
    aborts: float = 0.03
    wants_more: float = 0.03
    """How often a visit is not taken, is given up, or asks for another one before it ends."""
    photo_bytes: tuple[int, int] = (300, 6_000)
    same_bytes: float = 0.05
    """How often a photo shows exactly what another one does."""
    restarts_counter: bool = False
    """Whether a re-installed app has the same identity and counts from 1 again."""
    checked_photos: int = 3
    idle_s: tuple[float, float] = (0.3, 0.9)
    """How long a phone with nothing to do waits before it asks again."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a visit leads, as the phone holds it: what can be wished of each row is based on its `rev`."""

    job_id: str
    asset: dict[str, Any]
    site: dict[str, Any]
    contact: dict[str, Any]


@dataclass
class Burst:
    """Intents of one visit as they come about; `seq` is the number of the last one.

    `take_photo` returns a new photo of the visit, `codes` are labels that the technician has not stuck on
    anything yet: what is used of them is gone.
    """

    visit_id: str
    seq: int
    head: int
    """What the phone had read when it made them."""
    boot: str
    clock: Callable[[], datetime]
    part_id: str
    rng: random.Random
    place: Place
    plan: Plan
    take_photo: Callable[[], Snap]
    codes: list[str]

    def __post_init__(self) -> None:
        self.intents: list[dict[str, Any]] = []
        self._times: list[str] = []
        shares = [share for share, _ in DAILY]
        shares += [share * self.plan.seldom for share, _ in SELDOM]
        self._odds: Sequence[float] = list(accumulate(shares))
        self._acts = [act for _, act in (*DAILY, *SELDOM)]

    # --- a visit's beginning and end ----------------------------------------------------------------------

    def begin_visit(self) -> None:
        if self.rng.random() < 0.9:
            self._move("visit.travel", minutes=self.rng.randint(1, 60))
        if self.rng.random() < 0.6:
            self._move("visit.arrive")
        self._move("visit.start")

    def reject_visit(self) -> None:
        """Do not take it; sometimes only after having set out."""
        if self.rng.random() < 0.3:
            self._move("visit.travel")
        self._add("visit.reject", reason="overload")

    def abort_visit(self) -> None:
        self._move("visit.abort", reason="no_access")

    def finish_visit(self) -> None:
        """Answer what is required, take the photo, finish; sometimes first finish without any of it."""
        if self.rng.random() < self.plan.early_finish:
            self._add("visit.finish", position={"latitude": 48, "longitude": 2})
        if self.rng.random() < self.plan.wants_more:
            self._add("follow_up.request", reason=f"come again {uuid7()}")
        self._add("answer.set", item="safe", value=True)
        self._add("answer.set", item="reading", value=self.rng.randint(0, 400))
        photo = self._declare("after", 0)
        self._add("visit.finish", after=[photo["id"]])

    # --- in between ---------------------------------------------------------------------------------------

    def step(self) -> None:
        """Do one thing that technicians do; with the odds of poison one that no server can apply."""
        if self.rng.random() < self.plan.poison:
            self._add(self.rng.choice(("visit.dance", "answer.set")))
        else:
            self.rng.choices(self._acts, cum_weights=self._odds)[0](self)

    def note(self) -> None:
        self._add("note.add", text=f"note {uuid7()}")

    def answer(self) -> None:
        self._add("answer.set", item=f"remark{self.rng.randint(1, 4)}", value=f"said {uuid7()}")

    def spend_time(self) -> None:
        added = self._add(
            "time.add", kind=self.rng.choice(("work", "travel")), **self._some_minutes()
        )
        self._times.append(added["id"])

    def correct_time(self) -> None:
        """Correct an entry of this burst, which may have been corrected before."""
        if not self._times:
            self.spend_time()
        entry = self.rng.choice(self._times)
        self._add("time.correct", after=[entry], of=entry, **self._some_minutes())

    def use_part(self) -> None:
        self._add("part.use", part_id=self.part_id, qty=self.rng.randint(1, 3))

    def request_part(self) -> None:
        self._add("part.request", part_id=self.part_id, qty=self.rng.randint(1, 9))

    def pause(self) -> None:
        self._move("visit.pause", reason=self.rng.choice(("shift_end", "parts", "customer_access")))
        self._move("visit.resume")

    def delay(self) -> None:
        self._move("visit.delay", minutes=self.rng.randint(1, 60))

    def write_message(self) -> None:
        self._add("message.add", text=f"message {uuid7()}")

    def take_another_photo(self) -> None:
        """Take one more of the same step, sometimes point at something in it, and sometimes take it back."""
        photo = self._declare("after", self.rng.randint(1, 3))
        if self.rng.random() < 0.5:
            place = {"x": self.rng.randint(1, 9_999) / 10_000, "y": 0.5, "size": 0.2}
            self._add(
                "photo.mark",
                after=[photo["id"]],
                photo_id=photo["data"]["photo_id"],
                marks=[{"kind": "ring", **place}],
            )
        if self.rng.random() < 0.5:
            self._add(
                "photo.retract",
                after=[photo["id"]],
                photo_id=photo["data"]["photo_id"],
                reason=f"blurred {uuid7()}",
            )

    def sign(self) -> None:
        image = self._declare("signed", 0)
        self._add(
            "signature.add",
            after=[image["id"]],
            item="signed",
            photo_id=image["data"]["photo_id"],
            name=f"Anne {uuid7()}",
        )

    def decline_signature(self) -> None:
        self._add("signature.decline", item="signed", reason="absent")

    def record_failure(self) -> None:
        found = {
            "mode": f"mode {self.rng.randint(1, 9)}",
            "cause": f"cause {self.rng.randint(1, 9)}",
        }
        self._add("failure.record", asset_id=self.place.asset["id"], **found)

    def widen_job(self) -> None:
        self._add(
            "scope.change",
            lines=[
                {"part_id": self.part_id, "qty": self.rng.randint(1, 4)},
                {"kind": "labour", "hours": self.rng.randint(1, 5)},
                {"text": "New motor"},
            ],
            price=self.rng.randint(50, 900),
            consent={"name": "Anne Martin"},
        )

    def claim_passport(self) -> None:
        if self.codes:
            self._add("passport.claim", code=self.codes.pop(), asset_id=self.place.asset["id"])

    def suggest_asset(self) -> None:
        self._suggest("asset", self.place.asset, notes=f"seen {uuid7()}")

    def suggest_site(self) -> None:
        self._suggest("site", self.place.site, hazards=f"seen {uuid7()}")

    def suggest_contact(self) -> None:
        self._suggest("contact", self.place.contact, role=f"seen {uuid7()}")

    def write_over_job(self) -> None:
        """Write over a row that only the server writes, as a ready-made sync client does."""
        self._add(
            "state.suggest",
            about_visit=False,
            collection="work_orders",
            row_id=self.place.job_id,
            fields={"title": f"wished {uuid7()}"},
        )

    # --- how they are written -----------------------------------------------------------------------------

    def _suggest(self, entity: str, row: dict[str, Any], **fields: str) -> None:
        about = {f"{entity}_id": row["id"], "base_rev": row["rev"]}
        self._add(f"{entity}.suggest", about_visit=False, **about, fields=fields)

    def _some_minutes(self) -> dict[str, str]:
        start = self.clock() - timedelta(minutes=self.rng.randint(2, 90))
        end = start + timedelta(minutes=1)
        return {
            "from": start.isoformat(timespec="seconds"),
            "to": end.isoformat(timespec="seconds"),
        }

    def _declare(self, item: str, slot: int) -> dict[str, Any]:
        snap = self.take_photo()
        return self._add(
            "photo.add",
            photo_id=snap.photo_id,
            item=item,
            slot=slot,
            sha256=snap.sha256,
            size=len(snap.content),
            mime="image/jpeg",
            captured_at=self.clock().isoformat(timespec="milliseconds"),
        )

    def _move(self, kind: str, **data: Any) -> None:
        """Tell of a step with a position whose accuracy nobody else's has: the history shows it again."""
        mark = int(uuid7()[-12:], 16)
        self._add(kind, position={"latitude": 48, "longitude": 2, "accuracy_m": mark}, **data)

    def _add(
        self, kind: str, /, after: list[str] | None = None, about_visit: bool = True, **data: Any
    ) -> dict[str, Any]:
        self.seq += 1
        about = {"visit_id": self.visit_id} if about_visit else {}
        intent = {
            "id": uuid7(),
            "seq": self.seq,
            "type": kind,
            "base_seq": self.head,
            "occurred_at": self.clock().isoformat(timespec="milliseconds"),
            "mono_ms": time.monotonic_ns() // 1_000_000,
            "boot": self.boot,
            "after": after or [],
            "data": {**about, **data},
        }
        self.intents.append(intent)
        return intent


Acts = tuple[tuple[float, Callable[[Burst], None]], ...]

DAILY: Acts = (
    (44, Burst.note),
    (41, Burst.answer),
    (3, Burst.spend_time),
    (2, Burst.write_message),
    (1.5, Burst.use_part),
    (1, Burst.correct_time),
    (1, Burst.delay),
    (0.7, Burst.pause),
)
"""Shares of a hundred."""

SELDOM: Acts = (
    (0.6, Burst.record_failure),
    (0.5, Burst.request_part),
    (0.5, Burst.decline_signature),
    (0.5, Burst.widen_job),
    (0.5, Burst.suggest_asset),
    (0.4, Burst.suggest_contact),
    (0.4, Burst.write_over_job),
    (0.3, Burst.suggest_site),
    (0.3, Burst.claim_passport),
    (0.15, Burst.take_another_photo),
    (0.15, Burst.sign),
)
