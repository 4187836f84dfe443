"""The route sheet over HTTP: for the dispatcher any technician's, for a technician their own."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, get
from litestar.params import QueryParameter

from fsm import http
from fsm.actors import Actor, Permission
from fsm.assets.tables import Asset, AssetModel
from fsm.checklists.tables import ChecklistVersion
from fsm.customers.tables import Contact, Customer, Site
from fsm.database import Session
from fsm.http import CurrentActor, DbSession, Now, needs
from fsm.technicians import positions
from fsm.technicians.tables import Shift
from fsm.technicians.working_time import bounds
from fsm.work_orders.tables import WorkOrder
from scheduler.route_sheet import Line, RouteSheet, Stop, Take, build_sheet

On = Annotated[http.Day, QueryParameter(description="The day, on the technician's own clocks.")]


class SheetShift(msgspec.Struct, frozen=True):
    starts_at: datetime
    ends_at: datetime
    break_s: int

    @classmethod
    def of(cls, shift: Shift) -> "SheetShift":
        starts_at, ends_at = bounds(shift.during)
        return cls(starts_at, ends_at, shift.break_s)


class SheetSite(msgspec.Struct, frozen=True):
    name: str
    address: str
    city: str
    latitude: float | None
    longitude: float | None
    zone: str
    access_notes: str
    hazards: str

    @classmethod
    def of(cls, site: Site) -> "SheetSite":
        return cls(**{name: getattr(site, name) for name in cls.__struct_fields__})


class SheetContact(msgspec.Struct, frozen=True):
    name: str
    role: str
    phone: str | None
    language: str

    @classmethod
    def of(cls, contact: Contact) -> "SheetContact":
        return cls(contact.name, contact.role, contact.phone, contact.language)


class SheetCustomer(msgspec.Struct, frozen=True):
    name: str
    phone: str | None

    @classmethod
    def of(cls, customer: Customer) -> "SheetCustomer":
        return cls(customer.name, customer.phone)


class SheetAsset(msgspec.Struct, frozen=True):
    number: str
    name: str
    model: str
    serial: str | None
    place: str

    @classmethod
    def of(cls, asset: Asset, model: AssetModel | None) -> "SheetAsset":
        made_by = f"{model.manufacturer} {model.name}".strip() if model else ""
        return cls(asset.number, asset.name, made_by, asset.serial, asset.place)


class SheetPastVisit(msgspec.Struct, frozen=True):
    number: str
    title: str
    technician: str
    finished_at: datetime
    notes: list[str]


class SheetPart(msgspec.Struct, frozen=True):
    number: str
    name: str
    quantity: int


class SheetItem(msgspec.Struct, frozen=True):
    """One question on paper. `required` is `always`, `depends` (on other answers) or `no`."""

    id: str
    kind: str
    label: dict[str, str]
    required: str
    unit: str | None
    least: float | None
    most: float | None
    choices: list[dict[str, str]]

    @classmethod
    def of(cls, item: dict[str, Any]) -> "SheetItem":
        depends = any(name in item for name in ("required_if", "visible_if"))
        asks = item.get("required") or "photos_required" in item
        return cls(
            id=item["id"],
            kind=item["kind"],
            label=item["label"],
            required="depends" if depends else "always" if asks else "no",
            unit=item.get("unit"),
            least=item.get("min"),
            most=item.get("max"),
            choices=[choice["label"] for choice in item.get("choices", [])],
        )


class SheetChecklist(msgspec.Struct, frozen=True):
    title: dict[str, str]
    version: int
    items: list[SheetItem]

    @classmethod
    def of(cls, version: ChecklistVersion) -> "SheetChecklist":
        body = version.body
        return cls(body["title"], version.version, [SheetItem.of(item) for item in body["items"]])


class SheetJob(msgspec.Struct, frozen=True):
    id: UUID
    number: str
    title: str
    description: str
    priority: int
    respond_by: datetime | None
    restore_by: datetime | None

    @classmethod
    def of(cls, job: WorkOrder) -> "SheetJob":
        return cls(**{name: getattr(job, name) for name in cls.__struct_fields__})


class SheetVisit(msgspec.Struct, frozen=True):
    """A visit in its place of the day; `window_…` is what the customer was told."""

    place: int
    visit_id: UUID
    status: str
    starts_at: datetime
    ends_at: datetime
    window_starts_at: datetime | None
    window_ends_at: datetime | None
    travel_s: int
    work_order: SheetJob
    customer: SheetCustomer
    site: SheetSite
    contacts: list[SheetContact]
    asset: SheetAsset | None
    colleagues: list[str]
    last_visits: list[SheetPastVisit]
    parts: list[SheetPart]
    checklist: SheetChecklist

    @classmethod
    def of(cls, line: Line, place: int) -> "SheetVisit":
        visit = line.visit
        return cls(
            place=place,
            visit_id=visit.id,
            status=visit.status,
            starts_at=visit.planned_starts_at,
            ends_at=visit.planned_ends_at,
            window_starts_at=visit.window_starts_at,
            window_ends_at=visit.window_ends_at,
            travel_s=visit.travel_s,
            work_order=SheetJob.of(line.job),
            customer=SheetCustomer.of(line.customer),
            site=SheetSite.of(line.site),
            contacts=[SheetContact.of(one) for one in line.contacts],
            asset=None if line.asset is None else SheetAsset.of(line.asset, line.model),
            colleagues=line.colleagues,
            last_visits=[
                SheetPastVisit(one.number, one.title, one.technician, one.finished_at, one.notes)
                for one in line.last_visits
            ],
            parts=[SheetPart(part.number, part.name, count) for part, count in line.parts],
            checklist=SheetChecklist.of(line.checklist),
        )


class SheetTake(msgspec.Struct, frozen=True):
    """A part for the whole day; `missing` are not in the van."""

    number: str
    name: str
    unit: str
    needed: int
    in_van: int
    missing: int

    @classmethod
    def of(cls, take: Take) -> "SheetTake":
        return cls(take.number, take.name, take.unit, take.needed, take.in_van, take.missing)


class SheetFetch(msgspec.Struct, frozen=True):
    """Parts to be fetched; `work_orders` are the numbers of the jobs that they are for."""

    number: str
    name: str
    unit: str
    quantity: int
    work_orders: list[str]


class SheetStop(msgspec.Struct, frozen=True):
    """A stop at a warehouse for parts that the van lacks."""

    place: str
    latitude: float | None
    longitude: float | None
    starts_at: datetime
    ends_at: datetime
    travel_s: int
    fetch: list[SheetFetch]

    @classmethod
    def of(cls, stop: Stop) -> "SheetStop":
        place, pick_up = stop.place, stop.pick_up
        return cls(
            place.name,
            place.latitude,
            place.longitude,
            pick_up.starts_at,
            pick_up.ends_at,
            pick_up.travel_s,
            [
                SheetFetch(part.number, part.name, part.unit, quantity, jobs)
                for part, quantity, jobs in stop.fetched
            ],
        )


class RouteSheetView(msgspec.Struct, frozen=True):
    """A day on paper. Instants are UTC; `zone` is the technician's, each site has its own."""

    technician_id: UUID
    technician: str
    number: str
    on: date
    zone: str
    made_at: datetime
    shifts: list[SheetShift]
    visits: list[SheetVisit]
    take: list[SheetTake]
    stops: list[SheetStop]

    @classmethod
    def of(cls, sheet: RouteSheet, now: datetime) -> "RouteSheetView":
        technician = sheet.technician
        return cls(
            technician.id,
            technician.name,
            technician.number,
            sheet.on,
            technician.zone,
            now,
            [SheetShift.of(shift) for shift in sheet.shifts],
            [SheetVisit.of(line, place) for place, line in enumerate(sheet.lines, start=1)],
            [SheetTake.of(take) for take in sheet.take],
            [SheetStop.of(stop) for stop in sheet.stops],
        )


async def sheet_for_paper(
    session: Session, actor: Actor, now: datetime, technician_id: UUID, on: date
) -> dict[str, Any]:
    """Return what the API gives as plain values, for whoever prints it."""
    sheet = await build_sheet(session, actor, technician_id, on)
    given: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(RouteSheetView.of(sheet, now)))
    return given


class RouteSheetController(Controller):
    path = "/api/route-sheets"
    tags = ["Planning"]

    @get("/", opt=needs(Permission.PLAN), summary="A technician's day with all it needs, for paper")
    async def read(
        self,
        session: DbSession,
        actor: CurrentActor,
        now: Now,
        technician_id: Annotated[UUID, QueryParameter()],
        on: On,
    ) -> RouteSheetView:
        return RouteSheetView.of(await build_sheet(session, actor, technician_id, on), now)

    @get("/mine", opt=needs(Permission.SYNC), summary="My day with all it needs, for paper")
    async def read_mine(
        self, session: DbSession, actor: CurrentActor, now: Now, on: On
    ) -> RouteSheetView:
        me = await positions.find_own(session, actor)
        return RouteSheetView.of(await build_sheet(session, actor, me.id, on), now)


ROUTES = [RouteSheetController]
