"""Rows that are only ever added: made cheaply, and written together with one statement however many they are.

The ORM follows every row that it is given, to see it change later, and inserts them one by one. Nobody
changes a note or a movement, and a push brings them by the hundred.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar, cast

import asyncpg
import msgspec
from sqlalchemy import Table, inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE, Range
from sqlalchemy.orm import configure_mappers
from sqlmodel import SQLModel

Kind = TypeVar("Kind", bound=SQLModel)


def new_row(kind: type[Kind], /, **values: Any) -> Kind:
    """Return a new row as `kind(**values)` does, twenty times as fast: as rows come from the database.

    Table constructors check nothing either, but for names; here a wrong one is a `TypeError` too.
    """
    make, names, defaults = _making(kind)
    if not values.keys() <= names:
        raise TypeError(f"{kind.__name__} has no {min(values.keys() - names)}")
    row: Kind = make()
    row.__dict__.update(values)
    for name, default in defaults:
        if name not in values:
            row.__dict__[name] = default()
    return row


@cache
def _making(
    kind: type[SQLModel],
) -> tuple[Callable[[], Any], frozenset[str], list[tuple[str, Callable[[], Any]]]]:
    """Return what makes a row without values, the names of all, and what makes each default.

    Pydantic would look at a factory's signature whenever it is asked. Attributes can be set once the mappers
    are complete, which nobody may have asked for yet.
    """
    configure_mappers()
    defaults = [
        (name, cast(Callable[[], Any], field.default_factory or field.get_default))
        for name, field in kind.model_fields.items()
        if not field.is_required()
    ]
    return inspect(kind).class_manager.new_instance, frozenset(kind.model_fields), defaults


def insertion(rows: Sequence[SQLModel]) -> tuple[str, list[list[Any]]]:
    """Return one statement that inserts rows of any tables, and its values: an array for each column.

    Foreign keys are looked at when it ends, so rows may refer to each other.
    """
    by_kind: dict[type[SQLModel], list[dict[str, Any]]] = {}
    for row in rows:
        by_kind.setdefault(type(row), []).append(row.__dict__)
    values = [
        [one[name] for one in some] if store is None else [store(one[name]) for one in some]
        for kind, some in by_kind.items()
        for name, _, store in _columns(kind)
    ]
    return _statement(tuple(by_kind)), values


@cache
def _statement(kinds: tuple[type[SQLModel], ...]) -> str:
    inserts, place = [], 0
    for kind in kinds:
        columns = _columns(kind)
        names = ", ".join(f'"{name}"' for name, _, _ in columns)
        arrays = ", ".join(
            f"cast(${place + n} as {stored}[])" for n, (_, stored, _) in enumerate(columns, 1)
        )
        place += len(columns)
        inserts.append(
            f"insert into {_table(kind).name} ({names}) select * from unnest({arrays})"  # noqa: S608 - our own names
        )
    *first, last = inserts
    beside = ", ".join(f"part{n} as ({one})" for n, one in enumerate(first))
    return f"with {beside} {last}" if beside else last


@cache
def _columns(kind: type[SQLModel]) -> list[tuple[str, str, Callable[[Any], Any] | None]]:
    """Return (name, type, what makes its value storable) of each column.

    Types go without their lengths: an explicit cast would cut a text that is too long, and not refuse it.
    """
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return [
        (
            column.name,
            column.type.compile(dialect).partition("(")[0].lower(),
            _STORED.get(type(column.type)),
        )
        for column in _table(kind).columns
    ]


def _table(kind: type[SQLModel]) -> Table:
    return cast(Table, inspect(kind).local_table)


def _range(value: Range[Any]) -> asyncpg.Range:
    return asyncpg.Range(
        value.lower,
        value.upper,
        lower_inc=value.bounds[0] == "[",
        upper_inc=value.bounds[1] == "]",
        empty=value.empty,
    )


_STORED: dict[type, Callable[[Any], Any]] = {
    JSONB: lambda value: msgspec.json.encode(value).decode(),
    TSTZRANGE: _range,
}
