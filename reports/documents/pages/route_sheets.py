"""The route sheet: a day on paper, should the phone stay dark. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from reports.documents.blocks import (
    AnyBlock,
    Box,
    Boxes,
    Column,
    Facts,
    Heading,
    PageBreak,
    Paragraph,
    Sign,
    Signatures,
    Symbol,
    table,
)
from reports.documents.qr import qr_svg
from reports.documents.wording import Words


def compose(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    shifts = ", ".join(
        f"{text.clock(one['starts_at'])}–{text.clock(one['ends_at'])}" for one in content["shifts"]
    )
    facts = [
        (text("act.technician"), f"{content['technician']} ({content['number']})"),
        (text("sheet.day"), text.day(content["on"])),
        (text("sheet.shift"), shifts or text("frame.none")),
        (text("sheet.visits"), str(len(content["visits"]))),
    ]
    blocks: list[AnyBlock] = [Facts(facts)]
    if content["take"]:
        rows = [
            [one["number"], one["name"], f"{one['needed']} {one['unit']}", str(one["in_van"]),
             str(one["missing"]) if one["missing"] else ""]
            for one in content["take"]
        ]  # fmt: skip
        columns = [
            Column(text("act.part_number")),
            Column(text("act.part"), width=3),
            Column(text("sheet.needed"), "right"),
            Column(text("sheet.in_van"), "right"),
            Column(text("sheet.missing"), "right"),
        ]
        blocks += [Heading(text("sheet.take")), table(columns, rows)]
    if stops := content.get("stops"):  # sheets that were issued before know of none
        blocks += [Heading(text("sheet.fetch")), _stops(stops, text)]
    for visit in content["visits"]:
        if visit["place"] > 1:
            blocks.append(PageBreak())
        blocks += _visit(visit, text)
    return blocks


def _stops(stops: Iterable[Mapping[str, Any]], text: Words) -> AnyBlock:
    rows = [
        [
            text.clock(stop["starts_at"]),
            stop["place"],
            "\n".join(
                f"{one['quantity']} × {one['number']} {one['name']}" for one in stop["fetch"]
            ),
            "\n".join(", ".join(one["work_orders"]) for one in stop["fetch"]),
        ]
        for stop in stops
    ]
    columns = [
        Column(text("sheet.fetch_at")),
        Column(text("sheet.fetch_place"), width=2),
        Column(text("act.parts"), width=3),
        Column(text("sheet.fetch_for"), width=2),
    ]
    return table(columns, rows)


def _visit(visit: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    job, site, asset = visit["work_order"], visit["site"], visit["asset"]
    begins, ends = text.clock(visit["starts_at"]), text.clock(visit["ends_at"])
    window = ""
    if visit["window_starts_at"] is not None:
        announced = (text.clock(visit[f"window_{end}_at"]) for end in ("starts", "ends"))
        window = " – ".join(announced)
    contacts = "\n".join(
        ", ".join(part for part in (one["name"], one["role"], one["phone"]) if part)
        for one in visit["contacts"]
    )
    rows = [
        (text("sheet.window"), window),
        (text("act.customer"), visit["customer"]["name"]),
        (
            text("act.site"),
            ", ".join(p for p in (site["name"], site["address"], site["city"]) if p),
        ),
        (text("sheet.access"), site["access_notes"]),
        (text("sheet.hazards"), site["hazards"]),
        (text("sheet.contacts"), contacts),
        (text("act.equipment"), asset and f"{asset['number']} {asset['name']}, {asset['model']}"),
        (text("act.serial"), asset and asset["serial"]),
        (text("act.place"), asset and asset["place"]),
        (text("sheet.restore_by"), text.moment(job["restore_by"])),
        (text("sheet.with"), ", ".join(visit["colleagues"])),
        (
            text("act.parts"),
            ", ".join(
                f"{one['quantity']} × {one['number']} {one['name']}" for one in visit["parts"]
            ),
        ),
    ]
    code = f"urn:uuid:{visit['visit_id']}"
    blocks: list[AnyBlock] = [
        Heading(f"{visit['place']}. {begins}–{ends} {job['number']} {job['title']}"),
        Symbol(qr_svg(code), [f"{job['number']}", text("sheet.code")], side_mm=16),
        Facts([(name, value) for name, value in rows if value]),
    ]
    if job["description"]:
        blocks.append(Paragraph(job["description"]))
    if visit["last_visits"]:
        blocks.append(Heading(text("sheet.before"), 2))
        blocks += [
            Paragraph(
                f"{text.day_of(one['finished_at'])}, {one['technician']}: {one['title']}. "
                f"{' '.join(one['notes'])}".strip(),
                "quiet",
            )
            for one in visit["last_visits"]
        ]
    blocks.append(Heading(visit["checklist"]["title"], 2))
    blocks.append(Boxes([_box(item, text) for item in visit["checklist"]["items"]]))
    blocks.append(
        Boxes([Box(text(f"sheet.{name}")) for name in ("arrived", "began", "finished", "left")])
    )
    blocks.append(Boxes([Box(text("sheet.parts_used")), Box(text("sheet.notes"))]))
    signs = [Sign(text("act.signature.for_us")), Sign(text("act.signature.for_customer"))]
    blocks.append(Signatures(signs))
    return blocks


def _box(item: Mapping[str, Any], text: Words) -> Box:
    """Return a question with boxes to tick, or a line to write on where none fit."""
    choices = list(item["choices"])
    if item["kind"] == "yesno":
        choices = [text("frame.yes"), text("frame.no")]
    elif item["kind"] in ("photo", "video"):
        choices = [text("sheet.photo")]
    least, most = item["least"], item["most"]
    limits = " … ".join("" if one is None else text.number(one) for one in (least, most))
    asked = "" if item["required"] == "no" else " *"
    hint = f"({limits})" if least is not None or most is not None else ""
    return Box(f"{item['label']}{asked}", choices, item["unit"] or "", hint)
