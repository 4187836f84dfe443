"""The command line: what it does, and one sentence where it cannot."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fsm.__main__ import main
from fsm.commands.failing import sentence_for
from fsm.problems import NotFound
from fsm.settings import Settings
from tests.company import Company

COMMANDS = (
    "demo", "serve", "worker", "migrate", "tenant", "user", "import", "export", "label", "evidence",
    "openapi", "sync",
)  # fmt: skip


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    return {
        **os.environ,
        "FSM_DATABASE_URL": settings.database_url,
        "FSM_OWNER_DATABASE_URL": settings.owner_database_url,
        "FSM_SECRET": settings.secret.decode(),
    }


def fsm(
    environment: dict[str, str], *words: str, give: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "fsm", *words],
        env=environment,
        input=give if give is not None else "",
        capture_output=True,
        text=True,
        timeout=120,
    )


def refused(done: subprocess.CompletedProcess[str], code: int = 1) -> str:
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
    environment: dict[str, str], company: Company, tmp_path: Path
) -> None:
    added = fsm(
        environment, "tenant", "add", "beta", "--zone", "Europe/Paris", "--administrator", "eva@beta",
        "--password-stdin", give="a long enough password\n",
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    assert "Conflict" not in added.stdout
    sheet = tmp_path / "customers.csv"
    sheet.write_text("number,name\nC-1,Théâtre\nC-2,\n")
    tried = fsm(environment, "import", "customers", str(sheet), "--tenant", "beta", "--dry-run")
    assert tried.returncode == 1
    assert "name    is empty, but needed" in tried.stdout
    bad = fsm(environment, "import", "customers", str(sheet), "--tenant", "beta")
    assert "Nothing was stored" in refused(bad)
    kept = fsm(
        environment,
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
    out = fsm(environment, "export", "customers", "--tenant", "beta")
    assert "Théâtre" in out.stdout
    chosen = fsm(environment, "export", "customers")
    assert "--tenant" in refused(chosen)


def test_mistakes_of_a_person_are_sentences(
    environment: dict[str, str], company: Company, tmp_path: Path
) -> None:
    here = str(tmp_path / "missing.csv")
    assert "There is no file" in refused(fsm(environment, "import", "assets", here))
    assert "No such zone" not in refused(
        fsm(environment, "import", "assets", here, "--zone", "Mars")
    )
    assert "no company" in refused(fsm(environment, "export", "assets", "--tenant", "nobody"))
    assert "no active user" in refused(fsm(environment, "export", "assets", "--as", "nobody"))
    assert "at least 10" in refused(
        fsm(environment, "user", "password", "dispatcher@acme", "--password-stdin", give="short\n")
    )
    assert "no asset 'A-99'" in refused(
        fsm(environment, "label", "--asset", "A-99", str(tmp_path / "x.svg"))
    )
    assert "ending in .svg" in refused(fsm(environment, "label", "ABC"))


def test_a_label_is_drawn_and_history_is_whole(
    environment: dict[str, str], company: Company, tmp_path: Path
) -> None:
    target = tmp_path / "label.svg"
    done = fsm(environment, "label", "--asset", "A-1", str(target))
    assert done.returncode == 0, done.stderr
    assert target.read_text().startswith("<svg")
    whole = fsm(environment, "evidence", "verify-chain")
    assert (whole.returncode, whole.stdout.split()[-1]) == (0, "whole"), whole.stderr
    rebuilt = fsm(environment, "sync", "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stderr


def test_migrating_again_is_harmless(environment: dict[str, str]) -> None:
    done = fsm(environment, "migrate")
    assert (done.returncode, "revision" in done.stdout) == (0, True), done.stderr
