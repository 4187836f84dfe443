"""`/files` over HTTP: what each request of tus is answered, and what it leaves behind."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from fsm.database import Database
from fsm.evidence.blobs import blob_store
from fsm.evidence.queries import signed_form
from fsm.evidence.receipts import ReceiptKey, verify_receipt
from fsm.jobs import Job
from fsm.settings import Settings
from mobile_api import upload_creation, uploads
from tests.company import Company
from tests.conftest import Clock
from tests.mobile_api.photos import (
    BYTES,
    TUS,
    Phone,
    Snap,
    blob_row,
    checksum,
    hire,
    path_of,
    receipt_row,
    register_phone,
    snap,
    upload_metadata,
    upload_row,
)


@pytest.fixture
async def phone(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> Phone:
    return Phone(client, await register_phone(database, company, clock))


def staged_files(settings: Settings) -> list[Path]:
    return list(settings.blob_dir.glob("*/staging/*"))


@pytest.mark.parametrize("address", ["/files", f"/files/{UUID(int=7)}"])
async def test_anybody_may_ask_what_the_server_understands(
    client: httpx.AsyncClient, address: str
) -> None:
    answer = await client.options(address)
    assert answer.status_code == 200
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert "checksum-trailer" not in answer.headers["Tus-Extension"]
    assert answer.headers["Tus-Max-Size"] == "64000000"


async def test_a_photo_sent_in_parts_is_kept_with_its_receipt(
    phone: Phone, database: Database, company: Company, settings: Settings
) -> None:
    photo = snap()
    created = await phone.create(photo)
    assert created.status_code == 201
    assert created.headers["Location"].startswith("http://fsm.test/files/")
    assert "Upload-Expires" in created.headers
    assert "Upload-Offset" not in created.headers
    path = path_of(created)
    half = len(photo.content) // 2

    first = await phone.send(path, 0, photo.content[:half])
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, str(half))
    asked = await phone.look(path)
    assert asked.status_code == 200
    assert asked.content == b""
    assert asked.headers["Upload-Offset"] == str(half)
    assert asked.headers["Upload-Length"] == str(len(photo.content))
    assert asked.headers["Upload-Metadata"] == upload_metadata(photo.metadata)
    assert asked.headers["Cache-Control"] == "no-store"
    assert await blob_row(database, company, photo) is None

    last = await phone.send(path, half, photo.content[half:])
    assert (last.status_code, last.headers["Upload-Offset"]) == (204, str(len(photo.content)))
    blob = await blob_row(database, company, photo)
    assert blob is not None
    assert (blob.mime, blob.size) == ("image/jpeg", len(photo.content))
    assert blob.info == {"mime": "image/jpeg", "width": 160, "height": 120}
    assert staged_files(settings) == []

    receipt = await receipt_row(database, company, photo)
    assert receipt is not None
    assert receipt.device_id is not None
    key = ReceiptKey.from_seed(settings.receipt_key_seed)
    verify_receipt(signed_form(receipt).to_json(), {key.kid: key.public})


async def test_a_photo_may_come_with_the_request_that_creates_its_upload(
    phone: Phone, database: Database, company: Company
) -> None:
    photo = snap()
    created = await phone.create(photo, content=photo.content)
    assert created.status_code == 201
    assert created.headers["Upload-Offset"] == str(len(photo.content))
    assert await receipt_row(database, company, photo) is not None


async def test_the_length_may_be_told_later_and_once(phone: Phone) -> None:
    photo = snap()
    deferred = {"Upload-Length": None, "Upload-Defer-Length": "1"}
    path = await phone.start(photo, **deferred)
    assert (await phone.look(path)).headers["Upload-Defer-Length"] == "1"
    await phone.send(path, 0, photo.content[:100])
    length = {"Upload-Length": str(len(photo.content))}
    told = await phone.send(path, 100, photo.content[100:200], **length)
    assert told.status_code == 204
    changed = await phone.send(path, 200, b"x", **{"Upload-Length": "201"})
    assert (changed.status_code, changed.json()["code"]) == (400, "malformed-upload")
    done = await phone.send(path, 200, photo.content[200:])
    assert done.status_code == 204


async def test_bytes_that_the_same_user_has_sent_are_not_sent_again(
    phone: Phone, database: Database, company: Company
) -> None:
    photo = snap()
    assert (await phone.deliver(photo)).status_code == 204
    again = Snap(photo.content)
    created = await phone.create(again)
    assert created.status_code == 201
    assert created.headers["Upload-Offset"] == str(len(photo.content))
    receipt = await receipt_row(database, company, again)
    assert receipt is not None
    assert receipt.id == again.photo_id


async def test_another_phone_of_the_same_user_goes_on_and_need_not_send_again(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    other = Phone(client, await register_phone(database, company, clock))
    photo = snap()
    path = await phone.start(photo)
    await phone.send(path, 0, photo.content[:50])
    assert (await other.look(path)).headers["Upload-Offset"] == "50"
    assert (await other.send(path, 50, photo.content[50:])).status_code == 204
    again = Snap(photo.content)
    deferred = {"Upload-Length": None, "Upload-Defer-Length": "1"}
    created = await other.create(again, **deferred)
    assert created.headers["Upload-Offset"] == str(len(photo.content))
    mine, theirs = [await receipt_row(database, company, one) for one in (photo, again)]
    assert mine is not None
    assert theirs is not None


async def test_knowing_a_hash_is_not_having_the_photo(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    photo = snap()
    await phone.deliver(photo)
    other = Phone(client, await hire(database, company, clock))
    copy = Snap(photo.content)
    created = await other.create(copy)
    assert created.status_code == 201
    assert "Upload-Offset" not in created.headers
    assert await receipt_row(database, company, copy) is None
    # Having them, the second user becomes a holder, and the bytes are kept once.
    assert (await other.send(path_of(created), 0, copy.content)).status_code == 204
    assert (await other.create(Snap(photo.content))).headers["Upload-Offset"]


async def test_an_unknown_upload_and_a_strangers_are_the_same(
    phone: Phone,
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    stranger: Company,
    clock: Clock,
) -> None:
    path = await phone.start(snap())
    foreign = Phone(client, await register_phone(database, stranger, clock))
    unknown = f"/files/{UUID(int=7)}"
    for method in ("look", "end"):
        assert (await getattr(foreign, method)(path)).status_code == 404
        assert (await getattr(phone, method)(unknown)).status_code == 404
    refused = await foreign.send(path, 0, b"x")
    assert (refused.status_code, refused.json()["code"]) == (404, "no-such-upload")
    assert (await phone.look(path)).status_code == 200


async def test_only_who_may_sync_may_upload(client: httpx.AsyncClient, company: Company) -> None:
    for role, status in (("dispatcher", 403), ("customer", 403), ("technician", 201)):
        phone = Phone(client, company.headers[role])
        assert (await phone.create(snap())).status_code == status
    nobody = await client.post("/files", headers=TUS)
    assert nobody.status_code == 401
    assert nobody.headers["Tus-Resumable"] == "1.0.0"


async def test_bad_requests_are_refused_precisely_and_change_nothing(
    phone: Phone, database: Database, company: Company
) -> None:
    photo = snap()
    path = await phone.start(photo)
    await phone.send(path, 0, photo.content[:50])
    cases = [
        ({"Tus-Resumable": "0.2.2"}, 412, "unsupported-tus-version"),
        ({"Content-Type": "image/jpeg"}, 415, "wrong-upload-type"),
        ({"Upload-Offset": "seven"}, 400, "malformed-upload"),
        ({"Upload-Offset": "49"}, 409, "offset-mismatch"),
        ({"Upload-Offset": "51"}, 409, "offset-mismatch"),
        ({"Upload-Checksum": "md5 AAAA"}, 400, "unsupported-checksum"),
        ({"Upload-Checksum": "sha1 AAAA"}, 400, "malformed-upload"),
    ]
    for headers, status, code in cases:
        refused = await phone.send(path, 50, b"more", **headers)
        assert (refused.status_code, refused.json()["code"]) == (status, code), headers
        assert refused.headers["Tus-Resumable"] == "1.0.0"
    clash = await phone.send(path, 49, b"more")
    assert clash.headers["Upload-Offset"] == "50"
    row = await upload_row(database, company, path)
    assert row is not None
    assert row.received == 50


@pytest.mark.parametrize(
    ("metadata", "header"),
    [
        ({}, "Upload-Metadata"),
        ({"photo_id": "7", "sha256": "0" * 64}, "Upload-Metadata"),
        ({"photo_id": str(UUID(int=7)), "sha256": "A" * 64}, "Upload-Metadata"),
        ({"photo_id": str(UUID(int=7))}, "Upload-Metadata"),
    ],
)
async def test_an_upload_says_which_photo_it_is(
    phone: Phone, metadata: dict[str, str], header: str
) -> None:
    refused = await phone.create(snap(), **{"Upload-Metadata": upload_metadata(metadata)})
    assert (refused.status_code, refused.json()["header"]) == (400, header)


async def test_lengths_have_limits(phone: Phone, settings: Settings) -> None:
    over = await phone.create(snap(), length=settings.max_photo_bytes + 1)
    assert (over.status_code, over.json()["code"]) == (413, "upload-too-large")
    assert over.json()["limit"] == settings.max_photo_bytes


async def test_more_bytes_than_declared_are_refused_and_dropped(phone: Phone) -> None:
    photo = snap()
    path = await phone.start(photo)
    announced = await phone.send(path, 0, photo.content + b"x")
    assert announced.status_code == 413

    async def silent() -> AsyncIterator[bytes]:
        yield photo.content
        yield b"x"

    refused = await phone.send(path, 0, silent())
    assert (refused.status_code, refused.json()["code"]) == (413, "longer-than-declared")
    assert (await phone.look(path)).headers["Upload-Offset"] == "0"
    assert (await phone.send(path, 0, photo.content)).status_code == 204


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
async def test_bytes_damaged_on_the_way_are_dropped(phone: Phone, algorithm: str) -> None:
    photo = snap()
    path = await phone.start(photo)
    part = photo.content[:100]
    right = checksum(part, algorithm)
    damaged = await phone.send(path, 0, b"x" + part[1:], **right)
    assert (damaged.status_code, damaged.json()["code"]) == (460, "checksum-mismatch")
    assert (await phone.look(path)).headers["Upload-Offset"] == "0"
    sound = await phone.send(path, 0, part, **right)
    assert (sound.status_code, sound.headers["Upload-Offset"]) == (204, "100")


async def test_other_bytes_than_promised_are_no_photo_and_may_be_sent_anew(
    phone: Phone, database: Database, company: Company, settings: Settings
) -> None:
    photo = snap()
    path = await phone.start(photo)
    wrong = photo.content[:-1] + b"?"
    refused = await phone.send(path, 0, wrong)
    assert (refused.status_code, refused.json()["code"]) == (422, "wrong-bytes")
    assert refused.json()["found"]["sha256"] == hashlib.sha256(wrong).hexdigest()
    assert staged_files(settings) == []
    assert await receipt_row(database, company, photo) is None
    assert (await phone.look(path)).headers["Upload-Offset"] == "0"
    assert (await phone.send(path, 0, photo.content)).status_code == 204
    assert await receipt_row(database, company, photo) is not None


async def test_what_is_no_photo_is_not_kept(
    phone: Phone, database: Database, company: Company, settings: Settings
) -> None:
    for content in (b"", b"PK\x03\x04 an archive", b"<svg onload='alert(1)'/>", b"%PDF-1.7\n"):
        page = Snap(content)
        refused = await phone.create(page, content=content)
        assert (refused.status_code, refused.json()["code"]) == (415, "unknown-media"), content
        assert await blob_row(database, company, page) is None
        assert await receipt_row(database, company, page) is None
    assert list(settings.blob_dir.glob("*/objects/*/*/*")) == []
    assert staged_files(settings) == []


async def test_an_upload_can_be_ended(
    phone: Phone, database: Database, company: Company, settings: Settings
) -> None:
    photo = snap()
    path = await phone.start(photo)
    await phone.send(path, 0, photo.content[:50])
    ended = await phone.end(path)
    assert (ended.status_code, ended.headers["Tus-Resumable"]) == (204, "1.0.0")
    assert staged_files(settings) == []
    assert (await phone.look(path)).status_code == 404


async def test_a_finished_upload_takes_nothing_more_and_answers_a_lost_answer_again(
    phone: Phone,
) -> None:
    photo = snap()
    path = await phone.start(photo)
    await phone.send(path, 0, photo.content)
    size = len(photo.content)
    assert (await phone.look(path)).headers["Upload-Offset"] == str(size)
    again = await phone.send(path, size, b"")
    assert (again.status_code, again.headers["Upload-Offset"]) == (204, str(size))
    more = await phone.send(path, size, b"x")
    assert (more.status_code, more.json()["code"]) == (403, "upload-closed")


async def test_an_upload_expires_only_when_nobody_writes_to_it(
    phone: Phone, database: Database, company: Company, clock: Clock, settings: Settings
) -> None:
    photo = snap()
    path = await phone.start(photo)
    clock.forward(days=10)
    await phone.send(path, 0, photo.content[:50])
    clock.forward(days=10)
    assert (await phone.look(path)).status_code == 200
    clock.forward(days=5)
    gone = await phone.send(path, 50, photo.content[50:])
    assert (gone.status_code, gone.json()["code"]) == (410, "upload-expired")
    assert len(staged_files(settings)) == 1

    async with database.transaction(company.id) as session:
        store = blob_store(settings)
        await uploads.sweep_uploads(session, Job(company.id, {}), store, clock())
    assert staged_files(settings) == []
    assert await upload_row(database, company, path) is None
    assert (await phone.look(path)).status_code == 404


@pytest.mark.parametrize("address", ["/files", "/files/00000000-0000-0000-0000-000000000007"])
async def test_the_method_may_be_named_in_a_header(phone: Phone, address: str) -> None:
    headers = {**phone.headers, **TUS, "X-HTTP-Method-Override": "OPTIONS"}
    answer = await phone.client.post(address, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Tus-Version"] == "1.0.0"
    headers["X-HTTP-Method-Override"] = "TRACE"
    assert (await phone.client.post(address, headers=headers)).status_code == 400


async def test_a_client_that_can_only_post_uploads_all_the_same(
    phone: Phone, database: Database, company: Company
) -> None:
    photo = snap()
    path = await phone.start(photo)
    headers = {**phone.headers, **BYTES, "Upload-Offset": "0"}
    post = phone.client.post
    sent = await post(path, headers={**headers, "X-HTTP-Method-Override": "PATCH"},
                      content=photo.content[:9])  # fmt: skip
    assert (sent.status_code, sent.headers["Upload-Offset"]) == (204, "9")
    asked = await post(path, headers={**headers, "X-HTTP-Method-Override": "HEAD"})
    assert (asked.status_code, asked.headers["Upload-Offset"]) == (200, "9")
    plain = await post(path, headers=headers, content=b"x")
    assert plain.status_code == 405
    ended = await post(path, headers={**headers, "X-HTTP-Method-Override": "DELETE"})
    assert ended.status_code == 204
    assert await upload_row(database, company, path) is None


async def test_a_photo_id_names_one_photo_for_ever(phone: Phone) -> None:
    photo = snap()
    await phone.deliver(photo)
    other = Snap(snap(2).content, photo.photo_id)
    clash = await phone.create(other)
    assert (clash.status_code, clash.json()["code"]) == (409, "conflict")


async def test_a_large_body_is_not_held_to_the_limit_of_other_routes(
    phone: Phone, settings: Settings
) -> None:
    photo = Snap(snap().content + bytes(settings.max_request_bytes))
    path = await phone.start(photo)
    assert (await phone.send(path, 0, photo.content)).status_code == 204


async def test_nobody_begins_uploads_without_end(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_creation, "MOST_OPEN", 2)
    paths = [await phone.start(snap(seed)) for seed in (1, 2)]
    part = await phone.create(snap(3), **{"Upload-Concat": "partial"})
    for refused in (await phone.create(snap(3)), part):
        assert (refused.status_code, refused.json()["code"]) == (429, "too-many-uploads")
        assert refused.headers["Retry-After"]
    await phone.end(paths[0])
    assert (await phone.create(snap(3))).status_code == 201
