"""The leanest SQL for the figures of money; see `reported_lean`."""


def _run_up(until: str) -> str:
    """Return SQL for the fee from the first of a month `m` up to a day, rounded as it runs up."""
    days = f"greatest(0, least(a.until, {until}) - greatest(a.since, m.first_on))"
    return f"round(sum(a.monthly * {days}) / m.length, 2)"


_DAYS = """l.tenant_id = $1 and l.posted_on >= ($2::timestamptz at time zone 'Europe/Paris')::date + 1
  and l.posted_on <= ($3::timestamptz at time zone 'Europe/Paris')::date"""

_COST = f"""
select case l.kind when 'recovery' then 'recovery' end, count(*),
       coalesce(sum(l.amount) filter (where l.kind <> 'recovery'), 0), 1
from cost_line l where {_DAYS} group by 1
"""

_PAYERS = f"""
select case l.kind when 'recovery' then 'recovery' end, count(*),
       coalesce(sum(l.amount) filter (where l.kind <> 'recovery' and l.payer = 'manufacturer'), 0),
       coalesce(sum(l.amount) filter (where l.kind <> 'recovery'), 0)
from cost_line l where {_DAYS} group by 1
"""

_PAY = """
select null, count(*), sum(p.amount), 1 from pay_line p
where p.tenant_id = $1 and p.worked_on >= ($2::timestamptz at time zone 'Europe/Paris')::date + 1
  and p.worked_on <= ($3::timestamptz at time zone 'Europe/Paris')::date
"""

_OFFERED = """
select case v.status when 'withdrawn' then 'withdrawn' end, count(*),
       count(*) filter (where v.status <> 'rejected'), count(*)
from visit v
where v.tenant_id = $1 and v.dispatched_at <= $3 and v.planned_starts_at >= $2 and v.planned_starts_at < $3
  and v.technician_id in (select id from technician where tenant_id = $1 and is_contractor)
group by 1
"""

_RECOVERED = """
with paid as (
  select e.entity_id as id, sum((e.data ->> 'amount')::numeric) as amount from event e
  where e.tenant_id = $1 and e.entity = 'warranty_claim' and e.kind = 'warranty_claim.paid'
    and e.occurred_at <= $3
  group by e.entity_id
)
select case when c.decided_at is null then 'open' end, sum(l.n),
       sum(l.amount * coalesce(p.amount, 0) / c.claimed), sum(l.amount)
from warranty_claim c
join (
  select x.claim_id, count(*) as n, sum(k.amount) as amount
  from claim_line x join cost_line k on k.tenant_id = $1 and k.id = x.cost_line_id
  where x.tenant_id = $1 group by x.claim_id
) l on l.claim_id = c.id
left join paid p on p.id = c.id
where c.tenant_id = $1 and c.claimed_at < $3 and (c.decided_at is null or c.decided_at >= $2)
group by 1
"""

# A month's credits are what its broken promises come to, up to its cap; those of its days before the window
# have used the cap up first.
_MARGIN = f"""
with days as (
  select ($2::timestamptz at time zone 'Europe/Paris')::date + 1 as from_on,
         ($3::timestamptz at time zone 'Europe/Paris')::date + 1 as to_on
), known as (
  select contract_id, starts_on, monthly,
         lead(starts_on) over (partition by contract_id order by starts_on) as until
  from (
    select distinct on (contract_id, starts_on) contract_id, starts_on, monthly from contract_fee
    where tenant_id = $1 order by contract_id, starts_on, set_at desc, id desc
  ) f
), agreed as (
  select c.id, c.credits, greatest(c.starts_on, k.starts_on) as since, least(c.ends_on + 1, k.until) as until,
         coalesce(k.monthly, c.monthly_fee) as monthly
  from contract c cross join days d left join known k on k.contract_id = c.id
  where c.tenant_id = $1 and c.starts_on < d.to_on and (c.ends_on is null or c.ends_on >= d.from_on)
), ran as materialized (
  select a.id, m.first_on, max(a.credits ->> 'cap_share')::numeric as cap_share,
         {_run_up("m.after_on")} as whole,
         {_run_up("least(m.after_on, d.to_on)")} - {_run_up("greatest(m.first_on, d.from_on)")} as fee
  from days d
  cross join lateral (
    select g::date as first_on, (g + interval '1 month')::date as after_on,
           (g + interval '1 month')::date - g::date as length
    from generate_series(date_trunc('month', d.from_on::timestamp), d.to_on::timestamp - interval '1 day',
                         interval '1 month') g
  ) m
  cross join agreed a
  group by a.id, m.first_on, m.after_on, m.length, d.from_on, d.to_on
), broken as (
  select w.contract_id, k.kind, (k.due_at at time zone w.zone)::date as due_on,
         k.stopped_at is not null and k.state = 'disputed' as is_disputed
  from clock k join work_order w on w.tenant_id = $1 and w.id = k.work_order_id
  where k.tenant_id = $1 and w.contract_id is not null and k.state <> 'cancelled'
    and case when k.stopped_at is null then k.due_at < $3 else k.state in ('breached', 'disputed') end
), owed as (
  select b.contract_id, date_trunc('month', b.due_on::timestamp)::date as first_on,
         coalesce(sum(o.amount) filter (where not b.is_disputed), 0) as amount,
         coalesce(sum(o.amount) filter (where not b.is_disputed and b.due_on < d.from_on), 0) as before,
         count(*) filter (where not b.is_disputed and b.due_on >= d.from_on) as n,
         count(*) filter (where b.is_disputed and b.due_on >= d.from_on) as disputed
  from broken b cross join days d
  join contract c on c.tenant_id = $1 and c.id = b.contract_id and c.id in (select id from agreed)
  left join agreed a on a.id = c.id and b.due_on >= a.since and (a.until is null or b.due_on < a.until)
  cross join lateral (
    select coalesce((c.credits -> 'amounts' ->> b.kind)::numeric, 0)
           + coalesce(round((c.credits -> 'shares' ->> b.kind)::numeric * a.monthly, 2), 0) as amount
  ) o
  where b.due_on >= date_trunc('month', d.from_on::timestamp)::date and b.due_on < d.to_on
  group by 1, 2
), given as (
  select sum(o.n) as n, sum(o.disputed) as disputed,
         sum(least(o.amount, round(r.cap_share * r.whole, 2))
             - least(o.before, round(r.cap_share * r.whole, 2))) as amount
  from owed o join ran r on r.id = o.contract_id and r.first_on = o.first_on
), fees as (
  select count(*) as n, sum(fee) as amount
  from (select id, sum(fee) as fee from ran group by id) f where fee <> 0
), lines as (
  select count(*) as n, sum(case when l.kind = 'recovery' then l.amount
                                 when l.payer = 'customer' then coalesce(l.price, 0) - l.amount
                                 else -l.amount end) as amount
  from cost_line l where {_DAYS}
)
select null, l.n + f.n + g.n, l.amount + f.amount - g.amount, 1 from lines l, fees f, given g
union all
select 'disputed', disputed, 0, 0 from given where disputed > 0
"""

MONEY: dict[str, str] = {
    "cost": _COST,
    "payer_split": _PAYERS,
    "contract_margin": _MARGIN,
    "technician_pay": _PAY,
    "contractor": _OFFERED,
    "warranty_recovery": _RECOVERED,
}
"""kpi → SQL."""
