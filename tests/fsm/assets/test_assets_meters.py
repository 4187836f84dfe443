"""Meters: a counter only rises, unless somebody says why it does not."""

from decimal import Decimal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.assets.meters import Reading, ReadingRefused, advance, check_reading
from fsm.database import Database
from tests.company import Company
from tests.conftest import Clock


def read(value: int, **how: bool) -> Reading:
    return Reading(Decimal(value), **how)


# --- the rule ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("previous", "reading", "following", "rollover_at"),
    [
        (None, read(0), None, None),
        (read(10), read(10), read(10), None),
        (read(10), read(3, is_reset=True), None, None),
        (read(99_990), read(5, is_rollover=True), None, 100_000),
        (read(10), read(99_995), read(5, is_rollover=True), 100_000),
        (read(10), read(500), read(3, is_reset=True), None),
        (read(10), read(20, is_reset=True), None, None),
    ],
)
def test_a_reading_that_fits_between_its_neighbours_is_taken(
    previous: Reading | None, reading: Reading, following: Reading | None, rollover_at: int | None
) -> None:
    end = None if rollover_at is None else Decimal(rollover_at)
    check_reading(reading, previous=previous, following=following, rollover_at=end)


@pytest.mark.parametrize(
    ("previous", "reading", "following", "rollover_at", "why"),
    [
        (read(10), read(9), None, None, "below the reading before"),
        (read(10), read(20), read(15), None, "above the reading after"),
        (read(10), read(5, is_rollover=True), None, None, "no value at which it rolls over"),
        (read(10), read(10, is_rollover=True), None, 100, "shows less than before"),
        (None, read(5, is_rollover=True), None, 100, "shows less than before"),
        (read(10), read(100), None, 100, "never shows 100"),
        (read(10), read(3, is_reset=True, is_rollover=True), None, 100, "not both"),
        (read(2), read(4), read(5, is_rollover=True), 100, "showed more than"),
        (None, read(-1), None, None, "no less than zero"),
    ],
)
def test_a_reading_that_contradicts_its_neighbours_says_why(
    previous: Reading | None,
    reading: Reading,
    following: Reading | None,
    rollover_at: int | None,
    why: str,
) -> None:
    end = None if rollover_at is None else Decimal(rollover_at)
    with pytest.raises(ReadingRefused, match=why):
        check_reading(reading, previous=previous, following=following, rollover_at=end)


@given(st.lists(st.integers(0, 99), min_size=1, max_size=30), st.integers(0, 99))
def test_a_counter_with_two_digits_runs_as_far_as_was_driven(steps: list[int], start: int) -> None:
    """Drive less than a round between readings: what the rule adds up is what was driven."""
    end = Decimal(100)
    shown, total = read(start), Decimal(0)
    for step in steps:
        value = (int(shown.value) + step) % 100
        now = read(value, is_rollover=value < shown.value)
        check_reading(now, previous=shown, following=None, rollover_at=end)
        total += advance(shown, now, end)
        shown = now
    assert total == sum(steps)


# --- over HTTP --------------------------------------------------------------------------------------------


async def test_readings_may_arrive_in_any_order_but_must_fit(
    client: httpx.AsyncClient, company: Company
) -> None:
    office, url = company.headers["dispatcher"], f"/api/meters/{company.meter.id}/readings"

    async def send(at: str, value: str, **more: bool) -> httpx.Response:
        body = {"read_at": f"2026-03-{at}T08:00:00Z", "value": value, **more}
        return await client.post(url, json=body, headers=office)

    assert (await send("01", "100")).status_code == 201
    assert (await send("20", "160.5")).status_code == 201
    assert (await send("10", "130.25")).status_code == 201
    lower = await send("22", "20")
    assert (lower.status_code, lower.json()["code"]) == (422, "reading-refused")
    assert lower.json()["previous"] == "160.5000"
    assert (await send("12", "170")).status_code == 422
    assert (await send("22", "20", is_reset=True)).status_code == 201
    assert (await send("22", "20", is_reset=True)).status_code == 201
    assert (await send("22", "21")).status_code == 409
    page = await client.get(url, params={"limit": "2"}, headers=office)
    assert [(row["value"], row["ran"]) for row in page.json()["items"]] == [
        ("20.0000", "20.0000"),
        ("160.5000", "30.2500"),
    ]
    rest = await client.get(url, params={"after": page.json()["next"]}, headers=office)
    assert [(row["value"], row["ran"]) for row in rest.json()["items"]] == [
        ("130.2500", "30.2500"),
        ("100.0000", None),
    ]
    assert rest.json()["next"] is None


async def test_a_meter_rolls_over_where_it_says(
    client: httpx.AsyncClient, company: Company
) -> None:
    office, meters = company.headers["dispatcher"], f"/api/assets/{company.asset.id}/meters"
    body = {"code": "km", "name": "Kilometres", "unit": "km", "rollover_at": "100000"}
    meter = (await client.post(meters, json=body, headers=office)).json()
    url = f"/api/meters/{meter['id']}"
    for at, value, more in (
        ("2026-03-01T00:00:00Z", 99_990, {}),
        ("2026-03-02T00:00:00Z", 15, {"is_rollover": True}),
    ):
        reading = {"read_at": at, "value": value, **more}
        answer = await client.post(f"{url}/readings", json=reading, headers=office)
        assert answer.status_code == 201, answer.text
    newest, _ = (await client.get(f"{url}/readings", headers=office)).json()["items"]
    assert Decimal(newest["ran"]) == 25
    shown = await client.get(meters, headers=company.headers["customer"])
    assert [(each["code"], each["last"] and each["last"]["value"]) for each in shown.json()] == [
        ("hours", None),
        ("km", "15.0000"),
    ]
    shorter = {"rev": 1, "rollover_at": "1000"}
    refused = await client.patch(url, json=shorter, headers=office)
    assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "/rollover_at")
    renamed = await client.patch(url, json={"rev": 1, "name": "Odometer"}, headers=office)
    assert (renamed.json()["name"], renamed.json()["rollover_at"]) == ("Odometer", "100000.0000")


@pytest.mark.parametrize(
    ("field", "value"),
    [("value", -1), ("value", "NaN"), ("value", "1e12"), ("read_at", "2026-03-29T02:30:00")],
)
async def test_a_clumsy_reading_is_refused_with_its_field(
    client: httpx.AsyncClient, company: Company, field: str, value: object
) -> None:
    body = {"read_at": "2026-03-01T00:00:00Z", "value": 1, field: value}
    answer = await client.post(
        f"/api/meters/{company.meter.id}/readings",
        json=body,
        headers=company.headers["dispatcher"],
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["at"] == f"/{field}"


async def test_a_reading_from_the_future_is_refused(
    client: httpx.AsyncClient, company: Company, clock: Clock
) -> None:
    clock.forward(minutes=-30)
    body = {"read_at": "2026-03-23T08:00:00Z", "value": 1}
    url = f"/api/meters/{company.meter.id}/readings"
    answer = await client.post(url, json=body, headers=company.headers["dispatcher"])
    assert (answer.status_code, answer.json()["errors"][0]["at"]) == (422, "/read_at")


async def test_a_strangers_meter_does_not_exist_and_a_technician_adds_none(
    client: httpx.AsyncClient, company: Company, stranger: Company, database: Database
) -> None:
    body = {"read_at": "2026-03-01T00:00:00Z", "value": 1}
    url = f"/api/meters/{stranger.meter.id}/readings"
    office = company.headers["dispatcher"]
    assert (await client.post(url, json=body, headers=office)).status_code == 404
    assert (await client.get(url, headers=office)).status_code == 404
    mine = f"/api/meters/{company.meter.id}/readings"
    answer = await client.post(mine, json=body, headers=company.headers["technician"])
    assert answer.status_code == 403
    assert (await client.get(f"{mine}?after=soon", headers=office)).status_code == 422
