"""A simulated phone: it works offline, keeps everything in its journal, and believes no server.

It shares no code with the product. What it does on seeing an answer is what `sync.md` asks of an app; what
it finds wrong with an answer goes into its journal as a violation, named by the oracle it breaks.
"""

import asyncio
import base64
import gzip
import json
import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.chaos.bursts import Burst, Plan
from tests.chaos.held_rows import HeldRows
from tests.chaos.journal import Journal, intent_hash, read_journal, uuid7
from tests.chaos.snaps import Snap
from tests.chaos.wire import Answer, Cut, Wire

ENDS = ("visit.finish", "visit.abort", "visit.reject")

SETTLED = ("applied", "duplicate", "rejected", "quarantined", "waiting")


@dataclass
class Device:
    """One installation of the app, as long as its process lives; `journal` is all that outlives it."""

    name: str
    port: int
    person: dict[str, str]
    """Headers that sign the technician in."""
    folder: Path
    plan: Plan = field(default_factory=Plan)
    rng: random.Random = field(default_factory=random.Random)
    violations: list[str] = field(default_factory=list)
    offset: timedelta = timedelta(0)
    technician_name: str = ""
    technician_id: str = ""
    part_id: str = ""
    codes: list[str] = field(default_factory=list)
    """Labels that were given to the technician and are on no machine yet."""
    is_cloned: bool = False
    """Another phone goes by the same identity: the server cannot tell their outboxes apart."""

    def __post_init__(self) -> None:
        self.journal = Journal(self.folder / f"{self.name}.journal")
        self.wire = Wire(self.port)
        self.boot = uuid7()[-4:]
        self.install_id = f"{self.name}-1"
        self.device_id = ""
        self.token = ""
        self.keys: dict[str, Ed25519PublicKey] = {}
        self.seq = 0
        self.era = 0
        self.epoch: str | None = None
        """The server's, as last heard of: what is acknowledged was acknowledged in it."""
        self.outbox: dict[str, dict[str, Any]] = {}
        self.acked: dict[str, tuple[int, int]] = {}
        """id → count it was made in, number"""
        self.photos: dict[str, Snap] = {}
        self.left: dict[str, int] = {}
        """visit → intents still to be made of it; absent before the first"""
        self.forget()
        self.made = 0
        self.is_retired = False
        self.wants_reinstall = False
        self.turn = asyncio.Lock()
        self.codes = list(self.codes)
        self._recall()

    def forget(self) -> None:
        """Lose the copy of the server's rows."""
        self.held = HeldRows(self._violate)

    def _recall(self) -> None:
        """Read back what the journal keeps: registration, outbox, photos, what is done."""
        for _, record in read_journal(self.journal.path):
            match record["k"]:
                case "registered":
                    self._take_registration(record)
                case "intent":
                    intent = record["intent"]
                    self.seq = max(self.seq, intent["seq"])
                    self.outbox[intent["id"]] = intent
                    self._remember_use(intent)
                case "acked":
                    for seq, intent_id, _ in record["of"]:
                        self.outbox.pop(intent_id, None)
                        self.acked[intent_id] = self.era, seq
                case "counts anew":
                    self.era, self.seq = self.era + 1, 0
                case "epoch":
                    self.epoch = record["epoch"]
                case "replay":
                    self._reopen(record["above"])
                case "photo":
                    snap = Snap(
                        record["photo_id"], record["visit_id"], record["size"], record["like"]
                    )
                    self.photos[snap.photo_id] = snap
                case "received":
                    snap = self.photos[record["photo_id"]]
                    snap.is_received, snap.is_proved = True, "by" not in record
                case "lost receipts":
                    self._lose_receipts()

    def _remember_use(self, intent: dict[str, Any]) -> None:
        kind, data = intent["type"], intent["data"]
        if visit_id := data.get("visit_id"):
            is_over = kind in ENDS and not (kind == "visit.finish" and data.get("position"))
            self.left[visit_id] = 0 if is_over else self.left.get(visit_id) or 50
        if kind == "passport.claim" and data["code"] in self.codes:
            self.codes.remove(data["code"])

    # --- signing on ---------------------------------------------------------------------------------------

    async def register(self) -> None:
        answer = await self._json(
            "POST",
            "/sync/v1/devices",
            {"install_id": self.install_id, "platform": "chaos", "app": "1", "schema": 5},
            headers=self.person,
        )
        if answer.status != 200:
            raise Cut(f"registration answered {answer.status} {answer.code}")
        body = answer.json()
        record = {
            "k": "registered",
            "device_id": body["device_id"],
            "token": body["token"],
            "install_id": self.install_id,
            "keys": body["receipt_keys"],
        }
        self.journal.append(record)
        self._take_registration(record)

    def _take_registration(self, record: dict[str, Any]) -> None:
        self.device_id, self.token = record["device_id"], record["token"]
        self.install_id = record["install_id"]
        for one in record["keys"]:
            text = one["key"].removeprefix("ed25519:")
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            self.keys[one["kid"]] = Ed25519PublicKey.from_public_bytes(raw)

    async def _json(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        more = {"Accept-Encoding": "gzip", **(headers or {"Authorization": f"Bearer {self.token}"})}
        if content:
            more["Content-Type"] = "application/json"
            if self.rng.random() < 0.9:
                content = gzip.compress(content, 1)
                more["Content-Encoding"] = "gzip"
        if path.startswith("/sync/v1/devices") or path.endswith("/reconcile"):
            more.pop("Content-Encoding", None)
            content = json.dumps(body).encode()
        return await self.wire.ask(method, path, more, content)

    async def _check_refusal(self, answer: Answer) -> None:
        """Do what a refusal asks for; raise `Cut` so that the caller begins again later."""
        code = answer.code
        if code == "feed-epoch-changed":
            await self.reconcile()
        elif code == "unauthenticated":
            self.token = ""  # the server was set back to before this device
        elif code == "device-revoked":
            self.is_retired = True
        elif answer.status in (429, 503):
            await asyncio.sleep(min(float(answer.headers.get("retry-after", 1)), 1))
        raise Cut(f"{answer.status} {code}")

    # --- reading ------------------------------------------------------------------------------------------

    async def pull(self) -> None:
        """Read until complete and apply the pages; compare with the digest where one comes."""
        pages = 0
        while True:
            params = [f"limit={self.rng.choice((25, 200, 1000, 1000))}"]
            if self.held.since is not None:
                params.append(f"since={self.held.since}")
            if not self.outbox and self.held.is_complete:
                params.append(f"outbox_empty_at={self.held.head}")
            answer = await self._json("GET", f"/sync/v1/pull?{'&'.join(params)}")
            if answer.status != 200:
                await self._check_refusal(answer)
            page = answer.json()
            pages += 1
            self._hear_of_epoch(page)
            self.held.apply(page, self._busy_visits())
            if page["complete"]:
                self.held.is_complete = True
                break
        if pages == 1:
            self.held.check_completed()
        if page.get("digest") is not None and not self.held.agrees_with(page["digest"]):
            await self.reconcile()
        await self._look_for_receipts()

    def _busy_visits(self) -> set[str]:
        """Return the visits that must not leave this phone yet: work on them waits in its outbox."""
        if self.is_cloned:
            return set()
        return {one["data"].get("visit_id") for one in self.outbox.values()}

    async def reconcile(self) -> None:
        """The feed began anew: compare row by row, then read on from there."""
        while True:
            answer = await self._json("POST", "/sync/v1/reconcile", {"have": self.held.revisions()})
            if answer.status != 200:
                await self._check_refusal(answer)
            body = answer.json()
            self.held.mend(body)
            if body["complete"]:
                break
        self._hear_of_epoch(body)
        self.held.begin_anew(body)

    def _hear_of_epoch(self, body: dict[str, Any]) -> None:
        """Send everything again that another epoch confirmed, however this phone came to hear of the new one.

        It may hear by a refusal, or by the first page after a start or a registration that forgot the rows.
        """
        epoch, above = body["epoch"], body["forget_upto"]
        if self.epoch is not None and epoch != self.epoch:
            self.journal.append({"k": "replay", "above": above}, {"k": "lost receipts"})
            self._reopen(above)
            self._lose_receipts()
        if epoch != self.epoch:
            self.journal.append({"k": "epoch", "epoch": epoch})
            self.epoch = epoch

    def _reopen(self, above: int) -> None:
        """Put acknowledged intents above a number back into the outbox, as they were."""
        again = {
            intent_id
            for intent_id, (era, seq) in self.acked.items()
            if era != self.era or seq > above
        }
        waiting, self.outbox = self.outbox, {}
        for _, record in read_journal(self.journal.path):
            if record["k"] == "intent" and record["intent"]["id"] in again:
                self.outbox[record["intent"]["id"]] = record["intent"]
        for intent_id in again:
            del self.acked[intent_id]
        self.outbox.update(waiting)

    def _lose_receipts(self) -> None:
        """Wait for receipts again, but for those that the office had withheld before the backup.

        A photo's declaration that is not sent again has the outcome that it had: nobody will tell it twice.
        """
        adds = (one["data"] for one in self.outbox.values() if one["type"] == "photo.add")
        again = {data["photo_id"] for data in adds}
        for snap in self.photos.values():
            if snap.is_proved or not snap.is_received or snap.photo_id in again:
                snap.is_received, snap.is_proved, snap.path = False, False, None

    # --- working ------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def open_visits(self) -> list[str]:
        """Return the visits that this phone may still work on."""
        return [
            visit_id
            for visit_id in self.held.open_visits(self.technician_name)
            if self.left.get(visit_id) != 0
        ]

    def work(self) -> None:
        """Do a burst of work on some open visit, offline: it ends in the journal and nowhere else."""
        visits = self.open_visits()
        if not visits or self.is_retired:
            return
        visit_id = self.rng.choice(visits)
        place = self.held.place_of(visit_id)
        if place is None:
            return
        taken: list[Snap] = []

        def take_photo() -> Snap:
            taken.append(self._take_photo(visit_id))
            return taken[-1]

        burst = Burst(
            visit_id,
            self.seq,
            self.held.head,
            self.boot,
            self.now,
            self.part_id,
            self.rng,
            place,
            self.plan,
            take_photo,
            self.codes,
        )
        self._fill(burst)
        records = [
            {
                "k": "photo",
                "photo_id": snap.photo_id,
                "visit_id": visit_id,
                "size": snap.size,
                "like": snap.like,
            }
            for snap in taken
        ]
        made = burst.intents
        self.journal.append(
            *records,
            *({"k": "intent", "intent": one, "sha256": intent_hash(one)} for one in made),
        )
        self.outbox.update((one["id"], one) for one in made)
        self.seq = burst.seq
        self.made += len(made)

    def _fill(self, burst: Burst) -> None:
        """Go on with a visit from where this phone left it, at most to its end."""
        visit_id, plan = burst.visit_id, self.plan
        if visit_id not in self.left:
            if self.rng.random() < plan.rejects:
                burst.reject_visit()
                self.left[visit_id] = 0
                return
            self.left[visit_id] = self.rng.randint(*plan.per_visit)
            burst.begin_visit()
        for _ in range(min(self.left[visit_id], self.rng.randint(plan.burst // 4, plan.burst))):
            burst.step()
            self.left[visit_id] -= 1
        if self.left[visit_id] <= 0:
            if self.rng.random() < plan.aborts:
                burst.abort_visit()
            else:
                burst.finish_visit()
            self.left[visit_id] = 0

    def _take_photo(self, visit_id: str) -> Snap:
        like, size = "", self.rng.randint(*self.plan.photo_bytes)
        if self.photos and self.rng.random() < self.plan.same_bytes:
            other = self.rng.choice(list(self.photos.values()))
            like, size = other.like or other.photo_id, other.size
        snap = Snap(uuid7(), visit_id, size, like)
        self.photos[snap.photo_id] = snap
        return snap

    # --- sending ------------------------------------------------------------------------------------------

    async def push(self) -> None:
        """Send the outbox in batches, in order; what the answer names is acknowledged."""
        while self.outbox and self.token:
            ids = list(self.outbox)[: self.rng.randint(80, 200)]
            if len(ids) > 20 and self.rng.random() < 0.03:
                ids.remove(self.rng.choice(ids))  # the server must ask for it
            if self.rng.random() < 0.02:
                self.rng.shuffle(ids)
            batch = [self.outbox[one] for one in ids]
            answer = await self._json(
                "POST",
                "/sync/v1/push",
                {
                    "device_id": self.device_id,
                    "sent_at": self.now().isoformat(timespec="milliseconds"),
                    "intents": batch,
                },
            )
            if answer.status != 200:
                await self._check_refusal(answer)
            self._take_outcomes(answer.json(), {one["id"]: one["seq"] for one in batch})

    def _take_outcomes(self, body: dict[str, Any], sent: dict[str, int]) -> None:
        acked = []
        for outcome in body["outcomes"]:
            status = outcome["status"]
            seq = sent.pop(outcome["id"], None)
            if seq is None:
                continue  # an earlier one that came free
            if status not in SETTLED:
                self._violate("O1", f"{outcome['id']} got the unknown status {status}")
                continue
            acked.append((seq, outcome["id"], status))
            self._learn_about_photo(self.outbox.get(outcome["id"]), outcome)
            if outcome.get("problem", {}).get("code") == "idempotency-key-reused":
                self._violate("O1", f"{outcome['id']} is taken for another intent's id")
        if sent:
            self._violate("O1", f"{len(sent)} intents of an answered push have no outcome")
        self.journal.append({"k": "acked", "of": acked})
        for seq, intent_id, _ in acked:
            self.outbox.pop(intent_id, None)
            self.acked[intent_id] = self.era, seq

    def _learn_about_photo(self, intent: dict[str, Any] | None, outcome: dict[str, Any]) -> None:
        """Stop waiting for the receipt of a photo whose declaration the office has to look at first."""
        if intent is None or intent["type"] != "photo.add":
            return
        what = outcome.get("first", outcome)
        held = {"late", "review"} <= {note["code"] for note in what.get("notes", ())}
        if what["status"] in ("quarantined", "rejected") or held:
            snap = self.photos[intent["data"]["photo_id"]]
            snap.is_received = True
            self.journal.append({"k": "received", "photo_id": snap.photo_id, "by": "nobody"})

    # --- photos -------------------------------------------------------------------------------------------

    async def send_photos(self) -> None:
        """Send what has no receipt yet, each from where the server says it stands."""
        for snap in list(self.photos.values()):
            if not snap.is_received and self.token:
                with suppress(Cut):
                    await snap.send(self.wire, self.token, self.rng)

    async def _look_for_receipts(self) -> None:
        """Drop a photo's copy only once its receipt is here and genuine."""
        for (coll, row_id), change in self.held.rows.items():
            snap = self.photos.get(row_id) if coll == "photos" else None
            receipt = change["d"].get("receipt") if snap is not None else None
            if snap is None or receipt is None or snap.is_received:
                continue
            if snap.is_proved_by(receipt, self.keys):
                snap.is_received = snap.is_proved = True
                self.journal.append({"k": "received", "photo_id": row_id})
            else:
                self._violate("O7", f"the receipt of photo {row_id} is not genuine")

    def some_proved(self) -> list[Snap]:
        """Return a few photos whose bytes the server says it has."""
        proved = [one for one in self.photos.values() if one.is_proved]
        return self.rng.sample(proved, min(self.plan.checked_photos, len(proved)))

    async def check_bytes(self, snap: Snap) -> None:
        """O7: what the server serves is what the phone took."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = await self.wire.ask("GET", f"/blobs/{snap.sha256}", headers)
        if answer.status == 200 and answer.body != snap.content:
            self._violate("O7", f"the bytes of photo {snap.photo_id} are not what was taken")
        elif answer.status in (404, 410):
            self._violate("O7", f"the bytes of photo {snap.photo_id} are gone")

    # --- at rest ------------------------------------------------------------------------------------------

    @property
    def is_empty(self) -> bool:
        return not self.outbox and all(snap.is_received for snap in self.photos.values())

    @property
    def is_at_rest(self) -> bool:
        """Whether it is registered, is not locked out and has read to the end."""
        return bool(self.token) and not self.is_retired and self.held.is_complete

    async def cold_pull(self) -> None:
        """O4: a fresh reader gets exactly what this device has come to hold."""
        held = self.held
        self.forget()
        try:
            await self.pull()
            cold = self.held
        finally:
            self.held = held
        held.compare_with(cold)

    def _violate(self, oracle: str, said: str) -> None:
        sentence = f"{oracle}: {self.name}: {said}"
        self.violations.append(sentence)
        self.journal.append({"k": "violation", "said": sentence})

    def reinstall(self) -> None:
        """Begin as a new installation: the old one has nothing left to send, and forgets."""
        if self.plan.restarts_counter:
            self.journal.append({"k": "counts anew"})
            self.era, self.seq = self.era + 1, 0
        else:
            number = int(self.install_id.rpartition("-")[2]) + 1
            self.install_id = f"{self.name}-{number}"
        self.token = ""
        self.is_retired = self.wants_reinstall = False
        self.wire.close()
        self.forget()
