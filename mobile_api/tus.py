"""tus 1.0.0, the protocol alone: headers and the state of an upload in, status and headers out.

Resumable uploads as https://tus.io/protocols/resumable-upload describes them, with the extensions
creation, creation-with-upload, creation-defer-length, checksum, expiration and termination. Nothing
here knows a framework, a clock or a row: routes read the state, ask, store, and send the answer.

Header names are lower case, as ASGI delivers them; values are text. Every refusal is a `Problem`
whose `headers` complete the answer. All answers, refusals too, carry `Tus-Resumable`: a route adds
`RESUMABLE` to the problems of others.
"""

import hashlib
import hmac
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from uuid import UUID

from fsm.problems import Problem

VERSION = "1.0.0"
RESUMABLE = {"Tus-Resumable": VERSION}
CONTENT_TYPE = "application/offset+octet-stream"

EXTENSIONS = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "checksum",
    "expiration",
    "termination",
)
#: Digest sizes in bytes; the first is the one we like best.
ALGORITHMS = {"sha256": 32, "sha1": 20}
METHODS = frozenset({"OPTIONS", "HEAD", "POST", "PATCH", "DELETE"})

_NUMBER = re.compile(r"[0-9]{1,18}")
_METADATA_KEY = re.compile(r"[!-+\--~]+")  # printable ASCII without space and comma
_MAX_METADATA = 4_096
_MAX_KEYS = 32
_SHA256 = re.compile(r"[0-9a-f]{64}")

Headers = Mapping[str, str]


class TusProblem(Problem):
    """A refusal in the terms of tus."""

    @property
    def headers(self) -> dict[str, str]:
        return dict(RESUMABLE)


class MalformedUpload(TusProblem):
    """A header is missing or cannot be read; fact `header` names it."""

    code, status, title = "malformed-upload", 400, "The upload's headers cannot be read"


class UnsupportedChecksum(TusProblem):
    """Fact `algorithms` lists the checksums that are understood."""

    code, status, title = "unsupported-checksum", 400, "This checksum is not understood"


class UploadClosed(TusProblem):
    """All bytes have arrived; nothing can be added."""

    code, status, title = "upload-closed", 403, "The upload is complete"


class NoSuchUpload(TusProblem):
    """No such upload, or another user's: the two are never told apart."""

    code, status, title = "no-such-upload", 404, "No such upload"


class OffsetMismatch(TusProblem):
    """The client continues elsewhere than the bytes end; fact `offset` is where they do."""

    code, status, title = "offset-mismatch", 409, "The upload continues elsewhere"

    @property
    def headers(self) -> dict[str, str]:
        return {**RESUMABLE, "Upload-Offset": str(self.facts["offset"])}


class UploadExpired(TusProblem):
    """The upload was given up; the client creates a new one."""

    code, status, title = "upload-expired", 410, "The upload has expired"


class UnsupportedTusVersion(TusProblem):
    code, status, title = "unsupported-tus-version", 412, "This version of tus is not spoken"

    @property
    def headers(self) -> dict[str, str]:
        return {**RESUMABLE, "Tus-Version": VERSION}


class UploadTooLarge(TusProblem):
    """More bytes than anybody may send, or than were declared; fact `limit` in bytes."""

    code, status, title = "upload-too-large", 413, "The upload is too large"


class WrongUploadType(TusProblem):
    code, status, title = "wrong-upload-type", 415, f"Send bytes as {CONTENT_TYPE}"


class ChecksumMismatch(TusProblem):
    """The bytes of this request were damaged on the way and dropped; send them again."""

    code, status, title = "checksum-mismatch", 460, "The bytes were damaged on the way"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the headers that go with it; none of these answers has a body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """What this server does. `max_size` in bytes.

    `has_trailers`: the running server hands over request trailers (a start-up probe tells), so that
    a checksum may follow the bytes.
    """

    max_size: int
    has_trailers: bool = False

    @property
    def extensions(self) -> tuple[str, ...]:
        """The extensions to advertise."""
        return (*EXTENSIONS, "checksum-trailer") if self.has_trailers else EXTENSIONS


@dataclass(frozen=True, slots=True)
class Upload:
    """The state of one upload. `offset` and `length` in bytes, `length` None while deferred.

    `metadata` is the header as it came. `is_closed`: finished, or failed for good; no bytes may
    follow.
    """

    offset: int
    length: int | None
    expires_at: datetime
    metadata: str = ""
    is_closed: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether every declared byte has arrived."""
        return self.length is not None and self.offset >= self.length


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the bytes of one request must hash to."""

    algorithm: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Creation:
    """A valid POST. `length` None: the client tells it later. `has_body`: bytes come along."""

    length: int | None
    metadata: dict[str, bytes]
    raw_metadata: str
    has_body: bool
    checksum: Checksum | None


@dataclass(frozen=True, slots=True)
class Continuation:
    """A valid PATCH. `length` is the upload's from now on, which this request may have told."""

    offset: int
    length: int | None
    checksum: Checksum | None
    awaits_trailer: bool


@dataclass(frozen=True, slots=True)
class PhotoReference:
    """Which declared photo the bytes belong to and what they must hash to."""

    photo_id: UUID
    sha256: str


def effective_method(method: str, headers: Headers) -> str:
    """Return the method that counts: `X-HTTP-Method-Override` goes before the real one."""
    override = headers.get("x-http-method-override")
    if override is None:
        return method.upper()
    name = override.strip().upper()
    if name not in METHODS:
        raise MalformedUpload(
            f"X-HTTP-Method-Override must be one of {', '.join(sorted(METHODS))}.",
            header="X-HTTP-Method-Override",
        )
    return name


def require_version(method: str, headers: Headers) -> None:
    """Refuse another `Tus-Resumable` than ours; OPTIONS, which asks for it, needs none."""
    if method != "OPTIONS" and headers.get("tus-resumable", "").strip() != VERSION:
        raise UnsupportedTusVersion(f"Send Tus-Resumable: {VERSION}.", versions=[VERSION])


def answer_options(offer: Offer) -> Answer:
    """Say what this server does."""
    return Answer(
        200,
        {
            **RESUMABLE,
            "Tus-Version": VERSION,
            "Tus-Extension": ",".join(offer.extensions),
            "Tus-Max-Size": str(offer.max_size),
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        },
    )


def read_creation(headers: Headers, offer: Offer) -> Creation:
    """Return what a POST asks for, or refuse it: 400, 413, 415."""
    length = _number(headers, "Upload-Length")
    deferred = headers.get("upload-defer-length")
    if deferred is not None and deferred.strip() != "1":
        raise _malformed("Upload-Defer-Length", "can only be 1")
    if (length is None) == (deferred is None):
        raise _malformed(
            "Upload-Length", "must be sent, or Upload-Defer-Length: 1 in its place, not both"
        )
    if length is not None and length > offer.max_size:
        raise _too_large(offer.max_size)
    raw_metadata = headers.get("upload-metadata", "").strip()
    has_body = _has_body(headers)
    if has_body:
        _require_content_type(headers)
        _require_room(headers, offer.max_size if length is None else length)
    return Creation(
        length=length,
        metadata=read_metadata(raw_metadata),
        raw_metadata=raw_metadata,
        has_body=has_body,
        checksum=read_checksum(headers) if has_body else None,
    )


def answer_creation(location: str, upload: Upload, *, had_body: bool) -> Answer:
    """Say where the upload is; `location` is an absolute URL."""
    headers = {**RESUMABLE, "Location": location, "Upload-Expires": _http_date(upload.expires_at)}
    if had_body:
        headers["Upload-Offset"] = str(upload.offset)
    return Answer(201, headers)


def require_alive(upload: Upload | None, now: datetime) -> Upload:
    """Return the upload, or refuse one that is unknown (404) or was given up (410).

    A closed upload does not expire: a phone that missed the last answer may still ask.
    """
    if upload is None:
        raise NoSuchUpload("No such upload. Create a new one.")
    if upload.expires_at <= now and not upload.is_closed:
        raise UploadExpired("The upload has expired. Create a new one.")
    return upload


def answer_head(upload: Upload) -> Answer:
    """Say how far the upload is."""
    headers = {
        **RESUMABLE,
        "Cache-Control": "no-store",
        "Upload-Offset": str(upload.offset),
        "Upload-Expires": _http_date(upload.expires_at),
    }
    if upload.length is None:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers["Upload-Length"] = str(upload.length)
    if upload.metadata:
        headers["Upload-Metadata"] = upload.metadata
    return Answer(200, headers)


def read_continuation(headers: Headers, upload: Upload, offer: Offer) -> Continuation:
    """Return what a PATCH asks for, or refuse it: 400, 403, 409, 413, 415.

    The order is the protocol's: what is wrong with the request in itself comes before what clashes
    with the upload's state, so that a client never takes a broken request for a matter of resuming.
    A PATCH without bytes at the end of a closed upload is answered like the last one with bytes.
    """
    _require_content_type(headers)
    offset = _number(headers, "Upload-Offset")
    if offset is None:
        raise _malformed("Upload-Offset", "is missing")
    length = _length_from_now_on(headers, upload, offer)
    checksum = read_checksum(headers)
    if offset != upload.offset:
        raise OffsetMismatch(
            f"The upload continues at byte {upload.offset}, not {offset}.", offset=upload.offset
        )
    if upload.is_closed and _has_body(headers):
        raise UploadClosed("All bytes have arrived; nothing can be added.", offset=offset)
    _require_room(headers, (offer.max_size if length is None else length) - offset)
    return Continuation(
        offset=offset,
        length=length,
        checksum=checksum,
        awaits_trailer=checksum is None and offer.has_trailers and _announces_trailer(headers),
    )


def answer_continuation(upload: Upload) -> Answer:
    """Say how far the upload is now; only for bytes that are durable."""
    return Answer(
        204,
        {
            **RESUMABLE,
            "Upload-Offset": str(upload.offset),
            "Upload-Expires": _http_date(upload.expires_at),
        },
    )


def answer_termination() -> Answer:
    """Say that the upload is gone."""
    return Answer(204, dict(RESUMABLE))


def read_metadata(raw: str) -> dict[str, bytes]:
    """Return the decoded `Upload-Metadata`: `key base64,key`; keys unique, values optional."""
    if not raw:
        return {}
    if len(raw) > _MAX_METADATA:
        raise _malformed("Upload-Metadata", f"may have at most {_MAX_METADATA} characters")
    pairs = raw.split(",")
    if len(pairs) > _MAX_KEYS:
        raise _malformed("Upload-Metadata", f"may have at most {_MAX_KEYS} keys")
    metadata: dict[str, bytes] = {}
    for pair in pairs:
        key, _, value = pair.strip(" ").partition(" ")
        if not _METADATA_KEY.fullmatch(key):
            raise _malformed("Upload-Metadata", "has an empty or unprintable key")
        if key in metadata:
            raise _malformed("Upload-Metadata", f"has the key {key} twice")
        metadata[key] = _base64(value, "Upload-Metadata")
    return metadata


def read_photo_reference(metadata: Mapping[str, bytes]) -> PhotoReference:
    """Return which photo the bytes are, from `photo_id` and `sha256`, both required."""
    try:
        photo_id = UUID(metadata["photo_id"].decode("ascii"))
        sha256 = metadata["sha256"].decode("ascii")
    except KeyError as error:
        raise _malformed("Upload-Metadata", f"must name {error.args[0]}") from None
    except ValueError:
        raise _malformed("Upload-Metadata", "needs a UUID as photo_id") from None
    if not _SHA256.fullmatch(sha256):
        raise _malformed("Upload-Metadata", "needs 64 lower-case hexadecimal digits as sha256")
    return PhotoReference(photo_id=photo_id, sha256=sha256)


def read_checksum(headers: Headers) -> Checksum | None:
    """Return the `Upload-Checksum` of the headers, or of the trailers once they are there."""
    raw = headers.get("upload-checksum")
    if raw is None:
        return None
    algorithm, _, value = raw.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise UnsupportedChecksum(
            f"Checksums are one of {', '.join(ALGORITHMS)}.", algorithms=list(ALGORITHMS)
        )
    digest = _base64(value, "Upload-Checksum")
    if len(digest) != ALGORITHMS[algorithm]:
        raise _malformed("Upload-Checksum", f"has not the length of a {algorithm}")
    return Checksum(algorithm=algorithm, digest=digest)


class ChecksummedBody:
    """The bytes of one request, hashed on their way to the store.

    Once the store has them, `require` compares. A body that was cut short is compared too: with a
    checksum the bytes of a request count all together or not at all.
    """

    def __init__(self, chunks: AsyncIterable[bytes], checksum: Checksum | None) -> None:
        """`checksum` None: it will follow as a trailer, so every algorithm is kept ready."""
        self._chunks = chunks
        self._checksum = checksum
        names = ALGORITHMS if checksum is None else [checksum.algorithm]
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in names}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            for one in self._hashes.values():
                one.update(chunk)
            yield chunk

    def require(self, trailers: Headers | None = None) -> None:
        """Raise `ChecksumMismatch` unless the bytes hash to what was sent before or after them."""
        checksum = self._checksum or read_checksum(trailers or {})
        if checksum is None:
            raise _malformed("Upload-Checksum", "was announced as a trailer and did not come")
        found = self._hashes[checksum.algorithm].digest()
        if not hmac.compare_digest(found, checksum.digest):
            raise ChecksumMismatch(
                "These bytes were dropped. Send them again.", algorithm=checksum.algorithm
            )


def _length_from_now_on(headers: Headers, upload: Upload, offer: Offer) -> int | None:
    told = _number(headers, "Upload-Length")
    if told is None:
        return upload.length
    if upload.length is not None:
        if told != upload.length:
            raise _malformed("Upload-Length", "cannot change once it was told")
        return told
    if told > offer.max_size:
        raise _too_large(offer.max_size)
    if told < upload.offset:
        raise _malformed("Upload-Length", "is less than what has arrived")
    return told


def _require_content_type(headers: Headers) -> None:
    sent = headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != CONTENT_TYPE:
        raise WrongUploadType(f"Send Content-Type: {CONTENT_TYPE}.", sent=sent)


def _require_room(headers: Headers, room: int) -> None:
    """Refuse a body that says it does not fit; a silent one is stopped while it arrives."""
    length = _number(headers, "Content-Length")
    if length is not None and length > room:
        raise _too_large(room)


def _has_body(headers: Headers) -> bool:
    length = _number(headers, "Content-Length")
    return "transfer-encoding" in headers if length is None else length > 0


def _announces_trailer(headers: Headers) -> bool:
    names = headers.get("trailer", "").split(",")
    return any(name.strip().lower() == "upload-checksum" for name in names)


def _number(headers: Headers, name: str) -> int | None:
    """Return a whole number of bytes, None where the header is absent."""
    raw = headers.get(name.lower())
    if raw is None:
        return None
    if not _NUMBER.fullmatch(raw.strip(" \t")):
        raise _malformed(name, "must be a whole number of bytes, at most 18 digits")
    return int(raw)


def _base64(text: str, header: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise _malformed(header, "holds something that is not base64") from None


def _malformed(header: str, what: str) -> MalformedUpload:
    return MalformedUpload(f"{header} {what}.", header=header)


def _too_large(limit: int) -> UploadTooLarge:
    return UploadTooLarge(f"At most {limit} bytes are taken here.", limit=limit)


def _http_date(instant: datetime) -> str:
    return format_datetime(instant.astimezone(UTC), usegmt=True)
