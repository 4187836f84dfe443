"""The SQL of pulls: one call looks at devices' rights, the feed and their pages in one snapshot.

PostgreSQL puts the changes together as they go over the wire, so that a page is one value and not a
thousand rows, and it stops at the page's limits. The statement stands in the database, as the function
`sync_pulls` of migrations 0015 and 0056: a function can bind itself to the tenant before it reads, and that
saves the round trips of a transaction around it. Whoever changes it writes a migration that replaces it.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from fsm.database import Database
from mobile_api.feed_tokens import Position

PULLS = "select * from sync_pulls($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
"""$1 tenant, $2 devices, $3 the hash of each one's token or null; $4–$7 of their feed tokens: whose (counted
from 1), a scope, where it was read and where its first reading began; $8 changes and $9 bytes at most on a
page, $10 the only collection or null → a row for each device (`ask` says whose), none for a stranger's token.

A scope read for the first time leaves out what it no longer grants: the device never had it.
"""


class Ask(msgspec.Struct, frozen=True):
    """A device that wants to read on; `token_hash` is of a token that nobody has looked up yet."""

    device: UUID
    token_hash: bytes | None
    position: Position | None


async def read_pages(
    database: Database,
    tenant_id: UUID,
    asks: Sequence[Ask],
    *,
    changes: int,
    size: int,
    coll: str | None = None,
) -> list[Any | None]:
    """Return what the statement finds for each, None for a stranger's token."""
    askers: list[int] = []
    scopes: list[str] = []
    since: list[int] = []
    fresh: list[int] = []
    for asker, ask in enumerate(asks, 1):
        if (position := ask.position) is not None:
            for scope, seq in position.read.items():
                askers.append(asker)
                scopes.append(scope)
                since.append(seq)
                fresh.append(position.first.get(scope, 0))
    rows = await database.call(
        PULLS,
        tenant_id,
        [ask.device for ask in asks],
        [ask.token_hash for ask in asks],
        askers,
        scopes,
        since,
        fresh,
        changes,
        size,
        coll,
    )
    found: list[Any | None] = [None] * len(asks)
    for row in rows:
        found[row["ask"] - 1] = row
    return found
