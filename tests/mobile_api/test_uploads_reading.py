"""`/blobs`: who may read which bytes, in what pieces, and what a browser may do with them."""

from datetime import timedelta

import httpx
import pytest
from sqlmodel import col, update

from fsm.assets.tables import AssetDocument
from fsm.database import Database
from fsm.evidence.blobs import StoredBlob, blob_store
from fsm.evidence.jobs import make_thumbnail
from fsm.evidence.queries import keep_blob
from fsm.evidence.verification import Inspection
from fsm.jobs import Job
from fsm.settings import Settings
from fsm.tenants.tokens import read_access
from fsm.work_orders.lifecycle import VisitStatus
from fsm.work_orders.tables import RequestAttachment, ServiceRequest, Visit
from mobile_api.blob_routes import RangeNotSatisfiable, Span, is_fresh, read_range
from tests.company import Company
from tests.conftest import Clock
from tests.mobile_api.photos import (
    Phone,
    Snap,
    add_job,
    declare,
    hire,
    register_phone,
    snap,
)


@pytest.fixture
async def phone(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> Phone:
    return Phone(client, await register_phone(database, company, clock))


async def read(client: httpx.AsyncClient, photo: Snap, headers: dict[str, str], **more: str) -> int:
    answer = await client.get(f"/blobs/{photo.sha256}", headers={**headers, **more})
    if answer.status_code == 200:
        assert answer.content == photo.content
    else:
        assert answer.json()["code"] in {"not-found", "unauthenticated"}
    return answer.status_code


@pytest.mark.parametrize(
    ("raw", "span"),
    [
        (None, None),
        ("bytes=0-0", Span(0, 1)),
        ("bytes=3-", Span(3, 10)),
        ("bytes=3-99", Span(3, 10)),
        ("bytes=-4", Span(6, 10)),
        ("bytes=-99", Span(0, 10)),
        ("bytes=5-3", None),
        ("bytes=-", None),
        ("bytes=1-2,4-5", None),
        ("lines=1-2", None),
        ("bytes=1-2x", None),
        ("bytes=" + "9" * 40 + "-", None),
    ],
)
def test_one_range_or_the_whole(raw: str | None, span: Span | None) -> None:
    assert read_range(raw, 10) == span


@pytest.mark.parametrize("raw", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(raw: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as refusal:
        read_range(raw, 10)
    assert refusal.value.headers["Content-Range"] == "bytes */10"


def test_a_client_that_has_the_bytes_is_believed() -> None:
    assert is_fresh({"if-none-match": '"a", W/"b"'}, '"b"')
    assert is_fresh({"if-none-match": "*"}, '"b"')
    assert not is_fresh({"if-none-match": '"a"'}, '"b"')
    assert not is_fresh({}, '"b"')


async def test_a_file_is_served_as_what_it_is_and_runs_nowhere(
    phone: Phone, company: Company
) -> None:
    photo = snap()
    await phone.deliver(photo)
    address, get = f"/blobs/{photo.sha256}", phone.client.get
    whole = await get(address, headers=phone.headers)
    assert (whole.status_code, whole.content) == (200, photo.content)
    assert whole.headers["Content-Type"] == "image/jpeg"
    assert whole.headers["Content-Length"] == str(len(photo.content))
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert whole.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert whole.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    tag = whole.headers["ETag"]

    part = await get(address, headers={**phone.headers, "Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, photo.content[5:10])
    assert part.headers["Content-Range"] == f"bytes 5-9/{len(photo.content)}"
    beyond = await get(address, headers={**phone.headers, "Range": "bytes=999999-"})
    assert (beyond.status_code, beyond.json()["size"]) == (416, len(photo.content))
    known = await get(address, headers={**phone.headers, "If-None-Match": tag})
    assert (known.status_code, known.content, known.headers["ETag"]) == (304, b"", tag)
    changed = {"Range": "bytes=5-9", "If-Range": '"other"'}
    assert (await get(address, headers={**phone.headers, **changed})).status_code == 200


async def test_staff_read_all_and_strangers_nothing(
    phone: Phone, client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    photo = snap()
    await phone.deliver(photo)
    for role in ("administrator", "dispatcher", "manager", "technician"):
        assert await read(client, photo, company.headers[role]) == 200, role
    assert await read(client, photo, company.headers["customer"]) == 404
    for role in ("administrator", "technician", "customer"):
        assert await read(client, photo, stranger.headers[role]) == 404, role
    assert await read(client, photo, {}) == 401
    names = {"0" * 64: 404, "..%2f..%2fetc": 404, "A" * 64: 422, "x": 422}
    for name, status in names.items():
        missing = await client.get(f"/blobs/{name}", headers=company.headers["dispatcher"])
        assert missing.status_code == status, name


async def test_a_technician_reads_the_photos_of_jobs_they_go_to(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    """The photo was sent by a colleague; the job is the technician's while the office says so."""
    headers = await hire(database, company, clock)
    colleague = Phone(client, headers)
    sender = read_access(company.settings, headers["Authorization"].split()[1], clock())
    _, visit = await add_job(database, company, clock)
    photo = snap()
    await colleague.deliver(photo)
    mine = company.headers["technician"]
    assert await read(client, photo, mine) == 404
    await declare(database, company, clock, visit, Snap(photo.content))
    assert await read(client, photo, mine) == 404  # who knows a hash has not sent its bytes
    await declare(database, company, clock, visit, photo, actor=sender)
    assert await read(client, photo, mine) == 200
    assert await read(client, photo, company.headers["customer"]) == 200  # a photo of their job
    for status in (VisitStatus.PLANNED, VisitStatus.WITHDRAWN, VisitStatus.REJECTED):
        async with database.transaction(company.id) as session:
            await session.exec(update(Visit).where(col(Visit.id) == visit.id).values(status=status))
        assert await read(client, photo, mine) == 404, status


async def test_documents_of_equipment_are_read_by_whoever_may_see_it(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    settings: Settings,
    clock: Clock,
) -> None:
    manual = Snap(b"%PDF-1.7 how to repair a lift")
    await blob_store(settings).put_small(company.id, manual.content)
    async with database.transaction(company.id) as session:
        stored = StoredBlob(manual.sha256, len(manual.content), is_new=True)
        pdf = Inspection("application/pdf")
        await keep_blob(session, company.system, clock(), stored, pdf)
    mine = company.headers["technician"]
    assert await read(client, manual, mine) == 404
    async with database.transaction(company.id) as session:
        session.add(
            AssetDocument(
                tenant_id=company.id,
                model_id=company.model.id,
                title="Manual",
                sha256=manual.digest,
                mime="application/pdf",
                size=len(manual.content),
                added_at=clock(),
            )
        )
    assert await read(client, manual, mine) == 200
    assert await read(client, manual, company.headers["customer"]) == 200
    shown = await client.get(f"/blobs/{manual.sha256}", headers=mine)
    assert shown.headers["Content-Disposition"].startswith("attachment")


async def test_a_customer_reads_what_was_attached_to_their_own_requests(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    photo = snap()
    await phone.deliver(photo)
    theirs = company.headers["customer"]
    assert await read(client, photo, theirs) == 404
    async with database.transaction(company.id) as session:
        request = ServiceRequest(
            tenant_id=company.id,
            number="R-1",
            customer_id=company.customer.id,
            source="passport",
            request_class="incident",
            text="It is stuck",
            reported_at=clock(),
        )
        session.add(request)
        await session.flush()
        session.add(
            RequestAttachment(
                tenant_id=company.id,
                request_id=request.id,
                sha256=photo.digest,
                mime="image/jpeg",
                size=len(photo.content),
                added_at=clock() + timedelta(seconds=1),
            )
        )
    assert await read(client, photo, theirs) == 200


async def test_the_small_picture_appears_once_it_is_made(
    phone: Phone, database: Database, company: Company, settings: Settings
) -> None:
    photo = snap(1, (1200, 900))
    await phone.deliver(photo)
    address = f"/blobs/{photo.sha256}/thumbnail"
    early = await phone.client.get(address, headers=phone.headers)
    assert early.status_code == 404
    async with database.transaction(company.id) as session:
        job = Job(company.id, {"sha256": photo.sha256})
        await make_thumbnail(session, job, blob_store(settings))
    small = await phone.client.get(address, headers=phone.headers)
    assert (small.status_code, small.headers["Content-Type"]) == (200, "image/jpeg")
    assert small.content.startswith(b"\xff\xd8\xff")
    assert len(small.content) < len(photo.content)
