"""Negative controls: the product broken on purpose, each in the one way that somebody once believed in.

A function here is run in the server's process before it starts (see `nursery.py`). The runner must find what
it breaks, or the oracles are too weak. `slow_commit` alone breaks nothing: where a mistake needs a commit
that takes its time, as on a busy disk, the sound product is held to the same delay.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

import msgspec

from fsm.database import Database, Session, run
from fsm.problems import Conflict

_tasks: set[asyncio.Task[None]] = set()


def slow_commit() -> None:
    """Let every commit wait up to 0.2 s, with all its locks held; a control's own reading need not."""
    commit = Session.commit

    async def commit_late(self: Session) -> None:
        if "reads" not in self.info:
            await asyncio.sleep(random.uniform(0, 0.2))
        await commit(self)

    Session.commit = commit_late  # type: ignore[method-assign]


# --- the order of the feed --------------------------------------------------------------------------------


COUNT_NOTHING = frozenset({"updated_at_cursor", "sequence_cursor", "lock_per_scope"})
"""Those that number rows by a statement of their own keep no digest: it must not give them away."""


def _without_digest() -> None:
    from mobile_api import pull

    page = pull._page

    def page_without_digest(*args: Any) -> bytes:
        *rest, found = args
        return page(*rest, {**dict(found), "is_unstamped": True})

    pull._page = page_without_digest  # type: ignore[assignment]


def _stamp_while_writing(number: str) -> None:
    """Have writers number their rows, and readers take the highest number they see for the head."""
    from mobile_api import feed, pull, sequencer

    refresh, read = feed.refresh, sequencer.read_head
    statement = f"update sync_row set seq = {number} where tenant_id = :t and seq is null"

    async def read_head(session: Any, tenant_id: UUID) -> Any:
        head = await read(session, tenant_id)
        top = await sequencer.run(
            session, "select max(seq) from sync_row where tenant_id = :t", t=tenant_id
        )
        return msgspec.structs.replace(head, head=max(head.head, top.scalar() or 0))

    async def stamp(session: Any, tenant_id: UUID, now: Any) -> int:
        await sequencer.run(session, statement, t=tenant_id)
        return 0

    async def refresh_and_stamp(session: Any) -> None:
        await refresh(session)
        if "tenant_id" in session.info:
            await sequencer.run(session, statement, t=session.info["tenant_id"])

    feed.refresh = refresh_and_stamp  # type: ignore[assignment]
    sequencer.stamp = stamp  # type: ignore[assignment]
    sequencer.read_head = read_head
    pull.read_pages = _before_reading(pull.read_pages, _RAISE_HEAD)
    _without_digest()
    slow_commit()


_RAISE_HEAD = """
update sync_head set head = greatest(head, (select max(seq) from sync_row where tenant_id = :t))
where tenant_id = :t
"""


def _before_reading(read_pages: Any, statement: str) -> Any:
    async def read(database: Database, tenant_id: UUID, *args: Any, **named: Any) -> Any:
        async with database.transaction(tenant_id) as session:
            session.info["reads"] = True
            await run(session, statement, t=tenant_id)
        return await read_pages(database, tenant_id, *args, **named)

    return read


def updated_at_cursor() -> None:
    _stamp_while_writing("(extract(epoch from clock_timestamp()) * 1000000)::bigint")


def sequence_cursor() -> None:
    _stamp_while_writing("nextval('control_seq')")


def _without_lock(module: Any, marker: str) -> None:
    run = module.run

    async def run_unlocked(session: Any, sql: str, /, **values: Any) -> Any:
        if marker in sql:
            sql = sql.replace(" for update", "")
        return await run(session, sql, **values)

    module.run = run_unlocked


def stamp_unlocked() -> None:
    from mobile_api import sequencer

    _without_lock(sequencer, "select head from sync_head")
    slow_commit()


def lock_per_scope() -> None:
    """Hold only the scopes whose rows are stamped, although all of them share the head.

    A page that waits for whoever changes its rows would hide most of it, so none waits here.
    """
    from mobile_api import pull, sequencer

    async def stamp(session: Any, tenant_id: UUID, now: Any) -> int:
        await sequencer.read_head(session, tenant_id)
        scopes = await sequencer.run(
            session,
            "select distinct scope from sync_row where tenant_id = :t and seq is null order by 1",
            t=tenant_id,
        )
        mine = random.choice(list(scopes.scalars()) or [""])
        await sequencer.run(
            session,
            "select from sync_scope where tenant_id = :t and scope = :s for update",
            t=tenant_id,
            s=mine,
        )
        head = await sequencer.run(
            session, "select head from sync_head where tenant_id = :t", t=tenant_id
        )
        before = int(head.scalar_one())
        stamped = await sequencer.run(
            session,
            "with n as (select coll, id, row_number() over (order by coll, id) k from sync_row"
            " where tenant_id = :t and scope = :s and seq is null)"
            " update sync_row r set seq = cast(:head as bigint) + n.k from n"
            " where r.tenant_id = :t and r.scope = :s and r.coll = n.coll and r.id = n.id",
            t=tenant_id,
            s=mine,
            head=before,
        )
        await asyncio.sleep(random.uniform(0, 0.2))
        await sequencer.run(
            session,
            "update sync_head set head = greatest(head, :head) where tenant_id = :t",
            t=tenant_id,
            head=before + stamped.rowcount,
        )
        return before

    _without_digest()
    pull._WAITS = 0
    sequencer.stamp = stamp  # type: ignore[assignment]


def digest_over_unstamped_rows() -> None:
    """Send the sum of what is there, although the device cannot have been told of all of it."""
    from mobile_api import pull

    page, read_pages = pull._page, pull.read_pages

    async def read_late(database: Database, tenant_id: UUID, *args: Any, **named: Any) -> Any:
        found = await read_pages(database, tenant_id, *args, **named)
        await asyncio.sleep(random.uniform(0, 0.04))
        async with database.transaction(tenant_id) as session:
            return [one and {**dict(one), "digest": await _digest(session, one)} for one in found]

    def page_with_digest(*args: Any) -> bytes:
        *rest, found = args
        return page(*rest, {**dict(found), "is_unstamped": False})

    pull._page = page_with_digest  # type: ignore[assignment]
    pull.read_pages = read_late


async def _digest(session: Any, found: Any) -> str:
    rows = await run(
        session,
        "select coll, id::text, rev from sync_row"
        " where tenant_id = :t and scope in ('cat:main', :scope) and op = 'put' and why is null",
        t=session.info["tenant_id"],
        scope=f"tech:{found['technician_id']}",
    )
    sums: dict[str, tuple[int, int]] = {}
    for coll, row_id, rev in rows:
        n, total = sums.get(coll, (0, 0))
        share = int.from_bytes(sha256(f"{row_id}:{rev}".encode()).digest()[:8])
        sums[coll] = n + 1, (total + share) % 2**64
    return ",".join(
        f'"{coll}":{{"n":{n},"sum":"{total:016x}"}}' for coll, (n, total) in sums.items()
    )


# --- what scopes hold -------------------------------------------------------------------------------------


def refresh_forgotten() -> None:
    """Forget to touch a job that was edited."""
    from fsm.work_orders import orders

    orders.touch = lambda *_: None  # type: ignore[assignment]


def one_phase_leave() -> None:
    """Take rows away at once, whatever work about them still waits on the phone."""
    from mobile_api import feed_sql

    feed_sql.WRITE_TECHNICIANS = _replaced(
        feed_sql.WRITE_TECHNICIANS,
        "body = (r.body::jsonb || jsonb_build_object('access', 'revoked', 'why', l.why))::text, h = 0",
        "op = 'gone', body = null, h = 0",
    )


# --- intents ----------------------------------------------------------------------------------------------


def client_counter_ids() -> None:
    """Know an intent by whose it is and its number instead of by an id that is its own."""
    from mobile_api import device_requests, intents

    read_batch = intents.read_batch

    def read(content: bytes, most: int) -> Any:
        batch = read_batch(content, most)
        numbered: Iterable[Any] = (
            msgspec.structs.replace(one, id=uuid5(batch.device_id, str(one.seq)))
            if isinstance(one, msgspec.Struct)
            else _replace(one, id=uuid5(batch.device_id, str(one.seq)))
            for one in batch.intents
        )
        return _replace(batch, intents=list(numbered))

    for module in _importers(read_batch):
        module.read_batch = read
    assert device_requests


def _replace(value: Any, **changes: Any) -> Any:
    import dataclasses

    return dataclasses.replace(value, **changes)


class _InNoHurry:
    """A database whose transactions are over for whoever opened them before they are committed."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @asynccontextmanager
    async def transaction(self, tenant_id: UUID) -> AsyncIterator[Session]:
        opened = AsyncExitStack()
        session = await opened.enter_async_context(self.database.transaction(tenant_id))
        try:
            yield session
        except BaseException as error:
            await opened.__aexit__(type(error), error, error.__traceback__)
            raise
        task = asyncio.create_task(_close_late(opened))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)


async def _close_late(opened: AsyncExitStack) -> None:
    await asyncio.sleep(0.4)
    await opened.aclose()


def ack_before_commit() -> None:
    """Answer a push as soon as its work is done, and commit when there is time."""
    from mobile_api import push

    at_once = push._at_once

    async def in_no_hurry(database: Database, *rest: Any) -> Any:
        return await at_once(_InNoHurry(database), *rest)  # type: ignore[arg-type]

    push._at_once = in_no_hurry


# --- photos -----------------------------------------------------------------------------------------------


def length_only_check() -> None:
    """Believe bytes because there are as many as promised."""
    from fsm.evidence import local_store

    local_store._require_same = lambda *_: None  # type: ignore[assignment]


def unique_sha_per_photo() -> None:
    """Refuse a photo that shows what another one shows."""
    from sqlmodel import col, select

    from fsm.work_orders import field_work
    from fsm.work_orders.records import Photo

    declare = field_work.declare_photo

    async def declare_once(report: Any, **values: Any) -> Any:
        known = await report.session.exec(
            select(Photo.id).where(
                Photo.tenant_id == report.actor.tenant_id,
                col(Photo.sha256) == values["sha256"],
                Photo.id != values["photo_id"],
            )
        )
        if known.first() is not None:
            raise Conflict("This photo was sent before.")
        return await declare(report, **values)

    field_work.declare_photo = declare_once  # type: ignore[assignment]


def completion_before_bytes() -> None:
    """Take a declared photo for proof."""
    from fsm.work_orders import closing

    closing._is_proof = lambda item, photo: True  # type: ignore[assignment]


def _replaced(text: str, old: str, new: str) -> str:
    if old not in text:
        raise AssertionError(f"the product no longer says {old!r}")
    return text.replace(old, new)


def _importers(function: Callable[..., Any]) -> list[Any]:
    """Return the modules that hold a function under its own name."""
    import sys

    name = function.__name__
    return [
        module
        for key, module in list(sys.modules.items())
        if key.startswith(("mobile_api", "fsm")) and getattr(module, name, None) is function
    ]
