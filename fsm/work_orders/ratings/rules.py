"""When a visit can be rated, for how long that can be changed, and what asks for a call. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from fsm.problems import Conflict
from fsm.work_orders.lifecycle import VisitStatus
from fsm.work_orders.tables import Visit

MOST_STARS: Final = 5
CALLBACK_UP_TO: Final = 3
"""So many stars, or fewer, open a callback."""

CHANGEABLE: Final = timedelta(days=14)
"""How long a rating can be changed, from when it was first given."""

_AT_WORK = frozenset({VisitStatus.TRAVELLING, VisitStatus.ON_SITE, VisitStatus.PAUSED})


class Scale(StrEnum):
    """What was asked. A thumb is kept as the end of the stars that it points to."""

    STARS = "stars"
    THUMB = "thumb"


THUMBS: Final = {"up": MOST_STARS, "down": 1}


class NothingToRate(Conflict):
    """Nobody has been there yet, or somebody is at it again."""

    code, status, title = "nothing-to-rate", 409, "There is no finished visit to rate"


class RatingSettled(Conflict):
    """The time in which a rating can be changed is over; `since` says when it ended."""

    code, status, title = "rating-settled", 409, "The rating can no longer be changed"


def rateable(visits: Sequence[Visit]) -> Visit | None:
    """Return the visit that a customer would speak of: the last finished, unless one is under way."""
    if any(visit.status in _AT_WORK for visit in visits):
        return None
    finished = [v for v in visits if v.status == VisitStatus.FINISHED and v.finished_at is not None]
    return max(finished, key=lambda v: (v.finished_at, v.id), default=None)


def changeable_until(first_given_at: datetime) -> datetime:
    return first_given_at + CHANGEABLE


def check_changeable(first_given_at: datetime, now: datetime) -> None:
    """Refuse a change that comes too late (`RatingSettled`)."""
    until = changeable_until(first_given_at)
    if now >= until:
        raise RatingSettled(
            f"A rating can be changed for {CHANGEABLE.days} days after it was given. "
            "Write to the office if something should be put right.",
            since=until.isoformat(),
        )


def asks_for_call(stars: int) -> bool:
    return stars <= CALLBACK_UP_TO
