"""Photos and documents in a backup: their bytes, and what the database knew of them.

A phone may drop a photo once it has the receipt. So a restore to a moment before that must not forget what
came after it: the bytes in the folder are told to the database again, with who sent them and the receipts,
and what the phones then replay finds its photos there.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import asyncpg
import msgspec

from fsm.backups.folder import BackupFolder, take_over
from fsm.backups.programs import BackupFailed, Server
from fsm.database import Database, run
from fsm.evidence.blobs import object_path
from fsm.settings import asyncpg_dsn

OVERLAP = timedelta(minutes=5)
"""How far a pass looks back: what was stored before may have been committed after."""

_EVER = datetime(1970, 1, 1, tzinfo=UTC)

_BLOBS = """
select b.tenant_id, encode(b.sha256, 'hex') as sha256, b.size, b.mime, b.stored_at, b.info::text as info,
  array(select h.user_id from blob_holder h where h.tenant_id = b.tenant_id and h.sha256 = b.sha256
        order by h.user_id) as holders
from blob b
where b.stored_at >= $1 or exists (
  select from blob_holder h where h.tenant_id = b.tenant_id and h.sha256 = b.sha256 and h.since_at >= $1)
order by b.tenant_id, b.sha256
"""
_RECEIPTS = """
select tenant_id, id, encode(sha256, 'hex') as sha256, size, device_id, received_at, kid,
  encode(signature, 'hex') as signature
from receipt where received_at >= $1 order by tenant_id, id
"""


async def connect(url: str) -> "asyncpg.Connection[Any]":
    """Return a connection that sees every company's rows; a login that does not is refused."""
    connection = await asyncpg.connect(asyncpg_dsn(url), timeout=10)
    may = await connection.fetchval(
        "select rolsuper or (rolbypassrls and rolreplication) from pg_roles where rolname = current_user"
    )
    if not may:
        await connection.close()
        raise BackupFailed(
            f"'{Server.of(url).user}' may not make backups. FSM_BACKUP_DATABASE_URL needs a superuser, or a "
            "login with REPLICATION and BYPASSRLS in the role pg_read_all_data."
        )
    return connection


class Seen:
    """What a following backup has noted lately, so that looking back a little notes nothing twice."""

    def __init__(self) -> None:
        self._now: set[bytes] = set()
        self._before: set[bytes] = set()
        self._turned_at = datetime.min.replace(tzinfo=UTC)

    def is_new(self, line: bytes) -> bool:
        if line in self._now or line in self._before:
            return False
        self._now.add(line)
        return True

    def turn(self, now: datetime) -> None:
        """Forget what is older than anything that will be looked at again."""
        if now - self._turned_at > 2 * OVERLAP:
            self._before, self._now, self._turned_at = self._now, set(), now


async def take_blobs(
    url: str,
    source: Path | None,
    folder: BackupFolder,
    *,
    since: datetime | None = None,
    seen: Seen | None = None,
) -> int:
    """Bring all objects, or those stored since, into the folder; return how many are new there.

    `source` is the blob folder, None where photos lie in a bucket: then only what is known of them is noted.
    Call it after the database's files were copied: an object is there before its row.
    """
    connection = await connect(url)
    from_at = _EVER if since is None else since - OVERLAP
    notes = _Notes(folder, since is not None)
    new = 0
    try:
        async with connection.transaction():
            async for row in connection.cursor(_BLOBS, from_at, prefetch=1_000):
                tenant_id, sha256 = row["tenant_id"], row["sha256"]
                if source is not None:
                    place = source / str(tenant_id) / object_path(sha256)
                    if place.exists():  # where it does not, the check of the photos will tell
                        new += take_over(place, folder.object(tenant_id, sha256))
                rest = {name: row[name] for name in ("size", "mime", "stored_at", "holders")}
                info = msgspec.json.decode(row["info"])
                notes.add(tenant_id, {"blob": sha256, **rest, "info": info}, seen)
            async for row in connection.cursor(_RECEIPTS, from_at, prefetch=1_000):
                rest = {name: row[name] for name in row.keys() if name not in ("tenant_id", "id")}  # noqa: SIM118
                notes.add(row["tenant_id"], {"receipt": row["id"], **rest}, seen)
    finally:
        await connection.close()
    notes.close()
    return new


class _Notes:
    """Lines for each company: anew for a backup, behind the others for what came since."""

    def __init__(self, folder: BackupFolder, since: bool) -> None:
        self._folder = folder
        self._since = since
        self._written: set[Path] = set()
        self._file: BinaryIO | None = None
        self._path = Path()

    def add(self, tenant_id: UUID, line: dict[str, Any], seen: Seen | None) -> None:
        content = msgspec.json.encode(line) + b"\n"
        if seen is not None and not seen.is_new(content):
            return
        path = self._folder.known(tenant_id, since=self._since)
        if path != self._path or self._file is None:
            self._end()
            self._path = path
            self._file = self._open(path)
        self._file.write(content)

    def _open(self, path: Path) -> BinaryIO:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._since:
            return path.open("ab")
        beside = path.with_name(path.name + ".part")
        if path not in self._written:
            beside.unlink(missing_ok=True)
        self._written.add(path)
        return beside.open("ab")

    def _end(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def close(self) -> None:
        self._end()
        for path in self._written:
            path.with_name(path.name + ".part").replace(path)


async def give_back(folder: BackupFolder, tenant_id: UUID, target: Path | None) -> int:
    """Bring a company's objects back to where the program looks for them; return how many were missing."""
    given = 0
    objects = folder.blobs / str(tenant_id) / "objects"
    if target is not None and objects.exists():
        for place in objects.glob("*/*/*"):
            if not place.name.endswith(".part"):
                given += take_over(place, target / str(tenant_id) / object_path(place.name))
    return given


async def tell_again(
    database: Database, folder: BackupFolder, tenant_id: UUID, target: Path | None
) -> int:
    """Tell the database of bytes and receipts that came after it was set back; return how many blobs."""
    told = 0
    for lines in _in_portions(folder, tenant_id):
        blobs = {
            line["blob"]: line
            for line in lines
            if "blob" in line
            and (target is None or (target / str(tenant_id) / object_path(line["blob"])).exists())
        }
        holders = [(line, user) for line in blobs.values() for user in line["holders"]]
        receipts = [line for line in lines if "receipt" in line]
        async with database.transaction(tenant_id) as session:
            added = await run(
                session,
                _TELL_BLOBS,
                t=tenant_id,
                hashes=list(blobs),
                sizes=[line["size"] for line in blobs.values()],
                mimes=[line["mime"] for line in blobs.values()],
                times=[_at(line["stored_at"]) for line in blobs.values()],
                infos=[msgspec.json.encode(line["info"]).decode() for line in blobs.values()],
            )
            told += added.rowcount
            await run(
                session,
                _TELL_HOLDERS,
                t=tenant_id,
                hashes=[line["blob"] for line, _ in holders],
                users=[UUID(user) for _, user in holders],
                times=[_at(line["stored_at"]) for line, _ in holders],
            )
            await run(
                session,
                _TELL_RECEIPTS,
                t=tenant_id,
                ids=[UUID(line["receipt"]) for line in receipts],
                hashes=[line["sha256"] for line in receipts],
                sizes=[line["size"] for line in receipts],
                devices=[line["device_id"] and UUID(line["device_id"]) for line in receipts],
                times=[_at(line["received_at"]) for line in receipts],
                kids=[line["kid"] for line in receipts],
                signatures=[line["signature"] for line in receipts],
            )
    return told


_TELL_BLOBS = """
insert into blob (tenant_id, sha256, size, mime, stored_at, info)
select :t, decode(b.sha256, 'hex'), b.size, b.mime, b.at, cast(b.info as jsonb)
from unnest(cast(:hashes as text[]), cast(:sizes as bigint[]), cast(:mimes as text[]),
  cast(:times as timestamptz[]), cast(:infos as text[])) as b (sha256, size, mime, at, info)
on conflict do nothing
"""
_TELL_HOLDERS = """
insert into blob_holder (tenant_id, sha256, user_id, since_at)
select :t, decode(h.sha256, 'hex'), h.user_id, h.at
from unnest(cast(:hashes as text[]), cast(:users as uuid[]), cast(:times as timestamptz[]))
  as h (sha256, user_id, at)
on conflict do nothing
"""
_TELL_RECEIPTS = """
insert into receipt (tenant_id, id, sha256, size, device_id, received_at, kid, signature)
select :t, r.id, decode(r.sha256, 'hex'), r.size, r.device, r.at, r.kid, decode(r.signature, 'hex')
from unnest(cast(:ids as uuid[]), cast(:hashes as text[]), cast(:sizes as bigint[]),
  cast(:devices as uuid[]), cast(:times as timestamptz[]), cast(:kids as text[]),
  cast(:signatures as text[])) as r (id, sha256, size, device, at, kid, signature)
on conflict do nothing
"""


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _in_portions(folder: BackupFolder, tenant_id: UUID) -> Iterator[list[dict[str, Any]]]:
    lines = folder.list_known(tenant_id)
    while portion := list(islice(lines, 500)):
        yield portion
