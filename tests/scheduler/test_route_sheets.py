"""A day on paper: in order, with who waits there, what is dangerous, what was done and what to take."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
from sqlmodel import select

from fsm.catalogue import queries as catalogue
from fsm.checklists.tables import ChecklistVersion
from fsm.customers import queries as customers
from fsm.customers.tables import Contact, Site
from fsm.database import Database
from fsm.parts import queries as parts
from fsm.parts.tables import MovementKind
from fsm.work_orders import orders, visits
from fsm.work_orders.records import Note
from fsm.work_orders.tables import Visit, WorkOrder
from scheduler.tables import PlanningTerms
from tests.company import Company
from tests.conftest import Clock

SHEET = "/api/route-sheets"


async def sheet(client: httpx.AsyncClient, company: Company, on: str = "2026-03-23") -> Any:
    answer = await client.get(
        SHEET,
        params={"technician_id": str(company.technician.id), "on": on},
        headers=company.headers["dispatcher"],
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


class Desk:
    """Jobs and visits as the office makes them."""

    def __init__(self, database: Database, company: Company, clock: Clock) -> None:
        self.database, self.company, self.clock = database, company, clock

    async def job(self, title: str, *, on_asset: bool = True) -> WorkOrder:
        company = self.company
        async with self.database.transaction(company.id) as session:
            return await orders.create_work_order(
                session,
                company.system,
                self.clock(),
                work_type=await catalogue.find_work_type_by_code(session, company.system, "repair"),
                site=await customers.find_site(session, company.system, company.site.id),
                asset=company.asset if on_asset else None,
                title=title,
                reported_at=self.clock(),
            )

    async def visit(self, job: WorkOrder, hours: float, **more: Any) -> Visit:
        starts_at = self.clock() + timedelta(hours=hours)
        async with self.database.transaction(self.company.id) as session:
            (planned,) = await visits.plan_visits(
                session,
                self.company.system,
                self.clock(),
                [
                    visits.NewVisit(
                        job.id,
                        self.company.technician.id,
                        starts_at,
                        starts_at + timedelta(hours=1),
                        **more,
                    )
                ],
            )
        return planned

    async def past(self, title: str, days: int, *notes: str) -> None:
        """Record a visit that was finished some days ago."""
        job = await self.job(title)
        at = self.clock() - timedelta(days=days)
        async with self.database.transaction(self.company.id) as session:
            visit = Visit(
                tenant_id=self.company.id,
                work_order_id=job.id,
                technician_id=self.company.technician.id,
                status="finished",
                planned_starts_at=at - timedelta(hours=1),
                planned_ends_at=at,
                finished_at=at,
                created_at=at,
            )
            session.add(visit)
            await session.flush()
            for text in notes:
                session.add(
                    Note(
                        tenant_id=self.company.id,
                        work_order_id=job.id,
                        visit_id=visit.id,
                        text=text,
                        written_at=at,
                        received_at=at,
                    )
                )


async def test_the_sheet_holds_all_that_the_day_needs(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    desk = Desk(database, company, clock)
    async with database.transaction(company.id) as session:
        site = (await session.exec(select(Site).where(Site.tenant_id == company.id))).one()
        site.access_notes, site.hazards = "Ring at the back door", "Low beams"
        session.add(
            Contact(
                tenant_id=company.id, customer_id=company.customer.id, name="Aaron, head office"
            )
        )
        await parts.record_movement(
            session,
            company.system,
            clock(),
            part_id=company.part.id,
            kind=MovementKind.RECEIPT,
            to_place_id=company.van.id,
            quantity=Decimal(2),
            moved_at=clock(),
        )
    for days, notes in (
        (40, ("too old to show",)),
        (30, ()),
        (20, ("rope worn", "ordered")),
        (10, ()),
    ):
        await desk.past(f"{days} days ago", days, *notes)
    later, sooner = await desk.job("Later", on_asset=False), await desk.job("Sooner")
    window = clock() + timedelta(hours=1), clock() + timedelta(hours=3)
    await desk.visit(later, 4)
    await desk.visit(sooner, 1, travel_s=900, window_starts_at=window[0], window_ends_at=window[1])
    tomorrow = await desk.job("Tomorrow")
    await desk.visit(tomorrow, 30)
    withdrawn = await desk.visit(await desk.job("Withdrawn"), 2)
    async with database.transaction(company.id) as session:
        await visits.withdraw(session, company.system, clock(), withdrawn.id, reason="x")
        for job, quantity in ((later, 2), (sooner, 1)):
            session.add(
                PlanningTerms(
                    tenant_id=company.id,
                    work_order_id=job.id,
                    parts=[{"part": "P-1", "quantity": quantity}],
                    set_at=clock(),
                )
            )
    found = await sheet(client, company)
    assert (found["technician"], found["zone"], found["on"]) == (
        "Boris",
        "Europe/Paris",
        "2026-03-23",
    )
    assert found["shifts"] == [
        {"starts_at": "2026-03-23T07:00:00Z", "ends_at": "2026-03-23T16:00:00Z", "break_s": 1800}
    ]
    first, second = found["visits"]
    assert [(one["place"], one["work_order"]["title"]) for one in found["visits"]] == [
        (1, "Sooner"),
        (2, "Later"),
    ]
    assert (first["starts_at"], first["window_ends_at"], first["travel_s"]) == (
        "2026-03-23T09:00:00Z",
        "2026-03-23T11:00:00Z",
        900,
    )
    assert first["site"]["access_notes"] == "Ring at the back door"
    assert (first["site"]["hazards"], first["site"]["address"]) == ("Low beams", "1 Rue de Rivoli")
    assert [one["name"] for one in first["contacts"]] == ["Anne Martin", "Aaron, head office"]
    assert first["contacts"][0]["phone"] == "+33 1 23 45 67 89"
    assert (first["asset"]["number"], first["asset"]["model"]) == ("A-1", "Otto LX 5")
    assert [(one["title"], one["notes"]) for one in first["last_visits"]] == [
        ("10 days ago", []),
        ("20 days ago", ["rope worn", "ordered"]),
        ("30 days ago", []),
    ]
    assert second["asset"] is None
    assert len(second["last_visits"]) == 3, "those of the site"
    assert second["parts"] == [{"number": "P-1", "name": "Door roller", "quantity": 2}]
    assert found["take"] == [
        {
            "number": "P-1",
            "name": "Door roller",
            "unit": "pc",
            "needed": 3,
            "in_van": 2,
            "missing": 1,
        }
    ]
    checklist = first["checklist"]
    assert checklist["title"]["ru"] == "Ремонт лифта"
    assert [
        (one["id"], one["kind"], one["required"], one["unit"]) for one in checklist["items"]
    ] == [
        ("safe", "yesno", "always", None),
        ("reading", "number", "always", "kPa"),
        ("after", "photo", "always", None),
    ]
    assert (checklist["items"][1]["least"], checklist["items"][1]["most"]) == (0, 400)
    assert (await sheet(client, company, "2026-03-25"))["visits"] == []


async def test_a_dispatched_job_keeps_its_checklist_and_a_crew_is_named(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> None:
    desk = Desk(database, company, clock)
    job = await desk.job("Two people")
    visit = await desk.visit(job, 1)
    async with database.transaction(company.id) as session:
        await visits.dispatch(session, company.system, clock(), visit.id)
        newer = ChecklistVersion(
            **company.checklist.model_dump(exclude={"id", "version", "body"}),
            version=2,
            body={**company.checklist.body, "version": 2},
        )
        session.add(newer)
    added = await client.post(
        "/api/technicians",
        json={"number": "T-2", "name": "Clara", "zone": "Europe/Paris"},
        headers=company.headers["administrator"],
    )
    async with database.transaction(company.id) as session:
        await visits.plan_visits(
            session,
            company.system,
            clock(),
            [
                visits.NewVisit(
                    job.id,
                    UUID(added.json()["id"]),
                    visit.planned_starts_at,
                    visit.planned_ends_at,
                )
            ],
        )
    (line,) = (await sheet(client, company))["visits"]
    assert line["checklist"]["version"] == 1
    assert line["colleagues"] == ["Clara"]
    await desk.visit(await desk.job("New"), 3)
    assert [one["checklist"]["version"] for one in (await sheet(client, company))["visits"]] == [
        1,
        2,
    ]


async def test_a_sheet_is_the_offices_and_ones_own(
    client: httpx.AsyncClient, company: Company, stranger: Company
) -> None:
    own = await client.get(
        f"{SHEET}/mine", params={"on": "2026-03-23"}, headers=company.headers["technician"]
    )
    assert own.json()["number"] == "T-1"
    asked = {"technician_id": str(company.technician.id), "on": "2026-03-23"}
    for headers, status in (
        (company.headers["technician"], 403),
        (company.headers["customer"], 403),
        (stranger.headers["dispatcher"], 404),
    ):
        answer = await client.get(SHEET, params=asked, headers=headers)
        assert answer.status_code == status
    nobody = await client.get(f"{SHEET}/mine", params={"on": "2026-03-23"}, headers={})
    assert nobody.status_code == 401
