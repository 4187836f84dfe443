"""Reasons: codes are stable, names are in every language, only a pause's reason stops clocks."""

from typing import Any

import httpx
import pytest

from fsm.catalogue import queries
from fsm.catalogue.tables import ReasonKind
from fsm.database import Database
from fsm.problems import Invalid
from tests.company import Company

WEATHER: dict[str, Any] = {
    "kind": "pause",
    "code": "weather",
    "names": {"en": "Weather", "ru": "Погода"},
    "stops_sla_clock": True,
}


async def test_a_reason_is_added_listed_and_put_out_of_use(
    client: httpx.AsyncClient, company: Company
) -> None:
    headers = company.headers["administrator"]
    added = await client.post("/api/reasons", headers=headers, json=WEATHER)
    assert added.status_code == 201
    body = added.json()
    assert (body["stops_sla_clock"], body["stops_repair_clock"]) == (True, False)
    edited = await client.patch(
        f"/api/reasons/{body['id']}",
        headers=headers,
        json={"rev": 1, "is_active": False, "names": {"en": "Storm"}},
    )
    assert edited.json()["names"] == {"en": "Storm"}
    pauses = await client.get(
        "/api/reasons",
        headers=company.headers["dispatcher"],
        params={"kind": "pause", "is_active": "true"},
    )
    assert [item["code"] for item in pauses.json()["items"]] == [
        "parts",
        "customer_access",
        "shift_end",
    ]


async def test_a_reason_out_of_use_is_still_found_and_an_unknown_one_names_those_there_are(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    reason = company.reasons["shift_end"]
    await client.patch(
        f"/api/reasons/{reason.id}",
        headers=company.headers["administrator"],
        json={"rev": 1, "is_active": False},
    )
    async with database.transaction(company.id) as session:
        found = await queries.find_reason(session, company.system, ReasonKind.PAUSE, "shift_end")
        assert found.id == reason.id
        with pytest.raises(Invalid) as refused:
            await queries.find_reason(session, company.system, ReasonKind.PAUSE, "lunch")
    assert refused.value.facts["known"] == ["parts", "customer_access"]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "cancel"},
        {"kind": "mood"},
        {"names": {}},
        {"names": {"en": ""}},
        {"code": ""},
        {"code": " \t"},
    ],
)
async def test_a_reason_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, company: Company, change: dict[str, Any]
) -> None:
    answer = await client.post(
        "/api/reasons", headers=company.headers["administrator"], json=WEATHER | change
    )
    assert answer.status_code == 422


async def test_a_reason_that_is_no_pause_cannot_be_made_to_stop_clocks(
    client: httpx.AsyncClient, company: Company
) -> None:
    answer = await client.patch(
        f"/api/reasons/{company.reasons['customer'].id}",
        headers=company.headers["administrator"],
        json={"rev": 1, "stops_repair_clock": True},
    )
    assert answer.status_code == 422


async def test_the_same_code_twice_in_one_kind_is_refused_and_in_another_is_not(
    client: httpx.AsyncClient, company: Company
) -> None:
    headers = company.headers["administrator"]
    for kind, status in (("pause", 201), ("pause", 409), ("abort", 201)):
        stops = kind == "pause"
        answer = await client.post(
            "/api/reasons",
            headers=headers,
            json=WEATHER | {"kind": kind, "stops_sla_clock": stops},
        )
        assert answer.status_code == status


async def test_reasons_are_changed_by_administrators_of_their_own_company_alone(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    refused = await client.post("/api/reasons", headers=company.headers["manager"], json=WEATHER)
    assert (refused.status_code, refused.json()["needs"]) == (403, "manage_catalogue")
    tried = await client.patch(
        f"/api/reasons/{stranger.reasons['parts'].id}",
        headers=company.headers["administrator"],
        json={"rev": 1, "is_active": False},
    )
    assert tried.status_code == 404
    listed = await client.get("/api/reasons", headers=company.headers["dispatcher"])
    ids = {item["id"] for item in listed.json()["items"]}
    assert ids == {str(reason.id) for reason in company.reasons.values()}
