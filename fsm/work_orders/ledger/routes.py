"""The cost ledger over HTTP: lines by hand, lines taken back, who pays, and several assets on one job."""

from decimal import Decimal
from typing import Annotated, TypeAlias
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, post, put
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from fsm import http
from fsm.actors import Actor, Permission
from fsm.contracts.coverage import Payer
from fsm.http import (
    Body,
    Currency,
    CurrentActor,
    Day,
    DbSession,
    Line,
    Money,
    Now,
    Quantity,
    Short,
    needs,
)
from fsm.parts.tables import Movement
from fsm.problems import Conflict
from fsm.tenants.queries import find_own_tenant
from fsm.work_orders import ledger
from fsm.work_orders.ledger.posting import JobShare
from fsm.work_orders.lists import list_records
from fsm.work_orders.orders import find_work_order
from fsm.work_orders.records import CostKind, CostLine
from fsm.work_orders.views import CostLineView

READ = needs(Permission.READ_COSTS)
EDIT = needs(Permission.EDIT_CONTRACTS)

Unit = Annotated[str, pydantic.Field(max_length=20, pattern=r"^[^\x00-\x1f]*$")]


class ManualCost(Body):
    """A cost that nobody recorded on site, or money that came back (`recovery`, with who paid it).

    In the company's currency unless given; `price` is what the customer is billed if they bear it.
    """

    kind: CostKind
    quantity: Quantity = Decimal(1)
    unit: Unit = ""
    unit_cost: Money
    currency: Currency | None = None
    posted_on: Day
    technician_id: UUID | None = None
    price: Money | None = None
    payer: Payer | None = None
    note: Short = ""


class TakingBack(Body):
    reason: Line


class PartReturn(Body):
    """What of a used part (`used_id`) goes back, and into which place."""

    used_id: UUID
    quantity: Quantity
    to_place_id: UUID
    note: Short = ""


class PartReturnView(msgspec.Struct, frozen=True):
    """The movement into the place; what it is worth is seen by whoever may read costs."""

    movement_id: UUID
    part_id: UUID
    to_place_id: UUID | None
    quantity: Decimal
    unit_cost: Decimal | None
    currency: str

    @classmethod
    def of(cls, movement: Movement, actor: Actor) -> "PartReturnView":
        return cls(
            movement.id,
            movement.part_id,
            movement.to_place_id,
            movement.quantity,
            movement.unit_cost if actor.may(Permission.READ_COSTS) else None,
            movement.currency,
        )


class PayerChoice(Body):
    """Who bears the named lines, all that stand unless some are named, and on what ground."""

    payer: Payer
    ground: Line
    line_ids: Annotated[list[UUID], pydantic.Field(max_length=500)] = []


class AssetWeight(Body):
    asset_id: UUID
    weight: Quantity


class AssetWeights(Body):
    """Every asset that the job is for; none: its own alone."""

    assets: Annotated[list[AssetWeight], pydantic.Field(max_length=500)]

    @pydantic.field_validator("assets")
    @classmethod
    def _each_once(cls, assets: list[AssetWeight]) -> list[AssetWeight]:
        if len({one.asset_id for one in assets}) < len(assets):
            raise ValueError("an asset is named twice")
        return assets


class JobAssetView(msgspec.Struct, frozen=True):
    asset_id: UUID | None
    contract_id: UUID | None
    weight: Decimal

    @classmethod
    def of(cls, share: JobShare) -> "JobAssetView":
        return cls(share.asset_id, share.contract_id, share.weight)


Lines: TypeAlias = list[CostLineView]
JobAssets: TypeAlias = list[JobAssetView]


def _views(lines: list[CostLine]) -> Lines:
    return [CostLineView.of(line) for line in lines]


class LedgerController(Controller):
    path = "/api/work-orders/{work_order_id:uuid}"
    tags = ["Costs"]

    @get("/costs", opt=READ, summary="A job's lines in the cost ledger")
    async def lines(
        self, session: DbSession, actor: CurrentActor, work_order_id: FromPath[UUID]
    ) -> Lines:
        work_order = await find_work_order(session, actor, work_order_id)
        return _views(await list_records(session, work_order, CostLine))

    @post(
        "/costs",
        opt=EDIT,
        status_code=HTTP_201_CREATED,
        summary="Post a cost by hand, or money that came back",
    )
    async def add(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        data: JSONBody[ManualCost],
    ) -> Lines:
        values = data.model_dump()
        values["currency"] = (
            data.currency or (await find_own_tenant(session, actor.tenant_id)).currency
        )
        return _views(await ledger.post_by_hand(session, actor, now, work_order_id, **values))

    @post(
        "/part-returns",
        opt=needs(Permission.EDIT_PARTS),
        status_code=HTTP_201_CREATED,
        responses=http.refusals(Conflict),
        summary="Take back parts that a job did not need, at the price of their issue",
    )
    async def return_part(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        data: JSONBody[PartReturn],
    ) -> PartReturnView:
        movement = await ledger.return_part(session, actor, now, work_order_id, **data.model_dump())
        return PartReturnView.of(movement, actor)

    @post(
        "/payer-decision",
        opt=EDIT,
        status_code=HTTP_200_OK,
        summary="Have somebody else bear a job's costs, on a stated ground",
    )
    async def assign(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        data: JSONBody[PayerChoice],
    ) -> Lines:
        return _views(
            await ledger.assign_payer(
                session,
                actor,
                now,
                work_order_id,
                payer=data.payer,
                ground=data.ground,
                line_ids=data.line_ids,
            )
        )

    @post(
        "/payer-review",
        opt=EDIT,
        status_code=HTTP_200_OK,
        summary="Ask the rules again who bears what was undecided",
    )
    async def review(
        self, session: DbSession, actor: CurrentActor, now: Now, work_order_id: FromPath[UUID]
    ) -> Lines:
        return _views(await ledger.decide_again(session, actor, now, work_order_id))

    @get(
        "/assets",
        opt=needs(Permission.READ_WORK_ORDERS),
        summary="The assets that a job is for, and how its costs are divided",
    )
    async def assets(
        self, session: DbSession, actor: CurrentActor, work_order_id: FromPath[UUID]
    ) -> JobAssets:
        work_order = await find_work_order(session, actor, work_order_id)
        return [JobAssetView.of(one) for one in await ledger.list_job_assets(session, work_order)]

    @put("/assets", opt=EDIT, summary="Divide a job's costs over assets by weight")
    async def divide(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        work_order_id: FromPath[UUID],
        data: JSONBody[AssetWeights],
    ) -> JobAssets:
        weights = {one.asset_id: one.weight for one in data.assets}
        shares = await ledger.set_job_assets(session, actor, now, work_order_id, weights)
        return [JobAssetView.of(one) for one in shares]


class CostLineController(Controller):
    path = "/api/cost-lines"
    tags = ["Costs"]

    @post(
        "/{line_id:uuid}/taking-back",
        opt=EDIT,
        status_code=HTTP_201_CREATED,
        summary="Take a line back with its negative",
    )
    async def take_back(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        line_id: FromPath[UUID],
        data: JSONBody[TakingBack],
    ) -> CostLineView:
        line = await ledger.take_back_line(session, actor, now, line_id, reason=data.reason)
        return CostLineView.of(line)


ROUTES = [LedgerController, CostLineController]
