"""Which kind of work the repairs of a machine usually were: what the office is offered first."""

from uuid import UUID

from fsm.actors import Actor
from fsm.database import Session, fetch


async def usual_work_type(session: Session, actor: Actor, asset_id: UUID | None) -> str | None:
    """Return the code of the work type that this machine's last repairs mostly were, else its model's.

    None where none of them was ever repaired, or with a kind of work that is no longer used.
    """
    if asset_id is None:
        return None
    rows = await fetch(session, _USUAL, actor.tenant_id, asset_id)
    return rows[0][0] if rows else None


# A few repairs of each of a few machines say it as well as all of them.
_USUAL = """
select y.code
from (
  select other.id, other.id = own.id as is_own
  from asset own join asset other on other.tenant_id = $1 and other.model_id = own.model_id
  where own.tenant_id = $1 and own.id = $2
  order by is_own desc, other.id limit 40
) a
cross join lateral (
  select w.work_type_id from work_order w
  where w.tenant_id = $1 and w.asset_id = a.id and w.maintenance = 'corrective'
    and w.status <> 'cancelled'
  order by w.reported_at desc limit 5
) w
join work_type y on y.tenant_id = $1 and y.id = w.work_type_id and y.is_active
group by y.code
order by count(*) filter (where a.is_own) desc, count(*) desc, y.code
limit 1
"""
