-- Reads a page of the feed and binds the transaction to its tenant in the same call, so that a pull is one
-- round trip. It runs with its caller's rights: row-level security holds inside as it does outside.
create function sync_pull(
  tenant uuid, device uuid, token_hash bytea,
  scopes text[], since bigint[], fresh bigint[],
  most_changes bigint, most_bytes bigint, only_coll text
) returns table (
  may_read boolean, may_sync boolean, schema_version integer, technician_id uuid, zone varchar,
  outbox_empty_at bigint, forget_upto bigint, epoch uuid, head bigint, purged bigint, windows date[],
  is_unstamped boolean, digest text, complete boolean, last_scope integer, last_seq bigint, changes bytea
) language plpgsql volatile security invoker rows 1 as $function$
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
    select d.revoked_at is null and u.is_active as may_read, r.permissions ? 'sync' as may_sync,
      d.schema_version, t.id as technician_id, t.zone, s.outbox_empty_at,
      coalesce(s.backed_up_seq, 0) as forget_upto
    from device d
    join "user" u on u.tenant_id = $1 and u.id = d.user_id
    join role r on r.tenant_id = $1 and r.id = u.role_id
    left join technician t on t.tenant_id = $1 and t.user_id = d.user_id and t.is_active
    left join sync_device s on s.tenant_id = $1 and s.device_id = d.id
    where d.tenant_id = $1 and d.id = $2 and d.token_hash = coalesce($3, d.token_hash)
  ),
  feed as materialized (select epoch, head, purged from sync_head where tenant_id = $1),
  granted as materialized (
    select g.n, g.scope, o.window_on, f.head, coalesce(p.since, 0) as since,
      case when coalesce(p.since, 0) = 0 then f.head else p.fresh end as fresh
    from me
    cross join feed f
    cross join lateral (values (0, 'cat:main'), (1, 'tech:' || me.technician_id)) g (n, scope)
    left join unnest($4::text[], $5::bigint[], $6::bigint[]) p (scope, since, fresh)
      on p.scope = g.scope
    left join sync_scope o on o.tenant_id = $1 and o.scope = g.scope
    where me.technician_id is not null
  ),
  page as materialized (
    select g.n, r.coll, r.id, r.rev, r.op, r.why, r.body, r.seq,
      row_number() over w as k,
      sum(octet_length(r.coll) + coalesce(octet_length(r.body), 0) + 90) over w as bytes
    from granted g
    cross join lateral (
      select * from sync_row r
      where r.tenant_id = $1 and r.scope = g.scope and r.seq > g.since and r.seq <= g.head
        and (r.seq > g.fresh or (r.op = 'put' and r.why is null))
        and ($9::text is null or r.coll = $9)
      order by r.seq limit $7 + 1
    ) r
    window w as (order by g.n, r.seq)
  ),
  taken as materialized (
    select * from page where k <= $7 and (bytes <= $8 or k = 1)
  )
  select me.*, f.epoch, f.head, f.purged,
    array(select window_on from granted order by n) as windows,
    exists (
      select from sync_row r where r.tenant_id = $1 and r.seq is null
        and r.scope in (select scope from granted)
    ) as is_unstamped,
    (select string_agg(
        '"' || d.coll || '":{"n":' || d.n || ',"sum":"' || lpad(to_hex(d.sum), 16, '0') || '"}',
        ',' order by d.coll)
      from sync_digest d join granted g on g.scope = d.scope
      where d.tenant_id = $1 and d.n > 0) as digest,
    (select count(*) from page) = (select count(*) from taken) as complete,
    (select n from taken order by k desc limit 1) as last_scope,
    (select seq from taken order by k desc limit 1) as last_seq,
    convert_to((select string_agg(
        '{"c":"' || coll || '","id":"' || id || '","s":' || n || ',"rev":' || rev
          || case when op = 'put' then ',"op":"put","d":' || body
             else ',"op":"gone","why":"' || why || '"' end || '}',
        ',' order by k)
      from taken), 'UTF8') as changes
  from me left join feed f on true;
end
$function$;
