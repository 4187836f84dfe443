"""What a label's address answers, to anybody: the resolver, the passport's page, its two forms.

One set of handlers stands behind three kinds of address: `/p/CODE`, `/8004/GIAI` and `/01/GTIN/21/SERIAL`.
A form is taken in three steps: a short look at what the label leads to, then the form is read without holding
a transaction (a photo over a slow network takes minutes), then one transaction keeps it.
"""

from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import quote

import msgspec
from litestar import Controller, Response, get, post, route
from litestar.di import NamedDependency, Provide
from litestar.enums import HttpMethod
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath
from litestar.status_codes import HTTP_303_SEE_OTHER, HTTP_307_TEMPORARY_REDIRECT
from litestar.types import ControllerRouterHandler

from fsm import http
from fsm.actors import public_actor
from fsm.assets import doors, label_complaints, resolver
from fsm.assets.doors import Door, Key
from fsm.assets.resolver import Missing, Standing
from fsm.assets.tables import LabelComplaint, LabelReason
from fsm.assets.visitor_limits import Limit, check_limits
from fsm.database import Database
from fsm.evidence import queries as evidence
from fsm.evidence.blobs import BlobStore
from fsm.evidence.streams import BlobStream
from fsm.http import DbSession, Now
from fsm.openapi import form as takes_form
from fsm.problems import Invalid, NotFound, RateLimited
from fsm.settings import Settings
from fsm.tenants.routes import AddressLimit
from fsm.web.label_look import Look, look_at, missing_page, resolved, root_of, visitor_at
from fsm.web.public_pages import (
    AnyRequest,
    address_of,
    answer_error,
    json_answer,
    language_of,
    megabytes,
    page,
    page_answers,
    see_other,
    wants_json,
)
from fsm.web.report_form import Form, read_form
from fsm.web.reports import (
    check_report,
    new_report_id,
    shown_hints,
    shown_open_report,
    take_help,
    take_report,
    typed,
)
from fsm.web.views import (
    LONGEST_PHONE,
    LONGEST_TEXT,
    FormProblem,
    HelpedField,
    PassportView,
    ReportField,
    ThanksKind,
    ThanksView,
    Typed,
    UnclaimedView,
    WrongLabelField,
    WrongLabelView,
)
from fsm.work_orders import requests
from fsm.work_orders.tables import Impact

COMPLAINT_LIMITS = (
    Limit("visitor", 10, timedelta(minutes=10)),
    Limit("visitor", 60, timedelta(days=1)),
    Limit("code", 20, timedelta(days=1)),
)
"""How often strangers may say that a label is wrong."""

TheKey = NamedDependency[Key]


class TakenView(msgspec.Struct, frozen=True):
    """What became of a form. `photo` is none, stored, or why it was not taken; reports have a link."""

    kind: ThanksKind
    status_url: str | None = None
    photo: str = "none"


PAGES = page_answers(_308="Another system answers for this code", _410="The code is retired")
LINKSET = ResponseSpec(
    data_container=dict[str, Any],
    description="RFC 9264 linkset, or schema.org JSON-LD",
    media_type=resolver.LINKSET_TYPE,
    generate_examples=False,
)
TAKEN = ResponseSpec(
    data_container=TakenView,
    description="Taken; with Accept: application/json",
    generate_examples=False,
)


class LabelController(Controller):
    """The handlers; subclasses say which address they stand behind."""

    tags = ["Public passports"]
    exception_handlers = {Exception: answer_error}

    @route(
        "/",
        http_method=[HttpMethod.GET, HttpMethod.HEAD],
        opt=http.anyone(),
        status_code=HTTP_307_TEMPORARY_REDIRECT,
        media_type="text/plain",
        responses=PAGES | {200: LINKSET},
        summary="Resolve a label: redirect, linkset, JSON-LD",
    )
    async def resolve(
        self, request: AnyRequest, session: DbSession, now: Now, key: TheKey
    ) -> Response[bytes]:
        look = await look_at(request, session, key)
        await self._log_scan(request, session, look, now)
        query = request.scope.get("query_string", b"").decode("latin-1")
        answer = resolver.answer(resolved(look), query=query, accept=request.headers.get("accept"))
        if isinstance(answer, resolver.Redirect):
            location = answer.location
            if answer.status == 307 and look.door is not None:
                # Our own page is named by its path: the reader came by a name and port that work.
                location = location.removeprefix(root_of(look.door))
            return Response(
                b"",
                status_code=answer.status,
                media_type="text/plain",
                headers=answer.headers | {"Location": location},
            )
        if isinstance(answer, resolver.Document):
            response = json_answer(answer.body, answer.status, answer.media_type)
            response.headers.update(answer.headers)
            return response
        return missing_page(request, look, answer.reason, answer.status, headers=answer.headers)

    async def _log_scan(
        self, request: AnyRequest, session: DbSession, look: Look, now: datetime
    ) -> None:
        """Log a person's scan. A link checker's HEAD is none, and a flood is answered but not logged."""
        if request.method != "GET" or look.door is None:
            return
        if look.door.standing is Standing.UNKNOWN:
            return
        limit: AddressLimit = request.app.state.scan_limit
        try:
            limit.take(address_of(request))
        except RateLimited:
            return
        visitor = visitor_at(request, look.door)
        await doors.record_scan_without_actor(session, look.door, visitor, now)

    @get(
        "/page",
        opt=http.anyone(),
        media_type="text/html",
        responses=PAGES,
        summary="The passport's public page",
    )
    async def show(
        self, request: AnyRequest, session: DbSession, now: Now, key: TheKey
    ) -> Response[bytes]:
        look = await look_at(request, session, key)
        door = look.door
        if door is not None and door.standing is Standing.UNCLAIMED:
            return self._unclaimed(request, look, door)
        if door is not None and door.forward_url is not None:
            return Response(
                b"",
                status_code=308,
                media_type="text/plain",
                headers={"Location": door.forward_url},
            )
        if door is None or door.machine is None:
            return missing_page(
                request, look, look.reason, 410 if look.reason is Missing.RETIRED_CODE else 404
            )
        return await self._passport_page(request, session, look, door, now)

    def _unclaimed(self, request: AnyRequest, look: Look, door: Door) -> Response[bytes]:
        view = UnclaimedView(
            path=f"{look.path}/page",
            service_name=door.service_name,
            code=look.key.shown,
            claim_url=f"/app/claim/{quote(look.key.value)}",
            wrong_label_url=f"{look.path}/wrong-label",
        )
        return page(request, "unclaimed", view)

    async def _passport_page(
        self,
        request: AnyRequest,
        session: DbSession,
        look: Look,
        door: Door,
        now: datetime,
        *,
        problems: list[FormProblem] | None = None,
        form: Form | None = None,
    ) -> Response[bytes]:
        machine = door.machine
        assert machine is not None, "only a good code has a passport's page"
        settings: Settings = request.app.state.settings
        actor = public_actor(door.tenant_id)
        open_reports = await requests.list_open_reports(session, actor, machine.asset_id)
        language = language_of(request)
        view = PassportView(
            path=f"{look.path}/page",
            service_name=door.service_name,
            short_code=look.key.shown,
            model_name=machine.model,
            manufacturer=machine.manufacturer or None,
            serial_tail=machine.serial_tail,
            photo_url=f"{look.path}/photo" if machine.photo_sha256 else None,
            report_url=f"{look.path}/report?lang={language}",
            helped_url=f"{look.path}/helped?lang={language}",
            wrong_label_url=f"{look.path}/wrong-label?lang={language}",
            report_id=(form.get(ReportField.REPORT_ID)[:60] if form else "") or new_report_id(),
            open_report=shown_open_report(settings, open_reports, now),
            hints=await shown_hints(session, actor, machine.asset_id, language, form),
            is_trial=door.url.is_trial,
            most_photo_mb=megabytes(request),
            problems=problems or (),
            typed=typed(form) if form else Typed(),
        )
        return page(request, "passport", view, 422 if problems else 200)

    @get(
        "/photo",
        opt=http.anyone(),
        media_type="image/jpeg",
        responses=PAGES,
        summary="The picture of the machine's model",
    )
    async def photo(self, request: AnyRequest, session: DbSession, key: TheKey) -> BlobStream:
        door = (await look_at(request, session, key)).door
        if door is None or door.machine is None or door.machine.photo_sha256 is None:
            raise NotFound("There is no picture.")
        actor = public_actor(door.tenant_id)
        blob = await evidence.find_blob(session, actor, door.machine.photo_sha256)
        small = blob.thumbnail_sha256
        store: BlobStore = request.app.state.blobs
        pieces = await store.open(door.tenant_id, (small or blob.sha256).hex())
        return BlobStream(
            pieces,
            mime="image/jpeg" if small else blob.mime,
            headers={"Cache-Control": "public, max-age=3600"},
        )

    @post(
        "/report",
        opt=http.anyone(),
        status_code=HTTP_303_SEE_OTHER,
        media_type="text/html",
        request_max_body_size=None,
        responses=PAGES | {201: TAKEN},
        summary="Report a problem: a form with text, impact, and optionally photo and contact",
        operation_class=takes_form(
            photo=ReportField.PHOTO,
            text="What is wrong. Needed.",
            impact=f"One of {', '.join(Impact)}. Needed.",
            contact_name="Who reports.",
            contact_phone="To call back.",
            contact_email="To write back.",
            add_to="The open report that this belongs to, as the passport's page names it.",
            report_id="The same form sent twice with one id is one report.",
        ),
        description=(
            "Sent on (303) to the thanks page; with `Accept: application/json` answered with 201 and "
            "the status link."
        ),
    )
    async def report(self, request: AnyRequest, now: Now, key: TheKey) -> Response[Any]:
        settings: Settings = request.app.state.settings
        database: Database = request.app.state.database
        limit: AddressLimit = request.app.state.report_limit
        limit.take(address_of(request))
        async with database.transaction() as session:
            look = await look_at(request, session, key)
        door = look.door
        if door is None or door.machine is None:
            if wants_json(request):
                raise NotFound("This label leads to no equipment that could be reported on.")
            status = 410 if look.reason is Missing.RETIRED_CODE else 404
            return missing_page(request, look, look.reason, status)
        with closing(
            await read_form(
                request,
                photo_field=ReportField.PHOTO,
                most_photo_bytes=settings.max_photo_bytes,
            )
        ) as form:
            if form.get(ReportField.WEBSITE):
                return _thanked(request, look)
            if problems := check_report(form):
                if wants_json(request):
                    raise _invalid(problems)
                async with database.transaction(door.tenant_id) as session:
                    return await self._passport_page(
                        request, session, look, door, now, problems=problems, form=form
                    )
            taken = await take_report(
                database,
                cast(BlobStore, request.app.state.blobs),
                settings,
                key,
                door.tenant_id,
                door.machine,
                form,
                visitor=visitor_at(request, door),
                language=language_of(request),
                now=now,
            )
        kind = ThanksKind.ADDITION if taken.is_addition else ThanksKind.REPORT
        stored = "stored" if taken.is_photo_stored else "none"
        photo = str(taken.photo_problem) if taken.photo_problem else stored
        if wants_json(request):
            status_url = f"{settings.public_url}/s/{taken.status_token}"
            return json_answer(TakenView(kind, status_url, photo), 201)
        language = language_of(request)
        return see_other(f"/s/{taken.status_token}/thanks/{kind}/{photo}?lang={language}")

    @post(
        "/helped",
        opt=http.anyone(),
        status_code=HTTP_303_SEE_OTHER,
        media_type="text/html",
        request_max_body_size=None,
        responses=PAGES | {201: TAKEN},
        summary="Say which known problem's advice helped, so that there is nothing to report",
        operation_class=takes_form(helped="The code of the known problem. Needed."),
    )
    async def helped(self, request: AnyRequest, now: Now, key: TheKey) -> Response[Any]:
        database: Database = request.app.state.database
        limit: AddressLimit = request.app.state.report_limit
        limit.take(address_of(request))
        async with database.transaction() as session:
            look = await look_at(request, session, key)
        door = look.door
        if door is None or door.machine is None:
            raise NotFound("This label leads to no equipment that anything is known of.")
        with closing(await read_form(request, photo_field=None, most_photo_bytes=0)) as form:
            code = form.get(HelpedField.CODE)
        async with database.transaction(door.tenant_id) as session:
            await take_help(
                session, door.machine.asset_id, door.tenant_id, code, visitor_at(request, door), now
            )
        if wants_json(request):
            return json_answer(TakenView(ThanksKind.HELPED), 201)
        return see_other(f"{look.path}/thanks/helped?lang={language_of(request)}")

    @get(
        "/thanks/helped",
        opt=http.anyone(),
        media_type="text/html",
        responses=PAGES,
        summary="After advice helped",
    )
    async def glad(self, request: AnyRequest, session: DbSession, key: TheKey) -> Response[bytes]:
        look = await look_at(request, session, key)
        return _thanks(request, look, "thanks/helped", ThanksKind.HELPED)

    @get(
        "/wrong-label",
        opt=http.anyone(),
        media_type="text/html",
        responses=PAGES,
        summary="The form for a wrong label",
    )
    async def wrong_label(
        self, request: AnyRequest, session: DbSession, key: TheKey
    ) -> Response[bytes]:
        look = await look_at(request, session, key)
        return self._wrong_label_form(request, look)

    def _wrong_label_form(
        self,
        request: AnyRequest,
        look: Look,
        problems: list[FormProblem] | None = None,
        shown_again: Typed | None = None,
    ) -> Response[bytes]:
        door = look.door
        if door is None or door.standing in (Standing.UNKNOWN, Standing.RETIRED):
            status = 410 if look.reason is Missing.RETIRED_CODE else 404
            return missing_page(
                request,
                look,
                look.reason,
                422 if problems else status,
                problems=problems,
                shown_again=shown_again,
            )
        view = WrongLabelView(
            path=f"{look.path}/wrong-label",
            service_name=door.service_name,
            code=look.key.shown,
            send_url=f"{look.path}/wrong-label?lang={language_of(request)}",
            back_url=f"{look.path}/page",
            problems=problems or (),
            typed=shown_again or Typed(),
        )
        return page(request, "wrong_label", view, 422 if problems else 200)

    @post(
        "/wrong-label",
        opt=http.anyone(),
        status_code=HTTP_303_SEE_OTHER,
        media_type="text/html",
        request_max_body_size=None,
        responses=PAGES | {201: TAKEN},
        summary="Say that a label is wrong, also an unknown or retired one",
        operation_class=takes_form(
            reason=f"One of {', '.join(LabelReason)}. Needed.",
            text="What is wrong with it.",
            contact_phone="To call back.",
        ),
    )
    async def complain(self, request: AnyRequest, now: Now, key: TheKey) -> Response[Any]:
        database: Database = request.app.state.database
        limit: AddressLimit = request.app.state.report_limit
        limit.take(address_of(request))
        async with database.transaction() as session:
            look = await look_at(request, session, key)
        door = look.door
        if door is None:
            raise NotFound("Nobody here knows this label.")
        with closing(await read_form(request, photo_field=None, most_photo_bytes=0)) as form:
            if form.get(WrongLabelField.WEBSITE):
                return _thanked(request, look)
            reason, text = form.get(WrongLabelField.REASON), form.get(WrongLabelField.TEXT)
            phone = form.get(WrongLabelField.CONTACT_PHONE)[:LONGEST_PHONE]
        problems = [] if reason in set(LabelReason) else [FormProblem.REASON_MISSING]
        if len(text) > LONGEST_TEXT:
            problems.append(FormProblem.TEXT_TOO_LONG)
        if problems:
            if wants_json(request):
                raise _invalid(problems)
            shown_again = Typed(text=text, contact_phone=phone, reason=reason)
            return self._wrong_label_form(request, look, problems, shown_again)
        visitor = visitor_at(request, door)
        async with database.transaction(door.tenant_id) as session:
            await check_limits(
                session,
                LabelComplaint,
                "received_at",
                COMPLAINT_LIMITS,
                {"visitor": visitor, "code": key.value[:255]},
                door.tenant_id,
                now,
            )
            await label_complaints.complain(
                session,
                public_actor(door.tenant_id),
                now,
                code=key.value,
                reason=LabelReason(reason),
                text=text,
                contact_phone=phone,
                visitor=visitor,
                asset_id=door.machine.asset_id if door.machine else None,
            )
        return _thanked(request, look)

    @get(
        "/thanks",
        opt=http.anyone(),
        media_type="text/html",
        responses=PAGES,
        summary="After a wrong label was named",
    )
    async def thanks(self, request: AnyRequest, session: DbSession, key: TheKey) -> Response[bytes]:
        look = await look_at(request, session, key)
        return _thanks(request, look, "thanks", ThanksKind.WRONG_LABEL)


def _thanks(request: AnyRequest, look: Look, at: str, kind: ThanksKind) -> Response[bytes]:
    """Answer the page after something was sent, with the way back where the label leads to a machine."""
    has_page = look.door is not None and look.door.machine is not None
    view = ThanksView(
        path=f"{look.path}/{at}",
        service_name=look.door.service_name if look.door else None,
        kind=kind,
        back_url=f"{look.path}/page" if has_page else None,
    )
    return page(request, "thanks", view)


def _thanked(request: AnyRequest, look: Look) -> Response[Any]:
    """Thank for a complaint; a robot that filled in the trap is thanked the same way."""
    if wants_json(request):
        return json_answer(TakenView(ThanksKind.WRONG_LABEL), 201)
    return see_other(f"{look.path}/thanks?lang={language_of(request)}")


def _invalid(problems: list[FormProblem]) -> Invalid:
    fields = {"text": "/text", "impact": "/impact", "email": "/contact_email", "reason": "/reason"}
    errors = [{"at": fields[p.partition("_")[0]], "detail": str(p)} for p in problems]
    return Invalid(f"The form is not complete: {', '.join(problems)}.", errors=errors)


async def _code_key(code: FromPath[str]) -> Key:
    return doors.code_key(code)


async def _asset_key(giai: FromPath[str]) -> Key:
    return doors.asset_key(giai)


async def _product_key(gtin: FromPath[str], serial: FromPath[str]) -> Key:
    return doors.product_key(gtin, serial)


class CodeController(LabelController):
    """Our own codes."""

    path = "/p/{code:str}"
    dependencies = {"key": Provide(_code_key)}


class AssetKeyController(LabelController):
    """GS1's key of an asset (GIAI), for tenants that own a company prefix."""

    path = "/8004/{giai:str}"
    dependencies = {"key": Provide(_asset_key)}


class ProductKeyController(LabelController):
    """GS1's key of one piece of a product line."""

    path = "/01/{gtin:str}/21/{serial:str}"
    dependencies = {"key": Provide(_product_key)}


@get(
    "/.well-known/gs1resolver",
    opt=http.anyone(),
    tags=["Public passports"],
    responses={
        200: ResponseSpec(
            data_container=dict[str, Any],
            description="GS1's resolver description file",
            generate_examples=False,
        )
    },
    summary="What is resolved here",
)
async def describe_resolver(request: AnyRequest, session: DbSession) -> Response[bytes]:
    settings: Settings = request.app.state.settings
    host = request.headers.get("host", "")[:255]
    service = await doors.describe_host_without_actor(session, host)
    root = settings.public_url
    if service is not None and service.host is not None:
        root = f"https://{service.host}"
    body = resolver.resolver_description(
        root=root,
        name=service.name if service else "Field service management",
        has_gs1_prefix=service is not None and service.has_gs1_prefix,
    )
    response = json_answer(body)
    response.headers.update(resolver.CORS_HEADERS)
    return response


ROUTES: list[ControllerRouterHandler] = [
    CodeController,
    AssetKeyController,
    ProductKeyController,
    describe_resolver,
]
