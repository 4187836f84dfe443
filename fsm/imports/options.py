"""How somebody wants a file to be read and what is to become of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from fsm.geography import check_zone
from fsm.imports.cells import Form, date_format
from fsm.imports.csv_file import DELIMITERS
from fsm.problems import Invalid

DECIMALS: Mapping[str, str] = {"point": ".", "comma": ",", ".": ".", ",": ","}


@dataclass(frozen=True, slots=True)
class Options:
    """The wishes beside the file itself; `read_options` makes them from what people write."""

    delimiter: str | None = None
    form: Form = field(default_factory=Form)
    zone: ZoneInfo | None = None
    columns: tuple[tuple[str, str], ...] = ()
    """(column of the file, our column), one column of the file perhaps for several of ours."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """our column → the text that every row has there"""
    source: str = "import"
    dry_run: bool = False
    keep_good: bool = False
    update: bool = False
    create_missing: bool = False


def read_options(
    *,
    delimiter: str | None = None,
    decimal: str = "point",
    dates: str | None = None,
    zone: str | None = None,
    columns: list[str] | None = None,
    constants: list[str] | None = None,
    source: str = "import",
    dry_run: bool = False,
    keep_good: bool = False,
    update: bool = False,
    create_missing: bool = False,
) -> Options:
    """Return the options, or `Invalid` naming the one that cannot be read.

    `columns` are "THEIRS=ours", `constants` "ours=text"; `dates` is a pattern of `cells.date_format`.
    """
    if delimiter is not None and delimiter not in {*DELIMITERS, *DELIMITERS.values()}:
        raise _invalid("delimiter", f"The delimiter is one of {', '.join(DELIMITERS)}.")
    if decimal not in DECIMALS:
        raise _invalid("decimal", "The decimal sign is 'point' or 'comma'.")
    if not source.strip() or len(source) > 60 or source == "fsm":
        raise _invalid(
            "source", "The source is a name of 1 to 60 characters, and not our own, 'fsm'."
        )
    try:
        strptime = None if dates is None else date_format(dates)
    except ValueError as error:
        raise _invalid("dates", str(error)) from None
    try:
        named = None if zone is None else ZoneInfo(check_zone(zone))
    except ValueError as error:
        raise _invalid("zone", str(error)) from None
    pairs = [_pair("map", text) for text in columns or ()]
    return Options(
        delimiter=None if delimiter is None else DELIMITERS.get(delimiter, delimiter),
        form=Form(DECIMALS[decimal], strptime),
        zone=named,
        columns=tuple(pairs),
        constants=dict(_pair("set", text) for text in constants or ()),
        source=source.strip(),
        dry_run=dry_run,
        keep_good=keep_good,
        update=update,
        create_missing=create_missing,
    )


def _pair(name: str, text: str) -> tuple[str, str]:
    # A column of somebody else's may hold an equals sign, one of ours never does.
    left, sign, right = text.rpartition("=") if name == "map" else text.partition("=")
    if not sign or not left.strip():
        example = "datetime=failed_at" if name == "map" else "site=S-1"
        raise _invalid(name, f"'{text[:60]}' has no equals sign in it; write it like {example}.")
    return left.strip(), right.strip()


def _invalid(name: str, sentence: str) -> Invalid:
    return Invalid(sentence, errors=[{"at": f"/{name}", "detail": sentence}])
