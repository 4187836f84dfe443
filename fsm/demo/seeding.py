"""Filling an empty database with the demonstration's company, through the product's own functions."""

import tempfile
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from fsm.actors import Actor, system_actor
from fsm.assets import passports
from fsm.assets.tables import Asset
from fsm.catalogue import queries as catalogue
from fsm.catalogue.tables import MaintenanceKind, ReasonKind, RequestClass
from fsm.checklists import queries as checklists
from fsm.checklists.assignments import Subject, assign
from fsm.contracts import versions
from fsm.customers.tables import Customer
from fsm.database import Database, Session
from fsm.demo.equipment import (
    CERTIFICATION,
    REASONS,
    SERVICES,
    SKILLS,
    WORK_TYPES,
    checklist,
)
from fsm.demo.files import company_files, history_file
from fsm.demo.given import Say, Seeding
from fsm.demo.people import People
from fsm.demo.places import CUSTOMERS
from fsm.demo.upkeep import plan_upkeep
from fsm.demo.work import open_todays_work, work_lately
from fsm.evidence.blobs import BlobStore
from fsm.imports.importing import import_file
from fsm.imports.kinds import KINDS
from fsm.imports.options import read_options
from fsm.maintenance.generator import generate_all
from fsm.parts import queries as parts
from fsm.parts.tables import MovementKind, StockPlaceKind
from fsm.technicians import queries as technicians
from fsm.technicians import working_time
from fsm.technicians.shift_pattern import DayRange, expand, pattern_shift
from fsm.technicians.tables import RateKind, Technician
from fsm.tenants import queries as tenants
from fsm.tenants.tokens import find_actor

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")


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
        await _rates(session, one)
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
    say("working the last weeks' jobs, with answers and photos")
    await work_lately(one)
    say("opening today's work")
    await open_todays_work(one)
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


async def _rates(session: Session, one: Seeding) -> None:
    """What a kilometre costs, and what customers pay for an hour; each technician's own cost is imported."""
    for kind, amount in (
        (RateKind.VEHICLE, 9),
        (RateKind.LABOUR_PRICE, 1_250),
        (RateKind.TRAVEL_PRICE, 820),
    ):
        await technicians.add_rate(
            session,
            one.actor,
            one.now,
            kind=kind,
            amount=Decimal(amount),
            starts_on=one.today - timedelta(days=3 * 365),
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
