"""Ratings of visits."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from fsm.database import Row, check, instant, link, lookup, one_of
from fsm.work_orders.ratings.rules import Scale


class Rating(Row, table=True):
    """What one rater said of one visit. Never edited: a change is another row, and the last one counts.

    The rater is the status link of `request_id`, or the customer's user `user_id`. `nps` answers how likely
    they are to recommend the company, 0–10.
    """

    __table_args__ = (
        link("work_order_id", "work_order"),
        link("visit_id", "visit"),
        link("request_id", "service_request"),
        one_of("scale", Scale),
        check("stars", "stars between 1 and 5 and (scale = 'stars' or stars in (1, 5))"),
        check("nps", "nps between 0 and 10"),
        check("rater", "(request_id is null) <> (user_id is null)"),
        lookup("rating_visit_idx", "visit_id", "given_at"),
        lookup("rating_work_order_idx", "work_order_id"),
        lookup("rating_request_idx", "request_id", "given_at"),
        lookup("rating_given_idx", "given_at"),
    )
    work_order_id: UUID
    visit_id: UUID
    request_id: UUID | None = None
    user_id: UUID | None = None
    scale: str = Field(default=Scale.STARS, max_length=8)
    stars: int
    nps: int | None = None
    comment: str = ""
    given_at: datetime = instant()
