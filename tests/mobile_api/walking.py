"""A walk through every door that writes: after each step the feed is what a rebuild makes of it."""

import re
from dataclasses import dataclass, field
from typing import Any

import httpx
from litestar import Litestar

from fsm.app import paths_of
from fsm.database import Database, run
from fsm.evidence.blobs import BlobStore
from fsm.jobs import decode
from fsm.settings import Settings
from fsm.worker import REACTIONS, ROUNDS, Tools
from mobile_api import feed
from tests.company import Company
from tests.conftest import Clock
from tests.mobile_api.phones import Phone


def writing_routes(app: Litestar) -> set[str]:
    """Return 'METHOD /path/{}' of every route that may write."""
    return {
        f"{method} {re.sub(r'{[^}]*}', '{}', path)}"
        for path, handler in paths_of(app)
        for method in handler.http_methods - {"GET", "HEAD", "OPTIONS"}
    }


@dataclass
class Walk:
    """Who walks, and where they have been."""

    app: Litestar
    client: httpx.AsyncClient
    database: Database
    settings: Settings
    company: Company
    clock: Clock
    phone: Phone
    store: BlobStore
    walked: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._routes = {
            route: re.compile(re.sub(r"{}", "[^/]+", route) + "$")
            for route in writing_routes(self.app)
        }

    async def step(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        shows: tuple[str, ...] = (),
        role: str = "administrator",
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> Any:
        """Send a request that must succeed; `shows` are collections that the phone then gets changes of."""
        sent = headers if headers is not None else self.company.headers[role]
        if body is not None:
            more["json"] = body
        answer = await self.client.request(method, path, headers=sent, **more)
        assert answer.status_code < 400, (method, path, answer.status_code, answer.text[:600])
        line = f"{method} {path.partition('?')[0]}"
        # the most literal of the routes that fit
        fits = sorted(
            (route for route, form in self._routes.items() if form.match(line)),
            key=lambda route: route.count("{}"),
        )
        assert fits, line
        self.walked.add(fits[0])
        await self.look(line, shows)
        return (
            answer.json()
            if answer.headers.get("content-type", "").startswith("application/json")
            else None
        )

    async def look(self, what: str, shows: tuple[str, ...] = ()) -> None:
        """Fail if the feed is not what a rebuild would make of it, or a phone does not get what it should."""
        async with self.database.transaction(self.company.id) as session:
            assert await feed.audit_scopes(session, self.company.id) == [], what
        pages = len(self.phone.pages)
        await self.phone.pull()
        got = {change["c"] for page in self.phone.pages[pages:] for change in page["changes"]}
        assert got >= set(shows), (what, got)

    async def work(self) -> None:
        """Do the worker's jobs that wait, looking after each."""
        tools = Tools(self.settings, self.database, self.store, self.clock)
        while True:
            async with self.database.transaction(self.company.id) as session:
                queued = await run(
                    session,
                    "delete from pgqueuer where id = (select min(id) from pgqueuer)"
                    " returning entrypoint, payload",
                )
                row = queued.one_or_none()
            if row is None:
                return
            await REACTIONS[row.entrypoint](tools, decode(row.payload))
            self.done.add(row.entrypoint)
            await self.look(row.entrypoint)

    async def go_round(self) -> None:
        """Do what the worker does on the clock, looking after each round."""
        tools = Tools(self.settings, self.database, self.store, self.clock)
        for name, one in ROUNDS.items():
            await one.work(tools)
            self.done.add(name)
            await self.look(name)
