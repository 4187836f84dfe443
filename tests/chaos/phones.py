"""A process full of simulated phones, told what to do over its standard input.

    python -m tests.chaos.phones CONFIG

Commands, one a line: `go` (work and sync), `drain` (make nothing new, say when at rest), `settle` (pull once
more, then compare with a cold pull and write down what is held), `clock DAYS` (one phone's clock jumps),
`reinstall` (one phone's app is installed anew once it has nothing to send). Answers are JSON lines.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tests.chaos.bursts import Plan
from tests.chaos.device import Device
from tests.chaos.processes import die_with_parent
from tests.chaos.wire import Cut

OUTBOX_FULL = 300
"""Intents beyond which a phone waits for the server before it works on."""

PATIENCE_S = 60
"""How long a phone at rest tries one thing: a server that hangs is a finding, and others have their turn."""


class Crew:
    """Phones of one process; `is_working` while they may make new intents."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.rng = random.Random(config["seed"])
        self.folder = Path(config["folder"])
        self.is_working = False
        self.is_paused = False
        plan = Plan(**config.get("plan", {}))
        self.devices = []
        for one in config["devices"]:
            device = Device(
                one["name"],
                config["port"],
                one["person"],
                self.folder,
                plan,
                random.Random(f"{config['seed']} {one['name']}"),
                codes=one["codes"],
            )
            device.technician_name, device.part_id = one["technician"], one["part_id"]
            self.devices.append(device)
        self.technician_of = {one["name"]: one["technician_id"] for one in config["devices"]}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for device in self.devices:
                group.create_task(self._live(device))
            group.create_task(self._report())
            group.create_task(self._obey(group))

    async def _live(self, device: Device) -> None:
        """Sync and work for ever; whatever breaks is tried again, with a pause that grows."""
        pause = 0.05
        while True:
            while self.is_paused:
                await asyncio.sleep(0.02)
            try:
                async with device.turn:
                    await self._cycle(device)
                pause = 0.05
                if not device.is_empty:
                    await asyncio.sleep(0.05)
                elif not self.is_working or not device.open_visits():
                    await asyncio.sleep(device.rng.uniform(*device.plan.idle_s))
            except Cut:
                await asyncio.sleep(device.rng.uniform(0.5, 1) * pause)
                pause = min(pause * 2, 1.0)
            except Exception as error:  # noqa: BLE001 (a phone's own mistake is a finding)
                device.violations.append(f"phone: {device.name}: {type(error).__name__}: {error}")
                await asyncio.sleep(1)

    async def _cycle(self, device: Device) -> None:
        """What a phone does whenever it has a moment."""
        if device.wants_reinstall and device.is_empty:
            device.reinstall()
        if not device.token:
            await device.register()
        if device.is_retired:
            await device.push()
            device.reinstall()
            return
        await device.pull()
        if self.is_working and len(device.outbox) < OUTBOX_FULL:
            device.work()
            if device.rng.random() < 0.3:
                await device.pull()  # some apps read before they send
        await device.push()
        await device.send_photos()

    async def _report(self) -> None:
        while True:
            hungry: Counter[str] = Counter()
            for device in self.devices:
                technician = self.technician_of[device.name]
                hungry[technician] = max(hungry[technician], len(device.open_visits()))
            self._say(
                "stats",
                open=hungry,
                made=sum(device.made for device in self.devices),
                waiting=sum(len(device.outbox) for device in self.devices),
            )
            await asyncio.sleep(0.5)

    async def _obey(self, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        tasks: list[asyncio.Task[None]] = []
        while line := (await reader.readline()).decode():
            command, *words = line.split()
            match command:
                case "go":
                    self.is_working, self.is_paused = True, False
                case "drain":
                    self.is_working = False
                    tasks.append(group.create_task(self._drained(float(words[0]))))
                case "settle":
                    tasks.append(group.create_task(self._settle()))
                case "clock":
                    self.rng.choice(self.devices).offset = timedelta(days=float(words[0]))
                case "reinstall":
                    self._reinstall_one()
        raise SystemExit

    def _reinstall_one(self) -> None:
        self.rng.choice(self.devices).wants_reinstall = True

    async def _drained(self, limit_s: float) -> None:
        """O9: every outbox empties in bounded time once nothing is in the way any more."""
        until = asyncio.get_running_loop().time() + limit_s
        while asyncio.get_running_loop().time() < until:
            if all(one.is_empty and one.held.is_complete and one.token for one in self.devices):
                break
            await asyncio.sleep(0.05)
        stuck = [
            f"{one.name}: {len(one.outbox)} intents,"
            f" {sum(not snap.is_received for snap in one.photos.values())} photos"
            for one in self.devices
            if not one.is_empty
        ]
        self._say("drained", stuck=stuck)

    async def _settle(self) -> None:
        """Bring every phone to the same last word of the server and write down what it holds."""
        self.is_paused = True
        for device in self.devices:
            async with device.turn:
                try:
                    for step in (device.pull, device.pull, device.cold_pull):
                        await _insist(step)
                    for snap in device.some_proved():
                        await _insist(partial(device.check_bytes, snap))
                except TimeoutError:
                    device.violations.append(f"O9: {device.name}: cannot be brought up to date")
        held = {
            device.name: {
                "technician": self.technician_of[device.name],
                "rows": [[*key, one["rev"], one["d"]] for key, one in device.held.rows.items()],
            }
            for device in self.devices
        }
        file = self.folder / f"held-{self.devices[0].name}.json"
        file.write_text(json.dumps(held))
        violations = [said for one in self.devices for said in one.violations]
        self._say("settled", file=str(file), violations=violations)
        for device in self.devices:
            device.violations.clear()

    def _say(self, what: str, **more: Any) -> None:
        sys.stdout.write(json.dumps({"said": what, **more}) + "\n")
        sys.stdout.flush()


async def _insist(step: Callable[[], Awaitable[None]]) -> None:
    """Try until it succeeds; `TimeoutError` where that takes longer than a server at rest may need."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(Cut):
                return await step()
            await asyncio.sleep(0.1)


def main() -> None:
    die_with_parent()
    with suppress(SystemExit):
        asyncio.run(Crew(json.loads(Path(sys.argv[1]).read_text())).run())


if __name__ == "__main__":
    main()
