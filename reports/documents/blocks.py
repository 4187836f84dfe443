"""What a page is made of before it is drawn: blocks of finished text, which the template places. Pure."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec

Align: TypeAlias = Literal["left", "right", "center"]


class Block(msgspec.Struct, frozen=True, tag_field="is"):
    """One thing below the other."""


class Heading(Block, frozen=True, tag="heading"):
    text: str
    level: int = 1


class Paragraph(Block, frozen=True, tag="paragraph"):
    text: str
    style: Literal["normal", "quiet", "strong"] = "normal"


class Facts(Block, frozen=True, tag="facts"):
    """Names with their values, one below the other in one or two columns."""

    rows: list[tuple[str, str]]
    columns: int = 1


class Column(msgspec.Struct, frozen=True):
    """`width` is a share of what is left; 0: as wide as its contents."""

    text: str
    align: Align = "left"
    width: float = 1


class Table(Block, frozen=True, tag="table"):
    columns: list[Column]
    rows: list[list[str]]
    foot: list[str] = []


class Picture(msgspec.Struct, frozen=True):
    """A picture by the SHA-256 of its bytes; `alt` is what a screen reader says."""

    image: str
    caption: str
    alt: str


class Pictures(Block, frozen=True, tag="pictures"):
    items: list[Picture]
    columns: int = 2


class Sign(msgspec.Struct, frozen=True):
    """A signature, or the reason for its absence; an empty line where somebody is still to sign."""

    role: str
    name: str = ""
    said: str = ""
    image: str | None = None


class Signatures(Block, frozen=True, tag="signatures"):
    items: list[Sign]


class Box(msgspec.Struct, frozen=True):
    """A question on paper: boxes to tick, or a line to write on."""

    text: str
    choices: list[str] = []
    unit: str = ""
    hint: str = ""


class Boxes(Block, frozen=True, tag="boxes"):
    items: list[Box]


class Symbol(Block, frozen=True, tag="symbol"):
    """A QR code as SVG with text beside it."""

    svg: str
    lines: list[str]
    side_mm: float = 18


class Bars(Block, frozen=True, tag="bars"):
    """Shares as bars: (name, value as text, 0 … 1)."""

    rows: list[tuple[str, str, float]]


class PageBreak(Block, frozen=True, tag="page_break"):
    pass


AnyBlock: TypeAlias = (
    Heading | Paragraph | Facts | Table | Pictures | Signatures | Boxes | Symbol | Bars | PageBreak
)


class Verification(msgspec.Struct, frozen=True):
    """The QR code that leads to the public page, and what stands beside it."""

    svg: str
    lines: list[str]


class Page(msgspec.Struct, frozen=True):
    """A whole document. `issued` is [year, month, day, hour, minute, second] in UTC.

    `page_of` is what stands before the page's number, between it and how many there are, and after.
    """

    title: str
    language: str
    company: str
    number: str
    dated: str
    issued: list[int]
    page_of: tuple[str, str, str]
    blocks: list[AnyBlock]
    verification: Verification | None = None
    mark: str = ""
    orientation: Literal["portrait", "landscape"] = "portrait"

    def images(self) -> list[str]:
        """Return the pictures that are needed, by the SHA-256 of their bytes."""
        found: dict[str, None] = {}
        for block in self.blocks:
            match block:
                case Pictures(items=items):
                    found |= dict.fromkeys(item.image for item in items)
                case Signatures(items=signs):
                    found |= {sign.image: None for sign in signs if sign.image is not None}
        return list(found)


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[Any]], foot: Sequence[str] = ()
) -> Table:
    return Table(list(columns), [[str(cell) for cell in row] for row in rows], list(foot))
