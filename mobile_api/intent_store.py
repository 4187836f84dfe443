"""Intents in the database: stored raw before anything is made of them, with what became of each."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Uuid, all_, case, literal
from sqlmodel import col, select

from fsm.actors import Actor
from fsm.database import Session, run
from fsm.problems import NotFound, Problem
from fsm.tenants.tables import Device
from mobile_api import device_time
from mobile_api.intents import Envelope, Sent
from mobile_api.tables import Intent, OutcomeStatus

MOST_WANTED = 200
_LOOK_AHEAD = 10_000
"""How far beyond the last intent without a gap a missing number is looked for."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of an intent: the hash of its contents and what became of it."""

    id: UUID
    sha256: bytes
    status: OutcomeStatus
    outcome: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """An intent that is stored and not applied yet."""

    id: UUID
    envelope: Envelope
    received_at: datetime


@dataclass(frozen=True, slots=True)
class DeviceClock:
    """A device's row, held until the commit: pushes of one device take turns."""

    registered_at: datetime
    last_seq: int
    samples: list[int]

    @property
    def offset(self) -> timedelta:
        """Server minus device."""
        return device_time.offset_of(self.samples)


Storing = tuple[UUID, Sent, OutcomeStatus, dict[str, Any]]
"""An intent to be stored: its id, what was sent, what is known of it so far"""


async def lock_device(session: Session, actor: Actor) -> DeviceClock:
    assert actor.device_id is not None
    return await lock_device_of(session, actor.tenant_id, actor.device_id)


async def lock_device_of(session: Session, tenant_id: UUID, device_id: UUID) -> DeviceClock:
    statement = (
        "select d.registered_at, s.last_seq, s.offset_samples from sync_device s"
        " join device d on d.tenant_id = s.tenant_id and d.id = s.device_id"
        " where s.tenant_id = :t and s.device_id = :d for update of s"
    )
    row = (await run(session, statement, t=tenant_id, d=device_id)).one_or_none()
    if row is None:
        await run(
            session,
            "insert into sync_device (tenant_id, device_id, last_seq, clock_offset_ms,"
            " offset_samples) values (:t, :d, 0, 0, '[]') on conflict do nothing",
            t=tenant_id,
            d=device_id,
        )
        row = (await run(session, statement, t=tenant_id, d=device_id)).one()
    samples = row.offset_samples
    if isinstance(samples, str):
        samples = msgspec.json.decode(samples)
    return DeviceClock(row.registered_at, row.last_seq, samples)


async def note_clock(
    session: Session, actor: Actor, clock: DeviceClock, sample: timedelta
) -> DeviceClock:
    """Take a sample of the device's clock (server minus device) into account."""
    noted = replace(clock, samples=device_time.with_sample(clock.samples, sample))
    if noted.samples != clock.samples:
        await run(
            session,
            "update sync_device set offset_samples = cast(:samples as jsonb), clock_offset_ms = :ms"
            " where tenant_id = :t and device_id = :d",
            samples=msgspec.json.encode(noted.samples).decode(),
            ms=noted.offset // timedelta(milliseconds=1),
            t=actor.tenant_id,
            d=actor.device_id,
        )
    return noted


async def note_stored(session: Session, actor: Actor, clock: DeviceClock, upto: int) -> DeviceClock:
    """Note up to which number of the device none is missing, or can still come."""
    await run(
        session,
        "update sync_device set last_seq = :upto where tenant_id = :t and device_id = :d",
        upto=upto,
        t=actor.tenant_id,
        d=actor.device_id,
    )
    return replace(clock, last_seq=upto)


async def store(
    session: Session,
    actor: Actor,
    now: datetime,
    rows: Sequence[Storing],
) -> set[UUID]:
    """Store intents under their ids with what is known of them so far; return the ids that are new.

    An id that another push is storing at this moment is waited for.
    """
    if not rows:
        return set()
    result = await run(
        session,
        """
        insert into intent (tenant_id, id, device_id, device_seq, type, body, body_sha256,
          received_at, occurred_at, status, outcome)
        select :t, i.id, :d, i.seq, i.type, cast(i.body as jsonb), i.sha256, :now, i.occurred_at,
          i.status, cast(i.outcome as jsonb)
        from unnest(cast(:ids as uuid[]), cast(:seqs as bigint[]), cast(:types as text[]),
          cast(:bodies as text[]), cast(:hashes as bytea[]), cast(:occurred as timestamptz[]),
          cast(:statuses as text[]), cast(:outcomes as text[]))
          as i (id, seq, type, body, sha256, occurred_at, status, outcome)
        order by i.id
        on conflict (tenant_id, id) do nothing
        returning id
        """,
        t=actor.tenant_id,
        d=actor.device_id,
        now=now,
        ids=[row_id for row_id, *_ in rows],
        seqs=[sent.seq for _, sent, *_ in rows],
        types=[sent.type for _, sent, *_ in rows],
        bodies=[sent.body for _, sent, *_ in rows],
        hashes=[sent.sha256 for _, sent, *_ in rows],
        occurred=[sent.envelope.occurred_at if sent.envelope else None for _, sent, *_ in rows],
        statuses=[str(status) for *_, status, _ in rows],
        outcomes=[msgspec.json.encode(outcome).decode() for *_, outcome in rows],
    )
    return set(result.scalars())


async def list_known(session: Session, actor: Actor, ids: Sequence[UUID]) -> dict[UUID, Known]:
    """Return what is stored under these ids, whichever device sent it."""
    statement = select(Intent.id, Intent.body_sha256, Intent.status, Intent.outcome).where(
        Intent.tenant_id == actor.tenant_id, col(Intent.id).in_(ids)
    )
    return {
        row_id: Known(row_id, digest, OutcomeStatus(status), dict(outcome))
        for row_id, digest, status, outcome in await session.exec(statement)
    }


async def find_reused(session: Session, actor: Actor, seqs: Sequence[int]) -> set[int]:
    """Return which of these numbers the device has given to more than one intent."""
    if not seqs:
        return set()
    result = await run(
        session,
        "select device_seq from intent where tenant_id = :t and device_id = :d"
        " and device_seq = any(cast(:seqs as bigint[])) group by device_seq having count(*) > 1",
        t=actor.tenant_id,
        d=actor.device_id,
        seqs=list(seqs),
    )
    return set(result.scalars())


async def list_waiting(
    session: Session, actor: Actor, limit: int, read: Mapping[UUID, Envelope] | None = None
) -> list[Waiting]:
    """Return the device's intents that are to be applied, in the device's order.

    `read` are those that the caller has understood already.
    """
    known = read or {}
    # What is understood already needs no body read back and decoded.
    is_new = col(Intent.id) != all_(literal(list(known), ARRAY(Uuid)))
    body = case((is_new, col(Intent.body)), else_=None)
    statement = (
        select(Intent.id, body, Intent.received_at)
        .where(
            Intent.tenant_id == actor.tenant_id,
            Intent.device_id == actor.device_id,
            Intent.status == OutcomeStatus.WAITING,
        )
        .order_by(col(Intent.device_seq), col(Intent.id))
        .limit(limit)
    )
    return [
        Waiting(row_id, known.get(row_id) or Envelope.model_validate(body), received_at)
        for row_id, body, received_at in await session.exec(statement)
    ]


async def list_settled(session: Session, actor: Actor, ids: Sequence[UUID]) -> set[UUID]:
    """Return which of these intents are stored and no longer waiting."""
    if not ids:
        return set()
    statement = select(Intent.id).where(
        Intent.tenant_id == actor.tenant_id,
        col(Intent.id).in_(ids),
        Intent.status != OutcomeStatus.WAITING,
    )
    return set(await session.exec(statement))


async def settle(
    session: Session,
    actor: Actor,
    results: Sequence[tuple[UUID, OutcomeStatus, dict[str, Any]]],
) -> None:
    """Write what became of intents."""
    if not results:
        return
    await run(
        session,
        "update intent i set status = r.status, outcome = cast(r.outcome as jsonb)"
        " from unnest(cast(:ids as uuid[]), cast(:statuses as text[]), cast(:outcomes as text[]))"
        " as r (id, status, outcome) where i.tenant_id = :t and i.id = r.id",
        t=actor.tenant_id,
        ids=[row_id for row_id, *_ in results],
        statuses=[str(status) for _, status, _ in results],
        outcomes=[msgspec.json.encode(outcome).decode() for *_, outcome in results],
    )


async def find_gaps(
    session: Session, actor: Actor, clock: DeviceClock, arrived: Set[int]
) -> list[int]:
    """Return the device's numbers that never arrived, and remember up to where none is missing.

    `arrived` are numbers of this push: an intent that an older installation had sent is stored under that.
    """
    result = await run(
        session,
        """
        select h.top, array(
          select s from generate_series(cast(:first as bigint), h.top) s
          where not exists (
            select 1 from intent i
            where i.tenant_id = :t and i.device_id = :d and i.device_seq = s)
          order by s limit :most) as missing
        from (
          select least(coalesce(max(device_seq), 0), cast(:furthest as bigint)) as top
          from intent where tenant_id = :t and device_id = :d) h
        """,
        t=actor.tenant_id,
        d=actor.device_id,
        first=clock.last_seq + 1,
        furthest=clock.last_seq + _LOOK_AHEAD,
        most=MOST_WANTED,
    )
    found = result.one()
    missing = [seq for seq in found.missing if seq not in arrived]
    whole = missing[0] - 1 if missing else found.top
    if whole > clock.last_seq:
        await note_stored(session, actor, clock, whole)
    return missing


async def find_outcome(session: Session, actor: Actor, intent_id: UUID) -> Intent:
    """Return an intent that a device of this user sent."""
    statement = (
        select(Intent)
        .join(
            Device,
            (col(Device.tenant_id) == Intent.tenant_id) & (col(Device.id) == Intent.device_id),
        )
        .where(
            Intent.tenant_id == actor.tenant_id,
            Intent.id == intent_id,
            Device.user_id == actor.user_id,
        )
    )
    found = (await session.exec(statement)).one_or_none()
    if found is None:
        raise NotFound(f"No intent {intent_id}.")
    return found


async def list_outcomes(
    session: Session, actor: Actor, *, limit: int, after: UUID | None
) -> list[Intent]:
    """Return what this very device sent, in order of id."""
    statement = (
        select(Intent)
        .where(Intent.tenant_id == actor.tenant_id, Intent.device_id == actor.device_id)
        .order_by(col(Intent.id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(Intent.id > after)
    return list(await session.exec(statement))


async def next_seq(session: Session, tenant_id: UUID, device_id: UUID) -> int:
    """Return the number after the highest that a device has used, as far as we know."""
    result = await run(
        session,
        "select coalesce(max(device_seq), 0) + 1 from intent where tenant_id = :t and device_id = :d",
        t=tenant_id,
        d=device_id,
    )
    return int(result.scalar_one())


def quarantine(problem: Problem) -> tuple[OutcomeStatus, dict[str, Any]]:
    return OutcomeStatus.QUARANTINED, {"problem": problem.to_json()}
