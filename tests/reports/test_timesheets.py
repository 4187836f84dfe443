"""A technician's month: by day, as the figures count it, the same in every form, and for whom it is."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from uuid_utils.compat import uuid7

from fsm.database import Database
from fsm.tenants.tables import Device
from fsm.work_orders.tables import Visit
from reports.formulae.people import Shift
from reports.timesheets.month import Entry, Hours, Recorded, days_of, hours_of, month_period
from tests.company import Company
from tests.conftest import Clock
from tests.reports.exports.test_tables import from_csv, from_xlsx, same
from tests.reports.plant import job, worked

PARIS = "Europe/Paris"
MARCH = date(2026, 3, 1)
LATER = datetime(2026, 4, 2, 8, tzinfo=UTC)


def at(day: int, hour: float) -> datetime:
    """An instant of March 2026, UTC."""
    return datetime(2026, 3, day, tzinfo=UTC) + timedelta(hours=hour)


def entry(kind: str, begins: datetime, ends: datetime) -> Entry:
    return Entry(uuid7(), kind, (begins, ends), UUID(int=1), "W-1", None, False)


def h(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / 3600


# --- by the rule ------------------------------------------------------------------------------------------


def test_the_night_the_clocks_change_has_a_day_of_23_hours_and_loses_none() -> None:
    """Work from 23:00 on Saturday to 00:30 on Monday, Paris time, is 1 h, 23 h and half an hour."""
    recorded = Recorded((entry("work", at(28, 22), at(29, 22.5)),))
    days = list(days_of(recorded, MARCH, PARIS, LATER))
    assert [(each.on.day, h(each.hours.work_s)) for each in days] == [(28, 1), (29, 23), (30, 0.5)]
    assert {line.entry_id for each in days for line in each.lines} == {recorded.entries[0].id}
    assert h(hours_of(recorded, month_period(MARCH, PARIS, LATER)).work_s) == 24.5


def test_overlapping_times_count_once_and_what_nobody_recorded_is_null() -> None:
    """A shift from 8 to 12 with half an hour of break; work 9–11 and 10–13, travel 12–14, UTC."""
    recorded = Recorded(
        (
            entry("work", at(3, 9), at(3, 11)),
            entry("work", at(3, 10), at(3, 13)),
            entry("travel", at(3, 12), at(3, 14)),
            entry("break", at(3, 15), at(3, 16)),
        ),
        (Shift((at(3, 8), at(3, 12)), timedelta(minutes=30)),),
    )
    (day,) = days_of(recorded, MARCH, PARIS, LATER)
    assert msgspec.structs.asdict(day.hours) == {
        "work_s": 4 * 3600, "travel_s": 2 * 3600, "wait_s": None, "admin_s": None, "break_s": 3600,
        "recorded_s": 5 * 3600, "on_duty_s": 3.5 * 3600, "paid_s": 5.5 * 3600, "overtime_s": 3600,
    }  # fmt: skip
    assert [line.is_overlapping for line in day.lines] == [True, True, True, False]


@pytest.mark.parametrize("seed", range(5))
def test_the_days_add_up_to_the_month(seed: int) -> None:
    chance = random.Random(seed)

    def spans(count: int, most_h: int) -> Iterator[tuple[datetime, datetime]]:
        for _ in range(count):
            begins = at(1, chance.randrange(-30, 31 * 24 + 30))
            yield begins, begins + timedelta(minutes=chance.randrange(1, most_h * 60))

    shifts = [at(day, 19) for day in range(1, 31) if chance.random() < 0.7]
    recorded = Recorded(
        tuple(
            entry(chance.choice(["work", "travel", "wait", "break"]), *span)
            for span in spans(60, 9)
        ),
        tuple(Shift((begins, begins + timedelta(hours=8))) for begins in shifts),
        tuple(spans(2, 50)),
    )
    total = hours_of(recorded, month_period(MARCH, PARIS, LATER))
    days = [each.hours for each in days_of(recorded, MARCH, PARIS, LATER)]
    for name in Hours.__struct_fields__:
        parts = [getattr(each, name) for each in days if getattr(each, name) is not None]
        assert (sum(parts) if parts else None) == getattr(total, name), name


# --- over HTTP --------------------------------------------------------------------------------------------


async def ask(
    client: httpx.AsyncClient,
    company: Company,
    path: str,
    role: str,
    status: int = 200,
    **asked: Any,
) -> Any:
    answer = await client.get(
        path, params={"month": "2026-03"} | asked, headers=company.headers[role]
    )
    assert answer.status_code == status, answer.text
    return answer if path.endswith(("csv", "xlsx")) else answer.json()


def of(company: Company) -> str:
    return f"/api/technicians/{company.technician.id}/timesheet"


async def test_a_month_is_what_the_figures_count_and_the_same_in_every_form(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    async with database.transaction(company.id) as session:
        order = await job(session, company, "W-1", at(20, 8))
        other = await job(session, company, "W-2", at(20, 9))
        wrong = worked(company, order, at(24, 7), at(24, 17))
        session.add(wrong)
        await session.flush()
        right = worked(company, order, at(24, 8), at(24, 11), corrects_id=wrong.id)
        session.add_all(
            [
                right,
                worked(company, other, at(24, 10), at(24, 12), needs_review=True),
                worked(company, other, at(24, 15), at(24, 18), kind="travel"),
                worked(company, order, at(28, 21), at(29, 3)),
                worked(company, order, datetime(2026, 3, 31, 21, tzinfo=UTC), LATER),
            ]
        )
    clock.now = LATER
    told = await ask(client, company, "/api/me/timesheet", "technician")
    assert told == await ask(client, company, of(company), "manager")
    days = {each["on"]: each for each in told["days"]}
    tuesday = days["2026-03-24"]
    assert (tuesday["hours"]["work_s"], tuesday["hours"]["paid_s"]) == (4 * 3600, 10.5 * 3600)
    assert [(line["number"], line["is_overlapping"]) for line in tuesday["lines"]] == [
        ("W-1", True),
        ("W-2", True),
        ("W-2", False),
    ]
    assert tuesday["lines"][0]["entry_id"] == str(right.id)
    assert tuesday["lines"][1]["needs_review"]
    assert sorted(days) == [f"2026-03-{day}" for day in (*range(23, 30), 31)]
    window = {
        "scope": f"technician:{company.technician.id}",
        "from": told["from"],
        "to": told["to"],
        "as_of": told["as_of"],
    }
    for kpi, variant, above, below in (
        ("utilisation", "share", None, "on_duty_s"),
        ("utilisation", "overtime", "overtime_s", None),
        ("wrench", None, "work_s", "paid_s"),
        ("travel", "share", "travel_s", "paid_s"),
    ):
        asked = window | ({"variant": variant} if variant else {})
        figure = await ask(client, company, f"/api/kpis/{kpi}", "manager", **asked)
        for side, name in (("numerator", above), ("denominator", below)):
            if name:
                assert figure[side]["value"] == pytest.approx(h(told["hours"][name])), (kpi, name)

    in_csv = from_csv(await ask(client, company, f"{of(company)}/csv", "manager"))
    in_xlsx = from_xlsx(await ask(client, company, "/api/me/timesheet/xlsx", "technician"))
    flat = [
        row
        for day in told["days"]
        for row in (
            *({"row": "line", **line} for line in day["lines"]),
            {"row": "day", **day["hours"]},
        )
    ]
    flat.append({"row": "month", "starts_at": told["from"], "ends_at": told["to"], **told["hours"]})
    for line in flat:
        if line["row"] == "line":
            line[f"{line.pop('kind')}_s"] = line.pop("seconds")
    assert len(in_csv) == len(in_xlsx) == len(flat)
    for said, line, cells in zip(flat, in_csv, in_xlsx, strict=True):
        named = {name.removesuffix(f" ({PARIS})"): value for name, value in cells.items()}
        for name, value in said.items():
            assert same(value, line[name], named[name]), (name, value, line[name], named[name])


async def test_a_month_with_nothing_in_it_has_no_zeros(
    client: httpx.AsyncClient, company: Company
) -> None:
    told = await ask(client, company, "/api/me/timesheet", "technician", month="2025-11")
    assert set(told["hours"].values()) == {None}
    assert (told["null_reason"], told["days"], told["provisional"]) == ("no_exposure", [], None)
    assert (told["from"], told["to"]) == ("2025-10-31T23:00:00Z", "2025-11-30T23:00:00Z")
    (row,) = from_csv(
        await ask(client, company, "/api/me/timesheet/csv", "technician", month="2025-11")
    )
    assert (row["row"], row["work_s"], row["paid_s"]) == ("month", "", "")


async def test_a_month_may_still_move_while_the_technicians_phone_has_not_told_everything(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    clock.now = LATER
    assert (await ask(client, company, of(company), "manager"))["provisional"] is None
    async with database.transaction(company.id) as session:
        order = await job(session, company, "W-1", at(20, 8))
        device = Device(
            tenant_id=company.id,
            user_id=company.users["technician"].id,
            install_id="phone",
            token_hash=b"x" * 32,
            registered_at=at(1, 0),
        )
        visit = Visit(
            tenant_id=company.id,
            work_order_id=order.id,
            technician_id=company.technician.id,
            status="dispatched",
            planned_starts_at=at(20, 10),
            planned_ends_at=at(20, 11),
            created_at=at(20, 8),
        )
        session.add_all([device, visit])
    told = await ask(client, company, of(company), "manager")
    assert told["provisional"] == {"until": None, "because": ["devices_not_synced"]}
    before = await ask(client, company, of(company), "manager", month="2026-02")
    assert before["provisional"] is None


async def test_others_read_a_timesheet_with_the_permission_for_people_and_strangers_never(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    for form in ("", "/csv", "/xlsx"):
        for role, status in (("manager", 200), ("dispatcher", 403), ("technician", 403)):
            answer = await client.get(
                of(company) + form, params={"month": "2026-03"}, headers=company.headers[role]
            )
            assert answer.status_code == status, (form, role)
        for path, headers in (
            (of(stranger) + form, company.headers["manager"]),
            (f"/api/me/timesheet{form}", company.headers["manager"]),
        ):
            answer = await client.get(path, params={"month": "2026-03"}, headers=headers)
            assert answer.status_code == 404, path
    wrong = await client.get(
        of(company), params={"month": "2026-13"}, headers=company.headers["manager"]
    )
    assert wrong.status_code == 422
