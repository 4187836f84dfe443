"""Invoice data: what a customer is billed for, line by line, for the bookkeeping to take over. Pure."""

from collections.abc import Mapping
from typing import Any

from reports.documents.blocks import AnyBlock, Column, Facts, Heading, Paragraph, table
from reports.documents.wording import Words


def compose(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    money, buyer = content["currency"], content["customer"]
    facts = [
        (text("invoice.seller"), content["company"]),
        (text("act.customer"), buyer["name"]),
        (text("act.tax_number"), buyer["tax_number"] or ""),
        (text("report.period"), text("report.days", first=text.day(content["first_on"]),
                                     last=text.day(content["last_on"]))),
    ]  # fmt: skip
    rows = [
        [
            line["work_order"],
            f"{text.find('cost.' + line['kind'], line['kind'])} {line['about']}".strip(),
            f"{text.number(line['quantity'])} {line['unit']}".strip(),
            text.money(line["net"], money),
            f"{line['vat_category']} {text.number(line['vat_rate'])} %",
        ]
        for line in content["lines"]
    ]
    columns = [
        Column(text("act.job")),
        Column(text("invoice.line"), width=2),
        Column(text("act.quantity"), "right"),
        Column(text("invoice.net"), "right"),
        Column(text("invoice.vat"), "right"),
    ]
    sums = [
        (text("invoice.net_total"), text.money(content["net"], money)),
        (text("invoice.vat_total"), text.money(content["vat"], money)),
        (text("invoice.gross_total"), text.money(content["gross"], money)),
    ]
    blocks: list[AnyBlock] = [
        Facts([(name, value) for name, value in facts if value]),
        Heading(text("invoice.lines")),
        table(columns, rows),
        Facts(sums),
    ]
    if content["unpriced"]:
        blocks.append(Paragraph(text("invoice.unpriced", count=content["unpriced"]), "strong"))
    return blocks
