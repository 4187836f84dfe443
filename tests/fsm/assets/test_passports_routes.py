"""Passports in the office's hands: made, printed ahead, claimed, ended, found by any scan."""

from io import BytesIO
from uuid import UUID

import httpx
import pytest
from PIL import Image
from sqlmodel import select

from fsm.assets import passports, queries
from fsm.assets.passport_code import ALPHABET
from fsm.assets.tables import Asset
from fsm.database import Database
from fsm.events import Event
from fsm.problems import Conflict
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.assets.decoding import decoded


async def post(
    client: httpx.AsyncClient, company: Company, path: str, role: str = "dispatcher", **body: object
) -> httpx.Response:
    return await client.post(f"/api{path}", json=body, headers=company.headers[role])


async def get(
    client: httpx.AsyncClient, company: Company, path: str, role: str = "dispatcher", **query: str
) -> httpx.Response:
    return await client.get(f"/api{path}", params=query, headers=company.headers[role])


async def second_asset(database: Database, company: Company, clock: Clock) -> Asset:
    async with database.transaction(company.id) as session:
        return await queries.add_asset(
            session,
            company.system,
            clock(),
            {
                "site_id": company.site.id,
                "model_id": company.model.id,
                "number": "A-2",
                "name": "Guest lift 2",
                "serial": "OT-0001235",
            },
        )


async def kinds(database: Database, company: Company) -> list[str]:
    async with database.transaction(company.id) as session:
        rows = await session.exec(select(Event.kind).where(Event.tenant_id == company.id))
        return list(rows)


async def test_an_asset_is_given_a_fresh_code_that_anybody_can_open(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    made = await post(client, company, "/passports", asset_id=str(company.asset.id))
    assert made.status_code == 201
    view = made.json()
    assert view["status"] == "active"
    assert len(view["code"]) == 16
    assert set(view["code"]) <= set(ALPHABET)
    assert view["url"] == f"http://fsm.test/p/{view['code']}"
    assert view["is_trial"]
    assert (await client.get(f"/p/{view['code']}")).status_code == 307
    listed = (await get(client, company, "/passports", asset_id=str(company.asset.id))).json()
    assert {row["code"] for row in listed["items"]} == {company.passport.code, view["code"]}
    assert "passport.created" in await kinds(database, company)


async def test_codes_are_printed_ahead_and_claimed_by_scanning(
    client: httpx.AsyncClient, company: Company
) -> None:
    batch = await post(client, company, "/passport-batches", batch="roll 1", count=5000)
    assert batch.status_code == 201
    codes = batch.json()["codes"]
    assert len(set(codes)) == 5000
    page = await client.get(f"/p/{codes[0]}", follow_redirects=True)
    assert page.status_code == 200
    assert "not in use yet" in page.text
    scan = (await get(client, company, "/scan", text=f"https://x.example.com/p/{codes[0]}")).json()
    assert scan == {"matches": [], "unclaimed": [codes[0]]}
    for _ in range(2):
        claimed = await post(
            client, company, f"/passports/{codes[0].upper()}/claim", asset_id=str(company.asset.id)
        )
        assert claimed.status_code == 200
        assert claimed.json()["status"] == "active"
    left = await get(client, company, "/passports", batch="roll 1", status="unclaimed", limit="500")
    assert len(left.json()["items"]) == 500
    assert left.json()["next"] is not None


async def test_a_batchs_name_is_used_once(client: httpx.AsyncClient, company: Company) -> None:
    assert (await post(client, company, "/passport-batches", batch="b", count=3)).status_code == 201
    again = await post(client, company, "/passport-batches", batch="b", count=3)
    assert again.status_code == 409
    for count in (0, 5001, -1):
        bad = await post(client, company, "/passport-batches", batch=f"c{count}", count=count)
        assert bad.status_code == 422


async def test_a_code_on_another_asset_is_refused_by_that_assets_name(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock
) -> None:
    other = await second_asset(database, company, clock)
    refused = await post(
        client, company, f"/passports/{company.passport.code}/claim", asset_id=str(other.id)
    )
    assert refused.status_code == 409
    assert refused.json()["asset_id"] == str(company.asset.id)
    assert "A-1" in refused.json()["detail"]


async def test_a_phone_that_claims_late_and_twice_claims_once(
    database: Database, company: Company, clock: Clock
) -> None:
    other = await second_asset(database, company, clock)
    actor = company.actors["technician"]
    async with database.transaction(company.id) as session:
        (code,) = await passports.create_batch(
            session, company.system, clock(), batch="van", count=1
        )
    for _ in range(2):
        async with database.transaction(company.id) as session:
            row = await passports.claim(session, actor, clock(), code, other.id)
            assert (row.asset_id, row.claimed_by) == (other.id, actor.user_id)
    async with database.transaction(company.id) as session:
        with pytest.raises(Conflict, match="A-2"):
            await passports.claim(session, actor, clock(), code, company.asset.id)
    assert (await kinds(database, company)).count("passport.claimed") == 1


async def test_a_retired_code_says_so_and_a_mistake_can_be_undone(
    client: httpx.AsyncClient, company: Company
) -> None:
    code = company.passport.code
    retired = await post(client, company, f"/passports/{code}/retirement", reason="label lost")
    assert retired.json()["status"] == "retired"
    gone = await client.get(f"/p/{code}")
    assert gone.status_code == 410
    assert 'action="/p/' in gone.text
    claim = await post(client, company, f"/passports/{code}/claim", asset_id=str(company.asset.id))
    assert claim.status_code == 409
    label = await get(client, company, f"/passports/{code}/label.svg")
    assert label.status_code == 409
    back = await post(client, company, f"/passports/{code}/reinstatement", reason="found again")
    assert back.json()["status"] == "active"
    assert (await client.get(f"/p/{code}")).status_code == 307


async def test_a_code_is_forwarded_to_a_successor(
    client: httpx.AsyncClient, company: Company
) -> None:
    code = company.passport.code
    url = "https://assets.successor.example.com/m/42?from=label"
    forwarded = await post(client, company, f"/passports/{code}/forwarding", url=url)
    assert forwarded.status_code == 200
    answer = await client.get(f"/p/{code}", params={"linkType": "gs1:support"})
    assert answer.status_code == 308
    assert answer.headers["location"] == f"{url}&linkType=gs1%3Asupport"
    page = await client.get(f"/p/{code}/page")
    assert (page.status_code, page.headers["location"]) == (308, url)


@pytest.mark.parametrize(
    "url",
    [
        "http://assets.successor.example.com/m/42",
        "https://user:secret@successor.example.com/",
        "https://10.0.0.1/m/42",
        "https://localhost/m",
        "https://successor.example.com/a b",
        "https://successor.example.com/\r\nSet-Cookie: x=1",
        "javascript:alert(1)",
        "https://[::1]/",
        "https://[broken/",
        "//successor.example.com/",
        "https://successor.example.com:0/",
    ],
)
async def test_a_code_is_not_forwarded_to_where_no_phone_should_go(
    client: httpx.AsyncClient, company: Company, url: str
) -> None:
    code = company.passport.code
    refused = await post(client, company, f"/passports/{code}/forwarding", url=url)
    assert refused.status_code == 422
    assert (await client.get(f"/p/{code}")).status_code == 307


async def test_labels_come_as_svg_png_and_pdf_that_a_phone_reads(
    client: httpx.AsyncClient, company: Company
) -> None:
    code = company.passport.code
    svg = await get(client, company, f"/passports/{code}/label.svg", frame="true")
    assert svg.headers["content-type"].startswith("image/svg+xml")
    assert svg.text.startswith("<svg")
    png = await get(client, company, f"/passports/{code}/label.png", dpi="300", stock="70x40")
    assert png.headers["content-type"] == "image/png"
    assert decoded(Image.open(BytesIO(png.content))) == [f"http://fsm.test/p/{code}"]
    pdf = await get(client, company, f"/passports/{code}/label.pdf", language="ru")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF")
    unknown = await get(client, company, f"/passports/{code}/label.svg", stock="9999")
    assert unknown.status_code == 422
    assert unknown.json()["code"] == "unknown-label-stock"


async def test_a_sheet_prints_codes_assets_and_batches(
    client: httpx.AsyncClient, company: Company
) -> None:
    await post(client, company, "/passport-batches", batch="roll", count=30)
    sheet = await post(
        client,
        company,
        "/label-sheets",
        batch="roll",
        asset_ids=[str(company.asset.id)],
        stock="L7159",
        start=3,
    )
    assert sheet.status_code == 200
    assert sheet.content.startswith(b"%PDF")
    nothing = await post(client, company, "/label-sheets", stock="L7159")
    assert nothing.status_code == 404
    beyond = await post(client, company, "/label-sheets", batch="roll", stock="L7159", start=25)
    assert beyond.json()["code"] == "bad-start-position"
    stocks = (await get(client, company, "/label-sheets/stocks")).json()
    assert {"L7159", "5163", "50x30"} <= {stock["name"] for stock in stocks}


async def test_any_name_of_a_machine_finds_it(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock
) -> None:
    async with database.transaction(company.id) as session:
        for scheme, value in (
            ("gs1:01+21", "(01)09506000134352(21)S-1"),
            ("nfc", "04:a2:33:1b:22:80:80"),
            ("link", "https://otto.example/lift/42"),
            ("gs1:8004", "4012345ABC"),
        ):
            await queries.add_identifier(
                session, company.system, clock(), company.asset.id, scheme=scheme, value=value
            )
    code = company.passport.code
    for text, scheme in (
        (code, "passport"),
        (f"{code[:4]}-{code[4:8]}", "short_code"),
        (f"http://fsm.test/p/{code}", "passport"),
        ("]d2010950600013435221S-1", "gs1:01+21"),
        ("https://dl.otto.example/01/9506000134352/21/S-1", "gs1:01+21"),
        ("04A2331B228080", "nfc"),
        ("https://otto.example/lift/42/", "link"),
        ("(8004)4012345ABC", "gs1:8004"),
        ("OT-0001234", "serial"),
        ("A-1", "serial"),
    ):
        found = (await get(client, company, "/scan", text=text)).json()
        assert [match["asset_id"] for match in found["matches"]] == [str(company.asset.id)], text
        assert found["matches"][0]["scheme"] == scheme, text
    assert (await get(client, company, "/scan", text="no such thing")).json()["matches"] == []


async def test_a_strangers_codes_do_not_exist(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    code = company.passport.code
    body = {"asset_id": str(stranger.asset.id)}
    for answer in (
        await get(client, stranger, f"/passports/{code}"),
        await get(client, stranger, f"/passports/{code}/label.svg"),
        await post(client, stranger, f"/passports/{code}/claim", **body),
        await post(client, stranger, f"/passports/{code}/retirement", reason="x"),
        await post(client, stranger, f"/passports/{code}/forwarding", url="https://a.example.com/"),
        await post(client, stranger, "/label-sheets", codes=[code]),
        await post(client, stranger, "/passports", asset_id=str(company.asset.id)),
        await get(client, stranger, "/passports", asset_id=str(company.asset.id)),
    ):
        assert answer.status_code == 404, answer.text
    assert (await get(client, stranger, "/scan", text=code)).json()["matches"] == []


async def test_who_may_not_edit_assets_may_not_touch_their_codes(
    client: httpx.AsyncClient, company: Company
) -> None:
    code = company.passport.code
    for role in ("customer", "technician", "manager"):
        for path, body in (
            ("/passports", {"asset_id": str(company.asset.id)}),
            ("/passport-batches", {"batch": "x", "count": 1}),
            (f"/passports/{code}/claim", {"asset_id": str(company.asset.id)}),
            (f"/passports/{code}/retirement", {"reason": "x"}),
            (f"/passports/{code}/forwarding", {"url": "https://a.example.com/"}),
        ):
            assert (await post(client, company, path, role, **body)).status_code == 403


async def test_a_customer_sees_the_codes_of_their_own_machines_only(
    client: httpx.AsyncClient, company: Company
) -> None:
    batch = await post(client, company, "/passport-batches", batch="b", count=2)
    free = batch.json()["codes"][0]
    listed = (await get(client, company, "/passports", role="customer")).json()["items"]
    assert [row["code"] for row in listed] == [company.passport.code]
    assert (await get(client, company, f"/passports/{free}", role="customer")).status_code == 404
    scan = (await get(client, company, "/scan", role="customer", text=free)).json()
    assert scan == {"matches": [], "unclaimed": []}


async def test_labels_carry_the_companys_own_name_once_it_has_one(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    admin = company.headers["administrator"]
    address = {"host": "ID.Acme.example.com", "gs1_prefix": "4012345"}
    answer = await client.put("/api/passport-address", json=address, headers=admin)
    assert answer.status_code == 200
    assert answer.json()["host"] == "id.acme.example.com"
    view = (await get(client, company, f"/passports/{company.passport.code}")).json()
    assert view["url"] == f"https://id.acme.example.com/p/{company.passport.code}"
    assert not view["is_trial"]
    taken = await client.put(
        "/api/passport-address", json=address, headers=stranger.headers["administrator"]
    )
    assert taken.status_code == 409
    for bad in ({"host": "127.0.0.1"}, {"host": "https://x.example.com"}, {"gs1_prefix": "12"}):
        refused = await client.put("/api/passport-address", json=bad, headers=admin)
        assert refused.status_code == 422
    nobody = await client.put(
        "/api/passport-address", json=address, headers=company.headers["dispatcher"]
    )
    assert nobody.status_code == 403


async def test_a_complaint_is_read_and_settled_by_a_person(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    code = company.passport.code
    said = await client.post(
        f"/p/{code}/wrong-label",
        data={"reason": "other_machine", "text": "It is on a pump", "contact_phone": "+33 1"},
    )
    assert said.status_code == 303
    (row,) = (await get(client, company, "/label-complaints", is_settled="false")).json()["items"]
    assert (row["code"], row["reason"], row["text"]) == (code, "other_machine", "It is on a pump")
    assert UUID(row["asset_id"]) == company.asset.id
    path = f"/label-complaints/{row['id']}/settlement"
    assert (await post(client, stranger, path, settlement="x")).status_code == 404
    settled = await post(client, company, path, settlement="New label printed")
    assert settled.json()["settlement"] == "New label printed"
    assert (await get(client, company, "/label-complaints", is_settled="false")).json()[
        "items"
    ] == []
