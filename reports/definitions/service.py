"""Figures of promises kept, repairs that held, and work that waits."""

from reports.definitions.definition import Definition, define
from reports.scopes import JOB_CUTS

_SLA_FORMULA = (
    "met / (met + breached) of the {kind} clocks due in the window; p50, p90: business hours that the "
    "stopped "
    "ones took. met: latest stop ≤ due; breached: earliest stop > due, or open with due < as_of; else "
    "disputed. Interval at 0.9: Wilson, order statistics."
)
_STATUTORY_FORMULA = (
    "met / (met + breached) of the statutory repair periods that ended in the window; p50, p90: calendar "
    "hours from the report until the function was back, neither opening hours nor pauses taken out. met: "
    "latest stop ≤ due; breached: earliest stop > due, or open with due < as_of; else disputed. Interval at "
    "0.9: Wilson, order statistics."
)


def _kept(kind: str, formula: str = _SLA_FORMULA) -> Definition:
    return define(
        f"sla_{kind}",
        1,
        "ratio",
        formula.format(kind=kind),
        ("share", "p50", "p90"),
        doc="sla",
        cuts=JOB_CUTS,
    )


SERVICE: tuple[Definition, ...] = (
    _kept("response"),
    _kept("restoration"),
    _kept("arrival"),
    _kept("resolution"),
    _kept("statutory", _STATUTORY_FORMULA),
    define(
        "first_time_fix",
        1,
        "ratio",
        "Repairs solved by exactly one attendance, not reopened and not repeated within 30 days / repairs "
        "whose "
        "first attendance ended in the window. Attendance: visits whose time on site overlaps. Left out: no "
        "access, cancelled, planned visits, remote. Interval at 0.9: Wilson.",
        (),
        cuts=JOB_CUTS,
    ),
    define(
        "repeat",
        1,
        "ratio",
        "Repairs followed within 30 days by one of the same asset (else site) and failure class / repairs "
        "restored in the window. Class: the failure's mode, else the type of work. Interval at 0.9: Wilson.",
        (),
        cuts=JOB_CUTS,
    ),
    define(
        "reopen",
        1,
        "ratio",
        "Jobs reopened within 30 days / jobs closed in the window. Interval at 0.9: Wilson.",
        (),
        cuts=JOB_CUTS,
    ),
    define(
        "rework",
        1,
        "ratio",
        "Person-hours worked on jobs after they were reopened, or on jobs that are rework / person-hours "
        "worked, both in the window; overlapping entries of one person on one job once.",
        (),
        cuts=JOB_CUTS,
    ),
    define(
        "on_time",
        1,
        "ratio",
        "Visits that arrived by the end of the announced window and began work no earlier than its start / "
        "visits with a window that ends in the window of the figure. No arrival: broken. Interval at 0.9: "
        "Wilson.",
        (),
        cuts=JOB_CUTS,
    ),
    define(
        "on_time",
        2,
        "ratio",
        "Promises kept / promises whose window ends in the window. Kept: arrived by the end and began "
        "work no "
        "earlier than the start. original: the first promise, or the first after the customer had it "
        "changed; "
        "last: the last one told. No arrival: broken. Jobs without a recorded promise count by the "
        "windows of "
        "their visits. Interval at 0.9: Wilson.",
        ("original", "last"),
        cuts=JOB_CUTS,
    ),
    define(
        "on_time",
        3,
        "ratio",
        "Promises kept / promises whose window ends in the window. Kept: arrived by the end and began "
        "work no "
        "earlier than the start. original: the first promise, or the first after the customer had it "
        "changed; "
        "last: the last one told. No arrival: broken, whatever was changed or cancelled after the promised "
        "window. Jobs without a recorded promise count by the windows of their visits. Interval at 0.9: "
        "Wilson.",
        ("original", "last"),
        cuts=JOB_CUTS,
    ),
    define(
        "calibration",
        1,
        "ratio",
        "Over the original promises of on_time with a stated probability p: brier = mean of (p − kept)²; "
        "stated = "
        "mean of p; kept = share kept. The notes count them by tenth of p.",
        ("brier", "stated", "kept"),
        cuts=JOB_CUTS,
    ),
    define(
        "calibration",
        2,
        "ratio",
        "Over the original promises of on_time, version 3, with a stated probability p: brier = mean of "
        "(p − kept)²; stated = mean of p; kept = share kept. The notes count them by tenth of p.",
        ("brier", "stated", "kept"),
        cuts=JOB_CUTS,
    ),
    define(
        "adherence",
        1,
        "ratio",
        "visits: visits done on the day planned by the technician planned / visits in the plan frozen at "
        "18:00 "
        "of the day before, for days in the window; hours: the same weighted by planned time.",
        ("visits", "hours"),
        cuts=JOB_CUTS,
    ),
    define(
        "pm_compliance",
        1,
        "ratio",
        "Preventive work done within its tolerance / preventive work due in the window. The tolerance is the "
        "plan's, else 10 % of the interval. Left out: covered by a larger service, withdrawn, asset retired, "
        "still running. Interval at 0.9: Wilson.",
        (),
        cuts=JOB_CUTS,
    ),
    define(
        "pm_ratio",
        1,
        "ratio",
        "Person-hours of preventive work / person-hours of preventive and corrective work, in the window.",
        (),
        cuts=JOB_CUTS,
    ),
    define(
        "backlog",
        1,
        "job",
        "Jobs reported and not done or cancelled at the end of the window (or as_of, if earlier): count; "
        "p50 and "
        "p90 of their age in hours; hours: Σ estimate × crew; weeks: hours / weekly capacity, which is "
        "the hours "
        "on shift of the four weeks before, net of breaks and absences, over 4.",
        ("count", "p50", "p90", "hours", "weeks"),
        cuts=JOB_CUTS,
    ),
    define(
        "fcr",
        1,
        "ratio",
        "Requests solved without a visit and without another contact about the same asset (else site) "
        "within 30 "
        "days / requests whose work ended in the window. Interval at 0.9: Wilson.",
        (),
        cuts=JOB_CUTS,
    ),
    define(
        "csat",
        1,
        "ratio",
        "Ratings of four or five stars / ratings, the last of each rater of a visit, over visits finished in "
        "the window. Null below five ratings. Interval at 0.9: Wilson.",
        (),
        cuts=JOB_CUTS,
    ),
    define(
        "nps",
        1,
        "ratio",
        "(answers of 9 and 10 − answers of 0 to 6) / answers whether the customer would recommend us, the "
        "last of each rater of a visit, over visits finished in the window; from −1 to 1. Null below five "
        "answers.",
        (),
        cuts=JOB_CUTS,
    ),
)
