"""The command line: what it does, and one sentence where it cannot."""

import asyncio
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import asyncpg
import pytest

from fsm.__main__ import main
from fsm.commands.failing import sentence_for
from fsm.database import Database
from fsm.events import seal
from fsm.evidence.daily_roots import make_daily_roots, published_form
from fsm.evidence.receipts import ReceiptKey
from fsm.problems import NotFound
from fsm.settings import Settings
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.patience import PATIENCE_S

COMMANDS = (
    "demo", "serve", "worker", "migrate", "tenant", "user", "import", "export", "label", "evidence",
    "openapi", "sync", "backup", "restore", "plan", "conform",
)  # fmt: skip


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


class Fsm(Protocol):
    def __call__(self, *words: str, give: str = "") -> Done: ...


@pytest.fixture
def fsm(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Fsm:
    """Run a command in this process over the test's database, with `give` on standard input."""
    monkeypatch.setenv("FSM_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("FSM_OWNER_DATABASE_URL", settings.owner_database_url)
    monkeypatch.setenv("FSM_SECRET", settings.secret.decode())

    def go(*words: str, give: str = "") -> Done:
        monkeypatch.setattr("sys.stdin", io.StringIO(give))
        code = main(words)
        return Done(code, *capsys.readouterr())

    return go


def refused(done: Done, code: int = 1) -> str:
    """Return the one sentence on standard error of a command that could not do its work."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--help"])
    assert done.value.code == 0
    told = capsys.readouterr().out
    assert all(f"\n  {command} " in told for command in COMMANDS)


@pytest.mark.parametrize(
    "words",
    [(), ("fly",), ("import", "elephants", "x.csv"), ("serve", "--port", "many"), ("user",)],
)
def test_what_is_not_understood_exits_with_2_and_a_sentence(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as done:
        main(words)
    assert done.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("fsm")
    assert "--help" in line


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "FSM_DATABASE_URL is not set"),
        ({"FSM_DATABASE_URL": "mysql://x"}, "FSM_SECRET"),
        ({"FSM_DATABASE_URL": "mysql://x", "FSM_SECRET": "x" * 40}, "must look like postgresql://"),
        ({"FSM_DATABASE_URL": "postgresql://u:hush@127.0.0.1:1/x", "FSM_SECRET": "x" * 40},
         "Is the database running?"),
    ],
)  # fmt: skip
def test_a_database_that_cannot_be_had_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    said: str,
) -> None:
    monkeypatch.delenv("FSM_DATABASE_URL", raising=False)
    monkeypatch.delenv("FSM_SECRET", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["export", "assets"]) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "hush" not in told


def test_our_own_bugs_are_not_dressed_up_as_somebody_elses() -> None:
    assert sentence_for(KeyError("x")) is None
    assert sentence_for(NotFound("No asset.")) == "No asset."
    assert sentence_for(ExceptionGroup("", [FileNotFoundError(2, "no", "a.csv")])) == (
        "There is no file or folder 'a.csv'."
    )


def test_the_columns_of_each_kind_are_told_without_a_database(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["import", "failures", "--columns"]) == 0
    assert "restored_at" in capsys.readouterr().out


def test_openapi_is_written_without_a_database(tmp_path: Path) -> None:
    target = tmp_path / "openapi.json"
    assert main(["openapi", str(target)]) == 0
    assert "/api/imports/{kind}" in json.loads(target.read_text())["paths"]


def test_a_company_is_added_filled_and_written_out_again(
    fsm: Fsm, company: Company, tmp_path: Path
) -> None:
    added = fsm(
        "tenant", "add", "beta", "--zone", "Europe/Paris", "--administrator", "eva@beta",
        "--password-stdin", give="a long enough password\n",
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    assert "Conflict" not in added.stdout
    sheet = tmp_path / "customers.csv"
    sheet.write_text("number,name\nC-1,Théâtre\nC-2,\n")
    tried = fsm("import", "customers", str(sheet), "--tenant", "beta", "--dry-run")
    assert tried.returncode == 1
    assert "name    is empty, but needed" in tried.stdout
    bad = fsm("import", "customers", str(sheet), "--tenant", "beta")
    assert "Nothing was stored" in refused(bad)
    kept = fsm(
        "import",
        "customers",
        str(sheet),
        "--keep-good",
        "--as",
        "eva@beta",
        "--tenant",
        "beta",
    )
    assert kept.returncode == 0, kept.stderr
    out = fsm("export", "customers", "--tenant", "beta")
    assert "Théâtre" in out.stdout
    chosen = fsm("export", "customers")
    assert "--tenant" in refused(chosen)


def test_mistakes_of_a_person_are_sentences(fsm: Fsm, company: Company, tmp_path: Path) -> None:
    here = str(tmp_path / "missing.csv")
    assert "There is no file" in refused(fsm("import", "assets", here))
    assert "No such zone" not in refused(fsm("import", "assets", here, "--zone", "Mars"))
    assert "no company" in refused(fsm("export", "assets", "--tenant", "nobody"))
    assert "no active user" in refused(fsm("export", "assets", "--as", "nobody"))
    assert "at least 10" in refused(
        fsm("user", "password", "dispatcher@acme", "--password-stdin", give="short\n")
    )
    assert "no asset 'A-99'" in refused(fsm("label", "--asset", "A-99", str(tmp_path / "x.svg")))
    assert "ending in .svg" in refused(fsm("label", "ABC"))


def test_a_label_is_drawn_and_history_is_whole(fsm: Fsm, company: Company, tmp_path: Path) -> None:
    target = tmp_path / "label.svg"
    done = fsm("label", "--asset", "A-1", str(target))
    assert done.returncode == 0, done.stderr
    assert target.read_text().startswith("<svg")
    whole = fsm("evidence", "verify-chain")
    assert (whole.returncode, whole.stdout.split()[-1]) == (0, "whole"), whole.stderr
    rebuilt = fsm("sync", "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stderr


@pytest.fixture
async def kept_root(
    database: Database, company: Company, clock: Clock, tmp_path: Path
) -> tuple[Job, Path]:
    """A dispatched job, and the root of yesterday's history as somebody keeps it."""
    job = await dispatched_job(database, company, clock)
    key = ReceiptKey.from_seed(company.settings.receipt_key_seed)
    async with database.transaction(company.id) as session:
        await seal(session, company.id, clock())
    async with database.transaction(company.id) as session:
        (root,) = await make_daily_roots(session, company.id, key, clock.forward(days=1))
        kept = tmp_path / "root.json"
        kept.write_text(json.dumps(published_form(root)))
    return job, kept


def test_evidence_is_packed_and_checked_and_history_is_held_against_a_kept_root(
    fsm: Fsm, kept_root: tuple[Job, Path], owner_url: str, tmp_path: Path
) -> None:
    job, kept = kept_root
    pack = tmp_path / "pack.zip"
    written = fsm("evidence", "pack", str(job.id), str(pack))
    assert written.returncode == 0, written.stderr
    checked = fsm("evidence", "verify", str(pack))
    assert checked.returncode == 0, checked.stdout
    assert "0 photos" in checked.stdout
    assert "cannot be checked" in refused(fsm("evidence", "verify", str(kept)))
    assert "no work order 'W-?'" in refused(fsm("evidence", "pack", "W-?", str(pack)))
    audited = fsm("evidence", "audit", "--full")
    assert (audited.returncode, "0 do not stand" in audited.stdout) == (0, True)

    assert fsm("evidence", "verify-chain", "--root", str(kept)).returncode == 0
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**json.loads(kept.read_text()), "leaves": 1}))
    refuted = fsm("evidence", "verify-chain", "--root", str(other))
    assert (refuted.returncode, "is not genuine" in refuted.stdout) == (1, True)
    # Somebody who owns the tables makes history anew, chain, head and roots included.
    asyncio.run(_forget_history(owner_url))
    assert fsm("evidence", "verify-chain").returncode == 0
    remade = fsm("evidence", "verify-chain", "--root", str(kept))
    assert remade.returncode == 1
    assert f"does not lead through {kept} any more" in remade.stdout


async def _forget_history(owner_url: str) -> None:
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.execute(
            "delete from daily_root; delete from event_seal; delete from chain_head"
        )
    finally:
        await connection.close()


def test_the_program_starts_by_itself_and_migrating_again_is_harmless(settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "fsm", "migrate"],
        env={
            **os.environ,
            "FSM_DATABASE_URL": settings.database_url,
            "FSM_OWNER_DATABASE_URL": settings.owner_database_url,
            "FSM_SECRET": settings.secret.decode(),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, "revision" in done.stdout) == (0, True), done.stderr
