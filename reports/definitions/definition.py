"""What a figure is called, how it is computed, by what it can be cut.

Its name and what it tells lie in `messages/`, `KPI.name` and `KPI.doc`; an older version that told
something else has `KPI.doc.VERSION`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fsm.actors import Permission
from fsm.languages import LANGUAGES, plain_sentences
from fsm.problems import Invalid
from reports.scopes import ASSET_CUTS, Cut

FOLDER = "reports/definitions/messages"

MONEY = "currency"
"""The unit of figures that are in a currency, which the result names."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of one figure. The first variant is the one that is meant when none is named."""

    kpi: str
    version: int
    unit: str
    formula: str
    variants: tuple[str, ...]
    cuts: tuple[Cut, ...]
    names: Mapping[str, str]
    docs: Mapping[str, str]
    needs: tuple[Permission, ...] = (Permission.READ_KPIS,)

    def variant(self, asked: str | None) -> str:
        """Return the variant asked for, "" where there are none; another word is refused."""
        if asked is None:
            return self.variants[0] if self.variants else ""
        if asked not in self.variants:
            known = ", ".join(self.variants) or "none"
            detail = f"'{self.kpi}' has no variant '{asked[:60]}'. Variants: {known}."
            raise Invalid(detail, errors=[{"at": "/variant", "detail": detail}])
        return asked


def define(
    kpi: str,
    version: int,
    unit: str,
    formula: str,
    variants: tuple[str, ...],
    *,
    doc: str = "",
    needs: tuple[Permission, ...] = (Permission.READ_KPIS,),
    cuts: tuple[Cut, ...] = ASSET_CUTS,
) -> Definition:
    """`doc` names the sentence about the figure where several share one."""
    return Definition(
        kpi,
        version,
        unit,
        formula,
        variants,
        cuts,
        _texts(f"{kpi}.name", version),
        _texts(f"{doc or kpi}.doc", version),
        needs,
    )


def _texts(key: str, version: int) -> Mapping[str, str]:
    said = {language: plain_sentences(FOLDER, language) for language in LANGUAGES}
    return MappingProxyType(
        {language: one.get(f"{key}.{version}") or one[key] for language, one in said.items()}
    )
