"""The languages that pages are written in: which one a reader gets, and its message catalogue.

A catalogue is `messages/LANGUAGE.json`, as `fsm.languages` describes it. Plural categories are CLDR's
for that language, the same that `Intl.PluralRules` knows, so that pages with script read the same
files. Placeholders are `{name}`; sentences hold no markup.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_skeleton, format_time, get_timezone_location
from babel.numbers import format_currency, format_decimal

from fsm.languages import LANGUAGES, Sentence, own_name, sentences
from fsm.negotiation import best_language

_FOLDER: Final = "fsm/web/messages"
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")

Value = str | int


class BadMessage(LookupError):
    """A page asks for a sentence that is not there, or does not fill it: our bug, never a
    reader's.
    """


def choose_language(accept_language: str | None, asked: str | None = None) -> str:
    """Return the language for a reader: `?lang=` when it names one of ours, else the header's
    wish.
    """
    if asked in LANGUAGES:
        return asked
    return best_language(accept_language, LANGUAGES) or LANGUAGES[0]


@dataclass(frozen=True, slots=True)
class Messages:
    """One language's sentences, and the forms of numbers and times that go with them."""

    language: str
    sentences: Mapping[str, Sentence]
    locale: Locale

    def __call__(self, key: str, **values: Value) -> str:
        """Return the sentence `key` with its placeholders filled: all of them, and nothing else
        given.

        Raises `BadMessage` for an unknown key, a missing value or one too many.
        """
        sentence = self.sentences.get(key)
        if sentence is None:
            raise BadMessage(f"No message {key!r} in {self.language}.")
        if not isinstance(sentence, str):
            count = values.get("count")
            if not isinstance(count, int):
                raise BadMessage(f"Message {key!r} needs a whole number as its count.")
            sentence = sentence[self.locale.plural_form(count)]
        needed = placeholders(sentence)
        # A plural form may leave its number unsaid: "a minute ago".
        if needed - {"count"} != values.keys() - {"count"} or not needed <= values.keys():
            raise BadMessage(f"Message {key!r} takes {sorted(needed)}, not {sorted(values)}.")
        return _PLACEHOLDER.sub(lambda match: self._shown(values[match[1]]), sentence)

    def age(self, seconds: int) -> str:
        """Return how long ago something was: in minutes, from an hour on in hours, then in days."""
        minutes = max(0, seconds) // 60
        if minutes < 1:
            return self("age.now")
        if minutes < 60:
            return self("age.minutes", count=minutes)
        if minutes < 60 * 24:
            return self("age.hours", count=minutes // 60)
        return self("age.days", count=minutes // (60 * 24))

    def moment(self, at: datetime, zone: ZoneInfo) -> str:
        """Return an aware instant as day and time on the clocks of `zone`."""
        day = format_skeleton("MMMMd", at, tzinfo=zone, locale=self.locale)
        return f"{day}, {self.clock(at, zone)}"

    def window(self, start: datetime, end: datetime, zone: ZoneInfo) -> str:
        """Return an interval on the clocks of `zone`; the day is said twice only when it
        changes.
        """
        if start.astimezone(zone).date() == end.astimezone(zone).date():
            return f"{self.moment(start, zone)} – {self.clock(end, zone)}"
        return f"{self.moment(start, zone)} – {self.moment(end, zone)}"

    def clock(self, at: datetime, zone: ZoneInfo) -> str:
        return str(format_time(at, "short", tzinfo=zone, locale=self.locale))

    def city(self, zone: ZoneInfo) -> str:
        """Return the place that gives a zone its name, in this language."""
        return str(get_timezone_location(zone, locale=self.locale, return_city=True))

    def number(self, value: Decimal) -> str:
        """Return a number as it is written here, without zeros that say nothing."""
        return str(format_decimal(value.normalize(), locale=self.locale))

    def money(self, amount: Decimal, currency: str) -> str:
        return str(format_currency(amount, currency, locale=self.locale))

    def _shown(self, value: Value) -> str:
        return format_decimal(value, locale=self.locale) if isinstance(value, int) else value


@cache
def messages(language: str) -> Messages:
    """Return the catalogue of one of `LANGUAGES`."""
    if language not in LANGUAGES:
        raise BadMessage(f"No messages in {language!r}.")
    return Messages(language, sentences(_FOLDER, language), Locale.parse(language))


def placeholders(sentence: str) -> frozenset[str]:
    """Return the names in braces of one sentence."""
    return frozenset(_PLACEHOLDER.findall(sentence))


__all__ = [
    "LANGUAGES",
    "BadMessage",
    "Messages",
    "choose_language",
    "messages",
    "own_name",
    "placeholders",
]
