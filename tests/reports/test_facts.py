"""Monthly facts: whatever the window and whatever changed since, they give what the rows give."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import Range
from uuid_utils.compat import uuid7

from fsm import events
from fsm.assets import failures
from fsm.assets.tables import Outage
from fsm.database import Database, Session, enter, run
from reports.facts import Refreshed, refresh_facts
from reports.reliability_sql import TimeSums, time_sums
from reports.rounds import side_by_side
from reports.rows import Period
from reports.scopes import NONE, Cut, Key, Scope
from reports.usable_facts import find_usable
from tests.company import Company
from tests.reports.histories import History, h, histories, store

few = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

LATER = datetime(2027, 1, 20, 15, tzinfo=UTC)
"""When the facts are refreshed: the histories lie in October and November 2026."""


def at(day: int) -> datetime:
    return datetime(2026, 9, 1, tzinfo=UTC) + timedelta(days=day, hours=day % 5)


days = st.integers(0, 150)
windows = st.lists(
    st.tuples(days, days, days).filter(lambda drawn: drawn[0] != drawn[1]), min_size=2, max_size=4
)


@asynccontextmanager
async def opened(database: Database, company: Company) -> AsyncIterator[Session]:
    """Give a transaction, and leave nothing of it behind."""
    async with Session(database.engine, expire_on_commit=False, autoflush=False) as session:
        await enter(session, company.id)
        yield session


Sums = list[dict[Key, TimeSums]]


async def sums(session: Session, company: Company, history: History, periods: list[Period]) -> Sums:
    """Return the time by every kind of key, and under one contract and under none."""
    asked: list[tuple[Cut, Scope]] = [
        (Cut.TENANT, Scope()),
        (Cut.ASSET, Scope()),
        (Cut.CONTRACT, Scope()),
        (Cut.ASSET, Scope(((Cut.CONTRACT, history.contract_ids[0]),))),
        (Cut.TENANT, Scope(((Cut.CONTRACT, NONE),))),
        (Cut.REGION, Scope(((Cut.MODEL, company.model.id),))),
    ]
    return [
        await time_sums(session, company.system, period, scope, cut)
        for period in periods
        for cut, scope in asked
    ]


async def without_facts(
    session: Session, company: Company, history: History, periods: list[Period]
) -> Sums:
    async with session.begin_nested() as savepoint:
        await run(session, "delete from fact_state where tenant_id = :t", t=company.id)
        found = await sums(session, company, history, periods)
        await savepoint.rollback()
    return found


async def _open_and_close(session: Session, company: Company, asset_id: UUID) -> None:
    outage = await failures.open_outage(
        session, company.system, LATER, asset_id=asset_id, from_at=h(-100), cause="planned"
    )
    await failures.close_outage(session, company.system, LATER, outage.id, to_at=h(1_500))


async def _correct(session: Session, company: Company, asset_id: UUID) -> None:
    outage = await failures.open_outage(
        session, company.system, LATER, asset_id=asset_id, from_at=h(-300), cause="external"
    )
    await events.seal(session, company.id, LATER)
    await refresh_facts(session, company.id, LATER)
    corrected = {"from_at": h(700), "to_at": h(900)}
    await failures.edit_outage(session, company.system, LATER, outage.id, outage.rev, corrected)


async def _fail_and_restore(session: Session, company: Company, asset_id: UUID) -> None:
    failure = await failures.record_failure(
        session, company.system, LATER, asset_id=asset_id, detected_at=h(20), failed_at=h(-500)
    )
    await failures.restore_failure(session, company.system, LATER, failure.id, restored_at=h(800))


async def _restore_what_has_no_outage(session: Session, company: Company, asset_id: UUID) -> None:
    failure = await failures.record_failure(
        session,
        company.system,
        LATER,
        asset_id=asset_id,
        detected_at=h(40),
        has_outage=False,
    )
    await events.seal(session, company.id, LATER)
    await refresh_facts(session, company.id, LATER)
    await failures.restore_failure(session, company.system, LATER, failure.id, restored_at=h(1_200))


async def _retire(session: Session, company: Company, asset_id: UUID) -> None:
    """Months after it have no time any more."""
    await run(
        session,
        "update asset set retired_at = greatest(in_service_from + interval '1 hour', :at)"
        " where tenant_id = :t and id = :id",
        t=company.id,
        id=asset_id,
        at=h(500),
    )
    await events.record(session, company.system, "asset.edited", "asset", asset_id, now=LATER)


async def _take_off_contract(session: Session, company: Company, asset_id: UUID) -> None:
    """Its months under the contract go, those under none come."""
    found = await run(
        session,
        "delete from contract_asset where tenant_id = :t and asset_id = :id returning contract_id",
        t=company.id,
        id=asset_id,
    )
    for contract_id in sorted(set(found.scalars())):
        await events.record(
            session,
            company.system,
            "contract.asset_removed",
            "contract",
            contract_id,
            now=LATER,
            asset_id=str(asset_id),
        )


CHANGES = {
    change.__name__: change
    for change in (
        _open_and_close,
        _correct,
        _fail_and_restore,
        _restore_what_has_no_outage,
        _retire,
        _take_off_contract,
    )
}


async def kept(session: Session, company: Company) -> list[tuple[object, ...]]:
    """Return all rows of the facts."""
    rows = await run(
        session,
        "select * from asset_month where tenant_id = :t order by asset_id, contract_id, month_on",
        t=company.id,
    )
    return [tuple(row) for row in rows]


async def kept_anew(session: Session, company: Company) -> list[tuple[object, ...]]:
    """Return all rows of the facts when they are computed from nothing."""
    async with session.begin_nested() as savepoint:
        await run(session, "delete from fact_state where tenant_id = :t", t=company.id)
        await refresh_facts(session, company.id, LATER)
        found = await kept(session, company)
        await savepoint.rollback()
    return found


@few
@given(
    history=histories(),
    drawn=windows,
    changes=st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=3),
)
async def test_facts_give_what_the_rows_give_for_any_window(
    database: Database,
    company: Company,
    history: History,
    drawn: list[tuple[int, int, int]],
    changes: list[str],
) -> None:
    periods = [Period(at(min(a, b)), at(max(a, b)), at(c)) for a, b, c in drawn]
    periods.append(Period(at(0), at(150), at(150)))
    async with opened(database, company) as session:
        await store(session, company, history)
        live = await sums(session, company, history, periods)
        await refresh_facts(session, company.id, LATER)
        assert await sums(session, company, history, periods) == live
        # What an event tells of is read from the rows until the facts have it, sealed or not.
        machine = history.machines[0]
        await failures.open_outage(
            session, company.system, LATER, asset_id=machine.id, from_at=h(50), cause="operational"
        )
        live = await without_facts(session, company, history, periods)
        assert await sums(session, company, history, periods) == live
        await events.seal(session, company.id, LATER)
        assert await sums(session, company, history, periods) == live
        assert await refresh_facts(session, company.id, LATER) == Refreshed(1, 0)
        assert await sums(session, company, history, periods) == live
        # Then one change after another, of the kinds that touch some months and of those that touch all.
        for change in changes:
            await CHANGES[change](session, company, machine.id)
        live = await without_facts(session, company, history, periods)
        await events.seal(session, company.id, LATER)
        await refresh_facts(session, company.id, LATER)
        assert await sums(session, company, history, periods) == live
        assert await kept(session, company) == await kept_anew(session, company)


async def test_a_refresh_computes_what_changed_and_adds_the_months_that_passed(
    database: Database, company: Company
) -> None:
    now = datetime(2026, 3, 20, tzinfo=UTC)
    async with database.transaction(company.id) as session:
        await events.seal(session, company.id, now)
        first = await refresh_facts(session, company.id, now)
        # From January 2025 to February 2026.
        assert (first.assets, first.months) == (1, 14)
        assert await refresh_facts(session, company.id, now) == Refreshed(0, 0)
        assert await refresh_facts(session, company.id, now + timedelta(days=31)) == Refreshed(0, 1)
        counted = (
            "select count(*), min(month_on), max(month_on) from asset_month where tenant_id = :t"
        )
        count, begins, ends = (await run(session, counted, t=company.id)).one()
        # Once whatever the contract, once under the company's contract.
        assert (count, str(begins), str(ends)) == (30, "2025-01-01", "2026-03-01")


async def test_months_that_an_asset_no_longer_has_are_forgotten(
    database: Database, company: Company
) -> None:
    async with opened(database, company) as session:
        await refresh_facts(session, company.id, LATER)
        await run(
            session,
            "update asset set retired_at = :at where tenant_id = :t",
            t=company.id,
            at=datetime(2025, 6, 10, tzinfo=UTC),
        )
        await events.record(
            session, company.system, "asset.edited", "asset", company.asset.id, now=LATER
        )
        await events.seal(session, company.id, LATER)
        assert await refresh_facts(session, company.id, LATER) == Refreshed(1, 0)
        found = await kept(session, company)
        assert found == await kept_anew(session, company)
        # January to June, whatever the contract and under it.
        assert len(found) == 12


async def test_what_an_outage_cannot_have_changed_is_not_computed_again(
    database: Database, company: Company
) -> None:
    now = datetime(2026, 3, 20, tzinfo=UTC)
    async with opened(database, company) as session:
        await refresh_facts(session, company.id, now)
        await run(
            session, "update asset_month set degraded_us = 1 where tenant_id = :t", t=company.id
        )
        begins, ends = datetime(2025, 5, 30, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)
        await failures.open_outage(
            session,
            company.system,
            now,
            asset_id=company.asset.id,
            from_at=begins,
            to_at=ends,
            cause="planned",
        )
        await events.seal(session, company.id, now)
        assert await refresh_facts(session, company.id, now) == Refreshed(1, 0)
        again = await run(
            session,
            "select distinct month_on from asset_month where tenant_id = :t and degraded_us = 0"
            " order by month_on",
            t=company.id,
        )
        # In Paris it went on into July.
        assert [str(month) for month in again.scalars()] == [
            "2025-05-01",
            "2025-06-01",
            "2025-07-01",
        ]


async def test_an_asset_with_every_kind_of_change_is_computed_again(
    database: Database, company: Company
) -> None:
    now = datetime(2026, 3, 20, tzinfo=UTC)
    system, asset = company.system, company.asset
    period = Period(datetime(2025, 6, 1, tzinfo=UTC), now, now)
    async with opened(database, company) as session:

        async def failed_us() -> int:
            (found,) = (await time_sums(session, system, period, Scope(), Cut.ASSET)).values()
            return found.failure

        async def failed_us_by_each_way() -> set[int]:
            """Return what a figure says alone, and beside another one in one statement."""
            beside = await side_by_side(session, [failed_us, failed_us], is_joined=True)
            return {await failed_us(), *beside}

        await refresh_facts(session, company.id, now)
        outage = Outage(
            tenant_id=company.id,
            asset_id=asset.id,
            during=Range(now - timedelta(days=90), now - timedelta(days=80)),
        )
        session.add(outage)
        await session.flush()
        for entity, row_id, data in (
            ("asset", asset.id, {}),
            ("outage", outage.id, {}),
            ("failure", uuid7(), {"asset_id": str(asset.id)}),
            ("contract", company.contract.id, {}),
            ("site", company.site.id, {}),
            ("import", uuid7(), {}),
        ):
            await run(session, "savepoint before")
            await events.record(
                session, system, f"{entity}.edited", entity, row_id, now=now, **data
            )
            assert await failed_us_by_each_way() == {10 * 86_400 * 10**6}, entity
            await events.seal(session, company.id, now)
            assert await failed_us_by_each_way() == {10 * 86_400 * 10**6}, f"{entity}, sealed"
            await run(session, "rollback to savepoint before")
            # Without the event the facts know nothing of the row: so the event is what did it.
            assert await failed_us_by_each_way() == {0}


async def test_a_strangers_facts_are_not_there(
    database: Database, company: Company, stranger: Company
) -> None:
    now = datetime(2026, 3, 20, tzinfo=UTC)
    async with database.transaction(stranger.id) as session:
        await refresh_facts(session, stranger.id, now)
    async with database.transaction(company.id) as session:
        period = Period(datetime(2025, 6, 1, tzinfo=UTC), now, now)
        assert await find_usable(session, company.system, period) is None
        rows = await run(session, "select asset_id from asset_month")
        assert rows.all() == []
