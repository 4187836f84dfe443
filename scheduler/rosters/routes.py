"""Rosters at the planner's desk: ask, read, change by hand, publish as shifts, withdraw."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, get, post, put
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, CurrentActor, Day, DbSession, Now, Revision, needs
from fsm.problems import Invalid
from fsm.tenants.queries import find_own_tenant
from scheduler.rosters import publishing, queries, settings_routes
from scheduler.rosters.inputs import list_patterns
from scheduler.rosters.publishing import Published
from scheduler.rosters.queries import RosterNotReady, RosterRuleBroken
from scheduler.rosters.tables import RosterDuty, RosterPattern, RosterRun


class FixedDay(Body):
    """A day that stays as it is: `pattern_id` null is a day off."""

    technician_id: UUID
    on: Day
    pattern_id: UUID | None = None


class RosterRequest(Body):
    """Which weeks, and how long to search, in seconds; or `rounds`, which comes out the same every time.

    `from_roster_id`: what is fixed in that roster stays fixed, unless `fixed` says otherwise of the day.
    """

    starts_on: Day
    weeks: Annotated[int, pydantic.Field(ge=2, le=8)] = 4
    seconds: Annotated[float, pydantic.Field(ge=1, le=900)] = 60.0
    rounds: Annotated[int, pydantic.Field(ge=0, le=100_000)] | None = None
    seed: Annotated[int, pydantic.Field(ge=0, le=2**31 - 1)] = 0
    fixed: Annotated[list[FixedDay], pydantic.Field(max_length=20_000)] = []
    from_roster_id: UUID | None = None


class DayChange(Body):
    """Other hours on a day, or none; `is_fixed` keeps them when the roster is solved again."""

    rev: Revision
    pattern_id: UUID | None = None
    is_fixed: bool = True


class RosterRow(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    status: str
    starts_on: date
    weeks: int
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    published_at: datetime | None
    failure: str | None

    @classmethod
    def of(cls, run: RosterRun) -> "RosterRow":
        return cls(**{name: getattr(run, name) for name in cls.__struct_fields__})


class RosterPage(msgspec.Struct, frozen=True):
    items: list[RosterRow]
    next: str | None


class DutyView(msgspec.Struct, frozen=True):
    """A day of somebody's: `pattern` null is a day off that is fixed; `shift_id` is what came of it."""

    technician_id: UUID
    on: date
    pattern_id: UUID | None
    pattern: str | None
    is_fixed: bool
    state: str
    shift_id: UUID | None

    @classmethod
    def of(cls, duty: RosterDuty, codes: dict[UUID, str]) -> "DutyView":
        return cls(
            duty.technician_id,
            duty.worked_on,
            duty.pattern_id,
            None if duty.pattern_id is None else codes.get(duty.pattern_id),
            duty.is_fixed,
            duty.state,
            duty.shift_id,
        )


class RosterView(msgspec.Struct, frozen=True):
    """A roster, what it costs term by term in points, and how good it is proved to be.

    No roster that keeps the rules costs less than `bound`; `gap` is the share by which this one may be
    dearer than the best. Both are null once it has been changed by hand. `shortages` say where people are
    missing and what keeps whom away, `conflicts` which fixed days the rules do not allow, `publication` what
    publishing it would change of what is published, with the price. Sentences are in `said`, by language.
    Solving again with the `rounds` of `search` and the same inputs gives the same roster.
    """

    id: UUID
    rev: int
    status: str
    starts_on: date
    weeks: int
    seconds: float
    rounds: int | None
    seed: int
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    published_at: datetime | None
    published_by: str | None
    failure: str | None
    inputs_sha256: str | None
    versions: dict[str, str]
    costs: dict[str, int]
    bound: int | None
    gap: float | None
    search: dict[str, Any] | None
    duties: list[DutyView]
    conflicts: list[dict[str, Any]]
    shortages: list[dict[str, Any]]
    wishes: list[dict[str, Any]]
    people: list[dict[str, Any]]
    publication: dict[str, Any] | None

    @classmethod
    def of(
        cls, run: RosterRun, duties: list[RosterDuty], patterns: list[RosterPattern]
    ) -> "RosterView":
        result = run.result or {}
        codes = {one.id: one.code for one in patterns}
        own = {name: getattr(run, name) for name in cls.__struct_fields__ if hasattr(run, name)}
        return cls(
            **own,
            costs=result.get("costs", {}),
            bound=result.get("bound"),
            gap=result.get("gap"),
            search=result.get("search"),
            duties=[DutyView.of(one, codes) for one in duties],
            conflicts=result.get("conflicts", []),
            shortages=result.get("shortages", []),
            wishes=result.get("wishes", []),
            people=result.get("people", []),
            publication=result.get("publication"),
        )


class NeedCover(msgspec.Struct, frozen=True):
    """Person-minutes of a trade and level in each hour; `skill` null is work that anybody can do."""

    skill: str | None
    level: int
    wanted: list[int]
    served: list[int]


class CoverView(msgspec.Struct, frozen=True):
    """What is wanted and what is covered, hour by hour from `first_at` on; days are those of `zone`."""

    id: UUID
    zone: str
    first_at: datetime | None
    hours: int
    needs: list[NeedCover]


class PublishedView(msgspec.Struct, frozen=True):
    """What became of shifts, and which were left out, why: `begun`, `taken`, `technician_left`."""

    id: UUID
    status: str
    created: int
    kept: int
    removed: int
    skipped: list[dict[str, Any]]

    @classmethod
    def of(cls, done: Published) -> "PublishedView":
        return cls(
            done.run.id, done.run.status, done.created, done.kept, done.removed, done.skipped
        )


class RosterController(Controller):
    path = "/api/rosters"
    tags = ["Rosters"]

    @post(
        "/",
        opt=needs(Permission.PLAN),
        status_code=HTTP_202_ACCEPTED,
        summary="Ask for a roster; it is ready when its status says so",
    )
    async def request(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[RosterRequest]
    ) -> RosterView:
        if abs((data.starts_on - now.date()).days) > 366:
            raise Invalid(
                "A roster is made for weeks near today.",
                errors=[{"at": "/starts_on", "detail": "too far away"}],
            )
        run = await queries.request_roster(
            session,
            actor,
            now,
            starts_on=data.starts_on,
            weeks=data.weeks,
            seconds=data.seconds,
            rounds=data.rounds,
            seed=data.seed,
            fixed=[
                queries.fixed_of(str(one.technician_id), one.on.isoformat(), one.pattern_id)
                for one in data.fixed
            ],
            from_roster_id=data.from_roster_id,
        )
        return RosterView.of(run, [], [])

    @get(
        "/",
        opt=needs(Permission.PLAN),
        summary="Rosters, newest first",
        dependencies=http.pages_of(50),
    )
    async def list(self, session: DbSession, actor: CurrentActor, page: http.Page) -> RosterPage:
        runs = await queries.list_rosters(session, actor, limit=page.limit, after=page.after_id)
        return RosterPage([RosterRow.of(run) for run in runs], page.next(runs))

    @get("/{roster_id:uuid}", opt=needs(Permission.PLAN), summary="One roster with its reasons")
    async def read(
        self, session: DbSession, actor: CurrentActor, roster_id: FromPath[UUID]
    ) -> RosterView:
        return await _view(session, actor, await queries.find_roster(session, actor, roster_id))

    @get(
        "/{roster_id:uuid}/cover",
        opt=needs(Permission.PLAN),
        summary="What a roster covers of what is wanted, by hour and trade",
    )
    async def cover(
        self, session: DbSession, actor: CurrentActor, roster_id: FromPath[UUID]
    ) -> CoverView:
        run = await queries.find_roster(session, actor, roster_id)
        cover = (run.result or {}).get("cover") or {"first_at": None, "hours": 0, "needs": []}
        tenant = await find_own_tenant(session, actor.tenant_id)
        return msgspec.convert({"id": run.id, "zone": tenant.zone, **cover}, CoverView)

    @put(
        "/{roster_id:uuid}/technicians/{technician_id:uuid}/days/{on:str}",
        opt=needs(Permission.PLAN),
        responses=http.refusals(RosterNotReady, RosterRuleBroken),
        summary="Change somebody's day in a roster that is ready",
    )
    async def change(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        roster_id: FromPath[UUID],
        technician_id: FromPath[UUID],
        on: FromPath[str],
        data: JSONBody[DayChange],
    ) -> RosterView:
        run = await queries.set_duty(
            session,
            actor,
            now,
            roster_id,
            rev=data.rev,
            technician_id=technician_id,
            on=_day(on),
            pattern_id=data.pattern_id,
            is_fixed=data.is_fixed,
        )
        return await _view(session, actor, run)

    @post(
        "/{roster_id:uuid}/publication",
        opt=needs(Permission.PLAN),
        status_code=HTTP_200_OK,
        responses=http.refusals(RosterNotReady),
        summary="Turn a roster into shifts, in place of what was published before",
    )
    async def publish(
        self, session: DbSession, actor: CurrentActor, now: Now, roster_id: FromPath[UUID]
    ) -> PublishedView:
        return PublishedView.of(await publishing.publish(session, actor, now, roster_id))

    @post(
        "/{roster_id:uuid}/withdrawal",
        opt=needs(Permission.PLAN),
        status_code=HTTP_200_OK,
        responses=http.refusals(RosterNotReady),
        summary="Take a roster back: its shifts to come go",
    )
    async def withdraw(
        self, session: DbSession, actor: CurrentActor, now: Now, roster_id: FromPath[UUID]
    ) -> PublishedView:
        return PublishedView.of(await publishing.withdraw(session, actor, now, roster_id))


async def _view(session: DbSession, actor: CurrentActor, run: RosterRun) -> RosterView:
    duties = await queries.list_duties(session, actor, run.id)
    return RosterView.of(run, duties, await list_patterns(session, actor))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(
            "Write the day as YYYY-MM-DD.", errors=[{"at": "/on", "detail": "not a day"}]
        ) from None


ROUTES = [RosterController, *settings_routes.ROUTES]
