"""Wider jobs over HTTP: what was told on site, our price of it, and the office's decision."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, Request, get, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK
from msgspec.structs import replace

from fsm import http
from fsm.actors import Actor, Permission
from fsm.contracts.coverage import Payer
from fsm.http import Body, CurrentActor, DbSession, Line, Money, Now, Short, needs
from fsm.problems import Conflict, Forbidden
from fsm.settings import Settings
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.scope_changes import offers, queries, rules
from fsm.work_orders.scope_changes.queries import Story
from fsm.work_orders.scope_changes.rules import ConsentMissing, Offered, OfferOver, total
from fsm.work_orders.scope_changes.tables import Ending, ScopeLine, Via

EDIT = needs(Permission.EDIT_CONTRACTS)


class LinePrice(Body):
    """`line` is the place in the change's lines, from 0; `price` is for the whole line."""

    line: Annotated[int, pydantic.Field(ge=0, le=1_000)]
    price: Money


class GivenConsent(Body):
    """Who agreed with the office, by telephone unless it says otherwise; now, unless it says when."""

    name: Line
    at: http.Instant | None = None
    via: Literal[Via.TELEPHONE, Via.MAIL, Via.IN_PERSON] = Via.TELEPHONE


class Priced(Body):
    """Prices of lines that have none, or that the office wants otherwise."""

    prices: Annotated[list[LinePrice], pydantic.Field(max_length=200)] = []
    note: Short = ""

    @pydantic.field_validator("prices")
    @classmethod
    def _each_once(cls, prices: list[LinePrice]) -> list[LinePrice]:
        if len({one.line for one in prices}) < len(prices):
            raise ValueError("a line is priced twice")
        return prices

    def by_place(self) -> dict[int, Decimal]:
        return {one.line: one.price for one in self.prices}


class Confirmation(Priced):
    consent: GivenConsent | None = None


class Offering(Priced):
    """`note` is for the customer to read; without `expires_at` the price stands for three days."""

    expires_at: http.Instant | None = None


class GivenAnswer(Body):
    """What the customer said to the price that stands, when the office asked them."""

    outcome: Literal[Ending.APPROVED, Ending.REFUSED]
    name: Annotated[Line, pydantic.Field(max_length=100)]
    via: Literal[Via.TELEPHONE, Via.MAIL, Via.IN_PERSON] = Via.TELEPHONE
    ground: Short = ""


class ScopeRefusal(Body):
    ground: Line


class ReckonedLineView(msgspec.Struct, frozen=True):
    """A line with our price: null where nothing in force on that day says one.

    Costs are null, too, for who may not read them.
    """

    kind: str
    text: str
    part_id: UUID | None
    quantity: Decimal
    unit: str
    unit_cost: Decimal | None
    unit_price: Decimal | None
    cost: Decimal | None
    price: Decimal | None

    @classmethod
    def of(cls, line: rules.Line, *, with_costs: bool) -> "ReckonedLineView":
        shown = cls(**{name: getattr(line, name) for name in cls.__struct_fields__})
        return shown if with_costs else replace(shown, unit_cost=None, cost=None)


class AgreedLineView(msgspec.Struct, frozen=True):
    """What one asset bears of an agreed line. `line` is its place; `price` is paid by `payer`."""

    line: int
    asset_id: UUID | None
    contract_id: UUID | None
    part_id: UUID | None
    kind: str
    text: str
    quantity: Decimal
    unit: str
    cost: Decimal | None
    price: Decimal
    payer: str
    payer_rule: str
    payer_ground: str

    @classmethod
    def of(cls, row: ScopeLine, *, with_costs: bool) -> "AgreedLineView":
        values = {name: getattr(row, name) for name in cls.__struct_fields__ if name != "line"}
        shown = cls(line=row.place, **values)
        return shown if with_costs else replace(shown, cost=None)


class ScopeConsentView(msgspec.Struct, frozen=True):
    """`signature`: the state of the photo `signature_id`, null where this job has no such photo.

    `via` is how it reached us, null where it was told on site.
    """

    by: str
    at: datetime | None
    via: Via | None
    signature_id: UUID | None
    signature: str | None


class ScopeDecisionView(msgspec.Struct, frozen=True):
    """`ground` is why it was refused, or a note of the confirmation."""

    outcome: str
    ground: str
    decided_at: datetime
    by: str


class OfferLineView(msgspec.Struct, frozen=True):
    """A line as the customer reads it; `price` is what of it they would pay."""

    kind: str
    name: str
    quantity: Decimal
    unit: str
    price: Decimal

    @classmethod
    def of(cls, line: Offered) -> "OfferLineView":
        return cls(line.kind, line.name, line.quantity, line.unit, line.price)


class OfferAnswerView(msgspec.Struct, frozen=True):
    """What ended an offer. `wording` is what the customer had before their eyes, word for word."""

    outcome: Ending
    name: str
    ground: str
    wording: dict[str, Any]
    answered_at: datetime
    by: str


class ScopeOfferView(msgspec.Struct, frozen=True):
    """The last price put to the customer. Without an answer it stands until `expires_at`."""

    id: UUID
    lines: list[OfferLineView]
    price: Decimal
    note: str
    offered_at: datetime
    expires_at: datetime
    by: str
    answer: OfferAnswerView | None

    @classmethod
    def of(cls, story: Story) -> "ScopeOfferView | None":
        offer, ended = story.offer, story.answer
        if offer is None:
            return None
        return cls(
            id=offer.id,
            lines=[OfferLineView.of(Offered.read(one)) for one in offer.lines],
            price=offer.price,
            note=offer.note,
            offered_at=offer.offered_at,
            expires_at=offer.expires_at,
            by=offer.by,
            answer=None
            if ended is None
            else OfferAnswerView(
                Ending(ended.outcome),
                ended.name,
                ended.ground,
                ended.wording,
                ended.answered_at,
                ended.by,
            ),
        )


class ScopeChangeView(msgspec.Struct, frozen=True):
    """A wider job. `told_*` is what the phone sent; `reckoned` is what we make of it, null if not known.

    Once it is confirmed, `may_cost` is what it may cost us, null where that is not known of every line, and
    `customer_pays` what of it the customer agreed to pay.
    """

    id: UUID
    work_order_id: UUID
    visit_id: UUID
    technician_id: UUID
    told_at: datetime
    by: str
    told_lines: list[Any]
    told_price: Any
    told_consent: Any
    priced_on: date
    currency: str
    lines: list[ReckonedLineView]
    reckoned: Decimal | None
    consent: ScopeConsentView | None
    offer: ScopeOfferView | None
    decision: ScopeDecisionView | None
    agreed: list[AgreedLineView]
    may_cost: Decimal | None
    customer_pays: Decimal | None

    @classmethod
    def of(cls, story: Story, *, with_costs: bool = True) -> "ScopeChangeView":
        change, decision = story.change, story.decision
        lines = [rules.Line.read(one) for one in change.lines]
        is_agreed = bool(story.lines)
        return cls(
            id=change.id,
            work_order_id=change.work_order_id,
            visit_id=change.visit_id,
            technician_id=change.technician_id,
            told_at=change.told_at,
            by=change.by,
            told_lines=change.told["lines"],
            told_price=change.told["price"],
            told_consent=change.told["consent"],
            priced_on=change.priced_on,
            currency=change.currency,
            lines=[ReckonedLineView.of(line, with_costs=with_costs) for line in lines],
            reckoned=total(line.price for line in lines),
            consent=_consent(story),
            offer=ScopeOfferView.of(story),
            decision=None
            if decision is None
            else ScopeDecisionView(
                decision.outcome, decision.ground, decision.decided_at, decision.by
            ),
            agreed=[AgreedLineView.of(row, with_costs=with_costs) for row in story.lines],
            may_cost=total(row.cost for row in story.lines) if is_agreed and with_costs else None,
            customer_pays=total(row.price for row in story.lines if row.payer == Payer.CUSTOMER)
            if is_agreed
            else None,
        )


def _consent(story: Story) -> ScopeConsentView | None:
    """Return the consent that counts: to an offered price or given to the office, else on site."""
    change, decision = story.change, story.decision
    if decision is not None and decision.consent_by:
        via = None if decision.consent_via is None else Via(decision.consent_via)
        return ScopeConsentView(decision.consent_by, decision.consent_at, via, None, None)
    if not change.consent_by and change.signature_id is None:
        return None
    return ScopeConsentView(
        change.consent_by, change.consent_at, None, change.signature_id, story.signature
    )


class OfferedView(msgspec.Struct, frozen=True):
    """`url` is the page where the customer answers; it is shown this once, and sent to them."""

    change: ScopeChangeView
    url: str


class ScopeChangePage(msgspec.Struct, frozen=True):
    items: list[ScopeChangeView]
    next: str | None


def _may_read_costs(actor: Actor) -> bool:
    return Permission.READ_COSTS in actor.permissions


class JobScopeController(Controller):
    path = "/api/work-orders/{work_order_id:uuid}/scope-changes"
    tags = ["Costs"]

    @get(
        "/",
        opt=needs(Permission.READ_WORK_ORDERS),
        summary="How a job became wider on site, at which price, and who agreed",
    )
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        work_order_id: FromPath[UUID],
        page: http.Page,
    ) -> ScopeChangePage:
        if actor.customer_id is not None:
            raise Forbidden(
                "This is what the office works with. Customers read prices in the portal."
            )
        found = await queries.list_changes(
            session, actor, work_order_id, after=page.after_id, limit=page.limit
        )
        return ScopeChangePage(
            [ScopeChangeView.of(story, with_costs=_may_read_costs(actor)) for story in found],
            page.next([story.change for story in found]),
        )


class ScopeChangeController(Controller):
    path = "/api/scope-changes/{change_id:uuid}"
    tags = ["Costs"]

    @post(
        "/confirmation",
        opt=EDIT,
        status_code=HTTP_200_OK,
        responses=http.refusals(WrongStatus, ConsentMissing, OfferOver, Conflict),
        summary="Make a wider job what the job may cost and what is paid for it",
    )
    async def confirm(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        change_id: FromPath[UUID],
        data: JSONBody[Confirmation],
    ) -> ScopeChangeView:
        said = data.consent
        return ScopeChangeView.of(
            await queries.confirm(
                session,
                actor,
                now,
                change_id,
                prices=data.by_place(),
                consent=None if said is None else rules.Consent(said.name, said.at or now),
                via=None if said is None else said.via,
                note=data.note,
            )
        )

    @post(
        "/offer",
        opt=EDIT,
        responses=http.refusals(WrongStatus, Conflict),
        summary="Put the price of a wider job to the customer, who answers behind a link of its own",
    )
    async def offer(
        self,
        request: Request[Any, Any, Any],
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        change_id: FromPath[UUID],
        data: JSONBody[Offering],
    ) -> OfferedView:
        settings: Settings = request.app.state.settings
        story, token = await offers.offer(
            session,
            actor,
            now,
            change_id,
            link_key=settings.derived_key(offers.KEY),
            prices=data.by_place(),
            expires_at=data.expires_at,
            note=data.note,
        )
        return OfferedView(ScopeChangeView.of(story), f"{settings.public_url}/o/{token}")

    @post(
        "/answer",
        opt=needs(Permission.EDIT_WORK_ORDERS),
        status_code=HTTP_200_OK,
        responses=http.refusals(OfferOver, Conflict),
        summary="Record what the customer told the office about the price that was put to them",
    )
    async def answer(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        change_id: FromPath[UUID],
        data: JSONBody[GivenAnswer],
    ) -> ScopeChangeView:
        story = await offers.answer_for(
            session,
            actor,
            now,
            change_id,
            approves=data.outcome is Ending.APPROVED,
            name=data.name,
            via=data.via,
            ground=data.ground,
        )
        return ScopeChangeView.of(story, with_costs=_may_read_costs(actor))

    @post(
        "/withdrawal",
        opt=EDIT,
        status_code=HTTP_200_OK,
        responses=http.refusals(Conflict),
        summary="Withdraw a price that the customer has not answered",
    )
    async def withdraw(
        self, session: DbSession, actor: CurrentActor, now: Now, change_id: FromPath[UUID]
    ) -> ScopeChangeView:
        return ScopeChangeView.of(await offers.withdraw(session, actor, now, change_id))

    @post(
        "/refusal",
        opt=EDIT,
        status_code=HTTP_200_OK,
        responses=http.refusals(Conflict),
        summary="Keep a job as it was, on a stated ground",
    )
    async def refuse(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        change_id: FromPath[UUID],
        data: JSONBody[ScopeRefusal],
    ) -> ScopeChangeView:
        return ScopeChangeView.of(
            await queries.refuse(session, actor, now, change_id, ground=data.ground)
        )


ROUTES = [JobScopeController, ScopeChangeController]
