"""Tables of figures as XLSX, from the very results that are served as JSON and CSV."""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from fsm.evidence.blobs import in_thread
from reports.csv_form import COLUMNS, values_of
from reports.exports.workbook import Workbook
from reports.questions import Answered, Known, Question

_NUMBERS = frozenset(
    {"definition", "value", "n", "numerator", "denominator", "interval_low", "interval_high"}
)
_INSTANTS = frozenset({"from", "to", "as_of"})
_ROWS_AT_ONCE = 2_000


async def write_figures(
    path: Path, known: Known, question: Question, rows: Iterable[Answered]
) -> None:
    """Write a table of figures, and beside it its formula, its filters and as of when it was true."""
    definition = question.definition
    said = {
        "kpi": definition.kpi,
        "definition": definition.version,
        "formula": definition.formula,
        "variant": question.variant,
        **_about(known, question),
    }
    await _write(path, known, definition.kpi, said, rows)


async def write_sheet(
    path: Path, known: Known, questions: Sequence[Question], rows: Iterable[Answered]
) -> None:
    """Write figures of different kinds over one scope and window, and beside them all of their formulae."""
    said = _about(known, questions[0]) | {
        f"{each.definition.kpi}, version {each.definition.version}": each.definition.formula
        for each in questions
    }
    await _write(path, known, "figures", said, rows)


async def _write(
    path: Path, known: Known, name: str, said: dict[str, object], rows: Iterable[Answered]
) -> None:
    book = await in_thread(Workbook, path, known.zone)
    await in_thread(book.about, said)
    await in_thread(book.begin, name, [(column, _kind(column)) for column in COLUMNS])
    waiting = iter(rows)
    while some := list(islice(waiting, _ROWS_AT_ONCE)):
        await in_thread(book.add, [list(values_of(row)) for row in some])
    await in_thread(book.close)


def _kind(column: str) -> str:
    return "number" if column in _NUMBERS else "instant" if column in _INSTANTS else "text"


def _about(known: Known, question: Question) -> dict[str, object]:
    period = question.period
    return {
        "scope": str(question.scope),
        "from": period.from_at,
        "to": period.to_at,
        "as_of": period.as_of,
        "watermark": known.watermark,
        "late_events": known.late,
        "zone": known.zone,
    }
