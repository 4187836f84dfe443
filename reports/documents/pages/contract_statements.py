"""A contract's statement: as its customer sees it, or inside with true cost and margin. Pure."""

from collections.abc import Mapping
from typing import Any

from reports.documents.blocks import AnyBlock, Column, Facts, Heading, Paragraph, table
from reports.documents.wording import Words

_SUMS = ("fee", "billed", "recovered", "cost", "credits", "margin")


def compose(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    contract, said = content["contract"], content["statement"]
    facts = [
        (text("act.customer"), content["customer"]["name"]),
        (text("act.contract"), f"{contract['number']} {contract['name']}".strip()),
        (text("report.period"), text("report.days", first=text.day(said["first_on"]),
                                     last=text.day(said["last_on"]))),
    ]  # fmt: skip
    blocks: list[AnyBlock] = [Facts(facts)]
    blocks += _inside(said, text) if content["is_internal"] else _outside(said, text)
    lines = said["credit_lines"] if content["is_internal"] else said["credits"]
    return [*blocks, *_credits(lines, said["currency"], text)]


def _inside(said: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    money = said["currency"]
    sums = [(text(f"statement.{name}"), text.money(said[name], money)) for name in _SUMS]
    if said["margin_share"] is not None:
        sums.append((text("statement.margin_share"), text.share(said["margin_share"])))
    sums += [
        (text.find(f"payer.{payer}", payer), text.money(amount, money))
        for payer, amount in said["cost_by_payer"].items()
    ]
    rows = [
        [
            f"{one['number']} {one['name']}".strip() or text("statement.no_asset"),
            *(text.money(one[name], money) for name in _SUMS),
        ]
        for one in said["assets"]
    ]
    columns = [
        Column(text("act.equipment"), width=1.6),
        *(Column(text(f"statement.{name}"), "right") for name in _SUMS),
    ]
    blocks: list[AnyBlock] = [
        Heading(text("statement.sums")),
        Facts(sums),
        Heading(text("statement.assets")),
        table(columns, rows),
    ]
    if said["loss_making"]:
        count = len(said["loss_making"])
        blocks.append(Paragraph(text("statement.losses", count=count), "strong"))
    if said["is_provisional"]:
        blocks.append(Paragraph(text("statement.provisional"), "quiet"))
    if said["left_out"]:
        left = ", ".join(f"{reason}: {count}" for reason, count in said["left_out"].items())
        blocks.append(Paragraph(text("statement.left_out", what=left), "quiet"))
    return blocks


def _outside(said: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    money = said["currency"]
    rows = [
        [
            line["number"],
            text.find(f"cost.{line['kind']}", line["kind"]),
            f"{text.number(line['quantity'])} {line['unit']}".strip(),
            text("statement.unpriced")
            if line["amount"] is None
            else text.money(line["amount"], money),
        ]
        for line in said["billed"]
    ]
    columns = [
        Column(text("act.job")),
        Column(text("technical.kind")),
        Column(text("act.quantity"), "right"),
        Column(text("technical.amount"), "right"),
    ]
    return [
        Facts([(text("statement.fee"), text.money(said["fee"], money))]),
        Heading(text("statement.billed_work")),
        table(columns, rows) if rows else Paragraph(text("frame.none")),
        Paragraph(text("statement.covered_jobs", count=said["covered_jobs"])),
        Paragraph(text("statement.due", amount=text.money(said["due"], money)), "strong"),
    ]


def _credits(lines: list[Mapping[str, Any]], money: str, text: Words) -> list[AnyBlock]:
    if not lines:
        return []
    rows = [
        [
            one["number"],
            text.find(f"clock.{one['clock']}", one["clock"]),
            text.day(one["due_on"]),
            text("report.disputed") if one["is_disputed"] else text.money(one["amount"], money),
        ]
        for one in lines
    ]
    columns = [
        Column(text("act.job")),
        Column(text("report.clock")),
        Column(text("report.due")),
        Column(text("technical.amount"), "right"),
    ]
    return [Heading(text("statement.credit_lines")), table(columns, rows)]
