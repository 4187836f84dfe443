"""Publishing, naming and resolving template versions."""

import copy
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from fsm.checklists.templates import (
    Level,
    Policy,
    TemplateRefused,
    VersionIsFixed,
    check_republish,
    empty_document,
    load,
    publish,
    publishing_errors,
    resolve,
    template_schema,
)

DOCUMENT: dict[str, Any] = {
    "template_id": "boiler-service",
    "version": 4,
    "title": {"en": "Boiler service", "ru": "Обслуживание котла"},
    "supersedes": {"min_accepted": 3, "policy": "review"},
    "items": [
        {"id": "reading", "kind": "number", "unit": "kPa", "min": 0, "max": 400},
        {"id": "gauge", "kind": "photo", "visible_if": "has(answers.reading)",
         "photos_required": "answers.reading.value > 100.0 ? 2.0 : 1.0", "waiver": "office"},
        {"id": "cause", "kind": "choice", "label": {"en": "Cause"},
         "choices": [{"code": "seal", "label": {"en": "Seal"}}, {"code": "pipe"}]},
    ],
}  # fmt: skip


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(DOCUMENT), **changes}


def with_item(item: Any) -> dict[str, Any]:
    return changed(items=[item])


def errors(document: Any) -> set[tuple[str, str]]:
    return {(error.at, error.code) for error in publishing_errors(document)}


def test_a_version_is_named_by_its_contents_whatever_their_order() -> None:
    template = publish(DOCUMENT)
    reordered = dict(reversed(DOCUMENT.items()))
    assert publish(reordered).sha256 == template.sha256
    assert publish(changed(version=5)).sha256 != template.sha256
    assert load(DOCUMENT).rules_sha256 == template.rules_sha256


def test_an_empty_checklist_has_the_name_that_anybody_can_compute() -> None:
    expected = hashlib.sha256(b'{"items":[]}').hexdigest()
    assert publish(empty_document("none")).rules_sha256 == expected


def test_wording_changes_the_version_and_not_its_rules() -> None:
    reworded = copy.deepcopy(DOCUMENT)
    reworded["items"][2]["label"]["en"] = "Reason"
    reworded["items"][2]["choices"][0]["label"]["en"] = "The seal"
    stricter = copy.deepcopy(DOCUMENT)
    stricter["items"][2]["required"] = True
    template = publish(DOCUMENT)
    assert publish(reworded).sha256 != template.sha256
    assert publish(reworded).rules_sha256 == template.rules_sha256
    assert publish(stricter).rules_sha256 != template.rules_sha256


def test_a_published_version_never_changes() -> None:
    template = publish(DOCUMENT)
    check_republish(template, publish(copy.deepcopy(DOCUMENT)))
    check_republish(template, publish(changed(version=5, items=[])))
    with pytest.raises(VersionIsFixed, match="Publish the change as version 5"):
        check_republish(template, publish(changed(items=[])))


def test_an_old_version_is_accepted_or_reviewed_never_rejected() -> None:
    template = publish(DOCUMENT)
    assert template.verdict_of_age(3) is Policy.ACCEPT
    assert template.verdict_of_age(2) is Policy.REVIEW
    assert publish(empty_document("a")).verdict_of_age(1) is Policy.ACCEPT


def test_the_first_level_with_a_template_wins_whole() -> None:
    everywhere = {level: level.value for level in reversed(Level)}
    assert resolve(everywhere) == "asset"
    assert resolve({**everywhere, Level.ASSET: None}) == "model"
    assert resolve({Level.WORK_TYPE: "w", Level.SITE: "s"}) == "s"
    assert resolve({}) is None


def test_titles_fall_back_from_language_to_language() -> None:
    template = publish(DOCUMENT)
    assert template.title("ru") == "Обслуживание котла"
    assert template.title("ru-RU") == "Обслуживание котла"
    assert template.title("de") == "Boiler service"
    assert template.by_id["cause"].title("ru") == "Cause"
    assert template.by_id["gauge"].title("ru") == "gauge"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (None, ("", "shape")),
        ([], ("", "shape")),
        ({}, ("", "missing_property")),
        (changed(extra=1), ("", "unknown_property")),
        (changed(version=0), ("/version", "limit")),
        (changed(version=True), ("/version", "shape")),
        (changed(template_id="a b"), ("/template_id", "shape")),
        (changed(title={}), ("/title", "limit")),
        (changed(title={"english": "x"}), ("/title", "shape")),
        (changed(supersedes={"min_accepted": 1, "policy": "no"}), ("/supersedes/policy", "shape")),
        (changed(items={}), ("/items", "shape")),
        (changed(items=[{"id": f"a{n}", "kind": "text"} for n in range(301)]), ("/items", "limit")),
        (with_item(5), ("/items/0", "shape")),
        (with_item({"id": "a"}), ("/items/0/kind", "kind")),
        (with_item({"id": "a", "kind": ["text"]}), ("/items/0/kind", "kind")),
        (with_item({"kind": "text"}), ("/items/0", "missing_property")),
        (with_item({"id": "A", "kind": "text"}), ("/items/0/id", "shape")),
        (with_item({"id": "a\n", "kind": "text"}), ("/items/0/id", "shape")),
        (with_item({"id": "a" * 65, "kind": "text"}), ("/items/0/id", "shape")),
        (with_item({"id": "a", "kind": "text", "unit": "m"}), ("/items/0", "unknown_property")),
        (with_item({"id": "a", "kind": "photo", "constraint": "true"}),
         ("/items/0", "unknown_property")),
        (with_item({"id": "a", "kind": "choice"}), ("/items/0", "missing_property")),
        (with_item({"id": "a", "kind": "choice", "choices": []}), ("/items/0/choices", "limit")),
        (with_item({"id": "a", "kind": "choice", "choices": [{"code": "x"}] * 2}),
         ("/items/0/choices", "duplicate_code")),
        (with_item({"id": "a", "kind": "choice", "choices": [{"code": "x"}], "max_picks": 1}),
         ("/items/0", "bounds")),
        (with_item({"id": "a", "kind": "choice", "choices": [{"code": "x"}], "multiple": True,
                    "min_picks": 2}), ("/items/0/min_picks", "bounds")),
        (with_item({"id": "a", "kind": "number", "min": 2, "max": 1}), ("/items/0", "bounds")),
        (with_item({"id": "a", "kind": "number", "min": 1e300}), ("/items/0/min", "limit")),
        (with_item({"id": "a", "kind": "number", "min": float("nan")}), ("", "canonical")),
        (with_item({"id": "a", "kind": "text", "label": {"en": "\ud800"}}), ("", "canonical")),
        (with_item({"id": "a", "kind": "photo", "min": 0}), ("/items/0/min", "limit")),
        (with_item({"id": "a", "kind": "text", "constraint_text": {"en": "x"}}),
         ("/items/0/constraint_text", "bounds")),
        (with_item({"id": "a", "kind": "text", "visible_if": "'" + "я" * 1_024 + "' == ''"}),
         ("/items/0/visible_if", "limit")),
        (with_item({"id": "a", "kind": "text", "visible_if": "("}),
         ("/items/0/visible_if", "cel_syntax")),
        (with_item({"id": "a", "kind": "text", "scope": "day"}), ("/items/0/scope", "shape")),
        (with_item({"id": "a", "kind": "text", "waiver": "me"}), ("/items/0/waiver", "shape")),
        (with_item({"id": "a", "kind": "text", "required": 1}), ("/items/0/required", "shape")),
    ],
)  # fmt: skip
def test_what_cannot_be_published_is_told_with_its_place(
    document: Any, expected: tuple[str, str]
) -> None:
    assert expected in errors(document)


def test_every_error_is_told_at_once_in_the_order_of_the_document() -> None:
    document = changed(
        items=[
            {"id": "a", "kind": "text", "visible_if": "has(answers.zz)"},
            {"id": "a", "kind": "yesno"},
            {"id": "b", "kind": "number", "unit": 5},
            {"id": "c", "kind": "text", "visible_if": "has(answers.b) && answers.b.value > 1.0"},
        ],
        extra=1,
    )
    with pytest.raises(TemplateRefused) as refusal:
        publish(document)
    assert [(error["at"], error["code"]) for error in refusal.value.facts["errors"]] == [
        ("", "unknown_property"),
        ("/items/0/visible_if", "cel_reference"),
        ("/items/1/id", "duplicate_id"),
        ("/items/2/unit", "shape"),  # and 'c', which names the broken item, is not blamed
    ]
    assert refusal.value.status == 422


def test_the_schema_for_authors_agrees_with_publishing() -> None:
    schema = template_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid(DOCUMENT)
    assert not validator.is_valid(with_item({"id": "a", "kind": "text", "unit": "m"}))
    assert not validator.is_valid(with_item({"id": "a", "kind": "zz"}))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "kind", "items", "version", "choices", "label", "code", "x"]),
            inner | st.sampled_from(["text", "choice", "number", "a"]),
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_publishing_answers_to_any_json(document: Any) -> None:
    for candidate in (document, changed(items=document), with_item(document)):
        for error in publishing_errors(candidate):
            assert error.detail
            assert error.at == "" or error.at.startswith("/")
