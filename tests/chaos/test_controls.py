"""The oracles must find each of these mistakes, under the runner that finds none in the sound product.

Those that need two commits in one order are found by chance here, and so in the long form;
`test_cursors.py` and `tests/mobile_api/test_refresh_interleavings.py` put their steps in order.
"""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.chaos.sizes import Size
from tests.chaos.stage import Stage, open_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALM = Size(
    firms=1,
    technicians=4,
    offices=2,
    crews=1,
    second_phones=2,
    round_s=5,
    fault_every_s=1,
    disturb=0.6,
    least_intents=60,
    faults=False,
    plan={"per_visit": [10, 40], "burst": 40, "poison": 0},
)
CROWD = replace(
    CALM, offices=4, disturb=0.9, most_open=40, acts=("edit_asset", "edit_site", "reassign")
)
RACE = replace(
    CALM, offices=8, round_s=2, plan={**CALM.plan, "per_visit": [3, 8], "idle_s": [0.02, 0.1]}
)
"""Many who write and many who read, and little work that would write a row again that was passed over."""
STORM = replace(CALM, faults=True, storm=4, only=("server killed",))

SKIPPED = ("O4", "O5", "O9")
"""What a phone that was passed over lacks: a row, the proof of a completion, or what it waits for."""

CONTROLS: dict[str, tuple[Size, str | tuple[str, ...]]] = {
    "updated_at_cursor": (RACE, SKIPPED),
    "sequence_cursor": (RACE, SKIPPED),
    "stamp_unlocked": (RACE, SKIPPED),
    "lock_per_scope": (RACE, SKIPPED),
    "digest_over_unstamped_rows": (CALM, "O4"),
    "refresh_forgotten": (CALM, "O4"),
    "one_phase_leave": (STORM, "two-phase leave"),
    "client_counter_ids": (
        replace(STORM, only=("app installed anew",), plan={**CALM.plan, "restarts_counter": True}),
        "O1",
    ),
    "ack_before_commit": (STORM, ("O1", "O9")),
    "length_only_check": (
        replace(
            CALM,
            faults=True,
            storm="corrupt request",
            only=("clock jumped a day",),
            plan={**CALM.plan, "checked_photos": 100, "per_visit": [1, 3]},
        ),
        "O7",
    ),
    "unique_sha_per_photo": (
        replace(CALM, plan={**CALM.plan, "same_bytes": 0.5, "per_visit": [2, 5]}),
        "O2",
    ),
    "completion_before_bytes": (replace(CALM, plan={**CALM.plan, "per_visit": [2, 5]}), "O5"),
}
QUICK = {
    "client_counter_ids",
    "completion_before_bytes",
    "refresh_forgotten",
    "unique_sha_per_photo",
}
MOST_S = 60.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path_factory.mktemp("stage"), technicians=4) as stage:
        yield stage


@pytest.mark.parametrize(
    "control",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.long)
        for name in sorted(CONTROLS)
    ],
)
async def test_this_mistake_is_found(stage: Stage, control: str) -> None:
    size, oracle = CONTROLS[control]
    result = await stage.play(size, seed=1, seconds=MOST_S, plugin=control)
    assert not result.verdict.is_clean
    found = result.verdict.violations
    assert any(said.startswith(oracle) for said in found), found


@pytest.mark.long
async def test_none_is_found_where_commits_are_slow_and_nothing_else_is_wrong(stage: Stage) -> None:
    for size in (STORM, CROWD):
        result = await stage.play(size, seed=2, seconds=20, plugin="slow_commit")
        assert result.verdict.violations == []
