"""A company of any size in the database, by plain SQL: technicians, phones, and jobs with what they need.

Texts are sentences of a small vocabulary, ids are UUIDv7 spread over a year: a wire that carries them
compresses as well as one that carries people's, not better.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fsm.tenants import tokens
from tests.company import Company

_SENTENCES = """door closes slowly noise from pump third floor tenant reports smell of oil after rain
check belt pressure drops at night sensor fault code repeats since service visit ring caretaker first key in
office parking behind building use side entrance dog ladder needed roof hatch locked replace filter valve
leaks boiler lift burner panel shows error restart helps for hours customer asks to be called before"""
_STREETS = ("Rue des Lilas", "Avenue Foch", "Hauptstrasse", "Mill Lane", "Via Roma", "Calle Mayor")
_CITIES = ("Lyon", "Paris", "Nantes", "Lille", "Toulouse", "Rennes")


@dataclass(frozen=True)
class Phone:
    """A registered device and who uses it."""

    token: str
    device_id: UUID
    technician_id: UUID

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class Filler:
    """Writes rows of one company over the owner's connection; the same seed writes the same company."""

    def __init__(self, connection: Any, company: Company, now: datetime, seed: int) -> None:
        self._connection = connection
        self._company = company
        self._now = now
        self._rng = random.Random(seed)

    def _id(self) -> UUID:
        """Return a UUIDv7 of some moment of the past year."""
        made = self._now - timedelta(seconds=self._rng.randrange(31_536_000))
        high = int(made.timestamp() * 1_000) << 80
        low = self._rng.getrandbits(76)
        return UUID(int=high | 7 << 76 | (low & ~(3 << 62)) & (1 << 76) - 1 | 2 << 62)

    def _text(self, least: int, most: int) -> str:
        words = self._rng.choices(_SENTENCES.split(), k=self._rng.randint(least, most))
        return " ".join(words).capitalize()

    async def _insert(self, table: str, columns: str, rows: Iterable[Sequence[object]]) -> None:
        await self._connection.copy_records_to_table(
            table, columns=columns.split(), records=[(self._company.id, *row) for row in rows]
        )

    async def phones(self, count: int, named: str = "phone") -> list[Phone]:
        """Add technicians who sign in, each with a registered device."""
        company = self._company
        role = company.users["technician"].role_id
        users, people, devices, made = [], [], [], []
        for number in range(count):
            user_id, technician_id, device_id = self._id(), self._id(), self._id()
            secret = tokens.new_secret(tokens.DEVICE, company.id)
            name = f"{named} {number}"
            users.append((user_id, 1, name, name, "en", role, True, self._now))
            people.append(
                (technician_id, 1, user_id, name, name, "Europe/Paris", "", "", False, True)
            )
            devices.append((device_id, user_id, name, "", "", 5, secret.sha256, self._now, "{}"))
            made.append(Phone(secret.token, device_id, technician_id))
        await self._insert(
            "user", "tenant_id id rev login name language role_id is_active created_at", users
        )
        await self._insert(
            "technician",
            "tenant_id id rev user_id number name zone territory home_address is_contractor is_active",
            people,
        )
        await self._insert(
            "device",
            "tenant_id id user_id install_id platform app schema_version token_hash registered_at info",
            devices,
        )
        return made

    async def places(self, sites: int, named: str = "L") -> list[tuple[UUID, UUID, UUID]]:
        """Add customers, sites with a contact each, and machines: (customer, site, asset), two a site."""
        customers, places, contacts, machines, made = [], [], [], [], []
        for number in range(sites):
            if number % 2 == 0:
                customer_id = self._id()
                customers.append(
                    (
                        customer_id, 1, f"{named}C-{number}", f"{self._text(1, 3)} SA",
                        f"info@c{number}.example", self._phone(), "", True, self._now,
                    )
                )  # fmt: skip
            site_id = self._id()
            places.append(
                (
                    site_id, 1, customer_id, f"{named}-{number}", self._text(1, 3),
                    f"{self._rng.randint(1, 200)} {self._rng.choice(_STREETS)}",
                    self._rng.choice(_CITIES), "", "FR", 43 + self._rng.random() * 7,
                    self._rng.random() * 6, "Europe/Paris", self._text(0, 10) if number % 3 else "",
                    "", True, self._now, 200,
                )
            )  # fmt: skip
            contacts.append(
                (
                    self._id(),
                    1,
                    customer_id,
                    site_id,
                    self._text(1, 2),
                    "caretaker",
                    self._phone(),
                    "fr",
                )
            )
            for which in range(2):
                asset_id = self._id()
                machines.append(
                    (
                        asset_id, 1, customer_id, site_id, self._company.model.id,
                        f"{named}A-{number}-{which}", self._text(1, 3), f"{self._rng.getrandbits(40):X}",
                        "", 2, self._now - timedelta(days=900), "", self._now,
                    )
                )  # fmt: skip
                made.append((customer_id, site_id, asset_id))
        await self._insert(
            "customer",
            "tenant_id id rev number name email phone notes is_active created_at",
            customers,
        )
        await self._insert(
            "site",
            "tenant_id id rev customer_id number name address city region country latitude longitude "
            "zone access_notes hazards is_active created_at radius_m",
            places,
        )
        await self._insert(
            "contact", "tenant_id id rev customer_id site_id name role phone language", contacts
        )
        await self._insert(
            "asset",
            "tenant_id id rev customer_id site_id model_id number name serial place criticality "
            "in_service_from notes created_at",
            machines,
        )
        return made

    def _phone(self) -> str:
        return f"+33 1 {self._rng.randrange(10**8):08d}"

    async def jobs(
        self,
        count: int,
        places: Sequence[tuple[UUID, UUID, UUID]],
        technicians: Sequence[UUID],
        *,
        days: tuple[int, int],
        status: str = "dispatched",
        visited: str = "dispatched",
        named: str = "J",
    ) -> list[UUID]:
        """Add jobs with one visit each, in turn for each technician, on days from–to of today."""
        company, rng = self._company, self._rng
        version = await self._connection.fetchval(
            "select id from work_type_version where tenant_id = $1 limit 1", company.id
        )
        orders, visits = [], []
        for number in range(count):
            order_id = self._id()
            customer_id, site_id, asset_id = rng.choice(places)
            starts_at = (self._now + timedelta(days=rng.randint(*days))).replace(
                hour=rng.randint(7, 15), minute=rng.choice((0, 15, 30, 45)), second=0, microsecond=0
            )
            reported_at = starts_at - timedelta(minutes=rng.randrange(200, 20_000))
            orders.append(
                (
                    order_id, 1, f"{named}-{number}", status, customer_id, site_id, asset_id,
                    company.work_type.id, version, "incident", "corrective", rng.randint(1, 4),
                    self._text(2, 6), self._text(4, 25), rng.choice((1800, 3600, 5400)), 1, "[]",
                    "Europe/Paris", False, reported_at, company.checklist.id,
                    company.checklist.rules_sha256, 0, False, False, reported_at,
                    reported_at + timedelta(hours=8),
                )
            )  # fmt: skip
            over = visited == "finished"
            visits.append(
                (
                    self._id(), 1, order_id, technicians[number % len(technicians)], visited, starts_at,
                    starts_at + timedelta(hours=1), rng.randrange(300, 3_000), False, reported_at,
                    starts_at if over else None, starts_at + timedelta(minutes=50) if over else None,
                    False, reported_at, rng.randbytes(32),
                )
            )  # fmt: skip
        await self._insert(
            "work_order",
            "tenant_id id rev number status customer_id site_id asset_id work_type_id "
            "work_type_version_id request_class maintenance priority title description estimate_s "
            "crew_size skills zone is_rework reported_at checklist_version_id rules_sha256 facts_rev "
            "wants_more_work is_unproved created_at restore_by",
            orders,
        )
        await self._insert(
            "visit",
            "tenant_id id rev work_order_id technician_id status planned_starts_at planned_ends_at "
            "travel_s is_pinned dispatched_at work_started_at finished_at is_orphan created_at nonce",
            visits,
        )
        return [row[0] for row in orders]

    async def parts(self, count: int) -> None:
        """Add parts to the catalogue."""
        await self._insert(
            "part",
            "tenant_id id rev number name unit manufacturer is_original is_serialised is_active",
            [
                (self._id(), 1, f"F-{number}", self._text(1, 4), "each", "Acme", True, False, True)
                for number in range(count)
            ],
        )
