"""Tables of figures as XLSX, from the very results that are served as JSON and CSV."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from fsm.evidence.blobs import in_thread
from reports.csv_form import COLUMNS, values_of
from reports.exports.workbook import Workbook
from reports.questions import Answered, Known, Question
from reports.registry import Definition

_NUMBERS = frozenset(
    {"definition", "value", "n", "numerator", "denominator", "interval_low", "interval_high"}
)
_INSTANTS = frozenset({"from", "to", "as_of"})
_ROWS_AT_ONCE = 2_000


async def write_figures(
    path: Path, known: Known, question: Question, rows: Iterable[Answered]
) -> None:
    """Write a table of figures, and beside it its formula, its filters and as of when it was true."""
    book = await in_thread(Workbook, path, known.zone)
    await in_thread(book.about, _about(known, question, question.definition))
    await in_thread(book.begin, question.definition.kpi, [(name, _kind(name)) for name in COLUMNS])
    waiting = iter(rows)
    while some := list(islice(waiting, _ROWS_AT_ONCE)):
        await in_thread(book.add, [list(values_of(row)) for row in some])
    await in_thread(book.close)


def _kind(column: str) -> str:
    return "number" if column in _NUMBERS else "instant" if column in _INSTANTS else "text"


def _about(known: Known, question: Question, definition: Definition) -> dict[str, object]:
    period = question.period
    return {
        "kpi": definition.kpi,
        "definition": definition.version,
        "formula": definition.formula,
        "variant": question.variant,
        "scope": str(question.scope),
        "from": period.from_at,
        "to": period.to_at,
        "as_of": period.as_of,
        "watermark": known.watermark,
        "late_events": known.late,
        "zone": known.zone,
    }
