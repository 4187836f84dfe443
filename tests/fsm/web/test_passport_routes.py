"""A label opened by anybody: the resolver's answers, the page, the report, what a stranger never learns."""

import re
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlmodel import col, select

from fsm.assets import passports, queries
from fsm.assets.passport_code import new_code
from fsm.assets.tables import LabelComplaint, PassportScan
from fsm.database import Database
from fsm.evidence.blobs import blob_store
from fsm.evidence.queries import keep_blob
from fsm.evidence.verification import Inspection
from fsm.settings import Settings
from fsm.tenants.routes import AddressLimit
from fsm.work_orders.tables import RequestAttachment, ServiceRequest
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.web.pictures import png_of

FORM = {"text": "The door does not close", "impact": "stopped"}


def hidden(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', html)
    assert found is not None, name
    return found[1]


async def report(
    client: httpx.AsyncClient,
    company: Company,
    *,
    files: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    **fields: str,
) -> httpx.Response:
    return await client.post(
        f"/p/{company.passport.code}/report",
        data=FORM | fields,
        files=files,
        headers=headers,
    )


async def stored_requests(database: Database, company: Company) -> list[ServiceRequest]:
    async with database.transaction(company.id) as session:
        statement = select(ServiceRequest).where(ServiceRequest.tenant_id == company.id)
        return list(await session.exec(statement.order_by(col(ServiceRequest.number))))


async def rows_of(database: Database, company: Company, table: Any) -> list[Any]:
    async with database.transaction(company.id) as session:
        return list(await session.exec(select(table).where(table.tenant_id == company.id)))


# --- the resolver -----------------------------------------------------------------------------------------


async def test_a_browser_is_sent_to_the_page_and_anybody_may_read_that(
    client: httpx.AsyncClient, company: Company
) -> None:
    path = f"/p/{company.passport.code}"
    for method in ("GET", "HEAD"):
        answer = await client.request(method, path, headers={"Accept": "text/html"})
        assert answer.status_code == 307
        assert answer.headers["location"] == f"{path}/page"
        assert answer.headers["access-control-allow-origin"] == "*"
    typed = await client.get(f"/p/{company.passport.code.upper()}?lang=ru")
    assert typed.headers["location"] == f"{path}/page?lang=ru"


async def test_programs_get_links_and_the_machine_with_only_a_tail_of_its_serial(
    client: httpx.AsyncClient, company: Company
) -> None:
    url = f"http://fsm.test/p/{company.passport.code}"
    linkset = await client.get(url, headers={"Accept": "application/linkset+json"})
    assert linkset.headers["content-type"] == "application/linkset+json"
    (context,) = linkset.json()["linkset"]
    assert context["anchor"] == url
    assert context["https://ref.gs1.org/voc/serviceInfo"][0]["href"] == f"{url}/page"
    same = await client.get(url, params={"linkType": "linkset"})
    assert same.json() == linkset.json()
    product = (await client.get(url, headers={"Accept": "application/ld+json"})).json()
    assert product["@type"] == "IndividualProduct"
    assert product["serialNumber"] == "1234"
    assert product["manufacturer"]["name"] == "Otto"


async def test_a_link_of_a_kind_is_redirected_to_or_missing(
    client: httpx.AsyncClient, company: Company
) -> None:
    path = f"/p/{company.passport.code}"
    for kind in ("gs1:serviceInfo", "gs1:support", "fsm:createRequest"):
        answer = await client.get(path, params={"linkType": kind})
        assert (answer.status_code, answer.headers["location"]) == (307, f"{path}/page")
    recall = await client.get(path, params={"linkType": "gs1:recallStatus"})
    assert recall.status_code == 404


async def test_an_unknown_code_still_takes_that_its_label_is_wrong(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    code = new_code()
    answer = await client.get(f"/p/{code}")
    assert answer.status_code == 404
    assert f'action="/p/{code}/wrong-label"' in answer.text
    sent = await client.post(f"/p/{code}/wrong-label", data={"reason": "other"})
    assert sent.status_code == 303
    assert (await client.get(sent.headers["location"])).status_code == 200
    (complaint,) = await rows_of(database, company, LabelComplaint)
    assert (complaint.code, complaint.asset_id) == (code, None)
    assert complaint.visitor not in ("", "127.0.0.1")


async def test_an_unknown_code_that_could_be_anybodys_offers_no_form(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    answer = await client.get(f"/p/{new_code()}")
    assert answer.status_code == 404
    assert "<form" not in answer.text
    assert "Acme" not in answer.text


@pytest.mark.parametrize(
    "path", ["/p/u", "/p/%00%01", "/p/<script>", "/p/" + "9" * 3000, "/8004/x", "/01/1/21/2"]
)
async def test_what_cannot_be_a_code_is_a_page_and_not_an_error(
    client: httpx.AsyncClient, company: Company, path: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert "<script>" not in answer.text


async def test_gs1_addresses_open_the_machine_of_whoever_owns_the_prefix(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock
) -> None:
    async with database.transaction(company.id) as session:
        await passports.set_address(
            session, company.system, clock(), host="id.acme.example.com", gs1_prefix="9506000"
        )
        for scheme, value in (("gs1:8004", "9506000A1"), ("gs1:01+21", "09506000134352/S-1")):
            await queries.add_identifier(
                session, company.system, clock(), company.asset.id, scheme=scheme, value=value
            )
    for path in ("/8004/9506000A1", "/01/09506000134352/21/S-1", "/01/9506000134352/21/S-1"):
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (307, f"{path}/page"), path
        page = await client.get(f"{path}/page")
        assert "LX 5" in page.text
        sent = await client.post(f"{path}/report", data=FORM)
        assert sent.status_code == 303, sent.text
    elsewhere = await client.get("/8004/9506001A1")
    assert elsewhere.status_code == 404
    described = (await client.get("/.well-known/gs1resolver")).json()
    assert described["resolverRoot"] == "https://id.acme.example.com"
    assert described["supportedPrimaryKeys"] == ["01", "8004"]


async def test_a_person_scanning_is_logged_without_address_or_position(
    client: httpx.AsyncClient, company: Company, database: Database, app: Litestar
) -> None:
    path = f"/p/{company.passport.code}"
    await client.head(path)
    await client.get(path)
    await client.get(f"{path}/page")
    (scan,) = await rows_of(database, company, PassportScan)
    assert (scan.code, scan.asset_id) == (company.passport.code, company.asset.id)
    assert (scan.latitude, scan.longitude) == (None, None)
    assert re.fullmatch("[0-9a-f]{32}", scan.visitor)
    app.state.scan_limit = AddressLimit(1)
    for _ in range(3):
        assert (await client.get(path)).status_code == 307
    assert len(await rows_of(database, company, PassportScan)) == 2


# --- the page ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "words"), [("en", "What is wrong?"), ("ru", "Что случилось?")]
)
async def test_the_page_shows_the_machine_in_the_readers_language_and_fits_its_budget(
    client: httpx.AsyncClient, company: Company, language: str, words: str
) -> None:
    page = await client.get(
        f"/p/{company.passport.code}/page", headers={"Accept-Language": f"{language}-CH,en;q=0.1"}
    )
    assert page.status_code == 200
    assert "LX 5" in page.text
    assert "…1234" in page.text
    assert words in page.text
    assert len(page.content) < 30_000
    assert "script" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_stranger_never_sees_customer_address_or_history(
    client: httpx.AsyncClient, company: Company
) -> None:
    path = f"/p/{company.passport.code}"
    sent = await report(client, company, contact_name="Zoe Quill", contact_phone="+49 999")
    token = sent.headers["location"].split("/")[2]
    answers = [
        await client.get(path, headers={"Accept": "application/ld+json"}),
        await client.get(path, headers={"Accept": "application/linkset+json"}),
        await client.get(f"{path}/page"),
        await client.get(f"{path}/wrong-label"),
        await client.get(f"/s/{token}"),
        await client.get(f"/s/{token}", headers={"Accept": "application/json"}),
        await client.get(sent.headers["location"]),
        await client.get("/.well-known/gs1resolver"),
    ]
    secrets = [
        "Grand Hotel", "Rivoli", "Guest lift", "A-1", "C-1", "S-1", "Anne", "0001234", "K-1",
        "Zoe", "+49 999", "does not close", str(company.asset.id), str(company.id),
        str(company.customer.id), str(company.site.id),
    ]  # fmt: skip
    for answer in answers:
        assert answer.status_code == 200
        for secret in secrets:
            assert secret not in answer.text, (answer.url, secret)


async def test_the_models_picture_is_public(
    client: httpx.AsyncClient,
    company: Company,
    database: Database,
    settings: Settings,
    clock: Clock,
) -> None:
    path = f"/p/{company.passport.code}"
    assert (await client.get(f"{path}/photo")).status_code == 404
    picture = png_of(40, 30)
    stored = await blob_store(settings).put_small(company.id, picture)
    async with database.transaction(company.id) as session:
        await keep_blob(session, company.system, clock(), stored, Inspection("image/png", 40, 30))
        session.add(company.model)
        company.model.photo_sha256 = bytes.fromhex(stored.sha256)
    assert f'src="{path}/photo"' in (await client.get(f"{path}/page")).text
    shown = await client.get(f"{path}/photo")
    assert (shown.content, shown.headers["content-type"]) == (picture, "image/png")


# --- reporting --------------------------------------------------------------------------------------------


async def test_a_report_with_a_photo_becomes_a_request_and_a_status_link(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    sent = await report(
        client,
        company,
        files={"photo": ("IMG 1.png", png_of(64, 48), "image/png")},
        contact_name="Zoe",
        contact_email="zoe@example.com",
        headers={"Accept-Language": "ru"},
    )
    assert sent.status_code == 303
    assert sent.headers["location"].startswith("/s/fsms_")
    thanks = await client.get(sent.headers["location"])
    assert "Ваше фото" in thanks.text or "Фото" in thanks.text
    (request,) = await stored_requests(database, company)
    assert request.text == FORM["text"]
    assert (request.status, request.request_class, request.impact) == ("new", "incident", "stopped")
    assert (request.source, request.language) == ("passport", "ru")
    assert (request.asset_id, request.customer_id) == (company.asset.id, company.customer.id)
    assert (request.contact_name, request.contact_email) == ("Zoe", "zoe@example.com")
    (photo,) = await rows_of(database, company, RequestAttachment)
    assert (photo.request_id, photo.mime) == (request.id, "image/png")


@pytest.mark.parametrize(
    ("impact", "request_class"),
    [
        ("stopped", "incident"),
        ("degraded", "incident"),
        ("running", "service_request"),
        ("question", "service_request"),
    ],
)
async def test_a_callers_words_propose_the_class(
    client: httpx.AsyncClient,
    company: Company,
    database: Database,
    impact: str,
    request_class: str,
) -> None:
    await report(client, company, impact=impact)
    (request,) = await stored_requests(database, company)
    assert request.request_class == request_class


async def test_the_form_works_without_a_photo_part_and_urlencoded(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    plain = await report(client, company)
    assert plain.request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert plain.status_code == 303
    empty = await report(client, company, files={"photo": ("", b"", "application/octet-stream")})
    assert empty.headers["location"].endswith("/thanks/report/none?lang=en")
    assert len(await stored_requests(database, company)) == 2


async def test_the_same_form_sent_twice_is_one_request_with_one_link(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    page = await client.get(f"/p/{company.passport.code}/page")
    report_id = hidden(page.text, "report_id")
    photo = {"photo": ("a.png", png_of(20, 20), "image/png")}
    first = await report(client, company, files=photo, report_id=report_id)
    second = await report(client, company, files=photo, report_id=report_id, text="again")
    assert first.headers["location"] == second.headers["location"]
    (request,) = await stored_requests(database, company)
    assert request.text == FORM["text"]
    assert len(await rows_of(database, company, RequestAttachment)) == 1


async def test_an_id_of_the_callers_own_making_never_opens_anothers_report(
    client: httpx.AsyncClient, company: Company, stranger: Company, database: Database
) -> None:
    await report(client, company)
    (theirs,) = await stored_requests(database, company)
    sent = await report(client, stranger, report_id=str(theirs.id))
    assert sent.status_code == 303
    (own,) = await stored_requests(database, stranger)
    assert own.status_token_sha256 != theirs.status_token_sha256
    for odd in ("", "1", "x" * 500, "00000000-0000-0000-0000-000000000000"):
        assert (await report(client, company, report_id=odd)).status_code == 303
    assert len(await stored_requests(database, company)) == 5


async def test_an_open_report_is_offered_and_can_be_added_to(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock
) -> None:
    await report(client, company)
    clock.forward(minutes=20)
    page = await client.get(f"/p/{company.passport.code}/page")
    assert "20 minutes ago" in page.text
    token = hidden(page.text, "add_to")
    sent = await report(
        client,
        company,
        add_to=token,
        text="It also squeaks",
        files={"photo": ("a.png", png_of(20, 20), "image/png")},
    )
    assert "/thanks/addition/stored" in sent.headers["location"]
    first, added = await stored_requests(database, company)
    assert (added.status, added.merged_into_id) == ("merged", first.id)
    assert added.text == "It also squeaks"
    link = sent.headers["location"].split("/thanks")[0]
    assert (await client.get(link)).status_code == 200
    shown = await client.get(
        f"/api/service-requests/{first.id}", headers=company.headers["dispatcher"]
    )
    assert [row["text"] for row in shown.json()["additions"]] == ["It also squeaks"]
    (photo,) = shown.json()["attachments"]
    assert photo["request_id"] == str(added.id)
    assert str(first.id) not in page.text


async def test_an_add_to_of_another_asset_or_of_nothing_makes_a_report_of_its_own(
    client: httpx.AsyncClient, company: Company, stranger: Company, database: Database
) -> None:
    await report(client, stranger)
    page = await client.get(f"/p/{stranger.passport.code}/page")
    for token in (hidden(page.text, "add_to"), "nonsense", "ю" * 40):
        await report(client, company, add_to=token)
    assert {row.status for row in await stored_requests(database, company)} == {"new"}


async def test_a_form_with_gaps_comes_back_with_what_was_typed(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    answer = await report(
        client,
        company,
        text="",
        impact="on fire",
        contact_email="zoe at example",
        contact_name="Zoe <b>Quill</b>",
    )
    assert answer.status_code == 422
    assert "Zoe &lt;b&gt;Quill&lt;/b&gt;" in answer.text
    for words in ("in a few words", "choose one", "not an e-mail address"):
        assert words in answer.text
    long = await report(client, company, text="я" * 2001)
    assert long.status_code == 422
    assert await stored_requests(database, company) == []


async def test_a_program_may_speak_json(client: httpx.AsyncClient, company: Company) -> None:
    headers = {"Accept": "application/json"}
    sent = await report(client, company, headers=headers)
    assert sent.status_code == 201
    assert sent.json()["photo"] == "none"
    status = await client.get(sent.json()["status_url"], headers=headers)
    assert status.json()["current"] == "received"
    bad = await report(client, company, headers=headers, impact="")
    assert bad.status_code == 422
    assert bad.headers["content-type"] == "application/problem+json"
    assert bad.json()["errors"] == [{"at": "/impact", "detail": "impact_missing"}]
    nothing = await client.post(f"/p/{new_code()}/report", data=FORM, headers=headers)
    assert nothing.json()["code"] == "not-found"


async def test_a_retired_machine_takes_no_report_but_a_word_about_its_label(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock
) -> None:
    async with database.transaction(company.id) as session:
        await queries.retire(
            session,
            company.system,
            clock(),
            company.asset.id,
            company.asset.rev,
            retired_at=clock(),
            with_parts=False,
        )
    assert (await client.get(f"/p/{company.passport.code}")).status_code == 410
    refused = await report(client, company)
    assert refused.status_code == 410
    assert "wrong-label" in refused.text
    assert await stored_requests(database, company) == []


# --- limits -----------------------------------------------------------------------------------------------


async def test_too_many_reports_from_one_address_are_stopped_and_time_opens_again(
    client: httpx.AsyncClient,
    company: Company,
    database: Database,
    clock: Clock,
) -> None:
    for _ in range(10):
        assert (await report(client, company)).status_code == 303
    stopped = await report(client, company)
    assert stopped.status_code == 429
    assert int(stopped.headers["retry-after"]) == 600
    assert "If it is urgent" in stopped.text
    assert len(await stored_requests(database, company)) == 10
    clock.forward(minutes=11)
    assert (await report(client, company)).status_code == 303


async def test_one_code_is_not_flooded_from_many_addresses(
    app: Litestar, company: Company, database: Database
) -> None:
    answers = []
    for number in range(22):
        transport = httpx.ASGITransport(app=app, client=(f"2001:db8:{number:x}::1", 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://fsm.test") as client:
            answers.append((await report(client, company)).status_code)
    assert answers == [303] * 20 + [429] * 2
    visitors = {row.visitor for row in await stored_requests(database, company)}
    assert len(visitors) == 20


async def test_the_process_itself_stops_a_flood_before_reading_it(
    client: httpx.AsyncClient, company: Company, app: Litestar, database: Database
) -> None:
    app.state.report_limit = AddressLimit(2)
    codes = [(await report(client, company)).status_code for _ in range(4)]
    assert codes == [303, 303, 429, 429]
    complaint = await client.post(
        f"/p/{company.passport.code}/wrong-label", data={"reason": "other"}
    )
    assert complaint.status_code == 429


async def test_a_robot_in_the_trap_is_thanked_and_ignored(
    client: httpx.AsyncClient, company: Company, database: Database
) -> None:
    assert (await report(client, company, website="https://spam.example")).status_code == 303
    trapped = await client.post(
        f"/p/{company.passport.code}/wrong-label", data={"reason": "other", "website": "x"}
    )
    assert trapped.status_code == 303
    assert await stored_requests(database, company) == []
    assert await rows_of(database, company, LabelComplaint) == []


async def test_a_complaint_needs_a_reason_and_is_limited_too(
    client: httpx.AsyncClient, company: Company, database: Database, clock: Clock
) -> None:
    path = f"/p/{company.passport.code}/wrong-label"
    assert (await client.get(path, headers={"Accept-Language": "ru"})).status_code == 200
    bad = await client.post(path, data={"text": "on a pump"})
    assert bad.status_code == 422
    assert "on a pump" in bad.text
    codes = [
        (await client.post(path, data={"reason": "unreadable"})).status_code for _ in range(11)
    ]
    assert codes == [303] * 10 + [429]
    clock.forward(minutes=11)
    assert (await client.post(path, data={"reason": "unreadable"})).status_code == 303
