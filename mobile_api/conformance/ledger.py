"""What a referee knows about the devices whose traffic it has seen, and the rules it holds them to.

Pure: requests and answers go in as values, breaches come out. A rule is about what goes over the wire;
whether an app keeps its outbox through a crash shows in what it sends afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import rfc8785

RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "app.id": "An intent's id is a UUID, and names one content for ever.",
        "app.number": "An intent's number is the device's own, from 1, and names one intent.",
        "app.retry": "An intent whose answer was lost is sent again, unchanged.",
        "app.want": "A number that the server asks for is sent.",
        "app.after": "What an intent comes after is sent before it, or with it.",
        "app.since": "'since' is one that the server gave to this very device.",
        "app.complete": "A pull goes on until the server says that it is complete.",
        "app.outbox": "'outbox_empty_at' is told while nothing is unanswered, never ahead of the head.",
        "app.epoch": "After 410 the device reconciles, and never reads on with its old 'since'.",
        "app.replay": "After a restore every answered intent above 'forget_upto' is sent again.",
        "app.digest": "A digest that is not the device's own makes it reconcile before it reads on.",
        "app.wait": "After Retry-After the device waits as long.",
        "app.bytes": "The bytes uploaded are those whose SHA-256 was declared.",
        "app.photo": "A declared photo is uploaded whole, and again if its bytes did not prove good.",
        "app.secret": "A token stands in the Authorization header, never in an address.",
    }
)
"""key → what an app must do"""


_GRACE_S: Final = 0.05
"""So much too early is not judged: the app's clock ticks by itself."""


@dataclass(frozen=True, slots=True)
class Breach:
    """One rule that an app broke, and how."""

    rule: str
    detail: str


@dataclass
class Seen:
    """One device: what it was given, what it sent, and what it has been told of it."""

    given: set[str] = field(default_factory=set)
    head: int = 0
    reading: bool = False
    stopped: set[str] | None = None
    contents: dict[str, bytes] = field(default_factory=dict)
    numbers: dict[int, str] = field(default_factory=dict)
    unanswered: dict[str, int] = field(default_factory=dict)
    wanted: set[int] = field(default_factory=set)
    wait_until: float = 0.0
    forget_upto: int = 0
    answered: set[int] = field(default_factory=set)
    owed: set[int] = field(default_factory=set)
    """Numbers that a restore may have lost, and that have not come again."""
    awaited: dict[str, str] = field(default_factory=dict)
    """id that has not been sent → the intent that was sent before it and named it in `after`"""
    waiting: set[str] = field(default_factory=set)
    doubts: bool = False


@dataclass
class _Upload:
    """An upload under way. `running` hashes what was acknowledged, None where some of it was not seen."""

    photo_id: str | None
    digest: str | None
    length: int | None
    running: Any
    offset: int = 0


@dataclass
class Ledger:
    """The book of one session. Times are seconds of any clock that only goes forward."""

    devices: dict[str, Seen] = field(default_factory=dict)
    declared: dict[str, str] = field(default_factory=dict)
    photos: dict[str, str] = field(default_factory=dict)
    """photo_id → 'declared', 'sent' whole, 'corrupt' as the server found, or 'settled'"""
    adding: dict[str, str] = field(default_factory=dict)
    """The intent that declared a photo → photo_id"""
    uploads: dict[str, _Upload] = field(default_factory=dict)
    breaches: list[Breach] = field(default_factory=list)
    requests: int = 0
    intents: int = 0

    def breach(self, rule: str, detail: str) -> None:
        assert rule in RULES
        one = Breach(rule, detail)
        if one not in self.breaches:
            self.breaches.append(one)

    def device(self, token: str) -> Seen:
        return self.devices.setdefault(token, Seen())

    # --- what is sent

    def asked(self, token: str, address: str, at: float) -> None:
        """Note any request of a device. `address` is path and query."""
        self.requests += 1
        device = self.device(token)
        if token and token in address:
            self.breach("app.secret", "the token stands in the address")
        if at < device.wait_until - _GRACE_S:
            early = device.wait_until - at
            self.breach("app.wait", f"{address.partition('?')[0]} came {early:.1f} s too early")

    def pulls(self, token: str, since: str | None, outbox_empty_at: int | None) -> None:
        device = self.device(token)
        if since is not None and since not in device.given:
            self.breach("app.since", "a 'since' that this device was never given")
        if since is not None and device.stopped is not None and since in device.stopped:
            self.breach("app.epoch", "a 'since' from before the feed began anew")
        if device.doubts:
            self.breach("app.digest", "the device read on though the digest was another one")
        self._outbox(device, outbox_empty_at)

    def pushes(self, token: str, batch: Mapping[str, Any]) -> list[str]:
        """Note a batch before it is answered; return the ids of its intents."""
        device = self.device(token)
        sent = [one for one in batch.get("intents", ()) if isinstance(one, dict)]
        ids = [self._intent(device, intent) for intent in sent]
        for intent in sent:
            self._order(device, intent)
        self._outbox(device, batch.get("outbox_empty_at"))
        return [one for one in ids if one is not None]

    def _order(self, device: Seen, intent: Mapping[str, Any]) -> None:
        """Note what an intent waits for and nobody has seen; it may have been sent before this session."""
        before = intent.get("after")
        for one in before if isinstance(before, list) else ():
            if str(one) not in device.contents:
                device.awaited[str(one)] = str(intent.get("id"))

    def _intent(self, device: Seen, intent: Mapping[str, Any]) -> str | None:
        self.intents += 1
        name, number = str(intent.get("id")), intent.get("seq")
        try:
            UUID(name)
        except ValueError:
            self.breach("app.id", f"'{name[:40]}' is no UUID")
            return None
        if name in device.awaited:
            self.breach("app.after", f"{device.awaited.pop(name)} was sent before {name}")
        content = sha256(rfc8785.dumps(dict(intent))).digest()
        if device.contents.setdefault(name, content) != content:
            self.breach("app.id", f"{name} was sent with two contents")
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            self.breach("app.number", f"{name} has the number {number!r}")
            return name
        if device.numbers.setdefault(number, name) != name:
            self.breach("app.number", f"number {number} names two intents")
        device.wanted.discard(number)
        device.owed.discard(number)
        device.unanswered[name] = number
        data = intent.get("data")
        if isinstance(data, dict):
            self._photo(name, str(intent.get("type")), data)
        return name

    def _photo(self, name: str, kind: str, data: Mapping[str, Any]) -> None:
        photo_id = str(data.get("photo_id"))
        if kind == "photo.add":
            self.declared[photo_id] = str(data.get("sha256"))
            self.photos.setdefault(photo_id, "declared")
            self.adding[name] = photo_id
        elif kind == "photo.retract":
            self.photos[photo_id] = "settled"

    def _outbox(self, device: Seen, empty_at: int | None) -> None:
        if empty_at is None:
            return
        if empty_at > device.head:
            self.breach("app.outbox", f"empty at {empty_at}, with the head at {device.head}")
        if device.unanswered:
            self.breach("app.outbox", f"empty, with {len(device.unanswered)} intents unanswered")

    # --- what is answered

    def page(self, token: str, page: Mapping[str, Any]) -> None:
        device = self.device(token)
        if page.get("since"):
            device.given.add(page["since"])
        device.head = max(device.head, int(page.get("head", 0)))
        device.reading = not page.get("complete", True)
        device.forget_upto = max(device.forget_upto, page.get("forget_upto", 0))
        for change in (*page.get("changes", ()), *page.get("put", ())):
            if change.get("c") == "photos" and change.get("op", "put") == "put":
                self._shown(change["id"], change["d"])

    def _shown(self, photo_id: str, photo: Mapping[str, Any]) -> None:
        """Note what the server says of a photo."""
        if photo.get("state") in ("stored", "verified") or photo.get("receipt"):
            self.photos[photo_id] = "settled"
        elif photo.get("state") == "corrupt" and self.photos.get(photo_id) == "sent":
            self.photos[photo_id] = "corrupt"

    def anew(self, token: str, reason: str | None = None) -> None:
        """The server has said that the feed began anew, and why."""
        device = self.device(token)
        if reason == "restored" and device.stopped is None:
            device.owed = {one for one in device.answered if one > device.forget_upto}
        device.stopped = set(device.given)
        device.reading = False

    def doubted(self, token: str) -> None:
        """A digest was told that cannot be the device's."""
        self.device(token).doubts = True

    def reconciled(self, token: str, told: Mapping[str, Any]) -> None:
        device = self.device(token)
        device.stopped = None
        device.doubts = False
        self.page(token, told)

    def told(self, token: str, answer: Mapping[str, Any]) -> None:
        """A push was answered, and the answer reached the device."""
        device = self.device(token)
        device.head = max(device.head, int(answer.get("head", 0)))
        device.wanted |= {number for number in answer.get("want", ()) if number in device.numbers}
        for outcome in answer.get("outcomes", ()):
            name, status = str(outcome.get("id")), outcome.get("status")
            self._answered(device, name)
            (device.waiting.add if status == "waiting" else device.waiting.discard)(name)
            if status in ("rejected", "quarantined") and name in self.adding:
                self.photos[self.adding[name]] = "settled"

    def stored(self, token: str, ids: Sequence[str]) -> None:
        """An adapter took intents; what became of them comes down as rows."""
        for name in ids:
            self._answered(self.device(token), name)

    def _answered(self, device: Seen, name: str) -> None:
        number = device.unanswered.pop(name, None)
        if number is not None:
            device.answered.add(number)

    def delayed(self, token: str, until: float) -> None:
        self.device(token).wait_until = until

    # --- uploads

    def creates(
        self, location: str, metadata: Mapping[str, str], length: int | None, offset: int = 0
    ) -> None:
        """An upload was made at a path; its bytes are hashed as they are acknowledged.

        `length` is None while it is not told; `offset` is where a new upload stands that needs no bytes.
        """
        digest, photo_id = metadata.get("sha256"), metadata.get("photo_id")
        known = self.declared.get(photo_id or "")
        if known is not None and known != digest:
            self.breach("app.bytes", "photo.add and upload name different hashes of one photo")
        self.uploads[location] = _Upload(photo_id, digest, length, sha256())
        if length is not None and offset == length:
            self._whole(photo_id)

    def appends(
        self, location: str, offset: int, content: bytes, length: int | None = None
    ) -> None:
        """Bytes were acknowledged; `offset` is where they began, `length` the whole's if told only now."""
        if location not in self.uploads:
            return
        upload = self.uploads[location]
        if length is not None:
            upload.length = length
        if offset != upload.offset:
            upload.running = None  # some bytes were taken though their answer was not a good one
        elif upload.running is not None:
            upload.running.update(content)
        upload.offset = offset + len(content)
        if upload.offset != upload.length:
            return
        self._whole(upload.photo_id)
        if None not in (upload.running, upload.digest):
            assert upload.running is not None
            if upload.running.hexdigest() != upload.digest:
                self.breach("app.bytes", "the bytes of an upload have another hash than declared")

    def _whole(self, photo_id: str | None) -> None:
        if photo_id is not None and self.photos.get(photo_id) != "settled":
            self.photos[photo_id] = "sent"

    # --- at the end

    def close(self) -> Sequence[Breach]:
        """Return every breach, those included that only the end of a session shows."""
        for device in self.devices.values():
            if device.unanswered:
                count = len(device.unanswered)
                self.breach("app.retry", f"{count} intents without an answer were not sent again")
            if device.wanted:
                self.breach(
                    "app.want", f"numbers {sorted(device.wanted)[:5]} were asked for in vain"
                )
            if device.reading:
                self.breach("app.complete", "the last pull was not read to its end")
            if device.stopped is not None:
                self.breach("app.epoch", "the feed began anew, and the device did not reconcile")
            if device.owed:
                numbers = sorted(device.owed)[:5]
                self.breach("app.replay", f"numbers {numbers} were not sent again")
            for missing, name in device.awaited.items():
                if name in device.waiting:
                    self.breach("app.after", f"{name} waits for {missing}, which never came")
        for photo_id, state in self.photos.items():
            if state in ("declared", "corrupt") and photo_id in self.declared:
                self.breach("app.photo", f"{photo_id} is {state}; its bytes were not offered again")
        return self.breaches
