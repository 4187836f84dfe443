"""Failures and outages: the event apart from the interval, each failure with an outage of its own."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlmodel import select

from fsm.assets import failures
from fsm.assets.tables import Outage
from fsm.database import Database
from fsm.problems import Conflict, NotFound
from tests.company import Company
from tests.conftest import Clock

EIGHT = datetime(2026, 3, 20, 8, 0, tzinfo=UTC)


async def fail(client: httpx.AsyncClient, company: Company, **more: Any) -> dict[str, Any]:
    body = {"detected_at": "2026-03-20T08:00:00Z", **more}
    answer = await client.post(
        f"/api/assets/{company.asset.id}/failures",
        json=body,
        headers=company.headers["dispatcher"],
    )
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def outages(database: Database, company: Company) -> list[Outage]:
    async with database.transaction(company.id) as session:
        rows = await session.exec(select(Outage).where(Outage.asset_id == company.asset.id))
        return list(rows)


async def test_a_failure_opens_its_own_outage_and_its_restoration_closes_it(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    failure = await fail(client, company, mode="no_start", mechanism="wear", cause="age")
    (outage,) = await outages(database, company)
    assert (str(outage.id), str(outage.failure_id)) == (failure["id"], failure["id"])
    assert (outage.during.lower, outage.during.upper, outage.cause) == (EIGHT, None, "failure")
    url = f"/api/failures/{failure['id']}/restoration"
    body = {"restored_at": "2026-03-20T11:00:00+01:00"}
    office = company.headers["dispatcher"]
    restored = await client.post(url, json=body, headers=office)
    assert restored.json()["restored_at"] == "2026-03-20T10:00:00Z"
    (outage,) = await outages(database, company)
    assert outage.during.upper == EIGHT + timedelta(hours=2)
    assert (await client.post(url, json=body, headers=office)).json() == restored.json()
    other = {"restored_at": "2026-03-20T10:30:00Z"}
    assert (await client.post(url, json=other, headers=office)).status_code == 409


async def test_the_outage_runs_from_the_failure_where_that_is_known(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    await fail(
        client,
        company,
        failed_at="2026-03-20T06:30:00Z",
        restored_at="2026-03-20T09:00:00Z",
        is_degraded=True,
    )
    (outage,) = await outages(database, company)
    assert outage.during.lower == EIGHT - timedelta(minutes=90)
    assert outage.during.upper == EIGHT + timedelta(hours=1)
    assert outage.is_degraded


async def test_a_failure_that_was_over_at_once_has_no_outage(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    await fail(client, company, restored_at="2026-03-20T08:00:00Z")
    assert await outages(database, company) == []


async def test_a_corrected_failure_takes_its_outage_along(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    office = company.headers["dispatcher"]
    failure = await fail(client, company, restored_at="2026-03-20T10:00:00Z", is_degraded=True)
    url = f"/api/failures/{failure['id']}"
    earlier = {"rev": 1, "failed_at": "2026-03-20T07:00:00Z"}
    assert (await client.patch(url, json=earlier, headers=office)).status_code == 200
    (outage,) = await outages(database, company)
    assert outage.during.lower == EIGHT - timedelta(hours=1)
    open_again = {"rev": 2, "restored_at": None}
    assert (await client.patch(url, json=open_again, headers=office)).status_code == 200
    (outage,) = await outages(database, company)
    assert outage.during.upper is None
    assert outage.is_degraded
    at_once = {"rev": 3, "failed_at": None, "restored_at": "2026-03-20T08:00:00Z"}
    assert (await client.patch(url, json=at_once, headers=office)).status_code == 200
    assert await outages(database, company) == []
    longer = {"rev": 4, "restored_at": "2026-03-20T08:30:00Z", "cause": "voltage"}
    assert (await client.patch(url, json=longer, headers=office)).json()["cause"] == "voltage"
    (outage,) = await outages(database, company)
    assert outage.during.upper == EIGHT + timedelta(minutes=30)
    stale = await client.patch(url, json=longer, headers=office)
    assert stale.status_code == 409


@pytest.mark.parametrize(
    ("times", "at"),
    [
        ({"failed_at": "2026-03-20T08:00:01Z"}, ["/failed_at"]),
        ({"restored_at": "2026-03-20T07:59:59Z"}, ["/restored_at"]),
        ({"detected_at": "2026-03-24T08:00:00Z"}, ["/detected_at"]),
        (
            {"detected_at": "2026-03-25T08:00:00Z", "restored_at": "2026-03-24T08:00:00Z"},
            ["/detected_at", "/restored_at", "/restored_at"],
        ),
    ],
)
async def test_instants_out_of_order_or_ahead_are_each_named(
    client: httpx.AsyncClient,
    company: Company,
    database: Database,
    times: dict[str, str],
    at: list[str],
) -> None:
    body = {"detected_at": "2026-03-20T08:00:00Z", **times}
    answer = await client.post(
        f"/api/assets/{company.asset.id}/failures",
        json=body,
        headers=company.headers["dispatcher"],
    )
    assert answer.status_code == 422
    assert sorted(error["at"] for error in answer.json()["errors"]) == at
    assert await outages(database, company) == []


async def test_an_outage_of_a_person_opens_closes_and_is_corrected(
    client: httpx.AsyncClient, company: Company
) -> None:
    office = company.headers["dispatcher"]
    body = {"from_at": "2026-03-21T08:00:00Z", "cause": "external"}
    opened = await client.post(f"/api/assets/{company.asset.id}/outages", json=body, headers=office)
    assert (opened.status_code, opened.json()["to_at"]) == (201, None)
    url = f"/api/outages/{opened.json()['id']}"
    before = {"to_at": "2026-03-21T08:00:00Z"}
    assert (await client.post(f"{url}/end", json=before, headers=office)).status_code == 422
    end = {"to_at": "2026-03-21T09:00:00Z"}
    closed = await client.post(f"{url}/end", json=end, headers=office)
    assert closed.json()["to_at"] == "2026-03-21T09:00:00Z"
    again = {"to_at": "2026-03-21T10:00:00Z"}
    assert (await client.post(f"{url}/end", json=again, headers=office)).status_code == 409
    correction = {"rev": 2, "to_at": "2026-03-21T10:00:00Z", "cause": "operational"}
    corrected = await client.patch(url, json=correction, headers=office)
    assert (corrected.json()["cause"], corrected.json()["to_at"]) == (
        "operational",
        "2026-03-21T10:00:00Z",
    )
    assert corrected.json() == (await client.get(url, headers=office)).json()


async def test_only_a_planned_outage_lies_ahead(
    client: httpx.AsyncClient, company: Company
) -> None:
    office, url = company.headers["dispatcher"], f"/api/assets/{company.asset.id}/outages"
    ahead = {"from_at": "2026-04-01T08:00:00Z", "to_at": "2026-04-01T12:00:00Z"}
    for cause, status in (("planned", 201), ("external", 422), ("weather", 422)):
        answer = await client.post(url, json={**ahead, "cause": cause}, headers=office)
        assert answer.status_code == status, cause


async def test_a_failures_own_outage_is_left_to_the_failure(
    client: httpx.AsyncClient, company: Company
) -> None:
    office = company.headers["dispatcher"]
    failure = await fail(client, company)
    url = f"/api/outages/{failure['id']}"
    end = {"to_at": "2026-03-20T09:00:00Z"}
    assert (await client.post(f"{url}/end", json=end, headers=office)).status_code == 409
    degraded = await client.patch(url, json={"rev": 1, "is_degraded": True}, headers=office)
    assert (degraded.status_code, degraded.json()["is_degraded"]) == (200, True)


async def test_history_pages_through_failures_and_outages_newest_first(
    client: httpx.AsyncClient, company: Company
) -> None:
    office, url = company.headers["dispatcher"], f"/api/assets/{company.asset.id}/history"
    first = await fail(client, company, mode="no_start")
    await fail(client, company, detected_at="2026-03-22T08:00:00Z")
    seen: list[tuple[str, str]] = []
    after: str | None = None
    while True:
        params = {"limit": "1"} | ({"after": after} if after else {})
        page = (await client.get(url, params=params, headers=office)).json()
        seen += [(line["kind"], line["from_at"]) for line in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == [
        ("outage", "2026-03-22T08:00:00Z"),
        ("failure", "2026-03-22T08:00:00Z"),
        ("outage", "2026-03-20T08:00:00Z"),
        ("failure", "2026-03-20T08:00:00Z"),
    ]
    whole = (await client.get(url, headers=company.headers["customer"])).json()["items"]
    assert whole[3]["codes"] == ["no_start", None, None]
    assert whole[3]["id"] == first["id"]
    assert (await client.get(f"{url}?after=x|y", headers=office)).status_code == 422
    listed = await client.get(f"/api/assets/{company.asset.id}/failures?limit=1", headers=office)
    rest = await client.get(
        f"/api/assets/{company.asset.id}/failures",
        params={"after": listed.json()["next"]},
        headers=office,
    )
    assert [each["id"] for each in rest.json()["items"]] == [first["id"]]


async def test_an_imported_failure_comes_once_and_may_bring_its_own_outages(
    database: Database, company: Company, clock: Clock
) -> None:
    async def bring() -> UUID:
        async with database.transaction(company.id) as session:
            failure = await failures.record_failure(
                session,
                company.system,
                clock(),
                asset_id=company.asset.id,
                detected_at=EIGHT,
                has_outage=False,
                source="azure",
                source_id="1",
            )
        return failure.id

    await bring()
    assert await outages(database, company) == []
    with pytest.raises(Exception, match="failure_source_source_id_key"):
        await bring()


async def test_a_stranger_and_a_customers_other_eyes_see_no_failure(
    client: httpx.AsyncClient, company: Company, stranger: Company, database: Database
) -> None:
    failure = await fail(client, company)
    theirs = stranger.headers["dispatcher"]
    for path in (f"/api/failures/{failure['id']}", f"/api/outages/{failure['id']}"):
        assert (await client.get(path, headers=theirs)).status_code == 404
        assert (await client.get(path, headers=company.headers["customer"])).status_code == 200
    body = {"restored_at": "2026-03-20T10:00:00Z"}
    url = f"/api/failures/{failure['id']}/restoration"
    assert (await client.post(url, json=body, headers=theirs)).status_code == 404
    assert (
        await client.post(url, json=body, headers=company.headers["customer"])
    ).status_code == 403
    async with database.transaction(stranger.id) as session:
        with pytest.raises(NotFound):
            await failures.find_failure(session, stranger.system, UUID(failure["id"]))


async def test_restoring_twice_at_another_instant_is_a_conflict(
    database: Database, company: Company, clock: Clock
) -> None:
    async with database.transaction(company.id) as session:
        failure = await failures.record_failure(
            session, company.system, clock(), asset_id=company.asset.id, detected_at=EIGHT
        )
        later = EIGHT + timedelta(hours=1)
        await failures.restore_failure(
            session, company.system, clock(), failure.id, restored_at=later
        )
        with pytest.raises(Conflict):
            await failures.restore_failure(
                session, company.system, clock(), failure.id, restored_at=later + timedelta(hours=1)
            )
