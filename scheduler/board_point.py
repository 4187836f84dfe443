"""Points of a company's history, between which a board is told what happened.

An event gets its number after it has committed. A point therefore names the last number, and the events that
were seen while they waited for theirs: whatever commits late is told, and nothing is told for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from fsm.database import Reader

MOST_NAMED = 200
"""Waiting events that a point names; those beyond are told again, which does no harm."""
POINT = rf"^[0-9]{{1,18}}(\.[0-9a-f]{{8}}){{0,{MOST_NAMED}}}$"
"""How a point is written: the number, and of each waiting event the end of its id."""

_POINT = """
select coalesce((select max(number) from chain_head where tenant_id = $1), 0) as number,
  array(select right(cast(event_id as text), 8) from event_unsealed where tenant_id = $1
    order by event_id desc limit $2) as waiting
"""

_AFTER = """
select e.kind, e.entity, e.entity_id from event_unsealed u
join event e on e.tenant_id = u.tenant_id and e.id = u.event_id
where u.tenant_id = $1 and not right(cast(u.event_id as text), 8) = any($3)
union all
select e.kind, e.entity, e.entity_id from event_seal s
join event e on e.tenant_id = s.tenant_id and e.id = s.event_id
where s.tenant_id = $1 and s.number > $2 and not right(cast(s.event_id as text), 8) = any($3)
limit $4
"""


@dataclass(frozen=True, slots=True)
class Point:
    """How far history had come: everything up to `number`, and the `waiting`."""

    number: int
    waiting: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Point:
        """Return the point that was written as `POINT` says."""
        number, *waiting = text.split(".")
        return cls(int(number), tuple(waiting))

    def __str__(self) -> str:
        return ".".join((str(self.number), *self.waiting))


@dataclass(frozen=True, slots=True)
class Happened:
    """What kind of thing happened to which row."""

    kind: str
    entity: str
    entity_id: UUID


async def find_point(reader: Reader) -> Point:
    """Return how far the reader's history has come. One snapshot: nothing comes in between."""
    row = await reader.row(_POINT, reader.actor.tenant_id, MOST_NAMED)
    assert row is not None
    return Point(row["number"], tuple(row["waiting"]))


async def list_happened(reader: Reader, since: Point, most: int) -> list[Happened]:
    """Return what happened after a point, at most `most`, in no order."""
    rows = await reader.rows(
        _AFTER, reader.actor.tenant_id, since.number, list(since.waiting), most
    )
    return [Happened(**dict(row)) for row in rows]
