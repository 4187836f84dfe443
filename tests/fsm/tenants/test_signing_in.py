"""Signing in: guesses are throttled, refresh tokens rotate, devices can be revoked."""

import asyncio
from hashlib import sha256

import httpx
from sqlalchemy import select

from fsm.database import Database
from fsm.tenants import passwords, queries
from fsm.tenants.tables import NOBODY, Device, RefreshToken, SignInThrottle, User
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


async def test_guesses_sent_at_once_are_worth_no_more_than_one_after_another(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    login = await give_password(database, company)

    async def guess(number: int) -> int:
        body = {"login": login, "password": f"guess number {number}"}
        return (await client.post("/api/sign-in", json=body)).status_code

    codes = await asyncio.gather(*(guess(number) for number in range(12)))
    assert sorted(codes) == [401] * 5 + [429] * 7


async def test_a_login_that_nobody_has_is_locked_like_any_other(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    login = await give_password(database, company)

    async def guesses(at: str) -> list[tuple[int, object, str | None]]:
        answers = []
        for _ in range(7):
            body = {"login": at, "password": "nonsense 123"}
            answer = await client.post("/api/sign-in", json=body)
            answers.append((answer.status_code, answer.json(), answer.headers.get("Retry-After")))
        return answers

    real, unknown = await guesses(login), await guesses("nobody@nowhere")
    assert [code for code, _, _ in real] == [401] * 5 + [429] * 2
    assert real == unknown
    clock.forward(days=2)
    async with database.transaction(NOBODY) as session:
        await queries.forget_old_guesses(session, NOBODY, clock())
        assert list(await session.exec(select(SignInThrottle))) == []


async def test_two_renewals_at_once_leave_one_session_and_the_withdrawn_token_ends_it(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    login = await give_password(database, company)
    first = (await client.post("/api/sign-in", json={"login": login, "password": PASSWORD})).json()[
        "refresh_token"
    ]

    async def renew(token: str) -> httpx.Response:
        return await client.post("/api/sign-in/renewal", json={"refresh_token": token})

    answers = await asyncio.gather(renew(first), renew(first))
    assert [answer.status_code for answer in answers] == [200, 200]
    async with database.transaction(company.id) as session:
        rows = list((await session.exec(select(RefreshToken))).scalars())
    good = [row for row in rows if row.revoked_at is None and row.used_at is None]
    assert len(good) == 1
    tokens_given = [answer.json()["refresh_token"] for answer in answers]
    digests = {sha256(token.encode()).digest(): token for token in tokens_given}
    rightful = digests.pop(good[0].token_hash)
    (withdrawn,) = digests.values()
    assert (await renew(withdrawn)).status_code == 401
    assert (await renew(rightful)).status_code == 401  # two parties held the family


async def test_a_user_keeps_to_their_side_of_the_counter(
    client: httpx.AsyncClient, company: Company
) -> None:
    """A dispatcher made a 'customer' of no customer would see every customer's rows, and the reverse."""
    for role, other in (("dispatcher", "customer"), ("customer", "dispatcher")):
        user = company.users[role]
        changed = await client.patch(
            f"/api/users/{user.id}",
            headers=company.headers["administrator"],
            json={"rev": user.rev, "role": other},
        )
        assert (changed.status_code, changed.json()["code"]) == (422, "invalid-value")


async def test_a_role_changed_counts_from_the_next_renewal_and_a_deactivated_user_renews_no_more(
    client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    login = await give_password(database, company)
    session = (
        await client.post("/api/sign-in", json={"login": login, "password": PASSWORD})
    ).json()
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    users = (await client.get("/api/users", headers=company.headers["administrator"])).json()
    rev = next(one["rev"] for one in users["items"] if one["login"] == login)
    address = f"/api/users/{company.users['dispatcher'].id}"
    changed = await client.patch(
        address,
        headers=company.headers["administrator"],
        json={"rev": rev, "role": "manager"},
    )
    assert changed.status_code == 200, changed.text
    assert "plan" in (await client.get("/api/me", headers=headers)).json()["permissions"]
    renewed = (
        await client.post("/api/sign-in/renewal", json={"refresh_token": session["refresh_token"]})
    ).json()
    assert "plan" not in renewed["permissions"]
    await client.patch(
        address,
        headers=company.headers["administrator"],
        json={"rev": changed.json()["rev"], "is_active": False},
    )
    refused = await client.post(
        "/api/sign-in/renewal", json={"refresh_token": renewed["refresh_token"]}
    )
    assert refused.status_code == 401
