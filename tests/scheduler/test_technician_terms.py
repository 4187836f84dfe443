"""What an administrator says of people and of what things cost, and what plans make of it."""

from dataclasses import fields
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.dialects.postgresql import Range
from uuid_utils.compat import uuid7

from fsm.database import Database
from fsm.technicians.tables import Rate, Technician
from scheduler.day import Day
from scheduler.day_problem import build_day
from scheduler.people import Person
from scheduler.problem import Costs, Shift, Visit, Weights
from scheduler.scope import Moves, Options, Scope
from scheduler.weights import TERMS, UNITS
from tests.company import Company
from tests.conftest import Clock
from tests.scheduler.running import RunningDay, moment, running_day


@pytest.fixture
async def day(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> RunningDay:
    return await running_day(client, database, company, clock)


def terms_of(technician: Technician) -> str:
    return f"/api/planning/technicians/{technician.id}/terms"


async def say(day: RunningDay, technician: Technician, **terms: Any) -> Any:
    return await day.send("PUT", terms_of(technician), terms, role="administrator")


async def put_in(day: RunningDay, technician: Technician, territory: str) -> None:
    async with day.database.transaction(day.company.id) as session:
        row = await session.get(Technician, (day.company.id, technician.id))
        assert row is not None
        row.territory = territory


async def built(day: RunningDay) -> Day:
    on = day.clock().date()
    async with day.database.transaction(day.company.id) as session:
        return await build_day(
            session,
            day.company.system,
            starts_on=on,
            ends_on=on,
            now=day.clock(),
            options=Options(Scope(moves=Moves.ALL)),
        )


def stops(plan: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (route["technician_id"], stop)
        for route in plan["routes"]
        for stop in route["stops"]
        if stop["kind"] == "visit"
    ]


def test_every_term_of_a_plans_cost_has_its_weights_and_every_weight_its_unit_and_term() -> None:
    assert list(TERMS) == [each.name for each in fields(Costs)]
    priced = [name for names in TERMS.values() for name in names]
    assert sorted(priced) == sorted(each.name for each in fields(Weights)) == sorted(UNITS)
    assert [term for term, names in TERMS.items() if not names] == ["travel"], "it is the unit"


def test_a_length_that_was_made_of_work_comes_out_as_that_work_again() -> None:
    visit = Visit("v", 0, 3_601, ((0, 0),), kind="wiring")
    for percent in (25, 60, 80, 99, 100, 101, 130, 400):
        shift = Shift("s", "t", 0, 0, 0, 0, 0, efficiency_by_kind=(("wiring", percent),))
        person = Person(paces=(("wiring", percent),))
        length = shift.work_s(visit)
        again = Visit("v", 0, person.nominal_s(length, "wiring"), ((0, 0),), kind="wiring")
        assert shift.work_s(again) == length, percent


async def test_a_technicians_own_pace_makes_their_visits_longer_and_once_planned_they_stay_so(
    day: RunningDay,
) -> None:
    job = await day.job("wiring")
    await day.send(
        "PUT", f"/api/planning/work-orders/{job.id}/terms", {"required_ids": [str(day.one.id)]}
    )
    await say(
        day,
        day.one,
        efficiency_percent=200,
        paces=[{"work_type_id": str(job.work_type_id), "efficiency_percent": 80}],
    )
    made = await day.plan()
    ((_, stop),) = stops(made)
    assert moment(stop["ends_at"]) - moment(stop["starts_at"]) == timedelta(minutes=75)
    accepted = await day.post(f"/api/plans/{made['id']}/acceptance", {})
    again = await day.plan(scope={"moves": "all"})
    ((_, stop),) = stops(again)
    assert stop["visit_id"] == accepted["visits"][0]["id"]
    assert moment(stop["ends_at"]) - moment(stop["starts_at"]) == timedelta(minutes=75)


async def test_work_in_hand_lasts_as_long_as_it_was_planned_whatever_the_pace(
    day: RunningDay,
) -> None:
    begun = await day.visit(await day.job("begun"), day.one, 0, hours=1.5)
    await day.begin(begun)
    await say(day, day.one, efficiency_percent=70)
    found = await built(day)
    (shift,) = [each for each in found.problem.shifts if each.technician == str(day.one.id)]
    (visit,) = found.problem.visits
    assert 5_400 <= shift.work_s(visit) <= 5_402


async def test_nobody_is_away_for_longer_than_their_longest_day(day: RunningDay) -> None:
    for name in ("a", "b", "c"):
        await day.job(name, estimate_s=2 * 3_600)
    await say(day, day.one, longest_s=5 * 3_600)
    await say(day, day.two, longest_s=3_600)
    made = await day.plan()
    assert {technician for technician, _ in stops(made)} == {str(day.one.id)}
    (route,) = made["routes"]
    assert moment(route["back_at"]) - moment(route["leaves_at"]) <= timedelta(hours=5)
    assert len(made["unplanned"]) == 1


async def test_who_stays_in_their_territory_gets_no_visit_of_another(day: RunningDay) -> None:
    await put_in(day, day.one, "north")
    await put_in(day, day.two, "south")
    await day.job("south", region="west")
    await say(day, day.one, stays_in_territory=True)
    assert {technician for technician, _ in stops(await day.plan())} == {str(day.two.id)}
    await say(day, day.two, stays_in_territory=True)
    (left_out,) = (await day.plan())["unplanned"]
    assert (left_out["code"], left_out["blocking"]) == ("impossible", [["territory"]])


async def test_a_dearer_technician_is_avoided_as_far_as_the_weight_says(day: RunningDay) -> None:
    day_one = date(2024, 1, 1)
    async with day.database.transaction(day.company.id) as session:
        session.add(
            Rate(
                id=uuid7(),
                tenant_id=day.company.id,
                technician_id=day.one.id,
                kind="labour",
                amount=Decimal(90),
                currency="EUR",
                during=Range(day_one, None),
            )
        )
    await day.job("work")
    assert {each.rate_permille for each in (await built(day)).problem.shifts} == {0}
    await day.send(
        "PUT",
        "/api/planning/weights",
        {"based_on": 0, "dearer_labour_permille": 1_000},
        role="administrator",
    )
    rates = {each.technician: each.rate_permille for each in (await built(day)).problem.shifts}
    assert rates == {str(day.one.id): 500, str(day.two.id): 0}, "90 an hour beside 60"
    made = await day.plan()
    assert {technician for technician, _ in stops(made)} == {str(day.two.id)}
    await say(day, day.two, longest_s=3_600)
    dear = await day.plan()
    (rate,) = [each for each in dear["objective"] if each["term"] == "rate"]
    assert rate["cost"] == dear["costs"]["rate"] == 1_800, "half an hour's drive for an hour's work"
    (weight,) = rate["weights"]
    assert (weight["name"], weight["value"]) == ("dearer_labour_permille", 1_000)


async def test_a_job_may_have_its_own_price_of_being_left_out(day: RunningDay) -> None:
    optional = await day.job("optional", north_km=20, priority=1)
    terms = f"/api/planning/work-orders/{optional.id}/terms"
    assert len(stops(await day.plan())) == 1
    told = await day.send("PUT", terms, {"drop_cost": 10})
    assert told["drop_cost"] == 10
    made = await day.plan()
    assert [each["work_order_id"] for each in made["unplanned"]] == [str(optional.id)]
    assert (made["costs"]["unplanned"], made["costs"]["travel"]) == (10, 0)
    assert {each["term"]: each["cost"] for each in made["objective"]}["unplanned"] == 10


async def test_what_is_said_of_a_technician_is_read_again_and_otherwise_refused(
    day: RunningDay, stranger: Company
) -> None:
    nobody_said = await day.send("GET", terms_of(day.one))
    assert (nobody_said["efficiency_percent"], nobody_said["set_at"]) == (100, None)
    work_type = str(day.company.work_type.id)
    pace = {"work_type_id": work_type, "efficiency_percent": 130}
    told = await say(day, day.one, paces=[pace], longest_s=36_000)
    assert told == await day.send("GET", terms_of(day.one))
    assert (told["paces"], told["longest_s"]) == ([pace], 36_000)
    for wrong, at in (
        ({"stays_in_territory": True}, "/stays_in_territory"),
        ({"paces": [pace, pace]}, "/paces"),
        ({"paces": [{**pace, "work_type_id": str(uuid4())}]}, "/paces"),
        ({"paces": [{**pace, "work_type_id": str(stranger.work_type.id)}]}, "/paces"),
    ):
        refused = await day.send("PUT", terms_of(day.one), wrong, 422, role="administrator")
        assert refused["errors"][0]["at"] == at
    for wrong in ({"efficiency_percent": 24}, {"longest_s": 3_599}):
        await day.send("PUT", terms_of(day.one), wrong, 422, role="administrator")
    await day.send("PUT", terms_of(day.one), {}, 403, role="manager")
    for method, body in (("GET", None), ("PUT", {})):
        answer = await day.client.request(
            method, terms_of(day.one), headers=stranger.headers["dispatcher"], json=body
        )
        assert answer.status_code == 404
