"""WatermelonDB, unmodified, with the published connector: what it ends up with is a cold native pull."""

import json
from datetime import UTC, datetime
from typing import Any

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
from mobile_api.compat.tables import CompatPull
from mobile_api.feed_sql import COLLECTIONS
from mobile_api.tables import Intent
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job
from tests.mobile_api.other_clients import (
    Client,
    Field,
    cold,
    retitle,
    stored,
)
from tests.mobile_api.phones import Phone, new_phone

PULL = "GET /compat/watermelondb/sync"
PUSH = "POST /compat/watermelondb/sync"

Rows = dict[tuple[str, str], dict[str, Any]]

LATER: dict[str, dict[str, Any]] = {
    "outcomes": dict.fromkeys(
        ("status", "device_id", "type", "received_at", "settled_at", "notes", "problem"), ""
    )
    | {"seq": 1},
    "photos": dict.fromkeys(
        ("work_order_id", "visit_id", "item", "sha256", "mime", "state", "captured_at", "receipt"),
        "",
    )
    | {"slot": 1, "size": 1},
    "stock": {"place_id": "", "part_id": "", "qty": 1},
}
"""Columns of tables that have no rows yet when the app is made."""


@pytest.fixture
def clock() -> Clock:
    """The wall's time, which the clients go by."""
    return Clock(datetime.now(UTC))


def column(name: str, value: Any) -> dict[str, Any]:
    kind = {bool: "boolean", int: "number", float: "number"}.get(type(value), "string")
    return {"name": name, "type": kind, "isOptional": True}


def flat(rev: int, members: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a cold pull as the adapter says that a client holds it."""
    own = {"base_rev" if name == "rev" else name: value for name, value in members.items()}
    return {**own, "rev": rev}


async def app_schema(phone: Phone, *without: str) -> dict[str, list[dict[str, Any]]]:
    """Return tables with a column for every member that rows have, and those that they get on leaving."""
    tables: dict[str, dict[str, Any]] = {
        coll: {"rev": 1, "access": "", "why": "", **LATER.get(coll, {})} for coll in COLLECTIONS
    }
    for (coll, _), (rev, members) in (await cold(phone)).items():
        for name, value in flat(rev, members).items():
            if value is not None or name not in tables[coll]:
                tables[coll][name] = value
    return {
        coll: [
            column(name, value) for name, value in members.items() if name not in ("id", *without)
        ]
        for coll, members in tables.items()
    }


async def started(there: Field, name: str = "wm-1", *without: str) -> tuple[Phone, Client]:
    phone = await there.device(name)
    schema = json.dumps(await app_schema(phone, *without))
    return phone, await there.client("watermelondb_client.cjs", phone, schema)


async def held(client: Client) -> Rows:
    """Return what the client holds: what it has as JSON text read, empty columns left out."""
    rows: Rows = {}
    for table in COLLECTIONS:
        for raw in await client.ask("rows", table=table):
            assert raw.pop("_status") == "synced"
            del raw["_changed"]
            rows[table, raw["id"]] = {
                name: _read(value) for name, value in raw.items() if value is not None
            }
    return rows


def _read(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value)
    return value


async def expected(phone: Phone) -> Rows:
    return {
        key: {name: value for name, value in flat(*row).items() if value is not None}
        for key, row in (await cold(phone)).items()
    }


async def assert_up_to_date(client: Client, phone: Phone) -> Rows:
    rows = await held(client)
    assert rows == await expected(phone)
    assert await client.ask("complaints") == []
    return rows


# --- the client -------------------------------------------------------------------------------------------


async def test_a_cold_sync_survives_a_cut_and_a_delta_brings_what_changed(
    there: Field, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    phone, client = await started(there)
    there.line.lose(PULL, after=900)
    with pytest.raises(AssertionError, match="terminated|fetch failed"):
        await client.ask("sync")
    assert there.line.lost == [PULL.encode()]
    await client.ask("sync")
    rows = await assert_up_to_date(client, phone)
    assert len(rows) > 15
    await retitle(database, company, clock, job, "Door sticks")
    await client.ask("sync")
    rows = await assert_up_to_date(client, phone)
    assert rows["work_orders", str(job.id)]["title"] == "Door sticks"


async def test_work_done_offline_arrives_once_and_in_order_though_an_answer_is_lost(
    there: Field, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    phone, client = await started(there)
    await client.ask("sync")
    there.line.down()
    visit = {"visit_id": str(job.visit_id)}
    begun = await client.ask("report", type="visit.start", data=visit)
    texts = [f"{n} " + "long " * 1_900 for n in range(120)]  # more bytes than one request may hold
    for text in texts:
        await client.ask("report", type="note.add", data={**visit, "text": text})
    await client.ask("report", type="answer.set", data={**visit, "item": "safe", "value": True})
    await client.ask("report", type="answer.set", data={**visit, "item": "reading", "value": 12})
    digest = {
        "sha256": "0" * 64,
        "size": 9,
        "mime": "image/jpeg",
        "captured_at": clock().isoformat(),
    }
    photo = {**visit, **digest, "photo_id": str(uuid7()), "item": "after", "slot": 0}
    await client.ask("report", type="photo.add", data=photo, after=[begun["id"]])
    await client.ask("report", type="visit.finish", data=visit)
    with pytest.raises(AssertionError, match="fetch failed"):
        await client.ask("sync")
    there.line.up()
    there.line.lose(PUSH)
    with pytest.raises(AssertionError, match="terminated|fetch failed"):
        await client.ask("sync")
    assert there.line.lost == [PUSH.encode()]
    assert await client.ask("unsynced")
    await client.ask("sync")
    assert not await client.ask("unsynced")
    await client.ask("sync")
    rows = await assert_up_to_date(client, phone)
    record = rows["visits", str(job.visit_id)]
    assert record["status"] == "finished"
    assert sorted(note["text"] for note in record["notes"]) == sorted(texts)
    assert record["answers"] == {"safe": True, "reading": 12}
    assert len(await stored(database, company, Intent)) == 125
    assert len(await stored(database, company, Note)) == 120


async def test_a_job_given_away_while_offline_leaves_in_two_steps_and_keeps_the_facts(
    there: Field, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    phone, client = await started(there)
    await client.ask("sync")
    await client.ask(
        "report", type="note.add", data={"visit_id": str(job.visit_id), "text": "Seen"}
    )
    async with database.transaction(company.id) as session:
        colleague = Technician(tenant_id=company.id, number="T-2", name="Anna", zone="Europe/Paris")
        session.add(colleague)
        await session.flush()
        assert job.visit_id is not None
        moved = {"technician_id": colleague.id}
        actor = company.actors["dispatcher"]
        await visits.edit_plan(session, actor, clock(), job.visit_id, None, moved)
    await client.ask("sync")
    rows = await held(client)
    assert rows["work_orders", str(job.id)]["access"] == "revoked"
    await client.ask("sync")
    assert ("work_orders", str(job.id)) not in await assert_up_to_date(client, phone)
    (note,) = await stored(database, company, Note)
    assert (note.visit_id, note.text) == (job.visit_id, "Seen")


async def test_what_is_written_over_state_becomes_a_suggestion_and_the_servers_version_returns(
    there: Field, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    phone, client = await started(there)
    await client.ask("sync")
    order, asset = str(job.id), str(company.asset.id)
    await client.ask("write", table="work_orders", id=order, column="status", value="completed")
    await client.ask("remove", table="assets", id=asset)
    await client.ask("insert", table="sites", row={"name": "Nowhere"})
    await client.ask("insert", table="drafts", row={"text": "Nobody else's business"})
    there.line.lose(PUSH)
    with pytest.raises(AssertionError, match="terminated|fetch failed"):
        await client.ask("sync")
    await client.ask(
        "sync"
    )  # pulls what returned below the app's own columns, and pushes those again
    await client.ask("sync")
    rows = await assert_up_to_date(client, phone)
    assert rows["work_orders", order]["status"] == "dispatched"
    assert ("assets", asset) in rows
    assert [row["name"] for (coll, _), row in rows.items() if coll == "sites"] == [
        company.site.name
    ]
    wishes = {one.data["collection"]: one for one in await stored(database, company, Review)}
    assert len(await stored(database, company, Review)) == len(wishes) == 3
    assert wishes["work_orders"].data["fields"] == {"status": "completed"}
    assert wishes["assets"].data["is_deleted"]
    assert wishes["sites"].data["fields"]["name"] == "Nowhere"
    assert len(await client.ask("rows", table="drafts")) == 1
    assert await client.ask("collections") == list(COLLECTIONS)


async def test_what_was_not_accepted_comes_back_as_outcomes_on_both_devices(
    there: Field, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    phone, client = await started(there)
    tablet, other = await started(there, "wm-2")
    visit = {"visit_id": str(job.visit_id)}
    await client.ask("sync")
    begun = await client.ask("report", type="visit.start", data=visit)
    early = await client.ask("report", type="visit.finish", data=visit, after=[begun["id"]])
    await client.ask("sync")
    odd = await other.ask("report", type="visit.dance", data=visit)
    for each in (other, other, client):
        await each.ask("sync")
    rows = await assert_up_to_date(other, tablet)
    assert rows["outcomes", early["id"]]["status"] == "rejected"
    unmet = rows["outcomes", early["id"]]["problem"]["unmet"]
    assert {one["at"] for one in unmet} >= {"/items/safe", "/items/reading"}
    assert rows["outcomes", odd["id"]]["status"] == "quarantined"
    assert await assert_up_to_date(client, phone) == rows


async def test_after_a_restore_everything_is_replaced_and_what_was_forgotten_is_sent_again(
    there: Field, database: Database, company: Company, clock: Clock, owner_url: str
) -> None:
    job = await dispatched_job(database, company, clock)
    phone, client = await started(there)
    visit = {"visit_id": str(job.visit_id)}
    await client.ask("report", type="note.add", data={**visit, "text": "Worn"})
    await client.ask("sync")
    await client.ask("report", type="note.add", data={**visit, "text": "Not sent yet"})
    sql = await asyncpg.connect(owner_url)
    for table in ("note", "intent", "compat_pull", "part_price", "part"):
        await sql.execute(f"delete from {table}")
    await sql.close()
    async with database.transaction(company.id) as session:
        await feed.rebuild(session, company.id)
        await sequencer.begin_epoch(session, company.id)
    await client.ask("sync")
    await client.ask("sync")
    rows = await assert_up_to_date(client, phone)
    assert not any(coll == "parts" for coll, _ in rows)
    notes = rows["visits", str(job.visit_id)]["notes"]
    assert sorted(note["text"] for note in notes) == ["Not sent yet", "Worn"]
    assert len(await stored(database, company, Intent)) == 2
    assert await stored(database, company, Review) == []


async def test_a_column_that_a_newer_app_shows_is_filled_for_rows_that_came_before(
    there: Field, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    phone, client = await started(there, "wm-1", "serial")
    await client.ask("sync")
    (asset,) = await client.ask("rows", table="assets")
    assert "serial" not in asset
    await client.ask("migrate", table="assets", added=[column("serial", "")])
    await client.ask("sync")
    rows = await assert_up_to_date(client, phone)
    assert rows["assets", asset["id"]]["serial"] == company.asset.serial


# --- the address ------------------------------------------------------------------------------------------


@pytest.fixture
async def phone(client: httpx.AsyncClient, company: Company, clock: Clock) -> Phone:
    return await new_phone(client, company, clock)


async def pull(phone: Phone, **params: Any) -> dict[str, Any]:
    answer = await phone.client.get(
        "/compat/watermelondb/sync", params=params, headers=phone.headers
    )
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_pull_whose_answer_was_lost_can_be_asked_for_again(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    first = await pull(phone)
    job = await dispatched_job(database, company, clock)
    lost = await pull(phone, last_pulled_at=first["timestamp"])
    again = await pull(phone, last_pulled_at=first["timestamp"])
    assert lost["timestamp"] > first["timestamp"]
    assert again["changes"] == lost["changes"]
    assert [row["id"] for row in again["changes"]["work_orders"]["updated"]] == [str(job.id)]
    idle = await pull(phone, last_pulled_at=again["timestamp"])
    assert (idle["changes"], idle["timestamp"]) == ({}, again["timestamp"])
    await retitle(database, company, clock, job, "Other")
    await pull(phone, last_pulled_at=idle["timestamp"])
    assert len(await stored(database, company, CompatPull)) <= 3


async def test_a_number_of_another_device_brings_everything_to_replace_what_is_there(
    phone: Phone, company: Company, clock: Clock
) -> None:
    mine = await pull(phone)
    other = await new_phone(phone.client, company, clock, "wm-9")
    whole = await pull(other, last_pulled_at=mine["timestamp"])
    assert whole["experimentalStrategy"] == "replacement"
    assert set(whole["changes"]) == set(COLLECTIONS)
    assert whole["timestamp"] > mine["timestamp"]
    assert "experimentalStrategy" not in mine


async def test_a_poisonous_row_is_kept_and_holds_up_nothing(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    good = phone.intent("note.add", visit_id=str(job.visit_id), text="Fine")
    bad = phone.intent("note.add", visit_id=str(job.visit_id), text="Odd")
    good["data"], bad["data"] = json.dumps(good["data"]), "{not JSON"
    good["after"] = bad["after"] = "[]"
    changes = {
        "intents": {"created": [bad, good], "updated": [], "deleted": [str(uuid7())]},
        "invoices": {"created": [{"id": "1", "total": 3}], "updated": [], "deleted": []},
    }
    answer = await phone.client.post(
        "/compat/watermelondb/sync", json={"changes": changes}, headers=phone.headers
    )
    assert (answer.status_code, answer.json()) == (200, {})
    statuses = sorted(one.status for one in await stored(database, company, Intent))
    assert statuses == ["applied", "quarantined", "quarantined"]
    refused = await phone.client.post(
        "/compat/watermelondb/sync", json={"changes": []}, headers=phone.headers
    )
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed-batch")
