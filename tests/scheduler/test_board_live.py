"""Open boards are told who else looks on and what others changed; a stranger's are not."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx

from fsm.database import Database
from scheduler.live import Watches
from tests.company import Company
from tests.conftest import Clock
from tests.patience import PATIENCE_S


async def told(stream: AsyncIterator[bytes], kind: str) -> Any:
    """Return what the next event of a kind says; others, and keep-alives, are passed over."""
    async with asyncio.timeout(PATIENCE_S):
        async for said in stream:
            first, _, rest = said.decode().partition("\n")
            if first == f"event: {kind}":
                return json.loads(rest.removeprefix("data: "))
    raise AssertionError(f"the stream ended without an event {kind}")


async def test_a_change_is_told_to_every_board_of_the_company_and_to_no_other(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    stranger: Company,
    clock: Clock,
) -> None:
    watches = Watches(database)
    async with (
        aclosing(watches.stream(company.actors["dispatcher"], clock())) as boris,
        aclosing(watches.stream(company.actors["administrator"], clock())) as anna,
        aclosing(watches.stream(stranger.actors["dispatcher"], clock())) as other,
    ):
        alone = await told(boris, "people")
        both = await told(anna, "people")
        assert set(alone) < set(both)
        assert await told(boris, "people") == both
        assert await told(other, "people") == alone, "people of one name, each at their own company"
        for owner in (company, stranger):
            job = {"work_type": "repair", "asset_id": str(owner.asset.id), "title": "Door sticks"}
            headers = owner.headers["dispatcher"]
            answer = await client.post("/api/work-orders", headers=headers, json=job)
            assert answer.status_code == 201
        for listening, owner in ((boris, company), (anna, company), (other, stranger)):
            changes = await told(listening, "changes")
            assert "work_order.created" in {one["kind"] for one in changes}
            assert {one["user_id"] for one in changes} == {str(owner.users["dispatcher"].id)}
        await anna.aclose()
        assert await told(boris, "people") == alone
        watches.farewell()
        assert await told(boris, "bye") == await told(other, "bye") == {}
