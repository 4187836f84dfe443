"""The form that intents are hashed in is RFC 8785's, whichever way it is made."""

from typing import Any

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from mobile_api.intents import canonical_form

texts = st.text(max_size=12) | st.text(st.characters(max_codepoint=127), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_it_is_what_the_standard_says(value: Any) -> None:
    assert canonical_form(value) == rfc8785.dumps(value)


def test_an_intent_by_hand() -> None:
    intent = {"seq": 7, "id": "a", "data": {"z": [1, True, None], "a/b": 'say "hi"\\'}}
    assert canonical_form(intent) == (
        b'{"data":{"a/b":"say \\"hi\\"\\\\","z":[1,true,null]},"id":"a","seq":7}'
    )
