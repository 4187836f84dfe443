""" "This label is wrong": what passers-by say of labels, and what became of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.assets.tables import Asset, LabelComplaint, LabelReason
from fsm.database import Session
from fsm.problems import Forbidden


async def complain(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    code: str,
    reason: LabelReason,
    text: str = "",
    contact_phone: str = "",
    visitor: str = "",
    asset_id: UUID | None = None,
) -> LabelComplaint:
    """Keep a complaint; `asset_id` is what the label leads to, None for an unknown or dead code."""
    complaint = LabelComplaint(
        tenant_id=actor.tenant_id,
        code=code[:255],
        asset_id=asset_id,
        reason=reason,
        text=text,
        contact_phone=contact_phone,
        visitor=visitor,
        received_at=now,
    )
    session.add(complaint)
    await session.flush()
    await events.record(
        session,
        actor,
        "label.complained",
        "asset" if asset_id else "tenant",
        asset_id or actor.tenant_id,
        now=now,
        complaint_id=str(complaint.id),
        code=complaint.code,
        reason=str(reason),
    )
    return complaint


def _own(actor: Actor) -> list[ColumnElement[bool]]:
    conditions = [col(LabelComplaint.tenant_id) == actor.tenant_id]
    if actor.customer_id is not None:
        conditions.append(
            exists().where(
                col(Asset.tenant_id) == LabelComplaint.tenant_id,
                col(Asset.id) == LabelComplaint.asset_id,
                col(Asset.customer_id) == actor.customer_id,
            )
        )
    return conditions


async def list_complaints(
    session: Session,
    actor: Actor,
    *,
    is_settled: bool | None,
    after: UUID | None,
    limit: int,
) -> Sequence[LabelComplaint]:
    """Return complaints, the latest first."""
    statement: Any = (
        select(LabelComplaint)
        .where(*_own(actor))
        .order_by(col(LabelComplaint.id).desc())
        .limit(limit)
    )
    if is_settled is not None:
        statement = statement.where(col(LabelComplaint.settled_at).is_not(None) == is_settled)
    if after is not None:
        statement = statement.where(col(LabelComplaint.id) < after)
    rows: Sequence[LabelComplaint] = (await session.exec(statement)).all()
    return rows


async def settle(
    session: Session, actor: Actor, now: datetime, complaint_id: UUID, *, settlement: str
) -> LabelComplaint:
    """Say what was done about a complaint. Settling it again keeps the first word."""
    if actor.user_id is None:
        raise Forbidden("A complaint is settled by a person.")
    statement = (
        select(LabelComplaint)
        .where(*_own(actor), col(LabelComplaint.id) == complaint_id)
        .with_for_update()
    )
    complaint = await session.found(statement, f"No complaint {complaint_id}.")
    if complaint.settled_at is None:
        complaint.settled_at = now
        complaint.settled_by = actor.user_id
        complaint.settlement = settlement
        await session.flush()
        await events.record(
            session,
            actor,
            "label.complaint_settled",
            "asset" if complaint.asset_id else "tenant",
            complaint.asset_id or actor.tenant_id,
            now=now,
            complaint_id=str(complaint.id),
            settlement=settlement,
        )
    return complaint
