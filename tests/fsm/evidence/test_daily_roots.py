"""Daily roots: one for each day that is over, without gaps, signed, public, and never changed."""

from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import httpx
import pytest
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.database import Database
from fsm.events import EventSeal, seal
from fsm.evidence import statements
from fsm.evidence.daily_roots import make_daily_roots, prove, published_form
from fsm.evidence.merkle import EMPTY_ROOT, BadProof, root_of
from fsm.evidence.receipts import ReceiptKey, public_key
from fsm.evidence.statements import ROOT, BadStatement, check_proof, verify
from fsm.evidence.tables import DailyRoot
from fsm.worker import ROUNDS, Tools
from tests.company import Company
from tests.conftest import Clock

KEY = ReceiptKey.from_seed(b"k" * 32)
KEYS = {KEY.kid: KEY.public}


async def happen(database: Database, company: Company, clock: Clock, how_many: int = 1) -> None:
    async with database.transaction(company.id) as session:
        for n in range(how_many):
            await events.record(
                session, company.system, "note.added", "work_order", uuid7(), now=clock(), n=n
            )


async def seal_all(database: Database, company: Company, clock: Clock) -> None:
    async with database.transaction(company.id) as session:
        await seal(session, company.id, clock())


async def sign_days(database: Database, company: Company, clock: Clock) -> list[dict[str, Any]]:
    async with database.transaction(company.id) as session:
        made = await make_daily_roots(session, company.id, KEY, clock())
        return [published_form(root) for root in made]


async def hashes(database: Database, company: Company) -> list[bytes]:
    async with database.transaction(company.id) as session:
        statement = select(EventSeal.hash).order_by(col(EventSeal.number))
        return list(await session.exec(statement))


@pytest.fixture
async def three_days(database: Database, company: Company, clock: Clock) -> list[dict[str, Any]]:
    """A busy day, an idle day, a day with what the busy one sealed late; roots made on the fourth."""
    clock.now = datetime(2026, 3, 23, 12, tzinfo=UTC)
    await happen(database, company, clock, 5)
    await seal_all(database, company, clock)
    clock.forward(days=2)
    await happen(database, company, clock, 2)
    await seal_all(database, company, clock)
    clock.forward(days=1)
    return await sign_days(database, company, clock)


async def test_each_day_that_is_over_has_one_root_and_the_days_leave_no_gap(
    three_days: list[dict[str, Any]], database: Database, company: Company, clock: Clock
) -> None:
    busy, idle, last = three_days
    chain = await hashes(database, company)
    assert [root["date"] for root in three_days] == ["2026-03-23", "2026-03-24", "2026-03-25"]
    assert (busy["first"], idle["first"], last["first"]) == (1, len(chain) - 1, len(chain) - 1)
    assert (idle["leaves"], last["leaves"]) == (0, 2)
    assert bytes.fromhex(busy["root"]) == root_of(chain[:-2])
    assert bytes.fromhex(idle["root"]) == EMPTY_ROOT
    assert bytes.fromhex(last["root"]) == root_of(chain[-2:])
    assert idle["chain"] == busy["chain"] == chain[-3].hex()
    for root in three_days:
        verify(root, ROOT, KEYS)
    assert await sign_days(database, company, clock) == [], "made twice"


async def test_a_root_waits_until_everything_of_its_day_has_a_number(
    database: Database, company: Company, clock: Clock
) -> None:
    clock.now = datetime(2026, 3, 23, 23, 59, 59, tzinfo=UTC)
    await seal_all(database, company, clock)
    await happen(database, company, clock)
    clock.forward(seconds=2)
    assert await sign_days(database, company, clock) == []
    await seal_all(database, company, clock)
    (root,) = await sign_days(database, company, clock)
    assert root["leaves"] == len(await hashes(database, company)) - 1, "sealed late, counted late"
    clock.forward(days=1)
    assert [root["leaves"] for root in await sign_days(database, company, clock)] == [1]


async def test_an_altered_root_and_a_key_under_another_name_prove_nothing(
    three_days: list[dict[str, Any]],
) -> None:
    root = three_days[0]
    for name in root:
        altered = {**root, name: 7 if isinstance(root[name], int) else root[name][:-1] + "~"}
        with pytest.raises(BadStatement):
            verify(altered, ROOT, KEYS)
    other = ReceiptKey.from_seed(b"o" * 32)
    with pytest.raises(BadStatement, match="was not given"):
        verify(root, ROOT, {other.kid: other.public})
    with pytest.raises(BadStatement, match="another one"):
        verify(root, ROOT, {KEY.kid: other.public})
    with pytest.raises(BadStatement, match="no fsm-pack"):
        verify(root, "fsm-pack", KEYS)


async def test_every_event_is_proved_to_the_root_of_its_day_or_to_one_signed_now(
    three_days: list[dict[str, Any]], database: Database, company: Company, clock: Clock
) -> None:
    await happen(database, company, clock, 3)
    await seal_all(database, company, clock)
    chain = await hashes(database, company)
    async with database.transaction(company.id) as session:
        proofs = await prove(session, company.id, KEY, range(1, len(chain) + 1))
    assert proofs.roots[:2] == [three_days[0], three_days[2]]
    assert [root["type"] for root in proofs.roots] == [ROOT, ROOT, statements.OPEN_ROOT]
    verify(proofs.roots[2], statements.OPEN_ROOT, KEYS)
    for number, digest in enumerate(chain, start=1):
        proof = proofs.by_number[number]
        check_proof(digest, number, proof, proofs.roots[proof["root"]])
        with pytest.raises(BadProof):
            check_proof(bytes(32), number, proof, proofs.roots[proof["root"]])
        with pytest.raises(BadProof, match="of event"):
            check_proof(digest, number + 1, proof, proofs.roots[proof["root"]])


async def test_anybody_reads_keys_and_roots_by_the_companys_short_name(
    client: httpx.AsyncClient, database: Database, company: Company, stranger: Company, clock: Clock
) -> None:
    await seal_all(database, company, clock)
    clock.forward(days=1)
    tools = Tools(company.settings, database, None, clock)  # type: ignore[arg-type]
    await ROUNDS["sign daily roots"].work(tools)
    answer = await client.get("/evidence/roots/2026-03-23", params={"tenant": "acme"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"].startswith("public")
    published = await client.get("/evidence/keys", params={"tenant": "acme"})
    keys = {one["kid"]: public_key(one["key"]) for one in published.json()["keys"]}
    assert published.json()["tenant_id"] == str(company.id)
    verify(answer.json(), ROOT, keys)
    for params, day in (
        ({"tenant": "other"}, "2026-03-23"),  # nothing was sealed there
        ({"tenant": "acme"}, "2026-03-24"),
        ({"tenant": "nobody"}, "2026-03-23"),
    ):
        refused = await client.get(f"/evidence/roots/{day}", params=params)
        assert refused.status_code == 404, params
    assert (await client.get("/evidence/roots/2026-03-23")).status_code == 422
    assert (await client.get("/evidence/keys", params={"tenant": "nobody"})).status_code == 404


async def test_an_old_key_stays_published_and_its_roots_stay_genuine(
    three_days: list[dict[str, Any]],
    client: httpx.AsyncClient,
    database: Database,
    company: Company,
    clock: Clock,
) -> None:
    present = ReceiptKey.from_seed(company.settings.receipt_key_seed)
    published = await client.get("/evidence/keys", params={"tenant": "acme"})
    assert [one["kid"] for one in published.json()["keys"]] == [present.kid, KEY.kid]
    registered = await client.post(
        "/sync/v1/devices",
        headers=company.headers["technician"],
        json={"install_id": "phone", "platform": "ios", "app": "1", "schema": 5},
    )
    assert registered.json()["receipt_keys"] == published.json()["keys"]
    root = await client.get("/evidence/roots/2026-03-23", params={"tenant": "acme"})
    assert root.json() == three_days[0]


async def test_the_database_takes_no_second_root_and_changes_none(
    three_days: list[dict[str, Any]], database: Database, company: Company
) -> None:
    application = await asyncpg.connect(company.settings.database_url)
    try:
        for statement in ("update daily_root set leaves = 0", "delete from daily_root"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await application.execute(statement)
    finally:
        await application.close()
    async with database.transaction(company.id) as session:
        found = await session.get(DailyRoot, (company.id, date(2026, 3, 23)))
        assert found is not None
        assert published_form(found) == three_days[0]
