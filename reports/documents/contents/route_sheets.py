"""A day of a technician as its paper keeps it; the day itself is the planner's, as the API gives it."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime
from typing import Any, TypeAlias
from uuid import UUID

from fsm.actors import Actor
from fsm.checklists.items import localized
from fsm.database import Session
from reports.documents.contents.collected import Collected

DaySheet: TypeAlias = Callable[[Session, Actor, datetime, UUID, date], Awaitable[dict[str, Any]]]
"""Returns a technician's day as the API gives it; the composition root knows who makes one."""


async def collect_route_sheet(
    session: Session,
    actor: Actor,
    now: datetime,
    day_sheet: DaySheet,
    technician_id: UUID,
    on: date,
    language: str,
) -> Collected:
    """Return a technician's day, its checklists in one language."""
    sheet = await day_sheet(session, actor, now, technician_id, on)
    content = {
        **sheet,
        "visits": [
            {**visit, "checklist": _checklist(visit["checklist"], language)}
            for visit in sheet["visits"]
        ],
    }
    return Collected(content, sheet["zone"], "technician", technician_id)


def _checklist(checklist: Mapping[str, Any], language: str) -> dict[str, Any]:
    return {
        **checklist,
        "title": localized(checklist["title"], language) or "",
        "items": [
            {
                **item,
                "label": localized(item["label"], language) or item["id"],
                "choices": [localized(choice, language) or "" for choice in item["choices"]],
            }
            for item in checklist["items"]
        ],
    }
