"""Little that unpacks to very much, put together without packing all of it."""

import zlib

_LAST = b"\x03\x00"
"""The block that ends a compressed stream."""


def in_zlib(piece: bytes, times: int) -> bytes:
    """Return the compressed form of a piece repeated so many times."""
    check = 1
    for _ in range(times):
        check = zlib.adler32(piece, check)
    head, block = _packed(piece, zlib.MAX_WBITS, 2)
    return head + block * times + _LAST + check.to_bytes(4, "big")


def in_gzip(piece: bytes, times: int) -> bytes:
    """Return the same as a gzip file."""
    check = 0
    for _ in range(times):
        check = zlib.crc32(piece, check)
    head, block = _packed(piece, zlib.MAX_WBITS | 16, 10)
    size = len(piece) * times % 2**32
    return head + block * times + _LAST + check.to_bytes(4, "little") + size.to_bytes(4, "little")


def _packed(piece: bytes, form: int, head: int) -> tuple[bytes, bytes]:
    """Return what a stream begins with, and a block that looks back at nothing before it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, form)
    packed = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    return packed[:head], packed[head:]
