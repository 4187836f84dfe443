"""The backup folder: where things lie in it, which backups were tried."""

import errno
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from fsm.evidence.blobs import object_path

_NO_LINKS = frozenset({errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS})


class TenantInBackup(msgspec.Struct, frozen=True):
    """How far a company's history reaches in a backup, and its chain's hash there (hexadecimal)."""

    id: UUID
    events: int
    chain_hash: str
    devices: int


class Backup(msgspec.Struct, frozen=True):
    """A backup that was tried: restored aside, started, and found whole.

    `stopped_at` is the earliest moment to which it can be restored, `superuser` the role that initdb made.
    """

    name: str
    started_at: datetime
    stopped_at: datetime
    postgres: int
    superuser: str
    revision: str
    tenants: list[TenantInBackup]
    photos: int
    blobs: str


class BackupFolder:
    """One such folder; only this user may look into it."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.wal = self.path / "wal"
        self.blobs = self.path / "blobs"

    def make(self) -> None:
        for path in (self.path, self.path / "base", self.wal, self.blobs):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)

    def data(self, name: str) -> Path:
        return self.path / "base" / name / "data"

    def trial(self, name: str) -> Path:
        return self.path / f"trial-{name}"

    def object(self, tenant_id: UUID, sha256: str) -> Path:
        return self.blobs / str(tenant_id) / object_path(sha256)

    def note(self, backup: Backup) -> None:
        """Write down that a backup was tried; without that it counts for nothing."""
        file = self.path / "base" / backup.name / "backup.json"
        write_durably(file, msgspec.json.format(msgspec.json.encode(backup), indent=2) + b"\n")

    def list_tried(self) -> list[Backup]:
        """Return the backups that were tried, the oldest first."""
        found = [
            msgspec.json.decode(file.read_bytes(), type=Backup)
            for file in (self.path / "base").glob("*/backup.json")
        ]
        return sorted(found, key=lambda backup: backup.stopped_at)

    def known(self, tenant_id: UUID, *, since: bool) -> Path:
        """Return the file of what was known of bytes: at the last backup, or `since` then."""
        return self.blobs / str(tenant_id) / ("known-since.jsonl" if since else "known.jsonl")

    def list_known(self, tenant_id: UUID) -> Iterator[dict[str, Any]]:
        """Yield what was noted, some of it twice; a last line that was cut off is left out."""
        for since in (False, True):
            file = self.known(tenant_id, since=since)
            if not file.exists():
                continue
            with file.open("rb") as stream:
                for line in stream:
                    if line.endswith(b"\n"):
                        yield msgspec.json.decode(line)


def new_name(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def write_durably(file: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    beside = file.with_name(file.name + ".part")
    with beside.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(file)


def take_over(source: Path, target: Path) -> bool:
    """Bring a file to another place, by a link where it can be; False when it is there already.

    Stored objects are never written to again, so that a link stays what it was.
    """
    if target.exists():
        return False
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Nobody else's name: a link that somebody left there would be the very bytes that we copy.
    beside = target.with_name(f"{target.name}.{os.getpid()}.part")
    beside.unlink(missing_ok=True)
    try:
        os.link(source, beside)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with source.open("rb") as given, beside.open("xb") as taken:
            shutil.copyfileobj(given, taken, 1 << 20)
            taken.flush()
            os.fsync(taken.fileno())
    beside.replace(target)
    return True
