"""What a push writes together: photos, labels, parts; each seen by those after it, none by those refused."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.assets import passports
from fsm.assets.tables import Passport
from fsm.database import Database
from fsm.parts.tables import Movement
from fsm.problems import Invalid
from fsm.work_orders import ledger
from fsm.work_orders.records import Note, PartUsed, Photo
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import Phone


def shows(phone: Phone, job: Job, sha256: str, slot: int = 0) -> dict[str, Any]:
    """Return an intent that declares a new photo with these bytes."""
    return phone.intent(
        "photo.add",
        visit_id=str(job.visit_id),
        photo_id=str(uuid7()),
        item="after",
        slot=slot,
        sha256=sha256,
        size=1_000,
        mime="image/jpeg",
        captured_at=phone.clock().isoformat(),
    )


def applied(outcomes: list[dict[str, Any]]) -> bool:
    return {one["status"] for one in outcomes} == {"applied"}


async def flagged(database: Database, company: Company, intent: dict[str, Any]) -> Any:
    """Return the photo that the declared one is said to repeat, None where nothing is said."""
    async with database.transaction(company.id) as session:
        photo = await session.get(Photo, (company.id, UUID(intent["data"]["photo_id"])))
        assert photo is not None
        codes = [flag["code"] for flag in photo.flags]
        assert codes in ([], ["reused_photo"])
        return photo.flags[0]["ref"] if codes else None


async def test_of_several_photos_in_a_push_the_one_another_visit_showed_is_flagged(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    first = await dispatched_job(database, company, clock)
    second = await dispatched_job(database, company, clock)
    old = shows(phone, first, "a" * 64)
    assert applied(await phone.push(old))
    again = shows(phone, second, "a" * 64, 0)
    own = shows(phone, first, "a" * 64, 1)
    new = shows(phone, second, "b" * 64, 2)
    assert applied(await phone.push(new, again))
    assert applied(await phone.push(own, shows(phone, first, "c" * 64, 3)))
    assert await flagged(database, company, again) == old["data"]["photo_id"]
    assert await flagged(database, company, new) is None
    assert await flagged(database, company, old) is None
    # The first visit shows its own photo once more; the second one's came after it.
    assert await flagged(database, company, own) == again["data"]["photo_id"]


async def test_bytes_that_two_visits_of_one_push_show_are_flagged_on_the_second(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    jobs = [await dispatched_job(database, company, clock) for _ in range(2)]
    here, there = (shows(phone, job, "a" * 64) for job in jobs)
    here_again, other = shows(phone, jobs[0], "d" * 64, 1), shows(phone, jobs[0], "d" * 64, 2)
    assert applied(await phone.push(here, there, here_again, other))
    assert await flagged(database, company, there) == here["data"]["photo_id"]
    assert await flagged(database, company, here) is None
    # One visit may show the same twice: nobody pretends to have been anywhere.
    assert await flagged(database, company, other) is None


async def test_a_photo_declared_and_signed_for_in_one_push_is_found(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    image = shows(phone, job, "a" * 64)
    photo_id = image["data"]["photo_id"]
    visit = str(job.visit_id)
    outcomes = await phone.push(
        image,
        phone.intent("note.add", visit_id=visit, text="Done"),
        phone.intent(
            "signature.add", visit_id=visit, item="signature", photo_id=photo_id, name="Ann"
        ),
        phone.intent("photo.retract", visit_id=visit, photo_id=photo_id, reason="Blurred"),
    )
    assert applied(outcomes)
    async with database.transaction(company.id) as session:
        photo = (await session.exec(select(Photo))).one()
        assert photo.retract_reason == "Blurred"


RING = {"kind": "ring", "x": 0.123456, "y": 1, "size": 0.2}
ARROW = {"kind": "arrow", "x": 0, "y": 0.5, "size": 0.4, "angle": 359}
AS_KEPT = [
    {"kind": "ring", "x": 0.1235, "y": 1, "size": 0.2, "angle": 0},
    {"kind": "arrow", "x": 0, "y": 0.5, "size": 0.4, "angle": 359},
]


async def test_what_is_pointed_at_in_a_photo_is_kept_beside_it_and_the_last_word_counts(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    image = shows(phone, job, "a" * 64)
    about = {"visit_id": str(job.visit_id), "photo_id": image["data"]["photo_id"]}

    def mark(*marks: dict[str, Any], **other: Any) -> dict[str, Any]:
        return phone.intent("photo.mark", **{**about, **other}, marks=list(marks))

    async def seen() -> Any:
        answer = await client.get(
            f"/api/work-orders/{job.id}/records", headers=company.headers["dispatcher"]
        )
        (photo,) = answer.json()["photos"]
        await phone.pull()
        fed = phone.of("photos").get(about["photo_id"], {}).get("marks", [])
        assert fed == photo["marks"]
        return fed

    assert applied(await phone.push(image))
    assert await seen() == []
    assert applied(await phone.push(mark(RING), mark(RING, ARROW)))
    assert await seen() == AS_KEPT
    outcomes = await phone.push(
        mark({**RING, "x": 1.1}),
        mark({**RING, "kind": "words"}),
        mark({**ARROW, "angle": 360}),
        mark({**RING, "size": 0}),
        mark(*[RING] * 21),
        mark(RING, photo_id=str(uuid4())),
    )
    assert [one["status"] for one in outcomes] == ["quarantined"] * 6
    assert outcomes[0]["problem"]["errors"][0]["at"] == "/data/marks/0/x"
    film = shows(phone, job, "b" * 64, 1)
    film["data"]["mime"] = "video/mp4"
    outcomes = await phone.push(film, mark(RING, photo_id=film["data"]["photo_id"]))
    assert [one["status"] for one in outcomes] == ["applied", "quarantined"]
    async with database.transaction(company.id) as session:
        kept = (await session.exec(select(Photo.marks).where(Photo.slot == 0))).one()
    assert kept == AS_KEPT
    assert applied(await phone.push(mark()))
    async with database.transaction(company.id) as session:
        assert (await session.exec(select(Photo.marks).where(Photo.slot == 0))).one() == []


async def test_a_label_claimed_offline_is_the_assets_and_one_that_nobody_printed_is_refused(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    async with database.transaction(company.id) as session:
        (code,) = await passports.create_batch(
            session, company.system, clock(), batch="van", count=1
        )
    mine = {"visit_id": str(job.visit_id), "asset_id": str(company.asset.id)}
    outcomes = await phone.push(
        phone.intent("passport.claim", code=code, **mine),
        phone.intent("passport.claim", code=code, **mine),
        phone.intent("passport.claim", code="no such code", **mine),
    )
    assert [one["status"] for one in outcomes] == ["applied", "applied", "quarantined"]
    async with database.transaction(company.id) as session:
        row = (await session.exec(select(Passport).where(Passport.code == code))).one()
    technician = company.actors["technician"]
    assert (row.asset_id, row.status) == (company.asset.id, "active")
    assert row.claimed_by == technician.user_id
    await phone.pull()
    assert code in phone.of("assets")[str(company.asset.id)]["passports"]


async def test_what_an_intent_had_written_goes_with_its_refusal_and_costs_no_other(
    phone: Phone,
    database: Database,
    company: Company,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = await dispatched_job(database, company, clock)
    visit = str(job.visit_id)

    async def refuse(*_: Any) -> None:
        """After the movement out of the van, which nothing has written yet."""
        raise Invalid("Nobody pays for this.")

    monkeypatch.setattr(ledger, "post_part", refuse)
    outcomes = await phone.push(
        phone.intent("note.add", visit_id=visit, text="before"),
        phone.intent("part.use", visit_id=visit, part_id=str(company.part.id), qty=1),
        phone.intent("note.add", visit_id=visit, text="after"),
    )
    assert [one["status"] for one in outcomes] == ["applied", "quarantined", "applied"]
    async with database.transaction(company.id) as session:
        used = [*await session.exec(select(PartUsed)), *await session.exec(select(Movement))]
        moves = [one for one in used if isinstance(one, PartUsed) or one.kind == "use"]
        texts = {note.text for note in await session.exec(select(Note))}
    assert moves == []
    assert texts == {"before", "after"}
