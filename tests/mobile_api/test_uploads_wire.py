"""Uploads over a real connection: a third-party client, lines that break, lines that fall silent."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from io import BytesIO

import httpx
import pytest
import uvicorn
from tusclient.client import TusClient
from tusclient.exceptions import TusUploadFailed

from fsm.app import create_app
from fsm.database import Database
from fsm.settings import Settings
from mobile_api import writers
from tests.company import Company
from tests.conftest import Clock
from tests.mobile_api.photos import (
    BYTES,
    Phone,
    Snap,
    receipt_row,
    register_phone,
    snap,
    upload_row,
)


@dataclass
class Live:
    """A running server and a phone registered with it."""

    url: str
    port: int
    phone: Phone

    @property
    def tus(self) -> TusClient:
        return TusClient(f"{self.url}/files", headers=dict(self.phone.headers))


@pytest.fixture
async def live(
    settings: Settings, database: Database, company: Company, clock: Clock
) -> AsyncIterator[Live]:
    """Serve the application by uvicorn on a loopback port, in this very event loop."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        app = create_app(replace(settings, public_url=url), database=database, clock=clock)
        config = uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            yield Live(url, port, Phone(client, await register_phone(database, company, clock)))
        server.should_exit = True
        await asyncio.wait_for(running, 20)


async def test_tuspy_uploads_in_parts_with_checksums_and_resumes(
    live: Live, database: Database, company: Company
) -> None:
    photo = snap(1, (1200, 900))
    part = len(photo.content) // 5 + 1

    def send_some() -> str:
        uploader = live.tus.uploader(
            file_stream=BytesIO(photo.content),
            metadata=photo.metadata,
            chunk_size=part,
            upload_checksum=True,
        )
        uploader.upload_chunk()
        uploader.upload_chunk()
        assert uploader.offset == 2 * part
        return str(uploader.url)

    url = await asyncio.to_thread(send_some)

    def send_rest() -> None:  # another process of the phone, which knows only the address
        uploader = live.tus.uploader(file_stream=BytesIO(photo.content), url=url, chunk_size=part)
        assert uploader.offset == 2 * part
        uploader.upload()

    await asyncio.to_thread(send_rest)
    assert await receipt_row(database, company, photo) is not None


async def test_tuspy_is_told_when_the_bytes_are_not_the_photo(live: Live) -> None:
    photo = snap()
    damaged = BytesIO(photo.content[::-1])

    def send() -> None:
        live.tus.uploader(file_stream=damaged, metadata=photo.metadata).upload()

    with pytest.raises(TusUploadFailed) as refusal:
        await asyncio.to_thread(send)
    assert refusal.value.status_code == 422


async def begin(live: Live, path: str, photo: Snap, sent: int) -> asyncio.StreamWriter:
    """Announce the whole photo, send its first bytes and keep the line open."""
    _, line = await asyncio.open_connection("127.0.0.1", live.port)
    headers = {
        **live.phone.headers,
        **BYTES,
        "Host": "fsm.test",
        "Upload-Offset": "0",
        "Content-Length": str(len(photo.content)),
    }
    lines = [f"PATCH {path} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
    line.write("\r\n".join([*lines, "", ""]).encode() + photo.content[:sent])
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


@pytest.mark.parametrize("sent", [1, 70_000])
async def test_a_line_cut_in_the_middle_keeps_what_arrived(
    live: Live, database: Database, company: Company, sent: int
) -> None:
    photo = Snap(snap().content + bytes(200_000))
    path = await live.phone.start(photo)
    kept = 0
    async with asyncio.timeout(20):
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


async def test_a_phone_takes_over_from_its_own_line_that_died_unnoticed(
    live: Live, database: Database, company: Company
) -> None:
    photo = Snap(snap().content + bytes(200_000))
    path = await live.phone.start(photo)
    line = await begin(live, path, photo, 70_000)
    async with asyncio.timeout(20):
        # The first question may come before the server has read what the line brought.
        while (kept := int((await live.phone.look(path)).headers["Upload-Offset"])) == 0:
            line.close()
            line = await begin(live, path, photo, 70_000)
    assert (await live.phone.send(path, kept, photo.content[kept:])).status_code == 204
    line.close()
    assert await receipt_row(database, company, photo) is not None


async def test_a_line_that_falls_silent_is_given_up_and_its_bytes_are_kept(
    live: Live, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "BEAT_S", 0.02)
    monkeypatch.setattr(writers, "SILENCE_S", 0.3)
    photo = snap()
    path = await live.phone.start(photo)
    line = await begin(live, path, photo, 100)
    async with asyncio.timeout(20):
        while not await offset_of(database, company, path):
            await asyncio.sleep(0.02)
    assert await offset_of(database, company, path) == 100
    line.close()


async def test_head_has_no_body_on_the_wire(live: Live) -> None:
    path = await live.phone.start(snap())
    for address in (path, "/files/00000000-0000-0000-0000-000000000007"):
        answer = await live.phone.look(address)
        assert answer.content == b""
        assert answer.headers["Tus-Resumable"] == "1.0.0"
