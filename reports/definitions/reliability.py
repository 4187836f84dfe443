"""Figures of what assets did with their time and how long it took to put them right."""

from reports.definitions.definition import Definition, define
from reports.formulae.meters import METER
from reports.formulae.reliability import Availability, TimeBase
from reports.rows import Cause

RELIABILITY: tuple[Definition, ...] = (
    define(
        "mtbf",
        1,
        "h",
        "operating: Σ|R − D| / Σn; calendar: Σ|X| / Σn. X = window ∩ in service ∩ on the contract in scope; "
        "R = X − external outages; D = union of outages that are not degraded; n = failures in X, one per "
        "asset and instant. Interval at 0.9: [2T/χ²(0.95; 2n+2), 2T/χ²(0.05; 2n)]; n = 0: T/ln 10.",
        (str(TimeBase.OPERATING), str(TimeBase.CALENDAR)),
    ),
    define(
        "mtbf",
        2,
        "h",
        "operating: Σ|R − D| / Σn; calendar: Σ|X| / Σn; meter: Σ hours that the counters ran within X / "
        "Σn of these assets. X = window ∩ in service ∩ on the contract in scope; R = X − external outages; "
        "D = union of outages that are not degraded; n = failures in X, one per asset and instant. Counters "
        "run evenly between readings, up to 7 days outside them as in the nearest pair, further out as over "
        "all readings; assets with fewer than two readings are left out. Interval at 0.9: [2T/χ²(0.95; "
        "2n+2), 2T/χ²(0.05; 2n)]; n = 0: T/ln 10.",
        (str(TimeBase.OPERATING), str(TimeBase.CALENDAR), METER),
    ),
    define(
        "mttf",
        1,
        "h",
        "Σ time installed within the window / failed removals, over serial parts: assets with a serial "
        "number that are built into another one. A part has failed that was taken out with a failure of "
        "its that was not restored before; other removals and running parts are censored. From five failed "
        "removals on the notes give the Kaplan–Meier median and the Weibull fit of their ages, later entry "
        "allowed for. Interval at 0.9 as of mtbf.",
        (),
    ),
    define(
        "restoration",
        1,
        "h",
        "mean, p50, p90 of restored_at − failed_at (else − detected_at, counted in the notes) over failures "
        "with restored_at in the window. Interval of p50 at 0.9: order statistics.",
        ("mean", "p50", "p90"),
    ),
    define(
        "mrt",
        1,
        "h",
        "mean of restored_at − detected_at over repairs that ended in the window. A repair is everything "
        "done for one failure; without one, for one corrective request, from report to the end of its work.",
        (),
    ),
    define(
        "mart",
        1,
        "h",
        "mean of |union of work − pauses that stop the repair clock| between detected_at and restored_at, "
        "over repairs that ended in the window and have work recorded.",
        (),
    ),
    define(
        "availability",
        1,
        "ratio",
        "operational: Σ|R − D| / Σ|R|; planned_out: planned outages leave both sides. R, D as in mtbf.",
        (str(Availability.OPERATIONAL), str(Availability.PLANNED_OUT)),
    ),
    define(
        "downtime",
        1,
        "h",
        "Σ|D ∩ R| by cause, each instant once: failure before operational before planned; total is their "
        "sum. degraded: time worked badly while not down.",
        (
            "total",
            str(Cause.FAILURE),
            str(Cause.OPERATIONAL),
            str(Cause.PLANNED),
            "degraded",
        ),
    ),
    define(
        "mdt",
        1,
        "h",
        "mean length of merged outages that ended in the window, each whole: overlapping and touching ones "
        "are one; external and degraded ones are none. It belongs to the contract of the instant in which "
        "it ended.",
        (),
    ),
    define(
        "repair_split",
        1,
        "h",
        "Of the repairs of mart, per repair: hands_on = mart; travel = |union of travel − hands on|; wait "
        "= mrt − "
        "both; all between detection and restoration.",
        ("hands_on", "travel", "wait"),
    ),
    define(
        "inherent_availability",
        1,
        "ratio",
        "MTBF / (MTBF + MRT), both as defined here, MTBF on the operating clock.",
        (),
    ),
)
