"""The company's rules of who bears which cost, over HTTP."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, patch, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_201_CREATED

from fsm import http
from fsm.actors import Permission
from fsm.contracts import payers
from fsm.contracts.coverage import Payer
from fsm.contracts.tables import PayerRule
from fsm.http import Body, CurrentActor, Day, DbSession, Line, Now, Revision, Short, needs

READ = needs(Permission.READ_CONTRACTS)
EDIT = needs(Permission.EDIT_CONTRACTS)

RuleCode = Annotated[
    str, pydantic.Field(min_length=1, max_length=50, pattern=r"^[^\s\x00-\x1f][^\x00-\x1f]*$")
]
Place = Annotated[int, pydantic.Field(ge=0, le=10_000)]
Conditions = Annotated[dict[str, Any], pydantic.Field(max_length=20)]


class NewPayerRule(Body):
    """`conditions` must all hold; of the rules that hold, the one with the lowest `place` counts."""

    code: RuleCode
    name: Line
    place: Place = 100
    conditions: Conditions = {}
    payer: Payer
    ground: Short = ""
    starts_on: Day
    ends_on: Day | None = None


class PayerRuleEdit(Body):
    rev: Revision
    name: Line = ""
    place: Place = 100
    conditions: Conditions = {}
    payer: Payer = Payer.CUSTOMER
    ground: Short = ""
    ends_on: Day | None = None


class PayerRuleView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    code: str
    name: str
    place: int
    conditions: dict[str, Any]
    payer: str
    ground: str
    starts_on: date
    ends_on: date | None

    @classmethod
    def of(cls, row: PayerRule) -> "PayerRuleView":
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


class PayerRulePage(msgspec.Struct, frozen=True):
    items: list[PayerRuleView]
    next: str | None


class PayerRuleController(Controller):
    path = "/api/payer-rules"
    tags = ["Contracts"]

    @get("/", opt=READ, summary="List the rules of who bears which cost")
    async def browse(
        self, session: DbSession, actor: CurrentActor, page: http.Page
    ) -> PayerRulePage:
        rows = await payers.list_payer_rules(session, actor, after=page.after_id, limit=page.limit)
        return PayerRulePage([PayerRuleView.of(row) for row in rows], page.next(rows))

    @post("/", opt=EDIT, status_code=HTTP_201_CREATED, summary="Add a rule of who bears a cost")
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewPayerRule]
    ) -> PayerRuleView:
        return PayerRuleView.of(await payers.add_payer_rule(session, actor, now, data.model_dump()))

    @patch("/{rule_id:uuid}", opt=EDIT, summary="Change or end a rule for costs to come")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        rule_id: FromPath[UUID],
        data: JSONBody[PayerRuleEdit],
    ) -> PayerRuleView:
        return PayerRuleView.of(
            await payers.edit_payer_rule(session, actor, now, rule_id, data.rev, data.changes())
        )


ROUTES = [PayerRuleController]
