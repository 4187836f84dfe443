"""What a phone reads: its own jobs with all they need, each change once, nothing of anybody else's."""

import asyncio
from datetime import datetime, timedelta

import asyncpg
import httpx
import pytest
from sqlalchemy import update
from sqlmodel import col

from fsm.database import Database
from fsm.work_orders import field_work, orders, visits
from mobile_api import feed, sequencer
from mobile_api.tables import SyncRow
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job, new_job, plan_and_dispatch
from tests.mobile_api.phones import Phone, new_phone


async def test_a_cold_pull_brings_the_dispatched_job_with_everything_it_needs(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    page = await phone.pull()
    assert page["scopes"] == ["cat:main", f"tech:{company.technician.id}"]
    assert list(phone.of("work_orders")) == [str(job.id)]
    order = phone.of("work_orders")[str(job.id)]
    assert (order["status"], order["title"]) == ("dispatched", "Door does not close")
    visit = phone.of("visits")[str(job.visit_id)]
    assert len(visit["nonce"]) == 43
    assert visit["technician_name"] == "Boris"
    assert list(phone.of("sites")) == [str(company.site.id)]
    assert list(phone.of("customers")) == [str(company.customer.id)]
    assert list(phone.of("contacts")) == [str(company.contact.id)]
    assert list(phone.of("models")) == [str(company.model.id)]
    asset = phone.of("assets")[str(company.asset.id)]
    assert asset["passports"] == [company.passport.code]
    assert [meter["code"] for meter in asset["meters"]] == ["hours"]
    checklist = phone.of("checklists")[order["checklist_id"]]
    assert checklist["rules_sha256"] == order["rules_sha256"]
    assert [item["id"] for item in checklist["body"]["items"]] == ["safe", "reading", "after"]
    assert list(phone.of("parts")) == [str(company.part.id)]
    assert {one["code"] for one in phone.of("reasons").values()} >= {"parts", "no_access"}
    assert [one["code"] for one in phone.of("templates").values()] == ["lift-repair"]


async def test_a_planned_visit_is_not_on_the_phone_before_its_dispatch(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await new_job(database, company, clock)
    await phone.pull()
    async with database.transaction(company.id) as session:
        (visit,) = await visits.plan_visits(
            session,
            company.actors["dispatcher"],
            clock(),
            [visits.NewVisit(job.id, company.technician.id, clock(), clock() + timedelta(hours=1))],
        )
    await phone.pull()
    assert phone.of("work_orders") == {}
    async with database.transaction(company.id) as session:
        await visits.dispatch(session, company.actors["dispatcher"], clock(), visit.id)
    await phone.pull()
    assert list(phone.of("work_orders")) == [str(job.id)]


async def test_a_delta_brings_what_changed_and_an_idle_pull_nothing(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    cold = await phone.pull()
    idle = await phone.pull()
    assert idle["changes"] == []
    assert idle["digest"] == cold["digest"]
    async with database.transaction(company.id) as session:
        row = await orders.find_work_order(session, company.system, job.id)
        await orders.edit_work_order(
            session, company.actors["dispatcher"], clock(), job.id, row.rev, {"title": "New"}
        )
    delta = await phone.pull()
    assert [(change["c"], change["id"]) for change in delta["changes"]] == [
        ("work_orders", str(job.id))
    ]
    assert phone.of("work_orders")[str(job.id)]["title"] == "New"


async def test_small_pages_bring_the_same_as_one_large_one(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    await dispatched_job(database, company, clock)
    await phone.pull(limit=3)
    assert len(phone.pages) > 3
    assert all(len(page["changes"]) <= 3 for page in phone.pages)
    other = Phone(client, phone.headers, phone.device_id, clock)
    await other.pull()
    assert other.rows == phone.rows


async def test_nobody_elses_job_is_on_the_phone(
    phone: Phone, database: Database, company: Company, stranger: Company, clock: Clock
) -> None:
    await dispatched_job(database, stranger, clock)
    await phone.pull()
    assert phone.of("work_orders") == {}
    assert {row_id for _, row_id in phone.rows}.isdisjoint({str(stranger.part.id)})


async def test_a_job_that_is_taken_away_is_first_locked_and_gone_once_the_outbox_is_empty(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await phone.pull()
    assert job.visit_id is not None
    async with database.transaction(company.id) as session:
        await visits.withdraw(
            session, company.actors["dispatcher"], clock(), job.visit_id, reason="customer asked"
        )
    page = await phone.pull()
    order = phone.of("work_orders")[str(job.id)]
    assert (order["access"], order["why"]) == ("revoked", "withdrawn")
    assert order["title"] == "Door does not close"  # still readable while something may be unsent
    fresh = Phone(client, phone.headers, phone.device_id, clock)
    await fresh.pull()
    assert fresh.of("work_orders") == {}
    last = await phone.pull(outbox_empty_at=page["head"])
    assert phone.of("work_orders") == {}
    gone = [one for one in last["changes"] if one["c"] == "work_orders"]
    assert [(one["op"], one["why"]) for one in gone] == [("gone", "withdrawn")]


async def test_a_job_comes_back_when_it_is_dispatched_again(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await phone.pull()
    assert job.visit_id is not None
    async with database.transaction(company.id) as session:
        await visits.withdraw(
            session, company.actors["dispatcher"], clock(), job.visit_id, reason="later"
        )
    await phone.pull(outbox_empty_at=(await phone.pull())["head"])
    await plan_and_dispatch(job)
    await phone.pull()
    assert "access" not in phone.of("work_orders")[str(job.id)]


async def test_a_cancelled_job_says_so(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await phone.pull()
    async with database.transaction(company.id) as session:
        await orders.cancel(
            session, company.actors["dispatcher"], clock(), job.id, reason="customer"
        )
    await phone.pull()
    assert phone.of("work_orders")[str(job.id)]["why"] == "cancelled"


async def test_the_window_slides_at_the_technicians_midnight(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    clock.now = clock.now.replace(hour=22, minute=30)  # 23:30 in Paris
    await phone.pull()
    job = await new_job(database, company, clock)
    starts_at = clock() + timedelta(days=14)  # 00:30 in Paris, after the window's last day
    async with database.transaction(company.id) as session:
        (visit,) = await visits.plan_visits(
            session,
            company.actors["dispatcher"],
            clock(),
            [
                visits.NewVisit(
                    job.id, company.technician.id, starts_at, starts_at + timedelta(hours=1)
                )
            ],
        )
        await visits.dispatch(session, company.actors["dispatcher"], clock(), visit.id)
    await phone.pull()
    assert phone.of("work_orders") == {}
    clock.forward(hours=1)
    await phone.pull()
    assert list(phone.of("work_orders")) == [str(job.id)]


async def test_finished_work_leaves_after_a_week_and_unfinished_work_stays(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    over = await dispatched_job(database, company, clock)
    await over.do(field_work.abort, "no_access")
    open_job = await dispatched_job(database, company, clock)
    await phone.pull()
    clock.forward(days=9)
    await phone.pull()
    assert phone.of("work_orders")[str(over.id)]["why"] == "window"
    assert "access" not in phone.of("work_orders")[str(open_job.id)]


async def test_history_shows_earlier_visits_of_the_machine(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    earlier = await dispatched_job(database, company, clock)
    await earlier.do(field_work.start)
    await earlier.answer_all()
    await earlier.declare()
    await earlier.do(field_work.add_note, "Roller is worn")
    await earlier.do(field_work.finish)
    clock.forward(days=20)
    await dispatched_job(database, company, clock)
    await phone.pull()
    (visit,) = phone.of("history").values()
    assert (visit["notes"], visit["technician_name"]) == (["Roller is worn"], "Boris")


async def test_a_token_is_worth_nothing_on_another_device_or_altered(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    await phone.pull()
    assert phone.since is not None
    for token in (phone.since[:-2], phone.since.replace("c1.", "c1.e"), "c1.e30.AAAA", "x"):
        refused = await client.get("/sync/v1/pull", params={"since": token}, headers=phone.headers)
        assert (refused.status_code, refused.json()["code"]) == (400, "bad-feed-token")


async def test_a_restored_server_makes_the_phone_reconcile(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await phone.pull()
    async with database.transaction(company.id) as session:
        from fsm.database import run

        await run(session, "update sync_head set head = 1")
        await run(session, "update sync_row set seq = 1")
    refused = await client.get(
        "/sync/v1/pull", params={"since": phone.since}, headers=phone.headers
    )
    assert (refused.status_code, refused.json()["code"]) == (410, "feed-epoch-changed")
    assert refused.json()["reason"] == "restored"
    have: dict[str, list[list[object]]] = {}
    for (coll, row_id), change in phone.rows.items():
        if (coll, row_id) != ("work_orders", str(job.id)):
            have.setdefault(coll, []).append([row_id, change["rev"]])
    extra = str(company.technician.id)
    have.setdefault("visits", []).append([extra, 3])
    answer = await client.post("/sync/v1/reconcile", json={"have": have}, headers=phone.headers)
    body = answer.json()
    # A revision may have been given out and lost: whatever the phone holds is sent again under a new one.
    assert {(one["c"], one["id"]) for one in body["put"]} == phone.rows.keys()
    assert all(one["rev"] > phone.rows[one["c"], one["id"]]["rev"] for one in body["put"])
    assert body["gone"] == {"visits": [extra]}
    assert body["complete"]
    phone.rows = {(one["c"], one["id"]): one for one in body["put"]}
    phone.since = body["since"]
    assert (await phone.pull())["changes"] == []


async def test_why_a_phone_compares_is_logged_and_a_sum_that_differed_is_counted(
    phone: Phone,
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await dispatched_job(database, company, clock)
    caplog.set_level("INFO", "mobile_api.repair")
    foreign = {"visits": [[str(company.technician.id), 3]]}
    for reason in ("digest", "expired", "a word of a newer app", "digest", None):
        clock.forward(minutes=1)
        answer = await client.post(
            "/sync/v1/reconcile", json={"have": foreign, "reason": reason}, headers=phone.headers
        )
        assert answer.status_code == 200
        put = len(answer.json()["put"])
    told = [vars(one) for one in caplog.records if one.name == "mobile_api.repair"]
    assert [(one["reason"], one["levelname"]) for one in told] == [
        ("digest", "WARNING"),
        ("expired", "INFO"),
        ("other", "INFO"),
        ("digest", "WARNING"),
    ]
    assert {(one["device"], one["differing"], one["foreign"]) for one in told} == {
        (phone.device_id, put, 1)
    }
    long = {"have": {}, "reason": "x" * 41}
    refused = await client.post("/sync/v1/reconcile", json=long, headers=phone.headers)
    assert refused.status_code == 422
    listed = await client.get("/api/devices", headers=company.headers["administrator"])
    (device,) = [one for one in listed.json()["items"] if one["id"] == phone.device_id]
    assert device["differed_count"] == 2
    assert datetime.fromisoformat(device["differed_at"]) == clock() - timedelta(minutes=1)


async def test_an_app_that_had_to_register_anew_hears_of_the_restore_that_lost_its_device(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    await phone.pull()
    anew = await new_phone(client, company, clock, "phone-2")
    strange = await client.get("/sync/v1/pull", params={"since": phone.since}, headers=anew.headers)
    assert (strange.status_code, strange.json()["code"]) == (400, "bad-feed-token")
    async with database.transaction(company.id) as session:
        await sequencer.begin_epoch(session, company.id)
    refused = await client.get("/sync/v1/pull", params={"since": phone.since}, headers=anew.headers)
    assert (refused.status_code, refused.json()["reason"]) == (410, "restored")


async def test_the_digest_can_be_asked_for_alone(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    await phone.pull()
    answer = await client.get("/sync/v1/digest", headers=phone.headers)
    assert answer.json()["digest"] == phone.digest()


async def test_a_large_answer_is_compressed_as_the_phone_likes_it(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    plain = await client.get(
        "/sync/v1/pull", headers={**phone.headers, "Accept-Encoding": "identity"}
    )
    assert "content-encoding" not in plain.headers
    for encoding in ("zstd", "gzip"):
        packed = await client.get(
            "/sync/v1/pull", headers={**phone.headers, "Accept-Encoding": encoding}
        )
        assert packed.headers["content-encoding"] == encoding
        assert packed.json()["changes"] == plain.json()["changes"]


async def test_only_devices_read_and_only_people_register_them(
    phone: Phone, client: httpx.AsyncClient, company: Company
) -> None:
    reading = await client.get("/sync/v1/pull", headers=company.headers["technician"])
    assert (reading.status_code, reading.json()["code"]) == (403, "device-only")
    for role in ("dispatcher", "customer"):
        refused = await client.get("/sync/v1/pull", headers=company.headers[role])
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    body = {"install_id": "x", "schema": 5}
    registering = await client.post("/sync/v1/devices", headers=phone.headers, json=body)
    assert (registering.status_code, registering.json()["code"]) == (403, "person-only")


async def test_registering_again_keeps_the_device_and_ends_the_old_token(
    phone: Phone, client: httpx.AsyncClient, company: Company
) -> None:
    again = await client.post(
        "/sync/v1/devices",
        headers=company.headers["technician"],
        json={"install_id": "phone-1", "schema": 6, "unknown": True},
    )
    assert again.json()["device_id"] == phone.device_id
    assert again.json()["limits"]["push_intents"] == 200
    assert again.json()["receipt_keys"][0]["key"].startswith("ed25519:")
    old = await client.get("/sync/v1/pull", headers=phone.headers)
    assert old.status_code == 401


async def test_a_registration_that_cannot_be_right_is_refused(
    client: httpx.AsyncClient, company: Company
) -> None:
    for body in (
        {"install_id": "", "schema": 5},
        {"install_id": "x", "schema": 0},
        {"install_id": "x", "schema": 5, "key": "ed25519:short"},
        {"install_id": "x"},
    ):
        refused = await client.post(
            "/sync/v1/devices", headers=company.headers["technician"], json=body
        )
        assert refused.status_code == 422, body


async def test_a_page_waits_for_rows_that_changed_and_are_being_changed_again(
    phone: Phone,
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    clock: Clock,
    owner_url: str,
) -> None:
    """Else it might say that a job is completed before it says what was answered."""
    job = await dispatched_job(database, company, clock)
    other = await new_phone(client, company, clock, "phone-2")
    await phone.pull()
    visit = str(job.visit_id)
    await other.push(
        other.intent("visit.start", visit_id=visit),
        other.intent("answer.set", visit_id=visit, item="reading", value=9),
    )
    watching = await asyncpg.connect(owner_url)
    async with database.transaction(company.id) as session:
        await feed.refresh_scopes(session, company.id, [f"tech:{company.technician.id}"])
        await session.exec(
            update(SyncRow)
            .where(col(SyncRow.coll) == "visits")
            .values(rev=SyncRow.rev + 1, seq=None)
        )
        reading = asyncio.create_task(phone.page())
        while not await watching.fetchval("select count(*) from pg_locks where not granted"):
            assert not reading.done(), "it did not wait"
            await asyncio.sleep(0.01)
    page = await reading
    await watching.close()
    assert page["complete"]
    assert phone.of("work_orders")[str(job.id)]["status"] == "in_progress"
    assert phone.of("visits")[visit]["answers"] == {"reading": 9}
    assert len(phone.pages) == 2
