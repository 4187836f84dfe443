"""The search's own random numbers, compiled: xorshift64*, one word of state, the same on every machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scheduler.engine.compiled import compiled

Words = npt.NDArray[np.uint64]


def seeded(seed: int) -> Words:
    """Return a state for a seed; near seeds give states far apart (splitmix64)."""
    mask = (1 << 64) - 1
    word = (seed + 0x9E3779B97F4A7C15) & mask
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & mask
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & mask
    return np.array([(word ^ (word >> 31)) or 1], dtype=np.uint64)


@compiled
def uniform(state: Words) -> float:
    """Return a number in [0, 1)."""
    word = state[0]
    word ^= word >> np.uint64(12)
    word ^= word << np.uint64(25)
    word ^= word >> np.uint64(27)
    state[0] = word
    return float((word * np.uint64(2685821657736338717)) >> np.uint64(11)) * (1.0 / (1 << 53))


@compiled
def below(state: Words, bound: int) -> int:
    """Return a whole number in 0 … bound − 1."""
    return int(uniform(state) * bound)
