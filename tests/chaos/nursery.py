"""Servers and workers by the dozen: one process loads the product once and forks a real one on demand.

    python -m tests.chaos.nursery

Each line on standard input starts a process, `{"argv": […], "env": {…}, "log": path, "plugin": name}`, that
runs the `fsm` program; the answer is its number. Killed processes come back in milliseconds, so a run spends
its time on faults and not on imports. A `plugin` is a function of `controls.py` that breaks the
product on purpose before it starts.
"""

import gc
import importlib
import json
import os
import signal
import sys
import traceback
from functools import cache
from typing import Any

import uvicorn  # noqa: F401 (loaded once for all children)
import uvloop  # noqa: F401
from litestar import Litestar

import fsm.app
import fsm.worker
from fsm import crash_points
from fsm.__main__ import main as fsm_main
from fsm.migrations.migrate import check_revision  # noqa: F401
from fsm.settings import Settings
from scheduler import child
from tests.applications import application, registered
from tests.chaos.processes import die_with_parent


def application_at_once(settings: Settings, *, has_trailers: bool = False) -> Litestar:
    """Do what `create_app` does, over routes that were registered before this process was forked."""
    database = fsm.app.compose_database(settings)
    return application(settings, database=database, has_trailers=has_trailers)


@cache
def prepare(max_request_bytes: int) -> None:
    """Register the routes of a sound server here, once for all that are forked from now on."""
    registered(max_request_bytes)
    gc.collect()
    gc.freeze()  # so that no server goes through all of it again


def become(order: dict[str, Any]) -> None:
    """Run one `fsm` command in this freshly forked process."""
    os.setsid()
    die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(order["env"])
    crash_points.arm(order["env"].get("FSM_CRASH_POINT", ""))
    # Nobody asks for a plan here: a worker that lives for seconds need not compile the search for minutes.
    child.is_warm = lambda: True
    if order.get("plugin"):
        getattr(importlib.import_module("tests.chaos.controls"), order["plugin"])()
    else:
        fsm.app.create_app = application_at_once  # type: ignore[assignment]
    status = 1
    try:
        status = fsm_main(order["argv"])
    except SystemExit as ended:
        status = int(ended.code or 0)
    except Exception:  # noqa: BLE001 (it goes into the log, as a shell would have it)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended
    for line in sys.stdin:
        order = json.loads(line)
        if order["argv"][0] == "serve" and not order.get("plugin"):
            prepare(int(order["env"]["FSM_MAX_REQUEST_BYTES"]))
        pid = os.fork()
        if pid == 0:
            become(order)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
