"""Figures over HTTP: what there is, one figure, a table of them as JSON or CSV, and where they come from."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Controller, get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from fsm import http
from fsm.actors import Actor, Permission
from fsm.database import Session, utc
from fsm.http import CurrentActor, DbSession, Now, needs
from fsm.problems import Invalid
from reports import lineage, queries, registry
from reports.candidates import Candidate
from reports.csv_form import DecimalSign, Separator, write_csv
from reports.exposure_sql import Page
from reports.questions import Answered, Known, Question
from reports.registry import Definition
from reports.results import Result
from reports.rows import Period
from reports.scopes import PERSONAL, Cut, Key, check_cuts, parse_scope, read_key, write_key

READ = needs(Permission.READ_KPIS)

FIRST_YEAR, LAST_YEAR = 1970, 2200

ScopeText = Annotated[
    str,
    QueryParameter(
        name="scope",
        max_length=400,
        description="`tenant`, or what all of the parts have in common: `asset:ID`, `contract:ID,site:ID`, "
        "`region:NAME`; each definition names its cuts. `contract:none` is what is on no contract.",
    ),
]
# Instants are read here rather than by the framework, which would name `from_at` in its refusals.
From = Annotated[
    str,
    QueryParameter(
        name="from",
        max_length=40,
        description="Beginning of the window, with a zone.",
        schema_extra={"format": "date-time"},
    ),
]
To = Annotated[
    str,
    QueryParameter(
        name="to",
        max_length=40,
        description="End of the window, itself outside, with a zone.",
        schema_extra={"format": "date-time"},
    ),
]
AsOf = Annotated[
    str | None,
    QueryParameter(
        max_length=40,
        description="How far time had run, with a zone; now when absent.",
        schema_extra={"format": "date-time"},
    ),
]
Variant = Annotated[
    str | None,
    QueryParameter(max_length=40, description="One of the definition's variants, else its first."),
]
Currency = Annotated[
    str | None,
    QueryParameter(
        pattern="^[A-Z]{3}$", description="Of `cost`: ISO 4217; the company's own when absent."
    ),
]
FieldSeparator = Annotated[Separator, QueryParameter(description="What stands between fields.")]
Sign = Annotated[DecimalSign, QueryParameter(description="The decimal sign of numbers.")]
By = Annotated[Cut, QueryParameter(description="What the rows are.")]


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
    items: list[DefinitionView]


class Meanings(msgspec.Struct, frozen=True):
    """What may be meant by one word, each figure under its own name."""

    kpi: str
    detail: dict[str, str]
    meanings: list[Result]


class RowView(msgspec.Struct, frozen=True):
    """One row of a table. `key` is an id, or `none` for what belongs to nothing of the kind."""

    key: str
    number: str
    name: str
    result: Result

    @classmethod
    def of(cls, row: Answered) -> "RowView":
        return cls(write_key(row.key), row.number, row.name, row.result)


class Table(msgspec.Struct, frozen=True):
    kpi: str
    definition: int
    by: str
    as_of: datetime
    watermark: int
    items: list[RowView]
    next: str | None


class LineagePage(msgspec.Struct, frozen=True):
    """Candidates in order of kind and id; `unit` is that of the numerators."""

    kpi: str
    definition: int
    as_of: datetime
    watermark: int
    items: list[Candidate]
    next: str | None


class KpiController(Controller):
    path = "/api/kpis"
    tags = ["Figures"]

    @get("/", opt=READ, summary="Which figures there are, and how each is computed")
    async def browse(self) -> Registry:
        return Registry([DefinitionView.of(definition) for definition in registry.DEFINITIONS])

    @get("/mttr", opt=READ, summary="The figures that people mean by MTTR, each under its own name")
    async def mttr(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        whose: ScopeText,
        from_at: From,
        to_at: To,
        as_of: AsOf = None,
    ) -> Meanings:
        questions = [
            _question(actor, now, kpi, whose, from_at, to_at, as_of)
            for kpi in registry.MTTR_MEANINGS
        ]
        known = await _open(session, actor, questions[0])
        return Meanings(
            registry.MTTR,
            dict(registry.MTTR_SAID),
            [await queries.answer(session, actor, known, question) for question in questions],
        )

    @get("/{kpi:str}", opt=READ, summary="One figure")
    async def read(
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
    ) -> Result:
        question = _question(actor, now, kpi, whose, from_at, to_at, as_of, variant, currency)
        known = await _open(session, actor, question)
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
        now: Now,
        kpi: FromPath[str],
        by: By,
        whose: ScopeText,
        from_at: From,
        to_at: To,
        as_of: AsOf = None,
        variant: Variant = None,
        currency: Currency = None,
        limit: http.PageSize = 100,
        after: http.After = None,
    ) -> Table:
        question = _question(actor, now, kpi, whose, from_at, to_at, as_of, variant, currency)
        _check_rows(actor, question, by)
        page = Page(limit, None if after is None else _read_after(after, by))
        known = await _open(session, actor, question)
        rows = await queries.table(session, actor, known, question, by, page)
        return Table(
            kpi=question.definition.kpi,
            definition=question.definition.version,
            by=str(by),
            as_of=question.period.as_of,
            watermark=known.watermark,
            items=[RowView.of(row) for row in rows],
            next=write_key(rows[-1].key) if len(rows) == limit else None,
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
        now: Now,
        kpi: FromPath[str],
        by: By,
        whose: ScopeText,
        from_at: From,
        to_at: To,
        as_of: AsOf = None,
        variant: Variant = None,
        currency: Currency = None,
        separator: FieldSeparator = Separator.COMMA,
        decimal_sign: Sign = DecimalSign.POINT,
    ) -> Stream:
        question = _question(actor, now, kpi, whose, from_at, to_at, as_of, variant, currency)
        _check_rows(actor, question, by)
        known = await _open(session, actor, question)
        rows = await queries.table(session, actor, known, question, by)
        return Stream(
            write_csv(rows, separator, decimal_sign),
            media_type="text/csv; charset=utf-8; header=present",
            headers={
                "Content-Disposition": f'attachment; filename="{question.definition.kpi}.csv"'
            },
        )

    @get(
        "/{kpi:str}/lineage",
        opt=READ,
        summary="What a figure counted, and what it left out and why",
    )
    async def lineage(
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
        limit: http.PageSize = 100,
        after: http.After = None,
    ) -> LineagePage:
        question = _question(actor, now, kpi, whose, from_at, to_at, as_of, variant, currency)
        place = lineage.read_place(question, after)
        known = await _open(session, actor, question)
        found = await lineage.list_candidates(session, actor, known, question, place, limit)
        return LineagePage(
            kpi=question.definition.kpi,
            definition=question.definition.version,
            as_of=question.period.as_of,
            watermark=known.watermark,
            items=found,
            next=f"{found[-1].kind}:{found[-1].id}" if len(found) == limit else None,
        )


def _question(
    actor: Actor,
    now: datetime,
    kpi: str,
    scope: str,
    from_at: str,
    to_at: str,
    as_of: str | None,
    variant: str | None = None,
    currency: str | None = None,
) -> Question:
    """Return what a request asks; refused when it is not permitted, unknown, or makes no sense."""
    definition = registry.find_definition(kpi)
    for permission in definition.needs:
        actor.must(permission)
    begins, ends, known_at = (
        _instant("from", from_at),
        _instant("to", to_at),
        now if as_of is None else _instant("as_of", as_of),
    )
    if ends <= begins:
        raise Invalid("'to' must be later than 'from'.", errors=[{"at": "/to"}])
    if known_at > now:
        raise Invalid("'as_of' cannot lie in the future.", errors=[{"at": "/as_of"}])
    if currency is not None and definition.unit != registry.MONEY:
        raise Invalid("Only amounts of money have a currency.", errors=[{"at": "/currency"}])
    period = Period(begins, ends, known_at)
    parsed = parse_scope(scope)
    check_cuts(kpi, definition.cuts, parsed)
    if parsed.is_personal():
        actor.must(Permission.READ_PERSON_KPIS)
    return Question(definition, definition.variant(variant), parsed, period, currency)


def _instant(name: str, written: str) -> datetime:
    """Return an instant in UTC; a naive one and one that no calendar of ours reaches are refused."""
    try:
        at = msgspec.convert(written, datetime)
    except msgspec.ValidationError:
        at = None
    if at is None or at.tzinfo is None:
        detail = "A time is written with its zone, such as 2026-03-29T10:00:00Z."
    elif not FIRST_YEAR <= at.year < LAST_YEAR:
        detail = f"A time lies between the years {FIRST_YEAR} and {LAST_YEAR}."
    else:
        return utc(at)
    raise Invalid(f"'{name}': {detail}", errors=[{"at": f"/{name}", "detail": detail}])


def _check_rows(actor: Actor, question: Question, by: Cut) -> None:
    """Refuse rows that the figure has not, and rows about people to whoever may not read them."""
    check_cuts(question.definition.kpi, question.definition.cuts, question.scope, by)
    if by in PERSONAL:
        actor.must(Permission.READ_PERSON_KPIS)


def _read_after(after: str, by: Cut) -> Key:
    try:
        return read_key(after, by)
    except ValueError:
        raise Invalid(
            "'after' must be the 'next' of the page before.", errors=[{"at": "/after"}]
        ) from None


async def _open(session: Session, actor: Actor, question: Question) -> Known:
    """Begin the snapshot that the whole answer is read in, and refuse a scope that is not there."""
    await queries.begin_snapshot(session)
    await queries.check_scope(session, actor, question.scope)
    return await queries.find_known(session, actor, question.period.as_of)


ROUTES = [KpiController]
