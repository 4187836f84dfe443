"""A checklist changes while a phone is offline: work is judged by the version that it was dispatched with."""

from typing import Any

import httpx
import pytest
from sqlmodel import select

from fsm.database import Database
from fsm.work_orders.tables import Review
from tests.company import CHECKLIST, Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import Phone


async def publish(
    client: httpx.AsyncClient, company: Company, *more: dict[str, Any], policy: str
) -> dict[str, Any]:
    """Publish version 2, with more items, as the office does; older work is accepted or looked at."""
    document = {
        **CHECKLIST,
        "version": 2,
        "supersedes": {"min_accepted": 2, "policy": policy},
        "items": [*CHECKLIST["items"], *more],
    }
    answer = await client.post(
        f"/api/checklists/{company.checklist.template_id}/versions",
        headers=company.headers["administrator"],
        json={"document": document},
    )
    assert answer.status_code == 201, answer.text
    published: dict[str, Any] = answer.json()
    return published


async def finish_offline(phone: Phone, job: Job) -> list[dict[str, Any]]:
    """Send a whole visit under the version that the phone holds; return the outcome of its finish."""
    visit = str(job.visit_id)
    await job.declare()
    outcomes = await phone.push(
        phone.intent("visit.start", visit_id=visit),
        phone.intent("answer.set", visit_id=visit, item="safe", value=True),
        phone.intent("answer.set", visit_id=visit, item="reading", value=100),
        phone.intent(
            "visit.finish", visit_id=visit, rules_sha256=job.company.checklist.rules_sha256
        ),
    )
    assert [one["status"] for one in outcomes] == ["applied"] * 4
    await job.bytes_arrive()
    return outcomes


async def reviews(database: Database, company: Company) -> list[Review]:
    async with database.transaction(company.id) as session:
        return list(await session.exec(select(Review)))


NEW_ITEM = {"id": "seal", "kind": "yesno", "required": True, "label": {"en": "Seal replaced"}}


async def test_a_finish_under_the_old_version_is_valid_and_the_office_sees_what_the_new_one_asks(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await phone.pull()
    await publish(client, company, NEW_ITEM, policy="review")
    outcomes = await finish_offline(phone, job)
    assert {"code": "review", "kind": "superseded_checklist"} in outcomes[-1]["notes"]
    row = await job.row()
    assert (row.status, row.rules_sha256) == ("completed", company.checklist.rules_sha256)
    (review,) = await reviews(database, company)
    assert review.work_order_id == job.id
    assert review.data["version"] == 2
    assert [(one["at"], one["code"], one["text"]) for one in review.data["missing"]] == [
        ("/items/seal", "required", "Seal replaced: an answer is missing.")
    ]


@pytest.mark.parametrize(
    ("more", "policy"), [((NEW_ITEM,), "accept"), ((), "review")], ids=["accepted", "nothing new"]
)
async def test_the_office_is_left_alone_where_nothing_is_missing_or_old_work_is_accepted(
    phone: Phone,
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    clock: Clock,
    more: tuple[dict[str, Any], ...],
    policy: str,
) -> None:
    job = await dispatched_job(database, company, clock)
    await phone.pull()
    await publish(client, company, *more, policy=policy)
    await finish_offline(phone, job)
    assert (await job.row()).status == "completed"
    assert await reviews(database, company) == []


async def test_a_phone_that_comes_back_still_finds_the_version_of_its_job_beside_the_new_one(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    published = await publish(client, company, NEW_ITEM, policy="review")
    later = await dispatched_job(database, company, clock)
    await phone.pull()
    held = phone.of("work_orders")
    assert held[str(job.id)]["checklist_id"] == str(company.checklist.id)
    assert held[str(later.id)]["checklist_id"] == published["id"]
    bodies = {row_id: one["body"] for row_id, one in phone.of("checklists").items()}
    assert bodies[str(company.checklist.id)]["version"] == 1
    assert bodies[published["id"]]["version"] == 2
    outcomes = await phone.push(
        phone.intent("visit.start", visit_id=str(later.visit_id)),
        phone.intent("visit.finish", visit_id=str(later.visit_id)),
    )
    assert "/items/seal" in [one["at"] for one in outcomes[-1]["problem"]["unmet"]]
