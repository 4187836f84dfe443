"""A job done by a real app over HTTP, with photos, receipts and the phone's own chain."""

from base64 import urlsafe_b64decode
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fsm.database import Database
from fsm.evidence import device_chain
from fsm.evidence.blobs import blob_store
from fsm.evidence.receipts import ReceiptKey, key_form
from reports.packs.collecting import write_pack
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import Phone
from tests.mobile_api.photos import BYTES, Snap, snap, upload_metadata

DEVICE_KEY = Ed25519PrivateKey.from_private_bytes(b"d" * 32)


@dataclass
class ProvedJob:
    """`records` are the intents that the phone sent, each with its link."""

    job: Job
    phone: Phone
    photo: Snap
    records: list[dict[str, Any]]

    @property
    def key(self) -> ReceiptKey:
        return ReceiptKey.from_seed(self.job.company.settings.receipt_key_seed)

    async def pack(self) -> bytes:
        company = self.job.company
        file = BytesIO()
        packed = await write_pack(
            self.job.database,
            blob_store(company.settings),
            self.key,
            company.actors["dispatcher"],
            self.job.clock(),
            self.job.id,
            file,
        )
        content = file.getvalue()
        assert packed.size == len(content)
        return content


async def chaining_phone(client: httpx.AsyncClient, company: Company, clock: Clock) -> Phone:
    """Register a phone that has a key of its own."""
    answer = await client.post(
        "/sync/v1/devices",
        headers=company.headers["technician"],
        json={
            "install_id": "chaining",
            "schema": 5,
            "key": key_form(DEVICE_KEY.public_key().public_bytes_raw())["key"],
        },
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return Phone(client, {"Authorization": f"Bearer {body['token']}"}, body["device_id"], clock)


def link(phone: Phone, visit_id: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Chain records as an app does, from the nonce that came with the visit."""
    nonce = phone.of("visits")[visit_id]["nonce"]
    previous = urlsafe_b64decode(nonce + "=")
    chained = []
    for record in records:
        chained.append(device_chain.chained(DEVICE_KEY, previous, record))
        previous = device_chain.link_hash(previous, record)
    return chained


async def prove_job(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> ProvedJob:
    """Dispatch a job, do it with a phone, send its photo: the job is completed."""
    job = await dispatched_job(database, company, clock)
    phone = await chaining_phone(client, company, clock)
    await phone.pull()
    visit_id, photo = str(job.visit_id), snap(7)
    records = link(
        phone,
        visit_id,
        [
            phone.intent("visit.start", visit_id=visit_id),
            phone.intent("answer.set", visit_id=visit_id, item="safe", value=True),
            phone.intent("answer.set", visit_id=visit_id, item="reading", value=142.5),
            phone.intent("note.add", visit_id=visit_id, text="Двери смазаны"),
            phone.intent(
                "photo.add",
                visit_id=visit_id,
                photo_id=str(photo.photo_id),
                item="after",
                slot=0,
                sha256=photo.sha256,
                size=len(photo.content),
                mime="image/jpeg",
                captured_at=clock().isoformat(),
            ),
            phone.intent("visit.finish", visit_id=visit_id),
        ],
    )
    outcomes = await phone.push(*records)
    assert {one["status"] for one in outcomes} == {"applied"}, outcomes
    sent = await client.post(
        "/files",
        headers={
            **phone.headers,
            **BYTES,
            "Upload-Length": str(len(photo.content)),
            "Upload-Metadata": upload_metadata(photo.metadata),
        },
        content=photo.content,
    )
    assert sent.status_code == 201, sent.text
    assert (await job.row()).status == "completed"
    return ProvedJob(job, phone, photo, records)
