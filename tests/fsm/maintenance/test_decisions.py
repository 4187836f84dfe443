"""What falls due on an asset, what covers what, what was missed: decided from values alone."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from fsm.maintenance.covering import OccurrenceStatus
from fsm.maintenance.decisions import Decision, Known, PlanState, decide, look_ahead
from fsm.maintenance.due import CountsFrom, Schedule, Subject, TriggerKind
from fsm.maintenance.meter_forecast import MeterHistory
from fsm.maintenance.occurrences import read_pauses, read_rule

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 3, 23, 8, tzinfo=UTC)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
A_DAY = timedelta(days=1)


def plan_id(name: str) -> UUID:
    return uuid5(UUID(int=0), name)


def at(day: str, clock: str = "09:00") -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=PARIS).astimezone(UTC)


def calendar(rule: str, starts: str = "2026-01-31", **more: object) -> Schedule:
    """Return a schedule at nine o'clock that tolerates three days and looks two weeks ahead."""
    starts_on = date.fromisoformat(starts)
    floating = more.get("counts_from") is CountsFrom.COMPLETION
    values = {
        "kind": TriggerKind.CALENDAR,
        "counts_from": CountsFrom.PLAN,
        "starts_on": starts_on,
        "due_min": 540,
        "rule": rule if floating else read_rule(rule, starts_on),
        "early_days": 3,
        "late_days": 3,
        **more,
    }
    return Schedule(**values)  # type: ignore[arg-type]


def by_meter(every: int, **more: object) -> Schedule:
    values = {
        "kind": TriggerKind.METER,
        "counts_from": CountsFrom.PLAN,
        "starts_on": date(2026, 1, 1),
        "due_min": 540,
        "every": Decimal(every),
        **more,
    }
    return Schedule(**values)  # type: ignore[arg-type]


def state(
    name: str,
    schedule: Schedule | None,
    *known: Known,
    meter: MeterHistory | None = None,
    since: datetime = SINCE,
    series: str | None = None,
    size: int = 1,
) -> PlanState:
    subject = Subject(PARIS, SINCE, since, meter)
    return PlanState(plan_id(name), series, size, schedule, subject, known)


def known(key: str, due_at: datetime, status: str = "ordered", **more: object) -> Known:
    return Known(
        id=plan_id(key),
        key=key,
        status=OccurrenceStatus(status),
        cause=TriggerKind.CALENDAR,
        due_at=due_at,
        earliest_at=due_at - 3 * A_DAY,
        latest_at=due_at + 3 * A_DAY,
        **more,  # type: ignore[arg-type]
    )


def outcome(decided: list[Decision]) -> list[tuple[str, str]]:
    return [(one.key, str(one.status)) for one in decided]


# --- the calendar -----------------------------------------------------------------------------------------

MONTH_ENDS = "FREQ=MONTHLY;BYMONTHDAY=31"


def test_what_is_due_within_the_lead_is_ordered_and_what_was_passed_over_is_missed() -> None:
    decided = decide([state("a", calendar(MONTH_ENDS))], NOW)
    # The 31st of March is 8 days away. February's was followed by none yet, January's was.
    assert outcome(decided) == [
        ("2026-01-31", "missed"),
        ("2026-02-28", "ordered"),
        ("2026-03-31", "ordered"),
    ]
    assert decided[1].due_at == at("2026-02-28")
    assert decided[2].due_at == at("2026-03-31"), "9:00 in summer time, an hour earlier"
    assert decided[2].latest_at == decided[2].due_at + 3 * A_DAY


def test_nothing_is_made_up_for_from_before_the_plan() -> None:
    decided = decide([state("a", calendar(MONTH_ENDS), since=NOW)], NOW)
    assert outcome(decided) == [("2026-03-31", "ordered")]


def test_a_tenth_of_the_interval_is_tolerated_where_nothing_is_said() -> None:
    schedule = calendar("FREQ=DAILY;INTERVAL=10", "2026-03-25", early_days=None, late_days=None)
    (one, two) = decide([state("a", schedule)], NOW)
    assert (one.due_at - one.earliest_at, two.latest_at - two.due_at) == (A_DAY, A_DAY)


def test_deciding_again_changes_nothing() -> None:
    schedule = calendar(MONTH_ENDS)
    first = decide([state("a", schedule)], NOW)
    stored = [
        known(one.key, one.due_at, str(one.status)) for one in first if one.status != "missed"
    ]
    passed = [known(one.key, one.due_at, "missed") for one in first if one.status == "missed"]
    again = decide([state("a", schedule, *passed, *stored)], NOW)
    assert outcome(again) == [one for one in outcome(first) if one[1] != "missed"]
    assert all(one.known for one in again)


def test_a_changed_rule_withdraws_what_nobody_was_sent_for_and_keeps_what_is_owed() -> None:
    changed = state(
        "a",
        calendar("FREQ=MONTHLY;BYMONTHDAY=2"),
        known("2026-02-28", at("2026-02-28")),  # overdue when the rule was changed
        known("2026-03-31", at("2026-03-31")),
        known("2026-04-30", at("2026-04-30"), is_begun=True),
        since=NOW,
    )
    assert outcome(decide([changed], NOW)) == [
        ("2026-02-28", "ordered"),
        ("2026-03-31", "withdrawn"),
        ("2026-04-02", "ordered"),
    ]


def test_a_plan_out_of_use_withdraws_all_but_what_is_begun() -> None:
    ended = state(
        "a",
        None,
        known("2026-03-31", at("2026-03-31")),
        known("2026-03-23", at("2026-03-23"), is_begun=True),
    )
    assert outcome(decide([ended], NOW)) == [("2026-03-31", "withdrawn")]


def test_in_a_pause_nothing_falls_due_by_the_calendar() -> None:
    summer = calendar(
        "FREQ=MONTHLY;BYMONTHDAY=1", "2026-01-01", pauses=read_pauses([["10-15", "03-31"]])
    )
    assert outcome(decide([state("a", summer)], NOW)) == [("2026-04-01", "ordered")]


# --- from the completion ----------------------------------------------------------------------------------

HALF_YEARLY = calendar("FREQ=MONTHLY;INTERVAL=6", counts_from=CountsFrom.COMPLETION, lead_days=30)


def test_a_floating_plan_is_due_a_step_after_the_work_was_done() -> None:
    done = known("#1", at("2025-09-25"), is_begun=True, done_at=at("2025-09-30", "16:00"))
    assert [(one.key, one.due_at) for one in decide([state("a", HALF_YEARLY, done)], NOW)] == [
        ("#2", at("2026-03-30"))
    ]


def test_a_floating_plan_waits_for_the_work_that_goes_on() -> None:
    begun = known("#1", at("2025-09-25"), is_begun=True)
    assert decide([state("a", HALF_YEARLY, begun)], NOW) == []


def test_a_skipped_service_is_followed_a_step_after_its_due_date() -> None:
    skipped = known("#1", at("2025-09-25"), "skipped")
    (one,) = decide([state("a", HALF_YEARLY, skipped)], NOW)
    assert one.due_at == at("2026-03-25")


def test_the_first_of_a_floating_plan_is_due_when_the_plan_says() -> None:
    first = replace(HALF_YEARLY, starts_on=date(2026, 4, 1))
    late = replace(HALF_YEARLY, starts_on=date(2026, 1, 1))
    newer = replace(state("a", late), subject=Subject(PARIS, at("2025-10-05"), SINCE))
    in_service_later = replace(state("a", late), subject=Subject(PARIS, at("2026-02-05"), SINCE))
    assert [one.due_at for one in decide([state("a", first)], NOW)] == [at("2026-04-01")]
    assert [one.due_at for one in decide([newer], NOW)] == [at("2026-01-01")]
    assert decide([in_service_later], NOW) == [], "half a year after it went into service"


def test_a_floating_service_moves_out_of_the_pause() -> None:
    paused = replace(HALF_YEARLY, pauses=read_pauses([["03-25", "04-05"]]))
    done = known("#1", at("2025-09-25"), is_begun=True, done_at=at("2025-09-30"))
    (one,) = decide([state("a", paused, done)], NOW)
    assert one.due_at == at("2026-04-06")


# --- by a counter -----------------------------------------------------------------------------------------


def running(total: int, a_day: int, days: int = 30) -> MeterHistory:
    """Return a counter read daily that shows `total` now."""
    return MeterHistory(
        tuple((NOW - n * A_DAY, Decimal(total - n * a_day)) for n in range(days, -1, -1))
    )


def test_a_counter_is_due_at_multiples_and_ordered_when_that_is_near() -> None:
    near = state("a", by_meter(500), meter=running(1_950, 10), since=NOW - A_DAY)
    (one,) = decide([near], NOW)
    assert (one.key, one.due_at) == ("#1", NOW + 5 * A_DAY)
    assert one.due is not None
    assert one.due.meter_total == 2_000
    assert decide([state("a", by_meter(500), meter=running(1_550, 10), since=NOW)], NOW) == []


def test_each_reading_moves_what_nobody_was_sent_for() -> None:
    open_one = known("#1", NOW + 5 * A_DAY)
    slower = state("a", by_meter(500), open_one, meter=running(1_980, 1), since=NOW - A_DAY)
    (one,) = decide([slower], NOW)
    assert one.known is open_one
    assert one.due_at == NOW + 20 * A_DAY, "beyond the lead, and still the same occurrence"
    assert one.status is OccurrenceStatus.ORDERED
    begun = replace(open_one, is_begun=True, meter_total=Decimal(2_000))
    faster = state("a", by_meter(500), begun, meter=running(1_990, 40), since=NOW - A_DAY)
    assert [(one.key, one.due_at) for one in decide([faster], NOW)] == [
        ("#2", NOW + timedelta(days=12, hours=18))
    ]


def test_units_or_months_whichever_comes_first() -> None:
    schedule = by_meter(500, or_months=3, starts_on=date(2026, 1, 1))
    idle = state("a", schedule, meter=running(100, 1))
    busy = state("a", schedule, meter=running(450, 10))
    (by_date,) = decide([idle], NOW)
    (by_use,) = decide([busy], NOW)
    assert (by_date.due_at, by_date.due and by_date.due.cause) == (
        at("2026-04-01"),
        TriggerKind.CALENDAR,
    )
    assert (by_use.due_at, by_use.due and by_use.due.cause) == (NOW + 5 * A_DAY, TriggerKind.METER)
    never_read = state("a", schedule, meter=MeterHistory(()))
    assert [one.due_at for one in decide([never_read], NOW)] == [at("2026-04-01")]
    assert decide([state("a", by_meter(500), meter=MeterHistory(()))], NOW) == []


def test_a_floating_counter_goes_on_from_the_reading_at_the_completion() -> None:
    schedule = by_meter(100, counts_from=CountsFrom.COMPLETION)
    late = known("#1", NOW - 15 * A_DAY, is_begun=True, done_at=NOW - 5 * A_DAY)
    (one,) = decide([state("a", schedule, late, meter=running(1_000, 10))], NOW)
    assert one.due is not None
    assert one.due.meter_total == 1_050, "950 when it was done"
    assert one.due_at == NOW + 5 * A_DAY


# --- larger services --------------------------------------------------------------------------------------

MONTHLY = state("month", calendar("FREQ=MONTHLY;BYMONTHDAY=1"), series="lift", size=1, since=NOW)
YEARLY = state(
    "year",
    calendar("FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=8", early_days=10, late_days=10, lead_days=5),
    series="lift",
    size=12,
    since=NOW,
)


def test_the_yearly_service_covers_the_monthly_one_due_within_its_tolerance() -> None:
    year, month = decide([MONTHLY, YEARLY], NOW)
    assert (year.key, year.status) == ("2026-04-08", "expected"), "known before its own lead"
    assert (month.key, month.status) == ("2026-04-01", "covered")
    assert month.covered_by == year.name


def test_outside_the_tolerance_or_the_series_nothing_is_covered() -> None:
    assert YEARLY.schedule is not None
    strict = replace(YEARLY, schedule=replace(YEARLY.schedule, early_days=6))
    other = replace(YEARLY, series="doors")
    for larger in (strict, other):
        decided = decide([MONTHLY, larger], NOW)
        assert outcome([one for one in decided if one.plan_id == MONTHLY.plan_id]) == [
            ("2026-04-01", "ordered")
        ]


def test_a_smaller_service_is_due_again_once_the_larger_falls_away() -> None:
    covered = known("2026-04-01", at("2026-04-01"), "covered")
    month = replace(MONTHLY, known=(covered,))
    ended = replace(YEARLY, schedule=None, known=(known("2026-04-08", at("2026-04-08")),))
    assert outcome(decide([month, ended], NOW)) == [
        ("2026-04-08", "withdrawn"),
        ("2026-04-01", "ordered"),
    ]


def test_what_was_begun_is_not_covered_and_what_was_done_covers() -> None:
    begun = replace(MONTHLY, known=(known("2026-04-01", at("2026-04-01"), is_begun=True),))
    assert outcome(decide([begun, YEARLY], NOW)) == []
    done = known(
        "2026-04-08",
        at("2026-04-08"),
        is_begun=True,
        done_at=NOW,
    )
    wide = replace(done, earliest_at=at("2026-03-29"), latest_at=at("2026-04-18"))
    (month,) = decide([MONTHLY, replace(YEARLY, known=(wide,))], NOW)
    assert month.status is OccurrenceStatus.COVERED


def test_a_quarter_covered_by_the_year_leaves_its_month_to_the_year_too() -> None:
    quarterly = state(
        "quarter",
        calendar("FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=3", "2026-01-03", early_days=5),
        series="lift",
        size=3,
        since=NOW,
    )
    decided = {one.plan_id: one for one in decide([MONTHLY, quarterly, YEARLY], NOW)}
    year = decided[YEARLY.plan_id]
    assert decided[quarterly.plan_id].covered_by == year.name
    assert decided[MONTHLY.plan_id].covered_by == year.name


# --- looking ahead ----------------------------------------------------------------------------------------


def test_looking_ahead_takes_work_as_done_when_due_and_leaves_out_what_is_covered() -> None:
    to_at = NOW + timedelta(days=365)
    coming = look_ahead([MONTHLY, YEARLY], NOW, NOW, to_at)
    months = [due.key for one, due in coming if one.plan_id == MONTHLY.plan_id]
    assert [due.key for one, due in coming if one.plan_id == YEARLY.plan_id] == ["2026-04-08"]
    assert len(months) == 11
    assert "2026-04-01" not in months
    floating = state("a", replace(HALF_YEARLY, starts_on=date(2026, 2, 1)))
    assert [due.due_at for _, due in look_ahead([floating], NOW, NOW, to_at)] == [
        at("2026-02-01"),  # late: to be done now
        at("2026-09-23"),
    ]
