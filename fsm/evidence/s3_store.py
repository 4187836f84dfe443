"""Blobs in an S3 bucket: `<tenant>/staging/<upload>/<offset>-<bytes>` and
`<tenant>/objects/aa/bb/<sha256>`.

Staged bytes are segments of at most 8 MiB, each an object of its own: multipart uploads refuse
parts below 5 MiB, and a phone on a bad line sends less. A finished blob is written by one
PutObject. Servers differ in which checksums and conditions they honour; whatever the answer
leaves open is read back.

A request that timed out may still be carried out long afterwards. A segment's key therefore tells
its length: what comes late never replaces a segment of another length, and those that overlap hold
the same bytes where they do.
"""

import base64
import errno
import hashlib
import math
import re
import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, Self
from uuid import UUID

from fsm.evidence.blobs import (
    EMPTY_SHA256,
    Appended,
    Filling,
    Hash,
    LongerThanDeclared,
    NoSuchBlob,
    Pieces,
    StagedBytesMissing,
    StorageFull,
    StorageUnavailable,
    StoredBlob,
    in_lists,
    in_thread,
    object_path,
    take_in,
    wrong_bytes,
)
from fsm.settings import S3Settings

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

#: Most bytes of one staged segment, and of one ranged read of a blob.
SEGMENT_SIZE = 8 << 20

_FULL = frozenset({"XMinioStorageFull", "QuotaExceeded", "InsufficientStorage"})
# Passing, though S3 answers them with 400: the bytes came damaged or not at all. And a segment that a
# listing named is gone by now, since another request dropped it.
_PASSING = frozenset(
    {"BadDigest", "IncompleteBody", "NoSuchKey", "RequestTimeout", "XAmzContentSHA256Mismatch"}
)
_NOT_UNDERSTOOD = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest"})
_DELETE_AT_ONCE = 1000
_PUT_TRIES = 3
_SEGMENT = re.compile(r"(\d{15})-(\d{1,7})")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one call to the server may be silent, in seconds, and how often it is tried.

    The tries of one call end within about `attempts * (connect_s + read_s)` of silence.
    """

    connect_s: float = 5
    read_s: float = 60
    attempts: int = 3


@dataclass(frozen=True, slots=True)
class _Segment:
    """A staged object: bytes `begin` to `end` (exclusive) of an upload."""

    key: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class _Staging:
    """What lies below the prefix of one upload.

    `segments` together hold the bytes from 0 on without a gap; each reaches beyond the one before
    it and may overlap it. Objects behind a gap are left from requests that were never acknowledged.
    `ends`: key to the end of its bytes; what is no whole segment counts as beyond everything.
    """

    prefix: str
    segments: tuple[_Segment, ...]
    ends: dict[str, float]

    @property
    def size(self) -> int:
        return self.segments[-1].end if self.segments else 0

    @classmethod
    def of(cls, prefix: str, listed: list[tuple[str, int]]) -> Self:
        """Read a listing of (key, bytes)."""
        whole = []
        ends: dict[str, float] = {}
        for key, length in listed:
            name = _SEGMENT.fullmatch(key.removeprefix(prefix))
            if name is None or length != int(name[2]):
                ends[key] = math.inf
                continue
            begin = int(name[1])
            ends[key] = begin + length
            whole.append(_Segment(key, begin, begin + length))
        chosen: list[_Segment] = []
        reach = 0
        for segment in sorted(whole, key=lambda segment: (segment.begin, segment.end)):
            if segment.begin <= reach < segment.end:
                chosen.append(segment)
                reach = segment.end
        return cls(prefix, tuple(chosen), ends)


class S3BlobStore:
    """A `BlobStore` in one bucket.

    Two writers of one upload are not told apart here (S3 has no locks); the caller's row lock
    does that, and the hash in `finish` notices where it did not.
    """

    def __init__(self, place: S3Settings, patience: Patience = Patience()) -> None:
        self._place = place
        self._patience = patience
        self._connecting = threading.Lock()
        self._connected: S3Client | None = None

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
        prefix = _staging_prefix(tenant_id, upload_id)
        await in_thread(self._rewind, prefix, offset)
        pieces = Pieces(chunks, SEGMENT_SIZE, None if limit is None else limit - offset)
        at = offset
        try:
            async for piece in pieces:
                await in_thread(take_in, hashes, piece)
                await in_thread(self._put, _segment_key(prefix, at, len(piece)), piece)
                at += len(piece)
        except (StorageFull, LongerThanDeclared):
            await in_thread(self._cut_to, prefix, offset)
            raise
        return Appended(offset=at, written=at - offset, cut=pieces.cut)

    async def staged_size(self, tenant_id: UUID, upload_id: UUID) -> int:
        return (await in_thread(self._look, _staging_prefix(tenant_id, upload_id))).size

    async def truncate(self, tenant_id: UUID, upload_id: UUID, offset: int) -> None:
        await in_thread(self._cut_to, _staging_prefix(tenant_id, upload_id), offset)

    async def discard(self, tenant_id: UUID, upload_id: UUID) -> None:
        await in_thread(self._cut_to, _staging_prefix(tenant_id, upload_id), 0)

    async def finish(
        self, tenant_id: UUID, upload_id: UUID, sha256: str, size: int, *, found: str | None = None
    ) -> StoredBlob:
        # Hashed all the same: the bytes have to be read anyway, and come from another machine.
        return await self.join(tenant_id, [upload_id], sha256, size)

    async def join(
        self, tenant_id: UUID, upload_ids: Sequence[UUID], sha256: str, size: int
    ) -> StoredBlob:
        if size == 0 and sha256 == EMPTY_SHA256:
            return await self.put_small(tenant_id, b"")
        key = _object_key(tenant_id, sha256)
        prefixes = [_staging_prefix(tenant_id, one) for one in upload_ids]
        return await in_thread(self._publish_staged, prefixes, key, sha256, size)

    async def put_small(self, tenant_id: UUID, content: bytes) -> StoredBlob:
        sha256 = hashlib.sha256(content).hexdigest()

        def put() -> StoredBlob:
            with _spool() as body:
                body.write(content)
                return self._publish(_object_key(tenant_id, sha256), body, sha256, len(content))

        return await in_thread(put)

    async def open(
        self, tenant_id: UUID, sha256: str, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        size = (await self.stat(tenant_id, sha256)).size
        key = _object_key(tenant_id, sha256)
        return self._read_pieces(key, start, size if stop is None else min(stop, size))

    async def stat(self, tenant_id: UUID, sha256: str) -> StoredBlob:
        size = await in_thread(self._size, _object_key(tenant_id, sha256))
        if size is None:
            raise NoSuchBlob(f"No file {sha256}.")
        return StoredBlob(sha256=sha256, size=size)

    async def exists(self, tenant_id: UUID, sha256: str) -> bool:
        return await in_thread(self._size, _object_key(tenant_id, sha256)) is not None

    async def delete(self, tenant_id: UUID, sha256: str) -> None:
        await in_thread(self._remove, [_object_key(tenant_id, sha256)])

    def list_blobs(self, tenant_id: UUID, untouched_since: datetime) -> AsyncIterator[list[str]]:
        found = self._listed(f"{tenant_id}/objects/")
        return in_lists(key.rpartition("/")[2] for key, _, at in found if at < untouched_since)

    async def sweep(self, untouched_since: datetime) -> int:
        return await in_thread(self._sweep, untouched_since.astimezone(UTC))

    async def _read_pieces(self, key: str, start: int, stop: int) -> AsyncIterator[bytes]:
        while start < stop:
            piece = await in_thread(self._get, key, start, min(start + SEGMENT_SIZE, stop))
            yield piece
            start += len(piece)

    # Everything below blocks and runs in a thread.

    def _client(self) -> "S3Client":
        with self._connecting:
            if self._connected is None:
                import boto3
                from botocore.config import Config

                # A session of our own: boto3's default one must not be shared between threads.
                self._connected = boto3.session.Session().client(
                    "s3",
                    endpoint_url=self._place.endpoint_url,
                    region_name=self._place.region,
                    aws_access_key_id=self._place.access_key,
                    aws_secret_access_key=self._place.secret_key,
                    config=Config(
                        connect_timeout=self._patience.connect_s,
                        read_timeout=self._patience.read_s,
                        retries={
                            "mode": "standard",
                            "total_max_attempts": self._patience.attempts,
                        },
                        max_pool_connections=16,
                        # Servers other than Amazon's stumble over the checksums boto3 adds by
                        # itself.
                        request_checksum_calculation="when_required",
                        response_checksum_validation="when_required",
                        s3={"addressing_style": "path" if self._place.endpoint_url else "auto"},
                    ),
                )
            return self._connected

    def _put(self, key: str, content: bytes) -> None:
        with _failures_are_refused():
            self._client().put_object(Bucket=self._place.bucket, Key=key, Body=content)

    def _get(self, key: str, start: int, stop: int) -> bytes:
        """Return the bytes `start` to `stop` (exclusive); fewer is a failure of the server."""
        with _failures_are_refused():
            answer = self._client().get_object(
                Bucket=self._place.bucket, Key=key, Range=f"bytes={start}-{stop - 1}"
            )
            # Not `with answer["Body"]`: that hands out the stream below, whose errors are not boto's.
            with closing(answer["Body"]) as body:
                content: bytes = body.read()
        if len(content) != stop - start:
            raise StorageUnavailable("The file storage sent other bytes than it was asked for.")
        return content

    def _size(self, key: str) -> int | None:
        from botocore.exceptions import ClientError

        with _failures_are_refused():
            try:
                return self._client().head_object(Bucket=self._place.bucket, Key=key)[
                    "ContentLength"
                ]
            except ClientError as error:
                if _status(error) == 404:
                    return None
                raise

    def _listed(self, prefix: str) -> Iterator[tuple[str, int, datetime]]:
        """Yield (key, bytes, written at) below a prefix in the order of the keys."""
        with _failures_are_refused():
            pages = self._client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._place.bucket, Prefix=prefix):
                for entry in page.get("Contents", []):
                    yield entry["Key"], entry["Size"], entry["LastModified"]

    def _look(self, prefix: str) -> _Staging:
        return _Staging.of(prefix, [(key, length) for key, length, _ in self._listed(prefix)])

    def _rewind(self, prefix: str, offset: int) -> None:
        """Make the staged bytes end at `offset`, or raise `StagedBytesMissing`."""
        staging = self._look(prefix)
        if staging.size < offset:
            raise StagedBytesMissing(
                f"Continue at byte {staging.size}: the bytes from there to {offset} were lost.",
                offset=staging.size,
            )
        self._cut(staging, offset)

    def _cut_to(self, prefix: str, offset: int) -> None:
        self._cut(self._look(prefix), offset)

    def _cut(self, staging: _Staging, offset: int) -> None:
        for segment in staging.segments:
            if segment.begin < offset < segment.end:
                kept = self._get(segment.key, 0, offset - segment.begin)
                self._put(_segment_key(staging.prefix, segment.begin, len(kept)), kept)
        self._remove([key for key, end in staging.ends.items() if end > offset])

    def _remove(self, keys: list[str]) -> None:
        with _failures_are_refused():
            for first in range(0, len(keys), _DELETE_AT_ONCE):
                if len(keys) == 1:  # understood by every server, unlike the batch
                    self._client().delete_object(Bucket=self._place.bucket, Key=keys[0])
                    return
                batch = keys[first : first + _DELETE_AT_ONCE]
                answer = self._client().delete_objects(
                    Bucket=self._place.bucket,
                    Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True},
                )
                if answer.get("Errors"):
                    raise StorageUnavailable("The file storage would not remove a file.")

    def _publish_staged(
        self, prefixes: Sequence[str], key: str, sha256: str, size: int
    ) -> StoredBlob:
        stagings = [self._look(prefix) for prefix in prefixes]
        found_size = sum(staging.size for staging in stagings)
        if found_size != size:
            raise wrong_bytes(sha256, size, None, found_size)
        digest = hashlib.sha256()
        with _spool() as body:
            for staging in stagings:
                at = 0
                for segment in staging.segments:
                    length = segment.end - segment.begin
                    content = self._get(segment.key, at - segment.begin, length)
                    digest.update(content)
                    body.write(content)
                    at = segment.end
            if digest.hexdigest() != sha256:
                raise wrong_bytes(sha256, size, digest.hexdigest(), size)
            return self._publish(key, body, sha256, size)

    def _publish(self, key: str, body: IO[bytes], sha256: str, size: int) -> StoredBlob:
        """Write a blob unless it is there, and know afterwards that the right bytes are."""
        there = self._size(key)
        if there == size:
            return StoredBlob(sha256=sha256, size=size)
        conditions: dict[str, Any] = {
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256)).decode()
        }
        if there is None:  # a damaged blob of another size is replaced
            conditions["IfNoneMatch"] = "*"
        with _failures_are_refused():
            answer = self._put_blob(key, body, size, conditions)
        # Without an answer somebody else was first, or we were and its answer was lost.
        is_vouched_for = answer is not None and _vouches_for(
            answer, conditions["ChecksumSHA256"], body
        )
        if not is_vouched_for and (self._size(key) != size or self._sha256(key, size) != sha256):
            self._remove([key])
            raise StorageUnavailable("The file storage kept other bytes than it was given.")
        return StoredBlob(sha256=sha256, size=size, is_new=answer is not None)

    def _put_blob(
        self, key: str, body: IO[bytes], size: int, conditions: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Return the server's answer, or None when it says that the object exists."""
        from botocore.exceptions import ClientError

        for tries_left in reversed(range(_PUT_TRIES)):
            body.seek(0)
            try:
                answer = self._client().put_object(
                    Bucket=self._place.bucket,
                    Key=key,
                    Body=body,
                    ContentLength=size,
                    **conditions,
                )
                return dict(answer)
            except ClientError as error:
                if _status(error) == 412:
                    return None
                # 409: another conditional write of the same key is under way. 501 and its like: the
                # server does not know the condition; two equal blobs written twice are still equal.
                if _code(error) in _NOT_UNDERSTOOD or _status(error) == 501:
                    conditions.pop("IfNoneMatch", None)
                elif _status(error) != 409:
                    raise
                if not tries_left:
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    def _sha256(self, key: str, size: int) -> str:
        digest = hashlib.sha256()
        for start in range(0, size, SEGMENT_SIZE):
            digest.update(self._get(key, start, min(start + SEGMENT_SIZE, size)))
        return digest.hexdigest()

    def _sweep(self, before: datetime) -> int:
        with _failures_are_refused():
            pages = self._client().get_paginator("list_objects_v2")
            tenants = [
                found["Prefix"]
                for page in pages.paginate(Bucket=self._place.bucket, Delimiter="/")
                for found in page.get("CommonPrefixes", [])
            ]
        swept = 0
        for tenant in tenants:
            staged: dict[str, list[tuple[str, datetime]]] = {}
            for key, _, written_at in self._listed(f"{tenant}staging/"):
                staged.setdefault(key.rpartition("/")[0], []).append((key, written_at))
            for segments in staged.values():
                if max(written_at for _, written_at in segments) < before:
                    self._remove([key for key, _ in segments])
                    swept += 1
        return swept


def _staging_prefix(tenant_id: UUID, upload_id: UUID) -> str:
    return f"{tenant_id}/staging/{upload_id}/"


def _segment_key(prefix: str, offset: int, length: int) -> str:
    return f"{prefix}{offset:015d}-{length}"  # padded, so that keys sort as offsets do


def _object_key(tenant_id: UUID, sha256: str) -> str:
    return f"{tenant_id}/{object_path(sha256)}"


@contextmanager
def _spool() -> Iterator[IO[bytes]]:
    """A seekable place for one blob: memory up to a segment, then a temporary file."""
    with SpooledTemporaryFile(max_size=SEGMENT_SIZE) as body:
        try:
            yield body
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise StorageFull(
                "The server has no room for temporary files. Nothing was lost; send it again later."
            ) from error


def _vouches_for(answer: dict[str, Any], checksum: str, body: IO[bytes]) -> bool:
    """Return whether the answer proves that the server hashed what it stored.

    Either it returns the SHA-256, or its entity tag is the MD5 of these very bytes, as it is
    wherever a single PutObject is stored without server-side keys.
    """
    if answer.get("ChecksumSHA256"):
        return bool(answer["ChecksumSHA256"] == checksum)
    body.seek(0)
    md5 = hashlib.md5(usedforsecurity=False)
    while piece := body.read(1 << 20):
        md5.update(piece)
    return str(answer.get("ETag", "")).strip('"') == md5.hexdigest()


def _status(error: "ClientError") -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(error: "ClientError") -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _failures_are_refused() -> Iterator[None]:
    """Turn a failing server into a `Problem`; a wrong setting (403, no bucket) stays our bug."""
    from botocore.exceptions import (
        ClientError,
        ConnectionError,  # noqa: A004 - botocore's name
        HTTPClientError,
        IncompleteReadError,
    )
    from botocore.parsers import ResponseParserError

    try:
        yield
    except (ConnectionError, HTTPClientError, IncompleteReadError, ResponseParserError) as error:
        raise StorageUnavailable("The file storage does not answer. Try again later.") from error
    except ClientError as error:
        if _code(error) in _FULL or _status(error) == 507:
            raise StorageFull("The file storage has no room left. Send it again later.") from error
        if _status(error) >= 500 or _status(error) in {408, 429} or _code(error) in _PASSING:
            raise StorageUnavailable("The file storage fails. Try again later.") from error
        raise
