"""Intents in the database: stored raw before anything is made of them, with what became of each."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlmodel import col, select

from fsm.actors import Actor
from fsm.database import Session, fetch, run
from fsm.problems import Problem
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
    """A device's row, held until the commit: pushes of one device take turns.

    `technician_id` is who its user is in the field, None where they are nobody there.
    """

    registered_at: datetime
    last_seq: int
    samples: list[int]
    technician_id: UUID | None

    @property
    def offset(self) -> timedelta:
        """Server minus device."""
        return device_time.offset_of(self.samples)


Storing = tuple[UUID, Sent, OutcomeStatus, dict[str, Any]]
"""An intent to be stored: its id, what was sent, what is known of it so far"""


async def lock_device(session: Session, actor: Actor) -> DeviceClock:
    assert actor.device_id is not None
    return await lock_device_of(session, actor.tenant_id, actor.device_id)


_LOCK_DEVICE = """
select d.registered_at, s.last_seq, s.offset_samples, t.id as technician_id
from sync_device s
join device d on d.tenant_id = $1 and d.id = s.device_id
left join technician t on t.tenant_id = $1 and t.user_id = d.user_id
where s.tenant_id = $1 and s.device_id = $2 for update of s
"""


async def lock_device_of(session: Session, tenant_id: UUID, device_id: UUID) -> DeviceClock:
    found = await fetch(session, _LOCK_DEVICE, tenant_id, device_id)
    if not found:
        await run(
            session,
            "insert into sync_device (tenant_id, device_id, last_seq, clock_offset_ms,"
            " offset_samples) values (:t, :d, 0, 0, '[]') on conflict do nothing",
            t=tenant_id,
            d=device_id,
        )
        found = await fetch(session, _LOCK_DEVICE, tenant_id, device_id)
    return DeviceClock(*found[0])


async def note_clock(
    session: Session, actor: Actor, clock: DeviceClock, sample: timedelta
) -> DeviceClock:
    """Take a sample of the device's clock (server minus device) into account."""
    noted = replace(clock, samples=device_time.with_sample(clock.samples, sample))
    if noted.samples != clock.samples:
        await fetch(
            session,
            "update sync_device set offset_samples = cast(cast($3 as text) as jsonb),"
            " clock_offset_ms = $4 where tenant_id = $1 and device_id = $2",
            actor.tenant_id,
            actor.device_id,
            msgspec.json.encode(noted.samples).decode(),
            noted.offset // timedelta(milliseconds=1),
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


_STORE = """
insert into intent (tenant_id, id, device_id, device_seq, type, body, body_sha256,
  received_at, occurred_at, status, outcome)
select $1, i.id, $2, i.seq, i.type, cast(i.body as jsonb), i.sha256, $3, i.occurred_at,
  i.status, cast(i.outcome as jsonb)
from unnest(cast($4 as uuid[]), cast($5 as bigint[]), cast($6 as text[]), cast($7 as text[]),
  cast($8 as bytea[]), cast($9 as timestamptz[]), cast($10 as text[]), cast($11 as text[]))
  as i (id, seq, type, body, sha256, occurred_at, status, outcome)
order by i.id
on conflict (tenant_id, id) do nothing
returning id
"""


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
    found = await fetch(
        session,
        _STORE,
        actor.tenant_id,
        actor.device_id,
        now,
        [row_id for row_id, *_ in rows],
        [sent.seq for _, sent, *_ in rows],
        [sent.type for _, sent, *_ in rows],
        [sent.body for _, sent, *_ in rows],
        [sent.sha256 for _, sent, *_ in rows],
        [sent.envelope.occurred_at if sent.envelope else None for _, sent, *_ in rows],
        [str(status) for *_, status, _ in rows],
        [_as_json(outcome) for *_, outcome in rows],
    )
    return {row_id for (row_id,) in found}


def _as_json(outcome: dict[str, Any]) -> str:
    return msgspec.json.encode(outcome).decode() if outcome else "{}"


async def list_known(session: Session, actor: Actor, ids: Sequence[UUID]) -> dict[UUID, Known]:
    """Return what is stored under these ids, whichever device sent it."""
    statement = select(Intent.id, Intent.body_sha256, Intent.status, Intent.outcome).where(
        Intent.tenant_id == actor.tenant_id, col(Intent.id).in_(ids)
    )
    return {
        row_id: Known(row_id, digest, OutcomeStatus(status), dict(outcome))
        for row_id, digest, status, outcome in await session.exec(statement)
    }


_REUSED = """
select distinct device_seq from intent
where tenant_id = $1 and device_id = $2 and device_seq = any(cast($3 as bigint[]))
  and id <> all(cast($4 as uuid[]))
"""


async def find_reused(session: Session, actor: Actor, new: Mapping[UUID, int]) -> set[int]:
    """Return which numbers of new intents (id → number) the device has given to more than one intent."""
    if not new:
        return set()
    ids, seqs = zip(*new.items(), strict=True)
    found = await fetch(session, _REUSED, actor.tenant_id, actor.device_id, seqs, ids)
    twice = {seq for seq, times in Counter(seqs).items() if times > 1}
    return twice.union(seq for (seq,) in found)


_WAITING = """
select id, body, received_at from intent
where tenant_id = $1 and device_id = $2 and status = 'waiting'
order by device_seq, id limit $3
"""


async def list_waiting(session: Session, actor: Actor, limit: int) -> list[Waiting]:
    """Return the device's intents that are stored and wait to be applied, in the device's order."""
    return [
        Waiting(row_id, Envelope.model_validate(body), received_at)
        for row_id, body, received_at in await fetch(
            session, _WAITING, actor.tenant_id, actor.device_id, limit
        )
    ]


async def list_settled(session: Session, actor: Actor, ids: Sequence[UUID]) -> set[UUID]:
    """Return which of these intents are stored and no longer waiting."""
    if not ids:
        return set()
    found = await fetch(
        session,
        "select id from intent where tenant_id = $1 and id = any(cast($2 as uuid[]))"
        " and status <> 'waiting'",
        actor.tenant_id,
        ids,
    )
    return {row_id for (row_id,) in found}


async def settle(
    session: Session,
    actor: Actor,
    results: Sequence[tuple[UUID, OutcomeStatus, dict[str, Any]]],
) -> None:
    """Write what became of intents."""
    if not results:
        return
    await fetch(
        session,
        "update intent i set status = r.status, outcome = cast(r.outcome as jsonb)"
        " from unnest(cast($2 as uuid[]), cast($3 as text[]), cast($4 as text[]))"
        " as r (id, status, outcome) where i.tenant_id = $1 and i.id = r.id",
        actor.tenant_id,
        [row_id for row_id, *_ in results],
        [str(status) for _, status, _ in results],
        [_as_json(outcome) for *_, outcome in results],
    )


_GAPS = """
with gaps as (
  select h.top, array(
    select s from generate_series(cast($3 as bigint), h.top) s
    where s <> all(cast($5 as bigint[])) and not exists (
      select 1 from intent i where i.tenant_id = $1 and i.device_id = $2 and i.device_seq = s)
    order by s limit $6) as missing
  from (
    select least(coalesce(max(device_seq), 0), cast($4 as bigint)) as top
    from intent where tenant_id = $1 and device_id = $2) h
),
whole as (select coalesce(missing[1] - 1, top) as upto, missing from gaps),
noted as (
  update sync_device set last_seq = upto from whole
  where tenant_id = $1 and device_id = $2 and last_seq < upto
)
select missing from whole
"""


async def find_gaps(
    session: Session, actor: Actor, clock: DeviceClock, arrived: Set[int]
) -> list[int]:
    """Return the device's numbers that never arrived, and remember up to where none is missing.

    `arrived` are numbers of this push: an intent that an older installation had sent is stored under that.
    """
    found = await fetch(
        session,
        _GAPS,
        actor.tenant_id,
        actor.device_id,
        clock.last_seq + 1,
        clock.last_seq + _LOOK_AHEAD,
        list(arrived),
        MOST_WANTED,
    )
    missing: list[int] = found[0]["missing"]
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
    return await session.found(statement, f"No intent {intent_id}.")


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
