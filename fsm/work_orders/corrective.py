"""A failed inspection opens the job that puts things right.

A checklist item says by its rule `corrective_if` when its answer means a defect, and by `corrective` which
type of work mends it. The job is opened when the inspection's work is done, once for each item, however
often the inspection is reopened and finished again.
"""

from datetime import datetime

from sqlmodel import select

from fsm import events
from fsm.actors import Actor
from fsm.assets.tables import Asset
from fsm.catalogue import queries as catalogue
from fsm.checklists.items import Item
from fsm.customers.tables import Site
from fsm.database import Session
from fsm.problems import Invalid, NotFound
from fsm.tenants.queries import find_own_tenant
from fsm.work_orders.closing import corrections
from fsm.work_orders.facts import load_facts, load_template
from fsm.work_orders.orders import create_work_order
from fsm.work_orders.tables import Impact, Review, WorkOrder

SOURCE = "inspection"
"""The `source` of such a job; its `source_id` names inspection and item, so that there is only one."""


async def open_corrective_jobs(
    session: Session, actor: Actor, now: datetime, inspection: WorkOrder
) -> list[WorkOrder]:
    """Open what the answers of a locked job ask for and is not open yet; return the new jobs.

    A rule that fails, or a type of work that is not there, is put before a person: the inspection is done
    all the same.
    """
    template = await load_template(session, inspection)
    if template is None or all(item.corrective_if is None for item in template.items):
        return []
    wanted, failed = corrections(template, await load_facts(session, inspection, template))
    for item in failed:
        await _ask(session, inspection, now, item, "The rule 'corrective_if' failed.")
    opened = []
    for item in wanted:
        if await _find_opened(session, inspection, item) is not None:
            continue
        try:
            opened.append(await _open(session, actor, now, inspection, item))
        except (Invalid, NotFound) as problem:
            await _ask(session, inspection, now, item, problem.detail)
    return opened


async def _open(
    session: Session, actor: Actor, now: datetime, inspection: WorkOrder, item: Item
) -> WorkOrder:
    assert item.corrective_work_type is not None
    tenant_id = inspection.tenant_id
    site = await session.get(Site, (tenant_id, inspection.site_id))
    assert site is not None
    asset = (
        await session.get(Asset, (tenant_id, inspection.asset_id)) if inspection.asset_id else None
    )
    if asset is not None and asset.site_id != site.id:
        asset = None  # moved away since; the finding was made here
    tenant = await find_own_tenant(session, tenant_id)
    job = await create_work_order(
        session,
        actor,
        now,
        work_type=await catalogue.find_work_type_by_code(session, actor, item.corrective_work_type),
        site=site,
        asset=asset,
        title=item.title(tenant.language),
        description=f"{inspection.number}: {inspection.title}",
        reported_at=inspection.work_done_at or now,
        # An inspection finds a defect on a machine that runs: that is no failure and no time down.
        impact=Impact.RUNNING,
        follows=inspection,
    )
    job.source, job.source_id = SOURCE, _source_id(inspection, item)
    await session.flush()
    await events.record(
        session,
        actor,
        "work_order.corrective_opened",
        "work_order",
        inspection.id,
        now=now,
        item=item.id,
        opened_id=str(job.id),
        number=job.number,
    )
    return job


def _source_id(inspection: WorkOrder, item: Item) -> str:
    return f"{inspection.id}/{item.id}"


async def _find_opened(session: Session, inspection: WorkOrder, item: Item) -> WorkOrder | None:
    statement = select(WorkOrder).where(
        WorkOrder.tenant_id == inspection.tenant_id,
        WorkOrder.source == SOURCE,
        WorkOrder.source_id == _source_id(inspection, item),
    )
    return (await session.exec(statement)).one_or_none()


async def _ask(
    session: Session, inspection: WorkOrder, now: datetime, item: Item, why: str
) -> None:
    session.add(
        Review(
            tenant_id=inspection.tenant_id,
            work_order_id=inspection.id,
            kind="corrective_not_opened",
            data={"item": item.id, "work_type": item.corrective_work_type, "why": why},
            raised_at=now,
        )
    )
