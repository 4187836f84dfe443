"""RxDB, unmodified, with the published connector: what it ends up with is what a cold native pull brings."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from uuid_utils.compat import uuid7

from fsm.database import Database
from fsm.technicians.tables import Technician
from fsm.work_orders import visits
from fsm.work_orders.records import Note
from fsm.work_orders.tables import Review
from mobile_api import feed, sequencer
from mobile_api.tables import Intent
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job
from tests.mobile_api.conformance_bench import judged
from tests.mobile_api.other_clients import (
    Client,
    Field,
    Rows,
    cold,
    retitle,
    stored,
    until,
)
from tests.mobile_api.phones import Phone, new_phone

PULL = "GET /compat/rxdb/state/pull"
PUSH = "POST /compat/rxdb/intents/push"


@pytest.fixture
def clock() -> Clock:
    """The wall's time, which the clients go by."""
    return Clock(datetime.now(UTC))


async def started(there: Field, name: str = "rx-1", *collections: str) -> tuple[Phone, Client]:
    """Return a device and RxDB on it, connected; the device serves for looking at what it should hold."""
    phone = await there.device(name)
    client = await there.client("rxdb_client.mjs", phone, *(collections or ("state",)))
    await client.ask("online")
    return phone, client


async def held(client: Client, *collections: str) -> Rows:
    rows: Rows = {}
    for collection in collections or ("state",):
        for row in await client.ask("rows", collection=collection):
            rows[row["coll"], row["id"].rpartition("/")[2]] = (row["rev"], row["d"])
    return rows


async def up_to_date(client: Client, phone: Phone) -> Rows:
    """Wait until the client holds exactly what a cold pull brings, and return it."""
    differs: list[Any] = []

    async def is_there() -> bool:
        await client.ask("settled")
        here, there = await held(client), await cold(phone)
        keys = sorted(key for key in here | there if here.get(key) != there.get(key))
        differs[:] = [(key, here.get(key), there.get(key)) for key in keys]
        return not keys

    try:
        await until(is_there, "the client holds what a cold pull brings")
    except AssertionError:
        raise AssertionError(
            f"{len(differs)} rows differ, such as {differs[:2]}; errors {await client.ask('errors')}"
        ) from None
    return await held(client)


# --- the client -------------------------------------------------------------------------------------------


async def test_a_cold_sync_in_pages_survives_a_cut_and_goes_on_by_the_stream(
    there: Field, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await dispatched_job(database, company, clock)
    there.line.lose(PULL, after=900)
    phone = await there.device("rx-1")
    client = await there.client("rxdb_client.mjs", phone, "state")
    await client.ask("online", silence=120_000)  # so that the stream stays open between two pokes
    rows = await up_to_date(client, phone)
    assert len(rows) > 20  # pages hold ten
    assert there.line.lost == [PULL.encode()]
    await client.ask("errors")
    await retitle(database, company, clock, job, "Door sticks")

    async def has_come() -> bool:
        work_orders = await held(client)
        return bool(work_orders["work_orders", str(job.id)][1]["title"] == "Door sticks")

    await until(has_come, "the stream makes the client pull")
    await up_to_date(client, phone)
    assert await client.ask("errors") == []


async def test_work_done_offline_arrives_once_and_in_order_though_answers_are_lost(
    there: Field, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    phone = await there.device("rx-1")
    client = await there.client("rxdb_client.mjs", phone, "state")
    async with judged(there, "app.photo"):  # nobody uploads the photo here
        await client.ask("online", retryTime=2_000)
        await client.ask("settled")
        there.line.down()
        visit = {"visit_id": str(job.visit_id)}
        await client.ask("report", type="visit.start", data=visit)
        await client.ask("report", type="answer.set", data={**visit, "item": "safe", "value": True})
        await client.ask(
            "report", type="answer.set", data={**visit, "item": "reading", "value": 12}
        )
        digest = {
            "sha256": "0" * 64,
            "size": 9,
            "mime": "image/jpeg",
            "captured_at": clock().isoformat(),
        }
        photo = {**visit, **digest, "photo_id": str(uuid7()), "item": "after", "slot": 0}
        await client.ask("report", type="photo.add", data=photo)
        texts = [f"Roller {n}" for n in range(21)]
        for text in texts:
            await client.ask("report", type="note.add", data={**visit, "text": text})
        await client.ask("report", type="visit.finish", data=visit)
        # RxDB sends what came first, and again since the answer is lost; then the rest in three batches at
        # once. The first of those is lost, and the finish in the last must not overtake the answers in it.
        there.line.lose(PUSH)
        there.line.drop(PUSH, 3)
        there.line.up()
        rows = await up_to_date(client, phone)
    assert there.line.lost == [PUSH.encode()] * 2
    record = rows["visits", str(job.visit_id)][1]
    assert record["status"] == "finished"  # had the finish come before the answers, it were refused
    assert sorted(note["text"] for note in record["notes"]) == sorted(texts)
    assert record["answers"] == {"safe": True, "reading": 12}
    assert len(await stored(database, company, Intent)) == len(await client.ask("intents")) == 26
    assert len(await stored(database, company, Note)) == len(texts)


async def test_a_job_given_away_while_offline_leaves_in_two_steps_and_keeps_the_facts(
    there: Field, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    phone, client = await started(there)
    await client.ask("settled")
    there.line.down()
    await client.ask(
        "report", type="note.add", data={"visit_id": str(job.visit_id), "text": "Seen"}
    )
    async with database.transaction(company.id) as session:
        colleague = Technician(tenant_id=company.id, number="T-2", name="Anna", zone="Europe/Paris")
        session.add(colleague)
        await session.flush()
        assert job.visit_id is not None
        await visits.edit_plan(
            session,
            company.actors["dispatcher"],
            clock(),
            job.visit_id,
            None,
            {"technician_id": colleague.id},
        )
    there.line.up()

    async def is_gone() -> bool:
        await client.ask("settled")
        await client.ask("resync")
        return ("work_orders", str(job.id)) not in await held(client)

    await until(is_gone, "the row leaves once the outbox is known to be empty")
    assert f"work_orders/{job.id}" in await client.ask("locked")
    (note,) = await stored(database, company, Note)
    assert (note.visit_id, note.text) == (job.visit_id, "Seen")
    await up_to_date(client, phone)


async def test_what_is_written_over_state_becomes_a_suggestion_and_the_servers_version_returns(
    there: Field, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    phone, client = await started(there)
    await client.ask("settled")
    there.line.down()
    order, asset = f"work_orders/{job.id}", f"assets/{company.asset.id}"
    made_up = {"id": f"sites/{uuid7()}", "coll": "sites", "d": {"name": "Nowhere"}}
    await client.ask("write", collection="state", id=order, d={"status": "completed"})
    await client.ask("remove", collection="state", id=asset)
    await client.ask("insert", collection="state", row=made_up)
    there.line.lose("POST /compat/rxdb/state/push")
    there.line.up()
    rows = await up_to_date(client, phone)
    assert there.line.lost
    assert rows["work_orders", str(job.id)][1]["status"] == "dispatched"
    assert ("assets", str(company.asset.id)) in rows
    wishes = {one.data["collection"]: one for one in await stored(database, company, Review)}
    assert {name: (one.data["fields"], one.data["is_deleted"]) for name, one in wishes.items()} == {
        "work_orders": ({"status": "completed"}, False),
        "assets": ({}, True),
        "sites": ({"name": "Nowhere"}, False),
    }
    assert wishes["work_orders"].work_order_id == job.id
    assert len(await stored(database, company, Review)) == 3


async def test_what_was_not_accepted_comes_back_as_outcomes_on_both_devices(
    there: Field, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    phone, client = await started(there)
    tablet, other = await started(there, "rx-2")
    visit = {"visit_id": str(job.visit_id)}
    begun = await client.ask("report", type="visit.start", data=visit)
    early = await client.ask("report", type="visit.finish", data=visit, after=[begun["id"]])
    odd = await other.ask("report", type="visit.dance", data=visit)
    await client.ask("settled")
    await other.ask("settled")

    async def has_both() -> bool:
        rows = await held(other)
        return all(("outcomes", one["id"]) in rows for one in (early, odd))

    await until(has_both, "the outcomes come down")
    rows = await up_to_date(other, tablet)
    assert rows["outcomes", early["id"]][1]["status"] == "rejected"
    unmet = rows["outcomes", early["id"]][1]["problem"]["unmet"]
    assert {one["at"] for one in unmet} >= {"/items/safe", "/items/reading"}
    assert rows["outcomes", odd["id"]][1]["status"] == "quarantined"
    assert rows["visits", str(job.visit_id)][1]["status"] == "on_site"
    assert await up_to_date(client, phone) == rows


async def test_after_a_restore_the_client_begins_anew_and_sends_again_what_was_forgotten(
    there: Field, database: Database, company: Company, clock: Clock, owner_url: str
) -> None:
    job = await dispatched_job(database, company, clock)
    phone, client = await started(there)
    await client.ask(
        "report", type="note.add", data={"visit_id": str(job.visit_id), "text": "Worn"}
    )
    await up_to_date(client, phone)
    there.line.down()
    sql = await asyncpg.connect(owner_url)
    await sql.execute("delete from note")
    await sql.execute("delete from intent")
    await sql.execute("delete from sync_row where coll = 'documents' or coll = 'parts'")
    await sql.execute("delete from part_price")
    await sql.execute("delete from part")
    await sql.close()
    async with database.transaction(company.id) as session:
        await feed.rebuild(session, company.id)
        await sequencer.begin_epoch(session, company.id)
    there.line.up()
    rows = await up_to_date(client, phone)
    assert not any(coll == "parts" for coll, _ in rows)
    (note,) = rows["visits", str(job.visit_id)][1]["notes"]
    assert note["text"] == "Worn"
    assert len(await stored(database, company, Intent)) == 1
    assert await stored(database, company, Review) == []  # showing what it holds is no wish
    await retitle(database, company, clock, job, "After the restore")
    rows = await up_to_date(client, phone)
    assert rows["work_orders", str(job.id)][1]["title"] == "After the restore"


@pytest.mark.parametrize("is_restored", [True, False])
async def test_a_phone_that_had_to_register_anew_sends_again_what_a_restore_lost(
    is_restored: bool,
    there: Field,
    database: Database,
    company: Company,
    clock: Clock,
    owner_url: str,
) -> None:
    job = await dispatched_job(database, company, clock)
    phone, client = await started(there)
    await client.ask(
        "report", type="note.add", data={"visit_id": str(job.visit_id), "text": "Worn"}
    )
    await up_to_date(client, phone)
    await client.ask("stop")
    sql = await asyncpg.connect(owner_url)
    await sql.execute("update device set token_hash = sha256('another'), install_id = 'another'")
    if is_restored:
        await sql.execute("delete from note")
        await sql.execute("delete from intent")
        async with database.transaction(company.id) as session:
            await feed.rebuild(session, company.id)
            await sequencer.begin_epoch(session, company.id)
    await sql.close()
    phone = await there.device("rx-1")
    token = phone.headers["Authorization"].removeprefix("Bearer ")
    await client.ask("online", token=token)
    rows = await up_to_date(client, phone)
    (note,) = rows["visits", str(job.visit_id)][1]["notes"]
    assert note["text"] == "Worn"
    assert len(await stored(database, company, Intent)) == 1


async def test_more_than_one_request_may_hold_is_sent_in_parts(
    there: Field, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    phone = await there.device("rx-1")
    client = await there.client("rxdb_client.mjs", phone, "state")
    there.line.down()
    await client.ask("online", batchSize=200)
    for n in range(120):
        data = {"visit_id": str(job.visit_id), "text": f"{n} " + "long " * 1_900}
        await client.ask("report", type="note.add", data=data)
    there.line.up()
    rows = await up_to_date(client, phone)
    assert len(rows["visits", str(job.visit_id)][1]["notes"]) == 120


async def test_single_collections_hold_the_same(
    there: Field, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    names = ("work_orders", "visits", "assets", "checklists", "parts", "outcomes", "templates")
    phone, client = await started(there, "rx-1", *names)
    await client.ask("settled")
    expected = {key: row for key, row in (await cold(phone)).items() if key[0] in names}
    assert len({coll for coll, _ in expected}) == 6  # nothing was refused
    assert await held(client, *names) == expected


# --- the address ------------------------------------------------------------------------------------------


@pytest.fixture
async def phone(client: httpx.AsyncClient, company: Company, clock: Clock) -> Phone:
    return await new_phone(client, company, clock)


async def test_a_page_holds_exactly_the_limit_while_more_exist(
    client: httpx.AsyncClient, phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    expected = await cold(phone)
    rows: Rows = {}
    params: dict[str, Any] = {"limit": 7}
    sizes = []
    while True:
        answer = await client.get("/compat/rxdb/state/pull", params=params, headers=phone.headers)
        page = answer.json()
        for one in page["documents"]:
            rows[one["coll"], one["id"].rpartition("/")[2]] = (one["rev"], one["d"])
        sizes.append(len(page["documents"]))
        if sizes[-1] < 7:
            break
        params["cp"] = page["checkpoint"]["t"]
    assert rows == expected
    assert sizes[:-1] == [7] * (len(expected) // 7)
    assert page["head"] is not None
    params["cp"] = page["checkpoint"]["t"] if page["checkpoint"] else params["cp"]
    idle = await client.get("/compat/rxdb/state/pull", params=params, headers=phone.headers)
    assert idle.json()["documents"] == []
    assert idle.json()["checkpoint"] == {"t": params["cp"]}


async def test_a_checkpoint_is_of_one_collection_and_one_device(
    client: httpx.AsyncClient, phone: Phone, company: Company
) -> None:
    page = await client.get("/compat/rxdb/parts/pull", headers=phone.headers)
    params = {"cp": page.json()["checkpoint"]["t"]}
    for path in ("/compat/rxdb/reasons/pull", "/compat/rxdb/state/pull"):
        refused = await client.get(path, params=params, headers=phone.headers)
        assert (refused.status_code, refused.json()["code"]) == (400, "bad-feed-token")
    people = await client.get("/compat/rxdb/parts/pull", headers=company.headers["technician"])
    assert (people.status_code, people.json()["code"]) == (403, "device-only")
    for name in ("intents", "invoices"):
        missing = await client.get(f"/compat/rxdb/{name}/pull", headers=phone.headers)
        assert missing.status_code == 404


async def test_another_technicians_login_begins_anew(
    client: httpx.AsyncClient, phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    page = await client.get("/compat/rxdb/state/pull", headers=phone.headers)
    async with database.transaction(company.id) as session:
        before = await session.get_one(Technician, (company.id, company.technician.id))
        before.user_id = None
        await session.flush()
        user_id = company.users["technician"].id
        session.add(
            Technician(tenant_id=company.id, user_id=user_id, number="T-2", name="Anna", zone="UTC")
        )
    params = {"cp": page.json()["checkpoint"]["t"]}
    refused = await client.get("/compat/rxdb/state/pull", params=params, headers=phone.headers)
    assert (refused.status_code, refused.json()["reason"]) == (410, "rights")
    whole = await client.get("/compat/rxdb/state/pull", headers=phone.headers)
    assert not any(one["coll"] == "work_orders" for one in whole.json()["documents"])
    shown = [
        {"newDocumentState": one} for one in page.json()["documents"] if one["coll"] == "visits"
    ]
    answer = await client.post("/compat/rxdb/state/push", json=shown, headers=phone.headers)
    assert [one["_deleted"] for one in answer.json()] == [True]  # it is to forget what it shows
    assert await stored(database, company, Review) == []


async def test_a_row_older_than_its_master_is_no_wish(
    client: httpx.AsyncClient, phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    """RxDB may read what it is to push before a pull writes over it, and the master that it assumes after."""
    job = await dispatched_job(database, company, clock)
    rows = {}
    for title in ("Door sticks", "Door fell off"):
        await retitle(database, company, clock, job, title)
        page = await client.get("/compat/rxdb/work_orders/pull", headers=phone.headers)
        rows[title] = next(one for one in page.json()["documents"] if one["id"] == str(job.id))
    older, newer = rows.values()
    assert older["d"]["title"] != newer["d"]["title"]
    pushed = [{"newDocumentState": older, "assumedMasterState": newer}]
    answer = await client.post("/compat/rxdb/work_orders/push", json=pushed, headers=phone.headers)
    assert answer.json() == [newer]
    assert await stored(database, company, Review) == []
    wish = {**newer, "d": {**newer["d"], "title": older["d"]["title"]}}
    pushed = [{"newDocumentState": wish, "assumedMasterState": newer}]
    await client.post("/compat/rxdb/work_orders/push", json=pushed, headers=phone.headers)
    assert len(await stored(database, company, Review)) == 1


async def test_a_revoked_devices_work_is_kept_for_the_office_and_it_learns_nothing(
    client: httpx.AsyncClient, phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await phone.pull()
    revoked = await client.post(
        f"/api/devices/{phone.device_id}/revocation",
        headers=company.headers["administrator"],
        json={"reason": "lost"},
    )
    assert revoked.is_success, revoked.text
    intent = phone.intent("note.add", visit_id=str(job.visit_id), text="Done before it was lost")
    rows = [{"newDocumentState": {**intent, "_deleted": False}}]
    answer = await client.post("/compat/rxdb/intents/push", json=rows, headers=phone.headers)
    assert (answer.status_code, answer.json()) == (200, [])
    (kept,) = await stored(database, company, Intent)
    assert (str(kept.id), kept.status) == (intent["id"], "quarantined")
    wish = [{"newDocumentState": {"id": f"work_orders/{job.id}", "coll": "work_orders", "d": {}}}]
    answer = await client.post("/compat/rxdb/state/push", json=wish, headers=phone.headers)
    assert (answer.status_code, answer.json()) == (200, [])


async def test_a_poisonous_row_is_kept_and_holds_up_nothing(
    client: httpx.AsyncClient, phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    good = phone.intent("note.add", visit_id=str(job.visit_id), text="Fine")
    bad = phone.intent("note.add", visit_id=str(job.visit_id), text="\x00")
    deleted = {"newDocumentState": {"id": str(uuid4()), "_deleted": True}}
    rows = [{"newDocumentState": bad}, {"newDocumentState": good}, deleted]
    content = (
        b'[{"newDocumentState":{"id":"%s","seq":9,"type":"note.add","data":{"text":"\\ud800"}}}]'
    )
    for body in (rows, content % str(uuid7()).encode()):
        sent = {"json": body} if isinstance(body, list) else {"content": body}
        answer = await client.post("/compat/rxdb/intents/push", **sent, headers=phone.headers)
        assert (answer.status_code, answer.json()) == (200, [])
    statuses = sorted(one.status for one in await stored(database, company, Intent))
    assert statuses == ["applied", "quarantined", "quarantined"]
    unreadable = await client.post(
        "/compat/rxdb/intents/push", content=b"{}", headers=phone.headers
    )
    assert (unreadable.status_code, unreadable.json()["code"]) == (400, "malformed-batch")
