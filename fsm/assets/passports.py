"""Passports that people of the company handle: made, printed in advance, claimed, retired, forwarded.

What a stranger at the label gets to see is in `doors`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import ColumnElement, exists, insert, or_
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from fsm import events
from fsm.actors import Actor
from fsm.assets.labels import Label
from fsm.assets.passport_code import (
    BadPassportCode,
    PassportUrl,
    new_codes,
    normalise_code,
    own_url,
    passport_host,
    short_code,
    trial_url,
)
from fsm.assets.queries import find_asset, lock_asset, visible_assets
from fsm.assets.tables import Asset, AssetModel, Passport, PassportStatus
from fsm.database import Reader, Session, touch
from fsm.problems import Conflict, Invalid, NotFound
from fsm.tenants import directory
from fsm.tenants.tables import DirectoryKind, Tenant

MOST_CODES = 5_000
"""Codes made by one order: what a printer takes in a day."""

# --- reading ----------------------------------------------------------------------------------------------


def _visible(actor: Actor) -> SelectOfScalar[Passport]:
    """Return the statement over passports that the actor may see; a customer's user: on their assets."""
    statement = select(Passport).where(Passport.tenant_id == actor.tenant_id)
    if actor.customer_id is not None:
        statement = statement.where(
            exists().where(
                col(Asset.tenant_id) == Passport.tenant_id,
                col(Asset.id) == Passport.asset_id,
                col(Asset.customer_id) == actor.customer_id,
            )
        )
    return statement


def _meant(code: str) -> str:
    """Return the code a person meant; what cannot be one is simply not there."""
    try:
        return normalise_code(code)
    except BadPassportCode as bad:
        raise NotFound(f"No passport {code[:40]!r}. {bad.detail}") from None


async def find_passport(session: Session, actor: Actor, code: str) -> Passport:
    statement = _visible(actor).where(Passport.code == _meant(code))
    return await session.found(statement, f"No passport {code[:40]!r}.")


class PassportRow(NamedTuple):
    """A passport as it is read, with the host of the tenant's labels."""

    code: str
    status: str
    asset_id: UUID | None
    batch: str
    forward_url: str | None
    created_at: datetime
    claimed_at: datetime | None
    claimed_by: UUID | None
    passport_host: str | None


_ONE = f"""
    select {", ".join(f"p.{name}" for name in PassportRow._fields[:-1])}, t.passport_host
    from passport p join tenant t on t.id = p.tenant_id
    where p.tenant_id = $1 and p.code = $2 and ($3::uuid is null or exists (
      select from asset a
      where a.tenant_id = p.tenant_id and a.id = p.asset_id and a.customer_id = $3))"""  # noqa: S608


async def read_passport(reader: Reader, code: str) -> PassportRow:
    """Return a passport in one round trip."""
    actor = reader.actor
    row = await reader.row(_ONE, actor.tenant_id, _meant(code), actor.customer_id)
    if row is None:
        raise NotFound(f"No passport {code[:40]!r}.")
    return PassportRow(*row)


async def lock_passport(session: Session, actor: Actor, code: str) -> Passport:
    statement = _visible(actor).where(Passport.code == _meant(code)).with_for_update()
    statement = statement.execution_options(populate_existing=True)
    return await session.found(statement, f"No passport {code[:40]!r}.")


async def list_passports(
    session: Session,
    actor: Actor,
    *,
    after: str | None,
    limit: int,
    asset_id: UUID | None = None,
    batch: str | None = None,
    status: PassportStatus | None = None,
) -> Sequence[Passport]:
    """Return passports in order of their codes, which says nothing about their age."""
    statement = _visible(actor).order_by(col(Passport.code)).limit(limit)
    if asset_id is not None:
        await find_asset(session, actor, asset_id)
        statement = statement.where(Passport.asset_id == asset_id)
    if batch is not None:
        statement = statement.where(Passport.batch == batch)
    if status is not None:
        statement = statement.where(Passport.status == status)
    if after is not None:
        statement = statement.where(Passport.code > after)
    return (await session.exec(statement)).all()


# --- making -----------------------------------------------------------------------------------------------


async def create(session: Session, actor: Actor, now: datetime, asset_id: UUID) -> Passport:
    """Give an asset a fresh code. It may carry several: a second label, a door and a machine room."""
    asset = await _lock_usable_asset(session, actor, asset_id)
    (code,) = new_codes(1)
    await directory.enlist(session, actor.tenant_id, DirectoryKind.PASSPORT, [code])
    passport = Passport(
        tenant_id=actor.tenant_id,
        code=code,
        asset_id=asset_id,
        status=PassportStatus.ACTIVE,
        created_at=now,
        claimed_at=now,
        claimed_by=actor.user_id,
    )
    session.add(passport)
    await session.flush()
    await _record(session, actor, "passport.created", passport, now)
    touch(session, asset)
    return passport


async def create_batch(
    session: Session, actor: Actor, now: datetime, *, batch: str, count: int
) -> tuple[str, ...]:
    """Make codes that are printed before anybody knows for which asset; return them.

    At most `MOST_CODES`. A batch's name is used once, so that an order sent twice prints one roll.
    """
    if not 1 <= count <= MOST_CODES:
        raise Invalid(
            f"A batch has 1 to {MOST_CODES} codes.",
            errors=[{"at": "/count", "detail": f"1 to {MOST_CODES}"}],
        )
    # Two orders of one name take turns on the tenant's row.
    await session.exec(
        select(Tenant.id).where(Tenant.id == actor.tenant_id).with_for_update(key_share=True)
    )
    named = select(Passport.code).where(
        Passport.tenant_id == actor.tenant_id, Passport.batch == batch
    )
    if (await session.exec(named.limit(1))).first() is not None:
        raise Conflict(f"There is already a batch '{batch}'. Give this one another name.")
    codes = new_codes(count)
    await directory.enlist(session, actor.tenant_id, DirectoryKind.PASSPORT, codes)
    await session.exec(
        insert(Passport),
        params=[
            {
                "tenant_id": actor.tenant_id,
                "code": code,
                "status": PassportStatus.UNCLAIMED,
                "batch": batch,
                "created_at": now,
            }
            for code in codes
        ],
    )
    await events.record(
        session,
        actor,
        "passport.printed_ahead",
        "tenant",
        actor.tenant_id,
        now=now,
        batch=batch,
        count=count,
    )
    return codes


async def claim(
    session: Session, actor: Actor, now: datetime, code: str, asset_id: UUID
) -> Passport:
    """Attach a pre-printed code to an asset. Doing it again changes nothing.

    A code that another asset already carries is a `Conflict` naming that asset: the label in hand belongs
    there, or that one was claimed by mistake. A retired or forwarded code is never used again.
    """
    passport = await lock_passport(session, actor, code)
    if passport.status == PassportStatus.ACTIVE and passport.asset_id == asset_id:
        await find_asset(session, actor, asset_id)
        return passport
    if passport.status == PassportStatus.ACTIVE and passport.asset_id is not None:
        holder = await find_asset(session, actor, passport.asset_id)
        raise Conflict(
            f"This code is already on asset {holder.number}, '{holder.name}'.",
            asset_id=str(holder.id),
            number=holder.number,
            name=holder.name,
        )
    if passport.status != PassportStatus.UNCLAIMED:
        raise Conflict(
            f"This code is {passport.status} and is never used again. Take a fresh label.",
            passport_status=passport.status,
        )
    asset = await _lock_usable_asset(session, actor, asset_id)
    passport.asset_id = asset_id
    passport.status = PassportStatus.ACTIVE
    passport.claimed_at = now
    passport.claimed_by = actor.user_id
    await session.flush()
    await _record(session, actor, "passport.claimed", passport, now)
    touch(session, asset)
    return passport


async def _lock_usable_asset(session: Session, actor: Actor, asset_id: UUID) -> Asset:
    asset = await lock_asset(session, actor, asset_id)
    if asset.retired_at is not None:
        raise Conflict(
            f"Asset {asset.number} is retired; a passport would lead nowhere.",
            asset_id=str(asset_id),
        )
    return asset


async def _record(
    session: Session, actor: Actor, kind: str, passport: Passport, now: datetime, **data: Any
) -> None:
    """Write the event on the asset, or on the tenant while no asset carries the code."""
    entity = "tenant" if passport.asset_id is None else "asset"
    await events.record(
        session,
        actor,
        kind,
        entity,
        passport.asset_id or actor.tenant_id,
        now=now,
        code=passport.code,
        **data,
    )


# --- ending -----------------------------------------------------------------------------------------------


async def retire(
    session: Session, actor: Actor, now: datetime, code: str, *, reason: str
) -> Passport:
    """Put a code out of use: scanning it says so (410). A lost roll of unclaimed labels too."""
    passport = await lock_passport(session, actor, code)
    if passport.status == PassportStatus.RETIRED:
        return passport
    passport.status = PassportStatus.RETIRED
    passport.forward_url = None
    await session.flush()
    await _record(session, actor, "passport.retired", passport, now, reason=reason)
    touch(session, passport)
    return passport


async def forward(
    session: Session, actor: Actor, now: datetime, code: str, *, url: str
) -> Passport:
    """Let another system answer for a code from now on (308). May be repeated with another URL."""
    passport = await lock_passport(session, actor, code)
    target = await _successor(session, actor, url)
    if passport.status == PassportStatus.UNCLAIMED:
        raise Conflict("This code is on no asset yet; there is nothing to forward.")
    if (passport.status, passport.forward_url) == (PassportStatus.FORWARDED, target):
        return passport
    passport.status = PassportStatus.FORWARDED
    passport.forward_url = target
    await session.flush()
    await _record(session, actor, "passport.forwarded", passport, now, url=target)
    touch(session, passport)
    return passport


async def reinstate(
    session: Session, actor: Actor, now: datetime, code: str, *, reason: str
) -> Passport:
    """Undo a retirement or forwarding that was a mistake: the code means the same asset as before.

    A code retired before anybody claimed it is unclaimed again.
    """
    passport = await lock_passport(session, actor, code)
    if passport.status in (PassportStatus.ACTIVE, PassportStatus.UNCLAIMED):
        return passport
    if passport.asset_id is None:
        passport.status = PassportStatus.UNCLAIMED
    else:
        await _lock_usable_asset(session, actor, passport.asset_id)
        passport.status = PassportStatus.ACTIVE
    passport.forward_url = None
    await session.flush()
    await _record(session, actor, "passport.reinstated", passport, now, reason=reason)
    touch(session, passport)
    return passport


async def _successor(session: Session, actor: Actor, url: str) -> str:
    """Return a successor system's URL, or refuse one that no phone should be sent to."""

    def refused(why: str) -> Invalid:
        return Invalid(why, errors=[{"at": "/url", "detail": why}])

    if any(c.isspace() or not c.isprintable() for c in url) or not url.isascii():
        raise refused("Write the address in ASCII, without spaces.")
    try:
        parts = urlsplit(url)
        host = passport_host(parts.hostname or "")
        port = parts.port
    except ValueError:
        raise refused("This is not an address.") from None
    if parts.scheme != "https" or "@" in parts.netloc or port == 0:
        raise refused("The successor's address must begin with https:// and a host name.")
    tenant = await find_tenant(session, actor)
    if host == tenant.passport_host:
        raise refused("This address leads back to your own passports.")
    return url


# --- labels -----------------------------------------------------------------------------------------------


async def find_tenant(session: Session, actor: Actor) -> Tenant:
    return (await session.exec(select(Tenant).where(Tenant.id == actor.tenant_id))).one()


def url_of(host: str | None, public_url: str, code: str) -> PassportUrl:
    """Return the address on the label: under the tenant's own host, else a marked trial address."""
    return own_url(host, code) if host else trial_url(public_url, code)


@dataclass(frozen=True, slots=True)
class LabelOrder:
    """Which labels: by code, by asset (its active codes), by batch. All that are named, each once."""

    codes: Sequence[str] = ()
    asset_ids: Sequence[UUID] = ()
    batch: str | None = None


async def labels_for(
    session: Session, actor: Actor, public_url: str, order: LabelOrder
) -> list[Label]:
    """Return labels in the order asked for: codes, then assets, then the batch.

    A code that may not be printed (retired, forwarded) or an asset without a passport refuses the order.
    """
    wanted = [_meant(code) for code in order.codes]
    conditions: list[ColumnElement[bool]] = [col(Passport.code).in_(wanted)]
    if order.asset_ids:
        conditions.append(
            col(Passport.asset_id).in_(order.asset_ids)
            & (col(Passport.status) == PassportStatus.ACTIVE)
        )
    if order.batch is not None:
        printable = (PassportStatus.ACTIVE, PassportStatus.UNCLAIMED)
        conditions.append(
            (col(Passport.batch) == order.batch) & col(Passport.status).in_(printable)
        )
    passports = {
        passport.code: passport
        for passport in await session.exec(
            _visible(actor).where(or_(*conditions)).order_by(col(Passport.code))
        )
    }
    chosen = _in_order(order, wanted, passports)
    if not chosen:
        raise NotFound("There is nothing to print: no such code, asset or batch.")
    tenant = await find_tenant(session, actor)
    details = await _model_names(session, actor, chosen)
    return [
        Label(
            url=url_of(tenant.passport_host, public_url, passport.code),
            short_code=short_code(passport.code),
            headline=tenant.name,
            detail=details.get(passport.asset_id, "") if passport.asset_id else "",
        )
        for passport in chosen
    ]


def _in_order(
    order: LabelOrder, wanted: Sequence[str], passports: Mapping[str, Passport]
) -> list[Passport]:
    chosen: dict[str, Passport] = {}
    for at, code in enumerate(wanted):
        passport = passports.get(code)
        if passport is None:
            raise NotFound(f"No passport {code!r}.", errors=[{"at": f"/codes/{at}"}])
        if passport.status not in (PassportStatus.ACTIVE, PassportStatus.UNCLAIMED):
            raise Conflict(
                f"The code {code} is {passport.status}; its label is not printed again.",
                errors=[{"at": f"/codes/{at}"}],
            )
        chosen.setdefault(code, passport)
    by_asset: dict[UUID, list[Passport]] = {}
    for passport in passports.values():
        if passport.asset_id is not None and passport.status == PassportStatus.ACTIVE:
            by_asset.setdefault(passport.asset_id, []).append(passport)
    for at, asset_id in enumerate(order.asset_ids):
        if asset_id not in by_asset:
            raise NotFound(
                f"Asset {asset_id} has no passport to print. Make one first.",
                errors=[{"at": f"/asset_ids/{at}"}],
            )
        for passport in by_asset[asset_id]:
            chosen.setdefault(passport.code, passport)
    if order.batch is not None:
        for passport in passports.values():
            if passport.batch == order.batch:
                chosen.setdefault(passport.code, passport)
    return list(chosen.values())


async def _model_names(
    session: Session, actor: Actor, passports: Sequence[Passport]
) -> dict[UUID, str]:
    """Return "manufacturer model" per asset: what stands on the machine anyway."""
    ids = {passport.asset_id for passport in passports if passport.asset_id is not None}
    if not ids:
        return {}
    statement = (
        visible_assets(actor)
        .join(
            AssetModel,
            (col(AssetModel.tenant_id) == Asset.tenant_id) & (col(AssetModel.id) == Asset.model_id),
        )
        .with_only_columns(col(Asset.id), col(AssetModel.manufacturer), col(AssetModel.name))
        .where(col(Asset.id).in_(ids))
    )
    rows = await (await session.connection()).execute(statement)
    return {asset_id: f"{manufacturer} {name}" for asset_id, manufacturer, name in rows}


# --- the host and the prefix ------------------------------------------------------------------------------


async def set_address(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    host: str | None,
    gs1_prefix: str | None,
) -> Tenant:
    """Set the DNS name that codes are printed under, and the GS1 company prefix; None takes one away.

    Labels already printed under an old name keep working as long as that name leads here: a code is found
    by itself. A host or prefix of another company of this installation is a `Conflict`.
    """
    statement = select(Tenant).where(Tenant.id == actor.tenant_id).with_for_update()
    tenant = (await session.exec(statement.execution_options(populate_existing=True))).one()
    host = passport_host(host) if host else None
    if gs1_prefix is not None and not (
        gs1_prefix.isascii() and gs1_prefix.isdigit() and 4 <= len(gs1_prefix) <= 12
    ):
        raise Invalid(
            "A GS1 company prefix has 4 to 12 digits.",
            errors=[{"at": "/gs1_prefix", "detail": "4 to 12 digits"}],
        )
    before = tenant.passport_host, tenant.gs1_prefix
    for kind, old, new in (
        (DirectoryKind.PASSPORT_HOST, tenant.passport_host, host),
        (DirectoryKind.GS1_PREFIX, tenant.gs1_prefix, gs1_prefix),
    ):
        if old is not None:
            await directory.delist(session, actor.tenant_id, kind, old)
        if new is not None:
            await directory.enlist(session, actor.tenant_id, kind, [new])
    tenant.passport_host, tenant.gs1_prefix = host, gs1_prefix
    await session.flush()
    if before != (host, gs1_prefix):
        await events.record(
            session,
            actor,
            "tenant.passport_address_set",
            "tenant",
            tenant.id,
            now=now,
            host=host,
            gs1_prefix=gs1_prefix,
        )
    return tenant
