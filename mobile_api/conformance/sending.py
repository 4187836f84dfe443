"""Requirements on push: stored once, applied once, in order, and answered."""

import asyncio
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import zstandard
from uuid_utils.compat import uuid7

from mobile_api.conformance.device import PUSH, Bench, Device
from mobile_api.conformance.problems import must_refuse
from mobile_api.conformance.requirement import CannotTry, must, requirement

_HARSH = 'Ключ 🔧 «déjà vu» \u200b\t日本 "quoted" \\ end'


async def _work(bench: Bench) -> tuple[Device, str]:
    """Return a device and a visit to report on."""
    found = await bench.visit()
    if found is None:
        raise CannotTry("the technician has no visit to report on; dispatch one")
    device, visit = found
    return device, visit["id"]


async def notes_on(device: Device, visit: str, text: str) -> int:
    """Return how often a note stands on the visit."""
    await device.pull()
    notes = device.of("visits")[visit]["notes"]
    return sum(note["text"] == text for note in notes)


def unique(text: str = "conformance") -> str:
    return f"{text} {uuid4()}"


@requirement(
    "push.applied", "What is sent is applied, and comes back down the feed as it was written."
)
async def notes_come_back(bench: Bench) -> None:
    device, visit = await _work(bench)
    text = unique(_HARSH)
    outcome = await device.outcome(device.intent("note.add", visit_id=visit, text=text))
    must(outcome["status"] == "applied", f"the note is {outcome['status']}")
    must(await notes_on(device, visit, text) == 1, "the note is not on the visit, or was altered")


@requirement(
    "push.duplicate", "Sent again it is a duplicate, with the first outcome, and nothing doubles."
)
async def twice_is_once(bench: Bench) -> None:
    device, visit = await _work(bench)
    text = unique()
    note = device.intent("note.add", visit_id=visit, text=text)
    first = await device.outcome(note)
    mixed = dict(reversed(note.items()))
    for again in (note, mixed):
        outcome = await device.outcome(again)
        must(outcome["status"] == "duplicate", f"sent again it is {outcome['status']}")
        must(outcome["first"]["status"] == first["status"], "the first outcome is another one")
    both = (await device.push(note, note))["outcomes"]
    must([one["status"] for one in both] == ["duplicate"] * 2, "twice in one batch is no duplicate")
    must(await notes_on(device, visit, text) == 1, "the note stands there twice")


@requirement(
    "push.lost-answer", "A batch whose answer was lost can be sent again; nothing is doubled."
)
async def a_lost_answer_costs_nothing(bench: Bench) -> None:
    device, visit = await _work(bench)
    texts = [unique() for _ in range(5)]
    notes = [device.intent("note.add", visit_id=visit, text=text) for text in texts]
    content = json.dumps(device.batch(*notes)).encode()
    task = asyncio.create_task(device.post(PUSH, content=content))
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    outcomes = (await device.push(*notes))["outcomes"]
    must(
        all(one["status"] in ("applied", "duplicate") for one in outcomes),
        f"after the lost answer: {[one['status'] for one in outcomes]}",
    )
    counts = [await notes_on(device, visit, text) for text in texts]
    must(counts == [1] * 5, f"the notes stand there {counts} times")


@requirement("push.race", "The same batch over two connections at once is applied once.")
async def two_connections_apply_once(bench: Bench) -> None:
    device, visit = await _work(bench)
    text = unique()
    note = device.intent("note.add", visit_id=visit, text=text)
    answers = await asyncio.gather(*(device.push(note) for _ in range(4)))
    told = sorted(answer["outcomes"][0]["status"] for answer in answers)
    must(told == ["applied", *["duplicate"] * 3], f"four at once became {told}")
    must(await notes_on(device, visit, text) == 1, "the note stands there more than once")


@requirement("push.reused-id", "Another content under a used id is kept apart and never applied.")
async def an_id_names_one_intent(bench: Bench) -> None:
    device, visit = await _work(bench)
    note = device.intent("note.add", visit_id=visit, text=unique())
    await device.outcome(note)
    text = unique("another")
    other = {**note, "data": {"visit_id": visit, "text": text}}
    outcome = await device.outcome(other)
    must(outcome["status"] == "quarantined", f"it is {outcome['status']}")
    must(_code(outcome) == "idempotency-key-reused", f"its problem is {_code(outcome)}")
    must(await notes_on(device, visit, text) == 0, "the second content was applied")


@requirement("push.poison", "An intent that cannot be read, or is not known, blocks no other.")
async def poison_blocks_nothing(bench: Bench) -> None:
    device, visit = await _work(bench)
    before, after = unique("before"), unique("after")
    poison = [
        device.intent("coffee.make", visit_id=visit),
        {**device.intent("note.add"), "data": "not an object"},
        device.intent("note.add", visit_id=visit, text=5),
        device.intent("note.add", visit_id=visit, text="nul \x00 inside"),
        {"id": "no uuid", "seq": device.seq},
        {},
    ]
    sound = [device.intent("note.add", visit_id=visit, text=text) for text in (before, after)]
    outcomes = (await device.push(sound[0], *poison, sound[1]))["outcomes"]
    told = [one["status"] for one in outcomes]
    must(told[0] == told[-1] == "applied", f"the sound ones are {told[0]} and {told[-1]}")
    must(set(told[1:-1]) == {"quarantined"}, f"the others are {told[1:-1]}")
    for text in (before, after):
        must(await notes_on(device, visit, text) == 1, "a sound note is not on the visit")


@requirement("push.after", "An intent waits for those it names, in this batch or a later one.")
async def dependants_wait(bench: Bench) -> None:
    device, visit = await _work(bench)
    text = unique()
    first = device.intent("note.add", visit_id=visit, text=unique())
    second = device.intent("note.add", visit_id=visit, text=text, after=[first["id"]])
    outcome = await device.outcome(second)
    must(outcome["status"] == "waiting", f"without the first it is {outcome['status']}")
    must(await notes_on(device, visit, text) == 0, "it was applied before what it waits for")
    await device.outcome(first)
    must(await notes_on(device, visit, text) == 1, "it is still not applied")
    looked_up = (await device.get(f"/sync/v1/intents/{second['id']}")).json()
    must(looked_up["status"] == "applied", f"its outcome is {looked_up['status']}")


@requirement("push.want", "Numbers that never arrived are asked for.")
async def gaps_are_asked_for(bench: Bench) -> None:
    device, visit = await _work(bench)
    missing = device.intent("note.add", visit_id=visit, text=unique("late"))
    present = device.intent("note.add", visit_id=visit, text=unique())
    told = await device.push(present)
    must(missing["seq"] in told["want"], f"number {missing['seq']} is not in {told['want']}")
    told = await device.push(missing)
    must(missing["seq"] not in told["want"], "a number that arrived is still asked for")


@requirement("push.orphan", "Work on a visit that nobody knows is kept, and blocks nothing.")
async def orphans_are_kept(bench: Bench) -> None:
    device, visit = await _work(bench)
    orphan = device.intent("note.add", visit_id=str(uuid7()), text=unique("orphan"))
    sound = device.intent("note.add", visit_id=visit, text=unique())
    outcomes = (await device.push(orphan, sound))["outcomes"]
    must(outcomes[1]["status"] == "applied", "the intent behind it is not applied")
    kept = await device.get(f"/sync/v1/intents/{orphan['id']}")
    must(kept.status_code == 200, "its outcome cannot be looked up: it was not kept")


@requirement(
    "push.suggestion",
    "Of two changes of one field the later is a suggestion; the first one stands.",
)
async def clashes_are_suggestions(bench: Bench) -> None:
    device, _ = await _work(bench)
    assets = device.of("assets")
    if not assets:
        raise CannotTry("no asset belongs to the technician's work")
    asset = assets[min(assets)]
    texts = [unique("first"), unique("second")]
    first, second = (_noted(device, asset, text) for text in texts)
    told = [await device.outcome(one) for one in (first, second)]
    must(told[0]["status"] == "applied", f"the first is {told[0]['status']}")
    codes = [[note["code"] for note in one.get("notes", [])] for one in told]
    must(
        "suggestion" not in codes[0], "the first became a suggestion, though nobody had changed it"
    )
    must("suggestion" in codes[1], f"the notes of the second are {codes[1]}, without suggestion")
    await device.pull()
    changed = device.of("assets")[asset["id"]]
    must(changed["notes"] == texts[0], "the field does not hold what the first wrote")
    await device.outcome(_noted(device, changed, asset.get("notes") or ""))


def _noted(device: Device, asset: dict[str, Any], text: str) -> dict[str, Any]:
    """Return an intent that writes a text to an asset as the device holds it."""
    about = {"asset_id": asset["id"], "base_rev": asset["rev"]}
    return device.intent("asset.suggest", **about, fields={"notes": text})


@requirement("push.outcome", "An outcome can be looked up; an unknown id is 404.")
async def outcomes_can_be_looked_up(bench: Bench) -> None:
    device, visit = await _work(bench)
    note = device.intent("note.add", visit_id=visit, text=unique())
    outcome = await device.outcome(note)
    looked_up = (await device.get(f"/sync/v1/intents/{note['id']}")).json()
    must(looked_up["status"] == outcome["status"], "it says something else than the push did")
    must_refuse(await device.get(f"/sync/v1/intents/{uuid4()}"), 404)


@requirement(
    "push.clock", "A clock that is a day off harms nothing: the intent is applied and flagged."
)
async def wrong_clocks_are_flagged(bench: Bench) -> None:
    _, visit = await _work(bench)
    for days in (-1.0, 1.0):
        device = await bench.new_device()
        note = device.intent("note.add", visit_id=visit, text=unique())
        shown = (datetime.now(UTC) + timedelta(days=days)).isoformat()
        batch = {**device.batch({**note, "occurred_at": shown}), "sent_at": shown}
        (outcome,) = (await device.post(PUSH, json=batch)).json()["outcomes"]
        must(
            outcome["status"] == "applied",
            f"a clock {days:+.0f} day off makes it {outcome['status']}",
        )
        codes = [note["code"] for note in outcome.get("notes", [])]
        must("clock_skew" in codes, f"its notes are {codes}, without clock_skew")


@requirement(
    "push.batch", "A batch that cannot be read is refused whole, with 400 malformed-batch."
)
async def broken_batches_are_refused(bench: Bench) -> None:
    device, visit = await _work(bench)
    text = unique("never")
    foreign = {**device.batch(device.intent("note.add", visit_id=visit, text=text))}
    device.seq -= 1
    foreign["device_id"] = str(uuid4())
    for content in (b"{", b"[]", b"null", b"\xff\xfe", json.dumps(foreign).encode()):
        must_refuse(await device.post(PUSH, content=content), 400, "malformed-batch")
    must(await notes_on(device, visit, text) == 0, "something of a refused batch was applied")


@requirement("push.encodings", "gzip and zstd bodies are taken; others are refused with 415.")
async def compressed_bodies_are_taken(bench: Bench) -> None:
    device, visit = await _work(bench)
    for name, pack in (("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)):
        text = unique(name)
        batch = device.batch(device.intent("note.add", visit_id=visit, text=text))
        content = pack(json.dumps(batch).encode())
        answer = await device.post(PUSH, content=content, headers={"Content-Encoding": name})
        must(answer.status_code == 200, f"{name} was answered {answer.status_code}")
        must(await notes_on(device, visit, text) == 1, f"the note in {name} is not on the visit")
    odd = await device.post(PUSH, content=b"x", headers={"Content-Encoding": "compress"})
    must_refuse(odd, 415, "unsupported-encoding")


@requirement("push.limits", "Too many intents, too many bytes, and bombs are refused with 413.")
async def limits_hold(bench: Bench) -> None:
    device, _ = await _work(bench)
    limits: dict[str, Any] = device.registered["limits"]
    many = [{"id": str(uuid7()), "seq": 1, "type": "note.add"}] * (limits["push_intents"] + 1)
    must_refuse(await device.post(PUSH, json=device.batch(*many)), 413, "batch-too-large")
    large = b" " * (limits["push_bytes"] + 1)
    must_refuse(await device.post(PUSH, content=large), 413, "batch-too-large")
    bomb = gzip.compress(b" " * (limits["push_inflated_bytes"] + 1))
    packed = {"Content-Encoding": "gzip"}
    must_refuse(await device.post(PUSH, content=bomb, headers=packed), 413, "batch-too-large")


def _code(outcome: dict[str, Any]) -> str:
    return str(outcome.get("problem", {}).get("type", "")).rpartition("/")[2]
