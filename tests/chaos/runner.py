"""One life: a database is born, phones work through faults, and at every rest point the oracles look."""

import asyncio
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsm.settings import read_settings
from tests.chaos.oracles import Judge, Verdict
from tests.chaos.processes import signal_process
from tests.chaos.rig import Phones, Rig, made
from tests.chaos.sizes import Size
from tests.chaos.world import Firm, Office, found_firms

REST_LIMIT_S = 120
"""O9: how long outboxes may take to empty once nothing is in the way."""

REPLAYED_A_S = 150
"""How many intents a second must at least go through when a restore makes every phone send all again."""

SETTLE_LIMIT_S = 900
"""How long phones may take to say what they hold: longer than all of a crew's patience with a server that
hangs, so that they say so themselves."""

WARM_LIMIT_S = 300
"""How long the first round waits for work to get going before faults fall."""


@dataclass
class Result:
    """What a life came to."""

    seed: int
    store: str
    seconds: float
    intents: int
    acked: int
    faults: Counter[str]
    office: Counter[str]
    verdict: Verdict
    rests: int
    left_out: dict[str, str]
    """Faults that could not fall, and why."""
    types: Counter[str]
    """How many intents of each type were made."""
    internal_errors: list[str]
    """What the servers answered with a 500: nothing is lost by one, and each is a bug of ours."""

    def to_json(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "store": self.store,
            "seconds": round(self.seconds, 1),
            "intents": self.intents,
            "acked": self.acked,
            "faults": dict(sorted(self.faults.items())),
            "left out": self.left_out,
            "office": dict(sorted(self.office.items())),
            "types": dict(sorted(self.types.items())),
            "rest points": self.rests,
            "internal errors": len(self.internal_errors),
            "such as": self.internal_errors[:3],
            "lost": self.verdict.lost,
            "doubled": self.verdict.doubled,
            "applied twice": self.verdict.applied_twice,
            "not converged": self.verdict.not_converged,
            "violations": self.verdict.violations,
        }


async def live(
    folder: Path,
    *,
    seed: int,
    seconds: float,
    size: Size | None = None,
    store: str | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> Result:
    """Live for about `seconds` of chaos, rests not counted, and return what the oracles found."""
    size = size or Size()
    store = store or random.Random(seed).choice(("local", "s3"))
    async with Rig(folder, store=store) as rig:
        firms = await found_firms(
            read_settings(rig.environment), size.firms, size.technicians, size.assets_each
        )
        await rig.start_product()
        return await Life(folder, rig, firms, seed=seed, size=size, say=say).run(seconds)


class Life:
    """The state of one run and its rounds, on a rig whose product runs already."""

    def __init__(
        self,
        folder: Path,
        rig: Rig,
        firms: Sequence[Firm],
        *,
        seed: int,
        size: Size,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.folder = folder
        self.rig = rig
        self.firms = firms
        self.seed = seed
        self.size = size
        self.rng = random.Random(seed)
        self.say = say
        self.faults: Counter[str] = Counter()
        self.has_snapshot = False
        self.restored_in_round = False
        (folder / "phones").mkdir()
        self.judge = Judge(folder / "phones")
        self.crews: list[Phones] = []
        self.offices: list[Office] = []
        self.rests = 0
        self._running: set[asyncio.Task[Any]] = set()

    async def run(self, seconds: float) -> Result:
        """Go through rounds of chaos and rest; at the first violation stop, so that the folder shows it."""
        async with self:
            left = seconds
            while self.judge.verdict.is_clean:
                if left <= 0 and self.rests >= len(self.size.sure):
                    break
                left -= await self.go(min(self.size.round_s, left) if left > 0 else 1)
                await self.rest()
        return self.result

    async def __aenter__(self) -> "Life":
        self._began = time.monotonic()
        self.rig.start_link(self.seed, self.size.storm)
        self.offices = [
            Office(
                firm,
                self.rig.server_ports,
                self.rng.getrandbits(30),
                most_open=self.size.most_open,
                disturb=self.size.disturb,
                acts=self.size.acts,
            )
            for firm in self.firms
            for _ in range(self.size.offices)
        ]
        await self._start_phones()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for office in self.offices:
            office.close()
        for crew in self.crews:
            await crew.stop()
        self._count_link_faults()

    @property
    def result(self) -> Result:
        office: Counter[str] = Counter()
        for one in self.offices:
            office.update(one.did)
        return Result(
            self.seed,
            self.rig.store,
            time.monotonic() - self._began,
            len(self.judge.made),
            len(self.judge.acked),
            self.faults,
            office,
            self.judge.verdict,
            self.rests,
            self.left_out,
            Counter(one.type for one in self.judge.made.values()),
            self.rig.internal_errors(),
        )

    async def _start_phones(self) -> None:
        devices = []
        for number, firm in enumerate(self.firms, 1):
            for place, person in enumerate(firm.people, 1):
                phones = 2 if place <= self.size.second_phones else 1
                devices += [
                    {
                        "name": f"f{number}t{place}p{phone}",
                        "technician": person.name,
                        "technician_id": person.technician_id,
                        "part_id": firm.part_id,
                        "person": person.headers,
                        "codes": firm.codes[place - 1 :: len(firm.people)][phone - 1 :: phones],
                    }
                    for phone in range(1, phones + 1)
                ]
        for number in range(self.size.crews):
            config = self.folder / f"crew-{number}.json"
            config.write_text(
                json.dumps(
                    {
                        "seed": self.seed * 10 + number,
                        "folder": str(self.folder / "phones"),
                        "port": self.rig.link_port,
                        "plan": self.size.plan,
                        "devices": devices[number :: self.size.crews],
                    }
                )
            )
            crew = Phones(config, self.folder / f"crew-{number}.log")
            await crew.start()
            self.crews.append(crew)

    # --- a round of chaos ---------------------------------------------------------------------------------

    async def go(self, seconds: float) -> float:
        """Let everybody work while faults fall; return how long it was."""
        began = time.monotonic()
        self.restored_in_round = False
        for crew in self.crews:
            crew.tell("go")
        for office in self.offices:
            self._spawn(office.run())
        self._spawn(self._tell_offices())
        while (
            made(self.crews) < self.size.least_intents and time.monotonic() - began < WARM_LIMIT_S
        ):
            await asyncio.sleep(0.1)
        began = time.monotonic()
        if self.size.faults:
            self.rig.storm(True)
        sure = list(self.size.sure[self.rests]) if self.rests < len(self.size.sure) else []
        while (left := seconds - (time.monotonic() - began)) > 0 or sure:
            pause = self.rng.expovariate(1 / self.size.fault_every_s)
            await asyncio.sleep(max(0, min(left, pause)))
            if sure and left < seconds / 2:
                await self._befall(sure.pop(0))
            elif pause < left and self.size.faults:
                await self._fault()
            for task in list(self._running):
                if task.done():
                    self._running.discard(task)
                    task.result()
        return time.monotonic() - began

    def _spawn(self, work: Any) -> None:
        self._running.add(asyncio.create_task(work))

    async def _tell_offices(self) -> None:
        """Have the offices hear who runs out of work, as by telephone."""
        while True:
            for office in self.offices:
                for person in office.firm.people:
                    told = [crew.stats["open"].get(person.technician_id, 0) for crew in self.crews]
                    office.open[person.technician_id] = max(told)
            await asyncio.sleep(0.5)

    async def _fault(self) -> None:
        """Let one fall that can fall here."""
        odds = {
            name: share
            for name, (share, _) in self._kinds.items()
            if name not in self.left_out and (not self.size.only or name in self.size.only)
        }
        await self._befall(self.rng.choices(list(odds), list(odds.values()))[0])

    async def _befall(self, name: str) -> None:
        if await self._kinds[name][1]():
            self.faults[name] += 1

    @property
    def left_out(self) -> dict[str, str]:
        """Return the faults that cannot fall in this life, each with the reason."""
        if self.rig.store == "s3":
            return {"disk full": "photos lie in S3"}
        missing = dict.fromkeys(("store killed", "store stopped"), "photos lie in files")
        if not self.rig.is_mounted:
            missing["disk full"] = "needs root and leave to mount a file system for the photos"
        return missing

    @property
    def _kinds(self) -> dict[str, tuple[float, Callable[[], Awaitable[bool]]]]:
        return {
            "server killed": (10, self._kill_server),
            "worker killed": (4, self._kill_worker),
            "database killed": (5, self._kill_database),
            "database restarted at once": (3, self._restart_database),
            "server stopped": (4, self._pause_server),
            "database paused": (2, self._pause_database),
            "phones killed": (3, self._kill_phones),
            "clock jumped a day": (5, self._jump_clock),
            "app installed anew": (2, self._reinstall),
            "long foreign transaction": (3, self._foreign_transaction),
            "store killed": (3, self._kill_store),
            "store stopped": (3, self._pause_store),
            "disk full": (3, self._fill_disk),
            "restored from a backup": (0.8, self._restore),
        }

    async def _kill_server(self) -> bool:
        number = self.rng.randrange(len(self.rig.servers))
        signal_process(self.rig.servers[number], signal.SIGKILL)
        await asyncio.sleep(self.rng.uniform(0, 0.5))
        self.rig.start_server(number)
        return True

    async def _kill_worker(self) -> bool:
        signal_process(self.rig.worker, signal.SIGKILL)
        self.rig.start_worker()
        return True

    async def _kill_database(self) -> bool:
        await self._crash_database(signal.SIGKILL)
        return True

    async def _restart_database(self) -> bool:
        await self._crash_database(signal.SIGQUIT)
        return True

    async def _crash_database(self, number: int) -> None:
        """Crash it while phones are sending, and hold it to O3 before any of them sends again."""
        signal_process(self.rig.postgres.pid, number)
        await asyncio.sleep(self.rng.uniform(0, 0.3))
        for crew in self.crews:
            crew.signal(signal.SIGSTOP)
        try:
            await self.rig.start_postgres()
            connection = await self.rig.connect()
            try:
                await self.judge.check_acked(connection)
            finally:
                await connection.close()
        finally:
            for crew in self.crews:
                crew.signal(signal.SIGCONT)
        if not self.rig.worker_is_alive:
            self.rig.start_worker()

    async def _pause_server(self) -> bool:
        pid = self.rng.choice(self.rig.servers)
        signal_process(pid, signal.SIGSTOP)
        await asyncio.sleep(self.rng.uniform(0.2, 3))
        signal_process(pid, signal.SIGCONT)
        return True

    async def _pause_database(self) -> bool:
        """Stop one of its backends for a while, in the middle of whatever it holds."""
        connection = await self.rig.connect()
        try:
            rows = await connection.fetch(
                "select pid from pg_stat_activity where usename = 'fsm_app' and pid <> pg_backend_pid()"
            )
        finally:
            await connection.close()
        if not rows:
            return False
        pid = self.rng.choice(rows)["pid"]
        signal_process(pid, signal.SIGSTOP)
        await asyncio.sleep(self.rng.uniform(0.2, 2))
        signal_process(pid, signal.SIGCONT)
        return True

    async def _kill_phones(self) -> bool:
        crew = self.rng.choice(self.crews)
        await crew.kill()
        await crew.start()
        crew.tell("go")
        return True

    async def _jump_clock(self) -> bool:
        self.rng.choice(self.crews).tell(f"clock {self.rng.choice((-1, -0.9, 0, 0, 0.9, 1))}")
        return True

    async def _reinstall(self) -> bool:
        self.rng.choice(self.crews).tell("reinstall")
        return True

    async def _foreign_transaction(self) -> bool:
        """Hold a writing transaction open beside everything else, as a report or a backup might."""
        self._spawn(self._hold_transaction(self.rng.uniform(3, 15)))
        return True

    async def _hold_transaction(self, seconds: float) -> None:
        import asyncpg

        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection = await self.rig.connect()
            try:
                await connection.execute("begin")
                await connection.execute("create temporary table held (n int) on commit drop")
                await connection.execute("insert into held select txid_current()::int")
                await asyncio.sleep(seconds)
                await connection.execute("rollback")
            finally:
                with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    await connection.close(timeout=2)

    async def _kill_store(self) -> bool:
        if self.rig.s3 is None:
            return False
        self.rig.crash_s3()
        await asyncio.sleep(self.rng.uniform(0, 1))
        self.rig.restart_s3()
        return True

    async def _pause_store(self) -> bool:
        if self.rig.s3 is None:
            return False
        self.rig.s3.send_signal(signal.SIGSTOP)
        await asyncio.sleep(self.rng.uniform(0.2, 2))
        self.rig.s3.send_signal(signal.SIGCONT)
        return True

    async def _fill_disk(self) -> bool:
        if not self.rig.fill_disk():
            return False
        await asyncio.sleep(self.rng.uniform(0.3, 3))
        self.rig.free_disk()
        return True

    async def _restore(self) -> bool:
        """Go back to the last rest point's backup; at most once a round, so that replays come to an end."""
        if not self.has_snapshot or self.restored_in_round:
            return False
        self.restored_in_round = True
        self.judge.was_restored = True
        for crew in self.crews:
            crew.signal(signal.SIGSTOP)
        try:
            await self.rig.restore("snapshot")
            self.judge.forget_fresh_acks()
        finally:
            for crew in self.crews:
                crew.signal(signal.SIGCONT)
        return True

    # --- at rest ------------------------------------------------------------------------------------------

    async def rest(self) -> None:
        """Heal everything, let every outbox empty, and have the oracles look."""
        began = time.monotonic()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()
        await self.rig.heal()
        limit = REST_LIMIT_S
        if self.restored_in_round:
            limit += made(self.crews) // REPLAYED_A_S
        answers = await asyncio.gather(
            *(crew.ask(f"drain {limit}", limit + 30) for crew in self.crews)
        )
        drained = time.monotonic() - began
        for answer in answers:
            for stuck in answer["stuck"]:
                self.judge.verdict.add("O9", f"not empty after {limit} s: {stuck}")
        await asyncio.gather(*(one.last_word() for one in self.offices))
        self.judge.has_revoked = any(one.did.get("revoke") for one in self.offices)
        settled = [await crew.ask("settle", SETTLE_LIMIT_S) for crew in self.crews]
        for answer in settled:
            self.judge.verdict.violations += answer["violations"]
        connection = await self.rig.connect()
        try:
            await self.judge.check(connection, [Path(one["file"]) for one in settled])
        finally:
            await connection.close()
        for said in await self.rig.audit():
            self.judge.verdict.add("O4", said)
        self.rests += 1
        if (
            self.size.faults
            and not self.size.only
            and (not self.has_snapshot or self.rng.random() < 0.5)
        ):
            await self.rig.take_snapshot("snapshot")
            self.has_snapshot = True
        self.say(
            f"rest {self.rests}: {made(self.crews)} intents, {sum(self.faults.values())} faults of the"
            f" runner's, drained in {drained:.1f} s, checked in"
            f" {time.monotonic() - began - drained:.1f} s,"
            f" {'clean' if self.judge.verdict.is_clean else self.judge.verdict.violations[:3]}"
        )

    def _count_link_faults(self) -> None:
        """Take over what the line did: it writes its count down whenever it is calmed."""
        with suppress(OSError, ValueError):
            for name, count in json.loads(self.rig.link_stats.read_text()).items():
                self.faults[f"line: {name}"] += count
