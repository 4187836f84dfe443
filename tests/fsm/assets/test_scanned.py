"""Whatever a scanner hands in is read as every name it could be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.assets.passport_code import grouped_code, new_code
from fsm.assets.scanned import LONGEST_VALUE, Candidate, Scheme, candidates, canonical

CODE = "7k3m9qx2abcdefgh"
PRODUCT = Candidate(Scheme.GS1_PRODUCT, "09506000134352/S-1")


@pytest.mark.parametrize(
    "text",
    [
        CODE,
        CODE.upper(),
        "7K3M-9QX2-ABCD-EFGH",
        f"https://id.acme.example.com/p/{CODE}",
        f"HTTPS://ID.ACME.EXAMPLE.COM/P/{CODE.upper()}",
        f"http://127.0.0.1:8000/p/{CODE}?lang=ru#top",
        f"id.acme.example.com/p/{CODE}/page",
        f"  {CODE}\r\n",
        f"\ufeff{CODE}",
    ],
)
def test_our_own_code_is_read_in_whatever_clothes_it_comes(text: str) -> None:
    assert candidates(text)[0] == Candidate(Scheme.PASSPORT, CODE)


@pytest.mark.parametrize(
    "text",
    [
        "(01)09506000134352(21)S-1",
        "(21)S-1(01)09506000134352",
        "010950600013435221S-1",
        "]d2010950600013435221S-1",
        "\x1d010950600013435210LOT7\x1d21S-1",
        "]C101095060001343521725010121S-1\x1d10LOT7",
        "https://dl.acme.com/01/9506000134352/21/S-1",
        "https://dl.acme.com/de/products/01/09506000134352/10/L/21/S-1?11=250101",
    ],
)
def test_a_gs1_product_is_found_in_brackets_streams_and_links(text: str) -> None:
    assert candidates(text)[0] == PRODUCT


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(8004)4012345ABC", "4012345ABC"),
        ("80044012345ABC", "4012345ABC"),
        ("https://id.acme.com/8004/4012345ABC", "4012345ABC"),
    ],
)
def test_a_gs1_asset_number_is_found(text: str, value: str) -> None:
    assert candidates(text)[0] == Candidate(Scheme.GS1_ASSET, value)


def test_a_gtin_with_a_wrong_check_digit_is_only_a_text() -> None:
    schemes = {c.scheme for c in candidates("(01)09506000134353(21)S-1")}
    assert schemes == {Scheme.SERIAL, Scheme.CODE128}


def test_a_manufacturers_address_is_kept_whole_and_without_its_end() -> None:
    found = candidates("https://otto.example/lift/42/#nameplate")
    assert found == (
        Candidate(Scheme.LINK, "https://otto.example/lift/42/#nameplate"),
        Candidate(Scheme.LINK, "https://otto.example/lift/42"),
    )


@pytest.mark.parametrize("text", ["04:a2:33:1b:22:80:80", "04A2331B228080", "04-A2-33-1B-22-80-80"])
def test_a_tags_uid_is_one_value_however_it_is_written(text: str) -> None:
    assert Candidate(Scheme.NFC, "04A2331B228080") in candidates(text)
    assert canonical("nfc", text) == "04A2331B228080"


def test_half_a_code_said_on_the_phone_is_a_search_term() -> None:
    assert candidates("7k3m-9qx2")[0] == Candidate(Scheme.SHORT_CODE, "7k3m9qx2")


def test_a_serial_number_is_taken_as_it_is() -> None:
    assert candidates(" OT-0001234 ")[0] == Candidate(Scheme.SERIAL, "OT-0001234")


@pytest.mark.parametrize(
    "written", ["(01)09506000134352(21)S-1", "9506000134352/S-1", "09506000134352/S-1"]
)
def test_identifiers_are_kept_in_the_form_a_scan_is_read_in(written: str) -> None:
    assert canonical("gs1:01+21", written) == PRODUCT.value
    assert canonical("serial", written) == written


def test_what_does_not_fit_its_scheme_stays_as_it_was_written() -> None:
    assert canonical("gs1:01+21", "nonsense/1") == "nonsense/1"
    assert canonical("nfc", "blue tag") == "blue tag"


@pytest.mark.parametrize("text", ["", "   ", "\x00\x01", "\ufeff"])
def test_nothing_readable_means_nothing(text: str) -> None:
    assert candidates(text) == ()


def test_no_code_of_ours_is_ever_misread() -> None:
    for code in (new_code() for _ in range(200)):
        for clothes in (code, grouped_code(code), f"https://x.example.com/p/{code}"):
            assert Candidate(Scheme.PASSPORT, code) in candidates(clothes)


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error_and_within_bounds(text: str) -> None:
    found = candidates(text)
    assert len(set(found)) == len(found) <= 12
    assert all(0 < len(c.value) <= LONGEST_VALUE and "\x00" not in c.value for c in found)


@given(st.sampled_from(["serial", "nfc", "gs1:01+21", "gs1:8004", "link"]), st.text(max_size=80))
def test_the_kept_form_is_stable(scheme: str, value: str) -> None:
    once = canonical(scheme, value)
    assert canonical(scheme, once) == once
