"""The management pack: figures in pairs, the period before beside each, worst equipment. Pure."""

from collections.abc import Mapping
from typing import Any

from reports.documents.blocks import AnyBlock, Bars, Facts, Heading, Paragraph
from reports.documents.pages.figures import as_reported, figures, value_said
from reports.documents.wording import Words


def compose(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    period = text(
        "report.days", first=text.day(content["first_on"]), last=text.day(content["last_on"])
    )
    blocks: list[AnyBlock] = [
        Facts([(text("report.period"), period)]),
        Heading(text("pack.figures")),
        Paragraph(text("pack.pairs"), "quiet"),
    ]
    blocks += figures(content["figures"], text, has_before=True)
    worst = content["worst_assets"]
    blocks.append(Heading(text("pack.worst")))
    if worst:
        most = max(float(one["result"]["value"]) for one in worst)
        blocks.append(
            Bars(
                [
                    (
                        f"{one['number']} {one['name']}",
                        value_said(one["result"], text),
                        float(one["result"]["value"]) / most if most else 0,
                    )
                    for one in worst
                ]
            )
        )
    else:
        blocks.append(Paragraph(text("frame.none")))
    blocks.append(as_reported(content, text))
    return blocks
