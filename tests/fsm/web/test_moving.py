"""An appointment moved through its status link: taken where the contract lets, else asked for; the papers."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from sqlmodel import select

from fsm.database import Database
from fsm.tenants.routes import AddressLimit
from fsm.work_orders import field_work
from fsm.work_orders.tables import Review, Visit
from scheduler.moving import HELD_FOR
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.web.status_links import JSON, Followed, finish, followed


@pytest.fixture
async def link(
    client: httpx.AsyncClient, app: Litestar, database: Database, company: Company, clock: Clock
) -> Followed:
    """A report with a visit in an hour."""
    app.state.report_limit = AddressLimit(100)
    return await followed(client, database, company, clock)


async def let_customer_move(link: Followed) -> None:
    company = link.job.company
    headers = company.headers["administrator"]
    path = f"/api/contracts/{company.contract.id}"
    rev = (await link.client.get(path, headers=headers)).json()["rev"]
    change = {"rev": rev, "lets_customer_move": True}
    edited = await link.client.patch(path, json=change, headers=headers)
    assert edited.json()["lets_customer_move"], edited.text
    kept = (await link.client.get(path, headers=headers)).json()
    assert kept["lets_customer_move"]


async def offered(link: Followed) -> list[dict[str, Any]]:
    answer = await link.client.get(f"{link.path}/move", headers=JSON)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"]  # type: ignore[no-any-return]


async def wishes(link: Followed) -> list[Review]:
    async with link.job.database.transaction(link.job.company.id) as session:
        statement = select(Review).where(
            Review.tenant_id == link.job.company.id, Review.kind == "move_asked"
        )
        return list(await session.exec(statement))


async def visits(link: Followed) -> list[Visit]:
    async with link.job.database.transaction(link.job.company.id) as session:
        statement = select(Visit).where(
            Visit.tenant_id == link.job.company.id, Visit.work_order_id == link.job.id
        )
        return list(await session.exec(statement.order_by(Visit.created_at)))  # type: ignore[arg-type]


async def test_where_the_contract_lets_the_customer_an_offered_window_is_booked_at_once(
    link: Followed,
) -> None:
    await let_customer_move(link)
    assert "/move?lang=en" in await link.page()
    page = await link.client.get(f"{link.path}/move", params={"lang": "ru"})
    assert "Когда вам удобно?" in page.text
    assert len(page.content) < 30_000
    first, *_ = await offered(link)
    sent = await link.send("move", choice=first["choice"])
    assert sent.status_code == 303
    before, after = await visits(link)
    assert (before.status, before.ended_reason) == ("withdrawn", "rebooked")
    assert after.window_starts_at == datetime.fromisoformat(first["opens_at"])
    status = await link.status()
    assert (status["window"]["starts_at"], status["asked"]) == (first["opens_at"], None)
    assert await wishes(link) == []


async def test_elsewhere_the_time_is_held_and_the_dispatcher_confirms_it(link: Followed) -> None:
    first, *_ = await offered(link)
    assert (await link.send("move", choice=first["choice"], note="Not before")).status_code == 303
    assert [visit.status for visit in await visits(link)] == ["dispatched"]
    assert (await link.status())["asked"]["window"]["starts_at"] == first["opens_at"]
    assert "The office will confirm it" in await link.page()
    (wish,) = await wishes(link)
    assert wish.data["note"] == "Not before"
    booking = f"/api/planning/holds/{wish.data['hold_id']}/booking"
    headers = link.job.company.headers["dispatcher"]
    booked = await link.client.post(booking, headers=headers)
    assert booked.status_code == 201, booked.text
    (wish,) = await wishes(link)
    assert wish.settlement == "booked"
    status = await link.status()
    assert (status["asked"], status["window"]["starts_at"]) == (None, first["opens_at"])


async def test_a_wish_that_is_refused_lets_go_of_its_time_and_the_customer_reads_why(
    link: Followed, stranger: Company
) -> None:
    first, *_ = await offered(link)
    await link.send("move", choice=first["choice"])
    (wish,) = await wishes(link)
    path = f"/api/planning/moves/{wish.id}/refusal"
    headers = link.job.company.headers["dispatcher"]
    reason = {"reason": "Nobody is near you that day"}
    for strange, status in (
        (stranger.headers["dispatcher"], 404),
        (link.job.company.headers["technician"], 403),
    ):
        refused = await link.client.post(path, headers=strange, json=reason)
        assert refused.status_code == status
    answer = await link.client.post(path, headers=headers, json=reason)
    assert answer.status_code == 204, answer.text
    (wish,) = await wishes(link)
    assert wish.settlement == "refused: Nobody is near you that day"
    assert wish.settled_by == link.job.company.users["dispatcher"].id
    booking = f"/api/planning/holds/{wish.data['hold_id']}/booking"
    gone = await link.client.post(booking, headers=headers)
    assert gone.json()["code"] == "hold-over"
    assert (await link.status())["asked"] is None
    assert "Nobody is near you that day" in await link.page()
    again = await link.client.post(path, headers=headers, json={"reason": "Another one"})
    assert (again.status_code, again.json()["code"]) == (409, "wish-answered")
    assert "Another one" not in await link.page()


async def test_a_second_wish_lets_go_of_the_first_and_words_alone_are_a_wish_too(
    link: Followed,
) -> None:
    first, *_ = await offered(link)
    await link.send("move", choice=first["choice"])
    (wish,) = await wishes(link)
    hold_id = UUID(wish.data["hold_id"])
    await link.send("move", choice="", note="Only on Sundays")
    (wish,) = await wishes(link)
    assert (wish.data["hold_id"], wish.data["note"]) == (None, "Only on Sundays")
    headers = link.job.company.headers["dispatcher"]
    gone = await link.client.post(f"/api/planning/holds/{hold_id}/booking", headers=headers)
    assert gone.json()["code"] == "hold-over"
    assert "The office will call" in await link.page()


async def test_only_what_was_offered_can_be_taken(
    link: Followed, database: Database, company: Company, clock: Clock
) -> None:
    first, *_ = await offered(link)
    other = await followed(link.client, database, company, clock)
    forged = first["choice"][:-3] + "AAA"
    for path, choice in ((link, forged), (other, first["choice"]), (link, "!"), (link, "")):
        refused = await path.send("move", choice=choice, headers=JSON)
        assert refused.status_code in (409, 422), choice
    clock.now = datetime.fromisoformat(first["opens_at"]) - timedelta(hours=1)
    late = await link.send("move", choice=first["choice"])
    assert late.status_code == 409
    assert "Somebody else was quicker" in late.text
    assert await wishes(link) == []


async def test_a_technician_who_is_under_way_is_not_sent_back(link: Followed) -> None:
    first, *_ = await offered(link)
    await link.job.do(field_work.travel)
    refused = await link.send("move", choice=first["choice"], headers=JSON)
    assert (refused.status_code, refused.json()["code"]) == (409, "not-movable")
    assert not (await link.status())["may_move"]
    assert (await link.client.get(f"{link.path}/move")).status_code == 409


async def test_a_held_time_is_free_again_when_the_office_says_nothing(
    link: Followed, clock: Clock
) -> None:
    *_, last = await offered(link)
    await link.send("move", choice=last["choice"])
    (wish,) = await wishes(link)
    clock.now += HELD_FOR
    headers = link.job.company.headers["dispatcher"]
    late = await link.client.post(
        f"/api/planning/holds/{wish.data['hold_id']}/booking", headers=headers
    )
    assert late.json()["code"] == "hold-over"


async def test_papers_of_the_job_are_opened_by_the_customer_and_never_by_a_passer_by(
    link: Followed, client: httpx.AsyncClient, company: Company
) -> None:
    await finish(link)
    headers = company.headers["administrator"]
    act = await client.post(
        "/api/documents/technical-acts", json={"work_order_id": str(link.job.id)}, headers=headers
    )
    assert act.is_success, act.text
    (paper,) = (await link.status())["documents"]
    assert paper["number"] == act.json()["number"]
    assert paper["number"] in await link.page()
    file = await client.get(paper["url"])
    assert (file.headers["content-type"], file.content[:5]) == ("application/pdf", b"%PDF-")

    form = {"text": "The same", "impact": "stopped"}
    sent = await client.post(f"/p/{company.passport.code}/report", data=form)
    passer_by = sent.headers["location"].split("/")[2]
    stolen = await client.get(f"/s/{passer_by}/documents/{act.json()['id']}")
    assert stolen.status_code == 404
