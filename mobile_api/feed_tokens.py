"""The token that tells how far a device has read: `c1.<base64url payload>.<HMAC-SHA256>`.

It is the server's word to itself: signed, bound to tenant, device, epoch and schema, and opaque to the
device. Rights are not in it; they are computed on every call.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import msgspec

from fsm.problems import Problem

_PREFIX = "c1"
_LONGEST = 8_192


class BadFeedToken(Problem):
    """`since` is not a token that this server gave to this device; pull without it."""

    code, status, title = "bad-feed-token", 400, "The feed token cannot be used"


class Position(msgspec.Struct, frozen=True, rename={"epoch": "e", "tenant": "t", "device": "d"}):
    """Where a device stands: the last `seq` it read of each scope.

    `first` holds, for a scope that is being read for the first time, the head at its first page: up to
    there what the scope no longer grants is left out, because the device never had it.

    A position of one collection only (`coll`) tells nothing about the others.
    """

    epoch: UUID
    tenant: UUID
    device: UUID
    read: dict[str, int] = msgspec.field(name="s")
    schema: int = msgspec.field(name="v")
    first: dict[str, int] = msgspec.field(name="f", default_factory=dict)
    coll: str | None = msgspec.field(name="c", default=None)


_position = msgspec.json.Decoder(Position)


def write_token(key: bytes, position: Position) -> str:
    """Return the token of a position, signed with `key`."""
    signed = f"{_PREFIX}.{_text(msgspec.json.encode(position))}"
    return f"{signed}.{_text(_mac(key, signed))}"


def read_token(key: bytes, token: str) -> Position:
    """Return the position that a token of ours names; anything else is `BadFeedToken`."""
    signed, _, mac = token.rpartition(".")
    if (
        len(token) > _LONGEST
        or not token.isascii()
        or not signed.startswith(f"{_PREFIX}.")
        or not hmac.compare_digest(mac, _text(_mac(key, signed)))
    ):
        raise BadFeedToken(
            "'since' must be the 'since' of the device's last pull. Pull without it to begin anew."
        )
    payload = signed.removeprefix(f"{_PREFIX}.")
    return _position.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def _mac(key: bytes, signed: str) -> bytes:
    return hmac.digest(key, signed.encode(), "sha256")


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
