"""What the office may change, one write after another, each with what a phone must then be shown."""

from datetime import timedelta
from typing import Any

from tests.company import CHECKLIST, SERVICE_LEVEL, WORKING_HOURS
from tests.mobile_api.walking import Walk


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


async def knowledge(walk: Walk) -> None:
    """An error code of the lift's model: phones have it once it is approved, and not while it is edited."""
    about = {"titles": {"en": "Door"}, "answers": {"en": "Clean the sill"}}
    written = {**about, "model_id": str(walk.company.model.id), "code": "E-1"}
    problem = await make(walk, "/api/known-problems", written)
    path = f"/api/known-problems/{problem['id']}/approval"
    problem = await make(walk, path, {"rev": problem["rev"]}, "models")
    advice = {"advice": {"en": "Look for a stone"}}
    problem = await edit(walk, "/api/known-problems", problem, "models", **advice)
    await make(walk, path, {"rev": problem["rev"]}, "models")
    hint = f"/api/assets/{walk.company.asset.id}/hints/{problem['id']}"
    await walk.step("POST", f"{hint}/helped")


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
        await walk.step("POST", f"{path}/helped", headers={}, data={"helped": "E-1"})
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


async def maintenance(walk: Walk) -> None:
    company = walk.company
    plan = {"asset_id": str(company.asset.id), "work_type": "inspection", "name": "Service"}
    weekly = await make(
        walk,
        "/api/maintenance-plans",
        {
            **plan,
            "code": "weekly",
            "trigger": "calendar",
            "rule": "FREQ=WEEKLY",
            "starts_on": walk.clock().date().isoformat(),
        },
    )
    await edit(walk, "/api/maintenance-plans", weekly, name="Weekly service")
    await walk.work()
    due = await read(walk, "/api/maintenance-occurrences")
    skipping = f"/api/maintenance-occurrences/{due['items'][0]['id']}/skipping"
    await make(walk, skipping, {"reason": "customer"})
    by_condition = {"trigger": "condition", "within_days": 3, "starts_on": "2026-01-01"}
    seen = await make(walk, "/api/maintenance-plans", {**plan, "code": "vibration", **by_condition})
    await make(
        walk,
        f"/api/maintenance-plans/{seen['id']}/conditions",
        {"asset_id": str(company.asset.id), "key": "bearing"},
    )


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
    await walk.step("DELETE", f"/api/absences/{absence['id']}?rev={absence['rev']}")
    rate = {"kind": "labour", "amount": "55.00", "technician_id": technician["id"]}
    one = await make(walk, "/api/rates", {**rate, "starts_on": "2026-01-01"})
    await make(walk, f"/api/rates/{one['id']}/end", {"ends_on": "2026-12-31"})
    later = await make(walk, "/api/rates", {**rate, "starts_on": "2027-01-01"})
    await walk.step("DELETE", f"/api/rates/{later['id']}")
    role = await make(walk, "/api/roles", {"code": "clerk", "name": "Clerk", "permissions": []})
    await edit(walk, "/api/roles", role, name="Clerks")
    here = {"fixed_at": walk.clock().isoformat(), "latitude": 48.85, "longitude": 2.35}
    await walk.step("PUT", "/api/me/position-consent", {"granted": True}, role="technician")
    await make(walk, "/api/me/positions", {"positions": [here]}, role="technician")
    user = await make(walk, "/api/users", {"login": "clerk@acme", "name": "Clerk", "role": "clerk"})
    await edit(walk, "/api/users", user, name="Clerk One")


async def planning(walk: Walk) -> None:
    """What is decided about planning, and a plan of a running day."""
    job, visit = await dispatch(walk)
    address = f"/api/planning/visits/{visit['id']}/pin"
    await walk.step("PUT", address, {"keeps": "technician"})
    await walk.step("DELETE", address)
    await walk.step("PUT", "/api/planning/weights", {"based_on": 0, "first_use": 600})
    told = {name: visit[f"planned_{name[7:]}"] for name in ("window_starts_at", "window_ends_at")}
    told |= {"visit_id": visit["id"], "channel": "phone"}
    await make(walk, "/api/planning/promises", {"promises": [told]}, "visits")
    terms = {"parts": [{"part": walk.company.part.number}]}
    await walk.step("PUT", f"/api/planning/work-orders/{job['id']}/terms", terms)
    about = {"asset_id": str(walk.company.asset.id), "title": "Painting"}
    after = await make(walk, "/api/work-orders", {"work_type": "repair", **about})
    link = await make(
        walk, "/api/planning/links", {"first_id": job["id"], "second_id": after["id"]}
    )
    await walk.step("DELETE", f"/api/planning/links/{link['id']}")
    pace = {"work_type_id": str(walk.company.work_type.id), "efficiency_percent": 80}
    person = f"/api/planning/technicians/{walk.company.technician.id}/terms"
    await walk.step("PUT", person, {"paces": [pace], "longest_s": 36_000})


async def van_stock(walk: Walk) -> None:
    """What a van gets, gives away and has counted is on its technician's phone, and goes with the van."""
    company = walk.company
    part, van = {"part_id": str(company.part.id)}, str(company.van.id)

    async def move(quantity: str, *shows: str, **places: str) -> None:
        await make(walk, "/api/movements", {**part, "quantity": quantity, **places}, *shows)

    def held() -> list[float]:
        rows = walk.phone.of("stock").values()
        return [row["qty"] for row in rows if row["part_id"] == part["part_id"]]

    (before,) = held() or [0.0]
    await move("7", kind="receipt", to_place_id=str(company.warehouse.id))
    loaded = {"from_place_id": str(company.warehouse.id), "to_place_id": van}
    await move("5", "stock", kind="transfer", **loaded)
    await move("1.5", "stock", kind="correction", from_place_id=van)
    assert held() == [before + 3.5]
    place = await read(walk, f"/api/stock-places/{van}")
    mate = await make(walk, "/api/technicians", {"number": "T-6", "name": "Mara", "zone": "UTC"})
    place = await edit(walk, "/api/stock-places", place, "stock", technician_id=mate["id"])
    assert [row.get("access") for row in walk.phone.of("stock").values()] == ["revoked"]
    back = str(company.technician.id)
    await edit(walk, "/api/stock-places", place, "stock", technician_id=back)
    assert held() == [before + 3.5]


async def picking_up(walk: Walk) -> None:
    """A plan that has the technician fetch parts on the way to a visit that the phone knows."""
    company, today = walk.company, walk.clock().date().isoformat()
    place = await read(walk, f"/api/stock-places/{company.warehouse.id}")
    at = {"latitude": 48.86, "longitude": 2.36}
    place = await edit(walk, "/api/stock-places", place, **at)
    stock = {"kind": "receipt", "quantity": "5", "to_place_id": str(company.warehouse.id)}
    await make(walk, "/api/movements", {"part_id": str(company.part.id), **stock})
    technician = await read(walk, f"/api/technicians/{company.technician.id}")
    home = {"home_latitude": 48.85, "home_longitude": 2.35}
    await edit(walk, "/api/technicians", technician, **home)
    job, visit = await dispatch(walk)
    terms = {
        "parts": [{"part": company.part.number, "quantity": 3}],
        "required_ids": [str(company.technician.id)],
    }
    await walk.step("PUT", f"/api/planning/work-orders/{job['id']}/terms", terms)
    scope = {"moves": "selected", "visit_ids": [visit["id"]], "work_order_ids": []}
    plan = await make(walk, "/api/plans", {"starts_on": today, "seconds": 0.5, "scope": scope})
    await walk.work()
    await make(walk, f"/api/plans/{plan['id']}/acceptance", {}, "visits")
    assert walk.phone.of("visits")[visit["id"]]["pick_ups"][0]["qty"] == 3
    await edit(walk, "/api/stock-places", place, "visits", name="Depot North")
    assert walk.phone.of("visits")[visit["id"]]["pick_ups"][0]["place"] == "Depot North"
    await make(walk, f"/api/plans/{plan['id']}/undoing", {}, "visits")
    assert "pick_ups" not in walk.phone.of("visits")[visit["id"]]
    await make(walk, f"/api/visits/{visit['id']}/withdrawal", {"reason": "x"}, "visits")


async def running_day(walk: Walk) -> None:
    """What upsets a day, and a caller who is offered time."""
    now = walk.clock()
    mine = str(walk.company.technician.id)

    async def job() -> str:
        about = {"asset_id": str(walk.company.asset.id), "title": "Door"}
        made = await make(walk, "/api/work-orders", {"work_type": "repair", **about})
        return str(made["id"])

    async def hold() -> str:
        at = (now + timedelta(days=1, hours=6)).isoformat()
        window = {"window_starts_at": at, "window_ends_at": at}
        who = {"work_order_id": await job(), "technician_id": mine, "starts_at": at}
        return str((await make(walk, "/api/planning/holds", {**who, **window}))["id"])

    hand = {"work_order_id": await job(), "technician_id": mine}
    at = (now + timedelta(hours=3)).isoformat()
    placed = await make(
        walk, "/api/board/placements", {**hand, "starts_at": at, "reason": "asked for"}
    )
    home = {"home_latitude": 48.8, "home_longitude": 2.3}
    about = {"number": "T-17", "name": "M", "zone": "UTC"}
    mate = await make(walk, "/api/technicians", {**about, **home})
    levels = {"skills": [{"skill": "lift", "level": 3}]}
    await walk.step("PUT", f"/api/technicians/{mate['id']}/skills", levels)
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    week = [{"day": day, "starts": "00:00", "ends": "23:00"} for day in names]
    tomorrow = (now + timedelta(days=1)).date().isoformat()
    days = {"first_on": now.date().isoformat(), "last_on": tomorrow, "weekly": week}
    await make(walk, f"/api/technicians/{mate['id']}/shifts", days)
    crew = {"visit_id": placed["id"], "technician_ids": [mate["id"]], "reason": "heavy"}
    await make(walk, "/api/board/crews", crew)
    again = {"visit_ids": [placed["id"]], "to_on": tomorrow, "reason": "goes on"}
    await make(walk, "/api/board/day-copies", again)
    plan = await make(walk, "/api/day/urgent-visits", {"work_order_id": await job()})
    await make(walk, f"/api/plans/{plan['plan']['id']}/replay", {})
    await make(walk, f"/api/plans/{plan['plan']['id']}/acceptance", {})
    await make(walk, f"/api/plans/{plan['plan']['id']}/undoing", {})
    _, visit = await dispatch(walk)
    gone = {"visit_id": visit["id"], "reason": "not needed"}
    await make(walk, "/api/day/cancellations", gone, "visits")
    _, visit = await dispatch(walk)
    await make(walk, "/api/day/no-shows", {"visit_id": visit["id"]}, "visits")
    late = {"work_order_id": await job(), "earliest_at": (now + timedelta(days=1)).isoformat()}
    await make(walk, "/api/day/late-parts", late)
    await walk.step("DELETE", f"/api/planning/holds/{await hold()}")
    await make(walk, f"/api/planning/holds/{await hold()}/booking", {})
    clara = await make(walk, "/api/technicians", {"number": "T-8", "name": "C", "zone": "UTC"})
    await make(walk, "/api/day/sick-calls", {"technician_id": clara["id"]})


async def rosters(walk: Walk) -> None:
    """Patterns, rules, terms, wishes and demand; a roster solved, changed, published and withdrawn."""
    boris = str(walk.company.technician.id)
    hours = {"starts_min": 420, "ends_min": 930}
    early = await make(walk, "/api/roster-patterns", {"code": "early", "name": "Early", **hours})
    early = await edit(walk, "/api/roster-patterns", early, name="Early hours")
    await make(walk, "/api/roster-rules", {"effective_on": "2026-04-01"})
    await walk.step("PUT", f"/api/technicians/{boris}/roster-terms", {"week_s": 144_000})
    wish = {"technician_id": boris, "on": "2026-04-08", "kind": "off"}
    wish = await make(walk, "/api/roster-wishes", wish)
    await walk.step("DELETE", f"/api/roster-wishes/{wish['id']}")
    days = {"first_on": "2026-04-06", "last_on": "2026-04-19"}
    line = {"on": "2026-04-06", "hour": 9, "skill": "lift", "level": 1, "people": "1"}
    await walk.step("PUT", "/api/roster-demand", {**days, "lines": [line]})
    wanted = {"starts_on": "2026-04-06", "weeks": 2, "rounds": 1}
    roster = await make(walk, "/api/rosters", wanted)
    await walk.work()
    path = f"/api/rosters/{roster['id']}"
    roster = await read(walk, path)
    await walk.step(
        "PUT",
        f"{path}/technicians/{boris}/days/2026-04-07",
        {"rev": roster["rev"], "pattern_id": None},
    )
    await make(walk, f"{path}/publication", {})
    await make(walk, f"{path}/withdrawal", {})


async def documents(walk: Walk) -> None:
    """A document issued and withdrawn, a calendar opened and closed: no phone shows any of it."""
    job, _ = await dispatch(walk)
    issued = await make(walk, "/api/documents/technical-acts", {"work_order_id": job["id"]})
    await make(walk, f"/api/documents/{issued['id']}/withdrawal", {"reason": "too early"})
    calendar = f"/api/technicians/{walk.company.technician.id}/calendar"
    await make(walk, calendar, {})
    await walk.step("DELETE", calendar)
    await make(walk, "/api/me/calendar", {}, role="technician")
    view = await make(walk, "/api/saved-views", {"name": "Lifts", "query": "scope=tenant"})
    view = await edit(walk, "/api/saved-views", view, name="All lifts")
    await walk.step("DELETE", f"/api/saved-views/{view['id']}")
