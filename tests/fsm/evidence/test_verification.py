"""Files are judged by their content, and judging them costs next to nothing."""

import asyncio
import hashlib
import tracemalloc
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fsm.evidence.headers import read_frame, sniff
from fsm.evidence.local_store import LocalBlobStore
from fsm.evidence.verification import (
    DOCUMENT_TYPES,
    PHOTO_TYPES,
    VIDEO_TYPES,
    BrokenMedia,
    Inspection,
    MediaMismatch,
    TooManyPixels,
    UnknownMedia,
    agrees,
    inspect,
    inspect_blob,
    sha256_of,
)
from tests.fsm.evidence.conftest import body, in_slices
from tests.fsm.evidence.pictures import (
    animated,
    boxes,
    encoded,
    exif_bombs,
    heic,
    jpeg_claiming,
    jpeg_with_exif,
    png_claiming,
    png_with_text_bomb,
    scene,
)

KINDS = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"} | {
    "AVIF": "image/avif"
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (17, 300), (640, 480)])
def test_the_header_tells_kind_and_pixels(kind: str, size: tuple[int, int]) -> None:
    image = scene(3).resize(size)
    assert inspect(encoded(image, kind)) == Inspection(KINDS[kind], *size)


@pytest.mark.parametrize(
    ("kind", "options", "mode"),
    [
        ("WEBP", {"lossless": True}, "RGB"),
        ("WEBP", {"lossless": True}, "RGBA"),
        ("WEBP", {"quality": 50}, "RGBA"),
        ("WEBP", {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}, "RGB"),
        ("JPEG", {"progressive": True}, "RGB"),
        ("JPEG", {"quality": 95, "subsampling": 0}, "CMYK"),
        ("JPEG", {"comment": b"x" * 60_000}, "L"),
        ("JPEG", {"icc_profile": bytes(300_000)}, "RGB"),
        ("PNG", {}, "I;16"),
        ("PNG", {}, "P"),
        ("GIF", {}, "L"),
    ],
)
def test_every_variant_of_a_kind_is_understood(
    kind: str, options: dict[str, object], mode: str
) -> None:
    image = Image.new(mode, (123, 45))
    assert inspect(encoded(image, kind, **options)) == Inspection(KINDS[kind], 123, 45)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_pictures_that_move_are_told_from_those_that_do_not(kind: str) -> None:
    assert inspect(animated(kind)).is_animated
    assert not inspect(encoded(scene(1), kind)).is_animated


@pytest.mark.parametrize(
    ("brand", "mime"),
    [
        (b"heic", "image/heic"),
        (b"heix", "image/heic"),
        (b"mif1", "image/heif"),
        (b"avif", "image/avif"),
    ],
)
def test_phone_photos_tell_the_size_of_the_picture_not_of_its_thumbnail(
    brand: bytes, mime: str
) -> None:
    assert inspect(heic(4032, 3024, brand)) == Inspection(mime, 4032, 3024)


@pytest.mark.parametrize(
    ("content", "mime"),
    [
        (boxes((b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41")), "video/mp4"),
        (boxes((b"ftyp", b"mp42\0\0\0\0mp42isom")), "video/mp4"),
        (boxes((b"ftyp", b"qt  \0\0\0\0qt  ")), "video/quicktime"),
        (boxes((b"wide", b""), (b"mdat", b"")), "video/quicktime"),
        (boxes((b"ftyp", b"mif1\0\0\0\0mif1heic")), "image/heic"),
        (boxes((b"ftyp", b"mif1\0\0\0\0mif1avif")), "image/avif"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\n%PDF-1.7", None),
        (boxes((b"ftyp", b"evil\0\0\0\0evil")), None),
        (b"\xff\xff\xff\xffftypheic\0\0\0\0", None),
        (b"", None),
        (b"GIF88a", None),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
        (b"PK\x03\x04", None),
        (b"MZ", None),
    ],
)
def test_the_signature_decides_the_kind(content: bytes, mime: str | None) -> None:
    assert sniff(content) == mime


def test_a_png_named_jpg_is_refused_with_both_names() -> None:
    with pytest.raises(MediaMismatch) as refusal:
        inspect(encoded(scene(1), "PNG"), declared="image/jpeg")
    assert refusal.value.facts == {"declared": "image/jpeg", "found": "image/png"}


@pytest.mark.parametrize(
    ("declared", "found", "fits"),
    [
        ("image/jpeg", "image/jpeg", True),
        ("IMAGE/JPG; charset=binary", "image/jpeg", True),
        ("image/heif", "image/heic", True),
        ("image/heic", "image/heif", True),
        ("image/heic-sequence", "image/heic", True),
        ("image/heic", "image/avif", False),
        ("video/mp4", "video/quicktime", False),
        ("", "image/jpeg", False),
        ("application/octet-stream", "image/jpeg", False),
    ],
)
def test_spellings_of_a_kind_agree_and_other_kinds_do_not(
    declared: str, found: str, fits: bool
) -> None:
    assert agrees(declared, found) is fits


def test_only_the_kinds_asked_for_are_taken() -> None:
    pdf = b"%PDF-1.7\n..."
    assert inspect(pdf, allowed=DOCUMENT_TYPES) == Inspection("application/pdf")
    with pytest.raises(UnknownMedia) as refusal:
        inspect(pdf, declared="application/pdf")
    assert refusal.value.facts == {"allowed": sorted(PHOTO_TYPES), "found": "application/pdf"}
    film = boxes((b"ftyp", b"isom\0\0\2\0isom"))
    assert inspect(film, declared="video/mp4", allowed=VIDEO_TYPES).width is None


@pytest.mark.parametrize(
    "content",
    [
        png_claiming(40_000, 40_000),
        png_claiming(2**31 - 1, 2**31 - 1),
        jpeg_claiming(65_535, 65_535),
        heic(2**32 - 1, 2**32 - 1),
        b"GIF89a\xff\xff\xff\xff\0\0\0;",
        b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff" * 6,
    ],
    ids=["png", "larger png", "jpeg", "heic", "gif", "webp"],
)
def test_a_picture_that_claims_too_many_pixels_is_refused(content: bytes) -> None:
    with pytest.raises(TooManyPixels) as refusal:
        inspect(content)
    facts = refusal.value.facts
    assert facts["width"] * facts["height"] > facts["limit"]


def test_the_largest_phone_cameras_are_not_bombs() -> None:
    assert inspect(jpeg_claiming(16_320, 12_240)) == Inspection("image/jpeg", 16_320, 12_240)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\x00\x00" * 100,
        b"\xff\xd8" + b"\xff\xe1\xff\xff" + bytes(65_533) + b"\xff\xd9",
        encoded(scene(1), "JPEG")[:100],
        encoded(scene(1), "PNG")[:20],
        encoded(scene(1), "WEBP")[:22],
        b"GIF89a\x01",
        png_claiming(0, 10),
        heic(640, 480)[:60],
    ],
)
def test_a_signature_without_a_picture_is_broken(content: bytes) -> None:
    with pytest.raises(BrokenMedia):
        inspect(content)


@pytest.mark.parametrize(
    "tail", [b"<script>alert(1)</script>", b"PK\x03\x04" + bytes(40), b"%PDF-1.7\n"]
)
def test_a_file_with_two_meanings_is_what_it_begins_as(tail: bytes) -> None:
    assert inspect(encoded(scene(1), "JPEG") + tail).mime == "image/jpeg"
    assert inspect(encoded(scene(1), "GIF") + tail).mime == "image/gif"
    with pytest.raises((UnknownMedia, MediaMismatch)):
        inspect(tail + encoded(scene(1), "JPEG"), declared="image/jpeg")


def test_looking_at_bombs_takes_no_memory() -> None:
    bombs = [
        png_with_text_bomb(),
        png_claiming(16_000, 16_000, bytes(100_000)),
        jpeg_claiming(16_000, 16_000),
        *(jpeg_with_exif(exif) for exif in exif_bombs().values()),
    ]
    tracemalloc.start()
    for bomb in bombs:
        assert inspect(bomb).width
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


SOUND = [encoded(scene(2, (40, 30)), kind) for kind in KINDS] + [heic(40, 30), animated("GIF")]


@given(st.sampled_from(SOUND), st.data())
def test_no_damage_makes_the_readers_stumble(sound: bytes, data: st.DataObject) -> None:
    damaged = bytearray(sound[: data.draw(st.integers(0, len(sound)))])
    for _ in range(data.draw(st.integers(0, 8))):
        if damaged:
            at = data.draw(st.integers(0, min(len(damaged), 400) - 1))
            damaged[at] = data.draw(st.integers(0, 255))
    content = bytes(damaged)
    frame = read_frame(content, sniff(content) or "")
    assert frame is None or (frame.width > 0 and frame.height > 0)


async def test_a_stored_blob_is_judged_by_its_head(tmp_path: Path, tenant: UUID) -> None:
    store = LocalBlobStore(tmp_path)
    stored = await store.put_small(tenant, encoded(scene(1), "JPEG") + bytes(3_000_000))
    found = await inspect_blob(store, tenant, stored.sha256, declared="image/jpeg")
    assert found.to_json() == {"mime": "image/jpeg", "width": 640, "height": 480}


def test_the_hash_of_a_stream_does_not_depend_on_its_pieces() -> None:
    content = bytes(range(256)) * 1000
    for size in (1000, 65_536, 200_000):
        found = asyncio.run(sha256_of(body(*in_slices(content, size))))
        assert found == (hashlib.sha256(content).hexdigest(), 256_000)
