"""Which contract a piece of work falls under, and who pays for it.

A contract covers work when the day lies in its period, the asset is under it that day, and class,
kind of maintenance and type of work are among those it promises. Of several the one with the higher
`priority` counts; then warranty before subscription before post-warranty before time and materials,
for whoever owes the work for nothing comes first; then the lower number. Its stored terms:

    covers  {"request_classes": ["incident"], "maintenance": ["corrective"],
             "work_types": ["repair"], "all_assets": false}
    payers  {"labour": "contract", "travel": "contract", "parts": "customer"}

A list that is null or left out promises everything of its kind. `all_assets` is for frame contracts:
whatever the customer has, and work without an asset.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final
from uuid import UUID


class Payer(StrEnum):
    """Who bears a cost. `contract`: its fee has paid for it. `goodwill`: we do, unasked.

    `undecided`: a rule wants something known first, such as the cause; no contract says so itself.
    """

    MANUFACTURER = "manufacturer"
    CONTRACT = "contract"
    CUSTOMER = "customer"
    GOODWILL = "goodwill"
    UNDECIDED = "undecided"


class DecidedBy(StrEnum):
    """What says who pays."""

    STATED = "stated"
    AS_LABOUR = "as_labour"
    KIND = "kind"
    NO_CONTRACT = "no_contract"
    DECIDED = "decided"


class Paid(StrEnum):
    """What is paid for, in the words of the cost ledger."""

    LABOUR = "labour"
    TRAVEL = "travel"
    PARTS = "parts"
    CONTRACTOR = "contractor"
    OVERHEAD = "overhead"
    OTHER = "other"


#: Contract kinds in the order in which they are looked at, with who pays where nothing is said.
_KINDS: Final[Mapping[str, Payer]] = {
    "warranty": Payer.MANUFACTURER,
    "subscription": Payer.CONTRACT,
    "post_warranty": Payer.CONTRACT,
    "time_and_materials": Payer.CUSTOMER,
}
_ORDER: Final = tuple(_KINDS)

#: Kinds of cost that follow the labour where nothing is said of them.
_AS_LABOUR: Final = (Paid.CONTRACTOR, Paid.OVERHEAD)

STATED: Final = tuple(payer for payer in Payer if payer is not Payer.UNDECIDED)
"""Whom a contract's terms may name."""

_LISTS: Final = ("request_classes", "maintenance", "work_types")


class InvalidTerms(ValueError):
    """Terms that cannot be read; `at` is a JSON pointer, from `/covers` or `/payers` on."""

    def __init__(self, at: str, reason: str) -> None:
        super().__init__(f"{at}: {reason}")
        self.at = at
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Span:
    """Days of one asset under a contract; both belong to it, `ends_on` None while it goes on."""

    starts_on: date
    ends_on: date | None = None

    def holds(self, day: date) -> bool:
        return self.starts_on <= day and (self.ends_on is None or day <= self.ends_on)


@dataclass(frozen=True, slots=True)
class ContractTerms:
    """What of a contract decides about cover. None instead of a set: everything of its kind."""

    id: UUID
    number: str
    kind: str
    period: Span
    priority: int = 0
    request_classes: frozenset[str] | None = None
    maintenance: frozenset[str] | None = None
    work_types: frozenset[str] | None = None
    all_assets: bool = False
    assets: Mapping[UUID, tuple[Span, ...]] = field(default_factory=dict)
    payers: Mapping[str, str] = field(default_factory=dict)
    service_level_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be covered. `on` is the day at the site; no asset: work for the site as such."""

    asset_id: UUID | None
    on: date
    request_class: str
    maintenance: str
    work_type: str


class Miss(StrEnum):
    """The first reason why a contract does not cover some work."""

    NOT_YET = "not_yet"
    ENDED = "ended"
    ASSET = "asset"
    ASSET_DATES = "asset_dates"
    REQUEST_CLASS = "request_class"
    MAINTENANCE = "maintenance"
    WORK_TYPE = "work_type"


class Rule(StrEnum):
    """What decided between the contracts that cover the work."""

    ONLY = "only"
    PRIORITY = "priority"
    KIND = "kind"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Cover:
    """The contract that counts, by which rule, and who pays for what under it."""

    contract_id: UUID
    number: str
    kind: str
    service_level_id: UUID | None
    rule: Rule
    payers: Mapping[str, Payer]


def miss(terms: ContractTerms, work: Work) -> Miss | None:
    """Return the first reason why a contract does not cover the work, None if it does."""
    if work.on < terms.period.starts_on:
        return Miss.NOT_YET
    if not terms.period.holds(work.on):
        return Miss.ENDED
    if not terms.all_assets:
        spans = terms.assets.get(work.asset_id, ()) if work.asset_id is not None else ()
        if not spans:
            return Miss.ASSET
        if not any(span.holds(work.on) for span in spans):
            return Miss.ASSET_DATES
    if terms.request_classes is not None and work.request_class not in terms.request_classes:
        return Miss.REQUEST_CLASS
    if terms.maintenance is not None and work.maintenance not in terms.maintenance:
        return Miss.MAINTENANCE
    if terms.work_types is not None and work.work_type not in terms.work_types:
        return Miss.WORK_TYPE
    return None


def choose(contracts: Iterable[ContractTerms], work: Work) -> Cover | None:
    """Return the contract that the work falls under, whatever order they come in; None if none."""
    applying = sorted((terms for terms in contracts if miss(terms, work) is None), key=_rank)
    if not applying:
        return None
    best = applying[0]
    return Cover(
        contract_id=best.id,
        number=best.number,
        kind=best.kind,
        service_level_id=best.service_level_id,
        rule=_deciding(best, applying[1] if len(applying) > 1 else None),
        payers={kind.value: payer_under(best.kind, best.payers, kind)[0] for kind in Paid},
    )


def payer(cover: Cover | None, kind: str) -> Payer:
    """Return who pays for one kind of cost; without a contract it is the customer.

    Raises ValueError for a kind that the cost ledger does not know.
    """
    word = Paid(kind)
    return Payer.CUSTOMER if cover is None else cover.payers[word]


def payer_under(
    contract_kind: str, payers: Mapping[str, str], kind: str
) -> tuple[Payer, DecidedBy]:
    """Return who pays for one kind of cost under a contract, and what says so.

    A contractor does the labour's work and overhead comes with it, so both follow it where nothing is said
    of them. Where the contract says nothing at all, its kind does. Raises ValueError for an unknown kind.
    """
    word = Paid(kind)
    if word in payers:
        return Payer(payers[word]), DecidedBy.STATED
    if word in _AS_LABOUR and Paid.LABOUR in payers:
        return Payer(payers[Paid.LABOUR]), DecidedBy.AS_LABOUR
    return _KINDS[contract_kind], DecidedBy.KIND


def _rank(terms: ContractTerms) -> tuple[int, int, str]:
    return -terms.priority, _ORDER.index(terms.kind), terms.number


def _deciding(best: ContractTerms, next_best: ContractTerms | None) -> Rule:
    if next_best is None:
        return Rule.ONLY
    if best.priority != next_best.priority:
        return Rule.PRIORITY
    return Rule.KIND if best.kind != next_best.kind else Rule.NUMBER


# --- stored terms -----------------------------------------------------------------------------------------


def read_covers(stored: object) -> dict[str, Any]:
    """Return `covers` in its only normal form, or raise `InvalidTerms` naming the place at fault.

    Whether its words exist is for whoever knows the catalogue to say.
    """
    fields = _object(stored, "/covers", (*_LISTS, "all_assets"))
    normal: dict[str, Any] = {}
    for name in _LISTS:
        words = fields.get(name)
        if words is None:
            normal[name] = None
            continue
        if not isinstance(words, list | tuple) or not words:
            raise InvalidTerms(
                f"/covers/{name}", "a list of at least one word, or null for everything."
            )
        for place, word in enumerate(words):
            if not isinstance(word, str) or not 0 < len(word) <= 60:
                raise InvalidTerms(f"/covers/{name}/{place}", "a code of 1 to 60 characters.")
        normal[name] = sorted(set(words))
    everything = fields.get("all_assets", False)
    if not isinstance(everything, bool):
        raise InvalidTerms("/covers/all_assets", "true or false.")
    return {**normal, "all_assets": everything}


def read_payers(stored: object) -> dict[str, str]:
    """Return `payers` as given, checked: kinds of cost to payers."""
    fields = _object(stored, "/payers", tuple(Paid))
    for name, word in fields.items():
        if not isinstance(word, str) or word not in STATED:
            raise InvalidTerms(f"/payers/{name}", f"one of {', '.join(STATED)}.")
    return {name: str(fields[name]) for name in Paid if name in fields}


def words_of(covers: Mapping[str, Any], name: str) -> frozenset[str] | None:
    """Return one list of stored `covers` as a set, None where everything is promised."""
    words = covers.get(name)
    return None if words is None else frozenset(words)


def _object(stored: object, at: str, allowed: Iterable[str]) -> Mapping[str, object]:
    if not isinstance(stored, Mapping):
        raise InvalidTerms(at, "an object.")
    known = [str(name) for name in allowed]
    for name in stored:
        if name not in known:
            raise InvalidTerms(f"{at}/{name}", f"unknown; allowed: {', '.join(known)}.")
    return stored
