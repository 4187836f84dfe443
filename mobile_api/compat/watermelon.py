"""WatermelonDB's sync protocol: everything since a number down in one answer, all local changes up in one.

Its columns are texts, numbers and booleans, so what is nested goes as JSON text. A row that comes while the
app's copy is changed is shown with the app's columns on top, which are pushed right after; with the next
pull the row comes again, then as the server has it.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from fsm.actors import Actor
from fsm.database import Database, Session, run
from fsm.problems import Invalid
from mobile_api import intent_store
from mobile_api.compat import delivery, rows
from mobile_api.compat.rows import Change, Reading
from mobile_api.compat.tables import CompatPull
from mobile_api.feed_sql import COLLECTIONS
from mobile_api.intents import MalformedBatch, Sent, decode
from mobile_api.pull import FeedEpochChanged, device_of

Raw = dict[str, Any]
Tables = dict[str, dict[str, list[Any]]]
"""table → created, updated, deleted"""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull brings. With `is_whole` the client replaces what it has: `experimentalStrategy`."""

    changes: Tables
    timestamp: int
    head: int
    is_whole: bool


# --- down -------------------------------------------------------------------------------------------------


async def pull_changes(
    database: Database,
    key: bytes,
    actor: Actor,
    now: datetime,
    *,
    last_pulled_at: int | None,
    migrated: Iterable[str],
    has_unsynced: bool,
) -> Pulled:
    """Return everything since the pull that was given the number `last_pulled_at`; all without one.

    A number that is not known here, or whose token no longer leads anywhere, brings everything, to replace
    what the client has. Tables that its schema now shows for the first time are sent whole.
    """
    known = None
    if last_pulled_at is not None:
        async with database.transaction(actor.tenant_id) as session:
            known = await _find_pull(session, actor, last_pulled_at)
    is_whole = last_pulled_at is not None and known is None
    try:
        found = await rows.read(
            database,
            key,
            actor,
            now,
            since=known.token if known else None,
            outbox_empty_at=known.head if known and not has_unsynced else None,
        )
    except FeedEpochChanged:
        is_whole = True
        found = await rows.read(database, key, actor, now, since=None)
    changes = [*found.changes]
    if known is not None and not is_whole:
        for coll in sorted(set(migrated) & set(COLLECTIONS)):
            whole = await rows.read(database, key, actor, now, since=None, coll=coll)
            shown = {one.id: one for one in whole.changes if one.d is not None}
            gone = [
                one for one in changes if one.c == coll and one.d is None and one.id not in shown
            ]
            changes = [one for one in changes if one.c != coll] + gone + [*shown.values()]
    async with database.transaction(actor.tenant_id) as session:
        number = await _note_pull(session, actor, last_pulled_at, known, found)
    tables = _tables(changes, is_first=known is None, is_whole=is_whole)
    return Pulled(tables, number, found.head, is_whole)


def _tables(changes: Iterable[Change], *, is_first: bool, is_whole: bool) -> Tables:
    """Return the changes by table; a first sync deletes nothing, a replacement names every table."""
    tables: Tables = {}
    if is_whole:
        tables = {coll: _no_changes() for coll in COLLECTIONS}
    for change in changes:
        if change.d is None and is_first:
            continue
        table = tables.setdefault(change.c, _no_changes())
        if change.d is None:
            table["deleted"].append(change.id)
        else:
            table["updated"].append(_raw(change, change.d))
    return tables


def _raw(change: Change, members: Mapping[str, Any]) -> Raw:
    """Return a row: `rev` is the feed's, and an object's own, which suggestions refer to, `base_rev`."""
    own = {"base_rev" if name == "rev" else name: _flat(value) for name, value in members.items()}
    return {**own, "id": change.id, "rev": change.rev}


def _no_changes() -> dict[str, list[Any]]:
    return {"created": [], "updated": [], "deleted": []}


def _flat(value: Any) -> Any:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value


async def _find_pull(session: Session, actor: Actor, number: int) -> CompatPull | None:
    statement = select(CompatPull).where(
        CompatPull.tenant_id == actor.tenant_id,
        CompatPull.device_id == device_of(actor),
        col(CompatPull.number) == number,
    )
    return (await session.exec(statement)).one_or_none()


async def _note_pull(
    session: Session, actor: Actor, last: int | None, known: CompatPull | None, found: Reading
) -> int:
    """Return the number of a pull, never one given before: an answer that got lost may be asked for again."""
    if known is not None and known.token == found.since:
        return known.number
    await intent_store.lock_device(session, actor)
    await run(
        session,
        "delete from compat_pull where tenant_id = :t and device_id = :d and number < :last",
        t=actor.tenant_id,
        d=actor.device_id,
        last=last or 0,
    )
    result = await run(
        session,
        "insert into compat_pull (tenant_id, device_id, number, token, head)"
        " select :t, :d, greatest(cast(:head as bigint), cast(:next as bigint),"
        " coalesce(max(number), 0) + 1), :token, :head"
        " from compat_pull where tenant_id = :t and device_id = :d returning number",
        t=actor.tenant_id,
        d=actor.device_id,
        head=found.head,
        next=(last or 0) + 1,
        token=found.since,
    )
    return int(result.scalar_one())


def read_migration(text: str | None) -> list[str]:
    """Return the tables that WatermelonDB's `migration` names, new or with new columns."""
    if text is None:
        return []
    refused = Invalid(
        "'migration' must be what WatermelonDB hands to pullChanges, as JSON.",
        errors=[{"at": "/migration", "detail": "is not WatermelonDB's"}],
    )
    try:
        value = json.loads(text)
        named = (
            [] if value is None else [*value["tables"], *(one["table"] for one in value["columns"])]
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise refused from None
    if not all(isinstance(name, str) for name in named):
        raise refused
    return named


# --- up ---------------------------------------------------------------------------------------------------


def read_changes(actor: Actor, content: bytes) -> list[Sent]:
    """Return what a push holds as intents: rows of `intents`, and a suggestion for anything else."""
    body = decode(content)
    changes = body.get("changes") if isinstance(body, dict) else None
    if not isinstance(changes, dict):
        raise MalformedBatch("The body must be what WatermelonDB hands to pushChanges.")
    sent: list[Sent] = []
    for table, change_set in changes.items():
        written, deleted = _change_set(table, change_set)
        if table == delivery.INTENTS:
            sent += [_intent(raw) for raw in written]
            continue  # one that the app tidies away needs nothing of us
        for raw in written:
            wish = delivery.suggestion(
                actor, table, raw["id"], _edits(raw), base_rev=raw.get("rev")
            )
            sent.append(wish)
        sent += [delivery.suggestion(actor, table, one, {}, is_deleted=True) for one in deleted]
    return sent


def _change_set(table: str, value: Any) -> tuple[list[Raw], list[str]]:
    members = value if isinstance(value, dict) else {}
    written = [*_list(members.get("created")), *_list(members.get("updated"))]
    deleted = _list(members.get("deleted"))
    if not all(isinstance(raw, dict) and isinstance(raw.get("id"), str) for raw in written):
        raise MalformedBatch(f"Every row of '{table[:40]}' needs its 'id'.")
    if not all(isinstance(one, str) for one in deleted):
        raise MalformedBatch(f"'deleted' of '{table[:40]}' must hold ids.")
    return written, deleted


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _intent(raw: Mapping[str, Any]) -> Sent:
    """Return the intent in a row; an empty column is one that nobody wrote."""
    row = {name: value for name, value in raw.items() if value is not None and value != ""}
    for name in ("after", "data"):
        if isinstance(row.get(name), str):
            with suppress(ValueError, RecursionError):  # else kept as one that cannot be read
                row[name] = json.loads(row[name])
    return delivery.intent(row)


def _edits(raw: Raw) -> Raw:
    """Return the columns that the app wrote: of a new row all, of a changed one those that it names."""
    if raw.get("_status") == "updated":
        return {name: raw.get(name) for name in str(raw.get("_changed", "")).split(",") if name}
    return {name: value for name, value in raw.items() if name != "id" and not name.startswith("_")}
