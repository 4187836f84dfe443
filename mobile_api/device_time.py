"""When something happened, as well as a phone's clock can tell it. Pure.

The offset is the median of server minus device over the last pushes. The estimate lies between two instants
that the server knows itself: when it stamped the feed that the phone had already read, and when it received
the report. Both bounds are kept, for clocks of service levels and for overtime.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from statistics import median_low
from typing import Protocol

from fsm.events import Occurrence

_LONGEST_MS = 2**47
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)

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


class Told(Protocol):
    """What an intent says of its time."""

    @property
    def occurred_at(self) -> datetime | None: ...
    @property
    def mono_ms(self) -> int | None: ...
    @property
    def boot(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Uptime:
    """When, by our clock, the device's uptime was zero, for each start (`boot`) that we can tell it of.

    Uptime goes on when somebody sets the clock, so within one start it orders and measures. It is the
    device's own word all the same: it moves the estimate and never the bounds. `jumped` are the starts in
    which the clock was set by more than `FLAGGED`.
    """

    started: Mapping[str, datetime] = field(default_factory=dict)
    jumped: frozenset[str] = frozenset()

    def of(self, told: Told) -> datetime | None:
        """Return when an intent happened by its uptime; None where the clock on the wall tells it better."""
        if told.boot is None or told.mono_ms is None or told.boot not in self.started:
            return None
        return _later(self.started[told.boot], told.mono_ms)


def uptime_of(
    told: Sequence[Told],
    received_at: datetime,
    boot: str | None,
    mono_ms: int | None,
    offset: timedelta,
) -> Uptime:
    """Return what a push says of its device's uptime: `boot` and `mono_ms` are those of its sending.

    Of the start in which it was sent, the receipt tells when it began. Of another start, the intents
    themselves do, as far as the clock was set in it: its last setting is the one that `offset` is known of.
    """
    started: dict[str, datetime] = {}
    settings: dict[str, list[tuple[int, datetime]]] = {}
    for one in told:
        if None not in (one.boot, one.mono_ms, one.occurred_at):
            assert one.boot is not None
            assert one.mono_ms is not None
            assert one.occurred_at is not None
            began = _later(one.occurred_at, -one.mono_ms)
            settings.setdefault(one.boot, []).append((one.mono_ms, began))
    jumped = set()
    for name, seen in settings.items():
        begins = [began for _, began in seen]
        if max(begins) - min(begins) > FLAGGED:
            jumped.add(name)
            started[name] = _moved(max(seen)[1], offset)
    if boot is not None and mono_ms is not None:
        started[boot] = _later(received_at, -mono_ms)
    return Uptime(started, frozenset(jumped))


def _later(at: datetime, ms: int) -> datetime:
    """Return `at` and so many milliseconds, kept within the years that we can name."""
    return _moved(at, timedelta(milliseconds=max(-_LONGEST_MS, min(ms, _LONGEST_MS))))


def _moved(at: datetime, by: timedelta) -> datetime:
    try:
        return at + by
    except OverflowError:
        return _FIRST if by < timedelta(0) else _LAST


def estimate(
    occurred_at: datetime | None,
    offset: timedelta,
    known_since: datetime,
    received_at: datetime,
    by_uptime: datetime | None = None,
) -> Occurrence:
    """Return clamp(occurred_at + offset) between what the device knew already and the receipt.

    `by_uptime` takes the place of the clock on the wall where the device's uptime tells it better.
    """
    lowest = min(known_since, received_at)
    at = by_uptime
    if at is None:
        at = received_at if occurred_at is None else occurred_at + offset
    return Occurrence(min(max(at, lowest), received_at), lowest, received_at)


def corrected(at: datetime, offset: timedelta, received_at: datetime) -> datetime:
    """Return a time that a person or the app entered by the device's clock, never after the receipt.

    Within `FLAGGED` it stays as entered: 10:00 should not become 10:00:00.123.
    """
    return min(_by_our_clock(at, offset), received_at)


def _by_our_clock(at: datetime, offset: timedelta) -> datetime:
    return at + offset if abs(offset) > FLAGGED else at


class Doubt(StrEnum):
    """Why a claimed time goes to review."""

    CLOCK_OFF = "clock_off"  # by more than `DOUBTFUL`
    CLOCK_SET = "clock_set"  # within one start of the phone, by more than `FLAGGED`
    NOT_YET_OVER = "not_yet_over"  # it ends after we heard of it


@dataclass(frozen=True, slots=True)
class Claim:
    """A time that somebody claims to have worked, by our clock, as far as it can be true."""

    starts_at: datetime
    ends_at: datetime
    doubt: Doubt | None


def claimed(
    from_at: datetime,
    to_at: datetime,
    offset: timedelta,
    received_at: datetime,
    *,
    is_clock_set: bool = False,
) -> Claim:
    """Return what is booked of a claim: nothing after the receipt, which is cut off and put to review.

    The lower bound of the report says nothing here: people write down in the evening what they did before.
    Where all of a claim lies after the receipt, the clock is wrong by more than we know: the length stands.
    """
    starts_at = corrected(from_at, offset, received_at)
    ends_at = corrected(to_at, offset, received_at)
    doubt = None
    if abs(offset) > DOUBTFUL:
        doubt = Doubt.CLOCK_OFF
    elif is_clock_set:
        doubt = Doubt.CLOCK_SET
    elif _by_our_clock(to_at, offset) > received_at + FLAGGED:
        doubt = Doubt.NOT_YET_OVER
    if ends_at <= starts_at:
        starts_at, doubt = _moved(ends_at, from_at - to_at), doubt or Doubt.NOT_YET_OVER
    return Claim(starts_at, ends_at, doubt)
