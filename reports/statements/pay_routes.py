"""Pay over HTTP: rules, what a period comes to, statements as issued; contractors' volumes and bills."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED

from fsm import http
from fsm.actors import Permission
from fsm.http import (
    Body,
    Code,
    Currency,
    CurrentActor,
    Day,
    DbSession,
    Line,
    Money,
    Now,
    Revision,
    Short,
    needs,
)
from fsm.tenants.queries import find_own_tenant
from reports.formulae import pay as formula
from reports.formulae.pay import PayKind
from reports.statements import pay
from reports.statements.routes import FirstOn, LastOn, read_days
from reports.statements.tables import ContractorInvoice, PayLine, PayRule, PayStatement

READ = needs(Permission.READ_PERSON_KPIS)
EDIT = needs(Permission.READ_PERSON_KPIS)

Conditions = Annotated[dict[str, Any], pydantic.Field(max_length=20)]
Billed = Annotated[Decimal, pydantic.Field(max_digits=14, decimal_places=2)]
Who = Annotated[UUID, QueryParameter(description="Whose pay.")]
InCurrency = Annotated[
    str | None,
    QueryParameter(pattern="^[A-Z]{3}$", description="ISO 4217; the company's own when absent."),
]


class NewPayRule(Body):
    """An amount per piece (a visit of a completed job), hour or kilometre; a bonus or penalty per visit.

    `conditions` must all hold; without `technician_id` the rule is for everybody.
    """

    code: Code
    name: Line
    kind: PayKind
    amount: Money
    currency: Currency | None = None
    technician_id: UUID | None = None
    conditions: Conditions = {}
    starts_on: Day
    ends_on: Day | None = None


class PayRuleEnd(Body):
    rev: Revision
    ends_on: Day


class NewStatement(Body):
    """A period that is over; both days belong to it. Work before it that arrived late is included."""

    technician_id: UUID
    first_on: Day
    last_on: Day
    currency: Currency | None = None


class NewInvoice(Body):
    """What a contractor billed for some days; a credit note is below zero."""

    technician_id: UUID
    number: Code
    first_on: Day
    last_on: Day
    amount: Billed
    currency: Currency | None = None
    note: Short = ""


class PayRuleView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    code: str
    name: str
    kind: str
    amount: Decimal
    currency: str
    technician_id: UUID | None
    conditions: dict[str, Any]
    starts_on: date
    ends_on: date | None

    @classmethod
    def of(cls, row: PayRule) -> "PayRuleView":
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


class PayRulePage(msgspec.Struct, frozen=True):
    items: list[PayRuleView]
    next: str | None


class PayLineView(msgspec.Struct, frozen=True):
    """One item: a line of the ledger (`hour`, `km`) or a visit. Adjustments are of days before the period."""

    rule_id: UUID
    item_kind: str
    item_id: UUID
    worked_on: date
    quantity: Decimal
    amount: Decimal
    is_adjustment: bool

    @classmethod
    def of(cls, line: PayLine | formula.PayLine) -> "PayLineView":
        return cls(**{name: getattr(line, name) for name in cls.__struct_fields__})


class StatementView(msgspec.Struct, frozen=True):
    id: UUID
    technician_id: UUID
    first_on: date
    last_on: date
    currency: str
    total: Decimal
    adjustments: Decimal
    issued_at: datetime

    @classmethod
    def of(cls, row: PayStatement) -> "StatementView":
        assert row.during.lower is not None
        assert row.during.upper is not None
        return cls(
            row.id,
            row.technician_id,
            row.during.lower,
            row.during.upper - timedelta(1),
            row.currency,
            row.total,
            row.adjustments,
            row.issued_at,
        )


class StatementPage(msgspec.Struct, frozen=True):
    items: list[StatementView]
    next: str | None


class IssuedStatement(msgspec.Struct, frozen=True):
    statement: StatementView
    lines: list[PayLineView]


class PayPreview(msgspec.Struct, frozen=True):
    """What a statement would come to if it were issued now."""

    currency: str
    total: Decimal
    adjustments: Decimal
    lines: list[PayLineView]


class InvoiceView(msgspec.Struct, frozen=True):
    id: UUID
    technician_id: UUID
    number: str
    first_on: date
    last_on: date
    amount: Decimal
    currency: str
    note: str

    @classmethod
    def of(cls, row: ContractorInvoice) -> "InvoiceView":
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


class ContractorView(msgspec.Struct, frozen=True):
    """A contractor's volumes, what is due by the prices agreed, and what was billed."""

    technician_id: UUID
    number: str
    name: str
    offered: int
    accepted: int
    hours: Decimal
    km: Decimal
    due: Decimal
    billed: Decimal
    gap: Decimal


Contractors: TypeAlias = list[ContractorView]


class PayRuleController(Controller):
    path = "/api/pay-rules"
    tags = ["Pay"]

    @get("/", opt=READ, summary="List the rules of pay")
    async def browse(self, session: DbSession, actor: CurrentActor, page: http.Page) -> PayRulePage:
        rows = await pay.list_rules(session, actor, after=page.after_id, limit=page.limit)
        return PayRulePage([PayRuleView.of(row) for row in rows], page.next(rows))

    @post("/", opt=EDIT, status_code=HTTP_201_CREATED, summary="Add a rule of pay")
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewPayRule]
    ) -> PayRuleView:
        actor.must(Permission.EDIT_CONTRACTS)
        return PayRuleView.of(await pay.add_rule(session, actor, now, data.model_dump()))

    @patch("/{rule_id:uuid}", opt=EDIT, summary="Set a rule's last day")
    async def end(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        rule_id: FromPath[UUID],
        data: JSONBody[PayRuleEnd],
    ) -> PayRuleView:
        actor.must(Permission.EDIT_CONTRACTS)
        return PayRuleView.of(
            await pay.end_rule(session, actor, now, rule_id, data.rev, data.ends_on)
        )


class PayStatementController(Controller):
    path = "/api/pay-statements"
    tags = ["Pay"]

    @get("/", opt=READ, summary="List the statements issued")
    async def browse(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        technician_id: FromQuery[UUID | None] = None,
    ) -> StatementPage:
        rows = await pay.list_statements(
            session, actor, technician_id=technician_id, after=page.after_id, limit=page.limit
        )
        return StatementPage([StatementView.of(row) for row in rows], page.next(rows))

    @get("/preview", opt=READ, summary="What a period comes to by now; nothing is stored")
    async def preview(
        self,
        session: DbSession,
        actor: CurrentActor,
        technician_id: Who,
        first_on: FirstOn,
        last_on: LastOn,
        currency: InCurrency = None,
    ) -> PayPreview:
        days = read_days(first_on, last_on)
        money = currency or (await find_own_tenant(session, actor.tenant_id)).currency
        await pay.find_technician(session, actor, technician_id)
        lines = await pay.work_out(session, actor, technician_id, days, money)
        return PayPreview(
            money,
            formula.total(lines),
            formula.total(line for line in lines if line.is_adjustment),
            [PayLineView.of(line) for line in lines],
        )

    @post(
        "/",
        opt=EDIT,
        status_code=HTTP_201_CREATED,
        summary="Freeze what a technician is paid for a period that is over",
    )
    async def issue(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewStatement]
    ) -> IssuedStatement:
        actor.must(Permission.EDIT_CONTRACTS)
        days = read_days(data.first_on, data.last_on)
        issued, lines = await pay.issue_statement(
            session, actor, now, data.technician_id, days, data.currency
        )
        return IssuedStatement(StatementView.of(issued), [PayLineView.of(line) for line in lines])

    @get("/{statement_id:uuid}", opt=READ, summary="A statement as it was issued")
    async def one(
        self, session: DbSession, actor: CurrentActor, statement_id: FromPath[UUID]
    ) -> IssuedStatement:
        issued, lines = await pay.find_statement(session, actor, statement_id)
        return IssuedStatement(StatementView.of(issued), [PayLineView.of(line) for line in lines])


class ContractorController(Controller):
    path = "/api/contractors"
    tags = ["Pay"]

    @get("/volumes", opt=READ, summary="What contractors were offered, did, are due and billed")
    async def volumes(
        self,
        session: DbSession,
        actor: CurrentActor,
        first_on: FirstOn,
        last_on: LastOn,
        currency: InCurrency = None,
    ) -> Contractors:
        days = read_days(first_on, last_on)
        money = currency or (await find_own_tenant(session, actor.tenant_id)).currency
        return [
            ContractorView(*row) for row in await pay.contractor_sums(session, actor, days, money)
        ]

    @post(
        "/invoices",
        opt=EDIT,
        status_code=HTTP_201_CREATED,
        summary="Record what a contractor billed",
    )
    async def bill(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewInvoice]
    ) -> InvoiceView:
        actor.must(Permission.EDIT_CONTRACTS)
        return InvoiceView.of(await pay.record_invoice(session, actor, now, data.model_dump()))


ROUTES = [PayRuleController, PayStatementController, ContractorController]
