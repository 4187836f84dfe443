"""Bytes are hashed while they come, and read again exactly where this process did not see them all."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from sqlmodel import col, update
from uuid_utils.compat import uuid7

from fsm.database import Database
from fsm.evidence.blobs import blob_store, read_all
from fsm.evidence.tables import Blob, Upload
from fsm.settings import Settings
from mobile_api import received
from mobile_api.running_hashes import RunningHashes
from tests.company import Company
from tests.conftest import Clock
from tests.mobile_api.photos import Phone, receipt_row, register_phone, snap


@pytest.fixture
async def phone(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> Phone:
    return Phone(client, await register_phone(database, company, clock))


def never(*_: object) -> None:
    raise AssertionError("the bytes were read again")


async def test_a_photo_that_one_process_took_is_not_read_again(
    phone: Phone, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashlib, "file_digest", never)
    photo = snap()
    path = await phone.start(photo)
    for begin, end in ((0, 100), (100, 101), (101, None)):
        assert (await phone.send(path, begin, photo.content[begin:end])).status_code == 204
    assert await receipt_row(database, company, photo) is not None
    other = snap(2)
    assert (await phone.create(other, content=other.content[::-1])).status_code == 422


async def test_how_a_photo_begins_is_read_again_only_where_its_last_request_did_not_bring_it(
    phone: Phone, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    async def read_head(*arguments: Any) -> bytes:
        read.append(arguments[2])
        return await read_all(*arguments)

    monkeypatch.setattr(received, "read_all", read_head)
    whole, halved = snap(1), snap(2)
    await phone.deliver(whole)
    assert read == []
    path = await phone.start(halved)
    await phone.send(path, 0, halved.content[:2000])
    assert (await phone.send(path, 2000, halved.content[2000:])).status_code == 204
    assert read == [halved.sha256]
    async with database.transaction(company.id) as session:
        known = {
            photo.sha256: await session.get(Blob, (company.id, photo.digest))
            for photo in (whole, halved)
        }
    assert {blob and (blob.mime, blob.info["width"]) for blob in known.values()} == {
        ("image/jpeg", 160)
    }


async def test_a_process_that_was_started_anew_reads_what_came_before(
    phone: Phone, app: Litestar, database: Database, company: Company
) -> None:
    photo = snap()
    path = await phone.start(photo)
    await phone.send(path, 0, photo.content[:100])
    app.state.uploads = replace(app.state.uploads, hashes=RunningHashes())
    assert (await phone.send(path, 100, photo.content[100:])).status_code == 204
    assert await receipt_row(database, company, photo) is not None


async def test_bytes_that_another_process_wrote_meanwhile_are_not_taken_on_trust(
    phone: Phone, database: Database, company: Company, settings: Settings
) -> None:
    photo = snap()
    path = await phone.start(photo)
    await phone.send(path, 0, photo.content[:100])
    upload_id = UUID(path[-36:])

    async def others() -> AsyncIterator[bytes]:
        yield b"?" * 100

    await blob_store(settings).append(company.id, upload_id, 0, others())
    async with database.transaction(company.id) as session:
        await session.exec(
            update(Upload).where(col(Upload.id) == upload_id).values(last_writer=uuid7())
        )
    refused = await phone.send(path, 100, photo.content[100:])
    assert (refused.status_code, refused.json()["code"]) == (422, "wrong-bytes")


def test_a_hash_goes_on_only_where_it_stopped() -> None:
    hashes, upload, writer = RunningHashes(), uuid7(), uuid7()
    begun = hashes.resume(upload, None, 0)
    begun.update(b"abc")
    hashes.keep(upload, writer, 3, begun)
    assert hashes.resume(upload, uuid7(), 3) is None
    assert hashes.resume(upload, writer, 2) is None
    failed = hashes.resume(upload, writer, 3)
    failed.update(b"a request that came to nothing")
    again = hashes.resume(upload, writer, 3)
    again.update(b"def")
    last = uuid7()
    hashes.keep(upload, last, 6, again)
    assert hashes.digest(upload, writer, 6) is None, "and it is gone then"
    hashes.keep(upload, last, 6, again)
    assert hashes.digest(upload, last, 6) == hashlib.sha256(b"abcdef").hexdigest()


def test_the_oldest_hashes_make_room() -> None:
    hashes, writer = RunningHashes(), uuid7()
    uploads = [uuid7() for _ in range(1_001)]
    for upload in uploads:
        hashes.keep(upload, writer, 0, hashlib.sha256())
    assert hashes.digest(uploads[0], writer, 0) is None
    assert hashes.digest(uploads[1], writer, 0) is not None
