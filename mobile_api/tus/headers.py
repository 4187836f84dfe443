"""The values of tus headers. Everything a client may put into them is bounded here."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from mobile_api.tus.problems import malformed

Headers = Mapping[str, str]

#: The `Upload-Concat` of an upload that is one part of a file.
PARTIAL = "partial"

_FINAL = "final;"
_NUMBER = re.compile(r"[0-9]{1,18}")
_METADATA_KEY = re.compile(r"[!-+\--~]+")  # printable ASCII without space and comma
_MAX_METADATA = 4_096
_MAX_KEYS = 32
_MAX_CONCAT = 8_192  # a hundred addresses; HEAD sends them all back
_SHA256 = re.compile(r"[0-9a-f]{64}")
# An address of ours, absolute or relative. Whose host it names is no matter: nothing is fetched.
_PART = re.compile(
    r"(?:https?://[^/?#]+)?(?:[A-Za-z0-9._~%/-]*/)?files/"
    r"([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})/?"
)


@dataclass(frozen=True, slots=True)
class PhotoReference:
    """Which declared photo the bytes belong to and what they must hash to."""

    photo_id: UUID
    sha256: str


def read_metadata(raw: str) -> dict[str, bytes]:
    """Return the decoded `Upload-Metadata`: `key base64,key`; keys unique, values optional."""
    if not raw:
        return {}
    if len(raw) > _MAX_METADATA:
        raise malformed("Upload-Metadata", f"may have at most {_MAX_METADATA} characters")
    pairs = raw.split(",")
    if len(pairs) > _MAX_KEYS:
        raise malformed("Upload-Metadata", f"may have at most {_MAX_KEYS} keys")
    metadata: dict[str, bytes] = {}
    for pair in pairs:
        key, _, value = pair.strip(" ").partition(" ")
        if not _METADATA_KEY.fullmatch(key):
            raise malformed("Upload-Metadata", "has an empty or unprintable key")
        if key in metadata:
            raise malformed("Upload-Metadata", f"has the key {key} twice")
        metadata[key] = base64_of(value, "Upload-Metadata")
    return metadata


def read_photo_reference(metadata: Mapping[str, bytes]) -> PhotoReference:
    """Return which photo the bytes are, from `photo_id` and `sha256`, both required."""
    try:
        photo_id = UUID(metadata["photo_id"].decode("ascii"))
        sha256 = metadata["sha256"].decode("ascii")
    except KeyError as error:
        raise malformed("Upload-Metadata", f"must name {error.args[0]}") from None
    except ValueError:
        raise malformed("Upload-Metadata", "needs a UUID as photo_id") from None
    if not _SHA256.fullmatch(sha256):
        raise malformed("Upload-Metadata", "needs 64 lower-case hexadecimal digits as sha256")
    return PhotoReference(photo_id=photo_id, sha256=sha256)


def read_concatenation(headers: Headers) -> tuple[str, tuple[UUID, ...]]:
    """Return `Upload-Concat` as it came, and the uploads that a final one is made of, in order.

    ("", ()) without the header, ("partial", ()) for a part.
    """
    raw = headers.get("upload-concat")
    if raw is None:
        return "", ()
    raw = raw.strip(" \t")
    if raw == PARTIAL:
        return raw, ()
    if not raw.startswith(_FINAL):
        raise malformed("Upload-Concat", "is 'partial' or 'final;' with the addresses of the parts")
    if len(raw) > _MAX_CONCAT:
        raise malformed("Upload-Concat", f"may have at most {_MAX_CONCAT} characters")
    addresses = raw.removeprefix(_FINAL).split(" ")
    found = [_PART.fullmatch(address) for address in addresses]
    if None in found:
        raise malformed("Upload-Concat", "names addresses of parts, separated by one space each")
    return raw, tuple(UUID(one[1]) for one in found if one)


def has_body(headers: Headers) -> bool:
    """Return whether bytes come along."""
    length = number(headers, "Content-Length")
    return "transfer-encoding" in headers if length is None else length > 0


def number(headers: Headers, name: str) -> int | None:
    """Return a whole number of bytes, None where the header is absent."""
    raw = headers.get(name.lower())
    if raw is None:
        return None
    if not _NUMBER.fullmatch(raw.strip(" \t")):
        raise malformed(name, "must be a whole number of bytes, at most 18 digits")
    return int(raw)


def base64_of(text: str, header: str) -> bytes:
    """Return the bytes that a header's text stands for."""
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise malformed(header, "holds something that is not base64") from None
