"""The languages that this installation speaks, as they follow from its files: no list is kept anywhere. Pure.

Sentences lie as `LANGUAGE.json` in each of the folders that `languages.json` names, flat: key → sentence, or
key → {plural category: sentence} for those with a `{count}`. A language counts where every folder has its
file; the build of the pages says in a sentence what one that is begun still lacks. What a file leaves out,
or fills otherwise than `FIRST` does, is said in `FIRST`: most is said in every language at once, and one
that is translated badly must not stop the planning of all. The language's own name for itself is
`language.name` among what all pages share.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Final

import pydantic
from babel import Locale

Sentence = str | Mapping[str, str]

FIRST: Final = "en"
"""For readers who ask for none of ours, and what is said where a text has no other language."""
SHARED: Final = "fsm/web/common/messages"

_BLANK: Final = re.compile(r"\{[^{}]*\}|[{}]")
"""What is filled in, and a brace alone, which cannot be."""

_PLACE: Final = Path(__file__).parent.parent
FOLDERS: Final[Sequence[str]] = tuple(
    json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
)


def complete_languages(
    place: Path = _PLACE, folders: Sequence[str] = FOLDERS
) -> tuple[tuple[str, ...], Mapping[str, Sequence[str]]]:
    """Return the languages that every folder has, `FIRST` before the others in order, and which files the
    rest lack.
    """
    there = [{file.stem for file in (place / folder).glob("*.json")} for folder in folders]
    lacking = {
        language: [
            f"{folder}/{language}.json"
            for folder, found in zip(folders, there, strict=True)
            if language not in found
        ]
        for language in sorted(set().union(*there), key=lambda one: (one != FIRST, one))
    }
    whole = tuple(language for language, files in lacking.items() if not files)
    return whole, {language: files for language, files in lacking.items() if files}


LANGUAGES: Final = complete_languages()[0]

Language = Annotated[str, pydantic.Field(pattern=f"^({'|'.join(LANGUAGES)})$")]
"""One of `LANGUAGES`, where a request asks for words of ours."""


@cache
def sentences(folder: str, language: str) -> Mapping[str, Sentence]:
    """Return what a folder says in one of `LANGUAGES`; any other is `LookupError`."""
    if language not in LANGUAGES:
        raise LookupError(f"Nothing is written in {language!r}.")
    first = read_sentences(_PLACE / folder / f"{FIRST}.json")
    if language == FIRST:
        return first
    return filled_up(read_sentences(_PLACE / folder / f"{language}.json"), first, language)


def read_sentences(file: Path) -> Mapping[str, Sentence]:
    """Return what one file says; one that cannot be read is `ValueError`, which names it."""
    try:
        said: Mapping[str, Sentence] = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    return said


def filled_up(
    said: Mapping[str, Sentence], first: Mapping[str, Sentence], language: str
) -> Mapping[str, Sentence]:
    """Return what a language says of all that `FIRST` says, in `first`'s words where it says it wrongly."""
    forms = Locale.parse(language, sep="-" if "-" in language else "_").plural_form.tags | {"other"}
    whole: dict[str, Sentence] = {}
    for key, meant in first.items():
        own = said.get(key)
        if isinstance(meant, str):
            whole[key] = own if isinstance(own, str) and _blanks(own) == _blanks(meant) else meant
            continue
        of_form = own if isinstance(own, Mapping) else {}
        whole[key] = {
            form: of_form[form]
            if form in of_form
            and _blanks(of_form[form]) - {"{count}"} == _blanks(meant["other"]) - {"{count}"}
            else meant.get(form, meant["other"])
            for form in sorted(forms)
        }
    return whole


def _blanks(sentence: str) -> set[str]:
    return set(_BLANK.findall(sentence))


@cache
def plain_sentences(folder: str, language: str) -> Mapping[str, str]:
    """Return those of a folder's sentences that count nothing."""
    said = sentences(folder, language)
    return {key: one for key, one in said.items() if isinstance(one, str)}


def by_language(folder: str, group: str) -> Mapping[str, Mapping[str, str]]:
    """Return a folder's sentences of one kind, language → what follows `group.` in the key → sentence."""
    return {
        language: {
            key.removeprefix(f"{group}."): one
            for key, one in plain_sentences(folder, language).items()
            if key.startswith(f"{group}.")
        }
        for language in LANGUAGES
    }


def spoken(language: str) -> str:
    """Return the language to answer in for what a row or a person names: itself, else `FIRST`."""
    primary = language.partition("-")[0]
    return primary if primary in LANGUAGES else FIRST


@cache
def own_name(language: str) -> str:
    """Return what a language is called in itself: English, Deutsch, Русский."""
    return plain_sentences(SHARED, language)["language.name"]
