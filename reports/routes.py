"""Figures over HTTP: what there is, one figure, a table of them as JSON or CSV, and where they come from."""

from datetime import datetime

import msgspec
from litestar import Controller, get
from litestar.response import Stream

from fsm import http
from fsm.http import CurrentActor, DbSession
from fsm.tenants.queries import find_own_tenant
from reports import lineage, queries, registry
from reports.asking import (
    ASKING,
    READ,
    By,
    CurrentAsking,
    CurrentQuestion,
    FieldSeparator,
    Sign,
    check_rows,
    open_answer,
    page_of,
)
from reports.candidates import Candidate
from reports.csv_form import DecimalSign, Separator, write_csv
from reports.exports.figures import write_figures
from reports.exports.sending import WORKBOOK, XLSX, workbook
from reports.registry import Definition
from reports.results import Result
from reports.scopes import write_key
from reports.sheet_routes import SheetController
from reports.study_routes import RowView, StudyController


class DefinitionView(msgspec.Struct, frozen=True):
    """A definition; `variants` begin with the one that is meant when none is named."""

    kpi: str
    definition: int
    unit: str
    formula: str
    variants: list[str]
    cuts: list[str]
    names: dict[str, str]
    docs: dict[str, str]
    needs: list[str]

    @classmethod
    def of(cls, definition: Definition) -> "DefinitionView":
        return cls(
            definition.kpi,
            definition.version,
            definition.unit,
            definition.formula,
            list(definition.variants),
            [str(cut) for cut in definition.cuts],
            dict(definition.names),
            dict(definition.docs),
            [str(permission) for permission in definition.needs],
        )


class Registry(msgspec.Struct, frozen=True):
    """`zone` and `currency` are the company's: its days are those of that zone."""

    zone: str
    currency: str
    items: list[DefinitionView]


class Meanings(msgspec.Struct, frozen=True):
    """What may be meant by one word, each figure under its own name."""

    kpi: str
    detail: dict[str, str]
    meanings: list[Result]


class Table(msgspec.Struct, frozen=True):
    kpi: str
    definition: int
    by: str
    as_of: datetime
    watermark: int
    items: list[RowView]
    next: str | None


class LineagePage(msgspec.Struct, frozen=True):
    """Candidates in order of kind and id; `labels` name their assets and jobs, by id."""

    kpi: str
    definition: int
    as_of: datetime
    watermark: int
    items: list[Candidate]
    labels: dict[str, queries.Label]
    next: str | None


class KpiController(Controller):
    path = "/api/kpis"
    tags = ["Figures"]
    dependencies = ASKING

    @get("/", opt=READ, summary="Which figures there are, and how each is computed")
    async def browse(self, session: DbSession, actor: CurrentActor) -> Registry:
        tenant = await find_own_tenant(session, actor.tenant_id)
        return Registry(
            tenant.zone,
            tenant.currency,
            [DefinitionView.of(definition) for definition in registry.DEFINITIONS],
        )

    @get("/mttr", opt=READ, summary="The figures that people mean by MTTR, each under its own name")
    async def mttr(
        self, session: DbSession, actor: CurrentActor, asking: CurrentAsking
    ) -> Meanings:
        questions = [asking.about(kpi) for kpi in registry.MTTR_MEANINGS]
        known = await open_answer(session, actor, questions[0])
        return Meanings(
            registry.MTTR,
            dict(registry.MTTR_SAID),
            await queries.answers(session, actor, known, questions),
        )

    @get("/{kpi:str}", opt=READ, summary="One figure")
    async def read(
        self, session: DbSession, actor: CurrentActor, question: CurrentQuestion
    ) -> Result:
        known = await open_answer(session, actor, question)
        return await queries.answer(session, actor, known, question)

    @get(
        "/{kpi:str}/table",
        opt=READ,
        summary="A figure per asset, contract, site, region, customer … or month",
    )
    async def table(
        self,
        session: DbSession,
        actor: CurrentActor,
        question: CurrentQuestion,
        page: http.Page,
        by: By,
    ) -> Table:
        check_rows(actor, question, by)
        known = await open_answer(session, actor, question)
        rows = await queries.table(session, actor, known, question, by, page_of(page, by))
        return Table(
            kpi=question.definition.kpi,
            definition=question.definition.version,
            by=str(by),
            as_of=question.period.as_of,
            watermark=known.watermark,
            items=[RowView.of(row) for row in rows],
            next=write_key(rows[-1].key) if page.is_full(rows) else None,
        )

    @get(
        "/{kpi:str}/table.csv",
        opt=READ,
        media_type="text/csv",
        summary="The whole table as CSV, for spreadsheets",
    )
    async def table_csv(
        self,
        session: DbSession,
        actor: CurrentActor,
        question: CurrentQuestion,
        by: By,
        separator: FieldSeparator = Separator.COMMA,
        decimal_sign: Sign = DecimalSign.POINT,
    ) -> Stream:
        check_rows(actor, question, by)
        known = await open_answer(session, actor, question)
        rows = await queries.table(session, actor, known, question, by)
        return Stream(
            write_csv(rows, separator, decimal_sign),
            media_type="text/csv; charset=utf-8; header=present",
            headers={
                "Content-Disposition": f'attachment; filename="{question.definition.kpi}.csv"'
            },
        )

    @get(
        "/{kpi:str}/table.xlsx",
        opt=READ,
        media_type=XLSX,
        responses=WORKBOOK,
        summary="The whole table as XLSX",
    )
    async def table_xlsx(
        self, session: DbSession, actor: CurrentActor, question: CurrentQuestion, by: By
    ) -> Stream:
        check_rows(actor, question, by)
        known = await open_answer(session, actor, question)
        rows = await queries.table(session, actor, known, question, by)
        return await workbook(
            question.definition.kpi, lambda path: write_figures(path, known, question, rows)
        )

    @get(
        "/{kpi:str}/lineage",
        opt=READ,
        summary="What a figure counted, and what it left out and why",
    )
    async def lineage(
        self, session: DbSession, actor: CurrentActor, question: CurrentQuestion, page: http.Page
    ) -> LineagePage:
        place = lineage.read_place(question, page.after)
        known = await open_answer(session, actor, question)
        found = await lineage.list_candidates(session, actor, known, question, place, page.limit)
        return LineagePage(
            kpi=question.definition.kpi,
            definition=question.definition.version,
            as_of=question.period.as_of,
            watermark=known.watermark,
            items=found,
            labels=await queries.candidate_labels(session, actor, found),
            next=f"{found[-1].kind}:{found[-1].id}" if page.is_full(found) else None,
        )


ROUTES = [KpiController, StudyController, SheetController]
