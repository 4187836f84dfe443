"""The technical act: symptom, cause, every answer with its limits and photos, parts, advice. Pure.

With who pays for which line it is what goes to a manufacturer with a claim.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.documents.blocks import AnyBlock, Column, Heading, Paragraph, table
from reports.documents.pages import acts
from reports.documents.wording import Words


def compose(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    blocks = acts.parties(content, text)
    blocks += acts.work(content, text)
    blocks += _failure(content, text)
    blocks += _answers(content, text)
    blocks += _meters(content, text)
    blocks += acts.parts(content, text)
    blocks += acts.visits(content, text)
    blocks += _costs(content, text)
    blocks += acts.photos(content, text, content["photos"])
    blocks += acts.waivers(content, text)
    blocks += _files(content, text)
    blocks += acts.signatures(content, text)
    return blocks


def _failure(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    failure = content["failure"]
    if failure is None:
        return []
    rows = [
        (text("technical.symptom"), failure["symptom"]),
        (text("technical.mode"), failure["mode"]),
        (text("technical.mechanism"), failure["mechanism"]),
        (text("technical.cause"), failure["cause"]),
        (text("technical.failed"), text.moment(failure["failed_at"]) or text("frame.unknown")),
        (text("technical.detected"), text.moment(failure["detected_at"])),
        (text("technical.restored"), text.moment(failure["restored_at"])),
    ]
    return [Heading(text("technical.failure")), acts.facts(rows)]


def _answers(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    if not content["answers"]:
        return []
    rows = [
        [
            one["label"],
            _answer(one, text),
            _limits(one, text),
            text.moment(one["answered_at"]),
            one["by"],
        ]
        for one in content["answers"]
    ]
    columns = [
        Column(text("act.question"), width=2.4),
        Column(text("act.answer"), width=1.6),
        Column(text("act.limits"), width=1.2),
        Column(text("technical.answered"), width=1.3),
        Column(text("technical.by"), width=1),
    ]
    return [Heading(text("act.answers")), table(columns, rows)]


def _answer(one: Mapping[str, Any], text: Words) -> str:
    """Return an answer as people read it; a number outside its limits says so."""
    value = one["value"]
    match value:
        case None:
            return ""
        case bool():
            return text.truth(value)
        case int() | float():
            said = f"{text.number(value)} {one['unit'] or ''}".strip()
            low, high = one["least"], one["most"]
            outside = (low is not None and value < low) or (high is not None and value > high)
            return f"{said} {text('act.outside')}" if outside else said
        case list():
            return ", ".join(str(each) for each in value)
    return str(value)


def _limits(one: Mapping[str, Any], text: Words) -> str:
    low, high = one["least"], one["most"]
    if one["kind"] not in ("number", "meter") or (low is None and high is None):
        return ""
    least, most = (None if each is None else text.number(each) for each in (low, high))
    if most is None:
        return text("act.limits.least", least=least or "")
    if least is None:
        return text("act.limits.most", most=most)
    return text("act.limits.between", least=least, most=most)


def _meters(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    if not content["meters"]:
        return []
    rows = [
        [one["name"], f"{text.number(one['value'])} {one['unit']}", text.moment(one["read_at"])]
        for one in content["meters"]
    ]
    columns = [
        Column(text("technical.meter"), width=2),
        Column(text("technical.value"), "right"),
        Column(text("technical.read")),
    ]
    return [Heading(text("technical.meters")), table(columns, rows)]


def _costs(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    """Return the cost lines by payer, where whoever issued this may see them."""
    costs: Sequence[Mapping[str, Any]] = content.get("costs") or []
    if not costs:
        return []
    rows = [
        [
            text.find(f"payer.{one['payer']}", one["payer"] or text("frame.unknown")),
            text.find(f"cost.{one['kind']}", one["kind"]),
            one["rule"] or "",
            text.money(one["amount"], one["currency"]),
        ]
        for one in costs
    ]
    columns = [
        Column(text("technical.payer")),
        Column(text("technical.kind")),
        Column(text("technical.rule")),
        Column(text("technical.amount"), "right"),
    ]
    return [Heading(text("technical.payers")), table(columns, rows)]


def _files(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    """Return every file's whole hash: what a manufacturer compares."""
    if not content["photos"]:
        return []
    said = [
        Paragraph(f"{photo['label']}: {photo['sha256']}", "quiet") for photo in content["photos"]
    ]
    return [Heading(text("technical.hashes"), 2), *said]
