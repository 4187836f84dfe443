"""A form that a stranger posts, read piece by piece: what was typed survives whatever the photo is.

Nothing is held in memory but the typed fields and one piece of the photo. A photo beyond the limit is read
to its end and thrown away, because the sender cannot see an answer before that; one far beyond it ends the
reading, and what was typed before it still counts.
"""

import asyncio
import hashlib
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Any, Final, cast
from urllib.parse import parse_qsl
from uuid import UUID

from litestar import Request
from litestar.exceptions import ClientException, InternalServerException
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)
from uuid_utils.compat import uuid7

from fsm.evidence.blobs import (
    READ_SIZE,
    BlobStore,
    StorageFull,
    StorageUnavailable,
    StoredBlob,
    in_thread,
)
from fsm.evidence.headers import HEAD_SIZE
from fsm.evidence.verification import (
    BrokenMedia,
    Inspection,
    MediaMismatch,
    TooManyPixels,
    UnknownMedia,
    inspect,
)
from fsm.problems import Malformed, TooLarge, UnsupportedType
from fsm.web.views import FormProblem

#: Longest typed field in bytes; what a person types into the page is far below.
_LONGEST_FIELD: Final = 50_000
_LARGEST_TYPED_BODY: Final = 300_000
_MOST_FIELDS: Final = 40
#: Where reading a photo that is too large ends altogether, as a multiple of the limit.
_PATIENCE: Final = 2
_LONGEST_UPLOAD_S: Final = 900
_IN_MEMORY: Final = 1 << 20


@dataclass(slots=True)
class Photo:
    """A photo that arrived whole: its bytes in a temporary file, its hash in hexadecimal."""

    file: SpooledTemporaryFile[bytes]
    size: int = 0
    head: bytes = b""
    sha256: str = ""


@dataclass(slots=True)
class Form:
    """The typed fields, cleaned; the photo, or what kept it from being taken."""

    fields: dict[str, str] = field(default_factory=dict)
    photo: Photo | None = None
    photo_problem: FormProblem | None = None

    def get(self, name: str) -> str:
        return self.fields.get(name, "")

    def close(self) -> None:
        if self.photo is not None:
            self.photo.file.close()


async def read_form(
    request: Request[Any, Any, Any], *, photo_field: str | None, most_photo_bytes: int
) -> Form:
    """Read a posted form. Raises `Malformed`, `UnsupportedType`, `TooLarge` (typed fields only)."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    try:
        async with asyncio.timeout(_LONGEST_UPLOAD_S):
            if kind == "application/x-www-form-urlencoded":
                return await _read_typed(request)
            if kind == "multipart/form-data":
                reader = _Multipart(photo_field, most_photo_bytes)
                return await reader.read(request, str(options.get("boundary", "")))
    except (InternalServerException, ClientException, TimeoutError):
        raise Malformed("The form broke off before its end. Send it again.") from None
    raise UnsupportedType("Send the form as multipart/form-data or x-www-form-urlencoded.")


async def _read_typed(request: Request[Any, Any, Any]) -> Form:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_TYPED_BODY:
            raise TooLarge("The form is longer than anybody types.")
    try:
        pairs = parse_qsl(
            body.decode("ascii", "replace"),
            keep_blank_values=True,
            errors="replace",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise Malformed("The form has too many fields.") from None
    form = Form()
    for name, value in pairs:
        form.fields.setdefault(name, clean(value))
    return form


class _Multipart:
    """Reads one multipart body. The first value of a name counts; further files are passed over."""

    def __init__(self, photo_field: str | None, most_photo_bytes: int) -> None:
        self._photo_field = photo_field
        self._most = most_photo_bytes
        self._form = Form()
        self._typed = bytearray()
        self._pending = bytearray()
        self._digest = hashlib.sha256()
        self._segment: MultipartSegment | None = None
        self._photo: Photo | None = None

    async def read(self, request: Request[Any, Any, Any], boundary: str) -> Form:
        received = 0
        try:
            parser = PushMultipartParser(boundary, max_segment_count=_MOST_FIELDS)
            async for chunk in request.stream():
                received += len(chunk)
                if received > self._most * _PATIENCE + _LARGEST_TYPED_BODY:
                    self._refuse(FormProblem.PHOTO_TOO_LARGE)
                    return self._form
                for event in parser.parse(chunk) if chunk else ():
                    await self._take(event)
            parser.close()  # raises where the last boundary never came
        except (MultipartError, UnicodeError):
            self._drop()
            raise Malformed("The form cannot be read: its multipart body is broken.") from None
        except BaseException:
            self._drop()
            raise
        return self._form

    async def _take(self, event: object) -> None:
        if isinstance(event, MultipartSegment):
            self._segment = event
            self._typed.clear()
            if self._is_photo(event):
                self._photo = Photo(SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
        elif event:
            await self._add(cast(bytes, event))
        else:
            await self._end()

    def _is_photo(self, segment: MultipartSegment) -> bool:
        # A browser sends an empty file without a name where none was chosen.
        return bool(
            segment.name == self._photo_field
            and segment.filename
            and self._form.photo is None
            and self._form.photo_problem is None
        )

    async def _add(self, piece: bytes) -> None:
        segment = self._segment
        if self._photo is not None:
            self._photo.size += len(piece)
            if self._photo.size > self._most:
                self._refuse(FormProblem.PHOTO_TOO_LARGE)
                return
            self._pending += piece
            if len(self._pending) >= READ_SIZE:
                await self._flush(self._photo)
        elif segment is not None and not segment.filename:
            self._typed += piece
            if len(self._typed) > _LONGEST_FIELD:
                raise TooLarge("A field of the form is longer than anybody types.")

    async def _end(self) -> None:
        segment, photo = self._segment, self._photo
        self._segment = self._photo = None
        if photo is not None:
            await self._flush(photo)
            if photo.size == 0:
                photo.file.close()
                return
            photo.sha256 = self._digest.hexdigest()
            self._form.photo = photo
        elif segment is not None and not segment.filename:
            self._form.fields.setdefault(
                segment.name, clean(self._typed.decode("utf-8", "replace"))
            )

    async def _flush(self, photo: Photo) -> None:
        piece = bytes(self._pending)
        self._pending.clear()
        if len(photo.head) < HEAD_SIZE:
            photo.head += piece[: HEAD_SIZE - len(photo.head)]

        def write() -> None:
            self._digest.update(piece)
            photo.file.write(piece)

        await in_thread(write)

    def _refuse(self, problem: FormProblem) -> None:
        """Forget the photo that is being read; the rest of it is read past."""
        if self._photo is not None:
            self._photo.file.close()
            self._photo = None
        self._pending.clear()
        if self._form.photo is None:
            self._form.photo_problem = problem

    def _drop(self) -> None:
        if self._photo is not None:
            self._photo.file.close()
        self._form.close()


def clean(text: str) -> str:
    """Return typed text as it is kept: one kind of line end, no control characters, no space around it."""
    plain = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(
        c for c in plain if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"}
    ).strip()


async def keep_photo(
    store: BlobStore, tenant_id: UUID, photo: Photo
) -> tuple[StoredBlob, Inspection] | FormProblem:
    """Judge a stranger's photo by its content and make it durable, or return why it was not taken.

    What the sender called it does not matter: a PNG named .jpg is a photo all the same, kept as what it is.
    """
    try:
        inspection = inspect(photo.head)
    except TooManyPixels:
        return FormProblem.PHOTO_TOO_MANY_PIXELS
    except BrokenMedia:
        return FormProblem.PHOTO_DAMAGED
    except (UnknownMedia, MediaMismatch):
        return FormProblem.PHOTO_NOT_IMAGE
    upload_id = uuid7()
    try:
        await store.append(tenant_id, upload_id, 0, _pieces(photo), limit=photo.size)
        stored = await store.finish(tenant_id, upload_id, photo.sha256, photo.size)
        await store.discard(tenant_id, upload_id)
    except (StorageFull, StorageUnavailable):
        return FormProblem.PHOTO_NOT_STORED
    return stored, inspection


async def _pieces(photo: Photo) -> AsyncIterator[bytes]:
    await in_thread(photo.file.seek, 0)
    while piece := await in_thread(photo.file.read, READ_SIZE):
        yield piece
