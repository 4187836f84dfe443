"""A slow line and a slow processor for the tests in browsers, to find what holds only where both are quick.

`FSM_TEST_SLOW=1 pytest -m browser`: every answer to a browser is up to 0.7 s late, by chance of that seed,
in part before the server has looked at the request and in part after; pages get a quarter of the processor.
"""

import asyncio
import os
from random import Random
from typing import Any

SEED = os.environ.get("FSM_TEST_SLOW")
LATE_S = 0.7
TIMES_SLOWER = 4


def slow_line(app: Any) -> Any:
    """The application as browsers meet it; tests that ask it themselves are answered at once."""
    if not SEED:
        return app
    chance = Random(SEED)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if not any(name == b"sec-fetch-mode" for name, _ in scope.get("headers", ())):
            await app(scope, receive, send)
            return
        late_s = chance.uniform(0, LATE_S)
        before_s = chance.uniform(0, late_s)

        async def send_late(message: Any) -> None:
            if (
                message["type"] == "http.response.start"
            ):  # what follows it, a stream too, is not held
                await asyncio.sleep(late_s - before_s)
            await send(message)

        await asyncio.sleep(before_s)
        await app(scope, receive, send_late)

    return answer


def slow_pages(context: Any) -> None:
    """Every page that the context opens from now on, popups among them."""

    async def slow(page: Any) -> None:
        try:
            debugger = await context.new_cdp_session(page)
            await debugger.send("Emulation.setCPUThrottlingRate", {"rate": TIMES_SLOWER})
        except Exception:
            if not page.is_closed():
                raise

    if SEED:
        context.on("page", slow)
