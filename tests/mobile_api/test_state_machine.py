"""Any order of what an office and phones may do, on a real database: nothing is lost, doubled or left behind.

Phones are those of `tests.chaos`, which share no code with the server, and so is the judge: their journals
are the model.
"""

import asyncio
import random
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fsm.app import compose_database
from fsm.embedded import APPLICATION_ROLE, EmbeddedPostgres
from fsm.settings import Settings, read_settings
from fsm.worker import REACTIONS
from mobile_api import backups, feed, sequencer
from mobile_api.held import apply_held
from tests.applications import application
from tests.chaos.bursts import Plan
from tests.chaos.device import Device
from tests.chaos.oracles import Judge
from tests.chaos.wire import Answer, Cut
from tests.chaos.world import Firm, Office, found_firms
from tests.conftest import TEMPLATE

FOUNDED = "fsm_state_machine"
FATES = ("whole", "answers lost", "requests lost", "pull only", "push only", "photos only")
SMALL = Plan(burst=8, per_visit=(3, 12), poison=0.03, early_finish=0.2, same_bytes=0.2)

number = st.integers(0, 2**16)


class Fated:
    """The devices' wire, into the application itself; `fate` loses requests or answers on the way."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.fate = "whole"

    async def ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b"", timeout: float = 0
    ) -> Answer:
        if self.fate == "requests lost":
            raise Cut("nothing came through")
        answer = await self._client.request(method, path, headers=headers, content=body or None)
        if self.fate == "answers lost" and method in ("POST", "PATCH"):
            raise Cut("it was done, and nobody heard of it")
        return Answer(answer.status_code, dict(answer.headers), answer.content)

    def close(self) -> None:
        """There is no connection to close."""


class Company(RuleBasedStateMachine):
    """An office, two technicians and their phones; every rule is something that happens to some company."""

    def __init__(self, postgres: EmbeddedPostgres, firm: Firm, template: str) -> None:
        super().__init__()
        self.postgres, self.firm, self.template = postgres, firm, template
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        self.name = f"machine_{uuid4().hex[:10]}"
        self.snapshot: str | None = None
        self.passed = timedelta(0)
        self.devices: list[Device] = []
        self.judge = Judge(self.path)
        self.jobs: list[tuple[str, str, str]] = []

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize(seed=number)
    def open_for_business(self, seed: int) -> None:
        self.do(self.postgres.create_database(self.name, template=self.template))
        self._start()
        self.office = Office(self.firm, [], seed)
        self.office.wires = [self.wire()]  # type: ignore[list-item]
        for person in range(2):
            self._issue(person)
        for _ in range(3):
            self.new_job(seed)

    # --- the server ---------------------------------------------------------------------------------------

    def _start(self) -> None:
        self.settings = settings_of(self.postgres, self.name, self.path)
        self.database = compose_database(self.settings)
        app = application(self.settings, database=self.database, clock=self.now)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://fsm.test")

    def now(self) -> datetime:
        return datetime.now(UTC) + self.passed

    def wire(self) -> Fated:
        return Fated(self.client)

    async def _stop(self) -> None:
        await self.client.aclose()
        await self.database.close()

    def _rewire(self) -> None:
        for device in self.devices:
            device.wire = self.wire()  # type: ignore[assignment]
        self.office.wires = [self.wire()]  # type: ignore[list-item]

    @rule()
    def back_up(self) -> None:
        """Copy the database, and tell phones what the verified copy holds."""
        self.do(self._stop())
        if self.snapshot:
            self.do(self.postgres.drop_database(self.snapshot))
        self.snapshot = f"machine_{uuid4().hex[:10]}"
        self.do(self.postgres.create_database(self.snapshot, template=self.name))
        self._start()
        self._rewire()
        self.do(self._note_backup())

    async def _note_backup(self) -> None:
        async with self.database.transaction(self.firm.company.id) as session:
            held = await backups.read_held(session, self.firm.company.id)
            await backups.note_verified(session, self.firm.company.id, held)

    @precondition(lambda self: self.snapshot is not None)
    @rule()
    def restore(self) -> None:
        """Go back to the copy; a new epoch begins before anybody else is let in."""
        self.do(self._stop())
        self.do(self.postgres.drop_database(self.name))
        self.name = f"machine_{uuid4().hex[:10]}"
        assert self.snapshot is not None
        self.do(self.postgres.create_database(self.name, template=self.snapshot))
        self._start()
        self._rewire()
        self.do(self._begin_epoch())
        self.judge.was_restored = True
        self.judge.forget_fresh_acks()

    async def _begin_epoch(self) -> None:
        async with self.database.transaction(self.firm.company.id) as session:
            await sequencer.begin_epoch(session, self.firm.company.id)

    @precondition(lambda self: self.passed < timedelta(days=2))
    @rule(hours=st.integers(1, 20))
    def time_passes(self, hours: int) -> None:
        self.passed += timedelta(hours=hours)
        for device in self.devices:
            device.offset += timedelta(hours=hours)

    # --- the office ---------------------------------------------------------------------------------------

    @rule(seed=number)
    def new_job(self, seed: int) -> None:
        self.office.rng.seed(seed)
        self.office.open = {}
        self.do(self.office._supply())

    def _act(self, act: Callable[[], Coroutine[Any, Any, bool]], seed: int) -> None:
        self.office.rng.seed(seed)
        with suppress(Cut, LookupError):
            self.do(act())

    @rule(seed=number)
    def reassign(self, seed: int) -> None:
        self._act(self.office._reassign, seed)

    @rule(seed=number)
    def cancel(self, seed: int) -> None:
        self._act(self.office._cancel, seed)

    @rule(seed=number)
    def withdraw(self, seed: int) -> None:
        self._act(self.office._withdraw, seed)

    @rule(seed=number)
    def edit(self, seed: int) -> None:
        for act in (self.office._edit_job, self.office._edit_site, self.office._edit_asset):
            self._act(act, seed)

    @rule(seed=number)
    def revoke(self, seed: int) -> None:
        """Lock out some phone, as one that was stolen: what it still sends is put aside for the office."""
        self.judge.has_revoked = True
        self._act(self.office._revoke, seed)

    @rule()
    def close_what_is_completed(self) -> None:
        with suppress(Cut):
            self.do(self.office._close_completed())

    @rule(seed=number)
    def reopen(self, seed: int) -> None:
        self._act(self.office._reopen, seed)
        self.do(self._apply_held())

    async def _apply_held(self) -> None:
        """Do what the worker does on reopening."""
        assert "work_order.reopened" in REACTIONS
        for job in self.office.closed:
            async with self.database.transaction(self.firm.company.id) as session:
                await apply_held(session, self.firm.company.id, _uuid(job), self.now())

    # --- phones -------------------------------------------------------------------------------------------

    def _issue(self, person: int) -> Device:
        who = self.firm.people[person]
        device = self._device(f"p{person}d{len(self.devices)}")
        device.person, device.technician_name = who.headers, who.name
        device.part_id = self.firm.part_id
        device.technician_id = who.technician_id
        self.devices.append(device)
        return device

    def _device(self, name: str) -> Device:
        device = Device(name, 0, {}, self.path, SMALL, random.Random(name))
        device.wire = self.wire()  # type: ignore[assignment]
        device.offset = self.passed
        return device

    @precondition(lambda self: len(self.devices) < 5)
    @rule(person=st.integers(0, 1))
    def second_phone(self, person: int) -> None:
        self._issue(person)

    @precondition(lambda self: len(self.devices) < 5)
    @rule(which=number)
    def clone(self, which: int) -> None:
        """A phone's backup is put on another phone: two of them have one identity, outbox and counter."""
        first = self._pick(which)
        name = f"{first.name}c{len(self.devices)}"
        (self.path / f"{name}.journal").write_bytes(first.journal.path.read_bytes())
        copy = self._device(name)
        copy.person, copy.technician_name = first.person, first.technician_name
        copy.part_id, copy.offset = first.part_id, first.offset
        copy.technician_id = first.technician_id
        first.is_cloned = copy.is_cloned = True
        self.devices.append(copy)

    def _pick(self, which: int) -> Device:
        return self.devices[which % len(self.devices)]

    @rule(which=number)
    def reinstall(self, which: int) -> None:
        device = self._pick(which)
        if device.is_empty:
            device.reinstall()

    @rule(which=number, days=st.sampled_from((-1, 1)))
    def clock_jumps(self, which: int, days: int) -> None:
        self._pick(which).offset = self.passed + timedelta(days=days)

    @rule(which=number, seed=number)
    def work_offline(self, which: int, seed: int) -> None:
        device = self._pick(which)
        device.rng.seed(seed)
        device.work()

    @rule(which=number, fate=st.sampled_from(FATES), seed=number)
    def sync(self, which: int, fate: str, seed: int) -> None:
        device = self._pick(which)
        device.rng.seed(seed)
        self.do(self._sync(device, fate))

    async def _sync(self, device: Device, fate: str) -> None:
        with suppress(Cut):
            if not device.token:
                await device.register()
            device.wire.fate = fate  # type: ignore[attr-defined]
            if device.is_retired:
                await device.push()
                device.reinstall()
                device.wire = self.wire()  # type: ignore[assignment]
                return
            if fate not in ("push only", "photos only"):
                await device.pull()
            if fate not in ("pull only", "photos only"):
                await device.push()
            if fate not in ("pull only", "push only"):
                await device.send_photos()
        device.wire.fate = "whole"  # type: ignore[attr-defined]

    # --- what always holds --------------------------------------------------------------------------------

    @invariant()
    def no_phone_has_seen_anything_wrong(self) -> None:
        """O4 by digest, O5, O7, O8, both phases of a leave."""
        assert [said for one in self.devices for said in one.violations] == []

    @invariant()
    def what_was_acknowledged_is_there(self) -> None:
        """O3."""
        if self.devices:
            self.do(self._check_acked())

    async def _check_acked(self) -> None:
        connection = await self._connect()
        try:
            await self.judge.check_acked(connection)
        finally:
            await connection.close()
        assert self.judge.verdict.violations == []

    async def _connect(self) -> Any:
        import asyncpg

        return await asyncpg.connect(self.postgres.url(self.name, "postgres"))

    def teardown(self) -> None:
        """Let everybody come to rest and hold the server to all oracles."""
        try:
            if self.devices:
                self.do(self._rest())
        finally:
            self.do(self._end())
            self.loop.close()
            self.folder.cleanup()

    async def _rest(self) -> None:
        for _ in range(40):
            for device in self.devices:
                await self._sync(device, "whole")
            if all(one.is_empty and one.is_at_rest for one in self.devices):
                break
        assert [one.name for one in self.devices if not one.is_empty] == []
        await self._apply_held()
        held = {}
        for device in self.devices:
            for step in (device.pull, device.pull, device.cold_pull):
                await step()
            for snap in device.photos.values():
                if snap.is_proved:
                    await device.check_bytes(snap)
            held[device.name] = {
                "technician": device.technician_id,
                "rows": [[*key, one["rev"], one["d"]] for key, one in device.held.rows.items()],
            }
        self.no_phone_has_seen_anything_wrong()
        file = self.path / "held.json"
        file.write_text(_json(held))
        connection = await self._connect()
        try:
            await self.judge.check(connection, [file])
        finally:
            await connection.close()
        assert self.judge.verdict.violations == []
        async with self.database.transaction(self.firm.company.id) as session:
            assert await feed.audit_scopes(session, self.firm.company.id) == []

    async def _end(self) -> None:
        await self._stop()
        for device in self.devices:
            device.journal.close()
        for name in (self.name, self.snapshot):
            if name:
                await self.postgres.drop_database(name)


def _json(value: Any) -> str:
    import json

    return json.dumps(value)


def _uuid(text: str) -> Any:
    from uuid import UUID

    return UUID(text)


def settings_of(postgres: EmbeddedPostgres, name: str, folder: Path) -> Settings:
    return read_settings(
        {
            "FSM_DATABASE_URL": postgres.url(name, APPLICATION_ROLE),
            "FSM_SECRET": "a secret of the state machine, long enough",
            "FSM_PUBLIC_URL": "http://fsm.test",
            "FSM_BLOB_DIR": str(folder / "blobs"),
            "FSM_POOL_SIZE": "5",
        }
    )


@pytest.fixture(scope="module")
def firm(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firm]:
    """A founded company in a database that every run begins as a copy of."""

    async def found() -> Firm:
        await postgres.create_database(FOUNDED, template=TEMPLATE)
        folder = tmp_path_factory.mktemp("founded")
        (made,) = await found_firms(settings_of(postgres, FOUNDED, folder), 1, 2)
        return made

    yield asyncio.run(found())
    asyncio.run(postgres.drop_database(FOUNDED))


def explore(postgres: EmbeddedPostgres, firm: Firm, **wishes: Any) -> None:
    run_state_machine_as_test(
        lambda: Company(postgres, firm, FOUNDED),
        settings=settings(
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            database=None,
            **wishes,
        ),
    )


def test_no_order_of_events_loses_doubles_or_strands_anything(
    postgres: EmbeddedPostgres, firm: Firm
) -> None:
    explore(postgres, firm, max_examples=6, stateful_step_count=25, derandomize=True)


@pytest.mark.long
def test_no_order_of_many_events_loses_doubles_or_strands_anything(
    postgres: EmbeddedPostgres, firm: Firm
) -> None:
    explore(postgres, firm, max_examples=150, stateful_step_count=60)
