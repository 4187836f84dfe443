"""What the server signs besides receipts: a JSON object, its signature over the RFC 8785 form of the rest.

`type` is part of what is signed, so that a signature given for one purpose fits no other.
"""

from collections.abc import Mapping
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fsm.evidence import merkle
from fsm.evidence.receipts import BadReceipt, ReceiptKey, decoded, encoded, key_id

ROOT = "fsm-daily-root"
"""The `type` of the statement about the events of a day that is over."""
OPEN_ROOT = "fsm-open-root"
"""The `type` of the same statement about the events since, up to the moment it was signed."""


class BadStatement(ValueError):
    """The statement proves nothing; the message says why: unknown key, altered, or malformed."""


def sign(key: ReceiptKey, **members: Any) -> dict[str, Any]:
    """Return the members with `kid` and `signature`; Ed25519 gives the same again for the same."""
    signed = {**members, "kid": key.kid}
    return {**signed, "signature": encoded(key.private.sign(rfc8785.dumps(signed)))}


def signature_of(statement: Mapping[str, Any]) -> bytes:
    """Return the 64 bytes of a statement's signature."""
    return decoded(statement["signature"], "signature")


def verify(statement: Mapping[str, Any], kind: str, keys: Mapping[str, bytes]) -> None:
    """Return if the statement is genuine and of this `type`, else raise `BadStatement`.

    `keys` maps kid to the 32 bytes of a public key, old keys included.
    """
    if statement.get("type") != kind:
        raise BadStatement(f"It is no {kind}.")
    kid = statement.get("kid")
    public = keys.get(kid) if isinstance(kid, str) else None
    if public is None:
        raise BadStatement(f"It is signed by the key {kid!r}, which was not given.")
    if key_id(public) != kid:
        raise BadStatement(f"The key given for {kid!r} is another one.")
    check_signature(statement, public)


def check_signature(statement: Mapping[str, Any], public: bytes) -> None:
    """Return if `signature` is this key's over all other members, else raise `BadStatement`."""
    try:
        signed = rfc8785.dumps(
            {name: one for name, one in statement.items() if name != "signature"}
        )
        signature = decoded(statement.get("signature"), "signature")
    except (rfc8785.CanonicalizationError, ValueError) as error:
        if isinstance(error, BadReceipt):
            raise BadStatement(str(error)) from None
        raise BadStatement("It has no canonical form.") from error
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except InvalidSignature:
        raise BadStatement("The signature does not fit: it was altered.") from None


def check_proof(
    digest: bytes, number: int, proof: Mapping[str, Any], root: Mapping[str, Any]
) -> None:
    """Return if a proof leads from an event's chain hash to a signed root, else raise `merkle.BadProof`."""
    try:
        index, size, first = int(proof["index"]), int(root["leaves"]), int(root["first"])
        path = [bytes.fromhex(sibling) for sibling in proof["path"]]
        expected = bytes.fromhex(root["root"])
    except (KeyError, TypeError, ValueError) as error:
        raise merkle.BadProof("The proof cannot be read.") from error
    if first + index != number:
        raise merkle.BadProof(f"The proof is of event {first + index}.")
    merkle.check_inclusion(digest, index, size, path, expected)
