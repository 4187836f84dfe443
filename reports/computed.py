"""Which function computes which figure."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from fsm.contracts.service_levels import ClockKind
from fsm.intervals import HOUR
from reports import (
    asset_figures,
    cost_figures,
    hours_sql,
    lives_sql,
    outcomes_sql,
    promises_sql,
    ratings_sql,
    visits_sql,
    work_sql,
)
from reports.clocks_sql import Clocks
from reports.counted import Counted, Measure, Shape
from reports.jobs_sql import FOLLOW_UP
from reports.ledger import contractors, margin, people, recovery
from reports.questions import Figures
from reports.results import NullReason

_CHANCE = Measure(
    Shape.RATIO,
    ("promise", "promise"),
    NullReason.NOTHING_DUE,
    scale=promises_sql.PARTS_OF_ONE,
    below_scale=promises_sql.PARTS_OF_ONE,
)


def _share(things: str, empty: NullReason = NullReason.NOTHING_DUE) -> Measure:
    return Measure(Shape.PROPORTION, (things, things), empty)


def _service_level(variant: str) -> Measure:
    if variant == "share":
        return _share("clock")
    return Measure.hours(Shape(variant), "clock", NullReason.NOTHING_DUE)


def _of_hours(empty: NullReason = NullReason.NO_EXPOSURE) -> Measure:
    return Measure(Shape.RATIO, ("h", "h"), empty, scale=HOUR, below_scale=HOUR)


def _utilisation(variant: str) -> Measure:
    if variant == "overtime":
        return Measure.hours(Shape.SUM, "technician", NullReason.NO_EXPOSURE)
    return _of_hours()


def _travel(variant: str) -> Measure:
    if variant == "km_per_visit":
        return Measure(Shape.RATIO, ("km", "visit"), NullReason.NO_EXPOSURE, "km", 1_000)
    if variant == "per_visit":
        return Measure(Shape.RATIO, ("h", "visit"), NullReason.NO_EXPOSURE, "h", HOUR)
    return _of_hours()


def _adherence(variant: str) -> Measure:
    if variant == "hours":
        return _of_hours(NullReason.NOTHING_DUE)
    return _share("visit")


def _backlog(variant: str) -> Measure:
    match variant:
        case "count":
            return Measure(Shape.COUNT, ("job", "job"), NullReason.NOTHING_DUE, "job")
        case "weeks":
            units = ("h", "h/week")
            return Measure(Shape.RATIO, units, NullReason.NO_EXPOSURE, "week", HOUR, HOUR)
        case "hours":
            return Measure.hours(Shape.SUM, "job", NullReason.NOTHING_DUE)
        case _:
            return Measure.hours(Shape(variant), "job", NullReason.NOTHING_DUE)


COUNTED: Mapping[str, Counted] = MappingProxyType(
    {
        **{
            f"sla_{kind}": Counted("clock", Clocks(kind), _service_level, parted=Clocks(kind))
            for kind in ClockKind
        },
        "first_time_fix": Counted(
            "repair",
            outcomes_sql.solved_first_time,
            lambda _: _share("repair", NullReason.NO_FAILURES),
            FOLLOW_UP,
        ),
        "repeat": Counted(
            "repair",
            outcomes_sql.repeated,
            lambda _: _share("repair", NullReason.NO_FAILURES),
            FOLLOW_UP,
        ),
        "reopen": Counted("work_order", work_sql.reopened, lambda _: _share("job"), FOLLOW_UP),
        "rework": Counted("work_order", hours_sql.reworked, lambda _: _of_hours()),
        "pm_compliance": Counted(
            "occurrence", work_sql.preventive_in_time, lambda _: _share("occurrence")
        ),
        "pm_ratio": Counted("work_order", hours_sql.preventive, lambda _: _of_hours()),
        "backlog": Counted("work_order", work_sql.still_open, _backlog),
        "on_time": Counted("promise", promises_sql.kept_promises, lambda _: _share("promise")),
        "calibration": Counted("promise", promises_sql.stated_chances, lambda _: _CHANCE),
        "adherence": Counted("planned_visit", visits_sql.adhered, _adherence),
        "fcr": Counted(
            "request", visits_sql.solved_at_first_contact, lambda _: _share("request"), FOLLOW_UP
        ),
        "csat": Counted(
            "rating",
            ratings_sql.content,
            lambda _: replace(_share("answer"), fewest=ratings_sql.FEWEST_ANSWERS),
        ),
        "nps": Counted(
            "rating",
            ratings_sql.recommending,
            lambda _: Measure(
                Shape.RATIO,
                ("answer", "answer"),
                NullReason.NOTHING_DUE,
                fewest=ratings_sql.FEWEST_ANSWERS,
            ),
        ),
        "utilisation": Counted("technician", hours_sql.utilised, _utilisation, is_personal=True),
        "wrench": Counted("technician", hours_sql.wrench, lambda _: _of_hours(), is_personal=True),
        "travel": Counted("technician", hours_sql.travelled, _travel, is_personal=True),
    }
)
"""kpi → how its candidates are found and counted."""

FIGURES: Mapping[str, Figures] = MappingProxyType(
    {
        "mtbf": asset_figures.mtbf,
        "availability": asset_figures.availability,
        "downtime": asset_figures.downtime,
        "mttf": lives_sql.time_to_failure,
        "mdt": asset_figures.mean_downtime,
        "restoration": asset_figures.restoration,
        "mrt": asset_figures.repair_time,
        "mart": asset_figures.repair_time,
        "repair_split": asset_figures.repair_time,
        "inherent_availability": asset_figures.inherent_availability,
        "cost": cost_figures.cost,
        "contract_margin": margin.contract_margin,
        "payer_split": margin.payer_split,
        "warranty_recovery": recovery.warranty_recovery,
        "contractor": contractors.contractor,
        "technician_pay": people.technician_pay,
        **{kpi: counted.figures for kpi, counted in COUNTED.items()},
    }
)
"""kpi → what gives its figure per key of a cut."""

ALONE = frozenset({"contract_margin"})
"""Figures that ask the database otherwise than by `rounds.ask`, so that no other may ask meanwhile."""
