"""Uploads over a real connection: lines that break or fall silent, trailers, requests in a row."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from fsm.commands.http_server import hands_over_trailers
from fsm.database import Database
from fsm.settings import Settings
from mobile_api import writers
from tests.company import Company
from tests.conftest import Clock
from tests.mobile_api.live import Answer, Live, chunked, serving
from tests.mobile_api.photos import (
    BYTES,
    TUS,
    Snap,
    checksum,
    receipt_row,
    snap,
    upload_metadata,
    upload_row,
)
from tests.patience import PATIENCE_S


@pytest.fixture
async def live(
    settings: Settings, database: Database, company: Company, clock: Clock
) -> AsyncIterator[Live]:
    async with serving(settings, database, company, clock) as live:
        yield live


async def begin(live: Live, path: str, photo: Snap, sent: int) -> asyncio.StreamWriter:
    """Announce the whole photo, send its first bytes and keep the line open."""
    _, line = await asyncio.open_connection("127.0.0.1", live.port)
    size = str(len(photo.content))
    head = live.head("PATCH", path, **BYTES, Upload_Offset="0", Content_Length=size)
    line.write(head + photo.content[:sent])
    await line.drain()
    return line


async def offset_of(database: Database, company: Company, path: str) -> int:
    row = await upload_row(database, company, path)
    assert row is not None
    return row.received


async def until_written(
    database: Database, company: Company, path: str, *, begun: bool = True
) -> None:
    """Wait until a request writes to the upload, or none does any more."""
    while True:
        await asyncio.sleep(0.05)
        row = await upload_row(database, company, path)
        if row is not None and (row.writer is not None) == begun:
            return


async def answers(reader: asyncio.StreamReader) -> list[Answer]:
    """Return all that a line has been answered."""
    raw = (await reader.read()).split(b"HTTP/1.1 ")[1:]
    return [Answer.read(b"HTTP/1.1 " + one) for one in raw]


@pytest.mark.parametrize(
    ("sent", "size"), [(1, 200_000), (70_000, 200_000), (1, 5_000_000), (2_500_000, 5_000_000)]
)
async def test_a_line_cut_in_the_middle_keeps_what_arrived(
    live: Live, database: Database, company: Company, sent: int, size: int
) -> None:
    photo = Snap(snap().content + bytes(size))
    path = await live.phone.start(photo)
    kept = 0
    async with asyncio.timeout(PATIENCE_S):
        while kept == 0:  # the web server drops what it has not handed over when the line breaks
            line = await begin(live, path, photo, sent)
            await until_written(database, company, path)
            line.close()
            await until_written(database, company, path, begun=False)
            kept = await offset_of(database, company, path)
    assert kept <= sent
    told = await live.phone.look(path)
    assert told.headers["Upload-Offset"] == str(kept)
    rest = await live.phone.send(path, kept, photo.content[kept:])
    assert rest.status_code == 204
    assert await receipt_row(database, company, photo) is not None


@pytest.mark.parametrize("size", [200_000, 5_000_000])
async def test_a_phone_takes_over_from_its_own_line_that_died_unnoticed(
    live: Live, database: Database, company: Company, size: int
) -> None:
    photo = Snap(snap().content + bytes(size))
    path = await live.phone.start(photo)
    line = await begin(live, path, photo, 70_000)
    async with asyncio.timeout(PATIENCE_S):
        await until_written(database, company, path)
        # The question may still come before the server has read anything of what the line brought.
        while (kept := int((await live.phone.look(path)).headers["Upload-Offset"])) == 0:
            line.close()
            line = await begin(live, path, photo, 70_000)
            await until_written(database, company, path)
    assert (await live.phone.send(path, kept, photo.content[kept:])).status_code == 204
    line.close()
    assert await receipt_row(database, company, photo) is not None


@pytest.mark.parametrize("size", [0, 5_000_000])
async def test_a_line_that_falls_silent_is_given_up_and_its_bytes_are_kept(
    live: Live, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(writers, "BEAT_S", 0.02)
    monkeypatch.setattr(writers, "SILENCE_S", 0.3)
    photo = Snap(snap().content + bytes(size))
    path = await live.phone.start(photo)
    line = await begin(live, path, photo, 100)
    async with asyncio.timeout(PATIENCE_S):
        while not await offset_of(database, company, path):
            await asyncio.sleep(0.02)
    assert await offset_of(database, company, path) == 100
    line.close()


@pytest.mark.parametrize("algorithm", [None, "sha1", "sha256"])
async def test_a_video_comes_whole_and_its_line_goes_on_to_be_used(
    live: Live, database: Database, company: Company, algorithm: str | None
) -> None:
    video = Snap(snap().content + random.Random(3).randbytes(3 << 20))
    path = await live.phone.start(video)
    size = str(len(video.content))
    named = checksum(video.content, algorithm) if algorithm else {}
    reader, line = await asyncio.open_connection("127.0.0.1", live.port)
    line.write(
        live.head("PATCH", path, **BYTES, Upload_Offset="0", Content_Length=size, **named)
        + video.content
        + live.head("HEAD", path, **TUS, Connection="close")
    )
    patched, looked = await answers(reader)
    line.close()
    assert (patched.status, patched.headers["upload-offset"]) == (204, size)
    assert (looked.status, looked.headers["upload-offset"]) == (200, size)
    row = await receipt_row(database, company, video)
    assert row is not None


async def test_long_bodies_that_are_refused_are_dropped_and_the_line_goes_on(live: Live) -> None:
    video = Snap(snap().content + bytes(3 << 20))
    path = await live.phone.start(video)
    more = bytes(len(video.content) + 1)
    named = checksum(b"other bytes")
    for headers, status in (({}, 413), (named, 460), ({"Upload_Offset": "7"}, 409)):
        reader, line = await asyncio.open_connection("127.0.0.1", live.port)
        content = video.content if headers else more
        told = {"Upload_Offset": "0", "Content_Length": str(len(content)), **headers}
        line.write(
            live.head("PATCH", path, **BYTES, **told)
            + content
            + live.head("HEAD", path, **TUS, Connection="close")
        )
        refused, looked = await answers(reader)
        line.close()
        assert refused.status == status
        assert (looked.status, looked.headers["upload-offset"]) == (200, "0")


async def test_head_has_no_body_on_the_wire(live: Live) -> None:
    path = await live.phone.start(snap())
    for address in (path, "/files/00000000-0000-0000-0000-000000000007"):
        answer = await live.phone.look(address)
        assert answer.content == b""
        assert answer.headers["Tus-Resumable"] == "1.0.0"


# --- checksums after the bytes ----------------------------------------------------------------------------

TRAILING = {**BYTES, "Trailer": "Upload-Checksum", "Transfer-Encoding": "chunked"}


async def test_our_server_hands_over_trailers_and_says_so(live: Live) -> None:
    assert await hands_over_trailers()
    told = await live.phone.client.options("/files")
    assert "checksum-trailer" in told.headers["Tus-Extension"].split(",")


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@pytest.mark.parametrize("in_one_piece", [True, False])
async def test_a_checksum_may_follow_the_bytes(
    live: Live, database: Database, company: Company, algorithm: str, in_one_piece: bool
) -> None:
    photo = snap()
    path = await live.phone.start(photo)
    pieces = chunked(photo.content[:99], photo.content[99:], **checksum(photo.content, algorithm))
    sent = [b"".join(pieces)] if in_one_piece else pieces
    answer = await live.ask("PATCH", path, *sent, **TRAILING, Upload_Offset="0")
    assert (answer.status, answer.headers["upload-offset"]) == (204, str(len(photo.content)))
    assert await receipt_row(database, company, photo) is not None


async def test_bytes_that_do_not_fit_the_checksum_after_them_are_dropped(live: Live) -> None:
    photo = snap()
    path = await live.phone.start(photo)
    wrong = {"Upload-Checksum": "sha1 " + "A" * 27 + "="}
    for trailers, status, code in (
        (wrong, 460, b"checksum-mismatch"),
        ({"Upload-Checksum": "md5 AAAA"}, 400, b"unsupported-checksum"),
        ({}, 400, b"malformed-upload"),
        ({"Upload-Offset": "9"}, 400, b"malformed-upload"),
    ):
        pieces = chunked(photo.content[:99], photo.content[99:], **trailers)
        refused = await live.ask("PATCH", path, *pieces, **TRAILING, Upload_Offset="0")
        assert refused.status == status, trailers
        assert code in refused.body
        assert (await live.phone.look(path)).headers["Upload-Offset"] == "0"


async def test_a_line_that_breaks_before_the_checksum_leaves_nothing(
    live: Live, database: Database, company: Company
) -> None:
    photo = Snap(snap().content + bytes(200_000))
    path = await live.phone.start(photo)
    _, line = await asyncio.open_connection("127.0.0.1", live.port)
    line.write(live.head("PATCH", path, **TRAILING, Upload_Offset="0"))
    line.write(chunked(photo.content[:150_000])[0])
    await until_written(database, company, path)
    line.close()
    await until_written(database, company, path, begun=False)
    assert (await live.phone.look(path)).headers["Upload-Offset"] == "0"


async def test_a_checksum_may_follow_the_bytes_of_a_creation(
    live: Live, database: Database, company: Company
) -> None:
    photo = snap()
    headers = {
        **TRAILING,
        "Upload-Length": str(len(photo.content)),
        "Upload-Metadata": upload_metadata(photo.metadata),
    }
    pieces = chunked(photo.content, **checksum(photo.content))
    created = await live.ask("POST", "/files", *pieces, **headers)
    assert (created.status, created.headers["upload-offset"]) == (201, str(len(photo.content)))
    assert await receipt_row(database, company, photo) is not None


async def test_bytes_that_come_in_the_smallest_pieces_are_all_there(
    live: Live, database: Database, company: Company
) -> None:
    photo = snap(1, (320, 240))
    path = await live.phone.start(photo)
    one_by_one = b"".join(chunked(*(bytes([one]) for one in photo.content)))
    headers = {**BYTES, "Transfer-Encoding": "chunked"}
    sent = await live.ask("PATCH", path, one_by_one, **headers, Upload_Offset="0")
    assert (sent.status, sent.headers["upload-offset"]) == (204, str(len(photo.content)))
    assert await receipt_row(database, company, photo) is not None


async def test_requests_sent_in_a_row_without_waiting_are_answered_in_order(
    live: Live, database: Database, company: Company
) -> None:
    photo = snap()
    path = await live.phone.start(photo)
    first, second = photo.content[:99], photo.content[99:]
    reader, line = await asyncio.open_connection("127.0.0.1", live.port)
    for offset, piece in ((0, first), (99, second)):
        length = str(len(piece))
        line.write(
            live.head("PATCH", path, **BYTES, Upload_Offset=str(offset), Content_Length=length)
            + piece
        )
    line.write(live.head("HEAD", path, **TUS, Connection="close"))
    told = await answers(reader)
    line.close()
    assert [answer.headers["upload-offset"] for answer in told] == [
        "99",
        str(len(photo.content)),
        str(len(photo.content)),
    ]
    assert await receipt_row(database, company, photo) is not None


async def test_bytes_wait_for_the_servers_word_where_the_client_asks_for_it(live: Live) -> None:
    """`Expect: 100-continue`: a creation that is refused costs no bytes."""
    photo = snap()
    size = str(len(photo.content))
    expecting = {**BYTES, "Expect": "100-continue", "Content-Length": size, "Upload-Length": size}
    good = {**expecting, "Upload-Metadata": upload_metadata(photo.metadata)}
    for headers, first in ((expecting, b" 400 "), (good, b" 100 ")):
        reader, line = await asyncio.open_connection("127.0.0.1", live.port)
        line.write(live.head("POST", "/files", **headers))
        assert first in await reader.readline()
        line.close()
