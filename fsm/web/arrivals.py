"""When a technician will be there: from where they are, where they let us know, else by the plan."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import select

from fsm.actors import public_actor
from fsm.customers.tables import Site
from fsm.database import Session
from fsm.technicians.positions import last_position
from fsm.web.progress import Progress
from fsm.web.views import StepName
from fsm.work_orders.request_story import Story
from fsm.work_orders.tables import WorkOrder
from scheduler.roads import drive_between


async def with_arrival(session: Session, story: Story, made: Progress, now: datetime) -> Progress:
    """Return how far a report has come with a better estimate of the arrival, where a position gives one.

    The position itself is never shown: a customer learns when, not where.
    """
    if story.work_order is None:
        return made
    return await with_arrival_at(session, story.work_order, story.zone, made, now)


async def with_arrival_at(
    session: Session, job: WorkOrder, zone: str, made: Progress, now: datetime
) -> Progress:
    """Return how far a job has come, likewise; `zone` is its site's."""
    if made.current is not StepName.ON_THE_WAY or made.technician_id is None:
        return made
    actor = public_actor(job.tenant_id)
    here = await last_position(session, actor, made.technician_id, now)
    if here is None:
        return made
    statement = select(Site.latitude, Site.longitude).where(
        Site.tenant_id == job.tenant_id, Site.id == job.site_id
    )
    latitude, longitude = (await session.exec(statement)).one()
    if latitude is None or longitude is None:
        return made
    travel = await drive_between(
        session,
        job.tenant_id,
        (here.latitude, here.longitude),
        (latitude, longitude),
        now.astimezone(ZoneInfo(zone)).hour,
    )
    drive = timedelta(seconds=int(travel.seconds[0, 1]))
    return replace(made, arrival_at=max(now, here.fixed_at + drive))
