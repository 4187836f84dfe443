"""The feed as other people's clients ask for it: so many rows, or all, read through the core's own pages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from fsm.actors import Actor
from fsm.database import Database, run
from mobile_api import pull
from mobile_api.feed_sql import COLLECTIONS
from mobile_api.pull import FeedEpochChanged, granted_scopes

Key = tuple[str, str]
"""(collection, id) of a row"""


class Change(msgspec.Struct, frozen=True):
    """One change of the feed; `d` is None where the row is gone."""

    c: str
    id: str
    rev: int
    d: dict[str, Any] | None = None


class _Page(msgspec.Struct):
    since: str
    head: int
    complete: bool
    dropped: list[str]
    changes: list[Change]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: the last change of each row in the feed's order, and the token to go on from.

    With `complete` the device then knows all up to `head`.
    """

    changes: Sequence[Change]
    since: str
    head: int
    complete: bool


async def read(
    database: Database,
    key: bytes,
    actor: Actor,
    now: datetime,
    *,
    since: str | None,
    coll: str | None = None,
    most: int | None = None,
    outbox_empty_at: int | None = None,
) -> Reading:
    """Read pages until there is no more, or exactly `most` rows.

    A scope that is no longer granted cannot be taken back from these clients row by row: they begin anew,
    as after a restore (`FeedEpochChanged`).
    """
    found: dict[Key, Change] = {}
    while True:
        room = pull.PAGE_CHANGES if most is None else min(pull.PAGE_CHANGES, most - len(found))
        pieces = await pull.answer(
            database,
            key,
            actor,
            now,
            since=since,
            limit=room,
            outbox_empty_at=outbox_empty_at,
            coll=coll,
        )
        page = msgspec.json.decode(b"".join(pieces), type=_Page)
        if page.dropped:
            raise FeedEpochChanged(
                "What this login may see has changed. Keep the outbox and begin anew.",
                reason="rights",
            )
        for change in page.changes:
            found.pop((change.c, change.id), None)
            found[change.c, change.id] = change
        since = page.since
        if page.complete or len(found) == most:
            return Reading(list(found.values()), since, page.head, page.complete)


def as_uuid(text: str) -> UUID | None:
    """Return the id that a client wrote, None where it is not one of ours."""
    try:
        return UUID(text)
    except ValueError:
        return None


async def current(database: Database, actor: Actor, keys: Iterable[Key]) -> dict[Key, Change]:
    """Return rows as the device may see them at this moment; one that it may not is left out."""
    colls, ids = [], []
    for coll, row_id in keys:
        if coll in COLLECTIONS and (known_id := as_uuid(row_id)) is not None:
            colls.append(coll)
            ids.append(known_id)
    async with database.transaction(actor.tenant_id) as session:
        scopes = await granted_scopes(session, actor)
        rows = await run(
            session,
            "select coll, id::text as id, rev, body from sync_row"
            " where tenant_id = :t and scope = any(cast(:scopes as text[])) and op = 'put'"
            " and (coll, id) in (select * from unnest(cast(:colls as text[]), cast(:ids as uuid[])))",
            t=actor.tenant_id,
            scopes=scopes,
            colls=colls,
            ids=ids,
        )
        return {
            (row.coll, row.id): Change(row.coll, row.id, row.rev, msgspec.json.decode(row.body))
            for row in rows
        }
