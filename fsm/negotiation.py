"""What a client would rather have: the preference lists of `Accept` and `Accept-Language` (RFC
9110, 12.4–12.5).

A header is a wish, never a reason to fail: an element that cannot be read is left out, an empty
or wholly unreadable header means "anything".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

#: Longer headers are not read to their end; no honest client comes near it.
_LONGEST_HEADER = 4096
_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_SPLIT = {sep: re.compile(rf'(?:[^{sep}"]|"(?:[^"\\]|\\.)*(?:"|\Z))+') for sep in ",;"}


@dataclass(frozen=True, slots=True)
class Preference:
    """One element of a preference list: `value` in lower case, its parameters, its quality
    0.0–1.0.
    """

    value: str
    quality: float
    parameters: tuple[tuple[str, str], ...] = ()


def preferences(header: str | None) -> tuple[Preference, ...]:
    """Return the readable elements of a preference list in the order they were written."""
    found = []
    for element in _pieces((header or "")[:_LONGEST_HEADER], ","):
        preference = _preference(element)
        if preference is not None:
            found.append(preference)
    return tuple(found)


def best_media_type(header: str | None, offered: Sequence[str]) -> str | None:
    """Return which of `offered` an `Accept` header asks for, or None when it takes none of them.

    The most specific matching range gives each offer its quality; the highest quality wins and
    the earlier offer wins a tie. Offers are plain types in lower case, such as
    `application/ld+json`. A range with parameters (`application/ld+json;profile="…"`) is matched
    by its type: our answers have one form each.
    """
    ranges = [p for p in preferences(header) if p.value == "*/*" or _is_range(p.value)]
    if not ranges:
        return offered[0] if offered else None
    best: tuple[float, str] | None = None
    for offer in offered:
        quality = _quality_of(offer, ranges)
        if quality > 0 and (best is None or quality > best[0]):
            best = quality, offer
    return best[1] if best else None


def best_language(header: str | None, offered: Sequence[str]) -> str | None:
    """Return which of `offered` (primary tags such as `ru`) an `Accept-Language` header asks for,
    else None.

    Lookup by primary tag: `ru-KZ` is content with `ru`. `*` stands for the first offer that is
    not named.
    """
    wishes = preferences(header)
    named: dict[str, float] = {}
    for wish in wishes:
        primary = wish.value.partition("-")[0]
        named[primary] = max(named.get(primary, 0.0), wish.quality)
    best: tuple[float, str] | None = None
    for offer in offered:
        quality = named.get(offer, named.get("*", 0.0))
        if quality > 0 and (best is None or quality > best[0]):
            best = quality, offer
    return best[1] if best else None


def _preference(element: str) -> Preference | None:
    value, *rest = [piece.strip() for piece in _pieces(element, ";")] or [""]
    if not value or any(not _TOKEN.match(part) for part in value.split("/")):
        return None
    parameters: list[tuple[str, str]] = []
    for piece in rest:
        name, equals, text = piece.partition("=")
        name, text = name.strip().lower(), text.strip()
        if name == "q":
            # What follows the weight are extensions of the header itself, which nobody ever
            # defined.
            if not (equals and _QUALITY.match(text)):
                return None
            return Preference(value.lower(), float(text), tuple(parameters))
        parameters.append((name, text.strip('"')))
    return Preference(value.lower(), 1.0, tuple(parameters))


def _pieces(text: str, separator: str) -> list[str]:
    """Split at `separator`, but not inside quoted strings."""
    return [piece for piece in _SPLIT[separator].findall(text) if piece.strip()]


def _is_range(value: str) -> bool:
    kind, slash, subtype = value.partition("/")
    return bool(slash and kind and subtype) and kind != "*" and "/" not in subtype


def _quality_of(offer: str, ranges: Sequence[Preference]) -> float:
    kind = offer.partition("/")[0]
    for pattern in (offer, f"{kind}/*", "*/*"):
        matching = [r.quality for r in ranges if r.value == pattern]
        if matching:
            return max(matching)
    return 0.0
