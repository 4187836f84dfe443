"""When and where a picture says that it was taken. Nothing is decoded, and anybody may have written it.

Read by hand from a bounded prefix of the file, like `headers`: Pillow reads no HEIC, follows
offsets wherever they point, and believes every count. A block that breaks off, lies about its
counts or points outside itself says nothing.
"""

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from struct import Struct, error, unpack_from
from typing import Any, Self

from fsm.evidence.headers import iter_boxes, iter_segments

#: Most fields of one directory that are looked at; cameras write about sixty.
_MOST_FIELDS = 256

_EXIF_DIRECTORY, _GPS_DIRECTORY = 0x8769, 0x8825
_CHANGED, _TAKEN, _CHANGED_ZONE, _TAKEN_ZONE = 0x0132, 0x9003, 0x9010, 0x9011
_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE, _ERROR_M = 1, 2, 3, 4, 0x1F
_ASCII, _RATIONAL = 2, 5
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8}

_INSTANT = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)")
_ZONE = re.compile(r"([+-])(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class Exif:
    """What a picture says of itself; each part None where it says nothing.

    `taken_at` is the camera's clock: aware where the zone was written down, else naive in the zone
    of wherever the camera was set to. Degrees WGS 84, `accuracy_m` in metres.
    """

    taken_at: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the members that are known."""
        taken = {} if self.taken_at is None else {"taken_at": self.taken_at.isoformat()}
        where = {
            "latitude": self.latitude,
            "longitude": self.longitude,
            "accuracy_m": self.accuracy_m,
        }
        return {**taken, **{name: value for name, value in where.items() if value is not None}}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Return what `to_json` wrote."""
        taken = stored.get("taken_at")
        return cls(
            None if taken is None else datetime.fromisoformat(taken),
            stored.get("latitude"),
            stored.get("longitude"),
            stored.get("accuracy_m"),
        )


def read_exif(head: bytes, mime: str) -> Exif | None:
    """Return what the first bytes of a picture say about time and place, None for nothing."""
    try:
        block = _find_block(head, mime)
        found = None if block is None else _read_block(block)
    except (IndexError, ValueError, ArithmeticError, error):
        return None
    return found if found != Exif() else None


# --- where the block lies ---------------------------------------------------------------------------------


def _find_block(head: bytes, mime: str) -> bytes | None:
    """Return the TIFF block with the metadata, None where the prefix holds none."""
    if mime == "image/jpeg":
        for marker, begin, end in iter_segments(head):
            if marker == 0xE1 and head[begin : begin + 6] == b"Exif\0\0":
                return head[begin + 6 : end]
    elif mime == "image/png":
        return _find_chunk(head, 8, ">I", b"eXIf", length_first=True)
    elif mime == "image/webp":
        block = _find_chunk(head, 12, "<I", b"EXIF", length_first=False)
        return None if block is None else block.removeprefix(b"Exif\0\0")
    elif mime in ("image/heic", "image/heif", "image/avif"):
        return _find_item(head)
    return None


def _find_chunk(
    head: bytes, at: int, length: str, wanted: bytes, *, length_first: bool
) -> bytes | None:
    """Walk the chunks of a PNG (a checksum behind each) or a WebP (padded to even lengths)."""
    while at + 8 <= len(head):
        (size,) = unpack_from(length, head, at if length_first else at + 4)
        kind = head[at + 4 : at + 8] if length_first else head[at : at + 4]
        if kind == wanted:
            return head[at + 8 : at + 8 + size]
        at += 12 + size if length_first else 8 + size + size % 2
    return None


def _find_item(head: bytes) -> bytes | None:
    """Return the item of type `Exif` of a HEIF container (ISO/IEC 23008-12, annex A)."""
    for kind, begin, end in iter_boxes(head, 0, len(head)):
        if kind == b"meta":
            inner = {name: (first, last) for name, first, last in iter_boxes(head, begin + 4, end)}
            if b"iinf" not in inner or b"iloc" not in inner:
                return None
            number = _exif_item(head, *inner[b"iinf"])
            place = None if number is None else _place_of(head, inner[b"iloc"], number)
            if place is None:
                return None
            item = head[place[0] : place[0] + place[1]]
            (skipped,) = unpack_from(">I", item)  # bytes between this number and the block
            return item[4 + skipped :]
    return None


def _exif_item(head: bytes, begin: int, end: int) -> int | None:
    """Return the number of the item of type `Exif` from an `iinf` box."""
    entries = begin + (6 if head[begin] == 0 else 8)
    for kind, first, _ in iter_boxes(head, entries, end):
        if kind != b"infe" or head[first] not in (2, 3):
            continue
        wide = head[first] == 3
        if head[first + (10 if wide else 8) : first + (14 if wide else 12)] == b"Exif":
            return int(unpack_from(">I" if wide else ">H", head, first + 4)[0])
    return None


def _place_of(head: bytes, box: tuple[int, int], wanted: int) -> tuple[int, int] | None:
    """Return (offset in the file, bytes) of an item that lies in one piece, from an `iloc` box."""
    begin, end = box
    version = head[begin]
    widths = (
        head[begin + 4] >> 4,
        head[begin + 4] & 15,
        head[begin + 5] >> 4,
        head[begin + 5] & 15,
    )
    offset_width, length_width, base_width, index_width = widths
    if version > 2 or any(width not in (0, 4, 8) for width in widths):
        return None
    wide = version == 2
    at = begin + 6

    def number(width: int) -> int:
        nonlocal at
        if at + width > end:
            raise ValueError("the box ends early")
        at += width
        return int.from_bytes(head[at - width : at])

    for _ in range(min(number(4 if wide else 2), 512)):
        item = number(4 if wide else 2)
        method = number(2) & 15 if version else 0
        number(2)  # which file the bytes are in: this one
        base = number(base_width)
        extents = number(2)
        spans = []
        for _ in range(min(extents, 16)):
            if version:
                number(index_width)
            spans.append((base + number(offset_width), number(length_width)))
        if item == wanted:
            return spans[0] if method == 0 and extents == 1 else None
    return None


# --- what the block says ----------------------------------------------------------------------------------


def _read_block(block: bytes) -> Exif:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return Exif()
    tiff = _Tiff(block, order)
    main = tiff.fields(tiff.long(4))
    own = tiff.directory(main, _EXIF_DIRECTORY)
    taken = _instant(tiff.text(own, _TAKEN), tiff.text(own, _TAKEN_ZONE))
    if taken is None:
        taken = _instant(tiff.text(main, _CHANGED), tiff.text(own, _CHANGED_ZONE))
    return Exif(taken, *_position(tiff, tiff.directory(main, _GPS_DIRECTORY)))


def _instant(text: str, zone: str) -> datetime | None:
    found = _INSTANT.fullmatch(text)
    if found is None:
        return None
    try:
        taken = datetime(*map(int, found.groups()))  # type: ignore[arg-type]  # noqa: DTZ001 - the camera's clock
    except ValueError:  # "0000:00:00 00:00:00" is how cameras without a clock write it
        return None
    if not 1990 <= taken.year <= 2100:
        return None
    written = _ZONE.fullmatch(zone)
    if written is None or int(written[2]) > 14 or int(written[3]) > 59:
        return taken
    ahead = timedelta(hours=int(written[2]), minutes=int(written[3]))
    return taken.replace(tzinfo=timezone(ahead if written[1] == "+" else -ahead))


def _position(
    tiff: "_Tiff", gps: "dict[int, _Field]"
) -> tuple[float | None, float | None, float | None]:
    latitude = _degrees(tiff.ratios(gps, _LATITUDE), tiff.text(gps, _LATITUDE_REF), "NS", 90)
    longitude = _degrees(tiff.ratios(gps, _LONGITUDE), tiff.text(gps, _LONGITUDE_REF), "EW", 180)
    # 0, 0 lies in the sea off Ghana: what is written there is a receiver that knew nothing.
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None, None, None
    error_m = tiff.ratios(gps, _ERROR_M)
    known = len(error_m) == 1 and 0 < error_m[0] < 1e7
    return latitude, longitude, round(error_m[0], 1) if known else None


def _degrees(parts: list[float], ref: str, refs: str, most: int) -> float | None:
    if len(parts) != 3 or len(ref) != 1 or ref not in refs:
        return None
    value = parts[0] + parts[1] / 60 + parts[2] / 3600
    if not (math.isfinite(value) and 0 <= value <= most):
        return None
    return round(-value if ref == refs[1] else value, 7)


@dataclass(frozen=True, slots=True)
class _Field:
    kind: int
    count: int
    at: int
    """Where the value lies: in the field itself up to four bytes, else where the field points."""


class _Tiff:
    """A TIFF block in one byte order. Reading beyond its end is `struct.error`."""

    def __init__(self, block: bytes, order: str) -> None:
        self._block = block
        self._long = Struct(order + "I")
        self._field = Struct(order + "HHI")
        self._ratio = Struct(order + "II")
        self._short = Struct(order + "H")

    def long(self, at: int) -> int:
        return int(self._long.unpack_from(self._block, at)[0])

    def fields(self, at: int) -> dict[int, _Field]:
        """Return the fields of the directory that begins there, as many as there are."""
        (count,) = self._short.unpack_from(self._block, at)
        found: dict[int, _Field] = {}
        for place in range(at + 2, at + 2 + 12 * min(count, _MOST_FIELDS), 12):
            if place + 12 > len(self._block):
                break
            tag, kind, number = self._field.unpack_from(self._block, place)
            size = _WIDTHS.get(kind, 0) * number
            where = place + 8 if size <= 4 else self.long(place + 8)
            if size and where + size <= len(self._block):
                found.setdefault(tag, _Field(kind, number, where))
        return found

    def directory(self, fields: dict[int, _Field], tag: int) -> dict[int, _Field]:
        """Return the directory that a field points to; empty without it."""
        field = fields.get(tag)
        return {} if field is None or field.count != 1 else self.fields(self.long(field.at))

    def text(self, fields: dict[int, _Field], tag: int) -> str:
        field = fields.get(tag)
        if field is None or field.kind != _ASCII or field.count > 64:
            return ""
        text = self._block[field.at : field.at + field.count].partition(b"\0")[0]
        return text.decode("ascii", "replace").strip()

    def ratios(self, fields: dict[int, _Field], tag: int) -> list[float]:
        """Return up to three fractions; one without a denominator is ZeroDivisionError."""
        field = fields.get(tag)
        if field is None or field.kind != _RATIONAL or field.count > 3:
            return []
        pairs = [
            self._ratio.unpack_from(self._block, field.at + 8 * number)
            for number in range(field.count)
        ]
        return [above / below for above, below in pairs]
