"""What each type of intent leaves behind, found by plain SQL in rows that only that intent can have written.

An intent's key is made of its own words: its id, a text or a mark that nobody else has. Where rows hold no
such word the key is what they are about, and as many rows are due as intents about the same.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

Key = tuple[str, ...]

OVER = ("finished", "aborted")

_MOVES = {
    "visit.travel": "visit.travel_started",
    "visit.arrive": "visit.arrived",
    "visit.start": "visit.started",
    "visit.pause": "visit.paused",
    "visit.resume": "visit.resumed",
    "visit.abort": "visit.aborted",
    "visit.delay": "visit.delayed",
}
"""type → the event that is written, with the position that the phone told: its accuracy is the mark"""

_BEFORE_WORK = ("visit.travel", "visit.arrive", "visit.reject")


def key_of(intent: Mapping[str, Any]) -> Key | None:
    """Return under which key an intent's effect is counted; None for what no server can apply."""
    kind, data = intent["type"], intent["data"]
    match kind:
        case "note.add" | "message.add":
            return kind, data["visit_id"], data["text"]
        case "answer.set" if "item" in data:
            value = data["value"]
            said = value if isinstance(value, str) else json.dumps(value)
            return kind, data["visit_id"], data["item"], said
        case "time.add" | "time.correct" | "scope.change" | "state.suggest":
            return kind, intent["id"]
        case "part.use" | "part.request":
            own = intent["id"] if kind == "part.use" else data["visit_id"]
            return kind, own, data["part_id"], str(data["qty"])
        case "signature.add":
            return kind, data["visit_id"], data["item"], data["photo_id"], data["name"]
        case "signature.decline":
            return kind, data["visit_id"], data["item"], data["reason"]
        case "photo.add":
            return kind, data["photo_id"], data["visit_id"], data["item"], data["sha256"]
        case "photo.retract":
            return kind, data["photo_id"], data["reason"]
        case "photo.mark":
            return kind, data["photo_id"], str(data["marks"][0]["x"])
        case "asset.suggest" | "site.suggest" | "contact.suggest":
            entity = kind.partition(".")[0]
            return "suggest", entity, data[f"{entity}_id"]
        case "failure.record":
            return kind, data["visit_id"], data["asset_id"]
        case "follow_up.request":
            return kind, data["visit_id"], data["reason"]
        case "passport.claim":
            return kind, data["code"], data["asset_id"]
        case "visit.finish" | "visit.reject":
            return kind, data["visit_id"]
        case _ if kind in _MOVES:
            return _MOVES[kind], data["visit_id"], str(data["position"]["accuracy_m"])
    return None


def due_of(kind: str, notes: list[Mapping[str, Any]]) -> tuple[int, int]:
    """Return how often at least and at most an applied intent takes effect, by what its outcome notes.

    A step of a visit that is over, or one back to before the work, changes nothing and says `crossed`. Giving
    up a visit that was taken back changes nothing either and says `late`, as does a cancelled job that
    notes it all the same.
    """
    for note in notes:
        if note["code"] == "crossed" and (note["status"] in OVER or kind in _BEFORE_WORK):
            return 0, 0
        if note["code"] == "late" and kind in ("visit.abort", "visit.reject"):
            return 0, 1
    return 1, 1


async def count_effects(connection: Any) -> Counter[Key]:
    """Count every effect in the database by its key."""
    found: Counter[Key] = Counter()
    for kind, statement in _EFFECTS:
        for row in await connection.fetch(statement):
            found[kind, *row] += 1
    for row in await connection.fetch(_EVENTS, list(_MOVES.values())):
        found[tuple(row)] += 1
    return found


_EFFECTS = (
    ("note.add", "select visit_id::text, text from note"),
    ("message.add", "select visit_id::text, text from message where visit_id is not null"),
    ("answer.set", "select visit_id::text, item, value #>> '{}' from answer"),
    ("time.add", "select id::text from time_entry where corrects_id is null"),
    ("time.correct", "select id::text from time_entry where corrects_id is not null"),
    (
        "part.use",
        "select u.id::text, u.part_id::text, trim_scale(m.quantity)::text from part_used u"
        " join movement m on m.tenant_id = u.tenant_id and m.id = u.movement_id"
        " and m.kind = 'use' and m.part_id = u.part_id and m.quantity = u.quantity",
    ),
    (
        "part.request",
        "select visit_id::text, part_id::text, trim_scale(quantity)::text from part_request",
    ),
    (
        "signature.add",
        "select visit_id::text, item, photo_id::text, name from signature where photo_id is not null",
    ),
    (
        "signature.decline",
        "select visit_id::text, item, declined_reason from signature where photo_id is null",
    ),
    (
        "photo.add",
        "select p.id::text, p.visit_id::text, p.item, encode(p.sha256, 'hex') from photo p"
        " join event e on e.tenant_id = p.tenant_id and e.kind = 'photo.declared'"
        " and e.data ->> 'photo_id' = p.id::text",
    ),
    (
        "photo.retract",
        "select p.id::text, p.retract_reason from photo p"
        " join event e on e.tenant_id = p.tenant_id and e.kind = 'photo.retracted'"
        " and e.data ->> 'photo_id' = p.id::text where p.retracted_at is not null",
    ),
    (
        "photo.mark",
        "select p.id::text, p.marks -> 0 ->> 'x' from photo p"
        " join event e on e.tenant_id = p.tenant_id and e.kind = 'photo.marked'"
        " and e.data ->> 'photo_id' = p.id::text",
    ),
    (
        "suggest",
        "select entity, entity_id::text from event where device_id is not null"
        " and kind in ('asset.edited', 'site.edited', 'contact.edited')",
    ),
    *(
        (
            "suggest",
            f"select '{entity}', data ->> '{entity}_id' from review"
            f" where kind = 'suggestion' and data ? '{entity}_id'",
        )
        for entity in ("asset", "site", "contact")
    ),
    (
        "state.suggest",
        "select data ->> 'intent_id' from review where kind = 'suggestion' and data ? 'collection'",
    ),
    (
        "failure.record",
        "select e.entity_id::text, f.asset_id::text from event e"
        " join failure f on f.tenant_id = e.tenant_id and f.id::text = e.data ->> 'failure_id'"
        " where e.kind = 'failure.reported' and e.entity = 'visit'",
    ),
    (
        "follow_up.request",
        "select visit_id::text, data ->> 'reason' from review where kind = 'follow_up'",
    ),
    (
        "scope.change",
        "select coalesce(r.data ->> 'intent_id', 'not before the office: ' || c.id)"
        " from scope_change c left join review r on r.tenant_id = c.tenant_id"
        " and r.kind = 'scope_change' and r.data ->> 'intent_id' = c.id::text",
    ),
    (
        "passport.claim",
        "select p.code, p.asset_id::text from passport p"
        " join event e on e.tenant_id = p.tenant_id and e.kind = 'passport.claimed'"
        " and e.data ->> 'code' = p.code and e.entity_id = p.asset_id where p.status = 'active'",
    ),
    ("visit.finish", "select entity_id::text from event where kind = 'visit.finished'"),
    ("visit.reject", "select entity_id::text from event where kind = 'visit.rejected'"),
)

_EVENTS = """
select kind, entity_id::text, trim_scale((data #>> '{position,accuracy_m}')::numeric)::text
from event where kind = any($1)
"""


async def read_visits(connection: Any) -> list[Mapping[str, Any]]:
    rows = await connection.fetch(
        "select id::text, status, work_started_at is not null as was_begun,"
        " finished_at is not null as has_end from visit"
    )
    return list(rows)


def list_wrong_visits(
    visits: Iterable[Mapping[str, Any]], ended: Mapping[str, str], perhaps: Mapping[str, str]
) -> list[str]:
    """Return in one sentence each where a visit's own columns are not what was made of it.

    `ended` says how each visit ended of which a phone told so, and was not too late with it; `perhaps` how
    those may have ended of which it told too late.
    """
    wrong = []
    for row in visits:
        due, status = ended.get(row["id"]), row["status"]
        if due is not None and status != due:
            wrong.append(f"visit {row['id']} was {due} and is {status}")
        elif due is None and status in OVER and perhaps.get(row["id"]) != status:
            wrong.append(f"visit {row['id']} is {status}, and nobody said so")
        elif status in OVER and not row["has_end"]:
            wrong.append(f"visit {row['id']} is {status} without an end")
        elif status == "finished" and not row["was_begun"]:
            wrong.append(f"visit {row['id']} is finished and was never begun")
    return wrong


async def count_loose_parts(connection: Any) -> int:
    """Return how many parts left a van for no job, or for two."""
    loose: int = await connection.fetchval(
        "select count(*) from movement m where m.kind = 'use' and (select count(*) from part_used u"
        " where u.tenant_id = m.tenant_id and u.movement_id = m.id) <> 1"
    )
    return loose
