"""Files of customers and of their sites."""

from fsm.actors import Permission
from fsm.imports.cells import (
    CODE,
    COUNTRY,
    EMAIL,
    FLAG,
    LATITUDE,
    LINE,
    LONGITUDE,
    PHONE,
    TEXT,
    ZONE,
)
from fsm.imports.kind import Check, Column, Field, Kind, missing, or_empty, same

CUSTOMERS = Kind(
    name="customers",
    entity="customer",
    table="customer",
    about="Who owns the equipment.",
    columns=(
        Column("number", CODE, "the customer's number, which other files refer to", "C-1001", True,
               ("customer number", "customer no", "customer id")),
        Column("name", LINE, "as it stands on papers", "Grand Hotel", True, ("customer name",)),
        Column("tax_number", LINE, "VAT or tax number", "FR40303265045", aliases=("vat", "vat number")),
        Column("email", EMAIL, "where papers go", "desk@example.com", aliases=("mail",)),
        Column("phone", PHONE, "telephone", "+33 1 23 45 67 89", aliases=("telephone",)),
        Column("notes", TEXT, "anything else", aliases=("note", "comment")),
        Column("is_active", FLAG, "no: out of use; yes unless said", "yes", aliases=("active",)),
    ),
    reads=Permission.READ_CUSTOMERS,
    matches=("t.number = i.number",),
    keys=("i.number",),
    fields=(
        *same("number", "name", "tax_number", "email", "phone"),
        *or_empty("notes"),
        Field("is_active", "coalesce(i.is_active, true)", ("is_active",)),
    ),
    fixed={"created_at": ":now"},
    checks=(),
    export={
        "number": "t.number", "name": "t.name", "tax_number": "t.tax_number", "email": "t.email",
        "phone": "t.phone", "notes": "t.notes", "is_active": "t.is_active",
    },
    customer="t.id",
)  # fmt: skip

_POSITION_SOURCE = """case when i.latitude is null then null
    when t.latitude = i.latitude and t.longitude = i.longitude then t.position_source
    else 'import' end"""

SITES = Kind(
    name="sites",
    entity="site",
    table="site",
    about="Where equipment stands.",
    columns=(
        Column("number", CODE, "the site's number, which other files refer to", "S-17", True,
               ("site number", "site no", "site id")),
        Column("customer", CODE, "number of the customer", "C-1001", True,
               ("customer number", "customer no", "customer id")),
        Column("name", LINE, "what people call it", "Grand Hotel, rue de Rivoli", True, ("site name",)),
        Column("address", LINE, "street and house", "1 rue de Rivoli", aliases=("street",)),
        Column("city", LINE, "", "Paris", aliases=("town",)),
        Column("region", LINE, "for cuts in reports", "Île-de-France", aliases=("state", "district")),
        Column("country", COUNTRY, "ISO 3166-1", "FR", aliases=("country code",)),
        Column("latitude", LATITUDE, "WGS 84; with longitude or not at all", "48.8566", aliases=("lat",)),
        Column("longitude", LONGITUDE, "WGS 84", "2.3522", aliases=("lon", "lng")),
        Column("zone", ZONE, "its clocks; the file's zone, else the company's, unless said",
               "Europe/Paris", aliases=("time zone",)),
        Column("access_notes", TEXT, "how to get in", "Key at the desk", aliases=("access",)),
        Column("hazards", TEXT, "what to beware of", "Dog"),
        Column("is_active", FLAG, "no: out of use; yes unless said", "yes", aliases=("active",)),
    ),
    reads=Permission.READ_CUSTOMERS,
    matches=("t.number = i.number",),
    keys=("i.number",),
    joins="left join customer c on c.tenant_id = :tenant and c.number = i.customer",
    fields=(
        *same("number"),
        Field("customer_id", "c.id", ("customer",)),
        *same("name"),
        *or_empty("address", "city", "region", "country"),
        *same("latitude", "longitude"),
        # It follows the position and is no difference of its own.
        Field("position_source", _POSITION_SOURCE, ("latitude",), stored=_POSITION_SOURCE),
        Field("zone", "coalesce(i.zone, :zone)", ("zone",)),
        *or_empty("access_notes", "hazards"),
        Field("is_active", "coalesce(i.is_active, true)", ("is_active",)),
    ),
    fixed={"created_at": ":now", "radius_m": "300"},
    checks=(
        missing("customer", "customer", "c.id"),
        Check(
            "customer",
            "t.customer_id <> c.id",
            "'the site belongs to another customer; an import does not move it'",
        ),
        Check(
            "latitude",
            "(i.latitude is null) <> (i.longitude is null)",
            "'latitude and longitude come together'",
        ),
    ),
    export={
        "number": "t.number", "customer": "c.number", "name": "t.name", "address": "t.address",
        "city": "t.city", "region": "t.region", "country": "t.country", "latitude": "t.latitude",
        "longitude": "t.longitude", "zone": "t.zone", "access_notes": "t.access_notes",
        "hazards": "t.hazards", "is_active": "t.is_active",
    },
    export_joins="join customer c on c.tenant_id = t.tenant_id and c.id = t.customer_id",
    customer="t.customer_id",
)  # fmt: skip
