"""Arithmetic of money: exact sums, and parts of an amount that add up to it to the cent. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal, localcontext

EXACT = Context(prec=60)
"""Money has no rounding: room for any sum of a ledger, where the default 28 digits would round."""

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


def allocate(amount: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Divide an amount by weights so that the parts are whole cents and add up to it; see `divide`."""
    return divide(amount, weights, _MINOR_DIGITS.get(currency, 2))


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
