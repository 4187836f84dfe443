"""A device that is the PowerSync SDK itself, in a process of its own, with the published connector."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from uuid_utils.compat import uuid7

from mobile_api.feed_sql import COLLECTIONS
from tests.company import Company
from tests.conftest import Clock
from tests.mobile_api.phones import Phone, new_phone
from tests.node import runtime

SCRIPT = Path(runtime.HERE) / "powersync" / "device.mjs"
DRIVER = os.environ.get("FSM_TEST_POWERSYNC_DRIVER", "node:sqlite")
"""The SDK's other one, `better-sqlite3`, must be compiled."""
WITH_SQLITE = 24
"""The oldest Node whose own SQLite loads extensions without being asked twice."""
_PATIENCE_S = 30.0


@dataclass
class Device:
    """One installation; its database is a file, so that closing and opening it again is a restart."""

    process: asyncio.subprocess.Process
    phone: Phone
    """The same device by the native protocol: what the office sees as one and the same."""
    token: str
    install_id: str

    async def ask(self, what: str, **members: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": what, **members}).encode() + b"\n")
        answer = await asyncio.wait_for(self.process.stdout.readline(), _PATIENCE_S)
        assert answer, "the device's process has ended"
        said = json.loads(answer)
        assert "error" not in said, said["error"]
        return said["value"]

    async def connect(self, url: str) -> None:
        await self.ask("connect", url=url, installId=self.install_id, token=self.token)

    async def disconnect(self) -> None:
        await self.ask("disconnect")

    async def sql(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = await self.ask("sql", sql=sql, values=values)
        return rows

    async def write(self, sql: str, *values: Any) -> None:
        await self.ask("write", sql=sql, values=values)

    async def intend(self, kind: str, clock: Clock, **data: Any) -> str:
        """Write an intent as an app does, and return its id."""
        intent_id = str(uuid7())
        await self.write(
            "INSERT INTO intents (id, type, data, occurred_at) VALUES (?, ?, ?, ?)",
            intent_id,
            kind,
            json.dumps(data),
            clock().isoformat(),
        )
        return intent_id

    async def rows(self) -> dict[tuple[str, str], Any]:
        """Return everything that the SDK holds of the server's: (collection, id) → body."""
        found = {}
        for coll in COLLECTIONS:
            for row in await self.sql(f'SELECT id, data FROM "ps_data__{coll}"'):
                found[coll, row["id"]] = json.loads(row["data"])
        return found

    async def until(self, sql: str, *values: Any) -> None:
        """Wait until a query finds something."""
        async with asyncio.timeout(_PATIENCE_S):
            while not await self.sql(sql, *values):
                await asyncio.sleep(0.05)

    async def has_sent_all(self) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            while await self.sql("SELECT 1 FROM ps_crud LIMIT 1"):
                await asyncio.sleep(0.05)

    async def is_as(self, expected: dict[tuple[str, str], Any]) -> None:
        """Wait until the SDK's rows are these, or say where they differ."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while await self.rows() != expected:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            assert await self.rows() == expected, await self.ask("status")


def held_by(phone: Phone) -> dict[tuple[str, str], Any]:
    """Return what a phone holds by the native protocol, in the shape of `Device.rows`."""
    return {key: change["d"] for key, change in phone.rows.items()}


async def cold_pull(phone: Phone) -> dict[tuple[str, str], Any]:
    """Return what a native pull without a token brings this device now."""
    fresh = Phone(phone.client, phone.headers, phone.device_id, phone.clock)
    await fresh.pull()
    return held_by(fresh)


@asynccontextmanager
async def device(
    client: httpx.AsyncClient, company: Company, clock: Clock, file: Path
) -> AsyncIterator[Device]:
    """Start the SDK on a database file, register it under its own client id, and end it afterwards."""
    process = await runtime.start(
        SCRIPT, str(file), DRIVER, ",".join(COLLECTIONS), oldest=WITH_SQLITE
    )
    try:
        started = Device(process, None, "", "")  # type: ignore[arg-type]
        started.install_id = await started.ask("client")
        started.phone = await new_phone(client, company, clock, started.install_id)
        started.token = started.phone.headers["Authorization"].removeprefix("Bearer ")
        yield started
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
