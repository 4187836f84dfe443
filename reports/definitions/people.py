"""Figures of how people's time is spent. By person, they need a permission of their own."""

from reports.definitions.definition import Definition, define
from reports.scopes import PERSON_CUTS

_FEW = (
    " Over fewer than five people only those see it who may read figures about persons.",
    " По группе менее пяти человек его видят только те, кому доступны показатели о людях.",
)

PEOPLE: tuple[Definition, ...] = (
    define(
        "utilisation",
        1,
        "ratio",
        "share: hours hands on while on duty / hours on duty; on duty: shifts − absences − breaks, the "
        "break of a "
        "shift that is cut in the same proportion. overtime: hours hands on outside shifts. A person's "
        "overlapping entries count once.",
        ("share", "overtime"),
        names=("Utilisation", "Загрузка"),
        docs=(
            "Share of the time on duty in which people worked on jobs. Read it beside arrivals on time."
            + _FEW[0],
            "Доля времени на смене, проведённая за работой. Смотрите вместе с приездом вовремя."
            + _FEW[1],
        ),
        cuts=PERSON_CUTS,
    ),
    define(
        "wrench",
        1,
        "ratio",
        "Hours hands on / hours paid; paid: on duty, and what was recorded outside shifts, breaks not.",
        (),
        names=("Wrench time", "Время у оборудования"),
        docs=(
            "Share of the paid time in which people worked on equipment." + _FEW[0],
            "Доля оплаченного времени, проведённая у оборудования." + _FEW[1],
        ),
        cuts=PERSON_CUTS,
    ),
    define(
        "travel",
        1,
        "ratio",
        "share: hours on the way / hours paid; per_visit: hours on the way / visits arrived at.",
        ("share", "per_visit"),
        names=("Travel", "Дорога"),
        docs=(
            "How much of the paid time goes into getting there." + _FEW[0],
            "Какая часть оплаченного времени уходит на дорогу." + _FEW[1],
        ),
        cuts=PERSON_CUTS,
    ),
    define(
        "travel",
        2,
        "ratio",
        "share: hours on the way / hours paid; per_visit: hours on the way / visits arrived at; "
        "km_per_visit: kilometres driven to visits arrived at / those visits, where somebody said how far it "
        "was.",
        ("share", "per_visit", "km_per_visit"),
        names=("Travel", "Дорога"),
        docs=(
            "How much of the paid time goes into getting there." + _FEW[0],
            "Какая часть оплаченного времени уходит на дорогу." + _FEW[1],
        ),
        cuts=PERSON_CUTS,
    ),
)
