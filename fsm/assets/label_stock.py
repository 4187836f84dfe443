"""Sticker sheets and rolls by the names printed on their boxes.

All lengths in millimetres, measured from the sheet's top left corner. Positions are counted as
one reads: 1 is top left, then along the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fsm.problems import Problem

A4: Final = (210.0, 297.0)
LETTER: Final = (215.9, 279.4)


class UnknownStock(Problem):
    """No stock of that name; `known` lists the names."""

    code, status, title = "unknown-label-stock", 422, "No such label stock"


@dataclass(frozen=True, slots=True)
class Stock:
    """A sheet of equal labels, or one label of a roll (one column, one row, no margins)."""

    name: str
    describes: str
    sheet_mm: tuple[float, float]
    label_mm: tuple[float, float]
    columns: int = 1
    rows: int = 1
    #: Left edge of the first column and top edge of the first row.
    origin_mm: tuple[float, float] = (0.0, 0.0)
    #: From one label's left (top) edge to the next one's.
    pitch_mm: tuple[float, float] = (0.0, 0.0)

    @property
    def per_sheet(self) -> int:
        return self.columns * self.rows

    @property
    def is_roll(self) -> bool:
        return self.per_sheet == 1

    def corner_mm(self, position: int) -> tuple[float, float]:
        """Return the top left corner of the label at `position` (1 … per_sheet)."""
        if not 1 <= position <= self.per_sheet:
            raise ValueError(f"{self.name} has positions 1 to {self.per_sheet}.")
        row, column = divmod(position - 1, self.columns)
        return (
            round(self.origin_mm[0] + column * self.pitch_mm[0], 4),
            round(self.origin_mm[1] + row * self.pitch_mm[1], 4),
        )


def _centred(
    name: str,
    describes: str,
    sheet_mm: tuple[float, float],
    label_mm: tuple[float, float],
    grid: tuple[int, int],
    gap_mm: tuple[float, float] = (0.0, 0.0),
) -> Stock:
    """Build a stock whose labels stand in the middle of the sheet, `grid` = (columns, rows)."""
    pitch = label_mm[0] + gap_mm[0], label_mm[1] + gap_mm[1]
    used = grid[0] * pitch[0] - gap_mm[0], grid[1] * pitch[1] - gap_mm[1]
    return Stock(
        name=name,
        describes=describes,
        sheet_mm=sheet_mm,
        label_mm=label_mm,
        columns=grid[0],
        rows=grid[1],
        origin_mm=(round((sheet_mm[0] - used[0]) / 2, 4), round((sheet_mm[1] - used[1]) / 2, 4)),
        pitch_mm=(round(pitch[0], 4), round(pitch[1], 4)),
    )


_ALL: Final = (
    _centred("L7159", "A4, 24 labels 63.5 × 33.9 mm", A4, (63.5, 33.9), (3, 8), (2.5, 0)),
    _centred(
        "L4773", "A4, 24 weatherproof labels 63.5 × 33.9 mm", A4, (63.5, 33.9), (3, 8), (2.5, 0)
    ),
    _centred("L7160", "A4, 21 labels 63.5 × 38.1 mm", A4, (63.5, 38.1), (3, 7), (2.5, 0)),
    _centred("L7163", "A4, 14 labels 99.1 × 38.1 mm", A4, (99.1, 38.1), (2, 7), (2.5, 0)),
    _centred("L4732", "A4, 80 labels 35.6 × 16.9 mm", A4, (35.6, 16.9), (5, 16), (2.5, 0)),
    _centred("5160", "US letter, 30 labels 2⅝ × 1 in", LETTER, (66.675, 25.4), (3, 10), (3.175, 0)),
    _centred("5163", "US letter, 10 labels 4 × 2 in", LETTER, (101.6, 50.8), (2, 5), (4.7625, 0)),
    Stock("50x30", "Roll, 50 × 30 mm", (50.0, 30.0), (50.0, 30.0)),
    Stock("70x40", "Roll, 70 × 40 mm", (70.0, 40.0), (70.0, 40.0)),
)

#: Every stock by its name.
STOCKS: Final[dict[str, Stock]] = {stock.name: stock for stock in _ALL}


def find_stock(name: str) -> Stock:
    """Return the stock of that name (case does not matter), or raise `UnknownStock`."""
    wanted = name.strip().casefold().replace("×", "x")
    for stock in _ALL:
        if stock.name.casefold() == wanted:
            return stock
    raise UnknownStock(f"No label stock is called {name[:40]!r}.", known=sorted(STOCKS))
