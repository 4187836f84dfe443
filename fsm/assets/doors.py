"""The look-ups of a stranger at a label: from what was scanned to the little that may be shown.

Nobody is signed in, so these functions are given no actor; their names say so. They return what a passer-by
may see and never a customer, a site's address or a history.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select

from fsm.assets.passport_code import (
    BadPassportCode,
    PassportUrl,
    UnprintableIdentifier,
    giai_url,
    gtin_url,
    normalise_code,
    short_code,
)
from fsm.assets.passports import url_of
from fsm.assets.resolver import Standing
from fsm.assets.scanned import Scheme, product_value
from fsm.assets.tables import Asset, AssetModel, Identifier, Passport, PassportScan
from fsm.customers.tables import Site
from fsm.database import Session, enter
from fsm.tenants import directory
from fsm.tenants.tables import DirectoryKind, Tenant

_TAIL = 4
_PREFIX_LENGTHS = range(4, 13)


@dataclass(frozen=True, slots=True)
class Key:
    """What stands in the address of a label: a passport's code, a GIAI, or a GTIN with its serial.

    `path` is the label's own path on its host, as it was asked for.
    """

    scheme: Scheme
    value: str
    path: str

    @property
    def shown(self) -> str:
        """What a person reads on the label."""
        return short_code(self.value) if self.scheme is Scheme.PASSPORT else self.value


def code_key(code: str) -> Key:
    """Return the key of `/p/CODE`. What cannot be a code stays as it is and will not be found."""
    try:
        value = normalise_code(code)
    except BadPassportCode:
        value = _storable(code)
    return Key(Scheme.PASSPORT, value, f"/p/{value}")


def asset_key(giai: str) -> Key:
    """Return the key of `/8004/GIAI`."""
    value = _storable(giai)
    return Key(Scheme.GS1_ASSET, value, f"/8004/{value}")


def product_key(gtin: str, serial: str) -> Key:
    """Return the key of `/01/GTIN/21/SERIAL`; a GTIN with a wrong check digit will not be found."""
    gtin, serial = _storable(gtin), _storable(serial)
    try:
        value = product_value(gtin, serial)
    except UnprintableIdentifier:
        value = f"{gtin}/{serial}"
    return Key(Scheme.GS1_PRODUCT, value, f"/01/{gtin}/21/{serial}")


def _storable(text: str) -> str:
    """Return what a stranger wrote into an address as far as a row can hold it."""
    return "".join(c for c in text if c.isprintable())[:200]


@dataclass(frozen=True, slots=True)
class Machine:
    """What a stranger may know of an asset. `zone` is the site's; `asset_id` is never shown."""

    asset_id: UUID
    model: str
    manufacturer: str
    serial_tail: str | None
    photo_sha256: bytes | None
    zone: str


@dataclass(frozen=True, slots=True)
class Door:
    """What a label leads to. `machine` is set while the code is good; `url` as printed on the label."""

    key: Key
    tenant_id: UUID
    service_name: str
    standing: Standing
    url: PassportUrl
    machine: Machine | None = None
    forward_url: str | None = None


def serial_tail(serial: str | None) -> str | None:
    """Return the last characters of a serial number: enough to notice a swapped sticker, at most half."""
    if not serial:
        return None
    return serial[-min(_TAIL, max(1, len(serial) // 2)) :]


async def find_tenant_without_actor(session: Session, key: Key, host: str) -> UUID | None:
    """Return the tenant that a label belongs to, None when nobody's.

    A passport's code is in the directory. A GS1 key belongs to whoever owns its company prefix. An unknown
    code belongs to the tenant whose host it was scanned under, or to the only one of the installation.
    """
    if key.scheme is Scheme.PASSPORT:
        tenant_id = await directory.find_tenant(session, DirectoryKind.PASSPORT, key.value)
    else:
        # The prefix begins at the first digit of a GIAI, at the second of a GTIN of 14.
        digits = key.value[1:] if key.scheme is Scheme.GS1_PRODUCT else key.value
        tenant_id = await _owner_of_prefix(session, digits)
    return tenant_id or await find_host_tenant_without_actor(session, host)


async def _owner_of_prefix(session: Session, digits: str) -> UUID | None:
    for length in reversed(_PREFIX_LENGTHS):
        if len(digits) > length and digits[:length].isdigit():
            found = await directory.find_tenant(session, DirectoryKind.GS1_PREFIX, digits[:length])
            if found is not None:
                return found
    return None


async def find_host_tenant_without_actor(session: Session, host: str) -> UUID | None:
    """Return the tenant whose passports live under `host`; else the only tenant there is, else None."""
    name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
    found = await directory.find_tenant(session, DirectoryKind.PASSPORT_HOST, name)
    if found is None:
        tenants: Sequence[UUID] = await directory.list_tenants(session)
        found = tenants[0] if len(tenants) == 1 else None
    return found


async def open_door_without_actor(
    session: Session, key: Key, host: str, public_url: str
) -> Door | None:
    """Bind the transaction to the label's tenant and return what it leads to; None when it is nobody's."""
    tenant_id = await find_tenant_without_actor(session, key, host)
    if tenant_id is None:
        return None
    await enter(session, tenant_id)
    tenant = (await session.exec(select(Tenant).where(Tenant.id == tenant_id))).one()
    standing, asset_id, forward_url = await _standing(session, tenant_id, key)
    machine = None
    if asset_id is not None and standing is Standing.ACTIVE:
        machine = await _machine(session, tenant_id, asset_id)
        if machine is None:
            standing = Standing.RETIRED
    return Door(
        key=key,
        tenant_id=tenant_id,
        service_name=tenant.name,
        standing=standing,
        url=_printed(tenant, public_url, key),
        machine=machine,
        forward_url=forward_url,
    )


async def _standing(
    session: Session, tenant_id: UUID, key: Key
) -> tuple[Standing, UUID | None, str | None]:
    if key.scheme is Scheme.PASSPORT:
        passport = (
            await session.exec(
                select(Passport).where(Passport.tenant_id == tenant_id, Passport.code == key.value)
            )
        ).one_or_none()
        if passport is None:
            return Standing.UNKNOWN, None, None
        return Standing(passport.status), passport.asset_id, passport.forward_url
    statement = select(Identifier.asset_id).where(
        Identifier.tenant_id == tenant_id,
        Identifier.scheme == key.scheme,
        Identifier.value == key.value,
    )
    asset_id = (await session.exec(statement)).one_or_none()
    return (Standing.UNKNOWN if asset_id is None else Standing.ACTIVE), asset_id, None


async def _machine(session: Session, tenant_id: UUID, asset_id: UUID) -> Machine | None:
    """Return what may be shown of an asset in service, None when it is retired."""
    statement = (
        select(  # type: ignore[call-overload]  # sqlmodel types four columns at most
            col(AssetModel.name),
            col(AssetModel.manufacturer),
            col(AssetModel.photo_sha256),
            col(Asset.serial),
            col(Site.zone),
            col(Asset.retired_at),
        )
        .select_from(Asset)
        .join(
            AssetModel,
            (col(AssetModel.tenant_id) == Asset.tenant_id) & (col(AssetModel.id) == Asset.model_id),
        )
        .join(Site, (col(Site.tenant_id) == Asset.tenant_id) & (col(Site.id) == Asset.site_id))
        .where(Asset.tenant_id == tenant_id, Asset.id == asset_id)
    )
    row = (await session.exec(statement)).one()
    model, manufacturer, photo, serial, zone, retired_at = row
    if retired_at is not None:
        return None
    return Machine(asset_id, model, manufacturer, serial_tail(serial), photo, zone)


def _printed(tenant: Tenant, public_url: str, key: Key) -> PassportUrl:
    """Return the label's own absolute address; a key that no label could carry gets its path only."""
    root = f"https://{tenant.passport_host}" if tenant.passport_host else public_url
    try:
        if key.scheme is Scheme.PASSPORT:
            return url_of(tenant.passport_host, public_url, key.value)
        if tenant.passport_host and key.scheme is Scheme.GS1_ASSET:
            return giai_url(tenant.passport_host, tenant.gs1_prefix, key.value)
        if tenant.passport_host and key.scheme is Scheme.GS1_PRODUCT:
            gtin, _, serial = key.value.partition("/")
            return gtin_url(tenant.passport_host, tenant.gs1_prefix, gtin, serial)
    except (BadPassportCode, UnprintableIdentifier):
        pass
    return PassportUrl(root + key.path, is_trial=tenant.passport_host is None)


async def record_scan_without_actor(
    session: Session, door: Door, visitor: str, now: datetime
) -> None:
    """Log one scan. A position is never taken here: it would need the scanner's consent."""
    session.add(
        PassportScan(
            tenant_id=door.tenant_id,
            code=door.key.value[:255],
            asset_id=door.machine.asset_id if door.machine else None,
            scanned_at=now,
            visitor=visitor,
        )
    )


@dataclass(frozen=True, slots=True)
class Service:
    """The company whose labels live under a host."""

    name: str
    host: str | None
    has_gs1_prefix: bool


async def describe_host_without_actor(session: Session, host: str) -> Service | None:
    """Return the company that resolves labels under a host; binds the transaction to it."""
    tenant_id = await find_host_tenant_without_actor(session, host)
    if tenant_id is None:
        return None
    await enter(session, tenant_id)
    tenant = (await session.exec(select(Tenant).where(Tenant.id == tenant_id))).one()
    return Service(tenant.name, tenant.passport_host, tenant.gs1_prefix is not None)
