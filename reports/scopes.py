"""Whose figure is asked for: everything, or what all of the named parts have in common."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from fsm.problems import Invalid


class Cut(StrEnum):
    """What figures can be narrowed to, and what a table has its rows by."""

    ASSET = "asset"
    CONTRACT = "contract"
    SITE = "site"
    CUSTOMER = "customer"
    MODEL = "model"
    TENANT = "tenant"


NONE = UUID(int=2**128 - 1)
"""Stands for "on no contract", "of no asset" where an id would stand; it sorts after every id."""

NO_ID = "none"
"""How `NONE` is written."""

_NARROWING = frozenset(str(cut) for cut in Cut if cut is not Cut.TENANT)
_MAY_LACK = frozenset({Cut.ASSET, Cut.CONTRACT, Cut.MODEL})


@dataclass(frozen=True, slots=True)
class Scope:
    """Ids by cut, all of which apply; empty for the whole company. Parts are in the order of `Cut`."""

    parts: tuple[tuple[Cut, UUID], ...] = ()

    def get(self, cut: Cut) -> UUID | None:
        return dict(self.parts).get(cut)

    def narrowed(self, cut: Cut, key: UUID) -> "Scope":
        """Return the scope of one row of a table by `cut`."""
        if cut is Cut.TENANT:
            return self
        return _ordered({**dict(self.parts), cut: key})

    def __str__(self) -> str:
        """Return what `parse_scope` reads."""
        written = ",".join(f"{cut}:{write_key(key)}" for cut, key in self.parts)
        return written or str(Cut.TENANT)

    def to_json(self, tenant_id: UUID) -> dict[str, str]:
        if not self.parts:
            return {str(Cut.TENANT): str(tenant_id)}
        return {str(cut): write_key(key) for cut, key in self.parts}


def parse_scope(text: str) -> Scope:
    """Return the scope of `tenant`, `asset:ID` or several parts with commas: `contract:ID,asset:ID`.

    `contract:none` is the time and money under no contract; `asset:none` and `model:none` the money spent
    on no particular one.
    """
    if text == Cut.TENANT:
        return Scope()
    found: dict[Cut, UUID] = {}
    for part in text.split(","):
        name, colon, written = part.partition(":")
        if not colon or name not in _NARROWING:
            raise _unreadable(f"'{part[:60]}' is no scope")
        cut = Cut(name)
        if cut in found:
            raise _unreadable(f"'{cut}' is named twice")
        found[cut] = _read(cut, written)
    return _ordered(found)


def _ordered(found: dict[Cut, UUID]) -> Scope:
    return Scope(tuple((cut, found[cut]) for cut in Cut if cut in found))


def read_key(written: str) -> UUID:
    """Return the key that `write_key` wrote, else raise `ValueError`."""
    if written == NO_ID:
        return NONE
    key = UUID(written)
    if key == NONE:
        raise ValueError(f"{written} is no id.")
    return key


def write_key(key: UUID) -> str:
    return NO_ID if key == NONE else str(key)


def _read(cut: Cut, written: str) -> UUID:
    try:
        key = read_key(written)
    except ValueError:
        raise _unreadable(f"'{written[:60]}' is no id") from None
    if key == NONE and cut not in _MAY_LACK:
        raise _unreadable(f"Everything has a {cut}")
    return key


def _unreadable(what: str) -> Invalid:
    detail = (
        f"{what}. Say 'tenant', or one or more of asset, contract, site, customer, model with their ids: "
        "'asset:ID' or 'contract:ID,site:ID'."
    )
    return Invalid(detail, errors=[{"at": "/scope", "detail": detail}])
