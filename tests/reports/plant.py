"""Rows that the tests of figures over HTTP stand on."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.dialects.postgresql import Range
from sqlmodel import select

from fsm.assets.tables import Asset, Failure, Outage
from fsm.catalogue.tables import WorkTypeVersion
from fsm.database import Session
from fsm.work_orders.records import CostLine, TimeEntry
from fsm.work_orders.tables import WorkOrder
from tests.company import Company


def machine(company: Company, number: str, since: datetime, **more: Any) -> Asset:
    return Asset(
        **{
            "tenant_id": company.id,
            "customer_id": company.customer.id,
            "site_id": company.site.id,
            "model_id": company.model.id,
            "number": number,
            "name": f"Machine {number}",
            "in_service_from": since,
            "created_at": since,
        }
        | more
    )


def failure(asset: Asset, at: datetime, **more: Any) -> Failure:
    return Failure(
        **{"tenant_id": asset.tenant_id, "asset_id": asset.id, "failed_at": at, "detected_at": at}
        | more
    )


def outage(asset: Asset, begins: datetime, ends: datetime | None, **more: Any) -> Outage:
    return Outage(tenant_id=asset.tenant_id, asset_id=asset.id, during=Range(begins, ends), **more)


async def job(
    session: Session, company: Company, number: str, reported_at: datetime, **more: Any
) -> WorkOrder:
    """Add a corrective job at the company's site, without an asset unless one is given."""
    version = (
        await session.exec(
            select(WorkTypeVersion).where(WorkTypeVersion.work_type_id == company.work_type.id)
        )
    ).one()
    work_order = WorkOrder(
        **{
            "tenant_id": company.id,
            "number": number,
            "customer_id": company.customer.id,
            "site_id": company.site.id,
            "work_type_id": company.work_type.id,
            "work_type_version_id": version.id,
            "request_class": "incident",
            "maintenance": "corrective",
            "title": number,
            "reported_at": reported_at,
            "created_at": reported_at,
        }
        | more
    )
    session.add(work_order)
    await session.flush()
    return work_order


def worked(
    company: Company, work_order: WorkOrder, begins: datetime, ends: datetime, **more: Any
) -> TimeEntry:
    return TimeEntry(
        **{
            "tenant_id": company.id,
            "work_order_id": work_order.id,
            "technician_id": company.technician.id,
            "kind": "work",
            "during": Range(begins, ends),
            "recorded_at": ends,
        }
        | more
    )


def line(work_order: WorkOrder, day: date, amount: str, **more: Any) -> CostLine:
    return CostLine(
        **{
            "tenant_id": work_order.tenant_id,
            "work_order_id": work_order.id,
            "asset_id": work_order.asset_id,
            "contract_id": work_order.contract_id,
            "kind": "labour",
            "quantity": Decimal(1),
            "unit_cost": Decimal(amount),
            "amount": Decimal(amount),
            "currency": "EUR",
            "posted_on": day,
            "source_kind": "test",
            "created_at": work_order.created_at,
        }
        | more
    )
