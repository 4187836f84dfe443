"""Rosters as they were made, and what they are made of: patterns, rules, wishes, hours, demand entered."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary, text
from sqlmodel import Field, Index, SQLModel

from fsm.database import (
    Revised,
    Row,
    check,
    document,
    instant,
    link,
    lookup,
    one_of,
    refusal,
    unique,
)
from fsm.problems import Conflict, Invalid
from scheduler.rosters.problem import WishKind


class RosterStatus(StrEnum):
    QUEUED = "queued"
    SOLVING = "solving"
    READY = "ready"
    FAILED = "failed"
    PUBLISHED = "published"
    REPLACED = "replaced"
    WITHDRAWN = "withdrawn"


class DutyState(StrEnum):
    """`replaced`: another roster was published over it."""

    PROPOSED = "proposed"
    PUBLISHED = "published"
    REPLACED = "replaced"
    WITHDRAWN = "withdrawn"


class RosterPattern(Revised, table=True):
    """Working hours that a roster may give, in minutes after the day's midnight; past 1440 is the next day.

    `weekdays` are numbers, 0 is Monday. What is undesired is spread evenly.
    """

    __tablename__ = "roster_pattern"
    __table_args__ = (
        unique("code"),
        check(
            "hours",
            "starts_min >= 0 and starts_min < 1440 and ends_min > starts_min"
            " and ends_min - starts_min <= 1380",
        ),
        check("break", "break_s >= 0 and break_latest_min >= break_earliest_min"),
    )
    code: str = Field(max_length=60)
    name: str
    starts_min: int
    ends_min: int
    break_s: int = 0
    break_earliest_min: int = 0
    break_latest_min: int = 0
    weekdays: list[int] = document(default_factory=lambda: list(range(7)))
    is_undesired: bool = False
    is_active: bool = True


class RosterRules(SQLModel, table=True):
    """Working-time rules, prices and how demand is reckoned, from a day on. Never changed, only followed.

    `body` is in the shape of `rule_set`; of two versions from one day the later one counts.
    """

    __tablename__ = "roster_rules"
    __table_args__ = (lookup("roster_rules_effective_idx", "effective_on"),)
    tenant_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    effective_on: date
    body: dict[str, Any] = document(default_factory=dict)
    set_by: str = ""
    set_at: datetime = instant()


class RosterTerms(Revised, table=True):
    """A technician's contract hours a week, the share of a full position, and the patterns they may have."""

    __tablename__ = "roster_terms"
    __table_args__ = (
        link("id", "technician"),
        check("week", "week_s >= 0 and week_s <= 604800"),
        check("share", "share_percent between 1 and 100"),
    )
    week_s: int
    share_percent: int = 100
    patterns: list[str] | None = document(nullable=True, default=None)


class RosterWish(Row, table=True):
    """What a technician would like: a day off, some hours or not those; `weight` from 1 to 5."""

    __tablename__ = "roster_wish"
    __table_args__ = (
        link("technician_id", "technician"),
        link("pattern_id", "roster_pattern"),
        one_of("kind", WishKind),
        check("pattern", "(kind = 'off') = (pattern_id is null)"),
        check("weight", "weight between 1 and 5"),
        lookup("roster_wish_on_idx", "wished_on"),
        Index(
            "roster_wish_once_idx",
            "tenant_id",
            "technician_id",
            "wished_on",
            "kind",
            text("coalesce(pattern_id, technician_id)"),
            unique=True,
        ),
    )
    technician_id: UUID
    wished_on: date
    kind: str = Field(max_length=10)
    pattern_id: UUID | None = None
    weight: int = 1


class RosterDemand(SQLModel, table=True):
    """How many person-minutes of a trade an administrator wants in an hour, instead of what is reckoned.

    An empty `skill` is work that anybody can do; then `level` is 0.
    """

    __tablename__ = "roster_demand"
    __table_args__ = (
        check("hour", "hour between 0 and 23"),
        check("minutes", "minutes >= 0"),
        check("level", "level between 0 and 5 and (skill = '') = (level = 0)"),
    )
    tenant_id: UUID = Field(primary_key=True)
    wanted_on: date = Field(primary_key=True)
    hour: int = Field(primary_key=True)
    skill: str = Field(primary_key=True, max_length=60)
    level: int = Field(primary_key=True)
    minutes: int


class RosterRun(Revised, table=True):
    """One roster: what went in (canonical JSON, zstd) and its digest, versions, seed, what came out.

    `result` holds what a page shows; the duties themselves are `RosterDuty`. `rev` rises with each change.
    """

    __tablename__ = "roster_run"
    __table_args__ = (
        one_of("status", RosterStatus),
        check("weeks", "weeks between 2 and 8"),
        lookup("roster_run_starts_idx", "starts_on"),
    )
    status: str = Field(default=RosterStatus.QUEUED, max_length=10)
    starts_on: date
    weeks: int
    seconds: float = 60.0
    rounds: int | None = None
    seed: int = Field(default=0, sa_type=BigInteger)
    inputs: bytes | None = Field(default=None, sa_type=LargeBinary)
    inputs_sha256: str | None = Field(default=None, max_length=64)
    versions: dict[str, str] = document(default_factory=dict)
    lead: dict[str, Any] = document(default_factory=dict)
    result: dict[str, Any] | None = document(nullable=True, default=None)
    failure: str | None = None
    requested_by: str = ""
    requested_at: datetime = instant()
    started_at: datetime | None = instant(nullable=True, default=None)
    finished_at: datetime | None = instant(nullable=True, default=None)
    published_at: datetime | None = instant(nullable=True, default=None)
    published_by: str | None = None


class RosterDuty(SQLModel, table=True):
    """One technician's day in a roster; no pattern is a day off that is fixed. `shift_id`: what came of it.

    `is_weekend`, `is_night` and `is_undesired` are what fairness counts later, as it was when rostered.
    """

    __tablename__ = "roster_duty"
    __table_args__ = (
        link("roster_id", "roster_run"),
        link("technician_id", "technician"),
        link("pattern_id", "roster_pattern"),
        one_of("state", DutyState),
        check("day_off", "pattern_id is not null or is_fixed"),
        lookup("roster_duty_state_idx", "state", "worked_on"),
        lookup("roster_duty_technician_idx", "technician_id", "worked_on"),
    )
    tenant_id: UUID = Field(primary_key=True)
    roster_id: UUID = Field(primary_key=True)
    technician_id: UUID = Field(primary_key=True)
    worked_on: date = Field(primary_key=True)
    pattern_id: UUID | None = None
    is_fixed: bool = False
    is_weekend: bool = False
    is_night: bool = False
    is_undesired: bool = False
    state: str = Field(default=DutyState.PROPOSED, max_length=10)
    shift_id: UUID | None = None


refusal("roster_pattern_code_key", Conflict, "There is already a shift pattern with this code.")
refusal("roster_wish_once_idx", Conflict, "This wish has been noted already.")
refusal("roster_wish_technician_id_fkey", Invalid, "There is no such technician.")
refusal("roster_wish_pattern_id_fkey", Invalid, "There is no such shift pattern.")
