"""The lines that a PowerSync client is streamed, one by one; what it uploads is in `test_powersync_crud`."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from fsm.database import Database, run
from fsm.settings import Settings
from fsm.technicians.tables import Technician
from fsm.tenants import tokens
from fsm.work_orders import field_work, visits
from mobile_api import pull, sequencer
from mobile_api.compat import powersync
from mobile_api.compat.powersync import Conversation
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import Phone
from tests.mobile_api.serving import serving
from tests.patience import PATIENCE_S

STREAM = "/compat/powersync/sync/stream"


@dataclass
class Client:
    """A client as its SDK keeps itself: buckets of rows, applied when a checkpoint is complete."""

    database: Database
    clock: Clock
    secret: tokens.Secret
    buckets: dict[str, int] = field(default_factory=dict)
    pending: dict[str, dict[tuple[str, str], Any]] = field(default_factory=dict)
    rows: dict[tuple[str, str], Any] = field(default_factory=dict)
    checkpoint: dict[str, Any] = field(default_factory=dict)
    talk: Conversation | None = None

    def connect(self, *, defaults: bool = True, subscriptions: Sequence[str] = ()) -> None:
        """Begin a stream with what is held."""
        request = powersync.read_request(
            json.dumps(
                {
                    "buckets": [{"name": k, "after": str(v)} for k, v in self.buckets.items()],
                    "client_id": "a client",
                    "raw_data": True,
                    "streams": {
                        "include_defaults": defaults,
                        "subscriptions": [{"stream": name} for name in subscriptions],
                    },
                }
            ).encode()
        )
        self.talk = Conversation(request.positions(), request.subscriptions())

    async def turn(self) -> list[dict[str, Any]]:
        """Take one turn, apply its lines, and return them."""
        assert self.talk is not None
        actor = await powersync.find_reader(self.database, self.secret)
        lines = await powersync.take_turn(self.talk, self.database, actor, self.clock())
        return [self.take(json.loads(line)) for line in lines]

    async def follow(self) -> list[dict[str, Any]]:
        """Take turns until there is nothing to tell."""
        lines: list[dict[str, Any]] = []
        while more := await self.turn():
            lines += more
        return lines

    def take(self, line: dict[str, Any]) -> dict[str, Any]:
        match line:
            case {"checkpoint": said}:
                self.checkpoint = said
                self._keep({bucket["bucket"] for bucket in said["buckets"]})
            case {"checkpoint_diff": said}:
                gone = set(said["removed_buckets"])
                names = {bucket["bucket"] for bucket in said["updated_buckets"]}
                self._keep((self.pending.keys() | names) - gone)
                self.checkpoint = said
            case {"data": said}:
                bucket = self.pending[said["bucket"]]
                assert int(said["after"]) == self.buckets[said["bucket"]]
                ids = [int(op["op_id"]) for op in said["data"]]
                assert ids == sorted(set(ids)), "operations are not in order"
                assert int(said["after"]) < ids[0]
                assert ids[-1] <= int(said["next_after"])
                for op in said["data"]:
                    assert op["checksum"] == 0
                    key = op["object_type"], op["object_id"]
                    if op["op"] == "PUT":
                        bucket[key] = json.loads(op["data"])
                    else:
                        assert op.keys() == {"op_id", "op", "object_type", "object_id", "checksum"}
                        bucket.pop(key, None)
                self.buckets[said["bucket"]] = int(said["next_after"])
            case {"checkpoint_complete": said}:
                assert said["last_op_id"] == self.checkpoint["last_op_id"]
                self.buckets = dict.fromkeys(self.pending, int(said["last_op_id"]))
                self.rows = {k: v for rows in self.pending.values() for k, v in rows.items()}
        return line

    def _keep(self, names: set[str]) -> None:
        self.pending = {name: self.pending.get(name, {}) for name in names}
        self.buckets = {name: self.buckets.get(name, 0) for name in names}

    def of(self, coll: str) -> dict[str, Any]:
        return {row_id: body for (kind, row_id), body in self.rows.items() if kind == coll}


@pytest.fixture
async def reader(phone: Phone, database: Database, clock: Clock) -> Client:
    secret = tokens.read_secret(tokens.DEVICE, phone.headers["Authorization"].split()[1])
    assert secret is not None
    found = Client(database, clock, secret)
    found.connect()
    return found


def kinds(lines: Sequence[dict[str, Any]]) -> list[str]:
    return [next(iter(line)) for line in lines]


def operations(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [op for line in lines if "data" in line for op in line["data"]["data"]]


async def cold(phone: Phone) -> dict[tuple[str, str], Any]:
    fresh = Phone(phone.client, phone.headers, phone.device_id, phone.clock)
    await fresh.pull()
    return {key: change["d"] for key, change in fresh.rows.items()}


async def write(job: Job, text: str) -> None:
    await job.do(field_work.add_note, text)


# --- checkpoints ------------------------------------------------------------------------------------------


async def test_a_cold_stream_is_a_checkpoint_its_rows_and_its_completion(
    reader: Client, phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    lines = await reader.follow()
    assert kinds(lines) == ["checkpoint", "data", "data", "checkpoint_complete"]
    head = (await phone.pull())["head"]
    said = lines[0]["checkpoint"]
    assert (said["last_op_id"], said["write_checkpoint"]) == (str(head), str(head))
    assert said["streams"] == [{"name": "all", "is_default": True, "errors": []}]
    epoch = phone.pages[-1]["epoch"]
    scopes = ["cat:main", f"tech:{company.technician.id}"]
    assert [one.pop("bucket") for one in said["buckets"]] == [f"{s}@{epoch}.{head}" for s in scopes]
    counts = [one.pop("count") for one in said["buckets"]]
    assert sum(counts) == len(operations(lines)) == len(phone.rows)
    fixed = {"checksum": 0, "priority": 3, "subscriptions": [{"default": 0}]}
    assert said["buckets"] == [fixed, fixed]
    assert reader.rows == await cold(phone)


async def test_a_change_comes_as_a_difference_with_its_row_once_however_often_it_changed(
    reader: Client, phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await reader.follow()
    (mine,) = [name for name in reader.buckets if name.startswith("tech:")]
    for text in ("one", "two", "three"):
        await write(job, text)
    lines = await reader.follow()
    assert kinds(lines) == ["checkpoint_diff", "data", "checkpoint_complete"]
    said = lines[0]["checkpoint_diff"]
    assert said["removed_buckets"] == []
    assert [one["bucket"] for one in said["updated_buckets"]] == [mine]
    (op,) = operations(lines)
    assert (op["op"], op["object_type"], op["object_id"]) == ("PUT", "visits", str(job.visit_id))
    assert op["op_id"] == said["last_op_id"] == said["write_checkpoint"]
    assert [note["text"] for note in json.loads(op["data"])["notes"]] == ["one", "two", "three"]
    assert reader.rows == await cold(phone)
    assert await reader.turn() == []


async def test_a_client_that_comes_back_gets_what_it_lacks_and_nothing_else(
    reader: Client, phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await reader.follow()
    reader.connect()
    assert kinds(await reader.follow()) == ["checkpoint", "checkpoint_complete"]
    await write(job, "while away")
    held = reader.buckets.keys()
    reader.connect()
    lines = await reader.follow()
    assert kinds(lines) == ["checkpoint", "data", "checkpoint_complete"]
    assert reader.buckets.keys() == held
    assert len(operations(lines)) == 1
    assert reader.rows == await cold(phone)


async def test_pages_are_applied_together_as_they_stood_at_the_last(
    reader: Client,
    phone: Phone,
    database: Database,
    company: Company,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = await dispatched_job(database, company, clock)
    monkeypatch.setattr(pull, "PAGE_CHANGES", 3)
    lines = await reader.turn()
    assert kinds(lines) == ["checkpoint", "data"]
    assert lines[-1]["data"]["has_more"]
    await write(job, "while the pages go out")
    lines += await reader.follow()
    assert kinds(lines).count("checkpoint_complete") == 1
    assert kinds(lines).count("checkpoint_diff") == 1, "the checkpoint moved on with the change"
    assert not [line for line in lines if "data" in line][-1]["data"]["has_more"]
    assert all(len(operations([line])) <= 3 for line in lines)
    assert reader.rows == await cold(phone)
    assert len(reader.of("visits")[str(job.visit_id)]["notes"]) == 1


async def test_a_page_broken_off_is_gone_on_with_and_a_byte_limit_holds(
    reader: Client,
    phone: Phone,
    database: Database,
    company: Company,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await dispatched_job(database, company, clock)
    monkeypatch.setattr(pull, "PAGE_BYTES", 600)
    seen: list[str] = []
    for _ in range(3):  # the line breaks after one page, each time
        reader.connect()
        seen += [op["object_id"] for op in operations(await reader.turn())]
        assert reader.rows == {}, "nothing is shown before all of it is there"
    lines = await reader.follow()
    seen += [op["object_id"] for op in operations(lines)]
    assert len(seen) == len(set(seen)), "no row was sent twice"
    assert reader.rows == await cold(phone)


async def test_streams_that_a_client_does_not_want_are_not_sent(
    reader: Client, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    reader.connect(defaults=False, subscriptions=["unknown"])
    lines = await reader.follow()
    assert (kinds(lines), lines[0]["checkpoint"]["buckets"]) == (
        ["checkpoint", "checkpoint_complete"],
        [],
    )
    reader.connect(defaults=False, subscriptions=["unknown", "all"])
    said = (await reader.follow())[0]["checkpoint"]
    assert [one["subscriptions"] for one in said["buckets"]] == [[{"sub": 1}], [{"sub": 1}]]
    assert reader.of("work_orders")


# --- leaving ----------------------------------------------------------------------------------------------


async def test_a_job_taken_away_is_first_locked_then_removed_and_no_new_device_hears_of_it(
    reader: Client, phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    await reader.follow()
    assert job.visit_id is not None
    async with database.transaction(company.id) as session:
        dispatcher = company.actors["dispatcher"]
        await visits.withdraw(session, dispatcher, clock(), job.visit_id, reason="asked to")
    await reader.follow()
    order = reader.of("work_orders")[str(job.id)]
    assert (order["access"], order["why"]) == ("revoked", "withdrawn")
    other = Client(database, clock, reader.secret)
    other.connect()
    await other.follow()
    assert other.of("work_orders") == {}
    reached = reader.checkpoint["last_op_id"]
    await phone.pull(outbox_empty_at=int(reached))
    lines = await reader.follow()
    removed = {(op["op"], op["object_type"], op["object_id"]) for op in operations(lines)}
    assert ("REMOVE", "work_orders", str(job.id)) in removed
    assert reader.rows == await cold(phone)
    assert operations(await other.follow()) == operations(lines), "a removal of nothing is harmless"
    late = Client(database, clock, reader.secret)
    late.connect()
    assert {op["op"] for op in operations(await late.follow())} == {"PUT"}


async def test_a_scope_no_longer_granted_is_a_removed_bucket(
    reader: Client, database: Database, company: Company, clock: Clock
) -> None:
    await dispatched_job(database, company, clock)
    await reader.follow()
    (before,) = [name for name in reader.buckets if name.startswith("tech:")]
    async with database.transaction(company.id) as session:
        first = await session.get(Technician, (company.id, company.technician.id))
        assert first is not None
        user_id, first.user_id = first.user_id, None
        await session.flush()
        other = Technician(
            tenant_id=company.id, number="T-9", name="Zoe", zone="Europe/Paris", user_id=user_id
        )
        session.add(other)
    lines = await reader.follow()
    said = lines[0]["checkpoint_diff"]
    assert said["removed_buckets"] == [before]
    assert [one["bucket"].split("@")[0] for one in said["updated_buckets"]] == [f"tech:{other.id}"]
    assert reader.of("work_orders") == {}
    assert reader.of("parts"), "the catalogue stays"


# --- positions that are worth nothing ---------------------------------------------------------------------


@pytest.mark.parametrize("what", ["new epoch", "head set back", "tombstones purged"])
async def test_a_worthless_position_becomes_a_bucket_of_another_name(
    what: str,
    reader: Client,
    phone: Phone,
    database: Database,
    company: Company,
    clock: Clock,
) -> None:
    job = await dispatched_job(database, company, clock)
    await reader.follow()
    await write(job, "before")
    await reader.follow()
    before = reader.buckets.keys()
    reader.pending = {name: {("ghosts", "1"): {}} for name in before}
    async with database.transaction(company.id) as session:
        if what == "new epoch":
            await sequencer.begin_epoch(session, company.id)
        elif what == "head set back":
            numbers = "select scope, coll, id, row_number() over () as k from sync_row"
            await run(
                session,
                f"update sync_row r set seq = n.k from ({numbers}) n"
                " where (r.scope, r.coll, r.id) = (n.scope, n.coll, n.id)",
            )
            await run(session, "update sync_head set head = (select max(seq) from sync_row)")
        else:
            await run(session, "update sync_head set purged = head + 1, head = head + 1")
    lines = await reader.follow()  # in the stream that is open
    assert set(lines[0]["checkpoint_diff"]["removed_buckets"]) == before
    assert reader.buckets.keys().isdisjoint(before)
    assert reader.rows == await cold(phone)
    await write(job, "after")
    reader.connect()
    await reader.follow()
    assert reader.rows == await cold(phone)


async def test_a_bucket_that_is_not_the_devices_own_is_dropped(
    reader: Client, phone: Phone, stranger: Company, database: Database
) -> None:
    """Names are only believed where the server would have given them."""
    async with database.transaction(stranger.id) as session:
        head = await sequencer.read_head(session, stranger.id)
    foreign = f"tech:{stranger.technician.id}@{head.epoch}.0"
    reader.buckets = {foreign: 0, "cat:main@nonsense.1": 5, "cat:main": 5, "x" * 500: 1}
    reader.connect()
    await reader.follow()
    assert {name.split("@")[0] for name in reader.buckets} == {
        "cat:main",
        phone_scope(phone, reader),
    }
    assert str(stranger.part.id) not in {row_id for _, row_id in reader.rows}
    assert reader.rows == await cold(phone)


def phone_scope(phone: Phone, client: Client) -> str:
    (scope,) = {name.split("@")[0] for name in client.buckets} - {"cat:main"}
    return scope


# --- over HTTP --------------------------------------------------------------------------------------------


@pytest.fixture
async def url(settings: Settings, database: Database, clock: Clock) -> AsyncIterator[str]:
    async with serving(settings, database, clock) as port:
        yield f"http://127.0.0.1:{port}"


async def next_line(lines: AsyncIterator[str]) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(await asyncio.wait_for(anext(lines), PATIENCE_S))
    return line


async def test_the_stream_tells_of_a_change_as_it_happens_and_ends_when_the_device_is_revoked(
    url: str, phone: Phone, database: Database, company: Company, clock: Clock
) -> None:
    job = await dispatched_job(database, company, clock)
    headers = {"Authorization": phone.headers["Authorization"].replace("Bearer", "Token")}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE_S) as http:
        async with http.stream("POST", STREAM, json={"buckets": []}) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].split(";")[0] == "application/x-ndjson"
            assert answer.headers["content-encoding"] == "gzip"
            lines = answer.aiter_lines()
            while "checkpoint_complete" not in await next_line(lines):
                pass
            assert "token_expires_in" not in (line := await _after(job, lines, "one")), line
            await phone.client.post(
                f"/api/devices/{phone.device_id}/revocation",
                headers=company.headers["administrator"],
                json={"reason": "lost"},
            )
            await write(job, "two")
            with pytest.raises(StopAsyncIteration):
                await next_line(lines)
        refused = await http.post(STREAM, json={"buckets": []})
        assert (refused.status_code, refused.json()["code"]) == (403, "device-revoked")


async def _after(job: Job, lines: AsyncIterator[str], text: str) -> dict[str, Any]:
    await write(job, text)
    first = await next_line(lines)
    assert "checkpoint_diff" in first
    assert text in json.dumps(await next_line(lines))
    return await next_line(lines)


async def test_a_quiet_stream_counts_down_to_its_end(
    reader: Client, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(powersync, "LIFETIME_S", 4)
    monkeypatch.setattr(powersync, "KEEP_ALIVE_S", 0.3)
    pump = powersync.Pump(database, clock)
    assert reader.talk is not None
    lines = powersync.stream(reader.talk, pump, database, reader.secret, clock, [])
    said = [json.loads(line) async for line in lines]
    assert kinds(said)[0] == "checkpoint"
    left = [line["token_expires_in"] for line in said if "token_expires_in" in line]
    assert len(set(left)) > 1
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
    assert pump._task is None


async def test_a_stream_ends_at_once_when_the_server_stops(
    reader: Client, database: Database, clock: Clock
) -> None:
    pump = powersync.Pump(database, clock)
    assert reader.talk is not None
    lines = powersync.stream(reader.talk, pump, database, reader.secret, clock, [])
    while "checkpoint_complete" not in json.loads(await anext(lines)):
        pass
    await pump.farewell()
    with pytest.raises(StopAsyncIteration):  # not another keep-alive
        await anext(lines)
    late = powersync.stream(reader.talk, pump, database, reader.secret, clock, [])
    assert "token_expires_in" not in [key async for line in late for key in json.loads(line)]


async def test_what_is_no_request_of_the_sdk_is_refused(
    client: httpx.AsyncClient, phone: Phone, company: Company
) -> None:
    many = {"buckets": [{"name": str(number), "after": "0"} for number in range(201)]}
    for content, status, code in (
        (b"", 400, "malformed-request"),
        (b"{", 400, "malformed-request"),
        (b"[]", 400, "malformed-request"),
        (b'{"buckets":[{"name":"a","after":1}]}', 400, "malformed-request"),
        (json.dumps(many).encode(), 400, "malformed-request"),
        (b" " * 2_000_000, 413, "batch-too-large"),
    ):
        refused = await client.post(STREAM, content=content, headers=phone.headers)
        assert (refused.status_code, refused.json()["code"]) == (status, code), content[:40]
    for path in (STREAM, "/compat/powersync/write-checkpoint2.json"):
        method = "POST" if path == STREAM else "GET"
        person = await client.request(method, path, headers=company.headers["technician"])
        assert (person.status_code, person.json()["code"]) == (403, "device-only")
        nobody = await client.request(method, path)
        assert nobody.status_code == 401
