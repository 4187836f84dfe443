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
        needs=(Permission.READ_KPIS, Permission.READ_COSTS, Permission.READ_PERSON_KPIS),
        cuts=(Cut.CONTRACTOR, Cut.MONTH, Cut.TENANT),
    ),
)
