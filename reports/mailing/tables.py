"""Who gets a report how often, and what was sent."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Field

from fsm.database import Revised, Row, document, instant, link, lookup, one_of, refusal, unique
from fsm.problems import Conflict
from reports.mailing.periods import Every


class ReportSchedule(Revised, table=True):
    """A management pack by mail. `next_on` is the day of the company's clocks on which it is due next."""

    __tablename__ = "report_schedule"
    __table_args__ = (one_of("every", Every), lookup("report_schedule_next_idx", "next_on"))
    name: str
    every: str = Field(max_length=10)
    language: str = Field(default="en", max_length=10)
    recipients: list[str] = document(default_factory=list)
    next_on: date
    is_active: bool = True
    made_at: datetime = instant()
    made_by: str = ""


class ReportDelivery(Row, table=True):
    """One report of a schedule: its document, and when the mail server took it for all. Tried till then.

    `taken` are the recipients for whom it took the report when it refused others: they get it once.
    """

    __tablename__ = "report_delivery"
    __table_args__ = (
        link("schedule_id", "report_schedule"),
        link("document_id", "issued_document"),
        unique("schedule_id", "first_on"),
        lookup("report_delivery_unsent_idx", "sent_at", "next_try_at"),
    )
    schedule_id: UUID
    document_id: UUID
    first_on: date
    last_on: date
    recipients: list[str] = document(default_factory=list)
    taken: list[str] = document(
        default_factory=list, sa_column_kwargs={"server_default": text("'[]'")}
    )
    attempts: int = 0
    next_try_at: datetime = instant()
    last_error: str = ""
    sent_at: datetime | None = instant(nullable=True, default=None)


refusal(
    "report_delivery_schedule_id_first_on_key",
    Conflict,
    "This report has already been made for these days.",
)
