"""Statements over HTTP."""

from datetime import date
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.params import FromPath, QueryParameter

from fsm.actors import Permission
from fsm.http import CurrentActor, DbSession, Now, needs
from fsm.problems import Invalid
from reports.queries import begin_snapshot
from reports.statements.contract import (
    ContractStatement,
    CustomerStatement,
    Days,
    contract_statement,
    customer_statement,
)

FirstOn = Annotated[date, QueryParameter(name="from", description="First day.")]
LastOn = Annotated[date, QueryParameter(name="to", description="Last day, itself included.")]

_MOST_DAYS = 10 * 366


class ContractStatementController(Controller):
    path = "/api/contract-statements/{contract_id:uuid}"
    tags = ["Statements"]

    @get(
        "/",
        opt=needs(Permission.READ_COSTS),
        summary="What a contract brought and truly cost on some days, by asset too",
    )
    async def internal(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        contract_id: FromPath[UUID],
        first_on: FirstOn,
        last_on: LastOn,
    ) -> ContractStatement:
        days = read_days(first_on, last_on)
        await begin_snapshot(session)
        return await contract_statement(session, actor, now, contract_id, days)

    @get(
        "/customer",
        opt=needs(Permission.READ_CONTRACTS),
        summary="What a contract's customer owes for some days",
    )
    async def outward(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        contract_id: FromPath[UUID],
        first_on: FirstOn,
        last_on: LastOn,
    ) -> CustomerStatement:
        days = read_days(first_on, last_on)
        await begin_snapshot(session)
        return await customer_statement(session, actor, now, contract_id, days)


def read_days(first_on: date, last_on: date) -> Days:
    """Return the days asked for; refused when they run backwards, or further than any statement does."""
    if last_on < first_on:
        raise Invalid("The last day comes before the first.", errors=[{"at": "/to"}])
    if not 1970 <= first_on.year <= last_on.year <= 2199:
        raise Invalid("A statement is about days between 1970 and 2199.", errors=[{"at": "/from"}])
    if (last_on - first_on).days > _MOST_DAYS:
        raise Invalid("A statement covers at most ten years.", errors=[{"at": "/to"}])
    return Days(first_on, last_on)


ROUTES = [ContractStatementController]
