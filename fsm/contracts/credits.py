"""What a broken promise gives back to the customer, as a contract's terms say it.

    {"amounts": {"response": "50.00"}, "shares": {"restoration": "0.05"}, "cap_share": "0.20"}

By clock an amount, a share of the month's fee, or both; `cap_share` is how much of a month's fee at most.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from fsm.contracts.coverage import InvalidTerms
from fsm.contracts.service_levels import ClockKind

_MOST: Final = Decimal(10) ** 9


def read_credits(stored: object) -> dict[str, object]:
    """Return `credits` in its only normal form, or raise `InvalidTerms` naming the place at fault."""
    if not isinstance(stored, Mapping):
        raise InvalidTerms("/credits", "an object.")
    for name in stored:
        if name not in ("amounts", "shares", "cap_share"):
            raise InvalidTerms(f"/credits/{name}", "unknown; allowed: amounts, shares, cap_share.")
    normal: dict[str, object] = {}
    for name, most in (("amounts", _MOST), ("shares", Decimal(1))):
        given = stored.get(name)
        if given is None:
            continue
        if not isinstance(given, Mapping):
            raise InvalidTerms(f"/credits/{name}", "an object of clocks.")
        for clock in given:
            if clock not in tuple(ClockKind):
                raise InvalidTerms(f"/credits/{name}/{clock}", f"one of {', '.join(ClockKind)}.")
        normal[name] = {
            str(clock): _number(given[clock], f"/credits/{name}/{clock}", most)
            for clock in ClockKind
            if clock in given
        }
    if stored.get("cap_share") is not None:
        normal["cap_share"] = _number(stored["cap_share"], "/credits/cap_share", Decimal(1))
    return normal


def _number(value: object, at: str, most: Decimal) -> str:
    """Return a number as the text that keeps it exact; written as text or as a whole number."""
    try:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ValueError
        number = Decimal(value)
        if not number.is_finite() or not 0 <= number <= most:
            raise ValueError
        exponent = number.as_tuple().exponent
        if not isinstance(exponent, int) or exponent < -4:
            raise ValueError
    except (ValueError, InvalidOperation):
        raise InvalidTerms(
            at, f"a number from 0 to {most} with at most 4 decimals, as text."
        ) from None
    return f"{number:f}"
