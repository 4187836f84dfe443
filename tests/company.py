"""A small service company in the database: what most tests stand on."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import Range
from uuid_utils.compat import uuid7

from fsm.actors import Actor, ActorKind, Permission, system_actor
from fsm.assets.passport_code import new_code
from fsm.assets.tables import Asset, AssetModel, Identifier, Meter, Passport
from fsm.catalogue.tables import Reason, WorkType, WorkTypeVersion
from fsm.checklists.tables import ChecklistAssignment, ChecklistTemplate, ChecklistVersion
from fsm.checklists.templates import publish
from fsm.contracts.tables import (
    Calendar,
    CalendarVersion,
    Contract,
    ContractAsset,
    ServiceLevel,
    ServiceLevelVersion,
)
from fsm.customers.tables import Contact, Customer, Site
from fsm.database import Database, Session
from fsm.parts.tables import Part, PartPrice, StockPlace
from fsm.settings import Settings
from fsm.technicians.tables import Rate, Shift, Skill, Technician, TechnicianSkill
from fsm.tenants import directory, queries, tokens
from fsm.tenants.tables import DirectoryKind, Role, Tenant, User

CHECKLIST: dict[str, Any] = {
    "template_id": "lift-repair",
    "version": 1,
    "title": {"en": "Lift repair", "ru": "Ремонт лифта"},
    "items": [
        {
            "id": "safe",
            "kind": "yesno",
            "required": True,
            "label": {"en": "Lift secured", "ru": "Лифт обесточен"},
        },
        {
            "id": "reading",
            "kind": "number",
            "unit": "kPa",
            "min": 0,
            "max": 400,
            "required": True,
            "label": {"en": "Pressure", "ru": "Давление"},
        },
        {
            "id": "after",
            "kind": "photo",
            "photos_required": "1.0",
            "label": {"en": "Photo after repair", "ru": "Фото после ремонта"},
        },
    ],
}

WORKING_HOURS = {
    "weekly": {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
    "holidays": ["2026-01-01"],
}

SERVICE_LEVEL = {
    "targets": [
        {"clock": kind, "priority": priority, "target_s": hours * 3600, **stops}
        for kind, hours, stops in (
            ("response", 4, {"stops_at": "arrival"}),
            ("restoration", 8, {}),
        )
        for priority in (1, 2, 3, 4, 5)
    ],
    "pauses": {"parts": ["restoration"], "customer_access": ["response", "restoration"]},
    "reopening": "resume",
}

EVERY_PROMISE = {
    "targets": [
        {"clock": kind, "priority": priority, "target_s": hours * 3600, **stops}
        for kind, hours, stops in (
            ("response", 1, {"stops_at": "acknowledged"}),
            ("arrival", 4, {}),
            ("restoration", 8, {}),
            ("resolution", 16, {}),
            ("statutory", 48, {}),
        )
        for priority in (1, 2, 3, 4, 5)
    ],
    "pauses": {"parts": ["restoration", "resolution"], "customer_access": ["arrival"]},
}
"""A service level with each kind of promise; what `SERVICE_LEVEL` leaves out is not promised there."""


@dataclass
class Company:
    """Rows of one tenant and tokens of its people. `headers["dispatcher"]` signs a request."""

    tenant: Tenant
    settings: Settings
    actors: dict[str, Actor] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    customer: Customer = None  # type: ignore[assignment]
    site: Site = None  # type: ignore[assignment]
    contact: Contact = None  # type: ignore[assignment]
    model: AssetModel = None  # type: ignore[assignment]
    asset: Asset = None  # type: ignore[assignment]
    meter: Meter = None  # type: ignore[assignment]
    passport: Passport = None  # type: ignore[assignment]
    calendar_version: CalendarVersion = None  # type: ignore[assignment]
    service_level: ServiceLevel = None  # type: ignore[assignment]
    contract: Contract = None  # type: ignore[assignment]
    work_type: WorkType = None  # type: ignore[assignment]
    checklist: ChecklistVersion = None  # type: ignore[assignment]
    reasons: dict[str, Reason] = field(default_factory=dict)
    skill: Skill = None  # type: ignore[assignment]
    technician: Technician = None  # type: ignore[assignment]
    part: Part = None  # type: ignore[assignment]
    warehouse: StockPlace = None  # type: ignore[assignment]
    van: StockPlace = None  # type: ignore[assignment]

    @property
    def id(self) -> UUID:
        return self.tenant.id

    @property
    def system(self) -> Actor:
        return system_actor(self.tenant.id)

    def sign_in(self, role: str, now: datetime) -> None:
        """Give the user of a role a token that serves for a month."""
        token = tokens.issue_access(self.settings, self.actors[role], now + timedelta(days=30))
        self.headers[role] = {"Authorization": f"Bearer {token}"}


async def found_company(
    database: Database, settings: Settings, now: datetime, *, slug: str
) -> Company:
    """Create a tenant with one of everything. Its zone is Europe/Paris, its working hours 9–18."""
    async with database.transaction() as session:
        tenant = await queries.create_tenant(
            session, slug=slug, name=slug.title(), now=now, zone="Europe/Paris"
        )
        company = Company(tenant, settings)
        await _people(session, company, now)
        await _customer(session, company, now)
        await _catalogue(session, company, now)
        await _contract(session, company, now)
        await _technician(session, company, now)
        await _parts(session, company)
    return company


async def _people(session: Session, company: Company, now: datetime) -> None:
    """One user for each first role but the customer's, which `_customer` adds."""
    for role in await queries.list_roles(session, company.system):
        if role.code != "customer":
            await _user(session, company, role, now)


async def _user(
    session: Session, company: Company, role: Role, now: datetime, customer_id: UUID | None = None
) -> None:
    user = await queries.add_user(
        session,
        company.system,
        now,
        login=f"{role.code}@{company.tenant.slug}",
        name=role.name,
        role=role,
        password_hash=None,
        customer_id=customer_id,
    )
    actor = Actor(
        tenant_id=company.id,
        kind=ActorKind.USER,
        user_id=user.id,
        customer_id=customer_id,
        name=user.name,
        permissions=frozenset(Permission(p) for p in role.permissions),
    )
    company.users[role.code] = user
    company.actors[role.code] = actor
    company.sign_in(role.code, now)


async def _customer(session: Session, company: Company, now: datetime) -> None:
    t = company.id
    company.customer = Customer(
        tenant_id=t, number="C-1", name="Grand Hotel", email="hotel@example.com", created_at=now
    )
    session.add(company.customer)
    await session.flush()
    company.site = Site(
        tenant_id=t,
        customer_id=company.customer.id,
        number="S-1",
        name="Grand Hotel Paris",
        address="1 Rue de Rivoli",
        city="Paris",
        country="FR",
        latitude=48.8566,
        longitude=2.3522,
        position_source="hand",
        zone="Europe/Paris",
        created_at=now,
    )
    company.model = AssetModel(
        tenant_id=t, code="LX-5", manufacturer="Otto", name="LX 5", equipment="lift"
    )
    session.add_all([company.site, company.model])
    await session.flush()
    company.contact = Contact(
        tenant_id=t,
        customer_id=company.customer.id,
        site_id=company.site.id,
        name="Anne Martin",
        phone="+33 1 23 45 67 89",
    )
    company.asset = Asset(
        tenant_id=t,
        customer_id=company.customer.id,
        site_id=company.site.id,
        model_id=company.model.id,
        number="A-1",
        name="Guest lift 1",
        serial="OT-0001234",
        in_service_from=datetime(2025, 1, 1, tzinfo=UTC),
        created_at=now,
    )
    session.add_all([company.contact, company.asset])
    await session.flush()
    company.meter = Meter(
        tenant_id=t, asset_id=company.asset.id, code="hours", name="Hours", unit="h"
    )
    company.passport = Passport(
        tenant_id=t,
        code=new_code(),
        asset_id=company.asset.id,
        status="active",
        created_at=now,
        claimed_at=now,
    )
    await directory.enlist(session, t, DirectoryKind.PASSPORT, [company.passport.code])
    session.add_all(
        [
            company.meter,
            company.passport,
            Identifier(tenant_id=t, asset_id=company.asset.id, scheme="serial", value="OT-0001234"),
        ]
    )
    role = await queries.find_role_by_code(session, company.system, "customer")
    await _user(session, company, role, now, customer_id=company.customer.id)


async def _catalogue(session: Session, company: Company, now: datetime) -> None:
    t = company.id
    company.work_type = WorkType(tenant_id=t, code="repair", name="Repair")
    session.add(company.work_type)
    await session.flush()
    session.add(
        WorkTypeVersion(
            tenant_id=t,
            work_type_id=company.work_type.id,
            version=1,
            effective_at=now - timedelta(days=365),
            names={"en": "Repair", "ru": "Ремонт"},
            request_class="incident",
            maintenance="corrective",
            duration_s=3600,
            priority=2,
            skills=[{"skill": "lift", "level": 2}],
        )
    )
    for kind, code, stops_sla in (
        ("pause", "parts", True),
        ("pause", "customer_access", True),
        ("pause", "shift_end", False),
        ("cancel", "customer", False),
        ("no_signature", "absent", False),
        ("reopen", "not_fixed", False),
        ("reclass", "misreported", False),
        ("abort", "no_access", False),
        ("reject", "overload", False),
        ("waiver", "office", False),
    ):
        reason = Reason(
            tenant_id=t,
            kind=kind,
            code=code,
            names={"en": code},
            stops_sla_clock=stops_sla,
            stops_repair_clock=stops_sla,
        )
        company.reasons[code] = reason
        session.add(reason)
    template = publish(CHECKLIST)
    row = ChecklistTemplate(tenant_id=t, code=template.template_id, name="Lift repair")
    session.add(row)
    await session.flush()
    company.checklist = ChecklistVersion(
        tenant_id=t,
        template_id=row.id,
        version=1,
        sha256=template.sha256,
        rules_sha256=template.rules_sha256,
        body=CHECKLIST,
        published_at=now,
    )
    session.add_all(
        [
            company.checklist,
            ChecklistAssignment(
                tenant_id=t,
                template_id=row.id,
                work_type_id=company.work_type.id,
                assigned_at=now,
            ),
        ]
    )
    await session.flush()


async def _contract(session: Session, company: Company, now: datetime) -> None:
    t = company.id
    calendar = Calendar(tenant_id=t, code="office", name="Office hours")
    session.add(calendar)
    await session.flush()
    company.calendar_version = CalendarVersion(
        tenant_id=t,
        calendar_id=calendar.id,
        version=1,
        effective_at=now - timedelta(days=365),
        body=WORKING_HOURS,
    )
    company.service_level = ServiceLevel(
        tenant_id=t, code="gold", name="Gold", calendar_id=calendar.id
    )
    session.add_all([company.calendar_version, company.service_level])
    await session.flush()
    company.contract = Contract(
        tenant_id=t,
        customer_id=company.customer.id,
        number="K-1",
        name="Full service",
        kind="subscription",
        starts_on=date(2025, 1, 1),
        service_level_id=company.service_level.id,
        covers={"request_classes": ["incident"], "maintenance": ["corrective"], "work_types": None},
        payers={"labour": "contract", "travel": "contract", "parts": "customer"},
        created_at=now,
    )
    session.add_all(
        [
            company.contract,
            ServiceLevelVersion(
                tenant_id=t,
                service_level_id=company.service_level.id,
                version=1,
                effective_at=now - timedelta(days=365),
                body=SERVICE_LEVEL,
            ),
        ]
    )
    await session.flush()
    session.add(
        ContractAsset(
            tenant_id=t,
            contract_id=company.contract.id,
            asset_id=company.asset.id,
            during=Range(date(2025, 1, 1), None),
        )
    )


async def _technician(session: Session, company: Company, now: datetime) -> None:
    t = company.id
    company.skill = Skill(tenant_id=t, code="lift", name="Lifts")
    company.technician = Technician(
        tenant_id=t,
        user_id=company.users["technician"].id,
        number="T-1",
        name="Boris",
        zone="Europe/Paris",
        home_latitude=48.8,
        home_longitude=2.3,
    )
    session.add_all([company.skill, company.technician])
    await session.flush()
    morning = now.replace(hour=7, minute=0, second=0, microsecond=0)
    session.add(
        TechnicianSkill(
            tenant_id=t, technician_id=company.technician.id, skill_id=company.skill.id, level=3
        )
    )
    for day in range(7):
        starts = morning + timedelta(days=day)
        session.add(
            Shift(
                tenant_id=t,
                technician_id=company.technician.id,
                during=Range(starts, starts + timedelta(hours=9)),
                break_s=1800,
                break_earliest_s=4 * 3600,
                break_latest_s=6 * 3600,
            )
        )
    for kind, amount in (("labour", 60), ("travel", 40)):
        session.add(
            Rate(
                id=uuid7(),
                tenant_id=t,
                kind=kind,
                amount=amount,
                currency="EUR",
                during=Range(date(2024, 1, 1), None),
            )
        )


async def _parts(session: Session, company: Company) -> None:
    t = company.id
    company.part = Part(tenant_id=t, number="P-1", name="Door roller")
    company.warehouse = StockPlace(tenant_id=t, code="main", name="Main", kind="warehouse")
    company.van = StockPlace(
        tenant_id=t, code="van-1", name="Van 1", kind="van", technician_id=company.technician.id
    )
    session.add_all([company.part, company.warehouse, company.van])
    await session.flush()
    session.add(
        PartPrice(
            tenant_id=t,
            part_id=company.part.id,
            cost=12,
            price=20,
            currency="EUR",
            during=Range(date(2024, 1, 1), None),
        )
    )
