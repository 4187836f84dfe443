"""Named places where a process can be made to die at once, as when its machine loses power.

A crash between two effects is what durability promises are about, and it never comes when one looks for
it. `FSM_CRASH_POINT="after apply:3"` makes the third passage of that place the last thing the process
does; without the variable a place costs one comparison.
"""

import os

POINTS = frozenset(
    {
        "after raw insert",
        "after apply",
        "before commit",
        "before answer",
        "after stamp",
        "after fsync before offset row",
        "after PutObject before row",
    }
)

EXIT_CODE = 137
"""What the shell reports of a process that was killed."""

_armed: str = ""
_passages_left: int = 0


def arm(order: str) -> None:
    """Have the process die at a place: `"name"` at its first passage, `"name:N"` at its Nth; "" disarms."""
    global _armed, _passages_left
    name, _, count = order.partition(":")
    if name and name not in POINTS:
        raise ValueError(f"No crash point {name!r}; there are: {', '.join(sorted(POINTS))}.")
    _armed, _passages_left = name, int(count or 1)


def crash_point(name: str) -> None:
    """Die here, without a word to anybody, if this is the armed place and passage."""
    if name == _armed:
        _die_when_due()


def _die_when_due() -> None:
    global _passages_left
    _passages_left -= 1
    if _passages_left <= 0:
        os._exit(EXIT_CODE)


arm(os.environ.get("FSM_CRASH_POINT", ""))
