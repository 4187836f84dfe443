"""The SQL of the registry against the pure rules, on the same random rows in a real database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from fsm.assets import tables
from fsm.database import Database, Session, enter
from reports import formulae, queries
from reports.candidates import Candidate
from reports.formulae import Availability, TimeBase
from reports.lineage import Place, list_candidates
from reports.questions import Known, Question
from reports.registry import find_definition
from reports.results import Figure, Result
from reports.rows import Asset, Failure, Period
from reports.scopes import NONE, Cut, Scope
from tests.company import Company
from tests.reports.histories import History, histories, outside_contract, store

KNOWN = Known("Europe/Paris", "EUR", 1, 0, 0)

few = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def ask(kpi: str, variant: str | None, scope: Scope, history: History) -> Question:
    definition = find_definition(kpi)
    return Question(definition, definition.variant(variant), scope, history.period)


def rule(
    kpi: str, variant: Any, assets: Sequence[Asset], failures: list[Failure], history: History
) -> Figure:
    """Return what the pure rule says."""
    period = history.period
    match kpi:
        case "mtbf":
            return formulae.mtbf(assets, failures, period, TimeBase(variant))
        case "availability":
            return formulae.availability(assets, period, Availability(variant))
        case "mdt":
            return formulae.mean_downtime(assets, period)
        case "downtime":
            return formulae.downtime(assets, period)[variant]
        case _:
            found = formulae.restoration(outside_contract(failures, assets), period)
            return {"mean": found.mean, "p50": found.p50, "p90": found.p90}[variant]


def close(number: Any) -> Any:
    return None if number is None else pytest.approx(float(number), rel=1e-12, abs=1e-12)


def must_agree(found: Result, expected: Figure) -> None:
    assert found.value == close(expected.value)
    assert (found.n, found.null_reason) == (expected.n, expected.null_reason)
    assert found.excluded == expected.excluded
    for ours, theirs in (
        (found.numerator, expected.numerator),
        (found.denominator, expected.denominator),
    ):
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            assert (ours.value, ours.unit) == (close(theirs.value), theirs.unit)
    assert (found.interval is None) == (expected.interval is None)
    if found.interval is not None and expected.interval is not None:
        assert found.interval.low == close(expected.interval.low)
        assert found.interval.high == close(expected.interval.high)
        assert found.interval.method == expected.interval.method
    assert set(expected.notes) <= set(found.notes)


ASKED = [
    *(("mtbf", variant) for variant in ("operating", "calendar")),
    *(("availability", variant) for variant in ("operational", "planned_out")),
    *(("downtime", each) for each in ("total", "failure", "operational", "planned", "degraded")),
    ("mdt", None),
    *(("restoration", variant) for variant in ("mean", "p50", "p90")),
]


@asynccontextmanager
async def stored(database: Database, company: Company, history: History) -> AsyncIterator[Session]:
    """Give a transaction with the history in it, and leave nothing of it behind."""
    async with Session(database.engine, expire_on_commit=False, autoflush=False) as session:
        await enter(session, company.id)
        await store(session, company, history)
        yield session


@few
@given(history=histories())
async def test_tables_by_asset_and_contract_equal_the_rules(
    database: Database, company: Company, history: History
) -> None:
    async with stored(database, company, history) as session:
        for kpi, variant in ASKED:
            await by_asset(session, company, history, kpi, variant)
            await by_contract(session, company, history, kpi, variant)


async def by_asset(
    session: Session, company: Company, history: History, kpi: str, variant: Any
) -> None:
    question = ask(kpi, variant, Scope(((Cut.CUSTOMER, company.customer.id),)), history)
    rows = await queries.table(session, company.system, KNOWN, question, Cut.ASSET)
    found = {row.key: row.result for row in rows}
    assert set(found) == {company.asset.id, *(machine.id for machine in history.machines)}
    for machine in history.machines:
        assets, failures = [history.asset(machine)], history.failures([machine])
        must_agree(found[machine.id], rule(kpi, variant, assets, failures, history))
        own = ask(kpi, variant, Scope(((Cut.ASSET, machine.id),)), history)
        alone = await queries.answer(session, company.system, KNOWN, own)
        same = replace(found[machine.id], scope=alone.scope, lineage=alone.lineage)
        assert alone == same


async def by_contract(
    session: Session, company: Company, history: History, kpi: str, variant: Any
) -> None:
    """Each contract of the history, and what is on none, over the history's own assets."""
    question = ask(kpi, variant, Scope(((Cut.MODEL, company.model.id),)), history)
    rows = await queries.table(session, company.system, KNOWN, question, Cut.CONTRACT)
    found = {row.key: row.result for row in rows}
    for number, contract_id in enumerate(history.contract_ids):
        on = [
            (machine, cover)
            for machine in history.machines
            if (cover := history.covers(machine, number))
        ]
        if history.frame == number:
            continue  # it is on the company's own asset as well
        if not on:
            assert contract_id not in found
            continue
        assets = [history.asset(machine, cover) for machine, cover in on]
        failures = history.failures(machine for machine, _ in on)
        must_agree(found[contract_id], rule(kpi, variant, assets, failures, history))
        own = ask(kpi, variant, Scope(((Cut.CONTRACT, contract_id),)), history)
        alone = await queries.answer(session, company.system, KNOWN, own)
        assert alone.value == found[contract_id].value
        assert alone.excluded == found[contract_id].excluded
    for machine in history.machines:
        scope = Scope(((Cut.ASSET, machine.id), (Cut.CONTRACT, NONE)))
        off = await queries.answer(
            session, company.system, KNOWN, ask(kpi, variant, scope, history)
        )
        assets = [history.asset(machine, history.off_contract(machine))]
        must_agree(off, rule(kpi, variant, assets, history.failures([machine]), history))


@few
@given(history=histories())
async def test_figures_of_one_asset_asked_for_together_are_those_asked_for_alone(
    database: Database, company: Company, history: History
) -> None:
    """Together they read the faults of their window once, each its own of them."""
    async with stored(database, company, history) as session:
        for machine in history.machines:
            scope = Scope(((Cut.ASSET, machine.id),))
            asked = [ask(kpi, variant, scope, history) for kpi, variant in (*ASKED, ("mrt", None))]
            together = await queries.answers(session, company.system, KNOWN, asked)
            for question, found in zip(asked, together, strict=True):
                assert found == await queries.answer(session, company.system, KNOWN, question)


async def test_a_fault_from_before_the_window_counts_where_it_ended_beside_other_figures(
    database: Database, company: Company
) -> None:
    now = datetime(2026, 3, 20, tzinfo=UTC)
    period = Period(now - timedelta(days=20), now, now)
    scope = Scope(((Cut.ASSET, company.asset.id),))
    async with Session(database.engine, expire_on_commit=False, autoflush=False) as session:
        await enter(session, company.id)
        session.add(
            tables.Failure(
                tenant_id=company.id,
                asset_id=company.asset.id,
                detected_at=now - timedelta(days=40),
                restored_at=now - timedelta(days=10),
            )
        )
        await session.flush()
        definitions = [find_definition(kpi) for kpi in ("restoration", "mrt", "mtbf")]
        asked = [Question(each, each.variant(None), scope, period) for each in definitions]
        found = await queries.answers(session, company.system, KNOWN, asked)
        assert [each.n for each in found] == [1, 1, 0]


@few
@given(history=histories())
async def test_lineage_lists_every_candidate_once_and_its_shares_add_up(
    database: Database, company: Company, history: History
) -> None:
    async with stored(database, company, history) as session:
        scope = Scope(((Cut.CONTRACT, history.contract_ids[0]),))
        for kpi, variant in [*ASKED, ("mrt", None), ("mart", None)]:
            question = ask(kpi, variant, scope, history)
            result = await queries.answer(session, company.system, KNOWN, question)
            shares: list[Candidate] = []
            place: Place | None = None
            while page := await list_candidates(session, company.system, KNOWN, question, place, 3):
                shares += page
                place = Place(page[-1].kind, page[-1].id)
            names = [(share.kind, share.id) for share in shares]
            assert len(set(names)) == len(names)
            left_out = [share.excluded for share in shares if share.excluded]
            assert sorted(left_out) == sorted(
                reason for reason, n in result.excluded.items() for _ in range(n)
            )
            above = sum(share.numerator for share in shares)
            below = sum(share.denominator for share in shares)
            if result.numerator is not None:
                assert above == close(result.numerator.value)
            if result.denominator is not None:
                assert below == close(result.denominator.value)


@few
@given(history=histories())
async def test_faults_still_open_stand_in_the_notes(
    database: Database, company: Company, history: History
) -> None:
    async with stored(database, company, history) as session:
        question = ask("restoration", "mean", Scope(), history)
        found = await queries.answer(session, company.system, KNOWN, question)
        ages = formulae.restoration(history.failures(history.machines), history.period).open_ages_h
        notes = {note.partition(":")[0]: note.partition(":")[2] for note in found.notes}
        assert int(notes.get("open_faults", 0)) == len(ages)
        assert float(notes.get("oldest_open_h", 0)) == close(max(ages, default=0))
