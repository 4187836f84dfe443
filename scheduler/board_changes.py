"""What changed on a board since a point of history: the jobs that were touched, as they stand now.

History says which jobs those are. An answer may hold what its reader already has, and misses nothing.
"""

from datetime import date, datetime
from uuid import UUID

import msgspec

from fsm.database import Reader
from scheduler.board_point import Point, find_point, list_happened
from scheduler.day_board import (
    BoardAbsence,
    BoardJob,
    BoardShift,
    BoardVisit,
    find_days,
    list_times,
    list_work,
)

MOST_CHANGES = 500
"""Where more happened, all of the board is read anew."""

_OF_JOBS = ("visit", "work_order")
"""Entities whose events concern one job."""
_OF_TIMES = ("shift", "absence", "roster.")
"""How the kinds begin that change when people work."""
_OF_ALL = ("technician", "skill", "customer", "site", "asset.", "import", "tenant")
"""How the kinds begin that may change any part of a board."""

_JOBS_OF_VISITS = "select distinct work_order_id from visit where tenant_id = $1 and id = any($2)"


class BoardChanges(msgspec.Struct, frozen=True):
    """`work_orders` were touched: `visits` and `waiting` are all that these days hold of them now.

    `shifts` and `absences` are whole where there are any changes in them, else null. `is_whole`: so much, or
    such a thing, changed that the board is to be read anew; the lists are empty then.
    """

    as_of: str
    now: datetime
    is_whole: bool
    work_orders: list[UUID]
    visits: list[BoardVisit]
    waiting: list[BoardJob]
    shifts: list[BoardShift] | None
    absences: list[BoardAbsence] | None


async def read_changes(
    reader: Reader, now: datetime, first_on: date | None, days: int, since: Point
) -> BoardChanges:
    """Return what changed on the board of some days since it was read."""
    tenant_id = reader.actor.tenant_id
    as_of = str(await find_point(reader))
    happened = await list_happened(reader, since, MOST_CHANGES + 1)
    kinds = {one.kind for one in happened}
    if len(happened) > MOST_CHANGES or any(kind.startswith(_OF_ALL) for kind in kinds):
        return BoardChanges(as_of, now, True, [], [], [], None, None)
    touched: dict[str, set[UUID]] = {entity: set() for entity in _OF_JOBS}
    for one in happened:
        if one.entity in touched:
            touched[one.entity].add(one.entity_id)
    of = await find_days(reader, now, first_on, days)
    moved = await reader.rows(_JOBS_OF_VISITS, tenant_id, list(touched["visit"]))
    work_orders = sorted(touched["work_order"] | {row["work_order_id"] for row in moved})
    visits, waiting = await list_work(reader, of, work_orders)
    shifts, absences = None, None
    if any(kind.startswith(_OF_TIMES) for kind in kinds):
        shifts, absences = await list_times(reader, of)
    return BoardChanges(as_of, now, False, work_orders, visits, waiting, shifts, absences)
