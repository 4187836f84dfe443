"""Stops at a warehouse that a plan has a technician make: they come with its visits, and go with them."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlmodel import select

from fsm.database import Database
from fsm.events import Event
from fsm.parts.tables import StockPlace
from fsm.work_orders.tables import PickUp, PickUpPart, Visit, WorkOrder
from mobile_api import feed
from tests.company import Company
from tests.conftest import Clock
from tests.mobile_api.phones import new_phone
from tests.scheduler.running import HOME, RunningDay, running_day


@pytest.fixture
async def day(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> RunningDay:
    """Return a running day with nine rollers at a depot half a kilometre from home, one in the first van."""
    day = await running_day(client, database, company, clock)
    async with database.transaction(company.id) as session:
        depot = await session.get(StockPlace, (company.id, company.warehouse.id))
        assert depot is not None
        depot.latitude, depot.longitude = HOME[0] + 0.5 / 111.2, HOME[1]
    await stocked(day, company.warehouse.id, 9)
    await stocked(day, company.van.id, 1)
    return day


async def stocked(day: RunningDay, place_id: UUID, quantity: int) -> None:
    receipt = {
        "part_id": str(day.company.part.id),
        "kind": "receipt",
        "quantity": str(quantity),
        "to_place_id": str(place_id),
    }
    await day.send("POST", "/api/movements", receipt, 201, role="administrator")


async def needing(day: RunningDay, name: str, quantity: int, **fields: Any) -> WorkOrder:
    job = await day.job(name, **fields)
    mine = {"required_ids": [str(day.one.id)]}
    terms = {"parts": [{"part": day.company.part.number, "quantity": quantity}], **mine}
    await day.send("PUT", f"/api/planning/work-orders/{job.id}/terms", terms)
    return job


async def accepted(day: RunningDay, **wanted: Any) -> dict[str, Any]:
    plan = await day.plan(**wanted)
    assert plan["unplanned"] == []
    await day.post(f"/api/plans/{plan['id']}/acceptance", {})
    return plan


ALL = {"scope": {"moves": "all"}}

Fetched = list[tuple[str, str, int]]
"""Technician, job and quantity, by time."""


async def to_fetch(day: RunningDay) -> Fetched:
    """Return what is to be fetched; fail where phones would not know all of it, or a stop is for nothing."""
    async with day.database.transaction(day.company.id) as session:
        assert await feed.audit_scopes(session, day.company.id) == []
        rows = await session.exec(
            select(PickUp, PickUpPart, WorkOrder.title)
            .join(PickUpPart, PickUpPart.pick_up_id == PickUp.id)  # type: ignore[arg-type]
            .join(Visit, Visit.id == PickUpPart.visit_id)  # type: ignore[arg-type]
            .join(WorkOrder, WorkOrder.id == Visit.work_order_id)  # type: ignore[arg-type]
            .order_by(PickUp.starts_at, WorkOrder.title)  # type: ignore[arg-type]
        )
        found = list(rows)
        stops = list(await session.exec(select(PickUp.id)))
    assert set(stops) == {pick_up.id for pick_up, _, _ in found}
    names = {day.one.id: "one", day.two.id: "two"}
    return [(names[up.technician_id], title, part.quantity) for up, part, title in found]


async def only_visit(day: RunningDay, job: WorkOrder) -> Visit:
    async with day.database.transaction(day.company.id) as session:
        return (
            await session.exec(
                select(Visit).where(
                    Visit.work_order_id == job.id,
                    Visit.status.in_(["planned", "dispatched"]),  # type: ignore[attr-defined]
                )
            )
        ).one()


async def board(day: RunningDay) -> dict[str, dict[str, Any]]:
    found = await day.send("GET", "/api/board")
    return {one["title"]: one for one in found["visits"]}


async def test_the_stop_for_missing_parts_comes_with_the_accepted_visits(day: RunningDay) -> None:
    await needing(day, "First", 2, north_km=2.0)
    await day.job("Plain", north_km=2.2)
    plan = await day.plan()
    (stop,) = [s for r in plan["routes"] for s in r["stops"] if s["kind"] == "pickup"]
    assert stop["place"] == "Main"
    assert stop["parts"] == [
        {"number": stop["parts"][0]["number"], "part": "P-1", "quantity": 1}
    ], "one of the two is in the van"
    said = {line["number"]: line["said"] for line in plan["difference"]["lines"]}
    assert said[stop["parts"][0]["number"]]["en"].endswith("First 1 × P-1 is fetched at Main.")
    assert said[stop["parts"][0]["number"]]["ru"].endswith("Перед этим забрать 1 × P-1: Main.")
    await day.post(f"/api/plans/{plan['id']}/acceptance", {})
    assert await to_fetch(day) == [("one", "First", 1)]
    shown = await board(day)
    assert shown["Plain"]["pick_ups"] == []
    (told,) = shown["First"]["pick_ups"]
    assert (told["place"], told["part"], told["name"], told["quantity"]) == (
        "Main",
        "P-1",
        "Door roller",
        1,
    )
    assert told["starts_at"][:19] == stop["starts_at"][:19]
    assert told["latitude"] == pytest.approx(HOME[0] + 0.5 / 111.2)
    sheet = await day.send(
        "GET", f"/api/route-sheets?technician_id={day.one.id}&on={day.clock().date()}"
    )
    (on_paper,) = sheet["stops"]
    number = shown["First"]["number"]
    assert (on_paper["place"], on_paper["fetch"]) == (
        "Main",
        [
            {
                "number": "P-1",
                "name": "Door roller",
                "unit": "pc",
                "quantity": 1,
                "work_orders": [number],
            }
        ],
    )


async def test_the_phone_is_told_what_to_fetch_before_a_visit_and_when_no_longer(
    day: RunningDay,
) -> None:
    phone = await new_phone(day.client, day.company, day.clock)
    job = await needing(day, "First", 2)
    await accepted(day)
    visit = await only_visit(day, job)
    await day.post("/api/visits/dispatching", {"visit_ids": [str(visit.id)]})
    await phone.pull()
    (body,) = phone.of("visits").values()
    (told,) = body["pick_ups"]
    assert (told["place"], told["part_id"], told["qty"]) == ("Main", str(day.company.part.id), 1)
    place = await day.send("GET", f"/api/stock-places/{day.company.warehouse.id}")
    change = {"rev": place["rev"], "name": "Depot North"}
    await day.send("PATCH", f"/api/stock-places/{place['id']}", change, role="administrator")
    await phone.pull()
    (body,) = phone.of("visits").values()
    assert body["pick_ups"][0]["place"] == "Depot North"
    await stocked(day, day.company.van.id, 5)
    await accepted(day)
    assert await to_fetch(day) == [("one", "First", 1)], (
        "the visit stays, and what is fetched for it"
    )
    await accepted(day, **ALL)
    await phone.pull()
    (body,) = phone.of("visits").values()
    assert "pick_ups" not in body, "the van carries enough by now"
    assert await to_fetch(day) == []


Leaving = Callable[[RunningDay, Visit], Awaitable[Any]]


async def _withdraw(day: RunningDay, visit: Visit) -> None:
    await day.post(f"/api/visits/{visit.id}/withdrawal", {"reason": "no"})


async def _hand_on(day: RunningDay, visit: Visit) -> None:
    body = {"rev": visit.rev, "technician_id": str(day.two.id)}
    await day.send("PATCH", f"/api/visits/{visit.id}", body)


async def _move_before_it(day: RunningDay, visit: Visit) -> None:
    starts = day.clock() - timedelta(hours=1)
    body = {"rev": visit.rev, "planned_starts_at": starts.isoformat()}
    await day.send("PATCH", f"/api/visits/{visit.id}", body)


async def _move_to_the_day_after(day: RunningDay, visit: Visit) -> None:
    span = {
        f"planned_{end}_at": (getattr(visit, f"planned_{end}_at") + timedelta(days=1)).isoformat()
        for end in ("starts", "ends")
    }
    await day.send("PATCH", f"/api/visits/{visit.id}", {"rev": visit.rev, **span})


async def _cancel(day: RunningDay, visit: Visit) -> None:
    await day.post(f"/api/work-orders/{visit.work_order_id}/cancellation", {"reason": "customer"})


async def _reject(day: RunningDay, visit: Visit) -> None:
    phone = await new_phone(day.client, day.company, day.clock)
    await day.post("/api/visits/dispatching", {"visit_ids": [str(visit.id)]})
    await phone.pull()
    (outcome,) = await phone.push(
        phone.intent("visit.reject", visit_id=str(visit.id), reason="overload")
    )
    assert outcome["status"] == "applied", outcome


@pytest.mark.parametrize(
    "how", [_withdraw, _hand_on, _move_before_it, _move_to_the_day_after, _cancel, _reject]
)
async def test_what_was_to_be_fetched_goes_with_its_visit_and_stays_for_the_others(
    day: RunningDay, how: Leaving
) -> None:
    first = await needing(day, "First", 2, north_km=2.0)
    second = await needing(day, "Second", 3, north_km=2.5)
    await accepted(day)
    assert sorted((title, n) for _, title, n in await to_fetch(day)) in (
        [("First", 1), ("Second", 3)],
        [("First", 2), ("Second", 2)],
    )
    await how(day, await only_visit(day, first))
    ((who, title, _),) = await to_fetch(day)
    assert (who, title) == ("one", "Second")
    await _withdraw(day, await only_visit(day, second))
    assert await to_fetch(day) == []


async def test_a_visit_that_is_moved_within_its_day_keeps_what_is_fetched_before(
    day: RunningDay,
) -> None:
    job = await needing(day, "First", 2)
    await accepted(day)
    visit = await only_visit(day, job)
    span = {
        f"planned_{end}_at": (getattr(visit, f"planned_{end}_at") + timedelta(hours=2)).isoformat()
        for end in ("starts", "ends")
    }
    await day.send("PATCH", f"/api/visits/{visit.id}", {"rev": visit.rev, **span})
    assert await to_fetch(day) == [("one", "First", 1)]


async def test_a_move_by_hand_lacks_no_part_that_is_fetched_on_the_way(day: RunningDay) -> None:
    job = await needing(day, "First", 2)
    await accepted(day)
    visit = await only_visit(day, job)

    async def lacking(job: WorkOrder, starts: datetime, visit: Visit | None = None) -> list[str]:
        body = {
            "work_order_id": str(job.id),
            "technician_id": str(day.one.id),
            "starts_at": starts.isoformat(),
            **({"visit_id": str(visit.id)} if visit else {}),
        }
        looked = await day.post("/api/board/placement-previews", body)
        return [one["what"] for one in looked["consequences"] if one["code"] == "parts"]

    part, later = day.company.part.number, visit.planned_starts_at + timedelta(hours=2)
    # The stop stays before it within the day; it is not made on the day after, nor for another job.
    assert await lacking(job, later, visit) == []
    assert await lacking(job, later + timedelta(days=1), visit) == [part]
    other = await needing(day, "Other", 1)
    assert await lacking(other, later) == [part], "the one in the van is promised to the first"
    async with day.database.transaction(day.company.id) as session:
        stop = (await session.exec(select(PickUp))).one()
    day.clock.now = stop.ends_at + timedelta(minutes=1)
    assert await lacking(job, later, visit) == [part], "it should be in the van by now"


@pytest.mark.parametrize("wanted", [{}, ALL])
async def test_undoing_a_plan_takes_its_stops_back_and_puts_the_earlier_ones_there(
    day: RunningDay, wanted: dict[str, Any]
) -> None:
    await needing(day, "First", 2, north_km=2.0)
    first = await accepted(day)
    before = await to_fetch(day)
    await needing(day, "Second", 3, north_km=2.5)
    second = await accepted(day, **wanted)
    assert {title for _, title, _ in await to_fetch(day)} == {"First", "Second"}
    await day.post(f"/api/plans/{second['id']}/undoing")
    assert await to_fetch(day) == before
    await day.post(f"/api/plans/{first['id']}/undoing")
    assert await to_fetch(day) == []


async def test_undoing_an_older_plan_leaves_what_a_later_one_has_fetched(day: RunningDay) -> None:
    await needing(day, "First", 2, north_km=2.0)
    await accepted(day)
    await day.job("Plain", north_km=2.5)
    older = await accepted(day)
    assert await to_fetch(day) == [("one", "First", 1)]
    await stocked(day, day.company.van.id, 5)
    await accepted(day, **ALL)
    assert await to_fetch(day) == [], "the van carries enough by now"
    await day.post(f"/api/plans/{older['id']}/undoing")
    assert await to_fetch(day) == []


async def test_part_of_a_plan_brings_the_stops_of_that_part_alone(day: RunningDay) -> None:
    first = await needing(day, "First", 2, north_km=2.0)
    await needing(day, "Second", 3, north_km=2.5)
    plan = await day.plan()
    await day.post(f"/api/plans/{plan['id']}/acceptance", {"work_order_ids": [str(first.id)]})
    assert await to_fetch(day) in ([("one", "First", 1)], [("one", "First", 2)])


async def test_the_next_plan_does_not_forget_a_stop_for_a_visit_that_stays(
    day: RunningDay,
) -> None:
    first = await needing(day, "First", 2, north_km=2.0)
    await accepted(day)
    visit = await only_visit(day, first)
    await day.send("PUT", f"/api/planning/visits/{visit.id}/pin", {"keeps": "both"})
    before = await to_fetch(day)
    other = await day.job("Other", north_km=1.0)
    mine = {"required_ids": [str(day.one.id)]}
    await day.send("PUT", f"/api/planning/work-orders/{other.id}/terms", mine)
    plan = await day.plan()
    assert plan["notes"] == [], "all that stays can be driven"
    (route,) = plan["routes"]
    kinds = [stop["kind"] for stop in route["stops"]]
    assert kinds.count("absence") == 2, "the stop at the depot, and the visit"
    await day.post(f"/api/plans/{plan['id']}/acceptance", {})
    assert await to_fetch(day) == before


async def test_history_tells_what_a_plan_had_fetched(day: RunningDay) -> None:
    job = await needing(day, "First", 2)
    await accepted(day)
    visit = await only_visit(day, job)
    async with day.database.transaction(day.company.id) as session:
        (event,) = await session.exec(
            select(Event).where(Event.kind == "visit.pick_ups_planned", Event.entity_id == visit.id)
        )
    (told,) = event.data["pick_ups"]
    assert (told["place_id"], told["part"], told["quantity"]) == (
        str(day.company.warehouse.id),
        "P-1",
        1,
    )
