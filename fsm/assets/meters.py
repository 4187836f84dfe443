"""Counters on assets and their readings: hours, cycles, kilometres.

A counter only rises, except where it rolls over (it reached its end and began again at zero) or was
reset (somebody replaced or zeroed it). A lower reading says which of the two it is, or is refused.
Readings may arrive in any order: each is judged against its neighbours in time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.assets import queries
from fsm.assets.tables import Asset, Meter, MeterReading
from fsm.database import Session, revise, touch, utc
from fsm.problems import Conflict, Invalid, Problem

AHEAD = timedelta(minutes=5)
"""How far a reading may lie in the server's future: clocks differ a little."""

_STORED = Decimal("0.0001")
"""What a reading is rounded to, so that it is told as it will be read."""


class ReadingRefused(Problem):
    """The reading contradicts the meter; `previous` and `following` are the neighbours in time, if any."""

    code, status, title = "reading-refused", 422, "The reading contradicts the meter"


# --- the rule ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """What a counter showed, and whether it had begun anew since the reading before."""

    value: Decimal
    is_reset: bool = False
    is_rollover: bool = False


def check_reading(
    reading: Reading,
    *,
    previous: Reading | None,
    following: Reading | None,
    rollover_at: Decimal | None,
) -> None:
    """Refuse a reading that cannot stand between its neighbours.

    `rollover_at` is the value the counter never shows: after it comes zero. Without one a counter
    cannot roll over.
    """
    facts = {
        "value": str(reading.value),
        "previous": None if previous is None else str(previous.value),
        "following": None if following is None else str(following.value),
    }
    if reading.is_reset and reading.is_rollover:
        raise ReadingRefused("A counter was reset or has rolled over, not both.", **facts)
    if reading.value < 0:
        raise ReadingRefused("A counter shows no less than zero.", **facts)
    if rollover_at is not None and reading.value >= rollover_at:
        raise ReadingRefused(
            f"This counter begins again at {rollover_at:f}, so it never shows {reading.value:f}.",
            **facts,
        )
    if reading.is_rollover and rollover_at is None:
        raise ReadingRefused(
            "This meter has no value at which it rolls over. Set one, or call it a reset.", **facts
        )
    if reading.is_rollover and (previous is None or previous.value <= reading.value):
        raise ReadingRefused(
            "A counter that has rolled over shows less than before; this reading does not.", **facts
        )
    begins_anew = reading.is_reset or reading.is_rollover
    if previous is not None and reading.value < previous.value and not begins_anew:
        raise ReadingRefused(
            f"{reading.value:f} is below the reading before, {previous.value:f}. "
            "Say whether the counter was reset or has rolled over.",
            **facts,
        )
    if following is None or following.is_reset:
        return
    if following.is_rollover and following.value >= reading.value:
        raise ReadingRefused(
            f"The counter rolled over before it showed {following.value:f}, so it showed more than "
            "that at this instant.",
            **facts,
        )
    if not following.is_rollover and following.value < reading.value:
        raise ReadingRefused(
            f"{reading.value:f} is above the reading after it, {following.value:f}.", **facts
        )


def advance(previous: Reading, reading: Reading, rollover_at: Decimal | None) -> Decimal:
    """Return how far the counter ran between two readings.

    After a reset it is what the new count shows: a lower bound, for nobody read it just before.
    """
    if reading.is_reset:
        return reading.value
    if reading.is_rollover and rollover_at is not None:
        return rollover_at - previous.value + reading.value
    return reading.value - previous.value


# --- meters -----------------------------------------------------------------------------------------------


async def list_meters(session: Session, actor: Actor, asset_id: UUID) -> Sequence[Meter]:
    await queries.find_asset(session, actor, asset_id)
    statement = (
        select(Meter)
        .where(Meter.tenant_id == actor.tenant_id, Meter.asset_id == asset_id)
        .order_by(col(Meter.code))
    )
    return (await session.exec(statement)).all()


async def find_meter(
    session: Session, actor: Actor, meter_id: UUID, *, lock: bool = False
) -> Meter:
    """Return one meter of an asset that the actor may see; held until the end when `lock` is set."""
    statement = (
        select(Meter)
        .join(Asset, (col(Asset.tenant_id) == Meter.tenant_id) & (col(Asset.id) == Meter.asset_id))
        .where(Meter.tenant_id == actor.tenant_id, Meter.id == meter_id)
    )
    if actor.customer_id is not None:
        statement = statement.where(Asset.customer_id == actor.customer_id)
    if lock:
        statement = statement.with_for_update(of=Meter, key_share=True).execution_options(
            populate_existing=True
        )
    return await session.found(statement, f"No meter {meter_id}.")


async def add_meter(
    session: Session, actor: Actor, now: datetime, asset_id: UUID, values: Mapping[str, Any]
) -> Meter:
    asset = await queries.find_asset(session, actor, asset_id)
    meter = Meter(tenant_id=actor.tenant_id, asset_id=asset.id, **values)
    session.add(meter)
    await session.flush()
    await events.record(
        session,
        actor,
        "meter.added",
        "asset",
        asset.id,
        now=now,
        meter_id=str(meter.id),
        code=meter.code,
    )
    touch(session, meter)
    return meter


async def edit_meter(
    session: Session,
    actor: Actor,
    now: datetime,
    meter_id: UUID,
    rev: int,
    changes: Mapping[str, Any],
) -> Meter:
    """Rename a meter or set where it rolls over; a value already reached by a reading is refused."""
    meter = await find_meter(session, actor, meter_id, lock=True)
    end = changes.get("rollover_at")
    if end is not None:
        statement = (
            select(col(MeterReading.value))
            .where(
                MeterReading.tenant_id == actor.tenant_id,
                MeterReading.meter_id == meter_id,
                MeterReading.value >= end,
            )
            .limit(1)
        )
        shown = (await session.exec(statement)).first()
        if shown is not None:
            raise Invalid(
                f"The counter has already shown {shown:f}.", errors=[{"at": "/rollover_at"}]
            )
    if revise(meter, rev, changes):
        await session.flush()
        await events.record(
            session,
            actor,
            "meter.edited",
            "asset",
            meter.asset_id,
            now=now,
            meter_id=str(meter.id),
            fields=sorted(changes),
        )
        touch(session, meter)
    return meter


# --- readings ---------------------------------------------------------------------------------------------


def _reading(row: MeterReading | None) -> Reading | None:
    return None if row is None else Reading(row.value, row.is_reset, row.is_rollover)


async def last_reading(
    session: Session, actor: Actor, meter_id: UUID, *, before: datetime | None = None
) -> MeterReading | None:
    """Return the newest reading of a meter, or the newest before an instant; None where there is none."""
    statement = (
        select(MeterReading)
        .where(MeterReading.tenant_id == actor.tenant_id, MeterReading.meter_id == meter_id)
        .order_by(col(MeterReading.read_at).desc())
        .limit(1)
    )
    if before is not None:
        statement = statement.where(MeterReading.read_at < before)
    return (await session.exec(statement)).one_or_none()


async def last_readings(
    session: Session, actor: Actor, asset_id: UUID
) -> Sequence[tuple[Meter, MeterReading | None]]:
    """Return each meter of an asset with its newest reading, by code."""
    meters = await list_meters(session, actor, asset_id)
    statement = (
        select(MeterReading)
        .ext(distinct_on(col(MeterReading.meter_id)))
        .where(
            MeterReading.tenant_id == actor.tenant_id,
            col(MeterReading.meter_id).in_([meter.id for meter in meters]),
        )
        .order_by(col(MeterReading.meter_id), col(MeterReading.read_at).desc())
    )
    newest = {row.meter_id: row for row in await session.exec(statement)}
    return [(meter, newest.get(meter.id)) for meter in meters]


async def list_readings(
    session: Session, actor: Actor, meter_id: UUID, *, before: datetime | None, limit: int
) -> list[tuple[MeterReading, Decimal | None]]:
    """Return (reading, how far the counter ran since the one before it), newest first.

    None for the first reading of all.
    """
    meter = await find_meter(session, actor, meter_id)
    statement = (
        select(MeterReading)
        .where(MeterReading.tenant_id == actor.tenant_id, MeterReading.meter_id == meter_id)
        .order_by(col(MeterReading.read_at).desc())
        .limit(limit + 1)  # one more, to know how far the oldest on the page has run
    )
    if before is not None:
        statement = statement.where(MeterReading.read_at < before)
    rows = (await session.exec(statement)).all()
    listed: list[tuple[MeterReading, Decimal | None]] = []
    for place, row in enumerate(rows[:limit]):
        previous = _reading(rows[place + 1]) if place + 1 < len(rows) else None
        ran = None
        if previous is not None:
            now_shown = Reading(row.value, row.is_reset, row.is_rollover)
            ran = advance(previous, now_shown, meter.rollover_at)
        listed.append((row, ran))
    return listed


async def add_reading(
    session: Session,
    actor: Actor,
    now: datetime,
    meter_id: UUID,
    *,
    read_at: datetime,
    value: Decimal,
    is_reset: bool = False,
    is_rollover: bool = False,
    source: str = "hand",
    reading_id: UUID | None = None,
) -> MeterReading:
    """Record what a counter showed at `read_at`; a reading is never changed afterwards.

    Refused with `ReadingRefused` where it contradicts its neighbours in time, with `Conflict` where
    another was made at the same instant; the same reading again is the one that is there. The meter's
    row is held, so two readings take turns.
    """
    meter = await find_meter(session, actor, meter_id, lock=True)
    read_at, value = utc(read_at), value.quantize(_STORED)
    if read_at > now + AHEAD:
        raise Invalid("A reading cannot be from the future.", errors=[{"at": "/read_at"}])
    same_instant = select(MeterReading).where(
        MeterReading.tenant_id == actor.tenant_id,
        MeterReading.meter_id == meter_id,
        MeterReading.read_at == read_at,
    )
    already = (await session.exec(same_instant)).one_or_none()
    if already is not None:
        if _reading(already) == Reading(value, is_reset, is_rollover):
            return already
        raise Conflict(
            f"There is already a reading at this instant: {already.value:f}.",
            reading_id=str(already.id),
        )
    previous = await last_reading(session, actor, meter_id, before=read_at)
    after = (
        select(MeterReading)
        .where(
            MeterReading.tenant_id == actor.tenant_id,
            MeterReading.meter_id == meter_id,
            MeterReading.read_at > read_at,
        )
        .order_by(col(MeterReading.read_at))
        .limit(1)
    )
    following = (await session.exec(after)).one_or_none()
    check_reading(
        Reading(value, is_reset, is_rollover),
        previous=_reading(previous),
        following=_reading(following),
        rollover_at=meter.rollover_at,
    )
    row = MeterReading(
        tenant_id=actor.tenant_id,
        meter_id=meter_id,
        read_at=read_at,
        value=value,
        is_reset=is_reset,
        is_rollover=is_rollover,
        source=source,
        **({} if reading_id is None else {"id": reading_id}),
    )
    session.add(row)
    await session.flush()
    await events.record(
        session,
        actor,
        "meter.read",
        "asset",
        meter.asset_id,
        now=now,
        meter_id=str(meter_id),
        value=str(value),
        read_at=read_at.isoformat(),
        is_reset=is_reset,
        is_rollover=is_rollover,
    )
    touch(session, row)
    return row
