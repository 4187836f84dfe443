"""Every place of every route at once, in numpy: where one visit could go, and the least it could cost there.

A gap lies between two neighbouring stops of a route. Of a gap two bounds are kept: the earliest instant at
which the stop before it can be left, and the latest at which the stop after it must be reached. Pauses are
not in them, so they never refuse what the exact timetable allows; whoever needs the exact answer has the
cheapest gaps timed until the next bound is dearer than what was found (`Fleet.best`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from scheduler.engine.indexed import IndexedDay, Terms
from scheduler.engine.insertion import Draft, Place
from scheduler.engine.timing import first_start, last_start
from scheduler.problem import Interval

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Price = Callable[[Place], int]

NEVER = 1 << 50
_ALWAYS = -NEVER


@dataclass(frozen=True, slots=True)
class Wanted:
    """One visit as the gaps see it."""

    starts: tuple[Interval, ...]
    """Ascending intervals in which work may begin."""
    work_s: Ints
    """How long each shift's technician takes."""
    fixed: Ints
    """What each shift costs whenever the visit begins."""
    there_s: npt.NDArray[np.int32]
    """Drive from each place to the visit."""
    back_s: npt.NDArray[np.int32]
    """Drive from the visit to each place."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """What the bounds say of one visit in every gap; arrays as long as the fleet has gaps."""

    start: Ints
    """Earliest beginning, `NEVER` where there is none."""
    fits: Mask
    least: Ints
    """What it costs there at least."""


class Fleet:
    """The gaps of all routes of a draft, as flat arrays. Read-only once built."""

    def __init__(
        self,
        draft: Draft,
        *,
        terms: Callable[[int], Terms] | None = None,
        alone: bool = False,
        without_prefix: bool = False,
        shifts: Sequence[int] | None = None,
    ) -> None:
        """`terms` replaces the shifts' own, `alone` asks of routes with nothing but what is fixed.

        A route whose fixed beginning cannot be kept has no gaps, `without_prefix` those of an empty one.
        """
        day = draft.day
        self.draft = draft
        self.orders: dict[int, list[int]] = {}
        rows: list[tuple[int, int, int, int, int, int, int]] = []
        saved = np.zeros(len(day.shifts), dtype=np.int64)
        for number in range(len(day.shifts)) if shifts is None else shifts:
            own = day.terms[number] if terms is None else terms(number)
            order, prefix = draft.orders[number], len(day.shifts[number].prefix)
            if not draft.keeps_prefix(number):
                if not without_prefix:
                    continue
                prefix = 0
            if alone:
                order = order[:prefix]
            self.orders[number] = order
            now = draft.timed[number]
            if now is not None:
                saved[number] = now.waiting_s * day.weights.waiting_permille // 1_000 + 1
            rows += _gaps_of(day, number, own, order, prefix)
        table = np.array(rows, dtype=np.int64).reshape(-1, 7)
        self.shift, self.position, self.before, self.after = table[:, :4].T
        self.free_from, self.needed_by, self.leg_s = table[:, 4:].T
        self.saved = saved[self.shift]
        empty = np.array([timed is None for timed in draft.timed], dtype=bool)
        self.first_use = np.where(empty, day.weights.first_use, 0)[self.shift]

    def __len__(self) -> int:
        return len(self.shift)

    def wanted(self, visit_no: int, starts: tuple[Interval, ...] | None = None) -> Wanted:
        """Return a visit of the problem as the gaps see it; `starts` replaces when it may begin."""
        day = self.draft.day
        visit = day.visits[visit_no]
        return Wanted(
            starts=day.starts[visit_no] if starts is None else starts,
            work_s=np.array([works[visit_no] for works in day.works], dtype=np.int64),
            fixed=day.fixed[:, visit_no],
            there_s=day.problem.travel_s[:, visit.place],
            back_s=day.problem.travel_s[visit.place],
        )

    def gaps(self, wanted: Wanted, allowed: Mask) -> Gaps:
        """Return what the bounds say; `allowed` says which shifts may have the visit."""
        there, back = wanted.there_s[self.before], wanted.back_s[self.after]
        arrive = self.free_from + there
        start = np.full(len(self), NEVER, dtype=np.int64)
        for opens, closes in reversed(wanted.starts):
            start = np.where(arrive <= closes, np.maximum(arrive, opens), start)
        last = self.needed_by - back - wanted.work_s[self.shift]
        fits = allowed[self.shift] & (start <= last)
        detour = there.astype(np.int64) + back - self.leg_s
        least = detour + wanted.fixed[self.shift] + self.first_use - self.saved
        return Gaps(start, fits, least)

    def cheapest_gap(self, visit_no: int) -> tuple[int, int] | None:
        """Return (gap, drive added) of the least detour among the gaps that fit, None where none does."""
        found = self.gaps(wanted := self.wanted(visit_no), self.draft.day.able[:, visit_no])
        gaps = np.flatnonzero(found.fits)
        if not len(gaps):
            return None
        detour = (
            wanted.there_s[self.before[gaps]].astype(np.int64)
            + wanted.back_s[self.after[gaps]]
            - self.leg_s[gaps]
        )
        best = int(np.argmin(detour))
        return int(gaps[best]), int(detour[best])

    def timed(
        self,
        gap: int,
        visit_no: int,
        *,
        opened: tuple[Interval, ...] | None = None,
        terms: Terms | None = None,
        draft: Draft | None = None,
        below: int | None = None,
    ) -> Place | None:
        """Return the exact timetable with the visit in a gap, None where it keeps none.

        `draft` is the same plan where a visit asks for something else. A place that costs `below` or more
        is none.
        """
        number, position = int(self.shift[gap]), int(self.position[gap])
        order, now = self.orders[number], self.draft.cost_of(number)
        timed = (draft or self.draft).time(
            number,
            [*order[:position], visit_no, *order[position:]],
            terms=terms,
            opened={} if opened is None else {visit_no: opened},
            below=None if below is None else now + below,
        )
        return None if timed is None else Place(number, position, timed, timed.cost - now)

    def in_order(self, gaps: Gaps, extra: Ints | None = None) -> Iterator[tuple[int, int]]:
        """Yield the gaps that fit as (gap, least cost with `extra`), the cheapest first."""
        fits = np.flatnonzero(gaps.fits)
        least = gaps.least[fits] if extra is None else gaps.least[fits] + extra[fits]
        for index in np.argsort(least, kind="stable"):
            yield int(fits[index]), int(least[index])

    def best(
        self,
        visit_no: int,
        gaps: Gaps,
        *,
        extra: Ints | None = None,
        price: Price | None = None,
        opened: tuple[Interval, ...] | None = None,
        terms: Callable[[int], Terms] | None = None,
        has_parts: bool = True,
        most: int | None = None,
        below: int | None = None,
    ) -> tuple[int, Place] | None:
        """Return (cost, place) of the cheapest exact place, None where no gap keeps a timetable.

        `extra` is a lower bound, by gap, of what `price` adds to a place. With `has_parts` a van must carry
        what the visit needs. `most` gaps are timed: the best of those is then the cheapest found. A place
        that costs `below` or more is none.
        """
        best: tuple[int, Place] | None = None
        carries: dict[int, bool] = {}
        timed = 0
        for gap, least in self.in_order(gaps, extra):
            if below is not None and least >= below:
                break
            if most is not None and timed >= most:
                break
            number = int(self.shift[gap])
            if has_parts and not carries.setdefault(number, self.draft.has_parts(number, visit_no)):
                continue
            timed += 1
            place = self.timed(
                gap,
                visit_no,
                opened=opened,
                terms=None if terms is None else terms(number),
                below=below,
            )
            if place is None:
                continue
            cost = place.delta + (0 if price is None else price(place))
            if below is None or cost < below:
                best, below = (cost, place), cost
        return best

    def ranked(
        self, visit_no: int, most: int, opened: tuple[Interval, ...] | None = None
    ) -> list[Place]:
        """Return the cheapest exact place of each shift, the cheapest shifts first, at most `most`.

        `opened` replaces when the visit may begin.
        """
        day = self.draft.day
        gaps = self.gaps(self.wanted(visit_no, opened), day.able[:, visit_no])
        found: dict[int, Place] = {}
        for gap, least in self.in_order(gaps):
            worst = sorted(place.delta for place in found.values())[most - 1 : most]
            if worst and least >= worst[0]:
                break
            number = int(self.shift[gap])
            if not self.draft.has_parts(number, visit_no):
                continue
            place = self.timed(gap, visit_no, opened=opened, below=worst[0] + 1 if worst else None)
            if place is not None and (number not in found or place.delta < found[number].delta):
                found[number] = place
        return sorted(found.values(), key=lambda place: (place.delta, place.shift_no))[:most]


def _gaps_of(
    day: IndexedDay, number: int, terms: Terms, order: Sequence[int], prefix: int
) -> list[tuple[int, int, int, int, int, int, int]]:
    """Return a route's gaps as (shift, position, place before, place after, free from, needed by, leg).

    Fixed stops of a route without visits are stops like any other. Among visits the timetable chooses
    where they go, so that there the bounds say nothing.
    """
    fixed = sorted(
        (extra for extra in terms.extras if extra.place is not None),
        key=lambda extra: extra.earliest,
    )
    stops: list[tuple[int, tuple[Interval, ...], int]] = []
    if fixed and not order:
        stops = [
            (extra.place, ((extra.earliest, extra.latest),), extra.length_s)
            for extra in fixed
            if extra.place is not None
        ]
    else:
        stops = [
            (day.place[visit], day.starts[visit], day.work_s(number, visit)) for visit in order
        ]
    places = [terms.start_place, *(stop[0] for stop in stops), terms.end_place]
    legs = [day.drive_s[one, other] for one, other in pairwise(places)]
    free: list[int] = [terms.opens]
    for (_, starts, work), leg in zip(stops, legs, strict=False):
        start = first_start(starts, free[-1] + leg)
        free.append(NEVER if start is None else start + work)
    needed: list[int] = [terms.last]
    for (_, starts, work), leg in zip(reversed(stops), reversed(legs), strict=False):
        latest = last_start(starts, needed[-1] - leg - work)
        needed.append(_ALWAYS if latest is None else latest)
    needed.reverse()
    if fixed and order:
        free, needed = [_ALWAYS] * len(free), [NEVER] * len(needed)
    first = 0 if fixed and not order else prefix
    return [
        (
            number,
            0 if fixed and not order else gap,
            places[gap],
            places[gap + 1],
            free[gap],
            needed[gap],
            legs[gap],
        )
        for gap in range(first, len(places) - 1)
    ]


def longer(terms: Terms, seconds: int) -> Terms:
    """Return a shift's terms with a later end."""
    return replace(terms, last=terms.last + seconds)
