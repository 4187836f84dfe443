"""Preventive work of the demonstration: by the calendar, by a counter, in a season, on a finding."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlmodel import col, select

from fsm.actors import Actor
from fsm.assets import meters
from fsm.assets.tables import Asset, AssetModel
from fsm.catalogue import queries as catalogue
from fsm.database import Session
from fsm.maintenance import queries as maintenance

_WEEKS_READ: Final = 26


async def plan_upkeep(session: Session, actor: Actor, now: datetime, today: date) -> None:
    """Add some plans, due around today, and a counter that has been read for half a year."""
    work_type = await catalogue.find_work_type_by_code(session, actor, "inspection")
    models = {
        model.code: model.id
        for model in await session.exec(
            select(AssetModel).where(AssetModel.tenant_id == actor.tenant_id)
        )
    }
    statement = (
        select(Asset)
        .where(Asset.tenant_id == actor.tenant_id, Asset.model_id == models["LC-9"])
        .order_by(col(Asset.number))
        .limit(1)
    )
    goods_lift = (await session.exec(statement)).one()
    meter = await meters.add_meter(
        session,
        actor,
        now,
        goods_lift.id,
        {"code": "hours", "name": "Running hours", "unit": "h", "rollover_at": None},
    )
    for week in range(_WEEKS_READ + 1):
        await meters.add_reading(
            session,
            actor,
            now,
            meter.id,
            read_at=now - timedelta(weeks=_WEEKS_READ - week),
            value=Decimal(7_060 + 34 * week + (week * 7) % 5),
        )
    soon = today + timedelta(days=3)
    for plan in (
        {
            "code": "water-quarter",
            "name": "Quarterly service of the water plant",
            "model_id": models["DW-1"],
            "rule": f"FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY={min(soon.day, 28)}",
            "starts_on": soon.replace(day=1),
            "series": "water",
            "estimate_s": 5_400,
        },
        {
            "code": "water-year",
            "name": "Yearly overhaul of the water plant",
            "model_id": models["DW-1"],
            "rule": "FREQ=YEARLY",
            "starts_on": (soon + timedelta(days=92)).replace(day=1),
            "series": "water",
            "size": 4,
            "estimate_s": 14_400,
        },
        {
            "code": "cooling-season",
            "name": "Filters in the cooling season",
            "model_id": models["AC-40"],
            "rule": "FREQ=MONTHLY;BYMONTHDAY=31",
            "starts_on": date(today.year, 1, 1),
            "pauses": [["10-01", "04-15"]],
            "lead_days": 7,
        },
        {
            "code": "goods-lift-500h",
            "name": "500-hour service",
            "asset_id": goods_lift.id,
            "trigger": "meter",
            "meter_code": "hours",
            "every_units": Decimal(500),
            "or_months": 6,
            "starts_on": today - timedelta(days=60),
            "counts_from": "completion",
        },
        {
            "code": "vibration",
            "name": "Bearing check after a vibration alarm",
            "model_id": models["VU-7"],
            "trigger": "condition",
            "within_days": 5,
            "starts_on": today,
            "priority": 3,
        },
    ):
        values: dict[str, Any] = {
            "work_type_id": work_type.id,
            "trigger": "calendar",
            "counts_from": "plan",
            **plan,
        }
        await maintenance.add_plan(session, actor, now, values)
