"""A simulated phone: it works offline, keeps everything in its journal, and believes no server.

It shares no code with the product. What it does on seeing an answer is what `sync.md` asks of an app; what
it finds wrong with an answer goes into its journal as a violation, named by the oracle it breaks.
"""

import asyncio
import base64
import gzip
import hashlib
import json
import random
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.chaos.journal import Journal, digest, intent_hash, read_journal
from tests.chaos.wire import Answer, Cut, Wire

LIVE = ("dispatched", "travelling", "on_site", "paused")
TUS = {"Tus-Resumable": "1.0.0"}
SETTLED = ("applied", "duplicate", "rejected", "quarantined", "waiting")

Key = tuple[str, str]


def uuid7() -> str:
    """Return a UUIDv7 of the device's own making."""
    ms = time.time_ns() // 1_000_000
    value = (
        ms << 80 | 0x7 << 76 | random.getrandbits(12) << 64 | 0b10 << 62 | random.getrandbits(62)
    )
    return str(uuid.UUID(int=value))


@dataclass
class Snap:
    """A photo as the phone holds it; its bytes grow again from its id."""

    photo_id: str
    visit_id: str
    size: int
    like: str = ""
    """The photo whose bytes these are once more; empty for a picture of its own."""
    path: str | None = None
    is_received: bool = False
    is_proved: bool = False
    """Its receipt is here and genuine; otherwise `is_received` says that nobody waits for one."""

    @property
    def content(self) -> bytes:
        """A small JPEG whose comments make it the only one of its kind."""
        noise = random.Random(self.like or self.photo_id).randbytes(self.size)
        comments = b"".join(
            b"\xff\xfe" + (len(part) + 2).to_bytes(2) + part
            for part in (noise[at : at + 60_000] for at in range(0, len(noise), 60_000))
        )
        return _JPEG[:2] + comments + _JPEG[2:]


_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEAYABgAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAx"
    "NDQ0Hyc5PTgyPC4zNDL/wAALCAABAAEBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUF"
    "BAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVW"
    "V1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi"
    "4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/APn+v//Z"
)


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
        self.outbox: dict[str, dict[str, Any]] = {}
        self.acked: dict[str, tuple[int, int]] = {}
        """id → count it was made in, number"""
        self.photos: dict[str, Snap] = {}
        self.left: dict[str, int] = {}
        """visit → intents still to be made of it; absent before the first"""
        self.forget()
        self.made = 0
        self.is_draining = False
        self.is_retired = False
        self.wants_reinstall = False
        self.repairs = 0
        self.turn = asyncio.Lock()
        self._recall()

    def forget(self) -> None:
        """Lose the copy of the server's rows, as a fresh installation has none."""
        self.rows: dict[Key, dict[str, Any]] = {}
        self.since: str | None = None
        self.epoch: str | None = None
        self.head = 0
        self.is_complete = False
        self.empty_at: int | None = None

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
                    self._remember_visit(intent)
                case "acked":
                    for seq, intent_id, _ in record["of"]:
                        self.outbox.pop(intent_id, None)
                        self.acked[intent_id] = self.era, seq
                case "counts anew":
                    self.era, self.seq = self.era + 1, 0
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
                    for snap in self.photos.values():
                        snap.is_received = snap.is_proved = False

    def _remember_visit(self, intent: dict[str, Any]) -> None:
        if visit_id := intent["data"].get("visit_id"):
            is_over = intent["type"] == "visit.finish" and not intent["data"].get("position")
            self.left[visit_id] = 0 if is_over else self.left.get(visit_id) or 50

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
        self.forget()

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
            if self.since is not None:
                params.append(f"since={self.since}")
            if not self.outbox and self.is_complete:
                params.append(f"outbox_empty_at={self.head}")
            answer = await self._json("GET", f"/sync/v1/pull?{'&'.join(params)}")
            if answer.status != 200:
                await self._check_refusal(answer)
            page = answer.json()
            pages += 1
            self._apply(page)
            if page["complete"]:
                self.is_complete = True
                break
        if pages == 1:
            self._check_completed()
        if page.get("digest") is not None and page["digest"] != (own := digest(self.rows)):
            odd = sorted(
                coll
                for coll in page["digest"].keys() | own.keys()
                if page["digest"].get(coll) != own.get(coll)
            )
            told = [(coll, page["digest"].get(coll), own.get(coll)) for coll in odd[:3]]
            self._violate("O4", f"the digest differs from what was pulled: {told}")
            await self.reconcile()
        await self._look_for_receipts()

    def _apply(self, page: dict[str, Any]) -> None:
        if self.epoch is not None and page["epoch"] == self.epoch:
            if page["head"] < self.head:
                self._violate("O8", f"head went back from {self.head} to {page['head']}")
            before, after = _positions(self.since), _positions(page["since"])
            for scope, seq in before.items():
                if scope in after and after[scope] < seq:
                    self._violate("O8", f"the token of {scope} went back")
        busy = {one["data"].get("visit_id") for one in self.outbox.values()}
        for change in page["changes"]:
            key = (change["c"], change["id"])
            known = self.rows.get(key)
            if known is not None and change["rev"] <= known["rev"]:
                self._violate("O8", f"{key} went back from rev {known['rev']} to {change['rev']}")
            if change["op"] == "put":
                self.rows[key] = change
            else:
                if (
                    change["c"] == "visits"
                    and change["id"] in busy
                    and known is not None
                    and not self.is_cloned
                ):
                    self._violate("two-phase leave", f"{key} is gone while its work waits here")
                self.rows.pop(key, None)
        for scope in page["dropped"]:
            self._violate("O6", f"{scope} was dropped although nothing was taken away")
        self.since, self.head, self.epoch = page["since"], page["head"], page["epoch"]

    def _check_completed(self) -> None:
        """O5: what reads `completed` in one snapshot has its answers and its verified photo there too."""
        answers: dict[str, set[str]] = {}
        photos: dict[str, set[str]] = {}
        for (coll, _), change in self.rows.items():
            body = change["d"]
            if coll == "visits":
                answers.setdefault(body["work_order_id"], set()).update(body["answers"])
            elif coll == "photos" and body["retracted_at"] is None:
                photos.setdefault(body["work_order_id"], set()).add(body["state"])
        for (coll, row_id), change in self.rows.items():
            body = change["d"]
            if coll != "work_orders" or body.get("access") or body["status"] != "completed":
                continue
            if not {"safe", "reading"} <= answers.get(row_id, set()):
                self._violate("O5", f"job {row_id} is completed without its answers")
            if "verified" not in photos.get(row_id, set()):
                self._violate("O5", f"job {row_id} is completed, its photos {photos.get(row_id)}")

    async def reconcile(self) -> None:
        """The feed began anew: compare row by row, then send again all that was said to be applied."""
        answers = 0
        while True:
            have: dict[str, list[tuple[str, int]]] = {}
            for (coll, row_id), change in self.rows.items():
                have.setdefault(coll, []).append((row_id, change["rev"]))
            answer = await self._json("POST", "/sync/v1/reconcile", {"have": have})
            if answer.status != 200:
                await self._check_refusal(answer)
            body = answer.json()
            for change in body["put"]:
                self.rows[change["c"], change["id"]] = change
            for coll, ids in body["gone"].items():
                for row_id in ids:
                    self.rows.pop((coll, row_id), None)
            answers += 1
            if body["complete"]:
                break
        if body["epoch"] != self.epoch:
            above = body.get("forget_upto", 0)
            self.journal.append({"k": "replay", "above": above}, {"k": "lost receipts"})
            self._reopen(above)
            for snap in self.photos.values():
                snap.is_received, snap.is_proved, snap.path = False, False, None
        self.repairs += 1
        self.since, self.head, self.epoch = body["since"], body["head"], body["epoch"]
        self.is_complete = False

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

    # --- working ------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def open_visits(self) -> list[str]:
        """Return the visits that this phone may still work on."""
        mine = []
        for (coll, row_id), change in self.rows.items():
            body = change["d"]
            if (
                coll == "visits"
                and not body.get("access")
                and body["status"] in LIVE
                and body["technician_name"] == self.technician_name
                and self.left.get(row_id) != 0
            ):
                mine.append(row_id)
        return mine

    technician_name = ""
    technician_id = ""
    is_cloned = False
    """Another phone goes by the same identity: the server cannot tell their outboxes apart."""

    def work(self) -> None:
        """Do a burst of work on some open visit, offline: it ends in the journal and nowhere else."""
        visits = self.open_visits()
        if not visits or self.is_retired:
            return
        visit_id = self.rng.choice(visits)
        made: list[dict[str, Any]] = []
        records: list[dict[str, Any]] = []

        def add(kind: str, /, after: list[str] | None = None, **data: Any) -> dict[str, Any]:
            self.seq += 1
            intent = {
                "id": uuid7(),
                "seq": self.seq,
                "type": kind,
                "base_seq": self.head,
                "occurred_at": self.now().isoformat(timespec="milliseconds"),
                "mono_ms": time.monotonic_ns() // 1_000_000,
                "boot": self.boot,
                "after": after or [],
                "data": {"visit_id": visit_id, **data},
            }
            made.append(intent)
            return intent

        if visit_id not in self.left:
            self.left[visit_id] = self.rng.randint(*self.plan.per_visit)
            add("visit.travel")
            add("visit.start")
        for _ in range(
            min(self.left[visit_id], self.rng.randint(self.plan.burst // 4, self.plan.burst))
        ):
            self._one_step(add)
            self.left[visit_id] -= 1
        if self.left[visit_id] <= 0:
            if self.rng.random() < self.plan.early_finish:
                add("visit.finish", position={"latitude": 48, "longitude": 2})
            add("answer.set", item="safe", value=True)
            add("answer.set", item="reading", value=self.rng.randint(0, 400))
            snap = self._take_photo(visit_id)
            content = snap.content
            records.append(
                {
                    "k": "photo",
                    "photo_id": snap.photo_id,
                    "visit_id": visit_id,
                    "size": snap.size,
                    "like": snap.like,
                }
            )
            photo = add(
                "photo.add",
                photo_id=snap.photo_id,
                item="after",
                slot=0,
                sha256=hashlib.sha256(content).hexdigest(),
                size=len(content),
                mime="image/jpeg",
                captured_at=self.now().isoformat(timespec="milliseconds"),
            )
            add("visit.finish", after=[photo["id"]])
            self.left[visit_id] = 0
        self.journal.append(
            *records,
            *({"k": "intent", "intent": one, "sha256": intent_hash(one)} for one in made),
        )
        self.outbox.update((one["id"], one) for one in made)
        self.made += len(made)

    def _take_photo(self, visit_id: str) -> Snap:
        like, size = "", self.rng.randint(*self.plan.photo_bytes)
        if self.photos and self.rng.random() < self.plan.same_bytes:
            other = self.rng.choice(list(self.photos.values()))
            like, size = other.like or other.photo_id, other.size
        snap = Snap(uuid7(), visit_id, size, like)
        self.photos[snap.photo_id] = snap
        return snap

    def _one_step(self, add: Any) -> None:
        dice = self.rng.random()
        if dice < self.plan.poison:
            add(self.rng.choice(("visit.dance", "answer.set")))
        elif dice < 0.48:
            add("note.add", text=f"note {uuid7()}")
        elif dice < 0.94:
            add("answer.set", item=f"remark{self.rng.randint(1, 4)}", value=f"said {uuid7()}")
        elif dice < 0.97:
            start = self.now() - timedelta(minutes=self.rng.randint(2, 90))
            add(
                "time.add",
                kind=self.rng.choice(("work", "travel")),
                **{
                    "from": start.isoformat(timespec="seconds"),
                    "to": (start + timedelta(minutes=1)).isoformat(timespec="seconds"),
                },
            )
        elif dice < 0.985:
            add("part.use", part_id=self.part_id, qty=self.rng.randint(1, 3))
        elif dice < 0.99:
            add("visit.pause", reason="shift_end")
            add("visit.resume")
        else:
            add("visit.delay", minutes=self.rng.randint(1, 60))

    part_id = ""

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
                    await self._send_photo(snap)

    async def _send_photo(self, snap: Snap) -> None:
        content = snap.content
        headers = {"Authorization": f"Bearer {self.token}", **TUS}
        offset = None
        if snap.path is not None:
            seen = await self.wire.ask("HEAD", snap.path, headers)
            if seen.status == 200:
                offset = int(seen.headers["upload-offset"])
            elif seen.status in (403, 404, 410):
                snap.path = None
            else:
                raise Cut(f"HEAD answered {seen.status}")
        if snap.path is None:
            sha256 = hashlib.sha256(content).hexdigest()
            values = {"photo_id": snap.photo_id, "sha256": sha256}
            metadata = ",".join(
                f"{name} {base64.b64encode(text.encode()).decode()}"
                for name, text in values.items()
            )
            made = await self.wire.ask(
                "POST",
                "/files",
                {**headers, "Upload-Length": str(len(content)), "Upload-Metadata": metadata},
            )
            if made.status != 201:
                raise Cut(f"creating an upload answered {made.status} {made.code}")
            snap.path = "/files/" + made.headers["location"].rpartition("/")[2]
            offset = int(made.headers.get("upload-offset", 0))
        while offset is not None and offset < len(content):
            end = len(content)
            if self.rng.random() < 0.3:
                end = self.rng.randint(offset + 1, len(content))
            piece = content[offset:end]
            more = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
            if self.rng.random() < 0.5:
                sha = base64.b64encode(hashlib.sha256(piece).digest()).decode()
                more["Upload-Checksum"] = f"sha256 {sha}"
            sent = await self.wire.ask("PATCH", snap.path, {**headers, **more}, piece)
            if sent.status != 204:
                raise Cut(f"PATCH answered {sent.status} {sent.code}")
            offset = int(sent.headers["upload-offset"])

    async def _look_for_receipts(self) -> None:
        """Drop a photo's copy only once its receipt is here and genuine."""
        for (coll, row_id), change in self.rows.items():
            snap = self.photos.get(row_id) if coll == "photos" else None
            receipt = change["d"].get("receipt") if snap is not None else None
            if snap is None or receipt is None or snap.is_received:
                continue
            if self._is_genuine(receipt, snap):
                snap.is_received = snap.is_proved = True
                self.journal.append({"k": "received", "photo_id": row_id})
            else:
                self._violate("O7", f"the receipt of photo {row_id} is not genuine")

    def _is_genuine(self, receipt: dict[str, Any], snap: Snap) -> bool:
        content = snap.content
        signed = {name: value for name, value in receipt.items() if name != "signature"}
        text = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        signature = base64.urlsafe_b64decode(receipt["signature"] + "==")
        try:
            self.keys[receipt["kid"]].verify(signature, text.encode())
        except (InvalidSignature, KeyError):
            return False
        return (receipt["photo_id"], receipt["sha256"], receipt["size"]) == (
            snap.photo_id,
            hashlib.sha256(content).hexdigest(),
            len(content),
        )

    async def check_bytes(self, snap: Snap) -> None:
        """O7: what the server serves is what the phone took."""
        content = snap.content
        sha256 = hashlib.sha256(content).hexdigest()
        answer = await self.wire.ask(
            "GET", f"/blobs/{sha256}", {"Authorization": f"Bearer {self.token}"}
        )
        if answer.status == 200 and answer.body != content:
            self._violate("O7", f"the bytes of photo {snap.photo_id} are not what was taken")
        elif answer.status in (404, 410):
            self._violate("O7", f"the bytes of photo {snap.photo_id} are gone")

    # --- at rest ------------------------------------------------------------------------------------------

    @property
    def is_empty(self) -> bool:
        return not self.outbox and all(snap.is_received for snap in self.photos.values())

    async def cold_pull(self) -> None:
        """O4: a fresh reader gets exactly what this device has come to hold."""
        held, since, epoch, head = self.rows, self.since, self.epoch, self.head
        granted = {
            key: (one["rev"], one["d"]) for key, one in held.items() if not one["d"].get("access")
        }
        self.forget()
        try:
            await self.pull()
            cold = {key: (one["rev"], one["d"]) for key, one in self.rows.items()}
        finally:
            self.rows, self.since, self.epoch, self.head = held, since, epoch, head
            self.is_complete = True
        if cold != granted:
            odd = sorted(
                key for key in cold.keys() | granted.keys() if cold.get(key) != granted.get(key)
            )
            self._violate("O4", f"{len(odd)} rows differ from a cold pull, such as {odd[:3]}")

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


def _positions(token: str | None) -> dict[str, int]:
    """Return what a feed token says of each scope: opaque to an app, but an oracle may look inside."""
    if token is None:
        return {}
    payload = token.split(".")[1]
    seqs: dict[str, int] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )["s"]
    return seqs
