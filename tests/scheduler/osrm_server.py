"""A real OSRM server for tests: its programs from a PyPI wheel, its roads from an extract of OpenStreetMap.

The wheel is tagged for one version of Python and is never imported, so it is no requirement of ours: it is
downloaded once by its tag and unpacked into pytest's cache, where the prepared roads stay too.
"""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.ports import kept_port

WHEEL = "osrm-bindings==26.10.0"
OWN_WHEEL = "FSM_OSRM_WHEEL"
"""Names a wheel that is there already, where nothing can be downloaded."""


def programs(cache: Path) -> Path:
    """Return the folder `osrm` of the unpacked wheel; the test skips where it cannot be had."""
    unpacked = cache / WHEEL.replace("==", "-")
    if not unpacked.is_dir():
        with TemporaryDirectory(dir=cache) as folder:
            wheel = _wheel(Path(folder))
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(Path(folder) / "wheel")
            for program in (Path(folder) / "wheel/osrm/bin").iterdir():
                program.chmod(0o755)
            _put(Path(folder) / "wheel", unpacked)
    return unpacked / "osrm"


def _wheel(folder: Path) -> Path:
    if own := os.environ.get(OWN_WHEEL):
        return Path(own)
    download = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"),
        *("--python-version=3.12", "--implementation=cp", "--abi=cp312", f"--dest={folder}"),
        *(["--abi=abi3"] if sys.platform == "linux" else []),
        WHEEL,
    ]
    try:
        subprocess.run(download, check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", b"") or str(error).encode()
        pytest.skip(
            f"no OSRM: pip cannot download {WHEEL} for CPython 3.12 on this platform; name the wheel "
            f"in {OWN_WHEEL} instead ({said.decode(errors='replace')[-200:]})"
        )
    return next(folder.glob("*.whl"))


def _put(made: Path, place: Path) -> None:
    try:
        made.rename(place)
    except OSError:
        assert place.is_dir(), "another test process was quicker"


def roads(cache: Path, osrm: Path, extract: Path) -> Path:
    """Return the prepared roads of an extract: some seconds the first time."""
    digest = hashlib.sha256(extract.read_bytes()).hexdigest()[:12]
    prepared = cache / f"{extract.name.partition('.')[0]}-{digest}"
    if not prepared.is_dir():
        with TemporaryDirectory(dir=cache) as folder:
            work = Path(folder) / "roads"
            work.mkdir()
            shutil.copy(extract, work / "map.osm.pbf")
            profile = f"--profile={osrm / 'share/profiles/car.lua'}"
            for program, *arguments in (
                ("osrm-extract", profile, "--data_version=one", "map.osm.pbf"),
                ("osrm-partition", "map.osrm"),
                ("osrm-customize", "map.osrm"),
            ):
                command = [str(osrm / "bin" / program), "--threads=1", *arguments]
                subprocess.run(command, cwd=work, check=True, capture_output=True, timeout=600)
            _put(work, prepared)
    return prepared / "map.osrm"


@contextmanager
def serving(osrm: Path, prepared: Path) -> Iterator[str]:
    """Yield the address of a server on these roads."""
    port = kept_port()
    command = [str(osrm / "bin/osrm-routed"), "--algorithm=MLD", "--ip=127.0.0.1", f"--port={port}"]
    with subprocess.Popen(
        [*command, "--threads=1", "--verbosity=ERROR", str(prepared)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            _wait_for(server, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _wait_for(server: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None, f"osrm-routed ended with {server.returncode}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("osrm-routed does not answer")
