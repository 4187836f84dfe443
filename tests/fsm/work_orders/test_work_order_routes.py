"""Jobs over HTTP: what the office does, and what is refused to whom."""

import base64
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlmodel import select

from fsm.assets.tables import Asset
from fsm.customers.tables import Customer, Site
from fsm.database import Database
from fsm.tenants import tokens
from fsm.tenants.tables import Role
from fsm.work_orders import field_work
from fsm.work_orders.tables import Review
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import JOBS, Job, create, dispatched_job, new_job


async def completed(database: Database, company: Company, clock: Clock) -> Job:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    await job.answer_all()
    await job.bytes_arrive()
    await job.declare()
    clock.forward(minutes=30)
    await job.do(field_work.finish)
    return job


async def close(client: httpx.AsyncClient, company: Company, job: Job) -> httpx.Response:
    return await client.post(
        f"{JOBS}/{job.id}/closure",
        headers=company.headers["dispatcher"],
        json={"facts_rev": (await job.row()).facts_rev},
    )


@pytest.fixture
async def neighbour(database: Database, company: Company, clock: Clock) -> Asset:
    """An asset of another customer of the same company."""
    async with database.transaction(company.id) as session:
        customer = Customer(
            tenant_id=company.id, number="C-2", name="Petit Hotel", created_at=clock()
        )
        session.add(customer)
        await session.flush()
        site = Site(
            tenant_id=company.id,
            customer_id=customer.id,
            number="S-2",
            name="Petit Hotel",
            zone="Europe/Paris",
            created_at=clock(),
        )
        session.add(site)
        await session.flush()
        asset = Asset(
            tenant_id=company.id,
            customer_id=customer.id,
            site_id=site.id,
            model_id=company.model.id,
            number="A-2",
            name="Goods lift",
            in_service_from=clock(),
            created_at=clock(),
        )
        session.add(asset)
    return asset


# --- creating and reading ---------------------------------------------------------------------------------


async def test_a_job_is_created_under_its_contract_and_read_back(
    client: httpx.AsyncClient, company: Company
) -> None:
    created = await create(client, company, impact="stopped")
    assert created.status_code == 201, created.text
    body = created.json()
    assert (body["status"], body["contract_id"]) == ("open", str(company.contract.id))
    assert [clock["kind"] for clock in body["clocks"]] == ["response", "restoration"]
    assert body["allowed"] == ["cancel"]
    read = await client.get(f"{JOBS}/{body['id']}", headers=company.headers["dispatcher"])
    assert read.json() == body


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"work_type": "no such work"}, 422),
        ({"asset_id": None}, 422),
        ({"asset_id": str(UUID(int=7))}, 404),
        ({"title": "   "}, 422),
        ({"title": "a\x00b"}, 422),
        ({"priority": 6}, 422),
        ({"crew_size": 0}, 422),
        ({"estimate_s": 1}, 422),
        ({"reported_at": "2026-03-23T09:00:00"}, 422),
        ({"reported_at": "2099-01-01T00:00:00Z"}, 422),
        ({"reported_at": "0001-01-01T00:00:00+14:00"}, 422),
        ({"follows_id": str(UUID(int=7))}, 404),
        ({"status": "closed"}, 422),
    ],
)
async def test_what_makes_no_job_is_refused_precisely(
    body: dict[str, Any], status: int, client: httpx.AsyncClient, company: Company
) -> None:
    refused = await create(client, company, **body)
    assert refused.status_code == status, refused.text
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert (await client.get(JOBS, headers=company.headers["dispatcher"])).json()["items"] == []


@pytest.mark.parametrize("role", ["technician", "customer", "manager"])
async def test_who_may_not_edit_jobs_creates_none(
    role: str, client: httpx.AsyncClient, company: Company
) -> None:
    refused = await create(client, company, role)
    assert (refused.status_code, refused.json()["needs"]) == (403, "edit_work_orders")


ADDRESSES = [
    ("GET", "", None),
    ("PATCH", "", {"rev": 1, "title": "mine"}),
    ("POST", "/cancellation", {"reason": "customer"}),
    ("POST", "/reclassing", {"request_class": "service_request", "reason": "misreported"}),
    ("GET", "/verdict", None),
    ("POST", "/closure", {"facts_rev": 0}),
    ("POST", "/reopening", {"reason": "not_fixed"}),
    ("POST", "/waivers", {"item": "after", "reason": "no camera"}),
    ("GET", "/records", None),
    ("GET", "/costs", None),
    ("GET", "/history", None),
]


@pytest.mark.parametrize(("method", "address", "body"), ADDRESSES)
async def test_a_strangers_job_does_not_exist(
    method: str,
    address: str,
    body: dict[str, Any] | None,
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    stranger: Company,
    clock: Clock,
) -> None:
    job = await dispatched_job(database, company, clock)
    before = (await job.row()).rev
    answer = await client.request(
        method, f"{JOBS}/{job.id}{address}", headers=stranger.headers["administrator"], json=body
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert (await job.row()).rev == before


async def test_visits_and_reviews_of_a_stranger_do_not_exist(
    client: httpx.AsyncClient, database: Database, company: Company, stranger: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.request_follow_up, "a roller is missing", [])
    async with database.transaction(company.id) as session:
        (review_id,) = list(await session.exec(select(Review.id)))
    headers = stranger.headers["administrator"]
    span = {"from": clock().isoformat(), "to": (clock() + timedelta(days=1)).isoformat()}
    assert (await client.get("/api/visits", headers=headers, params=span)).json() == []
    assert (await client.get("/api/reviews", headers=headers)).json()["items"] == []
    for method, address, body in (
        ("GET", f"/api/visits/{job.visit_id}", None),
        ("PATCH", f"/api/visits/{job.visit_id}", {"rev": 1, "is_pinned": True}),
        ("POST", f"/api/visits/{job.visit_id}/withdrawal", {"reason": "mine"}),
        ("POST", "/api/visits/dispatching", {"visit_ids": [str(job.visit_id)]}),
        ("POST", f"/api/reviews/{review_id}/settlement", {"settlement": "mine"}),
    ):
        answer = await client.request(method, address, headers=headers, json=body)
        assert answer.status_code == 404, (method, address, answer.text)


# --- a customer's user ------------------------------------------------------------------------------------


async def test_a_customers_user_sees_the_jobs_and_visits_of_that_customer_alone(
    client: httpx.AsyncClient, database: Database, company: Company, neighbour: Asset, clock: Clock
) -> None:
    own = await dispatched_job(database, company, clock)
    other = (await create(client, company, asset_id=str(neighbour.id))).json()["id"]
    planned = await client.post(
        "/api/visits",
        headers=company.headers["dispatcher"],
        json={
            "work_order_id": other,
            "technician_id": str(company.technician.id),
            "starts_at": (clock() + timedelta(hours=3)).isoformat(),
            "ends_at": (clock() + timedelta(hours=4)).isoformat(),
        },
    )
    assert planned.status_code == 201, planned.text
    headers = company.headers["customer"]
    listed = (await client.get(JOBS, headers=headers)).json()["items"]
    assert [one["id"] for one in listed] == [str(own.id)]
    for address in ("", "/verdict", "/records"):
        assert (await client.get(f"{JOBS}/{own.id}{address}", headers=headers)).status_code == 200
        hidden = await client.get(f"{JOBS}/{other}{address}", headers=headers)
        assert hidden.status_code == 404
    span = {"from": clock().isoformat(), "to": (clock() + timedelta(days=1)).isoformat()}
    seen = (await client.get("/api/visits", headers=headers, params=span)).json()
    assert [one["id"] for one in seen] == [str(own.visit_id)]
    hidden = await client.get(f"/api/visits/{planned.json()['id']}", headers=headers)
    assert hidden.status_code == 404


async def test_a_customers_role_with_more_permissions_still_reaches_its_own_rows_only(
    client: httpx.AsyncClient, database: Database, company: Company, neighbour: Asset, clock: Clock
) -> None:
    other = (await create(client, company, asset_id=str(neighbour.id))).json()["id"]
    async with database.transaction(company.id) as session:
        session.add(
            Review(tenant_id=company.id, work_order_id=UUID(other), kind="x", raised_at=clock())
        )
        role = (await session.exec(select(Role).where(Role.code == "customer"))).one()
        role.permissions = sorted({*role.permissions, "edit_work_orders", "cancel_work_order"})
        await session.flush()
        actor = await tokens.find_actor(session, company.id, company.users["customer"].id)
    assert actor is not None
    token = tokens.issue_access(company.settings, actor, clock())
    headers = {"Authorization": f"Bearer {token}"}
    assert (await client.get("/api/reviews", headers=headers)).json()["items"] == []
    refused = await client.post(
        f"{JOBS}/{other}/cancellation", headers=headers, json={"reason": "customer"}
    )
    assert refused.status_code == 404


# --- lists ------------------------------------------------------------------------------------------------


async def test_pages_are_complete_and_stable_while_jobs_come_in(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    headers = company.headers["dispatcher"]
    expected = []
    for number in range(7):
        if number % 3:  # some are reported in the same instant
            clock.forward(minutes=1)
        expected.append(str((await new_job(database, company, clock)).id))
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = (await client.get(JOBS, headers=headers, params={"limit": 2, **after})).json()
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
        clock.forward(minutes=1)
        await new_job(database, company, clock)  # newer than every page to come
    assert len(seen) == len(set(seen)) == 7
    assert set(seen) == set(expected)


@pytest.mark.parametrize(
    "params",
    [
        {"after": "not a cursor"},
        {"after": "W10"},
        {"after": "bnVsbA"},
        {"limit": 0},
        {"limit": 501},
        {"q": "a\x00b"},
        {"q": "x" * 101},
        {"asset_id": "7"},
    ],
)
async def test_a_list_asked_for_wrongly_is_refused(
    params: dict[str, Any], client: httpx.AsyncClient, company: Company
) -> None:
    refused = await client.get(JOBS, headers=company.headers["dispatcher"], params=params)
    assert refused.status_code == 422, refused.text


async def test_a_cursor_that_lies_beyond_time_is_refused(
    client: httpx.AsyncClient, company: Company
) -> None:
    text = f'["0001-01-01T00:00:00+23:59","{UUID(int=1)}"]'
    after = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    answer = await client.get(JOBS, headers=company.headers["dispatcher"], params={"after": after})
    assert answer.status_code == 422, answer.text


async def test_a_search_takes_signs_of_sql_for_what_they_are(
    client: httpx.AsyncClient, company: Company
) -> None:
    await create(client, company, title="100% of the lamp_s")
    await create(client, company, title="another thing")
    headers = company.headers["dispatcher"]
    for wanted, count in (("100%", 1), ("lamp_s", 1), ("lamp-s", 0), ("\\", 0), ("'", 0)):
        found = (await client.get(JOBS, headers=headers, params={"q": wanted})).json()["items"]
        assert len(found) == count, wanted


async def test_a_board_asks_for_a_span_with_a_beginning_before_its_end(
    client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    for days in (-1, 0, 40):
        span = {"from": clock().isoformat(), "to": (clock() + timedelta(days=days)).isoformat()}
        answer = await client.get("/api/visits", headers=company.headers["dispatcher"], params=span)
        assert answer.status_code == 422


# --- changing ---------------------------------------------------------------------------------------------


async def test_two_people_edit_the_same_job_and_the_second_is_told(
    client: httpx.AsyncClient, company: Company
) -> None:
    job = (await create(client, company)).json()
    headers = company.headers["dispatcher"]
    address = f"{JOBS}/{job['id']}"
    first = await client.patch(address, headers=headers, json={"rev": job["rev"], "priority": 1})
    assert first.status_code == 200, first.text
    second = await client.patch(address, headers=headers, json={"rev": job["rev"], "title": "x"})
    assert (second.status_code, second.json()["code"]) == (409, "stale-change")
    assert second.json()["rev"] == first.json()["rev"]
    assert (await client.get(address, headers=headers)).json()["title"] == job["title"]


async def test_a_job_is_classed_anew_with_who_and_why(
    client: httpx.AsyncClient, company: Company
) -> None:
    job = (await create(client, company)).json()
    headers = company.headers["dispatcher"]
    body = {"request_class": "service_request", "reason": "misreported"}
    changed = await client.post(f"{JOBS}/{job['id']}/reclassing", headers=headers, json=body)
    assert (changed.status_code, changed.json()["request_class"]) == (200, "service_request")
    unknown = await client.post(
        f"{JOBS}/{job['id']}/reclassing", headers=headers, json={**body, "reason": "because"}
    )
    assert unknown.status_code == 422
    history = (await client.get(f"{JOBS}/{job['id']}/history", headers=headers)).json()["items"]
    (told,) = [one for one in history if one["kind"] == "work_order.reclassed"]
    assert told["data"] == {
        "before": "incident",
        "after": "service_request",
        "reason": "misreported",
    }
    assert told["actor_name"] == "Dispatcher"


async def test_from_closure_to_reopening_over_http(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await completed(database, company, clock)
    headers = company.headers["dispatcher"]
    stale = await client.post(f"{JOBS}/{job.id}/closure", headers=headers, json={"facts_rev": 0})
    assert (stale.status_code, stale.json()["code"]) == (409, "facts-moved")
    closed = await close(client, company, job)
    assert (closed.status_code, closed.json()["status"]) == (200, "closed")
    assert closed.json()["closed_by"] == str(company.users["dispatcher"].id)
    for address, body in (
        ("closure", {"facts_rev": closed.json()["facts_rev"]}),
        ("cancellation", {"reason": "customer"}),
        ("reclassing", {"request_class": "service_request", "reason": "misreported"}),
        ("waivers", {"item": "after", "reason": "no camera"}),
    ):
        refused = await client.post(f"{JOBS}/{job.id}/{address}", headers=headers, json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "wrong-status"), address
    reopened = await client.post(
        f"{JOBS}/{job.id}/reopening", headers=headers, json={"reason": "not_fixed"}
    )
    assert (reopened.status_code, reopened.json()["status"]) == (200, "in_progress")
    assert reopened.json()["work_done_at"] is None
    again = await client.post(
        f"{JOBS}/{job.id}/reopening", headers=headers, json={"reason": "not_fixed"}
    )
    assert again.status_code == 409
    assert "cancel" in again.json()["allowed"]


async def test_an_unfinished_job_is_not_closed_and_the_refusal_says_what_is_missing(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    assert (await close(client, company, job)).status_code == 409
    await job.do(field_work.start)
    await job.answer_all()
    await job.declare()
    await job.do(field_work.finish)
    refused = await client.post(
        f"{JOBS}/{job.id}/closure",
        headers={**company.headers["dispatcher"], "Accept-Language": "ru"},
        json={"facts_rev": (await job.row()).facts_rev},
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "checklist-incomplete")
    assert [one["code"] for one in refused.json()["unmet"]] == ["photo_pending"]
    verdict = await client.get(
        f"{JOBS}/{job.id}/verdict",
        headers={**company.headers["dispatcher"], "Accept-Language": "ru"},
    )
    assert verdict.json()["met"] is False
    assert "Фото после ремонта" in verdict.json()["said"][0]


async def test_a_job_without_a_checklist_has_no_verdict_yet(
    client: httpx.AsyncClient, company: Company
) -> None:
    job = (await create(client, company)).json()
    answer = await client.get(f"{JOBS}/{job['id']}/verdict", headers=company.headers["dispatcher"])
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong-status")


async def test_an_item_that_cannot_be_waived_stays(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    headers = company.headers["dispatcher"]
    for item, status in (("after", 422), ("no_such_item", 404)):
        refused = await client.post(
            f"{JOBS}/{job.id}/waivers", headers=headers, json={"item": item, "reason": "no camera"}
        )
        assert refused.status_code == status
    nobody = await client.post(
        f"{JOBS}/{job.id}/waivers",
        headers=company.headers["manager"],
        json={"item": "after", "reason": "no camera"},
    )
    assert (nobody.status_code, nobody.json()["needs"]) == (403, "waive_item")


async def test_history_tells_who_did_what_from_which_device_page_by_page(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await completed(database, company, clock)
    headers = company.headers["dispatcher"]
    whole = (await client.get(f"{JOBS}/{job.id}/history", headers=headers)).json()["items"]
    kinds = [one["kind"] for one in whole]
    assert kinds[0] == "work_order.created"
    assert {"visit.planned", "visit.dispatched", "visit.finished", "work_order.completed"} <= set(
        kinds
    )
    paged: list[Any] = []
    after: dict[str, str] = {}
    while True:
        page = (
            await client.get(
                f"{JOBS}/{job.id}/history", headers=headers, params={"limit": 3, **after}
            )
        ).json()
        paged += page["items"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert paged == whole
    refused = await client.get(f"{JOBS}/{job.id}/history", headers=company.headers["customer"])
    assert (refused.status_code, refused.json()["needs"]) == (403, "read_history")


async def test_a_customers_user_reads_no_notes_written_among_colleagues(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    await job.do(field_work.add_note, "the porter is rude, bring two people")
    told = {}
    for who in ("dispatcher", "customer"):
        answer = await client.get(
            f"/api/work-orders/{job.id}/records", headers=company.headers[who]
        )
        told[who] = len(answer.json()["notes"])
    assert told == {"dispatcher": 1, "customer": 0}
