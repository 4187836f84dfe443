"""The RFC 8785 form of JSON: the bytes that hashes and signatures cover."""

import re
from typing import Any

import msgspec
import rfc8785


def canonical_json(value: Any) -> bytes:
    """Return the RFC 8785 form of JSON as it came back from `jsonb`."""
    return rfc8785.dumps(doubles(value))


def doubles(value: Any) -> Any:
    """Return JSON with whole numbers beyond 2⁵³ as the doubles they were: jsonb gives 1e20 back as digits."""
    if isinstance(value, dict):
        return {key: doubles(each) for key, each in value.items()}
    if isinstance(value, list):
        return [doubles(each) for each in value]
    if isinstance(value, int) and abs(value) > 2**53 - 1:
        return float(value)
    return value


_PLAIN = re.compile(rb'(?:"[ !#-\[\]-~]*+"|-?[0-9]{1,15}(?![0-9])|[][{}:,]|true|false)*+').fullmatch
"""JSON without fractions, large numbers, escapes or any character but printable ASCII.

Without null too: that is what msgspec makes of numbers that JSON does not have.
"""


def canonical_form(value: Any) -> bytes:
    """Return the RFC 8785 form of a value that JSON can hold, or raise what `rfc8785.dumps` raises.

    Most of what phones send is plain: sorted JSON without blanks is its canonical form, and quicker made.
    """
    try:
        form = msgspec.json.encode(value, order="sorted")
    except (TypeError, ValueError, RecursionError):
        return rfc8785.dumps(value)
    return form if _PLAIN(form) else rfc8785.dumps(value)
