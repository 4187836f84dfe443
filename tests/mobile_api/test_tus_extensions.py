"""tus 1.0.0, checksums, termination, concatenation: requirements 107 to 161. See `tus_rules`."""

import asyncio

import pytest

# The numbers of these two belong to the list, whichever module is run alone.
from tests.mobile_api import test_tus_core, test_tus_creation  # noqa: F401
from tests.mobile_api.live import chunked
from tests.mobile_api.photos import (
    BYTES,
    TUS,
    blob_row,
    checksum,
    path_of,
    receipt_row,
    upload_metadata,
    upload_row,
)
from tests.mobile_api.tus_rules import RULES, Server, rule
from tests.mobile_api.tus_rules import server as server

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRAILING = {**BYTES, "Trailer": "Upload-Checksum", "Transfer-Encoding": "chunked"}
WRONG = {"Upload-Checksum": "sha1 " + "A" * 27 + "="}


# --- checksums --------------------------------------------------------------------------------------------


@rule(107, "Checksum", "MUST", "The extension is advertised as checksum.")
async def test_checksum_is_advertised(server: Server) -> None:
    assert "checksum" in await server.extensions()


@rule(108, "Checksum", "MUST", "OPTIONS tells the algorithms.")
async def test_checksum_algorithms(server: Server) -> None:
    assert (await server.options()).headers["Tus-Checksum-Algorithm"]


@rule(109, "Tus-Checksum-Algorithm", "MUST", "They are a list separated by commas.")
async def test_checksum_algorithms_are_a_list(server: Server) -> None:
    told = (await server.options()).headers["Tus-Checksum-Algorithm"]
    assert set(told.split(",")) == {"sha1", "sha256"}


@rule(110, "Checksum", "MUST", "SHA-1 is among them.")
async def test_checksum_sha1_is_known(server: Server) -> None:
    told = (await server.options()).headers["Tus-Checksum-Algorithm"]
    assert "sha1" in told.split(",")


@rule(111, "Checksum", "MUST", "Their names are lower-case ASCII.")
async def test_checksum_names(server: Server) -> None:
    told = (await server.options()).headers["Tus-Checksum-Algorithm"]
    assert told.isascii()
    assert told == told.lower()
    _, path = await server.begun()
    upper = checksum(b"\xff")["Upload-Checksum"].replace("sha256", "SHA256")
    refused = await server.phone.send(path, 0, b"\xff", **{"Upload-Checksum": upper})
    assert refused.status_code == 400


@rule(112, "Checksum", "MAY", "Bytes that fit their checksum are 204, with every algorithm told.")
async def test_checksum_fits(server: Server) -> None:
    told = (await server.options()).headers["Tus-Checksum-Algorithm"]
    for algorithm in told.split(","):
        photo, path = await server.begun()
        sent = await server.phone.send(path, 0, photo.content, **checksum(photo.content, algorithm))
        assert sent.status_code == 204, algorithm


@rule(113, "Checksum", "MUST", "Bytes that do not are 460.")
async def test_checksum_mismatch(server: Server) -> None:
    _, path = await server.begun()
    assert (await server.phone.send(path, 0, b"\xff", **WRONG)).status_code == 460


@rule(114, "Checksum", "MUST", "They are discarded, and the offset stays.")
async def test_checksum_mismatch_is_discarded(server: Server) -> None:
    photo, path = await server.begun(9)
    await server.phone.send(path, 9, b"?" * 20, **WRONG)
    assert await server.offset(path) == 9
    rest = photo.content[9:]
    assert (await server.phone.send(path, 9, rest, **checksum(rest))).status_code == 204
    assert await receipt_row(server.database, server.company, photo) is not None


@rule(115, "Checksum", "MAY", "An unknown algorithm is 400.")
async def test_checksum_unknown(server: Server) -> None:
    _, path = await server.begun()
    for wrong in ("md5 AAAA", "crc32 AAAA", "sha512 AAAA"):
        refused = await server.phone.send(path, 0, b"\xff", **{"Upload-Checksum": wrong})
        assert refused.status_code == 400, wrong


@rule(116, "Checksum", "MUST", "Its bytes are discarded, and the offset stays.")
async def test_checksum_unknown_is_discarded(server: Server) -> None:
    _, path = await server.begun(9)
    await server.phone.send(path, 9, b"?", **{"Upload-Checksum": "md5 AAAA"})
    assert await server.offset(path) == 9


@rule(117, "Upload-Checksum", "MUST", "It is a name and base64 with a space between.")
async def test_checksum_shape(server: Server) -> None:
    _, path = await server.begun()
    for wrong in ("sha1", "sha1  AAAA", "sha1 AAAA", "sha1 !!!!", "sha1=AAAA", ""):
        refused = await server.phone.send(path, 0, b"\xff", **{"Upload-Checksum": wrong})
        assert refused.status_code == 400, wrong
    assert await server.offset(path) == 0


@rule(118, "Checksum", "MUST", "It is of the bytes of its own request.")
async def test_checksum_is_of_one_request(server: Server) -> None:
    photo, path = await server.begun(9)
    rest = photo.content[9:]
    assert (await server.phone.send(path, 9, rest, **checksum(photo.content))).status_code == 460
    assert (await server.phone.send(path, 9, rest, **checksum(rest))).status_code == 204


@rule(119, "Checksum", "MUST", "It holds for the bytes of a creation too.")
async def test_checksum_of_a_creation(server: Server) -> None:
    photo = server.photo()
    assert (await server.phone.create(photo, content=b"?", **WRONG)).status_code == 460
    created = await server.phone.create(photo, content=photo.content, **checksum(photo.content))
    assert created.headers["Upload-Offset"] == str(len(photo.content))


@rule(120, "Checksum", "MUST", "Bytes that were cut short under a checksum are discarded.")
async def test_checksum_of_a_cut_line(server: Server) -> None:
    photo, path = await server.begun()
    headers = {**BYTES, **checksum(photo.content), "Content-Length": str(len(photo.content))}
    _, line = await asyncio.open_connection("127.0.0.1", server.live.port)
    line.write(server.live.head("PATCH", path, **headers, Upload_Offset="0"))
    line.write(photo.content[:100])
    await line.drain()
    await asyncio.sleep(0.1)
    line.close()
    assert await server.offset(path) == 0


@rule(121, "Checksum", "MUST", "That trailers are handled is advertised as checksum-trailer.")
async def test_trailer_is_advertised(server: Server) -> None:
    assert "checksum-trailer" in await server.extensions()


@rule(122, "Checksum", "MAY", "A checksum may follow the bytes as a trailer.")
async def test_trailer_fits(server: Server) -> None:
    photo, path = await server.begun()
    pieces = chunked(photo.content[:99], photo.content[99:], **checksum(photo.content, "sha1"))
    sent = await server.live.ask("PATCH", path, *pieces, **TRAILING, Upload_Offset="0")
    assert sent.status == 204


@rule(123, "Checksum", "MUST", "Bytes that do not fit the trailer are 460 and discarded.")
async def test_trailer_mismatch(server: Server) -> None:
    photo, path = await server.begun()
    pieces = chunked(photo.content[:99], photo.content[99:], **WRONG)
    sent = await server.live.ask("PATCH", path, *pieces, **TRAILING, Upload_Offset="0")
    assert sent.status == 460
    assert await server.offset(path) == 0


@rule(124, "Checksum", "MUST", "An unknown algorithm in a trailer is 400, the bytes discarded.")
async def test_trailer_unknown(server: Server) -> None:
    photo, path = await server.begun()
    pieces = chunked(photo.content[:99], Upload_Checksum="md5 AAAA")
    sent = await server.live.ask("PATCH", path, *pieces, **TRAILING, Upload_Offset="0")
    assert sent.status == 400
    assert await server.offset(path) == 0


@rule(125, "Checksum", "MUST", "A trailer that was announced and does not come is missed.")
async def test_trailer_missing(server: Server) -> None:
    photo, path = await server.begun()
    sent = await server.live.ask(
        "PATCH", path, *chunked(photo.content), **TRAILING, Upload_Offset="0"
    )
    assert sent.status == 400
    assert await server.offset(path) == 0


# --- termination ------------------------------------------------------------------------------------------


@rule(126, "Termination", "MUST", "The extension is advertised as termination.")
async def test_termination_is_advertised(server: Server) -> None:
    assert "termination" in await server.extensions()


@rule(127, "Termination", "MUST", "An unfinished upload is ended with 204.")
async def test_termination_of_an_unfinished(server: Server) -> None:
    _, path = await server.begun(9)
    assert (await server.phone.end(path)).status_code == 204


@rule(128, "Termination", "MUST", "A finished upload is ended with 204; what it brought stays.")
async def test_termination_of_a_finished(server: Server) -> None:
    photo, path = await server.finished()
    assert (await server.phone.end(path)).status_code == 204
    assert await blob_row(server.database, server.company, photo) is not None


@rule(129, "Termination", "SHOULD", "What the upload held is freed.")
async def test_termination_frees(server: Server) -> None:
    _, path = await server.begun(9)
    staged = f"*/staging/{path.rpartition('/')[2]}.bin"
    assert list(server.settings.blob_dir.glob(staged))
    await server.phone.end(path)
    assert not list(server.settings.blob_dir.glob(staged))
    assert await upload_row(server.database, server.company, path) is None


@rule(130, "Termination", "SHOULD", "From then on the address is 404 to HEAD.")
async def test_termination_then_head(server: Server) -> None:
    _, path = await server.begun(9)
    await server.phone.end(path)
    assert (await server.phone.look(path)).status_code == 404


@rule(131, "Termination", "SHOULD", "And to PATCH.")
async def test_termination_then_patch(server: Server) -> None:
    photo, path = await server.begun(9)
    await server.phone.end(path)
    assert (await server.phone.send(path, 9, photo.content[9:])).status_code == 404


@rule(132, "Termination", "SHOULD", "And to another DELETE.")
async def test_termination_twice(server: Server) -> None:
    _, path = await server.begun(9)
    await server.phone.end(path)
    assert (await server.phone.end(path)).status_code == 404


@rule(133, "Termination", "MUST", "Other uploads of the same photo go on.")
async def test_termination_of_one_of_two(server: Server) -> None:
    photo, path = await server.begun(9)
    other = await server.phone.start(photo)
    await server.phone.end(other)
    assert (await server.phone.send(path, 9, photo.content[9:])).status_code == 204


# --- concatenation ----------------------------------------------------------------------------------------


@rule(134, "Concatenation", "MUST", "The extension is advertised as concatenation.")
async def test_concatenation_is_advertised(server: Server) -> None:
    assert "concatenation" in await server.extensions()


@rule(135, "Concatenation", "MUST", "A part is created by Upload-Concat: partial.")
async def test_part(server: Server) -> None:
    created = await server.post(Upload_Concat="partial", Upload_Length="5")
    assert created.status_code == 201


@rule(136, "Concatenation", "MUST", "A part is uploaded like any file.")
async def test_part_takes_bytes(server: Server) -> None:
    path = await server.part(b"", 5)
    assert (await server.phone.send(path, 0, b"he")).headers["Upload-Offset"] == "2"
    assert (await server.phone.send(path, 2, b"llo")).headers["Upload-Offset"] == "5"


@rule(137, "Concatenation", "MUST", "A final upload is created by final; and the parts' addresses.")
async def test_final(server: Server) -> None:
    photo = server.photo()
    created = await server.final(photo, await server.part(photo.content))
    assert created.status_code == 201


@rule(138, "Concatenation", "MUST", "The parts are put together in the order of the list.")
async def test_final_keeps_the_order(server: Server) -> None:
    photo = server.photo()
    right = await server.part(photo.content[99:])
    left = await server.part(photo.content[:99])
    await server.final(photo, left, right)
    read = await server.phone.client.get(f"/blobs/{photo.sha256}", headers=server.phone.headers)
    assert read.content == photo.content


@rule(139, "Concatenation", "SHOULD", "Parts are not looked into before they are put together.")
async def test_part_is_not_processed(server: Server) -> None:
    photo = server.photo()
    await server.part(photo.content)
    assert await blob_row(server.database, server.company, photo) is None


@rule(140, "Concatenation", "MUST", "The final length is the sum of the parts'.")
async def test_final_length(server: Server) -> None:
    photo = server.photo()
    parts = [await server.part(photo.content[:99]), await server.part(photo.content[99:])]
    told = await server.phone.look(path_of(await server.final(photo, *parts)))
    assert told.headers["Upload-Length"] == str(len(photo.content))


@rule(141, "Concatenation", "MUST", "A client names no length for a final upload.")
async def test_final_with_a_length(server: Server) -> None:
    photo = server.photo()
    part = await server.part(photo.content)
    for name, value in (("Upload-Length", str(len(photo.content))), ("Upload-Defer-Length", "1")):
        assert (await server.final(photo, part, **{name: value})).status_code == 400, name


@rule(142, "Concatenation", "MUST", "That parts may be unfinished is advertised.")
async def test_unfinished_is_advertised(server: Server) -> None:
    assert "concatenation-unfinished" in await server.extensions()


@rule(143, "Concatenation", "MAY", "A final upload may be created before its parts are there.")
async def test_final_of_unfinished_parts(server: Server) -> None:
    photo = server.photo()
    part = await server.part(b"", len(photo.content))
    created = await server.final(photo, part)
    assert created.status_code == 201
    await server.phone.send(part, 0, photo.content)
    assert await receipt_row(server.database, server.company, photo) is not None


@rule(144, "Concatenation", "MUST", "A part's metadata does not pass to the final upload.")
async def test_metadata_of_parts(server: Server) -> None:
    photo = server.photo()
    part = await server.part(photo.content, **{"Upload-Metadata": "filename YQ=="})
    told = await server.phone.look(path_of(await server.final(photo, part)))
    assert told.headers["Upload-Metadata"] == upload_metadata(photo.metadata)


@rule(145, "Concatenation", "SHOULD", "The final upload's metadata comes with its own creation.")
async def test_metadata_of_the_final(server: Server) -> None:
    photo = server.photo()
    part = await server.part(photo.content, **{"Upload-Metadata": upload_metadata(photo.metadata)})
    refused = await server.final(photo, part, **{"Upload-Metadata": "filename YQ=="})
    assert refused.status_code == 400


@rule(146, "Concatenation", "MAY", "A part may be used more than once.")
async def test_part_is_used_again(server: Server) -> None:
    photo, again = server.photo(), server.photo()
    again.content = photo.content
    part = await server.part(photo.content)
    for one in (photo, again):
        assert (await server.final(one, part)).status_code == 201
        assert await receipt_row(server.database, server.company, one) is not None


@rule(147, "Concatenation", "MUST", "PATCH to a final upload is 403.")
async def test_final_takes_no_bytes(server: Server) -> None:
    photo = server.photo()
    waiting = path_of(await server.final(photo, await server.part(b"", 9)))
    finished = path_of(await server.final(photo, await server.part(photo.content)))
    for path in (waiting, finished):
        assert (await server.phone.send(path, 0, b"x")).status_code == 403


@rule(148, "Concatenation", "MUST", "Such a PATCH changes neither the final upload nor its parts.")
async def test_final_is_not_modified(server: Server) -> None:
    photo = server.photo()
    part = await server.part(photo.content[:9], len(photo.content))
    path = path_of(await server.final(photo, part))
    before = (await server.phone.look(path)).headers["Upload-Length"]
    await server.phone.send(path, 0, photo.content)
    assert await server.offset(part) == 9
    assert (await server.phone.look(path)).headers["Upload-Length"] == before


@rule(149, "Concatenation", "MUST", "Bytes that come with a final creation are 403 as well.")
async def test_final_creation_takes_no_bytes(server: Server) -> None:
    part = await server.part(b"abc")
    assert (await server.post(b"abc", Upload_Concat=f"final;{part}")).status_code == 403


@rule(150, "Concatenation", "SHOULD", "HEAD of an unfinished final upload has no offset.")
async def test_head_of_an_unfinished_final(server: Server) -> None:
    path = path_of(await server.final(server.photo(), await server.part(b"", 9)))
    told = await server.phone.look(path)
    assert (told.status_code, "Upload-Offset" in told.headers) == (200, False)


@rule(151, "Concatenation", "MUST", "When it is finished, offset and length are set and equal.")
async def test_head_of_a_finished_final(server: Server) -> None:
    photo = server.photo()
    told = await server.phone.look(
        path_of(await server.final(photo, await server.part(photo.content)))
    )
    assert told.headers["Upload-Offset"] == told.headers["Upload-Length"]


@rule(152, "Concatenation", "MUST", "HEAD of a part has its offset.")
async def test_head_of_a_part(server: Server) -> None:
    assert (await server.phone.look(await server.part(b"abc", 9))).headers["Upload-Offset"] == "3"


@rule(153, "Concatenation", "MUST", "The length is told as soon as all parts tell theirs.")
async def test_head_tells_a_length_that_is_known(server: Server) -> None:
    parts = [await server.part(b"", 9), await server.part(b"abc", 5)]
    told = await server.phone.look(path_of(await server.final(server.photo(), *parts)))
    assert told.headers["Upload-Length"] == "14"


@rule(154, "Concatenation", "MUST", "It is not told before.")
async def test_head_tells_no_length_that_is_unknown(server: Server) -> None:
    created = await server.post(Upload_Concat="partial", Upload_Defer_Length="1")
    final = path_of(await server.final(server.photo(), path_of(created)))
    assert "Upload-Length" not in (await server.phone.look(final)).headers


@rule(155, "Concatenation", "MUST", "HEAD of a part has its Upload-Concat.")
async def test_head_of_a_part_says_so(server: Server) -> None:
    told = await server.phone.look(await server.part(b"abc"))
    assert told.headers["Upload-Concat"] == "partial"


@rule(156, "Concatenation", "MUST", "HEAD of a final upload has its Upload-Concat as it was sent.")
async def test_head_of_a_final_says_so(server: Server) -> None:
    photo = server.photo()
    parts = [await server.part(photo.content[:99]), await server.part(photo.content[99:])]
    told = await server.phone.look(path_of(await server.final(photo, *parts)))
    assert told.headers["Upload-Concat"] == f"final;{parts[0]} {parts[1]}"


@rule(157, "Upload-Concat", "MUST", "Anything but partial and final; with a list is refused.")
async def test_concat_shape(server: Server) -> None:
    for wrong in ("Partial", "partial;", "final", "final;", "whole", ""):
        refused = await server.post(Upload_Concat=wrong, Upload_Length="5")
        assert refused.status_code == 400, wrong


@rule(158, "Upload-Concat", "MAY", "Parts may be named by absolute addresses.")
async def test_concat_absolute(server: Server) -> None:
    photo = server.photo()
    part = await server.part(photo.content)
    assert (await server.final(photo, server.live.url + part)).status_code == 201


@rule(159, "Upload-Concat", "MAY", "Parts may be named by relative addresses.")
async def test_concat_relative(server: Server) -> None:
    photo = server.photo()
    part = await server.part(photo.content)
    assert (await server.final(photo, part.removeprefix("/"))).status_code == 201


@rule(160, "Upload-Concat", "MUST", "Addresses hold no spaces: one separates two of them.")
async def test_concat_spaces(server: Server) -> None:
    part = await server.part(b"abc")
    for wrong in (f"final; {part}", f"final;{part}  {part}", "final;/my files/x"):
        refused = await server.post(Upload_Concat=wrong, **TUS)
        assert refused.status_code == 400, wrong


@rule(161, "Upload-Concat", "MUST", "What is no part is not put together.")
async def test_concat_of_no_part(server: Server) -> None:
    _, plain = await server.begun()
    refused = await server.final(server.photo(), plain)
    assert (refused.status_code, refused.json()["code"]) == (400, "missing-parts")


async def test_the_list_has_no_gap_and_says_each_thing_once() -> None:
    assert sorted(RULES) == list(range(1, 162))
    assert len({(one.section, one.sentence) for one in RULES.values()}) == len(RULES)
