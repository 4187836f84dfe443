"""The secret addresses of calendars."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary
from sqlmodel import Field

from fsm.database import Row, instant, link, lookup, unique


class CalendarLink(Row, table=True):
    """A secret address of a technician's calendar, by its hash: it works until it is revoked."""

    __tablename__ = "calendar_link"
    __table_args__ = (
        link("technician_id", "technician"),
        unique("token_sha256"),
        lookup("calendar_link_technician_idx", "technician_id"),
    )
    technician_id: UUID
    token_sha256: bytes = Field(sa_type=LargeBinary)
    made_at: datetime = instant()
    made_by: str = ""
    revoked_at: datetime | None = instant(nullable=True, default=None)
