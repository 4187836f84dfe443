"""The address printed on a machine: codes, the host they live under, and the URLs made of both.

A label is printed once and outlives the software that printed it, so everything here is strict: a
URL that might not resolve, not scan or not be typed by hand is refused before it reaches a
printer.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from fsm.problems import Problem

#: Crockford's base32 alphabet in lower case: no i, l, o (misread) and no u (accidental words).
ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
CODE_LENGTH: Final = 16
_RANDOM_BYTES: Final = 10  # 80 bits = 16 characters of 5 bits, nothing left over

#: A URL may not be longer (GS1 and IEC 61406-1 readers are only tested up to here).
LONGEST_URL: Final = 255
#: Above this the symbol needs version 7 or more and grows too large for common labels.
LONG_URL: Final = 72

# What a reader may mean by a character that the alphabet does not have; the second line is how
# the same shapes come out of a keyboard left in Russian layout.
_MEANT_LATIN: Final = {"o": "0", "i": "1", "l": "1"}
_MEANT_CYRILLIC: Final = {
    "а": "a", "в": "b", "с": "c", "е": "e", "н": "h", "к": "k", "м": "m",
    "о": "0", "р": "p", "т": "t", "у": "y", "х": "x",
}  # fmt: skip
_MEANT: Final = str.maketrans(_MEANT_LATIN | _MEANT_CYRILLIC)
_CANONICAL: Final = re.compile(f"[{ALPHABET}]{{{CODE_LENGTH}}}")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._-]+\Z")
_DNS_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_ENDS_IN_NUMBER: Final = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
#: Names that no public DNS server ever answers: a label carrying one is dead from the start.
_NEVER_RESOLVED: Final = frozenset({"localhost", "local", "invalid"})


class BadPassportCode(Problem):
    """What was typed or scanned cannot be a passport code."""

    code, status, title = "bad-passport-code", 422, "Not a passport code"


class BadPassportHost(Problem):
    """The name under which codes would be printed cannot carry them."""

    code, status, title = "bad-passport-host", 422, "Not a host for passports"


class UnprintableIdentifier(Problem):
    """An identifier that may stay in the record but cannot become a URL on a label."""

    code, status, title = "unprintable-identifier", 422, "This identifier cannot be on a label"


@dataclass(frozen=True, slots=True)
class PassportUrl:
    """A URL fit for a label; `text` is the one string for the symbol and for an NFC tag.

    `is_trial` means it lives under the application's own address: it works today and dies with
    the server's name, and a label made from it says so.
    """

    text: str
    is_trial: bool = False

    @property
    def is_long(self) -> bool:
        """Whether the URL is allowed but makes an uncomfortably large symbol."""
        return len(self.text) > LONG_URL


# --- Codes ---------------------------------------------------------------------------------------


def new_code() -> str:
    """Return a fresh code of 80 random bits. Not derived from anything, so nothing can be read
    from it.
    """
    number = int.from_bytes(secrets.token_bytes(_RANDOM_BYTES), "big")
    return "".join(ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))


def new_codes(count: int) -> tuple[str, ...]:
    """Return `count` different fresh codes, for labels printed before they are attached."""
    if count < 0:
        raise ValueError("A batch cannot have a negative size.")
    codes: dict[str, None] = {}
    while len(codes) < count:
        codes[new_code()] = None
    return tuple(codes)


def normalise_code(typed: str) -> str:
    """Return the code a person meant, or raise `BadPassportCode`.

    Upper case, spaces, dashes of any kind, full-width forms, o/i/l for 0/1/1 and Cyrillic letters
    of the same shape are understood. A u, or a wrong length, is not guessed at.
    """
    if _CANONICAL.fullmatch(typed):  # as nearly all are: scanned, not typed
        return typed
    folded = unicodedata.normalize("NFKC", typed[:200]).lower().translate(_MEANT)
    code = "".join(c for c in folded if not _is_decoration(c))
    if len(code) != CODE_LENGTH:
        raise BadPassportCode(
            f"A passport code has {CODE_LENGTH} characters, this has {len(code)}.",
            length=len(code),
            expected=CODE_LENGTH,
        )
    strange = sorted({c for c in code if c not in ALPHABET})
    if strange:
        raise BadPassportCode(
            f"A passport code never contains {', '.join(repr(c) for c in strange)}.",
            characters=strange,
        )
    return code


def short_code(code: str) -> str:
    """Return the first half of a code as people say it on the phone: `7k3m-9qx2`.

    40 bits: enough to find an asset among one tenant's millions when its model is seen beside it,
    and only ever a search term for people who are signed in. The public page does not take it.
    """
    return f"{code[:4]}-{code[4:8]}"


def grouped_code(code: str) -> str:
    """Return a whole code in groups of four, for typing it in by hand."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


# --- Hosts ---------------------------------------------------------------------------------------


def passport_host(name: str) -> str:
    """Return `name` in lower case, or raise `BadPassportHost`. A DNS name with a dot, never an
    IP address.
    """
    host = name.strip().lower()
    labels = host.split(".")
    if any(sign in host for sign in ":/@[]"):
        raise _bad_host(name, "Give the bare name, without scheme, port or path")
    if not host.isascii():
        raise _bad_host(name, "Write an international name in its xn-- form")
    if len(host) > 253 or not all(_DNS_LABEL.match(label) for label in labels):
        raise _bad_host(name, "A DNS name has letters, digits and hyphens between its dots")
    if _ENDS_IN_NUMBER.match(labels[-1]):
        # The same test that browsers use to tell an IPv4 address from a name.
        raise _bad_host(name, "An IP address changes owner and cannot be on a label")
    if len(labels) < 2 or labels[-1] in _NEVER_RESOLVED:
        raise _bad_host(name, "The name must be found from any phone, so it needs a public domain")
    return host


def _bad_host(name: str, why: str) -> BadPassportHost:
    return BadPassportHost(f"{name[:100]!r} cannot carry passports. {why}.", host=name[:300])


# --- URLs ----------------------------------------------------------------------------------------


def own_url(host: str, code: str) -> PassportUrl:
    """Return `https://HOST/p/CODE` for the tenant's own host."""
    return _fitting(f"https://{passport_host(host)}/p/{normalise_code(code)}")


def trial_url(base: str, code: str) -> PassportUrl:
    """Return the same under the application's own address, for trying things out.

    `base` is `http://` or `https://` with any host and port (`http://127.0.0.1:8000`). Such a URL
    is marked and never belongs on a machine.
    """
    return _fitting(f"{_origin(base)}/p/{normalise_code(code)}", is_trial=True)


@lru_cache(maxsize=64)
def _origin(base: str) -> str:
    """Return scheme, host and port of an address with nothing else, or raise `BadPassportHost`."""
    parts = urlsplit(base.strip())
    try:
        has_port_or_none = parts.port is None or parts.port > 0
    except ValueError:
        has_port_or_none = False
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or not has_port_or_none
        or "@" in parts.netloc
        or parts.path not in {"", "/"}
        or parts.query
        or parts.fragment
    ):
        raise BadPassportHost(f"{base[:100]!r} is not an http or https address.", host=base[:300])
    return f"{parts.scheme}://{parts.netloc.lower()}"


def giai_url(host: str, gs1_prefix: str | None, giai: str) -> PassportUrl:
    """Return `https://HOST/8004/GIAI`: GS1's key for one asset, up to 30 characters, prefix first.

    Refused without a GS1 company prefix of the tenant's own: a made-up `/8004/` is somebody
    else's number.
    """
    prefix = _own_prefix(gs1_prefix)
    value = printable(giai, "GIAI", longest=30)
    if not value.startswith(prefix) or len(value) == len(prefix):
        raise UnprintableIdentifier(
            f"A GIAI is the company prefix {prefix} and a reference of one's own after it.",
            value=giai[:100],
            gs1_prefix=prefix,
        )
    return _fitting(f"https://{passport_host(host)}/8004/{value}")


def gtin_url(host: str, gs1_prefix: str | None, gtin: str, serial: str) -> PassportUrl:
    """Return `https://HOST/01/GTIN14/21/SERIAL`: GS1's key for one piece of a product line.

    The GTIN (12, 13 or 14 digits) must have a right check digit and belong to the tenant's
    prefix; the serial has up to 20 characters.
    """
    prefix = _own_prefix(gs1_prefix)
    number = gtin14(gtin)
    # Position 1 is the packaging level; the company prefix starts at position 2.
    if not number[1:].startswith(prefix):
        raise UnprintableIdentifier(
            f"GTIN {number} does not belong to the company prefix {prefix}.",
            value=gtin[:100],
            gs1_prefix=prefix,
        )
    value = printable(serial, "serial number", longest=20)
    return _fitting(f"https://{passport_host(host)}/01/{number}/21/{value}")


def gtin14(gtin: str) -> str:
    """Return a GTIN as 14 digits, shorter ones (8, 12, 13) padded with zeros; refuse a wrong
    check digit.
    """
    digits = gtin.strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in {8, 12, 13, 14}:
        raise UnprintableIdentifier(
            "A GTIN has 8, 12, 13 or 14 digits and nothing else.", value=gtin[:100]
        )
    padded = digits.zfill(14)
    expected = check_digit(padded[:-1])
    if padded[-1] != expected:
        raise UnprintableIdentifier(
            f"The check digit of GTIN {digits} should be {expected}.",
            value=gtin[:100],
            expected=expected,
        )
    return padded


def check_digit(digits: str) -> str:
    """Return GS1's modulo-10 check digit for the digits before it (General Specifications, 7.9).

    Weights alternate 3, 1, 3 … from the right.
    """
    weighted = sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits)))
    return str(-weighted % 10)


def printable(value: str, what: str, *, longest: int) -> str:
    """Return `value` when it can stand in a URL without any escaping, else refuse it by the name
    `what`.

    GS1 Digital Link would percent-encode other characters and IEC 61406 leaves `%` out; a value
    that satisfies both has only letters, digits, `-`, `.` and `_`.
    """
    if not _UNRESERVED.match(value):
        strange = sorted({c for c in value if not _UNRESERVED.match(c)})
        raise UnprintableIdentifier(
            f"The {what} {value[:60]!r} cannot be on a label: only letters, digits, '-', '.' "
            "and '_' can. It stays in the record; give the asset a code of its own.",
            value=value[:100],
            characters=strange[:20],
        )
    if value in {".", ".."}:
        # Every URL parser on the way removes such a path segment.
        raise UnprintableIdentifier(f"The {what} cannot be only dots.", value=value)
    if len(value) > longest:
        raise UnprintableIdentifier(
            f"The {what} has {len(value)} characters; at most {longest} are allowed.",
            value=value[:100],
            longest=longest,
        )
    return value


def _own_prefix(gs1_prefix: str | None) -> str:
    if gs1_prefix is None:
        raise UnprintableIdentifier(
            "GS1 addresses need a GS1 company prefix of one's own. "
            "Without it use the passport's own code."
        )
    if not (gs1_prefix.isascii() and gs1_prefix.isdigit() and 4 <= len(gs1_prefix) <= 12):
        raise UnprintableIdentifier(
            "A GS1 company prefix has 4 to 12 digits.", gs1_prefix=gs1_prefix[:50]
        )
    return gs1_prefix


def _fitting(text: str, *, is_trial: bool = False) -> PassportUrl:
    if len(text) > LONGEST_URL:
        raise UnprintableIdentifier(
            f"The address has {len(text)} characters; at most {LONGEST_URL} are allowed.",
            length=len(text),
            longest=LONGEST_URL,
        )
    return PassportUrl(text, is_trial=is_trial)


def _is_decoration(character: str) -> bool:
    # Separators, every kind of dash, and invisible characters that come along when text is copied.
    return character.isspace() or unicodedata.category(character) in {"Pd", "Zs", "Cf", "Pc"}
