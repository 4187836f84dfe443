"""Plans over HTTP: what is refused and why, who sees what, what is coming, and the door for conditions."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.company import Company
from tests.fsm.maintenance.upkeep import MONTHLY, OCCURRENCES, PLANS, Desk

METER = {
    "trigger": "meter",
    "meter_code": "hours",
    "every_units": "500",
    "starts_on": "2026-01-01",
}


async def test_a_plan_is_kept_in_one_form_and_refused_with_the_place_at_fault(desk: Desk) -> None:
    asset_id = str(desk.company.asset.id)
    plan = await desk.plan(**MONTHLY, within_days=3, meter_code="hours")
    assert plan["rule"] == "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1"
    assert (plan["within_days"], plan["meter_code"]) == (None, None), "of no use to a calendar"
    base: dict[str, Any] = {"code": "x", "name": "x", "work_type": "inspection"}
    refused = [
        ({**MONTHLY, "model_id": str(desk.company.model.id)}, "/asset_id"),
        ({**MONTHLY, "rule": "FREQ=MONTHLY;BYMONTHDAY=30,31"}, "/rule"),
        ({**MONTHLY, "rule": None}, "/rule"),
        ({**MONTHLY, "counts_from": "completion", "rule": "FREQ=MONTHLY;BYDAY=1MO"}, "/rule"),
        ({**MONTHLY, "pauses": [["01-01", "12-31"]]}, "/pauses"),
        ({**MONTHLY, "ends_on": "2025-01-01"}, "/ends_on"),
        ({**MONTHLY, "work_type": "repair"}, "/work_type"),
        ({**MONTHLY, "work_type": "nothing"}, "/work_type"),
        ({**MONTHLY, "checklist_template_id": asset_id}, "/checklist_template_id"),
        ({**MONTHLY, "asset_id": plan["id"]}, "/asset_id"),
        ({**METER, "every_units": None}, "/every_units"),
        ({**METER, "trigger": "condition"}, "/within_days"),
        ({**MONTHLY, "due_time": "25:00"}, "/due_time"),
    ]
    for changed, place in refused:
        answer = await desk.ask("POST", PLANS, {**base, "asset_id": asset_id, **changed})
        assert answer.status_code == 422, (changed, answer.text)
        assert answer.json()["errors"][0]["at"] == place, answer.text
    answer = await desk.ask(
        "POST", PLANS, {**base, **MONTHLY, "asset_id": asset_id, "code": "monthly"}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    stale = await desk.ask("PATCH", f"{PLANS}/{plan['id']}", {"rev": 7, "name": "y"})
    assert (stale.status_code, stale.json()["code"]) == (409, "stale-change")
    edited = await desk.edit(plan, rule="FREQ=MONTHLY;BYMONTHDAY=30")
    assert edited["rule"] == "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1"
    assert (edited["rev"], edited["name"]) == (2, plan["name"])


async def test_strangers_and_customers_see_their_own_and_change_nothing(
    desk: Desk, stranger: Company
) -> None:
    plan = await desk.plan(**MONTHLY)
    await desk.generate()
    (row,) = (await desk.occurrences()).values()
    theirs = stranger.headers["dispatcher"]
    client = desk.client
    for path in (PLANS, OCCURRENCES):
        answer = await client.get(path, headers=theirs)
        assert answer.json()["items"] == []
    assert (await client.get(f"{PLANS}/{plan['id']}", headers=theirs)).status_code == 404
    for path, body in (
        (f"{PLANS}/{plan['id']}/conditions", {"asset_id": row["asset_id"], "key": "k"}),
        (f"{OCCURRENCES}/{row['id']}/skipping", {"reason": "customer"}),
    ):
        answer = await client.post(path, json=body, headers=theirs)
        assert answer.status_code == 404, answer.text
    outlook = await client.get("/api/maintenance-outlook", headers=theirs)
    assert outlook.json()["loads"] == []
    # A customer's user sees what is done for that customer; a technician at the phone, no plans.
    listed = await desk.ask("GET", PLANS, role="customer")
    assert [one["id"] for one in listed.json()["items"]] == [plan["id"]]
    seen = await desk.ask("GET", OCCURRENCES, role="customer")
    assert [one["key"] for one in seen.json()["items"]] == ["2026-03-31"]
    for method, path in (
        ("GET", f"{PLANS}/{plan['id']}/coming"),
        ("GET", "/api/maintenance-outlook"),
    ):
        assert (await desk.ask(method, path, role="customer")).status_code == 403
    assert (await desk.ask("GET", PLANS, role="technician")).status_code == 403
    assert (await desk.ask("POST", PLANS, {}, role="manager")).status_code == 403


async def test_the_outlook_counts_hours_by_week_and_trade(desk: Desk) -> None:
    """By hand: 90 minutes a week from 25 March on, but for the week whose yearly service of 6 h covers it."""
    weekly = {"trigger": "calendar", "rule": "FREQ=WEEKLY", "series": "lift"}
    await desk.plan("weekly", **weekly, starts_on="2026-03-25")
    await desk.plan(
        "yearly",
        trigger="calendar",
        rule="FREQ=YEARLY",
        starts_on="2026-04-09",
        series="lift",
        size=52,
        early_days=2,
        late_days=0,
        estimate_s=3 * 3_600,
        crew_size=2,
    )
    plan = await desk.plan("hours", **METER, or_months=3, estimate_s=3_600)
    answer = await desk.ask("GET", "/api/maintenance-outlook", params={"weeks": "4"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["first_on"], found["zone"]) == ("2026-03-23", "Europe/Paris")
    assert [
        (one["week_on"], one["skills"], one["jobs"], one["hours"]) for one in found["loads"]
    ] == [
        ("2026-03-23", ["lift"], 1, "1.50"),
        ("2026-03-30", ["lift"], 2, "2.50"),  # the first of April ends three months
        ("2026-04-06", ["lift"], 1, "6.00"),
        ("2026-04-13", ["lift"], 1, "1.50"),
    ]
    assert {one["unsure_hours"] for one in found["loads"]} == {"0.00"}
    # A first reading gives no slope: with what is assumed a day the counter may come first.
    now = desk.clock()
    read = await desk.ask(
        "POST",
        f"/api/meters/{desk.company.meter.id}/readings",
        {"read_at": now.isoformat(), "value": "460"},
    )
    assert read.status_code == 201, read.text
    await desk.edit(plan, units_a_day="8")
    coming = await desk.ask("GET", f"{PLANS}/{plan['id']}/coming", params={"weeks": "2"})
    (one,) = coming.json()
    assert (one["cause"], one["due_at"]) == ("meter", "2026-03-28T08:00:00Z")
    assert one["due_lo_at"] < one["due_at"] < one["due_hi_at"]
    answer = await desk.ask("GET", "/api/maintenance-outlook", params={"weeks": "1"})
    (week,) = answer.json()["loads"]
    assert (week["hours"], week["unsure_hours"]) == ("2.50", "1.00")


async def test_a_condition_orders_its_work_once_through_the_same_door(desk: Desk) -> None:
    plan = await desk.plan(
        "vibration", trigger="condition", within_days=3, starts_on="2026-01-01", priority=2
    )
    observed_at = datetime(2026, 3, 23, 6, tzinfo=UTC)
    call = {
        "asset_id": str(desk.company.asset.id),
        "key": "bearing-7",
        "observed_at": observed_at.isoformat(),
        "note": "11 mm/s",
    }
    path = f"{PLANS}/{plan['id']}/conditions"
    answers = await asyncio.gather(*(desk.ask("POST", path, call) for _ in range(3)))
    assert [answer.status_code for answer in answers] == [201] * 3, answers[0].text
    assert len({answer.json()["id"] for answer in answers}) == 1
    (job,) = await desk.jobs()
    assert (job.title, job.description, job.priority) == ("Service vibration", "11 mm/s", 2)
    assert job.restore_by == observed_at + timedelta(days=3)
    await desk.generate(times=2)
    assert await desk.outcome() == {"!bearing-7": "ordered"}
    assert len(await desk.jobs()) == 1
    early = await desk.ask("POST", path, {**call, "observed_at": "2026-03-24T00:00:00Z"})
    assert early.json()["errors"] == [{"at": "/observed_at"}]
    calendar = await desk.plan(**MONTHLY)
    wrong = await desk.ask("POST", f"{PLANS}/{calendar['id']}/conditions", call)
    assert wrong.status_code == 422
