"""What only files can get wrong: full disks, two writers, power cuts, odd file systems."""

import asyncio
import ctypes
import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from fsm.evidence.blobs import BlobStore, StorageFull, UploadBusy, blob_store
from fsm.evidence.local_store import LocalBlobStore
from fsm.settings import read_settings
from tests.fsm.evidence.conftest import body, in_slices, joined
from tests.patience import PATIENCE_S

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB, where we may mount one."""
    path = tmp_path / "small"
    path.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", os.fsencode(path), b"tmpfs", 0, b"size=3m") != 0:
        pytest.skip(f"cannot mount a small tmpfs: {os.strerror(ctypes.get_errno())}")
    try:
        yield path
    finally:
        assert libc.umount(os.fsencode(path)) == 0


async def test_a_full_disk_is_refused_and_costs_nothing_acknowledged(
    small_disk: Path, tenant: UUID, upload: UUID
) -> None:
    store = LocalBlobStore(small_disk)
    kept = await store.put_small(tenant, b"an older photo")
    await store.append(tenant, upload, 0, body(CONTENT))

    with pytest.raises(StorageFull) as refusal:
        await store.append(
            tenant, upload, len(CONTENT), body(*in_slices(os.urandom(5_000_000), 65_536))
        )
    assert refusal.value.status == 507
    assert await store.staged_size(tenant, upload) == len(CONTENT)

    # The room of the refused bytes is free again: smaller things still fit.
    await store.finish(tenant, upload, SHA256, len(CONTENT))
    assert await joined(await store.open(tenant, SHA256)) == CONTENT
    assert await joined(await store.open(tenant, kept.sha256)) == b"an older photo"


async def test_a_report_photo_that_does_not_fit_leaves_no_rest(
    small_disk: Path, tenant: UUID
) -> None:
    store = LocalBlobStore(small_disk)
    with pytest.raises(StorageFull):
        await store.put_small(tenant, os.urandom(5_000_000))
    assert [path for path in small_disk.rglob("*") if path.is_file()] == []


def test_a_file_size_limit_counts_as_a_full_disk(tmp_path: Path) -> None:
    program = f"""
import asyncio, resource, uuid
from pathlib import Path
from fsm.evidence.blobs import StorageFull
from fsm.evidence.local_store import LocalBlobStore

async def body():
    for _ in range(40):
        yield b"x" * 65536

async def main():
    store = LocalBlobStore(Path({str(tmp_path)!r}))
    tenant, upload = uuid.uuid4(), uuid.uuid4()
    try:
        await store.append(tenant, upload, 0, body())
    except StorageFull:
        print("refused", await store.staged_size(tenant, upload))

resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.stdout == "refused 0\n", done.stderr


async def test_a_second_writer_is_told_to_come_back(
    tmp_path: Path, tenant: UUID, upload: UUID
) -> None:
    first_store, second_store = LocalBlobStore(tmp_path), LocalBlobStore(tmp_path)
    is_writing, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"slow "
        is_writing.set()
        await may_end.wait()
        yield b"but first"

    first = asyncio.create_task(first_store.append(tenant, upload, 0, slow()))
    await is_writing.wait()
    with pytest.raises(UploadBusy):
        await second_store.append(tenant, upload, 0, body(b"second"))
    with pytest.raises(UploadBusy):
        await second_store.finish(tenant, upload, SHA256, 0)
    may_end.set()
    assert (await first).offset == 14
    assert (await second_store.append(tenant, upload, 14, body(b"!"))).offset == 15


async def test_bytes_are_on_the_disk_before_the_offset_is_told(
    tmp_path: Path, tenant: UUID, upload: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of system calls is all that can be seen without cutting the power."""
    calls: list[str] = []
    write, sync = os.pwritev, os.fsync

    def noted_write(fd: int, chunks: list[memoryview], at: int) -> int:
        calls.append("write")
        return write(fd, chunks, at)

    def noted_sync(fd: int) -> None:
        calls.append("sync directory" if Path(f"/proc/self/fd/{fd}").is_dir() else "sync file")
        sync(fd)

    monkeypatch.setattr(os, "pwritev", noted_write)
    monkeypatch.setattr(os, "fsync", noted_sync)
    store = LocalBlobStore(tmp_path)
    await store.append(tenant, upload, 0, body(CONTENT))
    assert calls[-3:] == ["write", "sync file", "sync directory"]

    calls.clear()
    await store.finish(tenant, upload, SHA256, len(CONTENT))
    assert calls[-1] == "sync directory"
    assert calls.index("sync file") < len(calls) - 1


@pytest.mark.parametrize("call", ["pwritev", "fsync", "ftruncate"])
async def test_a_disk_that_fails_acknowledges_nothing_and_the_upload_goes_on_afterwards(
    tmp_path: Path, tenant: UUID, upload: UUID, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "the disk is dying")

    store = LocalBlobStore(tmp_path)
    await store.append(tenant, upload, 0, body(CONTENT[:5_000]))
    await store.append(tenant, upload, 5_000, body(b"never acknowledged"))
    with monkeypatch.context() as dying:
        dying.setattr(os, call, fails)
        with pytest.raises(OSError, match="dying"):
            await store.append(tenant, upload, 5_000, body(CONTENT[5_000:]))
    assert await store.staged_size(tenant, upload) >= 5_000
    await store.append(tenant, upload, 5_000, body(CONTENT[5_000:]))
    assert (await store.finish(tenant, upload, SHA256, len(CONTENT))).is_new
    assert await joined(await store.open(tenant, SHA256)) == CONTENT


async def test_a_short_write_is_continued(
    tmp_path: Path, tenant: UUID, upload: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite
    monkeypatch.setattr(
        os, "pwritev", lambda fd, chunks, at: write(fd, b"".join(chunks)[:70_000], at)
    )
    store = LocalBlobStore(tmp_path)
    await store.append(tenant, upload, 0, body(*in_slices(CONTENT, 65_536)))
    await store.finish(tenant, upload, SHA256, len(CONTENT))
    assert await joined(await store.open(tenant, SHA256)) == CONTENT


async def test_a_file_system_without_links_gets_a_copy(
    tmp_path: Path, tenant: UUID, upload: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "not here")

    monkeypatch.setattr(os, "link", no_links)
    store = LocalBlobStore(tmp_path)
    await store.append(tenant, upload, 0, body(CONTENT))
    await store.finish(tenant, upload, SHA256, len(CONTENT))
    await store.discard(tenant, upload)
    assert await joined(await store.open(tenant, SHA256)) == CONTENT


async def test_a_blob_torn_by_a_power_cut_is_replaced(
    tmp_path: Path, tenant: UUID, upload: UUID
) -> None:
    store = LocalBlobStore(tmp_path)
    await store.put_small(tenant, CONTENT)
    (torn,) = tmp_path.rglob(SHA256)
    torn.write_bytes(CONTENT[:4096])

    await store.append(tenant, upload, 0, body(CONTENT))
    assert (await store.finish(tenant, upload, SHA256, len(CONTENT))).is_new
    assert await joined(await store.open(tenant, SHA256)) == CONTENT


async def test_a_name_left_by_a_crash_does_not_stop_the_next_try(
    tmp_path: Path, tenant: UUID, upload: UUID
) -> None:
    store = LocalBlobStore(tmp_path)
    await store.append(tenant, upload, 0, body(CONTENT))
    left = tmp_path / str(tenant) / "objects" / SHA256[:2] / SHA256[2:4]
    left.mkdir(parents=True)
    (left / f"{SHA256}.{upload}.tmp").write_bytes(b"half")
    await store.finish(tenant, upload, SHA256, len(CONTENT))
    assert [path.name for path in left.iterdir()] == [SHA256]


async def test_files_lie_below_their_tenant_and_nowhere_else(
    tmp_path: Path, tenant: UUID, upload: UUID
) -> None:
    store = LocalBlobStore(tmp_path)
    await store.append(tenant, upload, 0, body(CONTENT))
    await store.finish(tenant, upload, SHA256, len(CONTENT))
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        f"{tenant}/staging/{upload}.bin",
        f"{tenant}/objects/{SHA256[:2]}/{SHA256[2:4]}/{SHA256}",
    }
    # One copy on the disk, two names.
    assert len({path.stat().st_ino for path in tmp_path.rglob("*") if path.is_file()}) == 1


async def test_abandoned_readers_leave_no_file_open(tmp_path: Path, tenant: UUID) -> None:
    store = LocalBlobStore(tmp_path)
    await store.put_small(tenant, CONTENT * 3)
    before = len(list(Path("/proc/self/fd").iterdir()))
    sha256 = hashlib.sha256(CONTENT * 3).hexdigest()
    readers = [await store.open(tenant, sha256) for _ in range(20)]
    for reader in readers:
        assert await anext(reader)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 16  # threads may open theirs


def test_settings_choose_the_store(tmp_path: Path) -> None:
    env = {
        "FSM_DATABASE_URL": "postgresql://x@y/z",
        "FSM_SECRET": "s" * 32,
        "FSM_BLOB_DIR": str(tmp_path),
    }
    stores: list[BlobStore] = [
        blob_store(read_settings(env)),
        blob_store(read_settings({**env, "FSM_S3_BUCKET": "fsm"})),
    ]
    assert [type(store).__name__ for store in stores] == ["LocalBlobStore", "S3BlobStore"]


def test_local_files_need_no_boto3() -> None:
    program = (
        "import sys, fsm.evidence.local_store, fsm.evidence.s3_store; "
        "sys.exit(any(name.startswith(('boto', 'PIL')) for name in sys.modules))"
    )
    assert (
        subprocess.run([sys.executable, "-c", program], timeout=PATIENCE_S, check=False).returncode
        == 0
    )
