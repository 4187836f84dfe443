"""What became of a report, as far as its caller may follow it without signing in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, select

from fsm.assets.tables import Asset, AssetModel
from fsm.customers.tables import Site
from fsm.database import Session
from fsm.technicians.tables import Technician
from fsm.tenants.tables import Tenant
from fsm.work_orders.lifecycle import Status
from fsm.work_orders.orders import list_visits
from fsm.work_orders.requests import find_root
from fsm.work_orders.tables import RequestStatus, ServiceRequest, Visit, WorkOrder

LINK_OUTLIVES_JOB = timedelta(days=90)
"""How long a status link still works after the job was closed, cancelled or declined."""


@dataclass(frozen=True, slots=True)
class Story:
    """A report, the request that it belongs to by now, and the job with its visits.

    `model` is "manufacturer model", None for a report about no particular asset. `technicians` are first
    names by id. `zone` is the site's.
    """

    reported: ServiceRequest
    root: ServiceRequest
    work_order: WorkOrder | None
    visits: Sequence[Visit]
    technicians: Mapping[UUID, str]
    service_name: str
    model: str | None
    zone: str

    @property
    def ended_at(self) -> datetime | None:
        """When the job was closed or cancelled, or the request declined; None while something may come."""
        if self.root.status == RequestStatus.DECLINED:
            return self.root.acknowledged_at
        if self.work_order is None:
            return None
        if self.work_order.status == Status.CANCELLED:
            return self.work_order.cancelled_at
        return self.work_order.closed_at if self.work_order.status == Status.CLOSED else None

    def is_over(self, now: datetime) -> bool:
        """Whether the link has expired."""
        latest = self.reported.status_link_expires_at
        if latest is not None and latest <= now:
            return True
        return self.ended_at is not None and self.ended_at + LINK_OUTLIVES_JOB <= now


async def read_story_without_actor(session: Session, reported: ServiceRequest) -> Story:
    """Return the story of a report that its secret link has proved."""
    root = await find_root(session, reported)
    statement = (
        select(WorkOrder)
        .where(WorkOrder.tenant_id == root.tenant_id, WorkOrder.request_id == root.id)
        .order_by(col(WorkOrder.created_at), col(WorkOrder.id))
    )
    work_orders = (await session.exec(statement)).all()
    alive = [each for each in work_orders if each.status != Status.CANCELLED]
    work_order = next(reversed(alive or work_orders), None)
    visits = [] if work_order is None else await list_visits(session, work_order)
    names = await session.exec(
        select(Technician.id, Technician.name).where(
            Technician.tenant_id == root.tenant_id,
            col(Technician.id).in_({visit.technician_id for visit in visits}),
        )
    )
    tenant = (await session.exec(select(Tenant).where(Tenant.id == root.tenant_id))).one()
    site_id = root.site_id or (work_order.site_id if work_order else None)
    zone = None
    if site_id is not None:
        of_site = select(Site.zone).where(Site.tenant_id == root.tenant_id, Site.id == site_id)
        zone = (await session.exec(of_site)).one_or_none()
    return Story(
        reported=reported,
        root=root,
        work_order=work_order,
        visits=visits,
        technicians={each: name.split()[0] for each, name in names if name.strip()},
        service_name=tenant.name,
        model=await model_name(session, root.tenant_id, root.asset_id),
        zone=zone or tenant.zone,
    )


async def model_name(session: Session, tenant_id: UUID, asset_id: UUID | None) -> str | None:
    """Return "manufacturer model" of an asset, None without one."""
    if asset_id is None:
        return None
    statement = (
        select(AssetModel.manufacturer, AssetModel.name)
        .join(
            Asset,
            (col(Asset.tenant_id) == AssetModel.tenant_id) & (col(Asset.model_id) == AssetModel.id),
        )
        .where(Asset.tenant_id == tenant_id, Asset.id == asset_id)
    )
    manufacturer, name = (await session.exec(statement)).one()
    return f"{manufacturer} {name}".strip()
