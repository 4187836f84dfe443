"""The marks of a photo, drawn into a document's small copy of it: the photo stays as it was taken. Pure."""

from collections.abc import Sequence
from io import BytesIO
from math import cos, radians, sin
from typing import TYPE_CHECKING

from fsm.work_orders.photo_marks import Mark, MarkKind

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Point = tuple[float, float]

_RED, _WHITE = (208, 0, 32, 255), (255, 255, 255, 255)
_FINER = 3  # Pillow's lines have no smooth edges: they are drawn larger, and shrunk
_WIDTH = 1 / 110  # of a line, in parts of the longer side
_HALO = 2.2
_HEAD = 0.3  # of an arrow, in parts of its length
_QUALITY = 85


def marked(jpeg: bytes, marks: Sequence[Mark]) -> bytes:
    """Return a JPEG with the marks in it: red with a white edge, to be seen on anything."""
    from PIL import Image, ImageDraw

    with Image.open(BytesIO(jpeg), formats=["JPEG"]) as opened:
        picture = opened.convert("RGBA")
    large = (picture.width * _FINER, picture.height * _FINER)
    layer = Image.new("RGBA", large, (255, 255, 255, 0))
    drawing = ImageDraw.Draw(layer)
    line = max(large) * _WIDTH
    for colour, width in ((_WHITE, line * _HALO), (_RED, line)):
        for mark in marks:
            _draw(drawing, mark, large, colour, round(width))
    smooth = layer.resize(picture.size, Image.Resampling.LANCZOS)
    written = BytesIO()
    Image.alpha_composite(picture, smooth).convert("RGB").save(written, "JPEG", quality=_QUALITY)
    return written.getvalue()


def _draw(
    drawing: "ImageDraw",
    mark: Mark,
    size: tuple[int, int],
    colour: tuple[int, int, int, int],
    width: int,
) -> None:
    x, y, length = mark.x * size[0], mark.y * size[1], mark.size * max(size)
    if mark.kind is MarkKind.RING:
        radius = (length + width) / 2  # Pillow draws a ring's line inwards
        drawing.ellipse((x - radius, y - radius, x + radius, y + radius), None, colour, width)
        return
    for end in (
        _from(x, y, length, mark.angle),
        _from(x, y, length * _HEAD, mark.angle - 35),
        _from(x, y, length * _HEAD, mark.angle + 35),
    ):
        drawing.line(((x, y), end), colour, width)
        for cx, cy in ((x, y), end):  # round ends
            drawing.ellipse(
                (cx - width / 2, cy - width / 2, cx + width / 2, cy + width / 2), colour
            )


def _from(x: float, y: float, length: float, angle: float) -> Point:
    """Return the point so far away in the direction of an angle, clockwise from above."""
    return x + length * sin(radians(angle)), y - length * cos(radians(angle))
