"""What a figure is called, how it is computed, by what it can be cut."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fsm.actors import Permission
from fsm.problems import Invalid
from reports.scopes import ASSET_CUTS, Cut

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
    names: tuple[str, str],
    docs: tuple[str, str],
    needs: tuple[Permission, ...] = (Permission.READ_KPIS,),
    cuts: tuple[Cut, ...] = ASSET_CUTS,
) -> Definition:
    """`names` and `docs` are in English and in Russian."""
    return Definition(
        kpi,
        version,
        unit,
        formula,
        variants,
        cuts,
        MappingProxyType(dict(zip(("en", "ru"), names, strict=True))),
        MappingProxyType(dict(zip(("en", "ru"), docs, strict=True))),
        needs,
    )
