"""Compressed bodies: what a device sends is inflated within a bound, what it gets is deflated if wished."""

import zlib
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any

import zstandard

from fsm.negotiation import preferences
from fsm.problems import Problem

TAKEN = ("zstd", "gzip")
SMALL = 1_024
"""Bytes below which compressing costs more than it saves."""
_ZSTD_LEVEL = 1
"""A feed shrinks to an eighth at once; more levels save a few hundredths for half as much CPU again."""
_LARGEST_WINDOW = 8 * 1024 * 1024
"""The window that RFC 9659 allows zstd over HTTP."""


class UnsupportedEncoding(Problem):
    """Fact `accepts` lists the encodings that are taken."""

    code, status, title = "unsupported-encoding", 415, "This encoding is not taken"

    @property
    def headers(self) -> dict[str, str]:
        return {"Accept-Encoding": ", ".join(TAKEN)}


class BrokenEncoding(Problem):
    """The body is not what its Content-Encoding says, or it is cut off."""

    code, status, title = "broken-encoding", 400, "The compressed body cannot be read"


class BatchTooLarge(Problem):
    """Too many intents, or too many bytes before or after inflating; fact `limit`."""

    code, status, title = "batch-too-large", 413, "Too much at once"


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """Return the body without its Content-Encoding, at most `limit` bytes; never inflates beyond that."""
    match encoding.strip().lower():
        case "" | "identity":
            content = body
        case "gzip" | "x-gzip":
            content = _gunzip(body, limit)
        case "zstd":
            content = _unzstd(body, limit)
        case other:
            raise UnsupportedEncoding(
                f"Content-Encoding '{other[:40]}' is not taken. Use zstd, gzip or none.",
                accepts=list(TAKEN),
            )
    if len(content) > limit:
        raise BatchTooLarge(
            f"Inflated, the body is larger than {limit} bytes. Send fewer intents at once.",
            limit=limit,
        )
    return content


def _gunzip(body: bytes, limit: int) -> bytes:
    content, rest = b"", body
    while rest and len(content) <= limit:
        member = zlib.decompressobj(wbits=31)
        try:
            content += member.decompress(rest, limit + 1 - len(content))
        except zlib.error as error:
            raise BrokenEncoding(f"The body is not gzip: {error}.") from None
        if len(content) <= limit and not member.eof:
            raise BrokenEncoding("The gzip body is cut off.")
        rest = member.unused_data
    if not body:
        raise BrokenEncoding("The gzip body is empty.")
    return content


def _unzstd(body: bytes, limit: int) -> bytes:
    """Inflate twice: once bounded, to know that it is small enough, and once to see that it is whole."""
    inflater = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    content, rest = b"", body
    try:
        with inflater.stream_reader(body, read_across_frames=True) as reader:
            size = 0
            while chunk := reader.read(min(1 << 16, limit + 1 - size)):
                size += len(chunk)
                if size > limit:
                    return bytes(size)
        while rest:
            frame = inflater.decompressobj()
            content += frame.decompress(rest)
            if not frame.eof:
                raise BrokenEncoding("The zstd body is cut off.")
            rest = frame.unused_data
    except zstandard.ZstdError as error:
        raise BrokenEncoding(f"The body is not zstd: {error}.") from None
    if not body:
        raise BrokenEncoding("The zstd body is empty.")
    return content


def deflate(body: bytes, accept: str | None) -> tuple[bytes, str | None]:
    """Return the body in the encoding that `Accept-Encoding` likes best, and that encoding's name."""
    pieces, encoding = deflate_pieces((body,), accept)
    return b"".join(pieces), encoding


def deflate_pieces(
    pieces: tuple[bytes, ...], accept: str | None
) -> tuple[tuple[bytes, ...], str | None]:
    """Do the same with a body in pieces. Small ones stay as they are, in one piece."""
    size = sum(map(len, pieces))
    if size < SMALL:
        return (b"".join(pieces),), None
    encoding = None if accept is None else best_encoding(accept, TAKEN)
    if encoding is None:
        return pieces, None
    packer: Any
    if encoding == "zstd":
        packer = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj(size=size)
    else:
        packer = zlib.compressobj(5, wbits=31)
    return (*(packer.compress(piece) for piece in pieces), packer.flush()), encoding


async def gzipped(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield an endless answer packed, each line readable as soon as it comes. Holds about 32 KiB."""
    packer = zlib.compressobj(5, zlib.DEFLATED, 16 + 12, 5)
    async for line in lines:
        yield packer.compress(line) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()


@lru_cache(256)
def best_encoding(accept: str, offered: tuple[str, ...]) -> str | None:
    """Return which of `offered` the header takes with the highest quality; the earlier wins a tie."""
    wishes = {wish.value: wish.quality for wish in preferences(accept)}
    rated = [(wishes.get(name, wishes.get("*", 0.0)), name) for name in offered]
    quality, name = max(rated, key=lambda one: one[0])
    return name if quality > 0 else None
