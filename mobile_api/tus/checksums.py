"""Checksums of what one request brings: in its headers, or in a trailer after the bytes."""

import hashlib
import hmac
from dataclasses import dataclass

from mobile_api.tus.headers import Headers, base64_of
from mobile_api.tus.problems import ChecksumMismatch, UnsupportedChecksum, malformed

#: Digest sizes in bytes; the first is the one we like best.
ALGORITHMS = {"sha256": 32, "sha1": 20}


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the bytes of one request must hash to."""

    algorithm: str
    digest: bytes


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
    digest = base64_of(value, "Upload-Checksum")
    if len(digest) != ALGORITHMS[algorithm]:
        raise malformed("Upload-Checksum", f"has not the length of a {algorithm}")
    return Checksum(algorithm=algorithm, digest=digest)


def announces_trailer(headers: Headers) -> bool:
    """Return whether a checksum will follow the bytes."""
    names = headers.get("trailer", "").split(",")
    return any(name.strip().lower() == "upload-checksum" for name in names)


class BodyCheck:
    """The hashes of one request's bytes, and whether they are what was sent.

    Whoever stores the bytes updates `hashes` with each of them. A body that was cut short is held
    to its checksum too: with one, the bytes of a request count all together or not at all.
    """

    def __init__(self, checksum: Checksum | None) -> None:
        """`checksum` None: it will follow as a trailer, so every algorithm is kept ready."""
        self._checksum = checksum
        names = ALGORITHMS if checksum is None else [checksum.algorithm]
        self.hashes = {name: hashlib.new(name, usedforsecurity=False) for name in names}

    def require(self, trailers: Headers | None = None, *, is_cut: bool = False) -> None:
        """Raise `ChecksumMismatch` unless the bytes hash to what was sent before or after them."""
        checksum = self._checksum or read_checksum(trailers or {})
        if checksum is None and not is_cut:
            raise malformed("Upload-Checksum", "was announced as a trailer and did not come")
        if checksum is None or not hmac.compare_digest(
            self.hashes[checksum.algorithm].digest(), checksum.digest
        ):
            raise ChecksumMismatch("These bytes were dropped. Send them again.")
