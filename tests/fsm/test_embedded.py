"""The private PostgreSQL: nothing to install, nothing left behind, refusals in one sentence."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from fsm.embedded import (
    OWNER_ROLE,
    Binaries,
    EmbeddedPostgres,
    EmbeddedPostgresError,
    available_binaries,
    identity,
)
from fsm.embedded.binaries import choose_binaries
from tests.patience import PATIENCE_S

CHECKOUT = Path(__file__).parents[2]

#: A program that owns a server: says its process number and URL, then works until it is ended.
OWNER_PROGRAM = """
import sys, time
from pathlib import Path
from fsm.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A short path that other users may pass through, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="fsm-test-"))
    path.chmod(0o755)
    yield path / "database"
    shutil.rmtree(path)


def start_owner(data_dir: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a program that owns a server; return it and the server's process number."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER_PROGRAM, str(data_dir)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert owner.stdout is not None
    return owner, int(owner.stdout.readline())


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # an orphan that ended may wait for a lazy init to collect it


def wait_until_gone(pid: int) -> None:
    limit = time.monotonic() + PATIENCE_S
    while is_running(pid):
        assert time.monotonic() < limit, f"process {pid} lives on"
        time.sleep(0.02)


def end(owner: subprocess.Popen[str], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(owner.pid, number)
    owner.wait(60)
    assert owner.stdout is not None
    owner.stdout.close()


async def run(url: str, *statements: str) -> list[object]:
    """Run statements; return the first column of the last one's rows."""
    connection = await asyncpg.connect(url)
    try:
        rows = [await connection.fetch(statement) for statement in statements][-1]
    finally:
        await connection.close()
    return [row[0] for row in rows]


async def test_a_second_start_finds_the_data_of_the_first(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        await server.prepare("shop")
        await run(
            server.url("shop", OWNER_ROLE),
            "create table kept (n int)",
            "insert into kept values (7)",
        )
    with EmbeddedPostgres(data_dir) as server:
        await server.prepare("shop")
        assert await run(server.url("shop", OWNER_ROLE), "select n from kept") == [7]


async def test_the_program_logs_in_as_a_role_that_row_level_security_holds_for(
    data_dir: Path,
) -> None:
    with EmbeddedPostgres(data_dir) as server:
        await server.prepare("shop")
        (facts,) = await run(
            server.url("shop"),
            "select row(rolsuper, rolbypassrls, rolcreaterole, rolcreatedb)"
            " from pg_roles where rolname = current_user",
        )
        assert facts == (False, False, False, False)
        (owner,) = await run(
            server.url("shop"),
            "select pg_get_userbyid(datdba) from pg_database where datname = current_database()",
        )
        assert owner == OWNER_ROLE
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run(server.url("shop"), "create table mine (n int)")


async def test_nobody_enters_without_the_password(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        await server.prepare("shop")
        for url in (server.url("shop", OWNER_ROLE), server.url("shop", OWNER_ROLE, tcp=True)):
            password = url.split(":")[2].split("@")[0]
            assert await run(url, "select 1") == [1]
            with pytest.raises(asyncpg.InvalidPasswordError):
                await run(url.replace(password, "wrong"), "select 1")
    assert (data_dir / "passwords.json").stat().st_mode & 0o077 == 0
    assert (data_dir / "run").stat().st_mode & 0o077 == 0


async def test_a_copy_of_a_template_has_its_rows_and_a_life_of_its_own(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, fast=True) as server:
        await server.prepare("template")
        await run(
            server.url("template", OWNER_ROLE),
            "create table kept (n int)",
            "insert into kept values (7)",
        )
        await server.create_database("copy", "template")
        await run(server.url("copy", OWNER_ROLE), "delete from kept")
        await server.drop_database("copy")
        await server.drop_database("copy")
        assert await run(server.url("template", OWNER_ROLE), "select n from kept") == [7]
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            await run(server.url("copy", OWNER_ROLE), "select 1")


@pytest.mark.parametrize(("fast", "setting"), [(False, "on"), (True, "off")])
async def test_durability_is_given_up_only_when_asked(
    data_dir: Path, fast: bool, setting: str
) -> None:
    with EmbeddedPostgres(data_dir, fast=fast) as server:
        await server.prepare("shop")
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            assert await run(server.url("shop"), f"show {name}") == [setting]


async def test_text_has_the_same_order_and_letters_on_every_machine(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        await server.prepare("shop")
        url = server.url("shop")
        assert await run(url, "show server_encoding") == ["UTF8"]
        assert await run(url, "show timezone") == ["UTC"]
        assert await run(url, "select lower('ЩИТ Ё')") == ["щит ё"]
        assert await run(url, "select x from unnest(array['a','B','я']) x order by x") == [
            "B",
            "a",
            "я",
        ]


def test_killing_the_program_leaves_no_server_and_the_next_start_does_not_wait_for_a_person(
    data_dir: Path,
) -> None:
    owner, server_pid = start_owner(data_dir)
    os.kill(owner.pid, signal.SIGKILL)
    with EmbeddedPostgres(data_dir) as server:  # at once: it waits for the old server to end
        assert server.pid != server_pid
        assert not is_running(server_pid)
    end(owner, signal.SIGKILL)
    assert "received fast shutdown request" in (data_dir / "postgres.log").read_text()


def test_ctrl_c_stops_the_server_cleanly(data_dir: Path) -> None:
    owner, server_pid = start_owner(data_dir)
    end(owner, signal.SIGINT)
    wait_until_gone(server_pid)
    assert (data_dir / "postgres.log").read_text().rstrip().endswith("database system is shut down")
    assert not (data_dir / "cluster" / "postmaster.pid").exists()


def test_the_server_outlives_the_thread_that_started_it(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
    try:
        time.sleep(0.3)  # a signal on the thread's death would have come by now
        assert server.pid is not None
        assert is_running(server.pid)
    finally:
        server.stop()
    assert server.pid is None


async def test_a_crashed_server_recovers_what_was_committed(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        await server.prepare("shop")
        await run(
            server.url("shop", OWNER_ROLE),
            "create table kept (n int)",
            "insert into kept values (7)",
        )
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        wait_until_gone(server.pid)
    assert (data_dir / "cluster" / "postmaster.pid").exists()
    with EmbeddedPostgres(data_dir) as server:
        assert await run(server.url("shop", OWNER_ROLE), "select n from kept") == [7]


def test_a_stale_process_number_that_now_belongs_to_somebody_else_is_no_obstacle(
    data_dir: Path,
) -> None:
    with EmbeddedPostgres(data_dir):
        lines = (data_dir / "cluster" / "postmaster.pid").read_text().splitlines()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (data_dir / "cluster" / "postmaster.pid").write_text(
            "\n".join([str(stranger.pid), *lines[1:]])
        )
        with EmbeddedPostgres(data_dir) as server:
            assert server.pid is not None
        stranger.kill()


def test_a_second_server_over_the_same_data_is_refused_in_a_sentence(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as first:
        with pytest.raises(EmbeddedPostgresError, match=f"in use by process {os.getpid()};"):
            EmbeddedPostgres(data_dir).start()
        assert first.pid is not None


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_stopped_server_gives_the_data_free_though_a_fork_of_the_program_lives_on(
    data_dir: Path,
) -> None:
    with EmbeddedPostgres(data_dir):
        fork = multiprocessing.get_context("fork").Process(target=time.sleep, args=[60])
        fork.start()
    try:
        with EmbeddedPostgres(data_dir) as server:
            assert server.pid is not None
    finally:
        fork.kill()
        fork.join()


def test_data_of_another_major_version_is_refused_in_a_sentence(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir):
        pass
    (data_dir / "cluster" / "PG_VERSION").write_text("14\n")
    with pytest.raises(
        EmbeddedPostgresError, match=r"made by PostgreSQL 14, and only \d\d is here"
    ):
        EmbeddedPostgres(data_dir).start()


def test_the_installation_that_made_the_data_is_preferred() -> None:
    new, old = Binaries(Path("/new"), 18), Binaries(Path("/old"), 15)
    assert choose_binaries([new, old], None) == new
    assert choose_binaries([new, old], 15) == old
    with pytest.raises(EmbeddedPostgresError, match="no PostgreSQL 15 or newer"):
        choose_binaries([], None)


async def test_every_installation_here_serves(data_dir: Path) -> None:
    for binaries in available_binaries():
        with EmbeddedPostgres(data_dir / str(binaries.major), binaries=binaries) as server:
            await server.prepare("shop")
            (version,) = await run(server.url("shop"), "show server_version_num")
            assert int(str(version)) // 10_000 == binaries.major


def test_an_interrupted_first_start_is_begun_again(data_dir: Path) -> None:
    half = data_dir / "cluster.new" / "base"
    half.mkdir(parents=True)
    with EmbeddedPostgres(data_dir) as server:
        assert server.pid is not None
    assert not half.exists()


async def test_a_path_too_long_for_a_socket_is_no_obstacle(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir / ("long" * 30)) as server:
        await server.prepare("shop")
        assert await run(server.url("shop"), "select 1") == [1]
    server.directory.socket_dir.rmdir()


def test_lost_passwords_are_refused_in_a_sentence(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir):
        pass
    (data_dir / "passwords.json").unlink()
    with pytest.raises(EmbeddedPostgresError, match=r"passwords\.json is missing"):
        EmbeddedPostgres(data_dir).start()


def test_a_place_that_cannot_be_written_is_refused_in_a_sentence(data_dir: Path) -> None:
    data_dir.write_text("a file")
    with pytest.raises(EmbeddedPostgresError, match="Cannot keep a database in"):
        EmbeddedPostgres(data_dir / "inside").start()


def test_a_server_that_cannot_start_says_why_and_gives_the_directory_free(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir):
        pass
    settings = data_dir / "cluster" / "postgresql.conf"
    good = settings.read_text()
    settings.write_text(good + "\nwork_mem = 'plenty'\n")
    with pytest.raises(EmbeddedPostgresError, match="work_mem|configuration file"):
        EmbeddedPostgres(data_dir).start()
    settings.write_text(good)
    with EmbeddedPostgres(data_dir) as server:
        assert server.pid is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
async def test_root_without_user_namespaces_runs_the_server_as_another_user(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = next(iter(available_binaries())).directory
    if not all(path.stat().st_mode & 0o001 for path in (program, *program.parents)):
        pytest.skip(f"another user cannot reach {program}")
    monkeypatch.setattr(identity, "_works", lambda candidate: False)
    with EmbeddedPostgres(data_dir) as server:
        await server.prepare("shop")
        assert await run(server.url("shop"), "select 1") == [1]
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
    monkeypatch.undo()
    assert (data_dir / "cluster").stat().st_uid != 0
    with EmbeddedPostgres(data_dir) as server:  # it stays with the owner of the data
        assert await run(server.url("shop"), "select 1") == [1]
    owner, server_pid = start_owner(data_dir)
    end(owner, signal.SIGKILL)
    wait_until_gone(server_pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
def test_root_who_is_another_user_and_cannot_be_one_is_told_so(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir.mkdir()
    data_dir.parent.chmod(0o700)
    monkeypatch.setattr(identity, "_works", lambda candidate: False)
    with pytest.raises(EmbeddedPostgresError, match="run this as an ordinary user instead"):
        EmbeddedPostgres(data_dir).start()
