"""What tus refuses, and the headers that every refusal carries."""

from fsm.problems import Problem

VERSION = "1.0.0"
RESUMABLE = {"Tus-Resumable": VERSION}
CONTENT_TYPE = "application/offset+octet-stream"


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


class MissingParts(TusProblem):
    """An upload was to be put together from what is none of this user's parts; fact `parts`."""

    code, status, title = "missing-parts", 400, "These are no parts of yours"


class UploadClosed(TusProblem):
    """All bytes have arrived; nothing can be added."""

    code, status, title = "upload-closed", 403, "The upload is complete"


class UploadIsFinal(TusProblem):
    """The upload is made of others and takes no bytes of its own."""

    code, status, title = "upload-is-final", 403, "The upload is put together from its parts"


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


class PartsRefused(TusProblem):
    """The parts together are not the declared file; fact `failure` is the code of why."""

    code, status, title = "parts-refused", 410, "The parts do not make the declared file"


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


def malformed(header: str, what: str) -> MalformedUpload:
    """Return the refusal of one header; `what` goes on after its name."""
    return MalformedUpload(f"{header} {what}.", header=header)


def too_large(limit: int) -> UploadTooLarge:
    return UploadTooLarge(f"At most {limit} bytes are taken here.", limit=limit)
