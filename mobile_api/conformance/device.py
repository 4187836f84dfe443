"""A phone that knows nothing but the protocol: it registers, pulls, pushes and uploads over plain HTTP."""

import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import httpx
from uuid_utils.compat import uuid7

PULL, PUSH = "/sync/v1/pull", "/sync/v1/push"
TUS = {"Tus-Resumable": "1.0.0"}
OFFSET_STREAM = {**TUS, "Content-Type": "application/offset+octet-stream"}
_MOST_PAGES = 10_000

Row = dict[str, Any]


@dataclass
class Device:
    """One installation. `rows` is what it holds: (collection, id) → change; `seq` numbers its intents."""

    http: httpx.AsyncClient
    registered: Mapping[str, Any]
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    since: str | None = None
    head: int = 0
    seq: int = 0
    set_back: list[str] = field(default_factory=list)
    is_revoked: bool = False

    @property
    def id(self) -> str:
        return str(self.registered["device_id"])

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.registered['token']}"}

    async def get(self, path: str, **options: Any) -> httpx.Response:
        headers = {**self.bearer, **options.pop("headers", {})}
        return await self.http.get(path, headers=headers, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        headers = {**self.bearer, **options.pop("headers", {})}
        return await self.http.post(path, headers=headers, **options)

    # --- reading

    async def page(self, **params: Any) -> dict[str, Any]:
        """Read one page and apply it."""
        if self.since is not None:
            params["since"] = self.since
        answer = await self.get(PULL, params=params)
        answer.raise_for_status()
        page: dict[str, Any] = answer.json()
        self.apply(page["changes"])
        self.since, self.head = page["since"], page["head"]
        return page

    async def pull(self, **params: Any) -> list[dict[str, Any]]:
        """Read until the server says that this is all; return the pages."""
        pages: list[dict[str, Any]] = []
        while not pages or not pages[-1]["complete"]:
            pages.append(await self.page(**params))
            if len(pages) > _MOST_PAGES:
                raise RuntimeError("the pull never becomes complete")
        return pages

    def apply(self, changes: list[Row]) -> None:
        for change in changes:
            key = (change["c"], change["id"])
            held = self.rows.get(key)
            if held is not None and change["rev"] <= held["rev"]:
                self.set_back.append(f"{key[0]} {key[1]}: rev {change['rev']} after {held['rev']}")
            if change["op"] == "put":
                self.rows[key] = change
            else:
                self.rows.pop(key, None)

    def of(self, collection: str) -> dict[str, dict[str, Any]]:
        """Return the bodies of a collection by id, without those that are being taken away."""
        return {
            row_id: change["d"]
            for (name, row_id), change in self.rows.items()
            if name == collection and change["d"].get("access") != "revoked"
        }

    def digest(self) -> dict[str, dict[str, Any]]:
        """Return what the protocol makes of the rows: n, and the sum of SHA-256 beginnings of `id:rev`."""
        sums: dict[str, tuple[int, int]] = {}
        for (name, row_id), change in self.rows.items():
            if change["d"].get("access") == "revoked":
                continue
            n, total = sums.get(name, (0, 0))
            first = int.from_bytes(sha256(f"{row_id}:{change['rev']}".encode()).digest()[:8])
            sums[name] = n + 1, (total + first) % 2**64
        return {name: {"n": n, "sum": f"{total:016x}"} for name, (n, total) in sums.items()}

    def have(self) -> dict[str, list[tuple[str, int]]]:
        """Return what `reconcile` wants to know."""
        have: dict[str, list[tuple[str, int]]] = {}
        for (name, row_id), change in self.rows.items():
            have.setdefault(name, []).append((row_id, change["rev"]))
        return have

    # --- writing

    def intent(
        self, kind: str, /, *, after: list[str] | None = None, **data: Any
    ) -> dict[str, Any]:
        """Return the next intent of this device."""
        self.seq += 1
        return {
            "id": str(uuid7()),
            "seq": self.seq,
            "type": kind,
            "base_seq": self.head,
            "occurred_at": datetime.now(UTC).isoformat(),
            "after": after or [],
            "data": data,
        }

    def batch(self, *intents: Any) -> dict[str, Any]:
        return {
            "device_id": self.id,
            "outbox_empty_at": None,
            "sent_at": datetime.now(UTC).isoformat(),
            "intents": list(intents),
        }

    async def push(self, *intents: Any) -> dict[str, Any]:
        answer = await self.post(PUSH, json=self.batch(*intents))
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    async def outcome(self, intent: Any) -> dict[str, Any]:
        """Push one intent and return what became of it; others that waited for it are told too."""
        outcomes = (await self.push(intent))["outcomes"]
        told: dict[str, dict[str, Any]] = {one["id"]: one for one in outcomes}
        return told[intent["id"]]

    # --- uploading

    async def create_upload(
        self,
        length: int | None,
        metadata: Mapping[str, str],
        headers: Mapping[str, str] = MappingProxyType({}),
        content: bytes = b"",
    ) -> httpx.Response:
        encoded = ",".join(f"{key} {b64encode(v.encode()).decode()}" for key, v in metadata.items())
        wanted = {**TUS, **({"Upload-Metadata": encoded} if metadata else {}), **headers}
        if length is not None:
            wanted["Upload-Length"] = str(length)
        return await self.post("/files", headers=wanted, content=content)

    async def append(
        self, location: str, offset: int, content: bytes, **more: str
    ) -> httpx.Response:
        headers = {**self.bearer, **OFFSET_STREAM, "Upload-Offset": str(offset), **more}
        return await self.http.patch(location, headers=headers, content=content)

    async def offset(self, location: str) -> int:
        answer = await self.http.head(location, headers={**self.bearer, **TUS})
        answer.raise_for_status()
        return int(answer.headers["Upload-Offset"])


@dataclass
class Bench:
    """What the requirements are tried with.

    `person` is a technician's bearer token. `change` makes the office change something that the technician
    sees; None where nobody can. `may_finish` allows to finish the technician's first visit for good.
    `office` does what the protocol has no door for, or raises `CannotTry`: `dispatch` gives the technician
    one more visit, `withdraw` and `reassign` take the named one away, `revoke` puts the named device out of
    use, `restore` makes the feed begin anew. `flood` is how many requests may be made to be refused.
    """

    http: httpx.AsyncClient
    person: str
    change: Callable[[], Awaitable[None]] | None = None
    may_finish: bool = False
    office: Callable[..., Awaitable[None]] | None = None
    flood: int = 0
    devices: list[Device] = field(default_factory=list)
    """All that were registered."""
    _device: Device | None = None

    async def register(self, install_id: str | None = None, **members: Any) -> httpx.Response:
        body = {
            "install_id": f"conformance-{uuid4()}" if install_id is None else install_id,
            "platform": "conformance kit",
            "app": "1",
            "schema": 5,
            **members,
        }
        answer = await self.http.post(
            "/sync/v1/devices", headers={"Authorization": f"Bearer {self.person}"}, json=body
        )
        if answer.status_code == 200 and {"device_id", "token"} <= answer.json().keys():
            self.devices.append(Device(self.http, answer.json()))
        return answer

    async def new_device(self) -> Device:
        answer = await self.register()
        answer.raise_for_status()
        name = answer.json()["device_id"]
        return next(one for one in reversed(self.devices) if one.id == name)

    def begin_anew(self) -> None:
        """Give up the shared device: the feed began anew, and it would have to reconcile."""
        self._device = None

    async def device(self) -> Device:
        """Return the device that most requirements share, up to date."""
        if self._device is None:
            self._device = await self.new_device()
        await self._device.pull()
        return self._device

    async def visit(self) -> tuple[Device, dict[str, Any]] | None:
        """Return a visit of the technician that is still to be done, None where there is none."""
        device = await self.device()
        mine = [
            visit
            for visit in device.of("visits").values()
            if visit["status"] in ("dispatched", "travelling", "on_site", "paused")
            and visit["work_order_id"] in device.of("work_orders")
        ]
        return (device, min(mine, key=lambda one: str(one["id"]))) if mine else None


def same_json(left: Any, right: Any) -> bool:
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
