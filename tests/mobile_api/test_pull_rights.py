"""Who may read, and what: rights at every pull, apps old and new, a second phone, what is understood."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import zstandard

from fsm.database import Database, run
from fsm.technicians.tables import Technician
from fsm.work_orders import visits
from mobile_api import pull
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job, new_job
from tests.mobile_api.phones import Phone, new_phone


@pytest.mark.parametrize(
    ("statement", "status", "code"),
    [
        ("update device set revoked_at = now()", 403, "device-revoked"),
        ('update "user" set is_active = false', 403, "device-revoked"),
        ("update role set permissions = '[]'", 403, "forbidden"),
        ("update technician set user_id = null", 403, "not-a-technician"),
        ("update device set token_hash = sha256('another')", 401, "unauthenticated"),
    ],
)
async def test_rights_that_end_end_the_very_next_pull(
    phone: Phone, database: Database, company: Company, statement: str, status: int, code: str
) -> None:
    await phone.pull()
    async with database.transaction(company.id) as session:
        await run(session, statement)
    refused = await phone.client.get("/sync/v1/pull", headers=phone.headers)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_an_old_app_is_refused_on_pull_and_may_still_send(
    phone: Phone,
    database: Database,
    company: Company,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = await dispatched_job(database, company, clock)
    await phone.pull()
    monkeypatch.setattr(pull, "OLDEST_SCHEMA", 6)
    refused = await phone.client.get("/sync/v1/pull", headers=phone.headers)
    assert (refused.status_code, refused.json()["code"]) == (426, "client-too-old")
    assert (refused.headers["upgrade"], refused.json()["oldest"]) == ("fsm-sync/1", 6)
    (outcome,) = await phone.push(phone.intent("visit.start", visit_id=str(job.visit_id)))
    assert outcome["status"] == "applied"


async def test_an_updated_app_reads_everything_anew_and_then_changes_alone(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    cold = await phone.pull()
    again = await phone.client.post(
        "/sync/v1/devices",
        headers=company.headers["technician"],
        json={"install_id": "phone-1", "schema": 6},
    )
    phone.headers["Authorization"] = f"Bearer {again.json()['token']}"
    phone.rows.clear()
    anew = await phone.pull()
    assert {(one["c"], one["id"]) for one in anew["changes"]} == {
        (one["c"], one["id"]) for one in cold["changes"]
    }
    assert (await phone.pull())["changes"] == []


async def test_a_login_that_becomes_another_technician_drops_one_scope_and_reads_the_other(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    await phone.pull()
    old, user_id = company.technician, company.technician.user_id
    async with database.transaction(company.id) as session:
        await run(session, "update technician set user_id = null where id = :id", id=old.id)
        other = Technician(
            tenant_id=company.id, user_id=user_id, number="T-2", name="Clara", zone="Asia/Tokyo"
        )
        session.add(other)
    page = await phone.page()
    assert page["dropped"] == [f"tech:{old.id}"]
    assert page["scopes"] == ["cat:main", f"tech:{other.id}"]
    assert (await phone.page())["dropped"] == []


async def test_pages_end_at_their_size_and_bring_everything(
    phone: Phone,
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await dispatched_job(database, company, clock)
    await phone.pull()
    monkeypatch.setattr(pull, "PAGE_BYTES", 3_000)
    slow = Phone(client, phone.headers, phone.device_id, clock)
    await slow.pull()
    assert len(slow.pages) > 3
    for page in slow.pages:
        text = json.dumps(page["changes"], separators=(",", ":"), ensure_ascii=False)
        size = len(text.encode())
        assert size <= 3_000 or len(page["changes"]) == 1
        assert ("digest" in page) == page["complete"]
    assert slow.rows == phone.rows


async def test_a_lost_job_is_gone_only_when_every_phone_of_the_user_has_sent_what_it_held(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    tablet = await new_phone(client, company, clock, install_id="tablet")
    job = await dispatched_job(database, company, clock)
    for device in (phone, tablet):
        await device.pull()
    assert job.visit_id is not None
    async with database.transaction(company.id) as session:
        await visits.withdraw(session, company.system, clock(), job.visit_id, reason="later")
    for device in (phone, tablet):
        page = await device.pull()
    await phone.pull(outbox_empty_at=page["head"])
    assert phone.of("work_orders")[str(job.id)]["access"] == "revoked"
    await tablet.pull(outbox_empty_at=page["head"])
    await phone.pull(outbox_empty_at=page["head"])
    assert phone.of("work_orders") == tablet.of("work_orders") == {}


async def test_an_outbox_empty_before_the_loss_lets_nothing_go(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    before = (await phone.pull())["head"]
    assert job.visit_id is not None
    async with database.transaction(company.id) as session:
        await visits.withdraw(session, company.system, clock(), job.visit_id, reason="later")
    await phone.pull(outbox_empty_at=before)
    await phone.pull(outbox_empty_at=before)
    assert phone.of("work_orders")[str(job.id)]["access"] == "revoked"


@pytest.mark.parametrize(
    ("today", "last", "beyond"),
    [
        (
            datetime(2026, 3, 15, 9, tzinfo=UTC),
            datetime(2026, 3, 29, 21, 30, tzinfo=UTC),
            datetime(2026, 3, 29, 22, 30, tzinfo=UTC),
        ),
        (
            datetime(2026, 10, 11, 9, tzinfo=UTC),
            datetime(2026, 10, 25, 22, 30, tzinfo=UTC),
            datetime(2026, 10, 25, 23, 30, tzinfo=UTC),
        ),
    ],
    ids=["the hour that is missing", "the hour that comes twice"],
)
async def test_the_window_ends_at_the_technicians_midnight_also_when_the_clocks_change(
    phone: Phone,
    database: Database,
    company: Company,
    clock: Clock,
    today: datetime,
    last: datetime,
    beyond: datetime,
) -> None:
    clock.now = today
    await phone.pull()
    jobs = []
    for starts_at in (last, beyond):
        job = await new_job(database, company, clock)
        ends_at = starts_at + timedelta(minutes=10)
        async with database.transaction(company.id) as session:
            planned = [visits.NewVisit(job.id, company.technician.id, starts_at, ends_at)]
            (visit,) = await visits.plan_visits(session, company.system, clock(), planned)
            await visits.dispatch(session, company.system, clock(), visit.id)
        jobs.append(str(job.id))
    await phone.pull()
    assert list(phone.of("work_orders")) == jobs[:1]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("gzip, zstd", "zstd"),
        ("zstd;q=0.1, gzip", "gzip"),
        ("zstd;q=0, *", "gzip"),
        ("br", None),
        ("gzip;q=0, zstd;q=0", None),
        ("gzip;q=nonsense, \x01", None),
        ("*", "zstd"),
        ("GZIP", "gzip"),
    ],
)
async def test_an_answer_is_packed_only_in_a_way_that_the_phone_takes(
    phone: Phone, accept: str, expected: str | None
) -> None:
    await phone.pull()
    headers = {**phone.headers, "Accept-Encoding": accept.replace("\x01", "?")}
    answer = await phone.client.get("/sync/v1/pull", headers=headers)
    assert answer.headers.get("content-encoding") == expected
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) > 0
    assert answer.json()["complete"]


async def test_packed_intents_are_taken_and_words_that_nobody_knows_are_passed_over(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    page = await phone.pull(some_future_word="yes")
    assert page["complete"]
    for encoding, pack in (("gzip", gzip.compress), ("zstd", zstandard.compress)):
        note = phone.intent("note.add", visit_id=str(job.visit_id), text=encoding)
        body = {"device_id": phone.device_id, "intents": [{**note, "mood": "good"}], "new": [1]}
        answer = await phone.client.post(
            "/sync/v1/push",
            content=pack(json.dumps(body).encode()),
            headers={**phone.headers, "Content-Encoding": encoding},
        )
        assert [one["status"] for one in answer.json()["outcomes"]] == ["applied"], answer.text
    refused = await phone.client.post(
        "/sync/v1/push", content=b"x", headers={**phone.headers, "Content-Encoding": "br"}
    )
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported-encoding")
    assert refused.headers["accept-encoding"] == "zstd, gzip"
