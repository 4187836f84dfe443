"""Pages of jobs, visits and history: read as rows, without building objects."""

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from fsm.actors import Actor
from fsm.database import Reader, Session
from fsm.problems import Invalid, NotFound
from fsm.work_orders.tables import Visit, WorkOrder
from fsm.work_orders.views import (
    ClockView,
    VisitView,
    WorkOrderPage,
    WorkOrderRow,
    WorkOrderView,
    office_actions,
)
from fsm.work_orders.visits import own_visits


def cursor(reported_at: datetime, row_id: UUID) -> str:
    """Return where a page in order of (reported_at, id), newest first, ended."""
    text = json.dumps([reported_at.isoformat(), str(row_id)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(after: str) -> tuple[datetime, UUID]:
    try:
        text = base64.urlsafe_b64decode(after + "=" * (-len(after) % 4))
        reported_at, row_id = json.loads(text)
        moment = datetime.fromisoformat(reported_at)
        if moment.tzinfo is None:
            raise ValueError("naive")
        return moment, UUID(row_id)
    except (ValueError, TypeError, AttributeError):
        raise Invalid(
            "'after' must be the 'next' of the page before.", errors=[{"at": "/after"}]
        ) from None


_ROW = ", ".join(WorkOrderRow.__struct_fields__)
_CLOCK = ", ".join(f"c.{name}" for name in ClockView.__struct_fields__)
_VISIT = ", ".join(f"v.{name}" for name in VisitView.__struct_fields__)
_OWN = [
    name for name in WorkOrderView.__struct_fields__ if name not in ("clocks", "visits", "allowed")
]
_ONE = f"""
    select {", ".join(f"w.{name}" for name in _OWN)},
      array(select ({_CLOCK}) from clock c
            where c.tenant_id = w.tenant_id and c.work_order_id = w.id order by c.kind),
      array(select ({_VISIT}) from visit v
            where v.tenant_id = w.tenant_id and v.work_order_id = w.id
            order by v.planned_starts_at, v.id)
    from work_order w where w.tenant_id = $1 and w.id = $2
      and ($3::uuid is null or w.customer_id = $3)"""  # noqa: S608 — our own column names


async def read_work_order(reader: Reader, work_order_id: UUID) -> WorkOrderView:
    """Return one job with its clocks and visits in one round trip."""
    actor = reader.actor
    row = await reader.row(_ONE, actor.tenant_id, work_order_id, actor.customer_id)
    if row is None:
        raise NotFound(f"No work order {work_order_id}.")
    *own, clocks, visits = row  # in the order of the view's fields, which end with these three
    values: list[Any] = [
        *own,
        [ClockView(*clock) for clock in clocks],
        [VisitView(*visit) for visit in visits],
        office_actions(row["status"]),
    ]
    return WorkOrderView(*values)


async def list_work_orders(
    reader: Reader,
    *,
    after: str | None,
    limit: int,
    status: Sequence[str] | None = None,
    asset_id: UUID | None = None,
    site_id: UUID | None = None,
    contract_id: UUID | None = None,
    q: str | None = None,
) -> WorkOrderPage:
    """Return a page of jobs, newest report first; `q` is looked for in number and title."""
    conditions = ["tenant_id = $1"]
    values: list[object] = [reader.actor.tenant_id]

    def where(condition: str, *wanted: object) -> None:
        places = [f"${len(values) + number}" for number in range(1, len(wanted) + 1)]
        conditions.append(condition.format(*places))
        values.extend(wanted)

    if reader.actor.customer_id is not None:
        where("customer_id = {}", reader.actor.customer_id)
    if after is not None:
        where("(reported_at, id) < ({}, {})", *read_cursor(after))
    if status:
        where("status = any({})", list(status))
    if asset_id is not None:
        where("asset_id = {}", asset_id)
    if site_id is not None:
        where("site_id = {}", site_id)
    if contract_id is not None:
        where("contract_id = {}", contract_id)
    if q:
        pattern = "%" + q.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
        where("(number ilike {0} or title ilike {0})", pattern)
    rows = await reader.rows(
        f"select {_ROW} from work_order where {' and '.join(conditions)} "  # noqa: S608
        f"order by reported_at desc, id desc limit {int(limit) + 1}",
        *values,
    )
    items = [WorkOrderRow(*row) for row in rows[:limit]]
    more = len(rows) > limit
    return WorkOrderPage(items, cursor(items[-1].reported_at, items[-1].id) if more else None)


async def list_records(session: Session, work_order: WorkOrder, table: Any) -> list[Any]:
    """Return a job's rows of one table of records, oldest first."""
    statement = (
        select(table)
        .where(table.tenant_id == work_order.tenant_id, table.work_order_id == work_order.id)
        .order_by(col(table.id))
    )
    return list(await session.exec(statement))


async def list_visits_between(
    session: Session,
    actor: Actor,
    from_at: datetime,
    to_at: datetime,
    technician_id: UUID | None = None,
    limit: int = 5_000,
) -> list[Visit]:
    """Return the visits that touch [from_at, to_at), in order of technician and time.

    More than `limit` are refused: a board with some of them left out would lie.
    """
    statement = (
        select(Visit)
        .where(
            *own_visits(actor),
            Visit.planned_starts_at < to_at,
            Visit.planned_ends_at > from_at,
        )
        .order_by(col(Visit.technician_id), col(Visit.planned_starts_at), col(Visit.id))
        .limit(limit + 1)
    )
    if technician_id is not None:
        statement = statement.where(Visit.technician_id == technician_id)
    found = list(await session.exec(statement))
    if len(found) > limit:
        raise Invalid(
            f"These are more than {limit} visits. Ask for a shorter span, or for one technician.",
            errors=[{"at": "/to", "detail": "too many visits"}],
        )
    return found
