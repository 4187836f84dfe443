"""Requirements on photos and closing: bytes are proved to have arrived, and unproved work is not finished."""

import json
import zlib
from base64 import urlsafe_b64decode
from hashlib import sha256
from struct import pack
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from uuid_utils.compat import uuid7

from mobile_api.conformance.device import OFFSET_STREAM, TUS, Bench, Device
from mobile_api.conformance.requirement import CannotTry, Unfulfilled, must, requirement

_SIGNED = ("photo_id", "sha256", "size", "device_id", "received_at", "kid")
Item = dict[str, Any]


# --- photos -----------------------------------------------------------------------------------------------


@requirement("files.options", "OPTIONS names version 1.0.0 and the extensions.")
async def options_name_the_extensions(bench: Bench) -> None:
    answer = await bench.http.options("/files")
    must(answer.status_code in (200, 204), f"answered {answer.status_code}")
    must("1.0.0" in answer.headers.get("Tus-Version", ""), "Tus-Version lacks 1.0.0")
    offered = answer.headers.get("Tus-Extension", "").split(",")
    for name in ("creation", "checksum", "termination", "expiration"):
        must(name in offered, f"the extension '{name}' is not offered")


@requirement("files.version", "Another tus version is refused with 412 and Tus-Version.")
async def other_versions_are_refused(bench: Bench) -> None:
    device = await bench.device()
    answer = await device.create_upload(5, {}, {"Tus-Resumable": "0.2.1"})
    must(answer.status_code == 412, f"answered {answer.status_code}")
    must("1.0.0" in answer.headers.get("Tus-Version", ""), "Tus-Version lacks 1.0.0")


@requirement(
    "files.resume", "An upload that broke off goes on where the server says, and nowhere else."
)
async def uploads_resume(bench: Bench) -> None:
    device = await bench.device()
    content = picture()
    location = await created(device, content)
    half = len(content) // 2
    answer = await device.append(location, 0, content[:half])
    must(answer.status_code == 204, f"the first half was answered {answer.status_code}")
    must(await device.offset(location) == half, "HEAD says another offset")
    wrong = await device.append(location, half + 1, content[half + 1 :])
    must(wrong.status_code == 409, f"a wrong offset was answered {wrong.status_code}")
    must(await device.offset(location) == half, "a refused PATCH moved the offset")
    answer = await device.append(location, half, content[half:])
    must(answer.headers.get("Upload-Offset") == str(len(content)), "the upload is not complete")


@requirement("files.receipt", "Proved bytes make the photo 'verified', with a receipt that holds.")
async def photos_get_receipts(bench: Bench) -> None:
    device, visit, item = await photo_step(bench)
    content = picture()
    photo = photo_of(device, visit, item["id"], content)
    outcome = await device.outcome(photo)
    must(outcome["status"] == "applied", f"photo.add is {outcome['status']}")
    photo_id = photo["data"]["photo_id"]
    await device.pull()
    must(
        device.of("photos")[photo_id]["state"] == "declared",
        "a photo without bytes is not 'declared'",
    )
    location = await created(device, content, photo_id)
    await device.append(location, 0, content)
    await device.pull()
    must(device.of("photos")[photo_id]["state"] == "verified", "the photo is not 'verified'")
    receipt = _receipt_of(device, photo_id)
    must(receipt is not None, "no receipt came down the feed")
    assert receipt is not None
    must(receipt["sha256"] == sha256(content).hexdigest(), "the receipt names other bytes")
    _verify(receipt, device.registered["receipt_keys"])
    retract = device.intent("photo.retract", visit_id=visit, photo_id=photo_id, reason="A trial")
    must((await device.outcome(retract))["status"] == "applied", "the photo cannot be retracted")


@requirement("files.corrupt", "Bytes of another hash are never taken for the photo.")
async def wrong_bytes_prove_nothing(bench: Bench) -> None:
    device, visit, item = await photo_step(bench)
    told, sent = picture(), picture()
    photo = photo_of(device, visit, item["id"], told)
    await device.outcome(photo)
    photo_id = photo["data"]["photo_id"]
    answer = await device.create_upload(
        len(sent), {"photo_id": photo_id, "sha256": sha256(told).hexdigest()}
    )
    if answer.status_code == 201:
        await device.append(urlsplit(answer.headers["Location"]).path, 0, sent)
    await device.pull()
    state = device.of("photos")[photo_id]["state"]
    must(state not in ("verified", "stored"), f"the photo is '{state}'")
    must(_receipt_of(device, photo_id) is None, "there is a receipt for bytes that never came")


@requirement("files.strangers", "Another device's upload does not exist for a stranger.")
async def uploads_are_private(bench: Bench) -> None:
    device = await bench.device()
    location = await created(device, picture())
    answer = await bench.http.head(location, headers=TUS)
    must(answer.status_code in (401, 403, 404), f"without a token: {answer.status_code}")
    answer = await bench.http.patch(
        location, headers={**OFFSET_STREAM, "Upload-Offset": "0"}, content=b"x"
    )
    must(answer.status_code in (401, 403, 404), f"without a token: {answer.status_code}")


# --- closing ----------------------------------------------------------------------------------------------


@requirement("finish.unproved", "A finish with something missing is rejected, naming each thing.")
async def unproved_work_is_not_finished(bench: Bench) -> None:
    device, visit, _ = await _open_step(bench)
    outcome = await device.outcome(device.intent("visit.finish", visit_id=visit))
    must(outcome["status"] == "rejected", f"the finish is {outcome['status']}")
    problem = outcome["problem"]
    must(problem["type"].endswith("/checklist-incomplete"), f"its problem is {problem['type']}")
    must(problem["unmet"], "it does not say what is missing")
    must(all({"at", "code"} <= one.keys() for one in problem["unmet"]), "an entry lacks at or code")
    await device.pull()
    job = _job_of(device, visit)
    must(job["status"] not in ("work_done", "completed", "closed"), f"the job is {job['status']}")


@requirement("finish.kept", "A rejected finish loses no fact: answers stay and count later.")
async def answers_stay(bench: Bench) -> None:
    device, visit, checklist = await _open_step(bench)
    item = next((one for one in checklist["items"] if one["kind"] == "yesno"), None)
    if item is None:
        raise CannotTry("the checklist asks no yes-or-no question")
    answer = device.intent("answer.set", visit_id=visit, item=item["id"], value=True)
    finish = device.intent("visit.finish", visit_id=visit)
    outcomes = (await device.push(answer, finish))["outcomes"]
    must(outcomes[0]["status"] == "applied", f"the answer is {outcomes[0]['status']}")
    await device.pull()
    must(device.of("visits")[visit]["answers"].get(item["id"]) is True, "the answer is gone")


@requirement(
    "finish.bytes", "Work is done without its photos' bytes, and completed only with the last."
)
async def completion_waits_for_bytes(bench: Bench) -> None:
    if not bench.may_finish:
        raise CannotTry("the kit may not finish a visit here; allow it with --finish")
    device, visit, checklist = await _open_step(bench)
    await device.outcome(device.intent("visit.start", visit_id=visit))
    photos: dict[str, bytes] = {}
    for item in checklist["items"]:
        await _fill(device, visit, item, photos)
    if not photos:
        raise CannotTry("the checklist asks for no photo")
    outcome = await device.outcome(device.intent("visit.finish", visit_id=visit))
    if outcome["status"] == "rejected":
        raise CannotTry(f"the kit cannot fill in this checklist: {outcome['problem']['detail']}")
    must(outcome["status"] == "applied", f"the finish is {outcome['status']}")
    for photo_id, content in photos.items():
        await device.pull()
        status = _job_of(device, visit)["status"]
        must(status == "work_done", f"with photos missing the job is {status}")
        location = await created(device, content, photo_id)
        await device.append(location, 0, content)
    await device.pull()
    status = _job_of(device, visit)["status"]
    must(status in ("completed", "closed"), f"with every photo there the job is {status}")


async def _open_step(bench: Bench) -> tuple[Device, str, dict[str, Any]]:
    """Return a device, a visit, and the checklist of its job, which asks for something."""
    found = await bench.visit()
    if found is None:
        raise CannotTry("the technician has no visit to finish; dispatch one")
    device, visit = found
    checklist = device.of("checklists")[_job_of(device, visit["id"])["checklist_id"]]["body"]
    if not any(item.get("required") for item in checklist["items"]):
        raise CannotTry("the checklist of the job requires nothing")
    return device, visit["id"], checklist


async def photo_step(bench: Bench) -> tuple[Device, str, Item]:
    device, visit, checklist = await _open_step(bench)
    for item in checklist["items"]:
        if item["kind"] == "photo" and "image/png" in item.get("mime", ["image/png"]):
            return device, visit, item
    raise CannotTry("the checklist of the job asks for no photo")


async def _fill(device: Device, visit: str, item: Item, photos: dict[str, bytes]) -> None:
    """Answer one item somehow; photos are declared, and their bytes kept back."""
    name = item["id"]
    if item["kind"] in ("photo", "video"):
        for slot in range(item.get("min", 1)):
            content = picture()
            photo = photo_of(device, visit, name, content, slot)
            await device.outcome(photo)
            photos[photo["data"]["photo_id"]] = content
    elif item["kind"] == "signature":
        content = picture()
        photo = photo_of(device, visit, name, content)
        photo_id = photo["data"]["photo_id"]
        await device.outcome(photo)
        photos[photo_id] = content
        signed = device.intent(
            "signature.add", visit_id=visit, item=name, photo_id=photo_id, name="Anna Conformance"
        )
        await device.outcome(signed)
    else:
        value = _ANSWERS[item["kind"]](item)
        await device.outcome(device.intent("answer.set", visit_id=visit, item=name, value=value))


_ANSWERS: dict[str, Any] = {
    "yesno": lambda item: True,
    "number": lambda item: item.get("min", item.get("max", 1)),
    "meter": lambda item: {"value": item.get("max", 1_000_000), "rollover": True},
    "text": lambda item: "conformance".ljust(item.get("min_length", 1), ".")[
        : item.get("max_length")
    ],
    "barcode": lambda item: "CONFORMANCE",
    "choice": lambda item: (
        [one["code"] for one in item["choices"]][: item.get("min_picks", 1)]
        if item.get("multiple")
        else item["choices"][0]["code"]
    ),
}


# --- what they share --------------------------------------------------------------------------------------


def picture() -> bytes:
    """Return a small PNG that no other is equal to."""
    seed = sha256(uuid4().bytes).digest()
    width, height = 8, 8
    rows = b"".join(b"\0" + (seed * 6)[row * 3 : row * 3 + width * 3] for row in range(height))

    def chunk(kind: bytes, content: bytes) -> bytes:
        return pack(">I", len(content)) + kind + content + pack(">I", zlib.crc32(kind + content))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def photo_of(
    device: Device, visit: str, item: str, content: bytes, slot: int = 0
) -> dict[str, Any]:
    made = device.intent(
        "photo.add",
        visit_id=visit,
        photo_id=str(uuid7()),
        item=item,
        slot=slot,
        sha256=sha256(content).hexdigest(),
        size=len(content),
        mime="image/png",
    )
    made["data"]["captured_at"] = made["occurred_at"]
    return made


async def created(device: Device, content: bytes, photo_id: str | None = None) -> str:
    """Create an upload and return where it is."""
    metadata = {"photo_id": photo_id or str(uuid7()), "sha256": sha256(content).hexdigest()}
    answer = await device.create_upload(len(content), metadata)
    must(answer.status_code == 201, f"an upload's creation was answered {answer.status_code}")
    location: str = answer.headers.get("Location", "")
    must(urlsplit(location).scheme in ("http", "https"), "Location is not absolute")
    return urlsplit(location).path  # behind a proxy, the name that the server knows may be another


def _receipt_of(device: Device, photo_id: str) -> dict[str, Any] | None:
    told: dict[str, Any] | None = device.of("photos")[photo_id].get("receipt")
    return told


def _verify(receipt: dict[str, Any], keys: list[dict[str, str]]) -> None:
    public = {key["kid"]: key["key"].removeprefix("ed25519:") for key in keys}.get(receipt["kid"])
    must(public is not None, f"no key {receipt['kid']} was given at registration")
    assert public is not None
    # RFC 8785 of six flat members: sorted, no spaces; every text in them is ASCII.
    signed = json.dumps(
        {name: receipt[name] for name in _SIGNED}, sort_keys=True, separators=(",", ":")
    )
    try:
        Ed25519PublicKey.from_public_bytes(_decoded(public)).verify(
            _decoded(receipt["signature"]), signed.encode()
        )
    except InvalidSignature:
        raise Unfulfilled("the receipt's signature does not hold") from None


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _job_of(device: Device, visit: str) -> dict[str, Any]:
    job: dict[str, Any] = device.of("work_orders")[device.of("visits")[visit]["work_order_id"]]
    return job
