"""The tree of assets: what is part of what, to any depth, and moving a part with all that hangs on it.

A part belongs to the customer of the whole. Nothing is part of itself, however indirectly; two moves
at once could each be fine and together close a ring, so moves within one customer take turns.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlmodel import col, select

from fsm import events
from fsm.actors import Actor
from fsm.assets.tables import Asset
from fsm.customers.tables import Customer, Site
from fsm.database import Session, revise, run, touch
from fsm.problems import Invalid, NotFound, Problem

MOST_PARTS = 5_000
"""Rows of one subtree; a larger one is listed level by level with `parent_id`."""


class RingInTree(Problem):
    """The new parent hangs below the asset itself; `ring` is the way down, from the asset to it."""

    code, status, title = "asset-ring", 409, "An asset cannot be part of itself"


class TreeLine(msgspec.Struct, frozen=True):
    """One asset of a subtree; `depth` is 0 for its root."""

    id: UUID
    parent_id: UUID | None
    depth: int
    number: str
    name: str
    model_id: UUID
    site_id: UUID
    retired_at: datetime | None


async def hold(session: Session, actor: Actor, asset_id: UUID) -> UUID:
    """Let no one else move assets of this asset's customer until the transaction ends; return the customer.

    Whoever needs the tree and its rows takes this lock first. It lets others go on referring to the
    customer (FOR NO KEY UPDATE). `NotFound` as for any asset.
    """
    customer_id = await _customer_of(session, actor, asset_id)
    statement = (
        select(Customer.id)
        .where(Customer.tenant_id == actor.tenant_id, Customer.id == customer_id)
        .with_for_update(key_share=True)
    )
    return (await session.exec(statement)).one()


async def _customer_of(session: Session, actor: Actor, asset_id: UUID) -> UUID:
    statement = select(Asset.customer_id).where(
        Asset.tenant_id == actor.tenant_id, Asset.id == asset_id
    )
    customer_id = (await session.exec(statement)).one_or_none()
    if customer_id is None or actor.customer_id not in (None, customer_id):
        raise NotFound(f"No asset {asset_id}.")
    return customer_id


async def _find_parent(session: Session, actor: Actor, customer_id: UUID, parent_id: UUID) -> Asset:
    statement = select(Asset).where(
        Asset.tenant_id == actor.tenant_id,
        Asset.id == parent_id,
        Asset.customer_id == customer_id,
    )
    parent = (await session.exec(statement)).one_or_none()
    if parent is None:
        raise Invalid(
            f"This customer has no asset {parent_id}.",
            errors=[{"at": "/parent_id", "detail": "not an asset of the same customer"}],
        )
    return parent


async def check_new_parent(
    session: Session, actor: Actor, customer_id: UUID, parent_id: UUID
) -> None:
    """Refuse a parent that is not the same customer's. A new asset has no parts, so it closes no ring."""
    await _find_parent(session, actor, customer_id, parent_id)


async def _ancestors(session: Session, actor: Actor, asset_id: UUID) -> list[tuple[UUID, str]]:
    """Return (id, number) from the asset itself up to its root. `cycle` ends even a damaged tree."""
    rows = await run(
        session,
        """
        with recursive up (id, parent_id, number, depth) as (
          select id, parent_id, number, 0 from asset where tenant_id = :tenant and id = :asset
          union all
          select a.id, a.parent_id, a.number, up.depth + 1
          from up join asset a on a.tenant_id = :tenant and a.id = up.parent_id
        ) cycle id set is_ring using path
        select id, number from up where not is_ring order by depth
        """,
        tenant=actor.tenant_id,
        asset=asset_id,
    )
    return [(row.id, row.number) for row in rows]


async def _below(session: Session, actor: Actor, asset_id: UUID) -> list[TreeLine]:
    rows = await run(
        session,
        """
        with recursive down (id, depth, way) as (
          select id, 0, array[number || chr(1) || id::text]
          from asset where tenant_id = :tenant and id = :asset
          union all
          select a.id, down.depth + 1, down.way || (a.number || chr(1) || a.id::text)
          from down join asset a on a.tenant_id = :tenant and a.parent_id = down.id
        ) cycle id set is_ring using path
        select a.id, a.parent_id, d.depth, a.number, a.name, a.model_id, a.site_id, a.retired_at
        from down d join asset a on a.tenant_id = :tenant and a.id = d.id
        where not d.is_ring order by d.way limit :most
        """,
        tenant=actor.tenant_id,
        asset=asset_id,
        most=MOST_PARTS + 1,
    )
    return [TreeLine(*tuple(row)) for row in rows]


async def list_subtree(session: Session, actor: Actor, asset_id: UUID) -> list[TreeLine]:
    """Return the asset and everything below it, each part right after its whole, siblings by number.

    More than `MOST_PARTS` parts are refused. `NotFound` as for any asset.
    """
    await _customer_of(session, actor, asset_id)
    lines = await _below(session, actor, asset_id)
    if len(lines) > MOST_PARTS:
        raise Invalid(
            f"More than {MOST_PARTS} parts. List them level by level with 'parent_id'.",
            most=MOST_PARTS,
        )
    return lines


async def lock_subtree(session: Session, actor: Actor, root: Asset) -> Sequence[Asset]:
    """Return and hold the rows of everything below `root`, without it. The caller holds the tree."""
    below = await list_subtree(session, actor, root.id)
    statement = (
        select(Asset)
        .where(
            Asset.tenant_id == actor.tenant_id,
            col(Asset.id).in_([line.id for line in below if line.id != root.id]),
        )
        .order_by(col(Asset.id))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return (await session.exec(statement)).all()


async def move(
    session: Session,
    actor: Actor,
    now: datetime,
    asset_id: UUID,
    rev: int,
    *,
    parent_id: UUID | None,
    site_id: UUID | None = None,
) -> Asset:
    """Hang an asset under another parent (None: it becomes a root) and, if said, put it at another site.

    The parent and the site must be the same customer's. Parts that stood at the old site go with it.
    Refused with `RingInTree` where the parent hangs below the asset.
    """
    customer_id = await hold(session, actor, asset_id)
    held = (
        select(Asset)
        .where(Asset.tenant_id == actor.tenant_id, Asset.id == asset_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    asset = (await session.exec(held)).one()
    if parent_id is not None:
        await _find_parent(session, actor, customer_id, parent_id)
        chain = await _ancestors(session, actor, parent_id)
        if asset_id in [each for each, _ in chain]:
            ring = [number for _, number in reversed(chain)]
            ring = ring[ring.index(asset.number) :]
            raise RingInTree(
                f"'{ring[-1]}' is part of '{asset.number}', so '{asset.number}' cannot be part of it.",
                ring=ring,
            )
    old_site_id, old_parent_id = asset.site_id, asset.parent_id
    changes: dict[str, UUID | None] = {"parent_id": parent_id}
    if site_id is not None and site_id != old_site_id:
        await _check_site(session, actor, customer_id, site_id)
        changes["site_id"] = site_id
    before = {"parent_id": _text(old_parent_id), "site_id": str(old_site_id)}
    if not revise(asset, rev, changes):
        return asset
    moved = [asset]
    if "site_id" in changes:
        for part in await lock_subtree(session, actor, asset):
            if part.site_id == old_site_id:
                revise(part, None, {"site_id": site_id})
                moved.append(part)
    await session.flush()
    await events.record(
        session,
        actor,
        "asset.moved",
        "asset",
        asset.id,
        now=now,
        before=before,
        after={"parent_id": _text(asset.parent_id), "site_id": str(asset.site_id)},
        with_parts=[str(part.id) for part in moved[1:]],
    )
    touch(session, *moved)
    if old_parent_id is not None:  # who saw it as part of the old whole has to hear of it too
        touch(session, await session.get(Asset, (actor.tenant_id, old_parent_id)))
    return asset


async def _check_site(session: Session, actor: Actor, customer_id: UUID, site_id: UUID) -> None:
    statement = select(Site.id).where(
        Site.tenant_id == actor.tenant_id, Site.id == site_id, Site.customer_id == customer_id
    )
    if (await session.exec(statement)).one_or_none() is None:
        raise Invalid(
            f"This customer has no site {site_id}. "
            "Equipment that changes hands is retired here and registered there.",
            errors=[{"at": "/site_id", "detail": "not a site of the same customer"}],
        )


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
