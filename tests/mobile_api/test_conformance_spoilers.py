"""The kit notices: a server that breaks a rule fails the requirement on it, one requirement after another."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import count
from typing import Any

import httpx
import pytest

from fsm.database import Database
from fsm.http import wall_clock
from fsm.settings import Settings
from mobile_api import pull
from mobile_api.conformance import reading
from mobile_api.conformance.requirement import REQUIREMENTS, Verdict
from tests.company import Company
from tests.conftest import Clock
from tests.mobile_api.conformance_bench import Served, being_served, results
from tests.mobile_api.spoiling import Change, Spoil, Spoiled
from tests.patience import PATIENCE_S

NUMBERS = count(1)
DEVICES, PULL, PUSH = "/sync/v1/devices", "/sync/v1/pull", "/sync/v1/push"
RECONCILE, STREAM, INTENTS = "/sync/v1/reconcile", "/sync/v1/stream", "/sync/v1/intents"


def renew_ids(batch: dict[str, Any]) -> None:
    for intent in batch.get("intents", []):
        if isinstance(intent, dict) and len(str(intent.get("id"))) == 36:
            intent["id"] = intent["id"][:-6] + f"{next(NUMBERS):06x}"


def intents(change: Callable[[dict[str, Any]], Any]) -> Change:
    """Return a change of each intent of a batch."""

    def apply(batch: dict[str, Any]) -> None:
        for intent in batch.get("intents", []):
            if isinstance(intent, dict):
                change(intent)

    return apply


def outcomes(**members: Any) -> Change:
    """Return a change that puts members into each outcome."""

    def apply(answer: dict[str, Any]) -> None:
        for outcome in answer.get("outcomes", []):
            outcome |= members

    return apply


def rows(collection: str, change: Callable[[dict[str, Any]], Any]) -> Change:
    """Return a change of each row of a collection, in pages."""

    def apply(page: dict[str, Any]) -> None:
        for one in page.get("changes", []):
            if one["c"] == collection and one["op"] == "put":
                change(one["d"])

    return apply


def forget_a_row(page: dict[str, Any]) -> None:
    page["changes"] = page.get("changes", [])[1:]


def shift_digest(page: dict[str, Any]) -> None:
    for one in (page.get("digest") or {}).values():
        one["sum"] = f"{(int(one['sum'], 16) + 1) % 2**64:016x}"


def forge_receipt(photo: dict[str, Any]) -> None:
    if receipt := photo.get("receipt"):
        receipt["size"] += 1


def take_at_once(page: dict[str, Any]) -> None:
    """Leave in one step, as most systems do."""
    page["changes"] = [
        {**one, "op": "gone", "d": {}} if one.get("d", {}).get("access") == "revoked" else one
        for one in page.get("changes", [])
    ]


def never_let_go(page: dict[str, Any]) -> None:
    page["changes"] = [one for one in page.get("changes", []) if one["op"] != "gone"]


def call_done(job: dict[str, Any]) -> None:
    if job["status"] == "work_done":
        job["status"] = "completed"


def takes(*statuses: int, path: str = "/") -> Spoil:
    """Return the spoil that takes what ought to be refused."""
    return Spoil(path, status=dict.fromkeys(statuses, 200))


SPOILERS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "takes what it should refuse": (
        takes(400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 426, 460),
        (
            "devices.person",
            "devices.invalid",
            "devices.revoked",
            "pull.token",
            "pull.rights",
            "push.batch",
            "push.limits",
            "push.encodings",
            "push.outcome",
            "files.version",
            "files.strangers",
            "files.offset",
            "files.concatenation",
            "blobs.unknown",
            "epoch.restored",
        ),
    ),
    "refuses in prose": (
        Spoil(headers={"content-type": "text/plain"}),
        ("pull.old",),
    ),
    "gives no keys": (
        Spoil(DEVICES, answered=lambda told: told.pop("receipt_keys", None)),
        ("devices.answer",),
    ),
    "knows one device": (
        Spoil(DEVICES, answered=lambda told: told.update(device_id="the one")),
        ("devices.reinstall",),
    ),
    "gives nothing": (Spoil(PULL, answered=lambda page: page.update(changes=[])), ("pull.cold",)),
    "gives pages of any size": (Spoil(PULL, without=("limit",)), ("pull.limit", "pull.encodings")),
    "begins at the beginning": (
        Spoil(PULL, without=("since",)),
        ("pull.delta",),
    ),
    "forgets a row": (Spoil(PULL, answered=forget_a_row), ("pull.digest",)),
    "sums wrongly": (Spoil(PULL, answered=shift_digest), ("pull.digest", "leave.digest")),
    "lets all be forgotten": (
        Spoil(PULL, answered=lambda page: page.update(forget_upto=1_000_000)),
        ("pull.forget",),
    ),
    "judges by other rules": (
        Spoil(PULL, answered=rows("checklists", lambda one: one["body"]["items"].pop())),
        ("pull.checklist",),
    ),
    "takes rows away": (
        Spoil(RECONCILE, answered=lambda told: told.update(gone={"parts": ["1"]})),
        ("reconcile.nothing",),
    ),
    "repairs nothing": (
        Spoil(RECONCILE, answered=lambda told: told.update(put=[], gone={})),
        ("reconcile.repair",),
    ),
    "goes on with the old feed": (
        Spoil(RECONCILE, answered=lambda told: told.update(since="c1.e30.AAAA")),
        ("epoch.reconcile",),
    ),
    "says nothing first": (
        Spoil(STREAM, said=lambda event: event.replace(b'"epoch"', b'"era"')),
        ("stream.hello",),
    ),
    "pokes with rows": (
        Spoil(STREAM, said=lambda event: event.replace(b'{"head"', b'{"row":1,"head"')),
        ("stream.poke",),
    ),
    "pokes nobody who is late": (Spoil(STREAM, without=("last-event-id",)), ("stream.catch-up",)),
    "alters what was written": (
        Spoil(PUSH, asked=intents(lambda one: one.update(data={**one["data"], "text": "?"}))),
        ("push.applied",),
    ),
    "counts by itself": (
        Spoil(PUSH, asked=renew_ids),
        ("push.duplicate", "push.race", "push.reused-id", "epoch.replay"),
    ),
    "calls all applied": (
        Spoil(PUSH, answered=outcomes(status="applied")),
        ("push.poison", "finish.unproved"),
    ),
    "calls all rejected": (
        Spoil(PUSH, answered=outcomes(status="rejected", problem={})),
        ("push.lost-answer", "leave.kept"),
    ),
    "waits for nobody": (
        Spoil(PUSH, asked=intents(lambda one: one.pop("after", 0))),
        ("push.after",),
    ),
    "asks for nothing": (
        Spoil(PUSH, answered=lambda answer: answer.update(want=[])),
        ("push.want",),
    ),
    "notes nothing": (
        Spoil(PUSH, answered=outcomes(notes=[])),
        ("push.clock", "push.suggestion"),
    ),
    "keeps no outcome": (Spoil(INTENTS, status={200: 404}), ("push.orphan",)),
    "says nothing of tus": (Spoil("/files", headers={"tus-extension": None}), ("files.options",)),
    "tells other offsets": (
        Spoil("/files", headers={"upload-offset": "5"}),
        ("files.resume", "files.with-creation", "files.deferred"),
    ),
    "lets progress be cached": (
        Spoil("/files", headers={"cache-control": None}),
        ("files.cached",),
    ),
    "looks at no checksum": (Spoil("/files", without=("upload-checksum",)), ("files.checksum",)),
    "ends nothing": (
        Spoil("/files", methods=("DELETE",), swallows=204),
        ("files.termination",),
    ),
    "tells no time": (Spoil("/files", headers={"upload-expires": None}), ("files.expiration",)),
    "forges receipts": (Spoil(PULL, answered=rows("photos", forge_receipt)), ("files.receipt",)),
    "believes all bytes": (
        Spoil(PULL, answered=rows("photos", lambda one: one.update(state="verified"))),
        ("files.corrupt",),
    ),
    "refuses equal photos": (
        Spoil(PULL, answered=rows("photos", lambda one: one.update(state="declared"))),
        ("files.equal",),
    ),
    "gives other bytes": (Spoil("/blobs", said=lambda _: b"other"), ("blobs.read",)),
    "loses answers given": (
        Spoil(PULL, answered=rows("visits", lambda one: one.update(answers={}))),
        ("finish.kept",),
    ),
    "leaves in one step": (Spoil(PULL, answered=take_at_once), ("leave.revoked",)),
    "never lets go": (Spoil(PULL, answered=never_let_go), ("leave.gone",)),
    "gives no reasons": (
        Spoil(PULL, answered=rows("visits", lambda one: one.update(why="window"))),
        ("leave.reassigned",),
    ),
    "calls done work completed": (
        Spoil(PULL, answered=rows("work_orders", call_done)),
        ("finish.bytes",),
    ),
}


@pytest.fixture
def clock() -> Clock:
    return Clock(wall_clock())


@pytest.fixture
async def spoiled() -> list[Spoiled]:
    return []


@pytest.fixture
async def served(
    settings: Settings, database: Database, company: Company, clock: Clock, spoiled: list[Spoiled]
) -> AsyncIterator[Served]:
    def wrap(app: Any) -> Spoiled:
        spoiled.append(Spoiled(app))
        return spoiled[0]

    async with being_served(settings, database, company, clock, wrap) as served:
        yield served


@pytest.mark.long
async def test_a_server_that_breaks_a_rule_is_caught_by_the_rules_requirement(
    served: Served, spoiled: list[Spoiled], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "OLDEST_SCHEMA", 2)
    monkeypatch.setattr(reading, "_POKE_WAIT_S", 0.5)  # what never comes is not waited for
    missed = {}
    async with httpx.AsyncClient(base_url=served.url, timeout=PATIENCE_S) as client:
        for name, (spoil, keys) in SPOILERS.items():
            for key in keys:
                bench = served.whole_bench(client)
                spoiled[0].spoil = spoil
                told = (await results(bench, key))[key]
                spoiled[0].spoil = None
                if told.verdict is not Verdict.FAILED:
                    missed[name, key] = told
    assert missed == {}


async def test_every_requirement_has_been_seen_to_fail() -> None:
    shown = {key for _, keys in SPOILERS.values() for key in keys} | {"devices.rate"}
    assert {one.key for one in REQUIREMENTS} - shown == set()


async def test_a_server_that_does_not_say_how_long_to_wait_is_caught(
    settings: Settings, database: Database, company: Company, clock: Clock, spoiled: list[Spoiled]
) -> None:
    def wrap(app: Any) -> Spoiled:
        spoiled.append(Spoiled(app))
        return spoiled[0]

    few = replace(settings, device_requests=5)
    async with (
        being_served(few, database, company, clock, wrap) as served,
        httpx.AsyncClient(base_url=served.url, timeout=PATIENCE_S) as client,
    ):
        bench = served.bench(client, flood=20)
        assert (await results(bench, "devices.rate"))["devices.rate"].verdict is Verdict.PASSED
        spoiled[0].spoil = Spoil(headers={"retry-after": None})
        assert (await results(bench, "devices.rate"))["devices.rate"].verdict is Verdict.FAILED
