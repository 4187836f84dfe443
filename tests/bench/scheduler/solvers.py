"""The solvers by name, and what each needs before its clock starts."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.scheduler import ortools_peer, ours, pyvrp_peer, territories, vroom_peer
from tests.bench.scheduler.answers import Answer, Question


@dataclass(frozen=True, slots=True)
class Solver:
    solve: Callable[[Question], Answer]
    distribution: str | None
    """What has to be installed; None: our own."""
    module: str | None = None
    engine: str | None = None
    cores: int = 1

    def prepare(self) -> None:
        """Import and compile: neither counts as planning."""
        if self.module is not None:
            importlib.import_module(self.module)
        if self.engine is not None:
            ours.prepare(self.engine)

    @property
    def is_installed(self) -> bool:
        if self.distribution is None:
            return True
        try:
            importlib.metadata.distribution(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return False
        return True


def _in_territories(solver: Callable[[Question], Answer]) -> Callable[[Question], Answer]:
    return lambda question: territories.solve(question, solver)


_ROUTING = "ortools.constraint_solver.pywrapcp"

SOLVERS = {
    "ours": Solver(ours.solver(ours.BEST), None, engine=ours.BEST),
    **{
        f"ours {engine}": Solver(ours.solver(engine), None, engine=engine) for engine in ours.OTHERS
    },
    "vroom": Solver(vroom_peer.solve, "pyvroom", "vroom"),
    "vroom territories": Solver(_in_territories(vroom_peer.solve), "pyvroom", "vroom"),
    "pyvrp": Solver(pyvrp_peer.solve, "pyvrp", "pyvrp"),
    "pyvrp territories": Solver(_in_territories(pyvrp_peer.solve), "pyvrp", "pyvrp"),
    "or-tools tuned": Solver(ortools_peer.tuned, "ortools", _ROUTING),
    "or-tools default": Solver(ortools_peer.default, "ortools", _ROUTING),
}
if ours.HAS_CORES:
    SOLVERS["ours on two cores"] = Solver(
        ours.solver(ours.BEST, processes=2), None, engine=ours.BEST, cores=2
    )
