"""Parts, the places that hold them, and movements. Stock is the sum of movements and nothing else."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy.dialects.postgresql import DATERANGE, Range
from sqlmodel import Field

from fsm.database import (
    Revised,
    Row,
    check,
    instant,
    link,
    lookup,
    money,
    no_overlap,
    one_of,
    quantity,
    refusal,
    unique,
)
from fsm.problems import Conflict, Invalid


class StockPlaceKind(StrEnum):
    WAREHOUSE = "warehouse"
    VAN = "van"


class MovementKind(StrEnum):
    RECEIPT = "receipt"
    TRANSFER = "transfer"
    USE = "use"
    RETURN = "return"
    CORRECTION = "correction"


class Part(Revised, table=True):
    """A kind of part. When what is free of it falls to `reorder_point` or below, it is to be ordered."""

    __table_args__ = (unique("number"), check("reorder", "reorder_point >= 0"))
    number: str = Field(max_length=60)
    name: str
    unit: str = Field(default="pc", max_length=20)
    manufacturer: str = ""
    is_original: bool = True
    is_serialised: bool = False
    lead_time_days: int | None = None
    reorder_point: Decimal | None = quantity(default=None, nullable=True)
    is_active: bool = True


class PartPrice(Row, table=True):
    """What one unit costs us and sells for on some days."""

    __tablename__ = "part_price"
    model_config = {"arbitrary_types_allowed": True}
    __table_args__ = (
        link("part_id", "part"),
        no_overlap("part_price_no_overlap", "part_id", "currency"),
        check("during", "not isempty(during)"),
        check("amounts", "cost >= 0 and price >= 0"),
    )
    part_id: UUID
    cost: Decimal = money()
    price: Decimal = money()
    currency: str = Field(default="EUR", max_length=3)
    during: Range[date] = Field(sa_type=DATERANGE)


class StockPlace(Revised, table=True):
    """A warehouse, or a technician's van."""

    __tablename__ = "stock_place"
    __table_args__ = (
        unique("code"),
        unique("technician_id"),
        link("technician_id", "technician"),
        one_of("kind", StockPlaceKind),
        check("van", "(kind = 'van') = (technician_id is not null)"),
    )
    code: str = Field(max_length=60)
    name: str
    kind: str = Field(max_length=12)
    technician_id: UUID | None = None
    latitude: float | None = None
    longitude: float | None = None


class Movement(Row, table=True):
    """A quantity that left one place for another; outside the company the place is null.

    Receipt: from a supplier. Use: on a job; from no place of ours when bought on the way. Return: from a
    job, not used after all. Correction: a count found more (to a place) or less (from it). A place's stock
    may be negative: then a movement is missing.

    `unit_cost` is frozen here, so a price changed later moves no past number.
    """

    __table_args__ = (
        link("part_id", "part"),
        link("from_place_id", "stock_place"),
        link("to_place_id", "stock_place"),
        one_of("kind", MovementKind),
        check("quantity", "quantity > 0"),
        check("places", "from_place_id is distinct from to_place_id or kind = 'use'"),
        check(
            "direction",
            "case kind when 'transfer' then from_place_id is not null and to_place_id is not null"
            " when 'use' then to_place_id is null"
            " when 'correction' then from_place_id is null or to_place_id is null"
            " else from_place_id is null end",
        ),
        check("unit_cost", "unit_cost >= 0"),
        unique("source", "source_id"),
        lookup("movement_part_idx", "part_id", "moved_at"),
        lookup("movement_from_idx", "from_place_id", "part_id"),
        lookup("movement_to_idx", "to_place_id", "part_id"),
    )
    part_id: UUID
    kind: str = Field(max_length=12)
    from_place_id: UUID | None = None
    to_place_id: UUID | None = None
    quantity: Decimal = quantity()
    unit_cost: Decimal = money()
    currency: str = Field(default="EUR", max_length=3)
    moved_at: datetime = instant()
    by: str = ""
    note: str = ""
    source: str | None = Field(default=None, max_length=60)
    source_id: str | None = Field(default=None, max_length=200)


refusal("part_number_key", Conflict, "There is already a part with this number.")
refusal("stock_place_code_key", Conflict, "There is already a stock place with this code.")
refusal("stock_place_technician_id_key", Conflict, "This technician already has a van.")
refusal("stock_place_technician_id_fkey", Invalid, "There is no such technician.")
refusal(
    "stock_place_van_check", Invalid, "A van belongs to a technician, and a warehouse to nobody."
)
refusal(
    "part_price_no_overlap",
    Conflict,
    "The part already has a price in this currency on those days.",
)
refusal("movement_source_source_id_key", Conflict, "This movement has already been recorded.")
