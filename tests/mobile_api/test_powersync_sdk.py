"""The PowerSync SDK, unmodified, with the published connector: it holds what a phone of ours holds.

Every test ends with the SDK's tables equal to a cold pull by our own protocol, collection by collection.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.app import compose_database
from fsm.database import Database
from fsm.embedded import APPLICATION_ROLE, EmbeddedPostgres
from fsm.settings import Settings
from fsm.technicians.tables import Technician
from fsm.work_orders import field_work, visits
from fsm.work_orders.records import Note
from fsm.work_orders.tables import Review
from mobile_api import pull, sequencer
from mobile_api.compat import powersync
from mobile_api.tables import Intent
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import feed_differences, new_phone
from tests.mobile_api.powersync_devices import Device, cold_pull, device
from tests.mobile_api.serving import Line, line_to, serving
from tests.patience import PATIENCE_S

CRUD, STREAM = b"POST /compat/powersync/crud", b"POST /compat/powersync/sync/stream"


class World:
    """A running server behind a line that may break, a job on it, and devices."""

    def __init__(
        self, line: Line, url: str, client: httpx.AsyncClient, company: Company, clock: Clock
    ) -> None:
        self.line, self.url, self.client = line, url, client
        self.company, self.clock = company, clock

    def device(self, file: Path) -> Any:
        return device(self.client, self.company, self.clock, file)

    async def settles(self, *devices: Device) -> dict[tuple[str, str], Any]:
        """Wait until all has been sent and each device shows what it may; return that."""
        for one in devices:
            await one.has_sent_all()
        expected = await cold_pull(devices[0].phone)
        for one in devices:
            await one.is_as(expected)
        return expected


@pytest.fixture
async def world(
    settings: Settings,
    database: Database,
    client: httpx.AsyncClient,
    company: Company,
    clock: Clock,
) -> AsyncIterator[World]:
    async with serving(settings, database, clock) as port, line_to(port) as (line, url):
        yield World(line, url, client, company, clock)
    assert await feed_differences(database, company.id) == []


@pytest.fixture
async def job(database: Database, company: Company, clock: Clock) -> Job:
    return await dispatched_job(database, company, clock)


async def intents_of(database: Database, company: Company) -> dict[UUID, str]:
    async with database.transaction(company.id) as session:
        return dict(list(await session.exec(select(Intent.id, Intent.status))))


async def new_colleague(database: Database, company: Company) -> Technician:
    async with database.transaction(company.id) as session:
        colleague = Technician(
            tenant_id=company.id, number="T-2", name="Clara", zone="Europe/Paris"
        )
        session.add(colleague)
    return colleague


async def test_a_day_offline_arrives_once_through_lost_answers_and_broken_lines(
    world: World,
    job: Job,
    database: Database,
    company: Company,
    clock: Clock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    visit = str(job.visit_id)
    monkeypatch.setattr(pull, "PAGE_CHANGES", 4)
    world.line.cut_after[STREAM] = 1_500  # the cold sync breaks off among its first rows
    async with world.device(tmp_path / "phone.db") as phone:
        await phone.connect(world.url)
        cold = await world.settles(phone)
        assert ("visits", visit) in cold
        assert world.line.lost == [STREAM]

        await job.do(field_work.add_note, "From the office")  # a delta, while connected
        await world.settles(phone)

        await phone.disconnect()
        did = [
            await phone.intend("visit.travel", clock, visit_id=visit),
            await phone.intend("visit.start", clock, visit_id=visit),
            await phone.intend("answer.set", clock, visit_id=visit, item="reading", value=142.5),
            await phone.intend("note.add", clock, visit_id=visit, text="Roller worn"),
        ]
    async with world.device(tmp_path / "phone.db") as phone:  # the app was closed and opened again
        world.line.lose.add(CRUD)
        await phone.connect(world.url)
        held = await world.settles(phone)
        assert world.line.lost == [STREAM, CRUD]
        assert sum(CRUD in line for line in world.line.asked) >= 2
        assert await intents_of(database, company) == {UUID(one): "applied" for one in did}
        body = held["visits", visit]
        assert (body["status"], body["answers"]) == ("on_site", {"reading": 142.5})
        assert sorted(note["text"] for note in body["notes"]) == ["From the office", "Roller worn"]

        world.line.hang_up()  # in the middle of the stream
        await job.do(field_work.add_note, "While the line was cut")
        await phone.intend("note.add", clock, visit_id=visit, text="On the cut line")
        held = await world.settles(phone)
        assert len(held["visits", visit]["notes"]) == 4


async def test_a_job_reassigned_while_offline_keeps_its_facts_and_leaves_in_two_steps(
    world: World, job: Job, database: Database, company: Company, clock: Clock, tmp_path: Path
) -> None:
    colleague = await new_colleague(database, company)
    assert job.visit_id is not None
    async with world.device(tmp_path / "phone.db") as phone:
        await phone.connect(world.url)
        await world.settles(phone)
        await phone.disconnect()
        note = await phone.intend(
            "note.add", clock, visit_id=str(job.visit_id), text="I was there before"
        )
        async with database.transaction(company.id) as session:
            await visits.edit_plan(
                session,
                company.actors["dispatcher"],
                clock(),
                job.visit_id,
                None,
                {"technician_id": colleague.id},
            )
        tablet = await new_phone(world.client, company, clock, "tablet")  # it may hold unsent work
        await phone.connect(world.url)
        await phone.until(
            "SELECT 1 FROM work_orders WHERE id = ? AND access = 'revoked'", str(job.id)
        )
        await phone.has_sent_all()
        assert await intents_of(database, company) == {UUID(note): "applied"}
        async with database.transaction(company.id) as session:
            visit = await visits.find_visit(session, company.system, job.visit_id)
            notes = [one.text for one in await session.exec(select(Note))]
        assert (visit.status, notes) == ("withdrawn", ["I was there before"])

        page = await tablet.pull()
        await tablet.pull(outbox_empty_at=page["head"])
        held = await world.settles(phone)
        assert {coll for coll, _ in held}.isdisjoint({"work_orders", "visits", "assets"})


async def test_a_phone_says_again_that_its_outbox_is_empty_when_nobody_heard_it(
    world: World, job: Job, company: Company, tmp_path: Path
) -> None:
    async with world.device(tmp_path / "phone.db") as phone:
        await phone.connect(world.url)
        await world.settles(phone)
        world.line.stop.add(CRUD)
        cancelled = await world.client.post(
            f"/api/work-orders/{job.id}/cancellation",
            headers=company.headers["dispatcher"],
            json={"reason": "customer"},
        )
        assert cancelled.status_code == 200
        held = await world.settles(phone)
        assert world.line.lost == [CRUD]
        assert {coll for coll, _ in held}.isdisjoint({"work_orders", "visits", "assets"})


async def test_a_write_to_state_becomes_a_suggestion_and_the_servers_version_returns(
    world: World, job: Job, database: Database, company: Company, tmp_path: Path
) -> None:
    async with world.device(tmp_path / "phone.db") as phone:
        await phone.connect(world.url)
        before = await world.settles(phone)
        invented = str(uuid7())
        world.line.lose.add(CRUD)
        await phone.write(
            "UPDATE work_orders SET title = 'Done!', status = 'completed' WHERE id = ?", str(job.id)
        )
        await phone.write("INSERT INTO sites (id, title) VALUES (?, 'Nowhere')", invented)
        await phone.write("DELETE FROM parts")
        assert await phone.rows() != before
        assert await world.settles(phone) == before
        assert (await job.row()).status == "dispatched"
        async with database.transaction(company.id) as session:
            told = [
                review.data
                for review in await session.exec(select(Review).where(Review.kind == "suggestion"))
            ]
        assert {(one["collection"], one["row_id"], one["is_deleted"]) for one in told} == {
            ("work_orders", str(job.id), False),
            ("sites", invented, False),
            ("parts", str(company.part.id), True),
        }
        assert len(told) == 3, "the lost answer doubled nothing"


async def test_two_devices_of_one_technician_show_the_same_and_streams_change_over_without_a_gap(
    world: World,
    job: Job,
    clock: Clock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The SDK opens the next stream by itself when it is told that this one has half a minute left."""
    monkeypatch.setattr(powersync, "LIFETIME_S", 31)
    monkeypatch.setattr(powersync, "KEEP_ALIVE_S", 0.3)
    visit = str(job.visit_id)
    async with world.device(tmp_path / "1.db") as phone, world.device(tmp_path / "2.db") as tablet:
        for one in (phone, tablet):
            await one.connect(world.url, retry_ms=60_000)
        await world.settles(phone, tablet)
        await phone.intend("note.add", clock, visit_id=visit, text="From the phone")
        await tablet.intend("note.add", clock, visit_id=visit, text="From the tablet")
        await world.settles(phone, tablet)
        held = await world.settles(phone, tablet)
        assert len(held["visits", visit]["notes"]) == 2
        async with asyncio.timeout(PATIENCE_S):
            while sum(STREAM in line for line in world.line.asked) < 4:
                await asyncio.sleep(0.1)
        await job.do(field_work.add_note, "After the change")
        await world.settles(phone, tablet)


async def test_a_login_linked_to_another_technician_changes_buckets(
    world: World, job: Job, database: Database, company: Company, clock: Clock, tmp_path: Path
) -> None:
    async with world.device(tmp_path / "phone.db") as phone:
        await phone.connect(world.url)
        await world.settles(phone)
        colleague = await new_colleague(database, company)
        async with database.transaction(company.id) as session:
            for technician_id, user_id in (
                (company.technician.id, None),
                (colleague.id, company.users["technician"].id),
            ):
                row = await session.get(Technician, (company.id, technician_id))
                assert row is not None
                row.user_id = user_id
                await session.flush()
        world.line.hang_up()
        held = await world.settles(phone)
        assert {coll for coll, _ in held}.isdisjoint({"work_orders", "visits", "assets"})
        (left,) = await phone.sql("SELECT name FROM ps_buckets")
        assert left["name"].startswith("cat:main@"), "and the SDK keeps no empty bucket"
        moved = await dispatched_job(database, replace(company, technician=colleague), clock)
        held = await world.settles(phone)
        assert ("visits", str(moved.visit_id)) in held


async def test_a_server_restored_from_a_backup_gets_again_what_it_lost(
    settings: Settings,
    postgres: EmbeddedPostgres,
    database: Database,
    database_name: str,
    client: httpx.AsyncClient,
    company: Company,
    clock: Clock,
    job: Job,
    tmp_path: Path,
) -> None:
    """The backup is a copy of the database, taken between two uploads that were both acknowledged."""
    backup = f"{database_name}_backup"
    restored = replace(settings, database_url=postgres.url(backup, APPLICATION_ROLE))
    visit = str(job.visit_id)
    async with (
        line_to(0) as (line, url),
        device(client, company, clock, tmp_path / "phone.db") as phone,
    ):

        async def works(during: Settings, through: Database, text: str) -> str:
            async with serving(during, through, clock) as line.port:
                await phone.connect(url)
                note = await phone.intend("note.add", clock, visit_id=visit, text=text)
                await phone.has_sent_all()
                await phone.until(
                    "SELECT 1 FROM ps_kv WHERE key = 'last_applied_checkpoint_request_id'"
                )
                await phone.disconnect()
            return note

        first = await works(settings, database, "Before the backup")
        await database.close()
        await postgres.create_database(backup, template=database_name)
        again = compose_database(settings)
        second = await works(settings, again, "After the backup")
        await again.close()
        copy = compose_database(restored)
        async with copy.transaction(company.id) as session:
            await sequencer.begin_epoch(session, company.id)
        third = await works(restored, copy, "After the restore")
        assert await intents_of(copy, company) == {
            UUID(one): "applied" for one in (first, second, third)
        }
        async with serving(restored, copy, clock) as line.port:
            await phone.connect(url)
            async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as direct:
                held = await cold_pull(replace(phone.phone, client=direct))
            await phone.is_as(held)
            texts = [json.dumps(note) for note in held["visits", visit]["notes"]]
            assert len(texts) == len(set(texts)) == 3
        assert await feed_differences(copy, company.id) == []
        await copy.close()
    await postgres.drop_database(backup)
