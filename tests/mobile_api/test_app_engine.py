"""The technician's app without its pages, against a real server: it ends up with what the server has."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlmodel import select

from fsm.database import Database
from fsm.evidence.blobs import blob_store
from fsm.evidence.receipts import ReceiptKey
from fsm.evidence.tables import Receipt
from fsm.settings import Settings
from fsm.work_orders import visits
from fsm.work_orders.lifecycle import Status, VisitStatus
from fsm.work_orders.records import Answer, Note, Photo, TimeEntry
from fsm.work_orders.tables import Review
from mobile_api import device_chains, feed, sequencer
from mobile_api.orphans import adopt_orphans
from mobile_api.tables import Intent
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.conformance_bench import judged
from tests.mobile_api.other_clients import Client, Field, cold, retitle, stored, until
from tests.mobile_api.phones import Phone
from tests.mobile_api.photos import snap
from tests.node import runtime
from tests.node.judge import PWA

PUSH, PULL = "POST /sync/v1/push", "GET /sync/v1/pull"
DRIVER = Path(__file__).parent / "pwa/phone.mjs"


@pytest.fixture
def clock() -> Clock:
    """The wall's time, which the app goes by."""
    return Clock(datetime.now(UTC))


@pytest.fixture
async def job(database: Database, company: Company, clock: Clock) -> Job:
    return await dispatched_job(database, company, clock)


@pytest.fixture
async def app(there: Field, job: Job) -> AsyncIterator[Client]:
    """The app, registered and not yet online."""
    node = await asyncio.to_thread(runtime.install, PWA)
    access = there.company.headers["technician"]["Authorization"].removeprefix("Bearer ")
    process = await asyncio.create_subprocess_exec(
        node.program,
        str(DRIVER),
        there.url,
        access,
        "app-1",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=16 * 1_048_576,
    )
    yield Client(process)
    process.kill()
    await process.wait()


async def twin(app: Client, there: Field) -> Phone:
    """Return the same device in another hand, to see what it should hold."""
    device = await app.ask("device")
    headers = {"Authorization": f"Bearer {device['token']}"}
    return Phone(there.http, headers, device["device_id"], there.clock)


async def settled(app: Client, there: Field) -> dict[tuple[str, str], Any]:
    """Wait until nothing is left to send and the app holds exactly what a cold pull brings."""
    phone = await twin(app, there)

    async def agrees() -> bool:
        if not await app.ask("isQuiet"):
            return False
        rows = {(row["c"], row["id"]): (row["rev"], row["d"]) for row in await app.ask("rows")}
        return bool(rows == await cold(phone))

    await until(agrees, "the app is quiet and holds what a cold pull brings")
    return await cold(phone)


async def report(app: Client, job: Job, kind: str, /, **data: Any) -> str:
    data = {"visit_id": str(job.visit_id), **data}
    return str(await app.ask("record", type=kind, data=data))


async def work_through(app: Client, job: Job) -> str:
    """Do the whole job on the phone and return the photo's id."""
    await report(app, job, "visit.travel")
    await report(app, job, "visit.start")
    await report(app, job, "answer.set", item="safe", value=True)
    await report(app, job, "answer.set", item="reading", value=142.5)
    content = b64encode(snap(7, (1_600, 1_200)).content).decode()
    photo_id = await app.ask("photo", visit_id=str(job.visit_id), item="after", content=content)
    for n in range(9):
        await report(app, job, "note.add", text=f"Ролик {n} «ok» \ud83d\udd27")
    started, ended = "2026-03-02T08:00:00Z", "2026-03-02T08:40:00Z"
    await report(app, job, "time.add", kind="work", **{"from": started, "to": ended})
    await report(app, job, "visit.finish")
    return str(photo_id)


async def test_a_day_without_a_line_arrives_once_and_whole_though_answers_are_lost(
    there: Field, app: Client, job: Job, database: Database, company: Company, clock: Clock
) -> None:
    async with judged(there, faults=True):
        there.line.lose(PULL, after=700)
        await app.ask("online")
        await settled(app, there)
        there.line.down()
        photo_id = await work_through(app, job)
        shown = await app.ask("shown", visit_id=str(job.visit_id))
        assert shown["status"] == "finished"
        assert shown["answers"] == {"safe": True, "reading": 142.5}
        assert len(shown["notes"]) == 9
        there.line.lose(PUSH)
        there.line.lose("PATCH /files")
        there.line.up()
        await app.ask("nudge")
        rows = await settled(app, there)
    assert sorted(there.line.lost) == sorted([PULL.encode(), PUSH.encode(), b"PATCH /files"])
    assert rows["visits", str(job.visit_id)][1]["status"] == VisitStatus.FINISHED
    assert (await job.row()).status == Status.COMPLETED
    sent = await app.ask("outbox")
    intents = await stored(database, company, Intent)
    assert sorted(str(one.id) for one in intents) == sorted(one["id"] for one in sent)
    assert sorted(one.device_seq for one in intents) == list(range(1, len(sent) + 1))
    assert len(await stored(database, company, Note)) == 9
    assert len(await stored(database, company, Answer)) == 2
    assert len(await stored(database, company, TimeEntry)) == 1
    (photo,) = await stored(database, company, Photo)
    assert str(photo.id) == photo_id
    (kept,) = await app.ask("photos")
    assert not kept["has_bytes"]
    async with database.transaction(company.id) as session:
        await device_chains.check_visit(session, company.id, job.visit_id, clock())
        assert list(await session.exec(select(Review))) == []


async def test_a_row_that_a_phone_lost_comes_back_and_the_office_sees_that_it_was_missing(
    there: Field, app: Client, job: Job, database: Database, company: Company, clock: Clock
) -> None:
    await app.ask("online")
    await settled(app, there)
    phone = await twin(app, there)
    await app.ask("forget", c="assets", id=str(company.asset.id))
    await retitle(database, company, clock, job, "Door of the second floor")
    await app.ask("nudge")
    await settled(app, there)
    listed = await there.http.get("/api/devices", headers=company.headers["administrator"])
    (device,) = [one for one in listed.json()["items"] if one["id"] == phone.device_id]
    assert device["differed_count"] == 1
    assert device["differed_at"]
    assert await app.ask("meta", name="must_reconcile") is False


async def test_what_is_undone_within_its_seconds_leaves_nothing_behind(
    there: Field, app: Client, job: Job, database: Database, company: Company
) -> None:
    visit = {"visit_id": str(job.visit_id)}
    undone = await app.ask("record", type="visit.travel", data=visit, isHeld=True)
    await app.ask("online")
    phone = await twin(app, there)
    await until(lambda: _has_rows(app), "the first pull is here")
    assert await app.ask("undo", id=undone)
    held = await app.ask("record", type="visit.travel", data=visit, isHeld=True)
    await report(app, job, "visit.arrive")  # what follows it releases it at once
    assert not await app.ask("undo", id=held)
    await app.ask("nudge")
    await settled(app, there)
    intents = await stored(database, company, Intent)
    assert sorted((one.device_seq, one.type) for one in intents) == [
        (1, "visit.travel"),
        (2, "visit.arrive"),
    ]
    assert (await phone.send()).json()["want"] == []


async def _has_rows(app: Client) -> bool:
    return bool(await app.ask("rows"))


async def test_a_visit_given_away_offline_leaves_in_two_steps_and_keeps_what_was_done(
    there: Field, app: Client, job: Job, database: Database, company: Company, clock: Clock
) -> None:
    await app.ask("online")
    await settled(app, there)
    there.line.down()
    await report(app, job, "note.add", text="Door adjusted")
    async with database.transaction(company.id) as session:
        await visits.withdraw(
            session, company.actors["dispatcher"], clock(), job.visit_id, reason="sick"
        )
    there.line.up()
    await app.ask("nudge")
    rows = await settled(app, there)
    assert ("visits", str(job.visit_id)) not in rows
    (note,) = await stored(database, company, Note)
    assert note.text == "Door adjusted"


async def test_after_a_restore_everything_above_the_last_backup_goes_again(
    there: Field, app: Client, job: Job, database: Database, company: Company, clock: Clock
) -> None:
    async with judged(there):
        await app.ask("online")
        await report(app, job, "note.add", text="before")
        before = await settled(app, there)
        async with database.transaction(company.id) as session:
            head = await sequencer.read_head(session, company.id)
            await sequencer.begin_epoch(session, company.id, instead_of=head.epoch)
        await retitle(database, company, clock, job, "Door sticks")
        await report(app, job, "note.add", text="after")
        await app.ask("nudge")
        rows = await settled(app, there)
    assert rows["work_orders", str(job.id)][1]["title"] == "Door sticks"
    assert await app.ask("meta", name="epoch") != str(head.epoch)
    assert len(await stored(database, company, Note)) == 2
    assert before.keys() <= rows.keys()


async def test_an_app_that_the_backup_has_never_heard_of_signs_in_again_and_loses_nothing(
    there: Field,
    app: Client,
    job: Job,
    database: Database,
    company: Company,
    settings: Settings,
    owner_url: str,
) -> None:
    content = b64encode(snap(4).content).decode()
    await app.ask("photo", visit_id=str(job.visit_id), item="after", content=content)
    await report(app, job, "note.add", text="Roller worn")
    await app.ask("online")
    await settled(app, there)
    device = await app.ask("device")
    there.line.down()
    await forget_the_phone(owner_url)
    async with database.transaction(company.id) as session:
        await feed.rebuild(session, company.id)
        await sequencer.begin_epoch(session, company.id)
    there.line.up()
    await app.ask("nudge")

    async def is_signed_out() -> bool:
        return bool((await app.ask("status"))["line"] == "signed-out")

    await until(is_signed_out, "the app is told that nobody knows it")
    await app.ask("signInAgain")

    async def is_registered() -> bool:
        return bool(await app.ask("isQuiet") and (await app.ask("device")) != device)

    await until(is_registered, "the app is a device again")
    await settled(app, there)
    (note,) = await stored(database, company, Note)
    assert note.text == "Roller worn"
    # The phone let go of the bytes when it was given its receipt: the store has the last of them.
    (photo,) = await stored(database, company, Photo)
    assert photo.state == "declared"
    key = ReceiptKey.from_seed(settings.receipt_key_seed)
    adopt = partial(adopt_orphans, database, blob_store(settings), key, company.id)
    assert await adopt(datetime.now(UTC)) == 1
    assert await adopt(datetime.now(UTC)) == 0
    (photo,) = await stored(database, company, Photo)
    assert photo.state == "verified"
    await app.ask("nudge")
    rows = await settled(app, there)
    assert rows["photos", str(photo.id)][1]["receipt"]["sha256"] == photo.sha256.hex()


async def forget_the_phone(owner_url: str) -> None:
    """Set the database back to before this phone: neither it nor what it sent has ever been there."""
    sql = await asyncpg.connect(owner_url)
    for table in ("note", "receipt", "photo", "blob", "upload", "intent"):
        await sql.execute(f"delete from {table}")
    await sql.execute("update device set token_hash = sha256('another'), install_id = 'another'")
    await sql.close()


async def test_bytes_that_changed_on_the_phone_are_never_passed_off_as_the_photo(
    there: Field, app: Client, job: Job, database: Database, company: Company
) -> None:
    content = b64encode(snap(3).content).decode()
    photo_id = await app.ask("photo", visit_id=str(job.visit_id), item="after", content=content)
    await app.ask("spoil", photo_id=photo_id)
    await app.ask("online")

    async def is_noticed() -> bool:
        (photo,) = await app.ask("photos")
        return bool(photo.get("is_damaged"))

    await until(is_noticed, "the app sees that its bytes are not those of the photo")
    (photo,) = await stored(database, company, Photo)
    assert photo.state == "declared"
    assert await stored(database, company, Receipt) == []
