"""How much preventive work is coming: hours by week and trade, for planning capacity."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from fsm.actors import Actor
from fsm.catalogue.queries import seek_effective_version
from fsm.catalogue.tables import WorkTypeVersion
from fsm.database import Session
from fsm.maintenance.decisions import look_ahead
from fsm.maintenance.due import Due
from fsm.maintenance.queries import check_office
from fsm.maintenance.states import list_planned_assets, load
from fsm.maintenance.tables import MaintenancePlan
from fsm.tenants.queries import find_own_tenant

_AT_ONCE = 500
_A_WEEK = timedelta(days=7)

Trade = tuple[str, ...]
"""The skills that a job asks of one person, by code."""


@dataclass(slots=True)
class Load:
    """Work of one week and trade, in whole seconds of one person.

    `unsure_s` is the part whose forecast may as well fall into another week.
    """

    jobs: int = 0
    work_s: int = 0
    unsure_s: int = 0


@dataclass(slots=True)
class Outlook:
    first_on: date
    weeks: int
    zone: str
    loads: dict[tuple[date, Trade], Load] = field(default_factory=lambda: defaultdict(Load))


@dataclass(frozen=True, slots=True)
class Coming:
    """One service to come."""

    plan: MaintenancePlan
    asset_id: UUID
    asset_number: str
    zone: str
    due: Due


async def look(session: Session, actor: Actor, now: datetime, *, weeks: int) -> Outlook:
    """Return the work of the present week from now on, and of the weeks after it, on the company's clocks."""
    check_office(actor)
    tenant = await find_own_tenant(session, actor.tenant_id)
    zone = ZoneInfo(tenant.zone)
    today = now.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    to_at = datetime.combine(monday + weeks * _A_WEEK, time(), zone).astimezone(UTC)
    outlook = Outlook(monday, weeks, tenant.zone)
    contents: dict[UUID, WorkTypeVersion | None] = {}
    for one in await list_coming(session, actor, now, to_at):
        plan = one.plan
        if plan.work_type_id not in contents:
            contents[plan.work_type_id] = await seek_effective_version(
                session, actor, plan.work_type_id, now
            )
        version = contents[plan.work_type_id]
        trade = tuple(sorted(str(skill["skill"]) for skill in version.skills)) if version else ()
        lasts = plan.estimate_s or (version.duration_s if version else 0)
        week = _monday(max(one.due.due_at, now), zone)
        load_of = outlook.loads[week, trade]
        load_of.jobs += 1
        load_of.work_s += lasts * plan.crew_size
        hi_at = one.due.hi_at
        sure = hi_at is not None and _monday(max(one.due.lo_at, now), zone) == week
        if not sure or _monday(max(hi_at or now, now), zone) != week:
            load_of.unsure_s += lasts * plan.crew_size
    return outlook


async def list_coming(
    session: Session,
    actor: Actor,
    now: datetime,
    to_at: datetime,
    *,
    plan_id: UUID | None = None,
    asset_id: UUID | None = None,
) -> list[Coming]:
    """Return the services to come before `to_at`, soonest first; late ones are among them."""
    coming: list[Coming] = []
    after: UUID | None = None
    while True:
        asset_ids = await list_planned_assets(
            session, actor, plan_id=plan_id, asset_id=asset_id, after=after, limit=_AT_ONCE
        )
        for placed in await load(session, actor, now, asset_ids) if asset_ids else ():
            for state, due in look_ahead(placed.states, now, now, to_at):
                if plan_id is None or state.plan_id == plan_id:
                    asset = placed.asset
                    plan = placed.plans[state.plan_id]
                    coming.append(Coming(plan, asset.id, asset.number, placed.site.zone, due))
        if len(asset_ids) < _AT_ONCE:
            return sorted(coming, key=lambda one: (one.due.due_at, one.asset_number, one.plan.code))
        after = asset_ids[-1]


def _monday(at: datetime, zone: ZoneInfo) -> date:
    day = at.astimezone(zone).date()
    return day - timedelta(days=day.weekday())
