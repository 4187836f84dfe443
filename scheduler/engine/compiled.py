"""How the search is compiled: numba at the first call, from its cache on disk ever after.

Imported only by the modules that are compiled, and these only where a search begins: without numba
the other engine still plans.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import config, njit

F = TypeVar("F", bound=Callable[..., object])

_HERE = Path(__file__).resolve().parent


def _sources() -> str:
    """Return a digest of these modules: numba sees a change of a function, not of those it calls."""
    found = hashlib.sha256()
    for path in sorted(_HERE.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


_CACHE = Path(os.environ.get("NUMBA_CACHE_DIR") or _HERE / "__pycache__")
# Where nothing can be written there numba looks for another place itself.
setattr(config, "CACHE_DIR", str(_CACHE / f"search-{_sources()}"))  # noqa: B010  # known at run time only


def compiled(function: F) -> F:
    """Return `function` as machine code that holds no lock of Python's while it runs.

    Arrays come from outside and are none of its memory, so it counts no references to them: counting
    took two thirds of the time.
    """
    options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
    return cast(F, njit(**options)(function))
