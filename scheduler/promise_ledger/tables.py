"""The ledger of promises, their outcomes beside it, and the errors that plans were found to have."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel

from fsm.database import Row, check, document, instant, link, lookup, one_of
from scheduler.promises.keeping import Asker, Outcome


class Channel(StrEnum):
    """How a customer was told."""

    PHONE = "phone"
    MESSAGE = "message"
    EMAIL = "email"
    LETTER = "letter"
    PORTAL = "portal"
    IN_PERSON = "in_person"
    OFFICE = "office"
    """Set at the desk: how the customer was told is not known."""


class PromiseTold(Row, table=True):
    """A window as it was told to a customer, with the chance that was then seen of keeping it. Never changed.

    `asked_by` says who wanted it to be another than the one before; null: it is the first. `expected_at` and
    `spread_s` are the forecast behind it, `model_sha256` the errors it was made with (null: those assumed);
    they and the chance are null where the plan did not tell when the visit is reached. `reason` is what was
    said where somebody set the window at the desk.
    """

    __tablename__ = "promise"
    __table_args__ = (
        link("work_order_id", "work_order"),
        link("visit_id", "visit"),
        one_of("channel", Channel),
        one_of("asked_by", Asker),
        check("window", "window_ends_at > window_starts_at"),
        check("probability", "probability > 0 and probability < 1"),
        lookup("promise_job_idx", "work_order_id", "sent_at"),
        lookup("promise_ends_idx", "window_ends_at"),
    )
    work_order_id: UUID
    visit_id: UUID
    window_starts_at: datetime = instant()
    window_ends_at: datetime = instant()
    channel: str = Field(max_length=12)
    sent_at: datetime = instant()
    told_by: str
    asked_by: str | None = Field(default=None, max_length=10)
    reason: str | None = None
    probability: float | None = None
    expected_at: datetime | None = instant(nullable=True, default=None)
    spread_s: float | None = None
    model_sha256: str | None = Field(default=None, max_length=64)


class PromiseOutcome(SQLModel, table=True):
    """What became of a promise; judged anew while nobody is known to have come, since phones tell later.

    `score` is how late the arrival was, in spreads of its forecast.
    """

    __tablename__ = "promise_outcome"
    __table_args__ = (link("promise_id", "promise"), one_of("outcome", Outcome))
    tenant_id: UUID = Field(primary_key=True)
    promise_id: UUID = Field(primary_key=True)
    outcome: str = Field(max_length=8)
    arrived_at: datetime | None = instant(nullable=True, default=None)
    began_at: datetime | None = instant(nullable=True, default=None)
    score: float | None = None
    judged_at: datetime = instant()


class PromiseModel(SQLModel, table=True):
    """The errors that finished visits have shown, by the SHA-256 of their canonical form. Never changed."""

    __tablename__ = "promise_model"
    __table_args__ = (lookup("promise_model_learned_idx", "learned_at"),)
    tenant_id: UUID = Field(primary_key=True)
    sha256: str = Field(primary_key=True, max_length=64)
    body: dict[str, Any] = document(default_factory=dict)
    visits: int = 0
    learned_at: datetime = instant()
