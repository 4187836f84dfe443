"""What a handler may ask for: the session, the actor, the time; the permission each route names; problems.

The guard runs first: it authenticates and checks the permission before a body is read or a transaction is
opened. Authentication itself belongs to `fsm.tenants`; the composition root puts it on `app.state`.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, cast
from uuid import UUID

import msgspec
import pydantic
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import (
    HTTPException,
    InternalServerException,
    SerializationException,
    ValidationException,
)
from litestar.handlers import HTTPRouteHandler
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter, SkipValidation
from litestar.types import Receive, Scope, Send
from uuid_utils.compat import uuid7

from fsm import problems
from fsm.actors import Actor, Permission
from fsm.database import Database, Reader, Session, as_problem
from fsm.geography import check_country, check_zone
from fsm.languages import FIRST
from fsm.problem_words import in_language, language_asked
from fsm.problems import Problem, Unauthenticated

log = logging.getLogger("fsm.http")

PROBLEM_JSON = "application/problem+json"

Authenticate = Callable[[str, ASGIConnection[Any, Any, Any, Any]], Awaitable[Actor]]
"""(bearer token, connection) → the actor, or `Unauthenticated`."""


# --- what a route says of itself --------------------------------------------------------------------------


def needs(permission: Permission) -> dict[str, Any]:
    """Return the `opt` of a route that only a role with `permission` may call."""
    return {"needs": permission}


RECHECKS: dict[str, Any] = {"rechecks": True}
"""Added to the `opt` of a hot route whose own query looks up the device's token and rights: the guard then
believes what this process last saw of that device."""


def signed_in() -> dict[str, Any]:
    """Return the `opt` of a route open to whoever is signed in, about themselves."""
    return {"needs": None, "open_to": "signed_in"}


def anyone() -> dict[str, Any]:
    """Return the `opt` of a route open to strangers. Each such route limits what it takes."""
    return {"needs": None, "open_to": "anyone"}


def bearer_token(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """Return the request's token: Authorization: Bearer, or the tus clients' Token."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() in ("bearer", "token") else None


async def permission_guard(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Authenticate, and refuse whoever lacks the permission that the route names.

    A route that names none is not reachable: `check_routes` stops the program from starting with one.
    """
    if connection.scope.get("method") == "OPTIONS" and "needs" not in handler.opt:
        return  # the framework's own answer that lists the methods of an address
    opt = handler.opt
    token = bearer_token(connection)
    if opt.get("open_to") == "anyone":
        connection.scope["state"]["actor"] = None
        if token is not None and opt.get("knows_actor"):
            connection.scope["state"]["actor"] = await connection.app.state.authenticate(
                token, connection
            )
        return
    if token is None:
        raise Unauthenticated(
            "Send 'Authorization: Bearer …' with the access token from /api/sign-in."
        )
    actor: Actor = await connection.app.state.authenticate(token, connection)
    connection.scope["state"]["actor"] = actor
    if (permission := opt.get("needs")) is not None:
        actor.must(permission)
    elif opt.get("open_to") != "signed_in":
        raise problems.Forbidden("This address names no permission, so nobody has it.")


class HotRoute(HTTPRouteHandler):
    """A route whose guards are given the handler itself: the framework copies it for each, at every request.

    Guards only read what a route says of itself.
    """

    async def authorize_connection(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        for guard in self.resolve_guards():
            await cast(Awaitable[None], guard(connection, self))


# --- what a handler may ask for ---------------------------------------------------------------------------

DbSession = NamedDependency[Session]
ReadOnly = NamedDependency[Reader]
"""For hot reads: knows its actor, so that a handler asks for one thing instead of two."""
CurrentActor = NamedDependency[Actor]
Now = NamedDependency[datetime]


def actor_of(request: Request[Any, Any, Any]) -> Actor:
    """Return who the guard let in: where two dependencies would cost more than the query."""
    actor: Actor | None = request.scope["state"].get("actor")
    if actor is None:
        raise Unauthenticated("Sign in first.")
    return actor


async def provide_actor(request: Request[Any, Any, State]) -> Actor:
    return actor_of(request)


async def provide_session(request: Request[Any, Any, State]) -> AsyncIterator[Session]:
    """One request, one transaction: committed before the response is sent, rolled back on any refusal."""
    database: Database = request.app.state.database
    actor: Actor | None = request.scope["state"].get("actor")
    async with _held_by(request) as held:
        yield await held.enter_async_context(
            database.transaction(actor.tenant_id if actor else None)
        )


async def provide_reader(request: Request[Any, Any, State]) -> AsyncIterator[Reader]:
    database: Database = request.app.state.database
    async with _held_by(request) as held:
        yield await held.enter_async_context(database.reader(await provide_actor(request)))


def _held_by(request: Request[Any, Any, State]) -> AsyncExitStack:
    """Return a stack that is closed with the request, however that ends."""
    held = AsyncExitStack()
    request.scope["state"].setdefault("held", []).append(held)
    return held


async def let_go(error: Exception, scope: Scope) -> None:
    """Close what a refused request still holds.

    The framework forgets a dependency that it has opened when another one of the same request is refused.
    """
    for held in scope["state"].pop("held", ()):
        await held.__aexit__(type(error), error, error.__traceback__)


async def provide_now(request: Request[Any, Any, State]) -> datetime:
    """The server's clock, an aware UTC instant; tests set `app.state.clock`."""
    clock: Callable[[], datetime] = request.app.state.clock
    return clock()


def wall_clock() -> datetime:
    return datetime.now(UTC)


# --- lists ------------------------------------------------------------------------------------------------

PageSize = Annotated[int, QueryParameter(ge=1, le=500, description="Rows on a page.")]
After = Annotated[
    str | None,
    QueryParameter(
        max_length=200, description="The `next` of the page before; absent for the first page."
    ),
]


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of a list is asked for: at most `limit` rows, those behind `after`."""

    limit: int
    after: str | None

    @property
    def after_id(self) -> UUID | None:
        """The id that the list goes on after, for lists in order of id; refused when it is none."""
        if self.after is None:
            return None
        try:
            return UUID(self.after)
        except ValueError:
            raise problems.Invalid(
                "'after' must be the 'next' of the page before.", errors=[{"at": "/after"}]
            ) from None

    def is_full(self, found: Sequence[Any]) -> bool:
        """Say whether more rows may follow those found."""
        return len(found) == self.limit

    def next(self, found: Sequence[Any]) -> str | None:
        """Return the `next` of a page in order of id: where a full page goes on, None after the last."""
        return str(found[-1].id) if self.is_full(found) else None


Page = NamedDependency[SkipValidation[Paging]]


def pages_of(size: int) -> dict[str, Provide]:
    """Return the dependencies of a list whose pages have `size` rows when nothing is said."""

    async def provide_paging(limit: PageSize = size, after: After = None) -> Paging:
        return Paging(limit, after)

    return {"page": Provide(provide_paging)}


dependencies: Mapping[str, Provide] = {
    "actor": Provide(provide_actor),
    "session": Provide(provide_session),
    "reader": Provide(provide_reader),
    "now": Provide(provide_now),
    **pages_of(100),
}


class Body(pydantic.BaseModel):
    """A request body: unknown members, naive times and non-finite numbers are refused, text is trimmed."""

    model_config = pydantic.ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        allow_inf_nan=False,
        frozen=True,
        validate_default=False,
    )

    def changes(self, *without: str) -> dict[str, Any]:
        """Return what the caller actually sent, for an edit; `rev` and `without` are left out."""
        return {
            name: getattr(self, name)
            for name in self.model_fields_set
            if name != "rev" and name not in without
        }


def _no_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain the NUL character")
    return value


Text = Annotated[str, pydantic.Field(max_length=10_000), pydantic.AfterValidator(_no_nul)]
"""Free text a person typed."""
Line = Annotated[
    str, pydantic.Field(min_length=1, max_length=300), pydantic.AfterValidator(_no_nul)
]
"""One line: a name, a title. Never empty."""
Code = Annotated[
    str, pydantic.Field(min_length=1, max_length=60, pattern=r"^[^\s\x00-\x1f][^\x00-\x1f]*$")
]
"""A number or code that people use to name a thing."""


def _of_living_memory(moment: datetime) -> datetime:
    if not 1900 <= moment.year <= 2199:
        raise ValueError("must be between the years 1900 and 2199")
    return moment


Instant = Annotated[pydantic.AwareDatetime, pydantic.AfterValidator(_of_living_memory)]
"""An instant with its zone; a naive time is refused, and one that only a slip can mean."""


def _of_our_times(day: date) -> date:
    if not 1970 <= day.year <= 2199:
        raise ValueError("must be a day between 1970 and 2199")
    return day


Day = Annotated[date, pydantic.AfterValidator(_of_our_times)]
"""A calendar day; a slip such as the year 0206 is refused."""
Short = Annotated[str, pydantic.Field(max_length=300), pydantic.AfterValidator(_no_nul)]
"""One line that may be empty: a city, a role."""
Email = Annotated[
    str, pydantic.Field(max_length=200, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$")
]
Phone = Annotated[str, pydantic.Field(max_length=60, pattern=r"^[+(]?[0-9][0-9 ()/.,;x#*+-]*$")]
Language = Annotated[str, pydantic.Field(pattern=r"^[a-z]{2}$")]
Names = Annotated[dict[Language, Line], pydantic.Field(min_length=1, max_length=20)]
"""A name in one or more languages: {"en": "Repair", "ru": "Ремонт"}."""
Zone = Annotated[str, pydantic.Field(max_length=60), pydantic.AfterValidator(check_zone)]
"""An IANA time zone of a place."""
Country = Annotated[str, pydantic.Field(max_length=2), pydantic.AfterValidator(check_country)]
"""ISO 3166-1, two letters; empty when unknown."""
Latitude = Annotated[float, pydantic.Field(ge=-90, le=90)]
Longitude = Annotated[float, pydantic.Field(ge=-180, le=180)]
Money = Annotated[Decimal, pydantic.Field(ge=0, max_digits=14, decimal_places=2)]
"""An amount of money, never negative; its currency stands beside it. Answers carry it as a string."""
Currency = Annotated[str, pydantic.Field(pattern=r"^[A-Z]{3}$")]
"""ISO 4217, three letters."""
Quantity = Annotated[Decimal, pydantic.Field(gt=0, max_digits=14, decimal_places=4)]
"""How much of something, more than nothing."""
Revision = Annotated[int, pydantic.Field(ge=1, le=2**63 - 1)]
"""The `rev` of the row that an edit was based on."""

Search = Annotated[
    str | None,
    QueryParameter(max_length=200, description="Only rows with this text in their name or number."),
]
Active = Annotated[
    bool | None, QueryParameter(description="Only active rows, or only those put out of use.")
]


def last_day(before: date | None) -> date | None:
    """Return the last day of a range of days that ends before `before`; None when it has no end."""
    return None if before is None else before - timedelta(days=1)


# --- problems ---------------------------------------------------------------------------------------------

_BY_STATUS: dict[int, type[Problem]] = {
    400: problems.Malformed,
    401: problems.Unauthenticated,
    403: problems.Forbidden,
    404: problems.NotFound,
    405: problems.MethodNotAllowed,
    406: problems.NotAcceptable,
    413: problems.TooLarge,
    415: problems.UnsupportedType,
    422: problems.Invalid,
    429: problems.RateLimited,
    503: problems.Busy,
}


def _from_pydantic(error: pydantic.ValidationError, where: str = "") -> Problem:
    errors = [
        {
            "at": where + "".join(f"/{part}" for part in item["loc"]),
            "detail": item["msg"].removeprefix("Value error, "),
        }
        for item in error.errors(include_url=False, include_context=False, include_input=False)[:50]
    ]
    first = errors[0] if errors else {"at": "", "detail": "not acceptable"}
    return problems.Invalid(
        f"{first['at'] or 'The body'}: {first['detail']}."
        + (f" {len(errors) - 1} more in 'errors'." if len(errors) > 1 else ""),
        errors=errors,
    )


def _from_validation(error: ValidationException) -> Problem:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, pydantic.ValidationError):
        return _from_pydantic(cause)
    if isinstance(cause, KeyError):  # a parameter is missing, and the framework names it
        name = str(cause.args[0])
        return problems.Invalid(
            f"The parameter '{name}' is needed.", errors=[{"at": f"/{name}", "detail": "is needed"}]
        )
    errors = [
        {
            "at": "/" + str(item.get("key", "")).replace(".", "/"),
            "detail": str(item.get("message", "")).removeprefix("Value error, "),
        }
        for item in (error.extra if isinstance(error.extra, list) else [])
        if isinstance(item, dict)
    ][:50]
    if errors == [{"at": "/data", "detail": "'data'"}]:
        return problems.Invalid("A body in JSON is needed.", errors=[{"at": ""}])
    said = "; ".join(f"{item['at']}: {item['detail']}" for item in errors[:3])
    return problems.Invalid(f"{said or 'A value is not acceptable'}.", errors=errors)


def problem_of(error: Exception) -> Problem:
    """Return the problem that any exception is answered with; what nobody meant becomes `internal-error`."""
    if isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        return problem_of(error.exceptions[0])
    if isinstance(error, Problem):
        return error
    if isinstance(error, ValidationException):
        return _from_validation(error)
    if isinstance(error, pydantic.ValidationError):
        return _from_pydantic(error)
    if isinstance(error, msgspec.ValidationError):
        return problems.Invalid(f"{error}.")
    if isinstance(error, UnicodeDecodeError):
        return problems.Malformed(f"The body is not text in UTF-8: see byte {error.start}.")
    if isinstance(error, msgspec.DecodeError | RecursionError):
        return problems.Malformed(f"The body is not valid JSON in UTF-8: {error}.")
    if isinstance(error, InternalServerException) and error.detail == _CUT:
        # Nobody is there to read this, and nothing of ours broke.
        return problems.Malformed("The connection ended before the body did. Send it again.")
    if isinstance(error, HTTPException):
        kind = _BY_STATUS.get(error.status_code)
        if kind is problems.Malformed and isinstance(error.__context__, SerializationException):
            said = error.detail.removeprefix("JSON is malformed: ")
            return kind(f"The body is not valid JSON in UTF-8: {said}.")
        if kind is not None:
            detail = error.detail if error.status_code in (400, 415) else ""
            return kind(detail or _PLAIN.get(error.status_code, kind.title + "."))
    if known := as_problem(error):
        return known
    reference = str(uuid7())
    log.error("unexpected error %s", reference, exc_info=error)
    return problems.InternalError(
        f"Nothing was changed. Tell the operator this reference: {reference}.", reference=reference
    )


_CUT = "client disconnected prematurely"
"""The framework's words for a client that went away while its body was being read."""

_PLAIN = {
    404: "There is nothing at this address.",
    405: "See 'Allow' for the methods that this address takes.",
    413: "The body is longer than this address takes. Send less at once.",
}


SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
"""Of every answer that does not say otherwise, refusals before a handler runs included."""


def answer_problem(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """Answer any exception as application/problem+json (RFC 9457), in the language that was asked for."""
    problem = problem_of(error)
    headers = SAFE_HEADERS | problem.headers
    body = problem.to_json()
    if (language := language_asked(request.headers.get("accept-language"))) != FIRST:
        body = in_language(body, language)
        headers |= {"Content-Language": language}
    if isinstance(error, HTTPException) and error.headers:
        headers |= {name: str(value) for name, value in error.headers.items()}
    return Response(
        body,
        status_code=problem.status,
        media_type=PROBLEM_JSON,
        headers=headers,
    )


async def refuse(scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
    """Answer a request that the framework has not seen with a problem, as the framework would."""
    request = Request[Any, Any, Any](scope, receive, send)
    response = answer_problem(request, error).to_asgi_response(app=None, request=request)
    await response(scope, receive, send)


class ProblemView(msgspec.Struct, frozen=True):
    """The shape of every refusal; members beyond these are facts that belong to `code`."""

    type: str
    title: str
    status: int
    detail: str
    code: str


def refusals(*kinds: type[Problem]) -> dict[int, ResponseSpec]:
    """Return OpenAPI declarations for refusals of a route, on top of those that every route has."""
    by_status: dict[int, list[str]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(f"`{kind.code}` {kind.title}")
    return {
        status: ResponseSpec(
            data_container=ProblemView,
            description="; ".join(said),
            media_type=PROBLEM_JSON,
            generate_examples=False,
        )
        for status, said in by_status.items()
    }


ALWAYS = refusals(
    problems.Malformed,
    problems.Unauthenticated,
    problems.Forbidden,
    problems.NotFound,
    problems.MethodNotAllowed,
    problems.Conflict,
    problems.StaleChange,
    problems.InUse,
    problems.TooLarge,
    problems.UnsupportedType,
    problems.Invalid,
    problems.RateLimited,
    problems.InternalError,
    problems.Busy,
)
"""What any route may answer."""
