"""Figures about work: their SQL against the pure rules, on one drawn month in a real database."""

from collections.abc import Callable

import pytest
from sqlmodel import select

from fsm.contracts.service_hours import ClockState
from fsm.database import Database, Session, enter, run
from fsm.work_orders.clocks import readings_at
from fsm.work_orders.tables import Clock
from reports import queries
from reports.candidates import Candidate
from reports.formulae import Promise, outcomes, people, sla_business_hours, sla_share, work
from reports.lineage import Place, list_candidates
from reports.questions import Known, Question
from reports.registry import DEFINITIONS, find_definition
from reports.results import Figure, Result
from reports.rows import Period
from reports.scopes import Cut, Scope
from tests.company import Company
from tests.reports.working_life import Drawing, WorkingLife, h

KNOWN = Known("Europe/Paris", "EUR", 1, 0, 0)

EVERYTHING = Scope()

PERIODS = [
    Period(h(0), h(60 * 24), h(200 * 24)),
    Period(h(7 * 24), h(30 * 24), h(40 * 24)),
    Period(h(10 * 24), h(50 * 24), h(30 * 24)),
    Period(h(90 * 24), h(91 * 24), h(80 * 24)),
]

Rule = Callable[[WorkingLife, Period], Figure]

RULES: dict[tuple[str, str | None], Rule] = {
    ("first_time_fix", None): lambda life, period: outcomes.first_time_fix(life.repairs, period),
    ("repeat", None): lambda life, period: outcomes.repeat(life.repairs, period),
    ("on_time", None): lambda life, period: work.on_time(life.visits, period),
    ("pm_compliance", None): lambda life, period: work.pm_compliance(life.occurrences, period),
    ("fcr", None): lambda life, period: work.first_contact(life.contacts, period),
    ("utilisation", "share"): lambda life, period: people.utilisation(_people(life), period),
    ("utilisation", "overtime"): lambda life, period: people.overtime(_people(life), period),
    ("wrench", None): lambda life, period: people.wrench(_people(life), period),
    ("travel", "share"): lambda life, period: people.travel(_people(life), period),
    ("rework", None): lambda life, period: work.rework(life.worked, period),
    ("pm_ratio", None): lambda life, period: work.preventive_share(life.worked, period),
    ("adherence", "visits"): lambda life, period: work.adherence(life.plans, period),
    ("reopen", None): lambda life, period: work.reopen(life.jobs, period),
    **{
        ("backlog", variant): lambda life, period, variant=variant: work.backlog(life.jobs, period)[
            variant
        ]
        for variant in ("count", "p50", "p90", "hours")
    },
}

SITES = {"adherence": "planning_site", "reopen": "reopening_site", "backlog": "reopening_site"}
"""Figures whose rule was given one site's rows only."""


def scope_of(kpi: str, life: WorkingLife) -> Scope:
    if Cut.SITE not in find_definition(kpi).cuts:
        return EVERYTHING
    return Scope(((Cut.SITE, getattr(life, SITES.get(kpi, "own_site"))),))


def _people(life: WorkingLife) -> list[people.Person]:
    return list(life.people.values())


def ask(kpi: str, variant: str | None, period: Period, scope: Scope = EVERYTHING) -> Question:
    definition = find_definition(kpi)
    return Question(definition, definition.variant(variant), scope, period)


def close(number: object) -> object:
    return None if number is None else pytest.approx(float(str(number)), rel=1e-9)


def must_agree(found: Result, expected: Figure, name: object) -> None:
    assert (found.n, found.excluded) == (expected.n, expected.excluded), name
    assert found.value == close(expected.value), name
    assert found.null_reason == expected.null_reason, name
    if expected.numerator is not None:
        assert found.numerator is not None
        assert found.numerator.value == close(expected.numerator.value), name
    assert [note for note in found.notes if not note.startswith("variant:")] == list(
        expected.notes
    ), name
    if expected.interval is not None:
        assert found.interval is not None
        assert (found.interval.low, found.interval.high) == (
            close(expected.interval.low),
            close(expected.interval.high),
        ), name


async def must_list_itself(session: Session, company: Company, question: Question) -> None:
    """Every candidate once, and their shares add up to both sides."""
    result = await queries.answer(session, company.system, KNOWN, question)
    listed: list[Candidate] = []
    place: Place | None = None
    while page := await list_candidates(session, company.system, KNOWN, question, place, 50):
        listed += page
        place = Place(page[-1].kind, page[-1].id)
    assert len({each.id for each in listed}) == len(listed)
    out = sorted(each.excluded for each in listed if each.excluded)
    assert out == sorted(reason for reason, n in result.excluded.items() for _ in range(n))
    for side, name in ((result.numerator, "numerator"), (result.denominator, "denominator")):
        if side is not None:
            total = sum(getattr(each, name) for each in listed)
            assert float(total) == close(side.value), (question.definition.kpi, name)


async def test_sql_and_rules_agree_on_a_drawn_month(database: Database, company: Company) -> None:
    async with Session(database.engine, expire_on_commit=False, autoflush=False) as session:
        await enter(session, company.id)
        life = await Drawing(session, company, 7).live()
        for (kpi, variant), rule in RULES.items():
            for number, period in enumerate(PERIODS):
                question = ask(kpi, variant, period, scope_of(kpi, life))
                found = await queries.answer(session, company.system, KNOWN, question)
                must_agree(found, rule(life, period), (kpi, variant, number))
            question = ask(kpi, variant, PERIODS[1], scope_of(kpi, life))
            await must_list_itself(session, company, question)
        await clocks_must_agree(session, company, life)
        for scope in (
            EVERYTHING,
            Scope(((Cut.SITE, life.clock_site),)),
            Scope(((Cut.ASSET, company.asset.id),)),
            Scope(((Cut.CONTRACT, company.contract.id), (Cut.CUSTOMER, company.customer.id))),
        ):
            await together_as_alone(session, company, scope)
        await contract_must_be_its_row(session, company)


async def together_as_alone(session: Session, company: Company, scope: Scope) -> None:
    """Figures that are asked for at once are those that are asked for one after the other."""
    asked = [
        ask(definition.kpi, variant, PERIODS[1], scope)
        for definition in DEFINITIONS
        if all(cut in definition.cuts for cut, _ in scope.parts)
        for variant in definition.variants or (None,)
        if variant != "weeks"
    ]
    assert len(asked) > 20
    together = await queries.answers(session, company.system, KNOWN, asked)
    for question, found in zip(asked, together, strict=True):
        assert found == await queries.answer(session, company.system, KNOWN, question)


async def contract_must_be_its_row(session: Session, company: Company) -> None:
    """What is read at the places of one contract alone is what the table over all contracts says of it."""
    scope = Scope(((Cut.CONTRACT, company.contract.id),))
    for on_asset in (False, True):
        await run(session, _UNDER_CONTRACT, t=company.id, c=company.contract.id, on_asset=on_asset)
        for kpi in ("first_time_fix", "repeat", "reopen", "on_time", "backlog"):
            every = ask(kpi, None, PERIODS[1], EVERYTHING)
            rows = await queries.table(session, company.system, KNOWN, every, Cut.CONTRACT)
            [row] = [row for row in rows if row.key == company.contract.id]
            found = await queries.answer(
                session, company.system, KNOWN, ask(kpi, None, PERIODS[1], scope)
            )
            assert found.n > 0
            assert found == row.result, (kpi, on_asset)


_UNDER_CONTRACT = """
update work_order set contract_id = :c, reopened_at = work_done_at, closed_at = work_done_at
where tenant_id = :t and (asset_id is not null) = :on_asset
"""


async def clocks_must_agree(session: Session, company: Company, life: WorkingLife) -> None:
    """What SQL reads of a clock is what the rule of service hours reads of its history."""
    clocks = list(await session.exec(select(Clock)))
    for kind in ("response", "restoration", "statutory"):
        ids = [clock.id for clock in clocks if clock.kind == kind]
        for number, period in enumerate(PERIODS):
            read = await readings_at(session, company.system, ids, period.as_of)
            promises = [
                Promise(f"{clock.id}/{n}", reading)
                for clock, readings in read
                for n, reading in enumerate(readings)
                if reading.state is not ClockState.NOT_STARTED
            ]
            expected = sla_share(promises, period)
            scope = Scope(((Cut.SITE, life.clock_site),))
            question = ask(f"sla_{kind}", "share", period, scope)
            found = await queries.answer(session, company.system, KNOWN, question)
            must_agree(found, expected, (kind, number))
            assert found.extremes == expected.extremes
            hours = sla_business_hours(promises, period)
            for place, variant in enumerate(("p50", "p90")):
                question = ask(f"sla_{kind}", variant, period, scope)
                found = await queries.answer(session, company.system, KNOWN, question)
                assert found.value == (
                    None if hours is None else pytest.approx(hours[place], abs=1e-3)
                )
        await must_list_itself(session, company, ask(f"sla_{kind}", "share", PERIODS[1]))
