"""Real stores to test against: a directory, and two S3 servers that are started when first asked for."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from fsm.evidence.blobs import BlobStore
from fsm.evidence.local_store import LocalBlobStore
from fsm.evidence.s3_store import S3BlobStore
from tests.fsm.evidence import s3_servers
from tests.fsm.evidence.s3_servers import S3Server


class Cut(Exception):
    """The connection went away."""


async def body(*pieces: bytes, error: BaseException | None = None) -> AsyncIterator[bytes]:
    """Yield the pieces as a request body would, then fail if told to."""
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece
    if error is not None:
        raise error


class Filled:
    """The same as a body that goes where the store wants it: `fsm.evidence.blobs.Filling`."""

    def __init__(self, *pieces: bytes, error: Exception | None = None) -> None:
        self._rest = b"".join(pieces)
        self._error = error
        self.has_ended = False

    async def fill(self, into: memoryview) -> int:
        await asyncio.sleep(0)
        if not self._rest and self._error is not None:
            raise self._error
        filled = min(len(into), len(self._rest))
        into[:filled], self._rest = self._rest[:filled], self._rest[filled:]
        self.has_ended = not self._rest and self._error is None
        return filled


async def joined(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


def in_slices(content: bytes, size: int) -> Iterable[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_servers.rclone(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_servers.swift(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest.fixture(scope="session")
def stores_by_server() -> dict[str, S3BlobStore]:
    """One client a server for all tests: making one takes about as long as all else they do."""
    return {}


@pytest.fixture(params=["rclone", "swift"])
def s3_server(request: pytest.FixtureRequest) -> S3Server:
    """Each S3 server in turn."""
    server: S3Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def s3_store(s3_server: S3Server, stores_by_server: dict[str, S3BlobStore]) -> S3BlobStore:
    return stores_by_server.setdefault(s3_server.name, S3BlobStore(s3_server.settings))


@pytest.fixture(params=["local", "rclone", "swift"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, stores_by_server: dict[str, S3BlobStore]
) -> BlobStore:
    """Each kind of store in turn."""
    if request.param == "local":
        return LocalBlobStore(tmp_path / "blobs")
    server: S3Server = request.getfixturevalue(request.param)
    return stores_by_server.setdefault(server.name, S3BlobStore(server.settings))


@pytest.fixture
def tenant() -> UUID:
    return uuid4()


@pytest.fixture
def upload() -> UUID:
    return uuid4()
