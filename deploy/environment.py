"""What deploy/demo, deploy/test and deploy/bench have in common: a virtual environment that fits.

`.venv` in the checkout is made with `python3 -m venv`, filled from deploy/requirements/*.txt with
hashes checked (by uv, which is put into it first; by pip where uv cannot be had), and told where
the four packages lie. A stamp in it says what it was filled from, so nothing is done twice.
Everything said here goes to standard error; standard output belongs to the command that follows.

Standard library only. The first lines also run on old Pythons, to say that they are too old.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (this is where older ones are told)
    sys.exit(
        "This needs Python 3.11 or newer, and python3 here is {}.{}.".format(*sys.version_info[:2])
    )

import fcntl
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

CHECKOUT = Path(__file__).resolve().parent.parent
REQUIREMENTS = CHECKOUT / "deploy" / "requirements"
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
_STAMP = VENV / "fsm-service.json"
_LEVELS = ("runtime", "dev", "bench")
_SILENCE_S = 2.0
_COMMAND = """#!{python}
import sys
from fsm.__main__ import main
sys.exit(main())
"""


def prepare(requirements: str) -> None:
    """Make `.venv` hold what `requirements` (runtime, dev or bench) pins, or end with a sentence."""
    wanted = _fingerprint(requirements)
    with alone():
        try:
            if _stamped().get(requirements) == wanted:
                return
            if not _is_usable():
                _make_venv()
            _install(requirements)
            _link_packages()
            # Each file holds everything that those before it do, in the same versions.
            names = _LEVELS[: _LEVELS.index(requirements) + 1]
            stamps = {name: _fingerprint(name) for name in names}
            _STAMP.write_text(json.dumps(stamps, indent=1) + "\n")
        except PermissionError as error:
            sys.exit(f"Cannot write to {error.filename}: .venv belongs to another user; remove it.")


def install_one(package: str) -> None:
    """Put one package of the checks' pins into `.venv`, hashes checked, or end with a sentence."""
    pins = (REQUIREMENTS / "dev.txt").read_text()
    found = re.search(rf"^{re.escape(package)}==(?:.*\\\n)*.*\n", pins, re.MULTILINE)
    if found is None:
        sys.exit(f"deploy/requirements/dev.txt does not pin {package}.")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as asked:
        asked.write(found[0])
        asked.flush()
        pip = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        command = [*pip, "--no-deps", "--require-hashes", "-r", asked.name]
        if _run(f"Installing {package}", command) is not None:
            sys.exit(f"{package} cannot be installed; what was said about it stands above.")


def environment() -> dict[str, str]:
    """Return this environment with `FSM_TEST_DATA` set where the data lies beside the checkout.

    Where bytecode is not to be written beside the sources it is kept in `.venv`: a program that is
    compiled anew at each start takes a second longer, and the tests start hundreds.
    """
    found = dict(os.environ)
    if found.pop("PYTHONDONTWRITEBYTECODE", ""):
        found.setdefault("PYTHONPYCACHEPREFIX", str(VENV / "bytecode"))
    data = CHECKOUT.parent / "shared" / "data"
    if "FSM_TEST_DATA" not in found and data.is_dir():
        found["FSM_TEST_DATA"] = str(data)
    return found


def become(command: Sequence[str | Path]) -> NoReturn:
    """Go on as `command`: same process, same terminal, same signals."""
    sys.stdout.flush()
    sys.stderr.flush()
    words = [str(word) for word in command]
    os.execve(words[0], words, environment())  # noqa: S606 (no shell, on purpose)


def say(sentence: str) -> None:
    """Tell the person at the terminal what is going on."""
    print(sentence, file=sys.stderr, flush=True)


# --- The steps ------------------------------------------------------------------------------------


def _fingerprint(requirements: str) -> str:
    """Return what the environment depends on: the pins, where it lies, which Python made it."""
    digest = hashlib.sha256((REQUIREMENTS / f"{requirements}.txt").read_bytes())
    digest.update(str(CHECKOUT).encode())
    return digest.hexdigest()


def _stamped() -> Mapping[str, str]:
    try:
        stamps: dict[str, str] = json.loads(_STAMP.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    # Its Python may have been upgraded away since.
    return stamps if PYTHON.exists() else {}


@contextmanager
def alone() -> Iterator[None]:
    """Let one command at a time set the environment up."""
    directory = os.open(CHECKOUT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another command that is setting .venv up …")
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _is_usable() -> bool:
    """Whether `.venv` is a whole environment of a Python that is new enough."""
    question = "import sys, pip; sys.exit(sys.version_info < (3, 11) or sys.prefix != sys.argv[1])"
    try:
        answer = subprocess.run([PYTHON, "-c", question, VENV], capture_output=True)
    except OSError:
        return False
    return answer.returncode == 0


def _make_venv() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit(
            "Python's venv module is not complete here; on Debian and Ubuntu, install it with: "
            "apt install python3-venv"
        )
    command = [sys.executable, "-m", "venv", "--clear", VENV]
    if _run("Making .venv", command) is not None:
        sys.exit(f"Cannot make .venv with {sys.executable}; what it said stands above.")


def _install(requirements: str) -> None:
    pins = ["--require-hashes", "-r", str(REQUIREMENTS / f"{requirements}.txt")]
    pip = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    installer = [*pip, "--require-hashes", "-r", REQUIREMENTS / "installer.txt"]
    said = _run("Installing the installer, uv", installer, quiet=True)
    if said is None:
        uv = [PYTHON, "-m", "uv", "pip", "install", "--python", PYTHON, *pins]
        said = _run("Installing the pinned packages", uv, quiet=True)
        if said is None:
            return
    say("That did not work with uv; trying with pip, which takes longer.")
    if _run("Installing the pinned packages with pip", [*pip, *pins]) is not None:
        say(said)
        sys.exit("The pinned packages cannot be installed; what was said about it stands above.")


def _link_packages() -> None:
    """Let `.venv` see the checkout, from any directory, and give it the command `fsm`."""
    question = "import sysconfig; print(sysconfig.get_path('purelib'))"
    answer = subprocess.run([PYTHON, "-c", question], capture_output=True, text=True, check=True)
    (Path(answer.stdout.strip()) / "fsm-service.pth").write_text(f"{CHECKOUT}\n")
    command = VENV / "bin" / "fsm"
    command.write_text(_COMMAND.format(python=PYTHON))
    command.chmod(0o755)


def _run(label: str, command: Sequence[str | Path], *, quiet: bool = False) -> str | None:
    """Run a step, saying every 2 s that it goes on. None when it worked, else what it said.

    What a failed step said is shown, unless `quiet`.
    """
    began = time.monotonic()
    say(f"{label} …")
    done = threading.Event()

    def tell() -> None:
        while not done.wait(_SILENCE_S):
            say(f"  {label}: {time.monotonic() - began:.0f} s")

    with tempfile.TemporaryFile() as output:
        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        try:
            code = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            ).returncode
        except KeyboardInterrupt:
            sys.exit(130)
        finally:
            done.set()
            teller.join()
        if code == 0:
            return None
        output.seek(0)
        said = output.read().decode(errors="replace").rstrip()
    if not quiet:
        say(said)
    return said or f"{label}: exit code {code}"
