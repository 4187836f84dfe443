"""A two-page act with four photos as PDF/A: from its snapshot, against typst alone on the finished page."""

import statistics
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pypdf
import typst

from reports.documents.composing import typeset
from reports.documents.drawing import STANDARD, draw, template
from reports.documents.kinds import DocumentKind
from reports.documents.snapshot import thaw
from tests.bench.figures import Figure, figure, say
from tests.reports.documents.examples import PHOTOS, job_content, snapshot

PAGES = 2
GOAL = 1.5


def _seconds(work: Callable[[], bytes]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(times: int = 15) -> list[Figure]:
    """Return CPU time of ours / theirs, the median of pairs; both have the fonts in memory."""
    say("drawing a two-page act with four photos")
    answers = job_content()["answers"]
    content = job_content(
        answers=[
            {**answer, "item": f"{answer['item']}-{turn}"}
            for turn in range(6)
            for answer in answers
        ]
    )
    frozen = snapshot(DocumentKind.ACT, content).frozen
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)

    def ours() -> bytes:
        page = typeset(thaw(frozen))
        return draw(page.page, {name: PHOTOS[name] for name in page.images})

    with TemporaryDirectory() as folder:
        page = typeset(thaw(frozen))
        for name in page.images:
            Path(folder, f"{name}.jpg").write_bytes(PHOTOS[name])

        def theirs() -> bytes:
            made = typst.compile(
                template(),
                root=folder,
                font_paths=fonts,
                ignore_system_fonts=True,
                format="pdf",
                sys_inputs={"page": page.page},
                pdf_standards=STANDARD,
                timestamp=0,
            )
            assert isinstance(made, bytes)
            return made

        pages = {len(pypdf.PdfReader(BytesIO(work())).pages) for work in (ours, theirs)}
        if pages != {PAGES} or len(page.images) != len(PHOTOS):
            raise RuntimeError(f"The act has {pages} pages and {len(page.images)} photos.")
        pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(times)]
    ratios = [mine / its for mine, its in pairs]
    return [
        figure(
            "two-page PDF/A with four photos from its snapshot, CPU / typst alone on its page",
            statistics.median(ratios),
            "ratio",
            GOAL,
            lowest=round(min(ratios), 3),
            highest=round(max(ratios), 3),
            ours_ms=round(1000 * statistics.median(mine for mine, _ in pairs), 1),
            typst_ms=round(1000 * statistics.median(its for _, its in pairs), 1),
            pairs=times,
        )
    ]
