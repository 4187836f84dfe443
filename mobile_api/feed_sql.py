"""The SQL of the feed: what each scope should hold, built set-wise in one statement.

Bodies are built and serialised by PostgreSQL as they go over the wire, so a pull only concatenates them.
The statements take positional parameters (`$1` tenant, then arrays with one entry a scope).
"""

from mobile_api.sequencer_sql import FIRST_REV

# A visit is on the phone from its dispatch on, and stays within the window when it is over; one that is
# still to be made or in progress stays however long ago it was planned: two looks, each by its own index,
# so that years of finished visits are never read. Four levels of components below a
# job's asset go along.
_TECHNICIAN_SETS = """
bound as materialized (
  select * from unnest($2::text[], $3::uuid[], $4::timestamptz[], $5::timestamptz[])
    as b (scope, technician_id, from_at, to_at)
),
job as materialized (
  select distinct b.scope, w.id, w.customer_id, w.site_id, w.asset_id, w.checklist_version_id
  from bound b
  cross join lateral (
    select v.work_order_id from visit v
    where v.tenant_id = $1 and v.technician_id = b.technician_id
      and v.planned_starts_at >= b.from_at and v.planned_starts_at < b.to_at
      and v.status in ('dispatched', 'travelling', 'on_site', 'paused', 'finished', 'aborted')
    union all
    select v.work_order_id from visit v
    where v.tenant_id = $1 and v.technician_id = b.technician_id
      and v.planned_starts_at < b.from_at
      and v.status in ('dispatched', 'travelling', 'on_site', 'paused')
  ) v
  join work_order w on w.tenant_id = $1 and w.id = v.work_order_id
    and w.status not in ('closed', 'cancelled')
),
below (scope, id, depth) as (
  select scope, asset_id, 0 from job where asset_id is not null
  union
  select m.scope, a.id, m.depth + 1
  from below m join asset a on a.tenant_id = $1 and a.parent_id = m.id
  where m.depth < 4
),
machine as materialized (select distinct scope, id from below)
"""

_WORK_ORDERS = """
select j.scope, 'work_orders', w.id, jsonb_build_object(
  'id', w.id, 'number', w.number, 'status', w.status, 'title', w.title,
  'description', w.description, 'priority', w.priority, 'request_class', w.request_class,
  'maintenance', w.maintenance,
  'work_type', jsonb_build_object('code', t.code, 'name', t.name, 'names', tv.names),
  'customer_id', w.customer_id, 'site_id', w.site_id, 'asset_id', w.asset_id,
  'reported_at', w.reported_at, 'respond_by', w.respond_by, 'restore_by', w.restore_by,
  'estimate_s', w.estimate_s, 'crew_size', w.crew_size, 'skills', w.skills, 'zone', w.zone,
  'is_rework', w.is_rework, 'wants_more_work', w.wants_more_work, 'follows_id', w.follows_id,
  'checklist_id', w.checklist_version_id, 'rules_sha256', w.rules_sha256,
  'work_done_at', w.work_done_at, 'completed_at', w.completed_at,
  'messages', (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', m.id, 'author', m.author, 'name', m.name, 'text', m.text,
      'written_at', m.written_at) order by m.id), '[]')
    from (select * from message m where m.tenant_id = $1 and m.work_order_id = w.id
      order by m.id desc limit 50) m),
  'scope_changes', (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', c.id, 'visit_id', c.visit_id, 'told_at', c.told_at, 'lines', c.told -> 'lines',
      'price', c.told -> 'price', 'currency', c.currency, 'outcome', d.outcome, 'ground', d.ground,
      'decided_at', d.decided_at, 'consent_by', coalesce(nullif(d.consent_by, ''), c.consent_by),
      'offer', (
        select jsonb_build_object(
          'price', o.price, 'offered_at', o.offered_at, 'expires_at', o.expires_at,
          'outcome', a.outcome, 'name', a.name, 'ground', a.ground, 'answered_at', a.answered_at)
        from scope_offer o
        left join scope_answer a on a.tenant_id = $1 and a.scope_offer_id = o.id
        where o.tenant_id = $1 and o.scope_change_id = c.id order by o.id desc limit 1)
      ) order by c.id), '[]')
    from scope_change c
    left join scope_decision d on d.tenant_id = $1 and d.scope_change_id = c.id
    where c.tenant_id = $1 and c.work_order_id = w.id))
from job j
join work_order w on w.tenant_id = $1 and w.id = j.id
join work_type t on t.tenant_id = $1 and t.id = w.work_type_id
join work_type_version tv on tv.tenant_id = $1 and tv.id = w.work_type_version_id
"""

# A visit for which nothing is to be fetched has no `pick_ups`, as most have: its body stays what it was.
_VISITS = """
select j.scope, 'visits', v.id, jsonb_build_object(
  'id', v.id, 'work_order_id', v.work_order_id, 'technician_id', v.technician_id,
  'technician_name', who.name, 'status', v.status,
  'planned_starts_at', v.planned_starts_at, 'planned_ends_at', v.planned_ends_at,
  'window_starts_at', v.window_starts_at, 'window_ends_at', v.window_ends_at,
  'travel_s', v.travel_s, 'crew_id', v.crew_id, 'dispatched_at', v.dispatched_at,
  'travel_started_at', v.travel_started_at, 'arrived_at', v.arrived_at,
  'work_started_at', v.work_started_at, 'finished_at', v.finished_at,
  'ended_reason', v.ended_reason,
  'nonce', rtrim(translate(encode(v.nonce, 'base64'), '+/', '-_'), '='),
  'answers', (
    select coalesce(jsonb_object_agg(n.item, n.value), '{}') from (
      select distinct on (d.item) d.item, d.value from (
        select distinct on (a.item, a.device_id) a.item, a.value, a.received_at, a.id
        from answer a
        where a.tenant_id = $1 and a.work_order_id = v.work_order_id and a.visit_id = v.id
        order by a.item, a.device_id, a.device_seq desc, a.received_at desc, a.id desc
      ) d order by d.item, d.received_at desc, d.id desc
    ) n),
  'signatures', (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', s.id, 'item', s.item, 'photo_id', s.photo_id, 'name', s.name,
      'declined_reason', s.declined_reason, 'signed_at', s.signed_at) order by s.id), '[]')
    from signature s
    where s.tenant_id = $1 and s.work_order_id = v.work_order_id and s.visit_id = v.id),
  'times', (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', e.id, 'kind', e.kind, 'from', lower(e.during), 'to', upper(e.during),
      'of', e.corrects_id) order by e.id), '[]')
    from time_entry e
    where e.tenant_id = $1 and e.work_order_id = v.work_order_id and e.visit_id = v.id),
  'parts', (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', u.id, 'part_id', u.part_id, 'qty', u.quantity, 'used_at', u.used_at) order by u.id), '[]')
    from part_used u
    where u.tenant_id = $1 and u.work_order_id = v.work_order_id and u.visit_id = v.id),
  'notes', (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', n.id, 'text', n.text, 'by', n.by, 'written_at', n.written_at) order by n.id), '[]')
    from note n
    where n.tenant_id = $1 and n.work_order_id = v.work_order_id and n.visit_id = v.id))
  || coalesce((
    select jsonb_build_object('pick_ups', jsonb_agg(jsonb_build_object(
      'id', u.id, 'at', u.starts_at, 'place', place.name, 'latitude', place.latitude,
      'longitude', place.longitude, 'part_id', f.part_id, 'qty', f.quantity)
      order by u.starts_at, u.id, f.part_id))
    from pick_up_part f
    join pick_up u on u.tenant_id = $1 and u.id = f.pick_up_id
    join stock_place place on place.tenant_id = $1 and place.id = u.place_id
    where f.tenant_id = $1 and f.visit_id = v.id having count(*) > 0), '{}')
from job j
join visit v on v.tenant_id = $1 and v.work_order_id = j.id
join technician who on who.tenant_id = $1 and who.id = v.technician_id
"""

_CUSTOMERS = """
select distinct j.scope, 'customers', c.id, jsonb_build_object(
  'id', c.id, 'number', c.number, 'name', c.name, 'phone', c.phone, 'email', c.email)
from job j join customer c on c.tenant_id = $1 and c.id = j.customer_id
"""

_SITES = """
select distinct j.scope, 'sites', s.id, jsonb_build_object(
  'id', s.id, 'rev', s.rev, 'customer_id', s.customer_id, 'number', s.number, 'name', s.name,
  'address', s.address, 'city', s.city, 'region', s.region, 'country', s.country,
  'latitude', s.latitude, 'longitude', s.longitude, 'zone', s.zone,
  'access_notes', s.access_notes, 'hazards', s.hazards)
from job j join site s on s.tenant_id = $1 and s.id = j.site_id
"""

_CONTACTS = """
select distinct j.scope, 'contacts', c.id, jsonb_build_object(
  'id', c.id, 'rev', c.rev, 'customer_id', c.customer_id, 'site_id', c.site_id, 'name', c.name,
  'role', c.role, 'phone', c.phone, 'email', c.email, 'language', c.language)
from job j join contact c on c.tenant_id = $1 and c.customer_id = j.customer_id
  and (c.site_id is null or c.site_id = j.site_id)
"""

_ASSETS = """
select m.scope, 'assets', a.id, jsonb_build_object(
  'id', a.id, 'rev', a.rev, 'customer_id', a.customer_id, 'site_id', a.site_id,
  'parent_id', a.parent_id, 'model_id', a.model_id, 'number', a.number, 'name', a.name,
  'serial', a.serial, 'place', a.place, 'criticality', a.criticality,
  'warranty_ends_on', a.warranty_ends_on, 'retired_at', a.retired_at, 'notes', a.notes,
  'passports', (
    select coalesce(jsonb_agg(p.code order by p.code), '[]') from passport p
    where p.tenant_id = $1 and p.asset_id = a.id and p.status = 'active'),
  'identifiers', (
    select coalesce(jsonb_agg(jsonb_build_object('scheme', i.scheme, 'value', i.value)
      order by i.scheme, i.value), '[]')
    from identifier i where i.tenant_id = $1 and i.asset_id = a.id),
  'meters', (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', k.id, 'code', k.code, 'name', k.name, 'unit', k.unit, 'rollover_at', k.rollover_at,
      'value', l.value, 'read_at', l.read_at) order by k.code), '[]')
    from meter k
    left join lateral (
      select r.value, r.read_at from meter_reading r
      where r.tenant_id = $1 and r.meter_id = k.id order by r.read_at desc limit 1) l on true
    where k.tenant_id = $1 and k.asset_id = a.id))
from machine m join asset a on a.tenant_id = $1 and a.id = m.id
"""

_MODELS = """
select distinct m.scope, 'models', d.id, jsonb_build_object(
  'id', d.id, 'code', d.code, 'manufacturer', d.manufacturer, 'name', d.name,
  'equipment', d.equipment, 'gtin', d.gtin,
  'known_problems', (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', k.id, 'code', k.code, 'titles', k.titles, 'answers', k.answers,
      'approved_by', k.approved_by, 'approved_at', k.approved_at) order by k.code), '[]')
    from known_problem k
    where k.tenant_id = $1 and k.model_id = d.id and k.is_active and k.approved_at is not null))
from machine m
join asset a on a.tenant_id = $1 and a.id = m.id
join asset_model d on d.tenant_id = $1 and d.id = a.model_id
"""

_DOCUMENTS = """
select distinct m.scope, 'documents', d.id, jsonb_build_object(
  'id', d.id, 'asset_id', d.asset_id, 'model_id', d.model_id, 'title', d.title,
  'language', d.language, 'mime', d.mime, 'size', d.size, 'sha256', encode(d.sha256, 'hex'),
  'url', '/blobs/' || encode(d.sha256, 'hex'))
from machine m
join asset a on a.tenant_id = $1 and a.id = m.id
join asset_document d on d.tenant_id = $1 and (d.asset_id = a.id or d.model_id = a.model_id)
"""

# The last three finished visits of other jobs on the machine.
_HISTORY = """
select m.scope, 'history', h.id, jsonb_build_object(
  'id', h.id, 'asset_id', m.asset_id, 'work_order_id', h.work_order_id, 'number', h.number,
  'title', h.title, 'maintenance', h.maintenance, 'technician_name', h.technician_name,
  'started_at', h.work_started_at, 'finished_at', h.finished_at,
  'notes', (
    select coalesce(jsonb_agg(n.text order by n.id), '[]') from note n
    where n.tenant_id = $1 and n.work_order_id = h.work_order_id and n.visit_id = h.id))
from (select distinct scope, asset_id from job where asset_id is not null) m
cross join lateral (
  select v.id, v.work_order_id, w.number, w.title, w.maintenance, v.work_started_at, v.finished_at,
    who.name as technician_name
  from work_order w
  join visit v on v.tenant_id = $1 and v.work_order_id = w.id and v.status = 'finished'
  join technician who on who.tenant_id = $1 and who.id = v.technician_id
  where w.tenant_id = $1 and w.asset_id = m.asset_id
    and not exists (select 1 from job j where j.scope = m.scope and j.id = w.id)
  order by v.finished_at desc, v.id desc limit 3
) h
"""

_CHECKLISTS = """
select distinct j.scope, 'checklists', c.id, jsonb_build_object(
  'id', c.id, 'template_id', c.template_id, 'version', c.version, 'sha256', c.sha256,
  'rules_sha256', c.rules_sha256, 'body', c.body)
from job j join checklist_version c on c.tenant_id = $1 and c.id = j.checklist_version_id
"""

_PHOTOS = """
select p.scope, 'photos', p.id, jsonb_build_object(
  'id', p.id, 'work_order_id', p.work_order_id, 'visit_id', p.visit_id, 'item', p.item,
  'slot', p.slot, 'sha256', encode(p.sha256, 'hex'), 'size', p.size, 'mime', p.mime,
  'state', p.state, 'captured_at', p.captured_at, 'retracted_at', p.retracted_at,
  'receipt', case when r.id is null then null else jsonb_build_object(
    'photo_id', r.id, 'sha256', encode(r.sha256, 'hex'), 'size', r.size, 'device_id', r.device_id,
    'received_at', to_char(r.received_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'kid', r.kid,
    'signature', rtrim(translate(encode(r.signature, 'base64'), '+/' || chr(10), '-_'), '=')) end)
  || case when p.marks = '[]' then '{}' else jsonb_build_object('marks', p.marks) end
from (
  select j.scope, p.* from job j join photo p on p.tenant_id = $1 and p.work_order_id = j.id
  union
  select b.scope, p.*
  from bound b
  join visit v on v.tenant_id = $1 and v.technician_id = b.technician_id
    and v.planned_starts_at >= b.from_at - interval '30 days'
  join photo p on p.tenant_id = $1 and p.work_order_id = v.work_order_id and p.visit_id = v.id
) p
left join receipt r on r.tenant_id = $1 and r.id = p.id
"""

_OUTCOMES = """
select b.scope, 'outcomes', i.id, i.outcome || jsonb_build_object(
  'id', i.id, 'status', i.status, 'device_id', i.device_id, 'seq', i.device_seq, 'type', i.type,
  'received_at', i.received_at)
from bound b
join technician who on who.tenant_id = $1 and who.id = b.technician_id
join device d on d.tenant_id = $1 and d.user_id = who.user_id
join intent i on i.tenant_id = $1 and i.device_id = d.id and i.received_at >= b.from_at
  and (i.status <> 'applied' or i.outcome ? 'settled_at')
"""

# What the technician's van holds, a row a part: of a part that was ever in it, also that none is left.
# Years of movements are summed up, so only where $6 says that one may be new.
_STOCK = """
select m.scope, 'stock', md5(m.place_id::text || m.part_id::text)::uuid, jsonb_build_object(
  'id', md5(m.place_id::text || m.part_id::text)::uuid, 'place_id', m.place_id,
  'part_id', m.part_id, 'qty', sum(m.quantity))
from (
  select b.scope, p.id as place_id, i.part_id, i.quantity
  from bound b
  join stock_place p on p.tenant_id = $1 and p.technician_id = b.technician_id
  join movement i on i.tenant_id = $1 and i.to_place_id = p.id
  where $6::boolean
  union all
  select b.scope, p.id, o.part_id, -o.quantity
  from bound b
  join stock_place p on p.tenant_id = $1 and p.technician_id = b.technician_id
  join movement o on o.tenant_id = $1 and o.from_place_id = p.id
  where $6::boolean
) m
group by m.scope, m.place_id, m.part_id
"""

COLLECTIONS = (
    "work_orders",
    "visits",
    "customers",
    "sites",
    "contacts",
    "assets",
    "models",
    "documents",
    "history",
    "checklists",
    "photos",
    "outcomes",
    "stock",
    "parts",
    "reasons",
    "work_types",
    "templates",
)
"""What devices hold; the last four are the catalogue's."""

_CATALOGUE_SETS = "bound as (select unnest($2::text[]) as scope)"

_PARTS = """
select b.scope, 'parts', p.id, jsonb_build_object(
  'id', p.id, 'number', p.number, 'name', p.name, 'unit', p.unit,
  'manufacturer', p.manufacturer, 'is_original', p.is_original, 'is_serialised', p.is_serialised)
from bound b join part p on p.tenant_id = $1 and p.is_active
"""

_REASONS = """
select b.scope, 'reasons', r.id, jsonb_build_object(
  'id', r.id, 'kind', r.kind, 'code', r.code, 'names', r.names)
from bound b join reason r on r.tenant_id = $1 and r.is_active
"""

_WORK_TYPES = """
select b.scope, 'work_types', t.id, jsonb_build_object('id', t.id, 'code', t.code, 'name', t.name)
from bound b join work_type t on t.tenant_id = $1 and t.is_active
"""

_TEMPLATES = """
select b.scope, 'templates', t.id, jsonb_build_object(
  'id', t.id, 'code', t.code, 'name', t.name, 'checklist_id', c.id, 'version', c.version,
  'sha256', c.sha256, 'rules_sha256', c.rules_sha256, 'body', c.body)
from bound b
join checklist_template t on t.tenant_id = $1 and t.is_active
cross join lateral (
  select v.* from checklist_version v where v.tenant_id = $1 and v.template_id = t.id
  order by v.version desc limit 1) c
"""


# A full join is hashed or merged whatever the planner believes about the sizes.
_DIFFERING = """),
differing (scope, coll, id, body, h, what) as materialized (
  select coalesce(d.scope, r.scope), coalesce(d.coll, r.coll), coalesce(d.id, r.id), d.body, d.h,
    case when r.id is null then 'missing' when d.id is null then 'extra' else 'stale' end
  from (
    select scope, coll, id, text as body,
      ('x' || encode(substring(sha256(convert_to(text, 'UTF8')) from 1 for 8), 'hex'))::bit(64)::bigint h
    from (select scope, coll, id, body::text as text from desired) d
  ) d
  full join (
    select scope, coll, id, h from sync_row
    where tenant_id = $1 and scope = any($2::text[]) and op = 'put' and why is null$looked_at
  ) r on r.scope = d.scope and r.coll = d.coll and r.id = d.id
  where d.h is distinct from r.h
)"""


def _desired(sets: str, selects: tuple[str, ...], looked_at: str = "") -> str:
    """Return the beginning of a statement; its `differing` is where scopes are not what they should be.

    `looked_at` is a condition on the rows that are held against the desired ones.
    """
    return "".join(
        (
            "with recursive ",
            sets,
            ", desired (scope, coll, id, body) as (",
            " union all ".join(selects),
            _DIFFERING.replace("$looked_at", looked_at),
        )
    )


_TECHNICIAN = _desired(
    _TECHNICIAN_SETS,
    (
        _WORK_ORDERS,
        _VISITS,
        _CUSTOMERS,
        _SITES,
        _CONTACTS,
        _ASSETS,
        _MODELS,
        _DOCUMENTS,
        _HISTORY,
        _CHECKLISTS,
        _PHOTOS,
        _OUTCOMES,
        _STOCK,
    ),
    " and ($6::boolean or coll <> 'stock')",
)
_CATALOGUE = _desired(_CATALOGUE_SETS, (_PARTS, _REASONS, _WORK_TYPES, _TEMPLATES))

_PUT = """,
put as (
  insert into sync_row as r (tenant_id, scope, coll, id, rev, op, why, body, h, seq, gone_at)
  select $1, d.scope, d.coll, d.id, $first_rev, 'put', null, d.body, d.h, null, null
  from differing d where d.what <> 'extra'
  on conflict (tenant_id, scope, coll, id) do update
  set rev = r.rev + 1, op = 'put', why = null, body = excluded.body, h = excluded.h, seq = null,
    gone_at = null
  returning r.coll
)""".replace("$first_rev", FIRST_REV)

_LEAVE_TECHNICIANS = """,
leaving as (
  select r.scope, r.coll, r.id, b.from_at, coalesce((
    select case
      when w.status in ('cancelled', 'closed') then w.status
      when v.status = 'withdrawn' and v.ended_reason = 'reassigned' then 'reassigned'
      when v.status in ('withdrawn', 'rejected') then v.status
      else 'window' end
    from work_order w
    left join lateral (
      select v.status, v.ended_reason from visit v
      where v.tenant_id = $1 and v.work_order_id = w.id and v.technician_id = b.technician_id
      order by v.planned_starts_at desc, v.id desc limit 1) v on true
    where w.tenant_id = $1 and w.id = case r.coll
      when 'work_orders' then r.id
      when 'visits' then (r.body::jsonb ->> 'work_order_id')::uuid end
  ), 'unused') as why
  from differing d
  join bound b on b.scope = d.scope
  join sync_row r on r.tenant_id = $1 and r.scope = d.scope and r.coll = d.coll and r.id = d.id
  where d.what = 'extra'
),
gone as (
  update sync_row r
  set rev = r.rev + 1, why = l.why, seq = null, gone_at = l.from_at + interval '7 days',
    body = (r.body::jsonb || jsonb_build_object('access', 'revoked', 'why', l.why))::text, h = 0
  from leaving l
  where r.tenant_id = $1 and r.scope = l.scope and r.coll = l.coll and r.id = l.id
  returning 1
)
select (select count(*) from put) + (select count(*) from gone),
  (select count(*) from put where coll in ('customers', 'sites', 'assets', 'models'))"""

WRITE_TECHNICIANS = "".join((_TECHNICIAN, _PUT, _LEAVE_TECHNICIANS))
"""$1 tenant, $2 scopes, $3 technicians, $4 and $5 the windows, $6 whether stock may differ →
how many rows were written, and how many of them are of objects that other jobs share."""

# Nothing is written against a catalogue row alone, so it leaves in one step.
_LEAVE_CATALOGUE = """,
gone as (
  update sync_row r
  set rev = r.rev + 1, op = 'gone', why = 'unused', body = null, h = 0, seq = null,
    gone_at = $3::timestamptz
  from differing d
  where d.what = 'extra'
    and r.tenant_id = $1 and r.scope = d.scope and r.coll = d.coll and r.id = d.id
  returning 1
)
select (select count(*) from put) + (select count(*) from gone)"""

WRITE_CATALOGUE = "".join((_CATALOGUE, _PUT, _LEAVE_CATALOGUE))
"""$1 tenant, $2 [scope], $3 the day's instant → how many rows were written."""

_DIFFERENCES = " select scope, coll, id, what from differing order by scope, coll, id"

AUDIT_TECHNICIANS = "".join((_TECHNICIAN, _DIFFERENCES))
AUDIT_CATALOGUE = "".join((_CATALOGUE, _DIFFERENCES))
"""Rows (scope, coll, id, what) where the feed is not what a rebuild would make of it."""

SEND_AGAIN = """
insert into sync_row as r (tenant_id, scope, coll, id, rev, op, why, body, h, seq, gone_at)
select s.tenant_id, s.scope, m.coll, m.id, $first_rev, 'gone', 'unknown', null, 0, null,
  s.window_on::timestamp at time zone 'UTC'
from unnest(cast(:scopes as text[]), cast(:colls as text[]), cast(:ids as uuid[]))
  as m (scope, coll, id)
join sync_scope s on s.tenant_id = :t and s.scope = m.scope and s.window_on is not null
on conflict (tenant_id, scope, coll, id) do update set rev = r.rev + 1, seq = null
""".replace("$first_rev", FIRST_REV)
"""Rows of held scopes get a new revision; what a scope never held goes out as gone."""
