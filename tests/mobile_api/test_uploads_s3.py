"""The same uploads with their bytes in a bucket of either S3 server."""

from dataclasses import replace
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from fsm.database import Database
from fsm.evidence.blobs import object_path
from fsm.evidence.s3_store import Patience, S3BlobStore
from fsm.settings import Settings
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.evidence.conftest import body
from tests.fsm.evidence.conftest import rclone as rclone
from tests.fsm.evidence.conftest import s3_server as s3_server
from tests.fsm.evidence.conftest import swift as swift
from tests.fsm.evidence.s3_faults import (
    bad_line,
    cuts_the_answer,
    cuts_the_request,
    loses_the_answer,
    refuses,
)
from tests.fsm.evidence.s3_servers import S3Server
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
    (stored,) = s3_server.sizes(company.id)
    assert stored.endswith(photo.sha256)

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
    photo, before = snap(), s3_server.sizes(company.id)
    path = await phone.start(photo)
    assert (await phone.send(path, 0, photo.content[::-1])).status_code == 422
    assert s3_server.sizes(company.id) == before
    assert (await phone.send(path, 0, photo.content)).status_code == 204


#: What befalls the requests to the S3 server: the fault, and which request it takes.
FAULTS = [
    (refuses(503, "SlowDown"), "PUT .*/staging/"),
    (loses_the_answer, "PUT .*/staging/"),
    (cuts_the_answer, "GET .*list-type=2"),
    (cuts_the_answer, "GET .*/staging/"),
    (cuts_the_request, "PUT .*/objects/"),
    (loses_the_answer, "PUT .*/objects/"),
    (refuses(500, "InternalError"), "DELETE .*/staging/|POST .*delete"),
]


async def test_a_phone_gets_its_photo_through_whatever_befalls_the_bucket(
    phone: Phone, app: Litestar, database: Database, company: Company, s3_server: S3Server
) -> None:
    with bad_line(s3_server.settings) as line:
        store = S3BlobStore(line.settings, Patience(connect_s=2, read_s=5, attempts=1))
        app.state.uploads = replace(app.state.uploads, blobs=store)
        for seed, (fault, befallen) in enumerate(FAULTS):
            photo = snap(seed)
            path = await phone.start(photo)
            line.fail(fault, befallen)
            refused, acked = 0, 0
            while acked < len(photo.content) or await receipt_row(database, company, photo) is None:
                half = photo.content[acked : acked + len(photo.content) // 2 + 1]
                sent = await phone.send(path, acked, half)
                if sent.status_code == 503:
                    refused += 1
                    assert (sent.json()["code"], sent.headers["Retry-After"]) == (
                        "storage-unavailable",
                        "5",
                    )
                    assert refused < 5
                looked = await phone.look(path)
                assert looked.status_code in (200, 503)
                if looked.status_code == 200:
                    assert int(looked.headers["Upload-Offset"]) >= acked
                    acked = int(looked.headers["Upload-Offset"])
            read = await phone.client.get(f"/blobs/{photo.sha256}", headers=phone.headers)
            assert read.content == photo.content
        assert len(line.happened) == len(FAULTS)
    photos = {object_path(snap(seed).sha256) for seed in range(len(FAULTS))}
    assert {key for key in s3_server.sizes(company.id) if "staging" not in key} == photos


async def test_parts_become_one_object_without_passing_through_the_phone_again(
    phone: Phone, database: Database, company: Company, s3_server: S3Server
) -> None:
    photo = snap()
    parts = []
    for half in (photo.content[:100], photo.content[100:]):
        part = {"Upload-Concat": "partial", "Upload-Length": str(len(half))}
        created = await phone.create(photo, content=half, **part)
        parts.append(created.headers["Location"])
    final = {"Upload-Concat": "final;" + " ".join(parts), "Upload-Length": None}
    created = await phone.create(photo, **final)
    assert (created.status_code, created.headers["Upload-Offset"]) == (201, str(len(photo.content)))
    assert await receipt_row(database, company, photo) is not None
    read = await phone.client.get(f"/blobs/{photo.sha256}", headers=phone.headers)
    assert read.content == photo.content
