"""Rosters: 200 technicians for four weeks in a minute of one core; the proved gap, and how it narrows.

The company is drawn by the seed: four trades at three levels, part-time and absences, wishes, a quarter so
far, needs that follow the day and the week and ask for about 85 % of the contract hours.
"""

import argparse
import json
import os
import random
import resource
import time
from dataclasses import replace

from scheduler.engine.rostering import solve_roster
from scheduler.rosters.checks import violations
from scheduler.rosters.problem import (
    HOUR_S,
    Duties,
    Duty,
    Need,
    Pattern,
    RosterProblem,
    Rules,
    Technician,
    Wish,
    WishKind,
)
from tests.bench.figures import figure, say

DAY_S = 86_400
TRADES = ("lift", "hvac", "electric", "fire")
PATTERNS = (("early", 6, 14.5), ("day", 8, 16.5), ("late", 12, 20.5), ("night", 22, 30))
BY_HOUR = [0.25] * 6 + [0.6, 0.8] + [1.6] * 4 + [1.3] * 4 + [1.0, 0.9] + [0.7] * 2 + [0.35] * 4
BY_WEEKDAY = (1.1, 1.1, 1.0, 1.0, 1.0, 0.5, 0.4)
FULL = 0.85


def company(people: int, weeks: int, seed: int) -> RosterProblem:
    """Return the weeks of a company, drawn by the seed."""
    lot = random.Random(seed)
    technicians = [_technician(lot, number, weeks) for number in range(people)]
    hours = sum(sum(one.contract_s) for one in technicians) / HOUR_S
    days = weeks * 7
    return RosterProblem(
        first_on="2026-03-02",
        zone="UTC",
        midnights=tuple(day * DAY_S for day in range(days + 1)),
        rules=(Rules(),) * weeks,
        patterns=tuple(Pattern(code, code, code in ("late", "night")) for code, _, _ in PATTERNS),
        duties=tuple(_duty(day, number) for day in range(days) for number in range(len(PATTERNS))),
        technicians=tuple(technicians),
        needs=tuple(_needs(lot, technicians, hours, days)),
        wishes=tuple(_wishes(lot, technicians, days)),
    )


def _duty(day: int, number: int) -> Duty:
    code, starts, ends = PATTERNS[number]
    start, end = day * DAY_S + int(starts * HOUR_S), day * DAY_S + int(ends * HOUR_S)
    is_night = code == "night"
    return Duty(
        number, day, 0, start, end, end - start - (0 if is_night else 1_800), 7 * HOUR_S * is_night
    )


def _technician(lot: random.Random, number: int, weeks: int) -> Technician:
    trades = lot.sample(TRADES, 1 if lot.random() < 0.6 else 2)
    share = 60 if lot.random() < 0.15 else 100
    week_s = 40 * HOUR_S * share // 100
    one = Technician(
        id=f"t{number}",
        skills=tuple((trade, lot.choice([1, 2, 2, 3]), None) for trade in trades),
        contract_s=(week_s,) * weeks,
        share_percent=share,
        worked_s=(week_s,) * 13,
        done=Duties(lot.randrange(4), lot.randrange(6), lot.randrange(10)),
    )
    if lot.random() < 0.3:
        first, length = lot.randrange(weeks * 7), lot.choice([1, 2, 5, 7])
        contract = list(one.contract_s)
        for day in range(first, min(weeks * 7, first + length)):
            if day % 7 < 5:
                contract[day // 7] -= week_s // 5
        away = ((first * DAY_S, (first + length) * DAY_S),)
        one = replace(one, contract_s=tuple(contract), absences=away)
    return one


def _needs(
    lot: random.Random, technicians: list[Technician], hours: float, days: int
) -> list[Need]:
    curve = [BY_HOUR[hour % 24] * BY_WEEKDAY[hour // 24 % 7] for hour in range(days * 24)]
    found = []
    for trade in TRADES:
        know = sum(
            1 / len(one.skills) for one in technicians if trade in {s for s, _, _ in one.skills}
        )
        whole = hours * 60 * FULL * know / len(technicians) / sum(curve)
        for level, part in ((1, 0.875), (3, 0.125)):
            found.append(
                Need(
                    trade,
                    level,
                    tuple(
                        round(whole * part * share * lot.uniform(0.85, 1.15) / 15) * 15
                        for share in curve
                    ),
                )
            )
    return found


def _wishes(lot: random.Random, technicians: list[Technician], days: int) -> list[Wish]:
    found = []
    for one in technicians:
        found += [
            Wish(one.id, lot.randrange(days), WishKind.OFF, None, lot.choice([1, 1, 2, 3]))
            for _ in range(3)
        ]
        for kind in (WishKind.AVOID, WishKind.WANT):
            if lot.random() < 0.5:
                found.append(Wish(one.id, lot.randrange(days), kind, lot.randrange(len(PATTERNS))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of wall clock (60)")
    parser.add_argument("--seed", type=int, default=1, help="of the company and the search (1)")
    parser.add_argument("--people", type=int, default=200, help="technicians (200)")
    parser.add_argument("--weeks", type=int, default=4, help="weeks (4)")
    options = parser.parse_args()
    say(f"rostering {options.people} technicians for {options.weeks} weeks")
    problem = company(options.people, options.weeks, options.seed)
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    roster = solve_roster(problem, seconds=options.seconds, seed=options.seed)
    took = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert violations(problem, roster) == []
    name = f"roster {options.people} × {options.weeks} weeks"
    detail = {
        "cost": roster.costs.total,
        "bound": roster.bound,
        "rounds": roster.search.rounds,
        "cpu_s": round(cpu, 1),
        "load": round(os.getloadavg()[0], 1),
    }
    figures = [
        figure(f"{name}, gap to the bound", roster.gap, "share", None, **detail),
        figure(f"{name}, wall clock / limit", took / options.seconds, "ratio", 1.05),
        figure(f"{name}, until everybody has duties", roster.search.first_s, "s", None),
        figure(f"{name}, most memory", after.ru_maxrss / 2**20, "GB", None),
    ]
    print(
        json.dumps(
            {"bench": "rosters", "seed": options.seed, "cores": 1, "figures": figures}, indent=1
        )
    )


if __name__ == "__main__":
    main()
