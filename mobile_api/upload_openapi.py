"""What the OpenAPI document says of the headers of tus, which no handler's signature shows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from litestar.openapi.spec import (
    OpenAPIHeader,
    OpenAPIResponse,
    Operation,
    Parameter,
    Reference,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIType

from fsm.openapi import BYTES, takes
from mobile_api import tus

_COUNT = Schema(type=OpenAPIType.INTEGER, minimum=0, maximum=10**18 - 1)
_TEXT = Schema(type=OpenAPIType.STRING)
_ONE = Schema(type=OpenAPIType.STRING, enum=["1"])
_METHOD = Schema(type=OpenAPIType.STRING, enum=sorted(tus.METHODS))

_ASKED: Mapping[str, tuple[Schema, str]] = {
    "Tus-Resumable": (
        Schema(type=OpenAPIType.STRING, enum=[tus.VERSION]),
        "The version of the protocol; needed everywhere but in OPTIONS.",
    ),
    "Upload-Length": (_COUNT, "Bytes of the whole file; not for a final upload."),
    "Upload-Defer-Length": (_ONE, "The length will come with a PATCH."),
    "Upload-Metadata": (
        Schema(type=OpenAPIType.STRING, max_length=4_096),
        "`key base64,key base64`; `photo_id` and `sha256` are needed, but for a part.",
    ),
    "Upload-Offset": (_COUNT, "Where these bytes belong: where the upload ends so far."),
    "Upload-Checksum": (
        _TEXT,
        f"One of {', '.join(tus.ALGORITHMS)}, a space, and the digest of this request's bytes in "
        "base64. It may follow the bytes as a trailer where `checksum-trailer` is offered.",
    ),
    "Upload-Concat": (
        Schema(type=OpenAPIType.STRING, max_length=8_192),
        "`partial` for one part of a file; `final;` and the addresses of the parts, in order, "
        "separated by spaces, for the file itself.",
    ),
    "X-HTTP-Method-Override": (_METHOD, "The method that counts, for clients that can only POST."),
}

_ANSWERED: Mapping[str, tuple[Schema, str]] = {
    "Tus-Resumable": (_TEXT, "The version of the protocol."),
    "Tus-Version": (_TEXT, "The versions that are spoken."),
    "Tus-Extension": (_TEXT, "The extensions that are understood, separated by commas."),
    "Tus-Max-Size": (_COUNT, "Bytes that a file may have."),
    "Tus-Checksum-Algorithm": (_TEXT, "The checksums that are understood, separated by commas."),
    "Location": (_TEXT, "The upload's address, absolute."),
    "Upload-Offset": (_COUNT, "Bytes that are durable; absent while a file waits for its parts."),
    "Upload-Length": (_COUNT, "Bytes of the whole file, where they are known."),
    "Upload-Defer-Length": (_ONE, "The length is not known yet."),
    "Upload-Metadata": (_TEXT, "As it was sent."),
    "Upload-Concat": (_TEXT, "As it was sent."),
    "Upload-Expires": (_TEXT, "When the unfinished upload is given up, a date of HTTP."),
    "Cache-Control": (_TEXT, "`no-store`."),
}

_ABOUT = (
    "Tus-Resumable",
    "Tus-Version",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Checksum-Algorithm",
)
_LOOK = (
    "Tus-Resumable",
    "Upload-Offset",
    "Upload-Length",
    "Upload-Defer-Length",
    "Upload-Metadata",
    "Upload-Concat",
    "Upload-Expires",
    "Cache-Control",
)
_APPEND = ("Tus-Resumable", "Upload-Offset", "Upload-Expires")


def _says(
    base: type[Operation], asked: Iterable[str], answered: Mapping[str, Iterable[str]]
) -> type[Operation]:
    """Return the `operation_class` of a route with these headers of requests and, by status, answers."""

    @dataclass
    class Says(base):  # type: ignore[valid-type, misc]
        parameters: list[Parameter | Reference] | None = None

        def __post_init__(self) -> None:
            self.parameters = [
                *(self.parameters or []),
                *(
                    Parameter(name, "header", schema=_ASKED[name][0], description=_ASKED[name][1])
                    for name in asked
                ),
            ]
            for status, names in answered.items():
                answer = (self.responses or {}).get(status)
                if isinstance(answer, OpenAPIResponse):
                    answer.headers = {**(answer.headers or {}), **_documented(names)}

    return Says


def _documented(names: Iterable[str]) -> dict[str, OpenAPIHeader]:
    return {
        name: OpenAPIHeader(schema=_ANSWERED[name][0], description=_ANSWERED[name][1])
        for name in names
    }


_TAKES_BYTES = takes(
    {tus.CONTENT_TYPE: BYTES}, "Bytes of the file, from `Upload-Offset` on.", required=False
)

ABOUT = _says(Operation, (), {"200": _ABOUT})
CREATE = _says(
    _TAKES_BYTES,
    (
        "Tus-Resumable",
        "Upload-Length",
        "Upload-Defer-Length",
        "Upload-Metadata",
        "Upload-Concat",
        "Upload-Checksum",
        "X-HTTP-Method-Override",
    ),
    {
        "201": ("Tus-Resumable", "Location", "Upload-Offset", "Upload-Expires", "Upload-Concat"),
        "200": _ABOUT,
    },
)
LOOK = _says(Operation, ("Tus-Resumable",), {"200": _LOOK})
APPEND = _says(
    _TAKES_BYTES,
    ("Tus-Resumable", "Upload-Offset", "Upload-Length", "Upload-Checksum"),
    {"204": _APPEND},
)
TERMINATE = _says(Operation, ("Tus-Resumable",), {"204": ("Tus-Resumable",)})
OVERRIDE = _says(
    _TAKES_BYTES,
    (
        "X-HTTP-Method-Override",
        "Tus-Resumable",
        "Upload-Offset",
        "Upload-Length",
        "Upload-Checksum",
    ),
    {"200": _LOOK, "204": _APPEND},
)
