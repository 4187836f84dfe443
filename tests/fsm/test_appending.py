"""Rows that are only ever added: as the ORM would write them, all at once, and none that a table refuses."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel, select

from fsm.appending import new_row
from fsm.database import Database, Session
from fsm.work_orders.records import Answer, CostLine, Note, TimeEntry
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job

AT = datetime(2026, 3, 23, 8, tzinfo=UTC)


def facts_of(job: Job, company: Company) -> list[tuple[type[SQLModel], dict[str, Any]]]:
    """Return rows of four tables with a value of every kind that columns have."""
    of_job = {"tenant_id": company.id, "work_order_id": job.id}
    visit = {**of_job, "visit_id": job.visit_id}
    heard = {"received_at": AT, "by": "Ann"}
    answers = [None, True, 1.5, "é\\", [1, {"a": None}]]
    return [
        *(
            (Answer, {**visit, **heard, "item": f"i{n}", "value": value, "answered_at": AT})
            for n, value in enumerate(answers)
        ),
        (Note, {**visit, **heard, "text": 'say "hi", {all}', "written_at": AT}),
        (
            TimeEntry,
            {
                **visit,
                "technician_id": company.technician.id,
                "kind": "work",
                "during": Range(AT, AT.replace(hour=9), bounds="[)"),
                "recorded_at": AT,
            },
        ),
        (
            CostLine,
            {
                **of_job,
                "kind": "labour",
                "quantity": Decimal("0.3333"),
                "unit_cost": Decimal("60.00"),
                "amount": Decimal("20.00"),
                "currency": "EUR",
                "posted_on": AT.date(),
                "source_kind": "time_entry",
                "created_at": AT,
            },
        ),
    ]


async def stored(session: Session, kinds: set[type[SQLModel]]) -> list[str]:
    """Return all rows of some tables without what is each one's own."""
    found: list[SQLModel] = []
    for kind in kinds:
        found += await session.exec(select(kind))
    return sorted(
        repr((type(row), sorted(row.model_dump(exclude={"id"}).items()))) for row in found
    )


async def test_appended_rows_are_those_that_the_orm_would_write(
    database: Database, company: Company, clock: Clock
) -> None:
    facts = facts_of(await dispatched_job(database, company, clock), company)
    kinds = {kind for kind, _ in facts}
    written = []
    for appends in (True, False):
        async with database.transaction(company.id) as session:
            for kind, values in facts:
                if appends:
                    session.append(new_row(kind, **values))
                else:
                    session.add(kind(**values))
            await session.flush()
            session.expunge_all()
            written.append(await stored(session, kinds))
            await session.rollback()
    assert len(written[0]) == len(facts)
    assert written[0] == written[1]


async def test_appended_rows_are_there_after_the_commit_and_a_longer_text_is_refused_not_cut(
    database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    (_, answer), *_ = facts_of(job, company)
    async with database.transaction(company.id) as session:
        session.append(new_row(Answer, **answer))
    with pytest.raises(asyncpg.StringDataRightTruncationError):
        async with database.transaction(company.id) as session:
            session.append(new_row(Answer, **{**answer, "item": "i" * 65}))
    async with database.transaction(company.id) as session:
        assert [one.item for one in await session.exec(select(Answer))] == ["i0"]


def test_a_row_has_only_the_names_of_its_table() -> None:
    with pytest.raises(TypeError, match="Note has no colour"):
        new_row(Note, colour="red")


def test_a_new_row_can_be_changed_though_nothing_was_asked_of_its_table_before() -> None:
    class Apart(SQLModel, registry=registry()):
        pass

    class Page(Apart, table=True):
        id: int = Field(primary_key=True)
        text: str = ""

    page = new_row(Page, id=1)
    page.text = "read"
    assert (page.id, page.text) == (1, "read")
