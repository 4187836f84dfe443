"""Slots for a crew: every leg has somebody, all begin at once, and the day keeps its rules with them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.checks import violations
from scheduler.crew_places import crew_places, legs_of
from scheduler.engine.assembly import assemble
from scheduler.engine.indexed import IndexedDay
from scheduler.engine.insertion import Draft
from scheduler.engine.together import settle
from scheduler.problem import Crew, DayProblem, Published
from scheduler.repair import repair
from scheduler.slots import best_slots, offers
from tests.scheduler.busy import plain, with_breaks
from tests.scheduler.days import HOUR, a_day, a_shift, a_visit

THREE = (a_shift(), a_shift("bob", opens=11 * HOUR), a_shift("cid", start_place=4, end_place=4))
LEGS = (a_visit("new", 1, label="W-1"), a_visit("new#2", 1, label="W-1"))


def test_each_person_is_offered_with_the_best_mate_and_each_pair_once() -> None:
    day = a_day(LEGS, THREE, crews=(Crew("new", "new#2"),))
    slots = best_slots(day, "new", 5)
    pairs = [{slot.technician, *slot.mates} for slot in slots]
    assert pairs == [{"ann", "bob"}, {"ann", "cid"}]
    assert slots[0].start == 11 * HOUR + 600, "Bob begins at eleven and drives ten minutes"
    assert (slots[0].travel_s, slots[1].travel_s) == (4 * 600, 2 * 600 + 2 * 1_800)
    assert slots[1].start < 11 * HOUR


def test_a_window_is_offered_only_where_the_whole_crew_can_begin() -> None:
    day = a_day(LEGS, THREE[:2], crews=(Crew("new", "new#2"),))
    windows = [(8 * HOUR, 10 * HOUR), (12 * HOUR, 14 * HOUR)]
    (offer,) = offers(day, "new", windows, 5)
    assert (offer.opens, offer.slot.mates != ()) == (12 * HOUR, True)
    assert {each.opens for each in offers(day, "new", windows, 5, alone=True)} == {
        opens for opens, _ in windows
    }


def crowded(seed: int) -> DayProblem:
    """Return a day that is planned, and a crew of two or three beside it."""
    rng = np.random.default_rng(seed)
    day = with_breaks(rng, plain(rng, people=4, jobs=9))
    size = int(rng.integers(2, 4))
    first = day.visits[0]
    work_s = max(60, first.duration_s)  # nothing to do could be done twice at once by one person
    legs = tuple(
        replace(first, id=f"leg{number}", duration_s=work_s, forbidden=(), preferred=())
        for number in range(size)
    )
    kept = replace(day, visits=day.visits[1:])
    published = tuple(
        Published(stop.visit, route.technician, route.day, stop.start)
        for route in repair(kept).routes
        for stop in route.stops
        if stop.visit
    )
    crews = tuple(Crew(one.id, other.id) for one, other in pairwise(legs))
    return replace(kept, visits=(*kept.visits, *legs), published=published, crews=crews)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32))
def test_a_day_with_the_crew_in_it_keeps_all_rules(seed: int) -> None:
    problem = crowded(seed)
    day = IndexedDay(problem)
    draft = Draft(day)
    for each in sorted(problem.published, key=lambda each: each.start):
        number, shift = day.visit_no[each.visit], day.shift_no[f"{each.technician}-{each.day}"]
        draft.set_order(shift, [*draft.orders[shift], number])
    before = draft.snapshot()
    legs = legs_of(draft, day.visit_no["leg0"])
    for places in crew_places(draft, legs, 8):
        assert draft.snapshot() == before
        assert len({place.shift_no for place in places.values()}) == len(legs)
        starts = {
            place.timed.times[place.timed.items.index(leg)][1] for leg, place in places.items()
        }
        assert len(starts) == 1
        for place in places.values():
            assert draft.set_order(place.shift_no, place.timed.visits)
        assert settle(draft)
        plan = assemble(draft, impossible=[], engine="repair", seed=0)
        assert violations(problem, plan) == []
        draft.restore(before)
