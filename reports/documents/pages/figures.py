"""Figures on paper: value, interval and what was counted, in the words of the registry. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.documents.blocks import AnyBlock, Column, Heading, Paragraph, table
from reports.documents.wording import Words


def value_said(result: Mapping[str, Any], text: Words) -> str:
    """Return a figure's value as people read it; an absent one says why, and is never 0."""
    if result["value"] is None:
        return text(
            "figure.none", why=text.find(f"null.{result['null_reason']}", result["null_reason"])
        )
    said = quantity_said(result["value"], result["unit"], text)
    return f"{said} *" if result["provisional"] else said


def quantity_said(value: Any, unit: str, text: Words) -> str:
    if unit == "ratio":
        return text.share(float(value))
    if len(unit) == 3 and unit.isupper():
        return text.money(str(value), unit)
    if unit == "h":
        return f"{text.number(value, 2)} {text('unit.h')}"
    return f"{text.number(value)} {text.find(f'unit.{unit}', unit)}"


def interval_said(result: Mapping[str, Any], text: Words) -> str:
    bounds = result["interval"]
    if bounds is None:
        return ""
    low = quantity_said(bounds["low"], result["unit"], text)
    if bounds["high"] is None:
        return text("figure.at_least", low=low)
    return f"{low} – {quantity_said(bounds['high'], result['unit'], text)}"


def excluded_said(result: Mapping[str, Any]) -> str:
    return ", ".join(f"{reason}: {count}" for reason, count in sorted(result["excluded"].items()))


def figures(
    listed: Sequence[Mapping[str, Any]], text: Words, *, has_before: bool = False
) -> list[AnyBlock]:
    """Return a table of figures; with `has_before` the period before stands beside each."""
    rows, notes = [], []
    for one in listed:
        result = one["result"]
        row = [one["name"], value_said(result, text)]
        if has_before:
            row.append("" if one["before"] is None else value_said(one["before"], text))
        rows.append(
            [*row, interval_said(result, text), text.number(result["n"]), excluded_said(result)]
        )
        notes.append(Paragraph(f"{one['name']}: {one['formula']}", "quiet"))
    columns = [
        Column(text("figure.name"), width=2),
        Column(text("figure.value"), "right", width=1.2),
        *([Column(text("figure.before"), "right", width=1.2)] if has_before else []),
        Column(text("figure.interval"), "right", width=1.6),
        Column(text("figure.n"), "right", width=0.6),
        Column(text("figure.excluded"), width=1.6),
    ]
    blocks: list[AnyBlock] = [table(columns, rows)]
    if any(one["result"]["provisional"] for one in listed):
        blocks.append(Paragraph(text("figure.provisional"), "quiet"))
    return [*blocks, Heading(text("figure.definitions"), 2), *notes]


def as_reported(content: Mapping[str, Any], text: Words) -> Paragraph:
    """Return as of when the figures were true: the pair that gives the same again."""
    said = text(
        "figure.as_reported",
        at=text.moment(content["as_of"]),
        watermark=text.number(content["watermark"]),
    )
    return Paragraph(said, "quiet")
