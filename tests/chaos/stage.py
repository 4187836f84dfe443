"""One rig for many short lives: each begins on the same clean database, with the product whole or broken."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fsm.settings import read_settings
from tests.chaos.rig import Rig
from tests.chaos.runner import Life, Result
from tests.chaos.sizes import Size
from tests.chaos.world import Firm, found_firms

CLEAN = "chaos_clean"


class Stage:
    """A founded company on a stopped product; `play` lives one life on it."""

    def __init__(self, folder: Path, rig: Rig, firms: list[Firm]) -> None:
        self.folder = folder
        self.rig = rig
        self.firms = firms
        self.played = 0

    async def begin(self, size: Size, *, seed: int, plugin: str = "") -> Life:
        """Return a life on the clean database, with the product started anew."""
        self.rig.plugin = plugin
        await self.rig.begin_from(CLEAN)
        self.played += 1
        folder = self.folder / f"play-{self.played}"
        folder.mkdir()
        return Life(folder, self.rig, self.firms, seed=seed, size=size)

    async def play(self, size: Size, *, seed: int, seconds: float, plugin: str = "") -> Result:
        """Live until an oracle finds something, at most `seconds`."""
        life = await self.begin(size, seed=seed, plugin=plugin)
        return await life.run(seconds)


@asynccontextmanager
async def open_stage(folder: Path, *, technicians: int, servers: int = 2) -> AsyncIterator[Stage]:
    async with Rig(folder, store="local", servers=servers) as rig:
        firms = await found_firms(read_settings(rig.environment), 1, technicians)
        for statement in (
            "create sequence control_seq start 1000000",
            "grant usage on sequence control_seq to fsm_app",
        ):
            await rig.execute(statement)
        await rig.keep_as(CLEAN)
        yield Stage(folder, rig, firms)
