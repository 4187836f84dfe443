"""Shapes as the Electric client reads them: one collection, page by page, then as it changes. Read only.

A shape's handle is the name of its scope's bucket, an offset the feed's `seq`. Whoever comes with another
handle, or with an offset that is worth nothing any more, is told the handle to begin anew with (409). Rows
go out whole and always as inserts, which replace what the client has; values are JSON as it is, so the
schema that says how to parse them is empty.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from fsm.actors import Actor
from fsm.database import Database, raw_connection
from fsm.problems import Busy, Invalid, Problem
from mobile_api import feed_sql, pull
from mobile_api.affected import CATALOGUE
from mobile_api.compat.buckets import is_number, place, read
from mobile_api.stream import Pump

LIVE_S = 20.0
"""How long an answer to a live request is held back when nothing changes."""
_OF_THE_CATALOGUE = feed_sql.COLLECTIONS[-4:]
_UP_TO_DATE = '{"headers":{"control":"up-to-date"}}'


class ShapeRotated(Problem):
    """The handle is not, or no longer, the device's; begin anew with the one in `electric-handle`."""

    code, status, title = "shape-rotated", 409, "The shape must be fetched anew"

    @property
    def headers(self) -> dict[str, str]:
        return {"electric-handle": str(self.facts["handle"])}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a shape: what of, and what the client has of it. `after` is None before the first."""

    table: str
    handle: str | None
    after: int | None


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a shape as JSON; `reached` is the offset to go on from, `moved` whether it holds any row."""

    content: bytes
    handle: str
    scope: str
    reached: int
    is_last: bool
    moved: bool

    @property
    def headers(self) -> dict[str, str]:
        return {
            "electric-handle": self.handle,
            "electric-offset": f"{self.reached}_0",
            "electric-schema": "{}",
            "electric-cursor": str(self.reached),
        }


def read_asked(table: str, offset: str, handle: str | None) -> Asked:
    """Return what a client asks for, or say what it may ask."""
    if table not in feed_sql.COLLECTIONS:
        known = ", ".join(feed_sql.COLLECTIONS)
        raise Invalid(
            f"There is no table of this name; there are {known}.", errors=[{"at": "/table"}]
        )
    if offset == "-1":
        return Asked(table, handle, None)
    seq, _, rest = offset.partition("_")
    if not is_number(seq) or not is_number(rest) or handle is None:
        raise Invalid(
            "'offset' is -1 at first, then the 'electric-offset' of the last answer with its 'handle'.",
            errors=[{"at": "/offset"}],
        )
    return Asked(table, handle, int(seq))


def must_be_whole(**members: str | None) -> None:
    """Refuse what would make a part of a collection a shape: the rights already say what there is."""
    for name, value in members.items():
        if value not in (None, "", "false"):
            raise Invalid(
                f"Shapes are whole collections, read by polling: leave out '{name}'.",
                errors=[{"at": f"/{name}"}],
            )


async def read_part(database: Database, actor: Actor, now: datetime, asked: Asked) -> Part:
    """Return what comes next of a shape; rights are computed anew, as on every pull."""
    scopes = await pull.prepare(database, actor, now, None)
    scope = next(one for one in scopes if (one == CATALOGUE) == (asked.table in _OF_THE_CATALOGUE))
    async with pull.snapshot(database, actor) as (session, head):
        await pull.read_device(session, actor)
        held = {} if asked.handle is None else {asked.handle: asked.after or 0}
        bucket = place(held, scope, head)
        if asked.handle not in (None, bucket.name):
            raise ShapeRotated(
                "Begin anew, at offset -1, with the handle in 'electric-handle'.",
                handle=bucket.name,
            )
        connection = await raw_connection(session)
        try:
            found = await read(connection, actor.tenant_id, bucket, head, coll=asked.table)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise Busy("The database could not be read just now. Nothing was changed.") from error
    reached = head.head if found.whole else found.rows[-1]["seq"]
    messages = [_message(*row) for row in found.rows]
    if found.whole:
        messages.append(_UP_TO_DATE)
    content = f"[{','.join(messages)}]".encode()
    return Part(content, bucket.name, scope, reached, found.whole, bool(found.rows))


async def wait_for_part(
    pump: Pump, database: Database, actor: Actor, now: datetime, asked: Asked
) -> Part:
    """Return what comes next of a shape that the client holds, as soon as there is something."""
    part = await read_part(database, actor, now, asked)
    if part.moved:
        return part
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + LIVE_S
    listener = await pump.join(actor.tenant_id, [part.scope])
    try:
        while True:  # once more after joining: something may have come between
            part = await read_part(database, actor, now, asked)
            left_s = ends_at - loop.time()
            if part.moved or left_s <= 0 or pump.is_closing:
                return part
            with suppress(TimeoutError):
                await asyncio.wait_for(listener.moved.wait(), left_s)
                listener.moved.clear()
    finally:
        pump.leave(listener)


def _message(seq: int, op: str, coll: str, row_id: str, body: str | None) -> str:
    """Return a row as the client reads it; a removed one comes with nothing but its id."""
    operation, value = ("insert", body) if op == "put" else ("delete", f'{{"id":"{row_id}"}}')
    return (
        f'{{"key":"\\"{coll}\\"/\\"{row_id}\\"","value":{value},'
        f'"headers":{{"operation":"{operation}","offset":"{seq}_0"}}}}'
    )
