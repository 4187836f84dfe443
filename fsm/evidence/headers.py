"""What the first bytes of a file say: its kind, its pixels, whether it moves. Nothing is decoded.

Written out rather than left to Pillow, because that cannot read HEIC, wants the whole of a WebP
or AVIF file, and allocates a canvas for them before anybody can object to its size. Every reader
works on a bounded prefix, moves forward only, and answers None where the bytes end or make no
sense.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import unpack_from

#: How many first bytes are enough for every honest file: a JPEG's frame header comes after its
#: metadata, which phones let grow to a few hundred KiB.
HEAD_SIZE = 1 << 20

# Most segments or boxes that a walk looks at; the event loop waits for it.
_MOST_PARTS = 10_000

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_HEIF_BRANDS = frozenset({b"mif1", b"msf1", b"mif2"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_MP4_BRANDS = frozenset(
    {b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"M4VP"}
    | {b"MSNV", b"dash", b"mmp4", b"hvc1"}
)
_SEQUENCE_BRANDS = frozenset({b"avis", b"msf1", b"hevc", b"hevx", b"hevm", b"hevs"})

# JPEG markers: frames (SOF0-15 without DHT, JPG, DAC), those without a length, start of scan.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE_FRAMES = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
_SCAN, _END = 0xDA, 0xD9


_EBML = b"\x1a\x45\xdf\xa3"
_WEBM = b"\x42\x82\x84webm"


@dataclass(frozen=True, slots=True)
class Frame:
    """Pixels as stored, before any rotation that EXIF asks for."""

    width: int
    height: int
    is_animated: bool = False
    is_progressive: bool = False


def sniff(head: bytes) -> str | None:
    """Return the MIME type that the first bytes prove, or None for a kind we do not take.

    32 bytes suffice, a box of brands in HEIC, AVIF, MP4 wants up to 256. The signature must be at
    byte 0: readers that search for it are what makes files with two meanings possible.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    if head.startswith(_EBML):
        # Other kinds of Matroska say `matroska` in this place, a few bytes into the EBML header.
        return "video/webm" if head.find(_WEBM, 5, 64) > 0 else None
    return _sniff_boxes(head)


def read_frame(head: bytes, mime: str) -> Frame | None:
    """Return the first picture's frame, or None where `head` does not hold a sound one."""
    readers = {
        "image/jpeg": _jpeg,
        "image/png": _png,
        "image/gif": _gif,
        "image/webp": _webp,
        "image/heic": _heif,
        "image/heif": _heif,
        "image/avif": _heif,
    }
    reader = readers.get(mime)
    if reader is None:
        return None
    try:
        frame = reader(head)
    except (IndexError, ValueError, ArithmeticError):
        return None
    return frame if frame is not None and frame.width > 0 and frame.height > 0 else None


def count_scans(content: bytes) -> int:
    """Return an upper bound of the scans that a decoder would walk through.

    Where the first scan of a sequential JPEG holds all components no decoder goes on to another.
    Else they are counted: inside a scan 0xFF is always followed by 0x00 or a restart marker, so
    what is counted beyond the scans themselves can only lie in metadata.
    """
    components = 0
    try:
        for marker, begin, _ in iter_segments(content):
            if marker in _FRAMES and marker not in _PROGRESSIVE_FRAMES:
                components = content[begin + 5]
            elif marker == _SCAN and components == content[begin]:
                return 1
    except IndexError:
        return 0
    return content.count(b"\xff\xda")


def _sniff_boxes(head: bytes) -> str | None:
    if head[4:8] in {b"moov", b"mdat", b"wide"}:  # QuickTime before it had brands
        return "video/quicktime"
    brands = _brands(head)
    if not brands:
        return None
    major, every = brands[0], frozenset(brands)
    if major == b"qt  ":
        return "video/quicktime"
    if major in _AVIF_BRANDS or (major in _HEIF_BRANDS and every & _AVIF_BRANDS):
        return "image/avif"
    if major in _HEIC_BRANDS or (major in _HEIF_BRANDS and every & _HEIC_BRANDS):
        return "image/heic"
    if major in _HEIF_BRANDS:
        return "image/heif"
    if every & _MP4_BRANDS:
        return "video/mp4"
    return None


def _brands(head: bytes) -> list[bytes]:
    """Return the major brand and the compatible ones; empty without a sound `ftyp` box."""
    if len(head) < 16 or head[4:8] != b"ftyp":
        return []
    (length,) = unpack_from(">I", head)
    if length < 16 or length > 256:
        return []
    box = head[8 : min(length, len(head))]
    return [box[:4], *(box[at : at + 4] for at in range(8, len(box) - 3, 4))]


def _jpeg(head: bytes) -> Frame | None:
    for marker, begin, _ in iter_segments(head):
        if marker in _FRAMES:
            return Frame(
                width=_u16(head, begin + 3),
                height=_u16(head, begin + 1),
                is_progressive=marker in _PROGRESSIVE_FRAMES,
            )
    return None


def iter_segments(head: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, begin, end) of the contents of a JPEG's segments, its first scan's head the last.

    Ends, or raises IndexError, where `head` does.
    """
    at = 2
    for _ in range(_MOST_PARTS):
        if head[at] != 0xFF or head[at + 1] == _END:
            return
        marker = head[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker in _BARE_MARKERS:
            at += 2
            continue
        length = _u16(head, at + 2)
        if length < 2:
            return
        yield marker, at + 4, at + 2 + length
        if marker == _SCAN:
            return
        at += 2 + length


def _png(head: bytes) -> Frame | None:
    if head[12:16] != b"IHDR":
        return None
    # An animation announces itself (`acTL`) before the first pixels (`IDAT`).
    at = 8
    is_animated = False
    while at + 8 <= len(head) and head[at + 4 : at + 8] != b"IDAT":
        is_animated = is_animated or head[at + 4 : at + 8] == b"acTL"
        at += 12 + _u32(head, at)
    return Frame(width=_u32(head, 16), height=_u32(head, 20), is_animated=is_animated)


def _gif(head: bytes) -> Frame | None:
    return Frame(
        width=_u16_little(head, 6),
        height=_u16_little(head, 8),
        is_animated=_has_second_gif_frame(head),
    )


def _has_second_gif_frame(head: bytes) -> bool:
    """Walk the blocks; where `head` ends before a second frame begins there is none to be seen."""
    flags = head[10]
    at = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    frames = 0
    while at + 10 <= len(head):
        if head[at] == 0x21:  # extension: label, then data blocks
            at += 2
        elif head[at] == 0x2C:  # frame: descriptor, colours, code size, then data blocks
            frames += 1
            if frames == 2:
                return True
            local = head[at + 9]
            at += 11 + (3 << ((local & 7) + 1) if local & 0x80 else 0)
        else:
            return False
        while at < len(head) and head[at]:
            at += 1 + head[at]
        at += 1
    return False


def _webp(head: bytes) -> Frame | None:
    kind, data = head[12:16], 20
    if kind == b"VP8X":
        return Frame(
            width=1 + _u24_little(head, data + 4),
            height=1 + _u24_little(head, data + 7),
            is_animated=bool(head[data] & 0x02),
        )
    if kind == b"VP8 " and head[data + 3 : data + 6] == b"\x9d\x01\x2a":
        return Frame(
            width=_u16_little(head, data + 6) & 0x3FFF, height=_u16_little(head, data + 8) & 0x3FFF
        )
    if kind == b"VP8L" and head[data] == 0x2F:
        bits = int.from_bytes(head[data + 1 : data + 5], "little")
        return Frame(width=1 + (bits & 0x3FFF), height=1 + (bits >> 14 & 0x3FFF))
    return None


def _heif(head: bytes) -> Frame | None:
    """Return the largest `ispe` property: the picture; its tiles and thumbnails are smaller."""
    meta = _box(head, 0, len(head), b"meta")
    if meta is None:
        return None
    properties = _box(head, meta[0] + 4, meta[1], b"iprp")  # `meta` begins with version and flags
    container = properties and _box(head, properties[0], properties[1], b"ipco")
    if not container:
        return None
    sizes = [
        (_u32(head, begin + 4), _u32(head, begin + 8))
        for kind, begin, _ in iter_boxes(head, container[0], container[1])
        if kind == b"ispe"
    ]
    if not sizes:
        return None
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    is_animated = bool(_SEQUENCE_BRANDS & frozenset(_brands(head)[:1]))
    return Frame(width=width, height=height, is_animated=is_animated)


def _box(head: bytes, begin: int, end: int, wanted: bytes) -> tuple[int, int] | None:
    """Return where the content of the first such box begins and ends."""
    for kind, first, last in iter_boxes(head, begin, end):
        if kind == wanted:
            return first, last
    return None


def iter_boxes(head: bytes, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, begin, end) of the contents of the boxes that lie side by side in a range."""
    end = min(end, len(head))
    for _ in range(_MOST_PARTS):
        if begin + 8 > end:
            return
        length, first = _u32(head, begin), begin + 8
        if length == 1 and begin + 16 <= end:
            length, first = int.from_bytes(head[begin + 8 : begin + 16], "big"), begin + 16
        elif length == 0:
            length = end - begin
        if length < first - begin:
            return
        yield head[begin + 4 : begin + 8], first, min(begin + length, end)
        begin += length


def _u16(head: bytes, at: int) -> int:
    return head[at] << 8 | head[at + 1]


def _u32(head: bytes, at: int) -> int:
    return _u16(head, at) << 16 | _u16(head, at + 2)


def _u16_little(head: bytes, at: int) -> int:
    return head[at] | head[at + 1] << 8


def _u24_little(head: bytes, at: int) -> int:
    return _u16_little(head, at) | head[at + 2] << 16
