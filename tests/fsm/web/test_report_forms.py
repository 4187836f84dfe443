"""What strangers' forms may hold: the typed words always survive the photo, and nothing breaks the page."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from sqlmodel import select

from fsm.database import Database
from fsm.evidence.blobs import BlobStore, StorageFull
from fsm.settings import Settings
from fsm.web.report_form import clean
from fsm.work_orders.tables import RequestAttachment, ServiceRequest
from tests.company import Company
from tests.fsm.web.pictures import png_header, png_of

FORM = {"text": "The door does not close", "impact": "stopped"}
BOUNDARY = "----door"


def part(name: str, body: bytes, filename: str | None = None, kind: str = "image/jpeg") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
    if filename is not None:
        head += f'; filename="{filename}"\r\nContent-Type: {kind}'
    return head.encode() + b"\r\n\r\n" + body + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
TYPED = part("text", FORM["text"].encode()) + part("impact", b"stopped")


async def send(
    client: httpx.AsyncClient, company: Company, body: Any, **headers: str
) -> httpx.Response:
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return await client.post(
        f"/p/{company.passport.code}/report", content=body, headers=kind | headers
    )


async def requests_of(database: Database, company: Company) -> list[ServiceRequest]:
    async with database.transaction(company.id) as session:
        statement = select(ServiceRequest).where(ServiceRequest.tenant_id == company.id)
        return list(await session.exec(statement))


async def photos_of(database: Database, company: Company) -> list[RequestAttachment]:
    async with database.transaction(company.id) as session:
        statement = select(RequestAttachment).where(RequestAttachment.tenant_id == company.id)
        return list(await session.exec(statement))


@pytest.mark.parametrize(
    ("photo", "name", "problem", "words"),
    [
        (b"%PDF-1.7 nothing", "a.jpg", "photo_not_image", "not a photo"),
        (b"<svg onload='alert(1)'/>", "a.svg", "photo_not_image", "not a photo"),
        (b"MZ\x90\x00", "a.png", "photo_not_image", "not a photo"),
        (png_header(40_000, 40_000), "a.png", "photo_too_many_pixels", "more pixels"),
        (b"\x89PNG\r\n\x1a\n", "a.png", "photo_damaged", "damaged"),
        (b"\xff\xd8\xff\xe0rest", "a.jpg", "photo_damaged", "damaged"),
    ],
    ids=["pdf", "svg", "program", "huge-header", "png-cut-off", "jpeg-cut-off"],
)
async def test_a_bad_photo_never_loses_the_words_and_the_page_says_why(
    client: httpx.AsyncClient,
    company: Company,
    database: Database,
    photo: bytes,
    name: str,
    problem: str,
    words: str,
) -> None:
    sent = await send(client, company, TYPED + part("photo", photo, name) + END)
    assert sent.status_code == 303
    assert f"/thanks/report/{problem}?" in sent.headers["location"]
    thanks = await client.get(sent.headers["location"])
    assert words in thanks.text
    assert "Your report has arrived" in thanks.text
    russian = await client.get(sent.headers["location"].replace("lang=en", "lang=ru"))
    assert russian.status_code == 200
    assert [row.text for row in await requests_of(database, company)] == [FORM["text"]]
    assert await photos_of(database, company) == []


async def test_a_png_named_jpg_is_kept_as_the_png_it_is(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    picture = png_of(30, 20)
    sent = await send(
        client, company, TYPED + part("photo", picture, "../../etc/IMG.jpg", "image/jpeg") + END
    )
    assert "/thanks/report/stored" in sent.headers["location"]
    (photo,) = await photos_of(database, company)
    assert photo.mime == "image/png"
    (request,) = await requests_of(database, company)
    shown = await client.get(
        f"/api/service-requests/{request.id}/attachments/{photo.id}",
        headers=company.headers["dispatcher"],
    )
    assert shown.content == picture
    assert shown.headers["content-type"] == "image/png"
    assert shown.headers["content-disposition"] == f'inline; filename="{photo.id}.png"'
    assert "sandbox" in shown.headers["content-security-policy"]


async def flood(megabytes: int, *, after: bytes = b"") -> AsyncIterator[bytes]:
    """A form whose photo begins like a JPEG and goes on for so many megabytes."""
    yield TYPED
    yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'.encode()
    yield b"\xff\xd8\xff\xe0"
    for _ in range(megabytes):
        yield bytes(1_000_000)
    yield b"\r\n" + after + END


async def test_a_photo_above_the_limit_is_left_out_and_later_fields_still_count(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    sent = await send(client, company, flood(65, after=part("contact_name", b"Zoe")))
    assert sent.status_code == 303
    assert "/photo_too_large?" in sent.headers["location"]
    assert "64 MB" in (await client.get(sent.headers["location"])).text
    (request,) = await requests_of(database, company)
    assert request.contact_name == "Zoe"


async def test_an_endless_photo_is_not_read_to_its_end(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    produced = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal produced
        async for piece in flood(400):
            produced += len(piece)
            yield piece

    sent = await send(client, company, endless())
    assert "/photo_too_large?" in sent.headers["location"]
    assert len(await requests_of(database, company)) == 1


async def test_a_full_disk_costs_the_photo_and_not_the_words(
    client: httpx.AsyncClient,
    company: Company,
    database: Database,
    app: Litestar,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise StorageFull("No room.")

    store: BlobStore = app.state.blobs
    monkeypatch.setattr(store, "append", full)
    sent = await send(client, company, TYPED + part("photo", png_of(9, 9), "a.png") + END)
    assert "/photo_not_stored?" in sent.headers["location"]
    assert len(await requests_of(database, company)) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no multipart at all",
        TYPED,
        TYPED[:-1],
        TYPED + part("photo", png_of(9, 9), "a.png"),
        TYPED.replace(b"\r\n", b"\n") + END,
        b"".join(part(f"f{n}", b"x") for n in range(100)) + END,
        part("text", b"x" * 100_000) + END,
        b"--" + BOUNDARY.encode() + b"\r\n" + b"X: " + b"y" * 50_000 + b"\r\n\r\n" + END,
    ],
    ids=range(9),
)
async def test_a_broken_form_is_a_page_that_says_so_and_stores_nothing(
    client: httpx.AsyncClient, company: Company, database: Database, body: bytes
) -> None:
    answer = await send(client, company, body)
    assert answer.status_code in (400, 413)
    assert "<h1>" in answer.text
    assert f'href="/p/{company.passport.code}/page"' in answer.text
    assert await requests_of(database, company) == []
    program = await send(client, company, body, Accept="application/json")
    assert program.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 415),
        ("text/plain", 415),
        ("", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("application/x-www-form-urlencoded", 422),
    ],
)
async def test_other_kinds_of_body_are_refused(
    client: httpx.AsyncClient, company: Company, kind: str, status: int
) -> None:
    answer = await client.post(
        f"/p/{company.passport.code}/report", content=b"{}", headers={"Content-Type": kind}
    )
    assert answer.status_code == status


async def test_a_typed_body_beyond_all_typing_is_refused(
    client: httpx.AsyncClient, company: Company
) -> None:
    path = f"/p/{company.passport.code}/report"
    answer = await client.post(path, data={"text": "x" * 400_000, "impact": "stopped"})
    assert answer.status_code == 413
    many = await client.post(path, data={f"f{n}": "x" for n in range(200)})
    assert many.status_code == 400


@pytest.mark.parametrize(
    "text",
    [
        "🚪🔥👩‍🔧 все плохо",
        "<script>alert('x')</script>",
        "'; drop table service_request; --",
        "{{ 7 * 7 }} {% raw %}",
        "line one\r\nline two",
        "right \u202e left",
        "%s %00 &amp; \\",
        "я" * 2000,
    ],
    ids=range(8),
)
async def test_words_are_kept_as_they_were_typed_and_shown_as_words(
    client: httpx.AsyncClient, company: Company, database: Database, text: str
) -> None:
    sent = await send(
        client, company, part("text", text.encode()) + part("impact", b"running") + END
    )
    assert sent.status_code == 303
    (request,) = await requests_of(database, company)
    assert request.text == text.replace("\r\n", "\n")
    again = await send(client, company, part("text", text.encode()) + END)
    assert again.status_code == 422
    assert "<script>" not in again.text


async def test_bytes_that_are_no_text_and_nul_are_replaced_not_refused(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    body = part("text", b"lift \xff\xfe\x00 stuck") + part("impact", b"stopped") + END
    assert (await send(client, company, body)).status_code == 303
    (request,) = await requests_of(database, company)
    assert request.text == "lift \ufffd\ufffd stuck"


async def test_nothing_of_a_refused_form_stays_on_disk(
    client: httpx.AsyncClient, company: Company, settings: Settings
) -> None:
    body = part("impact", b"stopped") + part("photo", png_of(9, 9), "a.png") + END
    assert (await send(client, company, body)).status_code == 422
    assert not [path for path in Path(settings.blob_dir).rglob("*") if path.is_file()]


@given(st.text(max_size=200))
def test_cleaned_text_can_always_be_stored(text: str) -> None:
    kept = clean(text)
    assert "\x00" not in kept
    assert "\r" not in kept
    kept.encode()
    assert clean(kept) == kept
