"""The chain of events: sealed once whoever seals, and followed link by link."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.database import Database
from fsm.events import ChainHead, EventSeal, find_broken_link, seal
from fsm.problems import Invalid
from tests.company import Company
from tests.conftest import Clock


async def happen(database: Database, company: Company, clock: Clock, how_many: int) -> None:
    """Record some events, an instant apart."""
    async with database.transaction(company.id) as session:
        await events.record_many(
            session,
            company.system,
            "note.added",
            "work_order",
            [(uuid7(), clock(), {"n": n}) for n in range(how_many)],
            now=clock(),
        )


async def seal_all(database: Database, company: Company, clock: Clock) -> int:
    async with database.transaction(company.id) as session:
        return await seal(session, company.id, clock())


async def broken_at(database: Database, company: Company) -> int | None:
    async with database.transaction(company.id) as session:
        return await find_broken_link(session, company.id)


async def test_several_sealers_at_once_give_each_event_one_number(
    database: Database, company: Company, clock: Clock
) -> None:
    await happen(database, company, clock, 200)

    async def seal_some() -> int:
        async with database.transaction(company.id) as session:
            return await seal(session, company.id, clock(), limit=40)

    done = 0
    while sealed := sum(await asyncio.gather(*(seal_some() for _ in range(4)))):
        done += sealed
    async with database.transaction(company.id) as session:
        numbers = sorted(await session.exec(select(EventSeal.number)))
        head = (await session.exec(select(ChainHead.number))).one()
        there = len(list(await session.exec(select(events.Event.id))))
    assert numbers == list(range(1, there + 1))
    assert head == done == there
    assert await broken_at(database, company) is None


async def test_what_commits_late_gets_a_later_number_and_breaks_nothing(
    database: Database, company: Company, clock: Clock
) -> None:
    async with database.transaction(company.id) as slow:
        await events.record(slow, company.system, "note.added", "work_order", uuid7(), now=clock())
        clock.forward(seconds=5)
        await happen(database, company, clock, 3)
        before = await seal_all(database, company, clock)
    assert await seal_all(database, company, clock) == 1
    async with database.transaction(company.id) as session:
        assert (await session.exec(select(ChainHead.number))).one() == before + 1
    assert await broken_at(database, company) is None


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("update event set data = '{\"n\": 99}' where id = $1", 0),
        ("update event set actor_name = 'somebody else' where id = $1", 0),
        ("update event set received_at = received_at + interval '1 microsecond' where id = $1", 0),
        ("update event_seal set hash = sha256('x') where event_id = $1", 0),
        ("delete from event_seal where event_id = $1", 0),
        ("update event_seal set number = number + 100000 where event_id = $1", 0),
    ],
)
async def test_tampering_is_found_at_its_place(
    tampering: str,
    found: int,
    database: Database,
    company: Company,
    clock: Clock,
    owner_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "_FOLLOWED_AT_ONCE", 3)
    await happen(database, company, clock, 10)
    await seal_all(database, company, clock)
    assert await broken_at(database, company) is None
    async with database.transaction(company.id) as session:
        last = (await session.exec(select(ChainHead.number))).one()
        place = last - 4
        victim = (
            await session.exec(select(EventSeal.event_id).where(EventSeal.number == place))
        ).one()
    connection: asyncpg.Connection[Any] = await asyncpg.connect(owner_url)
    try:
        await connection.execute(tampering, victim)
    finally:
        await connection.close()
    assert await broken_at(database, company) == place + found


async def test_a_chain_cut_short_or_given_another_head_is_found(
    database: Database, company: Company, clock: Clock, owner_url: str
) -> None:
    await happen(database, company, clock, 5)
    await seal_all(database, company, clock)
    async with database.transaction(company.id) as session:
        last = (await session.exec(select(ChainHead.number))).one()
    connection: asyncpg.Connection[Any] = await asyncpg.connect(owner_url)
    try:
        await connection.execute("update chain_head set hash = sha256('x')")
        assert await broken_at(database, company) == last + 1
        await connection.execute("delete from event_seal where number = $1", last)
        assert await broken_at(database, company) == last
    finally:
        await connection.close()


async def test_numbers_that_jsonb_writes_out_are_sealed_as_the_doubles_they_were(
    database: Database, company: Company, clock: Clock
) -> None:
    async with database.transaction(company.id) as session:
        await events.record(
            session,
            company.system,
            "answer.set",
            "visit",
            uuid7(),
            now=clock(),
            value=[1e20, 1.5e300, -0.0, 0.1, {"deep": 2.0**60}],
        )
    await seal_all(database, company, clock)
    assert await broken_at(database, company) is None


async def test_what_could_never_be_sealed_is_refused(
    database: Database, company: Company, clock: Clock
) -> None:
    with pytest.raises(Invalid, match="history"):
        async with database.transaction(company.id) as session:
            await events.record(
                session,
                company.system,
                "answer.set",
                "visit",
                uuid7(),
                now=clock() + timedelta(0),
                value=2**60 + 1,
            )
