"""Arithmetic of money: exact sums, and parts of an amount that add up to it to the cent. Pure."""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext

EXACT = Context(prec=60)
"""Money has no rounding: room for any sum of a ledger, where the default 28 digits would round."""

_CENT = Decimal("0.01")

# ISO 4217 currencies in use of which nothing smaller than the whole unit is paid. Those paid in thousandths
# are kept to the hundredth like all others, which is what the tables hold.
_WHOLE = frozenset(
    (
        *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"),
        *("PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"),
    )
)


def rounded(amount: Decimal, currency: str) -> Decimal:
    """Return an amount as it is paid, with two decimals: in whole cents or whole yen, halves to the even."""
    paid = amount.quantize(Decimal(1).scaleb(-_digits(currency)), ROUND_HALF_EVEN)
    return paid.quantize(_CENT) + 0  # no negative nought


def allocate(amount: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Divide an amount by weights into parts as they are paid that add up to it; see `divide`."""
    return divide(amount, weights, _digits(currency))


def _digits(currency: str) -> int:
    return 0 if currency in _WHOLE else 2


def divide(amount: Decimal, weights: Sequence[Decimal], digits: int) -> list[Decimal]:
    """Divide an amount by weights into parts of so many decimals that add up to it.

    Largest remainder: every part is rounded towards zero, and the units left over go to the
    largest remainders, the earlier of equals. Where the amount itself is finer than that, so are
    the parts. A credit is divided like the charge it takes back, with the sign turned.
    """
    if not weights or any(not weight.is_finite() or weight < 0 for weight in weights):
        raise ValueError("Weights are finite and not negative, and there is at least one.")
    if not amount.is_finite():
        raise ValueError(f"{amount} is no amount of money.")
    with localcontext(EXACT):
        total = sum(weights, Decimal(0))
        if not total:
            raise ValueError("Weights that are all zero divide nothing.")
        exponent = amount.as_tuple().exponent
        finest = max(digits, -exponent if isinstance(exponent, int) else 0)
        unit = Decimal(1).scaleb(-finest)
        units = int(abs(amount) / unit)
        # In whole numbers: a quotient of decimals would be rounded and could turn an order round.
        scale = max(0, *(-int(weight.as_tuple().exponent) for weight in weights))
        whole = [int(weight.scaleb(scale)) for weight in weights]
        divided = [divmod(units * weight, sum(whole)) for weight in whole]
        left = units - sum(part for part, _ in divided)
        by_remainder = sorted(range(len(whole)), key=lambda index: -divided[index][1])
        lucky = set(by_remainder[:left])
        sign = -1 if amount < 0 else 1
        return [sign * (part + (index in lucky)) * unit for index, (part, _) in enumerate(divided)]
