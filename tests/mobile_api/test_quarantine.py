"""What was not applied is kept, shown to the office, released or discarded by it, and forgotten late."""

from datetime import timedelta
from typing import Any

import httpx
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.database import Database
from fsm.work_orders.records import Note, TimeEntry
from fsm.work_orders.tables import Review
from mobile_api import quarantine
from mobile_api.tables import Intent
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job
from tests.mobile_api.phones import Phone, new_phone


async def revoke(client: httpx.AsyncClient, company: Company, phone: Phone) -> None:
    answer = await client.post(
        f"/api/devices/{phone.device_id}/revocation",
        headers=company.headers["administrator"],
        json={"reason": "stolen"},
    )
    assert answer.status_code == 200


async def listed(
    client: httpx.AsyncClient, company: Company, **params: Any
) -> list[dict[str, Any]]:
    answer = await client.get("/api/intents", params=params, headers=company.headers["dispatcher"])
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def decide(
    client: httpx.AsyncClient, company: Company, how: str, *intents: dict[str, Any], **more: Any
) -> httpx.Response:
    body = {"intent_ids": [one["id"] for one in intents], **more}
    return await client.post(
        f"/api/intents/{how}", json=body, headers=company.headers["dispatcher"]
    )


async def all_of(database: Database, company: Company, table: Any) -> list[Any]:
    async with database.transaction(company.id) as session:
        return list(await session.exec(select(table)))


async def open_reviews(database: Database, company: Company) -> list[str]:
    return sorted(
        one.kind for one in await all_of(database, company, Review) if one.settled_at is None
    )


async def test_a_stolen_phones_work_takes_effect_when_the_office_releases_it(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    visit = str(job.visit_id)
    worked_at = clock.forward(minutes=30)
    started = phone.intent("visit.start", visit_id=visit)
    note = phone.intent("note.add", visit_id=visit, text="roller worn")
    clock.forward(hours=1)
    await revoke(client, company, phone)
    for path in ("pull", "stream", "digest"):
        refused = await client.get(f"/sync/v1/{path}", headers=phone.headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "device-revoked")
    for one in await phone.push(started, note):
        assert (one["status"], one["problem"]["code"]) == ("quarantined", "device-revoked")
    again = await phone.push(started)
    assert (again[0]["status"], again[0]["first"]["status"]) == ("duplicate", "quarantined")
    assert [one["id"] for one in await listed(client, company)] == [started["id"], note["id"]]
    assert await open_reviews(database, company) == ["quarantined_intents"]
    clock.forward(hours=5)
    released = await decide(client, company, "releasing", note, started)
    assert [one["status"] for one in released.json()] == ["applied", "applied"]
    assert (await job.visit()).work_started_at == worked_at
    (written,) = await all_of(database, company, Note)
    assert (written.text, written.by) == ("roller worn", "Technician")
    assert await open_reviews(database, company) == []
    assert await listed(client, company) == []
    twice = await decide(client, company, "releasing", note)
    assert twice.status_code == 422
    assert len(await all_of(database, company, Note)) == 1


async def test_what_is_discarded_never_takes_effect_and_is_still_kept(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    note = phone.intent("note.add", visit_id=str(job.visit_id), text="not by me")
    await revoke(client, company, phone)
    await phone.push(note)
    discarded = await decide(client, company, "discarding", note, reason="the thief wrote it")
    (one,) = discarded.json()
    assert (one["status"], one["outcome"]["reason"]) == ("quarantined", "the thief wrote it")
    assert await listed(client, company) == []
    assert await open_reviews(database, company) == []
    refused = await decide(client, company, "releasing", note)
    assert refused.status_code == 422
    assert await all_of(database, company, Note) == []
    assert len(await all_of(database, company, Intent)) == 1


async def test_work_on_a_visit_nobody_knows_is_put_onto_one_that_is(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    lost = str(uuid7())
    intents = [
        phone.intent("visit.start", visit_id=lost),
        phone.intent("note.add", visit_id=lost, text="done"),
    ]
    await phone.push(*intents)
    assert await open_reviews(database, company) == ["orphan_visit"]
    in_vain = await decide(client, company, "releasing", intents[0])
    assert in_vain.json()[0]["outcome"]["problem"]["code"] == "unknown-visit"
    job = await dispatched_job(database, company, clock)
    released = await decide(client, company, "releasing", *intents, visit_id=str(job.visit_id))
    assert {one["status"] for one in released.json()} == {"applied"}
    assert (await job.visit()).status == "on_site"
    assert await open_reviews(database, company) == []
    await phone.pull()
    assert {one["status"] for one in phone.of("outcomes").values()} == {"applied"}


async def test_an_intent_kept_beside_another_takes_effect_beside_it(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    clock.forward(hours=3)
    span = {"from": (clock() - timedelta(hours=1)).isoformat(), "to": clock().isoformat()}
    first = phone.intent("time.add", visit_id=str(job.visit_id), kind="work", **span)
    second = {**first, "data": {**first["data"], "kind": "travel"}}
    await phone.push(first)
    await phone.push(second)
    (kept,) = await listed(client, company)
    released = await decide(client, company, "releasing", kept)
    assert released.json()[0]["status"] == "applied"
    kinds = [entry.kind for entry in await all_of(database, company, TimeEntry)]
    assert sorted(kinds) == ["travel", "work"]


async def test_what_cannot_be_read_today_stays_where_it_is(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    await phone.push({"seq": 1}, phone.intent("visit.dance", visit_id=str(uuid7())))
    page = await listed(client, company)
    released = await decide(client, company, "releasing", *page)
    codes = sorted(one["outcome"]["problem"]["code"] for one in released.json())
    assert codes == ["malformed-intent", "unknown-intent"]


async def test_nobody_but_the_office_decides_and_only_on_its_own(
    phone: Phone, client: httpx.AsyncClient, company: Company, stranger: Company, clock: Clock
) -> None:
    note = phone.intent("note.add", visit_id=str(uuid7()), text="x")
    await phone.push(note)
    assert await listed(client, stranger) == []
    refused = await decide(client, stranger, "releasing", note)
    assert refused.status_code == 404
    for headers in (phone.headers, company.headers["technician"], company.headers["customer"]):
        answer = await client.get("/api/intents", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_undecided_intents_come_in_pages_and_by_device(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    sent = [phone.intent("note.add", visit_id=str(uuid7()), text="x") for _ in range(5)]
    await phone.push(*sent)
    headers = company.headers["dispatcher"]
    seen, after = [], None
    while True:
        params = {"limit": 2} | ({"after": after} if after else {})
        page = (await client.get("/api/intents", params=params, headers=headers)).json()
        seen += [one["id"] for one in page["items"]]
        if (after := page["next"]) is None:
            break
    assert seen == [one["id"] for one in sent]
    assert await listed(client, company, device_id=str(uuid7())) == []
    assert len(await listed(client, company, device_id=phone.device_id)) == 5


async def test_quarantine_lasts_ninety_days(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    lost = phone.intent("note.add", visit_id=str(uuid7()), text="x")
    await phone.push(lost)

    async def forget() -> int:
        async with database.transaction(company.id) as session:
            return await quarantine.forget(session, company.system, clock())

    clock.forward(days=89)
    assert await forget() == 0
    clock.forward(days=2)
    assert await forget() == 1
    assert await all_of(database, company, Intent) == []


async def test_an_intent_goes_on_when_the_one_it_names_comes_by_another_device(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    tablet = await new_phone(client, company, clock, "tablet")
    first = tablet.intent("note.add", visit_id=str(job.visit_id), text="first")
    second = phone.intent(
        "note.add", after=[first["id"]], visit_id=str(job.visit_id), text="second"
    )
    assert (await phone.push(second))[0]["status"] == "waiting"
    assert (await tablet.push(first))[0]["status"] == "applied"
    async with database.transaction(company.id) as session:
        assert await quarantine.go_on(session, company.id, clock()) == 1
    await phone.pull()
    assert phone.of("outcomes")[second["id"]]["status"] == "applied"
    texts = sorted(note.text for note in await all_of(database, company, Note))
    assert texts == ["first", "second"]


async def test_what_waits_for_something_lost_is_shown_once_and_can_be_released(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    waits = phone.intent(
        "note.add", after=[str(uuid7())], visit_id=str(job.visit_id), text="at last"
    )
    await phone.push(waits)
    for days in (2, 2, 2):
        clock.forward(days=days)
        async with database.transaction(company.id) as session:
            assert await quarantine.go_on(session, company.id, clock()) == 0
    assert await open_reviews(database, company) == ["waiting_intents"]
    assert [one["id"] for one in await listed(client, company, status="waiting")] == [waits["id"]]
    released = await decide(client, company, "releasing", waits)
    assert released.json()[0]["status"] == "applied"
    assert await open_reviews(database, company) == []
