"""A plan made again from its stored inputs is the same to the byte, or says what is otherwise."""

from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
import zstandard

from fsm.database import Database
from fsm.jobs import Job
from scheduler import child
from scheduler.problem import Plan
from scheduler.queries import lock_run
from scheduler.replaying import PARTS, replay_plan
from scheduler.versions import versions
from tests.company import Company
from tests.conftest import Clock
from tests.scheduler.running import RunningDay, running_day


@pytest.fixture
async def day(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> RunningDay:
    return await running_day(client, database, company, clock)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a child's work be done in this process: one test starts a real child."""

    async def ask(module: str, request: bytes, limit: float, kind: type[Any]) -> Any:
        first, _, rest = request.partition(b"\n")
        return msgspec.json.decode(child.answer(first, rest), type=kind)

    monkeypatch.setattr(child, "ask", ask)


async def replayed(day: RunningDay, plan_id: str) -> dict[str, Any]:
    asked = await day.post(f"/api/plans/{plan_id}/replay", status=202)
    assert (asked["status"], asked["is_same"]) == ("queued", None)
    await replay_plan(day.database, Job(day.company.id, {"run_id": plan_id}), day.clock())
    found: dict[str, Any] = await day.send("GET", f"/api/plans/{plan_id}/replay")
    return found


async def change(day: RunningDay, plan_id: str, *, cost: int = 0, weight: int = 0) -> None:
    """Change what is stored of a plan, past every rule."""
    async with day.database.transaction(day.company.id) as session:
        run = await lock_run(session, day.company.system, UUID(plan_id))
        assert run.plan is not None
        assert run.inputs is not None
        plan = zstandard.decompress(run.plan)
        run.plan = zstandard.compress(
            plan.replace(b'"first_use":900', b'"first_use":%d' % (900 + cost))
        )
        inputs = zstandard.decompress(run.inputs)
        run.inputs = zstandard.compress(
            inputs.replace(b'"first_use":900', b'"first_use":%d' % (900 + weight))
        )


async def test_a_plan_limited_by_iterations_comes_out_the_same_in_a_child_process(
    day: RunningDay,
) -> None:
    for name in ("a", "b", "c"):
        await day.job(name)
    made = await day.plan(iterations=5, engine="or-tools")
    await day.send("GET", f"/api/plans/{made['id']}/replay", status=404)
    found = await replayed(day, made["id"])
    assert (found["status"], found["is_same"], found["differs"]) == ("done", True, [])
    assert found["plan_sha256"] == found["again_sha256"]
    assert found["inputs_are_whole"]
    assert found["versions"] == found["versions_now"] == versions() == made["versions"]
    assert {"planner", "ortools"} <= set(found["versions"])


@pytest.mark.usefixtures("here")
async def test_a_repair_comes_out_the_same_and_what_was_changed_is_named(day: RunningDay) -> None:
    job = await day.job("urgent")
    answer = await day.post("/api/day/urgent-visits", {"work_order_id": str(job.id)}, 201)
    plan_id = answer["plan"]["id"]
    assert (await replayed(day, plan_id))["is_same"]
    await change(day, plan_id, cost=1)
    found = await replayed(day, plan_id)
    assert (found["is_same"], found["differs"]) == (False, ["costs"])
    assert found["inputs_are_whole"]
    await change(day, plan_id, cost=1, weight=7)
    found = await replayed(day, plan_id)
    assert not found["inputs_are_whole"]
    assert {"problem", "costs"} <= set(found["differs"]) <= set(PARTS)


@pytest.mark.long
@pytest.mark.usefixtures("here")
async def test_a_search_is_told_its_steps_whatever_clock_it_had(day: RunningDay) -> None:
    for name in ("a", "b", "c", "d"):
        await day.job(name)
    made = await day.plan(iterations=30, engine="search")
    assert (await replayed(day, made["id"]))["is_same"]


async def test_what_was_made_against_the_clock_by_or_tools_is_refused(
    day: RunningDay, stranger: Company
) -> None:
    await day.job("a")
    made = await day.plan(iterations=1, engine="or-tools")
    async with day.database.transaction(day.company.id) as session:
        run = await lock_run(session, day.company.system, UUID(made["id"]))
        run.options = {**run.options, "iterations": None}
    refused = await day.post(f"/api/plans/{made['id']}/replay", status=409)
    assert refused["code"] == "plan-not-replayable"
    assert "`iterations`" in refused["detail"]
    queued = {"starts_on": day.clock().date().isoformat()}
    waiting = await day.post("/api/plans", queued, 202)
    refused = await day.post(f"/api/plans/{waiting['id']}/replay", status=409)
    assert refused["code"] == "plan-not-ready"
    for method in ("GET", "POST"):
        answer = await day.client.request(
            method, f"/api/plans/{made['id']}/replay", headers=stranger.headers["dispatcher"]
        )
        assert answer.status_code == 404


def test_another_plan_is_not_taken_for_the_same() -> None:
    assert set(PARTS) == set(Plan.__dataclass_fields__)
