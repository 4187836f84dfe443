"""Answers: the generated schemas and what is wrong with a value."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from fsm.checklists.answers import (
    Fault,
    answer_schema,
    answers_schema,
    faults,
    has_gs1_check_digit,
    is_blank,
    rule_fields,
)
from fsm.checklists.items import Item, Kind
from fsm.checklists.templates import publish

CHOICES = [{"code": "a"}, {"code": "b"}, {"code": "c"}]


def item(kind: str, **properties: Any) -> Item:
    document = {"id": "x", "kind": kind, **properties}
    template = publish({"template_id": "t", "version": 1, "items": [document]})
    return template.items[0]


NUMBER = item("number", min=-1.5, max=10, decimals=2)
MANY = item("choice", choices=CHOICES, multiple=True, min_picks=2, max_picks=2)
METER = item("meter", meter="hours", min=0)
PHOTO = item("photo", max=2, max_bytes=1_000)
VIDEO = item("video", max_seconds=60, mime=["video/mp4"])


@pytest.mark.parametrize(
    ("asked", "value", "expected"),
    [
        (item("yesno"), True, ""),
        (item("yesno"), "yes", "shape type"),
        (item("yesno"), 1, "shape type"),
        (NUMBER, 10, ""),
        (NUMBER, -1.5, ""),
        (NUMBER, 0.29, ""),
        (NUMBER, True, "shape type"),
        (NUMBER, "1", "shape type"),
        (NUMBER, float("nan"), "shape type"),
        (NUMBER, 10.01, "limit max"),
        (NUMBER, -2, "limit min"),
        (NUMBER, 0.125, "limit decimals"),
        (NUMBER, 1e-7, "limit decimals"),
        (item("number"), 10**400, "limit max"),
        (item("number", decimals=0), 5.0, ""),
        (item("choice", choices=CHOICES), "a", ""),
        (item("choice", choices=CHOICES), "z", "limit codes"),
        (item("choice", choices=CHOICES), ["a"], "shape type"),
        (MANY, ["a", "c"], ""),
        (MANY, ["a"], "limit min_picks"),
        (MANY, ["a", "b", "c"], "limit max_picks"),
        (MANY, ["a", "z"], "limit codes"),
        (MANY, ["a", "a"], "shape type"),
        (MANY, ["a", 1], "shape type"),
        (MANY, "a", "shape type"),
        (MANY, [["a"]] * 2, "shape type"),
        (item("text", min_length=2, max_length=3), "ab", ""),
        (item("text", min_length=2, max_length=3), "😀😀😀", ""),
        (item("text", min_length=2, max_length=3), "a", "limit min_length"),
        (item("text", min_length=2, max_length=3), "abcd", "limit max_length"),
        (item("text"), "a\0", "shape type"),
        (item("text"), "\ud800", "shape type"),
        (item("text", min_length=3_000), "a" * 3_000, ""),
        (METER, 5, ""),
        (METER, {"value": 5, "rollover": True}, ""),
        (METER, {"value": "5"}, "shape type"),
        (METER, {"rollover": True}, "shape type"),
        (METER, {"value": 5, "reset": True}, "shape type"),
        (METER, {"value": -5}, "limit min"),
        (METER, -5, "limit min"),
        (item("barcode"), "anything", ""),
        (item("barcode"), 5, "shape type"),
        (item("barcode", symbology=["ean13"]), "4006381333931", ""),
        (item("barcode", symbology=["ean13"]), "4006381333932", "shape symbology"),
        (item("barcode", symbology=["ean13", "code39"]), "B-200", ""),
        (item("barcode", symbology=["code39"]), "b-200", "shape symbology"),
        (item("barcode", symbology=["code128"]), "Б", "shape symbology"),
        (PHOTO, {"slot": 1, "mime": "image/png", "size": 1_000}, ""),
        (PHOTO, {"slot": 2, "mime": "image/png", "size": 1_000}, "limit slot"),
        (PHOTO, {"slot": 0, "mime": "video/mp4", "size": 1_000}, "shape mime"),
        (PHOTO, {"slot": 0, "mime": "image/png", "size": 1_001}, "limit size"),
        (VIDEO, {"slot": 0, "mime": "video/mp4", "size": 9, "seconds": 60.5}, "limit seconds"),
        (VIDEO, {"slot": 0, "mime": "video/webm", "size": 9}, "shape mime"),
        (item("signature"), {"photo_id": "p", "name": "Anna"}, ""),
        (item("signature"), {"photo_id": "p", "name": ""}, "limit min_length"),
        (item("signature"), {"photo_id": "p"}, "shape type"),
    ],
)
def test_an_answer_is_told_what_is_wrong_with_it(asked: Item, value: Any, expected: str) -> None:
    wanted = (Fault(*expected.split()),) if expected else ()
    assert faults(asked, value) == wanted


def test_the_shape_comes_before_the_limits() -> None:
    assert faults(MANY, ["z", 1]) == (Fault("shape", "type"),)
    assert faults(NUMBER, 10.125) == (Fault("limit", "decimals"), Fault("limit", "max"))


@pytest.mark.parametrize(
    ("digits", "valid"),
    [("4006381333931", True), ("73513537", True), ("036000291452", True), ("036000291453", False)],
)
def test_gs1_check_digits(digits: str, valid: bool) -> None:
    assert has_gs1_check_digit(digits) is valid


def test_blank_values_are_no_answers() -> None:
    assert all(map(is_blank, (None, "", " \n", [])))
    assert not any(map(is_blank, (False, 0, "a", ["a"], {})))


def test_rules_see_answers_of_the_right_shape_only() -> None:
    assert rule_fields(NUMBER, 142) == {"value": 142.0}  # beyond its limit, but a number
    assert rule_fields(NUMBER, "142") is None
    assert rule_fields(METER, {"value": 5, "rollover": True}) == {"value": 5.0, "rollover": True}
    assert rule_fields(METER, 5) == {"value": 5.0, "rollover": False}
    assert rule_fields(MANY, ["a"]) == {"value": ["a"]}
    assert rule_fields(item("text"), " ") is None


def test_schemas_are_json_schema_2020_12() -> None:
    items = [
        {"id": f"i{place}", "kind": kind.value}
        | ({"choices": CHOICES} if kind is Kind.CHOICE else {})
        | ({"meter": "hours"} if kind is Kind.METER else {})
        for place, kind in enumerate(Kind)
    ]
    template = publish({"template_id": "t", "version": 1, "items": items})
    schema = answers_schema(template)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid({"i0": True, "i1": 5, "i2": "a"})
    assert not validator.is_valid({"i0": 1})
    assert not validator.is_valid({"unknown": 1})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["value", "rollover", "slot", "mime", "size", "x"]), inner
        )
    ),
    max_leaves=8,
)
ITEMS = [
    item("yesno"),
    NUMBER,
    item("choice", choices=CHOICES),
    MANY,
    item("text"),
    PHOTO,
    VIDEO,
    item("signature"),
    METER,
    item("barcode", symbology=["ean13", "qr"]),
]


@given(st.sampled_from(ITEMS), json_values)
def test_any_value_is_judged_and_the_plain_schema_accepts_what_we_accept(
    asked: Item, value: Any
) -> None:
    found = faults(asked, value)
    if not found:
        assert Draft202012Validator(answer_schema(asked)).is_valid(value)
    if any(fault.code == "shape" for fault in found):
        assert rule_fields(asked, value) is None
