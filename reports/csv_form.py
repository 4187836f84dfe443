"""Tables of figures as CSV: RFC 4180, UTF-8, the same numbers as in JSON, safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from reports.questions import Answered
from reports.results import Result
from reports.scopes import write_key

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")
_ROWS_PER_CHUNK = 500

COLUMNS = (
    *("id", "number", "name"),
    *("kpi", "definition", "value", "unit", "n", "null_reason"),
    *("numerator", "numerator_unit", "denominator", "denominator_unit"),
    *("interval_low", "interval_high", "interval_level", "interval_method"),
    *("excluded", "provisional", "notes"),
    *("scope", "from", "to", "zone", "as_of", "watermark", "late_events"),
)


class Separator(StrEnum):
    COMMA = "comma"
    SEMICOLON = "semicolon"
    TAB = "tab"


class DecimalSign(StrEnum):
    POINT = "point"
    COMMA = "comma"


_SEPARATORS = {Separator.COMMA: ",", Separator.SEMICOLON: ";", Separator.TAB: "\t"}


def write_csv(
    rows: Iterable[Answered],
    separator: Separator = Separator.COMMA,
    decimal_sign: DecimalSign = DecimalSign.POINT,
) -> Iterator[bytes]:
    """Yield a table in pieces: one header line, then one line per figure, each with all of its context.

    A number is written exactly as JSON has it but for the decimal sign; an absent one is an empty field. Text
    that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    values = (values_of(row) for row in rows)
    return write_rows(COLUMNS, values, separator, decimal_sign)


def write_rows(
    columns: Iterable[str],
    rows: Iterable[Iterable[Any]],
    separator: Separator = Separator.COMMA,
    decimal_sign: DecimalSign = DecimalSign.POINT,
) -> Iterator[bytes]:
    """Yield any table in the same form, in pieces."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=_SEPARATORS[separator], lineterminator="\r\n")
    writer.writerow(columns)
    for count, row in enumerate(rows, start=1):
        writer.writerow([_cell(value, decimal_sign) for value in row])
        if count % _ROWS_PER_CHUNK == 0:
            yield _taken(text)
    yield _taken(text)


def values_of(row: Answered) -> Iterator[Any]:
    """Yield what stands in the `COLUMNS`, as values."""
    result: Result = row.result
    yield from (write_key(row.key), row.number, row.name)
    yield from (result.kpi, result.definition, result.value, result.unit, result.n)
    yield result.null_reason
    for side in (result.numerator, result.denominator):
        yield from (None, None) if side is None else (side.value, side.unit)
    bounds = result.interval
    if bounds is None:
        yield from (None, None, None, None)
    else:
        yield from (bounds.low, bounds.high, bounds.level, bounds.method)
    yield " ".join(f"{reason}:{count}" for reason, count in result.excluded.items())
    yield " ".join(result.provisional.because) if result.provisional else None
    yield " ".join(result.notes)
    yield " ".join(f"{cut}:{key}" for cut, key in result.scope.items())
    yield from (result.window.from_at, result.window.to_at, result.window.zone)
    yield from (result.as_of, result.watermark, result.late_events)


def _cell(value: Any, decimal_sign: DecimalSign) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float | Decimal):
        written = _json(value)
        return written.replace(".", ",") if decimal_sign is DecimalSign.COMMA else written
    if isinstance(value, datetime):
        return _json(value)
    text = str(value)
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def _json(value: Any) -> str:
    """Return what JSON writes for a number, an amount of money or an instant."""
    return msgspec.json.encode(value).decode().strip('"')


def _taken(text: io.StringIO) -> bytes:
    """Return and forget what has been written so far."""
    written = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return written
