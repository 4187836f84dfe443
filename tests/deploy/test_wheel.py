"""A wheel of a checkout, installed elsewhere, serves the pages of its sources, and needs no Node for it."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from fsm.embedded import APPLICATION_ROLE, EmbeddedPostgres
from tests.conftest import TEMPLATE

CHECKOUT = Path(__file__).parents[2]
UV = Path(sys.prefix) / "bin" / "uv"
PAGES = ("fsm/web/built", "mobile_api/pwa/built")

pytestmark = pytest.mark.long


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """What a fresh checkout holds."""
    if not UV.exists() or not (CHECKOUT / ".git").exists():
        pytest.skip("this needs a git checkout whose environment deploy/test made")
    asked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(asked, cwd=CHECKOUT, check=True, capture_output=True, text=True)
    place = tmp_path / "sources"
    for name in filter(None, listed.stdout.split("\0")):
        if (CHECKOUT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(CHECKOUT / name, place / name)
    return place


@contextmanager
def serving(program: Path, environment: dict[str, str], folder: Path) -> Iterator[str]:
    """`fsm serve` as an operator starts it; gives its address."""
    command = [program, "serve", "--port", "0"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=folder, env=environment, text=True, **streams) as process:
        said = []
        try:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                if found := re.search(r"http://\S+", line):
                    yield found[0]
                    return
            pytest.fail(f"the server ended: {''.join(said)}")
        finally:
            process.terminate()


@pytest.fixture
def without_node(tmp_path: Path) -> Path:
    """A folder of programs for PATH: a shell, and no Node."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sh").symlink_to("/bin/sh")
    return programs


async def test_an_installed_wheel_serves_the_offices_pages_and_the_technicians_app(
    sources: Path, without_node: Path, tmp_path: Path, postgres: EmbeddedPostgres
) -> None:
    # What was built before somebody went on with the sources, as `python -m build` may find it.
    for name in PAGES:
        (sources / name).mkdir()
        (sources / name / "built-from").write_text("sources of yesterday")
        (sources / name / "left-behind.js").write_text("'of yesterday'")
    subprocess.run(
        [
            UV,
            "build",
            "--quiet",
            "--python",
            sys.executable,
            "--out-dir",
            tmp_path / "out",
            sources,
        ],
        env=os.environ | {"PATH": str(without_node)},
        check=True,
    )
    (wheel,) = (tmp_path / "out").glob("*.whl")
    assert not any("left-behind" in name for name in zipfile.ZipFile(wheel).namelist())
    venv = tmp_path / "venv"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    install = [UV, "pip", "install", "--quiet", "--python", venv / "bin" / "python"]
    pins = CHECKOUT / "deploy" / "requirements" / "runtime.txt"
    subprocess.run([*install, "--require-hashes", "-r", pins], check=True)
    subprocess.run([*install, "--no-deps", wheel], check=True)
    name = f"wheel_{uuid4().hex[:12]}"
    await postgres.create_database(name, template=TEMPLATE)
    environment = {
        "PATH": os.defpath,
        "FSM_DATABASE_URL": postgres.url(name, APPLICATION_ROLE),
        "FSM_SECRET": "a secret of the tests, long enough",
        "FSM_PUBLIC_URL": "http://fsm.test",
        "FSM_BLOB_DIR": str(tmp_path / "blobs"),
    }
    try:
        with serving(venv / "bin" / "fsm", environment, tmp_path) as url:
            async with httpx.AsyncClient(base_url=url) as client:
                for page in ("/office/board", "/office/sign-in", "/app/index"):
                    answer = await client.get(page)
                    assert answer.status_code == 200, answer.text
                    (script,) = re.findall(r'<script type="module"[^>]* src="([^"]+)"', answer.text)
                    loaded = await client.get(str(answer.url.join(script)))
                    assert loaded.status_code == 200
                    assert loaded.headers["Content-Type"].startswith("text/javascript")
                assert (await client.get("/app", follow_redirects=True)).status_code == 200
    finally:
        await postgres.drop_database(name)
