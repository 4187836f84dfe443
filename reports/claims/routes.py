"""Warranty claims over HTTP."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED

from fsm import http
from fsm.actors import Permission
from fsm.http import (
    Body,
    Code,
    Currency,
    CurrentActor,
    Day,
    DbSession,
    Money,
    Now,
    Short,
    needs,
)
from fsm.tenants.queries import find_own_tenant
from reports.claims import queries
from reports.claims.tables import ClaimStatus, WarrantyClaim

READ = needs(Permission.READ_COSTS)
EDIT = needs(Permission.EDIT_CONTRACTS)

OneStatus = Annotated[ClaimStatus | None, QueryParameter(description="Only claims in this state.")]
Paid = Annotated[Decimal, pydantic.Field(gt=0, max_digits=14, decimal_places=2)]


class NewClaim(Body):
    """A claim for what a job has cost that the manufacturer bears and that is not claimed yet."""

    work_order_id: UUID
    number: Code
    currency: Currency | None = None


class Verdict(Body):
    """What the manufacturer grants, and on what ground not all of it."""

    approved: Money
    ground: Short = ""


class Payment(Body):
    amount: Paid
    paid_on: Day


class ClaimView(msgspec.Struct, frozen=True):
    """A claim; `pack_sha256` is of the RFC 8785 form of its pack."""

    id: UUID
    rev: int
    number: str
    work_order_id: UUID
    manufacturer: str
    status: str
    currency: str
    claimed: Decimal
    approved: Decimal | None
    paid: Decimal
    ground: str
    pack_sha256: str
    claimed_at: datetime
    decided_at: datetime | None
    paid_on: date | None

    @classmethod
    def of(cls, row: WarrantyClaim) -> "ClaimView":
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        return cls(**values | {"pack_sha256": row.pack_sha256.hex()})


class ClaimPage(msgspec.Struct, frozen=True):
    items: list[ClaimView]
    next: str | None


class ClaimPack(msgspec.Struct, frozen=True):
    """What was sent: machine and serial, failure, parts, labour, and the hashes of the photos."""

    claim: ClaimView
    pack: dict[str, Any]


class ClaimController(Controller):
    path = "/api/warranty-claims"
    tags = ["Claims"]

    @get("/", opt=READ, summary="List claims")
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        status: OneStatus = None,
    ) -> ClaimPage:
        rows = await queries.list_claims(
            session, actor, status=status, after=page.after_id, limit=page.limit
        )
        return ClaimPage([ClaimView.of(row) for row in rows], page.next(rows))

    @post("/", opt=EDIT, status_code=HTTP_201_CREATED, summary="Claim a job's costs")
    async def make(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewClaim]
    ) -> ClaimView:
        currency = data.currency or (await find_own_tenant(session, actor.tenant_id)).currency
        claim = await queries.make_claim(
            session, actor, now, data.work_order_id, number=data.number, currency=currency
        )
        return ClaimView.of(claim)

    @get("/{claim_id:uuid}", opt=READ, summary="A claim with the pack that was sent")
    async def one(
        self, session: DbSession, actor: CurrentActor, claim_id: FromPath[UUID]
    ) -> ClaimPack:
        claim = await queries.find_claim(session, actor, claim_id)
        return ClaimPack(ClaimView.of(claim), claim.pack)

    @post(
        "/{claim_id:uuid}/decision",
        opt=EDIT,
        status_code=HTTP_200_OK,
        summary="Note what the manufacturer grants",
    )
    async def decide(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        claim_id: FromPath[UUID],
        data: JSONBody[Verdict],
    ) -> ClaimView:
        return ClaimView.of(
            await queries.decide(
                session, actor, now, claim_id, approved=data.approved, ground=data.ground
            )
        )

    @post(
        "/{claim_id:uuid}/payments",
        opt=EDIT,
        status_code=HTTP_200_OK,
        summary="Note money that the manufacturer paid; it is a recovery in the ledger",
    )
    async def pay(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        claim_id: FromPath[UUID],
        data: JSONBody[Payment],
    ) -> ClaimView:
        return ClaimView.of(
            await queries.reimburse(
                session, actor, now, claim_id, amount=data.amount, paid_on=data.paid_on
            )
        )


ROUTES = [ClaimController]
