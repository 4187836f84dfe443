"""What a scanned address answers, line by line of the table in the resolver's description."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.assets import tables as stored
from fsm.assets.resolver import (
    JSON_LD_TYPE,
    LINKSET_TYPE,
    Document,
    Link,
    LinkType,
    Missing,
    MissingPage,
    Passport,
    Product,
    Redirect,
    Standing,
    answer,
    individual_product,
    linkset,
    resolver_description,
    short_link_type,
)

URL = "https://id.acme.com/p/7k3m9qx2abcdefgh"
PAGE = URL + "/page"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

ACTIVE = Passport(
    Standing.ACTIVE,
    URL,
    PAGE,
    links=tuple(
        Link(kind, f"https://id.acme.com/to/{kind.value.partition(':')[2]}", kind.value, "en")
        for kind in LinkType
    ),
    product=Product("Gen2", "Otis", "SN-0815-4711", "https://id.acme.com/photo"),
)
UNCLAIMED = Passport(Standing.UNCLAIMED, URL, PAGE)
RETIRED = replace(ACTIVE, standing=Standing.RETIRED)
UNKNOWN = Passport(Standing.UNKNOWN, URL, PAGE)
FORWARDED = Passport(Standing.FORWARDED, URL, PAGE, forward_to="https://new.example/x?a=1")


def test_a_browser_is_sent_to_the_public_page() -> None:
    for accept in (None, "", "*/*", BROWSER, "image/png"):
        reply = answer(ACTIVE, accept=accept)
        assert isinstance(reply, Redirect)
        assert (reply.status, reply.location) == (307, PAGE)


def test_the_chosen_language_comes_along_and_other_parameters_do_not() -> None:
    reply = answer(ACTIVE, query="utm=x&lang=ru&lang=en", accept=BROWSER)
    assert isinstance(reply, Redirect)
    assert reply.location == PAGE + "?lang=ru"


@pytest.mark.parametrize(
    ("query", "accept"),
    [
        ("", LINKSET_TYPE),
        ("", f"{LINKSET_TYPE}, text/html;q=0.9"),
        ("linkType=linkset", BROWSER),
        ("linkType=linkset", JSON_LD_TYPE),
        ("linkType=all", None),
        ("lang=ru&linkType=LINKSET", None),
    ],
)
def test_the_linkset_is_had_by_accept_and_by_link_type(query: str, accept: str | None) -> None:
    reply = answer(ACTIVE, query=query, accept=accept)
    assert isinstance(reply, Document)
    assert (reply.status, reply.media_type) == (200, LINKSET_TYPE)
    assert reply.body == linkset(ACTIVE)


def test_the_linkset_is_rfc_9264_json() -> None:
    body = json.loads(json.dumps(linkset(ACTIVE)))
    assert list(body) == ["linkset"]
    (context,) = body["linkset"]
    relations = {key: value for key, value in context.items() if key != "anchor"}
    assert context["anchor"] == URL
    assert relations["https://ref.gs1.org/voc/defaultLink"][0]["href"] == PAGE
    assert relations["https://ref.gs1.org/voc/dpp"] == [
        {
            "href": "https://id.acme.com/to/dpp",
            "title": "gs1:dpp",
            "type": "text/html",
            "hreflang": ["en"],
        }
    ]
    assert relations["https://id.acme.com/voc/createRequest"]
    # An extension relation is a URI (RFC 8288, 2.1.2) and its targets are always a list.
    assert all(key.startswith("https://") for key in relations)
    assert all(isinstance(targets, list) for targets in relations.values())


@pytest.mark.parametrize("kind", LinkType)
def test_every_link_type_leads_to_its_target(kind: LinkType) -> None:
    prefix, _, name = kind.value.partition(":")
    vocabulary = "https://id.acme.com/voc/" if prefix == "fsm" else "https://ref.gs1.org/voc/"
    for asked in (kind.value, vocabulary + name, (vocabulary + name).replace("/", "%2F")):
        reply = answer(ACTIVE, query=f"linkType={asked}", accept=LINKSET_TYPE)
        assert isinstance(reply, Redirect)
        assert (reply.status, reply.location) == (307, f"https://id.acme.com/to/{name}")


def test_older_homes_of_gs1s_vocabulary_are_understood() -> None:
    for home in ("http://gs1.org/voc/", "https://gs1.org/voc/", "https://www.gs1.org/voc/"):
        assert short_link_type(home + "dpp", URL) == "gs1:dpp"
    assert short_link_type("https://evil.example/voc/dpp", URL) == "https://evil.example/voc/dpp"


def test_the_default_link_may_be_asked_for_by_name() -> None:
    reply = answer(ACTIVE, query="linkType=gs1:defaultLink")
    assert isinstance(reply, Redirect)
    assert reply.location == PAGE


@pytest.mark.parametrize("asked", ["gs1:pip", "nonsense", "gs1:DPP", "https://ref.gs1.org/voc/"])
def test_a_link_that_is_not_kept_is_not_replaced_by_another(asked: str) -> None:
    reply = answer(ACTIVE, query=f"linkType={asked}", accept=BROWSER)
    assert isinstance(reply, MissingPage)
    assert (reply.status, reply.reason) == (404, Missing.NO_SUCH_LINK)


def test_json_ld_describes_the_machine_as_an_individual_product() -> None:
    reply = answer(ACTIVE, accept=JSON_LD_TYPE)
    assert isinstance(reply, Document)
    assert reply.media_type == JSON_LD_TYPE
    assert reply.body == {
        "@context": "https://schema.org",
        "@type": "IndividualProduct",
        "@id": URL,
        "url": URL,
        "name": "Otis Gen2",
        "serialNumber": "SN-0815-4711",
        "model": {"@type": "ProductModel", "name": "Gen2"},
        "manufacturer": {"@type": "Organization", "name": "Otis"},
        "image": "https://id.acme.com/photo",
    }


def test_what_is_not_known_or_not_to_be_seen_is_left_out() -> None:
    assert individual_product(URL, Product()).keys() == {"@context", "@type", "@id", "url"}


def test_an_unclaimed_code_has_a_page_and_links_but_no_product() -> None:
    page = answer(UNCLAIMED, accept=JSON_LD_TYPE)
    assert isinstance(page, Redirect)
    assert page.status == 307
    links = answer(UNCLAIMED, accept=LINKSET_TYPE)
    assert isinstance(links, Document)
    assert links.body["linkset"][0]["anchor"] == URL


@pytest.mark.parametrize("accept", [BROWSER, LINKSET_TYPE, JSON_LD_TYPE, None])
@pytest.mark.parametrize("query", ["", "linkType=linkset", "linkType=gs1:dpp"])
def test_retired_is_410_and_unknown_404_whatever_is_asked(query: str, accept: str | None) -> None:
    gone, unknown = (answer(p, query=query, accept=accept) for p in (RETIRED, UNKNOWN))
    assert isinstance(gone, MissingPage)
    assert (gone.status, gone.reason) == (410, Missing.RETIRED_CODE)
    assert isinstance(unknown, MissingPage)
    assert (unknown.status, unknown.reason) == (404, Missing.UNKNOWN_CODE)


def test_a_forwarded_code_hands_everything_to_its_successor() -> None:
    reply = answer(FORWARDED, query="linkType=gs1:dpp&lang=ru", accept=LINKSET_TYPE)
    assert isinstance(reply, Redirect)
    assert reply.status == 308
    assert reply.location == "https://new.example/x?a=1&linkType=gs1:dpp&lang=ru"
    plain = answer(FORWARDED)
    assert isinstance(plain, Redirect)
    assert plain.location == "https://new.example/x?a=1"


def test_nothing_in_a_query_can_end_the_location_header() -> None:
    reply = answer(FORWARDED, query="a=\r\nSet-Cookie: x=1&b=ж")
    assert isinstance(reply, Redirect)
    assert reply.location.isascii()
    assert reply.location.isprintable()
    assert "%0D%0A" in reply.location


def test_only_a_forwarded_code_has_a_successor() -> None:
    with pytest.raises(ValueError, match="successor"):
        Passport(Standing.FORWARDED, URL, PAGE)
    with pytest.raises(ValueError, match="successor"):
        replace(ACTIVE, forward_to="https://new.example/")


@pytest.mark.parametrize("passport", [ACTIVE, UNCLAIMED, RETIRED, UNKNOWN, FORWARDED])
@pytest.mark.parametrize("accept", [BROWSER, LINKSET_TYPE])
def test_every_answer_is_open_to_other_sites_and_kept_by_no_cache(
    passport: Passport, accept: str
) -> None:
    headers = answer(passport, accept=accept).headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Cache-Control"] == "no-store"
    assert "Accept" in headers["Vary"]


def test_a_good_code_says_where_its_linkset_is() -> None:
    assert answer(ACTIVE).headers["Link"] == (
        f'<{URL}?linkType=linkset>; rel="linkset"; type="application/linkset+json"'
    )
    assert "Link" not in answer(UNKNOWN).headers


def test_every_stored_state_of_a_code_has_a_standing() -> None:
    assert {status.value for status in stored.PassportStatus} == set(Standing) - {Standing.UNKNOWN}


@given(st.text(max_size=300), st.text(max_size=100), st.sampled_from(list(Standing)))
def test_every_request_has_an_answer(query: str, accept: str, standing: Standing) -> None:
    passport = FORWARDED if standing is Standing.FORWARDED else replace(ACTIVE, standing=standing)
    assert answer(passport, query=query, accept=accept).status in {200, 307, 308, 404, 410}


def test_a_query_of_a_thousand_fields_is_answered() -> None:
    assert answer(ACTIVE, query="a=1&" * 1000 + "linkType=linkset").status == 307
    assert answer(ACTIVE, query=";".join("lang=x" for _ in range(1000))).status == 307


def test_the_resolver_describes_itself_and_claims_gs1_keys_only_with_a_prefix() -> None:
    told = resolver_description(
        root="https://id.acme.com/", name="ACME", has_gs1_prefix=True, support_phone="+49 30 12-3"
    )
    assert told["resolverRoot"] == "https://id.acme.com"
    assert told["supportedPrimaryKeys"] == ["01", "8004"]
    assert told["contact"] == {"fn": "ACME", "hasTelephone": "tel:+4930123"}
    assert {"namespace": "https://id.acme.com/voc/", "prefix": "fsm:"} in told["supportedLinkType"]
    without = resolver_description(root="https://id.acme.com", name="ACME", has_gs1_prefix=False)
    assert without["supportedPrimaryKeys"] == []
