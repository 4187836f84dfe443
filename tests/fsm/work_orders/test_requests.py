"""Service requests from report to job: classed, accepted under the contract, declined, merged, followed."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.assets.tables import Failure
from fsm.customers.tables import Customer, Site
from fsm.database import Database
from fsm.events import Event
from fsm.web.progress import progress
from fsm.web.views import StepName
from fsm.work_orders.request_decisions import first_line
from fsm.work_orders.request_story import read_story_without_actor
from fsm.work_orders.requests import read_status_token, status_token
from fsm.work_orders.tables import ServiceRequest, Visit, WorkOrder
from tests.company import Company
from tests.conftest import Clock

BASE = "/api/service-requests"


async def file(
    client: httpx.AsyncClient, company: Company, role: str = "dispatcher", **changes: Any
) -> httpx.Response:
    body = {
        "text": "Does not move",
        "impact": "stopped",
        "asset_id": str(company.asset.id),
    } | changes
    body = {name: value for name, value in body.items() if value is not None}
    return await client.post(BASE, json=body, headers=company.headers[role])


async def act(
    client: httpx.AsyncClient,
    company: Company,
    request_id: str,
    action: str,
    role: str = "dispatcher",
    **body: Any,
) -> httpx.Response:
    return await client.post(
        f"{BASE}/{request_id}/{action}", json=body, headers=company.headers[role]
    )


async def kinds(database: Database, company: Company, entity_id: str) -> list[str]:
    async with database.transaction(company.id) as session:
        statement = select(Event.kind).where(
            Event.tenant_id == company.id, Event.entity_id == UUID(entity_id)
        )
        return sorted(await session.exec(statement))


async def test_the_office_takes_a_call_and_makes_a_job_of_it(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock
) -> None:
    taken = await file(client, company, text="Does not move\nsince this morning")
    assert taken.status_code == 201
    request = taken.json()["request"]
    assert (request["number"], request["source"]) == ("R-1", "office")
    assert request["request_class"] == "incident"
    assert request["customer_id"] == str(company.customer.id)
    clock.forward(minutes=30)
    accepted = await act(client, company, request["id"], "acceptance", work_type="repair")
    assert accepted.status_code == 201
    job = accepted.json()
    assert job["contract_id"] == str(company.contract.id)
    # The clocks run from the report at 9:00 in Paris (UTC+1), 4 and 8 hours of working time.
    assert (job["respond_by"], job["restore_by"]) == (
        "2026-03-23T12:00:00Z",
        "2026-03-23T16:00:00Z",
    )
    async with database.transaction(company.id) as session:
        row = await session.get(WorkOrder, (company.id, UUID(job["work_order_id"])))
        assert row is not None
        assert (row.title, row.request_id) == ("Does not move", UUID(request["id"]))
        failures = select(Failure).where(Failure.tenant_id == company.id)
        (failure,) = await session.exec(failures)
        assert failure.id == row.failure_id
    assert await kinds(database, company, request["id"]) == ["request.accepted", "request.reported"]
    dossier = await client.get(f"{BASE}/{request['id']}", headers=company.headers["dispatcher"])
    assert dossier.json()["work_order_ids"] == [job["work_order_id"]]
    again = await act(client, company, request["id"], "acceptance", work_type="repair")
    assert again.status_code == 409
    assert again.json()["request_status"] == "accepted"


async def test_a_request_is_classed_anew_with_who_and_why(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    request = (await file(client, company)).json()["request"]
    body = {"request_class": "service_request", "reason": "misreported"}
    changed = await act(client, company, request["id"], "reclassing", **body)
    assert changed.json()["request_class"] == "service_request"
    async with database.transaction(company.id) as session:
        statement = select(Event).where(
            Event.tenant_id == company.id, Event.kind == "request.reclassed"
        )
        (event,) = await session.exec(statement)
    assert event.user_id == company.users["dispatcher"].id
    assert event.data == {
        "before": "incident",
        "after": "service_request",
        "reason": "misreported",
    }
    unknown = await act(
        client, company, request["id"], "reclassing", request_class="incident", reason="because"
    )
    assert unknown.status_code in (404, 422)


async def test_the_office_may_class_differently_when_it_accepts(
    client: httpx.AsyncClient, company: Company
) -> None:
    request = (await file(client, company)).json()["request"]
    job = await act(
        client,
        company,
        request["id"],
        "acceptance",
        work_type="repair",
        request_class="service_request",
        priority=4,
        title="Explain the panel",
    )
    assert job.json()["request_class"] == "service_request"
    # The contract covers incidents only.
    assert job.json()["contract_id"] is None


async def test_a_declined_request_is_closed_and_stays_so(
    client: httpx.AsyncClient, company: Company
) -> None:
    taken = (await file(client, company)).json()
    request_id = taken["request"]["id"]
    declined = await act(client, company, request_id, "declining", reason="Not our lift")
    assert declined.json()["status"] == "declined"
    assert declined.json()["decline_reason"] == "Not our lift"
    for action, body in (
        ("acceptance", {"work_type": "repair"}),
        ("declining", {"reason": "x"}),
        ("reclassing", {"request_class": "incident", "reason": "misreported"}),
    ):
        refused = await act(client, company, request_id, action, **body)
        assert refused.status_code == 409
        assert refused.json()["code"] == "wrong-request-status"
    status = await client.get(taken["status_url"], headers={"Accept": "application/json"})
    assert status.json()["cancelled_at"] is not None
    assert "Not our lift" not in status.text
    assert "Closed without a visit" in (await client.get(taken["status_url"])).text


async def test_requests_are_merged_and_chains_lead_to_the_last_one(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    a, b, c = [(await file(client, company, text=t)).json()["request"]["id"] for t in "abc"]
    assert (await act(client, company, a, "merging", into_id=b)).json()["merged_into_id"] == b
    assert (await act(client, company, b, "merging", into_id=c)).status_code == 200
    into_chain = (await file(client, company, text="d")).json()["request"]["id"]
    merged = await act(client, company, into_chain, "merging", into_id=a)
    assert merged.json()["merged_into_id"] == c
    dossier = await client.get(f"{BASE}/{c}", headers=company.headers["dispatcher"])
    assert {row["id"] for row in dossier.json()["additions"]} == {a, b, into_chain}
    assert (await act(client, company, c, "merging", into_id=a)).status_code == 422
    assert (await act(client, company, c, "merging", into_id=str(uuid7()))).status_code == 422
    assert (await act(client, company, a, "acceptance", work_type="repair")).status_code == 409
    assert "request.merged" in await kinds(database, company, a)


async def test_an_id_of_the_clients_own_makes_sending_twice_harmless(
    client: httpx.AsyncClient, company: Company
) -> None:
    own = str(uuid7())
    first, second = [await file(client, company, id=own) for _ in range(2)]
    assert first.json() == second.json()
    elsewhere = await file(client, company, id=own, asset_id=None, site_id=str(company.site.id))
    assert elsewhere.status_code == 409


async def test_a_customers_people_file_and_see_their_own_and_decide_nothing(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock
) -> None:
    async with database.transaction(company.id) as session:
        other = Customer(tenant_id=company.id, number="C-2", name="Villa", created_at=clock())
        session.add(other)
        await session.flush()
        site = Site(
            tenant_id=company.id,
            customer_id=other.id,
            number="S-2",
            name="Villa",
            created_at=clock(),
        )
        session.add(site)
    own = (await file(client, company, "customer")).json()["request"]
    assert (own["source"], own["customer_id"]) == ("api", str(company.customer.id))
    foreign = await file(client, company, asset_id=None, site_id=str(site.id))
    assert foreign.status_code == 201
    foreign_id = foreign.json()["request"]["id"]
    listed = await client.get(BASE, headers=company.headers["customer"])
    assert [row["id"] for row in listed.json()["items"]] == [own["id"]]
    hidden = await client.get(f"{BASE}/{foreign_id}", headers=company.headers["customer"])
    assert hidden.status_code == 404
    for changes in (
        {"asset_id": None, "site_id": str(site.id)},
        {"asset_id": None, "customer_id": str(other.id)},
    ):
        assert (await file(client, company, "customer", **changes)).status_code == 422
    placeless = await file(client, company, "customer", asset_id=None)
    assert placeless.json()["request"]["customer_id"] == str(company.customer.id)
    for action, body in (
        ("acceptance", {"work_type": "repair"}),
        ("declining", {"reason": "x"}),
        ("merging", {"into_id": foreign_id}),
    ):
        refused = await act(client, company, own["id"], action, "customer", **body)
        assert refused.status_code == 403


async def test_a_strangers_request_does_not_exist(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    request_id = (await file(client, company)).json()["request"]["id"]
    headers = stranger.headers["dispatcher"]
    assert (await client.get(f"{BASE}/{request_id}", headers=headers)).status_code == 404
    for action, body in (
        ("acceptance", {"work_type": "repair"}),
        ("declining", {"reason": "x"}),
        ("merging", {"into_id": str(uuid7())}),
    ):
        if action != "merging":
            assert (await act(client, stranger, request_id, action, **body)).status_code == 404
    own = (await file(client, stranger)).json()["request"]["id"]
    across = await act(client, stranger, own, "merging", into_id=request_id)
    assert across.status_code == 422
    theirs = await file(client, stranger, asset_id=str(company.asset.id))
    assert theirs.status_code == 422


@pytest.mark.parametrize(
    "changes",
    [
        {"text": ""},
        {"text": "a\x00b"},
        {"text": "x" * 10_001},
        {"impact": "burning"},
        {"impact": None},
        {"contact_email": "nobody"},
        {"asset_id": "A-1"},
        {"language": "english"},
        {"surprise": 1},
    ],
)
async def test_bad_values_are_named(
    client: httpx.AsyncClient, company: Company, changes: dict[str, Any]
) -> None:
    refused = await file(client, company, **changes)
    assert refused.status_code == 422
    assert refused.json()["errors"]


async def test_a_request_without_a_place_is_accepted_once_it_has_one(
    client: httpx.AsyncClient, company: Company
) -> None:
    request_id = (await file(client, company, asset_id=None)).json()["request"]["id"]
    nowhere = await act(client, company, request_id, "acceptance", work_type="repair")
    assert nowhere.status_code == 422
    assert {error["at"] for error in nowhere.json()["errors"]} == {"/site_id", "/asset_id"}
    unknown = await act(client, company, request_id, "acceptance", work_type="magic")
    assert unknown.status_code == 422
    placed = await act(
        client,
        company,
        request_id,
        "acceptance",
        work_type="repair",
        asset_id=str(company.asset.id),
    )
    assert placed.status_code == 201
    dossier = await client.get(f"{BASE}/{request_id}", headers=company.headers["dispatcher"])
    assert dossier.json()["request"]["site_id"] == str(company.site.id)


async def test_lists_are_filtered_searched_and_paged(
    client: httpx.AsyncClient, company: Company
) -> None:
    for text, impact in (
        ("Noise", "running"),
        ("Stuck 50%_", "stopped"),
        ("Noise again", "degraded"),
    ):
        await file(client, company, text=text, impact=impact)

    async def texts(**query: Any) -> list[str]:
        answer = await client.get(BASE, params=query, headers=company.headers["manager"])
        return [row["text"] for row in answer.json()["items"]]

    assert await texts() == ["Noise again", "Stuck 50%_", "Noise"]
    assert await texts(request_class="service_request") == ["Noise"]
    assert await texts(q="noise") == ["Noise again", "Noise"]
    assert await texts(q="50%_") == ["Stuck 50%_"]
    assert await texts(status="accepted") == []
    assert await texts(asset_id=str(uuid7())) == []
    first = await client.get(BASE, params={"limit": 2}, headers=company.headers["manager"])
    rest = await texts(limit=2, after=first.json()["next"])
    assert rest == ["Noise"]


# --- the status link --------------------------------------------------------------------------------------


async def follow(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    answer = await client.get(url, headers={"Accept": "application/json"})
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


async def test_the_link_follows_the_job_through_its_steps_on_the_sites_clock(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock
) -> None:
    taken = (await file(client, company)).json()
    url, start = taken["status_url"], clock()
    job = (
        await act(client, company, taken["request"]["id"], "acceptance", work_type="repair")
    ).json()
    assert (await follow(client, url))["current"] == "received"

    async def move(status: str, visit_status: str, **instants: Any) -> dict[str, Any]:
        """Put job and visit into a state; how they get there is tested with the work orders."""
        async with database.transaction(company.id) as session:
            order = await session.get(WorkOrder, (company.id, UUID(job["work_order_id"])))
            assert order is not None
            order.status = status
            visits = select(Visit).where(Visit.tenant_id == company.id)
            visit = (await session.exec(visits)).one_or_none()
            if visit is None:
                visit = Visit(
                    tenant_id=company.id,
                    work_order_id=order.id,
                    technician_id=company.technician.id,
                    planned_starts_at=start + timedelta(hours=2),
                    planned_ends_at=start + timedelta(hours=3),
                    window_starts_at=start + timedelta(hours=2),
                    window_ends_at=start + timedelta(hours=4),
                    travel_s=1800,
                    created_at=clock(),
                )
                session.add(visit)
            visit.status = visit_status
            for name, value in instants.items():
                setattr(order if name == "work_done_at" else visit, name, value)
        return await follow(client, url)

    planned = await move("scheduled", "planned")
    assert planned["current"] == "planned"
    assert planned["window"]["starts_at"] == "2026-03-23T10:00:00Z"
    assert (planned["technician_first_name"], planned["arrival_at"]) == (None, None)
    released = await move("dispatched", "dispatched")
    assert released["technician_first_name"] == "Boris"
    assert released["arrival_at"] == "2026-03-23T10:00:00Z"
    on_the_way = await move(
        "dispatched", "travelling", travel_started_at=start + timedelta(hours=1)
    )
    assert on_the_way["current"] == "on_the_way"
    assert on_the_way["arrival_at"] == "2026-03-23T09:30:00Z"
    page = await client.get(url, headers={"Accept-Language": "en"})
    assert "10:30" in page.text  # 9:30 UTC is half past ten in Paris
    assert "Paris" in page.text
    working = await move("in_progress", "on_site", arrived_at=start + timedelta(hours=2))
    assert (working["current"], working["window"]) == ("in_progress", None)
    done = await move("work_done", "finished", work_done_at=start + timedelta(hours=3))
    assert done["current"] == "done"
    assert all(step["is_reached"] and step["reached_at"] for step in done["steps"])
    for word in ("W-1", "Grand Hotel", "Rivoli", "K-1"):
        assert word not in page.text


async def test_a_link_ends_ninety_days_after_the_job_and_a_year_at_most(
    client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    closed = (await file(client, company)).json()
    open_one = (await file(client, company)).json()
    await act(client, company, closed["request"]["id"], "declining", reason="x")
    clock.forward(days=89)
    assert (await client.get(closed["status_url"])).status_code == 200
    clock.forward(days=2)
    gone = await client.get(closed["status_url"], headers={"Accept-Language": "ru"})
    assert gone.status_code == 410
    assert 'lang="ru"' in gone.text
    program = await client.get(closed["status_url"], headers={"Accept": "application/json"})
    assert program.json()["code"] == "status-link-expired"
    assert (await client.get(open_one["status_url"])).status_code == 200
    clock.forward(days=275)
    assert (await client.get(open_one["status_url"])).status_code == 410


@pytest.mark.parametrize(
    "token", ["x", "fsms_", "fsms_AAAA", "fsmr_" + "A" * 64, "fsms_" + "A" * 64]
)
async def test_a_link_of_nobodys_is_a_page_that_says_so(
    client: httpx.AsyncClient, company: Company, token: str
) -> None:
    answer = await client.get(f"/s/{token}")
    assert answer.status_code == 404
    assert "no longer works" in answer.text


async def test_a_links_secret_is_stored_as_a_hash_alone(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    taken = (await file(client, company)).json()
    token = taken["status_url"].rpartition("/")[2]
    secret = read_status_token(token)
    assert secret is not None
    async with database.transaction(company.id) as session:
        (row,) = await session.exec(
            select(ServiceRequest).where(ServiceRequest.tenant_id == company.id)
        )
        assert row.status_token_sha256 == secret.sha256
        assert token not in row.model_dump_json(exclude={"status_token_sha256"})
        story = await read_story_without_actor(session, row)
    assert progress(story).current is StepName.RECEIVED
    assert status_token(b"another key", company.id, row.id) != token


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Stuck", "Stuck"),
        ("\n\n Stuck \n between floors", "Stuck"),
        ("word " * 60, ("word " * 24).strip() + " …"),
        ("x" * 500, "x" * 120 + " …"),
        ("", ""),
    ],
)
def test_a_title_is_the_callers_first_line_cut_at_a_word(text: str, title: str) -> None:
    assert first_line(text) == title
