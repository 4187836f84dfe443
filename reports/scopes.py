"""Whose figure is asked for: everything, or what all of the named parts have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from urllib.parse import quote, unquote
from uuid import UUID

from fsm.problems import Invalid


class Cut(StrEnum):
    """What figures can be narrowed to, and what a table has its rows by.

    A contractor is a technician who is one. A month narrows the window rather than the scope.
    """

    ASSET = "asset"
    CONTRACT = "contract"
    SITE = "site"
    REGION = "region"
    CUSTOMER = "customer"
    MODEL = "model"
    WORK_TYPE = "work_type"
    TECHNICIAN = "technician"
    CONTRACTOR = "contractor"
    WORK_ORDER = "work_order"
    MONTH = "month"
    TENANT = "tenant"


Key: TypeAlias = UUID | str
"""What a row of a table stands for: an id, the name of a region, or a month such as "2026-03"."""

NONE = UUID(int=2**128 - 1)
"""Stands for "on no contract", "of no asset" where an id would stand; it sorts after every id."""

NO_ID = "none"
"""How `NONE`, and the region of sites without one, is written."""

PERSONAL = frozenset({Cut.TECHNICIAN, Cut.CONTRACTOR})
"""Figures by these are figures about people."""

ASSET_CUTS = (
    *(Cut.ASSET, Cut.CONTRACT, Cut.SITE, Cut.REGION, Cut.CUSTOMER, Cut.MODEL),
    *(Cut.MONTH, Cut.TENANT),
)
"""By what the time of assets can be cut."""

JOB_CUTS = tuple(cut for cut in Cut if cut is not Cut.WORK_ORDER)
"""By what work can be cut: everything but itself."""

LEDGER_CUTS = tuple(Cut)
"""By what lines of the ledger can be cut."""

PERSON_CUTS = (Cut.TECHNICIAN, Cut.CONTRACTOR, Cut.MONTH, Cut.TENANT)
"""By what the hours of people can be cut."""

_NARROWING = frozenset(str(cut) for cut in Cut if cut not in (Cut.TENANT, Cut.MONTH))
_MAY_LACK = frozenset({Cut.ASSET, Cut.CONTRACT, Cut.MODEL, Cut.REGION, *PERSONAL})


@dataclass(frozen=True, slots=True)
class Scope:
    """Keys by cut, all of which apply; empty for the whole company. Parts are in the order of `Cut`."""

    parts: tuple[tuple[Cut, Key], ...] = ()

    def get(self, cut: Cut) -> Key | None:
        return dict(self.parts).get(cut)

    def narrowed(self, cut: Cut, key: Key) -> "Scope":
        """Return the scope of one row of a table by `cut`."""
        if cut in (Cut.TENANT, Cut.MONTH):
            return self
        return _ordered({**dict(self.parts), cut: key})

    def is_personal(self) -> bool:
        return any(cut in PERSONAL for cut, _ in self.parts)

    def __str__(self) -> str:
        """Return what `parse_scope` reads."""
        written = ",".join(f"{cut}:{quote(write_key(key), safe='')}" for cut, key in self.parts)
        return written or str(Cut.TENANT)

    def to_json(self, tenant_id: UUID) -> dict[str, str]:
        if not self.parts:
            return {str(Cut.TENANT): str(tenant_id)}
        return {str(cut): write_key(key) for cut, key in self.parts}


def parse_scope(text: str) -> Scope:
    """Return the scope of `tenant`, `asset:ID` or several parts with commas: `contract:ID,region:NAME`.

    `contract:none` is the time and money under no contract; `asset:none` and `model:none` the money spent
    on no particular one. The name of a region is percent-encoded where it holds a comma.
    """
    if text == Cut.TENANT:
        return Scope()
    found: dict[Cut, Key] = {}
    for part in text.split(","):
        name, colon, written = part.partition(":")
        if not colon or name not in _NARROWING:
            raise _unreadable(f"'{part[:60]}' is no scope")
        cut = Cut(name)
        if cut in found:
            raise _unreadable(f"'{cut}' is named twice")
        found[cut] = _read(cut, unquote(written))
    return _ordered(found)


def check_cuts(kpi: str, cuts: Sequence[Cut], scope: Scope, by: Cut | None = None) -> None:
    """Refuse a scope or rows by which a figure is not cut."""
    allowed = ", ".join(cuts)
    for cut, _ in scope.parts:
        if cut not in cuts:
            detail = f"'{kpi}' cannot be narrowed to a {cut}. It is cut by: {allowed}."
            raise Invalid(detail, errors=[{"at": "/scope", "detail": detail}])
    if by is not None and by not in cuts:
        detail = f"'{kpi}' has no table by {by}. It is cut by: {allowed}."
        raise Invalid(detail, errors=[{"at": "/by", "detail": detail}])


def _ordered(found: dict[Cut, Key]) -> Scope:
    return Scope(tuple((cut, found[cut]) for cut in Cut if cut in found))


def read_key(written: str, cut: Cut = Cut.ASSET) -> Key:
    """Return the key that `write_key` wrote, else raise `ValueError`."""
    if cut is Cut.REGION:
        return "" if written == NO_ID else written
    if cut is Cut.MONTH:
        if len(written) != 7 or written[4] != "-" or not written[:4].isdecimal():
            raise ValueError(f"{written} is no month.")
        return written
    if written == NO_ID:
        return NONE
    key = UUID(written)
    if key == NONE:
        raise ValueError(f"{written} is no id.")
    return key


def write_key(key: Key) -> str:
    return NO_ID if key in (NONE, "") else str(key)


def _read(cut: Cut, written: str) -> Key:
    try:
        key = read_key(written, cut)
    except ValueError:
        raise _unreadable(f"'{written[:60]}' is no id") from None
    if key in (NONE, "") and cut not in _MAY_LACK:
        raise _unreadable(f"Everything has a {cut}")
    return key


def _unreadable(what: str) -> Invalid:
    named = ", ".join(sorted(_NARROWING))
    detail = (
        f"{what}. Say 'tenant', or one or more of {named} with their ids: "
        "'asset:ID' or 'contract:ID,site:ID'; of a region its name."
    )
    return Invalid(detail, errors=[{"at": "/scope", "detail": detail}])
