"""Fee, credits and margin of a contract: by hand, and that they add up however the time is cut."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.formulae.contracts import (
    Breach,
    CreditTerms,
    FeeTerms,
    Money,
    credits_of,
    fee_between,
    fee_by_asset,
    margin,
)

D = Decimal
FEBRUARY, MARCH, APRIL = date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1)


def terms(*fees, starts_on=date(2026, 1, 1), ends_on=None, currency="EUR"):
    return FeeTerms(starts_on, ends_on, tuple((since, D(fee)) for since, fee in fees), currency)


FLAT = terms((date(2026, 1, 1), "310.00"))


@pytest.mark.parametrize(
    ("fee", "from_on", "to_on", "owed"),
    [
        (FLAT, MARCH, APRIL, "310.00"),
        (FLAT, FEBRUARY, MARCH, "310.00"),
        (FLAT, MARCH, date(2026, 3, 11), "100.00"),
        (FLAT, date(2026, 3, 22), date(2026, 4, 4), "131.00"),
        (FLAT, date(2025, 12, 1), date(2026, 1, 2), "10.00"),
        (terms((date(2026, 1, 1), "310"), ends_on=date(2026, 3, 10)), MARCH, APRIL, "100.00"),
        (terms((date(2026, 1, 1), "310"), (date(2026, 3, 11), "620")), MARCH, APRIL, "520.00"),
        (terms((date(2026, 1, 1), "100")), MARCH, date(2026, 3, 2), "3.23"),
        (terms((date(2026, 1, 1), "100")), date(2026, 3, 2), date(2026, 3, 3), "3.22"),
        (terms((date(2026, 1, 1), "100"), currency="JPY"), MARCH, date(2026, 3, 2), "3"),
        (terms((date(2026, 1, 1), "100"), currency="JPY"), date(2026, 3, 2), APRIL, "97"),
        (terms(), MARCH, APRIL, "0.00"),
        (FLAT, MARCH, MARCH, "0"),
    ],
)
def test_a_fee_is_for_days_by_hand(fee, from_on, to_on, owed):
    assert fee_between(fee, from_on, to_on) == D(owed)


days = st.dates(date(2025, 11, 1), date(2026, 12, 31))
monthly = st.decimals(0, 10_000, places=2)


@given(st.lists(days, min_size=3, max_size=3), days, st.none() | days, monthly, monthly, days)
def test_fees_of_adjoining_windows_add_up_to_the_cent(cuts, starts, ends, one, other, since):
    fee = terms((date(2025, 1, 1), one), (since, other), starts_on=starts, ends_on=ends)
    first, middle, last = sorted(cuts)
    parts = fee_between(fee, first, middle) + fee_between(fee, middle, last)
    assert parts == fee_between(fee, first, last)


def test_a_broken_promise_gives_back_an_amount_and_a_share_of_the_months_fee():
    given_back = credits_of(
        FLAT,
        CreditTerms({"response": D("20")}, {"restoration": D("0.1")}),
        [
            Breach("a", "response", date(2026, 3, 3)),
            Breach("b", "restoration", date(2026, 3, 4)),
            Breach("c", "response", date(2026, 2, 28)),
        ],
        MARCH,
        APRIL,
    )
    assert given_back == {"a": D("20"), "b": D("31.00")}


def test_no_more_is_given_back_than_the_months_cap_and_the_window_does_not_move_it():
    capped = CreditTerms({"response": D("20")}, {}, D("0.1"))
    breaches = [Breach(f"{n:02}", "response", date(2026, 3, n)) for n in (2, 3, 4)]
    assert credits_of(FLAT, capped, breaches, MARCH, APRIL) == {
        "02": D("20"),
        "03": D("11.00"),
        "04": D("0.00"),
    }
    alone = credits_of(FLAT, capped, breaches, date(2026, 3, 3), date(2026, 3, 4))
    assert alone == {"03": D("11.00")}


def test_the_fee_is_divided_over_assets_by_weight_and_days():
    weights = [("a", D(31)), ("b", D(31)), ("c", D(0)), ("a", D(31))]
    assert fee_by_asset(D("100.00"), weights, "EUR") == {"a": D("66.67"), "b": D("33.33")}
    assert fee_by_asset(D("100.00"), [("c", D(0))], "EUR") == {}


def test_a_margin_is_the_sum_of_its_parts():
    """Fee 300, bills 150, 80 from the manufacturer; 120 + 40 + 90 + 100 + 5 spent; 20 given back."""
    money = Money(
        cost={
            "contract": D("120"),
            "goodwill": D("40"),
            "customer": D("90"),
            "manufacturer": D("100"),
            "undecided": D("5"),
        },
        billed=D("150"),
        recovered=D("80"),
    )
    found = margin(D("300"), money, D("20"))
    assert (found.value, found.revenue, found.cost) == (D("155"), D("530"), D("355"))
    assert (found.covered, found.billable) == (D("120"), D("60"))
    assert (found.manufacturer, found.undecided) == (D("-20"), D("-5"))
    assert found.share == pytest.approx(155 / 530)
    assert margin(D(0), Money({"contract": D(1)}), D(0)).share is None


amounts = st.decimals(0, 10**6, places=2)
payers = st.sampled_from(["contract", "goodwill", "customer", "manufacturer", "undecided"])


@given(amounts, st.dictionaries(payers, amounts), amounts, amounts, amounts)
def test_the_parts_of_every_margin_add_up_to_it(fee, cost, billed, recovered, credited):
    found = margin(fee, Money(cost, billed, recovered), credited)
    parts = found.covered + found.billable + found.manufacturer + found.undecided
    assert parts == found.value


def test_credits_of_adjoining_windows_add_up():
    capped = CreditTerms({"response": D("7.77")}, {"restoration": D("0.033")}, D("0.2"))
    breaches = [
        Breach(f"{n}", ("response", "restoration")[n % 2], MARCH + timedelta(n % 40))
        for n in range(60)
    ]
    cut, end = date(2026, 3, 17), date(2026, 5, 1)
    whole = sum(credits_of(FLAT, capped, breaches, MARCH, end).values())
    parts = [credits_of(FLAT, capped, breaches, *span) for span in ((MARCH, cut), (cut, end))]
    assert sum(sum(part.values()) for part in parts) == whole > 0
