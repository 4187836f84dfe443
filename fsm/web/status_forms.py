"""What the holder of a status link may do: write, rate the visit, move the appointment."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from litestar import Controller, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from litestar.status_codes import HTTP_303_SEE_OTHER

from fsm import http
from fsm.database import Session
from fsm.http import Now
from fsm.openapi import form as takes_form
from fsm.problems import Invalid
from fsm.settings import Settings
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
from fsm.web.status_link import Link, LinkExpired, opened_link
from fsm.web.status_page import status_page
from fsm.web.status_routes import RatingBody
from fsm.web.views import (
    LONGEST_PHONE,
    LONGEST_TEXT,
    FormProblem,
    MessageField,
    MoveChoice,
    MoveField,
    MoveView,
    RatingField,
)
from fsm.work_orders.lifecycle import WrongStatus
from fsm.work_orders.ratings import queries as ratings
from fsm.work_orders.ratings.queries import Said
from fsm.work_orders.ratings.rules import (
    THUMBS,
    NothingToRate,
    RatingSettled,
    Scale,
)
from fsm.work_orders.tables import WorkOrder
from fsm.work_orders.threads import queries as threads
from scheduler import moving
from scheduler.booking import SlotTaken
from scheduler.moving import NotMovable, read_choice

RATED = ResponseSpec(
    data_container=RatingBody,
    description="Taken; with Accept: application/json",
    generate_examples=False,
)


class SaidBody(msgspec.Struct, frozen=True):
    """A message as it stands in the thread now."""

    id: UUID
    text: str
    written_at: datetime


SAID = ResponseSpec(
    data_container=SaidBody,
    description="Taken; with Accept: application/json",
    generate_examples=False,
)


class ChoiceBody(msgspec.Struct, frozen=True):
    """A window that can be had; `choice` is sent back to take it."""

    choice: str
    opens_at: datetime
    closes_at: datetime


class ChoicesBody(msgspec.Struct, frozen=True):
    """`is_taken_at_once` where nobody in the office need agree."""

    choices: list[ChoiceBody]
    is_taken_at_once: bool


class MovedBody(msgspec.Struct, frozen=True):
    """Whether the appointment has been moved; else the office has been asked."""

    is_taken: bool


MOVED = ResponseSpec(
    data_container=MovedBody,
    description="Taken, or asked for; with Accept: application/json",
    generate_examples=False,
)


class StatusFormController(Controller):
    """Each form is a page of its own to a program, and a part of the status page to a person."""

    path = "/s"
    tags = ["Public passports"]
    exception_handlers = {Exception: answer_error}

    @post(
        "/{token:str}/rating",
        opt=http.anyone(),
        status_code=HTTP_303_SEE_OTHER,
        media_type="text/html",
        request_max_body_size=None,
        responses=page_answers(LinkExpired, NothingToRate, RatingSettled) | {201: RATED},
        summary="Rate the last finished visit, or change that",
        operation_class=takes_form(
            stars="1 to 5. Needed, or a thumb.",
            thumb="'up' or 'down', instead of stars.",
            nps="How likely you are to recommend the company, 0 to 10.",
            comment="Anything else.",
            contact_phone="To call back.",
        ),
    )
    async def rate(self, request: AnyRequest, now: Now, token: FromPath[str]) -> Response[Any]:
        form = await read_typed(request)
        async with opened_link(request, token, now) as (session, link):
            if form.get(RatingField.WEBSITE):
                return see_other(f"{link.path}?lang={language_of(request)}")
            said, problems = _said(form)
            if said is None or problems:
                if wants_json(request):
                    raise _invalid(problems)
                return await status_page(
                    request, session, link, now, problems=problems, rating=form
                )
            if link.story.work_order is None:
                raise NothingToRate("You can rate the work once a visit has been finished.")
            given = await ratings.rate(
                session,
                link.actor,
                now,
                link.story.work_order.id,
                link.rater,
                said,
                contact_phone=form.get(RatingField.CONTACT_PHONE)[:LONGEST_PHONE],
            )
            body = RatingBody.of(given)
        if wants_json(request):
            return json_answer(body, 201)
        return see_other(f"{link.path}?lang={language_of(request)}#rating")

    @post(
        "/{token:str}/messages",
        opt=http.anyone(),
        status_code=HTTP_303_SEE_OTHER,
        media_type="text/html",
        request_max_body_size=None,
        responses=page_answers(LinkExpired, WrongStatus) | {201: SAID},
        summary="Write to the technician and the office",
        operation_class=takes_form(text="What you want to say. Needed."),
    )
    async def write(self, request: AnyRequest, now: Now, token: FromPath[str]) -> Response[Any]:
        form = await read_typed(request)
        text = form.get(MessageField.TEXT)
        problems = [] if text else [FormProblem.MESSAGE_MISSING]
        if len(text) > LONGEST_TEXT:
            problems = [FormProblem.MESSAGE_TOO_LONG]
        async with opened_link(request, token, now) as (session, link):
            there = see_other(f"{link.path}?lang={language_of(request)}#messages")
            if form.get(MessageField.WEBSITE):
                return there
            if problems:
                if wants_json(request):
                    raise _invalid(problems)
                return await status_page(
                    request, session, link, now, problems=problems, message=form
                )
            job, reported = link.story.work_order, link.story.reported
            if job is None:
                raise WrongStatus("Nobody is on this yet. You can write once the office has it.")
            message = await threads.write(session, link.actor, now, job.id, text, reported=reported)
            body = SaidBody(message.id, message.text, message.written_at)
        return json_answer(body, 201) if wants_json(request) else there

    @get(
        "/{token:str}/move",
        opt=http.anyone(),
        media_type="text/html",
        responses=page_answers(LinkExpired, NotMovable),
        summary="Windows that the appointment can be moved to: a page, or JSON",
    )
    async def choices(self, request: AnyRequest, now: Now, token: FromPath[str]) -> Response[Any]:
        request.app.state.report_limit.take(address_of(request))
        async with opened_link(request, token, now) as (session, link):
            if not wants_json(request):
                return await _move_page(request, session, link, now)
            job = _movable(link)
            key = _key(request)
            body = ChoicesBody(
                [
                    ChoiceBody(one.sealed(key), one.opens_at, one.closes_at)
                    for one in await moving.list_choices(session, link.actor, now, job.id)
                ],
                await moving.is_taken_at_once(session, job),
            )
        return json_answer(body, Vary="Accept")

    @post(
        "/{token:str}/move",
        opt=http.anyone(),
        status_code=HTTP_303_SEE_OTHER,
        media_type="text/html",
        request_max_body_size=None,
        responses=page_answers(LinkExpired, NotMovable, SlotTaken) | {201: MOVED},
        summary="Move the appointment to an offered window, or ask the office for another time",
        operation_class=takes_form(
            choice="One of the offered windows, as it was given out.",
            note="When it would suit, or anything else. Needed without a choice.",
        ),
    )
    async def move(self, request: AnyRequest, now: Now, token: FromPath[str]) -> Response[Any]:
        form = await read_typed(request)
        chosen, note = form.get(MoveField.CHOICE), form.get(MoveField.NOTE)
        problems = [] if chosen or note else [FormProblem.CHOICE_MISSING]
        if len(note) > LONGEST_TEXT:
            problems.append(FormProblem.TEXT_TOO_LONG)
        try:
            async with opened_link(request, token, now) as (session, link):
                if form.get(MoveField.WEBSITE):
                    return see_other(f"{link.path}?lang={language_of(request)}")
                job = _movable(link)
                if problems:
                    if wants_json(request):
                        raise _invalid(problems)
                    return await _move_page(request, session, link, now, problems, note)
                choice = read_choice(_key(request), chosen, job.id) if chosen else None
                is_taken = await moving.move(session, link.actor, now, job.id, choice, note)
        except SlotTaken:
            if wants_json(request):
                raise
            async with opened_link(request, token, now) as (session, link):
                return await _move_page(
                    request, session, link, now, [FormProblem.SLOT_TAKEN], note, 409
                )
        if wants_json(request):
            return json_answer(MovedBody(is_taken), 201)
        return see_other(f"{link.path}?lang={language_of(request)}")


def _movable(link: Link) -> WorkOrder:
    job = link.story.work_order
    if job is None or moving.movable(job, link.story.visits) is None:
        raise NotMovable("The appointment can no longer be moved here. Please call the office.")
    return job


def _key(request: AnyRequest) -> bytes:
    settings: Settings = request.app.state.settings
    return settings.derived_key("move-choice")


async def _move_page(
    request: AnyRequest,
    session: Session,
    link: Link,
    now: datetime,
    problems: Sequence[FormProblem] = (),
    note: str = "",
    refused: int = 422,
) -> Response[bytes]:
    job, key, language = _movable(link), _key(request), language_of(request)
    view = MoveView(
        path=f"{link.path}/move",
        service_name=link.story.service_name,
        zone=ZoneInfo(link.story.zone),
        send_url=f"{link.path}/move?lang={language}",
        back_url=f"{link.path}?lang={language}",
        choices=[
            MoveChoice(one.sealed(key), one.opens_at, one.closes_at)
            for one in await moving.list_choices(session, link.actor, now, job.id)
        ],
        is_taken_at_once=await moving.is_taken_at_once(session, job),
        window=link.made.window,
        note=note,
        problems=problems,
    )
    return page(request, "move", view, refused if problems else 200)


def _said(form: Form) -> tuple[Said | None, list[FormProblem]]:
    """Return what a rating says, and what keeps it from being taken."""
    problems = []
    stars, thumb = form.get(RatingField.STARS), form.get(RatingField.THUMB)
    scale = Scale.THUMB if thumb in THUMBS and not stars else Scale.STARS
    count = THUMBS[thumb] if scale is Scale.THUMB else _whole(stars, 1, 5)
    if count is None:
        problems.append(FormProblem.STARS_MISSING)
    typed = form.get(RatingField.NPS)
    nps = _whole(typed, 0, 10)
    if typed and nps is None:
        problems.append(FormProblem.NPS_UNREADABLE)
    comment = form.get(RatingField.COMMENT)
    if len(comment) > LONGEST_TEXT:
        problems.append(FormProblem.TEXT_TOO_LONG)
    return None if count is None else Said(count, scale, nps, comment), problems


def _whole(typed: str, least: int, most: int) -> int | None:
    if not (typed.isascii() and typed.isdigit() and len(typed) <= 2):
        return None
    return int(typed) if least <= int(typed) <= most else None


def _invalid(problems: list[FormProblem]) -> Invalid:
    fields = {"stars": "/stars", "nps": "/nps", "text": "/comment", "choice": "/choice"}
    fields["message"] = "/text"
    errors = [{"at": fields[p.partition("_")[0]], "detail": str(p)} for p in problems]
    return Invalid(f"The form is not complete: {', '.join(problems)}.", errors=errors)


ROUTES = [StatusFormController]
