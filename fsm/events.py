"""Append-only history: who did what, when, from which device; sealed afterwards into a per-tenant hash chain.

An event is written in the transaction of the change it tells of. It gets its number and its place in the
chain later, in `seal`, under the lock of `chain_head`: numbers given earlier would commit out of order, and
no writer waits for another. KPI watermarks and proofs use the sealed number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Any, cast
from uuid import UUID

import msgspec
import rfc8785
from sqlalchemy import BigInteger, LargeBinary, text
from sqlmodel import Field, SQLModel, col, select
from uuid_utils.compat import uuid7

from fsm import jobs
from fsm.actors import Actor
from fsm.appending import new_row
from fsm.canonical import canonical_form as form_of
from fsm.canonical import doubles
from fsm.database import (
    Row,
    Session,
    check,
    document,
    fetch,
    instant,
    link,
    lookup,
    put_off,
    run,
    unique,
)
from fsm.plain import Plain
from fsm.problems import Invalid

GENESIS = bytes(32)
"""The hash before a tenant's first event."""

_FOLLOWED_AT_ONCE = 5_000


class Event(Row, table=True):
    """One fact of history. The application's role may insert events and nothing else.

    `occurred_at` is the best estimate; `occurred_lo_at` and `occurred_hi_at` bound it when a phone told us
    later (see the sync protocol); `received_at` is the server's own clock.
    """

    __table_args__ = (
        lookup("event_entity_idx", "entity", "entity_id", "received_at"),
        lookup("event_received_idx", "received_at"),
        lookup(
            "event_device_idx", "device_id", "id", postgresql_where=text("device_id is not null")
        ),
        lookup(
            "event_reopened_idx",
            "entity_id",
            "occurred_at",
            postgresql_where=text("kind = 'work_order.reopened'"),
        ),
        lookup(
            "event_taken_back_idx",
            "entity_id",
            "occurred_at",
            postgresql_where=text("kind in ('visit.withdrawn', 'visit.rejected')"),
        ),
        check("bounds", "occurred_lo_at <= occurred_at and occurred_at <= occurred_hi_at"),
    )
    kind: str = Field(max_length=60)
    entity: str = Field(max_length=40)
    entity_id: UUID
    actor_kind: str = Field(max_length=10)
    actor_name: str = ""
    user_id: UUID | None = None
    device_id: UUID | None = None
    occurred_at: datetime = instant()
    occurred_lo_at: datetime = instant()
    occurred_hi_at: datetime = instant()
    received_at: datetime = instant()
    data: dict[str, Any] = document(default_factory=dict)


class EventUnsealed(SQLModel, table=True):
    """Events that wait for their number: written with the event, removed by `seal`."""

    __tablename__ = "event_unsealed"
    __table_args__ = (link("event_id", "event"),)
    tenant_id: UUID = Field(primary_key=True)
    event_id: UUID = Field(primary_key=True)


class EventSeal(SQLModel, table=True):
    """An event's number in its tenant and `hash = SHA-256(previous hash ‖ RFC 8785 form of the event)`."""

    __tablename__ = "event_seal"
    __table_args__ = (link("event_id", "event"), unique("event_id"))
    tenant_id: UUID = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    event_id: UUID
    hash: bytes = Field(sa_type=LargeBinary)
    sealed_at: datetime = instant()


class ChainHead(SQLModel, table=True):
    """The last number and hash of a tenant's chain; its row lock orders the sealing."""

    __tablename__ = "chain_head"
    tenant_id: UUID = Field(primary_key=True)
    number: int = Field(default=0, sa_type=BigInteger)
    hash: bytes = Field(default=GENESIS, sa_type=LargeBinary)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """When something happened: the estimate between its bounds, as the sync protocol computes them."""

    at: datetime
    lo_at: datetime
    hi_at: datetime


async def record(
    session: Session | Plain,
    actor: Actor,
    kind: str,
    entity: str,
    entity_id: UUID,
    *,
    now: datetime,
    occurred: Occurrence | None = None,
    **data: Any,
) -> UUID:
    """Write one event, and the job that reacts to it where the worker's map has one. Return its id.

    `kind` is "noun.verb" in the past ("request.reported"); `data` holds JSON values only and no secrets. A
    value that has no RFC 8785 form is `Invalid`: it could never be sealed.
    """
    try:
        json = form_of(data).decode()
    except rfc8785.CanonicalizationError as error:
        raise Invalid(f"This cannot be kept in the history: {error}.") from None
    when = occurred or Occurrence(now, now, now)
    event = _event(actor, kind, entity, entity_id, when, now, data, json)
    gathered: list[dict[str, Any]] | None = session.info.get("gathered_events")
    if gathered is None:
        await _write(session, [event])
    else:
        gathered.append(event)
    return cast(UUID, event["id"])


def _event(
    actor: Actor,
    kind: str,
    entity: str,
    entity_id: UUID,
    when: Occurrence,
    now: datetime,
    data: dict[str, Any],
    json: str,
) -> dict[str, Any]:
    """Return a new event's columns; `json` is its data as text."""
    return {
        "tenant_id": actor.tenant_id,
        "id": uuid7(),
        "kind": kind,
        "entity": entity,
        "entity_id": entity_id,
        "actor_kind": str(actor.kind),
        "actor_name": actor.name,
        "user_id": actor.user_id,
        "device_id": actor.device_id,
        "occurred_at": when.at,
        "occurred_lo_at": when.lo_at,
        "occurred_hi_at": when.hi_at,
        "received_at": now,
        "data": data,
        "json": json,
    }


async def find_occurrence(
    session: Session, tenant_id: UUID, kind: str, entity_id: UUID, at: datetime
) -> Occurrence:
    """Return the bounds that a known instant was told with; the instant itself where nobody told any."""
    for one in session.info.get("gathered_events", ()):
        if (one["kind"], one["entity_id"], one["occurred_at"]) == (kind, entity_id, at):
            return Occurrence(at, one["occurred_lo_at"], one["occurred_hi_at"])
    statement = select(Event.occurred_lo_at, Event.occurred_hi_at).where(
        Event.tenant_id == tenant_id,
        Event.entity_id == entity_id,
        Event.kind == kind,
        Event.occurred_at == at,
    )
    bounds = (await session.exec(statement)).first()
    return Occurrence(at, *bounds) if bounds else Occurrence(at, at, at)


async def is_recorded(
    session: Session, tenant_id: UUID, kind: str, entity: str, entity_id: UUID
) -> bool:
    """Return whether something of this kind has been told of an entity."""
    statement = select(Event.id).where(
        Event.tenant_id == tenant_id,
        Event.entity == entity,
        Event.entity_id == entity_id,
        Event.kind == kind,
    )
    return (await session.exec(statement)).first() is not None


def gather(session: Session) -> list[dict[str, Any]]:
    """Have this transaction's events written together before its commit; return those that wait.

    For a transaction that records many. Whoever goes back to a savepoint takes the later ones out again.
    """
    gathered: list[dict[str, Any]] = session.info.setdefault("gathered_events", [])
    put_off(session, _write_gathered)
    return gathered


async def _write_gathered(session: Session) -> None:
    await _write(session, session.info.pop("gathered_events"))


async def _write(session: Session | Plain, new: list[dict[str, Any]]) -> None:
    """Write events of one tenant, and the jobs that react to them."""
    if not new:
        return
    await _insert(session, new)
    reactions = session.info.get("reactions", ())
    wanted = [
        (
            one["kind"],
            {"event_id": str(one["id"]), "entity_id": str(one["entity_id"]), **one["data"]},
        )
        for one in new
        if one["kind"] in reactions
    ]
    await jobs.enqueue_many(session, new[0]["tenant_id"], wanted)


_INSERT = """
with written as (
  insert into event (tenant_id, id, kind, entity, entity_id, actor_kind, actor_name, user_id,
    device_id, occurred_at, occurred_lo_at, occurred_hi_at, received_at, data)
  select $1, one.id, one.kind, one.entity, one.entity_id, $2, $3, $4, $5, one.at, one.lo_at,
    one.hi_at, $6, cast(one.data as jsonb)
  from unnest(cast($7 as uuid[]), cast($8 as text[]), cast($9 as text[]), cast($10 as uuid[]),
    cast($11 as timestamptz[]), cast($12 as timestamptz[]), cast($13 as timestamptz[]),
    cast($14 as text[]))
    as one (id, kind, entity, entity_id, at, lo_at, hi_at, data))
insert into event_unsealed (tenant_id, event_id)
select $1, one.id from unnest(cast($7 as uuid[])) as one (id)
"""


async def _insert(session: Session | Plain, new: list[dict[str, Any]]) -> None:
    """Write events of one tenant as waiting for their numbers: one statement for all that one actor did."""
    for who, some in groupby(new, itemgetter(*_WHO)):
        of_one = list(some)
        arrays = ([one[name] for one in of_one] for name in _WHAT)
        await fetch(session, _INSERT, *who, *arrays)


_WHO = ("tenant_id", "actor_kind", "actor_name", "user_id", "device_id", "received_at")
_WHAT = (
    "id",
    "kind",
    "entity",
    "entity_id",
    "occurred_at",
    "occurred_lo_at",
    "occurred_hi_at",
    "json",
)


async def record_many(
    session: Session,
    actor: Actor,
    kind: str,
    entity: str,
    happened: Sequence[tuple[UUID, datetime, dict[str, Any]]],
    *,
    now: datetime,
) -> None:
    """Write one event of a kind for each (entity id, when it occurred, data), as imports of history do.

    What happened long ago sets nothing off: no job is enqueued. Some thousands at a time are fine.
    """
    if happened:
        await _insert(
            session,
            [
                _event(
                    *(actor, kind, entity, entity_id, Occurrence(at, at, at), now, data),
                    msgspec.json.encode(data).decode(),
                )
                for entity_id, at, data in happened
            ],
        )


def canonical_form(event: Event | Any) -> dict[str, Any]:
    """Return the JSON members of an event that the chain covers. Instants are UTC in µs."""

    def stamp(moment: datetime) -> str:
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    return {
        "id": str(event.id),
        "tenant_id": str(event.tenant_id),
        "kind": event.kind,
        "entity": event.entity,
        "entity_id": str(event.entity_id),
        "actor_kind": event.actor_kind,
        "actor_name": event.actor_name,
        "user_id": None if event.user_id is None else str(event.user_id),
        "device_id": None if event.device_id is None else str(event.device_id),
        "occurred_at": stamp(event.occurred_at),
        "occurred_lo_at": stamp(event.occurred_lo_at),
        "occurred_hi_at": stamp(event.occurred_hi_at),
        "received_at": stamp(event.received_at),
        "data": doubles(event.data),
    }


def chained(previous: bytes, event: Event | Any) -> bytes:
    """Return the event's hash after `previous` (32 bytes)."""
    return sha256(previous + rfc8785.dumps(canonical_form(event))).digest()


async def seal(session: Session, tenant_id: UUID, now: datetime, *, limit: int = 5_000) -> int:
    """Number and chain the tenant's committed events in order of receipt; return how many.

    Runs in its own transaction. The lock on `chain_head` makes two sealers take turns.
    """
    await run(
        session,
        "insert into chain_head (tenant_id, number, hash) values (:t, 0, :g) on conflict do nothing",
        t=tenant_id,
        g=GENESIS,
    )
    head = (
        await session.exec(
            select(ChainHead.number, ChainHead.hash)
            .where(ChainHead.tenant_id == tenant_id)
            .with_for_update()
        )
    ).one()
    waiting: Sequence[Any] = (
        await session.exec(
            select(*Event.__table__.columns)  # type: ignore[attr-defined]
            .join(
                EventUnsealed,
                (col(EventUnsealed.tenant_id) == Event.tenant_id)
                & (col(EventUnsealed.event_id) == Event.id),
            )
            .where(Event.tenant_id == tenant_id)
            .order_by(col(Event.received_at), col(Event.id))
            .limit(limit)
        )
    ).all()
    if not waiting:
        return 0
    number, digest = head
    for event in waiting:
        number += 1
        digest = chained(digest, event)
        session.append(
            new_row(
                EventSeal,
                tenant_id=tenant_id,
                number=number,
                event_id=event.id,
                hash=digest,
                sealed_at=now,
            )
        )
    await session.flush()
    await fetch(
        session,
        "delete from event_unsealed where tenant_id = $1 and event_id = any(cast($2 as uuid[]))",
        tenant_id,
        [event.id for event in waiting],
    )
    await run(
        session,
        "update chain_head set number = :n, hash = :h where tenant_id = :t",
        t=tenant_id,
        n=number,
        h=digest,
    )
    return len(waiting)


async def find_broken_link(session: Session, tenant_id: UUID) -> int | None:
    """Recompute the whole chain; return the first number whose hash does not fit, None when it is whole.

    Some thousands of events are in memory at a time, however long the chain. What is sealed meanwhile is
    left for the next time: the chain is followed up to the head that was there at the beginning.
    """
    head = (
        await session.exec(
            select(ChainHead.number, ChainHead.hash).where(ChainHead.tenant_id == tenant_id)
        )
    ).one_or_none()
    last, sealed = head or (0, GENESIS)
    digest, number = GENESIS, 0
    while number < last:
        rows: Sequence[Any] = (
            await session.exec(
                select(EventSeal.number, EventSeal.hash, *Event.__table__.columns)  # type: ignore[attr-defined]
                .join(
                    Event,
                    (col(Event.tenant_id) == EventSeal.tenant_id)
                    & (col(Event.id) == EventSeal.event_id),
                )
                .where(
                    EventSeal.tenant_id == tenant_id,
                    EventSeal.number > number,
                    EventSeal.number <= last,
                )
                .order_by(col(EventSeal.number))
                .limit(_FOLLOWED_AT_ONCE)
            )
        ).all()
        if not rows:
            return number + 1
        for row in rows:
            number += 1
            digest = chained(digest, row)
            if row.number != number or digest != row.hash:
                return number
    beyond = await session.exec(
        select(EventSeal.number)
        .where(EventSeal.tenant_id == tenant_id, EventSeal.number > last)
        .limit(1)
    )
    if digest != sealed or (head is None and beyond.first() is not None):
        return number + 1
    return None
