"""The pages that passers-by see: complete, small, safe, readable, the same in every language."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import tinyhtml5

from fsm.assets.resolver import Missing
from fsm.assets.tables import LabelReason
from fsm.web import pages
from fsm.web.languages import LANGUAGES
from fsm.web.views import (
    AskedView,
    DocumentLink,
    DocumentView,
    ErrorKind,
    ErrorView,
    FormProblem,
    Hint,
    MessageLine,
    MissingView,
    MoveChoice,
    MoveView,
    OpenReport,
    PageView,
    PassportView,
    PriceAnswer,
    PriceField,
    PriceLine,
    PriceLink,
    PriceView,
    RatingField,
    RatingView,
    ReportField,
    StatusView,
    StepName,
    ThanksKind,
    ThanksView,
    ThreadView,
    Typed,
    UnclaimedView,
    WrongLabelField,
    WrongLabelView,
)
from fsm.work_orders.scope_changes.rules import OfferState
from fsm.work_orders.tables import Impact
from fsm.work_orders.threads.tables import Author
from reports.documents.kinds import DocumentKind, DocumentState

NOON = datetime(2025, 11, 21, 12, 0, tzinfo=UTC)
FRAME = {"service_name": "Nordwind", "service_phone": "+49 30 1234567"}

PASSPORT = PassportView(
    path="/p/7k3m9qx2abcdefgh/page",
    short_code="7k3m-9qx2",
    model_name="Gen2 Comfort",
    manufacturer="Otis",
    serial_tail="4711",
    photo_url="/p/7k3m9qx2abcdefgh/photo",
    report_url="/p/7k3m9qx2abcdefgh/reports",
    helped_url="/p/7k3m9qx2abcdefgh/helped",
    wrong_label_url="/p/7k3m9qx2abcdefgh/label",
    report_id="0199-report",
    open_report=OpenReport("token-1", 20 * 60),
    **FRAME,
)
STATUS = StatusView(
    path="/s/secret",
    model_name="Gen2 Comfort",
    zone=ZoneInfo("Europe/Riga"),
    current=StepName.ON_THE_WAY,
    reached_at={StepName.RECEIVED: NOON, StepName.ON_THE_WAY: NOON + timedelta(hours=1)},
    checked_at=NOON + timedelta(hours=2),
    window=(NOON, NOON + timedelta(hours=2)),
    arrival_at=NOON + timedelta(minutes=95),
    technician_first_name="Jānis",
    **FRAME,
)
RATING = RatingView(send_url="/s/secret/rating?lang=en")
RATED = replace(
    RATING, stars=2, nps="0", comment="<Late>", changeable_until=NOON, asks_for_call=True
)
MOVE = MoveView(
    path="/s/secret/move", zone=ZoneInfo("Europe/Riga"), send_url="/s/secret/move?lang=en",
    back_url="/s/secret", choices=[MoveChoice("sealed", NOON, NOON + timedelta(hours=2))],
    is_taken_at_once=True, window=(NOON, NOON), **FRAME,
)  # fmt: skip
PRICE = PriceView(
    path="/o/secret", number="WO-17", model_name="Gen2 Comfort", zone=ZoneInfo("Europe/Riga"),
    lines=[PriceLine("Door <roller>", "2 pc", "€40.00"), PriceLine("Labour", "1.5 h", "")],
    total="€40.00", note="Both are worn", state=OfferState.OPEN, expires_at=NOON,
    sentences={one: f"I {one}." for one in PriceAnswer}, send_url="/o/secret/answer?lang=en", **FRAME,
)  # fmt: skip
LABEL = WrongLabelView(path="/l", code="7k3m", send_url="/l", back_url="/p", **FRAME)
DOCUMENT = DocumentView(
    path="/d/x", kind=DocumentKind.ACT, number="ACT-17", issued_at=NOON, zone=ZoneInfo("Europe/Riga"),
    state=DocumentState.VALID, file_sha256="ab" * 32, **FRAME,
)  # fmt: skip
MISSING = MissingView(
    path="/p/x", reason=Missing.UNKNOWN_CODE, code="x", send_url="/l", passport_url="/p/x/page"
)


def all_pages() -> Iterator[tuple[pages.PageName, PageView]]:
    """Yield every page in every form it has."""
    yield "passport", PASSPORT
    yield "passport", replace(PASSPORT, open_report=None, photo_url=None, is_trial=True)
    yield "passport", replace(PASSPORT, office_url="/office", service_name=None, service_phone=None)
    yield "passport", replace(PASSPORT, hints=[Hint("E-1", "Door <stuck>", "Look\nat the sill")])
    yield "passport", replace(PASSPORT, problems=[p for p in FormProblem if p != "reason_missing"])
    yield "unclaimed", UnclaimedView(path="/p/x", code="x", claim_url="/c", wrong_label_url="/l")
    yield "wrong_label", LABEL
    yield "wrong_label", replace(LABEL, problems=[FormProblem.REASON_MISSING])
    for reason in Missing:
        yield "missing", replace(MISSING, reason=reason)
        yield "missing", replace(MISSING, reason=reason, send_url=None, passport_url=None)
    for kind in ThanksKind:
        for arrived in (None, True, False):
            view = ThanksView(path="/t", kind=kind, photo_stored=arrived, status_url="/s", **FRAME)
            yield "thanks", view
            yield "thanks", replace(view, status_url=None, back_url="/p")
    for step in StepName:
        yield "status", replace(STATUS, current=step)
        yield "status", replace(STATUS, current=step, window=None, cancelled_at=NOON)
    lines = [MessageLine(author, "Jānis", "Ring\ntwice", NOON, False) for author in Author]
    lines.append(replace(lines[0], is_own=True))
    for send_url in (None, "/s/secret/messages"):
        yield "status", replace(STATUS, rating=RATING, thread=ThreadView(lines, send_url))
    problems = [FormProblem.MESSAGE_MISSING, FormProblem.MESSAGE_TOO_LONG]
    yield "status", replace(STATUS, thread=ThreadView([], "/s/m"), problems=problems)
    paper = DocumentLink(DocumentKind.ACT, "ACT-17", "/s/secret/documents/1")
    for asked in (AskedView(None), AskedView((NOON, NOON))):
        yield "status", replace(STATUS, move_url="/m", asked=asked, documents=[paper])
    yield "move", MOVE
    yield "move", replace(MOVE, choices=[], is_taken_at_once=False, window=None)
    yield "move", replace(MOVE, problems=[FormProblem.SLOT_TAKEN, FormProblem.CHOICE_MISSING])
    yield "price", PRICE
    unanswered = [
        FormProblem.ANSWER_MISSING,
        FormProblem.NAME_MISSING,
        FormProblem.TEXT_TOO_LONG,
        FormProblem.PRICE_CHANGED,
    ]
    yield "price", replace(PRICE, problems=unanswered, answer="approve", note="", model_name=None)
    for state in OfferState:
        over = replace(PRICE, send_url=None, state=state)
        if state is not OfferState.OPEN:
            yield "price", over
            yield "price", replace(over, answered_by="Anne", answered_at=NOON)
        if state is not OfferState.WITHDRAWN:  # nobody is shown what the office took back
            price = PriceLink(state, "€40.00", "/o/secret")
            yield "status", replace(STATUS, prices=[price, price])
    for rating in (RATING, RATED, replace(RATED, is_closed=True)):
        yield "status", replace(STATUS, current=StepName.DONE, rating=rating)
    unrated = [FormProblem.STARS_MISSING, FormProblem.NPS_UNREADABLE, FormProblem.TEXT_TOO_LONG]
    yield "status", replace(STATUS, rating=RATING, problems=unrated)
    for standing in DocumentState:
        yield "document", replace(DOCUMENT, state=standing)
    for kind_of_paper in DocumentKind:
        yield "document", replace(DOCUMENT, kind=kind_of_paper)
    for error in ErrorKind:
        yield "error", ErrorView(path="/e", kind=error)
        yield (
            "error",
            ErrorView(path="/e", kind=error, reference="r", retry_after_s=61, back_url="/"),
        )


ALL = [pytest.param(name, view, id=f"{n}-{name}") for n, (name, view) in enumerate(all_pages())]
everywhere = pytest.mark.parametrize("language", LANGUAGES)


def parsed(html: str) -> ET.Element:
    """Return a page's tree without namespaces, after finding no error in its HTML."""
    parser = tinyhtml5.parser.HTMLParser(namespace_html_elements=False)
    tree = parser.parse(html)
    assert parser.errors == []
    return tree


def own_scripts(name: pages.PageName, view: PageView) -> list[str]:
    """Return the scripts a page may have: its own, as the content policy names it, where it has a use."""
    return [pages.script(name)] if name in pages.SCRIPTED and getattr(view, "hints", True) else []


def visible_text(tree: ET.Element) -> str:
    body = tree.find("body")
    assert body is not None
    return " ".join(" ".join(body.itertext()).replace("\u202f", " ").split())


@everywhere
@pytest.mark.parametrize(("name", "view"), ALL)
def test_every_page_is_valid_small_and_needs_nothing_from_elsewhere(
    name: pages.PageName, view: PageView, language: str
) -> None:
    html = pages.render(name, language, view)
    assert html.startswith("<!doctype html>\n<html ")
    assert len(html.encode()) < pages.LARGEST_PAGE_BYTES
    tree = parsed(html)
    assert tree.attrib["lang"] == language
    assert [script.text for script in tree.iter("script")] == own_scripts(name, view)
    assert len(list(tree.iter("h1"))) == 1
    assert (tree.findtext("head/title") or "").strip()
    ids = [element.attrib["id"] for element in tree.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    for element in tree.iter():
        assert not [name for name in element.attrib if name.startswith("on") or name == "style"]
        for attribute in ("href", "src", "action"):
            address = element.attrib.get(attribute, "/")
            assert re.match(r"/(?!/)|tel:\+", address), address
    assert "url(" not in html
    assert "@import" not in html


@everywhere
@pytest.mark.parametrize(("name", "view"), ALL)
def test_every_field_has_a_label_and_every_description_exists(
    name: pages.PageName, view: PageView, language: str
) -> None:
    tree = parsed(pages.render(name, language, view))
    labelled = {label.attrib["for"] for label in tree.iter("label") if "for" in label.attrib}
    wrapped = {id(field) for label in tree.iter("label") for field in label.iter("input")}
    ids = {element.attrib["id"] for element in tree.iter() if "id" in element.attrib}
    for kind in ("input", "textarea"):
        for field in tree.iter(kind):
            if field.attrib.get("type") != "hidden":
                assert field.attrib.get("id") in labelled or id(field) in wrapped
    for element in tree.iter():
        if "aria-describedby" in element.attrib:
            assert element.attrib["aria-describedby"] in ids
    for image in tree.iter("img"):
        assert image.attrib["alt"]


HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'&{{7*7}}{% x %}"


def hostile(view: PageView) -> PageView:
    """Return the view with every free text replaced by an attack."""
    changes: dict[str, Any] = {}
    for field in fields(view):
        value = getattr(view, field.name)
        if isinstance(value, Typed):
            changes[field.name] = Typed(
                HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE
            )
        elif isinstance(value, OpenReport):
            changes[field.name] = OpenReport(HOSTILE, 1)
        elif type(value) is str and not field.name.endswith(("path", "_url")):
            changes[field.name] = HOSTILE
    return replace(view, **changes)


@everywhere
@pytest.mark.parametrize(("name", "view"), ALL)
def test_hostile_names_are_shown_and_never_run(
    name: pages.PageName, view: PageView, language: str
) -> None:
    html = pages.render(name, language, hostile(view))
    tree = parsed(html)
    assert [script.text for script in tree.iter("script")] == own_scripts(name, view)
    assert "49" not in html.replace(pages.style_sheet(), "").replace("+49", "")
    assert all("onerror" not in element.attrib for element in tree.iter())
    # The only picture is the passport's own photo: no name became one.
    assert len(list(tree.iter("img"))) == (1 if getattr(view, "photo_url", None) else 0)


def test_the_report_form_has_the_documented_fields() -> None:
    tree = parsed(pages.render("passport", "en", PASSPORT))
    form = tree.find(".//form")
    assert form is not None
    assert form.attrib["enctype"] == "multipart/form-data"
    assert (form.attrib["method"], form.attrib["action"]) == ("post", PASSPORT.report_url)
    controls = [e for e in form.iter() if "name" in e.attrib]
    assert {e.attrib["name"] for e in controls} == set(ReportField)
    by_name = {e.attrib["name"]: e.attrib for e in controls}
    assert "required" in by_name["text"]
    assert by_name["photo"] == {
        "id": "photo",
        "name": "photo",
        "type": "file",
        "accept": "image/*",
        "capture": "environment",
    }
    values = {e.attrib["value"] for e in controls if e.attrib["name"] == "impact"}
    assert values == set(Impact)
    assert by_name["report_id"]["value"] == "0199-report"


def test_the_wrong_label_form_has_the_documented_fields() -> None:
    for html in (
        pages.render("wrong_label", "en", LABEL),
        pages.render("missing", "en", MISSING),
    ):
        form = parsed(html).find(".//form")
        assert form is not None
        assert form.attrib["action"] == "/l"
        controls = [e for e in form.iter() if "name" in e.attrib]
        assert {e.attrib["name"] for e in controls} == set(WrongLabelField)
        reasons = {e.attrib["value"] for e in controls if e.attrib["name"] == "reason"}
        assert reasons == set(LabelReason)


def test_the_price_form_has_the_documented_fields_and_nothing_is_approved_by_a_slip() -> None:
    tree = parsed(pages.render("price", "en", PRICE))
    form = tree.find(".//form")
    assert form is not None
    assert (form.attrib["method"], form.attrib["action"]) == ("post", PRICE.send_url)
    controls = [e for e in form.iter() if "name" in e.attrib]
    assert {e.attrib["name"] for e in controls} == set(PriceField)
    answers = [e.attrib for e in controls if e.attrib["name"] == "answer"]
    assert {one["value"] for one in answers} == set(PriceAnswer)
    assert all("required" in one and "checked" not in one for one in answers)


def test_the_rating_form_has_the_documented_fields_and_no_star_is_chosen_beforehand() -> None:
    tree = parsed(pages.render("status", "en", replace(STATUS, rating=RATING)))
    form = tree.find(".//section[@id='rating']/form")
    assert form is not None
    assert (form.attrib["method"], form.attrib["action"]) == ("post", RATING.send_url)
    controls = [e for e in form.iter() if "name" in e.attrib]
    assert {e.attrib["name"] for e in controls} == set(RatingField) - {RatingField.THUMB}
    stars = [e.attrib for e in controls if e.attrib["name"] == "stars"]
    assert [e["value"] for e in stars] == ["1", "2", "3", "4", "5"]
    assert not any("checked" in e for e in stars)


@pytest.mark.parametrize("page", [("passport", PASSPORT), ("wrong_label", LABEL)])
def test_the_trap_for_robots_is_out_of_a_persons_way(
    page: tuple[pages.PageName, PageView],
) -> None:
    tree = parsed(pages.render(page[0], "en", page[1]))
    box = next(e for e in tree.iter("div") if e.attrib.get("class") == "away")
    trap = box.find("input")
    assert trap is not None
    assert trap.attrib["name"] == "website"
    assert trap.attrib["tabindex"] == "-1"
    assert trap.attrib["autocomplete"] == "off"
    assert box.attrib["aria-hidden"] == "true"


def test_a_stranger_sees_the_machine_and_no_more_of_its_serial_than_the_tail() -> None:
    text = visible_text(parsed(pages.render("passport", "en", PASSPORT)))
    assert "Gen2 Comfort Otis Serial no. …4711 Code 7k3m-9qx2" in text


@pytest.mark.parametrize(
    ("age_s", "english", "russian"),
    [
        (0, "just now", "только что"),
        (-5, "just now", "только что"),
        (60, "1 minute ago", "1 минуту назад"),
        (20 * 60, "20 minutes ago", "20 минут назад"),
        (22 * 60, "22 minutes ago", "22 минуты назад"),
        (11 * 3600, "11 hours ago", "11 часов назад"),
        (21 * 3600, "21 hours ago", "21 час назад"),
        (3 * 86400, "3 days ago", "3 дня назад"),
    ],
)
def test_an_open_report_is_offered_with_its_age(age_s: int, english: str, russian: str) -> None:
    view = replace(PASSPORT, open_report=OpenReport("token-1", age_s))
    for language, words in {"en": english, "ru": russian}.items():
        tree = parsed(pages.render("passport", language, view))
        assert words in visible_text(tree)
        offered = {
            e.attrib["value"]: "checked" in e.attrib
            for e in tree.iter("input")
            if e.attrib.get("name") == "add_to"
        }
        assert offered == {"token-1": True, "": False}


def test_what_was_typed_survives_a_refusal_and_the_problem_stands_beside_its_field() -> None:
    typed = Typed("It <smells>", "degraded", "Ann", "", "a@@b", add_to="")
    view = replace(PASSPORT, typed=typed, problems=[FormProblem.EMAIL_UNREADABLE])
    tree = parsed(pages.render("passport", "en", view))
    values = {
        e.attrib["name"]: e.attrib
        for e in tree.iter("input")
        if e.attrib.get("type") != "radio" and "name" in e.attrib
    }
    assert tree.findtext(".//textarea") in {"It <smells>", "\nIt <smells>"}
    assert values["contact_name"]["value"] == "Ann"
    assert values["contact_email"]["aria-invalid"] == "true"
    assert tree.findtext(".//div[@id='contact_email-problem']/p") == (
        "This is not an e-mail address."
    )
    chosen = [e.attrib["value"] for e in tree.iter("input") if "checked" in e.attrib]
    assert chosen == ["", "degraded"]
    details = tree.find(".//details")
    assert details is not None
    assert "open" in details.attrib
    alert = tree.find(".//div[@role='alert']")
    assert alert is not None
    assert "one answer" in "".join(alert.itertext())


def test_status_shows_each_step_on_the_sites_clocks() -> None:
    tree = parsed(pages.render("status", "en", STATUS))
    steps = [
        (e.attrib["class"], " ".join("".join(e.itertext()).replace("\u202f", " ").split()))
        for e in tree.iter("li")
    ]
    assert steps == [
        ("reached", "✓ Received (done) November 21, 2:00 PM"),
        ("reached", "✓ Planned (done)"),
        ("now", "➜ On the way (now) November 21, 3:00 PM"),
        ("ahead", "4 Work in progress (still to come)"),
        ("ahead", "5 Done (still to come)"),
    ]
    assert "Times are local to the equipment (Riga)" in visible_text(tree)
    russian = visible_text(parsed(pages.render("status", "ru", STATUS)))
    assert "21 ноября, 14:00" in russian
    assert "(Рига)" in russian


def test_status_is_right_on_both_sides_of_a_clock_change() -> None:
    # Riga's clocks go back on 26 October 2025 at 01:00 UTC: 00:30 and 01:30 UTC both read 3:30.
    first, second = (datetime(2025, 10, 26, hour, 30, tzinfo=UTC) for hour in (0, 1))
    view = replace(
        STATUS, reached_at={StepName.RECEIVED: first, StepName.PLANNED: second}, window=None
    )
    text = visible_text(parsed(pages.render("status", "ru", view)))
    assert text.count("26 октября, 03:30") == 2


def test_once_work_has_begun_or_ended_the_announcement_is_no_longer_shown() -> None:
    for view in (
        replace(STATUS, current=StepName.IN_PROGRESS),
        replace(STATUS, current=StepName.DONE),
        replace(STATUS, cancelled_at=NOON),
    ):
        assert "Jānis" not in pages.render("status", "en", view)
    assert "Jānis" in pages.render("status", "en", STATUS)


def test_the_language_switch_leads_to_the_same_page() -> None:
    tree = parsed(pages.render("status", "en", STATUS))
    links = [e for e in tree.iter("a") if "hreflang" in e.attrib]
    assert [(e.attrib["lang"], e.attrib["href"], e.text) for e in links] == [
        ("de", "/s/secret?lang=de", "Deutsch"),
        ("ru", "/s/secret?lang=ru", "Русский"),
    ]


@pytest.mark.parametrize("reason", Missing)
def test_a_code_without_passport_still_takes_that_its_label_is_wrong(reason: Missing) -> None:
    tree = parsed(pages.render("missing", "en", replace(MISSING, reason=reason)))
    assert tree.find(".//form[@action='/l']") is not None


def test_a_page_takes_its_own_view_only() -> None:
    with pytest.raises(TypeError, match="StatusView"):
        pages.render("status", "en", PASSPORT)


def test_the_policy_allows_our_style_sheet_and_nothing_else() -> None:
    headers = pages.headers()
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["img-src"] == "'self'"
    assert policy["style-src"] == f"'{pages.style_hash()}'"
    assert "script-src" not in policy
    style = parsed(pages.render("passport", "en", PASSPORT)).findtext("head/style")
    assert style == pages.style_sheet()
    shop = pages.headers(["https://photos.example.com"])["Content-Security-Policy"]
    assert "img-src 'self' https://photos.example.com;" in shop


@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ("ink", "ground"),
        ("ink", "soft"),
        ("ink", "alarm-ground"),
        ("quiet", "ground"),
        ("quiet", "soft"),
        ("action", "ground"),
        ("on-action", "action"),
        ("alarm", "ground"),
        ("alarm", "alarm-ground"),
        ("good", "ground"),
        ("on-action", "good"),
    ],
)
def test_every_text_can_be_read_in_the_sun(ink: str, ground: str) -> None:
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", pages.style_sheet()))
    lighter, darker = sorted((_luminance(colours[ink]), _luminance(colours[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 7


def test_lines_around_fields_can_be_seen() -> None:
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", pages.style_sheet()))
    for ground in ("ground", "soft"):
        ratio = (_luminance(colours[ground]) + 0.05) / (_luminance(colours["line"]) + 0.05)
        assert ratio >= 4.5


def test_colours_are_named_once_and_used_by_name() -> None:
    after_names = pages.style_sheet().partition("}")[2]
    assert not re.search(r"#[0-9a-f]{3,6}\b|rgb\(", after_names)


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
