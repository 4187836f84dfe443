"""How the search is compiled: numba at the first call, from its cache on disk ever after.

Imported only by the modules that are compiled, and these only where a search begins: without numba
the other engine still plans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from numba import config, njit
from numba.core import types

from scheduler.engine.machine_code import CACHE

F = TypeVar("F", bound=Callable[..., object])

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
