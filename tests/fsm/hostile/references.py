"""Ids that lead to somebody else, to nothing, round in circles, or twice to the same place."""

from typing import Any

from tests.fsm.hostile.cases import Case

NOT_FOUND = (404, "not-found")

READ = [
    "/api/customers/<their.customer>",
    "/api/sites/<their.site>",
    "/api/contacts/<their.contact>",
    "/api/asset-models/<their.model>",
    "/api/assets/<their.asset>",
    "/api/assets/<their.asset>/tree",
    "/api/assets/<their.asset>/history",
    "/api/assets/<their.asset>/meters",
    "/api/assets/<their.asset>/failures",
    "/api/assets/<their.asset>/documents",
    "/api/assets/<their.asset>/identifiers",
    "/api/meters/<their.meter>/readings",
    "/api/contracts/<their.contract>",
    "/api/contracts/<their.contract>/assets",
    "/api/calendars/<their.calendar>/versions",
    "/api/service-levels/<their.level>/versions",
    "/api/work-types/<their.work_type>",
    "/api/work-types/<their.work_type>/versions",
    "/api/checklists/<their.template>/versions",
    "/api/checklist-versions/<their.checklist>",
    "/api/technicians/<their.technician>",
    "/api/parts/<their.part>",
    "/api/parts/<their.part>/prices",
    "/api/stock-places/<their.warehouse>",
    "/api/passports/<their.code>",
    "/api/passports/<their.code>/label.svg",
    "/api/work-orders/<their.asset>",
    "/api/visits/<missing>",
    "/api/maintenance-plans/<their.asset>",
    "/api/maintenance-plans/<missing>/coming",
]

EDITED = [
    "/api/customers/<their.customer>",
    "/api/sites/<their.site>",
    "/api/contacts/<their.contact>",
    "/api/asset-models/<their.model>",
    "/api/assets/<their.asset>",
    "/api/contracts/<their.contract>",
    "/api/service-levels/<their.level>",
    "/api/calendars/<their.calendar>",
    "/api/technicians/<their.technician>",
    "/api/skills/<their.skill>",
    "/api/parts/<their.part>",
    "/api/stock-places/<their.warehouse>",
    "/api/work-types/<their.work_type>",
    "/api/checklists/<their.template>",
    "/api/users/<their.user>",
]

REMOVED = [
    "/api/contacts/<their.contact>",
    "/api/skills/<their.skill>",
    "/api/stock-places/<their.van>",
]

NAMED = [
    ("/api/sites", {"customer_id": "<their.customer>", "number": "S-9", "name": "x"}),
    ("/api/contacts", {"customer_id": "<their.customer>", "name": "x"}),
    ("/api/contacts", {"customer_id": "<customer>", "site_id": "<their.site>", "name": "x"}),
    ("/api/assets", {"site_id": "<their.site>", "model_id": "<model>", "number": "A", "name": "x"}),
    ("/api/assets", {"site_id": "<site>", "model_id": "<their.model>", "number": "A", "name": "x"}),
    (
        "/api/assets",
        {
            "site_id": "<site>",
            "model_id": "<model>",
            "parent_id": "<their.asset>",
            "number": "A",
            "name": "x",
        },
    ),
    (
        "/api/contracts",
        {
            "customer_id": "<their.customer>",
            "number": "K-9",
            "kind": "subscription",
            "starts_on": "2027-01-01",
        },
    ),
    (
        "/api/contracts",
        {
            "customer_id": "<customer>",
            "service_level_id": "<their.level>",
            "number": "K-9",
            "kind": "subscription",
            "starts_on": "2027-01-01",
        },
    ),
    ("/api/contracts/<contract>/assets", {"asset_id": "<their.asset>", "starts_on": "2027-01-01"}),
    ("/api/service-levels", {"code": "x", "name": "x", "calendar_id": "<their.calendar>"}),
    ("/api/technicians", {"number": "T-9", "name": "x", "user_id": "<their.user>"}),
    (
        "/api/absences",
        {
            "technician_id": "<their.technician>",
            "starts_at": "2026-04-01T10:00:00Z",
            "ends_at": "2026-04-02T10:00:00Z",
        },
    ),
    (
        "/api/rates",
        {
            "technician_id": "<their.technician>",
            "kind": "labour",
            "amount": 1,
            "currency": "EUR",
            "starts_on": "2027-01-01",
        },
    ),
    (
        "/api/stock-places",
        {"code": "v9", "name": "x", "kind": "van", "technician_id": "<their.technician>"},
    ),
    (
        "/api/movements",
        {"part_id": "<their.part>", "kind": "receipt", "quantity": 1, "to_place_id": "<warehouse>"},
    ),
    (
        "/api/movements",
        {"part_id": "<part>", "kind": "receipt", "quantity": 1, "to_place_id": "<their.warehouse>"},
    ),
    ("/api/work-orders", {"work_type": "repair", "asset_id": "<their.asset>", "title": "x"}),
    ("/api/work-orders", {"work_type": "repair", "site_id": "<their.site>", "title": "x"}),
    ("/api/checklist-assignments", {"template_id": "<their.template>", "asset_id": "<asset>"}),
    ("/api/checklist-assignments", {"template_id": "<template>", "asset_id": "<their.asset>"}),
    ("/api/passports", {"asset_id": "<their.asset>"}),
    ("/api/passports/<their.code>/claim", {"asset_id": "<asset>"}),
    ("/api/passports/<their.code>/retirement", {"reason": "mine now"}),
    ("/api/label-sheets", {"codes": ["<their.code>"]}),
    ("/api/label-sheets", {"asset_ids": ["<their.asset>"]}),
    ("/api/service-requests", {"asset_id": "<their.asset>", "text": "broken", "impact": "stopped"}),
    (
        "/api/users",
        {"login": "x@x", "name": "x", "role": "customer", "customer_id": "<their.customer>"},
    ),
    (
        "/api/visits",
        {
            "work_order_id": "<missing>",
            "technician_id": "<their.technician>",
            "starts_at": "2026-03-24T09:00:00Z",
            "ends_at": "2026-03-24T10:00:00Z",
        },
    ),
]
"""Requests whose body names a row of another tenant: it does not exist, or the value is not acceptable."""

AS_AN_ADDRESS = {
    ("/api/absences", "technician_id"),
    ("/api/rates", "technician_id"),
    ("/api/work-orders", "asset_id"),
    ("/api/work-orders", "site_id"),
    ("/api/checklist-assignments", "template_id"),
    ("/api/passports", "asset_id"),
    ("/api/label-sheets", "codes"),
    ("/api/label-sheets", "asset_ids"),
    ("/api/visits", "technician_id"),
}
"""Where a row that the body names is what the request is about, it is missed as if it stood in the path."""

TWICE = [
    Case(
        "a customer's number a second time",
        409,
        "conflict",
        "POST",
        "/api/customers",
        {"number": "C-1", "name": "x"},
    ),
    Case(
        "an asset's id a second time",
        409,
        "conflict",
        "POST",
        "/api/assets",
        {"id": "<asset>", "site_id": "<site>", "model_id": "<model>", "number": "A-9", "name": "x"},
    ),
    Case(
        "a login a second time",
        409,
        "conflict",
        "POST",
        "/api/users",
        {"login": "DISPATCHER@acme", "name": "x", "role": "dispatcher"},
    ),
    Case(
        "another tenant's login",
        409,
        "conflict",
        "POST",
        "/api/users",
        {"login": "dispatcher@other", "name": "x", "role": "dispatcher"},
    ),
    Case(
        "an asset under itself",
        409,
        "asset-ring",
        "POST",
        "/api/assets/<asset>/move",
        {"rev": 1, "parent_id": "<asset>"},
    ),
    Case(
        "an edit of what somebody else has changed",
        409,
        "stale-change",
        "PATCH",
        "/api/customers/<customer>",
        {"rev": 999, "name": "Old news"},
    ),
    Case(
        "a skill that work needs removed",
        409,
        "in-use",
        "DELETE",
        "/api/skills/<skill>",
    ),
    Case(
        "a place's code a second time",
        409,
        "conflict",
        "POST",
        "/api/stock-places",
        {"code": "van-1", "name": "x", "kind": "warehouse"},
    ),
]


def _named(path: str, body: dict[str, Any]) -> Case:
    """Return a case: an address of theirs does not exist, a value of theirs is none that is acceptable."""
    names = [name for name, value in body.items() if "<their." in str(value)]
    if not names or "<their." in path:
        return Case(f"POST {path}", *NOT_FOUND, "POST", path, body)
    status, code = NOT_FOUND if (path, names[0]) in AS_AN_ADDRESS else (422, "invalid-value")
    return Case(f"POST {path}: {names[0]}", status, code, "POST", path, body)


CASES = [
    *(Case(f"GET {path}", *NOT_FOUND, "GET", path) for path in READ),
    *(
        Case(f"PATCH {path}", *NOT_FOUND, "PATCH", path, {"rev": 1, "name": "Mine"})
        for path in EDITED
    ),
    *(Case(f"DELETE {path}", *NOT_FOUND, "DELETE", path) for path in REMOVED),
    *(_named(path, body) for path, body in NAMED),
    *TWICE,
]
