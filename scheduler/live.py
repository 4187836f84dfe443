"""Telling open boards that something changed, by whom, and who else looks on. What changed is fetched again.

One task a company looks once a second for events that came since, while a board of it is open. An event
that commits late is seen late: ids begin with the time they were made at, so each look goes back a little.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from litestar.datastructures import State

from fsm.actors import Actor, public_actor
from fsm.database import Database

log = logging.getLogger("scheduler.live")

LOOK_EVERY_S = 1.0
KEEP_ALIVE_S = 20.0
LIFETIME_S = 300.0
"""After this a stream ends; coming back, who listens is asked for access again."""
_BACK = timedelta(seconds=30)
_MOST = 50

_NEW = """
select id, kind, entity, entity_id, actor_name, user_id, received_at from event
where tenant_id = $1 and received_at > $2 order by received_at desc, id desc limit $3
"""


class Change(msgspec.Struct, frozen=True):
    kind: str
    entity: str
    entity_id: UUID
    by: str
    user_id: UUID | None
    at: datetime


@dataclass(eq=False, slots=True)
class Listener:
    name: str
    waiting: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(maxsize=100))

    def tell(self, said: bytes | None) -> None:
        if self.waiting.full():  # it reads no more: what it missed, it fetches when it comes back
            self.waiting.get_nowait()
        self.waiting.put_nowait(said)


class Watch:
    """One company's events, looked at while somebody listens."""

    def __init__(self, database: Database, tenant_id: UUID) -> None:
        self._database, self._tenant_id = database, tenant_id
        self.listeners: set[Listener] = set()
        self._seen: dict[UUID, datetime] = {}
        self._task: asyncio.Task[None] | None = None

    def enter(self, listener: Listener, now: datetime) -> None:
        self.listeners.add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(now))
        self._tell_who()

    def leave(self, listener: Listener) -> None:
        self.listeners.discard(listener)
        if self.listeners:
            self._tell_who()
        elif self._task is not None:
            self._task.cancel()
            self._task = None

    def _tell_who(self) -> None:
        people = sorted({one.name for one in self.listeners})
        self._tell(_event("people", people))

    def _tell(self, said: bytes | None) -> None:
        for listener in self.listeners:
            listener.tell(said)

    async def _run(self, now: datetime) -> None:
        newest = now
        is_first = True
        while True:
            try:
                newest, changes = await self._look(newest)
                if changes and not is_first:
                    self._tell(_event("changes", changes))
                is_first = False
            except Exception as error:
                log.warning("events could not be looked at", exc_info=error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look(self, newest: datetime) -> tuple[datetime, list[Change]]:
        async with self._database.reader(public_actor(self._tenant_id)) as reader:
            rows = await reader.rows(_NEW, self._tenant_id, newest - _BACK, _MOST)
        found = [row for row in reversed(rows) if row["id"] not in self._seen]
        newest = max([newest, *(row["received_at"] for row in rows)])
        self._seen |= {row["id"]: row["received_at"] for row in found}
        self._seen = {id_: at for id_, at in self._seen.items() if at > newest - _BACK}
        return newest, [
            Change(
                row["kind"],
                row["entity"],
                row["entity_id"],
                row["actor_name"],
                row["user_id"],
                row["received_at"],
            )
            for row in found
        ]


class Watches:
    """The watches of one application, by company."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watches: dict[UUID, Watch] = {}
        self.is_closing = False

    async def stream(self, actor: Actor, now: datetime) -> AsyncIterator[bytes]:
        """Yield events for one board until it goes, its time is over or the process ends."""
        watch = self._watches.setdefault(actor.tenant_id, Watch(self._database, actor.tenant_id))
        listener = Listener(actor.name)
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + LIFETIME_S
        watch.enter(listener, now)
        try:
            while not self.is_closing and (left := ends_at - loop.time()) > 0:
                said: bytes | None = b": still here\n\n"
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(KEEP_ALIVE_S, left)):
                        said = await listener.waiting.get()
                if said is None:
                    break
                yield said
            yield _event("bye", {})
        finally:
            watch.leave(listener)
            if not watch.listeners:
                self._watches.pop(actor.tenant_id, None)

    def farewell(self) -> None:
        """End every stream: the process is about to end."""
        self.is_closing = True
        for watch in self._watches.values():
            for listener in watch.listeners:
                listener.tell(None)


def watches_in(state: State) -> Watches:
    """Return an application's watches."""
    if "board_watches" not in state:
        state["board_watches"] = Watches(state.database)
    watches: Watches = state["board_watches"]
    return watches


def _event(kind: str, data: Any) -> bytes:
    return f"event: {kind}\ndata: {msgspec.json.encode(data).decode()}\n\n".encode()
