"""Which contract counts, by which rule, and who pays: by hand, and as properties."""

from datetime import date, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from fsm.contracts.coverage import (
    ContractTerms,
    DecidedBy,
    InvalidTerms,
    Miss,
    Paid,
    Payer,
    Rule,
    Span,
    Work,
    choose,
    miss,
    payer,
    payer_under,
    read_covers,
    read_payers,
)

LIFT = uuid7()
DAY = date(2026, 3, 23)
WORK = Work(LIFT, DAY, "incident", "corrective", "repair")


def terms(number: str = "K-1", kind: str = "subscription", **more: Any) -> ContractTerms:
    values: dict[str, Any] = {
        "period": Span(date(2026, 1, 1), date(2026, 12, 31)),
        "assets": {LIFT: (Span(date(2026, 1, 1)),)},
        **more,
    }
    return ContractTerms(id=uuid7(), number=number, kind=kind, **values)


@pytest.mark.parametrize(
    ("why", "more"),
    [
        (None, {}),
        (None, {"period": Span(DAY, DAY)}),
        (None, {"assets": {LIFT: (Span(DAY, DAY),)}}),
        (None, {"assets": {}, "all_assets": True}),
        (Miss.NOT_YET, {"period": Span(DAY + timedelta(1))}),
        (Miss.ENDED, {"period": Span(date(2025, 1, 1), DAY - timedelta(1))}),
        (Miss.ASSET, {"assets": {}}),
        (Miss.ASSET_DATES, {"assets": {LIFT: (Span(date(2026, 1, 1), DAY - timedelta(1)),)}}),
        (Miss.ASSET_DATES, {"assets": {LIFT: (Span(DAY + timedelta(1)),)}}),
        (Miss.REQUEST_CLASS, {"request_classes": frozenset({"service_request"})}),
        (Miss.MAINTENANCE, {"maintenance": frozenset({"preventive"})}),
        (Miss.WORK_TYPE, {"work_types": frozenset({"inspection"})}),
    ],
)
def test_a_contract_covers_what_it_promises_on_the_days_it_runs(
    why: Miss | None, more: dict[str, Any]
) -> None:
    assert miss(terms(**more), WORK) is why
    assert (choose([terms(**more)], WORK) is None) == (why is not None)


def test_work_without_an_asset_is_covered_by_a_frame_contract_alone() -> None:
    site_work = Work(None, DAY, "incident", "corrective", "repair")
    assert miss(terms(), site_work) is Miss.ASSET
    assert miss(terms(all_assets=True), site_work) is None


@pytest.mark.parametrize(
    ("contracts", "number", "rule"),
    [
        ([terms("K-9")], "K-9", Rule.ONLY),
        (
            [
                terms("K-1", "time_and_materials"),
                terms("K-2", "post_warranty"),
                terms("K-3", "subscription"),
                terms("K-4", "warranty"),
            ],
            "K-4",
            Rule.KIND,
        ),
        ([terms("K-1", "time_and_materials"), terms("K-2", "post_warranty")], "K-2", Rule.KIND),
        ([terms("K-1", "post_warranty"), terms("K-2")], "K-2", Rule.KIND),
        (
            [terms("K-1", "warranty"), terms("K-2", "time_and_materials", priority=1)],
            "K-2",
            Rule.PRIORITY,
        ),
        ([terms("K-1", priority=-1), terms("K-2", "time_and_materials")], "K-2", Rule.PRIORITY),
        ([terms("K-2"), terms("K-1")], "K-1", Rule.NUMBER),
        ([terms("K-2"), terms("K-1"), terms("K-0", assets={})], "K-1", Rule.NUMBER),
    ],
)
def test_of_several_contracts_one_counts_and_the_rule_is_told(
    contracts: list[ContractTerms], number: str, rule: Rule
) -> None:
    for order in permutations(contracts):
        cover = choose(order, WORK)
        assert cover is not None
        assert (cover.number, cover.rule) == (number, rule)


SOME_TERMS = st.builds(
    lambda n, kind, priority, from_day, days, all_assets: terms(
        f"K-{n}",
        kind,
        priority=priority,
        period=Span(DAY + timedelta(from_day), DAY + timedelta(from_day + days)),
        all_assets=all_assets,
    ),
    st.integers(1, 99),
    st.sampled_from(["warranty", "subscription", "post_warranty", "time_and_materials"]),
    st.integers(-1, 1),
    st.integers(-5, 5),
    st.integers(0, 10),
    st.booleans(),
)


@given(st.lists(SOME_TERMS, max_size=6, unique_by=lambda each: each.number))
def test_a_contract_that_does_not_cover_the_work_changes_nothing(
    contracts: list[ContractTerms],
) -> None:
    applying = [each for each in contracts if miss(each, WORK) is None]
    assert choose(contracts, WORK) == choose(reversed(applying), WORK)
    assert (choose(contracts, WORK) is None) == (not applying)


def test_every_kind_of_cost_has_a_payer() -> None:
    said = {"labour": "contract", "travel": "contract", "parts": "customer"}
    cover = choose([terms("K-1", "warranty", payers=said)], WORK)
    assert cover is not None
    assert {kind: payer(cover, kind) for kind in Paid} == {
        "labour": Payer.CONTRACT,
        "travel": Payer.CONTRACT,
        "parts": Payer.CUSTOMER,
        "contractor": Payer.CONTRACT,
        "overhead": Payer.CONTRACT,
        "other": Payer.MANUFACTURER,
    }


@pytest.mark.parametrize(
    ("kind", "who"),
    [
        ("warranty", Payer.MANUFACTURER),
        ("subscription", Payer.CONTRACT),
        ("post_warranty", Payer.CONTRACT),
        ("time_and_materials", Payer.CUSTOMER),
    ],
)
def test_where_nothing_is_said_the_kind_of_contract_pays(kind: str, who: Payer) -> None:
    assert payer_under(kind, {}, "labour") == (who, DecidedBy.KIND)


def test_without_a_contract_the_customer_pays_and_unknown_costs_are_a_mistake() -> None:
    assert payer(None, "parts") is Payer.CUSTOMER
    with pytest.raises(ValueError, match="beer"):
        payer(None, "beer")


@pytest.mark.parametrize(
    ("stored", "at"),
    [
        ([], "/covers"),
        ({"request_class": ["incident"]}, "/covers/request_class"),
        ({"request_classes": []}, "/covers/request_classes"),
        ({"maintenance": "corrective"}, "/covers/maintenance"),
        ({"work_types": ["repair", 7]}, "/covers/work_types/1"),
        ({"all_assets": "yes"}, "/covers/all_assets"),
    ],
)
def test_unreadable_terms_are_named_by_their_place(stored: object, at: str) -> None:
    with pytest.raises(InvalidTerms) as refused:
        read_covers(stored)
    assert refused.value.at == at


def test_terms_have_one_normal_form() -> None:
    assert read_covers({}) == {
        "request_classes": None,
        "maintenance": None,
        "work_types": None,
        "all_assets": False,
    }
    once = read_covers({"work_types": ["b", "a", "b"], "all_assets": True})
    assert once == read_covers(once)
    assert once["work_types"] == ["a", "b"]
    with pytest.raises(InvalidTerms, match="/payers/parts"):
        read_payers({"parts": "nobody"})
    assert read_payers({"travel": "goodwill", "labour": "contract"}) == {
        "labour": "contract",
        "travel": "goodwill",
    }


def test_an_id_is_not_an_asset_of_another_kind() -> None:
    """An asset's days under the contract are looked up by that asset alone."""
    other = Work(UUID(int=1), DAY, "incident", "corrective", "repair")
    assert miss(terms(), other) is Miss.ASSET
