"""Everything about models, assets, their identifiers and documents that touches the database.

A customer's user sees the assets of that customer only; models belong to everybody. The tree has a
file of its own, as have meters and failures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import exists, or_
from sqlalchemy.dialects.postgresql import Range
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from fsm import events
from fsm.actors import Actor
from fsm.assets import tree
from fsm.assets.scanned import canonical
from fsm.assets.tables import (
    Asset,
    AssetModel,
    Identifier,
    Outage,
    OutageCause,
)
from fsm.customers.tables import Customer, Site
from fsm.database import Session, revise, touch
from fsm.problems import Conflict, Forbidden, Invalid

# --- models -----------------------------------------------------------------------------------------------


def check_office(actor: Actor) -> None:
    """Refuse a customer's user where a change would be everybody's."""
    if actor.customer_id is not None:
        raise Forbidden(
            "Models belong to the service company; a customer's user cannot change them."
        )


async def find_model(session: Session, actor: Actor, model_id: UUID) -> AssetModel:
    statement = select(AssetModel).where(
        AssetModel.tenant_id == actor.tenant_id, AssetModel.id == model_id
    )
    return await session.found(statement, f"No model {model_id}.")


async def list_models(
    session: Session, actor: Actor, *, q: str | None, after: UUID | None, limit: int
) -> Sequence[AssetModel]:
    """Return models in order of id; `q` is looked for in code, manufacturer, name, equipment and GTIN."""
    statement = (
        select(AssetModel)
        .where(AssetModel.tenant_id == actor.tenant_id)
        .order_by(col(AssetModel.id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(AssetModel.id > after)
    if q:
        columns = (
            AssetModel.code,
            AssetModel.manufacturer,
            AssetModel.name,
            AssetModel.equipment,
            AssetModel.gtin,
        )
        statement = statement.where(
            or_(*(col(column).icontains(q, autoescape=True) for column in columns))
        )
    return (await session.exec(statement)).all()


async def add_model(
    session: Session, actor: Actor, now: datetime, values: Mapping[str, Any]
) -> AssetModel:
    check_office(actor)
    model = AssetModel(tenant_id=actor.tenant_id, **values)
    session.add(model)
    await session.flush()
    await events.record(
        session, actor, "model.created", "asset_model", model.id, now=now, code=model.code
    )
    touch(session, model)
    return model


async def edit_model(
    session: Session,
    actor: Actor,
    now: datetime,
    model_id: UUID,
    rev: int,
    changes: Mapping[str, Any],
) -> AssetModel:
    check_office(actor)
    statement = (
        select(AssetModel)
        .where(AssetModel.tenant_id == actor.tenant_id, AssetModel.id == model_id)
        .with_for_update()
    )
    model = await session.found(statement, f"No model {model_id}.")
    if revise(model, rev, changes):
        await session.flush()
        await events.record(
            session, actor, "model.edited", "asset_model", model.id, now=now, fields=sorted(changes)
        )
        touch(session, model)
    return model


# --- assets -----------------------------------------------------------------------------------------------


def visible_assets(actor: Actor) -> SelectOfScalar[Asset]:
    """Return the statement over the assets that the actor may see."""
    statement = select(Asset).where(Asset.tenant_id == actor.tenant_id)
    if actor.customer_id is not None:
        statement = statement.where(Asset.customer_id == actor.customer_id)
    return statement


async def find_asset(session: Session, actor: Actor, asset_id: UUID) -> Asset:
    """Return one asset; another tenant's, or another customer's, is `NotFound`."""
    return await session.found(
        visible_assets(actor).where(Asset.id == asset_id), f"No asset {asset_id}."
    )


async def lock_asset(session: Session, actor: Actor, asset_id: UUID) -> Asset:
    """Return one asset and hold its row; others may still refer to it meanwhile."""
    statement = visible_assets(actor).where(Asset.id == asset_id).with_for_update(key_share=True)
    return await session.found(
        statement.execution_options(populate_existing=True), f"No asset {asset_id}."
    )


@dataclass(frozen=True, slots=True)
class AssetSummary:
    """An asset with whose it is, where it stands and what it is: what a job needs to know of it."""

    asset: Asset
    customer: Customer
    site: Site
    model: AssetModel


async def asset_summary(session: Session, actor: Actor, asset_id: UUID) -> AssetSummary:
    """Return an asset with its customer, site and model in one query; `NotFound` as `find_asset`."""
    statement = (
        select(Asset, Customer, Site, AssetModel)
        .join(
            Customer,
            (col(Customer.tenant_id) == Asset.tenant_id) & (col(Customer.id) == Asset.customer_id),
        )
        .join(Site, (col(Site.tenant_id) == Asset.tenant_id) & (col(Site.id) == Asset.site_id))
        .join(
            AssetModel,
            (col(AssetModel.tenant_id) == Asset.tenant_id) & (col(AssetModel.id) == Asset.model_id),
        )
        .where(Asset.tenant_id == actor.tenant_id, Asset.id == asset_id)
    )
    if actor.customer_id is not None:
        statement = statement.where(Asset.customer_id == actor.customer_id)
    row = await session.found(statement, f"No asset {asset_id}.")
    return AssetSummary(*row)


class AssetLine(msgspec.Struct, frozen=True):
    """An asset as a list shows it."""

    id: UUID
    rev: int
    number: str
    name: str
    serial: str | None
    place: str
    criticality: int
    parent_id: UUID | None
    customer_id: UUID
    customer: str
    site_id: UUID
    site: str
    model_id: UUID
    manufacturer: str
    model: str
    in_service_from: datetime
    retired_at: datetime | None
    warranty_ends_on: date | None
    service_life_ends_on: date | None


async def list_assets(
    session: Session,
    actor: Actor,
    *,
    after: UUID | None,
    limit: int,
    customer_id: UUID | None = None,
    site_id: UUID | None = None,
    model_id: UUID | None = None,
    parent_id: UUID | None = None,
    is_retired: bool | None = None,
    q: str | None = None,
) -> list[AssetLine]:
    """Return assets in order of id, with the names of customer, site and model.

    `q` is looked for, whatever its case, in number, name, serial, place and identifiers.
    """
    statement = (
        # Columns instead of rows: a page of 500 costs a third of what the ORM takes for it.
        select(  # type: ignore[call-overload]  # sqlmodel types four columns at most
            col(Asset.id),
            col(Asset.rev),
            col(Asset.number),
            col(Asset.name),
            col(Asset.serial),
            col(Asset.place),
            col(Asset.criticality),
            col(Asset.parent_id),
            col(Asset.customer_id),
            col(Customer.name),
            col(Asset.site_id),
            col(Site.name),
            col(Asset.model_id),
            col(AssetModel.manufacturer),
            col(AssetModel.name),
            col(Asset.in_service_from),
            col(Asset.retired_at),
            col(Asset.warranty_ends_on),
            col(Asset.service_life_ends_on),
        )
        .join(
            Customer,
            (col(Customer.tenant_id) == Asset.tenant_id) & (col(Customer.id) == Asset.customer_id),
        )
        .join(Site, (col(Site.tenant_id) == Asset.tenant_id) & (col(Site.id) == Asset.site_id))
        .join(
            AssetModel,
            (col(AssetModel.tenant_id) == Asset.tenant_id) & (col(AssetModel.id) == Asset.model_id),
        )
        .where(Asset.tenant_id == actor.tenant_id)
        .order_by(col(Asset.id))
        .limit(limit)
    )
    wanted = (
        (Asset.customer_id, actor.customer_id),
        (Asset.customer_id, customer_id),
        (Asset.site_id, site_id),
        (Asset.model_id, model_id),
        (Asset.parent_id, parent_id),
    )
    for column, value in wanted:
        if value is not None:
            statement = statement.where(col(column) == value)
    if after is not None:
        statement = statement.where(Asset.id > after)
    if is_retired is not None:
        statement = statement.where(col(Asset.retired_at).is_not(None) == is_retired)
    if q:
        named = exists().where(
            col(Identifier.tenant_id) == Asset.tenant_id,
            col(Identifier.asset_id) == Asset.id,
            col(Identifier.value).icontains(q, autoescape=True),
        )
        columns = (Asset.number, Asset.name, Asset.serial, Asset.place)
        statement = statement.where(
            or_(*(col(column).icontains(q, autoescape=True) for column in columns), named)
        )
    return [AssetLine(*row) for row in await session.exec(statement)]


async def _find_customers_site(session: Session, actor: Actor, site_id: UUID) -> Site:
    """Return the site if the actor may put assets there; else `Invalid` at /site_id."""
    statement = select(Site).where(Site.tenant_id == actor.tenant_id, Site.id == site_id)
    if actor.customer_id is not None:
        statement = statement.where(Site.customer_id == actor.customer_id)
    site = (await session.exec(statement)).one_or_none()
    if site is None:
        raise Invalid(f"There is no site {site_id}.", errors=[{"at": "/site_id"}])
    return site


async def _check_model(session: Session, actor: Actor, model_id: UUID) -> None:
    statement = select(AssetModel.id).where(
        AssetModel.tenant_id == actor.tenant_id, AssetModel.id == model_id
    )
    if (await session.exec(statement)).one_or_none() is None:
        raise Invalid(f"There is no model {model_id}.", errors=[{"at": "/model_id"}])


async def add_asset(
    session: Session, actor: Actor, now: datetime, values: Mapping[str, Any]
) -> Asset:
    """Register an asset at a site; its customer is the site's. `values` may name its `id` and parent.

    It counts as in service from `in_service_from`, which is now where nothing is said.
    """
    site = await _find_customers_site(session, actor, values["site_id"])
    await _check_model(session, actor, values["model_id"])
    if values.get("parent_id") is not None:
        await tree.check_new_parent(session, actor, site.customer_id, values["parent_id"])
    given = {name: value for name, value in values.items() if value is not None}
    asset = Asset(
        tenant_id=actor.tenant_id,
        customer_id=site.customer_id,
        created_at=now,
        **{"in_service_from": now, **given},
    )
    session.add(asset)
    await session.flush()
    await events.record(
        session, actor, "asset.created", "asset", asset.id, now=now, number=asset.number
    )
    touch(session, asset)
    return asset


async def edit_asset(
    session: Session,
    actor: Actor,
    now: datetime,
    asset_id: UUID,
    rev: int,
    changes: Mapping[str, Any],
) -> Asset:
    """Edit what an asset is; where it belongs is `tree.move`, its end is `retire`."""
    if "model_id" in changes:
        await _check_model(session, actor, changes["model_id"])
    asset = await lock_asset(session, actor, asset_id)
    if revise(asset, rev, changes):
        await session.flush()
        await events.record(
            session,
            actor,
            "asset.edited",
            "asset",
            asset.id,
            now=now,
            fields=sorted(changes),
            rev=asset.rev,
        )
        touch(session, asset)
    return asset


async def retire(
    session: Session,
    actor: Actor,
    now: datetime,
    asset_id: UUID,
    rev: int,
    *,
    retired_at: datetime,
    with_parts: bool,
) -> Asset:
    """Take an asset out of service for good; with its parts, those of them still in service too.

    A part that went into service only after `retired_at` refuses it. Figures end at that instant.
    """
    if with_parts:
        await tree.hold(session, actor, asset_id)
    asset = await lock_asset(session, actor, asset_id)
    if asset.retired_at is not None:
        raise Conflict("This asset is already retired.", retired_at=asset.retired_at.isoformat())
    if retired_at > now:
        raise Invalid("An asset is retired now or earlier.", errors=[{"at": "/retired_at"}])
    going = [asset]
    if with_parts:
        parts = await tree.lock_subtree(session, actor, asset)
        going += [part for part in parts if part.retired_at is None]
    for each in going:
        if retired_at <= each.in_service_from:
            raise Invalid(
                f"'{each.number}' went into service at {each.in_service_from.isoformat()}, after that.",
                errors=[{"at": "/retired_at"}],
            )
    revise(asset, rev, {"retired_at": retired_at})
    for each in going[1:]:
        revise(each, None, {"retired_at": retired_at})
    await session.flush()
    for each in going:
        await events.record(
            session,
            actor,
            "asset.retired",
            "asset",
            each.id,
            now=now,
            retired_at=retired_at.isoformat(),
        )
    touch(session, *going)
    return asset


async def return_to_service(
    session: Session,
    actor: Actor,
    now: datetime,
    asset_id: UUID,
    rev: int,
    *,
    returned_at: datetime | None,
) -> Asset:
    """Put a retired asset back into service.

    `returned_at` None says that the retirement was a mistake and never was. Otherwise the time in
    between is kept as an outage from outside the machine, which figures take out of required time.
    """
    asset = await lock_asset(session, actor, asset_id)
    retired_at = asset.retired_at
    if retired_at is None:
        raise Conflict("This asset is in service.")
    if returned_at is not None and not retired_at < returned_at <= now:
        raise Invalid(
            f"An asset returns after it was retired ({retired_at.isoformat()}), and not in the future.",
            errors=[{"at": "/returned_at"}],
        )
    revise(asset, rev, {"retired_at": None})
    touch(session, asset)
    if returned_at is not None:
        away = Outage(
            tenant_id=actor.tenant_id,
            asset_id=asset.id,
            during=Range(retired_at, returned_at),
            cause=OutageCause.EXTERNAL,
        )
        session.add(away)
        touch(session, away)
    await session.flush()
    await events.record(
        session,
        actor,
        "asset.returned",
        "asset",
        asset.id,
        now=now,
        retired_at=retired_at.isoformat(),
        returned_at=None if returned_at is None else returned_at.isoformat(),
    )
    return asset


# --- identifiers ------------------------------------------------------------------------------------------


async def list_identifiers(session: Session, actor: Actor, asset_id: UUID) -> Sequence[Identifier]:
    await find_asset(session, actor, asset_id)
    statement = (
        select(Identifier)
        .where(Identifier.tenant_id == actor.tenant_id, Identifier.asset_id == asset_id)
        .order_by(col(Identifier.scheme), col(Identifier.value))
    )
    return (await session.exec(statement)).all()


async def add_identifier(
    session: Session, actor: Actor, now: datetime, asset_id: UUID, *, scheme: str, value: str
) -> Identifier:
    """Let a scan of `value` find the asset. One value of a scheme names one asset; repeating is harmless.

    It is kept in the form that a scan is read in (`scanned.canonical`).
    """
    value = canonical(scheme, value)
    asset = await lock_asset(session, actor, asset_id)
    statement = select(Identifier).where(
        Identifier.tenant_id == actor.tenant_id,
        Identifier.asset_id == asset_id,
        Identifier.scheme == scheme,
        Identifier.value == value,
    )
    already = (await session.exec(statement)).one_or_none()
    if already is not None:
        return already
    identifier = Identifier(
        tenant_id=actor.tenant_id, asset_id=asset_id, scheme=scheme, value=value
    )
    session.add(identifier)
    await session.flush()
    await events.record(
        session,
        actor,
        "identifier.added",
        "asset",
        asset_id,
        now=now,
        scheme=scheme,
        value=value,
    )
    touch(session, asset)
    return identifier


async def remove_identifier(
    session: Session, actor: Actor, now: datetime, asset_id: UUID, identifier_id: UUID
) -> None:
    asset = await lock_asset(session, actor, asset_id)
    statement = select(Identifier).where(
        Identifier.tenant_id == actor.tenant_id,
        Identifier.asset_id == asset_id,
        Identifier.id == identifier_id,
    )
    identifier = await session.found(statement, f"No identifier {identifier_id} on this asset.")
    await session.delete(identifier)
    await session.flush()
    await events.record(
        session,
        actor,
        "identifier.removed",
        "asset",
        asset_id,
        now=now,
        scheme=identifier.scheme,
        value=identifier.value,
    )
    touch(session, asset)


async def find_by_identifier(session: Session, actor: Actor, *, scheme: str, value: str) -> Asset:
    """Return the asset that carries this identifier, `NotFound` when none that the actor may see does."""
    value = canonical(scheme, value)
    statement = visible_assets(actor).join(
        Identifier,
        (col(Identifier.tenant_id) == Asset.tenant_id) & (col(Identifier.asset_id) == Asset.id),
    )
    statement = statement.where(Identifier.scheme == scheme, Identifier.value == value)
    return await session.found(statement, f"No asset carries {scheme} '{value}'.")
