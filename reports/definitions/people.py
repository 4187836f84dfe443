"""Figures of how people's time is spent. By person, they need a permission of their own."""

from reports.definitions.definition import Definition, define
from reports.scopes import PERSON_CUTS

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
        cuts=PERSON_CUTS,
    ),
    define(
        "wrench",
        1,
        "ratio",
        "Hours hands on / hours paid; paid: on duty, and what was recorded outside shifts, breaks not.",
        (),
        cuts=PERSON_CUTS,
    ),
    define(
        "travel",
        1,
        "ratio",
        "share: hours on the way / hours paid; per_visit: hours on the way / visits arrived at.",
        ("share", "per_visit"),
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
        cuts=PERSON_CUTS,
    ),
)
