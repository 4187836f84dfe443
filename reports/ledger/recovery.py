"""What manufacturers gave back of what they were to bear: claimed of it, paid of what was decided, how soon.

`claimed` is of the ledger's lines that a manufacturer bears, by the day on which they were posted. `paid` is
of the claims decided in the window; what was paid on a claim stands for its lines in proportion. `days` is
the median from claim to full payment, where claims that are still open have lasted at least so long.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal, localcontext
from zoneinfo import ZoneInfo

from fsm.amounts import EXACT
from reports import cost_sql
from reports.candidates import Candidate
from reports.exposure_sql import Page, Statement
from reports.questions import Asked, Found
from reports.results import Figure, NullReason, Quantity
from reports.scopes import Key
from reports.survival import Life, life_median

CLAIMED, DAYS = "claimed", "days"

_ALWAYS = date(1970, 1, 1), date(2200, 1, 1)


@dataclass(slots=True)
class Sums:
    """Lines of one key in the currency asked for, and the rest by reason."""

    n: int = 0
    above: Decimal = Decimal(0)
    below: Decimal = Decimal(0)
    excluded: dict[str, int] = field(default_factory=dict)


async def warranty_recovery(asked: Asked) -> dict[Key, Found]:
    if asked.question.variant == DAYS:
        return await _days(asked)
    sums: defaultdict[Key, Sums] = defaultdict(Sums)
    currency = _currency(asked)
    for key, reason, in_currency, count, above, below in await _lines(asked).run(
        asked.session, _SUMS
    ):
        found = sums[key]
        left_out = reason or ("other_currency" if in_currency != currency else None)
        if left_out is None:
            found.n, found.above, found.below = count, above, below
        else:
            found.excluded[left_out] = found.excluded.get(left_out, 0) + count
    return {
        key: (_share(sums.get(key, Sums()), currency, asked.question.variant), None)
        for key in _page(asked, sums)
    }


def _share(sums: Sums, currency: str, variant: str) -> Figure:
    with localcontext(EXACT):
        value = float(sums.above) / float(sums.below) if sums.below else None
    return Figure(
        value=value,
        unit="ratio",
        n=sums.n,
        null_reason=NullReason.NOTHING_DUE if value is None else None,
        numerator=Quantity(sums.above, currency),
        denominator=Quantity(sums.below, currency),
        excluded=dict(sorted(sums.excluded.items())),
        notes=(f"variant:{variant}",),
    )


async def _days(asked: Asked) -> dict[Key, Found]:
    lives: defaultdict[Key, list[Life]] = defaultdict(list)
    refused: defaultdict[Key, int] = defaultdict(int)
    for key, _, _, _, entry, end, is_paid, reason in await _claims(asked).run(
        asked.session, _CLAIMS, after="", limit=""
    ):
        if reason is None:
            lives[key].append(Life(float(entry), float(end), is_paid))
        else:
            refused[key] += 1
    figures: dict[Key, Found] = {}
    for key in _page(asked, {*lives, *refused}):
        listed = lives.get(key, [])
        median = life_median(listed)
        n = sum(life.has_ended for life in listed)
        figure = Figure(
            value=median,
            unit="d",
            n=n,
            null_reason=None
            if median is not None
            else NullReason.TOO_FEW
            if listed
            else NullReason.NOTHING_DUE,
            numerator=None,
            denominator=None,
            excluded={"refused": refused[key]} if refused.get(key) else {},
            notes=(f"variant:{DAYS}", f"open:{len(listed) - n}"),
        )
        figures[key] = figure, None
    return figures


async def recovery_candidates(asked: Asked, page: Page) -> list[Candidate]:
    """Return the next lines, or of `days` the next claims, in order of id."""
    is_days = asked.question.variant == DAYS
    statement = _claims(asked) if is_days else _lines(asked)
    statement.values["lines"] = page.limit
    after = ""
    if page.after is not None:
        statement.values["after"] = page.after
        after = "where c.id > :after"
    if is_days:
        rows = await statement.run(asked.session, _CLAIMS, after=after, limit="limit :lines")
        return [
            Candidate("claim", id_, None, at, *_length(end, is_paid, reason), reason, [job])
            for _, id_, job, at, _, end, is_paid, reason in rows
        ]
    found = []
    for id_, asset_id, on, above, below, currency, reason, job in await statement.run(
        asked.session, _LISTED, after=after
    ):
        left_out = reason or ("other_currency" if currency != _currency(asked) else None)
        if left_out:
            above, below = Decimal(0), Decimal(0)
        at = datetime.combine(on, time.min, UTC)
        found.append(Candidate("cost", id_, asset_id, at, above, below, left_out, [job]))
    return found


def _length(end: float, is_paid: bool, reason: str | None) -> tuple[float, int]:
    return (0, 0) if reason else (float(end), int(is_paid))


def _currency(asked: Asked) -> str:
    return asked.question.currency or asked.known.currency


def _page(asked: Asked, found: Iterable[Key]) -> list[Key]:
    """Return the keys of the page asked for, in their order."""
    keys = sorted(found, key=str) or asked.nothing()
    if asked.page is not None:
        after = None if asked.page.after is None else str(asked.page.after)
        keys = [key for key in keys if after is None or str(key) > after][: asked.page.limit]
    return keys


def _begin(asked: Asked, days: tuple[date, date]) -> Statement:
    question = asked.question
    statement = cost_sql.add_lines(asked.actor, days, question.scope, asked.cut, cost_sql.ALL_KINDS)
    period = question.period
    statement.values["as_of"] = period.as_of
    if days == _ALWAYS:
        statement.values |= {
            "from_at": period.from_at,
            "until_at": max(period.from_at, min(period.as_of, period.to_at)),
        }
    return statement


def _lines(asked: Asked) -> Statement:
    if asked.question.variant == CLAIMED:
        days = cost_sql.days_of(asked.question.period, ZoneInfo(asked.known.zone))
        return _begin(asked, days).part("counted", _CLAIMED)
    return _begin(asked, _ALWAYS).part("counted", _PAID, paid_by=_PAID_BY)


def _claims(asked: Asked) -> Statement:
    return _begin(asked, _ALWAYS).part("claim", _CLAIM, paid_by=_PAID_BY).part("length", _LENGTH)


_CLAIMED = """
  select k.key, k.id, k.asset_id, k.work_order_id, k.currency, k.posted_on as on_day, k.amount as below,
         case when exists (
           select from claim_line x
           join warranty_claim c on c.tenant_id = :t and c.id = x.claim_id and c.claimed_at <= :as_of
           where x.tenant_id = :t and x.cost_line_id = k.id) then k.amount else 0 end as above,
         null::text as reason
  from line k where k.payer = 'manufacturer' and k.reason is null
"""

_PAID_BY = """(
      select coalesce(sum(cast(e.data ->> 'amount' as numeric)), 0) as paid, max(e.occurred_at) as last_at
      from event e
      where e.tenant_id = :t and e.entity = 'warranty_claim' and e.entity_id = c.id
        and e.kind = 'warranty_claim.paid' and e.occurred_at <= :as_of
    )"""

_PAID = """
  select k.key, k.id, k.asset_id, k.work_order_id, k.currency, k.posted_on as on_day, k.amount as below,
         k.amount * p.paid / c.claimed as above,
         case when c.decided_at is null or c.decided_at > :as_of then 'open' end as reason
  from warranty_claim c
  join claim_line x on x.tenant_id = :t and x.claim_id = c.id
  join line k on k.id = x.cost_line_id
  cross join lateral $paid_by p
  where c.tenant_id = :t and c.claimed_at < :until_at
    and (c.decided_at is null or c.decided_at > :as_of
      or (c.decided_at >= :from_at and c.decided_at < :until_at))
"""

_CLAIM = """
  select c.id, c.work_order_id, c.claimed_at, c.currency,
         case when c.decided_at <= :as_of and c.approved = 0 then c.decided_at end as refused_at,
         case when c.decided_at <= :as_of and p.paid > 0 and p.paid >= c.approved then p.last_at end
           as paid_at
  from warranty_claim c
  cross join lateral $paid_by p
  where c.tenant_id = :t and c.claimed_at < :until_at
"""

_LENGTH = """
  select distinct k.key, c.id, c.work_order_id, c.claimed_at as at,
         greatest(extract(epoch from cast(:from_at as timestamptz) - c.claimed_at), 0) / 86400 as entry,
         extract(epoch from least(c.paid_at, cast(:until_at as timestamptz)) - c.claimed_at) / 86400
           as ended,
         coalesce(c.paid_at < :until_at, false) as is_paid,
         case when c.refused_at is not null then 'refused' end as reason
  from claim c
  join claim_line x on x.tenant_id = :t and x.claim_id = c.id
  join line k on k.id = x.cost_line_id
  where (c.refused_at is null or (c.refused_at >= :from_at and c.refused_at < :until_at))
    and (c.paid_at is null or c.paid_at >= :from_at)
"""

_SUMS = """
select key, reason, currency, count(*), sum(above), sum(below)
from counted group by key, reason, currency order by key, reason, currency
"""

_LISTED = """
select c.id, c.asset_id, c.on_day, c.above, c.below, c.currency, c.reason, c.work_order_id
from counted c $after order by c.id limit :lines
"""

_CLAIMS = """
select c.key, c.id, c.work_order_id, c.at, c.entry, c.ended, c.is_paid, c.reason
from length c $after order by c.id, c.key $limit
"""
