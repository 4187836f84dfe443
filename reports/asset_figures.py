"""Figures of what assets did with their time and how long it took to put them right."""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, TypeAlias

from fsm.actors import Actor
from fsm.database import Session
from reports import repairs_sql
from reports.exposure_sql import Page, Statement, subject_keys
from reports.figures import (
    against_target,
    availability_figure,
    downtime_figure,
    inherent_figure,
    mean_figure,
    meter_mtbf_figure,
    mtbf_figure,
    percentile_figure,
    restoration_notes,
)
from reports.formulae.meters import METER
from reports.formulae.reliability import Availability, TimeBase
from reports.meters_sql import MeterSums, meter_sums
from reports.outages_sql import outage_sums
from reports.questions import Asked, Found
from reports.reliability_sql import EventSums, TimeSums, failure_sums, time_sums
from reports.repairs_sql import RepairPart, Restored
from reports.rounds import at_once
from reports.rows import Period
from reports.scopes import NONE, Cut, Key, Scope
from reports.statistics import median_ranks

Place: TypeAlias = tuple[Session, Actor, Period, Scope, Cut, Page | None]

_SHARES = {"p50": 0.5, "p90": 0.9}
_NO_RANKS = 0, 0


async def mtbf(asked: Asked) -> dict[Key, Found]:
    if asked.question.variant == METER:
        ran = await meter_sums(asked)
        return {
            key: (meter_mtbf_figure(ran.get(key, MeterSums())), None)
            for key in ran or asked.nothing()
        }
    times, failures = await _each(asked, time_sums, failure_sums)
    base = TimeBase(asked.question.variant)
    return {
        key: (mtbf_figure(times.get(key, TimeSums()), failures.get(key, EventSums()), base), None)
        for key in times or asked.nothing()
    }


async def availability(asked: Asked) -> dict[Key, Found]:
    times, targets = await at_once(
        asked.session, partial(time_sums, *_place(asked)), partial(_targets, asked)
    )
    variant = Availability(asked.question.variant)
    of_scope = targets.get(asked.question.scope.get(Cut.CONTRACT) or NONE)
    return {
        key: (
            against_target(
                availability_figure(times.get(key, TimeSums()), variant),
                targets.get(key) if asked.cut is Cut.CONTRACT else of_scope,
            ),
            None,
        )
        for key in times or asked.nothing()
    }


async def _targets(asked: Asked) -> dict[Key, Decimal]:
    """Return what the contracts promise, where the figure is of a contract or of each."""
    contract_id = asked.question.scope.get(Cut.CONTRACT)
    if contract_id is None and asked.cut is not Cut.CONTRACT:
        return {}
    statement = Statement(t=asked.actor.tenant_id, contract=contract_id)
    return dict(await statement.part("promised", _PROMISED).run(asked.session, _TARGETS))


async def downtime(asked: Asked) -> dict[Key, Found]:
    times = await time_sums(*_place(asked))
    variant = asked.question.variant
    return {
        key: (downtime_figure(times.get(key, TimeSums()), variant), None)
        for key in times or asked.nothing()
    }


async def restoration(asked: Asked) -> dict[Key, Found]:
    place, variant = _place(asked), asked.question.variant
    keys = asked.nothing() or await subject_keys(*place)
    sums = await repairs_sql.restoration_sums(*place)
    order: Mapping[Key, tuple[float, float | None, float | None]] = {}
    if variant in _SHARES:
        ranks = {
            key: (median_ranks(each.lasted.n) if variant == "p50" else None) or _NO_RANKS
            for key, each in sums.items()
        }
        order = await repairs_sql.restoration_order(*place, share=_SHARES[variant], ranks=ranks)
    figures: dict[Key, Found] = {}
    for key in keys:
        found = sums.get(key, Restored())
        lasted, still_open = found.lasted, (found.open_faults, found.oldest_us)
        notes = restoration_notes(variant, lasted, still_open, found.detected_median_h)
        figure = (
            percentile_figure(lasted, order.get(key), notes)
            if variant in _SHARES
            else mean_figure(lasted, "failure", notes)
        )
        figures[key] = figure, None
    return figures


async def mean_downtime(asked: Asked) -> dict[Key, Found]:
    sums = await outage_sums(asked)
    return {
        key: (mean_figure(sums.get(key, EventSums()), "outage", ()), None)
        for key in asked.nothing() or await subject_keys(*_place(asked))
    }


def repair_part(kpi: str, variant: str) -> RepairPart:
    """Return which part of a repair's time a figure is about."""
    if kpi == "mart":
        return RepairPart.HANDS_ON
    return RepairPart(variant) if kpi == "repair_split" else RepairPart.WHOLE


async def repair_time(asked: Asked) -> dict[Key, Found]:
    """Return mean repair time, mean active repair time, or the part of it that a variant names."""
    variant = asked.question.variant
    part = repair_part(asked.question.definition.kpi, variant)
    sums = await repairs_sql.repair_sums(*_place(asked), part=part)
    notes = (f"variant:{variant}",) if variant else ()
    return {
        key: (mean_figure(sums.get(key, EventSums()), "repair", notes), None)
        for key in asked.nothing() or await subject_keys(*_place(asked))
    }


async def inherent_availability(asked: Asked) -> dict[Key, Found]:
    """Return MTBF / (MTBF + MRT) on the operating clock, null unless both are known."""
    times, failures, repairs = await _each(asked, time_sums, failure_sums, _whole_repairs)
    figures: dict[Key, Found] = {}
    for key in times or asked.nothing():
        between = mtbf_figure(
            times.get(key, TimeSums()), failures.get(key, EventSums()), TimeBase.OPERATING
        )
        repair = mean_figure(repairs.get(key, EventSums()), "repair", ())
        figures[key] = inherent_figure(between, repair), None
    return figures


async def inherent_counts(asked: Asked) -> tuple[int, int]:
    """Return how many failures and how many repairs the inherent availability of a scope rests on."""
    tenant = asked.actor.tenant_id
    failures, repairs = await _each(asked, failure_sums, _whole_repairs)
    return failures.get(tenant, EventSums()).n, repairs.get(tenant, EventSums()).n


_whole_repairs = partial(repairs_sql.repair_sums, part=RepairPart.WHOLE)


async def _each(asked: Asked, *sums: Callable[..., Awaitable[Any]]) -> list[Any]:
    """Return what each of the sums is for what is asked, together one wait."""
    return await at_once(asked.session, *(partial(each, *_place(asked)) for each in sums))


def _place(asked: Asked) -> Place:
    question = asked.question
    return asked.session, asked.actor, question.period, question.scope, asked.cut, asked.page


_PROMISED = """
  select c.id, c.availability_target from contract c
  where c.tenant_id = :t and c.availability_target is not null
    and (c.id = cast(:contract as uuid) or cast(:contract as uuid) is null)
"""

_TARGETS = "select id, availability_target from promised"
