"""A visit rated through its status link: once, changeable for a while, and a poor one is called back."""

from typing import Any

import httpx
import pytest
from sqlmodel import col, select

from fsm.database import Database
from fsm.work_orders import field_work
from fsm.work_orders.ratings.rules import CHANGEABLE
from fsm.work_orders.ratings.tables import Rating
from fsm.work_orders.tables import Review
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.web.status_links import JSON, Followed, finish, followed
from tests.fsm.work_orders.steps import plan_and_dispatch


@pytest.fixture
async def link(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> Followed:
    """A report by somebody who left a number, whose visit is finished."""
    who = {"contact_name": "Zoe", "contact_phone": "+33 1 99"}
    link = await followed(client, database, company, clock, **who)
    await finish(link)
    return link


async def rows(link: Followed, table: Any) -> list[Any]:
    async with link.job.database.transaction(link.job.company.id) as session:
        statement = select(table).where(table.tenant_id == link.job.company.id)
        return list(await session.exec(statement.order_by(col(table.id))))


async def callbacks(link: Followed) -> list[Review]:
    return [review for review in await rows(link, Review) if review.kind == "callback"]


async def listed(link: Followed, role: str = "dispatcher", **query: Any) -> list[int]:
    headers = link.job.company.headers[role]
    answer = await link.client.get("/api/ratings", params=query, headers=headers)
    return [item["stars"] for item in answer.json()["items"]]


async def test_a_good_visit_is_rated_on_the_page_and_shown_there_and_to_the_office(
    link: Followed,
) -> None:
    assert "How was the visit?" in await link.page()
    assert "Как прошёл визит?" in await link.page("ru")
    sent = await link.send("rating", stars="5", nps="9", comment="Quick <b>and</b> kind")
    assert (sent.status_code, sent.headers["location"]) == (303, f"{link.path}?lang=en#rating")
    page = await link.page()
    assert "You gave 5 of 5" in page
    assert "Quick &lt;b&gt;and&lt;/b&gt; kind" in page
    status = await link.status()
    assert (status["rating"]["stars"], status["rating"]["nps"]) == (5, 9)
    assert await listed(link) == [5]
    assert await callbacks(link) == []


async def test_nothing_can_be_rated_before_a_visit_is_finished_or_while_somebody_is_there_again(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    link = await followed(client, database, company, clock)
    early = await link.send("rating", stars="5", headers=JSON)
    assert (early.status_code, early.json()["type"].rpartition("/")[2]) == (409, "nothing-to-rate")
    assert "How was the visit?" not in await link.page()
    await finish(link)
    assert (await link.status())["may_rate"]
    await plan_and_dispatch(link.job)
    await link.job.do(field_work.travel)
    assert not (await link.status())["may_rate"]
    assert (await link.send("rating", stars="5")).status_code == 409


@pytest.mark.parametrize("stars", ["1", "3"])
async def test_three_stars_or_fewer_ask_the_office_to_call_once(link: Followed, stars: str) -> None:
    for _ in range(2):
        await link.send("rating", stars=stars, comment="Two hours late")
    (callback,) = await callbacks(link)
    assert (callback.work_order_id, callback.visit_id) == (link.job.id, link.job.visit_id)
    assert callback.data["stars"] == int(stars)
    assert callback.data["comment"] == "Two hours late"
    assert (callback.data["contact_name"], callback.data["contact_phone"]) == ("Zoe", "+33 1 99")
    assert "asked to call you" in await link.page()
    assert len(await rows(link, Rating)) == 1


async def test_four_stars_ask_for_no_call(link: Followed) -> None:
    await link.send("rating", stars="4")
    assert await callbacks(link) == []


async def test_an_open_callback_is_told_what_the_customer_says_now_and_a_settled_one_is_left_alone(
    link: Followed,
) -> None:
    await link.send("rating", stars="2", contact_phone="+49 30 1")
    await link.send("rating", stars="5", comment="You called, thank you")
    (callback,) = await callbacks(link)
    assert (callback.data["stars"], callback.data["contact_phone"]) == (5, "+49 30 1")
    settling = f"/api/reviews/{callback.id}/settlement"
    headers = link.job.company.headers["dispatcher"]
    await link.client.post(settling, json={"settlement": "called"}, headers=headers)
    await link.send("rating", stars="1")
    before, after = await callbacks(link)
    assert (before.data["stars"], before.settlement) == (5, "called")
    assert (after.data["stars"], after.settled_at) == (1, None)


async def test_the_last_rating_counts_and_the_earlier_ones_are_kept(
    link: Followed, clock: Clock
) -> None:
    await link.send("rating", stars="5")
    clock.forward(days=2)
    await link.send("rating", stars="4")
    assert await listed(link) == [4]
    assert await listed(link, with_replaced=True) == [4, 5]
    assert await listed(link, most_stars=4) == [4]
    assert await listed(link, work_order_id=str(link.job.company.id)) == []


async def test_a_rating_is_changed_for_two_weeks_and_not_after(
    link: Followed, clock: Clock
) -> None:
    await link.send("rating", stars="5")
    clock.now += CHANGEABLE
    late = await link.send("rating", stars="1", headers=JSON)
    assert (late.status_code, late.json()["type"].rpartition("/")[2]) == (409, "rating-settled")
    assert (
        await link.send("rating", stars="5")
    ).status_code == 303  # the same once more is no change
    assert 'name="stars"' not in await link.page()
    assert await listed(link) == [5]


async def test_the_next_visit_is_rated_on_its_own(link: Followed, clock: Clock) -> None:
    await link.send("rating", stars="2")
    clock.now += CHANGEABLE
    await plan_and_dispatch(link.job)
    clock.forward(hours=1)
    await link.job.do(field_work.start)
    await link.job.do(field_work.finish)
    assert (await link.status())["rating"] is None
    assert (await link.send("rating", stars="5")).status_code == 303
    assert sorted(await listed(link)) == [2, 5]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "stars_missing"),
        ({"stars": "6"}, "stars_missing"),
        ({"stars": "٣"}, "stars_missing"),
        ({"thumb": "sideways"}, "stars_missing"),
        ({"stars": "4", "nps": "11"}, "nps_unreadable"),
        ({"stars": "4", "comment": "x" * 2001}, "text_too_long"),
    ],
)
async def test_a_form_that_does_not_say_it_comes_back_with_what_was_typed(
    link: Followed, fields: dict[str, str], problem: str
) -> None:
    typed = {"comment": "Fine <work>"} | fields
    page = await link.send("rating", **typed)
    assert page.status_code == 422
    assert 'role="alert"' in page.text
    assert fields.get("comment", "Fine &lt;work&gt;") in page.text
    refused = await link.send("rating", headers=JSON, **typed)
    assert problem in [error["detail"] for error in refused.json()["errors"]]
    assert await rows(link, Rating) == []


async def test_a_thumb_is_the_end_of_the_stars_it_points_to(link: Followed) -> None:
    taken = await link.send("rating", thumb="down", headers=JSON)
    assert (taken.status_code, taken.json()["stars"]) == (201, 1)
    (rating,) = await rows(link, Rating)
    assert rating.scale == "thumb"


async def test_a_link_cannot_fill_the_table_and_a_robot_leaves_nothing(link: Followed) -> None:
    assert (await link.send("rating", stars="1", website="http://spam")).status_code == 303
    assert await rows(link, Rating) == []
    for turn in range(20):
        await link.send("rating", stars="4", comment=str(turn))
    assert (await link.send("rating", stars="5")).status_code == 429


async def test_no_rating_holds_up_the_job(link: Followed) -> None:
    await link.send("rating", stars="1")
    await link.job.bytes_arrive()
    assert (await link.job.row()).status == "completed"


async def test_a_customers_user_rates_their_own_jobs_and_sees_no_others(
    link: Followed, stranger: Company
) -> None:
    path = f"/api/work-orders/{link.job.id}/ratings"
    headers = link.job.company.headers
    mine = await link.client.post(path, json={"stars": 3}, headers=headers["customer"])
    assert mine.status_code == 201
    (callback,) = await callbacks(link)
    assert callback.data["rater"] == str(link.job.company.users["customer"].id)
    assert await listed(link, "customer") == [3]
    office = await link.client.post(path, json={"stars": 5}, headers=headers["dispatcher"])
    assert office.status_code == 403
    theirs = await link.client.post(path, json={"stars": 5}, headers=stranger.headers["customer"])
    assert theirs.status_code == 404
    elsewhere = await link.client.get("/api/ratings", headers=stranger.headers["dispatcher"])
    assert elsewhere.json()["items"] == []
