"""PostgreSQL's own programs, as backups use them, and how a password reaches them: never as an argument."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from fsm.embedded.binaries import Binaries, available_binaries
from fsm.embedded.identity import clean_environment
from fsm.settings import asyncpg_dsn


class BackupFailed(Exception):
    """A backup or restore cannot go on; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server listens and who logs in, read from a URL."""

    host: str
    port: str
    user: str
    password: str
    database: str

    @classmethod
    def of(cls, url: str) -> "Server":
        parts = urlsplit(asyncpg_dsn(url))
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        return cls(
            host=query.get("host") or parts.hostname or "127.0.0.1",
            port=query.get("port") or str(parts.port or 5432),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=unquote(parts.path.lstrip("/")),
        )

    @property
    def arguments(self) -> list[str]:
        return [
            f"--host={self.host}",
            f"--port={self.port}",
            f"--username={self.user}",
            "--no-password",
        ]

    @property
    def environment(self) -> dict[str, str]:
        return {**clean_environment(), "PGPASSWORD": self.password}


def programs_for(major: int, *names: str) -> Binaries | None:
    """Return an installation of that major version that has these programs, None where there is none."""
    for found in available_binaries():
        if found.major == major and all((found.directory / name).is_file() for name in names):
            return found
    return None


def client_for(major: int, name: str) -> str:
    """Return the path of a client program that talks to a server of that version: its own, or a newer one."""
    offered = [
        found
        for found in available_binaries()
        if (found.directory / name).is_file() and found.major >= major
    ]
    if not offered:
        raise BackupFailed(
            f"There is no {name} for PostgreSQL {major} here. Install the client programs of that version."
        )
    return min(offered, key=lambda found: found.major).program(name)


def run_program(command: list[str], environment: dict[str, str], cwd: Path) -> None:
    """Run a program to its end; what it says when it fails becomes the sentence."""
    done = subprocess.run(
        command, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        telling = [line for line in said if "error" in line or "fatal" in line.lower()]
        why = (telling or said or ["it said nothing"])[0].rstrip(".")
        raise BackupFailed(f"{why}.")
