"""A failing line to real S3 servers: nothing acknowledged is lost or doubled, and trying again works."""

import hashlib
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from fsm.evidence.blobs import StorageUnavailable, WrongBytes, object_path
from fsm.evidence.s3_store import Patience, S3BlobStore
from tests.fsm.evidence import s3_faults
from tests.fsm.evidence.conftest import Cut, body, joined
from tests.fsm.evidence.s3_faults import Exchange, Fault, Line
from tests.fsm.evidence.s3_servers import S3Server

HASTE = Patience(connect_s=2, read_s=1, attempts=1)
CONTENT = random.Random(3).randbytes(90_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()

FAULTS: dict[str, Fault] = {
    "500": s3_faults.refuses(500, "InternalError"),
    "503": s3_faults.refuses(503, "SlowDown"),
    "silence": s3_faults.falls_silent,
    "cut request": s3_faults.cuts_the_request,
    "cut answer": s3_faults.cuts_the_answer,
    "lost answer": s3_faults.loses_the_answer,
}

#: Every kind of request in an upload's life.
PLACES = [
    "GET .*list-type=2",
    "PUT .*/staging/",
    "GET .*/staging/",
    "HEAD .*/objects/",
    "PUT .*/objects/",
    "DELETE .*/staging/|POST .*delete",
    "GET .*/objects/",
]


@pytest.fixture
def line(s3_server: S3Server) -> Iterator[Line]:
    with s3_faults.bad_line(s3_server.settings) as line:
        yield line


@pytest.fixture
def hasty(line: Line) -> S3BlobStore:
    """A store over the bad line that gives up after one try and a second of silence."""
    return S3BlobStore(line.settings, HASTE)


async def eventually(work: Callable[[], Awaitable[Any]], tries: int = 12) -> tuple[Any, int]:
    """Do it again while the storage is unavailable; return the result and how often it was."""
    for refused in range(tries):
        try:
            return await work(), refused
        except StorageUnavailable:
            continue
    raise AssertionError(f"still refused after {tries} tries")


@dataclass
class Sender:
    """A phone and the server's row about its upload: it goes on from what was acknowledged."""

    store: S3BlobStore
    tenant: UUID
    chance: random.Random
    refused: int = 0

    async def deliver(self, content: bytes) -> bytes:
        """Send the content in requests that break off, make it a blob and read that back."""
        store, tenant, upload = self.store, self.tenant, uuid4()
        sha256, size = hashlib.sha256(content).hexdigest(), len(content)
        acked = 0
        while acked < size:
            stop = min(acked + self.chance.randint(size // 3, size), size)
            pieces = content[acked:stop]
            cut = Cut() if self.chance.random() < 0.5 else None
            send = partial(store.append, tenant, upload, acked, limit=size)
            appended = await self._do(lambda: send(body(pieces, error=cut)))  # noqa: B023
            acked = appended.offset
            assert acked == stop
            assert await self._do(lambda: store.staged_size(tenant, upload)) >= acked
        stored = await self._do(lambda: store.finish(tenant, upload, sha256, size))
        assert (stored.sha256, stored.size) == (sha256, size)
        await self._do(lambda: store.discard(tenant, upload))
        return await self._do(lambda: self._read(sha256))

    async def _read(self, sha256: str) -> bytes:
        return await joined(await self.store.open(self.tenant, sha256))

    async def _do(self, work: Callable[[], Awaitable[Any]]) -> Any:
        result, refused = await eventually(work)
        self.refused += refused
        return result


# What never reaches the server needs but one of them.
@pytest.mark.parametrize(
    ("s3_server", "fault"),
    [("swift", "cut request"), ("swift", "lost answer"), *(("rclone", fault) for fault in FAULTS)],
    indirect=["s3_server"],
)
async def test_whatever_request_fails_the_upload_arrives_whole_and_once(
    line: Line, hasty: S3BlobStore, s3_server: S3Server, tenant: UUID, fault: str
) -> None:
    places = PLACES if fault != "silence" else PLACES[1:6:2]  # each costs a second
    contents = [CONTENT[: 10_000 + number] for number in range(len(places))]
    for place, content in zip(places, contents, strict=True):
        line.fail(FAULTS[fault], place)
        sender = Sender(hasty, tenant, random.Random(fault))
        assert await sender.deliver(content) == content
        # The head of a cut answer may say all there is to know.
        assert sender.refused or fault == "cut answer"
    assert len(line.happened) == len(places)
    kept = {object_path(hashlib.sha256(content).hexdigest()): len(content) for content in contents}
    assert s3_server.sizes(tenant) == kept


async def test_faults_in_any_order_lose_and_double_nothing(
    line: Line, hasty: S3BlobStore, s3_server: S3Server, tenant: UUID
) -> None:
    chance = random.Random(11)
    faults = [fault for name, fault in FAULTS.items() if name != "silence"]

    def sometimes(_: Exchange) -> Fault | None:
        return chance.choice(faults) if chance.random() < 0.2 else None

    line.choose = sometimes
    kept = {}
    for number in range(8):
        content = CONTENT[number : 20_000 + number]
        assert await Sender(hasty, tenant, chance).deliver(content) == content
        kept[object_path(hashlib.sha256(content).hexdigest())] = len(content)
    assert len(line.happened) > 20
    assert s3_server.sizes(tenant) == kept


async def test_a_passing_fault_is_not_even_noticed(line: Line, tenant: UUID, upload: UUID) -> None:
    store = S3BlobStore(line.settings, Patience(connect_s=2, read_s=1, attempts=3))
    line.fail(FAULTS["503"], "PUT .*/staging/", times=2)
    line.fail(FAULTS["lost answer"], "PUT .*/objects/")
    await store.append(tenant, upload, 0, body(CONTENT))
    assert (await store.finish(tenant, upload, SHA256, len(CONTENT))).size == len(CONTENT)
    assert len(line.happened) == 3


async def test_a_server_that_falls_silent_is_asked_only_so_often(
    line: Line, tenant: UUID, upload: UUID
) -> None:
    store = S3BlobStore(line.settings, Patience(connect_s=2, read_s=0.3, attempts=2))
    line.fail(FAULTS["silence"], "GET .*list-type=2", times=9)
    with pytest.raises(StorageUnavailable):
        await store.append(tenant, upload, 0, body(CONTENT))
    assert len(line.happened) == 2


async def test_a_segment_that_arrives_after_it_was_given_up_replaces_nothing(
    line: Line, hasty: S3BlobStore, tenant: UUID, upload: UUID
) -> None:
    """The first try stalls with a short piece, the second brings a longer one, then the first lands."""
    line.fail(line.delays, "PUT .*/staging/")
    with pytest.raises(StorageUnavailable):
        await hasty.append(tenant, upload, 0, body(CONTENT[:1_000], error=Cut()))
    await eventually(lambda: hasty.append(tenant, upload, 0, body(CONTENT[:50_000])))
    assert line.deliver() == 1
    assert await hasty.staged_size(tenant, upload) == 50_000

    # And the other way round: the late one is longer than what was acknowledged in its place.
    line.fail(line.delays, "PUT .*/staging/")
    with pytest.raises(StorageUnavailable):
        await hasty.append(tenant, upload, 50_000, body(CONTENT[50_000:80_000]))
    for start, stop in ((50_000, 60_000), (60_000, 90_000)):
        send = partial(hasty.append, tenant, upload, start)
        await eventually(lambda: send(body(CONTENT[start:stop])))  # noqa: B023
    assert line.deliver() == 1
    assert await hasty.staged_size(tenant, upload) == len(CONTENT)
    assert (await hasty.finish(tenant, upload, SHA256, len(CONTENT))).is_new
    assert await joined(await hasty.open(tenant, SHA256)) == CONTENT


@pytest.mark.parametrize("place", ["/staging/", "/objects/"])
async def test_bytes_damaged_on_the_way_never_become_a_blob(
    line: Line, hasty: S3BlobStore, tenant: UUID, upload: UUID, place: str
) -> None:
    line.fail(s3_faults.damages_the_request, f"PUT .*{place}")

    async def send() -> None:
        await hasty.append(tenant, upload, 0, body(CONTENT))
        await hasty.finish(tenant, upload, SHA256, len(CONTENT))

    with pytest.raises((StorageUnavailable, WrongBytes)):
        await send()
    assert not await hasty.exists(tenant, SHA256)
    await send()
    assert await joined(await hasty.open(tenant, SHA256)) == CONTENT
