"""Every package's tables in one metadata: what the migrations are compared with."""

import scheduler.tables  # noqa: F401
from fsm.database import metadata

__all__ = ["metadata"]
