"""Checklists over HTTP: versions that never change, and which one applies to a job."""

import asyncio
from copy import deepcopy
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlmodel import select

from fsm.checklists import assignments, queries
from fsm.checklists.tables import ChecklistTemplate, ChecklistVersion
from fsm.checklists.templates import load
from fsm.database import Database
from tests.company import CHECKLIST, Company
from tests.conftest import Clock


def document(code: str, version: int = 1, **more: Any) -> dict[str, Any]:
    return {**deepcopy(CHECKLIST), "template_id": code, "version": version, **more}


async def add(client: httpx.AsyncClient, company: Company, code: str, versions: int = 1) -> str:
    """Name a checklist, publish so many versions and return its id."""
    boss = company.headers["administrator"]
    answer = await client.post("/api/checklists", json={"code": code, "name": code}, headers=boss)
    assert answer.status_code == 201, answer.text
    for version in range(1, versions + 1):
        published = await client.post(
            f"/api/checklists/{answer.json()['id']}/versions",
            json={"document": document(code, version)},
            headers=boss,
        )
        assert published.status_code == 201, published.text
    return str(answer.json()["id"])


async def assign(
    client: httpx.AsyncClient, company: Company, template_id: str, **subject: Any
) -> httpx.Response:
    body = {"template_id": template_id, **{name: str(value) for name, value in subject.items()}}
    return await client.post(
        "/api/checklist-assignments", json=body, headers=company.headers["administrator"]
    )


async def applies(database: Database, company: Company) -> tuple[str, int]:
    """Return code and version of what a repair of the company's asset is judged by."""
    async with database.transaction(company.id) as session:
        version = await assignments.resolve_checklist(
            session,
            company.system,
            asset_id=company.asset.id,
            model_id=company.model.id,
            site_id=company.site.id,
            work_type_id=company.work_type.id,
        )
    return version.body["template_id"], version.version


# --- versions ---------------------------------------------------------------------------------------------


async def test_a_published_version_is_named_by_its_contents_and_never_changes(
    client: httpx.AsyncClient, company: Company
) -> None:
    boss = company.headers["administrator"]
    template_id = await add(client, company, "boiler")
    url = f"/api/checklists/{template_id}/versions"
    same = await client.post(url, json={"document": document("boiler")}, headers=boss)
    assert same.status_code == 201
    assert same.json()["sha256"] == load(document("boiler")).sha256
    other = {"document": document("boiler", items=[])}
    refused = await client.post(url, json=other, headers=boss)
    assert (refused.status_code, refused.json()["code"]) == (409, "template-version-fixed")
    assert refused.json()["sha256"] == same.json()["sha256"]
    third = await client.post(url, json={"document": document("boiler", 3)}, headers=boss)
    assert third.status_code == 201
    second = await client.post(url, json={"document": document("boiler", 2)}, headers=boss)
    assert (second.status_code, second.json()["newest"]) == (409, 3)
    history = await client.get(url, headers=company.headers["technician"])
    assert [each["version"] for each in history.json()["items"]] == [1, 3]
    version_id = history.json()["items"][0]["id"]
    read = await client.get(
        f"/api/checklist-versions/{version_id}", headers=company.headers["technician"]
    )
    assert read.json()["document"] == document("boiler")
    listed = await client.get("/api/checklists", headers=company.headers["technician"])
    newest = {each["code"]: each["newest"] for each in listed.json()["items"]}
    assert newest == {"lift-repair": 1, "boiler": 3}


async def test_two_who_publish_one_number_at_once_cannot_both_be_right(
    client: httpx.AsyncClient, company: Company
) -> None:
    boss = company.headers["administrator"]
    template_id = await add(client, company, "boiler")
    answers = await asyncio.gather(
        *(
            client.post(
                f"/api/checklists/{template_id}/versions",
                json={"document": document("boiler", 2, title={"en": title})},
                headers=boss,
            )
            for title in ("One", "Two")
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_a_document_with_errors_is_refused_with_each_of_them(
    client: httpx.AsyncClient, company: Company
) -> None:
    boss = company.headers["administrator"]
    template_id = await add(client, company, "boiler", versions=0)
    wrong = document("boiler")
    wrong["items"][1]["min"] = 500
    wrong["items"][2]["photos_required"] = "answers.reading.value > 1"
    refused = await client.post(
        f"/api/checklists/{template_id}/versions", json={"document": wrong}, headers=boss
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "template-invalid")
    checked = await client.post(
        "/api/checklists/validation", json={"document": wrong}, headers=boss
    )
    assert checked.status_code == 200
    assert checked.json()["errors"] == refused.json()["errors"]
    assert {error["at"].split("/")[2] for error in refused.json()["errors"]} == {"1", "2"}
    assert checked.json()["sha256"] is None
    foreign = await client.post(
        f"/api/checklists/{template_id}/versions", json={"document": document("x")}, headers=boss
    )
    assert foreign.json()["errors"][0]["at"] == "/document/template_id"


async def test_checking_a_document_publishes_nothing(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    boss = company.headers["administrator"]
    answer = await client.post(
        "/api/checklists/validation", json={"document": document("boiler")}, headers=boss
    )
    template = load(document("boiler"))
    assert answer.json() == {
        "errors": [],
        "sha256": template.sha256,
        "rules_sha256": template.rules_sha256,
    }
    async with database.transaction(company.id) as session:
        assert list(await session.exec(select(ChecklistTemplate.code))) == ["lift-repair"]


async def test_authors_get_the_schema_of_documents_and_of_answers(
    client: httpx.AsyncClient, company: Company
) -> None:
    technician = company.headers["technician"]
    schema = await client.get("/api/checklists/schema", headers=technician)
    assert schema.json()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    answers = await client.get(
        f"/api/checklist-versions/{company.checklist.id}/answers-schema", headers=technician
    )
    assert set(answers.json()["properties"]) == {"safe", "reading", "after"}
    assert answers.json()["properties"]["reading"]["maximum"] == 400


@pytest.mark.parametrize("code", ["none", "import", "", "two words", "-x", "a" * 61])
async def test_a_code_that_cannot_be_is_refused(
    client: httpx.AsyncClient, company: Company, code: str
) -> None:
    answer = await client.post(
        "/api/checklists",
        json={"code": code, "name": "X"},
        headers=company.headers["administrator"],
    )
    assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, "/code")


async def test_checklists_are_kept_by_who_may_and_strangers_see_none(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    body = {"code": "boiler", "name": "Boiler"}
    refused = await client.post("/api/checklists", json=body, headers=company.headers["manager"])
    assert (refused.status_code, refused.json()["needs"]) == (403, "manage_catalogue")
    boss = company.headers["administrator"]
    theirs = stranger.checklist
    for path in (
        f"/api/checklist-versions/{theirs.id}",
        f"/api/checklist-versions/{theirs.id}/answers-schema",
        f"/api/checklists/{theirs.template_id}/versions",
    ):
        assert (await client.get(path, headers=boss)).status_code == 404, path
    assert (await assign(client, company, str(theirs.template_id))).status_code == 404
    publish = await client.post(
        f"/api/checklists/{theirs.template_id}/versions",
        json={"document": document("lift-repair", 2)},
        headers=boss,
    )
    assert publish.status_code == 404
    listed = await client.get("/api/checklist-assignments", headers=boss)
    assert [each["code"] for each in listed.json()["items"]] == ["lift-repair"]


# --- where they apply -------------------------------------------------------------------------------------


async def test_equipment_comes_before_model_before_site_before_work_type(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    assert await applies(database, company) == ("lift-repair", 1)
    for subject in (
        {"site_id": company.site.id},
        {"model_id": company.model.id},
        {"asset_id": company.asset.id},
    ):
        (name,) = subject
        general = await add(client, company, f"{name}-any", versions=2)
        assert (await assign(client, company, general, **subject)).status_code == 201
        assert await applies(database, company) == (f"{name}-any", 2)
        narrow = await add(client, company, f"{name}-repair")
        both = {**subject, "work_type_id": company.work_type.id}
        assert (await assign(client, company, narrow, **both)).status_code == 201
        assert await applies(database, company) == (f"{name}-repair", 1)
    shown = await client.get(
        "/api/checklists/resolution",
        params={"asset_id": str(company.asset.id), "work_type_id": str(company.work_type.id)},
        headers=company.headers["dispatcher"],
    )
    assert shown.json()["level"] == "asset"
    async with database.transaction(company.id) as session:
        bare = await assignments.resolve_checklist(
            session,
            company.system,
            asset_id=None,
            model_id=None,
            site_id=company.site.id,
            work_type_id=uuid4(),
        )
    assert bare.body["template_id"] == "site_id-any"


async def test_a_new_version_applies_from_then_on_and_a_template_out_of_use_no_more(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    boss = company.headers["administrator"]
    template_id = await add(client, company, "special")
    await assign(client, company, template_id, asset_id=company.asset.id)
    assert await applies(database, company) == ("special", 1)
    await client.post(
        f"/api/checklists/{template_id}/versions",
        json={"document": document("special", 2)},
        headers=boss,
    )
    assert await applies(database, company) == ("special", 2)
    url = f"/api/checklists/{template_id}"
    off = await client.patch(url, json={"rev": 1, "is_active": False}, headers=boss)
    assert (off.json()["is_active"], off.json()["newest"]) == (False, 2)
    assert await applies(database, company) == ("lift-repair", 1)
    again = await assign(client, company, template_id, site_id=company.site.id)
    assert (again.status_code, again.json()["errors"][0]["at"]) == (422, "/template_id")


async def test_an_assignment_is_changed_only_by_who_knows_what_was_there(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    one, two = await add(client, company, "one"), await add(client, company, "two")
    subject = {"model_id": company.model.id}
    first = await assign(client, company, one, **subject)
    assert (await assign(client, company, one, **subject)).json() == first.json()
    unaware = await assign(client, company, two, **subject)
    assert (unaware.status_code, unaware.json()["template_id"]) == (409, one)
    stale = await assign(client, company, two, **subject, replaces=uuid4())
    assert (stale.status_code, stale.json()["code"]) == (409, "stale-change")
    changed = await assign(client, company, two, **subject, replaces=one)
    assert (changed.status_code, changed.json()["code"]) == (201, "two")
    assert await applies(database, company) == ("two", 1)
    boss = company.headers["administrator"]
    url = f"/api/checklist-assignments/{changed.json()['id']}"
    assert (await client.delete(url, headers=boss)).status_code == 204
    assert (await client.delete(url, headers=boss)).status_code == 404
    assert await applies(database, company) == ("lift-repair", 1)


async def test_an_assignment_that_makes_no_sense_is_refused_at_its_place(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    one = await add(client, company, "one")
    for subject, at in (
        ({}, "/"),
        ({"asset_id": company.asset.id, "site_id": company.site.id}, "/"),
        ({"asset_id": stranger.asset.id}, "/asset_id"),
        ({"work_type_id": uuid4()}, "/work_type_id"),
    ):
        answer = await assign(client, company, one, **subject)
        assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, at)
    empty = await add(client, company, "empty", versions=0)
    answer = await assign(client, company, empty, site_id=company.site.id)
    assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, "/template_id")


# --- the product's own ------------------------------------------------------------------------------------


async def test_without_any_assignment_the_empty_checklist_applies_and_is_made_once(
    database: Database, company: Company
) -> None:
    async def resolve() -> UUID:
        async with database.transaction(company.id) as session:
            version = await assignments.resolve_checklist(
                session,
                company.system,
                asset_id=None,
                model_id=None,
                site_id=None,
                work_type_id=uuid4(),
            )
            await asyncio.sleep(0.02)
        return version.id

    found = await asyncio.gather(*(resolve() for _ in range(4)))
    assert len(set(found)) == 1
    async with database.transaction(company.id) as session:
        codes = sorted(await session.exec(select(ChecklistTemplate.code)))
        version = await queries.find_version(session, company.system, found[0])
        other = await queries.import_template(session, company.system)
        again = await queries.import_template(session, company.system)
    assert codes == ["lift-repair", "none"]
    assert version.body["items"] == other.body["items"] == []
    assert load(version.body).sha256 == version.sha256
    assert other.id == again.id != version.id


async def test_the_products_own_checklists_stay_as_they_are(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock
) -> None:
    async with database.transaction(company.id) as session:
        version = await queries.none_template(session, company.system)
    url, boss = f"/api/checklists/{version.template_id}", company.headers["administrator"]
    more = {"document": document("none", 2)}
    assert (await client.post(f"{url}/versions", json=more, headers=boss)).status_code == 409
    off = {"rev": 1, "is_active": False}
    assert (await client.patch(url, json=off, headers=boss)).status_code == 409
    async with database.transaction(company.id) as session:
        rows = select(ChecklistVersion.version).where(
            ChecklistVersion.template_id == version.template_id
        )
        assert list(await session.exec(rows)) == [1]


async def test_each_company_has_its_own_empty_checklist(
    database: Database, company: Company, stranger: Company
) -> None:
    found = []
    for each in (company, stranger):
        async with database.transaction(each.id) as session:
            found.append(await queries.none_template(session, each.system))
    assert found[0].id != found[1].id
    assert found[0].sha256 == found[1].sha256
