"""One candidate of a figure, as its lineage lists it."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec


class Candidate(msgspec.Struct, frozen=True):
    """One candidate: what it added to the numerator and the denominator, or why it was left out.

    Hours for time, `Decimal` in the figure's currency for money. `at` is when it happened or ended (of a cost
    line, the beginning of its day in UTC); `work_order_ids` are the jobs behind it.
    """

    kind: str
    id: UUID
    asset_id: UUID | None
    at: datetime | None
    numerator: int | float | Decimal
    denominator: int | float | Decimal
    excluded: str | None
    work_order_ids: list[UUID]
