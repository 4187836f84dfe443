"""What every blob store promises, tried on a directory and on a real S3 server."""

import asyncio
import hashlib
import random
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.evidence.blobs import (
    EMPTY_SHA256,
    BlobStore,
    LongerThanDeclared,
    NoSuchBlob,
    Pieces,
    StagedBytesMissing,
    WrongBytes,
    in_thread,
    read_all,
)
from tests.fsm.evidence.conftest import Cut, Filled, body, in_slices, joined
from tests.patience import PATIENCE_S

CONTENT = random.Random(7).randbytes(3_000_017)  # neither a round size nor compressible
SHA256 = hashlib.sha256(CONTENT).hexdigest()


async def test_bytes_sent_in_pieces_come_back_as_they_were(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    first = await store.append(tenant, upload, 0, body(*in_slices(CONTENT[:1_500_000], 65_536)))
    assert (first.offset, first.written, first.cut) == (1_500_000, 1_500_000, None)
    second = await store.append(tenant, upload, 1_500_000, body(CONTENT[1_500_000:]))
    assert (second.offset, second.written) == (len(CONTENT), len(CONTENT) - 1_500_000)

    stored = await store.finish(tenant, upload, SHA256, len(CONTENT))

    assert (stored.sha256, stored.size, stored.is_new) == (SHA256, len(CONTENT), True)
    assert await joined(await store.open(tenant, SHA256)) == CONTENT


async def test_bytes_that_come_to_where_the_store_wants_them_are_all_there(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    taken = [hashlib.sha256(), hashlib.sha1(usedforsecurity=False)]
    content = CONTENT * 4  # more than one piece of any store
    limit = len(content)
    first = await store.append(tenant, upload, 0, Filled(content[:9]), limit=limit, hashes=taken)
    assert (first.offset, first.written, first.cut) == (9, 9, None)
    cut = Cut("the phone drove into a tunnel")
    more = Filled(content[9:2_000_000], error=cut)
    second = await store.append(tenant, upload, 9, more, hashes=taken)
    assert (second.offset, second.cut) == (2_000_000, cut)
    with pytest.raises(LongerThanDeclared):
        await store.append(tenant, upload, 2_000_000, Filled(content), limit=limit)
    rest = Filled(content[2_000_000:])
    await store.append(tenant, upload, 2_000_000, rest, limit=limit, hashes=taken)
    sha256 = hashlib.sha256(content).hexdigest()
    assert [one.hexdigest() for one in taken] == [sha256, hashlib.sha1(content).hexdigest()]
    assert (await store.finish(tenant, upload, sha256, limit)).size == limit


async def test_a_cut_connection_keeps_the_bytes_that_arrived(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    cut = Cut("the phone drove into a tunnel")
    appended = await store.append(tenant, upload, 0, body(b"abc", b"def", error=cut))
    assert (appended.offset, appended.written, appended.cut) == (6, 6, cut)
    assert await store.staged_size(tenant, upload) == 6

    await store.append(tenant, upload, 6, body(b"ghi"))
    sha256 = hashlib.sha256(b"abcdefghi").hexdigest()
    await store.finish(tenant, upload, sha256, 9)
    assert await read_all(store, tenant, sha256, 100) == b"abcdefghi"


async def test_bytes_nobody_was_promised_give_way_to_the_next_request(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    await store.append(tenant, upload, 0, body(b"abcdef"))
    appended = await store.append(tenant, upload, 2, body(b"XY"))
    assert appended.offset == 4
    assert await store.staged_size(tenant, upload) == 4
    sha256 = hashlib.sha256(b"abXY").hexdigest()
    assert (await store.finish(tenant, upload, sha256, 4)).size == 4


async def test_a_gap_before_the_offset_is_refused_and_names_what_is_there(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    await store.append(tenant, upload, 0, body(b"abc"))
    with pytest.raises(StagedBytesMissing) as refusal:
        await store.append(tenant, upload, 10, body(b"xyz"))
    assert refusal.value.facts == {"offset": 3}
    assert refusal.value.headers == {"Upload-Offset": "3"}
    assert await store.staged_size(tenant, upload) == 3


async def test_more_bytes_than_declared_leave_the_upload_where_it_was(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    await store.append(tenant, upload, 0, body(b"abc"), limit=10)
    with pytest.raises(LongerThanDeclared):
        await store.append(tenant, upload, 3, body(*in_slices(CONTENT, 65_536)), limit=2_000_000)
    assert await store.staged_size(tenant, upload) == 3
    assert (await store.append(tenant, upload, 3, body(b"defghij"), limit=10)).offset == 10


@pytest.mark.parametrize("offset", [0, 1, 5, 6])
async def test_truncating_keeps_exactly_the_bytes_before_the_offset(
    store: BlobStore, tenant: UUID, upload: UUID, offset: int
) -> None:
    await store.append(tenant, upload, 0, body(b"abc"))
    await store.append(tenant, upload, 3, body(b"def"))
    await store.truncate(tenant, upload, offset)
    assert await store.staged_size(tenant, upload) == offset
    await store.append(tenant, upload, offset, body(b"!"))
    content = b"abcdef"[:offset] + b"!"
    sha256 = hashlib.sha256(content).hexdigest()
    await store.finish(tenant, upload, sha256, len(content))
    assert await read_all(store, tenant, sha256, 100) == content


async def test_an_unknown_upload_is_empty_and_may_be_discarded(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    assert await store.staged_size(tenant, upload) == 0
    await store.truncate(tenant, upload, 0)
    await store.discard(tenant, upload)
    assert await store.staged_size(tenant, upload) == 0


async def test_right_length_with_wrong_bytes_is_refused_and_can_be_sent_again(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    damaged = bytes([CONTENT[0] ^ 1]) + CONTENT[1:]
    await store.append(tenant, upload, 0, body(damaged))
    with pytest.raises(WrongBytes) as refusal:
        await store.finish(tenant, upload, SHA256, len(CONTENT))
    assert refusal.value.facts["found"] == {
        "sha256": hashlib.sha256(damaged).hexdigest(),
        "size": len(CONTENT),
    }
    assert not await store.exists(tenant, SHA256)

    await store.append(tenant, upload, 0, body(CONTENT))
    assert (await store.finish(tenant, upload, SHA256, len(CONTENT))).is_new


async def test_an_unfinished_upload_does_not_become_a_blob(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    await store.append(tenant, upload, 0, body(CONTENT[:1000]))
    with pytest.raises(WrongBytes) as refusal:
        await store.finish(tenant, upload, SHA256, len(CONTENT))
    assert refusal.value.facts["found"] == {"sha256": None, "size": 1000}


async def test_knowing_a_hash_is_not_having_its_bytes(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    await store.put_small(tenant, CONTENT)
    with pytest.raises(WrongBytes):
        await store.finish(tenant, upload, SHA256, len(CONTENT))


async def test_finishing_again_after_a_crash_changes_nothing(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    await store.append(tenant, upload, 0, body(CONTENT))
    assert (await store.finish(tenant, upload, SHA256, len(CONTENT))).is_new
    assert not (await store.finish(tenant, upload, SHA256, len(CONTENT))).is_new
    await store.discard(tenant, upload)
    await store.discard(tenant, upload)
    assert await joined(await store.open(tenant, SHA256)) == CONTENT


async def test_writing_on_after_finishing_never_touches_the_blob(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    await store.append(tenant, upload, 0, body(CONTENT))
    await store.finish(tenant, upload, SHA256, len(CONTENT))
    await store.append(tenant, upload, len(CONTENT), body(b"more"))
    await store.append(tenant, upload, 10, body(b"other"))
    await store.truncate(tenant, upload, 3)
    assert await joined(await store.open(tenant, SHA256)) == CONTENT


async def test_equal_bytes_of_two_uploads_are_kept_once(store: BlobStore, tenant: UUID) -> None:
    news = []
    for upload in (uuid4(), uuid4()):
        await store.append(tenant, upload, 0, body(b"the same photo"))
        sha256 = hashlib.sha256(b"the same photo").hexdigest()
        news.append((await store.finish(tenant, upload, sha256, 14)).is_new)
    assert news == [True, False]


async def test_several_uploads_make_one_blob_in_the_order_they_are_named(
    store: BlobStore, tenant: UUID
) -> None:
    first, empty, second = uuid4(), uuid4(), uuid4()
    await store.append(tenant, first, 0, body(CONTENT[:2_000_000]))
    await store.append(tenant, second, 0, body(CONTENT[2_000_000:]))
    for turned in ((second, first), (first, first), (first,), ()):
        with pytest.raises(WrongBytes):
            await store.join(tenant, turned, SHA256, len(CONTENT))
    whole = await store.join(tenant, [first, empty, second], SHA256, len(CONTENT))
    assert (whole.size, whole.is_new) == (len(CONTENT), True)
    assert await joined(await store.open(tenant, SHA256)) == CONTENT
    assert not (await store.join(tenant, [first, second], SHA256, len(CONTENT))).is_new

    twice = hashlib.sha256(CONTENT[:2_000_000] * 2).hexdigest()
    assert (await store.join(tenant, [first, first], twice, 4_000_000)).is_new
    assert await store.staged_size(tenant, first) == 2_000_000


async def test_knowing_a_hash_does_not_make_other_parts_that_blob(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    await store.append(tenant, upload, 0, body(CONTENT))
    await store.finish(tenant, upload, SHA256, len(CONTENT))
    other = uuid4()
    await store.append(tenant, other, 0, body(bytes(len(CONTENT))))
    with pytest.raises(WrongBytes):
        await store.join(tenant, [other], SHA256, len(CONTENT))


async def test_hashes_take_in_what_is_written(store: BlobStore, tenant: UUID, upload: UUID) -> None:
    digest = hashlib.sha256()
    cut = Cut("the phone drove into a tunnel")
    chunks = in_slices(CONTENT, 70_001)
    await store.append(tenant, upload, 0, body(*chunks, error=cut), hashes=[digest])
    assert digest.hexdigest() == SHA256


async def test_an_upload_of_no_bytes_is_a_blob_of_no_bytes(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    assert (await store.finish(tenant, upload, EMPTY_SHA256, 0)).size == 0
    assert await joined(await store.open(tenant, EMPTY_SHA256)) == b""


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, None), (0, 0), (0, 1), (5, 1_048_581), (2_999_999, None), (17, 99_999_999), (9, 4)],
)
async def test_a_range_is_that_part_of_the_bytes(
    store: BlobStore, tenant: UUID, start: int, stop: int | None
) -> None:
    await store.put_small(tenant, CONTENT)
    assert await joined(await store.open(tenant, SHA256, start, stop)) == CONTENT[start:stop]


async def test_another_tenants_bytes_do_not_exist(store: BlobStore, tenant: UUID) -> None:
    stored = await store.put_small(tenant, b"ours alone " + tenant.bytes)
    stranger = uuid4()
    assert await store.exists(tenant, stored.sha256)
    assert not await store.exists(stranger, stored.sha256)
    for reading in (store.open(stranger, stored.sha256), store.stat(stranger, stored.sha256)):
        with pytest.raises(NoSuchBlob):
            await reading


@pytest.mark.parametrize(
    "name",
    ["", "../../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", "a" * 32 + "/" + "b" * 31],
)
async def test_only_a_hash_names_a_blob(store: BlobStore, tenant: UUID, name: str) -> None:
    with pytest.raises(NoSuchBlob):
        await store.open(tenant, name)
    with pytest.raises(NoSuchBlob):
        await store.exists(tenant, name)


async def test_retention_removes_the_bytes(store: BlobStore, tenant: UUID) -> None:
    stored = await store.put_small(tenant, b"old")
    await store.delete(tenant, stored.sha256)
    await store.delete(tenant, stored.sha256)
    assert not await store.exists(tenant, stored.sha256)
    assert (await store.put_small(tenant, b"old")).is_new


async def test_sweeping_takes_forgotten_uploads_and_leaves_blobs_and_living_ones(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    stored = await store.put_small(tenant, b"a blob")
    await store.append(tenant, upload, 0, body(b"abc"))
    await store.sweep(datetime.now(UTC) - timedelta(hours=1))
    assert await store.staged_size(tenant, upload) == 3
    assert await store.sweep(datetime.now(UTC) + timedelta(hours=1)) >= 1
    assert await store.staged_size(tenant, upload) == 0
    assert await store.exists(tenant, stored.sha256)


async def test_blobs_are_listed_by_the_day_they_were_written(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    kept = {(await store.put_small(tenant, content)).sha256 for content in (b"one", b"two")}
    await store.put_small(uuid4(), b"of others")
    await store.append(tenant, upload, 0, body(b"on its way"))
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    listed = [names async for names in store.list_blobs(tenant, tomorrow)]
    assert {name for names in listed for name in names} == kept
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert [names async for names in store.list_blobs(tenant, yesterday)] == []


async def test_a_cancelled_request_leaves_an_upload_that_can_go_on(
    store: BlobStore, tenant: UUID, upload: UUID
) -> None:
    waiting = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield CONTENT[:2_000_000]
        waiting.set()
        await asyncio.Event().wait()

    request = asyncio.create_task(store.append(tenant, upload, 0, stalls()))
    await waiting.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await store.append(tenant, upload, 0, body(CONTENT))
    assert (await store.finish(tenant, upload, SHA256, len(CONTENT))).size == len(CONTENT)


async def test_who_is_cancelled_leaves_only_when_the_thread_has_ended() -> None:
    has_begun, may_end = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(has_begun.set)
        may_end.wait(PATIENCE_S)

    waiting = asyncio.create_task(in_thread(work))
    await has_begun.wait()
    for _ in range(2):
        waiting.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_what_a_thread_raises_or_returns_comes_to_who_waits() -> None:
    def fails() -> None:
        raise NoSuchBlob("gone")

    with pytest.raises(NoSuchBlob, match="gone"):
        await in_thread(fails)
    assert await in_thread(max, 3, 5) == 5


@given(
    st.sampled_from([body, Filled]),
    st.lists(st.binary(max_size=40), max_size=30),
    st.integers(1, 50),
)
def test_a_body_is_regrouped_without_losing_or_turning_a_byte(
    kind: Any, chunks: list[bytes], size: int
) -> None:
    async def regrouped() -> list[bytes]:
        return [piece async for piece in Pieces(kind(*chunks), size, None)]

    pieces = asyncio.run(regrouped())
    assert b"".join(pieces) == b"".join(chunks)
    assert all(len(piece) == size for piece in pieces[:-1])
    assert all(0 < len(piece) <= size for piece in pieces)


async def test_bytes_that_come_one_by_one_are_gathered() -> None:
    content = bytes(range(256)) * 20
    pieces = Pieces(body(*in_slices(content, 1)), 3_000, None)
    assert [len(piece) async for piece in pieces] == [3_000, 2_120]
