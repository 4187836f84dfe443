"""Error codes of a model: one answer each, approved by a person, on the phone, and advice for passers-by."""

from typing import Any

import httpx
import pytest
from litestar import Litestar

from fsm.assets.knowledge.matching import ranked
from fsm.database import Database
from fsm.tenants.routes import AddressLimit
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job
from tests.mobile_api.phones import Phone, new_phone

API = "/api/known-problems"

KNOWN = [
    ("door", "E-12", "Двери не закрываются. The doors do not close"),
    ("oil", "F3", "Oil pressure low"),
    ("lamp", "", "The lamp is dark"),
]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("it says e12", ["door"]),
        ("E 12!", ["door"]),
        ("e123", []),
        ("дверь", ["door"]),
        ("a door", ["door"]),
        ("OIL pressure", ["oil"]),
        ("F3: the door", ["oil", "door", "lamp"]),
        ("", []),
        ("!?", []),
    ],
)
def test_a_code_outweighs_words_and_forms_of_a_word_are_one(typed: str, found: list[str]) -> None:
    best = ranked(typed, KNOWN, 5)
    assert best[:1] == found[:1]
    assert set(best) <= set(found)


async def written(client: httpx.AsyncClient, company: Company, **more: Any) -> dict[str, Any]:
    body = {
        "model_id": str(company.model.id),
        "code": "E-12",
        "titles": {"en": "Door stuck", "ru": "Дверь заклинило"},
        "answers": {"en": "Measure X7 <first>"},
    } | more
    answer = await client.post(API, json=body, headers=company.headers["dispatcher"])
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def approved(
    client: httpx.AsyncClient, company: Company, problem: dict[str, Any]
) -> dict[str, Any]:
    path, body = f"{API}/{problem['id']}/approval", {"rev": problem["rev"]}
    answer = await client.post(path, json=body, headers=company.headers["administrator"])
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def on_phone(phone: Phone) -> list[dict[str, Any]]:
    await phone.pull()
    return [one for row in phone.of("models").values() for one in row["known_problems"]]


async def test_a_phone_has_the_answer_from_its_approval_until_its_edit(
    client: httpx.AsyncClient, company: Company, clock: Clock, database: Database
) -> None:
    await dispatched_job(database, company, clock)
    phone = await new_phone(client, company, clock)
    problem = await written(client, company)
    assert await on_phone(phone) == []
    problem = await approved(client, company, problem)
    (there,) = await on_phone(phone)
    assert (there["code"], there["approved_by"]) == ("E-12", "Administrator")
    edit = {"rev": problem["rev"], "answers": {"en": "Measure X8"}}
    edited = await client.patch(
        f"{API}/{problem['id']}", json=edit, headers=company.headers["dispatcher"]
    )
    assert edited.json()["approved_by"] is None
    assert await on_phone(phone) == []
    stale = {"rev": problem["rev"]}
    late = await client.post(
        f"{API}/{problem['id']}/approval", json=stale, headers=company.headers["administrator"]
    )
    assert late.status_code == 409, "what is approved is what was read"


async def test_there_is_one_answer_to_a_code_and_not_everybody_may_stand_for_it(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    problem = await written(client, company)
    body = {"model_id": str(company.model.id), "code": "E-12", "titles": {"en": "x"}}
    again = await client.post(
        API, json=body | {"answers": {"en": "x"}}, headers=company.headers["dispatcher"]
    )
    assert again.status_code == 409
    for headers, status in (
        (company.headers["dispatcher"], 403),
        (stranger.headers["administrator"], 404),
    ):
        path = f"{API}/{problem['id']}/approval"
        refused = await client.post(path, json={"rev": 1}, headers=headers)
        assert refused.status_code == status
    listed = await client.get(API, headers=stranger.headers["dispatcher"])
    assert listed.json()["items"] == []
    assert (await client.get(API, headers=company.headers["customer"])).status_code == 403


async def test_a_passer_by_reads_the_advice_and_never_the_technicians_answer(
    client: httpx.AsyncClient, company: Company
) -> None:
    page = f"/p/{company.passport.code}/page"
    secret = await written(client, company, code="S-1", titles={"en": "Inner"})
    await approved(client, company, secret)
    public = await written(client, company, advice={"en": "Look for a <stone> in the sill"})
    assert "stone" not in (await client.get(page)).text
    await approved(client, company, public)
    shown = await client.get(page)
    assert "Look for a &lt;stone&gt; in the sill" in shown.text
    assert "Door stuck" in shown.text
    assert "Measure" not in shown.text
    assert "Inner" not in shown.text
    assert "Дверь заклинило" in (await client.get(page, params={"lang": "ru"})).text


async def test_advice_that_helped_is_counted_by_where_it_was_read_and_takes_no_report_with_it(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    label = f"/p/{company.passport.code}"
    problem = await written(client, company, advice={"en": "Look for a stone in the sill"})
    unread = await client.post(f"{label}/helped", data={"helped": "E-12"})
    assert unread.status_code == 404, "it is not approved, and so not shown"
    await approved(client, company, problem)
    assert 'value="E-12"' in (await client.get(f"{label}/page")).text
    sent = await client.post(f"{label}/helped", data={"helped": "E-12"})
    assert sent.headers["location"] == f"{label}/thanks/helped?lang=en"
    assert "Good that it works again" in (await client.get(sent.headers["location"])).text
    hints = f"/api/assets/{company.asset.id}/hints"
    customer = {"headers": company.headers["customer"]}
    (hint,) = (await client.get(hints, params={"q": "the doors, a stone?"}, **customer)).json()
    assert (hint["titles"]["en"], hint["answers"]) == ("Door stuck", {})
    assert (await client.get(hints, params={"q": "oil"}, **customer)).json() == []
    ours = await client.get(hints, headers=company.headers["dispatcher"])
    assert ours.json()[0]["answers"] == {"en": "Measure X7 <first>"}
    helped = f"{hints}/{problem['id']}/helped"
    assert (await client.post(helped, **customer)).status_code == 204
    counted = await client.get(f"{API}/helped", headers=company.headers["dispatcher"])
    (count,) = counted.json()
    assert (count["known_problem_id"], count["passport"], count["portal"]) == (problem["id"], 1, 1)
    reports = await client.get("/api/service-requests", headers=company.headers["dispatcher"])
    assert reports.json()["items"] == []
    for role in ("customer", "dispatcher"):
        theirs = {"headers": stranger.headers[role]}
        assert (await client.get(hints, **theirs)).status_code == 404
        assert (await client.post(helped, **theirs)).status_code == 404
    theirs = {"headers": stranger.headers["dispatcher"]}
    assert (await client.get(f"{API}/helped", **theirs)).json() == []


async def test_a_stranger_cannot_count_up_what_helped_without_end(
    client: httpx.AsyncClient, app: Litestar, company: Company
) -> None:
    app.state.report_limit = AddressLimit(100)
    problem = await written(client, company, advice={"en": "Look for a stone in the sill"})
    await approved(client, company, problem)
    path = f"/p/{company.passport.code}/helped"
    answers = [(await client.post(path, data={"helped": "E-12"})).status_code for _ in range(11)]
    assert answers == [303] * 10 + [429]
