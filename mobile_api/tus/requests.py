"""What a client asks for: an upload's creation or continuation, read and held to the protocol."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mobile_api.tus.checksums import Checksum, announces_trailer, read_checksum
from mobile_api.tus.headers import (
    PARTIAL,
    Headers,
    has_body,
    number,
    read_concatenation,
    read_metadata,
)
from mobile_api.tus.problems import (
    CONTENT_TYPE,
    VERSION,
    MalformedUpload,
    NoSuchUpload,
    OffsetMismatch,
    PartsRefused,
    UnsupportedTusVersion,
    UploadClosed,
    UploadExpired,
    UploadIsFinal,
    WrongUploadType,
    malformed,
    too_large,
)

EXTENSIONS = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "checksum",
    "expiration",
    "termination",
    "concatenation",
    "concatenation-unfinished",
)
METHODS = frozenset({"OPTIONS", "HEAD", "POST", "PATCH", "DELETE"})


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

    `metadata` and `concat` are the headers as they came. `is_closed`: finished, or failed for good;
    no bytes may follow. `failure`: the code of why parts did not make the declared file, or "".
    """

    offset: int
    length: int | None
    expires_at: datetime
    metadata: str = ""
    is_closed: bool = False
    concat: str = ""
    failure: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether every declared byte has arrived."""
        return self.length is not None and self.offset >= self.length

    @property
    def is_part(self) -> bool:
        """Whether it only holds bytes for a final upload."""
        return self.concat == PARTIAL

    @property
    def is_final(self) -> bool:
        """Whether it is put together from parts."""
        return bool(self.concat) and not self.is_part


@dataclass(frozen=True, slots=True)
class Creation:
    """A valid POST. `length` None: the client tells it later, or the parts do.

    `has_body`: bytes come along. `parts`: what a final upload is made of, in order.
    """

    length: int | None
    metadata: dict[str, bytes]
    raw_metadata: str
    has_body: bool = False
    checksum: Checksum | None = None
    awaits_trailer: bool = False
    concat: str = ""
    parts: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Continuation:
    """A valid PATCH. `length` is the upload's from now on, which this request may have told."""

    offset: int
    length: int | None
    checksum: Checksum | None
    awaits_trailer: bool


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


def read_creation(headers: Headers, offer: Offer) -> Creation:
    """Return what a POST asks for, or refuse it: 400, 403, 413, 415."""
    concat, parts = read_concatenation(headers)
    if parts:
        return _read_final(headers, concat, parts)
    length = number(headers, "Upload-Length")
    deferred = headers.get("upload-defer-length")
    if deferred is not None and deferred.strip() != "1":
        raise malformed("Upload-Defer-Length", "can only be 1")
    if (length is None) == (deferred is None):
        raise malformed(
            "Upload-Length", "must be sent, or Upload-Defer-Length: 1 in its place, not both"
        )
    if length is not None and length > offer.max_size:
        raise too_large(offer.max_size)
    raw_metadata = headers.get("upload-metadata", "").strip()
    comes_along = has_body(headers)
    if comes_along:
        _require_content_type(headers)
        _require_room(headers, offer.max_size if length is None else length)
    return Creation(
        length=length,
        metadata=read_metadata(raw_metadata),
        raw_metadata=raw_metadata,
        has_body=comes_along,
        checksum=read_checksum(headers) if comes_along else None,
        awaits_trailer=comes_along and _awaits_trailer(headers, offer),
        concat=concat,
    )


def _read_final(headers: Headers, concat: str, parts: tuple[UUID, ...]) -> Creation:
    """Return an upload that is put together from others: it has their length and their bytes."""
    for name in ("Upload-Length", "Upload-Defer-Length"):
        if name.lower() in headers:
            raise malformed(name, "does not belong to a final upload: its parts tell the length")
    if has_body(headers):
        raise UploadIsFinal("Send the bytes to the parts.")
    raw_metadata = headers.get("upload-metadata", "").strip()
    return Creation(None, read_metadata(raw_metadata), raw_metadata, concat=concat, parts=parts)


def require_alive(upload: Upload | None, now: datetime) -> Upload:
    """Return the upload, or refuse one that is unknown (404) or was given up (410).

    A closed upload does not expire: a phone that missed the last answer may still ask. A part does.
    """
    if upload is None:
        raise NoSuchUpload("No such upload. Create a new one.")
    if upload.failure and upload.is_final:
        raise PartsRefused(
            "The parts do not make the declared file. Send them anew.", failure=upload.failure
        )
    if upload.expires_at <= now and (upload.is_part or not upload.is_closed):
        raise UploadExpired("The upload has expired. Create a new one.")
    return upload


def read_continuation(headers: Headers, upload: Upload, offer: Offer) -> Continuation:
    """Return what a PATCH asks for, or refuse it: 400, 403, 409, 413, 415.

    The order is the protocol's: what is wrong with the request in itself comes before what clashes
    with the upload's state, so that a client never takes a broken request for a matter of resuming.
    A PATCH without bytes at the end of a closed upload is answered like the last one with bytes.
    """
    if upload.is_final:
        raise UploadIsFinal("Send the bytes to the parts.")
    _require_content_type(headers)
    offset = number(headers, "Upload-Offset")
    if offset is None:
        raise malformed("Upload-Offset", "is missing")
    length = _length_from_now_on(headers, upload, offer)
    checksum = read_checksum(headers)
    if offset != upload.offset:
        raise OffsetMismatch(
            f"The upload continues at byte {upload.offset}, not {offset}.", offset=upload.offset
        )
    if upload.is_closed and has_body(headers):
        raise UploadClosed("All bytes have arrived; nothing can be added.", offset=offset)
    _require_room(headers, (offer.max_size if length is None else length) - offset)
    return Continuation(
        offset=offset,
        length=length,
        checksum=checksum,
        awaits_trailer=_awaits_trailer(headers, offer),
    )


def _awaits_trailer(headers: Headers, offer: Offer) -> bool:
    """Whether the checksum follows the bytes. A short request's is among the headers already."""
    return offer.has_trailers and announces_trailer(headers) and "upload-checksum" not in headers


def _length_from_now_on(headers: Headers, upload: Upload, offer: Offer) -> int | None:
    told = number(headers, "Upload-Length")
    if told is None:
        return upload.length
    if upload.length is not None:
        if told != upload.length:
            raise malformed("Upload-Length", "cannot change once it was told")
        return told
    if told > offer.max_size:
        raise too_large(offer.max_size)
    if told < upload.offset:
        raise malformed("Upload-Length", "is less than what has arrived")
    return told


def _require_content_type(headers: Headers) -> None:
    sent = headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != CONTENT_TYPE:
        raise WrongUploadType(f"Send Content-Type: {CONTENT_TYPE}.", sent=sent)


def _require_room(headers: Headers, room: int) -> None:
    """Refuse a body that says it does not fit; a silent one is stopped while it arrives."""
    length = number(headers, "Content-Length")
    if length is not None and length > room:
        raise too_large(room)
