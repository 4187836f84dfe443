"""What phones sent and nothing was made of yet, at the office's desk."""

from datetime import datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, post
from litestar.params import JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, DbSession, Line, Now, needs
from mobile_api import quarantine
from mobile_api.tables import Intent, OutcomeStatus

_Ids = Annotated[list[UUID], pydantic.Field(min_length=1, max_length=200)]


class Releasing(Body):
    """Intents to apply; `visit_id` is the visit that work on an unknown one belongs to."""

    intent_ids: _Ids
    visit_id: UUID | None = None


class Discarding(Body):
    intent_ids: _Ids
    reason: Line


class IntentView(msgspec.Struct, frozen=True):
    """An intent as it came and what became of it; `seq` is its device's number for it."""

    id: UUID
    device_id: UUID
    seq: int
    type: str
    status: str
    received_at: datetime
    occurred_at: datetime | None
    body: dict[str, Any]
    outcome: dict[str, Any]

    @classmethod
    def of(cls, intent: Intent) -> "IntentView":
        return cls(
            intent.id,
            intent.device_id,
            intent.device_seq,
            intent.type,
            intent.status,
            intent.received_at,
            intent.occurred_at,
            # What is not an object was sent in the place of one.
            intent.body if isinstance(intent.body, dict) else {"unreadable": intent.body},
            intent.outcome,
        )


class IntentPage(msgspec.Struct, frozen=True):
    items: list[IntentView]
    next: str | None


Intents: TypeAlias = list[IntentView]


class IntentController(Controller):
    path = "/api/intents"
    tags = ["Visits"]

    @get(
        "/",
        opt=needs(Permission.EDIT_WORK_ORDERS),
        summary="What phones sent and somebody must decide on, or what took effect",
    )
    async def list(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        status: Annotated[OutcomeStatus, QueryParameter()] = OutcomeStatus.QUARANTINED,
        device_id: Annotated[UUID | None, QueryParameter()] = None,
    ) -> IntentPage:
        found = await quarantine.list_undecided(
            session,
            actor,
            status=status,
            device_id=device_id,
            limit=page.limit,
            after=page.after_id,
        )
        return IntentPage([IntentView.of(one) for one in found], page.next(found))

    @post(
        "/releasing",
        opt=needs(Permission.EDIT_WORK_ORDERS),
        status_code=HTTP_200_OK,
        summary="Let quarantined or waiting intents take effect",
    )
    async def release(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[Releasing]
    ) -> Intents:
        released = await quarantine.release(
            session, actor, now, data.intent_ids, visit_id=data.visit_id
        )
        return [IntentView.of(one) for one in released]

    @post(
        "/discarding",
        opt=needs(Permission.EDIT_WORK_ORDERS),
        status_code=HTTP_200_OK,
        summary="Decide that quarantined or waiting intents do not take effect",
    )
    async def discard(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[Discarding]
    ) -> Intents:
        discarded = await quarantine.discard(
            session, actor, now, data.intent_ids, reason=data.reason
        )
        return [IntentView.of(one) for one in discarded]


ROUTES = [IntentController]
