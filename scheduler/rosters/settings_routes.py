"""What rosters are made of: shift patterns, rules from a day on, terms, wishes, demand by the hour."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, delete, get, patch, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED, HTTP_204_NO_CONTENT

from fsm import http
from fsm.actors import Permission
from fsm.http import Body, Code, CurrentActor, Day, DbSession, Line, Now, Revision, needs
from fsm.problems import Invalid
from scheduler.rosters import settings
from scheduler.rosters.demand import list_entered
from scheduler.rosters.forecast import ForecastRules
from scheduler.rosters.hours import Night
from scheduler.rosters.inputs import list_patterns, rule_set_on
from scheduler.rosters.problem import WEEK, Rules, Weights, WishKind
from scheduler.rosters.rule_set import DEFAULT, RuleSet, to_stored
from scheduler.rosters.tables import RosterPattern, RosterRules, RosterTerms, RosterWish

Minute = Annotated[int, pydantic.Field(ge=0, lt=1_440)]
"""Of a day, from midnight."""
Length = Annotated[int, pydantic.Field(ge=0, le=6 * 86_400)]
Price = Annotated[int, pydantic.Field(ge=0, le=1_000_000)]
Run = Annotated[int, pydantic.Field(ge=1, le=60)]
Percent = Annotated[int, pydantic.Field(ge=0, le=1_000)]
FirstOn = Annotated[Day, QueryParameter(description="First day.")]
LastOn = Annotated[Day, QueryParameter(description="Last day, included.")]

MOST_DAYS = 366
_MINUTES = Decimal(60)


# --- patterns ---------------------------------------------------------------------------------------------


class NewPattern(Body):
    """Hours of the wall clock in minutes after midnight; an end past 1440 is on the next day.

    An unpaid break of `break_s` seconds begins between its two minutes, counted in the same way.
    """

    code: Code
    name: Line
    starts_min: Minute
    ends_min: Annotated[int, pydantic.Field(ge=1, le=1_439 + 1_380)]
    break_s: Annotated[int, pydantic.Field(ge=0, le=8 * 3_600)] = 0
    break_earliest_min: Annotated[int, pydantic.Field(ge=0, le=2_880)] = 0
    break_latest_min: Annotated[int, pydantic.Field(ge=0, le=2_880)] = 0
    weekdays: Annotated[
        list[Annotated[int, pydantic.Field(ge=0, le=6)]],
        pydantic.Field(min_length=1, max_length=7),
    ] = [0, 1, 2, 3, 4, 5, 6]
    is_undesired: bool = False

    @pydantic.model_validator(mode="after")
    def _fits(self) -> Self:
        if not 0 < self.ends_min - self.starts_min <= 1_380:
            raise ValueError("a shift lasts at most 23 hours, and ends after it begins")
        if self.break_s and not (
            self.starts_min <= self.break_earliest_min <= self.break_latest_min
            and self.break_latest_min * 60 + self.break_s <= self.ends_min * 60
        ):
            raise ValueError("the break lies within the shift")
        if self.break_latest_min < self.break_earliest_min:
            raise ValueError("the break's latest minute comes before its earliest")
        return self

    def values(self) -> dict[str, Any]:
        return self.model_dump() | {"weekdays": sorted(set(self.weekdays))}


class PatternEdit(Body):
    rev: Revision
    name: Line = ""
    is_active: bool = True
    is_undesired: bool = False


class PatternView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    code: str
    name: str
    starts_min: int
    ends_min: int
    break_s: int
    break_earliest_min: int
    break_latest_min: int
    weekdays: list[int]
    is_undesired: bool
    is_active: bool

    @classmethod
    def of(cls, pattern: RosterPattern) -> "PatternView":
        return cls(**{name: getattr(pattern, name) for name in cls.__struct_fields__})


class PatternController(Controller):
    path = "/api/roster-patterns"
    tags = ["Rosters"]

    @get("/", opt=needs(Permission.READ_TECHNICIANS), summary="Shift patterns in order of code")
    async def list(self, session: DbSession, actor: CurrentActor) -> list[PatternView]:
        return [PatternView.of(one) for one in await list_patterns(session, actor)]

    @post(
        "/",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_201_CREATED,
        summary="Add a shift pattern; its code and hours stay as they are",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewPattern]
    ) -> PatternView:
        return PatternView.of(await settings.add_pattern(session, actor, now, data.values()))

    @patch(
        "/{pattern_id:uuid}",
        opt=needs(Permission.EDIT_TECHNICIANS),
        summary="Rename a shift pattern or put it out of use",
    )
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        pattern_id: FromPath[UUID],
        data: JSONBody[PatternEdit],
    ) -> PatternView:
        pattern = await settings.edit_pattern(
            session, actor, now, pattern_id, data.rev, data.changes()
        )
        return PatternView.of(pattern)


# --- rules ------------------------------------------------------------------------------------------------


class WorkingTimeRules(Body):
    """Rests and lengths in seconds. None of the defaults is anybody's law: enter what holds for you."""

    daily_rest_s: Length = Rules().daily_rest_s
    weekly_rest_s: Length = Rules().weekly_rest_s
    shift_longest_s: Length = Rules().shift_longest_s
    week_longest_s: Annotated[int, pydantic.Field(ge=0, le=WEEK * 86_400)] = Rules().week_longest_s
    average_week_s: Annotated[int, pydantic.Field(ge=0, le=WEEK * 86_400)] = Rules().average_week_s
    average_weeks: Annotated[int, pydantic.Field(ge=1, le=52)] = Rules().average_weeks
    days_in_a_row: Run = Rules().days_in_a_row
    night_least_s: Length = Rules().night_least_s
    night_longest_s: Length = Rules().night_longest_s
    nights_in_a_row: Run = Rules().nights_in_a_row
    rest_after_nights_s: Annotated[int, pydantic.Field(ge=0, le=4 * 86_400)] = (
        Rules().rest_after_nights_s
    )


class NightHours(Body):
    starts_min: Minute = Night().starts_min
    ends_min: Minute = Night().ends_min


class Prices(Body):
    """Points: one is a minute for which a technician is paid and has nothing to do."""

    shortage: Price = Weights().shortage
    overtime: Price = Weights().overtime
    undertime: Price = Weights().undertime
    wish: Price = Weights().wish
    weekend: Price = Weights().weekend
    night: Price = Weights().night
    undesired: Price = Weights().undesired
    change: Price = Weights().change
    late_change: Price = Weights().late_change


class Reckoning(Body):
    """How demand is reckoned from history and contracts."""

    history_weeks: Annotated[int, pydantic.Field(ge=1, le=104)] = ForecastRules().history_weeks
    half_life_weeks: Annotated[int, pydantic.Field(ge=1, le=104)] = ForecastRules().half_life_weeks
    headroom_percent: Percent = ForecastRules().headroom_percent
    presence_below_s: Annotated[int, pydantic.Field(ge=0, le=30 * 86_400)] = (
        ForecastRules().presence_below_s
    )
    presence: Annotated[int, pydantic.Field(ge=0, le=100)] = ForecastRules().presence
    working_hours: tuple[
        Annotated[int, pydantic.Field(ge=0, le=23)], Annotated[int, pydantic.Field(ge=1, le=24)]
    ] = ForecastRules().working_hours

    @pydantic.model_validator(mode="after")
    def _ascends(self) -> Self:
        if self.working_hours[0] >= self.working_hours[1]:
            raise ValueError("working hours end after they begin")
        return self


class NewRules(Body):
    """A rule set from a day on; what is left out has its default. `prices` are per cent, by skill."""

    effective_on: Day
    rules: WorkingTimeRules = pydantic.Field(default_factory=WorkingTimeRules)
    night: NightHours = pydantic.Field(default_factory=NightHours)
    weights: Prices = pydantic.Field(default_factory=Prices)
    forecast: Reckoning = pydantic.Field(default_factory=Reckoning)
    notice_days: Annotated[int, pydantic.Field(ge=0, le=366)] = DEFAULT.notice_days
    week_starts_on: Annotated[int, pydantic.Field(ge=0, le=6)] = DEFAULT.week_starts_on
    prices: Annotated[dict[Code, Percent], pydantic.Field(max_length=500)] = {}

    def rule_set(self) -> RuleSet:
        return replace(
            DEFAULT,
            rules=Rules(**self.rules.model_dump()),
            night=Night(**self.night.model_dump()),
            weights=Weights(**self.weights.model_dump()),
            forecast=ForecastRules(**self.forecast.model_dump()),
            notice_days=self.notice_days,
            week_starts_on=self.week_starts_on,
            prices=dict(self.prices),
        )


class RulesView(msgspec.Struct, frozen=True):
    """A version of the rules; version 0 are the defaults, in force where nothing was set."""

    version: int
    effective_on: date | None
    set_by: str
    set_at: datetime | None
    body: dict[str, Any]

    @classmethod
    def of(cls, rules: RosterRules) -> "RulesView":
        return cls(rules.version, rules.effective_on, rules.set_by, rules.set_at, rules.body)


class RulesController(Controller):
    path = "/api/roster-rules"
    tags = ["Rosters"]

    @get("/", opt=needs(Permission.PLAN), summary="Versions of the rules, the newest first")
    async def list(self, session: DbSession, actor: CurrentActor) -> list[RulesView]:
        default = RulesView(0, None, "", None, to_stored(DEFAULT))
        return [
            *(RulesView.of(one) for one in await settings.list_rules(session, actor)),
            default,
        ]

    @get("/in-force", opt=needs(Permission.PLAN), summary="The rules in force on a day")
    async def in_force(
        self, session: DbSession, actor: CurrentActor, on: Annotated[Day, QueryParameter()]
    ) -> dict[str, Any]:
        return to_stored(await rule_set_on(session, actor, on))

    @post(
        "/",
        opt=needs(Permission.MANAGE_CATALOGUE),
        status_code=HTTP_201_CREATED,
        summary="Set rules, prices and reckoning from a day on",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewRules]
    ) -> RulesView:
        rules = await settings.set_rules(
            session, actor, now, effective_on=data.effective_on, rule_set=data.rule_set()
        )
        return RulesView.of(rules)


# --- terms ------------------------------------------------------------------------------------------------


class NewTerms(Body):
    """Contract hours a week, the share of a full position in per cent, and patterns by code (null: all)."""

    week_s: Annotated[int, pydantic.Field(ge=0, le=WEEK * 86_400, multiple_of=60)]
    share_percent: Annotated[int, pydantic.Field(ge=1, le=100)] = 100
    patterns: Annotated[list[Code], pydantic.Field(max_length=100)] | None = None


class TermsView(msgspec.Struct, frozen=True):
    technician_id: UUID
    week_s: int
    share_percent: int
    patterns: list[str] | None

    @classmethod
    def of(cls, terms: RosterTerms) -> "TermsView":
        return cls(terms.id, terms.week_s, terms.share_percent, terms.patterns)


class TermsController(Controller):
    path = "/api/technicians/{technician_id:uuid}/roster-terms"
    tags = ["Rosters"]

    @get("/", opt=needs(Permission.READ_TECHNICIANS), summary="A technician's contract hours")
    async def read(
        self, session: DbSession, actor: CurrentActor, technician_id: FromPath[UUID]
    ) -> TermsView:
        return TermsView.of(await settings.find_terms(session, actor, technician_id))

    @put("/", opt=needs(Permission.EDIT_TECHNICIANS), summary="Set a technician's contract hours")
    async def set(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        technician_id: FromPath[UUID],
        data: JSONBody[NewTerms],
    ) -> TermsView:
        terms = await settings.set_terms(
            session,
            actor,
            now,
            technician_id,
            week_s=data.week_s,
            share_percent=data.share_percent,
            patterns=data.patterns,
        )
        return TermsView.of(terms)


# --- wishes -----------------------------------------------------------------------------------------------


class NewWish(Body):
    """A day off, or hours wanted or not wanted on a day; `weight` says how much, from 1 to 5."""

    technician_id: UUID
    on: Day
    kind: WishKind
    pattern_id: UUID | None = None
    weight: Annotated[int, pydantic.Field(ge=1, le=5)] = 1

    @pydantic.model_validator(mode="after")
    def _pattern(self) -> Self:
        if (self.kind is WishKind.OFF) != (self.pattern_id is None):
            raise ValueError("a wish for a day off names no pattern, any other names one")
        return self


class WishView(msgspec.Struct, frozen=True):
    id: UUID
    technician_id: UUID
    on: date
    kind: str
    pattern_id: UUID | None
    weight: int

    @classmethod
    def of(cls, wish: RosterWish) -> "WishView":
        return cls(
            wish.id, wish.technician_id, wish.wished_on, wish.kind, wish.pattern_id, wish.weight
        )


class WishPage(msgspec.Struct, frozen=True):
    items: list[WishView]
    next: str | None


class WishController(Controller):
    path = "/api/roster-wishes"
    tags = ["Rosters"]

    @get(
        "/",
        opt=needs(Permission.READ_TECHNICIANS),
        summary="Wishes for some days",
        dependencies=http.pages_of(500),
    )
    async def list(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        first_on: FirstOn,
        last_on: LastOn,
    ) -> WishPage:
        rows = await settings.list_wishes(
            session, actor, first_on, last_on, after=page.after_id, limit=page.limit
        )
        return WishPage([WishView.of(one) for one in rows], page.next(rows))

    @post(
        "/",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_201_CREATED,
        summary="Note a wish",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewWish]
    ) -> WishView:
        values = data.model_dump(exclude={"on"}) | {"wished_on": data.on}
        return WishView.of(await settings.add_wish(session, actor, now, values))

    @delete(
        "/{wish_id:uuid}",
        opt=needs(Permission.EDIT_TECHNICIANS),
        status_code=HTTP_204_NO_CONTENT,
        summary="Take a wish back",
    )
    async def remove(
        self, session: DbSession, actor: CurrentActor, now: Now, wish_id: FromPath[UUID]
    ) -> None:
        await settings.remove_wish(session, actor, now, wish_id)


# --- demand -----------------------------------------------------------------------------------------------


class DemandLine(Body):
    """People of a trade and level wanted in an hour of the company's clock; no `skill`: anybody, level 0."""

    on: Day
    hour: Annotated[int, pydantic.Field(ge=0, le=23)]
    skill: Code | None = None
    level: Annotated[int, pydantic.Field(ge=0, le=5)] = 0
    people: Annotated[Decimal, pydantic.Field(ge=0, le=10_000, max_digits=7, decimal_places=2)]

    @pydantic.model_validator(mode="after")
    def _level(self) -> Self:
        if (self.skill is None) != (self.level == 0):
            raise ValueError("a skill comes with a level from 1 to 5, no skill with level 0")
        return self

    def values(self) -> dict[str, Any]:
        return {
            "wanted_on": self.on,
            "hour": self.hour,
            "skill": self.skill or "",
            "level": self.level,
            "minutes": int(self.people * _MINUTES),
        }


class NewDemand(Body):
    """What is wanted on some days instead of what is reckoned; it replaces what was entered for them."""

    first_on: Day
    last_on: Day
    lines: Annotated[list[DemandLine], pydantic.Field(max_length=20_000)]

    @pydantic.model_validator(mode="after")
    def _days(self) -> Self:
        if not 0 <= (self.last_on - self.first_on).days < MOST_DAYS:
            raise ValueError(f"first_on to last_on are 1 to {MOST_DAYS} days")
        return self


class DemandView(msgspec.Struct, frozen=True):
    on: date
    hour: int
    skill: str | None
    level: int
    people: float


class DemandPage(msgspec.Struct, frozen=True):
    first_on: date
    last_on: date
    lines: list[DemandView]


class DemandController(Controller):
    path = "/api/roster-demand"
    tags = ["Rosters"]

    @get("/", opt=needs(Permission.PLAN), summary="Demand entered for some days")
    async def list(
        self, session: DbSession, actor: CurrentActor, first_on: FirstOn, last_on: LastOn
    ) -> DemandPage:
        if not 0 <= (last_on - first_on).days < MOST_DAYS:
            raise Invalid(
                f"Ask for 1 to {MOST_DAYS} days.", errors=[{"at": "/last_on", "detail": "range"}]
            )
        lines = [
            DemandView(one.on, one.hour, one.trade[0], one.trade[1], one.minutes / 60)
            for one in await list_entered(session, actor, first_on, last_on)
        ]
        return DemandPage(first_on, last_on, lines)

    @put("/", opt=needs(Permission.PLAN), summary="Enter demand for some days")
    async def set(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewDemand]
    ) -> DemandPage:
        lines = [line.values() for line in data.lines]
        await settings.set_demand(session, actor, now, data.first_on, data.last_on, lines)
        return DemandPage(
            data.first_on,
            data.last_on,
            [
                DemandView(line.on, line.hour, line.skill, line.level, float(line.people))
                for line in data.lines
            ],
        )


ROUTES = [
    PatternController,
    RulesController,
    TermsController,
    WishController,
    DemandController,
]
