"""Sessions of pages: a cookie for these addresses alone, spent with each renewal, never for foreign pages."""

import httpx
import pytest

from fsm.database import Database
from tests.company import Company
from tests.fsm.tenants.test_signing_in import PASSWORD, give_password

ADDRESS = "/api/sign-in/browser"


@pytest.fixture
async def signed_in(client: httpx.AsyncClient, database: Database, company: Company) -> str:
    """The cookie of a dispatcher who has just signed in."""
    login = await give_password(database, company)
    answer = await client.post(ADDRESS, json={"login": login, "password": PASSWORD})
    assert answer.status_code == 200
    assert "refresh_token" not in answer.json()
    said = answer.headers["set-cookie"].lower()
    assert all(word in said for word in ("httponly", "samesite=strict", f"path={ADDRESS}"))
    client.cookies.clear()
    return answer.cookies["fsm_session"]


async def renew(client: httpx.AsyncClient, cookie: str, **headers: str) -> httpx.Response:
    sent = {"cookie": f"fsm_session={cookie}", **headers}
    answer = await client.post(f"{ADDRESS}/renewal", headers=sent)
    client.cookies.clear()
    return answer


async def test_a_cookie_renews_access_and_is_replaced(
    client: httpx.AsyncClient, signed_in: str
) -> None:
    answer = await renew(client, signed_in)
    assert answer.cookies["fsm_session"] != signed_in
    token = answer.json()["access_token"]
    me = await client.get("/api/me", headers={"authorization": f"Bearer {token}"})
    assert "plan" in me.json()["permissions"]


async def test_a_cookie_alone_opens_nothing_else(client: httpx.AsyncClient, signed_in: str) -> None:
    answer = await client.get("/api/me", headers={"cookie": f"fsm_session={signed_in}"})
    assert answer.status_code == 401


async def test_a_signed_out_browser_cannot_renew(client: httpx.AsyncClient, signed_in: str) -> None:
    out = await client.request("DELETE", ADDRESS, headers={"cookie": f"fsm_session={signed_in}"})
    assert out.status_code == 204
    assert (await renew(client, signed_in)).status_code == 401


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_another_sites_page_is_refused_and_spends_nothing(
    client: httpx.AsyncClient, signed_in: str, site: str
) -> None:
    answer = await renew(client, signed_in, **{"sec-fetch-site": site})
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign-page")
    assert (await renew(client, signed_in)).status_code == 200
