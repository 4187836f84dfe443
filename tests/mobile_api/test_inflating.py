"""Compressed bodies: whole or refused, never larger in memory than agreed, one encoding at a time."""

import gzip
import tracemalloc
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mobile_api.encodings import BatchTooLarge, BrokenEncoding, UnsupportedEncoding, inflate

LIMIT = 1_000_000


def unsized(content: bytes) -> bytes:
    """Compress as a streaming client does, who does not know the size when it begins."""
    return zstandard.ZstdCompressor(write_content_size=False).compress(content)


PACKERS = {"gzip": gzip.compress, "zstd": zstandard.compress, "unsized": unsized}


def name_of(packer: str) -> str:
    return "zstd" if packer == "unsized" else packer


@pytest.mark.parametrize("packer", PACKERS)
@given(parts=st.lists(st.binary(max_size=2_000), min_size=1, max_size=3))
def test_what_was_packed_in_one_piece_or_several_comes_out(packer: str, parts: list[bytes]) -> None:
    body = b"".join(PACKERS[packer](part) for part in parts)
    assert inflate(body, name_of(packer), LIMIT) == b"".join(parts)


@pytest.mark.parametrize("packer", PACKERS)
def test_a_body_cut_off_anywhere_is_refused(packer: str) -> None:
    body = PACKERS[packer](bytes(range(256)) * 20)
    for length in range(len(body)):
        with pytest.raises(BrokenEncoding):
            inflate(body[:length], name_of(packer), LIMIT)


@pytest.mark.parametrize("packer", PACKERS)
def test_what_follows_the_compressed_body_is_not_passed_over(packer: str) -> None:
    with pytest.raises(BrokenEncoding):
        inflate(PACKERS[packer](b"{}") + b"and more", name_of(packer), LIMIT)


@pytest.mark.parametrize("packer", PACKERS)
def test_a_bomb_is_refused_without_being_inflated(packer: str) -> None:
    body = PACKERS[packer](bytes(50 * LIMIT))
    tracemalloc.start()
    with pytest.raises(BatchTooLarge):
        inflate(body, name_of(packer), LIMIT)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 * LIMIT


@pytest.mark.parametrize("packer", PACKERS)
def test_many_small_pieces_are_counted_together(packer: str) -> None:
    body = PACKERS[packer](bytes(LIMIT // 2)) * 3
    with pytest.raises(BatchTooLarge):
        inflate(body, name_of(packer), LIMIT)


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,zstd", "deflate", "br", "gzip;q=1", "*"])
def test_other_encodings_and_several_at_once_are_not_taken(encoding: str) -> None:
    with pytest.raises(UnsupportedEncoding) as refused:
        inflate(zlib.compress(b"{}"), encoding, LIMIT)
    assert refused.value.headers == {"Accept-Encoding": "zstd, gzip"}
