"""Values that no body should hold: wrong kinds, impossible numbers and times, texts that hurt."""

from tests.fsm.hostile.cases import Case

INVALID = (422, "invalid-value")

NUMBERS = (
    [
        Case(
            f"{what} as money",
            *INVALID,
            "POST",
            "/api/rates",
            content=b'{"kind": "labour", "amount": %b, "currency": "EUR", "starts_on": "2027-01-01"}'
            % text,
            says="amount",
        )
        for what, text in {
            "less than nothing": b"-1",
            "a minus as text": b'"-0.01"',
            "a third decimal": b'"1.005"',
            "more than can be stored": b"1e15",
            "400 digits": b"9" * 400,
            "text": b'"a lot"',
            "NaN as text": b'"NaN"',
            "Infinity as text": b'"Infinity"',
            "yes": b"true",
            "a list": b"[1]",
            "nothing": b"null",
        }.items()
    ]
    + [
        Case(
            f"{what}, which JSON does not know",
            400,
            "malformed-request",
            "POST",
            "/api/rates",
            content=b'{"kind": "labour", "amount": %b, "currency": "EUR", "starts_on": "2027-01-01"}'
            % text,
        )
        for what, text in {"NaN": b"NaN", "Infinity": b"Infinity", "a plus sign": b"+1"}.items()
    ]
    + [
        Case(
            "1e400 as a latitude",
            400,
            "malformed-request",
            "PATCH",
            "/api/sites/<site>",
            content=b'{"rev": 1, "latitude": 1e400, "longitude": 2}',
            says="out of range",
        ),
        Case(
            "a latitude beyond the pole",
            *INVALID,
            "PATCH",
            "/api/sites/<site>",
            {"rev": 1, "latitude": 90.001, "longitude": 2},
            says="latitude",
        ),
        Case(
            "half a position",
            *INVALID,
            "PATCH",
            "/api/sites/<site>",
            {"rev": 1, "latitude": 48.8},
            says="come together",
        ),
        Case(
            "a rev beyond 64 bits",
            *INVALID,
            "PATCH",
            "/api/sites/<site>",
            {"rev": 2**63, "name": "x"},
            says="/rev",
        ),
        Case(
            "a priority of 2^70",
            *INVALID,
            "PATCH",
            "/api/contracts/<contract>",
            {"rev": 1, "priority": 2**70},
        ),
        Case(
            "a skill level of 99",
            *INVALID,
            "PUT",
            "/api/technicians/<technician>/skills",
            {"skills": [{"skill": "lift", "level": 99}]},
            says="/skills/0/level",
        ),
        Case(
            "a skill that nobody has heard of",
            *INVALID,
            "PUT",
            "/api/technicians/<technician>/skills",
            {"skills": [{"skill": "juggling", "level": 1}]},
            says="juggling",
        ),
        Case(
            "the same skill twice",
            *INVALID,
            "PUT",
            "/api/technicians/<technician>/skills",
            {"skills": [{"skill": "lift", "level": 1}, {"skill": "lift", "level": 2}]},
            says="twice",
        ),
        Case(
            "less than no parts",
            *INVALID,
            "POST",
            "/api/movements",
            {"part_id": "<part>", "kind": "receipt", "quantity": -5, "to_place_id": "<warehouse>"},
            says="quantity",
        ),
        Case(
            "0 parts",
            *INVALID,
            "POST",
            "/api/movements",
            {"part_id": "<part>", "kind": "receipt", "quantity": 0, "to_place_id": "<warehouse>"},
            says="quantity",
        ),
        Case(
            "a meter at minus one",
            422,
            "invalid-value",
            "POST",
            "/api/meters/<meter>/readings",
            {"read_at": "2026-03-20T10:00:00Z", "value": -1},
        ),
        Case("501 rows", *INVALID, "GET", "/api/assets?limit=501", says="limit"),
        Case("no rows", *INVALID, "GET", "/api/assets?limit=0", says="limit"),
        Case("many rows", *INVALID, "GET", "/api/assets?limit=many", says="limit"),
        Case("a cursor of somebody's own", *INVALID, "GET", "/api/assets?after=1%27", says="after"),
    ]
)

TIMES = (
    [
        Case(
            f"a failure {what}",
            *INVALID,
            "POST",
            "/api/assets/<asset>/failures",
            {"detected_at": text},
            says="detected_at",
        )
        for what, text in {
            "at a time without a zone": "2026-03-20T10:00:00",
            "on the 30th of February": "2026-02-30T10:00:00Z",
            "at a quarter past 25": "2026-03-20T25:15:00Z",
            "in the year 10000": "10000-01-01T00:00:00Z",
            "in seconds nobody counts": 1e30,
            "yesterday, as a word": "yesterday",
        }.items()
    ]
    + [
        Case(
            f"a failure in the year {year}",
            *INVALID,
            "POST",
            "/api/assets/<asset>/failures",
            {"detected_at": f"{year}-01-01T00:00:00+14:00"},
        )
        for year in ("0001", "9999")
    ]
    + [
        Case(
            f"a rate from the year {year}",
            *INVALID,
            "POST",
            "/api/rates",
            {"kind": "labour", "amount": 1, "currency": "EUR", "starts_on": f"{year}-12-31"},
            says="between 1970 and 2199",
        )
        for year in ("0001", "0206", "9999")
    ]
    + [
        Case(
            f"plans for the year {year}",
            *INVALID,
            "POST",
            "/api/plans",
            {"starts_on": f"{year}-01-01"},
        )
        for year in ("0001", "9999")
    ]
    + [
        Case(
            "a rate that ends before it begins",
            *INVALID,
            "POST",
            "/api/rates",
            {
                "kind": "labour",
                "amount": 1,
                "currency": "EUR",
                "starts_on": "2027-02-01",
                "ends_on": "2027-01-01",
            },
        ),
        Case(
            "a contract that ends before it begins",
            *INVALID,
            "POST",
            "/api/contracts",
            {
                "customer_id": "<customer>",
                "number": "K-9",
                "kind": "subscription",
                "starts_on": "2027-02-01",
                "ends_on": "2027-01-01",
            },
        ),
        Case(
            "an absence that ends before it begins",
            *INVALID,
            "POST",
            "/api/absences",
            {
                "technician_id": "<technician>",
                "starts_at": "2026-04-02T10:00:00Z",
                "ends_at": "2026-04-01T10:00:00Z",
            },
        ),
        Case(
            "an outage that ends before it begins",
            *INVALID,
            "POST",
            "/api/assets/<asset>/outages",
            {
                "from_at": "2026-03-20T10:00:00Z",
                "to_at": "2026-03-19T10:00:00Z",
                "cause": "failure",
            },
        ),
        Case(
            "a shift over another one",
            409,
            "conflict",
            "POST",
            "/api/technicians/<technician>/shifts",
            {
                "first_on": "2026-03-23",
                "last_on": "2026-03-23",
                "weekly": [{"day": "mon", "starts": "08:00", "ends": "12:00"}],
            },
        ),
        Case(
            "an import with a time in that hour",
            422,
            "import-refused",
            "POST",
            "/api/imports/failures?zone=Europe/Paris",
            content=b"number,asset,detected_at\nF-1,A-1,2026-03-29T02:30:00\n",
            headers={"Content-Type": "text/csv"},
            says="02:30",
        ),
        Case(
            "an import with a time of no zone",
            422,
            "import-refused",
            "POST",
            "/api/imports/failures",
            content=b"number,asset,detected_at\nF-1,A-1,2026-03-20T02:30:00\n",
            headers={"Content-Type": "text/csv"},
            says="zone",
        ),
        Case(
            "a zone on the moon",
            *INVALID,
            "PATCH",
            "/api/sites/<site>",
            {"rev": 1, "zone": "Moon/Tranquility"},
            says="zone",
        ),
        Case(
            "a zone that is a path",
            *INVALID,
            "PATCH",
            "/api/sites/<site>",
            {"rev": 1, "zone": "../../etc/passwd"},
            says="zone",
        ),
    ]
)

TEXTS = [
    Case(
        f"a customer whose name is {what}",
        *INVALID,
        "POST",
        "/api/customers",
        content=b'{"number": "C-9", "name": %b}' % text,
        says="name",
    )
    for what, text in {
        "empty": b'""',
        "blanks": b'"   "',
        "nothing": b"null",
        "a number": b"7",
        "an object": b'{"$ne": ""}',
        "NUL": b'"a\\u0000b"',
        "a megabyte": b'"' + b"x" * 1_000_000 + b'"',
    }.items()
] + [
    Case(
        "half a character (a lone surrogate)",
        400,
        "malformed-request",
        "POST",
        "/api/customers",
        content=b'{"number": "C-9", "name": "\\ud800"}',
    ),
    Case(
        "a member that nobody asked for",
        *INVALID,
        "POST",
        "/api/customers",
        {"number": "C-9", "name": "x", "tenant_id": "<missing>"},
        says="tenant_id",
    ),
    Case(
        "a rev for a row that is new",
        *INVALID,
        "POST",
        "/api/customers",
        {"number": "C-9", "name": "x", "is_admin": True},
        says="is_admin",
    ),
    Case("nothing that is needed", *INVALID, "POST", "/api/customers", {}, says="number"),
    Case("a list instead of an object", *INVALID, "POST", "/api/customers", []),
    Case("a word instead of an object", *INVALID, "POST", "/api/customers", "customer"),
    Case(
        "a number with a line break",
        *INVALID,
        "POST",
        "/api/customers",
        {"number": "C-9\r\nX: y", "name": "x"},
        says="number",
    ),
    Case(
        "an address without a domain",
        *INVALID,
        "POST",
        "/api/customers",
        {"number": "C-9", "name": "x", "email": "nobody"},
        says="email",
    ),
    Case(
        "a kind of contract that there is none of",
        *INVALID,
        "POST",
        "/api/contracts",
        {"customer_id": "<customer>", "number": "K", "kind": "lease", "starts_on": "2027-01-01"},
        says="kind",
    ),
    Case(
        "an id that is none",
        *INVALID,
        "POST",
        "/api/contacts",
        {"customer_id": "1; drop table customer", "name": "x"},
        says="customer_id",
    ),
    Case(
        "a country of three letters",
        *INVALID,
        "PATCH",
        "/api/sites/<site>",
        {"rev": 1, "country": "FRA"},
        says="country",
    ),
    Case(
        "a permission that there is none of",
        *INVALID,
        "POST",
        "/api/roles",
        {"code": "god", "name": "God", "permissions": ["everything"]},
        says="everything",
    ),
    Case(
        "a rule over and over",
        422,
        "template-invalid",
        "POST",
        "/api/checklists/<template>/versions",
        {"document": {"template_id": "lift-repair", "items": [{"id": "a"}] * 2}},
    ),
]

CASES = [*NUMBERS, *TIMES, *TEXTS]
