"""The product's application as tests want it: its routes are registered once a process.

Registering them takes longer than most tests do; what tells one application from another is its state.
"""

from collections.abc import Callable
from copy import copy
from datetime import datetime
from functools import cache

from litestar import Litestar

from fsm.app import create_app, state_of
from fsm.database import Database
from fsm.http import wall_clock
from fsm.settings import Settings, read_settings


def application(
    settings: Settings,
    *,
    database: Database,
    clock: Callable[[], datetime] = wall_clock,
    has_trailers: bool = False,
) -> Litestar:
    """Return what `create_app` does: an application of its own, over routes that all of them share."""
    app = copy(registered(settings.max_request_bytes))
    app.state = state_of(settings, database, clock, has_trailers)
    app.asgi_router = copy(app.asgi_router)
    app.asgi_router.app = app  # whose start and end it runs
    app.asgi_handler = app._create_asgi_handler()
    return app


@cache
def registered(max_request_bytes: int) -> Litestar:
    """Every route, over a database that nobody asks. A body's limit is told to each of them."""
    nowhere = {
        "FSM_DATABASE_URL": "postgresql://127.0.0.1:1/nowhere",
        "FSM_SECRET": "a secret that signs nothing, long enough",
        "FSM_MAX_REQUEST_BYTES": str(max_request_bytes),
    }
    return create_app(read_settings(nowhere))
