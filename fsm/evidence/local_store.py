"""Blobs as files: `<root>/<tenant>/staging/<upload>.bin` and
`<root>/<tenant>/objects/aa/bb/<sha256>`.

An offset is acknowledged after fsync, of the directories too. A finished blob is a second hard
link to the staged file, so nothing is copied; where the file system has no links it is.
"""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from io import BufferedReader, FileIO
from itertools import chain
from pathlib import Path
from typing import Self
from uuid import UUID

from fsm.evidence.blobs import (
    EMPTY_SHA256,
    READ_SIZE,
    Appended,
    Filling,
    Hash,
    LongerThanDeclared,
    NoSuchBlob,
    Pieces,
    StagedBytesMissing,
    StorageFull,
    StoredBlob,
    UploadBusy,
    in_lists,
    in_thread,
    is_sha256,
    object_path,
    take_in,
    wrong_bytes,
)

#: Bytes gathered before a thread hashes and writes them. One hop costs about as much as hashing
#: 128 KiB, so less would be spent on hops; more no longer fits a processor's own cache (measured:
#: 256 KiB and 8 MiB cost a tenth more than 1 MiB).
_WRITE_SIZE = 1 << 20

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_LINKS = frozenset({errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS})


class LocalBlobStore:
    """A `BlobStore` below one directory. Several processes of one machine may share it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def append(
        self,
        tenant_id: UUID,
        upload_id: UUID,
        offset: int,
        chunks: AsyncIterable[bytes] | Filling,
        *,
        limit: int | None = None,
        hashes: Sequence[Hash] = (),
    ) -> Appended:
        file = _StagedFile(self._staged(tenant_id, upload_id))
        pieces = Pieces(chunks, _WRITE_SIZE, None if limit is None else limit - offset)
        at = offset
        try:
            await in_thread(file.open_at, offset)
            try:
                async for piece in pieces.unjoined():
                    at = await in_thread(file.write, piece, at, hashes, pieces.has_ended)
                if not file.is_durable:
                    await in_thread(file.make_durable)
            except (StorageFull, LongerThanDeclared):
                await in_thread(file.cut_to, offset)  # also gives the room back
                raise
        finally:
            file.close()
        return Appended(offset=at, written=at - offset, cut=pieces.cut)

    async def staged_size(self, tenant_id: UUID, upload_id: UUID) -> int:
        return await in_thread(_size, self._staged(tenant_id, upload_id)) or 0

    async def truncate(self, tenant_id: UUID, upload_id: UUID, offset: int) -> None:
        path = self._staged(tenant_id, upload_id)
        size = await in_thread(_size, path)
        if size is None or size <= offset:
            return

        def cut() -> None:
            with _StagedFile(path) as file:
                file.open_at(offset)
                file.make_durable()

        await in_thread(cut)

    async def discard(self, tenant_id: UUID, upload_id: UUID) -> None:
        await in_thread(_unlink, self._staged(tenant_id, upload_id))

    async def finish(
        self, tenant_id: UUID, upload_id: UUID, sha256: str, size: int, *, found: str | None = None
    ) -> StoredBlob:
        if size == 0 and sha256 == EMPTY_SHA256:
            return await self.put_small(tenant_id, b"")
        target = self._object(tenant_id, sha256)
        staged = self._staged(tenant_id, upload_id)
        return await in_thread(_publish_staged, staged, target, sha256, size, found)

    async def join(
        self, tenant_id: UUID, upload_ids: Sequence[UUID], sha256: str, size: int
    ) -> StoredBlob:
        if size == 0 and sha256 == EMPTY_SHA256:
            return await self.put_small(tenant_id, b"")
        target = self._object(tenant_id, sha256)
        staged = [self._staged(tenant_id, one) for one in upload_ids]
        return await in_thread(_publish_joined, staged, target, sha256, size)

    async def put_small(self, tenant_id: UUID, content: bytes) -> StoredBlob:
        sha256 = hashlib.sha256(content).hexdigest()
        return await in_thread(_publish_bytes, self._object(tenant_id, sha256), content, sha256)

    async def open(
        self, tenant_id: UUID, sha256: str, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        size = (await self.stat(tenant_id, sha256)).size
        path = self._object(tenant_id, sha256)
        return _read_pieces(path, start, size if stop is None else min(stop, size))

    async def stat(self, tenant_id: UUID, sha256: str) -> StoredBlob:
        size = await in_thread(_size, self._object(tenant_id, sha256))
        if size is None:
            raise NoSuchBlob(f"No file {sha256}.")
        return StoredBlob(sha256=sha256, size=size)

    async def exists(self, tenant_id: UUID, sha256: str) -> bool:
        return await in_thread(_size, self._object(tenant_id, sha256)) is not None

    async def delete(self, tenant_id: UUID, sha256: str) -> None:
        await in_thread(_unlink, self._object(tenant_id, sha256))

    def list_blobs(self, tenant_id: UUID, untouched_since: datetime) -> AsyncIterator[list[str]]:
        objects = self._root / str(tenant_id) / "objects"
        return in_lists(_written_before(objects, untouched_since.timestamp()))

    async def sweep(self, untouched_since: datetime) -> int:
        return await in_thread(_sweep, self._root, untouched_since.timestamp())

    def _staged(self, tenant_id: UUID, upload_id: UUID) -> Path:
        return self._root / str(tenant_id) / "staging" / f"{upload_id}.bin"

    def _object(self, tenant_id: UUID, sha256: str) -> Path:
        return self._root / str(tenant_id) / object_path(sha256)


class _StagedFile:
    """One staged file under an exclusive lock. All methods but `close` belong in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._is_new = False
        self.is_durable = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open_at(self, offset: int) -> None:
        """Open, lock, check that `offset` bytes are there and drop what lies beyond them."""
        with _full_disk_is_refused():
            _make_directory(self._path.parent)
            self._is_new = not self._path.exists()
            self._lock()
            size = os.fstat(self._fd).st_size
            if size < offset:
                raise StagedBytesMissing(
                    f"Continue at byte {size}: the bytes from there to {offset} were lost.",
                    offset=size,
                )
            if size > offset:
                self._own_inode()
                self.cut_to(offset)
            elif os.fstat(self._fd).st_nlink > 1:
                self._own_inode()

    def write(
        self, chunks: list[memoryview], at: int, hashes: Sequence[Hash], is_last: bool
    ) -> int:
        """Write all chunks from that byte on and return the byte after them; make the last durable."""
        take_in(hashes, *chunks)
        with _full_disk_is_refused():
            while chunks:
                done = os.pwritev(self._fd, chunks, at)
                at += done
                while chunks and done >= len(chunks[0]):
                    done -= len(chunks.pop(0))
                if chunks:  # the system took only some of them
                    chunks[0] = chunks[0][done:]
        if is_last:
            self.make_durable()
        return at

    def make_durable(self) -> None:
        with _full_disk_is_refused():
            os.fsync(self._fd)
            if self._is_new:
                _sync_directory(self._path.parent)
        self.is_durable = True

    def cut_to(self, offset: int) -> None:
        os.ftruncate(self._fd, offset)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _lock(self) -> None:
        while True:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            _lock_exclusively(self._fd)
            # Between open and lock the name may have been given to another file or removed.
            if _inode(self._path) == os.fstat(self._fd).st_ino:
                return
            self.close()

    def _own_inode(self) -> None:
        """Make sure that writing here cannot change a finished blob, which may be this file."""
        if os.fstat(self._fd).st_nlink == 1:
            return
        copy = self._path.with_suffix(".own")
        shutil.copyfile(self._path, copy)
        copy.replace(self._path)
        self.close()
        self._is_new = True
        self._lock()


def _lock_exclusively(fd: int) -> None:
    _lock(fd, fcntl.LOCK_EX)


def _lock(fd: int, kind: int) -> None:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UploadBusy(
            "Another request is writing to this upload. Try again in a moment."
        ) from None


def _publish_staged(
    staged: Path, target: Path, sha256: str, size: int, found: str | None
) -> StoredBlob:
    try:
        file = staged.open("rb")
    except FileNotFoundError:
        raise wrong_bytes(sha256, size, None, 0) from None
    with file:
        _lock_exclusively(file.fileno())
        found_size = os.fstat(file.fileno()).st_size
        if found_size != size:
            raise wrong_bytes(sha256, size, None, found_size)
        _require_same(found or hashlib.file_digest(file, "sha256").hexdigest(), sha256, size)
        if _size(target) == size:
            return StoredBlob(sha256=sha256, size=size)
        with _full_disk_is_refused():
            _make_directory(target.parent)
            # Through a name of its own: a damaged file of another size may hold the target's.
            passing = target.with_name(f"{sha256}.{staged.stem}.tmp")
            try:
                _link_or_copy(staged, file, passing)
                passing.replace(target)
            finally:
                _unlink(passing)
            _sync_directory(target.parent)
    return StoredBlob(sha256=sha256, size=size, is_new=True)


def _publish_joined(staged: Sequence[Path], target: Path, sha256: str, size: int) -> StoredBlob:
    with ExitStack() as files:
        parts = []
        for path in staged:
            try:
                parts.append(files.enter_context(path.open("rb", buffering=0)))
            except FileNotFoundError:
                continue  # a part of no bytes, or one whose bytes are gone: the size will tell
            _lock(parts[-1].fileno(), fcntl.LOCK_SH)  # several files may be made of one part
        found_size = sum(os.fstat(part.fileno()).st_size for part in parts)
        if found_size != size:
            raise wrong_bytes(sha256, size, None, found_size)
        if _size(target) == size:
            _require_same(_pour(parts, None), sha256, size)
            return StoredBlob(sha256=sha256, size=size)
        # Beside the parts, where what a crash leaves is swept.
        passing = staged[0].with_name(f"{os.urandom(8).hex()}.join")
        with _full_disk_is_refused():
            try:
                with passing.open("xb", buffering=0) as whole:
                    _require_same(_pour(parts, whole), sha256, size)
                    os.fsync(whole.fileno())
                _make_directory(target.parent)
                passing.replace(target)
            finally:
                _unlink(passing)
            _sync_directory(target.parent)
    return StoredBlob(sha256=sha256, size=size, is_new=True)


def _pour(parts: Sequence[FileIO], whole: FileIO | None) -> str:
    """Write all the parts' bytes into `whole`, if there is one, and return their SHA-256."""
    digest = hashlib.sha256()
    for part in parts:
        while piece := part.read(READ_SIZE):
            digest.update(piece)
            view = memoryview(piece)
            while whole is not None and view:
                view = view[whole.write(view) :]
    return digest.hexdigest()


def _require_same(found: str, sha256: str, size: int) -> None:
    if found != sha256:
        raise wrong_bytes(sha256, size, found, size)


def _publish_bytes(target: Path, content: bytes, sha256: str) -> StoredBlob:
    if _size(target) == len(content):
        return StoredBlob(sha256=sha256, size=len(content))
    with _full_disk_is_refused():
        _make_directory(target.parent)
        passing = target.with_name(f"{sha256}.{os.urandom(8).hex()}.tmp")
        try:
            with passing.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            passing.replace(target)
        finally:
            _unlink(passing)
        _sync_directory(target.parent)
    return StoredBlob(sha256=sha256, size=len(content), is_new=True)


def _link_or_copy(source: Path, file: BufferedReader, name: Path) -> None:
    _unlink(name)  # left by a crash
    try:
        os.link(source, name)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        os.fsync(file.fileno())
        return
    file.seek(0)
    with name.open("xb") as copy:
        shutil.copyfileobj(file, copy, READ_SIZE)
        copy.flush()
        os.fsync(copy.fileno())


async def _read_pieces(path: Path, start: int, stop: int) -> AsyncIterator[bytes]:
    while start < stop:
        piece = await in_thread(_read_piece, path, start, min(READ_SIZE, stop - start))
        if not piece:  # shorter than a moment ago: the disk is failing, and silence would be a lie
            raise OSError(errno.EIO, "a stored file ends early", str(path))
        yield piece
        start += len(piece)


def _read_piece(path: Path, start: int, length: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        return os.pread(file.fileno(), length, start)


def _written_before(objects: Path, before: float) -> Iterator[str]:
    for path in objects.glob("*/*/*"):
        with suppress(FileNotFoundError):  # deleted meanwhile
            if is_sha256(path.name) and path.stat().st_mtime < before:
                yield path.name


def _sweep(root: Path, before: float) -> int:
    swept = 0
    # Beside what is staged: the halves of objects that a crash kept from getting their name.
    for path in chain(root.glob("*/staging/*"), root.glob("*/objects/*/*/*.tmp")):
        try:
            if path.stat().st_mtime < before:
                path.unlink()
                swept += 1
        except FileNotFoundError:  # finished or discarded meanwhile
            continue
    return swept


@contextmanager
def _full_disk_is_refused() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StorageFull(
            "The server has no room left for files. Nothing was lost; send it again later."
        ) from error


def _make_directory(path: Path) -> None:
    """Create a directory and its missing parents so that they survive a power cut."""
    if path.is_dir():
        return
    _make_directory(path.parent)
    path.mkdir(mode=0o750, exist_ok=True)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
