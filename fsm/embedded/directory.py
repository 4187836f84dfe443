"""What a private server keeps on disk. It can be copied or deleted as a whole while nothing runs.

cluster/        PostgreSQL's data directory
run/            its socket (elsewhere when the path is too long for one)
lock            held by the program and by every process of its server: free when all have ended
passwords.json  role → password, for this user's eyes
postgres.log    what the server says; postgres.log.old is the one before, from 5 MB on
"""

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from fsm.embedded.binaries import Binaries
from fsm.embedded.identity import Identity, clean_environment
from fsm.embedded.refusal import EmbeddedPostgresError, Progress, seconds

SUPERUSER = "postgres"
_SOCKET_PATH_BYTES = 107  # sun_path without its closing NUL
_LOG_BYTES = 5_000_000
_PREVIOUS_LIMIT_S = 60


class Directory:
    """One such directory. The methods are called in the order in which they stand here."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.cluster = self.path / "cluster"
        self.log = self.path / "postgres.log"
        self.socket_dir = self._find_socket_dir()

    def _find_socket_dir(self) -> Path:
        """Return `run`, or a name of its own under /tmp where that is too long for a socket."""
        beside = self.path / "run"
        if len(os.fsencode(beside / ".s.PGSQL.65535")) <= _SOCKET_PATH_BYTES:
            return beside
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return Path(f"/tmp/fsm-{os.geteuid()}-{digest}")  # noqa: S108 (its owner is checked)

    def take_lock(self, progress: Progress) -> int:
        """Lock the directory for this program, and return the file descriptor that holds the lock.

        A live owner is refused at once. One that was killed leaves a server that is shutting down:
        that one is waited for.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._wait_for_lock(file, progress)
        except BaseException:
            os.close(file)
            raise
        return file

    def _wait_for_lock(self, file: int, progress: Progress) -> None:
        waiting_for = "Waiting for the previous server to end"
        for waited_s in seconds(_PREVIOUS_LIMIT_S, waiting_for, progress):
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.truncate(file, 0)
                os.pwrite(file, str(os.getpid()).encode(), 0)
                return
            owner = os.pread(file, 20, 0).decode()
            # An owner writes its number right after it has the lock; until then an old one stands.
            if waited_s > 0.5 and owner.isdecimal() and _is_alive(int(owner)):
                raise EmbeddedPostgresError(
                    f"The database in {self.path} is in use by process {owner}; stop that one "
                    "first, or choose another directory."
                )
        raise EmbeddedPostgresError(
            f"The previous server of the database in {self.path} does not end; its process number "
            f"is the first line of {self.cluster / 'postmaster.pid'}."
        )

    def remove_stale_pid_file(self) -> None:
        """Remove what a killed server left: its number may belong to another process by now.

        Whoever calls this holds the lock: only a server started by hand could still be there.
        """
        file = self.cluster / "postmaster.pid"
        number = 0
        with suppress(FileNotFoundError, ValueError, IndexError):
            number = int(file.read_text().splitlines()[0])
        with suppress(OSError):
            if number and Path(f"/proc/{number}/cwd").readlink() == self.cluster.resolve():
                raise EmbeddedPostgresError(
                    f"The database in {self.path} is served by process {number}; stop it first."
                )
        file.unlink(missing_ok=True)

    def major(self) -> int | None:
        """Return the major version of PostgreSQL that made the data, None where there is none."""
        if not self.cluster.exists():
            return None
        return int((self.cluster / "PG_VERSION").read_text().split(".")[0])

    def passwords(self, roles: Sequence[str]) -> dict[str, str]:
        """Return a password for each role: the kept ones, or new ones where there is no data."""
        file = self.path / "passwords.json"
        if self.cluster.exists():
            if not file.exists():
                raise EmbeddedPostgresError(
                    f"{file} is missing, so nobody can log in; bring it back, or choose an empty "
                    "directory."
                )
            kept: dict[str, str] = json.loads(file.read_text())
            return kept
        made = {role: secrets.token_urlsafe(24) for role in roles}
        _write_private(file, json.dumps(made))
        return made

    def open_socket_dir(self, identity: Identity) -> None:
        """Make the socket's directory, which only the server's user may enter (and root)."""
        place = self.socket_dir
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.lstat()
        if place.is_symlink() or found.st_uid not in (identity.uid, os.geteuid()):
            raise EmbeddedPostgresError(f"{place} belongs to somebody else; remove it.")
        place.chmod(0o700)
        if found.st_uid != identity.uid:
            os.chown(place, identity.uid, identity.gid)
        if identity.is_another_user:
            self.path.chmod(0o711)  # it passes through here; the other files stay ours

    def make_cluster(
        self, binaries: Binaries, identity: Identity, password: str, fast: bool
    ) -> None:
        """Run initdb aside and rename the whole: an interrupted start leaves no half database."""
        new = self.path / "cluster.new"
        if new.exists():
            shutil.rmtree(new)
        new.mkdir(mode=0o700)
        password_file = self.socket_dir / "initdb.password"
        password_file.unlink(missing_ok=True)
        _write_private(password_file, password)
        if identity.is_another_user:
            for path in (new, password_file):
                os.chown(path, identity.uid, identity.gid)
        command = [
            binaries.program("initdb"),
            f"--pgdata={new}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # The same order and the same letters on every machine, Cyrillic included.
            "--locale=C.UTF-8",
            "--no-instructions",
        ]
        if binaries.major >= 17:
            command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if fast:
            command.append("--no-sync")
        try:
            done = subprocess.run(
                identity.command(os.getpid(), *command),
                env=clean_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                start_new_session=True,
            )
        finally:
            password_file.unlink(missing_ok=True)
        if done.returncode != 0:
            raise self.refusal("Cannot make a database", done.stderr, identity)
        new.rename(self.cluster)

    def renew_log(self) -> None:
        """Put a long log aside."""
        if self.log_bytes() > _LOG_BYTES:
            self.log.replace(self.log.with_name("postgres.log.old"))

    def append_to_log(self) -> BinaryIO:
        """Open the log, which may hold statements, for this user's eyes."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.fdopen(os.open(self.log, flags, 0o600), "ab")

    def log_bytes(self) -> int:
        """Return the length of the log so far."""
        return self.log.stat().st_size if self.log.exists() else 0

    def logged_since(self, offset: int) -> str:
        """Return what the server has said since the log was `offset` bytes long."""
        with self.log.open("rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")

    def ready_line(self) -> tuple[str, str]:
        """Return process number and status of postmaster.pid, as pg_ctl reads them."""
        lines: list[str] = []
        with suppress(FileNotFoundError):
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        return (lines[0], lines[7].strip()) if len(lines) > 7 else ("", "")

    def refusal(self, what: str, said: str, identity: Identity) -> EmbeddedPostgresError:
        """Return the most telling line of what a program said as one sentence."""
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        telling = [line for line in lines if re.search(r"FATAL|PANIC|error:|cannot", line)]
        reason = (telling or lines or ["it said nothing"])[0].rstrip(".")
        hint = ""
        if identity.is_another_user:
            hint = (
                " Root may use no user namespace here, so the server runs as another user, who "
                "must be able to reach program and data: run this as an ordinary user instead."
            )
        return EmbeddedPostgresError(f"{what} in {self.path}: {reason}.{hint}")


def _write_private(file: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(file, flags, 0o600), "w") as stream:
        stream.write(text)


def _is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
