"""Every figure that can be asked for: what it is called, how it is computed, by what it can be cut.

A definition never changes once it has been served: a changed rule is a new entry with the next version,
beside the old one. A test holds what has been published.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fsm.actors import Permission
from fsm.problems import Invalid, NotFound
from fsm.work_orders.records import CostKind
from reports.cost_sql import ALL_KINDS
from reports.formulae.reliability import Availability, TimeBase
from reports.rows import Cause
from reports.scopes import ASSET_CUTS, JOB_CUTS, Cut

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


def _define(
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


DEFINITIONS: tuple[Definition, ...] = (
    _define(
        "mtbf",
        1,
        "h",
        "operating: Σ|R − D| / Σn; calendar: Σ|X| / Σn. X = window ∩ in service ∩ on the contract in scope; "
        "R = X − external outages; D = union of outages that are not degraded; n = failures in X, one per "
        "asset and instant. Interval at 0.9: [2T/χ²(0.95; 2n+2), 2T/χ²(0.05; 2n)]; n = 0: T/ln 10.",
        (str(TimeBase.OPERATING), str(TimeBase.CALENDAR)),
        names=("Mean time between failures", "Средняя наработка между отказами"),
        docs=(
            "Time between failures in hours. Time before the first and after the last failure counts. "
            "Without a failure there is no value, only a lower bound. Left out: failures with an exclusion "
            "code, those whose outages were only degraded or external, those outside the time in service "
            "(or on the contract), and further components that failed in the same instant.",
            "Время между отказами в часах. Время до первого и после последнего отказа учитывается. Без "
            "отказов значения нет, есть только нижняя граница. Не учитываются: отказы с кодом исключения, "
            "отказы, при которых оборудование лишь работало хуже или простаивало по внешней причине, отказы "
            "вне эксплуатации (или вне договора) и другие узлы, отказавшие в тот же момент.",
        ),
    ),
    _define(
        "restoration",
        1,
        "h",
        "mean, p50, p90 of restored_at − failed_at (else − detected_at, counted in the notes) over failures "
        "with restored_at in the window. Interval of p50 at 0.9: order statistics.",
        ("mean", "p50", "p90"),
        names=("Time to restoration", "Время восстановления"),
        docs=(
            "Hours from failing to working again: detection, waiting and travel, repair, return to service. "
            "A failure belongs to the window, and to the contract, of the instant in which it was restored. "
            "Faults still open are counted in the notes.",
            "Часы от отказа до возобновления работы: обнаружение, ожидание и дорога, ремонт, ввод в работу. "
            "Отказ относится к периоду и договору того момента, когда работа восстановлена. Ещё не "
            "устранённые отказы указаны в примечаниях.",
        ),
    ),
    _define(
        "mrt",
        1,
        "h",
        "mean of restored_at − detected_at over repairs that ended in the window. A repair is everything "
        "done for one failure; without one, for one corrective request, from report to the end of its work.",
        (),
        names=("Mean repair time", "Среднее время ремонта"),
        docs=(
            "Hours from detection to working again: waiting and travel, repair, return to service.",
            "Часы от обнаружения до возобновления работы: ожидание и дорога, ремонт, ввод в работу.",
        ),
    ),
    _define(
        "mart",
        1,
        "h",
        "mean of |union of work − pauses that stop the repair clock| between detected_at and restored_at, "
        "over repairs that ended in the window and have work recorded.",
        (),
        names=("Mean active repair time", "Среднее время активного ремонта"),
        docs=(
            "Hours in which somebody worked on the repair, whoever and however many: not person-hours. "
            "Repairs without recorded work are left out, not taken for 0.",
            "Часы, в течение которых кто-либо выполнял ремонт, сколько бы человек ни работало: это не "
            "человеко-часы. Ремонты без записанной работы не учитываются, а не считаются нулевыми.",
        ),
    ),
    _define(
        "availability",
        1,
        "ratio",
        "operational: Σ|R − D| / Σ|R|; planned_out: planned outages leave both sides. R, D as in mtbf.",
        (str(Availability.OPERATIONAL), str(Availability.PLANNED_OUT)),
        names=("Availability", "Готовность"),
        docs=(
            "Share of the required time in which the equipment worked. External outages are time not "
            "required; degraded time counts as working.",
            "Доля требуемого времени, в течение которой оборудование работало. Внешние простои не входят в "
            "требуемое время; работа с ухудшением считается работой.",
        ),
    ),
    _define(
        "downtime",
        1,
        "h",
        "Σ|D ∩ R| by cause, each instant once: failure before operational before planned; total is their "
        "sum. degraded: time worked badly while not down.",
        (
            "total",
            str(Cause.FAILURE),
            str(Cause.OPERATIONAL),
            str(Cause.PLANNED),
            "degraded",
        ),
        names=("Downtime", "Простой"),
        docs=(
            "Hours of required time in which the equipment was down, by cause.",
            "Часы требуемого времени, в течение которых оборудование простаивало, по причинам.",
        ),
    ),
    _define(
        "cost",
        1,
        MONEY,
        "Σ ledger lines by posted_on, net of tax, in one currency; total or one kind. A day belongs to the "
        "window that holds its beginning in the company's zone.",
        (ALL_KINDS, "labour", "travel", "parts", "contractor", "other"),
        names=("Cost", "Затраты"),
        docs=(
            "What the work cost: labour and travel at the rate of the day, parts at their cost of issue. A "
            "correction is a line of its own. Lines in another currency are counted as left out, never "
            "converted.",
            "Сколько стоила работа: труд и дорога по ставке дня, запчасти по стоимости выдачи. Исправление "
            "— отдельная строка. Строки в другой валюте указаны как неучтённые и не пересчитываются.",
        ),
        needs=(Permission.READ_KPIS, Permission.READ_COSTS),
        cuts=tuple(cut for cut in ASSET_CUTS if cut is not Cut.REGION),
    ),
    _define(
        "cost",
        2,
        MONEY,
        "Σ ledger lines by posted_on, net of tax, in one currency; total of what was spent, or one kind. "
        "What came back is no cost: it is left out of the total and is a kind of its own. A line for several "
        "assets is divided over them by weight when it is posted, largest remainder. A day belongs to the "
        "window that holds its beginning in the company's zone.",
        (ALL_KINDS, *(str(kind) for kind in CostKind)),
        names=("Cost", "Затраты"),
        docs=(
            "What the work cost: labour, travel and overhead at the rate of the day, parts at their cost of "
            "issue, contractors. Recoveries stand beside it. A correction is a line of its own. Lines in "
            "another currency are counted as left out, never converted.",
            "Сколько стоила работа: труд, дорога и накладные расходы по ставке дня, запчасти по стоимости "
            "выдачи, подрядчики. Возмещения показаны рядом. Исправление — отдельная строка. Строки в другой "
            "валюте указаны как неучтённые и не пересчитываются.",
        ),
        needs=(Permission.READ_KPIS, Permission.READ_COSTS),
        cuts=JOB_CUTS,
    ),
)

MTTR = "mttr"
MTTR_MEANINGS = ("restoration", "mrt", "mart")
"""What people mean by "MTTR". It is never printed as one figure."""

MTTR_SAID: Mapping[str, str] = MappingProxyType(
    {
        "en": "MTTR has several meanings; here is each under its own name: time to restoration, mean repair "
        "time, mean active repair time.",
        "ru": "У MTTR несколько значений; здесь каждое под своим именем: время восстановления, среднее "
        "время ремонта, среднее время активного ремонта.",
    }
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
