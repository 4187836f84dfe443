"""Photos to send, jobs that wait for them, and the headers of tus: what tests of uploads stand on."""

import hashlib
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.actors import Actor
from fsm.catalogue.tables import WorkTypeVersion
from fsm.database import Database
from fsm.events import Occurrence
from fsm.evidence.tables import Blob, Receipt, Upload
from fsm.tenants import queries, tokens
from fsm.work_orders import field_work
from fsm.work_orders.closing_facts import PhotoState
from fsm.work_orders.lifecycle import Status, VisitStatus
from fsm.work_orders.orders import lock_work_order
from fsm.work_orders.records import Photo
from fsm.work_orders.tables import Visit, WorkOrder
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.evidence.pictures import encoded, scene

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}


@dataclass
class Snap:
    """One photo as a phone holds it."""

    content: bytes
    photo_id: UUID = field(default_factory=uuid7)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.content).digest()

    @property
    def metadata(self) -> dict[str, str]:
        return {"photo_id": str(self.photo_id), "sha256": self.sha256}


def snap(seed: int = 1, size: tuple[int, int] = (160, 120)) -> Snap:
    return Snap(encoded(scene(seed, size), "JPEG"))


def upload_metadata(values: dict[str, str]) -> str:
    return ",".join(f"{key} {b64encode(text.encode()).decode()}" for key, text in values.items())


def checksum(content: bytes, algorithm: str = "sha256") -> dict[str, str]:
    digest = hashlib.new(algorithm, content).digest()
    return {"Upload-Checksum": f"{algorithm} {b64encode(digest).decode()}"}


async def register_phone(
    database: Database, company: Company, clock: Clock, role: str = "technician"
) -> dict[str, str]:
    """Return the headers of a registered phone of that user."""
    async with database.transaction(company.id) as session:
        _, token = await queries.register_device(
            session, company.actors[role], clock(), install_id=f"{role}-{uuid7()}"
        )
    return {"Authorization": f"Token {token}"}


async def hire(database: Database, company: Company, clock: Clock) -> dict[str, str]:
    """Add a second technician's user and return the headers of their sign-in."""
    async with database.transaction(company.id) as session:
        role = await queries.find_role_by_code(session, company.system, "technician")
        user = await queries.add_user(
            session,
            company.system,
            clock(),
            login=f"{uuid7()}@{company.tenant.slug}",
            name="Second",
            role=role,
            password_hash=None,
        )
        actor = await tokens.find_actor(session, company.id, user.id)
    assert actor is not None
    return {"Authorization": f"Bearer {tokens.issue_access(company.settings, actor, clock())}"}


@dataclass
class Phone:
    """A phone that sends photos to `/files`."""

    client: httpx.AsyncClient
    headers: dict[str, str]

    async def create(
        self, photo: Snap, *, length: int | None = None, content: bytes = b"", **more: Any
    ) -> httpx.Response:
        headers = {
            **self.headers,
            **(BYTES if content else TUS),
            "Upload-Length": str(len(photo.content) if length is None else length),
            "Upload-Metadata": upload_metadata(photo.metadata),
            **more,
        }
        headers = {name: value for name, value in headers.items() if value is not None}
        return await self.client.post("/files", headers=headers, content=content)

    async def start(self, photo: Snap, **more: Any) -> str:
        """Create an upload and return its path."""
        created = await self.create(photo, **more)
        assert created.status_code == 201, created.text
        return path_of(created)

    async def look(self, path: str) -> httpx.Response:
        return await self.client.head(path, headers={**self.headers, **TUS})

    async def send(self, path: str, offset: int, content: Any, **more: str) -> httpx.Response:
        headers = {**self.headers, **BYTES, "Upload-Offset": str(offset), **more}
        return await self.client.patch(path, headers=headers, content=content)

    async def end(self, path: str) -> httpx.Response:
        return await self.client.delete(path, headers={**self.headers, **TUS})

    async def deliver(self, photo: Snap) -> httpx.Response:
        """Send a whole photo."""
        return await self.send(await self.start(photo), 0, photo.content)


def path_of(created: httpx.Response) -> str:
    return httpx.URL(created.headers["Location"]).path


# --- a job that waits for a photo -------------------------------------------------------------------------


async def add_job(database: Database, company: Company, clock: Clock) -> tuple[WorkOrder, Visit]:
    """Put a dispatched job with one visit of the technician into the database."""
    now = clock()
    async with database.transaction(company.id) as session:
        version = (
            await session.exec(
                select(WorkTypeVersion).where(WorkTypeVersion.tenant_id == company.id)
            )
        ).one()
        job = WorkOrder(
            id=uuid7(),
            tenant_id=company.id,
            number=f"W-{uuid7()}",
            status=Status.IN_PROGRESS,
            customer_id=company.customer.id,
            site_id=company.site.id,
            asset_id=company.asset.id,
            work_type_id=company.work_type.id,
            work_type_version_id=version.id,
            request_class="incident",
            maintenance="corrective",
            title="Door sticks",
            checklist_version_id=company.checklist.id,
            rules_sha256=company.checklist.rules_sha256,
            reported_at=now,
            created_at=now,
        )
        session.add(job)
        await session.flush()
        visit = Visit(
            id=uuid7(),
            tenant_id=company.id,
            work_order_id=job.id,
            technician_id=company.technician.id,
            status=VisitStatus.ON_SITE,
            planned_starts_at=now,
            planned_ends_at=now + timedelta(hours=1),
            dispatched_at=now,
            created_at=now,
        )
        session.add(visit)
    return job, visit


async def declare(
    database: Database,
    company: Company,
    clock: Clock,
    visit: Visit,
    photo: Snap,
    *,
    item: str = "after",
    mime: str = "image/jpeg",
    size: int | None = None,
    actor: Actor | None = None,
) -> Photo:
    """Declare a photo of a step through the same function as the phone's `photo.add`."""
    actor = actor or company.actors["technician"]
    now = clock()
    async with database.transaction(company.id) as session:
        job = await lock_work_order(session, actor, visit.work_order_id)
        own = await session.get(Visit, (company.id, visit.id))
        assert own is not None
        report = field_work.Report(session, actor, now, Occurrence(now, now, now), job, own)
        return await field_work.declare_photo(
            report,
            photo_id=photo.photo_id,
            item=item,
            slot=0,
            sha256=photo.digest,
            size=len(photo.content) if size is None else size,
            mime=mime,
            captured_at=now,
        )


# --- looking ----------------------------------------------------------------------------------------------


async def photo_row(database: Database, company: Company, photo: Snap) -> Photo:
    async with database.transaction(company.id) as session:
        found = await session.get(Photo, (company.id, photo.photo_id))
    assert found is not None
    return found


async def photo_state(database: Database, company: Company, photo: Snap) -> PhotoState:
    return PhotoState((await photo_row(database, company, photo)).state)


async def upload_row(database: Database, company: Company, path: str) -> Upload | None:
    async with database.transaction(company.id) as session:
        return await session.get(Upload, (company.id, UUID(path.rpartition("/")[2])))


async def blob_row(database: Database, company: Company, photo: Snap) -> Blob | None:
    async with database.transaction(company.id) as session:
        return await session.get(Blob, (company.id, photo.digest))


async def receipt_row(database: Database, company: Company, photo: Snap) -> Receipt | None:
    async with database.transaction(company.id) as session:
        return await session.get(Receipt, (company.id, photo.photo_id))


# --- all of it together -----------------------------------------------------------------------------------


@dataclass
class Camera:
    """A technician's phone at a job that waits for photos, and what the server makes of them."""

    phone: Phone
    database: Database
    company: Company
    clock: Clock
    work_order: WorkOrder
    visit: Visit

    async def declare(self, photo: Snap, **more: Any) -> Photo:
        return await declare(self.database, self.company, self.clock, self.visit, photo, **more)

    async def row(self, photo: Snap) -> Photo:
        return await photo_row(self.database, self.company, photo)

    async def state(self, photo: Snap) -> PhotoState:
        return await photo_state(self.database, self.company, photo)

    async def blob(self, photo: Snap) -> Blob | None:
        return await blob_row(self.database, self.company, photo)

    async def receipt(self, photo: Snap) -> Receipt | None:
        return await receipt_row(self.database, self.company, photo)
