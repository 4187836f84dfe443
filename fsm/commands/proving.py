"""`fsm evidence` over a company's data: packs, closures judged again, the chain of history."""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlmodel import select

from fsm import events
from fsm.commands.asking import CannotRun
from fsm.commands.company import list_companies, who_acts, with_database
from fsm.database import Database, Session
from fsm.evidence import daily_roots, signing_keys, statements
from fsm.evidence.blobs import blob_store
from fsm.evidence.receipts import ReceiptKey
from fsm.settings import Settings
from fsm.work_orders import audit as closures
from fsm.work_orders.tables import WorkOrder
from reports.packs.collecting import write_pack


def pack(arguments: argparse.Namespace) -> int:
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


def audit(arguments: argparse.Namespace) -> int:
    async def work(database: Database, settings: Settings) -> int:
        forged = 0
        for tenant_id in await list_companies(database, arguments.tenant):
            audited = await closures.audit_closures(
                database, tenant_id, lambda: datetime.now(UTC), full=arguments.full
            )
            async with database.transaction(tenant_id) as session:
                found = await closures.list_forgeries(session, tenant_id)
            for one in found:
                said = "; ".join(closures.SENTENCES[finding] for finding in one.findings)
                print(f"{tenant_id}: {one.number}: {said}")
            print(
                f"{tenant_id}: {audited.closures} closures judged again, {len(found)} do not stand"
            )
            forged += len(found)
        if forged:
            print("fsm: Jobs were closed without what their checklists ask for.", file=sys.stderr)
        return 1 if forged else 0

    return with_database(work)


def verify_chain(arguments: argparse.Namespace) -> int:
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
