"""The address on a label: what may be printed, and what a person may type."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.assets.passport_code import (
    ALPHABET,
    BadPassportCode,
    BadPassportHost,
    UnprintableIdentifier,
    check_digit,
    giai_url,
    grouped_code,
    gtin14,
    gtin_url,
    new_code,
    new_codes,
    normalise_code,
    own_url,
    passport_host,
    printable,
    short_code,
    trial_url,
)

CODE = "7k3m9qx2abcdefgh"
HOST = "id.acme-lifts.com"
codes = st.text(ALPHABET, min_size=16, max_size=16)


def test_a_new_code_has_sixteen_characters_of_crockfords_alphabet() -> None:
    assert all(re.fullmatch(r"[0-9a-hjkmnp-tv-z]{16}", new_code()) for _ in range(200))


def test_a_code_spells_eighty_random_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_bytes", lambda n: bytes([0] * (n - 1) + [33]))
    assert new_code() == "0" * 14 + "11"
    monkeypatch.setattr("secrets.token_bytes", lambda n: b"\xff" * n)
    assert new_code() == "z" * 16


def test_a_batch_never_repeats_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([b"\x01" * 10, b"\x01" * 10, b"\x02" * 10])
    monkeypatch.setattr("secrets.token_bytes", lambda _: next(drawn))
    assert len(set(new_codes(2))) == 2
    assert new_codes(0) == ()
    with pytest.raises(ValueError, match="negative"):
        new_codes(-1)


@given(codes)
def test_a_code_read_back_in_any_clothing_is_the_code(code: str) -> None:
    assert normalise_code(code) == code
    assert normalise_code(f"  {grouped_code(code).upper()}\n") == code
    assert normalise_code("\u2013".join(code)) == code
    assert normalise_code(code.replace("0", "O").replace("1", "l")) == code
    assert normalise_code(code.replace("1", "I").translate({ord("a"): "А", ord("x"): "Х"})) == code


@given(st.text(max_size=300))
def test_whatever_is_typed_gives_a_code_or_a_refusal(typed: str) -> None:
    try:
        code = normalise_code(typed)
    except BadPassportCode:
        return
    assert set(code) <= set(ALPHABET)
    assert normalise_code(code) == code


@pytest.mark.parametrize("typed", ["", "7k3m-9qx2", CODE + "0", CODE[:-1] + "u", CODE[:-1] + "é"])
def test_wrong_lengths_and_strange_characters_are_not_guessed_at(typed: str) -> None:
    with pytest.raises(BadPassportCode):
        normalise_code(typed)


def test_the_short_code_is_the_first_half() -> None:
    assert short_code(CODE) == "7k3m-9qx2"
    assert grouped_code(CODE) == "7k3m-9qx2-abcd-efgh"


def test_our_own_address_has_exactly_the_documented_shape() -> None:
    url = own_url("ID.Acme-Lifts.com", CODE.upper())
    assert url.text == "https://id.acme-lifts.com/p/7k3m9qx2abcdefgh"
    assert not url.is_trial
    assert not url.is_long


@pytest.mark.parametrize(
    "name",
    [
        "192.168.1.10",
        "10.0.0.1.",
        "2130706433",
        "0x7f.1",
        "service.0x7f",
        "[::1]",
        "fe80::1",
        "localhost",
        "scanner.localhost",
        "printer.local",
        "intranet",
        "id.acme.com:8443",
        "https://id.acme.com",
        "id.acme.com/p",
        "user@acme.com",
        "id..acme.com",
        "-id.acme.com",
        "id-.acme.com",
        "i_d.acme.com",
        "лифт.рф",
        "a" * 64 + ".com",
        ".".join(["a" * 60] * 5) + ".com",
        "",
        " ",
    ],
)
def test_what_is_not_a_public_dns_name_cannot_carry_passports(name: str) -> None:
    with pytest.raises(BadPassportHost) as refusal:
        passport_host(name)
    assert refusal.value.detail


@pytest.mark.parametrize("name", ["id.service.example.com", "xn--80a1acny.xn--p1ai", "1.acme.com"])
def test_public_dns_names_can(name: str) -> None:
    assert passport_host(name) == name


def test_a_long_address_is_marked_and_a_longer_one_refused() -> None:
    assert own_url("a" * 46 + ".com", CODE).is_long
    assert not own_url("a" * 40 + ".com", CODE).is_long
    with pytest.raises(UnprintableIdentifier, match="at most 255"):
        own_url(".".join(["a" * 59] * 4) + ".com", CODE)


def test_a_trial_address_says_that_it_is_one() -> None:
    url = trial_url("http://127.0.0.1:8000/", CODE)
    assert url.text == f"http://127.0.0.1:8000/p/{CODE}"
    assert url.is_trial


@pytest.mark.parametrize(
    "base",
    [
        "ftp://x",
        "127.0.0.1:8000",
        "http://",
        "http://a:99999",
        "http://u@a",
        "http://a/b",
        "http://a?x",
        "http://a#x",
        "javascript:alert(1)",
    ],
)
def test_a_trial_address_needs_a_plain_origin(base: str) -> None:
    with pytest.raises(BadPassportHost):
        trial_url(base, CODE)


def test_gs1_addresses_follow_digital_link() -> None:
    assert giai_url(HOST, "4012345", "4012345ABC-1").text == f"https://{HOST}/8004/4012345ABC-1"
    url = gtin_url(HOST, "9506000", "9506000134352", "SN.1_a")
    assert url.text == f"https://{HOST}/01/09506000134352/21/SN.1_a"


@pytest.mark.parametrize("prefix", [None, "", "401", "4012345678901", "40I2345", "٤٠١٢٣٤٥"])
def test_without_a_gs1_prefix_of_ones_own_there_is_no_gs1_address(prefix: str | None) -> None:
    with pytest.raises(UnprintableIdentifier):
        giai_url(HOST, prefix, "4012345ABC")
    with pytest.raises(UnprintableIdentifier):
        gtin_url(HOST, prefix, "9506000134352", "1")


@pytest.mark.parametrize("giai", ["4012345", "5012345ABC", "4012345" + "x" * 24, "4012345 1", ""])
def test_a_giai_is_the_prefix_and_something_of_ones_own(giai: str) -> None:
    with pytest.raises(UnprintableIdentifier):
        giai_url(HOST, "4012345", giai)


def test_another_companys_gtin_is_refused() -> None:
    with pytest.raises(UnprintableIdentifier, match="does not belong"):
        gtin_url(HOST, "4012345", "9506000134352", "1")


@pytest.mark.parametrize("serial", ["a/b", "a b", "50%", "№7", "a~b", "", ".", "..", "x" * 21])
def test_a_serial_that_would_need_escaping_stays_in_the_record(serial: str) -> None:
    with pytest.raises(UnprintableIdentifier):
        gtin_url(HOST, "9506000", "9506000134352", serial)


@given(st.text(max_size=40))
def test_what_is_printable_needs_no_escaping(value: str) -> None:
    try:
        kept = printable(value, "serial number", longest=20)
    except UnprintableIdentifier:
        return
    assert kept == value
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,20}", value)


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("9506000134352", "09506000134352"),
        ("036000291452", "00036000291452"),
        ("73513537", "00000073513537"),
        ("10012345678902", "10012345678902"),
    ],
)
def test_published_gtins_have_right_check_digits(short: str, full: str) -> None:
    assert gtin14(short) == full


@given(st.from_regex(r"[0-9]{13}", fullmatch=True), st.integers(0, 9))
def test_exactly_one_check_digit_is_right(body: str, digit: int) -> None:
    if check_digit(body) == str(digit):
        assert gtin14(f"{body}{digit}") == f"{body}{digit}"
    else:
        with pytest.raises(UnprintableIdentifier, match="check digit"):
            gtin14(f"{body}{digit}")
