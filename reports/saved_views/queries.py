"""All the SQL about saved views. Each is found by its owner alone."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select

from fsm.actors import Actor
from fsm.database import Session
from fsm.problems import Conflict, Forbidden
from reports.saved_views.tables import SavedView

MOST = 100


class TooManyViews(Conflict):
    code, title = "too-many-views", "There is no room for another view"


def owner(actor: Actor) -> UUID:
    """Return whose views these are; refused for whoever is no person."""
    if actor.user_id is None:
        raise Forbidden("Views belong to people: sign in as one.")
    return actor.user_id


async def list_views(session: Session, actor: Actor) -> Sequence[SavedView]:
    statement = (
        select(SavedView)
        .where(SavedView.tenant_id == actor.tenant_id, SavedView.user_id == owner(actor))
        .order_by(col(SavedView.name), col(SavedView.id))
    )
    return list(await session.exec(statement))


async def lock_view(session: Session, actor: Actor, view_id: UUID) -> SavedView:
    statement = (
        select(SavedView)
        .where(
            SavedView.tenant_id == actor.tenant_id,
            SavedView.user_id == owner(actor),
            SavedView.id == view_id,
        )
        .with_for_update()
    )
    return await session.found(statement, f"No view {view_id}.")


async def save_view(
    session: Session, actor: Actor, now: datetime, *, name: str, query: str
) -> SavedView:
    if len(await list_views(session, actor)) >= MOST:
        raise TooManyViews(f"You have {MOST} views: delete one that you no longer need.")
    row = SavedView(
        tenant_id=actor.tenant_id, user_id=owner(actor), name=name, query=query, saved_at=now
    )
    session.add(row)
    await session.flush()
    return row
