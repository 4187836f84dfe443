"""How figures are asked for over HTTP: the words of a request, and what they mean together."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter, SkipValidation

from fsm.actors import Actor, Permission
from fsm.database import Session, utc
from fsm.http import CurrentActor, Now, Paging, needs
from fsm.problems import Invalid
from reports import queries, registry
from reports.csv_form import DecimalSign, Separator
from reports.exposure_sql import Page
from reports.questions import Known, Question
from reports.rows import Period
from reports.scopes import PERSONAL, Cut, check_cuts, parse_scope, read_key

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


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, of what and over which time; about which figure is said by `about`."""

    actor: Actor
    now: datetime
    scope: str
    from_at: str
    to_at: str
    as_of: str | None

    def about(self, kpi: str, variant: str | None = None, currency: str | None = None) -> Question:
        """Return what is asked; refused when it is not permitted, unknown, or makes no sense."""
        definition = registry.find_definition(kpi)
        for permission in definition.needs:
            self.actor.must(permission)
        begins, ends, known_at = (
            _instant("from", self.from_at),
            _instant("to", self.to_at),
            self.now if self.as_of is None else _instant("as_of", self.as_of),
        )
        if ends <= begins:
            raise Invalid("'to' must be later than 'from'.", errors=[{"at": "/to"}])
        if known_at > self.now:
            raise Invalid("'as_of' cannot lie in the future.", errors=[{"at": "/as_of"}])
        if currency is not None and definition.unit != registry.MONEY:
            raise Invalid("Only amounts of money have a currency.", errors=[{"at": "/currency"}])
        period = Period(begins, ends, known_at)
        parsed = parse_scope(self.scope)
        check_cuts(kpi, definition.cuts, parsed)
        if parsed.is_personal():
            self.actor.must(Permission.READ_PERSON_KPIS)
        return Question(definition, definition.variant(variant), parsed, period, currency)


async def provide_asking(
    actor: CurrentActor, now: Now, whose: ScopeText, from_at: From, to_at: To, as_of: AsOf = None
) -> Asking:
    return Asking(actor, now, whose, from_at, to_at, as_of)


async def provide_question(
    asking: NamedDependency[SkipValidation[Asking]],
    kpi: FromPath[str],
    variant: Variant = None,
    currency: Currency = None,
) -> Question:
    return asking.about(kpi, variant, currency)


CurrentAsking = NamedDependency[SkipValidation[Asking]]
"""For routes whose figure is not in the path."""
CurrentQuestion = NamedDependency[SkipValidation[Question]]
"""The figure in the path, as the query says it."""

ASKING: Mapping[str, Provide] = {
    "asking": Provide(provide_asking),
    "question": Provide(provide_question),
}
"""The dependencies of routes that answer questions about figures."""


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


def check_rows(actor: Actor, question: Question, by: Cut) -> None:
    """Refuse rows that the figure has not, and rows about people to whoever may not read them."""
    check_cuts(question.definition.kpi, question.definition.cuts, question.scope, by)
    if by in PERSONAL:
        actor.must(Permission.READ_PERSON_KPIS)


def page_of(paging: Paging, by: Cut) -> Page:
    """Return the page of a table by `by`; refused when it goes on after no key of its."""
    if paging.after is None:
        return Page(paging.limit)
    try:
        return Page(paging.limit, read_key(paging.after, by))
    except ValueError:
        raise Invalid(
            "'after' must be the 'next' of the page before.", errors=[{"at": "/after"}]
        ) from None


async def open_answer(session: Session, actor: Actor, question: Question) -> Known:
    """Begin the snapshot that the whole answer is read in, and refuse a scope that is not there."""
    await queries.begin_snapshot(session)
    await queries.check_scope(session, actor, question.scope)
    return await queries.find_known(session, actor, question.period.as_of)
