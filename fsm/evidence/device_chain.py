"""The device's own chain over what it recorded on one visit: it follows the dispatch, in this order.

Each record names the hash before it; the first one the visit's nonce, which the device had with the
dispatch and not before. `h = SHA-256(prev ‖ RFC 8785(record without its chain))`, signed with the key
that the device registered. It proves the order and that nothing was taken out from between, not when a
shutter fired.

    "chain": {"prev": base64url, "h": base64url, "sig": base64url over the 32 bytes of h}

A break never refuses a record; it is shown. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fsm.canonical import canonical_json
from fsm.evidence.receipts import BadReceipt, decoded, encoded

CHAIN = "chain"


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain does not hold: the record's id and number, and why.

    Codes: `unchained` (no link, in between others), `malformed`, `wrong_start` (does not begin with the
    nonce), `out_of_line` (does not follow the record before), `wrong_hash`, `wrong_signature`, `no_key`.
    """

    intent_id: str
    seq: int
    code: str

    def to_json(self) -> dict[str, Any]:
        return {"intent_id": self.intent_id, "seq": self.seq, "code": self.code}


def link_hash(previous: bytes, record: Mapping[str, Any]) -> bytes:
    """Return the hash of a record after `previous`; its own `chain` is left out."""
    return sha256(
        previous + canonical_json({name: one for name, one in record.items() if name != CHAIN})
    ).digest()


def chained(key: Ed25519PrivateKey, previous: bytes, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record with its link, as a device sends it."""
    digest = link_hash(previous, record)
    link = {"prev": encoded(previous), "h": encoded(digest), "sig": encoded(key.sign(digest))}
    return {**record, CHAIN: link}


def breaks(
    nonce: bytes | None, records: Sequence[Mapping[str, Any]], public_key: bytes | None
) -> list[Break]:
    """Return where the chain of one device on one visit is broken; `records` in the device's order.

    Records before its first link and after its last one are no break: an app may begin to chain, or stop.
    """
    linked = [place for place, record in enumerate(records) if CHAIN in record]
    if not linked:
        return []
    found: list[Break] = []
    expected = nonce
    is_first = True
    for record in records[linked[0] : linked[-1] + 1]:
        where = (str(record.get("id")), int(record.get("seq") or 0))
        if CHAIN not in record:
            found.append(Break(*where, "unchained"))
            continue
        link = _read(record[CHAIN])
        if link is None:
            found.append(Break(*where, "malformed"))
            expected, is_first = None, False
            continue
        previous, digest, signature = link
        # After a link that cannot be read nothing says what the next should follow.
        if expected is not None and previous != expected:
            found.append(Break(*where, "wrong_start" if is_first else "out_of_line"))
        if link_hash(previous, record) != digest:
            found.append(Break(*where, "wrong_hash"))
        if public_key is None:
            found.append(Break(*where, "no_key"))
        elif not _is_signed(public_key, digest, signature):
            found.append(Break(*where, "wrong_signature"))
        expected, is_first = digest, False
    return found


def _read(link: Any) -> tuple[bytes, bytes, bytes] | None:
    if not isinstance(link, Mapping):
        return None
    try:
        previous, digest, signature = (
            decoded(link.get(name), name) for name in ("prev", "h", "sig")
        )
    except BadReceipt:
        return None
    if (len(previous), len(digest), len(signature)) != (32, 32, 64):
        return None
    return previous, digest, signature


def _is_signed(public_key: bytes, digest: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, digest)
    except (InvalidSignature, ValueError):
        return False
    return True
