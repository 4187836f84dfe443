"""Reading symbols back with a real decoder (ZXing), from pixels and from PDF pages."""

from __future__ import annotations

import io

import pypdfium2
import zxingcpp
from PIL import Image


def decoded(image: Image.Image | bytes) -> list[str]:
    """Return the texts of every QR code in a picture, sorted."""
    picture = Image.open(io.BytesIO(image)) if isinstance(image, bytes) else image
    found = zxingcpp.read_barcodes(picture.convert("L"), formats=zxingcpp.BarcodeFormat.QRCode)
    return sorted(code.text for code in found)


def pdf_pages(pdf: bytes, dpi: int = 200) -> list[Image.Image]:
    """Return a PDF's pages as pictures."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [page.render(scale=dpi / 72).to_pil() for page in document]
    finally:
        document.close()


def pdf_text(pdf: bytes) -> str:
    """Return the text of all pages, as it is copied out of a reader."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return "\n".join(page.get_textpage().get_text_range() for page in document)
    finally:
        document.close()
