"""The conformance kit: our server fulfils all of it; a server or an app that breaks a rule is caught."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from litestar import Litestar

from fsm.__main__ import main
from fsm.database import Database
from fsm.http import wall_clock
from fsm.settings import Settings
from mobile_api import sequencer
from mobile_api.conformance import VECTOR_FOLDER, kit
from mobile_api.conformance.device import Bench, Device
from mobile_api.conformance.referee import Referee
from mobile_api.conformance.requirement import REQUIREMENTS, Result, Verdict
from tests.applications import application
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job


@asynccontextmanager
async def listening(serve: Callable[[str], Any]) -> AsyncIterator[str]:
    """Serve what `serve` makes for an address on a loopback port; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as port:
        url = f"http://127.0.0.1:{port.getsockname()[1]}"
        config = uvicorn.Config(
            serve(url),
            http="httptools",
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[port]))
        yield url
        server.should_exit = True
        await asyncio.wait_for(running, 20)


@dataclass
class Served:
    """The product on a loopback port, with a dispatched job."""

    url: str
    company: Company
    job: Job

    def bench(self, client: httpx.AsyncClient, **options: Any) -> Bench:
        bearer = self.company.headers["technician"]["Authorization"]
        return Bench(client, bearer.removeprefix("Bearer "), **options)

    async def retitle(self) -> None:
        """Change something that the technician sees, as the office does."""
        path = f"{self.url}/api/sites/{self.company.site.id}"
        async with httpx.AsyncClient(headers=self.company.headers["dispatcher"]) as office:
            rev = (await office.get(path)).json()["rev"]
            body = {"rev": rev, "access_notes": f"Ring twice ({rev})"}
            answer = await office.patch(path, json=body)
            assert answer.status_code == 200, answer.text


@pytest.fixture
def clock() -> Clock:
    """The kit is a stranger: it tells the time by itself."""
    return Clock(wall_clock())


@pytest.fixture
async def served(
    settings: Settings, database: Database, company: Company, clock: Clock
) -> AsyncIterator[Served]:
    def serve(url: str) -> Litestar:
        return application(replace(settings, public_url=url), database=database)

    job = await dispatched_job(database, company, clock)
    async with listening(serve) as url:
        yield Served(url, company, job)


async def results(bench: Bench, only: str = "") -> dict[str, Result]:
    return {one.key: one async for one in kit.conform(bench, only)}


async def test_our_server_fulfils_every_requirement(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.url, timeout=30) as client:
        bench = served.bench(client, change=served.retitle, may_finish=True)
        told = await results(bench)
    assert len(told) == len(REQUIREMENTS) >= 35
    assert {key: one.detail for key, one in told.items() if one.verdict is not Verdict.PASSED} == {}


async def test_what_cannot_be_tried_is_never_called_fulfilled(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.url, timeout=30) as client:
        told = await results(served.bench(client), only="stream.poke")
    assert told["stream.poke"].verdict is Verdict.SKIPPED


# --- servers that break a rule ----------------------------------------------------------------------------


class Spoiled:
    """A server that is ours but for one thing: what goes in or comes out at a path is changed."""

    def __init__(
        self,
        app: Any,
        path: str,
        *,
        asked: Callable[[dict[str, Any]], Any] | None = None,
        answered: Callable[[dict[str, Any]], Any] | None = None,
        kind: bytes | None = None,
    ) -> None:
        self.app, self.path, self.asked, self.answered, self.kind = app, path, asked, answered, kind

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(self.path):
            await self.app(scope, receive, send)
            return
        # Plain answers only, so that they can be changed.
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        sent: list[Any] = []

        async def hear() -> Any:
            message = await receive()
            if self.asked is None or not message.get("body") or message.get("more_body"):
                return message
            return {**message, "body": changed(message["body"], self.asked)}

        async def tell(message: Any) -> None:
            if scope["path"].endswith("/stream"):
                if self.answered and message.get("body", b"").find(b"event: poke") >= 0:
                    message = {
                        **message,
                        "body": message["body"].replace(b'{"head"', b'{"c":1,"head"'),
                    }
                await send(message)
                return
            sent.append(message)

        await self.app(scope, hear, tell)
        if not sent:
            return
        body = b"".join(message.get("body", b"") for message in sent)
        if self.answered and body:
            body = changed(body, self.answered)
        headers = [
            (name, self.kind if self.kind and name == b"content-type" else value)
            for name, value in sent[0]["headers"]
            if name != b"content-length"
        ]
        if scope["method"] != "HEAD" and sent[0]["status"] != 204:
            headers.append((b"content-length", str(len(body)).encode()))
        await send({**sent[0], "headers": headers})
        await send({"type": "http.response.body", "body": body})


def changed(body: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    try:
        content = json.loads(body)
    except ValueError:
        return body
    if isinstance(content, dict):
        change(content)
    return json.dumps(content).encode()


def renew_ids(batch: dict[str, Any]) -> None:
    for intent in batch.get("intents", []):
        if isinstance(intent, dict) and "id" in intent and len(str(intent["id"])) == 36:
            intent["id"] = intent["id"][:-6] + f"{next(NUMBERS):06x}"


def forget_a_row(page: dict[str, Any]) -> None:
    page["changes"] = page.get("changes", [])[1:]


def shift_digest(page: dict[str, Any]) -> None:
    for one in (page.get("digest") or {}).values():
        one["sum"] = f"{(int(one['sum'], 16) + 1) % 2**64:016x}"


def forge_receipts(page: dict[str, Any]) -> None:
    for change in page.get("changes", []):
        if receipt := change.get("d", {}).get("receipt"):
            receipt["size"] += 1


def never_want(answer: dict[str, Any]) -> None:
    answer["want"] = []


def call_it_applied(answer: dict[str, Any]) -> None:
    for outcome in answer.get("outcomes", []):
        outcome["status"] = "applied"


NUMBERS = iter(range(1_000_000))
SPOILERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "applies twice": ("/sync/v1/push", {"asked": renew_ids}, "push.duplicate"),
    "forgets a row": ("/sync/v1/pull", {"answered": forget_a_row}, "pull.digest"),
    "sums wrongly": ("/sync/v1/pull", {"answered": shift_digest}, "pull.digest"),
    "forges receipts": ("/sync/v1/pull", {"answered": forge_receipts}, "files.receipt"),
    "asks for nothing": ("/sync/v1/push", {"answered": never_want}, "push.want"),
    "finishes unproved": ("/sync/v1/push", {"answered": call_it_applied}, "finish.unproved"),
    "refuses in prose": ("/sync/v1/push", {"kind": b"text/plain"}, "push.batch"),
    "pokes with rows": ("/sync/v1/stream", {"answered": forget_a_row}, "stream.poke"),
}


async def test_a_server_that_breaks_a_rule_is_caught_by_the_rules_requirement(
    settings: Settings, database: Database, served: Served, clock: Clock
) -> None:
    for name, (path, spoiling, requirement) in SPOILERS.items():

        def serve(url: str, path: str = path, spoiling: dict[str, Any] = spoiling) -> Spoiled:
            app = application(replace(settings, public_url=url), database=database, clock=clock)
            return Spoiled(app, path, **spoiling)

        async with listening(serve) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
            told = await results(served.bench(client, change=served.retitle), only=requirement)
        assert told[requirement].verdict is Verdict.FAILED, (name, told[requirement])


# --- apps -------------------------------------------------------------------------------------------------


@dataclass
class App:
    """An app in front of a referee: a device of the kit, and what the referee found."""

    device: Device
    referee: Referee
    visit: str

    def note(self, text: str = "Roller worn") -> dict[str, Any]:
        return self.device.intent("note.add", visit_id=self.visit, text=text)

    def breaches(self) -> set[str]:
        return {one.rule for one in self.referee.ledger.close()}


@asynccontextmanager
async def app_of(served: Served, *, faults: bool = False) -> AsyncIterator[App]:
    async with httpx.AsyncClient(base_url=served.url, timeout=30) as server:
        referee = Referee(server, faults=faults)
        async with (
            listening(lambda _: referee) as url,
            httpx.AsyncClient(base_url=url, timeout=30) as client,
        ):
            device = await served.bench(client).new_device()
            yield App(device, referee, str(served.job.visit_id))


async def test_an_app_that_keeps_the_rules_over_a_bad_line_is_found_without_fault(
    served: Served,
) -> None:
    async with app_of(served, faults=True) as app:
        await stubbornly(app.device.pull)
        for number in range(20):
            note = app.note(f"Note {number}")
            await stubbornly(lambda note=note: app.device.push(note))
            await stubbornly(app.device.pull)
        await stubbornly(lambda: app.device.pull(outbox_empty_at=app.device.head))
        notes = app.device.of("visits")[app.visit]["notes"]
    assert [one["text"] for one in notes] == [f"Note {number}" for number in range(20)]
    assert app.breaches() == set()
    assert min(app.referee.faults.values()) > 0, app.referee.faults


async def stubbornly(attempt: Callable[[], Any]) -> None:
    """Try until it works, and wait where the server says so."""
    while True:
        try:
            await attempt()
        except httpx.HTTPStatusError as refused:
            await asyncio.sleep(float(refused.response.headers["Retry-After"]))
        except httpx.TransportError:
            continue
        else:
            return


async def renumber(app: App) -> None:
    await app.device.push({**app.note(), "seq": 1}, {**app.note(), "seq": 1})


async def rewrite(app: App) -> None:
    note = app.note()
    await app.device.push(note)
    await app.device.push({**note, "data": {**note["data"], "text": "Something else"}})


async def count_by_itself(app: App) -> None:
    await app.device.push({**app.note(), "id": "phone-1:17"})


async def read_on_with_anothers_token(app: App) -> None:
    await app.device.get("/sync/v1/pull", params={"since": "c1.e30.AAAA"})


async def stop_halfway(app: App) -> None:
    await app.device.page(limit=1)


async def claim_an_empty_outbox(app: App) -> None:
    await app.device.pull()
    app.referee.ledger.pushes(app.device.bearer["Authorization"][7:], app.device.batch(app.note()))
    await app.device.pull(outbox_empty_at=app.device.head)


async def skip_a_number_for_ever(app: App) -> None:
    lost = app.note()
    app.referee.ledger.pushes(app.device.bearer["Authorization"][7:], app.device.batch(lost))
    await app.device.push(app.note())


async def put_the_token_into_the_address(app: App) -> None:
    await app.device.get("/sync/v1/pull", params={"token": app.device.registered["token"]})


async def upload_other_bytes(app: App) -> None:
    content, other = b"\xff\xd8\xff one", b"\xff\xd8\xff two"
    answer = await app.device.create_upload(
        len(content), {"photo_id": app.device.id, "sha256": sha256(other).hexdigest()}
    )
    await app.device.append(httpx.URL(answer.headers["Location"]).path, 0, content)


BREACHES: dict[Callable[[App], Any], str] = {
    renumber: "app.number",
    rewrite: "app.id",
    count_by_itself: "app.id",
    read_on_with_anothers_token: "app.since",
    stop_halfway: "app.complete",
    claim_an_empty_outbox: "app.outbox",
    skip_a_number_for_ever: "app.want",
    put_the_token_into_the_address: "app.secret",
    upload_other_bytes: "app.bytes",
}


async def test_an_app_that_breaks_a_rule_is_told_which(served: Served) -> None:
    for act, rule in BREACHES.items():
        async with app_of(served) as app:
            await act(app)
        assert rule in app.breaches(), act


async def test_an_app_that_gives_up_after_a_lost_answer_or_ignores_retry_after_is_told(
    served: Served,
) -> None:
    async with app_of(served, faults=True) as app:
        for _ in range(8):
            with_answer = app.device.post("/sync/v1/push", json=app.device.batch(app.note()))
            await asyncio.gather(with_answer, return_exceptions=True)
    assert {"app.retry", "app.wait"} <= app.breaches()


async def test_an_app_that_reads_on_after_the_feed_began_anew_is_told(
    served: Served, database: Database
) -> None:
    async with app_of(served) as app:
        await app.device.pull()
        async with database.transaction(served.company.id) as session:
            head = await sequencer.read_head(session, served.company.id)
            await sequencer.begin_epoch(session, served.company.id, instead_of=head.epoch)
        for _ in range(2):
            refused = await app.device.get("/sync/v1/pull", params={"since": app.device.since})
            assert refused.status_code == 410
    assert "app.epoch" in app.breaches()


# --- the commands -----------------------------------------------------------------------------------------


async def test_the_command_tries_a_server_and_says_what_it_found(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bearer = served.company.headers["technician"]["Authorization"]
    monkeypatch.setenv("FSM_CONFORM_TOKEN", bearer.removeprefix("Bearer "))
    words = ["conform", "sync", served.url, "--only", "pull", "--json"]
    assert await asyncio.to_thread(main, words) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["failed"], told["skipped"]) == (0, 0)
    assert told["passed"] == len(told["results"]) >= 8


async def test_the_command_stands_between_and_judges(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["conform", "app", served.url, "--port", str(port), "--seconds", "4"]
    running = asyncio.create_task(asyncio.to_thread(main, words))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        while True:
            try:
                device = await served.bench(client).new_device()
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
        await device.page(limit=1)
    assert await running == 1
    assert "FAIL  app.complete" in capsys.readouterr().out


def test_the_vectors_can_be_had_by_anybody(tmp_path: Path) -> None:
    assert main(["conform", "vectors", str(tmp_path / "v")]) == 0
    for source in VECTOR_FOLDER.glob("*.json"):
        assert (tmp_path / "v" / source.name).read_bytes() == source.read_bytes()
