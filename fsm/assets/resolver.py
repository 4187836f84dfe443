"""What a scanned address answers: a decision without the world in it.

The route looks the code up, tells this module what it found and what the client asked for, and
sends what comes back. Order of decisions: forwarded, unknown, retired; then `linkType`; then
`Accept`; then the page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit, urlunsplit

from fsm.negotiation import best_media_type

LINKSET_TYPE: Final = "application/linkset+json"
JSON_LD_TYPE: Final = "application/ld+json"
HTML_TYPE: Final = "text/html"

GS1_VOCABULARY: Final = "https://ref.gs1.org/voc/"
#: Earlier homes of the same vocabulary, still printed in documents and sent by readers.
_GS1_ALIASES: Final = (
    "https://ref.gs1.org/voc/",
    "http://ref.gs1.org/voc/",
    "https://gs1.org/voc/",
    "http://gs1.org/voc/",
    "https://www.gs1.org/voc/",
    "http://www.gs1.org/voc/",
)
#: `all` was the word before RFC 9264 gave the list its name.
_LINKSET_WORDS: Final = frozenset({"linkset", "all"})
_MOST_PARAMETERS: Final = 50


class Standing(StrEnum):
    """What became of a code."""

    ACTIVE = "active"
    UNCLAIMED = "unclaimed"  # printed, not yet attached to an asset
    RETIRED = "retired"
    FORWARDED = "forwarded"  # another system answers for it now
    UNKNOWN = "unknown"


class LinkType(StrEnum):
    """The kinds of link a passport can have, in their short form."""

    SERVICE_INFO = "gs1:serviceInfo"
    INSTRUCTIONS = "gs1:instructions"
    SUPPORT = "gs1:support"
    RECALL_STATUS = "gs1:recallStatus"
    DPP = "gs1:dpp"
    CREATE_REQUEST = "fsm:createRequest"


@dataclass(frozen=True, slots=True)
class Link:
    """One target: `href` is absolute; `language` a tag such as `en`; `media_type` what is to
    be had there.
    """

    type: LinkType
    href: str
    title: str
    language: str | None = None
    media_type: str = HTML_TYPE


@dataclass(frozen=True, slots=True)
class Product:
    """What may be said about the machine to whoever asked; the caller leaves out what they may
    not see.
    """

    model: str | None = None
    manufacturer: str | None = None
    serial_number: str | None = None
    image_url: str | None = None


@dataclass(frozen=True, slots=True)
class Passport:
    """What the look-up found. `url` is the code's own absolute address, `page_url` its public page.

    `forward_to` is the successor's absolute address and is set exactly when the code is forwarded.
    """

    standing: Standing
    url: str
    page_url: str
    links: tuple[Link, ...] = ()
    product: Product | None = None
    forward_to: str | None = None

    def __post_init__(self) -> None:
        if (self.standing is Standing.FORWARDED) != (self.forward_to is not None):
            raise ValueError("A forwarded code, and no other, has a successor's address.")


# --- Answers -------------------------------------------------------------------------------------

#: Anybody's page may read the answers; nothing in them depends on who is signed in.
CORS_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Accept, Accept-Language",
    "Access-Control-Expose-Headers": "Link, Location",
}


@dataclass(frozen=True, slots=True)
class Redirect:
    """307 to a target of ours, 308 to a successor system."""

    status: int
    location: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """200 with a JSON body of `media_type`."""

    media_type: str
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200


class Missing(StrEnum):
    """Why there is only a page of apology; each still takes "this label is wrong"."""

    UNKNOWN_CODE = "unknown_code"  # 404
    RETIRED_CODE = "retired_code"  # 410
    NO_SUCH_LINK = "no_such_link"  # 404: the code is good, that kind of link is not kept for it


@dataclass(frozen=True, slots=True)
class MissingPage:
    """404 or 410 with a page."""

    status: int
    reason: Missing
    headers: dict[str, str] = field(default_factory=dict)


Answer = Redirect | Document | MissingPage


def answer(passport: Passport, *, query: str = "", accept: str | None = None) -> Answer:
    """Return what to send for a GET or HEAD of a passport's address.

    `query` is the raw query string without `?`; `accept` the header as it came. A type nobody can
    give is no reason to refuse: the page is what a person with an odd client needs.
    """
    if passport.forward_to is not None:
        return Redirect(308, _with_query(passport.forward_to, query), _headers())
    if passport.standing is Standing.UNKNOWN:
        return MissingPage(404, Missing.UNKNOWN_CODE, _headers())
    if passport.standing is Standing.RETIRED:
        return MissingPage(410, Missing.RETIRED_CODE, _headers())
    headers = _headers(passport)
    wanted = _parameter(query, "linkType")
    if wanted:
        return _answer_link_type(passport, wanted, headers)
    offered = [HTML_TYPE, LINKSET_TYPE]
    if passport.product is not None:
        offered.append(JSON_LD_TYPE)
    chosen = best_media_type(accept, offered)
    if chosen == LINKSET_TYPE:
        return Document(LINKSET_TYPE, linkset(passport), headers)
    if chosen == JSON_LD_TYPE and passport.product is not None:
        return Document(JSON_LD_TYPE, individual_product(passport.url, passport.product), headers)
    language = _parameter(query, "lang")
    own_query = urlencode({"lang": language}) if language else ""
    return Redirect(307, _with_query(passport.page_url, own_query), headers)


def short_link_type(asked: str, passport_url: str) -> str:
    """Return the short form (`gs1:support`) of a link type given short or as a full URI."""
    for namespace in _GS1_ALIASES:
        if asked.startswith(namespace):
            return "gs1:" + asked.removeprefix(namespace)
    own = own_vocabulary(passport_url)
    return "fsm:" + asked.removeprefix(own) if asked.startswith(own) else asked


def own_vocabulary(passport_url: str) -> str:
    """Return the namespace of our own link types: a URI under the host that printed the code."""
    parts = urlsplit(passport_url)
    return f"{parts.scheme}://{parts.netloc}/voc/"


def linkset(passport: Passport) -> dict[str, Any]:
    """Return the passport's links as RFC 9264 JSON; relations are full URIs, as extension
    relations must be.
    """
    page = {"href": passport.page_url, "title": "Passport", "type": HTML_TYPE}
    context: dict[str, Any] = {
        "anchor": passport.url,
        GS1_VOCABULARY + "defaultLink": [page],
    }
    for link in passport.links:
        target: dict[str, Any] = {"href": link.href, "title": link.title, "type": link.media_type}
        if link.language is not None:
            target["hreflang"] = [link.language]
        context.setdefault(_relation(link.type, passport.url), []).append(target)
    return {"linkset": [context]}


def individual_product(url: str, product: Product) -> dict[str, Any]:
    """Return the machine as a schema.org IndividualProduct; what is not known is left out."""
    body: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "IndividualProduct",
        "@id": url,
        "url": url,
    }
    name = " ".join(part for part in (product.manufacturer, product.model) if part)
    if name:
        body["name"] = name
    if product.serial_number:
        body["serialNumber"] = product.serial_number
    if product.model:
        body["model"] = {"@type": "ProductModel", "name": product.model}
    if product.manufacturer:
        body["manufacturer"] = {"@type": "Organization", "name": product.manufacturer}
    if product.image_url:
        body["image"] = product.image_url
    return body


def resolver_description(
    *, root: str, name: str, has_gs1_prefix: bool, support_phone: str | None = None
) -> dict[str, Any]:
    """Return the document at `/.well-known/gs1resolver` for one passport host.

    `root` is `https://HOST`. Without a GS1 company prefix the list of supported keys is empty:
    the host answers links for its own codes and claims nothing about GS1's.
    """
    root = root.rstrip("/")
    contact: dict[str, Any] = {"fn": name}
    if support_phone:
        contact["hasTelephone"] = f"tel:{''.join(c for c in support_phone if c in '+0123456789')}"
    return {
        "name": name,
        "resolverRoot": root,
        "supportedPrimaryKeys": ["01", "8004"] if has_gs1_prefix else [],
        "supportedLinkType": [
            {"namespace": GS1_VOCABULARY, "prefix": "gs1:"},
            {"namespace": own_vocabulary(root + "/"), "prefix": "fsm:"},
        ],
        "linkTypeDefaultCanBeLinkset": False,
        "contact": contact,
    }


def _answer_link_type(passport: Passport, asked: str, headers: dict[str, str]) -> Answer:
    if asked.lower() in _LINKSET_WORDS:
        return Document(LINKSET_TYPE, linkset(passport), headers)
    short = short_link_type(asked, passport.url)
    if short == "gs1:defaultLink":
        return Redirect(307, passport.page_url, headers)
    for link in passport.links:
        if link.type == short:
            return Redirect(307, link.href, headers)
    # Sending the page instead would be a 200 for something that does not exist, and a program
    # that asked for the recall status would take the page for it.
    return MissingPage(404, Missing.NO_SUCH_LINK, headers)


def _relation(link_type: LinkType, passport_url: str) -> str:
    prefix, _, name = link_type.value.partition(":")
    return (GS1_VOCABULARY if prefix == "gs1" else own_vocabulary(passport_url)) + name


def _headers(passport: Passport | None = None) -> dict[str, str]:
    # Nothing is cached on the way: a code can be claimed, retired or forwarded at any minute.
    headers = CORS_HEADERS | {"Vary": "Accept, Accept-Language", "Cache-Control": "no-store"}
    if passport is not None:
        headers["Link"] = f'<{passport.url}?linkType=linkset>; rel="linkset"; type="{LINKSET_TYPE}"'
    return headers


def _with_query(url: str, query: str) -> str:
    """Return `url` with a query added to whatever it already has; nothing in it can end a header."""
    if not query:
        return url
    parts = urlsplit(url)
    clean = quote(query, safe="=&%+:/?@!$'()*,;-._~")
    joined = "&".join(part for part in (parts.query, clean) if part)
    return urlunsplit(parts._replace(query=joined))


def _parameter(query: str, name: str) -> str | None:
    """Return the first value of a query parameter; an endless query is treated as having none."""
    if query.count("&") >= _MOST_PARAMETERS:
        return None
    values = parse_qs(query).get(name)
    return values[0].strip() if values else None
