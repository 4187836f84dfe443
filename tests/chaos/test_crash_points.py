"""A server that dies at a named place, in the middle of a phone's day, loses and doubles nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio

from fsm.crash_points import POINTS
from tests.chaos.rig import made
from tests.chaos.runner import Life
from tests.chaos.sizes import Size
from tests.chaos.stage import Stage, open_stage
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="module")

ONE_PHONE = Size(
    firms=1,
    technicians=1,
    crews=1,
    second_phones=0,
    round_s=1,
    disturb=0,
    most_open=2,
    least_intents=3,
    faults=False,
    plan={"per_visit": [3, 8], "burst": 30},
)

PASSAGES = [
    *(
        ("local", passage)
        for passage in (
            "after raw insert:2",
            "after apply:2",
            "before commit:3",
            "before commit:9",
            "before answer:2",
            "after stamp:2",
            "after fsync before offset row",
        )
    ),
    ("s3", "after PutObject before row"),
]
"""(where photos lie, the passage that a server dies at): those in files come first"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("crashes")
    async with open_stage(folder, technicians=1, servers=1) as stage:
        yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def life(request: pytest.FixtureRequest, stage: Stage) -> AsyncIterator[Life]:
    """A phone's day with one server and a store of photos, which every test lets die once more."""
    if request.param == "s3":
        stage.rig.lay_photos_in_s3()
    async with await stage.begin(ONE_PHONE, seed=3) as life:
        yield life


async def test_every_place_is_tried() -> None:
    assert {passage.partition(":")[0] for _, passage in PASSAGES} == POINTS


@pytest.mark.parametrize(("life", "passage"), PASSAGES, indirect=["life"], scope="module")
async def test_a_crash_at_this_place_loses_and_doubles_nothing(life: Life, passage: str) -> None:
    before = len(life.judge.made)
    await life.go(0.5)
    await die_at(life, passage)
    await goes_on(life, before)
    await life.rest()
    assert life.judge.verdict.violations == []
    assert len(life.judge.acked) == len(life.judge.made) > before


async def goes_on(life: Life, before: int) -> None:
    """Let the phone do something more than `before`: its day may have had nothing to do until now."""
    async with asyncio.timeout(PATIENCE_S):
        while made(life.crews) <= before:
            await asyncio.sleep(0.1)


async def die_at(life: Life, passage: str) -> None:
    """Put an armed server in the place of the one that runs, wait for its end, start a sound one."""
    rig = life.rig
    rig.crash_point = passage
    rig.kill_server(0)
    rig.start_server(0)
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while rig.server_is_alive(0):
                await asyncio.sleep(0.02)
    died = not rig.server_is_alive(0)
    rig.crash_point = ""
    rig.kill_server(0)
    rig.start_server(0)
    assert died, f"the server never came by {passage}"
    connection = await rig.connect()
    try:
        await life.judge.check_acked(connection)
    finally:
        await connection.close()


async def test_an_unknown_place_is_refused() -> None:
    from fsm import crash_points

    with pytest.raises(ValueError, match="No crash point"):
        crash_points.arm("after lunch")
    crash_points.arm("")


async def test_nothing_is_armed_where_nobody_asked() -> None:
    from fsm.crash_points import crash_point

    for point in POINTS:
        crash_point(point)
