"""The tus protocol on headers alone: every requirement as a request and what becomes of it."""

import hashlib
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.problems import Problem
from mobile_api import tus

OFFER = tus.Offer(max_size=1_000)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
UPLOAD = tus.Upload(
    offset=40, length=100, expires_at=NOW + timedelta(days=14), metadata="photo_id aWQ="
)
BYTES = {"content-type": tus.CONTENT_TYPE}
SHA1 = b64encode(hashlib.sha1(b"hello").digest()).decode()
SHA256 = b64encode(hashlib.sha256(b"hello").digest()).decode()


def test_options_says_what_is_offered() -> None:
    answer = tus.answer_options(OFFER)
    assert answer.status == 200
    assert answer.headers == {
        "Tus-Resumable": "1.0.0",
        "Tus-Version": "1.0.0",
        "Tus-Extension": "creation,creation-with-upload,creation-defer-length,checksum,"
        "expiration,termination,concatenation,concatenation-unfinished",
        "Tus-Max-Size": "1000",
        "Tus-Checksum-Algorithm": "sha256,sha1",
    }


def test_trailers_are_offered_only_by_a_server_that_hands_them_over() -> None:
    trailing = tus.answer_options(tus.Offer(max_size=1, has_trailers=True))
    assert "checksum-trailer" in trailing.headers["Tus-Extension"].split(",")


@pytest.mark.parametrize("sent", [{}, {"tus-resumable": "0.2.2"}, {"tus-resumable": "1.0"}])
@pytest.mark.parametrize("method", ["HEAD", "POST", "PATCH", "DELETE"])
def test_another_version_is_refused_with_ours(method: str, sent: dict[str, str]) -> None:
    with pytest.raises(tus.UnsupportedTusVersion) as refusal:
        tus.require_version(method, sent)
    assert refusal.value.status == 412
    assert refusal.value.headers == {"Tus-Resumable": "1.0.0", "Tus-Version": "1.0.0"}
    tus.require_version("OPTIONS", sent)
    tus.require_version(method, {"tus-resumable": "1.0.0"})


def test_the_override_replaces_the_method() -> None:
    assert tus.effective_method("post", {}) == "POST"
    assert tus.effective_method("POST", {"x-http-method-override": "patch"}) == "PATCH"
    assert tus.effective_method("GET", {"x-http-method-override": "HEAD"}) == "HEAD"
    for name in ("", "TRACE", "GET", "PATCH, DELETE"):
        with pytest.raises(tus.MalformedUpload):
            tus.effective_method("POST", {"x-http-method-override": name})


def test_an_upload_is_created_with_its_length_and_metadata() -> None:
    creation = tus.read_creation(
        {"upload-length": "100", "upload-metadata": "photo_id aWQ=, is_night,empty "}, OFFER
    )
    assert creation == tus.Creation(
        length=100,
        metadata={"photo_id": b"id", "is_night": b"", "empty": b""},
        raw_metadata="photo_id aWQ=, is_night,empty",
        has_body=False,
        checksum=None,
    )
    answer = tus.answer_creation("https://x/files/1", UPLOAD, had_body=False)
    assert answer == tus.Answer(
        201,
        {
            "Tus-Resumable": "1.0.0",
            "Location": "https://x/files/1",
            "Upload-Expires": "Sun, 15 Mar 2026 12:00:00 GMT",
        },
    )


def test_bytes_may_come_with_the_creation() -> None:
    sent = {**BYTES, "upload-length": "100", "content-length": "40"}
    creation = tus.read_creation({**sent, "upload-checksum": f"sha1 {SHA1}"}, OFFER)
    assert creation.has_body
    assert creation.checksum == tus.Checksum("sha1", hashlib.sha1(b"hello").digest())
    answer = tus.answer_creation("https://x/files/1", UPLOAD, had_body=True)
    assert answer.headers["Upload-Offset"] == "40"
    assert tus.read_creation(
        {**BYTES, "upload-length": "100", "transfer-encoding": "chunked"}, OFFER
    ).has_body
    assert not tus.read_creation({**sent, "content-length": "0"}, OFFER).has_body


def test_the_length_may_be_told_later_but_once() -> None:
    creation = tus.read_creation({"upload-defer-length": "1"}, OFFER)
    assert creation.length is None
    deferred = replace(UPLOAD, length=None)
    assert tus.answer_head(deferred).headers["Upload-Defer-Length"] == "1"
    assert "Upload-Length" not in tus.answer_head(deferred).headers

    patch = {**BYTES, "upload-offset": "40"}
    assert tus.read_continuation(patch, deferred, OFFER).length is None
    assert tus.read_continuation({**patch, "upload-length": "90"}, deferred, OFFER).length == 90
    assert tus.read_continuation({**patch, "upload-length": "100"}, UPLOAD, OFFER).length == 100
    for length, upload in (("101", UPLOAD), ("39", deferred)):
        with pytest.raises(tus.MalformedUpload) as refusal:
            tus.read_continuation({**patch, "upload-length": length}, upload, OFFER)
        assert refusal.value.facts == {"header": "Upload-Length"}
    with pytest.raises(tus.UploadTooLarge):
        tus.read_continuation({**patch, "upload-length": "1001"}, deferred, OFFER)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"upload-length": "100", "upload-defer-length": "1"}, 400),
        ({"upload-defer-length": "0"}, 400),
        ({"upload-defer-length": "true"}, 400),
        ({"upload-length": "-1"}, 400),
        ({"upload-length": "+1"}, 400),
        ({"upload-length": "1e3"}, 400),
        ({"upload-length": "1.0"}, 400),
        ({"upload-length": "0x10"}, 400),
        ({"upload-length": "1_000"}, 400),
        ({"upload-length": "ten"}, 400),
        ({"upload-length": ""}, 400),
        ({"upload-length": "100, 100"}, 400),
        ({"upload-length": "١٠"}, 400),
        ({"upload-length": "9" * 5_000}, 400),
        ({"upload-length": "1001"}, 413),
        ({"upload-length": "999999999999999999"}, 413),
        ({**BYTES, "upload-length": "10", "content-length": "11"}, 413),
        ({**BYTES, "upload-defer-length": "1", "content-length": "1001"}, 413),
        ({**BYTES, "upload-length": "10", "content-length": "-5"}, 400),
        ({"upload-length": "10", "content-length": "5"}, 415),
        ({"upload-length": "10", "content-length": "5", "content-type": "image/jpeg"}, 415),
        ({"upload-length": "10", "transfer-encoding": "chunked"}, 415),
        ({**BYTES, "upload-length": "9", "content-length": "5", "upload-checksum": "md5 x"}, 400),
    ],
)
def test_a_creation_that_makes_no_sense_is_refused(headers: dict[str, str], status: int) -> None:
    with pytest.raises(Problem) as refusal:
        tus.read_creation(headers, OFFER)
    assert refusal.value.status == status
    assert refusal.value.headers["Tus-Resumable"] == "1.0.0"


def test_an_upload_of_no_bytes_is_complete_at_once() -> None:
    creation = tus.read_creation({"upload-length": "0"}, OFFER)
    assert creation.length == 0
    assert replace(UPLOAD, offset=0, length=0).is_complete


@pytest.mark.parametrize(
    "raw",
    [
        "key not-base64",
        "key YQ",
        "key YQ==YQ==",
        "key Y Q==",
        "key  YQ==",
        "key YQ==\n",
        "key _-8=",
        "key Я",
        "ключ YQ==",
        "key YQ==,,other YQ==",
        "key YQ==,",
        ",",
        "key YQ==,key Yg==",
        "a,a",
        "key " + "YWFh" * 2_000,
        ",".join(f"k{n}" for n in range(40)),
    ],
)
def test_metadata_is_read_strictly(raw: str) -> None:
    with pytest.raises(tus.MalformedUpload) as refusal:
        tus.read_metadata(raw)
    assert refusal.value.facts == {"header": "Upload-Metadata"}


KEYS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","), min_size=1
)


@given(st.dictionaries(KEYS.filter(lambda key: len(key) < 20), st.binary(max_size=40), max_size=20))
def test_metadata_comes_back_as_it_was_meant(metadata: dict[str, bytes]) -> None:
    raw = ",".join(f"{key} {b64encode(value).decode()}".strip() for key, value in metadata.items())
    assert tus.read_metadata(raw) == metadata


def test_photo_bytes_name_their_photo_and_hash() -> None:
    photo = UUID("01970000-0000-7000-8000-000000000001")
    sha256 = "ab" * 32
    good = {"photo_id": str(photo).encode(), "sha256": sha256.encode(), "filename": b"x.jpg"}
    assert tus.read_photo_reference(good) == tus.PhotoReference(photo, sha256)
    for wrong in (
        {"photo_id": good["photo_id"]},
        {"sha256": good["sha256"]},
        {**good, "photo_id": b"17"},
        {**good, "photo_id": b"\xff"},
        {**good, "sha256": b"AB" * 32},
        {**good, "sha256": b"ab" * 31},
        {**good, "sha256": b"../" * 20 + b"abcd"},
        {**good, "sha256": b"ab" * 32 + b"\n"},
        {**good, "sha256": "я".encode() * 32},
    ):
        with pytest.raises(tus.MalformedUpload):
            tus.read_photo_reference(wrong)


def test_head_says_how_far_the_upload_is() -> None:
    assert tus.answer_head(UPLOAD) == tus.Answer(
        200,
        {
            "Tus-Resumable": "1.0.0",
            "Cache-Control": "no-store",
            "Upload-Offset": "40",
            "Upload-Length": "100",
            "Upload-Expires": "Sun, 15 Mar 2026 12:00:00 GMT",
            "Upload-Metadata": "photo_id aWQ=",
        },
    )


def test_unknown_and_expired_uploads_are_refused_without_an_offset() -> None:
    with pytest.raises(tus.NoSuchUpload) as unknown:
        tus.require_alive(None, NOW)
    with pytest.raises(tus.UploadExpired) as expired:
        tus.require_alive(UPLOAD, UPLOAD.expires_at)
    assert (unknown.value.status, expired.value.status) == (404, 410)
    assert "Upload-Offset" not in unknown.value.headers | expired.value.headers
    assert tus.require_alive(UPLOAD, NOW) is UPLOAD
    finished = replace(UPLOAD, offset=100, is_closed=True)
    assert tus.require_alive(finished, NOW + timedelta(days=99)) is finished


def test_bytes_continue_where_the_upload_ends() -> None:
    sent = {**BYTES, "upload-offset": "40", "content-length": "60"}
    found = tus.read_continuation(sent, UPLOAD, OFFER)
    assert found == tus.Continuation(offset=40, length=100, checksum=None, awaits_trailer=False)
    answer = tus.answer_continuation(replace(UPLOAD, offset=100))
    assert answer.status == 204
    assert answer.headers["Upload-Offset"] == "100"
    assert answer.headers["Upload-Expires"] == "Sun, 15 Mar 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"upload-offset": "40"}, 415),
        ({"upload-offset": "40", "content-type": "application/octet-stream"}, 415),
        ({"upload-offset": "40", "content-type": "multipart/form-data"}, 415),
        ({**BYTES}, 400),
        ({**BYTES, "upload-offset": "-40"}, 400),
        ({**BYTES, "upload-offset": "4O"}, 400),
        ({**BYTES, "upload-offset": ""}, 400),
        ({**BYTES, "upload-offset": "40.0"}, 400),
        ({**BYTES, "upload-offset": "40", "upload-checksum": "sha256"}, 400),
        ({**BYTES, "upload-offset": "40", "upload-checksum": f"sha256 {SHA1}"}, 400),
        ({**BYTES, "upload-offset": "40", "upload-checksum": f"sha1 {SHA1[:-1]}"}, 400),
        ({**BYTES, "upload-offset": "40", "upload-checksum": f"SHA1 {SHA1}"}, 400),
        ({**BYTES, "upload-offset": "40", "upload-checksum": f"crc32 {SHA1}"}, 400),
        ({**BYTES, "upload-offset": "39"}, 409),
        ({**BYTES, "upload-offset": "41"}, 409),
        ({**BYTES, "upload-offset": "0"}, 409),
        ({**BYTES, "upload-offset": "40", "content-length": "61"}, 413),
    ],
)
def test_a_continuation_that_makes_no_sense_is_refused(
    headers: dict[str, str], status: int
) -> None:
    with pytest.raises(Problem) as refusal:
        tus.read_continuation(headers, UPLOAD, OFFER)
    assert refusal.value.status == status
    assert refusal.value.headers["Tus-Resumable"] == "1.0.0"


def test_a_wrong_offset_is_answered_with_the_right_one() -> None:
    with pytest.raises(tus.OffsetMismatch) as refusal:
        tus.read_continuation({**BYTES, "upload-offset": "0"}, UPLOAD, OFFER)
    assert refusal.value.headers == {"Tus-Resumable": "1.0.0", "Upload-Offset": "40"}


def test_nothing_is_added_to_a_closed_upload() -> None:
    closed = replace(UPLOAD, offset=100, is_closed=True)
    at_end = {**BYTES, "upload-offset": "100"}
    assert tus.read_continuation({**at_end, "content-length": "0"}, closed, OFFER).offset == 100
    for body in ({"content-length": "1"}, {"transfer-encoding": "chunked"}):
        with pytest.raises(tus.UploadClosed) as refusal:
            tus.read_continuation({**at_end, **body}, closed, OFFER)
        assert refusal.value.status == 403
    with pytest.raises(tus.OffsetMismatch):
        tus.read_continuation({**BYTES, "upload-offset": "40"}, closed, OFFER)


def checked(content: bytes, checksum: tus.Checksum | None) -> tus.BodyCheck:
    check = tus.BodyCheck(checksum)
    for digest in check.hashes.values():
        digest.update(content)
    return check


@pytest.mark.parametrize("value", [f"sha1 {SHA1}", f"sha256 {SHA256}"])
def test_bytes_are_held_against_their_checksum(value: str) -> None:
    checksum = tus.read_checksum({"upload-checksum": value})
    checked(b"hello", checksum).require()
    for damaged, is_cut in ((b"hallo", False), (b"hel", True)):
        with pytest.raises(tus.ChecksumMismatch) as refusal:
            checked(damaged, checksum).require(is_cut=is_cut)
        assert refusal.value.status == 460


def test_a_checksum_may_follow_the_bytes() -> None:
    sent = {**BYTES, "upload-offset": "40", "trailer": "X-Other, Upload-Checksum"}
    trailing = tus.Offer(max_size=1_000, has_trailers=True)
    assert tus.read_continuation(sent, UPLOAD, trailing).awaits_trailer
    assert not tus.read_continuation(sent, UPLOAD, OFFER).awaits_trailer
    created = {**BYTES, "upload-length": "5", "transfer-encoding": "chunked"}
    created["trailer"] = "upload-checksum"
    assert tus.read_creation(created, trailing).awaits_trailer
    assert not tus.read_creation(created, OFFER).awaits_trailer

    for value, is_cut, refused in (
        (f"sha1 {SHA1}", False, None),
        (f"sha256 {SHA256}", False, None),
        ("sha1 " + b64encode(bytes(20)).decode(), False, tus.ChecksumMismatch),
        (None, False, tus.MalformedUpload),
        (None, True, tus.ChecksumMismatch),
        ("md5 abc", False, tus.UnsupportedChecksum),
    ):
        trailers = {} if value is None else {"upload-checksum": value}
        if refused is None:
            checked(b"hello", None).require(trailers)
        else:
            with pytest.raises(refused):
                checked(b"hello", None).require(trailers, is_cut=is_cut)


A, B = UUID(int=10), UUID(int=11)


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("partial", ()),
        (f"final;/files/{A} /files/{B}", (A, B)),
        (f"final;https://fsm.test/files/{A} http://h:80/x/files/{B}/", (A, B)),
        (f"final;files/{A} /files/{A}", (A, A)),
    ],
)
def test_parts_are_named_in_order(value: str, parts: tuple[UUID, ...]) -> None:
    assert tus.read_concatenation({"upload-concat": value}) == (value, parts)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Partial",
        "partial;",
        "final",
        "final;",
        f"final; /files/{A}",
        f"final;/files/{A}  /files/{B}",
        f"final;/files/{A},/files/{B}",
        f"final;/files/{A}?x",
        "final;/files/7",
        f"final;/other/{A}",
        f"final;ftp://h/files/{A}",
        "final;" + " ".join([f"/files/{A}"] * 300),
    ],
)
def test_what_names_no_parts_is_refused(value: str) -> None:
    with pytest.raises(tus.MalformedUpload) as refusal:
        tus.read_creation({"upload-concat": value, "upload-length": "5"}, OFFER)
    assert refusal.value.facts == {"header": "Upload-Concat"}


def test_a_final_upload_has_its_length_and_bytes_from_its_parts() -> None:
    final = {"upload-concat": f"final;/files/{A}", "upload-metadata": "photo_id aWQ="}
    creation = tus.read_creation(final, OFFER)
    assert (creation.length, creation.parts, creation.metadata) == (None, (A,), {"photo_id": b"id"})
    for more, status in (
        ({"upload-length": "5"}, 400),
        ({"upload-defer-length": "1"}, 400),
        ({**BYTES, "content-length": "5"}, 403),
    ):
        with pytest.raises(Problem) as refusal:
            tus.read_creation({**final, **more}, OFFER)
        assert refusal.value.status == status
    waiting = replace(UPLOAD, offset=0, concat=final["upload-concat"])
    with pytest.raises(tus.UploadIsFinal) as closed:
        tus.read_continuation({}, waiting, OFFER)
    assert closed.value.status == 403
    assert "Upload-Offset" not in tus.answer_head(waiting).headers
    assert tus.answer_head(waiting).headers["Upload-Concat"] == final["upload-concat"]
    unknown = tus.answer_head(replace(waiting, length=None)).headers
    assert not {"Upload-Length", "Upload-Defer-Length"} & unknown.keys()
    finished = tus.answer_head(replace(waiting, offset=100, is_closed=True)).headers
    assert finished["Upload-Offset"] == finished["Upload-Length"] == "100"
    with pytest.raises(tus.PartsRefused) as refused:
        tus.require_alive(replace(waiting, failure="wrong-bytes"), NOW)
    assert (refused.value.status, refused.value.facts) == (410, {"failure": "wrong-bytes"})


def test_a_part_expires_also_when_it_is_whole() -> None:
    part = replace(UPLOAD, offset=100, is_closed=True, concat=tus.PARTIAL)
    assert tus.require_alive(part, NOW) is part
    with pytest.raises(tus.UploadExpired):
        tus.require_alive(part, part.expires_at)


def test_an_upload_can_be_given_up() -> None:
    assert tus.answer_termination() == tus.Answer(204, {"Tus-Resumable": "1.0.0"})
