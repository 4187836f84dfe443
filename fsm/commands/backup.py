"""`fsm backup`, `fsm restore`: copies of everything that have been tried, and the way back."""

import argparse
import asyncio
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from fsm.backups.folder import BackupFolder
from fsm.backups.programs import BackupFailed, Server
from fsm.backups.restoring import restore
from fsm.backups.taking import follow, forget_old, take_backup
from fsm.commands.asking import CannotRun
from fsm.commands.company import with_database
from fsm.database import Database
from fsm.evidence.blobs import blob_store
from fsm.settings import Settings, read_settings

_BACKUP = """examples:
  fsm backup /backup --follow &        keep the log and new photos, all the time
  fsm backup /backup --keep 14         every night: a copy, tried, and fourteen of them

The login of FSM_BACKUP_DATABASE_URL copies the database. FSM_SECRET, FSM_FEED_KEY and FSM_RECEIPT_SEED
are in no backup: keep them elsewhere."""

_RESTORE = """examples:
  fsm restore /backup --into /var/lib/postgresql/18/main
  fsm restore /backup --to 2026-11-21T14:05:00+01:00 --into /var/lib/postgresql/18/main

Afterwards start PostgreSQL over that directory with its own configuration, then 'fsm serve'. Phones notice by
themselves: they reconcile and send again what is missing. Begin a new backup folder after a restore."""


def add_commands(commands: Any) -> None:
    backup = commands.add_parser(
        "backup",
        description="Copy the database and all photos into a folder, and try the copy: it is restored aside, "
        "started, every company's history recomputed and every verified photo looked for.",
        epilog=_BACKUP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    backup.add_argument("folder", type=Path, metavar="DIR")
    backup.add_argument(
        "--follow",
        action="store_true",
        help="write the log and new photos into DIR until Ctrl-C, so that any moment can be restored",
    )
    backup.add_argument(
        "--keep", type=_count, metavar="N", help="afterwards remove all but the newest N copies"
    )
    backup.set_defaults(run=_backup)

    restoring = commands.add_parser(
        "restore",
        description="Make a data directory for PostgreSQL from a backup, as everything was at a moment.",
        epilog=_RESTORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    restoring.add_argument("folder", type=Path, metavar="DIR")
    restoring.add_argument(
        "--to",
        type=_moment,
        metavar="TIME",
        help="with its zone, such as 2026-11-21T14:05:00+01:00; else all there is",
    )
    restoring.add_argument(
        "--into", type=Path, required=True, metavar="DATA", help="the data directory to make"
    )
    restoring.add_argument(
        "--embedded",
        action="store_true",
        help="make DATA a directory of the private database of 'fsm demo', with new passwords",
    )
    restoring.set_defaults(run=_restore)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number of copies from 1")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a time as in 2026-11-21T14:05:00+01:00") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("a time needs its zone, as in 2026-11-21T14:05:00+01:00")
    return moment


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _backup(arguments: argparse.Namespace) -> int:
    folder = BackupFolder(arguments.folder)

    async def work(database: Database, settings: Settings) -> int:
        try:
            if arguments.follow:
                stop = asyncio.Event()
                for number in (signal.SIGINT, signal.SIGTERM):
                    asyncio.get_running_loop().add_signal_handler(number, stop.set)
                await follow(settings, folder, stop, _say)
                return 0
            made = await take_backup(settings, folder, database, blob_store(settings), _say)
            gone = forget_old(folder, arguments.keep) if arguments.keep else []
        except BackupFailed as failed:
            raise CannotRun(str(failed)) from None
        told = sum(tenant.events for tenant in made.tenants)
        print(
            f"The backup {made.name} is whole: {len(made.tenants)} companies, {told} events, "
            f"{made.photos} photos."
        )
        for name in gone:
            print(f"Removed the backup {name}.")
        return 0

    return with_database(work)


def _restore(arguments: argparse.Namespace) -> int:
    settings = read_settings()
    folder = BackupFolder(arguments.folder)
    try:
        restored = asyncio.run(
            restore(
                settings,
                folder,
                blob_store(settings),
                arguments.into.absolute(),
                until=arguments.to,
                database=Server.of(settings.database_url).database,
                embedded=arguments.embedded,
                say=_say,
            )
        )
    except BackupFailed as failed:
        raise CannotRun(str(failed)) from None
    for warning in restored.warnings:
        _say(f"fsm: {warning}")
    print(
        f"Restored {len(restored.checked.tenants)} companies into {arguments.into} from the backup "
        f"{restored.backup.name}; {restored.objects} photos and documents were brought back."
    )
    return 1 if restored.checked.faults else 0
