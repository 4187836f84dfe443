"""The ledger of promises over HTTP: proposed, told, kept or not, learned from."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from fsm.database import Database
from fsm.events import Event
from fsm.jobs import Job
from fsm.work_orders import visits
from fsm.work_orders.tables import Visit
from scheduler.day_problem import build_day
from scheduler.promise_ledger import learning
from scheduler.promise_ledger.announced import note_window
from scheduler.promise_ledger.learning import judge_promises, relearn
from scheduler.promise_ledger.queries import model_of
from scheduler.promise_ledger.tables import PromiseModel
from scheduler.scope import Moves, Options, Scope
from tests.company import Company, found_company
from tests.conftest import Clock
from tests.scheduler.running import RunningDay, moment, running_day

PROMISES = "/api/planning/promises"


@pytest.fixture
async def day(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> RunningDay:
    return await running_day(client, database, company, clock)


async def tell(day: RunningDay, visit: Visit, *hours: float, **more: Any) -> dict[str, Any]:
    """Tell a window of so many hours from the visit's planned start."""
    opens, closes = (visit.planned_starts_at + timedelta(hours=each) for each in hours)
    body = {
        "visit_id": str(visit.id),
        "window_starts_at": opens.isoformat(),
        "window_ends_at": closes.isoformat(),
        "channel": "phone",
        **more,
    }
    (told,) = await day.post(PROMISES, {"promises": [body]}, 201)
    found: dict[str, Any] = told
    return found


async def came(
    day: RunningDay, visit: Visit, after: timedelta, lasts: timedelta = timedelta(hours=1)
) -> None:
    """Let a visit be made, begun so long after its planned start."""
    async with day.database.transaction(day.company.id) as session:
        row = await visits.find_visit(session, day.company.system, visit.id)
        at = row.planned_starts_at + after
        row.travel_started_at = at - timedelta(minutes=20)
        row.arrived_at = row.work_started_at = at
        row.finished_at = at + lasts
        row.status = "finished"


async def judged(day: RunningDay) -> dict[str, str | None]:
    """Judge what is over; return every promise's outcome by its id."""
    async with day.database.transaction(day.company.id) as session:
        await judge_promises(session, day.company.id, day.clock())
    return {
        one["id"]: one["outcome"] for one in (await day.send("GET", PROMISES, status=200))["items"]
    }


async def test_a_proposed_window_is_told_and_carried_by_the_visit_and_the_plan(
    day: RunningDay,
) -> None:
    job = await day.job("lift", north_km=5)
    visit = await day.visit(job, day.one, 3)
    on = day.clock().date().isoformat()
    (proposed,) = await day.send("GET", f"{PROMISES}/proposals?on={on}")
    opens, closes = moment(proposed["window_starts_at"]), moment(proposed["window_ends_at"])
    assert opens <= visit.planned_starts_at < closes
    assert (opens.minute % 15, closes.minute % 15) == (0, 0)
    assert 0.98 < proposed["probability"] < 1
    names = ("visit_id", "window_starts_at", "window_ends_at")
    body = {**{name: proposed[name] for name in names}, "channel": "message"}
    (told,) = await day.post(PROMISES, {"promises": [body]}, 201)
    assert told["probability"] == pytest.approx(proposed["probability"], abs=0.02)
    assert (told["told_by"], told["asked_by"], told["outcome"]) == (
        day.company.actors["dispatcher"].name,
        None,
        None,
    )
    row = await day.found(visit.id)
    assert (row.window_starts_at, row.window_ends_at) == (opens, closes)
    async with day.database.transaction(day.company.id) as session:
        built = await build_day(
            session,
            day.company.system,
            starts_on=day.clock().date(),
            ends_on=day.clock().date(),
            now=day.clock(),
            options=Options(scope=Scope(moves=Moves.ALL)),
        )
    (planned,) = [each for each in built.problem.visits if each.id == str(visit.id)]
    assert planned.promise is not None
    assert built.instant(planned.promise.closes) == closes
    assert planned.promise.probability == told["probability"]
    assert await day.send("GET", f"{PROMISES}/proposals?on={on}") == []


async def test_promises_are_judged_and_only_the_customers_change_replaces_them(
    day: RunningDay,
) -> None:
    kept, late, moved, off = [
        await day.visit(await day.job(name, north_km=2), who, hours)
        for name, who, hours in (
            ("kept", day.one, 1),
            ("late", day.one, 3),
            ("moved", day.two, 1),
            ("off", day.two, 4),
        )
    ]
    first = await tell(day, kept, -0.5, 0.5)
    overdue = await tell(day, late, 0, 0.5)
    widened = await tell(day, late, 0, 2)
    at_first = await tell(day, moved, 0, 1)
    day.clock.forward(minutes=5)
    anew = await tell(day, moved, 0, 2, asked_by="customer")
    gone = await tell(day, off, 0, 1)
    assert (widened["asked_by"], anew["asked_by"]) == ("company", "customer")
    assert set((await judged(day)).values()) == {None, "void"}, "the window moved is over at once"
    await came(day, kept, timedelta(minutes=10))
    await came(day, late, timedelta(minutes=50))
    await came(day, moved, timedelta(minutes=90))
    await day.post("/api/day/cancellations", {"visit_id": str(off.id), "reason": "sold"}, 201)
    day.clock.forward(hours=10)
    assert await judged(day) == {
        first["id"]: "kept",
        overdue["id"]: "late",
        widened["id"]: "kept",
        at_first["id"]: "void",
        anew["id"]: "kept",
        gone["id"]: "void",
    }
    report = await day.send("GET", f"{PROMISES}/calibration")
    counted = {"kept": 0, "early": 0, "late": 0, "missed": 0, "void": 0}
    assert report["original"] == counted | {"kept": 2, "late": 1, "void": 2}
    assert report["last"] == counted | {"kept": 3, "void": 2}
    assert (report["original_kept"], report["last_kept"]) == (pytest.approx(2 / 3), 1.0)
    assert sum(each["count"] for each in report["buckets"]) == 4
    assert 0 <= report["brier"] < 1


async def test_nobody_is_missed_before_the_phones_had_their_time(day: RunningDay) -> None:
    visit = await day.visit(await day.job("silent"), day.one, 1)
    told = await tell(day, visit, 0, 1)
    day.clock.forward(hours=4)
    assert await judged(day) == {told["id"]: None}
    day.clock.forward(hours=12)
    assert await judged(day) == {told["id"]: "missed"}
    await came(day, visit, timedelta(minutes=30))
    assert await judged(day) == {told["id"]: "kept"}, "the phone told later"


async def test_what_was_judged_before_keeps_nothing_newer_waiting(
    day: RunningDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "_AT_ONCE", 1)
    older, newer = [await day.visit(await day.job(name), day.one, 1) for name in ("one", "two")]
    told = [await tell(day, older, 0, 1), await tell(day, newer, 0, 2)]
    ids = [each["id"] for each in told]
    day.clock.forward(hours=17)
    assert await judged(day) == {ids[0]: "missed", ids[1]: None}
    assert await judged(day) == {ids[0]: "missed", ids[1]: "missed"}
    await came(day, newer, timedelta(minutes=30))
    assert await judged(day) == {ids[0]: "missed", ids[1]: "kept"}, "the phone told later"


async def test_what_the_office_takes_back_in_time_is_void_unless_it_comes_at_another_time(
    day: RunningDay,
) -> None:
    jobs = [await day.job(name) for name in ("dropped", "put off", "too late", "given up")]
    dropped, put_off, too_late, given_up = [
        await day.visit(job, who, hours)
        for job, who, hours in zip(jobs, (day.one, day.two) * 2, (1, 1, 3, 3), strict=True)
    ]
    told = [await tell(day, each, 0, 1) for each in (dropped, put_off, too_late, given_up)]
    ids = [each["id"] for each in told]
    taken_back = {"reason": "no part"}
    for visit in (dropped, put_off):
        await day.post(f"/api/visits/{visit.id}/withdrawal", taken_back)
    assert await judged(day) == dict.fromkeys(ids), "another visit may still come in its window"
    day.clock.forward(hours=17)
    await day.post(f"/api/visits/{too_late.id}/withdrawal", taken_back)
    cancelled = {"reason": "customer"}
    await day.post(f"/api/work-orders/{jobs[3].id}/cancellation", cancelled)
    assert await judged(day) == dict(zip(ids, ("void", "void", "missed", "missed"), strict=True))
    await day.visit(jobs[1], day.two, 4)
    assert await judged(day) == dict(zip(ids, ("void", "missed", "missed", "missed"), strict=True))


async def test_a_visit_handed_on_keeps_the_promise_of_the_one_before(day: RunningDay) -> None:
    visit = await day.visit(await day.job("handed"), day.one, 2)
    told = await tell(day, visit, 0, 1)
    async with day.database.transaction(day.company.id) as session:
        actor = day.company.actors["dispatcher"]
        to = {"technician_id": day.two.id}
        other = await visits.edit_plan(session, actor, day.clock(), visit.id, None, to)
    await came(day, other, timedelta(minutes=20))
    day.clock.forward(hours=5)
    assert await judged(day) == {told["id"]: "kept"}


async def test_the_ledger_cannot_be_changed_by_the_application(day: RunningDay) -> None:
    told = await tell(day, await day.visit(await day.job("fixed"), day.one, 2), 0, 1)
    for change in ("update promise set sent_at = now()", "delete from promise"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with day.database.transaction(day.company.id) as session:
                await session.exec(text(change))  # type: ignore[call-overload]
    (one,) = (await day.send("GET", PROMISES))["items"]
    assert one["sent_at"] == told["sent_at"]


async def test_what_visits_show_makes_the_next_windows(day: RunningDay) -> None:
    """Forty visits that took half an hour longer each, and their promises with them."""
    job = await day.job("slow", north_km=3)
    for number in range(40):
        visit = await day.visit(job, day.one, 2 + number * 24)
        if number < 3:
            await tell(day, visit, -1, 1, sent_at=day.clock().isoformat())
        await came(day, visit, timedelta(minutes=15), timedelta(minutes=90))
    before = day.clock()
    day.clock.forward(days=2, hours=12)
    await judged(day)
    async with day.database.transaction(day.company.id) as session:
        actor = day.company.system
        digest = await relearn(session, day.company.id, day.clock())
        assert await relearn(session, day.company.id, day.clock()) == digest, "learned once"
        model = await model_of(session, actor, day.clock())
        assert (model.digest, model.errors.visits) == (digest, 40)
        kind = str(job.work_type_id)
        median = model.errors.of_work(kind, "")[len(model.errors.work["", ""]) // 2]
        assert 900 < median <= 1_800
        assert len(model.calibration) == 3
        rows = list(await session.exec(select(PromiseModel.sha256)))
        assert rows == [digest]
    assert before < day.clock()


async def test_promises_that_became_unsure_are_shown_with_a_cure(day: RunningDay) -> None:
    first = await day.visit(await day.job("first"), day.one, 0.25, hours=1)
    second = await day.visit(await day.job("second"), day.one, 1.5)
    await tell(day, second, -0.5, 0.5)
    await day.begin(first)
    ends = day.clock() + timedelta(hours=4)
    over = {"visit_id": str(first.id), "ends_at": ends.isoformat()}
    await day.post("/api/day/overruns", over, 201)
    on = day.clock().date().isoformat()
    (risk,) = await day.send("GET", f"{PROMISES}/risks?on={on}")
    assert risk["visit_id"] == str(second.id)
    assert risk["probability"] < 0.5 < risk["stated"]
    assert risk["cure"]["technician_id"] == str(day.two.id)
    assert risk["cure"]["probability"] > 0.9
    assert "Mate could keep it" in risk["said"]["en"]
    assert "успеет" in risk["said"]["ru"]


async def test_windows_offered_hold_the_target_and_booking_one_is_a_promise(
    day: RunningDay,
) -> None:
    job = await day.job("caller", north_km=4)
    found = await day.send("GET", f"/api/planning/work-orders/{job.id}/windows?days=2")
    assert all(each["probability"] > 0.98 for each in found["windows"])
    offer = found["windows"][0]
    hold = await day.post(
        "/api/planning/holds",
        {
            "work_order_id": str(job.id),
            "technician_id": offer["slot"]["technician_id"],
            "starts_at": offer["slot"]["starts_at"],
            "window_starts_at": offer["window_starts_at"],
            "window_ends_at": offer["window_ends_at"],
        },
        201,
    )
    booked = await day.post(f"/api/planning/holds/{hold['id']}/booking", {}, 201)
    (promise,) = (await day.send("GET", f"{PROMISES}?work_order_id={job.id}"))["items"]
    assert (promise["visit_id"], promise["channel"]) == (booked["id"], "phone")
    assert promise["probability"] == pytest.approx(offer["probability"], abs=0.05)


async def test_what_is_no_promise_is_refused(day: RunningDay) -> None:
    visit = await day.visit(await day.job("refused"), day.one, 2)
    start = visit.planned_starts_at
    window = {
        "visit_id": str(visit.id),
        "window_starts_at": start.isoformat(),
        "window_ends_at": (start + timedelta(hours=1)).isoformat(),
        "channel": "phone",
    }
    for wrong in (
        {"window_ends_at": start.isoformat()},
        {"window_ends_at": (start + timedelta(days=4)).isoformat()},
        {"sent_at": (day.clock() + timedelta(hours=1)).isoformat()},
        {"channel": "shouting"},
    ):
        await day.post(PROMISES, {"promises": [window | wrong]}, 422)
    await day.post(PROMISES, {"promises": [window | {"visit_id": str(UUID(int=1))}]}, 404)
    await day.begin(visit)
    refused = await day.post(PROMISES, {"promises": [window]}, 409)
    assert refused["code"] == "wrong-status"


async def test_a_stranger_sees_and_promises_nothing(day: RunningDay) -> None:
    visit = await day.visit(await day.job("ours"), day.one, 2)
    told = await tell(day, visit, 0, 1)
    other = await found_company(day.database, day.company.settings, day.clock(), slug="other")
    headers = other.headers["dispatcher"]
    listed = (await day.client.get(PROMISES, headers=headers)).json()
    assert listed["items"] == []
    report = (await day.client.get(f"{PROMISES}/calibration", headers=headers)).json()
    assert report["original_kept"] is None
    names = ("visit_id", "window_starts_at", "window_ends_at", "channel")
    body = {"promises": [{name: told[name] for name in names}]}
    answer = await day.client.post(PROMISES, headers=headers, json=body)
    assert answer.status_code == 404
    assert (await day.send("GET", PROMISES, role="customer", status=403))["code"]


async def announced(day: RunningDay) -> list[dict[str, Any]]:
    """Do what the worker does with windows that people set, twice; return the ledger, the newest first."""
    async with day.database.transaction(day.company.id) as session:
        statement = select(Event).where(Event.kind == visits.WINDOW_ANNOUNCED).order_by(Event.id)
        for event in [*await session.exec(statement)] * 2:
            data = {"event_id": str(event.id), "entity_id": str(event.entity_id), **event.data}
            await note_window(session, Job(day.company.id, data))
    found: list[dict[str, Any]] = (await day.send("GET", PROMISES))["items"]
    return found


async def test_a_window_changed_by_hand_is_a_new_promise_with_who_and_why(day: RunningDay) -> None:
    visit = await day.visit(await day.job("lift", north_km=5), day.one, 3)
    first = await tell(day, visit, -0.5, 1.5)
    opens = visit.planned_starts_at + timedelta(minutes=15)
    wanted = {
        "rev": (await day.found(visit.id)).rev,
        "window_starts_at": opens.isoformat(),
        "window_ends_at": (opens + timedelta(hours=3)).isoformat(),
        "window_reason": "keys come later",
        "window_asked_by_customer": True,
    }
    day.clock.forward(minutes=1)
    rev = (await day.send("PATCH", f"/api/visits/{visit.id}", wanted))["rev"]
    again, before = await announced(day)
    assert before["id"] == first["id"]
    assert (again["reason"], again["asked_by"], again["channel"]) == (
        "keys come later",
        "customer",
        "office",
    )
    assert again["told_by"] == day.company.actors["dispatcher"].name
    assert moment(again["window_starts_at"]) == opens
    assert moment(again["sent_at"]) == day.clock()
    assert 0 < again["probability"] < 1
    pinned = {"rev": rev, "is_pinned": True, "technician_id": str(day.two.id)}
    await day.send("PATCH", f"/api/visits/{visit.id}", pinned)
    assert len(await announced(day)) == 2, "the window is the same"


async def test_a_window_announced_with_a_visit_planned_by_hand_is_a_promise(
    day: RunningDay,
) -> None:
    job, starts = await day.job("lift"), day.clock() + timedelta(hours=2)
    body = {
        "work_order_id": str(job.id),
        "technician_id": str(day.one.id),
        "starts_at": starts.isoformat(),
        "ends_at": (starts + timedelta(hours=1)).isoformat(),
    }
    await day.post("/api/visits", body, 201)
    assert await announced(day) == [], "nothing was announced"
    window = {
        "window_starts_at": starts.isoformat(),
        "window_ends_at": (starts + timedelta(hours=2)).isoformat(),
    }
    await day.post("/api/visits", {**body, **window}, 201)
    (told,) = await announced(day)
    assert (told["asked_by"], told["reason"], told["outcome"]) == (None, None, None)
