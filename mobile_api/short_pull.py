"""The pull as phones usually ask for it, answered ahead of the framework, which costs more than a small page.

Only what is plainly in order is taken: the parameters as an app writes them, one token, of a device that this
process has let in before. Everything else goes on to the route, which says what is wrong with it and is what
the OpenAPI document describes. Allowances, rights, problems and bytes are the same on both ways.
"""

import re
from typing import Any, NamedTuple

from litestar.types import HTTPScope, Receive, Send

from fsm import http
from fsm.actors import Actor, Permission
from fsm.tenants import tokens
from fsm.tenants.tokens import Secret
from mobile_api import pull
from mobile_api.device_requests import ReadyJson, together_of
from mobile_api.limits import allowances_of

_PATH = "/sync/v1/pull"
_QUERY = re.compile(
    rb"(?:since=(c1\.[\w-]{1,8000}\.[\w-]{1,100}))?"
    rb"(?:(?:^|&)limit=([1-9][0-9]{0,2}|1000))?"
    rb"(?:(?:^|&)outbox_empty_at=(0|[1-9][0-9]{0,14}))?"
)


class _Asked(NamedTuple):
    """What a request says that is plainly in order."""

    secret: Secret
    actor: Actor
    accept_encoding: str | None
    since: str | None
    limit: int
    outbox_empty_at: int | None


async def answers(state: Any, scope: HTTPScope, receive: Receive, send: Send) -> bool:
    """Answer a request if it is such a pull; return whether it was. `state` is the application's."""
    if scope["path"] != _PATH or (asked := _read(scope)) is None:
        return False
    try:
        allowed = allowances_of(state)
        client = scope.get("client")
        allowed.address.take(client[0] if client else "")
        allowed.device.take(asked.secret.token)
        content = await pull.answer(
            state.database,
            state.settings.sync_token_key,
            asked.actor,
            state.clock(),
            token_hash=asked.secret.sha256,
            since=asked.since,
            limit=asked.limit,
            outbox_empty_at=asked.outbox_empty_at,
            others=together_of(state),
        )
        ready = ReadyJson(content, asked.accept_encoding, http.SAFE_HEADERS)
    except Exception as error:  # noqa: BLE001  # as the framework would take it
        await http.refuse(scope, receive, send, error)
    else:
        await ready(scope, receive, send)
    return True


def _read(scope: HTTPScope) -> _Asked | None:
    """Return what the request asks, None where somebody has to look at it more closely."""
    query = _QUERY.fullmatch(scope["query_string"])
    if query is None or scope["method"] != "GET" or scope.get("root_path"):
        return None
    token, accepted = None, None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if token is not None:
                return None
            scheme, _, token = value.decode("latin-1").partition(" ")
            if scheme not in ("Token", "Bearer"):
                return None
        elif name == b"accept-encoding":
            if accepted is not None:
                return None
            accepted = value.decode("latin-1")
    known = None if token is None else tokens.remembered_device(token)
    if known is None or not known[1].may(Permission.SYNC):
        return None
    since, limit, empty_at = query.groups()
    return _Asked(
        *known,
        accepted,
        None if since is None else since.decode(),
        pull.PAGE_CHANGES if limit is None else int(limit),
        None if empty_at is None else int(empty_at),
    )
