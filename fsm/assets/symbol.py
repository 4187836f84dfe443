"""The QR symbol of a passport as a grid of modules, and its drawing.

One grid feeds every output (SVG here, PNG here, PDF through the label templates), so that what
was tested to scan is what is printed.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final, Literal

import segno
from PIL import Image, ImageDraw

from fsm.assets.passport_code import PassportUrl
from fsm.problems import Problem

Level = Literal["M", "Q", "H"]

#: Smaller modules are lost by older phones and by label printers of 203 dpi (0.125 mm a dot).
SMALLEST_MODULE_MM: Final = 0.35
PRINT_MODULE_MM: Final = 0.5
QUIET_MODULES: Final = 4
#: IEC 61406-1: length of the two short sides of the corner triangle, in modules, from the frame's
#: outer edge.
TRIANGLE_MODULES: Final = 6


class SymbolTooLarge(Problem):
    """The symbol does not fit where it should, at a module size that still scans."""

    code, status, title = "symbol-too-large", 422, "The code does not fit"


@dataclass(frozen=True, slots=True)
class Symbol:
    """A QR symbol: `modules[row][column]` is True where dark, without quiet zone or frame.

    `framed` adds the line and corner triangle that IEC 61406-1 describes. It is designed to that
    description; the standard itself is about objects identified by their manufacturer.
    """

    content: str
    modules: tuple[tuple[bool, ...], ...]
    version: int
    level: str
    framed: bool = False

    @property
    def margin_modules(self) -> int:
        """Modules between the outer edge of the drawing and the first row of the code."""
        return QUIET_MODULES + (1 if self.framed else 0)

    @property
    def side_modules(self) -> int:
        """Modules along one side of the drawing, quiet zone and frame included."""
        return len(self.modules) + 2 * self.margin_modules

    def side_mm(self, module_mm: float = PRINT_MODULE_MM) -> float:
        """Return the side of the drawing in millimetres."""
        return round(self.side_modules * module_mm, 4)


def passport_symbol(url: PassportUrl, *, frame: bool = False, level: Level = "Q") -> Symbol:
    """Return the QR symbol (model 2) of a passport's URL and of nothing else.

    `level` is the least error correction: a higher one is taken where it costs no larger symbol.
    """
    if level not in {"M", "Q", "H"}:
        raise ValueError(f"Error correction {level!r} is below M.")
    code = segno.make_qr(url.text, error=level.lower(), boost_error=True)
    return Symbol(
        content=url.text,
        modules=tuple(tuple(bool(module) for module in row) for row in code.matrix),
        version=int(code.version),
        level=str(code.error),
        framed=frame,
    )


def fitting_module_mm(symbol: Symbol, space_mm: float) -> float:
    """Return the module size for a square of `space_mm`: 0.5 mm, or the largest smaller size that
    fits.

    Rounded down to 0.01 mm. Raises `SymbolTooLarge` below 0.35 mm.
    """
    # The small addition forgives the binary fraction of a space that was computed to fit exactly.
    module_mm = int(min(PRINT_MODULE_MM, space_mm / symbol.side_modules) * 100 + 1e-6) / 100
    if module_mm < SMALLEST_MODULE_MM:
        needed = symbol.side_mm(SMALLEST_MODULE_MM)
        raise SymbolTooLarge(
            f"The code needs {needed:.1f} mm and has {space_mm:.1f} mm. "
            "Use a larger label, a shorter host name, or no frame.",
            needed_mm=needed,
            space_mm=round(space_mm, 2),
        )
    return module_mm


def symbol_svg(symbol: Symbol, module_mm: float = PRINT_MODULE_MM) -> str:
    """Return the symbol as a complete SVG document, sized in millimetres, black on white."""
    _refuse_small(module_mm)
    side = symbol.side_modules
    size = f"{symbol.side_mm(module_mm):g}mm"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" '
        f'viewBox="0 0 {side} {side}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{side}v{side}H0z"/>'
        f'<path fill="#000" fill-rule="evenodd" d="{_dark_runs(symbol)}{_frame_path(symbol)}"/>'
        f"{_triangle(symbol)}</svg>"
    )


def symbol_png(symbol: Symbol, module_px: int = 8) -> bytes:
    """Return the symbol as a one-bit PNG with `module_px` pixels to a module: no module is
    ever blurred.
    """
    if module_px < 1:
        raise ValueError("A module needs at least one pixel.")
    side = symbol.side_modules
    image = Image.new("1", (side * module_px, side * module_px), 1)
    draw = ImageDraw.Draw(image)

    def box(x: int, y: int, width: int, height: int, shade: int) -> None:
        left, top = x * module_px, y * module_px
        right, bottom = (x + width) * module_px - 1, (y + height) * module_px - 1
        draw.rectangle((left, top, right, bottom), fill=shade)

    if symbol.framed:
        box(0, 0, side, side, 0)
        box(1, 1, side - 2, side - 2, 1)
        last, leg = side * module_px - 1, TRIANGLE_MODULES * module_px
        draw.polygon([(last, last), (last, last - leg + 1), (last - leg + 1, last)], fill=0)
    for x, y, width in _runs(symbol):
        box(x, y, width, 1, 0)
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _runs(symbol: Symbol) -> list[tuple[int, int, int]]:
    """Return dark horizontal runs as (x, y, length), counted from the drawing's outer edge."""
    margin = symbol.margin_modules
    runs = []
    for y, row in enumerate(symbol.modules):
        x = 0
        while x < len(row):
            if not row[x]:
                x += 1
                continue
            start = x
            while x < len(row) and row[x]:
                x += 1
            runs.append((start + margin, y + margin, x - start))
    return runs


def _dark_runs(symbol: Symbol) -> str:
    return "".join(f"M{x} {y}h{length}v1h-{length}z" for x, y, length in _runs(symbol))


def _frame_path(symbol: Symbol) -> str:
    if not symbol.framed:
        return ""
    side, inner = symbol.side_modules, symbol.side_modules - 2
    return f"M0 0h{side}v{side}h-{side}zM1 1h{inner}v{inner}h-{inner}z"


def _triangle(symbol: Symbol) -> str:
    if not symbol.framed:
        return ""
    side, leg = symbol.side_modules, TRIANGLE_MODULES
    return f'<path fill="#000" d="M{side} {side}v-{leg}l-{leg} {leg}z"/>'


def _refuse_small(module_mm: float) -> None:
    if module_mm < SMALLEST_MODULE_MM:
        raise ValueError(f"Modules of {module_mm} mm are below {SMALLEST_MODULE_MM} mm.")
