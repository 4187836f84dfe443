"""Failures and outages: the event, and the interval in which the machine was down or degraded.

They are kept apart, because an outage may be planned or come from outside, and a failure may be
recorded long before anybody knows when it was over. A failure still looks after one outage of its
own, which has the failure's id: it runs from `failed_at`, or from detection where nobody knows
better, to `restored_at`, and stays open until then. It follows when those instants are corrected. A
failure that was over at once has none. Every other outage is opened and closed by a person.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.dialects.postgresql import Range
from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm import events
from fsm.actors import Actor
from fsm.assets import queries
from fsm.assets.tables import Asset, Failure, Outage, OutageCause
from fsm.database import Session, revise, run, touch, utc
from fsm.problems import Conflict, Invalid

AHEAD = timedelta(minutes=5)
"""How far an instant may lie in the server's future: clocks differ a little."""

_TIMES = ("failed_at", "detected_at", "restored_at")


def _check_times(now: datetime, times: Mapping[str, datetime | None]) -> None:
    """Refuse instants that are ahead of the server or out of their order, naming each one."""
    failed_at, detected_at, restored_at = (times[name] for name in _TIMES)
    errors = [
        {"at": f"/{name}", "detail": "in the future"}
        for name, at in times.items()
        if at is not None and at > now + AHEAD
    ]
    if failed_at is not None and detected_at is not None and failed_at > detected_at:
        errors.append({"at": "/failed_at", "detail": "later than the detection"})
    if restored_at is not None and detected_at is not None and restored_at < detected_at:
        errors.append({"at": "/restored_at", "detail": "earlier than the detection"})
    if errors:
        raise Invalid(
            "A failure happens, is detected, then is restored; none of that in the future.",
            errors=errors,
        )


# --- failures ---------------------------------------------------------------------------------------------


async def find_failure(
    session: Session, actor: Actor, failure_id: UUID, *, lock: bool = False
) -> Failure:
    """Return one failure of an asset that the actor may see; held until the end when `lock` is set."""
    statement = (
        select(Failure)
        .join(
            Asset, (col(Asset.tenant_id) == Failure.tenant_id) & (col(Asset.id) == Failure.asset_id)
        )
        .where(Failure.tenant_id == actor.tenant_id, Failure.id == failure_id)
    )
    if actor.customer_id is not None:
        statement = statement.where(Asset.customer_id == actor.customer_id)
    if lock:
        statement = statement.with_for_update(of=Failure, key_share=True).execution_options(
            populate_existing=True
        )
    return await session.found(statement, f"No failure {failure_id}.")


async def list_failures(
    session: Session, actor: Actor, asset_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[Failure]:
    """Return the failures of one asset, those detected last first."""
    await queries.find_asset(session, actor, asset_id)
    statement = (
        select(Failure)
        .where(Failure.tenant_id == actor.tenant_id, Failure.asset_id == asset_id)
        .order_by(col(Failure.detected_at).desc(), col(Failure.id).desc())
        .limit(limit)
    )
    if after is not None:
        last = await find_failure(session, actor, after)
        statement = statement.where(
            (col(Failure.detected_at) < last.detected_at)
            | ((col(Failure.detected_at) == last.detected_at) & (col(Failure.id) < last.id))
        )
    return (await session.exec(statement)).all()


async def record_failure(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    asset_id: UUID,
    detected_at: datetime,
    failed_at: datetime | None = None,
    restored_at: datetime | None = None,
    mode: str | None = None,
    mechanism: str | None = None,
    cause: str | None = None,
    exclusion: str | None = None,
    is_degraded: bool = False,
    has_outage: bool = True,
    source: str | None = None,
    source_id: str | None = None,
    failure_id: UUID | None = None,
) -> Failure:
    """Record that an asset failed, and open its outage from `failed_at`, else from `detected_at`.

    With `restored_at` the outage is closed at once. `is_degraded`: the machine went on working badly.
    `has_outage` False is for imports that bring their outages themselves.
    """
    await queries.find_asset(session, actor, asset_id)
    failure = Failure(
        tenant_id=actor.tenant_id,
        id=failure_id or uuid7(),
        asset_id=asset_id,
        mode=mode,
        mechanism=mechanism,
        cause=cause,
        exclusion=exclusion,
        source=source,
        source_id=source_id,
        failed_at=None if failed_at is None else utc(failed_at),
        detected_at=utc(detected_at),
        restored_at=None if restored_at is None else utc(restored_at),
    )
    _check_times(now, _times(failure))
    session.add(failure)
    await session.flush()
    if has_outage:
        await _keep_outage(session, failure, is_degraded=is_degraded)
    await events.record(
        session,
        actor,
        "failure.recorded",
        "failure",
        failure.id,
        now=now,
        asset_id=str(asset_id),
        failed_at=_text(failure.failed_at),
        detected_at=_text(failure.detected_at),
        restored_at=_text(failure.restored_at),
    )
    touch(session, failure)
    return failure


async def restore_failure(
    session: Session, actor: Actor, now: datetime, failure_id: UUID, *, restored_at: datetime
) -> Failure:
    """Say when the function was back, which closes the failure's own outage.

    Saying the same again changes nothing; another instant is a correction (`edit_failure`), not this.
    """
    failure = await find_failure(session, actor, failure_id, lock=True)
    restored_at = utc(restored_at)
    if failure.restored_at == restored_at:
        return failure
    if failure.restored_at is not None:
        raise Conflict(
            "This failure is already restored. Correct the instant if it is wrong.",
            restored_at=failure.restored_at.isoformat(),
            rev=failure.rev,
        )
    _check_times(now, {**_times(failure), "restored_at": restored_at})
    revise(failure, None, {"restored_at": restored_at})
    await session.flush()
    await _follow(session, failure)
    await events.record(
        session,
        actor,
        "failure.restored",
        "failure",
        failure.id,
        now=now,
        asset_id=str(failure.asset_id),
        restored_at=restored_at.isoformat(),
    )
    touch(session, failure)
    return failure


async def edit_failure(
    session: Session,
    actor: Actor,
    now: datetime,
    failure_id: UUID,
    rev: int,
    changes: Mapping[str, Any],
) -> Failure:
    """Correct codes or instants; `restored_at` None opens the failure again. Its own outage follows."""
    failure = await find_failure(session, actor, failure_id, lock=True)
    changes = {
        name: utc(value) if isinstance(value, datetime) else value
        for name, value in changes.items()
    }
    _check_times(now, {**_times(failure), **{k: v for k, v in changes.items() if k in _TIMES}})
    before = {name: _json(getattr(failure, name)) for name in changes}
    if revise(failure, rev, changes):
        await session.flush()
        if any(name in changes for name in _TIMES):
            await _follow(session, failure)
        await events.record(
            session,
            actor,
            "failure.edited",
            "failure",
            failure.id,
            now=now,
            asset_id=str(failure.asset_id),
            before=before,
            after={name: _json(value) for name, value in changes.items()},
        )
        touch(session, failure)
    return failure


def _times(failure: Failure) -> dict[str, datetime | None]:
    return {name: getattr(failure, name) for name in _TIMES}


def _own_range(failure: Failure) -> Range[datetime] | None:
    """Return the interval of the failure's own outage, None where it was over at once."""
    since = failure.failed_at or failure.detected_at
    if failure.restored_at is not None and failure.restored_at <= since:
        return None
    return Range(since, failure.restored_at)


async def _keep_outage(session: Session, failure: Failure, *, is_degraded: bool) -> None:
    during = _own_range(failure)
    if during is None:
        return
    outage = Outage(
        tenant_id=failure.tenant_id,
        id=failure.id,
        asset_id=failure.asset_id,
        failure_id=failure.id,
        during=during,
        cause=OutageCause.FAILURE,
        is_degraded=is_degraded,
    )
    session.add(outage)
    await session.flush()
    touch(session, outage)


async def _follow(session: Session, failure: Failure) -> None:
    """Bring the failure's own outage into line with its instants."""
    statement = (
        select(Outage)
        .where(Outage.tenant_id == failure.tenant_id, Outage.id == failure.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    outage = (await session.exec(statement)).one_or_none()
    during = _own_range(failure)
    if outage is None:
        # The import brought its own outages, or the failure was over at once and now is not.
        if not await _has_outages(session, failure):
            await _keep_outage(session, failure, is_degraded=False)
    elif during is None:
        await session.delete(outage)
        await session.flush()
    else:
        revise(outage, None, {"during": during})
        await session.flush()
        touch(session, outage)


async def _has_outages(session: Session, failure: Failure) -> bool:
    statement = (
        select(Outage.id)
        .where(Outage.tenant_id == failure.tenant_id, Outage.failure_id == failure.id)
        .limit(1)
    )
    return (await session.exec(statement)).first() is not None


# --- outages ----------------------------------------------------------------------------------------------


async def find_outage(
    session: Session, actor: Actor, outage_id: UUID, *, lock: bool = False
) -> Outage:
    statement = (
        select(Outage)
        .join(
            Asset, (col(Asset.tenant_id) == Outage.tenant_id) & (col(Asset.id) == Outage.asset_id)
        )
        .where(Outage.tenant_id == actor.tenant_id, Outage.id == outage_id)
    )
    if actor.customer_id is not None:
        statement = statement.where(Asset.customer_id == actor.customer_id)
    if lock:
        statement = statement.with_for_update(of=Outage, key_share=True).execution_options(
            populate_existing=True
        )
    return await session.found(statement, f"No outage {outage_id}.")


async def open_outage(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    asset_id: UUID,
    from_at: datetime,
    to_at: datetime | None = None,
    cause: OutageCause,
    is_degraded: bool = False,
    failure_id: UUID | None = None,
) -> Outage:
    """Record that an asset is down since `from_at`, until further notice or to `to_at`.

    Outages of one asset may overlap: figures join them. A planned one may lie ahead.
    """
    await queries.find_asset(session, actor, asset_id)
    if failure_id is not None:
        failure = await find_failure(session, actor, failure_id)
        if failure.asset_id != asset_id:
            raise Invalid(
                "That failure is another asset's.",
                errors=[{"at": "/failure_id", "detail": "not a failure of this asset"}],
            )
    during = _range(now, from_at, to_at, may_lie_ahead=cause is OutageCause.PLANNED)
    outage = Outage(
        tenant_id=actor.tenant_id,
        asset_id=asset_id,
        failure_id=failure_id,
        during=during,
        cause=cause,
        is_degraded=is_degraded,
    )
    session.add(outage)
    await session.flush()
    await _tell(session, actor, now, "outage.opened", outage)
    return outage


async def close_outage(
    session: Session, actor: Actor, now: datetime, outage_id: UUID, *, to_at: datetime
) -> Outage:
    """End an open outage; the one that a failure looks after ends with its restoration alone."""
    outage = await find_outage(session, actor, outage_id, lock=True)
    _refuse_failures_own(outage)
    to_at = utc(to_at)
    if outage.during.upper == to_at:
        return outage
    if outage.during.upper is not None:
        raise Conflict(
            "This outage is already over. Correct it if the instant is wrong.",
            to_at=outage.during.upper.isoformat(),
            rev=outage.rev,
        )
    planned = outage.cause == OutageCause.PLANNED
    during = _range(now, _lower(outage), to_at, may_lie_ahead=planned)
    revise(outage, None, {"during": during})
    await session.flush()
    await _tell(session, actor, now, "outage.closed", outage)
    return outage


async def edit_outage(
    session: Session,
    actor: Actor,
    now: datetime,
    outage_id: UUID,
    rev: int,
    changes: Mapping[str, Any],
) -> Outage:
    """Correct `from_at`, `to_at` (None: open again), `cause` or `is_degraded`.

    Of a failure's own outage only `is_degraded` can be changed here.
    """
    outage = await find_outage(session, actor, outage_id, lock=True)
    if set(changes) - {"is_degraded"}:
        _refuse_failures_own(outage)
    values = {name: changes[name] for name in ("cause", "is_degraded") if name in changes}
    if "from_at" in changes or "to_at" in changes:
        cause = values.get("cause", outage.cause)
        values["during"] = _range(
            now,
            changes.get("from_at", _lower(outage)),
            changes.get("to_at", outage.during.upper),
            may_lie_ahead=cause == OutageCause.PLANNED,
        )
    if revise(outage, rev, values):
        await session.flush()
        await _tell(session, actor, now, "outage.edited", outage)
    return outage


def _refuse_failures_own(outage: Outage) -> None:
    if outage.id == outage.failure_id:
        raise Conflict(
            "This outage belongs to a failure and follows it. Restore or correct the failure.",
            failure_id=str(outage.failure_id),
        )


def _lower(outage: Outage) -> datetime:
    lower = outage.during.lower
    assert lower is not None, "outage_during_check"
    return lower


def _range(
    now: datetime, from_at: datetime, to_at: datetime | None, *, may_lie_ahead: bool
) -> Range[datetime]:
    from_at = utc(from_at)
    to_at = None if to_at is None else utc(to_at)
    if to_at is not None and to_at <= from_at:
        raise Invalid(
            "An outage ends after it began.",
            errors=[{"at": "/to_at", "detail": "not after from_at"}],
        )
    if not may_lie_ahead and max(from_at, to_at or from_at) > now + AHEAD:
        raise Invalid(
            "Only a planned outage can lie ahead.",
            errors=[{"at": "/from_at" if from_at > now + AHEAD else "/to_at"}],
        )
    return Range(from_at, to_at)


async def _tell(session: Session, actor: Actor, now: datetime, kind: str, outage: Outage) -> None:
    await events.record(
        session,
        actor,
        kind,
        "outage",
        outage.id,
        now=now,
        asset_id=str(outage.asset_id),
        from_at=_text(outage.during.lower),
        to_at=_text(outage.during.upper),
        cause=str(outage.cause),
        is_degraded=outage.is_degraded,
    )
    touch(session, outage)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _json(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


# --- what happened to an asset ----------------------------------------------------------------------------


class HistoryLine(msgspec.Struct, frozen=True):
    """A failure or an outage of an asset. `to_at` is None while it lasts.

    A failure's `from_at` is when it was detected; `codes` are its mode, mechanism and cause.
    """

    kind: str
    id: UUID
    failure_id: UUID | None
    from_at: datetime
    to_at: datetime | None
    cause: str | None
    is_degraded: bool
    codes: list[str | None]


async def list_history(
    session: Session,
    actor: Actor,
    asset_id: UUID,
    *,
    after: tuple[datetime, UUID, str] | None,
    limit: int,
) -> list[HistoryLine]:
    """Return failures and outages of one asset, newest first. `after` is (from_at, id, kind) of the last."""
    await queries.find_asset(session, actor, asset_id)
    before = "" if after is None else "where (from_at, id, kind) < (:at, :id, :kind)"
    rows = await run(
        session,
        f"""
        select kind, id, failure_id, from_at, to_at, cause, is_degraded, codes from (
          select 'failure' as kind, id, id as failure_id, detected_at as from_at, restored_at as to_at,
                 null as cause, false as is_degraded, array[mode, mechanism, cause] as codes
          from failure where tenant_id = :tenant and asset_id = :asset
          union all
          select 'outage', id, failure_id, lower(during), upper(during), cause, is_degraded, '{{}}'
          from outage where tenant_id = :tenant and asset_id = :asset
        ) as happened
        {before}
        order by from_at desc, id desc, kind desc limit :limit
        """,  # noqa: S608  # the only text put in is one of two literals
        tenant=actor.tenant_id,
        asset=asset_id,
        limit=limit,
        **({} if after is None else {"at": after[0], "id": after[1], "kind": after[2]}),
    )
    return [HistoryLine(*tuple(row)) for row in rows]
