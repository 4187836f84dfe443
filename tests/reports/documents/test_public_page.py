"""The code on a printed document: its holder learns whether it counts, and nothing of what it says."""

import json
import subprocess
from hashlib import sha256
from typing import Any

import httpx
import pypdfium2
import pytest
import zxingcpp

from fsm.__main__ import main
from fsm.database import Database
from fsm.web import pages
from tests.company import Company
from tests.conftest import Clock
from tests.node.runtime import find_node
from tests.reports.documents.office import Office
from tests.reports.packs.proved_job import prove_job


def scanned(pdf: bytes) -> str:
    """Return what a camera reads from the first page."""
    page = pypdfium2.PdfDocument(pdf)[0].render(scale=3).to_pil()
    (symbol,) = zxingcpp.read_barcodes(page)
    return str(symbol.text)


async def test_a_paper_is_scanned_and_proved_without_a_login(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock, tmp_path: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    proved = await prove_job(client, database, company, clock)
    office = Office(client, company)
    issued = await office.issue(proved)
    file = (await office.call("GET", f"/{issued['id']}/file")).content

    url = scanned(file)
    assert url.startswith("http://fsm.test/d/")
    assert url.endswith(issued["snapshot_sha256"][:16])
    page = await client.get(url)
    assert page.status_code == 200
    assert "ACT-1" in page.text
    assert "Genuine and valid." in page.text
    assert sha256(file).hexdigest() in page.text
    for inside in ("Grand Hotel", "OT-0001234", "Door", "Dispatcher"):
        assert inside not in page.text
    assert "script-src 'sha256-" in page.headers["content-security-policy"]

    await office.issue(proved, replaces_id=issued["id"])
    as_program = {"Accept": "application/json"}
    assert (await client.get(url, headers=as_program)).json()["state"] == "replaced"
    for wrong in (url[:-1] + ("0" if url[-1] != "0" else "1"), url[:-17], url.upper()):
        assert (await client.get(wrong, headers=as_program)).status_code == 404, wrong

    told = (await office.call("GET", f"/{issued['id']}/statement")).content
    (tmp_path / "act.pdf").write_bytes(file)
    (tmp_path / "act.json").write_bytes(told)
    key = proved.key.to_json()["key"]
    arguments = ["--statement", str(tmp_path / "act.json"), "--key", key]
    assert main(["evidence", "verify", str(tmp_path / "act.pdf"), *arguments]) == 0
    assert "Genuine: act ACT-1 of Acme" in capsys.readouterr().out
    (tmp_path / "act.pdf").write_bytes(file + b"\n")
    assert main(["evidence", "verify", str(tmp_path / "act.pdf"), *arguments]) == 1
    assert "NOT GENUINE" in capsys.readouterr().out


PAGE = """
const line = {dataset: {sha256: %s, same: "same", other: "other", cannot: "cannot"}, hidden: true};
const field = {files: [], addEventListener: (_, act) => { field.act = act; }};
globalThis.document = {
  getElementById: (id) => (id === "file" ? field : line), addEventListener: () => {},
};
%s
const held = async (bytes) => {
  field.files = [{arrayBuffer: async () => new TextEncoder().encode(bytes).buffer}];
  await field.act();
  return line.textContent;
};
(async () => console.log(JSON.stringify([await held("the file"), await held("another")])))();
"""


def test_the_page_compares_a_file_in_the_browser() -> None:
    expected = json.dumps(sha256(b"the file").hexdigest())
    ran = subprocess.run(
        [find_node().program, "-e", PAGE % (expected, pages.script("document"))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ran.stdout) == ["same", "other"]
