"""A device that is the PowerSync SDK itself, in a process of its own, with the published connector."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
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
from tests.patience import PATIENCE_S

SCRIPT = Path(runtime.HERE) / "powersync" / "device.mjs"
WITH_SQLITE = 24
"""The oldest Node whose own SQLite the SDK can use; its other driver would have to be compiled."""


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
        answer = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)
        assert answer, "the device's process has ended"
        said = json.loads(answer)
        assert "error" not in said, said["error"]
        return said["value"]

    async def connect(self, url: str, retry_ms: int = 200) -> None:
        """Let the SDK sync; `retry_ms` is how long it waits after a failure."""
        await self.ask(
            "connect", url=url, installId=self.install_id, token=self.token, retryMs=retry_ms
        )

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
        await self._comes_true(lambda: self.sql(sql, *values), sql)

    async def has_sent_all(self) -> None:
        await self.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM ps_crud)")

    async def is_as(self, expected: dict[tuple[str, str], Any]) -> None:
        """Wait until the SDK's rows are these."""

        async def same() -> bool:
            return await self.rows() == expected

        await self._comes_true(same, "the rows of a cold pull")

    async def _comes_true(self, ask: Callable[[], Awaitable[Any]], what: str) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + PATIENCE_S
        while not await ask():
            assert loop.time() < ends_at, (what, await self.ask("status"), await self.rows())
            await asyncio.sleep(0.05)


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
    process = await runtime.start(SCRIPT, str(file), ",".join(COLLECTIONS), oldest=WITH_SQLITE)
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
