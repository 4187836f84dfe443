"""`fsm conform`: hold a server, or an app, against the rules of sync and closing."""

import argparse
import asyncio
import contextlib
import getpass
import json
import os
import shlex
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from fsm.commands.asking import CannotRun
from mobile_api.conformance import VECTOR_FOLDER, kit
from mobile_api.conformance.device import Bench
from mobile_api.conformance.ledger import RULES
from mobile_api.conformance.referee import Referee
from mobile_api.conformance.requirement import CannotTry, Result, Verdict

_STANDARD_ERROR = 2
"""Where the office's command writes: standard output may be one JSON object."""
_CANNOT = 3
"""What the office's command ends with when asked for what it cannot do."""
_MARKS = {Verdict.PASSED: "ok  ", Verdict.FAILED: "FAIL", Verdict.SKIPPED: "skip"}


def add_commands(commands: Any) -> None:
    conform = commands.add_parser(
        "conform",
        description="Hold a server, or an app, against the rules of sync and closing.",
        epilog="examples:\n  fsm conform sync https://service.example.com --login anna@example.com\n"
        "  fsm conform sync http://localhost:8000 --login anna --finish --office ./office --flood 5000\n"
        "  fsm conform app https://service.example.com --port 8100 --faults\n"
        "  fsm conform vectors ./vectors",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = conform.add_subparsers(required=True, metavar="ACTION")
    sync = actions.add_parser(
        "sync",
        help="test a server, as a phone of its own",
        description="Try every requirement of the protocol on a server. Use a technician with a dispatched "
        "visit and no phone of their own: notes, photos and answers are left on it. What the protocol "
        "has no door for is asked of --office, which is run with one of: dispatch · withdraw VISIT · "
        "reassign VISIT · revoke DEVICE · restore; exit 3 says that it cannot. What cannot be tried is "
        "listed with the reason. Exit 1 if a requirement is not fulfilled.",
    )
    sync.add_argument("url", help="the server's address")
    sync.add_argument("--login", help="the technician's; the password is asked for")
    sync.add_argument("--change", metavar="COMMAND", help="changes something the technician sees")
    sync.add_argument(
        "--office", metavar="COMMAND", help="gives and takes visits, revokes, restores"
    )
    sync.add_argument("--flood", type=int, default=0, help="requests to make until one is refused")
    sync.add_argument("--finish", action="store_true", help="may finish a visit for good")
    sync.add_argument("--only", default="", metavar="KEY", help="requirements that begin so: push")
    sync.add_argument("--json", action="store_true", help="write one JSON object")
    sync.set_defaults(run=_sync)
    app = actions.add_parser(
        "app",
        help="stand between an app and a server, and judge what the app sends",
        description="Listen on this machine and pass everything on to a server. Point the app here, use it, "
        "then stop with Ctrl-C: every rule that the app broke is named. Judged are /sync/v1, /files and the "
        "intents that go up through /compat; stop once the app has sent everything, for what it owes then is "
        "a breach. Exit 1 if there is one.",
    )
    app.add_argument("url", help="the server's address")
    app.add_argument("--port", type=int, default=8100, help="where to listen (8100)")
    app.add_argument(
        "--faults", action="store_true", help="lose answers, break pages, put off, send odd digests"
    )
    app.add_argument("--seconds", type=float, help="stop by itself after so long")
    app.set_defaults(run=_app)
    vectors = actions.add_parser(
        "vectors",
        help="write the closing rules as examples, for any language",
        description="Copy rules-vectors.json and closing-vectors.json into a folder.",
    )
    vectors.add_argument("folder", type=Path)
    vectors.set_defaults(run=_vectors)


def _sync(arguments: argparse.Namespace) -> int:
    return asyncio.run(_try_all(arguments))


async def _try_all(arguments: argparse.Namespace) -> int:
    async with httpx.AsyncClient(base_url=arguments.url, timeout=30) as client:
        bench = Bench(
            client,
            await _sign_in(client, arguments.login),
            change=_changer(arguments.change) if arguments.change else None,
            may_finish=arguments.finish,
            office=_office(arguments.office) if arguments.office else None,
            flood=arguments.flood,
        )
        results: list[Result] = []
        async for result in kit.conform(bench, arguments.only):
            results.append(result)
            if not arguments.json:
                reason = f"\n       {result.detail}" if result.detail else ""
                print(f"{_MARKS[result.verdict]}  {result.key}: {result.text}{reason}", flush=True)
    counts = {str(v): sum(one.verdict is v for one in results) for v in Verdict}
    if arguments.json:
        print(json.dumps({**counts, "results": [one.to_json() for one in results]}, indent=1))
    else:
        print(
            f"{counts['passed']} fulfilled, {counts['failed']} not, {counts['skipped']} not tried"
        )
    return 1 if counts["failed"] or not results else 0


async def _sign_in(client: httpx.AsyncClient, login: str | None) -> str:
    if token := os.environ.get("FSM_CONFORM_TOKEN"):
        return token
    if login is None:
        raise CannotRun("Say who signs in with --login, or set FSM_CONFORM_TOKEN to a token.")
    password = os.environ.get("FSM_CONFORM_PASSWORD") or await asyncio.to_thread(
        getpass.getpass, f"Password of {login}: "
    )
    try:
        answer = await client.post("/api/sign-in", json={"login": login, "password": password})
    except httpx.HTTPError as error:
        raise CannotRun(f"The server cannot be reached: {error}.") from None
    if answer.status_code != 200:
        raise CannotRun(f"The server does not take this login: it answered {answer.status_code}.")
    return str(answer.json()["access_token"])


def _changer(command: str) -> Callable[[], Awaitable[None]]:
    async def change() -> None:
        running = await asyncio.create_subprocess_exec(*shlex.split(command))
        if code := await running.wait():
            raise CannotRun(f"The command that changes something ended with {code}.")

    return change


def _office(command: str) -> Callable[..., Awaitable[None]]:
    async def act(*words: str) -> None:
        running = await asyncio.create_subprocess_exec(
            *shlex.split(command), *words, stdout=_STANDARD_ERROR
        )
        code = await running.wait()
        if code == _CANNOT:
            raise CannotTry(f"the office cannot {words[0]}")
        if code:
            raise CannotRun(f"The office's command ended with {code} on '{' '.join(words)}'.")

    return act


def _app(arguments: argparse.Namespace) -> int:
    return asyncio.run(_judge_app(arguments))


async def _judge_app(arguments: argparse.Namespace) -> int:
    async with httpx.AsyncClient(base_url=arguments.url) as client:
        referee = Referee(client, faults=arguments.faults)
        config = uvicorn.Config(
            referee, host="127.0.0.1", port=arguments.port, log_config=None, lifespan="off"
        )
        server = uvicorn.Server(config)
        print(f"Point the app at http://127.0.0.1:{arguments.port}; stop with Ctrl-C.", flush=True)
        serving = asyncio.create_task(server.serve())
        if arguments.seconds is not None:
            await asyncio.wait([serving], timeout=arguments.seconds)
            server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
            await serving
    breaches = referee.ledger.close()
    for breach in breaches:
        print(f"FAIL  {breach.rule}: {RULES[breach.rule]}\n       {breach.detail}")
    ledger = referee.ledger
    faults = ", ".join(f"{count} {name}" for name, count in referee.faults.items() if count)
    print(
        f"{ledger.requests} requests, {ledger.intents} intents, {len(ledger.devices)} devices"
        f"{f'; faults: {faults}' if faults else ''}; {len(breaches)} breaches of {len(RULES)} rules"
    )
    return 1 if breaches or not ledger.requests else 0


def _vectors(arguments: argparse.Namespace) -> int:
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(VECTOR_FOLDER.glob("*.json")):
        shutil.copyfile(source, arguments.folder / source.name)
        print(arguments.folder / source.name, file=sys.stdout)
    return 0
