"""Files as phones send them, honest and hostile: kept byte for byte or precisely refused, and run nowhere."""

import io
import zipfile
from dataclasses import replace
from typing import Any

from fsm.checklists import templates
from fsm.evidence.blobs import blob_store
from fsm.evidence.jobs import make_thumbnail
from fsm.jobs import Job
from fsm.settings import Settings
from fsm.work_orders.closing import verdict
from fsm.work_orders.closing_facts import PhotoState
from fsm.work_orders.facts import load_facts
from fsm.work_orders.tables import WorkOrder
from tests.fsm.evidence.pictures import (
    EXIF,
    animated,
    encoded,
    exif_bombs,
    heic,
    heic_with_exif,
    jpeg_claiming,
    jpeg_with_exif,
    movie,
    png_claiming,
    png_with_text_bomb,
    scene,
    webm,
)
from tests.mobile_api.photos import (
    Camera,
    Snap,
    add_job,
)

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(document.cookie)</script>"


def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("evil.html", HTML)
    return packed.getvalue()


JPEG = encoded(scene(1), "JPEG")
#: A GIF whose size, read as text, opens a comment of JavaScript that its tail closes.
GIF_AND_SCRIPT = b"GIF89a/*" + encoded(scene(1, (64, 48)), "GIF")[8:] + b"*/=1;alert(1)"

#: name → (content, declared as, why its header is doubted, what becomes of its small picture)
KEPT: dict[str, tuple[bytes, str, str | None, str | None]] = {
    "truncated jpeg": (JPEG[: len(JPEG) // 2], "image/jpeg", None, "cannot-decode"),
    "jpeg of a header": (b"\xff\xd8\xff\xe0", "image/jpeg", "broken-media", "cannot-decode"),
    "heic": (heic(8064, 6048), "image/heic", None, "cannot-decode"),
    "heic with exif": (heic_with_exif(EXIF.tobytes(), 1), "image/heic", "broken-media", None),
    "animated gif": (animated("GIF"), "image/gif", None, None),
    "animated webp": (animated("WEBP"), "image/webp", None, None),
    "apng": (animated("PNG"), "image/apng", None, None),
    "bomb of pixels": (
        png_claiming(40_000, 40_000),
        "image/png",
        "too-many-pixels",
        "too-many-pixels",
    ),
    "jpeg of pixels": (
        jpeg_claiming(65_535, 65_535),
        "image/jpeg",
        "too-many-pixels",
        "too-many-pixels",
    ),
    "bomb of text": (png_with_text_bomb(), "image/png", None, "cannot-decode"),
    **{
        f"exif: {name}": (jpeg_with_exif(block), "image/jpeg", None, None)
        for name, block in exif_bombs().items()
    },
    "jpeg and zip": (JPEG + archive(), "image/jpeg", None, None),
    "jpeg and html": (JPEG + HTML, "image/jpeg", None, None),
    "html in a jpeg's comment": (
        encoded(scene(2), "JPEG", comment=HTML),
        "image/jpeg",
        None,
        None,
    ),
    "gif and script": (GIF_AND_SCRIPT, "image/gif", None, None),
    "mp4": (movie(3.0), "video/mp4", None, None),
    "mov": (movie(3.0, brand=b"qt  "), "video/quicktime", None, None),
    "webm": (webm(3_000.0), "video/webm", None, None),
}

#: name → (content, declared as, status, code, what was found)
REFUSED: dict[str, tuple[bytes, str, int, str, str | None]] = {
    "heic named jpg": (heic(4032, 3024), "image/jpeg", 422, "media-mismatch", "image/heic"),
    "png named jpg": (encoded(scene(3), "PNG"), "image/jpeg", 422, "media-mismatch", "image/png"),
    "jpeg named mp4": (JPEG, "video/mp4", 422, "media-mismatch", "image/jpeg"),
    "svg": (SVG, "image/svg+xml", 415, "unknown-media", None),
    "svg named png": (SVG, "image/png", 415, "unknown-media", None),
    "html named jpg": (HTML, "image/jpeg", 415, "unknown-media", None),
    "html before a jpeg": (HTML + JPEG, "image/jpeg", 415, "unknown-media", None),
    "zip": (archive(), "image/jpeg", 415, "unknown-media", None),
    "pdf named as it is": (
        b"%PDF-1.7\n1 0 obj",
        "application/pdf",
        415,
        "unknown-media",
        "application/pdf",
    ),
    "matroska": (webm(1.0).replace(b"webm", b"mkva"), "video/webm", 415, "unknown-media", None),
}


async def test_what_a_phone_took_is_evidence_whatever_it_can_be_opened_with(
    camera: Camera, settings: Settings
) -> None:
    for name, (content, mime, doubt, no_picture) in KEPT.items():
        photo = Snap(content)
        await camera.declare(photo, mime=mime)
        sent = await camera.phone.deliver(photo)
        assert sent.status_code == 204, (name, sent.text)
        assert await camera.state(photo) == PhotoState.VERIFIED, name
        assert await camera.receipt(photo) is not None
        for _ in range(2):
            async with camera.database.transaction(camera.company.id) as session:
                work = Job(camera.company.id, {"sha256": photo.sha256})
                await make_thumbnail(session, work, blob_store(settings))
        blob = await camera.blob(photo)
        assert blob is not None
        assert blob.info.get("doubt") == doubt, name
        if no_picture is not None:
            assert blob.info.get("no_thumbnail") == no_picture, name

        read = await camera.phone.client.get(f"/blobs/{photo.sha256}", headers=camera.phone.headers)
        assert read.content == content, name
        small = await camera.phone.client.get(
            f"/blobs/{photo.sha256}/thumbnail", headers=camera.phone.headers
        )
        assert small.status_code == (404 if blob.thumbnail_sha256 is None else 200), name
        for answer in (read, small)[: 1 if small.status_code == 404 else 2]:
            assert answer.headers["Content-Type"] == (blob.mime if answer is read else "image/jpeg")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        if small.status_code == 200:
            assert b"script" not in small.content, name
            assert b"Exif" not in small.content, name
    moving = {
        name
        for name, (content, *_) in KEPT.items()
        if (blob := await camera.blob(Snap(content))) and blob.info.get("is_animated")
    }
    assert moving == {"animated gif", "animated webp", "apng"}


async def test_what_is_no_photo_is_refused_by_what_it_is_and_leaves_nothing(
    camera: Camera, settings: Settings
) -> None:
    for name, (content, mime, status, code, found) in REFUSED.items():
        photo = Snap(content)
        await camera.declare(photo, mime=mime)
        refused = await camera.phone.deliver(photo)
        told: dict[str, Any] = refused.json()
        assert (refused.status_code, told["code"], told["found"]) == (status, code, found), name
        assert await camera.state(photo) == PhotoState.CORRUPT, name
        assert await camera.blob(photo) is None, name
        assert await camera.receipt(photo) is None, name
    files = [path for path in settings.blob_dir.rglob("*") if path.is_file()]
    assert files == []


async def test_a_heic_that_was_called_a_jpeg_counts_once_it_is_declared_as_what_it_is(
    camera: Camera,
) -> None:
    wrong, right = Snap(heic(4032, 3024)), Snap(heic(4032, 3024))
    await camera.declare(wrong, mime="image/jpeg")
    assert (await camera.phone.deliver(wrong)).json()["found"] == "image/heic"
    await camera.declare(right, mime="image/heic")
    assert (await camera.phone.deliver(right)).status_code == 204
    assert await camera.state(right) == PhotoState.VERIFIED


async def test_no_bytes_at_all_are_no_photo(camera: Camera) -> None:
    refused = await camera.phone.create(Snap(b""))
    assert (refused.status_code, refused.json()["code"]) == (415, "unknown-media")


FILM = {
    "template_id": "film",
    "version": 1,
    "items": [
        {"id": "film", "kind": "video", "required": True, "max_seconds": 10, "max_bytes": 100_000}
    ],
}


#: name → (content, declared as, what its item has against it)
FILMS: dict[str, tuple[bytes, str, list[str]]] = {
    "ten seconds": (movie(10.0, is_last=True), "video/mp4", []),
    "longer": (movie(10.5, is_last=True), "video/mp4", ["seconds"]),
    "longer mov": (movie(11.0, brand=b"qt  "), "video/quicktime", ["seconds"]),
    "longer webm": (webm(10_500.0), "video/webm", ["seconds"]),
    "length unknown": (webm(None), "video/webm", []),
    "too many bytes": (movie(1.0, data=200_000), "video/mp4", ["size"]),
}


async def test_a_video_may_be_as_long_and_large_as_its_item_says(camera: Camera) -> None:
    template = templates.load(FILM)
    for name, (content, mime, against) in FILMS.items():
        job, visit = await add_job(camera.database, camera.company, camera.clock)
        filming = replace(camera, work_order=job, visit=visit)
        film = Snap(content)
        await filming.declare(film, item="film", mime=mime)
        assert (await filming.phone.deliver(film)).status_code == 204
        async with camera.database.transaction(camera.company.id) as session:
            order = await session.get(WorkOrder, (camera.company.id, job.id))
            assert order is not None
            found = verdict(template, await load_facts(session, order, template))
        assert [one.rule for one in found.unmet] == against, name
        assert [one.code for one in found.unmet] == ["limit"] * len(against), name
