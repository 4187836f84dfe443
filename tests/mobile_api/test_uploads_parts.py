"""Files put together from parts that were sent side by side (tus concatenation)."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from fsm.database import Database
from fsm.evidence.blobs import blob_store
from fsm.jobs import Job
from fsm.settings import Settings
from fsm.work_orders.closing_facts import PhotoState
from mobile_api import uploads
from tests.company import Company
from tests.conftest import Clock
from tests.mobile_api.photos import (
    BYTES,
    TUS,
    Phone,
    Snap,
    add_job,
    blob_row,
    declare,
    hire,
    path_of,
    photo_state,
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


async def begin_part(phone: Phone, length: int, content: bytes = b"", **more: str) -> str:
    """Create a part and return its path; `content` comes along."""
    headers = {**phone.headers, **(BYTES if content else TUS), "Upload-Concat": "partial", **more}
    headers.setdefault("Upload-Length", str(length))
    created = await phone.client.post("/files", headers=headers, content=content)
    assert created.status_code == 201, created.text
    assert created.headers["Upload-Concat"] == "partial"
    return path_of(created)


async def send_part(phone: Phone, content: bytes) -> str:
    return await begin_part(phone, len(content), content)


async def put_together(phone: Phone, photo: Snap, *paths: str, **more: Any) -> httpx.Response:
    headers = {
        **phone.headers,
        **TUS,
        "Upload-Concat": "final;" + " ".join(paths),
        "Upload-Metadata": upload_metadata(photo.metadata),
        **more,
    }
    return await phone.client.post("/files", headers=headers)


def halves(photo: Snap) -> tuple[bytes, bytes]:
    middle = len(photo.content) // 2
    return photo.content[:middle], photo.content[middle:]


async def test_parts_become_one_photo_in_the_order_they_are_named(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    photo = snap()
    _, visit = await add_job(database, company, clock)
    await declare(database, company, clock, visit, photo)
    first, second = halves(photo)
    right = await send_part(phone, second)
    left = await send_part(phone, first)
    assert await photo_state(database, company, photo) == PhotoState.DECLARED

    created = await put_together(phone, photo, f"http://fsm.test{left}", right)
    assert created.status_code == 201
    assert created.headers["Location"].startswith("http://fsm.test/files/")
    assert created.headers["Upload-Offset"] == str(len(photo.content))
    assert await photo_state(database, company, photo) == PhotoState.VERIFIED
    assert await receipt_row(database, company, photo) is not None
    asked = await phone.look(path_of(created))
    assert asked.headers["Upload-Concat"] == f"final;http://fsm.test{left} {right}"
    assert asked.headers["Upload-Offset"] == asked.headers["Upload-Length"]
    read = await phone.client.get(f"/blobs/{photo.sha256}", headers=phone.headers)
    assert read.content == photo.content


async def test_parts_need_no_name_and_are_looked_into_by_nobody(
    phone: Phone, database: Database, company: Company
) -> None:
    path = await send_part(phone, b"not a photo at all")
    row = await upload_row(database, company, path)
    assert row is not None
    assert (row.photo_id, row.sha256, row.finished_at, row.received) == (None, None, None, 18)
    asked = await phone.look(path)
    assert asked.headers["Upload-Concat"] == "partial"
    assert asked.headers["Upload-Offset"] == "18"
    more = await phone.send(path, 18, b"x")
    assert (more.status_code, more.json()["code"]) == (403, "upload-closed")
    assert (await phone.send(path, 18, b"")).status_code == 204


async def test_a_part_may_tell_its_length_later_and_bring_a_checksum(phone: Phone) -> None:
    path = await begin_part(phone, 0, **{"Upload-Length": "3"})
    assert (await phone.send(path, 0, b"abc")).status_code == 204
    headers = {**phone.headers, **TUS, "Upload-Concat": "partial", "Upload-Defer-Length": "1"}
    created = await phone.client.post("/files", headers=headers)
    path = path_of(created)
    assert (await phone.send(path, 0, b"abc")).headers["Upload-Offset"] == "3"
    assert (await phone.look(path)).headers["Upload-Defer-Length"] == "1"
    told = await phone.send(path, 3, b"", **{"Upload-Length": "3"})
    assert told.status_code == 204


async def test_a_file_may_be_ordered_before_its_parts_are_there(
    phone: Phone, database: Database, company: Company
) -> None:
    photo = snap()
    first, second = halves(photo)
    left = await begin_part(phone, len(first))
    right = await begin_part(phone, len(second))
    created = await put_together(phone, photo, left, right)
    assert created.status_code == 201
    assert "Upload-Offset" not in created.headers
    path = path_of(created)

    await phone.send(left, 0, first)
    waiting = await phone.look(path)
    assert waiting.status_code == 200
    assert "Upload-Offset" not in waiting.headers
    assert waiting.headers["Upload-Length"] == str(len(photo.content))
    assert waiting.headers["Upload-Concat"] == f"final;{left} {right}"
    assert await receipt_row(database, company, photo) is None
    await phone.send(right, 0, second[:9])
    await phone.send(right, 9, second[9:])
    assert await receipt_row(database, company, photo) is not None
    assert (await phone.look(path)).headers["Upload-Offset"] == str(len(photo.content))


async def test_an_unfinished_file_of_unknown_length_says_so_by_silence(phone: Phone) -> None:
    photo = snap()
    headers = {**phone.headers, **TUS, "Upload-Concat": "partial", "Upload-Defer-Length": "1"}
    part = path_of(await phone.client.post("/files", headers=headers))
    path = path_of(await put_together(phone, photo, part))
    waiting = await phone.look(path)
    assert not {"upload-length", "upload-offset", "upload-defer-length"} & waiting.headers.keys()
    size = str(len(photo.content))
    await phone.send(part, 0, photo.content, **{"Upload-Length": size})
    assert (await phone.look(path)).headers["Upload-Offset"] == size


async def test_a_final_upload_takes_no_bytes_and_leaves_its_parts_alone(phone: Phone) -> None:
    photo = snap()
    first, second = halves(photo)
    left = await begin_part(phone, len(first))
    right = await send_part(phone, second)
    waiting = path_of(await put_together(phone, photo, left, right))
    await phone.send(left, 0, first)
    finished = path_of(await put_together(phone, photo, left, right))
    for path in (waiting, finished):
        for offset in (0, len(photo.content)):
            refused = await phone.send(path, offset, b"x")
            assert (refused.status_code, refused.json()["code"]) == (403, "upload-is-final")
    for path, content in ((left, first), (right, second)):
        assert (await phone.look(path)).headers["Upload-Offset"] == str(len(content))


async def test_nothing_but_own_parts_can_be_put_together(
    phone: Phone,
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    stranger: Company,
    clock: Clock,
) -> None:
    photo = snap()
    colleague = Phone(client, await hire(database, company, clock))
    foreign = Phone(client, await register_phone(database, stranger, clock))
    parts = [await send_part(one, photo.content) for one in (colleague, foreign)]
    plain = await phone.start(Snap(snap(2).content))
    own = await send_part(phone, photo.content)
    final = path_of(await put_together(phone, Snap(photo.content), own))
    for path in (*parts, plain, final, f"/files/{UUID(int=7)}"):
        refused = await put_together(phone, snap(3), path)
        assert (refused.status_code, refused.json()["code"]) == (400, "missing-parts")
        assert refused.json()["parts"] == [path.rpartition("/")[2]]


async def test_parts_that_are_not_the_declared_photo_are_refused_for_good(
    phone: Phone, database: Database, company: Company
) -> None:
    photo = snap()
    first, second = halves(photo)
    left, right = await send_part(phone, first), await send_part(phone, second)
    turned = await put_together(phone, photo, right, left)
    assert (turned.status_code, turned.json()["code"]) == (422, "wrong-bytes")
    assert await blob_row(database, company, photo) is None
    # The parts are as they were: the right order is taken.
    assert (await put_together(phone, photo, left, right)).status_code == 201


async def test_whoever_waits_learns_that_the_parts_were_refused(
    phone: Phone, database: Database, company: Company
) -> None:
    photo = snap()
    part = await begin_part(phone, len(photo.content))
    path = path_of(await put_together(phone, photo, part))
    sent = await phone.send(part, 0, photo.content[::-1])
    assert sent.status_code == 204, "the part itself is safe"
    assert (await phone.look(path)).status_code == 410
    assert (await phone.look(path)).status_code == 410
    assert await blob_row(database, company, photo) is None


async def test_a_file_whose_part_was_ended_can_never_be(phone: Phone) -> None:
    photo = snap()
    first, second = halves(photo)
    left, right = await send_part(phone, first), await begin_part(phone, len(second))
    path = path_of(await put_together(phone, photo, left, right))
    assert (await phone.end(left)).status_code == 204
    await phone.send(right, 0, second)
    assert (await phone.look(path)).status_code == 410


async def test_parts_together_are_held_to_the_limit_of_a_file(
    phone: Phone, settings: Settings
) -> None:
    most = settings.max_photo_bytes
    parts = [await begin_part(phone, most), await begin_part(phone, 1)]
    refused = await put_together(phone, snap(), *parts)
    assert (refused.status_code, refused.json()["code"]) == (413, "upload-too-large")


async def test_a_lost_answer_is_made_good_by_the_same_request(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    photo = snap()
    parts = [await send_part(phone, half) for half in halves(photo)]
    await put_together(phone, photo, *parts)
    again = await put_together(phone, photo, *parts)
    assert (again.status_code, again.headers["Upload-Offset"]) == (201, str(len(photo.content)))
    # The same parts make another photo too, for an hour.
    other = Snap(photo.content)
    clock.forward(minutes=59)
    assert (await put_together(phone, other, *parts)).status_code == 201
    assert await receipt_row(database, company, other) is not None


async def test_parts_go_an_hour_after_their_file_is_finished_unless_another_waits_for_them(
    phone: Phone, database: Database, company: Company, clock: Clock, settings: Settings
) -> None:
    photo = snap()
    first, second = halves(photo)
    left, right = await send_part(phone, first), await send_part(phone, second)
    late = await begin_part(phone, len(second))
    waiting = path_of(await put_together(phone, Snap(snap(2).content), left, late))
    await put_together(phone, photo, left, right)
    clock.forward(hours=2)
    assert (await phone.look(right)).status_code == 410
    assert (await phone.look(left)).status_code == 200
    async with database.transaction(company.id) as session:
        await uploads.sweep_uploads(session, Job(company.id, {}), blob_store(settings), clock())
    staged = {file.stem for file in settings.blob_dir.glob("*/staging/*")}
    assert staged == {left.rpartition("/")[2]}
    assert (await phone.look(waiting)).status_code == 200


async def test_a_part_whose_bytes_are_gone_is_sent_again(
    phone: Phone, database: Database, company: Company, settings: Settings
) -> None:
    photo = snap()
    path = await send_part(phone, photo.content)
    await blob_store(settings).truncate(company.id, UUID(path[-36:]), 40)  # a restored backup
    assert (await phone.look(path)).headers["Upload-Offset"] == "40"
    await phone.send(path, 40, photo.content[40:])
    assert (await put_together(phone, photo, path)).status_code == 201
    assert await receipt_row(database, company, photo) is not None
