"""Signing in: guesses are throttled, refresh tokens rotate, devices can be revoked."""

import httpx
from sqlalchemy import select

from fsm.database import Database
from fsm.tenants import passwords, queries
from fsm.tenants.tables import Device, User
from tests.company import Company
from tests.conftest import Clock

PASSWORD = "correct horse battery"


async def give_password(database: Database, company: Company, role: str = "dispatcher") -> str:
    async with database.transaction(company.id) as session:
        await queries.set_password(
            session,
            company.system,
            company.tenant.created_at,
            company.users[role].id,
            passwords.hash_now(PASSWORD),
        )
    return company.users[role].login


async def test_a_right_password_opens_a_session_with_the_roles_permissions(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    login = await give_password(database, company)
    answer = await client.post("/api/sign-in", json={"login": login.upper(), "password": PASSWORD})
    assert answer.status_code == 200
    body = answer.json()
    me = await client.get("/api/me", headers={"Authorization": f"Bearer {body['access_token']}"})
    assert me.json()["permissions"] == body["permissions"]
    assert "plan" in body["permissions"]
    assert "manage_users" not in body["permissions"]


async def test_an_unknown_login_and_a_wrong_password_get_the_same_answer(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    login = await give_password(database, company)
    wrong = await client.post("/api/sign-in", json={"login": login, "password": "nonsense 123"})
    unknown = await client.post(
        "/api/sign-in", json={"login": "nobody", "password": "nonsense 123"}
    )
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


async def test_guessing_locks_the_login_and_time_opens_it_again(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    login = await give_password(database, company)
    for _ in range(5):
        wrong = await client.post("/api/sign-in", json={"login": login, "password": "guess 12345"})
        assert wrong.status_code == 401
    locked = await client.post("/api/sign-in", json={"login": login, "password": PASSWORD})
    assert locked.status_code == 429
    assert int(locked.headers["Retry-After"]) >= 1
    clock.forward(minutes=16)
    opened = await client.post("/api/sign-in", json={"login": login, "password": PASSWORD})
    assert opened.status_code == 200


async def test_a_refresh_token_used_twice_ends_its_whole_family(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    login = await give_password(database, company)
    first = (await client.post("/api/sign-in", json={"login": login, "password": PASSWORD})).json()[
        "refresh_token"
    ]
    second = (await client.post("/api/sign-in/renewal", json={"refresh_token": first})).json()[
        "refresh_token"
    ]
    clock.forward(minutes=1)
    stolen = await client.post("/api/sign-in/renewal", json={"refresh_token": first})
    assert stolen.status_code == 401
    rightful = await client.post("/api/sign-in/renewal", json={"refresh_token": second})
    assert rightful.status_code == 401


async def test_a_client_that_lost_the_answer_may_renew_again_at_once(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    login = await give_password(database, company)
    first = (await client.post("/api/sign-in", json={"login": login, "password": PASSWORD})).json()[
        "refresh_token"
    ]
    await client.post("/api/sign-in/renewal", json={"refresh_token": first})
    clock.forward(seconds=5)
    again = await client.post("/api/sign-in/renewal", json={"refresh_token": first})
    assert again.status_code == 200


async def test_an_access_token_expires(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    login = await give_password(database, company)
    body = (await client.post("/api/sign-in", json={"login": login, "password": PASSWORD})).json()
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    clock.forward(seconds=body["expires_in_s"] + 1)
    late = await client.get("/api/me", headers=headers)
    assert late.status_code == 401
    assert late.json()["expired"] is True


async def test_a_revoked_device_may_read_no_more(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    async with database.transaction(company.id) as session:
        device, token = await queries.register_device(
            session, company.actors["technician"], clock(), install_id="phone-1"
        )
    headers = {"Authorization": f"Bearer {token}"}
    assert (await client.get("/api/me", headers=headers)).json()["device_id"] == str(device.id)
    revoked = await client.post(
        f"/api/devices/{device.id}/revocation",
        headers=company.headers["administrator"],
        json={"reason": "lost on the train"},
    )
    assert revoked.status_code == 200
    refused = await client.get("/api/me", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "device-revoked")


async def test_nobody_gives_a_permission_that_they_lack(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    role = await client.post(
        "/api/roles",
        headers=company.headers["administrator"],
        json={"code": "half", "name": "Half", "permissions": ["manage_users"]},
    )
    assert role.status_code == 201
    async with database.transaction(company.id) as session:
        half = await queries.find_role_by_code(session, company.system, "half")
        user = (
            await session.exec(select(User).where(User.id == company.users["dispatcher"].id))
        ).scalar_one()
        user.role_id = half.id
    login = await give_password(database, company)
    body = (await client.post("/api/sign-in", json={"login": login, "password": PASSWORD})).json()
    grab = await client.post(
        "/api/roles",
        headers={"Authorization": f"Bearer {body['access_token']}"},
        json={"code": "all", "name": "All", "permissions": ["manage_users", "read_costs"]},
    )
    assert (grab.status_code, grab.json()["beyond"]) == (422, ["read_costs"])


async def test_a_device_belongs_to_its_tenant_alone(
    client: httpx.AsyncClient, database: Database, company: Company, stranger: Company, clock: Clock
) -> None:
    async with database.transaction(stranger.id) as session:
        device, _ = await queries.register_device(
            session, stranger.actors["technician"], clock(), install_id="phone-1"
        )
    tried = await client.post(
        f"/api/devices/{device.id}/revocation",
        headers=company.headers["administrator"],
        json={"reason": "mine now"},
    )
    assert tried.status_code == 404
    async with database.transaction(stranger.id) as session:
        kept = (await session.exec(select(Device).where(Device.id == device.id))).scalar_one()
    assert kept.revoked_at is None
