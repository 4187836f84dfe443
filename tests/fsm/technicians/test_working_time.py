"""Shifts and absences: many at once, over clock changes, and what the planner reads of them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.dialects.postgresql import Range
from sqlmodel import select

from fsm.database import Database
from fsm.events import Event
from fsm.technicians.shift_pattern import DayRange
from fsm.technicians.tables import Shift, TechnicianSkill
from fsm.technicians.working_time import list_working
from tests.company import Company

WEEK: dict[str, Any] = {
    "first_on": "2026-10-19",
    "last_on": "2026-11-01",
    "weekly": [
        {
            "day": name,
            "starts": "08:00",
            "ends": "17:00",
            "break": {"length_s": 1800, "earliest": "11:30", "latest": "13:00"},
        }
        for name in ("mon", "tue", "wed", "thu", "fri")
    ],
}


def roster(company: Company) -> str:
    return f"/api/technicians/{company.technician.id}/shifts"


async def test_a_pattern_becomes_shifts_in_the_technicians_zone(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    created = await client.post(
        roster(company), headers=headers, json=WEEK | {"except_on": ["2026-10-21"]}
    )
    assert created.status_code == 201, created.text
    body = created.json()
    assert (body["created"], body["kept"]) == (9, 0)
    starts = {item["on"]: item["starts_at"] for item in body["items"]}
    assert starts["2026-10-23"] == "2026-10-23T06:00:00Z"  # summer time
    assert starts["2026-10-26"] == "2026-10-26T07:00:00Z"  # winter time
    assert "2026-10-21" not in starts
    assert {item["break_earliest_s"] for item in body["items"]} == {12_600}
    listed = await client.get(
        "/api/shifts",
        headers=headers,
        params={"first_on": "2026-10-26", "last_on": "2026-10-27"},
    )
    assert [item["on"] for item in listed.json()["items"]] == ["2026-10-26", "2026-10-27"]
    async with database.transaction(company.id) as session:
        event = (await session.exec(select(Event).where(Event.kind == "shifts.created"))).one()
    assert event.data == {"count": 9, "first_on": "2026-10-19", "last_on": "2026-10-30"}


async def test_doing_it_twice_is_refused_or_with_keep_existing_is_doing_it_once(
    client: httpx.AsyncClient, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    await client.post(roster(company), headers=headers, json=WEEK | {"last_on": "2026-10-25"})
    again = await client.post(roster(company), headers=headers, json=WEEK)
    assert again.status_code == 409
    assert again.json()["days"][0] == "2026-10-19"
    assert len(again.json()["days"]) == 5
    filled = await client.post(
        roster(company), headers=headers, json=WEEK | {"keep_existing": True}
    )
    assert (filled.json()["created"], filled.json()["kept"]) == (5, 5)
    twice = await client.post(roster(company), headers=headers, json=WEEK | {"keep_existing": True})
    assert (twice.json()["created"], twice.json()["kept"]) == (0, 10)


async def test_the_days_of_a_list_are_days_where_the_technician_is(
    client: httpx.AsyncClient, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    kiwi = (
        await client.post(
            "/api/technicians",
            headers=headers,
            json={"number": "T-2", "name": "Aroha", "zone": "Pacific/Auckland"},
        )
    ).json()
    await client.post(
        f"/api/technicians/{kiwi['id']}/shifts",
        headers=headers,
        json={
            "first_on": "2026-06-01",
            "last_on": "2026-06-01",
            "weekly": [{"day": "mon", "starts": "07:00", "ends": "15:00"}],
        },
    )
    for on, count in (("2026-05-31", 0), ("2026-06-01", 1), ("2026-06-02", 0)):
        listed = await client.get(
            "/api/shifts",
            headers=headers,
            params={"first_on": on, "last_on": on, "technician_id": kiwi["id"]},
        )
        assert len(listed.json()["items"]) == count
    (item,) = (
        await client.get(
            "/api/shifts",
            headers=headers,
            params={"first_on": "2026-06-01", "last_on": "2026-06-01"},
        )
    ).json()["items"]
    assert (item["on"], item["starts_at"]) == ("2026-06-01", "2026-05-31T19:00:00Z")


async def test_shifts_come_in_pages(client: httpx.AsyncClient, company: Company) -> None:
    headers = company.headers["dispatcher"]
    days = {"first_on": "2026-03-23", "last_on": "2026-03-29"}
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = (
            await client.get("/api/shifts", headers=headers, params=days | {"limit": "3"} | after)
        ).json()
        seen += [item["on"] for item in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert sorted(seen) == [f"2026-03-{on}" for on in range(23, 30)]


async def test_a_shift_is_edited_and_removed(client: httpx.AsyncClient, company: Company) -> None:
    headers = company.headers["dispatcher"]
    created = (
        await client.post(roster(company), headers=headers, json=WEEK | {"last_on": "2026-10-20"})
    ).json()["items"]
    path = f"/api/shifts/{created[0]['id']}"
    longer = await client.patch(
        path, headers=headers, json={"rev": 1, "ends_at": "2026-10-19T18:00:00+02:00"}
    )
    assert (longer.status_code, longer.json()["ends_at"]) == (200, "2026-10-19T16:00:00Z")
    assert longer.json()["starts_at"] == created[0]["starts_at"]
    stale = await client.patch(path, headers=headers, json={"rev": 1, "overtime_s": 3600})
    assert stale.status_code == 409
    clash = await client.patch(
        path,
        headers=headers,
        json={
            "rev": 2,
            "starts_at": "2026-10-20T06:00:00Z",
            "ends_at": "2026-10-20T12:00:00Z",
            "break_s": 0,
        },
    )
    assert (clash.status_code, clash.json()["code"]) == (409, "conflict")
    for change in (
        {"ends_at": "2026-10-19T05:00:00Z"},
        {"ends_at": "2026-10-20T06:00:01Z"},
        {"ends_at": "2026-10-19T18:00:00"},
        {"break_s": 7200, "break_earliest_s": 0, "break_latest_s": 10 * 3600},
        {"break_s": -1},
    ):
        refused = await client.patch(path, headers=headers, json={"rev": 2} | change)
        assert refused.status_code == 422, change
    looked_at_before = await client.delete(path, headers=headers, params={"rev": 1})
    assert (looked_at_before.status_code, looked_at_before.json()["rev"]) == (409, 2)
    as_it_is = await client.delete(path, headers=headers, params={"rev": 2})
    assert as_it_is.status_code == 204
    assert (await client.delete(path, headers=headers)).status_code == 404
    cleared = await client.delete(
        roster(company),
        headers=headers,
        params={"first_on": "2026-10-19", "last_on": "2026-10-31"},
    )
    assert (cleared.status_code, cleared.json()) == (200, {"removed": 1})


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"last_on": "2026-10-18"}, "/last_on"),
        ({"last_on": "2027-12-01"}, "/last_on"),
        ({"first_on": "2026-02-30"}, "/first_on"),
        ({"weekly": []}, "/weekly"),
        ({"weekly": [{"day": "moon", "starts": "08:00", "ends": "17:00"}]}, "/weekly/0/day"),
        ({"weekly": [{"day": "mon", "starts": "25:00", "ends": "17:00"}]}, "/weekly/0/starts"),
        ({"weekly": [{"day": "mon", "starts": "08:00", "ends": "08:00"}]}, "/weekly/0/ends"),
        ({"start_latitude": 4.0}, ""),
    ],
)
async def test_a_pattern_that_makes_no_sense_is_refused_by_its_field(
    client: httpx.AsyncClient, company: Company, change: dict[str, Any], at: str
) -> None:
    answer = await client.post(
        roster(company), headers=company.headers["dispatcher"], json=WEEK | change
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["at"].rstrip("/") == at


async def test_an_absence_is_whole_days_where_the_technician_is_or_exact_instants(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    body = {"technician_id": str(company.technician.id)}
    weekend = await client.post(
        "/api/absences",
        headers=headers,
        json=body | {"first_on": "2026-03-28", "last_on": "2026-03-29"},
    )
    assert weekend.status_code == 201, weekend.text
    assert weekend.json()["starts_at"] == "2026-03-27T23:00:00Z"
    assert weekend.json()["ends_at"] == "2026-03-29T22:00:00Z"  # 47 hours: the clocks went forward
    sick = await client.post(
        "/api/absences",
        headers=headers,
        json=body | {"starts_at": "2026-04-01T09:00:00+02:00", "kind": "sick", "note": "flu"},
    )
    assert (sick.status_code, sick.json()["ends_at"]) == (201, None)
    overlap = await client.post(
        "/api/absences",
        headers=headers,
        json=body | {"first_on": "2027-01-01", "last_on": "2027-01-02"},
    )
    assert overlap.status_code == 409
    back = await client.patch(
        f"/api/absences/{sick.json()['id']}",
        headers=headers,
        json={"rev": 1, "ends_at": "2026-04-03T07:00:00Z"},
    )
    assert (back.json()["ends_at"], back.json()["rev"]) == ("2026-04-03T07:00:00Z", 2)
    # Who looked before that does not take the new end away with the absence.
    mine = f"/api/absences/{sick.json()['id']}"
    stale = await client.delete(mine, headers=headers, params={"rev": 1})
    assert (stale.status_code, stale.json()["code"]) == (409, "stale-change")
    assert stale.json()["rev"] == 2
    listed = await client.get(
        "/api/absences",
        headers=headers,
        params={"from_at": "2026-04-01T00:00:00Z", "until_at": "2026-04-02T00:00:00Z"},
    )
    assert [item["kind"] for item in listed.json()["items"]] == ["sick"]
    path = f"/api/absences/{weekend.json()['id']}"
    assert (await client.delete(path, headers=headers)).status_code == 204
    gone = await client.delete(mine, headers=headers, params={"rev": 2})
    assert gone.status_code == 204
    async with database.transaction(company.id) as session:
        rows = (await session.exec(select(Event).where(Event.entity == "absence"))).all()
    assert [row.kind for row in rows] == [
        "absence.recorded",
        "absence.recorded",
        "absence.edited",
        "absence.deleted",
        "absence.deleted",
    ]
    assert "flu" not in str([row.data for row in rows])


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"ends_at": "2026-04-01T09:00:00Z"},
        {"first_on": "2026-04-01"},
        {"first_on": "2026-04-02", "last_on": "2026-04-01"},
        {"starts_at": "2026-04-01T09:00:00Z", "first_on": "2026-04-01"},
        {"starts_at": "2026-04-01T09:00:00"},
        {"starts_at": "2026-04-01T09:00:00Z", "ends_at": "2026-04-01T09:00:00Z"},
        {"starts_at": "2026-04-01T09:00:00Z", "kind": "bored"},
    ],
)
async def test_an_absence_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, company: Company, when: dict[str, str]
) -> None:
    answer = await client.post(
        "/api/absences",
        headers=company.headers["dispatcher"],
        json={"technician_id": str(company.technician.id)} | when,
    )
    assert answer.status_code == 422


async def test_the_planner_reads_shifts_with_the_skills_and_absences_that_count_then(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    await client.post(
        "/api/absences",
        headers=headers,
        json={
            "technician_id": str(company.technician.id),
            "starts_at": "2026-03-24T12:00:00Z",
            "ends_at": "2026-03-24T13:00:00Z",
        },
    )
    async with database.transaction(company.id) as session:
        held = (await session.exec(select(TechnicianSkill))).one()
        held.valid_until = date(2026, 3, 23)
    async with database.transaction(company.id) as session:
        working = await list_working(
            session, company.system, DayRange(date(2026, 3, 23), date(2026, 3, 24))
        )
    monday, tuesday = working
    assert (monday.on, tuesday.on) == (date(2026, 3, 23), date(2026, 3, 24))
    assert [skill.code for skill in monday.skills] == ["lift"]
    assert tuesday.skills == []
    assert (len(monday.absences), len(tuesday.absences)) == (0, 1)
    assert monday.technician.id == company.technician.id
    await client.patch(
        f"/api/technicians/{company.technician.id}",
        headers=headers,
        json={"rev": 1, "is_active": False},
    )
    async with database.transaction(company.id) as session:
        days = DayRange(date(2026, 3, 23), date(2026, 3, 24))
        assert await list_working(session, company.system, days) == []


async def test_a_night_shift_of_the_last_day_is_there_with_the_absence_after_midnight(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    night = datetime(2026, 6, 1, 20, 0, tzinfo=UTC)
    async with database.transaction(company.id) as session:
        session.add(
            Shift(
                tenant_id=company.id,
                technician_id=company.technician.id,
                during=Range(night, night + timedelta(hours=24)),
            )
        )
    await client.post(
        "/api/absences",
        headers=headers,
        json={
            "technician_id": str(company.technician.id),
            "starts_at": "2026-06-02T19:00:00Z",
        },
    )
    async with database.transaction(company.id) as session:
        on = DayRange(date(2026, 6, 1), date(2026, 6, 1))
        (working,) = await list_working(session, company.system, on)
        after = DayRange(date(2026, 6, 2), date(2026, 6, 2))
        assert await list_working(session, company.system, after) == []
    assert len(working.absences) == 1


async def test_who_reads_rosters_does_not_write_them_and_strangers_do_neither(
    client: httpx.AsyncClient, database: Database, company: Company, stranger: Company
) -> None:
    manager, dispatcher = company.headers["manager"], company.headers["dispatcher"]
    days = {"first_on": "2026-03-23", "last_on": "2026-03-29"}
    async with database.transaction(stranger.id) as session:
        shift = (await session.exec(select(Shift).limit(1))).one()
    read = await client.get("/api/shifts", headers=manager, params=days)
    assert (read.status_code, len(read.json()["items"])) == (200, 7)
    absent = {"technician_id": str(stranger.technician.id), "starts_at": "2026-04-01T09:00:00Z"}
    for method, path, more in (
        ("POST", roster(company), {"json": WEEK}),
        ("DELETE", roster(company), {"params": days}),
        ("PATCH", f"/api/shifts/{shift.id}", {"json": {"rev": 1}}),
        ("DELETE", f"/api/shifts/{shift.id}", {}),
        ("POST", "/api/absences", {"json": absent}),
    ):
        refused = await client.request(method, path, headers=manager, **more)
        assert (refused.status_code, refused.json()["needs"]) == (403, "edit_technicians")
    for method, path, more in (
        ("POST", roster(stranger), {"json": WEEK}),
        ("DELETE", roster(stranger), {"params": days}),
        ("PATCH", f"/api/shifts/{shift.id}", {"json": {"rev": 1}}),
        ("DELETE", f"/api/shifts/{shift.id}", {}),
        ("POST", "/api/absences", {"json": absent}),
    ):
        unknown = await client.request(method, path, headers=dispatcher, **more)
        assert unknown.status_code == 404, (method, path)
