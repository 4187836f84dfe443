"""Signing in from a page: what renews access is a cookie that no script can read.

The access token is in the answer and lives in the page's memory; requests carry it as any other client's do,
so a foreign page can make none of them. The cookie is sent to these addresses alone, by our own pages alone
(SameSite=Strict), and a browser that says it was sent here by another site is refused.
"""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, post
from litestar.datastructures import Cookie
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT

from fsm import http
from fsm.http import Now
from fsm.problems import Forbidden, Unauthenticated
from fsm.settings import Settings
from fsm.tenants.sessions import SessionView, SignIn, end_session, renew_session, sign_in

AnyRequest = Request[Any, Any, Any]

COOKIE = "fsm_session"
_PATH = "/api/sign-in/browser"


class ForeignPage(Forbidden):
    code, status, title = "foreign-page", 403, "Another site's page asks"


class BrowserSessionView(msgspec.Struct, frozen=True):
    """Access for `expires_in_s` seconds, kept in the page's memory."""

    access_token: str
    expires_in_s: int
    name: str
    language: str
    permissions: list[str]
    is_customer: bool


class BrowserSessionController(Controller):
    path = _PATH
    tags = ["Signing in"]

    @post(
        "/",
        opt=http.anyone(),
        status_code=HTTP_200_OK,
        responses=http.refusals(ForeignPage),
        summary="Sign in from a page, with a password",
    )
    async def sign_in(
        self, request: AnyRequest, data: JSONBody[SignIn], now: Now
    ) -> Response[BrowserSessionView]:
        _refuse_foreign(request)
        return _with_cookie(request, await sign_in(request, data, now))

    @post(
        "/renewal",
        opt=http.anyone(),
        status_code=HTTP_200_OK,
        responses=http.refusals(ForeignPage),
        summary="Renew a page's access with its cookie, which is spent",
    )
    async def renew(self, request: AnyRequest, now: Now) -> Response[BrowserSessionView]:
        _refuse_foreign(request)
        token = request.cookies.get(COOKIE)
        if token is None:
            raise Unauthenticated("Nobody is signed in in this browser.")
        return _with_cookie(request, await renew_session(request, token, now))

    @delete(
        "/",
        opt=http.anyone(),
        status_code=HTTP_204_NO_CONTENT,
        responses=http.refusals(ForeignPage),
        summary="Sign this browser out",
    )
    async def sign_out(self, request: AnyRequest, now: Now) -> Response[None]:
        _refuse_foreign(request)
        await end_session(request, request.cookies.get(COOKIE, ""), now)
        return Response(
            None, status_code=HTTP_204_NO_CONTENT, cookies=[_cookie(request, "", max_age=0)]
        )


def _refuse_foreign(request: AnyRequest) -> None:
    """Refuse what a browser says another site's page has sent; programs that are no browsers say nothing."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForeignPage("Signing in is for this server's own pages.")


def _with_cookie(request: AnyRequest, session: SessionView) -> Response[BrowserSessionView]:
    settings: Settings = request.app.state.settings
    view = BrowserSessionView(
        session.access_token,
        session.expires_in_s,
        session.name,
        session.language,
        session.permissions,
        session.is_customer,
    )
    cookie = _cookie(request, session.refresh_token, max_age=settings.refresh_token_s)
    return Response(view, status_code=HTTP_200_OK, cookies=[cookie])


def _cookie(request: AnyRequest, value: str, *, max_age: int) -> Cookie:
    settings: Settings = request.app.state.settings
    return Cookie(
        COOKIE,
        value=value,
        path=_PATH,
        max_age=max_age,
        httponly=True,
        secure=settings.public_url.startswith("https:"),
        samesite="strict",
    )


ROUTES = [BrowserSessionController]
