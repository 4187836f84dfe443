"""What a phone sends: stored first, applied once, in its order; nothing it did is ever lost."""

import asyncio
import gzip
import json
import zlib
from datetime import timedelta
from typing import Any

import httpx
import pytest
import zstandard
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.database import Database, run
from fsm.events import Event
from fsm.evidence.receipts import public_key, verify_receipt
from fsm.problems import Busy
from fsm.work_orders import completion, orders, visits
from fsm.work_orders.records import Answer, Note, PartUsed, TimeEntry
from fsm.work_orders.tables import Review
from mobile_api.durability import Durability
from mobile_api.tables import Intent
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import DIGEST, JPEG, Job, dispatched_job
from tests.mobile_api.phones import Phone, new_phone
from tests.mobile_api.photos import snap, upload_metadata


def statuses(outcomes: list[dict[str, Any]]) -> list[str]:
    return [one["status"] for one in outcomes]


def photo_of(job: Job, clock: Clock) -> dict[str, Any]:
    return {
        "visit_id": str(job.visit_id),
        "photo_id": str(uuid7()),
        "item": "after",
        "slot": 0,
        "sha256": DIGEST.hex(),
        "size": len(JPEG),
        "mime": "image/jpeg",
        "captured_at": clock().isoformat(),
    }


async def count(database: Database, company: Company, table: Any) -> int:
    async with database.transaction(company.id) as session:
        return len(list(await session.exec(select(table))))


async def test_a_day_offline_is_applied_in_order_and_completes_when_the_photo_arrives(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await phone.pull()
    visit = str(job.visit_id)
    started = clock()
    intents = [
        phone.intent("visit.travel", visit_id=visit),
        phone.intent("visit.arrive", visit_id=visit, position={"latitude": 48.8, "longitude": 2.3}),
        phone.intent("visit.start", visit_id=visit),
        phone.intent("answer.set", visit_id=visit, item="safe", value=True),
        phone.intent("answer.set", visit_id=visit, item="reading", value=142.5),
        phone.intent("note.add", visit_id=visit, text="Roller worn"),
        phone.intent(
            "time.add",
            visit_id=visit,
            kind="work",
            **{"from": started.isoformat(), "to": (started + timedelta(hours=1)).isoformat()},
        ),
        phone.intent("part.use", visit_id=visit, part_id=str(company.part.id), qty=2),
        phone.intent("photo.add", **photo_of(job, clock)),
        phone.intent("visit.finish", visit_id=visit, rules_sha256=company.checklist.rules_sha256),
    ]
    clock.forward(hours=2)
    outcomes = await phone.push(*intents, sent_at=clock().isoformat())
    assert statuses(outcomes) == ["applied"] * len(intents)
    assert [note["code"] for note in outcomes[-1]["notes"]] == ["photos_pending"]
    assert (await job.row()).status == "work_done"
    await job.bytes_arrive()
    assert (await job.row()).status == "completed"
    await phone.pull()
    record = phone.of("visits")[visit]
    assert record["answers"] == {"safe": True, "reading": 142.5}
    assert [one["text"] for one in record["notes"]] == ["Roller worn"]
    assert [one["qty"] for one in record["parts"]] == [2]
    assert phone.of("work_orders")[str(job.id)]["status"] == "completed"
    (photo,) = phone.of("photos").values()
    assert photo["state"] == "verified"


async def test_an_unproved_finish_is_refused_with_what_is_missing_and_the_rest_stays(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    visit = str(job.visit_id)
    outcomes = await phone.push(
        phone.intent("visit.start", visit_id=visit),
        phone.intent("answer.set", visit_id=visit, item="safe", value=True),
        phone.intent("visit.finish", visit_id=visit),
        phone.intent("answer.set", visit_id=visit, item="reading", value=100),
    )
    assert statuses(outcomes) == ["applied", "applied", "rejected", "applied"]
    problem = outcomes[2]["problem"]
    assert problem["type"].endswith("/problems/checklist-incomplete")
    assert [(one["at"], one["code"]) for one in problem["unmet"]] == [
        ("/items/reading", "required"),
        ("/items/after/photos/0", "photo_missing"),
    ]
    assert (await job.row()).status == "in_progress"
    assert await count(database, company, Answer) == 2
    again = await phone.push(
        phone.intent("photo.add", **photo_of(job, clock)),
        phone.intent("visit.finish", visit_id=visit),
    )
    assert statuses(again) == ["applied", "applied"]


async def test_a_lost_answer_is_repeated_and_nothing_happens_twice(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    intents = [
        phone.intent("visit.start", visit_id=str(job.visit_id)),
        phone.intent("note.add", visit_id=str(job.visit_id), text="once"),
    ]
    await phone.push(*intents)
    again = await phone.push(*intents, intents[1])
    assert statuses(again) == ["duplicate", "duplicate", "duplicate"]
    assert again[1]["first"] == {"status": "applied"}
    assert await count(database, company, Note) == 1


async def test_an_id_used_for_something_else_is_kept_beside_the_first(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    first = phone.intent("note.add", visit_id=str(job.visit_id), text="first")
    await phone.push(first)
    second = {**first, "data": {**first["data"], "text": "second"}}
    (outcome,) = await phone.push(second)
    assert outcome["status"] == "quarantined"
    assert outcome["problem"]["code"] == "idempotency-key-reused"
    async with database.transaction(company.id) as session:
        kept = [row.body["data"]["text"] for row in await session.exec(select(Intent))]
        texts = [note.text for note in await session.exec(select(Note))]
    assert sorted(kept) == ["first", "second"]
    assert texts == ["first"]


async def test_poison_costs_itself_and_no_other(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    visit = str(job.visit_id)
    poison: list[Any] = [
        phone.intent("answer.set", visit_id=visit),  # no item
        phone.intent("visit.dance", visit_id=visit),
        phone.intent("note.add", visit_id=visit, text="a\x00b"),
        phone.intent("note.add", visit_id=visit, text="\ud800"),
        phone.intent("part.use", visit_id=visit, part_id=str(uuid7()), qty=1),
        phone.intent("part.use", visit_id=visit, part_id=str(company.part.id), qty=-1),
        phone.intent("part.use", visit_id=visit, part_id=str(company.part.id), qty=10**300),
        phone.intent("visit.pause", visit_id=visit, reason="no such reason"),
        phone.intent("time.correct", visit_id=visit, of=str(uuid7()), **{"from": "x", "to": "y"}),
        {**phone.intent("visit.start", visit_id=visit), "occurred_at": "yesterday"},
        {**phone.intent("visit.start", visit_id=visit), "id": "seven"},
        {"seq": 99},
        "not even an object",
        None,
    ]
    good = [
        phone.intent("visit.start", visit_id=visit),
        phone.intent("note.add", visit_id=visit, text="after all that"),
    ]
    outcomes = await phone.push(*poison, *good)
    assert statuses(outcomes) == ["quarantined"] * len(poison) + ["applied", "applied"]
    codes = [one["problem"]["code"] for one in outcomes[: len(poison)]]
    assert codes[:2] == ["malformed-intent", "unknown-intent"]
    assert set(codes[2:4]) == {"malformed-intent"}
    assert outcomes[0]["problem"]["errors"] == [
        {"at": "/data/item", "detail": "Field required"},
        {"at": "/data/value", "detail": "Field required"},
    ]
    assert outcomes[10]["id"] == "seven"
    assert "internal-error" not in codes
    assert await count(database, company, Intent) == len(poison) + len(good)
    assert await count(database, company, Note) == 1


async def test_an_intent_waits_for_those_it_comes_after(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    visit = str(job.visit_id)
    photo = phone.intent("photo.add", **photo_of(job, clock))
    sign = phone.intent(
        "signature.add",
        after=[photo["id"]],
        visit_id=visit,
        item="after",
        photo_id=photo["data"]["photo_id"],
        name="Anne Martin",
    )
    (waits,) = await phone.push(sign)
    assert (waits["status"], waits["after"]) == ("waiting", [photo["id"]])
    await phone.pull()
    assert phone.of("outcomes")[sign["id"]]["status"] == "waiting"
    (photo_outcome, freed) = await phone.push(photo)
    assert photo_outcome["status"] == "applied"
    assert (freed["id"], freed["status"]) == (sign["id"], "applied")
    await phone.pull()
    assert phone.of("outcomes")[sign["id"]]["status"] == "applied"
    assert len(phone.of("visits")[visit]["signatures"]) == 1


async def test_missing_numbers_are_asked_for_again(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    sent = [
        phone.intent("note.add", visit_id=str(job.visit_id), text=str(number))
        for number in range(5)
    ]
    answer = (await phone.send(sent[0], sent[3])).json()
    assert answer["want"] == [2, 3]
    answer = (await phone.send(sent[2])).json()
    assert answer["want"] == [2]
    answer = (await phone.send(sent[4], sent[1])).json()
    assert answer["want"] == []


async def test_the_outcome_of_an_intent_can_be_read_by_its_user_alone(
    phone: Phone,
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    stranger: Company,
    clock: Clock,
) -> None:
    job = await dispatched_job(database, company, clock)
    intent = phone.intent("visit.finish", visit_id=str(job.visit_id))
    await phone.push(intent)
    url = f"/sync/v1/intents/{intent['id']}"
    mine = (await client.get(url, headers=phone.headers)).json()
    assert (mine["status"], mine["problem"]["code"]) == ("rejected", "checklist-incomplete")
    other = await new_phone(client, stranger, clock)
    assert (await client.get(url, headers=other.headers)).status_code == 404


async def test_a_second_phone_of_the_same_technician_may_go_on(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    visit = str(job.visit_id)
    second = await new_phone(client, company, clock, "tablet")
    await phone.push(phone.intent("answer.set", visit_id=visit, item="reading", value=1))
    clock.forward(minutes=1)
    await second.push(second.intent("answer.set", visit_id=visit, item="reading", value=2))
    await phone.pull()
    await second.pull()
    assert phone.of("visits")[visit]["answers"] == {"reading": 2}
    assert phone.rows == second.rows


async def test_work_on_a_visit_reassigned_meanwhile_counts_and_the_colleague_is_withdrawn(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    from fsm.technicians.tables import Technician

    job = await dispatched_job(database, company, clock)
    await phone.pull()
    assert job.visit_id is not None
    async with database.transaction(company.id) as session:
        colleague = Technician(
            tenant_id=company.id, number="T-2", name="Clara", zone="Europe/Paris"
        )
        session.add(colleague)
        await session.flush()
        moved = await visits.edit_plan(
            session,
            company.actors["dispatcher"],
            clock(),
            job.visit_id,
            None,
            {"technician_id": colleague.id},
        )
    await phone.pull()
    assert phone.of("work_orders")[str(job.id)]["why"] == "reassigned"
    (outcome,) = await phone.push(phone.intent("visit.start", visit_id=str(job.visit_id)))
    assert outcome["status"] == "applied"
    assert "late" in [note["code"] for note in outcome["notes"]]
    async with database.transaction(company.id) as session:
        other = await visits.find_visit(session, company.system, moved.id)
    assert other.status == "withdrawn"
    await phone.pull()
    assert "access" not in phone.of("work_orders")[str(job.id)]


async def test_work_on_a_visit_nobody_knows_is_shown_to_the_office_once(
    phone: Phone, database: Database, company: Company
) -> None:
    unknown = str(uuid7())
    outcomes = await phone.push(
        phone.intent("visit.start", visit_id=unknown),
        phone.intent("note.add", visit_id=unknown, text="done"),
    )
    assert statuses(outcomes) == ["quarantined", "quarantined"]
    assert outcomes[0]["problem"]["code"] == "unknown-visit"
    async with database.transaction(company.id) as session:
        (review,) = list(await session.exec(select(Review)))
    assert (review.kind, review.data["visit_id"]) == ("orphan_visit", unknown)


async def test_facts_about_a_closed_job_are_held_for_a_person(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    visit = str(job.visit_id)
    await job.answer_all()
    await job.declare()
    await job.bytes_arrive()
    await phone.push(phone.intent("visit.finish", visit_id=visit))
    await phone.pull()
    user = company.users["dispatcher"].id
    async with database.transaction(company.id) as session:
        row = await orders.lock_work_order(session, company.system, job.id)
        await completion.close(session, company.system, row, clock(), by=user)
    await phone.pull()
    assert phone.of("work_orders")[str(job.id)]["why"] == "closed"
    (outcome,) = await phone.push(
        phone.intent("answer.set", visit_id=visit, item="reading", value=9)
    )
    assert outcome["status"] == "applied"
    assert [note["code"] for note in outcome["notes"]] == ["late", "review"]
    async with database.transaction(company.id) as session:
        kinds = [row.kind for row in await session.exec(select(Review))]
        values = [row.value for row in await session.exec(select(Answer))]
    assert kinds == ["late_fact"]
    assert 9 not in values


async def test_what_is_refused_is_said_in_the_phones_language_and_kept_in_english(
    phone: Phone, company: Company
) -> None:
    phone.headers |= {"Accept-Language": "ru"}
    one = phone.intent("visit.start", visit_id=str(uuid7()))
    (outcome,) = await phone.push(one)
    (again,) = await phone.push(one)
    for problem in (outcome["problem"], again["first"]["problem"]):
        assert problem["code"] == "unknown-visit"
        assert problem["title"] == "Этот выезд неизвестен"
        assert problem["detail"].startswith("Этот выезд здесь неизвестен.")
    phone.headers |= {"Accept-Language": "en"}
    (once_more,) = await phone.push(one)
    assert once_more["first"]["problem"]["detail"].startswith("This visit is not known here.")


async def test_another_technicians_visit_is_not_touched(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, stranger: Company
) -> None:
    from tests.fsm.work_orders.steps import dispatched_job as dispatched

    job = await dispatched(database, stranger, phone.clock)
    (outcome,) = await phone.push(phone.intent("visit.start", visit_id=str(job.visit_id)))
    assert (outcome["status"], outcome["problem"]["code"]) == ("quarantined", "unknown-visit")
    assert (await job.visit()).status == "dispatched"


async def test_a_revoked_phone_may_send_but_not_read(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await client.post(
        f"/api/devices/{phone.device_id}/revocation",
        headers=company.headers["administrator"],
        json={"reason": "lost"},
    )
    reading = await client.get("/sync/v1/pull", headers=phone.headers)
    assert (reading.status_code, reading.json()["code"]) == (403, "device-revoked")
    (outcome,) = await phone.push(phone.intent("visit.start", visit_id=str(job.visit_id)))
    assert (outcome["status"], outcome["problem"]["code"]) == ("quarantined", "device-revoked")
    assert (await job.visit()).status == "dispatched"
    assert await count(database, company, Intent) == 1
    assert await count(database, company, Review) == 1


async def test_a_wrong_clock_is_put_right_between_what_the_server_knows(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await phone.pull()
    dispatched_at = clock()
    visit = str(job.visit_id)
    wrong = timedelta(days=2)
    clock.forward(hours=3)
    start = phone.intent("visit.start", visit_id=visit)
    start["occurred_at"] = (clock() - timedelta(hours=1) + wrong).isoformat()
    start["base_seq"] = phone.pages[-1]["head"]
    spent = phone.intent(
        "time.add",
        visit_id=visit,
        kind="work",
        **{
            "from": (clock() - timedelta(hours=1) + wrong).isoformat(),
            "to": (clock() + wrong).isoformat(),
        },
    )
    outcomes = await phone.push(start, spent, sent_at=(clock() + wrong).isoformat())
    assert statuses(outcomes) == ["applied", "applied"]
    assert outcomes[0]["notes"][0] == {"code": "clock_skew", "offset_s": -172_800}
    assert (await job.visit()).work_started_at == clock() - timedelta(hours=1)
    async with database.transaction(company.id) as session:
        statement = select(Event).where(Event.kind == "visit.started")
        event = (await session.exec(statement)).one()
        entry = (await session.exec(select(TimeEntry))).one()
    assert (event.occurred_lo_at, event.occurred_hi_at) == (dispatched_at, clock())
    assert (entry.during.lower, entry.during.upper) == (clock() - timedelta(hours=1), clock())
    assert entry.needs_review


async def test_compressed_batches_are_taken_and_bombs_are_not(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)

    async def post(content: bytes, encoding: str) -> httpx.Response:
        return await client.post(
            "/sync/v1/push",
            content=content,
            headers={**phone.headers, "Content-Encoding": encoding},
        )

    for encoding, pack in (("gzip", gzip.compress), ("zstd", zstandard.compress)):
        intent = phone.intent("note.add", visit_id=str(job.visit_id), text=encoding)
        body = json.dumps({"device_id": phone.device_id, "intents": [intent]}).encode()
        assert statuses((await post(pack(body), encoding)).json()["outcomes"]) == ["applied"]
        cut = await post(pack(body)[:-9], encoding)
        assert (cut.status_code, cut.json()["code"]) == (400, "broken-encoding")
    for content, encoding, status, code in (
        (gzip.compress(b" " * 20_000_000), "gzip", 413, "batch-too-large"),
        (zstandard.compress(b" " * 20_000_000), "zstd", 413, "batch-too-large"),
        (b"x" * 1_048_577, "identity", 413, "batch-too-large"),
        (zlib.compress(b"{}"), "deflate", 415, "unsupported-encoding"),
        (b"{}", "gzip", 400, "broken-encoding"),
        (b"{", "identity", 400, "malformed-batch"),
        (b"\xff", "identity", 400, "malformed-batch"),
        (b"[" * 100_000, "identity", 400, "malformed-batch"),
        (b"[]", "identity", 400, "malformed-batch"),
        (b'{"device_id":1,"intents":[]}', "identity", 400, "malformed-batch"),
    ):
        refused = await post(content, encoding)
        assert (refused.status_code, refused.json()["code"]) == (status, code), content[:20]
    many = await phone.send(*({"seq": number} for number in range(201)))
    assert (many.status_code, many.json()["code"]) == (413, "batch-too-large")
    assert await count(database, company, Note) == 2


async def test_only_a_device_pushes_and_only_as_itself(
    phone: Phone, client: httpx.AsyncClient, company: Company
) -> None:
    body = {"device_id": phone.device_id, "intents": []}
    for headers, status, code in (
        ({}, 401, "unauthenticated"),
        ({"Authorization": "Bearer nonsense"}, 401, "unauthenticated"),
        (company.headers["technician"], 403, "device-only"),
    ):
        refused = await client.post("/sync/v1/push", json=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    other = await client.post(
        "/sync/v1/push",
        json={"device_id": str(uuid7()), "intents": []},
        headers=phone.headers,
    )
    assert (other.status_code, other.json()["code"]) == (400, "malformed-batch")


async def test_wishes_reach_the_office_as_reviews(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    visit = str(job.visit_id)
    outcomes = await phone.push(
        phone.intent(
            "asset.suggest",
            asset_id=str(company.asset.id),
            base_rev=1,
            fields={"criticality": "high"},
        ),
        phone.intent("scope.change", visit_id=visit, lines=[{"text": "motor"}], price="900 EUR"),
        phone.intent("part.request", visit_id=visit, part_id=str(company.part.id), qty=1),
        phone.intent("follow_up.request", visit_id=visit, reason="needs two people"),
        phone.intent("visit.delay", visit_id=visit, minutes=20),
        phone.intent("signature.decline", visit_id=visit, item="after", reason="absent"),
        phone.intent("failure.record", visit_id=visit, asset_id=str(company.asset.id), mode="jam"),
    )
    assert statuses(outcomes) == ["applied"] * 7
    async with database.transaction(company.id) as session:
        kinds = sorted(row.kind for row in await session.exec(select(Review)))
    assert kinds == ["follow_up", "part_request", "scope_change", "suggestion"]


async def test_a_time_is_corrected_by_another_entry(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    visit = str(job.visit_id)
    clock.forward(hours=3)
    first = phone.intent(
        "time.add",
        visit_id=visit,
        kind="work",
        **{
            "from": (clock() - timedelta(hours=3)).isoformat(),
            "to": (clock() - timedelta(hours=1)).isoformat(),
        },
    )
    second = phone.intent(
        "time.correct",
        visit_id=visit,
        of=first["id"],
        **{
            "from": (clock() - timedelta(hours=2)).isoformat(),
            "to": (clock() - timedelta(hours=1)).isoformat(),
        },
    )
    assert statuses(await phone.push(first, second)) == ["applied", "applied"]
    async with database.transaction(company.id) as session:
        entries = {str(row.id): row for row in await session.exec(select(TimeEntry))}
    assert str(entries[second["id"]].corrects_id) == first["id"]
    assert await count(database, company, PartUsed) == 0


async def test_two_pushes_of_the_same_intents_at_once_apply_them_once(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    intents = [
        phone.intent("note.add", visit_id=str(job.visit_id), text=str(number))
        for number in range(5)
    ]
    answers = await asyncio.gather(*(phone.push(*intents) for _ in range(3)))
    assert sorted(statuses(outcomes)[0] for outcomes in answers) == [
        "applied",
        "duplicate",
        "duplicate",
    ]
    assert await count(database, company, Note) == 5


async def test_a_database_that_only_pretends_to_keep_things_takes_nothing(
    database: Database, company: Company
) -> None:
    durability = Durability()
    async with database.transaction(company.id) as session:
        await run(session, "set local synchronous_commit = off")
        for _ in range(2):
            with pytest.raises(Busy) as refused:
                await durability.check(session)
            assert refused.value.facts["off"] == ["synchronous_commit"]
    async with database.transaction(company.id) as session:
        await Durability().check(session)


async def test_the_receipt_for_a_photos_bytes_syncs_down_and_proves_them(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    picture = snap()
    photo = {**photo_of(job, clock), "sha256": picture.sha256, "size": len(picture.content)}
    await phone.push(phone.intent("photo.add", **photo))
    sent = await client.post(
        "/files",
        content=picture.content,
        headers={
            **phone.headers,
            "Tus-Resumable": "1.0.0",
            "Content-Type": "application/offset+octet-stream",
            "Upload-Length": str(len(picture.content)),
            "Upload-Metadata": upload_metadata(
                {"photo_id": photo["photo_id"], "sha256": picture.sha256}
            ),
        },
    )
    assert sent.status_code == 201, sent.text
    await phone.pull()
    row = phone.of("photos")[photo["photo_id"]]
    assert row["state"] == "verified"
    registered = await client.post(
        "/sync/v1/devices",
        headers=company.headers["technician"],
        json={"install_id": "phone-1", "schema": 5},
    )
    keys = {one["kid"]: public_key(one["key"]) for one in registered.json()["receipt_keys"]}
    verify_receipt(row["receipt"], keys)
    assert row["receipt"]["sha256"] == picture.sha256
