"""The act of completed work: what was done, by whom, with which parts, photographed and signed. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from reports.documents.blocks import (
    AnyBlock,
    Column,
    Facts,
    Heading,
    Paragraph,
    Picture,
    Pictures,
    Sign,
    Signatures,
    table,
)
from reports.documents.wording import Words

_OTHER: Final = frozenset({"wait", "admin"})
_DIGEST: Final = 12


def compose(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    blocks = parties(content, text)
    blocks += work(content, text)
    blocks += visits(content, text)
    blocks += parts(content, text)
    blocks += photos(content, text, content["photos"])
    blocks += waivers(content, text)
    blocks += signatures(content, text)
    return blocks


def parties(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    customer, site, asset = content["customer"], content["site"], content["asset"]
    contract = content["contract"]
    rows = [
        (text("act.contractor"), content["company"]),
        (text("act.customer"), customer["name"]),
        (text("act.tax_number"), customer["tax_number"]),
        (text("act.contract"), contract and f"{contract['number']} {contract['name']}".strip()),
        (text("act.site"), _joined(site["name"], site["address"], site["city"])),
        (text("act.equipment"), asset and _joined(asset["name"], asset["model"], asset["number"])),
        (text("act.serial"), asset and asset["serial"]),
        (text("act.place"), asset and asset["place"]),
        (text("act.warranty_ends"), asset and text.day(asset["warranty_ends_on"])),
    ]
    return [Heading(text("act.parties")), facts(rows)]


def work(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    job = content["job"]
    rows = [
        (text("act.job"), f"{job['number']} {job['title']}"),
        (text("act.type"), content["work_type"]),
        (text("act.reported"), text.moment(job["reported_at"])),
        (text("act.started"), text.moment(job["work_started_at"])),
        (text("act.done"), text.moment(job["work_done_at"])),
    ]
    blocks: list[AnyBlock] = [Heading(text("act.work")), facts(rows)]
    if job["description"]:
        blocks.append(Paragraph(job["description"]))
    if content["notes"]:
        blocks.append(Heading(text("act.what_was_done"), 2))
        blocks += [Paragraph(note["text"]) for note in content["notes"]]
    missing = content["missing"]
    if missing is not None:
        said = text("act.missing", count=missing) if missing else text("act.nothing_missing")
        blocks.append(Paragraph(said, "strong" if missing else "quiet"))
    return blocks


def visits(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    """Return who was there when, and the hours that were booked, each person's and in all."""
    listed = content["visits"]
    if not listed:
        return []
    hours: dict[str, list[Decimal]] = {}
    for time in content["times"]:
        if time["kind"] == "break":
            continue
        place = 0 if time["kind"] == "work" else 2 if time["kind"] in _OTHER else 1
        booked = hours.setdefault(time["visit_id"] or "", [Decimal(0)] * 3)
        booked[place] += Decimal(time["hours"])
    rows, sums = [], [Decimal(0)] * 3
    for visit in listed:
        booked = hours.pop(visit["id"], [Decimal(0)] * 3)
        sums = [a + b for a, b in zip(sums, booked, strict=True)]
        rows.append(
            [
                visit["technician"],
                text.moment(visit["arrived_at"]),
                text.moment(visit["finished_at"]),
                *(text.number(each, 2) for each in booked),
            ]
        )
    for booked in hours.values():  # booked on the job and on no visit
        sums = [a + b for a, b in zip(sums, booked, strict=True)]
        rows.append(["", "", "", *(text.number(each, 2) for each in booked)])
    columns = [
        Column(text("act.technician"), width=2),
        Column(text("act.arrived"), width=1.6),
        Column(text("act.finished"), width=1.6),
        *(Column(text(f"act.hours.{name}"), "right") for name in ("work", "travel", "other")),
    ]
    foot = [text("act.total"), "", "", *(text.number(each, 2) for each in sums)]
    return [Heading(text("act.visits")), table(columns, rows, foot)]


def parts(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    if not content["parts"]:
        return []
    rows = [
        [
            part["number"],
            part["name"] if part["is_original"] else f"{part['name']} ({text('act.not_original')})",
            f"{text.number(part['quantity'])} {part['unit']}",
        ]
        for part in content["parts"]
    ]
    columns = [
        Column(text("act.part_number")),
        Column(text("act.part"), width=3),
        Column(text("act.quantity"), "right"),
    ]
    return [Heading(text("act.parts")), table(columns, rows)]


def photos(
    content: Mapping[str, Any], text: Words, shown: Sequence[Mapping[str, Any]]
) -> list[AnyBlock]:
    """Return thumbnails with step, time and short hash; what has no picture is named with its hash."""
    blocks: list[AnyBlock] = []
    pictures = [
        Picture(photo["image"], _caption(photo, text, "act.photo"), photo["label"])
        for photo in shown
        if photo["image"] is not None
    ]
    others = [photo for photo in shown if photo["image"] is None]
    waiting = content["photos_on_their_way"]
    if pictures or others or waiting:
        blocks.append(Heading(text("act.photos")))
    if pictures:
        blocks.append(Pictures(pictures))
    blocks += [Paragraph(_caption(one, text, "act.photo.no_picture"), "quiet") for one in others]
    if waiting:
        blocks.append(Paragraph(text("act.photo.on_its_way", count=waiting), "quiet"))
    return blocks


def _caption(photo: Mapping[str, Any], text: Words, key: str) -> str:
    return text(
        key,
        item=photo["label"],
        at=text.moment(photo["captured_at"]),
        digest=photo["sha256"][:_DIGEST],
        mime=photo["mime"],
    )


def waivers(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    if not content["waivers"]:
        return []
    said = [
        Paragraph(text("act.waiver", item=one["label"], reason=one["reason"], name=one["name"]))
        for one in content["waivers"]
    ]
    return [Heading(text("act.waivers")), *said]


def signatures(content: Mapping[str, Any], text: Words) -> list[AnyBlock]:
    """Return what was signed on the phone; where nothing was, two lines to sign by hand."""
    signs = [
        Sign(text("act.signature.for_us"), content["issued_by"]),
        *(
            Sign(
                one["label"],
                one["name"],
                text("act.signature.signed", at=text.moment(one["signed_at"]))
                if one["declined_reason"] is None
                else text("act.signature.declined", reason=one["declined_reason"]),
                one["image"],
            )
            for one in content["signatures"]
        ),
    ]
    if len(signs) == 1:
        signs.append(Sign(text("act.signature.for_customer")))
    return [Heading(text("act.signatures")), Signatures(signs)]


def facts(rows: Sequence[tuple[str, str | None]], columns: int = 1) -> Facts:
    """Return the rows that have something to say."""
    return Facts([(name, value) for name, value in rows if value], columns)


def _joined(*said: str | None) -> str:
    return ", ".join(one for one in said if one)
