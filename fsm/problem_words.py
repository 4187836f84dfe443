"""What the product refuses, in the language of whoever asked. Pure.

Rules and queries say what they refuse in English, as one sentence with its values in it, and know of no
reader. Here such a sentence is found again among those of `fsm/messages`, where each English sentence is its
own key: the longest one whose words it has gives the values, and the same key gives the sentence in another
language. Only people's sentences change: `type`, `code`, `at` and all facts stay as they are for programs.

- `title.CODE` is the title of a problem; each code has one in every language.
- `word.WORD` is a state, an action or a kind of thing; they are said in another language only in the blanks
  that `_TOLD` names, so that somebody's name or code never is.
- What follows "…" at the end of a key is a library's own remark, and is left out.

What is found nowhere stays English. A test names the sentences that may, and fails for any other.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from fsm.languages import FIRST, LANGUAGES, plain_sentences
from fsm.negotiation import best_language

FOLDER: Final = "fsm/messages"

#: Blanks that hold words of ours: one of them, several with commas between, or whole sentences.
_TOLD: Final = frozenset(
    {"action", "actions", "ago", "at", "detail", "outcome", "said", "state", "status", "ways"}
    | {"thing", "what", "why"}
)
#: Blanks that hold a number or an id, which tell a short sentence from somebody else's words. `thing` is
#: one of the words.
_ONE_WORD: Final = ("id", "least", "more", "most", "n")
_BLANK: Final = re.compile(r"\{([a-z_]+)\}")
_SENTENCE_ENDS: Final = re.compile(r"(?<=[.!?]) (?=[^a-z ])")

#: Longer ones hold somebody's text. Looking through one takes up to the third power of its length.
_LONGEST: Final = 1_000
_DEEPEST: Final = 3


def language_asked(accept_language: str | None) -> str:
    """Return which of `LANGUAGES` a header asks for, else `FIRST`."""
    return (best_language(accept_language, LANGUAGES) if accept_language else None) or FIRST


def in_language(problem: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Return the body of a problem with its sentences in a language, and all else as it was.

    Sentences are the title, the detail and each error's `detail`.
    """
    said = dict(problem)
    if language == FIRST:
        return said
    words = plain_sentences(FOLDER, language)
    said["title"] = words.get(f"title.{problem['code']}", problem["title"])
    told = _told_in_facts(problem, language)
    said["detail"] = _say(problem["detail"], language, told)
    errors = problem.get("errors")
    if isinstance(errors, Sequence) and not isinstance(errors, str):
        said["errors"] = [
            {**one, "detail": _say(one["detail"], language, told)}
            if isinstance(one, dict) and isinstance(one.get("detail"), str)
            else one
            for one in errors
        ]
    return said


def say(sentence: str, language: str) -> str:
    """Return one of our sentences in a language; one that is not ours as it is."""
    return sentence if language == FIRST else _say(sentence, language, {})


@dataclass(frozen=True, slots=True)
class _Form:
    """A sentence that is ours: how it is recognised, and its key."""

    key: str
    pattern: re.Pattern[str]
    opening: str


@cache
def _forms() -> tuple[_Form, ...]:
    """Return every sentence with something to fill in, those with the most words of their own first."""
    found = []
    words = [
        key.removeprefix("word.") for key in plain_sentences(FOLDER, FIRST) if key[:5] == "word."
    ]
    shapes = dict.fromkeys(_ONE_WORD, r"\S+?") | {"thing": "|".join(map(re.escape, words))}
    for key in plain_sentences(FOLDER, FIRST):
        if key.startswith(("title.", "word.")) or not (_BLANK.search(key) or key.endswith("…")):
            continue
        pieces = _BLANK.split(key.removesuffix("…"))
        pattern = "".join(
            f"(?P<{piece}>{shapes.get(piece, '.+?')})" if place % 2 else re.escape(piece)
            for place, piece in enumerate(pieces)
        ) + (".*" if key.endswith("…") else "")
        own = sum(len(piece) for piece in pieces[::2])
        found.append((own, _Form(key, re.compile(pattern, re.DOTALL), pieces[0])))
    return tuple(form for _, form in sorted(found, key=lambda each: (-each[0], each[1].key)))


def _say(sentence: str, language: str, told: Mapping[str, str], depth: int = 0) -> str:
    if depth > _DEEPEST or len(sentence) > _LONGEST:
        return sentence
    if sentence in told:
        return told[sentence]
    words = plain_sentences(FOLDER, language)
    if sentence in words and not sentence.startswith(("title.", "word.")):
        return words[sentence]
    for form in _forms():
        if sentence.startswith(form.opening) and (found := form.pattern.fullmatch(sentence)):
            values = {
                name: _say_value(value, language, told, depth + 1) if name in _TOLD else value
                for name, value in found.groupdict().items()
            }
            return _filled(words[form.key], values)
    several = _SENTENCE_ENDS.split(sentence)
    if len(several) > 1:
        return " ".join(_say(one, language, told, depth + 1) for one in several)
    if sentence.endswith("."):  # what is said of a field has no full stop of its own
        return f"{_say(sentence[:-1], language, told, depth + 1)}."
    return sentence


def _filled(sentence: str, values: Mapping[str, str]) -> str:
    return _BLANK.sub(lambda blank: values[blank[1]], sentence)


def _say_value(value: str, language: str, told: Mapping[str, str], depth: int) -> str:
    words = plain_sentences(FOLDER, language)
    parts = value.split(", ")
    if all(f"word.{part}" in words for part in parts):
        return ", ".join(words[f"word.{part}"] for part in parts)
    return _say(value, language, told, depth)


def _told_in_facts(problem: Mapping[str, Any], language: str) -> dict[str, str]:
    """Return what lists of facts say in every language, all of a list together: English → the language."""
    told: dict[str, str] = {}
    for fact in problem.values():
        if not isinstance(fact, list) or not fact:
            continue
        each = [one.get("said") if isinstance(one, Mapping) else None for one in fact]
        spoken = [
            one for one in each if isinstance(one, Mapping) and {FIRST, language} <= one.keys()
        ]
        if len(spoken) < len(fact):
            continue
        pairs = [(str(one[FIRST]), str(one[language])) for one in spoken]
        of_jobs = [
            (f"{one['number']}: {first}", f"{one['number']}: {other}")
            for one, (first, other) in zip(fact, pairs, strict=True)
            if "number" in one
        ]
        told.update(pairs)
        for all_of_it in (pairs, of_jobs):
            told[" ".join(first for first, _ in all_of_it)] = " ".join(
                other for _, other in all_of_it
            )
    return told
