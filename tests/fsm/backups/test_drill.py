"""The drill: a company at work, its server lost, a restore to before what phones were told is stored.

Everything is real: PostgreSQL, the programs as an operator starts them, phones over HTTP. The phones keep
what the protocol tells them to keep, and nothing else.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from fsm.app import compose_database
from fsm.database import Database
from fsm.embedded import APPLICATION_ROLE, OWNER_ROLE, EmbeddedPostgres, available_binaries
from fsm.embedded.directory import SUPERUSER
from fsm.events import seal
from fsm.evidence.daily_roots import make_daily_roots, published_form
from fsm.evidence.receipts import ReceiptKey
from fsm.migrations.migrate import migrate
from fsm.settings import Settings, read_settings
from reports.packs.verifying import verify_pack
from tests.company import Company, found_company
from tests.conftest import Clock
from tests.fsm.work_orders.steps import Job, dispatched_job
from tests.mobile_api.phones import Phone, feed_differences
from tests.mobile_api.photos import BYTES, Snap, snap, upload_metadata
from tests.patience import PATIENCE_S

SECRET = "a secret that outlives the server, as it must"
DATABASE = "fsm"


@dataclass
class Site:
    """One machine: a database, photos, and the programs over them."""

    postgres: EmbeddedPostgres
    blob_dir: Path
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "FSM_DATABASE_URL": self.postgres.url(DATABASE, APPLICATION_ROLE),
            "FSM_OWNER_DATABASE_URL": self.postgres.url(DATABASE, OWNER_ROLE),
            "FSM_BACKUP_DATABASE_URL": self.postgres.url(DATABASE, SUPERUSER),
            "FSM_SECRET": SECRET,
            "FSM_BLOB_DIR": str(self.blob_dir),
            "FSM_POOL_SIZE": "3",
        }

    @property
    def settings(self) -> Settings:
        return read_settings(self.environment)

    def start(self, *words: str, until: str) -> str:
        """Start a program of ours; return what it said once it says `until`."""
        process = subprocess.Popen(
            [sys.executable, "-m", "fsm", *words],
            env={**os.environ, **self.environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            if until in line:
                return line
        raise AssertionError(f"fsm {words} ended")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "fsm", *words],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done

    def serve(self) -> str:
        """Start the server; return its address."""
        said = self.start("serve", "--port", "0", until="Answering at")
        return re.search(r"http://\S+", said)[0]  # type: ignore[index]

    def stop(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()
        self.running.clear()

    def lose(self) -> None:
        """Lose everything at once: programs, database, its files, the photos."""
        for process in self.running:
            process.kill()
        pid = self.postgres.pid
        assert pid is not None
        os.killpg(pid, signal.SIGKILL)
        for process in self.running:
            process.wait()
        self.stop()
        self.postgres.stop()
        shutil.rmtree(self.postgres.directory.path)
        shutil.rmtree(self.blob_dir)


@pytest.fixture(params=["newest", pytest.param("oldest", marks=pytest.mark.long)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A machine with the newest PostgreSQL that is here, and in the long form with the oldest."""
    offered = sorted(available_binaries(), key=lambda found: found.major)
    chosen = offered[0 if request.param == "oldest" else -1]
    postgres = EmbeddedPostgres(tmp_path / "pg", binaries=chosen)
    postgres.start()
    site = Site(postgres, tmp_path / "blobs")
    yield site
    site.stop()
    site.postgres.stop()


@dataclass
class DutifulPhone(Phone):
    """A phone that keeps each intent until `forget_upto` reaches it, and a photo until its receipt."""

    kept: list[dict[str, Any]] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)

    async def work(self, *intents: dict[str, Any]) -> None:
        self.kept += intents
        self.sent += intents
        outcomes = await self.push(*intents)
        assert {one["status"] for one in outcomes} == {"applied"}, outcomes

    async def sync(self) -> None:
        page = await self.pull()
        self.kept = [one for one in self.kept if one["seq"] > page["forget_upto"]]

    async def send_photo(self, photo: Snap) -> None:
        """Send the bytes; the receipt then lets the phone drop its copy."""
        answer = await self.client.post(
            "/files",
            headers={
                **self.headers,
                **BYTES,
                "Upload-Length": str(len(photo.content)),
                "Upload-Metadata": upload_metadata(photo.metadata),
            },
            content=photo.content,
        )
        assert answer.status_code == 201, answer.text
        await self.sync()
        assert self.of("photos")[str(photo.photo_id)]["receipt"] is not None

    async def recover(self) -> None:
        """Do what 410 asks for: reconcile, replay what is still kept, pull."""
        refused = await self.client.get(
            "/sync/v1/pull", params={"since": self.since}, headers=self.headers
        )
        assert (refused.status_code, refused.json()["reason"]) == (410, "restored")
        complete = False
        while not complete:
            have: dict[str, list[Any]] = {}
            for (coll, row_id), change in self.rows.items():
                have.setdefault(coll, []).append([row_id, change["rev"]])
            answer = await self.client.post(
                "/sync/v1/reconcile", json={"have": have}, headers=self.headers
            )
            assert answer.status_code == 200, answer.text
            body = answer.json()
            for change in body["put"]:
                self.rows[change["c"], change["id"]] = change
            for coll, ids in body["gone"].items():
                for row_id in ids:
                    self.rows.pop((coll, row_id), None)
            complete, self.since = body["complete"], body["since"]
        outcomes = await self.push(*self.kept)
        assert {one["status"] for one in outcomes} <= {"applied", "duplicate"}, outcomes
        await self.sync()


def doing(phone: Phone, job: Job, photo: Snap) -> list[dict[str, Any]]:
    visit = str(job.visit_id)
    return [
        phone.intent("visit.start", visit_id=visit),
        phone.intent("answer.set", visit_id=visit, item="safe", value=True),
        phone.intent("answer.set", visit_id=visit, item="reading", value=120),
        phone.intent("note.add", visit_id=visit, text="cleaned the rail"),
        phone.intent("part.use", visit_id=visit, part_id=str(job.company.part.id), qty="1"),
        phone.intent(
            "photo.add",
            visit_id=visit,
            photo_id=str(photo.photo_id),
            item="after",
            sha256=photo.sha256,
            size=len(photo.content),
            mime="image/jpeg",
            captured_at=phone.clock().isoformat(),
        ),
        phone.intent("visit.finish", visit_id=visit),
    ]


async def publish_root(database: Database, company: Company, day: datetime) -> dict[str, Any]:
    """Seal all there is as if on that day, and return the root of it, as somebody keeps it."""
    key = ReceiptKey.from_seed(company.settings.receipt_key_seed)
    async with database.transaction(company.id) as session:
        await seal(session, company.id, day)
    async with database.transaction(company.id) as session:
        made = await make_daily_roots(session, company.id, key, day + timedelta(days=1))
        return published_form(made[-1])


async def eventually(condition: Any) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        await asyncio.sleep(0.1)


async def test_a_restore_to_a_moment_loses_and_doubles_nothing_that_phones_were_told_is_stored(
    site: Site, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    await site.postgres.prepare(DATABASE)
    await migrate(site.postgres.url(DATABASE, OWNER_ROLE))
    clock = Clock(datetime.now(UTC))
    database = compose_database(site.settings)
    company = await found_company(database, site.settings, clock(), slug="acme")
    jobs = [await dispatched_job(database, company, clock) for _ in range(3)]
    photos = [snap(seed) for seed in (1, 2, 3)]

    site.start("backup", str(folder), "--follow", until="Following")
    async with httpx.AsyncClient(base_url=site.serve(), timeout=PATIENCE_S) as client:
        registered = await client.post(
            "/sync/v1/devices",
            headers=company.headers["technician"],
            json={"install_id": "phone", "schema": 5},
        )
        body = registered.json()
        phone = DutifulPhone(
            client, {"Authorization": f"Bearer {body['token']}"}, body["device_id"], clock
        )
        await phone.sync()
        # before the backup
        await phone.work(*doing(phone, jobs[0], photos[0]))
        await phone.send_photo(photos[0])
        early = await publish_root(database, company, clock() - timedelta(days=3))
        said = site.run("backup", str(folder)).stdout
        assert "is whole: 1 companies" in said
        await phone.sync()
        assert phone.kept == [], "what a tried backup holds may be forgotten"
        # after the backup, before the moment
        await phone.work(*doing(phone, jobs[1], photos[1]))
        await phone.send_photo(photos[1])
        moment = datetime.now(UTC)
        await asyncio.sleep(0.05)
        # after the moment, and told that it is stored
        await phone.work(*doing(phone, jobs[2], photos[2]))
        await phone.send_photo(photos[2])
        late = await publish_root(database, company, clock() - timedelta(days=2))
        taken = folder / "blobs" / str(company.id)
        await eventually(lambda: list(taken.rglob(photos[2].sha256)))
    await eventually(lambda: _is_in(folder / "wal", str(phone.sent[-1]["id"])))
    await database.close()

    site.lose()
    restored = site.run(
        "restore", str(folder), "--to", moment.isoformat(), "--into", str(tmp_path / "pg2"),
        "--embedded",
    ).stdout  # fmt: skip
    assert "3 photos and documents were brought back" in restored
    site.postgres = EmbeddedPostgres(tmp_path / "pg2")
    site.postgres.start()

    # the phone goes on
    async with httpx.AsyncClient(base_url=site.serve(), timeout=PATIENCE_S) as client:
        phone.client = client
        assert [one["seq"] for one in phone.kept] == [one["seq"] for one in phone.sent[7:]]
        await phone.recover()
        database = compose_database(site.settings)
        assert await _stored(site, company.id) == {one["id"]: 1 for one in phone.sent}
        for job, photo in zip(jobs, photos, strict=True):
            job.database = database
            assert (await job.row()).status == "completed"
            blob = await client.get(f"/blobs/{photo.sha256}", headers=phone.headers)
            assert blob.content == photo.content
            row = phone.of("photos")[str(photo.photo_id)]
            assert row["state"] == "verified"
            visit = phone.of("visits")[str(job.visit_id)]
            assert [note["text"] for note in visit["notes"]] == ["cleaned the rail"]
            assert len(visit["parts"]) == 1
            pack = await client.get(
                f"/api/work-orders/{job.id}/evidence-pack", headers=company.headers["dispatcher"]
            )
            report = verify_pack(BytesIO(pack.content))
            assert (report.findings, report.flags) == ([], [])
        assert await feed_differences(database, company.id) == []
        await database.close()

    # history says so, and what was published before is held against it
    kept = []
    for name, root in (("early", early), ("late", late)):
        kept.append(tmp_path / f"{name}.json")
        kept[-1].write_text(json.dumps(root))
    said = site.run(
        "evidence", "verify-chain", "--root", str(kept[0]), "--root", str(kept[1])
    ).stdout
    assert f"{company.id}: whole" in said
    assert "restored to a backup; what followed event" in said
    assert str(kept[0]) not in said, "the early root still stands"
    assert f"{kept[1]} covers events up to" in said
    assert "were lost in the restore" in said


def _is_in(wal: Path, text: str) -> bool:
    """Whether the log in the folder holds an id, as it stands in a stored intent."""
    return any(text.encode() in file.read_bytes() for file in wal.iterdir())


async def _stored(site: Site, tenant_id: UUID) -> dict[str, int]:
    """Return how often each intent is stored, asked of the database itself."""
    connection = await asyncpg.connect(site.postgres.url(DATABASE, SUPERUSER))
    try:
        rows = await connection.fetch(
            "select body ->> 'id' as id, count(*) as n from intent where tenant_id = $1 group by 1",
            tenant_id,
        )
    finally:
        await connection.close()
    return {row["id"]: row["n"] for row in rows}
