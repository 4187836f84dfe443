"""A plan made again from its stored inputs is the same to the byte, or says what is otherwise."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
import zstandard
from sqlmodel import select

from fsm.database import Database
from fsm.events import Event
from fsm.jobs import Job
from scheduler import child
from scheduler.engine import NO_TIME, plan_day
from scheduler.jobs import BROKEN, LOST_AFTER
from scheduler.problem import Plan, plan_from_json, to_json
from scheduler.queries import lock_run
from scheduler.replaying import PARTS, replay_plan
from scheduler.versions import versions
from tests.company import Company
from tests.conftest import Clock
from tests.scheduler.days import a_day, a_shift, a_visit
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


async def short_of_time(day: RunningDay, plan_id: str) -> None:
    """Store that no time was left to a plan whose engine needs no clock."""
    async with day.database.transaction(day.company.id) as session:
        run = await lock_run(session, day.company.system, UUID(plan_id))
        assert run.plan is not None
        plan = plan_from_json(zstandard.decompress(run.plan))
        plan = replace(plan, engine="search", notes=(NO_TIME,))
        run.plan = zstandard.compress(to_json(plan))


async def asked_for(day: RunningDay) -> int:
    """Return how many replays were handed to the worker."""
    async with day.database.transaction(day.company.id) as session:
        kinds = await session.exec(select(Event.kind))
        return list(kinds).count("plan.replay_requested")


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
    await day.plan(iterations=1, engine="search")  # compiled, so that the clock is for searching
    made = await day.plan(iterations=None, seconds=5, engine="search")
    assert made["routes"]
    assert (await replayed(day, made["id"]))["is_same"]


def test_a_plan_without_time_to_plan_anything_says_so() -> None:
    plan = plan_day(a_day((a_visit("one", 1),), (a_shift(),)), seconds=1e-9, engine="or-tools")
    assert plan.routes == ()
    assert NO_TIME in plan.notes


async def test_a_replay_is_asked_for_once_until_it_is_done_or_lost(day: RunningDay) -> None:
    await day.job("a")
    path = f"/api/plans/{(await day.plan())['id']}/replay"
    first = await day.post(path, status=202)
    assert await day.post(path, status=202) == first
    assert await asked_for(day) == 1
    day.clock.forward(seconds=LOST_AFTER.total_seconds())
    assert (await day.post(path, status=202))["requested_at"] != first["requested_at"]
    assert await asked_for(day) == 2


async def test_nobody_waits_for_a_replay_that_broke(
    day: RunningDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> Plan:
        raise RuntimeError("a bug")

    await day.job("a")
    made = await day.plan()
    monkeypatch.setattr(child, "replay", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        await replayed(day, made["id"])
    found = await day.send("GET", f"/api/plans/{made['id']}/replay")
    assert (found["status"], found["is_same"], found["failure"]) == ("failed", None, BROKEN)


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
    await short_of_time(day, made["id"])
    refused = await day.post(f"/api/plans/{made['id']}/replay", status=409)
    assert refused["code"] == "plan-not-replayable"
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
