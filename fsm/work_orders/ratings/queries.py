"""Ratings given, changed and read. A poor one puts a callback before the office, once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.assets.visitor_limits import Limit, check_limits
from fsm.database import Session
from fsm.work_orders.orders import list_visits, lock_work_order
from fsm.work_orders.ratings.rules import (
    NothingToRate,
    Scale,
    asks_for_call,
    check_changeable,
    rateable,
)
from fsm.work_orders.ratings.tables import Rating
from fsm.work_orders.tables import Review, ServiceRequest, Visit, WorkOrder

CALLBACK = "callback"
"""The kind of the review that a poor rating opens."""

RATERS_LIMITS = (Limit("request_id", 20, timedelta(days=1)),)
"""How often a rating may be changed through one link."""


@dataclass(frozen=True, slots=True)
class Rater:
    """Who rates: the holder of a report's status link, or a customer's user who is signed in."""

    request: ServiceRequest | None = None
    user_id: UUID | None = None

    @property
    def request_id(self) -> UUID | None:
        return None if self.request is None else self.request.id

    def condition(self) -> Any:
        if self.request is not None:
            return col(Rating.request_id) == self.request.id
        return col(Rating.user_id) == self.user_id


@dataclass(frozen=True, slots=True)
class Said:
    """What a rater says."""

    stars: int
    scale: Scale = Scale.STARS
    nps: int | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """The rating that counts for one rater and visit; `first_at` is when they first gave one."""

    rating: Rating
    first_at: datetime


async def find_given(
    session: Session, tenant_id: UUID, rater: Rater, visit_id: UUID
) -> Given | None:
    """Return what a rater last said of a visit, None where they have not said anything."""
    statement = (
        select(Rating)
        .where(Rating.tenant_id == tenant_id, Rating.visit_id == visit_id, rater.condition())
        .order_by(col(Rating.given_at), col(Rating.id))
    )
    ratings = (await session.exec(statement)).all()
    return Given(ratings[-1], ratings[0].given_at) if ratings else None


async def rate(
    session: Session,
    actor: Actor,
    now: datetime,
    work_order_id: UUID,
    rater: Rater,
    said: Said,
    *,
    contact_phone: str = "",
) -> Given:
    """Keep what a customer says of the last finished visit of a job; saying the same twice is saying it once.

    The job's row is held, so that two taps take turns. Nothing else of the job changes: no rating holds up
    its closure. Few stars open a callback (`Review`), or bring the open one up to date.
    """
    work_order = await lock_work_order(session, actor, work_order_id)
    visit = rateable(await list_visits(session, work_order))
    if visit is None:
        raise NothingToRate("You can rate the work once a visit has been finished.")
    before = await find_given(session, actor.tenant_id, rater, visit.id)
    if before is not None:
        if _says(before.rating) == said:
            return before
        check_changeable(before.first_at, now)
    limited = {"request_id": rater.request_id}
    await check_limits(session, Rating, "given_at", RATERS_LIMITS, limited, actor.tenant_id, now)
    rating = Rating(
        tenant_id=actor.tenant_id,
        work_order_id=work_order.id,
        visit_id=visit.id,
        request_id=rater.request_id,
        user_id=rater.user_id,
        scale=said.scale,
        stars=said.stars,
        nps=said.nps,
        comment=said.comment,
        given_at=now,
    )
    session.add(rating)
    await session.flush()
    # What was typed stays out of the history, which nobody can ever edit.
    await events.record(
        session,
        actor,
        "visit.rated",
        "visit",
        visit.id,
        now=now,
        rating_id=str(rating.id),
        stars=said.stars,
        nps=said.nps,
        is_change=before is not None,
    )
    await _see_to_callback(session, rater, rating, now, contact_phone)
    return Given(rating, now if before is None else before.first_at)


def _says(rating: Rating) -> Said:
    return Said(rating.stars, Scale(rating.scale), rating.nps, rating.comment)


async def _see_to_callback(
    session: Session, rater: Rater, rating: Rating, now: datetime, contact_phone: str
) -> None:
    """Open a callback for a poor rating; one that is open already is told the newest rating, good or poor.

    An open one stays open when the rating rises: whoever was to call decides whether that is still wanted.
    """
    reported = rater.request
    data: dict[str, Any] = {
        "rating_id": str(rating.id),
        "rater": str(rater.request_id or rater.user_id),
        "stars": rating.stars,
        "comment": rating.comment,
        "request_id": None if reported is None else str(reported.id),
        "contact_name": "" if reported is None else reported.contact_name,
        "contact_phone": contact_phone or ("" if reported is None else reported.contact_phone),
        "contact_email": "" if reported is None else reported.contact_email,
    }
    statement = select(Review).where(
        Review.tenant_id == rating.tenant_id,
        Review.kind == CALLBACK,
        Review.visit_id == rating.visit_id,
        col(Review.settled_at).is_(None),
        col(Review.data)["rater"].astext == data["rater"],
    )
    is_open = (await session.exec(statement.with_for_update())).first()
    if is_open is not None:
        if not contact_phone:
            data["contact_phone"] = is_open.data["contact_phone"]
        is_open.data = data
    elif asks_for_call(rating.stars):
        session.add(
            Review(
                tenant_id=rating.tenant_id,
                work_order_id=rating.work_order_id,
                visit_id=rating.visit_id,
                kind=CALLBACK,
                data=data,
                raised_at=now,
            )
        )
    await session.flush()


def _rater(of: type[Rating]) -> Any:
    return func.coalesce(of.request_id, of.user_id)


async def list_ratings(
    session: Session,
    actor: Actor,
    *,
    after: UUID | None,
    limit: int,
    work_order_id: UUID | None = None,
    technician_id: UUID | None = None,
    most_stars: int | None = None,
    with_replaced: bool = False,
) -> Sequence[Rating]:
    """Return ratings, the latest first: those that count, or all that were ever given."""
    statement = (
        select(Rating)
        .where(Rating.tenant_id == actor.tenant_id)
        .order_by(col(Rating.id).desc())
        .limit(limit)
    )
    if not with_replaced:
        later = aliased(Rating)
        replaced = select(later.id).where(
            later.tenant_id == Rating.tenant_id,
            later.visit_id == Rating.visit_id,
            _rater(later) == _rater(Rating),
            tuple_(later.given_at, later.id) > tuple_(Rating.given_at, Rating.id),
        )
        statement = statement.where(~replaced.exists())
    if actor.customer_id is not None:
        theirs = select(WorkOrder.id).where(
            WorkOrder.tenant_id == actor.tenant_id, WorkOrder.customer_id == actor.customer_id
        )
        statement = statement.where(col(Rating.work_order_id).in_(theirs))
    if work_order_id is not None:
        statement = statement.where(Rating.work_order_id == work_order_id)
    if technician_id is not None:
        visits = select(Visit.id).where(
            Visit.tenant_id == actor.tenant_id, Visit.technician_id == technician_id
        )
        statement = statement.where(col(Rating.visit_id).in_(visits))
    if most_stars is not None:
        statement = statement.where(Rating.stars <= most_stars)
    if after is not None:
        statement = statement.where(col(Rating.id) < after)
    return (await session.exec(statement)).all()
