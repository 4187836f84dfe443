"""Promises: of the windows told the evening before, how many are kept, how wide they are, what that costs.

Weeks of a made-up company are lived through day by day: roads and work are off, customers are not there or
call off, urgent jobs come in. In the first weeks the planner learns how far it is off, in the next how its
own promises come out; it is judged on the last, of which it has seen nothing. The same days are lived through
by whoever goes to the nearest visit, and with territories made by hand, both with windows as wide as the
planner's are at the mean. What is left over is planned anew the next evening.
"""

import argparse
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.promises.errors import learn
from scheduler.promises.keeping import Judged, report
from scheduler.promises.windows import Calibration, Model
from tests.bench.figures import Figure, figure, say
from tests.bench.promised_days import Policy, Result, Told, run_days
from tests.bench.promised_policies import Nearest, Planner, Territories
from tests.bench.promised_world import World

BAR = 0.981
"""A delivery service's published share."""
PEOPLE, JOBS = 12, 70
ITERATIONS = 1_500
CURVE = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99)


@dataclass(frozen=True, slots=True)
class Weeks:
    """Working days to learn errors from, to compare promises with arrivals, and to be judged on."""

    learning: int
    comparing: int
    judged: int


class Tally:
    """What several days came to, over seeds."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.days: list[Result] = []
        self.days_kept: list[float] = []

    def add(self, results: Iterable[Result]) -> None:
        for day in results:
            self.days.append(day)
            told = [each for each in day.told if not each.is_void]
            self.told += told
            self.days_kept.append(sum(each.is_kept for each in told) / max(1, len(told)))

    @property
    def kept(self) -> float:
        return sum(each.is_kept for each in self.told) / len(self.told)

    @property
    def width_s(self) -> float:
        return sum(each.window.width_s for each in self.told) / len(self.told)

    @property
    def hours(self) -> float:
        return sum(day.paid_s for day in self.days) / 3_600

    @property
    def made(self) -> int:
        return sum(day.made for day in self.days)

    @property
    def hours_per_visit(self) -> float:
        return self.hours / self.made

    def detail(self) -> dict[str, object]:
        widths = sorted(each.window.width_s / 60 for each in self.told)
        return {
            "promises": len(self.told),
            "kept": round(self.kept, 4),
            "nobody came": sum(each.arrived is None for each in self.told),
            "mean width min": round(self.width_s / 60, 1),
            "median width min": widths[len(widths) // 2],
            "technician hours": round(self.hours, 1),
            "visits made": self.made,
            "hours a visit": round(self.hours_per_visit, 4),
            "nobody there": sum(day.nobody_there for day in self.days),
            "urgent": sum(day.urgent for day in self.days),
            "urgent not today": sum(day.urgent_refused for day in self.days),
            "handed on": sum(day.handed_on for day in self.days),
        }


@dataclass(slots=True)
class Seen:
    """The planner's promises, the models they were made with, and the other policies'."""

    ours: Tally
    nearest: Tally
    territories: Tally
    ranks: list[float]
    """At which share of its forecast each promised visit was reached."""


def live(seed: int, weeks: Weeks, seen: Seen) -> None:
    """Live through a company's weeks under each policy."""
    days = weeks.learning + weeks.comparing + weeks.judged
    world = World(seed, people=PEOPLE, jobs=JOBS, days=days + 1)
    first, then = range(1, weeks.learning + 1), range(1 + weeks.learning, days - weeks.judged + 1)
    last = range(1 + days - weeks.judged, days + 1)

    def run(policy: Policy, these: range) -> list[Result]:
        return list(run_days(world, policy, these).values())

    guessed = run(Planner(Model(), iterations=ITERATIONS), first)
    errors = learn([one for day in guessed for one in day.finished])
    compared = run(Planner(Model(errors), iterations=ITERATIONS), then)
    scores = [
        (each.like, each.score)
        for day in compared
        for each in day.told
        if each.score is not None and not each.is_void
    ]
    model = Model(errors, Calibration.of(scores))
    judged = run(Planner(model, iterations=ITERATIONS), last)
    ours = Tally()
    ours.add(judged)
    seen.ours.add(judged)
    for each in ours.told:
        if each.arrived is not None:
            seen.ranks.append(each.window.foreseen.chance_by(each.arrived))
    width = round(ours.width_s)
    seen.nearest.add(run(Nearest(width), last))
    seen.territories.add(run(Territories(width), last))
    say(
        f"seed {seed}: {ours.kept:.2%} of {len(ours.told)} windows kept, "
        f"{ours.width_s / 60:.0f} min wide, {ours.hours:.0f} h"
    )


def figures_of(seen: Seen) -> list[Figure]:
    ours = seen.ours
    stated = report([Judged(each.window.probability, each.is_kept) for each in ours.told])
    assert stated.stated is not None, "windows were told"
    assert stated.brier is not None, "windows were told"
    share = ours.hours_per_visit
    return [
        figure("promised windows kept", ours.kept, "share", BAR, better="higher", **ours.detail()),
        figure("mean width of a window", ours.width_s / 60, "min", None),
        figure(
            "technician-hours a visit / nearest visit next",
            share / seen.nearest.hours_per_visit,
            "ratio",
            1.0,
            **seen.nearest.detail(),
        ),
        figure(
            "technician-hours in all / nearest visit next",
            ours.hours / seen.nearest.hours,
            "ratio",
            1.0,
        ),
        figure(
            "technician-hours a visit / territories made by hand",
            share / seen.territories.hours_per_visit,
            "ratio",
            1.0,
            **seen.territories.detail(),
        ),
        figure(
            "kept, less what nearest visit next keeps",
            ours.kept - seen.nearest.kept,
            "share",
            0.0,
            better="higher",
        ),
        figure(
            "stated chance, less what was kept",
            abs(stated.stated - ours.kept),
            "share",
            0.01,
            stated=round(stated.stated, 4),
            brier=round(stated.brier, 5),
            buckets=[
                [each.low, each.count, round(each.stated, 4), round(each.kept, 4)]
                for each in stated.buckets
            ],
        ),
        figure(
            "calibration, farthest from the diagonal",
            max(abs(share_by(seen.ranks, level) - level) for level in CURVE),
            "share",
            0.05,
            curve={f"{level}": round(share_by(seen.ranks, level), 4) for level in CURVE},
        ),
    ]


def share_by(ranks: list[float], level: float) -> float:
    """Return how many arrivals came by the second foreseen for a share of them."""
    return sum(rank <= level for rank in ranks) / len(ranks)


def show_totals(seen: Seen) -> None:
    """Say what each policy came to over all companies."""
    for name, tally in (
        ("planner", seen.ours),
        ("nearest visit next", seen.nearest),
        ("territories made by hand", seen.territories),
    ):
        say(
            f"{name}: {tally.kept:.2%} of {len(tally.told)} windows kept, "
            f"{tally.width_s / 60:.0f} min wide, {tally.made} visits in {tally.hours:.0f} h"
        )


def show_curve(ranks: list[float]) -> None:
    """Draw the calibration: how many had come by when that share was foreseen."""
    say("foreseen  came")
    for level in CURVE:
        came = share_by(ranks, level)
        say(f"{level:8.0%}  {came:6.1%}  {'▇' * round(came * 40)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first company (1)")
    parser.add_argument("--seeds", type=int, default=5, help="companies (5)")
    parser.add_argument(
        "--seconds", type=float, default=560, help="no company that would end later (560)"
    )
    parser.add_argument("--quick", action="store_true", help="one company, fewer days")
    options = parser.parse_args()
    weeks = Weeks(6, 8, 10) if options.quick else Weeks(10, 15, 20)
    seen = Seen(Tally(), Tally(), Tally(), [])
    began, lived = time.monotonic(), 0
    for seed in range(options.seed, options.seed + (1 if options.quick else options.seeds)):
        if lived and (time.monotonic() - began) * (lived + 1) / lived > options.seconds:
            say(f"no time left for company {seed}")
            break
        live(seed, weeks, seen)
        lived += 1
    show_totals(seen)
    show_curve(seen.ranks)
    found = figures_of(seen)
    found.append(figure("companies lived through", lived, "", None, judged_days=weeks.judged))
    print(
        json.dumps(
            {"bench": "promises", "seed": options.seed, "cores": 1, "figures": found}, indent=1
        )
    )


if __name__ == "__main__":
    main()
