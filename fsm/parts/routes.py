"""Parts, their prices, the places that hold them, and their movements.

What parts cost us is read with the permission to read costs; how many there are, with that to read parts.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from fsm import http
from fsm.actors import Actor, Permission
from fsm.http import (
    Body,
    Code,
    Currency,
    CurrentActor,
    Day,
    DbSession,
    Instant,
    Latitude,
    Line,
    Longitude,
    Money,
    Now,
    Quantity,
    Revision,
    Short,
    Text,
    needs,
)
from fsm.parts import price_list, queries, stock
from fsm.parts.stock import StockInPlace, StockOfPart
from fsm.parts.tables import (
    Movement,
    MovementKind,
    Part,
    PartPrice,
    StockPlace,
    StockPlaceKind,
)

Unit = Annotated[str, pydantic.Field(min_length=1, max_length=20, pattern=r"^[^\s\x00-\x1f]+$")]
LeadTime = Annotated[int, pydantic.Field(ge=0, le=3_650)]
Level = Annotated[Decimal, pydantic.Field(ge=0, max_digits=14, decimal_places=4)]
"""How much is free when a part is to be ordered."""


class NewPart(Body):
    number: Code
    name: Line
    unit: Unit = "pc"
    manufacturer: Short = ""
    is_original: bool = True
    is_serialised: bool = False
    lead_time_days: LeadTime | None = None
    reorder_point: Level | None = None


class PartEdit(Body):
    rev: Revision
    number: Code = ""
    name: Line = ""
    manufacturer: Short = ""
    is_original: bool = True
    is_serialised: bool = False
    lead_time_days: LeadTime | None = None
    reorder_point: Level | None = None
    is_active: bool = True


class NewPrice(Body):
    """What one unit costs us and sells for from `starts_on` to `ends_on`, the last day."""

    cost: Money
    price: Money
    currency: Currency | None = None
    starts_on: Day
    ends_on: Day | None = None


class PriceEnd(Body):
    ends_on: Day


class Located(Body):
    """A position is both numbers or neither, in degrees WGS 84."""

    latitude: Latitude | None = None
    longitude: Longitude | None = None

    @pydantic.model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        sent = {"latitude", "longitude"} & self.model_fields_set
        if (self.latitude is None) != (self.longitude is None) or len(sent) == 1:
            raise ValueError("latitude and longitude come together")
        return self


class NewStockPlace(Located):
    """A warehouse, or with `technician_id` that technician's van."""

    code: Code
    name: Line
    kind: StockPlaceKind
    technician_id: UUID | None = None


class StockPlaceEdit(Located):
    rev: Revision
    code: Code = ""
    name: Line = ""
    technician_id: UUID | None = None


class NewMovement(Body):
    """Receipt and return go to a place, use comes from one, a transfer does both, a correction either.

    Without `unit_cost` the price list's cost of that day counts.
    """

    part_id: UUID
    kind: MovementKind
    quantity: Quantity
    from_place_id: UUID | None = None
    to_place_id: UUID | None = None
    moved_at: Instant | None = None
    unit_cost: Money | None = None
    currency: Currency | None = None
    note: Text = ""


class PartView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    number: str
    name: str
    unit: str
    manufacturer: str
    is_original: bool
    is_serialised: bool
    lead_time_days: int | None
    reorder_point: Decimal | None
    is_active: bool

    @classmethod
    def of(cls, part: Part) -> "PartView":
        return cls(
            part.id,
            part.rev,
            part.number,
            part.name,
            part.unit,
            part.manufacturer,
            part.is_original,
            part.is_serialised,
            part.lead_time_days,
            part.reorder_point,
            part.is_active,
        )


class PartPage(msgspec.Struct, frozen=True):
    items: list[PartView]
    next: str | None


class PriceView(msgspec.Struct, frozen=True):
    """Money for one unit; `ends_on` is the last day, null while no end is set."""

    id: UUID
    part_id: UUID
    cost: Decimal
    price: Decimal
    currency: str
    starts_on: date | None
    ends_on: date | None

    @classmethod
    def of(cls, price: PartPrice) -> "PriceView":
        return cls(
            price.id,
            price.part_id,
            price.cost,
            price.price,
            price.currency,
            price.during.lower,
            http.last_day(price.during.upper),
        )


class PricePage(msgspec.Struct, frozen=True):
    items: list[PriceView]
    next: str | None


class StockPlaceView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    code: str
    name: str
    kind: StockPlaceKind
    technician_id: UUID | None
    latitude: float | None
    longitude: float | None

    @classmethod
    def of(cls, place: StockPlace) -> "StockPlaceView":
        return cls(
            place.id,
            place.rev,
            place.code,
            place.name,
            StockPlaceKind(place.kind),
            place.technician_id,
            place.latitude,
            place.longitude,
        )


class StockPlacePage(msgspec.Struct, frozen=True):
    items: list[StockPlaceView]
    next: str | None


class MovementView(msgspec.Struct, frozen=True):
    """`unit_cost` is null for whoever may not read costs."""

    id: UUID
    part_id: UUID
    kind: MovementKind
    from_place_id: UUID | None
    to_place_id: UUID | None
    quantity: Decimal
    unit_cost: Decimal | None
    currency: str
    moved_at: datetime
    by: str
    note: str
    source: str | None
    source_id: str | None

    @classmethod
    def of(cls, movement: Movement, actor: Actor) -> "MovementView":
        return cls(
            movement.id,
            movement.part_id,
            MovementKind(movement.kind),
            movement.from_place_id,
            movement.to_place_id,
            movement.quantity,
            movement.unit_cost if actor.may(Permission.READ_COSTS) else None,
            movement.currency,
            movement.moved_at,
            movement.by,
            movement.note,
            movement.source,
            movement.source_id,
        )


class MovementPage(msgspec.Struct, frozen=True):
    items: list[MovementView]
    next: str | None


class StockOfPartView(msgspec.Struct, frozen=True):
    place_id: UUID
    code: str
    name: str
    kind: StockPlaceKind
    quantity: Decimal

    @classmethod
    def of(cls, held: StockOfPart) -> "StockOfPartView":
        return cls(held.place_id, held.code, held.name, StockPlaceKind(held.kind), held.quantity)


class PartStock(msgspec.Struct, frozen=True):
    """Where a part is, in its unit. A negative quantity says that a movement has not been recorded."""

    part_id: UUID
    unit: str
    total: Decimal
    items: list[StockOfPartView]


class StockInPlaceView(msgspec.Struct, frozen=True):
    part_id: UUID
    number: str
    name: str
    unit: str
    quantity: Decimal

    @classmethod
    def of(cls, held: StockInPlace) -> "StockInPlaceView":
        return cls(held.part_id, held.number, held.name, held.unit, held.quantity)


class PlaceStock(msgspec.Struct, frozen=True):
    """What a place holds. A negative quantity says that a movement has not been recorded."""

    place_id: UUID
    items: list[StockInPlaceView]
    next: str | None


class PartController(Controller):
    path = "/api/parts"
    tags = ["Parts"]

    @get("/", opt=needs(Permission.READ_PARTS), summary="List and search parts")
    async def list_parts(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        q: http.Search = None,
        is_active: http.Active = None,
    ) -> PartPage:
        rows = await queries.list_parts(
            session, actor, q=q, is_active=is_active, after=page.after_id, limit=page.limit
        )
        return PartPage([PartView.of(part) for part in rows], page.next(rows))

    @post("/", opt=needs(Permission.EDIT_PARTS), status_code=HTTP_201_CREATED, summary="Add a part")
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewPart]
    ) -> PartView:
        return PartView.of(await queries.add_part(session, actor, now, **data.model_dump()))

    @get("/{part_id:uuid}", opt=needs(Permission.READ_PARTS), summary="One part")
    async def one(
        self, session: DbSession, actor: CurrentActor, part_id: FromPath[UUID]
    ) -> PartView:
        return PartView.of(await queries.find_part(session, actor, part_id))

    @patch(
        "/{part_id:uuid}",
        opt=needs(Permission.EDIT_PARTS),
        summary="Edit a part or put it out of use",
    )
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        part_id: FromPath[UUID],
        data: JSONBody[PartEdit],
    ) -> PartView:
        part = await queries.edit_part(session, actor, now, part_id, data.rev, data.changes())
        return PartView.of(part)

    @get("/{part_id:uuid}/stock", opt=needs(Permission.READ_PARTS), summary="Where a part is")
    async def whereabouts(
        self, session: DbSession, actor: CurrentActor, part_id: FromPath[UUID]
    ) -> PartStock:
        part = await queries.find_part(session, actor, part_id)
        held = await stock.list_stock_of_part(session, actor, part_id)
        return PartStock(
            part_id,
            part.unit,
            sum((place.quantity for place in held), Decimal(0)),
            [StockOfPartView.of(place) for place in held],
        )

    @get("/{part_id:uuid}/prices", opt=needs(Permission.READ_COSTS), summary="A part's price list")
    async def prices(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        part_id: FromPath[UUID],
    ) -> PricePage:
        await queries.find_part(session, actor, part_id)
        rows = await price_list.list_prices(
            session, actor, part_id, after=page.after_id, limit=page.limit
        )
        return PricePage([PriceView.of(price) for price in rows], page.next(rows))

    @post(
        "/{part_id:uuid}/prices",
        opt=needs(Permission.EDIT_PARTS),
        status_code=HTTP_201_CREATED,
        summary="Set a price; an open one before it ends",
    )
    async def add_price(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        part_id: FromPath[UUID],
        data: JSONBody[NewPrice],
    ) -> PriceView:
        await queries.find_part(session, actor, part_id)
        price = await price_list.add_price(session, actor, now, part_id, **data.model_dump())
        return PriceView.of(price)


class PriceController(Controller):
    path = "/api/part-prices"
    tags = ["Parts"]

    @post(
        "/{price_id:uuid}/end",
        opt=needs(Permission.EDIT_PARTS),
        status_code=HTTP_200_OK,
        summary="Set the last day of a price",
    )
    async def end(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        price_id: FromPath[UUID],
        data: JSONBody[PriceEnd],
    ) -> PriceView:
        return PriceView.of(await price_list.end_price(session, actor, now, price_id, data.ends_on))

    @delete(
        "/{price_id:uuid}",
        opt=needs(Permission.EDIT_PARTS),
        status_code=HTTP_204_NO_CONTENT,
        summary="Remove a price set by mistake",
    )
    async def remove(
        self, session: DbSession, actor: CurrentActor, now: Now, price_id: FromPath[UUID]
    ) -> None:
        await price_list.delete_price(session, actor, now, price_id)


class StockPlaceController(Controller):
    path = "/api/stock-places"
    tags = ["Parts"]

    @get("/", opt=needs(Permission.READ_PARTS), summary="List warehouses and vans")
    async def list_stock_places(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        kind: Annotated[
            StockPlaceKind | None, QueryParameter(description="Only warehouses, or only vans.")
        ] = None,
        q: http.Search = None,
    ) -> StockPlacePage:
        rows = await queries.list_stock_places(
            session, actor, kind=kind, q=q, after=page.after_id, limit=page.limit
        )
        return StockPlacePage([StockPlaceView.of(place) for place in rows], page.next(rows))

    @post(
        "/",
        opt=needs(Permission.EDIT_PARTS),
        status_code=HTTP_201_CREATED,
        summary="Add a warehouse or a van",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewStockPlace]
    ) -> StockPlaceView:
        place = await queries.add_stock_place(session, actor, now, **data.model_dump())
        return StockPlaceView.of(place)

    @get("/{place_id:uuid}", opt=needs(Permission.READ_PARTS), summary="One warehouse or van")
    async def one(
        self, session: DbSession, actor: CurrentActor, place_id: FromPath[UUID]
    ) -> StockPlaceView:
        return StockPlaceView.of(await queries.find_stock_place(session, actor, place_id))

    @patch(
        "/{place_id:uuid}", opt=needs(Permission.EDIT_PARTS), summary="Edit a warehouse or a van"
    )
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        place_id: FromPath[UUID],
        data: JSONBody[StockPlaceEdit],
    ) -> StockPlaceView:
        place = await queries.edit_stock_place(
            session, actor, now, place_id, data.rev, data.changes()
        )
        return StockPlaceView.of(place)

    @delete(
        "/{place_id:uuid}",
        opt=needs(Permission.EDIT_PARTS),
        status_code=HTTP_204_NO_CONTENT,
        summary="Remove a place that never held anything",
    )
    async def remove(
        self, session: DbSession, actor: CurrentActor, now: Now, place_id: FromPath[UUID]
    ) -> None:
        await queries.delete_stock_place(session, actor, now, place_id)

    @get(
        "/{place_id:uuid}/stock",
        opt=needs(Permission.READ_PARTS),
        summary="What a place holds",
        dependencies=http.pages_of(500),
    )
    async def contents(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        place_id: FromPath[UUID],
    ) -> PlaceStock:
        place = await queries.find_stock_place(session, actor, place_id)
        held = await stock.list_stock_in_place(
            session, actor, place, after=page.after_id, limit=page.limit
        )
        return PlaceStock(
            place_id,
            [StockInPlaceView.of(part) for part in held],
            str(held[-1].part_id) if page.is_full(held) else None,
        )


class MovementController(Controller):
    path = "/api/movements"
    tags = ["Parts"]

    @get("/", opt=needs(Permission.READ_PARTS), summary="List movements, the last recorded first")
    async def list_movements(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        part_id: Annotated[
            UUID | None, QueryParameter(description="Only movements of this part.")
        ] = None,
        place_id: Annotated[
            UUID | None, QueryParameter(description="Only movements to or from this place.")
        ] = None,
        kind: Annotated[
            MovementKind | None, QueryParameter(description="Only movements of this kind.")
        ] = None,
    ) -> MovementPage:
        rows = await stock.list_movements(
            session,
            actor,
            part_id=part_id,
            place_id=place_id,
            kind=kind,
            after=page.after_id,
            limit=page.limit,
        )
        return MovementPage(
            [MovementView.of(movement, actor) for movement in rows], page.next(rows)
        )

    @post(
        "/",
        opt=needs(Permission.EDIT_PARTS),
        status_code=HTTP_201_CREATED,
        summary="Record a movement; a wrong one is set right by another",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewMovement]
    ) -> MovementView:
        movement = await queries.record_movement(session, actor, now, **data.model_dump())
        return MovementView.of(movement, actor)

    @get("/{movement_id:uuid}", opt=needs(Permission.READ_PARTS), summary="One movement")
    async def one(
        self, session: DbSession, actor: CurrentActor, movement_id: FromPath[UUID]
    ) -> MovementView:
        return MovementView.of(await queries.find_movement(session, actor, movement_id), actor)


ROUTES = [
    PartController,
    PriceController,
    StockPlaceController,
    MovementController,
]
