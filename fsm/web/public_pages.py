"""How the public addresses answer: a page in the reader's language, JSON for a program, errors as either."""

from typing import Any

import msgspec
from litestar import MediaType, Request, Response
from litestar.openapi.datastructures import ResponseSpec

from fsm import http
from fsm.negotiation import best_media_type
from fsm.problems import Problem
from fsm.settings import Settings
from fsm.web import pages
from fsm.web.languages import choose_language
from fsm.web.report_form import Form, read_form
from fsm.web.views import ErrorKind, ErrorView, PageView

AnyRequest = Request[Any, Any, Any]

HTML = "text/html; charset=utf-8"

_ERRORS = {
    400: ErrorKind.UNREADABLE,
    404: ErrorKind.LINK_EXPIRED,
    409: ErrorKind.UNREADABLE,
    410: ErrorKind.LINK_EXPIRED,
    413: ErrorKind.TOO_LARGE,
    415: ErrorKind.UNREADABLE,
    422: ErrorKind.UNREADABLE,
    429: ErrorKind.TOO_MANY,
    503: ErrorKind.BUSY,
    507: ErrorKind.BUSY,
}


def page_answers(*kinds: type[Problem], **others: str) -> dict[int, ResponseSpec]:
    """Return OpenAPI declarations for a public address: its refusals are pages unless JSON is asked for.

    `kinds` are refusals beyond those of every route; `others` are further answers, `_308="moved on"`.
    """
    declared = {**http.ALWAYS, **http.refusals(*kinds)}
    refused = {
        status: ResponseSpec(
            data_container=str,
            description=f"A page, or a problem with Accept: application/json: {spec.description}",
            media_type=MediaType.HTML,
            generate_examples=False,
        )
        for status, spec in declared.items()
    }
    return refused | {
        int(name[1:]): ResponseSpec(
            data_container=str,
            description=said,
            media_type=MediaType.HTML,
            generate_examples=False,
        )
        for name, said in others.items()
    }


def wants_json(request: AnyRequest) -> bool:
    """Whether the client would rather have JSON than a page."""
    offered = ["text/html", "application/json"]
    return best_media_type(request.headers.get("accept"), offered) == "application/json"


def language_of(request: AnyRequest) -> str:
    return choose_language(request.headers.get("accept-language"), request.query_params.get("lang"))


def address_of(request: AnyRequest) -> str:
    """Return the visitor's network address; behind a proxy the server is told to trust its headers."""
    return request.client.host if request.client else ""


def megabytes(request: AnyRequest) -> int:
    """Return the largest photo taken, in whole megabytes as people count them."""
    settings: Settings = request.app.state.settings
    return max(1, settings.max_photo_bytes // 1_000_000)


def page(
    request: AnyRequest,
    name: pages.PageName,
    view: PageView,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response[bytes]:
    """Render a page in the reader's language."""
    html = pages.render(name, language_of(request), view)
    sent = {k: v for k, v in pages.headers(template=name).items() if k != "Content-Type"} | (
        headers or {}
    )
    return Response(html.encode(), status_code=status, media_type=HTML, headers=sent)


def json_answer(
    body: object, status: int = 200, media_type: str = "application/json", **headers: str
) -> Response[bytes]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(
        msgspec.json.encode(body), status_code=status, media_type=media_type, headers=sent
    )


def see_other(path: str) -> Response[bytes]:
    """Send a browser on after a form (303), so that reloading repeats nothing. `path` is our own."""
    return Response(b"", status_code=303, media_type=HTML, headers={"Location": path})


async def read_typed(request: AnyRequest) -> Form:
    """Read a form of typed fields before any transaction is opened: the sender may be slow."""
    request.app.state.report_limit.take(address_of(request))
    return await read_form(request, photo_field=None, most_photo_bytes=0)


def answer_error(request: AnyRequest, error: Exception) -> Response[Any]:
    """Answer any exception with a page, or with a problem where a program asked."""
    if wants_json(request):
        return http.answer_problem(request, error)
    problem: Problem = http.problem_of(error)
    retry_after = problem.headers.get("Retry-After")
    path = request.url.path
    if request.method == "POST":
        # A form's own address shows nothing to a GET; its label's page does, or its link's.
        path = path.rpartition("/")[0] + ("" if path.startswith(("/s/", "/o/")) else "/page")
    view = ErrorView(
        path=path,
        back_url=path if request.method == "POST" else None,
        kind=_ERRORS.get(problem.status, ErrorKind.INTERNAL),
        reference=problem.facts.get("reference"),
        retry_after_s=int(retry_after) if retry_after and problem.status == 429 else None,
        most_photo_mb=megabytes(request),
    )
    return page(request, "error", view, problem.status, dict(problem.headers))
