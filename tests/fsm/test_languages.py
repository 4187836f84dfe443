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
    own_name,
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
    first, said = sentences(folder, FIRST), sentences(folder, language)
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
