"""A private server that runs while its program runs.

It is a child of a thread that lives as long as the program, and the kernel tells it to shut down
when that thread ends in whatever way, kill -9 included (`launch.py`). It sits in a session of its
own: Ctrl-C reaches the program alone, which stops the server when it has finished with it.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from fsm.embedded.binaries import Binaries, available_binaries, choose_binaries
from fsm.embedded.directory import SUPERUSER, Directory
from fsm.embedded.identity import Identity, choose_identity, clean_environment
from fsm.embedded.refusal import EmbeddedPostgresError, Progress, seconds

if TYPE_CHECKING:
    import asyncpg

#: Owns the schema and runs migrations.
OWNER_ROLE = "fsm_owner"
#: What the running program logs in as: it owns nothing, and row-level security holds for it.
APPLICATION_ROLE = "fsm_app"

_START_LIMIT_S = 300  # recovery after a crash can take minutes
_CLEAN_STOP_LIMIT_S = 60
_ABRUPT_STOP_LIMIT_S = 10
_PORT_ATTEMPTS = 3


class EmbeddedPostgres:
    """One private server over one directory. A context manager, or `start` and `stop`.

    `progress` is given a sentence at each step and every 2 s of waiting. `fast` gives durability up
    (no fsync), for data that nobody will miss. `port` stays the same from start to start; 0 takes any
    that is free each time. `binaries` overrides the choice of installation.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        fast: bool = False,
        port: int = 0,
        progress: Progress = lambda sentence: None,
        binaries: Binaries | None = None,
    ) -> None:
        self.directory = Directory(data_dir)
        self.port = 0
        self._fast = fast
        self._wanted_port = port
        self._progress = progress
        self._binaries = binaries
        self._passwords: dict[str, str] = {}
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Make the database where there is none, start it, return when it accepts connections.

        Raises `EmbeddedPostgresError`, and leaves nothing running, when that cannot be.
        """
        if sys.platform != "linux":
            raise EmbeddedPostgresError(
                "The private database needs Linux; set FSM_DATABASE_URL to a server of your own."
            )
        if self._lock is not None:
            raise RuntimeError("The server was started already.")
        try:
            self._start()
        except OSError as error:
            self.stop()
            raise EmbeddedPostgresError(
                f"Cannot keep a database in {self.directory.path}: "
                f"{error.strerror} ({error.filename})."
            ) from error
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        directory = self.directory
        self._lock = directory.take_lock(self._progress)
        directory.remove_stale_pid_file()
        offered = [self._binaries] if self._binaries else available_binaries()
        binaries = choose_binaries(offered, directory.major())
        identity = choose_identity(directory.cluster)
        self._passwords = directory.passwords((SUPERUSER, OWNER_ROLE, APPLICATION_ROLE))
        directory.open_socket_dir(identity)
        if not directory.cluster.exists():
            self._progress(f"Making a PostgreSQL {binaries.major} database in {directory.path}")
            directory.make_cluster(binaries, identity, self._passwords[SUPERUSER], self._fast)
        self._progress(f"Starting PostgreSQL {binaries.major}")
        directory.renew_log()
        for _ in range(_PORT_ATTEMPTS):
            self.port = self._wanted_port or _free_port()
            if self._run(binaries, identity):
                return
        raise EmbeddedPostgresError(
            f"PostgreSQL found no free port on 127.0.0.1 in {_PORT_ATTEMPTS} attempts."
        )

    def stop(self) -> None:
        """Shut the server down cleanly and give the directory free. Harmless when nothing runs."""
        if self._process is not None:
            for number, limit_s in (
                (signal.SIGINT, _CLEAN_STOP_LIMIT_S),
                (signal.SIGQUIT, _ABRUPT_STOP_LIMIT_S),
                (signal.SIGKILL, None),
            ):
                if not self._ended.is_set():
                    self._process.send_signal(number)
                if self._ended.wait(limit_s):
                    break
            self._process = None
        if self._lock is not None:
            # Not by closing alone: a child that this program has forked may hold a copy.
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The server's process number, None when it does not run."""
        if self._process is None or self._ended.is_set():
            return None
        return self._process.pid

    # --- What a program does with it -------------------------------------------------------------

    def url(self, database: str, role: str = APPLICATION_ROLE, *, tcp: bool = False) -> str:
        """Return `postgresql://…` over the private socket, or over 127.0.0.1 with `tcp`."""
        login = f"{role}:{quote(self._passwords[role], safe='')}"
        name = quote(database, safe="")
        if tcp:
            return f"postgresql://{login}@127.0.0.1:{self.port}/{name}"
        place = quote(str(self.directory.socket_dir), safe="")
        return f"postgresql://{login}@/{name}?host={place}&port={self.port}"

    async def prepare(self, database: str) -> None:
        """Create the two roles and `database`, owned by the owner, where they do not exist yet."""
        connection = await self._connect()
        try:
            for role in (OWNER_ROLE, APPLICATION_ROLE):
                await self._create_role(connection, role)
            exists = await connection.fetchval(
                "select true from pg_database where datname = $1", database
            )
        finally:
            await connection.close()
        if not exists:
            await self.create_database(database)

    async def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database of the owner role's, as a copy of `template` where that is given.

        Nobody may be connected to the template. `prepare` has been called before, once.
        """
        # Copying a template's files is half the work of writing all that is in them to the log.
        copy = f" template {_identifier(template)} strategy file_copy" if template else ""
        await self._execute(f"create database {_identifier(name)} owner {OWNER_ROLE}{copy}")

    async def drop_database(self, name: str) -> None:
        """Drop a database, and whoever is connected to it. Harmless where there is none."""
        await self._execute(f"drop database if exists {_identifier(name)} with (force)")

    async def _create_role(self, connection: "asyncpg.Connection[Any]", role: str) -> None:
        if await connection.fetchval("select true from pg_roles where rolname = $1", role):
            return
        password = self._passwords[role]  # letters, digits, - and _: it needs no quoting
        await connection.execute(
            f"create role {role} login nosuperuser nocreatedb nocreaterole nobypassrls "
            f"password '{password}'"
        )

    async def _execute(self, statement: str) -> None:
        connection = await self._connect()
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def _connect(self) -> "asyncpg.Connection[Any]":
        import asyncpg  # starting and stopping need no client

        return await asyncpg.connect(self.url(SUPERUSER, SUPERUSER))

    # --- The process -----------------------------------------------------------------------------

    def _run(self, binaries: Binaries, identity: Identity) -> bool:
        """Start the server and wait until it is ready; False when somebody else took its port."""
        said_before = self.directory.log_bytes()
        self._spawn(identity.command(os.getpid(), *self._command(binaries)))
        for _ in seconds(_START_LIMIT_S, "PostgreSQL is still starting", self._progress):
            if self._ended.is_set():
                break
            if self.directory.ready_line() == (str(self.pid), "ready"):
                return True
        if not self._ended.is_set():
            raise EmbeddedPostgresError(
                f"PostgreSQL is not ready after {_START_LIMIT_S} s; see {self.directory.log}."
            )
        self._process = None
        said = self.directory.logged_since(said_before)
        if "could not create any TCP/IP sockets" in said:
            return False
        raise self.directory.refusal("PostgreSQL does not start", said, identity)

    def _command(self, binaries: Binaries) -> list[str]:
        settings: dict[str, object] = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.directory.socket_dir,
            "unix_socket_permissions": "0700",
            "max_connections": 100,
            "timezone": "UTC",
            "log_timezone": "UTC",
            "lc_messages": "C",
        }
        if self._fast:
            settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [binaries.program("postgres"), "-D", str(self.directory.cluster), *options]

    def _spawn(self, command: list[str]) -> None:
        """Start the server from a thread of its own: the kernel takes a *thread* for the parent."""
        self._ended.clear()
        spawned = threading.Event()
        failures: list[OSError] = []

        def be_its_parent() -> None:
            try:
                with self.directory.append_to_log() as log:
                    self._process = process = subprocess.Popen(
                        command,
                        env=clean_environment(),
                        cwd="/",
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        pass_fds=[] if self._lock is None else [self._lock],
                        start_new_session=True,
                    )
            except OSError as error:
                failures.append(error)
                return
            finally:
                spawned.set()
            process.wait()
            self._ended.set()

        threading.Thread(target=be_its_parent, name="embedded-postgres", daemon=True).start()
        spawned.wait()
        if failures:
            raise failures[0]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
