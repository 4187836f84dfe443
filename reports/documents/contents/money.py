"""Statements and invoice data as documents keep them."""

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from uuid import UUID

from fsm.actors import Actor
from fsm.amounts import rounded
from fsm.contracts.queries import find_contract
from fsm.customers.queries import find_customer
from fsm.customers.tables import Customer
from fsm.database import Session, run
from fsm.problems import Problem
from fsm.tenants.queries import find_own_tenant
from reports.documents.contents.collected import Collected
from reports.statements.contract import Days, contract_statement, customer_statement


class NothingToBill(Problem):
    """No priced line of these days is the customer's to pay."""

    code, status, title = "nothing-to-bill", 409, "There is nothing to bill"


async def collect_statement(
    session: Session,
    actor: Actor,
    now: datetime,
    contract_id: UUID,
    days: Days,
    *,
    is_internal: bool,
) -> Collected:
    """Return a contract's statement: inside, or as its customer sees it."""
    contract = await find_contract(session, actor, contract_id)
    customer = await session.get_one(Customer, (actor.tenant_id, contract.customer_id))
    make = contract_statement if is_internal else customer_statement
    content = {
        "is_internal": is_internal,
        "contract": {name: getattr(contract, name) for name in ("id", "number", "name", "kind")},
        "customer": {"number": customer.number, "name": customer.name},
        "statement": await make(session, actor, now, contract_id, days),
    }
    tenant = await find_own_tenant(session, actor.tenant_id)
    return Collected(content, tenant.zone, "contract", contract_id, contract.customer_id)


async def collect_invoice(
    session: Session,
    actor: Actor,
    customer_id: UUID,
    days: Days,
    *,
    vat_rate: Decimal,
    vat_category: str,
) -> Collected:
    """Return what a customer is billed for the days: one line per job, kind of cost and source.

    Tax is reckoned on the sum of all lines, as EN 16931 wants it. What has no price is counted, and takes
    nothing with it that has one.
    """
    customer = await find_customer(session, actor, customer_id)
    tenant = await find_own_tenant(session, actor.tenant_id)
    first_on, end_on = days.first_on, days.last_on + timedelta(1)
    rows: Any = await run(
        session,
        _LINES,
        t=actor.tenant_id,
        customer=customer_id,
        from_on=first_on,
        to_on=end_on,
        currency=tenant.currency,
    )
    lines, unpriced = [], 0
    for row in rows:
        if row.net is None:
            unpriced += 1
            continue
        lines.append(
            {
                "work_order_id": row.work_order_id,
                "work_order": row.number,
                "kind": row.kind,
                "about": row.title,
                "quantity": row.quantity,
                "unit": row.unit,
                "unit_price": (row.net / row.quantity).quantize(Decimal("0.0001"), ROUND_HALF_EVEN),
                "net": row.net,
                "vat_category": vat_category,
                "vat_rate": vat_rate,
                "payer": "customer",
                "posted_on": row.posted_on,
            }
        )
    if not lines:
        raise NothingToBill(
            f"No priced line of {customer.number} was posted between {first_on} and {days.last_on}.",
            unpriced=unpriced,
        )
    net = sum((line["net"] for line in lines), Decimal(0))
    vat = rounded(net * vat_rate / 100, tenant.currency)
    content = {
        "company": tenant.name,
        "customer": {
            name: getattr(customer, name)
            for name in ("id", "number", "name", "tax_number", "email")
        },
        "first_on": first_on,
        "last_on": days.last_on,
        "currency": tenant.currency,
        "vat_rate": vat_rate,
        "vat_category": vat_category,
        "lines": lines,
        "net": net,
        "vat": vat,
        "gross": net + vat,
        "unpriced": unpriced,
    }
    return Collected(content, tenant.zone, "customer", customer_id, customer_id)


_LINES = """
select l.work_order_id, w.number, w.title, l.kind, l.unit, max(l.posted_on) as posted_on,
  sum(l.quantity) as quantity, sum(l.price) as net
from cost_line l join work_order w on w.tenant_id = l.tenant_id and w.id = l.work_order_id
where l.tenant_id = :t and w.customer_id = :customer and l.payer = 'customer' and l.currency = :currency
  and l.kind <> 'recovery' and l.posted_on >= :from_on and l.posted_on < :to_on
group by l.work_order_id, w.number, w.title, l.kind, l.unit, l.price is null
having sum(l.quantity) <> 0
order by w.number, l.kind, l.unit, l.price is null
"""
