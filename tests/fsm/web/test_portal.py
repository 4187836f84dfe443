"""What a customer's user is told and may do: everything of their own, nothing of anybody else's."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from fsm.actors import Actor, ActorKind, Permission
from fsm.customers.tables import Customer
from fsm.database import Database, Session
from fsm.tenants import tokens
from fsm.tenants.roles import FIRST_ROLES
from fsm.tenants.routes import AddressLimit
from fsm.web.portal import queries
from fsm.work_orders import field_work
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.web.status_links import Followed, finish, followed
from tests.fsm.web.test_moving import let_customer_move, wishes


@pytest.fixture
async def link(
    client: httpx.AsyncClient, app: Litestar, database: Database, company: Company, clock: Clock
) -> Followed:
    """The customer's job with a visit in an hour."""
    app.state.report_limit = AddressLimit(100)
    return await followed(client, database, company, clock)


@dataclass
class Portal:
    """The pages of whoever signs with `headers`."""

    client: httpx.AsyncClient
    headers: dict[str, str]

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.client.get(f"/api/portal{path}", params=query, headers=self.headers)

    async def read(self, path: str, **query: Any) -> Any:
        answer = await self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return await self.client.post(path, json=body, headers=self.headers)


@pytest.fixture
def portal(link: Followed, company: Company) -> Portal:
    return Portal(link.client, company.headers["customer"])


async def of_another_customer(link: Followed, company: Company) -> Portal:
    """The pages of a user of a second customer, who has nothing yet."""
    async with link.job.database.transaction(company.id) as session:
        other = Customer(
            tenant_id=company.id, number="C-2", name="Café", created_at=link.job.clock()
        )
        session.add(other)
        await session.flush()
        actor = Actor(
            tenant_id=company.id,
            kind=ActorKind.USER,
            user_id=company.users["customer"].id,
            customer_id=other.id,
            permissions=FIRST_ROLES["customer"][1],
        )
    until = link.job.clock() + timedelta(days=30)
    token = tokens.issue_access(company.settings, actor, until)
    return Portal(link.client, {"Authorization": f"Bearer {token}"})


async def test_a_customer_finds_their_sites_machines_contracts_and_jobs(
    portal: Portal, link: Followed, company: Company
) -> None:
    home = await portal.read("/")
    assert (home["customer"], [site["name"] for site in home["sites"]]) == (
        "Grand Hotel",
        ["Grand Hotel Paris"],
    )
    (contract,) = home["contracts"]
    assert (contract["number"], contract["level"]) == (company.contract.number, "Gold")
    assert {"clock": "response", "priority": 1, "target_s": 14_400} in contract["targets"]
    (machine,) = (await portal.read("/machines"))["items"]
    assert (machine["model"], machine["open_jobs"]) == ("Otto LX 5", 1)
    passport = await link.client.get(machine["passport_url"])
    assert (passport.status_code, "LX 5" in passport.text) == (200, True)
    assert (await portal.read("/machines", q="no such"))["items"] == []
    (job,) = (await portal.read("/jobs"))["items"]
    assert (job["current"], job["machine"], job["technician_first_name"]) == (
        "planned",
        "Guest lift 1",
        company.technician.name.split()[0],
    )
    assert {one["kind"]: one["state"] for one in job["promises"]} == {
        "response": "running",
        "restoration": "running",
    }
    assert (await portal.read("/jobs", is_open=False))["items"] == []


async def test_the_status_is_live_and_says_when_the_technician_arrives(
    portal: Portal, link: Followed
) -> None:
    path = f"/jobs/{link.job.id}"
    await link.job.do(field_work.travel)
    told = await portal.read(path)
    assert (told["job"]["current"], told["may_move"]) == ("on_the_way", False)
    status = await link.status()
    assert told["job"]["arrival_at"] == status["arrival_at"]
    assert told["steps"] == status["steps"]
    await finish(link)
    told = await portal.read(path)
    assert (told["job"]["current"], told["job"]["may_rate"]) == ("done", True)
    assert [one["id"] for one in (await portal.read("/jobs", is_open=False))["items"]] == [
        str(link.job.id)
    ]


async def test_an_appointment_is_moved_where_the_contract_lets_and_asked_for_elsewhere(
    portal: Portal, link: Followed
) -> None:
    path = f"/api/portal/jobs/{link.job.id}/moves"
    windows = await portal.read(f"/jobs/{link.job.id}/windows")
    assert not windows["is_taken_at_once"]
    first, second, *_ = windows["choices"]
    asked = await portal.post(path, {"choice": first["choice"], "note": "Not before"})
    assert (asked.status_code, asked.json()) == (201, {"is_taken": False})
    assert [wish.data["note"] for wish in await wishes(link)] == ["Not before"]
    told = await portal.read(f"/jobs/{link.job.id}")
    assert (told["asked"], told["asked_window"]["starts_at"]) == (True, first["opens_at"])
    await let_customer_move(link)
    taken = await portal.post(path, {"choice": second["choice"]})
    assert taken.json() == {"is_taken": True}
    told = await portal.read(f"/jobs/{link.job.id}")
    assert (told["asked"], told["job"]["window"]["starts_at"]) == (False, second["opens_at"])
    assert (await portal.post(path, {})).status_code == 422
    assert (await portal.post(path, {"choice": first["choice"][:-3] + "AAA"})).status_code == 409


async def test_a_rating_and_words_given_here_are_shown_here(
    portal: Portal, link: Followed, company: Company
) -> None:
    job = f"/api/work-orders/{link.job.id}"
    await portal.post(f"{job}/messages", {"text": "Ring twice"})
    await finish(link)
    await portal.post(f"{job}/ratings", {"stars": 2, "comment": "Late"})
    told = await portal.read(f"/jobs/{link.job.id}")
    assert [(one["text"], one["is_own"]) for one in told["messages"]] == [("Ring twice", True)]
    assert (told["rating"]["stars"], told["rating"]["asks_for_call"]) == (2, True)
    (row,) = (await portal.read("/jobs", is_open=False))["items"]
    assert row["stars"] == 2


async def test_papers_that_count_can_be_opened(
    portal: Portal, link: Followed, company: Company
) -> None:
    await finish(link)
    body = {"work_order_id": str(link.job.id)}
    headers = company.headers["dispatcher"]
    issued = await link.client.post("/api/documents/acts", json=body, headers=headers)
    assert issued.status_code == 201, issued.text
    (paper,) = (await portal.read(f"/jobs/{link.job.id}"))["documents"]
    assert (paper["kind"], paper["number"]) == ("act", "ACT-1")
    file = await link.client.get(paper["url"], headers=portal.headers)
    assert file.content.startswith(b"%PDF-")
    other = await of_another_customer(link, company)
    assert (await link.client.get(paper["url"], headers=other.headers)).status_code == 404


async def test_promises_are_counted_as_the_company_counts_them_with_the_late_jobs_named(
    portal: Portal, link: Followed, company: Company, clock: Clock
) -> None:
    clock.now += timedelta(days=7)
    day = clock().date()
    span = {"from": str(day - timedelta(days=30)), "to": str(day)}
    (contract,) = (await portal.read("/promises", **span))["contracts"]
    found = {one["clock"]: one for one in contract["kept"]}
    assert set(found) == {"response", "restoration"}  # nothing is said of what was never promised
    for clock_kind, kpi in (("response", "sla_response"), ("restoration", "sla_restoration")):
        own = await link.client.get(
            f"/api/kpis/{kpi}/table",
            params={
                "scope": "tenant",
                "by": "contract",
                "from": f"{day - timedelta(days=31)}T00:00:00Z",
                "to": f"{day + timedelta(days=1)}T00:00:00Z",
            },
            headers=company.headers["manager"],
        )
        (row,) = own.json()["items"]
        counted = (row["result"]["numerator"]["value"], row["result"]["denominator"]["value"])
        assert (found[clock_kind]["kept"], found[clock_kind]["counted"]) == counted == (0, 1)
        (late,) = found[clock_kind]["late"]
        assert UUID(late["work_order_id"]) == link.job.id


async def test_another_customer_and_a_stranger_find_nothing_of_it(
    portal: Portal, link: Followed, company: Company, stranger: Company
) -> None:
    windows = await portal.read(f"/jobs/{link.job.id}/windows")
    wish = {"choice": windows["choices"][0]["choice"]}
    span = {"from": "2026-01-01", "to": "2026-12-31"}
    for other in (
        await of_another_customer(link, company),
        Portal(link.client, stranger.headers["customer"]),
    ):
        home = await other.read("/")
        assert company.contract.id not in [UUID(one["id"]) for one in home["contracts"]]
        assert company.site.id not in [UUID(one["id"]) for one in home["sites"]]
        machines = (await other.read("/machines"))["items"]
        assert company.asset.id not in [UUID(one["id"]) for one in machines]
        for is_open in (True, False):
            assert (await other.read("/jobs", is_open=is_open))["items"] == []
        assert (await other.read("/jobs", asset_id=str(company.asset.id)))["items"] == []
        for path in (f"/jobs/{link.job.id}", f"/jobs/{link.job.id}/windows"):
            assert (await other.get(path)).status_code == 404
        moved = await other.post(f"/api/portal/jobs/{link.job.id}/moves", wish)
        assert moved.status_code == 404
        rated = await other.post(f"/api/work-orders/{link.job.id}/ratings", {"stars": 1})
        assert rated.status_code == 404
        assert (await other.read("/promises", **span))["contracts"] == []


async def test_row_level_security_holds_where_a_query_would_name_the_wrong_company(
    link: Followed, database: Database, company: Company, stranger: Company
) -> None:
    customer = company.actors["customer"]

    async def found(session: Session) -> tuple[int, int, int]:
        machines = await queries.list_machines(
            session, customer, after=None, limit=10, site_id=None, q=None
        )
        contracts = await queries.list_contracts(session, customer, link.job.clock())
        jobs, _ = await queries.list_jobs(
            session, customer, is_open=True, asset_id=None, after=None, limit=10
        )
        return len(machines), len(contracts), len(jobs)

    async with database.transaction(company.id) as session:
        assert await found(session) == (1, 1, 1)
    async with database.transaction(stranger.id) as session:
        assert await found(session) == (0, 0, 0)


async def test_the_companys_own_people_are_sent_to_their_own_pages(
    portal: Portal, company: Company
) -> None:
    office = Portal(portal.client, company.headers["administrator"])
    assert Permission.READ_WORK_ORDERS in company.actors["administrator"].permissions
    span = {"from": "2026-01-01", "to": "2026-12-31"}
    for path, query in (("/", {}), ("/machines", {}), ("/jobs", {}), ("/promises", span)):
        refused = await office.get(path, **query)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
