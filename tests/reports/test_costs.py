"""Costs add up to the ledger to the cent, whichever way they are cut."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.amounts import allocate, rounded
from reports.formulae import cost, cost_by, recoveries
from reports.rows import Cost

JUNE, JULY = date(2026, 6, 1), date(2026, 7, 1)
D = Decimal


def line(name, amount, currency="EUR", *, day=15, assets=(), recovery=False, **keys):
    return Cost(
        name,
        date(2026, 6, day),
        D(amount),
        currency,
        tuple(keys.items()),
        tuple((asset_id, D(weight)) for asset_id, weight in assets),
        recovery,
    )


def test_costs_are_summed_by_currency_over_days_posted():
    lines = [
        line("labour", "100.10", day=1),
        line("parts", "0.20", day=30),
        line("credit", "-10.00"),
        line("dollars", "5", "USD"),
        line("back from the manufacturer", "40.00", recovery=True),
        Cost("july", JULY, D("9.99"), "EUR"),
    ]
    figures = cost(lines, JUNE, JULY)
    assert {currency: figure.value for currency, figure in figures.items()} == {
        "EUR": D("90.30"),
        "USD": D("5"),
    }
    assert (figures["EUR"].n, figures["EUR"].excluded) == (3, {"recovery": 1})
    assert recoveries(lines, JUNE, JULY)["EUR"].value == D("40.00")
    assert sum(share.numerator for share in figures["EUR"].shares) == D("90.30")


def test_no_lines_are_no_currency():
    assert cost([], JUNE, JULY) == {}


def test_a_line_for_several_assets_is_divided_by_weight_and_the_rest_is_unallocated():
    lines = [
        line("shared", "100.00", assets=[("a", 1), ("b", 1), ("c", 1)], site="s1"),
        line("one", "7.00", assets=[("a", 1)], site="s2"),
        line("none", "0.05"),
    ]
    assert cost_by(lines, JUNE, JULY, "asset") == {
        "EUR": {"a": D("40.34"), "b": D("33.33"), "c": D("33.33"), "unallocated": D("0.05")}
    }
    assert cost_by(lines, JUNE, JULY, "site") == {
        "EUR": {"s1": D("100.00"), "s2": D("7.00"), "unallocated": D("0.05")}
    }


@pytest.mark.parametrize(
    ("amount", "weights", "currency", "parts"),
    [
        ("0.05", (1, 1), "EUR", ("0.03", "0.02")),
        ("0.05", (1, 3), "EUR", ("0.01", "0.04")),
        ("-0.05", (1, 1), "EUR", ("-0.03", "-0.02")),
        ("100", (1, 1, 1), "JPY", ("34", "33", "33")),
        ("1", (1, 1, 1), "KWD", ("0.34", "0.33", "0.33")),
        ("0.0005", (1, 2), "EUR", ("0.0002", "0.0003")),
        ("10", (0, 1), "EUR", ("0", "10")),
        ("1E+2", ("0.5", "0.25", "0.25"), "EUR", ("50", "25", "25")),
        ("0.10", ("0.7", "0.2", "0.1"), "EUR", ("0.07", "0.02", "0.01")),
    ],
)
def test_largest_remainder_by_hand(amount, weights, currency, parts):
    assert allocate(D(amount), [D(weight) for weight in weights], currency) == [
        D(part) for part in parts
    ]


@pytest.mark.parametrize(
    ("amount", "currency", "paid"),
    [
        ("1.005", "EUR", "1.00"),
        ("1.015", "EUR", "1.02"),
        ("-1.015", "CZK", "-1.02"),
        ("1234.5", "JPY", "1234.00"),
        ("1235.5", "JPY", "1236.00"),
        ("-0.4", "KRW", "0.00"),
        ("1.2345", "KWD", "1.23"),
    ],
)
def test_an_amount_is_rounded_to_what_is_paid(amount, currency, paid):
    assert str(rounded(D(amount), currency)) == paid


amounts = st.decimals(-(10**15), 10**15, places=2)
weights_ = st.lists(st.decimals(0, 1000, places=3), min_size=1, max_size=7).filter(any)


@given(amounts, weights_)
def test_parts_are_whole_cents_that_add_up_and_stray_less_than_one(amount, weights):
    parts = allocate(amount, weights, "EUR")
    assert sum(parts) == amount
    assert all(part == part.quantize(D("0.01")) for part in parts)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - amount * weight / sum(weights)) < D("0.01") + D("1e-9")


@given(amounts, weights_)
def test_taking_a_charge_back_leaves_nothing_on_any_asset(amount, weights):
    charge, credit = allocate(amount, weights, "EUR"), allocate(-amount, weights, "EUR")
    assert [one + other for one, other in zip(charge, credit, strict=True)] == [0] * len(weights)


@given(
    st.lists(
        st.builds(
            line,
            st.just("x"),
            amounts,
            st.sampled_from(["EUR", "JPY", "KWD"]),
            assets=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), max_size=3),
            recovery=st.booleans(),
            customer=st.sampled_from(["c1", "c2"]),
        ),
        max_size=8,
    )
)
def test_every_cut_adds_up_to_the_ledger(lines):
    gross = {key: figure.value for key, figure in cost(lines, JUNE, JULY).items()}
    for cut in ("asset", "customer", "technician"):
        sums = {key: sum(by.values()) for key, by in cost_by(lines, JUNE, JULY, cut).items()}
        assert all(sums.get(currency, 0) == total for currency, total in gross.items())


@pytest.mark.parametrize("weights", [[], [D(0)], [D(-1), D(2)], [D("NaN")]])
def test_weights_that_divide_nothing_are_refused(weights):
    with pytest.raises(ValueError, match=r"[Ww]eights"):
        allocate(D(1), weights, "EUR")
    with pytest.raises(ValueError, match="no amount"):
        allocate(D("Infinity"), [D(1)], "EUR")
