"""Pictures to judge: honest ones of every kind, and the ones that people send to do harm."""

import math
import random
import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw

from tests.bombs import in_zlib


def scene(seed: int, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Return a picture with a gradient and some shapes; another seed is another scene."""
    chance = random.Random(seed)
    width, height = size
    angle = chance.uniform(0, 2 * math.pi)
    small = Image.new("RGB", (64, 64))
    small.putdata(
        [
            tuple(
                int(
                    127
                    + 90 * math.sin(angle + (x * math.cos(angle) + y * math.sin(angle)) / 14 + c)
                )
                for c in range(3)
            )
            for y in range(64)
            for x in range(64)
        ]
    )
    image = small.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = chance.randrange(width), chance.randrange(height)
        w, h = chance.randrange(width // 9, width // 2), chance.randrange(height // 9, height // 2)
        colour = tuple(chance.randrange(256) for _ in range(3))
        shape = draw.ellipse if chance.random() < 0.5 else draw.rectangle
        shape((x - w // 2, y - h // 2, x + w // 2, y + h // 2), fill=colour)
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def animated(kind: str) -> bytes:
    frames = [scene(seed, (64, 48)) for seed in range(3)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


def png_claiming(width: int, height: int, data: bytes = b"") -> bytes:
    """Return a sound PNG header of that size with whatever as its compressed pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND")


def _chunk(kind: bytes, data: bytes = b"") -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def png_with_text_bomb() -> bytes:
    """Return a small PNG with compressed text of 200 MB before its pixels."""
    packed = in_zlib(bytes(1 << 20), 200)
    sound = encoded(scene(1, (8, 8)), "PNG")
    return sound[:33] + _chunk(b"zTXt", b"Comment\0\0" + packed) + sound[33:]


def jpeg_claiming(width: int, height: int, *, progressive: bool = False) -> bytes:
    """Return a sound JPEG whose frame header was rewritten to another size."""
    content = bytearray(encoded(scene(1, (64, 64)), "JPEG", progressive=progressive))
    at = content.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def jpeg_of_many_scans() -> bytes:
    """Return a progressive JPEG that repeats its last scan 500 times."""
    content = encoded(scene(1), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * 500 + b"\xff\xd9"


def jpeg_with_exif(exif: bytes) -> bytes:
    sound = encoded(scene(1), "JPEG")
    segment = b"Exif\0\0" + exif
    return sound[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + sound[2:]


def exif_bombs() -> dict[str, bytes]:
    """Return EXIF blocks that claim too much, point at themselves or break off."""
    entry = struct.pack("<HHI", 0x0112, 3, 0xFFFFFFFF) + struct.pack("<I", 8)
    header = b"II*\0" + struct.pack("<I", 8)
    return {
        "count of four billion": header + struct.pack("<H", 1) + entry + struct.pack("<I", 0),
        "directory in a circle": header + struct.pack("<H", 0) + struct.pack("<I", 8),
        "65,535 entries": header + struct.pack("<H", 0xFFFF) + entry * 5000,
        "broken off": header + b"\x05",
        "no header": b"\0" * 40,
        "offset beyond": b"MM\0*" + struct.pack(">I", 0xFFFFFFF0),
        "orientation of text": header
        + struct.pack("<HHHI", 1, 0x0112, 2, 4)
        + b"six\0"
        + struct.pack("<I", 0),
    }


def boxes(*parts: tuple[bytes, bytes]) -> bytes:
    """Return ISO base media boxes of (kind, content)."""
    return b"".join(struct.pack(">I", len(content) + 8) + kind + content for kind, content in parts)


def heic(width: int, height: int, brand: bytes = b"heic") -> bytes:
    """Return the container of a HEIC photo with a thumbnail; its pixels are not there."""

    def size(w: int, h: int) -> tuple[bytes, bytes]:
        return b"ispe", struct.pack(">III", 0, w, h)

    properties = boxes((b"ipco", boxes(size(320, 240), size(width, height), (b"colr", b"nclx"))))
    meta = b"\0\0\0\0" + boxes((b"hdlr", bytes(25)), (b"iprp", properties))
    return boxes((b"ftyp", brand + b"\0\0\0\0mif1" + brand), (b"meta", meta), (b"mdat", bytes(64)))


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8769).update({0x9003: "2026:03:23 09:30:00", 0x9011: "+01:00"})
    exif.get_ifd(0x8825).update(
        {1: "N", 2: (59.0, 56.0, 1.5), 3: "W", 4: (30.0, 15.0, 0.0), 0x1F: 12.5}
    )
    return exif


#: Taken at 09:30 in Paris in winter, by its own word in the North Atlantic.
EXIF = _exif()


def heic_with_exif(exif: bytes, version: int) -> bytes:
    """Return the container of a HEIC photo with an `Exif` item, its place given in an old or new way."""
    block = struct.pack(">I", 6) + b"Exif\0\0" + exif.removeprefix(b"Exif\0\0")
    number = struct.pack(">I" if version == 2 else ">H", 7)
    entry = struct.pack(">BxxxHH4s", 2, 7, 0, b"Exif") + b"\0"
    items = b"\0\0\0\0" + struct.pack(">H", 1) + boxes((b"infe", entry))

    def with_place(offset: int) -> bytes:
        place = number + (b"\0\0" if version else b"") + b"\0\0" + struct.pack(">H", 1)
        place += struct.pack(">II", offset, len(block))
        count = struct.pack(">I" if version == 2 else ">H", 1)
        locations = bytes([version, 0, 0, 0, 0x44, 0x00]) + count + place
        meta = b"\0\0\0\0" + boxes((b"iinf", items), (b"iloc", locations))
        return boxes((b"ftyp", b"heic\0\0\0\0mif1heic"), (b"meta", meta))

    return with_place(len(with_place(0)) + 8) + boxes((b"mdat", block))


def movie(
    seconds: float,
    *,
    brand: bytes = b"isom",
    version: int = 0,
    per_second: int = 1_000,
    is_last: bool = False,
    fragments_s: float | None = None,
    data: int = 100,
) -> bytes:
    """Return the boxes of an MP4 or QuickTime movie whose media data are no video."""
    layout = ">B3xQQIQ" if version else ">B3xIIII"
    units = min(int(seconds * (per_second or 1)), 2**32 - 2)
    inner = boxes((b"mvhd", struct.pack(layout, version, 1, 2, per_second, units) + bytes(80)))
    if fragments_s is not None:
        length = struct.pack(">B3xI", 0, int(fragments_s * per_second))
        inner += boxes((b"mvex", boxes((b"mehd", length))))
    parts = [(b"moov", inner), (b"mdat", bytes(data))]
    return boxes((b"ftyp", brand + b"\0\0\0\0" + brand), *(parts[::-1] if is_last else parts))


def element(number: int, content: bytes, *, is_endless: bool = False) -> bytes:
    """Return one EBML element, its length unknown as in live recordings if `is_endless`."""
    name = number.to_bytes((number.bit_length() + 7) // 8)
    length = b"\x01" + b"\xff" * 7 if is_endless else (1 << 56 | len(content)).to_bytes(8)
    return name + length + content


def webm(
    duration: float | None,
    *,
    scale_ns: int = 1_000_000,
    clusters_ms: list[int] | None = None,
    is_live: bool = False,
    more: bytes = b"",
) -> bytes:
    """Return the elements of a WebM whose clusters hold no frames; `more` goes before its length."""
    info = element(0x2AD7B1, scale_ns.to_bytes(4)) + more
    if duration is not None:
        info += element(0x4489, struct.pack(">d", duration))
    clusters = b"".join(
        element(0x1F43B675, b"\xe7\x84" + at.to_bytes(4) + bytes(50), is_endless=is_live)
        for at in clusters_ms or []
    )
    head = b"\x1a\x45\xdf\xa3\x87" + b"\x42\x82\x84webm"
    return head + element(0x18538067, element(0x1549A966, info) + clusters, is_endless=is_live)
