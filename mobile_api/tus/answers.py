"""What a client is told: status and headers; none of these answers has a body."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from mobile_api.tus.checksums import ALGORITHMS
from mobile_api.tus.problems import RESUMABLE, VERSION
from mobile_api.tus.requests import Offer, Upload


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the headers that go with it; none of these answers has a body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


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


def answer_creation(location: str, upload: Upload, *, had_body: bool) -> Answer:
    """Say where the upload is; `location` is an absolute URL."""
    headers = {**RESUMABLE, "Location": location, "Upload-Expires": _http_date(upload.expires_at)}
    if upload.concat:
        headers["Upload-Concat"] = upload.concat
    if had_body:
        headers["Upload-Offset"] = str(upload.offset)
    return Answer(201, headers)


def answer_head(upload: Upload) -> Answer:
    """Say how far the upload is. One that waits for its parts is nowhere yet."""
    headers = {
        **RESUMABLE,
        "Cache-Control": "no-store",
        "Upload-Expires": _http_date(upload.expires_at),
    }
    if upload.is_closed or not upload.is_final:
        headers["Upload-Offset"] = str(upload.offset)
    if upload.length is not None:
        headers["Upload-Length"] = str(upload.length)
    elif not upload.is_final:
        headers["Upload-Defer-Length"] = "1"
    if upload.concat:
        headers["Upload-Concat"] = upload.concat
    if upload.metadata:
        headers["Upload-Metadata"] = upload.metadata
    return Answer(200, headers)


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


def _http_date(instant: datetime) -> str:
    return format_datetime(instant.astimezone(UTC), usegmt=True)
