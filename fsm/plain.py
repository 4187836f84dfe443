"""A transaction of a few statements without the ORM, whose session costs as much as twenty of them."""

from typing import Any


class Plain:
    """What `fetch`, and all that is built on it, takes in a session's place; see `Database.plain`.

    `info` is what a session's is: what functions further down may ask about the transaction.
    """

    __slots__ = ("connection", "info")

    def __init__(self, connection: Any, info: dict[str, Any]) -> None:
        self.connection = connection
        self.info = info
