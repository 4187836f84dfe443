"""The same uploads with their bytes in an S3 bucket."""

from dataclasses import replace
from uuid import UUID

import httpx
import pytest

from fsm.database import Database
from fsm.evidence.s3_store import S3BlobStore
from fsm.settings import Settings
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.evidence.conftest import S3Server, body
from tests.fsm.evidence.conftest import s3_server as s3_server
from tests.mobile_api.photos import (
    Phone,
    receipt_row,
    register_phone,
    snap,
)


@pytest.fixture
def settings(settings: Settings, s3_server: S3Server) -> Settings:
    return replace(settings, s3=s3_server.settings)


@pytest.fixture
async def phone(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> Phone:
    return Phone(client, await register_phone(database, company, clock))


async def test_a_photo_in_parts_becomes_one_object_and_can_be_read(
    phone: Phone, database: Database, company: Company, s3_server: S3Server
) -> None:
    photo = snap()
    path = await phone.start(photo)
    assert (await phone.send(path, 0, photo.content[:100])).status_code == 204
    assert (await phone.look(path)).headers["Upload-Offset"] == "100"
    assert (await phone.send(path, 100, photo.content[100:])).status_code == 204
    assert await receipt_row(database, company, photo) is not None
    own = s3_server.bucket_dir / str(company.id)
    stored = [file.name for file in own.rglob("*") if file.is_file()]
    assert stored == [photo.sha256]

    read = await phone.client.get(
        f"/blobs/{photo.sha256}", headers={**phone.headers, "Range": "bytes=10-19"}
    )
    assert (read.status_code, read.content) == (206, photo.content[10:20])


async def test_a_segment_without_an_offset_is_counted_and_a_lost_one_is_sent_again(
    phone: Phone, database: Database, company: Company, s3_server: S3Server
) -> None:
    photo = snap()
    path = await phone.start(photo)
    await phone.send(path, 0, photo.content[:100])
    store, upload_id = S3BlobStore(s3_server.settings), UUID(path[-36:])
    await store.append(company.id, upload_id, 100, body(photo.content[100:150]))
    assert (await phone.look(path)).headers["Upload-Offset"] == "150"
    await store.truncate(company.id, upload_id, 100)
    assert (await phone.look(path)).headers["Upload-Offset"] == "100"
    assert (await phone.send(path, 100, photo.content[100:])).status_code == 204
    assert await receipt_row(database, company, photo) is not None


async def test_wrong_bytes_leave_nothing_in_the_bucket(
    phone: Phone, company: Company, s3_server: S3Server
) -> None:
    photo = snap()
    path = await phone.start(photo)
    assert (await phone.send(path, 0, photo.content[::-1])).status_code == 422
    own = s3_server.bucket_dir / str(company.id)
    assert [file for file in own.rglob("*") if file.is_file()] == []
    assert (await phone.send(path, 0, photo.content)).status_code == 204
