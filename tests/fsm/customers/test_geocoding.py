"""Looking addresses up: the geocoder helps when it can, and never stands in the way of saving."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx
import pytest

from fsm.customers import geocoding, queries
from fsm.customers.geocoding import Address, Lookup, Outcome
from fsm.customers.tables import Site
from fsm.database import Database
from fsm.languages import LANGUAGES
from fsm.problems import StaleChange
from fsm.settings import Settings
from tests.applications import application
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.customers.nominatim import Behaviour, nominatim

TOWER = Address("5 Avenue Anatole France", "Paris", "", "FR")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is reached directly, whatever proxy the machine has."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour()


@pytest.fixture
def geocoded(behaviour: Behaviour, settings: Settings) -> Iterator[Settings]:
    with nominatim(behaviour) as url:
        yield replace(settings, geocoder_url=url, geocoder_user_agent="acme-service/1")


@pytest.fixture
async def geocoding_client(
    geocoded: Settings, database: Database, clock: Clock
) -> AsyncIterator[httpx.AsyncClient]:
    app = application(geocoded, database=database, clock=clock)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://fsm.test") as client:
        yield client


def new_site(company: Company, **more: Any) -> dict[str, Any]:
    return {
        "customer_id": str(company.customer.id),
        "number": "S-9",
        "name": "Tower",
        "address": TOWER.street,
        "city": TOWER.city,
        "country": TOWER.country,
    } | more


async def test_a_new_site_gets_its_position_from_its_address(
    geocoding_client: httpx.AsyncClient, behaviour: Behaviour, company: Company
) -> None:
    added = await geocoding_client.post(
        "/api/sites", headers=company.headers["dispatcher"], json=new_site(company)
    )
    assert added.status_code == 201
    body = added.json()
    assert (body["latitude"], body["longitude"]) == (48.8582599, 2.2945006)
    assert (body["position_source"], body["geocoding"]["outcome"]) == ("geocoder", "found")
    ((path, query, user_agent),) = behaviour.asked
    assert path == "/search"
    assert query["q"] == "5 Avenue Anatole France, Paris"
    assert (query["countrycodes"], query["format"], query["limit"]) == ("fr", "json", "1")
    assert user_agent == "acme-service/1"


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b"[]", "not_found"),
        (500, b"Internal Server Error", "unavailable"),
        (429, b'{"error": "slow down"}', "unavailable"),
        (403, b"", "unavailable"),
        (200, b"<html>It works!</html>", "unavailable"),
        (200, b"\xff\xfe\x00", "unavailable"),
        (200, b'{"error": "bad query"}', "unavailable"),
        (200, b'[{"display_name": "Somewhere"}]', "unavailable"),
        (200, b'[{"lat": "north", "lon": "east"}]', "unavailable"),
        (200, b'[{"lat": "NaN", "lon": "0"}]', "unavailable"),
        (200, b'[{"lat": "91", "lon": "0"}]', "unavailable"),
        (200, b'[{"lat": "0", "lon": "999"}]', "unavailable"),
        (200, b'["Paris"]', "unavailable"),
        (200, b"42", "unavailable"),
    ],
)
async def test_whatever_the_geocoder_answers_the_site_is_saved_and_the_answer_says_how_it_went(
    geocoding_client: httpx.AsyncClient,
    behaviour: Behaviour,
    company: Company,
    status: int,
    body: bytes,
    outcome: str,
) -> None:
    behaviour.status, behaviour.body = status, body
    headers = company.headers["dispatcher"]
    added = await geocoding_client.post("/api/sites", headers=headers, json=new_site(company))
    assert added.status_code == 201
    said = added.json()["geocoding"]
    assert said["outcome"] == outcome
    assert set(said["sentences"]) == set(LANGUAGES)
    kept = (await geocoding_client.get(f"/api/sites/{added.json()['id']}", headers=headers)).json()
    assert (kept["latitude"], kept["longitude"], kept["position_source"]) == (None, None, None)
    assert kept["geocoding"] is None


async def test_a_geocoder_that_stays_silent_is_given_up(
    geocoded: Settings, behaviour: Behaviour
) -> None:
    behaviour.silent = True
    lookup = await geocoding.look_up(geocoded, TOWER, timeout_s=0.1)
    assert lookup == Lookup(Outcome.UNAVAILABLE)


async def test_a_geocoder_that_drips_is_given_up(geocoded: Settings, behaviour: Behaviour) -> None:
    behaviour.dripping = True
    lookup = await geocoding.look_up(geocoded, TOWER, timeout_s=0.1)
    behaviour.stopped.set()
    assert lookup == Lookup(Outcome.UNAVAILABLE)


async def test_a_geocoder_that_is_not_there_is_unavailable(settings: Settings) -> None:
    with nominatim(Behaviour()) as url:
        pass
    gone = replace(settings, geocoder_url=url)
    assert await geocoding.look_up(gone, TOWER) == Lookup(Outcome.UNAVAILABLE)


async def test_a_geocoder_may_live_under_a_path(settings: Settings, behaviour: Behaviour) -> None:
    with nominatim(behaviour) as url:
        await geocoding.look_up(replace(settings, geocoder_url=f"{url}/maps/"), TOWER)
    assert behaviour.asked[0][0] == "/maps/search"


async def test_a_position_given_by_hand_is_not_looked_up_nor_overwritten_unless_asked(
    geocoding_client: httpx.AsyncClient, behaviour: Behaviour, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    placed = new_site(company, latitude=48.0, longitude=2.0)
    added = (await geocoding_client.post("/api/sites", headers=headers, json=placed)).json()
    assert (added["position_source"], behaviour.asked) == ("hand", [])
    path = f"/api/sites/{added['id']}/geocoding"
    refused = await geocoding_client.post(path, headers=headers, json={})
    assert (refused.status_code, behaviour.asked) == (409, [])
    replaced = await geocoding_client.post(path, headers=headers, json={"replace": True})
    assert replaced.status_code == 200
    assert replaced.json()["position_source"] == "geocoder"
    assert replaced.json()["latitude"] == 48.8582599


async def test_a_position_that_came_from_an_address_goes_with_it(
    geocoding_client: httpx.AsyncClient, behaviour: Behaviour, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    added = (
        await geocoding_client.post("/api/sites", headers=headers, json=new_site(company))
    ).json()
    behaviour.answer([])
    moved = await geocoding_client.patch(
        f"/api/sites/{added['id']}",
        headers=headers,
        json={"rev": added["rev"], "address": "No such street 1"},
    )
    assert moved.status_code == 200
    assert (moved.json()["latitude"], moved.json()["geocoding"]["outcome"]) == (None, "not_found")
    renamed = await geocoding_client.patch(
        f"/api/sites/{added['id']}",
        headers=headers,
        json={"rev": moved.json()["rev"], "name": "Eiffel"},
    )
    assert renamed.json()["geocoding"] is None


async def test_without_a_geocoder_a_lookup_is_refused_and_saving_is_not(
    client: httpx.AsyncClient, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    added = await client.post("/api/sites", headers=headers, json=new_site(company))
    assert (added.status_code, added.json()["geocoding"]) == (201, None)
    refused = await client.post(
        f"/api/sites/{added.json()['id']}/geocoding", headers=headers, json={}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "no-geocoder")


async def test_a_site_without_an_address_has_nothing_to_look_up(
    geocoding_client: httpx.AsyncClient, behaviour: Behaviour, company: Company
) -> None:
    headers = company.headers["dispatcher"]
    added = await geocoding_client.post(
        "/api/sites", headers=headers, json=new_site(company, address="", city=" ")
    )
    assert (added.status_code, added.json()["geocoding"]) == (201, None)
    asked = await geocoding_client.post(
        f"/api/sites/{added.json()['id']}/geocoding", headers=headers, json={}
    )
    assert (asked.status_code, asked.json()["geocoding"]["outcome"]) == (200, "no_address")
    assert behaviour.asked == []


async def test_a_position_for_an_address_that_changed_meanwhile_is_not_stored(
    database: Database, company: Company, clock: Clock
) -> None:
    now: datetime = clock()
    found = Lookup(Outcome.FOUND, 48.0, 2.0)
    async with database.transaction(company.id) as session:
        with pytest.raises(StaleChange):
            await queries.place_site(
                session, company.system, now, company.site.id, TOWER, found, replace=True
            )
    async with database.transaction(company.id) as session:
        site: Site = await queries.find_site(session, company.system, company.site.id)
    assert site.latitude == 48.8566


async def test_a_lookup_is_for_editors_and_for_their_own_sites(
    geocoding_client: httpx.AsyncClient,
    behaviour: Behaviour,
    company: Company,
    stranger: Company,
) -> None:
    refused = await geocoding_client.post(
        f"/api/sites/{company.site.id}/geocoding", headers=company.headers["manager"], json={}
    )
    assert refused.status_code == 403
    unknown = await geocoding_client.post(
        f"/api/sites/{stranger.site.id}/geocoding",
        headers=company.headers["dispatcher"],
        json={"replace": True},
    )
    assert (unknown.status_code, behaviour.asked) == (404, [])
