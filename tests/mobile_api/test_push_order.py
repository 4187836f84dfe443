"""Numbers, dependencies and installations: nothing blocks, nothing is lost, nothing is counted twice."""

from typing import Any

import httpx
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.database import Database
from fsm.work_orders.records import Note
from fsm.work_orders.tables import Review
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import Phone, new_phone


def note(phone: Phone, job: Job, text: str, after: list[str] | None = None) -> dict[str, Any]:
    return phone.intent("note.add", after=after, visit_id=str(job.visit_id), text=text)


async def notes(database: Database, company: Company) -> list[str]:
    async with database.transaction(company.id) as session:
        return sorted(await session.exec(select(Note.text)))


async def reviews(database: Database, company: Company) -> list[str]:
    async with database.transaction(company.id) as session:
        return sorted(await session.exec(select(Review.kind)))


async def test_intents_that_wait_for_each_other_are_applied_in_the_devices_order(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    one, two, three, four = (note(phone, job, text) for text in "1234")
    one["after"], two["after"] = [two["id"]], [one["id"]]
    three["after"] = [three["id"]]
    four["after"] = [two["id"]]
    outcomes = await phone.push(one, two, three, four)
    assert [outcome["status"] for outcome in outcomes] == ["applied"] * 4
    noted = [[each["code"] for each in outcome.get("notes", ())] for outcome in outcomes]
    assert noted == [["circle"], [], ["circle"], []]
    assert await notes(database, company) == ["1", "2", "3", "4"]


async def test_a_circle_beside_something_missing_waits_only_for_what_is_missing(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    missing = note(phone, job, "missing")
    one, two, three = (note(phone, job, text) for text in "123")
    one["after"] = [missing["id"]]
    two["after"], three["after"] = [three["id"]], [two["id"]]
    outcomes = await phone.push(one, two, three)
    assert [outcome["status"] for outcome in outcomes] == ["waiting", "applied", "applied"]
    outcomes = await phone.push(missing)
    assert [(each["id"], each["status"]) for each in outcomes] == [
        (missing["id"], "applied"),
        (one["id"], "applied"),
    ]


async def test_what_waits_holds_up_nothing_that_does_not_name_it(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    sent = [note(phone, job, "never", after=[str(uuid7())])]
    sent += [note(phone, job, "at once") for _ in range(3)]
    outcomes = await phone.push(*sent)
    assert [one["status"] for one in outcomes] == ["waiting"] + ["applied"] * 3
    again = await phone.push(sent[0])
    assert again[0]["status"] == "waiting"


async def test_an_intent_may_come_after_one_that_was_refused(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    finish = phone.intent("visit.finish", visit_id=str(job.visit_id))
    outcomes = await phone.push(finish, note(phone, job, "why not", after=[finish["id"]]))
    assert [one["status"] for one in outcomes] == ["rejected", "applied"]


async def test_a_cloned_phone_loses_and_doubles_nothing_and_is_noticed(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    """Two installations with one token count on from the same number."""
    job = await dispatched_job(database, company, clock)
    shared = note(phone, job, "shared")
    await phone.push(shared)
    clone = Phone(client, phone.headers, phone.device_id, clock, seq=phone.seq)
    mine = [note(phone, job, f"mine {n}") for n in range(3)]
    theirs = [note(clone, job, f"theirs {n}") for n in range(3)]
    assert {one["status"] for one in await phone.push(*mine)} == {"applied"}
    outcomes = await clone.push(shared, *theirs)
    assert [one["status"] for one in outcomes] == ["duplicate"] + ["applied"] * 3
    assert [one["notes"] for one in outcomes[1:]] == [[{"code": "seq_reused"}]] * 3
    assert {one["status"] for one in await clone.push(*theirs)} == {"duplicate"}
    assert (await phone.send(*mine)).json()["want"] == []
    expected = ["shared", *(f"{who} {n}" for who in ("mine", "theirs") for n in range(3))]
    assert await notes(database, company) == sorted(expected)
    assert await reviews(database, company) == ["cloned_device"]


async def test_the_same_installation_goes_on_where_its_numbers_ended(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    """Its data are gone, the outbox too; what it had sent is known by number."""
    job = await dispatched_job(database, company, clock)
    await phone.push(note(phone, job, "1"), note(phone, job, "2"))
    lost = note(phone, job, "lost with the phone's memory")
    answer = await client.post(
        "/sync/v1/devices",
        headers=company.headers["technician"],
        json={"install_id": "phone-1", "schema": 5},
    )
    body = answer.json()
    assert (body["device_id"], body["next_seq"]) == (phone.device_id, lost["seq"])
    headers = {"Authorization": f"Bearer {body['token']}"}
    again = Phone(client, headers, body["device_id"], clock, seq=body["next_seq"] - 1)
    await again.pull()
    answer = await again.send(note(again, job, "3"))
    assert (answer.json()["outcomes"][0]["status"], answer.json()["want"]) == ("applied", [])
    assert await notes(database, company) == ["1", "2", "3"]
    assert await reviews(database, company) == []


async def test_a_new_installation_sends_the_restored_outbox_of_the_old_one(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    """The old one had sent a part of it; the new one has another device id and no older numbers."""
    job = await dispatched_job(database, company, clock)
    older = [note(phone, job, f"older {n}") for n in range(5)]
    outbox = [note(phone, job, f"outbox {n}") for n in range(4)]
    await phone.push(*older, *outbox[:2])
    anew = await new_phone(client, company, clock, "phone-1 installed anew".replace(" ", "-"))
    assert anew.device_id != phone.device_id
    anew.seq = phone.seq
    outbox.append(note(anew, job, "outbox 4"))
    answer = (await anew.send(*outbox, from_seq=outbox[0]["seq"])).json()
    statuses = [one["status"] for one in answer["outcomes"]]
    assert statuses == ["duplicate"] * 2 + ["applied"] * 3
    assert answer["want"] == []
    assert len(await notes(database, company)) == 10


async def test_a_push_that_says_the_outbox_was_empty_lets_go_of_what_was_taken_away(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await phone.pull()
    answer = await client.post(
        f"/api/work-orders/{job.id}/cancellation",
        headers=company.headers["dispatcher"],
        json={"reason": "customer"},
    )
    assert answer.status_code == 200
    page = await phone.pull()
    assert phone.of("work_orders")[str(job.id)]["access"] == "revoked"
    await phone.push(outbox_empty_at=page["head"])
    await phone.pull()
    assert phone.of("work_orders") == {}


async def test_everything_a_device_sent_can_be_read_in_pages(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    sent = [note(phone, job, str(n)) for n in range(3)]
    sent.append(phone.intent("visit.finish", visit_id=str(job.visit_id)))
    await phone.push(*sent)
    tablet = await new_phone(client, company, clock, "tablet")
    await tablet.push(note(tablet, job, "by the other device"))
    found: list[dict[str, Any]] = []
    after = None
    while True:
        params: dict[str, Any] = {"limit": 3} | ({"after": after} if after else {})
        page = (await client.get("/sync/v1/intents", params=params, headers=phone.headers)).json()
        found += page["items"]
        if (after := page["next"]) is None:
            break
    assert [(one["id"], one["seq"]) for one in found] == [(one["id"], one["seq"]) for one in sent]
    assert [one["status"] for one in found] == ["applied"] * 3 + ["rejected"]


async def test_devices_are_listed_in_pages_and_by_person(
    phone: Phone, client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    tablets = [await new_phone(client, company, clock, f"tablet-{n}") for n in range(4)]
    devices = [phone.device_id, *(tablet.device_id for tablet in tablets)]
    headers = company.headers["administrator"]
    seen, after = [], None
    while True:
        params: dict[str, Any] = {"limit": 2} | ({"after": after} if after else {})
        page = (await client.get("/api/devices", params=params, headers=headers)).json()
        seen += [one["id"] for one in page["items"]]
        if (after := page["next"]) is None:
            break
    assert seen == devices
    user = str(company.users["technician"].id)
    for user_id, expected in ((user, 5), (str(uuid7()), 0)):
        page = await client.get("/api/devices", params={"user_id": user_id}, headers=headers)
        assert len(page.json()["items"]) == expected
