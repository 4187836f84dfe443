"""A technician's calendar: stable, versioned, cancelled in the open, and closed when it is revoked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from icalendar import Calendar

from fsm.work_orders.calendar_feed.feed import (
    CalendarVisit,
    entity_tag,
    is_known,
    write_calendar,
)
from tests.company import Company
from tests.conftest import Clock

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


class Desk:
    """The office's requests, and the calendar as a program without a login follows it."""

    def __init__(self, client: httpx.AsyncClient, company: Company, clock: Clock) -> None:
        self.client, self.company, self.clock = client, company, clock
        self.url = ""

    async def ask(self, method: str, path: str, status: int | None = None, **body: Any) -> Any:
        answer = await self.client.request(
            method, path, headers=self.company.headers["dispatcher"], json=body or None
        )
        assert answer.is_success if status is None else answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def open(self) -> None:
        path = f"/api/technicians/{self.company.technician.id}/calendar"
        self.url = (await self.ask("POST", path))["url"]

    async def dispatch(self) -> dict[str, Any]:
        about = {"work_type": "repair", "asset_id": str(self.company.asset.id)}
        job = await self.ask("POST", "/api/work-orders", **about, title="Door; Лифт, «нижний»")
        visit = await self.ask(
            "POST",
            "/api/visits",
            work_order_id=job["id"],
            technician_id=str(self.company.technician.id),
            starts_at=(self.clock() + timedelta(hours=1)).isoformat(),
            ends_at=(self.clock() + timedelta(hours=2)).isoformat(),
        )
        (visit,) = await self.ask("POST", "/api/visits/dispatching", visit_ids=[visit["id"]])
        found: dict[str, Any] = visit
        return found

    async def read(self, status: int = 200, **headers: str) -> httpx.Response:
        answer = await self.client.get(self.url, headers=headers)
        assert answer.status_code == status, answer.text
        return answer

    async def events(self) -> dict[str, Any]:
        calendar = Calendar.from_ical((await self.read()).content)
        return {str(one["UID"]): one for one in calendar.walk("VEVENT")}


@pytest.fixture
async def desk(client: httpx.AsyncClient, company: Company, clock: Clock) -> Desk:
    desk = Desk(client, company, clock)
    await desk.open()
    return desk


async def test_a_calendar_follows_a_visit_from_dispatch_to_the_end_of_its_cancellation(
    desk: Desk,
) -> None:
    visit = await desk.dispatch()
    first = (await desk.events())[visit["id"]]
    assert str(first["SUMMARY"]).endswith("Door; Лифт, «нижний»")
    assert "1 Rue de Rivoli" in str(first["LOCATION"])
    assert (str(first["STATUS"]), first["DTSTART"].dt) == (
        "CONFIRMED",
        desk.clock() + timedelta(hours=1),
    )
    body = (await desk.read()).text
    for person in ("Anne Martin", "+33", "hotel@example.com"):
        assert person not in body

    tag = (await desk.read()).headers["etag"]
    assert (await desk.read(304, **{"If-None-Match": f'"x", W/{tag}'})).content == b""
    desk.clock.forward(minutes=5)
    ends = (desk.clock() + timedelta(hours=4)).isoformat()
    visit = await desk.ask(
        "PATCH", f"/api/visits/{visit['id']}", 200, rev=visit["rev"], planned_ends_at=ends
    )
    await desk.read(200, **{"If-None-Match": tag})
    moved = (await desk.events())[visit["id"]]
    assert moved["SEQUENCE"] > first["SEQUENCE"]
    assert moved["LAST-MODIFIED"].dt > first["LAST-MODIFIED"].dt

    await desk.ask("POST", f"/api/visits/{visit['id']}/withdrawal", reason="not needed")
    gone = (await desk.events())[visit["id"]]
    assert (str(gone["STATUS"]), gone["SEQUENCE"] > moved["SEQUENCE"]) == ("CANCELLED", True)
    desk.clock.forward(days=29)
    assert visit["id"] in await desk.events()
    desk.clock.forward(days=2)
    assert visit["id"] not in await desk.events()


async def test_an_address_is_a_secret_of_one_technician_and_can_be_revoked(
    desk: Desk, client: httpx.AsyncClient, stranger: Company
) -> None:
    visit = await desk.dispatch()
    old = desk.url
    await desk.open()
    assert desk.url != old
    assert (await client.get(old)).status_code == 404
    assert visit["id"] in await desk.events()
    path = f"/api/technicians/{desk.company.technician.id}/calendar"
    theirs = stranger.headers["administrator"]
    assert (await client.post(path, headers=theirs)).status_code == 404
    assert (await client.delete(path, headers=theirs)).status_code == 404
    assert (await client.get(desk.url[:-8] + "aaaa.ics")).status_code == 404
    mine = await client.post("/api/me/calendar", headers=desk.company.headers["technician"])
    assert mine.status_code == 201, mine.text
    await desk.read(404)
    desk.url = mine.json()["url"]
    assert visit["id"] in await desk.events()
    await desk.ask("DELETE", path, 204)
    await desk.read(404)


def visits(count: int) -> list[CalendarVisit]:
    return [
        CalendarVisit(
            id=UUID(int=n + 1),
            sequence=n,
            changed_at=NOON,
            starts_at=NOON,
            ends_at=NOON + timedelta(hours=1),
            number=f"W-{n}",
            title="x" * 200,
            place="Paris",
            is_cancelled=n % 2 == 1,
        )
        for n in range(count)
    ]


def test_equal_visits_give_equal_bytes_in_lines_that_every_program_can_read() -> None:
    content = write_calendar("Boris", visits(3))
    assert write_calendar("Boris", visits(3)) == content
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    assert entity_tag(content) != entity_tag(write_calendar("Boris", visits(2)))
    assert [str(one["STATUS"]) for one in Calendar.from_ical(content).walk("VEVENT")] == [
        "CONFIRMED", "CANCELLED", "CONFIRMED",
    ]  # fmt: skip


def test_whatever_people_call_things_stays_one_text_of_one_line() -> None:
    (visit,) = visits(1)
    visit = replace(visit, title="Двери;\n\x0bEND:VCALENDAR\r", place="Na Příkopě 1,\u2028Praha")
    content = write_calendar("Boris;\r\nBEGIN:VEVENT", [visit])
    assert b"X-WR-CALNAME:Boris\\; BEGIN:VEVENT\r\n" in content
    assert not set(content.replace(b"\r\n", b"")) & set(range(32))
    (event,) = Calendar.from_ical(content).walk("VEVENT")
    assert (str(event["SUMMARY"]), str(event["LOCATION"])) == (
        "W-0 Двери; END:VCALENDAR",
        "Na Příkopě 1, Praha",
    )


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (None, False),
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ("*", True),
        ('"b"', False),
    ],
)
def test_a_client_that_has_it_is_told_so(header: str | None, known: bool) -> None:
    assert is_known(header, '"a"') is known
