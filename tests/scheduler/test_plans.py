"""From open work to visits: a plan asked for, solved, read with its reasons, accepted, undone."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from fsm.customers.tables import Site
from fsm.database import Database
from fsm.jobs import Job
from fsm.work_orders import orders
from fsm.work_orders.lifecycle import VisitStatus
from scheduler.jobs import list_unsolved, solve_plan
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import new_job, plan_and_dispatch


async def plan(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock, **wanted: Any
) -> dict[str, Any]:
    """Ask for a plan of today, solve it as the worker would, and return it."""
    answer = await client.post(
        "/api/plans",
        headers=company.headers["dispatcher"],
        json={"starts_on": clock().date().isoformat(), "seconds": 0.5, **wanted},
    )
    assert answer.status_code == 202, answer.text
    for run_id in await list_unsolved(database, company.id):
        await solve_plan(database, Job(company.id, {"run_id": str(run_id)}), clock())
    read = await client.get(
        f"/api/plans/{answer.json()['id']}", headers=company.headers["dispatcher"]
    )
    found: dict[str, Any] = read.json()
    return found


async def test_open_work_is_planned_and_its_acceptance_makes_visits(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await new_job(database, company, clock)
    made = await plan(client, database, company, clock)
    assert (made["status"], made["unplanned"]) == ("ready", [])
    (route,) = made["routes"]
    (stop,) = [stop for stop in route["stops"] if stop["kind"] == "visit"]
    assert stop["work_order_id"] == str(job.id)
    assert stop["travel_s"] > 0
    accepted = await client.post(
        f"/api/plans/{made['id']}/acceptance", headers=company.headers["dispatcher"], json={}
    )
    (visit,) = accepted.json()["visits"]
    assert visit["technician_id"] == str(company.technician.id)
    assert visit["plan_run_id"] == made["id"]
    assert (await job.row()).status == "scheduled"
    again = await client.post(
        f"/api/plans/{made['id']}/acceptance", headers=company.headers["dispatcher"], json={}
    )
    assert (again.status_code, again.json()["code"]) == (409, "plan-not-ready")


async def test_work_that_nobody_can_do_is_left_out_with_a_reason_in_both_languages(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await new_job(database, company, clock)
    async with database.transaction(company.id) as session:
        row = await orders.lock_work_order(session, company.system, job.id)
        row.skills = [{"skill": "nuclear", "level": 5}]
    made = await plan(client, database, company, clock)
    assert made["routes"] == []
    (left_out,) = made["unplanned"]
    assert left_out["work_order_id"] == str(job.id)
    assert left_out["code"] == "impossible"
    assert left_out["blocking"] == [["skill"]]
    assert row.number in left_out["said"]["en"]
    assert row.number in left_out["said"]["ru"]


async def test_a_site_without_a_position_is_said_and_does_not_empty_the_plan(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await new_job(database, company, clock)
    async with database.transaction(company.id) as session:
        site = await session.get(Site, (company.id, company.site.id))
        assert site is not None
        site.latitude = site.longitude = site.position_source = None
    made = await plan(client, database, company, clock)
    assert [(one["code"], one["work_order_id"]) for one in made["unplanned"]] == [
        ("no_position", str(job.id))
    ]


async def test_a_visit_that_is_there_already_stays_where_it_is(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    fixed = await new_job(database, company, clock)
    await plan_and_dispatch(fixed)
    taken = await fixed.visit()
    other = await new_job(database, company, clock)
    made = await plan(client, database, company, clock)
    (stop,) = [
        stop for route in made["routes"] for stop in route["stops"] if stop["kind"] == "visit"
    ]
    assert stop["work_order_id"] == str(other.id)
    begins = taken.planned_starts_at.isoformat()
    ends = taken.planned_ends_at.isoformat()
    assert stop["ends_at"] <= begins or stop["starts_at"] >= ends


async def test_what_changed_since_the_plan_is_skipped_and_said(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await new_job(database, company, clock)
    made = await plan(client, database, company, clock)
    await plan_and_dispatch(job)
    accepted = await client.post(
        f"/api/plans/{made['id']}/acceptance", headers=company.headers["dispatcher"], json={}
    )
    assert accepted.json()["visits"] == []
    assert [one["why"] for one in accepted.json()["skipped"]] == ["has_visit"]


async def test_an_accepted_plan_can_be_undone(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await new_job(database, company, clock)
    made = await plan(client, database, company, clock)
    await client.post(
        f"/api/plans/{made['id']}/acceptance", headers=company.headers["dispatcher"], json={}
    )
    undone = await client.post(
        f"/api/plans/{made['id']}/undoing", headers=company.headers["dispatcher"]
    )
    assert (undone.json()["withdrawn"], undone.json()["kept"]) == (1, 0)
    row = await job.row()
    assert row.status == "open"
    async with database.transaction(company.id) as session:
        (visit,) = await orders.list_visits(session, row)
    assert visit.status == VisitStatus.WITHDRAWN


async def test_a_day_without_technicians_gets_a_plan_with_reasons(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    await new_job(database, company, clock)
    far = (clock() + timedelta(days=60)).date().isoformat()
    made = await plan(client, database, company, clock, starts_on=far)
    assert (made["status"], len(made["unplanned"])) == ("ready", 1)


async def test_more_places_than_travel_is_known_between_are_refused_in_words(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await new_job(database, company, clock)
    monkeypatch.setattr("scheduler.day_problem.MOST_PLACES", 1)
    made = await plan(client, database, company, clock)
    assert (made["status"], made["routes"]) == ("failed", [])
    assert "at most 1 places, and these are 2" in made["failure"]
    assert "Plan fewer days, or a territory" in made["failure"]


async def test_where_more_waits_than_a_plan_takes_the_plan_says_that_it_took_the_most_urgent(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = [await new_job(database, company, clock) for _ in range(2)]
    async with database.transaction(company.id) as session:
        row = await orders.lock_work_order(session, company.system, second.id)
        row.priority = 1
    monkeypatch.setattr("scheduler.rows.MOST_VISITS", 1)
    made = await plan(client, database, company, clock)
    (stop,) = [one for route in made["routes"] for one in route["stops"] if one["kind"] == "visit"]
    assert stop["work_order_id"] == str(second.id) != str(first.id)
    assert "only_the_most_urgent:1" in made["notes"]


async def test_a_strangers_plan_does_not_exist(
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    stranger: Company,
    clock: Clock,
) -> None:
    job = await new_job(database, company, clock)
    made = await plan(client, database, company, clock)
    for method, path in (
        ("GET", ""),
        ("GET", f"/unplanned/{job.id}/reason"),
        ("POST", "/acceptance"),
        ("POST", "/undoing"),
    ):
        answer = await client.request(
            method,
            f"/api/plans/{made['id']}{path}",
            headers=stranger.headers["dispatcher"],
            json={} if method == "POST" else None,
        )
        assert answer.status_code == 404, path


async def test_only_who_may_plan_asks_for_plans(
    client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    answer = await client.post(
        "/api/plans",
        headers=company.headers["manager"],
        json={"starts_on": clock().date().isoformat()},
    )
    assert (answer.status_code, answer.json()["needs"]) == (403, "plan")
