"""Bytes, headers and addresses that a client should never send."""

import gzip
import json
from base64 import b64encode
from hashlib import sha256
from uuid import NAMESPACE_URL, uuid5

import zstandard

from tests.bombs import in_gzip
from tests.fsm.evidence.pictures import encoded, scene
from tests.fsm.hostile.cases import Case

MALFORMED = (400, "malformed-request")
NOT_FOUND = (404, "not-found")
JSON = {"Content-Type": "application/json"}

BODIES = [
    Case(
        f"a body that is {what}",
        *MALFORMED,
        "POST",
        "/api/customers",
        content=content,
        headers=JSON,
    )
    for what, content in {
        "not UTF-8": b'{"number": "C-9", "name": "\xff\xfe"}',
        "UTF-16": '{"number": "C-9", "name": "x"}'.encode("utf-16"),
        "cut off": b'{"number": "C-9", "na',
        "10,000 levels deep": b"[" * 10_000 + b"]" * 10_000,
        "10,000 objects deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        "no JSON": b"number=C-9",
        "two documents": b'{"number": "C-9", "name": "x"} {}',
        "single quotes": b"{'number': 'C-9'}",
        "NUL": b"\x00",
    }.items()
] + [
    Case(
        "no body at all",
        422,
        "invalid-value",
        "POST",
        "/api/customers",
        content=b"",
        headers=JSON,
        says="A body in JSON is needed",
    ),
    Case(
        "more bytes than are taken",
        413,
        "too-large",
        "POST",
        "/api/customers",
        content=b'{"number": "C-9", "name": "' + b"x" * 2_100_000 + b'"}',
        headers=JSON,
    ),
    Case(
        "a body that says it is XML",
        400,
        "malformed-request",
        "POST",
        "/api/customers",
        content=b"<customer/>",
        headers={"Content-Type": "application/xml"},
    ),
    Case(
        "a CSV file that is called JSON",
        415,
        "unsupported-type",
        "POST",
        "/api/imports/customers",
        content=b"{}",
        headers=JSON,
    ),
    Case(
        "an import that is not UTF-8",
        422,
        "unreadable-file",
        "POST",
        "/api/imports/customers",
        content="number,name\nC-9,Hôtel\n".encode("latin-1"),
        headers={"Content-Type": "text/csv"},
    ),
    Case(
        "an import of one number twice",
        422,
        "import-refused",
        "POST",
        "/api/imports/customers",
        content=b"number,name\nC-9,One\nC-9,Two\n",
        headers={"Content-Type": "text/csv"},
    ),
    Case(
        "an import of what there is no table for",
        422,
        "invalid-value",
        "POST",
        "/api/imports/passwords",
        content=b"a\n",
        headers={"Content-Type": "text/csv"},
    ),
]

ADDRESSES = [
    Case("nothing there", *NOT_FOUND, "GET", "/api/nothing"),
    Case("a method that is not taken", 405, "method-not-allowed", "PUT", "/api/customers"),
    Case("a method that nobody knows", 405, "method-not-allowed", "BREW", "/api/customers"),
    Case("an id that is a word", *NOT_FOUND, "GET", "/api/customers/first"),
    Case("an id with SQL in it", *NOT_FOUND, "GET", "/api/customers/1'%20or%20'1'='1"),
    Case("an id that climbs", *NOT_FOUND, "GET", "/api/customers/..%2f..%2fetc%2fpasswd"),
    Case("a digest that climbs", *NOT_FOUND, "GET", "/blobs/..%2f..%2f..%2fetc%2fpasswd"),
    Case("a digest of 63 digits", 422, "invalid-value", "GET", "/blobs/" + "a" * 63),
    Case("a digest in capitals", 422, "invalid-value", "GET", "/blobs/" + "A" * 64),
    Case("a digest that nobody has", *NOT_FOUND, "GET", "/blobs/" + "a" * 64),
    Case("a digest with a NUL", 422, "invalid-value", "GET", "/blobs/%00" + "a" * 63),
    Case("an export that climbs", *NOT_FOUND, "GET", "/api/exports/..%2fusers.csv"),
    Case("an export of users", *NOT_FOUND, "GET", "/api/exports/users.csv"),
    Case("a figure of no time", 422, "invalid-value", "GET", "/api/kpis/mtbf", says="is needed"),
    Case(
        "a figure that there is none of",
        *NOT_FOUND,
        "GET",
        "/api/kpis/profit?scope=tenant&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z",
    ),
    Case("a search for NUL", 422, "invalid-value", "GET", "/api/customers?q=%00"),
    Case(
        "a search without an end",
        422,
        "invalid-value",
        "GET",
        "/api/customers?q=" + "x" * 50_000,
    ),
    Case("a filter that is no id", 422, "invalid-value", "GET", "/api/sites?customer_id=1"),
    Case("a filter in broken UTF-8", 422, "invalid-value", "GET", "/api/sites?customer_id=%ff%fe"),
    Case("a passport of NUL", *NOT_FOUND, "GET", "/api/passports/%00"),
    Case(
        "a passport's code with a wrong letter",
        404,
        "not-found",
        "POST",
        "/api/passports/ZZZZZZZZZZZZ/claim",
        {"asset_id": "<asset>"},
    ),
    Case(
        "a token of 20,000 letters",
        401,
        "unauthenticated",
        "GET",
        "/api/me",
        headers={"Authorization": "Bearer " + "a" * 20_000},
        who="anybody",
    ),
    Case(
        "a token that is not ASCII",
        401,
        "unauthenticated",
        "GET",
        "/api/me",
        headers={"Authorization": "Bearer \xff"},
        who="anybody",
    ),
]


def _batch(**more: object) -> bytes:
    return json.dumps({"device_id": "<device>", "intents": [], **more}).encode()


PHONES = [
    Case(
        f"a batch that is {what}",
        status,
        code,
        "POST",
        "/sync/v1/push",
        content=content,
        headers=JSON | ({"Content-Encoding": encoding} if encoding else {}),
        who="phone",
    )
    for what, status, code, encoding, content in (
        (
            "200 MB of blanks in gzip",
            413,
            "batch-too-large",
            "gzip",
            in_gzip(b" " * 1_000_000, 200),
        ),
        (
            "200 MB of blanks in zstd",
            413,
            "batch-too-large",
            "zstd",
            zstandard.ZstdCompressor().compress(b" " * 200_000_000),
        ),
        ("gzip that is none", 400, "broken-encoding", "gzip", b"{}"),
        ("gzip cut off", 400, "broken-encoding", "gzip", gzip.compress(b"{}" * 999)[:-9]),
        ("gzip in gzip", 415, "unsupported-encoding", "gzip, gzip", gzip.compress(b"{}")),
        ("brotli", 415, "unsupported-encoding", "br", b"{}"),
        ("not UTF-8", 400, "malformed-request", "", b'{"device_id": "\xff"}'),
        ("10,000 levels deep", 400, "malformed-batch", "", b"[" * 10_000 + b"]" * 10_000),
        (
            "another device's",
            400,
            "malformed-batch",
            "",
            b'{"device_id": "<missing>", "intents": []}',
        ),
        ("a list", 400, "malformed-batch", "", b"[]"),
        (
            "1e400",
            400,
            "malformed-batch",
            "",
            _batch(outbox_empty_at="X").replace(b'"X"', b"1e400"),
        ),
        ("5,000 intents", 413, "batch-too-large", "", _batch(intents=[{}] * 5_000)),
    )
]

PULLS = [
    Case(
        f"a pull with {what}",
        400,
        "bad-feed-token",
        "GET",
        f"/sync/v1/pull?since={token}",
        who="phone",
    )
    for what, token in {
        "a token of its own": "abc",
        "a token of NUL": "%00",
        "a token of no letters": "%F0%9F%94%A7",
        "5,000 letters": "a" * 5_000,
    }.items()
]


def _upload(name: str, status: int, code: str, content: bytes, **more: str) -> Case:
    """Return a photo sent whole in one request (tus creation-with-upload)."""
    said = {
        "photo_id": str(uuid5(NAMESPACE_URL, name)),
        "sha256": sha256(content).hexdigest(),
        **more,
    }
    metadata = ",".join(f"{key} {b64encode(text.encode()).decode()}" for key, text in said.items())
    return Case(
        name,
        status,
        code,
        "POST",
        "/files",
        content=content,
        headers={
            "Tus-Resumable": "1.0.0",
            "Content-Type": "application/offset+octet-stream",
            "Upload-Length": str(len(content)),
            "Upload-Metadata": metadata,
        },
        who="phone",
        keeps=("upload", "event", "event_unsealed"),  # that and why it was refused
    )


_PNG = encoded(scene(1, (32, 24)), "PNG")

FILES = [
    _upload(
        "a page that is called a photo", 415, "unknown-media", b"<html><script>alert(1)</script>"
    ),
    _upload("other bytes than were announced", 422, "wrong-bytes", _PNG, sha256="0" * 64),
    Case(
        "an upload of 10^18 bytes",
        413,
        "upload-too-large",
        "POST",
        "/files",
        headers={
            "Tus-Resumable": "1.0.0",
            "Upload-Length": "9" * 18,
            "Upload-Metadata": f"sha256 {b64encode(b'0' * 64).decode()}",
        },
        who="phone",
    ),
    Case(
        "an upload of another tenant's",
        404,
        "no-such-upload",
        "PATCH",
        "/files/<missing>",
        content=b"x",
        headers={
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": "0",
            "Content-Type": "application/offset+octet-stream",
        },
        who="phone",
    ),
]

CASES = [*BODIES, *ADDRESSES, *PHONES, *PULLS, *FILES]
