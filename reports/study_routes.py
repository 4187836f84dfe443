"""Figures beside each other over HTTP: the period before, trends of failures, people in a funnel."""

from datetime import datetime

import msgspec
from litestar import Controller, get
from litestar.params import FromPath

from fsm import http
from fsm.actors import Permission
from fsm.http import CurrentActor, DbSession, Now, needs
from reports import queries, studies
from reports.asking import (
    READ,
    AsOf,
    By,
    Currency,
    From,
    ScopeText,
    To,
    Variant,
    check_rows,
    open_answer,
    question_of,
    read_after,
)
from reports.exposure_sql import Page
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

    @get("/{kpi:str}/comparison", opt=READ, summary="One figure beside that of the period before")
    async def comparison(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        kpi: FromPath[str],
        whose: ScopeText,
        from_at: From,
        to_at: To,
        as_of: AsOf = None,
        variant: Variant = None,
        currency: Currency = None,
    ) -> Comparison:
        question = question_of(actor, now, kpi, whose, from_at, to_at, as_of, variant, currency)
        known = await open_answer(session, actor, question)
        return await studies.compare(session, actor, known, question)

    @get("/mtbf/trend", opt=READ, summary="Whether failures come faster or more slowly")
    async def trend(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        whose: ScopeText,
        from_at: From,
        to_at: To,
        by: By = Cut.TENANT,
        as_of: AsOf = None,
        variant: Variant = None,
        limit: http.PageSize = 100,
        after: http.After = None,
    ) -> Trends:
        question = question_of(actor, now, MTBF, whose, from_at, to_at, as_of, variant)
        studies.check_trend(question, by)
        page = Page(limit, None if after is None else read_after(after, by))
        known = await open_answer(session, actor, question)
        found = await studies.trends(session, actor, question, by, page)
        return Trends(
            by=str(by),
            as_of=question.period.as_of,
            watermark=known.watermark,
            items=found,
            next=found[-1].key if len(found) == limit else None,
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
        now: Now,
        kpi: FromPath[str],
        whose: ScopeText,
        from_at: From,
        to_at: To,
        as_of: AsOf = None,
        variant: Variant = None,
    ) -> Funnel:
        question = question_of(actor, now, kpi, whose, from_at, to_at, as_of, variant)
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
