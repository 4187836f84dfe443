"""The service-level report: every figure of a contract with its interval, and each promise not kept. Pure."""

from collections.abc import Mapping
from typing import Any

from reports.documents.blocks import AnyBlock, Column, Facts, Heading, Paragraph, table
from reports.documents.pages.figures import as_reported, figures
from reports.documents.wording import Words


def compose(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    contract = content["contract"]
    facts = [
        (text("act.customer"), content["customer"]["name"]),
        (text("act.contract"), f"{contract['number']} {contract['name']}".strip()),
        (text("report.period"), text("report.days", first=text.day(content["first_on"]),
                                     last=text.day(content["last_on"]))),
    ]  # fmt: skip
    blocks: list[AnyBlock] = [Facts(facts), Heading(text("report.figures"))]
    blocks += figures(content["figures"], text)
    blocks.append(Heading(text("report.breaches")))
    if not content["breaches"]:
        blocks.append(Paragraph(text("report.no_breaches")))
    else:
        rows = [
            [
                one["number"],
                one["title"],
                text.find(f"clock.{one['clock']}", one["clock"]),
                text.day(one["due_on"]),
                one["cause"] or text("frame.unknown"),
                text("report.disputed") if one["is_disputed"] else "",
            ]
            for one in content["breaches"]
        ]
        columns = [
            Column(text("act.job")),
            Column(text("report.title"), width=2),
            Column(text("report.clock")),
            Column(text("report.due"), width=1.3),
            Column(text("technical.cause")),
            Column(""),
        ]
        blocks.append(table(columns, rows))
    blocks.append(as_reported(content, text))
    return blocks
