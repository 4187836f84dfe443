"""Figures as documents keep them: the results that the API gives, with their names and formulae."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from fsm.actors import Actor
from fsm.contracts.queries import find_contract
from fsm.customers.tables import Customer
from fsm.database import Session, run
from fsm.problems import Invalid
from reports import queries, registry, results
from reports.documents.contents.collected import Collected
from reports.ledger.contract_sql import broken_promises
from reports.months import day_begins
from reports.questions import Known, Question
from reports.results import Result
from reports.rows import Period
from reports.scopes import Cut, Scope

OF_CONTRACT: Final = (
    "sla_response", "sla_restoration", "restoration", "mrt", "mart", "availability", "downtime", "mtbf",
    "first_time_fix", "repeat", "reopen", "on_time", "pm_compliance", "backlog",
)  # fmt: skip
IN_PAIRS: Final = (
    "first_time_fix", "repeat", "sla_restoration", "reopen", "utilisation", "on_time", "pm_compliance",
    "pm_ratio", "availability", "restoration", "backlog", "cost", "contract_margin",
)  # fmt: skip
"""Each figure stands beside the one that it could be gamed against."""
_MOST_DAYS: Final = 3 * 366
_WORST: Final = 10


def read_period(first_on: date, last_on: date, zone: str, now: datetime) -> Period:
    """Return the days, both included, on the company's clocks; refused when they are not over one another."""
    if last_on < first_on or (last_on - first_on).days > _MOST_DAYS:
        raise Invalid(
            "A report is about at least one day and at most three years.",
            errors=[{"at": "/last_on"}],
        )
    period = Period(day_begins(first_on, zone), day_begins(last_on + timedelta(1), zone), now)
    if period.from_at >= now:
        raise Invalid("These days have not begun.", errors=[{"at": "/first_on"}])
    return period


def plain(result: Result) -> dict[str, Any]:
    """Return a result as the API writes it: money as text, instants in UTC."""
    written: dict[str, Any] = msgspec.json.decode(results.encode(result))
    return written


async def collect_service_report(
    session: Session, actor: Actor, now: datetime, contract_id: UUID, first_on: date, last_on: date,
    language: str,
) -> Collected:  # fmt: skip
    """Return a contract's figures for some days, and each promise that was not kept, with its cause."""
    contract = await find_contract(session, actor, contract_id)
    customer = await session.get_one(Customer, (actor.tenant_id, contract.customer_id))
    known = await queries.find_known(session, actor, now)
    period = read_period(first_on, last_on, known.zone, now)
    scope = Scope(((Cut.CONTRACT, contract_id),))
    broken = await broken_promises(
        session, actor, [contract_id], (first_on, last_on + timedelta(1)), now
    )
    jobs = await _jobs(session, actor, [one.work_order_id for one in broken])
    content = {
        "contract": {name: getattr(contract, name) for name in ("id", "number", "name", "kind")},
        "customer": {"number": customer.number, "name": customer.name},
        "first_on": first_on,
        "last_on": last_on,
        "as_of": now,
        "watermark": known.watermark,
        "figures": await _figures(session, actor, known, OF_CONTRACT, scope, period, language),
        "breaches": [
            {
                "work_order_id": one.work_order_id,
                "number": one.number,
                "clock": one.breach.clock,
                "due_on": one.breach.due_on,
                "is_disputed": one.is_disputed,
                **jobs[one.work_order_id],
            }
            for one in broken
            if one.breach.due_on >= first_on
        ],
    }
    return Collected(content, known.zone, "contract", contract_id, contract.customer_id)


async def collect_management_pack(
    session: Session, actor: Actor, now: datetime, first_on: date, last_on: date, language: str
) -> Collected:
    """Return the company's figures for some days beside as many days before, and the worst assets."""
    known = await queries.find_known(session, actor, now)
    period = read_period(first_on, last_on, known.zone, now)
    earlier = first_on - timedelta((last_on - first_on).days + 1)
    before = Period(day_begins(earlier, known.zone), period.from_at, now)
    everything = Scope()
    figures = await _figures(session, actor, known, IN_PAIRS, everything, period, language)
    earlier_ones = await _figures(session, actor, known, IN_PAIRS, everything, before, language)
    by_name = {one["kpi"]: one["result"] for one in earlier_ones}
    content = {
        "first_on": first_on,
        "last_on": last_on,
        "as_of": now,
        "watermark": known.watermark,
        "figures": [{**one, "before": by_name[one["kpi"]]} for one in figures],
        "worst_assets": await _worst(session, actor, known, period),
    }
    return Collected(content, known.zone, "company")


async def _figures(
    session: Session,
    actor: Actor,
    known: Known,
    kpis: Sequence[str],
    scope: Scope,
    period: Period,
    language: str,
) -> list[dict[str, Any]]:
    """Return the figures that the actor may have, in the order given."""
    questions = [
        Question(definition, definition.variant(None), scope, period)
        for definition in map(registry.find_definition, kpis)
        if all(actor.may(permission) for permission in definition.needs)
    ]
    answered = await queries.answers(session, actor, known, questions)
    return [
        {
            "kpi": question.definition.kpi,
            "name": question.definition.names.get(language, question.definition.names["en"]),
            "formula": question.definition.formula,
            "variant": question.variant,
            "result": plain(result),
        }
        for question, result in zip(questions, answered, strict=True)
    ]


async def _worst(
    session: Session, actor: Actor, known: Known, period: Period
) -> list[dict[str, Any]]:
    """Return the assets that were down longest, those that were down at all."""
    definition = registry.find_definition("downtime")
    question = Question(definition, definition.variant(None), Scope(), period)
    rows = await queries.table(session, actor, known, question, Cut.ASSET)
    down = [row for row in rows if row.result.value]
    down.sort(key=lambda row: (-float(row.result.value or 0), row.number))
    return [
        {"number": row.number, "name": row.name, "result": plain(row.result)}
        for row in down[:_WORST]
    ]


async def _jobs(
    session: Session, actor: Actor, ids: Sequence[UUID]
) -> dict[UUID, dict[str, str | None]]:
    rows = await run(
        session,
        """
        select w.id, w.title, coalesce(f.cause, f.mode) as cause from work_order w
        left join failure f on f.tenant_id = w.tenant_id and f.id = w.failure_id
        where w.tenant_id = :t and w.id = any(cast(:ids as uuid[]))
        """,
        t=actor.tenant_id,
        ids=list(ids),
    )
    return {row.id: {"title": row.title, "cause": row.cause} for row in rows}
