"""What a label means on a phone without a line: the server's machine, and what a scan starts there."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.assets.scanned import Scheme, candidates
from tests.node import runtime
from tests.node.judge import PWA

CODE = "7k3m9qx2abcdefgh"
LABELS = [
    CODE,
    "7K3M-9QX2-ABCD-EFGH",
    "7к3м 9qх2 аbсdеfgh",  # typed on a keyboard left in Russian layout
    f"HTTPS://ID.ACME.EXAMPLE.COM/P/{CODE.upper()}",
    f"http://127.0.0.1:8000/p/{CODE}?lang=ru#top",
    f"id.acme.example.com/p/{CODE}/page",
    f"\ufeff{CODE}\r\n",
    "7k3m-9qx2",
    "(01)09506000134352(21)S-1",
    "]d2010950600013435221S-1",
    "\x1d010950600013435210LOT7\x1d21S-1",
    "]C101095060001343521725010121S-1\x1d10LOT7",
    "https://dl.acme.com/de/products/01/9506000134352/10/L/21/S-1?11=250101",
    "80044012345ABC",
    "https://id.acme.com/8004/4012345ABC",
    "https://otto.example/lift/42/#nameplate",
    "otto.0/",
    "04:a2:33:1b:22:80:80",
    " OT-0001234 ",
]
STRANGE = [
    "",
    "   ",
    "-",
    "\x00\x01",
    "https://",
    "https://x.example/p/%E0%A4%A",
    "()",
    "]",
    "💥" * 500,
]


@pytest.fixture(scope="module")
def app() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [runtime.install(PWA).program, str(Path(__file__).parent / "meanings.mjs")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def ask(app: Any, action: str, **about: Any) -> Any:
    app.stdin.write(json.dumps({"do": action, **about}) + "\n")
    app.stdin.flush()
    answer = json.loads(app.stdout.readline())
    assert "error" not in answer, answer
    return answer["ok"]


def asset(name: str, **names: Any) -> dict[str, Any]:
    return {
        "id": name,
        "passports": [],
        "identifiers": [],
        "number": f"A-{name}",
        "serial": None,
        **names,
    }


def carrying(scheme: Scheme, value: str) -> dict[str, Any]:
    """Return a machine with this name and no other in common with a label."""
    if scheme is Scheme.PASSPORT:
        return asset("named", passports=[value])
    if scheme is Scheme.SHORT_CODE:
        return asset("named", passports=[value + "00000000"])
    return asset("named", identifiers=[{"scheme": scheme, "value": value}])


def assert_read_as_by_the_server(app: Any, label: str) -> None:
    read = candidates(label)
    worlds = [{"assets": [asset("other"), carrying(one.scheme, one.value)]} for one in read]
    assert ask(app, "machines", worlds=worlds, text=label) == ["named"] * len(read), read


@pytest.mark.parametrize("label", LABELS)
def test_a_label_names_the_machine_that_it_names_to_the_server(app: Any, label: str) -> None:
    assert candidates(label)
    assert_read_as_by_the_server(app, label)


@settings(max_examples=60, derandomize=True)
@given(
    st.one_of(
        st.text(max_size=60),
        st.text("0123456789()]dQC\x1d-/p.aо ", max_size=40),
        st.tuples(st.sampled_from(LABELS), st.text(max_size=5)).map("".join),
    )
)
def test_whatever_the_server_reads_in_a_label_the_phone_reads_too(app: Any, label: str) -> None:
    assert_read_as_by_the_server(app, label)


@pytest.mark.parametrize("text", STRANGE)
def test_what_is_no_label_of_anything_is_unknown_and_not_offered_to_be_claimed(
    app: Any, text: str
) -> None:
    rows = {"assets": [asset("one")], "parts": [{"id": "roller", "number": "P-1"}]}
    meaning = ask(app, "meaning", rows=rows, text=text)
    assert not meaning.keys() & {"asset", "part", "passport"}
    assert meaning["visits"] == []


def test_a_fresh_label_is_the_code_that_can_be_given_to_a_machine(app: Any) -> None:
    meaning = ask(app, "meaning", rows={}, text=f"https://id.acme.example.com/p/{CODE.upper()}")
    assert (meaning["code"], meaning["passport"]) == (CODE, CODE)


def test_a_machines_own_code_comes_before_anothers_serial_and_a_part(app: Any) -> None:
    rows = {
        "assets": [asset("serial", serial="X 1"), asset("number", number="x-1")],
        "parts": [{"id": "part", "number": "X1"}, {"id": "roller", "number": "P-1"}],
    }
    assert ask(app, "meaning", rows=rows, text="X-1")["asset"] == "number"
    assert ask(app, "meaning", rows=rows, text="p 1") == {
        "code": "p 1",
        "part": "roller",
        "visits": [],
    }


def visit(name: str, status: str, at: str = "lift", **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "technician_id": "me",
        "work_order_id": f"at {at}",
        "status": status,
        "work_started_at": None,
        "planned_starts_at": name,
        **more,
    }


BEGUN = {"work_started_at": "2026-03-23T08:00:00Z"}


@pytest.mark.parametrize(
    ("visits", "starts"),
    [
        ([visit("1", "dispatched")], ["1", "visit.start"]),
        ([visit("1", "travelling")], ["1", "visit.start"]),
        ([visit("1", "on_site")], ["1", "visit.start"]),
        ([visit("1", "paused", **BEGUN)], ["1", "visit.resume"]),
        ([visit("1", "on_site", **BEGUN)], ["1", None]),  # opened, not started twice
        ([visit("tomorrow", "dispatched")], None),
        ([visit("1", "dispatched"), visit("tomorrow", "dispatched")], ["1", "visit.start"]),
        ([visit("1", "dispatched"), visit("2", "dispatched")], None),  # the technician chooses
        ([visit("1", "dispatched"), visit("2", "travelling")], ["2", "visit.start"]),
        ([visit("1", "dispatched"), visit("3", "on_site", "door", **BEGUN)], None),
        ([visit("1", "dispatched", technician_id="somebody")], None),
        ([visit("1", "finished")], None),
        ([visit("1", "dispatched", access="revoked")], None),
        ([], None),
    ],
)
def test_a_scan_starts_the_one_visit_that_it_can_mean(
    app: Any, visits: list[dict[str, Any]], starts: Any
) -> None:
    rows = {
        "assets": [asset("lift", passports=[CODE]), asset("door")],
        "work_orders": [{"id": f"at {name}", "asset_id": name} for name in ("lift", "door")],
        "visits": visits,
    }
    assert ask(app, "starts", rows=rows, text=CODE, due=["1", "2", "3"]) == starts
