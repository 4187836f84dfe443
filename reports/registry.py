"""Every figure that can be asked for, in all of its versions.

A definition never changes once it has been served: a changed rule is a new entry with the next version,
beside the old one. A test holds what has been published.
"""

from collections.abc import Mapping
from types import MappingProxyType

from fsm.languages import by_language
from fsm.problems import NotFound
from reports.definitions.definition import FOLDER, MONEY, Definition
from reports.definitions.money import MONEY_FIGURES
from reports.definitions.people import PEOPLE
from reports.definitions.reliability import RELIABILITY
from reports.definitions.service import SERVICE

DEFINITIONS: tuple[Definition, ...] = (*RELIABILITY, *SERVICE, *PEOPLE, *MONEY_FIGURES)

MTTR = "mttr"
MTTR_MEANINGS = ("restoration", "mrt", "mart")
"""What people mean by "MTTR". It is never printed as one figure."""

MTTR_SAID: Mapping[str, str] = MappingProxyType(
    {language: said["said"] for language, said in by_language(FOLDER, "mttr").items()}
)


def find_definition(kpi: str) -> Definition:
    """Return the newest version of a figure."""
    versions = [definition for definition in DEFINITIONS if definition.kpi == kpi]
    if kpi == MTTR:
        raise NotFound(
            f"'mttr' has several meanings. Ask for one of {', '.join(MTTR_MEANINGS)}.",
            meanings=list(MTTR_MEANINGS),
        )
    if not versions:
        known = ", ".join(sorted({definition.kpi for definition in DEFINITIONS}))
        raise NotFound(f"There is no figure '{kpi[:60]}'. There are: {known}.")
    return max(versions, key=lambda definition: definition.version)


__all__ = [
    "DEFINITIONS",
    "MONEY",
    "MTTR",
    "MTTR_MEANINGS",
    "MTTR_SAID",
    "Definition",
    "find_definition",
]
