"""Drawing: the same snapshot gives the same bytes anywhere; what has no glyph is a box that is counted."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.evidence import statements
from fsm.evidence.receipts import ReceiptKey
from fsm.languages import LANGUAGES
from reports.documents import statement
from reports.documents.composing import typeset
from reports.documents.drawing import draw
from reports.documents.glyphs import drawable
from reports.documents.kinds import DocumentKind
from reports.documents.snapshot import freeze, thaw
from tests.reports.documents.examples import NAMES, PHOTOS, job_content, snapshot
from tests.reports.documents.office import text_of

DRAWN_ELSEWHERE = """
import hashlib, sys
from tests.reports.documents.examples import PHOTOS, job_content, snapshot
from reports.documents.composing import typeset
from reports.documents.drawing import draw
page = typeset(snapshot("technical_act", job_content(), "ru"))
print(hashlib.sha256(draw(page.page, PHOTOS)).hexdigest())
"""


def test_the_same_snapshot_gives_the_same_bytes_in_another_process_and_zone() -> None:
    page = typeset(snapshot(DocumentKind.TECHNICAL_ACT, job_content(), "ru"))
    here = sha256(draw(page.page, PHOTOS)).hexdigest()
    for zone, seed in (("Pacific/Auckland", "1"), ("America/St_Johns", "2")):
        elsewhere = subprocess.run(
            [sys.executable, "-c", DRAWN_ELSEWHERE],
            env={**os.environ, "TZ": zone, "PYTHONHASHSEED": seed, "LC_ALL": "C",
                 "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
            capture_output=True,
            text=True,
            check=True,
        )  # fmt: skip
        assert elsewhere.stdout.strip() == here


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_of_every_language_are_read_back_as_they_were_written(language: str) -> None:
    said = text_of(draw(typeset(snapshot(DocumentKind.ACT, job_content(), language)).page, PHOTOS))
    for name in (*NAMES.split(" · "), "Náměstí Míru 9", "Pavel Dvořák", "Ремень"):
        assert name in said


def test_sums_are_those_of_the_entries_and_breaks_are_no_work() -> None:
    said = text_of(draw(typeset(snapshot(DocumentKind.ACT, job_content())).page, PHOTOS))
    assert "Total 3.50 0.75 0.00" in said.replace("\r\n", " ")
    assert "Mar 29, 2026, 3:30" in said, "01:30 UTC, half an hour after the clocks went forward"
    assert "Page 1 of 2" in said


def test_a_number_outside_its_limits_says_so() -> None:
    said = text_of(draw(typeset(snapshot(DocumentKind.TECHNICAL_ACT, job_content())).page, PHOTOS))
    assert "412.5 kPa OUTSIDE" in said.replace("\r\n", " ")


def test_what_has_no_glyph_becomes_a_box_is_counted_and_stays_in_the_snapshot() -> None:
    written = "Лифт 🛗 漢字\x07 at 3 ₽, 5 Kč ✓ soft\u00adhyphen"
    frozen = snapshot(DocumentKind.ACT, job_content(company=written))
    page = typeset(frozen)
    assert page.missing_glyphs == 4
    said = text_of(draw(page.page, PHOTOS))
    assert "Лифт □ □□□ at 3 ₽, 5 Kč ✓ softhyphen" in said
    assert "4 characters cannot be drawn" in said
    assert thaw(frozen.frozen).content["company"] == written


@settings(max_examples=12)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_no_text_refuses_a_document(text: str) -> None:
    content = job_content(photos=[], notes=[{"text": text}], company=text)
    draw(typeset(snapshot(DocumentKind.ACT, content)).page, {})


@settings(max_examples=40)
@given(st.text(max_size=20))
def test_replacing_changes_nothing_a_second_time(text: str) -> None:
    once, _ = drawable(text)
    assert drawable(once) == (once, 0)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5)
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )
)  # fmt: skip
def test_a_snapshot_read_back_is_frozen_to_the_same_bytes(content: Any) -> None:
    frozen = freeze({"content": content})
    assert freeze(thaw(frozen.frozen).data) == frozen


def test_the_statement_proves_a_file_offline_and_names_every_tampering() -> None:
    key = ReceiptKey.from_seed(b"k" * 32)
    file, frozen = b"%PDF the file", snapshot(DocumentKind.ACT, job_content())
    told = statements.sign(
        key,
        type=statement.STATEMENT,
        tenant={"id": "t", "name": "Acme"},
        kind="act",
        number="ACT-1",
        issued_at="2026-03-29T01:45:30.000000Z",
        snapshot_sha256=frozen.sha256,
        file={"sha256": sha256(file).hexdigest(), "size": len(file)},
        public_key=key.to_json()["key"],
    )
    signed, mine = json.dumps(told).encode(), [key.to_json()["key"]]
    checked = statement.check(file, signed, mine, frozen.frozen)
    assert checked.is_genuine, checked.findings
    assert (checked.number, checked.is_key_given) == ("ACT-1", True)
    assert not statement.check(file + b"x", signed, mine).is_genuine
    assert not statement.check(file, signed, mine, frozen.frozen + b" ").is_genuine
    altered = json.dumps({**told, "number": "ACT-2"}).encode()
    assert not statement.check(file, altered, mine).is_genuine
    assert not statement.check(file, altered, []).is_genuine
    foreign = ReceiptKey.from_seed(b"f" * 32).to_json()["key"]
    assert not statement.check(file, signed, [foreign]).is_genuine
    with pytest.raises(statement.StatementRefused):
        statement.check(file, b"{}", mine)
