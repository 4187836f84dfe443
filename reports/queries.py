"""Answers questions about figures: one result, a table of them, each with its context.

A business edit can happen between two statements, so every answer is read in one snapshot: `begin_snapshot`
makes the transaction REPEATABLE READ and read-only, which must come before its first query. Each answer is a
fixed handful of statements, however many assets it is over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from fsm.actors import Actor
from fsm.database import Session, run
from fsm.intervals import instant
from fsm.problems import NotFound
from fsm.tenants.queries import find_own_tenant
from reports import cost_sql, repairs_sql, results
from reports.exposure_sql import Page, subject_keys
from reports.figures import (
    availability_figure,
    cost_figure,
    downtime_figure,
    mean_figure,
    mtbf_figure,
    percentile_figure,
    restoration_notes,
)
from reports.formulae.reliability import Availability, TimeBase
from reports.registry import Definition
from reports.reliability_sql import EventSums, TimeSums, failure_sums, time_sums
from reports.results import Figure, Provisional, ProvisionalReason, Result, Window
from reports.rows import Period
from reports.scopes import NONE, Cut, Scope
from reports.statistics import median_ranks

_SHARES = {"p50": 0.5, "p90": 0.9}
_NO_RANKS = 0, 0


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: which figure, in which variant, of what, over which time, in which money."""

    definition: Definition
    variant: str
    scope: Scope
    period: Period
    currency: str | None = None

    def query(self) -> str:
        """Return the query string that asks the same again, with the same `as_of`."""
        asked = {
            "scope": str(self.scope),
            "from": _written(self.period.from_at),
            "to": _written(self.period.to_at),
            "as_of": _written(self.period.as_of),
        }
        if self.variant:
            asked["variant"] = self.variant
        if self.currency is not None:
            asked["currency"] = self.currency
        return urlencode(asked, safe=":,")


@dataclass(frozen=True, slots=True)
class Known:
    """What was known when an answer was read, and the company's own settings.

    `late` events tell of a time before `as_of` and arrived after it; `unsealed` ones have no number yet, so
    the watermark does not cover them although their rows are counted.
    """

    zone: str
    currency: str
    watermark: int
    late: int
    unsealed: int


@dataclass(frozen=True, slots=True)
class Answered:
    """One row of a table: the key's number and name for people, and its figure."""

    key: UUID
    number: str
    name: str
    result: Result


async def begin_snapshot(session: Session) -> None:
    """Let everything that follows see the database as it is now, and change nothing."""
    await run(session, "set transaction isolation level repeatable read, read only")


async def find_known(session: Session, actor: Actor, as_of: datetime) -> Known:
    tenant = await find_own_tenant(session, actor.tenant_id)
    row: Any = (await run(session, _KNOWN, t=actor.tenant_id, as_of=as_of)).one()
    watermark, late, unsealed = row
    return Known(tenant.zone, tenant.currency, watermark, late, unsealed)


async def check_scope(session: Session, actor: Actor, scope: Scope) -> None:
    """Refuse a scope that names what is not there; a customer's user finds that customer's things only."""
    for cut, key in scope.parts:
        if key == NONE:
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
    figures = await _figures(session, actor, known, question, Cut.TENANT, None)
    return _result(actor, known, question, question.scope, *figures[actor.tenant_id])


async def table(
    session: Session,
    actor: Actor,
    known: Known,
    question: Question,
    cut: Cut,
    page: Page | None = None,
) -> list[Answered]:
    """Return a figure per key of the cut, in the order of keys; without a page all of them."""
    figures = await _figures(session, actor, known, question, cut, page)
    labels = await _labels(session, actor, cut, list(figures))
    return [
        Answered(
            key,
            *labels.get(key, ("", "")),
            _result(actor, known, question, question.scope.narrowed(cut, key), *found),
        )
        for key, found in figures.items()
    ]


Found = tuple[Figure, Provisional | None]


async def _figures(
    session: Session,
    actor: Actor,
    known: Known,
    question: Question,
    cut: Cut,
    page: Page | None,
) -> dict[UUID, Found]:
    """Return a figure per key of the cut; for the cut by tenant there is one even where nothing is there."""
    asked = (session, actor, question.period, question.scope, cut, page)
    variant = question.variant
    nothing = [actor.tenant_id] if cut is Cut.TENANT else []
    match question.definition.kpi:
        case "mtbf":
            times = await time_sums(*asked)
            failures = await failure_sums(*asked)
            return {
                key: (
                    mtbf_figure(
                        times.get(key, TimeSums()),
                        failures.get(key, EventSums()),
                        TimeBase(variant),
                    ),
                    None,
                )
                for key in times or nothing
            }
        case "availability":
            times = await time_sums(*asked)
            return {
                key: (
                    availability_figure(times.get(key, TimeSums()), Availability(variant)),
                    None,
                )
                for key in times or nothing
            }
        case "downtime":
            times = await time_sums(*asked)
            return {
                key: (downtime_figure(times.get(key, TimeSums()), variant), None)
                for key in times or nothing
            }
        case "restoration":
            return await _restoration(asked, variant, nothing or await subject_keys(*asked))
        case "mrt" | "mart" as kpi:
            sums = await repairs_sql.repair_sums(*asked, is_active=kpi == "mart")
            return {
                key: (mean_figure(sums.get(key, EventSums()), "repair", ()), None)
                for key in nothing or await subject_keys(*asked)
            }
        case "cost":
            return await _cost(session, actor, known, question, cut, page)
        case kpi:
            raise LookupError(f"Nothing computes '{kpi}'.")


async def _restoration(
    asked: tuple[Any, ...], variant: str, keys: Sequence[UUID]
) -> dict[UUID, Found]:
    sums = await repairs_sql.restoration_sums(*asked)
    still_open = await repairs_sql.open_faults(*asked)
    order: Mapping[UUID, tuple[float, float | None, float | None]] = {}
    if variant in _SHARES:
        ranks = {
            key: (median_ranks(each.n) if variant == "p50" else None) or _NO_RANKS
            for key, each in sums.items()
        }
        order = await repairs_sql.restoration_order(*asked, share=_SHARES[variant], ranks=ranks)
    figures: dict[UUID, Found] = {}
    for key in keys:
        lasted = sums.get(key, EventSums())
        notes = restoration_notes(variant, lasted, still_open.get(key, (0, 0)))
        figure = (
            percentile_figure(lasted, order.get(key), notes)
            if variant in _SHARES
            else mean_figure(lasted, "failure", notes)
        )
        figures[key] = figure, None
    return figures


async def _cost(
    session: Session,
    actor: Actor,
    known: Known,
    question: Question,
    cut: Cut,
    page: Page | None,
) -> dict[UUID, Found]:
    days = cost_sql.days_of(question.period, ZoneInfo(known.zone))
    sums = await cost_sql.cost_sums(
        session, actor, days, question.scope, cut, question.variant, page
    )
    unfinished = await cost_sql.keys_with_open_jobs(
        session, actor, instant(question.period.until()), question.scope, cut
    )
    nothing = [actor.tenant_id] if cut is Cut.TENANT else []
    currency = question.currency or known.currency
    notes = (f"variant:{question.variant}", f"days:{days[0]}/{days[1]}")
    open_costs = Provisional(None, (ProvisionalReason.COSTS_OPEN,))
    return {
        key: (
            cost_figure(sums.get(key, {}), currency, notes),
            open_costs if key in unfinished else None,
        )
        for key in sums or nothing
    }


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


async def _labels(
    session: Session, actor: Actor, cut: Cut, keys: Sequence[UUID]
) -> dict[UUID, tuple[str, str]]:
    """Return number and name of the keys; what stands under no key has neither."""
    rows = await run(session, _LABELS[cut], t=actor.tenant_id, ids=list(keys))
    return {key: (number, name) for key, number, name in list[Any](rows)}


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


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
}

_OWNER = {
    Cut.ASSET: "customer_id",
    Cut.CONTRACT: "customer_id",
    Cut.SITE: "customer_id",
    Cut.CUSTOMER: "id",
}

_LABELS = {
    Cut.ASSET: "select id, number, name from asset where tenant_id = :t and id = any(:ids)",
    Cut.CONTRACT: "select id, number, name from contract where tenant_id = :t and id = any(:ids)",
    Cut.SITE: "select id, number, name from site where tenant_id = :t and id = any(:ids)",
    Cut.CUSTOMER: "select id, number, name from customer where tenant_id = :t and id = any(:ids)",
    Cut.MODEL: "select id, code, name from asset_model where tenant_id = :t and id = any(:ids)",
    Cut.TENANT: "select id, slug, name from tenant where id = :t and id = any(:ids)",
}
