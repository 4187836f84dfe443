"""What the private database says: why it cannot be had, and what it is waiting for."""

import time
from collections.abc import Callable, Iterator

Progress = Callable[[str], None]
_EVERY_S = 2


class EmbeddedPostgresError(RuntimeError):
    """The private database cannot be had; the message says in a sentence why, and what to do."""


def seconds(limit_s: float, waiting_for: str, progress: Progress) -> Iterator[float]:
    """Yield the seconds waited, every 20 ms up to the limit, and say so to `progress` every 2 s."""
    began = said = time.monotonic()
    while (now := time.monotonic()) - began < limit_s:
        yield now - began
        if now - said >= _EVERY_S:
            said = now
            progress(f"{waiting_for} ({now - began:.0f} s)")
        time.sleep(0.02)
