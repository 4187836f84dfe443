"""From a finished page to a PDF: the renderer, in whatever process this runs.

The same page and pictures give the same bytes, per version of the renderer: fonts are those built into it,
the only date is the snapshot's, and neither paths nor the network are looked at.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import metadata, resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import typst

STANDARD: Final = "a-2b"
"""PDF/A-2b: kept for decades. Declared, not certified."""
STANDARD_WITH_FILES: Final = "a-3b"
"""What takes attachments."""


class DocumentUndrawable(RuntimeError):
    """The renderer refused a page: our bug, since what it cannot draw is replaced before."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside the document; `relationship` is PDF's word: source, data, alternative, supplement."""

    name: str
    content: str
    mime: str
    relationship: str = "source"


def draw(page: str, images: Mapping[str, bytes], attachment: Attachment | None = None) -> bytes:
    """Return a typeset page (`composing.typeset`) as PDF/A. `images` are JPEG files by their SHA-256."""
    inputs = {"page": page}
    if attachment is not None:
        inputs |= {
            "attachment": attachment.content,
            "attachment-name": attachment.name,
            "attachment-type": attachment.mime,
            "attachment-relationship": attachment.relationship,
        }
    with TemporaryDirectory(prefix="fsm-document-") as folder:
        for name, content in images.items():
            Path(folder, f"{name}.jpg").write_bytes(content)
        return _compile(inputs, standard_of(attachment), folder)


def standard_of(attachment: Attachment | None) -> str:
    return STANDARD if attachment is None else STANDARD_WITH_FILES


def _compile(inputs: dict[str, str], standard: str, folder: str) -> bytes:
    import typst

    try:
        # The stubs want `root` to be bytes where the source is.
        made = typst.compile(  # type: ignore[call-overload]
            template(),
            root=folder,
            font_paths=_fonts(),
            ignore_system_fonts=True,
            format="pdf",
            sys_inputs=inputs,
            pdf_standards=standard,
            timestamp=0,
            package_path=os.devnull,
            package_cache_path=os.devnull,
        )
    except typst.TypstError as error:
        raise DocumentUndrawable(str(error)[:500]) from error
    assert isinstance(made, bytes)
    return made


@cache
def template() -> bytes:
    return (resources.files("reports.documents") / "templates" / "document.typ").read_bytes()


@cache
def _fonts() -> "typst.Fonts":
    import typst

    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)


@cache
def renderer() -> str:
    """Return what drew a document, in which version: the same bytes are promised per version."""
    return f"typst {metadata.version('typst')}, babel {metadata.version('babel')}"


@cache
def template_digest(*modules: str) -> str:
    """Return 12 hex digits over everything that turns a snapshot into a page.

    Computed, not counted by hand: nobody can change a template and forget its version.
    """
    digest = sha256(template())
    folder = resources.files("reports.documents")
    for name in sorted({"wording", "blocks", "glyphs", "qr", *modules}):
        digest.update(
            folder.joinpath(*name.split(".")[:-1], f"{name.split('.')[-1]}.py").read_bytes()
        )
    digest.update((folder / "glyphs.json").read_bytes())
    for words in sorted((folder / "messages").iterdir(), key=lambda one: one.name):
        digest.update(words.read_bytes())
    return digest.hexdigest()[:12]
