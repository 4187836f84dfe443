"""The rule engine: published vectors, what rules see, and that evaluation never raises."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.checklists.rules import ENGINE, ExpressionError, rule_value
from fsm.checklists.syntax import Comprehension, UnreadableError, read_tree, walk
from mobile_api.conformance import VECTOR_FOLDER

VECTORS = json.loads((VECTOR_FOLDER / "rules-vectors.json").read_text(encoding="utf-8"))["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_published_rules_come_to_what_is_published(vector: dict[str, Any]) -> None:
    activation = ENGINE.activation(**vector["data"])
    outcome = ENGINE.evaluate(vector["expr"], activation)
    assert outcome.value == vector["expected"]
    assert type(outcome.value) is bool or not isinstance(vector["expected"], bool)
    assert (outcome.error is not None) == (vector["expected"] is None)


def test_vectors_have_names_of_their_own_and_cover_errors() -> None:
    assert len({vector["name"] for vector in VECTORS}) == len(VECTORS) >= 30
    assert any(vector["expected"] is None for vector in VECTORS)


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (1, 1.0),
        (True, True),
        ("a", "a"),
        (["a", 2], ["a", 2.0]),
        ([], []),
        (None, None),
        ({"a": 1}, None),
        ([None], None),
        ([[1]], None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        ("\ud800", None),
        ("x" * 10_001, None),
        (["x"] * 1_001, None),
    ],
)
def test_rules_see_flat_values_with_numbers_as_doubles(value: object, seen: object) -> None:
    assert rule_value(value) == seen
    assert type(rule_value(value)) is type(seen)


def test_a_value_that_rules_do_not_see_is_absent() -> None:
    activation = ENGINE.activation({}, {"nested": {"a": 1}, "nothing": None}, {})
    assert ENGINE.evaluate("has(job.nested) || has(job.nothing)", activation).value is False


def test_truth_and_number_refuse_other_results() -> None:
    activation = ENGINE.activation({}, {}, {})
    assert ENGINE.truth("1.0", activation).error
    assert ENGINE.truth("true", activation).value is True
    assert ENGINE.number("true", activation).error
    assert ENGINE.number("1.0 / 0.0", activation).error
    assert ENGINE.number("2.0", activation).value == 2.0


def test_a_syntax_error_says_where() -> None:
    with pytest.raises(ExpressionError) as error:
        ENGINE.tree("1.0 + ")
    assert error.value.offset == 6
    assert "<input>" not in str(error.value)


def test_loops_beyond_any_budget_end_in_an_error() -> None:
    many = [float(number) for number in range(1_000)]
    activation = ENGINE.activation({}, {"many": many}, {})
    nested = "job.many.all(a, job.many.all(b, job.many.all(c, a + b + c >= 0.0)))"
    assert ENGINE.evaluate(nested, activation).error


def test_loops_within_the_limits_of_publishing_are_within_the_budget() -> None:
    many = [float(number) for number in range(1_000)]
    activation = ENGINE.activation({}, {"many": many}, {})
    loops = " && ".join(["job.many.all(a, a >= 0.0)"] * 5)
    assert ENGINE.evaluate(loops, activation).value is True


@given(
    st.text(max_size=40)
    | st.sampled_from(["job.a", "job.a + 1.0", "job.a && true", "size(job.a) > 1", "-job.a"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_evaluation_never_raises(expression: str, value: object) -> None:
    activation = ENGINE.activation({"x": {"value": value}}, {"a": value}, {})
    outcome = ENGINE.evaluate(expression, activation)
    assert (outcome.value is None) == (outcome.error is not None)


def test_the_tree_is_the_one_that_runs() -> None:
    tree = ENGINE.tree("has(answers.a) && [1.0].exists(x, x > 0.5)")
    loops = [node for node in walk(tree) if isinstance(node, Comprehension)]
    assert [loop.variable for loop in loops] == ["x"]


@given(st.binary(max_size=60))
def test_damaged_trees_are_refused_and_nothing_else(data: bytes) -> None:
    with suppress(UnreadableError):
        read_tree(data)
