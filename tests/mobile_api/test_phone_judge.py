"""The closing rules on a phone: Node comes to what the server comes to, whatever the facts."""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings

from fsm.checklists.templates import Template, publish
from fsm.work_orders.closing import corrections, verdict
from fsm.work_orders.closing_facts import Facts
from mobile_api.conformance import VECTOR_FOLDER
from tests.fsm.work_orders.sheets import facts_of_any_kind, templates
from tests.node.judge import PhoneJudge

RULES = json.loads((VECTOR_FOLDER / "rules-vectors.json").read_text(encoding="utf-8"))
CLOSING = json.loads((VECTOR_FOLDER / "closing-vectors.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def phone() -> Iterator[PhoneJudge]:
    judge = PhoneJudge()
    yield judge
    judge.close()


@pytest.mark.parametrize("vector", RULES["vectors"], ids=lambda vector: vector["name"])
def test_published_rules_come_to_what_is_published(
    phone: PhoneJudge, vector: dict[str, Any]
) -> None:
    came_to = phone.ask("rule", expr=vector["expr"], data=vector["data"])
    assert came_to == vector["expected"]
    assert isinstance(came_to, bool) == isinstance(vector["expected"], bool)


@pytest.mark.parametrize("vector", CLOSING["vectors"], ids=lambda vector: vector["name"])
def test_published_facts_get_the_published_verdict(
    phone: PhoneJudge, vector: dict[str, Any]
) -> None:
    template = CLOSING["templates"][vector["template"]]
    assert phone.ask("verdict", template=template, facts=vector["facts"]) == vector["verdict"]


@pytest.mark.parametrize("vector", CLOSING["corrections"], ids=lambda vector: vector["name"])
def test_published_facts_ask_for_the_published_corrective_jobs(
    phone: PhoneJudge, vector: dict[str, Any]
) -> None:
    template = CLOSING["templates"][vector["template"]]
    asked = phone.ask("corrections", template=template, facts=vector["facts"])
    assert asked == {"wanted": vector["wanted"], "failed": vector["failed"]}


@settings(max_examples=300)
@given(templates(), facts_of_any_kind)
def test_any_facts_get_the_servers_verdict_on_the_phone(
    phone: PhoneJudge, template: Template, facts: Facts
) -> None:
    told = as_told(facts)
    heard = Facts.from_json(told)
    judged = phone.ask("verdict", template=dict(template.document), facts=told)
    assert judged == verdict(template, heard).to_json()
    wanted, failed = corrections(template, heard)
    asked = phone.ask("corrections", template=dict(template.document), facts=told)
    assert asked == {
        "wanted": [item.id for item in wanted],
        "failed": [item.id for item in failed],
    }


def test_wording_is_no_part_of_what_judges(phone: PhoneJudge) -> None:
    worded = CLOSING["templates"]["boiler"]
    bare = {**worded, "items": [dict(item) for item in worded["items"]]}
    for item in bare["items"]:
        item.pop("label", None)
    facts = {"facts_rev": 1}
    assert publish(bare).rules_sha256 == publish(worded).rules_sha256
    assert phone.ask("verdict", template=bare, facts=facts) == phone.ask(
        "verdict", template=worded, facts=facts
    )


def as_told(facts: Facts) -> dict[str, Any]:
    """Return facts as a phone holds them: JSON has no NaN, a photo has one row, receipts come one by one."""
    told = _finite(facts.to_json())
    for name in ("answers", "signatures", "declines"):
        told[name] = [{**fact, "order": place} for place, fact in enumerate(told[name])]
    photos = {photo["photo_id"]: photo for photo in told["photos"]}
    return {**told, "photos": list(photos.values())}


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(one) for key, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
    return value
