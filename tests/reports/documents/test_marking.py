"""Marks are drawn where they were put, and leave all else of the picture as it was."""

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from fsm.work_orders.photo_marks import Mark, MarkKind
from reports.documents.marking import marked

GREY = (90, 90, 90)
WIDE, HIGH = (480, 240), (240, 480)


def picture(size: tuple[int, int]) -> bytes:
    written = BytesIO()
    Image.new("RGB", size, GREY).save(written, "JPEG", quality=95)
    return written.getvalue()


def colour_at(jpeg: bytes, x: float, y: float) -> str:
    with Image.open(BytesIO(jpeg)) as opened:
        red, green, blue = opened.convert("RGB").getpixel((round(x), round(y)))
    if red > 150 and green < 90 and blue < 110:
        return "red"
    return "white" if min(red, green, blue) > 180 else "grey"


@pytest.mark.parametrize(("size", "radius"), [(WIDE, 48), (HIGH, 48)])
def test_a_ring_is_around_its_place_whichever_side_is_the_longer(size: Any, radius: int) -> None:
    drawn = marked(picture(size), [Mark(MarkKind.RING, 0.5, 0.25, 0.2)])
    x, y = size[0] * 0.5, size[1] * 0.25
    for across, down in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        assert colour_at(drawn, x + across * radius, y + down * radius) == "red"
        assert colour_at(drawn, x + across * (radius + 4), y + down * (radius + 4)) == "white"
    assert colour_at(drawn, x, y) == "grey"
    assert colour_at(drawn, 5, size[1] - 5) == "grey"


@pytest.mark.parametrize(
    ("angle", "across", "down"), [(0, 0, -1), (90, 1, 0), (180, 0, 1), (270, -1, 0)]
)
def test_an_arrow_comes_from_its_angle_and_ends_at_its_place(
    angle: int, across: int, down: int
) -> None:
    drawn = marked(picture(WIDE), [Mark(MarkKind.ARROW, 0.5, 0.5, 0.2, angle)])
    for away in (2, 50, 92):
        assert colour_at(drawn, 240 + across * away, 120 + down * away) == "red"
        assert colour_at(drawn, 240 - across * (away + 8), 120 - down * (away + 8)) == "grey"


def test_what_lies_beyond_the_edge_is_cut_off_and_the_size_stays() -> None:
    drawn = marked(picture(WIDE), [Mark(MarkKind.RING, 0, 1, 1)])
    with Image.open(BytesIO(drawn)) as opened:
        assert opened.size == WIDE
        assert not opened.getexif()
    assert colour_at(drawn, 240, 236) == "red"
