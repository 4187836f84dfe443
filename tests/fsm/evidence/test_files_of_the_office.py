"""A manual is stored first and then attached; its kind is what its bytes show."""

from hashlib import sha256

import httpx

from fsm.demo.work import draw_photo
from tests.company import Company

MANUAL = b"%PDF-1.7\n% a manual of few words\n%%EOF\n"


async def test_a_manual_is_stored_attached_and_read_back(
    client: httpx.AsyncClient, company: Company
) -> None:
    office = company.headers["dispatcher"]
    stored = await client.post("/api/files", headers=office, content=MANUAL)
    assert stored.status_code == 201, stored.text
    digest = sha256(MANUAL).hexdigest()
    assert stored.json() == {"sha256": digest, "size": len(MANUAL), "mime": "application/pdf"}
    attached = await client.post(
        f"/api/assets/{company.asset.id}/documents",
        headers=office,
        json={"sha256": digest, "title": "Manual", "language": "en"},
    )
    assert attached.status_code == 201, attached.text
    read = await client.get(f"/blobs/{digest}", headers=office)
    assert (read.status_code, read.content) == (200, MANUAL)
    assert read.headers["x-content-type-options"] == "nosniff"


async def test_the_same_file_twice_is_one(client: httpx.AsyncClient, company: Company) -> None:
    office, photo = company.headers["dispatcher"], draw_photo("plate", (64, 48))
    first = await client.post("/api/files", headers=office, content=photo)
    again = await client.post("/api/files", headers=office, content=photo)
    assert first.json() == again.json()
    assert first.json()["mime"] == "image/jpeg"


async def test_a_script_an_empty_body_and_somebody_without_the_right_are_refused(
    client: httpx.AsyncClient, company: Company
) -> None:
    office = company.headers["dispatcher"]
    script = await client.post("/api/files", headers=office, content=b"#!/bin/sh\nrm -rf /\n")
    assert (script.status_code, script.json()["code"]) == (415, "unknown-media")
    empty = await client.post("/api/files", headers=office)
    assert empty.status_code == 422
    other = await client.post("/api/files", headers=company.headers["technician"], content=MANUAL)
    assert (other.status_code, other.json()["needs"]) == (403, "edit_assets")


async def test_a_strangers_file_can_neither_be_read_nor_attached(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    await client.post("/api/files", headers=stranger.headers["dispatcher"], content=MANUAL)
    digest = sha256(MANUAL).hexdigest()
    office = company.headers["dispatcher"]
    assert (await client.get(f"/blobs/{digest}", headers=office)).status_code == 404
    attached = await client.post(
        f"/api/assets/{company.asset.id}/documents",
        headers=office,
        json={"sha256": digest, "title": "Manual", "language": "en"},
    )
    assert attached.status_code == 422
