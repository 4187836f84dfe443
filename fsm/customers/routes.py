"""Customers, their sites and the people to talk to."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

import msgspec
import pydantic
from litestar import Controller, Request, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED, HTTP_204_NO_CONTENT

from fsm import http
from fsm.actors import Actor, Permission
from fsm.customers import geocoding, queries
from fsm.customers.geocoding import Address, NoGeocoder, Outcome
from fsm.customers.tables import Contact, Customer, PositionSource, Site
from fsm.database import Database
from fsm.http import (
    Body,
    Code,
    Country,
    CurrentActor,
    DbSession,
    Email,
    Language,
    Latitude,
    Line,
    Longitude,
    Now,
    Phone,
    Revision,
    Short,
    Text,
    Zone,
    needs,
)
from fsm.problems import Conflict, StaleChange
from fsm.settings import Settings

OfCustomer = Annotated[UUID | None, QueryParameter(description="Only rows of this customer.")]
AtSite = Annotated[UUID | None, QueryParameter(description="Only people at this site.")]


class NewCustomer(Body):
    number: Code
    name: Line
    tax_number: Code | None = None
    email: Email | None = None
    phone: Phone | None = None
    notes: Text = ""


class CustomerEdit(Body):
    rev: Revision
    number: Code = ""
    name: Line = ""
    tax_number: Code | None = None
    email: Email | None = None
    phone: Phone | None = None
    notes: Text = ""
    is_active: bool = True


Radius = Annotated[
    int,
    pydantic.Field(
        ge=10, le=50_000, description="Metres around the position that belong to the site."
    ),
]


class Positioned(Body):
    """A position is both numbers or neither, in degrees WGS 84."""

    latitude: Latitude | None = None
    longitude: Longitude | None = None

    @pydantic.model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        sent = {"latitude", "longitude"} & self.model_fields_set
        if (self.latitude is None) != (self.longitude is None) or len(sent) == 1:
            raise ValueError("latitude and longitude come together")
        return self


class NewSite(Positioned):
    """A site; without `zone` it keeps the service company's own time."""

    customer_id: UUID
    number: Code
    name: Line
    address: Short = ""
    city: Short = ""
    region: Short = ""
    country: Country = ""
    radius_m: Radius = 300
    zone: Zone | None = None
    access_notes: Text = ""
    hazards: Text = ""


class SiteEdit(Positioned):
    rev: Revision
    number: Code = ""
    name: Line = ""
    address: Short = ""
    city: Short = ""
    region: Short = ""
    country: Country = ""
    radius_m: Radius = 300
    zone: Zone = ""
    access_notes: Text = ""
    hazards: Text = ""
    is_active: bool = True


class GeocodingOrder(Body):
    """`replace`: also where the position was set by hand or came with an import."""

    replace: bool = False


class NewContact(Body):
    customer_id: UUID
    site_id: UUID | None = None
    name: Line
    role: Short = ""
    phone: Phone | None = None
    email: Email | None = None
    language: Language = "en"


class ContactEdit(Body):
    rev: Revision
    site_id: UUID | None = None
    name: Line = ""
    role: Short = ""
    phone: Phone | None = None
    email: Email | None = None
    language: Language = "en"


class CustomerView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    number: str
    name: str
    tax_number: str | None
    email: str | None
    phone: str | None
    notes: str
    is_active: bool
    created_at: datetime

    @classmethod
    def of(cls, customer: Customer) -> "CustomerView":
        return cls(
            customer.id,
            customer.rev,
            customer.number,
            customer.name,
            customer.tax_number,
            customer.email,
            customer.phone,
            customer.notes,
            customer.is_active,
            customer.created_at,
        )


class CustomerPage(msgspec.Struct, frozen=True):
    items: list[CustomerView]
    next: str | None


class GeocodingView(msgspec.Struct, frozen=True):
    """How the lookup of the address went; `sentences` says it to people, by language."""

    outcome: Outcome
    sentences: dict[str, str]


class SiteView(msgspec.Struct, frozen=True):
    """A site; `geocoding` is there when its address was looked up for this answer."""

    id: UUID
    rev: int
    customer_id: UUID
    number: str
    name: str
    address: str
    city: str
    region: str
    country: str
    latitude: float | None
    longitude: float | None
    position_source: PositionSource | None
    radius_m: int
    zone: str
    access_notes: str
    hazards: str
    is_active: bool
    created_at: datetime
    geocoding: GeocodingView | None = None

    @classmethod
    def of(cls, site: Site, outcome: Outcome | None = None) -> "SiteView":
        return cls(
            site.id,
            site.rev,
            site.customer_id,
            site.number,
            site.name,
            site.address,
            site.city,
            site.region,
            site.country,
            site.latitude,
            site.longitude,
            None if site.position_source is None else PositionSource(site.position_source),
            site.radius_m,
            site.zone,
            site.access_notes,
            site.hazards,
            site.is_active,
            site.created_at,
            None if outcome is None else GeocodingView(outcome, geocoding.SENTENCES[outcome]),
        )


class SitePage(msgspec.Struct, frozen=True):
    items: list[SiteView]
    next: str | None


class ContactView(msgspec.Struct, frozen=True):
    id: UUID
    rev: int
    customer_id: UUID
    site_id: UUID | None
    name: str
    role: str
    phone: str | None
    email: str | None
    language: str

    @classmethod
    def of(cls, contact: Contact) -> "ContactView":
        return cls(
            contact.id,
            contact.rev,
            contact.customer_id,
            contact.site_id,
            contact.name,
            contact.role,
            contact.phone,
            contact.email,
            contact.language,
        )


class ContactPage(msgspec.Struct, frozen=True):
    items: list[ContactView]
    next: str | None


class CustomerController(Controller):
    path = "/api/customers"
    tags = ["Customers"]

    @get("/", opt=needs(Permission.READ_CUSTOMERS), summary="List and search customers")
    async def list_customers(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        q: http.Search = None,
        is_active: http.Active = None,
    ) -> CustomerPage:
        rows = await queries.list_customers(
            session, actor, q=q, is_active=is_active, after=page.after_id, limit=page.limit
        )
        return CustomerPage([CustomerView.of(customer) for customer in rows], page.next(rows))

    @post(
        "/",
        opt=needs(Permission.EDIT_CUSTOMERS),
        status_code=HTTP_201_CREATED,
        summary="Add a customer",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewCustomer]
    ) -> CustomerView:
        customer = await queries.add_customer(session, actor, now, **data.model_dump())
        return CustomerView.of(customer)

    @get("/{customer_id:uuid}", opt=needs(Permission.READ_CUSTOMERS), summary="One customer")
    async def one(
        self, session: DbSession, actor: CurrentActor, customer_id: FromPath[UUID]
    ) -> CustomerView:
        return CustomerView.of(await queries.find_customer(session, actor, customer_id))

    @patch(
        "/{customer_id:uuid}",
        opt=needs(Permission.EDIT_CUSTOMERS),
        summary="Edit a customer or put it out of use",
    )
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        customer_id: FromPath[UUID],
        data: JSONBody[CustomerEdit],
    ) -> CustomerView:
        customer = await queries.edit_customer(
            session, actor, now, customer_id, data.rev, data.changes()
        )
        return CustomerView.of(customer)


async def locate(
    request: Request[Any, Any, Any],
    actor: Actor,
    now: datetime,
    site: Site,
    *,
    asked: bool = False,
    replace: bool = False,
) -> SiteView:
    """Look up a saved site's address with no transaction open, store what was found, and answer both.

    Unless somebody `asked` for it, a site that was changed meanwhile is simply left as it is.
    """
    settings: Settings = request.app.state.settings
    database: Database = request.app.state.database
    address = Address.of(site)
    lookup = await geocoding.look_up(settings, address)
    try:
        async with database.transaction(actor.tenant_id) as session:
            placed = await queries.place_site(
                session, actor, now, site.id, address, lookup, replace=replace
            )
            return SiteView.of(placed, lookup.outcome)
    except (Conflict, StaleChange):
        if asked:
            raise
        return SiteView.of(site)


def wants_lookup(request: Request[Any, Any, Any], site: Site) -> bool:
    """Say whether a site that was just saved should get its position from the geocoder."""
    configured = request.app.state.settings.geocoder_url is not None
    return configured and site.latitude is None and bool(Address.of(site).text)


class SiteController(Controller):
    """What may ask the geocoder opens its own transactions: none stays open while the network is slow."""

    path = "/api/sites"
    tags = ["Customers"]

    @get("/", opt=needs(Permission.READ_CUSTOMERS), summary="List and search sites")
    async def list_sites(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        customer_id: OfCustomer = None,
        q: http.Search = None,
        is_active: http.Active = None,
    ) -> SitePage:
        rows = await queries.list_sites(
            session,
            actor,
            customer_id=customer_id,
            q=q,
            is_active=is_active,
            after=page.after_id,
            limit=page.limit,
        )
        return SitePage([SiteView.of(site) for site in rows], page.next(rows))

    @post(
        "/",
        opt=needs(Permission.EDIT_CUSTOMERS),
        status_code=HTTP_201_CREATED,
        summary="Add a site, looking its position up where a geocoder is configured",
    )
    async def add(
        self,
        request: Request[Any, Any, Any],
        actor: CurrentActor,
        now: Now,
        data: JSONBody[NewSite],
    ) -> SiteView:
        database: Database = request.app.state.database
        async with database.transaction(actor.tenant_id) as session:
            site = await queries.add_site(session, actor, now, **data.model_dump())
        if wants_lookup(request, site):
            return await locate(request, actor, now, site)
        return SiteView.of(site)

    @get("/{site_id:uuid}", opt=needs(Permission.READ_CUSTOMERS), summary="One site")
    async def one(
        self, session: DbSession, actor: CurrentActor, site_id: FromPath[UUID]
    ) -> SiteView:
        return SiteView.of(await queries.find_site(session, actor, site_id))

    @patch(
        "/{site_id:uuid}",
        opt=needs(Permission.EDIT_CUSTOMERS),
        summary="Edit a site or put it out of use",
    )
    async def edit(
        self,
        request: Request[Any, Any, Any],
        actor: CurrentActor,
        now: Now,
        site_id: FromPath[UUID],
        data: JSONBody[SiteEdit],
    ) -> SiteView:
        database: Database = request.app.state.database
        changes = data.changes()
        async with database.transaction(actor.tenant_id) as session:
            site = await queries.edit_site(session, actor, now, site_id, data.rev, changes)
        moved = {"address", "city", "region", "country"} & changes.keys()
        if moved and "latitude" not in changes and wants_lookup(request, site):
            return await locate(request, actor, now, site)
        return SiteView.of(site)

    @post(
        "/{site_id:uuid}/geocoding",
        opt=needs(Permission.EDIT_CUSTOMERS),
        status_code=HTTP_200_OK,
        summary="Look up a site's position from its address",
        responses=http.refusals(NoGeocoder),
    )
    async def geocode(
        self,
        request: Request[Any, Any, Any],
        actor: CurrentActor,
        now: Now,
        site_id: FromPath[UUID],
        data: JSONBody[GeocodingOrder],
    ) -> SiteView:
        database: Database = request.app.state.database
        async with database.transaction(actor.tenant_id) as session:
            site = await queries.find_site(session, actor, site_id)
        queries.check_replaceable(site, replace=data.replace)
        return await locate(request, actor, now, site, asked=True, replace=data.replace)


class ContactController(Controller):
    path = "/api/contacts"
    tags = ["Customers"]

    @get("/", opt=needs(Permission.READ_CUSTOMERS), summary="List and search contacts")
    async def list_contacts(
        self,
        session: DbSession,
        actor: CurrentActor,
        page: http.Page,
        customer_id: OfCustomer = None,
        site_id: AtSite = None,
        q: http.Search = None,
    ) -> ContactPage:
        rows = await queries.list_contacts(
            session,
            actor,
            customer_id=customer_id,
            site_id=site_id,
            q=q,
            after=page.after_id,
            limit=page.limit,
        )
        return ContactPage([ContactView.of(contact) for contact in rows], page.next(rows))

    @post(
        "/",
        opt=needs(Permission.EDIT_CUSTOMERS),
        status_code=HTTP_201_CREATED,
        summary="Add a contact",
    )
    async def add(
        self, session: DbSession, actor: CurrentActor, now: Now, data: JSONBody[NewContact]
    ) -> ContactView:
        contact = await queries.add_contact(session, actor, now, **data.model_dump())
        return ContactView.of(contact)

    @get("/{contact_id:uuid}", opt=needs(Permission.READ_CUSTOMERS), summary="One contact")
    async def one(
        self, session: DbSession, actor: CurrentActor, contact_id: FromPath[UUID]
    ) -> ContactView:
        return ContactView.of(await queries.find_contact(session, actor, contact_id))

    @patch("/{contact_id:uuid}", opt=needs(Permission.EDIT_CUSTOMERS), summary="Edit a contact")
    async def edit(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        contact_id: FromPath[UUID],
        data: JSONBody[ContactEdit],
    ) -> ContactView:
        contact = await queries.edit_contact(
            session, actor, now, contact_id, data.rev, data.changes()
        )
        return ContactView.of(contact)

    @delete(
        "/{contact_id:uuid}",
        opt=needs(Permission.EDIT_CUSTOMERS),
        status_code=HTTP_204_NO_CONTENT,
        summary="Erase a contact that nothing names",
    )
    async def remove(
        self, session: DbSession, actor: CurrentActor, now: Now, contact_id: FromPath[UUID]
    ) -> None:
        await queries.delete_contact(session, actor, now, contact_id)


ROUTES = [CustomerController, SiteController, ContactController]
