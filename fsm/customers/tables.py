"""Who owns the equipment and where it stands."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlmodel import Field

from fsm.database import Revised, check, instant, link, lookup, one_of, refusal, unique
from fsm.problems import Conflict


class PositionSource(StrEnum):
    HAND = "hand"
    IMPORT = "import"
    GEOCODER = "geocoder"


class Customer(Revised, table=True):
    __table_args__ = (unique("number"), lookup("customer_name_idx", "name"))
    number: str = Field(max_length=60)
    name: str
    tax_number: str | None = None
    email: str | None = None
    phone: str | None = None
    notes: str = ""
    is_active: bool = True
    created_at: datetime = instant()


class Site(Revised, table=True):
    """Where assets stand. Position in degrees WGS 84; `zone` is an IANA name and rules its clocks.

    What lies within `radius_m` metres of the position is at the site.
    """

    __table_args__ = (
        link("customer_id", "customer"),
        unique("number"),
        unique("id", "customer_id"),
        lookup("site_customer_idx", "customer_id"),
        check("latitude", "latitude between -90 and 90"),
        check("longitude", "longitude between -180 and 180"),
        check("position", "(latitude is null) = (longitude is null)"),
        check("radius", "radius_m between 10 and 50000"),
        one_of("position_source", PositionSource),
    )
    customer_id: UUID
    number: str = Field(max_length=60)
    name: str
    address: str = ""
    city: str = ""
    region: str = ""
    country: str = Field(default="", max_length=2)
    latitude: float | None = None
    longitude: float | None = None
    position_source: str | None = Field(default=None, max_length=10)
    radius_m: int = 300
    zone: str = "UTC"
    access_notes: str = ""
    hazards: str = ""
    is_active: bool = True
    created_at: datetime = instant()


class Contact(Revised, table=True):
    """A person at the customer; with `site_id`, at that site."""

    __table_args__ = (
        link("customer_id", "customer"),
        link("site_id", "site"),
        lookup("contact_customer_idx", "customer_id"),
    )
    customer_id: UUID
    site_id: UUID | None = None
    name: str
    role: str = ""
    phone: str | None = None
    email: str | None = None
    language: str = "en"


refusal("customer_number_key", Conflict, "There is already a customer with this number.")
refusal("site_number_key", Conflict, "There is already a site with this number.")
