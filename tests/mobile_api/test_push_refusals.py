"""A refusal within a batch costs what it costs alone, and many facts of one job are judged together."""

from collections import Counter
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm.database import Database, Session
from fsm.events import Event
from fsm.work_orders import records
from fsm.work_orders.records import Note
from fsm.work_orders.tables import Review
from mobile_api import push
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import Phone, feed_differences, new_phone


def photo(phone: Phone, job: Job, sha256: str, photo_id: str, slot: int) -> dict[str, Any]:
    return phone.intent(
        "photo.add",
        visit_id=str(job.visit_id),
        photo_id=photo_id,
        item="after",
        slot=slot,
        sha256=sha256,
        size=1_000,
        mime="image/jpeg",
        captured_at=phone.clock().isoformat(),
    )


def a_day(phone: Phone, job: Job, company: Company, mark: str, poison: int) -> list[dict[str, Any]]:
    """Return a day's intents, the first `poison` of these refusals among them; `mark` tells days apart."""
    visit = str(job.visit_id)
    photo_id = str(uuid7())
    refusals = [
        phone.intent("visit.finish", visit_id=visit),  # nothing is there yet
        photo(phone, job, f"{mark}a" * 32, photo_id, 1),  # names other bytes than before
        phone.intent("part.use", visit_id=visit, part_id=str(uuid7()), qty=1),
        phone.intent("answer.set", visit_id=visit),
        phone.intent("visit.pause", visit_id=visit, reason="no such reason"),
        phone.intent("passport.claim", visit_id=visit, code="?", asset_id=str(company.asset.id)),
        phone.intent("note.add", visit_id=str(uuid7()), text="on a visit nobody knows"),
    ]
    sound = [
        phone.intent("visit.start", visit_id=visit),
        photo(phone, job, f"{mark}b" * 32, photo_id, 0),
        phone.intent("note.add", visit_id=visit, text="first"),
        phone.intent("part.use", visit_id=visit, part_id=str(company.part.id), qty=2),
        phone.intent("answer.set", visit_id=visit, item="safe", value=True),
        phone.intent("visit.pause", visit_id=visit, reason="shift_end"),
        phone.intent("visit.resume", visit_id=visit),
        phone.intent("answer.set", visit_id=visit, item="reading", value=142),
        phone.intent("visit.finish", visit_id=visit),
        phone.intent("note.add", visit_id=visit, text="last"),
    ]
    mixed = (one for pair in zip(refusals[:poison], sound[2:], strict=False) for one in pair)
    day = [*sound[:2], *mixed, *sound[2 + poison :]]
    for seq, intent in zip(sorted(one["seq"] for one in day), day, strict=True):
        intent["seq"] = seq
    return day


def said(outcome: dict[str, Any]) -> tuple[Any, ...]:
    codes = sorted(note["code"] for note in outcome.get("notes", ()))
    return outcome["status"], outcome.get("problem", {}).get("code"), codes


async def effects(database: Database, job: Job) -> dict[str, Any]:
    """Return what came of a job's intents, without ids and times."""
    tenant = job.company.id
    async with database.transaction(tenant) as session:

        async def of(table: Any, *columns: Any) -> list[Any]:
            rows = await session.exec(
                select(*columns).where(
                    table.tenant_id == tenant, col(table.work_order_id) == job.id
                )
            )
            return sorted(map(str, rows))

        told = await session.exec(
            select(Event.kind).where(
                Event.tenant_id == tenant, col(Event.entity_id).in_((job.id, job.visit_id))
            )
        )
        return {
            "status": (await job.row()).status,
            "visit": (await job.visit()).status,
            "notes": await of(records.Note, records.Note.text),
            "answers": await of(records.Answer, records.Answer.item, records.Answer.value),
            "parts": await of(records.PartUsed, records.PartUsed.quantity),
            "photos": await of(records.Photo, records.Photo.slot, records.Photo.state),
            "events": Counter(told),
        }


@pytest.mark.parametrize("poison", [1, 4, 7])
async def test_a_batch_with_refusals_comes_out_as_its_intents_do_one_by_one(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock,
    poison: int,
) -> None:  # fmt: skip
    together = await dispatched_job(database, company, clock)
    alone = await dispatched_job(database, company, clock)
    other = await new_phone(client, company, clock, "tablet")
    batch = await phone.push(*a_day(phone, together, company, "1", poison))
    singles = [
        outcome
        for intent in a_day(other, alone, company, "2", poison)
        for outcome in await other.push(intent)
    ]
    assert [said(one) for one in batch] == [said(one) for one in singles]
    refused = [one for one in batch if one["status"] != "applied"]
    assert len(refused) == poison
    assert await effects(database, together) == await effects(database, alone)
    assert await feed_differences(database, company.id) == []


async def test_a_few_refusals_leave_a_batch_in_one_transaction(
    phone: Phone,
    database: Database,
    company: Company,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(*_: Any) -> None:
        raise AssertionError("each intent went alone")

    monkeypatch.setattr(push, "_one_by_one", never)
    job = await dispatched_job(database, company, clock)
    outcomes = await phone.push(*a_day(phone, job, company, "1", 4))
    assert Counter(one["status"] for one in outcomes) == {
        "applied": 10,
        "rejected": 1,
        "quarantined": 3,
    }


async def closures(database: Database, company: Company) -> int:
    async with database.transaction(company.id) as session:
        return len(list(await session.exec(select(records.WorkOrderClosure.id))))


async def told(database: Database, job: Job, kind: str) -> int:
    async with database.transaction(job.company.id) as session:
        found = await session.exec(
            select(Event.id).where(Event.entity_id == job.id, Event.kind == kind)
        )
        return len(list(found))


async def completed_job(database: Database, company: Company, clock: Clock, phone: Phone) -> Job:
    job = await dispatched_job(database, company, clock)
    visit = str(job.visit_id)
    await phone.push(
        phone.intent("visit.start", visit_id=visit),
        phone.intent("answer.set", visit_id=visit, item="safe", value=True),
        phone.intent("answer.set", visit_id=visit, item="reading", value=100),
    )
    await job.declare()
    await job.bytes_arrive()
    await phone.push(phone.intent("visit.finish", visit_id=visit))
    assert (await job.row()).status == "completed"
    return job


async def test_answers_that_come_when_the_job_is_completed_give_it_one_new_closure(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await completed_job(database, company, clock, phone)
    before = await job.row()
    tablet = await new_phone(client, company, clock, "tablet")
    visit = str(job.visit_id)
    clock.forward(minutes=5)
    values = [9_999, None, *range(20)]  # the first two leave something unmet until the next comes
    outcomes = await tablet.push(
        *(
            tablet.intent("answer.set", visit_id=visit, item="reading", value=value)
            for value in values
        ),
        tablet.intent("note.add", visit_id=visit, text="that was the tablet"),
    )
    assert {one["status"] for one in outcomes} == {"applied"}
    after = await job.row()
    assert (after.status, after.completed_at) == ("completed", before.completed_at)
    assert after.facts_rev == before.facts_rev + len(values)
    assert await closures(database, company) == 2
    assert await told(database, job, "work_order.completed") == 2
    assert await told(database, job, "work_order.completion_withdrawn") == 0
    assert await feed_differences(database, company.id) == []


async def test_answers_that_leave_something_unmet_withdraw_the_completion_once(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await completed_job(database, company, clock, phone)
    tablet = await new_phone(client, company, clock, "tablet")
    visit = str(job.visit_id)
    wrong = [
        tablet.intent("answer.set", visit_id=visit, item="reading", value=9_990 + number)
        for number in range(3)
    ]
    # What only adds is judged before whatever else may look at the job; and a refusal undoes none of it.
    poison = tablet.intent("answer.set", visit_id=visit)
    delay = tablet.intent("visit.delay", visit_id=visit, minutes=5)
    outcomes = await tablet.push(*wrong[:2], poison, delay, wrong[2])
    assert [one["status"] for one in outcomes] == [
        "applied",
        "applied",
        "quarantined",
        "applied",
        "applied",
    ]
    row = await job.row()
    assert (row.status, row.closure_id, row.completed_at) == ("work_done", None, None)
    assert await told(database, job, "work_order.completion_withdrawn") == 1
    right = tablet.intent("answer.set", visit_id=visit, item="reading", value=100)
    assert (await tablet.push(right))[0]["status"] == "applied"
    assert (await job.row()).status == "completed"
    assert isinstance((await job.row()).closure_id, UUID)


async def test_work_on_visits_that_a_restore_lost_costs_no_more_than_other_work(
    phone: Phone,
    database: Database,
    company: Company,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A phone that is asked for all it ever sent may bring hundreds of these in each batch."""
    begun = []
    begin = database.transaction

    def counted(tenant_id: UUID) -> AbstractAsyncContextManager[Session]:
        begun.append(tenant_id)
        return begin(tenant_id)

    job = await dispatched_job(database, company, clock)
    lost, sound = [str(uuid7()) for _ in range(2)], str(job.visit_id)
    sent = [
        phone.intent("note.add", visit_id=visit, text=f"{n}")
        for n in range(20)
        for visit in (*lost, sound)
    ]
    await phone.push(phone.intent("visit.start", visit_id=sound))
    monkeypatch.setattr(database, "transaction", counted)
    outcomes = await phone.push(*sent)
    assert [one["status"] for one in outcomes] == ["quarantined", "quarantined", "applied"] * 20
    assert len(begun) == 1
    async with begin(company.id) as session:
        shown = [row.data["visit_id"] for row in await session.exec(select(Review))]
        notes = [row.text for row in await session.exec(select(Note))]
    assert sorted(shown) == sorted(lost)
    assert sorted(notes, key=int) == [f"{n}" for n in range(20)]
