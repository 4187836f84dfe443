"""Two requests about one upload, and requests that never came to their end."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlmodel import col, update
from uuid_utils.compat import uuid7

from fsm.database import Database
from fsm.evidence.blobs import StorageUnavailable, blob_store
from fsm.evidence.local_store import LocalBlobStore
from fsm.evidence.tables import Upload
from fsm.http import wall_clock
from fsm.settings import Settings
from mobile_api import upload_routes, uploads, writers
from tests.company import Company
from tests.conftest import Clock
from tests.mobile_api.photos import (
    Phone,
    checksum,
    receipt_row,
    register_phone,
    snap,
    upload_row,
)


@pytest.fixture
async def phone(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> Phone:
    return Phone(client, await register_phone(database, company, clock))


class Line:
    """A body that brings `first`, and `last` when it `goes_on`: a phone that has left the house."""

    def __init__(self, first: bytes, *, last: bytes = b"") -> None:
        self._first = first
        self._last = last
        self.is_silent = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._first
        self.is_silent.set()
        await self.goes_on.wait()
        yield self._last


def id_of(path: str) -> UUID:
    return UUID(path.rpartition("/")[2])


async def write_row(database: Database, company: Company, path: str, **values: object) -> None:
    async with database.transaction(company.id) as session:
        await session.exec(
            update(Upload)
            .where(col(Upload.tenant_id) == company.id, col(Upload.id) == id_of(path))
            .values(**values)
        )


async def stage(settings: Settings, company: Company, path: str, content: bytes) -> None:
    """Put bytes where an upload's bytes lie, as a server does that dies before its row is written."""

    async def pieces() -> AsyncIterator[bytes]:
        yield content

    await blob_store(settings).append(company.id, id_of(path), 0, pieces())


@pytest.mark.parametrize("method", ["HEAD", "PATCH"])
async def test_a_phone_that_comes_back_cuts_its_own_dead_connection(
    phone: Phone, database: Database, company: Company, method: str
) -> None:
    photo = snap()
    path = await phone.start(photo)
    dead = Line(photo.content[:100])
    first = asyncio.create_task(phone.send(path, 0, dead))
    await dead.is_silent.wait()

    if method == "HEAD":
        told = await phone.look(path)
        assert (told.status_code, told.headers["Upload-Offset"]) == (200, "100")
    else:  # it did not ask: the answer says where the bytes are
        clash = await phone.send(path, 0, photo.content)
        assert (clash.status_code, clash.headers["Upload-Offset"]) == (409, "100")
    cut = await first
    assert (cut.status_code, cut.json()["code"]) == (423, "upload-busy")
    assert (await phone.send(path, 100, photo.content[100:])).status_code == 204
    assert await receipt_row(database, company, photo) is not None


async def test_bytes_under_a_checksum_count_all_together_or_not_at_all(phone: Phone) -> None:
    photo = snap()
    path = await phone.start(photo)
    dead = Line(photo.content[:100])
    first = asyncio.create_task(phone.send(path, 0, dead, **checksum(photo.content)))
    await dead.is_silent.wait()
    told = await phone.look(path)
    assert told.headers["Upload-Offset"] == "0"
    assert (await first).status_code == 460


async def test_a_writer_in_another_process_gives_way_when_its_lease_is_contested(
    phone: Phone, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "BEAT_S", 0.01)
    is_contested = asyncio.Event()
    renew = uploads.renew_lease

    async def renew_once_contested(*args: Any) -> bool:
        await is_contested.wait()
        return await renew(*args)

    monkeypatch.setattr(uploads, "renew_lease", renew_once_contested)
    photo = snap()
    path = await phone.start(photo)
    line = Line(photo.content[:100])
    first = asyncio.create_task(phone.send(path, 0, line))
    await line.is_silent.wait()
    await write_row(database, company, path, is_contested=True)  # as the other process does
    is_contested.set()
    assert (await first).status_code == 423
    row = await upload_row(database, company, path)
    assert row is not None
    assert (row.received, row.writer, row.is_contested) == (100, None, False)


async def test_who_lost_an_upload_to_another_process_refuses_none_of_its_bytes(
    phone: Phone, database: Database, company: Company
) -> None:
    photo = snap()
    path = await phone.start(photo)
    line = Line(bytes(len(photo.content) - 1), last=b"!")  # not what was declared
    first = asyncio.create_task(phone.send(path, 0, line))
    await line.is_silent.wait()
    other = uuid7()
    await write_row(database, company, path, writer=other)
    line.goes_on.set()
    assert (await first).status_code == 423
    row = await upload_row(database, company, path)
    assert row is not None
    assert (row.writer, row.failure) == (other, None)


async def test_a_newcomer_asks_the_other_process_and_waits_for_its_bytes(
    phone: Phone, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_routes, "CONTESTED_S", 0.01)
    photo = snap()
    path = await phone.start(photo)
    lease = {"writer": uuid7(), "writing_until": wall_clock() + timedelta(minutes=5)}
    await write_row(database, company, path, **lease)
    asking = asyncio.create_task(phone.look(path))
    while True:
        row = await upload_row(database, company, path)
        assert row is not None
        if row.is_contested:
            break
        await asyncio.sleep(0.01)
    assert not asking.done()
    await write_row(database, company, path, writer=None, writing_until=None)
    assert (await asking).status_code == 200


async def test_a_writer_that_does_not_give_way_keeps_the_upload(
    phone: Phone, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_routes, "CONTESTED_S", 0.01)
    monkeypatch.setattr(upload_routes, "PATIENCE_S", 0.05)
    photo = snap()
    path = await phone.start(photo)
    lease = {"writer": uuid7(), "writing_until": wall_clock() + timedelta(minutes=5)}
    await write_row(database, company, path, **lease)
    refused = await phone.send(path, 0, photo.content)
    assert (refused.status_code, refused.json()["code"]) == (423, "upload-busy")
    assert refused.headers["Tus-Resumable"] == "1.0.0"


async def test_the_lease_of_a_process_that_died_runs_out(
    phone: Phone, database: Database, company: Company
) -> None:
    photo = snap()
    path = await phone.start(photo)
    lease = {"writer": uuid7(), "writing_until": wall_clock() - timedelta(seconds=1)}
    await write_row(database, company, path, **lease)
    assert (await phone.send(path, 0, photo.content)).status_code == 204


async def test_bytes_that_a_crash_left_without_an_offset_are_not_sent_again(
    phone: Phone, database: Database, company: Company, settings: Settings
) -> None:
    photo = snap()
    path = await phone.start(photo)
    await stage(settings, company, path, photo.content[:100])
    assert (await phone.look(path)).headers["Upload-Offset"] == "100"
    assert (await phone.send(path, 100, photo.content[100:])).status_code == 204
    assert await receipt_row(database, company, photo) is not None


async def test_unchecked_bytes_that_a_crash_left_do_not_count(
    phone: Phone, database: Database, company: Company, settings: Settings
) -> None:
    photo = snap()
    path = await phone.start(photo)
    await stage(settings, company, path, b"?" * 100)
    await write_row(database, company, path, is_all_or_nothing=True)
    assert (await phone.look(path)).headers["Upload-Offset"] == "0"
    assert (await phone.send(path, 0, photo.content)).status_code == 204


async def test_an_offset_whose_bytes_are_gone_moves_back(
    phone: Phone, settings: Settings, company: Company
) -> None:
    photo = snap()
    path = await phone.start(photo)
    await phone.send(path, 0, photo.content[:100])
    await blob_store(settings).truncate(company.id, id_of(path), 40)  # a restored backup
    assert (await phone.look(path)).headers["Upload-Offset"] == "40"
    assert (await phone.send(path, 40, photo.content[40:])).status_code == 204


async def test_a_crash_after_the_last_byte_is_made_good_by_the_next_question(
    phone: Phone, database: Database, company: Company, settings: Settings
) -> None:
    photo = snap()
    path = await phone.start(photo)
    await stage(settings, company, path, photo.content)
    await write_row(database, company, path, received=len(photo.content))
    assert await receipt_row(database, company, photo) is None
    told = await phone.look(path)
    assert told.headers["Upload-Offset"] == str(len(photo.content))
    assert await receipt_row(database, company, photo) is not None


async def test_a_store_that_fails_at_the_last_step_keeps_what_has_arrived(
    phone: Phone, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise StorageUnavailable("The store does not answer. Try again.")

    photo = snap()
    path = await phone.start(photo)
    with monkeypatch.context() as failing:
        failing.setattr(LocalBlobStore, "finish", fails)
        assert (await phone.send(path, 0, photo.content)).status_code == 503
        row = await upload_row(database, company, path)
        assert row is not None
        assert (row.received, row.writer, row.finished_at) == (len(photo.content), None, None)
    assert (await phone.look(path)).status_code == 200
    assert await receipt_row(database, company, photo) is not None


async def test_a_crash_between_commit_and_clean_up_costs_nothing(
    phone: Phone, database: Database, company: Company, settings: Settings
) -> None:
    photo = snap()
    path = await phone.start(photo)
    await phone.send(path, 0, photo.content)
    await stage(settings, company, path, photo.content)
    size = str(len(photo.content))
    assert (await phone.look(path)).headers["Upload-Offset"] == size
    assert (await phone.end(path)).status_code == 204
    assert list(settings.blob_dir.glob("*/staging/*")) == []


async def test_many_phones_at_once_sending_one_photo_store_it_once(
    phone: Phone, database: Database, company: Company, settings: Settings
) -> None:
    photo = snap()
    paths = [await phone.start(photo) for _ in range(4)]
    answers = await asyncio.gather(*(phone.send(path, 0, photo.content) for path in paths))
    assert [answer.status_code for answer in answers] == [204] * 4
    assert len(list(settings.blob_dir.glob("*/objects/*/*/*"))) == 1
