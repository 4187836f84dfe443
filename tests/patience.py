"""How long tests wait for what must come: so long that no busy machine fails one."""

import asyncio
from collections.abc import Awaitable
from typing import Any

PATIENCE_S = 300
"""After which something is taken to hang. Nothing that is well is told from what is not by it."""


async def within(coming: Awaitable[Any], what: str) -> Any:
    """Wait for what has no limit of its own, such as what a page is asked to evaluate."""
    try:
        return await asyncio.wait_for(coming, PATIENCE_S)
    except TimeoutError:
        raise AssertionError(f"in vain: {what}") from None
