"""Customers, sites and contacts: everything that touches the database.

A customer's user sees that customer's rows: here another customer's row does not exist either.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlmodel import col, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from fsm import events
from fsm.actors import Actor
from fsm.customers.geocoding import Address, Lookup
from fsm.customers.tables import Contact, Customer, PositionSource, Site
from fsm.database import Session, revise, touch
from fsm.problems import Conflict, Forbidden, Invalid, StaleChange
from fsm.tenants.queries import find_own_tenant

# --- customers --------------------------------------------------------------------------------------------


def _own_customers(actor: Actor) -> SelectOfScalar[Customer]:
    statement = select(Customer).where(Customer.tenant_id == actor.tenant_id)
    if actor.customer_id is not None:
        statement = statement.where(Customer.id == actor.customer_id)
    return statement


async def find_customer(session: Session, actor: Actor, customer_id: UUID) -> Customer:
    statement = _own_customers(actor).where(Customer.id == customer_id)
    return await session.found(statement, f"No customer {customer_id}.")


async def lock_customer(session: Session, actor: Actor, customer_id: UUID) -> Customer:
    statement = _own_customers(actor).where(Customer.id == customer_id).with_for_update()
    return await session.found(statement, f"No customer {customer_id}.")


async def list_customers(
    session: Session,
    actor: Actor,
    *,
    q: str | None = None,
    is_active: bool | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> list[Customer]:
    """Return customers in order of id; `q` is text in the name or number, in any case."""
    statement = _own_customers(actor).order_by(col(Customer.id)).limit(limit)
    if q:
        statement = statement.where(
            or_(
                col(Customer.name).icontains(q, autoescape=True),
                col(Customer.number).icontains(q, autoescape=True),
            )
        )
    if is_active is not None:
        statement = statement.where(Customer.is_active == is_active)
    if after is not None:
        statement = statement.where(Customer.id > after)
    return list(await session.exec(statement))


async def add_customer(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    number: str,
    name: str,
    tax_number: str | None = None,
    email: str | None = None,
    phone: str | None = None,
    notes: str = "",
) -> Customer:
    if actor.customer_id is not None:
        raise Forbidden("A customer's user adds no other customers.")
    customer = Customer(
        tenant_id=actor.tenant_id,
        number=number,
        name=name,
        tax_number=tax_number,
        email=email,
        phone=phone,
        notes=notes,
        created_at=now,
    )
    session.add(customer)
    await session.flush()
    await events.record(
        session, actor, "customer.created", "customer", customer.id, now=now, number=number
    )
    touch(session, customer)
    return customer


async def edit_customer(
    session: Session,
    actor: Actor,
    now: datetime,
    customer_id: UUID,
    rev: int | None,
    changes: Mapping[str, Any],
) -> Customer:
    """Edit a customer or put it out of use. Its sites, assets and history stay as they are."""
    customer = await lock_customer(session, actor, customer_id)
    if revise(customer, rev, changes):
        await events.record(
            session,
            actor,
            "customer.edited",
            "customer",
            customer_id,
            now=now,
            fields=sorted(changes),
        )
        touch(session, customer)
    return customer


# --- sites ------------------------------------------------------------------------------------------------


def _own_sites(actor: Actor) -> SelectOfScalar[Site]:
    statement = select(Site).where(Site.tenant_id == actor.tenant_id)
    if actor.customer_id is not None:
        statement = statement.where(Site.customer_id == actor.customer_id)
    return statement


async def find_site(session: Session, actor: Actor, site_id: UUID) -> Site:
    return await session.found(_own_sites(actor).where(Site.id == site_id), f"No site {site_id}.")


async def lock_site(session: Session, actor: Actor, site_id: UUID) -> Site:
    """Return one site and hold its row; others may still refer to it meanwhile.

    Whoever works on a job there refers to it: a hold that kept them out would deadlock two phones.
    """
    statement = _own_sites(actor).where(Site.id == site_id).with_for_update(key_share=True)
    return await session.found(statement, f"No site {site_id}.")


async def list_sites(
    session: Session,
    actor: Actor,
    *,
    customer_id: UUID | None = None,
    q: str | None = None,
    is_active: bool | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> list[Site]:
    """Return sites in order of id; `q` is text in name, number, address or city, in any case."""
    statement = _own_sites(actor).order_by(col(Site.id)).limit(limit)
    if customer_id is not None:
        statement = statement.where(Site.customer_id == customer_id)
    if q:
        statement = statement.where(
            or_(
                *(
                    col(column).icontains(q, autoescape=True)
                    for column in (Site.name, Site.number, Site.address, Site.city)
                )
            )
        )
    if is_active is not None:
        statement = statement.where(Site.is_active == is_active)
    if after is not None:
        statement = statement.where(Site.id > after)
    return list(await session.exec(statement))


async def add_site(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    customer_id: UUID,
    number: str,
    name: str,
    address: str = "",
    city: str = "",
    region: str = "",
    country: str = "",
    latitude: float | None = None,
    longitude: float | None = None,
    position_source: PositionSource = PositionSource.HAND,
    radius_m: int = 300,
    zone: str | None = None,
    access_notes: str = "",
    hazards: str = "",
) -> Site:
    """Create a site of a customer. Without a zone it has the service company's own.

    `position_source` counts only where a position is given. The customer must exist (`Invalid`).
    """
    owner = await session.exec(_own_customers(actor).where(Customer.id == customer_id))
    if owner.one_or_none() is None:
        raise Invalid(
            f"No customer {customer_id}.",
            errors=[{"at": "/customer_id", "detail": "unknown customer"}],
        )
    site = Site(
        tenant_id=actor.tenant_id,
        customer_id=customer_id,
        number=number,
        name=name,
        address=address,
        city=city,
        region=region,
        country=country,
        latitude=latitude,
        longitude=longitude,
        position_source=None if latitude is None else position_source,
        radius_m=radius_m,
        zone=zone or (await find_own_tenant(session, actor.tenant_id)).zone,
        access_notes=access_notes,
        hazards=hazards,
        created_at=now,
    )
    session.add(site)
    await session.flush()
    await events.record(
        session,
        actor,
        "site.created",
        "site",
        site.id,
        now=now,
        number=number,
        customer_id=str(customer_id),
    )
    touch(session, site)
    return site


async def edit_site(
    session: Session,
    actor: Actor,
    now: datetime,
    site_id: UUID,
    rev: int | None,
    changes: Mapping[str, Any],
) -> Site:
    """Edit a site or put it out of use; latitude and longitude come together or not at all.

    A position in `changes` counts as set by hand. One that the geocoder found for the old address goes
    with that address.
    """
    site = await lock_site(session, actor, site_id)
    before = Address.of(site)
    changes = dict(changes)
    if "latitude" in changes:
        placed = changes["latitude"] is not None
        changes["position_source"] = PositionSource.HAND if placed else None
    else:
        after = Address(
            changes.get("address", site.address),
            changes.get("city", site.city),
            changes.get("region", site.region),
            changes.get("country", site.country),
        )
        if after != before and site.position_source == PositionSource.GEOCODER:
            changes |= {"latitude": None, "longitude": None, "position_source": None}
    if revise(site, rev, changes):
        await events.record(
            session,
            actor,
            "site.edited",
            "site",
            site_id,
            now=now,
            changes=msgspec.to_builtins(changes),
            rev=site.rev,
        )
        touch(session, site)
    return site


async def place_site(
    session: Session,
    actor: Actor,
    now: datetime,
    site_id: UUID,
    address: Address,
    lookup: Lookup,
    *,
    replace: bool = False,
) -> Site:
    """Store a position that a lookup of `address` found, and return the site; without one, nothing changes.

    Refused when the address changed meanwhile, and when a position would be lost that a person or an
    import set, unless `replace`.
    """
    site = await lock_site(session, actor, site_id)
    if lookup.latitude is None:
        return site
    if Address.of(site) != address:
        raise StaleChange(
            "The site's address was changed while it was looked up. Look it up again.", rev=site.rev
        )
    check_replaceable(site, replace=replace)
    changes = {
        "latitude": lookup.latitude,
        "longitude": lookup.longitude,
        "position_source": PositionSource.GEOCODER,
    }
    if revise(site, None, changes):
        await events.record(
            session,
            actor,
            "site.located",
            "site",
            site_id,
            now=now,
            latitude=lookup.latitude,
            longitude=lookup.longitude,
        )
        touch(session, site)
    return site


def check_replaceable(site: Site, *, replace: bool) -> None:
    """Refuse to overwrite a position from a better source than a geocoder, unless `replace`."""
    if not replace and site.position_source in (PositionSource.HAND, PositionSource.IMPORT):
        raise Conflict(
            "This site's position was not found by the geocoder but given. "
            "Send 'replace': true to look it up all the same.",
            position_source=site.position_source,
        )


# --- contacts ---------------------------------------------------------------------------------------------


def _own_contacts(actor: Actor) -> SelectOfScalar[Contact]:
    statement = select(Contact).where(Contact.tenant_id == actor.tenant_id)
    if actor.customer_id is not None:
        statement = statement.where(Contact.customer_id == actor.customer_id)
    return statement


async def find_contact(session: Session, actor: Actor, contact_id: UUID) -> Contact:
    return await session.found(
        _own_contacts(actor).where(Contact.id == contact_id), f"No contact {contact_id}."
    )


async def lock_contact(session: Session, actor: Actor, contact_id: UUID) -> Contact:
    """Return one contact and hold its row; others may still refer to it meanwhile."""
    statement = _own_contacts(actor).where(Contact.id == contact_id).with_for_update(key_share=True)
    return await session.found(statement, f"No contact {contact_id}.")


async def list_contacts(
    session: Session,
    actor: Actor,
    *,
    customer_id: UUID | None = None,
    site_id: UUID | None = None,
    q: str | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> list[Contact]:
    """Return contacts in order of id; `q` is text in name, e-mail or phone, in any case."""
    statement = _own_contacts(actor).order_by(col(Contact.id)).limit(limit)
    if customer_id is not None:
        statement = statement.where(Contact.customer_id == customer_id)
    if site_id is not None:
        statement = statement.where(Contact.site_id == site_id)
    if q:
        statement = statement.where(
            or_(
                *(
                    col(column).icontains(q, autoescape=True)
                    for column in (Contact.name, Contact.email, Contact.phone)
                )
            )
        )
    if after is not None:
        statement = statement.where(Contact.id > after)
    return list(await session.exec(statement))


async def _check_site(session: Session, actor: Actor, customer_id: UUID, site_id: UUID) -> None:
    statement = _own_sites(actor).where(Site.id == site_id, Site.customer_id == customer_id)
    if (await session.exec(statement)).one_or_none() is None:
        raise Invalid(
            f"The customer has no site {site_id}.",
            errors=[{"at": "/site_id", "detail": "not a site of this customer"}],
        )


async def add_contact(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    customer_id: UUID,
    name: str,
    site_id: UUID | None = None,
    role: str = "",
    phone: str | None = None,
    email: str | None = None,
    language: str = "en",
) -> Contact:
    """Create a person at a customer, or at one of that customer's sites."""
    owner = await session.exec(_own_customers(actor).where(Customer.id == customer_id))
    if owner.one_or_none() is None:
        raise Invalid(
            f"No customer {customer_id}.",
            errors=[{"at": "/customer_id", "detail": "unknown customer"}],
        )
    if site_id is not None:
        await _check_site(session, actor, customer_id, site_id)
    contact = Contact(
        tenant_id=actor.tenant_id,
        customer_id=customer_id,
        site_id=site_id,
        name=name,
        role=role,
        phone=phone,
        email=email,
        language=language,
    )
    session.add(contact)
    await session.flush()
    await events.record(
        session,
        actor,
        "contact.created",
        "contact",
        contact.id,
        now=now,
        customer_id=str(customer_id),
    )
    touch(session, contact)
    return contact


async def edit_contact(
    session: Session,
    actor: Actor,
    now: datetime,
    contact_id: UUID,
    rev: int | None,
    changes: Mapping[str, Any],
) -> Contact:
    """Edit a contact. History keeps which fields changed and no personal data: it can never be erased."""
    contact = await lock_contact(session, actor, contact_id)
    if changes.get("site_id") is not None:
        await _check_site(session, actor, contact.customer_id, changes["site_id"])
    if revise(contact, rev, changes):
        await events.record(
            session,
            actor,
            "contact.edited",
            "contact",
            contact_id,
            now=now,
            fields=sorted(changes),
            rev=contact.rev,
        )
        touch(session, contact)
    return contact


async def delete_contact(session: Session, actor: Actor, now: datetime, contact_id: UUID) -> None:
    """Erase a person's data. Refused (`InUse`) while requests or jobs still name the contact."""
    contact = await lock_contact(session, actor, contact_id)
    await session.delete(contact)
    await session.flush()
    await events.record(
        session,
        actor,
        "contact.deleted",
        "contact",
        contact_id,
        now=now,
        customer_id=str(contact.customer_id),
    )
    touch(session, contact)
