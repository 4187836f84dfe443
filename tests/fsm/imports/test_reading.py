"""What people call CSV, and what is none: each file is read, or refused in one sentence."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.imports import cells, csv_file
from fsm.imports.csv_file import CsvFile, UnreadableFile
from fsm.imports.exporting import LineEnds
from fsm.imports.kinds import KINDS
from fsm.imports.options import read_options
from fsm.imports.rows import ColumnsDoNotFit, Reader, Refused
from fsm.problems import Invalid

NOW = datetime(2026, 3, 23, 8, tzinfo=UTC)


def rows(kind: str, text: str | bytes, **options: Any) -> list[dict[str, Any] | list[Refused]]:
    data = text.encode() if isinstance(text, str) else text
    wished = read_options(**options)
    reader = Reader(KINDS[kind], CsvFile(io.BytesIO(data), wished.delimiter), wished, NOW)
    return list(reader.read())


def reasons(kind: str, text: str, **options: Any) -> list[tuple[int, str | None, str]]:
    return [
        (one.line, one.column, one.reason)
        for row in rows(kind, text, **options)
        if isinstance(row, list)
        for one in row
    ]


@pytest.mark.parametrize(
    "text",
    [
        "number,name\nC-1,Grand\n",
        "\ufeffnumber,name\r\nC-1,Grand\r\n",
        "Number;NAME\nC-1;Grand",
        " Customer No.\tCustomer_Name \nC-1\tGrand\n\n",
        '"number","name",\n"C-1","Grand",\n',
        "name|number\nGrand|C-1\n",
        "\ufeffsep=;\r\nname;number;a, b, c\r\nGrand;C-1;\r\n",
        "SEP=\t\nnumber\tname\nC-1\tGrand\n",
    ],
)
def test_the_same_table_is_read_from_whatever_programs_write(text: str) -> None:
    (row,) = rows("customers", text)
    assert isinstance(row, dict)
    assert (row["number"], row["name"]) == ("C-1", "Grand")


def test_a_row_is_named_by_the_line_that_it_begins_on() -> None:
    text = 'number,name,notes\nC-1,A,"two\nlines"\n\nC-2,,\n'
    assert reasons("customers", text) == [(5, "name", "is empty, but needed")]
    assert reasons("customers", f"sep=,\n{text}") == [(6, "name", "is empty, but needed")]


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (b"", 1, "empty"),
        (b"\n\n", 1, "empty"),
        (b"sep=;\n\n", 2, "empty"),
        ("number,name\nC-1,Ä\n".encode("utf-16"), 1, "UTF-16"),
        ("number,name\nC-1,A\n".encode("utf-16-le"), 1, "NUL"),
        (b"PK\x03\x04 and so on", 1, "spreadsheet"),
        (b"number,name\nC-1,Gr\xfcn\n", 2, "not UTF-8"),
        (bytes(range(128, 256)) * 40, 1, "not UTF-8"),
        (b'number,name\nC-1,"never closed\n', 2, "never closed"),
        (b'number,name\nC-1,"a"b\n', 2, "closing quote"),
        (b"number,name,Number\nC-1,A,C-2\n", 1, "twice"),
        (b"number,name\rC-1,A\r", 1, "CR alone"),
        (b"number,name\nC-1," + b"x" * 200_000 + b"\n", 2, "131,072"),
        (b",".join(b"c%d" % n for n in range(10_000)) + b"\n", 1, "10000 columns"),
    ],
)
def test_what_is_no_such_file_is_refused_in_a_sentence_with_its_line(
    data: bytes, line: int, said: str
) -> None:
    with pytest.raises(UnreadableFile) as refused:
        rows("customers", data)
    assert said in refused.value.detail
    assert refused.value.facts["line"] == line


def test_a_line_of_fifty_megabytes_is_refused_without_being_read() -> None:
    class Endless(io.BytesIO):
        taken = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 < size <= csv_file.LONGEST_LINE + 1
            self.taken += size
            return b"x" * size

    file = Endless()
    with pytest.raises(UnreadableFile, match="longer than"):
        CsvFile(file)
    assert file.taken < 2 * csv_file.LONGEST_LINE


def test_missing_columns_are_one_refusal_and_unknown_ones_a_warning() -> None:
    with pytest.raises(ColumnsDoNotFit) as refused:
        rows("sites", "name,street\nX,Y\n")
    assert refused.value.facts["missing"] == ["number", "customer"]
    with pytest.raises(ColumnsDoNotFit, match="it was read with comma"):
        rows("customers", "number;name (short, long, legal)\nC-1;Grand\n")
    reader = Reader(
        KINDS["customers"], CsvFile(io.BytesIO(b"number,name,<b>shoe</b>\n")), read_options(), NOW
    )
    assert reader.unknown == ["<b>shoe</b>"]


def test_columns_of_another_name_are_mapped_and_missing_ones_set() -> None:
    (row,) = rows(
        "failures",
        "datetime,machineID,failure\n2015-01-05 06:00:00,1,comp4\n",
        columns=["machineID=asset", "datetime=failed_at", "failure=mode"],
        constants=["mechanism=wear"],
        zone="UTC",
        source="azure",
    )
    assert isinstance(row, dict)
    assert row["failed_at"] == row["detected_at"] == datetime(2015, 1, 5, 6, tzinfo=UTC)
    assert (row["asset"], row["mode"], row["mechanism"]) == ("1", "comp4", "wear")
    assert (row["source"], row["outage"]) == ("azure", "no")


@pytest.mark.parametrize(
    "options",
    [
        {"columns": ["nothing=mode"]},
        {"columns": ["failure=mood"]},
        {"columns": ["failure=mode", "machineID=mode"]},
        {"columns": ["failure=mode"], "constants": ["mode=x"]},
    ],
)
def test_a_mapping_that_names_what_is_not_there_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ColumnsDoNotFit):
        rows("failures", "datetime,machineID,failure\n", **options)


# --- cells ------------------------------------------------------------------------------------------------


def test_naive_times_need_a_zone() -> None:
    text = "asset,failed_at\nA-1,2026-03-01 10:00\n"
    ((line, column, reason),) = reasons("failures", text)
    assert (line, column) == (2, "failed_at")
    assert "has no time zone" in reason
    (row,) = rows("failures", text, zone="Europe/Paris")
    assert isinstance(row, dict)
    assert row["failed_at"] == datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_a_rows_own_zone_counts_before_the_files() -> None:
    text = "asset,failed_at,zone\nA-1,2026-03-01 10:00,Asia/Tokyo\n"
    (row,) = rows("failures", text, zone="Europe/Paris")
    assert isinstance(row, dict)
    assert row["failed_at"] == datetime(2026, 3, 1, 1, tzinfo=UTC)


def test_a_time_that_clocks_skip_is_refused_with_its_row() -> None:
    text = "asset,failed_at\nA-1,2025-03-30 02:30\nA-1,2025-03-30 03:00\n"
    ((line, column, reason),) = reasons("failures", text, zone="Europe/Paris")
    assert (line, column) == (2, "failed_at")
    assert "does not exist in Europe/Paris" in reason


def test_of_two_equal_times_the_first_is_meant_unless_fold_says_the_second() -> None:
    text = "asset,failed_at,fold\nA-1,2025-10-26 02:30,\nA-1,2025-10-26 02:30,1\n"
    first, second = rows("failures", text, zone="Europe/Paris")
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["failed_at"] == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    assert second["failed_at"] == datetime(2025, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        ("cost", "-5", "at least 0"),
        ("cost", "1.234", "at most 2 decimals"),
        ("cost", "NaN", "not a number"),
        ("cost", "1e5", "not a number"),
        ("cost", "Infinity", "not a number"),
        ("cost", "12,50", "decimal comma"),
        ("cost", "1,234.50", "thousands are divided by spaces"),
        ("cost", "9" * 30, "at most"),
        ("cost", "٣", "not a number"),
        ("lead_time_days", "1.5", "no decimals"),
        ("is_active", "perhaps", "yes or no"),
        ("currency", "euro", "three capital letters"),
        ("name", "a\x00b", "NUL"),
        ("name", "x" * 301, "longer than 300"),
        ("number", "x" * 61, "longer than 60"),
        ("price_from", "2026-02-30", "does not exist"),
        ("price_from", "soon", "not a time"),
        ("stock", "main", "place=quantity"),
        ("stock", "main=-1", "more than 0"),
    ],
)
def test_each_bad_cell_says_why(column: str, text: str, said: str) -> None:
    sheet = {"number": "P-9", "name": "Roller", "cost": "1", column: text}
    written = ",".join(sheet) + "\n" + ",".join(f'"{cell}"' for cell in sheet.values()) + "\n"
    found = reasons("parts", written)
    assert [(line, name) for line, name, _ in found] == [(2, column)]
    assert said in found[0][2]


def test_numbers_may_have_a_decimal_comma_and_spaces_between_thousands() -> None:
    (row,) = rows("parts", "number;name;cost\nP-1;Roller;1 234,50\n", decimal="comma")
    assert isinstance(row, dict)
    assert str(row["cost"]) == "1234.50"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("MM/DD/YYYY hh:mm:ss AM/PM", "05/01/2022 01:07:46 PM"),
        ("DD.MM.YYYY HH:mm:ss", "01.05.2022 13:07:46"),
        ("YYYY-MM-DD HH:mm:ss", "2022-05-01 13:07:46"),
    ],
)
def test_times_are_read_in_the_form_that_is_given(pattern: str, text: str) -> None:
    (row,) = rows("failures", f"asset,failed_at\nA-1,{text}\n", dates=pattern, zone="UTC")
    assert isinstance(row, dict)
    assert row["failed_at"] == datetime(2022, 5, 1, 13, 7, 46, tzinfo=UTC)


@pytest.mark.parametrize("pattern", ["%Y-%m-%d", "YYYY-MM", "hh:mm DD.MM.YYYY", "next Tuesday", ""])
def test_a_form_of_times_that_nobody_understands_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid):
        read_options(dates=pattern)


def test_a_failure_in_the_future_or_restored_before_it_was_noticed_is_refused() -> None:
    text = (
        "asset,failed_at,restored_at\n"
        "A-1,2026-03-24T00:00Z,\n"
        "A-1,2026-03-01T10:00Z,2026-03-01T09:00Z\n"
    )
    found = [(line, column) for line, column, _ in reasons("failures", text)]
    assert found == [(2, "failed_at"), (3, "restored_at")]


@given(st.text().filter(lambda text: "\x00" not in text))
def test_a_text_comes_back_from_a_spreadsheet_as_it_was_and_never_runs(text: str) -> None:
    written = cells.neutral(text)
    assert cells.restored(written) == text
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.lists(st.text(min_size=1).map(str.strip).filter(bool)))
def test_a_list_is_split_where_it_was_joined(parts: list[str]) -> None:
    joined = ";".join(part.replace("\\", "\\\\").replace(";", "\\;") for part in parts)
    assert cells.split_list(joined) == parts


@given(
    st.lists(st.lists(st.text('a"\n,', max_size=6), min_size=2, max_size=2), min_size=1),
    st.lists(st.integers(1, 9)),
)
def test_line_ends_become_crlf_outside_quotes_wherever_the_chunks_are_cut(
    table: list[list[str]], cuts: list[int]
) -> None:
    import csv

    plain, wanted = io.StringIO(newline=""), io.StringIO(newline="")
    csv.writer(plain, lineterminator="\n").writerows(table)
    csv.writer(wanted, lineterminator="\r\n").writerows(table)
    data, ends, written = plain.getvalue().encode(), LineEnds(), b""
    for size in cuts:
        written += ends.crlf(data[:size])
        data = data[size:]
    written += ends.crlf(data)
    assert written.decode() == wanted.getvalue()
