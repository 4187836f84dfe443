"""Whatever a scanner or a keyboard gave us: which names of an asset it could be. Pure.

Phones, hand scanners and people hand in the same label in different clothes: our URL, a GS1 Digital Link, an
element string with or without brackets, a bare code typed from the label, a serial number, the UID of an NFC
tag, a manufacturer's own URL. `candidates` lists every reading; the database knows which one is true.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from fsm.assets.passport_code import (
    ALPHABET,
    CODE_LENGTH,
    BadPassportCode,
    UnprintableIdentifier,
    gtin14,
    normalise_code,
)

LONGEST_SCAN: Final = 2_000
LONGEST_VALUE: Final = 255
_SHORT_CODE_LENGTH: Final = 8

#: FNC1 as readers send it between elements of variable length.
_SEPARATOR: Final = "\x1d"
#: ISO/IEC 15424 symbology identifiers that hand scanners put in front: ]C1 (GS1-128), ]d2, ]Q3, ]e0 …
_SYMBOLOGY: Final = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_BRACKETED: Final = re.compile(r"\(([0-9]{2,4})\)([^(]+)")
_NFC_UID: Final = re.compile(r"(?:[0-9A-Fa-f]{2}[:\- ]?){3,9}[0-9A-Fa-f]{2}")
_HOST: Final = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::[0-9]+)?\Z")

#: Application identifiers with a length of their own, digits after the identifier (General Specifications,
#: figure 7.8.5-2); every other element runs to the next FNC1.
_FIXED: Final = {
    "00": 18, "01": 14, "02": 14, "03": 14, "04": 16,
    "11": 6, "12": 6, "13": 6, "14": 6, "15": 6, "16": 6, "17": 6, "18": 6, "19": 6, "20": 2,
    "41": 13,
}  # fmt: skip
_VARIABLE: Final = ("8004", "240", "241", "250", "10", "21", "22")
_MOST_ELEMENTS: Final = 12


class Scheme(StrEnum):
    """The kinds of name an asset can carry. All but the first two are kept as `Identifier` rows."""

    PASSPORT = "passport"  # our own code
    SHORT_CODE = "short_code"  # its first half, as people say it on the phone
    GS1_ASSET = "gs1:8004"  # GIAI
    GS1_PRODUCT = "gs1:01+21"  # "GTIN14/SERIAL"
    SERIAL = "serial"
    NFC = "nfc"  # UID: upper-case hexadecimal digits without separators
    CODE128 = "code128"
    LINK = "link"  # the manufacturer's URL


@dataclass(frozen=True, slots=True)
class Candidate:
    """One reading of what was scanned."""

    scheme: Scheme
    value: str


def candidates(text: str) -> tuple[Candidate, ...]:
    """Return every reading of a scan, the most certain first, each once; () for nothing readable."""
    clean = _clean(text)
    if not clean:
        return ()
    found: dict[Candidate, None] = {}
    for candidate in _readings(clean):
        if 0 < len(candidate.value) <= LONGEST_VALUE:
            found.setdefault(candidate)
    return tuple(found)


def product_value(gtin: str, serial: str) -> str:
    """Return the one form in which a product identifier is kept: GTIN as 14 digits, a slash, the serial.

    Raises `UnprintableIdentifier` for what is no GTIN.
    """
    return f"{gtin14(gtin)}/{serial}"


def canonical(scheme: str, value: str) -> str:
    """Return the form in which an identifier's value is kept, so that a scan finds it again.

    An unknown scheme, or a value that does not fit its scheme, stays as it was written.
    """
    if scheme == Scheme.NFC and _NFC_UID.fullmatch(value):
        return _bare_uid(value)
    if scheme in (Scheme.GS1_PRODUCT, Scheme.GS1_ASSET):
        for candidate in candidates(value):
            if candidate.scheme == scheme:
                return candidate.value
    if scheme == Scheme.GS1_PRODUCT and "/" in value:
        gtin, _, serial = value.partition("/")
        try:
            return product_value(gtin, serial)
        except UnprintableIdentifier:
            return value
    return value


def _readings(text: str) -> Iterator[Candidate]:
    address = _address(text)
    if address is not None:
        yield from _in_address(address)
        yield Candidate(Scheme.LINK, text)
        yield Candidate(Scheme.LINK, text.partition("#")[0].rstrip("/"))
        return
    yield from _in_elements(text)
    plain = _SYMBOLOGY.sub("", text, count=1) if _SYMBOLOGY.match(text) else text
    plain = plain.replace(_SEPARATOR, "")
    yield from _codes(plain)
    yield Candidate(Scheme.SERIAL, plain)
    yield Candidate(Scheme.CODE128, plain)
    if _NFC_UID.fullmatch(plain):
        yield Candidate(Scheme.NFC, _bare_uid(plain))


def _clean(text: str) -> str:
    """Return the scan without surrounding space and control characters; FNC1 alone stays."""
    kept = (
        c
        for c in unicodedata.normalize("NFC", text[:LONGEST_SCAN])
        if c == _SEPARATOR or unicodedata.category(c) not in {"Cc", "Cs"}
    )
    return "".join(kept).strip().strip("\ufeff\u200b")


def _address(text: str) -> SplitResult | None:
    """Return the parts of an http(s) address, also of one written without its scheme."""
    lowered = text.lower()
    try:
        if lowered.startswith(("http://", "https://")):
            return urlsplit(text)
        host, slash, _ = text.partition("/")
        if slash and _HOST.match(host):
            return urlsplit("https://" + text)
    except ValueError:  # such as an unclosed bracket of an IPv6 address
        return None
    return None


def _in_address(address: SplitResult) -> Iterator[Candidate]:
    segments = [unquote(part) for part in address.path.split("/") if part]
    pairs = list(pairwise(segments))
    for name, value in pairs:
        if name.lower() == "p":
            yield from _passport(value)
    # A Digital Link may stand below any path; its keys are pairs of segments.
    for name, value in pairs:
        if name == "8004":
            yield Candidate(Scheme.GS1_ASSET, value)
        if name == "01":
            serial = next((after for key, after in pairs if key == "21"), None)
            yield from _product(value, serial)


def _in_elements(text: str) -> Iterator[Candidate]:
    elements = dict(_BRACKETED.findall(text)) if text.startswith("(") else _unbracketed(text)
    elements = {ai: value.strip().strip(_SEPARATOR) for ai, value in elements.items()}
    if "8004" in elements:
        yield Candidate(Scheme.GS1_ASSET, elements["8004"])
    if "01" in elements:
        yield from _product(elements["01"], elements.get("21"))


def _unbracketed(text: str) -> dict[str, str]:
    """Return the elements of a string such as 01 + GTIN + 21 + serial; {} when it does not read as one."""
    rest = _SYMBOLOGY.sub("", text, count=1) if _SYMBOLOGY.match(text) else text
    found: dict[str, str] = {}
    for _ in range(_MOST_ELEMENTS):
        rest = rest.lstrip(_SEPARATOR)
        if not rest:
            return found
        fixed = _FIXED.get(rest[:2])
        if fixed is not None:
            ai = rest[:2]
            value, rest = rest[2 : 2 + fixed], rest[2 + fixed :]
            if len(value) != fixed or not value.isdigit():
                return {}
        else:
            known = next((ai for ai in _VARIABLE if rest.startswith(ai)), None)
            if known is None:
                # An element that names no asset: skip to the next FNC1, if the string read well so far.
                if not found or _SEPARATOR not in rest:
                    return found
                rest = rest.partition(_SEPARATOR)[2]
                continue
            ai = known
            value, _, rest = rest[len(ai) :].partition(_SEPARATOR)
        found.setdefault(ai, value)
    return found


def _product(gtin: str, serial: str | None) -> Iterator[Candidate]:
    if serial:
        try:
            yield Candidate(Scheme.GS1_PRODUCT, product_value(gtin, serial))
        except UnprintableIdentifier:
            return


def _codes(text: str) -> Iterator[Candidate]:
    yield from _passport(text)
    # The first half alone, with or without its dash, is how people read a code out.
    try:
        doubled = normalise_code(f"{text}{ALPHABET[0] * (CODE_LENGTH - _SHORT_CODE_LENGTH)}")
    except BadPassportCode:
        return
    yield Candidate(Scheme.SHORT_CODE, doubled[:_SHORT_CODE_LENGTH])


def _passport(text: str) -> Iterator[Candidate]:
    try:
        yield Candidate(Scheme.PASSPORT, normalise_code(text))
    except BadPassportCode:
        return


def _bare_uid(text: str) -> str:
    return re.sub(r"[:\- ]", "", text).upper()
