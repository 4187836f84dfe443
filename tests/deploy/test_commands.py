"""The commands need nothing but Python, and say so in a sentence where even that is not enough."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

CHECKOUT = Path(__file__).parents[2]
DEPLOY = CHECKOUT / "deploy"
COMMANDS = [DEPLOY / "demo", DEPLOY / "test", DEPLOY / "bench", DEPLOY / "requirements" / "export"]
HELPERS = [DEPLOY / name for name in ("environment.py", "pages.py", "browser.py")]
PROGRAMS = [*COMMANDS, *HELPERS]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, set to work on an empty checkout."""
    spec = importlib.util.spec_from_file_location("environment", DEPLOY / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    requirements = tmp_path / "checkout" / "deploy" / "requirements"
    requirements.mkdir(parents=True)
    for name in ("runtime", "dev", "installer"):
        (requirements / f"{name}.txt").write_text("# nothing\n")
    monkeypatch.setattr(module, "CHECKOUT", tmp_path / "checkout")
    monkeypatch.setattr(module, "REQUIREMENTS", requirements)
    monkeypatch.setattr(module, "VENV", tmp_path / "checkout" / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / "checkout" / ".venv" / "bin" / "python")
    monkeypatch.setattr(module, "_STAMP", tmp_path / "checkout" / ".venv" / "fsm-service.json")
    return module


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_a_command_imports_the_standard_library_alone(program: Path) -> None:
    names: set[str] = set()
    for node in ast.walk(ast.parse(program.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    assert names <= sys.stdlib_module_names | {path.stem for path in HELPERS}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda path: path.name)
def test_a_command_can_be_called(command: Path) -> None:
    assert os.access(command, os.X_OK)
    assert command.read_text().startswith("#!/usr/bin/env python3\n")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_an_old_python_reads_far_enough_to_be_told_that_it_is_too_old(program: Path) -> None:
    ast.parse(program.read_text(), feature_version=(3, 8))


def test_the_version_is_checked_before_anything_new_is_imported() -> None:
    body = ast.parse((DEPLOY / "environment.py").read_text()).body
    check = next(place for place, node in enumerate(body) if isinstance(node, ast.If))
    before = [ast.unparse(node) for node in body[1:check]]
    assert before == ["import sys"]


def test_a_python_without_venv_says_how_to_get_it(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="apt install python3-venv"):
        environment.prepare("runtime")


def test_an_environment_is_filled_once_until_the_pins_change(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def run(label: str, command: list[object], *, quiet: bool = False) -> str | None:
        steps.append(label)
        if label == "Making .venv":
            environment.PYTHON.parent.mkdir(parents=True)
            environment.PYTHON.symlink_to(sys.executable)
        return None

    monkeypatch.setattr(environment, "_run", run)
    monkeypatch.setattr(environment, "_link_packages", lambda: None)
    monkeypatch.setattr(environment, "_is_usable", environment.PYTHON.exists)
    environment.prepare("dev")
    assert steps == [
        "Making .venv",
        "Installing the installer, uv",
        "Installing the pinned packages",
    ]
    environment.prepare("dev")
    environment.prepare("runtime")  # which dev holds
    assert len(steps) == 3
    (environment.REQUIREMENTS / "dev.txt").write_text("# something else\n")
    environment.prepare("runtime")
    assert len(steps) == 3
    environment.prepare("dev")
    assert steps[3:] == ["Installing the installer, uv", "Installing the pinned packages"]


def test_a_failed_installation_is_tried_with_pip_and_is_not_taken_for_done(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def run(label: str, command: list[object], *, quiet: bool = False) -> str | None:
        steps.append(label)
        return "no network"

    environment.VENV.mkdir()
    monkeypatch.setattr(environment, "_run", run)
    monkeypatch.setattr(environment, "_is_usable", lambda: True)
    with pytest.raises(SystemExit, match="cannot be installed"):
        environment.prepare("runtime")
    assert steps == ["Installing the installer, uv", "Installing the pinned packages with pip"]
    assert environment._stamped() == {}


def test_a_slow_step_is_never_silent(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "_SILENCE_S", 0.05)
    slow = "import time; time.sleep(0.5)"
    assert environment._run("Waiting", [sys.executable, "-c", slow]) is None
    out, err = capfd.readouterr()
    assert err.count("  Waiting: ") >= 2
    assert out == ""


def test_a_failed_step_shows_what_it_said(
    environment: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    failing = "import sys; sys.exit('no such thing')"
    assert environment._run("Trying", [sys.executable, "-c", failing]) == "no such thing"
    assert "no such thing" in capfd.readouterr().err


def test_the_data_beside_the_checkout_is_found_unless_named(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FSM_TEST_DATA", raising=False)
    assert "FSM_TEST_DATA" not in environment.environment()
    data = environment.CHECKOUT.parent / "shared" / "data"
    data.mkdir(parents=True)
    assert environment.environment()["FSM_TEST_DATA"] == str(data)
    monkeypatch.setenv("FSM_TEST_DATA", "/elsewhere")
    assert environment.environment()["FSM_TEST_DATA"] == "/elsewhere"


def test_benches_are_listed_from_any_directory(tmp_path: Path) -> None:
    listed = subprocess.run(
        [sys.executable, DEPLOY / "bench", "--list"], cwd=tmp_path, capture_output=True, text=True
    )
    assert listed.returncode == 0
    for line in listed.stdout.splitlines():
        assert re.match(r"  [a-z-]+ +\S", line), f"a bench says in a line what it measures: {line}"


def test_an_unknown_bench_is_refused_in_a_sentence() -> None:
    asked = subprocess.run(
        [sys.executable, DEPLOY / "bench", "nothing"], capture_output=True, text=True
    )
    assert asked.returncode == 1
    assert asked.stderr.startswith("There is no bench nothing; there are: ")
