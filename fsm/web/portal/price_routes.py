"""Prices that wait for the customer, who signs in: read, approved, refused."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, DbSession, Now, Text, needs
from fsm.web import prices
from fsm.web.languages import messages
from fsm.web.portal import queries
from fsm.web.prices import OfferBody
from fsm.web.public_pages import AnyRequest, language_of
from fsm.web.views import LONGEST_NAME, LONGEST_TEXT, PriceAnswer
from fsm.work_orders.scope_changes import offers
from fsm.work_orders.scope_changes.offers import Put, Said
from fsm.work_orders.scope_changes.rules import OfferOver
from fsm.work_orders.scope_changes.tables import Via

Lang = Annotated[
    str | None,
    QueryParameter(max_length=10, description="The language of the sentences; else the browser's."),
]


class OwnOfferLine(msgspec.Struct, frozen=True):
    name: str
    quantity: str
    price: str


class OwnOffer(msgspec.Struct, frozen=True):
    """A price put to the customer, and the job that it is about.

    `lines`, `total`, `note` and the one of the `sentences` that is chosen are kept of the answer as they
    stand here.
    """

    id: UUID
    work_order_id: UUID
    number: str
    title: str
    zone: str
    lines: list[OwnOfferLine]
    total: str
    note: str
    price: Decimal
    currency: str
    expires_at: datetime
    sentences: dict[PriceAnswer, str]

    @classmethod
    def of(cls, language: str, put: Put) -> "OwnOffer":
        offer, work_order = put.offer, put.work_order
        shown = prices.wording(language, put, PriceAnswer.APPROVE)
        return cls(
            offer.id,
            work_order.id,
            work_order.number,
            work_order.title,
            work_order.zone,
            [OwnOfferLine(**line) for line in shown["lines"]],
            shown["total"],
            offer.note,
            offer.price,
            offer.currency,
            offer.expires_at,
            prices.sentences(messages(language), put),
        )


class OwnOffers(msgspec.Struct, frozen=True):
    items: list[OwnOffer]


class OwnAnswer(Body):
    """`answer` chooses one of the sentences that were shown; `text` is anything else."""

    answer: PriceAnswer
    text: Annotated[Text, pydantic.Field(max_length=LONGEST_TEXT)] = ""


class PortalPriceController(Controller):
    path = "/api/portal/prices"
    tags = ["Customer's pages"]

    @get(
        "/",
        opt=needs(Permission.READ_WORK_ORDERS),
        summary="Prices of jobs that became wider, which wait for the customer's answer",
    )
    async def browse(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        lang: Lang = None,
    ) -> OwnOffers:
        found = await queries.list_offers(session, actor, now)
        language = language_of(request)
        return OwnOffers([OwnOffer.of(language, put) for put in found])

    @post(
        "/{offer_id:uuid}/answer",
        opt=needs(Permission.EDIT_REQUESTS),
        status_code=HTTP_200_OK,
        responses=http.refusals(OfferOver),
        summary="Approve or refuse a price; the sentence that was chosen is kept with name and time",
    )
    async def answer(
        self,
        request: AnyRequest,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        offer_id: FromPath[UUID],
        data: JSONBody[OwnAnswer],
        lang: Lang = None,
    ) -> OfferBody:
        language = language_of(request)
        put = await queries.find_offer(session, actor, offer_id)
        said = Said(
            approves=data.answer is PriceAnswer.APPROVE,
            name=actor.name[:LONGEST_NAME],
            ground=data.text,
            wording=prices.wording(language, put, data.answer),
            via=Via.PORTAL,
        )
        put = await offers.answer(session, actor, now, put.offer.id, said)
        return await OfferBody.of(session, language, put, now)


ROUTES = [PortalPriceController]
