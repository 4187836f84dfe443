"""Contractors: what they were offered and took, what they did, and what they billed of what is due.

What is due is the ledger's, at the prices agreed; what was billed is their invoices', by their last day.
Days are the company's own.
"""

from collections import defaultdict
from datetime import UTC, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from reports import cost_sql
from reports.candidates import Candidate
from reports.counted import Counted, Measure, Shape
from reports.exposure_sql import Page, Statement
from reports.jobs_sql import begin, work_texts
from reports.questions import Asked, Found
from reports.results import Figure, NullReason, Quantity
from reports.scopes import NONE, Cut, Key

ACCEPTED, DUE, BILLED = "accepted", "due", "billed"

_UNITS = {"hours": "h", "km": "km"}


async def _offered(asked: Asked) -> Statement:
    """Find the visits that contractors were sent, and those of them that they took.

    What we took back ourselves says nothing about them.
    """
    statement = begin(asked)
    return statement.part(
        "candidate",
        _OFFERED,
        **work_texts(statement, asked, "v.technician_id"),
    )


_TAKEN = Counted(
    "visit",
    _offered,
    lambda _: Measure(Shape.PROPORTION, ("visit", "visit"), NullReason.NOTHING_DUE),
)


async def contractor(asked: Asked) -> dict[Key, Found]:
    """Return the share of offers taken, or the sum of hours, kilometres or money that the variant names."""
    variant = asked.question.variant
    if variant == ACCEPTED:
        return await _TAKEN.figures(asked)
    unit = _UNITS.get(variant) or asked.question.currency or asked.known.currency
    sums: defaultdict[Key, dict[str, tuple[int, Decimal]]] = defaultdict(dict)
    for key, in_unit, count, amount in await _lines(asked).run(asked.session, _SUMS):
        sums[key][in_unit] = count, amount
    keys = sorted(sums, key=str) or asked.nothing()
    if asked.page is not None:
        after = None if asked.page.after is None else str(asked.page.after)
        keys = [key for key in keys if after is None or str(key) > after][: asked.page.limit]
    return {key: (_sum(sums.get(key, {}), unit, variant), None) for key in keys}


def _sum(found: dict[str, tuple[int, Decimal]], unit: str, variant: str) -> Figure:
    n, amount = found.get(unit, (0, Decimal(0)))
    others = sum(count for each, (count, _) in found.items() if each != unit)
    return Figure(
        value=amount if n else None,
        unit=unit,
        n=n,
        null_reason=None if n else NullReason.NOTHING_DUE,
        numerator=Quantity(amount, unit) if n else None,
        denominator=None,
        excluded={"other_currency": others} if others else {},
        notes=(f"variant:{variant}",),
    )


async def contractor_candidates(asked: Asked, page: Page) -> list[Candidate]:
    """Return the next visits offered, or lines of the ledger and invoices, in order of id."""
    variant = asked.question.variant
    if variant == ACCEPTED:
        return await _TAKEN.page(asked, page)
    unit = _UNITS.get(variant) or asked.question.currency or asked.known.currency
    statement = _lines(asked)
    statement.values["lines"] = page.limit
    after = ""
    if page.after is not None:
        statement.values["after"] = page.after
        after = "where c.id > :after"
    rows = await statement.run(asked.session, _LISTED, after=after)
    return [
        Candidate(
            "cost",
            id_,
            None,
            datetime.combine(on, time.min, UTC),
            amount if in_unit == unit else Decimal(0),
            0,
            None if in_unit == unit else "other_currency",
            [] if job is None else [job],
        )
        for id_, on, amount, in_unit, job in rows
    ]


def _lines(asked: Asked) -> Statement:
    """Return a statement whose part `line` is what the variant adds up."""
    variant = asked.question.variant
    first_on, end_on = cost_sql.days_of(asked.question.period, ZoneInfo(asked.known.zone))
    statement = Statement(t=asked.actor.tenant_id, from_on=first_on, to_on=end_on)
    key = ":t"
    if asked.cut is Cut.CONTRACTOR:
        key = "h.id"
    # What the company pays is no customer's business.
    condition = "" if asked.actor.customer_id is None else " and false"
    wanted = asked.question.scope.get(Cut.CONTRACTOR)
    if wanted == NONE:
        condition += " and false"
    elif wanted is not None:
        statement.values["contractor"] = wanted
        condition += " and h.id = :contractor"
    texts = {"key": key, "condition": condition}
    if variant in _UNITS:
        statement.values["unit"] = _UNITS[variant]
        return statement.part("line", _VOLUMES, **texts)
    if variant == DUE:
        return statement.part("line", _DUE, sign="", **texts)
    if variant == BILLED:
        return statement.part("line", _BILLED, **texts)
    return statement.part("line", f"{_DUE} union all {_BILLED}", sign="-", **texts)


_OFFERED = """
  select $key as key, v.id, w.asset_id, v.planned_starts_at as at,
         (v.status <> 'rejected')::int as above, 1 as below,
         case when v.status = 'withdrawn' then 'withdrawn' end as reason,
         case when v.status = 'rejected' then v.status end as note, array[w.id] as job_ids
  from visit v
  join work_order w on w.tenant_id = :t and w.id = v.work_order_id
  join technician h on h.tenant_id = :t and h.id = v.technician_id and h.is_contractor
  $joins
  where v.tenant_id = :t and v.dispatched_at <= :as_of
    and v.planned_starts_at >= :from_at and v.planned_starts_at < :until_at$conditions
"""

_VOLUMES = """
  select $key as key, l.id, l.posted_on as on_day, l.quantity as amount, l.unit as unit, l.work_order_id
  from cost_line l
  join technician h on h.tenant_id = :t and h.id = l.technician_id and h.is_contractor
  where l.tenant_id = :t and l.kind = 'contractor' and l.unit = :unit
    and l.posted_on >= :from_on and l.posted_on < :to_on$condition
"""

_DUE = """
  select $key as key, l.id, l.posted_on as on_day, ${sign}l.amount as amount, l.currency as unit,
         l.work_order_id
  from cost_line l
  join technician h on h.tenant_id = :t and h.id = l.technician_id and h.is_contractor
  where l.tenant_id = :t and l.kind = 'contractor'
    and l.posted_on >= :from_on and l.posted_on < :to_on$condition
"""

_BILLED = """
  select $key as key, i.id, i.last_on as on_day, i.amount as amount, i.currency as unit,
         null::uuid as work_order_id
  from contractor_invoice i
  join technician h on h.tenant_id = :t and h.id = i.technician_id
  where i.tenant_id = :t and i.last_on >= :from_on and i.last_on < :to_on$condition
"""

_SUMS = "select key, unit, count(*), sum(amount) from line group by 1, 2 order by 1, 2"

_LISTED = """
select c.id, c.on_day, c.amount, c.unit, c.work_order_id
from line c $after order by c.id limit :lines
"""
