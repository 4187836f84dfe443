"""Addresses to positions, by a server that speaks Nominatim's search API, where one is configured.

A lookup is help, never a condition: whatever the geocoder does, the site is saved, and the answer says how
the lookup went. No transaction is open while the geocoder is asked.
"""

import asyncio
import logging
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from fsm.customers.tables import Site
from fsm.languages import by_language
from fsm.problems import Problem
from fsm.settings import Settings

log = logging.getLogger("fsm.customers.geocoding")

TIMEOUT_S = 5.0
"""How long the geocoder may stay silent; a whole lookup may take twice that."""


class NoGeocoder(Problem):
    code, status, title = "no-geocoder", 409, "No geocoder is configured"


class Outcome(StrEnum):
    FOUND = "found"
    NOT_FOUND = "not_found"
    UNAVAILABLE = "unavailable"
    NO_ADDRESS = "no_address"


_SAID = by_language("fsm/customers/messages", "geocoding")
SENTENCES = {one: {language: said[one] for language, said in _SAID.items()} for one in Outcome}
"""What each outcome means to a person, by language."""


@dataclass(frozen=True, slots=True)
class Address:
    """What is looked up: street and house as written, then city, region and country (ISO 3166-1)."""

    street: str
    city: str
    region: str
    country: str

    @classmethod
    def of(cls, site: Site) -> "Address":
        return cls(site.address, site.city, site.region, site.country)

    @property
    def text(self) -> str:
        return ", ".join(part for part in (self.street, self.city, self.region) if part.strip())


@dataclass(frozen=True, slots=True)
class Lookup:
    """How a lookup went; a position in degrees WGS 84 exactly when it was found."""

    outcome: Outcome
    latitude: float | None = None
    longitude: float | None = None


def _geocoder(url: str, user_agent: str, timeout_s: float) -> Any:
    # Imported here: geopy loads every geocoder it knows, half a second at each start.
    from geopy.adapters import URLLibAdapter
    from geopy.geocoders import Nominatim

    parts = urlsplit(url)
    # The adapter is named, because geopy otherwise takes whichever HTTP library happens to be installed.
    return Nominatim(
        scheme=parts.scheme or "https",
        domain=(parts.netloc + parts.path).strip("/"),
        user_agent=user_agent,
        timeout=timeout_s,
        adapter_factory=URLLibAdapter,
    )


def _ask(url: str, user_agent: str, address: Address, timeout_s: float) -> Lookup:
    """Ask the geocoder and wait for it. Anything but a usable answer is `UNAVAILABLE`."""
    from geopy.exc import GeopyError

    try:
        place = _geocoder(url, user_agent, timeout_s).geocode(
            address.text, country_codes=address.country.lower() or None
        )
        if place is None:
            return Lookup(Outcome.NOT_FOUND)
        # Read from the answer itself: geopy's Point wraps a longitude of 999 into a plausible one.
        latitude, longitude = float(place.raw["lat"]), float(place.raw["lon"])
    except (GeopyError, OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        log.warning("the geocoder failed: %s: %s", type(error).__name__, str(error)[:200])
        return Lookup(Outcome.UNAVAILABLE)
    if not (math.isfinite(latitude) and math.isfinite(longitude)) or not (
        -90 <= latitude <= 90 and -180 <= longitude <= 180
    ):
        log.warning("the geocoder named a position that is not on Earth")
        return Lookup(Outcome.UNAVAILABLE)
    return Lookup(Outcome.FOUND, latitude, longitude)


async def look_up(settings: Settings, address: Address, *, timeout_s: float = TIMEOUT_S) -> Lookup:
    """Return the position of an address. Raises only `NoGeocoder`, when none is configured."""
    if settings.geocoder_url is None:
        raise NoGeocoder(
            "No geocoder is configured, so positions are set by hand. "
            "An operator configures one with FSM_GEOCODER_URL."
        )
    if not address.text:
        return Lookup(Outcome.NO_ADDRESS)
    asking = asyncio.to_thread(
        _ask, settings.geocoder_url, settings.geocoder_user_agent, address, timeout_s
    )
    try:
        # The timeout inside is for each read; a server that drips a byte at a time would never end.
        return await asyncio.wait_for(asking, 2 * timeout_s)
    except TimeoutError:
        log.warning("the geocoder took longer than %s s", 2 * timeout_s)
        return Lookup(Outcome.UNAVAILABLE)
