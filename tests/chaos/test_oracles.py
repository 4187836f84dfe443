"""The judge itself: an effect that is missing or there twice is found, whatever intent it came of."""

from pathlib import Path
from typing import Any

import pytest

from mobile_api.intents import DATA
from tests.chaos.effects import due_of, key_of, list_wrong_visits
from tests.chaos.oracles import Verdict
from tests.chaos.runner import Life
from tests.chaos.sizes import Size
from tests.chaos.stage import open_stage

ALL_KINDS = Size(
    firms=1,
    technicians=2,
    crews=1,
    second_phones=0,
    round_s=8,
    disturb=0,
    most_open=6,
    least_intents=900,
    faults=False,
    plan={"per_visit": [40, 80], "burst": 80, "seldom": 30, "poison": 0},
)

TABLES = (
    "note",
    "message",
    "answer",
    "time_entry",
    "part_used",
    "part_request",
    "signature",
    "scope_change",
)
EVENTS = (
    "visit.travel_started",
    "visit.started",
    "visit.paused",
    "visit.delayed",
    "visit.finished",
    "photo.declared",
    "photo.retracted",
    "photo.marked",
    "asset.edited",
    "failure.reported",
    "passport.claimed",
)
REVIEWS = ("suggestion", "scope_change")


@pytest.mark.long
async def test_whatever_is_missing_or_there_twice_is_found(tmp_path: Path) -> None:
    async with (
        open_stage(tmp_path, technicians=2, servers=1) as stage,
        await stage.begin(ALL_KINDS, seed=5) as life,
    ):
        await life.go(ALL_KINDS.round_s)
        await life.rest()
        assert life.judge.verdict.violations == []
        rows = [(table, "true") for table in TABLES]
        rows += [("event", f"kind = '{kind}' and device_id is not null") for kind in EVENTS]
        rows += [("review", f"kind = '{kind}'") for kind in REVIEWS]
        for table, which in rows:
            for how in (DELETE, DOUBLE):
                found = await tampered(life, how.format(table=table, which=which))
                assert any(said.startswith("O2") for said in found), (table, which, how)
        assert await tampered(life, "select 1") == []


DELETE = "delete from {table} where ctid = (select ctid from {table} where {which} limit 1)"
DOUBLE = """
insert into {table} select (jsonb_populate_record(
  null::{table}, to_jsonb(t) || jsonb_build_object('id', gen_random_uuid()))).*
from {table} t where {which} limit 1
"""


async def tampered(life: Life, statement: str) -> list[str]:
    """Return what the judge says of the database with one row more or less, and take that back."""
    connection = await life.rig.connect()
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("set local session_replication_role = replica")
        done = await connection.execute(statement)
        assert not done.endswith(" 0"), f"nothing to tamper with: {statement}"
        life.judge.verdict = Verdict()
        await life.judge.check(connection, [])
        await transaction.rollback()
        return life.judge.verdict.violations
    finally:
        await connection.close()


def test_every_type_of_intent_leaves_something_that_can_be_counted() -> None:
    data: dict[str, Any] = {
        **dict.fromkeys(("visit_id", "text", "item", "value", "part_id", "qty", "photo_id"), "x"),
        **dict.fromkeys(("name", "reason", "sha256", "asset_id", "site_id", "contact_id"), "x"),
        "code": "x",
        "position": {"accuracy_m": 1},
        "marks": [{"x": 0.5}],
    }
    for kind in DATA:
        assert key_of({"id": "x", "type": kind, "data": data}) is not None, kind
    assert key_of({"id": "x", "type": "visit.dance", "data": data}) is None


def test_a_step_of_a_visit_that_is_over_is_due_no_effect_and_any_other_one() -> None:
    assert due_of("visit.start", []) == (1, 1)
    assert due_of("visit.start", [{"code": "crossed", "status": "paused"}]) == (1, 1)
    assert due_of("visit.start", [{"code": "crossed", "status": "finished"}]) == (0, 0)
    assert due_of("visit.travel", [{"code": "crossed", "status": "on_site"}]) == (0, 0)
    assert due_of("note.add", [{"code": "late"}]) == (1, 1)
    assert due_of("visit.abort", [{"code": "late"}]) == (0, 1)


def test_a_visit_ends_as_a_phone_said_and_one_that_came_too_late_may_have_ended_it() -> None:
    def judge(status: str, ended: str | None = None, perhaps: str | None = None) -> bool:
        row = {"id": "v", "status": status, "was_begun": True, "has_end": True}
        told = [{"v": one} if one else {} for one in (ended, perhaps)]
        return list_wrong_visits([row], *told) == []

    assert judge("aborted", ended="aborted")
    assert not judge("on_site", ended="aborted")
    assert not judge("aborted")
    assert judge("aborted", perhaps="aborted")
    assert judge("cancelled", perhaps="aborted")
    assert not judge("finished", perhaps="aborted")
