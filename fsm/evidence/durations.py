"""How long a video lasts, by what its container says. Frames are not looked at.

Phones write what we look for at the end of the file as often as at its beginning, so this walks
from box to box with small reads wherever the bytes lie. Every walk is bounded; what is damaged,
endless or nested deeper than anybody writes it has no known length.
"""

import math
from collections.abc import Awaitable, Callable
from struct import error, unpack

#: Reads bytes `start` to `stop` (exclusive); fewer where the file ends.
Read = Callable[[int, int], Awaitable[bytes]]

#: No honest evidence is longer; more is a broken header. Seconds.
_LONGEST_S = 7 * 86_400

_MOST_BOXES = 200
_TAIL = 1 << 20

#: Most places at the end of a file that look like the beginning of its last part by chance.
_MOST_MARKS = 16

_SEGMENT, _INFO, _CLUSTER = 0x18538067, 0x1549A966, 0x1F43B675
_SCALE, _DURATION, _CLUSTER_TIME = 0x2AD7B1, 0x4489, 0xE7


async def read_seconds(read: Read, size: int, mime: str) -> float | None:
    """Return a video's length in seconds, None where its container does not tell.

    Browsers record without knowing a length: such a film lasts at least until its last cluster
    (WebM) or fragment (MP4) begins.
    """
    try:
        if mime in ("video/mp4", "video/quicktime"):
            found = await _movie_seconds(read, size)
        elif mime == "video/webm":
            found = await _webm_seconds(read, size)
        else:
            found = None
    except (error, IndexError, ValueError, ArithmeticError):
        return None
    if found is None or not math.isfinite(found):
        return None
    seconds = round(found, 3)
    return seconds if 0 < seconds <= _LONGEST_S else None


# --- MP4 and QuickTime (ISO/IEC 14496-12) -----------------------------------------------------------------


async def _movie_seconds(read: Read, size: int) -> float | None:
    movie = await _find_box(read, 0, size, b"moov")
    if movie is None:
        return None
    header = await _find_box(read, *movie, b"mvhd")
    if header is None:
        return None
    per_second, units = await _movie_header(read, header[0])
    extends = await _find_box(read, *movie, b"mvex") if units == 0 else None
    length = await _find_box(read, *extends, b"mehd") if extends else None
    if length is not None:  # fragments follow, and somebody knew how many
        content = await read(length[0], length[0] + 12)
        (units,) = unpack(">4xQ", content) if content[0] else unpack(">4xI", content[:8])
    if units == 0:
        return await _last_fragment(read, size, movie)
    return units / per_second if per_second else None


async def _last_fragment(read: Read, size: int, movie: tuple[int, int]) -> float | None:
    """Return when the last fragment of the first track begins."""
    track = await _find_box(read, *movie, b"trak")
    media = await _find_box(read, *track, b"mdia") if track else None
    header = await _find_box(read, *media, b"mdhd") if media else None
    if header is None:
        return None
    per_second, _ = await _movie_header(read, header[0])  # both headers begin alike
    begin = max(size - _TAIL, 0)
    tail = await read(begin, size)
    at = len(tail)
    for _ in range(_MOST_MARKS):
        at = tail.rfind(b"moof", 0, at)
        if at < 0:
            break
        fragment = await _find_box(read, begin + at + 4, size, b"traf")
        time = await _find_box(read, *fragment, b"tfdt") if fragment else None
        if time is not None and per_second:
            content = await read(time[0], time[0] + 12)
            (units,) = unpack(">4xQ", content) if content[0] else unpack(">4xI", content[:8])
            return float(units / per_second)
    return None


async def _movie_header(read: Read, begin: int) -> tuple[int, int]:
    """Return (units a second, units); a length that nobody knew is all ones, here 0."""
    content = await read(begin, begin + 32)
    if content[:1] == b"\1":
        per_second, units = unpack(">20xIQ", content)
        unknown = 2**64 - 1
    else:
        per_second, units = unpack(">12xII", content[:20])
        unknown = 2**32 - 1
    return per_second, 0 if units == unknown else units


async def _find_box(read: Read, at: int, end: int, wanted: bytes) -> tuple[int, int] | None:
    """Return where the content of the first such box begins and ends."""
    for _ in range(_MOST_BOXES):
        head = await read(at, min(at + 16, end))
        if len(head) < 8:
            return None
        length, first = int.from_bytes(head[:4]), at + 8
        if length == 1 and len(head) == 16:
            length, first = int.from_bytes(head[8:]), at + 16
        elif length == 0:
            length = end - at
        if length < first - at:
            return None
        if head[4:8] == wanted:
            return first, min(at + length, end)
        at += length
    return None


# --- WebM (RFC 8794 and 9559) -----------------------------------------------------------------------------


async def _webm_seconds(read: Read, size: int) -> float | None:
    segment = await _find_element(read, 0, size, _SEGMENT)
    if segment is None:
        return None
    info = await _find_element(read, *segment, _INFO)
    scale_ns, units = 1_000_000, math.nan
    if info is not None:
        begin, end = info
        scale = await _find_element(read, begin, end, _SCALE)
        if scale is not None:
            scale_ns = int.from_bytes(await read(scale[0], min(scale[1], scale[0] + 8)))
        duration = await _find_element(read, begin, end, _DURATION)
        if duration is not None and duration[1] - duration[0] in (4, 8):
            content = await read(*duration)
            (units,) = unpack(">f" if len(content) == 4 else ">d", content)
    if math.isnan(units):
        last = await _last_cluster(read, size)
        units = math.nan if last is None else last
    return units * scale_ns / 1e9


async def _last_cluster(read: Read, size: int) -> int | None:
    """Return when the last cluster begins: its first element says so, in every muxer's files."""
    tail = await read(max(size - _TAIL, 0), size)
    mark = _CLUSTER.to_bytes(4)
    at = len(tail)
    for _ in range(_MOST_MARKS):
        at = tail.rfind(mark, 0, at)
        if at < 0:
            break
        inside = at + 4 + _width(tail[at + 4 : at + 5])
        content = tail[inside + 2 : inside + 2 + (tail[inside + 1 : inside + 2] or b"\0")[0] % 0x80]
        if tail[inside : inside + 1] == _CLUSTER_TIME.to_bytes(1) and 1 <= len(content) <= 8:
            return int.from_bytes(content)
    return None


async def _find_element(read: Read, at: int, end: int, wanted: int) -> tuple[int, int] | None:
    """Return where the content of the first such element begins and ends.

    An element of unknown length lasts to the end of its parent.
    """
    for _ in range(_MOST_BOXES):
        head = await read(at, min(at + 12, end))
        wide = _width(head[:1])
        element = int.from_bytes(head[:wide])
        long = _width(head[wide : wide + 1])
        if wide > 4 or len(head) < wide + long:
            return None
        length = int.from_bytes(head[wide : wide + long]) & ((1 << 7 * long) - 1)
        first = at + wide + long
        stop = end if length == (1 << 7 * long) - 1 else min(first + length, end)
        if element == wanted:
            return first, stop
        if stop <= at:
            return None
        at = stop
    return None


def _width(first: bytes) -> int:
    """Return how many bytes the number takes that begins with this byte; 9 for none."""
    return 9 - first[0].bit_length() if first else 9
