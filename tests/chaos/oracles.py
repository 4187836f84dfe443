"""The nine oracles at a rest point: what journals and phones say, against plain SQL over the product's rows.

The SQL here is the judge's own and reads base tables as their superuser; nothing of the product is imported.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.chaos import effects
from tests.chaos.effects import Key, key_of
from tests.chaos.holdings import Holdings
from tests.chaos.journal import read_journal

REOPENED_LIMIT_S = 60
"""How long what was held of a closed job may wait once the job is open again."""


@dataclass(frozen=True, slots=True)
class Made:
    """An intent as its journal has it."""

    sha256: bytes
    type: str
    seq: int
    device: str
    visit_id: str | None
    item: str | None
    text: str | None
    key: Key | None
    """What its effect is counted by."""


@dataclass
class Verdict:
    """What was found at the rest points of a run."""

    lost: int = 0
    doubled: int = 0
    applied_twice: int = 0
    not_converged: int = 0
    violations: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (
            self.lost or self.doubled or self.applied_twice or self.not_converged or self.violations
        )

    def add(self, oracle: str, said: str) -> None:
        self.violations.append(f"{oracle}: {said}")


class Judge:
    """Reads the journals as they grow and holds the server to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: dict[UUID, Made] = {}
        self.acked: set[UUID] = set()
        self.answered: dict[UUID, str] = {}
        self._fresh_acks: list[UUID] = []
        self._offsets: dict[Path, int] = {}
        self.was_restored = False
        self.has_revoked = False
        self.verdict = Verdict()

    def read_journals(self) -> None:
        for path in sorted(self.folder.glob("*.journal")):
            for offset, record in read_journal(path, self._offsets.get(path, 0)):
                self._offsets[path] = offset
                match record["k"]:
                    case "intent":
                        intent = record["intent"]
                        data = intent["data"]
                        self.made[UUID(intent["id"])] = Made(
                            bytes.fromhex(record["sha256"]),
                            intent["type"],
                            intent["seq"],
                            path.stem,
                            data.get("visit_id"),
                            data.get("item"),
                            data.get("text") or data.get("value"),
                            key_of(intent),
                        )
                    case "acked":
                        for _, intent_id, status in record["of"]:
                            one = UUID(intent_id)
                            self.acked.add(one)
                            self.answered[one] = status
                            self._fresh_acks.append(one)

    # --- O3, after each crash of the database -------------------------------------------------------------

    async def check_acked(self, connection: Any) -> None:
        """O3: what was acknowledged before the crash is there after it, before anybody sends it again."""
        self.read_journals()
        fresh, self._fresh_acks = self._fresh_acks, []
        if not fresh:
            return
        there = await connection.fetch("select id from intent where id = any($1)", fresh)
        missing = set(fresh) - {row["id"] for row in there}
        if missing:
            self.verdict.lost += len(missing)
            self.verdict.add("O3", f"{len(missing)} acknowledged intents did not survive a crash")

    def forget_fresh_acks(self) -> None:
        """A restore loses what came after its snapshot; the replay is held to O1."""
        self.read_journals()
        self._fresh_acks = []

    # --- at rest ------------------------------------------------------------------------------------------

    async def check(self, connection: Any, held: list[Path]) -> None:
        """Hold the whole server to the journals and to what the phones hold."""
        self.read_journals()
        late = await self._list_held(connection)
        stored = {
            row["id"]: row
            for row in await connection.fetch("select id, body_sha256, status, outcome from intent")
        }
        self._check_stored(stored)
        await self._check_effects(connection, stored, late)
        await self._check_answers(connection, stored, late)
        await self._check_jobs(connection)
        await self._check_rights_and_rows(connection, held)
        self._fresh_acks = []

    def _check_stored(self, stored: dict[UUID, Any]) -> None:
        """O1: each intent once, with the hash that its device took; and none that nobody made."""
        missing = self.made.keys() - stored.keys()
        if missing:
            self.verdict.lost += len(missing)
            kinds = Counter(self.made[one].device for one in missing)
            self.verdict.add("O1", f"{len(missing)} intents are not stored: {dict(kinds)}")
        strange = stored.keys() - self.made.keys()
        if strange:
            self.verdict.doubled += len(strange)
            self.verdict.add("O1", f"{len(strange)} stored intents were made by nobody")
        changed = [
            one
            for one, row in stored.items()
            if one in self.made and row["body_sha256"] != self.made[one].sha256
        ]
        if changed:
            self.verdict.add("O1", f"{len(changed)} intents have another hash")
        waiting = [one for one, row in stored.items() if row["status"] == "waiting"]
        if waiting:
            self.verdict.add("O9", f"{len(waiting)} intents wait for ever, such as {waiting[0]}")

    async def _list_held(self, connection: Any) -> set[UUID]:
        """O9: what came to a closed job is held, and takes effect soon after somebody reopens the job."""
        until = asyncio.get_running_loop().time() + REOPENED_LIMIT_S
        while True:
            held = await connection.fetch(
                "select (r.data ->> 'intent_id')::uuid as id, w.status from review r"
                " join work_order w on w.tenant_id = r.tenant_id and w.id = r.work_order_id"
                " where r.kind = 'late_fact' and r.settled_at is null"
            )
            late = [row["id"] for row in held if row["status"] != "closed"]
            if not late or asyncio.get_running_loop().time() > until:
                break
            await asyncio.sleep(0.2)
        if late:
            self.verdict.add("O9", f"{len(late)} held intents of reopened jobs are not applied")
        return {row["id"] for row in held}

    async def _check_effects(
        self, connection: Any, stored: dict[UUID, Any], held: set[UUID]
    ) -> None:
        """O2: an applied intent has its effect exactly once, any other has none."""
        visits = {row["id"] for row in await connection.fetch("select id from visit")}
        least: Counter[Key] = Counter()
        most: Counter[Key] = Counter()
        ended: dict[str, str] = {}
        perhaps: dict[str, str] = {}
        wrong: Counter[str] = Counter()
        examples: dict[str, str] = {}
        for one, made in self.made.items():
            row = stored.get(one)
            if row is None:
                continue
            if row["status"] == "applied" and one not in held and made.key is not None:
                due, at_most = effects.due_of(made.type, _notes(made, row))
                least[made.key] += due
                most[made.key] += at_most
                if at_most and made.type in _ENDS:
                    (ended if due else perhaps)[made.visit_id or ""] = _ENDS[made.type]
            if row["status"] == "quarantined" and not self._may_be_quarantined(
                one, made, row, visits
            ):
                wrong["quarantined"] += 1
                examples.setdefault("quarantined", f"{made.type} {row['outcome'][:300]}")
            if row["status"] == "rejected" and made.type != "visit.finish":
                wrong["rejected"] += 1
        found = await effects.count_effects(connection)
        missing: Counter[str] = Counter()
        for key, count in (least - found).items():
            missing[key[0]] += count
            examples.setdefault(key[0], str(key))
        for key, count in (found - most).items():
            self.verdict.applied_twice += count
            wrong[key[0]] += 1
            examples.setdefault(key[0], str(key))
        if missing:
            self.verdict.lost += missing.total()
            self.verdict.add("O2", f"applied without effect: {dict(missing)} {examples}")
        if wrong:
            self.verdict.add("O2", f"effects nobody asked for: {dict(wrong)} {examples}")
        rows = await effects.read_visits(connection)
        if odd := effects.list_wrong_visits(rows, ended, perhaps):
            self.verdict.add("O2", f"{len(odd)} visits are not what was made of them: {odd[:2]}")
        if loose := await effects.count_loose_parts(connection):
            self.verdict.add("O2", f"{loose} parts left a van for no job or for two")

    def _may_be_quarantined(self, one: UUID, made: Made, row: Any, visits: set[UUID]) -> bool:
        code = json.loads(row["outcome"]).get("problem", {}).get("code")
        if made.type == "visit.dance" or (made.type == "answer.set" and made.item is None):
            return True  # poison of our own
        if code == "device-revoked":
            return self.has_revoked
        if code == "unknown-visit":
            return self.was_restored and UUID(made.visit_id or "") not in visits
        return self.was_restored and code in ("wrong-status", "unknown-visit")

    async def _check_answers(
        self, connection: Any, stored: dict[UUID, Any], held: set[UUID]
    ) -> None:
        """O2: of one device's answers to one item the last one that took effect is the one that counts.

        What a revoked device still sends, or sends to a closed job, is for the office to decide on.
        """
        last: dict[tuple[str, str], dict[str, tuple[int, str | None]]] = {}
        for row_id, one in self.made.items():
            if (
                row_id not in held
                and row_id in stored
                and stored[row_id]["status"] == "applied"
                and one.type == "answer.set"
                and one.item
                and one.item.startswith("remark")
                and one.visit_id
            ):
                by = last.setdefault((one.visit_id, one.item), {})
                by[one.device] = max(by.get(one.device, (0, None)), (one.seq, one.text))
        rows = await connection.fetch(
            "select id::text, body from sync_row where coll = 'visits' and op = 'put' and why is null"
        )
        wrong = []
        for row in rows:
            for item, value in json.loads(row["body"])["answers"].items():
                by = last.get((row["id"], item), {})
                if len(by) == 1 and (made := next(iter(by.values())))[1] != value:
                    wrong.append((row["id"], item, value, made))
        if wrong:
            visit_id, item, value, made = wrong[0]
            history = await connection.fetch(
                "select device_id::text, device_seq, received_at::text, value from answer"
                " where visit_id = $1 and item = $2 order by received_at desc, device_seq desc limit 6",
                UUID(visit_id),
                item,
            )
            self.verdict.add(
                "O2",
                f"{len(wrong)} items show another answer than the last one made, such as {item} of"
                f" {visit_id}: {value}, made last {made}, stored {[tuple(one) for one in history]}",
            )

    async def _check_jobs(self, connection: Any) -> None:
        """O5: no job is completed without answers and verified bytes; and none that has them is stuck."""
        unproved = await connection.fetch(
            """
            select w.id, w.status from work_order w
            where w.status in ('completed', 'closed') and (
              (select count(distinct a.item) from answer a
               where a.tenant_id = w.tenant_id and a.work_order_id = w.id
                 and a.item in ('safe', 'reading')) < 2
              or not exists (select 1 from photo p
                join blob b on b.tenant_id = p.tenant_id and b.sha256 = p.sha256 and b.size = p.size
                where p.tenant_id = w.tenant_id and p.work_order_id = w.id and p.item = 'after'
                  and p.state = 'verified' and p.retracted_at is null))
            """
        )
        if unproved:
            self.verdict.add("O5", f"{len(unproved)} jobs are completed without proof")
        stuck = await connection.fetch(
            """
            select w.id from work_order w
            where w.status = 'work_done' and not w.wants_more_work
              and (select count(distinct a.item) from answer a
                where a.tenant_id = w.tenant_id and a.work_order_id = w.id
                  and a.item in ('safe', 'reading')) = 2
              and exists (select 1 from photo p where p.tenant_id = w.tenant_id
                and p.work_order_id = w.id and p.item = 'after' and p.state = 'verified')
              and not exists (select 1 from photo p where p.tenant_id = w.tenant_id
                and p.work_order_id = w.id and p.state <> 'verified' and p.retracted_at is null)
            """
        )
        if stuck:
            self.verdict.add(
                "O5", f"{len(stuck)} proved jobs stay work_done, such as {stuck[0][0]}"
            )

    async def _check_rights_and_rows(self, connection: Any, held: list[Path]) -> None:
        """O4, O6: each phone holds what its technician may see, as SQL says, and nobody else's."""
        due = await Holdings.read(connection)
        for file in held:
            for name, phone in json.loads(file.read_text()).items():
                strange, odd = due.compare(phone)
                for said in strange:
                    self.verdict.add("O6", f"{name} holds {said} of strangers")
                if odd:
                    self.verdict.not_converged += 1
                    self.verdict.add("O4", f"{name}: {len(odd)} rows differ from SQL: {odd[:2]}")


_ENDS = {"visit.finish": "finished", "visit.abort": "aborted"}


def _notes(made: Made, row: Any) -> list[dict[str, Any]]:
    """Return what the outcome of a step of a visit notes; nothing else's effect depends on it."""
    if not made.type.startswith("visit.") or row["outcome"] == "{}":
        return []
    notes: list[dict[str, Any]] = json.loads(row["outcome"]).get("notes", [])
    return notes
