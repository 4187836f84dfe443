"""What an unmet closing rule says to a person, in every language, and the refusal."""

from collections.abc import Mapping
from typing import Final

from babel.numbers import get_decimal_symbol

from fsm.checklists.items import Item, Kind, localized
from fsm.checklists.templates import Template
from fsm.languages import by_language, spoken
from fsm.problems import Problem
from fsm.work_orders.closing import Unmet, Verdict


class ChecklistIncomplete(Problem):
    """Something required is missing; `unmet` lists it as the verdict does, each with a `text`."""

    code, status, title = "checklist-incomplete", 422, "Required answers or photos are missing"


def incomplete(verdict: Verdict, template: Template, language: str) -> ChecklistIncomplete:
    """Return the refusal to finish or complete, naming exactly what is missing, for the caller to
    raise.
    """
    told = [{**one.to_json(), "text": sentence(one, template, language)} for one in verdict.unmet]
    detail = " ".join(str(one["text"]) for one in told)
    return ChecklistIncomplete(detail, unmet=told, facts_rev=verdict.facts_rev)


def sentence(unmet: Unmet, template: Template, language: str) -> str:
    """Return one sentence that tells what to do about `unmet`; other languages than ours get
    English.

    The item may be unknown to `template` (a verdict under another version): then its id stands for
    it.
    """
    words = _WORDS[spoken(language)]
    item = template.by_id.get(unmet.item)
    title = item.title(language) if item else unmet.item
    number = "" if unmet.slot is None else str(unmet.slot + 1)
    rule = unmet.rule
    if item and (item.maximum if rule == "max" else item.minimum if rule == "min" else 0) is None:
        rule = None  # not the item's limit but every number's: there is no figure to name
    own = localized(item.constraint_text, language) if item else None
    if unmet.code == "constraint" and unmet.rule == "constraint" and own:
        return _joined(title, own)
    media = item.kind.value if item and item.is_media else "photo"
    if item and item.kind is Kind.SIGNATURE and unmet.slot is not None:
        media = "signature"
    pattern = (
        words.get(f"{unmet.code}.{media}.{rule}")
        or words.get(f"{unmet.code}.{media}")
        or words.get(f"{unmet.code}.{rule}")
        or words.get(unmet.code, words["other"])
    )
    return _joined(title, pattern.format(number=number, **_limits(item, language)))


def _joined(title: str, rest: str) -> str:
    return f"{title.rstrip(' .:?')}: {rest}"


def _limits(item: Item | None, language: str) -> Mapping[str, str]:
    """Return what a sentence may quote of the item, as text."""
    if item is None:
        return dict.fromkeys(("low", "high", "decimals", "mime", "megabytes", "seconds"), "?")
    unit = f" {item.unit}" if item.unit else ""
    separator = get_decimal_symbol(spoken(language))

    def number(value: float | None, suffix: str = "") -> str:
        return "?" if value is None else f"{value:.12g}".replace(".", separator) + suffix

    return {
        "low": number(item.minimum, unit),
        "high": number(item.maximum, unit),
        "decimals": number(item.decimals),
        "mime": ", ".join(item.mime) or f"{item.kind.value}/*",
        "megabytes": number(None if item.max_bytes is None else round(item.max_bytes / 1e6, 1)),
        "seconds": number(item.max_seconds),
    }


_WORDS: Final = by_language("fsm/work_orders/messages", "unmet")
