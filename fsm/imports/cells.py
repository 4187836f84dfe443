"""What stands in a cell: texts, numbers, days, instants. Pure.

An empty cell is None everywhere. What cannot be read raises `BadCell` with the reason for a person.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from fsm.geography import check_country, check_zone

FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
"""How a text begins that a spreadsheet would run (or that has been neutralised before)."""

_NEUTRALISED: Final = re.compile(r"'+[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[ \u00a0\u202f]\d{3})+)(?:\.\d+)?", re.ASCII)
_TRUE: Final = frozenset({"1", "true", "yes", "y", "t", "да", "x"})
_FALSE: Final = frozenset({"0", "false", "no", "n", "f", "нет"})


class BadCell(ValueError):
    """A cell cannot be read; the message says why. `column` is given where it is not the cell's own."""

    def __init__(self, reason: str, column: str | None = None) -> None:
        super().__init__(reason)
        self.column = column


@dataclass(frozen=True, slots=True)
class Form:
    """How the file writes numbers and times."""

    decimal: str = "."
    date_format: str | None = None
    """For strptime; None: ISO 8601."""


@dataclass(frozen=True, slots=True)
class Wall:
    """The clock on the wall of a row: its zone and which of two equal times is meant."""

    zone: ZoneInfo | None
    fold: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of cell: the type of its column in the database and how its text is read."""

    sql: str
    read: Callable[[str, Form, Wall], Any]
    words: str
    """The kind in a word or two, for the documentation."""


_TOKENS: Final = {
    "YYYY": "%Y", "YY": "%y", "MM": "%m", "DD": "%d", "hh": "%I", "HH": "%H", "mm": "%M", "ss": "%S",
    "AM/PM": "%p",
}  # fmt: skip


def date_format(pattern: str) -> str:
    """Return `strptime`'s format for a pattern such as "MM/DD/YYYY hh:mm:ss AM/PM".

    YYYY MM DD HH mm ss, with AM/PM hh instead of HH. Anything else stands for itself; a ValueError says
    what is wrong.
    """
    if re.search(r"[A-Za-z]", re.sub("|".join(_TOKENS), "", pattern)) or "%" in pattern:
        raise ValueError(
            f"'{pattern[:60]}' is no format of times; write one such as MM/DD/YYYY hh:mm:ss AM/PM, "
            "from YYYY MM DD HH mm ss, or hh and AM/PM."
        )
    if not all(part in pattern for part in ("YY", "MM", "DD")):
        raise ValueError(f"'{pattern[:60]}' lacks one of YYYY, MM, DD.")
    if ("hh" in pattern) != ("AM/PM" in pattern):
        raise ValueError("'hh' (12 hours) goes with 'AM/PM'; write HH for 24 hours.")
    return re.sub("|".join(_TOKENS), lambda found: _TOKENS[found[0]], pattern)


def neutral(text: str) -> str:
    """Return the text so that no spreadsheet runs it; `restored` is the inverse."""
    return f"'{text}" if FORMULA.match(text) else text


def restored(text: str) -> str:
    return text[1:] if _NEUTRALISED.match(text) else text


# --- texts ------------------------------------------------------------------------------------------------


def _clean(text: str) -> str:
    if "\x00" in text:
        raise BadCell("holds the NUL character, which cannot be stored")
    return restored(text)


def _text(longest: int) -> Callable[[str, Form, Wall], str]:
    def read(text: str, form: Form, wall: Wall) -> str:
        if len(text) > longest:
            raise BadCell(f"is longer than {longest:,} characters")
        return _clean(text)

    return read


def text(longest: int = 10_000) -> Cell:
    return Cell("text", _text(longest), "text")


def _code(cell: str, form: Form, wall: Wall) -> str:
    if len(cell) > 60:
        raise BadCell("is longer than 60 characters, too long for a number or code")
    code = _clean(cell)
    if any(character < " " for character in code):
        raise BadCell("holds control characters, such as a line break, which a code cannot")
    return code


def word(*allowed: str, also: dict[str, str] | None = None) -> Cell:
    """Return the cell that holds one of some words, in any case; `also` maps other spellings to them."""
    spellings = {one: one for one in allowed} | (also or {})

    def read(text: str, form: Form, wall: Wall) -> str:
        try:
            return spellings[re.sub(r"[\s-]+", "_", text.casefold())]
        except KeyError:
            raise BadCell(f"must be one of {', '.join(allowed)}, not '{text[:60]}'") from None

    return Cell("text", read, " or ".join(allowed))


def matching(pattern: str, reason: str, *, longest: int = 200) -> Cell:
    compiled = re.compile(pattern)

    def read(text: str, form: Form, wall: Wall) -> str:
        cleaned = _clean(text)
        if len(cleaned) > longest or not compiled.fullmatch(cleaned):
            raise BadCell(reason)
        return cleaned

    return Cell("text", read, "text")


def checked(check: Callable[[str], str], words: str) -> Cell:
    """Return the cell whose text a rule accepts, or refuses with a ValueError."""

    def read(text: str, form: Form, wall: Wall) -> str:
        try:
            return check(text)
        except ValueError as error:
            raise BadCell(str(error).rstrip(".")) from None

    return Cell("text", read, words)


# --- lists ------------------------------------------------------------------------------------------------


def split_list(text: str) -> list[str]:
    """Return the parts of "a;b"; a semicolon or backslash inside a part is written \\; or \\\\."""
    parts = re.findall(r"(?:[^;\\]|\\.)+", text, re.DOTALL)
    return [
        re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL).strip() for part in parts if part.strip()
    ]


def parts_of(read_part: Callable[[str, Form], Sequence[Any]], words: str) -> Cell:
    """Return the cell that holds a list; `read_part` makes each part a row of plain values.

    It is kept as JSON, a list of lists, which SQL unpacks.
    """

    def read(text: str, form: Form, wall: Wall) -> str:
        return json.dumps([read_part(part, form) for part in split_list(_clean(text))])

    return Cell("jsonb", read, words)


# --- numbers ----------------------------------------------------------------------------------------------


def read_number(text: str, form: Form) -> Decimal:
    written = restored(text)
    if form.decimal == ",":
        if "." in written:
            raise BadCell(
                f"'{text[:40]}' has a point, but the decimal sign of this file is a comma; "
                "thousands are divided by spaces or by nothing"
            )
        written = written.replace(",", ".")
    if len(written) > 40 or not _NUMBER.fullmatch(written):
        hint = ""
        if "," in written and "." in written:
            hint = "; thousands are divided by spaces or by nothing"
        elif "," in written:
            hint = "; with a decimal comma, say so (decimal=comma)"
        raise BadCell(f"'{text[:40]}' is not a number{hint}")
    try:
        return Decimal(re.sub(r"\s", "", written))
    except InvalidOperation:
        raise BadCell(f"'{text[:40]}' is not a number") from None


def number(
    *, least: Decimal | None, most: Decimal, places: int, sql: str, words: str, to: type = Decimal
) -> Cell:
    def read(text: str, form: Form, wall: Wall) -> Any:
        value = read_number(text, form)
        if least is not None and value < least:
            raise BadCell(f"must be at least {least}, not {value}")
        if value > most:
            raise BadCell(f"must be at most {most}, not {value}")
        exponent = value.normalize().as_tuple().exponent
        if isinstance(exponent, int) and -exponent > places:
            allowed = f"at most {places} decimals" if places else "no decimals"
            raise BadCell(f"takes {allowed}, not {value}")
        return to(value)

    return Cell(sql, read, words)


_MOST_MONEY = Decimal("999999999999.99")
MONEY = number(
    least=Decimal(0), most=_MOST_MONEY, places=2, sql="numeric", words="money, not negative"
)
QUANTITY = number(
    least=Decimal(0), most=Decimal("9999999999.9999"), places=4, sql="numeric", words="quantity"
)


def whole(least: int, most: int) -> Cell:
    return number(
        least=Decimal(least), most=Decimal(most), places=0, sql="integer", to=int,
        words=f"{least} to {most}",
    )  # fmt: skip


def degrees(most: int) -> Cell:
    return number(
        least=Decimal(-most), most=Decimal(most), places=20, sql="double precision", to=float,
        words=f"degrees, -{most} to {most}",
    )  # fmt: skip


def _flag(text: str, form: Form, wall: Wall) -> bool:
    spelled = text.casefold()
    if spelled in _TRUE:
        return True
    if spelled in _FALSE:
        return False
    raise BadCell(f"must be yes or no, not '{text[:40]}'")


# --- times ------------------------------------------------------------------------------------------------

_EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


def in_zone(local: datetime, zone: ZoneInfo, fold: int = 0) -> datetime:
    """Return the UTC instant of a naive local time.

    Of two equal times, when clocks go back, `fold` 0 is the first. A time that clocks skip is `BadCell`.
    """
    at = local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None, fold=0) != local:
        raise BadCell(
            f"{local.isoformat(sep=' ')} does not exist in {zone.key}: the clocks skip it that day"
        )
    return at


def _parse(text: str, form: Form) -> datetime:
    try:
        if form.date_format is not None:
            return datetime.strptime(text, form.date_format)  # noqa: DTZ007  # the zone comes next
        return datetime.fromisoformat(text)
    except ValueError as error:
        if form.date_format is not None:
            reason = f"'{text[:40]}' does not have the form that was given for times"
        elif "out of range" in str(error) or "must be in" in str(error):
            reason = f"'{text[:40]}' names a day or time that does not exist"
        else:
            reason = (
                f"'{text[:40]}' is not a time such as 2026-03-29T10:00:00+02:00; "
                "for another form, give its format"
            )
        raise BadCell(reason) from None


def _instant(text: str, form: Form, wall: Wall) -> datetime:
    at = _parse(text, form)
    try:
        if at.tzinfo is not None:
            at = at.astimezone(UTC)
        elif wall.zone is not None:
            at = in_zone(at, wall.zone, wall.fold)
        else:
            raise BadCell(
                f"'{text[:40]}' has no time zone; give it in the cell, a column 'zone' or an option"
            )
    except OverflowError:
        raise BadCell(f"'{text[:40]}' is beyond the calendar") from None
    if not _EARLIEST <= at <= _LATEST:
        raise BadCell(f"'{text[:40]}' lies outside the years 1900 to 2199")
    return at


def _day(text: str, form: Form, wall: Wall) -> date:
    # A day may come with a midnight behind it, as spreadsheets write it.
    at = _parse(text, form) if form.date_format is None else _day_in(text, form)
    if not _EARLIEST.date() <= at.date() <= _LATEST.date():
        raise BadCell(f"'{text[:40]}' lies outside the years 1900 to 2199")
    return at.date()


def _day_in(text: str, form: Form) -> datetime:
    assert form.date_format is not None
    try:
        return datetime.strptime(text, form.date_format)  # noqa: DTZ007  # a day has no zone
    except ValueError:
        dates_alone = re.split(r"[ T]?%[HI]", form.date_format, maxsplit=1)[0]
        return _parse(text, Form(form.decimal, dates_alone))


TEXT = text()
LINE = text(300)
CODE = Cell("text", _code, "code, at most 60 characters")
DAY = Cell("date", _day, "day, 2026-03-29")
INSTANT = Cell("timestamptz", _instant, "instant, 2026-03-29T10:00:00+02:00")
FLAG = Cell("boolean", _flag, "yes or no")
ZONE = checked(check_zone, "IANA zone, Europe/Paris")
COUNTRY = checked(check_country, "two letters, FR")
CURRENCY = matching(r"[A-Z]{3}", "must be three capital letters, such as EUR")
EMAIL = matching(r"[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+", "is not an e-mail address")
PHONE = matching(
    r"[+(]?[0-9][0-9 ()/.,;x#*+-]*",
    "is not a telephone number, such as +33 1 23 45 67 89",
    longest=60,
)
LATITUDE = degrees(90)
LONGITUDE = degrees(180)
