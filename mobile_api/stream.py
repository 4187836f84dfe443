"""Telling connected phones that there is something to pull; never what. One pump a process.

The pump looks at the tenants of connected phones five times a second, stamps what has committed and wakes
the phones whose scopes moved. It runs while somebody listens. Losing it loses nothing: phones also pull
by themselves.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from fsm.database import Database, run
from fsm.problems import Problem
from mobile_api import sequencer
from mobile_api.pull import stamp_now
from mobile_api.sequencer import Head

log = logging.getLogger("mobile_api.stream")

LOOK_EVERY_S = 0.2
POKE_EVERY_S = 0.25
KEEP_ALIVE_S = 20.0
LIFETIME_S = 300.0
"""After this a stream says `bye`; coming back, the device's rights are looked at again."""


@dataclass(eq=False, slots=True)
class Listener:
    """A connected phone: its scopes, and where the feed stood when they last moved."""

    tenant_id: UUID
    scopes: frozenset[str]
    head: Head
    moved: asyncio.Event = field(default_factory=asyncio.Event)


class Pump:
    """Watches the feeds of connected tenants."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._listeners: dict[UUID, set[Listener]] = {}
        self._seen: dict[UUID, Head] = {}
        self._task: asyncio.Task[None] | None = None

    async def join(self, tenant_id: UUID, scopes: Sequence[str]) -> Listener:
        """Listen to scopes; the pump starts with the first listener."""
        head = await self._look(tenant_id)
        listener = Listener(tenant_id, frozenset(scopes), head)
        self._listeners.setdefault(tenant_id, set()).add(listener)
        self._seen.setdefault(tenant_id, head)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return listener

    def leave(self, listener: Listener) -> None:
        """Stop listening; the pump ends with the last listener."""
        others = self._listeners.get(listener.tenant_id, set())
        others.discard(listener)
        if not others:
            self._listeners.pop(listener.tenant_id, None)
            self._seen.pop(listener.tenant_id, None)
        if not self._listeners and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for tenant_id in list(self._listeners):
                try:
                    await self._poke(tenant_id)
                except (SQLAlchemyError, OSError, Problem):
                    log.warning("the feed could not be looked at", exc_info=True)

    async def _look(self, tenant_id: UUID) -> Head:
        """Stamp what is unstamped and return where the feed stands."""
        async with self._database.transaction(tenant_id) as session:
            unstamped = await sequencer.has_unstamped(session, tenant_id)
        if unstamped:
            await stamp_now(self._database, tenant_id, self._clock())
        async with self._database.transaction(tenant_id) as session:
            return await sequencer.read_head(session, tenant_id)

    async def _poke(self, tenant_id: UUID) -> None:
        head = await self._look(tenant_id)
        before = self._seen.get(tenant_id, head)
        if head == before:
            return
        self._seen[tenant_id] = head
        async with self._database.transaction(tenant_id) as session:
            rows = await run(
                session,
                "select distinct scope from sync_row where tenant_id = :t and seq > :seen",
                t=tenant_id,
                seen=before.head,
            )
            moved = set(rows.scalars())
        for listener in self._listeners.get(tenant_id, ()):
            if listener.scopes & moved or head.epoch != before.epoch:
                listener.head = head
                listener.moved.set()


async def events(
    pump: Pump,
    tenant_id: UUID,
    scopes: Sequence[str],
    last_event_id: str | None,
    *,
    lifetime_s: float = LIFETIME_S,
    keep_alive_s: float = KEEP_ALIVE_S,
) -> AsyncIterator[bytes]:
    """Yield server-sent events: `hello`, `poke` and `resync` as the feed moves, `bye` at the end.

    `last_event_id` is the head that the device knew when its stream broke off.
    """
    listener = await pump.join(tenant_id, scopes)
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + lifetime_s
    try:
        head = listener.head
        yield _event("hello", head, epoch=str(head.epoch))
        if last_event_id is not None and last_event_id.isdecimal():
            known = int(last_event_id[:20])
            if known != head.head:
                yield _event("resync" if known > head.head else "poke", head)
        while (left := ends_at - loop.time()) > 0:
            try:
                await asyncio.wait_for(listener.moved.wait(), min(keep_alive_s, left))
            except TimeoutError:
                yield b": still here\n\n"
                continue
            listener.moved.clear()
            kind = "poke" if listener.head.epoch == head.epoch else "resync"
            head = listener.head
            yield _event(kind, head)
            await asyncio.sleep(POKE_EVERY_S)
        yield _event("bye", head, retry_ms=random.randint(500, 3_000))
    finally:
        pump.leave(listener)


def _event(kind: str, head: Head, **data: Any) -> bytes:
    """Return one event; all but `bye` name the head, which is also the event's id."""
    told = data if kind == "bye" else {"head": head.head, **data}
    text = msgspec.json.encode(told).decode()
    return f"id: {head.head}\nevent: {kind}\ndata: {text}\n\n".encode()
