"""tus 1.0.0, the core protocol: requirements 1 to 56, one test each. See `tus_rules`."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from mobile_api import writers
from tests.mobile_api.live import Answer
from tests.mobile_api.photos import BYTES, TUS, receipt_row
from tests.mobile_api.tus_rules import Server, rule
from tests.mobile_api.tus_rules import server as server
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = f"/files/{UUID(int=7)}"


# --- headers ----------------------------------------------------------------------------------------------


@rule(1, "Upload-Offset", "MUST", "Offsets that are answered are whole numbers from 0 on.")
async def test_offsets_answered(server: Server) -> None:
    _, path = await server.begun()
    assert (await server.phone.look(path)).headers["Upload-Offset"] == "0"
    sent = await server.phone.send(path, 0, b"\xff")
    assert sent.headers["Upload-Offset"] == "1"


@rule(2, "Upload-Offset", "MUST", "An offset that is no such number is refused.")
async def test_offsets_asked(server: Server) -> None:
    _, path = await server.begun(9)
    for wrong in ("-9", "9.0", "nine", "", "+9", "0x9"):
        refused = await server.phone.send(path, 9, b"x", **{"Upload-Offset": wrong})
        assert refused.status_code == 400, wrong
    assert await server.offset(path) == 9


@rule(3, "Upload-Length", "MUST", "Lengths that are answered are whole numbers from 0 on.")
async def test_lengths_answered(server: Server) -> None:
    photo, path = await server.begun()
    assert (await server.phone.look(path)).headers["Upload-Length"] == str(len(photo.content))
    assert (await server.phone.look(await server.part(b""))).headers["Upload-Length"] == "0"


@rule(4, "Upload-Length", "MUST", "A length that is no such number is refused.")
async def test_lengths_asked(server: Server) -> None:
    for wrong in ("-1", "1.0", "ten", "", "1_000", "1e3"):
        refused = await server.phone.create(server.photo(), **{"Upload-Length": wrong})
        assert refused.status_code == 400, wrong


@rule(5, "Tus-Version", "MUST", "The versions are a list separated by commas.")
async def test_versions_are_a_list(server: Server) -> None:
    assert "1.0.0" in (await server.options()).headers["Tus-Version"].split(",")


@rule(6, "Tus-Version", "MUST", "The version that the server prefers comes first.")
async def test_preferred_version_first(server: Server) -> None:
    told = await server.options()
    assert told.headers["Tus-Version"].split(",")[0] == told.headers["Tus-Resumable"]


@rule(7, "Tus-Resumable", "MUST", "The answer to POST carries it.")
async def test_resumable_post(server: Server) -> None:
    assert (await server.phone.create(server.photo())).headers["Tus-Resumable"] == "1.0.0"


@rule(8, "Tus-Resumable", "MUST", "The answer to HEAD carries it.")
async def test_resumable_head(server: Server) -> None:
    _, path = await server.begun()
    assert (await server.phone.look(path)).headers["Tus-Resumable"] == "1.0.0"


@rule(9, "Tus-Resumable", "MUST", "The answer to PATCH carries it.")
async def test_resumable_patch(server: Server) -> None:
    _, path = await server.begun()
    assert (await server.phone.send(path, 0, b"\xff")).headers["Tus-Resumable"] == "1.0.0"


@rule(10, "Tus-Resumable", "MUST", "The answer to DELETE carries it.")
async def test_resumable_delete(server: Server) -> None:
    _, path = await server.begun()
    assert (await server.phone.end(path)).headers["Tus-Resumable"] == "1.0.0"


@rule(11, "Tus-Resumable", "MUST", "Refusals carry it too.")
async def test_resumable_refusals(server: Server) -> None:
    photo, path = await server.begun()
    refusals = [
        await server.phone.client.post("/files", headers=TUS),
        await server.post(),
        await server.phone.look(UNKNOWN),
        await server.phone.send(path, 5, b"x"),
        await server.phone.send(path, 0, b"x", **{"Content-Type": "image/jpeg"}),
        await server.phone.send(path, 0, photo.content + b"x"),
        await server.phone.client.post(path, headers={**server.phone.headers, **TUS}),
    ]
    assert [refused.status_code for refused in refusals] == [401, 400, 404, 409, 415, 413, 405]
    assert {refused.headers["Tus-Resumable"] for refused in refusals} == {"1.0.0"}


@rule(12, "Tus-Resumable", "MUST", "A request without it is not taken.")
async def test_resumable_is_needed(server: Server) -> None:
    photo, path = await server.begun()
    del photo
    refused = await server.phone.client.head(path, headers=server.phone.headers)
    assert refused.status_code == 412


@rule(13, "Tus-Resumable", "MUST", "Another version is answered with 412.")
async def test_other_version(server: Server) -> None:
    _, path = await server.begun()
    for wrong in ("0.2.2", "1.0", "2.0.0", "1.0.0,0.2.2"):
        refused = await server.phone.send(path, 0, b"\xff", **{"Tus-Resumable": wrong})
        assert refused.status_code == 412, wrong


@rule(14, "Tus-Resumable", "MUST", "That answer names the versions that are spoken.")
async def test_other_version_is_told_ours(server: Server) -> None:
    refused = await server.phone.create(server.photo(), **{"Tus-Resumable": "0.2.2"})
    assert (refused.status_code, refused.headers["Tus-Version"]) == (412, "1.0.0")


@rule(15, "Tus-Resumable", "MUST", "Such a POST creates nothing.")
async def test_other_version_creates_nothing(server: Server) -> None:
    refused = await server.phone.create(server.photo(), **{"Tus-Resumable": "0.2.2"})
    assert "Location" not in refused.headers


@rule(16, "Tus-Resumable", "MUST", "Such a PATCH stores nothing.")
async def test_other_version_stores_nothing(server: Server) -> None:
    _, path = await server.begun()
    await server.phone.send(path, 0, b"\xff", **{"Tus-Resumable": "0.2.2"})
    assert await server.offset(path) == 0


@rule(17, "Tus-Resumable", "MUST", "Such a DELETE ends nothing.")
async def test_other_version_ends_nothing(server: Server) -> None:
    _, path = await server.begun()
    headers = {**server.phone.headers, "Tus-Resumable": "0.2.2"}
    assert (await server.phone.client.delete(path, headers=headers)).status_code == 412
    assert (await server.phone.look(path)).status_code == 200


@rule(18, "Tus-Extension", "MUST", "The extensions are a list separated by commas.")
async def test_extensions_are_a_list(server: Server) -> None:
    assert sorted(await server.extensions()) == [
        "checksum",
        "checksum-trailer",
        "concatenation",
        "concatenation-unfinished",
        "creation",
        "creation-defer-length",
        "creation-with-upload",
        "expiration",
        "termination",
    ]


@rule(19, "Tus-Max-Size", "MUST", "It is a whole number of bytes.")
async def test_max_size_is_a_number(server: Server) -> None:
    assert int((await server.options()).headers["Tus-Max-Size"]) > 0


@rule(20, "Tus-Max-Size", "SHOULD", "A hard limit is told, and it is the limit.")
async def test_max_size_is_the_limit(server: Server) -> None:
    most = int((await server.options()).headers["Tus-Max-Size"])
    assert (await server.phone.create(server.photo(), length=most)).status_code == 201
    assert (await server.phone.create(server.photo(), length=most + 1)).status_code == 413


@rule(21, "X-HTTP-Method-Override", "MUST", "A POST that says PATCH is a PATCH.")
async def test_override_patch(server: Server) -> None:
    photo, path = await server.begun()
    headers = {**server.phone.headers, **BYTES, "Upload-Offset": "0"}
    headers["X-HTTP-Method-Override"] = "PATCH"
    sent = await server.phone.client.post(path, headers=headers, content=photo.content)
    assert (sent.status_code, sent.headers["Upload-Offset"]) == (204, str(len(photo.content)))


@rule(22, "X-HTTP-Method-Override", "MUST", "A POST that says HEAD is a HEAD.")
async def test_override_head(server: Server) -> None:
    _, path = await server.begun(9)
    headers = {**server.phone.headers, **TUS, "X-HTTP-Method-Override": "HEAD"}
    told = await server.phone.client.post(path, headers=headers)
    assert (told.status_code, told.headers["Upload-Offset"]) == (200, "9")


@rule(23, "X-HTTP-Method-Override", "MUST", "A POST that says DELETE is a DELETE.")
async def test_override_delete(server: Server) -> None:
    _, path = await server.begun()
    headers = {**server.phone.headers, **TUS, "X-HTTP-Method-Override": "DELETE"}
    assert (await server.phone.client.post(path, headers=headers)).status_code == 204
    assert (await server.phone.look(path)).status_code == 404


@rule(24, "X-HTTP-Method-Override", "MUST", "The real method is ignored.")
async def test_override_ignores_the_real_method(server: Server) -> None:
    _, path = await server.begun(9)
    headers = {**server.phone.headers, **TUS, "X-HTTP-Method-Override": "HEAD"}
    told = await server.phone.client.delete(path, headers=headers)
    assert told.headers["Upload-Offset"] == "9"
    assert (await server.phone.look(path)).status_code == 200


@rule(25, "X-HTTP-Method-Override", "MUST", "What is no method of tus is refused, not guessed.")
async def test_override_unknown(server: Server) -> None:
    _, path = await server.begun()
    for wrong in ("TRACE", "GET", "PATCH, DELETE", ""):
        headers = {**server.phone.headers, **TUS, "X-HTTP-Method-Override": wrong}
        refused = await server.phone.client.delete(path, headers=headers)
        assert refused.status_code == 400, wrong
    assert (await server.phone.look(path)).status_code == 200


# --- HEAD -------------------------------------------------------------------------------------------------


@rule(26, "HEAD", "MUST", "The offset is told also when it is 0.")
async def test_head_at_the_beginning(server: Server) -> None:
    _, path = await server.begun()
    assert (await server.phone.look(path)).headers["Upload-Offset"] == "0"


@rule(27, "HEAD", "MUST", "The offset is told also when the upload is complete.")
async def test_head_at_the_end(server: Server) -> None:
    photo, path = await server.finished()
    told = await server.phone.look(path)
    assert (told.status_code, told.headers["Upload-Offset"]) == (200, str(len(photo.content)))


@rule(28, "HEAD", "MUST", "The length is told when it is known.")
async def test_head_tells_the_length(server: Server) -> None:
    photo, path = await server.begun(9)
    assert (await server.phone.look(path)).headers["Upload-Length"] == str(len(photo.content))


@rule(29, "HEAD", "SHOULD", "An unknown upload is 404.")
async def test_head_unknown(server: Server) -> None:
    assert (await server.phone.look(UNKNOWN)).status_code == 404


@rule(30, "HEAD", "SHOULD", "That answer has no offset.")
async def test_head_unknown_has_no_offset(server: Server) -> None:
    assert "Upload-Offset" not in (await server.phone.look(UNKNOWN)).headers


@rule(31, "HEAD", "MUST", "Nobody on the way keeps the answer: no-store.")
async def test_head_is_not_kept(server: Server) -> None:
    _, path = await server.begun()
    assert (await server.phone.look(path)).headers["Cache-Control"] == "no-store"


@rule(32, "HEAD", "MUST", "What is told is where a PATCH may go on.")
async def test_head_tells_where_to_go_on(server: Server) -> None:
    photo, path = await server.begun(9)
    at = await server.offset(path)
    assert (await server.phone.send(path, at, photo.content[at:])).status_code == 204


# --- PATCH ------------------------------------------------------------------------------------------------


@rule(33, "PATCH", "SHOULD", "Bytes are applied at the offset that the request names.")
async def test_patch_applies_bytes(server: Server) -> None:
    photo, path = await server.begun(9)
    await server.phone.send(path, 9, photo.content[9:])
    read = await server.phone.client.get(f"/blobs/{photo.sha256}", headers=server.phone.headers)
    assert read.content == photo.content


@rule(34, "PATCH", "SHOULD", "Another content type is 415.")
async def test_patch_of_another_type(server: Server) -> None:
    _, path = await server.begun()
    for wrong in ("application/octet-stream", "image/jpeg", "multipart/form-data; boundary=x", ""):
        refused = await server.phone.send(path, 0, b"x", **{"Content-Type": wrong})
        assert refused.status_code == 415, wrong
    assert await server.offset(path) == 0


@rule(35, "PATCH", "SHOULD", "No content type at all is 415.")
async def test_patch_without_a_type(server: Server) -> None:
    _, path = await server.begun()
    refused = await server.live.ask(
        "PATCH", path, b"x", **TUS, Upload_Offset="0", Content_Length="1"
    )
    assert refused.status == 415


@rule(36, "PATCH", "MUST", "An offset before the upload's is 409.")
async def test_patch_behind(server: Server) -> None:
    photo, path = await server.begun(9)
    assert (await server.phone.send(path, 0, photo.content)).status_code == 409


@rule(37, "PATCH", "MUST", "An offset beyond the upload's is 409.")
async def test_patch_ahead(server: Server) -> None:
    photo, path = await server.begun(9)
    assert (await server.phone.send(path, 10, photo.content[10:])).status_code == 409


@rule(38, "PATCH", "MUST", "A 409 leaves the upload as it was.")
async def test_patch_elsewhere_changes_nothing(server: Server) -> None:
    photo, path = await server.begun(9)
    for offset in (0, 8, 10, len(photo.content)):
        await server.phone.send(path, offset, b"?")
    assert await server.offset(path) == 9
    await server.phone.send(path, 9, photo.content[9:])
    assert await receipt_row(server.database, server.company, photo) is not None


@rule(39, "PATCH", "MUST", "A request has to name its offset.")
async def test_patch_without_an_offset(server: Server) -> None:
    photo, path = await server.begun()
    headers = {**server.phone.headers, **BYTES}
    refused = await server.phone.client.patch(path, headers=headers, content=photo.content)
    assert refused.status_code == 400


@rule(40, "PATCH", "MAY", "The bytes may come in many small requests.")
async def test_patch_many_times(server: Server) -> None:
    photo, path = await server.begun()
    step = len(photo.content) // 5 + 1
    for at in range(0, len(photo.content), step):
        sent = await server.phone.send(path, at, photo.content[at : at + step])
        assert sent.status_code == 204
    assert await receipt_row(server.database, server.company, photo) is not None


@rule(41, "PATCH", "SHOULD", "The bytes may come in one request.")
async def test_patch_once(server: Server) -> None:
    photo, _ = await server.finished()
    assert await receipt_row(server.database, server.company, photo) is not None


@rule(42, "PATCH", "MUST", "Success is 204.")
async def test_patch_success(server: Server) -> None:
    _, path = await server.begun()
    sent = await server.phone.send(path, 0, b"\xff")
    assert (sent.status_code, sent.content) == (204, b"")


@rule(43, "PATCH", "MUST", "The answer tells the new offset.")
async def test_patch_tells_the_offset(server: Server) -> None:
    photo, path = await server.begun()
    sent = await server.phone.send(path, 0, photo.content)
    assert sent.headers["Upload-Offset"] == str(len(photo.content))


@rule(44, "PATCH", "MUST", "The new offset is the old one and the bytes of this request.")
async def test_patch_adds_up(server: Server) -> None:
    photo, path = await server.begun(9)
    sent = await server.phone.send(path, 9, photo.content[9:29])
    assert sent.headers["Upload-Offset"] == "29"


@rule(45, "PATCH", "MUST", "A request without bytes adds none.")
async def test_patch_of_nothing(server: Server) -> None:
    _, path = await server.begun(9)
    sent = await server.phone.send(path, 9, b"")
    assert (sent.status_code, sent.headers["Upload-Offset"]) == (204, "9")


@rule(46, "PATCH", "SHOULD", "An unknown upload is 404.")
async def test_patch_unknown(server: Server) -> None:
    assert (await server.phone.send(UNKNOWN, 0, b"x")).status_code == 404


@rule(47, "PATCH", "MUST", "More bytes than were declared are not taken.")
async def test_patch_too_long(server: Server) -> None:
    photo, path = await server.begun()
    assert (await server.phone.send(path, 0, photo.content + b"x")).status_code == 413
    assert await server.offset(path) == 0


@rule(48, "PATCH", "MUST", "Nor are they where their number is not announced.")
async def test_patch_too_long_unannounced(server: Server) -> None:
    photo, path = await server.begun()

    async def silent() -> AsyncIterator[bytes]:
        yield photo.content
        yield b"x"

    assert (await server.phone.send(path, 0, silent())).status_code == 413
    assert await server.offset(path) == 0


@rule(49, "PATCH", "SHOULD", "What arrived before the line broke is kept.")
async def test_patch_cut(server: Server) -> None:
    photo, path = await server.begun()
    size = str(len(photo.content))
    head = server.live.head("PATCH", path, **BYTES, Upload_Offset="0", Content_Length=size)
    at, pause_s = 0, 0.05
    # Asking cuts the line's request, on a busy machine before anything of it was read.
    while at == 0:
        _, line = await asyncio.open_connection("127.0.0.1", server.live.port)
        line.write(head + photo.content[:100])
        await asyncio.sleep(pause_s)
        at, pause_s = await server.offset(path), 2 * pause_s
        line.close()
    assert at == 100


@rule(50, "PATCH", "SHOULD", "After a network error the upload goes on where the server says.")
async def test_patch_after_a_cut(server: Server) -> None:
    photo, path = await server.begun()
    size = str(len(photo.content))
    head = server.live.head("PATCH", path, **BYTES, Upload_Offset="0", Content_Length=size)
    _, line = await asyncio.open_connection("127.0.0.1", server.live.port)
    line.write(head + photo.content[:100])
    await line.drain()
    line.close()
    at = await server.offset(path)
    assert (await server.phone.send(path, at, photo.content[at:])).status_code == 204
    assert await receipt_row(server.database, server.company, photo) is not None


@rule(51, "PATCH", "SHOULD", "A line that falls silent is closed.")
async def test_patch_timeout(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "BEAT_S", 0.02)
    monkeypatch.setattr(writers, "SILENCE_S", 0.1)
    photo, path = await server.begun()
    size = str(len(photo.content))
    reader, line = await asyncio.open_connection("127.0.0.1", server.live.port)
    head = server.live.head("PATCH", path, **BYTES, Upload_Offset="0", Content_Length=size)
    line.write(head + photo.content[:100])
    async with asyncio.timeout(PATIENCE_S):
        answer = Answer.read(await reader.read())
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert await server.offset(path) == 100
    line.close()


# --- OPTIONS ----------------------------------------------------------------------------------------------


@rule(52, "OPTIONS", "MAY", "It tells what the server does, with 200.")
async def test_options(server: Server) -> None:
    assert (await server.options()).status_code == 200


@rule(53, "OPTIONS", "MUST", "The answer holds the versions.")
async def test_options_versions(server: Server) -> None:
    assert (await server.options()).headers["Tus-Version"] == "1.0.0"


@rule(54, "OPTIONS", "MAY", "It holds extensions and the limit, also at an upload's address.")
async def test_options_everywhere(server: Server) -> None:
    _, path = await server.begun()
    told = await server.phone.client.options(path)
    assert {"tus-version", "tus-extension", "tus-max-size"} <= told.headers.keys()


@rule(55, "OPTIONS", "MUST", "The version that a client names is ignored.")
async def test_options_ignores_the_version(server: Server) -> None:
    for version in ("0.2.2", "nonsense"):
        assert (await server.options(**{"Tus-Resumable": version})).status_code == 200


@rule(56, "OPTIONS", "SHOULD", "What is advertised can be found out before anything is sent.")
async def test_options_for_strangers(server: Server) -> None:
    told = await server.options()
    assert "authorization" not in told.request.headers
    assert "creation" in told.headers["Tus-Extension"]
