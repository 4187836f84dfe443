"""A day at the board as its address answers it: the same data for our board and for other timelines."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

NOW = datetime(2026, 3, 23, 9, 0, tzinfo=UTC)
_MIDNIGHT = NOW.replace(hour=0)
_STATUSES = ("planned", "planned", "dispatched", "travelling", "on_site", "finished")
_PLACES = ("Grand Hotel", "City Hospital", "North Mall", "School 12", "Harbour Terminal")


def day(technicians: int, visits: int, waiting: int, seed: int) -> dict[str, Any]:
    """Return the answer of `GET /api/board`: visits of 45–60 min, shared out evenly, none over another."""
    rng = random.Random(seed)
    people = [_technician(rng, number) for number in range(technicians)]
    placed = []
    for number in range(visits):
        who = people[number % technicians]
        begins = _MIDNIGHT + timedelta(hours=7 + number // technicians, minutes=rng.randrange(10))
        placed.append(_visit(rng, number, who["id"], begins))
    shifts = [
        {
            "technician_id": one["id"],
            "starts_at": _text(_MIDNIGHT + timedelta(hours=7)),
            "ends_at": _text(_MIDNIGHT + timedelta(hours=16)),
            "break_s": 1800,
            "break_at": _text(_MIDNIGHT + timedelta(hours=12)),
        }
        for one in people
    ]
    return {
        "as_of": "1",
        "company": "bench",
        "zone": "UTC",
        "now": _text(NOW),
        "starts_at": _text(_MIDNIGHT),
        "ends_at": _text(_MIDNIGHT + timedelta(days=1)),
        "technicians": people,
        "shifts": shifts,
        "absences": [],
        "visits": sorted(
            placed, key=lambda one: (str(one["technician_id"]), str(one["starts_at"]))
        ),
        "waiting": [_job(rng, visits + number) for number in range(waiting)],
        "is_cut": False,
    }


def moved(board: dict[str, Any], number: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the answer of `GET /api/board/changes` after the first visit of the technician of this number
    was moved by half an hour, and that visit."""
    mine = board["technicians"][number]["id"]
    old = next(one for one in board["visits"] if one["technician_id"] == mine)
    later = timedelta(minutes=30)
    new = {
        **old,
        "rev": old["rev"] + 1,
        "starts_at": _text(datetime.fromisoformat(old["starts_at"]) + later),
        "ends_at": _text(datetime.fromisoformat(old["ends_at"]) + later),
    }
    changes = {
        "as_of": str(2 + number),
        "now": board["now"],
        "is_whole": False,
        "work_orders": [new["work_order_id"]],
        "visits": [new],
        "waiting": [],
        "shifts": None,
        "absences": None,
    }
    return changes, new


def _technician(rng: random.Random, number: int) -> dict[str, Any]:
    return {
        "id": _id(rng),
        "number": f"T-{number:03}",
        "name": f"Technician {number:03}",
        "territory": f"District {number % 8}",
        "phone": None,
        "latitude": 48.85 + rng.random() / 10,
        "longitude": 2.35 + rng.random() / 10,
        "skills": ["lift", "boiler"][: 1 + number % 2],
    }


def _visit(rng: random.Random, number: int, who: str, begins: datetime) -> dict[str, Any]:
    return {
        **_job(rng, number),
        "id": _id(rng),
        "rev": 1,
        "technician_id": who,
        "status": _STATUSES[number % len(_STATUSES)],
        "starts_at": _text(begins),
        "ends_at": _text(begins + timedelta(minutes=rng.choice((45, 50)))),
        "window_starts_at": _text(begins - timedelta(minutes=30)),
        "window_ends_at": _text(begins + timedelta(minutes=90)),
        "travel_s": rng.randrange(120, 600),
        "is_pinned": number % 11 == 0,
        "crew_id": None,
        "arrived_at": None,
        "finished_at": None,
        "pick_ups": [],
        "late_min": None,
        "risks": ["promise"] if number % 17 == 0 else [],
    }


def _job(rng: random.Random, number: int) -> dict[str, Any]:
    place = _PLACES[number % len(_PLACES)]
    return {
        "work_order_id": _id(rng),
        "number": f"W-{number:04}",
        "title": "Door closes slowly",
        "priority": 1 + number % 5,
        "job_status": "scheduled",
        "estimate_s": 3600,
        "respond_by": _text(NOW + timedelta(hours=number % 9)),
        "restore_by": _text(NOW + timedelta(hours=4 + number % 9)),
        "request_class": "incident",
        "crew_size": 1,
        "skills": ["lift"],
        "customer": place,
        "site": f"{place} {number % 40}",
        "address": "1 Rue de Rivoli",
        "city": "Paris",
        "territory": f"District {number % 8}",
        "site_zone": "UTC",
        "latitude": 48.85 + rng.random() / 10,
        "longitude": 2.35 + rng.random() / 10,
        "asset": "Guest lift",
        "reported_at": _text(NOW - timedelta(hours=number % 30)),
    }


def _id(rng: random.Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
