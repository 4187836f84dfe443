"""What only S3 can get wrong: segments, servers that ignore what they are told, and silence."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from botocore.awsrequest import AWSResponse

from fsm.evidence.blobs import StorageFull, StorageUnavailable, object_path
from fsm.evidence.s3_store import SEGMENT_SIZE, S3BlobStore
from fsm.settings import S3Settings
from tests.fsm.evidence.conftest import body, in_slices, joined
from tests.fsm.evidence.s3_servers import S3Server

CONTENT = bytes(range(256)) * 80_000  # 20.5 MB: three segments
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SMALL = b"a small photo"
SMALL_SHA256 = hashlib.sha256(SMALL).hexdigest()


class _Body:
    """What botocore reads a prepared answer from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._content


def answer(status: int, code: str = "") -> AWSResponse:
    """Return an S3 error the way a server words it."""
    text = f"<Error><Code>{code}</Code><Message>so it is</Message></Error>".encode()
    return AWSResponse("http://s3", status, {"content-type": "application/xml"}, _Body(text))


@contextmanager
def interposed(
    store: S3BlobStore, operation: str, handler: Callable[[Any], AWSResponse | None]
) -> Iterator[list[Any]]:
    """Let `handler` see each request of an operation and answer it, or pass it on with None."""
    seen: list[Any] = []

    def see(request: Any, **_: object) -> AWSResponse | None:
        seen.append(request)
        return handler(request)

    events = store._client().meta.events
    events.register_first(f"before-send.s3.{operation}", see)
    try:
        yield seen
    finally:
        events.unregister(f"before-send.s3.{operation}", see)


async def test_staged_bytes_are_segments_of_at_most_8_mib(
    s3_store: S3BlobStore, s3_server: S3Server, tenant: UUID, upload: UUID
) -> None:
    await s3_store.append(tenant, upload, 0, body(*in_slices(CONTENT, 1_000_000)))
    assert [
        (int(name.partition("-")[0]), size)
        for name, size in s3_server.sizes(f"{tenant}/staging/{upload}").items()
    ] == [
        (0, SEGMENT_SIZE),
        (SEGMENT_SIZE, SEGMENT_SIZE),
        (2 * SEGMENT_SIZE, len(CONTENT) - 2 * SEGMENT_SIZE),
    ]
    await s3_store.finish(tenant, upload, SHA256, len(CONTENT))
    await s3_store.discard(tenant, upload)
    assert await s3_store.staged_size(tenant, upload) == 0
    assert await joined(await s3_store.open(tenant, SHA256, 5, len(CONTENT) - 5)) == CONTENT[5:-5]


async def test_a_segment_that_was_never_acknowledged_does_not_get_into_the_blob(
    s3_store: S3BlobStore, tenant: UUID, upload: UUID
) -> None:
    await s3_store.append(tenant, upload, 0, body(b"abc"))
    await s3_store.append(tenant, upload, 3, body(b"LOST"))  # the server died before its row
    await s3_store.append(tenant, upload, 3, body(b"de"))
    await s3_store.append(tenant, upload, 5, body(b"f"))
    sha256 = hashlib.sha256(b"abcdef").hexdigest()
    assert (await s3_store.finish(tenant, upload, sha256, 6)).size == 6


async def test_a_blob_is_put_once_with_its_hash_and_only_where_there_is_none(
    s3_store: S3BlobStore, tenant: UUID
) -> None:
    with interposed(s3_store, "PutObject", lambda _: None) as seen:
        await s3_store.put_small(tenant, SMALL)
        await s3_store.put_small(tenant, SMALL)
    (request,) = seen
    assert request.headers["If-None-Match"] == b"*"
    assert request.headers["x-amz-checksum-sha256"]
    assert "x-amz-checksum-crc32" not in request.headers


@pytest.mark.parametrize(("content", "is_fine"), [(SMALL, True), (SMALL.upper(), False)])
async def test_somebody_else_being_first_is_fine_if_they_wrote_the_same(
    s3_store: S3BlobStore, s3_server: S3Server, tenant: UUID, content: bytes, is_fine: bool
) -> None:
    def is_first(_: Any) -> AWSResponse:
        s3_server.put(f"{tenant}/{object_path(SMALL_SHA256)}", content)
        return answer(412, "PreconditionFailed")

    with interposed(s3_store, "PutObject", is_first):
        if is_fine:
            assert not (await s3_store.put_small(tenant, SMALL)).is_new
        else:
            with pytest.raises(StorageUnavailable, match="other bytes"):
                await s3_store.put_small(tenant, SMALL)
    assert (await s3_store.put_small(tenant, SMALL)).is_new is not is_fine
    assert await joined(await s3_store.open(tenant, SMALL_SHA256)) == SMALL


@pytest.mark.parametrize(
    ("status", "code"),
    [(501, "NotImplemented"), (400, "InvalidArgument"), (409, "ConditionalRequestConflict")],
)
async def test_a_server_that_stumbles_over_the_condition_gets_it_again(
    s3_store: S3BlobStore, tenant: UUID, status: int, code: str
) -> None:
    answers = [answer(status, code)]
    with interposed(s3_store, "PutObject", lambda _: answers.pop() if answers else None) as seen:
        assert (await s3_store.put_small(tenant, SMALL)).is_new
    assert len(seen) == 2
    assert ("If-None-Match" in seen[1].headers) is (status == 409)
    assert await joined(await s3_store.open(tenant, SMALL_SHA256)) == SMALL


async def test_bytes_damaged_by_a_server_that_checks_nothing_are_noticed(
    s3_store: S3BlobStore, s3_server: S3Server, tenant: UUID
) -> None:
    def damages(_: Any) -> AWSResponse:
        s3_server.put(f"{tenant}/{object_path(SMALL_SHA256)}", SMALL.upper())
        return AWSResponse("http://s3", 200, {"etag": '"opaque"'}, _Body(b""))

    with (
        interposed(s3_store, "PutObject", damages),
        pytest.raises(StorageUnavailable, match="other bytes"),
    ):
        await s3_store.put_small(tenant, SMALL)


@pytest.mark.parametrize(
    ("status", "code", "refusal"),
    [
        (507, "XMinioStorageFull", StorageFull),
        (403, "QuotaExceeded", StorageFull),
        (500, "InternalError", StorageUnavailable),
        (503, "SlowDown", StorageUnavailable),
    ],
)
async def test_a_failing_server_is_a_refusal_and_the_upload_goes_on_later(
    s3_store: S3BlobStore,
    tenant: UUID,
    upload: UUID,
    status: int,
    code: str,
    refusal: type[Exception],
) -> None:
    await s3_store.append(tenant, upload, 0, body(b"abc"))
    with (
        interposed(s3_store, "PutObject", lambda _: answer(status, code)),
        pytest.raises(refusal),
    ):
        await s3_store.append(tenant, upload, 3, body(b"def"))
    assert await s3_store.staged_size(tenant, upload) == 3
    assert (await s3_store.append(tenant, upload, 3, body(b"def"))).offset == 6


async def test_a_segment_that_vanishes_while_it_is_read_is_a_refusal(
    s3_store: S3BlobStore, tenant: UUID, upload: UUID
) -> None:
    await s3_store.append(tenant, upload, 0, body(SMALL))
    with (
        interposed(s3_store, "GetObject", lambda _: answer(404, "NoSuchKey")),
        pytest.raises(StorageUnavailable),
    ):
        await s3_store.finish(tenant, upload, SMALL_SHA256, len(SMALL))
    assert (await s3_store.finish(tenant, upload, SMALL_SHA256, len(SMALL))).is_new


async def test_a_server_that_is_away_is_a_refusal(tenant: UUID, upload: UUID) -> None:
    away = S3BlobStore(S3Settings("fsm", "http://127.0.0.1:9", "us-east-1", "key", "secret"))
    with pytest.raises(StorageUnavailable) as refusal:
        await away.append(tenant, upload, 0, body(b"abc"))
    assert refusal.value.headers == {"Retry-After": "5"}


async def test_a_wrong_key_is_our_fault_and_looks_like_it(
    s3_server: S3Server, tenant: UUID
) -> None:
    place = s3_server.settings
    wrong = S3BlobStore(S3Settings(place.bucket, place.endpoint_url, place.region, "key", "wrong"))
    with pytest.raises(Exception, match="Forbidden|AccessDenied|SignatureDoesNotMatch|403"):
        await wrong.put_small(tenant, SMALL)


async def test_a_cut_request_keeps_what_fits_into_segments_and_the_rest(
    s3_store: S3BlobStore, tenant: UUID, upload: UUID
) -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield CONTENT[: SEGMENT_SIZE + 17]
        raise ConnectionError("gone")

    appended = await s3_store.append(tenant, upload, 0, cut())
    assert appended.offset == SEGMENT_SIZE + 17
    assert isinstance(appended.cut, ConnectionError)
    await s3_store.append(tenant, upload, appended.offset, body(CONTENT[appended.offset :]))
    assert (await s3_store.finish(tenant, upload, SHA256, len(CONTENT))).is_new
