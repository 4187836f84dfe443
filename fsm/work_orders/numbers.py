"""Numbers that people say on the phone: R-1 for requests, W-1 for work orders, without gaps to guess from."""

from enum import StrEnum

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from fsm.actors import Actor
from fsm.database import Session
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
