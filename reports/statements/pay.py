"""Technicians' pay from the database: rules, what a period comes to, statements, contractors' invoices."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import Range
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.appending import new_row
from fsm.contracts.coverage import InvalidTerms
from fsm.database import Session, revise, run
from fsm.problems import Conflict, Invalid
from fsm.technicians.tables import Technician
from fsm.tenants.queries import find_zone_and_currency
from reports.formulae import pay
from reports.formulae.pay import Item, ItemKind, PayKind, Rule
from reports.months import day_begins
from reports.statements.contract import Days
from reports.statements.tables import ContractorInvoice, PayLine, PayRule, PayStatement

# --- rules ------------------------------------------------------------------------------------------------


async def list_rules(
    session: Session, actor: Actor, *, after: UUID | None, limit: int
) -> Sequence[PayRule]:
    statement = (
        select(PayRule)
        .where(PayRule.tenant_id == actor.tenant_id)
        .order_by(col(PayRule.id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(PayRule.id > after)
    return (await session.exec(statement)).all()


async def add_rule(
    session: Session, actor: Actor, now: datetime, values: Mapping[str, Any]
) -> PayRule:
    try:
        conditions = pay.read_conditions(values["conditions"])
    except InvalidTerms as error:
        raise Invalid(str(error), errors=[{"at": error.at, "detail": error.reason}]) from None
    own = await find_zone_and_currency(session, actor.tenant_id)
    rule = PayRule(
        tenant_id=actor.tenant_id,
        **{**values, "conditions": conditions, "currency": values["currency"] or own.currency},
    )
    session.add(rule)
    await session.flush()
    await events.record(
        session,
        actor,
        "pay_rule.created",
        "pay_rule",
        rule.id,
        now=now,
        code=rule.code,
        pay_kind=str(rule.kind),
        amount=str(rule.amount),
        currency=rule.currency,
    )
    return rule


async def end_rule(
    session: Session, actor: Actor, now: datetime, rule_id: UUID, rev: int, ends_on: date
) -> PayRule:
    """Set a rule's last day; what statements have paid by it on later days, the next one takes back."""
    statement = (
        select(PayRule)
        .where(PayRule.tenant_id == actor.tenant_id, PayRule.id == rule_id)
        .with_for_update()
    )
    rule = await session.found(statement, f"No rule of pay {rule_id}.")
    if ends_on < rule.starts_on:
        raise Invalid(
            "A rule ends on the day it starts or later.",
            errors=[{"at": "/ends_on", "detail": "before the first day"}],
        )
    if revise(rule, rev, {"ends_on": ends_on}):
        await session.flush()
        await events.record(
            session,
            actor,
            "pay_rule.ended",
            "pay_rule",
            rule.id,
            now=now,
            ends_on=ends_on.isoformat(),
        )
    return rule


# --- statements -------------------------------------------------------------------------------------------


async def work_out(
    session: Session, actor: Actor, technician_id: UUID, days: Days, currency: str
) -> list[pay.PayLine]:
    """Return what a period comes to by now: earned by its last day less what has been paid."""
    rules = [
        Rule(
            row.id,
            PayKind(row.kind),
            row.amount,
            row.starts_on,
            row.ends_on,
            row.conditions,
        )
        for row in await session.exec(
            select(PayRule).where(
                PayRule.tenant_id == actor.tenant_id,
                PayRule.currency == currency,
                col(PayRule.technician_id).is_(None) | (PayRule.technician_id == technician_id),
            )
        )
    ]
    about = {"t": actor.tenant_id, "technician": technician_id, "last_on": days.last_on}
    rows: Any = await run(session, _ITEMS, **about)
    items = [Item(ItemKind(kind), *rest) for kind, *rest in rows]
    rows = await run(session, _PAID, t=about["t"], technician=technician_id, currency=currency)
    paid = {
        (rule_id, ItemKind(kind), item_id): (on, amount)
        for rule_id, kind, item_id, on, amount in rows
    }
    return pay.statement(pay.earned(rules, items, currency), paid, days.first_on, days.last_on)


async def find_technician(session: Session, actor: Actor, technician_id: UUID) -> Technician:
    """Return a technician whose row is held: two statements at once come one after the other."""
    statement = (
        select(Technician)
        .where(Technician.tenant_id == actor.tenant_id, Technician.id == technician_id)
        .with_for_update(key_share=True)
    )
    return await session.found(statement, f"No technician {technician_id}.")


async def issue_statement(
    session: Session,
    actor: Actor,
    now: datetime,
    technician_id: UUID,
    days: Days,
    currency: str | None,
) -> tuple[PayStatement, list[PayLine]]:
    """Freeze what a technician is paid for a period that is over and comes after those issued before."""
    own = await find_zone_and_currency(session, actor.tenant_id)
    money = currency or own.currency
    if days.last_on >= now.astimezone(ZoneInfo(own.zone)).date():
        raise Invalid(
            "A period is paid when it is over.", errors=[{"at": "/last_on", "detail": "not over"}]
        )
    await find_technician(session, actor, technician_id)
    latest = await run(
        session,
        "select max(upper(during)) from pay_statement"
        " where tenant_id = :t and technician_id = :technician and currency = :currency",
        t=actor.tenant_id,
        technician=technician_id,
        currency=money,
    )
    paid_until = latest.scalar_one()
    if paid_until is not None and days.first_on < paid_until:
        raise Conflict(
            f"What was worked before {paid_until} has been paid. Begin there: late work is included."
        )
    worked_out = await work_out(session, actor, technician_id, days, money)
    statement = PayStatement(
        tenant_id=actor.tenant_id,
        technician_id=technician_id,
        during=Range(*days.half_open),
        currency=money,
        total=pay.total(worked_out),
        adjustments=pay.total(line for line in worked_out if line.is_adjustment),
        issued_at=now,
        issued_by=actor.user_id,
    )
    session.add(statement)
    await session.flush()
    lines = [
        new_row(
            PayLine,
            tenant_id=actor.tenant_id,
            statement_id=statement.id,
            technician_id=technician_id,
            rule_id=line.rule_id,
            item_kind=line.item_kind,
            item_id=line.item_id,
            worked_on=line.worked_on,
            quantity=line.quantity,
            amount=line.amount,
            currency=money,
            is_adjustment=line.is_adjustment,
        )
        for line in worked_out
    ]
    for line in lines:
        session.append(line)
    await session.flush()
    await events.record(
        session,
        actor,
        "pay_statement.issued",
        "pay_statement",
        statement.id,
        now=now,
        technician_id=str(technician_id),
        first_on=days.first_on.isoformat(),
        last_on=days.last_on.isoformat(),
        total=str(statement.total),
        currency=money,
    )
    return statement, lines


async def list_statements(
    session: Session,
    actor: Actor,
    *,
    technician_id: UUID | None,
    after: UUID | None,
    limit: int,
) -> Sequence[PayStatement]:
    statement = (
        select(PayStatement)
        .where(PayStatement.tenant_id == actor.tenant_id)
        .order_by(col(PayStatement.id))
        .limit(limit)
    )
    if technician_id is not None:
        statement = statement.where(PayStatement.technician_id == technician_id)
    if after is not None:
        statement = statement.where(PayStatement.id > after)
    return (await session.exec(statement)).all()


async def find_statement(
    session: Session, actor: Actor, statement_id: UUID
) -> tuple[PayStatement, Sequence[PayLine]]:
    """Return a statement as it was issued, its lines in order of day."""
    found = await session.found(
        select(PayStatement).where(
            PayStatement.tenant_id == actor.tenant_id, PayStatement.id == statement_id
        ),
        f"No statement of pay {statement_id}.",
    )
    lines = await session.exec(
        select(PayLine)
        .where(PayLine.tenant_id == actor.tenant_id, PayLine.statement_id == statement_id)
        .order_by(col(PayLine.worked_on), col(PayLine.id))
    )
    return found, lines.all()


# --- contractors ------------------------------------------------------------------------------------------


async def record_invoice(
    session: Session, actor: Actor, now: datetime, values: Mapping[str, Any]
) -> ContractorInvoice:
    """Record what a contractor billed; it is held against the ledger, and is no cost of its own."""
    technician = await find_technician(session, actor, values["technician_id"])
    if not technician.is_contractor:
        raise Invalid(
            f"{technician.name} is no contractor.",
            errors=[{"at": "/technician_id", "detail": "no contractor"}],
        )
    if values["last_on"] < values["first_on"]:
        raise Invalid("The last day comes before the first.", errors=[{"at": "/last_on"}])
    own = await find_zone_and_currency(session, actor.tenant_id)
    invoice = ContractorInvoice(
        tenant_id=actor.tenant_id,
        recorded_at=now,
        **{**values, "currency": values["currency"] or own.currency},
    )
    session.add(invoice)
    await session.flush()
    await events.record(
        session,
        actor,
        "contractor_invoice.recorded",
        "contractor_invoice",
        invoice.id,
        now=now,
        technician_id=str(invoice.technician_id),
        number=invoice.number,
        amount=str(invoice.amount),
        currency=invoice.currency,
    )
    return invoice


async def contractor_sums(session: Session, actor: Actor, days: Days, currency: str) -> list[Any]:
    """Return per contractor what was offered, accepted, worked, due and billed, and the last two's gap.

    What we took back ourselves was not offered. Days are the company's own.
    """
    first_on, end_on = days.half_open
    zone = (await find_zone_and_currency(session, actor.tenant_id)).zone
    rows: Any = await run(
        session,
        _CONTRACTORS,
        t=actor.tenant_id,
        from_on=first_on,
        to_on=end_on,
        from_at=day_begins(first_on, zone),
        to_at=day_begins(end_on, zone),
        currency=currency,
    )
    return [(*row, row[-1] - row[-2]) for row in rows]


# On time as `on_time` has it: who begins before the window is early.
_ITEMS = """
select case l.unit when 'km' then 'km' else 'hour' end, l.id, l.posted_on, l.quantity, y.code, w.maintenance,
       l.kind, cast(null as boolean), w.is_rework, h.is_contractor
from cost_line l
join work_order w on w.tenant_id = :t and w.id = l.work_order_id
join work_type y on y.tenant_id = :t and y.id = w.work_type_id
join technician h on h.tenant_id = :t and h.id = l.technician_id
where l.tenant_id = :t and l.technician_id = :technician and l.posted_on <= :last_on
  and l.kind in ('labour', 'travel', 'contractor') and l.unit in ('h', 'km')
union all
select 'visit', v.id, (v.finished_at at time zone w.zone)::date, 1, y.code, w.maintenance, '',
       v.arrived_at <= v.window_ends_at
         and coalesce(v.work_started_at, v.arrived_at) >= v.window_starts_at, w.is_rework, h.is_contractor
from visit v
join work_order w on w.tenant_id = :t and w.id = v.work_order_id and w.status in ('completed', 'closed')
join work_type y on y.tenant_id = :t and y.id = w.work_type_id
join technician h on h.tenant_id = :t and h.id = v.technician_id
where v.tenant_id = :t and v.technician_id = :technician and v.status = 'finished'
  and (v.finished_at at time zone w.zone)::date <= :last_on
"""

_PAID = """
select rule_id, item_kind, item_id, min(worked_on), sum(amount) from pay_line
where tenant_id = :t and technician_id = :technician and currency = :currency
group by rule_id, item_kind, item_id
"""

_CONTRACTORS = """
select h.id, h.number, h.name,
  (select count(*) from visit v where v.tenant_id = :t and v.technician_id = h.id
     and v.dispatched_at is not null and v.status <> 'withdrawn' and v.planned_starts_at >= :from_at
     and v.planned_starts_at < :to_at) as offered,
  (select count(*) from visit v where v.tenant_id = :t and v.technician_id = h.id
     and v.dispatched_at is not null and v.status not in ('rejected', 'withdrawn')
     and v.planned_starts_at >= :from_at and v.planned_starts_at < :to_at) as accepted,
  coalesce(sum(l.quantity) filter (where l.unit = 'h'), 0) as hours,
  coalesce(sum(l.quantity) filter (where l.unit = 'km'), 0) as km,
  coalesce(sum(l.amount), 0) as due,
  coalesce((select sum(i.amount) from contractor_invoice i where i.tenant_id = :t
     and i.technician_id = h.id and i.currency = :currency
     and i.last_on >= :from_on and i.last_on < :to_on), 0) as billed
from technician h
left join cost_line l on l.tenant_id = :t and l.technician_id = h.id and l.kind = 'contractor'
  and l.currency = :currency and l.posted_on >= :from_on and l.posted_on < :to_on
where h.tenant_id = :t and h.is_contractor
group by h.id, h.number, h.name
order by h.number
"""
