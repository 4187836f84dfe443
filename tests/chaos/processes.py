"""Starting and ending real processes so that none outlives the run, however that ends."""

import ctypes
import os
import signal
import socket
import time
from contextlib import suppress

from tests.patience import PATIENCE_S


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() == 1:
        os._exit(1)


def listens(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


def wait_until_it_listens(port: int, limit_s: float = PATIENCE_S) -> None:
    until = time.monotonic() + limit_s
    while not listens(port):
        if time.monotonic() > until:
            raise TimeoutError(f"nothing listens on port {port} after {limit_s} s")
        time.sleep(0.02)


def signal_process(pid: int | None, number: int) -> None:
    """Send a signal to a process of ours, which may have ended meanwhile."""
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
