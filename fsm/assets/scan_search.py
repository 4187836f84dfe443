"""From whatever a signed-in person scanned or typed to the assets that carry it."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col, select

from fsm.actors import Actor
from fsm.assets.queries import visible_assets
from fsm.assets.scanned import Scheme, candidates
from fsm.assets.tables import Asset, Identifier, Passport, PassportStatus
from fsm.database import Session

MOST_MATCHES = 20


@dataclass(frozen=True, slots=True)
class Match:
    """An asset, and the reading of the scan that found it. `passport_status` for our own codes."""

    scheme: str
    value: str
    asset: Asset
    passport_status: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """`unclaimed` holds codes that are printed and on no asset yet: ready to be claimed."""

    matches: list[Match]
    unclaimed: list[str]


async def find_scanned(session: Session, actor: Actor, text: str) -> Found:
    """Return the assets that a scan may mean, those found by the most certain reading first.

    A serial number or the first half of a code may fit several; at most `MOST_MATCHES` are returned. A
    customer's user finds only their own assets, and no unclaimed codes.
    """
    readings = candidates(text)
    order = {(reading.scheme, reading.value): at for at, reading in enumerate(readings)}
    found = Found([], [])
    codes = [r.value for r in readings if r.scheme is Scheme.PASSPORT]
    beginnings = [r.value for r in readings if r.scheme is Scheme.SHORT_CODE]
    if codes or beginnings:
        await _by_code(session, actor, codes, beginnings, found)
    named = [r for r in readings if r.scheme not in (Scheme.PASSPORT, Scheme.SHORT_CODE)]
    if named:
        await _by_identifier(session, actor, [(str(r.scheme), r.value) for r in named], found)
        await _by_serial(
            session, actor, [r.value for r in named if r.scheme is Scheme.SERIAL], found
        )
    best: dict[UUID, Match] = {}
    for match in sorted(found.matches, key=lambda m: order.get((Scheme(m.scheme), m.value), 99)):
        best.setdefault(match.asset.id, match)
    return Found(list(best.values())[:MOST_MATCHES], found.unclaimed)


async def _by_code(
    session: Session, actor: Actor, codes: list[str], beginnings: list[str], found: Found
) -> None:
    conditions: list[ColumnElement[bool]] = [col(Passport.code).in_(codes)]
    conditions += [col(Passport.code).startswith(beginning) for beginning in beginnings]
    statement = (
        select(Passport)
        .where(Passport.tenant_id == actor.tenant_id, or_(*conditions))
        .order_by(col(Passport.code))
        .limit(MOST_MATCHES)
    )
    passports = (await session.exec(statement)).all()
    ids = {passport.asset_id for passport in passports if passport.asset_id is not None}
    assets = {
        asset.id: asset
        for asset in await session.exec(visible_assets(actor).where(col(Asset.id).in_(ids)))
    }
    for passport in passports:
        if passport.asset_id in assets:
            # What was scanned stays the value, so that the reading's certainty decides the order.
            scheme = Scheme.PASSPORT if passport.code in codes else Scheme.SHORT_CODE
            value = passport.code if scheme is Scheme.PASSPORT else passport.code[:8]
            found.matches.append(Match(scheme, value, assets[passport.asset_id], passport.status))
        elif passport.status == PassportStatus.UNCLAIMED and actor.customer_id is None:
            found.unclaimed.append(passport.code)


async def _by_identifier(
    session: Session, actor: Actor, named: list[tuple[str, str]], found: Found
) -> None:
    statement = (
        select(Identifier.scheme, Identifier.value, Asset)
        .join(
            Asset,
            (col(Asset.tenant_id) == Identifier.tenant_id) & (col(Asset.id) == Identifier.asset_id),
        )
        .where(
            Identifier.tenant_id == actor.tenant_id,
            or_(
                *(
                    and_(col(Identifier.scheme) == scheme, col(Identifier.value) == value)
                    for scheme, value in named
                )
            ),
        )
        .limit(MOST_MATCHES)
    )
    if actor.customer_id is not None:
        statement = statement.where(Asset.customer_id == actor.customer_id)
    for scheme, value, asset in await session.exec(statement):
        found.matches.append(Match(scheme, value, asset))


async def _by_serial(session: Session, actor: Actor, serials: list[str], found: Found) -> None:
    """Find by what the register says, too: a serial number, or the number people gave the asset."""
    statement = visible_assets(actor).where(
        or_(col(Asset.serial).in_(serials), col(Asset.number).in_(serials))
    )
    for asset in await session.exec(statement.order_by(col(Asset.id)).limit(MOST_MATCHES)):
        value = asset.serial if asset.serial in serials else asset.number
        found.matches.append(Match(Scheme.SERIAL, value or "", asset))
