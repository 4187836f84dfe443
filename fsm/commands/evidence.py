"""`fsm evidence`: packs that prove how a job was done, and proof that history is whole."""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlmodel import select

from fsm import events
from fsm.commands.company import add_company, list_companies, who_acts, with_database
from fsm.commands.failing import CannotRun
from fsm.database import Database, Session
from fsm.evidence import daily_roots, signing_keys, statements
from fsm.evidence.blobs import blob_store
from fsm.evidence.receipts import BadReceipt, ReceiptKey
from fsm.settings import Settings
from fsm.work_orders import audit
from fsm.work_orders.tables import WorkOrder
from reports.documents import statement
from reports.packs.collecting import write_pack
from reports.packs.container import PackRefused
from reports.packs.verifying import Report, verify_pack

_EXAMPLES = """examples:
  fsm evidence pack W-2026-0042 pack.zip
  fsm evidence verify pack.zip --key ed25519:rOwO…
  fsm evidence verify ACT-17.pdf --statement ACT-17.json --key ed25519:rOwO…
  fsm evidence verify-chain --root kept/2026-03-23.json"""


def add_commands(commands: Any) -> None:
    evidence = commands.add_parser(
        "evidence",
        description="Prove how a job was done, and that history is whole.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = evidence.add_subparsers(required=True, metavar="ACTION")

    pack = actions.add_parser(
        "pack",
        help="put everything that proves one job into a file",
        description="Write a ZIP archive with the checklist, facts, verdict, photos, receipts and events of "
        "a job, and what proves them.",
    )
    pack.add_argument("job", metavar="JOB", help="the work order's number or id")
    pack.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="evidence-JOB.zip, unless said"
    )
    add_company(pack, acts=True)
    pack.set_defaults(run=_pack)

    verify = actions.add_parser(
        "verify",
        help="check such a file, or an issued document, offline",
        description="Check an evidence pack; with --statement, a document that was issued. Needs the files "
        "and the server's public keys only: no database, no settings, no network. Exit 1 when it is not as "
        "it was made.",
    )
    verify.add_argument("file", type=Path, metavar="FILE")
    verify.add_argument(
        "--statement",
        type=Path,
        metavar="FILE",
        help="the signed statement about a document, from its /api/documents/ID/statement",
    )
    verify.add_argument(
        "--snapshot", type=Path, metavar="FILE", help="what the document was made of, if kept"
    )
    verify.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="ed25519:…",
        help="a public key of the server, from its /evidence/keys; may be given for each",
    )
    verify.set_defaults(run=_verify)

    auditing = actions.add_parser(
        "audit",
        help="judge closed jobs again and name forged closures",
        description="Judge the closures of completed and closed jobs again, those not judged again before. "
        "Exit 1 when one does not stand.",
    )
    add_company(auditing)
    auditing.add_argument(
        "--full", action="store_true", help="all of them, however often it was done"
    )
    auditing.set_defaults(run=_audit)

    chain = actions.add_parser(
        "verify-chain",
        help="recompute the hash chain of history and its daily roots",
        description="Recompute the hash chain of every company's history, or of one, and its daily roots. "
        "Exit 1 if it is broken.",
    )
    add_company(chain)
    chain.add_argument(
        "--root",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a daily root that was kept elsewhere: the chain must still lead through it",
    )
    chain.set_defaults(run=_verify_chain)


# --- packs ------------------------------------------------------------------------------------------------


def _pack(arguments: argparse.Namespace) -> int:
    async def work(database: Database, settings: Settings) -> int:
        actor = await who_acts(database, arguments)
        async with database.transaction(actor.tenant_id) as session:
            job_id = await _find_job(session, actor.tenant_id, arguments.job)
        target: Path = arguments.file or Path(f"evidence-{arguments.job}.zip")
        beside = target.with_name(target.name + ".part")
        try:
            with beside.open("w+b") as file:
                packed = await write_pack(
                    database,
                    blob_store(settings),
                    ReceiptKey.from_seed(settings.receipt_key_seed),
                    actor,
                    datetime.now(UTC),
                    job_id,
                    file,
                )
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
        print(f"Wrote the evidence of {packed.number} to {target} ({packed.size:,} bytes).")
        return 0

    return with_database(work)


async def _find_job(session: Session, tenant_id: UUID, name: str) -> UUID:
    statement = select(WorkOrder.id).where(
        WorkOrder.tenant_id == tenant_id, WorkOrder.number == name
    )
    found = (await session.exec(statement)).one_or_none()
    if found is not None:
        return found
    try:
        return UUID(name)
    except ValueError:
        raise CannotRun(f"There is no work order '{name}'.") from None


def _verify(arguments: argparse.Namespace) -> int:
    if arguments.statement is not None:
        return _verify_document(arguments)
    with arguments.file.open("rb") as file:
        try:
            report = verify_pack(file, arguments.key)
        except PackRefused as refused:
            raise CannotRun(f"{arguments.file} cannot be checked: {refused}") from None
        except BadReceipt as error:
            raise CannotRun(f"--key: {error}") from None
    _say(report)
    return 0 if report.is_genuine else 1


def _say(report: Report) -> None:
    for finding in report.findings:
        print(f"NOT GENUINE  {finding}")
    for flag in report.flags:
        print(f"look at      {flag}")
    if not report.is_genuine:
        return
    print(
        f"Genuine: {report.job} of {report.tenant}, {report.events} events, {report.photos} photos, "
        f"signed by key {report.kid}."
    )
    if not report.is_key_given:
        print(
            "The key was taken from the pack itself. Compare it with the one that the server publishes at "
            "/evidence/keys, and give it with --key."
        )


def _verify_document(arguments: argparse.Namespace) -> int:
    snapshot: Path | None = arguments.snapshot
    try:
        checked = statement.check(
            arguments.file.read_bytes(),
            arguments.statement.read_bytes(),
            arguments.key,
            None if snapshot is None else snapshot.read_bytes(),
        )
    except statement.StatementRefused as refused:
        raise CannotRun(f"{arguments.statement}: {refused}") from None
    except BadReceipt as error:
        raise CannotRun(f"--key: {error}") from None
    for finding in checked.findings:
        print(f"NOT GENUINE  {finding}")
    if not checked.is_genuine:
        return 1
    print(
        f"Genuine: {checked.kind} {checked.number} of {checked.company}, issued {checked.issued_at}, "
        f"signed by key {checked.kid}. Whether it still counts is on the page that its code leads to."
    )
    if not checked.is_key_given:
        print(
            "The key was taken from the statement itself. Compare it with the one that the server publishes "
            "at /evidence/keys, and give it with --key."
        )
    return 0


def _audit(arguments: argparse.Namespace) -> int:
    async def work(database: Database, settings: Settings) -> int:
        forged = 0
        for tenant_id in await list_companies(database, arguments.tenant):
            audited = await audit.audit_closures(
                database, tenant_id, lambda: datetime.now(UTC), full=arguments.full
            )
            async with database.transaction(tenant_id) as session:
                found = await audit.list_forgeries(session, tenant_id)
            for one in found:
                said = "; ".join(audit.SENTENCES[finding] for finding in one.findings)
                print(f"{tenant_id}: {one.number}: {said}")
            print(
                f"{tenant_id}: {audited.closures} closures judged again, {len(found)} do not stand"
            )
            forged += len(found)
        if forged:
            print("fsm: Jobs were closed without what their checklists ask for.", file=sys.stderr)
        return 1 if forged else 0

    return with_database(work)


# --- history ----------------------------------------------------------------------------------------------


def _verify_chain(arguments: argparse.Namespace) -> int:
    kept = [_read_root(path) for path in arguments.root]

    async def work(database: Database, settings: Settings) -> int:
        broken = 0
        for tenant_id in await list_companies(database, arguments.tenant):
            async with database.transaction(tenant_id) as session:
                said = await _faults(session, tenant_id)
                for path, root in zip(arguments.root, kept, strict=True):
                    if root["tenant_id"] == str(tenant_id):
                        said += await _compare(session, settings, tenant_id, path, root)
                restored = await daily_roots.list_restorations(session, tenant_id)
            for number, data in restored:
                print(
                    f"{tenant_id}: restored to a backup; what followed event {data['after']} was recorded "
                    f"anew from event {number} on"
                )
            for sentence in said or ["whole"]:
                print(f"{tenant_id}: {sentence}")
            broken += bool(said)
        if broken:
            print("fsm: History has been changed.", file=sys.stderr)
        return 1 if broken else 0

    return with_database(work)


async def _faults(session: Session, tenant_id: UUID) -> list[str]:
    number = await events.find_broken_link(session, tenant_id)
    if number is not None:
        return [f"broken from event {number} on"]
    day = await daily_roots.find_wrong_root(session, tenant_id)
    return [] if day is None else [f"the root of {day} is not that of the chain"]


async def _compare(
    session: Session, settings: Settings, tenant_id: UUID, path: Path, root: dict[str, Any]
) -> list[str]:
    keys = {one.kid: one.public_key for one in await signing_keys.list_keys(session, tenant_id)}
    present = ReceiptKey.from_seed(settings.receipt_key_seed)
    try:
        statements.verify(root, statements.ROOT, {**keys, present.kid: present.public})
    except statements.BadStatement as error:
        return [f"{path} is not genuine. {error}"]
    if await daily_roots.is_in_chain(session, tenant_id, root):
        return []
    last = root["first"] + root["leaves"] - 1
    for _, data in await daily_roots.list_restorations(session, tenant_id):
        if data["after"] < last:
            print(
                f"{tenant_id}: {path} covers events up to {last}; those after {data['after']} were lost in "
                "the restore"
            )
            return []
    return [f"does not lead through {path} any more"]


def _read_root(path: Path) -> dict[str, Any]:
    try:
        root = json.loads(path.read_bytes())
        return {
            **root,
            "first": int(root["first"]),
            "leaves": int(root["leaves"]),
            "tenant_id": str(root["tenant_id"]),
        }
    except (ValueError, KeyError, TypeError):
        raise CannotRun(f"{path} holds no daily root.") from None
