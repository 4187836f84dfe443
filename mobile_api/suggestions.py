"""What a technician found to be different: changes of assets, sites and contacts, field by field.

Three-way on the revision that the phone had: a field that nobody has changed since is changed, one that
somebody has, or that is not a technician's to change, is a suggestion for the office.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import pydantic

from fsm.assets import queries as assets
from fsm.customers import queries as customers
from fsm.database import run
from fsm.http import Email, Language, Line, Phone, Short, Text
from fsm.problems import NotFound
from fsm.work_orders.tables import Review
from mobile_api import intents
from mobile_api.hand import Hand
from mobile_api.intents import Body, Envelope

_Optional = pydantic.Field(default=None)


class AssetFields(Body):
    name: Line = ""
    serial: Short = ""
    place: Short = ""
    notes: Text = ""


class SiteFields(Body):
    access_notes: Text = ""
    hazards: Text = ""


class ContactFields(Body):
    name: Line = ""
    role: Short = ""
    phone: Annotated[Phone | None, _Optional]
    email: Annotated[Email | None, _Optional]
    language: Annotated[Language | None, _Optional]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of row: its name in history, what a technician may change, and how it is held and edited."""

    entity: str
    fields: type[Body]
    lock: Callable[..., Awaitable[Any]]
    edit: Callable[..., Awaitable[Any]]


KINDS: Mapping[type[Body], Kind] = {
    intents.AssetSuggest: Kind("asset", AssetFields, assets.lock_asset, assets.edit_asset),
    intents.SiteSuggest: Kind("site", SiteFields, customers.lock_site, customers.edit_site),
    intents.ContactSuggest: Kind(
        "contact", ContactFields, customers.lock_contact, customers.edit_contact
    ),
}


async def hold_wished(hand: Hand, envelopes: Iterable[Envelope]) -> None:
    """Hold the rows that these intents change, in one order: two phones may wish for the same in another."""
    wished = set()
    for envelope in envelopes:
        entity = _CHANGES.get(envelope.type)
        if entity is None:
            continue
        try:
            wished.add((entity, UUID(envelope.data[f"{entity}_id"])))
        except (KeyError, TypeError, ValueError, AttributeError):
            continue  # it is refused when its turn comes
    for entity, row_id in sorted(wished):
        with suppress(NotFound):
            await _LOCKS[entity](hand.session, hand.actor, row_id)


_LOCKS = {kind.entity: kind.lock for kind in KINDS.values()}
_CHANGES = {**{f"{entity}.suggest": entity for entity in _LOCKS}, "passport.claim": "asset"}
"""type → what it changes beside the job"""


async def suggest(hand: Hand, envelope: Envelope, data: Any) -> list[dict[str, Any]]:
    """Apply a wished change as far as nobody else changed the same; the rest is put before the office."""
    kind = KINDS[type(data)]
    row_id: UUID = getattr(data, f"{kind.entity}_id")
    session, actor = hand.session, hand.actor
    row = await kind.lock(session, actor, row_id)
    try:
        read = kind.fields.model_validate(data.fields)
    except pydantic.ValidationError as error:
        raise intents.malformed(error, "/data/fields") from None
    wished = {name: getattr(read, name) for name in read.model_fields_set}
    moved = await _changed_since(hand, kind.entity, row_id, data.base_rev, row.rev)
    changes = {
        name: value
        for name, value in wished.items()
        if value != getattr(row, name) and moved is not None and name not in moved
    }
    left = {
        name: value
        for name, value in data.fields.items()
        if name not in changes and (name not in wished or wished[name] != getattr(row, name))
    }
    before = row.rev
    if changes:
        await kind.edit(session, actor, hand.now, row_id, row.rev, changes)
    if not left:
        return []
    session.add(
        Review(
            tenant_id=actor.tenant_id,
            kind="suggestion",
            data={
                "intent_id": str(envelope.id),
                f"{kind.entity}_id": str(row_id),
                "base_rev": data.base_rev,
                "rev": before,
                "fields": left,
                "by": actor.name,
            },
            raised_at=hand.now,
        )
    )
    await session.flush()
    return [{"code": "suggestion"}]


async def _changed_since(
    hand: Hand, entity: str, row_id: UUID, base_rev: int, rev: int
) -> set[str] | None:
    """Return which fields have been changed since a revision; None where history does not tell."""
    if base_rev == rev:
        return set()
    if base_rev > rev:
        return None  # a revision that a restore undid
    await hand.session.flush()
    result = await run(
        hand.session,
        "select data from event where tenant_id = :t and entity = :entity and entity_id = :id"
        " and kind = :kind and (data ->> 'rev')::bigint > :base",
        t=hand.actor.tenant_id,
        entity=entity,
        id=row_id,
        kind=f"{entity}.edited",
        base=base_rev,
    )
    told = {data["rev"]: set(data.get("fields", data.get("changes", ()))) for (data,) in result}
    told |= {
        event["data"]["rev"]: set(event["data"].get("fields", event["data"].get("changes", ())))
        for event in hand.session.info.get("gathered_events", ())
        if event["entity_id"] == row_id and event["kind"] == f"{entity}.edited"
    }
    if any(one not in told for one in range(base_rev + 1, rev + 1)):
        return None
    return set().union(*told.values())
