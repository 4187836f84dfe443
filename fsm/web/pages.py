"""Server-rendered pages: one function that turns a view into HTML, and the headers to send with it.

Pages work without script and load nothing but photos: the style sheet is inside the page, allowed
by its hash. The status page asks for itself again while it is looked at. Everything that is shown is
escaped; messages hold no markup.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Final, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fsm.languages import LANGUAGES, own_name
from fsm.web import views
from fsm.web.languages import messages

PageName = Literal[
    "passport",
    "unclaimed",
    "missing",
    "wrong_label",
    "thanks",
    "status",
    "move",
    "price",
    "document",
    "error",
]

#: Which view each page takes.
VIEWS: Final[dict[PageName, type[views.PageView]]] = {
    "passport": views.PassportView,
    "unclaimed": views.UnclaimedView,
    "missing": views.MissingView,
    "wrong_label": views.WrongLabelView,
    "thanks": views.ThanksView,
    "status": views.StatusView,
    "move": views.MoveView,
    "price": views.PriceView,
    "document": views.DocumentView,
    "error": views.ErrorView,
}

#: Pages that can do more with script, and do without it: its source stands in the page.
SCRIPTED: Final[frozenset[PageName]] = frozenset({"document", "passport", "status"})

#: Of these, those that ask our own server for more while they are looked at.
ASKING: Final[frozenset[PageName]] = frozenset({"status"})

#: A whole page, style sheet included, stays below this.
LARGEST_PAGE_BYTES: Final = 30_000


def render(template: PageName, language: str, view: views.PageView) -> str:
    """Return a page as a complete HTML document; see `fsm.web.views` for which view belongs to
    which.

    `language` is one of `languages.LANGUAGES`. A missing message or value raises: it is our bug.
    """
    if not isinstance(view, VIEWS[template]):
        raise TypeError(f"The page {template} takes a {VIEWS[template].__name__}.")
    text = messages(language)
    return (
        _environment()
        .get_template(f"{template}.html.j2")
        .render(
            v=view,
            t=text,
            text=text,
            language=language,
            languages=[(code, own_name(code)) for code in LANGUAGES],
            css=Markup(style_sheet()),  # noqa: S704 - our own file, nobody's input
            script=Markup(script(template)) if template in SCRIPTED else None,  # noqa: S704 - the same
            limits=views,
        )
    )


def headers(image_origins: Sequence[str] = (), template: PageName | None = None) -> dict[str, str]:
    """Return the headers every page is sent with; one with script allows that script and no other.

    `image_origins` are further origins photos may come from (`https://bucket.example.com`), when
    the blob store hands out addresses of its own.
    """
    images = " ".join(["'self'", *image_origins])
    policy = (
        "default-src 'none'",
        f"style-src '{style_hash()}'",
        *([f"script-src '{_source_hash(script(template))}'"] if template in SCRIPTED else []),
        *(["connect-src 'self'"] if template in ASKING else []),
        f"img-src {images}",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        # A status link is a secret, and a passport's address names the machine.
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Language",
    }


@cache
def style_sheet() -> str:
    """Return the one style sheet without comments and indentation, exactly as it stands in the
    page.
    """
    source = (resources.files("fsm.web") / "templates" / "page.css").read_text("utf-8")
    plain = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    return "\n".join(line.strip() for line in plain.splitlines() if line.strip())


@cache
def style_hash() -> str:
    """Return the style sheet's source expression for the Content-Security-Policy: `sha256-…`."""
    return _source_hash(style_sheet())


@cache
def script(template: PageName) -> str:
    """Return the script of one of the `SCRIPTED` pages, exactly as it stands in the page."""
    return (resources.files("fsm.web") / "templates" / f"{template}.js").read_text("utf-8").strip()


def _source_hash(source: str) -> str:
    digest = hashlib.sha256(source.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode()


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("fsm.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
