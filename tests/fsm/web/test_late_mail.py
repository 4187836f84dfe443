"""Customers hear of a delay by mail before they ask: once a window, in their language, until it is taken."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from fsm.database import Database
from fsm.settings import MailSettings, Settings
from fsm.web.late_mail import tell_of_delays
from fsm.work_orders import field_work
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.web.status_links import Followed, followed
from tests.reports.mailing.test_mailing import mailbox

__all__ = ["mailbox"]


@pytest.fixture
async def link(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> Followed:
    """A visit planned for 10:00 in Paris, announced for 10:00 to 10:30, its caller with an address."""
    who = {"contact_email": "zoe@hotel.example", "language": "ru"}
    link = await followed(client, database, company, clock, **who)
    visit = await link.job.visit()
    window = {
        "window_starts_at": (clock() + timedelta(hours=1)).isoformat(),
        "window_ends_at": (clock() + timedelta(minutes=90)).isoformat(),
    }
    edited = await client.patch(
        f"/api/visits/{visit.id}",
        json={"rev": visit.rev, **window},
        headers=company.headers["dispatcher"],
    )
    assert edited.status_code == 200, edited.text
    return link


async def go(link: Followed, mailbox: Any, settings: Settings) -> list[Any]:
    with_mail = replace(settings, mail=MailSettings(mailbox.url, "service@acme.example"))
    await tell_of_delays(link.job.database, with_mail, link.job.clock)
    return list(mailbox.taken)


async def test_a_customer_is_told_once_when_the_estimate_passes_the_window(
    link: Followed, mailbox: Any, settings: Settings, clock: Clock
) -> None:
    assert await go(link, mailbox, settings) == [], "all is well so far"
    clock.forward(minutes=96)
    mailbox.refuses = True
    assert await go(link, mailbox, settings) == []
    mailbox.refuses = False
    clock.forward(minutes=2)
    for _ in range(2):
        ((recipients, message),) = await go(link, mailbox, settings)
    assert recipients == ["zoe@hotel.example"]
    assert message["Subject"] == "Acme: мы опаздываем"
    said = message.get_content()
    assert "Otto LX 5" in said
    assert f"http://fsm.test{link.path}?lang=ru" in said
    assert "10:38" in said, "the estimate is on the site's clocks"


async def test_what_the_technician_says_counts_before_the_window_is_over(
    link: Followed, mailbox: Any, settings: Settings
) -> None:
    await link.job.do(field_work.delay, 20)
    assert await go(link, mailbox, settings) == [], "still inside the window"
    await link.job.do(field_work.delay, 60)
    assert len(await go(link, mailbox, settings)) == 1


async def test_nobody_is_told_who_has_the_technician_before_them_or_left_no_address(
    link: Followed, mailbox: Any, settings: Settings, clock: Clock, company: Company
) -> None:
    await link.job.do(field_work.arrive)
    await followed(link.client, link.job.database, company, clock)
    clock.forward(minutes=100)
    assert await go(link, mailbox, settings) == []
