"""The short form of the proof: real processes, a storm of faults, all oracles.

`deploy/bench chaos` is the long form.
"""

from pathlib import Path

import pytest

from tests.chaos.runner import SHORT, Result, live


def check(result: Result) -> None:
    assert result.verdict.violations == []
    assert result.verdict.is_clean
    assert result.acked == result.intents > 50
    assert result.faults.total() > 3


async def test_nothing_is_lost_doubled_or_left_behind_in_a_storm(tmp_path: Path) -> None:
    check(await live(tmp_path, seed=7, seconds=8, size=SHORT, store="local"))


@pytest.mark.long
async def test_nothing_is_lost_in_a_long_storm_over_s3_and_restores(tmp_path: Path) -> None:
    check(await live(tmp_path, seed=8, seconds=120, size=SHORT, store="s3"))
