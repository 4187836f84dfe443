"""The phone's own chain: whole as it was sent, and every way of breaking it has its name."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from fsm.evidence.device_chain import breaks, chained, link_hash

KEY = Ed25519PrivateKey.from_private_bytes(b"d" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
NONCE = b"n" * 32


def chain(records: list[dict[str, Any]], start: bytes = NONCE) -> list[dict[str, Any]]:
    previous, made = start, []
    for record in records:
        made.append(chained(KEY, previous, record))
        previous = link_hash(previous, record)
    return made


def records(how_many: int) -> list[dict[str, Any]]:
    return [
        {"id": f"i{seq}", "seq": seq, "type": "note.add", "data": {"text": f"line {seq}"}}
        for seq in range(1, how_many + 1)
    ]


def codes(found: list[dict[str, Any]], **options: Any) -> list[tuple[int, str]]:
    options = {"nonce": NONCE, "public_key": PUBLIC, **options}
    return [(one.seq, one.code) for one in breaks(records=found, **options)]


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=3),
            st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.text(), st.booleans()),
            max_size=4,
        ),
        max_size=6,
    )
)
def test_what_was_chained_is_whole(data: list[dict[str, Any]]) -> None:
    sent = [{"id": "i", "seq": seq, "data": one} for seq, one in enumerate(data)]
    assert codes(chain(sent)) == []


def test_an_app_without_a_chain_breaks_none() -> None:
    assert codes(records(3)) == []
    assert codes([*records(2), *chain(records(3))]) == [], "it may begin to chain late"


def _altered(sent: list[dict[str, Any]]) -> None:
    sent[1]["data"]["text"] = "another"


def _taken_out(sent: list[dict[str, Any]]) -> None:
    del sent[1]


def _swapped(sent: list[dict[str, Any]]) -> None:
    sent[1], sent[2] = sent[2], sent[1]


def _unchained(sent: list[dict[str, Any]]) -> None:
    del sent[1]["chain"]


def _malformed(sent: list[dict[str, Any]]) -> None:
    sent[1]["chain"] = {"prev": "?"}


def _other_signature(sent: list[dict[str, Any]]) -> None:
    sent[1]["chain"]["sig"] = sent[2]["chain"]["sig"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_altered, [(2, "wrong_hash")]),
        (_taken_out, [(3, "out_of_line")]),
        (_swapped, [(3, "out_of_line"), (2, "out_of_line"), (4, "out_of_line")]),
        (_unchained, [(2, "unchained"), (3, "out_of_line")]),
        (_malformed, [(2, "malformed")]),
        (_other_signature, [(2, "wrong_signature")]),
    ],
)
def test_a_break_is_named_at_its_place(change: Any, expected: list[tuple[int, str]]) -> None:
    sent = chain(records(4))
    change(sent)
    assert codes(sent) == expected


def test_a_chain_begins_with_the_nonce_and_is_signed_by_the_phones_own_key() -> None:
    sent = chain(records(2))
    assert codes(sent, nonce=b"o" * 32) == [(1, "wrong_start")]
    assert codes(sent, public_key=None) == [(1, "no_key"), (2, "no_key")]
    assert codes(sent, public_key=b"\x01" * 32) == [
        (1, "wrong_signature"),
        (2, "wrong_signature"),
    ]
