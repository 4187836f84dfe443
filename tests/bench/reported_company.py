"""A company with years of work in the database, by COPY: what reports are measured on.

The same size and seed write the same years. Work comes in batches that are drawn from the seed and their own
number, each in a transaction of its own: what was interrupted goes on with the first batch that is missing.
What follows from the work is written by SQL when all of it is there.
"""

import json
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from fsm.contracts.service_hours import (
    ClockHistory,
    ClockPause,
    ClockStop,
    Moment,
)
from tests.bench.figures import say
from tests.bench.reported_ledger import write_steps
from tests.bench.reported_rows import BATCH, NOW, ZONE, Founded, Openings, Place, Rows, Size

_REGIONS = [f"Region {number}" for number in range(20)]
_MODES = [f"mode-{number}" for number in range(12)]
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_KINDS = {"repair": "corrective", "service": "preventive", "rebuild": "improvement"}


class Years:
    """Writes the company's years over a superuser's connection, which checks no foreign keys meanwhile."""

    def __init__(self, connection: Any, founded: Founded, size: Size, seed: int) -> None:
        self._connection = connection
        self._founded = founded
        self._size = size
        self._seed = seed
        self._rng = random.Random(seed)
        self._kinds = {"repair": (founded.repair_id, self._id(NOW))}
        self._kinds |= {code: (self._id(NOW), self._id(NOW)) for code in ("service", "rebuild")}
        self._technicians = [self._id(NOW) for _ in range(size.technicians)]
        self._contractors = frozenset(self._technicians[9::10])
        self._places: list[Place] = []
        self.openings = Openings(size.began_at)

    async def write(self) -> None:
        """Write what is missing: the company's things, batch after batch of its work, what follows of it."""
        await self._connection.execute(_PROGRESS)
        done = await self._connection.fetchval(
            "select coalesce(max(batch) + 1, 0) from bench_batch"
        )
        things = self._things()
        for batch in range(done, self._size.batches + 1):
            async with self._connection.transaction():
                await self._connection.execute("set local session_replication_role = replica")
                rows = things if batch == 0 else self._work(batch - 1)
                await rows.copy(self._connection)
                await self._connection.execute("insert into bench_batch values ($1)", batch)
            if batch % 10 == 0:
                say(f"  {min(batch * BATCH, self._size.jobs)} of {self._size.jobs} jobs")
        steps = await self._connection.fetchval("select coalesce(max(step) + 1, 0) from bench_step")
        if await write_steps(self._connection, self._founded, self._size, steps):
            await self._connection.execute("vacuum (analyze)")

    def _id(self, at: datetime) -> UUID:
        """Return a UUIDv7 of an instant, as a client would have made it then."""
        low = self._rng.getrandbits(74)
        high = int(at.timestamp() * 1_000) << 80
        return UUID(int=high | 7 << 76 | (low >> 62) << 64 | 2 << 62 | low & (1 << 62) - 1)

    def _things(self) -> Rows:
        rng, size, founded = self._rng, self._size, self._founded
        rows = Rows(founded.tenant_id)
        began = size.began_at
        for code in ("service", "rebuild"):
            kind_id, version_id = self._kinds[code]
            rows.add("work_type", kind_id, 1, code, code.title(), True)
            rows.add(
                "work_type_version", version_id, kind_id, 1, began, "{}", "service_request",
                _KINDS[code], 3600, 3, "[]",
            )  # fmt: skip
        rows.add(
            "work_type_version", self._kinds["repair"][1], founded.repair_id, 2, NOW, "{}",
            "incident", "corrective", 3600, 2, "[]",
        )  # fmt: skip
        models = [self._id(began) for _ in range(40)]
        plans = [self._id(began) for _ in models]
        for number, (model_id, plan_id) in enumerate(zip(models, plans, strict=True)):
            rows.add("asset_model", model_id, 1, f"M-{number}", "Acme", f"M {number}", "lift")
            rows.add(
                "maintenance_plan", plan_id, 1, f"P-{number}", "Yearly", model_id,
                self._kinds["service"][0], 1, "calendar", "plan", "FREQ=YEARLY", began.date(),
                "09:00", "[]", 14, 1, True, began, began,
            )  # fmt: skip
        self._technicians_of(rows)
        contracts = [self._id(began) for _ in range(size.contracts)]
        customers = [self._id(began) for _ in range(max(1, size.contracts // 2))]
        for number, customer_id in enumerate(customers):
            rows.add(
                "customer", customer_id, 1, f"BC-{number}", f"Customer {number}", "", True, began
            )
        ends: list[datetime | None] = []
        for number, contract_id in enumerate(contracts):
            starts = began + timedelta(days=rng.choice((-300, -300, 0, 200, 700)))
            ends.append(starts + timedelta(days=1400) if rng.random() < 0.2 else None)
            rows.add(
                "contract", contract_id, 1, customers[number % len(customers)], f"BK-{number}", "",
                "subscription", starts.date(), ends[-1].date() if ends[-1] else None,
                founded.level_id, rng.choice((400, 900, 2500)), "EUR", "{}", "{}", 0, began,
                '{"amounts": {"restoration": "25"}, "cap_share": "0.2"}' if number % 3 else "{}",
            )  # fmt: skip
        site_id = customer_id = machine_id = None
        for number in range(size.assets):
            if number % 5 == 0:
                which = rng.randrange(len(contracts))
                customer_id = customers[which % len(customers)]
                site_id = self._id(began)
                rows.add(
                    "site", site_id, 1, customer_id, f"BS-{number}", "", "", "",
                    rng.choice(_REGIONS), "FR", ZONE, "", "", True, began, 200,
                )  # fmt: skip
                machine_id = None
            asset_id, model = self._id(began), rng.randrange(len(models))
            serves = began + timedelta(days=rng.choice((-900, -300, -20, 250, 800)), hours=7)
            is_part = machine_id is not None and rng.random() < 0.3
            retired = None
            if rng.random() < (0.3 if is_part else 0.04):
                retired = serves + timedelta(days=rng.randint(400, 1500))
                if is_part and began < retired < NOW and rng.random() < 0.7:
                    self._worn(rows, asset_id, retired)
            rows.add(
                "asset", asset_id, 1, customer_id, site_id, machine_id if is_part else None,
                f"SN-{number}" if is_part else None, models[model], f"BA-{number}", "Lift", "",
                rng.randint(1, 5), serves, retired, "", began,
            )  # fmt: skip
            machine_id = machine_id or asset_id
            on = contracts[which] if rng.random() < 0.9 else None
            if on is not None:
                end = (began + timedelta(days=900)).date() if rng.random() < 0.1 else None
                days = asyncpg.Range((began - timedelta(days=400)).date(), end)
                rows.add("contract_asset", self._id(began), on, asset_id, days, rng.choice((1, 2)))
            self._places.append(Place(asset_id, customer_id, site_id, on, plans[model]))
        return rows

    def _worn(self, rows: Rows, asset_id: UUID, removed: datetime) -> None:
        """Add the failure with which a part was taken out."""
        rows.add(
            "failure", self._id(removed), 1, asset_id, removed - _HOUR, removed - _HOUR,
            removed + _HOUR, _MODES[0], None,
        )  # fmt: skip

    def _technicians_of(self, rows: Rows) -> None:
        """Add people and their leave; their shifts follow by SQL."""
        for number, technician_id in enumerate(self._technicians):
            rows.add(
                "technician", technician_id, 1, f"BT-{number}", f"Person {number}", ZONE, "", "",
                number % 10 == 9, True,
            )  # fmt: skip
            morning = self._size.began_at.replace(hour=6, minute=30)
            for day in range(365 * self._size.years + 7):
                begins = morning + day * _DAY
                if day % 180 == 20 + number % 100:
                    leave = asyncpg.Range(begins, begins + timedelta(days=12))
                    rows.add("absence", self._id(begins), 1, technician_id, leave, "leave", "")

    def _work(self, batch: int) -> Rows:
        """Draw one batch of jobs, of all the years alike."""
        self._rng = random.Random(f"{self._seed}/{batch}")
        rows = Rows(self._founded.tenant_id)
        last: dict[UUID, UUID] = {}
        first = batch * BATCH
        for number in range(first, min(first + BATCH, self._size.jobs)):
            _Job(self, rows, number, last).write()
        return rows


class _Job:
    """One job with everything that happened around it."""

    def __init__(self, years: Years, rows: Rows, number: int, last: dict[UUID, UUID]) -> None:
        self._years, self._rows, self._number, self._last = years, rows, number, last
        self._rng, self._founded = years._rng, years._founded
        rng = self._rng
        self._place: Place = rng.choice(years._places)
        drawn = rng.random()
        self._code = "repair" if drawn < 0.68 else "service" if drawn < 0.95 else "rebuild"
        span_s = int((NOW - years._size.began_at).total_seconds()) - 7200
        self._reported = years._size.began_at + timedelta(seconds=rng.randrange(span_s))
        self._id = self._new(self._reported)
        self._is_cancelled = rng.random() < 0.02
        self._visits: list[tuple[UUID, datetime, datetime]] = []
        self._done: datetime | None = None
        self._person = rng.choice(years._technicians)

    def _new(self, at: datetime) -> UUID:
        return self._years._id(at)

    def _maybe(self, chance: float) -> bool:
        return self._rng.random() < chance

    def _after(self, at: datetime, least_m: int, most_m: int) -> datetime:
        return at + timedelta(seconds=60 * self._rng.randint(least_m, most_m))

    def write(self) -> None:
        rng = self._rng
        if not self._is_cancelled:
            self._attend()
        cancelled = self._after(self._reported, 30, 600) if self._is_cancelled else None
        is_repair = self._code == "repair"
        failure_id = self._fail() if is_repair and self._maybe(0.55) else None
        request_id = self._request() if is_repair and self._maybe(0.5) else None
        follows = self._last.get(self._place.asset_id) if self._maybe(0.03) else None
        self._last[self._place.asset_id] = self._id
        done, closed, again = self._done, None, None
        if done:
            first_closed = self._after(done, 60, 5_000)
            closed = first_closed if first_closed < NOW else None
            if closed and self._maybe(0.01):
                again = self._after(closed, 600, 20_000)
                done = self._after(again, 60, 3_000)
                closed = self._after(done, 60, 5_000)
                if closed >= NOW:
                    done, closed, again = self._done, first_closed, None
            if again:
                self._event("work_order.closed", "work_order", self._id, first_closed)
        paused = self._pause() if self._visits and self._maybe(0.08) else None
        has_level = is_repair and self._place.contract_id is not None
        dues = self._clocks(done, again, paused, cancelled) if has_level else (None, None)
        founded = self._founded
        kind_id, version_id = self._years._kinds[self._code]
        status = (
            "cancelled" if cancelled
            else "closed" if closed
            else "work_done" if done
            else "in_progress" if self._visits and self._visits[-1][1] < NOW
            else "open"
        )  # fmt: skip
        closure_id = self._new(closed) if closed else None
        if closed:
            self._rows.add(
                "work_order_closure",
                closure_id,
                self._id,
                1,
                founded.rules_sha256,
                "{}",
                "[]",
                closed,
            )
        self._rows.add(
            "work_order", self._id, 1, f"BW-{self._number}", status, request_id,
            self._place.customer_id, self._place.site_id, self._place.asset_id,
            self._place.contract_id, failure_id, kind_id, version_id,
            "incident" if is_repair else "service_request", _KINDS[self._code],
            rng.randint(1, 4), "Door does not close", "", rng.choice((1800, 3600, 7200)), 1, "[]",
            ZONE, self._maybe(0.02), follows, self._reported,
            done, closed, closed, founded.user_id if closed else None,
            again, cancelled, *dues,
            founded.level_version_id if has_level else None,
            founded.calendar_version_id if has_level else None,
            founded.checklist_id, founded.rules_sha256, 1, closure_id, False, False, self._reported,
        )  # fmt: skip
        if self._code == "service":
            self._occurrence()
        self._tell(closed, again)

    def _attend(self) -> None:
        """Add one to three visits with their hours and costs; what lies ahead of `NOW` is only planned."""
        rng, at = self._rng, self._after(self._reported, 60, 5_000)
        count = rng.choices((1, 2, 3), (80, 16, 4))[0]
        for turn in range(count):
            begins = at.replace(hour=7 + rng.randrange(7), minute=15 * rng.randrange(4), second=0)
            if begins < self._reported:
                begins += _DAY
            arrived = self._after(begins, -15, 45)
            if arrived < self._reported:
                arrived = self._reported
            over = self._after(arrived, 20, 150)
            there = over < NOW
            visit_id = self._new(self._reported)
            window = (begins, begins + 2 * _HOUR)
            created = max(self._reported, begins - timedelta(days=1 + turn))
            if self._person in self._years._contractors and self._maybe(0.1):
                self._reject(begins, window, created)
            self._rows.add(
                "visit", visit_id, 1, self._id, self._person, "finished" if there else "planned",
                begins, begins + _HOUR, *window, 1200, False, created if there else None,
                arrived if there else None, arrived if there else None, over if there else None, False,
                created,
            )  # fmt: skip
            self._plan(visit_id, begins, created)
            if self._maybe(0.5):
                self._promise(visit_id, window, created)
            self._visits.append((visit_id, arrived, over))
            if there:
                self._hours(visit_id, arrived, over)
                at = over + _DAY * rng.randint(1, 4)
            else:
                return
        self._done = self._visits[-1][2]

    def _plan(self, visit_id: UUID, begins: datetime, created: datetime) -> None:
        data = f'{{"starts_at": "{begins.isoformat()}"}}'
        self._event("visit.planned", "visit", visit_id, created, data)

    def _reject(
        self, begins: datetime, window: tuple[datetime, datetime], created: datetime
    ) -> None:
        """Add a visit that was sent to the contractor and not taken."""
        visit_id = self._new(created)
        self._plan(visit_id, begins, created)
        self._event("visit.rejected", "visit", visit_id, self._after(created, 5, 55))
        self._rows.add(
            "visit", visit_id, 1, self._id, self._person, "rejected", begins, begins + _HOUR,
            *window, 1200, False, created, None, None, None, False, created,
        )  # fmt: skip

    def _promise(self, visit_id: UUID, window: tuple[datetime, datetime], told: datetime) -> None:
        self._rows.add(
            "promise", self._new(told), self._id, visit_id, *window, "phone", told, "office",
            "customer" if self._maybe(0.1) else None, self._rng.randint(50, 98) / 100,
        )  # fmt: skip

    def _hours(self, visit_id: UUID, arrived: datetime, over: datetime) -> None:
        left = self._after(arrived, -60, -5)
        for kind, during in (("travel", (left, arrived)), ("work", (arrived, over))):
            entry_id = self._new(over)
            entries = [(entry_id, during, None)]
            if self._maybe(0.02):
                earlier = (during[0], during[1] - timedelta(minutes=3))
                entries.append((self._new(over), earlier, entry_id))
            for id_, (begins, ends), corrects in entries:
                self._rows.add(
                    "time_entry", id_, self._id, visit_id, self._person, kind,
                    asyncpg.Range(begins, ends), corrects, False, over,
                )  # fmt: skip
            hours = round((during[1] - during[0]).total_seconds() / 3600, 2)
            self._cost("labour" if kind == "work" else "travel", hours, 60, over)
        if self._maybe(0.4):
            self._cost("parts", self._rng.randint(1, 4), self._rng.randint(10, 400), over)
        if self._maybe(0.01):
            self._cost("recovery", 1, self._rng.randint(50, 500), over)

    def _cost(self, kind: str, quantity: float, unit_cost: int, at: datetime) -> None:
        payer = self._rng.choices(
            ("contract", "customer", "manufacturer", "goodwill", None), (70, 20, 6, 3, 1)
        )
        amount = round(quantity * unit_cost, 2)
        self._rows.add(
            "cost_line", self._new(at), self._id, self._place.asset_id, self._place.contract_id,
            self._person, kind, quantity, unit_cost, amount, "EUR", at.date(), "time_entry", payer[0],
            at, round(amount * 1.3, 2) if payer[0] == "customer" else None,
        )  # fmt: skip

    def _fail(self) -> UUID:
        """Add a failure before the report with its outage; one in ten is degraded or from outside."""
        failed = self._after(self._reported, -300, -1)
        restored = self._done
        failure_id = self._new(self._reported)
        self._rows.add(
            "failure", failure_id, 1, self._place.asset_id, failed if self._maybe(0.8) else None,
            self._reported, restored, self._rng.choice(_MODES),
            "misuse" if self._maybe(0.02) else None,
        )  # fmt: skip
        self._rows.add(
            "outage", failure_id, 1, self._place.asset_id, failure_id,
            asyncpg.Range(failed, restored), "failure" if self._maybe(0.95) else "external",
            self._maybe(0.1),
        )  # fmt: skip
        return failure_id

    def _request(self) -> UUID:
        request_id = self._new(self._reported)
        self._rows.add(
            "service_request", request_id, 1, f"BR-{self._number}", self._place.asset_id,
            self._place.site_id, self._place.customer_id, "office", "accepted", "incident",
            "Door does not close", "", "", "", "fr", self._after(self._reported, -90, -1), "", "",
        )  # fmt: skip
        return request_id

    def _pause(self) -> ClockPause:
        begins, ends = self._after(self._reported, 5, 30), self._after(self._reported, 31, 59)
        self._rows.add(
            "pause", self._new(begins), self._id, self._visits[0][0], self._founded.reasons["parts"],
            asyncpg.Range(begins, ends), True, True, "phone",
        )  # fmt: skip
        return ClockPause(Moment.exactly(begins), Moment.exactly(ends))

    def _clocks(
        self,
        stopped: datetime | None,
        again: datetime | None,
        paused: ClockPause | None,
        cancelled: datetime | None,
    ) -> tuple[datetime | None, datetime | None]:
        """Add both clocks as the rule of service hours reads them, and return when they are due."""
        arrived = self._visits[0][1] if self._visits and self._visits[0][1] < NOW else None
        dues = []
        for kind, target_s, at in (
            ("response", 4 * 3600, arrived),
            ("restoration", 8 * 3600, stopped),
        ):
            stops = [ClockStop(Moment.exactly(at))] if at else []
            if kind == "restoration" and again and self._done:
                first = ClockStop(Moment.exactly(self._done), Moment.exactly(again))
                stops = [first, *stops]
            history = ClockHistory(
                target_s,
                Moment.exactly(self._reported),
                (paused,) if paused and kind == "restoration" else (),
                tuple(stops),
                (),
                Moment.exactly(cancelled) if cancelled else None,
            )
            reading = self._years.openings.read(history)
            self._rows.add(
                "clock", self._new(self._reported), self._id, kind, self._founded.level_version_id,
                self._founded.calendar_version_id, ZONE, target_s, self._reported, reading.due_by,
                reading.stopped_at, int(reading.elapsed.total_seconds()), _stops(stops), "[]",
                str(reading.state),
            )  # fmt: skip
            dues.append(reading.due_by)
        return dues[0], dues[1]

    def _occurrence(self) -> None:
        due = self._reported + timedelta(days=self._rng.randint(5, 14))
        is_covered = self._maybe(0.02)
        self._rows.add(
            "maintenance_occurrence", self._new(due), self._place.plan_id, self._place.asset_id,
            str(self._number), "withdrawn" if is_covered else "ordered", "calendar", due, due,
            due - 7 * _DAY, due + 7 * _DAY, self._id, "", 1, self._reported,
        )  # fmt: skip
        if self._maybe(0.3):
            self._rows.add(
                "outage", self._new(due), 1, self._place.asset_id, None,
                asyncpg.Range(due, due + _HOUR), "planned", False,
            )  # fmt: skip

    def _tell(self, closed: datetime | None, again: datetime | None) -> None:
        self._event("work_order.created", "work_order", self._id, self._reported)
        if self._done:
            self._event(
                "work_order.status_changed", "work_order", self._id, self._done,
                '{"after": "work_done"}',
            )  # fmt: skip
        if again:
            self._event("work_order.reopened", "work_order", self._id, again)
        if closed:
            self._event("work_order.closed", "work_order", self._id, closed)

    def _event(self, kind: str, entity: str, row_id: UUID, at: datetime, data: str = "{}") -> None:
        self._rows.add(
            "event", self._new(at), kind, entity, row_id, "user", "Anne", at, at, at, at, data
        )


def _stops(stops: Sequence[ClockStop]) -> str:
    return json.dumps(
        [
            {
                "stopped": _bounds(stop.stopped),
                "reopened": None if stop.reopened is None else _bounds(stop.reopened),
            }
            for stop in stops
        ]
    )


def _bounds(moment: Moment) -> list[str]:
    return [at.isoformat() for at in (moment.at, moment.lo_at, moment.hi_at)]


_PROGRESS = """
create table if not exists bench_batch (batch int primary key);
create table if not exists bench_step (step int primary key)
"""
