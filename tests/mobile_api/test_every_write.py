"""No write forgets the phones: every door that writes is walked, and the phone has what it should after each.

A new writing route, kind of import, reaction or round that is not walked here fails the test.
"""

from datetime import timedelta
from typing import Any

import httpx
from litestar import Litestar
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.app import create_app
from fsm.database import Database
from fsm.imports.kinds import KINDS
from fsm.settings import Settings
from fsm.technicians.tables import Technician
from fsm.work_orders.tables import Review
from fsm.worker import REACTIONS, ROUNDS
from tests.company import CHECKLIST, SERVICE_LEVEL, WORKING_HOURS, Company
from tests.conftest import Clock
from tests.mobile_api.phones import Phone, new_phone
from tests.mobile_api.photos import BYTES, TUS, snap, upload_metadata
from tests.mobile_api.walking import Walk, writing_routes

NOT_WALKED = {
    "POST /api/sign-in": "writes sessions, which no phone shows",
    "DELETE /api/sign-in": "the same",
    "POST /api/sign-in/renewal": "the same",
    "PUT /api/me/password": "needs a password to be replaced; no phone shows one",
    "POST /api/coverage": "answers a question",
    "POST /api/label-sheets": "draws",
    "POST /api/checklists/validation": "answers a question",
    "POST /api/sites/{}/geocoding": "asks a server elsewhere; the same `place_site` as a PATCH",
    "POST /sync/v1/reconcile": "reads",
}
"""Writing methods that are not walked, with the reason."""

ADAPTERS = "/compat/"
"""Doors of the adapters end in the same push; their own tests audit the feed."""


async def make(
    walk: Walk, path: str, body: dict[str, Any], *shows: str, role: str = "administrator"
) -> dict[str, Any]:
    made: dict[str, Any] = await walk.step("POST", path, body, shows=shows, role=role)
    return made


async def edit(
    walk: Walk, path: str, row: dict[str, Any], *shows: str, **changes: Any
) -> dict[str, Any]:
    edited: dict[str, Any] = await walk.step(
        "PATCH", f"{path}/{row['id']}", {"rev": row["rev"], **changes}, shows=shows
    )
    return edited


async def read(walk: Walk, path: str) -> Any:
    answer = await walk.client.get(path, headers=walk.company.headers["administrator"])
    assert answer.status_code == 200, answer.text
    return answer.json()


async def dispatch(walk: Walk, **visit: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make a job on the company's lift and send it to the phone."""
    now = walk.clock()
    job = await make(
        walk,
        "/api/work-orders",
        {"work_type": "repair", "asset_id": str(walk.company.asset.id), "title": "Door"},
    )
    visit = await make(
        walk,
        "/api/visits",
        {
            "work_order_id": job["id"],
            "technician_id": str(walk.company.technician.id),
            "starts_at": (now + timedelta(hours=1)).isoformat(),
            "ends_at": (now + timedelta(hours=2)).isoformat(),
        },
    )
    (visit,) = await walk.step(
        "POST",
        "/api/visits/dispatching",
        {"visit_ids": [visit["id"]]},
        shows=("visits", "work_orders"),
    )
    return job, visit


async def catalogue(walk: Walk) -> None:
    company, now = walk.company, walk.clock()
    part = await make(walk, "/api/parts", {"number": "P-9", "name": "Belt"}, "parts")
    await edit(walk, "/api/parts", part, "parts", name="Belt, long")
    price = {"cost": "1.00", "price": "2.00", "starts_on": "2026-04-01"}
    one = await make(walk, f"/api/parts/{part['id']}/prices", price)
    await walk.step("POST", f"/api/part-prices/{one['id']}/end", {"ends_on": "2026-05-01"})
    later = await make(
        walk, f"/api/parts/{part['id']}/prices", {**price, "starts_on": "2027-01-01"}
    )
    await walk.step("DELETE", f"/api/part-prices/{later['id']}")
    place = await make(
        walk, "/api/stock-places", {"code": "W-9", "name": "Shelf", "kind": "warehouse"}
    )
    place = await edit(walk, "/api/stock-places", place, name="Shelves")
    await make(
        walk,
        "/api/movements",
        {
            "part_id": part["id"],
            "kind": "receipt",
            "quantity": "5",
            "to_place_id": str(company.warehouse.id),
        },
    )
    await walk.step("DELETE", f"/api/stock-places/{place['id']}")
    reason = await make(
        walk, "/api/reasons", {"kind": "abort", "code": "rain", "names": {"en": "Rain"}}, "reasons"
    )
    await edit(walk, "/api/reasons", reason, "reasons", names={"en": "Heavy rain"})
    contents = {
        "names": {"en": "Inspection"},
        "request_class": "service_request",
        "maintenance": "preventive",
    }
    kind = await make(
        walk,
        "/api/work-types",
        {**contents, "code": "inspection", "name": "Inspection"},
        "work_types",
    )
    await make(walk, f"/api/work-types/{kind['id']}/versions", contents)
    await edit(walk, "/api/work-types", kind, "work_types", name="Yearly inspection")
    template = await make(walk, "/api/checklists", {"code": "yearly", "name": "Yearly"})
    document = {**CHECKLIST, "template_id": "yearly", "version": 1}
    await make(
        walk, f"/api/checklists/{template['id']}/versions", {"document": document}, "templates"
    )
    assigned = await make(
        walk,
        "/api/checklist-assignments",
        {"template_id": template["id"], "work_type_id": kind["id"]},
    )
    await walk.step("DELETE", f"/api/checklist-assignments/{assigned['id']}")
    await edit(walk, "/api/checklists", template, "templates", name="Every year")
    calendar = await make(walk, "/api/calendars", {"code": "night", "name": "Night"})
    await edit(walk, "/api/calendars", calendar, name="Nights")
    await make(walk, f"/api/calendars/{calendar['id']}/versions", {"body": WORKING_HOURS})
    level = await make(
        walk,
        "/api/service-levels",
        {"code": "silver", "name": "Silver", "calendar_id": calendar["id"]},
    )
    await edit(walk, "/api/service-levels", level, name="Silver plus")
    await make(walk, f"/api/service-levels/{level['id']}/versions", {"body": SERVICE_LEVEL})
    assert now == walk.clock()


async def customers_and_assets(walk: Walk) -> None:
    company, now = walk.company, walk.clock()
    await dispatch(walk)
    for path, row, changes, shows in (
        ("customers", company.customer, {"phone": "+33 1 00 00 00 00"}, "customers"),
        ("sites", company.site, {"hazards": "Dog"}, "sites"),
        ("contacts", company.contact, {"role": "Porter"}, "contacts"),
        ("asset-models", company.model, {"name": "LX 5 S"}, "models"),
        ("assets", company.asset, {"place": "Lobby"}, "assets"),
        ("meters", company.meter, {"name": "Running hours"}, "assets"),
    ):
        held = await read(walk, f"/api/{path}/{row.id}") if path != "meters" else {}
        rev = held.get("rev", 1)
        await edit(walk, f"/api/{path}", {"id": str(row.id), "rev": rev}, shows, **changes)
    lift = f"/api/assets/{company.asset.id}"
    customer = await make(walk, "/api/customers", {"number": "C-9", "name": "Museum"})
    await make(walk, "/api/sites", {"customer_id": customer["id"], "number": "S-9", "name": "Hall"})
    contact = await make(
        walk,
        "/api/contacts",
        {"customer_id": str(company.customer.id), "name": "Paul"},
        "contacts",
    )
    await walk.step("DELETE", f"/api/contacts/{contact['id']}", shows=("contacts",))
    model = await make(
        walk, "/api/asset-models", {"code": "D-1", "manufacturer": "Otto", "name": "Door"}
    )
    door = await make(
        walk,
        "/api/assets",
        {
            "site_id": str(company.site.id),
            "model_id": model["id"],
            "number": "A-9",
            "name": "Door",
            "parent_id": str(company.asset.id),
        },
        "assets",
        "models",
    )
    await make(
        walk, f"/api/assets/{door['id']}/move", {"rev": door["rev"], "parent_id": None}, "assets"
    )
    door = await read(walk, f"/api/assets/{door['id']}")
    await make(
        walk,
        f"/api/assets/{door['id']}/move",
        {"rev": door["rev"], "parent_id": str(company.asset.id)},
        "assets",
    )
    door = await read(walk, f"/api/assets/{door['id']}")
    now = walk.clock.forward(minutes=1)
    retired = {"rev": door["rev"], "retired_at": now.isoformat()}
    await make(walk, f"/api/assets/{door['id']}/retirement", retired, "assets")
    door = await read(walk, f"/api/assets/{door['id']}")
    now = walk.clock.forward(minutes=1)
    returned = {"rev": door["rev"], "returned_at": now.isoformat()}
    await make(walk, f"/api/assets/{door['id']}/return-to-service", returned, "assets")
    identifier = await make(
        walk, f"{lift}/identifiers", {"scheme": "inventory", "value": "17"}, "assets"
    )
    await walk.step("DELETE", f"{lift}/identifiers/{identifier['id']}", shows=("assets",))
    await make(walk, f"{lift}/meters", {"code": "trips", "name": "Trips", "unit": "1"}, "assets")
    await make(
        walk,
        f"/api/meters/{company.meter.id}/readings",
        {"read_at": now.isoformat(), "value": "120"},
        "assets",
    )
    failure = await make(
        walk, f"{lift}/failures", {"detected_at": now.isoformat(), "is_degraded": True}
    )
    failure = await edit(walk, "/api/failures", failure, mode="door")
    await make(
        walk,
        f"/api/failures/{failure['id']}/restoration",
        {"restored_at": now.isoformat()},
    )
    outage = await make(
        walk,
        f"/api/assets/{door['id']}/outages",
        {"from_at": (now - timedelta(hours=1)).isoformat(), "cause": "planned"},
    )
    outage = await edit(walk, "/api/outages", outage, cause="external")
    await make(walk, f"/api/outages/{outage['id']}/end", {"to_at": now.isoformat()})
    manual = await walk.step("POST", "/api/files", content=b"%PDF-1.7 a manual")
    about = {"sha256": manual["sha256"], "title": "Manual"}
    document = await make(walk, f"{lift}/documents", about, "documents")
    await make(walk, f"/api/asset-models/{company.model.id}/documents", about, "documents")
    await walk.step("DELETE", f"/api/asset-documents/{document['id']}", shows=("documents",))


async def passports(walk: Walk) -> None:
    company = walk.company
    passport = await make(walk, "/api/passports", {"asset_id": str(company.asset.id)}, "assets")
    code = f"/api/passports/{passport['code']}"
    await make(walk, f"{code}/retirement", {"reason": "worn"}, "assets")
    await make(walk, f"{code}/reinstatement", {"reason": "found"}, "assets")
    await make(walk, f"{code}/forwarding", {"url": "https://elsewhere.example.com/x"}, "assets")
    batch = await make(walk, "/api/passport-batches", {"batch": "roll 9", "count": 2})
    (blank, *_) = batch["codes"]
    await make(walk, f"/api/passports/{blank}/claim", {"asset_id": str(company.asset.id)}, "assets")
    address = {"host": "id.acme.example.com", "gs1_prefix": "9506000"}
    await walk.step("PUT", "/api/passport-address", address)
    for scheme, value in (("gs1:8004", "9506000A1"), ("gs1:01+21", "09506000134352/S-1")):
        await make(
            walk,
            f"/api/assets/{company.asset.id}/identifiers",
            {"scheme": scheme, "value": value},
            "assets",
        )
    form = {"text": "The door does not close", "impact": "stopped"}
    for path in (f"/p/{company.passport.code}", "/8004/9506000A1", "/01/09506000134352/21/S-1"):
        await walk.step("POST", f"{path}/report", headers={}, data=form)
        await walk.step("POST", f"{path}/wrong-label", headers={}, data={"reason": "other"})
    complaints = await read(walk, "/api/label-complaints")
    complaint = complaints["items"][0]
    await make(walk, f"/api/label-complaints/{complaint['id']}/settlement", {"settlement": "new"})


async def contracts(walk: Walk) -> None:
    company = walk.company
    contract = await make(
        walk,
        "/api/contracts",
        {
            "customer_id": str(company.customer.id),
            "number": "K-9",
            "kind": "subscription",
            "starts_on": "2026-01-01",
            "ends_on": "2026-12-31",
        },
    )
    path = f"/api/contracts/{contract['id']}"
    contract = await edit(walk, "/api/contracts", contract, name="Full service")
    line = await make(walk, f"{path}/assets", {"asset_id": str(company.asset.id)})
    await walk.step("PATCH", f"{path}/assets/{line['id']}", {"ends_on": "2026-06-30"})
    await make(walk, f"{path}/renewal", {"number": "K-10"})
    later = await make(
        walk,
        f"{path}/assets",
        {"asset_id": str(company.asset.id), "starts_on": "2026-08-01"},
    )
    await walk.step("DELETE", f"{path}/assets/{later['id']}")


async def people(walk: Walk) -> None:
    company = walk.company
    skill = await make(walk, "/api/skills", {"code": "crane", "name": "Cranes"})
    skill = await edit(walk, "/api/skills", skill, name="Large cranes")
    await walk.step("DELETE", f"/api/skills/{skill['id']}")
    technician = await make(
        walk, "/api/technicians", {"number": "T-9", "name": "Clara", "zone": "Europe/Paris"}
    )
    clara = f"/api/technicians/{technician['id']}"
    mine = await read(walk, f"/api/technicians/{company.technician.id}")
    await edit(walk, "/api/technicians", mine, "visits", name="Boris the Second")
    await walk.step("PUT", f"{clara}/skills", {"skills": [{"skill": "lift", "level": 3}]})
    await make(
        walk,
        f"{clara}/shifts",
        {
            "first_on": "2026-03-23",
            "last_on": "2026-03-27",
            "weekly": [
                {"day": day, "starts": "08:00", "ends": "16:00"} for day in ("mon", "tue", "wed")
            ],
        },
    )
    shifts = await read(
        walk, f"/api/shifts?first_on=2026-03-23&last_on=2026-03-27&technician_id={technician['id']}"
    )
    shifts = shifts["items"] if isinstance(shifts, dict) else shifts
    await edit(walk, "/api/shifts", shifts[0], overtime_s=600)
    await walk.step("DELETE", f"/api/shifts/{shifts[1]['id']}")
    await walk.step("DELETE", f"{clara}/shifts?first_on=2026-03-23&last_on=2026-03-27")
    absence = await make(
        walk,
        "/api/absences",
        {"technician_id": technician["id"], "first_on": "2026-04-01", "last_on": "2026-04-02"},
    )
    absence = await edit(walk, "/api/absences", absence, note="ill")
    await walk.step("DELETE", f"/api/absences/{absence['id']}")
    rate = {"kind": "labour", "amount": "55.00", "technician_id": technician["id"]}
    one = await make(walk, "/api/rates", {**rate, "starts_on": "2026-01-01"})
    await make(walk, f"/api/rates/{one['id']}/end", {"ends_on": "2026-12-31"})
    later = await make(walk, "/api/rates", {**rate, "starts_on": "2027-01-01"})
    await walk.step("DELETE", f"/api/rates/{later['id']}")
    role = await make(walk, "/api/roles", {"code": "clerk", "name": "Clerk", "permissions": []})
    await edit(walk, "/api/roles", role, name="Clerks")
    user = await make(walk, "/api/users", {"login": "clerk@acme", "name": "Clerk", "role": "clerk"})
    await edit(walk, "/api/users", user, name="Clerk One")


async def jobs(walk: Walk) -> None:
    company, now = walk.company, walk.clock()
    job, visit = await dispatch(walk)
    job = await read(walk, f"/api/work-orders/{job['id']}")
    await edit(walk, "/api/work-orders", job, "work_orders", title="Door of the second floor")
    visit = await edit(
        walk,
        "/api/visits",
        visit,
        "visits",
        planned_ends_at=(now + timedelta(hours=3)).isoformat(),
    )
    await make(
        walk,
        f"/api/work-orders/{job['id']}/reclassing",
        {"request_class": "service_request", "reason": "misreported"},
        "work_orders",
    )
    async with walk.database.transaction(company.id) as session:
        clara = (await session.exec(select(Technician.id).where(Technician.number == "T-9"))).one()
    moved = await edit(walk, "/api/visits", visit, "work_orders", technician_id=str(clara))
    await make(walk, f"/api/visits/{moved['id']}/withdrawal", {"reason": "not needed"})
    job, visit = await dispatch(walk)
    await make(walk, f"/api/visits/{visit['id']}/withdrawal", {"reason": "x"}, "work_orders")
    job, _ = await dispatch(walk)
    await make(
        walk,
        f"/api/work-orders/{job['id']}/cancellation",
        {"reason": "customer"},
        "work_orders",
        "visits",
    )
    about = {
        "text": "It rattles",
        "asset_id": str(company.asset.id),
        "impact": "degraded",
    }
    first, second, third = [
        (await make(walk, "/api/service-requests", about))["request"] for _ in range(3)
    ]
    await make(
        walk,
        f"/api/service-requests/{first['id']}/reclassing",
        {"request_class": "service_request", "reason": "misreported"},
    )
    await make(walk, f"/api/service-requests/{second['id']}/merging", {"into_id": first["id"]})
    await make(walk, f"/api/service-requests/{third['id']}/declining", {"reason": "no"})
    await make(walk, f"/api/service-requests/{first['id']}/acceptance", {"work_type": "repair"})
    plan = await make(walk, "/api/plans", {"starts_on": now.date().isoformat(), "seconds": 0.5})
    await walk.work()
    await make(walk, f"/api/plans/{plan['id']}/acceptance", {})
    await make(walk, f"/api/plans/{plan['id']}/undoing", {})


async def upload(walk: Walk, photo: Any, content: bytes) -> None:
    headers = {
        **walk.phone.headers,
        **BYTES,
        "Upload-Length": str(len(content)),
        "Upload-Metadata": upload_metadata(photo.metadata),
    }
    await walk.step("POST", "/files", headers=headers, content=content, shows=("photos",))


async def field_work(walk: Walk) -> None:
    """A visit from the first tap to the closure, a late fact, a reopening, and a stolen phone."""
    company, phone = walk.company, walk.phone
    job, visit = await dispatch(walk)
    mine = {"visit_id": visit["id"]}
    photo = snap(3)
    part = str(company.part.id)

    async def tap(kind: str, /, *shows: str, **data: Any) -> dict[str, Any]:
        walk.clock.forward(minutes=1)
        about = {} if kind.endswith(".suggest") else mine
        intent = phone.intent(kind, **about, **data)
        body = {"device_id": phone.device_id, "intents": [intent]}
        answer = await walk.step("POST", "/sync/v1/push", body, headers=phone.headers, shows=shows)
        (outcome,) = answer["outcomes"]
        assert outcome["status"] == "applied", outcome
        return intent

    await tap("visit.travel", "visits")
    await tap("visit.delay", minutes=5)
    await tap("visit.arrive", "visits", "work_orders")
    await tap("visit.start", "visits")
    await tap("visit.pause", "visits", reason="parts")
    await tap("visit.resume", "visits")
    await tap("answer.set", "visits", item="safe", value=True)
    await tap("answer.set", "visits", item="reading", value=120)
    await tap("note.add", "visits", text="worn")
    now = walk.clock()
    span = {"from": (now - timedelta(minutes=5)).isoformat(), "to": now.isoformat()}
    entry = await tap("time.add", "visits", kind="work", **span)
    await tap("time.correct", "visits", of=entry["id"], **span)
    await tap("part.use", "visits", part_id=part, qty=1)
    await tap("part.request", part_id=part, qty=1)
    await tap("scope.change", lines=[], price="1 EUR", consent=None)
    await tap("failure.record", asset_id=str(company.asset.id), mode="door")
    await tap("signature.decline", "visits", item="after", reason="absent")
    asset = await read(walk, f"/api/assets/{company.asset.id}")
    await tap(
        "asset.suggest",
        "assets",
        asset_id=str(company.asset.id),
        base_rev=asset["rev"],
        fields={"notes": "new rope"},
    )
    declared = {
        "item": "after",
        "slot": 0,
        "sha256": photo.sha256,
        "size": len(photo.content),
        "mime": "image/jpeg",
        "captured_at": now.isoformat(),
    }
    await tap("photo.add", "photos", photo_id=str(photo.photo_id), **declared)
    second = str(uuid7())
    await tap("photo.add", "photos", photo_id=second, **{**declared, "slot": 1})
    await tap("signature.add", "visits", item="after", photo_id=second, name="Anne")
    await tap("photo.retract", "photos", photo_id=second, reason="blurred")
    await tap("visit.finish", "visits", "work_orders")
    await upload(walk, photo, photo.content)
    await walk.work()
    found = await read(walk, f"/api/work-orders/{job['id']}")
    assert found["status"] == "completed"
    path = f"/api/work-orders/{job['id']}"
    await make(walk, f"{path}/closure", {"facts_rev": found["facts_rev"]}, "work_orders")
    await tap("note.add", text="forgot to say")
    await make(walk, f"{path}/reopening", {"reason": "not_fixed"}, "work_orders")
    await walk.work()
    await tap("follow_up.request", reason="two people")
    async with walk.database.transaction(company.id) as session:
        review = (await session.exec(select(Review.id).where(Review.kind == "part_request"))).one()
    await make(walk, f"/api/reviews/{review}/settlement", {"settlement": "ordered"})
    job, visit = await dispatch(walk)
    mine["visit_id"] = visit["id"]
    await tap("visit.reject", "work_orders", reason="overload")
    job, visit = await dispatch(walk)
    mine["visit_id"] = visit["id"]
    await tap("visit.abort", "visits", reason="no_access")


async def waivers(walk: Walk) -> None:
    """An item that the office may waive: a version of the checklist that says so comes first."""
    company = walk.company
    items = [{**item, "waiver": "office"} for item in CHECKLIST["items"]]
    document = {**CHECKLIST, "version": 2, "items": items}
    await make(
        walk,
        f"/api/checklists/{company.checklist.template_id}/versions",
        {"document": document},
        "templates",
    )
    job, _ = await dispatch(walk)
    await make(
        walk, f"/api/work-orders/{job['id']}/waivers", {"item": "reading", "reason": "no gauge"}
    )


async def uploads(walk: Walk) -> None:
    """An upload begun, continued both ways, and ended."""
    for seed, how in enumerate(("PATCH", "POST", "DELETE"), start=7):
        other = snap(seed)
        content = other.content
        created = await walk.client.post(
            "/files",
            headers={
                **walk.phone.headers,
                **TUS,
                "Upload-Length": str(len(content)),
                "Upload-Metadata": upload_metadata(other.metadata),
            },
        )
        assert created.status_code == 201, created.text
        path = httpx.URL(created.headers["location"]).path
        headers = {**walk.phone.headers, **BYTES, "Upload-Offset": "0"}
        if how == "DELETE":
            headers = {**walk.phone.headers, **TUS}
            await walk.step("DELETE", path, headers=headers)
            continue
        if how == "POST":
            headers["X-HTTP-Method-Override"] = "PATCH"
        await walk.step(how, path, headers=headers, content=content)
    await walk.work()


async def quarantined(walk: Walk) -> None:
    """A stolen phone's work, released and discarded by the office."""
    company = walk.company
    _, visit = await dispatch(walk)
    body = {"install_id": "stolen", "schema": 5}
    registered = await walk.step("POST", "/sync/v1/devices", body, role="technician")
    stolen = Phone(
        walk.client,
        {"Authorization": f"Bearer {registered['token']}"},
        registered["device_id"],
        walk.clock,
    )
    await make(walk, f"/api/devices/{stolen.device_id}/revocation", {"reason": "stolen"})
    intents = [stolen.intent("note.add", visit_id=visit["id"], text=text) for text in "ab"]
    sent = {"device_id": stolen.device_id, "intents": intents}
    await walk.step("POST", "/sync/v1/push", sent, headers=stolen.headers, shows=("outcomes",))
    await make(
        walk,
        "/api/intents/releasing",
        {"intent_ids": [intents[0]["id"]]},
        "visits",
        "outcomes",
    )
    await make(
        walk,
        "/api/intents/discarding",
        {"intent_ids": [intents[1]["id"]], "reason": "the thief"},
        "outcomes",
    )
    assert company.id


IMPORTS = {
    "customers": (
        "number,name,phone\nC-1,Grand Hotel,+33 1 99 99 99 99\n",
        ("customers",),
    ),
    "sites": ("number,customer,name,hazards\nS-1,C-1,Grand Hotel Paris,Low beams\n", ("sites",)),
    "assets": (
        "number,site,model,name,place,in_service_from\nA-1,S-1,LX-5,Guest lift 1,Yard,2025-01-01T00:00Z\n",
        ("assets",),
    ),
    "contracts": ("number,customer,kind,starts_on\nK-77,C-1,subscription,2026-01-01\n", ()),
    "technicians": ("number,name,zone\nT-1,Boris the Third,Europe/Paris\n", ("visits",)),
    "parts": ("number,name\nP-77,Roller\n", ("parts",)),
    "failures": ("asset,detected_at,restored_at\nA-1,2025-06-01T08:00Z,2025-06-01T09:00Z\n", ()),
    "work_orders": (
        "number,asset,work_type,reported_at,started_at,finished_at,technician\n"
        "OLD-1,A-1,repair,2025-06-02T08:00Z,2025-06-02T09:00Z,2025-06-02T11:00Z,T-1\n",
        ("history",),
    ),
}
"""kind → (a file that changes what the phone has, what it then sees of it)"""


async def imports(walk: Walk) -> None:
    for kind, (text, shows) in IMPORTS.items():
        report = await walk.step(
            "POST",
            f"/api/imports/{kind}",
            headers={**walk.company.headers["administrator"], "Content-Type": "text/csv"},
            params={"update": "true"},
            content=text,
            shows=shows,
        )
        assert report["created"] + report["updated"] == 1, (kind, report)


async def test_a_phone_sees_every_write_that_it_should(
    app: Litestar,
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    company: Company,
    clock: Clock,
) -> None:
    phone = await new_phone(client, company, clock)
    await phone.pull()
    walk = Walk(app, client, database, settings, company, clock, phone, app.state.blobs)
    for part in (
        catalogue,
        customers_and_assets,
        passports,
        contracts,
        people,
        jobs,
        field_work,
        waivers,
        uploads,
        quarantined,
        imports,
    ):
        await part(walk)
    await walk.go_round()
    routes = {one for one in writing_routes(app) if ADAPTERS not in one}
    assert routes - walk.walked - set(NOT_WALKED) == set(), "not walked"
    assert set(NOT_WALKED) <= routes, "listed as not walked, and not there"
    assert set(IMPORTS) == set(KINDS)
    assert set(REACTIONS) | set(ROUNDS) == walk.done


async def test_a_route_that_is_not_walked_would_be_noticed(
    settings: Settings, database: Database, clock: Clock
) -> None:
    app = create_app(settings, database=database, clock=clock)
    assert "POST /api/work-orders/{}/cancellation" in writing_routes(app)
    assert not any(one.startswith("GET ") for one in writing_routes(app))
