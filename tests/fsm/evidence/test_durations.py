"""A video's length is read from its container, wherever that says it; nonsense has none."""

import asyncio
import struct
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.evidence.durations import read_seconds
from fsm.evidence.headers import sniff
from fsm.evidence.local_store import LocalBlobStore
from fsm.evidence.verification import VIDEO_TYPES, inspect_blob
from tests.fsm.evidence.pictures import boxes, element, movie, webm


def seconds_of(content: bytes, most_reads: int = 50) -> float | None:
    reads = asked = 0

    async def read(start: int, stop: int) -> bytes:
        nonlocal reads, asked
        reads += 1
        asked += stop - start
        return content[start:stop]

    found = asyncio.run(read_seconds(read, len(content), sniff(content[:256]) or ""))
    assert reads <= most_reads
    assert asked < 1_100_000
    return found


@pytest.mark.parametrize("is_last", [False, True], ids=["header first", "header last"])
@pytest.mark.parametrize("brand", [b"isom", b"qt  "])
@pytest.mark.parametrize("version", [0, 1])
def test_a_phones_video_tells_its_length(brand: bytes, version: int, is_last: bool) -> None:
    content = movie(12.345, brand=brand, version=version, is_last=is_last)
    assert seconds_of(content) == 12.345


def test_a_movie_in_fragments_tells_it_elsewhere_or_not_at_all() -> None:
    assert seconds_of(movie(0, fragments_s=7.5)) == 7.5
    assert seconds_of(movie(0)) is None


def test_a_movie_recorded_by_a_browser_lasts_until_its_last_fragment() -> None:
    def head(units: int, per_second: int) -> bytes:
        return struct.pack(">B3xIIII", 0, 1, 2, per_second, units) + bytes(80)

    def fragment(begins: int) -> bytes:
        time = (b"tfdt", struct.pack(">B3xQ", 1, begins))
        traf = boxes((b"tfhd", bytes(8)), time)
        return boxes((b"moof", boxes((b"mfhd", bytes(8)), (b"traf", traf))), (b"mdat", b"moof" * 5))

    track = boxes((b"tkhd", bytes(84)), (b"mdia", boxes((b"mdhd", head(0, 16_000)))))
    moov = boxes((b"mvhd", head(0, 1_000)), (b"trak", track))
    start = boxes((b"ftyp", b"isom\0\0\0\0isom"), (b"moov", moov))
    assert seconds_of(start + fragment(0) + fragment(16_000) + fragment(1_000_000)) == 62.5
    assert seconds_of(start) is None
    assert seconds_of(start + b"moof" * 100_000) is None


def test_media_data_beyond_four_gigabytes_are_skipped_not_read() -> None:
    """Only the boxes' heads are asked for: the gap is as long as a 64-bit length says."""
    head = boxes((b"ftyp", b"isom\0\0\0\0isom"))
    gap = 5 << 30
    data = struct.pack(">I4sQ", 1, b"mdat", gap)
    tail = movie(3.0)[len(head) :]
    asked = 0

    async def read(start: int, stop: int) -> bytes:
        nonlocal asked
        asked += stop - start
        edge = len(head) + gap
        return (head + data)[start:stop] if start < edge else tail[start - edge : stop - edge]

    size = len(head) + gap + len(tail)
    assert asyncio.run(read_seconds(read, size, "video/mp4")) == 3.0
    assert asked < 1_000


def test_a_webm_tells_its_length() -> None:
    assert seconds_of(webm(8_250.0)) == 8.25
    assert seconds_of(webm(8_250_000.0, scale_ns=1_000)) == 8.25


def test_a_webm_recorded_by_a_browser_lasts_until_its_last_cluster() -> None:
    content = webm(None, clusters_ms=[0, 1_000, 61_500], is_live=True)
    assert seconds_of(content) == 61.5


@pytest.mark.parametrize(
    "content",
    [
        movie(1.0, per_second=0),
        movie(1e9),
        boxes((b"ftyp", b"isom\0\0\0\0isom")) + struct.pack(">I4s", 4, b"moov"),
        boxes((b"ftyp", b"isom\0\0\0\0isom"), (b"moov", boxes((b"mvhd", b"\0")))),
        movie(0, fragments_s=7.5, data=0)[: -len(boxes((b"mdat", b""))) - 8],
        boxes((b"ftyp", b"isom\0\0\0\0isom")) + boxes((b"free", b"")) * 100_000,
        webm(float("inf")),
        webm(float("nan")),
        webm(None),
        webm(-5.0),
        webm(0.0001),
        webm(None, more=element(0x4489, bytes(5_000_000))),
        element(0x1A45DFA3, element(0x4282, b"webm")) + b"\0" * 100,
        element(0x1A45DFA3, element(0x4282, b"webm")) + element(0xEC, b"") * 100_000,
    ],
)
def test_a_length_that_makes_no_sense_is_none(content: bytes) -> None:
    assert seconds_of(content, most_reads=250) is None


@given(
    st.sampled_from(
        [
            movie(3.0),
            movie(3.0, is_last=True),
            movie(0, fragments_s=7.5, data=0),
            webm(3_000.0),
            webm(None, clusters_ms=[0, 500]),
        ]
    ),
    st.data(),
)
def test_no_damage_makes_the_reader_stumble(sound: bytes, data: st.DataObject) -> None:
    damaged = bytearray(sound[: data.draw(st.integers(0, len(sound)))])
    for _ in range(data.draw(st.integers(0, 8))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    found = seconds_of(bytes(damaged), most_reads=1_000)
    assert found is None or 0 < found <= 7 * 86_400


async def test_a_stored_video_is_measured_and_takes_no_memory(tmp_path: Path, tenant: UUID) -> None:
    store = LocalBlobStore(tmp_path)
    stored = await store.put_small(tenant, movie(12.5, is_last=True, data=3_000_000))
    found = await inspect_blob(
        store, tenant, stored.sha256, declared="video/mp4", allowed=VIDEO_TYPES
    )
    assert found.to_json() == {"mime": "video/mp4", "seconds": 12.5}
