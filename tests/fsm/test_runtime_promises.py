"""What holds over the whole running program: every route, table, problem and constraint, new ones too."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from litestar import Litestar, get
from litestar.handlers import HTTPRouteHandler
from sqlalchemy import Date, DateTime

from fsm.actors import Actor, ActorKind, Permission
from fsm.app import check_routes, paths_of
from fsm.database import refused_constraints
from fsm.http import needs
from fsm.migrations.schema import metadata
from fsm.problems import Problem, all_problems
from fsm.settings import Settings
from fsm.tenants import tokens
from tests.company import Company
from tests.conftest import Clock

A_LABEL = {
    "GET, HEAD": "",
    "GET": "/page /photo /thanks /thanks/helped /wrong-label",
    "POST": "/helped /report /wrong-label",
}

OPEN_TO_ANYONE = {
    "GET /health",
    "POST /api/sign-in",
    "DELETE /api/sign-in",
    "POST /api/sign-in/renewal",
    "POST /api/sign-in/browser",
    "POST /api/sign-in/browser/renewal",
    "DELETE /api/sign-in/browser",
    "POST /api/sign-in/enrolment",
    # the pages themselves, which hold nobody's data
    "GET, HEAD /office",
    "GET /office/{path:path}",
    "GET, HEAD /app",
    "GET /app/{path:path}",
    # the document that says all this
    "GET /api/openapi",
    "GET /api/openapi/openapi.json",
    "GET /api/openapi/openapi.yaml",
    "GET /api/openapi/openapi.yml",
    "GET /api/openapi/{path:str}",
    # whoever wants to prove or refute what a company showed them
    "GET /evidence/keys",
    "GET /evidence/roots/{day:date}",
    # whoever holds a label or a status link
    "GET /.well-known/gs1resolver",
    # whoever was given a calendar's secret address
    "GET /calendar/{file:str}",
    # whoever holds a printed document
    "GET /d/{code:str}",
    "GET /s/{token:str}",
    "POST /s/{token:str}/rating",
    "POST /s/{token:str}/messages",
    "GET /s/{token:str}/move",
    "POST /s/{token:str}/move",
    "GET /s/{token:str}/documents/{document_id:uuid}",
    "GET /s/{token:str}/thanks/{kind:str}/{photo:str}",
    # whoever was sent a price to answer
    "GET /o/{token:str}",
    "POST /o/{token:str}/answer",
    *(
        f"{method} {label}{end}"
        for label in ("/p/{code:str}", "/8004/{giai:str}", "/01/{gtin:str}/21/{serial:str}")
        for method, ends in A_LABEL.items()
        for end in ends.split(" ")
    ),
    # it looks at the device's token itself: one put out of use may still hand in what was done
    "POST /sync/v1/push",
    "POST /compat/powersync/crud",
    "POST /compat/rxdb/{collection:str}/push",
    "POST /compat/watermelondb/sync",
    # what tus clients ask before they know anything
    "OPTIONS /files",
    "OPTIONS /files/{upload_id:uuid}",
}
"""Whoever opens another door to strangers writes it down here, and thinks while doing so."""

OPEN_TO_WHOEVER_IS_SIGNED_IN = {
    "GET /api/me",
    "PUT /api/me/password",
    # what a file is attached to decides who may read it
    "GET /blobs/{sha256:str}",
    "GET /blobs/{sha256:str}/thumbnail",
    # one's own hours, and nobody's where the login is no technician's
    "GET /api/me/timesheet",
    "GET /api/me/timesheet/csv",
    "GET /api/me/timesheet/xlsx",
}

NOT_AN_INSTANT = {
    "meter.rollover_at": "the reading at which a counter begins anew",
    "sync_device.outbox_empty_at": "the feed's head at which the outbox was empty",
}
OTHER_INSTANTS = {
    "asset.in_service_from",
    "sign_in_throttle.locked_until",
    "upload.writing_until",
    "work_order.respond_by",
    "work_order.restore_by",
}
"""Instants named after what they bound; everything else is `…_at`."""
OTHER_DAYS = {"technician_skill.valid_until"}


def answering(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    """Yield ("GET /address", handler) for all but the framework's own answers to OPTIONS."""
    for path, handler in paths_of(app):
        if handler.http_methods != {"OPTIONS"} or handler.include_in_schema is not False:
            yield f"{', '.join(sorted(handler.http_methods))} {path}", handler


# --- routes -----------------------------------------------------------------------------------------------


def test_every_route_says_who_may_call_it(app: Litestar) -> None:
    said = dict(answering(app))
    assert len(said) > 150
    for name, handler in said.items():
        if handler.opt["needs"] is None:
            assert handler.opt["open_to"] in ("anyone", "signed_in"), name
        else:
            assert isinstance(handler.opt["needs"], Permission), name
            assert "open_to" not in handler.opt, name


def test_a_route_that_says_nothing_stops_the_program_from_starting() -> None:
    @get("/loud", opt=needs(Permission.PLAN))
    async def loud() -> None: ...

    @get("/silent")
    async def silent() -> None: ...

    check_routes(Litestar([loud], openapi_config=None))
    with pytest.raises(RuntimeError, match=r"name no permission: .*GET.*/silent"):
        check_routes(Litestar([loud, silent], openapi_config=None))


@pytest.mark.parametrize(
    ("whom", "listed"),
    [("anyone", OPEN_TO_ANYONE), ("signed_in", OPEN_TO_WHOEVER_IS_SIGNED_IN)],
)
def test_routes_without_a_permission_are_the_listed_ones(
    app: Litestar, whom: str, listed: set[str]
) -> None:
    found = {name for name, handler in answering(app) if handler.opt.get("open_to") == whom}
    assert found == listed


def test_every_permission_opens_something(app: Litestar) -> None:
    named = {handler.opt["needs"] for _, handler in answering(app)}
    assert named >= set(Permission)


def _filled(path: str) -> str:
    """Return an address with a value of the right kind for each parameter."""
    path = re.sub(r"\{\w+:uuid\}", str(UUID(int=7)), path)
    path = re.sub(r"\{sha256:str\}", "0" * 64, path)
    return re.sub(r"\{\w+:\w+\}", "customers", path)


def guarded(app: Litestar) -> list[tuple[str, str, Permission | None]]:
    """Return (method, address, permission) of every route that strangers must not call."""
    return [
        (method, _filled(path), handler.opt["needs"])
        for path, handler in paths_of(app)
        if handler.opt.get("open_to") != "anyone" and "needs" in handler.opt
        for method in sorted(handler.http_methods)
    ]


def _token(settings: Settings, company: Company, clock: Clock, *permissions: Permission) -> str:
    actor = Actor(
        tenant_id=company.id,
        kind=ActorKind.USER,
        user_id=company.users["dispatcher"].id,
        permissions=frozenset(permissions),
    )
    return tokens.issue_access(settings, actor, clock())


async def _refused(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]
) -> dict[str, Any]:
    """Send a request that must be refused and return the problem; HEAD has no body to return."""
    answer = await client.request(method, path, headers=headers)
    if method == "HEAD":
        return {"status": answer.status_code}
    assert answer.headers["content-type"] == "application/problem+json", (method, path)
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code, (method, path)
    assert problem["title"], (method, path)
    assert problem["detail"], (method, path)
    return problem


async def test_without_a_login_every_guarded_route_asks_for_one(
    app: Litestar, client: httpx.AsyncClient
) -> None:
    for method, path, _ in guarded(app):
        problem = await _refused(client, method, path, {})
        assert problem["status"] == 401, (method, path)
        assert problem.get("code", "unauthenticated") == "unauthenticated", (method, path)


async def test_without_the_permission_every_route_refuses_and_names_it(
    app: Litestar, client: httpx.AsyncClient, settings: Settings, company: Company, clock: Clock
) -> None:
    nothing = {"Authorization": f"Bearer {_token(settings, company, clock)}"}
    for method, path, permission in guarded(app):
        if permission is None:
            continue
        problem = await _refused(client, method, path, nothing)
        assert problem["status"] == 403, (method, path)
        assert method == "HEAD" or problem["needs"] == permission, (method, path)


async def test_every_other_permission_together_does_not_open_a_route(
    app: Litestar, client: httpx.AsyncClient, settings: Settings, company: Company, clock: Clock
) -> None:
    for method, path, permission in guarded(app):
        if permission is None:
            continue
        others = _token(settings, company, clock, *(set(Permission) - {permission}))
        problem = await _refused(client, method, path, {"Authorization": f"Bearer {others}"})
        assert problem["status"] == 403, (method, path)


async def test_only_our_own_living_tokens_open_anything(
    client: httpx.AsyncClient, settings: Settings, company: Company, clock: Clock
) -> None:
    good = _token(settings, company, clock, *Permission)
    claims = jwt.decode(good, options={"verify_signature": False})
    head, body, signature = good.split(".")
    worthless = {
        "nothing after the scheme": "Bearer ",
        "another scheme": "Basic YTpi",
        "not a token": "Bearer x",
        "not ASCII": "Bearer \xe9\xe8",
        "a long one": "Bearer " + "a" * 5_000,
        "another key": "Bearer " + jwt.encode(claims, "k" * 32, algorithm="HS256"),
        "no signature": "Bearer " + jwt.encode(claims, None, algorithm="none"),
        "another algorithm": "Bearer "
        + jwt.encode(claims, settings.derived_key("access-token") * 2, algorithm="HS512"),
        "a body changed": f"Bearer {head}.{body[:-2]}AA.{signature}",
        "a device's that is none": "Bearer fsmd_" + "A" * 64,
        "a refresh token": "Bearer fsmr_" + "A" * 64,
    }
    answer = await client.get("/api/me", headers={"Authorization": f"Bearer {good}"})
    assert answer.status_code == 200
    for name, header in worthless.items():
        problem = await _refused(
            client,
            "GET",
            "/api/me",
            {"Authorization": header.encode("latin-1")},  # type: ignore[dict-item]
        )
        assert (problem["status"], problem["code"]) == (401, "unauthenticated"), name
    clock.forward(seconds=settings.access_token_s)
    problem = await _refused(client, "GET", "/api/me", {"Authorization": f"Bearer {good}"})
    assert (problem["status"], problem["expired"]) == (401, True)


# --- problems ---------------------------------------------------------------------------------------------


def kinds_of_problems() -> list[type[Problem]]:
    """Return every kind that the product refuses with; a base that names no code of its own is none."""
    known = [kind for kind in all_problems() if kind.__module__.split(".")[0] != "tests"]
    for kind in known:
        assert "code" in vars(kind) or list(all_problems(kind)), f"{kind} has no code"
    return [kind for kind in known if "code" in vars(kind)]


def test_every_refusal_has_its_own_code() -> None:
    codes: dict[str, type[Problem]] = {}
    for kind in kinds_of_problems():
        assert kind.code not in codes, (kind, codes[kind.code])
        codes[kind.code] = kind
    assert len(codes) > 50


def test_codes_are_words_and_titles_are_sentences() -> None:
    for kind in kinds_of_problems():
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", kind.code), kind
        assert 400 <= kind.status <= 599, kind
        assert kind.title[0].isupper(), kind
        assert not kind.title.endswith("."), kind
        assert kind.title != Problem.title, kind


def test_only_our_own_fault_is_a_500() -> None:
    """Everything else in the five hundreds passes by itself or by the operator: 503 and 507."""
    found = {kind.code: kind.status for kind in kinds_of_problems() if kind.status >= 500}
    assert found.pop("internal-error") == 500
    assert set(found.values()) <= {503, 507}


# --- tables -----------------------------------------------------------------------------------------------


def columns() -> Iterator[tuple[str, str, Any]]:
    for table in metadata.sorted_tables:
        for column in table.columns:
            yield f"{table.name}.{column.name}", column.name, column


def test_every_table_but_the_tenants_own_has_the_tenant() -> None:
    without = {table.name for table in metadata.sorted_tables if "tenant_id" not in table.columns}
    assert without == {"tenant"}
    for table in metadata.sorted_tables:
        if table.name != "tenant":
            assert not table.columns["tenant_id"].nullable, table.name


def test_names_say_what_is_an_instant_and_what_a_day() -> None:
    for full, name, column in columns():
        is_instant = isinstance(column.type, DateTime)
        is_day = isinstance(column.type, Date) and not is_instant
        if is_instant:
            assert column.type.timezone, f"{full} has no zone"
            assert name.endswith("_at") or full in OTHER_INSTANTS, full
        elif name.endswith("_at"):
            assert full in NOT_AN_INSTANT, full
        if is_day:
            assert name.endswith("_on") or full in OTHER_DAYS, full
        else:
            assert not name.endswith("_on"), full
    known = {full for full, _, _ in columns()}
    assert set(NOT_AN_INSTANT) | OTHER_INSTANTS | OTHER_DAYS <= known, "an exception is gone"


def test_every_refused_constraint_exists() -> None:
    existing = {
        str(thing.name)
        for table in metadata.sorted_tables
        for thing in (*table.constraints, *table.indexes)
    }
    refused = refused_constraints()
    assert set(refused) <= existing
    assert len(refused) > 30
    for name, (kind, sentence) in refused.items():
        assert issubclass(kind, Problem), name
        assert sentence.endswith("."), name
        assert "_" not in sentence, f"{name}: {sentence!r} is not for people"
