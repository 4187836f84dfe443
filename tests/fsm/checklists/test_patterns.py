"""Which regular expressions RE2 and ECMAScript read alike."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.checklists.patterns import PatternError, check_pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        r"^[A-Z]{2}-\d{4,8}$",
        "a|b|",
        "(?:ab)?c*",
        r"[\]a\-]+",
        "[a-z0-9_-]+",
        r"\bбак\b",
        r"x*?\.",
        "(a|b){2}",
        "a{1,1000}",
        r"\/\t",
    ],
)
def test_the_common_subset_is_accepted(pattern: str) -> None:
    check_pattern(pattern)
    re.compile(pattern)  # it is a regular expression at all


@pytest.mark.parametrize(
    "pattern",
    [
        ".",
        "[^a]",
        r"\D",
        r"\s",
        r"\S",
        r"\W",
        r"\p{L}",
        r"\1",
        r"\-",
        "(?=a)",
        "(?<n>a)",
        "(?i)a",
        "(a+)+",
        "(?:a*b)*",
        "((a{2})b){3}",
        "a**",
        "a{2}{3}",
        "^*",
        r"\b+",
        "a{",
        "}",
        "]",
        "{2}",
        "a{2,1}",
        "a{1001}",
        "a{0002}",
        "(",
        "(a",
        "a)",
        "[a",
        "[]",
        "[z-a]",
        r"[\d-z]",
        "[[:alpha:]]",
        "[a&&b]",
        "\\",
        "😀",
        "\n",
        "\ud800",
        "a" * 501,
        "(" * 12 + ")" * 12,
    ],
)
def test_whatever_the_sides_read_differently_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        check_pattern(pattern)


@given(st.text(alphabet=r"ab[]()|*+?{},1-^$\d.", max_size=12))
def test_what_is_accepted_is_a_regular_expression(pattern: str) -> None:
    try:
        check_pattern(pattern)
    except PatternError:
        return
    re.compile(pattern)
