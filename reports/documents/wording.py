"""The sentences of documents in each language, and its forms of numbers, days and money. Pure.

A language is a file in `messages/`, in the shape that `fsm.languages` describes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_currency, format_decimal, format_percent

from fsm.languages import Sentence, sentences

_FOLDER: Final = "reports/documents/messages"
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Words:
    """One language's sentences; instants are shown on the clocks of `zone`."""

    language: str
    zone: ZoneInfo
    sentences: Mapping[str, Sentence]
    locale: Locale

    def __call__(self, key: str, **values: str | int) -> str:
        """Return a sentence with its placeholders filled. An unknown key is our bug and raises."""
        sentence = self.sentences[key]
        if not isinstance(sentence, str):
            sentence = sentence[self.locale.plural_form(int(values["count"]))]
        return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), sentence)

    def find(self, key: str, otherwise: str) -> str:
        """Return a sentence where there is one: for codes that administrators define."""
        sentence = self.sentences.get(key)
        return sentence if isinstance(sentence, str) else otherwise

    def day(self, written: str | None) -> str:
        return (
            ""
            if written is None
            else str(format_date(date.fromisoformat(written), "long", locale=self.locale))
        )

    def moment(self, written: str | None) -> str:
        """Return an instant as day and time on the clocks of the zone."""
        if written is None:
            return ""
        at = datetime.fromisoformat(written)
        day = format_skeleton("yMMMd", at, tzinfo=self.zone, locale=self.locale)
        return f"{day}, {format_time(at, 'short', tzinfo=self.zone, locale=self.locale)}"

    def clock(self, written: str | None) -> str:
        if written is None:
            return ""
        at = datetime.fromisoformat(written)
        return str(format_time(at, "short", tzinfo=self.zone, locale=self.locale))

    def day_of(self, written: str) -> str:
        """Return the day of an instant on the clocks of the zone."""
        at = datetime.fromisoformat(written).astimezone(self.zone)
        return str(format_date(at.date(), "long", locale=self.locale))

    def number(self, value: str | float | int | Decimal, decimals: int | None = None) -> str:
        """Return a number with the digits it has, or rounded to `decimals`, halves to even."""
        exact = Decimal(str(value))
        if decimals is not None:
            exact = exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)
        digits = (
            max(0, -int(exact.normalize().as_tuple().exponent)) if decimals is None else decimals
        )
        pattern = "#,##0" + ("." + "0" * digits if digits else "")
        return str(format_decimal(exact, pattern, locale=self.locale))

    def money(self, amount: str, currency: str) -> str:
        return str(format_currency(Decimal(amount), currency, locale=self.locale))

    def share(self, value: float, decimals: int = 1) -> str:
        return str(format_percent(value, f"#,##0.{'0' * decimals}%", locale=self.locale))

    def truth(self, value: bool) -> str:
        return self("frame.yes" if value else "frame.no")


def words(language: str, zone: str) -> Words:
    """Return the catalogue of one of `LANGUAGES`; any other is `LookupError`."""
    return Words(language, ZoneInfo(zone), sentences(_FOLDER, language), Locale.parse(language))
