"""The verdict: published vectors, properties over any facts, and the sentences that people read."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.checklists.answers import faults
from fsm.checklists.rules import ENGINE
from fsm.checklists.templates import Template, publish
from fsm.work_orders.closing import FINISHABLE, Unmet, corrections, demands, verdict
from fsm.work_orders.closing_facts import Answer, Facts, Photo, PhotoState
from fsm.work_orders.closing_sentences import incomplete, sentence
from mobile_api.conformance import VECTOR_FOLDER
from tests.fsm.work_orders.sheets import VISITS, facts_of_any_kind, names, templates

VECTORS = json.loads((VECTOR_FOLDER / "closing-vectors.json").read_text(encoding="utf-8"))
TEMPLATES = {name: publish(document) for name, document in VECTORS["templates"].items()}
CASES = VECTORS["vectors"]


def case(name: str) -> tuple[Template, Facts]:
    vector = next(vector for vector in CASES if vector["name"] == name)
    return TEMPLATES[vector["template"]], Facts.from_json(vector["facts"])


@pytest.mark.parametrize("vector", CASES, ids=lambda vector: vector["name"])
def test_published_facts_get_the_published_verdict(vector: dict[str, Any]) -> None:
    facts = Facts.from_json(vector["facts"])
    assert verdict(TEMPLATES[vector["template"]], facts).to_json() == vector["verdict"]


@pytest.mark.parametrize("vector", VECTORS["corrections"], ids=lambda vector: vector["name"])
def test_published_facts_ask_for_the_published_corrective_jobs(vector: dict[str, Any]) -> None:
    facts = Facts.from_json(vector["facts"])
    wanted, failed = corrections(TEMPLATES[vector["template"]], facts)
    assert [item.id for item in wanted] == vector["wanted"]
    assert [item.id for item in failed] == vector["failed"]


def test_vectors_show_every_unmet_code() -> None:
    shown = {unmet["code"] for vector in CASES for unmet in vector["verdict"]["unmet"]}
    assert shown == {
        "required",
        "shape",
        "limit",
        "constraint",
        "photo_missing",
        "photo_pending",
        "photo_corrupt",
    }


def test_facts_survive_their_json() -> None:
    for vector in CASES:
        facts = Facts.from_json(vector["facts"])
        assert Facts.from_json(json.loads(json.dumps(facts.to_json()))) == facts


@given(templates(), facts_of_any_kind, st.randoms(use_true_random=False))
def test_the_order_in_which_facts_are_listed_never_matters(template, facts, random) -> None:
    def shuffled(listed):
        copied = list(listed)
        random.shuffle(copied)
        return tuple(copied)

    mixed = dataclasses.replace(
        facts,
        answers=shuffled(facts.answers),
        photos=shuffled(facts.photos),
        signatures=shuffled(facts.signatures),
        declines=shuffled(facts.declines),
        waivers=shuffled(facts.waivers),
    )
    judged = verdict(template, facts)
    assert verdict(template, mixed) == judged
    assert verdict(template, facts) == judged
    json.dumps(judged.to_json())


@given(
    templates(), facts_of_any_kind, names, VISITS, st.integers(0, 3), st.sampled_from(["p1", "n"])
)
def test_one_more_verified_photo_never_leaves_more_unmet(
    template, facts, item, visit, slot, photo_id
) -> None:
    mime = "video/mp4" if item == "film" else "image/jpeg"
    arrived = Photo(photo_id, visit, item, slot, PhotoState.VERIFIED, mime, 10, 10.0)
    more = dataclasses.replace(facts, photos=(*facts.photos, arrived))
    before, after = verdict(template, facts), verdict(template, more)
    places = {(unmet.at, unmet.code, unmet.rule) for unmet in before.unmet}
    assert {(unmet.at, unmet.code, unmet.rule) for unmet in after.unmet} <= places
    assert len(after.unmet) <= len(before.unmet)


@given(templates(), facts_of_any_kind)
def test_a_met_verdict_means_that_every_required_item_is_there(template, facts) -> None:
    """Checked again by other means: plain searches, asking only whether something satisfies the item."""
    judged = verdict(template, facts)
    waived = {one.at for one in judged.waived}
    asked = demands(template, facts)
    for item in template.items:
        lacking = [unmet for unmet in judged.unmet if unmet.item == item.id]
        assert not (lacking and f"/items/{item.id}" in waived)
        if f"/items/{item.id}" in waived or lacking or not asked[item.id].visible:
            continue
        visits = {"v1", "v2"} if item.scope == "job" else {facts.finishing_visit}
        verified = [
            photo
            for photo in facts.photos
            if photo.state == "verified" and photo.visit in visits and photo.item == item.id
        ]
        if item.is_media:
            full = {photo.slot for photo in verified if photo.mime.startswith(f"{item.kind}/")}
            wanted = (item.minimum or 1) if item.required else 0
            assert len(full) >= max(wanted, asked[item.id].photos)
            continue
        if not item.required:
            continue
        if item.id == "sign":
            here = {photo.photo_id for photo in facts.photos if photo.state == "verified"}
            signed = any(
                one.photo_id in here and one.visit in visits and one.name.strip()
                for one in facts.signatures
            )
            declined = item.decline and any(
                one.item == "sign" and one.visit in visits for one in facts.declines
            )
            assert signed or declined
        else:
            given_answers = [
                one.value for one in facts.answers if one.item == item.id and one.visit in visits
            ]
            assert any(value not in (None, "", []) and not faults(item, value)
                       for value in given_answers)  # fmt: skip


@given(templates(), facts_of_any_kind)
def test_visibility_and_finishing_follow_from_the_rules(template, facts) -> None:
    judged = verdict(template, facts)
    asked = demands(template, facts)
    hidden = {name for name, demand in asked.items() if not demand.visible}
    assert not hidden & {unmet.item for unmet in judged.unmet}
    assert judged.met == (judged.unmet == ())
    assert judged.finish_allowed == ({unmet.code for unmet in judged.unmet} <= FINISHABLE)
    failing = {(flag.at, flag.rule) for flag in judged.flags if flag.code == "rule_error"}
    for item in template.items:
        if (f"/items/{item.id}", "visible_if") in failing:
            assert asked[item.id].visible
            assert asked[item.id].required


@given(templates(), facts_of_any_kind, st.sampled_from(["en", "ru", "de", "fr"]))
def test_every_unmet_entry_has_a_sentence_of_its_own(template, facts, language) -> None:
    judged = verdict(template, facts)
    for unmet in judged.unmet:
        assert Unmet.from_json(unmet.to_json()) == unmet
        text = sentence(unmet, template, language)
        assert text.endswith(".")
        assert "{" not in text
        assert "?" not in text
        assert "something is missing" not in text


@pytest.mark.parametrize(
    ("name", "english", "russian"),
    [
        ("a high reading asks for two photos, neither declared",
         ["Gauge: photo 1 is missing.", "Gauge: photo 2 is missing."],
         ["Манометр: нет фото 1.", "Манометр: нет фото 2."]),
        ("stored is not verified; damaged bytes are named",
         ["Gauge: photo 1 has not fully arrived yet.",
          "Gauge: photo 2 arrived damaged and must be sent again."],
         ["Манометр: фото 1 ещё не загружено полностью.",
          "Манометр: фото 2 пришло повреждённым, его нужно отправить ещё раз."]),
        ("shapes, limits and constraints",
         ["Pressure: too many decimals; at most 1.",
          "Pressure: the value is above the maximum of 400 kPa.",
          "leak: the answer is not of the expected kind; give it again.",
          "cause: the choice is not on the list.",
          "note: the answer does not satisfy the rule of this item."],
         ["Давление: слишком много знаков после запятой: не больше 1.",
          "Давление: значение больше допустимого: не больше 400 kPa.",
          "leak: ответ не того вида, который ожидается; введите его заново.",
          "cause: такого варианта нет в списке.",
          "note: ответ не проходит проверку этого пункта."]),
    ],
)  # fmt: skip
def test_a_refusal_lists_exactly_what_is_missing(
    name: str, english: list[str], russian: list[str]
) -> None:
    template, facts = case(name)
    judged = verdict(template, facts)
    for language, expected in {"en": english, "ru": russian}.items():
        refusal = incomplete(judged, template, language)
        assert refusal.code == "checklist-incomplete"
        assert refusal.detail == " ".join(expected)
        assert [told["text"] for told in refusal.facts["unmet"]] == expected
        assert refusal.facts["unmet"][0]["at"] == judged.unmet[0].at


def test_an_author_can_word_a_constraint() -> None:
    template = publish({
        "template_id": "t", "version": 1, "items": [
            {"id": "note", "kind": "text", "label": {"en": "Note?"},
             "constraint": "answers.note.value != 'x'", "constraint_text": {"ru": "Не пишите x."}},
        ],
    })  # fmt: skip
    judged = verdict(template, Facts(1, "v", (Answer("note", "v", "x"),)))
    assert sentence(judged.unmet[0], template, "ru") == "Note: Не пишите x."


def test_a_limit_is_written_as_the_language_writes_numbers() -> None:
    template = publish({
        "template_id": "t", "version": 1, "items": [
            {"id": "p", "kind": "number", "label": {"en": "Pressure"}, "min": 1.5, "unit": "bar"},
        ],
    })  # fmt: skip
    (unmet,) = verdict(template, Facts(1, "v", (Answer("p", "v", 1),))).unmet
    said = [sentence(unmet, template, language) for language in ("en", "de-CH")]
    assert said == [
        "Pressure: the value is below the minimum of 1.5 bar.",
        "Pressure: der Wert liegt unter dem Mindestwert von 1,5 bar.",
    ]


def test_a_failing_template_hides_nothing_and_traps_nobody() -> None:
    template = publish({
        "template_id": "t", "version": 1, "items": [
            {"id": "a", "kind": "text", "visible_if": "has(job.k) && job.k > 1.0"},
            {"id": "b", "kind": "text", "constraint": "has(job.k) && job.k > 1.0"},
            {"id": "c", "kind": "photo", "photos_required": "has(job.k) ? job.k : 1.0"},
        ],
    })  # fmt: skip
    judged = verdict(template, Facts(1, "v", (Answer("b", "v", "x"),), job={"k": "text"}))
    assert [(unmet.at, unmet.code) for unmet in judged.unmet] == [
        ("/items/a", "required"),
        ("/items/c/photos/0", "photo_missing"),
    ]
    assert [(flag.at, flag.rule) for flag in judged.flags] == [
        ("/items/a", "visible_if"),
        ("/items/b", "constraint"),
        ("/items/c", "photos_required"),
    ]


def test_a_rule_cannot_ask_for_more_photos_than_the_sheet_takes() -> None:
    template = publish({
        "template_id": "t", "version": 1,
        "items": [{"id": "c", "kind": "photo", "max": 2, "photos_required": "50.5"}],
    })  # fmt: skip
    assert demands(template, Facts(1))["c"].photos == 2
    assert len(verdict(template, Facts(1)).unmet) == 2


@pytest.mark.parametrize(("asked", "photos"), [("0.2", 1), ("1.0", 1), ("1.5", 2), ("-3.0", 0)])
def test_a_broken_count_of_photos_is_rounded_up(asked: str, photos: int) -> None:
    items = [{"id": "c", "kind": "photo", "photos_required": asked}]
    template = publish({"template_id": "t", "version": 1, "items": items})
    assert demands(template, Facts(1))["c"].photos == photos


@pytest.mark.parametrize(
    ("reading", "met"),
    [(100, True), (99.9, False), ({"value": 3, "rollover": True}, True), ({"value": 3}, False)],
)
def test_a_meter_may_stand_still_but_not_run_backwards(reading: Any, met: bool) -> None:
    items = [{"id": "h", "kind": "meter", "meter": "hours"}]
    template = publish({"template_id": "t", "version": 1, "items": items})
    facts = Facts(1, "v", (Answer("h", "v", reading),), last_readings={"hours": 100.0})
    assert verdict(template, facts).met is met


def test_the_largest_sheet_is_judged_with_one_binding_of_its_values() -> None:
    items = [
        {"id": f"i{n}", "kind": "number", "required_if": f"has(answers.i{n - 1})" if n else "true"}
        for n in range(300)
    ]
    template = publish({"template_id": "t", "version": 1, "items": items})
    answers = tuple(Answer(f"i{n}", "v", n) for n in range(299))
    judged = verdict(template, Facts(1, "v", answers), ENGINE)
    assert [unmet.at for unmet in judged.unmet] == ["/items/i299"]
