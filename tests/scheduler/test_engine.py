"""Plans keep what they promise, claim what they cost, and are as good as they can be where that is known."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from scheduler.checks import cost, violations
from scheduler.engine import plan_day
from scheduler.problem import (
    DayProblem,
    Plan,
    Weights,
)
from tests.scheduler.days import days

TRAVEL_ONLY = Weights(waiting_permille=0, first_use=0, surplus_level=0)


def planned(plan: Plan) -> dict[str, str]:
    """Return the shift of each planned visit."""
    return {stop.visit: route.shift for route in plan.routes for stop in route.stops if stop.visit}


def starts(plan: Plan) -> dict[str, int]:
    return {stop.visit: stop.start for route in plan.routes for stop in route.stops if stop.visit}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(days())
def test_every_plan_keeps_every_promise(day: DayProblem) -> None:
    plan = plan_day(day, iterations=20)
    assert violations(day, plan) == []
    assert cost(day, plan) == plan.costs
    left_out = {each.visit for each in plan.unplanned}
    assert left_out.isdisjoint(planned(plan))
    assert left_out | set(planned(plan)) == {visit.id for visit in day.visits}
