"""Processes that draw: kept warm, so that a preview does not wait for fonts, and off the event loop.

The first page of a process takes several times as long as those after it. The processes are started with the
first document that is asked for, and die with the one that asked.
"""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from fsm.problems import Problem
from reports.documents.drawing import Attachment, draw

_PROCESSES: Final = min(2, os.cpu_count() or 1)
_LIMIT_S: Final = 60.0
_PR_SET_PDEATHSIG: Final = 1
_BLANK: Final = (
    '{"title":"","language":"en","company":"","number":"","dated":"","issued":[2000,1,1,0,0,0],'
    '"page_of":["","",""],"blocks":[],"verification":null,"mark":"","orientation":"portrait"}'
)


class DrawingFailed(Problem):
    """The document could not be drawn now; nothing was issued."""

    code, status, title = "drawing-failed", 503, "The document could not be drawn"

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "5"}


class Drawers:
    """A pool of drawing processes, started when first needed."""

    def __init__(self, processes: int = _PROCESSES) -> None:
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None

    async def draw(
        self, page: str, images: Mapping[str, bytes], attachment: Attachment | None = None
    ) -> bytes:
        """Return a typeset page as PDF. A process that died is replaced and the page tried once more."""
        for attempt in (1, 2):
            pool = self._pool or self._start()
            try:
                drawn = asyncio.get_running_loop().run_in_executor(
                    pool, draw, page, dict(images), attachment
                )
                return await asyncio.wait_for(drawn, _LIMIT_S)
            except BrokenProcessPool as error:
                if self._pool is pool:
                    self.close()
                if attempt == 2:
                    raise DrawingFailed(
                        "The processes that draw documents end at once. Tell the operator."
                    ) from error
            except TimeoutError:
                if self._pool is pool:
                    self.close()
                raise DrawingFailed("Drawing the document took too long.") from None
        raise AssertionError("unreachable")

    def _start(self) -> ProcessPoolExecutor:
        self._pool = ProcessPoolExecutor(
            self._processes,
            multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(os.getpid(),),
        )
        return self._pool

    def close(self) -> None:
        """Let the processes go; the next page starts new ones."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


DRAWERS: Final = Drawers()
"""This process's own: applications of one process share them."""


def _begin(parent: int) -> None:
    """Become a process that ends with its parent, yields to whoever serves requests, and has its fonts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to handle
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    draw(_BLANK, {})
