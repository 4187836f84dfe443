"""Pictures to judge: honest ones of every kind, and the ones that people send to do harm."""

import math
import random
import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw


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
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
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
