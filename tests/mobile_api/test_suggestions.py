"""What a technician found to be different is changed field by field, unless somebody else did the same."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.database import Database, run
from fsm.work_orders.tables import Review
from mobile_api import handlers, intents
from mobile_api.hand import Hand
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import dispatched_job
from tests.mobile_api.phones import Phone


async def edit(
    client: httpx.AsyncClient, company: Company, path: str, **changes: Any
) -> dict[str, Any]:
    answer = await client.patch(path, json=changes, headers=company.headers["dispatcher"])
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def read(client: httpx.AsyncClient, company: Company, path: str) -> dict[str, Any]:
    body: dict[str, Any] = (await client.get(path, headers=company.headers["dispatcher"])).json()
    return body


async def suggested(database: Database, company: Company) -> list[dict[str, Any]]:
    async with database.transaction(company.id) as session:
        statement = select(Review.data).where(Review.kind == "suggestion")
        return [data["fields"] for data in await session.exec(statement)]


async def test_a_field_that_nobody_changed_meanwhile_is_changed(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    await phone.pull()
    path = f"/api/assets/{company.asset.id}"
    held = phone.of("assets")[str(company.asset.id)]
    await edit(client, company, path, rev=held["rev"], notes="key at reception")
    (outcome,) = await phone.push(
        phone.intent(
            "asset.suggest",
            asset_id=held["id"],
            base_rev=held["rev"],
            fields={"place": "Lobby, left", "serial": "OT-0001235"},
        )
    )
    assert (outcome["status"], outcome.get("notes")) == ("applied", None)
    asset = await read(client, company, path)
    assert (asset["place"], asset["serial"]) == ("Lobby, left", "OT-0001235")
    assert asset["notes"] == "key at reception"
    assert await suggested(database, company) == []
    await phone.pull()
    assert phone.of("assets")[held["id"]]["place"] == "Lobby, left"


async def test_a_field_that_the_office_changed_meanwhile_is_a_suggestion_and_the_others_are_changed(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    path = f"/api/assets/{company.asset.id}"
    rev = (await read(client, company, path))["rev"]
    await edit(client, company, path, rev=rev, place="Lobby, right")
    (outcome,) = await phone.push(
        phone.intent(
            "asset.suggest",
            asset_id=str(company.asset.id),
            base_rev=rev,
            fields={"place": "Lobby, left", "serial": "OT-9", "criticality": "high"},
        )
    )
    assert outcome["notes"] == [{"code": "suggestion"}]
    asset = await read(client, company, path)
    assert (asset["place"], asset["serial"]) == ("Lobby, right", "OT-9")
    assert await suggested(database, company) == [{"place": "Lobby, left", "criticality": "high"}]


async def test_two_phones_that_change_the_same_field_make_a_change_and_a_suggestion(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    rev = company.site.rev
    first, second = (
        phone.intent(
            "site.suggest",
            site_id=str(company.site.id),
            base_rev=rev,
            fields={"access_notes": text},
        )
        for text in ("by the yard", "by the roof")
    )
    outcomes = await phone.push(first, second)
    assert [one.get("notes") for one in outcomes] == [None, [{"code": "suggestion"}]]
    site = await read(client, company, f"/api/sites/{company.site.id}")
    assert site["access_notes"] == "by the yard"
    assert await suggested(database, company) == [{"access_notes": "by the roof"}]


async def test_a_contact_is_changed_like_a_site(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    await phone.pull()
    contact = phone.of("contacts")[str(company.contact.id)]
    (outcome,) = await phone.push(
        phone.intent(
            "contact.suggest",
            contact_id=contact["id"],
            base_rev=contact["rev"],
            fields={"phone": "+33 6 12 34 56 78"},
        )
    )
    assert outcome["status"] == "applied"
    await phone.pull()
    assert phone.of("contacts")[contact["id"]]["phone"] == "+33 6 12 34 56 78"


@pytest.mark.parametrize("base_rev", [0, 99])
async def test_where_history_does_not_tell_what_changed_everything_is_a_suggestion(
    base_rev: int, phone: Phone, client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    (outcome,) = await phone.push(
        phone.intent(
            "asset.suggest",
            asset_id=str(company.asset.id),
            base_rev=base_rev,
            fields={"place": "Lobby"},
        )
    )
    assert outcome["notes"] == [{"code": "suggestion"}]
    assert await suggested(database, company) == [{"place": "Lobby"}]


async def test_what_cannot_be_a_value_of_the_field_is_kept_and_not_applied(
    phone: Phone, client: httpx.AsyncClient, database: Database, company: Company
) -> None:
    (outcome,) = await phone.push(
        phone.intent(
            "contact.suggest",
            contact_id=str(company.contact.id),
            base_rev=1,
            fields={"phone": "none", "name": ""},
        )
    )
    assert (outcome["status"], outcome["problem"]["code"]) == ("quarantined", "malformed-intent")
    assert {one["at"] for one in outcome["problem"]["errors"]} == {
        "/data/fields/phone",
        "/data/fields/name",
    }


async def test_what_a_push_changes_is_held_in_one_order_before_any_of_it_is_applied(
    database: Database, company: Company, clock: Clock
) -> None:
    """Two phones that wish for the same rows in another order would wait for each other."""
    wishes = [
        intents.Envelope(
            id=uuid7(),
            seq=seq,
            type=f"{entity}.suggest",
            data={f"{entity}_id": str(row.id), "base_rev": 1, "fields": {}},
        )
        for seq, (entity, row) in enumerate(
            [("site", company.site), ("contact", company.contact), ("asset", company.asset)], 1
        )
    ]
    async with database.transaction(company.id) as session:
        now, actor = clock.now, company.actors["technician"]
        hand = Hand(session, actor, now, company.technician.id, timedelta(0), now)
        await handlers.hold_all(hand, reversed(wishes))
        for table in ("site", "contact", "asset"):
            assert await is_free(database, company, table, "no key update") is False
            assert await is_free(database, company, table, "key share") is True
    assert await is_free(database, company, "site", "no key update") is True


async def is_free(database: Database, company: Company, table: str, strength: str) -> bool:
    """Return whether another transaction may hold the company's row of a table that firmly."""
    async with database.transaction(company.id) as session:
        found = await run(
            session,
            f"select 1 from {table} where tenant_id = :t and id = :id for {strength} skip locked",
            t=company.id,
            id=getattr(company, table).id,
        )
        return found.first() is not None
