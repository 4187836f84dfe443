"""A feed token is the server's own word: no other spelling of it is taken."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_api.feed_tokens import BadFeedToken, Position, read_token, write_token

KEY = bytes(32)
POSITION = Position(
    epoch=UUID(int=1),
    tenant=UUID(int=2),
    device=UUID(int=3),
    read={"cat:main": 7, "tech:1": 0},
    schema=5,
    first={"tech:1": 12},
)
TOKEN = write_token(KEY, POSITION)


def test_a_token_brings_its_position_back() -> None:
    assert TOKEN.startswith("c1.")
    assert read_token(KEY, TOKEN) == POSITION


@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_no_altered_token_is_taken(place: int, other: str) -> None:
    altered = TOKEN[:place] + other + TOKEN[place + 1 :]
    if altered != TOKEN:
        with pytest.raises(BadFeedToken):
            read_token(KEY, altered)


@given(st.text())
def test_no_text_of_others_is_taken(text: str) -> None:
    with pytest.raises(BadFeedToken):
        read_token(KEY, text)


def test_another_key_signs_other_tokens() -> None:
    with pytest.raises(BadFeedToken):
        read_token(bytes(31) + b"\x01", TOKEN)
