"""What a contract brings in and takes out: its fee for days, credits for broken promises, its margin.

All of it adds up: the fees of two adjoining windows are the fee of both, and a credit belongs to the month
in which the promise fell due, whatever window is asked for.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

from fsm.amounts import EXACT, allocate, rounded


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """A contract's days, both its own, and what a month of it costs from which day on, in order of days."""

    starts_on: date
    ends_on: date | None
    fees: tuple[tuple[date, Decimal], ...]
    currency: str

    def monthly(self, on: date) -> Decimal:
        """Return the fee of a month as it stands on a day, 0 on a day that is not the contract's."""
        if on < self.starts_on or (self.ends_on is not None and on > self.ends_on):
            return Decimal(0)
        found = [fee for since, fee in self.fees if since <= on]
        return found[-1] if found else Decimal(0)


@dataclass(frozen=True, slots=True)
class CreditTerms:
    """What a broken promise gives back, by clock: an amount, a share of the month's fee, or both.

    `cap_share` is how much of the month's fee can be given back at most, None for no limit.
    """

    amounts: Mapping[str, Decimal]
    shares: Mapping[str, Decimal]
    cap_share: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Breach:
    """A promise that was broken, on the day on which it fell due at the site."""

    id: str
    clock: str
    due_on: date
    asset_id: str | None = None


@dataclass(frozen=True, slots=True)
class Money:
    """What the ledger holds of something: gross cost by payer, what is billed for, and what came back."""

    cost: Mapping[str, Decimal]
    billed: Decimal = Decimal(0)
    recovered: Decimal = Decimal(0)

    @property
    def gross(self) -> Decimal:
        return _sum(self.cost.values())


@dataclass(frozen=True, slots=True)
class Margin:
    """A margin and the parts that it is the sum of; `revenue` is what came in."""

    revenue: Decimal
    cost: Decimal
    credits: Decimal
    covered: Decimal
    billable: Decimal
    manufacturer: Decimal
    undecided: Decimal

    @property
    def value(self) -> Decimal:
        return self.revenue - self.cost - self.credits

    @property
    def share(self) -> float | None:
        """Return the margin as a share of revenue, None where nothing came in."""
        return float(Fraction(self.value) / Fraction(self.revenue)) if self.revenue else None


def fee_between(terms: FeeTerms, from_on: date, to_on: date) -> Decimal:
    """Return the fee for the days from `from_on` up to, not on, `to_on`.

    A day costs its month's fee over the days of that month. Rounding is done on what has run up since the
    month began, so that parts of a month add up to it.
    """
    total = Decimal(0)
    with localcontext(EXACT):
        for first, after in _months(from_on, to_on):
            total += _run_up(terms, first, min(after, to_on))
            total -= _run_up(terms, first, max(first, from_on))
    return total


def _run_up(terms: FeeTerms, first_on: date, until_on: date) -> Decimal:
    """Return the fee from the first of a month up to, not on, a day of it or the next month's first."""
    ran = Decimal(0)
    for place, (since, monthly) in enumerate(terms.fees):
        ends = until_on
        if place + 1 < len(terms.fees):
            ends = min(ends, terms.fees[place + 1][0])
        if terms.ends_on is not None:
            ends = min(ends, terms.ends_on + timedelta(1))
        days = (ends - max(since, terms.starts_on, first_on)).days
        if days > 0:
            ran += monthly * days
    return rounded(ran / monthrange(first_on.year, first_on.month)[1], terms.currency)


def _months(from_on: date, to_on: date) -> Iterable[tuple[date, date]]:
    """Yield (first day, first day of the next) of each month that the days touch."""
    first = from_on.replace(day=1)
    while first < to_on:
        after = first + timedelta(monthrange(first.year, first.month)[1])
        yield first, after
        first = after


def credits_of(
    fee: FeeTerms, terms: CreditTerms, breaches: Iterable[Breach], from_on: date, to_on: date
) -> dict[str, Decimal]:
    """Return what each broken promise that fell due on these days gives back, by its id.

    `breaches` are those of all months that the days touch: the cap of a month is used up in the order in
    which promises fell due.
    """
    given: dict[str, Decimal] = {}
    used: dict[date, Decimal] = {}
    for breach in sorted(breaches, key=lambda one: (one.due_on, one.id)):
        month = breach.due_on.replace(day=1)
        owed = owed_for(fee, terms, breach.clock, breach.due_on)
        if (cap := cap_of(fee, terms, month)) is not None:
            owed = min(owed, max(Decimal(0), cap - used.get(month, Decimal(0))))
        used[month] = used.get(month, Decimal(0)) + owed
        if from_on <= breach.due_on < to_on:
            given[breach.id] = owed
    return given


def owed_for(fee: FeeTerms, terms: CreditTerms, clock: str, on: date) -> Decimal:
    """Return what one broken promise that falls due on a day gives back before any cap."""
    share = terms.shares.get(clock, Decimal(0)) * fee.monthly(on)
    return terms.amounts.get(clock, Decimal(0)) + rounded(share, fee.currency)


def cap_of(fee: FeeTerms, terms: CreditTerms, month: date) -> Decimal | None:
    """Return the most that the month beginning on this day gives back, None for no limit."""
    if terms.cap_share is None:
        return None
    after = month + timedelta(monthrange(month.year, month.month)[1])
    return rounded(terms.cap_share * fee_between(fee, month, after), fee.currency)


@dataclass(frozen=True, slots=True)
class Owed:
    """What each broken promise of a clock gives back before any cap, from a day up to, not on, another."""

    clock: str
    from_on: date
    to_on: date
    amount: Decimal


def owed_between(fee: FeeTerms, terms: CreditTerms, from_on: date, to_on: date) -> list[Owed]:
    """Return what broken promises give back over these days: one entry a clock and stretch of equal fee."""
    turns = {since for since, _ in fee.fees} | {fee.starts_on}
    if fee.ends_on is not None:
        turns.add(fee.ends_on + timedelta(1))
    days = [from_on, *sorted(day for day in turns if from_on < day < to_on), to_on]
    return [
        Owed(clock, begins, ends, owed_for(fee, terms, clock, begins))
        for clock in sorted({*terms.amounts, *terms.shares})
        for begins, ends in pairwise(days)
    ]


def caps_between(
    fee: FeeTerms, terms: CreditTerms, from_on: date, to_on: date
) -> list[tuple[date, Decimal]]:
    """Return the cap of each month that the days touch, by its first day; none where there is no limit."""
    caps = [(month, cap_of(fee, terms, month)) for month, _ in _months(from_on, to_on)]
    return [(month, cap) for month, cap in caps if cap is not None]


def fee_by_asset(
    fee: Decimal, weights: Sequence[tuple[str, Decimal]], currency: str
) -> dict[str, Decimal]:
    """Divide a fee over the assets under the contract by weight × days; what they bear adds up to it."""
    counted = [(asset_id, weight) for asset_id, weight in weights if weight]
    if not counted:
        return {}
    parts = allocate(fee, [weight for _, weight in counted], currency)
    shares: dict[str, Decimal] = {}
    for (asset_id, _), part in zip(counted, parts, strict=True):
        shares[asset_id] = shares.get(asset_id, Decimal(0)) + part
    return shares


def margin(fee: Decimal, money: Money, credited: Decimal) -> Margin:
    """Return what is left of fee, bills and the manufacturer's payments after cost and credits.

    The covered part is the fee less what it had to pay for, our goodwill, and the credits. It, the billable,
    the manufacturer's and the undecided part add up to the margin.
    """
    with localcontext(EXACT):
        cost = dict(money.cost)
        zero = Decimal(0)
        return Margin(
            revenue=fee + money.billed + money.recovered,
            cost=money.gross,
            credits=credited,
            covered=fee - cost.get("contract", zero) - cost.get("goodwill", zero) - credited,
            billable=money.billed - cost.get("customer", zero),
            manufacturer=money.recovered - cost.get("manufacturer", zero),
            undecided=-cost.get("undecided", zero),
        )


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    with localcontext(EXACT):
        return sum(amounts, Decimal(0))
