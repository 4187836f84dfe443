"""How long an answer at the desk may take: once it is over, what was found is the answer, and says so."""

from __future__ import annotations

import time


class Patience:
    """A limit that begins now. `ran_out` is whether anybody was told that it is over."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self.ran_out = False

    def is_over(self) -> bool:
        if time.monotonic() >= self._until:
            self.ran_out = True
        return self.ran_out
