"""`fsm plan replay`: an operator shows that a plan is what its stored inputs give, or what is otherwise."""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
import zstandard
from uuid_utils.compat import uuid7

from fsm.database import Database
from scheduler.problem import to_json
from scheduler.queries import lock_run, stored_plan
from scheduler.tables import PlanRun
from scheduler.versions import versions
from tests.company import Company
from tests.conftest import Clock
from tests.fsm.test_commands import Fsm, fsm, refused
from tests.scheduler.running import running_day

__all__ = ["fsm"]


@dataclass(frozen=True)
class Plans:
    """Ids of plans, by what somebody did to what is stored of them."""

    whole: str
    moved: str
    other_inputs: str
    by_the_clock: str
    waiting: str
    number: str
    """Of the job that they plan."""


@pytest.fixture
async def plans(
    client: httpx.AsyncClient, database: Database, company: Company, clock: Clock
) -> Plans:
    day = await running_day(client, database, company, clock)
    job = await day.job("roof")
    ids = [(await day.plan(iterations=5, engine="or-tools"))["id"] for _ in range(4)]
    async with database.transaction(company.id) as session:
        moved, other, clocked = [
            await lock_run(session, company.system, UUID(each)) for each in ids[1:]
        ]
        plan = stored_plan(moved)
        (route,) = plan.routes
        (stop,) = (each for each in route.stops if each.visit is not None)
        later = replace(stop, start=stop.start + 3_600, end=stop.end + 3_600)
        stops = tuple(later if each is stop else each for each in route.stops)
        moved.plan = zstandard.compress(
            to_json(replace(plan, routes=(replace(route, stops=stops),)))
        )
        moved.versions = {**versions(), "planner": "an older one"}
        assert other.inputs is not None
        inputs = zstandard.decompress(other.inputs)
        other.inputs = zstandard.compress(inputs.replace(b'"first_use":900', b'"first_use":907'))
        clocked.options = {**clocked.options, "iterations": None}
        queued = PlanRun(
            id=uuid7(),
            tenant_id=company.id,
            starts_on=clock().date(),
            ends_on=clock().date() + timedelta(days=1),
            requested_at=clock(),
        )
        session.add(queued)
    return Plans(*ids, str(queued.id), job.number)


def test_a_plan_that_its_inputs_give_again_is_said_to_be_identical(
    fsm: Fsm, plans: Plans, company: Company
) -> None:
    done = fsm("plan", "replay", plans.whole, "--tenant", company.tenant.slug)
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = done.stdout.strip().splitlines()
    assert first.startswith(f"Plan {plans.whole} of 2026-03-23, asked for by ")
    assert first.endswith("made by or-tools.")
    assert second.startswith("Identical: made again it is the same ")


def test_what_is_otherwise_is_told_in_words_with_the_versions_that_changed(
    fsm: Fsm, plans: Plans
) -> None:
    done = fsm("plan", "replay", plans.moved)
    assert done.returncode == 1, done.stderr
    assert "\nDIFFERS    routes\n" in done.stdout
    assert f"  {plans.number}: at " in done.stdout
    assert "version    planner: an older one then, " in done.stdout
    assert "NOT WHOLE" not in done.stdout


def test_inputs_that_are_not_those_that_were_stored_are_named(fsm: Fsm, plans: Plans) -> None:
    done = fsm("plan", "replay", plans.other_inputs)
    assert done.returncode == 1, done.stderr
    assert "\nNOT WHOLE  The stored inputs no longer have the digest" in done.stdout
    (differs,) = [line for line in done.stdout.splitlines() if line.startswith("DIFFERS")]
    assert {"problem", "costs"} <= set(differs.removeprefix("DIFFERS").strip().split(", "))
    assert "           cost: " in done.stdout
    assert done.stdout.endswith("The planner and its solvers are those that made it.\n")


def test_plans_that_cannot_be_made_again_are_refused_in_a_sentence(fsm: Fsm, plans: Plans) -> None:
    assert "ended by the clock" in refused(fsm("plan", "replay", plans.by_the_clock))
    assert "is queued" in refused(fsm("plan", "replay", plans.waiting))
    unknown = str(uuid7())
    assert refused(fsm("plan", "replay", unknown)) == f"fsm: No plan {unknown}."
    with pytest.raises(SystemExit) as done:
        fsm("plan", "replay", "the last one")
    assert done.value.code == 2
