"""How the search is compiled: numba at the first call, from its cache on disk ever after.

Imported only by the modules that are compiled, and these only where a search begins: without numba
the other engine still plans.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import config, njit
from numba.core import types

F = TypeVar("F", bound=Callable[..., object])

_HERE = Path(__file__).resolve().parent


def _sources() -> str:
    """Return a digest of the compiled modules: numba sees a change of a function, not of those it calls."""
    found = hashlib.sha256()
    for path in sorted(_HERE.glob("*.py")):
        code = path.read_bytes()
        if b"@compiled" in code or path.stem in ("columns", "compiled"):
            found.update(code)
    return found.hexdigest()[:16]


def _cache() -> Path:
    """Return the first folder that can be written to; one for this process alone where none can."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    homes = [_HERE / "__pycache__", Path.home() / ".cache" / "fsm"]
    for folder in [Path(given)] if given else homes:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="fsm-search-"))


CACHE = _cache() / f"search-{_sources()}"
setattr(config, "CACHE_DIR", str(CACHE))  # noqa: B010  # the module makes up its names


def compiled(function: F) -> F:
    """Return `function` as machine code that holds no lock of Python's while it runs.

    Arrays come from outside and are none of its memory, so it counts no references to them: counting
    took two thirds of the time.
    """
    options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
    dispatcher = njit(**options)(function)
    widened: Any = types.unliteral
    resolve: Any = dispatcher.get_call_template

    def resolved(args: Sequence[Any], kws: Mapping[str, Any]) -> Any:
        """Take a constant as a number like others: a version of the code for each takes long to compile."""
        wide = {name: widened(each) for name, each in kws.items()}
        return resolve(tuple(widened(each) for each in args), wide)

    dispatcher.get_call_template = resolved
    return cast(F, dispatcher)
