"""Answers questions about figures: one result, a table of them, each with its context.

A business edit can happen between two statements, so every answer is read in one snapshot: `begin_snapshot`
makes the transaction REPEATABLE READ and read-only, which must come before its first query. Each answer is a
fixed handful of statements, however many assets it is over.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

import msgspec

from fsm.actors import Actor
from fsm.database import Session, run
from fsm.problems import NotFound
from fsm.tenants.queries import find_own_tenant
from reports import results
from reports.candidates import Candidate
from reports.computed import ALONE, FIGURES
from reports.exposure_sql import Page
from reports.months import month_of, months_of
from reports.questions import Answered, Asked, Found, Known, Question
from reports.results import Figure, Provisional, ProvisionalReason, Result, Window
from reports.rounds import side_by_side
from reports.rows import Period
from reports.scopes import NONE, Cut, Key, Scope
from reports.unsynced_sql import keys_not_synced


class Order(StrEnum):
    """By what the largest rows of a table are found: their value, or how much they counted."""

    VALUE = "value"
    N = "n"


class Label(msgspec.Struct, frozen=True):
    """What people call a row that a candidate names."""

    number: str
    name: str


async def begin_snapshot(session: Session) -> None:
    """Let everything that follows see the database as it is now, and change nothing.

    Statements are planned for the values that they are asked with, unless `_prepare` says otherwise.
    """
    await run(session, "set transaction isolation level repeatable read, read only")
    await run(session, "set local plan_cache_mode = force_custom_plan")


async def find_known(session: Session, actor: Actor, as_of: datetime) -> Known:
    tenant = await find_own_tenant(session, actor.tenant_id)
    row: Any = (await run(session, _KNOWN, t=actor.tenant_id, as_of=as_of)).one()
    watermark, late, unsealed = row
    return Known(tenant.zone, tenant.currency, watermark, late, unsealed)


async def check_scope(session: Session, actor: Actor, scope: Scope) -> None:
    """Refuse a scope that names what is not there; a customer's user finds that customer's things only."""
    for cut, key in scope.parts:
        if key in (NONE, ""):
            continue
        owned = actor.customer_id is not None and cut in _OWNER
        found = await run(
            session,
            f"{_EXISTS[cut]}{f' and {_OWNER[cut]} = :own' if owned else ''}",
            t=actor.tenant_id,
            id=key,
            **({"own": actor.customer_id} if owned else {}),
        )
        if found.first() is None:
            raise NotFound(f"No {cut} {key}.")


async def answer(session: Session, actor: Actor, known: Known, question: Question) -> Result:
    """Return one figure of the whole scope."""
    return (await answers(session, actor, known, [question]))[0]


async def answers(
    session: Session, actor: Actor, known: Known, questions: Sequence[Question]
) -> list[Result]:
    """Return a figure of the whole scope for each question; all are of one scope, read once."""
    if not questions:
        return []
    asked = [Asked(session, actor, known, question) for question in questions]
    figures = await _side_by_side(asked)
    return [
        _result(actor, known, question, question.scope, *found[actor.tenant_id])
        for question, found in zip(questions, figures, strict=True)
    ]


async def table(
    session: Session,
    actor: Actor,
    known: Known,
    question: Question,
    cut: Cut,
    page: Page | None = None,
) -> list[Answered]:
    """Return a figure per key of the cut, in the order of keys; without a page all of them."""
    if cut is Cut.MONTH:
        return await _by_month(session, actor, known, question, page)
    figures = await _figures(Asked(session, actor, known, question, cut, page))
    named = await labels(session, actor, cut, list(figures))
    return [
        Answered(
            key,
            *named.get(key, ("", "")),
            _result(actor, known, question, question.scope.narrowed(cut, key), *found),
        )
        for key, found in figures.items()
    ]


async def largest(
    session: Session,
    actor: Actor,
    known: Known,
    question: Question,
    cut: Cut,
    order: Order,
    limit: int,
) -> tuple[int, list[Answered]]:
    """Return how many keys add something, and the rows of those that add most, the largest first."""
    figures = await _figures(Asked(session, actor, known, question, cut))
    sizes = {
        key: figure.n if order is Order.N else (figure.value or 0)
        for key, (figure, _) in figures.items()
    }
    adding = [key for key, size in sizes.items() if size > 0]
    keys = sorted(adding, key=lambda key: (-sizes[key], str(key)))[:limit]
    named = await labels(session, actor, cut, keys)
    rows = [
        Answered(
            key,
            *named.get(key, ("", "")),
            _result(actor, known, question, question.scope.narrowed(cut, key), *figures[key]),
        )
        for key in keys
    ]
    return len(adding), rows


async def _by_month(
    session: Session, actor: Actor, known: Known, question: Question, page: Page | None
) -> list[Answered]:
    """Return the figure of each month of the window, cut to it: the months of the company's own zone."""
    rows: list[Answered] = []
    for part in months_of(question.period, known.zone):
        month = month_of(part.from_at, known.zone)
        if page is not None and (
            len(rows) == page.limit or (page.after is not None and month <= page.after)
        ):
            continue
        found = await answer(session, actor, known, question.within(part))
        rows.append(Answered(month, month, "", found))
    return rows


async def _figures(asked: Asked) -> dict[Key, Found]:
    return (await _side_by_side([asked]))[0]


async def _side_by_side(asked: Sequence[Asked]) -> list[dict[Key, Found]]:
    """Return a figure per key of each, provisional as well where a phone has not told yet what was done."""
    session, scope = asked[0].session, asked[0].question.scope
    is_small = await _prepare(session, asked[0].actor, scope)
    periods = {each.question.period: each for each in asked}
    found: dict[int, dict[Key, Found]] = {}
    behind: dict[Period, set[Key]] = {}

    async def figure(place: int, each: Asked) -> None:
        found[place] = await FIGURES[each.question.definition.kpi](each)

    async def unsynced(period: Period, each: Asked) -> None:
        behind[period] = await keys_not_synced(each)

    works: list[Callable[[], Awaitable[None]]] = [
        partial(unsynced, period, each) for period, each in periods.items()
    ]
    later: list[Callable[[], Awaitable[None]]] = []
    for place, each in enumerate(asked):
        is_alone = each.question.definition.kpi in ALONE
        (later if is_alone else works).append(partial(figure, place, each))
    await side_by_side(session, works, is_joined=is_small)
    for work in later:
        await work()
    return [
        {
            key: (
                figure,
                _not_synced(provisional)
                if key in behind[asked[place].question.period]
                else provisional,
            )
            for key, (figure, provisional) in figures.items()
        }
        for place, figures in sorted(found.items())
    ]


async def _prepare(session: Session, actor: Actor, scope: Scope) -> bool:
    """Tell the database how to plan for a scope, and return whether that is a small one.

    A small one's rows are found in indexes whichever it is: planning anew would take longer than reading
    them. Else each statement is planned for the values that it is asked with. A plan made for any values
    takes every window for a moment and every scope for a handful of rows: over years it never ends.
    """
    narrowed = [(cut, key) for cut, key in scope.parts if cut in _SMALL and key != NONE]
    if not narrowed:
        await run(session, _PLAN_ANEW)
        return False
    conditions = "".join(f" and {cut}_id = :{cut}" for cut, _ in narrowed)
    values = {str(cut): key for cut, key in narrowed}
    planned: Any = await run(
        session, _PLAN.format(conditions), t=actor.tenant_id, most=_SMALL_JOBS, **values
    )
    return bool(planned.one()[0])


def _not_synced(provisional: Provisional | None) -> Provisional:
    because = () if provisional is None else provisional.because
    return Provisional(None, (*because, ProvisionalReason.DEVICES_NOT_SYNCED))


def _result(
    actor: Actor,
    known: Known,
    question: Question,
    scope: Scope,
    figure: Figure,
    provisional: Provisional | None,
) -> Result:
    period, definition = question.period, question.definition
    narrowed = Question(definition, question.variant, scope, period, question.currency)
    if known.unsealed:
        notes = (*figure.notes, f"unsealed_events:{known.unsealed}")
        figure = msgspec.structs.replace(figure, notes=notes)
    return results.result(
        figure,
        kpi=definition.kpi,
        definition=definition.version,
        scope=scope.to_json(actor.tenant_id),
        window=Window(period.from_at, period.to_at, known.zone),
        as_of=period.as_of,
        watermark=known.watermark,
        late_events=known.late,
        lineage=f"/api/kpis/{definition.kpi}/lineage?{narrowed.query()}",
        provisional=provisional,
    )


async def labels(
    session: Session, actor: Actor, cut: Cut, keys: Sequence[Key]
) -> dict[Key, tuple[str, str]]:
    """Return number and name of the keys; what stands under no key has neither."""
    if cut is Cut.REGION:
        return {key: ("", str(key)) for key in keys}
    rows = await run(session, _LABELS[cut], t=actor.tenant_id, ids=list(keys))
    return {key: (number, name) for key, number, name in list[Any](rows)}


async def candidate_labels(
    session: Session, actor: Actor, candidates: Sequence[Candidate]
) -> dict[str, Label]:
    """Return number and name of the assets and jobs of some candidates, by id."""
    ids = {each.asset_id for each in candidates if each.asset_id is not None}
    ids |= {job_id for each in candidates for job_id in each.work_order_ids}
    rows: Any = await run(session, _CANDIDATE_LABELS, t=actor.tenant_id, ids=sorted(ids))
    return {str(id_): Label(number, name) for id_, number, name in rows}


_SMALL = (Cut.ASSET, Cut.CONTRACT, Cut.SITE, Cut.CUSTOMER)
_SMALL_JOBS = 2_000
"""How many jobs a scope that is planned for once may have at most, over all years."""

_PLAN_ANEW = """
select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('random_page_cost', '4', true),
       set_config('work_mem', '32MB', true)
"""

# Rows of one asset lie about the tables; those that are asked for again and again are in memory.
_PLAN = """
select small.so, set_config('plan_cache_mode',
         case when small.so then 'force_generic_plan' else 'force_custom_plan' end, true),
       set_config('random_page_cost', case when small.so then '1.1' else '4' end, true)
from (
  select count(*) <= :most as so
  from (select from work_order where tenant_id = :t{} limit :most + 1) w
) small
"""

_CANDIDATE_LABELS = """
select id, number, title from work_order where tenant_id = :t and id = any(cast(:ids as uuid[]))
union all
select id, number, name from asset where tenant_id = :t and id = any(cast(:ids as uuid[]))
"""

_KNOWN = """
select coalesce((select number from chain_head where tenant_id = :t), 0),
       (select count(*) from event e join event_seal s on s.tenant_id = e.tenant_id and s.event_id = e.id
        where e.tenant_id = :t and e.received_at > :as_of and e.occurred_at <= :as_of),
       (select count(*) from event_unsealed where tenant_id = :t)
"""

_EXISTS = {
    Cut.ASSET: "select id from asset where tenant_id = :t and id = :id",
    Cut.CONTRACT: "select id from contract where tenant_id = :t and id = :id",
    Cut.SITE: "select id from site where tenant_id = :t and id = :id",
    Cut.CUSTOMER: "select id from customer where tenant_id = :t and id = :id",
    Cut.MODEL: "select id from asset_model where tenant_id = :t and id = :id",
    Cut.REGION: "select id from site where tenant_id = :t and region = :id",
    Cut.WORK_TYPE: "select id from work_type where tenant_id = :t and id = :id",
    Cut.TECHNICIAN: "select id from technician where tenant_id = :t and id = :id",
    Cut.CONTRACTOR: "select id from technician where tenant_id = :t and id = :id and is_contractor",
    Cut.WORK_ORDER: "select id from work_order where tenant_id = :t and id = :id",
}

_OWNER = {
    Cut.ASSET: "customer_id",
    Cut.CONTRACT: "customer_id",
    Cut.SITE: "customer_id",
    Cut.REGION: "customer_id",
    Cut.CUSTOMER: "id",
    Cut.WORK_ORDER: "customer_id",
}

_LABELS = {
    Cut.ASSET: "select id, number, name from asset where tenant_id = :t and id = any(:ids)",
    Cut.CONTRACT: "select id, number, name from contract where tenant_id = :t and id = any(:ids)",
    Cut.SITE: "select id, number, name from site where tenant_id = :t and id = any(:ids)",
    Cut.CUSTOMER: "select id, number, name from customer where tenant_id = :t and id = any(:ids)",
    Cut.MODEL: "select id, code, name from asset_model where tenant_id = :t and id = any(:ids)",
    Cut.WORK_TYPE: "select id, code, name from work_type where tenant_id = :t and id = any(:ids)",
    Cut.TECHNICIAN: "select id, number, name from technician where tenant_id = :t and id = any(:ids)",
    Cut.CONTRACTOR: "select id, number, name from technician where tenant_id = :t and id = any(:ids)",
    Cut.WORK_ORDER: "select id, number, title from work_order where tenant_id = :t and id = any(:ids)",
    Cut.TENANT: "select id, slug, name from tenant where id = :t and id = any(:ids)",
}
