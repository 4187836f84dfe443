"""What the camera wrote into a photo is compared with the visit; doubts are told and stop nothing."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select, update
from uuid_utils.compat import uuid7

from fsm.customers.tables import Site
from fsm.database import Database
from fsm.events import Event
from fsm.work_orders import field_work
from fsm.work_orders.facts import judge
from fsm.work_orders.photo_flags import is_away_from_site, is_outside_visit
from fsm.work_orders.records import Photo
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import DIGEST, JPEG, Job, dispatched_job

NINE = datetime(2026, 3, 23, 9, tzinfo=UTC)
SITE = (48.8566, 2.3522)
DEGREE_M = 111_195.08
"""Metres of one degree of latitude on the sphere."""


@pytest.mark.parametrize(
    ("taken_at", "is_outside"),
    [
        (NINE - timedelta(hours=1), False),
        (NINE - timedelta(hours=1, seconds=1), True),
        (NINE + timedelta(hours=3), False),
        (NINE + timedelta(hours=3, seconds=1), True),
    ],
)
def test_a_photo_may_be_taken_an_hour_around_the_visit(
    taken_at: datetime, is_outside: bool
) -> None:
    assert is_outside_visit(taken_at, NINE, NINE + timedelta(hours=2)) is is_outside


@pytest.mark.parametrize(
    ("away_m", "accuracy_m", "is_away"),
    [(299, 0, False), (301, 0, True), (319, 20, False), (321, 20, True)],
)
def test_a_fix_is_away_beyond_the_radius_and_its_own_inaccuracy(
    away_m: float, accuracy_m: float, is_away: bool
) -> None:
    north = (SITE[0] + away_m / DEGREE_M, SITE[1])
    assert is_away_from_site(SITE, 300, north, accuracy_m) is is_away


def test_a_fix_across_the_date_line_is_near() -> None:
    assert not is_away_from_site((-17.0, 179.9999), 300, (-17.0, -179.9999), 0)


def exif(taken_at: str | None = None, fix: tuple[float, float] | None = None) -> dict[str, Any]:
    where = {"latitude": fix[0], "longitude": fix[1]} if fix else {}
    return {**({"taken_at": taken_at} if taken_at else {}), **where}


ATLANTIC = (59.9, -30.2)
ALL_IS_WELL: list[str] = []
TWO_DAYS = timedelta(days=2)


@pytest.mark.parametrize(
    ("told", "declared", "doubts"),
    [
        pytest.param({}, {}, ALL_IS_WELL, id="nothing told"),
        pytest.param(exif("2026-03-23T09:10:00+01:00", SITE), {}, ALL_IS_WELL, id="all fits"),
        pytest.param(exif("2026-03-21T09:10:00+01:00"), {}, ["exif_time"], id="two days old"),
        pytest.param(
            exif("2026-03-21T09:10:00+01:00"),
            {"clock_offset": TWO_DAYS},
            ALL_IS_WELL,
            id="a phone two days behind",
        ),
        pytest.param(
            exif("2026-03-23T09:10:00+01:00"),
            {"clock_offset": TWO_DAYS},
            ["exif_time"],
            id="a phone two days behind whose photo says today",
        ),
        pytest.param(exif("2026-03-23T09:45:00"), {}, ALL_IS_WELL, id="the site's own time"),
        pytest.param(exif("2026-03-23T07:30:00"), {}, ["exif_time"], id="too early in its time"),
        pytest.param(exif(fix=ATLANTIC), {}, ["exif_position"], id="at sea"),
        pytest.param(
            exif(fix=ATLANTIC), {"position": SITE}, ALL_IS_WELL, id="at sea, the app knows better"
        ),
        pytest.param(
            exif(fix=SITE), {"position": ATLANTIC}, ["exif_position"], id="the app was at sea"
        ),
        pytest.param(
            exif(fix=SITE),
            {"position": ATLANTIC, "accuracy_m": 9e6},
            ALL_IS_WELL,
            id="the app knew nothing",
        ),
        pytest.param(
            exif("2026-03-21T09:10:00+01:00", ATLANTIC),
            {},
            ["exif_time", "exif_position"],
            id="both",
        ),
    ],
)
async def test_doubts_show_in_the_verdict_and_the_job_completes(
    database: Database,
    company: Company,
    clock: Clock,
    told: dict[str, Any],
    declared: dict[str, Any],
    doubts: list[str],
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.do(field_work.start)
    await job.answer_all()
    clock.forward(minutes=30)
    photo_id = await job.declare(**declared)
    await job.bytes_arrive(exif=told)
    await job.do(field_work.finish)
    async with database.transaction(company.id) as session:
        verdict = await judge(session, await job.row())
        events = await session.exec(select(Event).where(Event.kind == "photo.flagged"))
        recorded = [(event.data["photo_id"], event.data["code"]) for event in events]
    assert verdict is not None
    assert sorted(flag.code for flag in verdict.flags) == sorted(doubts)
    assert verdict.unmet == ()
    assert (await job.row()).status == "completed"
    assert recorded == [(str(photo_id), code) for code in doubts]


async def flags(job: Job) -> list[list[str]]:
    async with job.database.transaction(job.company.id) as session:
        photos = await session.exec(
            select(Photo).where(Photo.tenant_id == job.company.id).order_by(col(Photo.id))
        )
        return [[flag["code"] for flag in photo.flags] for photo in photos]


async def test_a_photo_known_before_the_visit_began_is_judged_once_it_has_ended(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await job.bytes_arrive(exif=exif("2026-03-21T09:10:00+01:00"))
    await job.declare()
    assert await flags(job) == [[]]
    await job.do(field_work.start)
    await job.answer_all()
    await job.do(field_work.finish)
    assert await flags(job) == [["exif_time"]]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"radius_m": 50_000}, []),
        ({"latitude": None, "longitude": None}, []),
        ({"radius_m": 10}, ["exif_position"]),
    ],
)
async def test_how_far_a_site_reaches_is_the_offices_to_say(
    database: Database,
    company: Company,
    clock: Clock,
    changes: dict[str, Any],
    expected: list[str],
) -> None:
    async with database.transaction(company.id) as session:
        await session.exec(update(Site).values(**changes))
    job = await dispatched_job(database, company, clock)
    await job.declare(position=(SITE[0] + 0.02, SITE[1]))
    await job.bytes_arrive()
    assert await flags(job) == [expected]


async def test_of_two_visits_that_show_the_same_photo_at_once_one_is_flagged(
    database: Database, company: Company, clock: Clock
) -> None:
    """The first has declared and not yet committed when the second declares."""
    first = await dispatched_job(database, company, clock)
    second = await dispatched_job(database, company, clock)
    declaration: dict[str, Any] = {
        "item": "after",
        "slot": 0,
        "sha256": DIGEST,
        "size": len(JPEG),
        "mime": "image/jpeg",
        "captured_at": clock(),
    }
    async with database.transaction(company.id) as session:
        report = await first.report(session)
        await field_work.declare_photo(report, photo_id=uuid7(), **declaration)
        other = asyncio.create_task(second.declare())
        await asyncio.sleep(0.3)
        assert not other.done()
    await other
    assert sorted(await flags(first)) == [[], ["reused_photo"]]
