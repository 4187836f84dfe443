"""What a plan depends on beside its inputs: the solvers that are installed, and the planner itself."""

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

_SOLVERS = ("ortools", "numba", "numpy")
"""The compiled search may be missing."""

_OURS = ("problem.py", "repair.py", "candidates.py", "bonds.py", "engine/*.py")


def versions() -> dict[str, str]:
    """Return the versions of all that makes plans; the running program does not change them."""
    return dict(_versions())


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    solvers = [(name, version(name)) for name in _SOLVERS if find_spec(name) is not None]
    return (*solvers, ("planner", _planner()))


def _planner() -> str:
    """Return a digest of the planner's own code: another one may make another plan of the same inputs."""
    here = Path(__file__).parent
    digest = sha256()
    for path in sorted(path for pattern in _OURS for path in here.glob(pattern)):
        digest.update(path.relative_to(here).as_posix().encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
