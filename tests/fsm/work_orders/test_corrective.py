"""A failed inspection opens a corrective job, once; whatever stands in the way is put before a person."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from fsm.assets.tables import Failure
from fsm.catalogue.tables import WorkType, WorkTypeVersion
from fsm.checklists.tables import ChecklistAssignment, ChecklistTemplate, ChecklistVersion
from fsm.checklists.templates import TemplateRefused, publish
from fsm.database import Database
from fsm.events import Event
from fsm.work_orders import completion, field_work, orders
from fsm.work_orders.tables import Review, WorkOrder
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job, plan_and_dispatch


def inspection(work_type: str = "mend") -> dict[str, Any]:
    """A checklist with one question that means a defect when it is answered with no."""
    return {
        "template_id": "lift-inspection",
        "version": 1,
        "items": [
            {
                "id": "rope",
                "kind": "yesno",
                "required": True,
                "label": {"en": "Rope is sound"},
                "corrective_if": "has(answers.rope) && !answers.rope.value",
                "corrective": {"work_type": work_type},
            }
        ],
    }


async def inspect_with(
    database: Database, company: Company, clock: Clock, document: dict[str, Any]
) -> Job:
    """Dispatch a job under the checklist, which is assigned to the asset."""
    template = publish(document)
    async with database.transaction(company.id) as session:
        work_type = WorkType(tenant_id=company.id, code="mend", name="Mend")
        row = ChecklistTemplate(tenant_id=company.id, code="lift-inspection", name="Inspection")
        session.add_all([work_type, row])
        await session.flush()
        session.add_all(
            [
                WorkTypeVersion(
                    tenant_id=company.id,
                    work_type_id=work_type.id,
                    version=1,
                    effective_at=clock() - timedelta(days=1),
                    names={"en": "Mend"},
                    request_class="incident",
                    maintenance="corrective",
                    duration_s=3600,
                    priority=2,
                ),
                ChecklistVersion(
                    tenant_id=company.id,
                    template_id=row.id,
                    version=1,
                    sha256=template.sha256,
                    rules_sha256=template.rules_sha256,
                    body=document,
                    published_at=clock(),
                ),
                ChecklistAssignment(
                    tenant_id=company.id,
                    template_id=row.id,
                    asset_id=company.asset.id,
                    assigned_at=clock(),
                ),
            ]
        )
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    return job


async def followers(job: Job) -> list[WorkOrder]:
    async with job.database.transaction(job.company.id) as session:
        statement = select(WorkOrder).where(WorkOrder.follows_id == job.id)
        return list(await session.exec(statement))


async def test_a_failed_item_opens_one_job_however_often_the_inspection_is_finished(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await inspect_with(database, company, clock, inspection())
    await job.do(field_work.answer, "rope", False)
    assert await followers(job) == []
    clock.forward(minutes=20)
    await job.do(field_work.finish)
    assert (await job.row()).status == "completed"
    (mending,) = await followers(job)
    assert (mending.title, mending.status, mending.asset_id) == (
        "Rope is sound",
        "open",
        company.asset.id,
    )
    async with database.transaction(company.id) as session:
        row = await orders.lock_work_order(session, company.actors["dispatcher"], job.id)
        await completion.reopen(session, company.actors["dispatcher"], row, clock(), reason="x")
    clock.forward(minutes=5)
    await plan_and_dispatch(job)
    await job.do(field_work.start)
    await job.do(field_work.finish)
    assert (await job.row()).status == "completed"
    assert [one.id for one in await followers(job)] == [mending.id]
    async with database.transaction(company.id) as session:
        statement = select(Event.data).where(Event.kind == "work_order.corrective_opened")
        (data,) = list(await session.exec(statement))
        failures = list(await session.exec(select(Failure)))
    assert (data["item"], data["opened_id"]) == ("rope", str(mending.id))
    assert len(failures) == 1  # the inspected job's own; a defect found is no failure


async def test_a_passed_inspection_opens_nothing(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await inspect_with(database, company, clock, inspection())
    await job.do(field_work.answer, "rope", True)
    await job.do(field_work.finish)
    assert await followers(job) == []


async def test_an_unknown_type_of_work_does_not_hold_up_the_inspection(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await inspect_with(database, company, clock, inspection("no_such_work"))
    await job.do(field_work.answer, "rope", False)
    await job.do(field_work.finish)
    assert (await job.row()).status == "completed"
    assert await followers(job) == []
    async with database.transaction(company.id) as session:
        (review,) = list(await session.exec(select(Review)))
    assert (review.kind, review.data["item"]) == ("corrective_not_opened", "rope")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"corrective": None}, "bounds"),
        ({"corrective_if": None}, "bounds"),
        ({"corrective_if": "1.0"}, "cel_result"),
        ({"corrective_if": "answers.rope.value"}, "cel_has"),
        ({"corrective": {}}, "missing_property"),
    ],
)
def test_half_a_wish_or_a_faulty_rule_is_not_published(change: dict[str, Any], code: str) -> None:
    document = inspection()
    item = document["items"][0] | change
    document["items"] = [{key: value for key, value in item.items() if value is not None}]
    with pytest.raises(TemplateRefused) as refused:
        publish(document)
    assert code in [error["code"] for error in refused.value.facts["errors"]]
