"""Where one more visit could go: ranked slots with what each does to the day, and windows for a caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scheduler.candidates import Fleet
from scheduler.crew_places import crew_places, legs_of
from scheduler.engine.crews import crews
from scheduler.engine.insertion import Draft, Place
from scheduler.engine.timing import Timetable, as_route
from scheduler.patience import Patience
from scheduler.problem import DAY_S, DayProblem, Interval, Promise, Route
from scheduler.promises.windows import Outlook, Window
from scheduler.repair import standing

_MINUTE_S = 60

_AT_RISK = 0.01
"""A promise is at risk where its chance falls this far below the one that was stated."""
_CERTAINTY = 5
"""What the whole chance of a promise is worth, in broken promises: most is lost in small parts."""
_LOOKED_AT = 6
"""Among how many of the cheapest places the safest is chosen."""
_CREWS_TRIED = 2
"""How many times as many crews are looked at as slots are wanted: two may be found from either's side."""
_STATED = 0.9
"""Taken for stated where a window was announced without a chance."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A visit that would begin at another time."""

    label: str
    minutes: int
    """Later; below zero: earlier."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a visit, and what taking it does."""

    technician: str
    shift: str
    position: int
    """How many visits of the route come before it."""
    start: int
    end: int
    cost: int
    """Of the whole change, in seconds of driving."""
    travel_s: int
    travel_m: int
    overtime_s: int
    """All three: more than without the visit."""
    late_s: int
    """After the service level's instant."""
    at_risk: tuple[str, ...]
    """Labels of visits whose promise would be kept less surely than was stated."""
    moved: tuple[Moved, ...]
    risk: int = 0
    """What the chances are worth that promises lose, in seconds of driving."""
    mates: tuple[str, ...] = ()
    """Who comes as well, where it takes a crew; what is added and moved is then that of all of them."""
    each_travel_s: tuple[int, ...] = ()
    """What `travel_s` is for each of a crew, this one first."""
    each_end: tuple[int, ...] = ()
    """When each of a crew is done: all begin at once, and each works at their own pace."""

    @property
    def price(self) -> int:
        return self.cost + self.risk


@dataclass(frozen=True, slots=True)
class Risk:
    """A promise that is kept less surely than was stated, and the cheapest way to mend that."""

    visit: str
    stated: float
    chance: float
    cure: Slot | None
    """Where else the visit would be safe; None: nowhere."""
    cured: float
    """The chance there."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A window to offer, with the best slot in it."""

    window: Window
    slot: Slot
    capacity: int
    """What the time it takes is worth to later callers, in seconds of driving."""

    @property
    def opens(self) -> int:
        return self.window.opens

    @property
    def closes(self) -> int:
        return self.window.closes

    @property
    def probability(self) -> float:
        """That work begins inside the window."""
        return self.window.probability

    @property
    def price(self) -> int:
        return self.slot.price + self.capacity


def best_slots(
    problem: DayProblem, visit: str, most: int, outlook: Outlook | None = None
) -> list[Slot]:
    """Return the cheapest slot of each shift, or of each crew, for a visit, the cheapest first."""
    draft, number = _without(problem, visit)
    outlook = outlook or Outlook(problem)
    legs = legs_of(draft, number)
    if len(legs) > 1:
        found = crew_places(draft, legs, _CREWS_TRIED * most)
        return sorted((_crew_slot(draft, each, outlook) for each in found), key=_by_price)[:most]
    places = Fleet(draft).ranked(number, most)
    return sorted((_slot(draft, place, number, outlook) for place in places), key=_by_price)


def offers(
    problem: DayProblem,
    visit: str,
    windows: Sequence[Interval],
    most: int,
    outlook: Outlook | None = None,
    *,
    fixed: bool = True,
    alone: bool = False,
    patience: Patience | None = None,
) -> list[Offer]:
    """Return the windows in which the visit fits, the best to give away first.

    Unless `fixed`, each is only where to look: what is offered is the narrowest window that holds the target
    at the place found there. A crew has to fit whole, unless one of them is asked for `alone`. Once
    `patience` is over no further window is looked at.
    """
    draft, number = _without(problem, visit)
    outlook = outlook or Outlook(problem)
    legs = [number] if alone else legs_of(draft, number)
    return _offers(draft, legs, windows, most, outlook, fixed=fixed, patience=patience)


def _offers(
    draft: Draft,
    legs: Sequence[int],
    windows: Sequence[Interval],
    most: int,
    outlook: Outlook,
    *,
    fixed: bool,
    patience: Patience | None = None,
) -> list[Offer]:
    day, number = draft.day, legs[0]
    fleet = Fleet(draft)
    found: dict[Interval, Offer] = {}
    for opens, closes in windows:
        starts = tuple(
            (max(a, opens), min(b, closes))
            for a, b in day.starts[number]
            if max(a, opens) <= min(b, closes)
        )
        if not starts:
            continue
        if patience is not None and patience.is_over():
            break
        best = _safest(draft, fleet, legs, starts, outlook)
        if best is None:
            continue
        places, slot = best
        asked = [
            outlook.window(
                as_route(day, place.timed),
                day.visits[leg].id,
                not_before=starts[0][0],
                fixed=(opens, closes) if fixed else None,
            )
            for leg, place in places.items()
        ]
        # Work begins when the last of them is there.
        window = max(asked, key=lambda each: (each.closes, -each.probability))
        capacity = sum(_capacity(draft, place, leg) for leg, place in places.items())
        offer = Offer(window, slot, capacity)
        known = found.get((offer.opens, offer.closes))
        if known is None or offer.price < known.price:
            found[offer.opens, offer.closes] = offer
    return sorted(found.values(), key=lambda offer: (offer.price, offer.opens))[:most]


def risks(problem: DayProblem, outlook: Outlook | None = None, *, most: int = 20) -> list[Risk]:
    """Return promises of the plan in force that are kept less surely than was stated, the worst first."""
    draft = standing(problem)
    day, outlook = draft.day, outlook or Outlook(problem)
    found: list[tuple[float, str, float]] = []
    for timed in draft.timed:
        if timed is None:
            continue
        for visit, chance in outlook.chances(as_route(day, timed)).items():
            promise = day.visits[day.visit_no[visit]].promise
            assert promise is not None, "only promises have chances"
            if chance < _said(promise) - _AT_RISK:
                found.append((chance - _said(promise), visit, chance))
    return [
        Risk(visit, round(chance - fall, 4), chance, *_cure(draft, visit, chance, outlook))
        for fall, visit, chance in sorted(found)[:most]
    ]


def _cure(draft: Draft, visit: str, chance: float, outlook: Outlook) -> tuple[Slot | None, float]:
    """Return where a visit would keep its promise so much more surely that moving it pays, and how surely.

    It must hurt no other promise.
    """
    day = draft.day
    number = day.visit_no[visit]
    shift, promise = draft.planned()[number], day.visits[number].promise
    assert promise is not None, "only promises are cured"
    if visit in day.shifts[shift].prefix:
        return None, chance
    before = list(draft.orders[shift])
    cure: tuple[Slot | None, float] = (None, chance)
    cost = draft.cost_of(shift)
    if draft.set_order(shift, [each for each in before if each != number]):
        window, saved = (promise.opens, promise.closes), cost - draft.cost_of(shift)
        for offer in _offers(draft, [number], [window], 1, outlook, fixed=True):
            worth = (offer.probability - chance) * _CERTAINTY * day.weights.promise_broken
            moves = offer.slot.cost - saved
            if not offer.slot.at_risk and max(0, moves) < worth:
                cure = offer.slot, offer.probability
        draft.set_order(shift, before)
    return cure


def _by_price(slot: Slot) -> tuple[int, str]:
    return slot.price, slot.shift


def _safest(
    draft: Draft,
    fleet: Fleet,
    legs: Sequence[int],
    starts: tuple[Interval, ...],
    outlook: Outlook,
) -> tuple[dict[int, Place], Slot] | None:
    """Return the cheapest of some places, one for each leg, with what the promises of their routes lose."""
    if len(legs) > 1:
        found = crew_places(draft, legs, _LOOKED_AT, starts)
        slots = [(each, _crew_slot(draft, each, outlook)) for each in found]
    else:
        (number,) = legs
        places = fleet.ranked(number, _LOOKED_AT, starts)
        slots = [({number: place}, _slot(draft, place, number, outlook)) for place in places]
    return min(slots, key=lambda each: _by_price(each[1]), default=None)


def _said(promise: Promise) -> float:
    return _STATED if promise.probability is None else promise.probability


def _without(problem: DayProblem, visit: str) -> tuple[Draft, int]:
    """Return the plan in force with the visit taken out of it, and its crew, where they are in."""
    draft = standing(problem)
    number = draft.day.visit_no[visit]
    crew = next((legs for legs in crews(draft.day) if number in legs), [number])
    for leg in crew:
        shift = draft.planned().get(leg)
        if shift is not None:
            draft.set_order(shift, [each for each in draft.orders[shift] if each != leg])
    return draft, number


def _slot(draft: Draft, place: Place, number: int, outlook: Outlook) -> Slot:
    day, shift = draft.day, draft.day.shifts[place.shift_no]
    before, after = draft.timed[place.shift_no], place.timed
    was = {} if before is None else _starts(before)
    is_ = _starts(after)
    start = is_.pop(number)
    due = day.due[number]
    route_before = None if before is None else as_route(day, before)
    route_after = as_route(day, after)
    at_risk, risk = _at_risk(draft, number, route_before, route_after, outlook)
    return Slot(
        technician=shift.technician,
        shift=shift.id,
        position=place.position,
        start=start,
        end=start + day.work_s(place.shift_no, number),
        cost=place.delta,
        travel_s=after.drive_s - (0 if before is None else before.drive_s),
        travel_m=route_after.drive_m - (0 if route_before is None else route_before.drive_m),
        overtime_s=after.overtime_s - (0 if before is None else before.overtime_s),
        late_s=0 if due is None else max(0, start - due),
        at_risk=tuple(day.visits[each].label or day.visits[each].id for each in at_risk),
        moved=tuple(
            Moved(day.visits[each].label or day.visits[each].id, round((then - was[each]) / 60))
            for each, then in is_.items()
            if abs(then - was[each]) >= _MINUTE_S
        ),
        risk=risk,
    )


def _crew_slot(draft: Draft, places: Mapping[int, Place], outlook: Outlook) -> Slot:
    """Return the slot of the first leg, with what all of them do to the day."""
    own, *others = (_slot(draft, place, leg, outlook) for leg, place in places.items())
    each = [own, *others]
    return replace(
        own,
        cost=sum(slot.cost for slot in each),
        travel_s=sum(slot.travel_s for slot in each),
        travel_m=sum(slot.travel_m for slot in each),
        overtime_s=sum(slot.overtime_s for slot in each),
        at_risk=tuple(label for slot in each for label in slot.at_risk),
        moved=tuple(moved for slot in each for moved in slot.moved),
        risk=sum(slot.risk for slot in each),
        mates=tuple(slot.technician for slot in others),
        each_travel_s=tuple(slot.travel_s for slot in each),
        each_end=tuple(slot.end for slot in each),
    )


def _starts(timed: Timetable) -> dict[int, int]:
    return {
        item: start
        for item, (_, start, _) in zip(timed.items, timed.times, strict=True)
        if item >= 0
    }


def _at_risk(
    draft: Draft, moved: int, before: Route | None, after: Route, outlook: Outlook
) -> tuple[list[int], int]:
    """Return the visits that a change makes less sure than was stated, and what that is worth."""
    visit_no, weights = draft.day.visit_no, draft.day.weights
    was = {} if before is None else outlook.chances(before)
    is_ = outlook.chances(after, moved=draft.day.visits[moved].id)
    at_risk, lost = [], 0.0
    for visit, chance in is_.items():
        promise = draft.day.visits[visit_no[visit]].promise
        assert promise is not None, "only promises have chances"
        fall = min(_said(promise), was.get(visit, 1.0)) - chance
        # Many small changes come to a large one, so what is unsure already loses nothing more.
        if chance < _said(promise) - _AT_RISK and fall > _AT_RISK / 5:
            at_risk.append(visit_no[visit])
            lost += fall
    return at_risk, round(lost * _CERTAINTY * weights.promise_broken)


def _capacity(draft: Draft, place: Place, number: int) -> int:
    """Return what the time is worth to others: nothing on an empty day, half of itself on a full one."""
    day = draft.day
    on = day.shifts[place.shift_no].day
    there = booked = 0
    for no, shift in enumerate(day.shifts):
        if shift.day == on and day.able[no, number]:
            there += shift.closes - shift.opens
            timed = draft.timed[no]
            if timed is not None:
                booked += timed.drive_s + sum(day.work_s(no, visit) for visit in timed.visits)
            booked += sum(absence.end - absence.start for absence in shift.absences)
    load = min(1.0, booked / there) if there else 1.0
    before = draft.timed[place.shift_no]
    taken = place.timed.drive_s - (0 if before is None else before.drive_s)
    taken += day.work_s(place.shift_no, number)
    return round(max(0, taken) * load * load / 2)


def grid(problem: DayProblem, length_s: int, step_s: int) -> list[Interval]:
    """Return windows of a length on a grid over the hours in which anybody works."""
    windows = []
    for day in range(problem.days):
        hours = [(shift.opens, shift.closes) for shift in problem.shifts if shift.day == day]
        if not hours:
            continue
        first = min(opens for opens, _ in hours)
        last = max(closes for _, closes in hours)
        begins = day * DAY_S + -(-(first - day * DAY_S) // step_s) * step_s
        while begins + length_s <= last:
            if begins >= (problem.now or 0):
                windows.append((begins, begins + length_s))
            begins += step_s
    return windows
