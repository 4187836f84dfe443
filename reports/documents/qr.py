"""QR codes as drawings. Pure."""

import io

import segno

MASK = 0
"""Readers undo any of the eight; trying which looks best takes longer than the rest of a page's making."""


def qr_svg(content: str) -> str:
    """Return a QR code as SVG without size: the page gives it one."""
    out = io.BytesIO()
    segno.make(content, error="q", micro=False, mask=MASK).save(
        out, kind="svg", border=4, xmldecl=False, svgns=True, omitsize=True, nl=False
    )
    return out.getvalue().decode()
