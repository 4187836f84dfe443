"""Where the machine code of the search is kept, and whether it is there: asked without loading a compiler."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def _sources() -> str:
    """Return a digest of the compiled modules: numba sees a change of a function, not of those it calls."""
    found = hashlib.sha256()
    for path in sorted(_HERE.glob("*.py")):
        code = path.read_bytes()
        if b"@compiled" in code or path.stem in ("columns", "compiled", "machine_code"):
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
_WHOLE = CACHE / "warm"


def is_warm() -> bool:
    """Whether the kernel is compiled: where it is not, its first use takes minutes."""
    return _WHOLE.exists()


def note_warm() -> None:
    """Note that everything is compiled."""
    _WHOLE.touch()
