"""Preference lists of HTTP, read as RFC 9110 says and never a reason to fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.negotiation import Preference, best_language, best_media_type, preferences

TYPES = ("text/html", "application/linkset+json", "application/ld+json")


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (None, "text/html"),
        ("", "text/html"),
        (" , ;q=1,", "text/html"),
        ("*/*", "text/html"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/linkset+json", "application/linkset+json"),
        ("APPLICATION/LD+JSON", "application/ld+json"),
        ("application/ld+json;profile=\"a,b;q=0\"", "application/ld+json"),
        ("application/ld+json;q=0.5, application/linkset+json;q=0.7", "application/linkset+json"),
        ("application/ld+json ; q=1.000 , text/html;q=0.999", "application/ld+json"),
        ("application/*", "application/linkset+json"),
        ("application/*, application/linkset+json;q=0.1", "application/ld+json"),
        ("*/*, text/html;q=0", "application/linkset+json"),
        ("*/*;q=0.1, text/*;q=0", "application/linkset+json"),
        ("image/png", None),
        ("text/html;q=0", None),
        # A weight that is none makes its element unreadable, not preferred.
        ("application/ld+json;q=5, text/html;q=0.1", "text/html"),
        ("application/ld+json;q=x, text/html;q=0.1", "text/html"),
        ("application/ld+json;q=0.1234, text/html;q=0.1", "text/html"),
        ("*/html, application/ld+json;q=0.1", "application/ld+json"),
    ],
)  # fmt: skip
def test_the_best_media_type(header: str | None, chosen: str | None) -> None:
    assert best_media_type(header, TYPES) == chosen


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (None, None),
        ("ru", "ru"),
        ("ru-KZ, en;q=0.5", "ru"),
        ("de, fr;q=0.9", None),
        ("de, *;q=0.1", "en"),
        ("en;q=0, *", "ru"),
        ("en;q=0.4, RU;q=0.6", "ru"),
        ("ru;q=0.5, en;q=0.5", "en"),
        ("!!,ru", "ru"),
    ],
)
def test_the_best_language(header: str | None, chosen: str | None) -> None:
    assert best_language(header, ("en", "ru")) == chosen


def test_elements_keep_their_order_and_parameters() -> None:
    assert preferences('a/b;v="1,2";q=0.5;ext, c') == (
        Preference("a/b", 0.5, (("v", "1,2"),)),
        Preference("c", 1.0),
    )


@given(st.text(max_size=200))
def test_no_header_is_a_reason_to_fail(header: str) -> None:
    assert best_media_type(header, TYPES) in {*TYPES, None}
    assert best_language(header, ("en", "ru")) in {"en", "ru", None}
    assert all(0 <= p.quality <= 1 for p in preferences(header))


def test_a_hostile_header_is_read_in_no_time_to_speak_of() -> None:
    assert best_media_type('"' * 100_000, TYPES) == "text/html"
    assert best_media_type("a/b;" * 100_000, TYPES) is None
