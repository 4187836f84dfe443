"""Requirements on the extensions of tus, and on reading back what was uploaded."""

from base64 import b64encode
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha1, sha256
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
from uuid_utils.compat import uuid7

from mobile_api.conformance.device import OFFSET_STREAM, TUS, Bench, Device
from mobile_api.conformance.proving import created, photo_of, photo_step, picture
from mobile_api.conformance.requirement import must, requirement


@requirement(
    "files.offset", "A wrong offset is answered 409 with the right one; a missing one 400."
)
async def offsets_are_told(bench: Bench) -> None:
    device = await bench.device()
    content = picture()
    location = await created(device, content)
    wrong = await device.append(location, 7, content[7:])
    must(wrong.status_code == 409, f"a wrong offset was answered {wrong.status_code}")
    must(wrong.headers.get("Upload-Offset") == "0", "409 does not tell the offset")
    headers = {**device.bearer, **OFFSET_STREAM}
    missing = await device.http.patch(location, headers=headers, content=content)
    must(missing.status_code == 400, f"no offset was answered {missing.status_code}")
    odd = {**headers, "Upload-Offset": "0", "Content-Type": "text/plain"}
    answer = await device.http.patch(location, headers=odd, content=content)
    must(answer.status_code == 415, f"another content type was answered {answer.status_code}")


@requirement("files.cached", "How far an upload is may not be cached: HEAD says no-store.")
async def progress_is_not_cached(bench: Bench) -> None:
    device = await bench.device()
    answer = await _look(device, await created(device, picture()))
    must("no-store" in answer.headers.get("Cache-Control", ""), "HEAD lacks no-store")


@requirement(
    "files.checksum", "Bytes whose checksum does not fit are answered 460, and none is kept."
)
async def checksums_are_held(bench: Bench) -> None:
    device = await bench.device()
    content = picture()
    location = await created(device, content)
    for name, status in (("sha256", 460), ("sha1", 460), ("rot13", 400)):
        wrong = await _append(device, location, content, _checksum(name, b"other"))
        must(wrong.status_code == status, f"a wrong {name} was answered {wrong.status_code}")
        must(await device.offset(location) == 0, f"bytes with a wrong {name} were kept")
    right = await _append(device, location, content, _checksum("sha256", content))
    must(right.status_code == 204, f"the right checksum was answered {right.status_code}")


@requirement("files.termination", "An upload that was ended is no more.")
async def ended_uploads_are_gone(bench: Bench) -> None:
    device = await bench.device()
    location = await created(device, picture())
    ended = await device.http.delete(location, headers={**device.bearer, **TUS})
    must(ended.status_code == 204, f"DELETE was answered {ended.status_code}")
    status = (await _look(device, location)).status_code
    must(status in (404, 410), f"afterwards HEAD is answered {status}")


@requirement("files.expiration", "A creation says until when the upload is kept.")
async def expiry_is_told(bench: Bench) -> None:
    device = await bench.device()
    answer = await device.create_upload(len(picture()), _metadata(picture()))
    told = answer.headers.get("Upload-Expires")
    must(told, "there is no Upload-Expires")
    must(parsedate_to_datetime(told) > datetime.now(UTC), f"it has expired already: {told}")


@requirement("files.with-creation", "Bytes that come along with the creation count.")
async def bytes_may_come_along(bench: Bench) -> None:
    device = await bench.device()
    content = picture()
    half = len(content) // 2
    answer = await device.create_upload(
        len(content),
        _metadata(content),
        {"Content-Type": OFFSET_STREAM["Content-Type"]},
        content[:half],
    )
    must(answer.status_code == 201, f"it was answered {answer.status_code}")
    must(answer.headers.get("Upload-Offset") == str(half), "the answer tells another offset")
    location = _path(answer)
    must(await device.offset(location) == half, "HEAD tells another offset")


@requirement("files.deferred", "An upload's length may be told later, and then stands.")
async def lengths_may_come_later(bench: Bench) -> None:
    device = await bench.device()
    content = picture()
    answer = await device.create_upload(None, _metadata(content), {"Upload-Defer-Length": "1"})
    must(answer.status_code == 201, f"without a length it was answered {answer.status_code}")
    location = _path(answer)
    deferred = (await _look(device, location)).headers.get("Upload-Defer-Length")
    must(deferred == "1", "HEAD does not say that the length is still to come")
    half = len(content) // 2
    await device.append(location, 0, content[:half])
    length = {"Upload-Length": str(len(content))}
    last = await device.append(location, half, content[half:], **length)
    must(last.status_code == 204, f"the bytes with the length were answered {last.status_code}")
    must(await device.offset(location) == len(content), "the upload is not complete")


@requirement("files.concatenation", "Parts become one file, which nobody can write to.")
async def parts_become_one(bench: Bench) -> None:
    device = await bench.device()
    content = picture()
    half = len(content) // 2
    parts = []
    for piece in (content[:half], content[half:]):
        part = await device.create_upload(len(piece), {}, {"Upload-Concat": "partial"})
        must(part.status_code == 201, f"a part was answered {part.status_code}")
        parts.append(part.headers["Location"])
        await device.append(_path(part), 0, piece)
    final = await device.create_upload(
        None, _metadata(content), {"Upload-Concat": f"final;{' '.join(parts)}"}
    )
    must(final.status_code == 201, f"the whole was answered {final.status_code}")
    location = _path(final)
    whole = await _look(device, location)
    must(whole.headers.get("Upload-Length") == str(len(content)), "the whole has another length")
    must(whole.headers.get("Upload-Concat", "").startswith("final"), "HEAD does not call it final")
    refused = await device.append(location, len(content), b"more")
    must(refused.status_code == 403, f"a PATCH of the whole was answered {refused.status_code}")


@requirement("files.equal", "Equal bytes may be two photos: both are verified.")
async def equal_photos_are_two(bench: Bench) -> None:
    device, visit, item = await photo_step(bench)
    content = picture()
    photos = [photo_of(device, visit, item["id"], content, slot) for slot in (0, 1)]
    for photo in photos:
        outcome = await device.outcome(photo)
        must(outcome["status"] == "applied", f"photo.add is {outcome['status']}")
        photo_id = photo["data"]["photo_id"]
        answer = await device.create_upload(len(content), _metadata(content, photo_id))
        must(answer.status_code == 201, f"an upload's creation was answered {answer.status_code}")
        if await device.offset(_path(answer)) < len(content):  # the bytes may be known already
            await device.append(_path(answer), 0, content)
    await device.pull()
    ids = [photo["data"]["photo_id"] for photo in photos]
    states = [device.of("photos")[one]["state"] for one in ids]
    for one in ids:
        retract = device.intent("photo.retract", visit_id=visit, photo_id=one, reason="A trial")
        await device.outcome(retract)
    must(states == ["verified"] * 2, f"they are {states}")


@requirement("blobs.read", "What was verified can be read back, whole and in ranges, for ever.")
async def bytes_come_back(bench: Bench) -> None:
    device, visit, item = await photo_step(bench)
    content = picture()
    photo = photo_of(device, visit, item["id"], content)
    await device.outcome(photo)
    await device.append(await created(device, content, photo["data"]["photo_id"]), 0, content)
    address = f"/blobs/{sha256(content).hexdigest()}"
    whole = await device.get(address)
    must(whole.status_code == 200, f"it was answered {whole.status_code}")
    must(whole.content == content, "other bytes came back")
    must("immutable" in whole.headers.get("Cache-Control", ""), "it is not called immutable")
    part = await device.get(address, headers={"Range": "bytes=3-9"})
    must(part.status_code == 206, f"a range was answered {part.status_code}")
    must(part.content == content[3:10], "a range brought other bytes")
    status = (await bench.http.get(address)).status_code
    must(status in (401, 403, 404), f"without a token it was answered {status}")
    retract = device.intent(
        "photo.retract", visit_id=visit, photo_id=photo["data"]["photo_id"], reason="A trial"
    )
    await device.outcome(retract)


@requirement("blobs.unknown", "Bytes that nobody showed to this technician do not exist.")
async def unknown_bytes_do_not_exist(bench: Bench) -> None:
    device = await bench.device()
    answer = await device.get(f"/blobs/{sha256(uuid4().bytes).hexdigest()}")
    must(answer.status_code == 404, f"it was answered {answer.status_code}")


def _metadata(content: bytes, photo_id: str | None = None) -> dict[str, str]:
    return {"photo_id": photo_id or str(uuid7()), "sha256": sha256(content).hexdigest()}


def _path(answer: httpx.Response) -> str:
    location: str = answer.headers.get("Location", "")
    return urlsplit(location).path


def _checksum(name: str, content: bytes) -> str:
    """Return an Upload-Checksum; for an algorithm that nobody knows one of SHA-256's length."""
    digest = sha1(content, usedforsecurity=False) if name == "sha1" else sha256(content)
    return f"{name} {b64encode(digest.digest()).decode()}"


async def _look(device: Device, location: str) -> httpx.Response:
    return await device.http.head(location, headers={**device.bearer, **TUS})


async def _append(device: Device, location: str, content: bytes, checksum: str) -> httpx.Response:
    return await device.append(location, 0, content, **{"Upload-Checksum": checksum})
