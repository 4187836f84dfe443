"""Plans as they were made: inputs, what came out, and what the dispatcher did with it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, LargeBinary
from sqlmodel import Field

from fsm.database import Row, check, document, instant, lookup, one_of


class PlanStatus(StrEnum):
    QUEUED = "queued"
    SOLVING = "solving"
    READY = "ready"
    FAILED = "failed"
    ACCEPTED = "accepted"
    UNDONE = "undone"


class PlanRun(Row, table=True):
    """One solve: inputs (canonical JSON, zstd) and their digest, versions, seed, log, result with reasons.

    `result` is the plan and its reasons in the domain's terms; replaying the inputs gives the plan.
    """

    __tablename__ = "plan_run"
    __table_args__ = (
        one_of("status", PlanStatus),
        check("horizon", "ends_on >= starts_on"),
        lookup("plan_run_requested_idx", "requested_at"),
    )
    status: str = Field(default=PlanStatus.QUEUED, max_length=10)
    starts_on: date
    ends_on: date
    engine: str = Field(default="or-tools", max_length=20)
    seconds: float = 5.0
    seed: int = Field(default=0, sa_type=BigInteger)
    options: dict[str, Any] = document(default_factory=dict)
    inputs: bytes | None = Field(default=None, sa_type=LargeBinary)
    inputs_sha256: str | None = Field(default=None, max_length=64)
    versions: dict[str, str] = document(default_factory=dict)
    result: dict[str, Any] | None = document(nullable=True, default=None)
    log: dict[str, Any] = document(default_factory=dict)
    failure: str | None = None
    requested_by: str = ""
    requested_at: datetime = instant()
    started_at: datetime | None = instant(nullable=True, default=None)
    finished_at: datetime | None = instant(nullable=True, default=None)
    accepted_at: datetime | None = instant(nullable=True, default=None)
    accepted_by: str | None = None
