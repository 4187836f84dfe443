"""Whether repairs held: solved at the first attendance, followed by another of the same kind.

Visits whose time on site overlaps or touches are one attendance. Nothing counts before it was known: what
happened after `as_of` has not happened.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fsm.intervals import Micros, micros
from reports.formulae.shares import counted, proportion
from reports.results import Figure, NullReason, Share
from reports.rows import Period

FOLLOW_UP = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Trip:
    """One visit of a repair. `is_in_vain`: nobody let the technician in."""

    id: str
    created_at: datetime
    planned_starts_at: datetime
    planned_ends_at: datetime
    arrived_at: datetime | None = None
    finished_at: datetime | None = None
    is_in_vain: bool = False


@dataclass(frozen=True, slots=True)
class Mended:
    """Everything done for one failure or request; `place_id` is its asset, else its site.

    `solved_at` is None while it is not; `class_` is the failure's mode, else the type of work.
    """

    id: str
    place_id: str
    class_: str
    began_at: datetime
    solved_at: datetime | None
    trips: tuple[Trip, ...] = ()
    reopened_at: tuple[datetime, ...] = ()
    exclusion: str | None = None
    cancelled_at: datetime | None = None


def first_time_fix(repairs: Sequence[Mended], period: Period) -> Figure:
    """Return the share of repairs that their first attendance solved, by the end of that attendance.

    An unsolved repair counts against. Out: no access, cancelled, visits planned as several, remote ones.
    """
    shares: list[Share] = []
    notes: list[str] = []
    for repair in repairs:
        attended = _attendances(repair, period.as_of)
        first = min(attended, default=None)
        ended = _solved(repair, period.as_of) if first is None else first[1]
        if ended is None or not period.seen()[0] <= ended < period.seen()[1]:
            continue
        reason = _left_out(repair, first, period)
        if reason is not None:
            shares.append(Share("repair", repair.id, excluded=reason))
            continue
        verdict = _verdict(repair, repairs, attended, ended, period)
        shares.append(Share("repair", repair.id, int(verdict is None), 1))
        notes += [verdict] if verdict else []
    return proportion(shares, "repair", NullReason.NO_FAILURES, counted(notes))


def repeat(repairs: Sequence[Mended], period: Period) -> Figure:
    """Return the share of the repairs restored in the window that one of the same kind followed."""
    shares: list[Share] = []
    begins, until = period.seen()
    for repair in repairs:
        solved = _solved(repair, period.as_of)
        if solved is None or not begins <= solved < until:
            continue
        reason = repair.exclusion or ("cancelled" if _is_cancelled(repair, period) else None)
        came_back = 0 if reason else int(_followed(repair, repairs, solved, period))
        shares.append(Share("repair", repair.id, came_back, 0 if reason else 1, reason))
    return proportion(shares, "repair", NullReason.NO_FAILURES, ())


def _verdict(
    repair: Mended,
    repairs: Iterable[Mended],
    attended: Sequence[tuple[Micros, Micros | None]],
    ended: Micros,
    period: Period,
) -> str | None:
    """Return why a repair was not solved by its first attendance, None if it was."""
    if _solved(repair, period.as_of) is None:
        return "unsolved"
    if len(attended) > 1:
        return "several_attendances"
    last = min(ended + _us(FOLLOW_UP), micros(period.as_of))
    was_reopened = any(ended < micros(at) <= last for at in repair.reopened_at)
    return "came_back" if was_reopened or _followed(repair, repairs, ended, period) else None


def _followed(repair: Mended, repairs: Iterable[Mended], since: Micros, period: Period) -> bool:
    last = min(since + _us(FOLLOW_UP), micros(period.as_of))
    return any(
        other.id != repair.id
        and (other.place_id, other.class_) == (repair.place_id, repair.class_)
        and other.exclusion is None
        and not _is_cancelled(other, period)
        and since < micros(other.began_at) <= last
        for other in repairs
    )


def _left_out(
    repair: Mended, first: tuple[Micros, Micros | None] | None, period: Period
) -> str | None:
    if repair.exclusion is not None:
        return repair.exclusion
    if _is_cancelled(repair, period):
        return "cancelled"
    if first is None:
        return "remote"
    there = [trip for trip in repair.trips if _is_there(trip, period.as_of)]
    if all(trip.is_in_vain for trip in there):
        return "no_access"
    earliest = min(there, key=lambda trip: (trip.is_in_vain, _at(trip.arrived_at), trip.id))
    is_several = any(
        micros(trip.created_at) < first[0]
        and micros(trip.planned_starts_at) >= micros(earliest.planned_ends_at)
        and not trip.is_in_vain
        for trip in repair.trips
    )
    return "planned_visits" if is_several else None


def _attendances(repair: Mended, as_of: datetime) -> list[tuple[Micros, Micros | None]]:
    """Return [begin, end] of each attendance, end None while somebody is still there.

    Of visits in vain alone there is one; beside others they are none.
    """
    there = [trip for trip in repair.trips if _is_there(trip, as_of)]
    useful = [trip for trip in there if not trip.is_in_vain]
    merged: list[tuple[Micros, Micros | None]] = []
    for begins, ends in sorted(
        (_span(trip, as_of) for trip in useful or there),
        key=lambda span: (span[0], span[1] is None, span[1] or 0),
    ):
        if merged and (merged[-1][1] is None or merged[-1][1] >= begins):
            before = merged[-1][1]
            merged[-1] = (
                merged[-1][0],
                None if before is None or ends is None else max(before, ends),
            )
        else:
            merged.append((begins, ends))
    return merged


def _span(trip: Trip, as_of: datetime) -> tuple[Micros, Micros | None]:
    ends = trip.finished_at
    is_over = ends is not None and micros(ends) <= micros(as_of)
    return _at(trip.arrived_at), _at(ends) if is_over else None


def _is_there(trip: Trip, as_of: datetime) -> bool:
    return trip.arrived_at is not None and micros(trip.arrived_at) <= micros(as_of)


def _is_cancelled(repair: Mended, period: Period) -> bool:
    return repair.cancelled_at is not None and micros(repair.cancelled_at) <= micros(period.as_of)


def _solved(repair: Mended, as_of: datetime) -> Micros | None:
    if repair.solved_at is None or micros(repair.solved_at) > micros(as_of):
        return None
    return micros(repair.solved_at)


def _at(at: datetime | None) -> Micros:
    assert at is not None
    return micros(at)


def _us(span: timedelta) -> Micros:
    return span // timedelta(microseconds=1)
