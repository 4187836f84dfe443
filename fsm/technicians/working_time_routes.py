"""Shifts and absences: who works when."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pydantic
from litestar import Controller, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from fsm import http
from fsm.actors import Permission
from fsm.database import utc
from fsm.http import (
    Body,
    CurrentActor,
    Day,
    DbSession,
    Instant,
    Latitude,
    Longitude,
    Now,
    Revision,
    Text,
    needs,
)
from fsm.problems import Invalid
from fsm.technicians import working_time
from fsm.technicians.queries import find_technician
from fsm.technicians.shift_pattern import (
    DayRange,
    InvalidPattern,
    PatternShift,
    expand,
    pattern_shift,
)
from fsm.technicians.tables import Absence, AbsenceKind, Shift

Clock = Annotated[str, pydantic.Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""A time of day, HH:MM."""
Seconds = Annotated[int, pydantic.Field(ge=0, le=86_400)]

FirstOn = Annotated[Day, QueryParameter(description="First day, in each technician's own zone.")]
LastOn = Annotated[Day, QueryParameter(description="Last day, included.")]
OfTechnician = Annotated[UUID | None, QueryParameter(description="Only of this technician.")]
AsLookedAt = Annotated[
    int | None,
    QueryParameter(
        ge=1, le=2**63 - 1, description="As it was looked at; left out, it goes as it is now."
    ),
]

MOST_DAYS = 366


class BreakHours(Body):
    """An unpaid break of `length_s` seconds that begins between `earliest` and `latest`."""

    length_s: Annotated[int, pydantic.Field(ge=60, le=8 * 3_600)]
    earliest: Clock
    latest: Clock


class ShiftHours(Body):
    """Hours on one weekday, in the technician's zone. An end at or before the start is the next day."""

    day: Annotated[str, pydantic.Field(max_length=3)]
    starts: Clock
    ends: Clock
    rest: BreakHours | None = pydantic.Field(default=None, alias="break")

    def line(self, path: str) -> PatternShift:
        rest = self.rest
        return pattern_shift(
            self.day,
            self.starts,
            self.ends,
            None if rest is None else (rest.length_s, rest.earliest, rest.latest),
            path,
        )


class NewShifts(Body):
    """A weekly pattern over some days. `keep_existing` leaves shifts that are already there, and fills up."""

    first_on: Day
    last_on: Day
    weekly: Annotated[list[ShiftHours], pydantic.Field(min_length=1, max_length=21)]
    except_on: Annotated[list[Day], pydantic.Field(max_length=MOST_DAYS)] = []
    overtime_s: Annotated[int, pydantic.Field(ge=0, le=43_200)] = 0
    start_latitude: Latitude | None = None
    start_longitude: Longitude | None = None
    keep_existing: bool = False

    @pydantic.model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.start_latitude is None) != (self.start_longitude is None):
            raise ValueError("start_latitude and start_longitude come together")
        return self


class ShiftEdit(Body):
    """`break_earliest_s` and `break_latest_s` count from the shift's start; a null time stays as it is."""

    rev: Revision
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    overtime_s: Annotated[int, pydantic.Field(ge=0, le=43_200)] = 0
    break_s: Seconds = 0
    break_earliest_s: Seconds = 0
    break_latest_s: Seconds = 0


class NewAbsence(Body):
    """Away from an instant to an instant (none: until further notice), or on whole days, both included."""

    technician_id: UUID
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    first_on: Day | None = None
    last_on: Day | None = None
    kind: AbsenceKind = AbsenceKind.LEAVE
    note: Text = ""

    @pydantic.model_validator(mode="after")
    def _instants_or_days(self) -> Self:
        instants = self.starts_at is not None
        days = self.first_on is not None and self.last_on is not None
        if instants == days or (instants and not (self.first_on is None and self.last_on is None)):
            raise ValueError("give either starts_at (and ends_at), or first_on and last_on")
        if days and self.ends_at is not None:
            raise ValueError("whole days have no ends_at")
        return self


class AbsenceEdit(Body):
    """`ends_at` null: until further notice; `starts_at` null: as it is."""

    rev: Revision
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    kind: AbsenceKind = AbsenceKind.LEAVE
    note: Text = ""


class ShiftView(msgspec.Struct, frozen=True):
    """One shift; `on` is the day on which it starts where the technician is."""

    id: UUID
    rev: int
    technician_id: UUID
    on: date
    starts_at: datetime
    ends_at: datetime
    overtime_s: int
    break_s: int
    break_earliest_s: int
    break_latest_s: int
    start_latitude: float | None
    start_longitude: float | None

    @classmethod
    def of(cls, shift: Shift, on: date) -> "ShiftView":
        starts_at, ends_at = working_time.bounds(shift.during)
        return cls(
            shift.id,
            shift.rev,
            shift.technician_id,
            on,
            starts_at,
            ends_at,
            shift.overtime_s,
            shift.break_s,
            shift.break_earliest_s,
            shift.break_latest_s,
            shift.start_latitude,
            shift.start_longitude,
        )


class ShiftPage(msgspec.Struct, frozen=True):
    """Shifts of some days. A page may hold fewer than asked for and still have a next one."""

    items: list[ShiftView]
    next: str | None


class ShiftsCreated(msgspec.Struct, frozen=True):
    items: list[ShiftView]
    created: int
    kept: int


class ShiftsRemoved(msgspec.Struct, frozen=True):
    removed: int


class AbsenceView(msgspec.Struct, frozen=True):
    """`ends_at` is null while nobody knows."""

    id: UUID
    rev: int
    technician_id: UUID
    starts_at: datetime | None
    ends_at: datetime | None
    kind: AbsenceKind
    note: str

    @classmethod
    def of(cls, absence: Absence) -> "AbsenceView":
        return cls(
            absence.id,
            absence.rev,
            absence.technician_id,
            absence.during.lower,
            absence.during.upper,
            AbsenceKind(absence.kind),
            absence.note,
        )


class AbsencePage(msgspec.Struct, frozen=True):
    items: list[AbsenceView]
    next: str | None


def day_range(first_on: date, last_on: date) -> DayRange:
    """Return the days, or refuse an end before the start and more than a year at once."""
    try:
        days = DayRange(first_on, last_on)
    except InvalidPattern as error:
        raise refused(error) from None
    if days.days > MOST_DAYS:
        raise Invalid(
            f"At most {MOST_DAYS} days at once.",
            errors=[{"at": "/last_on", "detail": f"more than {MOST_DAYS} days after the first"}],
        )
    return days


def refused(error: InvalidPattern) -> Invalid:
    return Invalid(
        f"{error.path}: {error.reason}.", errors=[{"at": error.path, "detail": error.reason}]
    )


class RosterController(Controller):
    """The shifts of one technician, many at once."""

    path = "/api/technicians/{technician_id:uuid}/shifts"
    tags = ["Working time"]

    @post(
        "/",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_201_CREATED,
        summary="Create shifts from a weekly pattern",
    )
    async def add(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        technician_id: FromPath[UUID],
        data: JSONBody[NewShifts],
    ) -> ShiftsCreated:
        technician = await find_technician(session, actor, technician_id)
        days = day_range(data.first_on, data.last_on)
        try:
            pattern = [hours.line(f"/weekly/{at}") for at, hours in enumerate(data.weekly)]
            planned = expand(pattern, ZoneInfo(technician.zone), days, data.except_on)
        except InvalidPattern as error:
            raise refused(error) from None
        created = await working_time.add_shifts(
            session,
            actor,
            now,
            technician_id,
            planned,
            overtime_s=data.overtime_s,
            start_latitude=data.start_latitude,
            start_longitude=data.start_longitude,
            keep_existing=data.keep_existing,
        )
        return ShiftsCreated(
            [ShiftView.of(shift, on) for shift, on in created],
            len(created),
            len(planned) - len(created),
        )

    @delete(
        "/",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_200_OK,
        summary="Remove a technician's shifts of some days",
    )
    async def remove(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        technician_id: FromPath[UUID],
        first_on: FirstOn,
        last_on: LastOn,
    ) -> ShiftsRemoved:
        removed = await working_time.delete_shifts(
            session, actor, now, technician_id, day_range(first_on, last_on)
        )
        return ShiftsRemoved(removed)


class ShiftController(Controller):
    path = "/api/shifts"
    tags = ["Working time"]

    @get(
        "/",
        opt=needs(Permission.READ_TECHNICIANS),
        summary="List the shifts of some days",
        dependencies=http.pages_of(500),
    )
    async def list_shifts(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        first_on: FirstOn,
        last_on: LastOn,
        technician_id: OfTechnician = None,
    ) -> ShiftPage:
        rows, following = await working_time.list_shifts(
            session,
            actor,
            day_range(first_on, last_on),
            technician_id=technician_id,
            after=page.after_id,
            limit=page.limit,
        )
        return ShiftPage(
            [ShiftView.of(shift, on) for shift, on in rows],
            None if following is None else str(following),
        )

    @patch("/{shift_id:uuid}", opt=needs(Permission.EDIT_TECHNICIANS), summary="Edit a shift")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        shift_id: FromPath[UUID],
        data: JSONBody[ShiftEdit],
    ) -> ShiftView:
        changes = data.changes("starts_at", "ends_at")
        if data.starts_at is not None:
            changes["starts_at"] = utc(data.starts_at)
        if data.ends_at is not None:
            changes["ends_at"] = utc(data.ends_at)
        shift, on = await working_time.edit_shift(session, actor, now, shift_id, data.rev, changes)
        return ShiftView.of(shift, on)

    @delete(
        "/{shift_id:uuid}",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_204_NO_CONTENT,
        summary="Remove a shift",
    )
    async def remove(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        shift_id: FromPath[UUID],
        rev: AsLookedAt = None,
    ) -> None:
        await working_time.delete_shift(session, actor, now, shift_id, rev)


class AbsenceController(Controller):
    path = "/api/absences"
    tags = ["Working time"]

    @get("/", opt=needs(Permission.READ_TECHNICIANS), summary="List absences")
    async def list_absences(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        technician_id: OfTechnician = None,
        from_at: Annotated[
            datetime | None, QueryParameter(description="Only absences that last beyond this.")
        ] = None,
        until_at: Annotated[
            datetime | None, QueryParameter(description="Only absences that begin before this.")
        ] = None,
    ) -> AbsencePage:
        rows = await working_time.list_absences(
            session,
            actor,
            technician_id=technician_id,
            from_at=None if from_at is None else utc(from_at),
            until_at=None if until_at is None else utc(until_at),
            after=page.after_id,
            limit=page.limit,
        )
        return AbsencePage([AbsenceView.of(absence) for absence in rows], page.next(rows))

    @post(
        "/",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_201_CREATED,
        summary="Record an absence",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewAbsence]
    ) -> AbsenceView:
        technician = await find_technician(session, actor, data.technician_id)
        if data.first_on is not None and data.last_on is not None:
            ends_at: datetime | None
            days = day_range(data.first_on, data.last_on)
            starts_at, ends_at = days.instants(ZoneInfo(technician.zone))
        else:
            starts_at = utc(data.starts_at or now)
            ends_at = None if data.ends_at is None else utc(data.ends_at)
        absence = await working_time.add_absence(
            session,
            actor,
            now,
            technician_id=technician.id,
            starts_at=starts_at,
            ends_at=ends_at,
            kind=data.kind,
            note=data.note,
        )
        return AbsenceView.of(absence)

    @patch("/{absence_id:uuid}", opt=needs(Permission.EDIT_TECHNICIANS), summary="Edit an absence")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        absence_id: FromPath[UUID],
        data: JSONBody[AbsenceEdit],
    ) -> AbsenceView:
        changes = data.changes("starts_at")
        if data.starts_at is not None:
            changes["starts_at"] = utc(data.starts_at)
        if data.ends_at is not None:
            changes["ends_at"] = utc(data.ends_at)
        absence = await working_time.edit_absence(
            session, actor, now, absence_id, data.rev, changes
        )
        return AbsenceView.of(absence)

    @delete(
        "/{absence_id:uuid}",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_204_NO_CONTENT,
        summary="Remove an absence recorded by mistake",
    )
    async def remove(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        absence_id: FromPath[UUID],
        rev: AsLookedAt = None,
    ) -> None:
        await working_time.delete_absence(session, actor, now, absence_id, rev)


WORKING_TIME_ROUTES = [RosterController, ShiftController, AbsenceController]
