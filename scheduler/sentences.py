"""Reasons as a dispatcher would say them, in English and Russian."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from scheduler.blocking import ShiftReason
from scheduler.engine.permissions import Failure, Rule
from scheduler.reasons import Reason
from scheduler.relaxations import Relaxation, Way
from scheduler.slots import Offer, Risk, Slot

LANGUAGES = ("en", "ru")

_RULES: dict[str, dict[Rule, str]] = {
    "en": {
        Rule.SKILL: "a skill is missing",
        Rule.LEVEL: "the skill level is too low",
        Rule.REQUIRED: "somebody else is required",
        Rule.FORBIDDEN: "this person is excluded",
        Rule.TERRITORY: "it is outside the territory",
        Rule.PARTS: "the van lacks the parts",
        Rule.PIN: "it is pinned elsewhere",
        Rule.PREFIX: "the fixed beginning of the route cannot be kept",
        Rule.WINDOW: "no window is left",
        Rule.PROMISE: "the promised time contradicts the windows",
        Rule.HOURS: "the windows lie outside the working hours",
        Rule.ABSENCE: "an absence is in the way",
        Rule.LENGTH: "the tour would be longer than allowed",
        Rule.DEPOT: "there is no time to fetch the parts",
        Rule.TRAVEL: "it cannot be reached in time",
        Rule.ROOM: "the route is full",
        Rule.PRICE: "it would cost more than leaving it out",
        Rule.PARTNER: "it cannot be there together with what it is bound to",
    },
    "ru": {
        Rule.SKILL: "нет нужной квалификации",
        Rule.LEVEL: "уровень квалификации недостаточен",
        Rule.REQUIRED: "требуется другой исполнитель",
        Rule.FORBIDDEN: "этот исполнитель исключён",
        Rule.TERRITORY: "адрес вне территории",
        Rule.PARTS: "в машине нет нужных деталей",
        Rule.PIN: "выезд закреплён иначе",
        Rule.PREFIX: "закреплённое начало маршрута невыполнимо",
        Rule.WINDOW: "подходящих окон не осталось",
        Rule.PROMISE: "обещанное время противоречит окнам",
        Rule.HOURS: "окна вне рабочего времени",
        Rule.ABSENCE: "мешает отсутствие",
        Rule.LENGTH: "выезд был бы длиннее разрешённого",
        Rule.DEPOT: "нет времени заехать за деталями",
        Rule.TRAVEL: "не успеть доехать",
        Rule.ROOM: "маршрут заполнен",
        Rule.PRICE: "это дороже, чем не ехать",
        Rule.PARTNER: "не получается вместе с тем, с чем он связан",
    },
}

_WITHOUT: dict[str, dict[Rule, str]] = {
    "en": {
        Rule.SKILL: "the skill asked for",
        Rule.LEVEL: "the level asked for",
        Rule.REQUIRED: "the required person",
        Rule.FORBIDDEN: "the exclusion of a person",
        Rule.TERRITORY: "the territory's border",
        Rule.PARTS: "the need for parts",
        Rule.PIN: "the pin",
        Rule.PREFIX: "the fixed beginning of the route",
        Rule.WINDOW: "its time windows",
        Rule.PROMISE: "the promised time",
        Rule.HOURS: "the limits of working hours",
        Rule.ABSENCE: "an absence",
        Rule.LENGTH: "the longest tour allowed",
        Rule.DEPOT: "the way to fetch the parts",
        Rule.TRAVEL: "the drive",
        Rule.ROOM: "other visits of the route",
        Rule.PARTNER: "what it is bound to",
    },
    "ru": {
        Rule.SKILL: "требования к квалификации",
        Rule.LEVEL: "требования к уровню",
        Rule.REQUIRED: "обязательного исполнителя",
        Rule.FORBIDDEN: "запрета на исполнителя",
        Rule.TERRITORY: "границы территории",
        Rule.PARTS: "потребности в деталях",
        Rule.PIN: "закрепления",
        Rule.PREFIX: "закреплённого начала маршрута",
        Rule.WINDOW: "окон времени",
        Rule.PROMISE: "обещанного времени",
        Rule.HOURS: "границ рабочего времени",
        Rule.ABSENCE: "отсутствия",
        Rule.LENGTH: "предела длины маршрута",
        Rule.DEPOT: "заезда за деталями",
        Rule.TRAVEL: "дороги",
        Rule.ROOM: "других выездов маршрута",
        Rule.PARTNER: "того, с чем он связан",
    },
}

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "impossible": "{label} fits into no plan, even with everybody free: {why}.",
        "no_room": "{label} is not in this plan: {why}.",
        "too_few": "{label} fits into no plan: it needs {asked} people at once, and only {there} could come.",
        "impossible_among": "{label} fits with none of the {among} people who were looked at, even if they "
        "were free: {why}. A plan of the whole day looks at everybody.",
        "too_few_among": "{label} needs {asked} people at once, and of the {among} who were looked at only "
        "{there} could come. A plan of the whole day looks at everybody.",
        "brief": "There was no time to look for a way in.",
        "nobody": "there is no shift",
        "count": "{what} ({count} of {total} shifts)",
        "without": "It would fit without {sets}.",
        "bound": "It is bound to {labels}.",
        "and": " and ",
        "or": ", or without ",
        "window_early": "Cheapest way in: if its window opened {minutes} min earlier",
        "window_late": "Cheapest way in: if its window closed {minutes} min later",
        "overtime": "Cheapest way in: if {technician} worked {minutes} min longer than allowed",
        "waiver": "Cheapest way in: if for {technician} this were waived: {rules}",
        "bump": "Cheapest way in: if {bumped} were left out instead",
        "other_day": "Cheapest way in: on another day",
        "effect": "{how} ({technician}, {starts_at}, {km} km).",
        "shift": "{technician}: {failures}.",
        "skill_fact": "{skill}, level {level}",
        "level_fact": "{skill}, level {level} asked, {has} there",
        "hours_fact": "{opens} to {closes}",
        "part_fact": "{part}",
        "price_fact": "{cost} min against {drop} min of driving",
        "decimal": ".",
    },
    "ru": {
        "impossible": "{label} не помещается ни в один план, даже если все свободны: {why}.",
        "no_room": "{label} не вошёл в этот план: {why}.",
        "too_few": "{label} не помещается ни в один план: одновременно нужно исполнителей: {asked}, "
        "приехать могли бы: {there}.",
        "impossible_among": "{label} не помещается ни у кого из рассмотренных исполнителей (их {among}), "
        "даже если они свободны: {why}. План на весь день учитывает всех.",
        "too_few_among": "{label}: одновременно нужно исполнителей: {asked}, из рассмотренных (их {among}) "
        "приехать могли бы: {there}. План на весь день учитывает всех.",
        "brief": "Искать, как всё же уместить его, не хватило времени.",
        "nobody": "нет ни одной смены",
        "count": "{what} (смен: {count} из {total})",
        "without": "Он поместился бы без {sets}.",
        "bound": "Он связан с {labels}.",
        "and": " и без ",
        "or": " либо без ",
        "window_early": "Дешевле всего: открыть окно на {minutes} мин раньше",
        "window_late": "Дешевле всего: закрыть окно на {minutes} мин позже",
        "overtime": "Дешевле всего: {technician} работает на {minutes} мин дольше разрешённого",
        "waiver": "Дешевле всего: сделать исключение для {technician}: {rules}",
        "bump": "Дешевле всего: не ехать вместо этого на {bumped}",
        "other_day": "Дешевле всего: перенести на другой день",
        "effect": "{how} ({technician}, {starts_at}, {km} км).",
        "shift": "{technician}: {failures}.",
        "skill_fact": "{skill}, уровень {level}",
        "level_fact": "{skill}, нужен уровень {level}, есть {has}",
        "hours_fact": "{opens}–{closes}",
        "part_fact": "{part}",
        "price_fact": "{cost} мин против {drop} мин езды",
        "decimal": ",",
    },
}


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
        words["and"].join(_WITHOUT[language][rule] for rule in rules)
        for rules in reason.blocking
        if Rule.PRICE not in rules
    ]
    if sets:
        said.append(words["without"].format(sets=words["or"].join(sets)))
    if reason.partners:
        said.append(words["bound"].format(labels=", ".join(reason.partners)))
    if reason.relaxation is not None:
        said.append(_way(reason.relaxation, language))
    if reason.is_brief:
        said.append(words["brief"])
    return " ".join(said)


def shift_sentence(shift: ShiftReason, language: str) -> str:
    """Return what keeps the visit from one shift."""
    failed = ", ".join(_failure(each, language) for each in shift.failures)
    return _WORDS[language]["shift"].format(technician=shift.technician, failures=failed)


_CHANGES: dict[str, dict[str, str]] = {
    "en": {
        "added": "{number}: planned for {after}",
        "dropped": "{number}: taken out of the plan, it was at {before}",
        "moved": "{number}: from {before} to {after}",
        "retimed": "{number}: at {clock} instead of {was}, still {technician}",
        "event": "because of this: {event}",
        "event_by": "{by} takes its place, because of this: {event}",
        "displaced": "{by} takes its place",
        "bound": "it goes together with {by}",
        "bound_event": "it goes together with {by}; because of this: {event}",
        "crew": "the crew stays together",
        "crew_event": "the crew stays together; because of this: {event}",
        "room": "there was room for it",
        "improvement": "nothing forces it; the plan becomes cheaper",
        "improvement_by": "nothing forces it; the plan becomes cheaper by {saving} min of driving",
        "at_risk": "The promised time is then missed.",
        "fetched": "First {quantity} × {part} is fetched at {place}.",
        "spot": "{technician}, {clock}",
        "urgent_visit": "an urgent visit",
        "sick_call": "somebody called in sick",
        "overrun": "work takes longer than planned",
        "no_show": "nobody was there",
        "cancellation": "a visit was cancelled",
        "late_part": "a part comes late",
        "": "an event of the day",
    },
    "ru": {
        "added": "{number}: в плане, {after}",
        "dropped": "{number}: убран из плана, был {before}",
        "moved": "{number}: было {before}, стало {after}",
        "retimed": "{number}: в {clock} вместо {was}, исполнитель прежний: {technician}",
        "event": "причина: {event}",
        "event_by": "его место занимает {by}, причина: {event}",
        "displaced": "его место занимает {by}",
        "bound": "он связан с {by}",
        "bound_event": "он связан с {by}; причина: {event}",
        "crew": "бригада остаётся вместе",
        "crew_event": "бригада остаётся вместе; причина: {event}",
        "room": "для него нашлось место",
        "improvement": "к этому ничто не вынуждает, но план становится дешевле",
        "improvement_by": "к этому ничто не вынуждает, но план становится дешевле на {saving} мин езды",
        "at_risk": "Обещанное время при этом нарушается.",
        "fetched": "Перед этим забрать {quantity} × {part}: {place}.",
        "spot": "{technician}, {clock}",
        "urgent_visit": "срочный выезд",
        "sick_call": "исполнитель заболел",
        "overrun": "работа идёт дольше плана",
        "no_show": "на месте никого не было",
        "cancellation": "выезд отменён",
        "late_part": "деталь задерживается",
        "": "событие дня",
    },
}


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
        event=words[cause["event"] or ""],
        saving=-(-(cause["saving"] or 0) // 60),
    )
    risk = f" {words['at_risk']}" if line["is_at_risk"] else ""
    return f"{what}; {said}.{risk}"


def fetch_sentence(fetched: Mapping[str, Any], language: str) -> str:
    """Return what is picked up before a visit, and where."""
    return _CHANGES[language]["fetched"].format(**fetched)


_SLOTS: dict[str, dict[str, str]] = {
    "en": {
        "first": "Cheapest: {technician}",
        "other": "{technician} costs {more} min of driving more than the cheapest",
        "mates": "together with {names}",
        "drive": "{minutes} min more on the road",
        "no_drive": "nothing more on the road",
        "overtime": "{minutes} min of overtime",
        "late": "begins {minutes} min after the service level asks",
        "risk": "the promise to {numbers} would be missed",
        "moved": "moves {numbers}",
        "nobody": "moves nobody",
        "free": "that day has time to spare",
        "scarce": "time on that day is scarce, worth {minutes} min of driving",
        "offer": "Kept with a chance of {percent} %; {load}.",
        "cure": "{technician} could keep it with {cured} %, for {minutes} min of driving more",
        "no_cure": "nobody could keep it more surely without harm to others",
        "unsure": "Promised with {stated} %, now kept with {percent} %: {cure}.",
    },
    "ru": {
        "first": "Дешевле всего: {technician}",
        "other": "{technician}: на {more} мин езды дороже самого дешёвого",
        "mates": "вместе приезжают: {names}",
        "drive": "в дороге на {minutes} мин больше",
        "no_drive": "в дороге не дольше",
        "overtime": "переработка {minutes} мин",
        "late": "начало на {minutes} мин позже срока по договору",
        "risk": "нарушается обещание по {numbers}",
        "moved": "сдвигаются {numbers}",
        "nobody": "никто не сдвигается",
        "free": "в этот день есть свободное время",
        "scarce": "времени в этот день мало, оно стоит {minutes} мин езды",
        "offer": "Будет соблюдено с вероятностью {percent} %; {load}.",
        "cure": "{technician} успеет с вероятностью {cured} %, в дороге на {minutes} мин больше",
        "no_cure": "никто не успеет вернее, не подведя других",
        "unsure": "Обещано с вероятностью {stated} %, теперь {percent} %: {cure}.",
    },
}


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
        else words["other"].format(technician=technician, more=_minutes(slot.price - first.price)),
        *([words["mates"].format(names=", ".join(mates))] if mates else []),
        words["drive"].format(minutes=_minutes(slot.travel_s))
        if slot.travel_s > 0
        else words["no_drive"],
    ]
    if slot.overtime_s > 0:
        said.append(words["overtime"].format(minutes=_minutes(slot.overtime_s)))
    if slot.late_s:
        said.append(words["late"].format(minutes=_minutes(slot.late_s)))
    if slot.at_risk:
        said.append(words["risk"].format(numbers=", ".join(slot.at_risk)))
    numbers = ", ".join(each.label for each in slot.moved)
    said.append(words["moved"].format(numbers=numbers) if numbers else words["nobody"])
    return "; ".join(said) + "."


def offer_sentence(offer: Offer, language: str) -> str:
    """Return what a window is worth: the chance of keeping it, and what its time is worth to others."""
    words = _SLOTS[language]
    minutes = _minutes(offer.capacity)
    load = words["scarce"].format(minutes=minutes) if minutes > 1 else words["free"]
    return words["offer"].format(percent=round(offer.probability * 100), load=load)


def cure_sentence(technician: str, risk: Risk, language: str) -> str:
    """Return how unsure a promise has become, and what would mend it."""
    words = _SLOTS[language]
    cure = words["no_cure"]
    if risk.cure is not None:
        cure = words["cure"].format(
            technician=technician,
            cured=round(risk.cured * 100),
            minutes=_minutes(max(0, risk.cure.cost)),
        )
    percents = {"stated": round(risk.stated * 100), "percent": round(risk.chance * 100)}
    return words["unsure"].format(cure=cure, **percents)


def _minutes(seconds: int) -> int:
    return -(-seconds // 60)


def _why(reason: Reason, language: str) -> str:
    """Sum up the shifts: each rule with how many shifts it closes, the commonest first."""
    words = _WORDS[language]
    if not reason.shifts:
        return words["nobody"]
    rules = Counter(rule for shift in reason.shifts for rule in {f.rule for f in shift.failures})
    order = list(Rule)
    return "; ".join(
        words["count"].format(what=_RULES[language][rule], count=count, total=len(reason.shifts))
        for rule, count in sorted(rules.items(), key=lambda each: (-each[1], order.index(each[0])))
    )


def _failure(failure: Failure, language: str) -> str:
    words, facts = _WORDS[language], dict(failure.facts)
    what = _RULES[language][failure.rule]
    if failure.rule is Rule.PRICE:
        facts = {name: -(-int(value) // 60) for name, value in facts.items()}
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
        minutes=abs(relaxation.minutes),
        bumped=relaxation.bumped_label,
        rules=", ".join(_RULES[language][rule] for rule in relaxation.rules),
    )
    km = f"{relaxation.metres / 1_000:+.1f}".replace(".", words["decimal"])
    return words["effect"].format(
        how=how, technician=relaxation.technician, starts_at=relaxation.starts_at, km=km
    )
