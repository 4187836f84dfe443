"""Jobs that are linked: made and refused in words, kept by plans, told of where a person breaks them."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlmodel import select

from fsm.customers.tables import Site
from fsm.database import Database, Session
from fsm.events import Event
from fsm.problems import NotFound
from fsm.work_orders.tables import Visit, WorkOrder
from scheduler.accepted_links import Placed, leave_apart
from scheduler.linked_jobs import remove_link
from tests.company import Company
from tests.conftest import Clock
from tests.scheduler.running import RunningDay, moment, running_day

HOUR_S = 3_600
_LOCKED = """
select exists (select from pg_stat_activity
  where datname = current_database() and wait_event_type = 'Lock')"""


async def someone_waits(day: RunningDay) -> bool:
    """Look anew each time: within a transaction PostgreSQL goes on showing what it showed first."""
    async with day.database.transaction(day.company.id) as looking:
        return bool((await looking.exec(text(_LOCKED))).scalar())


@pytest.fixture
async def day(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> RunningDay:
    return await running_day(client, database, company, clock)


async def link(
    day: RunningDay, first: WorkOrder, second: WorkOrder, status: int = 201, **asked: Any
) -> dict[str, Any]:
    body = {"first_id": str(first.id), "second_id": str(second.id), **asked}
    told: dict[str, Any] = await day.post("/api/planning/links", body, status)
    return told


async def links(day: RunningDay, job: WorkOrder) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = await day.send("GET", f"/api/planning/work-orders/{job.id}/links")
    return told


def spots(plan: dict[str, Any]) -> dict[UUID, tuple[str, Any, Any]]:
    """Return technician, beginning and end of each job of a plan."""
    return {
        UUID(stop["work_order_id"]): (
            route["technician_id"],
            moment(stop["starts_at"]),
            moment(stop["ends_at"]),
        )
        for route in plan["routes"]
        for stop in route["stops"]
        if stop["kind"] == "visit"
    }


async def accept(day: RunningDay, plan: dict[str, Any]) -> dict[str, Any]:
    accepted: dict[str, Any] = await day.post(f"/api/plans/{plan['id']}/acceptance", {})
    return accepted


async def a_site_off_the_map(day: RunningDay, session: Session) -> UUID:
    site = Site(
        tenant_id=day.company.id,
        customer_id=day.company.customer.id,
        number="S-off",
        name="Off the map",
        zone="Europe/Paris",
        created_at=day.clock(),
    )
    session.add(site)
    await session.flush()
    return site.id


async def test_a_plan_lets_two_hours_pass_and_sends_the_same_technician(day: RunningDay) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint", north_km=1.1)
    about = {"least_gap_s": 2 * HOUR_S, "greatest_gap_s": 72 * HOUR_S, "technician": "same"}
    told = await link(day, screed, paint, **about)
    assert (told["first_number"], told["second_number"]) == (screed.number, paint.number)
    plan = await day.plan()
    found = spots(plan)
    assert found[paint.id][0] == found[screed.id][0]
    assert found[paint.id][1] >= found[screed.id][2] + timedelta(hours=2)
    await accept(day, plan)
    (kept,) = await links(day, paint)
    assert kept["breaches"] == []


async def test_a_planned_job_bounds_the_one_that_comes_after_it(day: RunningDay) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint", north_km=1.1)
    await day.visit(screed, day.two, 0.5)
    await link(day, screed, paint, least_gap_s=3 * HOUR_S, technician="same")
    plan = await day.plan()
    who, begins, _ = spots(plan)[paint.id]
    assert who == str(day.two.id)
    assert begins >= day.clock() + timedelta(hours=4.5)


async def test_a_gap_begins_when_the_slower_technician_is_done(day: RunningDay) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint", north_km=1.1)
    for one in (day.one, day.two):
        pace = {"efficiency_percent": 50 if one is day.one else 40}
        path = f"/api/planning/technicians/{one.id}/terms"
        await day.send("PUT", path, pace, role="administrator")
    await link(day, screed, paint, least_gap_s=HOUR_S)
    found = spots(await day.plan())
    assert found[screed.id][2] - found[screed.id][1] >= timedelta(hours=2)
    assert found[paint.id][1] >= found[screed.id][2] + timedelta(hours=1)


@pytest.mark.parametrize("stays", [False, True])
async def test_a_greatest_gap_is_kept_between_people_of_different_paces(
    day: RunningDay, stays: bool
) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint", north_km=1.1)
    path = f"/api/planning/technicians/{day.two.id}/terms"
    await day.send("PUT", path, {"efficiency_percent": 50}, role="administrator")
    await link(day, screed, paint, least_gap_s=600, greatest_gap_s=1_800)
    if stays:
        await day.visit(paint, day.two, 5)
    plan = await day.plan()
    begins = day.clock() + timedelta(hours=5) if stays else spots(plan)[paint.id][1]
    gap = begins - spots(plan)[screed.id][2]
    assert timedelta(seconds=600) <= gap <= timedelta(seconds=1_800)


async def test_only_who_may_do_a_job_counts_for_its_gap(day: RunningDay) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint", north_km=1.1)
    path = f"/api/planning/technicians/{day.two.id}/terms"
    await day.send("PUT", path, {"efficiency_percent": 50}, role="administrator")
    path = f"/api/planning/work-orders/{screed.id}/terms"
    await day.send("PUT", path, {"required_ids": [str(day.one.id)]})
    await link(day, screed, paint, least_gap_s=1_200, greatest_gap_s=1_200)
    found = spots(await day.plan())
    assert found[screed.id][0] == str(day.one.id)
    assert found[paint.id][1] - found[screed.id][2] == timedelta(seconds=1_200)


async def test_a_crew_of_different_paces_goes_without_the_job_whose_gap_it_cannot_keep(
    day: RunningDay,
) -> None:
    screed, paint = await day.job("Screed", crew_size=2), await day.job("Paint", north_km=1.1)
    path = f"/api/planning/technicians/{day.two.id}/terms"
    await day.send("PUT", path, {"efficiency_percent": 50}, role="administrator")
    await link(day, screed, paint, least_gap_s=600, greatest_gap_s=1_800)
    plan = await day.plan()
    assert spots(plan).keys() == {screed.id}
    (held,) = plan["unplanned"]
    assert (held["code"], held["partners"]) == ("bound", [screed.number])


async def test_a_planned_job_bounds_the_one_that_comes_before_it(day: RunningDay) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint", north_km=1.1)
    await day.visit(paint, day.two, 5)
    await link(day, screed, paint, least_gap_s=HOUR_S, greatest_gap_s=HOUR_S, technician="other")
    who, _, ends = spots(await day.plan())[screed.id]
    assert who == str(day.one.id)
    assert ends == day.clock() + timedelta(hours=4)


async def test_a_job_that_comes_after_one_without_a_visit_waits_and_the_plan_names_that_one(
    day: RunningDay,
) -> None:
    screed = await day.job("Screed", skills=[{"skill": "none", "level": 1}])
    paint = await day.job("Paint")
    await link(day, screed, paint)
    plan = await day.plan()
    assert plan["routes"] == []
    assert {each["number"] for each in plan["unplanned"]} == {screed.number, paint.number}
    nowhere = await day.job("Nowhere", north_km=1.2)
    async with day.database.transaction(day.company.id) as session:
        row = await session.get(WorkOrder, (day.company.id, nowhere.id))
        assert row is not None
        row.site_id = await a_site_off_the_map(day, session)
    roof = await day.job("Roof", north_km=1.3)
    await link(day, nowhere, roof)
    (held,) = [each for each in (await day.plan())["unplanned"] if each["number"] == roof.number]
    assert (held["code"], held["partners"]) == ("waits_for", [nowhere.number])
    assert nowhere.number in held["said"]["en"]
    assert nowhere.number in held["said"]["ru"]


async def test_a_link_whose_time_is_not_in_these_days_keeps_its_job_out_and_says_so(
    day: RunningDay,
) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint")
    await day.visit(screed, day.two, 1)
    await link(day, screed, paint, least_gap_s=48 * HOUR_S)
    (held,) = (await day.plan())["unplanned"]
    assert (held["code"], held["partners"], held["in_any_plan"]) == (
        "bound",
        [screed.number],
        False,
    )
    last_on = (day.clock() + timedelta(days=3)).date().isoformat()
    later = spots(await day.plan(ends_on=last_on))[paint.id]
    assert later[1] >= day.clock() + timedelta(hours=50)


async def test_what_comes_after_a_job_that_a_link_keeps_out_waits_for_it(day: RunningDay) -> None:
    screed, paint, varnish = [await day.job(name) for name in ("Screed", "Paint", "Varnish")]
    await day.visit(screed, day.two, 1)
    await link(day, screed, paint, least_gap_s=48 * HOUR_S)
    await link(day, paint, varnish)
    plan = await day.plan()
    assert varnish.id not in spots(plan)
    assert {each["number"]: (each["code"], each["partners"]) for each in plan["unplanned"]} == {
        paint.number: ("bound", [screed.number]),
        varnish.number: ("waits_for", [paint.number]),
    }


async def test_a_job_left_out_is_told_with_the_partner_that_binds_it(day: RunningDay) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint", north_km=1.1)
    await day.visit(screed, day.two, 6)
    await link(day, screed, paint, least_gap_s=3 * HOUR_S)
    (reason,) = (await day.plan())["unplanned"]
    assert reason["partners"] == [screed.number]
    assert screed.number in reason["said"]["en"]


async def test_moving_a_visit_by_hand_out_of_its_link_asks_a_reason_and_names_the_partner(
    day: RunningDay,
) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint", north_km=1.1)
    before, after = await day.visit(screed, day.two, 1), await day.visit(paint, day.two, 5)
    await link(day, screed, paint, least_gap_s=2 * HOUR_S, technician="same")

    async def put(visit: Visit, job: WorkOrder, hours: float, **more: Any) -> Any:
        return await day.post(
            "/api/board/placements",
            {
                "work_order_id": str(job.id),
                "visit_id": str(visit.id),
                "rev": (await day.found(visit.id)).rev,
                "technician_id": str(day.two.id),
                "starts_at": (day.clock() + timedelta(hours=hours)).isoformat(),
                **more,
            },
            409 if not more else 200,
        )

    early = await put(after, paint, 3)
    assert early["code"] == "reason-needed"
    (soon,) = [each for each in early["consequences"] if each["code"] == "link_too_soon"]
    assert (soon["minutes"], soon["what"]) == (60, screed.number)
    late = await put(before, screed, 3.5)
    (presses,) = [each for each in late["consequences"] if each["code"] == "link_presses"]
    assert (presses["minutes"], presses["what"]) == (90, paint.number)
    await put(after, paint, 3, reason="The customer is away later")
    (told,) = await links(day, paint)
    assert [(each["what"], each["minutes"]) for each in told["breaches"]] == [("too_soon", 60)]
    # The next plan that may move them mends what the hand broke.
    plan = await day.plan(scope={"moves": "all"})
    found = spots(plan)
    assert found[paint.id][1] >= found[screed.id][2] + timedelta(hours=2)


async def test_a_plan_accepted_after_its_first_job_was_cancelled_or_moved_skips_the_second(
    day: RunningDay,
) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint", north_km=1.1)
    await link(day, screed, paint, least_gap_s=HOUR_S)
    plan = await day.plan()
    assert len(spots(plan)) == 2
    await day.visit(screed, day.two, 7)
    accepted = await accept(day, plan)
    assert accepted["visits"] == []
    assert {each["number"]: each["why"] for each in accepted["skipped"]} == {
        screed.number: "has_visit",
        paint.number: "breaks_link",
    }


async def history(day: RunningDay, kind: str) -> list[dict[str, Any]]:
    async with day.database.transaction(day.company.id) as session:
        return list(await session.exec(select(Event.data).where(Event.kind == kind)))


async def test_a_visit_planned_plainly_against_a_link_asks_a_reason_and_history_keeps_it(
    day: RunningDay,
) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint", north_km=1.1)
    await link(day, screed, paint, least_gap_s=2 * HOUR_S, technician="same")

    def visit(after_h: float, **more: Any) -> dict[str, Any]:
        starts = day.clock() + timedelta(hours=after_h)
        return {
            "work_order_id": str(paint.id),
            "technician_id": str(day.two.id),
            "starts_at": starts.isoformat(),
            "ends_at": (starts + timedelta(hours=1)).isoformat(),
            **more,
        }

    waits = await day.post("/api/visits", visit(3), 409)
    assert (waits["code"], [each["code"] for each in waits["consequences"]]) == (
        "reason-needed",
        ["link_waits"],
    )
    assert screed.number in waits["detail"]
    await day.visit(screed, day.one, 0.5)
    broken = await day.post("/api/visits", visit(3), 409)
    assert [(each["code"], each["minutes"]) for each in broken["consequences"]] == [
        ("link_too_soon", 30),
        ("link_technician", 0),
    ]
    assert await day.send("GET", f"/api/planning/work-orders/{paint.id}/links") != []
    async with day.database.transaction(day.company.id) as session:
        statement = select(Visit).where(Visit.work_order_id == paint.id)
        assert (await session.exec(statement)).all() == [], "nothing was planned"
    await day.post("/api/visits", visit(3, reason="It is dry already"), 201)
    (told,) = await history(day, "visit.placed_despite")
    assert told == {
        "reason": "It is dry already",
        "despite": ["link_too_soon", "link_technician"],
    }


async def test_a_visit_changed_plainly_asks_a_reason_only_where_it_goes_against_its_link(
    day: RunningDay,
) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint", north_km=1.1)
    first, second = await day.visit(screed, day.one, 0.5), await day.visit(paint, day.one, 4)
    await link(day, screed, paint, least_gap_s=2 * HOUR_S, technician="same")

    async def change(visit: Visit, status: int = 200, **changes: Any) -> Any:
        found = await day.send("GET", f"/api/visits/{visit.id}")
        body = {"rev": found["rev"], **changes}
        return await day.send("PATCH", f"/api/visits/{visit.id}", body, status)

    later = {
        f"planned_{end}_at": (day.clock() + timedelta(hours=hours)).isoformat()
        for end, hours in (("starts", 2), ("ends", 3))
    }
    refused = await change(first, 409, **later)
    assert [each["code"] for each in refused["consequences"]] == ["link_presses"]
    assert (await day.found(first.id)).planned_starts_at == first.planned_starts_at
    handed = await change(second, 409, technician_id=str(day.two.id))
    assert [each["code"] for each in handed["consequences"]] == ["link_technician"]
    await change(first, **later, reason="The site opens late")
    assert [each["despite"] for each in await history(day, "visit.placed_despite")] == [
        ["link_presses"]
    ]
    window = {
        f"window_{end}_at": (day.clock() + timedelta(hours=hours)).isoformat()
        for end, hours in (("starts", 2), ("ends", 4))
    }
    await change(first, **window)  # it stays where it is
    (told,) = await links(day, paint)
    assert [each["what"] for each in told["breaches"]] == ["too_soon"]


async def test_undoing_a_plan_that_a_linked_job_counts_on_asks_a_reason(day: RunningDay) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint", north_km=1.1)
    plan = await day.plan(scope={"work_order_ids": [str(screed.id)]})
    await accept(day, plan)
    await link(day, screed, paint)
    await accept(day, await day.plan())
    path = f"/api/plans/{plan['id']}/undoing"
    refused = await day.post(path, None, 409)
    assert refused["code"] == "reason-needed"
    assert [(each["number"], each["code"], each["what"]) for each in refused["consequences"]] == [
        (paint.number, "link_waits", screed.number)
    ]
    assert refused["detail"].startswith(f"{paint.number}: It comes after {screed.number}")
    (kept,) = await links(day, paint)
    assert kept["breaches"] == [], "nothing was taken back"
    undone = await day.post(path, {"reason": "The customer called"})
    assert (undone["withdrawn"], [each["code"] for each in undone["consequences"]]) == (
        1,
        ["link_waits"],
    )
    (told,) = await history(day, "plan.undone")
    assert (told["reason"], told["despite"]) == ("The customer called", ["link_waits"])


async def test_what_waits_for_a_job_that_stays_out_with_a_broken_link_is_skipped_too(
    day: RunningDay,
) -> None:
    """The paint's screed is late now; the roof was to have the paint's place, the gutter follows the roof."""
    jobs = [await day.job(name) for name in ("Screed", "Paint", "Roof", "Gutter")]
    screed, paint, roof, gutter = jobs
    await day.visit(screed, day.two, 6)
    moved = await day.visit(paint, day.two, 7.5)
    await link(day, screed, paint)
    await link(day, roof, gutter)
    keys = {str(job.id): job for job in (paint, roof, gutter)}
    lines = {
        key: {
            "work_order_id": key,
            "visit_id": str(moved.id) if job is paint else None,
            "kind": "moved" if job is paint else "added",
        }
        for key, job in keys.items()
    }
    spots = {
        key: Placed(
            day.two.id, *(day.clock() + timedelta(hours=hours + more) for more in (0, 1)), 0
        )
        for key, hours in zip(keys, (2, 7.5, 8.5), strict=True)
    }
    group = {str(paint.id), str(roof.id)}
    stale: dict[str, str] = {}
    async with day.database.transaction(day.company.id) as session:
        left = await leave_apart(
            session,
            day.company.system,
            lines,
            set(lines),
            stale,
            dict.fromkeys(group, group),
            spots,
        )
    assert stale == {str(paint.id): "breaks_link", str(gutter.id): "breaks_link"}
    assert left == set(keys)


async def test_slots_for_a_caller_keep_what_the_job_is_linked_to(day: RunningDay) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint", north_km=1.1)
    path = f"/api/planning/work-orders/{paint.id}/slots"
    await link(day, screed, paint, least_gap_s=2 * HOUR_S, technician="same")
    waits = await day.send("GET", path)
    assert (waits["slots"], waits["notes"]) == ([], [f"waits_for:{screed.number}"])
    await day.visit(screed, day.two, 1)
    (slot,) = (await day.send("GET", path))["slots"]
    assert slot["technician_id"] == str(day.two.id)
    assert moment(slot["starts_at"]) >= day.clock() + timedelta(hours=4)


async def test_an_urgent_job_is_put_in_after_the_one_it_waits_for(day: RunningDay) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint", north_km=1.1)
    await day.visit(screed, day.two, 0.5)
    await link(day, screed, paint, greatest_gap_s=2 * HOUR_S, technician="same")
    answer = await day.post("/api/day/urgent-visits", {"work_order_id": str(paint.id)}, 201)
    found = spots(answer["plan"])
    assert found[paint.id][0] == str(day.two.id)
    assert found[screed.id][2] <= found[paint.id][1] <= found[screed.id][2] + timedelta(hours=2)


async def test_links_that_make_no_sense_are_refused_in_words(day: RunningDay) -> None:
    one, two, three = [await day.job(name) for name in ("One", "Two", "Three")]
    assert "itself" in (await link(day, one, one, 422))["detail"]
    assert "something" in (await link(day, one, two, 422, is_ordered=False))["detail"]
    gaps = {"least_gap_s": 7_200, "greatest_gap_s": 3_600}
    assert "shorter" in (await link(day, one, two, 422, **gaps))["detail"]
    loose = {"is_ordered": False, "technician": "same", "least_gap_s": 60}
    assert "comes after" in (await link(day, one, two, 422, **loose))["detail"]
    await link(day, one, two, technician="same")
    await link(day, two, three, technician="same")
    again = await link(day, one, two, 409)
    assert again["code"] == "already-linked"
    circle = await link(day, three, one, 409)
    assert circle["code"] == "links-in-circle"
    assert circle["numbers"] == [one.number, two.number, three.number]
    people = await link(day, one, three, 409, technician="other")
    assert (people["code"], people["what"]) == ("link-contradicts", "technician")


async def test_work_that_is_over_or_a_crew_with_one_technician_is_not_linked(
    day: RunningDay,
) -> None:
    one, two = await day.job("One"), await day.job("Two", crew_size=2)
    assert "crew" in (await link(day, one, two, 422, technician="same"))["detail"]
    done = await day.job("Done", status="work_done")
    assert (await link(day, one, done, 409))["code"] == "wrong-status"
    gone = await day.job("Gone", status="cancelled")
    assert (await link(day, gone, one, 409))["code"] == "wrong-status"
    begun = await day.visit(one, day.one, 0)
    await day.begin(begun)
    assert (await link(day, two, one, 409))["code"] == "wrong-status"


async def test_a_link_against_locks_windows_or_required_people_is_refused(
    day: RunningDay,
) -> None:
    one, two = await day.job("One"), await day.job("Two")
    early, late = await day.visit(two, day.two, 1), await day.visit(one, day.one, 3)
    for visit in (early, late):
        await day.send("PUT", f"/api/planning/visits/{visit.id}/pin", {"keeps": "both"})
    refused = await link(day, one, two, 409)
    assert (refused["code"], refused["what"]) == ("link-contradicts", "too_soon")
    refused = await link(day, two, one, 409, greatest_gap_s=1_800)
    assert refused["what"] == "too_late"
    refused = await link(day, two, one, 409, technician="same")
    assert refused["what"] == "technician"
    await link(day, two, one, least_gap_s=HOUR_S, technician="other")
    three, four = await day.job("Three"), await day.job("Four")
    for job, after_h in ((three, 30), (four, 2)):
        opens = day.clock() + timedelta(hours=after_h)
        window = {
            "opens_at": opens.isoformat(),
            "closes_at": (opens + timedelta(1 / 24)).isoformat(),
        }
        await day.send("PUT", f"/api/planning/work-orders/{job.id}/terms", {"windows": [window]})
    assert (await link(day, three, four, 409))["what"] == "too_soon"
    assert (await link(day, four, three, 409, is_same_day=True))["what"] == "day"


async def test_a_removed_link_no_longer_binds_and_history_keeps_both(day: RunningDay) -> None:
    screed, paint = await day.job("Screed"), await day.job("Paint", north_km=1.1)
    await day.visit(screed, day.two, 7.5)
    made = await link(day, screed, paint)
    assert spots(await day.plan()) == {}
    await day.send("DELETE", f"/api/planning/links/{made['id']}", status=204)
    assert paint.id in spots(await day.plan())
    assert await links(day, paint) == []
    async with day.database.transaction(day.company.id) as session:
        statement = select(Event.kind).where(Event.entity_id == paint.id)
        kinds = list(await session.exec(statement))
    assert {"work_order.linked", "work_order.unlinked"} <= set(kinds)


async def test_of_two_who_remove_a_link_at_once_one_is_told_that_it_is_gone(
    day: RunningDay,
) -> None:
    made = await link(day, await day.job("One"), await day.job("Two"))

    async def remove() -> None:
        async with day.database.transaction(day.company.id) as session:
            await remove_link(session, day.company.system, day.clock(), UUID(made["id"]))

    async with day.database.transaction(day.company.id) as session:
        await remove_link(session, day.company.system, day.clock(), UUID(made["id"]))
        other = asyncio.create_task(remove())
        while not other.done() and not await someone_waits(day):
            await asyncio.sleep(0.002)
    with pytest.raises(NotFound):
        await other


async def test_another_company_neither_sees_nor_makes_nor_removes_a_link(
    day: RunningDay, stranger: Company
) -> None:
    one, two = await day.job("One"), await day.job("Two")
    made = await link(day, one, two)
    for method, path, body in (
        ("GET", f"/api/planning/work-orders/{one.id}/links", None),
        ("POST", "/api/planning/links", {"first_id": str(two.id), "second_id": str(one.id)}),
        ("DELETE", f"/api/planning/links/{made['id']}", None),
    ):
        answer = await day.client.request(
            method, path, headers=stranger.headers["dispatcher"], json=body
        )
        assert answer.status_code == 404, answer.text
    assert len(await links(day, one)) == 1
