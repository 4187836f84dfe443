"""Which time of which asset belongs to which row of a report: how the SQL of reliability begins.

A *subject* is an asset under one key of a cut (itself, a contract, a site, …):

- `covered`: when the asset belonged to the contract in scope or of the key; everything without one.
- `exposed`: `covered` ∩ in service ∩ the part of the window that has passed.

A day of a contract is a day of the zone of the site where the asset stands. An asset that changes its
contract inside the window has two subjects that divide its time; one on two contracts at once counts under
both. What is on no contract stands under the key `NONE`. A frame contract (`all_assets`) is on all of
its customer's.

Statements are written for PostgreSQL 15 to 18. Lengths are whole microseconds, never sums of `interval`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fsm.actors import Actor
from fsm.database import Session
from fsm.intervals import instant
from reports.rounds import Part, ask, filled, written
from reports.rows import Period
from reports.scopes import NONE, Cut, Key, Scope

_COLUMNS = {
    Cut.ASSET: "a.id",
    Cut.SITE: "a.site_id",
    Cut.REGION: "s.region",
    Cut.CUSTOMER: "a.customer_id",
    Cut.MODEL: "a.model_id",
}


def micros_between(begins: str, ends: str) -> str:
    """Return SQL for the microseconds from one instant to another, exact."""
    return f"((extract(epoch from {ends}) - extract(epoch from {begins})) * 1000000)::bigint"


def micros_of(ranges: str) -> str:
    """Return SQL for the length in microseconds of a bounded multirange, 0 when it is empty."""
    return filled(
        "(select coalesce(sum(extract(epoch from upper(piece)) - extract(epoch from lower(piece))), 0)"
        " * 1000000 from unnest($ranges) piece)::bigint",
        ranges=ranges,
    )


def key_type(cut: Cut) -> str:
    """Return the SQL type of the keys of a cut."""
    return "text" if cut is Cut.REGION else "uuid"


def day_begins(day: str, zone: str) -> str:
    """Return SQL for the first instant of a local day.

    PostgreSQL reads a time that occurs twice as the later one. Where clocks go back over midnight, that would
    lose an hour of the day; coming from an hour before midnight finds the first.
    """
    return f"((({day})::timestamp - interval '1 hour') at time zone {zone} + interval '1 hour')"


@dataclass(frozen=True, slots=True)
class Page:
    """At most `limit` keys or candidates, those after `after`."""

    limit: int
    after: Any = None


class Statement:
    """A statement under construction: named parts before it and the values of its `:name`s."""

    def __init__(self, **values: Any) -> None:
        self._parts: list[Part] = []
        self.values = values

    def part(self, name: str, body: str, **texts: str) -> "Statement":
        """Add `name as (body)`; `$word`s of the body are filled from `texts`."""
        self._parts.append((name, filled(f"as (\n{body}\n)", **texts)))
        return self

    def fenced(self, name: str, body: str, **texts: str) -> "Statement":
        """Add a part that is computed once and as it stands, not woven into what reads it."""
        self._parts.append((name, filled(f"as materialized (\n{body}\n)", **texts)))
        return self

    def text(self, body: str, **texts: str) -> str:
        return written(self._parts, filled(body, **texts))

    async def run(self, session: Session, body: str, **texts: str) -> list[Any]:
        return await ask(session, self._parts, filled(body, **texts), self.values)


def subjects(
    actor: Actor,
    period: Period,
    scope: Scope,
    cut: Cut,
    page: Page | None = None,
    *,
    only: Sequence[UUID] | None = None,
) -> Statement:
    """Return a statement whose part `subject(key, asset_id, covered, exposed)` is what the scope holds.

    With a page, only the subjects of its keys, in the order of keys; with `only`, those of these assets.
    `:from_at` and `:until_at` are the part of the window that has passed by `as_of`.
    """
    begins, ends = period.seen()
    statement = Statement(t=actor.tenant_id, from_at=instant(begins), until_at=instant(ends))
    contract_id = scope.get(Cut.CONTRACT)
    conditions = _conditions(statement, actor, scope)
    if only is not None:
        statement.values["only"] = list(only)
        conditions.append("a.id = any(cast(:only as uuid[]))")
    statement.part(
        "unit",
        _UNIT,
        conditions="".join(f" and {condition}" for condition in conditions),
        commissioned=day_begins("a.commissioned_on", "s.zone"),
    )
    if contract_id is not None or cut is Cut.CONTRACT:
        named = "" if contract_id in (None, NONE) else " and c.id = :contract"
        statement.part(
            "cover",
            _COVER,
            only=named,
            begins=day_begins("lower(l.days)", "l.zone"),
            ends=day_begins("upper(l.days)", "l.zone"),
        )
    statement.part("everyone" if page else "subject", _subject(statement, contract_id, cut))
    if page:
        statement.values |= {"page_limit": page.limit}
        if page.after is not None:
            statement.values["page_after"] = page.after
        statement.part(
            "subject", _PAGE, after="" if page.after is None else "where key > :page_after"
        )
    return statement


async def subject_keys(
    session: Session, actor: Actor, period: Period, scope: Scope, cut: Cut, page: Page | None = None
) -> list[Key]:
    """Return the keys of the subjects, those without anything to count among them, in order."""
    rows = await subjects(actor, period, scope, cut, page).run(session, _KEYS)
    return [key for (key,) in rows]


def _conditions(statement: Statement, actor: Actor, scope: Scope) -> list[str]:
    conditions = []
    for cut, key in scope.parts:
        statement.values[str(cut)] = key
        if cut is Cut.CONTRACT:
            if key == NONE:
                del statement.values[str(cut)]
            else:
                conditions.append(_ON_CONTRACT)
        else:
            conditions.append(f"{_COLUMNS[cut]} = :{cut}")
    if actor.customer_id is not None:
        statement.values["own"] = actor.customer_id
        conditions.append("a.customer_id = :own")
    return conditions


def _subject(statement: Statement, contract_id: Any, cut: Cut) -> str:
    """Return the body of `subject`, by what its key and its contract are."""
    if cut is Cut.CONTRACT:
        key = "c.contract_id"
    elif cut is Cut.TENANT:
        key = ":t"
    elif cut is Cut.REGION:
        key = "u.region"
    else:
        key = f"u.{cut}_id"
    if cut is Cut.CONTRACT or contract_id == NONE:
        statement.values["none"] = NONE
    if contract_id is None:
        if cut is not Cut.CONTRACT:
            return filled(_ALWAYS, key=key)
        on, off = filled(_ON, key=key), filled(_OFF, key=":none")
        return f"{on} union all {off}"
    if contract_id == NONE:
        return filled(_OFF, key=":none" if cut is Cut.CONTRACT else key)
    return filled(_ON, key=key)


_UNIT = """
  select a.id as asset_id, a.site_id, a.customer_id, a.model_id, s.region, s.zone,
         case when e.begins < e.ends then tstzmultirange(tstzrange(e.begins, e.ends))
              else '{}'::tstzmultirange end as service
  from asset a
  join site s on s.tenant_id = a.tenant_id and s.id = a.site_id
  cross join lateral (
    select greatest(a.in_service_from, $commissioned, :from_at) as begins,
           least(a.retired_at, :until_at) as ends
  ) e
  where a.tenant_id = :t$conditions
"""

_ON_CONTRACT = """a.id in (
    select ca.asset_id from contract_asset ca where ca.tenant_id = :t and ca.contract_id = :contract
    union all
    select b.id from contract c join asset b on b.tenant_id = c.tenant_id and b.customer_id = c.customer_id
    where c.tenant_id = :t and c.id = :contract and c.covers @> '{"all_assets": true}')"""

# An empty range has no bounds, which would make it everything: it must go before it is turned into instants.
_COVER = """
  select l.asset_id, l.contract_id, range_agg(tstzrange($begins, $ends)) as during
  from (
    select u.asset_id, u.zone, c.id as contract_id,
           ca.during * daterange(c.starts_on, c.ends_on, '[]') as days
    from unit u
    join contract_asset ca on ca.tenant_id = :t and ca.asset_id = u.asset_id
    join contract c on c.tenant_id = :t and c.id = ca.contract_id$only
    union all
    select u.asset_id, u.zone, c.id, daterange(c.starts_on, c.ends_on, '[]')
    from unit u
    join contract c on c.tenant_id = :t and c.customer_id = u.customer_id$only
    where c.covers @> '{"all_assets": true}'
  ) l
  where not isempty(l.days)
  group by l.asset_id, l.contract_id
"""

_ALWAYS = """
  select $key as key, u.asset_id, '{(,)}'::tstzmultirange as covered, u.service as exposed from unit u
"""

_ON = """
  select $key as key, u.asset_id, c.during as covered, u.service * c.during as exposed
  from unit u join cover c on c.asset_id = u.asset_id
"""

_OFF = """
  select $key as key, u.asset_id, '{(,)}'::tstzmultirange - coalesce(c.during, '{}') as covered,
         u.service - coalesce(c.during, '{}') as exposed
  from unit u
  left join (select asset_id, range_agg(during) as during from cover group by asset_id) c
    on c.asset_id = u.asset_id
"""

_PAGE = """
  select * from everyone
  where key in (select distinct key from everyone $after order by key limit :page_limit)
"""

_KEYS = "select distinct key from subject order by key"
