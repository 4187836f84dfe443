"""Receipts: the server's signature that a photo's bytes have arrived, whole and durable.

Only with a receipt may a phone delete its copy; years later it proves, with a public key and
nothing else, who had which bytes when. Signed is the RFC 8785 form of the six members, so that
any JSON library can rebuild the very bytes; Ed25519 (RFC 8032) is deterministic, so signing again
gives the same receipt.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Self
from uuid import UUID

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_KEY_PREFIX = "ed25519:"
_SIGNED_MEMBERS = ("photo_id", "sha256", "size", "device_id", "received_at", "kid")


class BadReceipt(ValueError):
    """The receipt proves nothing; the message says why: unknown key, altered, or malformed."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was received. `size` in bytes; `device_id` None for a photo that came from a browser.

    `received_at` is an aware UTC instant in whole milliseconds; `kid` names the key; `signature`
    has 64 bytes.
    """

    photo_id: UUID
    sha256: str
    size: int
    device_id: UUID | None
    received_at: datetime
    kid: str
    signature: bytes

    def to_json(self) -> dict[str, Any]:
        """Return the form that syncs down and lies in an evidence pack."""
        return {**_members(self), "signature": encoded(self.signature)}


@dataclass(frozen=True, slots=True, repr=False)
class ReceiptKey:
    """The server's signing key. Its repr shows no secret."""

    private: Ed25519PrivateKey

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """Return the key that grows from 32 secret bytes (`settings.receipt_key_seed`)."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def from_seed_hex(cls, seed: str) -> Self:
        """Return the key that grows from 64 hexadecimal digits."""
        return cls.from_seed(bytes.fromhex(seed))

    @property
    def public(self) -> bytes:
        """The 32 bytes that anybody may have."""
        return _public_bytes(self.private)

    @property
    def kid(self) -> str:
        """The key's name."""
        return _name(self.private)

    def to_json(self) -> dict[str, str]:
        """Return `{"kid", "key"}` as devices get it on registration."""
        return key_form(self.public)

    def sign(
        self,
        *,
        photo_id: UUID,
        sha256: str,
        size: int,
        device_id: UUID | None,
        received_at: datetime,
    ) -> Receipt:
        """Return the receipt for bytes that are verified and durable; microseconds are cut off."""
        instant = received_at.astimezone(UTC)
        unsigned = Receipt(
            photo_id=photo_id,
            sha256=sha256,
            size=size,
            device_id=device_id,
            received_at=instant.replace(microsecond=instant.microsecond // 1000 * 1000),
            kid=self.kid,
            signature=b"",
        )
        signature = self.private.sign(rfc8785.dumps(_members(unsigned)))
        return replace(unsigned, signature=signature)

    def __repr__(self) -> str:
        return f"ReceiptKey(kid={self.kid!r})"


@lru_cache(maxsize=16)
def _public_bytes(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes_raw()


@lru_cache(maxsize=16)
def _name(private: Ed25519PrivateKey) -> str:
    return key_id(_public_bytes(private))


def key_id(public: bytes) -> str:
    """Return the name of a public key: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:16]


def key_form(public: bytes) -> dict[str, str]:
    """Return `{"kid", "key"}` of a public key as it is published."""
    return {"kid": key_id(public), "key": _KEY_PREFIX + encoded(public)}


def public_key(text: str) -> bytes:
    """Return the 32 bytes of a key written `ed25519:<base64url>`, or raise `BadReceipt`."""
    if not text.startswith(_KEY_PREFIX):
        raise BadReceipt(f"A public key is written {_KEY_PREFIX}<base64url>.")
    key = decoded(text.removeprefix(_KEY_PREFIX), "public key")
    if len(key) != 32:
        raise BadReceipt("An Ed25519 public key has 32 bytes.")
    return key


def verify_receipt(receipt: Mapping[str, Any], keys: Mapping[str, bytes]) -> None:
    """Return if the receipt is genuine, else raise `BadReceipt`.

    `receipt` is the wire form, every signed member taken as it stands; members beyond it are
    ignored. `keys` maps kid to the 32 bytes of a public key, old keys included. A key under a
    name that is not its own is refused.
    """
    missing = [name for name in (*_SIGNED_MEMBERS, "signature") if name not in receipt]
    if missing:
        raise BadReceipt(f"The receipt lacks {', '.join(missing)}.")
    kid = receipt["kid"]
    public = keys.get(kid) if isinstance(kid, str) else None
    if public is None:
        raise BadReceipt(f"No key {kid!r} is known.")
    if key_id(public) != kid:
        raise BadReceipt(f"The key given for {kid!r} is another one.")
    try:
        signed = rfc8785.dumps({name: receipt[name] for name in _SIGNED_MEMBERS})
    except (rfc8785.CanonicalizationError, ValueError) as error:
        raise BadReceipt("A member of the receipt has no canonical form.") from error
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(
            decoded(receipt["signature"], "signature"), signed
        )
    except InvalidSignature:
        raise BadReceipt("The signature does not fit: the receipt was altered.") from None


def _members(receipt: Receipt) -> dict[str, Any]:
    return {
        "photo_id": str(receipt.photo_id),
        "sha256": receipt.sha256,
        "size": receipt.size,
        "device_id": None if receipt.device_id is None else str(receipt.device_id),
        "received_at": receipt.received_at.isoformat(timespec="milliseconds").replace(
            "+00:00", "Z"
        ),
        "kid": receipt.kid,
    }


def encoded(content: bytes) -> str:
    """Return bytes as base64url without padding, as keys and signatures are written."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def decoded(text: object, what: str) -> bytes:
    """Return base64url without padding as bytes; no other spelling of them is taken."""
    if not isinstance(text, str):
        raise BadReceipt(f"The {what} is not text.")
    try:
        content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, ValueError) as error:
        raise BadReceipt(f"The {what} is not base64url.") from error
    if encoded(content) != text:
        raise BadReceipt(f"The {what} is not base64url.")
    return content
