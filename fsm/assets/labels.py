"""Labels for machines: one as SVG, PNG or PDF, many as a PDF on sticker sheets or a roll.

The same input gives the same bytes (per version of the typst renderer): fonts are the ones built
into it, nothing is dated, and all text travels as data, never as markup.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, Literal

import typst

from fsm.assets.label_stock import STOCKS, Stock
from fsm.assets.passport_code import PassportUrl
from fsm.assets.symbol import Symbol, fitting_module_mm, passport_symbol, symbol_svg
from fsm.languages import plain_sentences
from fsm.problems import Problem

_FOLDER: Final = "fsm/assets/messages"
_POINT_MM: Final = 25.4 / 72
#: Width of every DejaVu Sans Mono glyph and a cautious average of Libertinus Serif, in ems.
_MONO_EM: Final = 0.6021
_SERIF_EM: Final = 0.54
#: Printers miss by about this much; nothing is drawn nearer to a label's edge.
_PADDING_MM: Final = 1.0
_SMALLEST_TEXT_PT: Final = 4.5
_LINE_HEIGHT: Final = 1.22
_RULER_SHEET_MM: Final = 100


class TooManyLabels(Problem):
    """More labels in one document than one order may print."""

    code, status, title = "too-many-labels", 422, "Too many labels at once"


class BadStartPosition(Problem):
    """The sheet has no such position to start at."""

    code, status, title = "bad-start-position", 422, "No such position on the sheet"


#: Enough for any one order; a hundred sheets of the smallest stock.
MOST_LABELS: Final = 8000


@dataclass(frozen=True, slots=True)
class Label:
    """What is on one label.

    `short_code` is what people say on the phone (`passport_code.short_code`, or the serial of a
    GS1 label). `headline` and `detail` are free lines such as the service company and the model;
    both are left away where the label is too small. Nothing that a stranger should not read
    belongs here.
    """

    url: PassportUrl
    short_code: str
    headline: str = ""
    detail: str = ""


def label_svg(
    label: Label, stock: Stock = STOCKS["50x30"], *, frame: bool = False, language: str = "en"
) -> str:
    """Return one label as SVG in the size of the stock's labels; letters are outlines, so no
    font is needed.
    """
    return _compile([[_placed(label, _alone(stock), 1, frame, language)]], stock, language, "svg")[
        0
    ].decode()


def label_png(
    label: Label,
    stock: Stock = STOCKS["50x30"],
    *,
    frame: bool = False,
    language: str = "en",
    dpi: int = 600,
) -> bytes:
    """Return one label as PNG at `dpi` (203 … 1200): 203, 300 and 600 are what label printers
    have.
    """
    if not 203 <= dpi <= 1200:
        raise ValueError("A label is drawn at 203 to 1200 dots per inch.")
    placed = _placed(label, _alone(stock), 1, frame, language)
    return _compile([[placed]], stock, language, "png", dpi=dpi)[0]


def label_pdf(
    label: Label, stock: Stock = STOCKS["50x30"], *, frame: bool = False, language: str = "en"
) -> bytes:
    """Return one label as a PDF page of the label's own size."""
    return _compile([[_placed(label, _alone(stock), 1, frame, language)]], stock, language, "pdf")[
        0
    ]


def sheet_pdf(
    labels: Sequence[Label],
    stock: Stock,
    *,
    start: int = 1,
    ruler: bool = True,
    frame: bool = False,
    language: str = "en",
) -> bytes:
    """Return labels on as many sheets as they need, the first sheet used from position `start` on.

    `ruler` draws a line of 100 mm in the first sheet's top margin (on a roll: a line of its own
    label before the others), to prove that the printer did not scale. Raises `TooManyLabels`,
    `BadStartPosition`, and `SymbolTooLarge` when a code does not fit on this stock.
    """
    if not labels:
        raise ValueError("There is nothing to print.")
    if len(labels) > MOST_LABELS:
        raise TooManyLabels(
            f"{len(labels)} labels were asked for; one document takes {MOST_LABELS}.",
            most=MOST_LABELS,
        )
    if not 1 <= start <= stock.per_sheet:
        raise BadStartPosition(
            f"{stock.name} has positions 1 to {stock.per_sheet}.",
            start=start,
            positions=stock.per_sheet,
        )
    sheets: list[list[dict[str, Any]]] = [[]]
    for number, label in enumerate(labels, start=start - 1):
        page, position = divmod(number, stock.per_sheet)
        if page == len(sheets):
            sheets.append([])
        sheets[page].append(_placed(label, stock, position + 1, frame, language))
    return _compile(sheets, stock, language, "pdf", ruler=ruler, page_mm=stock.sheet_mm)[0]


# --- Layout --------------------------------------------------------------------------------------


def _alone(stock: Stock) -> Stock:
    """Return the stock's label as a page of its own."""
    return Stock(stock.name, stock.describes, stock.label_mm, stock.label_mm)


def _placed(
    label: Label, stock: Stock, position: int, frame: bool, language: str
) -> dict[str, Any]:
    """Lay one label out: the symbol on the left at full height, text beside it, all in
    millimetres.
    """
    width, height = stock.label_mm
    symbol = passport_symbol(label.url, frame=frame)
    # The text needs at least a third of the width, or the address becomes a column of syllables.
    space = min(height - 2 * _PADDING_MM, width * 2 / 3 - _PADDING_MM)
    module_mm = fitting_module_mm(symbol, space)
    side = symbol.side_mm(module_mm)
    text_x = _PADDING_MM + side + (0.8 if frame else 0.0)
    box = width - text_x - _PADDING_MM, height - 2 * _PADDING_MM
    x, y = stock.corner_mm(position)
    return {
        "x": x,
        "y": y,
        "width": width,
        "height": height,
        "symbol": {
            "x": _PADDING_MM,
            "y": round((height - side) / 2, 3),
            "side": side,
            "svg": _drawn(symbol, module_mm),
            "alt": label.url.text,
        },
        "lines": _text_lines(label, box, text_x, height, plain_sentences(_FOLDER, language)),
    }


def _drawn(symbol: Symbol, module_mm: float) -> str:
    return symbol_svg(symbol, module_mm)


@dataclass(frozen=True, slots=True)
class _Row:
    text: str
    size_pt: float
    is_mono: bool = False
    is_bold: bool = False
    gap_mm: float = 0.0  # above the row

    @property
    def height_mm(self) -> float:
        return self.size_pt * _POINT_MM * _LINE_HEIGHT + self.gap_mm


def _text_lines(
    label: Label, box: tuple[float, float], left: float, height: float, words: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the rows that fit the box, as large as they can be.

    What must be there (the address, the short code, the trial mark) goes first; headline, call
    and detail follow while there is room.
    """
    rows: list[_Row] = []
    for scale in (1.0, 0.9, 0.8, 0.72, 0.64, 0.58):
        rows = _rows(label, box, words, scale)
        if sum(row.height_mm for row in rows) <= box[1]:
            break
    else:
        rows = _rows(label, box, words, 0.58, essential_only=True)
    y = (height - sum(row.height_mm for row in rows)) / 2
    placed = []
    for row in rows:
        y += row.gap_mm
        placed.append(
            {
                "x": round(left, 3),
                "y": round(y, 3),
                "text": row.text,
                "size": round(row.size_pt, 2),
                "mono": row.is_mono,
                "bold": row.is_bold,
            }
        )
        y += row.height_mm - row.gap_mm
    return placed


def _rows(
    label: Label,
    box: tuple[float, float],
    words: Mapping[str, str],
    scale: float,
    *,
    essential_only: bool = False,
) -> list[_Row]:
    width = box[0]
    rows = []
    if label.url.is_trial:
        rows += _serif_rows(words["label.trial"], 7 * scale, width, is_bold=True)
    elif not essential_only:
        rows += _serif_rows(label.headline, 9 * scale, width, is_bold=True)
    code_pt = max(_SMALLEST_TEXT_PT, min(12 * scale, _mono_pt(len(label.short_code), width)))
    for number, part in enumerate(_broken(label.short_code, _mono_room(code_pt, width))):
        rows.append(_Row(part, code_pt, is_mono=True, is_bold=True, gap_mm=0.0 if number else 0.6))
    if not essential_only:
        rows += _serif_rows(label.detail, 7.5 * scale, width)
        rows += _serif_rows(words["label.call"], 7.5 * scale, width)
    url_pt = max(_SMALLEST_TEXT_PT, 6 * scale)
    url_text = label.url.text.removeprefix("https://")
    for number, part in enumerate(_broken(url_text, _mono_room(url_pt, width))):
        rows.append(_Row(part, url_pt, is_mono=True, gap_mm=0.0 if number else 0.6))
    return rows


def _serif_rows(text: str, size_pt: float, width_mm: float, *, is_bold: bool = False) -> list[_Row]:
    size = max(_SMALLEST_TEXT_PT, size_pt)
    room = max(1, int(width_mm / (_SERIF_EM * size * _POINT_MM)))
    rows, line = [], ""
    for word in _drawable(text).split():
        for part in (word[i : i + room] for i in range(0, len(word), room)):
            if line and len(line) + 1 + len(part) > room:
                rows.append(line)
                line = part
            else:
                line = f"{line} {part}".strip()
    return [
        _Row(row, size, is_bold=is_bold, gap_mm=0.0 if number else 0.3)
        for number, row in enumerate([*rows, line] if line else rows)
    ]


def _mono_room(size_pt: float, width_mm: float) -> int:
    return max(1, int(width_mm / (_MONO_EM * size_pt * _POINT_MM) + 1e-9))


def _mono_pt(characters: int, width_mm: float) -> float:
    """Return the size at which so many characters fill the width."""
    return int(width_mm / (_MONO_EM * _POINT_MM * max(1, characters)) * 10) / 10


def _broken(text: str, room: int) -> list[str]:
    """Break an address into rows of at most `room` characters, after `/`, `.` or `-` where
    that is near.
    """
    rows = []
    while len(text) > room:
        cut = max(text.rfind(sign, 0, room) + 1 for sign in "/.-")
        if cut < room / 2:
            cut = room
        rows.append(text[:cut])
        text = text[cut:]
    return [*rows, text]


def _drawable(text: str) -> str:
    """Replace what the built-in fonts cannot draw with `□`: a gap nobody sees is worse than a mark.

    The fonts cover Latin, Greek, Cyrillic and common signs. Longer lines than any label holds are
    cut.
    """
    kept = []
    for character in unicodedata.normalize("NFC", text[:200]):
        if character.isspace():
            kept.append(" ")
        elif unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"}:
            continue
        else:
            kept.append(character if _has_glyph(character) else "□")
    return "".join(kept)


def _has_glyph(character: str) -> bool:
    point = ord(character)
    return (
        0x20 <= point < 0x250
        or 0x386 <= point < 0x3CF
        or 0x400 <= point < 0x460
        or point in {0x490, 0x491}
        or 0x2010 <= point <= 0x2026
        or character in "′″‹›€№™°±×÷−≤≥□"
    )


# --- Rendering -----------------------------------------------------------------------------------


@cache
def _template() -> bytes:
    return (resources.files("fsm.assets") / "templates" / "labels.typ").read_bytes()


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)


def _compile(
    sheets: list[list[dict[str, Any]]],
    stock: Stock,
    language: str,
    form: Literal["pdf", "svg", "png"],
    *,
    dpi: int = 144,
    ruler: bool = False,
    page_mm: tuple[float, float] | None = None,
) -> list[bytes]:
    width, height = page_mm or stock.label_mm
    pages: list[dict[str, Any]] = [{"ruler": None, "labels": labels} for labels in sheets]
    if ruler and stock.is_roll:
        pages.insert(0, {"ruler": _ruler(stock, language), "labels": []})
    elif ruler:
        pages[0]["ruler"] = _ruler(stock, language)
    data = {
        "title": plain_sentences(_FOLDER, language)["label.title"],
        "language": language,
        "width": width,
        "height": height,
        "pages": pages,
    }
    output = typst.compile(
        _template(),
        font_paths=_fonts(),
        ignore_system_fonts=True,
        format=form,
        ppi=float(dpi),
        sys_inputs={"sheet": json.dumps(data, ensure_ascii=False, sort_keys=True)},
        timestamp=0,
    )
    return [output] if isinstance(output, bytes) else list(output)


def _ruler(stock: Stock, language: str) -> dict[str, Any]:
    width, height = stock.sheet_mm
    length = _RULER_SHEET_MM if not stock.is_roll else int((width - 6) // 10) * 10
    text = plain_sentences(_FOLDER, language)["label.ruler"].format(length=length)
    if not stock.is_roll:
        # In the top margin, below the 5 mm that office printers cannot reach.
        return {
            "x": 10.0, "y": 9.0, "length": length,
            "text_x": 10.0 + length + 4, "text_y": 5.4,
            "lines": [row.text for row in _serif_rows(text, 6, width - length - 24)],
        }  # fmt: skip
    return {
        "x": (width - length) / 2, "y": height / 3, "length": length,
        "text_x": 3.0, "text_y": height / 3 + 3,
        "lines": [row.text for row in _serif_rows(text, 6, width - 6)],
    }  # fmt: skip
