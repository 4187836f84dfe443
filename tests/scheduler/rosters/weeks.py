"""Small rosters to solve: short weeks with few hours, drawn at random or written out."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from scheduler.rosters.problem import (
    HOUR_S,
    Commitment,
    Duties,
    Duty,
    Need,
    Pattern,
    Rostered,
    RosterProblem,
    Rules,
    Technician,
    Wish,
    WishKind,
)

DAY_S = 86_400
DAY, LATE, NIGHT = 0, 1, 2
HOURS = {DAY: (8, 16), LATE: (14, 22), NIGHT: (22, 30)}


def duty(day: int, pattern: int) -> Duty:
    starts, ends = HOURS[pattern]
    start, end = day * DAY_S + starts * HOUR_S, day * DAY_S + ends * HOUR_S
    return Duty(pattern, day, 0, start, end, end - start, 7 * HOUR_S if pattern == NIGHT else 0)


def a_technician(number: int, **different: Any) -> Technician:
    default = Technician(
        id=f"t{number}",
        name=f"Technician {number}",
        skills=(("lift", 2, None),),
        contract_s=(40 * HOUR_S,),
        worked_s=(),
    )
    return replace(default, **different)


def wanted(weeks: int, people: dict[tuple[int, int], float]) -> tuple[int, ...]:
    """Return person-minutes by hour: (day, hour) → people."""
    minutes = [0] * (weeks * 7 * 24)
    for (day, hour), count in people.items():
        minutes[day * 24 + hour] = round(count * 60)
    return tuple(minutes)


def a_week(
    technicians: list[Technician],
    *,
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6),
    patterns: tuple[int, ...] = (DAY, LATE, NIGHT),
    needs: tuple[Need, ...] = (),
    weeks: int = 1,
    **different: Any,
) -> RosterProblem:
    """Return weeks from a Monday on, with these patterns on these days of each."""
    default = RosterProblem(
        first_on="2026-03-02",
        zone="UTC",
        midnights=tuple(day * DAY_S for day in range(weeks * 7 + 1)),
        rules=(Rules(),) * weeks,
        patterns=(Pattern("day"), Pattern("late", is_undesired=True), Pattern("night")),
        duties=tuple(
            duty(week * 7 + day, pattern)
            for week in range(weeks)
            for day in days
            for pattern in patterns
        ),
        technicians=tuple(technicians),
        needs=needs,
    )
    return replace(default, **different)


def need(weeks: int, people: dict[tuple[int, int], float], **different: Any) -> Need:
    return replace(Need("lift", 1, wanted(weeks, people)), **different)


@st.composite
def rosters(draw: st.DrawFn) -> RosterProblem:
    """Draw a problem with everything in it: trades, absences, standing shifts, wishes, fixed days, a past."""
    weeks = draw(st.sampled_from([1, 1, 2]))
    days = weeks * 7
    technicians = []
    for number in range(draw(st.integers(1, 4))):
        skills = draw(
            st.lists(
                st.tuples(
                    st.sampled_from(["lift", "hvac"]),
                    st.integers(1, 3),
                    st.sampled_from([None, None, 3]),
                ),
                max_size=2,
                unique_by=lambda one: one[0],
            )
        )
        away = draw(st.sampled_from([None, None, 1, 4]))
        before = draw(st.lists(st.integers(-6, days + 3), max_size=4, unique=True))
        technicians.append(
            a_technician(
                number,
                skills=tuple(skills),
                contract_s=(draw(st.sampled_from([20, 40])) * HOUR_S,) * weeks,
                share_percent=draw(st.sampled_from([50, 100])),
                patterns=draw(st.sampled_from([None, None, (DAY, NIGHT)])),
                absences=() if away is None else ((away * DAY_S, (away + 2) * DAY_S),),
                commitments=tuple(
                    Commitment(day, one.start, one.end, one.paid_s, one.night_s)
                    for day in sorted(before)
                    for one in [duty(day, draw(st.sampled_from([DAY, NIGHT])))]
                ),
                worked_s=tuple(draw(st.lists(st.integers(0, 60), max_size=3))),
                done=Duties(*draw(st.tuples(*[st.integers(0, 3)] * 3))),
            )
        )
    rules = Rules(
        days_in_a_row=draw(st.integers(2, 6)),
        nights_in_a_row=draw(st.integers(1, 4)),
        week_longest_s=draw(st.sampled_from([24, 40, 48])) * HOUR_S,
        average_weeks=draw(st.integers(1, 4)),
        average_week_s=draw(st.sampled_from([30, 48])) * HOUR_S,
        weekly_rest_s=draw(st.sampled_from([24, 35, 60])) * HOUR_S,
        rest_after_nights_s=draw(st.sampled_from([11, 36, 60])) * HOUR_S,
    )
    hours = st.dictionaries(
        st.tuples(st.integers(0, days - 1), st.integers(0, 23)),
        st.sampled_from([0.5, 1.0, 2.0]),
        max_size=20,
    )
    needs = tuple(
        need(weeks, draw(hours), skill=skill, level=level, price_percent=price)
        for skill, level, price in (("lift", 1, 100), ("lift", 3, 200), ("hvac", 1, 100))
    )
    people = st.sampled_from([one.id for one in technicians])
    day = st.integers(0, days - 1)
    wishes = draw(
        st.lists(
            st.one_of(
                st.builds(Wish, people, day, st.just(WishKind.OFF), st.none(), st.integers(1, 3)),
                st.builds(
                    Wish,
                    people,
                    day,
                    st.sampled_from([WishKind.AVOID, WishKind.WANT]),
                    st.integers(0, 2),
                    st.integers(1, 3),
                ),
            ),
            max_size=4,
        )
    )

    def some(most: int, patterns: list[int | None]) -> st.SearchStrategy[list[Rostered]]:
        return st.lists(
            st.builds(Rostered, people, day, st.sampled_from(patterns)),
            max_size=most,
            unique_by=lambda one: (one.technician, one.day),
        )

    return a_week(
        technicians,
        weeks=weeks,
        rules=(rules,) * weeks,
        needs=needs,
        wishes=tuple(wishes),
        fixed=tuple(draw(some(4, [None, DAY, LATE, NIGHT]))),
        published=tuple(draw(some(6, [DAY, LATE, NIGHT]))),
        published_days=tuple(draw(st.sampled_from([(), (0, 1, 2), tuple(range(7))]))),
        late_until=draw(st.integers(0, 3)),
    )
