"""The RFC 8785 form of JSON that was in the database: the bytes that hashes and signatures cover."""

from typing import Any

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
