"""The history of each UTC day under one signed hash, and proofs that an event belongs to it.

An event belongs to the day on which it was sealed, so what arrives late changes no root of before. The
numbers that a root covers follow those of its predecessor without a gap; an idle day has a root over
nothing. Two published roots are consistent when the chain leads from the one's `chain` to the other's.

A history that was set back to a backup numbers anew what had been numbered after it. The event
`history.restored` says so inside the chain, and `restorations` in every later root.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from fsm.database import Session, run
from fsm.events import GENESIS, ChainHead, Event, EventSeal
from fsm.evidence import merkle, statements
from fsm.evidence.receipts import ReceiptKey, encoded
from fsm.evidence.signing_keys import publish
from fsm.evidence.statements import OPEN_ROOT, ROOT
from fsm.evidence.tables import DailyRoot
from fsm.problems import NotFound

RESTORED = "history.restored"
"""The kind of the event with which a history goes on after a restore."""

_AT_ONCE = 10_000
_MOST_DAYS = 400


async def make_daily_roots(
    session: Session, tenant_id: UUID, key: ReceiptKey, now: datetime
) -> list[DailyRoot]:
    """Sign a root for each day that is over and has none; return them. Safe to run again and at once.

    Holds the lock under which events are sealed: no sealing that began in the old day is still under way.
    Days are left for the next time while an event received in them waits for its number.
    """
    head = await _lock_chain(session, tenant_id)
    if head is None:
        return []
    last = await _last_root(session, tenant_id)
    day = await _next_day(session, tenant_id, last)
    today = now.astimezone(UTC).date()
    if day is None or day >= today or await _is_unsealed(session, tenant_id, _midnight(today)):
        return []
    await publish(session, tenant_id, key, now)
    first = last.first + last.leaves if last else 1
    chain_hash = last.chain_hash if last else GENESIS
    made: list[DailyRoot] = []
    while day < today and len(made) < _MOST_DAYS:
        until = await _first_sealed_since(session, tenant_id, first, _midnight(day + timedelta(1)))
        leaves = (until or head + 1) - first
        covered = await _cover(session, tenant_id, first, leaves, chain_hash)
        signed = _statement(ROOT, tenant_id, day, covered, key)
        root = DailyRoot(
            tenant_id=tenant_id,
            sealed_on=day,
            first=first,
            leaves=covered.leaves,
            root_hash=covered.root_hash,
            chain_hash=covered.chain_hash,
            restorations=covered.restorations,
            kid=key.kid,
            signature=statements.signature_of(signed),
            made_at=now,
        )
        session.add(root)
        made.append(root)
        first, chain_hash = first + covered.leaves, covered.chain_hash
        day += timedelta(1)
    await session.flush()
    return made


async def find_daily_root(session: Session, tenant_id: UUID, day: date) -> DailyRoot:
    """Return the root of a day; one that is not over, or was before the first event, has none."""
    root = await session.get(DailyRoot, (tenant_id, day))
    if root is None:
        raise NotFound(
            f"There is no root of {day}: that day is not over yet, or lies before the first event."
        )
    return root


async def find_wrong_root(session: Session, tenant_id: UUID) -> date | None:
    """Recompute every daily root from the chain; return the first day whose root differs, None for none."""
    first, chain_hash = 1, GENESIS
    day: date | None = None
    statement = (
        select(DailyRoot).where(DailyRoot.tenant_id == tenant_id).order_by(col(DailyRoot.sealed_on))
    )
    for root in (await session.exec(statement)).all():
        covered = await _cover(session, tenant_id, root.first, root.leaves, chain_hash)
        found = (root.first, root.leaves, root.root_hash, root.chain_hash)
        made = (first, covered.leaves, covered.root_hash, covered.chain_hash)
        if found != made or (day is not None and root.sealed_on != day + timedelta(1)):
            return root.sealed_on
        first, chain_hash, day = first + root.leaves, root.chain_hash, root.sealed_on
    return None


async def is_in_chain(session: Session, tenant_id: UUID, published: Mapping[str, Any]) -> bool:
    """Return whether the chain as it is leads through a root that somebody kept.

    Its signature is for the caller to check. After a restore it need not: see `list_restorations`.
    """
    first, leaves = int(published["first"]), int(published["leaves"])
    before = await session.get(EventSeal, (tenant_id, first - 1))
    chain_hash = before.hash if before else GENESIS
    covered = await _cover(session, tenant_id, first, leaves, chain_hash)
    return (covered.leaves, covered.root_hash.hex(), covered.chain_hash.hex()) == (
        leaves,
        published["root"],
        published["chain"],
    )


async def list_restorations(session: Session, tenant_id: UUID) -> list[tuple[int, dict[str, Any]]]:
    """Return when history was set back to a backup: the number of the event that says so, and its data.

    Its `after` is the last number that was kept; what followed it then was recorded anew.
    """
    statement = (
        select(EventSeal.number, Event.data)
        .join(
            Event,
            (col(Event.tenant_id) == EventSeal.tenant_id) & (col(Event.id) == EventSeal.event_id),
        )
        .where(
            Event.tenant_id == tenant_id,
            Event.entity == "tenant",
            Event.entity_id == tenant_id,
            Event.kind == RESTORED,
        )
        .order_by(col(EventSeal.number))
    )
    return [(number, dict(data)) for number, data in await session.exec(statement)]


def published_form(root: DailyRoot) -> dict[str, Any]:
    """Return the signed statement as it is published and lies in evidence packs."""
    covered = _Covered(root.first, root.leaves, root.root_hash, root.chain_hash, root.restorations)
    return {
        **_members(ROOT, root.tenant_id, root.sealed_on, covered),
        "kid": root.kid,
        "signature": encoded(root.signature),
    }


# --- proofs -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proofs:
    """Signed roots by the place where proofs name them, and each number's proof.

    A proof is {"root", "index", "path"}: the root's place, the leaf's index in it, the path in hexadecimal.
    """

    roots: list[dict[str, Any]]
    by_number: Mapping[int, dict[str, Any]]


async def prove(
    session: Session, tenant_id: UUID, key: ReceiptKey, numbers: Iterable[int]
) -> Proofs:
    """Prove that sealed events belong to the history: to the root of their day, else to one signed now.

    The snapshot decides what the root signed now covers, no clock.
    """
    wanted = sorted(set(numbers))
    roots: list[dict[str, Any]] = []
    by_number: dict[int, dict[str, Any]] = {}
    while wanted:
        covering = (
            await session.exec(
                select(DailyRoot)
                .where(
                    DailyRoot.tenant_id == tenant_id,
                    DailyRoot.first <= wanted[0],
                    col(DailyRoot.first) + col(DailyRoot.leaves) > wanted[0],
                )
                .limit(1)
            )
        ).one_or_none()
        if covering is not None:
            first, last = covering.first, covering.first + covering.leaves - 1
            signed = published_form(covering)
            tree = merkle.Tree([d async for d in _hashes(session, tenant_id, first, last)])
        else:
            first, tree, signed = await _sign_open_root(session, tenant_id, key)
            last = first + tree.size - 1
        inside = [number for number in wanted if first <= number <= last]
        for number in inside:
            path = tree.proof(number - first)
            by_number[number] = {
                "root": len(roots),
                "index": number - first,
                "path": [sibling.hex() for sibling in path],
            }
        roots.append(signed)
        wanted = wanted[len(inside) :]
    return Proofs(roots, by_number)


async def _sign_open_root(
    session: Session, tenant_id: UUID, key: ReceiptKey
) -> tuple[int, merkle.Tree, dict[str, Any]]:
    last = await _last_root(session, tenant_id)
    first = last.first + last.leaves if last else 1
    number, chain_hash = (
        await session.exec(
            select(ChainHead.number, ChainHead.hash).where(ChainHead.tenant_id == tenant_id)
        )
    ).one()
    tree = merkle.Tree([d async for d in _hashes(session, tenant_id, first, number)])
    restorations = await _count_restorations(session, tenant_id, number)
    covered = _Covered(first, tree.size, tree.root, chain_hash, restorations)
    return first, tree, _statement(OPEN_ROOT, tenant_id, None, covered, key)


# --- the statement ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Covered:
    first: int
    leaves: int
    root_hash: bytes
    chain_hash: bytes
    restorations: int


def _members(kind: str, tenant_id: UUID, day: date | None, covered: _Covered) -> dict[str, Any]:
    return {
        "type": kind,
        "tenant_id": str(tenant_id),
        **({} if day is None else {"date": day.isoformat()}),
        "first": covered.first,
        "leaves": covered.leaves,
        "root": covered.root_hash.hex(),
        "chain": covered.chain_hash.hex(),
        "restorations": covered.restorations,
    }


def _statement(
    kind: str, tenant_id: UUID, day: date | None, covered: _Covered, key: ReceiptKey
) -> dict[str, Any]:
    return statements.sign(key, **_members(kind, tenant_id, day, covered))


# --- rows -------------------------------------------------------------------------------------------------


async def _lock_chain(session: Session, tenant_id: UUID) -> int | None:
    statement = select(ChainHead.number).where(ChainHead.tenant_id == tenant_id).with_for_update()
    return (await session.exec(statement)).one_or_none()


async def _last_root(session: Session, tenant_id: UUID) -> DailyRoot | None:
    statement = (
        select(DailyRoot)
        .where(DailyRoot.tenant_id == tenant_id)
        .order_by(col(DailyRoot.sealed_on).desc())
        .limit(1)
    )
    return (await session.exec(statement)).one_or_none()


async def _next_day(session: Session, tenant_id: UUID, last: DailyRoot | None) -> date | None:
    """Return the first day without a root; None before anything was sealed."""
    if last is not None:
        return last.sealed_on + timedelta(1)
    first = await session.get(EventSeal, (tenant_id, 1))
    return None if first is None else first.sealed_at.astimezone(UTC).date()


async def _is_unsealed(session: Session, tenant_id: UUID, before: datetime) -> bool:
    result = await run(
        session,
        "select exists (select 1 from event_unsealed u"
        " join event e on e.tenant_id = u.tenant_id and e.id = u.event_id"
        " where u.tenant_id = :t and e.received_at < :before)",
        t=tenant_id,
        before=before,
    )
    return bool(result.scalar_one())


async def _first_sealed_since(
    session: Session, tenant_id: UUID, number: int, since: datetime
) -> int | None:
    statement = (
        select(EventSeal.number)
        .where(
            EventSeal.tenant_id == tenant_id,
            EventSeal.number >= number,
            EventSeal.sealed_at >= since,
        )
        .order_by(col(EventSeal.number))
        .limit(1)
    )
    return (await session.exec(statement)).one_or_none()


async def _cover(
    session: Session, tenant_id: UUID, first: int, leaves: int, chain_hash: bytes
) -> "_Covered":
    """Return what a root over these numbers covers; `chain_hash` is the one before them."""
    growing = merkle.Growing()
    async for digest in _hashes(session, tenant_id, first, first + leaves - 1):
        growing.add(digest)
        chain_hash = digest
    restorations = await _count_restorations(session, tenant_id, first + leaves - 1)
    return _Covered(first, growing.size, growing.root, chain_hash, restorations)


async def _hashes(session: Session, tenant_id: UUID, first: int, last: int) -> AsyncIterator[bytes]:
    """Yield the chain hashes of a range of numbers, some thousands in memory at a time."""
    while first <= last:
        statement = (
            select(EventSeal.number, EventSeal.hash)
            .where(
                EventSeal.tenant_id == tenant_id,
                EventSeal.number >= first,
                EventSeal.number <= last,
            )
            .order_by(col(EventSeal.number))
            .limit(_AT_ONCE)
        )
        rows = (await session.exec(statement)).all()
        if not rows:
            return
        for _, digest in rows:
            yield digest
        first = rows[-1][0] + 1


async def _count_restorations(session: Session, tenant_id: UUID, number: int) -> int:
    return sum(at <= number for at, _ in await list_restorations(session, tenant_id))


def _midnight(day: date) -> datetime:
    """Return the beginning of a UTC day."""
    return datetime.combine(day, time(), UTC)
