"""Restoring to a moment: the database as it was, a new epoch for the phones, and history that says so."""

import json
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg

from fsm import events
from fsm.actors import system_actor
from fsm.backups.blobs import give_back, tell_again
from fsm.backups.checking import Checked, HasBytes, check_database, open_recovered
from fsm.backups.folder import Backup, BackupFolder, write_durably
from fsm.backups.programs import BackupFailed, programs_for, run_program
from fsm.backups.recovering import RecoveredServer, copy_data
from fsm.database import Database
from fsm.embedded.directory import SUPERUSER
from fsm.embedded.identity import clean_environment
from fsm.embedded.server import APPLICATION_ROLE, OWNER_ROLE
from fsm.events import ChainHead, seal
from fsm.evidence.blobs import BlobStore, NoSuchBlob
from fsm.evidence.daily_roots import RESTORED
from fsm.migrations.migrate import check_revision
from fsm.settings import Settings
from fsm.tenants.directory import list_tenants
from mobile_api.sequencer import begin_epoch

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore came to. `warnings` are sentences for the operator."""

    backup: Backup
    checked: Checked
    objects: int
    warnings: list[str]


async def restore(
    settings: Settings,
    folder: BackupFolder,
    store: BlobStore,
    target: Path,
    *,
    until: datetime | None,
    database: str,
    embedded: bool,
    say: Progress,
) -> Restored:
    """Make a data directory of the last tried backup before `until` and the log since, up to `until`.

    Every company begins a new epoch, so that phones reconcile and send again; its history goes on with the
    event `history.restored`. Raises `BackupFailed` and leaves no directory behind when that cannot be.
    """
    backup, warnings = _choose(folder, until)
    programs = programs_for(backup.postgres, "postgres", "pg_verifybackup")
    if programs is None:
        raise BackupFailed(f"This backup is of PostgreSQL {backup.postgres}, and that is not here.")
    data = _make_room(target, embedded)
    say(f"Checking and copying the backup {backup.name}")
    run_program(
        [programs.program("pg_verifybackup"), str(folder.data(backup.name))],
        clean_environment(),
        folder.path,
    )
    try:
        copy_data(folder.data(backup.name), data)
        say("Replaying the log" + (f" to {until.isoformat()}" if until else ""))
        with RecoveredServer(
            data, programs, wal=folder.wal, until=until, superuser=backup.superuser
        ) as server:
            await server.wait_until_recovered()
            url = server.url(database)
            await check_revision(url)
            recovered = open_recovered(settings, url)
            try:
                objects = await _go_on(settings, recovered, folder, backup, until, say)
                checked = await check_database(recovered, _bytes_of(store))
            finally:
                await recovered.close()
            if embedded:
                await _new_passwords(server.url("postgres"), target)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return Restored(backup, checked, objects, [*warnings, *checked.faults])


def _make_room(target: Path, embedded: bool) -> Path:
    """Return where the data directory is to be, which does not exist yet."""
    if target.exists() and any(target.iterdir()):
        raise BackupFailed(f"{target} is not empty: a restore writes over nothing.")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    if embedded:
        return target / "cluster"
    target.rmdir()
    return target


def _choose(folder: BackupFolder, until: datetime | None) -> tuple[Backup, list[str]]:
    tried = folder.list_tried()
    if not tried:
        raise BackupFailed(f"There is no backup in {folder.path} that was tried.")
    fit = [backup for backup in tried if until is None or backup.stopped_at <= until]
    if not fit:
        raise BackupFailed(
            f"The oldest backup in {folder.path} is of {tried[0].stopped_at.isoformat()}: there is nothing "
            "to restore an earlier moment from."
        )
    later = tried[len(fit) :]
    warnings = [
        f"Phones were told that they may forget what the backup {backup.name} holds. What they sent between "
        f"the chosen moment and that backup may now be in that backup alone."
        for backup in later[-1:]
    ]
    return fit[-1], warnings


async def _go_on(
    settings: Settings,
    database: Database,
    folder: BackupFolder,
    backup: Backup,
    until: datetime | None,
    say: Progress,
) -> int:
    """Bring bytes back, begin every company's new epoch, and say in its history what happened."""
    target = settings.blob_dir if settings.s3 is None else None
    objects = 0
    async with database.transaction() as session:
        tenants = await list_tenants(session)
    for tenant_id in tenants:
        say(f"Going on with {tenant_id}")
        objects += await give_back(folder, tenant_id, target)
        told = await tell_again(database, folder, tenant_id, target)
        await _say_restored(database, tenant_id, backup, until, told)
    return objects


async def _say_restored(
    database: Database, tenant_id: UUID, backup: Backup, until: datetime | None, told: int
) -> None:
    """Seal what was kept, then record that what followed it will be recorded anew."""
    now = datetime.now(UTC)
    while True:
        async with database.transaction(tenant_id) as session:
            if await seal(session, tenant_id, now) == 0:
                break
    async with database.transaction(tenant_id) as session:
        await begin_epoch(session, tenant_id)
        head = await session.get(ChainHead, tenant_id)
        await events.record(
            session,
            system_actor(tenant_id, "fsm restore"),
            RESTORED,
            "tenant",
            tenant_id,
            now=now,
            after=head.number if head else 0,
            chain=head.hash.hex() if head else events.GENESIS.hex(),
            backup=backup.name,
            until=until.astimezone(UTC).isoformat() if until else None,
            files_known_again=told,
        )
    async with database.transaction(tenant_id) as session:
        await seal(session, tenant_id, now)


def _bytes_of(store: BlobStore) -> HasBytes:
    async def has_bytes(tenant_id: UUID, sha256: str, size: int) -> bool:
        try:
            return (await store.stat(tenant_id, sha256)).size == size
        except NoSuchBlob:
            return False

    return has_bytes


async def _new_passwords(url: str, directory: Path) -> None:
    """Give the roles of an embedded server new passwords: those of before lay beside the lost database."""
    made = {role: secrets.token_urlsafe(24) for role in (SUPERUSER, OWNER_ROLE, APPLICATION_ROLE)}
    connection = await asyncpg.connect(url, timeout=10)
    try:
        for role, password in made.items():
            await connection.execute(f"alter role {role} password '{password}'")
    finally:
        await connection.close()
    file = directory / "passwords.json"
    write_durably(file, json.dumps(made).encode())
    file.chmod(0o600)
