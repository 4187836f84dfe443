"""What a client of somebody else's making sends through an adapter, read as the intents that it holds."""

import json
from collections.abc import Mapping
from typing import Any

_AS_JSON = ("after", "data")
"""Members that databases without lists and objects send as texts."""

Intents = list[dict[str, Any]]


def intents_sent(path: str, content: Any) -> Intents:
    """Return the intents in the body of a POST to an adapter; `content` is its JSON."""
    match path.split("/")[2:]:
        case ["rxdb", "intents", "push"] if isinstance(content, list):
            rows = [one.get("newDocumentState") for one in content if isinstance(one, dict)]
        case ["watermelondb", "sync"] if isinstance(content, dict):
            changes = content.get("changes") or {}
            table = changes.get("intents") or {} if isinstance(changes, dict) else {}
            rows = [*table.get("created", ()), *table.get("updated", ())]
        case ["powersync", "crud"] if isinstance(content, dict):
            rows = [
                {**(one.get("data") or {}), "id": one.get("id"), "seq": one.get("op_id")}
                for one in content.get("batch", ())
                if isinstance(one, dict) and (one.get("op"), one.get("type")) == ("PUT", "intents")
            ]
        case _:
            rows = []
    return [_intent(row) for row in rows if isinstance(row, dict)]


def _intent(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without what the client's database keeps beside it."""
    return {
        name: _read(value) if name in _AS_JSON else value
        for name, value in row.items()
        if not name.startswith("_")
    }


def _read(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
