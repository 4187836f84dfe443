"""Taking a backup, trying it, and following what comes after it."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg

from fsm.backups.blobs import Seen, connect, take_blobs
from fsm.backups.checking import Checked, HasBytes, check_database, open_recovered
from fsm.backups.folder import Backup, BackupFolder, new_name
from fsm.backups.programs import BackupFailed, Server, client_for, programs_for, run_program
from fsm.backups.recovering import RecoveredServer, scratch_copy
from fsm.database import Database
from fsm.embedded.identity import Identity
from fsm.evidence.blobs import BlobStore, NoSuchBlob
from fsm.migrations.migrate import newest_revision
from fsm.settings import Settings
from mobile_api.backups import note_verified

Progress = Callable[[str], None]

_SLOT = "fsm_backup"
_BLOBS_EVERY_S = 5.0


async def take_backup(
    settings: Settings, folder: BackupFolder, live: Database, store: BlobStore, say: Progress
) -> Backup:
    """Copy the database's files and all bytes, restore the copy aside, and note what it holds.

    Only then may phones forget what they were told is stored. Raises `BackupFailed` when the copy is not
    whole; it is left lying for a look, and counts for nothing.
    """
    url = _backup_url(settings)
    folder.make()
    major, superuser = await _check_server(url)
    trying = programs_for(major, "postgres", "pg_verifybackup")
    if trying is None:
        raise BackupFailed(
            f"There is no PostgreSQL {major} here to try the backup with. Install the programs of that "
            "version (postgres, pg_basebackup, pg_verifybackup)."
        )
    started_at = datetime.now(UTC)
    name = new_name(started_at)
    data = folder.data(name)
    data.parent.mkdir(mode=0o700)
    server = Server.of(url)
    say(f"Copying the database to {data}")
    run_program(
        [
            client_for(major, "pg_basebackup"),
            *server.arguments,
            f"--pgdata={data}",
            "--format=plain",
            "--wal-method=stream",
            "--checkpoint=fast",
            "--manifest-checksums=SHA256",
        ],
        server.environment,
        folder.path,
    )
    stopped_at = await _server_time(url)
    if settings.s3 is None:
        say("Taking over photos and documents")
        await take_blobs(url, settings.blob_dir, folder)
    else:
        say(
            f"Photos lie in the bucket '{settings.s3.bucket}', which keeps its own copies: none are made"
        )
        await take_blobs(url, None, folder)
    say("Trying the backup")
    run_program([trying.program("pg_verifybackup"), str(data)], server.environment, folder.path)
    with (
        scratch_copy(data, folder.trial(name)) as copy,
        RecoveredServer(copy, trying, superuser=superuser) as tried,
    ):
        await tried.wait_until_recovered()
        recovered = open_recovered(settings, tried.url(server.database))
        try:
            checked = await check_database(recovered, _bytes_in(settings, folder, store))
        finally:
            await recovered.close()
    if checked.faults:
        raise BackupFailed(f"The backup {name} is not whole: {'; '.join(checked.faults)}.")
    backup = Backup(
        name=name,
        started_at=started_at,
        stopped_at=stopped_at,
        postgres=major,
        superuser=superuser,
        revision=newest_revision(),
        tenants=checked.tenants,
        photos=checked.photos,
        blobs="folder" if settings.s3 is None else f"bucket {settings.s3.bucket}",
    )
    folder.note(backup)
    await _tell_phones(live, checked)
    return backup


async def _tell_phones(live: Database, checked: Checked) -> None:
    for tenant_id, held in checked.held.items():
        if held:
            async with live.transaction(tenant_id) as session:
                await note_verified(session, tenant_id, held)


def _bytes_in(settings: Settings, folder: BackupFolder, store: BlobStore) -> HasBytes:
    async def in_folder(tenant_id: UUID, sha256: str, size: int) -> bool:
        place = folder.object(tenant_id, sha256)
        return place.exists() and place.stat().st_size == size

    async def in_bucket(tenant_id: UUID, sha256: str, size: int) -> bool:
        with suppress(NoSuchBlob):
            return (await store.stat(tenant_id, sha256)).size == size
        return False

    return in_folder if settings.s3 is None else in_bucket


async def _check_server(url: str) -> tuple[int, str]:
    """Return the server's major version and the role that initdb made.

    A server whose files would be worth nothing is refused.
    """
    connection = await connect(url)
    try:
        number = int(await connection.fetchval("show server_version_num"))
        for name in ("fsync", "full_page_writes"):
            if await connection.fetchval(f"show {name}") != "on":
                raise BackupFailed(f"The server runs with {name} off: its files are worth nothing.")
        if await connection.fetchval("show wal_level") == "minimal":
            raise BackupFailed(
                "The server's wal_level is minimal; set it to replica and restart it."
            )
        superuser = str(await connection.fetchval("select rolname from pg_roles where oid = 10"))
    finally:
        await connection.close()
    return number // 10_000, superuser


async def _server_time(url: str) -> datetime:
    """Return the server's own time: the log's instants are of its clock."""
    connection = await connect(url)
    try:
        now: datetime = await connection.fetchval("select clock_timestamp()")
    finally:
        await connection.close()
    return now


def _backup_url(settings: Settings) -> str:
    if settings.backup_database_url is None:
        raise BackupFailed(
            "FSM_BACKUP_DATABASE_URL is not set. Set it to the database, with a login that may copy it: a "
            "superuser, or one with REPLICATION and BYPASSRLS in the role pg_read_all_data."
        )
    return settings.backup_database_url


def forget_old(folder: BackupFolder, keep: int) -> list[str]:
    """Remove all but the newest tried backups, and the log that none of those needs; return their names."""
    tried = folder.list_tried()
    gone = [backup.name for backup in tried[:-keep]]
    for name in gone:
        shutil.rmtree(folder.data(name).parent)
    kept = tried[-keep:]
    if kept:
        first = _first_segment(folder.data(kept[0].name))
        for file in folder.wal.iterdir():
            segment = file.name.removesuffix(".partial")
            if re.fullmatch(r"[0-9A-F]{24}", segment) and segment[8:] < first[8:]:
                file.unlink()
    return gone


def _first_segment(data: Path) -> str:
    """Return the name of the first log file that a backup needs, as its label says."""
    label = (data / "backup_label").read_text()
    found = re.search(r"^START WAL LOCATION: .* \(file ([0-9A-F]{24})\)$", label, re.MULTILINE)
    if found is None:
        raise BackupFailed(f"{data / 'backup_label'} names no log file.")
    return found[1]


# --- following --------------------------------------------------------------------------------------------


async def follow(
    settings: Settings, folder: BackupFolder, stop: asyncio.Event, say: Progress
) -> None:
    """Write the server's log and new bytes into the folder until `stop` is set.

    A replication slot keeps the log while we are away, so that none is missed; it fills the server's disk if
    we never come back: `select pg_drop_replication_slot('fsm_backup')` ends that.
    """
    url = _backup_url(settings)
    folder.make()
    major, _ = await _check_server(url)
    server = Server.of(url)
    program = client_for(major, "pg_receivewal")
    command = [
        program,
        *server.arguments,
        f"--directory={folder.wal}",
        f"--slot={_SLOT}",
    ]
    run_program([*command, "--create-slot", "--if-not-exists"], server.environment, folder.path)
    # As ourselves, and ending with us, however we end: nobody else would stop it.
    ourselves = Identity("self", os.geteuid(), os.getegid())
    receiving = await asyncio.create_subprocess_exec(
        *ourselves.command(os.getpid(), *command, "--synchronous"),
        env=server.environment,
        cwd=folder.path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    say(f"Following: the log goes to {folder.wal}")
    stopping = asyncio.create_task(stop.wait())
    ended = asyncio.create_task(receiving.wait())
    try:
        source = settings.blob_dir if settings.s3 is None else None
        # The first time all of them: nobody knows how long we were away.
        since: datetime | None = None
        seen = Seen()
        while not stop.is_set():
            if ended.done():
                raise BackupFailed("pg_receivewal has ended; what it said stands above.")
            now = datetime.now(UTC)
            seen.turn(now)
            try:
                await take_blobs(url, source, folder, since=since, seen=seen if since else None)
                since = now
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                seen = Seen()  # which may know of lines that were never written
                say(f"New photos could not be taken over ({error}); trying again")
            await asyncio.wait(
                (stopping, ended), timeout=_BLOBS_EVERY_S, return_when=asyncio.FIRST_COMPLETED
            )
    finally:
        stopping.cancel()
        if receiving.returncode is None:
            receiving.terminate()
        await receiving.wait()
