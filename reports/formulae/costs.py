"""Costs: sums of the ledger by currency and cut, which always add up to it, to the cent."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal, localcontext

from fsm.amounts import EXACT, allocate
from reports.results import Figure, Quantity, Share
from reports.rows import Cost

UNALLOCATED = "unallocated"
ASSET = "asset"


def cost(lines: Iterable[Cost], from_on: date, to_on: date) -> dict[str, Figure]:
    """Return gross cost by currency of the lines posted on `from_on` up to, not on, `to_on`.

    Recoveries stand beside it, excluded. A currency without lines is absent: nothing is known of it
    to be zero.
    """
    shares: defaultdict[str, list[Share]] = defaultdict(list)
    for line in _posted(lines, from_on, to_on):
        shares[line.currency].append(
            Share("cost", line.id, excluded="recovery")
            if line.is_recovery
            else Share("cost", line.id, line.amount)
        )
    return {currency: _sum(currency, listed) for currency, listed in sorted(shares.items())}


def recoveries(lines: Iterable[Cost], from_on: date, to_on: date) -> dict[str, Figure]:
    """Return what was recovered, by currency, of the same days."""
    shares: defaultdict[str, list[Share]] = defaultdict(list)
    for line in _posted(lines, from_on, to_on):
        if line.is_recovery:
            shares[line.currency].append(Share("cost", line.id, line.amount))
    return {currency: _sum(currency, listed) for currency, listed in sorted(shares.items())}


def cost_by(
    lines: Iterable[Cost], from_on: date, to_on: date, cut: str
) -> dict[str, dict[str, Decimal]]:
    """Return gross cost by currency and by the value of a cut, `unallocated` among them.

    The cut `asset` divides a line over its assets by weight; any other takes the line's key. Over
    the values of any cut the sums are exactly `cost`.
    """
    sums: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(
        lambda: defaultdict(lambda: Decimal(0))
    )
    with localcontext(EXACT):
        for line in _posted(lines, from_on, to_on):
            if line.is_recovery:
                continue
            if cut == ASSET and line.assets:
                weights = [weight for _, weight in line.assets]
                parts = allocate(line.amount, weights, line.currency)
                for (asset_id, _), part in zip(line.assets, parts, strict=True):
                    sums[line.currency][asset_id] += part
            else:
                sums[line.currency][dict(line.keys).get(cut, UNALLOCATED)] += line.amount
    return {currency: dict(sorted(by_value.items())) for currency, by_value in sorted(sums.items())}


def _posted(lines: Iterable[Cost], from_on: date, to_on: date) -> Iterable[Cost]:
    return (line for line in lines if from_on <= line.posted_on < to_on)


def _sum(currency: str, shares: Sequence[Share]) -> Figure:
    with localcontext(EXACT):
        total = sum((Decimal(share.numerator) for share in shares), Decimal(0))
    return Figure(
        value=total,
        unit=currency,
        n=sum(1 for share in shares if share.excluded is None),
        null_reason=None,
        numerator=Quantity(total, currency),
        denominator=None,
        excluded={"recovery": count} if (count := _recoveries(shares)) else {},
        shares=tuple(shares),
    )


def _recoveries(shares: Iterable[Share]) -> int:
    return sum(1 for share in shares if share.excluded is not None)
