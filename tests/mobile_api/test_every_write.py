"""No write forgets the phones: every door that writes is walked, and the phone has what it should after each.

A new writing route, kind of import, reaction or round that is not walked here fails the test.
"""

from datetime import timedelta
from typing import Any

import httpx
from litestar import Litestar
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.database import Database
from fsm.imports.kinds import KINDS
from fsm.settings import Settings
from fsm.technicians.tables import Technician
from fsm.work_orders.records import PartUsed
from fsm.work_orders.tables import Review
from fsm.worker import REACTIONS, ROUNDS
from tests.applications import application
from tests.company import CHECKLIST, Company
from tests.conftest import Clock
from tests.mobile_api.customer_writes import customers
from tests.mobile_api.money_writes import ledger
from tests.mobile_api.office_writes import (
    catalogue,
    contracts,
    customers_and_assets,
    dispatch,
    documents,
    edit,
    knowledge,
    maintenance,
    make,
    passports,
    people,
    picking_up,
    planning,
    read,
    rosters,
    running_day,
    van_stock,
)
from tests.mobile_api.phones import Phone, new_phone
from tests.mobile_api.photos import BYTES, TUS, snap, upload_metadata
from tests.mobile_api.walking import Walk, writing_routes

NOT_WALKED = {
    "POST /api/sign-in": "writes sessions, which no phone shows",
    "DELETE /api/sign-in": "the same",
    "POST /api/sign-in/renewal": "the same",
    "POST /api/sign-in/browser": "the same",
    "POST /api/sign-in/browser/renewal": "the same",
    "DELETE /api/sign-in/browser": "the same",
    "POST /api/sign-in/enrolment": "the same",
    "POST /api/users/{}/enrolment": "the same",
    "PUT /api/me/password": "needs a password to be replaced; no phone shows one",
    "POST /api/coverage": "answers a question",
    "POST /api/board/placement-previews": "the same",
    "POST /api/label-sheets": "draws",
    "POST /api/documents/acts": "as a technical act, of a job that is done",
    "POST /api/documents/acts/preview": "draws",
    "POST /api/documents/technical-acts/preview": "draws",
    **{
        f"POST /api/documents/{kind}": "issues as a technical act does"
        for kind in (
            "service-reports",
            "contract-statements",
            "management-packs",
            "invoices",
            "route-sheets",
        )
    },
    "POST /api/documents/service-reports/preview": "draws",
    "POST /api/report-schedules": "needs a mail server; writes what no phone shows",
    "DELETE /api/report-schedules/{}": "the same",
    "POST /api/checklists/validation": "answers a question",
    "POST /api/sites/{}/geocoding": "asks a server elsewhere; the same `place_site` as a PATCH",
    "POST /sync/v1/reconcile": "reads, and counts what no phone shows",
}
"""Writing methods that are not walked, with the reason."""

ADAPTERS = "/compat/"
"""Doors of the adapters end in the same push; their own tests audit the feed."""


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
        window_starts_at=(now + timedelta(hours=1)).isoformat(),
        window_ends_at=(now + timedelta(hours=3)).isoformat(),
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
    until = walk.clock() + timedelta(hours=3)
    longer = {"visit_id": visit["id"], "ends_at": until.isoformat()}
    await make(walk, "/api/day/overruns", longer)
    await tap("visit.pause", "visits", reason="parts")
    await tap("visit.resume", "visits")
    await tap("answer.set", "visits", item="safe", value=True)
    await tap("answer.set", "visits", item="reading", value=120)
    await tap("note.add", "visits", text="worn")
    await tap("message.add", "work_orders", text="Somebody must let me in")
    now = walk.clock()
    span = {"from": (now - timedelta(minutes=5)).isoformat(), "to": now.isoformat()}
    entry = await tap("time.add", "visits", kind="work", **span)
    await tap("time.correct", "visits", of=entry["id"], **span)
    await tap("part.use", "visits", "stock", part_id=part, qty=1)
    await tap("part.request", part_id=part, qty=1)
    for decision, body in (("confirmation", {}), ("refusal", {"ground": "no"})):
        wanted = [{"part_id": part}]
        wider = await tap("scope.change", "work_orders", lines=wanted, price="1", consent="Anne")
        path = f"/api/scope-changes/{wider['id']}"
        await make(walk, f"{path}/offer", {}, "work_orders")
        await make(walk, f"{path}/withdrawal", {}, "work_orders")
        await make(walk, f"{path}/{decision}", body, "work_orders")
    wider = await tap("scope.change", "work_orders", lines=wanted, price="1", consent=None)
    put = await make(walk, f"/api/scope-changes/{wider['id']}/offer", {}, "work_orders")
    answer = f"{httpx.URL(put['url']).path}/answer"
    said = {"answer": "approve", "name": "Anne"}
    await walk.step("POST", answer, headers={}, data=said, shows=("work_orders",))
    wider = await tap("scope.change", "work_orders", lines=wanted, price="1", consent=None)
    put = await make(walk, f"/api/scope-changes/{wider['id']}/offer", {}, "work_orders")
    answer = f"/api/portal/prices/{put['change']['offer']['id']}/answer"
    await make(walk, answer, {"answer": "refuse"}, "work_orders", role="customer")
    wider = await tap("scope.change", "work_orders", lines=wanted, price="1", consent=None)
    path = f"/api/scope-changes/{wider['id']}"
    await make(walk, f"{path}/offer", {}, "work_orders")
    await make(walk, f"{path}/answer", {"outcome": "refused", "name": "Anne"}, "work_orders")
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
    mark = {"kind": "ring", "x": 0.5, "y": 0.25, "size": 0.2, "angle": 0}
    await tap("photo.mark", "photos", photo_id=second, marks=[mark])
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
        used = (await session.exec(select(PartUsed.id))).one()
    await make(walk, f"/api/reviews/{review}/settlement", {"settlement": "ordered"})
    back = {"used_id": str(used), "quantity": "1", "to_place_id": str(company.warehouse.id)}
    await make(walk, f"{path}/part-returns", back)
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
        knowledge,
        passports,
        contracts,
        maintenance,
        people,
        rosters,
        documents,
        jobs,
        planning,
        picking_up,
        van_stock,
        running_day,
        field_work,
        waivers,
        customers,
        ledger,
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
    app = application(settings, database=database, clock=clock)
    assert "POST /api/work-orders/{}/cancellation" in writing_routes(app)
    assert not any(one.startswith("GET ") for one in writing_routes(app))
