"""Requirements on registration, pull, digest, reconcile and stream."""

import asyncio
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import zstandard

from mobile_api.conformance.device import PULL, PUSH, Bench, Device, same_json
from mobile_api.conformance.problems import must_refuse
from mobile_api.conformance.requirement import CannotTry, must, requirement

_POKE_WAIT_S = 10.0

# --- devices ----------------------------------------------------------------------------------------------


@requirement(
    "devices.answer", "Registration answers device_id, epoch, server_time, limits, receipt_keys."
)
async def registration_answers(bench: Bench) -> None:
    answer = await bench.register()
    must(answer.status_code == 200, f"registration answered {answer.status_code}")
    told = answer.json()
    for name in ("device_id", "token", "epoch", "server_time", "limits", "receipt_keys"):
        must(name in told, f"the answer lacks '{name}'")
    must(told["receipt_keys"], "no key for receipts was given")
    for key in told["receipt_keys"]:
        must(key["key"].startswith("ed25519:"), "a receipt key is not written ed25519:…")


@requirement("devices.reinstall", "A re-installed app is a new device.")
async def a_reinstall_is_new(bench: Bench) -> None:
    first, second = [(await bench.register(f"conformance-{uuid4()}")).json() for _ in range(2)]
    must(first["device_id"] != second["device_id"], "two installations share a device_id")


@requirement("devices.person", "Without a person's token nothing is registered (401, a problem).")
async def strangers_register_nothing(bench: Bench) -> None:
    body = {"install_id": "stranger", "schema": 5}
    must_refuse(await bench.http.post("/sync/v1/devices", json=body), 401, "unauthenticated")


@requirement("devices.invalid", "A registration that cannot be read is refused with a problem.")
async def odd_registrations_are_refused(bench: Bench) -> None:
    odd: list[dict[str, Any]] = [{"schema": 0}, {"install_id": ""}, {"key": "rsa:1"}]
    for body in odd:
        answer = await bench.register(**body)
        must(400 <= answer.status_code < 500, f"{body} was answered {answer.status_code}")
        must_refuse(answer, answer.status_code)


# --- pull -------------------------------------------------------------------------------------------------


@requirement("pull.cold", "A pull without 'since' gives everything, in pages, until 'complete'.")
async def a_cold_pull_is_whole(bench: Bench) -> None:
    device = await bench.new_device()
    pages = await device.pull()
    must(device.rows, "the technician holds no row at all; give the kit one with work")
    most = device.registered["limits"]["pull_changes"]
    must(all(len(page["changes"]) <= most for page in pages), "a page is above the limit")


@requirement("pull.limit", "Small pages lead to the same rows as large ones.")
async def small_pages_lead_to_the_same(bench: Bench) -> None:
    large, small = await bench.new_device(), await bench.new_device()
    await large.pull()
    pages = await small.pull(limit=3)
    must(all(len(page["changes"]) <= 3 for page in pages), "limit=3 gave more than 3 changes")
    await large.pull()
    must(same_json(_bodies(large), _bodies(small)), "the two devices hold different rows")
    must(not small.set_back, f"a revision went back: {small.set_back[:1]}")


@requirement("pull.delta", "A pull after a complete one brings only what has changed since.")
async def nothing_new_brings_nothing(bench: Bench) -> None:
    device = await bench.device()
    page = await device.page()
    must(page["complete"], "a pull with nothing new is not complete")
    must(len(page["changes"]) == 0, f"{len(page['changes'])} changes came though nothing changed")


@requirement("pull.digest", "The digest of a complete pull is that of the device's own rows.")
async def the_digest_fits(bench: Bench) -> None:
    device = await bench.device()
    page = (await device.pull())[-1]
    if page.get("digest") is None:
        raise CannotTry("the server sent no digest: changes were on their way")
    must(same_json(page["digest"], device.digest()), "the digest is another one")
    checked = (await device.get("/sync/v1/digest")).json()
    must(same_json(checked["digest"], device.digest()), "GET /sync/v1/digest says another one")


@requirement("pull.token", "A 'since' that was altered, or given to another device, is refused.")
async def tokens_are_the_devices_own(bench: Bench) -> None:
    device, other = await bench.device(), await bench.new_device()
    await other.pull()
    assert device.since is not None
    for since in (device.since[:-4] + "AAAA", other.since, "c1.e30.AAAA", "1"):
        answer = await device.get(PULL, params={"since": since})
        must(400 <= answer.status_code < 500, f"since={since!r} was answered {answer.status_code}")
        must_refuse(answer, answer.status_code)


@requirement("pull.forget", "'forget_upto' never names a number that the device has not sent.")
async def nothing_is_forgotten_early(bench: Bench) -> None:
    fresh = await bench.new_device()
    page = (await fresh.pull())[-1]
    must(page["forget_upto"] == 0, f"a new device is told to forget up to {page['forget_upto']}")
    device = await bench.device()
    page = await device.page()
    must(0 <= page["forget_upto"] <= device.seq, f"forget up to {page['forget_upto']}")


@requirement("pull.old", "An app too old to read is refused with 426; it may still send.")
async def old_apps_still_send(bench: Bench) -> None:
    device = Device(bench.http, (await bench.register(schema=1)).json())
    answer = await device.get(PULL)
    if answer.status_code == 200:
        raise CannotTry("this server still reads with the oldest apps")
    must_refuse(answer, 426, "client-too-old")
    orphan = device.intent("note.add", visit_id=str(uuid4()), text="from an old app")
    answer = await device.post(PUSH, json=device.batch(orphan))
    must(answer.status_code == 200, f"its push was answered {answer.status_code}")


@requirement("pull.encodings", "gzip and zstd answers hold the same as plain ones.")
async def encodings_hold_the_same(bench: Bench) -> None:
    device = await bench.new_device()
    plain = (await _raw(device, "identity"))[1]
    for encoding in ("gzip", "zstd"):
        used, content = await _raw(device, encoding)
        must(used == encoding, f"asked for {encoding}, got {used or 'identity'}")
        must(same_json(content["changes"], plain["changes"]), f"{encoding} holds something else")


@requirement("pull.rights", "Without a device's token nothing is read.")
async def strangers_read_nothing(bench: Bench) -> None:
    must_refuse(await bench.http.get(PULL), 401, "unauthenticated")
    odd = {"Authorization": "Bearer fsmd_nobody"}
    answer = await bench.http.get(PULL, headers=odd)
    must(answer.status_code in (401, 403), f"a made-up token was answered {answer.status_code}")


@requirement("pull.checklist", "A job's checklist is there, under the hash of what judges in it.")
async def checklists_are_whole(bench: Bench) -> None:
    device = await bench.device()
    jobs = [job for job in device.of("work_orders").values() if job.get("checklist_id")]
    if not jobs:
        raise CannotTry("no job of the technician has a checklist")
    checklists = device.of("checklists")
    for job in jobs:
        version = checklists.get(job["checklist_id"])
        must(version is not None, f"the checklist of job {job['number']} is not there")
        assert version is not None
        must(version["rules_sha256"] == job["rules_sha256"], "job and checklist name other rules")
        must(rules_sha256(version["body"]) == job["rules_sha256"], "the rules have another hash")


def rules_sha256(document: dict[str, Any]) -> str:
    """Return the hash of a checklist's items without what only people read, as JSON in RFC 8785 form."""
    worded = ("label", "help", "constraint_text")
    judging = [
        {
            key: [{"code": one["code"]} for one in value] if key == "choices" else value
            for key, value in item.items()
            if key not in worded
        }
        for item in document["items"]
    ]
    # Enough of RFC 8785 here: a published checklist holds no number that JSON could write in two ways.
    text = json.dumps({"items": judging}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()


# --- reconcile --------------------------------------------------------------------------------------------


@requirement("reconcile.nothing", "A device that holds all it should is told nothing.")
async def a_whole_device_is_left_alone(bench: Bench) -> None:
    device = await bench.device()
    told = await _reconcile(device, device.have())
    must(told["complete"], "the answer is not complete")
    must(told["put"] == [], f"{len(told['put'])} rows came that the device has")
    must(told["gone"] == {}, "rows were taken away that the device may hold")


@requirement(
    "reconcile.repair", "Missing, stale and foreign rows are put right, and 'since' goes on."
)
async def a_damaged_device_is_repaired(bench: Bench) -> None:
    device = await bench.new_device()
    await device.pull()
    whole = dict(device.rows)
    lost, *others = list(device.rows)
    del device.rows[lost]
    if others:
        device.rows[others[0]] = {**device.rows[others[0]], "rev": 0}
    foreign = ("work_orders", str(uuid4()))
    device.rows[foreign] = {"rev": 1, "d": {}}
    await reconciled(device)
    must(foreign not in device.rows, "a row that never existed was left to the device")
    must(
        {key: row["rev"] for key, row in device.rows.items()}
        == {key: row["rev"] for key, row in whole.items()},
        "the device does not hold what it should",
    )
    must((await device.page())["changes"] == [], "the new 'since' begins somewhere else")


# --- stream -----------------------------------------------------------------------------------------------


@requirement("stream.hello", "The stream begins with 'hello', naming head and epoch.")
async def the_stream_says_hello(bench: Bench) -> None:
    device = await bench.device()
    async with _events(device) as events:
        kind, data = await anext(events)
    must(kind == "hello", f"it begins with '{kind}'")
    must({"head", "epoch"} <= data.keys(), "'hello' lacks head or epoch")


@requirement("stream.poke", "A change is told as a poke with the head, and without any row.")
async def a_change_pokes(bench: Bench) -> None:
    if bench.change is None:
        raise CannotTry("the kit was given no way to change something in the office")
    device = await bench.device()
    async with _events(device) as events:
        await anext(events)
        await bench.change()
        kind, data = await asyncio.wait_for(anext(events), _POKE_WAIT_S)
    must(kind == "poke", f"'{kind}' came")
    must(set(data) == {"head"}, f"a poke holds {sorted(data)}; it may hold the head alone")
    must((await device.page())["changes"], "the poke was for nothing: the pull brings no change")


@requirement("stream.catch-up", "Last-Event-ID below the head is answered with a poke at once.")
async def a_late_listener_is_poked(bench: Bench) -> None:
    device = await bench.device()
    if device.head < 1:
        raise CannotTry("nothing has ever changed here")
    async with _events(device, last=str(device.head - 1)) as events:
        await anext(events)
        kind, _ = await asyncio.wait_for(anext(events), _POKE_WAIT_S)
    must(kind == "poke", f"'{kind}' came")


class _events:  # noqa: N801 - reads as the function that it stands for
    """Open the stream; yields (event, data) pairs, comments left out."""

    def __init__(self, device: Device, last: str | None = None) -> None:
        headers = {**device.bearer, "Accept": "text/event-stream"}
        if last is not None:
            headers["Last-Event-ID"] = last
        self._request = device.http.stream("GET", "/sync/v1/stream", headers=headers)

    async def __aenter__(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        answer = await self._request.__aenter__()
        must(answer.status_code == 200, f"the stream answered {answer.status_code}")
        kind = answer.headers.get("content-type", "")
        must(kind.startswith("text/event-stream"), f"the stream is '{kind}'")
        return self._read(answer)

    async def __aexit__(self, *failure: Any) -> None:
        await self._request.__aexit__(*failure)

    @staticmethod
    async def _read(answer: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        kind, data = "message", ""
        async for line in answer.aiter_lines():
            if line.startswith("event:"):
                kind = line.removeprefix("event:").strip()
            elif line.startswith("data:"):
                data = line.removeprefix("data:").strip()
            elif not line and data:
                yield kind, json.loads(data)
                kind, data = "message", ""


async def _raw(device: Device, encoding: str) -> tuple[str, dict[str, Any]]:
    """Return the encoding that a cold pull came in, and what it holds, read without the client's help."""
    request = device.http.build_request(
        "GET", PULL, headers={**device.bearer, "Accept-Encoding": encoding}
    )
    answer = await device.http.send(request, stream=True)
    try:
        content = b"".join([chunk async for chunk in answer.aiter_raw()])
    finally:
        await answer.aclose()
    used = answer.headers.get("content-encoding", "")
    if used == "zstd":
        content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    elif used == "gzip":
        content = httpx.Response(200, headers={"content-encoding": "gzip"}, content=content).content
    told: dict[str, Any] = json.loads(content)
    return used, told


async def _reconcile(device: Device, have: Any) -> dict[str, Any]:
    answer = await device.post("/sync/v1/reconcile", json={"have": have})
    must(answer.status_code == 200, f"reconcile answered {answer.status_code}")
    told: dict[str, Any] = answer.json()
    return told


async def reconciled(device: Device) -> None:
    """Put the device right by comparing row by row, until the server says that this is all."""
    while True:
        told = await _reconcile(device, device.have())
        for change in told["put"]:
            device.rows[change["c"], change["id"]] = change
        for name, ids in told["gone"].items():
            for row_id in ids:
                device.rows.pop((name, row_id), None)
        if told["complete"]:
            device.since = told["since"]
            return
        must(told["put"] or told["gone"], "reconcile neither goes on nor becomes complete")


def _bodies(device: Device) -> dict[str, Any]:
    return {f"{name}/{row_id}": row["d"] for (name, row_id), row in device.rows.items()}
