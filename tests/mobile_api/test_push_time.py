"""What a phone's clock is worth over HTTP: its offset learned, its bounds kept, promises judged by them."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from fsm.database import Database
from fsm.events import Event
from fsm.work_orders.records import TimeEntry
from fsm.work_orders.tables import Clock as SlaClock
from fsm.work_orders.tables import Review
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job
from tests.mobile_api.phones import Phone


async def response_of(database: Database, company: Company) -> SlaClock:
    async with database.transaction(company.id) as session:
        statement = select(SlaClock).where(SlaClock.kind == "response")
        return (await session.exec(statement)).one()


@pytest.mark.parametrize(
    ("base", "heard_after_h", "arrived_after_h", "state"),
    [
        ("fresh", 2, 1, "met"),  # heard before the promise was due: whatever the phone says
        ("stale", 6, 3, "disputed"),  # the phone says in time, and nothing proves it
        ("stale", 6, 5, "disputed"),  # the phone says too late, and nothing proves that either
        ("fresh", 6, 5, "breached"),  # it had read the feed after the promise was due
    ],
)
async def test_a_promise_is_judged_by_the_bounds_of_the_arrival_and_not_by_the_phones_word(
    base: str,
    heard_after_h: float,
    arrived_after_h: float,
    state: str,
    phone: Phone,
    database: Database,
    company: Company,
    clock: Clock,
) -> None:
    """Response is due four hours after the report, at 13:00."""
    job = await dispatched_job(database, company, clock)
    reported_at = clock()
    await phone.pull()
    head = phone.pages[-1]["head"]
    if base == "fresh" and state == "breached":
        clock.now = reported_at + timedelta(hours=4.5)
        await phone.push(phone.intent("note.add", visit_id=str(job.visit_id), text="late"))
        await phone.pull()
        head = phone.pages[-1]["head"]
    arrive = phone.intent("visit.arrive", visit_id=str(job.visit_id))
    arrive["occurred_at"] = (reported_at + timedelta(hours=arrived_after_h)).isoformat()
    arrive["base_seq"] = head
    clock.now = reported_at + timedelta(hours=heard_after_h)
    (outcome,) = await phone.push(arrive, sent_at=clock().isoformat())
    assert outcome["status"] == "applied"
    assert (await response_of(database, company)).state == state


async def test_one_wild_clock_does_not_move_the_others_times(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)

    async def note(wrong: timedelta) -> list[dict[str, Any]]:
        clock.forward(minutes=10)
        intent = phone.intent("note.add", visit_id=str(job.visit_id), text="x")
        intent["occurred_at"] = (clock() - timedelta(minutes=5) + wrong).isoformat()
        return await phone.push(intent, sent_at=(clock() + wrong).isoformat())

    for wrong in (timedelta(0), timedelta(0), timedelta(days=400), timedelta(0)):
        (outcome,) = await note(wrong)
        assert outcome.get("notes") is None
    async with database.transaction(company.id) as session:
        statement = select(Event).where(Event.kind == "note.added")
        ends = [one.received_at - one.occurred_at for one in await session.exec(statement)]
    assert sorted(ends) == [timedelta(0)] + [timedelta(minutes=5)] * 3


@pytest.mark.parametrize("days", [1, -1])
async def test_a_phone_a_day_ahead_or_behind_is_put_right_and_flagged(
    days: int, phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    wrong = timedelta(days=days)
    clock.forward(hours=2)
    start = phone.intent("visit.start", visit_id=str(job.visit_id))
    start["occurred_at"] = (clock() - timedelta(hours=1) + wrong).isoformat()
    (outcome,) = await phone.push(start, sent_at=(clock() + wrong).isoformat())
    assert outcome["notes"][0] == {"code": "clock_skew", "offset_s": -86_400 * days}
    assert (await job.visit()).work_started_at == clock() - timedelta(hours=1)
    async with database.transaction(company.id) as session:
        assert list(await session.exec(select(Review))) == []


async def test_a_clock_set_during_the_visit_is_noticed_and_uptime_measures_it(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    began = clock()
    intents = []
    for kind, wrong_h in (("visit.travel", 0), ("visit.arrive", 0), ("visit.start", -24)):
        clock.forward(minutes=30)
        intent = phone.intent(kind, visit_id=str(job.visit_id))
        intent["occurred_at"] = (clock() + timedelta(hours=wrong_h)).isoformat()
        intent |= {"boot": "b7", "mono_ms": int((clock() - began).total_seconds() * 1000)}
        intents.append(intent)
    clock.forward(minutes=30)
    outcomes = await phone.push(
        *intents, boot="b7", mono_ms=int((clock() - began).total_seconds() * 1000)
    )
    assert [one["notes"] for one in outcomes] == [[{"code": "clock_skew", "jumped": True}]] * 3
    visit = await job.visit()
    assert visit.travel_started_at == began + timedelta(minutes=30)
    assert visit.arrived_at == began + timedelta(hours=1)
    assert visit.work_started_at == began + timedelta(hours=1, minutes=30)


async def test_claimed_time_is_paid_up_to_its_receipt_and_the_rest_is_put_before_a_person(
    phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    dispatched_at = clock()
    await phone.pull()
    clock.forward(hours=2)
    said = {"from": clock() - timedelta(hours=1), "to": clock() + timedelta(hours=3)}
    claim = phone.intent(
        "time.add",
        visit_id=str(job.visit_id),
        kind="work",
        **{name: at.isoformat() for name, at in said.items()},
    )
    claim["base_seq"] = phone.pages[-1]["head"]
    (outcome,) = await phone.push(claim, sent_at=clock().isoformat())
    assert outcome["notes"] == [{"code": "review", "kind": "doubtful_time"}]
    async with database.transaction(company.id) as session:
        entry = (await session.exec(select(TimeEntry))).one()
        review = (await session.exec(select(Review))).one()
        event = (await session.exec(select(Event).where(Event.kind == "time.added"))).one()
    assert (entry.during.lower, entry.during.upper) == (said["from"], clock())
    assert entry.needs_review
    assert review.data == {
        "entry_id": str(entry.id),
        "why": "not_yet_over",
        "claimed_from": said["from"].isoformat(),
        "claimed_to": said["to"].isoformat(),
        "offset_s": 0,
        "occurred_lo_at": dispatched_at.isoformat(),
        "occurred_hi_at": clock().isoformat(),
    }
    assert (event.occurred_lo_at, event.occurred_hi_at) == (dispatched_at, clock())
