"""What a roster has to cover, reckoned from a company's own rows, and what its people did this quarter."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from sqlalchemy import update
from sqlmodel import col

from fsm.catalogue.tables import MaintenanceKind
from fsm.database import Database
from fsm.work_orders.tables import Visit, WorkOrder
from scheduler.rosters.demand import reckon
from scheduler.rosters.forecast import ForecastRules, Trade
from scheduler.rosters.hours import hours_of
from scheduler.rosters.inputs import build
from scheduler.rosters.problem import Duties
from scheduler.rosters.rule_set import RuleSet
from scheduler.rosters.tables import DutyState, RosterDuty, RosterPattern, RosterRun, RosterStatus
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.maintenance.upkeep import Desk, add_inspection
from tests.fsm.work_orders.steps import new_job

PARIS = ZoneInfo("Europe/Paris")
MONDAY = date(2026, 4, 6)
LIFT = ("lift", 2)
"""What the company's repairs ask."""
HISTORY = RuleSet(forecast=ForecastRules(headroom_percent=100, presence_below_s=0))


def paris(day: date, clock: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=PARIS).astimezone(UTC)


async def wanted(
    database: Database, company: Company, now: datetime, rule_set: RuleSet, day: int = 0
) -> dict[Trade, dict[int, int]]:
    """Return what is wanted on a day of two weeks: trade → hour of the clock → person-minutes."""
    hours = hours_of(MONDAY, 14, PARIS)
    async with database.transaction(company.id) as session:
        needs = await reckon(
            session, company.system, now, hours=hours, zone=PARIS, rule_set=rule_set
        )
    on = MONDAY + timedelta(days=day)
    by_trade = {
        (need.skill, need.level): {
            hour.hour: minutes
            for hour, minutes in zip(hours, need.minutes, strict=True)
            if hour.on == on and minutes
        }
        for need in needs
    }
    return {trade: by_hour for trade, by_hour in by_trade.items() if by_hour}


async def add_visit(
    database: Database, company: Company, clock: Clock, starts_at: datetime, **fields: Any
) -> None:
    """Add an hour and a half of work to which somebody drove for half an hour."""
    job = await new_job(database, company, clock)
    ends_at = starts_at + timedelta(minutes=90)
    facts = {
        "status": "finished",
        "planned_starts_at": starts_at,
        "planned_ends_at": ends_at,
        "work_started_at": starts_at,
        "finished_at": ends_at,
        "travel_s": 1_800,
    }
    async with database.transaction(company.id) as session:
        session.add(
            Visit(
                tenant_id=company.id,
                work_order_id=job.id,
                technician_id=company.technician.id,
                created_at=starts_at,
                **{**facts, **fields},
            )
        )


async def preventive(database: Database, company: Company, **fields: Any) -> None:
    """Make all work so far preventive."""
    async with database.transaction(company.id) as session:
        await session.exec(
            update(WorkOrder)
            .where(col(WorkOrder.tenant_id) == company.id)
            .values(maintenance=str(MaintenanceKind.PREVENTIVE), **fields)
        )


async def test_past_repairs_are_wanted_again_in_the_hours_of_the_week_they_took(
    database: Database, company: Company, stranger: Company, clock: Clock
) -> None:
    now = paris(MONDAY - timedelta(days=2), "12:00")
    for weeks_back in (1, 2):
        begins = paris(MONDAY - timedelta(weeks=weeks_back), "10:00")
        await add_visit(database, company, clock, begins)
        for status in ("withdrawn", "aborted"):
            await add_visit(database, company, clock, begins, status=status)
        await add_visit(database, stranger, clock, begins)
    assert await wanted(database, company, now, HISTORY) == {LIFT: {9: 30, 10: 60, 11: 30}}
    assert await wanted(database, company, now, HISTORY, day=1) == {}
    await preventive(database, company, status="cancelled")
    assert await wanted(database, company, now, HISTORY) == {}, "only what nobody plans comes again"
    assert await wanted(database, stranger, now, HISTORY) == {LIFT: {9: 30, 10: 60, 11: 30}}


async def test_preventive_work_to_come_is_wanted_at_its_visit_or_until_it_is_due(
    database: Database, company: Company, clock: Clock
) -> None:
    clock.now = now = paris(MONDAY - timedelta(days=3), "12:00")
    await add_visit(
        database, company, clock, paris(MONDAY, "14:00"), status="planned", work_started_at=None
    )
    await preventive(database, company)
    assert await wanted(database, company, now, HISTORY) == {LIFT: {13: 30, 14: 60, 15: 30}}
    unplanned = await new_job(database, company, clock)
    await preventive(database, company)
    async with database.transaction(company.id) as session:
        await session.exec(
            update(WorkOrder)
            .where(col(WorkOrder.tenant_id) == company.id, col(WorkOrder.id) == unplanned.id)
            .values(estimate_s=9 * 3_600, restore_by=paris(MONDAY, "18:00"))
        )
    whole_day = dict.fromkeys(range(8, 17), 60)
    both = {LIFT: whole_day | {13: 90, 14: 120, 15: 90}}
    assert await wanted(database, company, now, HISTORY) == both


async def test_what_plans_make_fall_due_is_wanted_before_it_is_ordered(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    await add_inspection(database, company, clock)
    upkeep = Desk(client, database, company, clock)
    await upkeep.plan(
        trigger="calendar", rule="FREQ=YEARLY", starts_on="2026-04-15", estimate_s=45 * 3_600
    )
    weeks = [await wanted(database, company, clock(), HISTORY, day=day) for day in (4, 7, 11, 12)]
    assert weeks[0] == weeks[3] == {}, "not the week before, and not on a Saturday"
    (by_hour,) = weeks[1].values()
    assert weeks[2] == weeks[1]
    assert by_hour == dict.fromkeys(range(8, 17), 60), "45 hours over the 45 of its week"


async def test_a_promised_response_wants_somebody_while_its_calendar_is_open(
    database: Database, company: Company, clock: Clock
) -> None:
    open_hours = {LIFT: dict.fromkeys(range(9, 18), 60)}
    assert await wanted(database, company, clock(), RuleSet()) == open_hours
    assert await wanted(database, company, clock(), RuleSet(), day=5) == {}
    slow = RuleSet(forecast=ForecastRules(presence_below_s=4 * 3_600 - 1))
    assert await wanted(database, company, clock(), slow) == {}


async def test_what_somebody_did_this_quarter_is_held_against_the_next_roster(
    database: Database, company: Company, clock: Clock
) -> None:
    """The weekend and nights published since 1 April count; March's, and proposals, do not."""
    async with database.transaction(company.id) as session:
        pattern = RosterPattern(
            tenant_id=company.id, code="night", name="Night", starts_min=1_320, ends_min=1_800
        )
        roster = RosterRun(
            tenant_id=company.id,
            starts_on=date(2026, 3, 30),
            weeks=4,
            seconds=1,
            seed=0,
            lead={"fixed": []},
            status=RosterStatus.PUBLISHED,
            requested_at=clock(),
        )
        session.add_all([pattern, roster])
        await session.flush()
        for day, state in (
            ("2026-03-31", DutyState.PUBLISHED),
            ("2026-04-01", DutyState.PUBLISHED),
            ("2026-04-04", DutyState.PUBLISHED),
            ("2026-04-05", DutyState.PUBLISHED),
            ("2026-04-07", DutyState.PROPOSED),
        ):
            on = date.fromisoformat(day)
            session.add(
                RosterDuty(
                    tenant_id=company.id,
                    roster_id=roster.id,
                    technician_id=company.technician.id,
                    worked_on=on,
                    pattern_id=pattern.id,
                    state=state,
                    is_weekend=on.weekday() >= 5,
                    is_night=True,
                    is_undesired=on.weekday() >= 5,
                )
            )
    done = {}
    for starts_on in (date(2026, 4, 13), date(2026, 7, 6)):
        async with database.transaction(company.id) as session:
            horizon = await build(
                session, company.system, starts_on=starts_on, weeks=2, fixed=[], now=clock()
            )
        (boris,) = [
            one for one in horizon.problem.technicians if one.id == str(company.technician.id)
        ]
        done[starts_on.month] = boris.done
    assert done == {4: Duties(weekends=1, nights=3, undesired=2), 7: Duties()}
