"""A server over a copy of a backup: it replays the log, and nobody but us can reach it."""

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg

from fsm.backups.programs import BackupFailed
from fsm.embedded.binaries import Binaries
from fsm.embedded.identity import Identity, choose_identity, clean_environment

_PORT = 5432  # names the socket alone: it listens nowhere else
_STOP_S = 120


class RecoveredServer:
    """Runs over `data`, which it changes: give it a copy.

    With `wal` it replays the log to `until`, or to its end, and then goes on as a server of its own. Without,
    it holds what the backup holds. It listens on a socket in a folder of ours, lets us in as `superuser`
    without a password, and leaves none of its settings behind.
    """

    def __init__(
        self,
        data: Path,
        binaries: Binaries,
        *,
        wal: Path | None = None,
        until: datetime | None = None,
        superuser: str,
    ) -> None:
        self.data = data
        self.superuser = superuser
        self._binaries = binaries
        self._wal = wal
        self._until = until
        self._process: subprocess.Popen[bytes] | None = None
        self._place = Path()

    def __enter__(self) -> Self:
        # A socket's path has room for a hundred letters, so that it cannot lie beside the data.
        self._place = Path(tempfile.mkdtemp(prefix="fsm-recovery-"))
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def url(self, database: str) -> str:
        return f"postgresql://{self.superuser}@/{database}?host={self._place}&port={_PORT}"

    async def wait_until_recovered(self) -> None:
        """Return once the log is replayed and the server takes writes."""
        while True:
            self._check_alive()
            with suppress(OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
                connection = await asyncpg.connect(self.url("postgres"), timeout=10)
                try:
                    if not await connection.fetchval("select pg_is_in_recovery()"):
                        return
                finally:
                    await connection.close()
            await asyncio.sleep(0.1)

    def _start(self) -> None:
        for name in ("postgresql.conf", "pg_ident.conf"):
            (self.data / name).touch()  # Debian keeps them elsewhere
        if self._wal is not None:
            (self.data / "recovery.signal").touch()
        (self._place / "hba.conf").write_text("local all all trust\n")
        identity = choose_identity(self.data)
        if identity.is_another_user:
            _give(self._place, identity)
            _give(self.data, identity)
        log = (self._place / "log").open("wb")
        with log:
            self._process = subprocess.Popen(
                identity.command(os.getpid(), *self._command()),
                env=clean_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _command(self) -> list[str]:
        settings: dict[str, object] = {
            "config_file": self.data / "postgresql.conf",
            "hba_file": self._place / "hba.conf",
            "ident_file": self.data / "pg_ident.conf",
            "external_pid_file": "",
            "listen_addresses": "",
            "port": _PORT,
            "unix_socket_directories": self._place,
            "unix_socket_permissions": "0700",
            "archive_mode": "off",
            "logging_collector": "off",
            "log_destination": "stderr",
            "ssl": "off",
            "shared_preload_libraries": "",
            "primary_conninfo": "",
            "timezone": "UTC",
            "lc_messages": "C",
            "hot_standby": "off",  # else it wants at least the numbers of connections that the server had
        }
        if self._wal is not None:
            wal = shlex.quote(str(self._wal)).replace("%", "%%")
            settings |= {
                "restore_command": f"cp {wal}/%f %p || cp {wal}/%f.partial %p",
                "recovery_target_timeline": "latest",
                "recovery_target_action": "promote",
            }
        if self._until is not None:
            settings["recovery_target_time"] = self._until.astimezone(UTC).isoformat()
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [self._binaries.program("postgres"), "-D", str(self.data), *options]

    def _check_alive(self) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            return
        said = (self._place / "log").read_text(errors="replace")
        if "recovery ended before configured recovery target was reached" in said:
            raise BackupFailed(
                "The log in the backup ends before that time. Choose an earlier one, or leave --to away to "
                "restore all there is."
            )
        telling = [line for line in said.splitlines() if "FATAL" in line or "PANIC" in line]
        raise BackupFailed(
            f"PostgreSQL does not start over the backup: {(telling or ['it said nothing'])[-1]}."
        )

    def _stop(self) -> None:
        if self._process is not None:
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                if self._process.poll() is None:
                    self._process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(_STOP_S)
                    break
            self._process = None
        shutil.rmtree(self._place, ignore_errors=True)


@contextmanager
def scratch_copy(source: Path, target: Path) -> Iterator[Path]:
    """Copy a backup's files aside for as long as they are needed."""
    if target.exists():
        shutil.rmtree(target)
    try:
        copy_data(source, target)
        yield target
    finally:
        shutil.rmtree(target, ignore_errors=True)


def copy_data(source: Path, target: Path) -> None:
    """Copy a data directory, which nobody else may look into."""
    shutil.copytree(source, target, symlinks=False)
    target.chmod(0o700)


def _give(path: Path, identity: Identity) -> None:
    os.chown(path, identity.uid, identity.gid)
    for inside in path.rglob("*"):
        os.chown(inside, identity.uid, identity.gid, follow_symlinks=False)
