"""Which characters the document's font can draw; what it cannot is shown as a box and counted. Pure.

In archive format (PDF/A) one character without a glyph refuses the whole document; elsewhere it vanishes
without a word. Both are worse than a box that everybody sees. The snapshot keeps what was written.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec

BOX: Final = "□"
_UNSEEN: Final = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff\ufe0e\ufe0f")
"""Characters that are nothing to see: soft hyphens, joiners, variants. They go without a trace."""


def drawable(text: str) -> tuple[str, int]:
    """Return the text as it can be drawn, and how many of its characters became a box."""
    if text.isascii() and text.isprintable():
        return text, 0
    text = unicodedata.normalize("NFC", text)
    if _drawn_as_it_is().fullmatch(text):
        return text, 0
    kept, missing = [], 0
    for character in text:
        if has_glyph(character) or character == "\n":
            kept.append(character)
        elif character.isspace():
            kept.append(" ")
        elif character not in _UNSEEN:
            kept.append(BOX)
            missing += 1
    return "".join(kept), missing


def drawable_all(value: Any) -> tuple[Any, int]:
    """Return JSON whose every text can be drawn, and how many characters became a box."""
    match value:
        case str():
            return drawable(value)
        case Mapping():
            fitted = {key: drawable_all(each) for key, each in value.items()}
            return {key: each for key, (each, _) in fitted.items()}, sum(
                n for _, n in fitted.values()
            )
        case list() | tuple():
            listed = [drawable_all(each) for each in value]
            return [each for each, _ in listed], sum(n for _, n in listed)
    return value, 0


def has_glyph(character: str) -> bool:
    starts, ends = _ranges()
    place = bisect_right(starts, ord(character)) - 1
    return place >= 0 and ord(character) <= ends[place]


@cache
def _drawn_as_it_is() -> re.Pattern[str]:
    """Return what matches a text that needs no look at its characters one by one: nearly every text."""
    known = "".join(
        f"{re.escape(chr(first))}-{re.escape(chr(last))}"
        for first, last in zip(*_ranges(), strict=True)
    )
    return re.compile(f"[\\n{known}]*")


@cache
def _ranges() -> tuple[list[int], list[int]]:
    text = (resources.files("reports.documents") / "glyphs.json").read_bytes()
    ranges = msgspec.json.decode(text, type=list[tuple[int, int]])
    return [first for first, _ in ranges], [last for _, last in ranges]
