"""tus 1.0.0, the protocol alone: headers and the state of an upload in, status and headers out.

Resumable uploads as https://tus.io/protocols/resumable-upload describes them, with all extensions:
creation, creation-with-upload, creation-defer-length, checksum, checksum-trailer where the server
in front hands trailers over, expiration, termination, concatenation, also of unfinished uploads.
Nothing here knows a framework, a clock or a row: routes read the state, ask, store, and send the
answer.

Header names are lower case, as ASGI delivers them; values are text. Every refusal is a `Problem`
whose `headers` complete the answer. All answers, refusals too, carry `Tus-Resumable`: a route adds
`RESUMABLE` to the problems of others.
"""

from mobile_api.tus.answers import (
    Answer,
    answer_continuation,
    answer_creation,
    answer_head,
    answer_options,
    answer_termination,
)
from mobile_api.tus.checksums import ALGORITHMS, BodyCheck, Checksum, read_checksum
from mobile_api.tus.headers import (
    PARTIAL,
    PhotoReference,
    read_concatenation,
    read_metadata,
    read_photo_reference,
)
from mobile_api.tus.problems import (
    CONTENT_TYPE,
    RESUMABLE,
    VERSION,
    ChecksumMismatch,
    MalformedUpload,
    MissingParts,
    NoSuchUpload,
    OffsetMismatch,
    PartsRefused,
    TusProblem,
    UnsupportedChecksum,
    UnsupportedTusVersion,
    UploadClosed,
    UploadExpired,
    UploadIsFinal,
    UploadTooLarge,
    WrongUploadType,
)
from mobile_api.tus.requests import (
    METHODS,
    Continuation,
    Creation,
    Offer,
    Upload,
    effective_method,
    read_continuation,
    read_creation,
    require_alive,
    require_version,
)

__all__ = [
    "ALGORITHMS",
    "CONTENT_TYPE",
    "METHODS",
    "PARTIAL",
    "RESUMABLE",
    "VERSION",
    "Answer",
    "BodyCheck",
    "Checksum",
    "ChecksumMismatch",
    "Continuation",
    "Creation",
    "MalformedUpload",
    "MissingParts",
    "NoSuchUpload",
    "Offer",
    "OffsetMismatch",
    "PartsRefused",
    "PhotoReference",
    "TusProblem",
    "UnsupportedChecksum",
    "UnsupportedTusVersion",
    "Upload",
    "UploadClosed",
    "UploadExpired",
    "UploadIsFinal",
    "UploadTooLarge",
    "WrongUploadType",
    "answer_continuation",
    "answer_creation",
    "answer_head",
    "answer_options",
    "answer_termination",
    "effective_method",
    "read_checksum",
    "read_concatenation",
    "read_continuation",
    "read_creation",
    "read_metadata",
    "read_photo_reference",
    "require_alive",
    "require_version",
]
