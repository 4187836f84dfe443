"""Whose work a figure is about: the scope and the rows of figures counted from jobs, visits and requests.

A job falls under its own asset, contract, site, customer and type of work, and under the model of its asset.
Under a technician, and a contractor, falls what that person did: of a job as a whole, what the person who
arrived first began.
"""

from datetime import timedelta

from reports.exposure_sql import Statement
from reports.questions import Asked
from reports.scopes import NONE, PERSONAL, Cut, Key

FIRST_PERSON = """(select v.technician_id from visit v
  where v.tenant_id = :t and v.work_order_id = w.id and v.arrived_at is not null
  order by v.arrived_at, v.id limit 1)"""
"""SQL for the technician under whom a job `w` falls: who arrived first."""

FOLLOW_UP = timedelta(days=30)
"""For so long a repair may still turn out not to have lasted."""

_OF_JOBS = (Cut.ASSET, Cut.CONTRACT, Cut.SITE, Cut.CUSTOMER)
"""By what an index finds jobs."""

# What figures ask of a job: the jobs of a scope are read once for all of them.
_SCOPED = """
  select o.id, o.asset_id, o.contract_id, o.site_id, o.customer_id, o.work_type_id,
         o.estimate_s, o.crew_size, o.reported_at, o.work_done_at, o.completed_at, o.closed_at,
         o.cancelled_at, o.reopened_at
  from work_order o where o.tenant_id = :t$conditions
"""

_COLUMNS = {
    Cut.ASSET: "w.asset_id",
    Cut.CONTRACT: "w.contract_id",
    Cut.SITE: "w.site_id",
    Cut.REGION: "s.region",
    Cut.CUSTOMER: "w.customer_id",
    Cut.MODEL: "a.model_id",
    Cut.WORK_TYPE: "w.work_type_id",
    Cut.TECHNICIAN: "p.id",
    Cut.CONTRACTOR: "case when p.is_contractor then p.id end",
    Cut.WORK_ORDER: "w.id",
}


def begin(asked: Asked) -> Statement:
    """Return a statement with the values that every figure about work has, and the jobs of the scope.

    `:from_at` to `:to_at` is the whole window, to `:until_at` what of it has passed by `:as_of`.
    """
    period = asked.question.period
    until_at = max(period.from_at, min(period.as_of, period.to_at))
    statement = Statement(
        t=asked.actor.tenant_id,
        from_at=period.from_at,
        to_at=period.to_at,
        as_of=period.as_of,
        until_at=until_at,
        follow_up=FOLLOW_UP,
    )
    narrowed = _narrowed(asked)
    if narrowed:
        statement.values |= {str(cut): key for cut, key in narrowed.items()}
        conditions = "".join(f" and o.{cut}_id = :{cut}" for cut in narrowed)
        statement.fenced("scoped", _SCOPED, conditions=conditions)
    return statement


def work_texts(
    statement: Statement, asked: Asked, person: str = FIRST_PERSON, **columns: str
) -> dict[str, str]:
    """Return `key`, `joins`, `conditions` and `asset_id` for a part whose rows have a job `w`.

    `joins` brings its site `s`, its asset `a` and, where the figure is about people, the technician `p` that
    `person` names. Where `w` is read from `jobs`, `within` stands for the conditions, `of_tenant` for that on
    the tenant alone: the planner should not reckon again with what all jobs of a scope have in common. Where
    rows come from `rows_of_scope`, `of_scope` stands for the conditions: most often nothing is left to ask of
    their jobs. At the end of a lateral part `fence` has it look for each of these in an index instead of
    reading everybody's.
    `columns` says under what a row falls where that is not the job's own.
    """
    texts = {cut: columns.get(str(cut), column) for cut, column in _COLUMNS.items()}
    narrowed = _narrowed(asked)
    conditions: list[str] = []
    within: list[str] = [] if narrowed else ["w.tenant_id = :t"]
    for cut, key in asked.question.scope.parts:
        if key != NONE:
            statement.values[str(cut)] = key
        conditions.append(f"{texts[cut]} is null" if key == NONE else f"{texts[cut]} = :{cut}")
        if cut not in narrowed:
            within.append(conditions[-1])
    if asked.actor.customer_id is not None:
        statement.values["own"] = asked.actor.customer_id
        conditions.append(f"{texts[Cut.CUSTOMER]} = :own")
        within.append(conditions[-1])
    key_text = "cast(:t as uuid)"
    if asked.cut is not Cut.TENANT:
        key_text = texts[asked.cut]
        if asked.cut is not Cut.REGION:
            statement.values["none"] = NONE
            key_text = f"coalesce({key_text}, :none)"
    joins = _JOINS.replace("$site", texts[Cut.SITE]).replace("$asset", texts[Cut.ASSET])
    if asked.cut in PERSONAL or asked.question.scope.is_personal():
        joins += f"left join technician p on p.tenant_id = :t and p.id = {person}\n"
    return {
        "jobs": "scoped" if narrowed else "work_order",
        "key": key_text,
        "asset_id": "w.asset_id" if asked.is_listed else "null::uuid",
        "joins": joins,
        "conditions": "".join(f" and {condition}" for condition in conditions),
        "fence": " offset 0" if narrowed else "",
        "of_tenant": "" if narrowed else " and w.tenant_id = :t",
        "within": "".join(f" and {condition}" for condition in within),
        "of_scope": "".join(
            f" and {condition}" for condition in (within if narrowed else conditions)
        ),
    }


def rows_of_scope(
    statement: Statement, asked: Asked, table: str, columns: str = "*", only: str = ""
) -> str:
    """Return what stands after `from`: a table of rows with a `work_order_id`, or of it those of the scope.

    These are found in one go through the index, from the jobs on: the planner takes an array for a handful.
    Kept of them are some columns, of those rows `x` for which `only` holds as well.
    """
    if not _narrowed(asked):
        return table
    columns = ", ".join(f"x.{column}" for column in columns.split())
    statement.fenced(f"scoped_{table}", _ROWS_OF_SCOPE, table=table, columns=columns, only=only)
    return f"scoped_{table}"


def _narrowed(asked: Asked) -> dict[Cut, Key]:
    """Return by what of the scope an index finds jobs."""
    narrowed = {cut: key for cut, key in asked.question.scope.parts if cut in _OF_JOBS}
    return {cut: key for cut, key in narrowed.items() if key != NONE}


_ROWS_OF_SCOPE = """
  select $columns from $table x
  where x.tenant_id = :t and x.work_order_id = any(array(select id from scoped))$only
"""

_JOINS = """left join site s on s.tenant_id = :t and s.id = $site
  left join asset a on a.tenant_id = :t and a.id = $asset
  """
