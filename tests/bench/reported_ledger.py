"""What follows from a reported company's work, set by set in SQL: shifts, ratings, pay, invoices, claims.

A step reads what COPY brought and writes a whole table. Whether something happened, and how much, is drawn
from the id of what it happened to, so that the same company always gets the same.
"""

from typing import Any

from tests.bench.figures import say
from tests.bench.reported_rows import NOW, Founded, Size


async def write_steps(connection: Any, founded: Founded, size: Size, done: int) -> int:
    """Write the steps from number `done` on, each in a transaction of its own; return how many there were."""
    values = {
        "tenant": founded.tenant_id,
        "user": founded.user_id,
        "began": size.began_at,
        "now": NOW,
        "days": 365 * size.years + 7,
    }
    for number, (name, steps) in enumerate(_STEPS.items()):
        if number < done:
            continue
        async with connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            for step in steps:
                names = [each for each in values if f":{each}" in step]
                for place, each in enumerate(names, 1):
                    step = step.replace(f":{each}", f"${place}")
                await connection.execute(step, *(values[each] for each in names))
            await connection.execute("insert into bench_step values ($1)", number)
        say(f"  {name}")
    return len(_STEPS) - done


def _new(*of: str) -> str:
    """Return SQL for an id that is the same whenever it is made of the same."""
    return f"md5(concat_ws('/', {', '.join(of)}))::uuid"


def _drawn(id_: str, salt: str, below: int) -> str:
    """Return SQL for a whole number from 0 that is drawn for an id."""
    return f"(hashtextextended({id_}::text, {sum(salt.encode())}) & 2147483647) % {below}"


_SHIFTS = f"""
insert into shift (tenant_id, id, rev, technician_id, during, overtime_s, break_s, break_earliest_s,
  break_latest_s)
select h.tenant_id, {_new("'shift'", "h.id", "d")}, 1, h.id,
       tstzrange(m.begins, m.begins + interval '8 hours 30 minutes'), 0, 1800, 3 * 3600, 5 * 3600
from technician h cross join generate_series(0, :days::int - 1) d
cross join lateral (
  select date_trunc('day', :began::timestamptz, 'UTC') + make_interval(hours => 24 * d + 6, mins => 30)
           as begins
) m
where h.tenant_id = :tenant and h.number like 'BT-%'
  and extract(isodow from m.begins at time zone 'UTC') < 6
"""

# One in twenty thinks better of it an hour later.
_RATINGS = f"""
insert into rating (tenant_id, id, work_order_id, visit_id, request_id, user_id, scale, stars, nps, comment,
  given_at)
select v.tenant_id, {_new("'rating'", "v.id", "g.turn")}, w.id, v.id, w.request_id,
       case when w.request_id is null then :user::uuid end, 'stars',
       (array[5, 5, 5, 4, 4, 3, 2, 1])[1 + {_drawn("v.id", "stars", 8)} * (1 - g.turn)],
       case when {_drawn("v.id", "asked", 10)} < 7
            then (array[10, 10, 9, 9, 8, 7, 6, 3])[1 + {_drawn("v.id", "nps", 8)}] end,
       '', v.finished_at + make_interval(hours => 1 + g.turn)
from visit v join work_order w on w.tenant_id = :tenant and w.id = v.work_order_id
cross join generate_series(0, case when {_drawn("v.id", "again", 20)} = 0 then 1 else 0 end) g(turn)
where v.tenant_id = :tenant and v.finished_at is not null and {_drawn("v.id", "rated", 10)} < 3
"""

_PAY_RULE = f"""
insert into pay_rule (tenant_id, id, rev, code, name, kind, amount, currency, conditions, starts_on)
select :tenant::uuid, {_new("'pay_rule'", ":tenant")}, 1, 'visit', 'A visit', 'piece', 18, 'EUR', '{{}}',
       (:began::timestamptz)::date
"""

_PAY = f"""
create temp table paid on commit drop as
select v.id, v.technician_id, (v.finished_at at time zone 'Europe/Paris')::date as worked_on,
       18 + {_drawn("v.id", "pay", 700)} / 100.0 as amount
from visit v where v.tenant_id = :tenant and v.finished_at is not null
"""

_PAY_STATEMENTS = f"""
insert into pay_statement (tenant_id, id, technician_id, during, currency, total, adjustments, issued_at)
select :tenant::uuid, {_new("'pay'", "p.technician_id", "p.month::date")}, p.technician_id,
       daterange(p.month::date, (p.month + interval '1 month')::date), 'EUR', p.total, 0,
       p.month + interval '1 month 3 days'
from (
  select technician_id, date_trunc('month', worked_on) as month, sum(amount) as total
  from paid group by 1, 2
) p
"""

_PAY_LINES = f"""
insert into pay_line (tenant_id, id, statement_id, technician_id, rule_id, item_kind, item_id, worked_on,
  quantity, amount, currency, is_adjustment)
select :tenant::uuid, {_new("'pay_line'", "p.id")},
       {_new("'pay'", "p.technician_id", "date_trunc('month', p.worked_on)::date")}, p.technician_id,
       {_new("'pay_rule'", ":tenant")}, 'visit', p.id, p.worked_on, 1, p.amount, 'EUR', false
from paid p
"""

_INVOICES = f"""
insert into contractor_invoice (tenant_id, id, technician_id, number, first_on, last_on, amount, currency,
  note, recorded_at)
select h.tenant_id, {_new("'invoice'", "h.id", "m::date")}, h.id, to_char(m, 'YYYY-MM'), m::date,
       (m + interval '1 month')::date - 1,
       500 + {_drawn("h.id::text || m", "invoice", 300_000)} / 100.0, 'EUR', '',
       m + interval '1 month 5 days'
from technician h
cross join generate_series(date_trunc('month', :began::timestamptz at time zone 'UTC'),
                           :now::timestamptz at time zone 'UTC' - interval '1 month', interval '1 month') m
where h.tenant_id = :tenant and h.is_contractor
"""

# Of what a manufacturer bears four jobs in five are claimed; three claims in four are decided after weeks,
# one in ten of those is refused.
_CLAIMED = f"""
create temp table claimed on commit drop as
select w.id as job_id, {_new("'claim'", "w.id")} as id, m.amount, m.at,
       case when {_drawn("w.id", "decided", 4)} > 0 and d.at < :now then d.at end as decided_at,
       case when {_drawn("w.id", "refused", 10)} = 0 then 0
            when {_drawn("w.id", "whole", 3)} = 0 then round(m.amount * 0.8, 2) else m.amount end as approved
from (
  select l.work_order_id, sum(l.amount) as amount, max(l.created_at) + interval '2 days' as at
  from cost_line l
  where l.tenant_id = :tenant and l.payer = 'manufacturer' and l.kind <> 'recovery' and l.amount > 0
    and l.created_at < :now::timestamptz - interval '3 days'
  group by l.work_order_id
) m
join work_order w on w.tenant_id = :tenant and w.id = m.work_order_id
cross join lateral (select m.at + make_interval(days => 10 + ({_drawn("w.id", "weeks", 80)})::int) as at) d
where {_drawn("w.id", "claimed", 5)} > 0
"""

_CLAIMS = """
insert into warranty_claim (tenant_id, id, rev, number, work_order_id, manufacturer, status, currency,
  claimed, approved, paid, ground, pack, pack_sha256, claimed_at, decided_at, paid_on)
select :tenant::uuid, id, 1, 'BQ-' || id, job_id, 'Acme',
       case when decided_at is null then 'claimed' when approved = 0 then 'refused' else 'reimbursed' end,
       'EUR', amount, case when decided_at is not null then approved end,
       case when decided_at is null then 0 else approved end,
       case when decided_at is not null and approved < amount then 'Not in time' else '' end,
       '{}', sha256(id::text::bytea), at, decided_at,
       case when decided_at is not null and approved > 0 then decided_at::date end
from claimed
"""

_CLAIM_LINES = f"""
insert into claim_line (tenant_id, id, claim_id, cost_line_id)
select :tenant::uuid, {_new("'claim_line'", "l.id")}, c.id, l.id
from claimed c join cost_line l on l.tenant_id = :tenant and l.work_order_id = c.job_id
where l.payer = 'manufacturer' and l.kind <> 'recovery' and l.amount > 0
"""

_CLAIMS_PAID = f"""
insert into event (tenant_id, id, kind, entity, entity_id, actor_kind, actor_name, occurred_at,
  occurred_lo_at, occurred_hi_at, received_at, data)
select :tenant::uuid, {_new("'claim_paid'", "id")}, 'warranty_claim.paid', 'warranty_claim', id, 'user',
       'Anne', decided_at, decided_at, decided_at, decided_at,
       jsonb_build_object('amount', approved::text)
from claimed where decided_at is not null and approved > 0
"""

# Numbered in the order of their making, as sealing would have; the hashes are of nothing.
_SEALED = """
with head as (
  insert into event_seal (tenant_id, number, event_id, hash, sealed_at)
  select :tenant::uuid, k.number + row_number() over (order by e.received_at, e.id), e.id,
         sha256(e.id::text::bytea), e.received_at
  from event e
  cross join (
    select coalesce(max(number), 0) as number from event_seal where tenant_id = :tenant) k
  where e.tenant_id = :tenant and not exists (
    select from event_seal s where s.tenant_id = :tenant and s.event_id = e.id)
  returning number, hash
), gone as (delete from event_unsealed where tenant_id = :tenant)
insert into chain_head (tenant_id, number, hash)
select :tenant::uuid, number, hash from head order by number desc limit 1
on conflict (tenant_id) do update set number = excluded.number, hash = excluded.hash
"""

_STEPS = {
    "shifts": (_SHIFTS,),
    "ratings": (_RATINGS,),
    "pay": (_PAY, _PAY_RULE, _PAY_STATEMENTS, _PAY_LINES),
    "invoices": (_INVOICES,),
    "claims": (_CLAIMED, _CLAIMS, _CLAIM_LINES, _CLAIMS_PAID),
    "events sealed": (_SEALED,),
}
"""name → statements, in the order in which they are written."""
