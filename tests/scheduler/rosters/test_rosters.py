"""From patterns and history to shifts: a roster asked for, solved, changed, published, withdrawn."""

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlmodel import col, select

from fsm.database import Database
from fsm.events import Event
from fsm.jobs import Job
from fsm.technicians.tables import Shift
from scheduler.rosters import child
from scheduler.rosters.jobs import list_unsolved, solve_roster
from scheduler.rosters.queries import find_roster, problem_of
from tests.company import Company
from tests.conftest import Clock

STARTS_ON = date(2026, 4, 6)
"""Two weeks after the clock's Monday; the company's own shifts end before it."""
EARLY = {
    "code": "early",
    "name": "Early",
    "starts_min": 7 * 60,
    "ends_min": 15 * 60 + 30,
    "break_s": 1_800,
    "break_earliest_min": 11 * 60,
    "break_latest_min": 13 * 60,
}
NIGHT = {
    "code": "night",
    "name": "Night",
    "starts_min": 22 * 60,
    "ends_min": 30 * 60,
    "is_undesired": True,
}


class Desk:
    """Somebody who plans: requests that must succeed, and the worker's part done at once."""

    def __init__(
        self, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
    ) -> None:
        self.client, self.database, self.company, self.clock = client, database, company, clock
        self.headers = company.headers["administrator"]

    async def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.client.request(method, path, headers=self.headers, json=body)

    async def done(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.send(method, path, body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def patterns(self) -> dict[str, str]:
        return {
            one["code"]: (await self.done("POST", "/api/roster-patterns", one))["id"]
            for one in (EARLY, NIGHT)
        }

    async def want(self, days: int, hours: range, people: float = 1) -> None:
        lines = [
            {
                "on": (STARTS_ON + timedelta(days=day)).isoformat(),
                "hour": hour,
                "skill": "lift",
                "level": 1,
                "people": people,
            }
            for day in range(days)
            for hour in hours
        ]
        last_on = (STARTS_ON + timedelta(days=13)).isoformat()
        await self.done(
            "PUT",
            "/api/roster-demand",
            {"first_on": STARTS_ON.isoformat(), "last_on": last_on, "lines": lines},
        )

    async def solved(self, **more: Any) -> dict[str, Any]:
        body = {"starts_on": STARTS_ON.isoformat(), "weeks": 2, "rounds": 3, **more}
        made = await self.done("POST", "/api/rosters", body)
        for roster_id in await list_unsolved(self.database, self.company.id):
            await solve_roster(
                self.database, Job(self.company.id, {"roster_id": str(roster_id)}), self.clock()
            )
        found: dict[str, Any] = await self.done("GET", f"/api/rosters/{made['id']}")
        return found

    async def change(
        self, roster: dict[str, Any], on: str, pattern_id: str | None
    ) -> httpx.Response:
        path = f"/api/rosters/{roster['id']}/technicians/{self.company.technician.id}/days/{on}"
        return await self.send("PUT", path, {"rev": roster["rev"], "pattern_id": pattern_id})

    async def shifts(self) -> list[tuple[datetime, datetime]]:
        async with self.database.transaction(self.company.id) as session:
            rows = await session.exec(
                select(Shift).where(Shift.tenant_id == self.company.id).order_by(col(Shift.during))
            )
            spans = [(one.during.lower, one.during.upper) for one in rows]
        first = datetime(2026, 4, 5, 12, tzinfo=UTC)
        return [(a, b) for a, b in spans if a is not None and b is not None and a > first]


@pytest.fixture
def desk(client: httpx.AsyncClient, database: Database, company: Company, clock: Clock) -> Desk:
    return Desk(client, database, company, clock)


async def test_a_roster_covers_what_was_entered_and_becomes_shifts(desk: Desk) -> None:
    await desk.patterns()
    await desk.want(5, range(8, 15))
    roster = await desk.solved()
    assert (roster["status"], roster["failure"]) == ("ready", None)
    assert roster["costs"]["total"] >= roster["bound"]
    worked = {one["on"] for one in roster["duties"]}
    assert {"2026-04-06", "2026-04-07", "2026-04-08", "2026-04-09", "2026-04-10"} <= worked
    cover = await desk.done("GET", f"/api/rosters/{roster['id']}/cover")
    assert cover["zone"] == desk.company.tenant.zone
    (lift,) = [one for one in cover["needs"] if (one["skill"], one["level"]) == ("lift", 1)]
    assert sum(lift["wanted"]) == sum(lift["served"]) == 5 * 7 * 60
    published = await desk.done("POST", f"/api/rosters/{roster['id']}/publication")
    assert (published["created"], published["skipped"]) == (len(roster["duties"]), [])
    shifts = await desk.shifts()
    assert shifts[0] == (
        datetime(2026, 4, 6, 5, tzinfo=UTC),
        datetime(2026, 4, 6, 13, 30, tzinfo=UTC),
    )
    read = await desk.done("GET", f"/api/rosters/{roster['id']}")
    assert {one["state"] for one in read["duties"]} == {"published"}
    async with desk.database.transaction(desk.company.id) as session:
        kinds = set(await session.exec(select(Event.kind).where(Event.entity == "roster_run")))
    assert kinds == {"roster.requested", "roster.solved", "roster.published"}


async def test_a_change_that_breaks_a_rule_is_refused_with_sentences_and_others_are_taken(
    desk: Desk,
) -> None:
    patterns = await desk.patterns()
    await desk.want(2, range(8, 15))
    roster = await desk.solved()
    refused = await desk.change(roster, "2026-04-06", patterns["night"])
    assert (refused.status_code, refused.json()["code"]) == (409, "roster-rule-broken")
    (breach,) = refused.json()["breaches"]
    assert breach["rule"] == "daily_rest"
    assert "Boris" in breach["said"]["en"]
    assert "Boris" in breach["said"]["ru"]
    freed = (await desk.change(roster, "2026-04-07", None)).json()
    fixed = next(one for one in freed["duties"] if one["on"] == "2026-04-07")
    assert (fixed["pattern_id"], fixed["is_fixed"], freed["bound"]) == (None, True, None)
    short = [
        one
        for one in freed["shortages"]
        if one["from_at"].startswith("2026-04-07") and one["level"] == 1
    ]
    assert sum(one["minutes"] for one in short) == 7 * 60
    stale = await desk.change(roster, "2026-04-08", patterns["early"])
    assert (stale.status_code, stale.json()["code"]) == (409, "stale-change")
    again = await desk.solved(from_roster_id=roster["id"])
    assert "2026-04-07" not in {one["on"] for one in again["duties"] if one["pattern_id"]}


async def test_publishing_over_a_roster_changes_only_what_differs_and_withdrawing_takes_it_back(
    desk: Desk,
) -> None:
    patterns = await desk.patterns()
    await desk.want(2, range(8, 15))
    first = await desk.solved()
    await desk.done("POST", f"/api/rosters/{first['id']}/publication")
    before = await desk.shifts()
    boris = str(desk.company.technician.id)
    second = await desk.solved(
        fixed=[{"technician_id": boris, "on": "2026-04-07", "pattern_id": patterns["night"]}]
    )
    (line,) = [one for one in second["publication"]["changes"] if one["on"] == "2026-04-07"]
    assert (line["was"], line["becomes"], line["technician_id"]) == ("early", "night", boris)
    changes = second["publication"]["changes"]
    published = await desk.done("POST", f"/api/rosters/{second['id']}/publication")
    assert published["removed"] == sum(one["was"] is not None for one in changes)
    assert published["created"] == sum(one["becomes"] is not None for one in changes)
    assert published["kept"] == len(before) - published["removed"]
    assert (await desk.done("GET", f"/api/rosters/{first['id']}"))["status"] == "replaced"
    again = await desk.send("POST", f"/api/rosters/{first['id']}/publication")
    assert (again.status_code, again.json()["code"]) == (409, "roster-not-ready")
    desk.clock.now = datetime(2026, 4, 7, 12, tzinfo=UTC)
    withdrawn = await desk.done("POST", f"/api/rosters/{second['id']}/withdrawal")
    assert [one["why"] for one in withdrawn["skipped"]] == ["begun"] * len(withdrawn["skipped"])
    assert [a.date() for a, _ in await desk.shifts()][-1] == date(2026, 4, 7)


async def test_a_shift_entered_by_hand_stands_and_is_reckoned_with(desk: Desk) -> None:
    patterns = await desk.patterns()
    await desk.want(2, range(8, 15))
    await desk.done(
        "POST",
        f"/api/technicians/{desk.company.technician.id}/shifts",
        {
            "first_on": "2026-04-06",
            "last_on": "2026-04-06",
            "weekly": [{"day": "mon", "starts": "14:00", "ends": "22:00"}],
        },
    )
    roster = await desk.solved(
        fixed=[
            {
                "technician_id": str(desk.company.technician.id),
                "on": "2026-04-06",
                "pattern_id": patterns["early"],
            }
        ]
    )
    (conflict,) = roster["conflicts"]
    assert (conflict["rule"], conflict["pattern"]) == ("one_a_day", "early")
    assert "2026-04-06" in conflict["said"]["en"]
    assert "закреп" not in conflict["said"]["en"]
    # Rest after a shift until 22:00: the early one at 07:00 is too soon.
    assert "2026-04-07" not in {one["on"] for one in roster["duties"]}
    reasons = {
        reason["code"]
        for one in roster["shortages"]
        if one["from_at"].startswith("2026-04-07") and one["level"] == 1
        for reason in one["reasons"]
    }
    assert reasons == {"daily_rest"}


async def test_the_stored_inputs_give_the_same_roster_again(desk: Desk) -> None:
    await desk.patterns()
    await desk.want(3, range(8, 15))
    roster = await desk.solved()
    async with desk.database.transaction(desk.company.id) as session:
        problem = problem_of(await find_roster(session, desk.company.system, roster["id"]))
    replayed = await child.solve(problem, seconds=60, rounds=roster["search"]["rounds"])
    worked = {one["on"] for one in roster["duties"]}
    first = date.fromisoformat(problem.first_on)
    assert {
        (first + timedelta(days=one.day)).isoformat() for one in replayed.roster.duties
    } == worked


async def test_rules_wishes_and_terms_shape_the_roster(desk: Desk) -> None:
    await desk.patterns()
    boris = str(desk.company.technician.id)
    await desk.done(
        "POST",
        "/api/roster-rules",
        {"effective_on": "2026-04-01", "rules": {"days_in_a_row": 1}, "notice_days": 3},
    )
    in_force = await desk.done("GET", "/api/roster-rules/in-force?on=2026-04-06")
    assert in_force["rules"]["days_in_a_row"] == 1
    terms = {"week_s": 24 * 3_600, "share_percent": 60, "patterns": ["early"]}
    await desk.done("PUT", f"/api/technicians/{boris}/roster-terms", terms)
    wish = {"technician_id": boris, "on": "2026-04-08", "kind": "off", "weight": 5}
    noted = await desk.done("POST", "/api/roster-wishes", wish)
    roster = await desk.solved()
    days = sorted(date.fromisoformat(one["on"]) for one in roster["duties"])
    assert all((later - earlier).days > 1 for earlier, later in itertools.pairwise(days))
    assert {one["pattern"] for one in roster["duties"]} == {"early"}
    (told,) = roster["wishes"]
    assert told["is_met"] == (date(2026, 4, 8) not in days)
    await desk.done("DELETE", f"/api/roster-wishes/{noted['id']}")
    page = await desk.done("GET", "/api/roster-wishes?first_on=2026-04-01&last_on=2026-04-30")
    assert page["items"] == []


async def test_a_roster_begins_with_a_week_and_a_strangers_does_not_exist(
    desk: Desk, stranger: Company
) -> None:
    await desk.patterns()
    tuesday = await desk.send("POST", "/api/rosters", {"starts_on": "2026-04-07", "rounds": 0})
    assert (tuesday.status_code, tuesday.json()["errors"][0]["at"]) == (422, "/starts_on")
    roster = await desk.done("POST", "/api/rosters", {"starts_on": "2026-04-06", "rounds": 0})
    desk.headers = stranger.headers["administrator"]
    for method, path in (("GET", ""), ("POST", "/publication"), ("POST", "/withdrawal")):
        answer = await desk.send(method, f"/api/rosters/{roster['id']}{path}")
        assert answer.status_code == 404, path
