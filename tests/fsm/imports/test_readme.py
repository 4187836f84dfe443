"""The page for users is true: every column is there, and every example is a file that can be read."""

import io
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fsm.__main__ import build_parser
from fsm.imports.csv_file import CsvFile
from fsm.imports.kinds import KINDS
from fsm.imports.options import read_options
from fsm.imports.rows import Reader

README = Path(__file__).parents[3] / "fsm" / "imports" / "README.md"
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", README.read_text(), re.M | re.S))


@pytest.mark.parametrize("kind", KINDS)
def test_every_column_and_its_other_names_are_described(kind: str) -> None:
    described = re.findall(r"^\| `(\w+)`", SECTIONS[kind], re.M)
    assert described == [column.name for column in KINDS[kind].columns]
    for column in KINDS[kind].columns:
        assert all(alias in SECTIONS[kind] for alias in column.aliases)


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_can_be_read_with_its_command(kind: str) -> None:
    (example,) = re.findall(r"```csv\n(.*?)```", SECTIONS[kind], re.S)
    (command,) = re.findall(r"^    fsm (import .*)$", SECTIONS[kind], re.M)
    arguments = build_parser("import").parse_args(shlex.split(command))
    options = read_options(zone=arguments.zone, decimal=arguments.decimal, source=arguments.source)
    file = CsvFile(io.BytesIO(example.encode()))
    reader = Reader(KINDS[kind], file, options, datetime(2026, 3, 23, tzinfo=UTC))
    rows = list(reader.read())
    assert rows
    assert all(isinstance(row, dict) for row in rows), rows
    assert reader.unknown == []


def test_every_command_on_the_page_is_understood() -> None:
    text = README.read_text().replace("\\\n", " ")
    commands = re.findall(r"^    fsm (import [^#\n]*)", text, re.M)
    assert len(commands) > len(KINDS)
    for command in commands:
        build_parser("import").parse_args(shlex.split(command))
