"""Figures of what work cost and who paid for it."""

from fsm.actors import Permission
from fsm.work_orders.records import CostKind
from reports.cost_sql import ALL_KINDS
from reports.definitions.definition import MONEY, Definition, define
from reports.scopes import ASSET_CUTS, JOB_CUTS, Cut

MONEY_FIGURES: tuple[Definition, ...] = (
    define(
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
    define(
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
