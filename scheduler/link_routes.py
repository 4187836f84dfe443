"""Links between jobs over HTTP: what comes after what, how long after, by whom."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, delete, get, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_201_CREATED, HTTP_204_NO_CONTENT
from uuid_utils.compat import uuid7

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, DbSession, Now, needs
from fsm.languages import LANGUAGES
from fsm.work_orders.lifecycle import WrongStatus
from scheduler import linked_jobs
from scheduler.linked_jobs import AlreadyLinked, LinkContradicts, LinksInCircle, Told
from scheduler.linking import MOST_GAP_S, Bond, LinkedPeople
from scheduler.placing_sentences import breach_sentence

_PLAN = needs(Permission.PLAN)
_Gap = Annotated[int, pydantic.Field(ge=0, le=MOST_GAP_S)]


class LinkBody(Body):
    """The second job comes after the first (`is_ordered`), at least and at most so long after its end, by the
    same technician or another one, on the same day. What is left out is not asked."""

    first_id: UUID
    second_id: UUID
    is_ordered: bool = True
    least_gap_s: _Gap | None = None
    greatest_gap_s: _Gap | None = None
    technician: LinkedPeople | None = None
    is_same_day: bool = False


class BreachView(msgspec.Struct, frozen=True):
    """What the present plan does not keep of a link: `what`, by how many minutes, in words by language."""

    what: str
    minutes: int
    said: dict[str, str]


class LinkView(msgspec.Struct, frozen=True):
    """What one job asks of another. Both gaps are from the end of the first to the beginning of the second;
    `breaches` is empty where the present plan keeps the link, or has only the first of the two."""

    id: UUID
    first_id: UUID
    first_number: str
    second_id: UUID
    second_number: str
    is_ordered: bool
    least_gap_s: int | None
    greatest_gap_s: int | None
    technician: str | None
    is_same_day: bool
    set_by: str
    set_at: datetime
    breaches: list[BreachView]

    @classmethod
    def of(cls, told: Told) -> "LinkView":
        own = {name: getattr(told.link, name) for name in cls.__struct_fields__ if name in _OWN}
        return cls(
            **own,
            first_number=told.first_number,
            second_number=told.second_number,
            breaches=[
                BreachView(
                    what=str(each.what),
                    minutes=-(-each.seconds // 60),
                    said={
                        language: breach_sentence(each, told.first_number, language)
                        for language in LANGUAGES
                    },
                )
                for each in told.breaches
            ],
        )


_OWN = frozenset({*Bond.__dataclass_fields__, "set_by", "set_at"})


class LinkController(Controller):
    path = "/api/planning"
    tags = ["Planning"]

    @post(
        "/links",
        opt=_PLAN,
        status_code=HTTP_201_CREATED,
        responses=http.refusals(WrongStatus, LinksInCircle, LinkContradicts, AlreadyLinked),
        summary="Let one job come after another: in order, with a gap, by the same technician",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[LinkBody]
    ) -> LinkView:
        bond = Bond(
            id=uuid7(),
            **{name: getattr(data, name) for name in Bond.__dataclass_fields__ if name != "id"},
        )
        return LinkView.of(await linked_jobs.add_link(session, actor, now, bond))

    @delete(
        "/links/{link_id:uuid}",
        opt=_PLAN,
        status_code=HTTP_204_NO_CONTENT,
        summary="Let two jobs be planned without each other again",
    )
    async def remove(
        self, session: DbSession, actor: CurrentActor, now: Now, link_id: FromPath[UUID]
    ) -> None:
        await linked_jobs.remove_link(session, actor, now, link_id)

    @get(
        "/work-orders/{work_order_id:uuid}/links",
        opt=_PLAN,
        summary="What a job is linked to, and whether the present plan keeps it",
    )
    async def of_job(
        self, session: DbSession, actor: CurrentActor, work_order_id: FromPath[UUID]
    ) -> list[LinkView]:
        found = await linked_jobs.list_links(session, actor, work_order_id)
        return [LinkView.of(each) for each in found]


ROUTES = [LinkController]
