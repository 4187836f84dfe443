"""Work types: versions never change and never reach into the past once there is one."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from fsm.catalogue import queries
from fsm.catalogue.tables import WorkTypeVersion
from fsm.database import Database, run
from fsm.events import Event
from fsm.problems import Invalid, NotFound
from tests.company import Company
from tests.conftest import Clock

INSPECTION: dict[str, Any] = {
    "code": "inspection",
    "name": "Yearly inspection",
    "names": {"en": "Yearly inspection", "ru": "Ежегодный осмотр"},
    "request_class": "service_request",
    "maintenance": "preventive",
    "duration_s": 5400,
    "priority": 4,
    "skills": [{"skill": "lift", "level": 3}],
}
CONTENTS = {name: value for name, value in INSPECTION.items() if name not in ("code", "name")}


async def add_inspection(client: httpx.AsyncClient, company: Company, **more: Any) -> Any:
    answer = await client.post(
        "/api/work-types", headers=company.headers["administrator"], json=INSPECTION | more
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_work_type_is_added_with_its_first_version(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    added = await add_inspection(client, company)
    assert added["version"]["version"] == 1
    assert added["version"]["names"]["ru"] == "Ежегодный осмотр"
    assert added["version"]["skills"] == [{"skill": "lift", "level": 3}]
    read = await client.get(f"/api/work-types/{added['id']}", headers=company.headers["dispatcher"])
    assert read.json() == added
    async with database.transaction(company.id) as session:
        kinds = await session.exec(
            select(Event.kind).where(Event.entity == "work_type").order_by(col(Event.id))
        )
        assert kinds.all() == ["work_type.created", "work_type.version_published"]


async def test_a_version_takes_effect_at_its_time_and_leaves_the_past_alone(
    client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    added = await add_inspection(client, company)
    path = f"/api/work-types/{added['id']}"
    june = clock.now + timedelta(days=70)
    published = await client.post(
        f"{path}/versions",
        headers=company.headers["administrator"],
        json=CONTENTS | {"duration_s": 7200, "effective_at": june.isoformat()},
    )
    assert (published.status_code, published.json()["version"]) == (201, 2)
    for at, duration_s in (
        (clock.now, 5400),
        (june - timedelta(microseconds=1), 5400),
        (june, 7200),
    ):
        read = await client.get(
            path, headers=company.headers["dispatcher"], params={"at": at.isoformat()}
        )
        assert read.json()["version"]["duration_s"] == duration_s
        listed = await client.get(
            "/api/work-types",
            headers=company.headers["dispatcher"],
            params={"at": at.isoformat()},
        )
        found = {item["code"]: item["version"] for item in listed.json()["items"]}
        assert found["inspection"]["duration_s"] == duration_s
        assert found["repair"]["version"] == 1
    history = await client.get(f"{path}/versions", headers=company.headers["dispatcher"])
    assert [item["version"] for item in history.json()["items"]] == [1, 2]


async def test_a_version_that_waits_for_its_time_is_replaced_by_another_for_the_same_time(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    added = await add_inspection(client, company)
    june = clock.now + timedelta(days=70)
    for duration_s in (9999, 7200):
        await client.post(
            f"/api/work-types/{added['id']}/versions",
            headers=company.headers["administrator"],
            json=CONTENTS | {"duration_s": duration_s, "effective_at": june.isoformat()},
        )
    async with database.transaction(company.id) as session:
        version = await queries.find_effective_version(
            session, company.system, UUID(added["id"]), june + timedelta(days=1)
        )
    assert (version.version, version.duration_s) == (3, 7200)


async def test_only_the_first_version_may_reach_into_the_past(
    client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    long_ago = (clock.now - timedelta(days=3000)).isoformat()
    added = await add_inspection(client, company, effective_at=long_ago)
    late = await client.post(
        f"/api/work-types/{added['id']}/versions",
        headers=company.headers["administrator"],
        json=CONTENTS | {"effective_at": (clock.now - timedelta(seconds=1)).isoformat()},
    )
    assert late.status_code == 422
    assert late.json()["errors"][0]["at"] == "/effective_at"


async def test_before_its_first_version_a_work_type_means_nothing(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    added = await add_inspection(client, company)
    yesterday = clock.now - timedelta(days=1)
    read = await client.get(
        f"/api/work-types/{added['id']}",
        headers=company.headers["dispatcher"],
        params={"at": yesterday.isoformat()},
    )
    assert read.json()["version"] is None
    async with database.transaction(company.id) as session:
        with pytest.raises(NotFound, match="no version yet"):
            await queries.find_effective_version(
                session, company.system, UUID(added["id"]), yesterday
            )


async def test_the_application_cannot_change_a_published_version(
    database: Database, company: Company
) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        async with database.transaction(company.id) as session:
            await run(session, "update work_type_version set duration_s = 1")
    async with database.transaction(company.id) as session:
        kept = (await session.exec(select(WorkTypeVersion.duration_s))).one()
    assert kept == 3600


async def test_a_work_type_is_renamed_and_put_out_of_use_but_not_on_a_stale_revision(
    client: httpx.AsyncClient, company: Company
) -> None:
    added = await add_inspection(client, company)
    path = f"/api/work-types/{added['id']}"
    headers = company.headers["administrator"]
    edited = await client.patch(path, headers=headers, json={"rev": 1, "is_active": False})
    assert (edited.status_code, edited.json()["rev"]) == (200, 2)
    stale = await client.patch(path, headers=headers, json={"rev": 1, "name": "Other"})
    assert (stale.status_code, stale.json()["code"]) == (409, "stale-change")
    active = await client.get("/api/work-types", headers=headers, params={"is_active": True})
    assert [item["code"] for item in active.json()["items"]] == ["repair"]


async def test_work_types_come_in_pages(client: httpx.AsyncClient, company: Company) -> None:
    await add_inspection(client, company)
    headers = company.headers["dispatcher"]
    first = (await client.get("/api/work-types", headers=headers, params={"limit": 1})).json()
    second = (
        await client.get(
            "/api/work-types", headers=headers, params={"limit": 1, "after": first["next"]}
        )
    ).json()
    assert [page["items"][0]["code"] for page in (first, second)] == ["repair", "inspection"]


async def test_a_code_names_one_work_type_and_an_unknown_code_is_refused(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    again = await client.post(
        "/api/work-types",
        headers=company.headers["administrator"],
        json=INSPECTION | {"code": "repair"},
    )
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    async with database.transaction(company.id) as session:
        found = await queries.find_work_type_by_code(session, company.system, "repair")
        assert found.id == company.work_type.id
        with pytest.raises(Invalid, match="no work type 'nonsense'"):
            await queries.find_work_type_by_code(session, company.system, "nonsense")


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"duration_s": 0}, "/duration_s"),
        ({"priority": 6}, "/priority"),
        ({"names": {}}, "/names"),
        ({"names": {"english": "x"}}, "/names/english/[key]"),
        ({"request_class": "ticket"}, "/request_class"),
        ({"effective_at": "2026-06-01T00:00:00"}, "/effective_at"),
        ({"skills": [{"skill": "lift", "level": 6}]}, "/skills/0/level"),
        ({"skills": [{"skill": "lift"}, {"skill": "lift", "level": 2}]}, "/skills"),
        ({"surprise": 1}, "/surprise"),
    ],
)
async def test_a_version_that_makes_no_sense_is_refused_by_its_field(
    client: httpx.AsyncClient, company: Company, change: dict[str, Any], at: str
) -> None:
    answer = await client.post(
        "/api/work-types", headers=company.headers["administrator"], json=INSPECTION | change
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["at"] == at


async def test_only_who_manages_the_catalogue_changes_it(
    client: httpx.AsyncClient, company: Company
) -> None:
    path = f"/api/work-types/{company.work_type.id}"
    headers = company.headers["dispatcher"]
    for answer in (
        await client.post("/api/work-types", headers=headers, json=INSPECTION),
        await client.post(f"{path}/versions", headers=headers, json=CONTENTS),
        await client.patch(path, headers=headers, json={"rev": 1, "name": "x"}),
    ):
        assert (answer.status_code, answer.json()["needs"]) == (403, "manage_catalogue")
    unread = await client.get(path, headers=company.headers["technician"])
    assert unread.status_code == 403


async def test_another_companys_work_type_does_not_exist(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    path = f"/api/work-types/{stranger.work_type.id}"
    headers = company.headers["administrator"]
    for answer in (
        await client.get(path, headers=headers),
        await client.get(f"{path}/versions", headers=headers),
        await client.post(f"{path}/versions", headers=headers, json=CONTENTS),
        await client.patch(path, headers=headers, json={"rev": 1, "name": "mine"}),
    ):
        assert answer.status_code == 404
    listed = (await client.get("/api/work-types", headers=headers)).json()["items"]
    assert [item["id"] for item in listed] == [str(company.work_type.id)]
