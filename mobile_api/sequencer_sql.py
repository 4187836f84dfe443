"""The SQL of stamping: numbers for what has committed, and what each scope then holds in numbers.

The digest of a scope is kept up by whoever stamps, because counting it anew costs a pass over all its rows.
`SHARE` is what a row adds: the first 8 bytes of SHA-256(`id:rev`), signed, and null for a row that is gone
or lost its grant. `WRAPPED` makes one of a sum of those, `total`, modulo 2⁶⁴: bigints refuse to overflow.
"""

FIRST_REV = "(extract(epoch from statement_timestamp()) * 1000)::bigint"
"""The revision with which a row begins: the millisecond in which a scope first got it.

A row may be made again: after a restore that lost it, or after its tombstone was dropped. What it shows then
may differ from what a phone has kept of it, and so must its revision. It changes less often than once a
millisecond, so that it never reaches a later beginning.
"""

_SHARE = """case when r.op = 'put' and r.why is null then ('x' || encode(substring(
    sha256(convert_to(r.id::text || ':' || r.rev, 'UTF8')) from 1 for 8), 'hex'))::bit(64)::bigint end"""
_WRAPPED = """(mod(mod(total, 18446744073709551616) + 27670116110564327424, 18446744073709551616)
    - 9223372036854775808)::bigint"""


def _spelled_out(statement: str) -> str:
    return (
        statement.replace("SHARE", _SHARE)
        .replace("WRAPPED", _WRAPPED)
        .replace("FIRST_REV", FIRST_REV)
    )


# Where the clock has gone back, beyond is more than any company changes between a backup and its restore. A
# thousand heads a millisecond are more than any company stamps, and stay below 2⁵³ until the year 2248.
BEGIN_HEAD = _spelled_out("""
update sync_head set epoch = :epoch,
  head = case when head < FIRST_REV * 1024 then FIRST_REV * 1024 else head + 4294967296 end
where tenant_id = :t and (cast(:old as uuid) is null or epoch = cast(:old as uuid))
""")
BEGIN_ROWS = _spelled_out("""
update sync_row set rev = case when rev < FIRST_REV then FIRST_REV else rev + 1048576 end
where tenant_id = :t
""")
"""A new epoch: `:t` the tenant, `:epoch` and, to begin it only once, the `:old` one or null."""

STAMP = _spelled_out("""
with c as materialized (
  select scope, coll, id, counted from sync_row where tenant_id = $1 and seq is null
  order by scope, coll, id limit $2 for update skip locked
),
n as (select *, row_number() over (order by scope, coll, id) k from c),
stamped as (
  update sync_row r set seq = $3::bigint + n.k, counted = SHARE
  from n
  where r.tenant_id = $1 and r.scope = n.scope and r.coll = n.coll and r.id = n.id
  returning r.scope, r.coll, r.counted as now, n.counted as before
),
moved as (
  select scope, coll, count(now) - count(before) as n,
    coalesce(sum(now), 0) - coalesce(sum(before), 0) as total
  from stamped group by scope, coll
),
before as (
  select m.scope, m.coll, m.n, m.total + coalesce(d.sum, 0) as total
  from moved m left join sync_digest d
    on d.tenant_id = $1 and d.scope = m.scope and d.coll = m.coll
),
noted as (
  insert into sync_digest as d (tenant_id, scope, coll, n, sum, seq)
  select $1, scope, coll, n, WRAPPED, $3 + (select count(*) from stamped) from before
  on conflict (tenant_id, scope, coll) do update
  set n = d.n + excluded.n, sum = excluded.sum, seq = excluded.seq
)
select count(*) from stamped
""")
"""$1 tenant, $2 how many at most, $3 the last number given → how many were stamped."""

COUNT = tuple(
    _spelled_out(statement)
    for statement in (
        """
        update sync_row r set counted = SHARE
        where r.tenant_id = $1 and r.seq is not null and r.counted is distinct from SHARE
        """,
        """
        update sync_row set counted = null
        where tenant_id = $1 and seq is null and counted is not null
        """,
        "delete from sync_digest where tenant_id = $1",
        """
        insert into sync_digest (tenant_id, scope, coll, n, sum, seq)
        select $1, r.scope, r.coll, r.n, WRAPPED, h.head from (
          select scope, coll, count(*) as n, sum(counted) as total
          from sync_row where tenant_id = $1 and counted is not null group by scope, coll) r
        join sync_head h on h.tenant_id = $1
        """,
    )
)
"""$1 tenant: count everything anew."""

MISCOUNTED = _spelled_out(
    """
select scope, coll from sync_row r
where r.tenant_id = $1 and r.seq is not null and r.counted is distinct from SHARE
union
select scope, coll from (
  select scope, coll, n, WRAPPED as sum from (
    select scope, coll, count(*) as n, sum(counted) as total
    from sync_row where tenant_id = $1 and counted is not null group by scope, coll) c
) r full join (
  select * from sync_digest where tenant_id = $1 and n <> 0
) d using (scope, coll)
where (r.n, r.sum) is distinct from (d.n, d.sum)
order by scope, coll
"""
)
"""$1 tenant → the (scope, collection)s whose digest is not that of their stamped rows."""
