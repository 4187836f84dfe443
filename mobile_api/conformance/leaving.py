"""Requirements on what the office does meanwhile: work taken away, a stolen phone, a server set back.

The protocol has no door for these, so somebody must do them when the kit asks: see `Bench.office`.
"""

from typing import Any

import httpx

from mobile_api.conformance.device import PULL, PUSH, Bench, Device
from mobile_api.conformance.problems import must_refuse
from mobile_api.conformance.reading import reconciled
from mobile_api.conformance.requirement import CannotTry, must, requirement
from mobile_api.conformance.sending import notes_on, unique

# --- work that is taken away ------------------------------------------------------------------------------


@requirement(
    "leave.revoked", "What is taken away stays at first, marked 'revoked' and with the reason."
)
async def it_is_announced(bench: Bench) -> None:
    device, visit = await _given(bench)
    pages = await _withdrawn(bench, device, visit)
    must(not _gone(pages, visit), "it went at once, whether or not the device had work on it")
    row = device.rows["visits", visit]["d"]
    must(row.get("access") == "revoked", "it came without 'access': 'revoked'")
    must(row.get("why"), "it does not say why")


@requirement(
    "leave.kept", "Work done before the phone heard of it is kept, though the visit was withdrawn."
)
async def offline_work_is_kept(bench: Bench) -> None:
    device, visit = await _given(bench)
    done = [
        device.intent("visit.start", visit_id=visit),
        device.intent("note.add", visit_id=visit, text=unique()),
    ]
    await _office(bench, "withdraw", visit)
    outcomes = (await device.push(*done))["outcomes"]
    told = [one["status"] for one in outcomes]
    must(set(told) == {"applied"}, f"it is {told}")
    looked_up = (await device.get(f"/sync/v1/intents/{done[1]['id']}")).json()
    must(looked_up["status"] == "applied", f"looked up it is {looked_up['status']}")


@requirement(
    "leave.gone", "It goes, with the reason, once the device says that nothing is left to send."
)
async def it_goes_when_nothing_is_left(bench: Bench) -> None:
    device, visit = await _given(bench)
    await _withdrawn(bench, device, visit)
    must(not _gone(await device.pull(), visit), "it went before the device's outbox was empty")
    gone = await _left(bench, device, visit)
    must(gone.get("why"), "it went without a reason")
    must("d" not in gone, "what is gone still comes with its contents")


@requirement("leave.reassigned", "A visit given to somebody else leaves as 'reassigned'.")
async def a_reassignment_is_named(bench: Bench) -> None:
    device, visit = await _given(bench)
    await _office(bench, "reassign", visit)
    await device.pull()
    row = device.rows["visits", visit]["d"]
    must(row.get("access") == "revoked", "it came without 'access': 'revoked'")
    must(row.get("why") == "reassigned", f"the reason is {row.get('why')!r}")
    gone = await _left(bench, device, visit)
    must(gone.get("why") == "reassigned", f"it went because of {gone.get('why')!r}")


@requirement("leave.digest", "What is marked 'revoked' is no longer counted in the digest.")
async def the_digest_forgets_first(bench: Bench) -> None:
    device, visit = await _given(bench)
    page = (await _withdrawn(bench, device, visit))[-1]
    must(
        page.get("digest") is not None, "the last page has no digest, though nobody changes things"
    )
    must(page["digest"] == device.digest(), "the digest is another one")


async def _office(bench: Bench, act: str, *about: str) -> None:
    if bench.office is None:
        raise CannotTry("the kit was given no office to ask; see --office")
    await bench.office(act, *about)


async def _given(bench: Bench) -> tuple[Device, str]:
    """Return a device and a visit that the office has just given to its technician."""
    device = await bench.new_device()
    await device.pull()
    before = set(device.of("visits"))
    await _office(bench, "dispatch")
    await device.pull()
    new = sorted(device.of("visits").keys() - before)
    must(new, "a visit was dispatched, and the pull does not bring it")
    return device, new[0]


async def _withdrawn(bench: Bench, device: Device, visit: str) -> list[dict[str, Any]]:
    """Have the visit taken away and read on; return the pages."""
    await _office(bench, "withdraw", visit)
    return await device.pull()


def _gone(pages: list[dict[str, Any]], visit: str) -> dict[str, Any] | None:
    changes = (change for page in pages for change in page["changes"])
    return next((one for one in changes if one["id"] == visit and one["op"] == "gone"), None)


async def _everybody_is_empty(bench: Bench, device: Device) -> None:
    """Have each of the kit's devices say that nothing is left: any of them could hold work on the visit."""
    for other in bench.devices:
        if not other.is_revoked:
            empty = {**other.batch(), "outbox_empty_at": device.head}
            (await other.post(PUSH, json=empty)).raise_for_status()


async def _left(bench: Bench, device: Device, visit: str) -> dict[str, Any]:
    """Return the change that took a visit from the device."""
    await _everybody_is_empty(bench, device)
    gone = _gone(await device.pull(), visit)
    must(gone, "it never went; or a phone of the technician's that is not the kit's may hold work")
    assert gone is not None
    return gone


# --- a stolen phone ---------------------------------------------------------------------------------------


@requirement(
    "devices.revoked", "A device put out of use reads nothing; what it sends is kept apart."
)
async def a_stolen_phone_reads_nothing(bench: Bench) -> None:
    found = await bench.visit()
    if found is None:
        raise CannotTry("the technician has no visit to report on; dispatch one")
    witness, visit = found
    device = await bench.new_device()
    await device.pull()
    device.is_revoked = True
    await _office(bench, "revoke", device.id)
    for path in (PULL, "/sync/v1/stream"):
        must_refuse(await device.get(path), 403, "device-revoked")
    text = unique("stolen")
    note = device.intent("note.add", visit_id=visit["id"], text=text)
    answer = await device.post(PUSH, json=device.batch(note))
    must(answer.status_code == 200, f"its push was answered {answer.status_code}: nothing is kept")
    status = answer.json()["outcomes"][0]["status"]
    must(status == "quarantined", f"what it sent is {status}")
    must(await notes_on(witness, visit["id"], text) == 0, "what it sent was applied")


# --- a server that was set back ---------------------------------------------------------------------------


@requirement("epoch.restored", "After a restore a pull is refused with 410, and why.")
async def an_old_token_is_refused(bench: Bench) -> None:
    device = await bench.new_device()
    await device.pull()
    refused = await _set_back(bench, device)
    reason = refused.json().get("reason")
    must(reason == "restored", f"the reason is {reason!r}")
    must(device.rows, "the device held nothing")


@requirement("epoch.reconcile", "A device that reconciles after 410 reads on, in the new epoch.")
async def reconciling_goes_on(bench: Bench) -> None:
    device = await bench.new_device()
    epoch = (await device.pull())[-1]["epoch"]
    await _set_back(bench, device)
    await reconciled(device)
    page = (await device.pull())[-1]
    must(page["epoch"] != epoch, "the feed bears its old epoch")
    if page.get("digest") is not None:
        must(page["digest"] == device.digest(), "what the device holds has another digest")


@requirement("epoch.replay", "What was confirmed before a restore may be sent again; none doubles.")
async def a_replay_doubles_nothing(bench: Bench) -> None:
    found = await bench.visit()
    if found is None:
        raise CannotTry("the technician has no visit to report on; dispatch one")
    _, visit = found
    device = await bench.new_device()
    await device.pull()
    texts = [unique(), unique()]
    notes = [device.intent("note.add", visit_id=visit["id"], text=text) for text in texts]
    await device.push(*notes)
    await _set_back(bench, device)
    await reconciled(device)
    page = (await device.pull())[-1]
    again = [note for note in notes if note["seq"] > page["forget_upto"]]
    outcomes = (await device.push(*again))["outcomes"] if again else []
    told = {one["status"] for one in outcomes}
    must(told <= {"applied", "duplicate"}, f"sent again they are {sorted(told)}")
    counts = [await notes_on(device, visit["id"], text) for text in texts]
    must(counts == [1, 1], f"the notes stand there {counts} times")


async def _set_back(bench: Bench, device: Device) -> httpx.Response:
    await _office(bench, "restore")
    bench.begin_anew()
    refused = await device.get(PULL, params={"since": device.since})
    must_refuse(refused, 410, "feed-epoch-changed")
    return refused


# --- too often --------------------------------------------------------------------------------------------


@requirement(
    "devices.rate", "A device that asks too often is told to wait, with 429 and for how long."
)
async def floods_are_put_off(bench: Bench) -> None:
    if not bench.flood:
        raise CannotTry(
            "the kit may not ask too often here; allow a number of requests with --flood"
        )
    device = await bench.new_device()
    for _ in range(bench.flood):
        answer = await device.get("/sync/v1/digest")
        if answer.status_code != 200:
            break
    else:
        raise CannotTry(f"{bench.flood} requests were not too many")
    must_refuse(answer, 429, "rate-limited")
    after = answer.headers.get("Retry-After", "")
    must(after.isdecimal() and int(after) > 0, f"Retry-After is {after!r}")
