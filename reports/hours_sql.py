"""Hours that people recorded and hours that they were on duty.

Time is clipped to the window. Entries of one person that overlap count once; a corrected entry stays in the
table and the entry that names it counts instead.
"""

from reports.exposure_sql import Statement, micros_between, micros_of
from reports.jobs_sql import begin, rows_of_scope, work_texts
from reports.questions import Asked
from reports.scopes import NONE, Cut


async def reworked(asked: Asked) -> Statement:
    """Find the hours worked per job, and those of them that were worked again."""
    return _per_job(
        asked,
        above="case when not w.is_rework then 0 when w.reopened_at is null then e.us"
        f" else {micros_of(_WORKED_AGAIN)} end",
        reason="null::text",
    )


async def preventive(asked: Asked) -> Statement:
    """Find the hours of preventive and corrective jobs; improvements are neither."""
    return _per_job(
        asked,
        above="case when w.maintenance = 'preventive' then e.us else 0 end",
        reason="case when w.maintenance not in ('preventive', 'corrective') then w.maintenance end",
    )


def _per_job(asked: Asked, *, above: str, reason: str) -> Statement:
    statement = begin(asked)
    texts = work_texts(statement, asked, "e.technician_id")
    add_entries(statement, asked)
    statement.part(
        "spent",
        _SPENT,
        length=micros_of("x.during"),
        whole=micros_between("lower(x.during)", "upper(x.during)"),
    )
    return statement.part("candidate", _JOBS, **texts, above=above, reason=reason)


async def utilised(asked: Asked) -> Statement:
    """Find per technician the hours hands on while on duty, of those on duty."""
    is_overtime = asked.question.variant == "overtime"
    return _per_person(
        asked,
        above="h.worked_us - h.worked_on_duty_us" if is_overtime else "h.worked_on_duty_us",
        below="h.duty_us",
        empty="false" if is_overtime else "h.duty_us <= 0",
    )


async def wrench(asked: Asked) -> Statement:
    """Find per technician the hours hands on, of those paid."""
    return _per_person(asked, above="h.worked_us", below="h.paid_us", empty="h.paid_us <= 0")


async def travelled(asked: Asked) -> Statement:
    """Find per technician the hours on the way, of those paid, or per visit arrived at; or kilometres."""
    if asked.question.variant == "km_per_visit":
        return _driven(asked)
    if asked.question.variant == "per_visit":
        return _per_person(asked, above="h.travel_us", below="h.visits", empty="h.visits = 0")
    return _per_person(asked, above="h.travel_us", below="h.paid_us", empty="h.paid_us <= 0")


def _driven(asked: Asked) -> Statement:
    statement = begin(asked)
    key_text = _people(statement, asked)
    return statement.part("driven", _DRIVEN).part("candidate", _DRIVERS, key=key_text)


def _per_person(asked: Asked, *, above: str, below: str, empty: str) -> Statement:
    statement = begin(asked)
    key_text = _people(statement, asked)
    statement.part("away", _AWAY)
    statement.part("shift_left", _SHIFT_LEFT)
    statement.part("shift_spent", _SHIFT_SPENT, length=micros_of("l.during"))
    statement.part("duty", _DUTY)
    add_entries(statement, asked)
    statement.part("recorded", _RECORDED)
    worked, on_duty, travel, beyond = (
        "coalesce(r.worked, '{}')",
        "coalesce(d.during, '{}')",
        "coalesce(r.travelled, '{}')",
        "coalesce(r.paid, '{}') - coalesce(d.during, '{}')",
    )
    statement.part(
        "hours",
        _HOURS,
        worked=micros_of(worked),
        on_duty=micros_of(f"{worked} * {on_duty}"),
        travel=micros_of(travel),
        beyond=micros_of(beyond),
    )
    return statement.part("candidate", _PEOPLE, key=key_text, above=above, below=below, empty=empty)


def _people(statement: Statement, asked: Asked) -> str:
    """Add the part `person`, whom the figure is about, and return the SQL of a person's key."""
    conditions = []
    for cut, key in asked.question.scope.parts:
        statement.values[str(cut)] = key
        is_contractor = " and p.is_contractor" if cut is Cut.CONTRACTOR else ""
        if key == NONE:
            del statement.values[str(cut)]
            conditions.append("not p.is_contractor" if cut is Cut.CONTRACTOR else "false")
        else:
            conditions.append(f"p.id = :{cut}{is_contractor}")
    if asked.actor.customer_id is not None:
        conditions.append("false")
    key_text = "cast(:t as uuid)"
    if asked.cut is Cut.TECHNICIAN:
        key_text = "p.id"
    elif asked.cut is Cut.CONTRACTOR:
        statement.values["none"] = NONE
        key_text = "case when p.is_contractor then p.id else :none end"
    statement.part(
        "person", _PERSON, conditions="".join(f" and {condition}" for condition in conditions)
    )
    return key_text


def add_entries(statement: Statement, asked: Asked) -> None:
    """Add `entry`: what was recorded and not corrected since, cut to the window."""
    entries = rows_of_scope(statement, asked, "time_entry")
    statement.fenced("correction", _CORRECTION, entries=entries)
    statement.part("entry", _ENTRY, entries=entries)


# Few entries correct another: these are read once, not sought for each.
_CORRECTION = """
  select c.corrects_id, c.work_order_id
  from $entries c where c.tenant_id = :t and c.corrects_id is not null
"""

_ENTRY = """
  select e.work_order_id, e.technician_id, e.kind, e.during * tstzrange(:from_at, :until_at) as during
  from $entries e
  where e.tenant_id = :t and e.during && tstzrange(:from_at, :until_at) and not exists (
    select from correction c where c.corrects_id = e.id and c.work_order_id = e.work_order_id)
"""

# What was worked after a job was reopened is worked again.
_WORKED_AGAIN = """e.during * tstzmultirange(tstzrange(coalesce((
           select min(v.occurred_at) from event v
           where v.tenant_id = :t and v.entity = 'work_order' and v.entity_id = w.id
             and v.kind = 'work_order.reopened'), w.reopened_at), null))"""

# Of one entry the time is known at once: most people work on a job once.
_SPENT = """
  select x.work_order_id, x.technician_id, x.during,
         case when x.entries = 1 then $whole else $length end as us
  from (
    select e.work_order_id, e.technician_id, range_agg(e.during) as during, count(*) as entries
    from entry e where e.kind = 'work'
    group by e.work_order_id, e.technician_id
  ) x
"""

_JOBS = """
  select y.key, y.id, y.asset_id, y.at, sum(y.above)::bigint as above, sum(y.below)::bigint as below,
         y.reason, null::text as note, array[y.id] as job_ids
  from (
    select $key as key, w.id, w.asset_id, w.work_done_at as at, $above as above, e.us as below,
           $reason as reason
    from spent e
    join work_order w on w.tenant_id = :t and w.id = e.work_order_id
    $joins
    where true$conditions
  ) y
  group by y.key, y.id, y.asset_id, y.at, y.reason
"""

_PERSON = "select p.id, p.is_contractor from technician p where p.tenant_id = :t$conditions"

_AWAY = """
  select b.technician_id, range_agg(b.during) as during
  from absence b
  where b.tenant_id = :t and b.during && tstzrange(:from_at, :until_at)
  group by b.technician_id
"""

_SHIFT_LEFT = """
  select h.technician_id, h.break_s, h.during as whole,
         tstzmultirange(h.during * tstzrange(:from_at, :until_at)) - coalesce(b.during, '{}') as during
  from shift h
  join person p on p.id = h.technician_id
  left join away b on b.technician_id = h.technician_id
  where h.tenant_id = :t and h.during && tstzrange(:from_at, :until_at)
"""

# Of a shift that is cut, by the window or an absence, the same share of its break is.
_SHIFT_SPENT = """
  select l.technician_id, l.during, x.us,
         div(l.break_s * 1000000::numeric * x.us,
             (extract(epoch from upper(l.whole)) - extract(epoch from lower(l.whole))) * 1000000)
           ::bigint as break_us
  from shift_left l cross join lateral (select $length as us) x
"""

_DUTY = """
  select l.technician_id, range_agg(l.during) as during, sum(l.us - l.break_us)::bigint as us
  from shift_spent l group by l.technician_id
"""

_RECORDED = """
  select e.technician_id,
         range_agg(e.during) filter (where e.kind = 'work') as worked,
         range_agg(e.during) filter (where e.kind = 'travel') as travelled,
         range_agg(e.during) filter (where e.kind <> 'break') as paid
  from entry e group by e.technician_id
"""

_HOURS = """
  select p.id, p.is_contractor, coalesce(d.us, 0) as duty_us, coalesce(d.us, 0) + $beyond as paid_us,
         $worked as worked_us, $on_duty as worked_on_duty_us, $travel as travel_us,
         (select count(*) from visit v
          where v.tenant_id = :t and v.technician_id = p.id
            and v.arrived_at >= :from_at and v.arrived_at < :until_at) as visits
  from person p
  left join duty d on d.technician_id = p.id
  left join recorded r on r.technician_id = p.id
  where d.technician_id is not null or r.technician_id is not null
"""

_PEOPLE = """
  select $key as key, p.id, null::uuid as asset_id, null::timestamptz as at,
         $above as above, $below as below, case when $empty then 'no_hours' end as reason,
         null::text as note, '{}'::uuid[] as job_ids
  from hours h join technician p on p.tenant_id = :t and p.id = h.id
"""

# What nobody said of a drive is not nothing: a visit without a distance is on neither side.
_DRIVEN = """
  select p.id, p.is_contractor, sum(d.metres)::bigint as metres,
         count(d.metres)::bigint as visits, count(*) - count(d.metres) as unsaid
  from person p
  join visit v on v.tenant_id = :t and v.technician_id = p.id
    and v.arrived_at >= :from_at and v.arrived_at < :until_at
  cross join lateral (
    select sum(e.distance_m) as metres from time_entry e
    where e.tenant_id = :t and e.work_order_id = v.work_order_id and e.visit_id = v.id
      and e.kind = 'travel' and not exists (
        select from time_entry c
        where c.tenant_id = :t and c.corrects_id = e.id and c.corrects_id is not null
          and c.work_order_id = e.work_order_id)) d
  group by p.id, p.is_contractor
"""

_DRIVERS = """
  select $key as key, p.id, null::uuid as asset_id, null::timestamptz as at,
         coalesce(h.metres, 0) as above, h.visits as below,
         case when h.visits = 0 then 'no_distance' end as reason,
         case when h.unsaid > 0 and h.visits > 0 then 'some_distances_unsaid' end as note,
         '{}'::uuid[] as job_ids
  from driven h join technician p on p.tenant_id = :t and p.id = h.id
"""
