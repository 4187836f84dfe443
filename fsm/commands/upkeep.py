"""`fsm label`, `fsm sync`: labels for machines, the phones' feed."""

import argparse
import asyncio
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from fsm.assets import labels, passports
from fsm.assets.label_stock import STOCKS
from fsm.assets.tables import Asset
from fsm.commands.asking import CannotRun, add_company
from fsm.commands.company import list_companies, who_acts, with_database
from fsm.database import Database
from fsm.languages import FIRST, LANGUAGES
from fsm.settings import Settings
from mobile_api import feed

_FORMS = ("svg", "png", "pdf")


def add_commands(commands: Any) -> None:
    label = commands.add_parser(
        "label",
        description="Draw one label as SVG, PNG or PDF, or many as a PDF on sticker sheets.",
        epilog="examples:\n  fsm label --asset A-204 label.svg\n"
        "  fsm label 7K2M9QRT4XWBN3HF label.png\n"
        "  fsm label --asset A-204 --asset A-205 --stock a4-65 sheet.pdf",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    label.add_argument(
        "names", nargs="+", metavar="CODE … FILE", help="codes, then the file: .svg, .png or .pdf"
    )
    label.add_argument("--asset", action="append", default=[], metavar="NUMBER", help="or by asset")
    label.add_argument(
        "--stock", choices=STOCKS, default="50x30", help="size of the stickers (50x30)"
    )
    label.add_argument("--language", choices=LANGUAGES, default=FIRST)
    label.add_argument("--start", type=int, default=1, help="first free place on the sheet (1)")
    add_company(label)
    label.set_defaults(run=_label)

    sync = commands.add_parser(
        "sync",
    )
    actions = sync.add_subparsers(required=True, metavar="ACTION")
    rebuild = actions.add_parser(
        "rebuild",
        help="bring the phones' feed up to date after changes by hand",
        description="Compare the feed with the rows it shows and write what differs.",
    )
    add_company(rebuild)
    rebuild.set_defaults(run=_rebuild)


def _label(arguments: argparse.Namespace) -> int:
    *codes, name = arguments.names
    target = Path(name)
    form = target.suffix.lower().lstrip(".")
    if form not in _FORMS:
        raise CannotRun(
            f"The last name is the file to write, ending in .svg, .png or .pdf, not '{name}'."
        )
    if not codes and not arguments.asset:
        raise CannotRun("Say which label: a code, or --asset NUMBER.")
    stock = STOCKS[arguments.stock]

    async def work(database: Database, settings: Settings) -> int:
        actor = await who_acts(database, arguments)
        async with database.transaction(actor.tenant_id) as session:
            found = dict(
                (
                    await session.exec(
                        select(Asset.number, Asset.id).where(
                            Asset.tenant_id == actor.tenant_id,
                            col(Asset.number).in_(arguments.asset),
                        )
                    )
                ).all()
            )
            for number in arguments.asset:
                if number not in found:
                    raise CannotRun(f"There is no asset '{number}'.")
            order = passports.LabelOrder(codes, [found[number] for number in arguments.asset])
            drawn = await passports.labels_for(session, actor, settings.public_url, order)
        await asyncio.to_thread(target.write_bytes, _draw(drawn, stock, form, arguments))
        print(f"Wrote {len(drawn)} label{'s' if len(drawn) > 1 else ''} to {target}.")
        return 0

    return with_database(work)


def _draw(drawn: list[labels.Label], stock: Any, form: str, arguments: argparse.Namespace) -> bytes:
    language = arguments.language
    if form == "pdf" and (len(drawn) > 1 or arguments.start > 1):
        return labels.sheet_pdf(drawn, stock, start=arguments.start, language=language)
    if len(drawn) > 1:
        raise CannotRun(f"{len(drawn)} labels go on a sheet; name a file that ends in .pdf.")
    if form == "svg":
        return labels.label_svg(drawn[0], stock, language=language).encode()
    draw = labels.label_png if form == "png" else labels.label_pdf
    return draw(drawn[0], stock, language=language)


def _rebuild(arguments: argparse.Namespace) -> int:
    async def work(database: Database, settings: Settings) -> int:
        for tenant_id in await list_companies(database, arguments.tenant):
            wrong = await feed.rebuild_in_steps(database, tenant_id)
            print(f"{tenant_id}: {wrong} rows were wrong")
        return 0

    return with_database(work)
