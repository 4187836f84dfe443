"""Is a file what it claims to be? Decided by its content: hash, size, signature, pixels.

`verified` never depends on decoding: Pillow reads no HEIC, and a decoder is where hostile
pictures do their harm. Whoever needs pixels goes to `thumbnails`, which refuses what is too large
to open.
"""

import hashlib
from collections.abc import AsyncIterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from fsm.evidence.blobs import BlobStore, in_thread, read_all
from fsm.evidence.durations import read_seconds
from fsm.evidence.exif import Exif, read_exif
from fsm.evidence.headers import HEAD_SIZE, read_frame, sniff
from fsm.problems import Problem

PHOTO_TYPES = frozenset(
    {"image/jpeg", "image/png", "image/webp", "image/gif", "image/heic", "image/heif", "image/avif"}
)
VIDEO_TYPES = frozenset({"video/mp4", "video/quicktime", "video/webm"})
DOCUMENT_TYPES = PHOTO_TYPES | {"application/pdf"}

#: The largest phone cameras give 200 megapixels; no honest photo has more.
MAX_PIXELS = 256_000_000

# Declarations in use that mean one of our types.
_SPELLINGS = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/apng": "image/png",
    "image/heic-sequence": "image/heic",
    "image/heif-sequence": "image/heif",
    "image/avif-sequence": "image/avif",
    "video/mov": "video/quicktime",
    "video/x-m4v": "video/mp4",
    "application/x-pdf": "application/pdf",
}
# Phones write HEIC and call it HEIF, or the other way round; the container is the same.
_ONE_FAMILY = (frozenset({"image/heic", "image/heif"}),)


class UnknownMedia(Problem):
    """The content is of no kind that is taken here; `allowed` lists those, `found` what it is."""

    code, status, title = "unknown-media", 415, "This kind of file is not taken"


class MediaMismatch(Problem):
    """The content is of another kind than declared: facts `declared` and `found`."""

    code, status, title = "media-mismatch", 422, "The file is not what it is called"


class BrokenMedia(Problem):
    """The signature is right, but what follows is not such a file."""

    code, status, title = "broken-media", 422, "The file is damaged"


class TooManyPixels(Problem):
    """The header claims more pixels than anybody may decode: facts `width`, `height`, `limit`."""

    code, status, title = "too-many-pixels", 422, "The picture is too large"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the header says. Sides in stored pixels; None for videos and documents.

    `seconds` is a video's length, None where unknown. `exif` is what a photo says of itself.
    """

    mime: str
    width: int | None = None
    height: int | None = None
    is_animated: bool = False
    seconds: float | None = None
    exif: Exif | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the members that are known, for the row of the blob."""
        known = {
            "mime": self.mime,
            "width": self.width,
            "height": self.height,
            "seconds": self.seconds,
            "exif": None if self.exif is None else self.exif.to_json(),
        }
        return {
            **{name: value for name, value in known.items() if value is not None},
            **({"is_animated": True} if self.is_animated else {}),
        }


def inspect(
    head: bytes,
    *,
    declared: str | None = None,
    allowed: frozenset[str] = PHOTO_TYPES,
) -> Inspection:
    """Judge a file by its first bytes (`HEAD_SIZE` of them, or all there are).

    Raises `UnknownMedia` for a kind outside `allowed`, `MediaMismatch` where `declared` (a MIME
    type, parameters ignored; None when nothing was) names another kind, `BrokenMedia` for a photo
    whose header holds no picture, `TooManyPixels` beyond `MAX_PIXELS`.
    """
    found = sniff(head)
    if found is not None and declared is not None and not agrees(declared, found):
        raise MediaMismatch(
            f"The file is called {declared}, but its content is {found}.",
            declared=declared,
            found=found,
        )
    if found is None or found not in allowed:
        raise UnknownMedia(
            "Send one of: " + ", ".join(sorted(allowed)) + ".", allowed=sorted(allowed), found=found
        )
    if found not in PHOTO_TYPES:
        return Inspection(mime=found)
    frame = read_frame(head, found)
    if frame is None:
        raise BrokenMedia(f"The file begins like {found}, but holds no picture.", found=found)
    if frame.width * frame.height > MAX_PIXELS:
        raise TooManyPixels(
            f"The picture claims {frame.width} × {frame.height} pixels; "
            f"at most {MAX_PIXELS // 1_000_000} million are taken.",
            width=frame.width,
            height=frame.height,
            limit=MAX_PIXELS,
        )
    return Inspection(
        found, frame.width, frame.height, frame.is_animated, exif=read_exif(head, found)
    )


async def inspect_blob(
    store: BlobStore,
    tenant_id: UUID,
    sha256: str,
    *,
    declared: str | None = None,
    allowed: frozenset[str] = PHOTO_TYPES,
) -> Inspection:
    """Judge a stored blob like `inspect`; hash and size were settled when it was finished."""
    head = await read_all(store, tenant_id, sha256, HEAD_SIZE)
    return await with_length(
        store, tenant_id, sha256, inspect(head, declared=declared, allowed=allowed)
    )


async def with_length(
    store: BlobStore, tenant_id: UUID, sha256: str, inspection: Inspection
) -> Inspection:
    """Add a stored video's length, which may be written anywhere in it; photos stay as they are."""
    if inspection.mime not in VIDEO_TYPES:
        return inspection

    async def read(start: int, stop: int) -> bytes:
        pieces = await store.open(tenant_id, sha256, start, max(start, stop))
        return b"".join([piece async for piece in pieces])

    size = (await store.stat(tenant_id, sha256)).size
    return replace(inspection, seconds=await read_seconds(read, size, inspection.mime))


def agrees(declared: str, found: str) -> bool:
    """Return whether a declared MIME type (any case, with or without parameters) means `found`."""
    plain = declared.partition(";")[0].strip().lower()
    named = _SPELLINGS.get(plain, plain)
    return named == found or any({named, found} <= family for family in _ONE_FAMILY)


async def sha256_of(chunks: AsyncIterable[bytes]) -> tuple[str, int]:
    """Return the SHA-256 in hexadecimal and the number of bytes of a stream, piece by piece."""
    digest = hashlib.sha256()
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if len(chunk) < 1 << 16:
            digest.update(chunk)
        else:  # long enough to stall the event loop, and hashing lets other threads run
            await in_thread(digest.update, chunk)
    return digest.hexdigest(), size
