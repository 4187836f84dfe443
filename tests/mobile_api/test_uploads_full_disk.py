"""The disk is full while photos come: a refusal says so, and nothing that was acknowledged is lost."""

import os
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from fsm.database import Database
from fsm.settings import Settings
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.evidence.test_local_store import small_disk as small_disk
from tests.mobile_api.photos import Phone, Snap, receipt_row, register_phone, snap

CAPACITY = 3 << 20


@pytest.fixture
def settings(settings: Settings, small_disk: Path) -> Settings:
    return replace(settings, blob_dir=small_disk)


@pytest.fixture
async def phone(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> Phone:
    return Phone(client, await register_phone(database, company, clock))


async def test_a_full_disk_refuses_what_comes_and_keeps_what_was_acknowledged(
    phone: Phone, database: Database, company: Company, settings: Settings
) -> None:
    filler = settings.blob_dir / "other files"
    filler.write_bytes(bytes(2 << 20))
    photo = Snap(snap().content + os.urandom(2_000_000))
    path = await phone.start(photo)
    assert (await phone.send(path, 0, photo.content[:500_000])).status_code == 204

    refused = await phone.send(path, 500_000, photo.content[500_000:])
    assert (refused.status_code, refused.json()["code"]) == (507, "storage-full")
    assert refused.headers["Retry-After"] == "60"
    assert (await phone.look(path)).headers["Upload-Offset"] == "500000"
    assert (await phone.create(photo, content=photo.content)).status_code == 507

    filler.unlink()
    assert (await phone.send(path, 500_000, photo.content[500_000:])).status_code == 204
    assert await receipt_row(database, company, photo) is not None


async def test_parts_wait_for_room_to_be_put_together(
    phone: Phone, database: Database, company: Company, settings: Settings
) -> None:
    photo = Snap(snap().content + os.urandom(1_000_000))
    part = {"Upload-Concat": "partial", "Upload-Length": str(len(photo.content))}
    created = await phone.create(photo, content=photo.content, **part)
    filler = settings.blob_dir / "other files"
    filler.write_bytes(bytes(CAPACITY - len(photo.content) - 300_000))
    final = {"Upload-Concat": f"final;{created.headers['Location']}", "Upload-Length": None}
    refused = await phone.create(photo, **final)
    assert (refused.status_code, refused.json()["code"]) == (507, "storage-full")
    assert (await phone.look(httpx.URL(created.headers["Location"]).path)).headers[
        "Upload-Offset"
    ] == str(len(photo.content))

    filler.unlink()
    assert (await phone.create(photo, **final)).status_code == 201
    assert await receipt_row(database, company, photo) is not None
