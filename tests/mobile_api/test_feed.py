"""The feed holds what a rebuild would make of it, after every business write and whoever writes at once."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import httpx
import pytest

from fsm.database import Database, run
from fsm.work_orders import completion, field_work, orders, visits
from fsm.work_orders.records import TimeKind
from mobile_api import feed, sequencer
from mobile_api.affected import CATALOGUE
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job, new_job, plan_and_dispatch
from tests.mobile_api.phones import Phone, feed_differences
from tests.patience import PATIENCE_S


async def check(database: Database, company: Company, what: str) -> None:
    assert await feed_differences(database, company.id) == [], what


async def test_every_step_of_a_job_leaves_the_feed_as_a_rebuild_would(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    await phone.pull()
    job = await dispatched_job(database, company, clock)
    await check(database, company, "dispatch")
    part = company.part.id
    for step, args, options in (
        (field_work.travel, (), {}),
        (field_work.arrive, (), {}),
        (field_work.start, (), {}),
        (field_work.pause, ("parts",), {}),
        (field_work.resume, (), {}),
        (field_work.delay, (10,), {}),
        (field_work.answer, ("safe", True), {}),
        (field_work.answer, ("reading", 120), {}),
        (field_work.add_note, ("worn",), {}),
        (
            field_work.add_time,
            (),
            {
                "kind": TimeKind.WORK,
                "from_at": clock() - timedelta(hours=1),
                "to_at": clock(),
            },
        ),
        (field_work.use_part, (), {"part_id": part, "quantity": Decimal(1)}),
        (field_work.decline_signature, (), {"item": "after", "reason": "absent"}),
        (field_work.record_failure, (), {"asset_id": company.asset.id, "mode": "jam"}),
    ):
        await job.do(step, *args, **options)
        await check(database, company, step.__name__)
    photo_id = await job.declare()
    await check(database, company, "declare_photo")
    await job.do(field_work.retract_photo, photo_id, "blurred")
    await check(database, company, "retract_photo")
    await job.declare(slot=0)
    await job.do(field_work.finish)
    await check(database, company, "finish")
    await job.bytes_arrive()
    await check(database, company, "photo_bytes_arrived")
    await _office(job)
    await check(database, company, "reopened and cancelled")


async def _office(job: Job) -> None:
    """Close, reopen, plan again, take back: what the office does with a job that is over."""
    company, database = job.company, job.database
    user = company.users["dispatcher"].id
    async with database.transaction(company.id) as session:
        row = await orders.lock_work_order(session, company.system, job.id)
        await completion.close(session, company.system, row, job.clock(), by=user)
    await check(database, company, "close")
    async with database.transaction(company.id) as session:
        row = await orders.lock_work_order(session, company.system, job.id)
        await completion.reopen(session, company.system, row, job.clock(), reason="not_fixed")
    await check(database, company, "reopen")
    visit_id = await plan_and_dispatch(job)
    await check(database, company, "dispatch again")
    async with database.transaction(company.id) as session:
        await visits.withdraw(session, company.system, job.clock(), visit_id, reason="sick")
    await check(database, company, "withdraw")
    async with database.transaction(company.id) as session:
        await orders.cancel(session, company.system, job.clock(), job.id, reason="customer")


async def test_edits_of_what_a_job_refers_to_reach_the_phone(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    await phone.pull()
    office = company.headers["administrator"]
    for method, path, body in (
        ("PATCH", f"/api/sites/{company.site.id}", {"rev": 1, "access_notes": "Ring twice"}),
        ("PATCH", f"/api/assets/{company.asset.id}", {"rev": 1, "place": "Lobby"}),
        ("PATCH", f"/api/asset-models/{company.model.id}", {"rev": 1, "name": "LX 5b"}),
        ("PATCH", f"/api/customers/{company.customer.id}", {"rev": 1, "phone": "+33 1"}),
        ("PATCH", f"/api/technicians/{company.technician.id}", {"rev": 1, "name": "Boris K."}),
        ("PATCH", f"/api/parts/{company.part.id}", {"rev": 1, "name": "Roller"}),
    ):
        answer = await client.request(method, path, json=body, headers=office)
        assert answer.status_code == 200, (path, answer.text)
        await check(database, company, path)
    await phone.pull()
    assert phone.of("sites")[str(company.site.id)]["access_notes"] == "Ring twice"
    assert phone.of("assets")[str(company.asset.id)]["place"] == "Lobby"
    assert phone.of("models")[str(company.model.id)]["name"] == "LX 5b"
    assert phone.of("parts")[str(company.part.id)]["name"] == "Roller"
    assert {one["technician_name"] for one in phone.of("visits").values()} == {"Boris K."}


async def test_the_audit_sees_a_change_that_nobody_touched_and_a_rebuild_heals_it(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await phone.pull()
    async with database.transaction(company.id) as session:
        await run(session, "update work_order set title = 'by hand'")
        await run(session, "delete from sync_row where coll = 'visits'")
        await run(session, "update part set is_active = false")
    found = await feed_differences(database, company.id)
    assert [(one.coll, one.id, one.what) for one in found] == [
        ("parts", company.part.id, "extra"),
        ("visits", job.visit_id, "missing"),
        ("work_orders", job.id, "stale"),
        ("visits", None, "miscounted"),
    ]
    async with database.transaction(company.id) as session:
        assert await feed.rebuild(session, company.id) == 3
        assert await feed.rebuild(session, company.id) == 0


async def test_nothing_is_kept_for_a_technician_whom_no_phone_reads(
    database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    async with database.transaction(company.id) as session:
        rows = await run(session, "select count(*) from sync_row")
        scopes = await run(session, "select scope, window_on from sync_scope")
        assert rows.scalar_one() == 0
        assert [tuple(row) for row in scopes] == [(f"tech:{company.technician.id}", None)]


async def test_the_nightly_job_slides_windows_and_lets_go_of_what_a_lost_phone_held(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    old_since = (await phone.pull())["since"]
    async with database.transaction(company.id) as session:
        await orders.cancel(session, company.system, clock(), job.id, reason="customer")
    for days, op in ((29, "put"), (2, "gone")):
        clock.forward(days=days)
        async with database.transaction(company.id) as session:
            await feed.slide_windows(session, company.id, clock())
            row = await run(session, "select op, why from sync_row where coll = 'work_orders'")
            assert tuple(row.one()) == (op, "cancelled")
        async with database.transaction(company.id) as session:
            assert await feed.audit_scopes(session, company.id, clock()) == []
    await phone.pull()
    clock.forward(days=401)
    async with database.transaction(company.id) as session:
        await feed.slide_windows(session, company.id, clock())
        left = await run(session, "select count(*) from sync_row where op = 'gone'")
        assert left.scalar_one() == 0
    expired = await phone.client.get(
        "/sync/v1/pull", params={"since": old_since}, headers=phone.headers
    )
    assert (expired.status_code, expired.json()["reason"]) == (410, "expired")


async def test_readers_that_stamp_while_others_write_miss_nothing(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    jobs = [await dispatched_job(database, company, clock) for _ in range(4)]
    readers = [Phone(client, phone.headers, phone.device_id, clock) for _ in range(4)]
    for reader in readers:
        await reader.pull()
    writing = True

    async def write(job: Job) -> None:
        for number in range(12):
            async with database.transaction(company.id) as session:
                await orders.edit_work_order(
                    session,
                    company.actors["dispatcher"],
                    clock(),
                    job.id,
                    (await orders.lock_work_order(session, company.system, job.id)).rev,
                    {"title": f"Title {number}"},
                )

    async def read(reader: Phone) -> None:
        while writing:
            await reader.pull()

    reading = [asyncio.create_task(read(reader)) for reader in readers]
    await asyncio.gather(*(write(job) for job in jobs))
    writing = False
    await asyncio.gather(*reading)
    fresh = Phone(client, phone.headers, phone.device_id, clock)
    await fresh.pull()
    assert {one["title"] for one in fresh.of("work_orders").values()} == {"Title 11"}
    for reader in readers:
        await reader.pull()
        assert reader.rows == fresh.rows


async def test_a_reader_waits_for_no_writer_and_gets_the_row_after_its_commit(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    slow, quick = [await dispatched_job(database, company, clock) for _ in range(2)]
    await phone.pull()

    async def retitle(session: object, job: Job, title: str) -> None:
        row = await orders.lock_work_order(session, company.system, job.id)  # type: ignore[arg-type]
        await orders.edit_work_order(
            session,  # type: ignore[arg-type]
            company.system,
            clock(),
            job.id,
            row.rev,
            {"title": title},
        )

    # The feed's rows are written just before the commit; holding it there is the longest a writer lasts.
    async with database.transaction(company.id) as session:
        await retitle(session, slow, "slow")
        await session.flush()
        async with database.transaction(company.id) as other:
            await retitle(other, quick, "quick")
        await asyncio.wait_for(phone.pull(), PATIENCE_S)
        assert phone.of("work_orders")[str(quick.id)]["title"] == "quick"
        await feed.refresh(session)
        await asyncio.wait_for(phone.pull(), PATIENCE_S)
    await phone.pull()
    assert phone.of("work_orders")[str(slow.id)]["title"] == "slow"


async def test_a_scope_entered_while_a_change_is_under_way_holds_the_change(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    """The first reader fills the scope; a writer that found nobody reading must not slip past it."""
    job = await new_job(database, company, clock)
    async with database.transaction(company.id) as session:
        (visit,) = await visits.plan_visits(
            session,
            company.system,
            clock(),
            [visits.NewVisit(job.id, company.technician.id, clock(), clock() + timedelta(hours=1))],
        )
    async with database.transaction(company.id) as session:
        await visits.dispatch(session, company.system, clock(), visit.id)
        await session.flush()
        await feed.refresh(session)
        first = asyncio.create_task(phone.pull())
        await asyncio.sleep(0.3)
    await asyncio.wait_for(first, PATIENCE_S)
    assert list(phone.of("work_orders")) == [str(job.id)]


async def test_stamps_rise_by_one_and_never_change_what_was_read(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    await phone.pull()
    async with database.transaction(company.id) as session:
        head = await sequencer.read_head(session, company.id)
        seqs = await run(session, "select seq from sync_row order by seq")
        assert list(seqs.scalars()) == list(range(1, head.head + 1))
    async with database.transaction(company.id) as session:
        assert await sequencer.stamp(session, company.id, clock()) == head.head


@pytest.mark.parametrize("scope", [CATALOGUE, None])
async def test_another_tenants_scope_is_never_written(
    phone: Phone,
    database: Database,
    company: Company,
    stranger: Company,
    clock: Clock,
    scope: str | None,
) -> None:
    await phone.pull()
    names = [scope or feed.technician_scope(UUID(str(stranger.technician.id)))]
    async with database.transaction(company.id) as session:
        await feed.open_scopes(session, company.id, names, clock())
        rows = await run(session, "select count(*) from sync_row where coll = 'work_orders'")
        assert rows.scalar_one() == 0
    async with database.transaction(stranger.id) as session:
        rows = await run(session, "select count(*) from sync_row")
        assert rows.scalar_one() == 0
