"""The price of a job that becomes wider: read, approved or refused by whoever holds its link."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from litestar import Controller, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from litestar.status_codes import HTTP_303_SEE_OTHER

from fsm import http
from fsm.actors import public_actor
from fsm.assets.visitor_limits import visitor_of
from fsm.database import Database, Session
from fsm.http import Now
from fsm.openapi import form as takes_form
from fsm.problems import Invalid, NotFound
from fsm.settings import Settings
from fsm.tenants.queries import find_own_tenant
from fsm.web import prices
from fsm.web.languages import messages
from fsm.web.prices import OfferBody
from fsm.web.public_pages import (
    AnyRequest,
    address_of,
    answer_error,
    json_answer,
    language_of,
    page,
    page_answers,
    read_typed,
    see_other,
    wants_json,
)
from fsm.web.report_form import Form
from fsm.web.status_link import LinkExpired
from fsm.web.views import (
    LONGEST_NAME,
    LONGEST_TEXT,
    FormProblem,
    PriceAnswer,
    PriceField,
    PriceView,
)
from fsm.work_orders.request_story import model_name
from fsm.work_orders.scope_changes import offers
from fsm.work_orders.scope_changes.offers import Put, Said
from fsm.work_orders.scope_changes.rules import OfferOver, OfferState

LINK_LIVES: Final = timedelta(days=365)
"""How long an offer's link shows what was offered and answered."""


ANSWERED = ResponseSpec(
    data_container=OfferBody,
    description="Taken; with Accept: application/json",
    generate_examples=False,
)


@asynccontextmanager
async def _opened(
    request: AnyRequest, token: str, now: datetime
) -> AsyncIterator[tuple[Session, Put]]:
    """Open an offer's link in a transaction bound to its tenant.

    `NotFound` for a link of nobody's, `LinkExpired` after its time.
    """
    database: Database = request.app.state.database
    secret = offers.read_offer_token(token)
    if secret is None:
        raise NotFound("There is no such link.")
    async with database.transaction(secret.tenant_id) as session:
        put = await offers.find_put_without_actor(session, secret)
        if put.offer.offered_at + LINK_LIVES <= now:
            raise LinkExpired("Links to prices expire. Please call the office.")
        yield session, put


class PriceController(Controller):
    path = "/o"
    tags = ["Public passports"]
    exception_handlers = {Exception: answer_error}

    @get(
        "/{token:str}",
        opt=http.anyone(),
        media_type="text/html",
        responses=page_answers(LinkExpired),
        summary="What a job that becomes wider would cost the customer: a page, or JSON",
    )
    async def show(self, request: AnyRequest, now: Now, token: FromPath[str]) -> Response[Any]:
        async with _opened(request, token, now) as (session, put):
            if wants_json(request):
                return json_answer(
                    await OfferBody.of(session, language_of(request), put, now), Vary="Accept"
                )
            return await _page(request, session, token, put, now)

    @post(
        "/{token:str}/answer",
        opt=http.anyone(),
        status_code=HTTP_303_SEE_OTHER,
        media_type="text/html",
        request_max_body_size=None,
        responses=page_answers(LinkExpired, OfferOver) | {201: ANSWERED},
        summary="Approve or refuse the price; the sentence that was chosen is kept with name and time",
        operation_class=takes_form(
            answer="'approve' or 'refuse'. Needed.",
            name="Who answers. Needed.",
            text="Anything else.",
        ),
    )
    async def answer(self, request: AnyRequest, now: Now, token: FromPath[str]) -> Response[Any]:
        form = await read_typed(request)
        problems = _problems_of(form)
        there = see_other(f"/o/{token}?lang={language_of(request)}#answer")
        try:
            async with _opened(request, token, now) as (session, put):
                if form.get(PriceField.WEBSITE):
                    return there
                if problems:
                    if wants_json(request):
                        raise _invalid(problems)
                    return await _page(request, session, token, put, now, problems, form)
                put = await offers.answer(
                    session,
                    public_actor(put.offer.tenant_id),
                    now,
                    put.offer.id,
                    _said(request, put, form),
                )
                body = await OfferBody.of(session, language_of(request), put, now)
        except OfferOver:
            if wants_json(request):
                raise
            async with _opened(request, token, now) as (session, put):
                is_open = put.state(now) is OfferState.OPEN
                changed = [FormProblem.PRICE_CHANGED] if is_open else []
                return await _page(request, session, token, put, now, changed, form, refused=409)
        return json_answer(body, 201) if wants_json(request) else there


# --- what is shown ----------------------------------------------------------------------------------------


def _said(request: AnyRequest, put: Put, form: Form) -> Said:
    """Return the answer with everything that its giver had before their eyes."""
    settings: Settings = request.app.state.settings
    chosen = PriceAnswer(form.get(PriceField.ANSWER))
    key = settings.derived_key("visitor")
    return Said(
        approves=chosen is PriceAnswer.APPROVE,
        name=form.get(PriceField.NAME)[:LONGEST_NAME],
        ground=form.get(PriceField.TEXT),
        wording=prices.wording(language_of(request), put, chosen),
        visitor=visitor_of(key, put.offer.tenant_id, address_of(request)),
    )


async def _page(
    request: AnyRequest,
    session: Session,
    token: str,
    put: Put,
    now: datetime,
    problems: Sequence[FormProblem] = (),
    form: Form | None = None,
    *,
    refused: int = 422,
) -> Response[bytes]:
    offer, ended, state = put.offer, put.answer, put.state(now)
    language = language_of(request)
    text = messages(language)
    is_open = state is OfferState.OPEN
    view = PriceView(
        path=f"/o/{token}",
        service_name=(await find_own_tenant(session, offer.tenant_id)).name,
        number=put.work_order.number,
        model_name=await model_name(session, offer.tenant_id, put.work_order.asset_id),
        zone=ZoneInfo(put.work_order.zone),
        lines=[prices.line(text, one, offer.currency) for one in put.lines],
        total=text.money(offer.price, offer.currency),
        note=offer.note,
        state=state,
        expires_at=offer.expires_at,
        sentences=prices.sentences(text, put),
        send_url=f"/o/{token}/answer?lang={language}" if is_open else None,
        answer=form.get(PriceField.ANSWER) if form else "",
        name=form.get(PriceField.NAME) if form else "",
        text=form.get(PriceField.TEXT) if form else "",
        answered_by=ended.name if ended else "",
        answered_at=ended.answered_at if ended and ended.name else None,
        problems=problems if is_open else (),
    )
    status = refused if problems or refused == 409 else 200
    return page(request, "price", view, status)


# --- what is typed ----------------------------------------------------------------------------------------


def _problems_of(form: Form) -> list[FormProblem]:
    problems = []
    if form.get(PriceField.ANSWER) not in set(PriceAnswer):
        problems.append(FormProblem.ANSWER_MISSING)
    if not form.get(PriceField.NAME):
        problems.append(FormProblem.NAME_MISSING)
    if len(form.get(PriceField.TEXT)) > LONGEST_TEXT:
        problems.append(FormProblem.TEXT_TOO_LONG)
    return problems


def _invalid(problems: Sequence[FormProblem]) -> Invalid:
    errors = [{"at": f"/{one.partition('_')[0]}", "detail": str(one)} for one in problems]
    return Invalid(f"The form is not complete: {', '.join(problems)}.", errors=errors)


ROUTES = [PriceController]
