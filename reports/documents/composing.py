"""From a snapshot to a page: the frame that all kinds share, and each kind's own blocks. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import msgspec

from reports.documents.blocks import AnyBlock, Page, Paragraph, Verification
from reports.documents.drawing import template_digest
from reports.documents.glyphs import drawable_all
from reports.documents.kinds import DocumentKind
from reports.documents.pages import (
    acts,
    contract_statements,
    invoices,
    management_packs,
    route_sheets,
    service_reports,
    technical_acts,
)
from reports.documents.qr import qr_svg
from reports.documents.snapshot import Snapshot
from reports.documents.wording import Words, words

Compose = Callable[[Mapping[str, Any], Words], list[AnyBlock]]
"""(content of a snapshot, words) → blocks"""

COMPOSERS: Final[Mapping[DocumentKind, Compose]] = MappingProxyType(
    {
        DocumentKind.ACT: acts.compose,
        DocumentKind.TECHNICAL_ACT: technical_acts.compose,
        DocumentKind.SERVICE_REPORT: service_reports.compose,
        DocumentKind.CONTRACT_STATEMENT: contract_statements.compose,
        DocumentKind.MANAGEMENT_PACK: management_packs.compose,
        DocumentKind.ROUTE_SHEET: route_sheets.compose,
        DocumentKind.INVOICE: invoices.compose,
    }
)
_SHARED: Final[Mapping[DocumentKind, tuple[str, ...]]] = MappingProxyType(
    {
        DocumentKind.TECHNICAL_ACT: ("pages.acts",),
        DocumentKind.SERVICE_REPORT: ("pages.figures",),
        DocumentKind.MANAGEMENT_PACK: ("pages.figures",),
    }
)
"""What a kind's own page is made with beside its own module."""
LANDSCAPE: Final[frozenset[DocumentKind]] = frozenset()


def compose(snapshot: Snapshot, *, is_preview: bool = False) -> Page:
    """Return the page of a snapshot. A preview says on every page that it is none, and verifies nothing."""
    data = snapshot.data
    kind = DocumentKind(snapshot.kind)
    text = words(snapshot.language, data["zone"])
    issued_at = datetime.fromisoformat(data["issued_at"]).astimezone(UTC)
    blocks: list[AnyBlock] = []
    if data.get("replaces"):
        blocks.append(Paragraph(text("frame.replaces", number=data["replaces"]["number"]), "quiet"))
    blocks += COMPOSERS[kind](snapshot.content, text)
    return Page(
        title=text(f"kind.{kind}"),
        language=snapshot.language,
        company=data["company"]["name"],
        number="" if is_preview else text("frame.number", number=data["number"]),
        dated=text("frame.dated", date=text.day_of(data["issued_at"])),
        issued=[
            issued_at.year, issued_at.month, issued_at.day,
            issued_at.hour, issued_at.minute, issued_at.second,
        ],
        page_of=_around_numbers(text),
        blocks=blocks,
        verification=None if is_preview else _verification(snapshot, text),
        mark=text("frame.preview") if is_preview else "",
        orientation="landscape" if kind in LANDSCAPE else "portrait",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Typeset:
    """A page as the renderer takes it: JSON, and which pictures it needs.

    `missing_glyphs` characters cannot be drawn and became a box; the page says so at its end.
    """

    page: str
    images: list[str]
    missing_glyphs: int


def typeset(snapshot: Snapshot, *, is_preview: bool = False) -> Typeset:
    page = compose(snapshot, is_preview=is_preview)
    form, missing = drawable_all(msgspec.to_builtins(page))
    if missing:
        text = words(snapshot.language, snapshot.data["zone"])
        said = Paragraph(text("frame.missing_glyphs", count=missing), "quiet")
        form["blocks"].append(msgspec.to_builtins(said))
    written = msgspec.json.encode(form, order="sorted").decode()
    return Typeset(written, page.images(), missing)


def template_of(kind: DocumentKind) -> str:
    """Return the version of what turns a snapshot of this kind into a page."""
    own = {COMPOSERS[kind].__module__.removeprefix("reports.documents."), *_SHARED.get(kind, ())}
    return f"{kind}/{template_digest('composing', *sorted(own))}"


def _around_numbers(text: Words) -> tuple[str, str, str]:
    before, _, rest = text("frame.page", page="\n", pages="\n").partition("\n")
    between, _, after = rest.partition("\n")
    return before, between, after


def _verification(snapshot: Snapshot, text: Words) -> Verification:
    url = f"{snapshot.data['verify_url']}/{snapshot.code}"
    return Verification(qr_svg(url), [text("frame.verify"), url])
