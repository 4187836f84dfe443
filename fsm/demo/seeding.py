"""Filling an empty database with the demonstration's company, through the product's own functions."""

import asyncio
import io
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import col, select
from uuid_utils.compat import uuid7

from fsm.actors import Actor, system_actor
from fsm.assets import passports
from fsm.assets import queries as assets
from fsm.assets.tables import Asset
from fsm.catalogue import queries as catalogue
from fsm.catalogue.tables import MaintenanceKind, ReasonKind, RequestClass
from fsm.checklists import queries as checklists
from fsm.checklists.assignments import Subject, assign
from fsm.contracts import versions
from fsm.customers import queries as customers
from fsm.customers.tables import Customer, Site
from fsm.database import Database, Session
from fsm.demo.equipment import (
    CERTIFICATION,
    MODELS,
    REASONS,
    SERVICES,
    SKILLS,
    WORK_TYPES,
    checklist,
)
from fsm.demo.files import ZONE, company_files, history_file
from fsm.demo.people import People
from fsm.demo.places import CUSTOMERS
from fsm.demo.upkeep import plan_upkeep
from fsm.events import Occurrence
from fsm.evidence.blobs import BlobStore
from fsm.evidence.queries import keep_blob
from fsm.evidence.verification import inspect
from fsm.imports.importing import import_file
from fsm.imports.kinds import KINDS
from fsm.imports.options import read_options
from fsm.maintenance.generator import generate_all
from fsm.parts import queries as parts
from fsm.parts.tables import MovementKind, StockPlaceKind
from fsm.technicians import queries as technicians
from fsm.technicians import working_time
from fsm.technicians.shift_pattern import DayRange, expand, pattern_shift
from fsm.technicians.tables import Technician
from fsm.tenants import queries as tenants
from fsm.tenants.tokens import find_actor
from fsm.work_orders import completion, field_work, orders, visits
from fsm.work_orders.records import TimeKind
from fsm.work_orders.tables import Impact

Say = Callable[[str], None]

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
PROVED_JOBS = 6
"""Jobs of the last days that go the whole way, with answers and photos; older ones are imported."""


@dataclass(slots=True)
class Seeding:
    """What each step is given."""

    database: Database
    store: BlobStore
    actor: Actor
    now: datetime
    people: People
    say: Say

    @property
    def today(self) -> date:
        return self.now.astimezone(ZONE).date()


async def seed_company(
    database: Database, store: BlobStore, people: People, now: datetime, say: Say
) -> UUID:
    """Found the company, import its data and its past, and open today's work; return its tenant id."""
    say("founding the company")
    async with database.transaction() as session:
        tenant = await tenants.create_tenant(
            session,
            slug="demo",
            name="Nordlicht Service",
            now=now,
            zone="Europe/Prague",
            currency="CZK",
        )
        administrator = await _office(session, system_actor(tenant.id, "demo"), people, now)
        one = Seeding(database, store, administrator, now, people, say)
        await _catalogue(session, one)
        await _certification(session, one)
        await _promises(session, one)
        await _checklists(session, one)
    for kind, text in company_files(one.today).items():
        await _import(one, kind, text)
    async with database.transaction(tenant.id) as session:
        say("drawing up shifts, stocking vans, giving logins")
        await _staff(session, one)
        await _customer(session, one)
    async with database.transaction(tenant.id) as session:
        say("printing passports")
        numbered = select(Asset.id).where(Asset.tenant_id == tenant.id).order_by(col(Asset.number))
        for asset_id in list(await session.exec(numbered)):
            await passports.create(session, one.actor, now, asset_id)
    await _import(one, "work_orders", history_file(one.today))
    say("working the last days' jobs, with answers and photos")
    await _proved_jobs(one)
    say("opening today's work")
    await _todays_work(one)
    say("planning preventive work")
    async with database.transaction(tenant.id) as session:
        await plan_upkeep(session, one.actor, now, one.today)
    await generate_all(database, tenant.id, now)
    return tenant.id


async def _import(one: Seeding, kind: str, text: str) -> None:
    rows = text.count("\n") - 1
    one.say(f"importing {rows} {kind.replace('_', ' ')}")
    with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        async with one.database.transaction(one.actor.tenant_id) as session:
            await import_file(
                session,
                one.actor,
                one.now,
                KINDS[kind],
                Path(file.name),
                read_options(zone="Europe/Prague", source="demo", create_missing=True),
            )


# --- what administrators define ---------------------------------------------------------------------------


async def _catalogue(session: Session, one: Seeding) -> None:
    since = one.now - timedelta(days=800)
    for kind, code, names, stops in REASONS:
        await catalogue.add_reason(
            session,
            one.actor,
            one.now,
            kind=ReasonKind(kind),
            code=code,
            names=names,
            stops_sla_clock=stops,
            stops_repair_clock=stops,
        )
    for code, name in SKILLS:
        await technicians.add_skill(session, one.actor, one.now, code=code, name=name)
    repairs = {code for code, *_ in WORK_TYPES}
    for code, names, skill, level, duration_s in (*WORK_TYPES, *SERVICES):
        work_type = await catalogue.add_work_type(
            session, one.actor, one.now, code=code, name=names["en"]
        )
        is_repair = code in repairs
        await catalogue.publish_version(
            session,
            one.actor,
            one.now,
            work_type.id,
            names=names,
            request_class=RequestClass.INCIDENT if is_repair else RequestClass.SERVICE_REQUEST,
            maintenance=MaintenanceKind.CORRECTIVE if is_repair else MaintenanceKind.PREVENTIVE,
            duration_s=duration_s,
            priority=2 if is_repair else 4,
            skills=[{"skill": skill, "level": level}],
            effective_at=since,
        )


async def _certification(session: Session, one: Seeding) -> None:
    work_type = await catalogue.add_work_type(
        session, one.actor, one.now, code=CERTIFICATION, name="Certification of a surgery lift"
    )
    await catalogue.publish_version(
        session,
        one.actor,
        one.now,
        work_type.id,
        names={"en": "Certification of a surgery lift", "ru": "Сертификация операционного лифта"},
        request_class=RequestClass.SERVICE_REQUEST,
        maintenance=MaintenanceKind.PREVENTIVE,
        duration_s=10_800,
        priority=3,
        skills=[{"skill": "lift", "level": 4}, {"skill": "medical", "level": 4}],
        effective_at=one.now - timedelta(days=800),
    )


async def _promises(session: Session, one: Seeding) -> None:
    """Two calendars and three service levels, in force since before the history begins."""
    since = one.now - timedelta(days=800)
    holidays = [
        f"{year}-{day}" for year in range(2024, 2031) for day in ("01-01", "05-01", "12-25")
    ]
    office = await versions.add_calendar(
        session, one.actor, one.now, code="office", name="Mo–Fr 8–18"
    )
    await versions.publish_calendar(
        session,
        one.actor,
        one.now,
        office.id,
        body={"weekly": {day: [["08:00", "18:00"]] for day in WEEKDAYS}, "holidays": holidays},
        effective_at=since,
    )
    always = await versions.add_calendar(session, one.actor, one.now, code="always", name="24/7")
    await versions.publish_calendar(
        session, one.actor, one.now, always.id, body={"around_the_clock": True}, effective_at=since
    )
    for code, name, calendar, respond_h, restore_h, lawful_d in (
        ("critical", "Critical", always, 2, 8, 2),
        ("gold", "Gold", office, 4, 10, 7),
        ("silver", "Silver", office, 8, 24, 7),
    ):
        level = await versions.add_service_level(
            session, one.actor, one.now, code=code, name=name, calendar_id=calendar.id
        )
        await versions.publish_service_level(
            session,
            one.actor,
            one.now,
            level.id,
            body={
                "targets": [
                    target
                    for priority in range(1, 6)
                    for target in (
                        {
                            "clock": "response",
                            "priority": priority,
                            "target_s": respond_h * 1_800 * priority,
                            "stops_at": "arrival",
                        },
                        {
                            "clock": "arrival",
                            "priority": priority,
                            "target_s": (respond_h + 2) * 1_800 * priority,
                        },
                        {
                            "clock": "restoration",
                            "priority": priority,
                            "target_s": restore_h * 1_800 * priority,
                        },
                        {
                            "clock": "resolution",
                            "priority": priority,
                            "target_s": 2 * restore_h * 1_800 * priority,
                        },
                        {
                            "clock": "statutory",
                            "priority": priority,
                            "target_s": lawful_d * 86_400,
                        },
                    )
                ],
                "pauses": {
                    "parts": ["restoration", "resolution"],
                    "customer_access": ["response", "arrival", "restoration", "resolution"],
                },
            },
            effective_at=since,
        )


async def _checklists(session: Session, one: Seeding) -> None:
    """A checklist for each kind of repair, with its mandatory photo; inspections share one."""
    for code, names, *_ in (*WORK_TYPES, *SERVICES):
        work_type = await catalogue.find_work_type_by_code(session, one.actor, code)
        name = code.replace("_", "-")
        template = await checklists.add_template(
            session, one.actor, one.now, code=name, name=names["en"]
        )
        await checklists.publish_version(
            session,
            one.actor,
            one.now,
            template.id,
            checklist(name, names["en"], names["ru"]),
        )
        await assign(session, one.actor, one.now, template.id, Subject(work_type_id=work_type.id))


# --- people -----------------------------------------------------------------------------------------------


async def _office(session: Session, system: Actor, people: People, now: datetime) -> Actor:
    """Add the people of the office; return the administrator, in whose name the rest is done."""
    for role in await tenants.list_roles(session, system):
        if role.code in ("administrator", "dispatcher", "manager"):
            await tenants.add_user(
                session,
                system,
                now,
                login=people.login(role.code),
                name=role.name,
                role=role,
                password_hash=people.password_hash,
            )
    await session.flush()
    user = await tenants.find_login(session, people.login("administrator"))
    assert user is not None
    administrator = await find_actor(session, system.tenant_id, user.id)
    assert administrator is not None
    return administrator


async def _customer(session: Session, one: Seeding) -> None:
    """Give the first customer a login for their own pages."""
    number, name, email = CUSTOMERS[0]
    statement = select(Customer.id).where(
        Customer.tenant_id == one.actor.tenant_id, Customer.number == number
    )
    await tenants.add_user(
        session,
        one.actor,
        one.now,
        login=one.people.login("customer"),
        name=name,
        role=await tenants.find_role_by_code(session, one.actor, "customer"),
        password_hash=one.people.password_hash,
        email=email,
        customer_id=(await session.exec(statement)).one(),
    )


async def _staff(session: Session, one: Seeding) -> None:
    """Give technicians logins, shifts around today, and a stocked van each."""
    role = await tenants.find_role_by_code(session, one.actor, "technician")
    pattern = [pattern_shift(day, "07:30", "16:00", (1_800, "11:00", "13:30")) for day in WEEKDAYS]
    late = [pattern_shift(day, "12:00", "20:30", (1_800, "15:30", "18:00")) for day in WEEKDAYS]
    weekend = [pattern_shift(day, "09:00", "15:00") for day in ("sat", "sun")]
    days = DayRange(one.today - timedelta(days=14), one.today + timedelta(days=28))
    warehouse = await parts.add_stock_place(
        session,
        one.actor,
        one.now,
        code="main",
        name="Main warehouse",
        kind=StockPlaceKind.WAREHOUSE,
        latitude=50.0795,
        longitude=14.5240,
    )
    stock = await parts.list_parts(session, one.actor)
    statement = (
        select(Technician)
        .where(Technician.tenant_id == one.actor.tenant_id)
        .order_by(col(Technician.number))
    )
    for number, technician in enumerate(list(await session.exec(statement))):
        user = await tenants.add_user(
            session,
            one.actor,
            one.now,
            login=one.people.login(technician.number.lower()),
            name=technician.name,
            role=role,
            password_hash=one.people.password_hash,
        )
        await technicians.edit_technician(
            session, one.actor, one.now, technician.id, None, {"user_id": user.id}
        )
        lines = late if number % 6 == 2 else [*pattern, *(weekend if number % 4 == 0 else [])]
        await working_time.add_shifts(
            session,
            one.actor,
            one.now,
            technician.id,
            expand(lines, ZoneInfo(technician.zone), days),
            overtime_s=3_600,
        )
        van = await parts.add_stock_place(
            session,
            one.actor,
            one.now,
            code=f"van-{number + 1:02}",
            name=f"Van of {technician.name}",
            kind=StockPlaceKind.VAN,
            technician_id=technician.id,
        )
        for part in stock:
            await parts.record_movement(
                session,
                one.actor,
                one.now,
                part_id=part.id,
                kind=MovementKind.RECEIPT,
                to_place_id=van.id,
                quantity=Decimal(4),
                moved_at=one.now - timedelta(days=30),
            )
    for part in stock:
        await parts.record_movement(
            session,
            one.actor,
            one.now,
            part_id=part.id,
            kind=MovementKind.RECEIPT,
            to_place_id=warehouse.id,
            quantity=Decimal(50),
            moved_at=one.now - timedelta(days=30),
        )


# --- work -------------------------------------------------------------------------------------------------


async def _new_job(
    session: Session, one: Seeding, number: int, at: datetime, impact: Impact | None = None
) -> UUID:
    """Open a repair of the asset with this number, reported at `at`."""
    found = await session.exec(
        select(Asset).where(
            Asset.tenant_id == one.actor.tenant_id, Asset.number == f"A-{number:03}"
        )
    )
    asset = await assets.find_asset(session, one.actor, found.one().id)
    summary = await assets.asset_summary(session, one.actor, asset.id)
    model = next(model for model in MODELS if model.code == summary.model.code)
    work_order = await orders.create_work_order(
        session,
        one.actor,
        at,
        work_type=await catalogue.find_work_type_by_code(session, one.actor, model.work_type),
        site=await customers.find_site(session, one.actor, asset.site_id),
        asset=asset,
        title=f"{asset.name}: {model.modes[number % len(model.modes)].replace('_', ' ')}",
        reported_at=at,
        impact=impact,
    )
    return work_order.id


async def _todays_work(one: Seeding) -> None:
    """Open incidents of the last hours for the dispatcher to plan, and one job that nobody can do."""
    rng = random.Random("today")
    numbers = rng.sample(range(20, 150), 14)
    async with one.database.transaction(one.actor.tenant_id) as session:
        for number in numbers:
            at = one.now - timedelta(minutes=rng.randrange(10, 600))
            impact = rng.choice((Impact.STOPPED, Impact.DEGRADED, Impact.RUNNING))
            await _new_job(session, one, number, at, impact)
        hospital = await session.exec(
            select(Site).where(Site.tenant_id == one.actor.tenant_id, Site.name == "Hospital Motol")
        )
        await orders.create_work_order(
            session,
            one.actor,
            one.now - timedelta(hours=3),
            work_type=await catalogue.find_work_type_by_code(session, one.actor, CERTIFICATION),
            site=hospital.one(),
            title="Certification of the surgery lift",
            reported_at=one.now - timedelta(hours=3),
        )


async def _proved_jobs(one: Seeding) -> None:
    for number in range(1, PROVED_JOBS + 1):
        at = one.now - timedelta(days=1, hours=5 * number)
        await _prove(one, number, at.astimezone(UTC))


async def _prove(one: Seeding, number: int, at: datetime) -> None:
    """Take one job from its report to its closure, as of the past: every answer and photo is there."""
    tenant = one.actor.tenant_id
    picture = await asyncio.to_thread(draw_photo, f"W {number}")
    async with one.database.transaction(tenant) as session:
        work_order_id = await _new_job(session, one, number, at, Impact.STOPPED)
        work_order = await orders.find_work_order(session, one.actor, work_order_id)
        technician = await _able(session, one, work_order.skills)
        starts = at + timedelta(hours=2)
        (visit,) = await visits.plan_visits(
            session,
            one.actor,
            at + timedelta(minutes=20),
            [
                visits.NewVisit(
                    work_order_id,
                    technician.id,
                    starts,
                    starts + timedelta(hours=2),
                )
            ],
        )
        await visits.dispatch(session, one.actor, at + timedelta(minutes=25), visit.id)
    stored = await one.store.put_small(tenant, picture)
    async with one.database.transaction(tenant) as session:
        await keep_blob(session, one.actor, starts, stored, inspect(picture))
    ends = starts + timedelta(minutes=70 + 5 * number)
    async with one.database.transaction(tenant) as session:
        job, visit = await visits.lock_visit(session, one.actor, visit.id)

        def report(moment: datetime) -> field_work.Report:
            return field_work.Report(
                session, one.actor, moment, Occurrence(moment, moment, moment), job, visit
            )

        await field_work.travel(report(starts - timedelta(minutes=35)))
        await field_work.arrive(report(starts))
        await field_work.start(report(starts))
        for item, value in (("secured", True), ("cause", "wear"), ("reading", 231 + number)):
            await field_work.answer(report(ends), item, value)
        await field_work.declare_photo(
            report(ends),
            photo_id=uuid7(),
            item="after",
            slot=0,
            sha256=bytes.fromhex(stored.sha256),
            size=stored.size,
            mime="image/jpeg",
            captured_at=ends,
        )
        for kind, from_at, to_at in (
            (TimeKind.TRAVEL, starts - timedelta(minutes=35), starts),
            (TimeKind.WORK, starts, ends),
        ):
            await field_work.add_time(report(ends), kind=kind, from_at=from_at, to_at=to_at)
        await field_work.finish(report(ends))
        await field_work.photo_bytes_arrived(
            session, one.actor, ends + timedelta(minutes=2), bytes.fromhex(stored.sha256)
        )
    async with one.database.transaction(tenant) as session:
        job = await orders.lock_work_order(session, one.actor, work_order_id)
        closer = await tenants.find_login(session, one.people.login("dispatcher"))
        assert closer is not None
        await completion.close(
            session,
            one.actor,
            job,
            ends + timedelta(hours=1),
            by=closer.id,
            facts_rev=job.facts_rev,
        )


async def _able(session: Session, one: Seeding, skills: list[dict[str, object]]) -> Technician:
    """Return the first technician who holds the skills asked for."""
    statement = (
        select(Technician)
        .where(Technician.tenant_id == one.actor.tenant_id)
        .order_by(col(Technician.number))
    )
    everybody = list(await session.exec(statement))
    held = await technicians.list_held_skills(session, one.actor, [each.id for each in everybody])
    for each in everybody:
        levels = {skill.code: skill.level for skill in held[each.id]}
        if all(levels.get(str(s["skill"]), 0) >= int(str(s["level"])) for s in skills):
            return each
    return everybody[0]


def draw_photo(caption: str, size: tuple[int, int] = (1_280, 960)) -> bytes:
    """Return a JPEG that looks like a photo to every check: gradients, shapes and a caption."""
    from PIL import Image, ImageDraw

    rng = random.Random(caption)
    base = Image.linear_gradient("L").resize(size)
    other = Image.radial_gradient("L").resize(size)
    image = Image.merge("RGB", (base, other, Image.eval(base, lambda value: 255 - value)))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        left, top = rng.randrange(size[0]), rng.randrange(size[1])
        draw.rectangle(
            (left, top, left + rng.randrange(40, 300), top + rng.randrange(40, 300)),
            fill=tuple(rng.randrange(256) for _ in range(3)),
        )
    draw.text((40, 40), caption, fill="white", font_size=64)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82)
    return out.getvalue()
