"""What lies on the desk: unanswered requests and finished jobs, by name; the service company's own only."""

from typing import Any

import httpx

from fsm.database import Database
from fsm.work_orders import field_work
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job


async def desk(
    client: httpx.AsyncClient, company: Company, part: str, role: str = "dispatcher", **query: Any
) -> httpx.Response:
    return await client.get(f"/api/desk/{part}", params=query, headers=company.headers[role])


async def report(client: httpx.AsyncClient, company: Company, text: str) -> Any:
    body = {"text": text, "asset_id": str(company.asset.id), "impact": "stopped"}
    headers = company.headers["dispatcher"]
    answer = await client.post("/api/service-requests", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()["request"]


async def test_who_waits_longest_stands_first_with_what_else_is_open_there(
    client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    known = await report(client, company, "Known")
    headers = company.headers["dispatcher"]
    path = f"/api/service-requests/{known['id']}"
    job = await client.post(f"{path}/acceptance", json={"work_type": "repair"}, headers=headers)
    clock.forward(minutes=1)
    first = await report(client, company, "First")
    clock.forward(minutes=1)
    second = await report(client, company, "Second")
    again = await report(client, company, "Second, told again")
    await client.post(
        f"/api/service-requests/{again['id']}/merging",
        json={"into_id": second["id"]},
        headers=headers,
    )
    found = (await desk(client, company, "requests")).json()
    assert found["count"] == 2
    assert [one["id"] for one in found["items"]] == [first["id"], second["id"]]
    row = found["items"][0]
    assert (row["asset"], row["site"]) == (company.asset.name, company.site.name)
    assert (row["customer"], row["zone"]) == (company.customer.name, company.site.zone)
    assert [one["additions"] for one in found["items"]] == [0, 1]
    assert [(one["id"], one["job"]) for one in row["others"]] == [
        (second["id"], ""),
        (known["id"], job.json()["number"]),
    ]
    cut = (await desk(client, company, "requests", limit=1)).json()
    assert (len(cut["items"]), cut["count"]) == (1, 2)


async def test_a_finished_job_is_listed_with_its_proof_until_it_is_closed(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    await job.answer_all()
    await job.declare()
    assert (await desk(client, company, "to-close")).json() == {"items": [], "count": 0}
    await job.do(field_work.finish)
    (waiting,) = (await desk(client, company, "to-close")).json()["items"]
    assert (waiting["status"], waiting["photos"], waiting["photos_pending"]) == ("work_done", 0, 1)
    assert waiting["technicians"] == [company.technician.name]
    await job.bytes_arrive()
    (ready,) = (await desk(client, company, "to-close")).json()["items"]
    assert (ready["status"], ready["photos"], ready["photos_pending"]) == ("completed", 1, 0)
    assert ready["answers"] == 2
    closed = await client.post(
        f"/api/work-orders/{job.id}/closure",
        json={"facts_rev": ready["facts_rev"]},
        headers=company.headers["dispatcher"],
    )
    assert closed.status_code == 200, closed.text
    assert (await desk(client, company, "to-close")).json()["count"] == 0


async def test_the_desk_is_nobody_elses(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    await report(client, company, "Ours")
    for part in ("requests", "to-close"):
        assert (await desk(client, stranger, part)).json() == {"items": [], "count": 0}
        assert (await desk(client, company, part, "customer")).status_code == 403
        assert (await desk(client, company, part, "technician")).status_code == 403
