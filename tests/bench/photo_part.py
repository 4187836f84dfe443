"""The pictures' part of `sync`: small pictures against what Pillow alone does with `draft()`.

Both sides start from the same bytes in memory and end with a JPEG of 480 pixels, in turns, in CPU time of
this process. The peer trusts the file: it opens, drafts, shrinks, encodes. Ours also looks at the header
before a decoder starts, turns the picture upright and drops what the camera wrote into it. The job that does
it in production reads the photo from the store, takes a fingerprint and writes rows; its figure stands beside
without a goal.
"""

import gc
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from PIL import Image

from fsm.app import compose_database
from fsm.embedded import OWNER_ROLE, EmbeddedPostgres
from fsm.evidence import queries
from fsm.evidence.blobs import BlobStore, blob_store
from fsm.evidence.jobs import make_thumbnail
from fsm.evidence.thumbnails import THUMBNAIL_SIZE, fingerprint, thumbnail
from fsm.evidence.verification import inspect
from fsm.jobs import Job
from fsm.migrations.migrate import migrate
from fsm.settings import read_settings
from tests.bench.figures import Figure, figure
from tests.company import Company, found_company
from tests.fsm.evidence.pictures import encoded, scene

NOW = datetime(2026, 3, 23, 8, 0, tzinfo=UTC)
GOAL = 0.9

#: What phones take: their usual size, and the largest that most of them offer.
SIZES = {"12 megapixels": (4032, 3024), "50 megapixels": (8160, 6144)}

_PEAK = """
import sys
from pathlib import Path
from fsm.evidence.thumbnails import thumbnail

def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024

thumbnail(Path(sys.argv[1]).read_bytes())
before = peak()
content = Path(sys.argv[2]).read_bytes()
thumbnail(content)
print(peak() - before)
"""


def photo(size: tuple[int, int], seed: int) -> bytes:
    """Return a JPEG with a sensor's noise: without it a photo has a tenth of the bytes to decode."""
    noise = Image.effect_noise(size, 18).convert("RGB")
    return encoded(Image.blend(scene(seed, size), noise, 0.25), "JPEG", quality=88)


def raw(content: bytes) -> bytes:
    """Return the small picture the shortest way."""
    with Image.open(BytesIO(content)) as image:
        image.draft("RGB", (THUMBNAIL_SIZE, THUMBNAIL_SIZE))
        image.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.LANCZOS)
        out = BytesIO()
        image.save(out, "JPEG", quality=80)
    return out.getvalue()


def ours(content: bytes) -> bytes:
    return thumbnail(content).jpeg


def ours_with_fingerprint(content: bytes) -> bytes:
    small = thumbnail(content).jpeg
    fingerprint(small)
    return small


async def measure(seconds: float) -> list[Figure]:
    """Shrink pictures for about `seconds` of CPU; return the figures.

    A few seconds more go into making the photos and starting a database.
    """
    figures = []
    share = seconds / (2 * len(SIZES) + 1)
    for name, size in SIZES.items():
        content = photo(size, 1)
        assert ours(content)[:2] == raw(content)[:2] == b"\xff\xd8"
        for label, work, goal in (
            ("thumbnail", ours, GOAL),
            ("thumbnail and fingerprint", ours_with_fingerprint, None),
        ):
            ratio, detail = await _in_turns(_called(work, content), _called(raw, content), share)
            figures.append(
                figure(
                    f"{label} of {name} / raw draft(), throughput",
                    ratio, "ratio", goal, better="higher", **detail, bytes=len(content),
                )
            )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peak_mb = _peak_mb(folder, photo(SIZES["50 megapixels"], 2))
        ratio, detail = await _whole_job(folder, share)
    return [
        *figures,
        figure("memory to shrink 50 megapixels beyond a tiny picture's", peak_mb, "MB", 64),
        figure(
            "the whole job for 12 megapixels / raw draft(), throughput",
            ratio, "ratio", None, better="higher", **detail,
        ),
    ]  # fmt: skip


def _called(work: Callable[[bytes], bytes], content: bytes) -> Callable[[], Awaitable[object]]:
    async def call() -> object:
        return work(content)

    return call


async def _in_turns(
    one: Callable[[], Awaitable[object]], peer: Callable[[], Awaitable[object]], seconds: float
) -> tuple[float, dict[str, float]]:
    """Return the peer's CPU time over ours, the median over turns of both, and what it is made of."""
    await one()
    await peer()
    spent: dict[str, list[float]] = {"one": [], "peer": []}
    began = time.process_time()
    while time.process_time() - began < seconds or len(spent["one"]) < 6:
        order = [("one", one), ("peer", peer)]
        for name, work in order if len(spent["one"]) % 2 else reversed(order):
            gc.collect()
            at = time.process_time()
            await work()
            spent[name].append(time.process_time() - at)
    ratios = [peer_s / one_s for one_s, peer_s in zip(spent["one"], spent["peer"], strict=True)]
    return statistics.median(ratios), {
        "ours_ms": round(statistics.median(spent["one"]) * 1000, 1),
        "raw_ms": round(statistics.median(spent["peer"]) * 1000, 1),
        "turns": len(ratios),
        "lowest": round(min(ratios), 3),
        "highest": round(max(ratios), 3),
    }


def _peak_mb(folder: Path, content: bytes) -> float:
    tiny, large = folder / "tiny.jpg", folder / "large.jpg"
    tiny.write_bytes(encoded(scene(1, (64, 48)), "JPEG"))
    large.write_bytes(content)
    command = [sys.executable, "-c", _PEAK, str(tiny), str(large)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


async def _whole_job(folder: Path, seconds: float) -> tuple[float, dict[str, float]]:
    """Let the worker's function have one new photo after the other, of equal cost, from the store."""
    with EmbeddedPostgres(folder / "pg") as server:
        await server.prepare("bench")
        await migrate(server.url("bench", OWNER_ROLE))
        settings = read_settings(
            {
                "FSM_DATABASE_URL": server.url("bench"),
                "FSM_SECRET": "a secret of the bench, long enough",
                "FSM_BLOB_DIR": str(folder / "blobs"),
            }
        )
        database = compose_database(settings)
        company: Company = await found_company(database, settings, NOW, slug="photos")
        store: BlobStore = blob_store(settings)
        content = photo(SIZES["12 megapixels"], 3)
        job: list[Job] = []

        async def arrive() -> None:
            """Give the job another photo: the same pixels, other bytes behind them."""
            stored = await store.put_small(company.id, content + len(job).to_bytes(8))
            async with database.transaction(company.id) as session:
                inspection = inspect(content)
                await queries.keep_blob(session, company.system, NOW, stored, inspection)
            job.append(Job(company.id, {"sha256": stored.sha256}))

        async def work() -> None:
            async with database.transaction(company.id) as session:
                await make_thumbnail(session, job[-1], store)

        ratios, spent = [], []
        began = time.process_time()
        while time.process_time() - began < seconds or len(ratios) < 6:
            await arrive()
            at = time.process_time()
            await work()
            spent.append(time.process_time() - at)
            at = time.process_time()
            raw(content)
            ratios.append((time.process_time() - at) / spent[-1])
        await database.close()
    return statistics.median(ratios), {
        "job_ms": round(statistics.median(spent) * 1000, 1),
        "jobs": len(spent),
    }
