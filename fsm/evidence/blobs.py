"""Where bytes live: what every blob store promises, and the refusals they share.

A *blob* is immutable and named by its SHA-256 inside its tenant. Bytes that are still arriving are
*staged* under an upload's id and become a blob by `finish`. Nothing a client sends ever becomes
part of a path or key: those are made of a tenant's UUID, an upload's UUID and a checked hash.

A store knows no database. The offset a client may rely on is a row; the store's part is that an
offset returned by `append` survives a power cut before the caller can commit it.
"""

import asyncio
import re
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from mmap import mmap
from typing import Generic, Protocol, TypeVar, runtime_checkable
from uuid import UUID

from fsm.problems import Problem
from fsm.settings import Settings

_Result = TypeVar("_Result")

#: SHA-256 of no bytes.
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

#: How much one read of a blob holds in memory, in bytes.
READ_SIZE = 1 << 20

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_CHUNKS = 1_000
_TOO_LONG = "More bytes came than the upload's declared length."

# Our own threads: an fsync or a slow S3 server must not keep others of the default pool (name
# resolution, password hashing) waiting.
_THREADS = ThreadPoolExecutor(max_workers=16, thread_name_prefix="blobs")


class StorageFull(Problem):
    """The disk or quota is used up; what had been acknowledged before is untouched."""

    code, status, title = "storage-full", 507, "No room left for files"

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "60"}


class StorageUnavailable(Problem):
    """The S3 server cannot be reached or fails; trying again is safe."""

    code, status, title = "storage-unavailable", 503, "The file storage does not answer"

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "5"}


class UploadBusy(Problem):
    """Another request is writing to the same upload at this moment."""

    code, status, title = "upload-busy", 423, "Somebody is writing to this upload"


class StagedBytesMissing(Problem):
    """Bytes before the offset are gone (a restored backup); fact `offset` is what is there."""

    code, status, title = "staged-bytes-missing", 409, "Earlier bytes of this upload are missing"

    @property
    def headers(self) -> dict[str, str]:
        return {"Upload-Offset": str(self.facts["offset"])}


class LongerThanDeclared(Problem):
    """More bytes came than the upload's length allows."""

    code, status, title = "longer-than-declared", 413, "More bytes than were declared"


class WrongBytes(Problem):
    """The staged bytes are not the declared ones.

    Facts: `expected` and `found`, each `{sha256, size}`; `found.sha256` is None where the size
    alone settled it.
    """

    code, status, title = "wrong-bytes", 422, "The bytes are not the declared ones"


class NoSuchBlob(Problem):
    """This tenant has no bytes with that hash."""

    code, status, title = "no-such-blob", 404, "No such file"


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob that is durably there.

    `size` in bytes; `is_new` False where the tenant had these bytes before.
    """

    sha256: str
    size: int
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Appended:
    """What one request left behind.

    `offset`: bytes of the upload that are durable now. `written`: how many of them this request
    brought. `cut`: the error that ended the stream early (a lost connection), None when it ended
    by itself.
    """

    offset: int
    written: int
    cut: Exception | None = None


class Hash(Protocol):
    """A running hash, such as `hashlib.sha256()`."""

    def update(self, data: bytes | memoryview, /) -> None: ...


@runtime_checkable
class Filling(Protocol):
    """A request body that comes to where the store wants it, so that nobody has to copy it."""

    has_ended: bool
    """No byte is to come any more."""

    async def fill(self, into: memoryview) -> int:
        """Write the next bytes and return how many; fewer than there is room for only at the end.

        What breaks the body is raised by the call after the one that brought its last bytes.
        """
        ...


class BlobStore(Protocol):
    """Staged uploads and finished blobs of all tenants."""

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
        """Write `chunks` from `offset` on and return once they are durable.

        `hashes` take in every byte that is written, while it is at hand and off the event loop.

        Staged bytes beyond `offset` were never acknowledged and are dropped first. An error
        *inside* `chunks` keeps what had arrived and is handed back as `cut`, so that the caller
        can commit the offset. `limit` is the upload's length: one byte more raises
        `LongerThanDeclared`. That refusal and `StorageFull` leave the upload at `offset`; so does
        `StorageUnavailable` as far as anybody may rely on it. A gap before `offset` raises
        `StagedBytesMissing`, a second writer `UploadBusy`.
        """
        ...

    async def staged_size(self, tenant_id: UUID, upload_id: UUID) -> int:
        """Return how many bytes lie there without a gap from 0; 0 for an unknown upload."""
        ...

    async def truncate(self, tenant_id: UUID, upload_id: UUID, offset: int) -> None:
        """Drop everything from `offset` on; shorter and unknown uploads stay as they are."""
        ...

    async def discard(self, tenant_id: UUID, upload_id: UUID) -> None:
        """Forget an upload's staged bytes; does nothing when there are none."""
        ...

    async def finish(
        self, tenant_id: UUID, upload_id: UUID, sha256: str, size: int, *, found: str | None = None
    ) -> StoredBlob:
        """Make the staged bytes a blob, durably, or raise `WrongBytes` and leave them staged.

        `found`: their SHA-256, where the caller saw every one of them on its way into `append`; a
        store that need not read them for anything else then does not.

        Safe to run again after a crash at any point: staged bytes stay until `discard`, which the
        caller runs once its own row is committed. It also never hands out a blob to somebody who
        knows its hash but did not bring its bytes.
        """
        ...

    async def join(
        self, tenant_id: UUID, upload_ids: Sequence[UUID], sha256: str, size: int
    ) -> StoredBlob:
        """Make the staged bytes of several uploads, one after the other, one blob; like `finish`.

        The same upload may be named twice. All stay staged.
        """
        ...

    async def put_small(self, tenant_id: UUID, content: bytes) -> StoredBlob:
        """Store bytes that are already in memory (a stranger's report photo, a document)."""
        ...

    async def open(
        self, tenant_id: UUID, sha256: str, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        """Return the bytes from `start` to `stop` (exclusive; None: the end).

        `NoSuchBlob` is raised by the call itself, not by the first piece. Nothing stays open
        between two pieces, so an iterator may be abandoned at any time.
        """
        ...

    async def stat(self, tenant_id: UUID, sha256: str) -> StoredBlob:
        """Return what is known of a blob without reading it, or raise `NoSuchBlob`."""
        ...

    async def exists(self, tenant_id: UUID, sha256: str) -> bool:
        """Return whether this tenant has that blob."""
        ...

    async def delete(self, tenant_id: UUID, sha256: str) -> None:
        """Remove a blob's bytes (retention); its hash stays in the rows. Absent is fine."""
        ...

    def list_blobs(self, tenant_id: UUID, untouched_since: datetime) -> AsyncIterator[list[str]]:
        """Yield the names of a tenant's blobs last written before that instant, some at a time."""
        ...

    async def sweep(self, untouched_since: datetime) -> int:
        """Discard all tenants' uploads last written before that instant; return how many.

        Catches what no row speaks of any more, such as bytes whose creating transaction was
        rolled back.
        """
        ...


def blob_store(settings: Settings) -> BlobStore:
    """Return S3 where a bucket is configured, else files below `settings.blob_dir`."""
    # Imported here because both stores import this module; S3 stays unloaded where it is not used.
    if settings.s3 is not None:
        from fsm.evidence.s3_store import S3BlobStore

        return S3BlobStore(settings.s3)
    from fsm.evidence.local_store import LocalBlobStore

    return LocalBlobStore(settings.blob_dir)


async def in_lists(found: Iterator[str], most: int = 1_000) -> AsyncIterator[list[str]]:
    """Yield what an iterator finds that blocks, without holding up the event loop."""

    def take() -> list[str]:
        return list(islice(found, most))

    while some := await in_thread(take):
        yield some


async def read_all(store: BlobStore, tenant_id: UUID, sha256: str, most: int) -> bytes:
    """Return at most the first `most` bytes of a blob."""
    return b"".join([piece async for piece in await store.open(tenant_id, sha256, 0, most)])


def is_sha256(text: str) -> bool:
    """Return whether `text` is a SHA-256 the way we write it: 64 lower-case hexadecimal digits."""
    return _SHA256.fullmatch(text) is not None


def object_path(sha256: str) -> str:
    """Return `objects/aa/bb/<sha256>`.

    Anything but a hash is `NoSuchBlob`, so that no path can be smuggled in.
    """
    if not is_sha256(sha256):
        raise NoSuchBlob("A file is named by 64 lower-case hexadecimal digits.")
    return f"objects/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def wrong_bytes(
    expected_sha256: str, expected_size: int, found_sha256: str | None, found_size: int
) -> WrongBytes:
    """Return the refusal for bytes that came out other than declared."""
    if expected_size != found_size:
        detail = f"{expected_size} bytes were declared, {found_size} are there."
    else:
        detail = "The number of bytes is right, their SHA-256 is not. Send them again."
    return WrongBytes(
        detail,
        expected={"sha256": expected_sha256, "size": expected_size},
        found={"sha256": found_sha256, "size": found_size},
    )


def take_in(hashes: Iterable[Hash], *chunks: bytes | memoryview) -> None:
    """Update every hash with every chunk, in order."""
    for one in hashes:
        for chunk in chunks:
            one.update(chunk)


class Pieces:
    """A request body regrouped into pieces of `size` bytes (the last may be shorter).

    An error of the body ends the iteration after the bytes that did arrive, and is kept in `cut`.
    `has_ended`: the piece at hand is the last.
    """

    def __init__(self, chunks: AsyncIterable[bytes] | Filling, size: int, room: int | None) -> None:
        """`room`: how many bytes may come in all; None for no limit."""
        self._filling = chunks if isinstance(chunks, Filling) else None
        self._chunks = None if isinstance(chunks, Filling) else aiter(chunks)
        self._size = size
        self._room = room
        self.cut: Exception | None = None
        self.has_ended = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunks in self.unjoined():
            yield b"".join(chunks)

    async def unjoined(self) -> AsyncIterator[list[memoryview]]:
        """Yield each piece as the chunks it is made of: to join them is to copy every byte.

        They are good until the next piece is asked for.
        """
        if self._filling is not None:
            async for piece in self._filled(self._filling):
                yield [piece]
            return
        pending: list[memoryview] = []
        missing = self._size  # bytes until the next piece is whole
        arrived = 0
        while (chunk := await self._next()) is not None:
            arrived += len(chunk)
            if self._room is not None and arrived > self._room:
                raise LongerThanDeclared(_TOO_LONG)
            rest = memoryview(chunk)
            while len(rest) >= missing:
                yield [*pending, rest[:missing]]
                rest, missing, pending = rest[missing:], self._size, []
            if rest:
                pending.append(rest)
                missing -= len(rest)
            if len(pending) > _MOST_CHUNKS:  # bytes that come one by one would each cost 200
                pending = [memoryview(b"".join(pending))]
        self.has_ended = True
        if pending:
            yield pending

    async def _filled(self, body: Filling) -> AsyncIterator[memoryview]:
        """Yield the pieces of one buffer, which each of them fills anew."""
        # One byte more than there is room for, so that a body that is too long shows itself.
        size = self._size if self._room is None else min(self._size, self._room + 1)
        # Pages that no byte has reached take no memory: slow lines are many.
        buffer = memoryview(mmap(-1, size))
        arrived = 0
        while not self.has_ended:
            filled = 0
            try:
                filled = await body.fill(buffer)
            except Exception as error:  # noqa: BLE001 - whatever broke it, the rest counts
                self.cut = error
            self.has_ended = self.cut is not None or body.has_ended
            arrived += filled
            if self._room is not None and arrived > self._room:
                raise LongerThanDeclared(_TOO_LONG)
            if filled:
                yield buffer[:filled]

    async def _next(self) -> bytes | None:
        assert self._chunks is not None
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            return None
        except Exception as error:  # noqa: BLE001 - whatever broke it, the rest counts
            self.cut = error
            return None


class _Task(Generic[_Result]):
    """Work for a thread, and the event loop that waits for it.

    The futures of `run_in_executor` and a wait that outlasts a cancellation cost twice as much as
    this, which is a good part of what a photo costs beside its bytes.
    """

    __slots__ = ("_arguments", "_error", "_has_ended", "_loop", "_result", "_waiter", "_work")

    _result: _Result
    _waiter: "asyncio.Future[None]"

    def __init__(self, work: Callable[..., _Result], arguments: tuple[object, ...]) -> None:
        self._work = work
        self._arguments = arguments
        self._loop = asyncio.get_running_loop()
        self._has_ended = False
        self._error: BaseException | None = None

    def run(self) -> None:
        """Do the work and tell the loop; belongs in the thread."""
        try:
            self._result = self._work(*self._arguments)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._has_ended = True
        if not self._waiter.done():
            self._waiter.set_result(None)

    async def end(self) -> _Result:
        """Wait for the end, also when cancelled meanwhile."""
        cancelled: asyncio.CancelledError | None = None
        while not self._has_ended:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # whose traceback leads back here
        return self._result


async def in_thread(work: Callable[..., _Result], *arguments: object) -> _Result:
    """Run blocking `work` in a thread; leave only after it has ended, even when cancelled.

    `asyncio.to_thread` returns to a cancelled caller while the thread still runs: the caller
    would close a file that is being written to, and its number could by then mean another file.
    """
    task = _Task(work, arguments)
    _THREADS.submit(task.run)
    return await task.end()
