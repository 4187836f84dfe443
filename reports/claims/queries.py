"""Everything about claims that touches the database."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.appending import new_row
from fsm.canonical import canonical_json
from fsm.contracts.coverage import Payer
from fsm.database import Session, run
from fsm.problems import Conflict, Invalid
from fsm.work_orders import ledger
from fsm.work_orders.ledger.correcting import list_standing
from fsm.work_orders.orders import lock_work_order
from fsm.work_orders.records import CostKind, CostLine
from fsm.work_orders.tables import WorkOrder
from reports.claims.tables import ClaimLine, ClaimStatus, WarrantyClaim


async def list_claims(
    session: Session,
    actor: Actor,
    *,
    status: ClaimStatus | None,
    after: UUID | None,
    limit: int,
) -> Sequence[WarrantyClaim]:
    statement = (
        select(WarrantyClaim)
        .where(WarrantyClaim.tenant_id == actor.tenant_id)
        .order_by(col(WarrantyClaim.id))
        .limit(limit)
    )
    if status is not None:
        statement = statement.where(WarrantyClaim.status == status)
    if after is not None:
        statement = statement.where(WarrantyClaim.id > after)
    return (await session.exec(statement)).all()


async def find_claim(
    session: Session, actor: Actor, claim_id: UUID, *, lock: bool = False
) -> WarrantyClaim:
    statement = select(WarrantyClaim).where(
        WarrantyClaim.tenant_id == actor.tenant_id, WarrantyClaim.id == claim_id
    )
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return await session.found(statement, f"No claim {claim_id}.")


async def make_claim(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    *,
    number: str,
    currency: str,
) -> WarrantyClaim:
    """Claim what a job has cost that the manufacturer bears and that no claim is for yet.

    The pack is frozen: whose machine, what failed, parts, labour, and the hash of every photo.
    """
    work_order = await lock_work_order(session, actor, work_order_id)
    claimed_before = select(ClaimLine.cost_line_id).where(ClaimLine.tenant_id == actor.tenant_id)
    lines = await list_standing(
        session,
        actor,
        work_order_id,
        CostLine.payer == str(Payer.MANUFACTURER),
        CostLine.kind != str(CostKind.RECOVERY),
        CostLine.currency == currency,
        col(CostLine.id).not_in(claimed_before),
    )
    claimed = sum((line.amount for line in lines), Decimal(0))
    if claimed <= 0:
        raise Invalid(
            f"{work_order.number} has no costs in {currency} that a manufacturer bears and that are not "
            "claimed yet. Decide who pays first.",
            errors=[{"at": "/work_order_id", "detail": "nothing to claim"}],
        )
    pack = await _pack(session, actor, work_order, lines)
    claim = WarrantyClaim(
        tenant_id=actor.tenant_id,
        number=number,
        work_order_id=work_order_id,
        manufacturer=pack["assets"][0]["manufacturer"] if pack["assets"] else "",
        currency=currency,
        claimed=claimed,
        pack=pack,
        pack_sha256=sha256(canonical_json(pack)).digest(),
        claimed_at=now,
    )
    session.add(claim)
    await session.flush()
    for line in lines:
        session.append(
            new_row(ClaimLine, tenant_id=actor.tenant_id, claim_id=claim.id, cost_line_id=line.id)
        )
    await session.flush()
    await _record(session, actor, now, "warranty_claim.made", claim)
    return claim


async def decide(
    session: Session,
    actor: Actor,
    now: datetime,
    claim_id: UUID,
    *,
    approved: Decimal,
    ground: str,
) -> WarrantyClaim:
    """Note what the manufacturer grants; less than was claimed needs the ground that they gave."""
    claim = await find_claim(session, actor, claim_id, lock=True)
    if claim.status != ClaimStatus.CLAIMED:
        raise Conflict(f"This claim is {claim.status}; it has been decided.")
    if approved > claim.claimed:
        raise Invalid(
            f"No more than the {claim.claimed} claimed can be granted.",
            errors=[{"at": "/approved"}],
        )
    if approved < claim.claimed and not ground:
        raise Invalid("Say on what ground the manufacturer refused.", errors=[{"at": "/ground"}])
    claim.status = ClaimStatus.APPROVED if approved else ClaimStatus.REFUSED
    claim.approved, claim.ground, claim.decided_at = approved, ground, now
    claim.rev += 1
    await session.flush()
    await _record(session, actor, now, "warranty_claim.decided", claim)
    return claim


async def reimburse(
    session: Session, actor: Actor, now: datetime, claim_id: UUID, *, amount: Decimal, paid_on: date
) -> WarrantyClaim:
    """Note money that came: it is a recovery in the ledger. All that was granted has then been reimbursed."""
    claim = await find_claim(session, actor, claim_id, lock=True)
    if claim.approved is None or claim.status != ClaimStatus.APPROVED:
        raise Conflict(f"This claim is {claim.status}; nothing is to be paid on it.")
    if amount <= 0 or claim.paid + amount > claim.approved:
        raise Invalid(
            f"{claim.approved - claim.paid} of what was granted is still to be paid.",
            errors=[{"at": "/amount"}],
        )
    await ledger.post_by_hand(
        session,
        actor,
        now,
        claim.work_order_id,
        kind=CostKind.RECOVERY,
        quantity=Decimal(1),
        unit="",
        unit_cost=amount,
        currency=claim.currency,
        posted_on=paid_on,
        payer=Payer.MANUFACTURER,
        note=f"Claim {claim.number}",
    )
    claim.paid += amount
    claim.paid_on = paid_on
    if claim.paid == claim.approved:
        claim.status = ClaimStatus.REIMBURSED
    claim.rev += 1
    await session.flush()
    await _record(session, actor, now, "warranty_claim.paid", claim, amount=str(amount))
    return claim


async def _pack(
    session: Session, actor: Actor, work_order: WorkOrder, lines: Sequence[CostLine]
) -> dict[str, Any]:
    """Return what a manufacturer is sent, as JSON that will not change."""
    about = {"t": actor.tenant_id, "job": work_order.id}
    assets = [line.asset_id for line in lines if line.asset_id is not None]
    rows: dict[str, list[dict[str, Any]]] = {}
    for name, sql, values in (
        ("assets", _ASSETS, {"t": actor.tenant_id, "ids": assets}),
        ("failures", _FAILURE, {"t": actor.tenant_id, "failure": work_order.failure_id}),
        ("parts", _PARTS, {**about, "used": [one.source_id for one in lines]}),
        ("photos", _PHOTOS, about),
    ):
        found = await run(session, sql, **values)
        rows[name] = [dict(row) for row in found.mappings()]
    pack = {
        "work_order": {
            "id": work_order.id,
            "number": work_order.number,
            "title": work_order.title,
            "reported_at": work_order.reported_at,
            "work_done_at": work_order.work_done_at,
        },
        **rows,
        "lines": [
            {
                "id": line.id,
                "asset_id": line.asset_id,
                "kind": line.kind,
                "quantity": line.quantity,
                "unit": line.unit,
                "unit_cost": line.unit_cost,
                "amount": line.amount,
                "currency": line.currency,
                "posted_on": line.posted_on,
                "rule": line.payer_rule,
            }
            for line in lines
        ],
    }
    made: dict[str, Any] = msgspec.to_builtins(pack)
    return made


async def _record(
    session: Session, actor: Actor, now: datetime, kind: str, claim: WarrantyClaim, **data: Any
) -> None:
    await events.record(
        session,
        actor,
        kind,
        "warranty_claim",
        claim.id,
        now=now,
        number=claim.number,
        work_order_id=str(claim.work_order_id),
        status=str(claim.status),
        claimed=str(claim.claimed),
        approved=None if claim.approved is None else str(claim.approved),
        paid=str(claim.paid),
        currency=claim.currency,
        ground=claim.ground,
        pack_sha256=claim.pack_sha256.hex(),
        **data,
    )


_ASSETS = """
select a.id, a.number, a.name, a.serial, m.code as model, m.name as model_name, m.manufacturer,
       a.commissioned_on, a.warranty_ends_on
from asset a join asset_model m on m.tenant_id = :t and m.id = a.model_id
where a.tenant_id = :t and a.id = any(cast(:ids as uuid[])) order by a.number
"""

_FAILURE = """
select id, failed_at, detected_at, restored_at, mode, mechanism, cause from failure
where tenant_id = :t and id = :failure
"""

_PARTS = """
select u.id, p.number, p.name, p.manufacturer, p.is_original, u.quantity, p.unit, u.used_at
from part_used u join part p on p.tenant_id = :t and p.id = u.part_id
where u.tenant_id = :t and u.work_order_id = :job and u.id = any(cast(:used as uuid[])) order by u.id
"""

_PHOTOS = """
select id, item, slot, encode(sha256, 'hex') as sha256, mime, size, state, captured_at from photo
where tenant_id = :t and work_order_id = :job and retracted_at is null order by item, slot, id
"""
