"""How much strangers may write: counted per code, per asset and per visitor in the rows themselves.

A visitor is a keyed hash of a network address in one tenant: it tells two floods apart and names nobody.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import Table
from sqlmodel import SQLModel, select

from fsm.database import Session
from fsm.problems import RateLimited


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` rows with the same value in `column` within `window`."""

    column: str
    most: int
    window: timedelta


def visitor_of(key: bytes, tenant_id: UUID, address: str) -> str:
    """Return 32 hexadecimal digits that stand for an address; "" for none.

    Of an IPv6 address the network (/64) counts: a single visitor has all of it.
    """
    if not address:
        return ""
    try:
        ip = ip_address(address)
    except ValueError:
        named = address
    else:
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        named = ip.packed[:8].hex() if isinstance(ip, IPv6Address) else ip.compressed
    return hmac.new(key, tenant_id.bytes + named.encode(), sha256).hexdigest()[:32]


async def check_limits(
    session: Session,
    table: type[SQLModel],
    written_at: str,
    limits: Sequence[Limit],
    values: Mapping[str, Any],
    tenant_id: UUID,
    now: datetime,
) -> None:
    """Refuse with `RateLimited` when one more row would pass a limit; a missing value is not counted.

    `written_at` names the column of the instant. Each limit is one look at its index: is the row that was
    written `most` rows ago still inside the window?
    """
    columns = _columns(table)
    for limit in limits:
        value = values.get(limit.column)
        if not value:
            continue
        statement = (
            select(columns[written_at])
            .where(columns["tenant_id"] == tenant_id, columns[limit.column] == value)
            .order_by(columns[written_at].desc())
            .offset(limit.most - 1)
            .limit(1)
        )
        oldest = (await session.exec(statement)).one_or_none()
        if oldest is not None and oldest > now - limit.window:
            wait = oldest + limit.window - now
            raise RateLimited(
                "Too many reports have come from here. If it is urgent, please call.",
                retry_after_s=max(1, ceil(wait.total_seconds())),
            )


def _columns(table: type[SQLModel]) -> Any:
    found = getattr(table, "__table__", None)
    assert isinstance(found, Table), "limits are counted over stored rows"
    return found.c
