"""What a kind of file is: its columns, the rows they become, what is refused, and the way back.

A file is first put into the temporary table `incoming`; everything after that is SQL over whole sets. In a
kind's SQL, `i` is the incoming row, `t` the stored row that it matches (nulls where it is new), `:tenant`,
`:now`, `:zone`, `:currency`, `:source` and `:actor` are given, and `i.found` is the id of `t`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from fsm.actors import Actor, Permission
from fsm.database import Session
from fsm.imports.cells import ZONE, Cell, whole

NEW_ID: Final = """encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing
    substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
    from 1 for 6), 52, 1), 53, 1), 'hex')::uuid"""
"""A UUIDv7 (RFC 9562) made by any PostgreSQL since 13: milliseconds first, the rest random."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file. Not `staged`: it only says how the row's other cells are read."""

    name: str
    cell: Cell
    about: str
    example: str = ""
    required: bool = False
    aliases: tuple[str, ...] = ()
    staged: bool = True


@dataclass(frozen=True, slots=True)
class Field:
    """A stored column and the SQL of its value. It is compared where the file has one of the columns `of`.

    `stored` is how the value in the database is read for that; the column itself unless said.
    """

    target: str
    value: str
    of: tuple[str, ...]
    stored: str = ""


def same(*names: str) -> tuple[Field, ...]:
    """Return fields that store a file's column of the same name, empty as null."""
    return tuple(Field(name, f"i.{name}", (name,)) for name in names)


def or_empty(*names: str) -> tuple[Field, ...]:
    """Return fields of texts that are never null: empty as ''."""
    return tuple(Field(name, f"coalesce(i.{name}, '')", (name,)) for name in names)


@dataclass(frozen=True, slots=True)
class Check:
    """Rows for which `where` holds are refused, with the column and an SQL text as the reason."""

    column: str
    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Compare:
    """Something beside the kind's own table in which a stored row and the file may differ.

    `differs` is an SQL condition; `there` and `here` are SQL texts for the report.
    """

    column: str
    differs: str
    there: str
    here: str


@dataclass(frozen=True, slots=True)
class Remark:
    """What a person should know of new rows that are taken but not as a whole.

    `where` is an SQL condition over `i`; `sentence` names their `{count}` and the first one's `{line}`.
    """

    where: str
    sentence: str


def missing(column: str, what: str, found: str) -> Check:
    """Return the check that a reference in `column` was found: `found` is its id in SQL."""
    return Check(
        column,
        f"i.{column} is not null and {found} is null",
        f"'there is no {what} ''' || left(i.{column}, 60) || ''''",
    )


class Completion(Protocol):
    """What a row's last touch is given beside its values."""

    @property
    def source(self) -> str: ...
    @property
    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Run:
    """One import under way, for what a kind does beside storing its own rows."""

    session: Session
    actor: Actor
    now: datetime
    values: Mapping[str, Any]
    """The named values of the kind's SQL."""
    create_missing: bool
    update: bool
    made: dict[str, list[UUID]] = field(default_factory=dict)
    """Ids of rows made on the way, for a later step of the same kind."""


Step = Callable[[Run], Awaitable[Mapping[str, int]]]
"""Does something beside the kind's own table; returns what it made, by name, for the report."""


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    entity: str
    table: str
    about: str
    columns: tuple[Column, ...]
    reads: Permission
    matches: tuple[str, ...]
    """Conditions between `t` and `i`, tried in order: which stored row a row of the file is."""
    keys: tuple[str, ...]
    """SQL over `i`, each unique in a file where it is not null."""
    fields: tuple[Field, ...]
    checks: tuple[Check, ...]
    export: Mapping[str, str]
    """column → SQL of its value over the stored row `t` and `export_joins`."""
    joins: str = ""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Stored columns that only a new row gets, with their SQL."""
    complete: Callable[[dict[str, Any], Completion], None] | None = None
    """Fills in what follows from a row's other cells; raises `BadCell` where they contradict."""
    own: Mapping[str, str] = field(default_factory=dict)
    """Columns of `incoming` that `complete` fills beside the file's: name → SQL type."""
    compares: tuple[Compare, ...] = ()
    remarks: tuple[Remark, ...] = ()
    before: Step | None = None
    """Makes what rows refer to and may create; before the checks, so that they find it."""
    ready: Step | None = None
    """Makes what new rows point at, once it is settled which they are."""
    after: Step | None = None
    """Makes what hangs on the kind's own rows."""
    is_history: bool = False
    """History is only ever added: a row that is there already and differs is named, not changed."""
    export_joins: str = ""
    customer: str | None = None
    """SQL of the customer's id, for users who see one customer only; None: not for them."""
    secret: tuple[str, ...] = ()
    """Columns that leave the house only with the permission to read costs."""

    @property
    def staged(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.staged)


def zone_columns(about: str = "IANA zone of this row's times that have none") -> tuple[Column, ...]:
    """Return the two columns that say how naive times of a row are meant."""
    return (
        Column("zone", ZONE, about, "Europe/Paris", aliases=("time zone",), staged=False),
        Column(
            "fold", whole(0, 1),
            "1: of two equal times, when clocks go back, the second; otherwise the first", "0",
            staged=False,
        ),
    )  # fmt: skip
