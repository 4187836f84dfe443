"""The conformance kit: our server fulfils all of it; a server or an app that breaks a rule is caught."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from fsm.__main__ import main
from fsm.database import Database
from fsm.http import wall_clock
from fsm.settings import Settings
from mobile_api import pull, sequencer
from mobile_api.conformance import VECTOR_FOLDER, reading
from mobile_api.conformance.device import Device
from mobile_api.conformance.not_tried import NOT_TRIED
from mobile_api.conformance.proving import created, photo_of, picture
from mobile_api.conformance.reading import reconciled
from mobile_api.conformance.referee import Referee
from mobile_api.conformance.requirement import REQUIREMENTS, Verdict
from tests.company import Company
from tests.conftest import Clock
from tests.mobile_api.conformance_bench import Served, being_served, listening, results
from tests.patience import PATIENCE_S


@pytest.fixture
def clock() -> Clock:
    """The kit is a stranger: it tells the time by itself."""
    return Clock(wall_clock())


@pytest.fixture
async def served(
    settings: Settings, database: Database, company: Company, clock: Clock
) -> AsyncIterator[Served]:
    async with being_served(settings, database, company, clock) as served:
        yield served


async def test_our_server_fulfils_every_requirement_that_can_be_tried(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "OLDEST_SCHEMA", 2)  # so that there is an app too old to read
    monkeypatch.setattr(reading, "_POKE_WAIT_S", PATIENCE_S)
    async with httpx.AsyncClient(base_url=served.url, timeout=PATIENCE_S) as client:
        told = await results(served.whole_bench(client))
    assert len(REQUIREMENTS) >= 60
    assert told.keys() == {one.key for one in REQUIREMENTS} | NOT_TRIED.keys()
    unmet = {key: one.detail for key, one in told.items() if one.verdict is not Verdict.PASSED}
    assert unmet.pop("devices.rate").endswith("--flood")
    assert unmet == {key: f"not tried: {why}" for key, (_, why) in NOT_TRIED.items()}


async def test_what_cannot_be_tried_is_never_called_fulfilled(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.url, timeout=PATIENCE_S) as client:
        for key in ("stream.poke", "leave.gone", "devices.revoked", "epoch.restored"):
            told = await results(served.bench(client), only=key)
            assert told[key].verdict is Verdict.SKIPPED
            assert told[key].detail, key


# --- apps -------------------------------------------------------------------------------------------------


@dataclass
class App:
    """An app in front of a referee: a device of the kit, and what the referee found."""

    device: Device
    referee: Referee
    visit: str

    def note(self, text: str = "Roller worn") -> dict[str, Any]:
        return self.device.intent("note.add", visit_id=self.visit, text=text)

    @property
    def token(self) -> str:
        return self.device.bearer["Authorization"].removeprefix("Bearer ")

    def breaches(self) -> set[str]:
        return {one.rule for one in self.referee.ledger.close()}


@asynccontextmanager
async def app_of(served: Served, *, faults: bool = False) -> AsyncIterator[App]:
    async with httpx.AsyncClient(base_url=served.url, timeout=PATIENCE_S) as server:
        referee = Referee(server, faults=faults)
        async with (
            listening(lambda _: referee) as url,
            httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as client,
        ):
            device = await served.bench(client).new_device()
            yield App(device, referee, str(served.job.visit_id))


async def test_an_app_that_keeps_the_rules_over_a_bad_line_is_found_without_fault(
    served: Served,
) -> None:
    async with app_of(served, faults=True) as app:
        await stubbornly(lambda: read(app.device))
        for number in range(20):
            note = app.note(f"Note {number}")
            await stubbornly(lambda note=note: app.device.push(note))
            await stubbornly(lambda: read(app.device))
        await stubbornly(lambda: read(app.device, outbox_empty_at=app.device.head))
        notes = app.device.of("visits")[app.visit]["notes"]
    assert [one["text"] for one in notes] == [f"Note {number}" for number in range(20)]
    assert app.breaches() == set()
    assert min(app.referee.faults.values()) > 0, app.referee.faults


async def read(device: Device, **params: Any) -> None:
    """Pull, and compare row by row where the digest is not the device's own."""
    page = (await device.pull(**params))[-1]
    if page.get("digest") and page["digest"] != device.digest():
        await reconciled(device)


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
    app.referee.ledger.pushes(app.token, app.device.batch(app.note()))
    await app.device.pull(outbox_empty_at=app.device.head)


async def skip_a_number_for_ever(app: App) -> None:
    lost = app.note()
    app.referee.ledger.pushes(app.token, app.device.batch(lost))
    await app.device.push(app.note())


async def put_the_token_into_the_address(app: App) -> None:
    await app.device.get("/sync/v1/pull", params={"token": app.device.registered["token"]})


async def send_the_later_one_first(app: App) -> None:
    first, second = app.note(), app.note()
    await app.device.push({**second, "after": [first["id"]]})
    await app.device.push(first)


async def wait_for_what_never_comes(app: App) -> None:
    never = app.note()
    app.device.seq -= 1
    await app.device.push({**app.note(), "after": [never["id"]]})


async def send_nothing_again_after_a_restore(app: App) -> None:
    await app.device.push(app.note())
    app.referee.ledger.anew(app.token, "restored")
    await reconciled(app.device)


async def read_on_with_another_digest(app: App) -> None:
    await app.device.pull()
    app.referee.ledger.doubted(app.token)
    await app.device.pull()


async def photo(app: App) -> tuple[bytes, str]:
    """Declare a photo; return its bytes and id."""
    content = picture()
    declared = photo_of(app.device, app.visit, "after", content)
    await app.device.push(declared)
    return content, declared["data"]["photo_id"]


async def declare_a_photo_and_send_half(app: App) -> None:
    content, photo_id = await photo(app)
    location = await created(app.device, content, photo_id)
    await app.device.append(location, 0, content[:40])


async def count_by_itself_through_an_adapter(app: App) -> None:
    row = {**app.note(), "id": "phone-1:17", "_deleted": False}
    await app.device.post("/compat/rxdb/intents/push", json=[{"newDocumentState": row}])


async def rewrite_through_an_adapter(app: App) -> None:
    note = app.note()
    for text in ("one", "two"):
        row = {**note, "data": json.dumps({**note["data"], "text": text}), "after": "[]"}
        changes = {"intents": {"created": [row], "updated": [], "deleted": []}}
        body = {"changes": changes, "lastPulledAt": 1}
        assert (await app.device.post("/compat/watermelondb/sync", json=body)).is_success


async def send_the_later_one_first_through_an_adapter(app: App) -> None:
    first, second = app.note(), app.note()
    for op_id, one in enumerate(({**second, "after": [first["id"]]}, first), 1):
        row = {"op_id": op_id, "op": "PUT", "type": "intents", "id": one["id"], "data": one}
        body = {"install_id": "phone-1", "client_id": "phone-1", "batch": [row]}
        await app.device.post("/compat/powersync/crud", json=body)


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
    send_the_later_one_first: "app.after",
    wait_for_what_never_comes: "app.after",
    send_nothing_again_after_a_restore: "app.replay",
    read_on_with_another_digest: "app.digest",
    declare_a_photo_and_send_half: "app.photo",
    count_by_itself_through_an_adapter: "app.id",
    rewrite_through_an_adapter: "app.id",
    send_the_later_one_first_through_an_adapter: "app.after",
}


async def test_an_app_that_breaks_a_rule_is_told_which(served: Served) -> None:
    for act, rule in BREACHES.items():
        async with app_of(served) as app:
            await act(app)
        assert rule in app.breaches(), act


async def test_photos_sent_in_any_way_of_tus_are_found_without_fault(served: Served) -> None:
    async with app_of(served) as app:
        device = app.device
        one, photo_id = await photo(app)
        location = await created(device, one, photo_id)
        for start in range(0, len(one), 50):
            await device.append(location, start, one[start : start + 50])
        two, photo_id = await photo(app)
        about = {"photo_id": photo_id, "sha256": sha256(two).hexdigest()}
        along = {"Content-Type": "application/offset+octet-stream"}
        await device.create_upload(len(two), about, along, two)
        three, photo_id = await photo(app)
        about = {"photo_id": photo_id, "sha256": sha256(three).hexdigest()}
        answer = await device.create_upload(None, about, {"Upload-Defer-Length": "1"})
        path = httpx.URL(answer.headers["Location"]).path
        await device.append(path, 0, three, **{"Upload-Length": str(len(three))})
        four, photo_id = await photo(app)
        parts = []
        for piece in (four[:60], four[60:]):
            part = await device.create_upload(len(piece), {}, {"Upload-Concat": "partial"})
            parts.append(part.headers["Location"])
            await device.append(httpx.URL(parts[-1]).path, 0, piece)
        about = {"photo_id": photo_id, "sha256": sha256(four).hexdigest()}
        await device.create_upload(None, about, {"Upload-Concat": f"final;{' '.join(parts)}"})
        again = {**about, "photo_id": str(uuid4())}  # the bytes are known, and need not come again
        await device.create_upload(len(four), again)
        _, photo_id = await photo(app)
        retract = {"visit_id": app.visit, "photo_id": photo_id, "reason": "blurred"}
        await device.push(device.intent("photo.retract", **retract))
        await device.pull()
    assert app.referee.ledger.close() == []


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
    assert told["failed"] == 0
    skipped = {one["key"] for one in told["results"] if one["verdict"] == "skipped"}
    assert skipped == {"pull.old", "pull.dropped", "pull.concurrent"}
    assert told["passed"] == len(told["results"]) - told["skipped"] >= 9


async def test_the_command_asks_an_office_which_may_say_that_it_cannot(
    served: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bearer = served.company.headers["technician"]["Authorization"]
    monkeypatch.setenv("FSM_CONFORM_TOKEN", bearer.removeprefix("Bearer "))
    office, asked = tmp_path / "office", tmp_path / "asked"
    office.write_text(f"#!/bin/sh\necho $* >> {asked}\nexit 3\n")
    office.chmod(0o700)
    words = ["conform", "sync", served.url, "--only", "leave.gone", "--office", str(office)]
    assert await asyncio.to_thread(main, words) == 0
    assert "the office cannot dispatch" in capsys.readouterr().out
    assert [line.split()[0] for line in asked.read_text().splitlines()] == ["dispatch", "revoke"]


async def test_the_command_stands_between_and_judges(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["conform", "app", served.url, "--port", str(port), "--seconds", "8"]
    running = asyncio.create_task(asyncio.to_thread(main, words))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
        while not running.done():
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
