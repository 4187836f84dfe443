"""What a rule may say, breach by breach."""

import pytest

from fsm.checklists.house_rules import breaches
from fsm.checklists.items import Item
from fsm.checklists.rules import ENGINE

ITEMS = {
    document["id"]: Item.of(document)
    for document in (
        {"id": "n", "kind": "number"},
        {"id": "b", "kind": "yesno"},
        {"id": "c", "kind": "choice", "choices": [{"code": "a"}]},
        {"id": "m", "kind": "choice", "choices": [{"code": "a"}], "multiple": True},
        {"id": "t", "kind": "text"},
        {"id": "p", "kind": "photo"},
        {"id": "s", "kind": "signature"},
        {"id": "h", "kind": "meter", "meter": "hours"},
    )
}


def codes(expression: str, rule: str = "visible_if", **others: str) -> set[str]:
    document = {"id": "self", "kind": "photo" if rule == "photos_required" else "text"}
    item = Item.of({**document, rule: expression, **others})
    return {breach.code for breach in breaches(ENGINE, item, rule, {**ITEMS, "self": item})}


@pytest.mark.parametrize(
    "expression",
    [
        "has(answers.n)",
        "has(answers.n) && answers.n.value > 100.0",
        "has(answers.n) && has(answers.n.value)",
        "!has(answers.n) || answers.n.value == 2.0",
        "has(answers.n) ? answers.n.value > 1.0 : true",
        "!(!has(answers.n)) && answers.n.value == 1.0",
        "!(!has(answers.n) || !has(answers.b)) && answers.b.value && answers.n.value > 1.0",
        "has(answers.n) && has(answers.b) && (answers.n.value > 1.0 || answers.b.value)",
        "has(answers.m) && answers.m.value.exists(x, x == 'a')",
        "has(answers.m) && answers.m.value.filter(x, x.startsWith('a')).size() >= 2",
        "has(answers.m) && answers.m.value.map(x, x == 'a', x + 'b') == ['ab']",
        "has(answers.m) && answers.m.value.exists_one(x, x == 'a')",
        "has(answers.m) && size(answers.m.value) > 1",
        "has(answers.m) && double(size(answers.m.value)) * 2.0 > 3.0",
        "has(answers.c) && answers.c.value in ['a', 'b']",
        "has(answers.t) && answers.t.value.matches('^[a-c]+$')",
        "has(answers.s) && answers.s.declined",
        "has(answers.h) && answers.h.rollover",
        "has(job.k) && job.k == 'x'",
        "has(job.k) && 'x' in job.k",
        "has(job.a) && has(asset.b) && job.a == asset.b",
    ],
)
def test_a_careful_rule_may_be_published(expression: str) -> None:
    assert codes(expression) == set()


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("(", "cel_syntax"),
        ("now() > 1.0", "cel_syntax"),
        ("unknown", "cel_syntax"),
        ("has(answers.m) && size(answers.m.value) > 1.0", "cel_syntax"),
        ("answers.n.value > 1.0", "cel_has"),
        ("has(answers.n.value)", "cel_has"),
        ("answers.n.value > 1.0 && has(answers.n)", "cel_has"),
        ("has(answers.n) || answers.n.value > 1.0", "cel_has"),
        ("(has(answers.n) || has(answers.b)) && answers.n.value > 1.0", "cel_has"),
        ("has(answers.n) ? true : answers.n.value > 1.0", "cel_has"),
        ("job.k == 'x'", "cel_has"),
        ("has(answers.n) && answers.n.value > 1", "cel_number"),
        ("1 < 2", "cel_number"),
        ("[1] == [1]", "cel_number"),
        ("1u == 1u", "cel_literal"),
        ("null == null", "cel_literal"),
        ("b'a' == b'b'", "cel_literal"),
        ("{'a': 1.0} == {'a': 1.0}", "cel_literal"),
        ("has(answers.zz)", "cel_reference"),
        ("has(answers.p)", "cel_reference"),
        ("has(answers.self)", "cel_reference"),
        ("answers.n == answers.n", "cel_reference"),
        ("has(answers.n) && answers.n.declined", "cel_reference"),
        ("answers['n'].value == 1.0", "cel_reference"),
        ("'x' in job", "cel_reference"),
        ("answers.all(k, true)", "cel_reference"),
        ("has(job.a.b)", "cel_reference"),
        ("[1.0].exists(answers, answers > 0.0)", "cel_reference"),
        ("type(1.0) == double", "cel_function"),
        ("int(1.0) == int(2.0)", "cel_function"),
        ("string(1.0) == '1'", "cel_function"),
        ("5 % 2 == 1", "cel_function"),
        ("['a'][0] == 'a'", "cel_function"),
        ("timestamp('2020-01-01T00:00:00Z') == timestamp('2020-01-01T00:00:00Z')", "cel_function"),
        ("dyn(1.0) == 1.0", "cel_function"),
        ("size('abc') > 1", "cel_size"),
        ("has(answers.t) && size(answers.t.value) > 1", "cel_size"),
        ("has(job.k) && size(job.k) > 1", "cel_size"),
        ("has(answers.t) && answers.t.value.matches('a.c')", "cel_pattern"),
        ("has(answers.t) && answers.t.value.matches(answers.t.value)", "cel_pattern"),
        ("has(answers.c) && answers.c.value > 1.0", "cel_type"),
        ("has(answers.c) && answers.c.value < 'b'", "cel_type"),
        ("has(answers.c) && answers.c.value == 1.0", "cel_type"),
        ("has(answers.b) && answers.b.value > 1.0", "cel_type"),
        ("has(answers.n) && answers.n.value", "cel_type"),
        ("has(answers.n) && answers.n.value in ['a']", "cel_type"),
        ("1.0 + 2.0", "cel_result"),
        ("'a'", "cel_result"),
        ("has(answers.m) && [1.0].all(y, answers.m.value.all(x, x == 'a'))", "cel_loop"),
        (" && ".join(["[1.0].all(x, x > 0.0)"] * 6), "cel_loop"),
    ],
)
def test_a_careless_rule_is_refused(expression: str, code: str) -> None:
    assert code in codes(expression)


def test_all_breaches_are_told_with_their_places() -> None:
    item = Item.of({"id": "q", "kind": "text", "visible_if": "answers.n.value > 1 && job.a"})
    found = breaches(ENGINE, item, "visible_if", ITEMS)
    assert [(one.offset, one.code) for one in found] == [
        (9, "cel_has"),
        (18, "cel_number"),
        (26, "cel_has"),
    ]


def test_a_constraint_may_use_its_own_answer_unasked() -> None:
    assert codes("answers.self.value.startsWith('a')", "constraint") == set()


def test_a_visible_item_may_rely_on_what_made_it_visible() -> None:
    expression = "answers.n.value > 100.0 ? 2.0 : 1.0"
    assert codes(expression, "photos_required") == {"cel_has"}
    assert codes(expression, "photos_required", visible_if="has(answers.n)") == set()


def test_a_count_of_photos_is_a_double() -> None:
    assert codes("2.0", "photos_required") == set()
    assert codes("2", "photos_required") == {"cel_number"}
    assert codes("true", "photos_required") == {"cel_result"}
