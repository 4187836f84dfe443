"""Telling connected phones that there is something to pull; never what. One pump a process.

The pump looks at the tenants of connected phones five times a second, stamps what has committed and wakes
the phones whose scopes moved. It runs while somebody listens. Losing it loses nothing: phones also pull
by themselves.

A connection is one waiting task and a timer. What is sent is sent by the pump or the timer in a task of its
own, so that a phone which does not read holds up nobody else.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec
from litestar.datastructures import State
from litestar.types import Receive, Scope, Send

from fsm.actors import Actor, public_actor
from fsm.database import Database, as_problem
from mobile_api import sequencer
from mobile_api.pull import stamp_now
from mobile_api.sequencer import Head

log = logging.getLogger("mobile_api.stream")

LOOK_EVERY_S = 0.2
POKE_EVERY_S = 0.25
RIGHTS_EVERY_S = 2.0
KEEP_ALIVE_S = 20.0
LIFETIME_S = 300.0
FAREWELL_S = 5.0
"""After this a stream says `bye`; coming back, the device's scopes are looked up again."""

_LOOK = """
select head, epoch, purged, exists (
  select from sync_row where tenant_id = $1 and seq is null) as is_unstamped
from sync_head where tenant_id = $1
"""

_MOVED = "select distinct scope from sync_digest where tenant_id = $1 and seq > $2"

_BARRED = """
select d.id from device d
join "user" u on u.tenant_id = $1 and u.id = d.user_id
join role r on r.tenant_id = $1 and r.id = u.role_id
left join technician t on t.tenant_id = $1 and t.user_id = d.user_id and t.is_active
where d.tenant_id = $1 and (
  d.revoked_at is not null or not u.is_active or not r.permissions ? 'sync' or t.id is null)
"""


class Told(Protocol):
    """Who can be told that one of its scopes moved. `tell` must not wait."""

    tenant_id: UUID
    scopes: frozenset[str]

    def tell(self, head: Head) -> None: ...


@dataclass(eq=False, slots=True)
class Listener:
    """Somebody who waits for scopes to move, and where the feed stood when they last did."""

    tenant_id: UUID
    scopes: frozenset[str]
    head: Head
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, head: Head) -> None:
        self.head = head
        self.moved.set()


class Pump:
    """Watches the feeds of connected tenants."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._listeners: dict[UUID, set[Told]] = {}
        self._seen: dict[UUID, Head] = {}
        self._task: asyncio.Task[None] | None = None
        self._rights_at = 0.0
        self.is_closing = False

    async def join(self, tenant_id: UUID, scopes: Sequence[str]) -> Listener:
        """Listen to scopes; the pump starts with the first listener."""
        listener = Listener(tenant_id, frozenset(scopes), await self.head_of(tenant_id))
        self.enter(listener)
        if self.is_closing:
            listener.moved.set()
        return listener

    async def head_of(self, tenant_id: UUID) -> Head:
        """Return where the feed stood when it was last looked at."""
        return self._seen.get(tenant_id) or await self._look(tenant_id)

    def enter(self, listener: "Listener | EventStream") -> None:
        """Tell it from now on, and at once if the feed moved since it looked."""
        self._listeners.setdefault(listener.tenant_id, set()).add(listener)
        if (seen := self._seen.setdefault(listener.tenant_id, listener.head)) != listener.head:
            listener.tell(seen)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    def leave(self, listener: Told) -> None:
        """Stop listening; the pump ends with the last listener."""
        others = self._listeners.get(listener.tenant_id, set())
        others.discard(listener)
        if not others:
            self._listeners.pop(listener.tenant_id, None)
            self._seen.pop(listener.tenant_id, None)
        if not self._listeners and self._task is not None:
            self._task.cancel()
            self._task = None

    async def farewell(self) -> None:
        """Say `bye` on every stream and wake who else waits: the process is about to end.

        A phone that reads no more is left after `FAREWELL_S`.
        """
        self.is_closing = True
        everybody = [one for of in self._listeners.values() for one in of]
        for one in everybody:
            if isinstance(one, Listener):
                one.moved.set()
        going = [one.end() for one in everybody if isinstance(one, EventStream)]
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await asyncio.gather(*going, return_exceptions=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            looks_at_rights = loop.time() - self._rights_at >= RIGHTS_EVERY_S
            if looks_at_rights:
                self._rights_at = loop.time()
            for tenant_id in list(self._listeners):
                try:
                    await self._poke(tenant_id)
                    if looks_at_rights:
                        await self._end_barred(tenant_id)
                except Exception as error:  # the next look may go better
                    known = as_problem(error) is not None
                    log.log(
                        logging.WARNING if known else logging.ERROR,
                        "the feed could not be looked at",
                        exc_info=error,
                    )

    async def _look(self, tenant_id: UUID) -> Head:
        """Stamp what is unstamped and return where the feed stands."""
        async with self._database.reader(public_actor(tenant_id)) as reader:
            found = await reader.row(_LOOK, tenant_id)
        if found is not None and not found["is_unstamped"]:
            return Head(found["epoch"], found["head"], found["purged"])
        await stamp_now(self._database, tenant_id, self._clock())
        async with self._database.transaction(tenant_id) as session:
            return await sequencer.read_head(session, tenant_id)

    async def _poke(self, tenant_id: UUID) -> None:
        head = await self._look(tenant_id)
        before = self._seen.get(tenant_id, head)
        if head == before:
            return
        async with self._database.reader(public_actor(tenant_id)) as reader:
            moved = {row["scope"] for row in await reader.rows(_MOVED, tenant_id, before.head)}
        if tenant_id in self._listeners:
            self._seen[tenant_id] = head
        for listener in self._listeners.get(tenant_id, ()):
            if not listener.scopes.isdisjoint(moved) or head.epoch != before.epoch:
                listener.tell(head)

    async def _end_barred(self, tenant_id: UUID) -> None:
        """End the streams of devices that may no longer read."""
        async with self._database.reader(public_actor(tenant_id)) as reader:
            barred = {row["id"] for row in await reader.rows(_BARRED, tenant_id)}
        for one in list(self._listeners.get(tenant_id, ())):
            if isinstance(one, EventStream) and one.device_id in barred:
                one.end_soon()


def pump_in(state: State) -> Pump:
    """Return an application's pump."""
    if "feed_pump" not in state:
        state["feed_pump"] = Pump(state.database, state.clock)
    pump: Pump = state["feed_pump"]
    return pump


class EventStream:
    """A phone's connection as an ASGI application: `hello`, `poke` and `resync` as the feed moves, `bye`.

    `last_event_id` is the head that the device knew when its stream broke off. `headers` are those of the
    answer.
    """

    __slots__ = (
        "_ends_at",
        "_is_over",
        "_keep_alive_s",
        "_known",
        "_last_event_id",
        "_lifetime_s",
        "_next_at",
        "_pump",
        "_send",
        "_sending",
        "_timer",
        "device_id",
        "head",
        "headers",
        "scopes",
        "tenant_id",
    )

    def __init__(
        self,
        pump: Pump,
        actor: Actor,
        scopes: Sequence[str],
        last_event_id: str | None,
        *,
        lifetime_s: float = LIFETIME_S,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        self.tenant_id, self.device_id = actor.tenant_id, actor.device_id
        self.scopes = frozenset(scopes)
        self.headers = {
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
        self._lifetime_s, self._keep_alive_s = lifetime_s, keep_alive_s
        self._pump = pump
        self._last_event_id = last_event_id
        self._sending: asyncio.Task[None] | None = None
        self._is_over = False
        self._next_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, then wait for the phone to go. Its events are sent by the pump and the timer."""
        loop = asyncio.get_running_loop()
        self._send = send
        self._known = self.head = await self._pump.head_of(self.tenant_id)
        self._ends_at = loop.time() + self._lifetime_s
        headers = [(name.lower().encode(), text.encode()) for name, text in self.headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._write(self._greeting())
        self._pump.enter(self)
        self._timer = loop.call_later(min(self._keep_alive_s, self._lifetime_s), self._beat)
        if self._pump.is_closing:
            self.end_soon()
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self._is_over = True
            self._timer.cancel()
            self._pump.leave(self)

    def _greeting(self) -> bytes:
        head, said = self.head, _event("hello", self.head, epoch=str(self.head.epoch))
        last = self._last_event_id
        if last is not None and last.isdecimal() and (known := int(last[:20])) != head.head:
            said += _event("resync" if known > head.head else "poke", head)
        return said

    def tell(self, head: Head) -> None:
        """Have the phone poked; what comes while it is being told goes into the next poke."""
        self.head = head
        self._send_soon(self._poke)

    def _send_soon(self, what: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Send in a task of its own, unless something is being sent: that one looks for more at its end."""
        if (self._sending is None or self._sending.done()) and not self._is_over:
            self._sending = asyncio.create_task(what())

    async def _poke(self) -> None:
        loop = asyncio.get_running_loop()
        while self._known != self.head and not self._is_over:
            if (wait_s := self._next_at - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            self._next_at = loop.time() + POKE_EVERY_S
            kind = "poke" if self.head.epoch == self._known.epoch else "resync"
            self._known = self.head
            await self._write(_event(kind, self._known))

    def _beat(self) -> None:
        """Show that we are still here, or that the stream's time is over."""
        loop = asyncio.get_running_loop()
        left = self._ends_at - loop.time()
        if left <= 0:
            self.end_soon()
            return
        self._timer = loop.call_later(min(self._keep_alive_s, left), self._beat)
        self._send_soon(self._still_here)

    async def _still_here(self) -> None:
        await self._write(b": still here\n\n")
        await self._poke()

    def end_soon(self) -> None:
        """Say `bye` and close, without waiting for it."""
        if not self._is_over:
            self._sending = asyncio.create_task(self.end())

    async def end(self) -> None:
        """Say `bye` and close."""
        if not self._is_over:
            self._is_over = True
            said = _event("bye", self._known, retry_ms=random.randint(500, 3_000))
            await self._write(said, more=False)

    async def _write(self, said: bytes, *, more: bool = True) -> None:
        if more and self._is_over:
            return
        await self._send({"type": "http.response.body", "body": said, "more_body": more})


def _event(kind: str, head: Head, **data: Any) -> bytes:
    """Return one event; all but `bye` name the head, which is also the event's id."""
    told = data if kind == "bye" else {"head": head.head, **data}
    text = msgspec.json.encode(told).decode()
    return f"id: {head.head}\nevent: {kind}\ndata: {text}\n\n".encode()
