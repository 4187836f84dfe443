"""Figures of what work cost and who paid for it."""

from fsm.actors import Permission
from fsm.work_orders.records import CostKind
from reports.cost_sql import ALL_KINDS
from reports.definitions.definition import MONEY, Definition, define
from reports.scopes import ASSET_CUTS, JOB_CUTS, LEDGER_CUTS, PERSON_CUTS, Cut

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
        cuts=LEDGER_CUTS,
    ),
    define(
        "contract_margin",
        1,
        MONEY,
        "fee for the days + Σ price of what the customer pays + Σ recoveries − Σ cost − credits, in one "
        "currency. covered: fee − cost borne by contract and goodwill − credits; billable: price − cost of "
        "what the customer pays; manufacturer: recoveries − cost borne by the manufacturer; undecided: − "
        "cost that nobody bears yet; they add up to the margin. share: margin / (fee + price + recoveries). "
        "A fee is of days, rounded as it runs up in a month; over assets by weight × days, largest "
        "remainder.",
        ("margin", "covered", "billable", "manufacturer", "undecided", "share"),
        names=("Contract margin", "Маржа договора"),
        docs=(
            "What a contract leaves: its fee for the days of the window, what is billed and what the "
            "manufacturer paid back, less what the work truly cost and what broken promises gave back. As a "
            "share it has no value where nothing came in. Disputed promises give nothing back.",
            "Что остаётся от договора: плата за дни периода, выставленное клиенту и возмещённое "
            "изготовителем за вычетом действительных затрат и компенсаций за нарушенные сроки. Без выручки "
            "доли нет. Спорные сроки не компенсируются.",
        ),
        needs=(Permission.READ_KPIS, Permission.READ_COSTS),
        cuts=(Cut.ASSET, Cut.CONTRACT, Cut.CUSTOMER, Cut.MONTH, Cut.TENANT),
    ),
    define(
        "payer_split",
        1,
        MONEY,
        "Σ cost borne by one payer / Σ cost, in one currency, recoveries left out. One payer a line, with "
        "the rule that decided.",
        ("manufacturer", "contract", "customer", "goodwill", "undecided"),
        names=("Who bears the cost", "Кто несёт затраты"),
        docs=(
            "Share of the cost that the manufacturer, the contract's fee, the customer or our goodwill "
            "bears, or that is still undecided.",
            "Доля затрат, которую несёт изготовитель, плата по договору, клиент или мы сами, либо по которой "
            "ещё не решено.",
        ),
        needs=(Permission.READ_KPIS, Permission.READ_COSTS),
        cuts=JOB_CUTS,
    ),
    define(
        "technician_pay",
        1,
        MONEY,
        "Σ lines of issued statements of pay by the day worked, in one currency. A line is quantity × amount "
        "of a rule: piece, hour, kilometre, bonus, penalty; what is paid twice or no longer earned is taken "
        "back by the next statement.",
        (),
        names=("Pay", "Оплата труда"),
        docs=(
            "What people were paid for the work of these days by the statements issued so far. A statement "
            "is frozen; late work is paid, and dated back, by the next one.",
            "Сколько выплачено за работу этих дней по уже выпущенным ведомостям. Ведомость не меняется; "
            "поздние данные учитываются в следующей и относятся к дню работы.",
        ),
        needs=(Permission.READ_KPIS, Permission.READ_COSTS, Permission.READ_PERSON_KPIS),
        cuts=PERSON_CUTS,
    ),
    define(
        "warranty_recovery",
        1,
        MONEY,
        "paid: Σ paid on claims decided in the window / Σ claimed by them; claimed: Σ claimed / Σ cost borne "
        "by manufacturers, by posted_on; days: Kaplan–Meier median from claim to full payment, over claims "
        "paid in the window or still open. What is paid on a claim stands for its lines in proportion. "
        "Refused claims count with nothing paid, and are left out of days. In one currency.",
        ("paid", "claimed", "days"),
        names=("Warranty recovery", "Возмещение по гарантии"),
        docs=(
            "How much of what a manufacturer has to bear came back, and how soon. Claims that are not "
            "decided yet are left out of the share and counted.",
            "Какая часть затрат, которые несёт изготовитель, возмещена и как скоро. Ещё не рассмотренные "
            "претензии в долю не входят и указаны отдельно.",
        ),
        needs=(Permission.READ_KPIS, Permission.READ_COSTS),
        cuts=JOB_CUTS,
    ),
    define(
        "contractor",
        1,
        MONEY,
        "accepted: visits taken / visits sent to contractors, by planned start; hours, km: Σ done; due: Σ "
        "contractor lines of the ledger at the prices agreed, by posted_on; billed: Σ invoices by their last "
        "day; gap: billed − due. Interval of accepted at 0.9: Wilson.",
        ("accepted", "hours", "km", "due", "billed", "gap"),
        names=("Contractors", "Подрядчики"),
        docs=(
            "What contractors took of what they were offered, how much they did, and what they billed beyond "
            "what is due. Read it beside first-time fix by contractor.",
            "Сколько предложенных выездов подрядчики приняли, сколько сделали и насколько их счета "
            "расходятся с причитающимся. Смотрите вместе с решением с первого визита по подрядчикам.",
        ),
        needs=(Permission.READ_KPIS, Permission.READ_COSTS, Permission.READ_PERSON_KPIS),
        cuts=(Cut.CONTRACTOR, Cut.MONTH, Cut.TENANT),
    ),
    define(
        "contractor",
        2,
        MONEY,
        "accepted: visits taken / visits sent to contractors and not taken back by us, by planned start; "
        "hours, km: Σ done; due: Σ contractor lines of the ledger at the prices agreed, by posted_on; "
        "billed: Σ invoices by their last day; gap: billed − due. Interval of accepted at 0.9: Wilson.",
        ("accepted", "hours", "km", "due", "billed", "gap"),
        names=("Contractors", "Подрядчики"),
        docs=(
            "What contractors took of what they were offered, how much they did, and what they billed beyond "
            "what is due. Read it beside first-time fix by contractor.",
            "Сколько предложенных выездов подрядчики приняли, сколько сделали и насколько их счета "
            "расходятся с причитающимся. Смотрите вместе с решением с первого визита по подрядчикам.",
        ),
        needs=(Permission.READ_KPIS, Permission.READ_COSTS, Permission.READ_PERSON_KPIS),
        cuts=(Cut.CONTRACTOR, Cut.MONTH, Cut.TENANT),
    ),
)
