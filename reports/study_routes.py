"""Figures beside each other over HTTP: the period before, trends of failures, people in a funnel."""

from datetime import datetime

import msgspec
from litestar import Controller, get
from litestar.params import FromPath

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
from reports.scopes import Cut
from reports.studies import Comparison, FunnelPoint, TrendView

MTBF = "mtbf"


class Trends(msgspec.Struct, frozen=True):
    """Trends in the order of keys; `next` goes on where there are more."""

    by: str
    as_of: datetime
    watermark: int
    items: list[TrendView]
    next: str | None


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
