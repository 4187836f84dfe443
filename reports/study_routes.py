"""Figures beside each other over HTTP: the period before, trends of failures, people in a funnel."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Controller, get
from litestar.params import FromPath, QueryParameter

from fsm import http
from fsm.actors import Permission
from fsm.http import CurrentActor, DbSession, needs
from reports import queries, studies
from reports.asking import (
    ASKING,
    READ,
    By,
    CurrentAsking,
    CurrentQuestion,
    Variant,
    check_rows,
    open_answer,
    page_of,
)
from reports.questions import Answered, Asked
from reports.results import Result
from reports.scopes import Cut, write_key
from reports.studies import ChanceBucket, Comparison, FunnelPoint, TrendView

MTBF = "mtbf"
CALIBRATION = "calibration"

Ordered = Annotated[
    queries.Order, QueryParameter(description="By the value, or by how much was counted.")
]


class Trends(msgspec.Struct, frozen=True):
    """Trends in the order of keys; `next` goes on where there are more."""

    by: str
    as_of: datetime
    watermark: int
    items: list[TrendView]
    next: str | None


class RowView(msgspec.Struct, frozen=True):
    """One row of a table. `key` is an id, or `none` for what belongs to nothing of the kind."""

    key: str
    number: str
    name: str
    result: Result

    @classmethod
    def of(cls, row: Answered) -> "RowView":
        return cls(write_key(row.key), row.number, row.name, row.result)


class Largest(msgspec.Struct, frozen=True):
    """The largest rows first; `of` rows add something to `whole`, the figure over all of them."""

    kpi: str
    definition: int
    by: str
    order: str
    as_of: datetime
    watermark: int
    whole: Result
    of: int
    items: list[RowView]


class Calibration(msgspec.Struct, frozen=True):
    """Promises by tenth of their stated chance; tenths without any are left out."""

    definition: int
    as_of: datetime
    watermark: int
    items: list[ChanceBucket]


class Funnel(msgspec.Struct, frozen=True):
    """`share` is that over all people; they are in no order of merit."""

    kpi: str
    definition: int
    share: float | None
    as_of: datetime
    watermark: int
    items: list[FunnelPoint]


class StudyController(Controller):
    path = "/api/kpis"
    tags = ["Figures"]
    dependencies = ASKING

    @get("/{kpi:str}/comparison", opt=READ, summary="One figure beside that of the period before")
    async def comparison(
        self, session: DbSession, actor: CurrentActor, question: CurrentQuestion
    ) -> Comparison:
        known = await open_answer(session, actor, question)
        return await studies.compare(session, actor, known, question)

    @get(
        "/{kpi:str}/largest",
        opt=READ,
        summary="The rows of a table that add most: the worst assets, the dearest contracts",
    )
    async def largest(
        self,
        session: DbSession,
        actor: CurrentActor,
        question: CurrentQuestion,
        by: By,
        order: Ordered = queries.Order.VALUE,
        limit: Annotated[int, QueryParameter(ge=1, le=100, description="How many rows.")] = 20,
    ) -> Largest:
        studies.check_largest(question, by)
        known = await open_answer(session, actor, question)
        of, rows = await queries.largest(session, actor, known, question, by, order, limit)
        return Largest(
            kpi=question.definition.kpi,
            definition=question.definition.version,
            by=str(by),
            order=str(order),
            as_of=question.period.as_of,
            watermark=known.watermark,
            whole=await queries.answer(session, actor, known, question),
            of=of,
            items=[RowView.of(row) for row in rows],
        )

    @get("/mtbf/trend", opt=READ, summary="Whether failures come faster or more slowly")
    async def trend(
        self,
        session: DbSession,
        actor: CurrentActor,
        asking: CurrentAsking,
        page: http.Page,
        by: By = Cut.TENANT,
        variant: Variant = None,
    ) -> Trends:
        question = asking.about(MTBF, variant)
        studies.check_trend(question, by)
        known = await open_answer(session, actor, question)
        found = await studies.trends(session, actor, question, by, page_of(page, by))
        return Trends(
            by=str(by),
            as_of=question.period.as_of,
            watermark=known.watermark,
            items=found,
            next=found[-1].key if page.is_full(found) else None,
        )

    @get(
        "/calibration/buckets",
        opt=READ,
        summary="Whether promises were kept as often as was stated, by tenth of the chance",
    )
    async def calibration(
        self, session: DbSession, actor: CurrentActor, asking: CurrentAsking
    ) -> Calibration:
        question = asking.about(CALIBRATION)
        known = await open_answer(session, actor, question)
        return Calibration(
            definition=question.definition.version,
            as_of=question.period.as_of,
            watermark=known.watermark,
            items=await studies.chance_buckets(Asked(session, actor, known, question)),
        )

    @get(
        "/{kpi:str}/funnel",
        opt=needs(Permission.READ_PERSON_KPIS),
        summary="A share by technician within the limits of chance, instead of a ranking",
    )
    async def funnel(
        self,
        session: DbSession,
        actor: CurrentActor,
        asking: CurrentAsking,
        kpi: FromPath[str],
        variant: Variant = None,
    ) -> Funnel:
        question = asking.about(kpi, variant)
        check_rows(actor, question, Cut.TECHNICIAN)
        known = await open_answer(session, actor, question)
        rows = await queries.table(session, actor, known, question, Cut.TECHNICIAN)
        share, points = studies.funnel(kpi, rows)
        return Funnel(
            kpi=question.definition.kpi,
            definition=question.definition.version,
            share=share,
            as_of=question.period.as_of,
            watermark=known.watermark,
            items=points,
        )


ROUTES = [StudyController]
