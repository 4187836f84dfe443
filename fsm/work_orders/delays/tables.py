"""What customers were told of delays."""

from datetime import datetime
from uuid import UUID

from fsm.database import Row, instant, link, lookup, unique


class DelayNotice(Row, table=True):
    """A mail that a visit will begin after its announced window; one a window, tried until it is taken.

    `expected_at` is the estimate that was mailed. Nobody wrote where `given_up_at` came first: the technician
    was there, or the mail server took it from nobody until the window was long over.
    """

    __tablename__ = "delay_notice"
    __table_args__ = (
        link("visit_id", "visit"),
        link("request_id", "service_request"),
        unique("visit_id", "window_ends_at"),
        lookup("delay_notice_unsent_idx", "sent_at", "next_try_at"),
    )
    visit_id: UUID
    request_id: UUID
    recipient: str
    window_ends_at: datetime = instant()
    expected_at: datetime = instant()
    noticed_at: datetime = instant()
    attempts: int = 0
    next_try_at: datetime = instant()
    last_error: str = ""
    sent_at: datetime | None = instant(nullable=True, default=None)
    given_up_at: datetime | None = instant(nullable=True, default=None)
