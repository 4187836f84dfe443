"""A scope of the feed as a client of somebody else's protocol reads it, under a name of its own.

The name is `scope@epoch.first`: the head at which the device first read it. Up to there it is not told of
what the scope no longer grants, because it never had it. Where a device's position has become worthless
(another epoch, a head that was set back, tombstones purged) it is given a bucket of another name and begins
anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mobile_api import pull
from mobile_api.sequencer import Head

# $1 tenant, $2 scope, $3 read up to, $4 head, $5 the head at which the device first read it, $6 most rows,
# $7 one collection or null
_ROWS = """
select seq, op, coll, id::text, body from sync_row
where tenant_id = $1 and scope = $2 and seq > $3 and seq <= $4
  and (seq > $5 or (op = 'put' and why is null)) and ($7::text is null or coll = $7)
order by seq limit $6
"""


@dataclass(slots=True)
class Bucket:
    """A scope as one device reads it: its name there, how far it was sent, how many rows it holds."""

    scope: str
    name: str
    first: int
    after: int
    count: int = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """(seq, op, collection, id, body) as stored; `size` is their bytes, `whole` that no more follow."""

    rows: list[Any]
    size: int
    whole: bool


def place(asked: Mapping[str, int], scope: str, head: Head) -> Bucket:
    """Return the bucket of a scope that the device can go on reading, or a new one when it holds none."""
    prefix = f"{scope}@{head.epoch}."
    for name, after in asked.items():
        first = name.removeprefix(prefix)
        if not name.startswith(prefix) or not is_number(first):
            continue
        if after <= head.head and not 0 < after < head.purged:
            return Bucket(scope, name, int(first), after)
    first_read = head.head
    while (name := f"{prefix}{first_read}") in asked:
        first_read += 1
    return Bucket(scope, name, first_read, 0)


def is_number(text: str) -> bool:
    """Whether a client's text is a position that the feed could have given."""
    return text.isascii() and text.isdecimal() and len(text) <= 18


async def read(
    connection: Any,
    tenant_id: UUID,
    bucket: Bucket,
    head: Head,
    *,
    coll: str | None = None,
    room: int | None = None,
    size: int = 0,
) -> Rows:
    """Return what comes after the bucket's position, as far as a page with `size` bytes has room."""
    most = pull.PAGE_CHANGES if room is None else room
    found = await connection.fetch(
        _ROWS, tenant_id, bucket.scope, bucket.after, head.head, bucket.first, most + 1, coll
    )
    page: list[Any] = []
    for row in found[:most]:
        more = len(row["body"] or "")
        if size and size + more > pull.PAGE_BYTES:
            break
        size += more
        page.append(row)
    return Rows(page, size, len(page) == len(found))
