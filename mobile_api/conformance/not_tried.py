"""What the protocol demands and nobody can try from outside: each report says so, and why."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

NOT_TRIED: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "pull.dropped": (
            "A scope that is granted no longer comes in 'dropped'.",
            "a login would have to become another technician's while its device stays",
        ),
        "pull.concurrent": (
            "No change is passed over while many are written at once.",
            "it takes many writers in the office; `deploy/bench chaos` does this to our server",
        ),
        "push.durable": (
            "What was confirmed outlives a crash of server and database.",
            "it takes kill -9 on the server's machine; `deploy/bench chaos` does this to our server",
        ),
        "push.busy": (
            "A server that cannot store for good answers 503 busy and confirms nothing.",
            "its database would have to be set up unsafely",
        ),
        "leave.lost": (
            "What was taken away goes after 30 days though the device never reported.",
            "it takes 30 days",
        ),
        "epoch.expired": (
            "A 'since' from before the oldest 'gone' row is refused with 410, reason 'expired'.",
            "it takes more than a year",
        ),
        "files.expired": (
            "An unfinished upload whose time is over is answered 410.",
            "it takes 14 days; that the time is told is tried",
        ),
        "stream.bye": (
            "A server that stops says 'bye' and when to come again; one that cannot tell says 'resync'.",
            "the server would have to be stopped",
        ),
    }
)
"""key → what must hold, and why the kit does not try it"""
