"""The short form of the proof: real processes, a storm of faults, all oracles.

`deploy/bench chaos` is the long form.
"""

from pathlib import Path

import pytest

from tests.chaos.runner import Result, live
from tests.chaos.sizes import BRIEF, SHORT


def check(result: Result) -> None:
    assert result.verdict.violations == []
    assert result.verdict.is_clean
    assert result.acked == result.intents > 50
    assert result.faults.total() > 3


async def test_nothing_is_lost_doubled_or_left_behind_in_a_storm(tmp_path: Path) -> None:
    result = await live(tmp_path, seed=7, seconds=8, size=BRIEF, store="s3")
    check(result)
    assert result.rests >= 2
    assert {"store killed", "store stopped", "restored from a backup"} <= result.faults.keys()
    assert len(result.types) > 10
    assert list(result.left_out) == ["disk full"]


@pytest.mark.long
@pytest.mark.parametrize("store", ["s3", "local"])
async def test_nothing_is_lost_in_a_long_storm_with_restores(tmp_path: Path, store: str) -> None:
    check(await live(tmp_path, seed=8, seconds=120, size=SHORT, store=store))
