"""Wider jobs over HTTP: what was told on site, our price of it, and the office's decision."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK

from fsm import http
from fsm.actors import Permission
from fsm.contracts.coverage import Payer
from fsm.http import Body, CurrentActor, DbSession, Line, Money, Now, Short, needs
from fsm.problems import Conflict
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.scope_changes import queries, rules
from fsm.work_orders.scope_changes.queries import Story
from fsm.work_orders.scope_changes.rules import ConsentMissing, total
from fsm.work_orders.scope_changes.tables import ScopeLine

EDIT = needs(Permission.EDIT_CONTRACTS)


class LinePrice(Body):
    """`line` is the place in the change's lines, from 0; `price` is for the whole line."""

    line: Annotated[int, pydantic.Field(ge=0, le=1_000)]
    price: Money


class GivenConsent(Body):
    """Who agreed with the office, by telephone for instance; now, unless it says when."""

    name: Line
    at: http.Instant | None = None


class Confirmation(Body):
    """Prices of lines that have none, or that the office wants otherwise."""

    prices: Annotated[list[LinePrice], pydantic.Field(max_length=200)] = []
    consent: GivenConsent | None = None
    note: Short = ""

    @pydantic.field_validator("prices")
    @classmethod
    def _each_once(cls, prices: list[LinePrice]) -> list[LinePrice]:
        if len({one.line for one in prices}) < len(prices):
            raise ValueError("a line is priced twice")
        return prices


class ScopeRefusal(Body):
    ground: Line


class ReckonedLineView(msgspec.Struct, frozen=True):
    """A line with our price: null where nothing in force on that day says one."""

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
    def of(cls, line: rules.Line) -> "ReckonedLineView":
        return cls(**{name: getattr(line, name) for name in cls.__struct_fields__})


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
    def of(cls, row: ScopeLine) -> "AgreedLineView":
        values = {name: getattr(row, name) for name in cls.__struct_fields__ if name != "line"}
        return cls(line=row.place, **values)


class ScopeConsentView(msgspec.Struct, frozen=True):
    """`signature`: the state of the photo `signature_id`, null where this job has no such photo."""

    by: str
    at: datetime | None
    signature_id: UUID | None
    signature: str | None


class ScopeDecisionView(msgspec.Struct, frozen=True):
    """`ground` is why it was refused, or a note of the confirmation."""

    outcome: str
    ground: str
    decided_at: datetime
    by: str


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
    decision: ScopeDecisionView | None
    agreed: list[AgreedLineView]
    may_cost: Decimal | None
    customer_pays: Decimal | None

    @classmethod
    def of(cls, story: Story) -> "ScopeChangeView":
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
            lines=[ReckonedLineView.of(line) for line in lines],
            reckoned=total(line.price for line in lines),
            consent=_consent(story),
            decision=None
            if decision is None
            else ScopeDecisionView(
                decision.outcome, decision.ground, decision.decided_at, decision.by
            ),
            agreed=[AgreedLineView.of(row) for row in story.lines],
            may_cost=total(row.cost for row in story.lines) if is_agreed else None,
            customer_pays=total(row.price for row in story.lines if row.payer == Payer.CUSTOMER)
            if is_agreed
            else None,
        )


def _consent(story: Story) -> ScopeConsentView | None:
    """Return the consent that counts: given to the office, else on site."""
    change, decision = story.change, story.decision
    if decision is not None and decision.consent_by:
        return ScopeConsentView(decision.consent_by, decision.consent_at, None, None)
    if not change.consent_by and change.signature_id is None:
        return None
    return ScopeConsentView(
        change.consent_by, change.consent_at, change.signature_id, story.signature
    )


class ScopeChangePage(msgspec.Struct, frozen=True):
    items: list[ScopeChangeView]
    next: str | None


class JobScopeController(Controller):
    path = "/api/work-orders/{work_order_id:uuid}/scope-changes"
    tags = ["Costs"]

    @get(
        "/",
        opt=needs(Permission.READ_COSTS),
        summary="How a job became wider on site, at which price, and who agreed",
    )
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        work_order_id: FromPath[UUID],
        page: http.Page,
    ) -> ScopeChangePage:
        found = await queries.list_changes(
            session, actor, work_order_id, after=page.after_id, limit=page.limit
        )
        return ScopeChangePage(
            [ScopeChangeView.of(story) for story in found],
            page.next([story.change for story in found]),
        )


class ScopeChangeController(Controller):
    path = "/api/scope-changes/{change_id:uuid}"
    tags = ["Costs"]

    @post(
        "/confirmation",
        opt=EDIT,
        status_code=HTTP_200_OK,
        responses=http.refusals(WrongStatus, ConsentMissing, Conflict),
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
                prices={one.line: one.price for one in data.prices},
                consent=None if said is None else rules.Consent(said.name, said.at or now),
                note=data.note,
            )
        )

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
