"""What the PowerSync SDK sends: rows of its upload queue, read as the intents that they are.

A row put into `intents` is an intent: its id is the intent's, its number in the queue the device's `seq`, so
that the app counts nothing. A write to any other table is a suggestion. What fits neither is kept as it came,
for the office to look at; the queue behind it goes on.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID, uuid5

import msgspec
import pydantic

from fsm.actors import Actor
from fsm.database import Session, run
from mobile_api import intents
from mobile_api.encodings import BatchTooLarge
from mobile_api.intents import Batch, MalformedBatch, Sent
from mobile_api.pull import device_of
from mobile_api.push import MOST_INTENTS

INTENTS = "intents"
_ENVELOPE = ("type", "base_seq", "occurred_at", "mono_ms", "boot")
_AS_JSON = ("after", "data")
"""Columns of `intents` that hold JSON: SQLite has no lists or objects."""

Name = Annotated[str, pydantic.Field(min_length=1, max_length=100)]


class CrudBody(intents.Body):
    """`install_id` is what the device was registered with: the SDK's own client id serves best."""

    install_id: Name
    client_id: Name
    batch: list[Any]
    sent_at: intents.Instant | None = None
    outbox_empty_at: intents.Number | None = None


class Standing(msgspec.Struct, frozen=True):
    """How a device is registered, and up to which of its numbers a verified backup holds everything."""

    install_id: str
    forget_upto: int


class CrudAnswer(msgspec.Struct, frozen=True):
    """What became of each row; the feed's epoch, and up to where the device may forget what it sent."""

    head: int
    epoch: UUID
    forget_upto: int
    outcomes: list[dict[str, Any]]


def read_crud(content: bytes) -> CrudBody:
    """Return the upload in a JSON body, or raise `MalformedBatch`; too many rows raise too."""
    body = intents.read_body(content, CrudBody)
    if len(body.batch) > MOST_INTENTS:
        raise BatchTooLarge(f"At most {MOST_INTENTS} rows at once.", limit=MOST_INTENTS)
    return body


def batch_of(actor: Actor, standing: Standing, body: CrudBody) -> Batch:
    """Return the intents of an upload that comes from the device it says it does."""
    if body.install_id != standing.install_id:
        raise MalformedBatch(
            "'install_id' is not the one that this token's device registered with."
        )
    device_id = device_of(actor)
    return Batch(device_id, _read_rows(device_id, body.batch), sent_at=body.sent_at)


def _read_rows(device_id: UUID, rows: Sequence[Any]) -> list[Sent]:
    return [intents.read_intent(_intent(device_id, row)) for row in rows]


def _intent(device_id: UUID, row: Any) -> dict[str, Any]:
    """Return a row of the upload queue as a device of our own would have sent it."""
    match row:
        case {"op": "PUT", "type": "intents", "id": str() as row_id, "op_id": int() as seq}:
            columns = row.get("data")
            if isinstance(columns, dict):
                return _envelope(row_id, seq, columns)
        case {
            "op": "PUT" | "PATCH" | "DELETE" as op,
            "type": str() as collection,
            "id": str() as row_id,
            "op_id": int() as seq,
        } if collection != INTENTS:
            return {
                "id": str(uuid5(device_id, json.dumps(row, sort_keys=True))),
                "seq": seq,
                "type": "state.suggest",
                "data": {
                    "collection": collection,
                    "row_id": row_id,
                    "fields": row.get("data") or {},
                    "is_deleted": op == "DELETE",
                },
            }
    number = row.get("op_id") if isinstance(row, dict) else None
    return {"seq": number, "row": row}  # has neither id nor type: kept, under an id of ours


def _envelope(row_id: str, seq: int, columns: Mapping[str, Any]) -> dict[str, Any]:
    envelope = {name: columns[name] for name in _ENVELOPE if columns.get(name) is not None}
    for name in _AS_JSON:
        if columns.get(name) is not None:
            envelope[name] = _json(columns[name])
    return {"id": row_id, "seq": seq, **envelope}


def _json(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return text  # refused where an object or list is wanted, and kept


async def find_standing(session: Session, actor: Actor) -> Standing:
    result = await run(
        session,
        "select d.install_id, coalesce(s.backed_up_seq, 0) as held from device d"
        " left join sync_device s on s.tenant_id = d.tenant_id and s.device_id = d.id"
        " where d.tenant_id = :t and d.id = :device",
        t=actor.tenant_id,
        device=actor.device_id,
    )
    row = result.one()
    return Standing(row.install_id, row.held)
