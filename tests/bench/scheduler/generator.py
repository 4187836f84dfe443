"""More dispatch days of the kind that lies in the data: the same recipe, other seeds.

The recipe is that of the data's README, number by number. It is told in words, not in draws, so the same
seed gives another day than the file of that name, of the same kind.
"""

from __future__ import annotations

from typing import Any

import numpy as np

HOUR = 3_600
LUNCH = (41_400, 46_800, 1_800)
"""Goal G3's: 30 minutes beginning between 11:30 and 13:00."""

_SKILLS = 8
_ARCHETYPES = 10
_PRIORITIES = ((1, 0.05, 20), (2, 0.15, 10), (3, 0.30, 5), (4, 0.30, 2), (5, 0.20, 1))
"""Priority, its share, hours that leaving it out costs."""


def dispatch_day(technicians: int, visits: int, seed: int) -> dict[str, Any]:
    """Return a day in the format `dispatch/1`."""
    draw = np.random.default_rng((seed, technicians, visits))
    archetypes = [
        sorted(draw.choice(_SKILLS, size=draw.integers(3, 6), replace=False).tolist())
        for _ in range(_ARCHETYPES)
    ]
    kinds = draw.integers(_ARCHETYPES, size=technicians)
    held = {frozenset(archetypes[kind]) for kind in kinds}
    popularity = draw.dirichlet([3.0] * _SKILLS)
    begins = draw.choice([7, 8, 8, 9], size=technicians) * HOUR
    priorities = draw.choice(len(_PRIORITIES), p=[each[1] for each in _PRIORITIES], size=visits)
    minutes = np.clip(np.rint(50 * np.exp(draw.normal(0.0, 0.45, size=visits))), 15, 180)
    return {
        "format": "dispatch/1",
        "name": f"{technicians}x{visits}-seed{seed}",
        "seed": seed,
        "travel": {"kind": "planar", "detour": 1.3, "metres_per_second": 11.1},
        "places": _places(draw, technicians, visits),
        "archetypes": [{str(skill): 1 for skill in each} for each in archetypes],
        "technicians": {
            "start": list(range(technicians)),
            "end": list(range(technicians)),
            "archetype": kinds.tolist(),
            "shift_start": begins.tolist(),
            "shift_end": (begins + 8 * HOUR + HOUR // 2).tolist(),
        },
        "visits": {
            "place": list(range(technicians, technicians + visits)),
            "skills": [_skills(draw, popularity, held) for _ in range(visits)],
            "duration": (minutes * 60).astype(int).tolist(),
            "windows": [[_window(draw)] for _ in range(visits)],
            "priority": [_PRIORITIES[each][0] for each in priorities],
            "drop_cost": [_PRIORITIES[each][2] * HOUR for each in priorities],
        },
    }


def _places(draw: np.random.Generator, technicians: int, visits: int) -> list[list[float]]:
    """Return homes, then visits: 30 % anywhere in the square, the rest around towns."""
    side = 60_000 * np.sqrt(technicians / 50)
    towns = max(3, technicians // 5)
    # The files' towns keep a tenth of the side from its edges; their README does not say so.
    centres = draw.uniform(0.1 * side, 0.9 * side, size=(towns, 2))
    town = draw.choice(towns, p=draw.dirichlet([2.0] * towns), size=technicians + visits)
    near = centres[town] + draw.normal(0, 4_000, size=(technicians + visits, 2))
    anywhere = draw.uniform(0, side, size=near.shape)
    is_anywhere = draw.random(len(near)) < 0.3
    at = np.clip(np.where(is_anywhere[:, None], anywhere, near), 0, side)
    return [[float(x), float(y)] for x, y in np.round(at, 1)]


def _skills(
    draw: np.random.Generator, popularity: np.ndarray[Any, Any], held: set[frozenset[int]]
) -> dict[str, int]:
    """Return one skill or two that somebody has together, drawn anew until somebody does."""
    while True:
        count = 1 if draw.random() < 0.75 else 2
        wanted = frozenset(draw.choice(_SKILLS, p=popularity, size=count, replace=False).tolist())
        if any(wanted <= each for each in held):
            return {str(skill): 1 for skill in sorted(wanted)}


def _window(draw: np.random.Generator) -> list[int]:
    if draw.random() < 0.6:
        opens = 8 * HOUR + int(draw.integers(15)) * HOUR // 2
        return [opens, opens + 2 * HOUR]
    return [8 * HOUR, 17 * HOUR]
