"""What work cost, from the ledger: sums per key and currency, to the cent.

A line falls under the asset, contract and technician written on it and under the site, region, customer and
work type of its job. It belongs to the window that holds the beginning of its day in the company's zone, so
that adjoining windows add up. What came back is a line too, but no cost: it is counted beside it.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from fsm.actors import Actor
from fsm.database import Session
from fsm.intervals import micros
from reports.exposure_sql import Page, Statement
from reports.rows import Period
from reports.scopes import NONE, PERSONAL, Cut, Key, Scope

ALL_KINDS = "total"
RECOVERY = "recovery"

_KEYS = {
    Cut.ASSET: "l.asset_id",
    Cut.CONTRACT: "l.contract_id",
    Cut.SITE: "w.site_id",
    Cut.REGION: "s.region",
    Cut.CUSTOMER: "w.customer_id",
    Cut.MODEL: "a.model_id",
    Cut.WORK_TYPE: "w.work_type_id",
    Cut.TECHNICIAN: "l.technician_id",
    Cut.CONTRACTOR: "case when h.is_contractor then h.id end",
    Cut.WORK_ORDER: "l.work_order_id",
}


@dataclass(frozen=True, slots=True)
class LineSums:
    """How many lines of one currency are counted, their sum, and how many were left out as recoveries."""

    n: int
    amount: Decimal
    recoveries: int = 0


def days_of(period: Period, zone: ZoneInfo) -> tuple[date, date]:
    """Return [first, end) of the days that begin in the window and had begun by `as_of`."""
    return _first_day(period.from_at, zone), _first_day(min(period.as_of, period.to_at), zone)


def _first_day(at: datetime, zone: ZoneInfo) -> date:
    """Return the first day that begins at `at` or later."""
    day = at.astimezone(zone).date()
    begins = datetime(day.year, day.month, day.day, tzinfo=zone)
    return day if micros(begins) >= micros(at) else day + timedelta(days=1)


async def cost_sums(
    session: Session,
    actor: Actor,
    days: tuple[date, date],
    scope: Scope,
    cut: Cut,
    kind: str,
    page: Page | None = None,
) -> dict[Key, dict[str, LineSums]]:
    """Return per key and currency what the lines come to, in the order of keys."""
    statement = add_lines(actor, days, scope, cut, kind)
    after = ""
    if page is not None:
        statement.values |= {"page_limit": page.limit}
        if page.after is not None:
            statement.values["page_after"] = page.after
            after = "where key > :page_after"
        statement.part("page", _PAGE, after=after)
    rows = await statement.run(
        session, _SUMS, page="" if page is None else "where key in (select key from page)"
    )
    sums: defaultdict[Key, dict[str, LineSums]] = defaultdict(dict)
    for key, currency, *found in rows:
        sums[key][currency] = LineSums(*found)
    return dict(sums)


def add_lines(
    actor: Actor, days: tuple[date, date], scope: Scope, cut: Cut, kind: str
) -> Statement:
    """Return a statement whose part `line` is what the scope spent on the days, each line with its key."""
    statement = Statement(t=actor.tenant_id, from_on=days[0], to_on=days[1])
    conditions = _conditions(statement, actor, scope, _KEYS)
    if kind != ALL_KINDS:
        statement.values["kind"] = kind
        conditions.append("l.kind = :kind")
    return statement.part(
        "line",
        _LINE,
        key=_key(statement, cut, _KEYS),
        reason="null"
        if kind == RECOVERY
        else f"case l.kind when '{RECOVERY}' then '{RECOVERY}' end",
        conditions="".join(f" and {each}" for each in conditions),
    )


def _key(statement: Statement, cut: Cut, columns: Mapping[Cut, str]) -> str:
    """Return the SQL of a row's key; what belongs to nothing of the kind stands under `NONE`."""
    if cut is Cut.TENANT:
        return ":t"
    if cut is Cut.REGION:
        return columns[cut]
    statement.values["none"] = NONE
    return f"coalesce({columns[cut]}, :none)"


async def keys_with_open_jobs(
    session: Session, actor: Actor, until_at: datetime, scope: Scope, cut: Cut
) -> set[Key]:
    """Return the keys under which a job reported before `until_at` is neither closed nor cancelled."""
    statement = Statement(t=actor.tenant_id, until_at=until_at)
    columns = _KEYS | {
        Cut.ASSET: "coalesce(x.asset_id, w.asset_id)",
        Cut.CONTRACT: "case when x.asset_id is null then w.contract_id else x.contract_id end",
        Cut.WORK_ORDER: "w.id",
    }
    conditions = _conditions(statement, actor, scope, columns)
    is_personal = cut in PERSONAL or scope.is_personal()
    statement.part(
        "job",
        _JOB,
        key=_key(statement, cut, columns),
        lines=_OF_PEOPLE if is_personal else "",
        conditions="".join(f" and {each}" for each in conditions),
    )
    return {key for (key,) in await statement.run(session, "select distinct key from job")}


def _conditions(
    statement: Statement, actor: Actor, scope: Scope, columns: Mapping[Cut, str]
) -> list[str]:
    conditions = []
    for cut, key in scope.parts:
        if key == NONE:
            conditions.append(f"{columns[cut]} is null")
        else:
            statement.values[str(cut)] = key
            conditions.append(f"{columns[cut]} = :{cut}")
    if actor.customer_id is not None:
        statement.values["own"] = actor.customer_id
        conditions.append("w.customer_id = :own")
    return conditions


# Every line has a job and every job a site: an outer join that nobody asks anything of is left out.
_LINE = """
  select l.id, l.work_order_id, l.asset_id, l.posted_on, l.amount, l.price, l.currency, l.payer,
         $key as key, $reason as reason
  from cost_line l
  left join work_order w on w.tenant_id = :t and w.id = l.work_order_id
  left join site s on s.tenant_id = :t and s.id = w.site_id
  left join asset a on a.tenant_id = :t and a.id = l.asset_id
  left join technician h on h.tenant_id = :t and h.id = l.technician_id
  where l.tenant_id = :t and l.posted_on >= :from_on and l.posted_on < :to_on$conditions
"""

_JOB = """
  select $key as key
  from work_order w
  left join site s on s.tenant_id = :t and s.id = w.site_id
  left join work_order_asset x on x.tenant_id = :t and x.work_order_id = w.id
  left join asset a on a.tenant_id = :t and a.id = coalesce(x.asset_id, w.asset_id)
  $lines
  where w.tenant_id = :t and w.status not in ('closed', 'cancelled') and w.reported_at < :until_at$conditions
"""

_OF_PEOPLE = """
  join cost_line l on l.tenant_id = :t and l.work_order_id = w.id
  left join technician h on h.tenant_id = :t and h.id = l.technician_id
"""

_PAGE = "select distinct key from line $after order by key limit :page_limit"

_SUMS = """
select key, currency, count(*) filter (where reason is null),
       coalesce(sum(amount) filter (where reason is null), 0), count(reason)
from line $page group by key, currency order by key, currency
"""
