"""Office and phone act while the other is away, in either order: both are kept, and a person decides."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlmodel import select

from fsm.database import Database
from fsm.parts.tables import Movement
from fsm.technicians.tables import Technician
from fsm.tenants.tables import User
from fsm.tenants.tokens import find_actor
from fsm.work_orders.records import Answer, Note, Photo, TimeEntry
from fsm.work_orders.tables import Review, Visit
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import DIGEST, JPEG, Job, dispatched_job
from tests.mobile_api.phones import Phone, new_phone
from tests.mobile_api.photos import hire


@dataclass
class Field:
    """A job on the phone of A, and B with a phone of their own."""

    client: httpx.AsyncClient
    database: Database
    company: Company
    clock: Clock
    phone: Phone
    job: Job
    colleague: Phone
    colleague_id: str

    @property
    def visit(self) -> str:
        return str(self.job.visit_id)

    async def office(self, method: str, path: str, **body: Any) -> httpx.Response:
        return await self.client.request(
            method, path, json=body, headers=self.company.headers["dispatcher"]
        )

    async def cancel(self) -> httpx.Response:
        return await self.office(
            "POST", f"/api/work-orders/{self.job.id}/cancellation", reason="customer"
        )

    async def reassign(self) -> str:
        """Give the visit to B; return B's."""
        rev = (await self.job.visit()).rev
        answer = await self.office(
            "PATCH", f"/api/visits/{self.visit}", rev=rev, technician_id=self.colleague_id
        )
        assert answer.status_code == 200, answer.text
        visit_id: str = answer.json()["id"]
        return visit_id

    def work(self, phone: Phone, visit: str, digest: bytes = DIGEST) -> list[dict[str, Any]]:
        """Return a whole visit as a phone tells of it."""
        photo = {
            "photo_id": phone.intent("x")["id"],
            "item": "after",
            "slot": 0,
            "sha256": digest.hex(),
            "size": len(JPEG),
            "mime": "image/jpeg",
            "captured_at": self.clock().isoformat(),
        }
        phone.seq -= 1
        return [
            phone.intent("visit.start", visit_id=visit),
            phone.intent("answer.set", visit_id=visit, item="safe", value=True),
            phone.intent("answer.set", visit_id=visit, item="reading", value=100),
            phone.intent("photo.add", visit_id=visit, **photo),
            phone.intent("visit.finish", visit_id=visit),
        ]

    async def rows(self, table: Any) -> list[Any]:
        async with self.database.transaction(self.company.id) as session:
            return list(await session.exec(select(table)))

    async def reviews(self) -> list[str]:
        return sorted(one.kind for one in await self.rows(Review))

    async def visits(self) -> dict[str, str]:
        return {str(one.id): one.status for one in await self.rows(Visit)}


@pytest.fixture
async def work(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> Field:
    headers = await hire(database, company, clock)
    async with database.transaction(company.id) as session:
        user = (await session.exec(select(User).where(User.name == "Second"))).one()
        assert await find_actor(session, company.id, user.id)
        clara = Technician(
            tenant_id=company.id, number="T-2", name="Clara", zone="Europe/Paris", user_id=user.id
        )
        session.add(clara)
        await session.flush()
    registered = await client.post(
        "/sync/v1/devices", headers=headers, json={"install_id": "second", "schema": 5}
    )
    body = registered.json()
    theirs = Phone(client, {"Authorization": f"Bearer {body['token']}"}, body["device_id"], clock)
    job = await dispatched_job(database, company, clock)
    await phone.pull()
    await theirs.pull()
    return Field(client, database, company, clock, phone, job, theirs, str(clara.id))


def statuses(outcomes: list[dict[str, Any]]) -> set[str]:
    return {one["status"] for one in outcomes}


def codes(outcome: dict[str, Any]) -> set[str]:
    return {note["code"] for note in outcome.get("notes", ())}


# --- on `visit.finish` ------------------------------------------------------------------------------------


async def test_a_finish_without_the_photos_bytes_is_work_done_and_completes_with_the_last_of_them(
    work: Field,
) -> None:
    outcomes = await work.phone.push(*work.work(work.phone, work.visit))
    assert statuses(outcomes) == {"applied"}
    assert codes(outcomes[-1]) == {"photos_pending"}
    assert (await work.job.row()).status == "work_done"
    await work.job.bytes_arrive()
    assert (await work.job.row()).status == "completed"


async def test_a_finish_whose_bytes_came_first_completes_at_once(work: Field) -> None:
    *before, finish = work.work(work.phone, work.visit)
    await work.phone.push(*before)
    await work.job.bytes_arrive()
    (outcome,) = await work.phone.push(finish)
    assert (outcome["status"], codes(outcome)) == ("applied", set())
    assert (await work.job.row()).status == "completed"


@pytest.mark.parametrize("missing", ["answer.set", "photo.add"])
async def test_a_finish_without_an_answer_or_a_declared_photo_is_rejected_and_the_facts_stay(
    missing: str, work: Field
) -> None:
    told = [one for one in work.work(work.phone, work.visit) if one["type"] != missing]
    outcomes = await work.phone.push(*told)
    assert [one["status"] for one in outcomes] == ["applied"] * (len(told) - 1) + ["rejected"]
    assert outcomes[-1]["problem"]["code"] == "checklist-incomplete"
    assert (await work.job.row()).status == "in_progress"
    kept = await work.rows(Answer if missing == "photo.add" else Photo)
    assert len(kept) == (2 if missing == "photo.add" else 1)


async def test_work_on_a_job_cancelled_meanwhile_counts_late_and_stays_cancelled(
    work: Field,
) -> None:
    told = work.work(work.phone, work.visit)
    work.clock.forward(minutes=10)
    assert (await work.cancel()).status_code == 200
    outcomes = await work.phone.push(*told)
    assert statuses(outcomes) == {"applied"}
    assert all("late" in codes(one) for one in outcomes)
    assert (await work.job.row()).status == "cancelled"
    assert "work_on_cancelled_job" in await work.reviews()
    assert len(await work.rows(Answer)) == 2


async def test_a_job_that_the_phone_has_completed_cannot_be_cancelled_afterwards(
    work: Field,
) -> None:
    await work.phone.push(*work.work(work.phone, work.visit))
    await work.job.bytes_arrive()
    refused = await work.cancel()
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong-status")
    assert (await work.job.row()).status == "completed"


async def test_the_visit_of_a_colleague_who_has_not_begun_is_withdrawn_when_the_first_was_made(
    work: Field,
) -> None:
    told = work.work(work.phone, work.visit)
    theirs = await work.reassign()
    outcomes = await work.phone.push(*told)
    assert statuses(outcomes) == {"applied"}
    assert "late" in codes(outcomes[0])
    assert await work.visits() == {work.visit: "finished", theirs: "withdrawn"}
    assert "duplicate_visit" not in await work.reviews()
    await work.colleague.pull()
    assert work.colleague.of("work_orders")[str(work.job.id)]["access"] == "revoked"
    assert (await work.job.row()).status == "work_done"


@pytest.mark.parametrize("far", ["started", "finished"])
async def test_both_visits_are_kept_when_the_colleague_has_begun(far: str, work: Field) -> None:
    told = work.work(work.phone, work.visit)
    theirs = await work.reassign()
    done = work.work(work.colleague, theirs, digest=b"\x01" * 32)
    done = done if far == "finished" else done[:1]
    assert statuses(await work.colleague.push(*done)) == {"applied"}
    outcomes = await work.phone.push(*told)
    assert statuses(outcomes) == {"applied"}
    expected = "finished" if far == "finished" else "on_site"
    assert await work.visits() == {work.visit: "finished", theirs: expected}
    assert "duplicate_visit" in await work.reviews()


async def test_both_visits_are_kept_when_the_colleagues_phone_speaks_last(work: Field) -> None:
    """Both worked offline; the first technician's phone was heard first."""
    theirs = await work.reassign()
    done = work.work(work.colleague, theirs, digest=b"\x01" * 32)
    await work.phone.push(*work.work(work.phone, work.visit))
    assert (await work.visits())[theirs] == "withdrawn"
    outcomes = await work.colleague.push(*done)
    assert statuses(outcomes) == {"applied"}
    assert await work.visits() == {work.visit: "finished", theirs: "finished"}
    assert "duplicate_visit" in await work.reviews()


async def test_what_somebody_sends_who_has_left_is_kept_for_the_office(work: Field) -> None:
    told = work.work(work.phone, work.visit)
    user = work.company.users["technician"]
    left = await work.client.patch(
        f"/api/users/{user.id}",
        json={"rev": user.rev, "is_active": False},
        headers=work.company.headers["administrator"],
    )
    assert left.status_code == 200
    outcomes = await work.phone.push(*told)
    assert statuses(outcomes) == {"quarantined"}
    assert (await work.job.visit()).status == "dispatched"
    assert await work.reviews() == ["quarantined_intents"]


# --- who writes what --------------------------------------------------------------------------------------


async def test_what_a_phone_writes_over_a_job_is_a_suggestion_and_the_servers_version_returns(
    work: Field,
) -> None:
    before = work.phone.rows["work_orders", str(work.job.id)]
    (outcome,) = await work.phone.push(
        work.phone.intent(
            "state.suggest",
            collection="work_orders",
            row_id=str(work.job.id),
            base_rev=before["rev"],
            fields={"title": "Another title", "checklist_id": None},
        )
    )
    assert codes(outcome) == {"suggestion"}
    assert await work.reviews() == ["suggestion"]
    await work.phone.pull()
    after = work.phone.rows["work_orders", str(work.job.id)]
    assert after["rev"] > before["rev"]
    assert after["d"]["title"] == before["d"]["title"]


async def test_a_jobs_state_is_the_same_whatever_order_its_events_come_in(work: Field) -> None:
    told = work.work(work.phone, work.visit)
    pause = work.phone.intent("visit.pause", visit_id=work.visit, reason="parts")
    outcomes = await work.phone.push(pause)
    assert outcomes[0]["status"] == "applied"
    assert statuses(await work.phone.push(*reversed(told))) == {"applied"}
    late = await work.phone.push(work.phone.intent("visit.arrive", visit_id=work.visit))
    assert codes(late[0]) == {"crossed"}
    assert (await work.visits())[work.visit] == "finished"
    assert (await work.job.row()).status == "work_done"


async def test_the_answer_with_the_devices_last_number_stands_whichever_came_first(
    work: Field,
) -> None:
    first, second = (
        work.phone.intent("answer.set", visit_id=work.visit, item="reading", value=value)
        for value in (10, 20)
    )
    await work.phone.push(second)
    work.clock.forward(minutes=1)
    await work.phone.push(first)
    await work.phone.pull()
    assert work.phone.of("visits")[work.visit]["answers"] == {"reading": 20}
    assert sorted(one.value for one in await work.rows(Answer)) == [10, 20]


async def test_across_two_phones_of_one_technician_the_later_receipt_stands_and_both_get_it(
    work: Field,
) -> None:
    tablet = await new_phone(work.client, work.company, work.clock, "tablet")
    for _ in range(5):
        tablet.intent("x")  # its numbers are higher: they say nothing about the phone's
    by_tablet = tablet.intent("answer.set", visit_id=work.visit, item="reading", value=1)
    await tablet.push(by_tablet)
    work.clock.forward(minutes=1)
    by_phone = work.phone.intent("answer.set", visit_id=work.visit, item="reading", value=2)
    await work.phone.push(by_phone)
    for one in (work.phone, tablet):
        await one.pull()
        assert one.of("visits")[work.visit]["answers"] == {"reading": 2}
    assert len(await work.rows(Answer)) == 2


async def test_what_is_added_on_both_sides_is_added(work: Field) -> None:
    """Two phones use the same part, write, and correct the same time; stock is the sum."""
    tablet = await new_phone(work.client, work.company, work.clock, "tablet")
    work.clock.forward(hours=2)
    now = work.clock()

    def span(hours: float) -> dict[str, str]:
        return {"from": (now - timedelta(hours=hours)).isoformat(), "to": now.isoformat()}

    entry = work.phone.intent("time.add", visit_id=work.visit, kind="work", **span(2))
    await work.phone.push(entry)
    for one, hours in ((work.phone, 1), (tablet, 0.5)):
        outcomes = await one.push(
            one.intent("part.use", visit_id=work.visit, part_id=str(work.company.part.id), qty=3),
            one.intent("note.add", visit_id=work.visit, text=one.device_id),
            one.intent("time.correct", visit_id=work.visit, of=entry["id"], **span(hours)),
        )
        assert statuses(outcomes) == {"applied"}
    used = [one.quantity for one in await work.rows(Movement) if one.kind == "use"]
    assert used == [3, 3]
    assert len(await work.rows(Note)) == 2
    entries = await work.rows(TimeEntry)
    corrected = {one.corrects_id for one in entries}
    (last,) = [one for one in entries if one.id not in corrected]
    assert last.during.upper - last.during.lower == timedelta(minutes=30)


async def test_equal_photos_of_two_steps_are_both_kept(work: Field) -> None:
    *_, photo, _ = work.work(work.phone, work.visit)
    again = work.phone.intent(
        "photo.add", **{**photo["data"], "photo_id": work.phone.intent("x")["id"], "slot": 1}
    )
    assert statuses(await work.phone.push(photo, again)) == {"applied"}
    await work.job.bytes_arrive()
    assert [one.state for one in await work.rows(Photo)] == ["verified", "verified"]


async def test_the_office_and_the_phone_plan_and_begin_a_visit_at_once(work: Field) -> None:
    """A visit moved while the technician was already on the way keeps both: plan and progress."""
    on_the_way = work.phone.intent("visit.travel", visit_id=work.visit)
    rev = (await work.job.visit()).rev
    later = (work.clock() + timedelta(hours=5)).isoformat()
    moved = await work.office("PATCH", f"/api/visits/{work.visit}", rev=rev, planned_ends_at=later)
    assert moved.status_code == 200
    assert statuses(await work.phone.push(on_the_way)) == {"applied"}
    start = work.phone.intent("visit.start", visit_id=work.visit)
    await work.phone.push(start)
    refused = await work.office(
        "PATCH", f"/api/visits/{work.visit}", rev=rev + 3, planned_ends_at=later
    )
    assert refused.status_code == 409
    visit = await work.job.visit()
    assert (visit.status, visit.planned_ends_at) == (
        "on_site",
        work.clock() + timedelta(hours=5),
    )
