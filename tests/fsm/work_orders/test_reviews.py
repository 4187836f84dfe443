"""What waits for a person: read with the names it is about, counted by kind, and settled once by somebody."""

from typing import Any

import httpx

from fsm.database import Database
from fsm.work_orders import field_work
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.web.status_links import Followed, finish, followed
from tests.fsm.work_orders.steps import dispatched_job


async def ask(client: httpx.AsyncClient, company: Company, path: str = "", **query: Any) -> Any:
    headers = company.headers["dispatcher"]
    answer = await client.get(f"/api/reviews{path}", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def poorly_rated(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> Followed:
    link = await followed(client, database, company, clock, contact_name="Zoe")
    await finish(link)
    await link.send("rating", stars="2", comment="Two hours late")
    return link


async def test_a_review_names_the_job_the_visit_and_what_its_data_is_about(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.request_part, part_id=company.part.id, quantity=2)
    (review,) = (await ask(client, company))["items"]
    row = await job.row()
    assert review["job"] == {
        "id": str(job.id),
        "number": row.number,
        "title": row.title,
        "status": "dispatched",
        "customer": company.customer.name,
        "site": company.site.name,
        "zone": row.zone,
        "asset_id": str(company.asset.id),
        "request_id": None,
    }
    assert review["visit"]["technician"] == company.technician.name
    name = f"{company.part.number} {company.part.name}"
    assert review["names"] == {str(company.part.id): name}
    assert await ask(client, company, f"/{review['id']}") == review


async def test_what_waits_is_counted_and_listed_by_kind(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    assert await ask(client, company, "/waiting") == {"count": 0, "kinds": []}
    link = await poorly_rated(client, database, company, clock)
    rated_at = clock().isoformat().replace("+00:00", "Z")
    clock.forward(hours=1)
    for reason in ("a roller is missing", "two people"):
        await link.job.do(field_work.request_follow_up, reason, [])
    waiting = await ask(client, company, "/waiting")
    kinds = {one["kind"]: (one["count"], one["oldest_at"]) for one in waiting["kinds"]}
    assert waiting["count"] == 3
    assert (kinds["callback"], kinds["follow_up"][0]) == ((1, rated_at), 2)
    listed = (await ask(client, company, kind=["callback"]))["items"]
    assert [one["kind"] for one in listed] == ["callback"]
    first, second = (await ask(client, company, kind="follow_up"))["items"]
    assert [first["data"]["reason"], second["data"]["reason"]] == [
        "a roller is missing",
        "two people",
    ]
    await client.post(
        f"/api/reviews/{first['id']}/settlement",
        json={"settlement": "planned"},
        headers=company.headers["dispatcher"],
    )
    assert (await ask(client, company, "/waiting"))["count"] == 2


async def test_who_comes_second_learns_who_settled_it_and_how(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    await poorly_rated(client, database, company, clock)
    (review,) = (await ask(client, company))["items"]
    path = f"/api/reviews/{review['id']}/settlement"
    answers = [
        await client.post(path, json={"settlement": text}, headers=company.headers[role])
        for role, text in (("dispatcher", "called her"), ("administrator", "sent flowers"))
    ]
    first, second = (answer.json() for answer in answers)
    assert first == second
    assert (second["settlement"], second["settled_by_name"]) == (
        "called her",
        company.users["dispatcher"].name,
    )
    assert second["settled_by"] == str(company.users["dispatcher"].id)


async def test_a_strangers_reviews_do_not_exist(
    client: httpx.AsyncClient, database: Database, company: Company, stranger: Company, clock: Clock
) -> None:
    await poorly_rated(client, database, company, clock)
    (review,) = (await ask(client, company))["items"]
    headers = stranger.headers["dispatcher"]
    gone = await client.get(f"/api/reviews/{review['id']}", headers=headers)
    assert (gone.status_code, gone.json()["code"]) == (404, "not-found")
    assert (await ask(client, stranger, "/waiting"))["count"] == 0
    refused = await client.get("/api/reviews/waiting", headers=company.headers["technician"])
    assert refused.status_code == 403


async def test_the_office_is_told_a_callers_link_again_and_nobody_else_is(
    client: httpx.AsyncClient, database: Database, company: Company, stranger: Company, clock: Clock
) -> None:
    link = await poorly_rated(client, database, company, clock)
    (review,) = (await ask(client, company))["items"]
    path = f"/api/service-requests/{review['job']['request_id']}/status-link"
    told = await client.get(path, headers=company.headers["dispatcher"])
    assert told.json()["path"] == link.path
    for headers, status in (
        (stranger.headers["dispatcher"], 404),
        (company.headers["technician"], 403),
        (company.headers["customer"], 403),
    ):
        assert (await client.get(path, headers=headers)).status_code == status
