"""A phone as tests drive it: registers, pulls into a local copy, keeps an outbox, pushes over HTTP."""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
from uuid_utils.compat import uuid7

from fsm.database import Database
from mobile_api import feed
from tests.company import Company
from tests.conftest import Clock


@dataclass
class Phone:
    """One installation. `rows` is what it holds: (collection, id) → change."""

    client: httpx.AsyncClient
    headers: dict[str, str]
    device_id: str
    clock: Clock
    since: str | None = None
    seq: int = 0
    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    pages: list[dict[str, Any]] = field(default_factory=list)

    async def pull(self, **params: Any) -> dict[str, Any]:
        """Read until complete, apply the pages, and compare with the digest; return the last page."""
        while True:
            page = await self.page(**params)
            if page["complete"]:
                break
        if page.get("digest") is not None:
            assert self.digest() == page["digest"]
        return page

    async def page(self, **params: Any) -> dict[str, Any]:
        if self.since is not None:
            params["since"] = self.since
        answer = await self.client.get("/sync/v1/pull", params=params, headers=self.headers)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        self.apply(page)
        self.pages.append(page)
        return page

    def apply(self, page: dict[str, Any]) -> None:
        for change in page["changes"]:
            key = (change["c"], change["id"])
            known = self.rows.get(key)
            assert known is None or change["rev"] > known["rev"], "a rev went back"
            if change["op"] == "put":
                self.rows[key] = change
            else:
                self.rows.pop(key, None)
        self.since = page["since"]

    def digest(self) -> dict[str, dict[str, Any]]:
        """Return what the protocol says: per collection, rows still granted and the sum over `id:rev`."""
        sums: dict[str, tuple[int, int]] = {}
        for (coll, row_id), change in self.rows.items():
            if change["d"].get("access") == "revoked":
                continue
            n, total = sums.get(coll, (0, 0))
            first = sha256(f"{row_id}:{change['rev']}".encode()).digest()[:8]
            sums[coll] = n + 1, (total + int.from_bytes(first)) % 2**64
        return {coll: {"n": n, "sum": f"{total:016x}"} for coll, (n, total) in sums.items()}

    def of(self, coll: str) -> dict[str, dict[str, Any]]:
        """Return the bodies of a collection by id."""
        return {row_id: change["d"] for (kind, row_id), change in self.rows.items() if kind == coll}

    def intent(self, kind: str, /, after: list[str] | None = None, **data: Any) -> dict[str, Any]:
        """Append an intent to the outbox's numbering and return it."""
        self.seq += 1
        return {
            "id": str(uuid7()),
            "seq": self.seq,
            "type": kind,
            "occurred_at": self.clock().isoformat(),
            "after": after or [],
            "data": data,
        }

    async def send(self, *intents: Any, **members: Any) -> httpx.Response:
        body = {"device_id": self.device_id, "intents": list(intents), **members}
        content = json.dumps(body).encode()  # escapes what UTF-8 cannot hold, as browsers do
        return await self.client.post("/sync/v1/push", content=content, headers=self.headers)

    async def push(self, *intents: Any, **members: Any) -> list[dict[str, Any]]:
        answer = await self.send(*intents, **members)
        assert answer.status_code == 200, answer.text
        outcomes: list[dict[str, Any]] = answer.json()["outcomes"]
        return outcomes


async def new_phone(
    client: httpx.AsyncClient, company: Company, clock: Clock, install_id: str = "phone-1"
) -> Phone:
    answer = await client.post(
        "/sync/v1/devices",
        headers=company.headers["technician"],
        json={"install_id": install_id, "platform": "android 16", "app": "1.0", "schema": 5},
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return Phone(client, {"Authorization": f"Bearer {body['token']}"}, body["device_id"], clock)


async def feed_differences(database: Database, tenant_id: UUID) -> list[feed.Difference]:
    """Return where the feed is not what a rebuild would make of it: empty after every test."""
    async with database.transaction(tenant_id) as session:
        return await feed.audit_scopes(session, tenant_id)
