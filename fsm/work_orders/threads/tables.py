"""Messages of jobs."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlmodel import Field

from fsm.database import Row, check, instant, link, lookup, one_of


class Author(StrEnum):
    """Who speaks."""

    CUSTOMER = "customer"
    TECHNICIAN = "technician"
    OFFICE = "office"


class Message(Row, table=True):
    """One message of a job's thread. Never edited, never taken back: the others may have read it.

    A customer writes through the status link of `request_id` or as `user_id`, a technician on a visit.
    `name` is how the others see who it was.
    """

    __table_args__ = (
        link("work_order_id", "work_order"),
        link("visit_id", "visit"),
        link("request_id", "service_request"),
        one_of("author", Author),
        check("said", "text <> ''"),
        check("link", "request_id is null or author = 'customer'"),
        check("visit", "visit_id is null or author = 'technician'"),
        lookup("message_work_order_idx", "work_order_id", "id"),
        lookup("message_request_idx", "request_id", "written_at"),
    )
    work_order_id: UUID
    visit_id: UUID | None = None
    request_id: UUID | None = None
    user_id: UUID | None = None
    author: str = Field(max_length=12)
    name: str = ""
    text: str
    written_at: datetime = instant()
    received_at: datetime = instant()
