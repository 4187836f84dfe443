"""tus 1.0.0, creation, creation with upload, expiration: requirements 57 to 106. See `tus_rules`."""

import asyncio
import re
from base64 import b64encode
from email.utils import parsedate_to_datetime

import pytest

from fsm.evidence.blobs import blob_store
from fsm.jobs import Job
from mobile_api import uploads
from tests.mobile_api.photos import (
    BYTES,
    Phone,
    path_of,
    receipt_row,
    upload_metadata,
    upload_row,
)
from tests.mobile_api.tus_rules import Server, rule
from tests.mobile_api.tus_rules import server as server

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEFERRED = {"Upload-Length": None, "Upload-Defer-Length": "1"}


# --- creation ---------------------------------------------------------------------------------------------


@rule(57, "Creation", "MUST", "The extension is advertised as creation.")
async def test_creation_is_advertised(server: Server) -> None:
    assert "creation" in await server.extensions()


@rule(58, "Creation", "MUST", "A successful creation is 201.")
async def test_creation(server: Server) -> None:
    assert (await server.phone.create(server.photo())).status_code == 201


@rule(59, "Creation", "MUST", "Location is the address of the new upload.")
async def test_creation_has_a_location(server: Server) -> None:
    created = await server.phone.create(server.photo())
    assert (await server.phone.look(path_of(created))).status_code == 200


@rule(60, "Creation", "MAY", "Location is absolute.")
async def test_creation_location_is_absolute(server: Server) -> None:
    created = await server.phone.create(server.photo())
    assert created.headers["Location"].startswith(f"{server.live.url}/files/")


@rule(61, "Creation", "MUST", "Each creation has an address of its own.")
async def test_creation_locations_differ(server: Server) -> None:
    photo = server.photo()
    assert await server.phone.start(photo) != await server.phone.start(photo)


@rule(62, "Creation", "MUST", "A new upload begins at offset 0.")
async def test_creation_begins_at_zero(server: Server) -> None:
    assert await server.offset(await server.phone.start(server.photo())) == 0


@rule(63, "Creation", "MUST", "One of length and deferred length is needed.")
async def test_creation_without_a_length(server: Server) -> None:
    refused = await server.phone.create(server.photo(), **{"Upload-Length": None})
    assert refused.status_code == 400


@rule(64, "Creation", "MUST", "Both of them contradict each other.")
async def test_creation_with_two_lengths(server: Server) -> None:
    refused = await server.phone.create(server.photo(), **{"Upload-Defer-Length": "1"})
    assert refused.status_code == 400


@rule(65, "Creation", "MUST", "A length beyond the maximum is 413.")
async def test_creation_too_large(server: Server) -> None:
    over = await server.phone.create(server.photo(), length=server.settings.max_photo_bytes + 1)
    assert over.status_code == 413
    assert over.json()["limit"] == server.settings.max_photo_bytes


@rule(66, "Creation", "MUST", "An upload of no bytes can be created, and is whole.")
async def test_creation_of_nothing(server: Server) -> None:
    told = await server.phone.look(await server.part(b""))
    assert (told.headers["Upload-Offset"], told.headers["Upload-Length"]) == ("0", "0")


@rule(67, "Creation", "MUST", "Only at the address for creations is anything created.")
async def test_creation_elsewhere(server: Server) -> None:
    _, path = await server.begun()
    headers = {**server.phone.headers, "Tus-Resumable": "1.0.0", "Upload-Length": "5"}
    assert (await server.phone.client.post(path, headers=headers)).status_code == 405


# --- deferred length --------------------------------------------------------------------------------------


@rule(68, "Upload-Defer-Length", "MUST", "The extension is advertised as creation-defer-length.")
async def test_deferring_is_advertised(server: Server) -> None:
    assert "creation-defer-length" in await server.extensions()


@rule(69, "Upload-Defer-Length", "MUST", "An upload may be created without its length.")
async def test_deferring(server: Server) -> None:
    assert (await server.phone.create(server.photo(), **DEFERRED)).status_code == 201


@rule(70, "Upload-Defer-Length", "SHOULD", "Any value but 1 is 400.")
async def test_deferring_otherwise(server: Server) -> None:
    for wrong in ("0", "2", "true", "", "01"):
        headers = {**DEFERRED, "Upload-Defer-Length": wrong}
        assert (await server.phone.create(server.photo(), **headers)).status_code == 400, wrong


@rule(71, "Upload-Defer-Length", "MUST", "HEAD says 1 as long as the length is unknown.")
async def test_deferring_is_told(server: Server) -> None:
    photo = server.photo()
    path = await server.phone.start(photo, **DEFERRED)
    for sent in (0, 9):
        if sent:
            await server.phone.send(path, 0, photo.content[:sent])
        told = (await server.phone.look(path)).headers
        assert told["Upload-Defer-Length"] == "1"
        assert "Upload-Length" not in told


@rule(72, "Upload-Defer-Length", "MUST", "It is left out when the length is known.")
async def test_deferring_is_not_told_otherwise(server: Server) -> None:
    _, path = await server.begun()
    assert "Upload-Defer-Length" not in (await server.phone.look(path)).headers


@rule(73, "Upload-Defer-Length", "MUST", "The length may come with any PATCH.")
async def test_deferred_length_comes(server: Server) -> None:
    photo = server.photo()
    path = await server.phone.start(photo, **DEFERRED)
    size = str(len(photo.content))
    await server.phone.send(path, 0, photo.content[:9], **{"Upload-Length": size})
    told = (await server.phone.look(path)).headers
    assert told["Upload-Length"] == size
    assert "Upload-Defer-Length" not in told


@rule(74, "Upload-Defer-Length", "MUST", "It completes the upload, also after the last byte.")
async def test_deferred_length_completes(server: Server) -> None:
    photo = server.photo()
    path = await server.phone.start(photo, **DEFERRED)
    await server.phone.send(path, 0, photo.content)
    assert await receipt_row(server.database, server.company, photo) is None
    size = str(len(photo.content))
    await server.phone.send(path, len(photo.content), b"", **{"Upload-Length": size})
    assert await receipt_row(server.database, server.company, photo) is not None


@rule(75, "Upload-Defer-Length", "MUST", "Once set, the length cannot change.")
async def test_deferred_length_is_final(server: Server) -> None:
    photo = server.photo()
    path = await server.phone.start(photo, **DEFERRED)
    size = len(photo.content)
    await server.phone.send(path, 0, b"\xff", **{"Upload-Length": str(size)})
    for other in (size - 1, size + 1, 0):
        refused = await server.phone.send(path, 1, b"\xd8", **{"Upload-Length": str(other)})
        assert refused.status_code == 400, other
    assert await server.offset(path) == 1
    assert (await server.phone.look(path)).headers["Upload-Length"] == str(size)


@rule(
    76,
    "Upload-Defer-Length",
    "MUST",
    "A length below what has arrived, or beyond the limit, is none.",
)
async def test_deferred_length_is_possible(server: Server) -> None:
    path = await server.phone.start(server.photo(), **DEFERRED)
    await server.phone.send(path, 0, b"abc")
    most = server.settings.max_photo_bytes
    for wrong, status in ((2, 400), (most + 1, 413)):
        refused = await server.phone.send(path, 3, b"", **{"Upload-Length": str(wrong)})
        assert refused.status_code == status, wrong


# --- metadata ---------------------------------------------------------------------------------------------


async def create_with(server: Server, more: str) -> int:
    """Return the status of a creation with this beside the metadata that a photo needs."""
    photo = server.photo()
    raw = f"{upload_metadata(photo.metadata)},{more}"
    return (await server.phone.create(photo, **{"Upload-Metadata": raw})).status_code


@rule(77, "Upload-Metadata", "MAY", "A client may send more than the server needs.")
async def test_metadata(server: Server) -> None:
    assert await create_with(server, "filename d29ybGQucGRm") == 201


@rule(78, "Upload-Metadata", "MUST", "HEAD gives it back as it was sent.")
async def test_metadata_comes_back(server: Server) -> None:
    photo = server.photo()
    raw = upload_metadata(photo.metadata) + ",filename d29ybGQucGRm,is_confidential"
    path = await server.phone.start(photo, **{"Upload-Metadata": raw})
    assert (await server.phone.look(path)).headers["Upload-Metadata"] == raw


@rule(79, "Upload-Metadata", "MUST", "Pairs are separated by commas, key and value by a space.")
async def test_metadata_shape(server: Server) -> None:
    for wrong in ("a YQ==;b Yg==", "a=YQ==", "a:YQ==", "a  YQ==", "a YQ== Yg=="):
        status = await create_with(server, wrong)
        assert status == (201 if " " not in wrong else 400), wrong


@rule(80, "Upload-Metadata", "MUST", "A key is not empty.")
async def test_metadata_key_is_not_empty(server: Server) -> None:
    for wrong in ("", ",", "a YQ==,,b Yg=="):
        assert await create_with(server, wrong) == 400, wrong


@rule(81, "Upload-Metadata", "MUST", "A key holds neither spaces nor commas.")
async def test_metadata_key_without_spaces(server: Server) -> None:
    for wrong in ("my file YQ==", "my,file YQ== x"):
        assert await create_with(server, wrong) == 400, wrong


@rule(82, "Upload-Metadata", "SHOULD", "A key is ASCII.")
async def test_metadata_key_is_ascii(server: Server) -> None:
    photo = server.photo()
    raw = f"{upload_metadata(photo.metadata)},ключ YQ==".encode()
    head = server.live.head("POST", "/files", Tus_Resumable="1.0.0", Upload_Length="9")
    reader, line = await asyncio.open_connection("127.0.0.1", server.live.port)
    line.write(head[:-2] + b"Connection: close\r\nUpload-Metadata: " + raw + b"\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    line.close()


@rule(83, "Upload-Metadata", "MUST", "A value is base64.")
async def test_metadata_value_is_base64(server: Server) -> None:
    for wrong in ("a YQ", "a Y!==", "a _-8=", "a YQ==YQ=="):
        assert await create_with(server, wrong) == 400, wrong


@rule(84, "Upload-Metadata", "MUST", "Keys are unique.")
async def test_metadata_keys_are_unique(server: Server) -> None:
    for wrong in ("a YQ==,a Yg==", "a,a", "sha256 YQ=="):
        assert await create_with(server, wrong) == 400, wrong


@rule(85, "Upload-Metadata", "MAY", "A value may be empty.")
async def test_metadata_value_may_be_empty(server: Server) -> None:
    assert await create_with(server, "is_night ,is_wet") == 201


@rule(86, "Upload-Metadata", "MAY", "The space before an empty value may be left out.")
async def test_metadata_value_may_be_left_out(server: Server) -> None:
    assert await create_with(server, "is_night,is_wet") == 201


@rule(87, "Upload-Metadata", "SHOULD", "A value that holds line ends smuggles no header back.")
async def test_metadata_smuggles_nothing(server: Server) -> None:
    photo = server.photo()
    evil = b64encode(b"x\r\nSet-Cookie: a=b").decode()
    raw = f"{upload_metadata(photo.metadata)},filename {evil}"
    path = await server.phone.start(photo, **{"Upload-Metadata": raw})
    told = await server.phone.look(path)
    assert "set-cookie" not in told.headers
    assert told.headers["Upload-Metadata"] == raw


@rule(88, "Upload-Metadata", "MAY", "The server may refuse what it cannot use, and says which.")
async def test_metadata_may_be_refused(server: Server) -> None:
    refused = await server.phone.create(server.photo(), **{"Upload-Metadata": "filename YQ=="})
    assert (refused.status_code, refused.json()["header"]) == (400, "Upload-Metadata")


# --- creation with upload ---------------------------------------------------------------------------------


@rule(89, "Creation With Upload", "MUST", "The extension is advertised as creation-with-upload.")
async def test_with_upload_is_advertised(server: Server) -> None:
    assert "creation-with-upload" in await server.extensions()


@rule(90, "Creation With Upload", "MUST", "It is offered together with creation.")
async def test_with_upload_needs_creation(server: Server) -> None:
    assert {"creation", "creation-with-upload"} <= set(await server.extensions())


@rule(91, "Creation With Upload", "MAY", "All bytes may come with the creation.")
async def test_with_upload_whole(server: Server) -> None:
    photo = server.photo()
    assert (await server.phone.create(photo, content=photo.content)).status_code == 201
    assert await receipt_row(server.database, server.company, photo) is not None


@rule(92, "Creation With Upload", "MAY", "Some bytes may, and the rest by PATCH.")
async def test_with_upload_begun(server: Server) -> None:
    photo = server.photo()
    path = path_of(await server.phone.create(photo, content=photo.content[:9]))
    assert (await server.phone.send(path, 9, photo.content[9:])).status_code == 204
    assert await receipt_row(server.database, server.company, photo) is not None


@rule(93, "Creation With Upload", "MUST", "The answer tells the offset after those bytes.")
async def test_with_upload_tells_the_offset(server: Server) -> None:
    photo = server.photo()
    created = await server.phone.create(photo, content=photo.content[:9])
    assert created.headers["Upload-Offset"] == "9"


@rule(94, "Creation With Upload", "SHOULD", "As many bytes as possible are taken.")
async def test_with_upload_takes_all(server: Server) -> None:
    photo = server.photo()
    created = await server.phone.create(photo, content=photo.content, **DEFERRED)
    assert created.headers["Upload-Offset"] == str(len(photo.content))


@rule(95, "Creation With Upload", "MUST", "Bytes of another content type are not taken.")
async def test_with_upload_of_another_type(server: Server) -> None:
    photo = server.photo()
    for wrong in ("image/jpeg", "application/octet-stream"):
        refused = await server.phone.create(photo, content=b"x", **{"Content-Type": wrong})
        assert (refused.status_code, "Location" in refused.headers) == (415, False)


@rule(96, "Creation With Upload", "MUST", "More bytes than were declared are not taken.")
async def test_with_upload_too_long(server: Server) -> None:
    photo = server.photo()
    refused = await server.phone.create(photo, content=photo.content + b"x", length=9)
    assert refused.status_code == 413


@rule(97, "Creation With Upload", "MUST", "Without bytes the answer names no offset.")
async def test_with_upload_of_nothing(server: Server) -> None:
    created = await server.phone.create(server.photo())
    assert "Upload-Offset" not in created.headers


@rule(98, "Creation With Upload", "SHOULD", "A client that asks first is refused before its bytes.")
async def test_with_upload_continue(server: Server) -> None:
    headers = {**BYTES, "Expect": "100-continue", "Content-Length": "9", "Upload-Length": "9"}
    good = {**headers, "Upload-Metadata": upload_metadata(server.photo().metadata)}
    for sent, first in ((headers, b" 400 "), (good, b" 100 ")):
        reader, line = await asyncio.open_connection("127.0.0.1", server.live.port)
        line.write(server.live.head("POST", "/files", **sent))
        assert first in await reader.readline()
        line.close()


# --- expiration -------------------------------------------------------------------------------------------


@rule(99, "Expiration", "MUST", "The extension is advertised as expiration.")
async def test_expiration_is_advertised(server: Server) -> None:
    assert "expiration" in await server.extensions()


@rule(100, "Upload-Expires", "MUST", "The answer to every PATCH holds it.")
async def test_expires_in_patch(server: Server) -> None:
    photo, path = await server.begun()
    for begin, end in ((0, 9), (9, len(photo.content))):
        sent = await server.phone.send(path, begin, photo.content[begin:end])
        assert "Upload-Expires" in sent.headers


@rule(101, "Upload-Expires", "MUST", "The answer to the creation holds it.")
async def test_expires_in_post(server: Server) -> None:
    assert "Upload-Expires" in (await server.phone.create(server.photo())).headers


@rule(102, "Upload-Expires", "MUST", "It is a date of HTTP, in GMT.")
async def test_expires_format(server: Server) -> None:
    told = (await server.phone.create(server.photo())).headers["Upload-Expires"]
    assert re.fullmatch(
        r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", told
    )
    assert parsedate_to_datetime(told) > server.clock()


@rule(103, "Upload-Expires", "MAY", "It moves on while bytes come.")
async def test_expires_moves(server: Server) -> None:
    _, path = await server.begun()
    before = (await server.phone.look(path)).headers["Upload-Expires"]
    server.clock.forward(hours=5)
    after = (await server.phone.send(path, 0, b"\xff")).headers["Upload-Expires"]
    assert (parsedate_to_datetime(after) - parsedate_to_datetime(before)).seconds == 5 * 3600


@rule(104, "Expiration", "SHOULD", "An upload that has expired is 410, to PATCH and to HEAD.")
async def test_expired(server: Server) -> None:
    photo, path = await server.begun(9)
    server.clock.forward(days=14)
    assert (await server.phone.send(path, 9, photo.content[9:])).status_code == 410
    told = await server.phone.look(path)
    assert (told.status_code, "Upload-Offset" in told.headers) == (410, False)


@rule(105, "Expiration", "MAY", "What has expired is removed, and is 404 from then on.")
async def test_expired_is_removed(server: Server) -> None:
    _, path = await server.begun(9)
    server.clock.forward(days=14)
    store, company = blob_store(server.settings), server.company
    async with server.database.transaction(company.id) as session:
        await uploads.sweep_uploads(session, Job(company.id, {}), store, server.clock())
    assert await upload_row(server.database, company, path) is None
    assert (await server.phone.look(path)).status_code == 404


@rule(106, "Expiration", "SHOULD", "The client then begins a new upload, and is let to.")
async def test_expired_begins_anew(server: Server) -> None:
    photo, path = await server.begun(9)
    server.clock.forward(days=14)
    assert (await server.phone.look(path)).status_code == 410
    phone: Phone = server.phone
    assert (await phone.deliver(photo)).status_code == 204
