"""When something happened, as well as a phone's clock can tell it. Pure.

The offset is the median of server minus device over the last pushes. The estimate lies between two instants
that the server knows itself: when it stamped the feed that the phone had already read, and when it received
the report. Both bounds are kept, for clocks of service levels and for overtime.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median_low

from fsm.events import Occurrence

SAMPLES = 9
FLAGGED = timedelta(minutes=5)
"""Beyond this the outcome says `clock_skew`, and times typed by the phone's clock are moved by the offset."""
DOUBTFUL = timedelta(hours=24)
"""Beyond this time entries go to review."""


def sample_offset(
    received_at: datetime, sent_at: datetime | None, newest_at: datetime | None
) -> timedelta | None:
    """Return server minus device of one push, None when it tells nothing.

    A device that does not say when it sent can still be caught ahead: nothing happens after its receipt.
    """
    if sent_at is not None:
        return received_at - sent_at
    if newest_at is not None and newest_at > received_at:
        return received_at - newest_at
    return None


def with_sample(samples: Sequence[int], sample: timedelta | None) -> list[int]:
    """Return the last `SAMPLES` offsets in milliseconds, the new one included."""
    added = [] if sample is None else [sample // timedelta(milliseconds=1)]
    return [*samples, *added][-SAMPLES:]


def offset_of(samples: Sequence[int]) -> timedelta:
    return timedelta(milliseconds=median_low(samples)) if samples else timedelta(0)


def estimate(
    occurred_at: datetime | None,
    offset: timedelta,
    known_since: datetime,
    received_at: datetime,
) -> Occurrence:
    """Return clamp(occurred_at + offset) between what the device knew already and the receipt."""
    lowest = min(known_since, received_at)
    at = received_at if occurred_at is None else occurred_at + offset
    return Occurrence(min(max(at, lowest), received_at), lowest, received_at)


def corrected(at: datetime, offset: timedelta, received_at: datetime) -> datetime:
    """Return a time that a person or the app entered by the device's clock, never after the receipt.

    Within `FLAGGED` it stays as entered: 10:00 should not become 10:00:00.123.
    """
    moved = at + offset if abs(offset) > FLAGGED else at
    return min(moved, received_at)
