"""Time between failures by the counter: the SQL against the rule, and both against a walk hour by hour."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsm.assets.tables import Meter, MeterReading
from fsm.database import Database, Session, enter
from fsm.intervals import HOUR, micros
from reports import queries
from reports.formulae import meters
from reports.questions import Known, Question
from reports.registry import find_definition
from reports.rows import Period
from reports.scopes import Cut, Scope
from tests.company import Company
from tests.reports.histories import h
from tests.reports.plant import failure, machine

ROLLOVER = 1_000
KNOWN = Known("Europe/Paris", "EUR", 1, 0, 0)
WEEK = 7 * 24

hours = st.integers(-2 * WEEK, 4 * WEEK)
shown = st.tuples(hours, st.integers(0, ROLLOVER), st.sampled_from(["", "", "reset", "rollover"]))


@dataclass(frozen=True)
class Counted:
    """An asset as drawn: in service from an hour on, readings (hour, value, kind), failures by the hour."""

    since: int
    readings: list[tuple[int, int, str]]
    failures: list[int]

    def steps(self, as_of: int) -> list[tuple[int, int, Fraction]]:
        """Return (from hour, to hour, hours run) of each pair of readings known by then."""
        known = sorted(one for one in self.readings if one[0] <= as_of)
        found = []
        for (begin, before, _), (end, value, kind) in pairwise(known):
            ran = {"reset": value, "rollover": ROLLOVER - before + value}.get(kind, value - before)
            found.append((begin, end, Fraction(max(ran, 0))))
        return found

    def walk(self, first: int, last: int, as_of: int) -> Fraction | None:
        """Return how far the counter ran, added up hour by hour; None without two readings."""
        steps = self.steps(as_of)
        if not steps:
            return None
        rates = [ran / (end - begin) for begin, end, ran in steps]
        read_from, read_to = steps[0][0], steps[-1][1]
        duty = sum((ran for _, _, ran in steps), Fraction(0)) / (read_to - read_from)
        total = Fraction(0)
        for hour in range(max(first, self.since), min(last, as_of)):
            if hour < read_from - WEEK or hour >= read_to + WEEK:
                total += duty
            elif hour < read_from:
                total += rates[0]
            elif hour >= read_to:
                total += rates[-1]
            else:
                total += next(
                    rate
                    for (begin, end, _), rate in zip(steps, rates, strict=True)
                    if begin <= hour < end
                )
        return total


counted = st.builds(
    Counted,
    since=hours,
    readings=st.lists(shown, max_size=6, unique_by=lambda one: one[0]),
    failures=st.lists(hours, max_size=3, unique=True),
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    drawn=st.lists(counted, min_size=1, max_size=3),
    span=st.tuples(hours, st.integers(1, 3 * WEEK), hours),
)
async def test_the_counters_of_each_asset_ran_as_far_in_sql_as_in_the_rule_and_hour_by_hour(
    database: Database, company: Company, drawn: list[Counted], span: tuple[int, int, int]
) -> None:
    first, lasts, as_of = span
    last = first + lasts
    period = Period(h(first), h(last), h(as_of))
    async with Session(database.engine, expire_on_commit=False, autoflush=False) as session:
        await enter(session, company.id)
        assets = [machine(company, f"M-{n}", h(one.since)) for n, one in enumerate(drawn)]
        session.add_all(assets)
        await session.flush()
        for asset, one in zip(assets, drawn, strict=True):
            meter = Meter(
                tenant_id=company.id,
                asset_id=asset.id,
                code="h",
                name="Hours",
                unit="h",
                rollover_at=Decimal(ROLLOVER),
            )
            session.add_all([meter, *(failure(asset, h(at)) for at in one.failures)])
            await session.flush()
            session.add_all(
                MeterReading(
                    tenant_id=company.id,
                    meter_id=meter.id,
                    read_at=h(at),
                    value=Decimal(value),
                    is_reset=kind == "reset",
                    is_rollover=kind == "rollover",
                )
                for at, value, kind in one.readings
            )
        await session.flush()
        definition = find_definition("mtbf")
        question = Question(
            definition,
            definition.variant("meter"),
            Scope(((Cut.MODEL, company.model.id),)),
            period,
        )
        rows = await queries.table(session, company.system, KNOWN, question, Cut.ASSET)
    found = {row.key: row.result for row in rows}
    for asset, one in zip(assets, drawn, strict=True):
        result, walked = found[asset.id], one.walk(first, last, as_of)
        ran = meters.ran(
            [
                meters.Reading(h(at), int(us * HOUR))
                for at, us in [
                    *((begin, Fraction(0)) for begin, _, _ in one.steps(as_of)[:1]),
                    *((end, ran) for _, end, ran in one.steps(as_of)),
                ]
            ],
            _exposed(period, one),
        )
        assert (ran is None) == (walked is None)
        within = [at for at in one.failures if first <= at < max(first, min(last, as_of))]
        if walked is None or ran is None:
            assert (result.value, result.n) == (None, 0)
            assert result.excluded["no_meter"] == 1 + len(within)
            continue
        within = [at for at in within if at >= one.since]
        assert ran.us / HOUR == walked
        assert result.n == len(within)
        told = None if result.numerator is None else result.numerator.value
        assert float(told or 0) == pytest.approx(float(walked), rel=1e-9, abs=1e-9)
        if within and walked:
            assert result.value == pytest.approx(float(walked) / len(within), rel=1e-9)


def _exposed(period: Period, one: Counted) -> tuple[tuple[int, int], ...]:
    begins, ends = period.seen()
    begins = max(begins, micros(h(one.since)))
    return ((begins, ends),) if begins < ends else ()


def test_a_rollover_a_reset_and_a_slip_by_hand() -> None:
    """900 → 100 over the rollover: 200; reset to 30: 30; 20 without a word: nothing. 230 h in 30."""
    one = Counted(0, [(0, 900, ""), (10, 100, "rollover"), (20, 30, "reset"), (30, 20, "")], [])
    assert one.walk(0, 30, 30) == 230
    assert one.walk(5, 15, 30) == 100 + 15
    assert one.walk(0, 30, 10) == 200
    assert h(30) - h(0) == timedelta(hours=30)
