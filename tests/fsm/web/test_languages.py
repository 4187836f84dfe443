"""Message catalogues: the same keys and placeholders everywhere, every plural form, nothing unused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources

import pytest

from fsm.web.languages import LANGUAGES, BadMessage, choose_language, messages, placeholders

CATALOGUES = {language: messages(language) for language in LANGUAGES}
TEMPLATES = [
    path.read_text("utf-8")
    for path in (resources.files("fsm.web") / "templates").iterdir()
    if path.name.endswith(".j2")
]


def test_all_catalogues_have_the_same_keys_in_order() -> None:
    for catalogue in CATALOGUES.values():
        assert list(catalogue.sentences) == list(CATALOGUES["en"].sentences)
        assert list(catalogue.sentences) == sorted(catalogue.sentences)


@pytest.mark.parametrize("key", CATALOGUES["en"].sentences)
def test_a_message_takes_the_same_values_in_every_language(key: str) -> None:
    taken = set()
    for catalogue in CATALOGUES.values():
        sentence = catalogue.sentences[key]
        forms = sentence.values() if isinstance(sentence, Mapping) else [sentence]
        # "one answer needs a look" may leave the number unsaid; what else is filled may not differ.
        names = {placeholders(form) - {"count"} for form in forms}
        assert len(names) == 1
        taken.add((isinstance(sentence, str), names.pop()))
        assert all(form.strip() == form and form for form in forms)
        assert not any(re.search(r"[<>]|\{[^}]*[^a-z_}]", form) for form in forms)
    assert len(taken) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_counted_messages_have_exactly_the_forms_of_their_language(language: str) -> None:
    catalogue = CATALOGUES[language]
    counted = [s for s in catalogue.sentences.values() if not isinstance(s, str)]
    assert counted
    for sentence in counted:
        assert set(sentence) == {*catalogue.locale.plural_form.tags, "other"}


def test_every_message_is_used_and_every_used_message_exists() -> None:
    source = "\n".join(TEMPLATES)
    exact = set(re.findall(r"\bt\(\s*['\"]([a-z_.]+)['\"]\s*[,)]", source))
    begun = set(re.findall(r"\bt\(\s*['\"]([a-z_.]+\.)['\"]\s*~", source))
    # what is mailed or kept as evidence is put into words before a page is
    modules = ("prices.py", "price_mail.py", "late_mail.py")
    for module in (resources.files("fsm.web") / name for name in modules):
        said = module.read_text("utf-8")
        exact |= set(re.findall(r"\btext\(\s*['\"]([a-z_.]+)['\"]", said))
        begun |= set(re.findall(r"\btext\(f['\"]([a-z_.]+\.){", said))
    keys = set(CATALOGUES["en"].sentences)
    assert exact <= keys
    # `t("error." ~ kind)`: the kinds are enumerated where the pages are rendered.
    assert all(any(key.startswith(prefix) for key in keys) for prefix in begun)
    unused = {k for k in keys - exact if not k.startswith((*begun, "age."))}
    assert unused == set()


def test_templates_hold_no_words_of_their_own() -> None:
    for source in TEMPLATES:
        markup = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", source, flags=re.DOTALL)
        words = re.sub(r"<!?[^>]*>|[a-z-]+=\"[^\"]*\"", "", markup)
        assert re.findall(r"[^\W\d_]{2,}", words) == []


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "1 минуту"), (2, "2 минуты"), (5, "5 минут"), (11, "11 минут"), (21, "21 минуту")],
)
def test_russian_counts_as_russians_do(count: int, words: str) -> None:
    assert CATALOGUES["ru"]("age.minutes", count=count) == f"{words} назад"


@pytest.mark.parametrize(("count", "words"), [(1, "1 Minute"), (2, "2 Minuten"), (0, "0 Minuten")])
def test_german_counts_as_germans_do(count: int, words: str) -> None:
    assert CATALOGUES["de"]("age.minutes", count=count) == f"vor {words}"


def test_numbers_are_grouped_as_the_language_groups_them() -> None:
    assert "2,000 characters" in CATALOGUES["en"]("problem.text_too_long", count=2000)
    assert "2\u00a0000 знаков" in CATALOGUES["ru"]("problem.text_too_long", count=2000)


def test_a_missing_message_or_value_is_an_error() -> None:
    text = CATALOGUES["en"]
    for key, values in (
        ("no.such.message", {}),
        ("frame.call", {}),
        ("frame.call", {"phone": "1", "extra": "2"}),
        ("form.optional", {"name": "x"}),
        ("age.minutes", {}),
        ("age.minutes", {"count": "three"}),
    ):
        with pytest.raises(BadMessage):
            text(key, **values)  # type: ignore[arg-type]
    with pytest.raises(BadMessage):
        messages("fr")


@pytest.mark.parametrize(
    ("header", "asked", "chosen"),
    [
        (None, None, "en"),
        ("ru-RU,ru;q=0.9,en;q=0.8", None, "ru"),
        ("en-GB", "ru", "ru"),
        ("ru", "en", "en"),
        ("ru", "fr", "ru"),
        ("ru", "../../etc", "ru"),
        ("de,fr", None, "de"),
        ("fr,pl", None, "en"),
        ("de-CH;q=0.9,en;q=0.5", None, "de"),
        ("ru", "de", "de"),
    ],
)
def test_the_reader_chooses_the_language(
    header: str | None, asked: str | None, chosen: str
) -> None:
    assert choose_language(header, asked) == chosen
