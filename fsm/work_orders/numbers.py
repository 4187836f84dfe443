"""Numbers that people say on the phone: R-1 for requests, W-1 for work orders, without gaps to guess from."""

from enum import StrEnum

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from fsm.actors import Actor
from fsm.database import Session, run
from fsm.work_orders.tables import Counter


class Series(StrEnum):
    REQUEST = "request"
    WORK_ORDER = "work_order"


_PREFIX = {Series.REQUEST: "R", Series.WORK_ORDER: "W"}


async def next_number(session: Session, actor: Actor, series: Series, count: int = 1) -> list[str]:
    """Return the tenant's next numbers of a series. Holds the counter's row until the commit."""
    statement = (
        insert(Counter)
        .values(tenant_id=actor.tenant_id, name=series, value=count)
        .on_conflict_do_update(
            index_elements=["tenant_id", "name"], set_={"value": col(Counter.value) + count}
        )
        .returning(col(Counter.value))
    )
    last = int((await session.exec(statement)).scalar_one())
    return [f"{_PREFIX[series]}-{number}" for number in range(last - count + 1, last + 1)]


async def bump_numbers(session: Session, actor: Actor, series: Series) -> None:
    """Let the series go on above every number of its form that work orders brought along from elsewhere."""
    await run(
        session,
        """
        insert into counter (tenant_id, name, value)
        select :tenant, :series, taken.most from (
          select max(substring(number from length(:prefix) + 1)::bigint) as most from work_order
          where tenant_id = :tenant and number ~ ('^' || :prefix || '[0-9]{1,15}$')
        ) as taken where taken.most is not null
        on conflict (tenant_id, name) do update set value = greatest(counter.value, excluded.value)
        """,
        tenant=actor.tenant_id,
        series=str(series),
        prefix=f"{_PREFIX[series]}-",
    )
