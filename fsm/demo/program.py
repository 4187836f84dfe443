"""`fsm demo`: database, company, worker and server in one command, and gone when it is gone."""

import argparse
import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import httpx

from fsm.demo.people import People, people_of
from fsm.embedded import OWNER_ROLE, EmbeddedPostgres, EmbeddedPostgresError
from fsm.settings import SettingsError, read_settings

DATABASE = "fsm_demo"
_READY_S = 300
_END_S = 25
"""What worker and server have to end: requests that are under way may go on for 20 s."""
_OURS = ("database", "blobs", "demo.log", "people.json")
"""What a demonstration keeps in its folder."""


class Progress:
    """Says each step, and that it goes on while a step takes longer than a moment."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._quiet = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._quiet.set()

    def __call__(self, sentence: str) -> None:
        self._since = time.monotonic()
        print(f"  {sentence}", flush=True)

    def _go_on(self) -> None:
        while not self._quiet.wait(0.5):
            if time.monotonic() - self._since > 2:
                self("…")


def main(arguments: Sequence[str]) -> int:
    """Run the demonstration; return the program's exit code."""
    parser = argparse.ArgumentParser(
        prog="fsm demo",
        description="Show the product: a database of its own, a believable company, worker and server.",
        epilog="FSM_DATABASE_URL and FSM_OWNER_DATABASE_URL make it use an empty database of yours instead.",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="walk the product over HTTP, then stop; over new data, unless --data names some",
    )
    parser.add_argument("--fresh", action="store_true", help="forget the data of the last time")
    parser.add_argument("--port", type=int, default=8000, help="of the server (8000)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--data", type=Path, help="folder of the data (~/.local/share/fsm-demo)")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with ExitStack() as stack:
            if options.check and options.data is None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fsm-check-")))
            else:
                folder = options.data or Path.home() / ".local" / "share" / "fsm-demo"
                if options.fresh and folder.exists():
                    _forget(folder)
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if options.check:
                return _check(stack, folder)
            _show(stack, folder, options.host, options.port)
            return 0
    except KeyboardInterrupt:
        print("\nStopped: server, worker and database are gone; the data stays.", flush=True)
        return 0
    except (EmbeddedPostgresError, SettingsError, CannotShow) as error:
        print(f"fsm demo: {error}", file=sys.stderr)
        return 1


class CannotShow(Exception):
    """Why the demonstration cannot go on, in one sentence."""


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _forget(folder: Path) -> None:
    """Remove what a demonstration left in a folder, known by the logins in it, and nothing else."""
    if not (folder / "people.json").exists() and any(folder.iterdir()):
        raise CannotShow(
            f"{folder} holds something that is not this demonstration's; empty it yourself."
        )
    for name in _OURS:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _show(stack: ExitStack, folder: Path, host: str, port: int) -> None:
    print("Field service management: the demonstration", flush=True)
    people = people_of(folder)
    _check_port(host, port)
    with Progress() as say:
        passport = _prepare(stack, folder, people, f"http://{host}:{port}", say)
        processes = _start(stack, folder, host, port, say)
    _tell(people, host, port, passport)
    _wait(processes)


def _check(stack: ExitStack, folder: Path) -> int:
    print("Field service management: checking the walk", flush=True)
    people = people_of(folder)
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with Progress() as say:
        passport = _prepare(stack, folder, people, url, say)
        _start(stack, folder, "127.0.0.1", port, say)
    from fsm.demo.walk import walk

    return asyncio.run(walk(url, passport, people))


# --- database and data ------------------------------------------------------------------------------------


def _prepare(stack: ExitStack, folder: Path, people: People, public_url: str, say: Progress) -> str:
    """Bring up the database with the company in it; return the address of one asset's passport."""
    _environment(stack, folder, people, public_url, say)
    return asyncio.run(_fill(people, say))


def _environment(
    stack: ExitStack, folder: Path, people: People, public_url: str, say: Progress
) -> None:
    """Set what server and worker read. A database named by the user goes before our own."""
    if not os.environ.get("FSM_DATABASE_URL"):
        server = stack.enter_context(EmbeddedPostgres(folder / "database", progress=say))
        asyncio.run(server.prepare(DATABASE))
        os.environ["FSM_DATABASE_URL"] = server.url(DATABASE)
        os.environ["FSM_OWNER_DATABASE_URL"] = server.url(DATABASE, OWNER_ROLE)
    os.environ.setdefault("FSM_SECRET", people.secret)
    os.environ.setdefault("FSM_BLOB_DIR", str(folder / "blobs"))
    os.environ["FSM_PUBLIC_URL"] = public_url


async def _fill(people: People, say: Progress) -> str:
    from sqlmodel import col, select

    from fsm.app import compose_database
    from fsm.assets.tables import Asset, Passport
    from fsm.demo.seeding import seed_company
    from fsm.evidence.blobs import blob_store
    from fsm.migrations.migrate import migrate
    from fsm.tenants.directory import find_tenant
    from fsm.tenants.tables import DirectoryKind

    settings = read_settings()
    say("bringing the database to the newest schema")
    await migrate(settings.owner_database_url)
    database = compose_database(settings)
    try:
        async with database.transaction() as session:
            tenant_id = await find_tenant(session, DirectoryKind.TENANT, "demo")
        if tenant_id is None:
            tenant_id = await seed_company(
                database, blob_store(settings), people, datetime.now(UTC), say
            )
        else:
            say("the company of the last time is there")
        async with database.transaction(tenant_id) as session:
            statement = (
                select(Passport.code)
                .join(
                    Asset,
                    (col(Asset.tenant_id) == Passport.tenant_id)
                    & (col(Asset.id) == Passport.asset_id),
                )
                .where(Passport.tenant_id == tenant_id, Asset.number == "A-007")
            )
            code = (await session.exec(statement)).first()
    finally:
        await database.close()
    return f"{settings.public_url}/p/{code}"


# --- processes --------------------------------------------------------------------------------------------


def _check_port(host: str, port: int) -> None:
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (")[0].lower()
        raise CannotShow(
            f"Cannot listen on {host} port {port}: {reason}. Choose another with --port."
        ) from None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _start(
    stack: ExitStack, folder: Path, host: str, port: int, say: Progress
) -> list[subprocess.Popen[bytes]]:
    """Start worker and server; both end with this process, however it ends."""
    say("starting worker and server")
    log = stack.enter_context((folder / "demo.log").open("ab"))
    commands = [["worker"], ["serve", "--host", host, "--port", str(port)]]
    processes = stack.enter_context(_children(commands, log.fileno()))
    deadline = time.monotonic() + _READY_S
    with httpx.Client(timeout=2) as client:
        while True:
            if any(process.poll() is not None for process in processes):
                raise CannotShow(f"Worker or server ended at once: {_last_line(folder)}")
            try:
                if client.get(f"http://{host}:{port}/health").status_code == 200:
                    return processes
            except httpx.TransportError:
                pass
            if time.monotonic() > deadline:
                raise CannotShow(f"The server did not answer: {_last_line(folder)}")
            time.sleep(0.1)


def _last_line(folder: Path) -> str:
    """Return the last thing that worker or server wrote: the check's log is gone with its folder."""
    lines = (folder / "demo.log").read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


@contextmanager
def _children(commands: list[list[str]], log: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run `fsm` commands that the kernel ends with us; stop them gently, all at once, at the end."""
    children: list[subprocess.Popen[bytes]] = []
    try:
        children.extend(_child(command, log) for command in commands)
        yield children
    finally:
        for child in children:
            child.terminate()
        deadline = time.monotonic() + _END_S
        for child in children:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _child(command: list[str], log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "fsm.demo.child", str(os.getpid()), *command],
        stdout=log,
        stderr=log,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C comes to us, and we stop them in order
    )


def _wait(processes: list[subprocess.Popen[bytes]]) -> None:
    while all(process.poll() is None for process in processes):
        time.sleep(0.5)
    raise CannotShow("Worker or server has ended; demo.log in the data folder says why.")


# --- what is printed --------------------------------------------------------------------------------------


def _tell(people: People, host: str, port: int, passport: str) -> None:
    import segno

    url = f"http://{host}:{port}"
    print(
        f"""
  Ready at {url}

  sign in           POST {url}/api/sign-in
  API               {url}/api/openapi/openapi.json
  phone (sync)      {url}/sync/v1

  password for everybody: {people.password}
    dispatcher      {people.login("dispatcher")}
    technicians     {people.login("t-01")} … {people.login("t-12")}
    manager         {people.login("manager")}
    administrator   {people.login("administrator")}
    customer        {people.login("customer")}, whose own pages are {url}/office/portal

  A machine's passport, for any phone's camera or a browser:
    {passport}
""",
        flush=True,
    )
    segno.make(passport, error="q", micro=False).terminal(compact=True)
    print("\n  Ctrl-C stops everything.", flush=True)
