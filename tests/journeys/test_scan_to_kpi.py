"""The walk of the product, as `deploy/demo --check` makes it: real processes, HTTP alone."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from tests.ports import kept_port

ROOT = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """The environment without a database of somebody's: the demonstration brings its own."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("FSM_")}
    return {**ours, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@contextmanager
def demo(*arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """Run the demonstration. Whatever becomes of the test, nothing of it is left for the next one."""
    with subprocess.Popen(
        [sys.executable, "-m", "fsm", "demo", *arguments],
        env=environment(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: "subprocess.Popen[str]", words: str) -> str:
    """Return what was printed up to a line with `words`; the program's end before that is a failure."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"The program ended before it said '{words}':\n{said}")


def children_of(pid: int) -> set[int]:
    """Return a process' descendants, from /proc."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found |= {int(child)} | children_of(int(child))
    return found


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}").exists() and not _is_zombie(pid)}


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_until_gone(pids: set[int], seconds: float = PATIENCE_S) -> set[int]:
    deadline = time.monotonic() + seconds
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    return alive(pids)


def test_a_scan_becomes_a_figure_over_data_that_no_end_of_the_demonstration_loses(
    tmp_path: Path,
) -> None:
    """The company is founded once, for the walk and for both ways to end: killed, and asked to stop."""
    data, port = str(tmp_path / "demo"), str(kept_port())
    with demo("--data", data, "--port", port) as first:
        said = read_until(first, "Ctrl-C stops everything")
        password = re.search(r"password for everybody: (\S+)", said)
        passport = re.search(r"http://\S+/p/(\S+)", said)
        assert password is not None
        assert passport is not None
        there = children_of(first.pid)
        assert len(there) >= 3  # PostgreSQL, worker, server
        first.kill()  # -9: nobody is left to tidy up
    assert wait_until_gone(there) == set()

    with demo("--check", "--data", data) as walk:
        said, _ = walk.communicate(timeout=PATIENCE_S)
        assert walk.returncode == 0, said
    assert "the company of the last time is there" in said
    steps = [line for line in said.splitlines() if line.startswith("  ✓ ")]
    assert len(steps) >= 18, said
    assert "The walk holds" in said

    with demo("--data", data, "--port", port) as second:
        said = read_until(second, "Ctrl-C stops everything")
        assert "the company of the last time is there" in said
        assert password[1] in said
        assert passport[1] in said
        there = children_of(second.pid)
        second.send_signal(signal.SIGINT)
        said, _ = second.communicate(timeout=PATIENCE_S)
        assert second.returncode == 0, said
    assert wait_until_gone(there) == set()


@pytest.mark.long
def test_the_walk_needs_no_data_of_before() -> None:
    with demo("--check") as process:
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
    assert "The walk holds" in said
