"""Which figures may still move because a phone has not told yet what was done.

A phone is behind when it was last known to have nothing more to send before the end of what is counted, and
its technician has a visit that was to begin before then and has not ended. A phone that knew the newest state
of the feed with an empty outbox has told everything, however long ago nothing has changed since.
"""

from reports.jobs_sql import begin, work_texts
from reports.questions import Asked
from reports.scopes import Key


async def keys_not_synced(asked: Asked) -> set[Key]:
    """Return the keys of the cut under which such a visit falls."""
    statement = begin(asked)
    texts = work_texts(statement, asked, "v.technician_id")
    statement.fenced("behind", _BEHIND)
    rows = await statement.run(asked.session, _KEYS, **texts)
    return {key for (key,) in rows}


_BEHIND = """
  select distinct h.id as technician_id
  from device d
  join technician h on h.tenant_id = :t and h.user_id = d.user_id
  left join sync_device y on y.tenant_id = :t and y.device_id = d.id
  where d.tenant_id = :t and d.revoked_at is null
    and d.registered_at < :until_at
    and (y.outbox_empty_at is null
      or (y.outbox_empty_at < (select g.head from sync_head g where g.tenant_id = :t)
        and coalesce((select max(p.stamped_at) from sync_stamp p
                      where p.tenant_id = :t and p.head <= y.outbox_empty_at), '-infinity') < :until_at))
"""

_KEYS = """
select distinct $key
from behind b
join visit v on v.tenant_id = :t and v.technician_id = b.technician_id
  and v.status in ('dispatched', 'travelling', 'on_site', 'paused') and v.planned_starts_at < :until_at
join work_order w on w.tenant_id = :t and w.id = v.work_order_id
$joins
where true$conditions
"""
