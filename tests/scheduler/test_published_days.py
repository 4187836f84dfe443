"""The bench's view of other people's days: read as published, judged as published, planned by us."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scheduler.checks import violations
from scheduler.engine import plan_day
from tests.bench.scheduler.cases import DEPOT, LUNCH, tours_of
from tests.bench.scheduler.dispatch import DispatchDay
from tests.bench.scheduler.generator import LUNCH as AT_NOON
from tests.bench.scheduler.generator import dispatch_day
from tests.bench.scheduler.hhcrsp import CareDay, Pair, Service, read_tours
from tests.bench.scheduler.pillac import PillacDay
from tests.bench.scheduler.sdvrptw import SdvrptwDay, read_routes
from tests.bench.scheduler.sets import best_known, instances
from tests.bench.scheduler.solomon import SolomonDay

HOUR = 3_600


def data() -> Path:
    root = Path(os.environ.get("FSM_TEST_DATA", "/nonexistent")) / "instances"
    if not root.is_dir():
        pytest.skip("FSM_TEST_DATA names no folder with instances")
    return root


# --- what others published ------------------------------------------------------------------------


def test_every_published_route_plan_costs_what_its_authors_say() -> None:
    known = best_known(data())["sdvrptw"]
    assert known
    for name, best in known.items():
        day = SdvrptwDay.read(data() / "sdvrptw" / f"{name}.vrp")
        verdict = day.judge(read_routes(data() / "sdvrptw" / f"{name}.sol"))
        assert (verdict.broken, verdict.cost) == ((), best["value"]), name


@pytest.mark.parametrize("collection", ["mankowska", "italian"])
def test_every_published_care_plan_costs_what_its_authors_say(collection: str) -> None:
    known = best_known(data())[f"hhcrsp-{collection}"]
    assert known
    folder = data() / "hhcrsp" / collection
    for name, best in known.items():
        day = CareDay.read(folder / f"{name}.json")
        verdict = day.judge(read_tours(day, next(folder.glob(f"sol-{name}-*.json"))))
        assert (verdict.broken, verdict.cost) == ((), best["value"]), name


def test_every_day_that_has_a_best_known_value_is_found_and_can_be_planned() -> None:
    found = {(each.collection, each.name): each for each in instances(data())}
    for collection, values in best_known(data()).items():
        assert {name for of, name in found if of == collection} == set(values)
    for each in found.values():
        if each.name != "1000x10000-s1":  # a gigabyte of travel times
            each.read().problem().validate()


# --- days a person can check ----------------------------------------------------------------------


SOLOMON = """tiny

VEHICLE
NUMBER     CAPACITY
  2         10

CUSTOMER
CUST NO.  XCOORD.     YCOORD.   DEMAND   READY TIME   DUE DATE   SERVICE TIME

    0      0          0          0          0        100          0
    1      3          4          6          0         50         10
    2      6          8          5         30         60         10
    3      1          1          4          0         99          0
"""


def tiny_solomon(tmp_path: Path) -> SolomonDay:
    file = tmp_path / "tiny.txt"
    file.write_text(SOLOMON)
    return SolomonDay.read(file)


def test_distances_of_solomon_are_cut_to_tenths(tmp_path: Path) -> None:
    day = tiny_solomon(tmp_path)
    # 5 there, 5 back, 10 there, 10 back; 1.414… is 1.4, and from (6, 8) 8.602… is 8.6.
    assert day.judge({0: [0], 1: [1, 2]}).cost == pytest.approx(5 + 5 + 10 + 8.6 + 1.4)


def test_a_solomon_tour_is_refused_with_its_reasons(tmp_path: Path) -> None:
    day = tiny_solomon(tmp_path)
    assert day.judge({0: [0, 1, 2]}).broken == ("Vehicle 0 carries 15 of 10.",)
    assert day.judge({0: [1, 0], 1: [2]}).broken == ("Vehicle 0 carries 11 of 10.",)
    assert day.judge({0: [0, 2]}).broken == ("Visit 1 is not done.",)
    assert day.judge({0: [0, 2], 7: [1]}).broken[0] == "There is no vehicle 7."
    late = replace(day, rows=(*day.rows[:2], (2, 6, 8, 5, 0, 9, 10), day.rows[3]))
    assert late.judge({0: [1], 1: [0, 2]}).broken == ("Vehicle 0 begins visit 1 too late.",)


SDVRPTW = """NAME: tiny
TYPE: SDVRPTW
EDGE_WEIGHT_TYPE: EUC_2D
DIMENSION: 3
VEHICLES: 2
VEHICLES_MAX_DURATION: 30
NODE_COORD_SECTION
1	0	0
2	3	4
3	0	10
DEMAND_SECTION
1	0
2	6
3	5
SERVICE_TIME_SECTION
1	0
2	5
3	5
TIME_WINDOW_SECTION
1	0	100
2	0	60
3	40	60
CAPACITY_SECTION
1	10
2	20
VEHICLES_ALLOWED_CLIENTS_SECTION
1	2
2	2	3
EOF
"""


def test_a_site_dependent_tour_is_refused_with_its_reasons(tmp_path: Path) -> None:
    file = tmp_path / "tiny.vrp"
    file.write_text(SDVRPTW)
    day = SdvrptwDay.read(file)
    # Leaving late: 10 out, waiting at home instead of there, 5 at work, 10 back.
    fine = day.judge({0: [0], 1: [1]})
    assert (fine.cost, fine.broken) == (30_000, ())
    assert day.judge({0: [1], 1: [0]}).broken == ("Vehicle 0 may not make visit 1.",)
    # 5 out, 5 at work, 6.708… on, 5 at work, 10 back: however late it leaves.
    together = day.judge({1: [0, 1]})
    assert together.broken == ("Vehicle 1 is away for 31.708 of 30.",)
    assert replace(day, longest=32).judge({1: [0, 1]}).broken == ()


PILLAC = """tiny

INFO
CREW COUNT  SKILLS  TOOLS   SPARE PARTS
1      1       1       1

DEPOT TECHNICIANS AND REQUESTS
ID   X     Y     TWS    TWE    Serv   SKILLS   TOOLS    SPARE PARTS
0    0    5    0      100   0      [] 	[] 	[]
1    0    0    0      100   0      [0] 	[] 	[1]
2    3    4    30     40    10     [0] 	[] 	[1]
3    6    8    0     90     10     [0] 	[0] 	[1]
"""


def test_a_technician_passes_the_depot_for_what_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "tiny.txt"
    file.write_text(PILLAC)
    day = PillacDay.read(file)
    assert day.judge({0: [0, 1]}).broken == (
        "Technician 0 lacks a tool for request 1.",
        "Technician 0 has no part 0 for request 1.",
    )
    verdict = day.judge({0: [0, DEPOT, 1]})
    # Leaves at 25 to begin at 30; done 40; to the depot 3.162…, on 6.708…, 10 of work, home 10.
    assert verdict.broken == ()
    assert verdict.cost == pytest.approx(5 + 10 + 10**0.5 + 45**0.5 + 10 + 10, abs=1e-4)


def tiny_care() -> CareDay:
    """Two patients 10 minutes away on either side; the first needs two people at once."""
    return CareDay(
        name="tiny",
        factor=1,
        distances=((0, 10, 10), (10, 0, 20), (10, 20, 0)),
        abilities=(frozenset({"a"}), frozenset({"a", "b"})),
        caregivers=("c1", "c2"),
        services=(
            Service("p1", 1, "a", 5, 0, 20),
            Service("p1", 1, "b", 5, 0, 20),
            Service("p2", 2, "a", 5, 0, 20),
        ),
        pairs=(Pair(0, 1, 0, 0),),
    )


def test_lateness_of_one_carer_spreads_to_the_other() -> None:
    day = tiny_care()
    # The first visits p2 before: both begin at p1 at 35, each 15 late.
    verdict = day.judge({0: [2, 0], 1: [1]})
    assert verdict.broken == ()
    assert verdict.cost == pytest.approx((40 + 20 + 30 + 15) / 3, abs=1e-3)


def test_a_pair_needs_two_people_who_can_be_there_together() -> None:
    day = tiny_care()
    assert day.judge({1: [0, 1, 2]}).broken[0] == "Services 0 and 1 are done by one person."
    crossed = replace(
        day, pairs=(*day.pairs, *day.pairs), services=(*day.services, day.services[2])
    )
    assert crossed.judge({0: [0, 2], 1: [3, 1]}).broken == ()
    knot = replace(crossed, pairs=(Pair(0, 1, 0, 0), Pair(2, 3, 0, 0)))
    assert knot.judge({0: [0, 2], 1: [3, 1]}).broken == (
        "No timetable keeps these orders and the pairs together.",
    )


def test_lunch_is_taken_on_the_road_and_moves_what_follows() -> None:
    day = DispatchDay.of(
        {
            "format": "dispatch/1",
            "name": "tiny",
            "travel": {"kind": "planar", "detour": 1.0, "metres_per_second": 1.0},
            "places": [[0, 0], [3_600, 0]],
            "archetypes": [{"pumps": 2}],
            "technicians": {
                "start": [0],
                "end": [0],
                "archetype": [0],
                "shift_start": [11 * HOUR],
                "shift_end": [17 * HOUR],
                "lunch": [[12 * HOUR, 13 * HOUR, HOUR]],
            },
            "visits": {
                "place": [1, 1],
                "skills": [{"pumps": 2}, {"pumps": 3}],
                "duration": [HOUR, HOUR],
                "windows": [[[8 * HOUR, 12 * HOUR], [13 * HOUR, 14 * HOUR]], [[0, 17 * HOUR]]],
                "priority": [1, 5],
                "drop_cost": [72_000, 3_600],
            },
        }
    )
    # On the way there: at 12:00 both the road and lunch begin to end; work from 13:00.
    before = day.judge({0: [LUNCH, 0]})
    assert (before.broken, before.cost) == ((), 2 * HOUR + 3_600)
    assert before.served == pytest.approx(72_000 / 75_600, abs=1e-5)
    assert day.judge({0: [0, LUNCH]}).broken == ()
    assert day.judge({0: [0]}).broken == ("Technician 0 has 0 lunches.",)
    assert day.judge({0: [LUNCH, 0, 1]}).broken == ("Technician 0 lacks skill pumps for visit 1.",)


# --- our plans before their referees ----------------------------------------------------------------


def planned(day: Any) -> tuple[Any, Any]:
    """Return the verdict of the day's own referee on our plan, and the plan, which ours accepts."""
    problem = day.problem()
    problem.validate()
    plan = plan_day(problem, iterations=1, engine="or-tools")
    assert violations(problem, plan) == []
    return day.judge(tours_of(plan)), plan


@pytest.mark.parametrize("has_lunch", [False, True])
def test_a_generated_day_costs_the_same_by_both_referees(has_lunch: bool) -> None:
    day = DispatchDay.of(dispatch_day(4, 24, seed=5))
    verdict, plan = planned(day.with_lunch(AT_NOON) if has_lunch else day)
    assert verdict.broken == ()
    assert verdict.cost == plan.costs.total
    assert 0 < verdict.served < 1


def test_a_solomon_day_costs_the_same_by_both_referees(tmp_path: Path) -> None:
    verdict, plan = planned(tiny_solomon(tmp_path))
    assert verdict.broken == ()
    assert round(verdict.cost * 10) == plan.costs.total


# --- the generator ----------------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_day() -> None:
    assert dispatch_day(6, 30, seed=1) == dispatch_day(6, 30, seed=1)
    assert dispatch_day(6, 30, seed=1) != dispatch_day(6, 30, seed=2)


def test_generated_days_are_of_the_kind_that_lies_in_the_data() -> None:
    published = json.loads((data() / "dispatch" / "200x2000-s1.json").read_text())
    drawn = [dispatch_day(200, 2_000, seed) for seed in range(3)]
    wanted = traits(published)
    for name, value in wanted.items():
        own = [traits(day)[name] for day in drawn]
        assert np.mean(own) == pytest.approx(value, rel=0.15, abs=0.02), (name, own)


def traits(day: dict[str, Any]) -> dict[str, float]:
    """Return what a day of this kind is known by, as shares of its size."""
    people, work = day["technicians"], day["visits"]
    at = np.array(day["places"])
    side = 60_000 * (len(people["start"]) / 50) ** 0.5
    visits = at[len(people["start"]) :]
    nearest = [np.sort(np.hypot(*(visits - each).T))[1:6].mean() for each in visits[::9]]
    minutes = np.log(np.array(work["duration"]) / 3_000)
    return {
        "one skill": float(np.mean([len(each) == 1 for each in work["skills"]])),
        "middle duration": 1 + float(np.median(minutes)),
        "spread of durations": float(minutes.std()),
        "two hours": float(np.mean([each[0][1] - each[0][0] == 7_200 for each in work["windows"]])),
        "urgent": float(np.mean([each <= 2 for each in work["priority"]])),
        "price of leaving out": float(np.mean(work["drop_cost"])) / HOUR,
        "from eight": float(np.mean([each == 8 * HOUR for each in people["shift_start"]])),
        "hours": float(np.mean(np.subtract(people["shift_end"], people["shift_start"]))) / HOUR,
        "neighbours": float(np.mean(nearest)) / side * len(visits) ** 0.5,
        "edges": float(np.mean((at < side / 10) | (at > side * 9 / 10))),
        "skills": float(np.mean([len(each) for each in day["archetypes"]])),
    }
