"""RxDB's replication protocol: documents with checkpoints down, rows with the master they assume up.

RxDB ends a pull at the first page with fewer documents than it asked for, and takes whatever a push answers
as the master's present documents. `state` is all collections in one, since RxDB without its paid plugins
opens no more than 13. A row's members stand in `d`, as in a pull of `/sync/v1`: at the top of a document
RxDB's validators refuse what their schema does not name, so an app would stop at the first new member.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fsm.actors import Actor
from fsm.problems import NotFound
from mobile_api.compat import delivery
from mobile_api.compat.rows import Change, Key
from mobile_api.encodings import BatchTooLarge
from mobile_api.feed_sql import COLLECTIONS
from mobile_api.intents import MalformedBatch, Sent, decode
from mobile_api.push import MOST_INTENTS

ALL = "state"

Document = dict[str, Any]


class Checkpoint(msgspec.Struct, frozen=True):
    """How far a collection was read."""

    t: str


class Page(msgspec.Struct, frozen=True):
    """Fewer documents than asked for are the last ones; `head` then is the head up to which all is known."""

    documents: list[Document]
    checkpoint: Checkpoint | None
    head: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a push: the document, and what the client believes the server's to be."""

    document: Document
    assumed: Document | None


@dataclass(frozen=True, slots=True)
class Written:
    """One document that a client wrote: which row it is, what it was before, if the client knew."""

    key: Key
    document: Document
    assumed: Document | None

    @property
    def is_deleted(self) -> bool:
        return bool(self.document.get("_deleted"))

    @property
    def is_ours(self) -> bool:
        """Whether the client wrote nothing, and shows a version of the server's that it holds.

        That is a document with a `rev` whose master it does not know, as when it begins anew; or one older
        than its master: RxDB may read the document before a pull and the master after it.
        """
        rev = self.document.get("rev")
        if self.assumed is None:
            return rev is not None
        known = self.assumed.get("rev")
        return isinstance(rev, int) and isinstance(known, int) and rev < known

    @property
    def edits(self) -> Document:
        """Return the members that the client itself wrote."""
        before = _members(self.assumed or {})
        return {
            name: value
            for name, value in _members(self.document).items()
            if name not in before or before[name] != value
        }

    def suggestion(self, actor: Actor) -> Sent | None:
        """Return what the client wishes of the row, None where it wishes nothing."""
        if self.is_ours:
            return None
        removed = self.is_deleted and not (self.assumed or {"_deleted": True}).get("_deleted")
        edits = {} if self.is_deleted else self.edits
        if not edits and not removed:
            return None
        coll, row_id = self.key
        rev = (self.assumed or {}).get("rev")
        return delivery.suggestion(actor, coll, row_id, edits, base_rev=rev, is_deleted=removed)


def _members(document: Document) -> Document:
    members = document.get("d", {})
    return members if isinstance(members, dict) else {"d": members}


def collection_of(name: str) -> str | None:
    """Return the collection that a name in an address means; None for all of them together."""
    if name == ALL:
        return None
    if name in COLLECTIONS:
        return name
    if name == delivery.INTENTS:
        raise NotFound(
            "Intents are only pushed; what became of them is in the collection 'outcomes'."
        )
    raise NotFound(f"There is no collection '{name[:40]}'; all of them together are 'state'.")


def document(name: str, change: Change) -> Document:
    """Return a change as a document of the collection `name`."""
    own_id = f"{change.c}/{change.id}" if name == ALL else change.id
    told = {"id": own_id, "coll": change.c, "rev": change.rev}
    return (
        {**told, "_deleted": True}
        if change.d is None
        else {**told, "d": change.d, "_deleted": False}
    )


def read_rows(content: bytes) -> list[Row]:
    """Return the rows of a push, or raise `MalformedBatch`; more than a batch holds raise too."""
    rows = decode(content)
    if not isinstance(rows, list):
        raise MalformedBatch("The body is not a list of RxDB's rows.")
    if len(rows) > MOST_INTENTS:
        raise BatchTooLarge(
            f"At most {MOST_INTENTS} documents at once; set push.batchSize to that.",
            limit=MOST_INTENTS,
        )
    return [_row(value) for value in rows]


def _row(value: Any) -> Row:
    members = value if isinstance(value, dict) else {}
    document, assumed = members.get("newDocumentState"), members.get("assumedMasterState")
    if not isinstance(document, dict) or not isinstance(document.get("id"), str):
        raise MalformedBatch("Every row needs a 'newDocumentState' with its 'id'.")
    return Row(document, assumed if isinstance(assumed, dict) else None)


def read_intents(rows: Iterable[Row]) -> list[Sent]:
    """Return the intents of a push; one that the app tidies away needs nothing of us."""
    return [delivery.intent(row.document) for row in rows if not row.document.get("_deleted")]


def read_written(name: str, rows: Iterable[Row]) -> list[Written]:
    """Return the documents that a client wrote into the collection `name`."""
    coll = collection_of(name)
    written = []
    for row in rows:
        row_id = row.document["id"]
        kind, _, own_id = row_id.rpartition("/")
        key = (kind, own_id) if coll is None else (coll, row_id)
        written.append(Written(key, row.document, row.assumed))
    return written


def conflicts(name: str, written: Sequence[Written], masters: dict[Key, Change]) -> list[Document]:
    """Return the server's version of each document that differs from what the client wrote."""
    answers = []
    for one in written:
        master = masters.get(one.key)
        if master is None and one.is_deleted:
            continue
        if master is None:
            told = {"id": one.document["id"], "coll": one.key[0], "rev": 0}
            answers.append({**told, "_deleted": True})
        elif (there := document(name, master)) != {"_deleted": False, **one.document}:
            answers.append(there)
    return answers
