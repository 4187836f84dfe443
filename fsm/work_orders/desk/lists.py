"""What lies on the desk, read with its names in one statement each."""

from typing import Any, Final

from fsm.database import Reader
from fsm.problems import Forbidden
from fsm.work_orders.desk.views import (
    DeskRequest,
    DeskRequests,
    JobsToClose,
    JobToClose,
    OpenReport,
)

_OTHERS_AT_MOST: Final = 5
"""Of one asset's other open reports so many are named: nobody chooses among more."""

# An open report is a new one, or an accepted one while a job of its is not done: `requests.list_open_reports`
# offers a caller the same.
_REQUESTS: Final = f"""
select r.id, r.number, r.request_class, r.impact, r.source, r.text, r.reported_at,
  r.contact_name, r.contact_phone, r.contact_email,
  r.asset_id, coalesce(a.name, '') as asset, coalesce(a.serial, '') as serial,
  s.id as site_id, coalesce(s.name, '') as site, coalesce(s.city, '') as city,
  c.id as customer_id, coalesce(c.name, '') as customer, s.zone,
  (select count(*) from request_attachment p where p.tenant_id = r.tenant_id and (
     p.request_id = r.id or p.request_id in (select m.id from service_request m
       where m.tenant_id = r.tenant_id and m.merged_into_id = r.id))) as photos,
  (select count(*) from service_request m
   where m.tenant_id = r.tenant_id and m.merged_into_id = r.id) as additions,
  array(select (o.id, o.number, o.text, o.reported_at, coalesce(w.number, ''))
        from service_request o
        left join lateral (
          select w.number from work_order w
          where w.tenant_id = o.tenant_id and w.request_id = o.id
            and w.status in ('open', 'scheduled', 'dispatched', 'in_progress')
          order by w.id limit 1) w on true
        where o.tenant_id = r.tenant_id and o.asset_id = r.asset_id and o.id <> r.id
          and (o.status = 'new' or (o.status = 'accepted' and w.number is not null))
        order by o.reported_at desc, o.id desc limit {_OTHERS_AT_MOST}) as others,
  count(*) over () as all_of_them
from service_request r
left join asset a on a.tenant_id = r.tenant_id and a.id = r.asset_id
left join site s on s.tenant_id = r.tenant_id and s.id = coalesce(r.site_id, a.site_id)
left join customer c on c.tenant_id = r.tenant_id and c.id = coalesce(r.customer_id, s.customer_id)
where r.tenant_id = $1 and r.status = 'new'
order by r.reported_at, r.id limit $2
"""  # noqa: S608 — a number of ours

_JOBS: Final = """
select w.id, w.number, w.title, w.status, w.priority, w.is_rework, k.name as work_type,
  c.name as customer, s.name as site, coalesce(a.name, '') as asset, w.zone,
  array(select distinct t.name from visit v
        join technician t on t.tenant_id = v.tenant_id and t.id = v.technician_id
        where v.tenant_id = w.tenant_id and v.work_order_id = w.id and v.finished_at is not null
        order by t.name) as technicians,
  w.work_done_at, w.completed_at, w.facts_rev,
  (select count(distinct (n.visit_id, n.item)) from answer n
   where n.tenant_id = w.tenant_id and n.work_order_id = w.id) as answers,
  p.photos, p.photos_pending,
  (select count(*) from signature g
   where g.tenant_id = w.tenant_id and g.work_order_id = w.id) as signatures,
  count(*) over () as all_of_them
from work_order w
join work_type k on k.tenant_id = w.tenant_id and k.id = w.work_type_id
join customer c on c.tenant_id = w.tenant_id and c.id = w.customer_id
join site s on s.tenant_id = w.tenant_id and s.id = w.site_id
left join asset a on a.tenant_id = w.tenant_id and a.id = w.asset_id
cross join lateral (
  select count(*) filter (where state = 'verified') as photos,
    count(*) filter (where state <> 'verified') as photos_pending
  from photo f where f.tenant_id = w.tenant_id and f.work_order_id = w.id
    and f.retracted_at is null) p
where w.tenant_id = $1 and w.status in ('completed', 'work_done')
order by w.status = 'work_done', coalesce(w.completed_at, w.work_done_at), w.id limit $2
"""


def _check_office(reader: Reader) -> None:
    if reader.actor.customer_id is not None:
        raise Forbidden("The desk is the service company's.")


async def list_new_requests(reader: Reader, limit: int) -> DeskRequests:
    """Return the requests that nobody has answered, who waits longest first."""
    _check_office(reader)
    rows = await reader.rows(_REQUESTS, reader.actor.tenant_id, limit)
    items = []
    for row in rows:
        *own, others, _ = row  # in the order of the view's fields, which end with `others`
        values: list[Any] = [*own, [OpenReport(*other) for other in others]]
        items.append(DeskRequest(*values))
    return DeskRequests(items, rows[0]["all_of_them"] if rows else 0)


async def list_to_close(reader: Reader, limit: int) -> JobsToClose:
    """Return the jobs whose work is done and that nobody has closed, what may be closed first."""
    _check_office(reader)
    rows = await reader.rows(_JOBS, reader.actor.tenant_id, limit)
    items = [JobToClose(*list(row)[:-1]) for row in rows]
    return JobsToClose(items, rows[0]["all_of_them"] if rows else 0)
