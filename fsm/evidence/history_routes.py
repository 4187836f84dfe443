"""`/api/events`: the history of anything, for the office."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, get
from litestar.params import QueryParameter

from fsm import http
from fsm.actors import Permission
from fsm.evidence import history
from fsm.evidence.history import HistoryEvent
from fsm.http import CurrentActor, DbSession, needs


class HistoryEventPage(msgspec.Struct, frozen=True):
    items: list[HistoryEvent]
    next: str | None


Entity = Annotated[
    str | None,
    QueryParameter(
        max_length=40,
        description="What kind of thing: `work_order`, `asset`, `device`, `contract`, …",
    ),
]
EntityId = Annotated[UUID | None, QueryParameter(description="Which one; together with `entity`.")]
DeviceId = Annotated[
    UUID | None, QueryParameter(description="Only what came from this phone, whatever it is about.")
]


class HistoryController(Controller):
    path = "/api/events"
    tags = ["Evidence"]

    @get(
        "/",
        opt=needs(Permission.READ_HISTORY),
        summary="Who did what, when, from which device: of one thing, of one phone, or everything",
        dependencies=http.pages_of(200),
    )
    async def list(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        entity: Entity = None,
        entity_id: EntityId = None,
        device_id: DeviceId = None,
    ) -> HistoryEventPage:
        found = await history.list_events(
            session,
            actor,
            entity=entity,
            entity_id=entity_id,
            device_id=device_id,
            limit=page.limit,
            after=page.after_id,
        )
        return HistoryEventPage(found, page.next(found))


ROUTES = [HistoryController]
