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
        "app.since": "'since' is one that the server gave to this very device.",
        "app.complete": "A pull goes on until the server says that it is complete.",
        "app.outbox": "'outbox_empty_at' is told while nothing is unanswered, never ahead of the head.",
        "app.epoch": "After 410 the device reconciles, and never reads on with its old 'since'.",
        "app.wait": "After Retry-After the device waits as long.",
        "app.bytes": "The bytes uploaded are those whose SHA-256 was declared.",
        "app.secret": "A token stands in the Authorization header, never in an address.",
    }
)
"""key → what an app must do"""


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


@dataclass
class Ledger:
    """The book of one session. Times are seconds of any clock that only goes forward."""

    devices: dict[str, Seen] = field(default_factory=dict)
    declared: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, tuple[str, Any, int]] = field(default_factory=dict)
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
        if at < device.wait_until:
            early = device.wait_until - at
            self.breach("app.wait", f"{address.partition('?')[0]} came {early:.1f} s too early")

    def pulls(self, token: str, since: str | None, outbox_empty_at: int | None) -> None:
        device = self.device(token)
        if since is not None and since not in device.given:
            self.breach("app.since", "a 'since' that this device was never given")
        if since is not None and device.stopped is not None and since in device.stopped:
            self.breach("app.epoch", "a 'since' from before the feed began anew")
        self._outbox(device, outbox_empty_at)

    def pushes(self, token: str, batch: Mapping[str, Any]) -> list[str]:
        """Note a batch before it is answered; return the ids of its intents."""
        device = self.device(token)
        sent = [one for one in batch.get("intents", ()) if isinstance(one, dict)]
        ids = [self._intent(device, intent) for intent in sent]
        self._outbox(device, batch.get("outbox_empty_at"))
        return [one for one in ids if one is not None]

    def _intent(self, device: Seen, intent: Mapping[str, Any]) -> str | None:
        self.intents += 1
        name, number = str(intent.get("id")), intent.get("seq")
        try:
            UUID(name)
        except ValueError:
            self.breach("app.id", f"'{name[:40]}' is no UUID")
            return None
        content = sha256(rfc8785.dumps(dict(intent))).digest()
        if device.contents.setdefault(name, content) != content:
            self.breach("app.id", f"{name} was sent with two contents")
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            self.breach("app.number", f"{name} has the number {number!r}")
            return name
        if device.numbers.setdefault(number, name) != name:
            self.breach("app.number", f"number {number} names two intents")
        device.wanted.discard(number)
        device.unanswered[name] = number
        data = intent.get("data")
        if intent.get("type") == "photo.add" and isinstance(data, dict):
            self.declared[str(data.get("photo_id"))] = str(data.get("sha256"))
        return name

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

    def anew(self, token: str) -> None:
        """The server has said that the feed began anew."""
        device = self.device(token)
        device.stopped = set(device.given)
        device.reading = False

    def reconciled(self, token: str, told: Mapping[str, Any]) -> None:
        device = self.device(token)
        device.stopped = None
        self.page(token, told)

    def told(self, token: str, answer: Mapping[str, Any]) -> None:
        """A push was answered, and the answer reached the device."""
        device = self.device(token)
        device.head = max(device.head, int(answer.get("head", 0)))
        device.wanted |= {number for number in answer.get("want", ()) if number in device.numbers}
        for outcome in answer.get("outcomes", ()):
            device.unanswered.pop(str(outcome.get("id")), None)

    def delayed(self, token: str, until: float) -> None:
        self.device(token).wait_until = until

    # --- uploads

    def creates(self, location: str, metadata: Mapping[str, str], length: int) -> None:
        """An upload was made at a path; its bytes are hashed as they are acknowledged."""
        digest = metadata.get("sha256", "")
        known = self.declared.get(metadata.get("photo_id", ""))
        if known is not None and known != digest:
            self.breach("app.bytes", "photo.add and upload name different hashes of one photo")
        self.uploads[location] = (digest, sha256(), length)

    def appends(self, location: str, offset: int, content: bytes) -> None:
        """Bytes were acknowledged; `offset` is where they began."""
        if location not in self.uploads:
            return
        digest, running, length = self.uploads[location]
        running.update(content)
        if offset + len(content) == length and running.hexdigest() != digest:
            self.breach("app.bytes", "the bytes of an upload have another hash than it declares")

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
        return self.breaches
