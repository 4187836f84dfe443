"""How often devices may ask: so that one that is broken, or stolen, does not take the time of the others.

Counted in the memory of each process: behind several, a device may ask so often of each. That is enough to
stop a loop, and no request has to wait for a count to be written.
"""

import time
from collections.abc import Callable
from math import ceil
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from fsm.http import bearer_token
from fsm.problems import RateLimited
from fsm.settings import Settings

_MOST_KNOWN = 50_000


class Allowance:
    """So many requests a minute for each key, and a minute's worth of them at once; 0 is no limit."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._per_s = per_minute / 60
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> None:
        """Take one; `RateLimited` says after how many seconds there is one again."""
        if not self._most:
            return
        now = self._clock()
        left, at = self._left.get(key, (self._most, now))
        left = min(self._most, left + (now - at) * self._per_s)
        if left < 1:
            raise RateLimited(
                "Too many requests. Wait, then go on; what is not answered is not lost.",
                retry_after_s=max(1, ceil((1 - left) / self._per_s)),
            )
        if key not in self._left and len(self._left) >= _MOST_KNOWN:
            self._forget(now)
        self._left[key] = (left - 1, now)

    def _forget(self, now: float) -> None:
        """Forget those who have all of theirs again; when nobody has, everybody."""
        self._left = {
            key: (left, at)
            for key, (left, at) in self._left.items()
            if left + (now - at) * self._per_s < self._most
        }
        if len(self._left) >= _MOST_KNOWN:
            self._left.clear()


class Allowances:
    """What devices are allowed by this process."""

    def __init__(self, settings: Settings) -> None:
        self.device = Allowance(settings.device_requests)
        self.address = Allowance(settings.address_requests)
        self.registration = Allowance(settings.device_registrations)


def allowances_of(state: Any) -> Allowances:
    """Return this application's."""
    if "device_allowances" not in state:
        state["device_allowances"] = Allowances(state.settings)
    known: Allowances = state["device_allowances"]
    return known


async def limit_requests(
    connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler
) -> None:
    """Guard of every door for devices: refuse whoever asks too often, by address and by token.

    It waits for nothing, but a plain function would be sent through a thread at every request.
    """
    allowed = allowances_of(connection.app.state)
    allowed.address.take(address_of(connection))
    if (token := bearer_token(connection)) is not None:
        allowed.device.take(token)


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    return connection.client.host if connection.client else ""
