"""Labels and sheets: they scan, they fit the stickers, and they say what they must."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import pypdfium2
import pytest
from PIL import Image

from fsm.assets.label_stock import STOCKS, Stock, UnknownStock, find_stock
from fsm.assets.labels import (
    BadStartPosition,
    Label,
    TooManyLabels,
    label_pdf,
    label_png,
    label_svg,
    sheet_pdf,
)
from fsm.assets.passport_code import ALPHABET, own_url, short_code, trial_url
from fsm.assets.symbol import SymbolTooLarge
from tests.fsm.assets.decoding import decoded, pdf_pages, pdf_text

CODES = [(ALPHABET[i % 32] + ALPHABET[i // 32]) * 8 for i in range(100)]


def a_label(code: str = CODES[1], host: str = "id.acme-lifts.com") -> Label:
    return Label(own_url(host, code), short_code(code), "Nordwind Лифтсервис", "Gen2 · …4711")


def labels(count: int) -> list[Label]:
    return [a_label(code) for code in CODES[:count]]


@pytest.mark.parametrize("name", STOCKS)
def test_every_stock_lies_inside_its_sheet_without_overlaps(name: str) -> None:
    stock = STOCKS[name]
    width, height = stock.label_mm
    corners = [stock.corner_mm(p) for p in range(1, stock.per_sheet + 1)]
    assert len(set(corners)) == stock.per_sheet
    for x, y in corners:
        assert x >= 0
        assert y >= 0
        assert x + width <= stock.sheet_mm[0] + 0.01
        assert y + height <= stock.sheet_mm[1] + 0.01
    if not stock.is_roll:
        assert stock.pitch_mm[0] >= width
        assert stock.pitch_mm[1] >= height


@pytest.mark.parametrize(
    ("name", "per_sheet", "first", "second_row"),
    [
        ("L7159", 24, (7.25, 12.9), 46.8),
        ("L7160", 21, (7.25, 15.15), 53.25),
        ("L7163", 14, (4.65, 15.15), 53.25),
        ("L4732", 80, (11.0, 13.3), 30.2),
        ("5160", 30, (4.7625, 12.7), 38.1),
        ("5163", 10, (3.96875, 12.7), 63.5),
    ],
)
def test_stocks_have_the_geometry_of_published_templates(
    name: str, per_sheet: int, first: tuple[float, float], second_row: float
) -> None:
    stock = STOCKS[name]
    assert stock.per_sheet == per_sheet
    assert stock.corner_mm(1) == pytest.approx(first, abs=0.01)
    assert stock.corner_mm(stock.columns + 1)[1] == pytest.approx(second_row, abs=0.01)
    with pytest.raises(ValueError, match="positions"):
        stock.corner_mm(per_sheet + 1)


def test_a_stock_is_found_by_its_name_or_refused_with_the_names() -> None:
    assert find_stock(" l7160 ").name == "L7160"
    assert find_stock("50×30").is_roll
    with pytest.raises(UnknownStock) as refusal:
        find_stock("L9999")
    assert "L7160" in refusal.value.facts["known"]


@pytest.mark.parametrize("name", STOCKS)
@pytest.mark.parametrize("frame", [False, True])
def test_a_whole_sheet_scans(name: str, frame: bool) -> None:
    stock = STOCKS[name]
    if frame and name == "L4732":
        with pytest.raises(SymbolTooLarge):
            sheet_pdf(labels(1), stock, frame=True)
        return
    sent = labels(min(stock.per_sheet, 12))
    pages = pdf_pages(sheet_pdf(sent, stock, frame=frame), dpi=250)
    found = [text for page in pages for text in decoded(page)]
    assert sorted(found) == sorted(label.url.text for label in sent)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_one_label_scans_in_every_form(language: str) -> None:
    label = a_label()
    stock = STOCKS["50x30"]
    png = label_png(label, stock, language=language)  # type: ignore[arg-type]
    assert decoded(png) == [label.url.text]
    assert Image.open(io.BytesIO(png)).size == (1181, 709)  # 50 × 30 mm at 600 dpi
    pdf = label_pdf(label, stock, language=language)  # type: ignore[arg-type]
    assert decoded(pdf_pages(pdf)[0]) == [label.url.text]
    svg = label_svg(label, stock, language=language)  # type: ignore[arg-type]
    root = ET.fromstring(svg)
    assert float(root.attrib["width"].removesuffix("pt")) == pytest.approx(50 / 25.4 * 72, abs=0.01)
    assert "<text" not in svg  # outlines: looks the same where no font is installed


def test_a_label_scans_as_a_203_dpi_printer_draws_it() -> None:
    assert decoded(label_png(a_label(), dpi=203)) == [a_label().url.text]
    with pytest.raises(ValueError, match="dots per inch"):
        label_png(a_label(), dpi=72)


def test_address_and_short_code_stand_beside_the_symbol_in_full() -> None:
    for name in STOCKS:
        text = "".join(pdf_text(label_pdf(a_label(), STOCKS[name])).split())
        assert "id.acme-lifts.com/p/" + CODES[1] in text
        assert short_code(CODES[1]) in text


def test_a_label_under_the_applications_own_address_says_that_it_is_a_trial() -> None:
    label = Label(trial_url("http://127.0.0.1:8000", CODES[3]), short_code(CODES[3]), "Nordwind")
    for name in STOCKS:
        assert "TRIAL" in pdf_text(label_pdf(label, STOCKS[name]))
        assert "ПРОБА" in pdf_text(label_pdf(label, STOCKS[name], language="ru"))
    assert "TRIAL" not in pdf_text(label_pdf(a_label()))


def test_printing_starts_at_any_position_and_runs_over_to_the_next_sheet() -> None:
    stock = STOCKS["L7160"]
    sent = labels(5)
    pages = pdf_pages(sheet_pdf(sent, stock, start=19), dpi=200)
    assert [len(decoded(page)) for page in pages] == [3, 2]
    last_label = pages[0].crop(_pixels(stock, 21, 200))
    assert decoded(last_label) == [sent[2].url.text]
    assert decoded(pages[1].crop(_pixels(stock, 2, 200))) == [sent[4].url.text]


@pytest.mark.parametrize("start", [0, -1, 22])
def test_a_position_the_sheet_does_not_have_is_refused(start: int) -> None:
    with pytest.raises(BadStartPosition):
        sheet_pdf(labels(1), STOCKS["L7160"], start=start)


def test_the_ruler_is_exactly_a_hundred_millimetres() -> None:
    stock = STOCKS["L7159"]
    with_ruler = pdf_pages(sheet_pdf(labels(1), stock, start=24), dpi=254)[0].convert("L")
    # 9 mm down, at ten pixels a millimetre; the words begin to the right of the line, at 114 mm.
    row = [with_ruler.getpixel((x, 90)) for x in range(1130)]
    dark = [x for x, shade in enumerate(row) if shade < 128]
    assert dark[-1] - dark[0] == pytest.approx(1000, abs=3)
    assert dark[0] == pytest.approx(100, abs=2)
    without = pdf_pages(sheet_pdf(labels(1), stock, start=24, ruler=False), dpi=254)[0].convert("L")
    assert all(without.getpixel((x, 90)) == 255 for x in range(without.width))


def test_a_roll_gets_its_ruler_on_a_label_of_its_own() -> None:
    pdf = sheet_pdf(labels(2), STOCKS["50x30"])
    assert [len(decoded(page)) for page in pdf_pages(pdf)] == [0, 1, 1]
    assert "40 mm" in pdf_text(pdf)
    assert len(pdf_pages(sheet_pdf(labels(2), STOCKS["50x30"], ruler=False))) == 2


def test_pages_have_the_stocks_size() -> None:
    for name, size in {"L7160": (210, 297), "5160": (215.9, 279.4), "50x30": (50, 30)}.items():
        document = pypdfium2.PdfDocument(sheet_pdf(labels(1), STOCKS[name]))
        points = document[0].get_size()
        document.close()
        assert points == pytest.approx([mm / 25.4 * 72 for mm in size], abs=0.01)


def test_the_same_input_gives_the_same_bytes() -> None:
    assert sheet_pdf(labels(3), STOCKS["L7160"]) == sheet_pdf(labels(3), STOCKS["L7160"])
    assert label_svg(a_label()) == label_svg(a_label())
    assert label_png(a_label()) == label_png(a_label())


def test_names_are_text_and_never_markup() -> None:
    hostile = '#read("/etc/passwd") *b* $x$ <l> @ref \\ "] //'
    label = Label(own_url("id.acme.com", CODES[5]), short_code(CODES[5]), hostile, "#panic()")
    text = pdf_text(label_pdf(label, STOCKS["L7163"]))
    assert "#panic()" in text
    assert '#read("/etc/passwd")' in text
    assert "root:" not in text


def test_what_the_fonts_cannot_draw_is_replaced_visibly() -> None:
    label = Label(
        own_url("id.acme.com", CODES[5]), short_code(CODES[5]), "漢 Лифт 😀\x07", "Žluťoučký"
    )
    text = pdf_text(label_pdf(label, STOCKS["L7163"]))
    assert "□ Лифт □" in text
    assert "Žluťoučký" in text


def test_endless_names_do_not_push_the_address_off_the_label() -> None:
    for name in STOCKS:
        label = Label(a_label().url, short_code(CODES[1]), "Aufzug " * 60, "x" * 500)
        text = "".join(pdf_text(label_pdf(label, STOCKS[name])).split())
        assert "id.acme-lifts.com/p/" + CODES[1] in text
        assert decoded(label_png(label, STOCKS[name])) == [label.url.text]


def test_a_code_too_large_for_the_stock_is_refused_before_printing() -> None:
    with pytest.raises(SymbolTooLarge):
        sheet_pdf([a_label(host="a" * 60 + "." + "b" * 60 + ".com")], STOCKS["L4732"])


def test_an_order_has_a_size() -> None:
    with pytest.raises(ValueError, match="nothing"):
        sheet_pdf([], STOCKS["L7160"])
    with pytest.raises(TooManyLabels):
        sheet_pdf([a_label()] * 8001, STOCKS["L4732"])


def _pixels(stock: Stock, position: int, dpi: int) -> tuple[int, int, int, int]:
    (x, y), (width, height) = stock.corner_mm(position), stock.label_mm
    left, top, right, bottom = (round(mm / 25.4 * dpi) for mm in (x, y, x + width, y + height))
    return left, top, right, bottom
