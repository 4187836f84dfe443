"""Recorded requests of a city: what was open is counted as open, at any instant, and found in the lineage."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import insert

from fsm.database import Database
from fsm.work_orders.tables import WorkOrder
from tests.company import Company
from tests.reports.plant import job

ROWS = 300

Recorded = list[tuple[datetime, datetime | None]]


@pytest.fixture
def recorded(test_data: Path) -> Recorded:
    """Return when the first requests of the file were reported and closed, None for those still open."""
    path = test_data / "real" / "nyc311.csv"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    with path.open(newline="") as file:
        rows = [row for row, _ in zip(csv.DictReader(file), range(ROWS), strict=False)]
    found = []
    for row in rows:
        reported, closed = _instant(row["Created Date"]), _instant(row["Closed Date"])
        assert reported is not None
        found.append((reported, closed))
    return found


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    local = datetime.strptime(text, "%m/%d/%Y %I:%M:%S %p")  # noqa: DTZ007 - the zone comes next
    return local.replace(tzinfo=ZoneInfo("America/New_York")).astimezone(UTC)


async def test_open_work_is_counted_at_every_instant(
    client: httpx.AsyncClient, database: Database, company: Company, recorded: Recorded
) -> None:
    async with database.transaction(company.id) as session:
        first = await job(session, company, "W-0", recorded[0][0], work_done_at=recorded[0][1])
        like = {
            name: getattr(first, name)
            for name in (
                *("tenant_id", "customer_id", "site_id", "work_type_id", "work_type_version_id"),
                *("request_class", "maintenance", "title"),
            )
        }
        rows = [
            like | {"number": f"W-{n}", "reported_at": a, "created_at": a, "work_done_at": b}
            for n, (a, b) in enumerate(recorded[1:], start=1)
        ]
        await session.exec(insert(WorkOrder), params=rows)
    begins = min(reported for reported, _ in recorded)
    for at in (
        begins + timedelta(hours=1),
        begins + timedelta(days=5),
        begins + timedelta(days=90),
    ):
        waiting = [a for a, b in recorded if a < at and (b is None or b >= at)]
        asked = {"scope": "tenant", "from": begins.isoformat(), "to": at.isoformat()}
        count = await ask(client, company, "/backlog", **asked)
        assert (count["value"], count["n"]) == (len(waiting), len(waiting))
        oldest = await ask(client, company, "/backlog", variant="p50", **asked)
        assert oldest["value"] == pytest.approx(
            median((at - reported).total_seconds() / 3600 for reported in waiting)
        )
        table = await client.get(
            "/api/kpis/backlog/table.csv",
            params=asked | {"by": "site"},
            headers=company.headers["manager"],
        )
        (line,) = csv.DictReader(io.StringIO(table.text, newline=""))
        assert int(line["value"]) == len(waiting)
    never = sum(closed is None for _, closed in recorded)
    assert never > 0
    last = await ask(client, company, "/backlog/lineage", limit=500, **asked)
    assert len(last["items"]) == len(waiting) >= never


async def ask(client: httpx.AsyncClient, company: Company, path: str, **params: Any) -> Any:
    answer = await client.get(f"/api/kpis{path}", params=params, headers=company.headers["manager"])
    assert answer.status_code == 200, answer.text
    return answer.json()
