"""Backups that are not whole count for nothing; restores refuse what they cannot do, in a sentence."""

import errno
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest

from fsm.backups.folder import Backup, BackupFolder, take_over
from fsm.backups.programs import BackupFailed, Server
from fsm.backups.restoring import restore
from fsm.backups.taking import forget_old, take_backup
from fsm.database import Database
from fsm.embedded import OWNER_ROLE, EmbeddedPostgres
from fsm.embedded.directory import SUPERUSER
from fsm.evidence.blobs import blob_store
from fsm.settings import Settings
from tests.company import Company
from tests.conftest import Clock
from tests.reports.packs.proved_job import ProvedJob, prove_job


@pytest.fixture
def folder(tmp_path: Path) -> BackupFolder:
    return BackupFolder(tmp_path / "backup")


@pytest.fixture
async def backing_up(
    settings: Settings, postgres: EmbeddedPostgres, database_name: str
) -> AsyncIterator[Settings]:
    """The settings of a machine whose login for backups may do that and read, nothing else."""
    superuser = await asyncpg.connect(postgres.url(database_name, SUPERUSER))
    await superuser.execute(
        "create role fsm_backup login replication bypassrls in role pg_read_all_data password 'b'"
    )
    try:
        socket = postgres.url(database_name, SUPERUSER).partition("@")[2]
        yield replace(settings, backup_database_url=f"postgresql://fsm_backup:b@{socket}")
    finally:
        await superuser.execute("drop role fsm_backup")
        await superuser.close()


@pytest.fixture
async def proved(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> ProvedJob:
    return await prove_job(client, database, company, clock)


def silently(_: str) -> None:
    """Nobody listens."""


async def forgettable(database: Database, proved: ProvedJob) -> int:
    page = await proved.phone.page()
    return int(page["forget_upto"])


async def test_only_a_whole_backup_counts_and_lets_phones_forget(
    backing_up: Settings,
    folder: BackupFolder,
    database: Database,
    proved: ProvedJob,
    tmp_path: Path,
) -> None:
    """One backup misses a photo, one is whole; that one is then refused what no restore can do."""
    store = blob_store(backing_up)
    (object_,) = backing_up.blob_dir.rglob(proved.photo.sha256)
    aside = object_.rename(tmp_path / "aside")
    with pytest.raises(BackupFailed, match=f"verified photos are missing: {proved.photo.sha256}"):
        await take_backup(backing_up, folder, database, store, silently)
    assert folder.list_tried() == []
    assert await forgettable(database, proved) == 0

    aside.rename(object_)
    for left in (folder.path / "base").iterdir():  # its second may not be over yet
        left.rename(tmp_path / "failed")
    backup = await take_backup(backing_up, folder, database, store, silently)
    assert folder.list_tried() == [backup]
    assert backup.photos == 1
    assert await forgettable(database, proved) == len(proved.records)
    assert [path.stat().st_mode & 0o077 for path in (folder.path, folder.wal)] == [0, 0]

    async def into(target: Path, until: datetime | None = None) -> None:
        await restore(
            backing_up,
            folder,
            store,
            target,
            until=until,
            database=Server.of(backing_up.database_url).database,
            embedded=False,
            say=silently,
        )

    full = tmp_path / "full"
    full.mkdir()
    (full / "somebody's").touch()
    with pytest.raises(BackupFailed, match="writes over nothing"):
        await into(full)
    with pytest.raises(BackupFailed, match="nothing to restore an earlier moment from"):
        await into(tmp_path / "early", backup.started_at - timedelta(days=1))
    late = tmp_path / "late"
    with pytest.raises(BackupFailed, match="ends before that time"):
        await into(late, datetime.now(UTC) + timedelta(hours=1))
    assert not late.exists()
    control = folder.data(backup.name) / "global" / "pg_filenode.map"
    content = bytearray(control.read_bytes())
    content[100] ^= 1
    control.write_bytes(content)
    with pytest.raises(BackupFailed, match="pg_filenode.map"):
        await into(tmp_path / "damaged")


async def test_a_login_that_does_not_see_everything_makes_no_backup(
    backing_up: Settings,
    folder: BackupFolder,
    database: Database,
    postgres: EmbeddedPostgres,
    database_name: str,
) -> None:
    own = replace(backing_up, backup_database_url=postgres.url(database_name, OWNER_ROLE))
    with pytest.raises(BackupFailed, match="may not make backups"):
        await take_backup(own, folder, database, blob_store(own), silently)
    nobody = replace(backing_up, backup_database_url=None)
    with pytest.raises(BackupFailed, match="FSM_BACKUP_DATABASE_URL is not set"):
        await take_backup(nobody, folder, database, blob_store(nobody), silently)


def test_old_backups_go_with_the_log_that_only_they_needed(folder: BackupFolder) -> None:
    folder.make()
    begun = datetime(2026, 3, 1, tzinfo=UTC)
    for n in range(3):
        name = f"2026030{n + 1}T000000Z"
        folder.data(name).mkdir(parents=True)
        (folder.data(name) / "backup_label").write_text(
            f"START WAL LOCATION: 0/{n + 2}000028 (file 00000001000000000000000{n + 2})\n"
        )
        moment = begun + timedelta(days=n)
        folder.note(Backup(name, moment, moment, 18, "postgres", "0003", [], 0, "folder"))
    for n in range(1, 6):
        (folder.wal / f"00000001000000000000000{n}").touch()
    (folder.wal / "000000010000000000000006.partial").touch()
    (folder.wal / "00000002.history").touch()
    assert forget_old(folder, 2) == ["20260301T000000Z"]
    assert [backup.name[:8] for backup in folder.list_tried()] == ["20260302", "20260303"]
    assert sorted(file.name for file in folder.wal.iterdir()) == [
        "000000010000000000000003",
        "000000010000000000000004",
        "000000010000000000000005",
        "000000010000000000000006.partial",
        "00000002.history",
    ]


@pytest.mark.parametrize("has_links", [True, False])
def test_taking_a_file_over_never_touches_the_file(
    has_links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "object", tmp_path / "backup" / "object"
    source.write_bytes(b"the photo")
    target.parent.mkdir()
    for left in (f"object.{os.getpid()}.part", "object.part"):
        os.link(source, target.parent / left)
    if not has_links:

        def refuse(*_: object) -> None:
            raise OSError(errno.EXDEV, "another file system")

        monkeypatch.setattr(os, "link", refuse)
    assert take_over(source, target)
    assert not take_over(source, target), "it is there"
    assert source.read_bytes() == target.read_bytes() == b"the photo"
    assert source.samefile(target) is has_links


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me:p%40ss@db:5433/fsm", ("db", "5433", "me", "p@ss", "fsm")),
        ("postgres://me@/fsm?host=%2Frun%2Fpg&port=7", ("/run/pg", "7", "me", "", "fsm")),
    ],
)
def test_programs_are_told_where_the_server_is_and_the_password_not_as_an_argument(
    url: str, expected: tuple[str, ...]
) -> None:
    server = Server.of(url)
    assert (server.host, server.port, server.user, server.password, server.database) == expected
    assert server.password not in " ".join(server.arguments) or not server.password
    assert server.environment["PGPASSWORD"] == server.password
