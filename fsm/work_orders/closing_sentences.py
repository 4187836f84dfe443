"""What an unmet closing rule says to a person, in English and Russian, and the refusal."""

from collections.abc import Mapping
from typing import Final

from fsm.checklists.items import Item, Kind, localized
from fsm.checklists.templates import Template
from fsm.problems import Problem
from fsm.work_orders.closing import Unmet, Verdict

LANGUAGES: Final = ("en", "ru")


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
    words = _RU if language.split("-")[0] == "ru" else _EN
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
    separator = "," if language.split("-")[0] == "ru" else "."

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


_EN: Final[Mapping[str, str]] = {
    "required": "an answer is missing.",
    "shape": "the answer is not of the expected kind; give it again.",
    "shape.symbology": "this is not a code of the expected type; scan it again.",
    "shape.name": "the signer's name is missing.",
    "shape.photo.mime": "photo {number} is of the wrong file type; wanted: {mime}.",
    "shape.video.mime": "video {number} is of the wrong file type; wanted: {mime}.",
    "limit": "the answer is outside its limits.",
    "limit.min": "the value is below the minimum of {low}.",
    "limit.max": "the value is above the maximum of {high}.",
    "limit.decimals": "too many decimals; at most {decimals}.",
    "limit.min_length": "the text is too short.",
    "limit.max_length": "the text is too long.",
    "limit.min_picks": "too few choices; at least {low}.",
    "limit.max_picks": "too many choices; at most {high}.",
    "limit.codes": "the choice is not on the list.",
    "limit.last_reading": "the reading is below the last one; "
    "check it, or state that the counter has begun anew.",
    "limit.photo.size": "photo {number} is too large; at most {megabytes} MB.",
    "limit.video.size": "video {number} is too large; at most {megabytes} MB.",
    "limit.video.seconds": "video {number} is too long; at most {seconds} s.",
    "constraint": "the answer does not satisfy the rule of this item.",
    "constraint.match": "the code does not belong to this equipment or to a part used here.",
    "photo_missing": "photo {number} is missing.",
    "photo_missing.video": "video {number} is missing.",
    "photo_missing.signature": "the image of the signature is missing.",
    "photo_pending": "photo {number} has not fully arrived yet.",
    "photo_pending.video": "video {number} has not fully arrived yet.",
    "photo_pending.signature": "the image of the signature has not fully arrived yet.",
    "photo_corrupt": "photo {number} arrived damaged and must be sent again.",
    "photo_corrupt.video": "video {number} arrived damaged and must be sent again.",
    "photo_corrupt.signature": "the image of the signature arrived damaged and must be sent again.",
    "other": "something is missing.",
}

_RU: Final[Mapping[str, str]] = {
    "required": "нет ответа.",
    "shape": "ответ не того вида, который ожидается; введите его заново.",
    "shape.symbology": "это код другого типа; отсканируйте ещё раз.",
    "shape.name": "не указано имя подписавшего.",
    "shape.photo.mime": "фото {number} — неподходящий тип файла; нужен: {mime}.",
    "shape.video.mime": "видео {number} — неподходящий тип файла; нужен: {mime}.",
    "limit": "ответ вне допустимых пределов.",
    "limit.min": "значение меньше допустимого: не меньше {low}.",
    "limit.max": "значение больше допустимого: не больше {high}.",
    "limit.decimals": "слишком много знаков после запятой: не больше {decimals}.",
    "limit.min_length": "текст слишком короткий.",
    "limit.max_length": "текст слишком длинный.",
    "limit.min_picks": "выбрано слишком мало: не меньше {low}.",
    "limit.max_picks": "выбрано слишком много: не больше {high}.",
    "limit.codes": "такого варианта нет в списке.",
    "limit.last_reading": "показание меньше предыдущего; "
    "проверьте его или отметьте, что счётчик начал отсчёт заново.",
    "limit.photo.size": "фото {number} слишком большое: не больше {megabytes} МБ.",
    "limit.video.size": "видео {number} слишком большое: не больше {megabytes} МБ.",
    "limit.video.seconds": "видео {number} слишком длинное: не больше {seconds} с.",
    "constraint": "ответ не проходит проверку этого пункта.",
    "constraint.match": "код не относится ни к этому оборудованию, ни к установленным деталям.",
    "photo_missing": "нет фото {number}.",
    "photo_missing.video": "нет видео {number}.",
    "photo_missing.signature": "нет изображения подписи.",
    "photo_pending": "фото {number} ещё не загружено полностью.",
    "photo_pending.video": "видео {number} ещё не загружено полностью.",
    "photo_pending.signature": "изображение подписи ещё не загружено полностью.",
    "photo_corrupt": "фото {number} пришло повреждённым, его нужно отправить ещё раз.",
    "photo_corrupt.video": "видео {number} пришло повреждённым, его нужно отправить ещё раз.",
    "photo_corrupt.signature": "изображение подписи пришло повреждённым, "
    "его нужно отправить ещё раз.",
    "other": "чего-то не хватает.",
}
