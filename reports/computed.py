"""Which function computes which figure."""

from collections.abc import Mapping
from types import MappingProxyType

from reports import asset_figures, cost_figures
from reports.counted import Counted
from reports.questions import Figures

COUNTED: Mapping[str, Counted] = MappingProxyType({})
"""kpi → how its candidates are found and counted."""

FIGURES: Mapping[str, Figures] = MappingProxyType(
    {
        "mtbf": asset_figures.mtbf,
        "availability": asset_figures.availability,
        "downtime": asset_figures.downtime,
        "restoration": asset_figures.restoration,
        "mrt": asset_figures.repair_time,
        "mart": asset_figures.repair_time,
        "cost": cost_figures.cost,
        **{kpi: counted.figures for kpi, counted in COUNTED.items()},
    }
)
"""kpi → what gives its figure per key of a cut."""
