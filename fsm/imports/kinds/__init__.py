"""The kinds of file that are imported and exported, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from fsm.imports.kind import Kind
from fsm.imports.kinds.assets import ASSETS
from fsm.imports.kinds.contracts import CONTRACTS
from fsm.imports.kinds.customers import CUSTOMERS, SITES
from fsm.imports.kinds.failures import FAILURES
from fsm.imports.kinds.parts import PARTS
from fsm.imports.kinds.technicians import TECHNICIANS
from fsm.imports.kinds.work_orders import WORK_ORDERS

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            CUSTOMERS, SITES, ASSETS, CONTRACTS, TECHNICIANS, PARTS, FAILURES, WORK_ORDERS,
        )
    }
)  # fmt: skip
"""In the order in which a company brings them: each refers to those before it."""
