"""Everything that runs: database, two servers, a worker, a store of photos, the line, the phones."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from fsm.app import compose_database
from fsm.database import Session
from fsm.embedded import APPLICATION_ROLE, OWNER_ROLE, EmbeddedPostgres
from fsm.embedded.refusal import EmbeddedPostgresError
from fsm.migrations.migrate import migrate
from fsm.settings import read_settings
from fsm.tenants.directory import list_tenants
from mobile_api import backups, feed, sequencer
from tests.chaos.controls import COUNT_NOTHING
from tests.chaos.processes import (
    die_with_parent,
    listens,
    signal_process,
    wait_until_it_listens,
)
from tests.ports import kept_port

SUPERUSER = "postgres"
DATABASE = "chaos"
SERVERS = 2


class Nursery:
    """Forks servers and workers from one loaded program (see `nursery.py`)."""

    def __init__(self, folder: Path) -> None:
        with (folder / "nursery.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.chaos.nursery"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                preexec_fn=die_with_parent,
                text=True,
            )

    def start(self, **order: Any) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


class Rig:
    """The processes of one run, in `folder`. A context manager; at its end none of them is left.

    `store` is "local" or "s3". `plugin` breaks the product on purpose, for the negative controls.
    """

    def __init__(
        self,
        folder: Path,
        *,
        store: str = "local",
        plugin: str = "",
        servers: int = SERVERS,
    ) -> None:
        self.folder = folder
        self.store = store
        self.plugin = plugin
        self.postgres = EmbeddedPostgres(folder / "pg", port=kept_port())
        self.server_ports = [kept_port() for _ in range(servers)]
        self.link_port = kept_port()
        self.s3_port = kept_port()
        self.blobs = folder / "blobs"
        self.servers: list[int | None] = [None] * servers
        self.worker: int | None = None
        self.link: subprocess.Popen[bytes] | None = None
        self.s3: subprocess.Popen[bytes] | None = None
        self.crash_point = ""
        self.is_mounted = False

    async def __aenter__(self) -> "Rig":
        try:
            await self._start()
        except BaseException:
            self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()

    async def _start(self) -> None:
        self.nursery = Nursery(self.folder)
        await asyncio.to_thread(self.postgres.start)
        await self.postgres.prepare(DATABASE)
        await migrate(self.postgres.url(DATABASE, OWNER_ROLE))
        self._open_store()

    def stop(self) -> None:
        """End everything; harmless when it has ended."""
        for pid in [*self.servers, self.worker]:
            signal_process(pid, signal.SIGKILL)
        if hasattr(self, "nursery"):
            self.nursery.stop()
        for process in (self.link, self.s3):
            if process is not None:
                process.kill()
                process.wait()
        signal_process(self.postgres.pid, signal.SIGCONT)
        self.postgres.stop()
        if self.is_mounted:
            subprocess.run(["umount", "-l", str(self.blobs)], check=False)

    # --- the product --------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        return {
            "FSM_DATABASE_URL": self.postgres.url(DATABASE, APPLICATION_ROLE, tcp=True),
            "FSM_SECRET": "a secret of the chaos runner, long enough",
            "FSM_PUBLIC_URL": "http://fsm.test",
            "FSM_BLOB_DIR": str(self.blobs),
            "FSM_POOL_SIZE": "10",
            "FSM_LOG_LEVEL": "WARNING",
            # A simulated company has one address, and its phones no minute to lose.
            "FSM_DEVICE_REQUESTS": "0",
            "FSM_ADDRESS_REQUESTS": "0",
            "FSM_DEVICE_REGISTRATIONS": "0",
            "FSM_MAX_REQUEST_BYTES": "8000000",
            "FSM_CRASH_POINT": self.crash_point,
            **self._store_environment,
        }

    def start_server(self, number: int) -> None:
        self.servers[number] = self.nursery.start(
            argv=["serve", "--port", str(self.server_ports[number])],
            env=self.environment,
            log=str(self.folder / f"server-{number}.log"),
            plugin=self.plugin,
        )

    def kill_server(self, number: int) -> None:
        """Kill a server and wait until its port is free."""
        signal_process(self.servers[number], signal.SIGKILL)
        while self.server_is_alive(number):
            time.sleep(0.01)

    def server_is_alive(self, number: int) -> bool:
        return _is_alive(self.servers[number])

    def start_worker(self) -> None:
        self.worker = self.nursery.start(
            argv=["worker"],
            env=self.environment,
            log=str(self.folder / "worker.log"),
            plugin=self.plugin,
        )

    def internal_errors(self) -> list[str]:
        """Return the last line of each error that servers took for a bug of their own."""
        found = []
        for log in sorted(self.folder.glob("server-*.log")):
            for line in log.read_text(errors="replace").splitlines():
                if '"unexpected error' in line:
                    with suppress(ValueError):
                        found.append(json.loads(line).get("exception", "").splitlines()[-1][:200])
        return found

    async def start_product(self, *, worker: bool = True) -> None:
        for number in range(len(self.servers)):
            self.start_server(number)
        if worker:
            self.start_worker()
        for port in self.server_ports:
            await asyncio.to_thread(wait_until_it_listens, port)

    def start_link(self, seed: int, odds: float | str) -> None:
        """Start the line, or a new one with its own fortune."""
        if self.link is not None:
            self.link.kill()
            self.link.wait()
        with (self.folder / "link.log").open("ab") as log:
            self.link = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "tests.chaos.link"),
                    *(str(self.link_port), str(seed), str(self.link_stats), str(odds)),
                    *map(str, self.server_ports),
                ],
                stderr=log,
                preexec_fn=die_with_parent,
            )
        wait_until_it_listens(self.link_port)

    @property
    def link_stats(self) -> Path:
        return self.folder / "link.json"

    def storm(self, on: bool) -> None:
        if self.link is not None:
            self.link.send_signal(signal.SIGUSR2 if on else signal.SIGUSR1)

    async def wait_for_servers(self) -> None:
        for port in self.server_ports:
            await asyncio.to_thread(wait_until_it_listens, port)

    async def heal(self) -> None:
        """Bring up whatever is down and let go of whatever is held, in the order of who needs whom."""
        self.storm(False)
        for pid in [*self.servers, self.worker]:
            signal_process(pid, signal.SIGCONT)
        if self.s3 is not None:
            self.s3.send_signal(signal.SIGCONT)
            if self.s3.poll() is not None:
                self._start_s3()
        self.free_disk()
        if self.postgres.pid is None:
            await self.start_postgres()
        for number, port in enumerate(self.server_ports):
            if not listens(port):
                signal_process(self.servers[number], signal.SIGKILL)
                self.start_server(number)
        if not self.worker_is_alive:
            self.start_worker()
        for port in self.server_ports:
            await asyncio.to_thread(wait_until_it_listens, port)

    @property
    def worker_is_alive(self) -> bool:
        return _is_alive(self.worker)

    # --- the database -------------------------------------------------------------------------------------

    async def start_postgres(self) -> None:
        """Start it after a crash, as often as that takes: its killed children leave slowly."""
        for attempt in range(20):
            await asyncio.to_thread(self.postgres.stop)
            try:
                await asyncio.to_thread(self.postgres.start)
            except EmbeddedPostgresError:
                if attempt == 19:
                    raise
                await asyncio.sleep(0.2)
            else:
                return

    async def connect(self, role: str = SUPERUSER) -> "asyncpg.Connection[Any]":
        return await asyncpg.connect(self.postgres.url(DATABASE, role))

    async def execute(self, statement: str, *values: object) -> None:
        connection = await self.connect()
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()

    async def keep_as(self, name: str) -> None:
        """Have a second database that `begin_from` makes new ones of; nobody may be connected."""
        await self.postgres.create_database(name, template=DATABASE)

    async def begin_from(self, name: str) -> None:
        """Throw the database away and make a new one, with the product started on it."""
        for number in range(len(self.servers)):
            self.kill_server(number)
        signal_process(self.worker, signal.SIGKILL)
        await self.postgres.drop_database(DATABASE)
        await self.postgres.create_database(DATABASE, template=name)
        for number in range(len(self.servers)):
            self.start_server(number)
        self.start_worker()
        await self.wait_for_servers()

    async def take_snapshot(self, name: str) -> None:
        """Copy the stopped cluster, then note as verified what it holds of the phones' intents.

        Nobody writes while this lasts, so what the live database holds is what the copy holds.
        """
        await asyncio.to_thread(self.postgres.stop)
        target = self.folder / name
        shutil.rmtree(target, ignore_errors=True)
        await asyncio.to_thread(_copy, self.folder / "pg" / "cluster", target)
        await self.start_postgres()
        async with self._each_tenant() as transactions:
            async for session, tenant_id in transactions:
                held = await backups.read_held(session, tenant_id)
                await backups.note_verified(session, tenant_id, held)

    async def restore(self, name: str) -> None:
        """Set the database back to a snapshot and begin a new epoch while nobody else is there."""
        for pid in [*self.servers, self.worker]:
            signal_process(pid, signal.SIGKILL)
        signal_process(self.postgres.pid, signal.SIGKILL)
        await (
            self.start_postgres()
        )  # whose start waits until nobody writes to the old files any more
        await asyncio.to_thread(self.postgres.stop)
        cluster = self.folder / "pg" / "cluster"
        shutil.rmtree(cluster)
        await asyncio.to_thread(_copy, self.folder / name, cluster)
        await self.start_postgres()
        async with self._each_tenant() as transactions:
            async for session, tenant_id in transactions:
                await sequencer.begin_epoch(session, tenant_id)
        for number in range(len(self.servers)):
            self.start_server(number)
        self.start_worker()

    async def audit(self) -> list[str]:
        """Return where the feed is not what a rebuild of it would be."""
        found = []
        async with self._each_tenant() as transactions:
            async for session, tenant_id in transactions:
                odd = await feed.audit_scopes(session, tenant_id)
                if self.plugin in COUNT_NOTHING:
                    odd = [one for one in odd if one.what != "miscounted"]
                if odd:
                    found.append(f"{len(odd)} rows of the feed differ from a rebuild: {odd[:2]}")
        return found

    @asynccontextmanager
    async def _each_tenant(self) -> AsyncIterator[AsyncIterator[tuple[Session, UUID]]]:
        """Yield a transaction for each tenant in turn, as the restore command opens them."""
        database = compose_database(read_settings(self.environment))

        async def transactions() -> AsyncIterator[tuple[Session, UUID]]:
            async with database.transaction() as session:
                tenants = await list_tenants(session)
            for tenant_id in tenants:
                async with database.transaction(tenant_id) as session:
                    yield session, tenant_id

        try:
            yield transactions()
        finally:
            await database.close()

    # --- photos -------------------------------------------------------------------------------------------

    def lay_photos_in_s3(self) -> None:
        """Have whatever is started from now on keep photos in S3."""
        if self.store != "s3":
            self.store = "s3"
            self._open_store()

    def _open_store(self) -> None:
        self.blobs.mkdir(exist_ok=True)
        if self.store == "s3":
            (self.folder / "s3" / "fsm").mkdir(parents=True, exist_ok=True)
            self._start_s3()
        elif os.geteuid() == 0:
            mounted = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=768m", "none", str(self.blobs)],
                capture_output=True,
                check=False,
            )
            self.is_mounted = mounted.returncode == 0

    @property
    def _store_environment(self) -> dict[str, str]:
        if self.store != "s3":
            return {}
        return {
            "FSM_S3_BUCKET": "fsm",
            "FSM_S3_ENDPOINT_URL": f"http://127.0.0.1:{self.s3_port}",
            "FSM_S3_ACCESS_KEY": "key",
            "FSM_S3_SECRET_KEY": "secret",
        }

    def _start_s3(self) -> None:
        self.s3 = subprocess.Popen(
            [
                *(_rclone(), "serve", "s3", str(self.folder / "s3")),
                *(f"--addr=127.0.0.1:{self.s3_port}", "--auth-key=key,secret"),
                *("--config=/dev/null", f"--cache-dir={self.folder / 's3-cache'}"),
            ],
            env={**os.environ, "GOMAXPROCS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        wait_until_it_listens(self.s3_port)

    def fill_disk(self) -> bool:
        """Take all space of the photos' file system; False where it is not one of its own."""
        if not self.is_mounted:
            return False
        free = shutil.disk_usage(self.blobs).free
        filler = os.open(self.blobs / "filler", os.O_WRONLY | os.O_CREAT)
        with suppress(OSError):
            os.posix_fallocate(filler, 0, free)
        os.close(filler)
        return True

    def free_disk(self) -> None:
        (self.blobs / "filler").unlink(missing_ok=True)

    def crash_s3(self) -> None:
        if self.s3 is not None:
            self.s3.kill()
            self.s3.wait()

    def restart_s3(self) -> None:
        if self.s3 is not None and self.s3.poll() is not None:
            self._start_s3()


def _is_alive(pid: int | None) -> bool:
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def _rclone() -> str:
    beside = Path(sys.executable).with_name("rclone")
    return str(beside) if beside.exists() else "rclone"


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)


class Phones:
    """One process of simulated phones, and what it last said."""

    def __init__(self, config: Path, log: Path) -> None:
        self._config = config
        self._log = log
        self.stats: dict[str, Any] = {"open": {}, "made": 0, "waiting": 0}
        self.made_before = 0
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "tests.chaos.phones", str(self._config)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=1 << 24,
                preexec_fn=die_with_parent,
            )
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            said = json.loads(line)
            if said["said"] == "stats":
                self.stats = said
            else:
                self._answers.put_nowait(said)

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())

    async def ask(self, command: str, limit_s: float) -> dict[str, Any]:
        """Send a command and return its answer; a silent process is an error of the rig."""
        self.tell(command)
        try:
            return await asyncio.wait_for(self._answers.get(), limit_s)
        except TimeoutError:
            state = "lives" if self.process.returncode is None else "is dead"
            last = self._log.read_text()[-4_000:]
            raise RuntimeError(f"The phones' process {state} and is silent. {last}") from None

    def signal(self, number: int) -> None:
        signal_process(self.process.pid, number)

    async def kill(self) -> None:
        """Have the phones' process die in the middle of whatever it does; journals stay."""
        self.made_before += self.stats["made"]
        self.stats = {"open": {}, "made": 0, "waiting": 0}
        self.signal(signal.SIGKILL)
        await self.process.wait()
        await self._listening

    async def stop(self) -> None:
        self.signal(signal.SIGCONT)
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await self._listening


def made(crews: Iterable[Phones]) -> int:
    return sum(one.made_before + one.stats["made"] for one in crews)
