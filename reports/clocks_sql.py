"""Service levels: what every clock that was due in a window showed at `as_of`.

A clock that only ran, was paused and stopped is read from its row, and so is one that went on after a
reopening and has stopped again: its row holds what the rule made of it. One that is reopened, that began
anew, or to which something happened after `as_of` is read by the rule of `fsm.contracts.service_hours` and
put beside the others: but for policies that begin anew, those are the jobs under way then, not history. Where
there are none, the rows are read once.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid5

from fsm.work_orders.clocks import readings_at
from reports.counted import UNREAD
from reports.exposure_sql import Statement
from reports.jobs_sql import begin, rows_of_scope, work_texts
from reports.questions import Asked
from reports.rounds import alone, filled

CLOCKS_AT_ONCE = 5_000
"""How many the rule is asked for in one statement: each id is a parameter of it."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """Finds the candidates of the share of promises of a kind that were kept."""

    kind: str

    async def __call__(self, asked: Asked) -> Statement:
        """Find all of them: the rule reads the odd ones first."""
        statement = self._begin(asked)
        texts = work_texts(statement, asked)
        clocks, near = rows_of_scope(statement, asked, "clock", _COLUMNS), ""
        if clocks == "clock" and texts["conditions"]:
            near = filled(_IN_SCOPE, **texts)
        is_odd = _is_odd(statement, asked, texts)
        statement.part("odd", _ODD, clocks=clocks, near=near, is_odd=is_odd)
        rows = await statement.run(asked.session, "select id from odd order by id")
        ids = [clock_id for (clock_id,) in rows]
        statement = self._begin(asked)
        statement.values["odd_ids"] = ids
        parts = [
            self._seen(statement, asked, "c.id = any(cast(:odd_ids as uuid[]))", "not c.is_odd")
        ]
        if ids:
            parts.append(await self._read(statement, asked, ids))
        return statement.part("candidate", "\n  union all\n".join(parts))

    async def at_once(self, asked: Asked) -> Statement:
        """Find them as their rows show them; the odd ones are excluded as `UNREAD`, their id for a note."""
        statement = self._begin(asked)
        texts = work_texts(statement, asked)
        return statement.part(
            "candidate", self._seen(statement, asked, _is_odd(statement, asked, texts), "true")
        )

    async def unread(self, asked: Asked, ids: list[UUID]) -> Statement:
        """Find what the rule reads of some clocks."""
        statement = self._begin(asked)
        return statement.part("candidate", await self._read(statement, asked, ids))

    def _begin(self, asked: Asked) -> Statement:
        statement = begin(asked)
        statement.values["clock"] = self.kind
        return statement

    def _seen(self, statement: Statement, asked: Asked, is_odd: str, only: str) -> str:
        """Return SQL for what the rows show, and for the jobs without such a clock."""
        texts = work_texts(statement, asked)
        clocks = rows_of_scope(statement, asked, "clock", _COLUMNS)
        has_clock = _HAS_CLOCK if clocks == "clock" else _IS_AMONG_CLOCKS
        return filled(
            _SEEN,
            **texts,
            clocks=clocks,
            is_odd=is_odd,
            only=only,
            unread=UNREAD,
            has_clock=filled(has_clock, clocks=clocks),
            **_amounts(asked),
        )

    async def _read(self, statement: Statement, asked: Asked, ids: list[UUID]) -> str:
        """Return SQL for what the rule reads of some clocks."""
        await _add_read(asked, statement, ids)
        return filled(_READ, **work_texts(statement, asked), **_amounts(asked))


def _is_odd(statement: Statement, asked: Asked, texts: dict[str, str]) -> str:
    pauses = rows_of_scope(statement, asked, "pause", "tenant_id work_order_id during", _LATER)
    return filled(_IS_ODD, **texts, pauses=pauses, later=_LATER)


def _amounts(asked: Asked) -> dict[str, str]:
    is_share = asked.question.variant == "share"
    return {
        "above": "(r.state = 'met')::int" if is_share else "r.elapsed_us",
        "counts": "r.state in ('met', 'breached')" if is_share else "r.is_stopped",
    }


async def _add_read(asked: Asked, statement: Statement, ids: list[UUID]) -> None:
    """Give the statement what the rule reads of the odd clocks."""
    read = []
    for place in range(0, len(ids), CLOCKS_AT_ONCE):
        some = ids[place : place + CLOCKS_AT_ONCE]
        async with alone(asked.session):
            read += await readings_at(asked.session, asked.actor, some, asked.question.period.as_of)
    listed = [
        (
            clock.id if number == len(readings) else uuid5(clock.id, str(number)),
            clock.work_order_id,
            reading,
        )
        for clock, readings in read
        for number, reading in enumerate(readings, start=1)
    ]
    statement.values |= {
        "read_ids": [id_ for id_, _, _ in listed],
        "read_jobs": [job_id for _, job_id, _ in listed],
        "read_starts": [reading.started_at for *_, reading in listed],
        "read_dues": [reading.due_by for *_, reading in listed],
        "read_states": [str(reading.state) for *_, reading in listed],
        "read_stopped": [reading.stopped_at is not None for *_, reading in listed],
        "read_us": [reading.elapsed // timedelta(microseconds=1) for *_, reading in listed],
    }


_IN_SCOPE = """
    and c.work_order_id in (select w.id from work_order w $joins where w.tenant_id = :t$conditions)"""

_COLUMNS = (
    "id tenant_id work_order_id kind started_at stopped_at due_at elapsed_s state stops retargets"
    " service_level_version_id"
)

_LATER = " and (lower(x.during) > :as_of or upper(x.during) > :as_of)"

# What its row alone does not tell of a clock.
_IS_ODD = """(
      c.stopped_at is null and jsonb_array_length(c.stops) > 0
      or jsonb_array_length(c.stops) > 1 and c.service_level_version_id in (
        select l.id from service_level_version l
        where l.tenant_id = :t and l.body ->> 'reopening' <> 'resume')
      or c.stopped_at > :as_of
      or c.work_order_id in (
        select w.id from $jobs w where w.cancelled_at > :as_of$of_tenant)
      or c.retargets <> '[]' and exists (
        select from jsonb_array_elements(c.retargets) t
        where cast(t ->> 'since_at' as timestamptz) > :as_of)
      or c.work_order_id in (
        select x.work_order_id from $pauses x
        where x.tenant_id = :t$later))"""

_ODD = """
  select c.id
  from $clocks c
  where c.tenant_id = :t and c.kind = :clock and c.started_at <= :as_of and c.started_at < :to_at$near
    and $is_odd
"""

# What has stopped shows what the rule made of it: of its job nothing is asked but whose it is. Every clock
# has a job: an outer join that nobody asks anything of is left out. What is odd is asked once a row, not
# wherever it is spoken of: that is what `offset` sees to.
_SEEN = """
  select $key as key, r.id, $asset_id as asset_id, r.due_at as at, $above as above, 1 as below,
         case when r.is_odd then '$unread' when not ($counts) then
           case when r.state = 'breached' then 'open' else r.state end end as reason,
         case when r.is_odd then r.id::text end as note, array[r.work_order_id] as job_ids
  from (
    select c.id, c.work_order_id, c.due_at, c.is_odd, c.stopped_at is not null as is_stopped,
           c.elapsed_s * 1000000::bigint as elapsed_us,
           case when c.is_odd then null
                when c.stopped_at is not null then c.state
                when c.cancelled_at is not null then
                  case when c.due_at is null or c.cancelled_at <= c.due_at then 'cancelled'
                       else 'breached' end
                when c.due_at < :as_of then 'breached'
                when c.due_at is null and c.state <> 'running' then 'paused'
                else 'running' end as state
    from (
      select c.id, c.work_order_id, c.due_at, c.stopped_at, c.elapsed_s, c.state, $is_odd as is_odd,
             case when c.stopped_at is null then (
               select j.cancelled_at from work_order j
               where j.tenant_id = :t and j.id = c.work_order_id) end as cancelled_at
      from $clocks c
      where c.tenant_id = :t and c.kind = :clock and c.started_at <= :as_of and c.started_at < :to_at
      offset 0
    ) c
    where $only and (c.is_odd or c.due_at is null or c.due_at >= :from_at and c.due_at < :to_at)
  ) r
  left join work_order w on w.tenant_id = :t and w.id = r.work_order_id
  $joins
  where true$of_scope
  union all
  select $key, w.id, w.asset_id, w.reported_at, 0, 0, 'no_service_level', null, array[w.id]
  from $jobs w
  $joins
  where w.reported_at >= :from_at and w.reported_at < :until_at$within
    and not $has_clock
"""

_HAS_CLOCK = """exists (select from clock c
                    where c.tenant_id = :t and c.work_order_id = w.id and c.kind = :clock)"""

_IS_AMONG_CLOCKS = "w.id in (select c.work_order_id from $clocks c where c.kind = :clock)"

_READ = """
  select $key as key, r.id, $asset_id as asset_id, r.due_at as at, $above as above, 1 as below,
         case when not ($counts) then
           case when r.state = 'breached' then 'open' else r.state end end as reason,
         null::text as note, array[r.work_order_id] as job_ids
  from unnest(
    cast(:read_ids as uuid[]), cast(:read_jobs as uuid[]), cast(:read_starts as timestamptz[]),
    cast(:read_dues as timestamptz[]), cast(:read_states as text[]), cast(:read_stopped as bool[]),
    cast(:read_us as bigint[])
  ) as r(id, work_order_id, started_at, due_at, state, is_stopped, elapsed_us)
  left join work_order w on w.tenant_id = :t and w.id = r.work_order_id
  $joins
  where (r.due_at is null or r.due_at >= :from_at and r.due_at < :to_at)$conditions
"""
