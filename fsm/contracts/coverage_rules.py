"""Who bears a cost where the contract alone does not say: a company's own rules, looked at before its terms.

A rule holds for a cost when all its conditions do; of several that hold, the one with the lowest place
counts. What no rule holds for is paid as the contract has it (`coverage.payer_under`). A rule as stored:

    {"kinds": ["parts"], "contract_kinds": ["warranty"], "causes": ["misuse"], "under_warranty": true}

A list that is left out, or a yes or no that is, asks nothing. `none` in `contract_kinds`, `manufacturers` or
`causes` stands for there being none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from fsm.contracts.coverage import DecidedBy, InvalidTerms, Paid, Payer, Span, payer_under

NONE: Final = "none"
_LISTS: Final = (
    "kinds",
    "request_classes",
    "maintenance",
    "work_types",
    "contract_kinds",
    "manufacturers",
    "causes",
)
_FLAGS: Final = ("under_warranty", "is_rework", "is_original")
_PREFIX: Final = "rule:"


class Ground(StrEnum):
    """Why whoever stands before the payer does not pay."""

    NO_CONTRACT = "no_contract"
    NOT_COVERED = "not_covered"
    ON_ACCOUNT = "on_account"


@dataclass(frozen=True, slots=True)
class Charge:
    """A cost to be borne. `contract_kind` None: under no contract; `on` is the day of the cost at the site.

    `is_original` says it of a part, None of what is none; `cause` is the failure's code, None if unknown.
    """

    kind: str
    on: date
    request_class: str
    maintenance: str
    work_type: str
    contract_kind: str | None = None
    manufacturer: str = ""
    cause: str | None = None
    under_warranty: bool = False
    is_rework: bool = False
    is_original: bool | None = None


@dataclass(frozen=True, slots=True)
class CostRule:
    """Who pays for the costs that it holds for, and the ground on which the others do not."""

    code: str
    place: int
    payer: Payer
    during: Span
    conditions: Mapping[str, Any]
    ground: str = ""

    def holds(self, charge: Charge) -> bool:
        if not self.during.holds(charge.on):
            return False
        told: dict[str, object] = {
            "kinds": charge.kind,
            "request_classes": charge.request_class,
            "maintenance": charge.maintenance,
            "work_types": charge.work_type,
            "contract_kinds": charge.contract_kind or NONE,
            "manufacturers": charge.manufacturer or NONE,
            "causes": charge.cause or NONE,
        }
        flags: dict[str, object] = {name: getattr(charge, name) for name in _FLAGS}
        return all(
            told[name] in wanted if name in told else flags[name] is wanted
            for name, wanted in self.conditions.items()
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """Who pays, what said so, and on what ground nobody else does; no ground where nobody was refused."""

    payer: Payer
    rule: str
    ground: str = ""


def decide(rules: Iterable[CostRule], charge: Charge, payers: Mapping[str, str]) -> Decision:
    """Return who bears a cost; `payers` are the contract's terms, empty without one."""
    holding = [rule for rule in rules if rule.holds(charge)]
    if holding:
        first = min(holding, key=lambda rule: (rule.place, rule.code))
        return Decision(first.payer, f"{_PREFIX}{first.code}", first.ground)
    if charge.contract_kind is None:
        return Decision(Payer.CUSTOMER, DecidedBy.NO_CONTRACT, Ground.NO_CONTRACT)
    payer, rule = payer_under(charge.contract_kind, payers, charge.kind)
    if payer is not Payer.CUSTOMER:
        return Decision(payer, rule)
    ground = Ground.ON_ACCOUNT if rule is DecidedBy.KIND else Ground.NOT_COVERED
    return Decision(payer, rule, ground)


def read_conditions(stored: object) -> dict[str, Any]:
    """Return a rule's conditions in their only normal form, or raise `InvalidTerms` naming the place."""
    if not isinstance(stored, Mapping):
        raise InvalidTerms("/conditions", "an object.")
    for name in stored:
        if name not in (*_LISTS, *_FLAGS):
            allowed = ", ".join((*_LISTS, *_FLAGS))
            raise InvalidTerms(f"/conditions/{name}", f"unknown; allowed: {allowed}.")
    normal: dict[str, Any] = {}
    for name in _LISTS:
        words = stored.get(name)
        if words is None:
            continue
        if not isinstance(words, list | tuple) or not words:
            raise InvalidTerms(f"/conditions/{name}", "a list of at least one word.")
        for place, word in enumerate(words):
            if not isinstance(word, str) or not 0 < len(word) <= 200 or "\x00" in word:
                raise InvalidTerms(f"/conditions/{name}/{place}", "a text of 1 to 200 characters.")
        normal[name] = sorted(set(words))
    for word in normal.get("kinds", ()):
        if word not in tuple(Paid):
            raise InvalidTerms("/conditions/kinds", f"one of {', '.join(Paid)}.")
    for name in _FLAGS:
        flag = stored.get(name)
        if flag is None:
            continue
        if not isinstance(flag, bool):
            raise InvalidTerms(f"/conditions/{name}", "true or false.")
        normal[name] = flag
    return normal
