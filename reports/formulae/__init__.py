"""Every figure as a pure function of plain rows: what the SQL of the registry is held to."""

from reports.formulae.costs import cost, cost_by, recoveries
from reports.formulae.reliability import (
    AssetTime,
    Availability,
    TimeBase,
    asset_time,
    availability,
    downtime,
    downtime_left_h,
    inherent_availability,
    mean_downtime,
    mtbf,
    mtbf_trend,
)
from reports.formulae.repairs import (
    Restoration,
    Split,
    mart,
    mean_split,
    mrt,
    restoration,
    split,
)
from reports.formulae.service import Promise, sla_business_hours, sla_share

__all__ = [
    "AssetTime",
    "Availability",
    "Promise",
    "Restoration",
    "Split",
    "TimeBase",
    "asset_time",
    "availability",
    "cost",
    "cost_by",
    "downtime",
    "downtime_left_h",
    "inherent_availability",
    "mart",
    "mean_downtime",
    "mean_split",
    "mrt",
    "mtbf",
    "mtbf_trend",
    "recoveries",
    "restoration",
    "sla_business_hours",
    "sla_share",
    "split",
]
