"""Many figures of one scope and window over HTTP, and the same ones as a file."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Controller, get
from litestar.params import QueryParameter
from litestar.response import Stream

from fsm.http import CurrentActor, DbSession
from reports import registry, sheets
from reports.asking import (
    ASKING,
    READ,
    Asking,
    By,
    CurrentAsking,
    FieldSeparator,
    Sign,
    check_rows,
    open_answer,
)
from reports.csv_form import DecimalSign, Separator, write_csv
from reports.exports.figures import write_sheet
from reports.exports.sending import WORKBOOK, XLSX, workbook
from reports.questions import Question
from reports.scopes import Cut
from reports.sheets import SheetItem

Kpis = Annotated[
    list[str],
    QueryParameter(
        name="kpi",
        min_items=1,
        max_items=40,
        description="The figures in their order, each with its variant where another than the first is "
        "meant: `sla_response`, `backlog:p90`.",
    ),
]
Money = Annotated[
    str | None,
    QueryParameter(
        name="currency",
        pattern="^[A-Z]{3}$",
        description="Of amounts of money: ISO 4217; the company's own when absent.",
    ),
]
Tongue = Annotated[
    str, QueryParameter(name="language", pattern="^[a-z]{2}$", description="Of the figures' names.")
]


class Sheet(msgspec.Struct, frozen=True):
    """All of it was read in one snapshot."""

    as_of: datetime
    watermark: int
    items: list[SheetItem]


class SheetController(Controller):
    path = "/api/kpi-sheets"
    tags = ["Figures"]
    dependencies = ASKING

    @get("/", opt=READ, summary="Several figures at once, each beside the period before")
    async def read(
        self,
        session: DbSession,
        actor: CurrentActor,
        asking: CurrentAsking,
        kpis: Kpis,
        money: Money = None,
    ) -> Sheet:
        questions = _questions(asking, kpis, money)
        known = await open_answer(session, actor, questions[0])
        return Sheet(
            as_of=questions[0].period.as_of,
            watermark=known.watermark,
            items=await sheets.compare_all(session, actor, known, questions),
        )

    @get(
        "/csv",
        opt=READ,
        media_type="text/csv",
        summary="Several figures at once as CSV, of the whole or by something",
    )
    async def csv(
        self,
        session: DbSession,
        actor: CurrentActor,
        asking: CurrentAsking,
        kpis: Kpis,
        money: Money = None,
        by: By = Cut.TENANT,
        tongue: Tongue = "en",
        separator: FieldSeparator = Separator.COMMA,
        decimal_sign: Sign = DecimalSign.POINT,
    ) -> Stream:
        questions = _questions(asking, kpis, money)
        for question in questions:
            check_rows(actor, question, by)
        known = await open_answer(session, actor, questions[0])
        rows = await sheets.answer_all(session, actor, known, questions, tongue, by)
        return Stream(
            write_csv(rows, separator, decimal_sign),
            media_type="text/csv; charset=utf-8; header=present",
            headers={"Content-Disposition": 'attachment; filename="figures.csv"'},
        )

    @get(
        "/xlsx",
        opt=READ,
        media_type=XLSX,
        responses=WORKBOOK,
        summary="Several figures at once as XLSX, of the whole or by something",
    )
    async def xlsx(
        self,
        session: DbSession,
        actor: CurrentActor,
        asking: CurrentAsking,
        kpis: Kpis,
        money: Money = None,
        by: By = Cut.TENANT,
        tongue: Tongue = "en",
    ) -> Stream:
        questions = _questions(asking, kpis, money)
        for question in questions:
            check_rows(actor, question, by)
        known = await open_answer(session, actor, questions[0])
        rows = await sheets.answer_all(session, actor, known, questions, tongue, by)
        return await workbook("figures", lambda path: write_sheet(path, known, questions, rows))


def _questions(asking: Asking, kpis: list[str], currency: str | None) -> list[Question]:
    found = []
    for one in kpis:
        kpi, _, variant = one.partition(":")
        is_money = registry.find_definition(kpi).unit == registry.MONEY
        found.append(asking.about(kpi, variant or None, currency if is_money else None))
    return found


ROUTES = [SheetController]
