"""Figures of what work cost, from the ledger."""

from zoneinfo import ZoneInfo

from fsm.intervals import instant
from reports import cost_sql
from reports.figures import cost_figure
from reports.questions import Asked, Found
from reports.results import Provisional, ProvisionalReason
from reports.scopes import Key


async def cost(asked: Asked) -> dict[Key, Found]:
    """Return the sum of the ledger, provisional where a job is neither closed nor cancelled."""
    question, known = asked.question, asked.known
    days = cost_sql.days_of(question.period, ZoneInfo(known.zone))
    sums = await cost_sql.cost_sums(
        asked.session, asked.actor, days, question.scope, asked.cut, question.variant, asked.page
    )
    until = instant(question.period.until())
    unfinished = await cost_sql.keys_with_open_jobs(
        asked.session, asked.actor, until, question.scope, asked.cut
    )
    currency = question.currency or known.currency
    notes = (f"variant:{question.variant}", f"days:{days[0]}/{days[1]}")
    open_costs = Provisional(None, (ProvisionalReason.COSTS_OPEN,))
    return {
        key: (
            cost_figure(sums.get(key, {}), currency, notes),
            open_costs if key in unfinished else None,
        )
        for key in sums or asked.nothing()
    }
