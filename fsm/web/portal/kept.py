"""How the promises of a customer's contracts were kept: the company's own figures, of their rows alone."""

from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from fsm.actors import Actor
from fsm.contracts.service_levels import ClockKind
from fsm.database import Session
from fsm.tenants.queries import find_own_tenant
from fsm.web.portal.queries import customer_of, list_numbers
from fsm.web.portal.views import ContractKept, KeptOf, KeptView, LateJob
from reports import lineage, queries
from reports.exposure_sql import Page
from reports.formulae.service import NO_SERVICE_LEVEL
from reports.months import day_begins
from reports.questions import Answered, Known, Question
from reports.registry import find_definition
from reports.results import Result
from reports.rows import Period
from reports.scopes import NONE, Cut, Scope

ALWAYS_SAID: Final = frozenset({ClockKind.RESPONSE, ClockKind.RESTORATION})
"""Of these it is said that nothing was due; of the other promises nothing, where they were never made."""
MOST_CONTRACTS: Final = 100
MOST_JOBS: Final = 500
"""Candidates looked through for the jobs that came too late, of one contract and clock."""


async def read_kept(
    session: Session, actor: Actor, now: datetime, first_on: date, last_on: date
) -> KeptOf:
    """Return what became of the promises that fell due on these days, the last one included."""
    customer_of(actor)
    await queries.begin_snapshot(session)
    zone = (await find_own_tenant(session, actor.tenant_id)).zone
    period = Period(day_begins(first_on, zone), day_begins(last_on + timedelta(days=1), zone), now)
    known = await queries.find_known(session, actor, now)
    contracts: dict[UUID, ContractKept] = {}
    for clock in ClockKind:
        definition = find_definition(f"sla_{clock}")
        question = Question(definition, definition.variant(None), Scope(), period)
        rows = await queries.table(
            session, actor, known, question, Cut.CONTRACT, Page(MOST_CONTRACTS)
        )
        for row in rows:
            if not isinstance(row.key, UUID) or row.key == NONE:
                continue
            if clock not in ALWAYS_SAID and not _was_promised(row.result):
                continue
            named = ContractKept(row.key, row.number, row.name, [])
            kept = await _kept(session, actor, known, question, clock, row)
            contracts.setdefault(row.key, named).kept.append(kept)
    listed = sorted(contracts.values(), key=lambda each: each.number)
    return KeptOf(period.from_at, period.to_at, zone, listed)


def _was_promised(found: Result) -> bool:
    return found.n > 0 or any(reason != NO_SERVICE_LEVEL for reason in found.excluded)


async def _kept(
    session: Session, actor: Actor, known: Known, question: Question, clock: str, row: Answered
) -> KeptView:
    found = row.result
    above = 0 if found.numerator is None else int(found.numerator.value)
    below = 0 if found.denominator is None else int(found.denominator.value)
    late: list[LateJob] = []
    if above < below:
        of_contract = Question(
            question.definition,
            question.variant,
            question.scope.narrowed(Cut.CONTRACT, row.key),
            question.period,
        )
        candidates = await lineage.list_candidates(
            session, actor, known, of_contract, None, MOST_JOBS
        )
        ids = [
            work_order_id
            for one in candidates
            if one.excluded is None and not one.numerator
            for work_order_id in one.work_order_ids
        ]
        numbers = await list_numbers(session, actor, ids)
        late = [LateJob(each, numbers[each]) for each in dict.fromkeys(ids) if each in numbers]
    share = None if found.value is None else float(found.value)
    return KeptView(clock, above, below, share, late)
