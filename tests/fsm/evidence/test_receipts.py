"""A receipt proves what was received, to anybody with the public key, and to nobody else's advantage."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fsm.evidence.receipts import BadReceipt, ReceiptKey, key_id, public_key, verify_receipt

# RFC 8032, section 7.1, test 1.
SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")

KEY = ReceiptKey.from_seed_hex(SEED)
FACTS: dict[str, Any] = {
    "photo_id": UUID("01970000-0000-7000-8000-000000000001"),
    "sha256": "ab" * 32,
    "size": 3_141_592,
    "device_id": UUID("01970000-0000-7000-8000-000000000002"),
    "received_at": datetime(2026, 3, 1, 12, 0, 0, 123_999, UTC),
}
RECEIPT = KEY.sign(**FACTS).to_json()
KEYS = {KEY.kid: KEY.public}


def test_the_key_is_the_one_of_the_standard() -> None:
    assert KEY.public == PUBLIC
    assert KEY.kid == key_id(PUBLIC) == "21fe31dfa154a261"
    assert public_key(KEY.to_json()["key"]) == PUBLIC
    assert SEED not in repr(KEY)


def test_a_receipt_says_what_was_received_and_verifies() -> None:
    assert {name: RECEIPT[name] for name in RECEIPT if name != "signature"} == {
        "photo_id": "01970000-0000-7000-8000-000000000001",
        "sha256": "ab" * 32,
        "size": 3_141_592,
        "device_id": "01970000-0000-7000-8000-000000000002",
        "received_at": "2026-03-01T12:00:00.123Z",
        "kid": KEY.kid,
    }
    verify_receipt(RECEIPT, KEYS)
    verify_receipt(json.loads(json.dumps(RECEIPT)) | {"shown_to": "somebody"}, KEYS)


def test_anybody_can_rebuild_the_signed_bytes_with_sorted_compact_json() -> None:
    unsigned = {name: value for name, value in RECEIPT.items() if name != "signature"}
    signed = json.dumps(unsigned, sort_keys=True, separators=(",", ":")).encode()
    signature = KEY.sign(**FACTS).signature
    Ed25519PublicKey.from_public_bytes(PUBLIC).verify(signature, signed)


def test_the_same_facts_give_the_same_receipt_in_every_time_zone() -> None:
    elsewhere = FACTS["received_at"].astimezone(timezone(timedelta(hours=3)))
    assert KEY.sign(**{**FACTS, "received_at": elsewhere}).to_json() == RECEIPT


def test_a_photo_without_a_device_gets_a_receipt_too() -> None:
    receipt = KEY.sign(**{**FACTS, "device_id": None}).to_json()
    assert receipt["device_id"] is None
    verify_receipt(receipt, KEYS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("photo_id", "01970000-0000-7000-8000-000000000003"),
        ("sha256", "ac" + "ab" * 31),
        ("size", 3_141_593),
        ("size", "3141592"),
        ("size", True),
        ("size", float("nan")),
        ("size", 2**60),
        ("device_id", None),
        ("received_at", "2026-03-01T12:00:00.124Z"),
        ("received_at", {"at": object}),
        ("kid", "0" * 16),
        ("kid", ["a"]),
        ("signature", urlsafe_b64encode(bytes(64)).decode().rstrip("=")),
        ("signature", RECEIPT["signature"][:-2]),
        ("signature", RECEIPT["signature"] + "=="),
        ("signature", RECEIPT["signature"] + "\n"),
        ("signature", "§"),
        ("signature", None),
        ("signature", ""),
    ],
)
def test_an_altered_receipt_proves_nothing(name: str, value: object) -> None:
    with pytest.raises(BadReceipt):
        verify_receipt({**RECEIPT, name: value}, KEYS)


@pytest.mark.parametrize("name", RECEIPT)
def test_a_receipt_with_a_member_missing_proves_nothing(name: str) -> None:
    with pytest.raises(BadReceipt, match=name):
        verify_receipt({key: value for key, value in RECEIPT.items() if key != name}, KEYS)


def test_a_key_under_a_strange_name_is_not_trusted() -> None:
    other = ReceiptKey.from_seed(bytes(32))
    with pytest.raises(BadReceipt, match="another one"):
        verify_receipt(RECEIPT, {KEY.kid: other.public})
    with pytest.raises(BadReceipt, match="No key"):
        verify_receipt(RECEIPT, {other.kid: other.public})


def test_receipts_of_a_retired_key_stay_valid() -> None:
    newer = ReceiptKey.from_seed(bytes(range(32)))
    verify_receipt(RECEIPT, {newer.kid: newer.public, KEY.kid: KEY.public})


@pytest.mark.parametrize("text", ["", "rsa:AAAA", "ed25519:", "ed25519:AAAA", "ed25519:!!!!"])
def test_only_an_ed25519_key_is_read_as_one(text: str) -> None:
    with pytest.raises(BadReceipt):
        public_key(text)
