"""The QR symbol: what it holds, how large it is, and that it reads back."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fsm.assets.passport_code import ALPHABET, PassportUrl, own_url
from fsm.assets.symbol import (
    QUIET_MODULES,
    SymbolTooLarge,
    fitting_module_mm,
    passport_symbol,
    symbol_png,
    symbol_svg,
)
from tests.fsm.assets.decoding import decoded

#: 42 characters, the length that passport.md works out.
URL = own_url("id.lifts-24.com", "7k3m9qx2abcdefgh")


def drawn(svg: str, scale: int = 4) -> Image.Image:
    """Fill an SVG's rectangles and polygons by hand: a second reading of the same drawing."""
    root = ET.fromstring(svg)
    side = int(root.attrib["viewBox"].split()[2])
    image = Image.new("L", (side * scale, side * scale), 255)
    for path in root.findall("{http://www.w3.org/2000/svg}path"):
        if path.attrib["fill"] != "#000":
            continue
        for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", path.attrib["d"]):
            left, top = int(x) * scale, int(y) * scale
            image.paste(0, (left, top, left + int(length) * scale, top + scale))
    return image


def test_a_url_of_42_characters_makes_version_4_and_43_modules_with_frame() -> None:
    assert len(URL.text) == 42
    plain, framed = passport_symbol(URL), passport_symbol(URL, frame=True)
    assert (plain.version, plain.level) == (4, "Q")
    assert len(plain.modules) == 33
    assert framed.side_modules == 43
    assert framed.side_mm(0.5) == 21.5


@pytest.mark.parametrize("frame", [False, True])
def test_the_picture_reads_back_as_the_url_and_nothing_else(frame: bool) -> None:
    symbol = passport_symbol(URL, frame=frame)
    assert decoded(symbol_png(symbol)) == [URL.text]
    assert decoded(drawn(symbol_svg(symbol))) == [URL.text]


@settings(max_examples=25, deadline=None)
@given(
    st.text(ALPHABET, min_size=16, max_size=16),
    st.from_regex(r"[a-z]{1,20}(\.[a-z]{1,20}){1,2}\.com", fullmatch=True),
)
def test_every_own_address_reads_back(code: str, host: str) -> None:
    symbol = passport_symbol(own_url(host, code), frame=True)
    assert decoded(symbol_png(symbol, 4)) == [f"https://{host}/p/{code}"]


@given(st.integers(20, 255))
def test_error_correction_is_never_below_q_unless_m_is_asked_for(length: int) -> None:
    url = PassportUrl("https://a.de/p/" + "x" * (length - 15))
    assert passport_symbol(url).level in {"Q", "H"}
    assert passport_symbol(url, level="M").level in {"M", "Q", "H"}


def test_level_l_is_refused() -> None:
    with pytest.raises(ValueError, match="below M"):
        passport_symbol(URL, level="L")  # type: ignore[arg-type]


@pytest.mark.parametrize("frame", [False, True])
def test_four_white_modules_surround_the_code(frame: bool) -> None:
    symbol = passport_symbol(URL, frame=frame)
    image = Image.open(io.BytesIO(symbol_png(symbol, 1))).convert("L")
    edge = 1 if frame else 0
    side, zone = symbol.side_modules, QUIET_MODULES
    for depth in range(edge, edge + zone):
        # Top and left are free all along; bottom right belongs to the frame's triangle.
        assert all(image.getpixel((x, depth)) == 255 for x in range(edge, side - edge))
        assert all(image.getpixel((depth, y)) == 255 for y in range(edge, side - edge))


def test_the_frame_is_one_black_module_with_a_triangle_bottom_right() -> None:
    symbol = passport_symbol(URL, frame=True)
    image = Image.open(io.BytesIO(symbol_png(symbol, 10))).convert("L")
    last = image.width - 1
    assert all(image.getpixel((x, 5)) == 0 for x in range(image.width))
    assert all(image.getpixel((5, y)) == 0 for y in range(image.height))
    dark_in_row = sum(image.getpixel((x, last - 15)) == 0 for x in range(last - 80, last + 1))
    assert dark_in_row == pytest.approx(45, abs=2)  # 6 modules of legs, 1.5 modules up
    assert 'd="M43 43v-6l-6 6z"' in symbol_svg(symbol)


def test_the_same_input_gives_the_same_bytes() -> None:
    assert symbol_png(passport_symbol(URL)) == symbol_png(passport_symbol(URL))
    assert symbol_svg(passport_symbol(URL)) == symbol_svg(passport_symbol(URL))


def test_the_module_is_half_a_millimetre_or_what_fits_but_never_below_035() -> None:
    symbol = passport_symbol(URL)  # 41 modules
    assert fitting_module_mm(symbol, 100) == 0.5
    assert fitting_module_mm(symbol, 41 * 0.42) == 0.42
    assert fitting_module_mm(symbol, 41 * 0.35) == 0.35
    with pytest.raises(SymbolTooLarge) as refusal:
        fitting_module_mm(symbol, 14.3)
    assert refusal.value.facts["needed_mm"] == pytest.approx(14.35)


def test_svg_states_its_size_in_millimetres() -> None:
    root = ET.fromstring(symbol_svg(passport_symbol(URL, frame=True)))
    assert root.attrib["width"] == root.attrib["height"] == "21.5mm"
    with pytest.raises(ValueError, match=r"0\.35"):
        symbol_svg(passport_symbol(URL), 0.3)
