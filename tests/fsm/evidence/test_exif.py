"""What pictures say of time and place is read where it is sound, and nothing else is believed."""

import struct
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fsm.evidence.exif import Exif, read_exif
from fsm.evidence.headers import sniff
from fsm.evidence.verification import inspect
from tests.fsm.evidence.pictures import (
    EXIF,
    encoded,
    exif_bombs,
    heic_with_exif,
    jpeg_with_exif,
    scene,
)

NAIVE = datetime(2026, 3, 23, 9, 30)  # noqa: DTZ001 - the camera's clock
PARIS = timezone(timedelta(hours=1))
TOLD = Exif(datetime(2026, 3, 23, 9, 30, tzinfo=PARIS), 59.93375, -30.25, 12.5)


def told(content: bytes) -> Exif | None:
    return read_exif(content, sniff(content) or "")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_every_kind_tells_when_and_where_it_was_taken(kind: str) -> None:
    assert told(encoded(scene(1), kind, exif=EXIF)) == TOLD


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_phones_heic_does_too_though_nobody_here_can_open_it(version: int) -> None:
    assert told(heic_with_exif(EXIF.tobytes(), version)) == TOLD


def test_it_goes_into_the_row_of_the_blob_and_comes_back() -> None:
    found = inspect(encoded(scene(1), "JPEG", exif=EXIF))
    stored = found.to_json()["exif"]
    assert stored == {
        "taken_at": "2026-03-23T09:30:00+01:00",
        "latitude": 59.93375,
        "longitude": -30.25,
        "accuracy_m": 12.5,
    }
    assert Exif.from_json(stored) == TOLD
    assert "exif" not in inspect(encoded(scene(1), "JPEG")).to_json()


def exif(tags: dict[int, object], gps: dict[int, object] | None = None) -> Exif | None:
    """Return what is read from a JPEG with these fields; 0x9000 and above are the camera's own."""
    block = Image.Exif()
    for tag, value in tags.items():
        (block.get_ifd(0x8769) if tag >= 0x9000 else block)[tag] = value
    block.get_ifd(0x8825).update(gps or {})
    return told(encoded(scene(1, (64, 48)), "JPEG", exif=block))


def test_a_time_without_a_zone_is_the_cameras_own() -> None:
    found = exif({0x9003: "2026:03:23 09:30:00"})
    assert found == Exif(NAIVE)
    zulu = exif({0x9003: "2026:03:23 09:30:00", 0x9011: "+00:00"})
    assert zulu == Exif(datetime(2026, 3, 23, 9, 30, tzinfo=UTC))


def test_when_it_was_taken_counts_more_than_when_the_file_was_written() -> None:
    assert exif({0x0132: "2026:03:24 09:30:00"}) == Exif(NAIVE + timedelta(days=1))
    both = exif({0x0132: "2026:03:24 09:30:00", 0x9003: "2026:03:23 09:30:00"})
    assert both == Exif(NAIVE)


@pytest.mark.parametrize(
    "text",
    [
        "0000:00:00 00:00:00",
        "9999:12:31 23:59:59",
        "2026:13:01 00:00:00",
        "yesterday",
        "",
        "2026:03:23",
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert exif({0x9003: text}) is None


@pytest.mark.parametrize(
    "gps",
    [
        {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
        {1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (2.0, 0.0, 0.0)},
        {1: "X", 2: (48.0, 0.0, 0.0), 3: "E", 4: (2.0, 0.0, 0.0)},
        {2: (48.0, 0.0, 0.0), 4: (2.0, 0.0, 0.0)},
        {1: "N", 2: (48.0, 0.0, 0.0)},
    ],
    ids=["nowhere", "beyond the pole", "no such direction", "no direction", "half"],
)
def test_what_is_no_place_is_none(gps: dict[int, object]) -> None:
    assert exif({}, gps) is None


def test_a_fraction_without_a_denominator_says_nothing() -> None:
    content = encoded(scene(1, (64, 48)), "JPEG", exif=EXIF)
    ones = struct.pack("<II", 59, 1)
    assert ones in content
    assert told(content.replace(ones, struct.pack("<II", 59, 0))) is None


@pytest.mark.parametrize("name", exif_bombs())
def test_hostile_blocks_say_nothing(name: str) -> None:
    assert told(jpeg_with_exif(exif_bombs()[name])) is None


SOUND = [
    encoded(scene(2, (40, 30)), "JPEG", exif=EXIF),
    encoded(scene(2, (40, 30)), "WEBP", exif=EXIF),
    encoded(scene(2, (40, 30)), "PNG", exif=EXIF),
    heic_with_exif(EXIF.tobytes(), 1),
]


@given(st.sampled_from(SOUND), st.data())
def test_no_damage_makes_the_reader_stumble(sound: bytes, data: st.DataObject) -> None:
    damaged = bytearray(sound[: data.draw(st.integers(0, len(sound)))])
    for _ in range(data.draw(st.integers(0, 8))):
        if damaged:
            at = data.draw(st.integers(0, min(len(damaged), 500) - 1))
            damaged[at] = data.draw(st.integers(0, 255))
    content = bytes(damaged)
    found = told(content)
    assert found is None or found.latitude is None or abs(found.latitude) <= 90
