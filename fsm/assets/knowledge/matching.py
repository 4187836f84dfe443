"""Which known problems fit what somebody is typing. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

_WORD = re.compile(r"\w+")
_SHORTEST = 3
_STEM = 4
"""Words that begin alike are taken for forms of one word: "doors", "двери" and "дверь"."""

T = TypeVar("T")


def ranked(typed: str, known: Iterable[tuple[T, str, str]], most: int) -> list[T]:
    """Return those of (what, code, words) that fit, the best first; nothing typed fits nothing.

    A code that was typed outweighs any words. Case and punctuation do not count.
    """
    asked = _words(typed)
    found = []
    for number, (what, code, words) in enumerate(known):
        is_code = _is_named(code, typed)
        common = len({_stem(word) for word in asked} & {_stem(word) for word in _words(words)})
        if is_code or common:
            found.append((-100 if is_code else 0, -common, number, what))
    return [what for *_, what in sorted(found, key=lambda each: each[:3])[:most]]


def _is_named(code: str, typed: str) -> bool:
    """Whether a code was typed, with or without the marks between its parts: E-12, e12, "E 12"."""
    parts = [re.escape(each) for each in code.casefold() if each.isalnum()]
    pattern = r"(?<!\w)" + r"[\s._-]*".join(parts) + r"(?!\w)"
    return bool(parts) and re.search(pattern, typed.casefold()) is not None


def _words(text: str) -> Sequence[str]:
    return [word for word in _WORD.findall(text.casefold()) if len(word) >= _SHORTEST]


def _stem(word: str) -> str:
    return word[:_STEM]
