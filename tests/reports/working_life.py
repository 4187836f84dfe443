"""A random month of a company's work: as rows of the database and as the plain rows that the rules read."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import Range
from sqlmodel import select
from uuid_utils.compat import uuid7

from fsm.assets.tables import Failure
from fsm.catalogue.tables import WorkTypeVersion
from fsm.contracts.service_levels import StopsAt
from fsm.contracts.tables import ServiceLevelVersion
from fsm.customers.tables import Site
from fsm.database import Session
from fsm.events import Event
from fsm.events import Occurrence as Happened
from fsm.maintenance.tables import MaintenanceOccurrence, MaintenancePlan
from fsm.technicians.tables import Absence, Technician
from fsm.technicians.tables import Shift as StoredShift
from fsm.work_orders import clocks
from fsm.work_orders.records import TimeEntry
from fsm.work_orders.tables import Pause, ServiceRequest, Visit, WorkOrder
from reports.formulae.outcomes import Mended, Trip
from reports.formulae.people import Person, Shift
from reports.formulae.work import Announced, Contact, Job, Occurrence, Planned, Worked
from tests.company import EVERY_PROMISE, Company
from tests.reports.plant import machine

DAY0 = datetime(2026, 9, 1, tzinfo=UTC)
DAYS = 60
NOWHERE = UUID(int=0)


def h(hours: float) -> datetime:
    return DAY0 + timedelta(hours=hours)


@dataclass
class WorkingLife:
    """What was drawn: `hours` are (job, technician, begin, end) of work, jobs by id where rules need more."""

    repairs: list[Mended] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    visits: list[Announced] = field(default_factory=list)
    plans: list[Planned] = field(default_factory=list)
    worked: list[Worked] = field(default_factory=list)
    occurrences: list[Occurrence] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    people: dict[str, Person] = field(default_factory=dict)
    own_site: UUID = NOWHERE
    reopening_site: UUID = NOWHERE
    planning_site: UUID = NOWHERE
    clock_site: UUID = NOWHERE


class Drawing:
    """Draws rows one by one; whatever is drawn lies on whole minutes."""

    def __init__(self, session: Session, company: Company, seed: int) -> None:
        self.session, self.company, self.chance = session, company, random.Random(seed)
        self.life = WorkingLife()
        self.version_id = UUID(int=0)
        self.people: list[Technician] = []
        self.assets: list[UUID | None] = []

    def at(self, first_h: float = 0, last_h: float = DAYS * 24) -> datetime:
        return DAY0 + timedelta(minutes=self.chance.randrange(int(first_h * 60), int(last_h * 60)))

    def later(self, at: datetime, most_h: float) -> datetime:
        return at + timedelta(minutes=self.chance.randrange(1, int(most_h * 60)))

    def may(self, share: float) -> bool:
        return self.chance.random() < share

    async def live(self) -> WorkingLife:
        company = self.company
        statement = select(WorkTypeVersion.id).where(
            WorkTypeVersion.work_type_id == company.work_type.id
        )
        self.version_id = (await self.session.exec(statement)).one()
        machines = [machine(company, f"M-{n}", DAY0) for n in range(3)]
        self.people = [
            Technician(
                tenant_id=company.id, number=f"N-{n}", name=f"Name {n}", is_contractor=n == 2
            )
            for n in range(6)
        ]
        self.session.add_all([*machines, *self.people])
        await self.session.flush()
        self.assets = [None, *(each.id for each in machines)]
        for _ in range(50):
            await self.repair()
        for _ in range(20):
            await self.upkeep()
        for _ in range(15):
            await self.contact()
        self.life.own_site = self.company.site.id
        self.life.reopening_site = await self.site("Nord")
        self.life.planning_site = await self.site("Sud")
        self.life.clock_site = await self.site("")
        for _ in range(25):
            await self.closed_job()
            await self.planned_visit()
        for _ in range(16):
            await self.promised_job()
        for person in self.people:
            await self.person(person)
        await self.session.flush()
        return self.life

    async def site(self, region: str) -> UUID:
        site = Site(
            tenant_id=self.company.id,
            customer_id=self.company.customer.id,
            number=f"S-{uuid7()}",
            name="Site",
            region=region,
            zone="Europe/Paris",
            created_at=DAY0,
        )
        self.session.add(site)
        await self.session.flush()
        return site.id

    async def job(self, reported_at: datetime, **more: Any) -> WorkOrder:
        row = WorkOrder(
            **{
                "id": uuid7(),
                "tenant_id": self.company.id,
                "number": f"W-{uuid7()}",
                "customer_id": self.company.customer.id,
                "site_id": self.company.site.id,
                "work_type_id": self.company.work_type.id,
                "work_type_version_id": self.version_id,
                "request_class": "incident",
                "maintenance": "corrective",
                "title": "job",
                "reported_at": reported_at,
                "created_at": reported_at,
            }
            | more
        )
        self.session.add(row)
        await self.session.flush()
        return row

    def event(self, kind: str, entity: str, row_id: UUID, at: datetime, **data: Any) -> None:
        self.session.add(
            Event(
                tenant_id=self.company.id,
                kind=kind,
                entity=entity,
                entity_id=row_id,
                actor_kind="system",
                occurred_at=at,
                occurred_lo_at=at,
                occurred_hi_at=at,
                received_at=at,
                data=data,
            )
        )

    async def repair(self) -> None:
        """Draw a repair of one to three jobs with their visits, its failure or not, its end or not."""
        reported = self.at(0, (DAYS - 5) * 24)
        asset_id = self.chance.choice(self.assets)
        solved = self.later(reported, 200) if self.may(0.8) else None
        failure = None
        mode = self.chance.choice(["jam", "leak", None])
        if asset_id is not None and self.may(0.6):
            failure = Failure(
                id=uuid7(),
                tenant_id=self.company.id,
                asset_id=asset_id,
                detected_at=reported,
                restored_at=solved,
                mode=mode,
                exclusion="misuse" if self.may(0.1) else None,
            )
            self.session.add(failure)
            await self.session.flush()
        is_cancelled = failure is None and self.may(0.1)
        cancelled_at = self.later(reported, 50) if is_cancelled else None
        done_at = None if is_cancelled else solved
        first: WorkOrder | None = None
        trips: list[Trip] = []
        reopened: list[datetime] = []
        for number in range(self.chance.choice([1, 1, 1, 2, 3])):
            job = await self.job(
                reported + timedelta(minutes=number),
                asset_id=asset_id,
                failure_id=failure.id if failure and number == 0 else None,
                follows_id=first.id if first else None,
                status="cancelled" if is_cancelled else "work_done" if done_at else "in_progress",
                work_done_at=done_at,
                cancelled_at=cancelled_at,
            )
            first = first or job
            if done_at and self.may(0.15):
                reopened.append(again := self.later(done_at, 40 * 24))
                self.event("work_order.reopened", "work_order", job.id, again)
            trips += [await self.trip(job, reported, done_at) for _ in range(self.draw_trips())]
        assert first is not None
        work = f"work:{self.company.work_type.id}"
        self.life.repairs.append(
            Mended(
                str(first.id),
                str(asset_id or self.company.site.id),
                (mode or work) if failure else work,
                reported,
                solved if failure else done_at,
                tuple(trips),
                tuple(reopened),
                failure.exclusion if failure else None,
                cancelled_at,
            )
        )

    def draw_trips(self) -> int:
        return self.chance.choice([0, 1, 1, 1, 1, 2])

    async def trip(self, job: WorkOrder, reported: datetime, done_at: datetime | None) -> Trip:
        """Draw a visit: planned, announced, and perhaps arrived at, in vain or not, and ended."""
        person = self.chance.choice(self.people)
        created = self.later(reported, 30)
        planned = self.later(created, 60)
        ends = self.later(planned, 4)
        arrived = self.later(planned - timedelta(hours=2), 5) if self.may(0.85) else None
        is_over = arrived is not None and self.may(0.95)
        finished = self.later(arrived, 4) if arrived and is_over else None
        in_vain = finished is not None and self.may(0.1)
        announced = self.may(0.7)
        visit = Visit(
            id=uuid7(),
            tenant_id=job.tenant_id,
            work_order_id=job.id,
            technician_id=person.id,
            status="aborted"
            if in_vain
            else "finished"
            if is_over
            else "on_site"
            if arrived
            else "planned",
            ended_reason="no_access" if in_vain else None,
            planned_starts_at=planned,
            planned_ends_at=ends,
            window_starts_at=planned if announced else None,
            window_ends_at=planned + timedelta(hours=2) if announced else None,
            arrived_at=arrived,
            work_started_at=self.later(arrived, 1) if arrived and self.may(0.5) else None,
            finished_at=finished,
            created_at=created,
        )
        self.session.add(visit)
        await self.session.flush()
        if announced:
            self.life.visits.append(
                Announced(
                    str(visit.id),
                    planned,
                    planned + timedelta(hours=2),
                    arrived,
                    visit.work_started_at,
                    job.cancelled_at,
                )
            )
        return Trip(str(visit.id), created, planned, ends, arrived, finished, in_vain)

    async def upkeep(self) -> None:
        """Draw one time that preventive work fell due."""
        company = self.company
        plan = MaintenancePlan(
            tenant_id=company.id,
            code=f"P-{uuid7()}",
            name="Service",
            asset_id=company.asset.id,
            work_type_id=company.work_type.id,
            trigger="calendar",
            rule="FREQ=MONTHLY",
            starts_on=DAY0.date(),
            effective_at=DAY0,
            created_at=DAY0,
        )
        self.session.add(plan)
        due = self.at()
        done = due + timedelta(hours=self.chance.randrange(-100, 100)) if self.may(0.6) else None
        job = await self.job(due - timedelta(days=9), maintenance="preventive", work_done_at=done)
        status = "ordered" if done else self.chance.choice(["ordered", "skipped", "withdrawn"])
        tolerance = timedelta(hours=48)
        row = MaintenanceOccurrence(
            id=uuid7(),
            tenant_id=company.id,
            plan_id=plan.id,
            asset_id=company.asset.id,
            key=str(due),
            status=status,
            cause="calendar",
            due_at=due,
            due_lo_at=due,
            earliest_at=due - tolerance,
            latest_at=due + tolerance,
            work_order_id=job.id,
            created_at=DAY0,
        )
        self.session.add(row)
        await self.session.flush()
        self.life.occurrences.append(
            Occurrence(
                str(row.id),
                due,
                due - tolerance,
                due + tolerance,
                done,
                status == "skipped",
                "withdrawn" if status == "withdrawn" else None,
            )
        )

    async def closed_job(self) -> None:
        """Draw a job that is done, closed and reopened some times, or cancelled; the history has it all."""
        reported = self.at(0, 40 * 24)
        job = await self.job(
            reported, site_id=self.life.reopening_site, estimate_s=self.chance.randrange(600, 9999)
        )
        done, closed, again = [], [], []
        at = reported
        for _ in range(self.chance.choice([0, 1, 1, 2, 3])):
            done.append(at := self.later(at, 200))
            self.event("work_order.status_changed", "work_order", job.id, at, after="work_done")
            if self.may(0.8):
                closed.append(at := self.later(at, 100))
                self.event("work_order.closed", "work_order", job.id, at)
            if self.may(0.4):
                break
            again.append(at := self.later(at, 40 * 24))
            self.event("work_order.reopened", "work_order", job.id, at)
        is_done = len(done) > len(again)
        job.work_done_at = done[-1] if is_done else None
        job.reopened_at = again[-1] if again else None
        job.cancelled_at = self.later(at, 100) if not is_done and self.may(0.3) else None
        self.life.jobs.append(
            Job(
                str(job.id),
                reported,
                tuple(done),
                tuple(closed),
                tuple(again),
                job.cancelled_at,
                timedelta(seconds=job.estimate_s),
            )
        )

    async def planned_visit(self) -> None:
        """Draw a visit that was planned, moved some times, and perhaps taken back or arrived at."""
        created = self.at()
        job = await self.job(created, site_id=self.life.planning_site)
        versions = [(created, self.later(created, 100))]
        for _ in range(self.chance.choice([0, 0, 1, 2])):
            since = self.later(versions[-1][0], 60)
            versions.append((since, self.later(since, 100)))
        starts = versions[-1][1]
        back = self.later(created, 100) if self.may(0.2) else None
        arrived = starts + timedelta(hours=self.chance.choice([-30, -1, 0, 1, 20]))
        visit = Visit(
            id=uuid7(),
            tenant_id=job.tenant_id,
            work_order_id=job.id,
            technician_id=self.people[0].id,
            status="withdrawn" if back else "planned",
            planned_starts_at=starts,
            planned_ends_at=starts + timedelta(hours=1),
            arrived_at=None if back or self.may(0.2) else arrived,
            created_at=created,
        )
        self.session.add(visit)
        has_history = self.may(0.8)
        if not has_history:
            versions = [(created, starts)]
        for number, (since, at) in enumerate(versions if has_history else ()):
            kind = "visit.moved" if number else "visit.planned"
            self.event(kind, "visit", visit.id, since, starts_at=at.isoformat())
        if back:
            self.event("visit.withdrawn", "visit", visit.id, back)
        self.life.plans.append(
            Planned(str(visit.id), tuple(versions), visit.arrived_at, back, "Europe/Paris")
        )

    async def promised_job(self) -> None:
        """Draw a job under the service level: paused, stopped with bounds, reopened, cancelled."""
        session, actor = self.session, self.company.system
        reported = self.at(0, 40 * 24)
        level = await self.level()
        job = await self.job(
            reported,
            site_id=self.life.clock_site,
            service_level_version_id=level.id,
            calendar_version_id=self.company.calendar_version.id,
            zone="Europe/Paris",
        )
        await clocks.start_clocks(session, actor, job, reported)
        at = reported
        if self.may(0.4):
            reason = self.company.reasons["parts"]
            begins = self.later(at, 20)
            ends = self.later(begins, 60) if self.may(0.8) else None
            session.add(
                Pause(
                    tenant_id=job.tenant_id,
                    work_order_id=job.id,
                    reason_id=reason.id,
                    during=Range(begins, ends),
                )
            )
        for _ in range(self.chance.choice([0, 1, 1, 2])):
            at = self.later(at, 60)
            doubt = timedelta(minutes=self.chance.choice([0, 0, 300]))
            occurred = Happened(at, at - doubt, at + doubt)
            await clocks.stop_clocks(session, actor, job, tuple(StopsAt), occurred, at)
            if self.may(0.5):
                break
            at = self.later(at + doubt, 90)
            await clocks.reopen_clocks(session, actor, job, Happened(at, at, at), at)
        if self.may(0.15):
            job.cancelled_at = self.later(reported, 90)
        await clocks.refresh_clocks(session, actor, job, h(300 * 24))

    async def level(self) -> ServiceLevelVersion:
        """Return the version of the company's service level that makes every kind of promise."""
        statement = select(ServiceLevelVersion).where(ServiceLevelVersion.version == 2)
        found = (await self.session.exec(statement)).one_or_none()
        if found is None:
            found = ServiceLevelVersion(
                tenant_id=self.company.id,
                service_level_id=self.company.service_level.id,
                version=2,
                effective_at=DAY0,
                body=EVERY_PROMISE,
            )
            self.session.add(found)
            await self.session.flush()
        return found

    async def contact(self) -> None:
        """Draw a request, solved by telephone or with a visit, and perhaps another about the same asset."""
        asset = machine(self.company, f"Q-{uuid7()}", DAY0)
        self.session.add(asset)
        reported = self.at(0, (DAYS - 10) * 24)
        solved = self.later(reported, 100)
        again = self.later(reported, 40 * 24) if self.may(0.3) else None
        first, *_ = [await self.request(asset.id, at) for at in (reported, again) if at is not None]
        job = await self.job(
            reported,
            asset_id=asset.id,
            request_id=first.id,
            work_done_at=solved,
            maintenance="improvement",
            status="work_done",
        )
        visited = self.later(reported, 30) if self.may(0.3) else None
        if visited:
            self.session.add(
                Visit(
                    tenant_id=self.company.id,
                    work_order_id=job.id,
                    technician_id=self.company.technician.id,
                    status="finished",
                    planned_starts_at=visited,
                    planned_ends_at=visited,
                    arrived_at=visited,
                    finished_at=visited,
                    created_at=reported,
                )
            )
        reminders = () if again is None else (again,)
        self.life.contacts.append(Contact(str(first.id), solved, visited, reminders))

    async def request(self, asset_id: UUID, at: datetime) -> ServiceRequest:
        request = ServiceRequest(
            id=uuid7(),
            tenant_id=self.company.id,
            number=f"R-{uuid7()}",
            asset_id=asset_id,
            source="office",
            request_class="incident",
            status="accepted",
            text="?",
            reported_at=at,
        )
        self.session.add(request)
        await self.session.flush()
        return request

    async def person(self, row: Technician) -> None:
        """Draw shifts on some days, an absence, and recorded time that overlaps as it likes."""
        shifts = []
        for day in range(DAYS):
            if self.may(0.5):
                begins = h(day * 24 + self.chance.choice([6, 8, 20]))
                ends = begins + timedelta(hours=self.chance.choice([4, 8]))
                rest = timedelta(seconds=self.chance.choice([0, 1800, 2700]))
                shifts.append(Shift((begins, ends), rest))
                self.session.add(
                    StoredShift(
                        tenant_id=row.tenant_id,
                        technician_id=row.id,
                        during=Range(begins, ends),
                        break_s=int(rest.total_seconds()),
                    )
                )
        away = (leaves := self.at(), self.later(leaves, 200))
        self.session.add(
            Absence(tenant_id=row.tenant_id, technician_id=row.id, during=Range(*away))
        )
        jobs = [
            (
                await self.job(
                    h(0),
                    maintenance=maintenance,
                    is_rework=is_rework,
                    reopened_at=again,
                    cancelled_at=h(0),
                ),
                again if again else h(-1) if is_rework else None,
            )
            for maintenance, is_rework, again in (
                ("improvement", False, None),
                ("preventive", False, None),
                ("corrective", True, None),
                ("corrective", True, self.at()),
            )
        ]
        spans: dict[str, list[tuple[datetime, datetime]]] = {"work": [], "travel": [], "wait": []}
        for _ in range(60):
            kind = self.chance.choice(list(spans))
            begins = self.at()
            span = (begins, self.later(begins, 5))
            spans[kind].append(span)
            job, again_from = self.chance.choice(jobs)
            if kind == "work":
                self.life.worked.append(
                    Worked(str(job.id), str(row.id), span, job.maintenance, again_from)
                )
            self.session.add(
                TimeEntry(
                    tenant_id=row.tenant_id,
                    work_order_id=job.id,
                    technician_id=row.id,
                    kind=kind,
                    during=Range(*span),
                    recorded_at=span[1],
                )
            )
        self.life.people[str(row.id)] = Person(
            str(row.id),
            tuple(shifts),
            (away,),
            tuple(spans["work"]),
            tuple(spans["travel"]),
            tuple(spans["wait"]),
        )
