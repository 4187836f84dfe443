"""Positions of technicians: consent and positions are theirs, the office sees where somebody is now."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, post, put
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK

from fsm import http
from fsm.actors import Permission
from fsm.database import utc
from fsm.http import Body, CurrentActor, DbSession, Instant, Latitude, Longitude, Now, needs
from fsm.technicians import positions
from fsm.technicians.positions import KEPT, Fix, Ignored, NoConsent
from fsm.technicians.queries import find_technician
from fsm.technicians.tables import Technician, TechnicianPosition


class Consent(Body):
    """Whether positions may be kept during shifts. Taking it back forgets those that are there."""

    granted: bool


class OneFix(Body):
    fixed_at: Instant
    latitude: Latitude
    longitude: Longitude
    accuracy_m: Annotated[float, pydantic.Field(ge=0, le=1e6)] | None = None


class Fixes(Body):
    positions: Annotated[list[OneFix], pydantic.Field(min_length=1, max_length=500)]


class ConsentView(msgspec.Struct, frozen=True):
    """Since when positions may be kept, null where they may not, and for how many days they are."""

    granted_at: datetime | None
    kept_days: int

    @classmethod
    def of(cls, technician: Technician) -> "ConsentView":
        return cls(technician.position_consent_at, KEPT.days)


class TakenView(msgspec.Struct, frozen=True):
    """How many positions were kept, and why others were not: `before_consent`, `not_in_shift`, …"""

    kept: int
    ignored: dict[Ignored, int]


class PositionView(msgspec.Struct, frozen=True):
    """Where a technician is now; null where that is not known, not in a shift, or without consent."""

    latitude: float
    longitude: float
    accuracy_m: float | None
    fixed_at: datetime

    @classmethod
    def of(cls, row: TechnicianPosition) -> "PositionView":
        return cls(row.latitude, row.longitude, row.accuracy_m, row.fixed_at)


class WhereView(msgspec.Struct, frozen=True):
    technician_id: UUID
    consents: bool
    position: PositionView | None


class OwnPositionController(Controller):
    path = "/api/me"
    tags = ["Technicians"]

    @get(
        "/position-consent",
        opt=needs(Permission.SYNC),
        summary="Whether my positions are kept during shifts",
    )
    async def read_consent(self, session: DbSession, actor: CurrentActor) -> ConsentView:
        return ConsentView.of(await positions.find_own(session, actor))

    @put(
        "/position-consent",
        opt=needs(Permission.SYNC),
        summary="Agree that my positions are kept during shifts, or no longer",
    )
    async def set_consent(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[Consent]
    ) -> ConsentView:
        technician = await positions.set_consent(session, actor, now, granted=data.granted)
        return ConsentView.of(technician)

    @post(
        "/positions",
        opt=needs(Permission.SYNC),
        status_code=HTTP_200_OK,
        responses=http.refusals(NoConsent),
        summary="Tell where I am or was; what may not be kept is not",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[Fixes]
    ) -> TakenView:
        fixes = [
            Fix(utc(one.fixed_at), one.latitude, one.longitude, one.accuracy_m)
            for one in data.positions
        ]
        kept, ignored = await positions.add_positions(session, actor, now, fixes)
        return TakenView(kept, dict(ignored))


class PositionController(Controller):
    path = "/api/technicians"
    tags = ["Technicians"]

    @get(
        "/{technician_id:uuid}/position",
        opt=needs(Permission.PLAN),
        summary="Where a technician is now",
    )
    async def read(
        self, session: DbSession, actor: CurrentActor, now: Now, technician_id: FromPath[UUID]
    ) -> WhereView:
        technician = await find_technician(session, actor, technician_id)
        row = await positions.last_position(session, actor, technician_id, now)
        return WhereView(
            technician_id,
            technician.position_consent_at is not None,
            None if row is None else PositionView.of(row),
        )


ROUTES = [OwnPositionController, PositionController]
