"""What people were paid by issued statements, on the days on which it was earned."""

from collections import defaultdict
from datetime import UTC, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from reports import cost_sql
from reports.candidates import Candidate
from reports.cost_sql import LineSums
from reports.exposure_sql import Page, Statement
from reports.figures import cost_figure
from reports.questions import Asked, Found
from reports.scopes import NONE, PERSONAL, Cut, Key


def _statement(asked: Asked) -> Statement:
    """Return a statement whose part `line` is what statements paid for work on the window's days."""
    first_on, end_on = cost_sql.days_of(asked.question.period, ZoneInfo(asked.known.zone))
    statement = Statement(t=asked.actor.tenant_id, from_on=first_on, to_on=end_on)
    key = ":t"
    if asked.cut in PERSONAL:
        statement.values["none"] = NONE
        key = f"coalesce({_KEYS[asked.cut]}, :none)"
    # What people earn is no customer's business.
    conditions = "" if asked.actor.customer_id is None else " and false"
    for cut, wanted in asked.question.scope.parts:
        if wanted == NONE:
            conditions += f" and {_KEYS[cut]} is null"
        else:
            statement.values[str(cut)] = wanted
            conditions += f" and {_KEYS[cut]} = :{cut}"
    return statement.part("line", _LINE, key=key, conditions=conditions)


async def technician_pay(asked: Asked) -> dict[Key, Found]:
    """Return the sum of what was paid, per key."""
    sums: defaultdict[Key, dict[str, LineSums]] = defaultdict(dict)
    for key, currency, count, amount in await _statement(asked).run(asked.session, _SUMS):
        sums[key][currency] = LineSums(count, amount)
    currency = asked.question.currency or asked.known.currency
    keys = sorted(sums, key=str) or asked.nothing()
    if asked.page is not None:
        after = None if asked.page.after is None else str(asked.page.after)
        keys = [key for key in keys if after is None or str(key) > after][: asked.page.limit]
    return {key: (cost_figure(sums.get(key, {}), currency, ()), None) for key in keys}


async def pay_lines(asked: Asked, page: Page) -> list[Candidate]:
    """Return the next lines of statements, in order of id."""
    statement = _statement(asked)
    statement.values["lines"] = page.limit
    after = ""
    if page.after is not None:
        statement.values["after"] = page.after
        after = "where c.id > :after"
    currency = asked.question.currency or asked.known.currency
    found = []
    for id_, worked_on, amount, in_currency in await statement.run(
        asked.session, _LINES, after=after
    ):
        is_other = in_currency != currency
        found.append(
            Candidate(
                "pay_line",
                id_,
                None,
                datetime.combine(worked_on, time.min, UTC),
                Decimal(0) if is_other else amount,
                0,
                "other_currency" if is_other else None,
                [],
            )
        )
    return found


_KEYS = {
    Cut.TECHNICIAN: "p.technician_id",
    Cut.CONTRACTOR: "case when h.is_contractor then h.id end",
}

_LINE = """
  select p.id, p.worked_on, p.amount, p.currency, $key as key
  from pay_line p join technician h on h.tenant_id = :t and h.id = p.technician_id
  where p.tenant_id = :t and p.worked_on >= :from_on and p.worked_on < :to_on$conditions
"""

_SUMS = "select key, currency, count(*), sum(amount) from line group by 1, 2 order by 1, 2"

_LINES = """
select c.id, c.worked_on, c.amount, c.currency from line c $after order by c.id limit :lines
"""
