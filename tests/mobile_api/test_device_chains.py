"""A phone's chain over HTTP: kept as it was sent, checked when the visit is over, never in the way."""

from typing import Any

import httpx
import pytest
from sqlmodel import select

from fsm.database import Database
from fsm.jobs import Job as QueuedJob
from fsm.work_orders.tables import Review
from fsm.worker import REACTIONS, Tools
from mobile_api.device_chains import REVIEW
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job
from tests.mobile_api.phones import Phone
from tests.reports.packs.proved_job import chaining_phone, link


async def react(database: Database, company: Company, clock: Clock, visit_id: str) -> list[Any]:
    """Do what the worker does after a finish; return what the office is shown."""
    tools = Tools(company.settings, database, None, clock)  # type: ignore[arg-type]
    await REACTIONS["visit.finished"](tools, QueuedJob(company.id, {"entity_id": visit_id}))
    async with database.transaction(company.id) as session:
        return [
            review.data
            for review in await session.exec(select(Review).where(Review.kind == REVIEW))
        ]


@pytest.fixture
async def at_work(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> tuple[Phone, str, list[dict[str, Any]]]:
    """A phone on a visit with three linked records, not sent yet."""
    job = await dispatched_job(database, company, clock)
    phone = await chaining_phone(client, company, clock)
    await phone.pull()
    visit_id = str(job.visit_id)
    records = [phone.intent("visit.start", visit_id=visit_id)]
    records += [phone.intent("note.add", visit_id=visit_id, text=text) for text in ("one", "two")]
    return phone, visit_id, link(phone, visit_id, records)


async def test_a_whole_chain_shows_nothing(
    at_work: tuple[Phone, str, list[dict[str, Any]]],
    database: Database,
    company: Company,
    clock: Clock,
) -> None:
    phone, visit_id, linked = at_work
    await phone.push(*linked)
    assert await react(database, company, clock, visit_id) == []


async def test_a_broken_chain_is_applied_all_the_same_and_shown_once(
    at_work: tuple[Phone, str, list[dict[str, Any]]],
    database: Database,
    company: Company,
    clock: Clock,
) -> None:
    phone, visit_id, linked = at_work
    linked[1]["data"]["text"] = "something else"
    linked[2]["chain"] = "nonsense"
    outcomes = await phone.push(*linked)
    assert [one["status"] for one in outcomes] == ["applied"] * 3
    (shown,) = await react(database, company, clock, visit_id)
    assert [(one["seq"], one["code"]) for one in shown["breaks"]] == [
        (2, "wrong_hash"),
        (3, "malformed"),
    ]
    assert shown["device_id"] == phone.device_id
    assert len(await react(database, company, clock, visit_id)) == 1


async def test_a_record_that_is_still_on_its_way_is_no_break(
    at_work: tuple[Phone, str, list[dict[str, Any]]],
    database: Database,
    company: Company,
    clock: Clock,
) -> None:
    phone, visit_id, linked = at_work
    await phone.push(linked[0], linked[2])
    assert await react(database, company, clock, visit_id) == []
    await phone.push(linked[1])
    assert await react(database, company, clock, visit_id) == []
