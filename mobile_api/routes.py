"""`/sync/v1`: what the technician's app talks to. A person registers a device; its token opens the rest."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, HttpMethod, Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK
from litestar.types import ASGIApp

from fsm import http
from fsm.actors import ActorKind, Permission
from fsm.database import Database
from fsm.evidence import signing_keys
from fsm.evidence.receipts import BadReceipt, ReceiptKey, public_key
from fsm.http import CurrentActor, DbSession, HotRoute, Now, anyone, needs
from fsm.problem_words import language_asked
from fsm.problems import Invalid, Problem
from fsm.settings import Settings
from fsm.tenants import queries as tenants
from fsm.tenants.tables import Device
from mobile_api import intent_store, intents, pull, repair, sequencer, stream
from mobile_api.device_requests import (
    DeviceOnly,
    DeviceRevoked,
    EmptyAt,
    ReadyJson,
    accept_encoding_of,
    answers_of,
    bounded_body,
    json_answer,
    must_be_device,
    pump_of,
    sender_of,
    take,
    together_of,
)
from mobile_api.encodings import (
    BatchTooLarge,
    BrokenEncoding,
    UnsupportedEncoding,
)
from mobile_api.feed_tokens import BadFeedToken
from mobile_api.intents import MalformedBatch
from mobile_api.limits import address_of, allowances_of, limit_requests
from mobile_api.pull import ClientTooOld, FeedEpochChanged, NotATechnician, iso
from mobile_api.push import MOST_BYTES, MOST_INFLATED, MOST_INTENTS, in_words_of
from mobile_api.repair import DigestAnswer
from mobile_api.shapes import (
    HaveBody,
    KeyView,
    Limits,
    OutcomePage,
    OutcomeView,
    PullAnswer,
    PushAnswer,
    PushOperation,
    ReconcileAnswer,
    Registered,
    Registration,
)
from mobile_api.tables import Intent


class PersonOnly(Problem):
    """A device is registered by the person who signs in on it, not by another device."""

    code, status, title = "person-only", 403, "Sign in to register a device"


Since = Annotated[
    str | None, QueryParameter(max_length=8_192, description="The last pull's `since`.")
]
PageLimit = Annotated[int, QueryParameter(ge=1, le=pull.PAGE_CHANGES, description="Most changes.")]

LastEventId = Annotated[
    str | None,
    HeaderParameter(name="Last-Event-ID", max_length=20, description="The head known so far."),
]


# --- routes -----------------------------------------------------------------------------------------------


class SyncController(Controller):
    path = "/sync/v1"
    tags = ["Devices"]
    guards = (limit_requests,)

    @post(
        "/devices",
        opt=needs(Permission.SYNC),
        status_code=HTTP_200_OK,
        responses=http.refusals(PersonOnly, NotATechnician, DeviceRevoked),
        summary="Register an installation of the app; the same one again gets a new token",
    )
    async def register(
        self,
        request: Request[Any, Any, Any],
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        data: JSONBody[Registration],
    ) -> Registered:
        if actor.kind is not ActorKind.USER:
            raise PersonOnly("Sign in at /api/sign-in, then register the device with that token.")
        allowances_of(request.app.state).registration.take(address_of(request))
        _check_key(data.key)
        await pull.granted_scopes(session, actor)
        device, token = await tenants.register_device(
            session,
            actor,
            now,
            install_id=data.install_id,
            platform=data.platform,
            app=data.app,
            schema_version=data.schema_version,
            public_key=data.key,
        )
        head = await sequencer.read_head(session, actor.tenant_id)
        settings: Settings = request.app.state.settings
        signer = ReceiptKey.from_seed(settings.receipt_key_seed)
        keys = await signing_keys.list_key_forms(session, actor.tenant_id, signer)
        next_seq = await intent_store.next_seq(session, actor.tenant_id, device.id)
        return _registered(settings, device, token, head.epoch, iso(now), next_seq, keys)

    @HotRoute(
        "/pull",
        http_method=HttpMethod.GET,
        opt=needs(Permission.SYNC) | http.RECHECKS,
        responses=answers_of(
            PullAnswer,
            BadFeedToken,
            DeviceOnly,
            DeviceRevoked,
            NotATechnician,
            FeedEpochChanged,
            ClientTooOld,
        ),
        summary="What changed since the last pull; everything without `since`",
    )
    async def read_changes(
        self,
        request: Request[Any, Any, Any],
        since: Since = None,
        limit: PageLimit = pull.PAGE_CHANGES,
        outbox_empty_at: EmptyAt = None,
    ) -> ASGIApp:
        actor = http.actor_of(request)
        must_be_device(actor)
        state = request.app.state
        content = await pull.answer(
            state.database,
            state.settings.sync_token_key,
            actor,
            state.clock(),
            token_hash=request.scope["state"]["device_secret"].sha256,
            since=since,
            limit=limit,
            outbox_empty_at=outbox_empty_at,
            others=together_of(state),
        )
        return ReadyJson(content, accept_encoding_of(request))

    @post(
        "/push",
        opt=anyone(),
        status_code=HTTP_200_OK,
        operation_class=PushOperation,
        security=[{"bearer": []}],
        responses=answers_of(
            PushAnswer,
            MalformedBatch,
            BrokenEncoding,
            DeviceOnly,
            BatchTooLarge,
            UnsupportedEncoding,
        ),
        summary="Send intents; each is stored, applied once and answered",
    )
    async def send(self, request: Request[Any, Any, Any], now: Now) -> Response[bytes]:
        """Take a batch. A device put out of use may still send: it is stored and quarantined."""
        actor = await sender_of(request)
        batch = intents.read_batch(await bounded_body(request), MOST_INTENTS)
        if batch.device_id != actor.device_id:
            raise MalformedBatch("'device_id' is not the device that this token belongs to.")
        answer = await take(request, actor, now, batch)
        language = language_asked(request.headers.get("accept-language"))
        return json_answer(request, msgspec.json.encode(in_words_of(answer, language)))

    @get(
        "/intents/{intent_id:uuid}",
        opt=needs(Permission.SYNC),
        responses=http.refusals(DeviceOnly, DeviceRevoked),
        summary="What became of an intent",
    )
    async def outcome(
        self, session: DbSession, actor: CurrentActor, intent_id: FromPath[UUID]
    ) -> OutcomeView:
        must_be_device(actor)
        found = await intent_store.find_outcome(session, actor, intent_id)
        return _outcome_view(found)

    @get(
        "/intents",
        opt=needs(Permission.SYNC),
        responses=http.refusals(DeviceOnly, DeviceRevoked),
        summary="What became of everything that this device sent",
    )
    async def outcomes(
        self, session: DbSession, actor: CurrentActor, page: http.Page
    ) -> OutcomePage:
        must_be_device(actor)
        found = await intent_store.list_outcomes(
            session, actor, limit=page.limit, after=page.after_id
        )
        return OutcomePage([_outcome_view(one) for one in found], page.next(found))

    @get(
        "/digest",
        opt=needs(Permission.SYNC),
        responses=http.refusals(DeviceOnly, DeviceRevoked, NotATechnician),
        summary="What an up-to-date device holds, as a sum",
    )
    async def digest(
        self, request: Request[Any, Any, Any], actor: CurrentActor, now: Now
    ) -> DigestAnswer:
        must_be_device(actor)
        return await repair.read_digest(request.app.state.database, actor, now)

    @post(
        "/reconcile",
        opt=needs(Permission.SYNC),
        status_code=HTTP_200_OK,
        responses=answers_of(
            ReconcileAnswer, DeviceOnly, DeviceRevoked, NotATechnician, ClientTooOld
        ),
        summary="Compare row by row what a device holds with what it should",
    )
    async def reconcile(
        self,
        request: Request[Any, Any, Any],
        actor: CurrentActor,
        now: Now,
        data: JSONBody[HaveBody],
    ) -> Response[bytes]:
        must_be_device(actor)
        state = request.app.state
        content = await repair.reconcile(
            state.database, state.settings.sync_token_key, actor, now, data.have, data.reason
        )
        return json_answer(request, content)

    @get(
        "/stream",
        opt=needs(Permission.SYNC),
        media_type="text/event-stream",
        responses={
            200: ResponseSpec(
                data_container=str,
                description="Server-sent events `hello`, `poke`, `resync`, `bye`; no row data.",
                media_type="text/event-stream",
                generate_examples=False,
            ),
            **http.refusals(DeviceOnly, DeviceRevoked, NotATechnician),
        },
        summary="Be told when there is something to pull",
    )
    async def listen(
        self,
        request: Request[Any, Any, Any],
        actor: CurrentActor,
        last_event_id: LastEventId = None,
    ) -> ASGIApp:
        must_be_device(actor)
        database: Database = request.app.state.database
        async with database.transaction(actor.tenant_id) as session:
            scopes = await pull.granted_scopes(session, actor)
        return stream.EventStream(pump_of(request), actor, scopes, last_event_id)


def _outcome_view(intent: Intent) -> OutcomeView:
    return OutcomeView(
        intent.id,
        intent.status,
        iso(intent.received_at),
        intent.device_seq,
        intent.type,
        **intent.outcome,
    )


def _check_key(key: str | None) -> None:
    if key is None:
        return
    try:
        public_key(key)
    except BadReceipt as error:
        raise Invalid(str(error), errors=[{"at": "/key", "detail": str(error)}]) from None


def _registered(
    settings: Settings,
    device: Device,
    token: str,
    epoch: UUID,
    server_time: str,
    next_seq: int,
    keys: list[dict[str, str]],
) -> Registered:
    return Registered(
        device_id=device.id,
        token=token,
        epoch=epoch,
        server_time=server_time,
        next_seq=next_seq,
        limits=Limits(
            pull_changes=pull.PAGE_CHANGES,
            pull_bytes=pull.PAGE_BYTES,
            push_intents=MOST_INTENTS,
            push_bytes=MOST_BYTES,
            push_inflated_bytes=MOST_INFLATED,
            photo_bytes=settings.max_photo_bytes,
        ),
        receipt_keys=[KeyView(**key) for key in keys],
    )


ROUTES = [SyncController]
