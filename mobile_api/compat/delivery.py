"""What other people's clients send, brought to the one core that takes intents.

Rows of `intents` are intents. Anything written into another collection becomes a `state.suggest`, whose id is
made of its contents: sent again, it is the same one.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import pydantic
from litestar import Request

from fsm.actors import Actor
from fsm.database import Database
from mobile_api.compat.rows import as_uuid
from mobile_api.device_requests import take
from mobile_api.feed import mark_row
from mobile_api.feed_sql import COLLECTIONS
from mobile_api.intents import Batch, Instant, Sent, StateSuggest, read_intent
from mobile_api.pull import NotATechnician, device_of, granted_scopes
from mobile_api.push import MOST_INTENTS

INTENTS = "intents"
"""The one collection that a client writes."""
SUGGESTION = "state.suggest"
_MOMENT: pydantic.TypeAdapter[datetime] = pydantic.TypeAdapter(Instant)
_STRANGE_ID = UUID("0b0b7a3c-6c1f-5f0e-8a55-5b3f3f3f9c11")


def intent(row: Mapping[str, Any]) -> Sent:
    """Return the intent in a row of `intents`; members that begin with `_` are the client library's."""
    return read_intent({name: value for name, value in row.items() if not name.startswith("_")})


def suggestion(
    actor: Actor,
    collection: str,
    row_id: str,
    fields: Mapping[str, Any],
    *,
    base_rev: object = None,
    is_deleted: bool = False,
) -> Sent:
    """Return the intent that suggests what a client wrote over a row, or that it removed it."""
    known_id = as_uuid(row_id)
    data: dict[str, Any] = {
        "collection": collection[:40],
        "row_id": str(known_id or uuid5(_STRANGE_ID, json.dumps(row_id))),
        "fields": {**fields, **({} if known_id else {"id": row_id})},
        "is_deleted": is_deleted,
    }
    if isinstance(base_rev, int) and base_rev > 0:
        data["base_rev"] = base_rev
    made_of = json.dumps(data, sort_keys=True)
    return read_intent(
        {
            "id": str(uuid5(device_of(actor), made_of)),
            "seq": 0,
            "type": SUGGESTION,
            "data": data,
        }
    )


async def deliver(
    request: Request[Any, Any, Any],
    actor: Actor,
    now: datetime,
    intents: Sequence[Sent],
    sent_at: str | None,
) -> None:
    """Store and apply what a client sent, in the device's order, however much it is.

    `sent_at` is the device's time; one that cannot be read tells nothing and holds up nothing.
    """
    moment = None
    if sent_at is not None:
        with suppress(pydantic.ValidationError):
            moment = _MOMENT.validate_python(sent_at)
    ordered = sorted(intents, key=lambda sent: sent.seq)
    for start in range(0, len(ordered), MOST_INTENTS):
        some = ordered[start : start + MOST_INTENTS]
        answer = await take(request, actor, now, Batch(device_of(actor), some, None, moment))
        told_again = {one["id"] for one in answer.outcomes if one["status"] == "duplicate"}
        wishes = [
            sent.envelope.data
            for sent in some
            if sent.type == SUGGESTION and sent.envelope and str(sent.id) in told_again
        ]
        if wishes and actor.user_id is not None:
            await _send_again(request.app.state.database, actor, wishes)


async def _send_again(
    database: Database, actor: Actor, wishes: Sequence[Mapping[str, Any]]
) -> None:
    """Have rows come again whose suggestions were known: the client still shows what it wrote."""
    async with database.transaction(actor.tenant_id) as session:
        with suppress(NotATechnician):
            *_, scope = await granted_scopes(session, actor)
            for wish in wishes:
                with suppress(pydantic.ValidationError):  # an app's own, and none
                    row = StateSuggest.model_validate(wish)
                    if row.collection in COLLECTIONS:
                        await mark_row(session, scope, row.collection, row.row_id)
