"""Reasons as a dispatcher would say them, in every language; the sentences lie in `messages/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from fsm.languages import by_language
from scheduler.closed_shifts import Closed, Failed
from scheduler.engine.permissions import Failure, Rule
from scheduler.lengths import length, minutes_of
from scheduler.reasons import Reason
from scheduler.relaxations import Relaxation, Way
from scheduler.slots import Offer, Risk, Slot

_FOLDER = "scheduler/messages"
_RULES = by_language(_FOLDER, "rule")

_WITHOUT = by_language(_FOLDER, "without")

_WORDS = by_language(_FOLDER, "why")


def sentence(reason: Reason, language: str) -> str:
    """Return why the visit is left out, what stands in its way, and the cheapest way in.

    `language` is one of `LANGUAGES`; any other raises `KeyError`.
    """
    words = _WORDS[language]
    among = "" if reason.among is None else "_among"
    facts = {"label": reason.label, "among": reason.among, "why": _why(reason, language)}
    if reason.people is None:
        said = [words[f"{reason.cause}{among}"].format(**facts)]
    else:
        asked, there = reason.people
        said = [words[f"too_few{among}"].format(asked=asked, there=there, **facts)]
    sets = [
        _joined(words["and"], [_WITHOUT[language][rule] for rule in rules])
        for rules in reason.blocking
        if Rule.PRICE not in rules
    ]
    if sets:
        said.append(words["without"].format(sets=_joined(words["or"], sets)))
    if reason.partners:
        said.append(words["bound"].format(labels=", ".join(reason.partners)))
    if reason.relaxation is not None:
        said.append(_way(reason.relaxation, language))
    if reason.is_brief:
        said.append(words["brief"])
    return " ".join(said)


def shift_sentence(technician: str, failed: Failed, language: str) -> str:
    """Return what keeps the visit from a shift of this technician."""
    failures = ", ".join(_failure(each, language) for each in failed)
    return _WORDS[language]["shift"].format(technician=technician, failures=failures)


_CHANGES = by_language(_FOLDER, "change")


def change_sentence(line: Mapping[str, Any], language: str) -> str:
    """Return what happens to a visit, why, and whether a promise is missed; `line` as a plan tells it."""
    words = _CHANGES[language]
    before, after, cause = line["before"], line["after"], line["cause"]
    what = words[line["kind"]].format(
        number=line["number"],
        before="" if before is None else words["spot"].format(**before),
        after="" if after is None else words["spot"].format(**after),
        clock="" if after is None else after["clock"],
        was="" if before is None else before["clock"],
        technician="" if after is None else after["technician"],
    )
    why = cause["why"]
    if why == "event" and cause["by"]:
        why = "event_by"
    if why == "bound":
        why = "crew" if cause["by"] == line["number"] else why
        why = f"{why}_event" if cause["event_id"] else why
    if why == "improvement" and cause["saving"] is not None and cause["saving"] > 0:
        why = "improvement_by"
    said = words[why].format(
        by=cause["by"],
        event=words[cause["event"] or "unnamed_event"],
        saving=_length(cause["saving"] or 0, language),
    )
    risk = f" {words['at_risk']}" if line["is_at_risk"] else ""
    return f"{what}; {said}.{risk}"


def fetch_sentence(fetched: Mapping[str, Any], language: str) -> str:
    """Return what is picked up before a visit, and where."""
    return _CHANGES[language]["fetched"].format(**fetched)


_SLOTS = by_language(_FOLDER, "slot")


def slot_sentence(
    technician: str,
    slot: Slot,
    rank: int,
    first: Slot,
    language: str,
    mates: Sequence[str] = (),
) -> str:
    """Return why a slot has its rank: what it costs against the first, and what it does to the day.

    `mates` are the names of those who come as well.
    """
    words = _SLOTS[language]
    said = [
        words["first"].format(technician=technician)
        if rank == 1
        else words["other"].format(
            technician=technician, more=_length(slot.price - first.price, language)
        ),
        *([words["mates"].format(names=", ".join(mates))] if mates else []),
        words["drive"].format(length=_length(slot.travel_s, language))
        if slot.travel_s > 0
        else words["no_drive"],
    ]
    if slot.overtime_s > 0:
        said.append(words["overtime"].format(length=_length(slot.overtime_s, language)))
    if slot.late_s:
        said.append(words["late"].format(length=_length(slot.late_s, language)))
    if slot.at_risk:
        said.append(words["risk"].format(numbers=", ".join(slot.at_risk)))
    numbers = ", ".join(each.label for each in slot.moved)
    said.append(words["moved"].format(numbers=numbers) if numbers else words["nobody"])
    return "; ".join(said) + "."


def offer_sentence(offer: Offer, language: str) -> str:
    """Return what a window is worth: the chance of keeping it, and what its time is worth to others."""
    words = _SLOTS[language]
    worth = length(minutes_of(offer.capacity), language)
    load = words["scarce"].format(length=worth) if offer.capacity > 60 else words["free"]
    return words["offer"].format(percent=round(offer.probability * 100), load=load)


def cure_sentence(technician: str, risk: Risk, language: str) -> str:
    """Return how unsure a promise has become, and what would mend it."""
    words = _SLOTS[language]
    cure = words["no_cure"]
    if risk.cure is not None:
        cure = words["cure"].format(
            technician=technician,
            cured=round(risk.cured * 100),
            length=_length(max(0, risk.cure.cost), language),
        )
    percents = {"stated": round(risk.stated * 100), "percent": round(risk.chance * 100)}
    return words["unsure"].format(cure=cure, **percents)


def _joined(pattern: str, parts: Sequence[str]) -> str:
    """Return parts as one, two at a time: "the pin and its time windows"."""
    return reduce(lambda one, other: pattern.format(one=one, other=other), parts)


def _length(seconds: int, language: str) -> str:
    return length(minutes_of(seconds), language)


def _why(reason: Reason, language: str) -> str:
    """Sum up the shifts: each rule, what it is about, how many shifts it closes; the commonest first."""
    words = _WORDS[language]
    if not reason.shifts:
        return words["nobody"]
    return "; ".join(
        words["count"].format(
            what=_named(closed, language), count=closed.shifts, total=reason.shifts
        )
        for closed in reason.closed
    )


_NAMED = {Rule.SKILL: "skill_fact", Rule.LEVEL: "skill_fact", Rule.PARTS: "part_fact"}
"""Rules that are about something the job asks for: it is named, whichever shift lacks it."""


def _named(closed: Closed, language: str) -> str:
    what = _RULES[language][closed.rule]
    if closed.rule not in _NAMED:
        return what
    words = _WORDS[language]
    template = words[_NAMED[closed.rule]]
    names = {template.format(**dict(each.facts)): None for each in closed.about}
    return (
        words["named"].format(what=what, names=_joined(words["and"], [*names])) if names else what
    )


def _failure(failure: Failure, language: str) -> str:
    words, facts = _WORDS[language], dict(failure.facts)
    what = _RULES[language][failure.rule]
    if failure.rule is Rule.PRICE:
        facts = {name: _length(int(value), language) for name, value in facts.items()}
    template = {
        Rule.SKILL: "skill_fact",
        Rule.LEVEL: "level_fact",
        Rule.HOURS: "hours_fact",
        Rule.PARTS: "part_fact",
        Rule.PRICE: "price_fact",
    }.get(failure.rule)
    return what if template is None else f"{what} ({words[template].format(**facts)})"


def _way(relaxation: Relaxation, language: str) -> str:
    words = _WORDS[language]
    name = str(relaxation.way)
    if relaxation.way is Way.WINDOW:
        name = "window_early" if relaxation.minutes < 0 else "window_late"
    how = words[name].format(
        technician=relaxation.technician,
        length=length(abs(relaxation.minutes), language),
        bumped=relaxation.bumped_label,
        rules=", ".join(_RULES[language][rule] for rule in relaxation.rules),
    )
    km = f"{relaxation.metres / 1_000:+.1f}".replace(".", words["decimal"])
    return words["effect"].format(
        how=how, technician=relaxation.technician, starts_at=relaxation.starts_at, km=km
    )
