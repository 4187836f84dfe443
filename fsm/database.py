"""The database seen from the code: engine, one transaction per request or job, and what a refusal means.

Tables are declared with the small helpers here (`link`, `unique`, `lookup`, …) because every key starts with
`tenant_id`; writing that by hand forty times is how one gets forgotten.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from socket import gaierror
from typing import Any, Final, TypeVar, TypeVarTuple, cast, overload
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Constraint,
    CursorResult,
    DateTime,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Numeric,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import Select, SelectOfScalar
from uuid_utils.compat import uuid7

from fsm.actors import Actor
from fsm.appending import insertion
from fsm.connection_pool import ConnectionPool
from fsm.crash_points import crash_point
from fsm.plain import Plain
from fsm.problems import Busy, Conflict, InUse, Invalid, NotFound, Problem, StaleChange
from fsm.settings import Settings

Found = TypeVar("Found")
Columns = TypeVarTuple("Columns")


class Session(AsyncSession):
    """What every query is given first.

    Rows that are only ever added can be given to `append`: the next flush, or the commit, writes all of them
    with one statement. A savepoint that is undone takes none of them back; see `forget_appended`.
    """

    @overload
    async def found(self, statement: SelectOfScalar[Found], missing: str) -> Found: ...

    @overload
    async def found(self, statement: Select[*Columns], missing: str) -> tuple[*Columns]: ...

    async def found(self, statement: Any, missing: str) -> Any:
        """Return the one row there is; `NotFound`, with the sentence given, where there is none."""
        found = (await self.exec(statement)).one_or_none()
        if found is None:
            raise NotFound(missing)
        return found

    def append(self, row: SQLModel) -> None:
        self.info.setdefault("appended", []).append(row)

    def forget_appended(self) -> None:
        """Let go of what no flush has written yet."""
        self.info.pop("appended", None)

    async def flush(self, objects: Sequence[Any] | None = None) -> None:
        await super().flush(objects)
        if rows := self.info.pop("appended", None):
            statement, values = insertion(rows)
            await fetch(self, statement, *values)

    async def commit(self) -> None:
        await self.flush()
        await super().commit()


BeforeCommit = Callable[[Session], Awaitable[None]]

APPLICATION_ROLE = "fsm_app"
"""The role that routes and jobs run as: neither owner nor superuser, so row-level security binds it."""


# --- declaring tables -------------------------------------------------------------------------------------


def _own_columns(constraint: Constraint, table: Table) -> str:
    """Name a constraint after its columns without `tenant_id`, which every one of them starts with."""
    columns = [
        column.name if isinstance(column, Column) else str(column)
        for column in getattr(constraint, "columns", ())
    ]
    own = [name for name in columns if name != "tenant_id"]
    return "_".join(own or columns)


SQLModel.metadata.naming_convention = cast(
    Any,
    {
        "own_columns": _own_columns,
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(own_columns)s_key",
        "ix": "%(table_name)s_%(own_columns)s_idx",
        "fk": "%(table_name)s_%(own_columns)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    },
)
metadata: MetaData = SQLModel.metadata


class Row(SQLModel):
    """A tenant's row. Its key is (tenant_id, id); ids are UUIDv7 and a client may create them.

    There is no foreign key from each table to `tenant`: it would make every insert of a tenant lock one row,
    and row-level security already refuses a `tenant_id` that is not the transaction's own.
    """

    tenant_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)


class Revised(Row):
    """A row that people edit. `rev` rises with every edit; a stale `rev` is refused (`StaleChange`)."""

    rev: int = Field(default=1, sa_type=BigInteger)


def link(column: str, target: str, *more: str, **options: Any) -> ForeignKeyConstraint:
    """Return the foreign key (tenant_id, column, *more) → target(tenant_id, id, *more)."""
    return ForeignKeyConstraint(
        ["tenant_id", column, *more],
        [f"{target}.tenant_id", f"{target}.id", *(f"{target}.{name}" for name in more)],
        **options,
    )


def unique(*columns: str, **options: Any) -> UniqueConstraint:
    """Return the unique constraint (tenant_id, *columns)."""
    return UniqueConstraint("tenant_id", *columns, **options)


def lookup(name: str, *columns: str, **options: Any) -> Index:
    """Return the index `name` on (tenant_id, *columns)."""
    return Index(name, "tenant_id", *columns, **options)


def no_overlap(
    name: str, *columns: str, during: str = "during", where: str | None = None
) -> ExcludeConstraint:
    """Return an exclusion constraint: rows equal in tenant and `columns` never overlap in `during`.

    A null in `columns` equals nothing: rows that hold one need a constraint of their own, with `where`.
    """
    return ExcludeConstraint(
        ("tenant_id", "="),
        *((column, "=") for column in columns),
        (during, "&&"),
        name=name,
        where=None if where is None else text(where),
    )


def check(name: str, condition: str) -> CheckConstraint:
    return CheckConstraint(condition, name=name)


def one_of(column: str, words: type[Any] | Sequence[str]) -> CheckConstraint:
    """Return the check that `column` holds one of the vocabulary's words."""
    quoted = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} in ({quoted})", name=f"{column}_word")


def instant(**options: Any) -> Any:
    """A column holding an aware UTC instant (timestamptz)."""
    return Field(sa_type=cast(Any, DateTime(timezone=True)), **options)


def document(**options: Any) -> Any:
    """A column holding JSON (jsonb)."""
    return Field(sa_type=cast(Any, JSONB), **options)


def money(**options: Any) -> Any:
    """A column holding an amount of money: numeric(14, 2), its currency stands beside it."""
    return Field(sa_type=cast(Any, Numeric(14, 2)), **options)


def quantity(**options: Any) -> Any:
    """A column holding a quantity of parts or of a meter: numeric(14, 4)."""
    return Field(sa_type=cast(Any, Numeric(14, 4)), **options)


# --- what a broken constraint means -----------------------------------------------------------------------

DRIVER_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What `fetch` and readers raise of the database."""

_refusals: dict[str, tuple[type[Problem], str]] = {}


def refusal(constraint: str, problem: type[Problem], sentence: str) -> None:
    """Say what breaking `constraint` means to a person. Called beside the table that declares it."""
    _refusals[constraint] = (problem, sentence)


def refused_constraints() -> Mapping[str, tuple[type[Problem], str]]:
    return _refusals


def as_problem(error: BaseException) -> Problem | None:
    """Return the problem that a database error stands for, or None when it is our own bug.

    Constraint errors are named by `refusal`, else by their kind, so that none becomes a bare 500.
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, ConnectionError | TimeoutError | gaierror | PoolTimeoutError):
        # asyncpg raises the socket's own error while connecting; anything else of the file system is not ours
        return Busy("The database cannot be reached just now. Nothing was changed.")
    if isinstance(error, asyncpg.InternalClientError) or (
        isinstance(error, asyncpg.InterfaceError) and "closed" in str(error)
    ):
        # asyncpg's own words for a connection that went away while it was being used or prepared
        return Busy("The database cannot be reached just now. Nothing was changed.")
    cause: Any
    if isinstance(error, DRIVER_ERRORS):
        cause = error  # of the hot paths, which have no SQLAlchemy in between
    elif isinstance(error, DBAPIError):
        cause = getattr(error.orig, "__cause__", None) or error.orig
    else:
        return None
    state = str(getattr(cause, "sqlstate", "") or "")
    name = str(getattr(cause, "constraint_name", "") or "")
    if name in _refusals:
        kind, sentence = _refusals[name]
        return kind(sentence, constraint=name)
    match state:
        case "23505":
            return Conflict("Another row already has these values.", constraint=name)
        case "23P01":
            return Conflict("This overlaps with what is already there.", constraint=name)
        case "23503" if "still referenced" in str(cause):
            return InUse("Other records still refer to this one.", constraint=name)
        case "23503":
            return Invalid("This refers to something that does not exist.", constraint=name)
        case "23514":
            return Invalid("The values do not fit together.", constraint=name)
        case "23502":
            column = getattr(cause, "column_name", None)
            return Invalid(f"'{column}' is needed.", column=column)
        case "40001" | "40P01" | "55P03" | "57014":
            return Busy("The database was busy with the same records. Nothing was changed.")
        case "22003":
            return Invalid("A number is too large.")
        case "22021" | "22P05":
            return Invalid("A text contains characters that cannot be stored, such as NUL.")
        case "53300" | "57P01" | "57P02" | "57P03" | "08000" | "08003" | "08006" | "08001":
            return Busy("The database cannot be reached just now. Nothing was changed.")
        case "53100":
            return Busy("The database's disk is full. Nothing was changed; tell the operator.")
    if isinstance(error, IntegrityError):
        return Conflict("The database refused the change.", constraint=name)
    if isinstance(error, OperationalError) or getattr(error, "connection_invalidated", False):
        return Busy("The database cannot be reached just now. Nothing was changed.")
    if state.startswith("22") or "invalid input for query argument" in str(cause):
        return Invalid("A value cannot be stored as it was sent.")
    return None


SERVER_SETTINGS: Final = {"role": APPLICATION_ROLE, "timezone": "UTC", "jit": "off"}


# --- transactions -----------------------------------------------------------------------------------------


def touch(session: Session, *rows: object) -> None:
    """Mark rows whose change phones may have to see; before-commit hooks read them through `touched`."""
    session.info.setdefault("touched", []).extend(rows)


def put_off(session: Session, write: BeforeCommit) -> None:
    """Have `write` called once before this transaction's commit, ahead of the hooks."""
    waiting = session.info.setdefault("put_off", [])
    if write not in waiting:
        waiting.append(write)


def remember(session: Session) -> None:
    """Let `once` remember in this transaction: for one that does the same kind of thing many times."""
    session.info["remembered"] = {}


async def once(session: Session, key: Hashable, load: Callable[[], Awaitable[Found]]) -> Found:
    """Return what `load` gives, asked once a transaction where that remembers: for what it only reads."""
    remembered = session.info.get("remembered")
    if remembered is None:
        return await load()
    if key not in remembered:
        remembered[key] = await load()
    return cast(Found, remembered[key])


def touch_all(session: Session) -> None:
    """Mark more rows than one would name, of any kind: an import's. Hooks ask `touched_all`."""
    session.info["touched_all"] = True


def touched_all(session: Session) -> bool:
    """Return and forget whether more was touched than `touched` names."""
    return bool(session.info.pop("touched_all", False))


def touched(session: Session) -> list[object]:
    """Return and forget the rows marked so far in this transaction."""
    return cast(list[object], session.info.pop("touched", []))


async def enter(session: Session, tenant_id: UUID) -> None:
    """Bind the transaction to one tenant: from here on row-level security shows its rows and no other's.

    SET LOCAL rather than set_config(), which Citus does not pass on to its workers.
    """
    await (await session.connection()).execute(text(f"SET LOCAL app.tenant = '{tenant_id}'"))
    session.info["tenant_id"] = tenant_id


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


class Reader:
    """A read-only snapshot of one tenant's rows for the hot paths: asyncpg rows, no ORM in between.

    `jsonb` comes as `msgspec.Raw`, ready to be put into an answer as it is.
    """

    __slots__ = ("_connection", "actor")

    def __init__(self, connection: Any, actor: Actor) -> None:
        self._connection = connection
        self.actor = actor

    async def rows(self, sql: str, /, *values: object) -> list[Any]:
        return cast(list[Any], await self._connection.fetch(sql, *values))

    async def row(self, sql: str, /, *values: object) -> Any | None:
        """Return the first row as a record, None when there is none."""
        return await self._connection.fetchrow(sql, *values)


async def _prepare_reader(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=_encode,
        decoder=lambda text: msgspec.Raw(text.encode()),
    )


class Database:
    """The engine and what every transaction of this process does.

    `before_commit` hooks are registered by the composition roots and run last, in order, inside the
    transaction. They may touch nothing that needs another hook. `reactions` names the events that the
    worker reacts to: recording one enqueues its job. Sessions know where the installation's router is, so
    that whoever plans in one reckons with the same roads.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        before_commit: Sequence[BeforeCommit] = (),
        reactions: frozenset[str] = frozenset(),
    ) -> None:
        self.before_commit = tuple(before_commit)
        self.reactions = reactions
        self._dsn = settings.database_url
        self._router_url = settings.router_url
        self._readers = ConnectionPool(self._open_reader, settings.pool_size)
        # Of their own: a store of photos that answers slowly must not keep phones from reading.
        self._writers = ConnectionPool(self._open, settings.pool_size)
        self.engine: AsyncEngine = create_async_engine(
            settings.database_url.replace("postgresql://", "postgresql+asyncpg://", 1),
            pool_size=settings.pool_size,
            max_overflow=settings.pool_size,
            pool_timeout=10,
            json_serializer=_encode,
            json_deserializer=msgspec.json.decode,
            connect_args={"server_settings": SERVER_SETTINGS, "timeout": 10},
        )

    @asynccontextmanager
    async def transaction(self, tenant_id: UUID | None = None) -> AsyncIterator[Session]:
        """Open one transaction; commit at the end, roll back on any error.

        Without `tenant_id` only the directory is visible until `enter` binds the transaction.
        """
        async with Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            session.info["reactions"] = self.reactions
            session.info["router_url"] = self._router_url
            if tenant_id is not None:
                await enter(session, tenant_id)
            yield session
            await self.finish(session)

    async def finish(self, session: Session) -> None:
        """Flush, write what was put off, run the before-commit hooks, commit."""
        await session.flush()
        for write in session.info.pop("put_off", ()):
            await write(session)
        for hook in self.before_commit:
            await hook(session)
        crash_point("before commit")
        await session.commit()

    @asynccontextmanager
    async def reader(self, actor: Actor) -> AsyncIterator[Reader]:
        """Open a read-only transaction bound to the actor's tenant, without the ORM.

        One round trip begins and binds it, one ends it; in between every statement sees committed rows.
        """
        async with self._readers.connection() as connection:
            try:
                await connection.execute(
                    f"begin read only; set local app.tenant = '{actor.tenant_id}'"
                )
                yield Reader(connection, actor)
            except BaseException:
                with suppress(asyncpg.InterfaceError, asyncpg.PostgresError):  # it may be gone
                    await connection.execute("rollback")
                raise
            await connection.execute("commit")

    @asynccontextmanager
    async def plain(self, tenant_id: UUID) -> AsyncIterator[Plain]:
        """Open one transaction without the ORM; commit at the end, roll back on any error.

        No before-commit hook runs, so phones hear of nothing: only for what none has been told of.
        """
        async with self._writers.connection() as connection:
            try:
                await connection.execute(f"begin; set local app.tenant = '{tenant_id}'")
                yield Plain(connection, {"reactions": self.reactions})
                crash_point("before commit")
                await connection.execute("commit")
            except BaseException:
                with suppress(asyncpg.InterfaceError, asyncpg.PostgresError):  # it may be gone
                    await connection.execute("rollback")
                raise

    async def call(self, sql: str, /, *values: object) -> list[Any]:
        """Return the rows of a function that binds itself to its tenant: one round trip in all.

        Without that binding it finds nothing, since no transaction around it has one.
        """
        connection = await self._readers.take()
        try:
            return cast(list[Any], await connection.fetch(sql, *values))
        finally:
            self._readers.give_back(connection)

    async def _open(self) -> Any:
        """Return a connection that takes JSON as text: the job queue writes its own."""
        return await asyncpg.connect(self._dsn, timeout=10, server_settings=SERVER_SETTINGS)

    async def _open_reader(self) -> Any:
        connection = await self._open()
        await _prepare_reader(connection)
        return connection

    async def close(self) -> None:
        await self.engine.dispose()
        await self._readers.close()
        await self._writers.close()


_parsed = lru_cache(maxsize=512)(text)
"""Finds the `:name`s of a statement; those of a long one take as long to find as its rows do."""


async def run(session: Session, sql: str, /, **values: Any) -> CursorResult[Any]:
    """Run one SQL statement with `:name` values in the session's transaction, for what Core says badly."""
    return await (await session.connection()).execute(_parsed(sql), values)


async def fetch(session: Session | Plain, sql: str, /, *values: object) -> list[Any]:
    """Run one SQL statement with `$1` values in the session's transaction, for the hot paths.

    Rows are asyncpg's, and so are errors (`DRIVER_ERRORS`): SQLAlchemy is not in between. What is pending in
    the session is not flushed before.
    """
    return cast(list[Any], await (await raw_connection(session)).fetch(sql, *values))


async def raw_connection(session: Session | Plain) -> Any:
    """Return the asyncpg connection under the session's transaction: for COPY, jobs and the hot paths."""
    if isinstance(session, Plain):
        return session.connection
    transaction = session.sync_session.get_transaction()
    known = session.info.get("raw_connection")
    if known is not None and known[0] is transaction:
        return known[1]
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    transaction = session.sync_session.get_transaction()
    session.info["raw_connection"] = transaction, raw.driver_connection
    return raw.driver_connection


def revise(row: Revised, rev: int | None, changes: Mapping[str, Any]) -> bool:
    """Apply an edit to a locked row and raise its `rev`; return whether anything changed.

    A `rev` that is not the row's present one is refused: somebody else edited it meanwhile. None skips
    the comparison (imports, which carry the whole truth).
    """
    if rev is not None and rev != row.rev:
        raise StaleChange(
            "Somebody else changed this meanwhile. Read it again and repeat your change.",
            rev=row.rev,
        )
    changed = {name: value for name, value in changes.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    if changed:
        row.rev += 1
    return bool(changed)


def utc(moment: datetime) -> datetime:
    """Return the same instant in UTC; a naive one is refused, since it names no instant."""
    if moment.tzinfo is None:
        raise Invalid("A time needs its zone, such as 2026-03-29T10:00:00+02:00.")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Invalid("A time lies outside the years 1 to 9999.") from None
