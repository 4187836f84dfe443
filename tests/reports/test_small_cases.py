"""Many small cases in a table, each small enough to be checked by hand."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from reports.formulae import (
    Availability,
    TimeBase,
    availability,
    downtime,
    mean_downtime,
    mean_split,
    mrt,
    mtbf,
    people,
    restoration,
    work,
)
from reports.results import Figure
from reports.rows import Asset, Cause, Failure, Outage, Period, Repair, Span

DAY0 = datetime(2026, 6, 1, tzinfo=UTC)
TABLE = Path(__file__).with_name("small_cases.txt")

Given = dict[str, list[str]]


def h(hour: int | str) -> datetime:
    return DAY0 + timedelta(hours=int(hour))


def cases() -> list[tuple[str, str, str]]:
    lines = TABLE.read_text().splitlines()
    return [
        tuple(part.strip() for part in line.split("|"))  # type: ignore[misc]
        for line in lines
        if line and not line.startswith("#")
    ]


def read(text: str) -> Given:
    parts = (part.split() for part in text.split(";"))
    return {word: values for word, *values in parts}


def spans(given: Given, word: str) -> tuple[Span, ...]:
    pairs = (each.split("-") for each in given.get(word, []))
    return tuple((h(begins), h(ends)) for begins, ends in pairs)


def period(given: Given) -> Period:
    ((begins, ends),) = spans(given, "window")
    assert ends is not None
    return Period(begins, ends, ends)


def asset(given: Given) -> Asset:
    causes = [*((str(cause), cause, False) for cause in Cause), ("degraded", Cause.FAILURE, True)]
    outages = (
        Outage(f"{word}{number}", during, cause, is_degraded)
        for word, cause, is_degraded in causes
        for number, during in enumerate(spans(given, word))
    )
    return Asset("a", spans(given, "service") or ((h(0), None),), tuple(outages))


def failures(given: Given) -> list[Failure]:
    return [Failure(f"f{at}", "a", h(at), h(at)) for at in given.get("fails", [])]


def restored(given: Given) -> list[Failure]:
    return [
        Failure(f"f{number}", "a", begins, begins, ends)
        for number, (begins, ends) in enumerate(spans(given, "restored"))
    ]


def repair(given: Given) -> list[Repair]:
    ((detected, back),) = spans(given, "repair")
    recorded = (spans(given, word) for word in ("work", "travel", "pause"))
    return [Repair("r", "a", detected, back, *recorded)]


def person(given: Given) -> list[people.Person]:
    shifts = tuple(people.Shift(during) for during in spans(given, "shift"))
    recorded = (spans(given, word) for word in ("away", "work", "travel"))
    return [people.Person("p", shifts, *recorded)]


def told(given: Given, word: str) -> list[tuple[str, str, datetime | None]]:
    """Return (number, what was told, when it happened) of each `told@happened`."""
    parts = [each.partition("@") for each in given[word]]
    return [(str(n), said, h(at) if at else None) for n, (said, _, at) in enumerate(parts)]


def announced(given: Given) -> list[work.Announced]:
    return [
        work.Announced(name, *(h(hour) for hour in said.split("-")), arrived)
        for name, said, arrived in told(given, "promised")
    ]


def occurrences(given: Given) -> list[work.Occurrence]:
    tolerance = timedelta(hours=3)
    return [
        work.Occurrence(name, h(due), h(due) - tolerance, h(due) + tolerance, done)
        for name, due, done in told(given, "due")
    ]


def jobs(given: Given) -> list[work.Job]:
    return [
        work.Job(name, h(reported), (done,) if done else ())
        for name, reported, done in told(given, "jobs")
    ]


FIGURES: dict[str, Callable[[Given, Period], Figure]] = {
    **{
        f"mtbf {base}": lambda given, period, base=base: mtbf(
            [asset(given)], failures(given), period, base
        )
        for base in TimeBase
    },
    **{
        f"availability {variant}": lambda given, period, variant=variant: availability(
            [asset(given)], period, variant
        )
        for variant in Availability
    },
    **{
        f"downtime {cause}": lambda given, period, cause=cause: downtime([asset(given)], period)[
            cause
        ]
        for cause in ("total", "failure", "operational", "planned", "degraded")
    },
    "mdt": lambda given, period: mean_downtime([asset(given)], period),
    "mrt": lambda given, period: mrt(repair(given), period),
    **{
        f"split {part}": lambda given, period, part=part: mean_split(repair(given), period)[part]
        for part in ("hands_on", "travel", "wait")
    },
    "restoration mean": lambda given, period: restoration(restored(given), period).mean,
    "restoration p50": lambda given, period: restoration(restored(given), period).p50,
    "utilisation": lambda given, period: people.utilisation(person(given), period),
    "wrench": lambda given, period: people.wrench(person(given), period),
    "travel": lambda given, period: people.travel(person(given), period),
    "on_time": lambda given, period: work.on_time(announced(given), period),
    "pm_compliance": lambda given, period: work.pm_compliance(occurrences(given), period),
    "backlog count": lambda given, period: work.backlog(jobs(given), period)["count"],
}


def test_there_are_many_cases_of_every_figure() -> None:
    figures = [figure for figure, _, _ in cases()]
    assert len(figures) >= 200
    assert set(figures) == set(FIGURES)


@pytest.mark.parametrize(("figure", "text", "expected"), cases())
def test_a_small_case(figure: str, text: str, expected: str) -> None:
    given = read(text)
    found = FIGURES[figure](given, period(given))
    if expected == "null":
        assert (found.value, found.null_reason is not None) == (None, True)
    else:
        assert found.value == pytest.approx(float(Fraction(expected)), rel=1e-12)
