"""`fsm serve`, `fsm worker`, `fsm migrate`, `fsm demo`, `fsm openapi`: the programs themselves."""

import argparse
import asyncio
import gc
import signal
import socket
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from fsm.commands.asking import CannotRun
from fsm.logs import configure_logs
from fsm.settings import read_settings


def add_commands(commands: Any) -> None:
    demo = commands.add_parser("demo", add_help=False)
    demo.set_defaults(run=_demo)

    serve = commands.add_parser(
        "serve",
        description="Answer HTTP over the configured database until Ctrl-C or SIGTERM.",
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=_port, default=8000, help="0 takes any that is free (8000)")
    serve.set_defaults(run=_serve)

    worker = commands.add_parser(
        "worker",
        description="Do background jobs until Ctrl-C or SIGTERM; several workers share them.",
    )
    worker.set_defaults(run=_worker)

    migrate = commands.add_parser(
        "migrate",
        description="Bring the database to this program's schema, as the owner of the tables "
        "(FSM_OWNER_DATABASE_URL). Harmless when there is nothing to do.",
    )
    migrate.set_defaults(run=_migrate)

    openapi = commands.add_parser(
        "openapi",
        description="Write the OpenAPI document of the HTTP interface as JSON; needs no database.",
    )
    openapi.add_argument("file", nargs="?", type=Path, metavar="FILE", help="else standard output")
    openapi.set_defaults(run=_openapi)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _demo(arguments: argparse.Namespace) -> int:
    from fsm.demo.program import main

    return main(arguments.rest)


def _serve(arguments: argparse.Namespace) -> int:
    from fsm.app import create_app, say_farewell
    from fsm.commands.http_server import Server, configure, hands_over_trailers
    from fsm.migrations.migrate import check_revision

    settings = read_settings()
    configure_logs(settings.log_level)
    asyncio.run(check_revision(settings.database_url))
    app = create_app(settings, has_trailers=asyncio.run(hands_over_trailers()))
    family = socket.AF_INET6 if ":" in arguments.host else socket.AF_INET
    try:
        listener = socket.create_server(
            (arguments.host, arguments.port), family=family, backlog=2048
        )
    except (OSError, OverflowError) as error:
        raise CannotRun(
            f"Cannot listen on {arguments.host} port {arguments.port}: {_why(error)}."
        ) from None
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"Answering at http://{shown}:{port} – Ctrl-C stops.", file=sys.stderr, flush=True)
    server = Server(configure(app, timeout_graceful_shutdown=20), partial(say_farewell, app))
    _settle_down()
    with listener:
        server.run(sockets=[listener])
    return 0 if server.started else 1


def _settle_down() -> None:
    """Leave what is loaded by now alone for good: the collector would go through it with every round."""
    gc.collect()
    gc.freeze()


def _why(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _worker(arguments: argparse.Namespace) -> int:
    from fsm.app import compose_database
    from fsm.evidence.blobs import blob_store
    from fsm.migrations.migrate import check_revision
    from fsm.worker import Tools, run_worker
    from scheduler import child

    settings = read_settings()
    configure_logs(settings.log_level)

    async def go() -> None:
        await check_revision(settings.database_url)
        stop = asyncio.Event()
        for signal_ in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signal_, stop.set)
        database = compose_database(settings)
        try:
            print("Working – Ctrl-C stops.", file=sys.stderr, flush=True)
            _settle_down()
            tools = Tools(settings, database, blob_store(settings), lambda: datetime.now(UTC))
            warming = asyncio.create_task(child.warm())
            await run_worker(tools, stop)
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)
        finally:
            await database.close()

    asyncio.run(go())
    return 0


def _migrate(arguments: argparse.Namespace) -> int:
    from fsm.migrations.migrate import migrate, newest_revision

    asyncio.run(migrate(read_settings().owner_database_url))
    print(f"The database is at revision {newest_revision()}.")
    return 0


def _openapi(arguments: argparse.Namespace) -> int:
    from litestar.serialization import encode_json

    from fsm.app import create_app

    # The document depends on no setting: these stand in for a database that is never asked.
    nowhere = {"FSM_DATABASE_URL": "postgresql://nobody@localhost/none", "FSM_SECRET": "-" * 32}
    schema = create_app(read_settings(nowhere)).openapi_schema.to_schema()
    document = msgspec.json.format(encode_json(schema), indent=2) + b"\n"
    if arguments.file is None:
        sys.stdout.buffer.write(document)
        sys.stdout.flush()
    else:
        arguments.file.write_bytes(document)
    return 0
