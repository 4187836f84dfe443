"""What comes of a dispatcher's own hand, on a day that can be checked by hand.

Four places in a row, ten minutes of driving from one to the next: home, A, B, C.
"""

from dataclasses import replace

import numpy as np
import pytest

from fsm.languages import LANGUAGES
from scheduler.placing import HARD, Code, place
from scheduler.placing_sentences import consequence_sentence
from scheduler.problem import (
    Absence,
    DayProblem,
    Promise,
    Published,
    Shift,
    Technician,
    Visit,
)

MINUTE, HOUR = 60, 3_600
ROW = np.abs(np.subtract.outer(range(4), range(4)))

WANTED = Visit(
    "wanted", 2, HOUR, ((8 * HOUR, 18 * HOUR),), skills=(("lift", 2),), parts=(("belt", 1),)
)
FIRST = Visit("first", 1, HOUR, ((0, 24 * HOUR),), label="WO-1")
SHIFT = Shift("s", "olga", 0, 0, 0, 8 * HOUR, 16 * HOUR, skills=(("lift", 3),))


def day(wanted: Visit = WANTED, shift: Shift = SHIFT, now: int | None = None) -> DayProblem:
    """Olga is at A from 10:00 to 11:00; B is wanted."""
    return DayProblem(
        "2026-03-23T00:00:00+01:00",
        "Europe/Paris",
        1,
        ROW * 10 * MINUTE,
        ROW * 5_000,
        (Technician("olga", "Olga", stock=(("belt", 1),)), Technician("pavel")),
        (shift,),
        (wanted, FIRST),
        published=(Published("first", "olga", 0, 10 * HOUR),),
        now=now,
    )


def codes(problem: DayProblem, start: int, technician: str = "olga") -> list[Code]:
    return [one.code for one in place(problem, "wanted", technician, start).consequences]


def test_a_place_that_harms_nobody_says_only_what_it_drives() -> None:
    placed = place(day(), "wanted", "olga", 12 * HOUR)
    assert placed.consequences == ()
    # A → home was 10 min; A → B → home is 30.
    assert (placed.travel_s, placed.added_s, placed.added_m) == (10 * MINUTE, 20 * MINUTE, 10_000)
    assert placed.end == 13 * HOUR


@pytest.mark.parametrize(
    ("start", "code", "minutes"),
    [
        (10 * HOUR + 30 * MINUTE, Code.OVERLAP, 30),
        (11 * HOUR + 5 * MINUTE, Code.ARRIVES_LATE, 5),
        (8 * HOUR + 55 * MINUTE, Code.DELAYS_NEXT, 5),
        (8 * HOUR + 10 * MINUTE, Code.EARLY, 10),
        (15 * HOUR, Code.OVERTIME, 20),
    ],
)
def test_what_suffers_is_named_with_its_minutes(start: int, code: Code, minutes: int) -> None:
    (one,) = place(day(), "wanted", "olga", start).consequences
    assert (one.code, one.minutes, one.is_hard, one.asks_reason) == (code, minutes, False, True)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"skills": (("gas", 1),)}, Code.SKILL),
        ({"skills": (("lift", 4),)}, Code.LEVEL),
        ({"required": ("pavel",)}, Code.REQUIRED),
        ({"forbidden": ("olga",)}, Code.FORBIDDEN),
        ({"parts": (("belt", 2),)}, Code.PARTS),
        ({"promise": Promise(8 * HOUR, 11 * HOUR)}, Code.PROMISE),
        ({"due": 11 * HOUR}, Code.DUE),
        ({"windows": ((8 * HOUR, 9 * HOUR),)}, Code.WINDOW),
        ({"preferred": ("pavel",)}, Code.NOT_PREFERRED),
    ],
)
def test_what_the_job_asks_is_held_against_the_place(change: dict[str, object], code: Code) -> None:
    assert codes(day(replace(WANTED, **change)), 12 * HOUR) == [code]  # type: ignore[arg-type]


def test_nobody_works_without_a_shift_or_while_absent_or_in_the_past() -> None:
    assert codes(day(), 12 * HOUR, "pavel") == [Code.NO_SHIFT]
    away = replace(SHIFT, absences=(Absence(12 * HOUR, 14 * HOUR),))
    assert codes(day(shift=away), 13 * HOUR) == [Code.ABSENT]
    assert codes(day(now=13 * HOUR), 12 * HOUR) == [Code.PAST]
    assert {Code.NO_SHIFT, Code.ABSENT, Code.PAST} <= HARD


def test_what_is_fetched_for_a_visit_need_not_lie_in_the_van() -> None:
    def codes_of(wanted: int, other: int, fetched: dict[str, dict[str, int]]) -> list[Code]:
        need = replace(day(), visits=(with_belts(WANTED, wanted), with_belts(FIRST, other)))
        placed = place(need, "wanted", "olga", 12 * HOUR, fetched=fetched)
        return [one.code for one in placed.consequences]

    # One belt is in the van.
    assert codes_of(3, 0, {}) == [Code.PARTS]
    assert codes_of(3, 0, {"wanted": {"belt": 1}}) == [Code.PARTS]
    assert codes_of(3, 0, {"wanted": {"belt": 2}}) == []
    assert codes_of(3, 0, {"wanted": {"chain": 2}}) == [Code.PARTS]
    assert codes_of(1, 2, {}) == [Code.PARTS]
    assert codes_of(1, 2, {"first": {"belt": 1}}) == [Code.PARTS]
    assert codes_of(1, 2, {"first": {"belt": 2}}) == []
    # What is fetched for the other one is not for this one.
    assert codes_of(2, 1, {"first": {"belt": 9}}) == [Code.PARTS]
    assert codes_of(1, 1, {"wanted": {"belt": 1}}) == []


def with_belts(visit: Visit, number: int) -> Visit:
    return replace(visit, parts=(("belt", number),) if number else ())


def test_a_slower_person_takes_longer() -> None:
    slow = replace(SHIFT, efficiency_percent=80)
    assert place(day(shift=slow), "wanted", "olga", 12 * HOUR).end == 12 * HOUR + 75 * MINUTE
    new_to_it = replace(SHIFT, efficiency_by_kind=(("wiring", 50),))
    wiring = day(replace(WANTED, kind="wiring"), shift=new_to_it)
    assert place(wiring, "wanted", "olga", 12 * HOUR).end == 12 * HOUR + 120 * MINUTE


def test_every_consequence_has_its_sentence_in_every_language() -> None:
    start = 10 * HOUR + 30 * MINUTE
    (overlap,) = place(day(), "wanted", "olga", start).consequences
    assert consequence_sentence(overlap, "en") == "It overlaps WO-1 by 30 min."
    for language, said in (("en", "19 h 19 min"), ("de", "19 Std. 19 Min."), ("ru", "19 ч 19 мин")):
        assert said in consequence_sentence(replace(overlap, minutes=1_159), language)
    assert consequence_sentence(replace(overlap, minutes=120), "en") == "It overlaps WO-1 by 2 h."
    for language in LANGUAGES:
        for code in Code:
            assert "{" not in consequence_sentence(replace(overlap, code=code), language)
