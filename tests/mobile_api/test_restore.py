"""After a restore phones send again what the backup lacks: nothing is missing, nothing is doubled."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from fsm.app import compose_database
from fsm.database import Database, run
from fsm.embedded import APPLICATION_ROLE, OWNER_ROLE, EmbeddedPostgres
from fsm.settings import Settings
from mobile_api import backups, feed, sequencer
from tests.applications import application
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job, new_job, plan_and_dispatch
from tests.mobile_api.phones import Phone

STATE = {
    "visits": "select id, status, arrived_at, work_started_at, finished_at from visit order by 1",
    "jobs": "select id, status, facts_rev, work_started_at, work_done_at from work_order order by 1",
    "answers": "select visit_id, item, value, answered_at, device_seq, by from answer order by device_seq",
    "notes": "select visit_id, text, written_at, by from note order by text",
    "times": "select id, visit_id, kind, during, corrects_id from time_entry order by id",
    "parts": "select id, visit_id, part_id, quantity, used_at from part_used order by id",
    "stock": "select part_id, from_place_id, to_place_id, sum(quantity) from movement"
    " group by 1, 2, 3 order by 1, 2, 3",
    "costs": "select kind, sum(quantity), sum(amount) from cost_line group by 1 order by 1",
    "clocks": "select work_order_id, kind, state, stops from clock order by 1, 2",
    "intents": "select id, device_id, device_seq, body_sha256, status from intent order by id",
    "told": "select kind, count(*) from event where entity = 'visit' group by 1 order by 1",
}
"""What a technician did, as the tables have it; when the server heard of it is left out."""


async def state_of(database: Database, company: Company) -> dict[str, list[Any]]:
    async with database.transaction(company.id) as session:
        return {
            name: [tuple(row) for row in await run(session, statement)]
            for name, statement in STATE.items()
        }


@pytest.fixture
async def snapshot(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The name of a database that a backup can be restored to."""
    name = f"snapshot_{uuid4().hex[:12]}"
    yield name
    await postgres.drop_database(name)


async def copied(
    postgres: EmbeddedPostgres, settings: Settings, template: str, name: str
) -> Settings:
    """Copy the database `template`, to which nobody is connected, and return the settings of the copy."""
    await postgres.create_database(name, template=template)
    return replace(
        settings,
        database_url=postgres.url(name, APPLICATION_ROLE),
        owner_database_url=postgres.url(name, OWNER_ROLE),
    )


def day(phone: Phone, job: Job, company: Company) -> list[dict[str, Any]]:
    """Return what a technician does in a visit, five minutes apart."""
    visit, head = str(job.visit_id), phone.pages[-1]["head"]
    intents = []
    for kind, data in (
        ("visit.travel", {}),
        ("visit.arrive", {}),
        ("visit.start", {}),
        ("answer.set", {"item": "safe", "value": True}),
        ("note.add", {"text": "roller worn"}),
        ("part.use", {"part_id": str(company.part.id), "qty": 2}),
        ("answer.set", {"item": "reading", "value": 100}),
        ("answer.set", {"item": "reading", "value": 120}),
        ("note.add", {"text": "roller changed"}),
    ):
        phone.clock.forward(minutes=5)
        intents.append({**phone.intent(kind, visit_id=visit, **data), "base_seq": head})
    now = phone.clock()
    span = {"from": (now - timedelta(minutes=30)).isoformat(), "to": now.isoformat()}
    intents.append(phone.intent("time.add", visit_id=visit, kind="work", **span))
    return intents


async def reconcile(phone: Phone) -> None:
    have: dict[str, list[list[Any]]] = {}
    for (coll, row_id), change in phone.rows.items():
        have.setdefault(coll, []).append([row_id, change["rev"]])
    while True:
        answer = await phone.client.post(
            "/sync/v1/reconcile", json={"have": have}, headers=phone.headers
        )
        page = answer.json()
        for change in page["put"]:
            known = phone.rows.get((change["c"], change["id"]))
            assert known is None or change["rev"] > known["rev"], "a rev went back"
            phone.rows[change["c"], change["id"]] = change
            have.setdefault(change["c"], []).append([change["id"], change["rev"]])
        for coll, ids in page["gone"].items():
            for row_id in ids:
                phone.rows.pop((coll, row_id))
        if page["complete"]:
            phone.since = page["since"]
            return


@pytest.mark.parametrize("epoch", ["changed by the restore", "found out by a token"])
async def test_phones_send_again_what_a_restored_backup_lacks(
    epoch: str,
    phone: Phone,
    postgres: EmbeddedPostgres,
    database_name: str,
    snapshot: str,
    settings: Settings,
    database: Database,
    company: Company,
    clock: Clock,
) -> None:
    job = await dispatched_job(database, company, clock)
    await phone.pull()
    journal = day(phone, job, company)
    sent_first, sent_later, unsent = journal[:4], journal[4:8], journal[8:]
    clock.forward(minutes=5)
    await phone.push(*sent_first)
    await database.close()  # nobody may be connected to what is copied
    restored_settings = await copied(postgres, settings, database_name, snapshot)
    restored = compose_database(restored_settings)
    async with restored.transaction(company.id) as session:
        held = await backups.read_held(session, company.id)
    async with database.transaction(company.id) as session:
        await backups.note_verified(session, company.id, held)

    # Life goes on; the backup does not know.
    heard_at = clock.forward(hours=1)
    outcomes = await phone.push(*sent_later)
    assert {one["status"] for one in outcomes} == {"applied"}
    page = await phone.pull()
    assert page["forget_upto"] == len(sent_first)
    clock.forward(minutes=1)
    await phone.push(*unsent)
    without_restore = await state_of(database, company)
    clock.now = heard_at + timedelta(days=1)

    # The server is lost and restored.
    if epoch == "changed by the restore":
        async with restored.transaction(company.id) as session:
            await sequencer.begin_epoch(session, company.id)
    app = application(restored_settings, database=restored, clock=clock)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://fsm.test") as client:
        phone.client = client
        refused = await client.get(
            "/sync/v1/pull", params={"since": phone.since}, headers=phone.headers
        )
        assert refused.status_code == 410, refused.text
        assert refused.json()["code"] == "feed-epoch-changed"
        assert refused.json()["reason"] == "restored"
        await reconcile(phone)
        assert phone.of("visits")[str(job.visit_id)]["status"] == "on_site"
        kept = [one for one in journal if one["seq"] > page["forget_upto"]]
        outcomes = await phone.push(*kept)
        assert {one["status"] for one in outcomes} == {"applied"}
        # Sent once more, and from the very beginning: it is all known.
        outcomes = await phone.push(*journal)
        assert {one["status"] for one in outcomes} == {"duplicate"}
        answer = await phone.send()
        assert answer.json()["want"] == []
        assert await state_of(restored, company) == without_restore
        await phone.pull()
        async with restored.transaction(company.id) as session:
            assert await feed.audit_scopes(session, company.id) == []
    await restored.close()


async def test_a_phone_of_a_life_that_a_second_restore_undid_is_put_right(
    phone: Phone,
    postgres: EmbeddedPostgres,
    database_name: str,
    settings: Settings,
    database: Database,
    company: Company,
    clock: Clock,
) -> None:
    """One backup is restored twice: what the phone has of the first time has other words by the second."""
    known = await dispatched_job(database, company, clock)
    later = await new_job(database, company, clock)
    await phone.pull()
    await database.close()
    lives = [f"life_{uuid4().hex[:12]}" for _ in range(2)]
    for life, words in zip(lives, ("of the first life", "of the second life"), strict=True):
        restored_settings = await copied(postgres, settings, database_name, life)
        restored = compose_database(restored_settings)
        async with restored.transaction(company.id) as session:
            await sequencer.begin_epoch(session, company.id)
        transport = httpx.ASGITransport(
            app=application(restored_settings, database=restored, clock=clock)
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://fsm.test") as client:
            for job in (known, later):
                path, headers = f"/api/work-orders/{job.id}", company.headers["dispatcher"]
                rev = (await client.get(path, headers=headers)).json()["rev"]
                body = {"rev": rev, "title": words}
                renamed = await client.patch(path, json=body, headers=headers)
                assert renamed.status_code == 200, renamed.text
            await plan_and_dispatch(Job(restored, company, clock, later.id))
            phone.client = client
            await reconcile(phone)
            await phone.pull()
            titles = {str(job.id): words for job in (known, later)}
            held = {row_id: d["title"] for row_id, d in phone.of("work_orders").items()}
            assert held == titles
        await restored.close()
    for life in lives:
        await postgres.drop_database(life)


async def test_an_epoch_begins_once_however_many_phones_find_out(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    await phone.pull()
    async with database.transaction(company.id) as session:
        before = await sequencer.read_head(session, company.id)
        first = await sequencer.begin_epoch(session, company.id, instead_of=before.epoch)
        second = await sequencer.begin_epoch(session, company.id, instead_of=before.epoch)
        after = await sequencer.read_head(session, company.id)
    assert first == after.epoch
    assert second is None
    assert after.head > before.head


async def test_a_token_of_before_the_tombstones_were_dropped_has_expired(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    page = await phone.pull()
    await dispatched_job(database, company, clock)
    async with database.transaction(company.id) as session:
        await run(session, "update sync_head set purged = :head", head=page["head"] + 1)
    refused = await client.get(
        "/sync/v1/pull", params={"since": phone.since}, headers=phone.headers
    )
    assert (refused.status_code, refused.json()["reason"]) == (410, "expired")
    await reconcile(phone)
    await phone.pull()


async def test_work_on_a_visit_that_a_restore_lost_waits_for_the_office(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    """The office dispatched it after the backup; the phone remembers, the server does not."""
    lost = str(uuid4())
    clock.forward(minutes=5)
    intents = [
        phone.intent("visit.start", visit_id=lost),
        phone.intent("note.add", visit_id=lost, text="done all the same"),
    ]
    outcomes = await phone.push(*intents)
    assert {one["problem"]["code"] for one in outcomes} == {"unknown-visit"}
    job = await dispatched_job(database, company, clock)
    body = {"intent_ids": [one["id"] for one in intents], "visit_id": str(job.visit_id)}
    released = await client.post(
        "/api/intents/releasing", json=body, headers=company.headers["dispatcher"]
    )
    assert {one["status"] for one in released.json()} == {"applied"}
    assert (await job.visit()).work_started_at == clock()
