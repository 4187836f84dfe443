"""Calendars over HTTP: the feed at its secret address, and the address made and revoked."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from fsm import http
from fsm.actors import Permission
from fsm.database import Database
from fsm.http import CurrentActor, DbSession, Now, needs
from fsm.problems import NotFound, RateLimited
from fsm.technicians import positions
from fsm.tenants.tokens import read_secret
from fsm.work_orders.calendar_feed import feed, queries

_ICS = "text/calendar; charset=utf-8"


class CalendarAddress(msgspec.Struct, frozen=True):
    """Shown once: whoever has it reads the calendar. A new one ends this one."""

    url: str


class CalendarController(Controller):
    path = "/calendar"
    tags = ["Calendars"]

    @get(
        "/{file:str}",
        opt=http.anyone(),
        media_type=_ICS,
        responses={
            200: ResponseSpec(
                data_container=str,
                description="The calendar (RFC 5545).",
                media_type=_ICS,
                generate_examples=False,
            ),
            304: ResponseSpec(
                data_container=None, description="Nothing has changed.", generate_examples=False
            ),
            **http.refusals(NotFound, RateLimited),
        },
        summary="A technician's visits, for any calendar program that has the secret address",
    )
    async def read(
        self, request: Request[Any, Any, Any], now: Now, file: FromPath[str]
    ) -> Response[bytes]:
        state = request.app.state
        state.published_limit.take(request.client.host if request.client else "")
        secret = read_secret(queries.PREFIX, file.removesuffix(".ics"))
        if secret is None:
            raise _unknown()
        database: Database = state.database
        async with database.transaction(secret.tenant_id) as session:
            technician = await queries.find_technician_without_actor(session, secret)
            if technician is None:
                raise _unknown()
            visits = await queries.list_calendar_without_actor(session, technician, now)
        content = feed.write_calendar(technician.name, visits)
        tag = feed.entity_tag(content)
        headers = {"ETag": tag, "Cache-Control": "private, max-age=300"}
        if feed.is_known(request.headers.get("if-none-match"), tag):
            return Response(b"", status_code=304, headers=headers, media_type=_ICS)
        return Response(content, media_type=_ICS, headers=headers)


def _unknown() -> NotFound:
    return NotFound("There is no such calendar, or its address was revoked. Ask for a new one.")


class CalendarLinkController(Controller):
    path = "/api"
    tags = ["Calendars"]

    @post(
        "/technicians/{technician_id:uuid}/calendar",
        opt=needs(Permission.EDIT_TECHNICIANS),
        summary="Make a secret address of a technician's calendar; the one before stops working",
    )
    async def make(
        self,
        request: Request[Any, Any, Any],
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        technician_id: FromPath[UUID],
    ) -> CalendarAddress:
        secret = await queries.make_link(session, actor, now, technician_id)
        return _address(request, secret.token)

    @delete(
        "/technicians/{technician_id:uuid}/calendar",
        opt=needs(Permission.EDIT_TECHNICIANS),
        summary="Let no address of a technician's calendar work any more",
    )
    async def revoke(
        self, session: DbSession, actor: CurrentActor, now: Now, technician_id: FromPath[UUID]
    ) -> None:
        await queries.revoke_links(session, actor, now, technician_id)

    @post(
        "/me/calendar",
        opt=needs(Permission.SYNC),
        summary="Make a secret address of my own calendar; the one before stops working",
    )
    async def make_mine(
        self, request: Request[Any, Any, Any], session: DbSession, actor: CurrentActor, now: Now
    ) -> CalendarAddress:
        me = await positions.find_own(session, actor)
        secret = await queries.make_link(session, actor, now, me.id)
        return _address(request, secret.token)


def _address(request: Request[Any, Any, Any], token: str) -> CalendarAddress:
    return CalendarAddress(f"{request.app.state.settings.public_url}/calendar/{token}.ics")


ROUTES = [CalendarController, CalendarLinkController]
