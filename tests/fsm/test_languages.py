"""Languages follow from files: what counts as one, and that each says the same as the first."""

import json
import re
from pathlib import Path

import pytest
from babel import Locale

from fsm.languages import (
    FIRST,
    FOLDERS,
    LANGUAGES,
    Sentence,
    complete_languages,
    filled_up,
    own_name,
    read_sentences,
    sentences,
    spoken,
)

CHECKOUT = Path(__file__).parents[2]
PACKAGES = ("fsm", "mobile_api", "reports", "scheduler")


def _values(sentence: Sentence) -> set[str]:
    """Return what is filled in; a plural form may leave its number unsaid."""
    forms = [sentence] if isinstance(sentence, str) else sentence.values()
    found = (re.findall(r"\{([a-z_]+)\}", form) for form in forms)
    return set().union(*found) - {"count"}


def test_every_folder_of_sentences_is_asked() -> None:
    there = {
        str(file.parent.relative_to(CHECKOUT))
        for package in PACKAGES
        for file in (CHECKOUT / package).rglob(f"messages/{FIRST}.json")
        if not {"node_modules", "built"} & set(file.parts)
    }
    assert there == set(FOLDERS)


def test_a_language_counts_once_every_folder_has_its_file(tmp_path: Path) -> None:
    files = ["a/en", "a/ru", "a/pl", "a/be", "b/en", "b/ru", "b/be"]
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / f"{file}.json").write_text("{}")
    assert complete_languages(tmp_path, ("a", "b")) == (("en", "be", "ru"), {"pl": ["b/pl.json"]})


def test_every_language_that_is_begun_is_whole() -> None:
    assert complete_languages()[1] == {}
    assert [own_name(language) for language in LANGUAGES] == ["English", "Deutsch", "Русский"]


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_says_all_that_the_first_says(language: str, folder: str) -> None:
    first, said = (read_sentences(CHECKOUT / folder / f"{one}.json") for one in (FIRST, language))
    assert list(said) == list(first)
    forms = {*Locale.parse(language).plural_form.tags, "other"}
    for key, sentence in said.items():
        assert _values(sentence) == _values(first[key]), key
        if isinstance(sentence, str):
            assert isinstance(first[key], str), key
            assert sentence.strip() == sentence != "", key
        else:
            assert set(sentence) == forms, key


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_key_is_written_twice(language: str, folder: str) -> None:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len(dict(pairs)) == len(pairs), pairs
        return dict(pairs)

    text = (CHECKOUT / folder / f"{language}.json").read_text("utf-8")
    json.loads(text, object_pairs_hook=once)


def test_a_language_that_is_not_ours_is_answered_in_the_first() -> None:
    assert [spoken(one) for one in ("de", "de-AT", "fr", "", "../ru")] == [
        "de",
        "de",
        FIRST,
        FIRST,
        FIRST,
    ]
    with pytest.raises(LookupError):
        sentences(FOLDERS[0], "fr")


def test_what_a_language_leaves_out_or_fills_otherwise_is_said_in_the_first() -> None:
    first: dict[str, Sentence] = {
        "kept": "Due {due}",
        "missing": "Late {due}",
        "otherwise": "{name} is absent",
        "brace": "{name}: {on}",
        "counted": {"one": "{count} job of {name}", "other": "{count} jobs of {name}"},
        "plain": {"one": "A day", "other": "{count} days"},
    }
    said: dict[str, Sentence] = {
        "kept": "Termin {due}",
        "otherwise": "{nazwa} nieobecny",
        "brace": "{name}: {on",
        "counted": {"one": "{count} zlecenie {name}", "few": "{count} zlecenia {nazwa}"},
        "plain": "dni",
        "nobody_asks": "…",
    }
    assert filled_up(said, first, "pl") == {
        "kept": "Termin {due}",
        "missing": "Late {due}",
        "otherwise": "{name} is absent",
        "brace": "{name}: {on}",
        "counted": {
            "one": "{count} zlecenie {name}",
            "few": "{count} jobs of {name}",
            "many": "{count} jobs of {name}",
            "other": "{count} jobs of {name}",
        },
        "plain": {
            "one": "A day",
            "few": "{count} days",
            "many": "{count} days",
            "other": "{count} days",
        },
    }


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pl.json"
    file.write_text('{"kept": "Termin {due}",}')
    with pytest.raises(ValueError, match=re.escape(str(file))):
        read_sentences(file)
