"""Photos that look like one from another visit: flagged, never blocked."""

import hashlib
import random
from typing import Any

import pytest
from sqlmodel import col, select, update
from uuid_utils.compat import uuid7

from fsm.database import Database
from fsm.events import Event
from fsm.evidence import queries
from fsm.evidence.blobs import BlobStore, blob_store
from fsm.evidence.jobs import make_thumbnail
from fsm.evidence.tables import Blob
from fsm.evidence.thumbnails import fingerprint, thumbnail
from fsm.evidence.verification import inspect
from fsm.jobs import Job
from fsm.settings import Settings
from fsm.work_orders.photo_flags import flag_similar_photos
from fsm.work_orders.records import Photo
from fsm.work_orders.tables import Visit
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.evidence.pictures import encoded, scene
from tests.mobile_api.photos import add_job


@pytest.fixture
def store(settings: Settings) -> BlobStore:
    return blob_store(settings)


class Album:
    """Photos put on visits and compared, as declaration, upload and worker do it together."""

    def __init__(self, database: Database, company: Company, store: BlobStore, clock: Clock):
        self.database, self.company, self.store, self.clock = database, company, store, clock

    async def visit(self) -> Visit:
        return (await add_job(self.database, self.company, self.clock))[1]

    async def declare(self, visit: Visit, content: bytes) -> Photo:
        self.clock.forward(seconds=1)
        photo = Photo(
            id=uuid7(),
            tenant_id=self.company.id,
            work_order_id=visit.work_order_id,
            visit_id=visit.id,
            item="after",
            sha256=hashlib.sha256(content).digest(),
            size=len(content),
            mime="image/jpeg",
            captured_at=self.clock(),
            declared_at=self.clock(),
        )
        async with self.database.transaction(self.company.id) as session:
            session.add(photo)
        return photo

    async def arrive(self, content: bytes) -> None:
        blob = await self.store.put_small(self.company.id, content)
        actor = self.company.actors["technician"]
        async with self.database.transaction(self.company.id) as session:
            await queries.keep_blob(session, actor, self.clock(), blob, inspect(content))
        async with self.database.transaction(self.company.id) as session:
            await make_thumbnail(session, Job(self.company.id, {"sha256": blob.sha256}), self.store)

    async def compare(self, content: bytes) -> None:
        job = Job(self.company.id, {"sha256": hashlib.sha256(content).hexdigest()})
        async with self.database.transaction(self.company.id) as session:
            await flag_similar_photos(session, job, self.store, self.clock())

    async def flags(self, photo: Photo) -> list[dict[str, Any]]:
        async with self.database.transaction(self.company.id) as session:
            row = await session.get(Photo, (self.company.id, photo.id))
        assert row is not None
        return row.flags


@pytest.fixture
def album(database: Database, company: Company, store: BlobStore, clock: Clock) -> Album:
    return Album(database, company, store, clock)


PICTURE = scene(5)
ORIGINAL = encoded(PICTURE, "JPEG", quality=90)
TURNED = encoded(PICTURE.rotate(90, expand=True).resize((300, 400)), "JPEG", quality=60)
OTHER = encoded(scene(6), "JPEG")


@pytest.mark.parametrize("first_compared", [ORIGINAL, TURNED])
async def test_the_later_of_two_lookalikes_is_flagged_whichever_is_compared_first(
    album: Album, database: Database, company: Company, first_compared: bytes
) -> None:
    earlier = await album.declare(await album.visit(), ORIGINAL)
    later = await album.declare(await album.visit(), TURNED)
    other = await album.declare(await album.visit(), OTHER)
    for content in (ORIGINAL, TURNED, OTHER):
        await album.arrive(content)
    for content in (first_compared, ORIGINAL, TURNED, OTHER):
        await album.compare(content)
    assert await album.flags(later) == [{"code": "similar_photo", "ref": str(earlier.id)}]
    assert await album.flags(earlier) == []
    assert await album.flags(other) == []
    async with database.transaction(company.id) as session:
        told = (await session.exec(select(Event).where(Event.kind == "photo.flagged"))).all()
    assert [event.data["photo_id"] for event in told] == [str(later.id)]


@pytest.mark.parametrize(("bits", "is_similar"), [(8, True), (9, False)])
async def test_up_to_eight_of_64_bits_may_differ(
    album: Album, database: Database, company: Company, bits: int, is_similar: bool
) -> None:
    own = fingerprint(thumbnail(TURNED).jpeg)
    assert own is not None
    # A kept hash that lies so many bits from one position, and no nearer to the other seven.
    chance = random.Random(bits)
    while (
        own.distance(kept := own.turned[3] ^ sum(1 << bit for bit in some_bits(chance, bits)))
        < bits
    ):
        continue
    earlier = await album.declare(await album.visit(), ORIGINAL)
    later = await album.declare(await album.visit(), TURNED)
    for content in (ORIGINAL, TURNED):
        await album.arrive(content)
    async with database.transaction(company.id) as session:
        await session.exec(
            update(Blob)
            .where(col(Blob.sha256) == hashlib.sha256(ORIGINAL).digest())
            .values(perceptual_hash=kept)
        )
    await album.compare(TURNED)
    found = [{"code": "similar_photo", "ref": str(earlier.id)}]
    assert await album.flags(later) == (found if is_similar else [])


def some_bits(chance: random.Random, number: int) -> list[int]:
    """Return distinct places below the sign, so that the hash stays a number PostgreSQL can hold."""
    return chance.sample(range(63), number)


async def test_photos_of_one_visit_may_look_alike(album: Album) -> None:
    visit = await album.visit()
    photos = [await album.declare(visit, content) for content in (ORIGINAL, TURNED)]
    for content in (ORIGINAL, TURNED):
        await album.arrive(content)
        await album.compare(content)
    assert [await album.flags(photo) for photo in photos] == [[], []]


async def test_a_photo_declared_after_its_bytes_is_compared_too(album: Album) -> None:
    earlier = await album.declare(await album.visit(), ORIGINAL)
    for content in (ORIGINAL, TURNED):
        await album.arrive(content)
        await album.compare(content)
    later = await album.declare(await album.visit(), TURNED)
    assert await album.flags(later) == []
    await album.compare(TURNED)
    assert await album.flags(later) == [{"code": "similar_photo", "ref": str(earlier.id)}]


async def test_another_tenants_photos_are_never_compared(
    album: Album, database: Database, stranger: Company, store: BlobStore, clock: Clock
) -> None:
    abroad = Album(database, stranger, store, clock)
    await abroad.declare(await abroad.visit(), ORIGINAL)
    await abroad.arrive(ORIGINAL)
    own = await album.declare(await album.visit(), TURNED)
    await album.arrive(TURNED)
    await album.compare(TURNED)
    assert await album.flags(own) == []


async def test_bytes_without_a_fingerprint_are_compared_with_nothing(album: Album) -> None:
    photo = await album.declare(await album.visit(), ORIGINAL)
    await album.compare(ORIGINAL)
    assert await album.flags(photo) == []
