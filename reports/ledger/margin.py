"""What contracts leave: fees, bills and what came back, less cost and credits; and who bore the cost."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from fsm.contracts.coverage import Payer
from fsm.intervals import instant
from reports import cost_sql
from reports.candidates import Candidate
from reports.exposure_sql import Page
from reports.formulae.contracts import Margin, Money, credits_of, fee_between, fee_by_asset, margin
from reports.ledger.contract_sql import (
    Agreed,
    BrokenPromise,
    asset_weights,
    broken_promises,
    list_agreed,
    sum_credits,
)
from reports.questions import Asked, Found
from reports.results import Figure, NullReason, Provisional, ProvisionalReason, Quantity
from reports.scopes import NONE, Cut, Key, Scope

SHARE = "share"
MARGIN_VARIANTS = ("margin", "covered", "billable", "manufacturer", "undecided", SHARE)


@dataclass(slots=True)
class Tally:
    """What the ledger and the contracts come to under one key, in one currency."""

    cost: dict[str, Decimal] = field(default_factory=dict)
    billed: Decimal = Decimal(0)
    recovered: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    credits: Decimal = Decimal(0)
    n: int = 0
    recoveries: int = 0
    """How many of the lines counted are money that came back."""
    excluded: dict[str, int] = field(default_factory=dict)

    def leave_out(self, reason: str, count: int = 1) -> None:
        self.excluded[reason] = self.excluded.get(reason, 0) + count

    @property
    def margin(self) -> Margin:
        return margin(self.fee, Money(self.cost, self.billed, self.recovered), self.credits)


@dataclass(frozen=True, slots=True)
class Entry:
    """One fee or one broken promise as a margin counts it: what came in, or what was given back."""

    kind: str
    id: UUID
    key: Key
    asset_id: UUID | None
    on: date
    amount: Decimal
    reason: str | None = None
    work_order_id: UUID | None = None


def _days(asked: Asked) -> tuple[date, date]:
    return cost_sql.days_of(asked.question.period, ZoneInfo(asked.known.zone))


def _currency(asked: Asked) -> str:
    return asked.question.currency or asked.known.currency


async def _spent(asked: Asked) -> dict[Key, Tally]:
    """Return per key what the ledger's lines come to."""
    statement = cost_sql.add_lines(
        asked.actor, _days(asked), asked.question.scope, asked.cut, cost_sql.ALL_KINDS
    )
    tallies: dict[Key, Tally] = {key: Tally() for key in asked.nothing()}
    rows = await statement.run(asked.session, _BY_PAYER)
    for key, currency, payer, is_recovery, count, amount, billed in rows:
        tally = tallies.setdefault(key, Tally())
        if currency != _currency(asked):
            tally.leave_out("other_currency", count)
            continue
        tally.n += count
        if is_recovery:
            tally.recoveries += count
            tally.recovered += amount
        else:
            tally.cost[payer] = tally.cost.get(payer, Decimal(0)) + amount
            tally.billed += billed
    return tallies


async def contract_margin(asked: Asked) -> dict[Key, Found]:
    """Return what is left per key; provisional where a job is neither closed nor cancelled."""
    figures = {
        key: _margin_figure(tally, asked.question.variant, _currency(asked))
        for key, tally in (await tally_contracts(asked)).items()
    }
    return await _provisional(asked, figures)


async def tally_contracts(asked: Asked) -> dict[Key, Tally]:
    """Return per key what lines, fees and broken promises come to."""
    tallies = await _spent(asked)
    agreed = await list_agreed(asked.session, asked.actor, asked.question.scope, _days(asked))
    for entry in await _fee_entries(asked, agreed):
        tally = tallies.setdefault(entry.key, Tally())
        if entry.reason is not None:
            tally.leave_out(entry.reason)
            continue
        tally.n += 1
        tally.fee += entry.amount
    await _add_credits(asked, agreed, tallies)
    return tallies


async def _add_credits(asked: Asked, agreed: list[Agreed], tallies: dict[Key, Tally]) -> None:
    """Add what broken promises give back, summed where they are: their number grows with history."""
    by_id = {one.contract.id: one for one in agreed}
    by_asset = _is_by_asset(asked)
    found = await sum_credits(
        asked.session,
        asked.actor,
        agreed,
        _days(asked),
        asked.question.period.as_of,
        by_asset=by_asset,
    )
    for each in found:
        if not _holds(asked.question.scope, each.asset_id, by_asset):
            continue
        one = by_id[each.contract_id]
        key = _key(asked.cut, one, each.asset_id, asked.actor.tenant_id)
        tally = tallies.setdefault(key, Tally())
        reason = _credit_reason(asked, one, is_disputed=each.is_disputed)
        if reason is not None:
            tally.leave_out(reason, each.count)
            continue
        tally.n += each.count
        tally.credits += each.amount


def _margin_figure(tally: Tally, variant: str, currency: str) -> Figure:
    found = tally.margin
    of_revenue = variant == SHARE
    part = found.value if variant in ("margin", SHARE) else getattr(found, variant)
    value: Decimal | float | None = found.share if of_revenue else part
    reason = NullReason.NO_REVENUE if value is None else None
    if not tally.n:
        value, reason = None, NullReason.TOO_FEW
    return Figure(
        value=value,
        unit="ratio" if of_revenue else currency,
        n=tally.n,
        null_reason=reason,
        numerator=Quantity(part, currency),
        denominator=Quantity(found.revenue, currency) if of_revenue else None,
        excluded=dict(sorted(tally.excluded.items())),
        notes=(
            f"variant:{variant}",
            f"fee:{tally.fee}",
            f"billed:{tally.billed}",
            f"recovered:{tally.recovered}",
            f"cost:{found.cost}",
            f"credits:{tally.credits}",
        ),
    )


async def payer_split(asked: Asked) -> dict[Key, Found]:
    """Return per key the share of cost that one payer bears."""
    payer, currency = asked.question.variant, _currency(asked)
    figures: dict[Key, Figure] = {}
    for key, tally in (await _spent(asked)).items():
        cost = Money(tally.cost).gross
        borne = tally.cost.get(payer, Decimal(0))
        if tally.recoveries:
            tally.leave_out("recovery", tally.recoveries)
        figures[key] = Figure(
            value=float(borne / cost) if cost else None,
            unit="ratio",
            n=tally.n - tally.recoveries,
            null_reason=None if cost else NullReason.TOO_FEW,
            numerator=Quantity(borne, currency),
            denominator=Quantity(cost, currency),
            excluded=dict(sorted(tally.excluded.items())),
            notes=(f"payer:{payer}",),
        )
    return await _provisional(asked, figures)


async def _provisional(asked: Asked, figures: dict[Key, Figure]) -> dict[Key, Found]:
    """Return the figures of the page asked for, in the order of keys, with what may still move them."""
    until = instant(asked.question.period.until())
    scope = asked.question.scope
    unfinished = await cost_sql.keys_with_open_jobs(
        asked.session, asked.actor, until, scope, asked.cut
    )
    costs_open = Provisional(None, (ProvisionalReason.COSTS_OPEN,))
    keys = sorted(figures, key=str)
    if asked.page is not None:
        after = None if asked.page.after is None else str(asked.page.after)
        keys = [key for key in keys if after is None or str(key) > after][: asked.page.limit]
    return {key: (figures[key], costs_open if key in unfinished else None) for key in keys}


# --- fees and credits -------------------------------------------------------------------------------------


async def list_entries(asked: Asked) -> list[Entry]:
    """Return every fee and every broken promise of the scope, each under its key."""
    agreed = await list_agreed(asked.session, asked.actor, asked.question.scope, _days(asked))
    return await _fee_entries(asked, agreed) + await _credit_entries(asked, agreed)


def _is_by_asset(asked: Asked) -> bool:
    return asked.cut is Cut.ASSET or asked.question.scope.get(Cut.ASSET) is not None


async def _fee_entries(asked: Asked, agreed: list[Agreed]) -> list[Entry]:
    days = _days(asked)
    scope = asked.question.scope
    by_asset = _is_by_asset(asked)
    ids = [one.contract.id for one in agreed]
    weights = await asset_weights(asked.session, asked.actor, ids, days) if by_asset else {}
    entries: list[Entry] = []
    for one in agreed:
        fee = fee_between(one.fee, *days)
        reason = None if one.contract.currency == _currency(asked) else "other_currency"
        shares: Iterable[tuple[UUID | None, Decimal]] = [(None, fee)]
        if by_asset:
            weighed = [(str(asset), weight) for asset, weight in weights.get(one.contract.id, ())]
            divided = fee_by_asset(fee, weighed, one.contract.currency)
            shares = [(UUID(asset), part) for asset, part in divided.items()] or shares
        entries += [
            Entry(
                "contract",
                one.contract.id,
                _key(asked.cut, one, asset_id, asked.actor.tenant_id),
                asset_id,
                days[0],
                amount,
                reason,
            )
            for asset_id, amount in shares
            if amount and _holds(scope, asset_id, by_asset)
        ]
    return entries


async def _credit_entries(asked: Asked, agreed: list[Agreed]) -> list[Entry]:
    days = _days(asked)
    by_asset = _is_by_asset(asked)
    by_id = {one.contract.id: one for one in agreed}
    promises = await broken_promises(
        asked.session, asked.actor, list(by_id), days, asked.question.period.as_of
    )
    by_contract: dict[UUID, list[BrokenPromise]] = {}
    for promise in promises:
        by_contract.setdefault(promise.contract_id, []).append(promise)
    entries = []
    for contract_id, one in by_id.items():
        own = by_contract.get(contract_id, [])
        breaches = [each.breach for each in own if not each.is_disputed]
        given = credits_of(one.fee, one.credits, breaches, *days)
        for each in own:
            asset_id = None if each.breach.asset_id is None else UUID(each.breach.asset_id)
            if not days[0] <= each.breach.due_on or not _holds(
                asked.question.scope, asset_id, by_asset
            ):
                continue
            amount = given.get(each.breach.id, Decimal(0))
            entries.append(
                Entry(
                    "clock",
                    UUID(each.breach.id),
                    _key(asked.cut, one, asset_id, asked.actor.tenant_id),
                    asset_id,
                    each.breach.due_on,
                    amount,
                    _credit_reason(asked, one, is_disputed=each.is_disputed),
                    each.work_order_id,
                )
            )
    return entries


def _credit_reason(asked: Asked, one: Agreed, *, is_disputed: bool) -> str | None:
    """Return why a broken promise is left out, None if it counts."""
    if is_disputed:
        return "disputed"
    return "other_currency" if one.contract.currency != _currency(asked) else None


def _key(cut: Cut, one: Agreed, asset_id: UUID | None, tenant_id: UUID) -> Key:
    match cut:
        case Cut.ASSET:
            return asset_id or NONE
        case Cut.CONTRACT:
            return one.contract.id
        case Cut.CUSTOMER:
            return one.contract.customer_id
        case _:
            return tenant_id


def _holds(scope: Scope, asset_id: UUID | None, by_asset: bool) -> bool:
    wanted = scope.get(Cut.ASSET)
    return not by_asset or wanted is None or wanted == asset_id


# --- lineage ----------------------------------------------------------------------------------------------


async def margin_entries(asked: Asked, page: Page, kind: str) -> list[Candidate]:
    """Return the next fees or broken promises, in order of id; one contract's shares are one candidate."""
    variant = asked.question.variant
    merged: dict[UUID, Candidate] = {}
    zero = Decimal(0)
    sums: dict[UUID, tuple[Decimal, Decimal]] = {}
    for entry in await list_entries(asked):
        if entry.kind != kind or (page.after is not None and entry.id <= page.after):
            continue
        sign = 1 if kind == "contract" else -1
        counts = entry.reason is None and variant in ("margin", "covered", SHARE)
        above, below = sums.get(entry.id, (zero, zero))
        if counts:
            above += sign * entry.amount
            below += entry.amount if variant == SHARE and kind == "contract" else zero
        sums[entry.id] = above, below
        merged[entry.id] = Candidate(
            kind,
            entry.id,
            entry.asset_id,
            datetime.combine(entry.on, time.min, UTC),
            above,
            below,
            entry.reason,
            [] if entry.work_order_id is None else [entry.work_order_id],
        )
    return [merged[one] for one in sorted(merged)][: page.limit]


async def margin_lines(asked: Asked, page: Page) -> list[Candidate]:
    """Return the next lines of the ledger with what each added to the margin, or to cost by payer."""
    statement = cost_sql.add_lines(
        asked.actor, _days(asked), asked.question.scope, Cut.TENANT, cost_sql.ALL_KINDS
    )
    statement.values["lines"] = page.limit
    after = ""
    if page.after is not None:
        statement.values["after"] = page.after
        after = "where c.id > :after"
    rows = await statement.run(asked.session, _LINES, after=after)
    is_split = asked.question.definition.kpi == "payer_split"
    found = []
    for id_, asset_id, posted_on, amount, price, currency, payer, job, is_recovery in rows:
        is_other = currency != _currency(asked)
        above: Decimal | int
        below: Decimal | int
        if is_split:
            above, below = (amount if payer == asked.question.variant else 0), amount
            left_out = "recovery" if is_recovery else None
        else:
            above, below = _of_margin(asked.question.variant, amount, price, payer, is_recovery)
            left_out = None
        reason = "other_currency" if is_other else left_out
        if reason is not None:
            above, below = 0, 0
        found.append(
            Candidate(
                "cost",
                id_,
                asset_id,
                datetime.combine(posted_on, time.min, UTC),
                above,
                below,
                reason,
                [job],
            )
        )
    return found


def _of_margin(
    variant: str, amount: Decimal, price: Decimal | None, payer: str, is_recovery: bool
) -> tuple[Decimal, Decimal | int]:
    """Return what a line adds to one part of a margin, and to revenue where that is the other side."""
    if is_recovery:
        came_in, added, part = amount, amount, "manufacturer"
    else:
        came_in = price if price is not None and payer == Payer.CUSTOMER else Decimal(0)
        added, part = came_in - amount, _PART_OF.get(payer, "covered")
    if variant == SHARE:
        return added, came_in
    return (added if variant in ("margin", part) else Decimal(0)), 0


_PART_OF = {
    str(Payer.CUSTOMER): "billable",
    str(Payer.MANUFACTURER): "manufacturer",
    str(Payer.UNDECIDED): "undecided",
}
"""payer → the part of a margin that its lines belong to; the rest is covered."""

_BY_PAYER = """
select key, currency, coalesce(payer, 'undecided'), reason is not null, count(*), sum(amount),
       coalesce(sum(price) filter (where payer = 'customer'), 0)
from line group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""

_LINES = """
select c.id, c.asset_id, c.posted_on, c.amount, c.price, c.currency, coalesce(c.payer, 'undecided'),
       c.work_order_id, c.reason is not null
from line c $after order by c.id limit :lines
"""
