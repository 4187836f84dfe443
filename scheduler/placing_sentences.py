"""What comes of placing a visit, as a dispatcher would say it, in English and Russian."""

from scheduler.linking import Breach
from scheduler.placing import Code, Consequence, of_breach

_WORDS: dict[str, dict[Code, str]] = {
    "en": {
        Code.PAST: "This time is over already.",
        Code.NO_SHIFT: "There is no shift on that day. Add one first.",
        Code.ABSENT: "The technician is absent then.",
        Code.SKILL: "The skill {what} is missing.",
        Code.LEVEL: "The level of {what} is too low.",
        Code.FORBIDDEN: "This person is excluded from the job.",
        Code.REQUIRED: "The job asks for somebody else.",
        Code.EARLY: "The shift begins {minutes} min too late for it, the drive included.",
        Code.OVERTIME: "{minutes} min of overtime, the drive home included.",
        Code.OVERLAP: "It overlaps {what} by {minutes} min.",
        Code.ARRIVES_LATE: "After {what} and the drive it begins {minutes} min later than planned.",
        Code.DELAYS_NEXT: "{what} begins {minutes} min late.",
        Code.PROMISE: "{minutes} min after the promised window.",
        Code.WINDOW: "Outside the times that the customer allows.",
        Code.DUE: "{minutes} min after the service level's instant.",
        Code.PARTS: "The van lacks {what}.",
        Code.TERRITORY: "It lies in {what}, another territory.",
        Code.NOT_PREFERRED: "The customer prefers somebody else.",
        Code.NO_POSITION: "The site has no position: drives are not known.",
        Code.LINK_WAITS: "It comes after {what}, which nobody is sent to.",
        Code.LINK_TOO_SOON: "{minutes} min too soon after {what}, to which it is linked.",
        Code.LINK_TOO_LATE: "{minutes} min too late after {what}, to which it is linked.",
        Code.LINK_PRESSES: "{what}, which comes after it, begins {minutes} min too soon then.",
        Code.LINK_KEEPS_WAITING: "{what}, which comes after it, begins {minutes} min too late then.",
        Code.LINK_TECHNICIAN: "By its link to {what} it asks for somebody else.",
        Code.LINK_DAY: "By its link to {what} both are done on one day.",
    },
    "ru": {
        Code.PAST: "Это время уже прошло.",
        Code.NO_SHIFT: "В этот день нет смены. Сначала добавьте её.",
        Code.ABSENT: "Исполнитель в это время отсутствует.",
        Code.SKILL: "Нет квалификации {what}.",
        Code.LEVEL: "Уровень {what} недостаточен.",
        Code.FORBIDDEN: "Этот исполнитель исключён для этой работы.",
        Code.REQUIRED: "Для работы требуется другой исполнитель.",
        Code.EARLY: "Смена начинается на {minutes} мин позже, чем нужно, с учётом дороги.",
        Code.OVERTIME: "{minutes} мин сверхурочно, с дорогой домой.",
        Code.OVERLAP: "Пересекается с {what} на {minutes} мин.",
        Code.ARRIVES_LATE: "После {what} и дороги начнётся на {minutes} мин позже плана.",
        Code.DELAYS_NEXT: "{what} начнётся на {minutes} мин позже.",
        Code.PROMISE: "На {minutes} мин позже обещанного окна.",
        Code.WINDOW: "Вне времени, которое допускает клиент.",
        Code.DUE: "На {minutes} мин позже срока по договору.",
        Code.PARTS: "В машине нет {what}.",
        Code.TERRITORY: "Адрес на другой территории: {what}.",
        Code.NOT_PREFERRED: "Клиент предпочитает другого исполнителя.",
        Code.NO_POSITION: "У объекта нет координат: дорога неизвестна.",
        Code.LINK_WAITS: "Выполняется после {what}, а туда никто не назначен.",
        Code.LINK_TOO_SOON: "На {minutes} мин раньше, чем можно после связанной работы {what}.",
        Code.LINK_TOO_LATE: "На {minutes} мин позже, чем можно после связанной работы {what}.",
        Code.LINK_PRESSES: "{what} выполняется после неё и начнётся на {minutes} мин раньше срока.",
        Code.LINK_KEEPS_WAITING: "{what} выполняется после неё и начнётся на {minutes} мин позже срока.",
        Code.LINK_TECHNICIAN: "По связи с {what} требуется другой исполнитель.",
        Code.LINK_DAY: "По связи с {what} обе работы выполняются в один день.",
    },
}

_TOO_EARLY = {
    "en": "{minutes} min before the promised window.",
    "ru": "На {minutes} мин раньше обещанного окна.",
}


def consequence_sentence(consequence: Consequence, language: str) -> str:
    text = _WORDS[language][consequence.code]
    if consequence.code is Code.PROMISE and consequence.minutes < 0:
        text = _TOO_EARLY[language]
    return text.format(minutes=abs(consequence.minutes), what=consequence.what)


def breach_sentence(breach: Breach, first: str, language: str) -> str:
    """Return what is not kept of a link, told of its second job."""
    return consequence_sentence(of_breach(breach, first, is_second=True), language)
