"""Issued documents: numbered without gaps, replaced and withdrawn in the open, drawn the same again."""

import asyncio
from hashlib import sha256

import httpx
import pypdfium2
import pytest
from PIL import Image, ImageChops
from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE
from sqlalchemy.exc import DBAPIError

from fsm.database import Database, run
from fsm.evidence.blobs import blob_store
from fsm.work_orders import field_work
from fsm.work_orders.photo_marks import Mark, MarkKind
from reports.documents import issuing
from reports.documents.drawers import DRAWERS
from reports.documents.queries import find_document
from tests.company import Company
from tests.conftest import Clock
from tests.reports.documents.office import Office, text_of
from tests.reports.packs.proved_job import ProvedJob, prove_job

NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
async def proved(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> ProvedJob:
    return await prove_job(client, database, company, clock)


@pytest.fixture
def office(client: httpx.AsyncClient, company: Company) -> Office:
    return Office(client, company)


async def test_an_act_says_what_was_done_and_is_drawn_the_same_again_from_its_snapshot(
    office: Office, proved: ProvedJob, database: Database
) -> None:
    act = await office.issue(proved, language="ru")
    assert (act["number"], act["state"], act["standard"]) == ("ACT-1", "valid", "a-2b")
    file = (await office.call("GET", f"/{act['id']}/file")).content
    assert sha256(file).hexdigest() == act["file_sha256"]
    said = text_of(file)
    for expected in (
        "Акт выполненных работ",
        "ACT-1",
        "Grand Hotel",
        "Двери смазаны",
        "OT-0001234",
    ):
        assert expected in said
    assert "Фото после ремонта" in said
    snapshot = await office.call("GET", f"/{act['id']}/snapshot")
    assert sha256(snapshot.content).hexdigest() == act["snapshot_sha256"]
    (photo,) = snapshot.json()["content"]["photos"]
    assert photo["sha256"] == proved.photo.sha256
    assert photo["image"] not in (None, photo["sha256"]), "the picture is a thumbnail of its own"

    assert "marks" not in photo

    technical = await office.issue(proved, "technical-acts", has_attachment=True)
    assert (technical["number"], technical["standard"]) == ("TA-1", "a-3b")
    file = (await office.call("GET", f"/{technical['id']}/file")).content
    said = text_of(file)
    for expected in ("Pressure", "142.5 kPa", "0 to 400", proved.photo.sha256[:40]):
        assert expected in said, expected
    attached = pypdfium2.PdfDocument(file).get_attachment(0)
    assert attached.get_name() == "snapshot.json"
    assert sha256(bytes(attached.get_data())).hexdigest() == technical["snapshot_sha256"]

    company = proved.job.company
    tools = issuing.Tools(blob_store(company.settings), DRAWERS, proved.key, "http://fsm.test")
    for issued in (act, technical):
        async with database.transaction(company.id) as session:
            row = await find_document(session, company.system, issued["id"])
            again = await issuing.draw_again(session, tools, company.system, row)
        assert sha256(again).hexdigest() == issued["file_sha256"]


def picture_of(file: bytes) -> Image.Image:
    """Return the first picture of the first page."""
    (page, *_) = pypdfium2.PdfDocument(file)
    (drawn, *_) = page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE])
    picture: Image.Image = drawn.get_bitmap().to_pil()
    return picture.convert("RGB")


async def test_what_is_pointed_at_in_a_photo_is_in_the_acts_copy_of_it(
    office: Office, proved: ProvedJob
) -> None:
    plain = await office.issue(proved)
    mark = Mark(MarkKind.RING, 0.5, 0.5, 0.3)
    await proved.job.do(field_work.mark_photo, proved.photo.photo_id, [mark])
    act = await office.issue(proved)
    (photo,) = (await office.call("GET", f"/{act['id']}/snapshot")).json()["content"]["photos"]
    assert photo["marks"] == [{"kind": "ring", "x": 0.5, "y": 0.5, "size": 0.3, "angle": 0}]
    assert photo["sha256"] == proved.photo.sha256, "the photo is as it was taken"
    files = [(await office.call("GET", f"/{one['id']}/file")).content for one in (plain, act)]
    before, after = map(picture_of, files)
    assert before.size == after.size == (160, 120)
    changed = ImageChops.difference(before, after).convert("L").point(lambda by: 255 * (by > 64))
    # A ring of 48 pixels around (80, 60) with its line and edge, and nothing else.
    assert changed.getbbox() == pytest.approx((80 - 25, 60 - 25, 80 + 26, 60 + 26), abs=3)
    assert changed.crop((70, 50, 90, 70)).getbbox() is None


async def test_numbers_have_no_gaps_and_no_issued_document_is_ever_changed(
    office: Office, proved: ProvedJob, database: Database
) -> None:
    job = str(proved.job.id)
    await office.call("POST", "/acts", 404, work_order_id=job, replaces_id=NOBODY)
    first, *_ = await asyncio.gather(*(office.issue(proved) for _ in range(3)))
    listed = (await office.call("GET", f"?subject_id={job}&limit=2")).json()
    rest = (await office.call("GET", f"?subject_id={job}&after={listed['next']}")).json()
    numbers = [one["number"] for one in (*listed["items"], *rest["items"])]
    assert sorted(numbers) == ["ACT-1", "ACT-2", "ACT-3"]

    correction = await office.issue(proved, replaces_id=first["id"])
    then = (await office.call("GET", f"/{first['id']}")).json()
    assert (then["state"], then["replaced_by"]["number"]) == ("replaced", "ACT-4")
    assert then["file_sha256"] == first["file_sha256"]
    said = text_of((await office.call("GET", f"/{correction['id']}/file")).content)
    assert f"Replaces {first['number']}" in said
    refused = await office.call("POST", "/acts", 409, work_order_id=job, replaces_id=first["id"])
    assert refused.json()["code"] == "conflict"

    path = f"/{correction['id']}/withdrawal"
    gone = (await office.call("POST", path, 201, reason="Wrong customer")).json()
    assert (gone["state"], gone["withdrawn"]["reason"]) == ("withdrawn", "Wrong customer")
    await office.call("POST", path, 409, reason="Again")
    await office.call("GET", f"/{correction['id']}/file")
    assert (await office.issue(proved))["number"] == "ACT-5", (
        "a withdrawn number is not given again"
    )

    for change in ("update issued_document set number = 'X'", "delete from issued_document"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with database.transaction(proved.job.company.id) as session:
                await run(session, change)


async def test_a_preview_is_marked_and_unfinished_work_is_refused_and_neither_takes_a_number(
    office: Office, proved: ProvedJob, database: Database, company: Company
) -> None:
    shown = await office.call("POST", "/acts/preview", work_order_id=str(proved.job.id))
    assert shown.headers["content-type"] == "application/pdf"
    assert "PREVIEW" in text_of(shown.content)
    made = await office.client.post(
        "/api/work-orders",
        headers=company.headers["dispatcher"],
        json={"work_type": "repair", "asset_id": str(company.asset.id), "title": "Door"},
    )
    unfinished = {"work_order_id": made.json()["id"]}
    assert (await office.call("POST", "/acts", 409, **unfinished)).json()["code"] == "work-not-done"
    await office.call("POST", "/technical-acts/preview", **unfinished)
    assert (await office.call("GET", "")).json()["items"] == []
    async with database.transaction(company.id) as session:
        kept = await run(session, "select value from counter where name = 'act'")
        assert kept.all() == []
        files = await run(session, "select size from blob where mime = 'application/pdf'")
        assert files.all() == []


async def test_documents_of_others_do_not_exist(
    office: Office, client: httpx.AsyncClient, proved: ProvedJob, stranger: Company
) -> None:
    issued = await office.issue(proved)
    outsider = Office(client, stranger, "administrator")
    for path in ("", "/file", "/snapshot", "/statement"):
        await outsider.call("GET", f"/{issued['id']}{path}", 404)
    await outsider.call("POST", f"/{issued['id']}/withdrawal", 404, reason="mine")
    await outsider.call("POST", "/acts", 404, work_order_id=str(proved.job.id))
    assert (await outsider.call("GET", "")).json()["items"] == []
    customer = Office(client, proved.job.company, "customer")
    await customer.call("GET", f"/{issued['id']}/file")
    await customer.call("POST", "/acts", 403, work_order_id=str(proved.job.id))
