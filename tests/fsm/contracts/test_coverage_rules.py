"""Who bears a cost by the company's own rules: by hand, and whatever order they come in."""

from datetime import date
from itertools import permutations
from typing import Any

import pytest

from fsm.contracts.coverage import InvalidTerms, Payer, Span
from fsm.contracts.coverage_rules import Charge, CostRule, Decision, decide, read_conditions

DAY = date(2026, 3, 23)


def charge(**more: Any) -> Charge:
    return Charge(
        **{
            "kind": "parts",
            "on": DAY,
            "request_class": "incident",
            "maintenance": "corrective",
            "work_type": "repair",
            "contract_kind": "warranty",
            **more,
        }
    )


def rule(code: str, payer: Payer, place: int = 1, ground: str = "", **conditions: Any) -> CostRule:
    during = conditions.pop("during", Span(date(2026, 1, 1)))
    return CostRule(code, place, payer, during, read_conditions(conditions), ground)


@pytest.mark.parametrize(
    ("conditions", "more", "holds"),
    [
        ({}, {}, True),
        ({"kinds": ["parts", "travel"]}, {}, True),
        ({"kinds": ["labour"]}, {}, False),
        ({"contract_kinds": ["none"]}, {}, False),
        ({"contract_kinds": ["none"]}, {"contract_kind": None}, True),
        ({"causes": ["misuse"]}, {"cause": "misuse"}, True),
        ({"causes": ["misuse"]}, {}, False),
        ({"causes": ["none"]}, {}, True),
        ({"manufacturers": ["Otto"], "under_warranty": True}, {"manufacturer": "Otto"}, False),
        (
            {"manufacturers": ["Otto"], "under_warranty": True},
            {"manufacturer": "Otto", "under_warranty": True},
            True,
        ),
        ({"is_rework": False}, {"is_rework": True}, False),
        ({"is_original": False}, {"is_original": False}, True),
        ({"is_original": False}, {"is_original": None}, False),
        ({"during": Span(date(2026, 3, 24))}, {}, False),
        ({"during": Span(date(2026, 1, 1), DAY)}, {}, True),
        ({"work_types": ["repair"], "maintenance": ["preventive"]}, {}, False),
    ],
)
def test_a_rule_holds_when_all_its_conditions_do(
    conditions: dict[str, Any], more: dict[str, Any], holds: bool
) -> None:
    assert rule("r", Payer.CUSTOMER, **conditions).holds(charge(**more)) is holds


def test_of_the_rules_that_hold_the_lowest_place_counts_then_the_code() -> None:
    rules = [
        rule("b", Payer.GOODWILL, 2),
        rule("misuse", Payer.CUSTOMER, 1, "Damage by misuse is not covered", causes=["misuse"]),
        rule("a", Payer.MANUFACTURER, 2),
    ]
    for order in permutations(rules):
        assert decide(order, charge(cause="misuse"), {}) == Decision(
            Payer.CUSTOMER, "rule:misuse", "Damage by misuse is not covered"
        )
        assert decide(order, charge(), {}) == Decision(Payer.MANUFACTURER, "rule:a")


@pytest.mark.parametrize(
    ("kind", "payers", "decision"),
    [
        (None, {}, Decision(Payer.CUSTOMER, "no_contract", "no_contract")),
        ("warranty", {}, Decision(Payer.MANUFACTURER, "kind")),
        ("time_and_materials", {}, Decision(Payer.CUSTOMER, "kind", "on_account")),
        ("subscription", {"parts": "customer"}, Decision(Payer.CUSTOMER, "stated", "not_covered")),
        ("subscription", {"parts": "goodwill"}, Decision(Payer.GOODWILL, "stated")),
    ],
)
def test_where_no_rule_holds_the_contract_says_who_pays_and_a_refusal_has_its_ground(
    kind: str | None, payers: dict[str, str], decision: Decision
) -> None:
    assert decide([], charge(contract_kind=kind), payers) == decision


@pytest.mark.parametrize(
    ("stored", "at"),
    [
        ([], "/conditions"),
        ({"colour": ["red"]}, "/conditions/colour"),
        ({"kinds": []}, "/conditions/kinds"),
        ({"kinds": ["gold"]}, "/conditions/kinds"),
        ({"kinds": "parts"}, "/conditions/kinds"),
        ({"causes": [1]}, "/conditions/causes/0"),
        ({"is_rework": "yes"}, "/conditions/is_rework"),
    ],
)
def test_conditions_that_cannot_be_read_are_refused_with_the_place(stored: Any, at: str) -> None:
    with pytest.raises(InvalidTerms) as refused:
        read_conditions(stored)
    assert refused.value.at == at
