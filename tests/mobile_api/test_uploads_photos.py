"""Bytes and declarations in either order: what the photo, its job and its receipt show."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from fsm.events import Occurrence
from fsm.evidence.local_store import LocalBlobStore
from fsm.settings import Settings
from fsm.work_orders import field_work
from fsm.work_orders.closing_facts import PhotoState
from fsm.work_orders.lifecycle import Status
from fsm.work_orders.orders import lock_work_order
from fsm.work_orders.tables import Visit, WorkOrder
from mobile_api.tus import Continuation
from mobile_api.upload_rows import lock_upload
from mobile_api.uploads import Storage, begin_writing, renew_lease
from tests.fsm.evidence.pictures import encoded, heic, png_claiming, scene
from tests.mobile_api.photos import (
    Camera,
    Phone,
    Snap,
    hire,
    snap,
)


async def job_status(camera: Camera) -> Status:
    async with camera.database.transaction(camera.company.id) as session:
        row = await session.get(WorkOrder, (camera.company.id, camera.work_order.id))
    assert row is not None
    return Status(row.status)


async def finish_without_bytes(camera: Camera) -> None:
    """Answer what the checklist asks and finish, as the phone does while photos still wait."""
    now = camera.clock()
    async with camera.database.transaction(camera.company.id) as session:
        actor = camera.company.actors["technician"]
        own_job = await lock_work_order(session, actor, camera.work_order.id)
        own = await session.get(Visit, (camera.company.id, camera.visit.id))
        assert own is not None
        report = field_work.Report(session, actor, now, Occurrence(now, now, now), own_job, own)
        await field_work.answer(report, "safe", True)
        await field_work.answer(report, "reading", 120)
        await field_work.finish(report)


async def test_the_job_completes_with_the_last_byte_of_its_photo(camera: Camera) -> None:
    photo = snap()
    await camera.declare(photo)
    await finish_without_bytes(camera)
    assert await job_status(camera) == Status.WORK_DONE

    path = await camera.phone.start(photo)
    assert await camera.state(photo) == PhotoState.DECLARED
    await camera.phone.send(path, 0, photo.content[:-1])
    assert await camera.state(photo) == PhotoState.UPLOADING
    assert await job_status(camera) == Status.WORK_DONE
    await camera.phone.send(path, len(photo.content) - 1, photo.content[-1:])
    row = await camera.row(photo)
    assert (row.state, row.verified_sha256) == (PhotoState.VERIFIED, photo.digest)
    assert await job_status(camera) == Status.COMPLETED


async def test_a_photo_that_takes_long_shows_that_it_is_on_its_way(
    camera: Camera, app: Litestar
) -> None:
    photo = snap()
    await camera.declare(photo)
    upload_id = UUID((await camera.phone.start(photo)).rpartition("/")[2])
    storage: Storage = app.state.uploads
    actor = camera.company.actors["technician"]
    async with storage.database.plain(actor.tenant_id) as session:
        upload = await lock_upload(session, actor, upload_id)
        assert upload is not None
        whole = Continuation(0, len(photo.content), None, False)
        lease = await begin_writing(session, camera.clock(), upload, whole)
    assert await camera.state(photo) == PhotoState.DECLARED
    assert await renew_lease(storage, actor, upload, lease)
    assert await camera.state(photo) == PhotoState.UPLOADING


async def test_bytes_may_come_before_their_declaration(camera: Camera) -> None:
    photo = snap()
    await camera.phone.deliver(photo)
    await camera.declare(photo)
    assert await camera.state(photo) == PhotoState.VERIFIED
    await finish_without_bytes(camera)
    assert await job_status(camera) == Status.COMPLETED


async def test_a_photo_declared_twice_needs_its_bytes_once(camera: Camera) -> None:
    photo = snap()
    again = Snap(photo.content)
    await camera.declare(photo)
    await camera.declare(again)
    await camera.phone.deliver(photo)
    for one in (photo, again):
        assert await camera.state(one) == PhotoState.VERIFIED
    # Each has a receipt of its own, or the phone could not let go of its copy.
    assert await camera.receipt(again) is None
    created = await camera.phone.create(again)
    assert created.headers["Upload-Offset"] == str(len(photo.content))
    assert await camera.receipt(again) is not None


async def test_wrong_bytes_show_on_the_photo_until_the_right_ones_come(camera: Camera) -> None:
    photo = snap()
    await camera.declare(photo)
    path = await camera.phone.start(photo)
    assert (await camera.phone.send(path, 0, photo.content[::-1])).status_code == 422
    assert await camera.state(photo) == PhotoState.CORRUPT
    assert (await camera.phone.send(path, 0, photo.content)).status_code == 204
    assert await camera.state(photo) == PhotoState.VERIFIED


async def test_an_upload_that_is_ended_leaves_the_photo_declared(camera: Camera) -> None:
    photo = snap()
    await camera.declare(photo)
    path = await camera.phone.start(photo)
    await camera.phone.send(path, 0, photo.content[:9])
    await camera.phone.end(path)
    assert await camera.state(photo) == PhotoState.DECLARED


async def test_a_photo_is_of_the_kind_and_size_it_was_declared_with(camera: Camera) -> None:
    png = Snap(encoded(scene(3, (64, 48)), "PNG"))
    await camera.declare(png, mime="image/jpeg")
    refused = await camera.phone.deliver(png)
    assert (refused.status_code, refused.json()["code"]) == (422, "media-mismatch")
    assert refused.json()["found"] == "image/png"
    assert await camera.state(png) == PhotoState.CORRUPT
    assert await camera.blob(png) is None

    short = snap(4)
    await camera.declare(short, size=7)
    refused = await camera.phone.create(short)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-value")
    deferred = await camera.phone.create(
        short,
        content=short.content,
        **{"Upload-Length": None, "Upload-Defer-Length": "1"},
    )
    assert deferred.status_code == 201  # its length is not known yet
    path = httpx.URL(deferred.headers["Location"]).path
    size = str(len(short.content))
    told = await camera.phone.send(path, len(short.content), b"", **{"Upload-Length": size})
    assert (told.status_code, told.json()["code"]) == (422, "wrong-bytes")


class Meddled(LocalBlobStore):
    """Files where a refusal of the same bytes under a wrong name takes them away at the worst moment."""

    refuse_elsewhere: Callable[[], Awaitable[None]] | None = None

    async def open(
        self, tenant_id: UUID, sha256: str, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        """Read as ever; between storing a blob and writing its row this is the only call."""
        head = await read_through(await super().open(tenant_id, sha256, start, stop))
        refuse, self.refuse_elsewhere = self.refuse_elsewhere, None
        if refuse is not None:
            await refuse()
        return again(head)


async def read_through(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def again(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_a_refusal_of_the_same_bytes_under_a_wrong_name_does_not_take_them_away(
    camera: Camera, app: Litestar, settings: Settings
) -> None:
    store = Meddled(settings.blob_dir)
    app.state.uploads = replace(app.state.uploads, blobs=store)
    right, wrong = snap(), Snap(snap().content)
    await camera.declare(right)
    await camera.declare(wrong, mime="image/png")

    async def refuse_elsewhere() -> None:
        assert (await camera.phone.deliver(wrong)).json()["code"] == "media-mismatch"
        assert not await store.exists(camera.company.id, right.sha256)

    path = await camera.phone.start(right)
    store.refuse_elsewhere = refuse_elsewhere
    assert (await camera.phone.send(path, 0, right.content)).status_code == 204
    assert await camera.state(right) == PhotoState.VERIFIED
    read = await camera.phone.client.get(f"/blobs/{right.sha256}", headers=camera.phone.headers)
    assert read.content == right.content


async def test_known_bytes_do_not_prove_a_declaration_that_is_not_about_them(
    camera: Camera,
) -> None:
    photo = snap()
    await camera.phone.deliver(photo)
    as_video, as_small = Snap(photo.content), Snap(photo.content)
    await camera.declare(as_video, mime="video/mp4")
    await camera.declare(as_small, size=7)
    for one in (as_video, as_small):
        assert await camera.state(one) == PhotoState.DECLARED
    # Nor do they when they come again for another photo.
    await camera.phone.create(Snap(photo.content))
    for one in (as_video, as_small):
        assert await camera.state(one) == PhotoState.CORRUPT


@pytest.mark.parametrize(
    ("content", "mime", "doubt"),
    [
        (heic(4032, 3024), "image/heic", None),
        (png_claiming(40_000, 40_000), "image/png", "too-many-pixels"),
        (b"\xff\xd8\xff\xe0 and then nothing", "image/jpeg", "broken-media"),
    ],
)
async def test_a_picture_that_cannot_be_opened_is_still_the_evidence_it_is(
    camera: Camera, content: bytes, mime: str, doubt: str | None
) -> None:
    photo = Snap(content)
    await camera.declare(photo, mime=mime)
    assert (await camera.phone.deliver(photo)).status_code == 204
    assert await camera.state(photo) == PhotoState.VERIFIED
    blob = await camera.blob(photo)
    assert blob is not None
    assert (blob.mime, blob.info.get("doubt")) == (mime, doubt)


async def test_somebody_elses_photo_is_not_ours_to_send(
    camera: Camera, client: httpx.AsyncClient
) -> None:
    photo = snap()
    await camera.declare(photo)
    colleague = Phone(client, await hire(camera.database, camera.company, camera.clock))
    refused = await colleague.create(photo)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    other_bytes = Snap(snap(2).content, photo.photo_id)
    assert (await camera.phone.create(other_bytes)).status_code == 409
