"""What a PowerSync client uploads: each row kept and applied once, wishes before the office."""

import json
from typing import Any

import httpx
import pytest
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.database import Database, run
from fsm.work_orders.tables import Review
from mobile_api import backups
from mobile_api.tables import Intent
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import Phone, new_phone

CRUD = "/compat/powersync/crud"
CHECKPOINT = "/compat/powersync/write-checkpoint2.json"


class Queue:
    """The upload queue of an SDK on the phone's installation."""

    def __init__(self, phone: Phone, install_id: str = "phone-1") -> None:
        self.phone, self.install_id, self.number = phone, install_id, 0

    def row(self, op: str, table: str, row_id: str, **data: Any) -> dict[str, Any]:
        self.number += 1
        return {"op_id": self.number, "op": op, "type": table, "id": row_id, "data": data}

    def intent(self, kind: str, **data: Any) -> dict[str, Any]:
        at = self.phone.clock().isoformat()
        text = json.dumps(data)
        return self.row("PUT", "intents", str(uuid7()), type=kind, data=text, occurred_at=at)

    async def send(self, *rows: Any, **members: Any) -> httpx.Response:
        body = {"install_id": self.install_id, "client_id": "c", "batch": list(rows), **members}
        return await self.phone.client.post(CRUD, json=body, headers=self.phone.headers)

    async def upload(self, *rows: Any, **members: Any) -> list[dict[str, Any]]:
        answer = await self.send(*rows, **members)
        assert answer.status_code == 200, answer.text
        outcomes: list[dict[str, Any]] = answer.json()["outcomes"]
        return outcomes


@pytest.fixture
def queue(phone: Phone) -> Queue:
    return Queue(phone)


@pytest.fixture
async def job(database: Database, company: Company, clock: Clock, phone: Phone) -> Job:
    job = await dispatched_job(database, company, clock)
    await phone.pull()
    return job


async def reviews(database: Database, company: Company, kind: str) -> list[dict[str, Any]]:
    async with database.transaction(company.id) as session:
        found = await session.exec(select(Review).where(Review.kind == kind))
        return [review.data for review in found]


async def test_rows_of_intents_are_applied_in_the_order_of_the_queue_and_once(
    queue: Queue, phone: Phone, job: Job, database: Database, company: Company
) -> None:
    visit = str(job.visit_id)
    start = queue.intent("visit.start", visit_id=visit)
    note = queue.intent("note.add", visit_id=visit, text="Roller worn")
    note["data"]["after"] = json.dumps([start["id"]])
    outcomes = await queue.upload(note, start)
    assert {one["id"]: one["status"] for one in outcomes} == {
        start["id"]: "applied",
        note["id"]: "applied",
    }
    again = await queue.upload(note, start)
    assert [one["status"] for one in again] == ["duplicate", "duplicate"]
    await phone.pull()
    assert [one["text"] for one in phone.of("visits")[visit]["notes"]] == ["Roller worn"]
    assert (await job.visit()).status == "on_site"
    async with database.transaction(company.id) as session:
        stored = await run(session, "select id::text, device_seq from intent order by device_seq")
        assert [tuple(row) for row in stored] == [(start["id"], 1), (note["id"], 2)]


async def test_the_same_intent_by_our_own_protocol_is_the_same_intent(
    queue: Queue, phone: Phone, job: Job
) -> None:
    row = queue.intent("note.add", visit_id=str(job.visit_id), text="Once")
    await queue.upload(row)
    columns = row["data"]
    native = {"id": row["id"], "seq": 1, **columns, "data": json.loads(columns["data"])}
    (outcome,) = await phone.push(native)
    assert outcome["status"] == "duplicate"


async def test_a_write_to_state_is_a_suggestion_once_and_the_servers_row_returns(
    queue: Queue, phone: Phone, job: Job, database: Database, company: Company
) -> None:
    asset = str(company.asset.id)
    before = phone.rows["assets", asset]
    wish = queue.row("PATCH", "assets", asset, name="Lift of mine")
    gone = queue.row("DELETE", "work_orders", str(job.id))
    invented = queue.row("PUT", "sites", str(uuid7()), name="Nowhere")
    for _ in range(2):  # the answer was lost
        outcomes = await queue.upload(wish, gone, invented)
    assert [one["status"] for one in outcomes] == ["duplicate"] * 3
    assert [one["first"]["notes"] for one in outcomes] == [[{"code": "suggestion"}]] * 3
    told = await reviews(database, company, "suggestion")
    assert {(one["collection"], one["row_id"], one["is_deleted"]) for one in told} == {
        ("assets", asset, False),
        ("work_orders", str(job.id), True),
        ("sites", invented["id"], False),
    }
    assert len(told) == 3
    assert [one["fields"] for one in told if one["row_id"] == asset] == [{"name": "Lift of mine"}]
    page = await phone.pull()
    sent = {(one["c"], one["id"]): one["op"] for one in page["changes"]}
    assert sent == {
        ("assets", asset): "put",
        ("work_orders", str(job.id)): "put",
        ("sites", invented["id"]): "gone",
    }
    assert phone.rows["assets", asset]["d"] == before["d"]
    await queue.upload(queue.row("PATCH", "assets", asset, name="Lift of mine"))
    assert len(await reviews(database, company, "suggestion")) == 3, "the office has this wish"
    await queue.upload(queue.row("PATCH", "assets", asset, name="Our lift"))
    assert len(await reviews(database, company, "suggestion")) == 4


POISON: list[Any] = [
    17,
    {},
    {"op_id": 9, "op": "DELETE", "type": "intents", "id": str(uuid7())},
    {"op_id": 9, "op": "PATCH", "type": "intents", "id": "x", "data": {"type": "note.add"}},
    {"op_id": 9, "op": "PUT", "type": "intents", "id": "x", "data": {"type": "note.add"}},
    {"op_id": 9, "op": "PUT", "type": "intents", "id": str(uuid7()), "data": None},
    {"op_id": 9, "op": "PUT", "type": "intents", "id": str(uuid7()), "data": {"data": "{"}},
    {"op_id": -9, "op": "PUT", "type": "intents", "id": str(uuid7()), "data": {"type": "x"}},
    {"op_id": 9, "op": "PATCH", "type": "no_such", "id": str(uuid7()), "data": {"a": 1}},
    {"op_id": 9, "op": "PATCH", "type": "assets", "id": "1", "data": {"a": "\x00"}},
]


async def test_poison_is_kept_told_and_costs_no_other_row(
    queue: Queue, phone: Phone, job: Job, database: Database, company: Company
) -> None:
    for poison in POISON:
        assert [one["status"] for one in await queue.upload(poison)] == ["quarantined"], poison
        (told,) = (await phone.pull())["changes"]
        assert (told["c"], told["d"]["status"]) == ("outcomes", "quarantined")
        good = queue.intent("note.add", visit_id=str(job.visit_id), text="Good")
        outcomes = await queue.upload(poison, good)
        assert sorted(one["status"] for one in outcomes) == ["applied", "duplicate"], poison
        await phone.pull()
    async with database.transaction(company.id) as session:
        stored = sorted(await session.exec(select(Intent.status)))
    assert stored == ["applied"] * len(POISON) + ["quarantined"] * len(POISON)


async def test_an_upload_that_cannot_be_read_or_is_anothers_stores_nothing(
    queue: Queue, phone: Phone, company: Company, database: Database, client: httpx.AsyncClient
) -> None:
    row = queue.intent("note.add", visit_id=str(uuid7()), text="x")
    other = Queue(phone, install_id="another phone")
    refused = await other.send(row)
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed-batch")
    for body in (b"", b"[]", b'{"batch":[]}', b'{"install_id":"phone-1","client_id":"c"}'):
        refused = await client.post(CRUD, content=body, headers=phone.headers)
        assert (refused.status_code, refused.json()["code"]) == (400, "malformed-batch")
    refused = await queue.send(*[row] * 201)
    assert (refused.status_code, refused.json()["limit"]) == (413, 200)
    refused = await client.post(CRUD, content=b"{}", headers=company.headers["technician"])
    assert (refused.status_code, refused.json()["code"]) == (403, "device-only")
    assert (await client.post(CRUD, content=b"{}")).status_code == 401
    async with database.transaction(company.id) as session:
        assert list(await session.exec(select(Intent.id))) == []


async def test_a_revoked_device_may_send_and_nothing_of_it_takes_effect(
    queue: Queue, phone: Phone, job: Job, client: httpx.AsyncClient, company: Company
) -> None:
    await client.post(
        f"/api/devices/{phone.device_id}/revocation",
        headers=company.headers["administrator"],
        json={"reason": "lost"},
    )
    (outcome,) = await queue.upload(
        queue.intent("visit.start", visit_id=str(job.visit_id)), outbox_empty_at=1
    )
    assert (outcome["status"], outcome["problem"]["code"]) == ("quarantined", "device-revoked")
    assert (await job.visit()).status == "dispatched"
    assert await queue.upload(outbox_empty_at=1) == []
    refused = await client.get(CHECKPOINT, headers=phone.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "device-revoked")


async def test_another_tenants_rows_are_out_of_reach(
    queue: Queue,
    phone: Phone,
    database: Database,
    company: Company,
    stranger: Company,
    clock: Clock,
) -> None:
    theirs = await dispatched_job(database, stranger, clock)
    start = queue.intent("visit.start", visit_id=str(theirs.visit_id))
    wish = queue.row("PATCH", "assets", str(stranger.asset.id), name="Mine now")
    first, second = await queue.upload(start, wish)
    assert (first["status"], first["problem"]["code"]) == ("quarantined", "unknown-visit")
    assert second["status"] == "applied"
    (told,) = await reviews(database, company, "suggestion")
    assert told["rev"] is None, "nothing is known of it here"
    assert await reviews(database, stranger, "suggestion") == []
    assert (await theirs.visit()).status == "dispatched"
    assert ("assets", str(stranger.asset.id)) not in phone.rows


async def test_an_empty_queue_ends_what_the_device_has_lost_access_to(
    queue: Queue, phone: Phone, job: Job, database: Database, company: Company, clock: Clock
) -> None:
    from fsm.work_orders import orders

    async with database.transaction(company.id) as session:
        await orders.cancel(session, company.system, clock(), job.id, reason="customer")
    head = (await phone.pull())["head"]
    assert phone.of("work_orders")[str(job.id)]["access"] == "revoked"
    late = queue.intent("note.add", visit_id=str(job.visit_id), text="Was there")
    await queue.upload(late, outbox_empty_at=head)
    await phone.pull()
    assert str(job.id) in phone.of("work_orders"), "a queue that holds a row is not empty"
    await queue.upload(outbox_empty_at=(await phone.pull())["head"])
    await phone.pull()
    assert phone.of("work_orders") == {}


async def test_a_write_checkpoint_is_reached_when_the_write_is_streamed(
    queue: Queue, phone: Phone, job: Job, client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    async def checkpoint(of: Phone) -> int:
        answer = await client.get(CHECKPOINT, params={"client_id": "any"}, headers=of.headers)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["data"]["write_checkpoint"])

    before = await checkpoint(phone)
    assert before == (await phone.pull())["head"]
    assert await checkpoint(phone) == before, "nothing was written"
    await queue.upload(queue.intent("visit.start", visit_id=str(job.visit_id)))
    after = await checkpoint(phone)
    page = await phone.pull()
    assert before < after <= page["head"]
    assert "visits" in {one["c"] for one in page["changes"]}
    second = await new_phone(client, company, clock, "tablet")
    assert await checkpoint(second) == after, "of the device's scopes, whatever id the client names"


async def test_the_answer_says_up_to_where_a_backup_holds_what_was_sent(
    queue: Queue, phone: Phone, job: Job, database: Database, company: Company
) -> None:
    intent = queue.intent("visit.start", visit_id=str(job.visit_id))
    first = (await queue.send(intent)).json()
    assert (first["epoch"], first["forget_upto"]) == (phone.pages[-1]["epoch"], 0)
    async with database.transaction(company.id) as session:
        held = await backups.read_held(session, company.id)
        await backups.note_verified(session, company.id, held)
    assert (await queue.send()).json()["forget_upto"] == 1
