-- Reads pages of the feed for devices of one tenant, each as if it had asked alone, and binds the transaction
-- to that tenant in the same call, so that all their pulls are one round trip. It runs with its caller's
-- rights: row-level security holds inside as it does outside.
create function sync_pulls(
  tenant uuid, devices uuid[], token_hashes bytea[],
  askers integer[], scopes text[], since bigint[], fresh bigint[],
  most_changes bigint, most_bytes bigint, only_coll text
) returns table (
  ask integer, may_read boolean, may_sync boolean, schema_version integer, technician_id uuid, zone varchar,
  outbox_empty_at bigint, forget_upto bigint, epoch uuid, head bigint, purged bigint, windows date[],
  is_unstamped boolean, digest text, complete boolean, last_scope integer, last_seq bigint, changes bytea
) language plpgsql volatile security invoker rows 10 as $function$
#variable_conflict use_column
begin
  -- A transaction that is bound already stays with its tenant, whatever the arguments say.
  if nullif(current_setting('app.tenant', true), '') <> $1::text then
    raise insufficient_privilege using message = 'this transaction is bound to another tenant';
  end if;
  perform set_config('app.tenant', $1::text, true);
  -- A statement after the binding, not beside it: the policies look at the binding when it begins.
  return query
  with me as materialized (
    select a.ask::integer as ask,
      d.revoked_at is null and u.is_active as may_read, r.permissions ? 'sync' as may_sync,
      d.schema_version, t.id as technician_id, t.zone, s.outbox_empty_at,
      coalesce(s.backed_up_seq, 0) as forget_upto
    from unnest($2, $3) with ordinality a (device, token_hash, ask)
    join device d on d.tenant_id = $1 and d.id = a.device
      and d.token_hash = coalesce(a.token_hash, d.token_hash)
    join "user" u on u.tenant_id = $1 and u.id = d.user_id
    join role r on r.tenant_id = $1 and r.id = u.role_id
    left join technician t on t.tenant_id = $1 and t.user_id = d.user_id and t.is_active
    left join sync_device s on s.tenant_id = $1 and s.device_id = d.id
  ),
  feed as materialized (select epoch, head, purged from sync_head where tenant_id = $1),
  granted as materialized (
    select me.ask, g.n, g.scope, o.window_on, f.head, coalesce(p.since, 0) as since,
      case when coalesce(p.since, 0) = 0 then f.head else p.fresh end as fresh
    from me
    cross join feed f
    cross join lateral (values (0, 'cat:main'), (1, 'tech:' || me.technician_id)) g (n, scope)
    left join unnest($4, $5, $6, $7) p (ask, scope, since, fresh)
      on p.ask = me.ask and p.scope = g.scope
    left join sync_scope o on o.tenant_id = $1 and o.scope = g.scope
    where me.technician_id is not null
  ),
  page as (
    select g.ask, g.n, r.coll, r.id, r.rev, r.op, r.why, r.body, r.seq,
      row_number() over w as k,
      sum(octet_length(r.coll) + coalesce(octet_length(r.body), 0) + 90) over w as bytes
    from granted g
    cross join lateral (
      select * from sync_row r
      where r.tenant_id = $1 and r.scope = g.scope and r.seq > g.since and r.seq <= g.head
        and (r.seq > g.fresh or (r.op = 'put' and r.why is null))
        and ($10 is null or r.coll = $10)
      order by r.seq limit $8 + 1
    ) r
    window w as (partition by g.ask order by g.n, r.seq)
  ),
  taken as (
    select ask,
      bool_and(fits) as complete,
      max(array[n, seq]) filter (where fits) as last,
      convert_to(string_agg(
        '{"c":"' || coll || '","id":"' || id || '","s":' || n || ',"rev":' || rev
          || case when op = 'put' then ',"op":"put","d":' || body
             else ',"op":"gone","why":"' || why || '"' end || '}',
        ',' order by k) filter (where fits), 'UTF8') as changes
    from (select *, k <= $8 and (bytes <= $9 or k = 1) as fits from page) p
    group by ask
  ),
  windows as (
    select ask, array_agg(window_on order by n) as windows from granted group by ask
  ),
  held as (
    select g.ask, string_agg(
      '"' || d.coll || '":{"n":' || d.n || ',"sum":"' || lpad(to_hex(d.sum), 16, '0') || '"}',
      ',' order by d.coll) as digest
    from granted g join sync_digest d on d.tenant_id = $1 and d.scope = g.scope and d.n > 0
    group by g.ask
  )
  select me.*, f.epoch, f.head, f.purged, w.windows,
    exists (
      select from sync_row r where r.tenant_id = $1 and r.seq is null
        and r.scope in (select g.scope from granted g where g.ask = me.ask)
    ) as is_unstamped,
    h.digest, coalesce(t.complete, true), t.last[1]::integer, t.last[2], t.changes
  from me left join feed f on true left join windows w using (ask)
    left join held h using (ask) left join taken t using (ask);
end
$function$;
