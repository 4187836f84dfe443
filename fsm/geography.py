"""Which time zones and countries there are: IANA names and ISO 3166-1 codes, both from the zone database."""

import zoneinfo
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

_NOT_PLACES = ("posix/", "right/", "SystemV/")
"""Folders that a system's zone database may hold beside the places: the same rules in another form."""


@cache
def zones() -> frozenset[str]:
    """Return every zone that a place may have: IANA's Area/Place names, and UTC.

    Left out is what names no place or moves under people's feet: `localtime`, `Factory`, POSIX rules such
    as `EST5EDT`, and abbreviations such as `EST`.
    """
    return frozenset(
        name
        for name in zoneinfo.available_timezones()
        if name == "UTC" or ("/" in name and not name.startswith(_NOT_PLACES))
    )


@cache
def countries() -> frozenset[str]:
    """Return the two-letter country codes of ISO 3166-1."""
    table = files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text(encoding="utf-8")
    return frozenset(
        line.split("\t")[0] for line in table.splitlines() if line and not line.startswith("#")
    )


def check_zone(name: str) -> str:
    """Return `name` when it is an IANA zone of a place; else a `ValueError` that offers near ones."""
    if name in zones():
        return name
    by_lower = {zone.lower(): zone for zone in zones()}
    near = [by_lower[zone] for zone in get_close_matches(name.lower(), by_lower, n=3)]
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(
        f"'{name[:60]}' is not a time zone; write an IANA name such as Europe/Paris.{hint}"
    )


def check_country(code: str) -> str:
    """Return the code in capitals when ISO 3166-1 has it; else a `ValueError`. Empty means unknown."""
    capitals = code.upper()
    if capitals and capitals not in countries():
        raise ValueError(f"'{code[:20]}' is not a two-letter country code, such as FR.")
    return capitals
