"""Costs: sums of the ledger by currency and cut, which always add up to it, to the cent."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Context, Decimal, localcontext

from reports.results import Figure, Quantity, Share
from reports.rows import Cost

UNALLOCATED = "unallocated"
ASSET = "asset"

# Money has no rounding: room for any sum of a ledger, where the default 28 digits would round.
_EXACT = Context(prec=60)

# ISO 4217 minor units other than two digits, of currencies in use.
_MINOR_DIGITS: Mapping[str, int] = {
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(
        (
            *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"),
            *("PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"),
        ),
        0,
    ),
}


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
    with localcontext(_EXACT):
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


def allocate(amount: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Divide an amount by weights so that the parts are whole cents and add up to it.

    Largest remainder: every part is rounded towards zero, and the cents left over go to the
    largest remainders, the earlier of equals. Where the amount itself is finer than a cent, so are
    the parts. A credit is divided like the charge it takes back, with the sign turned.
    """
    if not weights or any(not weight.is_finite() or weight < 0 for weight in weights):
        raise ValueError("Weights are finite and not negative, and there is at least one.")
    if not amount.is_finite():
        raise ValueError(f"{amount} is no amount of money.")
    with localcontext(_EXACT):
        total = sum(weights, Decimal(0))
        if not total:
            raise ValueError("Weights that are all zero divide nothing.")
        exponent = amount.as_tuple().exponent
        digits = _MINOR_DIGITS.get(currency, 2)
        finest = max(digits, -exponent if isinstance(exponent, int) else 0)
        cent = Decimal(1).scaleb(-finest)
        cents = int(abs(amount) / cent)
        # In whole numbers: a quotient of decimals would be rounded and could turn an order round.
        scale = max(0, *(-int(weight.as_tuple().exponent) for weight in weights))
        whole = [int(weight.scaleb(scale)) for weight in weights]
        divided = [divmod(cents * weight, sum(whole)) for weight in whole]
        left = cents - sum(part for part, _ in divided)
        by_remainder = sorted(range(len(whole)), key=lambda index: -divided[index][1])
        lucky = set(by_remainder[:left])
        sign = -1 if amount < 0 else 1
        return [sign * (part + (index in lucky)) * cent for index, (part, _) in enumerate(divided)]


def _posted(lines: Iterable[Cost], from_on: date, to_on: date) -> Iterable[Cost]:
    return (line for line in lines if from_on <= line.posted_on < to_on)


def _sum(currency: str, shares: Sequence[Share]) -> Figure:
    with localcontext(_EXACT):
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
