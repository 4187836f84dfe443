"""The companies that a run happens in: technicians with phones, machines, an office that changes its mind."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from fsm.app import compose_database
from fsm.assets.passport_code import new_code
from fsm.assets.tables import Asset, Passport
from fsm.checklists.tables import ChecklistVersion
from fsm.checklists.templates import publish
from fsm.parts.tables import StockPlace
from fsm.settings import Settings
from fsm.technicians.tables import Technician
from fsm.tenants import directory, queries, tokens
from fsm.tenants.tables import DirectoryKind
from tests.chaos.wire import Answer, Cut, Wire
from tests.company import CHECKLIST, Company, found_company

PLANS = ("reassign", "cancel", "withdraw")
"""What becomes of a share of all visits soon after their dispatch, however much else goes on."""

FRESH = 4
"""Of so many visits dispatched last most are not begun yet: those an office changes its mind about."""

REMARKS = 4
"""Text items beside the required ones, so that phones have something to answer all day."""

LABELS = 60
"""Printed ahead for each technician, to be stuck on machines."""


@dataclass
class Person:
    """A technician with a login; `headers` sign them in."""

    technician_id: str
    name: str
    headers: dict[str, str]


@dataclass
class Firm:
    """What office and phones need to know of one tenant."""

    company: Company
    tenant_id: str
    part_id: str
    site_id: str
    assets: list[str]
    office: dict[str, str]
    administrator: dict[str, str]
    people: list[Person] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    """Labels without a machine."""


async def found_firms(
    settings: Settings, firms: int, technicians: int, assets_each: int = 3
) -> list[Firm]:
    """Found companies whose sessions last longer than any run, with so many machines a technician."""
    database = compose_database(settings)
    try:
        return [
            await _found(database, settings, f"firm{number}", technicians, assets_each)
            for number in range(1, firms + 1)
        ]
    finally:
        await database.close()


async def _found(
    database: Any, settings: Settings, slug: str, technicians: int, assets_each: int
) -> Firm:
    now = datetime.now(UTC)
    company = await found_company(database, settings, now, slug=slug)
    firm = Firm(
        company,
        str(company.id),
        str(company.part.id),
        str(company.site.id),
        [str(company.asset.id)],
        company.headers["dispatcher"],
        company.headers["administrator"],
        [
            Person(
                str(company.technician.id), company.technician.name, company.headers["technician"]
            )
        ],
    )
    document = {
        **CHECKLIST,
        "version": 2,
        "items": [
            *CHECKLIST["items"],
            *(
                {"id": f"remark{number}", "kind": "text", "label": {"en": "Remark"}}
                for number in range(1, REMARKS + 1)
            ),
            {"id": "signed", "kind": "signature", "decline": True, "label": {"en": "Signature"}},
        ],
    }
    template = publish(document)
    async with database.transaction(company.id) as session:
        session.add(
            ChecklistVersion(
                tenant_id=company.id,
                template_id=company.checklist.template_id,
                version=2,
                sha256=template.sha256,
                rules_sha256=template.rules_sha256,
                body=document,
                published_at=now,
            )
        )
        for number in range(2, assets_each * technicians):
            asset = Asset(
                id=uuid7(),
                tenant_id=company.id,
                customer_id=company.customer.id,
                site_id=company.site.id,
                model_id=company.model.id,
                number=f"A-{number}",
                name=f"Guest lift {number}",
                in_service_from=now - timedelta(days=365),
                created_at=now,
            )
            session.add(asset)
            firm.assets.append(str(asset.id))
        firm.codes = [new_code() for _ in range(LABELS * technicians)]
        session.add_all(
            [Passport(tenant_id=company.id, code=code, created_at=now) for code in firm.codes]
        )
        await directory.enlist(session, company.id, DirectoryKind.PASSPORT, firm.codes)
        role = await queries.find_role_by_code(session, company.system, "technician")
        for number in range(2, technicians + 1):
            firm.people.append(await _hire(session, company, settings, role, now, number))
    return firm


async def _hire(
    session: Any, company: Company, settings: Settings, role: Any, now: datetime, number: int
) -> Person:
    name = f"Technician {number}"
    user = await queries.add_user(
        session,
        company.system,
        now,
        login=f"t{number}@{company.tenant.slug}",
        name=name,
        role=role,
        password_hash=None,
    )
    technician = Technician(
        id=uuid7(),
        tenant_id=company.id,
        user_id=user.id,
        number=f"T-{number}",
        name=name,
        zone="Europe/Paris",
    )
    session.add(technician)
    await session.flush()
    session.add(
        StockPlace(
            tenant_id=company.id,
            code=f"van-{number}",
            name=f"Van {number}",
            kind="van",
            technician_id=technician.id,
        )
    )
    actor = await tokens.find_actor(session, company.id, user.id)
    assert actor is not None
    token = tokens.issue_access(settings, actor, now + timedelta(days=30))
    return Person(str(technician.id), name, {"Authorization": f"Bearer {token}"})


class Office:
    """Dispatchers of one firm: they keep everybody busy, and reassign, cancel, edit, revoke in between."""

    def __init__(
        self,
        firm: Firm,
        ports: list[int],
        seed: int,
        *,
        most_open: int = 3,
        disturb: float = 0.4,
        acts: Sequence[str] = (),
    ) -> None:
        self.firm = firm
        self.rng = random.Random(seed)
        self.wires = [Wire(port) for port in ports]
        self.most_open = most_open
        self.disturb = disturb
        self.acts = acts
        """What it changes its mind about, everything where nothing is named."""
        self.may_revoke = True
        self.open: dict[str, int] = {}
        """technician → visits that their phones can work on, as far as they have told"""
        self.recent: list[tuple[str, str, str]] = []
        """(work order, visit, technician) dispatched lately"""
        self.closed: list[str] = []
        self.did: dict[str, int] = {}

    async def ask(self, method: str, path: str, body: Any = None, **more: str) -> Answer:
        """Send a request to whichever server answers; a lost answer is a dispatcher's everyday life."""
        import json

        headers = {**self.firm.office, **more}
        content = b"" if body is None else json.dumps(body).encode()
        if content:
            headers["Content-Type"] = "application/json"
        return await self.rng.choice(self.wires).ask(method, path, headers, content)

    async def read(self, path: str, **more: str) -> Any:
        answer = await self.ask("GET", path, **more)
        if answer.status != 200:
            raise Cut(f"{path} answered {answer.status}")
        return answer.json()

    async def run(self, pause_s: float = 0.05) -> None:
        """Work for ever."""
        while True:
            try:
                if await self._supply() and self.rng.random() < self.disturb:
                    await self._disturb(PLANS)
                if self.rng.random() < self.disturb:
                    await self._disturb()
                if self.rng.random() < 0.15:
                    await self._close_completed()
            except (Cut, KeyError, LookupError):
                await asyncio.sleep(0.2)
            await asyncio.sleep(pause_s)

    async def _supply(self) -> bool:
        """Give a job to whoever runs out of work; return whether a visit came of it."""
        idle = [
            one for one in self.firm.people if self.open.get(one.technician_id, 0) < self.most_open
        ]
        if not idle:
            return False
        person = self.rng.choice(idle)
        job = await self._left_open() or await self._take_in()
        if job is None:
            return False
        starts_at = datetime.now(UTC) + timedelta(minutes=self.rng.randint(0, 300))
        planned = await self.ask(
            "POST",
            "/api/visits",
            {
                "work_order_id": job,
                "technician_id": person.technician_id,
                "starts_at": starts_at.isoformat(),
                "ends_at": (starts_at + timedelta(hours=1)).isoformat(),
            },
        )
        if planned.status != 201:
            return False
        visit = planned.json()
        released = await self.ask("POST", "/api/visits/dispatching", {"visit_ids": [visit["id"]]})
        if released.status == 200:
            self.open[person.technician_id] = self.open.get(person.technician_id, 0) + 1
            self.did["dispatch"] = self.did.get("dispatch", 0) + 1
            self.recent.append((visit["work_order_id"], visit["id"], person.technician_id))
            del self.recent[:-40]
        return released.status == 200

    async def _take_in(self) -> str | None:
        """Make a new job."""
        made = await self.ask(
            "POST",
            "/api/work-orders",
            {
                "work_type": "repair",
                "asset_id": self.rng.choice(self.firm.assets),
                "title": "Door does not close",
                "impact": self.rng.choice(("stopped", "degraded", None)),
            },
        )
        return str(made.json()["id"]) if made.status == 201 else None

    async def _left_open(self) -> str | None:
        """Return a job that nobody has now, since its visit was not taken, given up or withdrawn."""
        if self.rng.random() < 0.8:
            return None
        found = await self.read("/api/work-orders?status=open&limit=20")
        return str(self.rng.choice(found["items"])["id"]) if found["items"] else None

    async def _disturb(self, among: Collection[str] = ()) -> None:
        """Change its mind about something, about nothing but these where some are named."""
        kinds: dict[str, tuple[float, Callable[[], Awaitable[bool]]]] = {
            "reassign": (8, self._reassign),
            "cancel": (1, self._cancel),
            "withdraw": (2, self._withdraw),
            "edit_job": (6, self._edit_job),
            "edit_site": (2, self._edit_site),
            "edit_asset": (3, self._edit_asset),
            "reopen": (1, self._reopen),
            "revoke": (0.4, self._revoke),
        }
        names = [one for one in self.acts or kinds if not among or one in among]
        if not names:
            return
        name = self.rng.choices(names, [kinds[one][0] for one in names])[0]
        act = kinds[name][1]
        if await act():
            self.did[name] = self.did.get(name, 0) + 1

    async def _reassign(self) -> bool:
        _, visit_id, technician_id = self.rng.choice(self.recent[-FRESH:])
        visit = await self.read(f"/api/visits/{visit_id}")
        others = [one for one in self.firm.people if one.technician_id != technician_id]
        other = self.rng.choice(others)
        moved = await self.ask(
            "PATCH",
            f"/api/visits/{visit_id}",
            {"rev": visit["rev"], "technician_id": other.technician_id},
        )
        if moved.status == 200:
            self.recent.append((visit["work_order_id"], moved.json()["id"], other.technician_id))
        return moved.status == 200

    async def _cancel(self) -> bool:
        job, _, _ = self.rng.choice(self.recent[-FRESH:])
        path = f"/api/work-orders/{job}/cancellation"
        return (await self.ask("POST", path, {"reason": "customer"})).status == 200

    async def _withdraw(self) -> bool:
        _, visit, _ = self.rng.choice(self.recent[-FRESH:])
        path = f"/api/visits/{visit}/withdrawal"
        return (await self.ask("POST", path, {"reason": "not needed"})).status == 200

    async def _edit_job(self) -> bool:
        job, _, _ = self.rng.choice(self.recent)
        return await self._edit(
            f"/api/work-orders/{job}",
            title=f"Door {self.rng.randint(1, 9)} does not close",
            priority=self.rng.randint(1, 5),
        )

    async def _retitle(self, job: str) -> bool:
        title = f"Door {self.rng.randint(10, 99)} does not close"
        return await self._edit(f"/api/work-orders/{job}", title=title)

    async def _edit_site(self) -> bool:
        notes = f"Code {self.rng.randint(1000, 9999)}"
        return await self._edit(f"/api/sites/{self.firm.site_id}", access_notes=notes)

    async def _edit_asset(self) -> bool:
        path = f"/api/assets/{self.rng.choice(self.firm.assets)}"
        return await self._edit(path, place=f"Shaft {self.rng.randint(1, 9)}")

    async def _edit(self, path: str, **changes: Any) -> bool:
        rev = (await self.read(path))["rev"]
        return (await self.ask("PATCH", path, {"rev": rev, **changes})).status == 200

    async def _reopen(self) -> bool:
        job = self.rng.choice(self.closed)
        path = f"/api/work-orders/{job}/reopening"
        return (await self.ask("POST", path, {"reason": "not_fixed"})).status == 200

    async def _revoke(self) -> bool:
        if not self.may_revoke:
            return False
        found = await self.read("/api/devices", **self.firm.administrator)
        live = [one["id"] for one in found["items"] if one["revoked_at"] is None]
        path = f"/api/devices/{self.rng.choice(live)}/revocation"
        answer = await self.ask("POST", path, {"reason": "stolen"}, **self.firm.administrator)
        return answer.status == 200

    async def _close_completed(self) -> None:
        found = await self.read("/api/work-orders?status=completed&limit=50")
        for row in found["items"]:
            job = await self.read(f"/api/work-orders/{row['id']}")
            with suppress(KeyError):
                done = await self.ask(
                    "POST",
                    f"/api/work-orders/{row['id']}/closure",
                    {"facts_rev": job["facts_rev"]},
                )
                if done.status == 200:
                    self.closed.append(row["id"])
                    del self.closed[:-100]

    async def last_word(self) -> None:
        """Change what phones hold that have nothing left to send: only the feed can tell them.

        Titles come last: whatever else changes has more of what a phone holds written anew, the titles too.
        """
        if not self.recent:
            return
        last = [partial(self._retitle, job) for job, _, _ in self.recent[-4:]]
        for act in (self._edit_job, self._cancel, self._edit_asset, self._edit_site, *last):
            with suppress(Cut):
                await act()

    def close(self) -> None:
        for wire in self.wires:
            wire.close()


def tenant_uuid(firm: Firm) -> UUID:
    return UUID(firm.tenant_id)
